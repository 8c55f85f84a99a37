/* eval/kid.c: the kernel distance: unbiased squared MMD with a cubic kernel, on random subsets. */
#include <math.h>
#include "eval/eval.h"
#include "kernels/kernels.h"

#define BLOCK_ROWS 256 /* of products that are held at once */
#define TILE_ROWS 8

typedef struct kernel_sum { /* over a block of rows of products [rows, n] */
    size_t rows, n, d;
    const float *dots;
    bool same;    /* row i is also column i: only what is behind it counts */
    double *sums; /* of each row */
} kernel_sum;

static void sum_tile(void *arg, size_t tile, int thread) {
    const kernel_sum *s = arg;
    (void)thread;
    size_t end = FIG_MIN((tile + 1) * TILE_ROWS, s->rows);
    double share = 1 / (double)s->d;
    for (size_t i = tile * TILE_ROWS; i < end; i++) {
        const float *dots = s->dots + i * s->n;
        double sum = 0;
        for (size_t j = s->same ? i + 1 : 0; j < s->n; j++) {
            double k = dots[j] * share + 1;
            sum += k * k * k;
        }
        s->sums[i] = sum;
    }
}

typedef struct kid {
    fig_context *ctx;
    size_t m, d;
    float *a, *b;            /* [m, d]: the subsets */
    float *dots;             /* [BLOCK_ROWS, m] */
    double sums[BLOCK_ROWS]; /* of rows */
    void *workspace;
    fig__kid_within *within; /* of b, where it was worked out before; NULL: it is not kept */
} kid;

static figk_gemm product(const kid *s, size_t rows, size_t cols) {
    return (figk_gemm){.m = rows,
                       .n = cols,
                       .k = s->d,
                       .batch = 1,
                       .at = FIG_F32,
                       .lda = s->d,
                       .bt = FIG_F32,
                       .ldb = s->d,
                       .b_trans = true,
                       .c = s->dots,
                       .ct = FIG_F32,
                       .ldc = cols,
                       .alpha = 1,
                       .workspace = s->workspace};
}

/* The sum of k(x, y) over all pairs; of one and the same set over pairs of two rows, each pair once. */
static double sum_of(kid *s, const float *x, const float *y) {
    double total = 0;
    for (size_t row0 = 0; row0 < s->m; row0 += BLOCK_ROWS) {
        size_t rows = FIG_MIN(s->m - row0, BLOCK_ROWS), col0 = x == y ? row0 : 0;
        figk_gemm g = product(s, rows, s->m - col0);
        g.a = x + row0 * s->d;
        g.b = y + col0 * s->d;
        figk_gemm_run(s->ctx, &g);
        kernel_sum k = {rows, s->m - col0, s->d, s->dots, x == y, s->sums};
        fig__parallel(s->ctx, fig__ceil_div(rows, TILE_ROWS), sum_tile, &k);
        for (size_t i = 0; i < rows; i++) total += s->sums[i];
    }
    return total;
}

static double within_b(kid *s, size_t subset) {
    double *kept = s->within ? &s->within->sums[subset] : NULL;
    if (kept && isfinite(*kept)) return *kept;
    double sum = sum_of(s, s->b, s->b);
    if (kept) *kept = sum;
    return sum;
}

static double mmd(kid *s, size_t subset) {
    double m = (double)s->m, within = 2 * (sum_of(s, s->a, s->a) + within_b(s, subset));
    return within / (m * (m - 1)) - 2 * sum_of(s, s->a, s->b) / (m * m);
}

static void draw(const kid *s, const fig_features *f, const char *purpose, uint64_t seed, size_t subset, float *rows) {
    fig_rng_key key = {seed, fig__rng_stream(purpose), subset};
    for (size_t i = 0; i < s->m; i++)
        memcpy(rows + i * s->d, f->x + fig__rng_permute(&key, i, f->n) * s->d, s->d * sizeof *rows);
}

