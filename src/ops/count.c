/* ops/count.c: how much a graph multiplies. */
#include "ops/ops.h"

/* Multiply-adds of a convolution: each number of the smaller picture meets a window of one group. */
static double conv_products(const fig_node *n) {
    bool weights = n->op == &fig__op_conv_weights;
    const fig_tensor *w = weights ? n->out[0] : n->in[1];
    const fig_tensor *small = weights ? n->in[1] : n->op == &fig__op_conv ? n->out[0] : n->in[0];
    return (double)fig_numel(small) * (double)(w->shape[0] * w->shape[1] * w->shape[2]);
}

double fig__product_operations(const fig_graph *g) {
    double sum = 0;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const fig_node *n = g->nodes.data[i];
        bool conv = n->op == &fig__op_conv || n->op == &fig__op_conv_transpose || n->op == &fig__op_conv_weights;
        if (conv) sum += 2 * conv_products(n);
        if (n->op == &fig__op_linear) sum += 2 * (double)fig_numel(n->out[0]) * (double)fig_dim(n->in[0], -1);
        if (n->op == &fig__op_matmul) sum += 2 * (double)fig_numel(n->out[0]) * (double)fig__matmul_depth(n);
    }
    return sum;
}
