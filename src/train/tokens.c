/* train/tokens.c: learning to write the codes of pictures, one after the other.
 *
 * All pictures are made into codes once, before the first step; a step reads codes only. The loss is the mean
 * cross-entropy of a code, and of a caption's token by text_weight, over the whole batch. A row whose condition is left
 * out, as guidance needs it (Ho and Salimans 2022), learns neither class nor caption. Scores are nats of a code and of
 * a token, with every condition said. */
#include <fig/ops.h>
#include <math.h>
#include <stdio.h>
#include "base/rng.h"
#include "models/tokens.h"
#include "train/pictures.h"

typedef struct network {
    fig__phase phase;
    fig_lm_inputs in;
    fig_tensor *targets, *words, *n_words; /* int32 [n, n_codes], [n, text_length]; tokens of the whole batch */
    fig_tensor *code_loss, *word_loss;     /* of each target; word_loss NULL without captions */
} network;

typedef struct tokens {
    network train, eval;
    struct {
        fig_graph *g;
        fig_plan *plan;
        fig_tensor *x, *values;
    } encoder;
    int32_t *codes[FIG_SPLIT_COUNT]; /* [pictures, n_codes] */
    int32_t *captions;               /* [rows of a step, text_length]: of the step or of the batch that is judged */
    bool encoded;
    fig__tokens_shape shape;
} tokens;

static const fig__tokens_config *config_of(const fig_trainer *t) { return fig_model_config(t->model); }
static tokens *state_of(const fig_trainer *t) { return t->task_state; }
static const fig_tokens_net *net_of(const fig_trainer *t) { return fig_model_arch(t->model)->net.tokens; }
static const void *codec_of(const fig_trainer *t) { return net_of(t)->codec_config(config_of(t)); }
static size_t text_length(const fig_trainer *t) { return (size_t)config_of(t)->text_length; }
static size_t n_pictures(const fig_trainer *t, int split) {
    return (size_t)fig_pictures_get_info(t->data.pictures)->n[split];
}

/* --- graphs -----------------------------------------------------------------------------------------------------*/

/* What stands before a code says it: the picture's codes from behind the condition on, the caption's from the class. */
static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    const tokens *k = state_of(t);
    size_t b = (size_t)t->o.batch_size, text = text_length(t), time = k->shape.n_before + k->shape.n_codes - 1;
    fig_tensor *codes, *words;
    fig_graph *g = n->phase.g = fig_model_graph(t->model, mode, b, time, &n->in);
    if (!g) return FIG_ERR_NOMEM;
    fig_tensor *x = net_of(t)->hidden(g, config_of(t), &n->in, &codes, &words);
    n->targets = fig_input(g, "targets", FIG_I32, 2, (size_t[]){b, k->shape.n_codes});
    fig_tensor *of_codes = fig_slice(g, x, 1, (int64_t)k->shape.n_before - 1, k->shape.n_codes);
    n->code_loss = fig_linear_cross_entropy(g, of_codes, codes, NULL, n->targets, k->shape.n_kinds);
    if (!text) return fig_graph_status(g);
    n->words = fig_input(g, "words", FIG_I32, 2, (size_t[]){b, text});
    n->word_loss = fig_linear_cross_entropy(g, fig_slice(g, x, 1, 0, text), words, NULL, n->words,
                                            (size_t)config_of(t)->vocab_size);
    return fig_graph_status(g);
}

static fig_status record_training(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_TRAIN, n));
    fig_graph *g = n->phase.g;
    fig_tensor *mean = fig_reshape(g, fig_mean(g, n->code_loss, FIG_ALL_AXES), 1, (int64_t[]){1});
    n->phase.loss = fig_scale(g, mean, 1.0 / (double)t->o.grad_accum);
    if (n->words) {
        n->n_words = fig_input(g, "n_words", FIG_F32, 1, (size_t[]){1});
        fig_tensor *of_words = fig_masked_mean(g, n->word_loss, n->n_words);
        n->phase.loss = fig_add(g, n->phase.loss, fig_scale(g, of_words, config_of(t)->text_weight));
    }
    fig_backward_params(g, n->phase.loss);
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, &n->phase.loss, 1, NULL, &n->phase.plan);
}

