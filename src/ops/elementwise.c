/* ops/elementwise.c: the element-wise family. One row of the table is one op: its micro-op, its local derivative, and
 * the interval that gradient checks draw inputs from.
 *
 * The local derivative of an element-wise op is diagonal, so the same expression serves backward (then summed over
 * broadcast axes) and tangent. */
#include "ops/ops.h"
#include "base/map.h"

typedef fig_tensor *local_fn(fig_graph *g, fig_node *n, int i, fig_tensor *d);
typedef struct ew_row {
    fig_op op; /* first: a pointer to it is a pointer to the row */
    int arity;
    local_fn *local;
    double low, high;
} ew_row;

static fig_tensor *ew(fig_graph *g, const fig_op *op, fig_tensor *a, fig_tensor *b, fig_tensor *c, double p0,
                      double p1);

/* --- local derivatives: d times the derivative of the output with respect to input i ----------------------------*/

#define X n->in[0]
#define Y n->out[0]
#define P(k) (((const fig__ew_attr *)n->attr)->p[k])
#define LOCAL(name, expr)                                                          \
    static fig_tensor *d_##name(fig_graph *g, fig_node *n, int i, fig_tensor *d) { \
        (void)g, (void)n, (void)i, (void)d;                                        \
        return expr;                                                               \
    }
enum { /* rows that have no public function; see the table */
       SIGMOID_BWD,
       TANH_BWD,
       RELU_BWD,
       RELU2_BWD,
       LEAKY_RELU_BWD,
       CLAMP_BWD,
       SILU_BWD,
       GELU_BWD,
       GELU_TANH_BWD,
       FILL
};
static const fig_op *inner(int which);
#define INNER(which, a, p0, p1) ew(g, inner(which), a, d, NULL, p0, p1)
#define D n->in[1] /* of the rows that are gradients: the gradient or tangent they pass on */

LOCAL(neg, fig_neg(g, d))
LOCAL(abs, fig_mul(g, d, fig_sign(g, X)))
LOCAL(square, fig_mul(g, d, fig_scale(g, X, 2)))
LOCAL(sqrt, fig_div(g, fig_scale(g, d, 0.5), Y))
LOCAL(rsqrt, fig_mul(g, fig_scale(g, d, -0.5), fig_mul(g, Y, fig_square(g, Y))))
LOCAL(recip, fig_neg(g, fig_mul(g, d, fig_square(g, Y))))
LOCAL(exp, fig_mul(g, d, Y))
LOCAL(log, fig_div(g, d, X))
LOCAL(sin, fig_mul(g, d, fig_cos(g, X)))
LOCAL(cos, fig_neg(g, fig_mul(g, d, fig_sin(g, X))))
LOCAL(tanh, INNER(TANH_BWD, Y, 0, 0))
LOCAL(erf, fig_mul(g, d, fig_scale(g, fig_exp(g, fig_neg(g, fig_square(g, X))), 1.12837916709551257390)))
LOCAL(sigmoid, INNER(SIGMOID_BWD, Y, 0, 0))
LOCAL(softplus, fig_mul(g, d, fig_sigmoid(g, X)))
/* Above zero where X is; so X need not be kept, and Y can be written over it. */
LOCAL(relu, INNER(RELU_BWD, Y, 0, 0))
LOCAL(relu2, INNER(RELU2_BWD, X, 0, 0))
LOCAL(silu, INNER(SILU_BWD, X, 0, 0))
LOCAL(gelu, INNER(GELU_BWD, X, 0, 0))
LOCAL(gelu_tanh, INNER(GELU_TANH_BWD, X, 0, 0))
/* Second order. A gradient row is linear in what it passes on, and has the second derivative at its point: zero where
 * the function is piecewise linear. */
