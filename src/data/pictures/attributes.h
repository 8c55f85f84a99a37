/* data/pictures/attributes.h: what metadata say of pictures beside class, caption and split, as numbers; the rule of
 * what is kept stands in fig/pictures.h. */
#ifndef FIG_PICTURES_ATTRIBUTES_H
#define FIG_PICTURES_ATTRIBUTES_H
#include "data/pictures/pictures.h"

typedef struct fig__attribute_row {
    int16_t value[FIG__ATTRIBUTES_MAX]; /* of each attribute so far; -1: not said */
} fig__attribute_row;

/* What the object `about` (or NULL) says, whose keys and texts may be new. */
fig_status fig__attributes_read(fig_context *ctx, fig__attributes *all, const fig__json *about,
                                fig__attribute_row *row);
/* The next picture of a split. */
fig_status fig__attributes_push(fig_context *ctx, fig__attributes *all, fig_data_split split,
                                const fig__attribute_row *row);
/* Forgets those that are no attributes after all, and writes DIR/train.attributes and so on. */
fig_status fig__attributes_save(fig_context *ctx, const char *dir, fig__attributes *all,
                                const uint64_t n[FIG_SPLIT_COUNT]);

#endif
