/* train/train.h: the parts of the trainer.
 *
 *     options.c     the option table            optimizer.c   SGD, AdamW, Muon in one sweep over memory
 *     schedule.c    learning rates              checkpoint.c  writing and reading everything a run needs to go on
 *     evaluate.c    loss on the held-out split  trainer.c     graphs, plans, memory; loop.c: the loop itself */
#ifndef FIG_TRAIN_PRIVATE_H
#define FIG_TRAIN_PRIVATE_H
#include <fig/generate.h>
#include <fig/train.h>
#include <stdio.h>
#include "base/file.h"
#include "base/json.h"
#include "base/options.h"
#include "core/core.h"
#include "models/model.h"

/* Learning rate of a step, as a share of the peak rate: warm-up, then the schedule down to min_share. */
double fig__schedule(const fig_train_options *o, int64_t iter, double min_share);

/* --- optimizer --------------------------------------------------------------------------------------------------*/
typedef struct fig__optimizer fig__optimizer;
fig_status fig__optimizer_new(fig_context *ctx, fig_params *params, const fig_train_options *o, fig__optimizer **out);
void fig__optimizer_free(fig__optimizer *opt);
size_t fig__optimizer_bytes(fig_context *ctx, const fig_params *params,
                            const fig_train_options *o); /* before params have memory */
/* Sum of squares of all gradients; not finite if any is not. */
double fig__grad_sumsq(fig__optimizer *opt);
/* One update. t counts from 1; lr_share is the schedule's; grad_scale clips. */
void fig__optimizer_step(fig__optimizer *opt, int64_t t, double lr_share, double grad_scale);
/* Exchanges masters and their moving average, compute copies included; no-op without EMA. */
void fig__optimizer_swap_ema(fig__optimizer *opt);
/* Flat fp32 blocks to keep in checkpoints, laid out like the store's gradients. */
typedef struct fig__flat {
    const char *name;
    float *data;
} fig__flat;
size_t fig__optimizer_state(fig__optimizer *opt, fig__flat *out, size_t max);

/* --- evaluation -------------------------------------------------------------------------------------------------*/
typedef struct fig__network { /* one recorded graph with what is fed and read */
    fig_graph *g;
    fig_plan *plan;
    fig_lm_inputs in;
    fig_tensor *targets, *count, *loss;
} fig__network;
void fig__network_free(fig__network *n);

/* --- the trainer ------------------------------------------------------------------------------------------------*/
typedef struct fig__progress { /* what a checkpoint restores beside the numbers */
    int64_t iter;              /* steps done */
    uint64_t n_tokens, n_skipped;
    double best_val_loss, val_loss, val_bpb, loss, seconds;
    int64_t best_iter, evals_without_best;
    uint64_t log_bytes;
} fig__progress;

struct fig_trainer {
    fig_context *ctx;
    fig_model *model;
    fig_params *params;
    fig_dataset *data;
    fig_train_options o;
    fig__network train, eval;
    fig__optimizer *opt;
    fig_generator *gen;
    fig__progress p;
    float **levels;
    int n_levels;
    bool *level_used;          /* the gradient tree over micro-batches */
    int32_t *inputs, *targets; /* [grad_accum, batch, block] */
    FILE *log;
    uint64_t records; /* bytes held before memory for data is taken: graphs, plans, tokenizer */
    bool ready;
    double peak_flops;
    fig_train_fn *on_event;
    void *user;
};

fig_status fig__trainer_ready(fig_trainer *t); /* memory, first values, optimizer */
/* One step of the optimizer over grad_accum micro-batches; *loss and *norm of the step. */
fig_status fig__train_step(fig_trainer *t, double *loss, double *norm);
fig_status fig__evaluate(fig_trainer *t, double *loss, double *bpb);
double fig__flops_per_token(const fig_trainer *t);

fig_status fig__checkpoint_save(fig_trainer *t, char **path);
/* FIG_OK with *found false when there is none. */
fig_status fig__checkpoint_load(fig_trainer *t, bool *found);

#endif
