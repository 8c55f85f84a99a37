/* Networks that judge what others draw learn from a made-up set: classifiers and contrastive models. */
#include "check.h"
#include <fig/train.h>
#include "base/file.h"
#include "base/rng.h"
#include "media/image/image.h"

#define SIDE 8
#define N_TRAIN 160
#define N_VAL 112

/* A bright square of 4 x 4 in one of four corners, in noise: the corner is the class, and with the colour the caption.
 */
static const char *const corners[] = {"top left", "top right", "bottom left", "bottom right"};
static const char *const colours[] = {"red", "green", "blue"};

static void paint(uint64_t i, uint8_t *samples) {
    fig_rng_key key = {1, 2, 3};
    for (uint64_t k = 0; k < SIDE * SIDE * 3; k++) {
        uint64_t x = k / 3 % SIDE, y = k / 3 / SIDE;
        bool lit = x / 4 == i % 4 % 2 && y / 4 == i % 4 / 2 && k % 3 == i / 4 % 3;
        samples[k] = (uint8_t)(fig__rng_below(&key, i, 4 * k, 100) + (lit ? 150 : 0));
    }
}

/* And its line of metadata.jsonl. */
static void write_picture(fig_context *ctx, const char *dir, uint64_t i, fig__buf *metadata) {
    fig__image image;
    fig__buf file;
    char name[64], path[4200];
    snprintf(name, sizeof name, "%s/%c/%03d.png", i < N_TRAIN ? "train" : "val", (char)('a' + i % 4), (int)i);
    snprintf(path, sizeof path, "%s/%.*s", dir, (int)(fig__path_base(name) - name), name);
    EXPECT_OK(ctx, fig__mkdirs(ctx, path));
    EXPECT_OK(ctx, fig__image_new(ctx, SIDE, SIDE, 3, &image));
    paint(i, image.data);
    fig__buf_init(&file, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__png_encode(ctx, &image, NULL, 0, &file));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    EXPECT_OK(ctx, fig__file_write(ctx, path, file.data, file.len));
    EXPECT_OK(ctx, fig__buf_printf(metadata, "{\"file_name\": \"%s\", \"text\": \"a %s square, %s\"}\n", name,
                                   colours[i / 4 % 3], corners[i % 4]));
    fig__buf_deinit(&file);
    fig__image_free(ctx, &image);
}

static fig_pictures *made_up_pictures(fig_context *ctx) {
    const char *dir = check_tmpdir();
    fig_pictures_options o = fig_pictures_options_default();
    fig_pictures *p = NULL;
    fig__buf metadata;
    fig__buf_init(&metadata, ctx, 1 << 20);
    for (uint64_t i = 0; i < N_TRAIN + N_VAL; i++) write_picture(ctx, dir, i, &metadata);
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "metadata.jsonl"), metadata.data, metadata.len));
    fig__buf_deinit(&metadata);
    o.paths = &dir, o.n_paths = 1, o.out_dir = check_path(check_tmpdir(), "data");
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, NULL));
    EXPECT_OK(ctx, fig_pictures_open(ctx, o.out_dir, &p));
    return p;
}

static fig_tokenizer *tokenizer(fig_context *ctx, const fig_pictures *p) {
    fig_tokenizer_trainer *trainer = NULL;
    fig_tokenizer *tok = NULL;
    fig_tokenizer_train_options o = {.kind = FIG_TOKENIZER_BPE, .vocab_size = 300};
    EXPECT_OK(ctx, fig_tokenizer_trainer_new(ctx, &o, &trainer));
    for (uint64_t i = 0; i < 12; i++) {
        const char *caption = fig_pictures_caption(p, FIG_SPLIT_TRAIN, i);
        EXPECT_OK(ctx, fig_tokenizer_trainer_add(trainer, caption, strlen(caption)));
        EXPECT_OK(ctx, fig_tokenizer_trainer_end_text(trainer));
    }
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(trainer, NULL, &tok));
    fig_tokenizer_trainer_free(trainer);
    return tok;
}

static void set_all(fig_context *ctx, fig_model *m, const char *settings) {
    char text[256], *save = NULL;
    snprintf(text, sizeof text, "%s", settings);
    for (char *key = strtok_r(text, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        EXPECT_OK(ctx, fig_model_set(m, key, value));
    }
}

typedef struct outcome {
    double first, last, accuracy, r_precision; /* val_loss before and after */
    uint64_t hash;
} outcome;

static void note_first(void *user, const fig_train_event *e) {
    outcome *o = user;
    if (e->kind == FIG_TRAIN_EVAL && !e->iter) o->first = fig_score_of(&e->scores, "val_loss");
}

static outcome learn(const char *arch, const char *settings, int64_t max_iters) {
    fig_context *ctx = check_context();
    fig_pictures *p = made_up_pictures(ctx);
    fig_model *m = NULL;
    fig_trainer *t = NULL;
    fig_train_report report = {0};
    outcome out = {0};
    fig_train_options o;
    fig_train_defaults(&o);
    o.out_dir = check_tmpdir(), o.max_iters = max_iters, o.batch_size = 16, o.warmup_iters = 5;
    o.learning_rate = 3e-3, o.eval_interval = max_iters, o.checkpoint_interval = 0;
    EXPECT_OK(ctx, fig_model_new(ctx, arch, &(fig_model_options){.dtype = FIG_F32, .seed = 1}, &m));
    set_all(ctx, m, settings);
    if (fig_model_get_int(m, "text_length")) EXPECT_OK(ctx, fig_model_set_tokenizer(m, tokenizer(ctx, p)));
    EXPECT_OK(ctx, fig_trainer_new(m, &(fig_train_data){.pictures = p}, &o, &t));
    if (t) EXPECT_OK(ctx, fig_trainer_run(t, note_first, &out, &report));
    out.last = fig_score_of(&report.scores, "val_loss");
    out.accuracy = fig_score_of(&report.scores, "val_accuracy");
    out.r_precision = fig_score_of(&report.scores, "val_r_precision");
    out.hash = report.params_hash;
    fig_trainer_free(t);
    fig_model_free(m);
    fig_pictures_close(p);
    fig__scratch_reserve(ctx, 0);
    return out;
}

TEST(a_classifier_learns_corners) {
    const char *settings = "image_size=8 n_channels=3 n_classes=4 n_features=32 dropout=0.1";
    outcome o = learn("classifier", settings, 40);
    EXPECT(o.accuracy > 0.95 && o.last < o.first / 2);
    EXPECT_EQ_I(learn("classifier", settings, 40).hash, o.hash);
}

/* Twelve captions among 112 pictures: of 100 candidates about eight are right, and one of them is drawn. */
TEST(a_contrastive_model_learns_captions) {
    outcome o = learn("contrastive",
                      "image_size=8 n_channels=3 n_features=16 n_level=2 n_layer=1 n_head=2 n_embd=32 text_length=12 "
                      "dropout=0",
                      80);
    EXPECT(o.last < o.first - 0.7 && o.r_precision > 0.07);
}
