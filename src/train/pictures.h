/* train/pictures.h: what tasks that learn from pictures share: which picture a row is, its numbers, previews. */
#ifndef FIG_TRAIN_PICTURES_H
#define FIG_TRAIN_PICTURES_H
#include <fig/draw.h>
#include "train/train.h"

/* Whether data and model speak of pictures of the same size. */
fig_status fig__pictures_fit(const fig_trainer *t);
/* Row r of the whole batch of this step: which training picture it is. */
uint64_t fig__pictures_row(const fig_trainer *t, int64_t r);
/* Its caption; of several another one each time. */
const char *fig__pictures_caption(const fig_trainer *t, int64_t r);
/* The numbers of a picture, [size, size, channels], from low (0 or -1) to 1. */
void fig__pictures_values(const fig_trainer *t, fig_data_split split, uint64_t i, double low, float *out);
/* Rows of micro-batch i of this step into an input [batch_size, size, size, channels] of a plan. */
void fig__pictures_feed(const fig_trainer *t, fig_plan *plan, fig_tensor *x, int64_t i, double low);
size_t fig__pictures_numbers(const fig_trainer *t); /* of one picture */
const char *fig__pictures_data_id(const fig_trainer *t);
double fig__pictures_per_step(const fig_trainer *t);
/* Counts the pictures of a step; there is nothing to read, they are in memory. */
fig_status fig__pictures_read(fig_trainer *t);
/* sample_count pictures as the file of a grid: of the classes in turn, or of captions that are held out (of training
 * ones where none are). */
fig_status fig__pictures_preview(fig_trainer *t, fig__buf *file);
/* Makes t->drawer, for previews. */
fig_status fig__pictures_ready(fig_trainer *t);
/* As many pictures, every second row what the model makes of the row above it: held-out ones, for a drawer that
 * encodes. */
fig_status fig__pictures_pairs(fig_trainer *t, fig__buf *file);
/* Operations of a step, forward and backward: the products of all that was recorded for it. */
double fig__pictures_flops(const fig_trainer *t);
fig__held_out fig__pictures_held_out(const fig_trainer *t);

#endif
