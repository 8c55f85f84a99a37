/* cli/train_pictures.c: what figment train does for pictures: samples of one size, the tokenizer of their captions, the
 * card's lines. */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/map.h"
#include "cli/pictures.h"
#include "cli/run.h"
#include "kernels/kernels.h"
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

static fig_status prepare(fig__run *run) {
    fig_pictures_info info;
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = run->data.data;
    o.n_paths = run->data.n;
    o.out_dir = run->data_dir;
    o.size = run->image_size;
    o.channels = run->channels;
    o.stack = run->stack;
    o.val_fraction = run->val_fraction;
    o.force = run->train.force;
    fig_status status = fig__prepare_pictures(run->args->ctx, &o, &info);
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
        for (uint64_t k = 0; k < fig_pictures_n_captions_of(p, FIG_SPLIT_TRAIN, i); k++) {
            const char *caption = fig_pictures_caption_of(p, FIG_SPLIT_TRAIN, i, k);
            FIG_TRY(fig_tokenizer_trainer_add(trainer, caption, strlen(caption)));
            FIG_TRY(fig_tokenizer_trainer_end_text(trainer));
        }
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

/* --- names --------------------------------------------------------------------------------------------------------*/

static fig_status set_classes(const fig__run *run) {
    int32_t n = info_of(run)->n_classes;
    if (!n || !*fig_pictures_class_name(run->content.pictures, 0)) return FIG_OK;
    const char **names = fig__arena_alloc(run->args->arena, (size_t)n * sizeof *names);
    if (!names) return FIG_ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) names[i] = fig_pictures_class_name(run->content.pictures, i);
    return fig_model_set_classes(run->model, names, (size_t)n);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The words of every caption that is learnt, each once. */
static fig_status gather_words(const fig__run *run, fig__map *words) {
    char word[FIG__WORD_MAX];
    const fig_pictures *p = run->content.pictures;
    for (uint64_t i = 0; i < info_of(run)->n[FIG_SPLIT_TRAIN]; i++) {
        for (uint64_t k = 0; k < fig_pictures_n_captions_of(p, FIG_SPLIT_TRAIN, i); k++) {
            const char *at = fig_pictures_caption_of(p, FIG_SPLIT_TRAIN, i, k);
            for (size_t len; (len = fig__next_word(&at, word)) > 0;) FIG_TRY(fig__map_put(words, word, len, 1));
        }
    }
    return FIG_OK;
}

static fig_status set_words(const fig__run *run) {
    fig__map *words = fig__map_new(run->args->ctx);
    if (!words) return FIG_ERR_NOMEM;
    fig_status status = gather_words(run, words);
    size_t n = fig__map_count(words);
    const char **list = fig__arena_alloc(run->args->arena, (n + 1) * sizeof *list);
    if (!list) status = FIG_ERR_NOMEM;
    for (size_t i = 0; i < n && !status; i++)
        if (!(list[i] = fig__arena_strdup(run->args->arena, fig__map_key(words, i, NULL)))) status = FIG_ERR_NOMEM;
    if (!status) {
        qsort(list, n, sizeof *list, by_text);
        status = fig_model_set_words(run->model, list, n);
    }
    fig__map_free(words);
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
    FIG_TRY(set_classes(run));
    if (!info->n_captions) return set_int(run->model, "text_length", 0);
    if (!fig_model_get_int(run->model, "text_length")) return FIG_OK;
    FIG_TRY(learn_tokenizer(run, &tok));
    FIG_TRY(fig_model_set_tokenizer(run->model, tok));
    return set_words(run);
}

/* --- sizes --------------------------------------------------------------------------------------------------------
 * Of a flow: the largest that is taught for MIN_STEPS in the time there is. Others are small as they are. */
#define MIN_STEPS 3000
#define SHARE_OF_PEAK 0.4
#define TOKENS 64 /* patches of a picture, about */

typedef struct size {
    int64_t n_layer, n_head, n_embd;
} size;
static const size sizes[] = {{8, 8, 256}, {6, 6, 192}, {4, 4, 128}};

static double steps_in(const fig__run *run, const size *s) {
    double parameters = 12.0 * (double)s->n_layer * (double)(s->n_embd * s->n_embd);
    double flops = 6 * parameters * TOKENS * (double)run->train.batch_size;
    return run->minutes * 60 * run->peak * SHARE_OF_PEAK / flops;
}

static void set_setting(const fig__run *run, const char *name, int64_t value) {
    const fig_option *o = fig__option_find(*run->arch->options, name);
    *(int64_t *)(void *)((char *)run->model_config + o->offset) = value;
}

static bool apply_size(fig__run *run, int i) {
    if (i >= (int)FIG_COUNT(sizes)) return false;
    run->size = i;
    set_setting(run, "n_layer", sizes[i].n_layer);
    set_setting(run, "n_head", sizes[i].n_head);
    set_setting(run, "n_embd", sizes[i].n_embd);
    return true;
}

static fig_status choose_size(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    bool sized = fig__is_given(run, "n_layer") || fig__is_given(run, "n_embd") || fig__is_given(run, "n_head");
    if (run->arch->family != &fig_family_flow || sized || run->minutes <= 0) return FIG_OK;
    run->peak = figk_peak_flops(ctx, fig__run_dtype(run), fig_n_threads(ctx));
    int i = 0;
    while (i + 1 < (int)FIG_COUNT(sizes) && steps_in(run, &sizes[i]) < MIN_STEPS) i++;
    apply_size(run, i);
    return FIG_OK;
}

static bool take_smaller(fig__run *run) { return run->size >= 0 && apply_size(run, run->size + 1); }

static double val_batches(const fig__run *run) {
    return (double)info_of(run)->n[FIG_SPLIT_VAL] / (double)run->train.batch_size;
}

/* --- in words -----------------------------------------------------------------------------------------------------*/

static void describe(const fig__run *run, char *text, size_t len) {
    const fig_pictures_info *info = info_of(run);
    snprintf(text, len, "%llu pictures of %zu x %zu x %zu, %d classes, %llu captions",
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
    .choose_size = choose_size,
    .take_smaller = take_smaller,
    .val_batches = val_batches,
    .describe = describe,
    .facts = facts,
    .card_data = card_data,
    .card_model = card_model,
};
