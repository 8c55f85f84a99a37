/* ops/resample.c: linear maps along one axis, each element a weighted sum of a few: a filter with zeros put in and left
 * out (upfirdn), means over shares of an axis (adaptive pooling), resizing with an antialiasing filter.
 *
 * A map is a sparse matrix [outputs, inputs], worked out from the sizes of the run into the workspace; its transpose is
 * the gradient. A tensor is seen as [outer, n, inner] around the axis, so that an output is a blend of rows. */
#include "base/resize.h"
#include "ops/ops.h"

typedef enum resample_kind { FIR, MEAN, RESIZE } resample_kind;
typedef struct resample_attr {
    resample_kind kind;
    int axis;
    size_t n; /* outputs of MEAN and RESIZE */
    fig__resize_filter resize;
    fig_fir fir;
} resample_attr;

/* --- the map ----------------------------------------------------------------------------------------------------*/

/* Row by row: entries first[i] .. first[i+1]-1 say which inputs with which weights. */
typedef struct sparse {
    size_t n_rows, n_entries;
    size_t *first;
    uint32_t *index;
    double *weight;
} sparse;

static size_t n_outputs(const resample_attr *a, size_t n) {
    if (a->kind != FIR) return a->n;
    int64_t room = (int64_t)(n * a->fir.up) + a->fir.before + a->fir.after - (int64_t)a->fir.n_taps;
    return room < 0 ? 0 : (size_t)room / a->fir.down + 1;
}

static size_t most_entries(const resample_attr *a, size_t n_in, size_t n_out) { /* of one output */
    if (a->kind == FIR) return a->fir.n_taps;
    if (a->kind == RESIZE) return fig__resize_most(a->resize, n_in, n_out);
    return fig__ceil_div(n_in, FIG_MAX(n_out, 1)) + 1;
}

static void add_entry(sparse *m, int64_t index, double weight) {
    m->index[m->n_entries] = (uint32_t)index;
    m->weight[m->n_entries++] = weight;
}

static void fir_row(const resample_attr *a, sparse *m, size_t n_in, size_t row) {
    for (size_t tap = 0; tap < a->fir.n_taps; tap++) {
        int64_t at = (int64_t)(row * a->fir.down + tap) - a->fir.before, up = (int64_t)a->fir.up;
        if (at >= 0 && at % up == 0 && at / up < (int64_t)n_in) add_entry(m, at / up, a->fir.taps[tap]);
    }
}

static void mean_row(sparse *m, size_t n_in, size_t n_out, size_t row) {
    size_t first = row * n_in / n_out, last = fig__ceil_div((row + 1) * n_in, n_out);
    for (size_t i = first; i < last; i++) add_entry(m, (int64_t)i, 1 / (double)(last - first));
}

static void resize_row(fig__resize_filter f, sparse *m, size_t n_in, size_t n_out, size_t row) {
    size_t first, n = fig__resize_weights(f, n_in, n_out, row, &first, m->weight + m->n_entries);
    for (size_t i = 0; i < n; i++) m->index[m->n_entries++] = (uint32_t)(first + i);
}

/* Lays a map of n_rows with at most `room` entries out in memory, and moves the memory on. */
static sparse place(char **memory, size_t n_rows, size_t room) {
    sparse m = {.n_rows = n_rows, .weight = (double *)(void *)*memory};
    m.first = (size_t *)(void *)(m.weight + room);
    m.index = (uint32_t *)(void *)(m.first + n_rows + 1);
    *memory = (char *)m.first + (n_rows + 1) * sizeof(size_t) + fig__round_up(room * sizeof(uint32_t), 8);
    return m;
}
static size_t placed_bytes(size_t n_rows, size_t room) {
    return room * sizeof(double) + (n_rows + 1) * sizeof(size_t) + fig__round_up(room * sizeof(uint32_t), 8);
}

static sparse map_of(const resample_attr *a, size_t n_in, size_t n_out, char **memory) {
    sparse m = place(memory, n_out, n_out * most_entries(a, n_in, n_out));
    for (size_t row = 0; row < n_out; row++) {
        m.first[row] = m.n_entries;
        if (a->kind == FIR) fir_row(a, &m, n_in, row);
        if (a->kind == MEAN) mean_row(&m, n_in, n_out, row);
        if (a->kind == RESIZE) resize_row(a->resize, &m, n_in, n_out, row);
    }
    m.first[n_out] = m.n_entries;
    return m;
}

