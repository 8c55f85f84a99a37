/* ops/group_norm.c: GroupNorm (Wu and He 2018): each picture's channels in groups, every group with the mean and the
 * variance of all its pixels. Both are kept for the backward pass. BatchNorm (Ioffe and Szegedy 2015) is the same of
 * one picture, the batch, whose groups are its channels.
 *
 * With h = (x - mean) rstd and y = h gain + bias, and averages over a group's pixels and channels:
 *     dx = rstd (g - avg(g) - h avg(g h)),  g = dy gain
 *
 * Letters: N pictures, P pixels, C channels, G groups. Channels have vectors of their own, [C], in real; what is one
 * number to a group is worked out in double. */
#include "ops/ops.h"
#include <math.h>

typedef struct group_attr {
    size_t groups;
    double eps;
} group_attr;

static fig_status infer_group(fig_node *n) {
    const group_attr *a = n->attr;
    const fig_tensor *x = n->in[0];
    size_t c = fig_dim(x, -1), shape[2] = {x->shape[0], a->groups};
    if (x->ndim < 2 || !a->groups || c % a->groups)
        return fig_node_fail(n, "%zu channels do not divide into %zu groups", c, a->groups);
    for (int i = 1; i < 3; i++) {
        const fig_tensor *v = n->in[i];
        if (v && (v->ndim != 1 || v->shape[0] != c || v->dtype != fig__real_dtype(n->graph)))
            return fig_node_fail(n, "gain and bias need one fp32 number per channel");
    }
    fig_set_like(n->out[0], x);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 2, shape);
    fig_set_shape(n->out[2], fig__real_dtype(n->graph), 2, shape);
    return FIG_OK;
}

/* A picture is cut into tiles of whole pixels that stay in a core's cache: each is measured by itself, the measures are
 * put together in order, then each is written. Pictures of one tile, the usual case, go through all of it at once;
 * batch norm is one picture of many. */
enum { TILE_BYTES = 256 << 10 };

typedef struct group_job {
    const fig_exec *x;
    const fig_node *n;
    size_t pictures, pixels, channels, groups, real;
    size_t rows, tiles; /* pixels of a tile, tiles of a picture */
    double eps;
    const fig_tensor *gain, *bias, *mean, *var;
    const struct group_pass *pass;
} group_job;

typedef struct group_pass {
    void (*begin)(const group_job *j, size_t picture); /* may be NULL */
    void (*measure)(const group_job *j, size_t picture, size_t tile);
    void (*settle)(const group_job *j, size_t picture);
    void (*write)(const group_job *j, size_t picture, size_t tile);
} group_pass;

static group_job job_of(const fig_node *n) {
    const group_attr *a = n->attr;
    const fig_tensor *t = n->in[0];
    group_job j = {.n = n,
                   .pictures = t->shape[0],
                   .channels = fig_dim(t, -1),
                   .groups = a->groups,
                   .real = fig__real_size(n),
                   .eps = a->eps,
                   .gain = n->in[1]};
    j.pixels = j.pictures ? fig_numel(t) / j.pictures / j.channels : 0;
    j.rows = FIG_MAX(TILE_BYTES / (j.channels * fig_dtype_size(t->dtype)), 1);
    j.tiles = FIG_MAX(fig__ceil_div(j.pixels, j.rows), 1);
    return j;
}

/* The workspace has for each picture SUMS vectors [C] for each tile, then VECTORS of its own. */
enum { SUMS = 2, VECTORS = 4, CENTRE = 0, SLOPE, START, OTHER };
static size_t vectors_of_picture(const group_job *j) { return SUMS * j->tiles + VECTORS; }
static char *vector(const group_job *j, size_t picture, size_t i) {
    return (char *)j->x->workspace + (picture * vectors_of_picture(j) + i) * j->channels * j->real;
}
static char *sums_of(const group_job *j, size_t picture, size_t tile, size_t which) {
    return vector(j, picture, SUMS * tile + which);
}
static char *own(const group_job *j, size_t picture, size_t which) {
    return vector(j, picture, SUMS * j->tiles + which);
}
static size_t workspace_group(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    group_job j = job_of(n);
    return j.pictures * vectors_of_picture(&j) * j.channels * j.real;
}

static size_t tile_rows(const group_job *j, size_t tile) { return FIG_MIN(j->rows, j->pixels - tile * j->rows); }
static char *tile_of(const group_job *j, const fig_tensor *t, size_t picture, size_t tile) {
    return fig__at(t, (picture * j->pixels + tile * j->rows) * j->channels);
}

