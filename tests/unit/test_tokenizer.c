/* test_tokenizer.c: encoding, decoding, special tokens, text in parts, the cache, saving and loading. */
#include "check.h"
#include "base/buf.h"
#include "base/file.h"
#include <fig/tokenizer.h>

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u, *state >> 8; }

static const char *const specials[] = {"<|end|>", "<|ending|>", "<unk>"};

static fig_tokenizer *train(fig_context *ctx, fig_tokenizer_kind kind, const char *text, int n_specials) {
    fig_tokenizer_train_options options = {
        .kind = kind, .vocab_size = 400, .specials = specials, .n_specials = n_specials};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok = NULL;
    if (!EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t))) return NULL;
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, text, strlen(text)));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, NULL, &tok));
    fig_tokenizer_trainer_free(t);
    return tok;
}

static const char sample[] =
    "The cat sat on the mat; the caf\xC3\xA9's cats, 1234 of them, didn't. "
    "\xF0\x9F\xA6\x99\xF0\x9F\xA6\x99 \xE4\xB8\xAD\xE6\x96\x87 \xE4\xB8\xAD\xE6\x96\x87\n\n  the end  of the cats\t";

static void expect_ids(fig_context *ctx, fig_tokenizer *tok, const char *text, int flags, const int32_t *wanted,
                       size_t n) {
    fig_ids ids = {0};
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, text, strlen(text), flags, &ids));
    EXPECT_EQ_I(ids.n, n);
    for (size_t i = 0; i < n && i < ids.n; i++) EXPECT_EQ_I(ids.data[i], wanted[i]);
    fig_ids_free(ctx, &ids);
}

static bool goes_round(fig_context *ctx, fig_tokenizer *tok, const char *text, size_t len, int flags) {
    fig_ids ids = {0};
    char *back = NULL;
    size_t n = 0;
    bool ok = EXPECT_OK(ctx, fig_tokenizer_encode(tok, text, len, flags, &ids)) &&
              EXPECT_OK(ctx, fig_tokenizer_decode(tok, ids.data, ids.n, FIG_DECODE_SPECIALS, &back, &n)) &&
              EXPECT(n == len && memcmp(back, text, len) == 0);
    fig_tokenizer_text_free(ctx, back);
    fig_ids_free(ctx, &ids);
    return ok;
}

TEST(byte_ids_are_bytes) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_BYTE, "", 1);
    if (!tok) return;
    EXPECT_EQ_I(fig_tokenizer_get_kind(tok), FIG_TOKENIZER_BYTE);
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 257);
    expect_ids(ctx, tok, "A\xC3\xA9\xFF", 0, (int32_t[]){65, 0xC3, 0xA9, 0xFF}, 4);
    expect_ids(ctx, tok, "<|end|>", FIG_ENCODE_SPECIALS, (int32_t[]){256}, 1);
    EXPECT(goes_round(ctx, tok, "a\0b", 3, 0));
    fig_tokenizer_free(tok);
}

TEST(char_ids_are_sorted_code_points) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_CHAR, "hello\n\xC3\xA9\xF0\x9F\xA6\x99<|end|>", 1);
    if (!tok) return;
    EXPECT_EQ_I(fig_tokenizer_get_kind(tok), FIG_TOKENIZER_CHAR);
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 8); /* \n e h l o, two more, the special one */
    expect_ids(ctx, tok, "hel\n\xC3\xA9\xF0\x9F\xA6\x99", 0, (int32_t[]){2, 1, 3, 0, 5, 6}, 6);
    EXPECT_EQ_I(fig_tokenizer_id(tok, "<|end|>", 7), 7);
    fig_tokenizer_free(tok);
}

TEST(char_names_what_it_does_not_know) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_CHAR, "abc", 0);
    fig_ids ids = {0};
    if (!tok) return;
    EXPECT_EQ_I(fig_tokenizer_encode(tok, "abcab\xC3\xA9", 7, FIG_ENCODE_BOS, &ids), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "'\xC3\xA9' (U+00E9) at byte 5"));
    EXPECT_EQ_I(ids.n, 0);
    EXPECT_EQ_I(fig_tokenizer_encode(tok, "ab\xFF", 3, 0, &ids), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "0xFF at 2"));
    fig_ids_free(ctx, &ids);
    fig_tokenizer_free(tok);
}

