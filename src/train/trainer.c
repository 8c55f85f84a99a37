/* train/trainer.c: what a run needs, worked out before memory is taken: graphs, plans, sizes, checks. */
#include "train/train.h"
#include <fig/ops.h>

void fig__phase_free(fig__phase *phase) {
    fig_plan_free(phase->plan);
    fig_graph_free(phase->g);
    *phase = (fig__phase){0};
}

void fig__phase_loss(const fig_trainer *t, fig__phase *phase, fig_tensor *mean) {
    fig_graph *g = phase->g;
    phase->loss = fig_scale(g, fig_reshape(g, mean, 1, (int64_t[]){1}), 1.0 / (double)t->o.grad_accum);
}

fig_status fig__phase_descend(fig_trainer *t, fig__phase *phase, fig_tensor *mean) {
    fig__phase_loss(t, phase, mean);
    fig_backward_params_of(phase->g, phase->loss, phase->pattern);
    return fig__phase_plan(phase);
}

fig_status fig__phase_plan(fig__phase *phase) {
    FIG_TRY(fig_graph_status(phase->g));
    return fig_plan_new(phase->g, &phase->loss, 1, NULL, &phase->plan);
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

/* Partial gradients that wait for their sibling in the tree over micro-batches. */
static int tree_levels(int64_t n) {
    int levels = 0;
    while ((int64_t)1 << levels < n) levels++;
    return levels;
}

/* Of all networks, scratch of all threads included. */
static fig_status networks_bytes(const fig_trainer *t, size_t *arena, size_t *all) {
    size_t own = 0, scratch = 0;
    if (t->task->memory) FIG_TRY(t->task->memory(t, &own, &scratch));
    *arena = 0;
    if (t->eval.plan) {
        fig_plan_memory m = fig_plan_memory_of(t->eval.plan);
        own += m.arena_bytes;
        scratch = FIG_MAX(scratch, m.scratch_bytes);
    }
    for (int i = 0; i < t->n_phases; i++) {
        fig_plan_memory m = fig_plan_memory_of(t->phases[i].plan);
        *arena += m.arena_bytes;
        scratch = FIG_MAX(scratch, m.scratch_bytes);
    }
    *all = *arena + own + scratch * (size_t)fig_n_threads(t->ctx);
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

static fig_status trainer_init(fig_trainer *t) {
    const char *task = fig__model_family(t->model)->name;
    t->task = fig__task_find(task);
    FIG_CHECK(t->ctx, t->task, FIG_ERR_ARG, "%s: there is no task of that name to train for", task);
    FIG_CHECK(t->ctx, t->o.out_dir, FIG_ERR_ARG, "no --out folder is given");
    FIG_TRY(fig_model_shape(t->model));
    return t->task->record(t);
}

fig_status fig_trainer_new(fig_model *model, const fig_train_data *data, const fig_train_options *options,
                           fig_trainer **out) {
    fig_context *ctx = fig_model_context(model);
    *out = NULL;
    fig_trainer *t = FIG_NEW(ctx, fig_trainer);
    if (!t) return FIG_ERR_NOMEM;
    *t = (fig_trainer){.ctx = ctx, .model = model, .params = fig_model_params(model), .data = *data, .o = *options};
    fig_status status = trainer_init(t);
    t->records = fig_memory(ctx).bytes_now;
    if (!status) status = check_memory(t);
    if (status) {
        fig_trainer_free(t);
        return status;
    }
    *out = t;
    return FIG_OK;
}

static fig_status take_memory(fig_trainer *t) {
    size_t n_flat;
    FIG_TRY(fig_model_init(t->model));
    for (int i = 0; i < t->n_phases; i++) FIG_TRY(fig_plan_alloc(t->phases[i].plan));
    if (t->eval.plan) FIG_TRY(fig_plan_alloc(t->eval.plan));
    FIG_TRY(fig__optimizer_new(t->ctx, t->params, &t->o, &t->opt));
    for (int i = 0; i < t->n_phases; i++)
        FIG_TRY(fig__optimizer_part(t->opt, t->phases[i].pattern, &t->phases[i].part));
    fig_params_grads(t->params, &n_flat);
    t->n_levels = tree_levels(t->o.grad_accum);
    t->levels = FIG_NEW_N(t->ctx, float *, (size_t)t->n_levels + 1);
    t->level_used = FIG_NEW_N(t->ctx, bool, (size_t)t->n_levels + 1);
    if (!t->levels || !t->level_used) return FIG_ERR_NOMEM;
    for (int i = 0; i < t->n_levels; i++)
        if (!(t->levels[i] = FIG_NEW_N(t->ctx, float, n_flat))) return FIG_ERR_NOMEM;
    return t->task->ready ? t->task->ready(t) : FIG_OK;
}

fig_status fig__trainer_ready(fig_trainer *t) {
    if (t->ready) return FIG_OK;
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
    fig_drawer_free(t->drawer);
    if (t->task && t->task->free)
        t->task->free(t);
    else
        fig__free(ctx, t->task_state);
    fig__phase_free(&t->eval);
    for (int i = 0; i < t->n_phases; i++) fig__phase_free(&t->phases[i]);
    fig__optimizer_free(t->opt);
    for (int i = 0; i < t->n_levels && t->levels; i++) fig__free(ctx, t->levels[i]);
    fig__free(ctx, t->rows);
    fig__free(ctx, t->levels);
    fig__free(ctx, t->level_used);
    if (t->log) fclose(t->log);
    fig__free(ctx, t);
}

/* --- the plan ---------------------------------------------------------------------------------------------------*/

fig_status fig_trainer_plan(fig_trainer *t, double measure_seconds, fig_train_plan *plan) {
    size_t arena, networks, n_flat = 0;
    FIG_TRY(networks_bytes(t, &arena, &networks));
    for (size_t i = 0; i < fig_params_count(t->params); i++) {
        fig_param_info p = fig_params_at(t->params, i);
        if (p.trainable) n_flat += fig__round_up(p.numel, 16);
    }
    *plan = (fig_train_plan){.n_params = fig_params_numel(t->params, false),
                             .params_bytes = fig_params_bytes(t->params),
                             .optimizer_bytes = fig__optimizer_bytes(t->ctx, t->params, &t->o),
                             .arena_bytes = arena,
                             .flops_per_iter = t->task->flops(t)};
    plan->total_bytes = t->records + plan->params_bytes + plan->optimizer_bytes + networks +
                        (uint64_t)tree_levels(t->o.grad_accum) * n_flat * sizeof(float);
    if (measure_seconds <= 0) return FIG_OK;
    FIG_TRY(fig__trainer_measure(t, measure_seconds, &plan->seconds_per_iter));
    plan->seconds = plan->seconds_per_iter * (double)t->o.max_iters;
    return FIG_OK;
}
