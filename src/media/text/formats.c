/* media/text/formats.c: which file is which. A new format is a const struct in its own file and a line here. */
#include "base/file.h"
#include "media/text/tokenizer.h"

/* Asked in this order; the surest first. */
static const fig__tok_format *const formats[] = {
    &fig__tok_format_gpt2,
    &fig__tok_format_hf,
    &fig__tok_format_tiktoken,
    &fig__tok_format_llama2c,
};

/* What is looked for in a folder, in this order. */
static const char *const names_in_folder[] = {"tokenizer.json", "encoder.json", "vocab.json", "tokenizer.bin"};

static const fig__tok_format *recognise(const fig__tok_file *file) {
    for (size_t i = 0; i < FIG_COUNT(formats); i++)
        if (formats[i]->probe(file)) return formats[i];
    return NULL;
}

fig_status fig__tok_read(fig_context *ctx, const fig__tok_format *format, const fig__tok_file *file,
                         fig_tokenizer **out) {
    *out = NULL;
    if (!format) format = recognise(file);
    FIG_CHECK(ctx, format, FIG_ERR_FORMAT,
              "%s: not a tokenizer; known are tokenizer.json, encoder.json with vocab.bpe, llama2.c's .bin and "
              "tiktoken files",
              file->path);
    fig_tokenizer *tok;
    FIG_TRY(fig__tok_new(ctx, &tok));
    fig_status status = format->open(file, tok);
    if (!status) status = fig__tok_seal(tok);
    if (status) {
        fig_tokenizer_free(tok);
        return fig__fail_prefix(ctx, status, "%s", file->path);
    }
    *out = tok;
    return FIG_OK;
}

/* Path of the file to read: path itself, or what a folder holds. The caller frees it. */
static fig_status choose_file(fig_context *ctx, const char *path, char **chosen) {
    *chosen = NULL;
    if (!fig__path_is_dir(path)) return (*chosen = fig__strdup(ctx, path)) ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < FIG_COUNT(names_in_folder); i++) {
        *chosen = fig__path_join(ctx, path, names_in_folder[i]);
        if (!*chosen) return FIG_ERR_NOMEM;
        if (fig__path_exists(*chosen)) return FIG_OK;
        fig__free(ctx, *chosen);
        *chosen = NULL;
    }
    return FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: no tokenizer in this folder; it needs a tokenizer.json", path);
}

static fig_status read_second(fig_context *ctx, const char *name, fig__tok_file *file) {
    size_t dir_len = (size_t)(fig__path_base(file->path) - file->path);
    fig__buf path;
    fig__buf_init(&path, ctx, 1 << 16);
    fig_status status = fig__buf_add(&path, file->path, dir_len);
    if (!status) status = fig__buf_adds(&path, name);
    if (!status) status = fig__file_read(ctx, fig__buf_str(&path), FIG_TOK_MAX_FILE, &file->second);
    fig__buf_deinit(&path);
    return status;
}

static fig_status load_file(fig_context *ctx, fig__tok_file *file, fig_tokenizer **out) {
    FIG_TRY(fig__file_read(ctx, file->path, FIG_TOK_MAX_FILE, &file->first));
    const fig__tok_format *format = recognise(file);
    const char *second = format && format->beside ? format->beside(fig__path_base(file->path)) : NULL;
    if (second) FIG_TRY(read_second(ctx, second, file));
    return fig__tok_read(ctx, format, file, out);
}

fig_status fig_tokenizer_load(fig_context *ctx, const char *path, fig_tokenizer **out) {
    *out = NULL;
    char *chosen;
    FIG_TRY(choose_file(ctx, path, &chosen));
    fig__tok_file file = {.path = chosen};
    fig__buf_init(&file.first, ctx, 0);
    fig__buf_init(&file.second, ctx, 0);
    fig_status status = load_file(ctx, &file, out);
    fig__buf_deinit(&file.first);
    fig__buf_deinit(&file.second);
    fig__free(ctx, chosen);
    return status;
}

fig_status fig_tokenizer_save(const fig_tokenizer *tok, const char *path) {
    fig__buf text;
    fig__buf_init(&text, tok->ctx, (size_t)4 * FIG_TOK_MAX_FILE);
    fig_status status =
        tok->source.len ? fig__buf_add(&text, tok->source.data, tok->source.len) : fig__tok_write_hf(tok, &text);
    if (!status) status = fig__file_write(tok->ctx, path, text.data, text.len);
    fig__buf_deinit(&text);
    return status;
}
