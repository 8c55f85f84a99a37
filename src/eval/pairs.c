/* eval/pairs.c: distances of all pairs of two sets, fast, and decided exactly.
 *
 * Single-precision products give |a|^2 + |b|^2 - 2ab within slack * (|a|^2 + |b|^2), whatever the order of summation.
 * Only pairs that this leaves undecided, a few in ten thousand, are computed again directly and in double. So results
 * are those of exact arithmetic: duplicates have distance 0, ties are ties, and no CPU level or thread changes
 * anything. Both sets are moved by the mean of the base and scaled by a power of two, which keeps the slack small and
 * everything in range; duplicates stay duplicates. */
#include <math.h>
#include "eval/eval.h"
#include "kernels/kernels.h"

#define BLOCK_ROWS 512  /* of the query in one product */
#define BLOCK_COLS 2048 /* of the base */
#define TILE_ROWS 16    /* of the query, looked at by one thread */

typedef struct side {
    const fig_features *f;
    float *rows; /* [n, d] moved and scaled */
    float *norm; /* [n] their squares */
} side;

typedef struct pairs pairs;
/* Row `row` of the query against rows col0 .. col0+n-1 of the base. */
typedef void visit_fn(const pairs *p, size_t row, size_t col0, size_t n, const float *dots);

struct pairs {
    fig_context *ctx;
    side query, base;
    double scale, slack;
    visit_fn *visit;
    float *dots; /* [BLOCK_ROWS, BLOCK_COLS] */
    void *workspace;
    size_t row0, rows, col0, cols; /* of the block at hand */
    /* nearest */
    size_t k;
    int32_t *index;
    double *squared; /* [query, k], scaled */
    /* balls */
    const double *query_radius, *base_radius; /* squared, not scaled */
    float *reach;                             /* [base]: (1 - slack) |b|^2 - radius^2, scaled */
    const fig__balls *balls;
};

double fig__squared_distance(const float *a, const float *b, size_t d) {
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= d; i += 4)
        for (size_t j = 0; j < 4; j++) {
            double e = (double)a[i + j] - b[i + j];
            sum[j] += e * e;
        }
    for (; i < d; i++) sum[0] += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

static double exact(const pairs *p, size_t row, size_t col) {
    size_t d = p->base.f->d;
    return fig__squared_distance(p->query.f->x + row * d, p->base.f->x + col * d, d) * p->scale * p->scale;
}

/* --- the two questions ------------------------------------------------------------------------------------------*/

/* Takes its place among the k nearest; an equal one that came before stays before. */
static void insert(const pairs *p, size_t row, size_t col, double squared) {
    double *near = p->squared + row * p->k;
    int32_t *at = p->index + row * p->k;
    size_t i = p->k - 1;
    if (!(squared < near[i])) return;
    for (; i > 0 && squared < near[i - 1]; i--) near[i] = near[i - 1], at[i] = at[i - 1];
    near[i] = squared;
    at[i] = (int32_t)col;
}

static void visit_nearest(const pairs *p, size_t row, size_t col0, size_t n, const float *dots) {
    const double *farthest = p->squared + row * p->k + p->k - 1;
    const float *norm = p->base.norm + col0;
    float keep = (float)(1 - p->slack), own = keep * p->query.norm[row] - 1e-30f, bar = (float)*farthest - own;
    bool same = p->query.f == p->base.f;
    for (size_t j = 0; j < n; j++) {
        if (!(keep * norm[j] - 2 * dots[j] < bar) || (same && col0 + j == row)) continue;
        insert(p, row, col0 + j, exact(p, row, col0 + j));
        bar = (float)*farthest - own;
    }
}

/* One pair of which a ball, or the nearest, may make something. low: at most its squared distance less the query's own
 * square. */
