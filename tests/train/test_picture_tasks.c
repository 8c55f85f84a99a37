/* VAEs and flows learn a small made-up set of pictures, go on bit for bit, and draw the same whatever is beside. */
#include <fig/draw.h>
#include <math.h>
#include "train_help.h"

#define SIDE 8
#define N_PICTURES 400

static uint32_t hash_of_pixel(size_t i, size_t p) {
    uint32_t h = (uint32_t)(i * 64 + p) * 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    return h ^ h >> 13;
}

/* Two classes of grey squares: bright above, or bright below, each a little different. */
static void make_pictures(uint8_t *images, uint8_t *labels) {
    for (size_t i = 0; i < N_PICTURES; i++) {
        labels[i] = (uint8_t)(i & 1);
        for (size_t p = 0; p < SIDE * SIDE; p++) {
            bool upper = p < SIDE * SIDE / 2, bright = upper == !labels[i];
            images[i * SIDE * SIDE + p] = (uint8_t)((bright ? 180 : 20) + hash_of_pixel(i, p) % 40);
        }
    }
}

static void put_big_endian(uint8_t *at, uint32_t v) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* IDX files, prepared: a folder to train from. */
static const char *picture_data(fig_context *ctx, const char *dir) {
    static uint8_t images[16 + N_PICTURES * SIDE * SIDE], labels[8 + N_PICTURES];
    const char *path = check_path(dir, "train-images-idx3-ubyte");
    put_big_endian(images, 0x803), put_big_endian(images + 4, N_PICTURES);
    put_big_endian(images + 8, SIDE), put_big_endian(images + 12, SIDE);
    put_big_endian(labels, 0x801), put_big_endian(labels + 4, N_PICTURES);
    make_pictures(images + 16, labels + 8);
    EXPECT_OK(ctx, fig__file_write(ctx, path, images, sizeof images));
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "train-labels-idx1-ubyte"), labels, sizeof labels));
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "t10k-images-idx3-ubyte"), images, sizeof images));
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "t10k-labels-idx1-ubyte"), labels, sizeof labels));
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = &dir, o.n_paths = 1, o.out_dir = check_path(dir, "data");
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, NULL));
    return o.out_dir;
}

static const char *const vae[] = {"image_size", "8", "n_channels", "1", "n_latent", "3", "n_hidden", "16", NULL};
static const char *const flow[] = {"image_size",  "8", "n_channels", "1",  "n_classes", "2",
                                   "text_length", "0", "patch_size", "4",  "n_layer",   "2",
                                   "n_head",      "2", "n_embd",     "32", NULL};

typedef struct picture_job {
    const char *arch, *const *settings, *data;
    int n_threads;
    fig_train_options o;
} picture_job;

static picture_job job_for(const char *arch, const char *const *settings, const char *data, const char *out) {
    picture_job j = {.arch = arch, .settings = settings, .data = data, .n_threads = 1};
    fig_train_defaults(&j.o);
    j.o.out_dir = out, j.o.batch_size = 16, j.o.max_iters = 12, j.o.warmup_iters = 2, j.o.eval_interval = 6;
    j.o.checkpoint_interval = 6, j.o.log_interval = 1, j.o.sample_count = 4, j.o.weight_decay = 0;
    return j;
}

static fig_status run_picture_job(const picture_job *j, fig_train_report *report) {
    fig_context *ctx;
    fig_model *m = NULL;
    fig_train_data data = {0};
    fig_trainer *t = NULL;
    FIG_TRY(fig_context_new(&(fig_context_options){.n_threads = j->n_threads}, &ctx));
    fig_status status = fig_pictures_open(ctx, j->data, &data.pictures);
    if (!status) status = fig_model_new(ctx, j->arch, &(fig_model_options){.dtype = FIG_F32, .seed = 3}, &m);
    for (const char *const *s = j->settings; *s && !status; s += 2) status = fig_model_set(m, s[0], s[1]);
    if (!status) status = fig_trainer_new(m, &data, &j->o, &t);
    if (!status) status = fig_trainer_run(t, NULL, NULL, report);
    if (status) fprintf(stderr, "    %s\n", fig_error(ctx));
    fig_trainer_free(t);
    fig_model_free(m);
    fig_pictures_close(data.pictures);
    fig__scratch_reserve(ctx, 0);
    EXPECT_EQ_I(fig_memory(ctx).bytes_now > 1 << 20, 0);
    fig_context_free(ctx);
    return status;
}

/* --- learning ---------------------------------------------------------------------------------------------------*/

