/* kernels/x86/optim_impl.h: parameter updates, bound by memory: every array is read and written once. */
#include "vec_kernel.h"

#ifdef VL
V_FN void adamw_all(const figk_adamw_args *a, bool has_copy, fig_dtype copy_type) {
    const vf grad_scale = v_set1(a->grad_scale), b1 = v_set1(a->beta1), c1 = v_set1(1 - a->beta1);
    const vf b2 = v_set1(a->beta2), c2 = v_set1(1 - a->beta2), eps = v_set1(a->eps);
    const vf rate = v_set1(a->lr / a->bias1), inverse2 = v_set1(1 / a->bias2);
    const vf shrink = v_set1(a->lr * a->weight_decay), ema_rate = v_set1(1 - a->ema_decay);
    LANES(a->n, i, k, {
        vf g = v_mul(get(a->g, FIG_F32, i, k), grad_scale);
        vf p = get(a->p, FIG_F32, i, k);
        vf m = v_fma(b1, get(a->m, FIG_F32, i, k), v_mul(c1, g));
        vf v = v_fma(b2, get(a->v, FIG_F32, i, k), v_mul(c2, v_mul(g, g)));
        p = v_fnma(shrink, p, p);
        p = v_fnma(rate, v_div(m, v_add(v_sqrt(v_mul(v, inverse2)), eps)), p);
        put(a->m, FIG_F32, i, k, m);
        put(a->v, FIG_F32, i, k, v);
        put(a->p, FIG_F32, i, k, p);
        if (has_copy) put(a->copy, copy_type, i, k, p);
        if (a->ema) {
            vf ema = get(a->ema, FIG_F32, i, k);
            put(a->ema, FIG_F32, i, k, v_fma(ema_rate, v_sub(p, ema), ema));
        }
    });
}

void ISA(adamw)(const figk_adamw_args *a) {
    if (!a->copy)
        adamw_all(a, false, FIG_F32);
    else
        PICK(a->copy_type, adamw_all, a, true);
}

V_FN void sgd_all(size_t n, float *p, const float *g, float *v, float grad_scale, float lr, float momentum,
                  float weight_decay, bool nesterov, void *copy, fig_dtype copy_type) {
    const vf scale = v_set1(grad_scale), rate = v_set1(lr), mu = v_set1(momentum), decay = v_set1(weight_decay);
    LANES(n, i, k, {
        vf x = get(p, FIG_F32, i, k);
        vf d = v_fma(decay, x, v_mul(get(g, FIG_F32, i, k), scale));
        vf velocity = v_fma(mu, get(v, FIG_F32, i, k), d);
        x = v_fnma(rate, nesterov ? v_fma(mu, velocity, d) : velocity, x);
        put(v, FIG_F32, i, k, velocity);
        put(p, FIG_F32, i, k, x);
        if (copy) put(copy, copy_type, i, k, x);
    });
}

void ISA(sgd)(size_t n, float *p, const float *g, float *v, float grad_scale, float lr, float momentum,
              float weight_decay, bool nesterov, void *copy, fig_dtype copy_type) {
    PICK(copy_type, sgd_all, n, p, g, v, grad_scale, lr, momentum, weight_decay, nesterov, copy);
}

void ISA(axpby)(size_t n, float a, const float *x, float b, float *y) {
    const vf va = v_set1(a), vb = v_set1(b);
    LANES(n, i, k, { put(y, FIG_F32, i, k, v_fma(va, get(x, FIG_F32, i, k), v_mul(vb, get(y, FIG_F32, i, k)))); });
}

void ISA_FILL(optim)(figk_table *t) {
    t->adamw = ISA(adamw);
    t->sgd = ISA(sgd);
    t->axpby = ISA(axpby);
}
#endif
