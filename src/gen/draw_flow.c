/* gen/draw_flow.c: from noise to a picture along the flow that was learnt (Lipman et al. 2023), by Euler's or Heun's
 * steps. The network says the picture x' that is in z = t x + (1 - t) noise; the velocity towards it is (x' - z) / (1 -
 * t). Guidance (Ho and Salimans 2022) asks twice, with the condition and without, as two rows of one batch. */
#include "ops/ops.h"
#include <math.h>
#include "core/core.h"
#include "gen/draw.h"
#include "media/image/values.h"
#include "models/flow.h"

typedef struct state {
    fig_graph *g;
    fig_plan *plan;
    fig_flow_inputs in;
    fig_tensor *picture;
    float *v[2], *next, *source;
    float *keep; /* [side, side, channels]: 1 where a mask keeps the source */
} state;

static size_t n_latent(const fig_model *m) {
    size_t side = (size_t)fig_model_get_int(m, "image_size");
    return side * side * (size_t)fig_model_get_int(m, "n_channels");
}

static fig_status way_open(fig_drawer *d) {
    state *s = d->state = FIG_NEW(d->ctx, state);
    size_t n = fig__drawer_numbers(d);
    if (!s) return FIG_ERR_NOMEM;
    float **blocks[] = {&s->v[0], &s->v[1], &s->next};
    for (size_t i = 0; i < FIG_COUNT(blocks); i++)
        if (!(*blocks[i] = FIG_NEW_N(d->ctx, float, d->batch *n))) return FIG_ERR_NOMEM;
    s->source = FIG_NEW_N(d->ctx, float, n);
    s->keep = FIG_NEW_N(d->ctx, float, n);
    s->g = fig_model_graph_new(d->model, FIG_EVAL);
    if (!s->source || !s->keep || !s->g) return FIG_ERR_NOMEM;
    s->in = fig__flow_inputs(d->model, s->g, 2 * d->batch);
    s->picture = fig_cast(s->g, d->model->arch->net.flow->predict(s->g, d->model->config, &s->in), FIG_F32);
    FIG_TRY(fig_graph_status(s->g));
    return fig_plan_new(s->g, &s->picture, 1, NULL, &s->plan);
}

static void way_close(fig_drawer *d) {
    state *s = d->state;
    fig_plan_free(s->plan);
    fig_graph_free(s->g);
    float *all[] = {s->v[0], s->v[1], s->next, s->source, s->keep};
    for (size_t i = 0; i < FIG_COUNT(all); i++) fig__free(d->ctx, all[i]);
    fig__free(d->ctx, s);
}

/* --- conditions -------------------------------------------------------------------------------------------------*/

typedef struct run { /* one batch */
    fig_drawer *d;
    const fig_draw_options *o;
    size_t first, n;
    bool guided;
} run;

static fig_status put_label(const run *r, size_t row, int64_t label, int64_t n_classes) {
    state *s = r->d->state;
    FIG_CHECK(r->d->ctx, label < n_classes, FIG_ERR_ARG, "class %lld: the model has %lld, from 0", (long long)label,
              (long long)n_classes);
    ((int32_t *)fig_plan_data(s->plan, s->in.label))[row] = (int32_t)(label < 0 ? n_classes : label);
    return FIG_OK;
}

static fig_status put_text(const run *r, size_t row, const char *text, size_t *cut) {
    state *s = r->d->state;
    size_t room = fig_dim(s->in.text, 1);
    return fig__caption_row(r->d->model, text, (int32_t *)fig_plan_data(s->plan, s->in.text) + row * room, cut);
}

/* Rows 0 .. n-1 with their conditions, then as many without (or with what is not wanted). */
static fig_status put_conditions(const run *r, fig_draw_report *report) {
    state *s = r->d->state;
    const fig_draw_options *o = r->o;
    const fig__flow_config *c = r->d->model->config;
    for (size_t i = 0; i < r->n; i++) {
        size_t at = (size_t)o->first_sample + r->first + i, cut = 0;
        if (s->in.label) FIG_TRY(put_label(r, i, o->n_labels ? o->labels[at % o->n_labels] : -1, c->n_classes));
        if (s->in.text) FIG_TRY(put_text(r, i, o->n_prompts ? o->prompts[at % o->n_prompts] : NULL, &cut));
        report->n_cut += cut;
        if (!r->guided) continue;
        if (s->in.label) FIG_TRY(put_label(r, r->n + i, -1, c->n_classes));
        if (s->in.text) FIG_TRY(put_text(r, r->n + i, o->negative, NULL));
    }
    return FIG_OK;
}

