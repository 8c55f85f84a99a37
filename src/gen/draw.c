/* gen/draw.c: pictures from latents, batch by batch; what is different for each family is its fig__way. */
#include "gen/draw.h"
#include <stdio.h>
#include "base/rng.h"
#include "media/image/values.h"

static const fig__way *const ways[] = {&fig__way_vae, &fig__way_flow, &fig__way_gan, &fig__way_tokenizer,
                                       &fig__way_tokens};

void fig_draw_defaults(fig_draw_options *o) {
    *o = (fig_draw_options){.num_samples = 1,
                            .seed = 1337,
                            .temp = 1,
                            .steps = 10,
                            .sampler = FIG_HEUN,
                            .guidance = 2,
                            .strength = 0.6,
                            .top_p = 1};
}

/* --- making -----------------------------------------------------------------------------------------------------*/

static fig_status drawer_open(fig_drawer *d) {
    d->n_latent = d->way->n_latent(d->model);
    d->latents = FIG_NEW_N(d->ctx, float, d->batch * d->n_latent);
    d->pictures = FIG_NEW_N(d->ctx, float, d->batch *fig__drawer_numbers(d));
    d->samples = FIG_NEW_N(d->ctx, uint8_t, fig__drawer_numbers(d));
    if (!d->latents || !d->pictures || !d->samples) return FIG_ERR_NOMEM;
    return d->way->open(d);
}

fig_status fig_drawer_new(fig_model *m, size_t batch, fig_drawer **out) {
    const fig__way *way = NULL;
    *out = NULL;
    for (size_t i = 0; i < FIG_COUNT(ways); i++)
        if (ways[i]->family == fig__model_family(m)) way = ways[i];
    FIG_CHECK(m->ctx, way, FIG_ERR_ARG, "%s draws no pictures", m->arch->name);
    fig_drawer *d = FIG_NEW(m->ctx, fig_drawer);
    if (!d) return FIG_ERR_NOMEM;
    *d = (fig_drawer){.ctx = m->ctx,
                      .model = m,
                      .way = way,
                      .batch = FIG_MAX(batch, 1),
                      .side = (size_t)fig_model_get_int(m, "image_size"),
                      .channels = (size_t)fig_model_get_int(m, "n_channels")};
    fig_status status = drawer_open(d);
    if (status)
        fig_drawer_free(d);
    else
        *out = d;
    return status;
}

void fig_drawer_free(fig_drawer *d) {
    if (!d) return;
    if (d->state) d->way->close(d);
    fig__free(d->ctx, d->latents);
    fig__free(d->ctx, d->pictures);
    fig__free(d->ctx, d->samples);
    fig__free(d->ctx, d);
}

bool fig_drawer_heeds(const fig_drawer *d, const char *option) {
    char name[32];
    snprintf(name, sizeof name, " %s ", option);
    return strstr(d->way->heeds, name) != NULL;
}

size_t fig_drawer_n_latent(const fig_drawer *d) { return d->n_latent; }

/* --- drawing ----------------------------------------------------------------------------------------------------*/

void fig_draw_noise(const fig_drawer *d, const fig_draw_options *o, int64_t sample, float *latent) {
    fig_rng_key key = {(uint64_t)o->seed, fig__rng_stream("draw"), 0};
    for (size_t i = 0; i < d->n_latent; i++)
        latent[i] = (float)(o->temp * fig__rng_normal(&key, (uint64_t)(o->first_sample + sample), i));
}

fig_status fig__draw_progress(const fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, int64_t look,
                              int64_t looks) {
    FIG_CHECK(d->ctx, !fig_cancelled(d->ctx), FIG_ERR_CANCELLED, "interrupted");
    if (o->on_progress) o->on_progress(o->user, (int64_t)first * looks + (int64_t)n * look, o->num_samples * looks);
    return FIG_OK;
}

static bool show(fig_drawer *d, size_t n, int64_t first, fig_draw_fn *on_picture, void *user) {
    size_t numbers = fig__drawer_numbers(d);
    for (size_t i = 0; i < n; i++) {
        fig__image_from_values(d->pictures + i * numbers, d->side * d->side, d->channels, d->way->low, d->samples);
        if (!on_picture(user, first + (int64_t)i, d->samples)) return false;
    }
    return true;
}

fig_status fig_draw_latents(fig_drawer *d, const fig_draw_options *o, const float *latents, fig_draw_fn *on_picture,
                            void *user, fig_draw_report *report) {
    fig_draw_report own = {0};
    double start = fig__now();
    for (int64_t at = 0; at < o->num_samples;) {
        size_t n = FIG_MIN(d->batch, (size_t)(o->num_samples - at));
        if (latents) memcpy(d->latents, latents + (size_t)at * d->n_latent, n * d->n_latent * sizeof(float));
        for (size_t i = 0; i < n && !latents; i++) fig_draw_noise(d, o, at + (int64_t)i, d->latents + i * d->n_latent);
        FIG_TRY(d->way->draw(d, o, (size_t)at, n, d->latents, d->pictures, &own));
        if (!show(d, n, at, on_picture, user)) break;
        at += (int64_t)n;
    }
    own.seconds = fig__now() - start;
    if (report) *report = own;
    return FIG_OK;
}

fig_status fig_draw(fig_drawer *d, const fig_draw_options *o, fig_draw_fn *on_picture, void *user,
                    fig_draw_report *report) {
    return fig_draw_latents(d, o, NULL, on_picture, user, report);
}

fig_status fig_draw_encode(fig_drawer *d, const uint8_t *pixels, size_t n, float *latents) {
    size_t numbers = fig__drawer_numbers(d);
    FIG_CHECK(d->ctx, d->way->encode, FIG_ERR_UNSUPPORTED,
              "%s cannot say a picture's latent; vae, conv_vae and fsq can", d->model->arch->name);
    for (size_t at = 0; at < n; at += d->batch) {
        size_t part = FIG_MIN(d->batch, n - at);
        fig__image_to_values(pixels + at * numbers, part * d->side * d->side, d->channels, d->way->low, d->pictures);
        FIG_TRY(d->way->encode(d, d->pictures, part, latents + at * d->n_latent));
    }
    return FIG_OK;
}
