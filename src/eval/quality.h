/* eval/quality.h: the scores of a set of generated pictures, all at once. */
#ifndef FIG_QUALITY_H
#define FIG_QUALITY_H
#include <fig/eval.h>

#define FIG__QUALITY_K 5 /* neighbours of precision, recall, density and coverage */

typedef struct fig__quality {
    double frechet, frechet_infinite; /* NaN where it was not asked for */
    fig_kid kid;
    fig_prdc neighbours;
} fig__quality;

/* What sets of generated pictures are compared with. What depends on it alone is worked out once. */
typedef struct fig__quality_reference fig__quality_reference;
/* f: borrowed rows, more than FIG__QUALITY_K of them. seed: of the subsets that scores are taken on. */
fig_status fig__quality_reference_new(fig_context *ctx, const fig_features *f, uint64_t seed,
                                      fig__quality_reference **out);
void fig__quality_reference_free(fig__quality_reference *r);
/* How near `samples`, more than FIG__QUALITY_K rows, are to it. with_limit: the distance for infinitely many samples
 * too, which takes as long as fifteen distances. */
fig_status fig__quality_of(const fig_features *samples, fig__quality_reference *r, bool with_limit, fig__quality *out);
/* Whether so many rows suffice for a covariance of d numbers: the Fréchet distance of fewer says more of their number
 * than of the pictures. */
static inline bool fig__quality_has_enough(size_t n, size_t d) { return n >= 2 * d; }

/* Half the sum of the differences of shares: 0 for the same mixture of classes, 1 for no class in common. Entries
 * outside [0, n_classes) are passed over. NaN where a set has none. */
double fig__total_variation(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b, size_t n_classes);

#endif
