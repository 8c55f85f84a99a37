/* ops/attention.c: rotary embedding and fused attention. The arithmetic and its masks are described in
 * kernels/kernels.h; here are shapes, gradients and the cache. */
#include <math.h>
#include "core/kv.h"
#include "ops/ops.h"

/* --- angles of rotary embedding (Su et al., RoFormer, 2021) -----------------------------------------------------*/

typedef struct angles_attr {
    size_t half;
    double theta;
} angles_attr;

static fig_status infer_angles(fig_node *n) {
    const fig_tensor *p = n->in[0];
    if (p->dtype != FIG_I32 || p->ndim != 2) return fig_node_fail(n, "positions are int32 [b, t]");
    size_t shape[3] = {p->shape[0], p->shape[1], ((const angles_attr *)n->attr)->half};
    fig_set_shape(n->out[0], fig__real_dtype(n->graph), 3, shape);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 3, shape);
    return FIG_OK;
}
static void angles_tile(void *arg, size_t row, int thread) {
    (void)thread;
    const fig_node *n = arg;
    const angles_attr *a = n->attr;
    double position = ((const int32_t *)n->in[0]->data)[row];
    for (size_t i = 0; i < a->half; i++) {
        double angle = position * pow(a->theta, -(double)i / (double)a->half);
        size_t at = row * a->half + i;
        if (n->out[0]->dtype == FIG_F64) {
            ((double *)n->out[0]->data)[at] = cos(angle);
            ((double *)n->out[1]->data)[at] = sin(angle);
        } else {
            ((float *)n->out[0]->data)[at] = (float)cos(angle);
            ((float *)n->out[1]->data)[at] = (float)sin(angle);
        }
    }
}
static void forward_angles(const fig_exec *x, const fig_node *n) {
    fig__parallel(x->ctx, fig_numel(n->in[0]), angles_tile, (void *)n);
}
const fig_op fig__op_rope_angles = {.name = "rope_angles",
                                    .infer = infer_angles,
                                    .forward = forward_angles,
                                    FIG_NO_GRAD("positions are whole numbers")};
bool fig_rope_angles(fig_graph *g, fig_tensor *positions, size_t half, double theta, fig_tensor **cosine,
                     fig_tensor **sine) {
    angles_attr a = {half, theta};
    fig_node *n = fig_node_new(g, &fig__op_rope_angles, &a, sizeof a, &positions, 1, 2, 0);
    *cosine = n ? n->out[0] : NULL;
    *sine = n ? n->out[1] : NULL;
    return n != NULL;
}

bool fig_rope_angles_2d(fig_graph *g, fig_tensor *rows, fig_tensor *columns, size_t half, double theta, fig_tensor **c,
                        fig_tensor **s) {
    fig_tensor *cos[2], *sin[2];
    if (half % 2) {
        fig_graph_fail(g, FIG_ERR_SHAPE, "rope: %zu frequencies do not divide into rows and columns", half);
        return false;
    }
    if (!fig_rope_angles(g, rows, half / 2, theta, &cos[0], &sin[0]) ||
        !fig_rope_angles(g, columns, half / 2, theta, &cos[1], &sin[1]))
        return false;
    *c = fig_concat(g, cos, 2, -1);
    *s = fig_concat(g, sin, 2, -1);
    return *c && *s;
}

/* --- rotation ---------------------------------------------------------------------------------------------------*/

typedef struct rope_attr {
    bool interleaved;
    int sign;
} rope_attr;

