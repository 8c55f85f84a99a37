/* ops/shape.c: views (reshape, permute, slice, split, broadcast, stop-gradient) and copies (contiguous, concat, pad).
 * Attributes never hold run-time extents: a reshape says which axes it keeps, a slice may say "to the end". */
#include "ops/ops.h"

/* --- contiguous: a strided copy ---------------------------------------------------------------------------------*/

static fig_status infer_like(fig_node *n) {
    fig_set_like(n->out[0], n->in[0]);
    return FIG_OK;
}

typedef struct copy_job {
    const fig_exec *x;
    const fig_tensor *in;
    char *out; /* row-major, of in's extents */
    size_t esize, n_planes;
    int axis; /* the axis with stride 1 when it is not the last: planes (axis, last) are transposed */
} copy_job;

/* Offset of the i-th combination of all axes but `skip` and the last; out_offset is the same in the output. */
static size_t plane_offset(const fig_tensor *t, int skip, size_t i, size_t *out_offset) {
    size_t offset = 0, out_stride = fig_dim(t, -1);
    *out_offset = 0;
    for (int d = t->ndim - 2; d >= 0; d--) {
        if (d != skip) {
            offset += i % t->shape[d] * t->stride[d];
            *out_offset += i % t->shape[d] * out_stride;
            i /= t->shape[d];
        }
        out_stride *= t->shape[d];
    }
    return offset;
}

static size_t out_stride_of(const fig_tensor *t, int axis) {
    size_t s = 1;
    for (int d = t->ndim - 1; d > axis; d--) s *= t->shape[d];
    return s;
}

static void copy_elements(char *y, const char *x, size_t n, size_t stride, size_t esize) {
    for (size_t i = 0; i < n; i++) memcpy(y + i * esize, x + i * stride * esize, esize);
}

static void copy_tile(void *arg, size_t plane, int thread) {
    (void)thread;
    const copy_job *j = arg;
    const fig_tensor *t = j->in;
    size_t to, last = (size_t)t->ndim - 1, from = plane_offset(t, j->axis, plane, &to);
    const char *x = (const char *)t->data + from * j->esize;
    char *y = j->out + to * j->esize;
    if (j->axis >= 0)
        j->x->kernels->transpose(t->shape[last], t->shape[j->axis], y, out_stride_of(t, j->axis), x, t->stride[last],
                                 j->esize);
    else if (t->stride[last] == 1 || t->shape[last] == 1)
        memcpy(y, x, t->shape[last] * j->esize);
    else
        copy_elements(y, x, t->shape[last], t->stride[last], j->esize);
}

#define ROWS_PER_TILE 64
static void copy_tiles(void *arg, size_t tile, int thread) {
    const copy_job *j = arg;
    size_t end = FIG_MIN(j->n_planes, (tile + 1) * ROWS_PER_TILE);
    for (size_t i = tile * ROWS_PER_TILE; i < end; i++) copy_tile(arg, i, thread);
}

static void copy_strided(const fig_exec *x, char *out, const fig_tensor *in) {
    copy_job j = {.x = x, .in = in, .out = out, .esize = fig_dtype_size(in->dtype), .axis = -1, .n_planes = 1};
    int last = in->ndim - 1;
    if (in->stride[last] != 1 && in->shape[last] != 1)
        for (int d = 0; d < last; d++)
            if (in->stride[d] == 1 && in->shape[d] > 1) j.axis = d;
    for (int d = 0; d < last; d++)
        if (d != j.axis) j.n_planes *= in->shape[d];
    if (j.axis >= 0)
        fig__parallel(x->ctx, j.n_planes, copy_tile, &j);
    else
        fig__parallel(x->ctx, fig__ceil_div(j.n_planes, ROWS_PER_TILE), copy_tiles, &j);
}

