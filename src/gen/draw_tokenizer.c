/* gen/draw_tokenizer.c: pictures of quantised numbers. Latents that are not quantised, as noise is, stand for the
 * nearest that are. */
#include <fig/ops.h>
#include "core/core.h"
#include "gen/draw.h"

typedef struct state {
    fig_graph *encoder, *decoder;
    fig_plan *encode, *decode;
    fig_tensor *x, *values, *z, *pixels;
} state;

static const fig_tokenizer_net *net_of(const fig_model *m) { return m->arch->net.tokenizer; }

static size_t n_latent(const fig_model *m) { return net_of(m)->n_places(m->config) * net_of(m)->n_values(m->config); }

static fig_status way_open(fig_drawer *d) {
    fig_model *m = d->model;
    state *s = d->state = FIG_NEW(d->ctx, state);
    if (!s) return FIG_ERR_NOMEM;
    fig_graph *in = s->encoder = fig_model_graph_new(m, FIG_EVAL), *out = s->decoder = fig_model_graph_new(m, FIG_EVAL);
    if (!in || !out) return FIG_ERR_NOMEM;
    s->x = fig_input(in, "x", FIG_F32, 4, (size_t[]){d->batch, d->side, d->side, d->channels});
    s->values = fig_contiguous(in, net_of(m)->encode(in, m->config, s->x));
    FIG_TRY(fig_graph_status(in));
    FIG_TRY(fig_plan_new(in, &s->values, 1, NULL, &s->encode));
    size_t n_values = net_of(m)->n_values(m->config);
    s->z = fig_input(out, "z", FIG_F32, 3, (size_t[]){d->batch, d->n_latent / n_values, n_values});
    s->pixels = fig_cast(out, net_of(m)->decode(out, m->config, s->z), FIG_F32);
    FIG_TRY(fig_graph_status(out));
    return fig_plan_new(out, &s->pixels, 1, NULL, &s->decode);
}

static void way_close(fig_drawer *d) {
    state *s = d->state;
    fig_plan_free(s->encode);
    fig_plan_free(s->decode);
    fig_graph_free(s->encoder);
    fig_graph_free(s->decoder);
    fig__free(d->ctx, s);
}

static fig_status draw(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, const float *latents,
                       float *pictures, fig_draw_report *report) {
    state *s = d->state;
    const fig_tokenizer_net *net = net_of(d->model);
    const void *c = d->model->config;
    size_t n_values = fig_dim(s->z, 2), n_places = fig_dim(s->z, 1);
    (void)o, (void)first;
    FIG_TRY(fig_plan_resize(s->decode, s->z, (size_t[]){n, n_places, n_values}));
    float *z = fig_plan_data(s->decode, s->z);
    for (size_t i = 0; i < n * d->n_latent; i += n_values) net->values(c, net->code(c, latents + i), z + i);
    FIG_TRY(fig_plan_run(s->decode, NULL));
    memcpy(pictures, fig_plan_data(s->decode, s->pixels), n * fig__drawer_numbers(d) * sizeof *pictures);
    report->n_evaluations = 1;
    return FIG_OK;
}

static fig_status encode(fig_drawer *d, const float *pictures, size_t n, float *latents) {
    state *s = d->state;
    FIG_TRY(fig_plan_resize(s->encode, s->x, (size_t[]){n, d->side, d->side, d->channels}));
    memcpy(fig_plan_data(s->encode, s->x), pictures, n * fig__drawer_numbers(d) * sizeof *pictures);
    FIG_TRY(fig_plan_run(s->encode, NULL));
    memcpy(latents, fig_plan_data(s->encode, s->values), n * d->n_latent * sizeof *latents);
    return FIG_OK;
}

const fig__way fig__way_tokenizer = {.family = &fig_family_tokenizer,
                                     .heeds = " ",
                                     .low = -1,
                                     .n_latent = n_latent,
                                     .open = way_open,
                                     .draw = draw,
                                     .encode = encode,
                                     .close = way_close};
