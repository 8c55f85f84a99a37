/* gen/generate.c: prefill, decode, streaming.
 *
 * The prompt is run once, alone, in chunks; samples are forks of its cache. Decoding runs all live samples side by
 * side, one row each. Every row's arithmetic is the same whatever stands beside it, and its randomness is keyed by the
 * sample's number and the position, so the text of a sample never depends on the others. */
#include <fig/generate.h>
#include <fig/kv.h>
#include <fig/ops.h>
#include "base/buf.h"
#include "core/core.h"
#include "gen/generate.h"
#include "gen/sampler.h"
#include "models/model.h"

#define CHUNK 512           /* tokens of a prompt that are run at once: each run packs all weights */
#define MAX_HELD (1u << 20) /* bytes that a stop text may hold back */

typedef struct network { /* one recorded mode */
    fig_graph *g;
    fig_plan *plan;
    fig_lm_inputs in;
    fig_tensor *logits;
} network;

typedef struct sample {
    int64_t number; /* -1: the place is free */
    fig_ids ids;    /* prompt and what was written */
    size_t n_new;
    int32_t next; /* drawn, not yet run */
    fig_utf8_stream utf8;
    fig__buf held; /* characters that may still turn out to be a stop text */
} sample;

struct fig_generator {
    fig_context *ctx;
    fig_model *model;
    size_t n_places, n_ctx, vocab, padded;
    network prefill, decode;
    fig_kv *kv; /* sequence n_places is the prompt's own */
    sample *places;
    fig__candidate *work;
    float *first; /* logits behind the prompt */
    int32_t *rows, *ones;
};

/* --- making -----------------------------------------------------------------------------------------------------*/

static void network_free(network *n) {
    fig_plan_free(n->plan);
    fig_graph_free(n->g);
}

/* Logits of the last token of each row. */
static fig_status network_new(fig_model *m, fig_mode mode, size_t batch, size_t time, network *n) {
    fig_tensor *head;
    n->g = fig_model_graph(m, mode, batch, time, &n->in);
    if (!n->g) return FIG_ERR_NOMEM;
    fig_tensor *x = fig_model_hidden(m, n->g, &n->in, &head);
    n->logits = fig__model_logits(n->g, fig_slice(n->g, x, 1, -1, 1), head);
    FIG_TRY(fig_graph_status(n->g));
    return fig_plan_new(n->g, &n->logits, 1, NULL, &n->plan);
}

static fig_status networks_new(fig_model *m, size_t n_places, size_t n_ctx, network *prefill, network *decode) {
    FIG_TRY(network_new(m, FIG_PREFILL, 1, FIG_MIN(CHUNK, n_ctx), prefill));
    return network_new(m, FIG_DECODE, n_places, 1, decode);
}

static fig_kv_options cache_options(const fig_model *m, size_t n_places, size_t n_ctx) {
    int64_t heads = fig_model_get_int(m, "n_head"), kv = fig_model_get_int(m, "n_kv_head"),
            dim = fig_model_get_int(m, "head_dim");
    return (fig_kv_options){.n_layer = (int)fig_model_get_int(m, "n_layer"),
                            .n_kv_head = (size_t)(kv ? kv : heads),
                            .head_dim = (size_t)(dim ? dim : fig_model_get_int(m, "n_embd") / heads),
                            .dtype = fig_model_dtype(m),
                            .max_sequences = n_places + 1,
                            .max_tokens = n_ctx};
}

fig_status fig__generator_bytes(fig_model *m, size_t n_places, size_t n_ctx, size_t *bytes, size_t *scratch) {
    network prefill = {0}, decode = {0};
    fig_kv_options cache = cache_options(m, n_places, n_ctx);
    *bytes = *scratch = 0;
    fig_status status = networks_new(m, n_places, n_ctx, &prefill, &decode);
    if (!status) {
        fig_plan_memory a = fig_plan_memory_of(prefill.plan), b = fig_plan_memory_of(decode.plan);
        *bytes = a.arena_bytes + b.arena_bytes + fig_kv_bytes(&cache);
        *scratch = FIG_MAX(a.scratch_bytes, b.scratch_bytes);
    }
    network_free(&prefill);
    network_free(&decode);
    return status;
}

