/* core/autodiff.c: reverse and forward mode, by emitting nodes into the same graph. */
#include "core/core.h"
#include <fig/ops.h>

/* An input that lends its extents only passes neither gradient nor tangent. */
static bool reads(const fig_node *n, int i) { return n->in[i] && !fig__shape_only(n, i); }

/* Which tensors depend on something in wrt. The mark is per tensor; a node passes it from any input to all outputs. */
static bool *mark_dependents(fig_graph *g, fig_tensor *const *wrt, size_t n) {
    bool *mark = FIG_NEW_N(g->ctx, bool, g->tensors.n);
    if (!mark) return NULL;
    for (size_t i = 0; i < n; i++)
        if (wrt[i]) mark[wrt[i]->id] = true;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const fig_node *node = g->nodes.data[i];
        bool any = false;
        if (node->op->flags & FIG_OP_STOP) continue;
        for (int j = 0; j < node->n_in; j++) any |= reads(node, j) && mark[node->in[j]->id];
        for (int j = 0; any && j < node->n_out; j++) mark[node->out[j]->id] = true;
    }
    return mark;
}

bool fig_needs_grad(const fig_tensor *t) {
    const fig_graph *g = t->node->graph;
    return g->needs_grad && g->needs_grad[t->id];
}

static bool same_shape(const fig_tensor *a, const fig_tensor *b) {
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

/* Adds one contribution to the gradient of t. */
static fig_status contribute(fig_graph *g, fig_node *n, fig_tensor **grad, fig_tensor *t, fig_tensor *d) {
    if (!same_shape(t, d)) return fig_node_fail(n, "the gradient of an input has another shape than the input");
    if (d->dtype != fig_grad_dtype(t)) d = fig_cast(g, d, fig_grad_dtype(t));
    grad[t->id] = grad[t->id] ? fig_add(g, grad[t->id], d) : d;
    return g->status;
}

/* --- made again -------------------------------------------------------------------------------------------------
 * What a cheap op makes from what its own gradient reads anyway (FIG_OP_CHEAP) need not be kept: the gradient of
 * whoever reads it gets a second making, recorded just before. Small ones are kept, they are not worth a step. */
#define WORTH ((size_t)4 << 20) /* bytes */

static fig_tensor *made_again(fig_graph *g, fig_tensor **again, fig_tensor *t) {
    fig_node *n = t->node;
    if (!(n->op->flags & FIG_OP_CHEAP) || fig_numel(t) * fig_dtype_size(t->dtype) < WORTH) return t;
    if (again[t->id]) return again[t->id];
    fig_tensor *in[16];
    if (n->n_in > (int)FIG_COUNT(in)) return t;
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] ? made_again(g, again, n->in[i]) : NULL;
    const char *path = g->path;
    g->path = n->path;
    fig_node *copy = fig_node_new(g, n->op, n->attr, n->attr_size, in, n->n_in, n->n_out, ~0u);
    g->path = path;
    return copy ? again[t->id] = copy->out[t->index] : t;
}

/* Nodes from `first` on read `copy` instead of t. */
static void read_instead(fig_graph *g, size_t first, const fig_tensor *t, fig_tensor *copy) {
    for (size_t i = first; i < g->nodes.n; i++) {
        fig_node *n = g->nodes.data[i];
        for (int j = 0; j < n->n_in; j++)
            if (n->in[j] == t && !fig__shape_only(n, j)) n->in[j] = copy;
        for (int j = 0; n->op->flags & FIG_OP_VIEW && j < n->n_out; j++) n->out[j]->base = n->in[0]->base;
    }
}

static void record_backward(fig_graph *g, fig_node *n, fig_tensor **again, fig_tensor *const *dout, fig_tensor **din) {
    for (int i = 0; i < n->n_in; i++)
        if (reads(n, i)) made_again(g, again, n->in[i]);
    size_t first = g->nodes.n;
    if (!g->status) n->op->backward(g, n, dout, din);
    for (int i = 0; i < n->n_in && !g->status; i++)
        if (reads(n, i) && again[n->in[i]->id]) read_instead(g, first, n->in[i], again[n->in[i]->id]);
}

static fig_status backward_node(fig_graph *g, fig_node *n, fig_tensor **grad, fig_tensor **again) {
    fig_tensor *dout[8] = {0}, *din_small[16] = {0}, **din = din_small;
    bool any = false, wanted = false;
    for (int i = 0; i < n->n_out; i++) any |= (dout[i] = grad[n->out[i]->id]) != NULL;
    for (int i = 0; i < n->n_in; i++) wanted |= reads(n, i) && g->needs_grad[n->in[i]->id];
    if (!any || !wanted) return FIG_OK;
    if (!n->op->backward)
        return fig_node_fail(n, "has no gradient: %s", n->op->no_grad ? n->op->no_grad : "none was written");
    if (n->n_in > (int)FIG_COUNT(din_small)) din = fig__arena_alloc(g->arena, sizeof *din * (size_t)n->n_in);
    if (!din) return g->status = FIG_ERR_NOMEM;
    record_backward(g, n, again, dout, din);
    for (int i = 0; i < n->n_in && !g->status; i++)
        if (din[i] && n->in[i] && g->needs_grad[n->in[i]->id]) contribute(g, n, grad, n->in[i], din[i]);
    return g->status;
}

/* The sweep proper: grad[] and again[] are by tensor id; grad[] starts with the seed in place. */
static void sweep(fig_graph *g, fig_tensor **grad, fig_tensor **again, size_t n_nodes) {
    const char *path = g->path;
    for (size_t i = n_nodes; i-- > 0 && !g->status;) {
        fig_node *n = g->nodes.data[i];
        g->path = n->path;
        backward_node(g, n, grad, again);
    }
    g->path = path;
}