static void forward_contiguous(const fig_exec *x, const fig_node *n) { copy_strided(x, n->out[0]->data, n->in[0]); }
static void pass_gradient(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    (void)g, (void)n;
    din[0] = dout[0];
}
static void pass_tangent(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    (void)g, (void)n;
    tout[0] = tin[0];
}
static fig_tensor *sample_contiguous(fig_op_sampler *s, int variant) {
    static const int axes[3][3] = {{2, 0, 1}, {0, 2, 1}, {1, 0, 2}};
    fig_graph *g = fig_sample_graph(s);
    return variant < 3 ? fig_contiguous(g, fig_permute(g, fig_sample_input(s, -1, 1, 3, 2, 3, 4), axes[variant]))
                       : NULL;
}
const fig_op fig__op_contiguous = {.name = "contiguous",
                                   .flags = FIG_OP_STRIDED,
                                   .infer = infer_like,
                                   .forward = forward_contiguous,
                                   .backward = pass_gradient,
                                   .tangent = pass_tangent,
                                   .sample = sample_contiguous};
fig_tensor *fig_contiguous(fig_graph *g, fig_tensor *x) { return fig__node1(g, &fig__op_contiguous, NULL, 0, x); }

/* --- reshape ----------------------------------------------------------------------------------------------------
 * Each output axis is a constant, an axis of the input, or what is left. Or the extents of a second input. */
typedef struct reshape_attr {
    int ndim;
    struct {
        enum { CONSTANT, KEEP, REST } kind;
        size_t value;
    } axis[FIG_MAX_DIMS];
} reshape_attr;

static fig_status infer_reshape(fig_node *n) {
    const reshape_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    fig_tensor *out = n->out[0];
    size_t shape[FIG_MAX_DIMS], known = 1, total = fig_numel(x);
    int rest = -1, ndim = n->n_in > 1 ? n->in[1]->ndim : a->ndim;
    for (int i = 0; i < ndim; i++) {
        if (n->n_in > 1)
            shape[i] = n->in[1]->shape[i];
        else if (a->axis[i].kind == CONSTANT)
            shape[i] = a->axis[i].value;
        else if (a->axis[i].kind == KEEP)
            shape[i] = x->shape[a->axis[i].value];
        else
            shape[rest = i] = 1;
        known *= shape[i];
    }
    if (rest >= 0 && known && total % known == 0) shape[rest] = total / known, known = total;
    if (known != total) return fig_node_fail(n, "%zu elements do not fill the new shape (%zu)", total, known);
    if (!fig_is_contiguous(x)) return fig_node_fail(n, "needs contiguous memory");
    fig_set_shape(out, x->dtype, ndim, shape);
    out->offset = x->offset;
    return FIG_OK;
}
static void backward_reshape(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = fig__reshape_like(g, dout[0], n->in[0]);
}
static void tangent_reshape(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    if (tin[0]) tout[0] = fig__reshape_like(g, tin[0], n->out[0]);
}
static fig_tensor *sample_reshape(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = variant < 2 ? fig_sample_input(s, -1, 1, 3, 2, 3, 4) : NULL;
    return variant == 0 ? fig_reshape(g, x, 2, (int64_t[]){0, -1}) : variant == 1 ? fig__rows(g, x) : NULL;
}
const fig_op fig__op_reshape = {.name = "reshape",
                                .flags = FIG_OP_VIEW,
                                .infer = infer_reshape,
                                .backward = backward_reshape,
                                .tangent = tangent_reshape,
                                .sample = sample_reshape,
                                .shape_only = 2};

static fig_tensor *dense(fig_graph *g, fig_tensor *x) { return x && !fig_is_contiguous(x) ? fig_contiguous(g, x) : x; }

