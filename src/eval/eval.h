/* eval/eval.h: what the scores share: checked input, neighbours, sums in double, eigenvalues. */
#ifndef FIG_EVAL_PRIVATE_H
#define FIG_EVAL_PRIVATE_H
#include "base/base.h"
#include "base/rng.h"
#include <fig/eval.h>

/* Sizes within their limits, at least n_min rows, every number finite; `name` is for the message. */
fig_status fig__features_check(fig_context *ctx, const char *name, const fig_features *f, size_t n_min);
/* The same, and as many columns as the other. */
fig_status fig__features_pair(fig_context *ctx, const fig_features *a, const fig_features *b, size_t n_min);

/* --- neighbours (pairs.c): arguments are checked already; squared distances are exact to double -----------------*/
/* The k nearest rows of base for every row of query; index, squared: [query->n, k], nearest first. */
fig_status fig__neighbours(fig_context *ctx, const fig_features *query, const fig_features *base, size_t k,
                           int32_t *index, double *squared);
/* A ball around every row of both sets, of squared radii: what lies inside of what, in one visit to all pairs. */
typedef struct fig__balls {
    uint32_t *around_query, *around_base; /* [query->n], [base->n]: balls of the other set's rows that hold the row */
    double *nearest;                      /* [query->n]: squared, to the nearest row of base */
} fig__balls;
fig_status fig__meet_balls(fig_context *ctx, const fig_features *query, const fig_features *base,
                           const double *query_radius, const double *base_radius, const fig__balls *out);
double fig__squared_distance(const float *a, const float *b, size_t d);

/* --- scores against a reference that several sets are compared with ---------------------------------------------
 * The public functions of the same names with what depends on the reference alone worked out before; sets are checked
 * already. */
/* squared [n]: of each row, to its k-th neighbour in the set. */
fig_status fig__radii(fig_context *ctx, const fig_features *f, size_t k, double *squared);
fig_status fig__prdc(fig_context *ctx, const fig_features *real, const double *real_radius,
                     const fig_features *generated, size_t k, fig_prdc *out);

typedef struct fig__frechet_reference fig__frechet_reference;
fig_status fig__frechet_reference_new(fig_context *ctx, const fig_features *f, fig__frechet_reference **out);
void fig__frechet_reference_free(fig_context *ctx, fig__frechet_reference *r);
fig_status fig__frechet_to(fig_context *ctx, const fig_features *samples, fig__frechet_reference *r, double *distance);
fig_status fig__frechet_limit_to(fig_context *ctx, const fig_features *samples, fig__frechet_reference *r,
                                 const fig_frechet_options *options, fig_frechet_limit *out);

/* Sums over b's subsets, kept from one call for the next of the same seed; zeros at first, sums is the caller's to
 * free.
 */
typedef struct fig__kid_within {
    double *sums;
    size_t n_subsets, subset_size;
} fig__kid_within;
fig_status fig__kid(fig_context *ctx, const fig_features *a, const fig_features *b, const fig_kid_options *options,
                    fig__kid_within *within, fig_kid *out);

/* --- matrices in double (matrix.c): row-major, parallel, one order of summation ---------------------------------*/
/* c[m,n] = beta c + op(a) op(b); a is stored [m,k], or [k,m] when a_trans; b [k,n], or [n,k] when b_trans. */
typedef struct fig__product {
    size_t m, n, k;
    const double *a, *b;
    double *c;
    bool a_trans, b_trans;
    double beta;
} fig__product;
fig_status fig__multiply(fig_context *ctx, const fig__product *p);
/* a [n,n], symmetric positive semi-definite, = root root^T with root [n,rank], in the order of the rows of a; a is
 * overwritten. Cholesky's method with the largest pivot first; what is left when it ends is rounding. */
fig_status fig__semidefinite_root(fig_context *ctx, size_t n, double *a, double *root, size_t *rank);
/* Eigenvalues of the symmetric a [n,n], ascending; a is overwritten. */
fig_status fig__symmetric_eigenvalues(fig_context *ctx, size_t n, double *a, double *values);

void fig__sort(double *values, size_t n); /* ascending */
/* The standard deviation divides by n. */
void fig__mean_and_sd(const double *values, size_t n, double *mean, double *sd);

#endif
