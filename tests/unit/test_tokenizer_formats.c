/* test_tokenizer_formats.c: files of other programs, against what those programs answer; and files that are wrong. */
#include "check.h"
#include "base/buf.h"
#include "base/file.h"
#include "media/text/tokenizer.h"

static fig_tokenizer *load_shared(fig_context *ctx, const char *rel) {
    const char *path = check_shared(rel);
    fig_tokenizer *tok = NULL;
    if (path) EXPECT_OK(ctx, fig_tokenizer_load(ctx, path, &tok));
    return tok;
}

static fig_ids encode(fig_context *ctx, fig_tokenizer *tok, const char *text, size_t len, int flags) {
    fig_ids ids = {0};
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, text, len, flags, &ids));
    return ids;
}

static bool same_ids(const fig_ids *a, const fig_ids *b) {
    return a->n == b->n && (!a->n || memcmp(a->data, b->data, a->n * sizeof *a->data) == 0);
}

/* --- GPT-2 --------------------------------------------------------------------------------------------- */
/* Strings stand between lines "__ggml_vocab_test__", without the newlines next to those; ids stand a line each. */
TEST(gpt2_vectors) {
    fig_context *ctx = check_context();
    const char *inp = check_shared("data/tokenizer-vectors/ggml-vocab-gpt-2.gguf.inp");
    const char *out = check_shared("data/tokenizer-vectors/ggml-vocab-gpt-2.gguf.out");
    fig_tokenizer *tok = load_shared(ctx, "data/gpt2-bpe/encoder.json");
    if (!inp || !out || !tok) SKIP("no GPT-2 vectors here");
    static const char separator[] = "\n__ggml_vocab_test__\n";
    fig__buf texts, answers;
    EXPECT_OK(ctx, fig__file_read(ctx, inp, 1 << 20, &texts));
    EXPECT_OK(ctx, fig__file_read(ctx, out, 1 << 20, &answers));
    const char *p = texts.data, *end = p + texts.len, *a = answers.data;
    int n_vectors = 0;
    for (; p < end; n_vectors++) {
        const char *stop = memmem(p, (size_t)(end - p), separator, sizeof separator - 1);
        size_t len = (size_t)((stop ? stop : end) - p);
        fig_ids ids = encode(ctx, tok, p, len, 0);
        fig__buf line;
        fig__buf_init(&line, ctx, 1 << 20);
        for (size_t i = 0; i < ids.n; i++) fig__buf_printf(&line, " %d", ids.data[i]);
        size_t n = strcspn(a, "\n");
        while (n && a[n - 1] == ' ') n--;
        bool same = line.len == n && memcmp(fig__buf_str(&line), a, n) == 0;
        if (!EXPECT(same)) fprintf(stderr, "  %d: \"%.*s\":%s\n", n_vectors, (int)len, p, fig__buf_str(&line));
        a += strcspn(a, "\n") + 1;
        fig__buf_deinit(&line);
        fig_ids_free(ctx, &ids);
        p = stop ? stop + sizeof separator - 1 : end;
    }
    EXPECT_EQ_I(n_vectors, 46);
    EXPECT_EQ_I(a - answers.data, answers.len);
    fig__buf_deinit(&texts);
    fig__buf_deinit(&answers);
    fig_tokenizer_free(tok);
}

TEST(gpt2_facts) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = load_shared(ctx, "data/gpt2-bpe");
    if (!tok) SKIP("no GPT-2 vocabulary here");
    EXPECT_EQ_I(fig_tokenizer_get_kind(tok), FIG_TOKENIZER_BPE);
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 50257);
    EXPECT_EQ_I(fig_tokenizer_eos(tok), 50256);
    EXPECT_EQ_I(fig_tokenizer_bos(tok), 50256);
    EXPECT_EQ_I(fig_tokenizer_unk(tok), -1);
    EXPECT(fig_tokenizer_is_special(tok, 50256) && !fig_tokenizer_is_special(tok, 50255));
    EXPECT_EQ_I(fig_tokenizer_id(tok, " the", 4), 262);
    fig_tokenizer_free(tok);
}

