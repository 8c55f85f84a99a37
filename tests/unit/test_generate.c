/* Writing: a sample's text is its own whatever runs beside it; characters and stop texts at any cut; the ends of a
 * text. Some tests use a made-up architecture that says what it is told to, position by position. */
#include "tiny_gpt.h"
#include <fig/generate.h>
#include <fig/nn.h>

/* --- what comes out ---------------------------------------------------------------------------------------------*/

typedef struct written {
    char text[8][4096];
    size_t len[8];
    char why[8][16];
    int n_calls, n_ended, stop_after; /* stop_after: return false from that call on; 0: never */
    bool split;                       /* a piece that is not whole characters */
} written;

static bool is_utf8(const char *s, size_t n) {
    fig_utf8_stream stream = {0};
    char *out = malloc(3 * (n + 3));
    size_t len = fig_utf8_stream_add(&stream, s, n, out);
    bool same = len == n && !stream.n_held && !memcmp(s, out, n);
    free(out);
    return same;
}

static bool take(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    written *w = user;
    if (!EXPECT(sample >= 0 && sample < 8 && w->len[sample] + len < sizeof w->text[0] && !*w->why[sample]))
        return false;
    memcpy(w->text[sample] + w->len[sample], text, len);
    w->len[sample] += len;
    w->split |= !is_utf8(text, len);
    w->n_ended += done;
    if (done) snprintf(w->why[sample], sizeof w->why[0], "%s", stop);
    return !w->stop_after || ++w->n_calls < w->stop_after;
}

static fig_generate_options options_of(int64_t max_tokens, int64_t num_samples, double temp) {
    fig_generate_options o;
    fig_generate_defaults(&o);
    o.max_tokens = max_tokens, o.num_samples = num_samples, o.temp = temp;
    return o;
}

static written generate(fig_model *m, size_t n_sequences, size_t n_ctx, const char *prompt,
                        const fig_generate_options *o, fig_generate_report *report) {
    fig_context *ctx = fig_model_context(m);
    fig_generator *gen = NULL;
    fig_generate_report unused;
    written w = {0};
    EXPECT_OK(ctx, fig_generator_new(m, n_sequences, n_ctx, &gen));
    if (gen) EXPECT_OK(ctx, fig_generate(gen, prompt, strlen(prompt), o, take, &w, report ? report : &unused));
    fig_generator_free(gen);
    return w;
}

/* --- a real, untrained model over bytes -------------------------------------------------------------------------*/

static fig_tokenizer *byte_tokenizer(fig_context *ctx) {
    fig_tokenizer_trainer *trainer = NULL;
    fig_tokenizer *tok = NULL;
    static const char *const special = "<|endoftext|>";
    fig_tokenizer_train_options options = {.kind = FIG_TOKENIZER_BYTE, .specials = &special, .n_specials = 1};
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &options, &trainer));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(trainer, NULL, &tok));
    fig_tokenizer_trainer_free(trainer);
    return tok;
}

static fig_model *byte_model(fig_context *ctx, const char *arch, fig_dtype dtype, const char *settings) {
    fig_model *m = tiny_model(ctx, arch, dtype, settings);
    EXPECT_OK(ctx, fig_model_set_tokenizer(m, byte_tokenizer(ctx)));
    EXPECT_OK(ctx, fig_model_init(m));
    return m;
}

static void check_neighbours(const char *arch, fig_dtype dtype) {
    fig_context *ctx = check_context();
    fig_model *m = byte_model(ctx, arch, dtype, "block_size=64 init_std=0.3");
    fig_generate_options o = options_of(20, 7, 1), one = options_of(20, 1, 1);
    o.ignore_eos = one.ignore_eos = true;
    written first = generate(m, 1, 0, "Once upon", &o, NULL), alone = generate(m, 4, 0, "Once upon", &one, NULL);
    EXPECT_EQ_I(first.n_ended, 7);
    EXPECT(!first.split && first.len[0] > 0 && strcmp(first.text[0], first.text[1]));
    EXPECT_EQ_S(alone.text[0], first.text[0]);
    for (size_t places = 2; places <= 7; places += 5) {
        written w = generate(m, places, 0, "Once upon", &o, NULL);
        for (int i = 0; i < 7; i++) EXPECT_EQ_S(w.text[i], first.text[i]);
    }
    one.seed++;
    written other = generate(m, 1, 0, "Once upon", &one, NULL);
    EXPECT(strcmp(other.text[0], first.text[0]));
    fig_model_free(m);
}

