/* fig/op.h: what an op is. For those who add one; users of ops need fig/ops.h only.
 *
 * An op is one const descriptor in one file: shapes, forward, backward, tangent, memory, a gradient-check sampler.
 * backward and tangent *emit ops* into the same graph. See docs/first-op.md. */
#ifndef FIG_OP_H
#define FIG_OP_H
#include <fig/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_op fig_op;
typedef struct fig_node fig_node;
typedef struct fig_exec fig_exec;

struct fig_tensor {
    fig_node *node; /* the producer */
    int index;      /* which output of it */
    fig_dtype dtype;
    int ndim;
    size_t shape[FIG_MAX_DIMS];  /* extents of the current run, at most those recorded */
    size_t stride[FIG_MAX_DIMS]; /* elements; views may have any, everything else is row-major */
    fig_tensor *base;            /* whose memory this is: itself, or for a view the owner */
    size_t offset;               /* elements from the start of base */
    void *data;                  /* set by the plan; element [0,0,...] */
    /* private to core */
    struct fig__param *param; /* leaf of the store, or the parameter whose gradient this is */
    uint32_t id;
    bool is_param_grad;
};

struct fig_node {
    const fig_op *op;
    fig_graph *graph;
    const char *path; /* module path where it was recorded */
    void *attr;       /* the op's own constants, copied at recording */
    size_t attr_size; /* bytes */
    int n_in, n_out;
    fig_tensor **in; /* entries may be NULL where the op allows it */
    fig_tensor **out;
    uint32_t id;
};

/* What forward may use. */
struct fig_exec {
    fig_context *ctx;
    const struct figk_table *kernels; /* scalar, vector or double, as the graph's dtype asks */
    uint64_t seed, step, sample0;
    void *workspace; /* as large as workspace() asked */
    fig_kv *kv;
};

enum {
    FIG_OP_VIEW = 1,    /* output 0.. share memory with input 0; no forward */
    FIG_OP_STRIDED = 2, /* takes inputs with any strides; others get a contiguous copy */
    FIG_OP_EW = 4,      /* element-wise: planned and run by core/ew.c */
    FIG_OP_LEAF = 8,    /* input or parameter */
    FIG_OP_EFFECT = 16, /* kept even when nobody reads its output */
    FIG_OP_STOP = 32,   /* passes no gradient on: what it reads needs none on its account */
    FIG_OP_PICK = 64,   /* reads no more of input 0 than it gives: rows of a table */
    FIG_OP_CHEAP = 128, /* its gradient reads its inputs, not output 0: backward makes that again, not kept till then */
};

typedef struct fig_op_sampler fig_op_sampler; /* gradient checks; below */

struct fig_op {
    const char *name;
    unsigned flags;
    /* Sets dtype, ndim and shape of every output (and stride, offset of views) from the inputs and attributes; called
     * at recording and again whenever extents change. Fails through fig_node_fail. */
    fig_status (*infer)(fig_node *n);
    void (*forward)(const fig_exec *x, const fig_node *n);
    /* dout[i] is the gradient of output i, NULL where nothing depends on it; sets din[i] for the inputs that need one
     * (fig_needs_grad(n->in[i])); din comes zeroed. */
    void (*backward)(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din);
    const char *no_grad; /* instead of backward: why there is none */
    /* tin[i] is the tangent of input i or NULL (zero); sets tout[i]. */
    void (*tangent)(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout);
    size_t (*workspace)(fig_context *ctx, const fig_node *n); /* bytes, at the recorded extents; may be NULL */
    size_t (*scratch)(fig_context *ctx, const fig_node *n);   /* bytes of each thread; may be NULL */
    double (*operations)(const fig_node *n); /* of its products, 2 a multiply-add, at the current extents; NULL: none */
    /* Records variant 0, 1, 2 ... of a small test case with fig_sample_* inputs; NULL when there are no more. */
    fig_tensor *(*sample)(fig_op_sampler *s, int variant);
    /* The same result from simpler ops, for fused ops: compared in value and gradient. variant as in sample. */
    fig_tensor *(*composite)(fig_op_sampler *s, int variant);
    unsigned shape_only; /* bit i: input i lends its extents only; its contents are not read */
    int ew;              /* micro-op of kernels/ew.def (FIG_OP_EW) */
};
#define FIG_NO_GRAD(reason) .no_grad = (reason)

/* Records a node; returns it, or NULL with the graph's error set. attr is copied. in[] may hold NULLs only where
 * `optional` bits say so (bit i: input i may be NULL). */
fig_node *fig_node_new(fig_graph *g, const fig_op *op, const void *attr, size_t attr_size, fig_tensor *const *in,
                       int n_in, int n_out, unsigned optional);
/* Records the graph's first error: "path: op: message (shapes of the inputs)". */
fig_status fig_node_fail(fig_node *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fig_graph_fail(fig_graph *g, fig_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void fig_set_shape(fig_tensor *t, fig_dtype dtype, int ndim, const size_t *shape); /* row-major strides */
void fig_set_like(fig_tensor *t, const fig_tensor *like); /* shape and dtype of like, row-major */
bool fig_is_contiguous(const fig_tensor *t);
bool fig_needs_grad(const fig_tensor *t); /* inside backward(): whether anyone wants this input's gradient */
/* The type a gradient of t has: fp32 for parameters, else t's own. */
fig_dtype fig_grad_dtype(const fig_tensor *t);

/* Gradient checks run each op in double precision and compare with central differences. */
fig_graph *fig_sample_graph(fig_op_sampler *s);
fig_tensor *fig_sample_input(fig_op_sampler *s, double low, double high, int ndim,
                             ...); /* dims as int; checked input */
fig_tensor *fig_sample_const(fig_op_sampler *s, double low, double high, int ndim, ...); /* not differentiated */
fig_tensor *fig_sample_ints(fig_op_sampler *s, int low, int high, int ndim, ...);        /* int32 in [low, high) */
fig_tensor *fig_sample_ramp(fig_op_sampler *s, int n);                                   /* constant 0, 1, .. n-1 */

typedef fig_tensor *fig_sample_fn(fig_op_sampler *s, int variant);
typedef struct fig_op_report {
    int n_variants;
    double worst_gradient;  /* |analytic - central difference| / (1 + largest gradient), over all variants and inputs */
    double worst_tangent;   /* |<w, J v> - <J^T w, v>|, relative; 0 when the op has no tangent rule */
    double worst_composite; /* largest difference of value or gradient from the composite; 0 without one */
} fig_op_report;
/* Runs every variant of sample (op->sample, or one given) in double precision. */
fig_status fig_op_check(fig_context *ctx, const fig_op *op, fig_op_report *report);
fig_status fig_sample_check(fig_context *ctx, fig_sample_fn *sample, fig_sample_fn *composite, bool tangent,
                            fig_op_report *report);
/* Runs every variant in dtype (FIG_F32 or FIG_BF16) on the context's own kernels. *worst: the largest difference of a
 * value or gradient from double precision as a share of what rounding explains; over 1 something is wrong. */
fig_status fig_sample_compare(fig_context *ctx, fig_sample_fn *sample, fig_dtype dtype, double *worst);

#ifdef __cplusplus
}
#endif
#endif