static fig_status infer_rope(fig_node *n) {
    const fig_tensor *x = n->in[0], *c = n->in[1];
    if (x->ndim != 4 || c->ndim != 3) return fig_node_fail(n, "takes [b, t, h, d] and angles [b, t, half]");
    if ((c->shape[0] != 1 && c->shape[0] != x->shape[0]) || c->shape[1] != x->shape[1])
        return fig_node_fail(n, "angles are for other positions");
    if (2 * c->shape[2] > x->shape[3])
        return fig_node_fail(n, "heads of %zu cannot turn %zu pairs", x->shape[3], c->shape[2]);
    if (x->stride[3] != 1) return fig_node_fail(n, "heads must be contiguous");
    fig_set_like(n->out[0], x);
    return FIG_OK;
}
typedef struct rope_job {
    const fig_exec *x;
    const fig_node *n;
    size_t per_batch;
} rope_job;
#define ROPE_ROWS 32
static void rope_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const rope_job *j = arg;
    const fig_tensor *x = j->n->in[0], *c = j->n->in[1], *y = j->n->out[0];
    const rope_attr *a = j->n->attr;
    size_t b = tile / j->per_batch, t = tile % j->per_batch * ROPE_ROWS, rows = FIG_MIN(ROPE_ROWS, x->shape[1] - t);
    size_t angle = ((c->shape[0] == 1 ? 0 : b) * c->shape[1] + t) * c->shape[2];
    j->x->kernels->rope(rows, x->shape[2], x->shape[3], c->shape[2], a->interleaved, a->sign, fig__at(c, angle),
                        fig__at(j->n->in[2], angle), fig__at(y, b * y->stride[0] + t * y->stride[1]), y->stride[1],
                        y->stride[2], fig__at(x, b * x->stride[0] + t * x->stride[1]), x->stride[1], x->stride[2],
                        x->dtype);
}
static void forward_rope(const fig_exec *x, const fig_node *n) {
    rope_job j = {x, n, fig__ceil_div(n->in[0]->shape[1], ROPE_ROWS)};
    fig__parallel(x->ctx, n->in[0]->shape[0] * j.per_batch, rope_tile, &j);
}
static fig_tensor *rope(fig_graph *g, fig_tensor *x, fig_tensor *c, fig_tensor *s, rope_attr a) {
    if (x && x->ndim == 4 && x->stride[3] != 1) x = fig_contiguous(g, x);
    return fig__node3(g, &fig__op_rope, &a, sizeof a, x, c, s);
}
static void backward_rope(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    rope_attr a = *(const rope_attr *)n->attr;
    a.sign = -a.sign;
    din[0] = rope(g, dout[0], n->in[1], n->in[2], a);
}
static void tangent_rope(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    if (tin[0]) tout[0] = rope(g, tin[0], n->in[1], n->in[2], *(const rope_attr *)n->attr);
}
static fig_tensor *sample_rope(fig_op_sampler *s, int variant) {
    if (variant > 2) return NULL;
    fig_tensor *c, *d, *x = fig_sample_input(s, -1, 1, 4, 2, 3, 2, variant == 2 ? 7 : 6);
    fig_rope_angles(fig_sample_graph(s), fig_sample_ints(s, 0, 9, 2, variant ? 2 : 1, 3), variant == 2 ? 2 : 3, 100, &c,
                    &d);
    return fig_rope(fig_sample_graph(s), x, c, d, variant == 1);
}
const fig_op fig__op_rope = {.name = "rope",
                             .flags = FIG_OP_STRIDED,
                             .infer = infer_rope,
                             .forward = forward_rope,
                             .backward = backward_rope,
                             .tangent = tangent_rope,
                             .sample = sample_rope};
fig_tensor *fig_rope(fig_graph *g, fig_tensor *x, fig_tensor *c, fig_tensor *s, bool interleaved) {
    return rope(g, x, c, s, (rope_attr){interleaved, 1});
}

/* --- attention --------------------------------------------------------------------------------------------------*/

typedef struct attention_attr {
    double scale, softcap, dropout;
    bool causal, cached;
    size_t window;
    int layer;
    uint64_t stream;
} attention_attr;
enum { Q, K, V, Q_LEN, KV_LEN, Q_SEGMENT, KV_SEGMENT, N_INPUT };
enum { OPTIONAL = 1 << Q_LEN | 1 << KV_LEN | 1 << Q_SEGMENT | 1 << KV_SEGMENT };

static fig_status check_ints(fig_node *n, const fig_tensor *t, int ndim, size_t a, size_t b, const char *what) {
    if (!t || (t->dtype == FIG_I32 && t->ndim == ndim && t->shape[0] == a && (ndim < 2 || t->shape[1] == b) &&
               fig_is_contiguous(t)))
        return FIG_OK;
    return fig_node_fail(n, "%s does not fit", what);
}

