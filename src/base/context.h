/* base/context.h: the inside of a context, for base and for the kernels' dispatch; nobody else looks in here. */
#ifndef FIG_CONTEXT_H
#define FIG_CONTEXT_H
#include "base.h"
#include <stdatomic.h>

#define FIG__ERROR_MAX 1024 /* bytes of a message, its NUL included */

typedef struct fig__pool fig__pool;

typedef struct fig__scratch_block {
    void *data;
    size_t size;
} fig__scratch_block;

struct fig_context {
    void (*log)(void *user, fig_log_level level, const char *message);
    void *log_user;

    fig_status error_code;
    char error[FIG__ERROR_MAX];

    /* Atomic because a tile may allocate. */
    _Atomic uint64_t bytes_now, bytes_peak, n_allocations;
    _Atomic uint64_t fail_after; /* the n-th allocation from now fails; 0: none */

    atomic_bool cancelled;

    int n_threads;               /* the workers and the thread that calls */
    fig__pool *pool;             /* NULL when n_threads is 1 */
    fig__scratch_block *scratch; /* [n_threads] */

    /* Filled by figk_init: base only keeps them. */
    int cpu_level;
    const void *kernels;
};

/* Everything but the kernels. options may be NULL. */
fig_status fig__context_new_base(const fig_context_options *options, fig_context **out);
void fig__context_free_base(fig_context *ctx);

/* Starts the workers; the pool may turn out smaller than asked when the system refuses threads. */
fig_status fig__threads_start(fig_context *ctx, int n_threads);
void fig__threads_stop(fig_context *ctx);
int fig__threads_default(void); /* OMP_NUM_THREADS, else the processors this process may use */

#endif
