/* eval/frechet.c: the Fréchet distance of two sets, and its limit for infinitely many samples. */
#include <math.h>
#include "eval/eval.h"

#define BLOCK_ROWS 1024

typedef struct moments {
    size_t d;
    double *mean, *covariance; /* [d], [d, d] */
    double trace;
} moments;

static void moments_deinit(fig_context *ctx, moments *m) {
    fig__free(ctx, m->mean);
    fig__free(ctx, m->covariance);
}

static fig_status moments_init(fig_context *ctx, moments *m, size_t d) {
    *m = (moments){.d = d};
    m->mean = FIG_NEW_N(ctx, double, d);
    m->covariance = FIG_NEW_N(ctx, double, d *d);
    return m->mean && m->covariance ? FIG_OK : FIG_ERR_NOMEM;
}

/* Some rows of a set: the first n of a random order, or all. */
typedef struct subset {
    const fig_features *f;
    size_t n;
    bool all;
    fig_rng_key key;
} subset;

static const float *subset_row(const subset *s, size_t i) {
    return s->f->x + (s->all ? i : (size_t)fig__rng_permute(&s->key, i, s->f->n)) * s->f->d;
}

static fig_status add_covariance(fig_context *ctx, const subset *s, moments *m, double *rows) {
    size_t d = m->d;
    for (size_t first = 0; first < s->n; first += BLOCK_ROWS) {
        size_t n = FIG_MIN(s->n - first, BLOCK_ROWS);
        for (size_t i = 0; i < n; i++) {
            const float *x = subset_row(s, first + i);
            for (size_t j = 0; j < d; j++) rows[i * d + j] = x[j] - m->mean[j];
        }
        fig__product p = {.m = d, .n = d, .k = n, .a = rows, .a_trans = true, .b = rows, .c = m->covariance, .beta = 1};
        FIG_TRY(fig__multiply(ctx, &p));
        if (fig_cancelled(ctx)) return FIG_FAIL(ctx, FIG_ERR_CANCELLED, "covariance: cancelled");
    }
    return FIG_OK;
}

static fig_status measure(fig_context *ctx, const subset *s, moments *m) {
    size_t d = m->d;
    double *rows = fig__alloc(ctx, BLOCK_ROWS * d * sizeof *rows);
    if (!rows) return FIG_ERR_NOMEM;
    memset(m->mean, 0, d * sizeof *m->mean);
    memset(m->covariance, 0, d * d * sizeof *m->covariance);
    for (size_t i = 0; i < s->n; i++) {
        const float *x = subset_row(s, i);
        for (size_t j = 0; j < d; j++) m->mean[j] += x[j];
    }
    for (size_t j = 0; j < d; j++) m->mean[j] /= (double)s->n;
    fig_status status = add_covariance(ctx, s, m, rows);
    m->trace = 0;
    for (size_t i = 0; i < d * d; i++) m->covariance[i] /= (double)(s->n - 1);
    for (size_t i = 0; i < d; i++) m->trace += m->covariance[i * d + i];
    fig__free(ctx, rows);
    return status;
}

/* --- the distance -----------------------------------------------------------------------------------------------*/

/* Set to compare with: its covariance is root root^T. R^T S R has the eigenvalues of S1^1/2 S S1^1/2 other than zeros,
 * for any root, and Cholesky's costs a tenth of the symmetric one. */
typedef fig__frechet_reference reference;
struct fig__frechet_reference {
    moments m;
    double *root; /* [d, rank] */
    size_t rank;
    double *half, *square, *values; /* work: [d, rank], [rank, rank], [rank] */
};

void fig__frechet_reference_free(fig_context *ctx, reference *r) {
    if (!r) return;
    moments_deinit(ctx, &r->m);
    fig__free(ctx, r->root);
    fig__free(ctx, r->half);
    fig__free(ctx, r->square);
    fig__free(ctx, r->values);
    fig__free(ctx, r);
}

static fig_status reference_init(fig_context *ctx, reference *r, const fig_features *f) {
    size_t d = f->d;
    FIG_TRY(moments_init(ctx, &r->m, d));
    FIG_TRY(measure(ctx, &(subset){.f = f, .n = f->n, .all = true}, &r->m));
    if (!(r->root = FIG_NEW_N(ctx, double, d *d))) return FIG_ERR_NOMEM;
    FIG_TRY(fig__semidefinite_root(ctx, d, r->m.covariance, r->root, &r->rank));
    r->half = FIG_NEW_N(ctx, double, FIG_MAX(d * r->rank, 1));
    r->square = FIG_NEW_N(ctx, double, FIG_MAX(r->rank * r->rank, 1));
    r->values = FIG_NEW_N(ctx, double, r->rank + 1);
    return r->half && r->square && r->values ? FIG_OK : FIG_ERR_NOMEM;
}

fig_status fig__frechet_reference_new(fig_context *ctx, const fig_features *f, reference **out) {
    reference *r = *out = FIG_NEW(ctx, reference);
    if (!r) return FIG_ERR_NOMEM;
    fig_status status = reference_init(ctx, r, f);
    if (!status) return FIG_OK;
    fig__frechet_reference_free(ctx, r);
    *out = NULL;
    return status;
}

