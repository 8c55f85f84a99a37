/* train/train.h: the parts of the trainer.
 *
 *     options.c     the option table            optimizer.c   SGD, AdamW, Muon in one sweep over memory
 *     schedule.c    learning rates              checkpoint.c  writing and reading everything a run needs to go on
 *     trainer.c     memory, sizes, checks       loop.c        the loop itself
 *     profile.c     where a step's time goes
 *     tasks.def     what there is to learn: a file each, which knows the data, the losses and the samples */
#ifndef FIG_TRAIN_PRIVATE_H
#define FIG_TRAIN_PRIVATE_H
#include <fig/draw.h>
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

#define FIG__MAX_PHASES 4

/* --- optimizer --------------------------------------------------------------------------------------------------*/
typedef struct fig__optimizer fig__optimizer;
fig_status fig__optimizer_new(fig_context *ctx, fig_params *params, const fig_train_options *o, fig__optimizer **out);
void fig__optimizer_free(fig__optimizer *opt);
size_t fig__optimizer_bytes(fig_context *ctx, const fig_params *params,
                            const fig_train_options *o); /* before params have memory */
/* A part is what one update moves: the parameters whose path matches a pattern (borrowed). Part 0, NULL's, is all. */
fig_status fig__optimizer_part(fig__optimizer *opt, const char *pattern, int *part);
/* Sum of squares of a part's gradients; not finite if any is not. */
double fig__grad_sumsq(fig__optimizer *opt, int part);
/* One update of a part. t counts its updates from 1; lr_share is the schedule's; grad_scale clips. */
void fig__optimizer_step(fig__optimizer *opt, int part, int64_t t, double lr_share, double grad_scale);
/* Exchanges masters and their moving average, compute copies included; no-op without EMA. */
void fig__optimizer_swap_ema(fig__optimizer *opt);
/* Flat fp32 blocks to keep in checkpoints, laid out like the store's gradients. */
typedef struct fig__flat {
    const char *name;
    float *data;
} fig__flat;
size_t fig__optimizer_state(fig__optimizer *opt, fig__flat *out, size_t max);

/* What it reads, writes and multiplies: the norm of a part's gradient, and an update of it. */
typedef struct fig__cost {
    double bytes, operations;
} fig__cost;
void fig__optimizer_costs(const fig__optimizer *opt, int part, fig__cost *norm, fig__cost *update);

/* --- tasks ------------------------------------------------------------------------------------------------------
 * What the loop does not know: what a batch is, which losses are descended, how a model is judged, what it shows of
 * itself. An architecture names its task (fig/model.h). A step goes through the task's phases in order: for each, the
 * gradient of the phase's loss is summed over the micro-batches, clipped by its own norm, and the phase's parameters
 * are updated; if it is not finite that phase alone is skipped. The log has loss and grad_norm of the first phase, and
 * loss_NAME and grad_norm_NAME of the others. */
typedef struct fig__phase {
    const char *name;    /* at most 13 characters; NULL where there is only one */
    const char *pattern; /* of the parameters that it trains, for fig_backward_params_of too; NULL: all */
    int part;            /* of the optimizer, from fig__trainer_ready on */
    fig_graph *g;
    fig_plan *plan;
    fig_tensor *loss; /* one number, already divided by what the whole batch holds */
} fig__phase;

