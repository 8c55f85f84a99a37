/* check_optim.h: parameter updates. */
#ifndef CHECK_OPTIM_H
#define CHECK_OPTIM_H
#include "kernel_check.h"

static void expect_copy(const array *copy, const array *p) {
    for (size_t i = 0; i < p->n; i++)
        expect(array_get(copy, i) == rounded(copy->type, array_get(p, i)), "copy of element %zu is not p rounded", i);
}

enum { P, M, V, EMA, G, N_ARRAYS };
static void adamw_arrays(figk_adamw_args *a, array x[N_ARRAYS]) {
    a->p = x[P].p, a->m = x[M].p, a->v = x[V].p, a->g = x[G].p;
    a->ema = a->ema_decay > 0 ? x[EMA].p : NULL;
}

/* m' = b1 m + (1 - b1) g and v' alike: three roundings. p' = p - lr wd p - lr (m'/c1) / (sqrt(v'/c2) + eps): the step
 * has six more, and what m' lost. */
static void adamw_bounds(const figk_adamw_args *a, const array before[N_ARRAYS], size_t i, double bound[4]) {
    double m = array_get(&before[M], i), v = array_get(&before[V], i), g = a->grad_scale * array_get(&before[G], i);
    double p = array_get(&before[P], i), ema = array_get(&before[EMA], i);
    double m_size = fabs(a->beta1 * m) + fabs((1 - a->beta1) * g), v_new = a->beta2 * v + (1 - a->beta2) * g * g;
    double scale = a->lr / a->bias1 / (sqrt(v_new / a->bias2) + a->eps);
    bound[M] = 3 * U * m_size;
    bound[V] = 4 * U * v_new + DENORMAL;
    bound[P] = 3 * U * fabs(p) + scale * (bound[M] + 9 * U * m_size);
    bound[EMA] = 3 * U * (fabs(ema) + fabs(p)) + bound[P] + scale * m_size * U;
}

static void adamw_run(size_t n, size_t shift, fig_dtype copy_type, bool has_copy, bool has_ema) {
    array x[N_ARRAYS], want[N_ARRAYS], before[N_ARRAYS], copy = array_new(copy_type, n, shift);
    for (size_t i = 0; i < N_ARRAYS; i++) x[i] = array_random(FIG_F32, n, (i + shift) % 3, TAME);
    for (size_t i = 0; i < n; i++) array_set(&x[V], i, array_get(&x[V], i) * array_get(&x[V], i));
    for (size_t i = 0; i < N_ARRAYS; i++) {
        want[i] = array_copy(&x[i], FIG_F32, 0);
        before[i] = array_copy(&x[i], FIG_F32, 0);
    }
    figk_adamw_args a = {.n = n,
                         .copy = has_copy ? copy.p : NULL,
                         .copy_type = copy_type,
                         .grad_scale = 0.25f,
                         .lr = 0.01f,
                         .beta1 = 0.9f,
                         .beta2 = 0.95f,
                         .eps = 1e-8f,
                         .weight_decay = 0.1f,
                         .bias1 = 0.19f,
                         .bias2 = 0.0975f,
                         .ema_decay = has_ema ? 0.99f : 0};
    figk_adamw_args o = a;
    adamw_arrays(&a, x);
    adamw_arrays(&o, want);
    o.copy = NULL;
    now_.t->adamw(&a);
    figk_oracle()->adamw(&o);
    for (size_t i = 0; i < n; i++) {
        double bound[4];
        adamw_bounds(&a, before, i, bound);
        for (size_t j = 0; j < G; j++) {
            double w = array_get(&want[j], i); /* already rounded to float: U more */
            expect_near(FIG_F32, array_get(&x[j], i), w, bound[j] + U * fabs(w), i);
        }
    }
    if (has_copy) expect_copy(&copy, &x[P]);
    for (size_t i = 0; i < N_ARRAYS; i++) array_free(&x[i]), array_free(&want[i]), array_free(&before[i]);
    array_free(&copy);
}
static void check_adamw(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int v = 0; v < 8; v++) adamw_run(sizes[s], shifts[s % 3], float_types[v & 1], v & 2, v & 4);
}

static void sgd_run(size_t n, size_t shift, fig_dtype copy_type, bool has_copy, bool nesterov) {
    const float scale = 0.5f, lr = 0.1f, mu = 0.9f, decay = 0.01f;
    array p = array_random(FIG_F32, n, shift, TAME), g = array_random(FIG_F32, n, 1, TAME);
    array v = array_random(FIG_F32, n, 2, TAME), copy = array_new(copy_type, n, shift);
    array p2 = array_copy(&p, FIG_F32, 0), v2 = array_copy(&v, FIG_F32, 0);
    array p0 = array_copy(&p, FIG_F32, 0), v0 = array_copy(&v, FIG_F32, 0);
    now_.t->sgd(n, p.p, g.p, v.p, scale, lr, mu, decay, nesterov, has_copy ? copy.p : NULL, copy_type);
    figk_oracle()->sgd(n, p2.p, g.p, v2.p, scale, lr, mu, decay, nesterov, NULL, FIG_F32);
    for (size_t i = 0; i < n; i++) {
        double d = fabs(scale * array_get(&g, i)) + fabs(decay * array_get(&p0, i));
        double size = fabs(mu * array_get(&v0, i)) + d;
        expect_near(FIG_F32, array_get(&v, i), array_get(&v2, i), 5 * U * size, i);
        double moved = lr * (nesterov ? d + mu * size : size);
        expect_near(FIG_F32, array_get(&p, i), array_get(&p2, i), 8 * U * moved + 3 * U * fabs(array_get(&p2, i)), i);
    }
    if (has_copy) expect_copy(&copy, &p);
    array_free(&p), array_free(&g), array_free(&v), array_free(&copy);
    array_free(&p2), array_free(&v2), array_free(&p0), array_free(&v0);
}
static void check_sgd(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int v = 0; v < 8; v++) sgd_run(sizes[s], shifts[s % 3], float_types[v & 1], v & 2, v & 4);
}

static void check_axpby(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++) {
        array x = array_random(FIG_F32, sizes[s], shifts[s % 3], LIMIT), y = array_random(FIG_F32, sizes[s], 1, LIMIT);
        array before = array_copy(&y, FIG_F32, 0);
        now_.t->axpby(sizes[s], 0.75f, x.p, -1.5f, y.p);
        for (size_t i = 0; i < sizes[s]; i++) {
            double a = 0.75 * array_get(&x, i), b = -1.5 * array_get(&before, i);
            expect_near(FIG_F32, array_get(&y, i), a + b, U * (fabs(a) + fabs(b)) + DENORMAL, i);
        }
        array_free(&x), array_free(&y), array_free(&before);
    }
}

#endif
