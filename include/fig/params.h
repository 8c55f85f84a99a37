/* fig/params.h: the parameter store, apart from any graph.
 *
 * A store owns masters (fp32), compute copies (bf16, for parameters of two or more axes when the store computes in
 * bf16) and, for trainable ones, gradients; optimizers (fig/train.h) keep moments beside them. Many graphs share one
 * store. Parameters are made by fig_param while a graph is recorded and get memory and first values by
 * fig_params_alloc. Values depend on (seed, path) alone, never on the order of creation. */
#ifndef FIG_PARAMS_H
#define FIG_PARAMS_H
#include <fig/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_params_options {
    fig_dtype compute; /* FIG_F32, FIG_BF16 (masters stay fp32), or FIG_F64 (masters too: the oracle) */
    uint64_t seed;
    bool inference; /* no gradients; storage in the compute type alone, without fp32 masters */
} fig_params_options;

fig_status fig_params_new(fig_context *ctx, const fig_params_options *options, fig_params **out);
void fig_params_free(fig_params *p);

/* Rules for parameters whose path matches a pattern: `*` stands for any characters. The last matching rule counts.
 * Must come before fig_params_alloc for `frozen` to save the memory of gradients. */
typedef enum fig_optimizer_kind { FIG_ADAMW, FIG_SGD, FIG_MUON } fig_optimizer_kind;
typedef struct fig_param_group {
    const char *pattern;
    bool frozen;
    bool has_optimizer;
    fig_optimizer_kind optimizer; /* else the trainer's choice */
    double lr_scale;              /* 0: 1.0 */
    double weight_decay;          /* < 0: the trainer's rule (matrices decay, vectors do not) */
} fig_param_group;
fig_status fig_params_group(fig_params *p, const fig_param_group *group);

/* Gives memory to parameters that have none yet and initialises them. */
fig_status fig_params_alloc(fig_params *p);
size_t fig_params_bytes(const fig_params *p); /* what alloc takes in all, known before it */

typedef struct fig_param_info {
    const char *path;
    int ndim;
    size_t shape[FIG_MAX_DIMS], numel;
    bool trainable, is_state, is_table;
    fig_dtype storage;  /* of data */
    void *data;         /* master (fp32 or fp64), or for inference the storage itself */
    void *copy;         /* compute copy, or NULL */
    float *grad;        /* NULL when not trainable */
    size_t flat_offset; /* of data and grad inside the store's flat blocks, elements */
    double lr_scale, weight_decay;
    int optimizer; /* fig_optimizer_kind, or -1: the trainer's choice */
} fig_param_info;
size_t fig_params_count(const fig_params *p);
size_t fig_params_numel(const fig_params *p, bool trainable_only);
fig_param_info fig_params_at(const fig_params *p, size_t i); /* in order of creation */
bool fig_params_find(const fig_params *p, const char *path, fig_param_info *out);

/* Copies values in or out, converting; sizes must agree. Rewrites the compute copy. */
fig_status fig_params_set(fig_params *p, const char *path, const void *data, fig_dtype dtype, size_t numel);
fig_status fig_params_get(const fig_params *p, const char *path, void *data, fig_dtype dtype, size_t numel);
/* All compute copies from the masters again, after masters were changed by hand. */
void fig_params_sync(fig_params *p);
/* The flat gradient block of all trainable parameters; padding between parameters is zero. */
float *fig_params_grads(fig_params *p, size_t *n);
fig_dtype fig_params_compute(const fig_params *p);
/* A hash over all values and paths, equal for equal bits. */
uint64_t fig_params_hash(const fig_params *p);

#ifdef __cplusplus
}
#endif
#endif
