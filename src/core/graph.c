/* core/graph.c: recording. Nodes, tensors, module paths, sticky errors. */
#include "core/core.h"
#include <stdio.h>
#include "base/buf.h"

fig_status fig_graph_new(fig_context *ctx, fig_params *params, const fig_graph_options *options, fig_graph **out) {
    *out = NULL;
    fig_graph *g = FIG_NEW(ctx, fig_graph);
    if (!g) return FIG_ERR_NOMEM;
    *g = (fig_graph){.ctx = ctx, .params = params, .mode = options->mode, .dtype = options->dtype, .path = ""};
    g->arena = fig__arena_new(ctx, 0);
    if (!g->arena) {
        fig__free(ctx, g);
        return FIG_ERR_NOMEM;
    }
    *out = g;
    return FIG_OK;
}

void fig_graph_free(fig_graph *g) {
    if (!g) return;
    fig_context *ctx = g->ctx;
    fig__arena_free(g->arena);
    fig__free(ctx, g->nodes.data);
    fig__free(ctx, g->tensors.data);
    fig__free(ctx, g->scopes.data);
    fig__free(ctx, g->roots.data);
    fig__free(ctx, g->leaves.key);
    fig__free(ctx, g->leaves.leaf);
    fig__free(ctx, g);
}

fig_status fig_graph_status(const fig_graph *g) { return g->status; }
fig_context *fig_graph_context(const fig_graph *g) { return g->ctx; }
fig_params *fig_graph_params(const fig_graph *g) { return g->params; }
fig_mode fig_graph_mode(const fig_graph *g) { return g->mode; }
fig_dtype fig_graph_dtype(const fig_graph *g) { return g->dtype; }
size_t fig__tensor_bytes(const fig_tensor *t) {
    size_t bytes = fig_dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++)
        if (t->stride[i]) bytes *= t->shape[i];
    return bytes;
}

double fig__graph_operations(const fig_graph *g) {
    double sum = 0;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const fig_node *n = g->nodes.data[i];
        if (n->op->operations) sum += n->op->operations(n);
    }
    return sum;
}
size_t fig_graph_n_nodes(const fig_graph *g) { return g->nodes.n; }
const char *fig_path(const fig_graph *g) { return g->path; }

/* --- errors -----------------------------------------------------------------------------------------------------*/

void fig_graph_fail(fig_graph *g, fig_status code, const char *format, ...) {
    if (g->status) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    g->status = FIG_FAIL(g->ctx, code, "%s%s%s", g->path, *g->path ? ": " : "", text);
}

static void write_shape(fig__buf *b, const fig_tensor *t) {
    if (!t) {
        fig__buf_adds(b, "none");
        return;
    }
    fig__buf_adds(b, "[");
    for (int i = 0; i < t->ndim; i++) fig__buf_printf(b, i ? ",%zu" : "%zu", t->shape[i]);
    fig__buf_printf(b, "] %s", fig_dtype_name(t->dtype));
}

fig_status fig_node_fail(fig_node *n, const char *format, ...) {
    fig_graph *g = n->graph;
    if (g->status) return g->status;
    fig__buf b;
    fig__buf_init(&b, g->ctx, 4096);
    if (*n->path) fig__buf_printf(&b, "%s: ", n->path);
    fig__buf_printf(&b, "%s: ", n->op->name);
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fig__buf_adds(&b, text);
    for (int i = 0; i < n->n_in; i++) {
        fig__buf_adds(&b, i ? " and " : ": given ");
        write_shape(&b, n->in[i]);
    }
    g->status = FIG_FAIL(g->ctx, FIG_ERR_SHAPE, "%s", fig__buf_str(&b));
    fig__buf_deinit(&b);
    return g->status;
}

static bool no_memory(fig_graph *g) {
    if (!g->status) g->status = FIG_ERR_NOMEM;
    return false;
}

/* --- module path ------------------------------------------------------------------------------------------------*/

void fig_enter(fig_graph *g, const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    char *path = fig__arena_printf(g->arena, "%s%s%s", g->path, *g->path ? "." : "", name);
    if (!path || FIG_PUSH(g->ctx, &g->scopes, (char *)g->path)) {
        no_memory(g);
        return;
    }
    g->path = path;
}

void fig_leave(fig_graph *g) {
    if (g->scopes.n) g->path = g->scopes.data[--g->scopes.n];
}

/* --- tensors ----------------------------------------------------------------------------------------------------*/

int fig_ndim(const fig_tensor *t) { return t ? t->ndim : 0; }
size_t fig_dim(const fig_tensor *t, int axis) {
    if (!t) return 1;
    if (axis < 0) axis += t->ndim;
    return axis < 0 || axis >= t->ndim ? 1 : t->shape[axis];
}
size_t fig_numel(const fig_tensor *t) {
    size_t n = 1;
    for (int i = 0; t && i < t->ndim; i++) n *= t->shape[i];
    return n;
}
fig_dtype fig_dtype_of(const fig_tensor *t) { return t ? t->dtype : FIG_F32; }

