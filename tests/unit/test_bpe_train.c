/* test_bpe_train.c: learning merges against the slow, obvious way: recount every pair of every piece before each merge.
 *
 * The reference shares no code with the library: it cuts the text by a hand-written reading of GPT-2's pattern (ASCII
 * only), keeps symbols as byte strings, and finds the best pair by looking at all of them. */
#include "check.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include <fig/tokenizer.h>

/* --- the reference ------------------------------------------------------------------------------------- */
typedef struct bytes {
    char *s;
    size_t len;
} bytes;
typedef struct ref_word {
    int *symbols;
    size_t n;
    uint64_t count;
} ref_word;
typedef struct ref {
    bytes *tokens; /* by id; the first 256 are the bytes */
    size_t n_tokens;
    ref_word *words;
    size_t n_words;
    int (*merges)[2];
    size_t n_merges;
    uint64_t *counts; /* [n_tokens, n_tokens], made anew for each merge */
} ref;

static bool letter(int c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }
static bool digit(int c) { return c >= '0' && c <= '9'; }
static bool space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool other(int c) { return c < 128 && !letter(c) && !digit(c) && !space(c); }

/* Length of the piece at s; a byte above 127 (never valid UTF-8 in these tests) stands alone and ends its neighbours.
 */
static size_t ref_piece(const uint8_t *s, size_t n) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    if (s[0] >= 128) return 1;
    for (size_t i = 0; i < 7; i++)
        if (n >= strlen(endings[i]) && memcmp(s, endings[i], strlen(endings[i])) == 0) return strlen(endings[i]);
    bool (*const classes[])(int) = {letter, digit, other};
    for (int k = 0; k < 3; k++) {
        size_t i = s[0] == ' ', start = i;
        while (i < n && s[i] < 128 && classes[k](s[i])) i++;
        if (i > start) return i;
    }
    size_t i = 0;
    while (i < n && space(s[i])) i++;
    bool at_end = i == n || s[i] >= 128; /* a run of valid text ends at a bad byte */
    return at_end || i == 1 ? i : i - 1;
}

static void ref_count(ref *r, fig__map *index, const char *piece, size_t len) {
    int64_t at;
    if (fig__map_get(index, piece, len, &at)) {
        r->words[at].count++;
        return;
    }
    r->words = realloc(r->words, (r->n_words + 1) * sizeof *r->words);
    ref_word *w = &r->words[r->n_words];
    *w = (ref_word){malloc(len * sizeof(int)), len, 1};
    for (size_t i = 0; i < len; i++) w->symbols[i] = (uint8_t)piece[i];
    fig__map_put(index, piece, len, (int64_t)r->n_words++);
}

static void ref_init(ref *r) {
    *r = (ref){.tokens = calloc(256, sizeof(bytes)), .n_tokens = 256};
    for (int i = 0; i < 256; i++) {
        r->tokens[i] = (bytes){malloc(1), 1};
        r->tokens[i].s[0] = (char)i;
    }
}

static void ref_free(ref *r) {
    for (size_t i = 0; i < r->n_tokens; i++) free(r->tokens[i].s);
    for (size_t i = 0; i < r->n_words; i++) free(r->words[i].symbols);
    free(r->tokens);
    free(r->words);
    free(r->merges);
    free(r->counts);
}

