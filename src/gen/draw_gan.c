/* gen/draw_gan.c: a latent through the generator, once. A class that nobody names is drawn with the latent. */
#include <fig/ops.h>
#include "base/rng.h"
#include "core/core.h"
#include "gen/draw.h"
#include "models/gan.h"

typedef struct state {
    fig_graph *g;
    fig_plan *plan;
    fig_tensor *z, *label, *pixels;
} state;

static size_t n_latent(const fig_model *m) { return (size_t)fig_model_get_int(m, "n_latent"); }

static fig_status way_open(fig_drawer *d) {
    state *s = d->state = FIG_NEW(d->ctx, state);
    if (!s) return FIG_ERR_NOMEM;
    s->g = fig_model_graph_new(d->model, FIG_EVAL);
    if (!s->g) return FIG_ERR_NOMEM;
    s->z = fig_input(s->g, "z", FIG_F32, 2, (size_t[]){d->batch, d->n_latent});
    s->label = fig__gan_label(d->model, s->g, d->batch);
    s->pixels = fig__gan_generate(d->model, s->g, s->z, s->label);
    FIG_TRY(fig_graph_status(s->g));
    return fig_plan_new(s->g, &s->pixels, 1, NULL, &s->plan);
}

static void way_close(fig_drawer *d) {
    state *s = d->state;
    fig_plan_free(s->plan);
    fig_graph_free(s->g);
    fig__free(d->ctx, s);
}

static fig_status put_labels(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n) {
    state *s = d->state;
    long long n_classes = (long long)fig_model_get_int(d->model, "n_classes");
    fig_rng_key key = {(uint64_t)o->seed, fig__rng_stream("draw.class"), 0};
    if (!s->label) return FIG_OK;
    FIG_TRY(fig_plan_resize(s->plan, s->label, (size_t[]){n, 1}));
    int32_t *labels = fig_plan_data(s->plan, s->label);
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        int64_t label = o->n_labels ? o->labels[at % o->n_labels] : -1;
        FIG_CHECK(d->ctx, label < n_classes, FIG_ERR_ARG, "class %lld: the model has %lld, from 0", (long long)label,
                  n_classes);
        uint64_t sample = (uint64_t)o->first_sample + at;
        labels[i] = (int32_t)(label < 0 ? (int64_t)fig__rng_below(&key, sample, 0, (uint64_t)n_classes) : label);
    }
    return FIG_OK;
}

static fig_status draw(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, const float *latents,
                       float *pictures, fig_draw_report *report) {
    state *s = d->state;
    FIG_TRY(fig_plan_resize(s->plan, s->z, (size_t[]){n, d->n_latent}));
    FIG_TRY(put_labels(d, o, first, n));
    memcpy(fig_plan_data(s->plan, s->z), latents, n * d->n_latent * sizeof *latents);
    FIG_TRY(fig_plan_run(s->plan, NULL));
    memcpy(pictures, fig_plan_data(s->plan, s->pixels), n * fig__drawer_numbers(d) * sizeof *pictures);
    report->n_evaluations = 1;
    return FIG_OK;
}

const fig__way fig__way_gan = {.family = &fig_family_gan,
                               .heeds = " ",
                               .low = -1,
                               .n_latent = n_latent,
                               .open = way_open,
                               .draw = draw,
                               .close = way_close};