#define LOCAL_BWD(name, at_point) LOCAL(name, i ? ew(g, n->op, X, d, NULL, P(0), P(1)) : at_point)
#define TIMES(factor) fig_mul(g, fig_mul(g, d, D), factor)
LOCAL_BWD(kinked_bwd, NULL)
LOCAL_BWD(relu2_bwd, fig_scale(g, ew(g, inner(RELU_BWD), X, fig_mul(g, d, D), NULL, 0, 0), 2))
LOCAL_BWD(sigmoid_bwd, TIMES(fig_add_scalar(g, fig_scale(g, X, -2), 1)))
LOCAL_BWD(tanh_bwd, TIMES(fig_scale(g, X, -2)))
/* s (1 - s) (2 + x (1 - 2s)) */
static fig_tensor *silu_second(fig_graph *g, fig_tensor *x) {
    fig_tensor *s = fig_sigmoid(g, x), *slope = fig_mul(g, s, fig_add_scalar(g, fig_neg(g, s), 1));
    return fig_mul(g, slope, fig_add_scalar(g, fig_mul(g, x, fig_add_scalar(g, fig_scale(g, s, -2), 1)), 2));
}
/* (2 - x^2) exp(-x^2 / 2) / sqrt(2 pi) */
static fig_tensor *gelu_second(fig_graph *g, fig_tensor *x) {
    fig_tensor *sq = fig_square(g, x),
               *density = fig_scale(g, fig_exp(g, fig_scale(g, sq, -0.5)), 0.39894228040143267794);
    return fig_mul(g, density, fig_add_scalar(g, fig_neg(g, sq), 2));
}
/* With t = tanh(u), u = k (x + c x^3):  (1 - t^2) (u' + x u'' / 2 - x t u'^2) */
static fig_tensor *gelu_tanh_second(fig_graph *g, fig_tensor *x) {
    const double k = 0.79788456080286535588, c = 0.044715;
    fig_tensor *sq = fig_square(g, x),
               *t = fig_tanh(g, fig_mul(g, x, fig_scale(g, fig_add_scalar(g, fig_scale(g, sq, c), 1), k)));
    fig_tensor *u1 = fig_add_scalar(g, fig_scale(g, sq, 3 * k * c), k), *half_x_u2 = fig_scale(g, sq, 3 * k * c);
    fig_tensor *last = fig_mul(g, fig_mul(g, x, t), fig_square(g, u1));
    return fig_mul(g, fig_add_scalar(g, fig_neg(g, fig_square(g, t)), 1), fig_sub(g, fig_add(g, u1, half_x_u2), last));
}
LOCAL_BWD(silu_bwd, TIMES(silu_second(g, X)))
LOCAL_BWD(gelu_bwd, TIMES(gelu_second(g, X)))
LOCAL_BWD(gelu_tanh_bwd, TIMES(gelu_tanh_second(g, X)))
LOCAL(same, d)
LOCAL(scale, fig_scale(g, d, P(0)))
LOCAL(pow, fig_mul(g, d, fig_scale(g, fig_pow(g, X, P(0) - 1), P(0))))
LOCAL(leaky_relu, INNER(LEAKY_RELU_BWD, P(0) >= 0 ? Y : X, P(0), 0)) /* as relu */
LOCAL(clamp, INNER(CLAMP_BWD, X, P(0), P(1)))
LOCAL(sub, i ? fig_neg(g, d) : d)
LOCAL(mul, fig_mul(g, d, n->in[1 - i]))
LOCAL(div, i ? fig_neg(g, fig_div(g, fig_mul(g, d, Y), n->in[1])) : fig_div(g, d, n->in[1]))
LOCAL(max, fig_mul(g, d, i ? fig_ge(g, n->in[1], X) : fig_gt(g, X, n->in[1])))
LOCAL(min, fig_mul(g, d, i ? fig_ge(g, X, n->in[1]) : fig_gt(g, n->in[1], X)))
LOCAL(swiglu, i ? fig_mul(g, d, fig_silu(g, X)) : INNER(SILU_BWD, X, 0, 0))
static fig_tensor *d_swiglu_both(fig_graph *g, fig_node *n, int i, fig_tensor *d) {
    return d_swiglu(g, n, i, i ? d : fig_mul(g, d, n->in[1]));
}
static fig_tensor *d_where(fig_graph *g, fig_node *n, int i, fig_tensor *d) {
    fig_tensor *zero = fig__fill_like(g, d, 0);
    return i == 0 ? NULL : i == 1 ? fig_where(g, X, d, zero) : fig_where(g, X, zero, d);
}
static fig_tensor *d_dropout(fig_graph *g, fig_node *n, int i, fig_tensor *d) {
    (void)i;
    fig_node *m = fig_node_new(g, n->op, n->attr, sizeof(fig__ew_attr), &d, 1, 1, 0);
    return m ? m->out[0] : NULL;
}
LOCAL(cast, fig_cast(g, d, Y->dtype)) /* a gradient gets its own type where it is added up */

