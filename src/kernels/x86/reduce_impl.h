/* kernels/x86/reduce_impl.h: sums and maxima. Orders are fixed by n alone. */
#include "vec_kernel.h"
#include <math.h>

#ifdef VL
V_FN void sum_row(size_t n, float *y, const void *x, bool accumulate, fig_dtype xt) {
    vf s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
    CHAIN_LANES(n, i, k, c, { s[c] = v_add(s[c], get(x, xt, i, k)); });
    *y = accumulate ? *y + v_sum_chains(s) : v_sum_chains(s);
}

/* Down the columns: a strip of CHAINS vectors of columns in registers. */
V_FN void sum_strip(size_t n, float *y, const void *x, size_t stride, bool accumulate, fig_dtype xt) {
    vf s[CHAINS];
    for (size_t c = 0; c < CHAINS; c++) s[c] = accumulate ? v_load(y + c * VL) : v_zero();
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < CHAINS; c++) s[c] = v_add(s[c], v_get(x, xt, i * stride + c * VL));
    for (size_t c = 0; c < CHAINS; c++) v_store(y + c * VL, s[c]);
}
V_FN const void *element(const void *x, fig_dtype xt, size_t i) {
    return (const char *)x + i * (xt == FIG_BF16 ? 2 : 4);
}
V_FN void sum_columns(size_t n, size_t inner, float *y, const void *x, size_t stride, bool accumulate, fig_dtype xt) {
    size_t j = 0;
    for (; j + CHAINS * VL <= inner; j += CHAINS * VL) sum_strip(n, y + j, element(x, xt, j), stride, accumulate, xt);
    for (; j < inner; j += VL) {
        size_t k = FIG_MIN(inner - j, VL);
        vf s = accumulate ? v_load_n(y + j, k) : v_zero();
        for (size_t i = 0; i < n; i++) s = v_add(s, get(x, xt, i * stride + j, k));
        v_store_n(y + j, s, k);
    }
}

V_FN bool is_vector_type(fig_dtype t) { return t == FIG_F32 || t == FIG_BF16; }

void ISA(sum)(size_t n, size_t inner, void *y, const void *x, fig_dtype xt, size_t stride, bool accumulate) {
    if (!is_vector_type(xt) || (inner == 1 && stride != 1))
        figk_sum__ref_f32(n, inner, y, x, xt, stride, accumulate);
    else if (inner == 1)
        PICK(xt, sum_row, n, y, x, accumulate);
    else
        PICK(xt, sum_columns, n, inner, y, x, stride, accumulate);
}

V_FN void maximum_row(size_t n, float *y, const void *x, fig_dtype xt) {
    const vf none = v_set1(-INFINITY);
    vf m[2] = {none, none};
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        m[0] = v_max(v_get(x, xt, i), m[0]);
        m[1] = v_max(v_get(x, xt, i + VL), m[1]);
    }
    for (; i < n; i += VL) {
        size_t k = FIG_MIN(n - i, VL);
        m[0] = v_max(v_sel(v_first(k), v_get_n(x, xt, i, k), none), m[0]);
    }
    *y = v_hmax(v_max(m[0], m[1]));
}
V_FN void maximum_columns(size_t n, size_t inner, float *y, const void *x, size_t stride, fig_dtype xt) {
    LANES(inner, j, k, {
        vf m = v_set1(-INFINITY);
        for (size_t i = 0; i < n; i++) m = v_max(get(x, xt, i * stride + j, k), m);
        put(y, FIG_F32, j, k, m);
    });
}

void ISA(maximum)(size_t n, size_t inner, void *y, const void *x, fig_dtype xt, size_t stride) {
    if (!is_vector_type(xt) || (inner == 1 && stride != 1))
        figk_maximum__ref_f32(n, inner, y, x, xt, stride);
    else if (inner == 1)
        PICK(xt, maximum_row, n, y, x);
    else
        PICK(xt, maximum_columns, n, inner, y, x, stride);
}

/* --- maxima of squares ------------------------------------------------------------------------------------------*/

V_FN vf most_of(size_t k, size_t c, const void *x, fig_dtype type, size_t ld, size_t at, size_t lanes) {
    vf most = get(x, type, at, lanes);
    for (size_t tap = 1; tap < k * k; tap++) most = v_max(get(x, type, at + tap / k * ld + tap % k * c, lanes), most);
    return most;
}

V_FN void max_pool_rows(size_t n, size_t k, size_t c, void *y, const void *x, size_t ld, fig_dtype type) {
    for (size_t i = 0; i < n; i++)
        LANES(c, j, lanes, { put(y, type, i * c + j, lanes, most_of(k, c, x, type, ld, i * k * c + j, lanes)); });
}
void ISA(max_pool)(size_t n, size_t k, size_t c, void *y, const void *x, fig_dtype type, size_t ld) {
    if (k == 2)
        PICK(type, max_pool_rows, n, 2, c, y, x, ld);
    else
        PICK(type, max_pool_rows, n, k, c, y, x, ld);
}

