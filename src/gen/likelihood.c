/* gen/likelihood.c: the likelihood of a variational autoencoder by importance sampling. The latents of a few pictures
 * at a time are drawn in parts, which one graph replays; weights are summed in double as they come.
 *
 * Letters: N pictures of a run, K latents of each in a run. */
#include <fig/likelihood.h>
#include <fig/ops.h>
#include <math.h>
#include "core/core.h"
#include "media/image/values.h"
#include "models/vae.h"

#define MAX_ROWS 1000 /* N * K: a layer of them stays near the cache */
#define MAX_PART 500  /* K: the encoder's work is 1 / K of it */

/* log of a sum of exponentials, as it grows: sum * exp(top). */
typedef struct weights {
    double top, sum, sum_squares, plain; /* plain: sum of the logs themselves */
    size_t n;
} weights;

typedef struct machine {
    fig_context *ctx;
    const fig__vae_config *c;
    fig_graph *g;
    fig_plan *plan;
    fig_tensor *x, *log_weight;
    size_t n_rows, part, n_parts, k, numbers;
    uint64_t seed;
    weights *sums; /* [n_rows] */
} machine;

static fig_status machine_open(machine *h, fig_model *m) {
    fig__vae_terms terms;
    size_t side = (size_t)h->c->image_size, channels = (size_t)h->c->n_channels;
    h->n_parts = fig__ceil_div(h->k, MAX_PART);
    h->part = fig__ceil_div(h->k, h->n_parts);
    h->n_rows = FIG_MAX(MAX_ROWS / h->part, 1);
    h->numbers = side * side * channels;
    h->sums = FIG_NEW_N(h->ctx, weights, h->n_rows);
    h->g = fig_model_graph_new(m, FIG_EVAL);
    if (!h->sums || !h->g) return FIG_ERR_NOMEM;
    h->x = fig_input(h->g, "x", FIG_F32, 4, (size_t[]){h->n_rows, side, side, channels});
    fig__vae_bound(m, h->g, h->x, h->part, &terms);
    h->log_weight = terms.log_weight;
    FIG_TRY(fig_graph_status(h->g));
    return fig_plan_new(h->g, &h->log_weight, 1, NULL, &h->plan);
}

static void machine_close(machine *h) {
    fig_plan_free(h->plan);
    fig_graph_free(h->g);
    fig__free(h->ctx, h->sums);
}

static void add(weights *w, double log_weight) {
    if (log_weight > w->top) {
        double shrink = exp(w->top - log_weight);
        w->sum *= shrink;
        w->sum_squares *= shrink * shrink;
        w->top = log_weight;
    }
    double share = exp(log_weight - w->top);
    w->sum += share;
    w->sum_squares += share * share;
    w->plain += log_weight;
    w->n++;
}

static void feed(machine *h, const uint8_t *pixels, uint64_t first, size_t n) {
    float *x = fig_plan_data(h->plan, h->x);
    size_t of_picture = h->numbers / (size_t)h->c->n_channels;
    for (size_t i = 0; i < n; i++) {
        float *row = x + i * h->numbers;
        fig__image_to_values(pixels + (first + i) * h->numbers, of_picture, (size_t)h->c->n_channels, 0, row);
        if (h->c->likelihood == FIG__BINARISED) fig__vae_binarise(h->seed, 0, first + i, h->numbers, row);
    }
}

/* The last part may hold more latents than are wanted. */
static fig_status run_part(machine *h, const uint8_t *pixels, uint64_t first, size_t n, size_t part) {
    size_t take = FIG_MIN(h->part, h->k - part * h->part);
    feed(h, pixels, first, n);
    FIG_TRY(fig_plan_run(h->plan, &(fig_run_args){.seed = h->seed, .step = part, .sample0 = first}));
    const float *log_weight = fig_plan_data(h->plan, h->log_weight);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < take; j++) add(&h->sums[i], (double)log_weight[i * h->part + j]);
    return FIG_OK;
}

static fig_status run_pictures(machine *h, const uint8_t *pixels, size_t first, size_t n) {
    size_t side = (size_t)h->c->image_size;
    FIG_TRY(fig_plan_resize(h->plan, h->x, (size_t[]){n, side, side, (size_t)h->c->n_channels}));
    for (size_t i = 0; i < n; i++) h->sums[i] = (weights){.top = -INFINITY};
    for (size_t part = 0; part < h->n_parts; part++) {
        FIG_TRY(run_part(h, pixels, first, n, part));
        FIG_CHECK(h->ctx, !fig_cancelled(h->ctx), FIG_ERR_CANCELLED, "interrupted after %zu pictures", first);
    }
    for (size_t i = 0; i < n; i++)
        FIG_CHECK(h->ctx, isfinite(h->sums[i].plain) && isfinite(h->sums[i].top), FIG_ERR_NONFINITE,
                  "the likelihood of picture %zu is not finite", first + i);
    return FIG_OK;
}

static fig_status run_all(machine *h, const uint8_t *pixels, size_t n, const fig_likelihood_options *o, double *elbo,
                          double *log_p, double *ess) {
    for (size_t at = 0; at < n;) {
        size_t rows = FIG_MIN(h->n_rows, n - at);
        FIG_TRY(run_pictures(h, pixels, at, rows));
        for (size_t i = 0; i < rows; i++) {
            const weights *w = &h->sums[i];
            if (elbo) elbo[at + i] = w->plain / (double)w->n;
            if (log_p) log_p[at + i] = w->top + log(w->sum / (double)w->n);
            if (ess) ess[at + i] = w->sum * w->sum / w->sum_squares;
        }
        at += rows;
        bool on = !o->progress || o->progress(o->user, at, n);
        FIG_CHECK(h->ctx, on || at == n, FIG_ERR_CANCELLED, "interrupted after %zu of %zu pictures", at, n);
    }
    return FIG_OK;
}

fig_status fig_vae_likelihood(fig_model *m, const uint8_t *pixels, size_t n, const fig_likelihood_options *options,
                              double *elbo, double *log_p, double *ess) {
    FIG_CHECK(m->ctx, fig__model_family(m) == &fig_family_vae, FIG_ERR_ARG,
              "%s has no likelihood of pictures; a vae has", m->arch->name);
    fig_likelihood_options none = {0};
    const fig_likelihood_options *o = options ? options : &none;
    machine h = {.ctx = m->ctx, .c = m->config, .k = o->k ? o->k : 5000, .seed = o->seed};
    fig_status status = machine_open(&h, m);
    if (!status) status = run_all(&h, pixels, n, o, elbo, log_p, ess);
    machine_close(&h);
    return status;
}
