/* cli/text.c: see text.h. */
#include "cli/text.h"
#include <fig/model.h>
#include "base/file.h"
#include "cli/meter.h"

#define CHAR_TEXT_MAX 2000000 /* bytes of text up to which "auto" takes characters */
#define CHAR_VOCAB_MAX 512    /* and as long as the text has no more different ones */

static const char *const kinds[] = {"auto", "byte", "char", "bpe"};

bool fig__tokenizer_is_learnt(const fig__tokenizer_choice *choice) {
    for (size_t i = 0; i < FIG_COUNT(kinds); i++)
        if (strcmp(choice->name, kinds[i]) == 0) return true;
    return false;
}

static fig_status unknown_tokenizer(fig_context *ctx, const char *name) {
    const char *nearest = fig__nearest(name, kinds, FIG_COUNT(kinds));
    if (nearest) return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown tokenizer; did you mean %s?", name, nearest);
    return FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: no such tokenizer; give byte, char, bpe or a path", name);
}

fig_status fig__tokenizer_open(fig_context *ctx, const char *name, fig_tokenizer **out) {
    *out = NULL;
    if (fig__path_exists(name)) return fig_tokenizer_load(ctx, name, out);
    char *path = fig_model_find(ctx, name);
    if (!path) return unknown_tokenizer(ctx, name);
    fig_status status = fig_tokenizer_load(ctx, path, out);
    fig_free(ctx, path);
    return status;
}

/* More text pays for more tokens: about 2,000 bytes of text behind each. */
static int32_t vocab_for(uint64_t bytes) {
    int32_t size = 512;
    while (size < 32768 && (uint64_t)size * 2000 < bytes) size *= 2;
    return size;
}

static fig_status feed(fig_text *text, fig_tokenizer_trainer *trainer) {
    const char *data;
    size_t len;
    bool ends;
    for (;;) {
        FIG_TRY(fig_text_read(text, &data, &len, &ends));
        if (!len) return FIG_OK;
        FIG_TRY(fig_tokenizer_trainer_add(trainer, data, len));
        if (ends) FIG_TRY(fig_tokenizer_trainer_end_text(trainer));
        fig__meter_bytes("reading for the tokenizer", fig_text_done_bytes(text), fig_text_total_bytes(text));
    }
}

static fig_status learn(fig_context *ctx, fig_text *text, const fig_tokenizer_train_options *options,
                        fig_tokenizer_train_report *report, fig_tokenizer **out) {
    fig_tokenizer_trainer *trainer;
    fig_text_rewind(text);
    FIG_TRY(fig_tokenizer_trainer_new(ctx, options, &trainer));
    fig_status status = feed(text, trainer);
    if (!status) status = fig_tokenizer_trainer_finish(trainer, report, out);
    fig_tokenizer_trainer_free(trainer);
    return status;
}

/* Characters where the text is small and has few of them, else byte pairs. */
static fig_status learn_auto(fig_context *ctx, fig_text *text, fig_tokenizer_train_options *options,
                             fig_tokenizer_train_report *report, fig_tokenizer **out) {
    options->kind = FIG_TOKENIZER_CHAR;
    if (fig_text_total_bytes(text) <= CHAR_TEXT_MAX) {
        FIG_TRY(learn(ctx, text, options, report, out));
        if (!report->n_invalid && fig_tokenizer_vocab_size(*out) <= CHAR_VOCAB_MAX) return FIG_OK;
        fig_tokenizer_free(*out);
        *out = NULL;
    }
    options->kind = FIG_TOKENIZER_BPE;
    return learn(ctx, text, options, report, out);
}

/* A size that was asked for means byte pairs, unless another kind was. */
static fig_tokenizer_kind kind_of(const fig__tokenizer_choice *choice) {
    if (strcmp(choice->name, "byte") == 0) return FIG_TOKENIZER_BYTE;
    return strcmp(choice->name, "char") == 0 ? FIG_TOKENIZER_CHAR : FIG_TOKENIZER_BPE;
}

fig_status fig__tokenizer_from_text(fig_context *ctx, const fig_strings *data, const fig__tokenizer_choice *choice,
                                    fig_tokenizer_train_report *report, fig_tokenizer **out) {
    fig_tokenizer_train_report unused;
    fig_text *text;
    *out = NULL;
    if (!fig__tokenizer_is_learnt(choice)) return unknown_tokenizer(ctx, choice->name);
    FIG_TRY(fig_text_open(ctx, data->data, data->n, &text));
    fig_tokenizer_train_options options = {
        .kind = kind_of(choice), .specials = choice->special.data, .n_specials = (int)choice->special.n};
    options.vocab_size = choice->vocab_size ? (int32_t)choice->vocab_size : vocab_for(fig_text_total_bytes(text));
    bool is_auto = strcmp(choice->name, "auto") == 0 && !choice->vocab_size;
    if (!report) report = &unused;
    fig_status status =
        is_auto ? learn_auto(ctx, text, &options, report, out) : learn(ctx, text, &options, report, out);
    fig_text_close(text);
    return status;
}

