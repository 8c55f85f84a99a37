/* eval/estimate.c: checks of input, and estimates with their uncertainty: means, intervals, importance sampling. */
#include <math.h>
#include <stdlib.h>
#include "eval/eval.h"

/* --- features ---------------------------------------------------------------------------------------------------*/

fig_status fig__features_check(fig_context *ctx, const char *name, const fig_features *f, size_t n_min) {
    FIG_CHECK(ctx, f && f->x, FIG_ERR_ARG, "%s: there are none", name);
    FIG_CHECK(ctx, f->d >= 1 && f->d <= FIG_EVAL_MAX_DIM && f->n <= FIG_EVAL_MAX_ROWS, FIG_ERR_ARG,
              "%s: %zu rows of %zu numbers; at most %zu rows of 1 to %d can be", name, f->n, f->d, FIG_EVAL_MAX_ROWS,
              FIG_EVAL_MAX_DIM);
    FIG_CHECK(ctx, f->n >= n_min, FIG_ERR_ARG, "%s: %zu rows; at least %zu are needed", name, f->n, n_min);
    for (size_t i = 0; i < f->n * f->d; i++)
        FIG_CHECK(ctx, isfinite(f->x[i]), FIG_ERR_NONFINITE, "%s: row %zu holds a number that is not finite", name,
                  i / f->d);
    return FIG_OK;
}

fig_status fig__features_pair(fig_context *ctx, const fig_features *a, const fig_features *b, size_t n_min) {
    FIG_TRY(fig__features_check(ctx, "first set of features", a, n_min));
    FIG_TRY(fig__features_check(ctx, "second set of features", b, n_min));
    FIG_CHECK(ctx, a->d == b->d, FIG_ERR_ARG, "features: rows of %zu and of %zu numbers; take both from one extractor",
              a->d, b->d);
    return FIG_OK;
}

static fig_status check_values(fig_context *ctx, const double *values, size_t n) {
    FIG_CHECK(ctx, values && n >= 1, FIG_ERR_ARG, "mean: of no values");
    for (size_t i = 0; i < n; i++)
        FIG_CHECK(ctx, isfinite(values[i]), FIG_ERR_NONFINITE, "mean: value %zu is not finite", i);
    return FIG_OK;
}

/* --- means and intervals ----------------------------------------------------------------------------------------*/

void fig__mean_and_sd(const double *values, size_t n, double *mean, double *sd) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (values[i] - *mean) * (values[i] - *mean);
    *sd = sqrt(squares / (double)n);
}

fig_status fig_eval_mean(fig_context *ctx, const double *values, size_t n, fig_average *out) {
    FIG_TRY(check_values(ctx, values, n));
    double sd;
    out->n = n;
    fig__mean_and_sd(values, n, &out->value, &sd);
    out->standard_error = n > 1 ? sd / sqrt((double)(n - 1)) : NAN;
    return FIG_OK;
}

fig_interval fig_eval_wilson(double hits, size_t n_trials) {
    const double z = 1.959963984540054; /* 97.5 % of a normal variable */
    if (n_trials == 0) return (fig_interval){NAN, 0, 1};
    double n = (double)n_trials, p = hits / n, scale = 1 + z * z / n, centre = (p + z * z / (2 * n)) / scale;
    double width = z / scale * sqrt(fmax(0, p * (1 - p)) / n + z * z / (4 * n * n));
    return (fig_interval){p, hits > 0 ? fmax(0, centre - width) : 0, hits < n ? fmin(1, centre + width) : 1};
}

typedef struct resampling {
    const double *values;
    size_t n, n_resamples;
    uint64_t seed;
    double *means;
} resampling;

static void resample_tile(void *arg, size_t tile, int thread) {
    const resampling *r = arg;
    (void)thread;
    fig_rng_key key = {r->seed, fig__rng_stream("eval.bootstrap"), 0};
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) sum += r->values[fig__rng_below(&key, tile, i, r->n)];
    r->means[tile] = sum / (double)r->n;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void fig__sort(double *values, size_t n) { qsort(values, n, sizeof *values, by_value); }

static double percentile(const double *sorted, size_t n, double share) { /* between the neighbours, as NumPy */
    double at = share * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

fig_status fig_eval_bootstrap(fig_context *ctx, const double *values, size_t n, size_t n_resamples, uint64_t seed,
                              fig_interval *out) {
    FIG_TRY(check_values(ctx, values, n));
    if (!n_resamples) n_resamples = 1000;
    FIG_CHECK(ctx, n_resamples <= 10000000, FIG_ERR_ARG, "bootstrap: %zu resamples; a thousand are usual", n_resamples);
    resampling r = {values, n, n_resamples, seed, FIG_NEW_N(ctx, double, n_resamples)};
    if (!r.means) return FIG_ERR_NOMEM;
    fig__parallel(ctx, n_resamples, resample_tile, &r);
    fig__sort(r.means, n_resamples);
    double sd;
    fig__mean_and_sd(values, n, &out->value, &sd);
    out->low = percentile(r.means, n_resamples, 0.025);
    out->high = percentile(r.means, n_resamples, 0.975);
    fig__free(ctx, r.means);
    return FIG_OK;
}

/* --- importance sampling ----------------------------------------------------------------------------------------*/

double fig_eval_log_mean_exp(const double *log_weights, size_t k, double *ess) {
    double most = -INFINITY, sum = 0, squares = 0;
    if (ess) *ess = 0;
    for (size_t i = 0; i < k; i++) {
        if (isnan(log_weights[i])) return NAN;
        most = fmax(most, log_weights[i]);
    }
    if (isinf(most)) return most;
    for (size_t i = 0; i < k; i++) {
        double w = exp(log_weights[i] - most);
        sum += w, squares += w * w;
    }
    if (ess) *ess = sum * sum / squares;
    return most + log(sum / (double)k);
}

fig_status fig_eval_importance(fig_context *ctx, const double *log_weights, size_t n, size_t k, fig_importance *out) {
    FIG_CHECK(ctx, log_weights && n >= 1 && k >= 1, FIG_ERR_ARG, "importance sampling: %zu items with %zu weights", n,
              k);
    double *values = FIG_NEW_N(ctx, double, n), total = 0, least = INFINITY;
    if (!values) return FIG_ERR_NOMEM;
    fig_status status = FIG_OK;
    for (size_t i = 0; !status && i < n; i++) {
        double ess;
        values[i] = fig_eval_log_mean_exp(log_weights + i * k, k, &ess);
        total += ess, least = fmin(least, ess);
        if (!isfinite(values[i]))
            status =
                FIG_FAIL(ctx, FIG_ERR_NONFINITE, "importance sampling: the weights of item %zu make %g", i, values[i]);
    }
    if (!status) status = fig_eval_mean(ctx, values, n, &out->log_likelihood);
    if (!status) out->ess_mean = total / (double)n, out->ess_min = least;
    fig__free(ctx, values);
    return status;
}