/* What is left of dy is given to the first that is as large as the largest. */
V_FN void max_pool_bwd_rows(size_t n, size_t k, size_t c, void *dx, const void *x, size_t ld, const void *dy,
                            fig_dtype dxt, fig_dtype xt, fig_dtype dyt) {
    for (size_t i = 0; i < n; i++)
        LANES(c, j, lanes, {
            size_t first = i * k * c + j;
            vf most = most_of(k, c, x, xt, ld, first, lanes), left = get(dy, dyt, i * c + j, lanes);
            for (size_t tap = 0; tap < k * k; tap++) {
                size_t at = first + tap / k * ld + tap % k * c;
                vm is_most = v_eq(get(x, xt, at, lanes), most);
                put(dx, dxt, at, lanes, v_zero_unless(is_most, left));
                left = v_sel(is_most, v_zero(), left);
            }
        });
}
V_FN void max_pool_bwd_of(size_t n, size_t k, size_t c, void *dx, fig_dtype dxt, const void *x, fig_dtype xt, size_t ld,
                          const void *dy, fig_dtype dyt) {
    if (dxt == FIG_BF16)
        PICK2(xt, dyt, max_pool_bwd_rows, n, k, c, dx, x, ld, dy, FIG_BF16);
    else
        PICK2(xt, dyt, max_pool_bwd_rows, n, k, c, dx, x, ld, dy, FIG_F32);
}
void ISA(max_pool_bwd)(size_t n, size_t k, size_t c, void *dx, fig_dtype dxt, const void *x, fig_dtype xt, size_t ld,
                       const void *dy, fig_dtype dyt) {
    if (k == 2)
        max_pool_bwd_of(n, 2, c, dx, dxt, x, xt, ld, dy, dyt);
    else
        max_pool_bwd_of(n, k, c, dx, dxt, x, xt, ld, dy, dyt);
}

V_FN void add_to(size_t n, float *y, const void *x, fig_dtype xt) {
    LANES(n, i, k, { put(y, FIG_F32, i, k, v_add(get(y, FIG_F32, i, k), get(x, xt, i, k))); });
}
void ISA(accumulate)(size_t n, void *y, const void *x, fig_dtype xt) {
    if (is_vector_type(xt))
        PICK(xt, add_to, n, y, x);
    else
        figk_accumulate__ref_f32(n, y, x, xt);
}

V_FN void blend_rows(size_t n_rows, size_t inner, void *y, const void *const *rows, const double *weights, fig_dtype yt,
                     fig_dtype xt) {
    LANES(inner, j, k, {
        vf sum = v_zero();
        for (size_t i = 0; i < n_rows; i++) sum = v_fma(v_set1((float)weights[i]), get(rows[i], xt, j, k), sum);
        put(y, yt, j, k, sum);
    });
}
void ISA(blend)(size_t n_rows, size_t inner, void *y, fig_dtype yt, const void *const *rows, fig_dtype xt,
                const double *weights) {
    if (is_vector_type(xt) && is_vector_type(yt))
        PICK2(yt, xt, blend_rows, n_rows, inner, y, rows, weights);
    else
        figk_blend__ref_f32(n_rows, inner, y, yt, rows, xt, weights);
}

/* Channels of a depthwise convolution: lanes are channels, one sum in registers for all taps. */
V_FN void weigh_rows(size_t n_rows, size_t inner, void *y, fig_dtype yt, const void *const *rows,
                     const void *const *weights, const float *start, fig_dtype xt, fig_dtype wt) {
    LANES(inner, j, k, {
        vf sum = start ? get(start, FIG_F32, j, k) : v_zero();
        for (size_t i = 0; i < n_rows; i++) sum = v_fma(get(rows[i], xt, j, k), get(weights[i], wt, j, k), sum);
        if (yt == FIG_BF16)
            put(y, FIG_BF16, j, k, sum);
        else
            put(y, FIG_F32, j, k, sum);
    });
}
void ISA(weigh)(size_t n_rows, size_t inner, void *y, fig_dtype yt, const void *const *rows, fig_dtype xt,
                const void *const *weights, fig_dtype wt, const void *start) {
    if (is_vector_type(xt) && is_vector_type(wt) && is_vector_type(yt))
        PICK2(xt, wt, weigh_rows, n_rows, inner, y, yt, rows, weights, start);
    else
        figk_weigh__ref_f32(n_rows, inner, y, yt, rows, xt, weights, wt, start);
}

