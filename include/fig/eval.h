/* fig/eval.h: how good is what a model makes: scores from matrices of features, class numbers and probabilities.
 *
 *     pictures, sounds --(a network, elsewhere)--> features [n, d] --(this)--> scores with their uncertainty
 *
 * Nothing here knows a model or a file. Features are float32 rows, n of them with d numbers each, and must be finite;
 * distances are Euclidean. A score compares only with scores from the same features and about the same n: print the
 * extractor's hash beside it, and the score of held-out data against training data as the floor.
 *
 * What is drawn at random is a function of the seed. Results do not depend on the number of threads. Neighbours and
 * everything made of them (precision, density, memorisation ...) are those of exact distances in double precision, on
 * every CPU level; KID's products are single precision.
 *
 * Functions that can fail return a fig_status with one line on ctx: FIG_ERR_ARG for sizes that do not fit or numbers
 * out of range, FIG_ERR_NONFINITE for NaN and infinities (names the row), FIG_ERR_NOMEM. Results are written only on
 * success. Shapes: [n, d] means n rows of d. */
#ifndef FIG_EVAL_H
#define FIG_EVAL_H
#include <fig/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FIG_EVAL_MAX_DIM 4096 /* features; beyond it a covariance is too large to be of use */
#define FIG_EVAL_MAX_ROWS ((size_t)1 << 24)

typedef struct fig_features {
    const float *x; /* [n, d], borrowed */
    size_t n, d;
} fig_features;

/* --- numbers with their uncertainty -----------------------------------------------------------------------------*/
/* low and high bound the 95 % interval. */
typedef struct fig_interval {
    double value, low, high;
} fig_interval;

/* A share of n trials (Wilson 1927): stays inside [0, 1] and has a width even at 0 and n hits. hits may be fractional.
 * Of no trials: value NaN, interval [0, 1]. */
fig_interval fig_eval_wilson(double hits, size_t n);

typedef struct fig_average {
    double value, standard_error; /* of the mean, from the n-1 variance; NaN for one value */
    size_t n;
} fig_average;
fig_status fig_eval_mean(fig_context *ctx, const double *values, size_t n, fig_average *out);

/* The mean, and the 2.5 and 97.5 percentiles of the means of n_resamples (0: 1000) resamples of all n values with
 * repetition (Efron 1979, percentile method). For any score that is a mean over items. */
fig_status fig_eval_bootstrap(fig_context *ctx, const double *values, size_t n, size_t n_resamples, uint64_t seed,
                              fig_interval *out);

/* --- distance of two distributions ------------------------------------------------------------------------------*/
/* Fréchet distance of the Gaussians with the sets' means and n-1 covariances (Dowson and Landau 1982):
 *     |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2
 * in double precision; degenerate covariances (n <= d too) are no special case. Squared units of the features. Called
 * FLD for features of one's own network; FID is the name for Inception's alone. Biased upwards by about 1/n, so take
 * n well over d. n >= 2 each. */
fig_status fig_eval_frechet(fig_context *ctx, const fig_features *a, const fig_features *b, double *distance);

/* The distance for infinitely many samples (Chong and Forsyth 2020): the distance of n_points random subsets of
 * `samples`, whose sizes go evenly from n_min to all, to the whole of `reference`, by a straight line over 1/n. The
 * bias of `reference` stays; use the same one for everything that is compared. May be a little below 0. */
typedef struct fig_frechet_options {
    size_t n_points; /* 0: 15 */
    size_t n_min;    /* 0: half of the samples; at least 2 */
    uint64_t seed;
} fig_frechet_options;
typedef struct fig_frechet_limit {
    double infinite; /* where the line meets 1/n = 0 */
    double slope;    /* how much 1/n adds */
    double full;     /* the distance with all samples */
    double residual; /* root mean square distance of the points from the line */
} fig_frechet_limit;
/* options may be NULL. */
fig_status fig_eval_frechet_infinite(fig_context *ctx, const fig_features *samples, const fig_features *reference,
                                     const fig_frechet_options *options, fig_frechet_limit *out);

/* Kernel distance (Bińkowski et al. 2018): the unbiased squared MMD with k(x, y) = (x.y / d + 1)^3 on n_subsets random
 * subsets of subset_size rows of each set. The choice for small sets: unbiased at any n, so it may be below 0. */
