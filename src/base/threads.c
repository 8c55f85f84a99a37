/* base/threads.c: one pool of workers per context, handing out tiles.
 *
 * Each thread has a range of its own of a job's tiles, the same for all jobs of that many: what the rows of one tensor
 * left in a processor's cache is there when the same thread gets the same rows of the next. Who is through with his
 * own helps with the others'.
 *
 * A range's `state` is the number of the job in its high half and the next tile to hand out in its low half. Whoever
 * wants tiles reads state, reads the job's fields, and moves state on with a compare-and-swap. The swap succeeds only
 * while that very job still has that very tile to give, so the fields read before it must be the job's own. Hence the
 * order of a new job: all states are closed first (a tile number that no job has), then the fields change, then the
 * states open with the next number. Who saw a new field finds state moved and his swap fails; without the closing, a
 * late worker could pair the old job's last state with the new job's larger count and run a tile twice. The caller
 * waits for tiles, never for workers: a job of two tiles is not held up by a sleeping processor.
 *
 * Idle workers spin for a moment, since a training step is thousands of short jobs in a row, then sleep on a
 * condition. With more threads than processors nobody spins. */
#include "base/context.h"
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_THREADS 1024
#define SPINS 4000
#define CLOSED UINT32_MAX /* as the next tile: none is given out */
#define SHARES 4          /* one of so many parts of what a range has left is taken at a time */

/* What thread `index` has to give, and who runs as it; the caller of fig__parallel is 0. */
typedef struct worker {
    _Alignas(FIG_ALIGN) _Atomic uint64_t state;
    fig__pool *pool;
    pthread_t thread;
    int index;
} worker;

struct fig__pool {
    fig_context *ctx;
    int n_workers, spins;

    /* The job. Atomic, because a late worker may look while the next job is written; it then uses nothing it saw. */
    _Atomic(fig__tile_fn *) fn;
    _Atomic(void *) arg;
    _Atomic uint32_t n_tiles, n_ranges; /* threads with a smaller index take part */
    int limit;                          /* of the jobs to come */

    _Alignas(FIG_ALIGN) _Atomic uint32_t n_done;

    _Alignas(FIG_ALIGN) pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int n_sleeping;
    atomic_bool stop;
    worker threads[];
};

/* The tile this thread is in: a call from inside runs in place, as the same thread of the same context. */
static _Thread_local struct {
    const fig_context *ctx;
    int thread;
} inside;

