/* kernels/conv.c: convolutions as matrix products.
 *
 *     y               patches of x times w                                  rows are pixels of y
 *     gradient of w   patches of x, transposed, times y                     summed over all pixels
 *     x (transpose)   stride 1: patches of y times w turned by 180 degrees
 *                     else: y times w transposed gives every pixel's window, and windows are added where they overlap
 *
 * Most of more than one tap go another way (direct.c). Where every channel has a group of its own (depthwise) there is
 * nothing to multiply as matrices: each pixel is a weighted sum of the pixels in its window, lane by lane.
 *
 * Patches are read where a tile of the product needs them, so no whole matrix of them exists. Windows exist for as many
 * pictures at a time as fit into WINDOW_BYTES. Each sum has one order, fixed by the sizes. */
#include "kernels/direct.h"

#define WINDOW_BYTES (16u << 20)
#define FOLD_ROWS 4 /* rows of x that one tile adds up */

static size_t taps(const figk_conv *c) { return c->kh * c->kw; }
static size_t group_in(const figk_conv *c) { return c->c / c->groups; }
static size_t group_out(const figk_conv *c) { return c->o / c->groups; }
static fig_dtype real_of(const figk_conv *c) {
    return c->xt == FIG_F64 || c->yt == FIG_F64 || c->wt == FIG_F64 ? FIG_F64 : FIG_F32;
}

/* --- y = patches(x) w -------------------------------------------------------------------------------------------*/

static figk_patches patches_of(const figk_conv *c) {
    return (figk_patches){.x = c->x,
                          .type = c->xt,
                          .n = c->n,
                          .h = c->h,
                          .w = c->w,
                          .c = c->c,
                          .oh = c->oh,
                          .ow = c->ow,
                          .kh = c->kh,
                          .kw = c->kw,
                          .stride_h = c->stride[0],
                          .stride_w = c->stride[1],
                          .dilation_h = c->dilation[0],
                          .dilation_w = c->dilation[1],
                          .pad_top = c->pad[0],
                          .pad_left = c->pad[1],
                          .channels = group_in(c)};
}

/* A convolution of one tap that neither moves nor skips reads rows of pixels as they are. */
static bool is_plain(const figk_conv *c) {
    return taps(c) == 1 && c->stride[0] == 1 && c->stride[1] == 1 && !c->pad[0] && !c->pad[1] && c->oh == c->h &&
           c->ow == c->w;
}

static figk_gemm forward_product(const figk_conv *c, const figk_patches *p) {
    bool plain = is_plain(c);
    return (figk_gemm){.m = c->n * c->oh * c->ow,
                       .n = group_out(c),
                       .k = taps(c) * group_in(c),
                       .batch = c->groups,
                       .a = plain ? c->x : NULL,
                       .at = c->xt,
                       .lda = c->c,
                       .a_step = group_in(c),
                       .patches = plain ? NULL : p,
                       .b = c->weight,
                       .bt = c->wt,
                       .ldb = c->o,
                       .b_step = group_out(c),
                       .c = c->y,
                       .ct = c->yt,
                       .ldc = c->o,
                       .c_step = group_out(c),
                       .alpha = 1,
                       .bias = c->bias,
                       .bias_step = group_out(c),
                       .workspace = c->workspace};
}

static figk_gemm weights_product(const figk_conv *c, const figk_patches *p) {
    bool plain = is_plain(c);
    return (figk_gemm){.m = taps(c) * group_in(c),
                       .n = group_out(c),
                       .k = c->n * c->oh * c->ow,
                       .batch = c->groups,
                       .a = plain ? c->x : NULL,
                       .at = c->xt,
                       .a_trans = true,
                       .lda = c->c,
                       .a_step = group_in(c),
                       .patches = plain ? NULL : p,
                       .b = c->y,
                       .bt = c->yt,
                       .ldb = c->o,
                       .b_step = group_out(c),
                       .c = c->weight,
                       .ct = real_of(c),
                       .ldc = c->o,
                       .c_step = group_out(c),
                       .alpha = 1,
                       .workspace = c->workspace};
}