static int compare(bytes a, bytes b) {
    int order = memcmp(a.s, b.s, FIG_MIN(a.len, b.len));
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int ref_token(ref *r, bytes a, bytes b) {
    bytes both = {malloc(a.len + b.len), a.len + b.len};
    memcpy(both.s, a.s, a.len);
    memcpy(both.s + a.len, b.s, b.len);
    for (size_t i = 0; i < r->n_tokens; i++)
        if (compare(r->tokens[i], both) == 0) return free(both.s), (int)i;
    r->tokens = realloc(r->tokens, (r->n_tokens + 1) * sizeof *r->tokens);
    r->tokens[r->n_tokens] = both;
    return (int)r->n_tokens++;
}

static bool ref_best(const ref *r, uint64_t min_count, int *left, int *right) {
    size_t n = r->n_tokens;
    uint64_t *counts = r->counts, best = 0;
    memset(counts, 0, n * n * sizeof *counts);
    for (size_t w = 0; w < r->n_words; w++)
        for (size_t i = 1; i < r->words[w].n; i++)
            counts[(size_t)r->words[w].symbols[i - 1] * n + (size_t)r->words[w].symbols[i]] += r->words[w].count;
    for (size_t k = 0; k < n * n; k++) {
        if (counts[k] < FIG_MAX(best, min_count) || !counts[k]) continue;
        int a = (int)(k / n), b = (int)(k % n);
        int order = counts[k] > best ? 1 : compare(r->tokens[a], r->tokens[*left]);
        if (!order) order = compare(r->tokens[b], r->tokens[*right]);
        if (order > 0) best = counts[k], *left = a, *right = b;
    }
    return best > 0;
}

static void ref_learn(ref *r, size_t n_tokens, uint64_t min_count) {
    int left = 0, right = 0;
    r->counts = malloc(n_tokens * n_tokens * sizeof *r->counts);
    while (r->n_tokens < n_tokens && ref_best(r, min_count, &left, &right)) {
        int id = ref_token(r, r->tokens[left], r->tokens[right]);
        r->merges = realloc(r->merges, (r->n_merges + 1) * sizeof *r->merges);
        r->merges[r->n_merges][0] = left;
        r->merges[r->n_merges++][1] = right;
        for (size_t w = 0; w < r->n_words; w++) {
            ref_word *word = &r->words[w];
            size_t out = 0;
            for (size_t i = 0; i < word->n; i++) {
                bool here = i + 1 < word->n && word->symbols[i] == left && word->symbols[i + 1] == right;
                word->symbols[out++] = here ? id : word->symbols[i];
                i += here;
            }
            word->n = out;
        }
    }
}

/* --- comparing ----------------------------------------------------------------------------------------- */
static fig_tokenizer *train(fig_context *ctx, const char *text, size_t len, const fig_tokenizer_train_options *options,
                            uint32_t split_seed, fig_tokenizer_train_report *report) {
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok = NULL;
    if (!EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, options, &t))) return NULL;
    for (size_t i = 0, n; i < len; i += n) {
        split_seed = split_seed * 1664525u + 1013904223u;
        n = split_seed == 1013904223u ? len : 1 + (split_seed >> 8) % (len / 7 + 2);
        n = FIG_MIN(n, len - i);
        EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, text + i, n));
    }
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, report, &tok));
    fig_tokenizer_trainer_free(t);
    return tok;
}

static fig_tokenizer_train_options bpe(int32_t vocab_size) {
    return (fig_tokenizer_train_options){.kind = FIG_TOKENIZER_BPE, .vocab_size = vocab_size};
}

static void expect_same(const fig_tokenizer *tok, const ref *r) {
    if (!EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), r->n_tokens)) return;
    for (size_t i = 0; i < r->n_tokens; i++) {
        size_t len;
        const char *s = fig_tokenizer_token(tok, (int32_t)i, &len);
        if (!EXPECT(s && len == r->tokens[i].len && memcmp(s, r->tokens[i].s, len) == 0)) {
            fprintf(stderr, "  token %zu: \"%.*s\" against \"%.*s\"\n", i, (int)len, s, (int)r->tokens[i].len,
                    r->tokens[i].s);
            return;
        }
    }
}

static void compare_with_reference(fig_context *ctx, const char *text, size_t len, size_t n_tokens,
                                   uint64_t min_count) {
    ref r;
    ref_init(&r);
    fig__map *index = fig__map_new(ctx);
    for (size_t i = 0, n; i < len; i += n) {
        n = ref_piece((const uint8_t *)text + i, len - i);
        ref_count(&r, index, text + i, n);
    }
    ref_learn(&r, n_tokens, min_count);
    fig_tokenizer_train_options options = bpe((int32_t)n_tokens);
    options.min_count = min_count;
    fig_tokenizer_train_report report = {0};
    fig_tokenizer *tok = train(ctx, text, len, &options, 0, &report);
    if (tok) {
        expect_same(tok, &r);
        EXPECT(report.exact);
        EXPECT_EQ_I(report.n_bytes, len);
        EXPECT_EQ_I(report.n_distinct, r.n_words);
    }
    fig_tokenizer_free(tok);
    fig__map_free(index);
    ref_free(&r);
}

