/* cli/run.c: sizes by themselves, recipe.yaml, the model card. */
#include "cli/run.h"
#include <stdio.h>
#include "base/file.h"
#include "cli/meter.h"
#include "kernels/kernels.h"
#include "models/model.h"

#define MAX_ENTRIES 65536

/* --- sizes --------------------------------------------------------------------------------------------------------
 * The largest model that the text feeds and the time pays for. Text: about a byte of it per ten parameters is little
 * but enough with dropout. Time: fewer than MIN_STEPS steps leave a large model behind a small one. The share of peak
 * is what training reaches at these sizes; the trainer measures itself before it fixes the number of steps. */
#define MIN_STEPS 600
#define SHARE_OF_PEAK 0.2

typedef struct size {
    uint64_t text_bytes; /* at least */
    int64_t n_layer, n_head, n_embd, block_size, batch_size;
    double learning_rate;
} size;

static const size sizes[] = {
    {200000000, 12, 12, 768, 512, 16, 6e-4}, {20000000, 8, 8, 512, 256, 32, 6e-4}, {1000000, 6, 6, 384, 256, 32, 1e-3},
    {300000, 6, 6, 192, 128, 32, 1e-3},      {0, 4, 4, 128, 64, 32, 1e-3},
};

static double steps_in(const size *s, double seconds, double peak) {
    double parameters = 12.0 * (double)s->n_layer * (double)(s->n_embd * s->n_embd);
    double flops = 6 * parameters * (double)(s->batch_size * s->block_size);
    return seconds * peak * SHARE_OF_PEAK / flops;
}

/* A text that is read many times over is learnt by heart; dropout is what keeps the model inventing. Tried on 25 kB of
 * names: at 160 passes 0.2 had its best validation loss (2.02) in the first quarter, 0.4 still improved at the end. */
static double dropout_for(double passes) {
    static const double more_than[] = {2, 10, 40, 120};
    double dropout = 0;
    for (size_t i = 0; i < FIG_COUNT(more_than) && passes > more_than[i]; i++) dropout = 0.1 * (double)(i + 1);
    return dropout;
}

static bool is_given(const fig__run *run, const char *name) {
    return fig__args_source(run->args, name) != FIG_FROM_DEFAULT;
}

static void set_int(const fig__run *run, const char *name, int64_t value) {
    const fig_option *o = fig__option_find(*run->arch->options, name);
    if (o && !is_given(run, name)) *(int64_t *)(void *)((char *)run->model_config + o->offset) = value;
}

static double passes_over_text(const fig__run *run, const size *s) {
    double tokens = (double)fig_dataset_get_info(run->dataset)->split[FIG_SPLIT_TRAIN].n_tokens;
    return steps_in(s, run->minutes * 60, run->peak) * (double)(s->batch_size * s->block_size) / tokens;
}

static void apply_size(fig__run *run, const size *s) {
    const fig_option *dropout = fig__option_find(*run->arch->options, "dropout");
    set_int(run, "n_layer", s->n_layer);
    set_int(run, "n_head", s->n_head);
    set_int(run, "n_embd", s->n_embd);
    set_int(run, "block_size", s->block_size);
    if (dropout && !is_given(run, "dropout"))
        *(double *)(void *)((char *)run->model_config + dropout->offset) = dropout_for(passes_over_text(run, s));
    if (!is_given(run, "batch_size")) run->train.batch_size = s->batch_size;
    if (is_given(run, "learning_rate")) return;
    run->train.learning_rate = s->learning_rate;
    if (!is_given(run, "min_lr")) run->train.min_lr = s->learning_rate / 10;
}

fig_status fig__choose_size(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    bool sized = is_given(run, "n_layer") || is_given(run, "n_embd") || is_given(run, "n_head");
    run->size = -1;
    if (sized || run->minutes <= 0) return FIG_OK;
    bool bf16 = run->dtype == 2 || (run->dtype == 0 && fig_cpu_has_bf16(ctx));
    run->peak = figk_peak_flops(ctx, bf16 ? FIG_BF16 : FIG_F32, fig_n_threads(ctx));
    uint64_t bytes = fig_dataset_get_info(run->dataset)->split[FIG_SPLIT_TRAIN].bytes;
    const size *last = &sizes[FIG_COUNT(sizes) - 1], *s = sizes;
    while (s < last && (bytes < s->text_bytes || steps_in(s, run->minutes * 60, run->peak) < MIN_STEPS)) s++;
    apply_size(run, s);
    run->size = (int)(s - sizes);
    return FIG_OK;
}

/* An evaluation costs a third of a step per batch: it has no backward pass. Each gets a fiftieth of the time at most.
 */
