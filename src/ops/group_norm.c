/* ops/group_norm.c: GroupNorm (Wu and He 2018): each picture's channels in groups, every group with the mean and the
 * variance of all its pixels. Both are kept for the backward pass.
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

typedef struct group_job {
    const fig_exec *x;
    const fig_node *n;
    size_t pixels, channels, groups, real;
    double eps;
    const fig_tensor *gain, *bias, *mean, *rstd;
    char *partial; /* backward: [N][dgain, dbias] */
} group_job;

static group_job job_of(const fig_exec *x, const fig_node *n) {
    const group_attr *a = n->attr;
    const fig_tensor *t = n->in[0];
    size_t c = fig_dim(t, -1);
    return (group_job){.x = x,
                       .n = n,
                       .pixels = t->shape[0] ? fig_numel(t) / t->shape[0] / c : 0,
                       .channels = c,
                       .groups = a->groups,
                       .real = fig__real_size(n),
                       .eps = a->eps,
                       .gain = n->in[1]};
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

enum { N_VECTORS = 4 };
static char *vectors_of(const group_job *j, int thread, char *v[N_VECTORS]) {
    size_t size = j->channels * j->real;
    v[0] = fig__scratch(j->x->ctx, thread, N_VECTORS * size);
    for (int i = 1; i < N_VECTORS; i++) v[i] = v[i - 1] + size;
    return v[0];
}
static size_t scratch_group(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    return N_VECTORS * fig_dim(n->in[0], -1) * fig__real_size(n);
}

/* Over a group's channels of [C], of one number for each pixel: their average. */
static double average(const group_job *j, const char *v, size_t group) {
    size_t width = j->channels / j->groups;
    double sum = 0;
    for (size_t c = group * width; c < (group + 1) * width; c++) sum += number(j, v, c);
    return sum / (double)(width * j->pixels);
}
static void spread(const group_job *j, char *v, size_t group, double value) {
    size_t width = j->channels / j->groups;
    for (size_t c = group * width; c < (group + 1) * width; c++) set_number(j, v, c, value);
}

static void group_picture(void *arg, size_t i, int thread) {
    const group_job *j = arg;
    const fig_tensor *x = j->n->in[0], *y = j->n->out[0];
    const figk_table *k = j->x->kernels;
    size_t at = i * j->pixels * j->channels;
    char *v[N_VECTORS], *sums = vectors_of(j, thread, v), *centre = v[1], *slope = v[2], *start = v[3];
    k->sum(j->pixels, j->channels, sums, fig__at(x, at), x->dtype, j->channels, false);
    for (size_t g = 0; g < j->groups; g++) spread(j, centre, g, average(j, sums, g));
    k->channel_squares(j->pixels, j->channels, sums, fig__at(x, at), x->dtype, centre);
    for (size_t g = 0; g < j->groups; g++) {
        double rstd = 1 / sqrt(average(j, sums, g) + j->eps);
        spread(j, slope, g, rstd);
        set_number(j, j->mean->data, i * j->groups + g, number(j, centre, g * (j->channels / j->groups)));
        set_number(j, j->rstd->data, i * j->groups + g, rstd);
    }
    for (size_t c = 0; c < j->channels; c++) {
        set_number(j, slope, c, number(j, slope, c) * gain_of(j, c));
        set_number(j, start, c, j->bias ? number(j, j->bias->data, c) : 0);
    }
    k->channel_affine(j->pixels, j->channels, fig__at(y, at), y->dtype, fig__at(x, at), x->dtype, centre, slope, start,
                      NULL, FIG_F32, NULL);
}

static void forward_group(const fig_exec *x, const fig_node *n) {
    group_job j = job_of(x, n);
    j.bias = n->in[2], j.mean = n->out[1], j.rstd = n->out[2];
    fig__parallel(x->ctx, n->in[0]->shape[0], group_picture, &j);
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

/* The tangent of h: rstd (v - mean(v) - h mean(v h)). */
static fig_tensor *tangent_of_h(fig_graph *g, const fig_node *n, fig_tensor *h, fig_tensor *v) {
    const group_attr *a = n->attr;
    fig_tensor *hs = split(g, h, a->groups), *vs = split(g, v, a->groups);
    fig_tensor *t = fig_sub(g, vs, fig_mul(g, hs, group_mean(g, fig_mul(g, vs, hs))));
    t = fig_sub(g, t, group_mean(g, vs));
    t = fig_mul(g, t, fig_reshape(g, n->out[2], 4, (int64_t[]){0, 1, -1, 1}));
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
                                   .scratch = scratch_group,
                                   .sample = sample_group,
                                   .composite = composite_group};
fig_tensor *fig_group_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, size_t groups,
                              double eps) {
    fig_node *n = node(g, &(group_attr){groups, eps}, x, gain, bias);
    return n ? n->out[0] : NULL;
}

/* --- its gradient: in x, gain, mean, rstd, dy -> dx, dgain, dbias -----------------------------------------------
 * Each picture leaves its sums for gain and bias in the workspace; they are added in order of pictures. */
static fig_status infer_group_bwd(fig_node *n) {
    size_t c = fig_dim(n->in[0], -1);
    fig_set_like(n->out[0], n->in[0]);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 1, &c);
    fig_set_shape(n->out[2], fig__real_dtype(n->graph), 1, &c);
    return FIG_OK;
}