TEST(equals_the_reference_on_tiny_texts) {
    fig_context *ctx = check_context();
    static const char *const texts[] = {
        "",
        "a",
        "aa",
        "aaaa",
        "aaaaa aaaa aaa aa",
        "abababab babababa",
        "abcabcabd abcabd bcabc",
        "the cat's the cats' we'll they've I'd",
        "low low low low low lower lower newest newest newest newest newest newest widest widest widest",
        "    spaces   before\n\n\nand  after   ",
        "zz zy yz yy zz zy yz yy xx xz zx",
        "1234 12345 !!!! ?!?! a1b2",
        "xaaax yaaay aaaa zaaz baaab",
        "bad \xFF\xFE bytes \xC3 here\x80\x80 \xFF\xFE",
    };
    for (size_t i = 0; i < FIG_COUNT(texts); i++) {
        compare_with_reference(ctx, texts[i], strlen(texts[i]), 300, 1);
        compare_with_reference(ctx, texts[i], strlen(texts[i]), 270, 2);
    }
}

TEST(equals_the_reference_on_random_tiny_texts) {
    fig_context *ctx = check_context();
    uint32_t state = 99;
    for (int round = 0; round < 150; round++) {
        char text[200];
        size_t len = 20 + (state >> 8) % 180;
        for (size_t i = 0; i < len; i++) {
            state = state * 1664525u + 1013904223u;
            text[i] = "aaabbc a\n\xFF"[(state >> 16) % (round % 2 ? 6 : 10)];
        }
        compare_with_reference(ctx, text, len, 290, 1);
    }
}

static bool read_book(fig_context *ctx, const char *name, size_t most, fig__buf *out) {
    char command[4200];
    const char *path = check_shared(name);
    if (!path) return false;
    snprintf(command, sizeof command, "xz -dc '%s'", path);
    FILE *pipe = popen(command, "r");
    fig__buf_init(out, ctx, most);
    if (!pipe) return false;
    char block[4096];
    for (size_t n; (n = fread(block, 1, FIG_MIN(sizeof block, most - out->len), pipe)) > 0;)
        fig__buf_add(out, block, n);
    pclose(pipe);
    return out->len > 0;
}

/* The reference reads ASCII only, so other characters become '?', in the one text that both see. */
TEST(equals_the_reference_on_a_megabyte) {
    fig_context *ctx = check_context();
    fig__buf text;
    if (!read_book(ctx, "data/books/moby-dick.txt.xz", 1 << 20, &text)) SKIP("no books (or no xz) here");
    EXPECT_EQ_I(text.len, 1 << 20);
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.data[i] >= 128) text.data[i] = '?';
    compare_with_reference(ctx, text.data, text.len, 256 + 200, 1);
    fig__buf_deinit(&text);
}

/* --- parts, specials, bounds --------------------------------------------------------------------------- */
static const char mixed[] = "It's  three \xE2\x82\xAC <|end|>caf\xC3\xA9s, \xF0\x9F\xA6\x99\xF0\x9F\xA6\x99 "
                            "and\xC2\xA0\xE2\x80\x83spaces \t\n <|end|"
                            "><|ending|> 12345 \xFF\xE2\x82 we'll we'll <|en d|> caf\xC3\xA9  "
                            "\xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD\xE6\x96\x87   ";

TEST(parts_make_no_difference) {
    fig_context *ctx = check_context();
    static const char *const names[] = {"<|end|>", "<|ending|>"};
    fig_tokenizer_train_options options = bpe(300);
    options.specials = names;
    options.n_specials = 2;
    fig_tokenizer *whole = train(ctx, mixed, sizeof mixed - 1, &options, 0, NULL);
    for (uint32_t seed = 1; whole && seed < 200; seed++) {
        fig_tokenizer *parts = train(ctx, mixed, sizeof mixed - 1, &options, seed, NULL);
        bool same = parts && EXPECT_EQ_S(fig_tokenizer_hash(parts), fig_tokenizer_hash(whole));
        fig_tokenizer_free(parts);
        if (!same) break;
    }
    fig_tokenizer_free(whole);
}

