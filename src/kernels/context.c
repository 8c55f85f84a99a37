/* kernels/context.c: the public life of a context. Here and not in base, because a context is whole only when the
 * kernels of its CPU level are chosen, and base knows no kernels. */
#include "kernels/kernels.h"
#include "base/context.h"

fig_status fig_context_new(const fig_context_options *options, fig_context **out) {
    *out = NULL;
    fig_context *ctx = NULL;
    FIG_TRY(fig__context_new_base(options, &ctx));
    fig_status status = figk_init(ctx, options ? options->cpu_level : NULL);
    if (status) {
        fig__log(ctx, FIG_LOG_WARNING, "%s", fig_error(ctx)); /* the caller gets no context to ask */
        fig_context_free(ctx);
        return status;
    }
    *out = ctx;
    return FIG_OK;
}

void fig_context_free(fig_context *ctx) { fig__context_free_base(ctx); }

const char *fig_cpu_level(const fig_context *ctx) { return figk_level_name((figk_level)ctx->cpu_level); }

bool fig_cpu_favors_bf16(const fig_context *ctx) {
    return ctx->cpu_level >= FIGK_AMX || (ctx->cpu_level == FIGK_AVX512BF16 && figk_fast_pairs());
}
