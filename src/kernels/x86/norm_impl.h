/* kernels/x86/norm_impl.h: LayerNorm, RMSNorm and what norms of channels are made of (formulas in ref/norm_tmpl.c). A
 * row is visited two or three times, but only the first visit leaves L1. The mean is taken off before squares are
 * summed: E[x^2] - mean^2 would cancel. */
#include "vec_kernel.h"
#include <math.h>

#ifdef VL
V_FN float row_mean(size_t n, const void *x, size_t at, fig_dtype xt) {
    vf s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
    CHAIN_LANES(n, i, k, c, { s[c] = v_add(s[c], get(x, xt, at + i, k)); });
    return v_sum_chains(s) / (float)n;
}
V_FN float row_variance(size_t n, const void *x, size_t at, float mean, fig_dtype xt) {
    vf s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()}, m = v_set1(mean);
    CHAIN_LANES(n, i, k, c, {
        vf d = only(k, v_sub(get(x, xt, at + i, k), m));
        s[c] = v_fma(d, d, s[c]);
    });
    return v_sum_chains(s) / (float)n;
}

V_FN void norm_rows(const figk_norm_args *a, fig_dtype xt, fig_dtype yt) {
    const float *gain = a->gain, *bias = a->bias;
    const size_t cols = a->cols;
    for (size_t r = 0; r < a->rows; r++) {
        size_t at = r * cols;
        float mean = a->kind == FIGK_LAYERNORM ? row_mean(cols, a->x, at, xt) : 0;
        float rstd = 1 / sqrtf(row_variance(cols, a->x, at, mean, xt) + (float)a->eps);
        vf m = v_set1(mean), scale = v_set1(rstd);
        LANES(cols, i, k, {
            vf y = v_mul(v_sub(get(a->x, xt, at + i, k), m), scale);
            if (gain) y = v_mul(y, get(gain, FIG_F32, i, k));
            if (bias) y = v_add(y, get(bias, FIG_F32, i, k));
            put(a->y, yt, at + i, k, y);
        });
        if (a->mean && a->kind == FIGK_LAYERNORM) ((float *)a->mean)[r] = mean;
        if (a->rstd) ((float *)a->rstd)[r] = rstd;
    }
}

void ISA(norm_fwd)(const figk_norm_args *a) { PICK2(a->xt, a->yt, norm_rows, a); }

/* What one row of the backward pass works on. */
typedef struct norm_row {
    size_t cols, at;
    float mean, rstd, avg_g, avg_gh;
} norm_row;

