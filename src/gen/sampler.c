/* gen/sampler.c: see sampler.h. */
#include "gen/sampler.h"
#include <math.h>
#include <stdlib.h>
#include "base/rng.h"

static int by_logit(const void *a, const void *b) {
    const fig__candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

/* Keskar et al. 2019: logits of tokens that occurred are divided by the penalty, or multiplied when negative. */
static void penalise(fig__candidate *c, size_t n, const fig_generate_options *o, const int32_t *recent,
                     size_t n_recent) {
    size_t last = o->repeat_last_n > 0 ? FIG_MIN((size_t)o->repeat_last_n, n_recent) : n_recent;
    for (size_t i = n_recent - last; i < n_recent; i++) {
        bool seen = false;
        for (size_t k = n_recent - last; k < i && !seen; k++) seen = recent[k] == recent[i];
        if (seen || recent[i] < 0 || (size_t)recent[i] >= n) continue;
        float *l = &c[recent[i]].logit;
        *l = *l > 0 ? *l / (float)o->repeat_penalty : *l * (float)o->repeat_penalty;
    }
}

static int32_t greedy(const fig__candidate *c, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (c[i].logit > c[best].logit) best = i;
    return c[best].id;
}

/* Brings the `need` largest to the front, in order; what lies behind them is lost. A short list is kept sorted while
 * the rest goes by; almost nothing gets past its last entry. */
static void sort_top(fig__candidate *c, size_t n, size_t need) {
    bool short_list = need > 0 && need <= 256 && need < n;
    qsort(c, short_list ? need : n, sizeof *c, by_logit);
    for (size_t i = need; short_list && i < n; i++) {
        fig__candidate new = c[i];
        if (by_logit(&new, &c[need - 1]) > 0) continue;
        size_t at = need - 1;
        for (; at > 0 && by_logit(&new, &c[at - 1]) < 0; at--) c[at] = c[at - 1];
        c[at] = new;
    }
}

static size_t cut_top_p(const fig__candidate *c, size_t n, double p) {
    double sum = 0, total = 0;
    for (size_t i = 0; i < n; i++) total += exp((double)c[i].logit - (double)c[0].logit);
    for (size_t i = 0; i < n; i++) {
        sum += exp((double)c[i].logit - (double)c[0].logit);
        if (sum >= p * total) return i + 1;
    }
    return n;
}

static size_t cut_min_p(const fig__candidate *c, size_t n, double p) {
    double least = (double)c[0].logit + log(p);
    size_t keep = 1;
    while (keep < n && (double)c[keep].logit >= least) keep++;
    return keep;
}

static int32_t draw(const fig__candidate *c, size_t n, double temp, double u) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) total += exp(((double)c[i].logit - (double)c[0].logit) / temp);
    for (size_t i = 0; i < n; i++) {
        sum += exp(((double)c[i].logit - (double)c[0].logit) / temp);
        if (u * total < sum) return c[i].id;
    }
    return c[n - 1].id;
}

int32_t fig__sample_at(const fig_generate_options *o, const float *logits, size_t n, const int32_t *recent,
                       size_t n_recent, double quantile, fig__candidate *c) {
    for (size_t i = 0; i < n; i++) c[i] = (fig__candidate){(int32_t)i, isfinite(logits[i]) ? logits[i] : -1e30f};
    if (o->repeat_penalty != 1 && o->repeat_penalty > 0) penalise(c, n, o, recent, n_recent);
    if (o->temp <= 0) return greedy(c, n);
    bool all = !(o->top_k > 0 && (size_t)o->top_k < n);
    size_t keep = all ? n : (size_t)o->top_k;
    sort_top(c, n, keep);
    if (o->top_p < 1) keep = cut_top_p(c, keep, o->top_p);
    if (o->min_p > 0) keep = cut_min_p(c, keep, o->min_p);
    return draw(c, keep, o->temp, quantile);
}

int32_t fig__sample(const fig_generate_options *o, const float *logits, size_t n, const int32_t *recent,
                    size_t n_recent, uint64_t sample, uint64_t position, fig__candidate *c) {
    fig_rng_key key = {(uint64_t)o->seed, fig__rng_stream("generate"), 0};
    return fig__sample_at(o, logits, n, recent, n_recent, fig__rng_uniform(&key, sample, position), c);
}