V_FN void weigh_columns(size_t n, size_t inner, float *acc, const void *a, size_t a_stride, const void *b,
                        size_t b_stride, fig_dtype at, fig_dtype bt) {
    LANES(inner, j, k, {
        vf sum = get(acc, FIG_F32, j, k);
        for (size_t i = 0; i < n; i++)
            sum = v_fma(get(a, at, i * a_stride + j, k), get(b, bt, i * b_stride + j, k), sum);
        put(acc, FIG_F32, j, k, sum);
    });
}
void ISA(weigh_sum)(size_t n, size_t inner, void *acc, const void *a, fig_dtype at, size_t a_stride, const void *b,
                    fig_dtype bt, size_t b_stride) {
    if (is_vector_type(at) && is_vector_type(bt))
        PICK2(at, bt, weigh_columns, n, inner, acc, a, a_stride, b, b_stride);
    else
        figk_weigh_sum__ref_f32(n, inner, acc, a, at, a_stride, b, bt, b_stride);
}

/* --- sums in double -----------------------------------------------------------------------------------------------
 * Products of floats are exact in double, so only additions round. */
#if VL == 16
typedef __m512d vd;
V_FN vd d_zero(void) { return _mm512_setzero_pd(); }
V_FN vd d_add(vd a, vd b) { return _mm512_add_pd(a, b); }
V_FN vd d_fma(vd a, vd b, vd c) { return _mm512_fmadd_pd(a, b, c); }
V_FN vd d_low(vf a) { return _mm512_cvtps_pd(v_low8(a)); }
V_FN vd d_high(vf a) { return _mm512_cvtps_pd(v_high8(a)); }
V_FN __m256d d_half(vd a) { return _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1)); }
#else
typedef __m256d vd;
V_FN vd d_zero(void) { return _mm256_setzero_pd(); }
V_FN vd d_add(vd a, vd b) { return _mm256_add_pd(a, b); }
V_FN vd d_fma(vd a, vd b, vd c) { return _mm256_fmadd_pd(a, b, c); }
V_FN vd d_low(vf a) { return _mm256_cvtps_pd(_mm256_castps256_ps128(a)); }
V_FN vd d_high(vf a) { return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)); }
V_FN __m256d d_half(vd a) { return a; }
#endif
V_FN double d_sum(vd a) {
    __m256d h = d_half(a);
    __m128d q = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
    return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}

V_FN double dot_typed(size_t n, const void *x, const void *y, fig_dtype xt, fig_dtype yt) {
    vd chain[CHAINS] = {d_zero(), d_zero(), d_zero(), d_zero()};
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        for (size_t h = 0; h < 2; h++) {
            vf a = v_get(x, xt, i + h * VL), b = v_get(y, yt, i + h * VL);
            chain[2 * h] = d_fma(d_low(a), d_low(b), chain[2 * h]);
            chain[2 * h + 1] = d_fma(d_high(a), d_high(b), chain[2 * h + 1]);
        }
    }
    for (; i < n; i += VL) {
        size_t k = FIG_MIN(n - i, VL);
        vf a = v_get_n(x, xt, i, k), b = v_get_n(y, yt, i, k);
        chain[0] = d_fma(d_low(a), d_low(b), chain[0]);
        chain[1] = d_fma(d_high(a), d_high(b), chain[1]);
    }
    return d_sum(d_add(d_add(chain[0], chain[1]), d_add(chain[2], chain[3])));
}

double ISA(dot)(size_t n, const void *x, fig_dtype xt, const void *y, fig_dtype yt) {
    if (!is_vector_type(xt) || !is_vector_type(yt)) return figk_dot__ref_f32(n, x, xt, y, yt);
    if (xt == FIG_F32 && yt == FIG_F32) return dot_typed(n, x, y, FIG_F32, FIG_F32);
    if (xt == FIG_BF16 && yt == FIG_BF16) return dot_typed(n, x, y, FIG_BF16, FIG_BF16);
    return xt == FIG_F32 ? dot_typed(n, x, y, FIG_F32, FIG_BF16) : dot_typed(n, x, y, FIG_BF16, FIG_F32);
}

double ISA(sumsq)(size_t n, const void *x, fig_dtype xt) { return ISA(dot)(n, x, xt, x, xt); }

void ISA_FILL(reduce)(figk_table *t) {
    t->sum = ISA(sum);
    t->maximum = ISA(maximum);
    t->max_pool = ISA(max_pool);
    t->max_pool_bwd = ISA(max_pool_bwd);
    t->accumulate = ISA(accumulate);
    t->blend = ISA(blend);
    t->weigh = ISA(weigh);
    t->weigh_sum = ISA(weigh_sum);
    t->sumsq = ISA(sumsq);
    t->dot = ISA(dot);
}
#endif
