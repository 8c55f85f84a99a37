/* kernels/patches.c: pictures read as the matrix of a convolution, piece by piece, where a tile needs them.
 *
 * With channels last, a window's row of pixels is one run of memory whenever the pixels follow each other and all
 * channels are taken; otherwise a run is the channels of one pixel. */
#include "kernels/kernels.h"

typedef struct window {
    const figk_patches *p;
    size_t channel0, size; /* bytes of an element */
    size_t line;           /* columns of one ky */
    bool runs;             /* pixels of a line follow each other */
    const char *picture;
    ptrdiff_t y0, x0; /* of the first tap */
} window;

static void copy_pixel(const window *w, size_t ky, size_t q, size_t n, char *dst) {
    const figk_patches *p = w->p;
    ptrdiff_t y = w->y0 + (ptrdiff_t)(ky * p->dilation_h);
    ptrdiff_t x = w->x0 + (ptrdiff_t)(q / p->channels * p->dilation_w);
    if (y < 0 || y >= (ptrdiff_t)p->h || x < 0 || x >= (ptrdiff_t)p->w) {
        memset(dst, 0, n * w->size);
        return;
    }
    size_t at = ((size_t)y * p->w + (size_t)x) * p->c + w->channel0 + q % p->channels;
    memcpy(dst, w->picture + at * w->size, n * w->size);
}

/* Columns q .. q+n-1 of the line of ky, all inside one run of memory but for what hangs over the edges. */
static void copy_run(const window *w, size_t ky, size_t q, size_t n, char *dst) {
    const figk_patches *p = w->p;
    ptrdiff_t y = w->y0 + (ptrdiff_t)ky * (ptrdiff_t)p->dilation_h, c = (ptrdiff_t)p->c;
    ptrdiff_t low = FIG_MAX(-w->x0 * c, 0), high = ((ptrdiff_t)p->w - w->x0) * c, first = (ptrdiff_t)q, last = first;
    if (y >= 0 && y < (ptrdiff_t)p->h) {
        first = FIG_MIN(FIG_MAX(first, low), (ptrdiff_t)(q + n));
        last = FIG_MAX(FIG_MIN((ptrdiff_t)(q + n), high), first);
    }
    size_t before = (size_t)first - q, inside = (size_t)(last - first);
    memset(dst, 0, before * w->size);
    if (inside)
        memcpy(dst + before * w->size, w->picture + ((y * (ptrdiff_t)p->w + w->x0) * c + first) * (ptrdiff_t)w->size,
               inside * w->size);
    memset(dst + (before + inside) * w->size, 0, (n - before - inside) * w->size);
}

static void copy_row(const window *w, size_t col, size_t n, char *dst) {
    for (size_t at = col; at < col + n;) {
        size_t ky = at / w->line, q = at % w->line;
        size_t to_end = w->runs ? w->line - q : w->p->channels - q % w->p->channels;
        size_t len = FIG_MIN(to_end, col + n - at);
        (w->runs ? copy_run : copy_pixel)(w, ky, q, len, dst + (at - col) * w->size);
        at += len;
    }
}

void figk_patches_read(const figk_patches *p, size_t channel0, size_t row0, size_t rows, size_t col0, size_t cols,
                       size_t cols_padded, void *dst, size_t ld) {
    window w = {.p = p,
                .channel0 = channel0,
                .size = fig_dtype_size(p->type),
                .line = p->kw * p->channels,
                .runs = p->channels == p->c && p->dilation_w == 1};
    for (size_t i = 0; i < rows; i++) {
        size_t row = row0 + i, ox = row % p->ow, oy = row / p->ow % p->oh;
        char *to = (char *)dst + i * ld * w.size;
        w.picture = (const char *)p->x + row / p->ow / p->oh * p->h * p->w * p->c * w.size;
        w.y0 = (ptrdiff_t)(oy * p->stride_h) - p->pad_top;
        w.x0 = (ptrdiff_t)(ox * p->stride_w) - p->pad_left;
        copy_row(&w, col0, cols, to);
        memset(to + cols * w.size, 0, (cols_padded - cols) * w.size);
    }
}