static fig_status distance_to(fig_context *ctx, reference *r, const moments *m, double *out) {
    size_t d = m->d, rank = r->rank;
    double means = 0, roots = 0;
    for (size_t j = 0; j < d; j++) means += (m->mean[j] - r->m.mean[j]) * (m->mean[j] - r->m.mean[j]);
    if (rank) {
        fig__product half = {.m = d, .n = rank, .k = d, .a = m->covariance, .b = r->root, .c = r->half};
        fig__product square = {
            .m = rank, .n = rank, .k = d, .a = r->root, .a_trans = true, .b = r->half, .c = r->square};
        FIG_TRY(fig__multiply(ctx, &half));
        FIG_TRY(fig__multiply(ctx, &square));
        FIG_TRY(fig__symmetric_eigenvalues(ctx, rank, r->square, r->values));
    }
    for (size_t i = 0; i < rank; i++) roots += sqrt(fmax(0, r->values[i])); /* below 0: rounding */
    *out = means + m->trace + r->m.trace - 2 * roots;
    return FIG_OK;
}

fig_status fig__frechet_to(fig_context *ctx, const fig_features *samples, reference *r, double *distance) {
    moments m = {0};
    double result = 0;
    fig_status status = moments_init(ctx, &m, samples->d);
    if (!status) status = measure(ctx, &(subset){.f = samples, .n = samples->n, .all = true}, &m);
    if (!status) status = distance_to(ctx, r, &m, &result);
    if (!status) *distance = fmax(0, result);
    moments_deinit(ctx, &m);
    return status;
}

fig_status fig_eval_frechet(fig_context *ctx, const fig_features *a, const fig_features *b, double *distance) {
    FIG_TRY(fig__features_pair(ctx, a, b, 2));
    reference *r;
    FIG_TRY(fig__frechet_reference_new(ctx, b, &r));
    fig_status status = fig__frechet_to(ctx, a, r, distance);
    fig__frechet_reference_free(ctx, r);
    return status;
}

/* --- the limit --------------------------------------------------------------------------------------------------*/

static void fit(const double *x, const double *y, size_t n, fig_frechet_limit *out) {
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0, rest = 0;
    for (size_t i = 0; i < n; i++) mean_x += x[i] / (double)n, mean_y += y[i] / (double)n;
    for (size_t i = 0; i < n; i++) xx += (x[i] - mean_x) * (x[i] - mean_x), xy += (x[i] - mean_x) * (y[i] - mean_y);
    out->slope = xy / xx;
    out->infinite = mean_y - out->slope * mean_x;
    for (size_t i = 0; i < n; i++) rest += pow(y[i] - out->infinite - out->slope * x[i], 2);
    out->residual = sqrt(rest / (double)n);
}

static fig_status measure_points(fig_context *ctx, const fig_features *samples, reference *r,
                                 const fig_frechet_options *o, double *x, double *y) {
    moments m = {0};
    fig_status status = moments_init(ctx, &m, samples->d);
    for (size_t i = 0; !status && i < o->n_points; i++) {
        double share = (double)i / (double)(o->n_points - 1);
        subset s = {.f = samples, .n = o->n_min + (size_t)(share * (double)(samples->n - o->n_min))};
        s.key = (fig_rng_key){o->seed, fig__rng_stream("eval.frechet"), i};
        if (i + 1 == o->n_points) s.n = samples->n, s.all = true;
        status = measure(ctx, &s, &m);
        if (!status) status = distance_to(ctx, r, &m, &y[i]);
        x[i] = 1 / (double)s.n;
    }
    moments_deinit(ctx, &m);
    return status;
}

fig_status fig__frechet_limit_to(fig_context *ctx, const fig_features *samples, reference *r,
                                 const fig_frechet_options *options, fig_frechet_limit *out) {
    fig_frechet_options o = options ? *options : (fig_frechet_options){0};
    if (!o.n_points) o.n_points = 15;
    if (!o.n_min) o.n_min = FIG_MAX(samples->n / 2, 2);
    FIG_CHECK(
        ctx, o.n_points >= 2 && o.n_points <= 10000 && o.n_min >= 2 && o.n_min < samples->n, FIG_ERR_ARG,
        "Frechet distance: a line needs 2 to 10000 points and subsets of 2 to %zu samples; it is given %zu of %zu",
        samples->n - 1, o.n_points, o.n_min);
    double *points = FIG_NEW_N(ctx, double, 2 * o.n_points);
    fig_status status = points ? measure_points(ctx, samples, r, &o, points, points + o.n_points) : FIG_ERR_NOMEM;
    if (!status) {
        fit(points, points + o.n_points, o.n_points, out);
        out->full = points[2 * o.n_points - 1];
    }
    fig__free(ctx, points);
    return status;
}

fig_status fig_eval_frechet_infinite(fig_context *ctx, const fig_features *samples, const fig_features *reference_set,
                                     const fig_frechet_options *options, fig_frechet_limit *out) {
    FIG_TRY(fig__features_pair(ctx, samples, reference_set, 2));
    reference *r;
    FIG_TRY(fig__frechet_reference_new(ctx, reference_set, &r));
    fig_status status = fig__frechet_limit_to(ctx, samples, r, options, out);
    fig__frechet_reference_free(ctx, r);
    return status;
}
