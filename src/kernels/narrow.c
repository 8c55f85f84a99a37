/* kernels/narrow.c: convolutions whose groups give no more outputs than a vector has lanes, at strides of 1.
 *
 * As a matrix product such a group has few columns, and reading patches for it takes longer than multiplying them. Here
 * a strip of x is copied once, for all groups, with zeros around it where the window leaves the picture. Its pixels
 * then follow each other at one distance, line after line, so that the patches of consecutive pixels are rows of a
 * matrix in place: a tap is one offset for all of them. The columns that hang over the end of a line are computed for
 * nothing, kw - 1 of each.
 *
 *     y           rows are pixels, k goes over taps and channels
 *     w           rows are channels of x, k over pixels; x is turned so that its pixels follow each other, and y has
 *                 zeros where lines hang over. Pictures go in at most BLOCKS blocks, whose sums are added in order.
 *
 * Letters as in kernels.h; a line is what is stored for a row of pixels. */
#include "kernels/narrow.h"
#include "kernels/gemm.h"

#define LANES 16
#define ROWS 16 /* at a time */
#define MAX_TAPS 64
#define STRIP_BYTES (96u << 10) /* of x in a strip; half of a second-level cache and less */
#define BLOCKS 16               /* of pictures; more of them are more sums to add up */

static size_t taps(const figk_conv *c) { return c->kh * c->kw; }
static size_t group_in(const figk_conv *c) { return c->c / c->groups; }
static size_t group_out(const figk_conv *c) { return c->o / c->groups; }
static size_t reach(const figk_conv *c, int axis) { return c->dilation[axis] * ((axis ? c->kw : c->kh) - 1); }

static const figk_gemm_leaf *leaf_of(const fig_context *fig, const figk_conv *c, fig_dtype other) {
    if (c->xt != other || (c->xt != FIG_F32 && c->xt != FIG_BF16)) return NULL;
    const figk_gemm_leaf *leaf = figk(fig)->gemm_leaf(c->xt == FIG_BF16);
    if (leaf->narrow) leaf = leaf->narrow;
    return leaf->window && leaf->elem == c->xt ? leaf : NULL;
}
static const figk_gemm_leaf *leaf_for(const fig_context *fig, bool weights, const figk_conv *c) {
    return leaf_of(fig, c, weights ? c->yt : c->wt);
}

bool fig__conv_is_narrow(const fig_context *fig, bool weights, const figk_conv *c) {
    const figk_gemm_leaf *leaf = leaf_for(fig, weights, c);
    bool fits = taps(c) > 1 && taps(c) <= MAX_TAPS && c->stride[0] == 1 && c->stride[1] == 1 && group_out(c) <= LANES;
    return leaf && fits && group_in(c) % leaf->k_step == 0;
}

/* --- y ----------------------------------------------------------------------------------------------------------*/

typedef struct strips {
    const figk_conv *c;
    const figk_gemm_leaf *leaf;
    fig_context *fig;
    size_t rows, n_strips;   /* rows of y in a strip; strips of a picture */
    size_t line, size;       /* pixels of a line; bytes of an element */
    size_t offset[MAX_TAPS]; /* elements */
    char *packed;            /* weights, group after group */
} strips;

static size_t packed_group(const figk_gemm_leaf *leaf, const figk_conv *c) { /* bytes */
    return taps(c) * group_in(c) * leaf->nr * fig_dtype_size(leaf->elem);
}

static size_t strip_rows(const figk_conv *c, size_t line) {
    size_t of_line = line * c->c * fig_dtype_size(c->xt), all = FIG_MAX(STRIP_BYTES / of_line, 1);
    size_t rows = FIG_MIN(all > reach(c, 0) ? all - reach(c, 0) : 1, c->oh);
    return fig__ceil_div(c->oh, fig__ceil_div(c->oh, rows));
}

static strips strips_of(fig_context *fig, const figk_conv *c) {
    strips s = {.c = c, .leaf = leaf_for(fig, false, c), .fig = fig, .size = fig_dtype_size(c->xt)};
    s.line = c->ow + reach(c, 1);
    s.rows = strip_rows(c, s.line);
    s.n_strips = fig__ceil_div(c->oh, s.rows);
    for (size_t i = 0; i < taps(c); i++)
        s.offset[i] = (i / c->kw * c->dilation[0] * s.line + i % c->kw * c->dilation[1]) * c->c;
    s.packed = c->workspace;
    return s;
}

static size_t flat_rows(const strips *s) { return fig__round_up(s->rows * s->line, ROWS); }
/* The last rows of all, with their last tap. */
static size_t strip_bytes(const strips *s) {
    size_t pixels = flat_rows(s) + reach(s->c, 0) * s->line + reach(s->c, 1);
    return fig__round_up(pixels * s->c->c * s->size, FIG_ALIGN);
}

