/* fig/graph.h: record, differentiate, plan, replay.
 *
 * Ordinary calls (fig/ops.h, fig/nn.h) record nodes into a graph and check shapes at the call. fig_backward appends
 * gradients as more nodes. A plan places every intermediate in one arena by lifetime, fuses element-wise chains, and
 * replays the graph any number of times without allocating.
 *
 * Errors are sticky: an op given NULL returns NULL, the graph keeps the first error with the module path and the
 * shapes, and one check at the end (fig_graph_status) is enough.
 *
 * Shapes are recorded as maxima. Before a run any input may be given smaller extents (fig_plan_resize); all shapes
 * behind it follow, the arena stays as it is. */
#ifndef FIG_GRAPH_H
#define FIG_GRAPH_H
#include <fig/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FIG_MAX_DIMS 6

typedef struct fig_graph fig_graph;
typedef struct fig_tensor fig_tensor; /* owned by its graph, never freed alone */
typedef struct fig_params fig_params; /* fig/params.h */
typedef struct fig_plan fig_plan;
typedef struct fig_kv fig_kv; /* fig/kv.h */

/* What the graph is for. Dropout is active in FIG_TRAIN only; attention of FIG_PREFILL and FIG_DECODE reads and extends
 * a key-value cache; matrix products of FIG_DECODE read each weight once. */
typedef enum fig_mode { FIG_TRAIN, FIG_EVAL, FIG_PREFILL, FIG_DECODE } fig_mode;

typedef struct fig_graph_options {
    fig_mode mode;
    fig_dtype dtype; /* of activations: FIG_F32, FIG_BF16, or FIG_F64 (the scalar oracle) */
} fig_graph_options;

/* params may be NULL for a graph without parameters, and many graphs may share one store. */
fig_status fig_graph_new(fig_context *ctx, fig_params *params, const fig_graph_options *options, fig_graph **out);
void fig_graph_free(fig_graph *g);
fig_status fig_graph_status(const fig_graph *g); /* FIG_OK, or the first error; the message is on the context */
fig_context *fig_graph_context(const fig_graph *g);
fig_params *fig_graph_params(const fig_graph *g);
fig_mode fig_graph_mode(const fig_graph *g);
fig_dtype fig_graph_dtype(const fig_graph *g);
size_t fig_graph_n_nodes(const fig_graph *g);