TEST(a_sample_does_not_depend_on_its_neighbours_in_fp32) { check_neighbours("qwen3", FIG_F32); }
TEST(a_sample_does_not_depend_on_its_neighbours_in_bf16) { check_neighbours("gpt2", FIG_BF16); }

/* A prompt of several chunks, read as a whole by an evaluation graph: the same next token. */
TEST(a_long_prompt_is_read_in_chunks) {
    fig_context *ctx = check_context();
    fig_model *m = byte_model(ctx, "qwen3", FIG_F32, "block_size=1300 init_std=0.3");
    enum { N = 1200 };
    char prompt[N + 1] = {0};
    for (int i = 0; i < N; i++) prompt[i] = (char)(32 + (i * i + i / 7) % 90);
    fig_lm_inputs in;
    fig_tensor *head = NULL;
    fig_graph *g = fig_model_graph(m, FIG_EVAL, 1, N, &in);
    fig_tensor *x = fig_model_hidden(m, g, &in, &head), *logits = fig__model_logits(g, fig_slice(g, x, 1, -1, 1), head);
    fig_plan *plan = NULL;
    EXPECT_OK(ctx, fig_plan_new(g, &logits, 1, NULL, &plan));
    for (int i = 0; i < N; i++) {
        ((int32_t *)fig_plan_data(plan, in.tokens))[i] = (uint8_t)prompt[i];
        ((int32_t *)fig_plan_data(plan, in.positions))[i] = i;
    }
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    const float *l = fig_plan_data(plan, logits);
    int best = 0;
    for (int i = 1; i < 256; i++) best = l[i] > l[best] ? i : best;
    for (int i = 0; i < 256; i++) EXPECT(i == best || l[i] < l[best] - 1e-3f); /* no close call */
    fig_plan_free(plan);
    fig_graph_free(g);
    fig_generate_options o = options_of(1, 1, 0);
    fig_generate_report r;
    o.ignore_eos = true;
    written w = generate(m, 1, 0, prompt, &o, &r);
    char wanted[16] = {0};
    fig_utf8_stream stream = {0};
    size_t n = fig_utf8_stream_add(&stream, &(char){(char)best}, 1, wanted);
    fig_utf8_stream_flush(&stream, wanted + n);
    EXPECT_EQ_S(w.text[0], wanted);
    EXPECT_EQ_I(r.n_prompt, N);
    EXPECT_EQ_I(r.n_prompt_cut, 0);
    EXPECT_EQ_I(r.n_generated, 1);
    fig_model_free(m);
}

TEST(a_prompt_that_does_not_fit_loses_its_front) {
    fig_context *ctx = check_context();
    fig_model *m = byte_model(ctx, "gpt2", FIG_F32, "init_std=0.3");
    fig_generate_options o = options_of(1, 1, 0);
    fig_generate_report r;
    char prompt[101] = {0};
    for (int i = 0; i < 100; i++) prompt[i] = (char)('A' + i % 26);
    o.ignore_eos = true;
    written cut = generate(m, 1, 0, prompt, &o, &r), end = generate(m, 1, 0, prompt + 69, &o, NULL);
    EXPECT_EQ_I(r.n_prompt, 100);
    EXPECT_EQ_I(r.n_prompt_cut, 69); /* one place of 32 is left for a new token */
    EXPECT_EQ_S(cut.text[0], end.text[0]);
    EXPECT_EQ_S(cut.why[0], "length");
    generate(m, 1, 8, prompt, &o, &r);
    EXPECT_EQ_I(r.n_prompt_cut, 93);
    generate(m, 1, 0, prompt + 68, &o, &r); /* as long as the context, and one less */
    EXPECT_EQ_I(r.n_prompt_cut, 1);
    generate(m, 1, 0, prompt + 69, &o, &r);
    EXPECT_EQ_I(r.n_prompt_cut, 0);
    fig_model_free(m);
}