static double limit_evaluations(fig__run *run, double seconds, double seconds_per_iter) {
    fig_train_options *t = &run->train;
    double tokens = (double)fig_dataset_get_info(run->dataset)->split[FIG_SPLIT_VAL].n_tokens;
    double batches = tokens / (double)(t->batch_size * t->block_size), batch_seconds = seconds_per_iter / 3;
    double affordable = seconds / 50 / batch_seconds;
    if (batches > affordable && !is_given(run, "eval_iters")) t->eval_iters = FIG_MAX((int64_t)affordable, 1);
    if (t->eval_iters) batches = FIG_MIN(batches, (double)t->eval_iters);
    return batches * batch_seconds;
}

bool fig__fit_to_time(fig__run *run, double seconds_per_iter) {
    fig_train_options *t = &run->train;
    double seconds = run->minutes * 60 * 0.95; /* the rest: samples, checkpoints, reading and writing */
    double evaluation = limit_evaluations(run, seconds, seconds_per_iter);
    int64_t steps = FIG_MAX((int64_t)((seconds - 5 * evaluation) / seconds_per_iter), 20);
    bool smaller_exists = run->size >= 0 && run->size + 1 < (int)FIG_COUNT(sizes);
    if (steps < MIN_STEPS / 2 && smaller_exists) {
        apply_size(run, &sizes[++run->size]);
        return false;
    }
    run->minutes = 0; /* recipe.yaml says what came of them, so that it gives the same weights anywhere */
    t->max_iters = steps;
    if (!is_given(run, "eval_interval")) t->eval_interval = (steps + 3) / 4;
    if (!is_given(run, "checkpoint_interval")) t->checkpoint_interval = (steps + 3) / 4;
    if (!is_given(run, "warmup_iters")) t->warmup_iters = FIG_MIN(t->warmup_iters, steps / 10);
    return true;
}

/* --- recipe.yaml --------------------------------------------------------------------------------------------------*/

/* What says how a command is to go, not what a run is. */
static bool is_no_setting(const char *name) {
    static const char *const names[] = {"resume", "force", "plan", "showcase"};
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
    const fig_dataset_info *info = fig_dataset_get_info(run->dataset);
    const char *licence = run->licence ? run->licence : *info->licence ? info->licence : "not stated";
    FIG_TRY(fig__buf_adds(b, "## Data\n\n"));
    if (*info->origin) FIG_TRY(fig__buf_printf(b, "- origin: %s\n", info->origin));
    for (size_t i = 0; i < run->data.n; i++) FIG_TRY(fig__buf_printf(b, "- `%s`\n", fig__path_base(run->data.data[i])));
    FIG_TRY(fig__buf_printf(b, "- sha256: `%s`\n- licence: %s\n", info->data_sha256, licence));
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        FIG_TRY(fig__buf_printf(b, "- %s: %llu tokens of %llu bytes\n", i ? "held out" : "learnt from",
                                (unsigned long long)info->split[i].n_tokens, (unsigned long long)info->split[i].bytes));
    return FIG_OK;
}

static fig_status card_model(const fig__run *run, fig__buf *b) {
    char count[32];
    const fig_tokenizer *tok = fig_model_tokenizer(run->model);
    FIG_TRY(fig__buf_printf(b, "\n## Model\n\n- %s: %s, %s parameters\n", run->arch->name, run->arch->summary,
                            fig__human_count((double)fig_model_n_params(run->model), count)));
    FIG_TRY(fig__buf_printf(b, "- %lld layers, %lld heads, width %lld, context %lld tokens\n",
                            (long long)fig_model_get_int(run->model, "n_layer"),
                            (long long)fig_model_get_int(run->model, "n_head"),
                            (long long)fig_model_get_int(run->model, "n_embd"), (long long)run->train.block_size));
    return fig__buf_printf(b, "- tokenizer: %s, %d tokens\n", fig_tokenizer_kind_name(fig_tokenizer_get_kind(tok)),
                           (int)fig_tokenizer_vocab_size(tok));
}

static fig_status card_scores(const fig__run *run, fig__buf *b) {
    const fig_train_report *r = &run->report;
    FIG_TRY(fig__buf_printf(b, "\n## Scores\n\n| | |\n|---|---|\n| steps | %lld |\n", (long long)r->iters));
    FIG_TRY(fig__buf_printf(b, "| validation loss at the end | %.4f nats per token, %.4f bits per byte |\n",
                            r->val_loss, r->val_bpb));
    FIG_TRY(fig__buf_printf(b, "| best validation loss | %.4f, at step %lld: these are the weights here |\n",
                            r->best_val_loss, (long long)r->best_iter));
    FIG_TRY(fig__buf_printf(b, "| seed | %lld |\n", (long long)run->train.seed));
    return fig__buf_printf(
        b,
        "\nMade with figment %s; `recipe.yaml` says exactly how. It writes what is likely after its\n"
        "training text; nothing it says is checked.\n",
        FIG_VERSION_STRING);
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
