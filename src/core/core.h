/* core/core.h: private structures shared by graph.c, autodiff.c, plan.c, ew.c and params.c.
 *
 * A graph is a list of nodes in the order they were recorded, which is a topological order: every input of a node was
 * recorded before it. Backward appends, so it stays one. All records live in the graph's arena and die with it. */
#ifndef FIG_CORE_H
#define FIG_CORE_H
#include <fig/graph.h>
#include <fig/op.h>
#include <fig/params.h>
#include "base/base.h"
#include "kernels/kernels.h"

typedef struct fig__param {
    char *path;
    int ndim;
    size_t shape[FIG_MAX_DIMS], numel;
    fig_init init;
    bool trainable, is_state;
    bool allocated;
    fig_dtype storage;
    void *data, *copy;
    float *grad;
    size_t flat_offset;
    const fig_param_group *group;
} fig__param;

struct fig_graph {
    fig_context *ctx;
    fig_params *params;
    fig_mode mode;
    fig_dtype dtype;
    fig__arena *arena;
    struct {
        fig_node **data;
        size_t n, cap;
    } nodes;
    struct {
        fig_tensor **data;
        size_t n, cap;
    } tensors; /* by id */
    struct {
        char **data;
        size_t n, cap;
    } scopes;
    struct {
        fig_tensor **data;
        size_t n, cap;
    } roots; /* gradients of parameters */
    struct {
        fig__param **key;
        fig_tensor **leaf;
        size_t n, cap, key_cap;
    } leaves; /* one leaf per parameter */
    const char *path;
    fig_status status;
    fig_plan *bound;    /* whose addresses the tensors hold */
    uint64_t n_resizes; /* of run-time extents, by any plan */
    bool *needs_grad;   /* by tensor id, inside fig_backward only */
};

/* `*` stands for any characters. */
bool fig__path_matches(const char *pattern, const char *path);
/* Unchecked access to the store for graphs. */
fig_status fig__params_use(fig_params *p, const char *path, fig_init init, bool is_state, int ndim, const size_t *shape,
                           fig__param **out);
/* Where a graph of this dtype reads the parameter, and the type it finds there. */
fig_dtype fig__param_view_type(const fig_params *p, const fig__param *param);
void *fig__param_view_data(const fig__param *param);

/* Orders fig_op_times, for qsort. */
int fig__longest_first(const void *a, const void *b);
/* Of all its products in one run. */
double fig__graph_operations(const fig_graph *g);

/* Of its numbers, each once: an axis that is repeated costs nothing. */
size_t fig__tensor_bytes(const fig_tensor *t);
fig_tensor *fig__tensor_new(fig_graph *g, fig_node *n, int index);
extern const fig_op fig__op_input, fig__op_param; /* leaves */
typedef struct fig__leaf_attr {
    const char *name;
    fig_dtype dtype;
    int ndim;
    size_t shape[FIG_MAX_DIMS]; /* as recorded */
} fig__leaf_attr;

/* Recording helpers for ops: one output, returned, NULL on error. */
fig_tensor *fig__node1(fig_graph *g, const fig_op *op, const void *attr, size_t attr_size, fig_tensor *a);
fig_tensor *fig__node2(fig_graph *g, const fig_op *op, const void *attr, size_t attr_size, fig_tensor *a,
                       fig_tensor *b);
fig_tensor *fig__node3(fig_graph *g, const fig_op *op, const void *attr, size_t attr_size, fig_tensor *a, fig_tensor *b,
                       fig_tensor *c);

/* --- element-wise chains (ew.c) -------------------------------------------------------------------------------*/
typedef struct fig__ew fig__ew; /* a compiled chain of nodes over one iteration shape */
struct fig__ew_step;
/* Whether the node is element-wise and can join chains. */
bool fig__is_ew(const fig_node *n);
/* Whether input j lends its extents only: it is not read, and need not be alive. */
static inline bool fig__shape_only(const fig_node *n, int j) { return n->op->shape_only >> j & 1; }
/* Compiles nodes (recorded order; all of one output shape) into a program that stores the outputs marked in `stored`
 * (by tensor id). Memory from the arena. NULL: too many operands (the caller splits) or out of memory. */
fig__ew *fig__ew_compile(fig_context *ctx, fig__arena *arena, fig_node *const *nodes, size_t n, const bool *stored);
size_t fig__ew_scratch(const fig__ew *e);
size_t fig__ew_bytes(const fig__ew *e); /* read and written by a run */
void fig__ew_prepare(fig__ew *e);       /* again when extents changed */
void fig__ew_run(const fig__ew *e, const fig_exec *x);
#define FIG__EW_MAX_SLOTS 24
/* Attributes of every element-wise node. */
typedef struct fig__ew_attr {
    double p[2];
    uint64_t stream; /* dropout: randomness key of the module path */
    fig_dtype dtype; /* cast: output type */
} fig__ew_attr;
enum { FIG__EW_DROPOUT = FIGK_EW_COUNT, FIG__EW_CAST, FIG__EW_FILL };

#endif