/* --- x from y, stride 1 -----------------------------------------------------------------------------------------*/

/* The same convolution seen from the other side; weights turned and transposed, [kh, kw, o / groups, c]. */
static figk_conv turned(const figk_conv *c) {
    figk_conv t = *c;
    t.h = c->oh, t.w = c->ow, t.c = c->o, t.oh = c->h, t.ow = c->w, t.o = c->c;
    t.x = c->y, t.xt = c->yt, t.y = c->x, t.yt = c->xt;
    t.pad[0] = (ptrdiff_t)(c->dilation[0] * (c->kh - 1)) - c->pad[0];
    t.pad[1] = (ptrdiff_t)(c->dilation[1] * (c->kw - 1)) - c->pad[1];
    return t;
}

typedef struct turning {
    const figk_conv *c;
    const figk_table *k;
    char *to;
} turning;

static void turn_tap(void *arg, size_t i, int thread) {
    (void)thread;
    const turning *t = arg;
    const figk_conv *c = t->c;
    size_t size = fig_dtype_size(c->wt), in = group_in(c), out = group_out(c), tap = i / c->groups, z = i % c->groups;
    const char *from = (const char *)c->weight + ((taps(c) - 1 - tap) * in * c->o + z * out) * size;
    t->k->transpose(in, out, t->to + (tap * out * c->c + z * in) * size, c->c, from, c->o, size);
}

static size_t turned_bytes(const figk_conv *c) {
    return fig__round_up(taps(c) * group_out(c) * c->c * fig_dtype_size(c->wt), FIG_ALIGN);
}

static bool is_dense(const figk_conv *c) { return c->stride[0] == 1 && c->stride[1] == 1; }

static void transpose_dense(fig_context *fig, const figk_conv *c) {
    figk_conv t = turned(c);
    figk_patches p = patches_of(&t);
    turning job = {c, figk(fig), c->workspace};
    fig__parallel(fig, taps(c) * c->groups, turn_tap, &job);
    t.weight = c->workspace;
    t.workspace = (char *)c->workspace + turned_bytes(c);
    const figk_gemm_leaf *direct = fig__conv_direct_leaf(fig, FIGK_CONV, &t);
    if (direct) {
        fig__conv_direct(fig, direct, FIGK_CONV, &t);
        return;
    }
    figk_gemm g = forward_product(&t, &p);
    figk_gemm_run(fig, &g);
}

/* --- x from y, larger strides -----------------------------------------------------------------------------------*/

static size_t window_bytes(const figk_conv *c) { /* of one picture */
    return c->oh * c->ow * taps(c) * c->c * fig_dtype_size(real_of(c));
}
static size_t pictures_at_once(const figk_conv *c) {
    return FIG_MIN(FIG_MAX(WINDOW_BYTES / FIG_MAX(window_bytes(c), 1), 1), c->n);
}
static size_t all_windows_bytes(const figk_conv *c) {
    return fig__round_up(pictures_at_once(c) * window_bytes(c), FIG_ALIGN);
}

/* windows [pictures, oh, ow, groups, kh, kw, c / groups] = y w^T */
static figk_gemm windows_product(const figk_conv *c, size_t pictures) {
    size_t in = group_in(c), out = group_out(c);
    return (figk_gemm){.m = pictures * c->oh * c->ow,
                       .n = taps(c) * in,
                       .k = out,
                       .batch = c->groups,
                       .a = c->y,
                       .at = c->yt,
                       .lda = c->o,
                       .a_step = out,
                       .b = c->weight,
                       .bt = c->wt,
                       .b_trans = true,
                       .ldb = c->o,
                       .b_step = out,
                       .c = c->workspace,
                       .ct = real_of(c),
                       .ldc = taps(c) * c->c,
                       .c_step = taps(c) * in,
                       .alpha = 1,
                       .workspace = (char *)c->workspace + all_windows_bytes(c)};
}

