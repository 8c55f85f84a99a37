/* ops/state.c: numbers that a run leaves behind without a gradient: running statistics, moving codebooks. They live in
 * the store (fig_state), so every checkpoint has them. */
#include "ops/ops.h"

typedef struct state_attr {
    double rate;
} state_attr;

/* in: the state, a value of its size */
static fig_status infer_update(fig_node *n) {
    const fig_tensor *s = n->in[0], *v = n->in[1];
    if (!s->param || !s->param->is_state) return fig_node_fail(n, "the first operand is no fig_state");
    if (fig_numel(s) != fig_numel(v))
        return fig_node_fail(n, "%zu numbers for a state of %zu", fig_numel(v), fig_numel(s));
    return FIG_OK;
}
static void forward_update(const fig_exec *x, const fig_node *n) {
    const fig_tensor *s = n->in[0], *v = n->in[1];
    double rate = ((const state_attr *)n->attr)->rate, weights[2] = {1 - rate, rate}, whole = 1;
    const void *both[2] = {s->data, v->data}, *value = v->data;
    char *old = x->workspace;
    if (v->dtype != s->dtype) { /* brought to the state's type first */
        x->kernels->blend(1, fig_numel(v), old, s->dtype, &value, v->dtype, &whole);
        both[1] = old;
    }
    x->kernels->blend(2, fig_numel(s), s->data, s->dtype, both, s->dtype, weights);
}
static size_t workspace_update(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    return fig_numel(n->in[0]) * fig_dtype_size(n->in[0]->dtype);
}
const fig_op fig__op_state_update = {.name = "state_update",
                                     .flags = FIG_OP_EFFECT,
                                     .infer = infer_update,
                                     .forward = forward_update,
                                     FIG_NO_GRAD("it has no result; state is not learnt by gradient"),
                                     .workspace = workspace_update};

void fig_state_update(fig_graph *g, fig_tensor *state, fig_tensor *value, double rate) {
    state_attr a = {rate};
    fig_node_new(g, &fig__op_state_update, &a, sizeof a, (fig_tensor *[]){state, value}, 2, 0, 0);
}
