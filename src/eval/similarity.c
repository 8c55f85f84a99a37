/* eval/similarity.c: how like its original a picture is: PSNR, SSIM. */
#include <math.h>
#include "eval/eval.h"

#define WINDOW 11
#define N_MAPS 5 /* a, b, a^2, b^2, ab */

static double value_at(const void *x, fig_dtype type, size_t i) {
    return type == FIG_U8 ? ((const uint8_t *)x)[i] : (double)((const float *)x)[i];
}

static fig_status check(fig_context *ctx, const fig_picture_pair *p, size_t least, double *range) {
    bool typed = p->dtype == FIG_U8 || p->dtype == FIG_F32;
    bool sized = p->h >= least && p->w >= least && p->c >= 1 && p->h <= 65535 && p->w <= 65535 && p->c <= 1024;
    FIG_CHECK(
        ctx, p->a && p->b && typed && sized, FIG_ERR_ARG,
        "pictures: %zu x %zu with %zu channels of %s; sides of %zu to 65535, of uint8 or float32, can be compared",
        p->h, p->w, p->c, typed ? fig_dtype_name(p->dtype) : "another type", least);
    *range = p->range != 0 ? p->range : p->dtype == FIG_U8 ? 255 : 1;
    FIG_CHECK(ctx, *range > 0 && isfinite(*range), FIG_ERR_ARG, "pictures: a range of %g", *range);
    for (size_t i = 0; p->dtype == FIG_F32 && i < p->h * p->w * p->c; i++)
        FIG_CHECK(ctx, isfinite(((const float *)p->a)[i]) && isfinite(((const float *)p->b)[i]), FIG_ERR_NONFINITE,
                  "pictures: value %zu is not finite", i);
    return FIG_OK;
}

fig_status fig_eval_psnr(fig_context *ctx, const fig_picture_pair *p, double *out) {
    double range, sum = 0;
    FIG_TRY(check(ctx, p, 1, &range));
    size_t n = p->h * p->w * p->c;
    for (size_t i = 0; i < n; i++) {
        double e = value_at(p->a, p->dtype, i) - value_at(p->b, p->dtype, i);
        sum += e * e;
    }
    *out = sum > 0 ? 10 * log10(range * range / (sum / (double)n)) : INFINITY;
    return FIG_OK;
}

/* --- SSIM -------------------------------------------------------------------------------------------------------*/

typedef struct ssim {
    const fig_picture_pair *p;
    double window[WINDOW], c1, c2;
    double *rows; /* [WINDOW, w - 10, N_MAPS]: the last rows, each filtered along itself; row y at y % WINDOW */
} ssim;

static void fill_window(double *window) {
    double sum = 0;
    for (int i = 0; i < WINDOW; i++) sum += window[i] = exp(-0.5 * (i - WINDOW / 2) * (i - WINDOW / 2) / (1.5 * 1.5));
    for (int i = 0; i < WINDOW; i++) window[i] /= sum;
}

static void filter_row(const ssim *s, size_t y, size_t channel) {
    const fig_picture_pair *p = s->p;
    size_t cols = p->w - WINDOW + 1;
    double *out = s->rows + y % WINDOW * cols * N_MAPS;
    for (size_t x = 0; x < cols; x++, out += N_MAPS) {
        memset(out, 0, N_MAPS * sizeof *out);
        for (size_t i = 0; i < WINDOW; i++) {
            size_t at = (y * p->w + x + i) * p->c + channel;
            double a = value_at(p->a, p->dtype, at), b = value_at(p->b, p->dtype, at), weight = s->window[i];
            out[0] += weight * a, out[1] += weight * b;
            out[2] += weight * a * a, out[3] += weight * b * b, out[4] += weight * a * b;
        }
    }
}

/* The similarity of one window whose last row is y. */
static double similarity(const ssim *s, size_t y, size_t x) {
    size_t cols = s->p->w - WINDOW + 1;
    double m[N_MAPS] = {0};
    for (size_t i = 0; i < WINDOW; i++) {
        const double *row = s->rows + ((y + 1 + i) % WINDOW * cols + x) * N_MAPS; /* from the oldest on */
        for (size_t k = 0; k < N_MAPS; k++) m[k] += s->window[i] * row[k];
    }
    double va = m[2] - m[0] * m[0], vb = m[3] - m[1] * m[1], both = m[4] - m[0] * m[1];
    return (2 * m[0] * m[1] + s->c1) * (2 * both + s->c2) / ((m[0] * m[0] + m[1] * m[1] + s->c1) * (va + vb + s->c2));
}

static double channel_sum(const ssim *s, size_t channel) {
    double sum = 0;
    for (size_t y = 0; y < s->p->h; y++) {
        filter_row(s, y, channel);
        for (size_t x = 0; y + 1 >= WINDOW && x + WINDOW <= s->p->w; x++) sum += similarity(s, y, x);
    }
    return sum;
}

fig_status fig_eval_ssim(fig_context *ctx, const fig_picture_pair *p, double *out) {
    double range, sum = 0;
    FIG_TRY(check(ctx, p, WINDOW, &range));
    size_t rows = p->h - WINDOW + 1, cols = p->w - WINDOW + 1;
    ssim s = {.p = p, .c1 = 0.01 * range * (0.01 * range), .c2 = 0.03 * range * (0.03 * range)};
    fill_window(s.window);
    if (!(s.rows = FIG_NEW_N(ctx, double, WINDOW *cols *N_MAPS))) return FIG_ERR_NOMEM;
    for (size_t channel = 0; channel < p->c; channel++) sum += channel_sum(&s, channel);
    *out = sum / ((double)rows * (double)cols * (double)p->c);
    fig__free(ctx, s.rows);
    return FIG_OK;
}