/* Entries of a row stay in the order of the rows that they come from. */
static sparse transposed(const sparse *m, size_t n_rows, char **memory) {
    sparse t = place(memory, n_rows, m->n_entries);
    t.n_entries = m->n_entries;
    memset(t.first, 0, (n_rows + 1) * sizeof *t.first);
    for (size_t e = 0; e < m->n_entries; e++) t.first[m->index[e] + 1]++;
    for (size_t i = 0; i < n_rows; i++) t.first[i + 1] += t.first[i];
    for (size_t row = m->n_rows; row-- > 0;) /* from the end, filling each row backwards */
        for (size_t e = m->first[row + 1]; e-- > m->first[row];) {
            size_t at = --t.first[m->index[e] + 1];
            t.index[at] = (uint32_t)row;
            t.weight[at] = m->weight[e];
        }
    /* first[i + 1] went down to the start of row i */
    for (size_t i = 0; i < n_rows; i++) t.first[i] = t.first[i + 1];
    t.first[n_rows] = m->n_entries;
    return t;
}

/* --- running ----------------------------------------------------------------------------------------------------*/

typedef struct job {
    const fig_exec *x;
    const fig_tensor *from, *to;
    sparse map;
    size_t outer, n_in, inner;
} job;
#define TILE_ROWS 16

static void blend_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const job *j = arg;
    size_t tiles = fig__ceil_div(j->map.n_rows, TILE_ROWS), outer = tile / tiles, row = tile % tiles * TILE_ROWS;
    for (size_t end = FIG_MIN(row + TILE_ROWS, j->map.n_rows); row < end; row++) {
        size_t first = j->map.first[row], n = j->map.first[row + 1] - first;
        const void **rows = fig__scratch(j->x->ctx, thread, (n + 1) * sizeof *rows);
        for (size_t e = 0; e < n; e++)
            rows[e] = fig__at(j->from, (outer * j->n_in + j->map.index[first + e]) * j->inner);
        j->x->kernels->blend(n, j->inner, fig__at(j->to, (outer * j->map.n_rows + row) * j->inner), j->to->dtype, rows,
                             j->from->dtype, j->map.weight + first);
    }
}

/* The tensor on the map's input side and on its output side. */
static const fig_tensor *input_side(const fig_node *n) { return n->op == &fig__op_resample ? n->in[0] : n->out[0]; }
static const fig_tensor *output_side(const fig_node *n) { return n->op == &fig__op_resample ? n->out[0] : n->in[0]; }

static void forward_resample(const fig_exec *x, const fig_node *n) {
    const resample_attr *a = n->attr;
    const fig_tensor *in = input_side(n), *out = output_side(n);
    char *memory = x->workspace;
    job j = {.x = x, .from = n->in[0], .to = n->out[0], .outer = 1, .n_in = n->in[0]->shape[a->axis], .inner = 1};
    for (int d = 0; d < a->axis; d++) j.outer *= in->shape[d];
    for (int d = a->axis + 1; d < in->ndim; d++) j.inner *= in->shape[d];
    j.map = map_of(a, in->shape[a->axis], out->shape[a->axis], &memory);
    if (in != n->in[0]) j.map = transposed(&j.map, in->shape[a->axis], &memory);
    fig__parallel(x->ctx, j.outer * fig__ceil_div(j.map.n_rows, TILE_ROWS), blend_tile, &j);
}
static size_t workspace_resample(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    const resample_attr *a = n->attr;
    size_t n_in = input_side(n)->shape[a->axis], n_out = output_side(n)->shape[a->axis];
    size_t room = n_out * most_entries(a, n_in, n_out);
    return placed_bytes(n_out, room) + placed_bytes(n_in, room);
}
static size_t scratch_resample(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    const resample_attr *a = n->attr;
    size_t n_in = input_side(n)->shape[a->axis], n_out = output_side(n)->shape[a->axis];
    return (FIG_MAX(most_entries(a, n_in, n_out), n_out) + 1) * sizeof(void *);
}

/* --- the op and its transpose -----------------------------------------------------------------------------------*/

static fig_status infer_resample(fig_node *n) {
    const resample_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    size_t shape[FIG_MAX_DIMS];
    if (a->axis < 0 || a->axis >= x->ndim) return fig_node_fail(n, "there is no axis %d", a->axis);
    memcpy(shape, x->shape, sizeof shape);
    shape[a->axis] = n_outputs(a, x->shape[a->axis]);
    if (!shape[a->axis]) return fig_node_fail(n, "the filter does not fit into the axis");
    fig_set_shape(n->out[0], x->dtype, x->ndim, shape);
    return FIG_OK;
}
static fig_status infer_transpose(fig_node *n) {
    const fig_tensor *like = n->in[1];
    fig_set_shape(n->out[0], n->in[0]->dtype, like->ndim, like->shape);
    return FIG_OK;
}
static fig_tensor *resample(fig_graph *g, fig_tensor *x, const resample_attr *a) {
    return fig__node1(g, &fig__op_resample, a, sizeof *a, x);
}
static fig_tensor *resample_transpose(fig_graph *g, fig_tensor *y, fig_tensor *like, const resample_attr *a) {
    return fig__node2(g, &fig__op_resample_transpose, a, sizeof *a, y, like);
}
static void backward_resample(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = resample_transpose(g, dout[0], n->in[0], n->attr);
}
static void tangent_resample(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = resample(g, tin[0], n->attr);
}
static void backward_transpose(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = resample(g, dout[0], n->attr);
}
static void tangent_transpose(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    if (tin[0]) tout[0] = resample_transpose(g, tin[0], n->out[0], n->attr);
}

