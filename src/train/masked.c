/* train/masked.c: learning to tell hidden tokens of a text from all that stands around them (Devlin et al. 2018).
 *
 * The same share of every row is hidden, as BERT's max_predictions_per_seq had it: so a batch asks for one fixed number
 * of tokens, only those go through the head, and the loss is their mean. What is held out is always hidden in the same
 * places. A sample is sample_prompt with its blanks filled; without one, the beginning of what is held out. */
#include "train/masked.h"
#include <fig/ops.h>
#include <math.h>
#include "base/rng.h"
#include "gen/fill.h"
#include "train/windows.h"

/* --- masking ----------------------------------------------------------------------------------------------------*/

size_t fig__masking_count(const fig__masking *m, size_t n) {
    size_t k = (size_t)ceil(m->rate * (double)n);
    return FIG_MIN(FIG_MAX(k, 1), n);
}

static int32_t hidden_behind(const fig__masking *m, const fig_rng_key *key, uint64_t row, uint64_t i, int32_t token) {
    uint64_t die = fig__rng_below(key, row, 2 * i, 10);
    if (die < 8) return m->mask;
    int32_t other = (int32_t)fig__rng_below(key, row, 2 * i + 1, (uint64_t)m->vocab - 1);
    return die == 9 ? token : other + (other >= m->mask);
}

/* Places one by one, each with the probability that leaves all choices alike (Knuth's algorithm S). */
void fig__masking_apply(const fig__masking *m, uint64_t row, int32_t *tokens, size_t n, int32_t *places,
                        int32_t *answers) {
    fig_rng_key where = {m->seed, fig__rng_stream("mask.place"), 0}, what = {m->seed, fig__rng_stream("mask.token"), 0};
    size_t wanted = fig__masking_count(m, n), k = 0;
    for (size_t i = 0; k < wanted; i++) {
        if (fig__rng_below(&where, row, i, n - i) >= wanted - k) continue;
        places[k] = (int32_t)i;
        answers[k++] = tokens[i];
        tokens[i] = hidden_behind(m, &what, row, i, tokens[i]);
    }
}

/* --- graphs -----------------------------------------------------------------------------------------------------*/

typedef struct network {
    fig__phase phase;
    fig_lm_inputs in;
    fig_tensor *places, *answers, *each; /* [batch, asked]; loss of each */
} network;

typedef struct masked {
    fig__windows windows;
    fig__masking masking;
    network train, eval;
} masked;

static masked *state_of(const fig_trainer *t) { return t->task_state; }
static size_t asked(const fig_trainer *t) { return fig__masking_count(&state_of(t)->masking, (size_t)t->o.block_size); }

static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    size_t b = (size_t)t->o.batch_size, time = (size_t)t->o.block_size, shape[2] = {b, asked(t)};
    fig_tensor *head, *bias;
    fig_graph *g = n->phase.g = fig_model_graph(t->model, mode, b, time, &n->in);
    if (!g) return FIG_ERR_NOMEM;
    if (mode == FIG_EVAL) n->in.q_len = fig_input(g, "length", FIG_I32, 1, &b); /* the last row may be short */
    n->places = fig_input(g, "places", FIG_I32, 2, shape);
    n->answers = fig_input(g, "answers", FIG_I32, 2, shape);
    fig_tensor *x =
        fig_model_arch(t->model)->net.masked->predict(g, fig_model_config(t->model), &n->in, n->places, &head, &bias);
    n->each = fig_linear_cross_entropy(g, x, head, bias, n->answers, (size_t)state_of(t)->masking.vocab);
    return fig_graph_status(g);
}

static fig_status record_training(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_TRAIN, n));
    return fig__phase_descend(t, &n->phase, fig_mean(n->phase.g, n->each, FIG_ALL_AXES));
}