static fig_status generator_init(fig_generator *gen) {
    fig_context *ctx = gen->ctx;
    gen->vocab = (size_t)fig_model_get_int(gen->model, "vocab_size");
    gen->places = FIG_NEW_N(ctx, sample, gen->n_places);
    gen->rows = FIG_NEW_N(ctx, int32_t, 2 * gen->n_places);
    gen->work = FIG_NEW_N(ctx, fig__candidate, gen->vocab);
    if (!gen->places || !gen->rows || !gen->work) return FIG_ERR_NOMEM;
    gen->ones = gen->rows + gen->n_places;
    for (size_t i = 0; i < gen->n_places; i++) {
        gen->places[i].number = -1;
        gen->ones[i] = 1;
        fig__buf_init(&gen->places[i].held, ctx, MAX_HELD);
    }
    FIG_TRY(networks_new(gen->model, gen->n_places, gen->n_ctx, &gen->prefill, &gen->decode));
    FIG_TRY(fig_plan_alloc(gen->prefill.plan));
    FIG_TRY(fig_plan_alloc(gen->decode.plan));
    gen->padded = fig_dim(gen->decode.logits, -1);
    gen->first = FIG_NEW_N(ctx, float, gen->padded);
    fig_kv_options cache = cache_options(gen->model, gen->n_places, gen->n_ctx);
    return gen->first ? fig_kv_new(ctx, &cache, &gen->kv) : FIG_ERR_NOMEM;
}

fig_status fig_generator_new(fig_model *model, size_t n_sequences, size_t n_ctx, fig_generator **out) {
    fig_context *ctx = fig_model_context(model);
    size_t limit = (size_t)fig_model_get_int(model, "block_size");
    *out = NULL;
    FIG_CHECK(ctx, n_sequences >= 1 && n_sequences <= 4096, FIG_ERR_ARG,
              "%zu samples side by side; 1 to 4096 are possible", n_sequences);
    FIG_CHECK(ctx, n_ctx <= limit, FIG_ERR_ARG, "a context of %zu tokens; this model was made for %zu", n_ctx, limit);
    FIG_CHECK(ctx, fig_model_tokenizer(model), FIG_ERR_ARG,
              "the model has no tokenizer; put a tokenizer.json beside it");
    FIG_CHECK(ctx, fig_tokenizer_vocab_size(fig_model_tokenizer(model)) <= fig_model_get_int(model, "vocab_size"),
              FIG_ERR_FORMAT, "the tokenizer has %d tokens, the model %lld",
              (int)fig_tokenizer_vocab_size(fig_model_tokenizer(model)),
              (long long)fig_model_get_int(model, "vocab_size"));
    fig_generator *gen = FIG_NEW(ctx, fig_generator);
    if (!gen) return FIG_ERR_NOMEM;
    *gen = (fig_generator){.ctx = ctx, .model = model, .n_places = n_sequences, .n_ctx = n_ctx ? n_ctx : limit};
    fig_status status = generator_init(gen);
    if (status) {
        fig_generator_free(gen);
        return status;
    }
    *out = gen;
    return FIG_OK;
}

void fig_generator_free(fig_generator *gen) {
    if (!gen) return;
    network_free(&gen->prefill);
    network_free(&gen->decode);
    fig_kv_free(gen->kv);
    for (size_t i = 0; gen->places && i < gen->n_places; i++) {
        fig_ids_free(gen->ctx, &gen->places[i].ids);
        fig__buf_deinit(&gen->places[i].held);
    }
    fig__free(gen->ctx, gen->places);
    fig__free(gen->ctx, gen->work);
    fig__free(gen->ctx, gen->first);
    fig__free(gen->ctx, gen->rows);
    fig__free(gen->ctx, gen);
}

