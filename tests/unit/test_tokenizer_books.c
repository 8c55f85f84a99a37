/* test_tokenizer_books.c: every book goes through every kind of tokenizer and comes back byte for byte. */
#include "check.h"
#include "base/buf.h"
#include "base/file.h"
#include <fig/tokenizer.h>

static fig_status unpack(fig_context *ctx, const char *path, fig__buf *out) {
    char command[4200], block[65536];
    fig__buf_init(out, ctx, 64 << 20);
    snprintf(command, sizeof command, "xz -dc '%s'", path);
    FILE *pipe = popen(command, "r");
    if (!pipe) return FIG_ERR_IO;
    fig_status status = FIG_OK;
    for (size_t n; !status && (n = fread(block, 1, sizeof block, pipe)) > 0;) status = fig__buf_add(out, block, n);
    return pclose(pipe) ? FIG_ERR_IO : status;
}

static fig_tokenizer *train(fig_context *ctx, fig_tokenizer_kind kind, const fig__buf *text) {
    fig_tokenizer_train_options options = {.kind = kind, .vocab_size = 512};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok = NULL;
    if (!EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t))) return NULL;
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, text->data, text->len));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, NULL, &tok));
    fig_tokenizer_trainer_free(t);
    return tok;
}

static void expect_round_trip(fig_context *ctx, fig_tokenizer *tok, const fig__buf *text, const char *name) {
    fig_ids ids = {0};
    char *back = NULL;
    size_t len = 0;
    if (!tok) return;
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, text->data, text->len, 0, &ids));
    EXPECT_OK(ctx, fig_tokenizer_decode(tok, ids.data, ids.n, 0, &back, &len));
    bool same = back && len == text->len && memcmp(back, text->data, len) == 0;
    if (!EXPECT(same)) fprintf(stderr, "  %s with %s\n", name, fig_tokenizer_kind_name(fig_tokenizer_get_kind(tok)));
    fig_tokenizer_text_free(ctx, back);
    fig_ids_free(ctx, &ids);
}

/* Kinds that are trained are trained on the very book. */
static void check_book(fig_context *ctx, const char *path, fig_tokenizer *gpt2, fig_tokenizer *spm) {
    fig__buf text;
    const char *name = fig__path_base(path);
    if (EXPECT_OK(ctx, unpack(ctx, path, &text)) && EXPECT(text.len > 100000)) {
        expect_round_trip(ctx, gpt2, &text, name);
        expect_round_trip(ctx, spm, &text, name);
        for (int kind = FIG_TOKENIZER_BYTE; kind <= FIG_TOKENIZER_BPE; kind++) {
            fig_tokenizer *tok = train(ctx, (fig_tokenizer_kind)kind, &text);
            expect_round_trip(ctx, tok, &text, name);
            fig_tokenizer_free(tok);
        }
    }
    fig__buf_deinit(&text);
}

TEST(every_book_comes_back) {
    fig_context *ctx = check_context();
    const char *dir = check_shared("data/books"), *gpt2_path = check_shared("data/gpt2-bpe"),
               *spm_path = check_shared("data/tiny-models/tok512.bin");
    fig_tokenizer *gpt2 = NULL, *spm = NULL;
    if (!dir || !gpt2_path || !spm_path) SKIP("no books here");
    if (access("/usr/bin/xz", X_OK)) SKIP("no xz to unpack the books with");
    EXPECT_OK(ctx, fig_tokenizer_load(ctx, gpt2_path, &gpt2));
    EXPECT_OK(ctx, fig_tokenizer_load(ctx, spm_path, &spm));
    fig__paths names = {0};
    EXPECT_OK(ctx, fig__dir_list(ctx, dir, 1000, &names));
    int n_books = 0;
    for (size_t i = 0; i < names.n; i++) {
        size_t len = strlen(names.data[i]);
        if (len < 3 || strcmp(names.data[i] + len - 3, ".xz")) continue;
        char *path = fig__path_join(ctx, dir, names.data[i]);
        check_book(ctx, path, gpt2, spm);
        fig__free(ctx, path);
        n_books++;
    }
    EXPECT_EQ_I(n_books, 11);
    fig__paths_deinit(ctx, &names);
    fig_tokenizer_free(gpt2);
    fig_tokenizer_free(spm);
}