/* Module path: names of parameters, keys of randomness and error messages take it. "blocks.%d" is formatted. */
void fig_enter(fig_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fig_leave(fig_graph *g);
const char *fig_path(const fig_graph *g); /* "blocks.3.attn", "" at the top */

/* A tensor whose contents are written before each run (fig_plan_data). name for messages only. */
fig_tensor *fig_input(fig_graph *g, const char *name, fig_dtype dtype, int ndim, const size_t *shape);
/* The parameter <path>.<name>: made on first use by any graph of the store, found and checked afterwards. How it is
 * initialised: see fig_init in fig/params.h. Given in the store's compute type where it has two or more axes, else in
 * fp32 (fp64 in a FIG_F64 graph). */
typedef struct fig_init {
    /* TABLE: as NORMAL, for rows that are looked up or stand for classes; Muon leaves those to AdamW. */
    enum { FIG_INIT_ZEROS, FIG_INIT_ONES, FIG_INIT_NORMAL, FIG_INIT_UNIFORM, FIG_INIT_TABLE } kind;
    double scale; /* standard deviation, or half width of the uniform interval */
} fig_init;
fig_tensor *fig_param(fig_graph *g, const char *name, fig_init init, int ndim, const size_t *shape);
/* State without gradient, kept in the store and in every checkpoint (running statistics, codebooks). */
fig_tensor *fig_state(fig_graph *g, const char *name, fig_init init, int ndim, const size_t *shape);

int fig_ndim(const fig_tensor *t);
size_t fig_dim(const fig_tensor *t, int axis); /* negative axes count from the end; 1 past the ends */
size_t fig_numel(const fig_tensor *t);
fig_dtype fig_dtype_of(const fig_tensor *t);

/* Appends the gradients of loss (one element) with respect to each of wrt (inputs, parameters or intermediates).
 * grads[i] is NULL-filled where loss does not depend on wrt[i] (not an error). */
fig_status fig_backward(fig_graph *g, fig_tensor *loss, fig_tensor *const *wrt, size_t n, fig_tensor **grads);
/* Gradients of every trainable parameter that loss depends on, written into the store's gradient block by each run;
 * grads of parameters that loss does not reach are left as they are. Returned roots are kept by the graph. */
fig_status fig_backward_params(fig_graph *g, fig_tensor *loss);
/* Of those only whose path matches (`*` stands for any characters): for one of several networks in a graph, nothing is
 * computed for the weights of the others. NULL: all. */
fig_status fig_backward_params_of(fig_graph *g, fig_tensor *loss, const char *pattern);
/* fig_backward_params and fig_backward with respect to intermediates, in one sweep. */
fig_status fig_backward_params_and(fig_graph *g, fig_tensor *loss, fig_tensor *const *wrt, size_t n,
                                   fig_tensor **grads);
/* The tangent of y when x moves along v (forward mode, one extra forward pass): J(x) v. NULL and a sticky error
 * where an op on the way has no tangent rule. */
fig_tensor *fig_tangent(fig_graph *g, fig_tensor *y, fig_tensor *x, fig_tensor *v);

typedef struct fig_plan_options {
    bool no_reuse; /* debugging: no two tensors share memory, and dead buffers are filled with NaN; same bits */
    bool no_fuse;  /* debugging: every element-wise op by itself */
} fig_plan_options;
typedef struct fig_plan_memory {
    size_t arena_bytes;    /* intermediates, inputs, outputs and workspace */
    size_t no_reuse_bytes; /* what they would take without reuse */
    size_t scratch_bytes;  /* per thread, shared with all plans of the context */
} fig_plan_memory;

/* Plans the computation of roots (and of what fig_backward_params asked for). Takes no memory for data yet. Roots stay
 * readable until the next run. A graph may have several plans, each with memory of its own, and may grow after it was
 * planned; run-time extents belong to the graph. Plans are freed before their graph. */
fig_status fig_plan_new(fig_graph *g, fig_tensor *const *roots, size_t n, const fig_plan_options *options,
                        fig_plan **out);
void fig_plan_free(fig_plan *plan);
fig_plan_memory fig_plan_memory_of(const fig_plan *plan);
fig_status fig_plan_alloc(fig_plan *plan); /* done by the first run at the latest */
/* Memory of an input or a root: contiguous, row-major, of the current extents. Valid until fig_plan_free. */
void *fig_plan_data(fig_plan *plan, fig_tensor *t);
/* Run-time extents of an input, each at most what was recorded. Its contents are then undefined. */
fig_status fig_plan_resize(fig_plan *plan, fig_tensor *input, const size_t *shape);

typedef struct fig_run_args {
    uint64_t seed, step; /* key of randomness */
    uint64_t sample0;    /* global index of the first sample (axis 0) of this run */
    fig_kv *kv;          /* for FIG_PREFILL and FIG_DECODE */
    bool dry;            /* state (fig_state_update) stays as it is: to measure, or to look for an error */
} fig_run_args;
fig_status fig_plan_run(fig_plan *plan, const fig_run_args *args); /* args may be NULL: all zero */
/* Debugging: a run ends with FIG_ERR_NONFINITE at the first op whose result is not finite, and names it. */
void fig_plan_check(fig_plan *plan, bool on);

/* Each step (an op, or a chain of element-wise ones) over all runs that were measured: the max longest, longest
 * first. What attention reads from a cache is not in operations and bytes. */
typedef struct fig_op_time {
    const char *op, *path;
    double seconds, operations, bytes; /* operations of products; bytes of all that is read and written, each once */
    uint64_t calls;
    int ndim; /* of its main result */
    size_t shape[FIG_MAX_DIMS];
} fig_op_time;
void fig_plan_profile(fig_plan *plan, bool on); /* turned on, it begins at nothing */
size_t fig_plan_times(const fig_plan *plan, fig_op_time *out, size_t max);

#ifdef __cplusplus
}
#endif
#endif
