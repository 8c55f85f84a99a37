/* train/trainer.c: what a run needs, worked out before memory is taken: graphs, plans, sizes, checks. */
#include "train/train.h"
#include <fig/ops.h>
#include "gen/generate.h"

/* --- graphs -----------------------------------------------------------------------------------------------------*/

void fig__network_free(fig__network *n) {
    fig_plan_free(n->plan);
    fig_graph_free(n->g);
    *n = (fig__network){0};
}

static size_t vocab_of(const fig_model *m) { return (size_t)fig_model_get_int(m, "vocab_size"); }

/* Loss of each token; in training also their sum over `count`, the tokens of the whole batch, and its gradients. */
static fig_status network_new(fig_trainer *t, fig_mode mode, fig__network *n) {
    size_t b = (size_t)t->o.batch_size, time = (size_t)t->o.block_size;
    fig_tensor *head;
    n->g = fig_model_graph(t->model, mode, b, time, &n->in);
    if (!n->g) return FIG_ERR_NOMEM;
    fig_tensor *x = fig_model_hidden(t->model, n->g, &n->in, &head);
    n->targets = fig_input(n->g, "targets", FIG_I32, 2, (size_t[]){b, time});
    n->loss = fig_linear_cross_entropy(n->g, x, head, n->targets, vocab_of(t->model));
    if (mode == FIG_TRAIN) {
        n->count = fig_input(n->g, "count", FIG_F32, 1, (size_t[]){1});
        n->loss = fig_masked_mean(n->g, n->loss, n->count);
        fig_backward_params(n->g, n->loss);
    }
    FIG_TRY(fig_graph_status(n->g));
    return fig_plan_new(n->g, &n->loss, 1, NULL, &n->plan);
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

/* Partial gradients that wait for their sibling in the tree over micro-batches. */
static int tree_levels(int64_t n) {
    int levels = 0;
    while ((int64_t)1 << levels < n) levels++;
    return levels;
}

static bool writes_samples(const fig_trainer *t) { return t->o.sample_tokens > 0 && fig_model_tokenizer(t->model); }

/* Of the networks for training, evaluation and samples, scratch of all threads included. */
static fig_status networks_bytes(const fig_trainer *t, size_t *arena, size_t *all) {
    fig_plan_memory a = fig_plan_memory_of(t->train.plan), b = fig_plan_memory_of(t->eval.plan);
    size_t generator = 0, scratch = 0, places = (size_t)t->o.sample_count;
    size_t n_ctx = (size_t)fig_model_get_int(t->model, "block_size");
    if (writes_samples(t)) FIG_TRY(fig__generator_bytes(t->model, places, n_ctx, &generator, &scratch));
    scratch = FIG_MAX(scratch, FIG_MAX(a.scratch_bytes, b.scratch_bytes));
    *arena = a.arena_bytes + b.arena_bytes;
    *all = *arena + generator + scratch * (size_t)fig_n_threads(t->ctx);
    return FIG_OK;
}

static uint64_t meminfo(const char *key) {
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), ": %llu", &kb) == 1) break;
    if (f) fclose(f);
    return kb * 1024;
}

static fig_status check_memory(fig_trainer *t) {
    fig_train_plan plan;
    FIG_TRY(fig_trainer_plan(t, 0, &plan));
    uint64_t free_bytes = meminfo("MemAvailable");
    FIG_CHECK(t->ctx, !free_bytes || plan.total_bytes < free_bytes, FIG_ERR_LIMIT,
              "training needs %.1f GB and %.1f GB are free; lower --batch_size (now %lld), --block_size or --n_layer",
              (double)plan.total_bytes / 1e9, (double)free_bytes / 1e9, (long long)t->o.batch_size);
    return FIG_OK;
}

/* --- making -----------------------------------------------------------------------------------------------------*/

static fig_status check_options(fig_trainer *t) {
    const fig_dataset_info *info = fig_dataset_get_info(t->data);
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
    FIG_CHECK(t->ctx, t->o.out_dir, FIG_ERR_ARG, "no --out folder is given");
    return FIG_OK;
}

static fig_status trainer_init(fig_trainer *t) {
    if (!t->o.block_size) t->o.block_size = fig_model_get_int(t->model, "block_size");
    FIG_TRY(fig_model_shape(t->model));
    FIG_TRY(check_options(t));
    FIG_TRY(network_new(t, FIG_TRAIN, &t->train));
    FIG_TRY(network_new(t, FIG_EVAL, &t->eval));
    return FIG_OK;
}

fig_status fig_trainer_new(fig_model *model, fig_dataset *data, const fig_train_options *options, fig_trainer **out) {
    fig_context *ctx = fig_model_context(model);
    *out = NULL;
    fig_trainer *t = FIG_NEW(ctx, fig_trainer);
    if (!t) return FIG_ERR_NOMEM;
    *t = (fig_trainer){.ctx = ctx, .model = model, .params = fig_model_params(model), .data = data, .o = *options};
    fig_status status = trainer_init(t);
    t->records = fig_memory(ctx).bytes_now;
    if (status) {
        fig_trainer_free(t);
        return status;
    }
    *out = t;
    return FIG_OK;
}

