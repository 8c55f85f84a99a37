/* cli/train_text.c: what figment train does for text: tokenizer and token shards, sizes, the card's lines. */
#include "base/file.h"
#include "cli/meter.h"
#include "cli/run.h"
#include "kernels/kernels.h"
#include "models/model.h"

/* --- data ---------------------------------------------------------------------------------------------------------*/

static bool tokenizer_is_asked_for(const fig__run *run) {
    static const char *const names[] = {"tokenizer", "vocab_size", "special"};
    bool asked = false;
    for (size_t i = 0; i < FIG_COUNT(names); i++) asked |= fig__args_source(run->args, names[i]) > FIG_FROM_RECIPE;
    return asked;
}

/* A run that goes on keeps the tokenizer that it learnt. */
static fig_status make_tokenizer(fig__run *run, fig_tokenizer **tok) {
    fig_context *ctx = run->args->ctx;
    const char *kept = fig__arena_printf(run->args->arena, "%s/tokenizer.json", run->data_dir);
    if (!kept) return FIG_ERR_NOMEM;
    if (run->train.resume && !tokenizer_is_asked_for(run) && fig__path_exists(kept))
        return fig_tokenizer_load(ctx, kept, tok);
    if (!fig__tokenizer_is_learnt(&run->tokenizer)) return fig__tokenizer_open(ctx, run->tokenizer.name, tok);
    return fig__tokenizer_from_text(ctx, &run->data, &run->tokenizer, NULL, tok);
}

static fig_status prepare(fig__run *run) {
    fig_dataset_info info;
    fig_tokenizer *tok;
    FIG_TRY(make_tokenizer(run, &tok));
    fig_dataset_options o = fig_dataset_options_default();
    o.paths = run->data.data;
    o.n_paths = run->data.n;
    o.tokenizer = tok;
    o.out_dir = run->data_dir;
    o.val_fraction = run->val_fraction;
    o.force = run->train.force;
    o.progress = fig__meter_dataset;
    fig_status status = fig_dataset_prepare(run->args->ctx, &o, &info);
    fig_tokenizer_free(tok);
    if (!status) fig__note_text(&info.text);
    if (status == FIG_ERR_EXISTS && run->train.resume)
        return FIG_FAIL(run->args->ctx, FIG_ERR_ARG,
                        "--resume: the data or its tokenizer is not that of %s; start a new --out", run->train.out_dir);
    return status;
}

static fig_status open_text(fig__run *run) {
    return fig_dataset_open(run->args->ctx, run->data_dir, &run->content.text);
}

static fig_status check_flags(const fig__run *run, bool prepared) {
    FIG_CHECK(run->args->ctx, !prepared || !tokenizer_is_asked_for(run), FIG_ERR_ARG,
              "--tokenizer: %s is prepared and has its own", run->data.data[0]);
    return FIG_OK;
}

static fig_status dress(fig__run *run) {
    fig_tokenizer *tok;
    FIG_TRY(fig_tokenizer_load(run->args->ctx, run->data_dir, &tok));
    FIG_TRY(fig_model_set_tokenizer(run->model, tok));
    run->train.block_size = fig_model_get_int(run->model, "block_size");
    return FIG_OK;
}

/* --- sizes --------------------------------------------------------------------------------------------------------
 * The largest model that the text feeds and the time pays for. Text: about a byte of it per ten parameters is little
 * but enough with dropout. Time: fewer than MIN_STEPS steps leave a large model behind a small one. The share of peak
 * is what training reaches at these sizes; the trainer measures itself before it fixes the number of steps. */
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

static void set_int(const fig__run *run, const char *name, int64_t value) {
    const fig_option *o = fig__option_find(*run->arch->options, name);
    if (o && !fig__is_given(run, name)) *(int64_t *)(void *)((char *)run->model_config + o->offset) = value;
}

static double passes_over_text(const fig__run *run, const size *s) {
    double tokens = (double)fig_dataset_get_info(run->content.text)->split[FIG_SPLIT_TRAIN].n_tokens;
    return steps_in(s, run->minutes * 60, run->peak) * (double)(s->batch_size * s->block_size) / tokens;
}