fig_tensor *fig_reshape(fig_graph *g, fig_tensor *x, int ndim, const int64_t *shape) {
    reshape_attr a = {.ndim = ndim};
    if (ndim < 1 || ndim > FIG_MAX_DIMS) return fig_graph_fail(g, FIG_ERR_SHAPE, "reshape to %d axes", ndim), NULL;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0 && i >= fig_ndim(x))
            return fig_graph_fail(g, FIG_ERR_SHAPE, "reshape: no axis %d to keep", i), NULL;
        a.axis[i].kind = shape[i] == 0 ? KEEP : shape[i] < 0 ? REST : CONSTANT;
        a.axis[i].value = shape[i] == 0 ? (size_t)i : shape[i] < 0 ? 0 : (size_t)shape[i];
    }
    return fig__node1(g, &fig__op_reshape, &a, sizeof a, dense(g, x));
}
fig_tensor *fig__reshape_like(fig_graph *g, fig_tensor *x, fig_tensor *like) {
    return fig__node2(g, &fig__op_reshape, NULL, 0, dense(g, x), like);
}
fig_tensor *fig__rows(fig_graph *g, fig_tensor *x) {
    if (!x || x->ndim == 2) return x;
    reshape_attr a = {.ndim = 2, .axis = {{REST, 0}, {KEEP, (size_t)(x->ndim - 1)}}};
    return fig__node1(g, &fig__op_reshape, &a, sizeof a, dense(g, x));
}

/* --- permute ----------------------------------------------------------------------------------------------------*/

typedef struct permute_attr {
    int axes[FIG_MAX_DIMS];
} permute_attr;

static fig_status infer_permute(fig_node *n) {
    const permute_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    fig_tensor *out = n->out[0];
    unsigned seen = 0;
    out->dtype = x->dtype;
    out->ndim = x->ndim;
    out->offset = x->offset;
    for (int i = 0; i < x->ndim; i++) {
        if (a->axes[i] < 0 || a->axes[i] >= x->ndim || seen >> a->axes[i] & 1)
            return fig_node_fail(n, "not a permutation of the axes");
        seen |= 1u << a->axes[i];
        out->shape[i] = x->shape[a->axes[i]];
        out->stride[i] = x->stride[a->axes[i]];
    }
    return FIG_OK;
}
static void backward_permute(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    const permute_attr *a = n->attr;
    int inverse[FIG_MAX_DIMS];
    for (int i = 0; i < n->in[0]->ndim; i++) inverse[a->axes[i]] = i;
    din[0] = fig_permute(g, dout[0], inverse);
}
static void tangent_permute(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = fig_permute(g, tin[0], ((const permute_attr *)n->attr)->axes);
}
static fig_tensor *sample_permute(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    return variant ? NULL
                   : fig_square(g, fig_permute(g, fig_sample_input(s, -1, 1, 4, 2, 3, 4, 2), (int[]){3, 1, 0, 2}));
}
const fig_op fig__op_permute = {.name = "permute",
                                .flags = FIG_OP_VIEW | FIG_OP_STRIDED,
                                .infer = infer_permute,
                                .backward = backward_permute,
                                .tangent = tangent_permute,
                                .sample = sample_permute};
fig_tensor *fig_permute(fig_graph *g, fig_tensor *x, const int *axes) {
    permute_attr a = {{0}};
    for (int i = 0; i < fig_ndim(x); i++) a.axes[i] = axes[i];
    return fig__node1(g, &fig__op_permute, &a, sizeof a, x);
}
fig_tensor *fig_transpose(fig_graph *g, fig_tensor *x, int axis_a, int axis_b) {
    if (!x) return NULL;
    int axes[FIG_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) axes[i] = i;
    axes[fig__axis(x, axis_a)] = fig__axis(x, axis_b);
    axes[fig__axis(x, axis_b)] = fig__axis(x, axis_a);
    return fig_permute(g, x, axes);
}

/* --- slice and split --------------------------------------------------------------------------------------------*/

/* A second input may lend its extent: to be the length, from start or up to the end, or to be the start. */
typedef struct slice_attr {
    int axis;
    int64_t start;
    size_t length;
    enum { LEND_NOTHING, LEND_LENGTH, LEND_LENGTH_AT_END, LEND_START } lent;
} slice_attr;