TEST(gpt2_and_tiktoken_agree) {
    fig_context *ctx = check_context();
    fig_tokenizer *a = load_shared(ctx, "data/gpt2-bpe/encoder.json"),
                  *b = load_shared(ctx, "data/tokenizers/gpt2.tiktoken");
    const char *text_path = check_shared("data/tinyshakespeare/input.txt");
    if (a && b && text_path) {
        fig__buf text;
        EXPECT_OK(ctx, fig__file_read(ctx, text_path, 1 << 24, &text));
        fig_ids x = encode(ctx, a, text.data, text.len, 0), y = encode(ctx, b, text.data, text.len, 0);
        EXPECT_EQ_I(x.n, 338025); /* as nanoGPT's data/shakespeare/prepare.py counts: 301,966 + 36,059 */
        EXPECT(same_ids(&x, &y));
        EXPECT_EQ_I(fig_tokenizer_eos(b), 50256);
        fig_ids_free(ctx, &x);
        fig_ids_free(ctx, &y);
        fig__buf_deinit(&text);
    }
    fig_tokenizer_free(a);
    fig_tokenizer_free(b);
    if (!a || !b || !text_path) SKIP("no GPT-2 vocabularies here");
}

TEST(whisper_loads) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = load_shared(ctx, "data/tokenizers/whisper-multilingual.tiktoken");
    if (!tok) SKIP("no Whisper vocabulary here");
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 50257);
    EXPECT_EQ_I(fig_tokenizer_eos(tok), -1);
    fig_tokenizer_free(tok);
}

/* --- llama2.c ------------------------------------------------------------------------------------------ */
/* The algorithm of llama2.c's run.c, by its letter: look at every pair, merge the best, start again. */
typedef struct llama {
    char **vocab;
    float *scores;
    int n;
} llama;

static llama llama_read(const fig__buf *file) {
    llama l = {0};
    for (size_t at = 4; at < file->len; l.n++) {
        int32_t len;
        l.vocab = realloc(l.vocab, (size_t)(l.n + 1) * sizeof *l.vocab);
        l.scores = realloc(l.scores, (size_t)(l.n + 1) * sizeof *l.scores);
        memcpy(&l.scores[l.n], file->data + at, 4);
        memcpy(&len, file->data + at + 4, 4);
        l.vocab[l.n] = strndup(file->data + at + 8, (size_t)len);
        at += 8 + (size_t)len;
    }
    return l;
}

static void llama_free(llama *l) {
    for (int i = 0; i < l->n; i++) free(l->vocab[i]);
    free(l->vocab);
    free(l->scores);
}

static int llama_find(const llama *l, const char *s) {
    for (int i = 0; i < l->n; i++)
        if (l->vocab[i][0] == s[0] && strcmp(l->vocab[i], s) == 0) return i;
    return -1;
}

static int llama_encode(const llama *l, const char *text, int *tokens) {
    int n = 0;
    char piece[512];
    tokens[n++] = 1;
    if (*text) tokens[n++] = llama_find(l, " ");
    for (const char *c = text; *c;) {
        int len = 0;
        do piece[len++] = *c++;
        while ((*c & 0xC0) == 0x80 && len < 4);
        piece[len] = 0;
        int id = llama_find(l, piece);
        if (id >= 0)
            tokens[n++] = id;
        else
            for (int i = 0; i < len; i++) tokens[n++] = (uint8_t)piece[i] + 3;
    }
    for (;;) {
        float best = -1e10f;
        int best_id = -1, best_at = -1;
        for (int i = 0; i + 1 < n; i++) {
            snprintf(piece, sizeof piece, "%s%s", l->vocab[tokens[i]], l->vocab[tokens[i + 1]]);
            int id = llama_find(l, piece);
            if (id >= 0 && l->scores[id] > best) best = l->scores[id], best_id = id, best_at = i;
        }
        if (best_at < 0) return n;
        tokens[best_at] = best_id;
        memmove(tokens + best_at + 1, tokens + best_at + 2, (size_t)(--n - best_at - 1) * sizeof *tokens);
    }
}

