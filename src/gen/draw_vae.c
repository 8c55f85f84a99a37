/* gen/draw_vae.c: a latent decoded: probabilities of binary pixels, means of others. */
#include "ops/ops.h"
#include "core/core.h"
#include "gen/draw.h"
#include "models/vae.h"

typedef struct state {
    fig_graph *decoder, *encoder;
    fig_plan *decode, *encode;
    fig_tensor *z, *pixels, *x, *mean;
} state;

static const fig__vae_config *config_of(const fig_drawer *d) { return d->model->config; }

static fig_status open_decoder(fig_drawer *d, state *s) {
    fig_graph *g = s->decoder = fig_model_graph_new(d->model, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    s->z = fig_input(g, "z", FIG_F32, 2, (size_t[]){d->batch, d->n_latent});
    s->pixels = fig_cast(g, d->model->arch->net.vae->decode(g, d->model->config, s->z), fig__real_dtype(g));
    if (config_of(d)->likelihood != FIG__LOGISTIC) s->pixels = fig_sigmoid(g, s->pixels);
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, &s->pixels, 1, NULL, &s->decode);
}

static fig_status open_encoder(fig_drawer *d, state *s) {
    fig_tensor *log_var;
    fig_graph *g = s->encoder = fig_model_graph_new(d->model, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    s->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){d->batch, d->side, d->side, d->channels});
    d->model->arch->net.vae->encode(g, d->model->config, s->x, &s->mean, &log_var);
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, &s->mean, 1, NULL, &s->encode);
}

static fig_status way_open(fig_drawer *d) {
    state *s = d->state = FIG_NEW(d->ctx, state);
    if (!s) return FIG_ERR_NOMEM;
    FIG_TRY(open_decoder(d, s));
    return open_encoder(d, s);
}

static void way_close(fig_drawer *d) {
    state *s = d->state;
    fig_plan_free(s->decode);
    fig_plan_free(s->encode);
    fig_graph_free(s->decoder);
    fig_graph_free(s->encoder);
    fig__free(d->ctx, s);
}

static fig_status draw(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, const float *latents,
                       float *pictures, fig_draw_report *report) {
    state *s = d->state;
    FIG_TRY(fig_plan_resize(s->decode, s->z, (size_t[]){n, d->n_latent}));
    memcpy(fig_plan_data(s->decode, s->z), latents, n * d->n_latent * sizeof *latents);
    FIG_TRY(fig_plan_run(s->decode, NULL));
    memcpy(pictures, fig_plan_data(s->decode, s->pixels), n * fig__drawer_numbers(d) * sizeof *pictures);
    report->n_evaluations = 1;
    return fig__draw_progress(d, o, first, n, 1, 1);
}

static fig_status encode(fig_drawer *d, const float *pictures, size_t n, float *latents) {
    state *s = d->state;
    FIG_TRY(fig_plan_resize(s->encode, s->x, (size_t[]){n, d->side, d->side, d->channels}));
    memcpy(fig_plan_data(s->encode, s->x), pictures, n * fig__drawer_numbers(d) * sizeof *pictures);
    FIG_TRY(fig_plan_run(s->encode, NULL));
    memcpy(latents, fig_plan_data(s->encode, s->mean), n * d->n_latent * sizeof *latents);
    return FIG_OK;
}

const fig__way fig__way_vae = {.family = &fig_family_vae,
                               .heeds = " ",
                               .low = 0,
                               .n_latent = fig__vae_n_latent,
                               .open = way_open,
                               .draw = draw,
                               .encode = encode,
                               .close = way_close};
