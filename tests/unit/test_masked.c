/* Masked language models: which tokens of a row are hidden and behind what, which token is the blank, and how blanks
 * are filled, by a made-up architecture that says what it is told to. */
#include "check.h"
#include <fig/fill.h>
#include <fig/nn.h>
#include <math.h>
#include "models/model.h"
#include "train/masked.h"

/* --- masking ----------------------------------------------------------------------------------------------------*/

enum { MASK = 7, VOCAB = 40, LONGEST = 300 };

typedef struct row {
    int32_t before[LONGEST], after[LONGEST], places[LONGEST], answers[LONGEST];
    size_t n, asked;
} row;

static row hide(const fig__masking *m, uint64_t number, size_t n) {
    row r = {.n = n, .asked = fig__masking_count(m, n)};
    for (size_t i = 0; i < n; i++) r.before[i] = r.after[i] = (int32_t)((number * 31 + i * i) % VOCAB);
    fig__masking_apply(m, number, r.after, n, r.places, r.answers);
    return r;
}

/* Where a place is left out or named twice, or anything but the places changed, this says so. */
static void expect_whole(const row *r) {
    bool chosen[LONGEST] = {0};
    for (size_t i = 0; i < r->asked; i++) {
        if (!EXPECT(r->places[i] >= 0 && (size_t)r->places[i] < r->n)) return;
        EXPECT(!i || r->places[i] > r->places[i - 1]);
        EXPECT_EQ_I(r->answers[i], r->before[r->places[i]]);
        chosen[r->places[i]] = true;
    }
    for (size_t i = 0; i < r->n; i++) {
        EXPECT(r->after[i] >= 0 && r->after[i] < VOCAB);
        if (!chosen[i]) EXPECT_EQ_I(r->after[i], r->before[i]);
    }
}

TEST(every_row_hides_its_share) {
    static const size_t lengths[] = {1, 2, 3, 6, 7, 20, 64, 255, 300};
    static const double rates[] = {0, 0.01, 0.15, 0.5, 1};
    for (size_t k = 0; k < FIG_COUNT(rates); k++) {
        for (size_t i = 0; i < FIG_COUNT(lengths); i++) {
            fig__masking m = {.seed = 3, .rate = rates[k], .mask = MASK, .vocab = VOCAB};
            size_t n = lengths[i], wanted = (size_t)ceil(rates[k] * (double)n);
            EXPECT_EQ_I(fig__masking_count(&m, n), wanted ? wanted : 1);
            for (uint64_t number = 0; number < 20; number++) {
                row r = hide(&m, number, n);
                expect_whole(&r);
            }
        }
    }
}

/* Bounds of five standard deviations. */
static void expect_share(double got, double wanted, double n) {
    EXPECT_NEAR(got, wanted, 5 * sqrt(wanted * (1 - wanted) / n));
}

TEST(eight_of_ten_are_blanks_one_is_another_and_one_is_left) {
    enum { ROWS = 4000, N = 60 };
    fig__masking m = {.seed = 5, .rate = 0.15, .mask = MASK, .vocab = VOCAB};
    double blanks = 0, left = 0, n = 0, at[N] = {0}, others[VOCAB] = {0}, n_others = 0;
    for (uint64_t number = 0; number < ROWS; number++) {
        row r = hide(&m, number, N);
        for (size_t i = 0; i < r.asked; i++, n++) {
            int32_t token = r.after[r.places[i]];
            at[r.places[i]]++;
            blanks += token == MASK && r.answers[i] != MASK;
            left += token == r.answers[i];
            if (token == MASK || token == r.answers[i]) continue;
            others[token]++, n_others++;
        }
    }
    EXPECT_EQ_I(n, ROWS * 9);
    /* One token in 40 is the blank itself already; of the others one in 39 is by chance what stood there. */
    expect_share(blanks / n, 0.8 * 39 / 40, n);
    expect_share(left / n, 0.1 + 0.1 / 40 + 0.8 / 40, n);
    for (int i = 0; i < N; i++) expect_share(at[i] / ROWS, 9.0 / N, ROWS);
    EXPECT_EQ_I(others[MASK], 0);
    for (int i = 0; i < VOCAB; i++)
        if (i != MASK) expect_share(others[i] / n_others, 1.0 / (VOCAB - 1), n_others);
}