static fig_status resize(const run *r) {
    state *s = r->d->state;
    size_t rows = r->guided ? 2 * r->n : r->n, side = r->d->side;
    FIG_TRY(fig_plan_resize(s->plan, s->in.x, (size_t[]){rows, side, side, r->d->channels}));
    FIG_TRY(fig_plan_resize(s->plan, s->in.time, (size_t[]){rows, 1}));
    if (s->in.label) FIG_TRY(fig_plan_resize(s->plan, s->in.label, (size_t[]){rows, 1}));
    return s->in.text ? fig_plan_resize(s->plan, s->in.text, (size_t[]){rows, fig_dim(s->in.text, 1)}) : FIG_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

/* The velocity at (z, t) into v. */
static fig_status velocity(const run *r, const float *z, double t, float *v, fig_draw_report *report) {
    state *s = r->d->state;
    size_t n = r->n * fig__drawer_numbers(r->d), rows = r->guided ? 2 * r->n : r->n;
    float *x = fig_plan_data(s->plan, s->in.x);
    int32_t *time = fig_plan_data(s->plan, s->in.time);
    for (size_t i = 0; i < rows; i++) time[i] = (int32_t)lround(1000 * t);
    memcpy(x, z, n * sizeof *x);
    if (r->guided) memcpy(x + n, z, n * sizeof *x);
    FIG_TRY(fig_plan_run(s->plan, NULL));
    const float *picture = fig_plan_data(s->plan, s->picture), *without = picture + n;
    double left = fmax(1 - t, FIG__FLOW_NEAREST), guide = r->o->guidance;
    for (size_t i = 0; i < n; i++) {
        double p = (double)picture[i];
        if (r->guided) p = (double)without[i] + guide * (p - (double)without[i]);
        v[i] = (float)((p - (double)z[i]) / left);
    }
    report->n_evaluations++;
    return FIG_OK;
}

static void advance(float *out, const float *z, const float *v, double dt, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (float)((double)z[i] + dt * (double)v[i]);
}

/* Where a mask keeps the source, z is what it would be at time t with the source as the picture. */
static void keep_source(const run *r, float *z, const float *noise, double t) {
    state *s = r->d->state;
    size_t n = fig__drawer_numbers(r->d);
    if (!r->o->mask) return;
    for (size_t i = 0; i < r->n * n; i++)
        if (s->keep[i % n] > 0) z[i] = (float)(t * (double)s->source[i % n] + (1 - t) * (double)noise[i]);
}

static fig_status step(const run *r, float *z, double from, double to, fig_draw_report *report) {
    state *s = r->d->state;
    size_t n = r->n * fig__drawer_numbers(r->d);
    FIG_TRY(velocity(r, z, from, s->v[0], report));
    if (r->o->sampler == FIG_HEUN && to < 1) {
        advance(s->next, z, s->v[0], to - from, n);
        FIG_TRY(velocity(r, s->next, to, s->v[1], report));
        for (size_t i = 0; i < n; i++) s->v[0][i] = (float)(0.5 * ((double)s->v[0][i] + (double)s->v[1][i]));
    }
    advance(z, z, s->v[0], to - from, n);
    return FIG_OK;
}

/* From a picture, the way begins in the middle. */
static double begin(const run *r, const float *noise, float *z) {
    state *s = r->d->state;
    size_t n = fig__drawer_numbers(r->d), pixels = r->d->side * r->d->side;
    memcpy(z, noise, r->n * n * sizeof *z);
    if (!r->o->source) return 0;
    fig__image_to_values(r->o->source, pixels, r->d->channels, r->d->way->low, s->source);
    for (size_t i = 0; i < n; i++) s->keep[i] = r->o->mask && !r->o->mask[i / r->d->channels];
    double t = r->o->mask ? 0 : 1 - r->o->strength;
    for (size_t i = 0; i < r->n * n; i++) z[i] = (float)(t * (double)s->source[i % n] + (1 - t) * (double)noise[i]);
    return t;
}

static fig_status draw(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, const float *latents,
                       float *pictures, fig_draw_report *report) {
    bool conditioned = o->n_labels || o->n_prompts;
    run r = {.d = d, .o = o, .first = first, .n = n, .guided = conditioned && o->guidance != 1};
    fig_draw_report count = {0};
    FIG_TRY(resize(&r));
    FIG_TRY(put_conditions(&r, report));
    double start = begin(&r, latents, pictures);
    for (int64_t i = 0; i < o->steps; i++) {
        double from = start + (1 - start) * (double)i / (double)o->steps,
               to = start + (1 - start) * (double)(i + 1) / (double)o->steps;
        FIG_TRY(step(&r, pictures, from, to, &count));
        keep_source(&r, pictures, latents, to);
        FIG_TRY(fig__draw_progress(d, o, first, n, i + 1, o->steps));
    }
    report->n_evaluations = count.n_evaluations;
    return FIG_OK;
}

const fig__way fig__way_flow = {.family = &fig_family_flow,
                                .heeds = " steps sampler guidance ",
                                .low = -1,
                                .n_latent = n_latent,
                                .open = way_open,
                                .draw = draw,
                                .close = way_close};
