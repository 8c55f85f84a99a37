/* train/language.c: learning to predict the next token of text.
 *
 * A batch is windows of tokens; the loss is the mean over the tokens of the whole batch, all micro-batches together.
 * Samples are text. */
#include <fig/ops.h>
#include <math.h>
#include "gen/generate.h"
#include "train/windows.h"

typedef struct network { /* one recorded graph with what is fed and read */
    fig__phase phase;    /* owned by the trainer where it is one of its phases */
    fig_lm_inputs in;
    fig_tensor *targets, *count;
} network;

typedef struct language {
    fig__windows windows;
    network train, eval;
    fig_generator *gen; /* NULL: no samples are asked for */
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

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__windows_fit(t));
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

static fig_status memory(const fig_trainer *t, size_t *bytes, size_t *scratch) {
    size_t n_ctx = (size_t)fig_model_get_int(t->model, "block_size"), generator = 0;
    *scratch = 0;
    if (writes_samples(t))
        FIG_TRY(fig__generator_bytes(t->model, (size_t)t->o.sample_count, n_ctx, &generator, scratch));
    *bytes = generator + fig__windows_bytes(t);
    return FIG_OK;
}

static fig_status ready(fig_trainer *t) {
    language *l = t->task_state;
    FIG_TRY(fig__windows_ready(t));
    return writes_samples(t) ? fig_generator_new(t->model, (size_t)t->o.sample_count, 0, &l->gen) : FIG_OK;
}

static void language_free(fig_trainer *t) {
    language *l = t->task_state;
    if (l) fig_generator_free(l->gen);
    fig__windows_free(t);
}

/* --- batches ----------------------------------------------------------------------------------------------------*/

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    language *l = t->task_state;
    network *n = &l->train;
    size_t elems = (size_t)(t->o.batch_size * t->o.block_size);
    const fig__windows *w = &l->windows;
    fig_plan *plan = n->phase.plan;
    memcpy(fig_plan_data(plan, n->in.tokens), w->inputs + (size_t)i * elems, elems * sizeof(int32_t));
    memcpy(fig_plan_data(plan, n->targets), w->targets + (size_t)i * elems, elems * sizeof(int32_t));
    fig__put_positions(plan, &n->in, (size_t)t->o.block_size);
    *(float *)fig_plan_data(plan, n->count) = (float)w->n_targets;
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

static fig_status add_batch(fig_trainer *t, const fig_batch_spec *spec, uint64_t first, size_t rows, fig__sums *s) {
    network *n = &((language *)t->task_state)->eval;
    fig_plan *plan = n->phase.plan;
    size_t shape[2] = {rows, (size_t)t->o.block_size}, count = rows * shape[1];
    FIG_TRY(fig_plan_resize(plan, n->in.tokens, shape));
    FIG_TRY(fig_plan_resize(plan, n->targets, shape));
    int32_t *targets = fig_plan_data(plan, n->targets);
    fig__put_positions(plan, &n->in, shape[1]);
    FIG_TRY(fig_dataset_batch(t->data.text, spec, first, (int)rows, fig_plan_data(plan, n->in.tokens), targets));
    FIG_TRY(fig_plan_run(plan, NULL));
    const float *loss = fig_plan_data(plan, n->phase.loss);
    for (size_t i = 0; i < count; i++) {
        if (targets[i] < 0) continue;
        s->nats += (double)loss[i];
        s->n++;
    }
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    const fig_split_info *split = &fig_dataset_get_info(t->data.text)->split[FIG_SPLIT_VAL];
    double loss;
    fig_status status = fig__windows_score(t, add_batch, &loss);
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

const fig__task fig__task_language = {.name = "language",
                                      .record = record,
                                      .memory = memory,
                                      .ready = ready,
                                      .read = fig__windows_read,
                                      .feed = feed,
                                      .evaluate = evaluate,
                                      .sample = sample,
                                      .sample_ending = ".txt",
                                      .unit = "tokens",
                                      .data_id = fig__windows_data_id,
                                      .flops = fig__windows_flops,
                                      .tokens = fig__windows_tokens,
                                      .free = language_free};