/* --- the family's functions -------------------------------------------------------------------------------------*/

static bool broadcast_extent(fig_tensor *out, const fig_tensor *in) {
    for (int i = 0; i < in->ndim; i++) {
        size_t *o = &out->shape[out->ndim - in->ndim + i];
        if (in->shape[i] == 1 || in->shape[i] == *o) continue;
        if (*o != 1) return false;
        *o = in->shape[i];
    }
    return true;
}

static fig_dtype wider(fig_dtype a, fig_dtype b) {
    if (a == FIG_F64 || b == FIG_F64) return FIG_F64;
    return a == b ? a : FIG_F32;
}

/* The type of the operands that have the result's shape; of several, the wider. A condition does not count. */
static fig_dtype result_type(const fig_node *n) {
    const fig_tensor *out = n->out[0];
    int first = n->op->ew == FIGK_EW_where, best = -1;
    fig_dtype dtype = n->in[first]->dtype;
    for (int i = first; i < n->n_in; i++) {
        bool full = fig_numel(n->in[i]) == fig_numel(out);
        if (full > best) {
            best = full;
            dtype = n->in[i]->dtype;
        } else if (full == best) {
            dtype = wider(dtype, n->in[i]->dtype);
        }
    }
    return dtype == FIG_I32 || dtype == FIG_U8 ? FIG_F32 : dtype;
}

static fig_status infer_ew(fig_node *n) {
    fig_tensor *out = n->out[0];
    out->ndim = 0;
    for (int i = 0; i < n->n_in; i++) out->ndim = FIG_MAX(out->ndim, n->in[i]->ndim);
    for (int i = 0; i < out->ndim; i++) out->shape[i] = 1;
    for (int i = 0; i < n->n_in; i++)
        if (!broadcast_extent(out, n->in[i])) return fig_node_fail(n, "shapes do not broadcast");
    fig_dtype dtype = n->op->ew == FIG__EW_CAST ? ((const fig__ew_attr *)n->attr)->dtype : result_type(n);
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, out->shape, sizeof shape);
    fig_set_shape(out, dtype, out->ndim, shape);
    return FIG_OK;
}

static void backward_ew(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    const ew_row *row = (const ew_row *)n->op;
    for (int i = 0; i < n->n_in; i++)
        if (fig_needs_grad(n->in[i])) {
            fig_tensor *d = row->local(g, n, i, dout[0]);
            din[i] = d ? fig__sum_to(g, d, n->in[i]) : NULL;
        }
}

static void tangent_ew(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    const ew_row *row = (const ew_row *)n->op;
    for (int i = 0; i < n->n_in; i++) {
        fig_tensor *t = tin[i] ? row->local(g, n, i, fig_broadcast_like(g, tin[i], n->out[0])) : NULL;
        if (t) tout[0] = tout[0] ? fig_add(g, tout[0], t) : t;
    }
}

#define ROW(op_name, micro, n_inputs, deriv, lo, hi) ROW_OF(op_name, micro, n_inputs, deriv, lo, hi, 0)
#define CHEAP_ROW(op_name, micro, n_inputs, deriv, lo, hi) ROW_OF(op_name, micro, n_inputs, deriv, lo, hi, FIG_OP_CHEAP)
#define ROW_OF(op_name, micro, n_inputs, deriv, lo, hi, more)    \
    {                                                            \
        .op = {.name = op_name,                                  \
               .flags = FIG_OP_EW | FIG_OP_STRIDED | (more),     \
               .infer = infer_ew,                                \
               .backward = backward_ew,                          \
               .tangent = tangent_ew,                            \
               .ew = micro},                                     \
        .arity = n_inputs, .local = deriv, .low = lo, .high = hi \
    }
