/* The pool: every tile once, calls in a row, nesting, limits, two contexts at once. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

static fig_context *context_of(int n_threads) {
    fig_context *ctx = NULL;
    if (fig_context_new(&(fig_context_options){.n_threads = n_threads}, &ctx)) exit(1);
    return ctx;
}

typedef struct tally {
    fig_context *ctx;
    int *hits; /* [n_tiles], one writer each */
    int max_thread;
    atomic_int threads_seen[64];
} tally;

static void count_tile(void *arg, size_t tile, int thread) {
    tally *t = arg;
    t->hits[tile]++;
    atomic_fetch_add(&t->threads_seen[thread], 1);
}

TEST(every_tile_once) {
    static const int thread_counts[] = {1, 2, 3, 8};
    static const size_t tile_counts[] = {0, 1, 2, 7, 1000};
    for (size_t i = 0; i < FIG_COUNT(thread_counts); i++) {
        fig_context *ctx = context_of(thread_counts[i]);
        EXPECT_EQ_I(fig_n_threads(ctx), thread_counts[i]);
        for (size_t j = 0; j < FIG_COUNT(tile_counts); j++) {
            int hits[1000] = {0}, total = 0;
            tally t = {.ctx = ctx, .hits = hits};
            for (int repeat = 0; repeat < 200; repeat++) fig__parallel(ctx, tile_counts[j], count_tile, &t);
            for (size_t k = 0; k < 1000; k++) EXPECT_EQ_I(hits[k], k < tile_counts[j] ? 200 : 0);
            for (int k = 0; k < 64; k++) {
                total += atomic_load(&t.threads_seen[k]);
                EXPECT(k < thread_counts[i] || atomic_load(&t.threads_seen[k]) == 0);
            }
            EXPECT_EQ_I(total, 200 * tile_counts[j]);
        }
        fig_context_free(ctx);
    }
}

/* A worker that is late for one job must not take part in the next, larger one by the old count: jobs of changing
 * sizes, back to back, every tile counted. More threads than processors make workers late. */
TEST(jobs_of_changing_sizes) {
    for (int n_threads = 2; n_threads <= 8; n_threads += 3) {
        fig_context *ctx = context_of(n_threads);
        static int hits[64];
        memset(hits, 0, sizeof hits);
        tally t = {.ctx = ctx, .hits = hits};
        int wanted[64] = {0};
        for (int i = 0; i < 60000; i++) {
            size_t n = 2 + (size_t)(i * 7 % 5) * (size_t)(i % 3) + (size_t)(i % 2);
            fig__parallel(ctx, n, count_tile, &t);
            for (size_t k = 0; k < n; k++) wanted[k]++;
        }
        for (int k = 0; k < 64; k++) EXPECT_EQ_I(hits[k], wanted[k]);
        fig_context_free(ctx);
    }
}

/* Meets the others: passes only when as many threads are in it at once as it waits for. */
static void meet(void *arg, size_t tile, int thread) {
    atomic_int *arrived = arg;
    (void)tile, (void)thread;
    atomic_fetch_add(arrived, 1);
    double end = fig__now() + 10;
    while (atomic_load(arrived) < 2 && fig__now() < end) usleep(10);
}

TEST(tiles_run_at_the_same_time) {
    fig_context *ctx = context_of(2);
    for (int i = 0; i < 20; i++) {
        atomic_int arrived = 0;
        if (i % 5 == 4) usleep(20000); /* the worker has gone to sleep by then */
        double start = fig__now();
        fig__parallel(ctx, 2, meet, &arrived);
        EXPECT(fig__now() - start < 9);
    }
    fig_context_free(ctx);
}

static void nested_tile(void *arg, size_t tile, int thread) {
    tally *t = arg;
    (void)tile, (void)thread;
    t->hits[0]++;
}

static void check_same_thread(void *arg, size_t tile, int thread) {
    (void)tile;
    EXPECT_EQ_I(thread, *(int *)arg);
}