TEST(a_row_is_hidden_by_its_number_and_the_seed_alone) {
    fig__masking m = {.seed = 5, .rate = 0.15, .mask = MASK, .vocab = VOCAB}, other = m;
    row r = hide(&m, 12, 200), neighbour = hide(&m, 13, 200), again = hide(&m, 12, 200);
    EXPECT(!memcmp(&r, &again, sizeof r));
    EXPECT(memcmp(r.places, neighbour.places, r.asked * sizeof *r.places) != 0);
    other.seed++;
    again = hide(&other, 12, 200);
    EXPECT(memcmp(r.places, again.places, r.asked * sizeof *r.places) != 0);
}

/* --- the blank --------------------------------------------------------------------------------------------------*/

static fig_tokenizer *tokenizer(fig_context *ctx, fig_tokenizer_kind kind, const char *special) {
    fig_tokenizer_trainer *trainer = NULL;
    fig_tokenizer *tok = NULL;
    static const char text[] = "a cat sat on a mat, a cat sat on a mat";
    fig_tokenizer_train_options options = {
        .kind = kind, .specials = &special, .n_specials = special != NULL, .vocab_size = 262};
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &trainer));
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(trainer, text, strlen(text)));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(trainer, NULL, &tok));
    fig_tokenizer_trainer_free(trainer);
    return tok;
}

static fig_model *model(fig_context *ctx, const char *arch, fig_tokenizer *tok) {
    fig_model *m = NULL;
    EXPECT_OK(ctx, fig_model_new(ctx, arch, &(fig_model_options){.dtype = FIG_F32, .seed = 4}, &m));
    EXPECT_OK(ctx, fig_model_set(m, "n_layer", "1"));
    EXPECT_OK(ctx, fig_model_set(m, "n_head", "2"));
    EXPECT_OK(ctx, fig_model_set(m, "n_embd", "16"));
    EXPECT_OK(ctx, fig_model_set(m, "block_size", "24"));
    EXPECT_OK(ctx, fig_model_set_tokenizer(m, tok));
    EXPECT_OK(ctx, fig_model_init(m));
    return m;
}

static void expect_blank(const char *special, int64_t vocab, int32_t blank) {
    fig_context *ctx = check_context();
    const char *dir = check_path(check_tmpdir(), "m");
    fig_model *m = model(ctx, "bert", tokenizer(ctx, FIG_TOKENIZER_BYTE, special)), *back = NULL;
    fig_filled a, b;
    EXPECT_EQ_I(fig_model_get_int(m, "vocab_size"), vocab);
    EXPECT_EQ_I(fig__mask_token(m), blank);
    EXPECT_OK(ctx, fig_model_save(m, dir, FIG_F32));
    if (!EXPECT_OK(ctx, fig_model_load(ctx, dir, NULL, &back))) return;
    EXPECT_EQ_I(fig_model_get_int(back, "vocab_size"), vocab);
    EXPECT_EQ_I(fig__mask_token(back), blank);
    if (!EXPECT_OK(ctx, fig_fill(m, "ab[MASK]d", 9, 3, &a)) || !EXPECT_OK(ctx, fig_fill(back, "ab[MASK]d", 9, 3, &b)))
        return;
    EXPECT_EQ_I(a.n_tokens, 4);
    EXPECT_EQ_I(a.places[0], 2);
    EXPECT(!memcmp(a.text, b.text, a.len) && !memcmp(a.choices, b.choices, 3 * sizeof *a.choices));
    for (int i = 0; i < 3; i++) EXPECT(a.choices[i].token != blank && a.choices[i].p <= a.choices[i ? i - 1 : 0].p);
    fig_filled_free(ctx, &a);
    fig_filled_free(ctx, &b);
    fig_model_free(back);
    fig_model_free(m);
}

TEST(a_tokenizer_without_blank_gets_one_more_token) { expect_blank(NULL, 257, 256); }
TEST(other_special_tokens_are_no_blank) { expect_blank("<|endoftext|>", 258, 257); }
TEST(the_tokenizers_own_blank_is_taken) { expect_blank("[MASK]", 257, 256); }
TEST(it_may_have_another_name) { expect_blank("<mask>", 257, 256); }

/* --- filling, by a model with a script --------------------------------------------------------------------------
 * Logits of a blank are those of its place, and of every token that stands anywhere in the text. */

typedef struct script_config {
    int64_t vocab_size, block_size, n_layer, n_head, n_embd;
} script_config;
#define ROW(field, text)                                                                                         \
    {                                                                                                            \
        .name = #field, .kind = FIG_OPT_INT, .offset = offsetof(script_config, field), .low = 0, .high = 100000, \
        .fallback = text                                                                                         \
    }