typedef struct folding {
    const figk_conv *c; /* x, y: of the pictures at hand */
    const figk_table *k;
    fig_context *fig;
    fig_dtype real;
} folding;

/* The pixel of y whose tap `tap` falls on x; -1: none. */
static ptrdiff_t source(size_t at, size_t tap, ptrdiff_t pad, size_t stride, size_t dilation, size_t n) {
    ptrdiff_t d = (ptrdiff_t)at + pad - (ptrdiff_t)(tap * dilation);
    if (d < 0 || d % (ptrdiff_t)stride) return -1;
    return d / (ptrdiff_t)stride < (ptrdiff_t)n ? d / (ptrdiff_t)stride : -1;
}

/* One pixel of x: all taps that fall on it, in order. */
static void fold_pixel(const folding *f, size_t picture, size_t iy, size_t ix, char *acc) {
    const figk_conv *c = f->c;
    size_t size = fig_dtype_size(f->real), in = group_in(c), z_step = taps(c) * in;
    if (c->bias)
        memcpy(acc, c->bias, c->c * size);
    else
        memset(acc, 0, c->c * size);
    for (size_t tap = 0; tap < taps(c); tap++) {
        ptrdiff_t oy = source(iy, tap / c->kw, c->pad[0], c->stride[0], c->dilation[0], c->oh);
        ptrdiff_t ox = source(ix, tap % c->kw, c->pad[1], c->stride[1], c->dilation[1], c->ow);
        if (oy < 0 || ox < 0) continue;
        size_t row = (picture * c->oh + (size_t)oy) * c->ow + (size_t)ox;
        const char *window = (const char *)c->workspace + (row * taps(c) * c->c + tap * in) * size;
        for (size_t z = 0; z < c->groups; z++)
            f->k->accumulate(in, acc + z * in * size, window + z * z_step * size, f->real);
    }
    size_t at = ((picture * c->h + iy) * c->w + ix) * c->c;
    f->k->store(c->c, (char *)c->x + at * fig_dtype_size(c->xt), c->xt, 1, acc);
}

static void fold_tile(void *arg, size_t i, int thread) {
    const folding *f = arg;
    const figk_conv *c = f->c;
    size_t strips = fig__ceil_div(c->h, FOLD_ROWS), picture = i / strips, first = i % strips * FOLD_ROWS;
    char *acc = fig__scratch(f->fig, thread, c->c * fig_dtype_size(f->real));
    for (size_t iy = first; iy < FIG_MIN(first + FOLD_ROWS, c->h); iy++)
        for (size_t ix = 0; ix < c->w; ix++) fold_pixel(f, picture, iy, ix, acc);
}

static void transpose_strided(fig_context *fig, const figk_conv *c) {
    size_t step = pictures_at_once(c);
    for (size_t first = 0; first < c->n; first += step) {
        figk_conv part = *c;
        part.n = FIG_MIN(step, c->n - first);
        part.x = (char *)c->x + first * c->h * c->w * c->c * fig_dtype_size(c->xt);
        part.y = (char *)c->y + first * c->oh * c->ow * c->o * fig_dtype_size(c->yt);
        figk_gemm g = windows_product(&part, part.n);
        g.workspace = (char *)c->workspace + all_windows_bytes(c);
        figk_gemm_run(fig, &g);
        fig_dtype real = real_of(c);
        folding f = {&part, real == FIG_F64 ? figk_oracle() : figk(fig), fig, real};
        fig__parallel(fig, part.n * fig__ceil_div(c->h, FOLD_ROWS), fold_tile, &f);
    }
}

/* --- depthwise --------------------------------------------------------------------------------------------------
 * w is [taps, c]. One tile is a row of pixels; for the weights, one picture, whose sums are then added in order. */
static bool is_depthwise(const figk_conv *c) { return c->groups > 1 && c->groups == c->c && c->c == c->o; }

typedef struct depthwise {
    const figk_conv *c;
    const figk_table *k;
    fig_context *fig;
    fig_dtype real;
    bool back; /* x from y */
} depthwise;

