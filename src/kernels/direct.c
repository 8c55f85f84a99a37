/* kernels/direct.c: convolutions that read pictures in place.
 *
 * As a matrix product a convolution has to read patches, which of few outputs takes longer than multiplying them. Here
 * a strip of a picture is copied once, with zeros around it where the window leaves the picture. Its pixels then follow
 * each other at one distance, line after line, so that the patches of consecutive results are rows of a matrix in
 * place: a tap is one offset for all of them. Lines are multiplied one by one, and short ones together, where rows that
 * hang over the end of a line are computed for nothing.
 *
 *     y from x    rows are pixels, k goes over taps and channels. Lines a stride apart follow each other in the strip.
 *     x from y    the same with strips of y, once for each of the stride's places, which have taps of their own
 *     w           rows are channels of x, k over pixels, a line of y being a block; x is turned so that pixels a stride
 *                 apart follow each other. Pictures go in at most BLOCKS blocks, whose sums are added in order.
 *
 * Letters as in kernels.h; a line is what is stored for a row of pixels. */
#include "kernels/direct.h"

#define LANES 16 /* columns of a window */
#define WIDE 32  /* twice as many, where the leaf packs so many side by side */
#define LINES 64 /* of y in one call for the gradient of w */
#define SHORT_LINE 7
#define MAX_TAPS 64
#define STRIP_BYTES (192u << 10) /* of a strip with what is made of it: stays in a second-level cache */
#define PIECES_BYTES (16u << 10) /* of the weights of sixteen outputs */
#define WEIGHTS_BYTES (4u << 20) /* of all groups */
#define SUMS_BYTES (1u << 20)    /* of the gradient of w, a group's over a block of pictures */
#define BLOCKS 16                /* of pictures; more of them are more sums to add up */

static size_t taps(const figk_conv *c) { return c->kh * c->kw; }
static size_t group_in(const figk_conv *c) { return c->c / c->groups; }
static size_t group_out(const figk_conv *c) { return c->o / c->groups; }
static size_t reach(const figk_conv *c, int axis) { return c->dilation[axis] * ((axis ? c->kw : c->kh) - 1); }

/* --- weights, or y, in panels -----------------------------------------------------------------------------------*/

static size_t size_of(const figk_gemm_leaf *leaf) { return fig_dtype_size(leaf->elem); }

/* Of B [k, columns]; k is a multiple of k_step. */
static size_t panels_bytes(const figk_gemm_leaf *leaf, size_t k, size_t columns) {
    return fig__ceil_div(columns, leaf->nr) * k * leaf->nr * size_of(leaf);
}
static const char *column_of(const figk_gemm_leaf *leaf, const char *panels, size_t k, size_t column) {
    size_t panel = column / leaf->nr * k * leaf->nr, lane = column % leaf->nr * leaf->k_step;
    return panels + (panel + lane) * size_of(leaf);
}

static size_t columns_at_once(const figk_gemm_leaf *leaf, size_t out) {
    return out > LANES && leaf->nr % WIDE == 0 ? WIDE : LANES;
}

/* --- y from x, and x from y -------------------------------------------------------------------------------------*/

typedef struct picture {
    char *data;
    fig_dtype type;
    size_t h, w, c;
} picture;

/* A strip holds lines first * stride + low .. of `from`, for results first .. first + rows - 1 of every place. */
typedef struct strips {
    const figk_conv *c;
    const figk_gemm_leaf *leaf;
    fig_context *fig;
    bool back; /* x from y */
    picture from, to;
    size_t in, out;            /* channels of a group: that are read, that are written */
    size_t stride[2], step[2]; /* between windows; between the results of a place */
    ptrdiff_t low[2];          /* the first line and pixel of a window of result 0 */
    size_t high[2];            /* how far beyond them windows reach */
    size_t all_rows;           /* rows of results, of the place that has most */
    size_t line;               /* pixels stored for a line */
    bool by_line;              /* lines one by one, or all of a strip together, */
    size_t flat;               /* from one to the next so many results, with those that hang over */
    size_t rows, n_strips;     /* rows in a strip; strips of a picture */
    size_t k, k_pad, n_pieces; /* numbers of a piece of a window, and as multiplied; pieces of all places */
    char *packed;
} strips;

