/* core/gradcheck.c: gradients against central differences, tangents against gradients, fused ops against their
 * composites, all in double precision on the scalar oracle; and the context's own kernels against the oracle.
 *
 * A sample function records a small case through fig_sample_*; the sampler remembers each input and fills it from a
 * generator keyed by the input's number, so that a composite which asks for the same inputs gets the same values. */
#include <math.h>
#include <fig/ops.h>
#include "base/rng.h"
#include "core/core.h"

#define MAX_INPUTS 8
#define H 1e-6

typedef enum { CHECKED, CONSTANT, INTEGERS, RAMP } input_kind;

struct fig_op_sampler {
    fig_graph *g;
    struct {
        fig_tensor *t;
        input_kind kind;
        double low, high;
    } in[MAX_INPUTS];
    int n_in;
};

/* Inputs have the types that a model's would have: vectors (gains, biases) real, the rest the graph's. */
static fig_dtype sample_dtype(const fig_op_sampler *s, int ndim) {
    return s->g->dtype == FIG_F64 ? FIG_F64 : ndim < 2 ? FIG_F32 : s->g->dtype;
}

/* A case that is being checked: the recorded graph with loss = sum(out * weight) and its gradients. */
typedef struct trial {
    fig_op_sampler s;
    fig_tensor *out, *weight, *loss, *grads[MAX_INPUTS], *jvp, *v[MAX_INPUTS];
    fig_plan *plan;
    fig_dtype rounded; /* values are those that fit into this type */
} trial;

fig_graph *fig_sample_graph(fig_op_sampler *s) { return s->g; }

static fig_tensor *sample(fig_op_sampler *s, input_kind kind, double low, double high, fig_dtype dtype, int ndim,
                          const size_t *shape) {
    if (s->n_in == MAX_INPUTS) return NULL;
    fig_tensor *t = fig_input(s->g, "sample", dtype, ndim, shape);
    s->in[s->n_in].t = t;
    s->in[s->n_in].kind = kind;
    s->in[s->n_in].low = low;
    s->in[s->n_in++].high = high;
    return t;
}
static void read_shape(int ndim, size_t *shape, va_list args) {
    for (int i = 0; i < ndim; i++) shape[i] = (size_t)va_arg(args, int);
}
#define SAMPLE(kind, dtype)        \
    size_t shape[FIG_MAX_DIMS];    \
    va_list args;                  \
    va_start(args, ndim);          \
    read_shape(ndim, shape, args); \
    va_end(args);                  \
    return sample(s, kind, low, high, dtype, ndim, shape)
fig_tensor *fig_sample_input(fig_op_sampler *s, double low, double high, int ndim, ...) {
    SAMPLE(CHECKED, sample_dtype(s, ndim));
}
fig_tensor *fig_sample_const(fig_op_sampler *s, double low, double high, int ndim, ...) {
    SAMPLE(CONSTANT, sample_dtype(s, ndim));
}
fig_tensor *fig_sample_ints(fig_op_sampler *s, int low, int high, int ndim, ...) { SAMPLE(INTEGERS, FIG_I32); }
fig_tensor *fig_sample_ramp(fig_op_sampler *s, int n) {
    return sample(s, RAMP, 0, 0, sample_dtype(s, 1), 1, (size_t[]){(size_t)n});
}

static double draw(uint64_t stream, size_t i) {
    fig_rng_key key = {1234, stream, 0};
    return fig__rng_uniform(&key, 0, i);
}

/* Values away from 0 by at least 1e-3 of the range: kinks of relu and its kind are no place for differences. */
static double draw_between(double low, double high, uint64_t stream, size_t i) {
    double v = low + (high - low) * draw(stream, i), gap = 1e-3 * (high - low);
    return fabs(v) < gap ? (v < 0 ? v - gap : v + gap) : v;
}

static void put(void *data, fig_dtype dtype, size_t i, double v) {
    if (dtype == FIG_F64)
        ((double *)data)[i] = v;
    else if (dtype == FIG_BF16)
        ((uint16_t *)data)[i] = fig__f32_to_bf16((float)v);
    else if (dtype == FIG_I32)
        ((int32_t *)data)[i] = (int32_t)floor(v);
    else
        ((float *)data)[i] = (float)v;
}
static double get(const void *data, fig_dtype dtype, size_t i) {
    if (dtype == FIG_F64) return ((const double *)data)[i];
    return dtype == FIG_BF16 ? (double)fig__bf16_to_f32(((const uint16_t *)data)[i]) : (double)((const float *)data)[i];
}

static void fill(trial *t, fig_tensor *in, input_kind kind, double low, double high, uint64_t stream) {
    void *data = in ? fig_plan_data(t->plan, in) : NULL;
    if (!data) return; /* nothing reads it */
    fig_dtype rounded = in->ndim < 2 && t->rounded == FIG_BF16 ? FIG_F32 : t->rounded;
    for (size_t i = 0; i < fig_numel(in); i++) {
        double v = kind == RAMP       ? (double)i
                   : kind == INTEGERS ? low + (high - low) * draw(stream, i)
                                      : draw_between(low, high, stream, i);
        if (kind == CHECKED || kind == CONSTANT) put(&v, rounded, 0, v), v = get(&v, rounded, 0);
        put(data, in->dtype, i, v);
    }
}

