/* kernels/gemm.c: matrix products, one driver for all levels. The idea of panels is Goto's (Goto and van de Geijn,
 * "Anatomy of high-performance matrix multiplication", 2008).
 *
 * What is computed depends on k alone: K is cut into chunks of CHUNK, each chunk is one chain of additions per element
 * of C, and the chunks are added in order. Who computes it depends on everything else: a large C is cut into tiles, and
 * a tile goes through its chunks one after another; a small C with a long K (the gradient of a small weight over many
 * tokens) is cut by chunks too, which are then added by a further pass. Both give the same bits, so the bits of a row
 * depend neither on m, nor on the batch, nor on the threads.
 *
 * Where C is what the sums are, they are made in C at once; else in a tile's own memory, from which they are stored.
 *
 * B is packed first, once for all tiles; to bound the memory of that a product goes in groups: some columns of B, or
 * some matrices of a batch. A is read in place, or else packed by each tile for itself, while it is in the cache
 * anyway. */
#include "kernels/gemm.h"
#include <assert.h>

#define CHUNK 1024              /* a multiple of every kc */
#define GROUP_BYTES (16u << 20) /* of packed B in one group */
#define GROUP_COLS 1024         /* but never fewer columns: each group of them reads A again */
#define SPLIT_BYTES (4u << 20)  /* of the sums of all chunks, up to which they go to different threads */
#define TILES_WANTED 8          /* smaller tiles read, and pack, their operands more often */
#define TILE_WORK (1u << 21)    /* multiply-adds of a tile that need not be halved */
#define PACK_COLS 128           /* columns and k of one packing job, and the k of one call in it */
#define PACK_K 512
#define PACK_STEP 128
#define STORE_ROWS 8             /* of a tile, stored over its whole width before the next ones */
#define DECODE_BYTES (64u << 10) /* of weights in one tile */
#define DECODE_COLS 128          /* of a tile when weights are stored [k,n] */

typedef struct plan {
    const figk_gemm_leaf *leaf;
    size_t real_size, elem_size;
    size_t k_pad, n_pad, n_chunks;
    bool a_packed, split;
    size_t b_size; /* bytes of one matrix's packed columns within a group */
    size_t group_cols, group_batch;
    size_t tile_rows, tile_cols;
    size_t block_size, raw_size; /* bytes: the tile's packed A; patches before they are packed */
} plan;

/* One group, as all its tiles see it. */
typedef struct group {
    const figk_gemm *g;
    const plan *p;
    fig_context *fig;
    size_t z0, col0; /* its first matrix and column */
    size_t batch, cols;
    size_t row_tiles, col_tiles, bands;
    char *b, *parts;
} group;

/* --- planning ----------------------------------------------------------------------------------------------*/

/* A batch that multiplies one and the same B, rows following each other, is one matrix. */
static figk_gemm flattened(const figk_gemm *g) {
    figk_gemm f = *g;
    bool rows_follow = g->a_step == g->m * g->lda && g->c_step == g->m * g->ldc;
    if (g->batch > 1 && g->b_step == 0 && !g->a_trans && !g->patches && rows_follow) {
        f.m *= f.batch;
        f.batch = 1;
    }
    return f;
}

static size_t n_chunks(size_t k) { return FIG_MAX(k / CHUNK, 1); }

/* A is read where it stands if that is what packing would give. Not at strides of 2 KiB: rows would push each other
 * out of the first-level cache. */
static bool must_pack_a(const figk_gemm_leaf *leaf, const figk_gemm *g) {
    size_t stride = g->lda * fig_dtype_size(leaf->elem);
    return g->patches || g->at != leaf->elem || g->a_trans || g->k % leaf->k_step || stride % 2048 == 0;
}

/* Patches of the right type are read straight into the place of packed rows. */
static bool has_raw(const figk_gemm_leaf *leaf, const figk_gemm *g) {
    return g->patches && (g->a_trans || g->at != leaf->elem);
}

static size_t n_packed_b(const figk_gemm *g, size_t batch) { return g->b_step ? batch : 1; }