static void whole_picture(void *arg, size_t i, int thread) {
    (void)thread;
    const group_job *j = arg;
    if (j->pass->begin) j->pass->begin(j, i);
    j->pass->measure(j, i, 0);
    j->pass->settle(j, i);
    j->pass->write(j, i, 0);
}
static void measure_tile(void *arg, size_t i, int thread) {
    (void)thread;
    const group_job *j = arg;
    j->pass->measure(j, i / j->tiles, i % j->tiles);
}
static void write_tile(void *arg, size_t i, int thread) {
    (void)thread;
    const group_job *j = arg;
    j->pass->write(j, i / j->tiles, i % j->tiles);
}
static void settle_picture(void *arg, size_t i, int thread) {
    (void)thread;
    const group_job *j = arg;
    j->pass->settle(j, i);
}
static void run_pass(group_job *j) {
    if (!j->pixels) return;
    if (j->tiles == 1) {
        fig__parallel(j->x->ctx, j->pictures, whole_picture, j);
        return;
    }
    for (size_t i = 0; j->pass->begin && i < j->pictures; i++) j->pass->begin(j, i);
    fig__parallel(j->x->ctx, j->pictures * j->tiles, measure_tile, j);
    fig__parallel(j->x->ctx, j->pictures, settle_picture, j);
    fig__parallel(j->x->ctx, j->pictures * j->tiles, write_tile, j);
}

static double number(const group_job *j, const void *v, size_t i) {
    return j->real == 8 ? ((const double *)v)[i] : (double)((const float *)v)[i];
}
static void set_number(const group_job *j, void *v, size_t i, double value) {
    if (j->real == 8)
        ((double *)v)[i] = value;
    else
        ((float *)v)[i] = (float)value;
}
static double gain_of(const group_job *j, size_t c) { return j->gain ? number(j, j->gain->data, c) : 1; }
static size_t width_of(const group_job *j) { return j->channels / j->groups; }

/* A tile's means and squares around them, by channel. */
static void measure_forward(const group_job *j, size_t i, size_t tile) {
    const fig_tensor *x = j->n->in[0];
    const figk_table *k = j->x->kernels;
    size_t rows = tile_rows(j, tile);
    char *means = sums_of(j, i, tile, 0), *at = tile_of(j, x, i, tile);
    k->sum(rows, j->channels, means, at, x->dtype, j->channels, false);
    for (size_t c = 0; c < j->channels; c++) set_number(j, means, c, number(j, means, c) / (double)rows);
    k->channel_squares(rows, j->channels, sums_of(j, i, tile, 1), at, x->dtype, means);
}

/* Squares around the whole's mean are those around the parts' means and the parts' distances (Chan et al. 1979). */
static void settle_forward(const group_job *j, size_t i) {
    size_t width = width_of(j);
    double count = (double)(width * j->pixels);
    for (size_t g = 0; g < j->groups; g++) {
        double mean = 0, squares = 0;
        for (size_t t = 0; t < j->tiles; t++)
            for (size_t c = g * width; c < (g + 1) * width; c++)
                mean += (double)tile_rows(j, t) * number(j, sums_of(j, i, t, 0), c);
        mean /= count;
        for (size_t t = 0; t < j->tiles; t++)
            for (size_t c = g * width; c < (g + 1) * width; c++) {
                double d = number(j, sums_of(j, i, t, 0), c) - mean;
                squares += number(j, sums_of(j, i, t, 1), c) + (double)tile_rows(j, t) * d * d;
            }
        double var = squares / count, rstd = 1 / sqrt(var + j->eps);
        set_number(j, j->mean->data, i * j->groups + g, mean);
        set_number(j, j->var->data, i * j->groups + g, var);
        for (size_t c = g * width; c < (g + 1) * width; c++) {
            set_number(j, own(j, i, CENTRE), c, mean);
            set_number(j, own(j, i, SLOPE), c, rstd * gain_of(j, c));
            set_number(j, own(j, i, START), c, j->bias ? number(j, j->bias->data, c) : 0);
        }
    }
}
static void write_forward(const group_job *j, size_t i, size_t tile) {
    const fig_tensor *x = j->n->in[0], *y = j->n->out[0];
    j->x->kernels->channel_affine(tile_rows(j, tile), j->channels, tile_of(j, y, i, tile), y->dtype,
                                  tile_of(j, x, i, tile), x->dtype, own(j, i, CENTRE), own(j, i, SLOPE),
                                  own(j, i, START), NULL, FIG_F32, NULL);
}

static void forward_group(const fig_exec *x, const fig_node *n) {
    static const group_pass pass = {NULL, measure_forward, settle_forward, write_forward};
    group_job j = job_of(n);
    j.x = x, j.pass = &pass, j.bias = n->in[2], j.mean = n->out[1], j.var = n->out[2];
    run_pass(&j);
}