typedef struct fig__task {
    const char *name;
    /* Checks data, model and settings against each other and records everything: t->phases, t->eval, t->task_state.
     * Takes no memory for data. */
    fig_status (*record)(fig_trainer *t);
    /* What it will take beside the plans of phases and evaluation: bytes, and the scratch of each thread. NULL:
     * nothing.
     */
    fig_status (*memory)(const fig_trainer *t, size_t *bytes, size_t *scratch);
    fig_status (*ready)(fig_trainer *t); /* takes that memory; may be NULL */
    fig_status (*read)(fig_trainer *t);  /* the whole batch of step t->p.iter; counts it in t->p.n_tokens */
    /* Micro-batch i into the plan of a phase. */
    void (*feed)(fig_trainer *t, int phase, int64_t i);
    fig_status (*evaluate)(fig_trainer *t, fig_scores *scores); /* fig__add_score; val_loss comes first */
    /* What the model makes now, as a file's contents; left empty when there is nothing to show. May be
     * NULL. */
    fig_status (*sample)(fig_trainer *t, fig__buf *file);
    const char *sample_ending, *unit;             /* ".txt", ".png"; "tokens", "pictures" */
    double (*flops)(const fig_trainer *t);        /* of one step, forward and backward */
    double (*tokens)(const fig_trainer *t);       /* of one step, for rates, in units */
    const char *(*data_id)(const fig_trainer *t); /* a hash of what is learnt from: a run goes on with the same only */
    void (*free)(fig_trainer *t);                 /* NULL: the state is one piece of memory */
} fig__task;
/* A FIG_TRAIN_NOTE: something that whoever trains should know. */
void fig__note(fig_trainer *t, const char *text);
void fig__add_score(fig_scores *scores, const char *name, double value);
const fig__task *fig__task_find(const char *name); /* NULL: there is none */
/* Batches that an evaluation takes of n rows held out, and the first row of batch b and how many it has. */
typedef struct fig__held_out {
    uint64_t n, n_batches, take, batch;
} fig__held_out;
fig__held_out fig__held_out_of(const fig_trainer *t, uint64_t n);
uint64_t fig__held_out_batch(const fig__held_out *h, uint64_t b, size_t *n);

/* --- the trainer ------------------------------------------------------------------------------------------------*/
typedef struct fig__progress { /* what a checkpoint restores beside the numbers */
    int64_t iter;              /* steps done */
    uint64_t n_tokens, n_skipped[FIG__MAX_PHASES];
    double best_val_loss, loss[FIG__MAX_PHASES], seconds;
    fig_scores scores; /* of the last evaluation */
    int64_t best_iter, evals_without_best;
    uint64_t log_bytes;
} fig__progress;

/* What a step is made of beside its networks: batches, sums over micro-batches, the gradient's norm, the update. */
typedef enum fig__part { FIG__DATA, FIG__SUM, FIG__NORM, FIG__OPTIMIZER, FIG__N_PARTS } fig__part;

struct fig_trainer {
    fig_context *ctx;
    fig_model *model;
    fig_params *params;
    fig_train_data data;
    fig_train_options o;
    const fig__task *task;
    void *task_state; /* the task's own, from record to free */
    fig__phase phases[FIG__MAX_PHASES];
    int n_phases;
    fig__phase eval;    /* of held-out data; memory and end are the trainer's, as with phases */
    fig_drawer *drawer; /* for previews, where a task makes one; freed by the trainer */
    fig__optimizer *opt;
    fig__progress p;
    float **levels;
    int n_levels;
    bool *level_used; /* the gradient tree over micro-batches */
    FILE *log;
    uint64_t records; /* bytes held before memory for data is taken: graphs, plans, tokenizer */
    bool ready, dry;  /* dry: steps are tried out and leave nothing behind */
    bool watched;     /* times are taken of each op and of the parts of a step */
    struct {
        double seconds;
        uint64_t calls;
    } parts[FIG__N_PARTS];
    fig_op_time *rows; /* of the last profile */
    double peak_flops;
    fig_train_fn *on_event;
    void *user;
};

fig_status fig__trainer_ready(fig_trainer *t); /* memory, first values, optimizer */
fig_status fig__trainer_measure(fig_trainer *t, double seconds, double *per_iter);
void fig__part_done(fig_trainer *t, fig__part part, double start); /* start: of fig__now */
void fig__phase_free(fig__phase *phase);
/* While recording: the phase descends this mean over one micro-batch (one number): its gradients, and the plan. */
fig_status fig__phase_descend(fig_trainer *t, fig__phase *phase, fig_tensor *mean);
/* The same in steps, where gradients are not just the loss's: sets phase->loss; (gradients); plans. */
void fig__phase_loss(const fig_trainer *t, fig__phase *phase, fig_tensor *mean);
fig_status fig__phase_plan(fig__phase *phase);
/* The gradient of a phase over grad_accum micro-batches, once task->read has been called; *loss and *norm of it. */
fig_status fig__phase_gradient(fig_trainer *t, int phase, double *loss, double *norm);

fig_status fig__checkpoint_save(fig_trainer *t, char **path);
/* FIG_OK with *found false when there is none. */
fig_status fig__checkpoint_load(fig_trainer *t, bool *found);

#endif
