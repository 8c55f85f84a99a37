/* What networks see: classifiers and contrastive models as extractors. */
#include "check.h"
#include <fig/features.h>
#include "models/model.h"

static fig_model *model_of(fig_context *ctx, const char *arch, const char *settings) {
    fig_model *m = NULL;
    char text[256], *save = NULL;
    snprintf(text, sizeof text, "%s", settings);
    EXPECT_OK(ctx, fig_model_new(ctx, arch, &(fig_model_options){.dtype = FIG_F32, .seed = 3, .inference = true}, &m));
    for (char *key = strtok_r(text, " ", &save); m && key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        EXPECT_OK(ctx, fig_model_set(m, key, value));
    }
    return m;
}

#define SIDE 10
#define NUMBERS (SIDE * SIDE * 3)
static fig_model *classifier(fig_context *ctx) {
    fig_model *m = model_of(ctx, "classifier", "image_size=10 n_channels=3 n_classes=4 n_features=8");
    EXPECT_OK(ctx, fig_model_init(m));
    return m;
}

static void fill(uint8_t *pixels, size_t n) {
    for (size_t i = 0; i < n; i++) pixels[i] = (uint8_t)(i * 7 % 256);
}

/* --- the classifier against PyTorch: tests/golden/make_classifier.py ----------------------------------------------*/

static void set_waves(fig_context *ctx, fig_model *m) {
    static const double scale[] = {0.1, 0.1, 0.05, 0.1, 0.2, 0.1, 0.3, 0.1};
    static const char *const paths[] = {"conv1.weight",    "conv1.bias",    "conv2.weight",   "conv2.bias",
                                        "features.weight", "features.bias", "classes.weight", "classes.bias"};
    for (size_t p = 0; p < FIG_COUNT(paths); p++) {
        fig_param_info info;
        if (!EXPECT(fig_params_find(fig_model_params(m), paths[p], &info))) return;
        float *values = malloc(info.numel * sizeof *values);
        for (size_t i = 0; i < info.numel; i++) values[i] = (float)(scale[p] * sin(0.37 * (double)i + (double)p));
        EXPECT_OK(ctx, fig_params_set(fig_model_params(m), paths[p], values, FIG_F32, info.numel));
        free(values);
    }
}

TEST(a_classifier_is_what_pytorch_computes) {
    static const double want[16] = {
        0, 0, 0.074278476, 0.178240117, 0.235108085, 0.234825845, 0.181476527, 0.0917075146,
        0, 0, 0.111389859, 0.234653679, 0.296559423, 0.285776735, 0.209043825, 0.0889207154};
    fig_context *ctx = check_context();
    fig_model *m = classifier(ctx);
    fig_extractor *e = NULL;
    uint8_t pixels[2 * NUMBERS];
    float got[16];
    int32_t classes[2];
    fill(pixels, sizeof pixels);
    set_waves(ctx, m);
    EXPECT_OK(ctx, fig_extractor_new(m, 2, &e));
    EXPECT_EQ_I(fig_extractor_n_features(e), 8);
    EXPECT_EQ_I(fig_extractor_n_classes(e), 4);
    EXPECT_OK(ctx, fig_extract(e, pixels, 2, got, classes, NULL, NULL));
    for (int i = 0; i < 16; i++) EXPECT_NEAR(got[i], want[i], 2e-6);
    EXPECT(classes[0] == 2 && classes[1] == 0); /* logits 0.322 -0.156 0.323 -0.100, 0.379 -0.207 0.367 -0.135 */
    fig_extractor_free(e);
    fig_model_free(m);
}

/* --- batches, threads ---------------------------------------------------------------------------------------------*/

static void extract_with(int n_threads, size_t batch, const uint8_t *pixels, size_t n, float *features) {
    fig_context *ctx = NULL;
    fig_extractor *e = NULL;
    if (!EXPECT(!fig_context_new(&(fig_context_options){.n_threads = n_threads}, &ctx))) return;
    fig_model *m = classifier(ctx);
    EXPECT_OK(ctx, fig_extractor_new(m, batch, &e));
    if (e) EXPECT_OK(ctx, fig_extract(e, pixels, n, features, NULL, NULL, NULL));
    fig_extractor_free(e);
    fig_model_free(m);
    fig_context_free(ctx);
}

TEST(features_have_the_same_bits_in_any_batch_and_for_any_threads) {
    enum { N = 13 };
    static uint8_t pixels[N * NUMBERS];
    static float one[N * 8], other[N * 8];
    static const struct {
        int n_threads;
        size_t batch;
    } ways[] = {{1, 4}, {1, 13}, {2, 13}, {3, 5}, {4, 100}};
    fill(pixels, sizeof pixels);
    extract_with(1, 1, pixels, N, one);
    for (size_t i = 0; i < FIG_COUNT(ways); i++) {
        extract_with(ways[i].n_threads, ways[i].batch, pixels, N, other);
        EXPECT(!memcmp(one, other, sizeof one));
    }
}

/* --- the control --------------------------------------------------------------------------------------------------*/