static fig_status infer_slice(fig_node *n) {
    const slice_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    fig_tensor *out = n->out[0];
    if (a->axis < 0 || a->axis >= x->ndim) return fig_node_fail(n, "there is no axis %d", a->axis);
    size_t extent = x->shape[a->axis], lent = a->lent ? n->in[1]->shape[a->axis] : 0;
    size_t start = a->start < 0 ? extent - (size_t)-a->start : (size_t)a->start;
    if (a->lent == LEND_START) start = lent;
    if (a->lent == LEND_LENGTH_AT_END) start = extent - lent;
    size_t length = a->lent == LEND_LENGTH ? lent : a->length ? a->length : extent - start;
    if (start >= extent || length > extent - start)
        return fig_node_fail(n, "elements %zu to %zu of an axis of %zu", start, start + length, extent);
    out->dtype = x->dtype;
    out->ndim = x->ndim;
    out->offset = x->offset + start * x->stride[a->axis];
    memcpy(out->shape, x->shape, sizeof out->shape);
    memcpy(out->stride, x->stride, sizeof out->stride);
    out->shape[a->axis] = length;
    return FIG_OK;
}
/* Before and after may depend on extents, so the gradient is a pad that looks at its second input's extent. */
static fig_tensor *pad_back(fig_graph *g, fig_tensor *d, fig_tensor *x, const slice_attr *a);
static void backward_slice(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = pad_back(g, dout[0], n->in[0], n->attr);
}
static fig_tensor *slice_lent(fig_graph *g, fig_tensor *x, slice_attr a, fig_tensor *like);
static void tangent_slice(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = slice_lent(g, tin[0], *(const slice_attr *)n->attr, n->n_in > 1 ? n->in[1] : NULL);
}
static fig_tensor *sample_slice(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    if (variant > 2) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 3, 5, 4);
    return variant == 0   ? fig_slice(g, x, 1, 1, 3)
           : variant == 1 ? fig_slice(g, x, 0, -1, 1)
                          : fig_slice(g, x, 2, 2, 0);
}
const fig_op fig__op_slice = {.name = "slice",
                              .flags = FIG_OP_VIEW | FIG_OP_STRIDED,
                              .infer = infer_slice,
                              .backward = backward_slice,
                              .tangent = tangent_slice,
                              .sample = sample_slice,
                              .shape_only = 2};
static fig_tensor *slice_lent(fig_graph *g, fig_tensor *x, slice_attr a, fig_tensor *like) {
    if (!a.lent) return fig__node1(g, &fig__op_slice, &a, sizeof a, x);
    return fig__node2(g, &fig__op_slice, &a, sizeof a, x, like);
}
fig_tensor *fig_slice(fig_graph *g, fig_tensor *x, int axis, int64_t start, size_t length) {
    return slice_lent(g, x, (slice_attr){.axis = x ? fig__axis(x, axis) : 0, .start = start, .length = length}, NULL);
}

#define MAX_PARTS 8
typedef struct split_attr {
    int axis, n;
    size_t size[MAX_PARTS];
} split_attr;

static fig_status infer_split(fig_node *n) {
    const split_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    size_t start = 0;
    if (a->axis < 0 || a->axis >= x->ndim) return fig_node_fail(n, "there is no axis %d", a->axis);
    for (int i = 0; i < a->n; i++) {
        fig_tensor *out = n->out[i];
        out->dtype = x->dtype;
        out->ndim = x->ndim;
        out->offset = x->offset + start * x->stride[a->axis];
        memcpy(out->shape, x->shape, sizeof out->shape);
        memcpy(out->stride, x->stride, sizeof out->stride);
        out->shape[a->axis] = a->size[i];
        start += a->size[i];
    }
    return start == x->shape[a->axis] ? FIG_OK
                                      : fig_node_fail(n, "parts add up to %zu of %zu", start, x->shape[a->axis]);
}
static void backward_split(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    const split_attr *a = n->attr;
    fig_tensor *parts[MAX_PARTS];
    for (int i = 0; i < a->n; i++) parts[i] = dout[i] ? dout[i] : fig__fill_like(g, n->out[i], 0);
    din[0] = fig_concat(g, parts, a->n, a->axis);
}
static void tangent_split(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    const split_attr *a = n->attr;
    fig_split(g, tin[0], a->axis, a->n, a->size, tout);
}
static fig_tensor *sample_split(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *parts[3];
    if (variant > 1 || !fig_split(g, fig_sample_input(s, -1, 1, 3, 2, 3, 6), 2, 3, (size_t[]){2, 2, 2}, parts))
        return NULL;
    return variant ? fig_square(g, parts[1]) : fig_mul(g, parts[0], parts[2]);
}
const fig_op fig__op_split = {.name = "split",
                              .flags = FIG_OP_VIEW | FIG_OP_STRIDED,
                              .infer = infer_split,
                              .backward = backward_split,
                              .tangent = tangent_split,
                              .sample = sample_split};
