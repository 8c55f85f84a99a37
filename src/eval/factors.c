/* eval/factors.c: does a latent code separate the factors that its data was made with? MIG and DCI. */
#include <math.h>
#include <stdlib.h>
#include "eval/eval.h"

#define MAX_BINS 4096
#define MAX_SWEEPS 100000 /* of coordinate descent */

static fig_status check(fig_context *ctx, const fig_factors *f) {
    fig_features latents = {f->latents, f->n, f->d};
    FIG_TRY(fig__features_check(ctx, "latents", &latents, 2));
    FIG_CHECK(ctx, f->factors && f->f >= 1 && f->f <= FIG_EVAL_MAX_DIM, FIG_ERR_ARG, "factors: %zu of them", f->f);
    for (size_t j = 0; j < f->f; j++) {
        size_t i = 1;
        while (i < f->n && f->factors[i * f->f + j] == f->factors[j]) i++;
        FIG_CHECK(ctx, i < f->n, FIG_ERR_ARG, "factors: factor %zu never changes; leave it out", j);
    }
    return FIG_OK;
}

/* --- mutual information gap -------------------------------------------------------------------------------------*/

typedef struct mig {
    const fig_factors *data;
    size_t n_bins;
    int32_t *values;  /* [n] work: the different values of a factor */
    uint32_t *factor; /* [n]: number of the value of each item */
    uint16_t *bins;   /* [d, n] */
    uint32_t *table;  /* [n_values, n_bins] */
    size_t n_values;
} mig;

static int by_number(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void number_values(mig *m, size_t factor) {
    const fig_factors *f = m->data;
    for (size_t i = 0; i < f->n; i++) m->values[i] = f->factors[i * f->f + factor];
    qsort(m->values, f->n, sizeof *m->values, by_number);
    m->n_values = 1;
    for (size_t i = 1; i < f->n; i++)
        if (m->values[i] != m->values[m->n_values - 1]) m->values[m->n_values++] = m->values[i];
    for (size_t i = 0; i < f->n; i++) {
        const int32_t *at =
            bsearch(&f->factors[i * f->f + factor], m->values, m->n_values, sizeof *m->values, by_number);
        m->factor[i] = (uint32_t)(at - m->values);
    }
}

/* The bin whose lower edge low + i * width is the last one not above x, as numpy.digitize has it. */
static size_t bin_of(double x, double low, double width, size_t n_bins) {
    if (!(width > 0)) return 0;
    double guess = (x - low) / width;
    size_t i = guess < (double)n_bins ? (size_t)guess : n_bins - 1;
    if (i > 0 && x < low + (double)i * width) i--;
    if (i + 1 < n_bins && x >= low + (double)(i + 1) * width) i++;
    return i;
}

static void fill_bins(mig *m, size_t latent) {
    const fig_factors *f = m->data;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < f->n; i++) {
        double x = f->latents[i * f->d + latent];
        low = fmin(low, x), high = fmax(high, x);
    }
    double width = (high - low) / (double)m->n_bins;
    for (size_t i = 0; i < f->n; i++)
        m->bins[latent * f->n + i] = (uint16_t)bin_of(f->latents[i * f->d + latent], low, width, m->n_bins);
}

static double entropy_term(double count, double n) { return count > 0 ? -count / n * log(count / n) : 0; }

/* H(factor) + H(latent) - H(both). */
static double mutual_information(mig *m, size_t latent, double *factor_entropy) {
    double n = (double)m->data->n, of_factor = 0, of_latent = 0, of_both = 0;
    const uint16_t *bins = m->bins + latent * m->data->n;
    memset(m->table, 0, m->n_values * m->n_bins * sizeof *m->table);
    for (size_t i = 0; i < m->data->n; i++) m->table[m->factor[i] * m->n_bins + bins[i]]++;
    for (size_t v = 0; v < m->n_values; v++) {
        double count = 0;
        for (size_t b = 0; b < m->n_bins; b++) {
            count += m->table[v * m->n_bins + b];
            of_both += entropy_term(m->table[v * m->n_bins + b], n);
        }
        of_factor += entropy_term(count, n);
    }
    for (size_t b = 0; b < m->n_bins; b++) {
        double count = 0;
        for (size_t v = 0; v < m->n_values; v++) count += m->table[v * m->n_bins + b];
        of_latent += entropy_term(count, n);
    }
    *factor_entropy = of_factor;
    return fmax(0, of_factor + of_latent - of_both);
}