static void outer_tile(void *arg, size_t tile, int thread) {
    tally *t = arg;
    int hits = 0;
    tally inner = {.hits = &hits};
    fig__parallel(t->ctx, 5, nested_tile, &inner);
    fig__parallel(t->ctx, 3, check_same_thread, &thread);
    t->hits[tile] = hits;
}

TEST(nested_calls_run_in_place) {
    fig_context *ctx = context_of(3);
    int hits[100] = {0};
    tally t = {.ctx = ctx, .hits = hits};
    fig__parallel(ctx, 100, outer_tile, &t);
    for (int i = 0; i < 100; i++) EXPECT_EQ_I(hits[i], 5);
    fig_context_free(ctx);
}

/* Long enough for every thread that may take part to wake up and do so. */
static void slow_tile(void *arg, size_t tile, int thread) {
    usleep(500);
    count_tile(arg, tile, thread);
}

TEST(limit) {
    fig_context *ctx = context_of(4);
    int hits[64] = {0};
    tally t = {.ctx = ctx, .hits = hits};
    EXPECT_EQ_I(fig__threads_limit(ctx, 2), 4);
    for (int i = 0; i < 3; i++) fig__parallel(ctx, 64, slow_tile, &t);
    EXPECT(atomic_load(&t.threads_seen[1]) > 0);
    EXPECT(atomic_load(&t.threads_seen[2]) == 0 && atomic_load(&t.threads_seen[3]) == 0);
    EXPECT_EQ_I(fig__threads_limit(ctx, 1), 2);
    int before = atomic_load(&t.threads_seen[1]);
    fig__parallel(ctx, 64, slow_tile, &t);
    EXPECT_EQ_I(atomic_load(&t.threads_seen[1]), before);
    EXPECT_EQ_I(fig__threads_limit(ctx, 99), 1);
    EXPECT_EQ_I(fig__threads_limit(ctx, 0), 4);
    fig_context_free(ctx);
}

static void add_one(void *arg, size_t tile, int thread) {
    (void)thread;
    ((double *)arg)[tile] += 1;
}

static void *use_a_context(void *result) {
    double sums[32] = {0};
    fig_context *ctx = context_of(2);
    for (int i = 0; i < 300; i++) fig__parallel(ctx, 32, add_one, sums);
    fig_context_free(ctx);
    *(double *)result = sums[31];
    return NULL;
}

TEST(two_contexts_in_two_threads) {
    pthread_t threads[2];
    double results[2] = {0};
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, use_a_context, &results[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    EXPECT(results[0] == 300 && results[1] == 300);
}

static void fill_scratch(void *arg, size_t tile, int thread) {
    unsigned char *p = fig__scratch(arg, thread, 1000);
    memset(p, (int)tile & 0xff, 1000);
    for (int i = 0; i < 1000; i++)
        if (p[i] != (tile & 0xff)) p[0] = 0, EXPECT(!"scratch is shared");
}

TEST(scratch) {
    fig_context *ctx = check_context();
    EXPECT_OK(ctx, fig__scratch_reserve(ctx, 1000));
    uint64_t n = fig_memory(ctx).n_allocations;
    EXPECT_OK(ctx, fig__scratch_reserve(ctx, 500));
    for (int i = 0; i < 50; i++) fig__parallel(ctx, 64, fill_scratch, ctx);
    EXPECT_EQ_I(fig_memory(ctx).n_allocations, n);
    EXPECT((uintptr_t)fig__scratch(ctx, 0, 1) % FIG_ALIGN == 0);
    EXPECT_OK(ctx, fig__scratch_reserve(ctx, 5000));
    EXPECT(fig_memory(ctx).n_allocations > n);
}

TEST(omp_num_threads_is_honoured) {
    setenv("OMP_NUM_THREADS", "3", 1);
    fig_context *ctx = context_of(0);
    EXPECT_EQ_I(fig_n_threads(ctx), 3);
    fig_context_free(ctx);
    setenv("OMP_NUM_THREADS", "many", 1);
    ctx = context_of(0);
    EXPECT(fig_n_threads(ctx) >= 1 && fig_n_threads(ctx) <= sysconf(_SC_NPROCESSORS_ONLN));
    fig_context_free(ctx);
    unsetenv("OMP_NUM_THREADS");
}
