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

/* Pictures of several tiles: group norm, then batch norm, which in double precision are made of simpler ops. */
static fig_tensor *sample_tiles(fig_op_sampler *s, int variant) {
    enum { PICTURES = 2, PIXELS = 200, CHANNELS = 1500, GROUPS = 3 };
    if (variant > 1) return NULL;
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = fig_sample_input(s, 1, 3, 3, PICTURES, PIXELS, CHANNELS), *mean, *var;
    fig_tensor *gain = fig_sample_input(s, 0.5, 1.5, 1, CHANNELS), *bias = fig_sample_input(s, -1, 1, 1, CHANNELS);
    if (fig_graph_dtype(g) != FIG_F64)
        return variant ? fig_batch_norm_op(g, x, gain, bias, 1e-5, &mean, &var)
                       : fig_group_norm_op(g, x, gain, bias, GROUPS, 1e-5);
    int64_t groups = variant ? CHANNELS : GROUPS, shape[4] = {variant ? 1 : PICTURES, -1, groups, CHANNELS / groups};
    fig_tensor *v = fig_reshape(g, x, 4, shape);
    v = fig_sub(g, v, fig_mean(g, fig_mean(g, v, 1), 3));
    var = fig_mean(g, fig_mean(g, fig_square(g, v), 1), 3);
    v = fig_mul(g, v, fig_rsqrt(g, fig_add_scalar(g, var, 1e-5)));
    return fig_add(g, fig_mul(g, fig__reshape_like(g, v, x), gain), bias);
}
TEST(norms_of_pictures_in_tiles) {
    for (int level = 0; level <= (int)figk_best_level(); level++) {
        fig_context *ctx = context_at((figk_level)level);
        if (!ctx) continue;
        compare(ctx, "norms in tiles", sample_tiles, FIG_F32);
        compare(ctx, "norms in tiles", sample_tiles, FIG_BF16);
        fig_context_free(ctx);
    }
}
