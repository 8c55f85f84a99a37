/* train/windows.c: see windows.h. */
#include "train/windows.h"
#include <math.h>

static fig__windows *state_of(const fig_trainer *t) { return t->task_state; }

fig_status fig__windows_fit(fig_trainer *t) {
    int64_t longest = fig_model_get_int(t->model, "block_size"), vocab = fig_model_get_int(t->model, "vocab_size");
    if (!t->o.block_size) t->o.block_size = longest;
    FIG_CHECK(t->ctx, t->data.text, FIG_ERR_ARG, "%s learns from text", fig_model_arch(t->model)->name);
    const fig_dataset_info *info = fig_dataset_get_info(t->data.text);
    FIG_CHECK(t->ctx, info->vocab_size <= vocab, FIG_ERR_ARG, "the data has %d different tokens, the model %lld",
              (int)info->vocab_size, (long long)vocab);
    FIG_CHECK(t->ctx, t->o.block_size <= longest, FIG_ERR_ARG,
              "rows of %lld tokens are longer than the model's block_size of %lld", (long long)t->o.block_size,
              (long long)longest);
    FIG_CHECK(t->ctx, info->split[FIG_SPLIT_TRAIN].n_tokens > (uint64_t)t->o.block_size, FIG_ERR_ARG,
              "the training text has %llu tokens, fewer than one context of %lld and the token after it; lower "
              "--block_size or bring more text",
              (unsigned long long)info->split[FIG_SPLIT_TRAIN].n_tokens, (long long)t->o.block_size);
    return FIG_OK;
}

double fig__windows_tokens(const fig_trainer *t) {
    return (double)(t->o.grad_accum * t->o.batch_size * t->o.block_size);
}

size_t fig__windows_bytes(const fig_trainer *t) { return (size_t)fig__windows_tokens(t) * 2 * sizeof(int32_t); }

fig_status fig__windows_ready(fig_trainer *t) {
    fig__windows *w = state_of(t);
    size_t n = (size_t)fig__windows_tokens(t);
    w->inputs = FIG_NEW_N(t->ctx, int32_t, 2 * n);
    if (!w->inputs) return FIG_ERR_NOMEM;
    w->targets = w->inputs + n;
    return FIG_OK;
}

void fig__windows_free(fig_trainer *t) {
    if (t->task_state) fig__free(t->ctx, state_of(t)->inputs);
    fig__free(t->ctx, t->task_state);
}

fig_status fig__windows_read(fig_trainer *t) {
    fig__windows *w = state_of(t);
    int total = (int)(t->o.batch_size * t->o.grad_accum);
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_EPOCH, (int)t->o.block_size, (uint64_t)t->o.seed};
    size_t n = (size_t)total * (size_t)t->o.block_size;
    FIG_TRY(
        fig_dataset_batch(t->data.text, &spec, (uint64_t)t->p.iter * (uint64_t)total, total, w->inputs, w->targets));
    w->n_targets = 0;
    for (size_t i = 0; i < n; i++) w->n_targets += w->targets[i] >= 0;
    t->p.n_tokens += w->n_targets;
    return FIG_OK;
}

void fig__put_positions(fig_plan *plan, const fig_lm_inputs *in, size_t time) {
    int32_t *positions = fig_plan_data(plan, in->positions);
    for (size_t i = 0; i < time; i++) positions[i] = (int32_t)i;
}

/* Two per weight forward, four backward, and attention's two products. */
double fig__windows_flops(const fig_trainer *t) {
    double c = (double)fig_model_get_int(t->model, "n_embd"), layers = (double)fig_model_get_int(t->model, "n_layer");
    double per_token = 6 * (double)fig_params_numel(t->params, false) + 12 * layers * c * (double)t->o.block_size;
    return per_token * fig__windows_tokens(t);
}

const char *fig__windows_data_id(const fig_trainer *t) {
    fig__windows *w = state_of(t);
    const fig_dataset_info *info = fig_dataset_get_info(t->data.text);
    snprintf(w->data_id, sizeof w->data_id, "%s, tokenizer %s", info->data_sha256, info->tokenizer_sha256);
    return w->data_id;
}

fig_status fig__windows_score(fig_trainer *t, fig__windows_fn *add_batch, double *mean) {
    fig_batch_spec spec = {FIG_SPLIT_VAL, FIG_SAMPLER_SEQUENTIAL, (int)t->o.block_size, 0};
    fig__held_out h = fig__held_out_of(t, fig_dataset_n_windows(t->data.text, &spec));
    fig__sums sums = {0};
    size_t rows;
    fig_status status = FIG_OK;
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, &spec, first, rows, &sums);
    }
    *mean = sums.n ? sums.nats / (double)sums.n : NAN;
    return status;
}