static fig_status record_evaluation(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_EVAL, n));
    fig_tensor *roots[] = {n->code_loss, n->word_loss};
    return fig_plan_new(n->phase.g, roots, n->word_loss ? 2 : 1, NULL, &n->phase.plan);
}

static fig_status record_encoder(fig_trainer *t, tokens *k) {
    const fig__tokenizer_config *c = codec_of(t);
    size_t side = (size_t)c->image_size;
    fig_graph *g = k->encoder.g = fig_model_graph_new(t->model, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    k->encoder.x =
        fig_input(g, "x", FIG_F32, 4, (size_t[]){(size_t)t->o.batch_size, side, side, (size_t)c->n_channels});
    fig_enter(g, "codec");
    k->encoder.values = fig_contiguous(g, net_of(t)->codec->encode(g, c, k->encoder.x));
    fig_leave(g);
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, &k->encoder.values, 1, NULL, &k->encoder.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__pictures_fit(t));
    FIG_CHECK(t->ctx, !config_of(t)->n_classes || fig_pictures_get_info(t->data.pictures)->n_classes, FIG_ERR_ARG,
              "the model has classes, the pictures have none");
    tokens *k = t->task_state = FIG_NEW(t->ctx, tokens);
    if (!k) return FIG_ERR_NOMEM;
    k->shape = fig__tokens_shape_of(fig_model_arch(t->model), config_of(t));
    fig_status status = record_training(t, &k->train);
    t->phases[t->n_phases++] = k->train.phase;
    if (!status) status = record_evaluation(t, &k->eval);
    t->eval = k->eval.phase;
    return status ? status : record_encoder(t, k);
}

static size_t n_rows(const fig_trainer *t) { return (size_t)(t->o.batch_size * t->o.grad_accum); }
static size_t n_codes(const fig_trainer *t, int split) { return n_pictures(t, split) * state_of(t)->shape.n_codes; }

static fig_status memory(const fig_trainer *t, size_t *bytes, size_t *scratch) {
    const tokens *k = state_of(t);
    fig_plan_memory encoder = fig_plan_memory_of(k->encoder.plan);
    *bytes = encoder.arena_bytes + n_rows(t) * text_length(t) * sizeof(int32_t);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) *bytes += n_codes(t, i) * sizeof(int32_t);
    *scratch = encoder.scratch_bytes;
    return FIG_OK;
}

static fig_status ready(fig_trainer *t) {
    tokens *k = state_of(t);
    FIG_TRY(fig__tokens_take_codec(t->model));
    FIG_TRY(fig_plan_alloc(k->encoder.plan));
    k->captions = FIG_NEW_N(t->ctx, int32_t, n_rows(t) * text_length(t) + 1);
    if (!k->captions) return FIG_ERR_NOMEM;
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        if (!(k->codes[i] = FIG_NEW_N(t->ctx, int32_t, n_codes(t, i) + 1))) return FIG_ERR_NOMEM;
    return fig__pictures_ready(t);
}

static void tokens_free(fig_trainer *t) {
    tokens *k = state_of(t);
    if (!k) return;
    fig_plan_free(k->encoder.plan);
    fig_graph_free(k->encoder.g);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) fig__free(t->ctx, k->codes[i]);
    fig__free(t->ctx, k->captions);
    fig__free(t->ctx, k);
}

/* --- pictures to codes --------------------------------------------------------------------------------------------*/

typedef struct progress {
    double start, said;
    size_t done, all;
} progress;

#define SAY_EVERY 15.0 /* seconds; the first time after two */
static void say(const fig_trainer *t, progress *p) {
    double now = fig__now();
    char text[120];
    if (!t->on_event || now - p->start < 2 || now - p->said < SAY_EVERY) return;
    p->said = now;
    snprintf(text, sizeof text, "making codes: %zu of %zu pictures, %.0f s left", p->done, p->all,
             (now - p->start) / (double)p->done * (double)(p->all - p->done));
    t->on_event(t->user, &(fig_train_event){.kind = FIG_TRAIN_NOTE,
                                            .iter = t->p.iter,
                                            .max_iters = t->o.max_iters,
                                            .scores = t->p.scores,
                                            .text = text});
}

