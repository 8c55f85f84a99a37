/* ops/binary.c: cross-entropy of targets between 0 and 1 with logits, in one visit to memory each way: a VAE
 * with many samples a picture spends much of its time on them. */
#include "ops/ops.h"

#define ROWS_PER_TILE 8

typedef struct bce_job {
    const figk_table *k;
    const fig_node *n; /* in: logits, target and, backward, dloss */
    size_t rows, cols, share;
    bool backward;
} bce_job;

static void bce_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const bce_job *j = arg;
    fig_tensor *const *in = j->n->in, *out = j->n->out[0];
    for (size_t r = tile * ROWS_PER_TILE; r < FIG_MIN((tile + 1) * ROWS_PER_TILE, j->rows); r++) {
        const void *x = fig__at(in[0], r * j->cols), *target = fig__at(in[1], r / j->share * j->cols);
        if (j->backward)
            j->k->bce_bwd(j->cols, x, in[0]->dtype, target, fig__at(in[2], r), fig__at(out, r * j->cols), out->dtype);
        else
            j->k->bce_fwd(j->cols, x, in[0]->dtype, target, fig__at(out, r));
    }
}

static void run(const fig_exec *x, const fig_node *n, bool backward) {
    size_t rows = fig__n_rows(n->in[0]);
    bce_job j = {.k = x->kernels,
                 .n = n,
                 .rows = rows,
                 .cols = fig_dim(n->in[0], -1),
                 .share = rows / FIG_MAX(fig__n_rows(n->in[1]), 1),
                 .backward = backward};
    fig__parallel(x->ctx, fig__ceil_div(rows, ROWS_PER_TILE), bce_tile, &j);
}

static fig_status infer(fig_node *n) {
    const fig_tensor *x = n->in[0], *target = n->in[1];
    size_t rows = fig__n_rows(x), n_targets = fig__n_rows(target);
    if (target->dtype != fig__real_dtype(n->graph) || fig_dim(target, -1) != fig_dim(x, -1))
        return fig_node_fail(n, "needs targets as wide as the logits");
    if (n_targets ? rows % n_targets : rows)
        return fig_node_fail(n, "%zu rows of logits for %zu of targets", rows, n_targets);
    fig_set_shape(n->out[0], fig__real_dtype(n->graph), x->ndim - 1, x->shape);
    return FIG_OK;
}
static void forward(const fig_exec *x, const fig_node *n) { run(x, n, false); }
static void backward(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_node *b = fig_node_new(g, &fig__op_binary_cross_entropy_bwd, NULL, 0,
                               (fig_tensor *[]){n->in[0], n->in[1], dout[0]}, 3, 1, 0);
    din[0] = b ? b->out[0] : NULL;
}

/* Variant 1: pairs of rows share a target. */
static bool sample_inputs(fig_op_sampler *s, int variant, fig_tensor **x, fig_tensor **target) {
    if (variant > 1) return false;
    *x = fig_sample_input(s, -3, 3, 3, 2, 2, 5);
    *target = fig_sample_const(s, 0, 1, 3, 2, variant ? 1 : 2, 5);
    return true;
}
static fig_tensor *sample(fig_op_sampler *s, int variant) {
    fig_tensor *x, *target;
    return sample_inputs(s, variant, &x, &target) ? fig_binary_cross_entropy(fig_sample_graph(s), x, target) : NULL;
}
static fig_tensor *composite(fig_op_sampler *s, int variant) {
    fig_tensor *x, *target;
    if (!sample_inputs(s, variant, &x, &target)) return NULL;
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *each = fig_sub(g, fig_softplus(g, x), fig_mul(g, x, target));
    return fig_reshape(g, fig_sum(g, each, -1), 2, (int64_t[]){0, 0});
}
const fig_op fig__op_binary_cross_entropy = {.name = "binary_cross_entropy",
                                             .infer = infer,
                                             .forward = forward,
                                             .backward = backward,
                                             .sample = sample,
                                             .composite = composite};

static fig_status infer_bwd(fig_node *n) {
    fig_set_like(n->out[0], n->in[0]);
    return FIG_OK;
}
static void forward_bwd(const fig_exec *x, const fig_node *n) { run(x, n, true); }
const fig_op fig__op_binary_cross_entropy_bwd = {
    .name = "binary_cross_entropy_bwd",
    .infer = infer_bwd,
    .forward = forward_bwd,
    FIG_NO_GRAD("it is itself a gradient; write softplus(x) - x * target where a second one is needed")};

fig_tensor *fig_binary_cross_entropy(fig_graph *g, fig_tensor *logits, fig_tensor *target) {
    target = target ? fig_cast(g, target, fig__real_dtype(g)) : NULL;
    fig_node *n = fig_node_new(g, &fig__op_binary_cross_entropy, NULL, 0, (fig_tensor *[]){logits, target}, 2, 1, 0);
    return n ? n->out[0] : NULL;
}