static void fill_inputs(trial *t) {
    for (int k = 0; k < t->s.n_in; k++) {
        fill(t, t->s.in[k].t, t->s.in[k].kind, t->s.in[k].low, t->s.in[k].high, (uint64_t)k);
        fill(t, t->v[k], CHECKED, -1, 1, 200 + (uint64_t)k);
    }
    fill(t, t->weight, CHECKED, -1, 1, 100);
}

static void record_jvp(trial *t) {
    fig_graph *g = t->s.g;
    for (int k = 0; k < t->s.n_in; k++) {
        fig_tensor *x = t->s.in[k].t;
        if (t->s.in[k].kind != CHECKED || !t->grads[k]) continue;
        t->v[k] = fig_input(g, "v", x->dtype, x->ndim, x->shape);
        fig_tensor *dot = fig_sum(g, fig_mul(g, fig_tangent(g, t->out, x, t->v[k]), t->weight), FIG_ALL_AXES);
        t->jvp = t->jvp ? fig_add(g, t->jvp, dot) : dot;
    }
}

static void trial_free(trial *t) {
    fig_plan_free(t->plan);
    fig_graph_free(t->s.g);
    *t = (trial){0};
}

typedef struct precision {
    fig_dtype graph, values;
} precision;
static const precision oracle = {FIG_F64, FIG_F64};

/* *exists false: the sample has no such variant. */
static fig_status trial_new(fig_context *ctx, fig_sample_fn *fn, int variant, bool tangent, precision p, trial *t,
                            bool *exists) {
    *t = (trial){.rounded = p.values};
    *exists = false;
    FIG_TRY(fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_TRAIN, p.graph}, &t->s.g));
    fig_graph *g = t->s.g;
    t->out = fn(&t->s, variant);
    *exists = t->out != NULL;
    if (!t->out) return fig_graph_status(g);
    t->weight = fig_input(g, "weight", t->out->dtype, t->out->ndim, t->out->shape);
    t->loss = fig_sum(g, fig_mul(g, t->out, t->weight), FIG_ALL_AXES);
    fig_tensor *wrt[MAX_INPUTS] = {0}, *roots[MAX_INPUTS + 3] = {0};
    for (int k = 0; k < t->s.n_in; k++) wrt[k] = t->s.in[k].kind == CHECKED ? t->s.in[k].t : NULL;
    FIG_TRY(fig_backward(g, t->loss, wrt, (size_t)t->s.n_in, t->grads));
    for (int k = 0; k < t->s.n_in; k++)
        if (t->grads[k]) t->grads[k] = fig_contiguous(g, t->grads[k]);
    if (tangent) record_jvp(t);
    FIG_TRY(fig_graph_status(g));
    size_t n = 0;
    roots[n++] = t->loss;
    roots[n++] = t->out = fig_contiguous(g, t->out);
    for (int k = 0; k < t->s.n_in; k++)
        if (t->grads[k]) roots[n++] = t->grads[k];
    if (t->jvp) roots[n++] = t->jvp;
    FIG_TRY(fig_plan_new(g, roots, n, NULL, &t->plan));
    FIG_TRY(fig_plan_alloc(t->plan));
    fill_inputs(t);
    return fig_plan_run(t->plan, NULL);
}

static double *grad_of(trial *t, int k) { return t->grads[k] ? fig_plan_data(t->plan, t->grads[k]) : NULL; }
static double value_of(trial *t) { return *(double *)fig_plan_data(t->plan, t->loss); }

static double scale_of(const double *d, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(d[i]));
    return 1 + largest;
}

/* NaN must not hide behind a comparison. */
static void worse(double *worst, double error) {
    if (!(error <= *worst)) *worst = error;
}

static fig_status check_input(trial *t, int k, double *worst) {
    fig_tensor *in = t->s.in[k].t;
    size_t n = fig_numel(in);
    double *x = fig_plan_data(t->plan, in), *grad = grad_of(t, k), *analytic = FIG_NEW_N(t->s.g->ctx, double, n);
    if (!analytic) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) analytic[i] = grad ? grad[i] : 0;
    double scale = scale_of(analytic, n);
    fig_status status = FIG_OK;
    for (size_t i = 0; i < n && !status; i++) {
        double x0 = x[i], up, down;
        x[i] = x0 + H;
        status = fig_plan_run(t->plan, NULL);
        up = value_of(t);
        x[i] = x0 - H;
        if (!status) status = fig_plan_run(t->plan, NULL);
        down = value_of(t);
        x[i] = x0;
        worse(worst, fabs((up - down) / (2 * H) - analytic[i]) / scale);
    }
    fig__free(t->s.g->ctx, analytic);
    return status ? status : fig_plan_run(t->plan, NULL);
}