typedef struct fig_kid_options {
    size_t n_subsets;   /* 0: 100; sets taken whole are one subset, however many are wanted */
    size_t subset_size; /* 0: 1000, or all of the smaller set; more than a set has is an error */
    uint64_t seed;
} fig_kid_options;
typedef struct fig_kid {
    double mean, sd; /* over the subsets; sd divides by n_subsets, as torch-fidelity's; NaN of one subset */
    size_t n_subsets, subset_size;
} fig_kid;
fig_status fig_eval_kid(fig_context *ctx, const fig_features *a, const fig_features *b, const fig_kid_options *options,
                        fig_kid *out);

/* --- neighbours -------------------------------------------------------------------------------------------------*/
/* The k nearest rows of base for every row of query: index and distance [n_query, k], nearest first, of equal ones the
 * lower index first; either may be NULL. query and base are one set (the same pointer): a row is not its own
 * neighbour. Base needs k rows, k + 1 if they are one set. k <= 1024. */
fig_status fig_eval_nearest(fig_context *ctx, const fig_features *query, const fig_features *base, size_t k,
                            int32_t *index, double *distance);

/* Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020). The ball of a row
 * reaches to its k-th neighbour in its own set, and does not hold its rim (a strict <, as in the reference code):
 *     precision  share of generated rows inside of some real row's ball: are the samples good?
 *     recall     share of real rows inside of some generated row's ball: is everything covered?
 *     density    real balls that hold a generated row, over k: precision that outliers do not deceive; may exceed 1
 *     coverage   share of real balls that hold a generated row: recall that outliers do not deceive
 * k is 3 or 5 usually, and belongs to the number. More than k rows in each set. */
typedef struct fig_prdc {
    double precision, recall, density, coverage;
} fig_prdc;
fig_status fig_eval_prdc(fig_context *ctx, const fig_features *real, const fig_features *generated, size_t k,
                         fig_prdc *out);

/* Does a generator repeat its training data? The median distance of a sample to its nearest training row over that of
 * a held-out row: about 1 when the samples are as new as the held-out data, towards 0 when they are copies. Held-out
 * data that is itself in the training set for the most part is an error. */
typedef struct fig_memorisation {
    double ratio;
    double sample_median, test_median; /* distances */
    size_t n_duplicates;               /* samples whose features are exactly those of a training row */
    size_t n_test_duplicates;          /* held-out rows, likewise: a leak in the data */
} fig_memorisation;
/* nearest, distance [samples->n]: the training row nearest to each sample, or NULL. */
fig_status fig_eval_memorisation(fig_context *ctx, const fig_features *samples, const fig_features *test,
                                 const fig_features *train, fig_memorisation *out, int32_t *nearest, double *distance);

/* --- classes ----------------------------------------------------------------------------------------------------*/
/* exp(mean KL(p(y|x) || p(y))) (Salimans et al. 2016) of class probabilities [n, classes] of one's own classifier: 1 to
 * the number of classes; p(y) is that of each split. Splits are consecutive, so shuffle what is sorted. Rows must sum
 * to 1 within 0.001, and are then divided by their sums. */
typedef struct fig_inception {
    double mean, sd; /* over the splits; sd divides by n_splits */
} fig_inception;
fig_status fig_eval_inception(fig_context *ctx, const fig_features *probabilities, size_t n_splits, /* 0: 10 */
                              fig_inception *out);

/* Share of samples that a classifier takes for the class that was asked for. */
fig_status fig_eval_agreement(fig_context *ctx, const int32_t *predicted, const int32_t *wanted, size_t n,
                              fig_interval *out);

typedef struct fig_class_balance {
    size_t n_classes, n_present;
    double kl_uniform;      /* nats: KL(histogram || uniform), 0 when all are equal, log n_classes for one class */
    double total_variation; /* half the sum of |share - 1/n_classes| */
    double perplexity;      /* exp(entropy): the effective number of classes */
} fig_class_balance;
/* labels in [0, n_classes); counts [n_classes] is written, or NULL. */
fig_status fig_eval_class_balance(fig_context *ctx, const int32_t *labels, size_t n, size_t n_classes, uint64_t *counts,
                                  fig_class_balance *out);
/* The same from counts: of codes of a codebook, say, where perplexity is its use. */
fig_status fig_eval_histogram(fig_context *ctx, const uint64_t *counts, size_t n_classes, fig_class_balance *out);
/* Stacked MNIST (Metz et al. 2017): digits [n, 3] that a classifier sees in the three channels; modes are the triples,
 * n_present of n_classes = 1000, with their KL to uniform. 25,600 samples are customary. */