#define FLAT_ROW(op_name, micro, n_inputs, why, shape_inputs) \
    {                                                         \
        .op = {.name = op_name,                               \
               .flags = FIG_OP_EW | FIG_OP_STRIDED,           \
               .infer = infer_ew,                             \
               FIG_NO_GRAD(why),                              \
               .ew = micro,                                   \
               .shape_only = shape_inputs},                   \
        .arity = n_inputs                                     \
    }

static const ew_row inner_rows[] = {
    [SIGMOID_BWD] = ROW("sigmoid_bwd", FIGK_EW_sigmoid_bwd, 2, d_sigmoid_bwd, 0, 0),
    [TANH_BWD] = ROW("tanh_bwd", FIGK_EW_tanh_bwd, 2, d_tanh_bwd, 0, 0),
    [RELU_BWD] = ROW("relu_bwd", FIGK_EW_relu_bwd, 2, d_kinked_bwd, 0, 0),
    [RELU2_BWD] = ROW("relu2_bwd", FIGK_EW_relu2_bwd, 2, d_relu2_bwd, 0, 0),
    [LEAKY_RELU_BWD] = ROW("leaky_relu_bwd", FIGK_EW_leaky_relu_bwd, 2, d_kinked_bwd, 0, 0),
    [CLAMP_BWD] = ROW("clamp_bwd", FIGK_EW_clamp_bwd, 2, d_kinked_bwd, 0, 0),
    [SILU_BWD] = ROW("silu_bwd", FIGK_EW_silu_bwd, 2, d_silu_bwd, 0, 0),
    [GELU_BWD] = ROW("gelu_bwd", FIGK_EW_gelu_bwd, 2, d_gelu_bwd, 0, 0),
    [GELU_TANH_BWD] = ROW("gelu_tanh_bwd", FIGK_EW_gelu_tanh_bwd, 2, d_gelu_tanh_bwd, 0, 0),
    [FILL] = FLAT_ROW("fill", FIG__EW_FILL, 1, "its value is a constant", 1),
};
static const fig_op *inner(int which) { return &inner_rows[which].op; }