static const char *pixel(const void *base, fig_dtype type, size_t at, size_t c) {
    return (const char *)base + at * c * fig_dtype_size(type);
}

/* The pixel under tap `tap` of the pixel at `at`; -1: none. */
static ptrdiff_t under(size_t at, size_t tap, ptrdiff_t pad, size_t stride, size_t dilation, size_t n) {
    ptrdiff_t i = (ptrdiff_t)(at * stride + tap * dilation) - pad;
    return i < (ptrdiff_t)n ? FIG_MAX(i, -1) : -1;
}

static void depthwise_row(void *arg, size_t i, int thread) {
    const depthwise *d = arg;
    const figk_conv *c = d->c;
    size_t to_h = d->back ? c->h : c->oh, to_w = d->back ? c->w : c->ow, from_h = d->back ? c->oh : c->h,
           from_w = d->back ? c->ow : c->w, n = i / to_h, y = i % to_h;
    const void *from = d->back ? c->y : c->x;
    fig_dtype from_type = d->back ? c->yt : c->xt, to_type = d->back ? c->xt : c->yt;
    ptrdiff_t (*other)(size_t, size_t, ptrdiff_t, size_t, size_t, size_t) = d->back ? source : under;
    const void **rows = fig__scratch(d->fig, thread, 2 * taps(c) * sizeof *rows), **weights = rows + taps(c);
    for (size_t x = 0; x < to_w; x++) {
        size_t n_rows = 0;
        for (size_t tap = 0; tap < taps(c); tap++) {
            ptrdiff_t fy = other(y, tap / c->kw, c->pad[0], c->stride[0], c->dilation[0], from_h);
            ptrdiff_t fx = other(x, tap % c->kw, c->pad[1], c->stride[1], c->dilation[1], from_w);
            if (fy < 0 || fx < 0) continue;
            rows[n_rows] = pixel(from, from_type, (n * from_h + (size_t)fy) * from_w + (size_t)fx, c->c);
            weights[n_rows++] = pixel(c->weight, c->wt, tap, c->c);
        }
        char *to = (char *)pixel(d->back ? c->x : c->y, to_type, (n * to_h + y) * to_w + x, c->c);
        d->k->weigh(n_rows, c->c, to, to_type, rows, from_type, weights, c->wt, c->bias);
    }
}

/* Pixels of y in one row whose tap falls inside of x: first .. last-1. */
static void inside(const figk_conv *c, size_t tap_x, size_t *first, size_t *last) {
    *first = 0, *last = c->ow;
    while (*first < *last && under(*first, tap_x, c->pad[1], c->stride[1], c->dilation[1], c->w) < 0) ++*first;
    while (*last > *first && under(*last - 1, tap_x, c->pad[1], c->stride[1], c->dilation[1], c->w) < 0) --*last;
}

static void depthwise_picture(void *arg, size_t n, int thread) {
    (void)thread;
    const depthwise *d = arg;
    const figk_conv *c = d->c;
    size_t size = fig_dtype_size(d->real), first, last;
    char *sums = (char *)c->workspace + n * taps(c) * c->c * size;
    memset(sums, 0, taps(c) * c->c * size);
    for (size_t tap = 0; tap < taps(c); tap++) {
        inside(c, tap % c->kw, &first, &last);
        size_t x0 = first * c->stride[1] + tap % c->kw * c->dilation[1] - (size_t)c->pad[1];
        for (size_t oy = 0; oy < c->oh && last > first; oy++) {
            ptrdiff_t iy = under(oy, tap / c->kw, c->pad[0], c->stride[0], c->dilation[0], c->h);
            if (iy < 0) continue;
            d->k->weigh_sum(last - first, c->c, sums + tap * c->c * size,
                            pixel(c->x, c->xt, (n * c->h + (size_t)iy) * c->w + x0, c->c), c->xt, c->stride[1] * c->c,
                            pixel(c->y, c->yt, (n * c->oh + oy) * c->ow + first, c->c), c->yt, c->c);
        }
    }
}