TEST(the_control_has_the_shape_and_has_learnt_nothing) {
    fig_context *ctx = check_context();
    fig_model *m = classifier(ctx), *a = NULL, *b = NULL, *c = NULL;
    set_waves(ctx, m);
    EXPECT_OK(ctx, fig_model_new_untrained(m, 5, &a));
    EXPECT_OK(ctx, fig_model_new_untrained(m, 5, &b));
    EXPECT_OK(ctx, fig_model_new_untrained(m, 6, &c));
    EXPECT_EQ_I(fig_model_n_params(a), fig_model_n_params(m));
    uint64_t hash = fig_params_hash(fig_model_params(a));
    EXPECT(hash == fig_params_hash(fig_model_params(b)));
    EXPECT(hash != fig_params_hash(fig_model_params(c)) && hash != fig_params_hash(fig_model_params(m)));
    fig_model_free(a);
    fig_model_free(b);
    fig_model_free(c);
    fig_model_free(m);
}

/* --- captions -----------------------------------------------------------------------------------------------------*/

static fig_tokenizer *tokenizer(fig_context *ctx, const char *text) {
    fig_tokenizer_trainer *trainer = NULL;
    fig_tokenizer *tok = NULL;
    EXPECT_OK(ctx,
              fig_tokenizer_trainer_new(ctx, &(fig_tokenizer_train_options){.kind = FIG_TOKENIZER_CHAR}, &trainer));
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(trainer, text, strlen(text)));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(trainer, NULL, &tok));
    fig_tokenizer_trainer_free(trainer);
    return tok;
}

static fig_model *contrastive(fig_context *ctx) {
    fig_model *m = model_of(ctx, "contrastive",
                            "image_size=10 n_channels=3 n_features=8 n_level=2 n_layer=1 n_head=2 n_embd=16 "
                            "text_length=6");
    EXPECT_OK(ctx, fig_model_set_tokenizer(m, tokenizer(ctx, "a red cat")));
    EXPECT_OK(ctx, fig_model_init(m));
    return m;
}

static double length(const float *x) {
    double sum = 0;
    for (int k = 0; k < 8; k++) sum += (double)x[k] * (double)x[k];
    return sqrt(sum);
}

TEST(captions_and_pictures_are_directions) {
    fig_context *ctx = check_context();
    fig_model *m = contrastive(ctx);
    fig_extractor *e = NULL;
    const char *texts[3] = {"red", "a red cat", "cat"};
    uint8_t pixels[3 * NUMBERS];
    float of_pictures[24], of_texts[24], alone[8];
    int32_t classes[3];
    size_t n_cut = 99;
    fill(pixels, sizeof pixels);
    EXPECT_OK(ctx, fig_extractor_new(m, 2, &e));
    EXPECT(fig_extractor_reads(e) && fig_extractor_n_classes(e) == 0);
    EXPECT_OK(ctx, fig_extract(e, pixels, 3, of_pictures, NULL, NULL, NULL));
    EXPECT_OK(ctx, fig_extract_texts(e, texts, 3, of_texts, &n_cut));
    EXPECT_EQ_I(n_cut, 3); /* nine characters, room for six */
    for (int i = 0; i < 3; i++) EXPECT_NEAR(length(of_pictures + 8 * i), 1, 1e-5);
    for (int i = 0; i < 3; i++) EXPECT_NEAR(length(of_texts + 8 * i), 1, 1e-5);
    EXPECT_OK(ctx, fig_extract_texts(e, texts + 2, 1, alone, NULL));
    EXPECT(!memcmp(alone, of_texts + 16, sizeof alone));
    EXPECT_EQ_I(fig_extract(e, pixels, 3, of_pictures, classes, NULL, NULL), FIG_ERR_UNSUPPORTED);
    fig_extractor_free(e);
    fig_model_free(m);
}

/* --- what is refused ----------------------------------------------------------------------------------------------*/

static bool stop_at_once(void *user, size_t done, size_t n) {
    (void)done, (void)n;
    ++*(int *)user;
    return false;
}

TEST(what_is_no_extractor_says_so) {
    fig_context *ctx = check_context();
    fig_model *m = model_of(ctx, "vae", "image_size=4 n_hidden=8 n_latent=2");
    fig_extractor *e = NULL;
    uint8_t pixels[5 * NUMBERS] = {0};
    float features[5 * 8];
    const char *text = "a";
    int calls = 0;
    EXPECT_EQ_I(fig_extractor_new(m, 1, &e), FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(ctx), "vae is no extractor of features; a classifier or a contrastive model is");
    fig_model_free(m);
    m = classifier(ctx);
    EXPECT_OK(ctx, fig_extractor_new(m, 2, &e));
    EXPECT_EQ_I(fig_extract_texts(e, &text, 1, features, NULL), FIG_ERR_UNSUPPORTED);
    EXPECT_EQ_I(fig_extract(e, pixels, 5, features, NULL, stop_at_once, &calls), FIG_ERR_CANCELLED);
    EXPECT_EQ_I(calls, 1);
    fig_extractor_free(e);
    fig_model_free(m);
}

TEST(a_classifier_needs_classes_and_a_reader_captions) {
    fig_context *ctx = check_context();
    fig_model *m = model_of(ctx, "classifier", "n_classes=0");
    EXPECT_EQ_I(fig_model_shape(m), FIG_ERR_ARG);
    fig_model_free(m);
    m = model_of(ctx, "contrastive", "text_length=0");
    EXPECT_EQ_I(fig_model_shape(m), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "captions"));
    fig_model_free(m);
}