static void apply_size(fig__run *run, const size *s) {
    const fig_option *dropout = fig__option_find(*run->arch->options, "dropout");
    set_int(run, "n_layer", s->n_layer);
    set_int(run, "n_head", s->n_head);
    set_int(run, "n_embd", s->n_embd);
    set_int(run, "block_size", s->block_size);
    if (dropout && !fig__is_given(run, "dropout"))
        *(double *)(void *)((char *)run->model_config + dropout->offset) = dropout_for(passes_over_text(run, s));
    if (!fig__is_given(run, "batch_size")) run->train.batch_size = s->batch_size;
    if (fig__is_given(run, "learning_rate")) return;
    run->train.learning_rate = s->learning_rate;
    if (!fig__is_given(run, "min_lr")) run->train.min_lr = s->learning_rate / 10;
}

static fig_status choose_size(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    bool sized = fig__is_given(run, "n_layer") || fig__is_given(run, "n_embd") || fig__is_given(run, "n_head");
    if (sized || run->minutes <= 0) return FIG_OK;
    run->peak = figk_peak_flops(ctx, fig__run_dtype(run), fig_n_threads(ctx));
    uint64_t bytes = fig_dataset_get_info(run->content.text)->split[FIG_SPLIT_TRAIN].bytes;
    const size *last = &sizes[FIG_COUNT(sizes) - 1], *s = sizes;
    while (s < last && (bytes < s->text_bytes || steps_in(s, run->minutes * 60, run->peak) < FIG__MIN_STEPS)) s++;
    apply_size(run, s);
    run->size = (int)(s - sizes);
    return FIG_OK;
}

static bool take_smaller(fig__run *run) {
    if (run->size < 0 || run->size + 1 >= (int)FIG_COUNT(sizes)) return false;
    apply_size(run, &sizes[++run->size]);
    return true;
}

static double val_batches(const fig__run *run) {
    double tokens = (double)fig_dataset_get_info(run->content.text)->split[FIG_SPLIT_VAL].n_tokens;
    return tokens / (double)(run->train.batch_size * run->train.block_size);
}

/* --- in words -----------------------------------------------------------------------------------------------------*/

static void describe(const fig__run *run, char *text, size_t len) {
    snprintf(text, len, "%lld layers of width %lld, context %lld", (long long)fig_model_get_int(run->model, "n_layer"),
             (long long)fig_model_get_int(run->model, "n_embd"), (long long)run->train.block_size);
}

static fig__facts facts(const fig__run *run) {
    const fig_dataset_info *info = fig_dataset_get_info(run->content.text);
    return (fig__facts){info->origin, info->licence, info->data_sha256};
}

static fig_status card_data(const fig__run *run, fig__buf *b) {
    const fig_dataset_info *info = fig_dataset_get_info(run->content.text);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        FIG_TRY(fig__buf_printf(b, "- %s: %llu tokens of %llu bytes\n", i ? "held out" : "learnt from",
                                (unsigned long long)info->split[i].n_tokens, (unsigned long long)info->split[i].bytes));
    return FIG_OK;
}

static fig_status card_model(const fig__run *run, fig__buf *b) {
    const fig_tokenizer *tok = fig_model_tokenizer(run->model);
    FIG_TRY(fig__buf_printf(b, "- %lld layers, %lld heads, width %lld, context %lld tokens\n",
                            (long long)fig_model_get_int(run->model, "n_layer"),
                            (long long)fig_model_get_int(run->model, "n_head"),
                            (long long)fig_model_get_int(run->model, "n_embd"), (long long)run->train.block_size));
    return fig__buf_printf(b, "- tokenizer: %s, %d tokens\n", fig_tokenizer_kind_name(fig_tokenizer_get_kind(tok)),
                           (int)fig_tokenizer_vocab_size(tok));
}

const fig__medium fig__medium_text = {
    .name = "text",
    .default_arch = "qwen3",
    .verb = "write",
    .caution = "It writes what is likely after its\ntraining text; nothing it says is checked.",
    .is_prepared = fig_dataset_is_prepared,
    .check_flags = check_flags,
    .prepare = prepare,
    .open = open_text,
    .dress = dress,
    .choose_size = choose_size,
    .take_smaller = take_smaller,
    .val_batches = val_batches,
    .describe = describe,
    .facts = facts,
    .card_data = card_data,
    .card_model = card_model,
};