static void plan_groups(plan *p, const figk_gemm *g) {
    size_t col = p->k_pad * p->elem_size;
    size_t cols = col ? FIG_MAX(GROUP_COLS, GROUP_BYTES / col / p->leaf->nr * p->leaf->nr) : p->n_pad;
    p->group_cols = FIG_MIN(p->n_pad, cols);
    p->b_size = p->group_cols * col;
    p->group_batch = p->group_cols < p->n_pad ? 1 : g->batch;
    if (g->b_step) p->group_batch = FIG_MAX(FIG_MIN(p->group_batch, GROUP_BYTES / (p->b_size + 1)), 1);
}

/* Halves the longer side of a tile until there are enough of them, then makes them equal. Where tiles pack A, the wider
 * ones do it less often. */
static void plan_tiles(plan *p, const figk_gemm *g) {
    const figk_gemm_leaf *leaf = p->leaf;
    size_t n = p->group_cols, rows = FIG_MIN(leaf->mc, fig__round_up(g->m, leaf->m_step)), cols = FIG_MIN(leaf->nc, n);
    size_t copies = p->group_batch * (p->split ? p->n_chunks : 1), k = p->split ? CHUNK : g->k;
    while (copies * fig__ceil_div(g->m, rows) * fig__ceil_div(n, cols) < TILES_WANTED &&
           rows * cols / 2 * k > TILE_WORK) {
        size_t half_rows = fig__round_up(rows / 2, leaf->m_step), half_cols = fig__round_up(cols / 2, leaf->nr);
        if (half_rows < rows && (rows * (p->a_packed ? 2 : 1) >= cols || half_cols == cols))
            rows = half_rows;
        else if (half_cols < cols)
            cols = half_cols;
        else
            break;
    }
    p->tile_rows = fig__round_up(fig__ceil_div(g->m, fig__ceil_div(g->m, rows)), leaf->m_step);
    p->tile_cols = fig__round_up(fig__ceil_div(n, fig__ceil_div(n, cols)), leaf->nr);
}

static size_t parts_size(const plan *p, const figk_gemm *g) { return p->n_chunks * g->m * p->n_pad * p->real_size; }

static plan plan_of(const figk_gemm_leaf *leaf, const figk_gemm *g) {
    plan p = {.leaf = leaf, .real_size = fig_dtype_size(leaf->real), .elem_size = fig_dtype_size(leaf->elem)};
    p.k_pad = fig__round_up(g->k, leaf->k_step);
    p.n_pad = fig__round_up(g->n, leaf->nr);
    p.n_chunks = n_chunks(g->k);
    p.a_packed = must_pack_a(leaf, g);
    p.split = g->batch == 1 && parts_size(&p, g) <= SPLIT_BYTES && p.n_chunks > 1;
    plan_groups(&p, g);
    plan_tiles(&p, g);
    size_t block = p.tile_rows * leaf->kc;
    p.block_size = p.a_packed ? block * p.elem_size : 0;
    p.raw_size = has_raw(leaf, g) ? fig__round_up(block * fig_dtype_size(g->at), FIG_ALIGN) : 0;
    return p;
}

static bool is_empty(const figk_gemm *g) { return g->m == 0 || g->n == 0 || g->batch == 0; }

static size_t decode_cols(const figk_gemm *g) {
    if (!g->b_trans) return DECODE_COLS;
    return FIG_MAX(fig__round_up(DECODE_BYTES / (g->k * fig_dtype_size(g->bt) + 1), 4), 4);
}

size_t fig__gemm_scratch(const figk_gemm_leaf *leaf, const figk_gemm *g) {
    if (is_empty(g)) return 0;
    size_t real_size = fig_dtype_size(leaf->real), m = flattened(g).m;
    if (g->decode) return m * decode_cols(g) * real_size;
    size_t rows = FIG_MIN(leaf->mc, fig__round_up(m, leaf->m_step)),
           cols = FIG_MIN(leaf->nc, fig__round_up(g->n, leaf->nr));
    size_t acc = rows * cols * real_size * (n_chunks(g->k) > 1 ? 2 : 1), block = rows * leaf->kc;
    size_t raw = has_raw(leaf, g) ? fig__round_up(block * fig_dtype_size(g->at), FIG_ALIGN) : 0;
    return acc + block * fig_dtype_size(leaf->elem) + raw;
}