/* Results that share their taps: first + step * i. Where in the strip each piece of their windows lies, and which tap
 * it begins with. */
typedef struct place {
    size_t first[2], rows, cols, n_pieces;
    size_t offset[MAX_TAPS], tap[MAX_TAPS];
} place;

/* All kw pixels of a tap's row lie side by side, and so do all channels: one piece. */
static bool is_merged(const figk_conv *c, bool back) { return !back && c->groups == 1 && c->dilation[1] == 1; }

/* Where a tap's line lies for result `at` of a stride of places: stride * e; false: the tap is not of that place. */
static bool tap_line(const figk_conv *c, int axis, size_t at, size_t tap, ptrdiff_t *e) {
    ptrdiff_t v = (ptrdiff_t)at + c->pad[axis] - (ptrdiff_t)(tap * c->dilation[axis]), s = (ptrdiff_t)c->stride[axis];
    *e = v / s;
    return v % s == 0;
}

static void windows_back(strips *s, int axis) {
    const figk_conv *c = s->c;
    ptrdiff_t low = PTRDIFF_MAX, high = PTRDIFF_MIN, e;
    for (size_t at = 0; at < c->stride[axis]; at++)
        for (size_t tap = 0; tap < (axis ? c->kw : c->kh); tap++)
            if (tap_line(c, axis, at, tap, &e)) low = FIG_MIN(low, e), high = FIG_MAX(high, e);
    s->stride[axis] = 1, s->step[axis] = c->stride[axis];
    s->low[axis] = low, s->high[axis] = (size_t)(high - low);
}

static size_t phase_lines(const strips *s, size_t rows) { return rows + s->high[0] / s->stride[0]; }
static size_t flat_rows(const strips *s, size_t rows) { return rows * s->flat; }
static size_t line_elements(const strips *s) { return s->line * s->from.c; }

/* All lines; and what rows that hang over, and a piece's last numbers, read behind the last. */
static size_t strip_bytes(const strips *s, size_t rows) {
    size_t pixels = s->stride[0] * phase_lines(s, rows) * s->line + s->high[1];
    return fig__round_up((pixels * s->from.c + s->k_pad) * size_of(s->leaf), FIG_ALIGN);
}
static size_t with_sums(const strips *s, size_t rows) {
    return strip_bytes(s, rows) + flat_rows(s, rows) * WIDE * sizeof(float);
}

static strips strips_of(fig_context *fig, const figk_gemm_leaf *leaf, bool back, const figk_conv *c) {
    strips s = {.c = c, .leaf = leaf, .fig = fig, .back = back, .packed = c->workspace};
    picture x = {c->x, c->xt, c->h, c->w, c->c}, y = {c->y, c->yt, c->oh, c->ow, c->o};
    s.from = back ? y : x, s.to = back ? x : y;
    s.in = back ? group_out(c) : group_in(c), s.out = back ? group_in(c) : group_out(c);
    for (int axis = 0; axis < 2; axis++) {
        s.stride[axis] = c->stride[axis], s.step[axis] = 1;
        s.low[axis] = -c->pad[axis], s.high[axis] = reach(c, axis);
        if (back) windows_back(&s, axis);
    }
    bool merged = is_merged(c, back);
    s.k = merged ? c->kw * c->c : s.in;
    s.k_pad = fig__round_up(s.k, leaf->k_step);
    s.n_pieces = merged ? c->kh : taps(c);
    s.all_rows = fig__ceil_div(s.to.h, s.step[0]);
    size_t all_cols = fig__ceil_div(s.to.w, s.step[1]);
    s.line = fig__round_up((all_cols - 1) * s.stride[1] + s.high[1] + 1, s.stride[1]);
    s.by_line = all_cols >= SHORT_LINE;
    s.flat = s.by_line ? all_cols : s.line / s.stride[1];
    for (s.n_strips = 1; s.n_strips <= s.all_rows; s.n_strips++) {
        s.rows = fig__ceil_div(s.all_rows, s.n_strips);
        if (with_sums(&s, s.rows) <= STRIP_BYTES) break;
    }
    s.n_strips = fig__ceil_div(s.all_rows, s.rows);
    return s;
}

