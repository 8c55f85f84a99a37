/* eval/retrieval.c: does a picture find its own text among others? */
#include <math.h>
#include "eval/eval.h"

#define TILE_ROWS 16

typedef struct retrieval {
    const fig_features *pictures, *texts;
    const double *length; /* of texts */
    size_t n_candidates;
    uint64_t seed;
    double *hits;
} retrieval;

static double dot(const float *a, const float *b, size_t d) {
    double sum = 0;
    for (size_t i = 0; i < d; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* 1 when the own text is the nearest, 1 / (number of equals) in a tie. The picture's length cancels. */
static double hit(const retrieval *r, size_t row) {
    size_t d = r->texts->d, equal = 1;
    const float *picture = r->pictures->x + row * d;
    double own = dot(picture, r->texts->x + row * d, d) / r->length[row];
    fig_rng_key key = {r->seed, fig__rng_stream("eval.r_precision"), row};
    for (size_t i = 0; i + 1 < r->n_candidates; i++) {
        size_t other = (size_t)fig__rng_permute(&key, i, r->texts->n - 1);
        other += other >= row;
        double score = dot(picture, r->texts->x + other * d, d) / r->length[other];
        if (score > own) return 0;
        equal += score == own;
    }
    return 1 / (double)equal;
}

static void hits_tile(void *arg, size_t tile, int thread) {
    const retrieval *r = arg;
    (void)thread;
    size_t end = FIG_MIN((tile + 1) * TILE_ROWS, r->pictures->n);
    for (size_t i = tile * TILE_ROWS; i < end; i++) r->hits[i] = hit(r, i);
}

static fig_status measure(fig_context *ctx, const fig_features *f, const char *what, double *length) {
    for (size_t i = 0; i < f->n; i++) {
        length[i] = sqrt(dot(f->x + i * f->d, f->x + i * f->d, f->d));
        FIG_CHECK(ctx, length[i] > 0, FIG_ERR_ARG, "R-precision: %s %zu is embedded as zeros, which have no direction",
                  what, i);
    }
    return FIG_OK;
}

fig_status fig_eval_r_precision(fig_context *ctx, const fig_features *pictures, const fig_features *texts,
                                size_t n_candidates, uint64_t seed, fig_interval *out) {
    FIG_TRY(fig__features_pair(ctx, pictures, texts, 2));
    size_t n = pictures->n;
    if (!n_candidates) n_candidates = 100;
    FIG_CHECK(
        ctx, texts->n == n && n_candidates >= 2 && n_candidates <= n, FIG_ERR_ARG,
        "R-precision: %zu pictures, %zu texts, %zu candidates; take as many texts as pictures, and no more candidates",
        n, texts->n, n_candidates);
    double *length = FIG_NEW_N(ctx, double, n), *hits = FIG_NEW_N(ctx, double, n), total = 0;
    retrieval r = {pictures, texts, length, n_candidates, seed, hits};
    fig_status status = length && hits ? measure(ctx, pictures, "picture", length) : FIG_ERR_NOMEM;
    if (!status) status = measure(ctx, texts, "text", length);
    if (!status) {
        fig__parallel(ctx, fig__ceil_div(n, TILE_ROWS), hits_tile, &r);
        for (size_t i = 0; i < n; i++) total += hits[i];
        *out = fig_eval_wilson(total, n);
    }
    fig__free(ctx, length);
    fig__free(ctx, hits);
    return status;
}
