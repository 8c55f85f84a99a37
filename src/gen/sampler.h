/* gen/sampler.h: from logits to a token. Truncation in llama.cpp's order: penalty, top-k, top-p, min-p, temperature. */
#ifndef FIG_SAMPLER_H
#define FIG_SAMPLER_H
#include <fig/generate.h>
#include "base/base.h"

typedef struct fig__candidate {
    int32_t id;
    float logit;
} fig__candidate;

/* Chooses among n logits, by a quantile of 0 to 1 of their distribution, the most likely first; or by the number that
 * belongs to (seed, sample, position). recent: the tokens so far, for the repetition penalty. work: room for
 * n candidates. Deterministic: equal logits are ordered by id. */
int32_t fig__sample_at(const fig_generate_options *o, const float *logits, size_t n, const int32_t *recent,
                       size_t n_recent, double quantile, fig__candidate *work);
int32_t fig__sample(const fig_generate_options *o, const float *logits, size_t n, const int32_t *recent,
                    size_t n_recent, uint64_t sample, uint64_t position, fig__candidate *work);

#endif