static fig_status gap_of(fig_context *ctx, mig *m, size_t factor, double *gap) {
    double first = 0, second = 0, entropy = 0;
    number_values(m, factor);
    if (!(m->table = FIG_NEW_N(ctx, uint32_t, m->n_values * m->n_bins))) return FIG_ERR_NOMEM;
    for (size_t latent = 0; latent < m->data->d; latent++) {
        double information = mutual_information(m, latent, &entropy);
        second = fmax(second, fmin(first, information));
        first = fmax(first, information);
    }
    *gap = (first - second) / entropy;
    fig__free(ctx, m->table);
    return FIG_OK;
}

fig_status fig_eval_mig(fig_context *ctx, const fig_factors *data, size_t n_bins, double *out, double *gaps) {
    FIG_TRY(check(ctx, data));
    if (!n_bins) n_bins = 20;
    FIG_CHECK(ctx, n_bins >= 2 && n_bins <= MAX_BINS, FIG_ERR_ARG, "MIG: %zu bins; 2 to %d can be", n_bins, MAX_BINS);
    mig m = {.data = data, .n_bins = n_bins};
    m.values = FIG_NEW_N(ctx, int32_t, data->n);
    m.factor = FIG_NEW_N(ctx, uint32_t, data->n);
    m.bins = FIG_NEW_N(ctx, uint16_t, data->n * data->d);
    double *all = FIG_NEW_N(ctx, double, data->f), sum = 0;
    fig_status status = m.values && m.factor && m.bins && all ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t j = 0; !status && j < data->d; j++) fill_bins(&m, j);
    for (size_t j = 0; !status && j < data->f; j++) {
        status = gap_of(ctx, &m, j, &all[j]);
        sum += all[j];
    }
    if (!status) *out = sum / (double)data->f;
    if (!status && gaps) memcpy(gaps, all, data->f * sizeof *all);
    void *owned[] = {m.values, m.factor, m.bins, all};
    for (size_t i = 0; i < FIG_COUNT(owned); i++) fig__free(ctx, owned[i]);
    return status;
}

/* --- DCI --------------------------------------------------------------------------------------------------------*/

typedef struct dci {
    fig_context *ctx;
    const fig_factors *train, *test;
    double alpha;
    double *mean, *sd; /* [d + f] of train: latents, then factors */
    double *x, *y;     /* standardised: [n, d], [n, f] */
    double *gram;      /* [d, d]: X^T X / n */
    double *cross;     /* [d, f]: X^T Y / n */
    double *weight;    /* [f, d] */
} dci;

static double column_value(const fig_factors *data, size_t i, size_t column) {
    return column < data->d ? (double)data->latents[i * data->d + column]
                            : (double)data->factors[i * data->f + column - data->d];
}

static void find_moments(dci *c) {
    const fig_factors *data = c->train;
    for (size_t j = 0; j < data->d + data->f; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < data->n; i++) sum += column_value(data, i, j);
        c->mean[j] = sum / (double)data->n;
        for (size_t i = 0; i < data->n; i++) squares += pow(column_value(data, i, j) - c->mean[j], 2);
        c->sd[j] = sqrt(squares / (double)data->n);
        if (c->sd[j] <= 1e-12 * fabs(c->mean[j])) c->sd[j] = 0; /* rounding of a column that never changes */
    }
}

static double standard(const dci *c, const fig_factors *data, size_t i, size_t column) {
    return c->sd[column] > 0 ? (column_value(data, i, column) - c->mean[column]) / c->sd[column] : 0;
}

static fig_status find_products(dci *c) {
    size_t n = c->train->n, d = c->train->d, f = c->train->f;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) c->x[i * d + j] = standard(c, c->train, i, j);
        for (size_t j = 0; j < f; j++) c->y[i * f + j] = standard(c, c->train, i, d + j);
    }
    fig__product gram = {.m = d, .n = d, .k = n, .a = c->x, .a_trans = true, .b = c->x, .c = c->gram};
    fig__product cross = {.m = d, .n = f, .k = n, .a = c->x, .a_trans = true, .b = c->y, .c = c->cross};
    FIG_TRY(fig__multiply(c->ctx, &gram));
    FIG_TRY(fig__multiply(c->ctx, &cross));
    for (size_t i = 0; i < d * d; i++) c->gram[i] /= (double)n;
    for (size_t i = 0; i < d * f; i++) c->cross[i] /= (double)n;
    return FIG_OK;
}