static void pause_a_moment(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint32_t job_of(uint64_t state) { return (uint32_t)(state >> 32); }

static void run_tile(fig_context *ctx, fig__tile_fn *fn, void *arg, size_t tile, int thread) {
    const fig_context *outer_ctx = inside.ctx;
    int outer_thread = inside.thread;
    inside.ctx = ctx;
    inside.thread = thread;
    fn(arg, tile, thread);
    inside.ctx = outer_ctx;
    inside.thread = outer_thread;
}

/* Tiles of range r, until the present job has none left there; false: this thread is not wanted. */
static bool work_on(fig__pool *pool, int thread, uint32_t r) {
    uint64_t state = atomic_load(&pool->threads[r].state);
    for (;;) {
        fig__tile_fn *fn = atomic_load_explicit(&pool->fn, memory_order_acquire);
        void *arg = atomic_load_explicit(&pool->arg, memory_order_acquire);
        uint64_t n_tiles = atomic_load_explicit(&pool->n_tiles, memory_order_acquire);
        uint32_t n_ranges = atomic_load_explicit(&pool->n_ranges, memory_order_acquire);
        uint32_t tile = (uint32_t)state;
        if (r >= n_ranges || (uint32_t)thread >= n_ranges) return false;
        uint32_t end = (uint32_t)(n_tiles * (r + 1) / n_ranges);
        if (tile >= end) return true;
        uint32_t n = FIG_MAX((end - tile) / SHARES, 1);
        if (!atomic_compare_exchange_weak(&pool->threads[r].state, &state, state + n)) continue;
        for (uint32_t i = 0; i < n; i++) run_tile(pool->ctx, fn, arg, tile + i, thread);
        atomic_fetch_add(&pool->n_done, n);
        state = atomic_load(&pool->threads[r].state);
    }
}

/* Works until the present job has no more tiles to give; returns the number of the job that its own range had. */
static uint32_t work(fig__pool *pool, int thread) {
    uint32_t job = job_of(atomic_load(&pool->threads[thread].state)), n = (uint32_t)pool->n_workers + 1;
    for (uint32_t i = 0; i < n; i++)
        if (!work_on(pool, thread, ((uint32_t)thread + i) % n) && !i) break;
    return job;
}

/* --- workers ---------------------------------------------------------------------------------------------*/

static bool has_news(fig__pool *pool, int thread, uint32_t seen) {
    return job_of(atomic_load(&pool->threads[thread].state)) != seen || atomic_load(&pool->stop);
}

static void wait_for_job(fig__pool *pool, int thread, uint32_t seen) {
    for (int i = 0; i < pool->spins; i++) {
        if (has_news(pool, thread, seen)) return;
        pause_a_moment();
    }
    pthread_mutex_lock(&pool->lock);
    /* Counted before the last look at state: the caller changes state before it looks at the count, so one of the two
     * sees the other. */
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (!has_news(pool, thread, seen)) pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *self) {
    worker *w = self;
    uint32_t seen = 0;
    while (!atomic_load(&w->pool->stop)) {
        wait_for_job(w->pool, w->index, seen);
        seen = work(w->pool, w->index);
    }
    return NULL;
}

static void wake_sleepers(fig__pool *pool) {
    if (!atomic_load(&pool->n_sleeping)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* --- the caller ------------------------------------------------------------------------------------------*/

static void run_in_place(fig_context *ctx, size_t n_tiles, fig__tile_fn *fn, void *arg) {
    int thread = inside.ctx == ctx ? inside.thread : 0;
    for (size_t tile = 0; tile < n_tiles; tile++) run_tile(ctx, fn, arg, tile, thread);
}

static void wait_for_tiles(fig__pool *pool, uint32_t n_tiles) {
    for (int i = 0; atomic_load(&pool->n_done) != n_tiles; i++) {
        if (i < pool->spins)
            pause_a_moment();
        else
            sched_yield();
    }
}

void fig__parallel(fig_context *ctx, size_t n_tiles, fig__tile_fn *fn, void *arg) {
    fig__pool *pool = ctx->pool;
    bool alone = !pool || n_tiles < 2 || inside.ctx == ctx || pool->limit == 1;
    if (alone || n_tiles >= CLOSED) {
        run_in_place(ctx, n_tiles, fn, arg);
        return;
    }
    int n = pool->n_workers + 1;
    uint64_t job = job_of(atomic_load(&pool->threads[0].state)), next = (job + 1) << 32;
    for (int i = 0; i < n; i++) atomic_store(&pool->threads[i].state, job << 32 | CLOSED);
    atomic_store_explicit(&pool->fn, fn, memory_order_release);
    atomic_store_explicit(&pool->arg, arg, memory_order_release);
    atomic_store_explicit(&pool->n_tiles, (uint32_t)n_tiles, memory_order_release);
    atomic_store_explicit(&pool->n_ranges, (uint32_t)pool->limit, memory_order_release);
    atomic_store_explicit(&pool->n_done, 0, memory_order_release);
    for (int i = n; i-- > 0;)
        atomic_store(&pool->threads[i].state, next | (uint64_t)(n_tiles * (uint64_t)i / pool->limit));
    wake_sleepers(pool);
    work(pool, 0);
    wait_for_tiles(pool, (uint32_t)n_tiles);
}

int fig__threads_limit(fig_context *ctx, int n) {
    if (!ctx->pool) return 1;
    int before = ctx->pool->limit;
    ctx->pool->limit = FIG_MIN(FIG_MAX(n, 1), ctx->n_threads);
    return before;
}

/* --- scratch ---------------------------------------------------------------------------------------------*/

fig_status fig__scratch_reserve(fig_context *ctx, size_t size) {
    for (int i = 0; i < ctx->n_threads; i++) {
        fig__scratch_block *block = &ctx->scratch[i];
        if (size && block->size >= size) continue;
        fig__free(ctx, block->data);
        *block = (fig__scratch_block){0};
        if (!size) continue;
        block->data = fig__alloc(ctx, size);
        if (!block->data) return FIG_ERR_NOMEM;
        block->size = size;
    }
    return FIG_OK;
}

void *fig__scratch(fig_context *ctx, int thread, size_t size) {
    assert(thread >= 0 && thread < ctx->n_threads);
    assert(size <= ctx->scratch[thread].size);
    (void)size;
    return ctx->scratch[thread].data;
}

/* --- how many --------------------------------------------------------------------------------------------*/

/* A container's share of the processors, in whole processors, or a large number when it is not limited. */
static int cgroup_cpus(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file) return MAX_THREADS;
    long long quota, period;
    int n = fscanf(file, "%lld %lld", &quota, &period); /* "max 100000" when there is no limit */
    fclose(file);
    if (n != 2 || quota <= 0 || period <= 0) return MAX_THREADS;
    return (int)FIG_MIN(FIG_MAX((quota + period - 1) / period, 1), MAX_THREADS);
}

static int usable_cpus(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return FIG_MIN(FIG_MAX(n, 1), cgroup_cpus());
}

int fig__threads_default(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    int64_t n = 0;
    if (text && fig__parse_int(text, &n) && n > 0) return (int)FIG_MIN(n, MAX_THREADS);
    return usable_cpus();
}

/* --- life ------------------------------------------------------------------------------------------------*/

/* Signals stay with the threads of the program around us. */
static int start_worker(worker *w) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static fig_status start_pool(fig_context *ctx, int n_threads) {
    fig__pool *pool = fig__calloc(ctx, 1, sizeof *pool + (size_t)n_threads * sizeof(worker));
    if (!pool) return FIG_ERR_NOMEM;
    pool->ctx = ctx;
    pool->spins = n_threads <= usable_cpus() ? SPINS : 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    ctx->pool = pool;
    for (int i = 1; i < n_threads; i++) {
        pool->threads[i].pool = pool;
        pool->threads[i].index = i;
        if (start_worker(&pool->threads[i])) break;
        pool->n_workers++;
    }
    ctx->n_threads = pool->limit = pool->n_workers + 1;
    return FIG_OK;
}

fig_status fig__threads_start(fig_context *ctx, int n_threads) {
    n_threads = FIG_MIN(n_threads, MAX_THREADS);
    ctx->n_threads = 1;
    ctx->scratch = FIG_NEW_N(ctx, fig__scratch_block, (size_t)n_threads);
    if (!ctx->scratch) return FIG_ERR_NOMEM;
    return n_threads > 1 ? start_pool(ctx, n_threads) : FIG_OK;
}

static void stop_pool(fig__pool *pool) {
    atomic_store(&pool->stop, true);
    wake_sleepers(pool);
    for (int i = 1; i <= pool->n_workers; i++) pthread_join(pool->threads[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
}

void fig__threads_stop(fig_context *ctx) {
    if (ctx->pool) stop_pool(ctx->pool);
    fig__free(ctx, ctx->pool);
    ctx->pool = NULL;
    if (ctx->scratch) fig__scratch_reserve(ctx, 0);
    fig__free(ctx, ctx->scratch);
    ctx->scratch = NULL;
}