/* Written so that it grows with m, n and batch, whatever run makes of them. */
size_t fig__gemm_workspace(const figk_gemm_leaf *leaf, const figk_gemm *g) {
    if (is_empty(g)) return 0;
    figk_gemm f = flattened(g);
    if (g->decode) return g->at == leaf->elem ? 0 : f.m * g->k * fig_dtype_size(leaf->real);
    plan p = plan_of(leaf, &f);
    size_t col = p.k_pad * p.elem_size;
    size_t b = FIG_MIN(p.n_pad * col, FIG_MAX(GROUP_COLS * col, GROUP_BYTES));
    size_t packed = FIG_MIN(n_packed_b(&f, f.batch) * b, FIG_MAX(GROUP_BYTES, b));
    size_t parts = p.n_chunks > 1 ? FIG_MIN(parts_size(&p, &f), SPLIT_BYTES) : 0;
    return fig__round_up(packed, FIG_ALIGN) + parts;
}

/* --- packing -----------------------------------------------------------------------------------------------*/

static const char *at(const void *base, size_t element, fig_dtype type) {
    return (const char *)base + element * fig_dtype_size(type);
}

/* Where (lane, k) of a stored operand is. */
static const void *operand(const void *base, fig_dtype type, size_t ld, bool k_major, size_t lane, size_t k) {
    return at(base, k_major ? k * ld + lane : lane * ld + k, type);
}

/* One job: some columns and k of B, in short steps of k so that rows of the source are still at hand for the next
 * panel. */
static void pack_tile(void *arg, size_t job, int thread) {
    (void)thread;
    const group *w = arg;
    const figk_gemm *g = w->g;
    const plan *p = w->p;
    size_t nr = p->leaf->nr, col_jobs = fig__ceil_div(w->cols, PACK_COLS), k_jobs = fig__ceil_div(p->k_pad, PACK_K);
    size_t z = job / col_jobs / k_jobs, first = job % col_jobs * PACK_COLS, k = job / col_jobs % k_jobs * PACK_K;
    size_t last = FIG_MIN(first + PACK_COLS, w->cols), k_last = FIG_MIN(k + PACK_K, p->k_pad);
    const void *b = at(g->b, (w->z0 + z) * g->b_step, g->bt);
    for (; k < k_last; k += PACK_STEP) {
        size_t k_end = FIG_MIN(k + PACK_STEP, k_last);
        for (size_t col = first; col < last; col += nr)
            p->leaf->pack_b(&(figk_gemm_pack){.lanes = FIG_MIN(nr, g->n - w->col0 - col),
                                              .k = FIG_MIN(k_end, g->k) - k,
                                              .k_pad = k_end - k,
                                              .src = operand(b, g->bt, g->ldb, !g->b_trans, w->col0 + col, k),
                                              .type = g->bt,
                                              .ld = g->ldb,
                                              .k_major = !g->b_trans,
                                              .dst = w->b + z * p->b_size + (col * p->k_pad + k * nr) * p->elem_size});
    }
}

static size_t n_pack_jobs(const group *w) {
    return n_packed_b(w->g, w->batch) * fig__ceil_div(w->cols, PACK_COLS) * fig__ceil_div(w->p->k_pad, PACK_K);
}

/* --- multiplying -------------------------------------------------------------------------------------------*/

typedef struct tile {
    size_t z, row, col, rows, cols; /* within the group; cols is padded to whole panels */
} tile;

/* Tiles of one matrix come in bands of rows, one for each thread: those of the same rows in the product before were
 * most likely its own. Within a band columns of B are gone through once. */
static tile tile_of(const group *w, size_t i) {
    const plan *p = w->p;
    size_t in_matrix = i % (w->row_tiles * w->col_tiles), band_rows = fig__ceil_div(w->row_tiles, w->bands);
    size_t band = in_matrix / (band_rows * w->col_tiles), in_band = in_matrix - band * band_rows * w->col_tiles;
    size_t rows = FIG_MIN(band_rows, w->row_tiles - band * band_rows);
    tile t = {.row = (band * band_rows + in_band % rows) * p->tile_rows, .col = in_band / rows * p->tile_cols};
    t.z = i / w->row_tiles / w->col_tiles;
    t.rows = FIG_MIN(p->tile_rows, w->g->m - t.row);
    t.cols = FIG_MIN(p->tile_cols, w->cols - t.col);
    return t;
}

/* The tile's patches from k on: straight into the packed block where there is no `raw`, else as a stored matrix
 * [rows][k] or [k][rows]. Returns the distance between rows. */