/* Coordinate descent (Friedman et al. 2010): each weight in turn to where it is best. */
static double lasso_sweep(const dci *c, size_t factor) {
    size_t d = c->train->d;
    double *w = c->weight + factor * d, largest_step = 0;
    for (size_t j = 0; j < d; j++) {
        double own = c->gram[j * d + j], rest = c->cross[j * c->train->f + factor] + own * w[j];
        if (!(own > 0)) continue;
        for (size_t k = 0; k < d; k++) rest -= c->gram[j * d + k] * w[k];
        double next = copysign(fmax(0, fabs(rest) - c->alpha), rest) / own;
        largest_step = fmax(largest_step, fabs(next - w[j]));
        w[j] = next;
    }
    return largest_step;
}

static void lasso_tile(void *arg, size_t factor, int thread) {
    (void)thread;
    for (int sweep = 0; sweep < MAX_SWEEPS && lasso_sweep(arg, factor) > 1e-12; sweep++)
        ;
}

/* R^2 of one factor on the test set. */
static double explained(const dci *c, size_t factor) {
    size_t d = c->test->d;
    double mean = 0, rest = 0, all = 0, n = (double)c->test->n;
    for (size_t i = 0; i < c->test->n; i++) mean += standard(c, c->test, i, d + factor) / n;
    for (size_t i = 0; i < c->test->n; i++) {
        double y = standard(c, c->test, i, d + factor), guess = 0;
        for (size_t j = 0; j < d; j++) guess += c->weight[factor * d + j] * standard(c, c->test, i, j);
        rest += (y - guess) * (y - guess);
        all += (y - mean) * (y - mean);
    }
    return 1 - rest / all;
}

/* 1 - entropy of n sizes in base n: 1 when one of them has everything; 0 when there is nothing. */
static double concentration(const double *x, size_t n, size_t stride, double *sum) {
    double entropy = 0;
    *sum = 0;
    for (size_t i = 0; i < n; i++) *sum += fabs(x[i * stride]);
    if (!(*sum > 0)) return 0;
    for (size_t i = 0; i < n; i++) entropy += entropy_term(fabs(x[i * stride]), *sum);
    return n > 1 ? 1 - entropy / log((double)n) : 1;
}

static fig_dci scores(const dci *c) {
    size_t d = c->train->d, f = c->train->f;
    fig_dci s = {0};
    double total = 0, sum;
    for (size_t j = 0; j < d; j++) {
        double one = concentration(c->weight + j, f, d, &sum);
        s.disentanglement += one * sum;
        total += sum;
    }
    s.disentanglement = total > 0 ? s.disentanglement / total : 0;
    for (size_t k = 0; k < f; k++) {
        s.completeness += concentration(c->weight + k * d, d, 1, &sum) / (double)f;
        s.informativeness += explained(c, k) / (double)f;
    }
    return s;
}

static fig_status dci_init(dci *c) {
    size_t n = c->train->n, d = c->train->d, f = c->train->f;
    c->mean = FIG_NEW_N(c->ctx, double, d + f);
    c->sd = FIG_NEW_N(c->ctx, double, d + f);
    c->x = FIG_NEW_N(c->ctx, double, n *d);
    c->y = FIG_NEW_N(c->ctx, double, n *f);
    c->gram = FIG_NEW_N(c->ctx, double, d *d);
    c->cross = FIG_NEW_N(c->ctx, double, d *f);
    c->weight = FIG_NEW_N(c->ctx, double, f *d);
    return c->mean && c->sd && c->x && c->y && c->gram && c->cross && c->weight ? FIG_OK : FIG_ERR_NOMEM;
}

fig_status fig_eval_dci(fig_context *ctx, const fig_factors *train, const fig_factors *test, double alpha, fig_dci *out,
                        double *importance) {
    FIG_TRY(check(ctx, train));
    FIG_TRY(check(ctx, test));
    FIG_CHECK(ctx, train->d == test->d && train->f == test->f && alpha >= 0 && isfinite(alpha), FIG_ERR_ARG,
              "DCI: %zu latents and %zu factors to learn from, %zu and %zu to test on, alpha %g", train->d, train->f,
              test->d, test->f, alpha);
    dci c = {.ctx = ctx, .train = train, .test = test, .alpha = alpha > 0 ? alpha : 0.01};
    size_t d = train->d, f = train->f;
    fig_status status = dci_init(&c);
    if (!status) find_moments(&c);
    if (!status) status = find_products(&c);
    if (!status) {
        fig__parallel(ctx, f, lasso_tile, &c);
        *out = scores(&c);
    }
    for (size_t i = 0; !status && importance && i < d * f; i++) importance[i] = fabs(c.weight[i % f * d + i / f]);
    void *owned[] = {c.mean, c.sd, c.x, c.y, c.gram, c.cross, c.weight};
    for (size_t i = 0; i < FIG_COUNT(owned); i++) fig__free(ctx, owned[i]);
    return status;
}
