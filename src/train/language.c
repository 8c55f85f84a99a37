/* train/language.c: learning to predict the next token of text.
 *
 * A batch is windows of tokens; the loss is the mean over the tokens of the whole batch, all micro-batches together.
 * Held out is the tail of the data: windows one behind the other over the whole of it, or as many as asked for spread
 * evenly; sums in double and in order, so that the figure depends on the weights alone. Samples are text. */
#include <fig/ops.h>
#include <math.h>
#include "gen/generate.h"
#include "train/train.h"

typedef struct network { /* one recorded graph with what is fed and read */
    fig__phase phase;    /* owned by the trainer where it is one of its phases */
    fig_lm_inputs in;
    fig_tensor *targets, *count;
} network;

typedef struct language {
    network train, eval;
    fig_generator *gen;        /* NULL: no samples are asked for */
    int32_t *inputs, *targets; /* [grad_accum, batch, block] */
    float count;               /* targets of the whole batch */
    char data_id[160];
} language;

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static size_t vocab_of(const fig_model *m) { return (size_t)fig_model_get_int(m, "vocab_size"); }

/* Loss of each token; in training also their sum over `count`, the tokens of the whole batch, and its gradients. */
static fig_status network_new(fig_trainer *t, fig_mode mode, network *n) {
    size_t b = (size_t)t->o.batch_size, time = (size_t)t->o.block_size;
    fig_tensor *head;
    fig__phase *p = &n->phase;
    p->g = fig_model_graph(t->model, mode, b, time, &n->in);
    if (!p->g) return FIG_ERR_NOMEM;
    fig_tensor *x = fig_model_hidden(t->model, p->g, &n->in, &head);
    n->targets = fig_input(p->g, "targets", FIG_I32, 2, (size_t[]){b, time});
    p->loss = fig_linear_cross_entropy(p->g, x, head, NULL, n->targets, vocab_of(t->model));
    if (mode == FIG_TRAIN) {
        n->count = fig_input(p->g, "count", FIG_F32, 1, (size_t[]){1});
        p->loss = fig_masked_mean(p->g, p->loss, n->count);
        fig_backward_params(p->g, p->loss);
    }
    FIG_TRY(fig_graph_status(p->g));
    return fig_plan_new(p->g, &p->loss, 1, NULL, &p->plan);
}

static fig_status check_options(const fig_trainer *t) {
    FIG_CHECK(t->ctx, t->data.text, FIG_ERR_ARG, "%s learns from text", fig_model_arch(t->model)->name);
    const fig_dataset_info *info = fig_dataset_get_info(t->data.text);
    FIG_CHECK(t->ctx, info->vocab_size <= fig_model_get_int(t->model, "vocab_size"), FIG_ERR_ARG,
              "the data has %d different tokens, the model %lld", (int)info->vocab_size,
              (long long)fig_model_get_int(t->model, "vocab_size"));
    FIG_CHECK(t->ctx, t->o.block_size <= fig_model_get_int(t->model, "block_size"), FIG_ERR_ARG,
              "rows of %lld tokens are longer than the model's block_size of %lld", (long long)t->o.block_size,
              (long long)fig_model_get_int(t->model, "block_size"));
    FIG_CHECK(t->ctx, info->split[FIG_SPLIT_TRAIN].n_tokens > (uint64_t)t->o.block_size, FIG_ERR_ARG,
              "the training text has %llu tokens, fewer than one context of %lld and the token after it; lower "
              "--block_size or bring more text",
              (unsigned long long)info->split[FIG_SPLIT_TRAIN].n_tokens, (long long)t->o.block_size);
    return FIG_OK;
}