bool fig_split(fig_graph *g, fig_tensor *x, int axis, int n, const size_t *sizes, fig_tensor **out) {
    split_attr a = {x ? fig__axis(x, axis) : 0, n, {0}};
    for (int i = 0; i < n; i++) out[i] = NULL;
    if (n < 1 || n > MAX_PARTS)
        return fig_graph_fail(g, FIG_ERR_ARG, "split into %d parts; at most %d", n, MAX_PARTS), false;
    memcpy(a.size, sizes, sizeof *sizes * (size_t)n);
    fig_node *node = fig_node_new(g, &fig__op_split, &a, sizeof a, &x, 1, n, 0);
    for (int i = 0; node && i < n; i++) out[i] = node->out[i];
    return node != NULL;
}

/* --- broadcast --------------------------------------------------------------------------------------------------*/

static fig_status infer_broadcast(fig_node *n) {
    const fig_tensor *x = n->in[0], *like = n->in[1];
    fig_tensor *out = n->out[0];
    int lead = like->ndim - x->ndim;
    if (lead < 0) return fig_node_fail(n, "has more axes than what it broadcasts to");
    out->dtype = x->dtype;
    out->ndim = like->ndim;
    out->offset = x->offset;
    for (int i = 0; i < like->ndim; i++) {
        size_t extent = i < lead ? 1 : x->shape[i - lead];
        if (extent != 1 && extent != like->shape[i]) return fig_node_fail(n, "shapes do not broadcast");
        out->shape[i] = like->shape[i];
        out->stride[i] = extent == 1 ? 0 : x->stride[i - lead];
    }
    return FIG_OK;
}
static void backward_broadcast(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = fig__sum_to(g, dout[0], n->in[0]);
}
static void tangent_broadcast(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    if (tin[0]) tout[0] = fig_broadcast_like(g, tin[0], n->in[1]);
}
static fig_tensor *sample_broadcast(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *like = variant ? NULL : fig_sample_const(s, 0, 1, 3, 2, 3, 4);
    return variant ? NULL : fig_square(g, fig_broadcast_like(g, fig_sample_input(s, -1, 1, 2, 3, 1), like));
}
const fig_op fig__op_broadcast = {.name = "broadcast",
                                  .flags = FIG_OP_VIEW | FIG_OP_STRIDED,
                                  .infer = infer_broadcast,
                                  .backward = backward_broadcast,
                                  .tangent = tangent_broadcast,
                                  .sample = sample_broadcast,
                                  .shape_only = 2};
fig_tensor *fig_broadcast_like(fig_graph *g, fig_tensor *x, fig_tensor *like) {
    bool same = x && like && x->ndim == like->ndim;
    for (int i = 0; same && i < x->ndim; i++) same = x->shape[i] == like->shape[i];
    return same ? x : fig__node2(g, &fig__op_broadcast, NULL, 0, x, like);
}

/* --- concat and pad ---------------------------------------------------------------------------------------------*/

