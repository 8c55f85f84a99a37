/* new_op.c: an op made outside the library: running sums along the last axis, from either end. It is checked in double
 * precision against differences and against the same thing made from a matrix product, then used.
 *
 *     cc new_op.c $(pkg-config --cflags --libs figment) -o new_op && ./new_op */
#include <fig/op.h>
#include <fig/ops.h>
#include <stdio.h>

static const fig_op cumsum_op;
static fig_tensor *cumsum(fig_graph *g, fig_tensor *x, bool reverse) {
    fig_node *n = fig_node_new(g, &cumsum_op, &reverse, sizeof reverse, &x, 1, 1, 0);
    return n ? n->out[0] : NULL;
}
static fig_status infer(fig_node *n) {
    bool real = n->in[0]->dtype == FIG_F32 || n->in[0]->dtype == FIG_F64;
    fig_set_like(n->out[0], n->in[0]);
    return real ? FIG_OK : fig_node_fail(n, "needs float32; put a fig_cast before it");
}
#define SUM_ROWS(type)                                                                                            \
    for (size_t r = 0, cols = fig_dim(n->in[0], -1); r < fig_numel(n->in[0]); r += cols) {                        \
        const type *from = (const type *)n->in[0]->data + r;                                                      \
        type *to = (type *)n->out[0]->data + r, sum = 0;                                                          \
        for (size_t i = 0; i < cols; i++) to[reverse ? cols - 1 - i : i] = sum += from[reverse ? cols - 1 - i : i]; \
    }
static void forward(const fig_exec *x, const fig_node *n) {
    const bool reverse = *(const bool *)n->attr;
    (void)x;
    if (n->in[0]->dtype == FIG_F64) SUM_ROWS(double) else SUM_ROWS(float)
}
/* Each input is in the sums of all that come after it. */
static void backward(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = cumsum(g, dout[0], !*(const bool *)n->attr);
}
static void tangent(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = cumsum(g, tin[0], *(const bool *)n->attr);
}
static fig_tensor *sample(fig_op_sampler *s, int variant) {
    return variant > 1 ? NULL : cumsum(fig_sample_graph(s), fig_sample_input(s, -1, 1, 3, 2, 3, 5), variant == 1);
}
static fig_tensor *composite(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 5), *ramp = fig_sample_ramp(s, 5);
    fig_tensor *from = fig_reshape(g, ramp, 2, (int64_t[]){5, 1}), *to = fig_reshape(g, ramp, 2, (int64_t[]){1, 5});
    return variant > 1 ? NULL : fig_matmul(g, x, variant ? fig_ge(g, from, to) : fig_ge(g, to, from), false, false);
}
static const fig_op cumsum_op = {.name = "cumsum", .infer = infer, .forward = forward, .backward = backward,
                                 .tangent = tangent, .sample = sample, .composite = composite};
int main(void) {
    fig_context *ctx;
    fig_op_report r;
    if (fig_context_new(NULL, &ctx)) return 1;
    if (fig_op_check(ctx, &cumsum_op, &r)) return fprintf(stderr, "new_op: %s\n", fig_error(ctx)), 1;
    printf("cumsum: %d variants; errors: gradient %.0e, tangent %.0e, against the composite %.0e\n", r.n_variants,
           r.worst_gradient, r.worst_tangent, r.worst_composite);
    fig_context_free(ctx);
    return r.n_variants == 2 && r.worst_gradient < 1e-6 && r.worst_tangent < 1e-12 && r.worst_composite < 1e-12 ? 0 : 1;
}