static size_t offset_of(const strips *s, size_t y, size_t x) {
    size_t line = y % s->stride[0] * phase_lines(s, s->rows) + y / s->stride[0];
    return (line * s->line + x) * s->from.c;
}

static void add_piece(place *p, size_t offset, size_t tap) {
    p->offset[p->n_pieces] = offset;
    p->tap[p->n_pieces++] = tap;
}

static void taps_back(const strips *s, place *p) {
    const figk_conv *c = s->c;
    ptrdiff_t ey, ex;
    for (size_t ky = 0; ky < c->kh; ky++)
        for (size_t kx = 0; kx < c->kw; kx++)
            if (tap_line(c, 0, p->first[0], ky, &ey) && tap_line(c, 1, p->first[1], kx, &ex))
                add_piece(p, offset_of(s, (size_t)(ey - s->low[0]), (size_t)(ex - s->low[1])), ky * c->kw + kx);
}

static void taps_forward(const strips *s, place *p) {
    const figk_conv *c = s->c;
    bool merged = is_merged(c, false);
    for (size_t ky = 0; ky < c->kh; ky++)
        for (size_t kx = 0; kx < (merged ? 1 : c->kw); kx++)
            add_piece(p, offset_of(s, ky * c->dilation[0], kx * c->dilation[1]), ky * c->kw + kx);
}

static size_t n_places(const strips *s) { return s->step[0] * s->step[1]; }

static void place_of(const strips *s, size_t i, place *p) {
    p->first[0] = i / s->step[1], p->first[1] = i % s->step[1], p->n_pieces = 0;
    p->rows = s->to.h > p->first[0] ? fig__ceil_div(s->to.h - p->first[0], s->step[0]) : 0;
    p->cols = s->to.w > p->first[1] ? fig__ceil_div(s->to.w - p->first[1], s->step[1]) : 0;
    (s->back ? taps_back : taps_forward)(s, p);
}

/* --- their weights: panels of a place behind those of the one before, group after group */

static size_t group_bytes(const strips *s) { return panels_bytes(s->leaf, s->n_pieces * s->k_pad, s->out); }

/* Column block `panel` of a piece. Weights are [taps, in, o] for the convolution, so that x from y has them [lane][k].
 */
static void pack_piece(const strips *s, size_t z, size_t panel, size_t tap, char *to) {
    const figk_conv *c = s->c;
    size_t column = panel * s->leaf->nr, row = tap * group_in(c);
    size_t at = s->back ? (row + column) * c->o + z * s->in : row * c->o + z * s->out + column;
    s->leaf->pack_b(&(figk_gemm_pack){.lanes = FIG_MIN(s->out - column, s->leaf->nr),
                                      .k = s->k,
                                      .k_pad = s->k_pad,
                                      .src = (const char *)c->weight + at * size_of(s->leaf),
                                      .type = c->wt,
                                      .ld = c->o,
                                      .k_major = !s->back,
                                      .dst = to});
}

static void pack_panel(void *arg, size_t i, int thread) {
    (void)thread;
    const strips *s = arg;
    size_t n_panels = fig__ceil_div(s->out, s->leaf->nr), z = i / n_panels, panel = i % n_panels;
    size_t piece = s->k_pad * s->leaf->nr * size_of(s->leaf);
    char *to = s->packed + z * group_bytes(s);
    place p;
    for (size_t j = 0; j < n_places(s); j++, to += n_panels * p.n_pieces * piece) {
        place_of(s, j, &p);
        for (size_t t = 0; t < p.n_pieces; t++)
            pack_piece(s, z, panel, p.tap[t], to + (panel * p.n_pieces + t) * piece);
    }
}