TEST(texts_end_where_the_context_does) {
    fig_context *ctx = check_context();
    fig_model *m = byte_model(ctx, "gpt2", FIG_F32, "init_std=0.3");
    fig_generate_options o = options_of(0, 3, 1);
    fig_generate_report r;
    o.ignore_eos = true;
    written w = generate(m, 2, 0, "abcd", &o, &r);
    EXPECT_EQ_I(r.n_generated, 3 * (32 - 4));
    EXPECT_EQ_S(w.why[2], "length");
    generate(m, 2, 0, "", &o, &r); /* nothing to begin with: an opening token stands there */
    EXPECT_EQ_I(r.n_prompt, 1);
    o.num_samples = 0;
    w = generate(m, 2, 0, "abcd", &o, &r);
    EXPECT_EQ_I(w.n_ended, 0);
    fig_model_free(m);
}

TEST(generators_refuse_what_cannot_be) {
    fig_context *ctx = check_context();
    fig_model *m = byte_model(ctx, "gpt2", FIG_F32, ""), *bare = tiny_model(ctx, "gpt2", FIG_F32, "");
    fig_generator *gen = NULL;
    EXPECT_EQ_I(fig_generator_new(m, 0, 0, &gen), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_generator_new(m, 1, 33, &gen), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "a context of 33 tokens; this model was made for 32") != NULL);
    EXPECT_OK(ctx, fig_model_init(bare));
    EXPECT_EQ_I(fig_generator_new(bare, 1, 0, &gen), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "no tokenizer") != NULL);
    EXPECT(!gen);
    fig_model_free(m);
    fig_model_free(bare);
}

/* --- a model with a script --------------------------------------------------------------------------------------
 * The token after position p is script[p], with all the probability there is. */

typedef struct script_config {
    int64_t vocab_size, block_size, n_layer, n_head, n_embd;
} script_config;
#define ROW(field, text)                                                                                       \
    {                                                                                                          \
        .name = #field, .kind = FIG_OPT_INT, .offset = offsetof(script_config, field), .low = 0, .high = 1000, \
        .fallback = text                                                                                       \
    }
static const fig_option script_rows[] = {ROW(vocab_size, "0"), ROW(block_size, "64"), ROW(n_layer, "1"),
                                         ROW(n_head, "1"), ROW(n_embd, "8")};

static fig_tensor *script_build(fig_graph *g, const void *config, const fig_lm_inputs *in, fig_tensor **head) {
    const script_config *c = config;
    size_t v = (size_t)c->vocab_size;
    *head = fig_param(g, "head", (fig_init){FIG_INIT_ZEROS, 0}, 2, (size_t[]){v, v});
    return fig_embed(g, "script", in->positions, (size_t)c->block_size, v, 0, NULL);
}
static const fig_arch script_arch = {.name = "script",
                                     .family = &fig_family_language,
                                     .net.language = &(const fig_language_net){script_build},
                                     .config_size = sizeof(script_config),
                                     .options = &(const fig_option_table){script_rows, FIG_COUNT(script_rows)}};

/* After a prompt of one token the model writes text, and then the end of text. */
static fig_model *script_model(fig_context *ctx, const char *text) {
    enum { V = 257, BLOCK = 64 };
    static float script[BLOCK * V], head[V * V];
    fig_model *m = NULL;
    if (!fig_arch_find("script")) EXPECT_OK(ctx, fig_arch_register(ctx, &script_arch));
    EXPECT_OK(ctx, fig_model_new(ctx, "script", &(fig_model_options){.dtype = FIG_F32}, &m));
    EXPECT_OK(ctx, fig_model_set_tokenizer(m, byte_tokenizer(ctx)));
    EXPECT_OK(ctx, fig_model_init(m));
    memset(script, 0, sizeof script);
    memset(head, 0, sizeof head);
    for (size_t i = 0; i < BLOCK; i++) script[i * V + (i < strlen(text) ? (uint8_t)text[i] : 256)] = 1;
    for (size_t i = 0; i < V; i++) head[i * V + i] = 100;
    EXPECT_OK(ctx, fig_params_set(fig_model_params(m), "script.weight", script, FIG_F32, BLOCK * V));
    EXPECT_OK(ctx, fig_params_set(fig_model_params(m), "head", head, FIG_F32, V * V));
    return m;
}

TEST(characters_are_never_split) {
    fig_context *ctx = check_context();
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* of one to four bytes, a byte per token */
    fig_model *m = script_model(ctx, text);
    fig_generate_options o = options_of(0, 3, 1);
    written w = generate(m, 2, 0, "x", &o, NULL);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ_S(w.text[i], text);
        EXPECT_EQ_S(w.why[i], "eos");
    }
    EXPECT(!w.split);
    o.max_tokens = 2; /* inside the second character */
    w = generate(m, 1, 0, "x", &o, NULL);
    EXPECT_EQ_S(w.text[0], "a\xef\xbf\xbd");
    EXPECT_EQ_S(w.why[0], "length");
    EXPECT(!w.split);
    fig_model_free(m);
}

