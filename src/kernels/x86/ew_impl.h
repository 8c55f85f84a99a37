/* kernels/x86/ew_impl.h: the micro-ops of ew.def on vectors; one inline function each, loops generated from ew.def. */
#include "vec_kernel.h"
#include "vec_math.h"

#ifdef VL
#define ONE v_set1(1)
#define OP1(name, expr)                                    \
    V_FN vf op_##name(vf a, vf b, vf c, const double *p) { \
        (void)b, (void)c, (void)p;                         \
        return (expr);                                     \
    }
#define OP2(name, expr)                                    \
    V_FN vf op_##name(vf a, vf b, vf c, const double *p) { \
        (void)c, (void)p;                                  \
        return (expr);                                     \
    }
#define P(i) v_set1((float)p[i])
#define FLAG(m) v_zero_unless((m), ONE) /* 1 or 0 */

/* gelu(x) = x Phi(x), with Phi the normal distribution function */
V_FN vf normal_cdf(vf x) { return v_fma(v_erf(v_mul(x, v_set1(0.707106781f))), v_set1(0.5f), v_set1(0.5f)); }
V_FN vf normal_density(vf x) { return v_mul(v_set1(0.398942280f), v_exp(v_mul(v_mul(x, x), v_set1(-0.5f)))); }
V_FN vf gelu_inner(vf x) { /* sqrt(2/pi) (x + 0.044715 x^3) */
    return v_mul(v_set1(0.797884561f), v_fma(v_mul(v_mul(x, x), x), v_set1(0.044715f), x));
}
V_FN vf gelu_tanh_bwd(vf x, vf dy) {
    vf t = v_tanh(gelu_inner(x)), u = v_fnma(t, t, ONE);
    vf inner_slope = v_fma(v_mul(x, x), v_set1(0.797884561f * 3 * 0.044715f), v_set1(0.797884561f));
    vf slope = v_zero_unless(v_ne(u, v_zero()), v_mul(v_mul(x, u), inner_slope)); /* else maybe 0 times infinity */
    return v_mul(v_mul(v_set1(0.5f), dy), v_add(v_add(ONE, t), slope));
}
V_FN vf silu_bwd(vf x, vf dy) {
    vf s = v_sigmoid(x);
    return v_mul(v_mul(dy, s), v_fma(x, v_sub(ONE, s), ONE));
}

OP1(copy, a)
OP1(neg, v_neg(a))
OP1(abs, v_abs(a))
OP1(sign, v_sub(FLAG(v_gt(a, v_zero())), FLAG(v_lt(a, v_zero()))))
OP1(round, v_round(a))
OP1(square, v_mul(a, a))
OP1(sqrt, v_sqrt(a))
OP1(rsqrt, v_div(ONE, v_sqrt(a)))
OP1(recip, v_div(ONE, a))
OP1(exp, v_exp(a))
OP1(log, v_log(a))
OP1(sin, v_sin(a))
OP1(cos, v_cos(a))
OP1(tanh, v_tanh(a))
OP1(erf, v_erf(a))
OP1(sigmoid, v_sigmoid(a))
OP1(softplus, v_add(v_max(a, v_zero()), v_log1p(v_exp(v_neg(v_abs(a))))))
OP1(relu, v_max(a, v_zero()))
OP1(relu2, v_mul(v_max(a, v_zero()), v_max(a, v_zero())))
OP1(silu, v_div(a, v_add(ONE, v_exp(v_neg(a)))))
OP1(gelu, v_mul(a, normal_cdf(a)))
OP1(gelu_tanh, v_mul(v_mul(v_set1(0.5f), a), v_add(ONE, v_tanh(gelu_inner(a)))))
OP1(add_c, v_add(a, P(0)))
OP1(mul_c, v_mul(a, P(0)))
OP1(leaky_relu, v_sel(v_gt(a, v_zero()), a, v_mul(a, P(0))))
OP1(clamp, v_min(P(1), v_max(P(0), a)))
OP1(gt_c, FLAG(v_gt(a, P(0))))
OP1(pow_c, v_pow(a, (float)p[0]))
OP2(add, v_add(a, b))
OP2(sub, v_sub(a, b))
OP2(mul, v_mul(a, b))
OP2(div, v_div(a, b))
OP2(max, v_max(a, b))
OP2(min, v_min(a, b))
OP2(gt, FLAG(v_gt(a, b)))
OP2(ge, FLAG(v_ge(a, b)))
OP2(eq, FLAG(v_eq(a, b)))
OP2(swiglu, v_mul(v_div(a, v_add(ONE, v_exp(v_neg(a)))), b))
OP2(sigmoid_bwd, v_mul(v_mul(b, a), v_sub(ONE, a)))
OP2(tanh_bwd, v_mul(b, v_fnma(a, a, ONE)))
OP2(relu_bwd, v_zero_unless(v_gt(a, v_zero()), b))
OP2(relu2_bwd, v_zero_unless(v_gt(a, v_zero()), v_mul(v_add(a, a), b)))
OP2(leaky_relu_bwd, v_sel(v_gt(a, v_zero()), b, v_mul(b, P(0))))
OP2(clamp_bwd, v_zero_unless(v_and(v_ge(a, P(0)), v_le(a, P(1))), b))
OP2(silu_bwd, silu_bwd(a, b))
OP2(gelu_bwd, v_mul(b, v_fma(a, normal_density(a), normal_cdf(a))))
OP2(gelu_tanh_bwd, gelu_tanh_bwd(a, b))
V_FN vf op_where(vf a, vf b, vf c, const double *p) {
    (void)p;
    return v_sel(v_ne(a, v_zero()), b, c);
}
V_FN vf op_muladd(vf a, vf b, vf c, const double *p) {
    (void)p;
    return v_fma(a, b, c);
}

#define FIGK_EW(name, n_in, expr)                                                                 \
    static void ISA(ew_##name)(size_t n, void *y, const void *va, const void *vb, const void *vc, \
                               const double *restrict p) {                                        \
        LANES(n, i, k, {                                                                          \
            vf a = get(va, FIG_F32, i, k);                                                        \
            vf b = n_in > 1 ? get(vb, FIG_F32, i, k) : v_zero();                                  \
            vf c = n_in > 2 ? get(vc, FIG_F32, i, k) : v_zero();                                  \
            put(y, FIG_F32, i, k, op_##name(a, b, c, p));                                         \
        });                                                                                       \
    }
#include "kernels/ew.def"
#undef FIGK_EW

void ISA_FILL(ew)(figk_table *t) {
#define FIGK_EW(name, n_in, expr) t->ew[FIGK_EW_##name] = ISA(ew_##name);
#include "kernels/ew.def"
#undef FIGK_EW
}
#endif