static void meet(const pairs *p, size_t row, size_t col, float low, float own_low) {
    double slack = p->slack, most = low + 2 * slack * p->base.norm[col] + (1 + slack) * p->query.norm[row] + 1e-30;
    double least = (double)low + own_low, scale = p->scale * p->scale, *nearest = p->balls->nearest + row;
    double of_row = p->query_radius[row] * scale, of_col = p->base_radius[col] * scale;
    bool sure = !(least < *nearest) && (most < of_row || !(least < of_row)) && (most < of_col || !(least < of_col));
    double squared = sure ? most : exact(p, row, col);
    if (!sure) *nearest = fmin(*nearest, squared);
    p->balls->around_query[row] += squared < of_col;
    if (squared < of_row) __atomic_fetch_add(&p->balls->around_base[col], 1, __ATOMIC_RELAXED);
}

/* Below it a pair may be the nearest, or inside of the query's ball. */
static float ball_bar(const pairs *p, size_t row) {
    return (float)fmax(p->balls->nearest[row], p->query_radius[row] * p->scale * p->scale);
}

static void visit_balls(const pairs *p, size_t row, size_t col0, size_t n, const float *dots) {
    const float *reach = p->reach + col0, *norm = p->base.norm + col0;
    float keep = (float)(1 - p->slack), own = keep * p->query.norm[row] - 1e-30f, bar = ball_bar(p, row) - own;
    for (size_t j = 0; j < n; j++) {
        float low = keep * norm[j] - 2 * dots[j];
        if (!(low < bar || reach[j] - 2 * dots[j] < -own)) continue;
        meet(p, row, col0 + j, low, own);
        bar = ball_bar(p, row) - own;
    }
}

/* --- all pairs, block by block ----------------------------------------------------------------------------------*/

static void visit_tile(void *arg, size_t tile, int thread) {
    const pairs *p = arg;
    (void)thread;
    size_t end = FIG_MIN((tile + 1) * TILE_ROWS, p->rows);
    for (size_t i = tile * TILE_ROWS; i < end; i++)
        p->visit(p, p->row0 + i, p->col0, p->cols, p->dots + i * BLOCK_COLS);
}

static figk_gemm block_product(const pairs *p, size_t rows, size_t cols) {
    size_t d = p->base.f->d;
    return (figk_gemm){.m = rows,
                       .n = cols,
                       .k = d,
                       .batch = 1,
                       .at = FIG_F32,
                       .lda = d,
                       .bt = FIG_F32,
                       .ldb = d,
                       .b_trans = true,
                       .ct = FIG_F32,
                       .ldc = BLOCK_COLS,
                       .alpha = 1,
                       .workspace = p->workspace};
}

static void visit_block(pairs *p) {
    figk_gemm g = block_product(p, p->rows, p->cols);
    g.a = p->query.rows + p->row0 * g.k;
    g.b = p->base.rows + p->col0 * g.k;
    g.c = p->dots;
    figk_gemm_run(p->ctx, &g);
    fig__parallel(p->ctx, fig__ceil_div(p->rows, TILE_ROWS), visit_tile, p);
}

static fig_status visit_all(pairs *p) {
    size_t n_query = p->query.f->n, n_base = p->base.f->n;
    for (p->row0 = 0; p->row0 < n_query; p->row0 += BLOCK_ROWS) {
        if (fig_cancelled(p->ctx)) return FIG_FAIL(p->ctx, FIG_ERR_CANCELLED, "neighbours: cancelled");
        p->rows = FIG_MIN(n_query - p->row0, BLOCK_ROWS);
        for (p->col0 = 0; p->col0 < n_base; p->col0 += BLOCK_COLS) {
            p->cols = FIG_MIN(n_base - p->col0, BLOCK_COLS);
            visit_block(p);
        }
    }
    return FIG_OK;
}

/* --- preparing --------------------------------------------------------------------------------------------------*/

static void add_largest(const fig_features *f, const double *mean, double *largest) {
    for (size_t i = 0; i < f->n * f->d; i++) *largest = fmax(*largest, fabs(f->x[i] - mean[i % f->d]));
}

static fig_status prepare_side(pairs *p, side *s, const double *mean) {
    size_t n = s->f->n, d = s->f->d;
    s->rows = fig__alloc(p->ctx, n * d * sizeof *s->rows);
    s->norm = fig__alloc(p->ctx, n * sizeof *s->norm);
    if (!s->rows || !s->norm) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = i * d, c = 0; c < d; j++, c++) {
            s->rows[j] = (float)((s->f->x[j] - mean[c]) * p->scale);
            sum += (double)s->rows[j] * s->rows[j];
        }
        s->norm[i] = (float)sum;
    }
    return FIG_OK;
}