static const fig_option script_rows[] = {ROW(vocab_size, "0"), ROW(block_size, "24"), ROW(n_layer, "1"),
                                         ROW(n_head, "1"), ROW(n_embd, "8")};

static fig_tensor *script_predict(fig_graph *g, const void *config, const fig_lm_inputs *in, fig_tensor *places,
                                  fig_tensor **head, fig_tensor **bias) {
    const script_config *c = config;
    size_t v = (size_t)c->vocab_size;
    *head = fig_param(g, "head", (fig_init){FIG_INIT_ZEROS, 0}, 2, (size_t[]){v, v});
    *bias = fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &v);
    fig_tensor *x = fig_embed(g, "places", in->positions, (size_t)c->block_size, v, 0, NULL);
    x = fig_add(g, x, fig_sum(g, fig_embed(g, "tokens", in->tokens, v, v, 0, NULL), 1));
    return fig_embedding(g, fig_reshape(g, x, 2, (int64_t[]){-1, (int64_t)v}), places);
}
static const fig_arch script_arch = {.name = "blanks",
                                     .family = &fig_family_masked,
                                     .net.masked = &(const fig_masked_net){script_predict},
                                     .summary = "says what it is told to",
                                     .config_size = sizeof(script_config),
                                     .options = &(const fig_option_table){script_rows, FIG_COUNT(script_rows)}};

typedef struct line {
    const char *table; /* "places", "tokens", "bias" */
    size_t row;        /* which place, or token that stands somewhere */
    int32_t token;
    float logit;
} line;

static fig_model *script(fig_context *ctx, fig_tokenizer *tok, const line *says, size_t n) {
    static bool added;
    if (!added) EXPECT_OK(ctx, fig_arch_register(ctx, &script_arch));
    added = true;
    fig_model *m = model(ctx, "blanks", tok);
    size_t v = (size_t)fig_model_get_int(m, "vocab_size");
    fig_param_info p;
    for (size_t i = 0; i < v && EXPECT(fig_params_find(fig_model_params(m), "head", &p)); i++)
        ((float *)p.data)[i * v + i] = 1;
    for (size_t i = 0; i < n; i++) {
        char path[32];
        snprintf(path, sizeof path, "%s%s", says[i].table, strcmp(says[i].table, "bias") ? ".weight" : "");
        if (!EXPECT(fig_params_find(fig_model_params(m), path, &p))) continue;
        ((float *)p.data)[says[i].row * v + (size_t)says[i].token] = says[i].logit;
    }
    return m;
}

static void expect_filled(fig_model *m, const char *text, const char *wanted) {
    fig_context *ctx = fig_model_context(m);
    fig_filled f;
    if (!EXPECT_OK(ctx, fig_fill(m, text, strlen(text), 0, &f))) return;
    EXPECT_EQ_S(f.text, wanted);
    EXPECT_EQ_I(f.len, strlen(wanted));
    EXPECT(!f.choices && !f.n_best);
    fig_filled_free(ctx, &f);
}

TEST(blanks_are_filled_where_they_stand) {
    fig_context *ctx = check_context();
    const line s[] = {{"places", 0, 'x', 5},
                      {"places", 3, 'y', 5},
                      {"places", 4, 'n', 5},
                      {"places", 5, 'z', 5},
                      {"places", 6, 'w', 5}};
    fig_model *m = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL), s, FIG_COUNT(s));
    expect_filled(m, "[MASK]bc[MASK]", "xbcy");
    expect_filled(m, "abc[MASK][MASK][MASK]ghi", "abcynzghi");
    expect_filled(m, "[MASK]", "x");
    expect_filled(m, " [MASK[MASK] ", " [MASKw ");
    fig_model_free(m);
}

TEST(a_piece_of_a_character_is_shown_as_none) {
    fig_context *ctx = check_context();
    const line s[] = {{"places", 1, 0xC3, 9}, {"places", 3, 0xA9, 9}};
    fig_model *m = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL), s, FIG_COUNT(s));
    expect_filled(m, "a[MASK]b",
                  "a\xEF\xBF\xBD"
                  "b");
    expect_filled(m, "a[MASK]\xA9[MASK]", "a\xC3\xA9\xEF\xBF\xBD");
    fig_model_free(m);
}

