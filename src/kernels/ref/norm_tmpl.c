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

void REF(fill_norm)(figk_table *t) {
    t->norm_fwd = REF(norm_fwd);
    t->norm_bwd = REF(norm_bwd);
}