/* --- a strip */

static void copy_strip(const strips *s, size_t n, size_t first_row, size_t rows, char *strip) {
    const picture *x = &s->from;
    size_t pixel = x->c * size_of(s->leaf), line = s->line;
    ptrdiff_t end = (ptrdiff_t)x->w - s->low[1];
    size_t first = (size_t)FIG_MIN(FIG_MAX(-s->low[1], 0), (ptrdiff_t)line);
    size_t last = (size_t)FIG_MAX(FIG_MIN(end, (ptrdiff_t)line), (ptrdiff_t)first);
    if (s->k_pad != s->k) memset(strip, 0, strip_bytes(s, s->rows)); /* zeros meet what lies behind a line */
    for (size_t i = 0; i <= (rows - 1) * s->stride[0] + s->high[0]; i++) {
        char *to = strip + offset_of(s, i, 0) * size_of(s->leaf);
        ptrdiff_t y = (ptrdiff_t)(first_row * s->stride[0] + i) + s->low[0];
        bool empty = y < 0 || y >= (ptrdiff_t)x->h;
        size_t before = empty ? line : first;
        memset(to, 0, before * pixel);
        if (empty) continue;
        ptrdiff_t at = (ptrdiff_t)((n * x->h + (size_t)y) * x->w + first) + s->low[1];
        if (last > first) memcpy(to + first * pixel, x->data + at * (ptrdiff_t)pixel, (last - first) * pixel);
        memset(to + last * pixel, 0, (line - last) * pixel);
    }
}

static void store_rows(const strips *s, const place *p, size_t n, size_t first_row, size_t rows, size_t channel,
                       size_t cols, size_t of_acc, const char *acc) {
    const picture *y = &s->to;
    for (size_t i = 0; i < rows && first_row + i < p->rows; i++) {
        size_t row = n * y->h + p->first[0] + (first_row + i) * s->step[0];
        s->leaf->store(
            &(figk_gemm_store){.rows = p->cols,
                               .cols = cols,
                               .acc = acc + i * s->flat * of_acc * sizeof(float),
                               .acc_stride = of_acc,
                               .c = y->data + ((row * y->w + p->first[1]) * y->c + channel) * fig_dtype_size(y->type),
                               .ct = y->type,
                               .ldc = s->step[1] * y->c,
                               .alpha = 1,
                               .bias = s->c->bias ? (const float *)s->c->bias + channel : NULL});
    }
}

/* So many pieces at a time that their weights stay in a first-level cache. A place without pieces gets zeros. */
static void multiply(const strips *s, const place *p, size_t rows, const char *weights, const char *strip, char *acc,
                     size_t cols) {
    size_t of_piece = s->k_pad * cols * size_of(s->leaf), most = FIG_MAX(PIECES_BYTES / of_piece, 1), at = 0;
    size_t n_lines = s->by_line ? rows : 1, of_line = s->by_line ? s->flat : flat_rows(s, rows);
    do {
        for (size_t line = 0; line < n_lines; line++)
            s->leaf->window(&(figk_gemm_window){.rows = of_line,
                                                .cols = cols,
                                                .n_blocks = FIG_MIN(p->n_pieces - at, most),
                                                .k = s->k_pad,
                                                .offset = p->offset + at,
                                                .a = strip + line * line_elements(s) * size_of(s->leaf),
                                                .a_stride = s->stride[1] * s->from.c,
                                                .b = weights + at * s->k_pad * s->leaf->nr * size_of(s->leaf),
                                                .acc = acc + line * of_line * cols * sizeof(float),
                                                .more = at > 0});
        at += most;
    } while (at < p->n_pieces);
}