/* First visit: the two averages, and this row's part of the gradients of gain and bias. */
V_FN void norm_bwd_sums(const figk_norm_args *a, norm_row *row, fig_dtype xt, fig_dtype dyt) {
    const float *gain = a->gain;
    float *dgain = a->dgain, *dbias = a->dbias;
    vf g_sum[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
    vf gh_sum[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
    vf mean = v_set1(row->mean), rstd = v_set1(row->rstd);
    CHAIN_LANES(row->cols, i, k, c, {
        vf h = v_mul(v_sub(get(a->x, xt, row->at + i, k), mean), rstd), dy = get(a->dy, dyt, row->at + i, k);
        vf g = gain ? v_mul(dy, get(gain, FIG_F32, i, k)) : dy;
        g_sum[c] = v_add(g_sum[c], g);
        gh_sum[c] = v_fma(g, h, gh_sum[c]); /* g is 0 past the end */
        if (dgain) put(dgain, FIG_F32, i, k, v_fma(dy, h, get(dgain, FIG_F32, i, k)));
        if (dbias) put(dbias, FIG_F32, i, k, v_add(dy, get(dbias, FIG_F32, i, k)));
    });
    row->avg_g = a->kind == FIGK_LAYERNORM ? v_sum_chains(g_sum) / (float)row->cols : 0;
    row->avg_gh = v_sum_chains(gh_sum) / (float)row->cols;
}

V_FN void norm_bwd_dx(const figk_norm_args *a, const norm_row *row, fig_dtype xt, fig_dtype dyt, fig_dtype dxt) {
    const float *gain = a->gain;
    vf mean = v_set1(row->mean), rstd = v_set1(row->rstd), avg_g = v_set1(row->avg_g), avg_gh = v_set1(row->avg_gh);
    LANES(row->cols, i, k, {
        vf h = v_mul(v_sub(get(a->x, xt, row->at + i, k), mean), rstd), dy = get(a->dy, dyt, row->at + i, k);
        vf g = gain ? v_mul(dy, get(gain, FIG_F32, i, k)) : dy;
        put(a->dx, dxt, row->at + i, k, v_mul(rstd, v_fnma(h, avg_gh, v_sub(g, avg_g))));
    });
}

V_FN void norm_bwd_rows(const figk_norm_args *a, fig_dtype xt, fig_dtype dyt, fig_dtype dxt) {
    for (size_t r = 0; r < a->rows; r++) {
        norm_row row = {.cols = a->cols, .at = r * a->cols, .rstd = ((const float *)a->rstd)[r]};
        if (a->kind == FIGK_LAYERNORM) row.mean = ((const float *)a->mean)[r];
        norm_bwd_sums(a, &row, xt, dyt);
        norm_bwd_dx(a, &row, xt, dyt, dxt);
    }
}

void ISA(norm_bwd)(const figk_norm_args *a) {
    if (a->dgain) memset(a->dgain, 0, a->cols * sizeof(float));
    if (a->dbias) memset(a->dbias, 0, a->cols * sizeof(float));
    if (a->xt == FIG_BF16)
        PICK2(a->dyt, a->dxt, norm_bwd_rows, a, FIG_BF16);
    else
        PICK2(a->dyt, a->dxt, norm_bwd_rows, a, FIG_F32);
}

/* --- channels: a vector of them at a time, down the rows --------------------------------------------------------
 * Rows take turns at the chains of a sum. */
#define CHAIN_ROWS(rows, r, c, ...)                                                      \
    do {                                                                                 \
        size_t r = 0;                                                                    \
        while (r + CHAINS <= (rows)) {                                                   \
            _Pragma("GCC unroll 4") for (size_t c = 0; c < CHAINS; c++, r++) __VA_ARGS__ \
        }                                                                                \
        for (const size_t c = 0; r < (rows); r++) __VA_ARGS__                            \
    } while (0)

V_FN void squares_of(size_t rows, size_t cols, float *squares, const void *x, const float *centre, fig_dtype xt) {
    LANES(cols, i, k, {
        vf m = get(centre, FIG_F32, i, k), s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
        CHAIN_ROWS(rows, r, c, {
            vf d = v_sub(get(x, xt, r * cols + i, k), m);
            s[c] = v_fma(d, d, s[c]);
        });
        put(squares, FIG_F32, i, k, v_add_chains(s));
    });
}
void ISA(channel_squares)(size_t rows, size_t cols, void *squares, const void *x, fig_dtype xt, const void *centre) {
    PICK(xt, squares_of, rows, cols, squares, x, centre);
}

V_FN void products_of(size_t rows, size_t cols, float *sums, float *products, const void *x, const float *centre,
                      const void *dy, fig_dtype xt, fig_dtype dyt) {
    LANES(cols, i, k, {
        vf m = get(centre, FIG_F32, i, k), s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
        vf p[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
        CHAIN_ROWS(rows, r, c, {
            vf d = get(dy, dyt, r * cols + i, k);
            s[c] = v_add(s[c], d);
            p[c] = v_fma(d, v_sub(get(x, xt, r * cols + i, k), m), p[c]);
        });
        put(sums, FIG_F32, i, k, v_add_chains(s));
        put(products, FIG_F32, i, k, v_add_chains(p));
    });
}
void ISA(channel_products)(size_t rows, size_t cols, void *sums, void *products, const void *x, fig_dtype xt,
                           const void *centre, const void *dy, fig_dtype dyt) {
    PICK2(xt, dyt, products_of, rows, cols, sums, products, x, centre, dy);
}

V_FN void affine_of(size_t rows, size_t cols, void *y, const void *x, const float *centre, const float *a,
                    const float *b, const void *dy, const float *d, fig_dtype yt, fig_dtype xt, fig_dtype dyt) {
    LANES(cols, i, k, {
        vf m = get(centre, FIG_F32, i, k), slope = get(a, FIG_F32, i, k), start = get(b, FIG_F32, i, k);
        vf other = dy ? get(d, FIG_F32, i, k) : v_zero();
        for (size_t r = 0; r < rows; r++) {
            vf v = v_fma(v_sub(get(x, xt, r * cols + i, k), m), slope, start);
            if (dy) v = v_fma(get(dy, dyt, r * cols + i, k), other, v);
            put(y, yt, r * cols + i, k, v);
        }
    });
}
void ISA(channel_affine)(size_t rows, size_t cols, void *y, fig_dtype yt, const void *x, fig_dtype xt,
                         const void *centre, const void *a, const void *b, const void *dy, fig_dtype dyt,
                         const void *d) {
    if (yt == FIG_BF16)
        PICK2(xt, dy ? dyt : FIG_F32, affine_of, rows, cols, y, x, centre, a, b, dy, d, FIG_BF16);
    else
        PICK2(xt, dy ? dyt : FIG_F32, affine_of, rows, cols, y, x, centre, a, b, dy, d, FIG_F32);
}

void ISA_FILL(norm)(figk_table *t) {
    t->channel_squares = ISA(channel_squares);
    t->channel_products = ISA(channel_products);
    t->channel_affine = ISA(channel_affine);
    t->norm_fwd = ISA(norm_fwd);
    t->norm_bwd = ISA(norm_bwd);
}
#endif