/* out: o [b,tq,h,d], lse [b,h,tq] */
static fig_status infer_attention(fig_node *n) {
    const fig_tensor *q = n->in[Q], *k = n->in[K], *v = n->in[V];
    if (q->ndim != 4 || k->ndim != 4 || v->ndim != 4) return fig_node_fail(n, "takes [b, t, h, d]");
    bool fits =
        q->shape[0] == k->shape[0] && q->shape[3] == k->shape[3] && k->shape[2] && q->shape[2] % k->shape[2] == 0;
    for (int d = 0; d < 4; d++) fits &= k->shape[d] == v->shape[d];
    if (!fits) return fig_node_fail(n, "batch, head width or number of heads do not fit");
    if (q->dtype != k->dtype || q->dtype != v->dtype) return fig_node_fail(n, "q, k and v need one type");
    FIG_TRY(check_ints(n, n->in[Q_LEN], 1, q->shape[0], 0, "q_len"));
    FIG_TRY(check_ints(n, n->in[KV_LEN], 1, q->shape[0], 0, "kv_len"));
    FIG_TRY(check_ints(n, n->in[Q_SEGMENT], 2, q->shape[0], q->shape[1], "q_segment"));
    FIG_TRY(check_ints(n, n->in[KV_SEGMENT], 2, k->shape[0], k->shape[1], "kv_segment"));
    if (!n->in[Q_SEGMENT] != !n->in[KV_SEGMENT]) return fig_node_fail(n, "segments are needed for both q and kv");
    fig_set_like(n->out[0], q);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 3, (size_t[]){q->shape[0], q->shape[2], q->shape[1]});
    return FIG_OK;
}

static void strides3(const fig_tensor *t, size_t out[3]) {
    for (int d = 0; d < 3; d++) out[d] = t->stride[d];
}
static const int32_t *ints(const fig_tensor *t) { return t ? t->data : NULL; }

static figk_attn args_of(const fig_node *n, fig_tensor *const *in, const fig_tensor *o, const fig_tensor *lse) {
    const attention_attr *a = n->attr;
    const fig_tensor *q = in[Q], *k = in[K];
    figk_attn f = {.n_batch = q->shape[0],
                   .n_head = q->shape[2],
                   .n_kv_head = k->shape[2],
                   .head_dim = q->shape[3],
                   .q_max = q->shape[1],
                   .kv_max = k->shape[1],
                   .type = q->dtype,
                   .scale = a->scale,
                   .softcap = a->softcap,
                   .causal = a->causal,
                   .window = a->window,
                   .q_len = ints(in[Q_LEN]),
                   .kv_len = ints(in[KV_LEN]),
                   .q_segment = ints(in[Q_SEGMENT]),
                   .kv_segment = ints(in[KV_SEGMENT]),
                   .dropout = n->graph->mode == FIG_TRAIN ? a->dropout : 0,
                   .q = q->data,
                   .k = k->data,
                   .v = in[V]->data,
                   .o = o->data,
                   .lse = lse->data};
    strides3(q, f.q_stride);
    strides3(k, f.k_stride);
    strides3(in[V], f.v_stride);
    strides3(o, f.o_stride);
    return f;
}
static void set_key(figk_attn *f, const fig_exec *x, const fig_node *n) {
    f->key = (fig_rng_key){x->seed, ((const attention_attr *)n->attr)->stream, x->step};
    f->sample0 = x->sample0;
}