static fig_status infer_concat(fig_node *n) {
    int axis = *(const int *)n->attr;
    size_t shape[FIG_MAX_DIMS], total = 0;
    const fig_tensor *first = n->in[0];
    if (axis < 0 || axis >= first->ndim) return fig_node_fail(n, "there is no axis %d", axis);
    for (int i = 0; i < n->n_in; i++) {
        bool fits = n->in[i]->ndim == first->ndim && n->in[i]->dtype == first->dtype;
        for (int d = 0; fits && d < first->ndim; d++) fits = d == axis || n->in[i]->shape[d] == first->shape[d];
        if (!fits) return fig_node_fail(n, "the inputs differ beyond axis %d", axis);
        total += n->in[i]->shape[axis];
    }
    memcpy(shape, first->shape, sizeof shape);
    shape[axis] = total;
    fig_set_shape(n->out[0], first->dtype, first->ndim, shape);
    return FIG_OK;
}
/* Rows: all axes before `axis` in one; each input gives one run of elements per row. */
typedef struct concat_job {
    const fig_node *n;
    size_t inner, row_elems, rows;
    int axis;
} concat_job;
static void concat_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const concat_job *j = arg;
    size_t esize = fig_dtype_size(j->n->out[0]->dtype), end = FIG_MIN(j->rows, (tile + 1) * ROWS_PER_TILE);
    for (size_t r = tile * ROWS_PER_TILE; r < end; r++) {
        char *y = (char *)j->n->out[0]->data + r * j->row_elems * esize;
        for (int i = 0; i < j->n->n_in; i++) {
            size_t bytes = j->n->in[i]->shape[j->axis] * j->inner * esize;
            memcpy(y, (const char *)j->n->in[i]->data + r * bytes, bytes);
            y += bytes;
        }
    }
}
static void forward_concat(const fig_exec *x, const fig_node *n) {
    concat_job j = {.n = n, .inner = 1, .rows = 1, .axis = *(const int *)n->attr};
    for (int d = j.axis + 1; d < n->out[0]->ndim; d++) j.inner *= n->out[0]->shape[d];
    for (int d = 0; d < j.axis; d++) j.rows *= n->out[0]->shape[d];
    j.row_elems = j.inner * n->out[0]->shape[j.axis];
    fig__parallel(x->ctx, fig__ceil_div(j.rows, ROWS_PER_TILE), concat_tile, &j);
}
/* One input's part after the other is cut off the front. */
static void backward_concat(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    int axis = *(const int *)n->attr;
    fig_tensor *rest = dout[0];
    for (int i = 0; i + 1 < n->n_in; i++) {
        din[i] = slice_lent(g, rest, (slice_attr){.axis = axis, .lent = LEND_LENGTH}, n->in[i]);
        rest = slice_lent(g, rest, (slice_attr){.axis = axis, .lent = LEND_START}, n->in[i]);
    }
    din[n->n_in - 1] = rest;
}
static void tangent_concat(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    fig_tensor *t[16];
    for (int i = 0; i < n->n_in; i++) t[i] = tin[i] ? tin[i] : fig__fill_like(g, n->in[i], 0);
    tout[0] = fig_concat(g, t, n->n_in, *(const int *)n->attr);
}
static fig_tensor *sample_concat(fig_op_sampler *s, int variant) {
    if (variant > 2) return NULL;
    fig_tensor *x[2] = {fig_sample_input(s, -1, 1, 3, 2, 2, 4), fig_sample_input(s, -1, 1, 3, 2, 2, 4)};
    return fig_square(fig_sample_graph(s), fig_concat(fig_sample_graph(s), x, 2, variant));
}
const fig_op fig__op_concat = {.name = "concat",
                               .infer = infer_concat,
                               .forward = forward_concat,
                               .backward = backward_concat,
                               .tangent = tangent_concat,
                               .sample = sample_concat};
fig_tensor *fig_concat(fig_graph *g, fig_tensor *const *x, int n, int axis) {
    if (n < 1 || !x[0]) return NULL;
    axis = fig__axis(x[0], axis);
    fig_node *node = fig_node_new(g, &fig__op_concat, &axis, sizeof axis, x, n, 1, 0);
    return node ? node->out[0] : NULL;
}