static fig_status kid_init(kid *s) {
    size_t size = s->m * s->d * sizeof *s->a;
    figk_gemm g = product(s, BLOCK_ROWS, s->m);
    s->a = fig__alloc(s->ctx, size);
    s->b = fig__alloc(s->ctx, size);
    s->dots = fig__alloc(s->ctx, BLOCK_ROWS * s->m * sizeof *s->dots);
    s->workspace = fig__alloc(s->ctx, figk_gemm_workspace(s->ctx, &g) + FIG_ALIGN);
    if (!s->a || !s->b || !s->dots || !s->workspace) return FIG_ERR_NOMEM;
    return fig__scratch_reserve(s->ctx, figk_gemm_scratch(s->ctx, &g));
}

static void kid_deinit(kid *s) {
    fig__free(s->ctx, s->a);
    fig__free(s->ctx, s->b);
    fig__free(s->ctx, s->dots);
    fig__free(s->ctx, s->workspace);
}

static fig_status measure(kid *s, const fig_features *a, const fig_features *b, const fig_kid_options *o,
                          double *values) {
    for (size_t i = 0; i < o->n_subsets; i++) {
        draw(s, a, "eval.kid.a", o->seed, i, s->a);
        draw(s, b, "eval.kid.b", o->seed, i, s->b);
        values[i] = mmd(s, i);
        FIG_CHECK(s->ctx, isfinite(values[i]), FIG_ERR_NONFINITE,
                  "KID: products of features are too large for single precision; divide the features by a constant");
        if (fig_cancelled(s->ctx)) return FIG_FAIL(s->ctx, FIG_ERR_CANCELLED, "KID: cancelled");
    }
    return FIG_OK;
}

/* Begins anew for subsets of other sizes. */
static fig_status keep_within(fig_context *ctx, const fig_kid_options *o, fig__kid_within *w) {
    if (w->sums && w->n_subsets == o->n_subsets && w->subset_size == o->subset_size) return FIG_OK;
    fig__free(ctx, w->sums);
    w->sums = FIG_NEW_N(ctx, double, o->n_subsets);
    if (!w->sums) return FIG_ERR_NOMEM;
    w->n_subsets = o->n_subsets, w->subset_size = o->subset_size;
    for (size_t i = 0; i < o->n_subsets; i++) w->sums[i] = NAN;
    return FIG_OK;
}

fig_status fig_eval_kid(fig_context *ctx, const fig_features *a, const fig_features *b, const fig_kid_options *options,
                        fig_kid *out) {
    return fig__kid(ctx, a, b, options, NULL, out);
}

fig_status fig__kid(fig_context *ctx, const fig_features *a, const fig_features *b, const fig_kid_options *options,
                    fig__kid_within *within, fig_kid *out) {
    fig_kid_options o = options ? *options : (fig_kid_options){0};
    FIG_TRY(fig__features_pair(ctx, a, b, 2));
    size_t smaller = FIG_MIN(a->n, b->n);
    if (!o.n_subsets) o.n_subsets = 100;
    if (!o.subset_size) o.subset_size = FIG_MIN(smaller, 1000);
    FIG_CHECK(ctx, o.subset_size >= 2 && o.subset_size <= smaller && o.n_subsets <= 1000000, FIG_ERR_ARG,
              "KID: %zu subsets of %zu rows from sets of %zu and %zu; take 2 to %zu rows", o.n_subsets, o.subset_size,
              a->n, b->n, smaller);
    if (o.subset_size == a->n && o.subset_size == b->n) o.n_subsets = 1;
    if (within) FIG_TRY(keep_within(ctx, &o, within));
    kid s = {.ctx = ctx, .m = o.subset_size, .d = a->d, .within = within};
    double *values = FIG_NEW_N(ctx, double, o.n_subsets);
    fig_status status = values ? kid_init(&s) : FIG_ERR_NOMEM;
    if (!status) status = measure(&s, a, b, &o, values);
    if (!status) {
        fig__mean_and_sd(values, o.n_subsets, &out->mean, &out->sd);
        if (o.n_subsets == 1) out->sd = NAN;
        out->n_subsets = o.n_subsets, out->subset_size = o.subset_size;
    }
    kid_deinit(&s);
    fig__free(ctx, values);
    return status;
}