TEST(char_with_unk_knows_everything) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_CHAR, "abc", 3);
    if (!tok) return;
    EXPECT_EQ_I(fig_tokenizer_unk(tok), 5);
    expect_ids(ctx, tok, "axxb\xFF", 0, (int32_t[]){0, 5, 5, 1, 5}, 5);
    fig_tokenizer_free(tok);
}

TEST(char_refuses_bytes_in_training) {
    fig_context *ctx = check_context();
    fig_tokenizer_train_options options = {.kind = FIG_TOKENIZER_CHAR};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok;
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t));
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, "abc\xC3", 4));
    EXPECT_EQ_I(fig_tokenizer_trainer_finish(t, NULL, &tok), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "0xC3 at 3"));
    fig_tokenizer_trainer_free(t);
}

TEST(special_tokens_only_when_asked) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_BYTE, "", 2);
    if (!tok) return;
    expect_ids(ctx, tok, "a<|end|>b", FIG_ENCODE_SPECIALS, (int32_t[]){'a', 256, 'b'}, 3);
    expect_ids(ctx, tok, "<|end|>", 0, (int32_t[]){'<', '|', 'e', 'n', 'd', '|', '>'}, 7);
    expect_ids(ctx, tok, "<|ending|><|end|", FIG_ENCODE_SPECIALS, (int32_t[]){257, '<', '|', 'e', 'n', 'd', '|'}, 7);
    EXPECT(goes_round(ctx, tok, "x<|end|><|end|><<|ending|>", 26, FIG_ENCODE_SPECIALS));
    /* Decoding leaves them out unless asked. */
    char *text;
    size_t len;
    EXPECT_OK(ctx, fig_tokenizer_decode(tok, (int32_t[]){'a', 256, 'b'}, 3, 0, &text, &len));
    EXPECT_EQ_S(text, "ab");
    fig_tokenizer_text_free(ctx, text);
    fig_tokenizer_free(tok);
}

TEST(names_find_special_ids) {
    fig_context *ctx = check_context();
    static const char *const names[] = {"<s>", "</s>", "<pad>", "<|other|>"};
    fig_tokenizer_train_options options = {.specials = names, .n_specials = 4};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok;
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, NULL, &tok));
    EXPECT_EQ_I(fig_tokenizer_bos(tok), 256);
    EXPECT_EQ_I(fig_tokenizer_eos(tok), 257);
    EXPECT_EQ_I(fig_tokenizer_pad(tok), 258);
    EXPECT_EQ_I(fig_tokenizer_unk(tok), -1);
    expect_ids(ctx, tok, "x", FIG_ENCODE_BOS | FIG_ENCODE_EOS, (int32_t[]){256, 'x', 257}, 3);
    expect_ids(ctx, tok, "", FIG_ENCODE_BOS | FIG_ENCODE_EOS, (int32_t[]){256, 257}, 2);
    fig_tokenizer_free(tok);
    fig_tokenizer_trainer_free(t);
}

TEST(decode_refuses_foreign_ids) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_BYTE, "", 0);
    char *text;
    size_t len;
    if (!tok) return;
    EXPECT_EQ_I(fig_tokenizer_decode(tok, (int32_t[]){65, 256}, 2, 0, &text, &len), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_tokenizer_decode(tok, (int32_t[]){-1}, 1, 0, &text, &len), FIG_ERR_ARG);
    EXPECT(!text && strstr(fig_error(ctx), "id -1 at 0"));
    EXPECT(!fig_tokenizer_token(tok, 256, &len) && !fig_tokenizer_token(tok, -1, &len));
    EXPECT_OK(ctx, fig_tokenizer_decode(tok, NULL, 0, 0, &text, &len));
    EXPECT_EQ_S(text, "");
    fig_tokenizer_text_free(ctx, text);
    fig_tokenizer_free(tok);
}

static bool same_ids(const fig_ids *a, const fig_ids *b) {
    return a->n == b->n && (!a->n || memcmp(a->data, b->data, a->n * sizeof *a->data) == 0);
}

static void expect_parts_equal_whole(fig_context *ctx, fig_tokenizer *tok, const char *text, size_t len, int flags) {
    fig_ids whole = {0}, parts = {0};
    fig_encoder *enc;
    uint32_t random = 3;
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, text, len, flags, &whole));
    EXPECT_OK(ctx, fig_encoder_new(tok, flags, &enc));
    for (int round = 0; round < 20; round++) { /* the encoder is used again and again */
        parts.n = 0;
        for (size_t i = 0, n; i < len; i += n) {
            n = 1 + next_random(&random) % (round % 2 ? len : 20);
            n = FIG_MIN(n, len - i);
            EXPECT_OK(ctx, fig_encoder_add(enc, text + i, n, &parts));
        }
        EXPECT_OK(ctx, fig_encoder_finish(enc, &parts));
        if (!EXPECT(same_ids(&whole, &parts))) break;
    }
    fig_encoder_free(enc);
    fig_ids_free(ctx, &whole);
    fig_ids_free(ctx, &parts);
}