static size_t read_patches(const group *w, const tile *t, size_t k, size_t k_len, void *dst) {
    const figk_gemm *g = w->g;
    size_t n = FIG_MIN(k + k_len, g->k) - k, channel0 = (w->z0 + t->z) * g->patches->channels;
    if (!w->p->raw_size) {
        figk_patches_read(g->patches, channel0, t->row, t->rows, k, n, k_len, dst, w->p->leaf->kc);
        return w->p->leaf->kc;
    }
    if (g->a_trans) {
        figk_patches_read(g->patches, channel0, k, n, t->row, t->rows, t->rows, dst, t->rows);
        return t->rows;
    }
    figk_patches_read(g->patches, channel0, t->row, t->rows, k, n, n, dst, n);
    return n;
}

/* The tile's rows of A from k on, in place or packed into `block`, with room for raw patches before it; returns the
 * distance between rows. */
static size_t rows_of_a(const group *w, const tile *t, size_t k, size_t k_len, char *block, const void **rows) {
    const figk_gemm *g = w->g;
    const figk_gemm_leaf *leaf = w->p->leaf;
    size_t ld = g->lda;
    *rows = block - w->p->raw_size;
    if (g->patches)
        ld = read_patches(w, t, k, k_len, block - w->p->raw_size);
    else
        *rows = operand(at(g->a, (w->z0 + t->z) * g->a_step, g->at), g->at, g->lda, g->a_trans, t->row, k);
    if (!w->p->a_packed || (g->patches && !w->p->raw_size)) return ld;
    leaf->pack_a(&(figk_gemm_pack){.lanes = t->rows,
                                   .k = FIG_MIN(k + k_len, g->k) - k,
                                   .k_pad = k_len,
                                   .src = *rows,
                                   .type = g->at,
                                   .ld = ld,
                                   .k_major = g->a_trans,
                                   .dst = block,
                                   .dst_stride = leaf->kc});
    *rows = block;
    return leaf->kc;
}

/* Columns of the tile, whole panels, whose sums are C as they are. */
static size_t n_in_place(const group *w, const tile *t) {
    const figk_gemm *g = w->g;
    const figk_gemm_leaf *leaf = w->p->leaf;
    if (w->p->n_chunks > 1 || g->ct != leaf->real || g->alpha != 1 || g->beta != 0 || g->bias) return 0;
    return FIG_MIN(t->cols, (g->n - w->col0 - t->col) / leaf->nr * leaf->nr);
}

static char *place_in_c(const group *w, const tile *t, size_t row, size_t col) {
    const figk_gemm *g = w->g;
    size_t element = (w->z0 + t->z) * g->c_step + (t->row + row) * g->ldc + w->col0 + t->col + col;
    return (char *)g->c + element * fig_dtype_size(g->ct);
}

/* acc, or C = the sums over one chunk of K. */
static void multiply_chunk(const group *w, const tile *t, size_t chunk, char *acc, char *block) {
    const plan *p = w->p;
    const figk_gemm_leaf *leaf = p->leaf;
    size_t start = chunk * CHUNK, end = chunk + 1 == p->n_chunks ? p->k_pad : start + CHUNK, k = start;
    const char *b = w->b + (w->g->b_step ? t->z : 0) * p->b_size + t->col * p->k_pad * p->elem_size;
    do { /* at least once: a K of 0 gives zeros */
        figk_gemm_panel panel = {.rows = t->rows, .k = FIG_MIN(leaf->kc, end - k), .more = k > start};
        panel.a_stride = rows_of_a(w, t, k, panel.k, block, &panel.a);
        for (size_t col = 0; col < t->cols; col += leaf->nr) {
            panel.cols = FIG_MIN(leaf->nr, w->g->n - w->col0 - t->col - col);
            panel.b = b + (col * p->k_pad + k * leaf->nr) * p->elem_size;
            panel.next_b = (const char *)panel.b + p->k_pad * leaf->nr * p->elem_size;
            bool in_place = col < n_in_place(w, t);
            panel.acc = in_place ? place_in_c(w, t, 0, col) : acc + col * t->rows * p->real_size;
            panel.acc_stride = in_place ? w->g->ldc : leaf->nr;
            leaf->panel(&panel);
        }
        k += leaf->kc;
    } while (k < end);
}

/* Products in double run beside those in float, for the oracle. */
static const figk_table *kernels_of(const fig_context *fig, const figk_gemm_leaf *leaf) {
    return leaf->real == FIG_F64 ? figk_oracle() : figk(fig);
}

