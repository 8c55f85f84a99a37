/* test_tokenizer_golden.c: what Hugging Face's tokenizers answers, for its files and for ours. The values and the
 * script that made them are in tests/golden/tokenizer; with FIG_GOLDEN_WRITE set this program writes our files there.
 */
#include "check.h"
#include "base/file.h"
#include "base/json.h"
#include <fig/tokenizer.h>

#define FOLDER "tests/golden/tokenizer/"

static fig_tokenizer *train(fig_context *ctx, fig_tokenizer_kind kind) {
    static const char *const specials[] = {"<|end|>", "<unk>"};
    fig_tokenizer_train_options options = {.kind = kind, .vocab_size = 400, .specials = specials, .n_specials = 1};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok = NULL;
    fig__buf text;
    EXPECT_OK(ctx, fig__file_read(ctx, FOLDER "text.txt", 1 << 20, &text));
    if (EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t))) {
        EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, text.data, text.len));
        EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, NULL, &tok));
    }
    fig_tokenizer_trainer_free(t);
    fig__buf_deinit(&text);
    return tok;
}

static fig_tokenizer *make_ours(fig_context *ctx, const char *name) {
    fig_tokenizer *tok = NULL;
    if (strcmp(name, "fig_byte.json") == 0) return train(ctx, FIG_TOKENIZER_BYTE);
    if (strcmp(name, "fig_char.json") == 0) return train(ctx, FIG_TOKENIZER_CHAR);
    if (strcmp(name, "fig_bpe.json") == 0) return train(ctx, FIG_TOKENIZER_BPE);
    EXPECT_OK(ctx, fig_tokenizer_load(ctx, FOLDER "spm.bin", &tok));
    return tok;
}

/* The files that `tokenizers` was shown are those that we write today. */
TEST(our_files_are_as_they_were) {
    static const char *const names[] = {"fig_byte.json", "fig_char.json", "fig_bpe.json", "fig_spm.json"};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    for (size_t i = 0; i < FIG_COUNT(names); i++) {
        fig_tokenizer *tok = make_ours(ctx, names[i]);
        char path[4200], golden[256];
        if (!tok) return;
        snprintf(golden, sizeof golden, FOLDER "%s", names[i]);
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        EXPECT_OK(ctx, fig_tokenizer_save(tok, getenv("FIG_GOLDEN_WRITE") ? golden : path));
        if (!getenv("FIG_GOLDEN_WRITE")) {
            fig__buf ours, theirs;
            EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 22, &ours));
            EXPECT_OK(ctx, fig__file_read(ctx, golden, 1 << 22, &theirs));
            if (!EXPECT(ours.len == theirs.len && memcmp(ours.data, theirs.data, ours.len) == 0))
                fprintf(stderr, "  %s\n", names[i]);
            fig__buf_deinit(&ours);
            fig__buf_deinit(&theirs);
        }
        fig_tokenizer_free(tok);
    }
}

static bool same_ids(const fig_ids *ids, const fig__json *wanted) {
    bool same = ids->n == fig__json_size(wanted);
    for (size_t i = 0; i < ids->n && same; i++) same = ids->data[i] == fig__json_int(fig__json_at(wanted, i), -1);
    return same;
}

/* Their decoder gives text, so bytes that are not UTF-8 are U+FFFD there. */
static bool same_text(fig_context *ctx, fig_tokenizer *tok, const fig_ids *ids, const fig__json *wanted) {
    char *back, *text;
    size_t len, n;
    if (fig__json_type(wanted) == FIG_JSON_NULL) return true;
    if (!EXPECT_OK(ctx, fig_tokenizer_decode(tok, ids->data, ids->n, FIG_DECODE_SPECIALS, &back, &len))) return false;
    fig_utf8_stream s = {{0}, 0};
    text = malloc(3 * (len + 3));
    n = fig_utf8_stream_add(&s, back, len, text);
    n += fig_utf8_stream_flush(&s, text + n);
    bool same = n == fig__json_str_len(wanted) && memcmp(text, fig__json_str(wanted, ""), n) == 0;
    free(text);
    fig_tokenizer_text_free(ctx, back);
    return same;
}

static void check_case(fig_context *ctx, fig_tokenizer *tok, const fig__json *c) {
    const fig__json *text = fig__json_get(c, "text");
    fig_ids ids = {0};
    EXPECT_OK(ctx,
              fig_tokenizer_encode(tok, fig__json_str(text, ""), fig__json_str_len(text), FIG_ENCODE_SPECIALS, &ids));
    bool same = EXPECT(same_ids(&ids, fig__json_get(c, "ids"))) &&
                EXPECT(same_text(ctx, tok, &ids, fig__json_get(c, "decoded")));
    if (!same) fprintf(stderr, "  %s: \"%s\"\n", fig__json_str(fig__json_get(c, "file"), ""), fig__json_str(text, ""));
    fig_ids_free(ctx, &ids);
}

TEST(answers_as_hugging_face) {
    fig_context *ctx = check_context();
    fig__buf lines;
    if (getenv("FIG_GOLDEN_WRITE")) SKIP("the golden files are being written");
    EXPECT_OK(ctx, fig__file_read(ctx, FOLDER "cases.jsonl", 1 << 22, &lines));
    char name[256] = "";
    fig_tokenizer *tok = NULL;
    int n_cases = 0;
    for (char *p = lines.data, *end = p + lines.len, *stop; p < end; p = stop + 1, n_cases++) {
        stop = memchr(p, '\n', (size_t)(end - p));
        fig__json *c = NULL;
        if (!EXPECT(stop) || !EXPECT_OK(ctx, fig__json_parse(ctx, "case", p, (size_t)(stop - p), &c))) break;
        char now[256];
        snprintf(now, sizeof now, FOLDER "%s", fig__json_str(fig__json_get(c, "file"), ""));
        if (strcmp(now, name)) {
            fig_tokenizer_free(tok);
            snprintf(name, sizeof name, "%s", now);
            EXPECT_OK(ctx, fig_tokenizer_load(ctx, name, &tok));
        }
        if (tok) check_case(ctx, tok, c);
        fig__json_free(c);
    }
    EXPECT(n_cases > 300);
    fig_tokenizer_free(tok);
    fig__buf_deinit(&lines);
}
