/* base/context.c: making and freeing the base part of a context; the error slot, the log, cancelling. */
#include "base/context.h"
#include <stdio.h>
#include <stdlib.h>

fig_status fig__context_new_base(const fig_context_options *options, fig_context **out) {
    fig_context_options chosen = options ? *options : (fig_context_options){0};
    *out = NULL;
    /* The one thing that is not counted: the counters are in it. */
    fig_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return FIG_ERR_NOMEM;
    ctx->log = chosen.log;
    ctx->log_user = chosen.user;
#ifdef FIG_TEST_BUILD
    const char *fail = getenv("FIG_FAIL_ALLOC");
    int64_t n = 0;
    if (fail && fig__parse_int(fail, &n) && n > 0) fig__alloc_fail_after(ctx, (uint64_t)n);
#endif
    fig_status status = fig__threads_start(ctx, chosen.n_threads > 0 ? chosen.n_threads : fig__threads_default());
    if (status) {
        fig__context_free_base(ctx);
        return status;
    }
    *out = ctx;
    return FIG_OK;
}

void fig__context_free_base(fig_context *ctx) {
    if (!ctx) return;
    fig__threads_stop(ctx);
    free(ctx);
}

/* --- errors --------------------------------------------------------------------------------------------*/

/* One line: cut at the first line end. */
static void set_error(fig_context *ctx, fig_status code, const char *message) {
    size_t len = strcspn(message, "\r\n");
    if (len >= sizeof ctx->error) len = sizeof ctx->error - 1;
    memmove(ctx->error, message, len);
    ctx->error[len] = 0;
    ctx->error_code = code;
}

fig_status fig__fail(fig_context *ctx, fig_status code, const char *file, int line, const char *format, ...) {
    if (!ctx) return code;
    char message[FIG__ERROR_MAX]; /* apart, because an argument may be the present message */
    va_list args;
    va_start(args, format);
    fig__vformat(message, sizeof message, format, args);
    va_end(args);
    set_error(ctx, code, message);
    if (ctx->log) fig__log(ctx, FIG_LOG_DEBUG, "%s:%d: %s: %s", file, line, fig_status_text(code), ctx->error);
    return code;
}

fig_status fig__fail_prefix(fig_context *ctx, fig_status code, const char *format, ...) {
    char message[2 * FIG__ERROR_MAX + 2];
    va_list args;
    va_start(args, format);
    fig__vformat(message, FIG__ERROR_MAX, format, args);
    va_end(args);
    size_t len = strlen(message);
    snprintf(message + len, sizeof message - len, ": %s", *ctx->error ? ctx->error : fig_status_text(code));
    set_error(ctx, code, message);
    return code;
}

const char *fig_error(const fig_context *ctx) { return ctx->error; }

fig_status fig_error_code(const fig_context *ctx) { return ctx->error_code; }

void fig_error_clear(fig_context *ctx) {
    ctx->error[0] = 0;
    ctx->error_code = FIG_OK;
}

void fig__log(fig_context *ctx, fig_log_level level, const char *format, ...) {
    if (!ctx->log) return;
    char message[2 * FIG__ERROR_MAX];
    va_list args;
    va_start(args, format);
    fig__vformat(message, sizeof message, format, args);
    va_end(args);
    ctx->log(ctx->log_user, level, message);
}

/* --- facts and flags -------------------------------------------------------------------------------------*/

int fig_n_threads(const fig_context *ctx) { return ctx->n_threads; }

void fig_cancel(fig_context *ctx) { atomic_store_explicit(&ctx->cancelled, true, memory_order_relaxed); }

bool fig_cancelled(const fig_context *ctx) { return atomic_load_explicit(&ctx->cancelled, memory_order_relaxed); }