/* Random text of the bits that matter: bad bytes, half characters, special tokens and their beginnings, spaces. */
static size_t random_text(char *out, size_t most, uint32_t *random) {
    static const char *const bits[] = {
        " ",        "  ",   "\n",   "the",     "The cats",   "'ll",    "12", "\xC3\xA9", "\xF0\x9F\xA6\x99",
        "\xF0\x9F", "\xFF", "\x80", "<|end|>", "<|ending|>", "<|endi", "<",  "\xC2\xA0", "\xE2\x80\x83",
        "?!",       "\t "};
    size_t n = 0;
    for (;;) {
        const char *bit = bits[next_random(random) % FIG_COUNT(bits)];
        if (n + strlen(bit) > most) return n;
        memcpy(out + n, bit, strlen(bit));
        n += strlen(bit);
    }
}

TEST(parts_make_no_difference) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_BPE, sample, 2);
    if (!tok) return;
    char text[3000];
    uint32_t random = 11;
    for (int i = 0; i < 30; i++) {
        size_t n = random_text(text, i < 20 ? 60 : sizeof text, &random);
        expect_parts_equal_whole(ctx, tok, text, n, i % 2 ? FIG_ENCODE_SPECIALS : FIG_ENCODE_EOS);
        EXPECT(goes_round(ctx, tok, text, n, i % 2 ? FIG_ENCODE_SPECIALS : 0));
    }
    fig_tokenizer_free(tok);
}

/* Composed text is cut only where nothing joins: marks, jamo and bad bytes at the borders of parts. */
TEST(composing_in_parts) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok;
    static const char *const bits[] = {"e", "\xCC\x81", "\xCC\xA7",     "\xE1\x84\x92", "\xE1\x85\xA1", "\xE1\x86\xAB",
                                       " ", "\xC3\xA9", "\xE4\xB8\xAD", "\xFF",         "\xCC",         "<|end|>"};
    if (!EXPECT_OK(ctx, fig_tokenizer_load(ctx, "tests/golden/tokenizer/hf_nfc.json", &tok))) return;
    uint32_t random = 23;
    for (int i = 0; i < 40; i++) {
        char text[100];
        size_t n = 0;
        for (const char *bit; bit = bits[next_random(&random) % FIG_COUNT(bits)], n + strlen(bit) <= sizeof text;
             n += strlen(bit))
            memcpy(text + n, bit, strlen(bit));
        expect_parts_equal_whole(ctx, tok, text, n, FIG_ENCODE_SPECIALS);
    }
    char *text;
    size_t len;
    fig_ids ids = {0};
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, "e\xCC\x81", 3, 0, &ids));
    EXPECT_OK(ctx, fig_tokenizer_decode(tok, ids.data, ids.n, 0, &text, &len));
    EXPECT_EQ_S(text, "\xC3\xA9");
    fig_tokenizer_text_free(ctx, text);
    fig_ids_free(ctx, &ids);
    fig_tokenizer_free(tok);
}

/* Larger than any window, with pieces that are cut, and special tokens at awkward places. */
TEST(large_texts_in_parts) {
    fig_context *ctx = check_context();
    fig_tokenizer *tok = train(ctx, FIG_TOKENIZER_BPE, sample, 2);
    size_t len = 11 << 20;
    char *text = malloc(len);
    uint32_t random = 17;
    if (!tok) return free(text);
    for (size_t i = 0; i < len; i++) text[i] = "the cat sat \n"[i % 13];
    memset(text + (2 << 20), 'x', 3 << 20);           /* a word of 3 MiB */
    memset(text + (6 << 20) - 7, ' ', (2 << 20) + 9); /* spaces across a window's edge */
    for (int i = 0; i < 200; i++) memcpy(text + next_random(&random) % (len - 7), "<|end|>", 7);
    memcpy(text + (4 << 20) - 3, "<|end|>", 7);
    memcpy(text + (8 << 20) - 1, "\xF0\x9F\xA6\x99", 4);
    fig_ids whole = {0}, parts = {0};
    fig_encoder *enc;
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, text, len, FIG_ENCODE_SPECIALS, &whole));
    EXPECT_OK(ctx, fig_encoder_new(tok, FIG_ENCODE_SPECIALS, &enc));
    for (size_t i = 0, n; i < len; i += n) {
        n = 1 + next_random(&random) % (300 << 10);
        n = FIG_MIN(n, len - i);
        EXPECT_OK(ctx, fig_encoder_add(enc, text + i, n, &parts));
    }
    EXPECT_OK(ctx, fig_encoder_finish(enc, &parts));
    EXPECT(same_ids(&whole, &parts));
    EXPECT(goes_round(ctx, tok, text, len, FIG_ENCODE_SPECIALS));
    fig_encoder_free(enc);
    fig_ids_free(ctx, &whole);
    fig_ids_free(ctx, &parts);
    fig_tokenizer_free(tok);
    free(text);
}