static double mean_of_half(const uint8_t *pixels, bool upper) {
    double sum = 0;
    for (size_t p = 0; p < SIDE * SIDE / 2; p++) sum += pixels[p + (upper ? 0 : SIDE * SIDE / 2)];
    return sum / (SIDE * SIDE / 2);
}

typedef struct drawn {
    uint8_t pixels[64][SIDE * SIDE];
    size_t n;
} drawn;
static bool keep(void *user, int64_t sample, const uint8_t *pixels) {
    drawn *d = user;
    EXPECT_EQ_I(sample, (int64_t)d->n);
    memcpy(d->pixels[d->n++], pixels, SIDE * SIDE);
    return true;
}

static void draw(fig_context *ctx, const char *dir, size_t batch, const fig_draw_options *o, drawn *out) {
    fig_model *m = NULL;
    fig_drawer *d = NULL;
    *out = (drawn){0};
    if (!EXPECT_OK(ctx, fig_model_load(ctx, dir, NULL, &m))) return;
    EXPECT_OK(ctx, fig_drawer_new(m, batch, &d));
    EXPECT_OK(ctx, fig_draw(d, o, keep, out, NULL));
    fig_drawer_free(d);
    fig_model_free(m);
}

TEST(a_flow_draws_the_class_that_is_asked_for) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    picture_job j = job_for("flow", flow, picture_data(ctx, dir), check_path(dir, "out"));
    fig_train_report r;
    j.o.max_iters = j.o.eval_interval = j.o.checkpoint_interval = 400, j.o.learning_rate = 3e-3;
    if (!EXPECT_EQ_I(run_picture_job(&j, &r), FIG_OK)) return;
    fig_draw_options o;
    drawn d;
    fig_draw_defaults(&o);
    o.num_samples = 32, o.labels = (const int64_t[]){0, 1}, o.n_labels = 2;
    draw(ctx, j.o.out_dir, 16, &o, &d);
    int right = 0;
    for (size_t i = 0; i < d.n; i++) {
        double upper = mean_of_half(d.pixels[i], true), lower = mean_of_half(d.pixels[i], false);
        right += i % 2 ? lower > upper + 80 : upper > lower + 80;
    }
    if (!EXPECT(right >= 31)) fprintf(stderr, "    %d of 32\n", right);
}

TEST(a_vae_learns_both_kinds) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    picture_job j = job_for("vae", vae, picture_data(ctx, dir), check_path(dir, "out"));
    fig_train_report r;
    j.o.max_iters = j.o.eval_interval = j.o.checkpoint_interval = 1500, j.o.learning_rate = 5e-3;
    if (!EXPECT_EQ_I(run_picture_job(&j, &r), FIG_OK)) return;
    EXPECT(fig_score_of(&r.scores, "latents_in_use") >= 1);
    /* noise of 40 levels costs log 40 = 3.7 nats a pixel, and which half is bright log 2 */
    double nats = fig_score_of(&r.scores, "val_loss");
    if (!EXPECT(nats > SIDE * SIDE * 3.6 && nats < SIDE * SIDE * 4.4)) fprintf(stderr, "    %.1f nats\n", nats);
    fig_draw_options o;
    drawn d;
    fig_draw_defaults(&o);
    o.num_samples = 64;
    draw(ctx, j.o.out_dir, 64, &o, &d);
    int upper = 0, lower = 0;
    for (size_t i = 0; i < d.n; i++) {
        double gap = mean_of_half(d.pixels[i], true) - mean_of_half(d.pixels[i], false);
        upper += gap > 60, lower += gap < -60;
    }
    if (!EXPECT(upper > 8 && lower > 8)) fprintf(stderr, "    %d and %d of 64\n", upper, lower);
}

/* --- the same bits ----------------------------------------------------------------------------------------------*/

static uint64_t picture_hash(const picture_job *j) {
    fig_train_report r = {0};
    EXPECT_EQ_I(run_picture_job(j, &r), FIG_OK);
    return r.params_hash;
}

