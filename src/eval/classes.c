/* eval/classes.c: scores from class numbers and class probabilities. */
#include <math.h>
#include "eval/eval.h"

#define MAX_CLASSES ((size_t)1 << 24)

/* --- inception score --------------------------------------------------------------------------------------------*/

static double row_sum(const float *p, size_t d) {
    double sum = 0;
    for (size_t c = 0; c < d; c++) sum += p[c];
    return sum;
}

static fig_status check_probabilities(fig_context *ctx, const fig_features *p) {
    FIG_TRY(fig__features_check(ctx, "class probabilities", p, 1));
    for (size_t i = 0; i < p->n * p->d; i++)
        FIG_CHECK(ctx, p->x[i] >= 0, FIG_ERR_ARG, "class probabilities: row %zu holds %g; are these logits?", i / p->d,
                  (double)p->x[i]);
    for (size_t i = 0; i < p->n; i++) {
        double sum = row_sum(p->x + i * p->d, p->d);
        FIG_CHECK(ctx, fabs(sum - 1) <= 1e-3, FIG_ERR_ARG, "class probabilities: row %zu sums to %g", i, sum);
    }
    return FIG_OK;
}

/* exp(mean of KL(p(y|x) || p(y))) = exp(H(mean of p) - mean of H(p)). */
static double split_score(const fig_features *p, size_t first, size_t last, double *marginal) {
    double n = (double)(last - first), entropy = 0;
    memset(marginal, 0, p->d * sizeof *marginal);
    for (size_t i = first; i < last; i++) {
        const float *row = p->x + i * p->d;
        double sum = row_sum(row, p->d);
        for (size_t c = 0; c < p->d; c++) {
            double q = row[c] / sum;
            marginal[c] += q / n;
            if (q > 0) entropy -= q * log(q) / n;
        }
    }
    for (size_t c = 0; c < p->d; c++)
        if (marginal[c] > 0) entropy += marginal[c] * log(marginal[c]);
    return exp(-entropy);
}

fig_status fig_eval_inception(fig_context *ctx, const fig_features *probabilities, size_t n_splits,
                              fig_inception *out) {
    FIG_TRY(check_probabilities(ctx, probabilities));
    size_t n = probabilities->n;
    if (!n_splits) n_splits = 10;
    FIG_CHECK(ctx, n_splits <= n, FIG_ERR_ARG, "inception score: %zu splits of %zu rows", n_splits, n);
    double *scores = FIG_NEW_N(ctx, double, n_splits), *marginal = FIG_NEW_N(ctx, double, probabilities->d);
    fig_status status = scores && marginal ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; !status && i < n_splits; i++)
        scores[i] = split_score(probabilities, i * n / n_splits, (i + 1) * n / n_splits, marginal);
    if (!status) fig__mean_and_sd(scores, n_splits, &out->mean, &out->sd);
    fig__free(ctx, scores);
    fig__free(ctx, marginal);
    return status;
}

/* --- class numbers ----------------------------------------------------------------------------------------------*/

fig_status fig_eval_agreement(fig_context *ctx, const int32_t *predicted, const int32_t *wanted, size_t n,
                              fig_interval *out) {
    FIG_CHECK(ctx, predicted && wanted && n >= 1, FIG_ERR_ARG, "class agreement: of no samples");
    size_t hits = 0;
    for (size_t i = 0; i < n; i++) hits += predicted[i] == wanted[i];
    *out = fig_eval_wilson((double)hits, n);
    return FIG_OK;
}

fig_status fig_eval_histogram(fig_context *ctx, const uint64_t *counts, size_t n_classes, fig_class_balance *out) {
    FIG_CHECK(ctx, counts && n_classes >= 1 && n_classes <= MAX_CLASSES, FIG_ERR_ARG, "histogram: of %zu classes",
              n_classes);
    double total = 0, entropy = 0, variation = 0, uniform = 1 / (double)n_classes;
    fig_class_balance b = {.n_classes = n_classes};
    for (size_t c = 0; c < n_classes; c++) total += (double)counts[c];
    FIG_CHECK(ctx, total > 0, FIG_ERR_ARG, "histogram: %zu classes, and nothing in them", n_classes);
    for (size_t c = 0; c < n_classes; c++) {
        double share = (double)counts[c] / total;
        b.n_present += counts[c] > 0;
        if (counts[c]) entropy -= share * log(share);
        variation += fabs(share - uniform) / 2;
    }
    b.kl_uniform = fmax(0, log((double)n_classes) - entropy);
    b.total_variation = variation;
    b.perplexity = exp(entropy);
    *out = b;
    return FIG_OK;
}

static fig_status check_labels(fig_context *ctx, const int32_t *labels, size_t n, size_t n_classes) {
    FIG_CHECK(ctx, labels && n >= 1, FIG_ERR_ARG, "class balance: of no samples");
    FIG_CHECK(ctx, n_classes >= 1 && n_classes <= MAX_CLASSES, FIG_ERR_ARG, "class balance: of %zu classes", n_classes);
    for (size_t i = 0; i < n; i++)
        FIG_CHECK(ctx, labels[i] >= 0 && (size_t)labels[i] < n_classes, FIG_ERR_ARG,
                  "class balance: label %zu is %d; there are %zu classes, from 0 on", i, labels[i], n_classes);
    return FIG_OK;
}

fig_status fig_eval_class_balance(fig_context *ctx, const int32_t *labels, size_t n, size_t n_classes, uint64_t *counts,
                                  fig_class_balance *out) {
    FIG_TRY(check_labels(ctx, labels, n, n_classes));
    uint64_t *count = FIG_NEW_N(ctx, uint64_t, n_classes);
    if (!count) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) count[labels[i]]++;
    fig_status status = fig_eval_histogram(ctx, count, n_classes, out);
    if (!status && counts) memcpy(counts, count, n_classes * sizeof *count);
    fig__free(ctx, count);
    return status;
}

fig_status fig_eval_stacked_modes(fig_context *ctx, const int32_t *digits, size_t n, fig_class_balance *out) {
    uint64_t counts[1000] = {0};
    FIG_CHECK(ctx, n <= FIG_EVAL_MAX_ROWS, FIG_ERR_ARG, "stacked modes: %zu samples; at most %zu can be", n,
              FIG_EVAL_MAX_ROWS);
    FIG_TRY(check_labels(ctx, digits, 3 * n, 10));
    for (size_t i = 0; i < n; i++) counts[100 * digits[3 * i] + 10 * digits[3 * i + 1] + digits[3 * i + 2]]++;
    return fig_eval_histogram(ctx, counts, FIG_COUNT(counts), out);
}