static fig_status take_memory(fig_trainer *t) {
    size_t n_flat, tokens = (size_t)(t->o.grad_accum * t->o.batch_size * t->o.block_size);
    FIG_TRY(fig_model_init(t->model));
    FIG_TRY(fig_plan_alloc(t->train.plan));
    FIG_TRY(fig_plan_alloc(t->eval.plan));
    FIG_TRY(fig__optimizer_new(t->ctx, t->params, &t->o, &t->opt));
    fig_params_grads(t->params, &n_flat);
    t->n_levels = tree_levels(t->o.grad_accum);
    t->levels = FIG_NEW_N(t->ctx, float *, (size_t)t->n_levels + 1);
    t->level_used = FIG_NEW_N(t->ctx, bool, (size_t)t->n_levels + 1);
    t->inputs = FIG_NEW_N(t->ctx, int32_t, 2 * tokens);
    if (!t->levels || !t->level_used || !t->inputs) return FIG_ERR_NOMEM;
    t->targets = t->inputs + tokens;
    for (int i = 0; i < t->n_levels; i++)
        if (!(t->levels[i] = FIG_NEW_N(t->ctx, float, n_flat))) return FIG_ERR_NOMEM;
    if (writes_samples(t)) FIG_TRY(fig_generator_new(t->model, (size_t)t->o.sample_count, 0, &t->gen));
    return FIG_OK;
}

fig_status fig__trainer_ready(fig_trainer *t) {
    if (t->ready) return FIG_OK;
    FIG_TRY(check_memory(t));
    fig_status status = take_memory(t);
    if (status == FIG_ERR_NOMEM)
        return FIG_FAIL(t->ctx, FIG_ERR_NOMEM,
                        "training does not fit in memory; lower --batch_size (now %lld), --block_size or --n_layer",
                        (long long)t->o.batch_size);
    t->ready = !status;
    return status;
}

void fig_trainer_free(fig_trainer *t) {
    if (!t) return;
    fig_context *ctx = t->ctx;
    fig_generator_free(t->gen);
    fig__network_free(&t->train);
    fig__network_free(&t->eval);
    fig__optimizer_free(t->opt);
    for (int i = 0; i < t->n_levels && t->levels; i++) fig__free(ctx, t->levels[i]);
    fig__free(ctx, t->levels);
    fig__free(ctx, t->level_used);
    fig__free(ctx, t->inputs);
    if (t->log) fclose(t->log);
    fig__free(ctx, t);
}

/* --- the plan ---------------------------------------------------------------------------------------------------*/

/* 6N + 12 L C T operations per token: two per weight forward, four backward, and attention's two products. */
double fig__flops_per_token(const fig_trainer *t) {
    double c = (double)fig_model_get_int(t->model, "n_embd"), layers = (double)fig_model_get_int(t->model, "n_layer");
    return 6 * (double)fig_params_numel(t->params, false) + 12 * layers * c * (double)t->o.block_size;
}

static fig_status measure(fig_trainer *t, double seconds, double *per_iter) {
    double loss, norm, start = 0, now = 0;
    fig__progress keep = t->p;
    int steps = -1; /* the first pays for cold memory and is not counted */
    FIG_TRY(fig__trainer_ready(t));
    for (; steps < 2 || now - start < seconds; steps++) {
        FIG_TRY(fig__train_step(t, &loss, &norm));
        now = fig__now();
        if (steps < 0) start = now;
    }
    t->p = keep;
    *per_iter = (now - start) / steps;
    return FIG_OK;
}

fig_status fig_trainer_plan(fig_trainer *t, double measure_seconds, fig_train_plan *plan) {
    size_t arena, networks, n_flat = 0;
    FIG_TRY(networks_bytes(t, &arena, &networks));
    for (size_t i = 0; i < fig_params_count(t->params); i++) {
        fig_param_info p = fig_params_at(t->params, i);
        if (p.trainable) n_flat += fig__round_up(p.numel, 16);
    }
    double tokens = (double)(t->o.grad_accum * t->o.batch_size * t->o.block_size);
    *plan = (fig_train_plan){.n_params = fig_params_numel(t->params, false),
                             .params_bytes = fig_params_bytes(t->params),
                             .optimizer_bytes = fig__optimizer_bytes(t->ctx, t->params, &t->o),
                             .arena_bytes = arena,
                             .flops_per_iter = fig__flops_per_token(t) * tokens};
    plan->total_bytes = t->records + plan->params_bytes + plan->optimizer_bytes + networks + (uint64_t)(tokens * 8) +
                        (uint64_t)tree_levels(t->o.grad_accum) * n_flat * sizeof(float);
    if (measure_seconds <= 0) return FIG_OK;
    FIG_TRY(measure(t, measure_seconds, &plan->seconds_per_iter));
    plan->seconds = plan->seconds_per_iter * (double)t->o.max_iters;
    return FIG_OK;
}
