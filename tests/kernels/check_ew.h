/* check_ew.h: every micro-op of ew.def against the oracle. One line per op says how wrong it may be: EXACT when the
 * result is rounded once, else a bound in terms of inputs a, b, c and the true value y (see kernel_check.h). */
#ifndef CHECK_EW_H
#define CHECK_EW_H
#include "kernel_check.h"

#define BOUND(name, bound)                                                  \
    static double ew_bound_##name(double a, double b, double c, double y) { \
        (void)a, (void)b, (void)c, (void)y;                                 \
        return (bound);                                                     \
    }
#define EXACT(name) BOUND(name, 0)

/* of the normal distribution */
static double density(double x) { return fabs(x) > 40 ? 0 : 0.3989422804014327 * exp(-0.5 * x * x); }
/* d gelu_tanh: an error of t = tanh(inner) is multiplied by x * inner' until 1 - t^2 is 0 in float */
static double tanh_slope(double x) {
    double inner = 0.7978845608 * (x + 0.044715 * x * x * x), slope = 0.7978845608 * (1 + 3 * 0.044715 * x * x);
    return fabs(inner) < 10 ? fabs(x) * slope : 0;
}

EXACT(copy)
EXACT(neg)
EXACT(abs)
EXACT(sign) EXACT(round) EXACT(square) EXACT(sqrt) EXACT(recip) EXACT(relu) EXACT(relu2) EXACT(add_c) EXACT(mul_c)
    EXACT(leaky_relu) EXACT(clamp) EXACT(gt_c) EXACT(add) EXACT(sub) EXACT(mul) EXACT(div) EXACT(max) EXACT(min)
        EXACT(gt) EXACT(ge) EXACT(eq) EXACT(relu_bwd) EXACT(relu2_bwd) EXACT(leaky_relu_bwd) EXACT(clamp_bwd)
            EXACT(where) BOUND(rsqrt, 2 * U * fabs(y))
                BOUND(muladd, U *fabs(a *b)) /* the product may be rounded first */
    /* our polynomials: at most so many units in the last place, 2 U each */
    BOUND(exp, 3 * U * fabs(y)) BOUND(log, 3 * U * fabs(y)) BOUND(sin, 4 * U * fabs(y)) BOUND(cos, 4 * U * fabs(y))
        BOUND(tanh, 6 * U * fabs(y)) BOUND(erf, 12 * U * fabs(y)) BOUND(pow_c, 6 * U * fabs(y))
            BOUND(sigmoid, 6 * U * fabs(y) + UNDERFLOW_EXP) BOUND(softplus, 6 * U * fabs(y))
                BOUND(silu, 6 * U * fabs(y) + UNDERFLOW_EXP * fabs(a))
                    BOUND(swiglu, 8 * U * fabs(y) + UNDERFLOW_EXP * fabs(a * b) + DENORMAL * fabs(b))
    /* 1 + erf and 1 + tanh cancel for negative a: the error is that of erf and tanh near -1 */
    BOUND(gelu, 8 * U * fabs(a)) BOUND(gelu_tanh, 8 * U * fabs(a))
        BOUND(sigmoid_bwd, 3 * U * fabs(y) + DENORMAL * fabs(1 - a)) BOUND(tanh_bwd, 2 * U * fabs(b) * (1 + a * a))
            BOUND(silu_bwd, 10 * U * fabs(b) * (1 + fabs(a)) / (1 + exp(-a)) +
                                (UNDERFLOW_EXP * fabs(b) + DENORMAL) * (1 + fabs(a)))
                BOUND(gelu_bwd, fabs(b) * (10 * U + (8 + 2 * fmin(a * a, 1600)) * U * fmin(fabs(a), 40) * density(a)))
                    BOUND(gelu_tanh_bwd, fabs(b) * (8 * U + 20 * U * tanh_slope(a)) + 2 * DENORMAL)

                        typedef struct ew_case {
    const char *name;
    int n_in;
    double (*bound)(double a, double b, double c, double y);
} ew_case;
static const ew_case ew_cases[] = {
#define FIGK_EW(name, n_in, expr) {#name, n_in, ew_bound_##name},
#include "kernels/ew.def"
#undef FIGK_EW
};

/* Gradients that take the forward output y = tanh(x) or sigmoid(x) only ever see [-1, 1]. */
static void limit_to_outputs(int op, array *a) {
    if (op != FIGK_EW_tanh_bwd && op != FIGK_EW_sigmoid_bwd) return;
    for (size_t i = 0; i < a->n; i++)
        if (fabs(array_get(a, i)) > 1) array_set(a, i, 1 / array_get(a, i));
}

static void ew_compare(int op, const array in[3], const array *y, const double p[2]) {
    array wide[3], want = array_new(FIG_F64, y->n, 0);
    for (int i = 0; i < 3; i++) wide[i] = array_copy(&in[i], FIG_F64, 0);
    figk_oracle()->ew[op](y->n, want.p, wide[0].p, wide[1].p, wide[2].p, p);
    for (size_t i = 0; i < y->n; i++) {
        double a = array_get(&wide[0], i), b = array_get(&wide[1], i), c = array_get(&wide[2], i);
        double w = array_get(&want, i);
        double bound = ew_cases[op].bound(a, b, c, w);
        if (!expect_near(FIG_F32, array_get(y, i), w, bound + DENORMAL, i))
            expect(false, "%s(%.9g, %.9g, %.9g)", ew_cases[op].name, a, b, c);
        if (now_.failed) break;
    }
    for (int i = 0; i < 3; i++) array_free(&wide[i]);
    array_free(&want);
}

static void ew_run(int op, size_t n, size_t shift, kind k, const double p[2]) {
    array in[3], y = array_new(FIG_F32, n, shift);
    for (size_t i = 0; i < 3; i++) in[i] = array_random(FIG_F32, n, i * shift, k);
    limit_to_outputs(op, &in[0]);
    const void *b = ew_cases[op].n_in > 1 ? in[1].p : NULL, *c = ew_cases[op].n_in > 2 ? in[2].p : NULL;
    now_.t->ew[op](n, y.p, in[0].p, b, c, p);
    ew_compare(op, in, &y, p);
    for (int i = 0; i < ew_cases[op].n_in; i++) { /* in place, and elsewhere in memory: the same bits */
        array again = array_copy(&in[i], FIG_F32, 2);
        const void *args[3] = {in[0].p, b, c};
        args[i] = again.p;
        now_.t->ew[op](n, again.p, args[0], args[1], args[2], p);
        expect(same_bits(&y, &again), "in place over input %d differs", i);
        array_free(&again);
    }
    for (size_t i = 0; i < 3; i++) array_free(&in[i]);
    array_free(&y);
}

static void check_ew_op(int op) {
    static const double constants[][2] = {{0.5, 2}, {-1.5, 0.25}, {2, 3},    {3, 3},
                                          {-1, 1},  {0, 0},       {-3, 100}, {33.25, 40}};
    size_t n_constants = op >= FIGK_EW_add_c && op <= FIGK_EW_gt_c ? FIG_COUNT(constants) : 1;
    if (op == FIGK_EW_clamp_bwd) n_constants = FIG_COUNT(constants);
    for (size_t p = 0; p < n_constants; p++)
        for (size_t s = 0; s < FIG_COUNT(sizes); s++)
            for (kind k = TAME; k < KIND_COUNT; k++) ew_run(op, sizes[s], shifts[s % 3], k, constants[p]);
}

#endif