void fig_set_shape(fig_tensor *t, fig_dtype dtype, int ndim, const size_t *shape) {
    t->dtype = dtype;
    t->ndim = ndim;
    size_t stride = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        t->shape[i] = shape[i];
        t->stride[i] = stride;
        stride *= shape[i];
    }
}
void fig_set_like(fig_tensor *t, const fig_tensor *like) { fig_set_shape(t, like->dtype, like->ndim, like->shape); }

bool fig_is_contiguous(const fig_tensor *t) {
    size_t stride = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != stride) return false;
        stride *= t->shape[i];
    }
    return true;
}

fig_dtype fig_grad_dtype(const fig_tensor *t) {
    if (t->base->param && !t->base->is_param_grad) return t->dtype == FIG_F64 ? FIG_F64 : FIG_F32;
    return t->dtype;
}

fig_tensor *fig__tensor_new(fig_graph *g, fig_node *n, int index) {
    fig_tensor *t = fig__arena_alloc(g->arena, sizeof *t);
    if (!t || FIG_PUSH(g->ctx, &g->tensors, t)) {
        no_memory(g);
        return NULL;
    }
    *t = (fig_tensor){.node = n, .index = index, .base = t, .id = (uint32_t)(g->tensors.n - 1)};
    return t;
}

/* --- nodes ------------------------------------------------------------------------------------------------------*/

static fig_node *node_alloc(fig_graph *g, const fig_op *op, const void *attr, size_t attr_size, fig_tensor *const *in,
                            int n_in, int n_out) {
    fig_node *n = fig__arena_alloc(g->arena, sizeof *n);
    fig_tensor **ins = fig__arena_alloc(g->arena, sizeof *ins * (size_t)(n_in + n_out + 1));
    void *copy = attr_size ? fig__arena_alloc(g->arena, attr_size) : NULL;
    if (!n || !ins || (attr_size && !copy)) {
        no_memory(g);
        return NULL;
    }
    if (attr_size) memcpy(copy, attr, attr_size);
    if (n_in) memcpy(ins, in, sizeof *ins * (size_t)n_in);
    *n = (fig_node){.op = op,
                    .graph = g,
                    .path = g->path,
                    .attr = copy,
                    .attr_size = attr_size,
                    .n_in = n_in,
                    .n_out = n_out,
                    .in = ins,
                    .out = ins + n_in,
                    .id = (uint32_t)g->nodes.n};
    return n;
}

static fig_tensor *densified(fig_graph *g, fig_tensor *t);

fig_node *fig_node_new(fig_graph *g, const fig_op *op, const void *attr, size_t attr_size, fig_tensor *const *in,
                       int n_in, int n_out, unsigned optional) {
    if (g->status) return NULL;
    for (int i = 0; i < n_in; i++)
        if (!in[i] && !(optional >> i & 1)) {
            fig_graph_fail(g, FIG_ERR_ARG, "%s: input %d is missing", op->name, i);
            return NULL;
        }
    fig_node *n = node_alloc(g, op, attr, attr_size, in, n_in, n_out);
    if (!n) return NULL;
    if (!(op->flags & (FIG_OP_STRIDED | FIG_OP_VIEW | FIG_OP_EW)))
        for (int i = 0; i < n_in; i++)
            if (n->in[i] && !(n->in[i] = densified(g, n->in[i]))) return NULL;
    for (int i = 0; i < n_out; i++) {
        n->out[i] = fig__tensor_new(g, n, i);
        if (!n->out[i]) return NULL;
        if (op->flags & FIG_OP_VIEW) n->out[i]->base = n->in[0]->base;
    }
    if (op->infer(n)) return NULL;
    n->id = (uint32_t)g->nodes.n;
    if (FIG_PUSH(g->ctx, &g->nodes, n)) {
        no_memory(g);
        return NULL;
    }
    return n;
}

fig_tensor *fig_contiguous(fig_graph *g, fig_tensor *x);
static fig_tensor *densified(fig_graph *g, fig_tensor *t) { return fig_is_contiguous(t) ? t : fig_contiguous(g, t); }