fig_tensor *fig__fill_like(fig_graph *g, fig_tensor *like, double value);

fig_status fig_backward(fig_graph *g, fig_tensor *loss, fig_tensor *const *wrt, size_t n, fig_tensor **grads) {
    for (size_t i = 0; i < n; i++) grads[i] = NULL;
    if (g->status) return g->status;
    if (!loss || fig_numel(loss) != 1) {
        fig_graph_fail(g, FIG_ERR_SHAPE, "backward: the loss has %zu elements; reduce it to one first",
                       fig_numel(loss));
        return g->status;
    }
    size_t n_nodes = g->nodes.n;
    bool *mark = mark_dependents(g, wrt, n);
    fig_tensor **grad = FIG_NEW_N(g->ctx, fig_tensor *, 2 * g->tensors.n), **again = grad + g->tensors.n;
    if (!mark || !grad) {
        g->status = FIG_ERR_NOMEM;
    } else if (mark[loss->id]) {
        g->needs_grad = mark;
        grad[loss->id] = fig__fill_like(g, loss, 1);
        sweep(g, grad, again, n_nodes);
        g->needs_grad = NULL;
        for (size_t i = 0; i < n; i++) grads[i] = wrt[i] ? grad[wrt[i]->id] : NULL;
    }
    fig__free(g->ctx, mark);
    fig__free(g->ctx, grad);
    return g->status;
}

/* A gradient becomes the store's by being the owner of its memory and nobody else's. */
static fig_status bind_param_grad(fig_graph *g, fig_tensor *d, fig__param *param) {
    if (d->base != d || d->is_param_grad || (d->node->op->flags & FIG_OP_LEAF) || !fig_is_contiguous(d))
        d = fig_contiguous(g, d);
    if (!d) return g->status;
    d->is_param_grad = true;
    d->param = param;
    return g->status = FIG_PUSH(g->ctx, &g->roots, d);
}

/* Of parameters that match the pattern into the store, of `also` into its_grads. */
static fig_status backward_both(fig_graph *g, fig_tensor *loss, const char *pattern, fig_tensor *const *also,
                                size_t n_also, fig_tensor **its_grads) {
    if (g->status) return g->status;
    if (g->dtype == FIG_F64) {
        fig_graph_fail(g, FIG_ERR_UNSUPPORTED, "backward: the oracle has no gradient block; use fig_backward");
        return g->status;
    }
    size_t n = 0, most = g->leaves.n + n_also;
    fig_tensor **wrt = FIG_NEW_N(g->ctx, fig_tensor *, 2 * most + 1), **grads = wrt + most;
    if (!wrt) return g->status = FIG_ERR_NOMEM;
    for (size_t i = 0; i < g->leaves.n; i++)
        if (g->leaves.key[i]->trainable && (!pattern || fig__path_matches(pattern, g->leaves.key[i]->path)))
            wrt[n++] = g->leaves.leaf[i];
    for (size_t i = 0; i < n_also; i++) wrt[n + i] = also[i];
    fig_backward(g, loss, wrt, n + n_also, grads);
    for (size_t i = 0; i < n_also; i++) its_grads[i] = grads[n + i];
    for (size_t i = 0; i < n && !g->status; i++)
        if (grads[i]) bind_param_grad(g, grads[i], wrt[i]->param);
    fig__free(g->ctx, wrt);
    return g->status;
}

fig_status fig_backward_params_and(fig_graph *g, fig_tensor *loss, fig_tensor *const *wrt, size_t n,
                                   fig_tensor **grads) {
    for (size_t i = 0; i < n; i++) grads[i] = NULL;
    return backward_both(g, loss, NULL, wrt, n, grads);
}
fig_status fig_backward_params_of(fig_graph *g, fig_tensor *loss, const char *pattern) {
    return backward_both(g, loss, pattern, NULL, 0, NULL);
}
fig_status fig_backward_params(fig_graph *g, fig_tensor *loss) { return fig_backward_params_of(g, loss, NULL); }

/* --- forward mode -----------------------------------------------------------------------------------------------*/

static void tangent_node(fig_graph *g, fig_node *n, fig_tensor **tangent) {
    fig_tensor *tin[16] = {0}, *tout[8] = {0};
    bool any = false;
    for (int i = 0; i < n->n_in; i++)
        if (reads(n, i)) any |= (tin[i] = tangent[n->in[i]->id]) != NULL;
    if (!any) return;
    if (!n->op->tangent || n->n_in > (int)FIG_COUNT(tin)) {
        fig_node_fail(n, "has no tangent rule");
        return;
    }
    n->op->tangent(g, n, tin, tout);
    for (int i = 0; i < n->n_out; i++) tangent[n->out[i]->id] = tout[i];
}

fig_tensor *fig_tangent(fig_graph *g, fig_tensor *y, fig_tensor *x, fig_tensor *v) {
    if (g->status || !y || !x || !v) return NULL;
    fig_tensor **tangent = FIG_NEW_N(g->ctx, fig_tensor *, g->tensors.n);
    if (!tangent) {
        g->status = FIG_ERR_NOMEM;
        return NULL;
    }
    const char *path = g->path;
    size_t last = y->node->id;
    tangent[x->id] = v;
    for (size_t i = x->node->id + 1; i <= last && !g->status; i++) {
        g->path = g->nodes.data[i]->path;
        tangent_node(g, g->nodes.data[i], tangent);
    }
    g->path = path;
    fig_tensor *result = tangent[y->id];
    if (!result && !g->status) result = fig__fill_like(g, y, 0);
    fig__free(g->ctx, tangent);
    return g->status ? NULL : result;
}