static void run_group(const strips *s, const place *p, size_t n, size_t first, size_t rows, size_t z,
                      const char *weights, const char *strip, char *acc) {
    for (size_t column = 0, cols; column < s->out; column += cols) {
        const char *b = column_of(s->leaf, weights, p->n_pieces * s->k_pad, column);
        cols = columns_at_once(s->leaf, s->out - column);
        multiply(s, p, rows, b, strip + z * s->in * size_of(s->leaf), acc, cols);
        store_rows(s, p, n, first, rows, z * s->out + column, FIG_MIN(s->out - column, cols), cols, acc);
    }
}

static size_t strips_scratch(const strips *s) { return FIG_MAX(STRIP_BYTES, with_sums(s, 1)); }

static void run_strip(void *arg, size_t i, int thread) {
    const strips *s = arg;
    size_t n = i / s->n_strips, first = i % s->n_strips * s->rows, rows = FIG_MIN(s->rows, s->all_rows - first);
    char *strip = fig__scratch(s->fig, thread, strips_scratch(s)), *acc = strip + strip_bytes(s, s->rows);
    const char *weights = s->packed;
    place p;
    copy_strip(s, n, first, rows, strip);
    for (size_t j = 0; j < n_places(s); j++, weights += panels_bytes(s->leaf, p.n_pieces * s->k_pad, s->out)) {
        place_of(s, j, &p);
        for (size_t z = 0; z < s->c->groups; z++)
            run_group(s, &p, n, first, rows, z, weights + z * group_bytes(s), strip, acc);
    }
}

static void run_strips(strips *s) {
    fig__parallel(s->fig, s->c->groups * fig__ceil_div(s->out, s->leaf->nr), pack_panel, s);
    fig__parallel(s->fig, s->c->n * s->n_strips, run_strip, s);
}

/* --- w from x and y ---------------------------------------------------------------------------------------------*/

/* x turned is [in][plane], a plane the pixels of each of the stride's places in turn. */
typedef struct sums {
    const figk_conv *c;
    const figk_gemm_leaf *leaf;
    fig_context *fig;
    size_t n_blocks, in, out;
    size_t cols;           /* columns that are summed up at once */
    size_t line;           /* pixels of x that the windows of a line of y meet */
    bool joined;           /* short lines: all in one block, with zeros in y where they hang over */
    size_t k;              /* numbers of k for a line of y */
    size_t offset[LINES];  /* where lines begin */
    size_t rows, n_strips; /* lines of y in a strip; strips of a picture */
    bool spread;           /* few channels: a row for each tap and channel, copied; else channels are the rows */
    size_t n_rows;         /* of all windows for a column block: sums for each lane of it */
} sums;

static size_t place_size(const sums *s, size_t rows) {
    const figk_conv *c = s->c;
    size_t lines = rows + reach(c, 0) / c->stride[0];
    return fig__round_up(lines * s->line + reach(c, 1) / c->stride[1], LANES);
}
static size_t plane_size(const sums *s, size_t rows) { return s->c->stride[0] * s->c->stride[1] * place_size(s, rows); }

static size_t turned_size(const sums *s, size_t rows) {
    return fig__round_up(s->in * plane_size(s, rows) * size_of(s->leaf), FIG_ALIGN);
}
static size_t spread_size(const sums *s, size_t rows) {
    return s->spread ? fig__round_up(s->n_rows * rows * s->line * size_of(s->leaf), FIG_ALIGN) : 0;
}
/* By line, not k: that of a shorter line, which is joined, may be larger. */
static size_t strip_size(const sums *s, size_t rows) {
    return turned_size(s, rows) + spread_size(s, rows) +
           fig__round_up(panels_bytes(s->leaf, rows * s->line, s->out), FIG_ALIGN);
}
static size_t sums_size(const sums *s) { return fig__round_up(s->out, s->cols) * s->n_rows * sizeof(float); }

