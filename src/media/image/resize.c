/* media/image/resize.c: one axis after the other, in float. */
#include <math.h>
#include "base/resize.h"
#include "media/image/image.h"

/* The neighbours of every output along an axis. */
typedef struct axis {
    size_t n_out, most;
    size_t *first, *n;
    double *weights; /* [n_out, most] */
} axis;

static void axis_free(fig_context *ctx, axis *a) {
    fig__free(ctx, a->first);
    fig__free(ctx, a->weights);
}

static fig_status axis_new(fig_context *ctx, size_t n_in, size_t n_out, axis *a) {
    *a = (axis){.n_out = n_out, .most = fig__resize_most(FIG__RESIZE_LINEAR, n_in, n_out)};
    a->first = FIG_NEW_N(ctx, size_t, 2 * n_out);
    a->weights = FIG_NEW_N(ctx, double, n_out * a->most);
    if (!a->first || !a->weights) return FIG_ERR_NOMEM;
    a->n = a->first + n_out;
    for (size_t i = 0; i < n_out; i++)
        a->n[i] = fig__resize_weights(FIG__RESIZE_LINEAR, n_in, n_out, i, &a->first[i], a->weights + i * a->most);
    return FIG_OK;
}

/* Floats with alpha multiplied in. */
static void spread_row(const fig__image *in, size_t y, float *row) {
    bool alpha = in->c % 2 == 0;
    for (size_t x = 0; x < in->w; x++) {
        const uint8_t *p = in->data + (y * in->w + x) * in->c;
        float a = alpha ? (float)p[in->c - 1] / 255 : 1;
        for (size_t k = 0; k < in->c; k++) row[x * in->c + k] = (float)p[k] * (alpha && k + 1 < in->c ? a : 1);
    }
}

static uint8_t rounded(float v) { return (uint8_t)fminf(fmaxf(v + 0.5f, 0), 255); }

static void write_pixel(const float *p, size_t c, uint8_t *to) {
    bool alpha = c % 2 == 0;
    float a = alpha ? p[c - 1] / 255 : 1;
    for (size_t k = 0; k < c; k++) to[k] = rounded(alpha && k + 1 < c ? (a > 0 ? p[k] / a : 0) : p[k]);
}

/* out[x] = blend of row[] along the row. */
static void across(const axis *a, size_t c, const float *row, float *out) {
    for (size_t x = 0; x < a->n_out; x++)
        for (size_t k = 0; k < c; k++) {
            double sum = 0;
            for (size_t i = 0; i < a->n[x]; i++)
                sum += a->weights[x * a->most + i] * (double)row[(a->first[x] + i) * c + k];
            out[x * c + k] = (float)sum;
        }
}

static void down(const axis *a, size_t y, size_t width, const float *rows, float *out) {
    for (size_t x = 0; x < width; x++) {
        double sum = 0;
        for (size_t i = 0; i < a->n[y]; i++)
            sum += a->weights[y * a->most + i] * (double)rows[(a->first[y] + i) * width + x];
        out[x] = (float)sum;
    }
}

/* rows: every row of `in` at the new width. */
static void run(const fig__image *in, const axis *x, const axis *y, float *rows, float *row, fig__image *out) {
    size_t width = out->w * in->c;
    for (size_t i = 0; i < in->h; i++) {
        spread_row(in, i, row);
        across(x, in->c, row, rows + i * width);
    }
    for (size_t i = 0; i < out->h; i++) {
        down(y, i, width, rows, row);
        for (size_t k = 0; k < out->w; k++) write_pixel(row + k * in->c, in->c, out->data + (i * out->w + k) * in->c);
    }
}

fig_status fig__image_resize(fig_context *ctx, const fig__image *in, size_t w, size_t h, fig__image *out) {
    axis x = {0}, y = {0};
    *out = (fig__image){0};
    float *rows = FIG_NEW_N(ctx, float, in->h *w * in->c), *row = FIG_NEW_N(ctx, float, FIG_MAX(in->w, w) * in->c);
    fig_status status = rows && row ? axis_new(ctx, in->w, w, &x) : FIG_ERR_NOMEM;
    if (!status) status = axis_new(ctx, in->h, h, &y);
    if (!status) status = fig__image_new(ctx, w, h, in->c, out);
    if (!status) run(in, &x, &y, rows, row, out);
    axis_free(ctx, &x);
    axis_free(ctx, &y);
    fig__free(ctx, rows);
    fig__free(ctx, row);
    return status;
}
