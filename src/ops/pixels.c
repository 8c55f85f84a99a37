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

/* --- maxima of squares -------------------------------------------------------------------------------------------
 * Of several largest the first counts. */

typedef struct pool_attr {
    size_t k;
} pool_attr;

static fig_status infer_pool(fig_node *n) {
    const fig_tensor *x = n->in[0];
    size_t k = ((const pool_attr *)n->attr)->k;
    if (x->ndim != 4) return fig_node_fail(n, "pictures have four axes [n, h, w, c]");
    if (!k || x->shape[1] % k || x->shape[2] % k)
        return fig_node_fail(n, "pixels do not divide into squares of %zu", k);
    size_t shape[4] = {x->shape[0], x->shape[1] / k, x->shape[2] / k, x->shape[3]};
    fig_set_shape(n->out[0], x->dtype, 4, shape);
    return FIG_OK;
}

typedef struct pool_job {
    const figk_table *kernels;
    size_t k, width, c; /* width: of what is pooled */
    const fig_tensor *x, *y, *dx;
} pool_job;
static void pool_row(void *arg, size_t row, int thread) {
    (void)thread;
    const pool_job *j = arg;
    size_t n = j->width / j->k, x = row * j->k * j->width * j->c, y = row * n * j->c;
    if (j->dx)
        j->kernels->max_pool_bwd(n, j->k, j->c, fig__at(j->dx, x), j->dx->dtype, fig__at(j->x, x), j->x->dtype,
                                 j->width * j->c, fig__at(j->y, y), j->y->dtype);
    else
        j->kernels->max_pool(n, j->k, j->c, fig__at(j->y, y), fig__at(j->x, x), j->x->dtype, j->width * j->c);
}
static void run_pool(const fig_exec *x, const fig_node *n, const fig_tensor *y, const fig_tensor *dx) {
    const fig_tensor *t = n->in[0];
    size_t k = ((const pool_attr *)n->attr)->k;
    pool_job j = {x->kernels, k, t->shape[2], t->shape[3], t, y, dx};
    fig__parallel(x->ctx, t->shape[0] * t->shape[1] / k, pool_row, &j);
}
static void forward_pool(const fig_exec *x, const fig_node *n) { run_pool(x, n, n->out[0], NULL); }
static void forward_pool_bwd(const fig_exec *x, const fig_node *n) { run_pool(x, n, n->in[1], n->out[0]); }

static void backward_pool(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = fig__node2(g, &fig__op_max_pool_bwd, n->attr, sizeof(pool_attr), n->in[0], dout[0]);
}

/* The larger of slices one after the other, and what goes with it: v, where it is not NULL, in place of x. */
static fig_tensor *largest_slice(fig_graph *g, fig_tensor *x, fig_tensor *v, size_t k) {
    size_t c = fig_dim(x, -1);
    fig_tensor *all = shuffle(g, x, k, true), *with = v ? shuffle(g, v, k, true) : all, *most = NULL, *pick = NULL;
    for (size_t i = 0; all && with && i < k * k; i++) {
        fig_tensor *part = fig_slice(g, all, -1, (int64_t)(i * c), c),
                   *its = fig_slice(g, with, -1, (int64_t)(i * c), c);
        pick = pick ? fig_where(g, fig_gt(g, part, most), its, pick) : its;
        most = most ? fig_max(g, part, most) : part;
    }
    return pick;
}
static void tangent_pool(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = largest_slice(g, n->in[0], tin[0], ((const pool_attr *)n->attr)->k);
}
/* Variants: squares of 2, of 3. */
static fig_tensor *sample_pool(fig_op_sampler *s, int variant) {
    size_t k = variant ? 3 : 2;
    return variant > 1 ? NULL : fig_max_pool2d(fig_sample_graph(s), fig_sample_input(s, -1, 1, 4, 2, 2 * k, k, 3), k);
}
static fig_tensor *composite_pool(fig_op_sampler *s, int variant) {
    size_t k = variant ? 3 : 2;
    return variant > 1 ? NULL
                       : largest_slice(fig_sample_graph(s), fig_sample_input(s, -1, 1, 4, 2, 2 * k, k, 3), NULL, k);
}
const fig_op fig__op_max_pool = {.name = "max_pool",
                                 .infer = infer_pool,
                                 .forward = forward_pool,
                                 .backward = backward_pool,
                                 .tangent = tangent_pool,
                                 .sample = sample_pool,
                                 .composite = composite_pool};
fig_tensor *fig_max_pool2d(fig_graph *g, fig_tensor *x, size_t k) {
    return fig__node1(g, &fig__op_max_pool, &(pool_attr){k}, sizeof(pool_attr), x);
}

static fig_status infer_pool_bwd(fig_node *n) {
    fig_set_like(n->out[0], n->in[0]);
    return FIG_OK;
}
const fig_op fig__op_max_pool_bwd = {.name = "max_pool_bwd",
                                     .infer = infer_pool_bwd,
                                     .forward = forward_pool_bwd,
                                     FIG_NO_GRAD("it is itself a gradient; use the tangent pass for second order")};