enum {
    ADD,
    SUB,
    MUL,
    DIV,
    MAX,
    MIN,
    GT,
    GE,
    EQ,
    WHERE,
    ADD_SCALAR,
    SCALE,
    POW,
    CLAMP,
    NEG,
    ABS,
    SIGN,
    ROUND,
    SQUARE,
    SQRT,
    RSQRT,
    RECIP,
    EXP,
    LOG,
    SIN,
    COS,
    TANH,
    ERF,
    SIGMOID,
    SOFTPLUS,
    RELU,
    RELU2,
    LEAKY_RELU,
    SILU,
    GELU,
    GELU_TANH,
    SWIGLU,
    DROPOUT,
    CAST
};
#define STEP_FN "it is a step function"
static const ew_row rows[] = {
    [ADD] = ROW("add", FIGK_EW_add, 2, d_same, -2, 2),
    [SUB] = ROW("sub", FIGK_EW_sub, 2, d_sub, -2, 2),
    [MUL] = ROW("mul", FIGK_EW_mul, 2, d_mul, -2, 2),
    [DIV] = ROW("div", FIGK_EW_div, 2, d_div, 0.5, 2),
    [MAX] = ROW("max", FIGK_EW_max, 2, d_max, -2, 2),
    [MIN] = ROW("min", FIGK_EW_min, 2, d_min, -2, 2),
    [GT] = FLAT_ROW("gt", FIGK_EW_gt, 2, STEP_FN, 0),
    [GE] = FLAT_ROW("ge", FIGK_EW_ge, 2, STEP_FN, 0),
    [EQ] = FLAT_ROW("eq", FIGK_EW_eq, 2, STEP_FN, 0),
    [WHERE] = ROW("where", FIGK_EW_where, 3, d_where, -2, 2),
    [ADD_SCALAR] = ROW("add_scalar", FIGK_EW_add_c, 1, d_same, -2, 2),
    [SCALE] = ROW("scale", FIGK_EW_mul_c, 1, d_scale, -2, 2),
    [POW] = ROW("pow", FIGK_EW_pow_c, 1, d_pow, 0.5, 2),
    [CLAMP] = ROW("clamp", FIGK_EW_clamp, 1, d_clamp, -2, 2),
    [NEG] = ROW("neg", FIGK_EW_neg, 1, d_neg, -2, 2),
    [ABS] = ROW("abs", FIGK_EW_abs, 1, d_abs, -2, 2),
    [SIGN] = FLAT_ROW("sign", FIGK_EW_sign, 1, STEP_FN, 0),
    [ROUND] = FLAT_ROW("round", FIGK_EW_round, 1, STEP_FN, 0),
    [SQUARE] = ROW("square", FIGK_EW_square, 1, d_square, -2, 2),
    [SQRT] = ROW("sqrt", FIGK_EW_sqrt, 1, d_sqrt, 0.5, 3),
    [RSQRT] = ROW("rsqrt", FIGK_EW_rsqrt, 1, d_rsqrt, 0.5, 3),
    [RECIP] = ROW("recip", FIGK_EW_recip, 1, d_recip, 0.5, 3),
    [EXP] = ROW("exp", FIGK_EW_exp, 1, d_exp, -2, 2),
    [LOG] = ROW("log", FIGK_EW_log, 1, d_log, 0.5, 3),
    [SIN] = ROW("sin", FIGK_EW_sin, 1, d_sin, -3, 3),
    [COS] = ROW("cos", FIGK_EW_cos, 1, d_cos, -3, 3),
    [TANH] = ROW("tanh", FIGK_EW_tanh, 1, d_tanh, -2, 2),
    [ERF] = ROW("erf", FIGK_EW_erf, 1, d_erf, -2, 2),
    [SIGMOID] = ROW("sigmoid", FIGK_EW_sigmoid, 1, d_sigmoid, -3, 3),
    [SOFTPLUS] = ROW("softplus", FIGK_EW_softplus, 1, d_softplus, -3, 3),
    [RELU] = ROW("relu", FIGK_EW_relu, 1, d_relu, -2, 2),
    [RELU2] = CHEAP_ROW("relu2", FIGK_EW_relu2, 1, d_relu2, -2, 2),
    [LEAKY_RELU] = ROW("leaky_relu", FIGK_EW_leaky_relu, 1, d_leaky_relu, -2, 2),
    [SILU] = CHEAP_ROW("silu", FIGK_EW_silu, 1, d_silu, -3, 3),
    [GELU] = CHEAP_ROW("gelu", FIGK_EW_gelu, 1, d_gelu, -3, 3),
    [GELU_TANH] = CHEAP_ROW("gelu_tanh", FIGK_EW_gelu_tanh, 1, d_gelu_tanh, -3, 3),
    [SWIGLU] = CHEAP_ROW("swiglu", FIGK_EW_swiglu, 2, d_swiglu_both, -3, 3),
    [DROPOUT] = ROW("dropout", FIG__EW_DROPOUT, 1, d_dropout, -2, 2),
    [CAST] = ROW("cast", FIG__EW_CAST, 1, d_cast, -2, 2),
};

const fig_op *fig__ew_op(size_t i) { return i < FIG_COUNT(rows) ? &rows[i].op : NULL; }

static fig_tensor *ew(fig_graph *g, const fig_op *op, fig_tensor *a, fig_tensor *b, fig_tensor *c, double p0,
                      double p1) {
    fig__ew_attr attr = {.p = {p0, p1}};
    fig_tensor *in[3] = {a, b, c};
    fig_node *n = fig_node_new(g, op, &attr, sizeof attr, in, ((const ew_row *)op)->arity, 1, 0);
    return n ? n->out[0] : NULL;
}

#define UNARY(fn, row) \
    fig_tensor *fig_##fn(fig_graph *g, fig_tensor *x) { return ew(g, &rows[row].op, x, NULL, NULL, 0, 0); }
