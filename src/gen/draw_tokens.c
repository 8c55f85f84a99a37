/* gen/draw_tokens.c: pictures written code by code behind their condition, with a key-value cache, and decoded at the
 * end. Guidance (Ho and Salimans 2022) is a second row of each picture without the condition, or with what is not
 * wanted: logits go from that row's past the picture's own.
 *
 * A latent holds a number for every code: its quantile picks from what is likely there, most likely first. So the same
 * latent is the same picture whatever is drawn beside it, and latents between two others are drawn from as well. */
#include <fig/kv.h>
#include <fig/ops.h>
#include <math.h>
#include "core/core.h"
#include "gen/draw.h"
#include "gen/sampler.h"
#include "models/tokens.h"

typedef struct network {
    fig_graph *g;
    fig_plan *plan;
    fig_lm_inputs in;
    fig_tensor *logits;
} network;

typedef struct state {
    network prefill, decode;
    fig_graph *decoder;
    fig_plan *decoder_plan;
    fig_tensor *values, *pixels;
    fig_kv *kv;
    fig__tokens_shape shape;
    int32_t *sequences, *lengths, *codes, *caption; /* [rows] twice, [batch, n_codes], [text_length] */
    float *logits;                                  /* [n_kinds]: guided */
    fig__candidate *work;
} state;

static const fig_tokens_net *net_of(const fig_drawer *d) { return d->model->arch->net.tokens; }

static size_t n_latent(const fig_model *m) { return fig__tokens_shape_of(m->arch, m->config).n_codes; }

/* --- making -----------------------------------------------------------------------------------------------------*/

/* Logits of the last token of each row: two rows for each picture. */
static fig_status network_new(fig_drawer *d, fig_mode mode, size_t time, network *n) {
    fig_tensor *codes, *words;
    n->g = fig_model_graph(d->model, mode, 2 * d->batch, time, &n->in);
    if (!n->g) return FIG_ERR_NOMEM;
    fig_tensor *x = net_of(d)->hidden(n->g, d->model->config, &n->in, &codes, &words);
    n->logits = fig__model_logits(n->g, fig_slice(n->g, x, 1, -1, 1), codes);
    FIG_TRY(fig_graph_status(n->g));
    return fig_plan_new(n->g, &n->logits, 1, NULL, &n->plan);
}

static fig_status decoder_new(fig_drawer *d, state *s) {
    const fig_tokenizer_net *codec = net_of(d)->codec;
    const void *c = net_of(d)->codec_config(d->model->config);
    fig_graph *g = s->decoder = fig_model_graph_new(d->model, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    s->values = fig_input(g, "values", FIG_F32, 3, (size_t[]){d->batch, s->shape.n_codes, codec->n_values(c)});
    fig_enter(g, "codec");
    s->pixels = fig_cast(g, codec->decode(g, c, s->values), FIG_F32);
    fig_leave(g);
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, &s->pixels, 1, NULL, &s->decoder_plan);
}

static fig_status cache_new(fig_drawer *d, state *s) {
    size_t heads = (size_t)fig_model_get_int(d->model, "n_head");
    fig_kv_options o = {.n_layer = (int)fig_model_get_int(d->model, "n_layer"),
                        .n_kv_head = heads,
                        .head_dim = (size_t)fig_model_get_int(d->model, "n_embd") / heads,
                        .dtype = fig_model_dtype(d->model),
                        .max_sequences = 2 * d->batch,
                        .max_tokens = s->shape.n_before + s->shape.n_codes - 1};
    return fig_kv_new(d->ctx, &o, &s->kv);
}