/* Keys and values go into the cache; attention then reads all of them from there. */
static void use_cache(figk_attn *f, fig_kv *kv, int layer) {
    fig__kv_append(kv, layer, f->k, f->k_stride, f->v, f->v_stride);
    f->k_blocks = kv->k_blocks;
    f->v_blocks = kv->v_blocks;
    f->blocks_max = kv->blocks_max;
    f->block_len = kv->o.block_len;
    f->kv_max = kv->blocks_max * kv->o.block_len;
    f->k_stride[1] = f->v_stride[1] = kv->o.n_kv_head * kv->o.head_dim;
    f->k_stride[2] = f->v_stride[2] = kv->o.head_dim;
    f->q_len = kv->n_new;
    f->kv_len = kv->kv_len;
}
static void forward_attention(const fig_exec *x, const fig_node *n) {
    const attention_attr *a = n->attr;
    figk_attn f = args_of(n, n->in, n->out[0], n->out[1]);
    set_key(&f, x, n);
    if (a->cached && x->kv) use_cache(&f, x->kv, a->layer);
    figk_attention_forward(x->ctx, &f);
}
static size_t scratch_attention(fig_context *ctx, const fig_node *n) {
    figk_attn f = args_of(n, n->in, n->out[0], n->out[1]);
    if (((const attention_attr *)n->attr)
            ->cached) { /* the cache's own size is not known here: what it may hold counts */
        f.blocks_max = 1;
        f.block_len = 64;
        f.k_blocks = f.v_blocks = (const void *const *)&n; /* only asked whether there is one */
    }
    return figk_attention_scratch(ctx, &f, false);
}

static void backward_attention(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *in[N_INPUT + 3];
    memcpy(in, n->in, sizeof *in * N_INPUT);
    in[N_INPUT] = n->out[0];
    in[N_INPUT + 1] = n->out[1];
    in[N_INPUT + 2] = dout[0];
    fig_node *b =
        fig_node_new(g, &fig__op_attention_bwd, n->attr, sizeof(attention_attr), in, N_INPUT + 3, 3, OPTIONAL);
    for (int i = 0; b && i < 3; i++) din[i] = b->out[i];
}
static fig_status infer_attention_bwd(fig_node *n) {
    for (int i = 0; i < 3; i++) fig_set_like(n->out[i], n->in[i]);
    return FIG_OK;
}
static figk_attn args_of_bwd(const fig_node *n) {
    figk_attn f = args_of(n, n->in, n->in[N_INPUT], n->in[N_INPUT + 1]);
    f.d_o = n->in[N_INPUT + 2]->data;
    f.dq = n->out[0]->data;
    f.dk = n->out[1]->data;
    f.dv = n->out[2]->data;
    strides3(n->in[N_INPUT + 2], f.do_stride);
    strides3(n->out[0], f.dq_stride);
    strides3(n->out[1], f.dk_stride);
    strides3(n->out[2], f.dv_stride);
    return f;
}
static void forward_attention_bwd(const fig_exec *x, const fig_node *n) {
    figk_attn f = args_of_bwd(n);
    set_key(&f, x, n);
    figk_attention_backward(x->ctx, &f);
}
static size_t scratch_attention_bwd(fig_context *ctx, const fig_node *n) {
    figk_attn f = args_of_bwd(n);
    return figk_attention_scratch(ctx, &f, true);
}
/* Of the pairs that the mask leaves: two products forward, five backward. Lengths and segments are not looked at, and
 * with a cache there is as much to read as it holds. */