#define BINARY(fn, row) \
    fig_tensor *fig_##fn(fig_graph *g, fig_tensor *a, fig_tensor *b) { return ew(g, &rows[row].op, a, b, NULL, 0, 0); }
#define SCALAR(fn, row) \
    fig_tensor *fig_##fn(fig_graph *g, fig_tensor *x, double c) { return ew(g, &rows[row].op, x, NULL, NULL, c, 0); }

BINARY(add, ADD)
BINARY(sub, SUB)
BINARY(mul, MUL)
BINARY(div, DIV)
BINARY(max, MAX)
BINARY(min, MIN)
BINARY(gt, GT)
BINARY(ge, GE)
BINARY(eq, EQ)
BINARY(swiglu, SWIGLU)
SCALAR(add_scalar, ADD_SCALAR)
SCALAR(scale, SCALE)
SCALAR(pow, POW)
SCALAR(leaky_relu, LEAKY_RELU)
UNARY(neg, NEG)
UNARY(abs, ABS)
UNARY(sign, SIGN)
UNARY(round, ROUND)
UNARY(square, SQUARE)
UNARY(sqrt, SQRT)
UNARY(rsqrt, RSQRT)
UNARY(recip, RECIP)
UNARY(exp, EXP)
UNARY(log, LOG)
UNARY(sin, SIN)
UNARY(cos, COS)
UNARY(tanh, TANH)
UNARY(erf, ERF)
UNARY(sigmoid, SIGMOID)
UNARY(softplus, SOFTPLUS)
UNARY(relu, RELU)
UNARY(relu2, RELU2)
UNARY(silu, SILU)
UNARY(gelu, GELU)
UNARY(gelu_tanh, GELU_TANH)

fig_tensor *fig_where(fig_graph *g, fig_tensor *cond, fig_tensor *a, fig_tensor *b) {
    return ew(g, &rows[WHERE].op, cond, a, b, 0, 0);
}
fig_tensor *fig_clamp(fig_graph *g, fig_tensor *x, double low, double high) {
    return ew(g, &rows[CLAMP].op, x, NULL, NULL, low, high);
}
fig_tensor *fig__fill_like(fig_graph *g, fig_tensor *like, double value) {
    return ew(g, inner(FILL), like, NULL, NULL, value, 0);
}

fig_tensor *fig_dropout(fig_graph *g, fig_tensor *x, double p) {
    if (g->mode != FIG_TRAIN || p <= 0) return x;
    fig__ew_attr attr = {.p = {p}, .stream = fig__rng_stream(g->path)};
    return fig__node1(g, &rows[DROPOUT].op, &attr, sizeof attr, x);
}

fig_tensor *fig_cast(fig_graph *g, fig_tensor *x, fig_dtype dtype) {
    if (!x || x->dtype == dtype) return x;
    fig__ew_attr attr = {.dtype = dtype};
    return fig__node1(g, &rows[CAST].op, &attr, sizeof attr, x);
}

/* --- gradient checks --------------------------------------------------------------------------------------------
 * Variant 0: equal shapes; 1: the second and third operands broadcast. The sampler is asked through fig__ew_sample with
 * the row, since one function serves all rows. */
fig_tensor *fig__ew_sample(fig_op_sampler *s, size_t row, int variant) {
    const ew_row *r = &rows[row];
    fig_graph *g = fig_sample_graph(s);
    if (variant > (r->arity > 1) || !r->local) return NULL;
    fig_tensor *in[3] = {0};
    for (int i = 0; i < r->arity; i++)
        in[i] = i && variant ? fig_sample_input(s, r->low, r->high, 1, 5)
                             : fig_sample_input(s, r->low, r->high, 3, 2, 3, 5);
    if (row == DROPOUT) return fig_dropout(g, in[0], 0.4);
    if (row == CAST) return fig_cast(g, in[0], fig__real_dtype(g));
    if (row == WHERE) in[0] = fig_gt(g, in[0], fig_scale(g, in[0], 0));
    double p0 = row == CLAMP ? -0.7 : row == POW ? 1.7 : row == LEAKY_RELU ? 0.2 : 0.8;
    return ew(g, &r->op, in[0], in[1], in[2], p0, 0.9);
}