static fig_status record_evaluation(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_EVAL, n));
    return fig_plan_new(n->phase.g, &n->each, 1, NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__windows_fit(t));
    masked *s = t->task_state = FIG_NEW(t->ctx, masked);
    if (!s) return FIG_ERR_NOMEM;
    s->masking = (fig__masking){.seed = (uint64_t)t->o.seed,
                                .rate = fig__model_get_real(t->model, "mask_rate"),
                                .mask = fig__mask_token(t->model),
                                .vocab = (int32_t)fig_model_get_int(t->model, "vocab_size")};
    fig_status status = record_training(t, &s->train);
    t->phases[t->n_phases++] = s->train.phase;
    if (!status) status = record_evaluation(t, &s->eval);
    t->eval = s->eval.phase;
    return status;
}

static fig_status memory(const fig_trainer *t, size_t *bytes, size_t *scratch) {
    *bytes = fig__windows_bytes(t);
    *scratch = 0;
    return FIG_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

/* Row r of a network, which has its tokens already; the first `length` of them are text. */
static void hide(const fig__masking *m, const network *n, size_t r, uint64_t number, size_t length) {
    size_t time = n->in.tokens->shape[1], k = n->places->shape[1];
    int32_t *tokens = (int32_t *)fig_plan_data(n->phase.plan, n->in.tokens) + r * time,
            *places = (int32_t *)fig_plan_data(n->phase.plan, n->places) + r * k,
            *answers = (int32_t *)fig_plan_data(n->phase.plan, n->answers) + r * k;
    fig__masking_apply(m, number, tokens, length, places, answers);
    for (size_t i = fig__masking_count(m, length); i < k; i++) places[i] = 0, answers[i] = -1;
    for (size_t i = 0; i < k; i++) places[i] += (int32_t)(r * time);
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    masked *s = state_of(t);
    const network *n = &s->train;
    size_t time = (size_t)t->o.block_size, rows = (size_t)t->o.batch_size;
    uint64_t first = (uint64_t)(t->p.iter * t->o.grad_accum + i) * rows;
    memcpy(fig_plan_data(n->phase.plan, n->in.tokens), s->windows.inputs + (size_t)i * rows * time,
           rows * time * sizeof(int32_t));
    fig__put_positions(n->phase.plan, &n->in, time);
    for (size_t r = 0; r < rows; r++) hide(&s->masking, n, r, first + r, time);
}

/* Of the head, the two matrices at its end see only the tokens that are asked for. */
static double flops(const fig_trainer *t) {
    double c = (double)fig_model_get_int(t->model, "n_embd"), v = (double)state_of(t)->masking.vocab;
    double unasked = 1 - (double)asked(t) / (double)t->o.block_size;
    return fig__windows_flops(t) - 6 * c * (c + v) * unasked * fig__windows_tokens(t);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

/* Whatever the run's seed. */
static fig__masking of_held_out(const fig_trainer *t) {
    fig__masking m = state_of(t)->masking;
    m.seed = 0;
    return m;
}

static fig_status add_batch(fig_trainer *t, const fig_batch_spec *spec, uint64_t first, size_t rows, fig__sums *sums) {
    masked *s = state_of(t);
    const network *n = &s->eval;
    fig_plan *plan = n->phase.plan;
    fig__masking m = of_held_out(t);
    size_t time = (size_t)t->o.block_size, shape[2] = {rows, asked(t)};
    FIG_TRY(fig_plan_resize(plan, n->in.tokens, (size_t[]){rows, time}));
    FIG_TRY(fig_plan_resize(plan, n->in.q_len, &rows));
    FIG_TRY(fig_plan_resize(plan, n->places, shape));
    FIG_TRY(fig_plan_resize(plan, n->answers, shape));
    int32_t *length = fig_plan_data(plan, n->in.q_len), *targets = s->windows.targets;
    fig__put_positions(plan, &n->in, time);
    FIG_TRY(fig_dataset_batch(t->data.text, spec, first, (int)rows, fig_plan_data(plan, n->in.tokens), targets));
    for (size_t r = 0; r < rows; r++) {
        length[r] = 0;
        while ((size_t)length[r] < time && targets[r * time + (size_t)length[r]] >= 0) length[r]++;
        hide(&m, n, r, first + r, (size_t)length[r]);
    }
    FIG_TRY(fig_plan_run(plan, NULL));
    const float *each = fig_plan_data(plan, n->each);
    const int32_t *answers = fig_plan_data(plan, n->answers);
    for (size_t i = 0; i < rows * shape[1]; i++) {
        if (answers[i] < 0) continue;
        sums->nats += (double)each[i];
        sums->n++;
    }
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    double loss;
    fig_status status = fig__windows_score(t, add_batch, &loss);
    fig__add_score(scores, "val_loss", loss);
    return status;
}

/* --- samples ----------------------------------------------------------------------------------------------------*/

/* The beginning of what is held out, with a blank wherever it is asked for; *n may come out as 0. */
static fig_status read_passage(fig_trainer *t, int32_t *tokens, size_t *n) {
    fig__masking m = of_held_out(t);
    fig_batch_spec spec = {FIG_SPLIT_VAL, FIG_SAMPLER_SEQUENTIAL, (int)t->o.block_size, 0};
    size_t most = (size_t)FIG_MIN(t->o.block_size, t->o.sample_tokens);
    int32_t *targets = state_of(t)->windows.targets;
    *n = 0;
    if (!fig_dataset_n_windows(t->data.text, &spec)) return FIG_OK;
    FIG_TRY(fig_dataset_batch(t->data.text, &spec, 0, 1, tokens, targets));
    while (*n < most && targets[*n] >= 0) ++*n;
    int32_t *places = FIG_NEW_N(t->ctx, int32_t, 2 * *n + 1);
    if (!places) return FIG_ERR_NOMEM;
    fig__masking_apply(&m, 0, tokens, *n, places, places + *n);
    for (size_t i = 0; i < fig__masking_count(&m, *n); i++) tokens[places[i]] = m.mask;
    fig__free(t->ctx, places);
    return FIG_OK;
}

static fig_status write_passage(const fig_trainer *t, const int32_t *tokens, size_t n, fig__buf *file) {
    const fig_tokenizer *tok = fig_model_tokenizer(t->model);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(FIG_MASK);
        bool blank = tokens[i] == state_of(t)->masking.mask;
        const char *piece = blank ? FIG_MASK : fig_tokenizer_piece(tok, i ? tokens[i - 1] : -1, tokens[i], &len);
        if (piece) FIG_TRY(fig__buf_add(file, piece, len));
    }
    return fig__buf_adds(file, "\n---\n");
}

static fig_status fill_any(fig_trainer *t, fig__buf *file, fig_filled *filled) {
    const char *prompt = t->o.sample_prompt;
    int32_t *tokens = state_of(t)->windows.inputs; /* until the next step reads */
    size_t n;
    if (prompt) return fig_fill(t->model, prompt, strlen(prompt), 0, filled);
    FIG_TRY(read_passage(t, tokens, &n));
    if (!n) return FIG_OK;
    FIG_TRY(write_passage(t, tokens, n, file));
    return fig__fill_tokens(t->model, tokens, n, 0, filled);
}

static fig_status sample(fig_trainer *t, fig__buf *file) {
    fig_filled filled = {0};
    if (t->o.sample_tokens <= 0 || !fig_model_tokenizer(t->model)) return FIG_OK;
    fig_status status = fill_any(t, file, &filled);
    if (!status && filled.len) status = fig__buf_add(file, filled.text, filled.len);
    if (!status && filled.len) status = fig__buf_addc(file, '\n');
    fig_filled_free(t->ctx, &filled);
    if (status != FIG_ERR_CANCELLED) return status;
    fig__buf_clear(file); /* the loop itself stops, and saves */
    fig_error_clear(t->ctx);
    return FIG_OK;
}

const fig__task fig__task_masked = {.name = "masked",
                                    .record = record,
                                    .memory = memory,
                                    .ready = fig__windows_ready,
                                    .read = fig__windows_read,
                                    .feed = feed,
                                    .evaluate = evaluate,
                                    .sample = sample,
                                    .sample_ending = ".txt",
                                    .unit = "tokens",
                                    .data_id = fig__windows_data_id,
                                    .flops = flops,
                                    .tokens = fig__windows_tokens,
                                    .free = fig__windows_free};