static fig_status encode_batch(fig_trainer *t, fig_data_split split, size_t first, size_t n) {
    tokens *k = state_of(t);
    const fig_tokenizer_net *codec = net_of(t)->codec;
    fig_tensor *x = k->encoder.x;
    size_t d = fig__pictures_numbers(t), n_values = codec->n_values(codec_of(t));
    FIG_TRY(fig_plan_resize(k->encoder.plan, x, (size_t[]){n, fig_dim(x, 1), fig_dim(x, 2), fig_dim(x, 3)}));
    float *pixels = fig_plan_data(k->encoder.plan, x);
    for (size_t i = 0; i < n; i++) fig__pictures_values(t, split, first + i, -1, pixels + i * d);
    FIG_TRY(fig_plan_run(k->encoder.plan, NULL));
    const float *values = fig_plan_data(k->encoder.plan, k->encoder.values);
    int32_t *codes = k->codes[split] + first * k->shape.n_codes;
    for (size_t i = 0; i < n * k->shape.n_codes; i++) codes[i] = codec->code(codec_of(t), values + i * n_values);
    return FIG_OK;
}

/* After a checkpoint was read, whose codec counts. Steps that are only measured do without. */
static fig_status encode_all(fig_trainer *t) {
    tokens *k = state_of(t);
    size_t batch = (size_t)t->o.batch_size;
    progress p = {.start = fig__now()};
    if (k->encoded || t->dry) return FIG_OK;
    for (int split = 0; split < FIG_SPLIT_COUNT; split++) p.all += n_pictures(t, split);
    for (int split = 0; split < FIG_SPLIT_COUNT; split++)
        for (size_t at = 0, n; at < n_pictures(t, split); at += n, p.done += n, say(t, &p)) {
            if (fig_cancelled(t->ctx)) return FIG_FAIL(t->ctx, FIG_ERR_CANCELLED, "interrupted before the first step");
            n = FIG_MIN(batch, n_pictures(t, split) - at);
            FIG_TRY(encode_batch(t, (fig_data_split)split, at, n));
        }
    k->encoded = true;
    return FIG_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

static bool is_left_out(const fig_trainer *t, uint64_t row) {
    fig_rng_key key = {(uint64_t)t->o.seed, fig__rng_stream("tokens.left_out"), (uint64_t)t->p.iter};
    return fig__rng_uniform(&key, row, 0) < config_of(t)->condition_drop;
}

/* Keeps a row's caption in tokens, and says how many of them are learnt. */
static fig_status take_caption(const fig_trainer *t, size_t row, const char *caption, size_t *n) {
    int32_t *words = state_of(t)->captions + row * text_length(t);
    if (text_length(t)) FIG_TRY(fig__caption_row(t->model, caption, words, NULL));
    for (*n = 0; *n < text_length(t) && words[*n] < config_of(t)->vocab_size;) ++*n;
    return FIG_OK;
}

/* The picture into a row of the network's batch; caption: text_length(t) tokens. */
static void put_row(const fig_trainer *t, const network *n, fig_data_split split, uint64_t picture, size_t row,
                    const int32_t *caption, bool left_out) {
    const tokens *k = state_of(t);
    fig_plan *plan = n->phase.plan;
    size_t text = text_length(t);
    int32_t *sequence = (int32_t *)fig_plan_data(plan, n->in.tokens) + row * n->in.time;
    const int32_t *codes = k->codes[split] + picture * k->shape.n_codes;
    int32_t label = left_out ? -1 : fig_pictures_class(t->data.pictures, split, picture);
    fig__tokens_begin(t->model, label, left_out ? NULL : caption, sequence);
    memcpy(sequence + k->shape.n_before, codes, (k->shape.n_codes - 1) * sizeof *codes);
    memcpy((int32_t *)fig_plan_data(plan, n->targets) + row * k->shape.n_codes, codes,
           k->shape.n_codes * sizeof *codes);
    int32_t *words = text ? (int32_t *)fig_plan_data(plan, n->words) + row * text : NULL;
    for (size_t i = 0; i < text; i++) words[i] = !left_out && caption[i] < config_of(t)->vocab_size ? caption[i] : -1;
}

static void put_positions(const network *n) {
    int32_t *positions = fig_plan_data(n->phase.plan, n->in.positions);
    for (size_t i = 0; i < n->in.time; i++) positions[i] = (int32_t)i;
}

static fig_status read_batch(fig_trainer *t) {
    tokens *k = state_of(t);
    size_t n = 0, of_row;
    FIG_TRY(encode_all(t));
    for (size_t r = 0; r < n_rows(t); r++) {
        FIG_TRY(take_caption(t, r, fig__pictures_caption(t, (int64_t)r), &of_row));
        if (!is_left_out(t, r)) n += of_row;
    }
    if (k->train.n_words) *(float *)fig_plan_data(k->train.phase.plan, k->train.n_words) = (float)n;
    return fig__pictures_read(t);
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    const network *n = &state_of(t)->train;
    (void)phase;
    put_positions(n);
    for (size_t row = 0; row < (size_t)t->o.batch_size; row++) {
        uint64_t of_batch = (uint64_t)(i * t->o.batch_size) + row;
        put_row(t, n, FIG_SPLIT_TRAIN, fig__pictures_row(t, (int64_t)of_batch), row,
                state_of(t)->captions + of_batch * text_length(t), is_left_out(t, of_batch));
    }
}

/* Two operations per weight and token forward and four backward; attention's products besides. */
static double flops(const fig_trainer *t) {
    double time = (double)state_of(t)->train.in.time, width = (double)fig_model_get_int(t->model, "n_embd"),
           layers = (double)fig_model_get_int(t->model, "n_layer");
    double per_token = 6 * (double)fig_params_numel(t->params, true) + 6 * layers * width * time;
    return per_token * time * fig__pictures_per_step(t);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

typedef struct sums {
    double codes, words;
    size_t n_codes, n_words;
} sums;

static fig_status add_batch(fig_trainer *t, uint64_t first, size_t rows, sums *s) {
    const network *n = &state_of(t)->eval;
    fig_plan *plan = n->phase.plan;
    size_t n_targets = rows * state_of(t)->shape.n_codes, n_words = rows * text_length(t), of_row;
    FIG_TRY(fig_plan_resize(plan, n->in.tokens, (size_t[]){rows, n->in.time}));
    FIG_TRY(fig_plan_resize(plan, n->targets, (size_t[]){rows, state_of(t)->shape.n_codes}));
    if (n->words) FIG_TRY(fig_plan_resize(plan, n->words, (size_t[]){rows, text_length(t)}));
    put_positions(n);
    for (size_t i = 0; i < rows; i++) {
        FIG_TRY(take_caption(t, i, fig_pictures_caption(t->data.pictures, FIG_SPLIT_VAL, first + i), &of_row));
        put_row(t, n, FIG_SPLIT_VAL, first + i, i, state_of(t)->captions + i * text_length(t), false);
        s->n_words += of_row;
    }
    FIG_TRY(fig_plan_run(plan, NULL));
    const float *codes = fig_plan_data(plan, n->code_loss),
                *words = n->words ? fig_plan_data(plan, n->word_loss) : NULL;
    for (size_t i = 0; i < n_targets; i++) s->codes += (double)codes[i];
    for (size_t i = 0; words && i < n_words; i++) s->words += (double)words[i];
    s->n_codes += n_targets;
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    fig__held_out h = fig__pictures_held_out(t);
    sums s = {0};
    size_t rows;
    fig_status status = encode_all(t);
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, first, rows, &s);
    }
    fig__add_score(scores, "val_loss", s.n_codes ? s.codes / (double)s.n_codes : NAN);
    if (text_length(t)) fig__add_score(scores, "val_text_loss", s.n_words ? s.words / (double)s.n_words : NAN);
    return status;
}

const fig__task fig__task_tokens = {.name = "tokens",
                                    .record = record,
                                    .memory = memory,
                                    .ready = ready,
                                    .read = read_batch,
                                    .feed = feed,
                                    .evaluate = evaluate,
                                    .sample = fig__pictures_preview,
                                    .sample_ending = ".png",
                                    .unit = "pictures",
                                    .flops = flops,
                                    .tokens = fig__pictures_per_step,
                                    .data_id = fig__pictures_data_id,
                                    .free = tokens_free};
