/* Every op: an op has a gradient with a sampler, or says why it has none; gradients agree with central differences and
 * tangents with gradients in double precision; fused ops agree with their composites. */
#include "../check.h"
#include <fig/op.h>
#include "ops/ops.h"

#define TOLERANCE \
    2e-8 /* central differences with h = 1e-6: h^2 for the cut series, 1e-16/h for rounding, times ~100 terms */

static void check(fig_context *ctx, const char *name, fig_status status, const fig_op_report *r) {
    EXPECT_OK(ctx, status);
    bool good =
        r->n_variants > 0 && r->worst_gradient < TOLERANCE && r->worst_tangent < 1e-12 && r->worst_composite < 1e-12;
    if (!good)
        fprintf(stderr, "%s: %d variants, gradient %.3g, tangent %.3g, composite %.3g\n", name, r->n_variants,
                r->worst_gradient, r->worst_tangent, r->worst_composite);
    EXPECT(good);
}

TEST(every_op_of_the_table) {
    fig_context *ctx = check_context();
    for (size_t i = 0; i < fig__n_ops; i++) {
        const fig_op *op = fig__ops[i];
        EXPECT(!op->backward == (op->no_grad != NULL)); /* one or the other */
        if (op->no_grad) continue;
        fig_op_report r;
        check(ctx, op->name, fig_op_check(ctx, op, &r), &r);
    }
}

static size_t row;
static fig_tensor *sample_row(fig_op_sampler *s, int variant) { return fig__ew_sample(s, row, variant); }

TEST(every_element_wise_op) {
    fig_context *ctx = check_context();
    for (row = 0; fig__ew_op(row); row++) {
        const fig_op *op = fig__ew_op(row);
        EXPECT(!op->backward == (op->no_grad != NULL));
        if (op->no_grad) continue;
        fig_op_report r;
        check(ctx, op->name, fig_sample_check(ctx, sample_row, NULL, true, &r), &r);
    }
}

static fig_tensor *wrong_gradient(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = variant ? NULL : fig_sample_input(s, -1, 1, 1, 5);
    return variant ? NULL : fig_straight_through(g, fig_square(g, x), x); /* claims 1 where the truth is 2x */
}

TEST(a_wrong_gradient_is_caught) {
    fig_context *ctx = check_context();
    fig_op_report r;
    EXPECT_OK(ctx, fig_sample_check(ctx, wrong_gradient, NULL, true, &r));
    EXPECT(r.worst_gradient > 0.01);
}