/* A few rows at a time over the whole width, so that C is written along its rows. */
static void store_tile(const group *w, const tile *t, const char *acc) {
    const figk_gemm *g = w->g;
    const figk_gemm_leaf *leaf = w->p->leaf;
    size_t col0 = w->col0 + t->col, bias0 = (w->z0 + t->z) * g->bias_step + col0, first = n_in_place(w, t);
    for (size_t row = 0; row < t->rows; row += STORE_ROWS)
        for (size_t col = first; col < t->cols; col += leaf->nr)
            leaf->store(&(figk_gemm_store){.rows = FIG_MIN(STORE_ROWS, t->rows - row),
                                           .cols = FIG_MIN(leaf->nr, g->n - col0 - col),
                                           .acc = acc + (col * t->rows + row * leaf->nr) * w->p->real_size,
                                           .acc_stride = leaf->nr,
                                           .c = place_in_c(w, t, row, col),
                                           .ct = g->ct,
                                           .ldc = g->ldc,
                                           .alpha = g->alpha,
                                           .beta = g->beta,
                                           .bias = g->bias ? at(g->bias, bias0 + col, leaf->real) : NULL});
}

static void multiply_tile(void *arg, size_t i, int thread) {
    const group *w = arg;
    const plan *p = w->p;
    tile t = tile_of(w, i);
    size_t size = t.rows * t.cols, own = p->raw_size + p->block_size;
    char *scratch = fig__scratch(w->fig, thread, own + size * p->real_size * (p->n_chunks > 1 ? 2 : 1));
    char *block = scratch + p->raw_size, *total = scratch + own, *part = total + size * p->real_size;
    multiply_chunk(w, &t, 0, total, block);
    for (size_t chunk = 1; chunk < p->n_chunks; chunk++) {
        multiply_chunk(w, &t, chunk, part, block);
        kernels_of(w->fig, p->leaf)->accumulate(size, total, part, p->leaf->real);
    }
    store_tile(w, &t, total);
}

/* Chunks apart: each tile of each chunk has its place in `parts`. */
static char *part_of(const group *w, const tile *t, size_t chunk) {
    size_t element = chunk * w->g->m * w->cols + t->row * w->cols + t->col * t->rows;
    return w->parts + element * w->p->real_size;
}

static void multiply_part(void *arg, size_t i, int thread) {
    const group *w = arg;
    tile t = tile_of(w, i / w->p->n_chunks);
    size_t chunk = i % w->p->n_chunks;
    char *scratch = fig__scratch(w->fig, thread, w->p->raw_size + w->p->block_size);
    multiply_chunk(w, &t, chunk, part_of(w, &t, chunk), scratch + w->p->raw_size);
}

static void add_parts(void *arg, size_t i, int thread) {
    (void)thread;
    const group *w = arg;
    const figk_gemm_leaf *leaf = w->p->leaf;
    tile t = tile_of(w, i);
    char *total = part_of(w, &t, 0);
    for (size_t chunk = 1; chunk < w->p->n_chunks; chunk++)
        kernels_of(w->fig, leaf)->accumulate(t.rows * t.cols, total, part_of(w, &t, chunk), leaf->real);
    store_tile(w, &t, total);
}

/* --- groups ------------------------------------------------------------------------------------------------*/

static void run_group(group *w) {
    const plan *p = w->p;
    w->row_tiles = fig__ceil_div(w->g->m, p->tile_rows);
    w->col_tiles = fig__ceil_div(w->cols, p->tile_cols);
    w->bands = w->batch > 1 ? 1 : FIG_MIN((size_t)fig_n_threads(w->fig), w->row_tiles);
    fig__parallel(w->fig, n_pack_jobs(w), pack_tile, w);
    size_t n_tiles = w->batch * w->row_tiles * w->col_tiles;
    if (!p->split) {
        fig__parallel(w->fig, n_tiles, multiply_tile, w);
        return;
    }
    fig__parallel(w->fig, n_tiles * p->n_chunks, multiply_part, w);
    fig__parallel(w->fig, n_tiles, add_parts, w);
}