static fig_status record(fig_trainer *t) {
    if (!t->o.block_size) t->o.block_size = fig_model_get_int(t->model, "block_size");
    FIG_TRY(check_options(t));
    language *l = t->task_state = FIG_NEW(t->ctx, language);
    if (!l) return FIG_ERR_NOMEM;
    fig_status status = network_new(t, FIG_TRAIN, &l->train);
    t->phases[t->n_phases++] = l->train.phase;
    if (!status) status = network_new(t, FIG_EVAL, &l->eval);
    t->eval = l->eval.phase;
    return status;
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

static bool writes_samples(const fig_trainer *t) { return t->o.sample_tokens > 0 && fig_model_tokenizer(t->model); }

static double tokens(const fig_trainer *t) { return (double)(t->o.grad_accum * t->o.batch_size * t->o.block_size); }

static fig_status memory(const fig_trainer *t, size_t *bytes, size_t *scratch) {
    size_t n_ctx = (size_t)fig_model_get_int(t->model, "block_size"), generator = 0;
    *scratch = 0;
    if (writes_samples(t))
        FIG_TRY(fig__generator_bytes(t->model, (size_t)t->o.sample_count, n_ctx, &generator, scratch));
    *bytes = generator + (size_t)tokens(t) * 2 * sizeof(int32_t);
    return FIG_OK;
}

static fig_status ready(fig_trainer *t) {
    language *l = t->task_state;
    size_t n = (size_t)tokens(t);
    l->inputs = FIG_NEW_N(t->ctx, int32_t, 2 * n);
    if (!l->inputs) return FIG_ERR_NOMEM;
    l->targets = l->inputs + n;
    return writes_samples(t) ? fig_generator_new(t->model, (size_t)t->o.sample_count, 0, &l->gen) : FIG_OK;
}

static void language_free(fig_trainer *t) {
    language *l = t->task_state;
    if (!l) return;
    fig_generator_free(l->gen);
    fig__free(t->ctx, l->inputs);
    fig__free(t->ctx, l);
}

/* --- batches ----------------------------------------------------------------------------------------------------*/

static fig_status read_batch(fig_trainer *t) {
    language *l = t->task_state;
    int total = (int)(t->o.batch_size * t->o.grad_accum);
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_EPOCH, (int)t->o.block_size, (uint64_t)t->o.seed};
    size_t n = (size_t)total * (size_t)t->o.block_size, valid = 0;
    FIG_TRY(
        fig_dataset_batch(t->data.text, &spec, (uint64_t)t->p.iter * (uint64_t)total, total, l->inputs, l->targets));
    for (size_t i = 0; i < n; i++) valid += l->targets[i] >= 0;
    l->count = (float)valid;
    t->p.n_tokens += valid;
    return FIG_OK;
}

static void put_positions(network *n, size_t time) {
    int32_t *positions = fig_plan_data(n->phase.plan, n->in.positions);
    for (size_t i = 0; i < time; i++) positions[i] = (int32_t)i;
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    language *l = t->task_state;
    network *n = &l->train;
    size_t elems = (size_t)(t->o.batch_size * t->o.block_size);
    memcpy(fig_plan_data(n->phase.plan, n->in.tokens), l->inputs + (size_t)i * elems, elems * sizeof(int32_t));
    memcpy(fig_plan_data(n->phase.plan, n->targets), l->targets + (size_t)i * elems, elems * sizeof(int32_t));
    put_positions(n, (size_t)t->o.block_size);
    *(float *)fig_plan_data(n->phase.plan, n->count) = l->count;
}

