/* train/masked.h: which tokens of a row are hidden, and behind what (Devlin et al. 2018, 3.1). */
#ifndef FIG_TRAIN_MASKED_H
#define FIG_TRAIN_MASKED_H
#include "train/train.h"

typedef struct fig__masking {
    uint64_t seed;
    double rate;
    int32_t mask, vocab; /* the token of a blank; how many tokens there are, it included */
} fig__masking;

/* How many tokens of a row of n are to be told: its share, rounded up, and at least one where there is any. */
size_t fig__masking_count(const fig__masking *m, size_t n);
/* Chooses so many places of a row, in ascending order, and hides what stands there: in 8 of 10 cases behind the blank,
 * in 1 behind a token drawn at random, and in 1 not at all, so that every token must be doubted. answers[i]: what stood
 * at places[i]. What is done to a row follows from seed and its number alone. */
void fig__masking_apply(const fig__masking *m, uint64_t row, int32_t *tokens, size_t n, int32_t *places,
                        int32_t *answers);

#endif