/* The cache holds 2^16 pieces: more distinct ones than that, twice, against a tokenizer that has seen nothing. */
TEST(the_cache_changes_nothing) {
    fig_context *ctx = check_context();
    fig_tokenizer *warm = train(ctx, FIG_TOKENIZER_BPE, sample, 0), *cold = train(ctx, FIG_TOKENIZER_BPE, sample, 0);
    fig_ids a = {0}, b = {0};
    fig__buf text;
    fig__buf_init(&text, ctx, 4 << 20);
    for (int i = 0; i < 100000; i++) fig__buf_printf(&text, " the%d", i % 70000);
    for (int round = 0; round < 2; round++) {
        a.n = 0;
        EXPECT_OK(ctx, fig_tokenizer_encode(warm, text.data, text.len, 0, &a));
    }
    for (size_t at = 0, n; at < text.len; at += n) { /* piece by piece, so that b owes nothing to a's order */
        const char *space = memchr(text.data + at + 1, ' ', text.len - at - 1);
        n = space ? (size_t)(space - (text.data + at)) : text.len - at;
        EXPECT_OK(ctx, fig_tokenizer_encode(cold, text.data + at, n, 0, &b));
    }
    EXPECT(same_ids(&a, &b));
    fig_ids_free(ctx, &a);
    fig_ids_free(ctx, &b);
    fig__buf_deinit(&text);
    fig_tokenizer_free(warm);
    fig_tokenizer_free(cold);
}

static void save_and_load(fig_context *ctx, fig_tokenizer *tok, const char *path) {
    fig_tokenizer *again = NULL;
    EXPECT_OK(ctx, fig_tokenizer_save(tok, path));
    if (!EXPECT_OK(ctx, fig_tokenizer_load(ctx, path, &again))) return;
    EXPECT_EQ_S(fig_tokenizer_hash(again), fig_tokenizer_hash(tok));
    EXPECT_EQ_I(fig_tokenizer_get_kind(again), fig_tokenizer_get_kind(tok));
    EXPECT_EQ_I(fig_tokenizer_vocab_size(again), fig_tokenizer_vocab_size(tok));
    EXPECT_EQ_I(fig_tokenizer_unk(again), fig_tokenizer_unk(tok));
    fig_ids a = {0}, b = {0};
    char text[2000];
    uint32_t random = 5;
    size_t n = fig_tokenizer_get_kind(tok) == FIG_TOKENIZER_CHAR ? (size_t)snprintf(text, sizeof text, "%s", sample)
                                                                 : random_text(text, sizeof text, &random);
    EXPECT_OK(ctx, fig_tokenizer_encode(tok, text, n, FIG_ENCODE_SPECIALS, &a));
    EXPECT_OK(ctx, fig_tokenizer_encode(again, text, n, FIG_ENCODE_SPECIALS, &b));
    EXPECT(same_ids(&a, &b));
    /* What was read is written back as it was. */
    fig__buf first, second;
    char *path2 = NULL;
    if (asprintf(&path2, "%s.again", path) < 0) return;
    EXPECT_OK(ctx, fig_tokenizer_save(again, path2));
    EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 24, &first));
    EXPECT_OK(ctx, fig__file_read(ctx, path2, 1 << 24, &second));
    EXPECT(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    fig__buf_deinit(&first);
    fig__buf_deinit(&second);
    free(path2);
    fig_ids_free(ctx, &a);
    fig_ids_free(ctx, &b);
    fig_tokenizer_free(again);
}