/* 6N + 12 L C T operations per token: two per weight forward, four backward, and attention's two products. */
static double flops(const fig_trainer *t) {
    double c = (double)fig_model_get_int(t->model, "n_embd"), layers = (double)fig_model_get_int(t->model, "n_layer");
    double per_token = 6 * (double)fig_params_numel(t->params, false) + 12 * layers * c * (double)t->o.block_size;
    return per_token * tokens(t);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

typedef struct sums {
    double nats;
    uint64_t tokens;
} sums;

static fig_status add_batch(fig_trainer *t, const fig_batch_spec *spec, uint64_t first, size_t rows, sums *s) {
    network *n = &((language *)t->task_state)->eval;
    fig_plan *plan = n->phase.plan;
    size_t shape[2] = {rows, (size_t)t->o.block_size}, count = rows * shape[1];
    FIG_TRY(fig_plan_resize(plan, n->in.tokens, shape));
    FIG_TRY(fig_plan_resize(plan, n->targets, shape));
    int32_t *targets = fig_plan_data(plan, n->targets);
    put_positions(n, shape[1]);
    FIG_TRY(fig_dataset_batch(t->data.text, spec, first, (int)rows, fig_plan_data(plan, n->in.tokens), targets));
    FIG_TRY(fig_plan_run(plan, NULL));
    const float *loss = fig_plan_data(plan, n->phase.loss);
    for (size_t i = 0; i < count; i++) {
        if (targets[i] < 0) continue;
        s->nats += (double)loss[i];
        s->tokens++;
    }
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    const fig_split_info *split = &fig_dataset_get_info(t->data.text)->split[FIG_SPLIT_VAL];
    fig_batch_spec spec = {FIG_SPLIT_VAL, FIG_SAMPLER_SEQUENTIAL, (int)t->o.block_size, 0};
    uint64_t n = fig_dataset_n_windows(t->data.text, &spec), batch = (uint64_t)t->o.batch_size;
    uint64_t n_batches = (n + batch - 1) / batch,
             take = t->o.eval_iters ? FIG_MIN(n_batches, (uint64_t)t->o.eval_iters) : n_batches;
    sums s = {0};
    fig_status status = FIG_OK;
    for (uint64_t i = 0; i < take && !status; i++) {
        uint64_t first = i * n_batches / take * batch;
        status = add_batch(t, &spec, first, (size_t)FIG_MIN(batch, n - first), &s);
    }
    double loss = s.tokens ? s.nats / (double)s.tokens : NAN;
    /* bits per byte: the loss per token times tokens per byte of this split */
    double tokens_per_byte = split->target_bytes ? (double)(split->n_tokens - 1) / (double)split->target_bytes : NAN;
    fig__add_score(scores, "val_loss", loss);
    fig__add_score(scores, "val_bpb", loss / log(2) * tokens_per_byte);
    return status;
}

/* --- samples ----------------------------------------------------------------------------------------------------*/

typedef struct writing {
    fig__buf *texts;
} writing;
static bool keep_text(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    (void)done, (void)stop;
    return fig__buf_add(&((writing *)user)->texts[sample], text, len) == FIG_OK;
}

static fig_status write_samples(fig_trainer *t, fig__buf *texts) {
    const char *prompt = t->o.sample_prompt ? t->o.sample_prompt : "";
    fig_generate_options o;
    language *l = t->task_state;
    writing w = {texts};
    fig_generate_defaults(&o);
    o.max_tokens = t->o.sample_tokens;
    o.num_samples = t->o.sample_count;
    o.temp = t->o.sample_temp;
    o.seed = t->o.seed;
    o.top_k = 0;
    o.top_p = 1;
    o.min_p = 0;
    return fig_generate(l->gen, prompt, strlen(prompt), &o, keep_text, &w, NULL);
}

static fig_status join_samples(fig_trainer *t, const fig__buf *texts, fig__buf *all) {
    for (int64_t i = 0; i < t->o.sample_count; i++) {
        if (i) FIG_TRY(fig__buf_adds(all, "\n---\n"));
        if (t->o.sample_prompt) FIG_TRY(fig__buf_adds(all, t->o.sample_prompt));
        FIG_TRY(fig__buf_add(all, fig__buf_str(&texts[i]), texts[i].len));
    }
    return fig__buf_addc(all, '\n');
}

static fig_status sample(fig_trainer *t, fig__buf *all) {
    if (!((language *)t->task_state)->gen) return FIG_OK;
    size_t n = (size_t)t->o.sample_count;
    fig__buf *texts = FIG_NEW_N(t->ctx, fig__buf, n);
    if (!texts) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) fig__buf_init(&texts[i], t->ctx, 64u << 20);
    fig_status status = write_samples(t, texts);
    if (!status) status = join_samples(t, texts, all);
    for (size_t i = 0; i < n; i++) fig__buf_deinit(&texts[i]);
    fig__free(t->ctx, texts);
    return status;
}

static const char *data_id(const fig_trainer *t) {
    language *l = t->task_state;
    const fig_dataset_info *info = fig_dataset_get_info(t->data.text);
    snprintf(l->data_id, sizeof l->data_id, "%s, tokenizer %s", info->data_sha256, info->tokenizer_sha256);
    return l->data_id;
}

const fig__task fig__task_language = {.name = "language",
                                      .record = record,
                                      .memory = memory,
                                      .ready = ready,
                                      .read = read_batch,
                                      .feed = feed,
                                      .evaluate = evaluate,
                                      .sample = sample,
                                      .sample_ending = ".txt",
                                      .unit = "tokens",
                                      .data_id = data_id,
                                      .flops = flops,
                                      .tokens = tokens,
                                      .free = language_free};
