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

/* How near `samples` are to `reference`. Both need more than FIG__QUALITY_K rows. with_limit: the distance for
 * infinitely many samples too, which takes as long as fifteen distances. */
typedef struct fig__quality_options {
    uint64_t seed;
    bool with_limit;
} fig__quality_options;
fig_status fig__quality_of(fig_context *ctx, const fig_features *samples, const fig_features *reference,
                           const fig__quality_options *options, fig__quality *out);
/* Whether so many rows suffice for a covariance of d numbers: the Fréchet distance of fewer says more of their number
 * than of the pictures. */
static inline bool fig__quality_has_enough(size_t n, size_t d) { return n >= 2 * d; }

/* Half the sum of the differences of shares: 0 for the same mixture of classes, 1 for no class in common. Entries
 * outside [0, n_classes) are passed over. NaN where a set has none. */
double fig__total_variation(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b, size_t n_classes);

#endif
