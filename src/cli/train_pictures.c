/* cli/train_pictures.c: what figment train does for pictures: samples of one size, the tokenizer of their captions, the
 * card's lines. */
#include <stdio.h>
#include "base/file.h"
#include "cli/meter.h"
#include "cli/run.h"
#include "models/model.h"

#define CAPTION_VOCAB 1024 /* byte pairs of captions, where --vocab_size says nothing */

static const fig_pictures_info *info_of(const fig__run *run) { return fig_pictures_get_info(run->content.pictures); }

/* --- data ---------------------------------------------------------------------------------------------------------*/

static fig_status check_flags(const fig__run *run, bool prepared) {
    bool asked = fig__args_source(run->args, "image_size") > FIG_FROM_RECIPE ||
                 fig__args_source(run->args, "channels") > FIG_FROM_RECIPE;
    FIG_CHECK(run->args->ctx, !prepared || !asked, FIG_ERR_ARG,
              "--image_size, --channels: %s is prepared and has its own", run->data.data[0]);
    return FIG_OK;
}

static void note_left_out(const fig_pictures_info *info) {
    if (info->n_broken)
        fig__meter_note("figment: note: %llu broken pictures were left out, the first: %s",
                        (unsigned long long)info->n_broken, info->first_broken);
    if (info->n_other)
        fig__meter_note("figment: note: %llu files were left out, which are no pictures",
                        (unsigned long long)info->n_other);
}

static fig_status prepare(fig__run *run) {
    fig_pictures_info info;
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = run->data.data;
    o.n_paths = run->data.n;
    o.out_dir = run->data_dir;
    o.size = run->image_size;
    o.channels = run->channels;
    o.val_fraction = run->val_fraction;
    o.force = run->train.force;
    o.progress = fig__meter_dataset;
    fig_status status = fig_pictures_prepare(run->args->ctx, &o, &info);
    if (!status) note_left_out(&info);
    if (status == FIG_ERR_EXISTS && run->train.resume)
        return FIG_FAIL(run->args->ctx, FIG_ERR_ARG, "--resume: the pictures are not those of %s; start a new --out",
                        run->train.out_dir);
    return status;
}

static fig_status open_pictures(fig__run *run) {
    return fig_pictures_open(run->args->ctx, run->data_dir, &run->content.pictures);
}

/* --- the model ----------------------------------------------------------------------------------------------------*/

static fig_status set_int(fig_model *m, const char *key, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return fig__option_find(*fig_model_arch(m)->options, key) ? fig_model_set(m, key, text) : FIG_OK;
}

static fig_status feed_captions(const fig_pictures *p, fig_tokenizer_trainer *trainer) {
    for (uint64_t i = 0; i < fig_pictures_get_info(p)->n[FIG_SPLIT_TRAIN]; i++) {
        const char *caption = fig_pictures_caption(p, FIG_SPLIT_TRAIN, i);
        FIG_TRY(fig_tokenizer_trainer_add(trainer, caption, strlen(caption)));
        FIG_TRY(fig_tokenizer_trainer_end_text(trainer));
    }
    return FIG_OK;
}

static fig_status learn_tokenizer(const fig__run *run, fig_tokenizer **out) {
    fig_tokenizer_trainer *trainer;
    fig_tokenizer_train_options o = {.kind = FIG_TOKENIZER_BPE, .vocab_size = CAPTION_VOCAB};
    if (run->tokenizer.vocab_size) o.vocab_size = (int32_t)run->tokenizer.vocab_size;
    *out = NULL;
    if (!fig__tokenizer_is_learnt(&run->tokenizer))
        return fig__tokenizer_open(run->args->ctx, run->tokenizer.name, out);
    FIG_TRY(fig_tokenizer_trainer_new(run->args->ctx, &o, &trainer));
    fig_status status = feed_captions(run->content.pictures, trainer);
    if (!status) status = fig_tokenizer_trainer_finish(trainer, NULL, out);
    fig_tokenizer_trainer_free(trainer);
    return status;
}

/* Sizes and classes come from the data. A model that takes captions gets those that there are in place of classes, or
 * none. */
static fig_status dress(fig__run *run) {
    const fig_pictures_info *info = info_of(run);
    fig_tokenizer *tok;
    bool reads = info->n_captions && fig__option_find(*fig_model_arch(run->model)->options, "text_length");
    FIG_TRY(set_int(run->model, "image_size", (int64_t)info->size));
    FIG_TRY(set_int(run->model, "n_channels", (int64_t)info->channels));
    FIG_TRY(set_int(run->model, "n_classes", reads ? 0 : info->n_classes));
    if (!info->n_captions) return set_int(run->model, "text_length", 0);
    if (!fig_model_get_int(run->model, "text_length")) return FIG_OK;
    FIG_TRY(learn_tokenizer(run, &tok));
    return fig_model_set_tokenizer(run->model, tok);
}

static double val_batches(const fig__run *run) {
    return (double)info_of(run)->n[FIG_SPLIT_VAL] / (double)run->train.batch_size;
}

/* --- in words -----------------------------------------------------------------------------------------------------*/

static void describe(const fig__run *run, char *text, size_t size) {
    const fig_pictures_info *info = info_of(run);
    snprintf(text, size, "%llu pictures of %zu x %zu x %zu, %d classes, %llu captions",
             (unsigned long long)info->n[FIG_SPLIT_TRAIN], info->size, info->size, info->channels, (int)info->n_classes,
             (unsigned long long)info->n_captions);
}

static fig__facts facts(const fig__run *run) {
    const fig_pictures_info *info = info_of(run);
    return (fig__facts){info->origin, info->licence, info->data_sha256};
}

static fig_status card_data(const fig__run *run, fig__buf *b) {
    const fig_pictures_info *info = info_of(run);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        FIG_TRY(fig__buf_printf(b, "- %s: %llu pictures\n", i ? "held out" : "learnt from",
                                (unsigned long long)info->n[i]));
    return fig__buf_printf(b, "- %d classes; %llu pictures have captions\n", (int)info->n_classes,
                           (unsigned long long)info->n_captions);
}

static fig_status card_model(const fig__run *run, fig__buf *b) {
    const fig_pictures_info *info = info_of(run);
    return fig__buf_printf(b, "- pictures of %zu x %zu pixels, %s\n", info->size, info->size,
                           info->channels == 1   ? "grey"
                           : info->channels == 3 ? "RGB"
                                                 : "RGBA");
}

const fig__medium fig__medium_pictures = {
    .name = "pictures",
    .default_arch = "flow",
    .verb = "draw",
    .caution = "It draws what is likely after\nthe pictures that it learnt from.",
    .is_prepared = fig_pictures_is_prepared,
    .check_flags = check_flags,
    .prepare = prepare,
    .open = open_pictures,
    .dress = dress,
    .val_batches = val_batches,
    .describe = describe,
    .facts = facts,
    .card_data = card_data,
    .card_model = card_model,
};
