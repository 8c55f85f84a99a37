/* new_op.c: an op made outside the library: running sums along the last axis, from either end. It is checked in double
 * precision: against central differences, and against the same sums as a matrix product. */
#include <fig/op.h>
#include <fig/ops.h>
#include <stdio.h>
static const fig_op cumsum_op;
static fig_tensor *cumsum(fig_graph *g, fig_tensor *x, bool reverse) {
    fig_node *n = fig_node_new(g, &cumsum_op, &reverse, sizeof reverse, &x, 1, 1, 0);
    return n ? n->out[0] : NULL;
}
static bool reverse_of(const fig_node *n) { return *(const bool *)n->attr; }
static fig_status infer(fig_node *n) {
    fig_dtype t = n->in[0]->dtype;
    fig_set_like(n->out[0], n->in[0]);
    return t == FIG_F32 || t == FIG_F64 ? FIG_OK : fig_node_fail(n, "needs float32; put a fig_cast before it");
}
static void forward(const fig_exec *exec, const fig_node *n) {
    const fig_tensor *x = n->in[0], *y = n->out[0];
    double sum = 0;
    (void)exec;
    for (size_t k = 0, all = fig_numel(x); k < all; k++) {
        size_t i = reverse_of(n) ? all - 1 - k : k;
        if (k % fig_dim(x, -1) == 0) sum = 0;
        sum += x->dtype == FIG_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
        if (x->dtype == FIG_F64) ((double *)y->data)[i] = sum;
        if (x->dtype == FIG_F32) ((float *)y->data)[i] = (float)sum;
    }
}
static void backward(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = cumsum(g, dout[0], !reverse_of(n)); /* an input is in the sums of all behind it */
}
static void tangent(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = cumsum(g, tin[0], reverse_of(n));
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
static const fig_op cumsum_op = {.name = "cumsum",
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .tangent = tangent,
                                 .sample = sample,
                                 .composite = composite};
int main(void) {
    fig_context *ctx;
    fig_op_report r;
    if (fig_context_new(NULL, &ctx) || fig_op_check(ctx, &cumsum_op, &r)) return 1;
    printf("cumsum: %d variants; errors: gradient %.0e, tangent %.0e, against the composite %.0e\n", r.n_variants,
           r.worst_gradient, r.worst_tangent, r.worst_composite);
    fig_context_free(ctx);
    return r.n_variants == 2 && r.worst_gradient < 1e-6 && r.worst_tangent < 1e-12 && r.worst_composite < 1e-12 ? 0 : 1;
}
