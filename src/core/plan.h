/* core/plan.h: what plan.c works out and run.c replays. */
#ifndef FIG_PLAN_H
#define FIG_PLAN_H
#include <stdlib.h>
#include "core/core.h"

typedef struct fig__step {
    fig_node **nodes; /* one node, or a chain of element-wise ones */
    size_t n_nodes;
    fig__ew *ew;                       /* the chain's program */
    uint32_t workspace;                /* storage, or UINT32_MAX */
    double seconds, operations, bytes; /* of the runs that were measured */
    uint64_t calls;
} fig__step;

typedef struct fig__storage {
    size_t bytes, offset;
    uint32_t first, last;     /* steps; UINT32_MAX: for good */
    const fig_tensor *lender; /* a parameter's gradient in whose memory it lies; NULL: in the plan's own */
} fig__storage;

typedef struct fig__place { /* of a tensor, by id */
    uint32_t storage;       /* UINT32_MAX: none (a view, a value inside a chain, or memory of the store) */
    uint32_t last;          /* last step that reads it or a view of it */
    bool is_root, read_outside, taken;
} fig__place;

struct fig_plan {
    fig_context *ctx;
    fig_graph *graph;
    fig_plan_options options;
    fig__arena *arena;
    bool *needed;      /* by node id */
    uint32_t *step_of; /* by node id */
    fig__place *tensors;
    struct {
        fig__step *data;
        size_t n, cap;
    } steps;
    struct {
        fig__storage *data;
        size_t n, cap;
    } storages;
    size_t n_nodes, n_tensors; /* of the graph when it was planned; it may grow afterwards */
    size_t arena_bytes, no_reuse_bytes, scratch;
    uint8_t *memory;
    uint64_t n_resizes; /* the graph's, when shapes and addresses were last worked out */
    bool profiling, checking;
};

bool fig__same_extents(const fig_tensor *a, const fig_tensor *b);

#endif
