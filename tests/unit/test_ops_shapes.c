/* Every op at every level of this machine, in fp32 and bf16, against the double-precision oracle: values and gradients
 * of the samplers, strided and broadcast operands among them. */
#include "check.h"
#include <fig/op.h>
#include "ops/ops.h"

static fig_context *context_at(figk_level level) {
    fig_context *ctx = NULL;
    fig_context_options options = {.cpu_level = figk_level_name(level)};
    EXPECT_OK(NULL, fig_context_new(&options, &ctx));
    return ctx;
}

static void compare(fig_context *ctx, const char *name, fig_sample_fn *sample, fig_dtype dtype) {
    double worst = 0;
    EXPECT_OK(ctx, fig_sample_compare(ctx, sample, dtype, &worst));
    if (!EXPECT(worst <= 1))
        fprintf(stderr, "    %s in %s at %s: %.3g times what rounding explains\n", name, fig_dtype_name(dtype),
                fig_cpu_level(ctx), worst);
}

static size_t row;
static fig_tensor *sample_row(fig_op_sampler *s, int variant) { return fig__ew_sample(s, row, variant); }

static void compare_all(fig_dtype dtype) {
    for (int level = 0; level <= (int)figk_best_level(); level++) {
        fig_context *ctx = context_at((figk_level)level);
        for (size_t i = 0; ctx && i < fig__n_ops; i++)
            if (fig__ops[i]->sample) compare(ctx, fig__ops[i]->name, fig__ops[i]->sample, dtype);
        for (row = 0; ctx && fig__ew_op(row); row++)
            if (fig__ew_op(row)->backward) compare(ctx, fig__ew_op(row)->name, sample_row, dtype);
        fig_context_free(ctx);
    }
}

TEST(every_op_in_fp32_at_every_level) { compare_all(FIG_F32); }
TEST(every_op_in_bf16_at_every_level) { compare_all(FIG_BF16); }