static void check_tangent(trial *t, double *worst) {
    double dot = 0, scale = 1;
    for (int k = 0; k < t->s.n_in; k++) {
        const double *grad = grad_of(t, k), *v = t->v[k] ? fig_plan_data(t->plan, t->v[k]) : NULL;
        for (size_t i = 0; grad && v && i < fig_numel(t->v[k]); i++)
            dot += grad[i] * v[i], scale += fabs(grad[i] * v[i]);
    }
    if (t->jvp) worse(worst, fabs(*(double *)fig_plan_data(t->plan, t->jvp) - dot) / scale);
}

static void compare(trial *a, trial *b, double *worst) {
    worse(worst, fabs(value_of(a) - value_of(b)) / (1 + fabs(value_of(a))));
    for (int k = 0; k < a->s.n_in && k < b->s.n_in; k++) {
        const double *x = grad_of(a, k), *y = grad_of(b, k);
        if (!x || !y) continue;
        for (size_t i = 0; i < fig_numel(a->s.in[k].t); i++) worse(worst, fabs(x[i] - y[i]));
    }
}

static fig_status check_variant(fig_context *ctx, trial *t, fig_sample_fn *composite, int variant, fig_op_report *r) {
    for (int k = 0; k < t->s.n_in; k++)
        if (t->s.in[k].kind == CHECKED) FIG_TRY(check_input(t, k, &r->worst_gradient));
    check_tangent(t, &r->worst_tangent);
    if (!composite) return FIG_OK;
    trial other;
    bool exists;
    fig_status status = trial_new(ctx, composite, variant, false, oracle, &other, &exists);
    if (!status && exists) compare(t, &other, &r->worst_composite);
    trial_free(&other);
    return status;
}

fig_status fig_sample_check(fig_context *ctx, fig_sample_fn *fn, fig_sample_fn *composite, bool tangent,
                            fig_op_report *r) {
    *r = (fig_op_report){0};
    for (bool exists = true; exists;) {
        trial t;
        fig_status status = trial_new(ctx, fn, r->n_variants, tangent, oracle, &t, &exists);
        if (!status && exists) status = check_variant(ctx, &t, composite, r->n_variants, r);
        r->n_variants += exists;
        trial_free(&t);
        FIG_TRY(status);
    }
    return FIG_OK;
}

fig_status fig_op_check(fig_context *ctx, const fig_op *op, fig_op_report *report) {
    FIG_CHECK(ctx, op->sample, FIG_ERR_ARG, "%s: has no sampler", op->name);
    return fig_sample_check(ctx, op->sample, op->composite, op->tangent != NULL, report);
}

/* --- kernels against the oracle ---------------------------------------------------------------------------------
 * Both run on the same values, those that fit into the narrow type. A result may then differ by one rounding for each
 * node on the longest way to it (and one for what a node rounds inside), each at most half a unit in the last place of
 * the largest number in sight. */

static int depth_of(const fig_tensor *t) {
    int depth = 0;
    for (int i = 0; i < t->node->n_in; i++)
        if (t->node->in[i]) depth = FIG_MAX(depth, depth_of(t->node->in[i]));
    return depth + !(t->node->op->flags & (FIG_OP_LEAF | FIG_OP_VIEW));
}

static double half_unit(fig_dtype dtype) { return ldexp(1, dtype == FIG_BF16 ? -9 : -24); }

static void compare_narrow(trial *narrow, fig_tensor *a, trial *exact, fig_tensor *b, double *worst) {
    size_t n = fig_numel(a);
    const double *wanted = fig_plan_data(exact->plan, b);
    const void *got = fig_plan_data(narrow->plan, a);
    double tolerance = 2 * depth_of(a) * half_unit(narrow->rounded) * scale_of(wanted, n);
    for (size_t i = 0; i < n; i++) worse(worst, fabs(get(got, a->dtype, i) - wanted[i]) / tolerance);
}

static fig_status compare_variant(fig_context *ctx, fig_sample_fn *fn, int variant, fig_dtype dtype, bool *exists,
                                  double *worst) {
    trial a, b;
    fig_status status = trial_new(ctx, fn, variant, false, (precision){dtype, dtype}, &a, exists);
    if (status || !*exists) {
        trial_free(&a);
        return status;
    }
    status = trial_new(ctx, fn, variant, false, (precision){FIG_F64, dtype}, &b, exists);
    if (!status) compare_narrow(&a, a.out, &b, b.out, worst);
    for (int k = 0; !status && k < a.s.n_in; k++)
        if (a.grads[k]) compare_narrow(&a, a.grads[k], &b, b.grads[k], worst);
    trial_free(&a);
    trial_free(&b);
    return status;
}

fig_status fig_sample_compare(fig_context *ctx, fig_sample_fn *fn, fig_dtype dtype, double *worst) {
    bool exists = true;
    *worst = 0;
    for (int variant = 0; exists; variant++) FIG_TRY(compare_variant(ctx, fn, variant, dtype, &exists, worst));
    return FIG_OK;
}