static sums sums_of(fig_context *fig, const figk_gemm_leaf *leaf, const figk_conv *c) {
    sums s = {.c = c, .leaf = leaf, .fig = fig, .in = group_in(c), .out = group_out(c)};
    s.n_blocks = FIG_MIN(c->n, BLOCKS);
    s.cols = columns_at_once(leaf, s.out);
    s.line = fig__round_up(c->ow + reach(c, 1) / c->stride[1], leaf->k_step);
    s.joined = c->ow < SHORT_LINE;
    s.k = s.joined ? s.line : fig__round_up(c->ow, leaf->k_step);
    for (size_t i = 0; i < LINES; i++) s.offset[i] = i * s.line;
    s.spread = s.in < LANES;
    s.n_rows = taps(c) * s.in;
    for (s.n_strips = 1; s.n_strips <= c->oh; s.n_strips++) {
        s.rows = fig__ceil_div(c->oh, s.n_strips);
        if (strip_size(&s, s.rows) <= STRIP_BYTES) break;
    }
    s.n_strips = fig__ceil_div(c->oh, s.rows);
    return s;
}

/* Elements from a row's begin to the pixel that a tap meets first. */
static size_t tap_offset(const sums *s, size_t tap) {
    const figk_conv *c = s->c;
    size_t y = tap / c->kw * c->dilation[0], x = tap % c->kw * c->dilation[1];
    size_t of_place = y % c->stride[0] * c->stride[1] + x % c->stride[1];
    return of_place * place_size(s, s->rows) + y / c->stride[0] * s->line + x / c->stride[1];
}

static char *turned_line(const sums *s, char *turned, size_t py, size_t px, size_t line) {
    size_t at = (py * s->c->stride[1] + px) * place_size(s, s->rows) + line * s->line;
    return turned + at * size_of(s->leaf);
}

/* Every stride'th pixel of line y of x from `px` on; what is outside of the picture stays zero. */
static void turn_pixels(const sums *s, size_t n, size_t z, size_t y, size_t px, char *to) {
    const figk_conv *c = s->c;
    ptrdiff_t begin = c->pad[1] - (ptrdiff_t)px, end = begin + (ptrdiff_t)c->w, stride = (ptrdiff_t)c->stride[1];
    size_t all = c->ow + reach(c, 1) / c->stride[1];
    size_t first = begin > 0 ? fig__ceil_div((size_t)begin, c->stride[1]) : 0;
    size_t last = end > 0 ? FIG_MIN(fig__ceil_div((size_t)end, c->stride[1]), all) : 0;
    if (last <= first) return;
    size_t at = (n * c->h + y) * c->w + (size_t)((ptrdiff_t)first * stride - begin);
    figk(s->fig)->transpose(last - first, s->in, to + first * size_of(s->leaf), plane_size(s, s->rows),
                            (const char *)c->x + (at * c->c + z * s->in) * size_of(s->leaf), c->stride[1] * c->c,
                            size_of(s->leaf));
}

static void clear_line(const sums *s, char *to) {
    size_t plane = plane_size(s, s->rows) * size_of(s->leaf);
    for (size_t i = 0; i < s->in; i++) memset(to + i * plane, 0, s->line * size_of(s->leaf));
}

static void turn_strip(const sums *s, size_t n, size_t z, size_t first_row, size_t rows, char *turned) {
    const figk_conv *c = s->c;
    for (size_t i = 0; i < (rows + reach(c, 0) / c->stride[0]) * c->stride[0]; i++) {
        ptrdiff_t y = (ptrdiff_t)(first_row * c->stride[0] + i) - c->pad[0];
        for (size_t px = 0; px < c->stride[1]; px++) {
            char *to = turned_line(s, turned, i % c->stride[0], px, i / c->stride[0]);
            if (y < 0 || y >= (ptrdiff_t)c->h)
                clear_line(s, to);
            else
                turn_pixels(s, n, z, (size_t)y, px, to);
        }
    }
}

