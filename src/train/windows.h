/* train/windows.h: what tasks that learn from text share: windows of tokens, and whether data and model fit. */
#ifndef FIG_TRAIN_WINDOWS_H
#define FIG_TRAIN_WINDOWS_H
#include "train/train.h"

/* The first member of such a task's state. */
typedef struct fig__windows {
    int32_t *inputs, *targets; /* [grad_accum, batch, block] of this step */
    uint64_t n_targets;        /* how many there are: < 0 is none */
    char data_id[160];
} fig__windows;

/* Settles t->o.block_size first. */
fig_status fig__windows_fit(fig_trainer *t);
size_t fig__windows_bytes(const fig_trainer *t);
fig_status fig__windows_ready(fig_trainer *t);
void fig__windows_free(fig_trainer *t); /* the whole state, whose memory beside it is gone already */

/* The task's read, tokens, flops and data_id. */
fig_status fig__windows_read(fig_trainer *t);
double fig__windows_tokens(const fig_trainer *t);
double fig__windows_flops(const fig_trainer *t); /* 6 of each parameter and 12 L C T for a token */
const char *fig__windows_data_id(const fig_trainer *t);

/* Positions 0, 1, .. of rows of so many tokens. */
void fig__put_positions(fig_plan *plan, const fig_lm_inputs *in, size_t time);

/* Held out is the tail of the data, windows one behind the other: what is measured of `rows` of them, added up in
 * double and in order, so that the mean depends on the weights alone. */
typedef struct fig__sums {
    double nats;
    uint64_t n; /* tokens that were asked for */
} fig__sums;
typedef fig_status fig__windows_fn(fig_trainer *t, const fig_batch_spec *spec, uint64_t first, size_t rows,
                                   fig__sums *sums);
/* Over the whole split, or as many batches as asked for spread evenly: the mean, NaN of nothing. */
fig_status fig__windows_score(fig_trainer *t, fig__windows_fn *add_batch, double *mean);

#endif
