/* ops/pixels.c: squares of pixels against channels (Shi et al. 2016, "sub-pixel convolution"), maxima of squares. */
#include "ops/ops.h"

typedef struct shuffle_attr {
    size_t r;
    bool back; /* pixels into channels */
} shuffle_attr;

static fig_status infer_shuffle(fig_node *n) {
    const shuffle_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    size_t r = a->r;
    if (x->ndim != 4) return fig_node_fail(n, "pictures have four axes [n, h, w, c]");
    if (!r || (a->back ? x->shape[1] % r || x->shape[2] % r : x->shape[3] % (r * r)))
        return fig_node_fail(n, "%s do not divide into squares of %zu", a->back ? "pixels" : "channels", r);
    size_t shape[4] = {x->shape[0], a->back ? x->shape[1] / r : x->shape[1] * r,
                       a->back ? x->shape[2] / r : x->shape[2] * r,
                       a->back ? x->shape[3] * r * r : x->shape[3] / r / r};
    fig_set_shape(n->out[0], x->dtype, 4, shape);
    return FIG_OK;
}

/* Row by row of the side with more pixels: a run is the channels of one pixel there. */
typedef struct shuffle_job {
    const fig_tensor *from, *to;
    size_t r, width, run; /* width of the larger picture; bytes of a run */
    bool back;
} shuffle_job;
static void shuffle_row(void *arg, size_t row, int thread) {
    (void)thread;
    const shuffle_job *j = arg;
    size_t small_width = j->width / j->r, squares = j->r * j->r;
    for (size_t x = 0; x < j->width; x++) {
        size_t large = (row * j->width + x) * j->run;
        size_t pixel = row / j->r * small_width + x / j->r, part = row % j->r * j->r + x % j->r;
        size_t small = (pixel * squares + part) * j->run;
        if (j->back)
            memcpy((char *)j->to->data + small, (const char *)j->from->data + large, j->run);
        else
            memcpy((char *)j->to->data + large, (const char *)j->from->data + small, j->run);
    }
}
static void forward_shuffle(const fig_exec *x, const fig_node *n) {
    const shuffle_attr *a = n->attr;
    const fig_tensor *large = a->back ? n->in[0] : n->out[0];
    shuffle_job j = {n->in[0], n->out[0], a->r, large->shape[2], large->shape[3] * fig_dtype_size(large->dtype),
                     a->back};
    fig__parallel(x->ctx, large->shape[0] * large->shape[1], shuffle_row, &j);
}

static fig_tensor *shuffle(fig_graph *g, fig_tensor *x, size_t r, bool back) {
    shuffle_attr a = {r, back};
    return fig__node1(g, &fig__op_pixel_shuffle, &a, sizeof a, x);
}
static void backward_shuffle(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    const shuffle_attr *a = n->attr;
    din[0] = shuffle(g, dout[0], a->r, !a->back);
}
static void tangent_shuffle(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    const shuffle_attr *a = n->attr;
    tout[0] = shuffle(g, tin[0], a->r, a->back);
}
static fig_tensor *sample_shuffle(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_tensor *x = variant ? fig_sample_input(s, -1, 1, 4, 2, 4, 6, 3) : fig_sample_input(s, -1, 1, 4, 2, 2, 3, 8);
    return shuffle(fig_sample_graph(s), x, 2, variant == 1);
}
const fig_op fig__op_pixel_shuffle = {.name = "pixel_shuffle",
                                      .infer = infer_shuffle,
                                      .forward = forward_shuffle,
                                      .backward = backward_shuffle,
                                      .tangent = tangent_shuffle,
                                      .sample = sample_shuffle};

fig_tensor *fig_pixel_shuffle(fig_graph *g, fig_tensor *x, size_t r) { return shuffle(g, x, r, false); }
fig_tensor *fig_pixel_unshuffle(fig_graph *g, fig_tensor *x, size_t r) { return shuffle(g, x, r, true); }

/* Squares into channels, then the larger of slices: element-wise, so one chain and one pass. */
fig_tensor *fig_max_pool2d(fig_graph *g, fig_tensor *x, size_t k) {
    if (!x) return NULL;
    size_t c = fig_dim(x, -1);
    fig_tensor *all = shuffle(g, x, k, true), *most = NULL;
    for (size_t i = 0; all && i < k * k; i++) {
        fig_tensor *part = fig_slice(g, all, -1, (int64_t)(i * c), c);
        most = most ? fig_max(g, part, most) : part;
    }
    return most;
}