static const char *const llama_texts[] = {
    "",
    " ",
    "a",
    "Once upon a time, there was a little girl named Lily.",
    "  two  spaces   and    more     here",
    "           eleven spaces",
    "new\nlines\n\n\tand tabs",
    "caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\xA6\x99 na\xC3\xAFve",
    "<s></s><unk><0x41>",
    "aaaaaaaaaaaaaaaaaaaaaaaaa",
    "1234567890 !@#$%^&*()",
};

static void compare_with_llama(const char *rel) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = load_shared(ctx, rel);
    if (!tok) SKIP("no llama2.c tokenizer here");
    fig__buf file;
    EXPECT_OK(ctx, fig__file_read(ctx, check_shared(rel), 1 << 24, &file));
    llama l = llama_read(&file);
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), l.n);
    for (size_t t = 0; t < FIG_COUNT(llama_texts); t++) {
        int wanted[256], n = llama_encode(&l, llama_texts[t], wanted);
        fig_ids ids = encode(ctx, tok, llama_texts[t], strlen(llama_texts[t]), FIG_ENCODE_BOS),
                reference = {wanted, (size_t)n, 0};
        if (!EXPECT(same_ids(&ids, &reference))) fprintf(stderr, "  \"%s\"\n", llama_texts[t]);
        char *back;
        size_t len;
        EXPECT_OK(ctx, fig_tokenizer_decode(tok, ids.data, ids.n, 0, &back, &len));
        EXPECT_EQ_S(back, llama_texts[t]);
        fig_tokenizer_text_free(ctx, back);
        fig_ids_free(ctx, &ids);
    }
    llama_free(&l);
    fig__buf_deinit(&file);
    fig_tokenizer_free(tok);
}

TEST(llama2c_tok512) { compare_with_llama("data/tiny-models/tok512.bin"); }
TEST(llama2c_32000) { compare_with_llama("data/tiny-models/llama2c-tokenizer-32000.bin"); }

TEST(llama2c_pieces_stream) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = load_shared(ctx, "data/tiny-models/tok512.bin");
    if (!tok) SKIP("no llama2.c tokenizer here");
    size_t len;
    int32_t the = fig_tokenizer_id(tok, " the", 4);
    EXPECT_EQ_I(fig_tokenizer_bos(tok), 1);
    EXPECT_EQ_I(fig_tokenizer_eos(tok), 2);
    EXPECT(fig_tokenizer_wants_bos(tok));
    EXPECT(memcmp(fig_tokenizer_piece(tok, 1, the, &len), "the", 3) == 0 && len == 3);
    EXPECT(memcmp(fig_tokenizer_piece(tok, the, the, &len), " the", 4) == 0 && len == 4);
    EXPECT(memcmp(fig_tokenizer_piece(tok, the, 3 + 0xE4, &len), "\xE4", 1) == 0 && len == 1);
    fig_tokenizer_piece(tok, the, 2, &len);
    EXPECT_EQ_I(len, 0);
    fig_tokenizer_free(tok);
}