static double operations_attention(const fig_node *n) {
    const attention_attr *a = n->attr;
    const fig_tensor *q = n->in[Q];
    double pairs = 0, width = (double)(q->shape[0] * q->shape[2] * q->shape[3]);
    size_t keys = n->in[K]->shape[1], queries = q->shape[1], before = keys > queries ? keys - queries : 0;
    for (size_t i = 0; i < queries; i++) {
        size_t seen = a->causal ? FIG_MIN(before + i + 1, keys) : keys;
        pairs += (double)(a->window ? FIG_MIN(seen, a->window) : seen);
    }
    return (n->op == &fig__op_attention ? 4 : 10) * pairs * width;
}
/* Variants: causal; full with other key length; window and grouped heads; lengths; segments; soft cap. */
static fig_tensor *sample_attention(fig_op_sampler *s, int variant) {
    if (variant > 5) return NULL;
    int tk = variant == 1 ? 6 : 5, hkv = variant == 2 ? 1 : 2;
    fig_tensor *q = fig_sample_input(s, -1, 1, 4, 2, 5, 2, 3);
    fig_tensor *k = fig_sample_input(s, -1, 1, 4, 2, tk, hkv, 3), *v = fig_sample_input(s, -1, 1, 4, 2, tk, hkv, 3);
    fig_attention_options o = {
        .causal = variant != 1, .window = variant == 2 ? 2 : 0, .softcap = variant == 5 ? 0.8 : 0};
    if (variant == 3) o.q_len = o.kv_len = fig_sample_ints(s, 3, 6, 1, 2);
    if (variant == 4) o.q_segment = o.kv_segment = fig_sample_ints(s, 0, 2, 2, 2, 5);
    return fig_attention(fig_sample_graph(s), q, k, v, &o);
}
/* softmax(scale q k^T + mask) v for the causal and the full variant. */
static fig_tensor *composite_attention(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_graph *g = fig_sample_graph(s);
    static const int heads_first[] = {0, 2, 1, 3};
    int tk = variant ? 6 : 5;
    fig_tensor *q = fig_permute(g, fig_sample_input(s, -1, 1, 4, 2, 5, 2, 3), heads_first);
    fig_tensor *k = fig_permute(g, fig_sample_input(s, -1, 1, 4, 2, tk, 2, 3), heads_first);
    fig_tensor *v = fig_permute(g, fig_sample_input(s, -1, 1, 4, 2, tk, 2, 3), heads_first);
    fig_tensor *score = fig_scale(g, fig_matmul(g, q, k, false, true), 1 / sqrt(3.0));
    if (!variant) { /* position differences as row minus column, from a constant ramp */
        fig_tensor *ramp = fig_sample_ramp(s, 5);
        fig_tensor *seen = fig_ge(g, fig_reshape(g, ramp, 2, (int64_t[]){-1, 1}), ramp);
        score = fig_where(g, seen, score, fig_add_scalar(g, fig_scale(g, score, 0), -1e30));
    }
    return fig_permute(g, fig_matmul(g, fig_softmax(g, score), v, false, false), heads_first);
}
const fig_op fig__op_attention = {.name = "attention",
                                  .flags = FIG_OP_STRIDED,
                                  .infer = infer_attention,
                                  .forward = forward_attention,
                                  .backward = backward_attention,
                                  .scratch = scratch_attention,
                                  .operations = operations_attention,
                                  .sample = sample_attention,
                                  .composite = composite_attention};
const fig_op fig__op_attention_bwd = {
    .name = "attention_bwd",
    .flags = FIG_OP_STRIDED,
    .infer = infer_attention_bwd,
    .forward = forward_attention_bwd,
    .scratch = scratch_attention_bwd,
    .operations = operations_attention,
    FIG_NO_GRAD("it is itself a gradient; a second order through attention is not offered")};

/* A head's elements are next to each other; anything else is copied. */
static fig_tensor *dense_heads(fig_graph *g, fig_tensor *t) {
    return t && t->ndim == 4 && t->stride[3] != 1 ? fig_contiguous(g, t) : t;
}

fig_tensor *fig_attention(fig_graph *g, fig_tensor *q, fig_tensor *k, fig_tensor *v, const fig_attention_options *o) {
    attention_attr a = {.scale = o->scale,
                        .softcap = o->softcap,
                        .dropout = o->dropout,
                        .causal = o->causal,
                        .window = o->window,
                        .layer = o->layer,
                        .cached = g->mode == FIG_PREFILL || g->mode == FIG_DECODE,
                        .stream = fig__rng_stream(g->path)};
    if (!a.scale && q) a.scale = 1 / sqrt((double)fig_dim(q, -1));
    fig_tensor *in[N_INPUT] = {dense_heads(g, q), dense_heads(g, k), dense_heads(g, v), o->q_len,
                               o->kv_len,         o->q_segment,      o->kv_segment};
    fig_node *n = fig_node_new(g, &fig__op_attention, &a, sizeof a, in, N_INPUT, 2, OPTIONAL);
    return n ? n->out[0] : NULL;
}