TEST(what_is_no_character_is_replaced) {
    fig_context *ctx = check_context();
    fig_model *m = script_model(ctx, "a\xff\xe2\x82z");
    fig_generate_options o = options_of(0, 1, 0);
    written w = generate(m, 1, 0, "x", &o, NULL);
    EXPECT_EQ_S(w.text[0], "a\xef\xbf\xbd\xef\xbf\xbdz");
    EXPECT(!w.split);
    fig_model_free(m);
}

static void expect_stop(const char *text, const char *const *stop, size_t n_stop, const char *wanted, const char *why) {
    fig_context *ctx = check_context();
    fig_model *m = script_model(ctx, text);
    fig_generate_options o = options_of(0, 2, 0);
    o.stop = stop, o.n_stop = n_stop;
    written w = generate(m, 2, 0, "x", &o, NULL);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ_S(w.text[i], wanted);
        EXPECT_EQ_S(w.why[i], why);
    }
    fig_model_free(m);
}
#define EXPECT_STOP(text, wanted, why, ...)                                                                            \
    expect_stop(text, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), \
                wanted, why)

TEST(stop_texts_end_a_sample_and_are_not_given_out) {
    EXPECT_STOP("one two three", "one ", "stop", "two");
    EXPECT_STOP("one two three", "", "stop", "one");
    EXPECT_STOP("one two three", "on", "stop", "ee", "two", "e "); /* whichever comes first */
}

TEST(stop_texts_reach_over_tokens_and_may_begin_in_vain) {
    EXPECT_STOP("aaab aab!", "a", "stop", "aab");            /* the first a is not part of it */
    EXPECT_STOP("12 121 1212", "12 121 1212", "eos", "123"); /* held back, then given */
    EXPECT_STOP("abcabd", "abc", "stop", "abd", "bcd");
    EXPECT_STOP("end of\n\ntext", "end of", "stop", "\n\n");
    EXPECT_STOP("half a sto", "half a sto", "eos", "stop"); /* begun at the end of the text */
    EXPECT_STOP("caf\xc3\xa9 noir", "caf", "stop", "\xc3\xa9");
    EXPECT_STOP("nothing", "nothing", "eos", ""); /* an empty stop text never matches */
}

TEST(the_end_of_text_token_ends_it_unless_told_otherwise) {
    fig_context *ctx = check_context();
    fig_model *m = script_model(ctx, "abc");
    fig_generate_options o = options_of(10, 1, 0);
    fig_generate_report r;
    written w = generate(m, 1, 0, "x", &o, &r);
    EXPECT_EQ_S(w.text[0], "abc");
    EXPECT_EQ_S(w.why[0], "eos");
    EXPECT_EQ_I(r.n_generated, 3);
    o.ignore_eos = true;
    w = generate(m, 1, 0, "x", &o, &r);
    EXPECT_EQ_S(w.text[0], "abc"); /* special tokens have no text */
    EXPECT_EQ_S(w.why[0], "length");
    EXPECT_EQ_I(r.n_generated, 10);
    fig_model_free(m);
}

TEST(the_reader_may_end_a_sample) {
    fig_context *ctx = check_context();
    fig_model *m = script_model(ctx, "abcdefgh");
    fig_generate_options o = options_of(0, 1, 0);
    fig_generator *gen = NULL;
    written w = {.stop_after = 3};
    EXPECT_OK(ctx, fig_generator_new(m, 1, 0, &gen));
    EXPECT_OK(ctx, fig_generate(gen, "x", 1, &o, take, &w, NULL));
    EXPECT_EQ_S(w.text[0], "abc");
    EXPECT_EQ_I(w.n_ended, 1);
    written again = {0}; /* a generator serves any number of calls */
    EXPECT_OK(ctx, fig_generate(gen, "x", 1, &o, take, &again, NULL));
    EXPECT_EQ_S(again.text[0], "abcdefgh");
    fig_cancel(ctx);
    EXPECT_EQ_I(fig_generate(gen, "x", 1, &o, take, &again, NULL), FIG_ERR_CANCELLED);
    fig_generator_free(gen);
    fig_model_free(m);
}