fig_status fig_eval_stacked_modes(fig_context *ctx, const int32_t *digits, size_t n, fig_class_balance *out);

/* --- pictures and texts -----------------------------------------------------------------------------------------*/
/* R-precision@1 (Xu et al. 2018): share of pictures whose own text (the row of the same number) has the largest cosine
 * among n_candidates (0: 100) texts, the others drawn at random without repetition; chance is 1 / n_candidates. A tie
 * counts as the draw it is, 1 / (number of equals), so embeddings that are all the same score chance. Wilson interval;
 * rows of zeros are an error. */
fig_status fig_eval_r_precision(fig_context *ctx, const fig_features *pictures, const fig_features *texts,
                                size_t n_candidates, uint64_t seed, fig_interval *out);

/* A picture and its reconstruction, [h, w, c]; float32 (in [0, range] as a rule) or uint8. */
typedef struct fig_picture_pair {
    const void *a, *b;
    fig_dtype dtype; /* FIG_U8 or FIG_F32 */
    size_t h, w, c;
    double range; /* largest minus smallest value that there can be; 0: 255 for uint8, 1 for float32 */
} fig_picture_pair;
/* 10 log10(range^2 / mean squared error), decibels; INFINITY for equal pictures. */
fig_status fig_eval_psnr(fig_context *ctx, const fig_picture_pair *pair, double *out);
/* Structural similarity (Wang et al. 2004): Gaussian window of 11 x 11, sigma 1.5, K 0.01 and 0.03, windows wholly
 * inside, mean over places and channels; at most 1. Both sides at least 11. */
fig_status fig_eval_ssim(fig_context *ctx, const fig_picture_pair *pair, double *out);

/* --- latent factors ---------------------------------------------------------------------------------------------*/
/* Latents of items and the factors they were made with. */
typedef struct fig_factors {
    const float *latents;   /* [n, d] */
    const int32_t *factors; /* [n, f]: values may be any numbers */
    size_t n, d, f;
} fig_factors;

/* Mutual information gap (Chen et al. 2018): over the factors, the mean of (largest - second largest mutual information
 * with a latent) / entropy of the factor, in [0, 1]. Each latent is cut into n_bins (0: 20) bins of equal width over
 * its range. A factor that never changes is an error. gaps [f] is written, or NULL. */
fig_status fig_eval_mig(fig_context *ctx, const fig_factors *data, size_t n_bins, double *mig, double *gaps);

/* DCI (Eastwood and Williams 2018), with the lasso as regressor: each factor, standardised, from all latents,
 * standardised; importance is the size of a coefficient. The lasso is linear: a latent that encodes a factor in another
 * way (a circle, unordered classes) looks uninformative, which `informativeness` then says. */
typedef struct fig_dci {
    double disentanglement; /* does a latent serve one factor? mean of 1 - entropy over latents, by their importance */
    double completeness;    /* does one latent serve a factor? mean of 1 - entropy over factors */
    double informativeness; /* mean R^2 of the factors on `test`: 1 is perfect, 0 no better than the mean */
} fig_dci;
/* alpha weighs the L1 penalty of (1/2n)|y - Xw|^2 + alpha |w|_1 (0: 0.01). importance [d, f] is written, or NULL. A
 * latent that never changes has no importance; one factor that never changes in `train` or `test` is an error. */
fig_status fig_eval_dci(fig_context *ctx, const fig_factors *train, const fig_factors *test, double alpha, fig_dci *out,
                        double *importance);

/* --- likelihood by importance sampling --------------------------------------------------------------------------*/
/* log of the mean of exp(log_weights[0 .. k-1]) without overflow, in double (Burda et al. 2016: with log w = log p(x,
 * z)
 * - log q(z | x) a lower bound of log p(x), tighter with k). ess, or NULL: (sum w)^2 / sum w^2, between 1 and k; a few
 * means that the bound is loose. -INFINITY, ess 0, when every weight is 0. NaN gives NaN. */
double fig_eval_log_mean_exp(const double *log_weights, size_t k, double *ess);

typedef struct fig_importance {
    fig_average log_likelihood; /* nats, over the items; the negative log-likelihood is its opposite */
    double ess_mean, ess_min;
} fig_importance;
/* log_weights [n, k]. NaN, +infinity, or an item without any weight is FIG_ERR_NONFINITE. */
fig_status fig_eval_importance(fig_context *ctx, const double *log_weights, size_t n, size_t k, fig_importance *out);

#ifdef __cplusplus
}
#endif
#endif
