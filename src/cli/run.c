/* cli/run.c: the length of a run, recipe.yaml, the model card. */
#include "cli/run.h"
#include <math.h>
#include <stdio.h>
#include "base/file.h"
#include "cli/meter.h"

#define MAX_ENTRIES 65536

/* --- sizes --------------------------------------------------------------------------------------------------------*/

bool fig__is_given(const fig__run *run, const char *name) {
    return fig__args_source(run->args, name) != FIG_FROM_DEFAULT;
}

fig_dtype fig__run_dtype(const fig__run *run) {
    fig_dtype usual = fig_cpu_favors_bf16(run->args->ctx) ? FIG_BF16 : FIG_F32;
    const fig_dtype dtypes[] = {usual, FIG_F32, FIG_BF16};
    return dtypes[run->dtype];
}

/* An evaluation costs a third of a step per batch: it has no backward pass. Each gets a fiftieth of the time at most.
 */
static double limit_evaluations(fig__run *run, double seconds, double seconds_per_iter) {
    fig_train_options *t = &run->train;
    double batches = run->medium->val_batches(run), batch_seconds = seconds_per_iter / 3;
    double affordable = seconds / 50 / batch_seconds;
    if (batches > affordable && !fig__is_given(run, "eval_iters")) t->eval_iters = FIG_MAX((int64_t)affordable, 1);
    if (t->eval_iters) batches = FIG_MIN(batches, (double)t->eval_iters);
    return batches * batch_seconds;
}

bool fig__fit_to_time(fig__run *run, double seconds_per_iter) {
    fig_train_options *t = &run->train;
    double seconds = run->minutes * 60 * 0.95; /* the rest: samples, checkpoints, reading and writing */
    double evaluation = limit_evaluations(run, seconds, seconds_per_iter);
    int64_t steps = FIG_MAX((int64_t)((seconds - 5 * evaluation) / seconds_per_iter), 20);
    if (steps < FIG__MIN_STEPS / 2 && run->medium->take_smaller && run->medium->take_smaller(run)) return false;
    run->minutes = 0; /* recipe.yaml says what came of them, so that it gives the same weights anywhere */
    t->max_iters = steps;
    if (!fig__is_given(run, "eval_interval")) t->eval_interval = (steps + 3) / 4;
    if (!fig__is_given(run, "checkpoint_interval")) t->checkpoint_interval = (steps + 3) / 4;
    if (!fig__is_given(run, "warmup_iters")) t->warmup_iters = FIG_MIN(t->warmup_iters, steps / 10);
    return true;
}

/* --- recipe.yaml --------------------------------------------------------------------------------------------------*/