/* Saved as tokenizer.json and loaded: the same ids, also where ranks had to be invented for equal scores. */
static void save_and_compare(const char *rel) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = load_shared(ctx, rel), *again = NULL;
    if (!tok) SKIP("no such tokenizer here");
    char path[4200];
    snprintf(path, sizeof path, "%s/tokenizer.json", check_tmpdir());
    EXPECT_OK(ctx, fig_tokenizer_save(tok, path));
    if (EXPECT_OK(ctx, fig_tokenizer_load(ctx, path, &again))) {
        EXPECT_EQ_S(fig_tokenizer_hash(tok), fig_tokenizer_hash(again));
        EXPECT_EQ_I(fig_tokenizer_get_kind(tok), fig_tokenizer_get_kind(again));
        EXPECT_EQ_I(fig_tokenizer_bos(tok), fig_tokenizer_bos(again));
        EXPECT_EQ_I(fig_tokenizer_wants_bos(tok), fig_tokenizer_wants_bos(again));
        for (size_t t = 0; t < FIG_COUNT(llama_texts); t++) {
            const char *text = llama_texts[t];
            fig_ids a = encode(ctx, tok, text, strlen(text), FIG_ENCODE_SPECIALS),
                    b = encode(ctx, again, text, strlen(text), FIG_ENCODE_SPECIALS);
            EXPECT(same_ids(&a, &b));
            fig_ids_free(ctx, &a);
            fig_ids_free(ctx, &b);
        }
    }
    fig_tokenizer_free(tok);
    fig_tokenizer_free(again);
}

TEST(tok512_as_json) { save_and_compare("data/tiny-models/tok512.bin"); }
TEST(llama_32000_as_json) { save_and_compare("data/tiny-models/llama2c-tokenizer-32000.bin"); }
TEST(gpt2_as_json) { save_and_compare("data/gpt2-bpe/encoder.json"); }
TEST(tiktoken_as_json) { save_and_compare("data/tokenizers/gpt2.tiktoken"); }

/* --- files that are wrong ------------------------------------------------------------------------------ */
static fig_status read_memory(fig_context *ctx, const char *first, size_t len, const char *second,
                              fig_tokenizer **tok) {
    fig__tok_file file = {.path = "file"};
    fig__buf_init(&file.first, ctx, SIZE_MAX / 4);
    fig__buf_init(&file.second, ctx, SIZE_MAX / 4);
    EXPECT_OK(ctx, fig__buf_add(&file.first, first, len));
    EXPECT_OK(ctx, fig__buf_adds(&file.second, second));
    fig_status status = fig__tok_read(ctx, NULL, &file, tok);
    fig__buf_deinit(&file.first);
    fig__buf_deinit(&file.second);
    return status;
}

static void expect_refused(fig_context *ctx, const char *first, const char *second, fig_status code, const char *part) {
    fig_tokenizer *tok = NULL;
    EXPECT_EQ_I(read_memory(ctx, first, strlen(first), second, &tok), code);
    EXPECT(!tok);
    if (!EXPECT(strstr(fig_error(ctx), part) && strncmp(fig_error(ctx), "file: ", 6) == 0))
        fprintf(stderr, "  message: %s\n", fig_error(ctx));
    fig_tokenizer_free(tok);
}

#define JSON(parts, vocab, merges) \
    "{" parts "\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}}"