static fig_tensor *first(fig_node *n) { return n ? n->out[0] : NULL; }
fig_tensor *fig__node1(fig_graph *g, const fig_op *op, const void *attr, size_t size, fig_tensor *a) {
    return first(fig_node_new(g, op, attr, size, &a, 1, 1, 0));
}
fig_tensor *fig__node2(fig_graph *g, const fig_op *op, const void *attr, size_t size, fig_tensor *a, fig_tensor *b) {
    return first(fig_node_new(g, op, attr, size, (fig_tensor *[]){a, b}, 2, 1, 0));
}
fig_tensor *fig__node3(fig_graph *g, const fig_op *op, const void *attr, size_t size, fig_tensor *a, fig_tensor *b,
                       fig_tensor *c) {
    return first(fig_node_new(g, op, attr, size, (fig_tensor *[]){a, b, c}, 3, 1, 0));
}

/* --- leaves -----------------------------------------------------------------------------------------------------*/

/* The extents of an input stay what fig_plan_resize made of them, so only the first call shapes it. */
static fig_status infer_leaf(fig_node *n) {
    const fig__leaf_attr *a = n->attr;
    if (n->out[0]->ndim == 0) fig_set_shape(n->out[0], a->dtype, a->ndim, a->shape);
    return FIG_OK;
}

const fig_op fig__op_input = {.name = "input", .flags = FIG_OP_LEAF, .infer = infer_leaf, FIG_NO_GRAD("a leaf")};
const fig_op fig__op_param = {.name = "param", .flags = FIG_OP_LEAF, .infer = infer_leaf, FIG_NO_GRAD("a leaf")};

static fig_tensor *leaf_new(fig_graph *g, const fig_op *op, const char *name, fig_dtype dtype, int ndim,
                            const size_t *shape) {
    fig__leaf_attr a = {.name = fig__arena_strdup(g->arena, name), .dtype = dtype, .ndim = ndim};
    if (ndim < 1 || ndim > FIG_MAX_DIMS) {
        fig_graph_fail(g, FIG_ERR_SHAPE, "%s: %d axes; 1 to %d are possible", name, ndim, FIG_MAX_DIMS);
        return NULL;
    }
    size_t n = 1;
    for (int i = 0; i < ndim; i++) {
        a.shape[i] = shape[i];
        if (!shape[i] || n > SIZE_MAX / 16 / shape[i]) {
            fig_graph_fail(g, FIG_ERR_SHAPE, "%s: axis %d has %zu elements", name, i, shape[i]);
            return NULL;
        }
        n *= shape[i];
    }
    return first(fig_node_new(g, op, &a, sizeof a, NULL, 0, 1, 0));
}

fig_tensor *fig_input(fig_graph *g, const char *name, fig_dtype dtype, int ndim, const size_t *shape) {
    if (g->status) return NULL;
    return leaf_new(g, &fig__op_input, name, dtype, ndim, shape);
}

static fig_tensor *known_leaf(fig_graph *g, const fig__param *param) {
    for (size_t i = 0; i < g->leaves.n; i++)
        if (g->leaves.key[i] == param) return g->leaves.leaf[i];
    return NULL;
}

static bool remember_leaf(fig_graph *g, fig__param *param, fig_tensor *leaf) {
    size_t need = g->leaves.n + 1;
    if (g->leaves.n == g->leaves.cap &&
        fig__grow(g->ctx, (void **)&g->leaves.leaf, &g->leaves.cap, need, sizeof(fig_tensor *)))
        return no_memory(g);
    if (g->leaves.n == g->leaves.key_cap &&
        fig__grow(g->ctx, (void **)&g->leaves.key, &g->leaves.key_cap, need, sizeof(fig__param *)))
        return no_memory(g);
    g->leaves.key[g->leaves.n] = param;
    g->leaves.leaf[g->leaves.n++] = leaf;
    return true;
}

static fig_tensor *store_leaf(fig_graph *g, const char *name, fig_init init, bool is_state, int ndim,
                              const size_t *shape) {
    if (g->status) return NULL;
    if (!g->params) {
        fig_graph_fail(g, FIG_ERR_ARG, "%s: this graph has no parameter store", name);
        return NULL;
    }
    char *path = fig__arena_printf(g->arena, "%s%s%s", g->path, *g->path ? "." : "", name);
    fig__param *param;
    if (!path) return no_memory(g), NULL;
    g->status = fig__params_use(g->params, path, init, is_state, ndim, shape, &param);
    if (g->status) return NULL;
    fig_tensor *t = known_leaf(g, param);
    if (t) return t;
    t = leaf_new(g, &fig__op_param, path, fig__param_view_type(g->params, param), ndim, shape);
    if (!t || !remember_leaf(g, param, t)) return NULL;
    t->param = param;
    return t;
}

fig_tensor *fig_param(fig_graph *g, const char *name, fig_init init, int ndim, const size_t *shape) {
    return store_leaf(g, name, init, false, ndim, shape);
}
fig_tensor *fig_state(fig_graph *g, const char *name, fig_init init, int ndim, const size_t *shape) {
    return store_leaf(g, name, init, true, ndim, shape);
}