void fig_generate_defaults(fig_generate_options *o) {
    *o = (fig_generate_options){.max_tokens = 256,
                                .num_samples = 1,
                                .temp = 0.8,
                                .top_k = 40,
                                .top_p = 0.95,
                                .min_p = 0.05,
                                .repeat_penalty = 1,
                                .repeat_last_n = 64,
                                .seed = 1337};
}

/* --- running ----------------------------------------------------------------------------------------------------*/

static fig_status run(fig_generator *gen, network *n, size_t n_rows, const int32_t *sequences, const int32_t *n_new) {
    FIG_TRY(fig_kv_begin(gen->kv, n_rows, sequences, n_new));
    FIG_TRY(fig_plan_run(n->plan, &(fig_run_args){.kv = gen->kv}));
    fig_kv_end(gen->kv);
    return FIG_OK;
}

static fig_status run_prompt(fig_generator *gen, const fig_ids *prompt) {
    int32_t sequence = (int32_t)gen->n_places;
    network *n = &gen->prefill;
    for (size_t i = 0; i <= gen->n_places; i++) fig_kv_clear(gen->kv, i); /* the new ones take memory that is at hand */
    for (size_t at = 0; at < prompt->n;) {
        if (fig_cancelled(gen->ctx)) return FIG_FAIL(gen->ctx, FIG_ERR_CANCELLED, "interrupted");
        int32_t len = (int32_t)FIG_MIN(n->in.time, prompt->n - at);
        size_t shape[2] = {1, (size_t)len};
        FIG_TRY(fig_plan_resize(n->plan, n->in.tokens, shape));
        FIG_TRY(fig_plan_resize(n->plan, n->in.positions, shape));
        int32_t *tokens = fig_plan_data(n->plan, n->in.tokens), *positions = fig_plan_data(n->plan, n->in.positions);
        for (int32_t i = 0; i < len; i++) {
            tokens[i] = prompt->data[at + (size_t)i];
            positions[i] = (int32_t)at + i;
        }
        FIG_TRY(run(gen, n, 1, &sequence, &len));
        at += (size_t)len;
    }
    memcpy(gen->first, fig_plan_data(n->plan, n->logits), gen->padded * sizeof(float));
    return FIG_OK;
}

/* One step of every live place; logits row i belongs to gen->rows[i]. */
static fig_status run_decode(fig_generator *gen, size_t n_live) {
    network *n = &gen->decode;
    size_t shape[2] = {n_live, 1};
    FIG_TRY(fig_plan_resize(n->plan, n->in.tokens, shape));
    FIG_TRY(fig_plan_resize(n->plan, n->in.positions, shape));
    int32_t *tokens = fig_plan_data(n->plan, n->in.tokens), *positions = fig_plan_data(n->plan, n->in.positions);
    for (size_t i = 0; i < n_live; i++) {
        tokens[i] = gen->places[gen->rows[i]].next;
        positions[i] = (int32_t)fig_kv_length(gen->kv, (size_t)gen->rows[i]);
    }
    return run(gen, n, n_live, gen->rows, gen->ones);
}

/* --- prompts ----------------------------------------------------------------------------------------------------*/

/* A text needs something to begin with: the begin or end of text token, else a newline, else token 0. */
static int32_t opening_token(const fig_tokenizer *tok) {
    int32_t choices[] = {fig_tokenizer_bos(tok), fig_tokenizer_eos(tok), fig_tokenizer_id(tok, "\n", 1), 0};
    size_t i = 0;
    while (choices[i] < 0) i++;
    return choices[i];
}