static fig_status way_open(fig_drawer *d) {
    state *s = d->state = FIG_NEW(d->ctx, state);
    if (!s) return FIG_ERR_NOMEM;
    s->shape = fig__tokens_shape_of(d->model->arch, d->model->config);
    size_t rows = 2 * d->batch;
    s->sequences = FIG_NEW_N(d->ctx, int32_t, 2 * rows + d->batch * s->shape.n_codes + s->shape.n_before);
    s->logits = FIG_NEW_N(d->ctx, float, s->shape.n_kinds);
    s->work = FIG_NEW_N(d->ctx, fig__candidate, s->shape.n_kinds);
    if (!s->sequences || !s->logits || !s->work) return FIG_ERR_NOMEM;
    s->lengths = s->sequences + rows;
    s->codes = s->lengths + rows;
    s->caption = s->codes + d->batch * s->shape.n_codes;
    for (size_t i = 0; i < rows; i++) s->sequences[i] = (int32_t)i;
    FIG_TRY(network_new(d, FIG_PREFILL, s->shape.n_before, &s->prefill));
    FIG_TRY(network_new(d, FIG_DECODE, 1, &s->decode));
    FIG_TRY(decoder_new(d, s));
    return cache_new(d, s);
}

static void network_free(network *n) {
    fig_plan_free(n->plan);
    fig_graph_free(n->g);
}

static void way_close(fig_drawer *d) {
    state *s = d->state;
    network_free(&s->prefill);
    network_free(&s->decode);
    fig_plan_free(s->decoder_plan);
    fig_graph_free(s->decoder);
    fig_kv_free(s->kv);
    fig__free(d->ctx, s->sequences);
    fig__free(d->ctx, s->logits);
    fig__free(d->ctx, s->work);
    fig__free(d->ctx, s);
}

/* --- conditions ---------------------------------------------------------------------------------------------------*/

typedef struct run { /* one batch */
    fig_drawer *d;
    state *s;
    const fig_draw_options *o;
    size_t first, n, n_rows;
} run;

static fig_status put_condition(const run *r, size_t row, int64_t label, const char *prompt, size_t *cut) {
    const fig__tokens_config *c = r->d->model->config;
    FIG_CHECK(r->d->ctx, label < FIG_MAX(c->n_classes, 1), FIG_ERR_ARG, "class %lld: the model has %lld, from 0",
              (long long)label, (long long)c->n_classes);
    if (c->text_length) FIG_TRY(fig__caption_row(r->d->model, prompt, r->s->caption, cut));
    int32_t *tokens = (int32_t *)fig_plan_data(r->s->prefill.plan, r->s->prefill.in.tokens);
    fig__tokens_begin(r->d->model, label, r->s->caption, tokens + row * r->s->shape.n_before);
    return FIG_OK;
}

/* Rows 0 .. n-1 with their conditions, then as many without. */
static fig_status put_conditions(const run *r, fig_draw_report *report) {
    const fig_draw_options *o = r->o;
    for (size_t i = 0; i < r->n; i++) {
        size_t at = (size_t)o->first_sample + r->first + i, cut = 0;
        FIG_TRY(put_condition(r, i, o->n_labels ? o->labels[at % o->n_labels] : -1,
                              o->n_prompts ? o->prompts[at % o->n_prompts] : NULL, &cut));
        report->n_cut += cut;
        if (r->n_rows > r->n) FIG_TRY(put_condition(r, r->n + i, -1, o->negative, NULL));
    }
    return FIG_OK;
}

/* --- codes --------------------------------------------------------------------------------------------------------*/

static fig_status resize(const run *r, network *n) {
    size_t shape[2] = {r->n_rows, n->in.time};
    FIG_TRY(fig_plan_resize(n->plan, n->in.tokens, shape));
    return fig_plan_resize(n->plan, n->in.positions, shape);
}

/* The tokens of all rows, which stand from `position` on. */
static fig_status run_network(const run *r, network *n, size_t position) {
    int32_t *positions = fig_plan_data(n->plan, n->in.positions);
    for (size_t i = 0; i < r->n_rows * n->in.time; i++) positions[i] = (int32_t)(position + i % n->in.time);
    for (size_t i = 0; i < r->n_rows; i++) r->s->lengths[i] = (int32_t)n->in.time;
    FIG_TRY(fig_kv_begin(r->s->kv, r->n_rows, r->s->sequences, r->s->lengths));
    FIG_TRY(fig_plan_run(n->plan, &(fig_run_args){.kv = r->s->kv}));
    fig_kv_end(r->s->kv);
    return FIG_OK;
}