TEST(bad_tokenizer_json) {
    fig_context *ctx = check_context();
    expect_refused(ctx, "", "", FIG_ERR_FORMAT, "not a tokenizer");
    expect_refused(ctx, "{\"model\"", "", FIG_ERR_FORMAT, "JSON:1:");
    expect_refused(ctx, "{\"model\":[]}", "", FIG_ERR_FORMAT, "no model");
    expect_refused(ctx, "{\"model\":{\"type\":\"Unigram\"}}", "", FIG_ERR_UNSUPPORTED, "Unigram");
    expect_refused(ctx, "{\"model\":{\"type\":\"BPE\"}}", "", FIG_ERR_FORMAT, "model.vocab");
    expect_refused(ctx, JSON("", "", ""), "", FIG_ERR_FORMAT, "it is empty");
    expect_refused(ctx, JSON("", "\"a\":\"x\"", ""), "", FIG_ERR_FORMAT, "is no integer");
    expect_refused(ctx, JSON("", "\"a\":-1", ""), "", FIG_ERR_LIMIT, "id -1");
    expect_refused(ctx, JSON("", "\"a\":16777216", ""), "", FIG_ERR_LIMIT, "id 16777216");
    expect_refused(ctx, JSON("", "\"a\":0,\"b\":0", ""), "", FIG_ERR_FORMAT, "id 0 stands twice");
    expect_refused(ctx, JSON("", "\"a\":0", "\"a\""), "", FIG_ERR_FORMAT, "merge 0 is not a pair");
    expect_refused(ctx, JSON("", "\"a\":0", "[\"a\"]"), "", FIG_ERR_FORMAT, "merge 0 is not a pair");
    expect_refused(ctx, JSON("", "\"a\":0", "\"a b\""), "", FIG_ERR_FORMAT, "names a token that is not");
    expect_refused(ctx, JSON("", "\"a\":0", "\"a a\""), "", FIG_ERR_FORMAT, "no token for its result");
    expect_refused(ctx, JSON("\"normalizer\":{\"type\":\"Lowercase\"},", "\"a\":0", ""), "", FIG_ERR_UNSUPPORTED,
                   "normalizer of type \"Lowercase\"");
    expect_refused(ctx, JSON("\"pre_tokenizer\":{\"type\":\"Digits\"},", "\"a\":0", ""), "", FIG_ERR_UNSUPPORTED,
                   "Digits");
    expect_refused(ctx, JSON("\"post_processor\":{\"type\":\"BertProcessing\"},", "\"a\":0", ""), "",
                   FIG_ERR_UNSUPPORTED, "BertProcessing");
    expect_refused(ctx, JSON("\"added_tokens\":[{\"id\":1,\"content\":\"\"}],", "\"a\":0", ""), "", FIG_ERR_FORMAT,
                   "added token 1");
    expect_refused(ctx, JSON("\"added_tokens\":[{\"id\":1,\"content\":\"m\",\"lstrip\":true}],", "\"a\":0", ""), "",
                   FIG_ERR_UNSUPPORTED, "strips");
}

TEST(bad_gpt2) {
    fig_context *ctx = check_context();
    expect_refused(ctx, "{\"a\": 0}", "", FIG_ERR_FORMAT, "the file beside the vocabulary has none");
    expect_refused(ctx, "{\"a\": 0}", "ab\n", FIG_ERR_FORMAT, "merge 0 is not two tokens");
    expect_refused(ctx, "{\"a\": 0}", "#version: 0.2\na b\n", FIG_ERR_FORMAT, "merge 0 names a token");
    expect_refused(ctx, "{\"a\": 0, \"b\": 1}", "a b\n", FIG_ERR_FORMAT, "no token for its result");
    expect_refused(ctx, "{\"a\": 0, \"b\": 1.5}", "a b\n", FIG_ERR_FORMAT, "no integer");
    expect_refused(ctx, "{\"a\": 0,", "a b\n", FIG_ERR_FORMAT, "vocabulary:1:");
}

TEST(bad_tiktoken) {
    fig_context *ctx = check_context();
    expect_refused(ctx, "IQ== 0\nIg== x\n", "", FIG_ERR_FORMAT, "line 2");
    expect_refused(ctx, "IQ== 0\nIg= 1\n", "", FIG_ERR_FORMAT, "line 2");
    expect_refused(ctx, "IQ== 0\nI*== 1\n", "", FIG_ERR_FORMAT, "line 2");
    expect_refused(ctx, "IQ== 0\nIg== 0\n", "", FIG_ERR_FORMAT, "id 0 stands twice");
    expect_refused(ctx, "IQ== 0\nIg== 99999999\n", "", FIG_ERR_LIMIT, "id 99999999");
}