static void backward_group(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *in[5] = {n->in[0], n->in[1], n->out[1], n->out[2], dout[0]};
    fig_node *b = dout[0] ? fig_node_new(g, &fig__op_group_norm_bwd, n->attr, sizeof(group_attr), in, 5, 3, 2) : NULL;
    if (!b) return;
    din[0] = b->out[0];
    din[1] = n->in[1] ? b->out[1] : NULL;
    din[2] = n->in[2] ? b->out[2] : NULL;
}

/* --- in plain ops -----------------------------------------------------------------------------------------------*/

/* [n, p, g, c / g], and its mean over a group, [n, 1, g, 1]. */
static fig_tensor *split(fig_graph *g, fig_tensor *x, size_t groups) {
    return fig_reshape(g, x, 4, (int64_t[]){0, -1, (int64_t)groups, (int64_t)(fig_dim(x, -1) / groups)});
}
static fig_tensor *group_mean(fig_graph *g, fig_tensor *x) { return fig_mean(g, fig_mean(g, x, 1), 3); }

static fig_node *node(fig_graph *g, const group_attr *a, fig_tensor *x, fig_tensor *gain, fig_tensor *bias) {
    return fig_node_new(g, &fig__op_group_norm, a, sizeof *a, (fig_tensor *[]){x, gain, bias}, 3, 3, 6);
}

/* 1 / sqrt(var + eps) once more: the node's own var passes no gradient on, which second order needs. */
static fig_tensor *plain_rstd(fig_graph *g, fig_tensor *x, const group_attr *a) {
    fig_tensor *xs = split(g, x, a->groups), *centred = fig_sub(g, xs, group_mean(g, xs));
    return fig_rsqrt(g, fig_add_scalar(g, group_mean(g, fig_square(g, centred)), a->eps));
}

/* The tangent of h: rstd (v - mean(v) - h mean(v h)). */
static fig_tensor *tangent_of_h(fig_graph *g, const fig_node *n, fig_tensor *h, fig_tensor *v) {
    const group_attr *a = n->attr;
    fig_tensor *hs = split(g, h, a->groups), *vs = split(g, v, a->groups);
    fig_tensor *t = fig_sub(g, vs, fig_mul(g, hs, group_mean(g, fig_mul(g, vs, hs))));
    t = fig_sub(g, t, group_mean(g, vs));
    t = fig_mul(g, t, plain_rstd(g, n->in[0], a));
    return fig__reshape_like(g, t, h);
}
static void tangent_group(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    fig_node *plain = node(g, n->attr, n->in[0], NULL, NULL);
    if (!plain) return;
    fig_tensor *h = plain->out[0], *t = tin[0] ? tangent_of_h(g, n, h, tin[0]) : NULL;
    if (t && n->in[1]) t = fig_mul(g, t, n->in[1]);
    if (tin[1]) t = t ? fig_add(g, t, fig_mul(g, h, tin[1])) : fig_mul(g, h, tin[1]);
    if (tin[2]) t = t ? fig_add(g, t, tin[2]) : fig_contiguous(g, fig_broadcast_like(g, tin[2], n->out[0]));
    tout[0] = t;
}

/* Variants: with gain and bias, without. */
static fig_tensor *sample_group(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 4, 2, 3, 2, 6);
    fig_tensor *gain = variant ? NULL : fig_sample_input(s, 0.5, 1.5, 1, 6),
               *bias = variant ? NULL : fig_sample_input(s, -1, 1, 1, 6);
    return fig_group_norm_op(fig_sample_graph(s), x, gain, bias, 3, 1e-5);
}
static fig_tensor *composite_group(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = fig_sample_input(s, -1, 1, 4, 2, 3, 2, 6);
    fig_tensor *v = split(g, x, 3), *centred = fig_sub(g, v, group_mean(g, v));
    fig_tensor *var = fig_add_scalar(g, group_mean(g, fig_square(g, centred)), 1e-5);
    fig_tensor *y = fig__reshape_like(g, fig_mul(g, centred, fig_rsqrt(g, var)), x);
    if (variant) return y;
    y = fig_mul(g, y, fig_sample_input(s, 0.5, 1.5, 1, 6));
    return fig_add(g, y, fig_sample_input(s, -1, 1, 1, 6));
}
const fig_op fig__op_group_norm = {.name = "group_norm",
                                   .infer = infer_group,
                                   .forward = forward_group,
                                   .backward = backward_group,
                                   .tangent = tangent_group,
                                   .workspace = workspace_group,
                                   .sample = sample_group,
                                   .composite = composite_group};