/* Leaves room for at least one new token; what does not fit goes from the front, a begin token stays. */
static void cut_prompt(fig_generator *gen, fig_ids *ids, bool keep_first, fig_generate_report *r) {
    size_t room = gen->n_ctx > 1 ? gen->n_ctx - 1 : 1, keep = keep_first && room > 1 ? 1 : 0;
    r->n_prompt = ids->n;
    if (ids->n <= room) return;
    r->n_prompt_cut = ids->n - room;
    memmove(ids->data + keep, ids->data + keep + r->n_prompt_cut, (room - keep) * sizeof *ids->data);
    ids->n = room;
}

static fig_status encode_prompt(fig_generator *gen, const char *prompt, size_t len, fig_ids *ids,
                                fig_generate_report *r) {
    fig_tokenizer *tok = fig_model_tokenizer(gen->model);
    bool bos = fig_tokenizer_wants_bos(tok);
    FIG_TRY(fig_tokenizer_encode(tok, prompt, len, FIG_ENCODE_SPECIALS | (bos ? FIG_ENCODE_BOS : 0), ids));
    if (!ids->n) FIG_TRY(FIG_PUSH(gen->ctx, ids, opening_token(tok)));
    cut_prompt(gen, ids, bos, r);
    return FIG_OK;
}

/* --- text out ---------------------------------------------------------------------------------------------------*/

typedef struct session {
    fig_generator *gen;
    const fig_generate_options *o;
    fig_generate_fn *on_text;
    void *user;
    fig_generate_report *report;
} session;

/* Where a stop text begins in held, or SIZE_MAX; *tail: how many bytes at the end might still become one. */
static size_t find_stop(const fig__buf *held, const fig_generate_options *o, size_t *tail) {
    size_t first = SIZE_MAX;
    *tail = 0;
    for (size_t s = 0; s < o->n_stop; s++) {
        size_t n = strlen(o->stop[s]);
        if (!n) continue;
        for (size_t i = 0; i < held->len; i++) {
            size_t part = FIG_MIN(n, held->len - i);
            if (memcmp(held->data + i, o->stop[s], part)) continue;
            if (part == n)
                first = FIG_MIN(first, i);
            else
                *tail = FIG_MAX(*tail, part);
            break;
        }
    }
    return first;
}

static bool give(session *s, sample *p, size_t n, const char *why) {
    bool more = s->on_text(s->user, p->number, fig__buf_str(&p->held), n, why != NULL, why ? why : "");
    memmove(p->held.data ? p->held.data : (char *)"", fig__buf_str(&p->held) + n, p->held.len - n);
    p->held.len -= n;
    return more;
}

static void finish(session *s, sample *p, const char *why) {
    char rest[16];
    size_t n = fig_utf8_stream_flush(&p->utf8, rest), tail;
    fig__buf_add(&p->held, rest, n);
    size_t stop = find_stop(&p->held, s->o, &tail);
    give(s, p, FIG_MIN(stop, p->held.len), why);
    p->number = -1;
}

/* Takes the drawn token in. false: the sample has ended. */
static fig_status take_token(session *s, sample *p, int32_t id, bool *alive) {
    fig_tokenizer *tok = fig_model_tokenizer(s->gen->model);
    size_t len, tail;
    *alive = false;
    bool end = id == fig_tokenizer_eos(tok) ||
               (id == fig_tokenizer_bos(tok) && fig_tokenizer_wants_bos(tok)); /* a new text begins */
    if (end && !s->o->ignore_eos) return finish(s, p, "eos"), FIG_OK;
    const char *piece = fig_tokenizer_piece(tok, p->ids.n ? p->ids.data[p->ids.n - 1] : -1, id, &len);
    FIG_TRY(FIG_PUSH(s->gen->ctx, &p->ids, id));
    p->n_new++;
    s->report->n_generated++;
    FIG_TRY(fig__buf_reserve(&p->held, 3 * (len + 3)));
    p->held.len += fig_utf8_stream_add(&p->utf8, piece ? piece : "", piece ? len : 0, p->held.data + p->held.len);
    size_t stop = find_stop(&p->held, s->o, &tail);
    if (stop != SIZE_MAX) return finish(s, p, "stop"), FIG_OK;
    if (p->held.len > tail && !give(s, p, p->held.len - tail, NULL)) return finish(s, p, "cancelled"), FIG_OK;
    bool full = p->ids.n >= s->gen->n_ctx || (s->o->max_tokens > 0 && p->n_new >= (size_t)s->o->max_tokens);
    if (full) return finish(s, p, "length"), FIG_OK;
    p->next = id;
    *alive = true;
    return FIG_OK;
}