static fig_status prepare_sides(pairs *p) {
    const fig_features *query = p->query.f, *base = p->base.f;
    double *mean = FIG_NEW_N(p->ctx, double, base->d), largest = 0;
    if (!mean) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < base->n * base->d; i++) mean[i % base->d] += base->x[i];
    for (size_t c = 0; c < base->d; c++) mean[c] /= (double)base->n;
    add_largest(base, mean, &largest);
    add_largest(query, mean, &largest);
    int exponent = 0;
    frexp(largest, &exponent);
    p->scale = largest > 0 ? ldexp(1, -exponent) : 1;
    fig_status status = prepare_side(p, &p->base, mean);
    if (!status && query != base) status = prepare_side(p, &p->query, mean);
    if (!status && query == base) p->query = p->base;
    fig__free(p->ctx, mean);
    return status;
}

static fig_status prepare(pairs *p) {
    FIG_TRY(prepare_sides(p));
    figk_gemm g = block_product(p, BLOCK_ROWS, BLOCK_COLS);
    size_t work = figk_gemm_workspace(p->ctx, &g);
    p->slack = (double)(g.k + 32) * 0x1p-24; /* 32: rounding of rows, norms, and of what is made of them */
    p->dots = fig__alloc(p->ctx, BLOCK_ROWS * BLOCK_COLS * sizeof *p->dots);
    p->workspace = fig__alloc(p->ctx, work + FIG_ALIGN);
    if (!p->dots || !p->workspace) return FIG_ERR_NOMEM;
    return fig__scratch_reserve(p->ctx, figk_gemm_scratch(p->ctx, &g));
}

static void release(pairs *p) {
    if (p->query.rows != p->base.rows) {
        fig__free(p->ctx, p->query.rows);
        fig__free(p->ctx, p->query.norm);
    }
    fig__free(p->ctx, p->base.rows);
    fig__free(p->ctx, p->base.norm);
    fig__free(p->ctx, p->dots);
    fig__free(p->ctx, p->workspace);
    fig__free(p->ctx, p->reach);
}

fig_status fig__neighbours(fig_context *ctx, const fig_features *query, const fig_features *base, size_t k,
                           int32_t *index, double *squared) {
    pairs p = {.ctx = ctx, .query = {.f = query}, .base = {.f = base}, .visit = visit_nearest};
    p.k = k, p.index = index, p.squared = squared;
    for (size_t i = 0; i < query->n * k; i++) squared[i] = INFINITY;
    fig_status status = prepare(&p);
    if (!status) status = visit_all(&p);
    for (size_t i = 0; !status && i < query->n * k; i++) squared[i] /= p.scale * p.scale;
    release(&p);
    return status;
}

fig_status fig__meet_balls(fig_context *ctx, const fig_features *query, const fig_features *base,
                           const double *query_radius, const double *base_radius, const fig__balls *out) {
    pairs p = {.ctx = ctx, .query = {.f = query}, .base = {.f = base}, .visit = visit_balls, .balls = out};
    p.query_radius = query_radius, p.base_radius = base_radius;
    memset(out->around_query, 0, query->n * sizeof *out->around_query);
    memset(out->around_base, 0, base->n * sizeof *out->around_base);
    for (size_t i = 0; i < query->n; i++) out->nearest[i] = INFINITY;
    fig_status status = prepare(&p);
    if (!status && !(p.reach = fig__alloc(ctx, base->n * sizeof *p.reach))) status = FIG_ERR_NOMEM;
    for (size_t j = 0; !status && j < base->n; j++)
        p.reach[j] = (float)((1 - p.slack) * p.base.norm[j] - base_radius[j] * p.scale * p.scale);
    if (!status) status = visit_all(&p);
    for (size_t i = 0; !status && i < query->n; i++) out->nearest[i] /= p.scale * p.scale;
    release(&p);
    return status;
}
