/* gen/fill.c: blanks filled one after the other, the surest first. */
#include "gen/fill.h"
#include <fig/ops.h>
#include <math.h>
#include "core/core.h"
#include "models/model.h"

typedef struct filler {
    fig_context *ctx;
    fig_model *model;
    fig_filled *out;
    size_t vocab, n_best; /* tokens to choose from; choices of each blank, at least one */
    int32_t mask;
    int32_t *ids;
    size_t n;             /* tokens of the text */
    size_t *open, n_open; /* numbers of the blanks that are left */
    fig_choice *best;     /* [blanks, n_best] */
    fig_graph *g;
    fig_plan *plan;
    fig_lm_inputs in;
    fig_tensor *places, *logits;
} filler;

/* --- text ---------------------------------------------------------------------------------------------------------*/

static fig_status encode(fig_model *m, const char *text, size_t len, fig_ids *ids) {
    fig_tokenizer *tok = fig_model_tokenizer(m);
    fig_tokenizer_kind kind = fig_tokenizer_get_kind(tok);
    bool with_space = kind == FIG_TOKENIZER_BPE || kind == FIG_TOKENIZER_SPM;
    for (const char *end = text + len;;) {
        const char *blank = memmem(text, (size_t)(end - text), FIG_MASK, strlen(FIG_MASK));
        size_t before = (size_t)((blank ? blank : end) - text);
        if (blank && with_space && before && text[before - 1] == ' ') before--;
        if (before) FIG_TRY(fig_tokenizer_encode(tok, text, before, FIG_ENCODE_SPECIALS, ids));
        if (!blank) return FIG_OK;
        FIG_TRY(FIG_PUSH(fig_model_context(m), ids, fig__mask_token(m)));
        text = blank + strlen(FIG_MASK);
    }
}

/* As whole characters: a blank may have been filled with a piece of one. */
static fig_status decode(filler *f) {
    char *bytes;
    size_t len;
    fig_utf8_stream stream = {0};
    FIG_TRY(fig_tokenizer_decode(fig_model_tokenizer(f->model), f->ids, f->n, FIG_DECODE_SPECIALS, &bytes, &len));
    char *text = f->out->text = FIG_NEW_N(f->ctx, char, 3 * (len + 3) + 10);
    if (text) f->out->len = fig_utf8_stream_add(&stream, bytes, len, text);
    if (text) f->out->len += fig_utf8_stream_flush(&stream, text + f->out->len);
    fig_tokenizer_text_free(f->ctx, bytes);
    return text ? FIG_OK : FIG_ERR_NOMEM;
}

static fig_status find_blanks(filler *f) {
    fig_filled *out = f->out;
    size_t longest = (size_t)fig_model_get_int(f->model, "block_size");
    out->n_tokens = f->n;
    for (size_t i = 0; i < f->n; i++) out->n_blanks += f->ids[i] == f->mask;
    FIG_CHECK(f->ctx, out->n_blanks, FIG_ERR_ARG, "no blank in the text; write %s where one is to be filled", FIG_MASK);
    FIG_CHECK(f->ctx, f->n <= longest, FIG_ERR_ARG, "the text has %zu tokens; this model reads %zu at most", f->n,
              longest);
    out->places = FIG_NEW_N(f->ctx, size_t, out->n_blanks);
    f->open = FIG_NEW_N(f->ctx, size_t, out->n_blanks);
    f->best = FIG_NEW_N(f->ctx, fig_choice, out->n_blanks * f->n_best);
    if (!out->places || !f->open || !f->best) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < f->n; i++) {
        if (f->ids[i] != f->mask) continue;
        out->places[f->n_open] = i;
        f->open[f->n_open] = f->n_open;
        f->n_open++;
    }
    return FIG_OK;
}

/* --- the network --------------------------------------------------------------------------------------------------*/

static fig_status record(filler *f) {
    fig_tensor *head, *bias;
    f->g = fig_model_graph(f->model, FIG_EVAL, 1, f->n, &f->in);
    if (!f->g) return FIG_ERR_NOMEM;
    f->places = fig_input(f->g, "places", FIG_I32, 1, &f->n_open);
    fig_tensor *x = fig_model_arch(f->model)->net.masked->predict(f->g, fig_model_config(f->model), &f->in, f->places,
                                                                  &head, &bias);
    f->logits = fig_add(f->g, fig__model_logits(f->g, x, head), bias);
    FIG_TRY(fig_graph_status(f->g));
    FIG_TRY(fig_plan_new(f->g, &f->logits, 1, NULL, &f->plan));
    int32_t *positions = fig_plan_data(f->plan, f->in.positions);
    for (size_t i = 0; i < f->n; i++) positions[i] = (int32_t)i;
    return FIG_OK;
}

