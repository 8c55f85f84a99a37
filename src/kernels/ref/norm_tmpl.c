/* kernels/ref/norm_tmpl.c: LayerNorm (Ba et al. 2016) and RMSNorm (Zhang and Sennrich 2019).
 *
 * h = (x - mean) * rstd, rstd = 1 / sqrt(var + eps); y = h * gain + bias. RMSNorm: mean = 0.
 * Backward with g = dy * gain: dx = rstd * (g - avg(g) - h * avg(g h)); RMSNorm without avg(g). */
#include "real.h"

static real norm_mean(const figk_norm_args *a, size_t row) {
    real sum = 0;
    if (a->kind == FIGK_RMSNORM) return 0;
    for (size_t j = 0; j < a->cols; j++) sum += ref_get(a->x, a->xt, row * a->cols + j);
    return sum / R(a->cols);
}

void REF(norm_fwd)(const figk_norm_args *a) {
    const real *gain = a->gain, *bias = a->bias;
    for (size_t r = 0; r < a->rows; r++) {
        size_t at = r * a->cols;
        real mean = norm_mean(a, r), sum = 0;
        for (size_t j = 0; j < a->cols; j++) {
            real d = ref_get(a->x, a->xt, at + j) - mean;
            sum += d * d;
        }
        real rstd = 1 / m_sqrt(sum / R(a->cols) + R(a->eps));
        for (size_t j = 0; j < a->cols; j++) {
            real h = (ref_get(a->x, a->xt, at + j) - mean) * rstd;
            ref_set(a->y, a->yt, at + j, h * (gain ? gain[j] : 1) + (bias ? bias[j] : 0));
        }
        if (a->mean && a->kind == FIGK_LAYERNORM) ((real *)a->mean)[r] = mean;
        if (a->rstd) ((real *)a->rstd)[r] = rstd;
    }
}

void REF(norm_bwd)(const figk_norm_args *a) {
    const real *gain = a->gain;
    real *dgain = a->dgain, *dbias = a->dbias;
    for (size_t j = 0; j < a->cols; j++) {
        if (dgain) dgain[j] = 0;
        if (dbias) dbias[j] = 0;
    }
    for (size_t r = 0; r < a->rows; r++) {
        size_t at = r * a->cols;
        real mean = a->kind == FIGK_LAYERNORM ? ((const real *)a->mean)[r] : 0, rstd = ((const real *)a->rstd)[r];
        real sum_g = 0, sum_gh = 0;
        for (size_t j = 0; j < a->cols; j++) {
            real h = (ref_get(a->x, a->xt, at + j) - mean) * rstd, dy = ref_get(a->dy, a->dyt, at + j);
            real g = gain ? dy * gain[j] : dy;
            sum_g += g;
            sum_gh += g * h;
            if (dgain) dgain[j] += dy * h;
            if (dbias) dbias[j] += dy;
        }
        real avg_g = a->kind == FIGK_LAYERNORM ? sum_g / R(a->cols) : 0, avg_gh = sum_gh / R(a->cols);
        for (size_t j = 0; j < a->cols; j++) {
            real h = (ref_get(a->x, a->xt, at + j) - mean) * rstd, dy = ref_get(a->dy, a->dyt, at + j);
            real g = gain ? dy * gain[j] : dy;
            ref_set(a->dx, a->dxt, at + j, rstd * (g - avg_g - h * avg_gh));
        }
    }
}

void REF(channel_squares)(size_t rows, size_t cols, void *squares, const void *x, fig_dtype xt, const void *centre) {
    for (size_t j = 0; j < cols; j++) {
        real sum = 0;
        for (size_t r = 0; r < rows; r++) {
            real d = ref_get(x, xt, r * cols + j) - ((const real *)centre)[j];
            sum += d * d;
        }
        ((real *)squares)[j] = sum;
    }
}

void REF(channel_products)(size_t rows, size_t cols, void *sums, void *products, const void *x, fig_dtype xt,
                           const void *centre, const void *dy, fig_dtype dyt) {
    for (size_t j = 0; j < cols; j++) {
        real sum = 0, product = 0;
        for (size_t r = 0; r < rows; r++) {
            real d = ref_get(dy, dyt, r * cols + j);
            sum += d;
            product += d * (ref_get(x, xt, r * cols + j) - ((const real *)centre)[j]);
        }
        ((real *)sums)[j] = sum;
        ((real *)products)[j] = product;
    }
}

void REF(channel_affine)(size_t rows, size_t cols, void *y, fig_dtype yt, const void *x, fig_dtype xt,
                         const void *centre, const void *a, const void *b, const void *dy, fig_dtype dyt,
                         const void *d) {
    for (size_t i = 0; i < rows * cols; i++) {
        size_t j = i % cols;
        real v = (ref_get(x, xt, i) - ((const real *)centre)[j]) * ((const real *)a)[j] + ((const real *)b)[j];
        if (dy) v += ref_get(dy, dyt, i) * ((const real *)d)[j];
        ref_set(y, yt, i, v);
    }
}

void REF(fill_norm)(figk_table *t) {
    t->channel_squares = REF(channel_squares);
    t->channel_products = REF(channel_products);
    t->channel_affine = REF(channel_affine);
    t->norm_fwd = REF(norm_fwd);
    t->norm_bwd = REF(norm_bwd);
}