static void run_packed(fig_context *fig, const figk_gemm_leaf *leaf, const figk_gemm *g) {
    plan p = plan_of(leaf, g);
    group w = {.g = g, .p = &p, .fig = fig, .b = g->workspace};
    w.parts = w.b + fig__round_up(n_packed_b(g, p.group_batch) * p.b_size, FIG_ALIGN);
    for (w.z0 = 0; w.z0 < g->batch; w.z0 += w.batch) {
        w.batch = FIG_MIN(p.group_batch, g->batch - w.z0);
        for (w.col0 = 0; w.col0 < p.n_pad; w.col0 += w.cols) {
            w.cols = FIG_MIN(p.group_cols, p.n_pad - w.col0);
            run_group(&w);
        }
    }
}

/* --- decoding ----------------------------------------------------------------------------------------------*/

typedef struct decoding {
    const figk_gemm *g;
    const figk_gemm_leaf *leaf;
    fig_context *fig;
    size_t z, cols;
    const void *x; /* [m][x_stride] of the leaf's elem */
    size_t x_stride;
} decoding;

static void decode_tile(void *arg, size_t i, int thread) {
    const decoding *d = arg;
    const figk_gemm *g = d->g;
    size_t col = i * d->cols, cols = FIG_MIN(d->cols, g->n - col);
    void *y = fig__scratch(d->fig, thread, g->m * cols * fig_dtype_size(d->leaf->real));
    const void *w = at(g->b, d->z * g->b_step, g->bt);
    d->leaf->decode(&(figk_gemm_decode){.m = g->m,
                                        .n = cols,
                                        .k = g->k,
                                        .x = d->x,
                                        .x_stride = d->x_stride,
                                        .w = operand(w, g->bt, g->ldb, !g->b_trans, col, 0),
                                        .wt = g->bt,
                                        .ldw = g->ldb,
                                        .k_major = !g->b_trans,
                                        .y = y,
                                        .y_stride = cols});
    d->leaf->store(&(figk_gemm_store){.rows = g->m,
                                      .cols = cols,
                                      .acc = y,
                                      .acc_stride = cols,
                                      .c = (char *)g->c + (d->z * g->c_step + col) * fig_dtype_size(g->ct),
                                      .ct = g->ct,
                                      .ldc = g->ldc,
                                      .alpha = g->alpha,
                                      .beta = g->beta,
                                      .bias = g->bias ? at(g->bias, d->z * g->bias_step + col, d->leaf->real) : NULL});
}

static void run_decode(fig_context *fig, const figk_gemm_leaf *leaf, const figk_gemm *g) {
    assert(!g->a_trans);
    decoding d = {.g = g, .leaf = leaf, .fig = fig, .cols = decode_cols(g), .x_stride = g->lda};
    for (d.z = 0; d.z < g->batch; d.z++) {
        d.x = at(g->a, d.z * g->a_step, g->at);
        if (g->at != leaf->elem) {
            size_t x_size = g->k * fig_dtype_size(leaf->real);
            for (size_t i = 0; i < g->m; i++)
                kernels_of(fig, leaf)->load(g->k, (char *)g->workspace + i * x_size, at(d.x, i * g->lda, g->at), g->at,
                                            1);
            d.x = g->workspace, d.x_stride = g->k;
        }
        fig__parallel(fig, fig__ceil_div(g->n, d.cols), decode_tile, &d);
    }
}

/* --- the interface -----------------------------------------------------------------------------------------*/

void fig__gemm_run(fig_context *fig, const figk_gemm_leaf *leaf, const figk_gemm *g) {
    if (is_empty(g)) return;
    figk_gemm f = flattened(g);
    (g->decode ? run_decode : run_packed)(fig, leaf, &f);
}

static const figk_gemm_leaf *leaf_of(const fig_context *fig, const figk_gemm *g) {
    if (g->at == FIG_F64 || g->bt == FIG_F64 || g->ct == FIG_F64) return figk_oracle()->gemm_leaf(false);
    return fig__gemm_leaf_for(figk(fig), g);
}

void figk_gemm_run(fig_context *fig, const figk_gemm *g) { fig__gemm_run(fig, leaf_of(fig, g), g); }
size_t figk_gemm_scratch(const fig_context *fig, const figk_gemm *g) { return fig__gemm_scratch(leaf_of(fig, g), g); }
size_t figk_gemm_workspace(const fig_context *fig, const figk_gemm *g) {
    return fig__gemm_workspace(leaf_of(fig, g), g);
}