/* A whole tok512, cut at every length: always an answer, never a crash, and right only when whole. */
TEST(llama2c_cut_short) {
    fig_context *ctx = check_context();
    const char *path = check_shared("data/tiny-models/tok512.bin");
    if (!path) SKIP("no llama2.c tokenizer here");
    fig__buf file;
    EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 20, &file));
    int n_good = 0;
    for (size_t len = 0; len <= file.len; len += len + 20 < file.len ? 7 : 1) {
        fig_tokenizer *tok = NULL;
        n_good += read_memory(ctx, file.data, len, "", &tok) == FIG_OK;
        fig_tokenizer_free(tok);
    }
    EXPECT(n_good > 1 && n_good < 100); /* a file that ends between two pieces is a smaller vocabulary */
    file.data[4] = (char)0xFF, file.data[5] = (char)0xFF, file.data[6] = (char)0xFF,
    file.data[7] = 0x7F; /* a score of NaN */
    fig_tokenizer *tok = NULL;
    EXPECT_EQ_I(read_memory(ctx, file.data, file.len, "", &tok), FIG_ERR_FORMAT);
    fig__buf_deinit(&file);
}

TEST(missing_files) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_tokenizer *tok;
    char path[4200];
    EXPECT_EQ_I(fig_tokenizer_load(ctx, "/no/such/file", &tok), FIG_ERR_NOTFOUND);
    EXPECT_EQ_I(fig_tokenizer_load(ctx, dir, &tok), FIG_ERR_NOTFOUND);
    EXPECT(strstr(fig_error(ctx), "no tokenizer in this folder"));
    snprintf(path, sizeof path, "%s/vocab.json", dir);
    EXPECT_OK(ctx, fig__file_write(ctx, path, "{\"a\": 0}", 8));
    EXPECT_EQ_I(fig_tokenizer_load(ctx, path, &tok), FIG_ERR_NOTFOUND);
    EXPECT(strstr(fig_error(ctx), "merges.txt"));
}

/* --- details of tokenizer.json ------------------------------------------------------------------------- */
static void expect_json_ids(const char *json, const char *text, int flags, const int32_t *wanted, size_t n) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok;
    if (!EXPECT_OK(ctx, read_memory(ctx, json, strlen(json), "", &tok))) return;
    fig_ids ids = encode(ctx, tok, text, strlen(text), flags), reference = {(int32_t *)wanted, n, 0};
    if (!EXPECT(same_ids(&ids, &reference)))
        for (size_t i = 0; i < ids.n; i++) fprintf(stderr, "  %d\n", ids.data[i]);
    fig_ids_free(ctx, &ids);
    fig_tokenizer_free(tok);
}

TEST(json_details) {
    /* Merges as pairs; of the same merge twice the later rank counts: "a b" comes after "b c". */
    expect_json_ids(JSON("", "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4", "[\"a\",\"b\"],[\"b\",\"c\"],[\"a\",\"b\"]"),
                    "abc", 0, (int32_t[]){0, 4}, 2);
    expect_json_ids(JSON("", "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4", "\"a b\",\"b c\""), "abc", 0,
                    (int32_t[]){3, 2}, 2);
    /* Tokens that are added but not special are found without asking. */
    expect_json_ids(JSON("\"added_tokens\":[{\"id\":7,\"content\":\"aa\",\"special\":false}],", "\"a\":0", ""), "aaa",
                    0, (int32_t[]){7, 0}, 2);
    expect_json_ids(JSON("\"added_tokens\":[{\"id\":7,\"content\":\"aa\",\"special\":true}],", "\"a\":0", ""), "aaa", 0,
                    (int32_t[]){0, 0, 0}, 3);
    /* A leading space, always or where there is none. */
    expect_json_ids(
        JSON("\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},", "\"a\":0,\"\\u0120\":1", ""),
        "a a", 0, (int32_t[]){1, 0, 1, 0}, 4);
    expect_json_ids(
        JSON("\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},", "\"a\":0,\"\\u0120\":1", ""),
        " a", 0, (int32_t[]){1, 0}, 2);
    expect_json_ids(JSON("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_"
                         "scheme\":\"first\",\"split\":false},"
                         "\"added_tokens\":[{\"id\":7,\"content\":\"<s>\",\"special\":true}],",
                         "\"a\":0,\"\xE2\x96\x81\":1", ""),
                    "a<s>a", FIG_ENCODE_SPECIALS, (int32_t[]){1, 0, 7, 0}, 4);
}