/* --- samples ----------------------------------------------------------------------------------------------------*/

static const struct {
    int before, n, after;
    resample_attr attr;
} cases[] = {
    {2, 5, 3, {FIR, 1, 0, 0, {.up = 2, .down = 1, .n_taps = 3, .taps = {0.5, 1, 0.5}, .before = 1, .after = 1}}},
    {2, 7, 1, {FIR, 1, 0, 0, {.up = 1, .down = 2, .n_taps = 4, .taps = {1, 3, 3, 1}, .before = 2, .after = 1}}},
    {1, 8, 2, {FIR, 1, 0, 0, {.up = 3, .down = 2, .n_taps = 2, .taps = {1, -2}, .before = -1, .after = 0}}},
    {2, 7, 2, {MEAN, 1, 3, 0, {0}}},
    {1, 3, 2, {MEAN, 1, 5, 0, {0}}},
    {2, 9, 2, {RESIZE, 1, 4, FIG__RESIZE_LINEAR, {0}}},
    {1, 4, 3, {RESIZE, 1, 7, FIG__RESIZE_CUBIC, {0}}},
    {1, 8, 1, {RESIZE, 1, 5, FIG__RESIZE_LANCZOS, {0}}},
};
static fig_tensor *sample_resample(fig_op_sampler *s, int variant) {
    if (variant >= (int)FIG_COUNT(cases)) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, cases[variant].before, cases[variant].n, cases[variant].after);
    return resample(fig_sample_graph(s), x, &cases[variant].attr);
}
static fig_tensor *sample_transpose(fig_op_sampler *s, int variant) {
    if (variant >= (int)FIG_COUNT(cases)) return NULL;
    int before = cases[variant].before, n = cases[variant].n, after = cases[variant].after;
    int out = (int)n_outputs(&cases[variant].attr, (size_t)n);
    fig_tensor *y = fig_sample_input(s, -1, 1, 3, before, out, after);
    return resample_transpose(fig_sample_graph(s), y, fig_sample_const(s, 0, 0, 3, before, n, after),
                              &cases[variant].attr);
}
const fig_op fig__op_resample = {.name = "resample",
                                 .infer = infer_resample,
                                 .forward = forward_resample,
                                 .backward = backward_resample,
                                 .tangent = tangent_resample,
                                 .workspace = workspace_resample,
                                 .scratch = scratch_resample,
                                 .sample = sample_resample};
const fig_op fig__op_resample_transpose = {.name = "resample_transpose",
                                           .infer = infer_transpose,
                                           .forward = forward_resample,
                                           .backward = backward_transpose,
                                           .tangent = tangent_transpose,
                                           .workspace = workspace_resample,
                                           .scratch = scratch_resample,
                                           .sample = sample_transpose,
                                           .shape_only = 2};

/* --- the interface ----------------------------------------------------------------------------------------------*/

fig_tensor *fig_resample_fir(fig_graph *g, fig_tensor *x, int axis, const fig_fir *fir) {
    if (!x) return NULL;
    if (!fir->up || !fir->down || !fir->n_taps || fir->n_taps > FIG_MAX_TAPS) {
        fig_graph_fail(g, FIG_ERR_ARG, "resample: a filter has 1 to %d taps, up and down of at least 1", FIG_MAX_TAPS);
        return NULL;
    }
    return resample(g, x, &(resample_attr){.kind = FIR, .axis = fig__axis(x, axis), .fir = *fir});
}
fig_tensor *fig_adaptive_mean(fig_graph *g, fig_tensor *x, int axis, size_t n) {
    return x ? resample(g, x, &(resample_attr){.kind = MEAN, .axis = fig__axis(x, axis), .n = n}) : NULL;
}
fig_tensor *fig_resize(fig_graph *g, fig_tensor *x, int axis, size_t n, fig_resize_kind kind) {
    resample_attr a = {.kind = RESIZE, .n = n, .resize = (fig__resize_filter)kind};
    if (x) a.axis = fig__axis(x, axis);
    return x ? resample(g, x, &a) : NULL;
}