typedef struct pad_attr {
    int axis;
    size_t before, after;
    /* Of a slice's gradient: how its part lies in the second input's axis; the rest of that is padding. */
    int64_t start;
    bool at_end;
    double value;
} pad_attr;

static size_t pad_before(const fig_node *n) {
    const pad_attr *a = n->attr;
    if (n->n_in < 2) return a->before;
    size_t extent = n->in[1]->shape[a->axis];
    if (a->at_end) return extent - n->in[0]->shape[a->axis];
    return a->start < 0 ? extent - (size_t)-a->start : (size_t)a->start;
}
static fig_status infer_pad(fig_node *n) {
    const pad_attr *a = n->attr;
    if (a->axis < 0 || a->axis >= n->in[0]->ndim) return fig_node_fail(n, "there is no axis %d", a->axis);
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, n->in[0]->shape, sizeof shape);
    shape[a->axis] = n->n_in > 1 ? n->in[1]->shape[a->axis] : shape[a->axis] + a->before + a->after;
    fig_set_shape(n->out[0], n->in[0]->dtype, n->in[0]->ndim, shape);
    return FIG_OK;
}
typedef struct pad_job {
    const fig_node *n;
    size_t lead, have, want;
    unsigned char unit[8];
} pad_job;

/* The padding value as one element of the tensor's type. */
static void make_unit(const figk_table *k, fig_dtype dtype, double value, void *unit) {
    float narrow = (float)value;
    int32_t whole = (int32_t)value;
    if (dtype == FIG_F64)
        memcpy(unit, &value, sizeof value);
    else if (dtype == FIG_I32)
        memcpy(unit, &whole, sizeof whole);
    else
        k->store(1, unit, dtype, 1, &narrow);
}
static void fill_run(const pad_job *j, char *y, size_t n) {
    size_t esize = fig_dtype_size(j->n->out[0]->dtype);
    for (size_t i = 0; i < n; i++) memcpy(y + i * esize, j->unit, esize);
}
static void pad_tile(void *arg, size_t r, int thread) {
    (void)thread;
    const pad_job *j = arg;
    size_t esize = fig_dtype_size(j->n->out[0]->dtype);
    char *y = (char *)j->n->out[0]->data + r * j->want * esize;
    fill_run(j, y, j->lead);
    memcpy(y + j->lead * esize, (const char *)j->n->in[0]->data + r * j->have * esize, j->have * esize);
    fill_run(j, y + (j->lead + j->have) * esize, j->want - j->lead - j->have);
}
static void forward_pad(const fig_exec *x, const fig_node *n) {
    const pad_attr *a = n->attr;
    pad_job j = {.n = n};
    size_t rows = 1, inner = 1;
    for (int d = a->axis + 1; d < n->out[0]->ndim; d++) inner *= n->out[0]->shape[d];
    for (int d = 0; d < a->axis; d++) rows *= n->out[0]->shape[d];
    j.lead = pad_before(n) * inner;
    j.have = n->in[0]->shape[a->axis] * inner;
    j.want = n->out[0]->shape[a->axis] * inner;
    make_unit(x->kernels, n->out[0]->dtype, a->value, j.unit);
    fig__parallel(x->ctx, rows, pad_tile, &j);
}
static void backward_pad(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    const pad_attr *a = n->attr;
    slice_attr s = {.axis = a->axis,
                    .start = n->n_in > 1 ? a->start : (int64_t)a->before,
                    .lent = a->at_end ? LEND_LENGTH_AT_END : LEND_LENGTH};
    din[0] = slice_lent(g, dout[0], s, n->in[0]);
}
static void tangent_pad(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    pad_attr a = *(const pad_attr *)n->attr;
    a.value = 0;
    tout[0] =
        n->n_in > 1 ? fig__node2(g, n->op, &a, sizeof a, tin[0], n->in[1]) : fig__node1(g, n->op, &a, sizeof a, tin[0]);
}
static fig_tensor *sample_pad(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    return variant < 3 ? fig_square(g, fig_pad(g, fig_sample_input(s, -1, 1, 3, 2, 3, 4), variant, 1, 2, 0.5)) : NULL;
}
const fig_op fig__op_pad = {.name = "pad",
                            .infer = infer_pad,
                            .forward = forward_pad,
                            .backward = backward_pad,
                            .tangent = tangent_pad,
                            .sample = sample_pad,
                            .shape_only = 2};
