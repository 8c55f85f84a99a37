/* kernels/x86/vec_math.h: exp, log, tanh, erf, sine, cosine, power on the lanes of vec.h, within a few units in the
 * last place of the true value, with IEEE results for infinities, NaN, zeros and denormal arguments.
 *
 * Method: range reduction after Cody and Waite (Software Manual for the Elementary Functions, 1980), then one
 * polynomial (for erf a quotient of two) of least maximum relative error over the reduced range, found by Lawson's
 * iteration (reweighted least squares) in double and rounded to float. The error given beside each is that of the
 * polynomial. */
#ifndef FIG_VEC_MATH_H
#define FIG_VEC_MATH_H
#include "vec.h"
#include <math.h>

#ifdef VL
/* a0 + a1 x + ... : Horner. */
#define V_POLY(x, ...) v_poly((x), (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))
V_FN vf v_poly(vf x, const float *a, size_t n) {
    vf y = v_set1(a[n - 1]);
    for (size_t i = n - 1; i-- > 0;) y = v_fma(y, x, v_set1(a[i]));
    return y;
}

/* a * 2^n for whole n in -252 .. 254, right also where the result is denormal or overflows. */
V_FN vf v_scale(vf a, vf n) {
#if VL == 16
    return _mm512_scalef_ps(a, n);
#else
    vi k = v_to_int(n), half = v_sar(k, 1), bias = v_iset1(127);
    vf first = v_floats(v_shl(v_iadd(half, bias), 23)), second = v_floats(v_shl(v_iadd(v_isub(k, half), bias), 23));
    return v_mul(v_mul(a, first), second);
#endif
}

/* Splits x = n ln 2 + r, |r| <= ln 2 / 2, and gives exp(r) - 1; relative error of exp 2^-28. */
V_FN vf v_exp_parts(vf x, vf *n) {
    *n = v_round(v_mul(x, v_set1(1.44269504f)));
    vf r = v_fnma(*n, v_set1(0.693147182f), x);
    r = v_fnma(*n, v_set1(-1.90465430e-9f), r);
    vf p = V_POLY(r, 0.49999994f, 0.166665211f, 0.041668389f, 0.00836874545f, 0.00138145394f);
    return v_fma(v_mul(r, r), p, r);
}
V_FN vf v_exp(vf x) {
    vf n, p;
    x = v_min(v_set1(89.0f), v_max(v_set1(-104.0f), x)); /* beyond: infinity and 0; NaN passes */
    p = v_exp_parts(x, &n);
    return v_scale(v_add(p, v_set1(1)), n);
}

/* m * 2^n = x with m in [sqrt 1/2, sqrt 2), for positive finite x; gives m - 1. */
V_FN vf v_log_parts(vf x, vf *n) {
    vm tiny = v_lt(x, v_set1(0x1p-126f));
    vi u = v_bits(v_sel(tiny, v_mul(x, v_set1(0x1p25f)), x));
    vi k = v_sar(v_isub(u, v_iset1(0x3f3504f3)), 23); /* the bits of sqrt 1/2 */
    *n = v_sub(v_from_int(k), v_zero_unless(tiny, v_set1(25)));
    return v_sub(v_floats(v_isub(u, v_shl(k, 23))), v_set1(1));
}
/* log(1 + f) = f - f^2 / 2 + f^3 q(f), relative error 2^-30. */
V_FN vf v_log(vf x) {
    vf n, f = v_log_parts(x, &n);
    vf q = V_POLY(f, 0.333333135f, -0.250000089f, 0.200021192f, -0.166679963f, 0.142195508f, -0.124055922f,
                  0.118881777f, -0.116756387f, 0.0674659163f);
    vf y = v_fma(v_mul(f, f), v_fma(q, f, v_set1(-0.5f)), v_mul(n, v_set1(-1.90465430e-9f)));
    y = v_fma(n, v_set1(0.693147182f), v_add(y, f));
    y = v_sel(v_eq(x, v_zero()), v_set1(-INFINITY), y);
    y = v_sel(v_eq(x, v_set1(INFINITY)), x, y);
    return v_sel(v_ge(x, v_zero()), y, v_set1(NAN));
}
/* log(1 + t) for t >= 0: what rounding 1 + t lost is put back to first order. */
V_FN vf v_log1p(vf t) {
    vf u = v_add(v_set1(1), t);
    return v_add(v_log(u), v_div(v_sub(t, v_sub(u, v_set1(1))), u));
}

V_FN vf v_sigmoid(vf x) { return v_div(v_set1(1), v_add(v_set1(1), v_exp(v_neg(x)))); }

/* (e^2x - 1) / (e^2x + 1) for |x|; the numerator is summed so that nothing cancels near 0. */
V_FN vf v_tanh(vf x) {
    vf n, t = v_min(v_set1(10), v_abs(x)); /* 1 in float from 9.02 on */
    vf p = v_exp_parts(v_add(t, t), &n), two_n = v_scale(v_set1(1), n);
    vf e = v_fma(two_n, p, v_sub(two_n, v_set1(1)));
    return v_copysign(v_div(e, v_add(e, v_set1(2))), x);
}

