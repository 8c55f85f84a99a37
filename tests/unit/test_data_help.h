/* What the tests of data share: files in a fresh folder, and tokenizers made on the spot. */
#ifndef TEST_DATA_HELP_H
#define TEST_DATA_HELP_H
#include "check.h"
#include "base/file.h"
#include <fig/dataset.h>

/* dir/name, freed after the test. */
static inline const char *in_dir(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return check_keep_path_(strdup(path), false);
}

/* Writes dir/name, folders on the way too, and returns its path. */
static inline const char *put_bytes(fig_context *ctx, const char *dir, const char *name, const void *data, size_t len) {
    const char *path = in_dir(dir, name);
    char parent[4096];
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
    EXPECT_OK(ctx, fig__mkdirs(ctx, parent));
    EXPECT_OK(ctx, fig__file_write(ctx, path, data, len));
    return path;
}

static inline const char *put_text(fig_context *ctx, const char *dir, const char *name, const char *text) {
    return put_bytes(ctx, dir, name, text, strlen(text));
}

static inline fig_tokenizer *make_tokenizer(fig_context *ctx, fig_tokenizer_kind kind, const char *special,
                                            const char *text, size_t len) {
    fig_tokenizer_trainer *trainer = NULL;
    fig_tokenizer *tok = NULL;
    fig_tokenizer_train_options options = {.kind = kind, .vocab_size = 300};
    if (special) options.specials = &special, options.n_specials = 1;
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &trainer));
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(trainer, text, len));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(trainer, NULL, &tok));
    fig_tokenizer_trainer_free(trainer);
    return tok;
}

static inline fig_tokenizer *byte_tokenizer(fig_context *ctx) {
    return make_tokenizer(ctx, FIG_TOKENIZER_BYTE, "<|endoftext|>", "", 0);
}

static inline bool error_has(const fig_context *ctx, const char *part) {
    bool found = strstr(fig_error(ctx), part) != NULL;
    if (!found) fprintf(stderr, "the error is: %s\n", fig_error(ctx));
    return found;
}

#endif