TEST(every_kind_is_saved_and_loaded) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    for (int kind = FIG_TOKENIZER_BYTE; kind <= FIG_TOKENIZER_BPE; kind++) {
        for (int n_specials = 0; n_specials <= 3; n_specials++) {
            char path[4200];
            snprintf(path, sizeof path, "%s/%d-%d.json", dir, kind, n_specials);
            fig_tokenizer *tok = train(ctx, (fig_tokenizer_kind)kind, sample, n_specials);
            if (tok) save_and_load(ctx, tok, path);
            fig_tokenizer_free(tok);
        }
    }
}

TEST(the_hash_tells_tokenizers_apart) {
    fig_context *ctx = check_context();
    fig_tokenizer *a = train(ctx, FIG_TOKENIZER_BPE, sample, 1), *b = train(ctx, FIG_TOKENIZER_BPE, sample, 1);
    fig_tokenizer *c = train(ctx, FIG_TOKENIZER_BPE, "other text", 1), *d = train(ctx, FIG_TOKENIZER_BPE, sample, 2);
    EXPECT_EQ_S(fig_tokenizer_hash(a), fig_tokenizer_hash(b));
    EXPECT(strcmp(fig_tokenizer_hash(a), fig_tokenizer_hash(c)) != 0);
    EXPECT(strcmp(fig_tokenizer_hash(a), fig_tokenizer_hash(d)) != 0);
    EXPECT_EQ_I(strlen(fig_tokenizer_hash(a)), 64);
    fig_tokenizer_free(a);
    fig_tokenizer_free(b);
    fig_tokenizer_free(c);
    fig_tokenizer_free(d);
}

TEST(kinds_have_names) {
    EXPECT_EQ_S(fig_tokenizer_kind_name(FIG_TOKENIZER_BYTE), "byte");
    EXPECT_EQ_S(fig_tokenizer_kind_name(FIG_TOKENIZER_SPM), "spm");
    EXPECT_EQ_S(fig_tokenizer_kind_name((fig_tokenizer_kind)77), "unknown");
}

static fig_status load_use_save(fig_context *ctx, const char *path, const char *saved) {
    fig_tokenizer *tok = NULL;
    fig_encoder *enc = NULL;
    fig_ids ids = {0};
    char *text = NULL;
    size_t len;
    fig_status status = fig_tokenizer_load(ctx, path, &tok);
    if (!status) status = fig_tokenizer_encode(tok, sample, sizeof sample - 1, FIG_ENCODE_SPECIALS, &ids);
    if (!status) status = fig_tokenizer_decode(tok, ids.data, ids.n, 0, &text, &len);
    if (!status) status = fig_encoder_new(tok, 0, &enc);
    if (!status) status = fig_encoder_add(enc, sample, sizeof sample - 1, &ids);
    if (!status) status = fig_encoder_finish(enc, &ids);
    if (!status) status = fig_tokenizer_save(tok, saved);
    fig_encoder_free(enc);
    fig_tokenizer_text_free(ctx, text);
    fig_ids_free(ctx, &ids);
    fig_tokenizer_free(tok);
    return status;
}

/* Every allocation fails once: no crash and no leak. PCRE2 goes on without its compiler when that gets no memory. */
TEST(running_out_of_memory_is_reported) {
    static const char *const paths[] = {"tests/golden/tokenizer/hf_split.json", "tests/golden/tokenizer/hf_nfc.json",
                                        "tests/golden/tokenizer/spm.bin"};
    fig_context *ctx = check_context();
    char saved[4200];
    snprintf(saved, sizeof saved, "%s/saved.json", check_tmpdir());
    for (size_t i = 0; i < FIG_COUNT(paths); i++) {
        uint64_t before = fig_memory(ctx).n_allocations, n_failed = 0;
        EXPECT_OK(ctx, load_use_save(ctx, paths[i], saved));
        uint64_t n_allocations = fig_memory(ctx).n_allocations - before;
        for (uint64_t n = 1; n <= n_allocations; n++) {
            fig__alloc_fail_after(ctx, n);
            fig_status status = load_use_save(ctx, paths[i], saved);
            fig__alloc_fail_after(ctx, 0);
            n_failed += status == FIG_ERR_NOMEM;
            if (!EXPECT(status == FIG_ERR_NOMEM || status == FIG_OK))
                fprintf(stderr, "  %s %d: %s\n", paths[i], (int)n, fig_error(ctx));
        }
        EXPECT(2 * n_failed > n_allocations);
    }
}
