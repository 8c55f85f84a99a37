/* fig/train.h: training by gradient descent, with checkpoints that resume bit for bit. */
#ifndef FIG_TRAIN_H
#define FIG_TRAIN_H
#include <fig/dataset.h>
#include <fig/model.h>
#include <fig/options.h>
#include <fig/pictures.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Settings, named as in nanoGPT. fig_train_defaults fills them; fig_train_option_table describes
 * them, with names, defaults and limits. */
typedef struct fig_train_options {
    const char *out_dir;
    bool resume, force;
    int64_t batch_size, block_size, grad_accum, max_iters; /* batch_size counts rows of one micro-batch */
    int64_t eval_interval, eval_iters, log_interval;       /* eval_iters 0: the whole validation split */
    int64_t checkpoint_interval, keep_checkpoints;
    int64_t sample_tokens, sample_count;
    const char *sample_prompt; /* samples at step 0 and each evaluation; 0: none */
    double sample_temp;
    bool flip;        /* pictures: mirrored, every second time */
    int64_t shift;    /* pictures: moved by up to so many pixels */
    double balance;   /* pictures: fig_pictures_balance */
    int64_t patience; /* stop after so many evaluations without a better one; 0: never */
    int optimizer;    /* fig_optimizer_kind */
    double learning_rate, min_lr, weight_decay, beta1, beta2, epsilon, momentum, grad_clip, ema_decay;
    double muon_lr, muon_momentum;
    int schedule; /* 0 constant, 1 cosine, 2 warm-up-stable-decay */
    int64_t warmup_iters, decay_iters;
    int64_t seed;
    int save;       /* 0 best, 1 last: which weights the model in out_dir has */
    int save_dtype; /* 0 fp32, 1 bf16: of the model in out_dir */
} fig_train_options;

extern const fig_option_table fig_train_option_table;
void fig_train_defaults(fig_train_options *o);

/* What an evaluation measured, under the names of log.jsonl. The first is val_loss, by which the best model is known
 * (lower is better; NaN: nothing is held out); text adds val_bpb, bits per byte. */
typedef struct fig_score {
    char name[24];
    double value;
} fig_score;
#define FIG_MAX_SCORES 8
typedef struct fig_scores {
    fig_score data[FIG_MAX_SCORES];
    size_t n;
} fig_scores;
double fig_score_of(const fig_scores *scores, const char *name); /* NaN: there is none */

/* Rates count tokens of text, or pictures. */
typedef struct fig_train_event {
    enum { FIG_TRAIN_STEP, FIG_TRAIN_EVAL, FIG_TRAIN_SAMPLE, FIG_TRAIN_CHECKPOINT, FIG_TRAIN_NOTE } kind;
    int64_t iter, max_iters;
    double loss, best_val_loss, grad_norm, learning_rate, tok_per_sec, mfu, seconds_left, elapsed;
    /* Of a step: loss and grad_norm, and loss_NAME, grad_norm_NAME of the other phases where there are several (the
     * discriminator of a GAN). */
    fig_scores numbers;
    fig_scores scores; /* of the last evaluation */
    uint64_t num_tokens, rss_bytes;
    const char *unit; /* of rates: "tokens", "pictures" */
    const char *text; /* a sample that is text, a note */
    const char *path; /* of a sample or a checkpoint */
} fig_train_event;
typedef void fig_train_fn(void *user, const fig_train_event *event);

typedef struct fig_train_plan {
    size_t n_params;
    uint64_t params_bytes, optimizer_bytes, arena_bytes,
        total_bytes;                  /* engine memory; total is what will be resident */
    double seconds_per_iter, seconds; /* measured; 0 when not measured */
    double flops_per_iter;
} fig_train_plan;

typedef struct fig_train_report {
    int64_t iters;
    double loss, best_val_loss;
    fig_scores scores;             /* of the last evaluation */
    int64_t best_iter, model_iter; /* of the best loss, and of the weights that out_dir holds now */
    uint64_t n_skipped;            /* updates whose gradient was not finite */
    bool already_done;             /* --resume of a finished run: nothing was changed */
    bool stopped_early, cancelled;
    uint64_t params_hash;
} fig_train_report;

typedef struct fig_trainer fig_trainer;
/* What is learnt from: the one that the model's family takes. Borrowed. */
typedef struct fig_train_data {
    fig_dataset *text;
    fig_pictures *pictures;
} fig_train_data;
/* model: from fig_model_new with its tokenizer set, not yet initialised; borrowed. Checks that all fits together and in
 * memory; records and plans the graphs. */
fig_status fig_trainer_new(fig_model *model, const fig_train_data *data, const fig_train_options *options,
                           fig_trainer **out);
/* May be asked before memory is taken. measure_seconds above 0: takes memory and runs steps at a learning rate of 0, at
 * least three and for about so long; a processor that is fast for a moment is not fast for an hour. The optimizer's
 * averages are not those of a beginning then: train with another one. */
fig_status fig_trainer_plan(fig_trainer *t, double measure_seconds, fig_train_plan *plan);
/* Where the time of a step goes, from steps like those that fig_trainer_plan measures. A row for each op of the
 * networks (fig/graph.h), and "batch", "accumulate" (gradients of micro-batches), "grad_norm" and "optimizer" for what
 * the trainer does itself: sums over all steps, longest first. Rows belong to the trainer, until the next profile. */
typedef struct fig_train_profile {
    int64_t n_steps;
    double seconds; /* of all of them; a little of it is in no row */
    const fig_op_time *rows;
    size_t n;
} fig_train_profile;
fig_status fig_trainer_profile(fig_trainer *t, double seconds, fig_train_profile *out);
/* Runs to the end, or until fig_cancel (saves a checkpoint and returns FIG_ERR_CANCELLED). The out_dir holds the best
 * model at the end. */
fig_status fig_trainer_run(fig_trainer *t, fig_train_fn *on_event, void *user, fig_train_report *report);
void fig_trainer_free(fig_trainer *t);

#ifdef __cplusplus
}
#endif
#endif