TEST(threads_and_a_stop_on_the_way_change_nothing) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = picture_data(ctx, dir);
    static const struct { const char *arch, *const *settings; } archs[] = {{"vae", vae}, {"flow", flow}};
    for (size_t i = 0; i < FIG_COUNT(archs); i++) {
        picture_job whole = job_for(archs[i].arch, archs[i].settings, data, check_path(dir, archs[i].arch)),
                    parts = whole;
        uint64_t want = picture_hash(&whole);
        parts.o.out_dir = check_path(check_tmpdir(), "parts"), parts.n_threads = 3;
        parts.o.max_iters = 6, parts.o.schedule = whole.o.schedule;
        whole.o.schedule = parts.o.schedule = 0; /* constant: the end is no part of it */
        whole.o.out_dir = check_path(check_tmpdir(), "whole");
        want = picture_hash(&whole);
        EXPECT(picture_hash(&parts) != want);
        parts.o.max_iters = 12, parts.o.resume = true;
        EXPECT(picture_hash(&parts) == want);
    }
}

TEST(a_picture_is_the_same_in_any_batch) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = picture_data(ctx, dir);
    static const struct { const char *arch, *const *settings; } archs[] = {{"vae", vae}, {"flow", flow}};
    static const int64_t labels[] = {0, 1, -1};
    static drawn many, few;
    for (size_t i = 0; i < FIG_COUNT(archs); i++) {
        picture_job j = job_for(archs[i].arch, archs[i].settings, data, check_path(dir, archs[i].arch));
        EXPECT(picture_hash(&j) != 0);
        fig_draw_options o;
        fig_draw_defaults(&o);
        o.num_samples = 9, o.steps = 3;
        if (i) o.labels = labels, o.n_labels = 3;
        draw(ctx, j.o.out_dir, 9, &o, &many);
        draw(ctx, j.o.out_dir, 4, &o, &few);
        EXPECT(!memcmp(&many, &few, sizeof many));
        o.first_sample = 7, o.num_samples = 1;
        draw(ctx, j.o.out_dir, 1, &o, &few);
        EXPECT(!memcmp(many.pixels[7], few.pixels[0], SIDE * SIDE));
        EXPECT(memcmp(many.pixels[6], few.pixels[0], SIDE * SIDE));
    }
}

/* Moved and mirrored pictures are still pictures of the set: of each row as many bright pixels, less what left. */
TEST(pictures_are_mirrored_and_moved_in_their_own_way) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    picture_job j = job_for("vae", vae, picture_data(ctx, dir), check_path(dir, "a")), k = j, l = j;
    k.o.out_dir = check_path(dir, "b"), k.o.flip = true;
    l.o.out_dir = check_path(dir, "c"), l.o.shift = 2;
    uint64_t plain = picture_hash(&j), flipped = picture_hash(&k), moved = picture_hash(&l);
    EXPECT(plain != flipped && plain != moved && flipped != moved);
    l.n_threads = 2, l.o.out_dir = check_path(dir, "d");
    EXPECT(picture_hash(&l) == moved);
}

/* --- from a picture ---------------------------------------------------------------------------------------------*/

TEST(what_a_mask_keeps_stays) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    picture_job j = job_for("flow", flow, picture_data(ctx, dir), check_path(dir, "out"));
    EXPECT(picture_hash(&j) != 0);
    uint8_t source[SIDE * SIDE], mask[SIDE * SIDE];
    for (size_t p = 0; p < SIDE * SIDE; p++) source[p] = (uint8_t)(p * 3), mask[p] = p % SIDE < 4;
    fig_draw_options o;
    drawn d;
    fig_draw_defaults(&o);
    o.source = source, o.mask = mask, o.num_samples = 2;
    draw(ctx, j.o.out_dir, 2, &o, &d);
    for (size_t p = 0; p < SIDE * SIDE; p++)
        if (!mask[p]) EXPECT(d.pixels[0][p] == source[p] && d.pixels[1][p] == source[p]);
    EXPECT(memcmp(d.pixels[0], d.pixels[1], SIDE * SIDE) != 0);
    o.mask = NULL, o.strength = 0, o.num_samples = 1, o.steps = 1;
    draw(ctx, j.o.out_dir, 1, &o, &d);
    o.strength = 1;
    drawn other;
    draw(ctx, j.o.out_dir, 1, &o, &other);
    EXPECT(memcmp(d.pixels[0], other.pixels[0], SIDE * SIDE) != 0);
}

TEST(data_that_does_not_fit_is_refused) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = picture_data(ctx, dir);
    picture_job j = job_for("flow", flow, data, check_path(dir, "out"));
    static const char *const larger[] = {"image_size", "12",     "n_channels", "1", "text_length",
                                         "0",          "n_embd", "24",         NULL};
    fig_train_report r;
    j.settings = larger;
    EXPECT_EQ_I(run_picture_job(&j, &r), FIG_ERR_ARG);
    EXPECT(!fig__path_exists(check_path(dir, "out")));
}