static const float *guided(const run *r, const float *with, const float *without) {
    if (!without) return with;
    for (size_t i = 0; i < r->s->shape.n_kinds; i++)
        r->s->logits[i] = (float)((double)without[i] + r->o->guidance * ((double)with[i] - (double)without[i]));
    return r->s->logits;
}

/* Code `place` of every picture, from what the network said last. */
static void choose(const run *r, const network *n, const float *latents, size_t place) {
    const state *s = r->s;
    size_t padded = fig_dim(n->logits, -1);
    const float *logits = fig_plan_data(n->plan, n->logits);
    fig_generate_options g;
    fig_generate_defaults(&g);
    g.temp = r->o->temp, g.top_k = r->o->top_k, g.top_p = r->o->top_p, g.min_p = 0, g.repeat_penalty = 1;
    for (size_t i = 0; i < r->n; i++) {
        const float *without = r->n_rows > r->n ? logits + (r->n + i) * padded : NULL;
        double latent = (double)latents[i * s->shape.n_codes + place];
        double quantile = g.temp > 0 ? 0.5 * erfc(-latent / g.temp / M_SQRT2) : 0; /* temp is in the latent too */
        s->codes[i * s->shape.n_codes + place] =
            fig__sample_at(&g, guided(r, logits + i * padded, without), s->shape.n_kinds, NULL, 0, quantile, s->work);
    }
}

static void put_codes(const run *r, size_t place) {
    int32_t *tokens = fig_plan_data(r->s->decode.plan, r->s->decode.in.tokens);
    for (size_t i = 0; i < r->n_rows; i++) tokens[i] = r->s->codes[i % r->n * r->s->shape.n_codes + place];
}

static fig_status write_codes(const run *r, const float *latents, fig_draw_report *report) {
    state *s = r->s;
    FIG_TRY(resize(r, &s->prefill));
    FIG_TRY(resize(r, &s->decode));
    for (size_t i = 0; i < r->n_rows; i++) fig_kv_clear(s->kv, i);
    FIG_TRY(put_conditions(r, report));
    FIG_TRY(run_network(r, &s->prefill, 0));
    choose(r, &s->prefill, latents, 0);
    for (size_t place = 1; place < s->shape.n_codes; place++) {
        if (fig_cancelled(r->d->ctx)) return FIG_FAIL(r->d->ctx, FIG_ERR_CANCELLED, "interrupted");
        put_codes(r, place - 1);
        FIG_TRY(run_network(r, &s->decode, s->shape.n_before + place - 1));
        choose(r, &s->decode, latents, place);
    }
    report->n_evaluations = (int64_t)s->shape.n_codes;
    return FIG_OK;
}

static fig_status draw(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, const float *latents,
                       float *pictures, fig_draw_report *report) {
    state *s = d->state;
    bool is_guided = (o->n_labels || o->n_prompts) && o->guidance != 1;
    run r = {.d = d, .s = s, .o = o, .first = first, .n = n, .n_rows = is_guided ? 2 * n : n};
    const fig_tokenizer_net *codec = net_of(d)->codec;
    const void *c = net_of(d)->codec_config(d->model->config);
    size_t n_values = codec->n_values(c);
    FIG_TRY(write_codes(&r, latents, report));
    FIG_TRY(fig_plan_resize(s->decoder_plan, s->values, (size_t[]){n, s->shape.n_codes, n_values}));
    float *values = fig_plan_data(s->decoder_plan, s->values);
    for (size_t i = 0; i < n * s->shape.n_codes; i++) codec->values(c, s->codes[i], values + i * n_values);
    FIG_TRY(fig_plan_run(s->decoder_plan, NULL));
    memcpy(pictures, fig_plan_data(s->decoder_plan, s->pixels), n * fig__drawer_numbers(d) * sizeof *pictures);
    return FIG_OK;
}

const fig__way fig__way_tokens = {.family = &fig_family_tokens,
                                  .heeds = " guidance top_k top_p ",
                                  .low = -1,
                                  .n_latent = n_latent,
                                  .open = way_open,
                                  .draw = draw,
                                  .close = way_close};
