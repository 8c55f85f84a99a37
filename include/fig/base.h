/* fig/base.h: status codes, the library context, number types.
 *
 * Every call that can fail returns a fig_status and leaves one line of explanation on the context
 * (fig_error). Nothing in the library exits, prints or aborts on bad input. A context belongs to one
 * thread at a time; contexts do not share anything, so two threads with a context each are safe. */
#ifndef FIG_BASE_H
#define FIG_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FIG_VERSION_STRING "0.1.0"

/* Code, then what fig_status_text says. The first group is the caller's to mend (the command line exits
 * with 2), the second went wrong while running (exits with 1). */
#define FIG_STATUS_LIST(X)                           \
    X(OK, "ok")                                      \
    X(ERR_ARG, "wrong argument")                     \
    X(ERR_SHAPE, "shapes do not fit")                \
    X(ERR_FORMAT, "malformed file")                  \
    X(ERR_NOTFOUND, "not found")                     \
    X(ERR_EXISTS, "exists already")                  \
    X(ERR_LIMIT, "over a limit")                     \
    X(ERR_UNSUPPORTED, "not supported")              \
    X(ERR_NOMEM, "out of memory")                    \
    X(ERR_IO, "input or output failed")              \
    X(ERR_NONFINITE, "numbers are no longer finite") \
    X(ERR_CANCELLED, "cancelled")                    \
    X(ERR_INTERNAL, "internal error, please report it")

typedef enum fig_status {
#define X(name, text) FIG_##name,
    FIG_STATUS_LIST(X)
#undef X
} fig_status;

const char *fig_status_text(fig_status status);
/* True for codes that the caller can mend: a wrong argument or a wrong file. */
bool fig_status_is_usage(fig_status status);

/* Element types. Storage types of weights join at the end, so that values in files stay what they are. */
typedef enum fig_dtype { FIG_F32, FIG_BF16, FIG_F64, FIG_I32, FIG_I64, FIG_U8, FIG_F16, FIG_DTYPE_COUNT } fig_dtype;

size_t fig_dtype_size(fig_dtype dtype);                 /* bytes per element */
const char *fig_dtype_name(fig_dtype dtype);            /* "float32", "bfloat16", ... as PyTorch names them */
bool fig_dtype_parse(const char *name, fig_dtype *out); /* long and short names: "bfloat16", "bf16", "BF16" */

typedef struct fig_context fig_context;

typedef enum fig_log_level { FIG_LOG_DEBUG, FIG_LOG_INFO, FIG_LOG_WARNING } fig_log_level;

typedef struct fig_context_options {
    int n_threads;         /* 0: OMP_NUM_THREADS, else the processors this process may use */
    const char *cpu_level; /* NULL: FIG_CPU, else this machine's fastest; "scalar" "avx2" "avx512" "amx" ... */
    void (*log)(void *user, fig_log_level level, const char *message); /* NULL: messages are dropped */
    void *user;
} fig_context_options;

/* options may be NULL. On failure *out is NULL and there is no context to ask: the status is all. */
fig_status fig_context_new(const fig_context_options *options, fig_context **out);
void fig_context_free(fig_context *ctx);

const char *fig_error(const fig_context *ctx); /* the last failure in one line; "" when there was none */
fig_status fig_error_code(const fig_context *ctx);
void fig_error_clear(fig_context *ctx);

int fig_n_threads(const fig_context *ctx);
const char *fig_cpu_level(const fig_context *ctx); /* the level in use: "avx512" */
/* Whether bf16 matrix products are native at this level and faster than fp32 ones: on Intel's cores, by AMX alone. */
bool fig_cpu_favors_bf16(const fig_context *ctx);

typedef struct fig_memory_stats {
    uint64_t bytes_now, bytes_peak; /* live memory asked for by this library through the context */
    uint64_t n_allocations;         /* calls that gave memory, since the context was made */
} fig_memory_stats;
fig_memory_stats fig_memory(const fig_context *ctx);

/* A flag that another thread or a signal handler may set; long operations look at it between steps and return
 * FIG_ERR_CANCELLED with everything saved that can be. */
void fig_cancel(fig_context *ctx);
bool fig_cancelled(const fig_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