/* --- choosing -----------------------------------------------------------------------------------------------------*/

/* The n_best likeliest of one blank, in order; of equals the smaller id comes first. */
static void choose(const filler *f, const float *logits, fig_choice *best) {
    size_t n = 0;
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < f->vocab; i++)
        if ((int32_t)i != f->mask) top = fmax(top, (double)logits[i]);
    for (size_t i = 0; i < f->vocab; i++) {
        if ((int32_t)i == f->mask) continue;
        double p = exp((double)logits[i] - top);
        sum += p;
        if (n == f->n_best && p <= best[n - 1].p) continue;
        size_t at = n < f->n_best ? n++ : n - 1;
        for (; at > 0 && best[at - 1].p < p; at--) best[at] = best[at - 1];
        best[at] = (fig_choice){(int32_t)i, p};
    }
    for (size_t i = 0; i < n; i++) best[i].p /= sum;
}

static fig_status fill_surest(filler *f) {
    size_t padded = fig_dim(f->logits, -1), surest = 0;
    FIG_TRY(fig_plan_resize(f->plan, f->places, &f->n_open));
    int32_t *places = fig_plan_data(f->plan, f->places);
    memcpy(fig_plan_data(f->plan, f->in.tokens), f->ids, f->n * sizeof(int32_t));
    for (size_t i = 0; i < f->n_open; i++) places[i] = (int32_t)f->out->places[f->open[i]];
    FIG_TRY(fig_plan_run(f->plan, NULL));
    const float *logits = fig_plan_data(f->plan, f->logits);
    for (size_t i = 0; i < f->n_open; i++) {
        choose(f, logits + i * padded, f->best + f->open[i] * f->n_best);
        if (f->best[f->open[i] * f->n_best].p > f->best[f->open[surest] * f->n_best].p) surest = i;
    }
    size_t blank = f->open[surest];
    f->ids[f->out->places[blank]] = f->best[blank * f->n_best].token;
    memmove(f->open + surest, f->open + surest + 1, (--f->n_open - surest) * sizeof *f->open);
    return FIG_OK;
}

static fig_status fill(filler *f) {
    FIG_TRY(find_blanks(f));
    FIG_TRY(record(f));
    while (f->n_open) {
        if (fig_cancelled(f->ctx)) return FIG_FAIL(f->ctx, FIG_ERR_CANCELLED, "interrupted");
        FIG_TRY(fill_surest(f));
    }
    return decode(f);
}

fig_status fig__fill_tokens(fig_model *model, const int32_t *tokens, size_t n, size_t n_best, fig_filled *out) {
    fig_context *ctx = fig_model_context(model);
    size_t vocab = FIG_MIN((size_t)fig_tokenizer_vocab_size(fig_model_tokenizer(model)),
                           (size_t)fig_model_get_int(model, "vocab_size"));
    filler f = {.ctx = ctx, .model = model, .out = out, .n = n, .vocab = vocab, .mask = fig__mask_token(model)};
    *out = (fig_filled){0};
    f.n_best = FIG_MIN(FIG_MAX(n_best, 1), vocab - ((size_t)f.mask < vocab));
    f.ids = FIG_NEW_N(ctx, int32_t, n + 1);
    if (f.ids && n) memcpy(f.ids, tokens, n * sizeof *tokens);
    fig_status status = f.ids ? fill(&f) : FIG_ERR_NOMEM;
    out->choices = n_best ? f.best : NULL;
    out->n_best = n_best ? f.n_best : 0;
    if (!n_best) fig__free(ctx, f.best);
    if (status) fig_filled_free(ctx, out);
    fig_plan_free(f.plan);
    fig_graph_free(f.g);
    fig__free(ctx, f.ids);
    fig__free(ctx, f.open);
    return status;
}

fig_status fig_fill(fig_model *model, const char *text, size_t len, size_t n_best, fig_filled *out) {
    fig_context *ctx = fig_model_context(model);
    fig_ids ids = {0};
    *out = (fig_filled){0};
    FIG_CHECK(ctx, fig__model_family(model) == &fig_family_masked, FIG_ERR_ARG, "%s fills no blanks",
              fig_model_arch(model)->name);
    FIG_CHECK(ctx, fig_model_tokenizer(model), FIG_ERR_ARG,
              "the model has no tokenizer; put a tokenizer.json beside it");
    fig_status status = encode(model, text, len, &ids);
    if (!status) status = fig__fill_tokens(model, ids.data, ids.n, n_best, out);
    fig_ids_free(ctx, &ids);
    return status;
}

void fig_filled_free(fig_context *ctx, fig_filled *filled) {
    fig__free(ctx, filled->text);
    fig__free(ctx, filled->places);
    fig__free(ctx, filled->choices);
    *filled = (fig_filled){0};
}
