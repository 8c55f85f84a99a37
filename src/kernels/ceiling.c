/* kernels/ceiling.c: what this machine can do at best; speeds are given as parts of it. */
#include "kernels/gemm.h"

#define SECONDS 0.3

/* --- multiplying -------------------------------------------------------------------------------------------*/

typedef struct peak_run {
    const figk_gemm_leaf *leaf;
    size_t rounds;
    double *operations; /* of each tile */
} peak_run;

static void peak_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    peak_run *run = arg;
    run->operations[tile] = run->leaf->peak(run->rounds);
}

/* One tile for each thread; the rounds are doubled until the clock is outweighed. */
double figk_peak_flops(fig_context *fig, fig_dtype type, int n_threads) {
    peak_run run = {.leaf = figk(fig)->gemm_leaf(type == FIG_BF16), .rounds = 1u << 12};
    if (type == FIG_F64) run.leaf = figk_oracle()->gemm_leaf(false);
    int limit = fig__threads_limit(fig, n_threads);
    size_t n = (size_t)FIG_MAX(n_threads, 1);
    double seconds = 0, best = 0, start = fig__now();
    run.operations = FIG_NEW_N(fig, double, n);
    while (run.operations && fig__now() - start < SECONDS) {
        double then = fig__now(), sum = 0;
        fig__parallel(fig, n, peak_tile, &run);
        seconds = fig__now() - then;
        for (size_t i = 0; i < n; i++) sum += run.operations[i];
        best = FIG_MAX(best, sum / seconds);
        if (seconds < SECONDS / 8) run.rounds *= 2;
    }
    fig__free(fig, run.operations);
    fig__threads_limit(fig, limit);
    return best;
}

/* --- reading -----------------------------------------------------------------------------------------------*/

#define LANES 8
#define TILE_BYTES (1u << 18)

typedef struct read_run {
    const uint64_t *data;
    size_t n;             /* words */
    _Atomic uint64_t sum; /* so that the reads are not dropped */
} read_run;

static void read_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    read_run *run = arg;
    size_t words = TILE_BYTES / sizeof(uint64_t), begin = tile * words, end = FIG_MIN(begin + words, run->n);
    uint64_t sum[LANES] = {0};
    for (size_t i = begin; i + LANES <= end; i += LANES)
        for (size_t j = 0; j < LANES; j++) sum[j] += run->data[i + j];
    for (size_t j = 0; j < LANES; j++) run->sum += sum[j];
}

double figk_read_bandwidth(fig_context *fig, size_t bytes) {
    size_t n = bytes / sizeof(uint64_t);
    uint64_t *data = fig__alloc(fig, n * sizeof *data);
    if (!data || !n) {
        fig__free(fig, data);
        return 0;
    }
    for (size_t i = 0; i < n; i++) data[i] = i; /* or every page would be the same page of zeros */
    read_run run = {.data = data, .n = n};
    size_t n_tiles = fig__ceil_div(bytes, TILE_BYTES);
    double best = 0, start = fig__now();
    while (fig__now() - start < SECONDS) {
        double then = fig__now();
        fig__parallel(fig, n_tiles, read_tile, &run);
        best = FIG_MAX(best, (double)(n * sizeof *data) / (fig__now() - then));
    }
    fig__free(fig, data);
    return best;
}

/* --- reading again ------------------------------------------------------------------------------------------*/

#define CACHED_BYTES ((size_t)256 << 10) /* of a thread: beyond a first-level cache, well inside a second */
#define PASSES 32

typedef struct cached_run {
    char *data;
    _Atomic int found; /* so that the reads are not dropped */
} cached_run;

/* The C library's search for what is not there reads at the width of the processor's vectors. */
static void cached_tile(void *arg, size_t tile, int thread) {
    (void)tile;
    cached_run *run = arg;
    char *own = run->data + (size_t)thread * CACHED_BYTES;
    for (int pass = 0; pass < PASSES; pass++) run->found += memchr(own, 1 + pass, CACHED_BYTES) != NULL;
}

double figk_cache_bandwidth(fig_context *fig) {
    size_t n_tiles = 4 * (size_t)fig_n_threads(fig);
    cached_run run = {.data = fig__alloc(fig, n_tiles / 4 * CACHED_BYTES)};
    double best = 0, start = fig__now();
    if (run.data) memset(run.data, 0xff, n_tiles / 4 * CACHED_BYTES);
    while (run.data && fig__now() - start < SECONDS) {
        double then = fig__now();
        fig__parallel(fig, n_tiles, cached_tile, &run);
        best = FIG_MAX(best, (double)(n_tiles * PASSES * CACHED_BYTES) / (fig__now() - then));
    }
    fig__free(fig, run.data);
    return best;
}