/* x P(x^2) / Q(x^2) on [-4, 4], outside of which erf is 1 in float; relative error 2^-25. */
V_FN vf v_erf(vf x) {
    x = v_min(v_set1(4), v_max(v_set1(-4), x));
    vf z = v_mul(x, x);
    vf p = V_POLY(z, 1.12837911f, 0.193543941f, 0.0531016067f, 0.00388330035f, 0.000284565613f, 1.98679845e-06f);
    vf q = V_POLY(z, 1, 0.504856408f, 0.115349546f, 0.0152071603f, 0.001185562f, 3.742033e-05f);
    vf y = v_mul(x, v_div(p, q));
    return v_min(v_set1(1), v_max(v_set1(-1), y));
}

/* Above 10,000 the reduction below loses digits; such arguments are rare and go to libm lane by lane. */
static __attribute__((noinline, unused)) void v_far(float *x, float (*fn)(float)) {
    for (int i = 0; i < VL; i++) x[i] = fn(x[i]);
}
V_FN bool v_any_far(vf x) { return v_any(v_ge(v_abs(x), v_set1(10000))); }
/* sin of x = n pi/2 + r, for the quadrant n + quarter. Relative errors 2^-37 and 2^-33. */
V_FN vf v_sin_quarter(vf x, int quarter) {
    vf n = v_round(v_mul(x, v_set1(0.636619772f)));
    vf r = v_fnma(n, v_set1(1.57079637f), x);
    r = v_fnma(n, v_set1(-4.37113883e-8f), r);
    r = v_fnma(n, v_set1(-1.71512451e-15f), r);
    vf z = v_mul(r, r);
    vf s = V_POLY(z, -0.166666672f, 0.00833332911f, -0.000198393042f, 2.71804765e-06f);
    vf c = V_POLY(z, 0.0416666456f, -0.00138873095f, 2.44324128e-05f);
    s = v_fma(v_mul(r, z), s, r);
    c = v_fma(v_mul(z, z), c, v_fma(z, v_set1(-0.5f), v_set1(1)));
    vi quadrant = v_iadd(v_to_int(n), v_iset1(quarter));
    vf y = v_sel(v_ieq(v_iand(quadrant, v_iset1(1)), v_iset1(0)), s, c);
    return v_floats(v_ixor(v_bits(y), v_shl(v_iand(quadrant, v_iset1(2)), 30)));
}
V_FN vf v_trig(vf x, int quarter, float (*fn)(float)) {
    if (!v_any_far(x)) return v_sin_quarter(x, quarter);
    float lanes[VL];
    v_store(lanes, x);
    v_far(lanes, fn);
    return v_load(lanes);
}
V_FN vf v_sin(vf x) { return v_trig(x, 0, sinf); }
V_FN vf v_cos(vf x) { return v_trig(x, 1, cosf); }

/* |x|^y for finite y: log in two floats, since y log x may be large while its error counts absolutely.
 * log m = 2s + s^3 R(s^2), s = (m-1)/(m+1); relative error of R's part 2^-30. */
V_FN vf v_pow_positive(vf x, vf y) {
    vf n, f = v_log_parts(x, &n), two = v_set1(2), d = v_add(f, two);
    vf d_low = v_sub(f, v_sub(d, two)); /* m + 1 = d + d_low exactly */
    vf s = v_div(f, d);
    vf s_low = v_div(v_fnma(s, d_low, v_fnma(s, d, f)), d);
    vf z = v_mul(s, s);
    vf tail = V_POLY(z, 0.666666627f, 0.400003374f, 0.285371691f, 0.235849872f);
    tail = v_fma(v_mul(s, z), tail, v_add(s_low, s_low));
    /* high + low = n ln 2 + 2s + tail; the first term is 0 or larger than the others */
    vf a = v_mul(n, v_set1(0.693359375f)), b = v_add(s, s), high = v_add(a, b);
    vf low = v_add(v_sub(b, v_sub(high, a)), v_fma(n, v_set1(-2.12194440e-4f), tail));
    vf sum = v_add(high, low);
    low = v_sub(low, v_sub(sum, high));
    high = sum;
    vf product = v_mul(y, high);
    vf rest = v_fma(y, low, v_fma(y, high, v_neg(product)));
    vf e = v_exp(product);
    return v_sel(v_lt(v_abs(e), v_set1(INFINITY)), v_fma(e, rest, e), e);
}
/* x^y of one finite exponent for all lanes. */
V_FN vf v_pow(vf x, float y) {
    if (y == 0) return v_set1(1);
    bool whole = floorf(y) == y, odd = whole && fabsf(y) < 0x1p24f && fmodf(y, 2) != 0;
    vf size = v_abs(x), r = v_pow_positive(size, v_set1(y));
    r = v_sel(v_eq(size, v_zero()), v_set1(y > 0 ? 0 : INFINITY), r);
    r = v_sel(v_eq(size, v_set1(INFINITY)), v_set1(y > 0 ? INFINITY : 0), r);
    if (!whole) r = v_sel(v_and(v_lt(x, v_zero()), v_lt(size, v_set1(INFINITY))), v_set1(NAN), r);
    r = v_sel(v_ne(x, x), x, r);
    return odd ? v_copysign(r, x) : r;
}
#endif

#endif