fig_tensor *fig_group_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, size_t groups,
                              double eps) {
    fig_node *n = node(g, &(group_attr){groups, eps}, x, gain, bias);
    return n ? n->out[0] : NULL;
}
fig_tensor *fig_batch_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, double eps,
                              fig_tensor **mean, fig_tensor **var) {
    if (!x) return NULL;
    size_t c = fig_dim(x, -1);
    fig_node *n = node(g, &(group_attr){c, eps}, fig_reshape(g, x, 3, (int64_t[]){1, -1, (int64_t)c}), gain, bias);
    if (!n) return NULL;
    *mean = fig_stop_gradient(g, n->out[1]);
    *var = fig_stop_gradient(g, n->out[2]);
    return fig__reshape_like(g, n->out[0], x);
}

/* --- its gradient: in x, gain, mean, var, dy -> dx, dgain, dbias ------------------------------------------------*/
static fig_status infer_group_bwd(fig_node *n) {
    size_t c = fig_dim(n->in[0], -1);
    fig_set_like(n->out[0], n->in[0]);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 1, &c);
    fig_set_shape(n->out[2], fig__real_dtype(n->graph), 1, &c);
    return FIG_OK;
}

static double rstd_of(const group_job *j, size_t i, size_t group) {
    return 1 / sqrt(number(j, j->var->data, i * j->groups + group) + j->eps);
}
static void begin_backward(const group_job *j, size_t i) {
    for (size_t c = 0; c < j->channels; c++)
        set_number(j, own(j, i, CENTRE), c, number(j, j->mean->data, i * j->groups + c / width_of(j)));
}
static void measure_backward(const group_job *j, size_t i, size_t tile) {
    const fig_tensor *x = j->n->in[0], *dy = j->n->in[4];
    j->x->kernels->channel_products(tile_rows(j, tile), j->channels, sums_of(j, i, tile, 0), sums_of(j, i, tile, 1),
                                    tile_of(j, x, i, tile), x->dtype, own(j, i, CENTRE), tile_of(j, dy, i, tile),
                                    dy->dtype);
}
/* dx = (x - mean) slope + start + dy d, with d = rstd gain, slope = -rstd^2 avg(g h), start = -rstd avg(g). The first
 * tile's sums become the picture's dbias and dgain. */
static void settle_backward(const group_job *j, size_t i) {
    size_t width = width_of(j);
    double count = (double)(width * j->pixels);
    char *dbias = sums_of(j, i, 0, 0), *dgain = sums_of(j, i, 0, 1);
    for (size_t g = 0; g < j->groups; g++) {
        double rstd = rstd_of(j, i, g), avg_g = 0, avg_gh = 0;
        for (size_t c = g * width; c < (g + 1) * width; c++) {
            double sum = 0, product = 0, gain = gain_of(j, c);
            for (size_t t = 0; t < j->tiles; t++) {
                sum += number(j, sums_of(j, i, t, 0), c);
                product += number(j, sums_of(j, i, t, 1), c);
            }
            set_number(j, dbias, c, sum);
            set_number(j, dgain, c, product * rstd);
            set_number(j, own(j, i, OTHER), c, rstd * gain);
            avg_g += sum * gain / count;
            avg_gh += product * rstd * gain / count;
        }
        for (size_t c = g * width; c < (g + 1) * width; c++) {
            set_number(j, own(j, i, SLOPE), c, -rstd * rstd * avg_gh);
            set_number(j, own(j, i, START), c, -rstd * avg_g);
        }
    }
}
static void write_backward(const group_job *j, size_t i, size_t tile) {
    const fig_tensor *x = j->n->in[0], *dy = j->n->in[4], *dx = j->n->out[0];
    j->x->kernels->channel_affine(tile_rows(j, tile), j->channels, tile_of(j, dx, i, tile), dx->dtype,
                                  tile_of(j, x, i, tile), x->dtype, own(j, i, CENTRE), own(j, i, SLOPE),
                                  own(j, i, START), tile_of(j, dy, i, tile), dy->dtype, own(j, i, OTHER));
}

static void forward_group_bwd(const fig_exec *x, const fig_node *n) {
    static const group_pass pass = {begin_backward, measure_backward, settle_backward, write_backward};
    group_job j = job_of(n);
    j.x = x, j.pass = &pass, j.mean = n->in[2], j.var = n->in[3];
    run_pass(&j);
    size_t stride = vectors_of_picture(&j) * j.channels, pictures = j.pixels ? j.pictures : 0;
    fig_dtype real = fig__real_dtype(n->graph);
    x->kernels->sum(pictures, j.channels, n->out[1]->data, sums_of(&j, 0, 0, 1), real, stride, false);
    x->kernels->sum(pictures, j.channels, n->out[2]->data, sums_of(&j, 0, 0, 0), real, stride, false);
}
const fig_op fig__op_group_norm_bwd = {.name = "group_norm_bwd",
                                       .infer = infer_group_bwd,
                                       .forward = forward_group_bwd,
                                       FIG_NO_GRAD("it is itself a gradient; use the tangent pass for second order"),
                                       .workspace = workspace_group};
