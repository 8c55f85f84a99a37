/* What the tests of models that draw share: toy pictures with captions, and pictures from a trained model. */
#ifndef TEST_TOYS_HELP_H
#define TEST_TOYS_HELP_H
#include "pictures_help.h"
#include <fig/draw.h>
#include "media/image/image.h"

/* 8 x 8, grey. Class 0 has a bright left half, class 1 a bright upper one, in four brightnesses. */
#define TOY_SIDE 8
static const char *const toy_names[] = {"left", "upper"};
static inline void toy_picture(size_t kind, size_t i, uint8_t *out) {
    for (size_t at = 0; at < TOY_SIDE * TOY_SIDE; at++)
        out[at] = (uint8_t)((kind ? at / TOY_SIDE : at % TOY_SIDE) < TOY_SIDE / 2 ? 255 - 10 * (i / 8 % 4) : 0);
}

static inline void toy_file(fig_context *ctx, const char *dir, const char *split, size_t kind, size_t i) {
    fig__image image;
    fig__buf file;
    char path[4200];
    snprintf(path, sizeof path, "%s/%s/%s", dir, split, toy_names[kind]);
    EXPECT_OK(ctx, fig__mkdirs(ctx, path));
    fig__buf_init(&file, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__image_new(ctx, TOY_SIDE, TOY_SIDE, 1, &image));
    toy_picture(kind, i, image.data);
    EXPECT_OK(ctx, fig__png_encode(ctx, &image, NULL, 0, &file));
    snprintf(path, sizeof path, "%s/%s/%s/%02zu.png", dir, split, toy_names[kind], i);
    EXPECT_OK(ctx, fig__file_write(ctx, path, file.data, file.len));
    snprintf(path, sizeof path, "%s/%s/%s/%02zu.txt", dir, split, toy_names[kind], i);
    EXPECT_OK(ctx, fig__file_write(ctx, path, toy_names[kind], strlen(toy_names[kind])));
    fig__buf_deinit(&file);
    fig__image_free(ctx, &image);
}

/* 48 pictures to learn from, 16 held out, each with its class as its caption too; dir/data. */
static inline const char *toy_data(fig_context *ctx, const char *dir) {
    fig_pictures_options o = fig_pictures_options_default();
    fig_pictures_info info;
    const char *from = check_path(dir, "toy");
    for (size_t i = 0; i < 64; i++) toy_file(ctx, from, i % 4 == 3 ? "val" : "train", i / 4 % 2, i);
    o.paths = &from, o.n_paths = 1, o.out_dir = check_path(dir, "data");
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, &info));
    EXPECT(info.n[0] == 48 && info.n[1] == 16 && info.size == TOY_SIDE && info.n_classes == 2);
    return o.out_dir;
}

static inline job toy_job(const char *data, const char *arch, const char *out, const char *settings) {
    job j = {.data = data, .arch = arch, .settings = settings, .dtype = FIG_F32};
    fig_train_defaults(&j.o);
    j.o.out_dir = out;
    j.o.batch_size = 8, j.o.max_iters = 100, j.o.warmup_iters = 5, j.o.learning_rate = 3e-3, j.o.weight_decay = 0;
    j.o.eval_interval = j.o.checkpoint_interval = 1000, j.o.log_interval = 1, j.o.sample_count = 4;
    return j;
}

/* --- drawing ----------------------------------------------------------------------------------------------------*/

typedef struct album {
    uint8_t pixels[64][TOY_SIDE * TOY_SIDE];
    size_t n;
} album;
static inline bool keep_picture(void *user, int64_t sample, const uint8_t *pixels) {
    album *a = user;
    if ((size_t)sample < FIG_COUNT(a->pixels)) memcpy(a->pixels[sample], pixels, sizeof a->pixels[0]);
    a->n++;
    return true;
}

/* Draws with the model of a folder, in batches of so many, on so many threads. */
static inline void draw_toys(const char *model, size_t batch, int n_threads, const fig_draw_options *o, album *out) {
    fig_context *ctx = NULL;
    fig_model *m = NULL;
    fig_drawer *d = NULL;
    *out = (album){0};
    if (fig_context_new(&(fig_context_options){.n_threads = n_threads}, &ctx)) return;
    EXPECT_OK(ctx, fig_model_load(ctx, model, NULL, &m));
    if (m) EXPECT_OK(ctx, fig_drawer_new(m, batch, &d));
    if (d) EXPECT_OK(ctx, fig_draw(d, o, keep_picture, out, NULL));
    fig_drawer_free(d);
    fig_model_free(m);
    fig_context_free(ctx);
}

/* Of two pictures, on average. */
static inline double toy_difference(const uint8_t *a, const uint8_t *b) {
    double sum = 0;
    for (size_t i = 0; i < TOY_SIDE * TOY_SIDE; i++) sum += abs(a[i] - b[i]);
    return sum / (TOY_SIDE * TOY_SIDE);
}

#endif