static void pack_group(void *arg, size_t z, int thread) {
    (void)thread;
    const strips *s = arg;
    const figk_conv *c = s->c;
    s->leaf->pack_b(&(figk_gemm_pack){.lanes = group_out(c),
                                      .k = taps(c) * group_in(c),
                                      .k_pad = taps(c) * group_in(c),
                                      .src = (const char *)c->weight + z * group_out(c) * s->size,
                                      .type = c->wt,
                                      .ld = c->o,
                                      .k_major = true,
                                      .dst = s->packed + z * packed_group(s->leaf, c)});
}

/* Pixels first .. last - 1 of a line lie inside of the picture. */
static void inside(const figk_conv *c, size_t line, size_t *first, size_t *last) {
    ptrdiff_t end = (ptrdiff_t)c->w + c->pad[1];
    *first = (size_t)FIG_MIN(FIG_MAX(c->pad[1], 0), (ptrdiff_t)line);
    *last = (size_t)FIG_MAX(FIG_MIN(end, (ptrdiff_t)line), (ptrdiff_t)*first);
}

static const char *pixel(const strips *s, size_t n, size_t y, ptrdiff_t x) {
    const figk_conv *c = s->c;
    return (const char *)c->x + (size_t)((ptrdiff_t)((n * c->h + y) * c->w) + x) * c->c * s->size;
}

static void copy_strip(const strips *s, size_t n, size_t oy, size_t rows, char *to) {
    const figk_conv *c = s->c;
    size_t of_pixel = c->c * s->size, first, last;
    inside(c, s->line, &first, &last);
    for (size_t i = 0; i < rows + reach(c, 0); i++, to += s->line * of_pixel) {
        ptrdiff_t y = (ptrdiff_t)(oy + i) - c->pad[0];
        bool empty = y < 0 || y >= (ptrdiff_t)c->h;
        size_t from = empty ? s->line : first;
        memset(to, 0, from * of_pixel);
        if (empty) continue;
        memcpy(to + first * of_pixel, pixel(s, n, (size_t)y, (ptrdiff_t)first - c->pad[1]), (last - first) * of_pixel);
        memset(to + last * of_pixel, 0, (s->line - last) * of_pixel);
    }
}

static void store_strip(const strips *s, size_t n, size_t oy, size_t rows, size_t z, const char *acc) {
    const figk_conv *c = s->c;
    size_t channel = z * group_out(c), y_size = fig_dtype_size(c->yt);
    for (size_t i = 0; i < rows; i++)
        s->leaf->store(
            &(figk_gemm_store){.rows = c->ow,
                               .cols = group_out(c),
                               .acc = acc + i * s->line * LANES * sizeof(float),
                               .acc_stride = LANES,
                               .c = (char *)c->y + (((n * c->oh + oy + i) * c->ow) * c->o + channel) * y_size,
                               .ct = c->yt,
                               .ldc = c->o,
                               .alpha = 1,
                               .bias = c->bias ? (const float *)c->bias + channel : NULL});
}

static void run_strip(void *arg, size_t i, int thread) {
    const strips *s = arg;
    const figk_conv *c = s->c;
    size_t n = i / s->n_strips, oy = i % s->n_strips * s->rows, rows = FIG_MIN(s->rows, c->oh - oy);
    char *x = fig__scratch(s->fig, thread, fig__conv_narrow_scratch(s->fig, false, c)), *acc = x + strip_bytes(s);
    copy_strip(s, n, oy, rows, x);
    for (size_t z = 0; z < c->groups; z++) {
        s->leaf->window(&(figk_gemm_window){.rows = fig__round_up(rows * s->line, ROWS),
                                            .n_blocks = taps(c),
                                            .k = group_in(c),
                                            .offset = s->offset,
                                            .a = x + z * group_in(c) * s->size,
                                            .a_stride = c->c,
                                            .b = s->packed + z * packed_group(s->leaf, c),
                                            .acc = acc});
        store_strip(s, n, oy, rows, z, acc);
    }
}

void fig__conv_narrow(fig_context *fig, const figk_conv *c) {
    strips s = strips_of(fig, c);
    fig__parallel(fig, c->groups, pack_group, &s);
    fig__parallel(fig, c->n * s.n_strips, run_strip, &s);
}

/* --- w from x and y ---------------------------------------------------------------------------------------------*/

typedef struct blocks {
    const figk_conv *c;
    const figk_gemm_leaf *leaf;
    fig_context *fig;
    size_t n_blocks, line, size;
    size_t in, n_k, plane; /* channels rounded up; numbers of a sum; numbers of a channel in x turned */
} blocks;

static blocks blocks_of(fig_context *fig, const figk_conv *c) {
    blocks b = {.c = c, .leaf = leaf_for(fig, true, c), .fig = fig, .size = fig_dtype_size(c->xt)};
    b.n_blocks = FIG_MIN(c->n, BLOCKS);
    b.line = fig__round_up(c->ow + reach(c, 1), b.leaf->k_step);
    b.in = fig__round_up(group_in(c), ROWS);
    b.n_k = c->oh * b.line;
    b.plane = fig__round_up((c->oh + reach(c, 0)) * b.line + reach(c, 1), 16);
    return b;
}
static size_t turned_bytes(const blocks *b) { return b->in * b->plane * b->size; }
static size_t y_bytes(const blocks *b) { return fig__round_up(b->n_k * b->leaf->nr * b->size, FIG_ALIGN); }
static size_t sums_bytes(const blocks *b) { return taps(b->c) * b->in * LANES * sizeof(float); }