/* What says how a command is to go, not what a run is. */
static bool is_no_setting(const char *name) {
    static const char *const names[] = {"resume", "force", "plan", "profile", "showcase"};
    for (size_t i = 0; i < FIG_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static fig_status put_table(fig__json *all, const fig__binding *b) {
    for (size_t i = 0; i < b->table->n; i++) {
        const fig_option *o = &b->table->rows[i];
        bool skipped = !o->name || is_no_setting(o->name) || fig__json_get(all, o->name);
        if (!skipped) FIG_TRY(fig__json_put(all, o->name, fig__option_get_json(o, b->values)));
    }
    return FIG_OK;
}

fig_status fig__recipe_save(const fig__run *run) {
    fig_context *ctx = run->args->ctx;
    const char *path = fig__arena_printf(run->args->arena, "%s/recipe.yaml", run->train.out_dir);
    fig__json *all = fig__json_new_object();
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    fig_status status = all && path ? FIG_OK : FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory");
    for (size_t i = 0; !status && i < run->args->n_bound; i++)
        if (run->args->bound[i].table != &fig__global_table) status = put_table(all, &run->args->bound[i]);
    if (!status)
        status =
            fig__buf_printf(&text, "# figment %s: what was run; figment train takes it as it is\n", FIG_VERSION_STRING);
    if (!status) status = fig__yaml_write(all, &text);
    if (!status) status = fig__file_write(ctx, path, text.data, text.len);
    fig__buf_deinit(&text);
    fig__json_free(all);
    return status;
}

/* --- folders of runs ----------------------------------------------------------------------------------------------*/

static const char *const run_files[] = {"recipe.yaml", "log.jsonl", "model.safetensors", "checkpoints"};

bool fig__is_run(fig_context *ctx, const char *dir) {
    bool found = false;
    for (size_t i = 0; i < FIG_COUNT(run_files) && !found; i++) {
        char *path = fig__path_join(ctx, dir, run_files[i]);
        found = path && fig__path_exists(path);
        fig__free(ctx, path);
    }
    return found;
}

/* Only what a run writes is removed; files of the person's own stay. */
fig_status fig__clear_run(fig_context *ctx, const char *dir) {
    static const char *const also[] = {"samples", "config.json", "tokenizer.json", "generation_config.json",
                                       "README.md"};
    fig_status status = FIG_OK;
    for (size_t i = 0; i < FIG_COUNT(run_files) + FIG_COUNT(also) && !status; i++) {
        const char *name = i < FIG_COUNT(run_files) ? run_files[i] : also[i - FIG_COUNT(run_files)];
        char *path = fig__path_join(ctx, dir, name);
        if (!path) return FIG_ERR_NOMEM;
        if (fig__path_is_dir(path))
            status = fig__dir_remove(ctx, path);
        else
            remove(path);
        fig__free(ctx, path);
    }
    return status;
}

/* --- the model card -----------------------------------------------------------------------------------------------*/

static fig_status card_data(const fig__run *run, fig__buf *b) {
    fig__facts f = run->medium->facts(run);
    const char *licence = run->licence ? run->licence : *f.licence ? f.licence : "not stated";
    FIG_TRY(fig__buf_adds(b, "## Data\n\n"));
    if (*f.origin) FIG_TRY(fig__buf_printf(b, "- origin: %s\n", f.origin));
    for (size_t i = 0; i < run->data.n; i++) FIG_TRY(fig__buf_printf(b, "- `%s`\n", fig__path_base(run->data.data[i])));
    FIG_TRY(fig__buf_printf(b, "- sha256: `%s`\n- licence: %s\n", f.data_sha256, licence));
    return run->medium->card_data(run, b);
}

static fig_status card_model(const fig__run *run, fig__buf *b) {
    char count[32];
    FIG_TRY(fig__buf_printf(b, "\n## Model\n\n- %s: %s, %s parameters\n", run->arch->name, run->arch->summary,
                            fig__human_count((double)fig_model_n_params(run->model), count)));
    return run->medium->card_model(run, b);
}

static fig_status card_scores(const fig__run *run, fig__buf *b) {
    const fig_train_report *r = &run->report;
    FIG_TRY(fig__buf_printf(b, "\n## Scores\n\n| | |\n|---|---|\n| steps | %lld |\n", (long long)r->iters));
    for (size_t i = 0; i < r->scores.n; i++)
        if (!isnan(r->scores.data[i].value))
            FIG_TRY(fig__buf_printf(b, "| %s at the end | %.4f |\n", r->scores.data[i].name, r->scores.data[i].value));
    if (isfinite(r->best_val_loss)) /* GANs have none */
        FIG_TRY(fig__buf_printf(
            b, "| best validation loss | %.4f, at step %lld%s |\n", r->best_val_loss, (long long)r->best_iter,
            run->train.save ? "; the weights here are the last ones" : ": these are the weights here"));
    FIG_TRY(fig__buf_printf(b, "| seed | %lld |\n", (long long)run->train.seed));
    return fig__buf_printf(b, "\nMade with figment %s; `recipe.yaml` says exactly how. %s\n", FIG_VERSION_STRING,
                           run->medium->caution);
}

fig_status fig__card_save(const fig__run *run) {
    fig_context *ctx = run->args->ctx;
    const char *dir = run->train.out_dir;
    const char *path = fig__arena_printf(run->args->arena, "%s/README.md", dir);
    fig__buf b;
    fig__buf_init(&b, ctx, 1 << 20);
    fig_status status = path ? fig__buf_printf(&b, "# %s\n\n", fig__path_base(dir)) : FIG_ERR_NOMEM;
    if (!status) status = card_data(run, &b);
    if (!status) status = card_model(run, &b);
    if (!status) status = card_scores(run, &b);
    if (!status) status = fig__file_write(ctx, path, b.data, b.len);
    fig__buf_deinit(&b);
    return status;
}