TEST(special_tokens_are_cut_out_and_come_last) {
    fig_context *ctx = check_context();
    static const char *const names[] = {"<|end|>"};
    fig_tokenizer_train_options options = bpe(258);
    options.specials = names;
    options.n_specials = 1;
    /* Inside the special token "nd" is frequent; outside "xy" is. */
    const char *text = "<|end|><|end|><|end|>xy<|end|>xy<|end|>";
    fig_tokenizer *tok = train(ctx, text, strlen(text), &options, 0, NULL);
    if (!EXPECT(tok)) return;
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 258);
    EXPECT_EQ_I(fig_tokenizer_id(tok, "xy", 2), 256);
    EXPECT_EQ_I(fig_tokenizer_id(tok, "<|end|>", 7), 257);
    EXPECT(fig_tokenizer_is_special(tok, 257));
    fig_tokenizer_free(tok);
}

TEST(texts_do_not_join) {
    fig_context *ctx = check_context();
    fig_tokenizer_train_options options = bpe(300);
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok;
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t));
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, "ab", 2));
        EXPECT_OK(ctx, fig_tokenizer_trainer_end_text(t));
    }
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, NULL, &tok));
    EXPECT_EQ_I(fig_tokenizer_id(tok, "ab", 2), 256);
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 257); /* abab was never seen */
    fig_tokenizer_free(tok);
    fig_tokenizer_trainer_free(t);
}

/* Long words of random letters: no piece comes twice, so the table fills at once. */
static void add_random_words(fig_context *ctx, fig_tokenizer_trainer *t, size_t n, size_t len, size_t letters) {
    uint32_t state = 5;
    char word[64];
    for (size_t i = 0; i < n; i++) {
        word[0] = ' ';
        for (size_t k = 1; k < len; k++) {
            state = state * 1664525u + 1013904223u;
            word[k] = (char)('a' + (state >> 12) % letters);
        }
        if (!EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, word, len))) return;
    }
}

static void train_bounded(uint64_t max_bytes, size_t len, size_t letters) {
    fig_context *ctx = check_context();
    fig_tokenizer_train_options options = bpe(20000);
    options.max_bytes = max_bytes;
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok;
    fig_tokenizer_train_report report;
    uint64_t before = fig_memory(ctx).bytes_now;
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &t));
    for (int i = 0; i < 100; i++) EXPECT_OK(ctx, fig_tokenizer_trainer_add(t, " often", 6));
    add_random_words(ctx, t, 100000, len, letters);
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(t, &report, &tok));
    uint64_t peak = fig_memory(ctx).bytes_peak - before;
    if (!EXPECT(peak < max_bytes)) fprintf(stderr, "  peak %zu of %zu\n", (size_t)peak, (size_t)max_bytes);
    EXPECT(!report.exact);
    EXPECT(report.n_dropped > 0 && report.n_dropped < report.n_pieces);
    EXPECT(report.n_distinct > 100);
    EXPECT(fig_tokenizer_id(tok, " often", 6) > 0); /* the frequent ones survive */
    fig_tokenizer_free(tok);
    fig_tokenizer_trainer_free(t);
}

TEST(memory_stays_under_the_bound) {
    train_bounded(12 << 20, 6, 26);
    train_bounded(16 << 20, 40, 26);
    train_bounded(16 << 20, 60, 3);
}

TEST(a_piece_without_end_is_cut) {
    fig_context *ctx = check_context();
    fig_tokenizer_train_options options = bpe(300);
    size_t len = 5 << 20;
    char *text = malloc(len);
    memset(text, 'a', len);
    fig_tokenizer_train_report report;
    fig_tokenizer *tok = train(ctx, text, len, &options, 0, &report);
    free(text);
    if (!tok) return;
    EXPECT_EQ_I(report.n_pieces, 5);
    EXPECT_EQ_I(report.n_distinct, 1);
    /* Doublings up to the limit of a token, then nothing fits. */
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 256 + 16);
    fig_tokenizer_free(tok);
}