/* Each by itself would say "ac". */
TEST(the_surest_comes_first_and_the_others_see_it) {
    fig_context *ctx = check_context();
    const line s[] = {{"places", 0, 'a', 6}, {"places", 0, 'b', 5}, {"places", 1, 'c', 20}, {"tokens", 'c', 'b', 4}};
    fig_model *m = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL), s, FIG_COUNT(s));
    fig_filled f;
    expect_filled(m, "[MASK][MASK]", "bc");
    if (EXPECT_OK(ctx, fig_fill(m, "[MASK][MASK]", 12, 2, &f))) {
        EXPECT_EQ_I(f.choices[0].token, 'b');
        EXPECT_EQ_I(f.choices[1].token, 'a');
        EXPECT_EQ_I(f.choices[2].token, 'c');
        EXPECT_NEAR(f.choices[0].p, exp(9) / (exp(9) + exp(6) + 254), 1e-6);
        fig_filled_free(ctx, &f);
    }
    fig_model_free(m);
}

TEST(choices_are_probable_in_order_and_no_blanks) {
    fig_context *ctx = check_context();
    const line s[] = {{"places", 0, 'x', 1.0986123f}, {"bias", 0, 'y', 0.6931472f}, {"bias", 0, 256, 50}};
    fig_model *m = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL), s, FIG_COUNT(s));
    fig_filled f;
    if (EXPECT_OK(ctx, fig_fill(m, "[MASK]", 6, 1000, &f))) {
        double sum = 0;
        EXPECT_EQ_I(f.n_best, 256);
        EXPECT_EQ_I(f.choices[0].token, 'x');
        EXPECT_EQ_I(f.choices[1].token, 'y');
        EXPECT_EQ_I(f.choices[2].token, 0); /* of equals the smaller one */
        EXPECT_EQ_I(f.choices[255].token, 255);
        EXPECT_NEAR(f.choices[0].p, 3.0 / (3 + 2 + 254), 1e-7);
        EXPECT_NEAR(f.choices[1].p, 2.0 / (3 + 2 + 254), 1e-7);
        for (size_t i = 0; i < f.n_best; i++) sum += f.choices[i].p;
        EXPECT_NEAR(sum, 1, 1e-12);
        fig_filled_free(ctx, &f);
    }
    fig_model_free(m);
}

TEST(a_space_before_a_blank_is_its_tokens_where_tokens_have_them) {
    fig_context *ctx = check_context();
    const line s[] = {{"bias", 0, 'q', 9}};
    fig_model *bytes = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL), s, 1),
              *pairs = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BPE, NULL), s, 1);
    expect_filled(bytes, "at [MASK] at", "at q at");
    expect_filled(pairs, "at [MASK] at", "atq at");
    fig_model_free(bytes);
    fig_model_free(pairs);
}

TEST(both_names_of_a_blank_are_heard) {
    fig_context *ctx = check_context();
    const line s[] = {{"bias", 0, 'q', 9}};
    fig_model *m = script(ctx, tokenizer(ctx, FIG_TOKENIZER_BYTE, "<mask>"), s, 1);
    expect_filled(m, "a<mask>b[MASK]", "aqbq");
    fig_model_free(m);
}

static void expect_refused(fig_model *m, const char *text, const char *message) {
    fig_filled f;
    EXPECT_EQ_I(fig_fill(m, text, strlen(text), 1, &f), FIG_ERR_ARG);
    if (!EXPECT(strstr(fig_error(fig_model_context(m)), message)))
        fprintf(stderr, "    said: %s\n", fig_error(fig_model_context(m)));
    EXPECT(!f.text && !f.places && !f.choices);
}

TEST(texts_that_cannot_be_filled_are_refused) {
    fig_context *ctx = check_context();
    fig_model *m = model(ctx, "bert", tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL)),
              *writer = model(ctx, "gpt2", tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL)), *bare = NULL;
    expect_refused(m, "", "no blank in the text; write [MASK]");
    expect_refused(m, "[mask]", "no blank in the text");
    expect_refused(m, "123456789012345678901234[MASK]", "the text has 25 tokens; this model reads 24 at most");
    expect_refused(writer, "[MASK]", "gpt2 fills no blanks");
    EXPECT_OK(ctx, fig_model_new(ctx, "bert", NULL, &bare));
    EXPECT_OK(ctx, fig_model_set(bare, "vocab_size", "9"));
    EXPECT_OK(ctx, fig_model_init(bare));
    expect_refused(bare, "[MASK]", "no tokenizer");
    fig_model_free(bare);
    fig_model_free(writer);
    fig_model_free(m);
}