static void pack_y(const sums *s, size_t n, size_t z, size_t first_row, size_t rows, char *to) {
    const figk_conv *c = s->c;
    for (size_t column = 0; column < s->out; column += s->leaf->nr)
        for (size_t i = 0; i < rows; i++) {
            size_t row = (n * c->oh + first_row + i) * c->ow;
            s->leaf->pack_b(
                &(figk_gemm_pack){.lanes = FIG_MIN(s->out - column, s->leaf->nr),
                                  .k = c->ow,
                                  .k_pad = s->k,
                                  .src = (const char *)c->y + (row * c->o + z * s->out + column) * size_of(s->leaf),
                                  .type = c->yt,
                                  .ld = c->o,
                                  .k_major = true,
                                  .dst = to + (column * s->rows + i * s->leaf->nr) * s->k * size_of(s->leaf)});
        }
}

static void spread_rows(const sums *s, const char *turned, size_t k, char *to) {
    size_t size = size_of(s->leaf), plane = plane_size(s, s->rows);
    for (size_t row = 0; row < s->n_rows; row++)
        memcpy(to + row * k * size, turned + (row % s->in * plane + tap_offset(s, row / s->in)) * size, k * size);
}

typedef struct rows_of_x {
    const char *a;
    size_t stride, n; /* elements between rows; rows */
} rows_of_x;

static void add_rows(const sums *s, rows_of_x x, size_t lines, const char *y, size_t at, char *sum, bool more) {
    for (size_t first = 0; first < lines; first += LINES, more = true) {
        size_t n = FIG_MIN(lines - first, LINES);
        for (size_t column = 0; column < s->out; column += s->cols)
            s->leaf->window(&(figk_gemm_window){.rows = x.n,
                                                .cols = s->cols,
                                                .n_blocks = s->joined ? 1 : n,
                                                .k = s->joined ? n * s->k : s->k,
                                                .offset = s->offset,
                                                .a = x.a + first * s->line * size_of(s->leaf),
                                                .a_stride = x.stride,
                                                .b = column_of(s->leaf, y, s->rows * s->k, column) +
                                                     first * s->k * s->leaf->nr * size_of(s->leaf),
                                                .acc = sum + (column * s->n_rows + at * s->cols) * sizeof(float),
                                                .more = more});
    }
}

static void add_strip(const sums *s, char *turned, size_t rows, const char *y, char *sum, bool more) {
    size_t k = rows * s->line;
    if (s->spread) {
        char *rows_of = turned + turned_size(s, s->rows);
        spread_rows(s, turned, k, rows_of);
        add_rows(s, (rows_of_x){rows_of, k, s->n_rows}, rows, y, 0, sum, more);
        return;
    }
    for (size_t tap = 0; tap < taps(s->c); tap++) {
        const char *a = turned + tap_offset(s, tap) * size_of(s->leaf);
        add_rows(s, (rows_of_x){a, plane_size(s, s->rows), s->in}, rows, y, tap * s->in, sum, more);
    }
}

static size_t sums_scratch(const sums *s) {
    return FIG_MAX(FIG_MAX(STRIP_BYTES, strip_size(s, 1)), s->n_rows * s->cols * sizeof(float));
}

/* One group over one block of pictures, into its place in the workspace: [blocks][groups][out / cols][n_rows][cols]. */
static void run_block(void *arg, size_t i, int thread) {
    const sums *s = arg;
    const figk_conv *c = s->c;
    size_t block = i / c->groups, z = i % c->groups;
    size_t first = block * c->n / s->n_blocks, last = (block + 1) * c->n / s->n_blocks;
    char *turned = fig__scratch(s->fig, thread, sums_scratch(s)), *sum = (char *)c->workspace + i * sums_size(s);
    char *y = turned + turned_size(s, s->rows) + spread_size(s, s->rows);
    bool more = false;
    memset(turned, 0, turned_size(s, s->rows));
    for (size_t n = first; n < last; n++)
        for (size_t row = 0; row < c->oh; row += s->rows, more = true) {
            size_t rows = FIG_MIN(s->rows, c->oh - row);
            turn_strip(s, n, z, row, rows, turned);
            pack_y(s, n, z, row, rows, y);
            add_strip(s, turned, rows, y, sum, more);
        }
}