fig_tensor *fig_pad(fig_graph *g, fig_tensor *x, int axis, size_t before, size_t after, double value) {
    pad_attr a = {.axis = x ? fig__axis(x, axis) : 0, .before = before, .after = after, .value = value};
    return fig__node1(g, &fig__op_pad, &a, sizeof a, x);
}
static fig_tensor *pad_back(fig_graph *g, fig_tensor *d, fig_tensor *x, const slice_attr *s) {
    bool at_end = s->lent ? s->lent != LEND_LENGTH : !s->length;
    pad_attr a = {.axis = s->axis, .start = s->start, .at_end = at_end};
    return fig__node2(g, &fig__op_pad, &a, sizeof a, d, x);
}

/* --- gradients' own ---------------------------------------------------------------------------------------------*/

static fig_status infer_alias(fig_node *n) {
    const fig_tensor *x = n->in[0];
    fig_tensor *out = n->out[0];
    bool fits = n->n_in < 2 || n->in[1]->ndim == x->ndim;
    for (int i = 0; fits && n->n_in > 1 && i < x->ndim; i++) fits = n->in[1]->shape[i] == x->shape[i];
    if (!fits) return fig_node_fail(n, "both need one shape");
    out->dtype = x->dtype;
    out->ndim = x->ndim;
    out->offset = x->offset;
    memcpy(out->shape, x->shape, sizeof out->shape);
    memcpy(out->stride, x->stride, sizeof out->stride);
    return FIG_OK;
}
static void backward_stop(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    (void)g, (void)n, (void)dout, (void)din;
}
static void tangent_stop(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    (void)g, (void)n, (void)tin, (void)tout;
}
static fig_tensor *sample_stop(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *c = variant ? NULL : fig_sample_const(s, -1, 1, 2, 3, 4);
    return variant ? NULL : fig_mul(g, fig_stop_gradient(g, c), fig_sample_input(s, -1, 1, 2, 3, 4));
}
const fig_op fig__op_stop_gradient = {.name = "stop_gradient",
                                      .flags = FIG_OP_VIEW | FIG_OP_STRIDED | FIG_OP_STOP,
                                      .infer = infer_alias,
                                      .backward = backward_stop,
                                      .tangent = tangent_stop,
                                      .sample = sample_stop};
fig_tensor *fig_stop_gradient(fig_graph *g, fig_tensor *x) { return fig__node1(g, &fig__op_stop_gradient, NULL, 0, x); }

static void backward_through(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    (void)g, (void)n;
    din[1] = dout[0];
}
static void tangent_through(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    (void)g, (void)n;
    tout[0] = tin[1];
}
/* value and x are the same numbers here, so that the straight-through gradient is the true one. */
static fig_tensor *sample_through(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = variant ? NULL : fig_sample_input(s, -1, 1, 2, 3, 4);
    return variant ? NULL : fig_square(g, fig_straight_through(g, fig_scale(g, x, 1), x));
}
const fig_op fig__op_straight_through = {.name = "straight_through",
                                         .flags = FIG_OP_VIEW | FIG_OP_STRIDED,
                                         .infer = infer_alias,
                                         .backward = backward_through,
                                         .tangent = tangent_through,
                                         .sample = sample_through};
fig_tensor *fig_straight_through(fig_graph *g, fig_tensor *value, fig_tensor *x) {
    return fig__node2(g, &fig__op_straight_through, NULL, 0, value, x);
}