/* A line of x, its channels apart: [in][plane], from where the picture begins. What is outside stays zero. */
static void turn_picture(const blocks *b, size_t n, size_t z, char *to) {
    const figk_conv *c = b->c;
    size_t first, last;
    inside(c, c->ow + reach(c, 1), &first, &last);
    for (size_t i = 0; i < c->oh + reach(c, 0) && last > first; i++) {
        ptrdiff_t y = (ptrdiff_t)i - c->pad[0];
        if (y < 0 || y >= (ptrdiff_t)c->h) continue;
        size_t at = (n * c->h + (size_t)y) * c->w + (size_t)((ptrdiff_t)first - c->pad[1]);
        figk(b->fig)->transpose(last - first, group_in(c), to + (i * b->line + first) * b->size, b->plane,
                                (const char *)c->x + (at * c->c + z * group_in(c)) * b->size, c->c, b->size);
    }
}

static void pack_y(const blocks *b, size_t n, size_t z, char *to) {
    const figk_conv *c = b->c;
    for (size_t oy = 0; oy < c->oh; oy++)
        b->leaf->pack_b(&(figk_gemm_pack){.lanes = group_out(c),
                                          .k = c->ow,
                                          .k_pad = b->line,
                                          .src = (const char *)c->y +
                                                 ((n * c->oh + oy) * c->ow * c->o + z * group_out(c)) * b->size,
                                          .type = c->yt,
                                          .ld = c->o,
                                          .k_major = true,
                                          .dst = to + oy * b->line * b->leaf->nr * b->size});
}

static void add_picture(const blocks *b, const char *x, const char *y, char *sums, bool more) {
    const figk_conv *c = b->c;
    static const size_t here[1] = {0};
    for (size_t tap = 0; tap < taps(c); tap++) {
        size_t at = tap / c->kw * c->dilation[0] * b->line + tap % c->kw * c->dilation[1];
        b->leaf->window(&(figk_gemm_window){.rows = b->in,
                                            .n_blocks = 1,
                                            .k = b->n_k,
                                            .offset = here,
                                            .a = x + at * b->size,
                                            .a_stride = b->plane,
                                            .b = y,
                                            .acc = sums + tap * b->in * LANES * sizeof(float),
                                            .more = more});
    }
}

/* One group over one block of pictures, into its place in the workspace: [blocks][taps, in, o]. */
static void run_block(void *arg, size_t i, int thread) {
    const blocks *b = arg;
    const figk_conv *c = b->c;
    size_t block = i / c->groups, z = i % c->groups, n_w = taps(c) * group_in(c) * c->o;
    size_t first = block * c->n / b->n_blocks, last = (block + 1) * c->n / b->n_blocks;
    char *x = fig__scratch(b->fig, thread, fig__conv_narrow_scratch(b->fig, true, c));
    char *y = x + turned_bytes(b), *sums = y + y_bytes(b);
    memset(x, 0, turned_bytes(b));
    for (size_t n = first; n < last; n++) {
        turn_picture(b, n, z, x);
        pack_y(b, n, z, y);
        add_picture(b, x, y, sums, n > first);
    }
    float *to = (float *)c->workspace + block * n_w + z * group_out(c);
    for (size_t row = 0; row < taps(c) * group_in(c); row++) {
        size_t at = (row / group_in(c) * b->in + row % group_in(c)) * LANES;
        memcpy(to + row * c->o, (const float *)(const void *)sums + at, group_out(c) * sizeof(float));
    }
}

void fig__conv_narrow_weights(fig_context *fig, const figk_conv *c) {
    blocks b = blocks_of(fig, c);
    size_t n_w = taps(c) * group_in(c) * c->o;
    fig__parallel(fig, b.n_blocks * c->groups, run_block, &b);
    figk(fig)->sum(b.n_blocks, n_w, c->weight, c->workspace, FIG_F32, n_w, false);
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

size_t fig__conv_narrow_scratch(const fig_context *fig, bool weights, const figk_conv *c) {
    fig_context *any = (fig_context *)fig; /* for its kernels only */
    if (weights) {
        blocks b = blocks_of(any, c);
        return turned_bytes(&b) + y_bytes(&b) + sums_bytes(&b);
    }
    strips s = strips_of(any, c);
    return strip_bytes(&s) + flat_rows(&s) * LANES * sizeof(float);
}

size_t fig__conv_narrow_workspace(const fig_context *fig, bool weights, const figk_conv *c) {
    if (weights) return FIG_MIN(c->n, BLOCKS) * taps(c) * group_in(c) * c->o * sizeof(float);
    return c->groups * packed_group(leaf_for(fig, false, c), c);
}
