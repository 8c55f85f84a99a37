/* stories260K (karpathy/llama2.c): the greedy text that its documentation gives, exactly; alone, beside others, and
 * from a prompt that is the beginning of that text. */
#include <fig/generate.h>
#include "base/file.h"
#include "check.h"

#define STEPS 256

typedef struct story {
    fig__buf text[4];
    size_t n_done;
} story;

static bool collect(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    (void)stop;
    story *s = user;
    s->n_done += done;
    return fig__buf_add(&s->text[sample], text, len) == FIG_OK;
}

/* The expected text; the program that printed it ended it with a line feed. */
static bool read_expected(fig_context *ctx, fig__buf *out) {
    const char *path = check_shared("data/tiny-models/stories260K.greedy.txt");
    if (!path || !EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 16, out))) return false;
    while (out->len && out->data[out->len - 1] == '\n') out->data[--out->len] = 0;
    return true;
}

static void expect_text(const char *got, const char *wanted) {
    size_t same = 0;
    while (got[same] && got[same] == wanted[same]) same++;
    if (!EXPECT(strcmp(got, wanted) == 0)) fprintf(stderr, "    from byte %zu: \"%.60s\"\n", same, got + same);
}

/* Writes n stories from a prompt and compares each with wanted. */
static void check_story(fig_model *model, const char *prompt, int64_t n, int64_t n_tokens, const char *wanted) {
    fig_context *ctx = fig_model_context(model);
    fig_generator *gen;
    fig_generate_options o;
    fig_generate_report report;
    story s = {0};
    for (int64_t i = 0; i < n; i++) fig__buf_init(&s.text[i], ctx, 1 << 16);
    fig_generate_defaults(&o);
    o.temp = 0, o.repeat_penalty = 1, o.max_tokens = n_tokens, o.num_samples = n;
    if (!EXPECT_OK(ctx, fig_generator_new(model, (size_t)n, 0, &gen))) return;
    EXPECT_OK(ctx, fig_generate(gen, prompt, strlen(prompt), &o, collect, &s, &report));
    EXPECT_EQ_I(s.n_done, n);
    for (int64_t i = 0; i < n; i++) {
        expect_text(fig__buf_str(&s.text[i]), wanted);
        fig__buf_deinit(&s.text[i]);
    }
    fig_generator_free(gen);
}

static void with_stories(void (*check)(fig_model *model, const char *wanted)) {
    const char *path = check_shared("data/tiny-models/stories260K.bin");
    if (!path) SKIP("no shared data");
    fig_context *ctx = check_context();
    fig_model *model;
    fig__buf wanted;
    if (!read_expected(ctx, &wanted)) SKIP("no shared data");
    if (EXPECT_OK(ctx, fig_model_load(ctx, path, NULL, &model))) {
        EXPECT_EQ_I(fig_model_dtype(model), FIG_F32);
        check(model, wanted.data);
        fig_model_free(model);
    }
    fig__buf_deinit(&wanted);
}

static void check_alone(fig_model *model, const char *wanted) { check_story(model, "", 1, STEPS, wanted); }
static void check_beside(fig_model *model, const char *wanted) { check_story(model, "", 3, STEPS, wanted); }

/* "Once upon a time" is four tokens of this vocabulary; with a prompt of n tokens, STEPS - n new ones end at the same
 * place. */
static void check_prompted(fig_model *model, const char *wanted) {
    static const char prompt[] = "Once upon a time";
    fig_context *ctx = fig_model_context(model);
    fig_ids ids = {0};
    if (!EXPECT(!strncmp(wanted, prompt, strlen(prompt)))) return;
    EXPECT_OK(ctx, fig_tokenizer_encode(fig_model_tokenizer(model), prompt, strlen(prompt), 0, &ids));
    check_story(model, prompt, 1, STEPS - (int64_t)ids.n, wanted + strlen(prompt));
    fig_ids_free(ctx, &ids);
}

TEST(writes_the_documented_story) { with_stories(check_alone); }
TEST(writes_it_beside_others) { with_stories(check_beside); }
TEST(goes_on_with_its_beginning) { with_stories(check_prompted); }