static void run_depthwise(fig_context *fig, figk_conv_what what, const figk_conv *c) {
    fig_dtype real = real_of(c);
    depthwise d = {c, real == FIG_F64 ? figk_oracle() : figk(fig), fig, real, what == FIGK_CONV_TRANSPOSE};
    if (what != FIGK_CONV_WEIGHTS) {
        fig__parallel(fig, c->n * (d.back ? c->h : c->oh), depthwise_row, &d);
        return;
    }
    fig__parallel(fig, c->n, depthwise_picture, &d);
    d.k->sum(c->n, taps(c) * c->c, c->weight, c->workspace, real, taps(c) * c->c, false);
}

/* --- the interface ----------------------------------------------------------------------------------------------*/

static figk_gemm product_of(figk_conv_what what, const figk_conv *c, figk_conv *t, figk_patches *p) {
    *t = what == FIGK_CONV_TRANSPOSE ? turned(c) : *c;
    *p = patches_of(t);
    if (what == FIGK_CONV_TRANSPOSE && !is_dense(c)) return windows_product(c, c->n); /* a bound for what is at once */
    return what == FIGK_CONV_WEIGHTS ? weights_product(t, p) : forward_product(t, p);
}

void figk_conv_run(fig_context *fig, figk_conv_what what, const figk_conv *c) {
    figk_conv t;
    figk_patches p;
    if (is_depthwise(c)) {
        run_depthwise(fig, what, c);
        return;
    }
    if (what == FIGK_CONV_TRANSPOSE && is_dense(c)) {
        transpose_dense(fig, c);
        return;
    }
    const figk_gemm_leaf *direct = fig__conv_direct_leaf(fig, what, c);
    if (direct) {
        fig__conv_direct(fig, direct, what, c);
        return;
    }
    if (what == FIGK_CONV_TRANSPOSE) {
        transpose_strided(fig, c);
        return;
    }
    figk_gemm g = product_of(what, c, &t, &p);
    figk_gemm_run(fig, &g);
}

/* The convolution that is run for it: at strides of 1 the transpose is one, seen from the other side. */
static figk_conv_what seen(figk_conv_what what, const figk_conv *c, figk_conv *t) {
    bool dense = what == FIGK_CONV_TRANSPOSE && is_dense(c);
    *t = dense ? turned(c) : *c;
    return dense ? FIGK_CONV : what;
}

size_t figk_conv_scratch(const fig_context *fig, figk_conv_what what, const figk_conv *c) {
    figk_conv t;
    figk_patches p;
    if (is_depthwise(c)) return 2 * taps(c) * sizeof(void *);
    figk_conv_what as = seen(what, c, &t);
    const figk_gemm_leaf *direct = fig__conv_direct_leaf(fig, as, &t);
    if (direct) return fig__conv_direct_scratch(direct, as, &t);
    figk_gemm g = product_of(what, c, &t, &p);
    return FIG_MAX(figk_gemm_scratch(fig, &g), c->c * fig_dtype_size(real_of(c)));
}

/* Written so that fewer pictures, or smaller ones, never need more. */
size_t figk_conv_workspace(const fig_context *fig, figk_conv_what what, const figk_conv *c) {
    figk_conv t;
    figk_patches p;
    if (is_depthwise(c)) return what == FIGK_CONV_WEIGHTS ? c->n * taps(c) * c->c * fig_dtype_size(real_of(c)) : 0;
    figk_conv_what as = seen(what, c, &t);
    const figk_gemm_leaf *direct = fig__conv_direct_leaf(fig, as, &t);
    size_t own = as != what ? turned_bytes(c) : 0;
    if (direct) return own + fig__conv_direct_workspace(direct, as, &t);
    figk_gemm g = product_of(what, c, &t, &p);
    if (as == FIGK_CONV_TRANSPOSE)
        own = fig__round_up(FIG_MIN(c->n * window_bytes(c), FIG_MAX(WINDOW_BYTES, window_bytes(c))), FIG_ALIGN);
    return own + figk_gemm_workspace(fig, &g);
}