/* dx = (x - mean) slope + start + dy d, with d = rstd gain, slope = -rstd^2 avg(g h), start = -rstd avg(g). */
static void group_bwd_picture(void *arg, size_t i, int thread) {
    const group_job *j = arg;
    const fig_tensor *x = j->n->in[0], *dy = j->n->in[4], *dx = j->n->out[0];
    const figk_table *k = j->x->kernels;
    size_t at = i * j->pixels * j->channels, size = j->channels * j->real;
    char *dgain = j->partial + 2 * i * size, *dbias = dgain + size;
    char *v[N_VECTORS], *centre = vectors_of(j, thread, v), *slope = v[1], *start = v[2], *d = v[3];
    for (size_t g = 0; g < j->groups; g++) spread(j, centre, g, number(j, j->mean->data, i * j->groups + g));
    k->channel_products(j->pixels, j->channels, dbias, dgain, fig__at(x, at), x->dtype, centre, fig__at(dy, at),
                        dy->dtype);
    for (size_t g = 0; g < j->groups; g++) spread(j, d, g, number(j, j->rstd->data, i * j->groups + g));
    for (size_t c = 0; c < j->channels; c++) {
        double rstd = number(j, d, c), gain = gain_of(j, c);
        set_number(j, dgain, c, number(j, dgain, c) * rstd);
        set_number(j, slope, c, number(j, dgain, c) * gain);
        set_number(j, start, c, number(j, dbias, c) * gain);
        set_number(j, d, c, rstd * gain);
    }
    for (size_t g = 0; g < j->groups; g++) {
        double rstd = number(j, j->rstd->data, i * j->groups + g);
        spread(j, slope, g, -rstd * rstd * average(j, slope, g));
        spread(j, start, g, -rstd * average(j, start, g));
    }
    k->channel_affine(j->pixels, j->channels, fig__at(dx, at), dx->dtype, fig__at(x, at), x->dtype, centre, slope,
                      start, fig__at(dy, at), dy->dtype, d);
}

static void forward_group_bwd(const fig_exec *x, const fig_node *n) {
    group_job j = job_of(x, n);
    size_t pictures = n->in[0]->shape[0], size = j.channels * j.real;
    j.mean = n->in[2], j.rstd = n->in[3], j.partial = x->workspace;
    fig__parallel(x->ctx, pictures, group_bwd_picture, &j);
    fig_dtype real = fig__real_dtype(n->graph);
    x->kernels->sum(pictures, j.channels, n->out[1]->data, j.partial, real, 2 * j.channels, false);
    x->kernels->sum(pictures, j.channels, n->out[2]->data, j.partial + size, real, 2 * j.channels, false);
}
static size_t workspace_group_bwd(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    return n->in[0]->shape[0] * 2 * fig_dim(n->in[0], -1) * fig__real_size(n);
}
const fig_op fig__op_group_norm_bwd = {.name = "group_norm_bwd",
                                       .infer = infer_group_bwd,
                                       .forward = forward_group_bwd,
                                       FIG_NO_GRAD("it is itself a gradient; use the tangent pass for second order"),
                                       .workspace = workspace_group_bwd,
                                       .scratch = scratch_group};