/* --- datasets -----------------------------------------------------------------------------------------------------*/

void fig__note_text(const fig_text_stats *s) {
    char size[32];
    if (s->n_binary)
        fig__meter_note("figment: note: %llu binary files left out, the first is %s", (unsigned long long)s->n_binary,
                        s->first_skipped);
    if (s->n_bad_rows)
        fig__meter_note("figment: note: %llu lines without a text left out: %s", (unsigned long long)s->n_bad_rows,
                        s->first_bad_row);
    if (s->bad_bytes)
        fig__meter_note("figment: note: %s that are no UTF-8 are kept as they are",
                        fig__human_bytes((double)s->bad_bytes, size));
}

static fig_status describe_json(fig_context *ctx, const char *path, const fig_dataset_info *info) {
    fig__json *j = fig__json_new_object();
    fig__json_put(j, "path", fig__json_new_str(path));
    fig__json_put(j, "kind", fig__json_new_str("dataset"));
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        fig__json *split = fig__json_new_object();
        fig__json_put(split, "tokens", fig__json_new_int((int64_t)info->split[i].n_tokens));
        fig__json_put(split, "bytes", fig__json_new_int((int64_t)info->split[i].bytes));
        fig__json_put(split, "documents", fig__json_new_int((int64_t)info->split[i].n_documents));
        fig__json_put(j, fig_split_name((fig_data_split)i), split);
    }
    fig__json_put(j, "sources", fig__json_new_int((int64_t)info->n_sources));
    fig__json_put(j, "binary_files", fig__json_new_int((int64_t)info->text.n_binary));
    fig__json_put(j, "bad_rows", fig__json_new_int((int64_t)info->text.n_bad_rows));
    fig__json_put(j, "bad_bytes", fig__json_new_int((int64_t)info->text.bad_bytes));
    fig__json_put(j, "vocab_size", fig__json_new_int(info->vocab_size));
    fig__json_put(j, "tokenizer_sha256", fig__json_new_str(info->tokenizer_sha256));
    fig__json_put(j, "data_sha256", fig__json_new_str(info->data_sha256));
    fig__json_put(j, "licence", fig__json_new_str(info->licence));
    fig__json_put(j, "origin", fig__json_new_str(info->origin));
    return fig__print_json(ctx, j, 2);
}

fig_status fig__describe_dataset(fig__args *args, const char *path, const fig_dataset_info *info) {
    fig_context *ctx = args->ctx;
    char bytes[32], tokens[32];
    if (args->globals.json) return describe_json(ctx, path, info);
    FIG_TRY(fig__printf(ctx, "%s: text as tokens, to train from\n", path));
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        FIG_TRY(fig__printf(ctx, "  %-11s %s tokens, %s, %llu documents\n", i ? "held out" : "to learn",
                            fig__human_count((double)info->split[i].n_tokens, tokens),
                            fig__human_bytes((double)info->split[i].bytes, bytes),
                            (unsigned long long)info->split[i].n_documents));
    FIG_TRY(fig__printf(ctx, "  %-11s %llu files, sha256 %.16s...\n", "sources", (unsigned long long)info->n_sources,
                        info->data_sha256));
    if (*info->origin) FIG_TRY(fig__printf(ctx, "  %-11s %s (%s)\n", "origin", info->origin, info->licence));
    FIG_TRY(fig__printf(ctx, "  %-11s %d tokens, sha256 %.16s...\n", "tokenizer", (int)info->vocab_size,
                        info->tokenizer_sha256));
    fig__note_text(&info->text);
    return FIG_OK;
}

static bool is_word_char(char c) {
    char l = fig__lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}
size_t fig__next_word(const char **text, char word[FIG__WORD_MAX]) {
    const char *at = *text;
    size_t n = 0;
    while (*at && !is_word_char(*at)) at++;
    for (; *at && is_word_char(*at); at++)
        if (n + 1 < FIG__WORD_MAX) word[n++] = fig__lower(*at);
    word[n] = 0;
    *text = at;
    return n;
}