static void expect_refused(fig_context *ctx, fig_tokenizer_train_options options, fig_status code, const char *part) {
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok;
    fig_status status = fig_tokenizer_trainer_new(ctx, &options, &t);
    if (!status) {
        status = fig_tokenizer_trainer_add(t, "a b \xC3\xA9", 6);
        if (!status) status = fig_tokenizer_trainer_finish(t, NULL, &tok);
        if (!status) fig_tokenizer_free(tok);
        fig_tokenizer_trainer_free(t);
    }
    EXPECT_EQ_I(status, code);
    if (!EXPECT(strstr(fig_error(ctx), part))) fprintf(stderr, "  message: %s\n", fig_error(ctx));
}

TEST(bad_options_are_refused) {
    fig_context *ctx = check_context();
    static const char *const twice[] = {"<x>", "<x>"}, *const empty[] = {""}, *const taken[] = {"a"};
    expect_refused(ctx, bpe(255), FIG_ERR_ARG, "vocab_size 255");
    expect_refused(ctx, (fig_tokenizer_train_options){.kind = FIG_TOKENIZER_SPM}, FIG_ERR_UNSUPPORTED, "spm");
    fig_tokenizer_train_options o = bpe(400);
    o.specials = twice, o.n_specials = 2;
    expect_refused(ctx, o, FIG_ERR_ARG, "stands twice");
    o.specials = empty, o.n_specials = 1;
    expect_refused(ctx, o, FIG_ERR_ARG, "is empty");
    o.specials = taken;
    expect_refused(ctx, o, FIG_ERR_ARG, "also a token of the text");
    o = bpe(4000), o.max_bytes = 1 << 20;
    expect_refused(ctx, o, FIG_ERR_ARG, "give at least 3096576");
    o = bpe(400), o.pattern = "[a-";
    expect_refused(ctx, o, FIG_ERR_FORMAT, "pattern");
    o.pattern = "\\bword\\b";
    expect_refused(ctx, o, FIG_ERR_UNSUPPORTED, "looks behind");
}

TEST(an_own_pattern_decides) {
    fig_context *ctx = check_context();
    fig_tokenizer_train_options options = bpe(300);
    options.pattern = "[a-z]+"; /* the digits between are pieces too */
    fig_tokenizer *tok = train(ctx, "ab12ab12ab12", 12, &options, 0, NULL);
    if (!tok) return;
    EXPECT(fig_tokenizer_id(tok, "ab", 2) >= 256);
    EXPECT(fig_tokenizer_id(tok, "12", 2) >= 256);
    EXPECT_EQ_I(fig_tokenizer_vocab_size(tok), 258);
    fig_tokenizer_free(tok);
}

static fig_status train_mixed(fig_context *ctx, char hash[65]) {
    static const char *const names[] = {"<|end|>"};
    fig_tokenizer_train_options options = bpe(300);
    options.specials = names;
    options.n_specials = 1;
    fig_tokenizer_trainer *t = NULL;
    fig_tokenizer *tok = NULL;
    fig_status status = fig_tokenizer_trainer_new(ctx, &options, &t);
    if (!status) status = fig_tokenizer_trainer_add(t, mixed, sizeof mixed - 1);
    if (!status) status = fig_tokenizer_trainer_finish(t, NULL, &tok);
    if (!status) snprintf(hash, 65, "%s", fig_tokenizer_hash(tok));
    fig_tokenizer_trainer_free(t);
    fig_tokenizer_free(tok);
    return status;
}

/* Every allocation fails once: no crash, no leak, and FIG_ERR_NOMEM, or the same result: PCRE2 goes on without its
 * compiler when that gets no memory. */
TEST(running_out_of_memory_is_reported) {
    fig_context *ctx = check_context();
    char wanted[65], hash[65];
    uint64_t before = fig_memory(ctx).n_allocations, n_failed = 0;
    EXPECT_OK(ctx, train_mixed(ctx, wanted));
    uint64_t n_allocations = fig_memory(ctx).n_allocations - before;
    for (uint64_t n = 1; n <= n_allocations; n++) {
        fig__alloc_fail_after(ctx, n);
        fig_status status = train_mixed(ctx, hash);
        fig__alloc_fail_after(ctx, 0);
        n_failed += status == FIG_ERR_NOMEM;
        bool fine = status ? EXPECT_EQ_I(status, FIG_ERR_NOMEM) : EXPECT_EQ_S(hash, wanted);
        if (!fine) return;
    }
    EXPECT(n_failed > 100);
}
