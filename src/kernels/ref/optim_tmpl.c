/* kernels/ref/optim_tmpl.c: parameter updates. Masters and moments are float in both builds; in between is real. */
#include "real.h"

/* AdamW (Loshchilov and Hutter 2019). */
void REF(adamw)(const figk_adamw_args *a) {
    real b1 = a->beta1, b2 = a->beta2;
    for (size_t i = 0; i < a->n; i++) {
        real g = R(a->g[i]) * a->grad_scale, p = a->p[i];
        real m = b1 * a->m[i] + (1 - b1) * g;
        real v = b2 * a->v[i] + (1 - b2) * g * g;
        p -= R(a->lr) * a->weight_decay * p;
        p -= R(a->lr) * (m / a->bias1) / (m_sqrt(v / a->bias2) + a->eps);
        a->m[i] = (float)m;
        a->v[i] = (float)v;
        a->p[i] = (float)p;
        if (a->copy) ref_set(a->copy, a->copy_type, i, (real)(float)p);
        if (a->ema) a->ema[i] = (float)(a->ema[i] + (1 - R(a->ema_decay)) * (p - a->ema[i]));
    }
}

void REF(sgd)(size_t n, float *p, const float *g, float *v, float grad_scale, float lr, float momentum,
              float weight_decay, bool nesterov, void *copy, fig_dtype copy_type) {
    for (size_t i = 0; i < n; i++) {
        real d = R(g[i]) * grad_scale + R(weight_decay) * p[i];
        real velocity = R(momentum) * v[i] + d;
        real moved = p[i] - R(lr) * (nesterov ? d + R(momentum) * velocity : velocity);
        v[i] = (float)velocity;
        p[i] = (float)moved;
        if (copy) ref_set(copy, copy_type, i, R(p[i]));
    }
}

void REF(axpby)(size_t n, float a, const float *x, float b, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = (float)(R(a) * x[i] + R(b) * y[i]);
}

void REF(fill_optim)(figk_table *t) {
    t->adamw = REF(adamw);
    t->sgd = REF(sgd);
    t->axpby = REF(axpby);
}