static int32_t choose(session *s, const sample *p, const float *logits) {
    return fig__sample(s->o, logits, s->gen->vocab, p->ids.data, p->ids.n, (uint64_t)p->number, p->ids.n, s->gen->work);
}

/* --- the loop ---------------------------------------------------------------------------------------------------*/

/* A free place becomes sample `number`, a fork of the prompt with its first token drawn. */
static fig_status start_sample(session *s, size_t place, int64_t number, const fig_ids *prompt) {
    sample *p = &s->gen->places[place];
    bool alive;
    p->number = number;
    p->ids.n = p->n_new = 0;
    p->utf8 = (fig_utf8_stream){0};
    fig__buf_clear(&p->held);
    for (size_t i = 0; i < prompt->n; i++) FIG_TRY(FIG_PUSH(s->gen->ctx, &p->ids, prompt->data[i]));
    FIG_TRY(fig_kv_fork(s->gen->kv, place, s->gen->n_places));
    return take_token(s, p, choose(s, p, s->gen->first), &alive);
}

static fig_status fill_places(session *s, const fig_ids *prompt, int64_t *started) {
    for (size_t i = 0; i < s->gen->n_places && *started < s->o->num_samples; i++)
        while (s->gen->places[i].number < 0 && *started < s->o->num_samples)
            FIG_TRY(start_sample(s, i, (*started)++, prompt));
    return FIG_OK;
}

static size_t list_live(fig_generator *gen) {
    size_t n = 0;
    for (size_t i = 0; i < gen->n_places; i++)
        if (gen->places[i].number >= 0) gen->rows[n++] = (int32_t)i;
    return n;
}

static fig_status write_samples(session *s, const fig_ids *prompt) {
    fig_generator *gen = s->gen;
    int64_t started = 0;
    bool alive;
    for (;;) {
        FIG_TRY(fill_places(s, prompt, &started));
        size_t n_live = list_live(gen);
        if (!n_live) return FIG_OK;
        if (fig_cancelled(gen->ctx)) return FIG_FAIL(gen->ctx, FIG_ERR_CANCELLED, "interrupted");
        FIG_TRY(run_decode(gen, n_live));
        const float *logits = fig_plan_data(gen->decode.plan, gen->decode.logits);
        for (size_t i = 0; i < n_live; i++) {
            sample *p = &gen->places[gen->rows[i]];
            FIG_TRY(take_token(s, p, choose(s, p, logits + i * gen->padded), &alive));
        }
    }
}

fig_status fig_generate(fig_generator *gen, const char *prompt, size_t len, const fig_generate_options *options,
                        fig_generate_fn *on_text, void *user, fig_generate_report *report) {
    fig_generate_report local;
    fig_ids ids = {0};
    session s = {gen, options, on_text, user, report ? report : &local};
    *s.report = (fig_generate_report){0};
    for (size_t i = 0; i < gen->n_places; i++) gen->places[i].number = -1;
    double start = fig__now();
    fig_status status = encode_prompt(gen, prompt, len, &ids, s.report);
    if (!status) status = run_prompt(gen, &ids);
    s.report->prefill_seconds = fig__now() - start;
    if (!status) status = write_samples(&s, &ids);
    s.report->decode_seconds = fig__now() - start - s.report->prefill_seconds;
    fig_ids_free(gen->ctx, &ids);
    return status;
}