/* Adds up the blocks of so many columns, and puts them into the gradient [taps, in, o]. */
static void add_blocks(void *arg, size_t i, int thread) {
    const sums *s = arg;
    size_t n_columns = fig__ceil_div(s->out, s->cols), column = i % n_columns * s->cols, n = s->n_rows * s->cols;
    float *all = fig__scratch(s->fig, thread, sums_scratch(s)), *to = s->c->weight;
    figk(s->fig)->sum(s->n_blocks, n, all, (const float *)s->c->workspace + i * n, FIG_F32,
                      s->c->groups * n_columns * n, false);
    to += i / n_columns * s->out + column;
    for (size_t row = 0; row < s->n_rows; row++)
        memcpy(to + row * s->c->o, all + row * s->cols, FIG_MIN(s->out - column, s->cols) * sizeof(float));
}

static void run_sums(sums *s) {
    fig__parallel(s->fig, s->n_blocks * s->c->groups, run_block, s);
    fig__parallel(s->fig, s->c->groups * fig__ceil_div(s->out, s->cols), add_blocks, s);
}

/* --- the interface ----------------------------------------------------------------------------------------------*/

/* Measured against the product (docs/performance.md), which is faster where there are more than sixteen outputs and
 * lines are short, or where weights or sums come from a third-level cache for every strip. */
static bool fits(const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c, size_t most) {
    bool weights = what == FIGK_CONV_WEIGHTS, back = what == FIGK_CONV_TRANSPOSE;
    if (taps(c) == 1 || taps(c) > MAX_TAPS || !c->n || !c->h || !c->w || !c->oh || !c->ow) return false;
    strips s = strips_of(NULL, leaf, back, c);
    size_t line = weights ? c->ow : fig__ceil_div(s.to.w, s.step[1]);
    if (s.out > most || (s.out > LANES && line < SHORT_LINE)) return false;
    if (!weights) return c->groups * group_bytes(&s) <= WEIGHTS_BYTES && (s.k == s.k_pad || is_merged(c, back));
    sums w = sums_of(NULL, leaf, c);
    return sums_size(&w) <= SUMS_BYTES;
}

#define MOST_BESIDE_TILES 16 /* where the level has a matrix unit, and this way does not use it */

const figk_gemm_leaf *fig__conv_direct_leaf(const fig_context *fig, figk_conv_what what, const figk_conv *c) {
    fig_dtype other = what == FIGK_CONV_WEIGHTS ? c->yt : c->wt, type = what == FIGK_CONV_TRANSPOSE ? c->yt : c->xt;
    if (type != other || (type != FIG_F32 && type != FIG_BF16)) return NULL;
    const figk_gemm_leaf *leaf = figk(fig)->gemm_leaf(type == FIG_BF16), *own = leaf->narrow ? leaf->narrow : leaf;
    if (!own->window || own->elem != type) return NULL;
    return fits(own, what, c, leaf->narrow ? MOST_BESIDE_TILES : SIZE_MAX) ? own : NULL;
}

void fig__conv_direct(fig_context *fig, const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c) {
    if (what == FIGK_CONV_WEIGHTS) {
        sums s = sums_of(fig, leaf, c);
        run_sums(&s);
        return;
    }
    strips s = strips_of(fig, leaf, what == FIGK_CONV_TRANSPOSE, c);
    run_strips(&s);
}

size_t fig__conv_direct_scratch(const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c) {
    if (what == FIGK_CONV_WEIGHTS) {
        sums s = sums_of(NULL, leaf, c);
        return sums_scratch(&s);
    }
    strips s = strips_of(NULL, leaf, what == FIGK_CONV_TRANSPOSE, c);
    return strips_scratch(&s);
}

size_t fig__conv_direct_workspace(const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c) {
    if (what == FIGK_CONV_WEIGHTS) {
        sums s = sums_of(NULL, leaf, c);
        return s.n_blocks * c->groups * sums_size(&s);
    }
    strips s = strips_of(NULL, leaf, what == FIGK_CONV_TRANSPOSE, c);
    return c->groups * group_bytes(&s);
}
