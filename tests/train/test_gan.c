/* Generative adversarial networks: that they learn, that each phase moves its own network only, that nothing but the
 * settings decides the bits, that a collapse is told. */
#include "pictures_help.h"
#include <fig/draw.h>
#include "base/map.h"
#include "models/gan.h"

#define TINY "n_latent=8 width=8 max_width=16 group_size=8"

static job gan_job(const char *data, const char *out) {
    job j = job_of(data, out);
    j.arch = "r3gan", j.settings = TINY;
    j.o.batch_size = 16, j.o.beta1 = 0, j.o.grad_clip = 0, j.o.weight_decay = 0, j.o.warmup_iters = 0;
    j.o.eval_interval = j.o.checkpoint_interval = 0, j.o.sample_count = 4;
    return j;
}

/* --- learning ---------------------------------------------------------------------------------------------------*/

typedef struct tally {
    double sum, square; /* of samples */
    size_t n_bars, n;
} tally;

/* A drawn picture that is a bar: one line is bright, and the others are dark. */
static bool count_picture(void *user, int64_t sample, const uint8_t *p) {
    tally *t = user;
    size_t bright = 0;
    for (size_t i = 0; i < 64; i++) {
        t->sum += p[i] / 64.0;
        bright += p[i] > 128;
    }
    bool upright = sample % 2;
    for (size_t line = 0; line < 8; line++) {
        size_t of_line = 0;
        for (size_t i = 0; i < 8; i++) of_line += p[upright ? i * 8 + line : line * 8 + i] > 128;
        t->n_bars += of_line >= 7 && bright >= 7 && bright <= 11;
    }
    t->n++;
    return true;
}

/* At least so many of 64 are whole bars; the others are between two of them. */
static void expect_learns(job j, size_t bars) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    studio s;
    fig_train_report r;
    fig_drawer *drawer = NULL;
    tally t = {0};
    j.data = made_up_pictures(ctx, dir, 60, 8, 1, paint_bar), j.o.out_dir = check_path(dir, "out");
    j.o.learning_rate = 2e-3, j.o.ema_decay = 0.98;
    if (!EXPECT(studio_open(&j, &s) == FIG_OK)) return;
    EXPECT_OK(s.ctx, fig_trainer_run(s.trainer, NULL, NULL, &r));
    EXPECT(isnan(r.best_val_loss)); /* nothing to be known as the best by */
    EXPECT_EQ_I(r.best_iter, j.o.max_iters);
    EXPECT(fig_score_of(&r.scores, "diversity") > 0.5 && fig_score_of(&r.scores, "diversity") < 1.3);
    EXPECT(fig_score_of(&r.scores, "coverage") > 0.5);
    fig_draw_options o;
    fig_draw_defaults(&o);
    o.num_samples = 64, o.labels = (int64_t[]){0, 1}, o.n_labels = 2;
    fig_model *saved = NULL; /* the average of the weights, and the statistics that norms took along */
    EXPECT_OK(s.ctx, fig_model_load(s.ctx, j.o.out_dir, NULL, &saved));
    EXPECT_OK(s.ctx, fig_drawer_new(saved, 16, &drawer));
    EXPECT_OK(s.ctx, fig_draw(drawer, &o, count_picture, &t, NULL));
    fig_drawer_free(drawer);
    fig_model_free(saved);
    /* one bright line of eight: 20 + 210 / 8 = 46 */
    if (!EXPECT(fabs(t.sum / 64 - 46.25) < 6 && t.n_bars >= bars))
        fprintf(stderr, "    %s: mean %.1f, %zu bars, diversity %.2f, coverage %.2f\n", j.arch, t.sum / 64, t.n_bars,
                fig_score_of(&r.scores, "diversity"), fig_score_of(&r.scores, "coverage"));
    studio_close(&s);
}

TEST(r3gan_learns) {
    job j = gan_job(NULL, NULL);
    j.o.max_iters = 1000;
    expect_learns(j, 40);
}
TEST(dcgan_learns) {
    job j = gan_job(NULL, NULL);
    j.arch = "dcgan", j.settings = "n_latent=8 width=16 gamma=2 gamma_end=0.5", j.o.beta1 = 0.5, j.o.max_iters = 1500;
    expect_learns(j, 16);
}

/* --- phases -----------------------------------------------------------------------------------------------------*/

/* A hash of the trainable parameters below a path. */
static uint64_t network_hash(const fig_params *p, const char *pattern) {
    uint64_t hash = 0;
    for (size_t i = 0; i < fig_params_count(p); i++) {
        fig_param_info info = fig_params_at(p, i);
        if (!info.trainable || !fig__path_matches(pattern, info.path)) continue;
        hash = hash * 31 + fig__hash64(info.data, info.numel * sizeof(float));
        if (info.copy) hash = hash * 31 + fig__hash64(info.copy, info.numel * sizeof(uint16_t));
    }
    return hash;
}

/* Sums of squares of a network's gradients. */
static double network_sumsq(const fig_params *p, const char *pattern) {
    double sum = 0;
    for (size_t i = 0; i < fig_params_count(p); i++) {
        fig_param_info info = fig_params_at(p, i);
        if (info.trainable && fig__path_matches(pattern, info.path))
            for (size_t k = 0; k < info.numel; k++) sum += (double)info.grad[k] * (double)info.grad[k];
    }
    return sum;
}

static void check_phases(const char *arch, const char *settings, fig_dtype dtype) {
    static const char *const patterns[2] = {"generator.*", "discriminator.*"};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = gan_job(made_up_pictures(ctx, dir, 20, 8, 1, paint_bar), check_path(dir, "out"));
    studio s;
    double loss, norm;
    j.arch = arch, j.settings = settings, j.dtype = dtype, j.o.ema_decay = 0.9;
    if (!EXPECT(studio_open(&j, &s) == FIG_OK) || !EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer))) return;
    fig_trainer *t = s.trainer;
    EXPECT_EQ_I(t->n_phases, 2);
    for (int round = 0; round < 4; round++) {
        int phase = round % 2;
        uint64_t before[2], after[2];
        EXPECT_OK(s.ctx, t->task->read(t));
        for (int i = 0; i < 2; i++) before[i] = network_hash(t->params, patterns[i]);
        double other = network_sumsq(t->params, patterns[1 - phase]);
        EXPECT_OK(s.ctx, fig__phase_gradient(t, phase, &loss, &norm));
        EXPECT_NEAR(norm * norm, network_sumsq(t->params, patterns[phase]), 1e-5 * norm * norm);
        EXPECT_NEAR(network_sumsq(t->params, patterns[1 - phase]), other, 0); /* not even looked at */
        fig__optimizer_step(t->opt, t->phases[phase].part, 1, 1, 1);
        for (int i = 0; i < 2; i++) after[i] = network_hash(t->params, patterns[i]);
        EXPECT(after[phase] != before[phase]);
        EXPECT(after[1 - phase] == before[1 - phase]);
    }
    studio_close(&s);
}
TEST(a_phase_moves_its_own_network_only) {
    check_phases("r3gan", TINY, FIG_F32);
    check_phases("r3gan", TINY, FIG_BF16);
    check_phases("dcgan", "n_latent=8 width=8", FIG_F32);
}

/* A penalty without bound makes the discriminator's gradients not finite, and those alone. */
typedef struct saboteur {
    fig_trainer *t;
    uint64_t hash[2];
    int n_moved[2];
    bool whole_numbers;
} saboteur;
static void sabotage(void *user, const fig_train_event *e) {
    static const char *const patterns[2] = {"generator.*", "discriminator.*"};
    saboteur *s = user;
    if (e->kind != FIG_TRAIN_STEP) return;
    for (int i = 0; i < 2; i++) {
        uint64_t hash = network_hash(s->t->params, patterns[i]);
        s->n_moved[i] += hash != s->hash[i];
        s->hash[i] = hash;
    }
    s->whole_numbers = e->numbers.n == 4 && isfinite(fig_score_of(&e->numbers, "grad_norm")) &&
                       isfinite(fig_score_of(&e->numbers, "loss")) && e->loss == e->numbers.data[0].value;
    EXPECT(s->whole_numbers);
    bool bad = e->iter >= 3 && e->iter < 6;
    EXPECT(isfinite(fig_score_of(&e->numbers, "grad_norm_discriminator")) == (e->iter < 4 || e->iter > 6));
    ((fig__gan_config *)(uintptr_t)fig_model_config(s->t->model))->gamma = bad ? INFINITY : 0.5;
}
TEST(a_phase_that_is_not_finite_is_skipped_alone) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = gan_job(made_up_pictures(ctx, dir, 20, 8, 1, paint_bar), check_path(dir, "out"));
    studio s;
    fig_train_report r;
    if (!EXPECT(studio_open(&j, &s) == FIG_OK)) return;
    saboteur who = {.t = s.trainer};
    EXPECT_OK(s.ctx, fig_trainer_run(s.trainer, sabotage, &who, &r));
    EXPECT_EQ_I(r.n_skipped, 3);
    EXPECT_EQ_I(s.trainer->p.n_skipped[0], 0);
    EXPECT_EQ_I(s.trainer->p.n_skipped[1], 3);
    EXPECT_EQ_I(who.n_moved[0], 20);
    EXPECT_EQ_I(who.n_moved[1], 17);
    studio_close(&s);
}

/* --- the bits are the settings' alone ---------------------------------------------------------------------------*/

static job variant(int which, const char *data, const char *out) {
    job j = gan_job(data, out);
    j.o.batch_size = 6, j.o.max_iters = 12, j.o.eval_interval = 4, j.o.checkpoint_interval = 3;
    if (which == 0) j.dtype = FIG_BF16, j.o.grad_accum = 3, j.o.ema_decay = 0.9;
    if (which == 0) j.settings = TINY " discriminator_lr=0.5 gamma_end=0.1";
    if (which == 1) j.arch = "dcgan", j.settings = "n_latent=8 width=8", j.o.optimizer = FIG_MUON;
    if (which == 2) j.settings = TINY " conditional=false", j.o.optimizer = FIG_SGD, j.o.learning_rate = 1e-2;
    return j;
}

TEST(one_and_two_threads_give_the_same_bits) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_pictures(ctx, dir, 20, 8, 1, paint_bar);
    for (int which = 0; which < 3; which++) {
        job one = variant(which, data, check_path(check_tmpdir(), "one")), two = one;
        two.o.out_dir = check_path(check_tmpdir(), "two"), two.n_threads = 2;
        uint64_t hash = studio_hash(&one);
        EXPECT(hash == studio_hash(&two));
        two.o.out_dir = check_path(check_tmpdir(), "other"), two.o.seed = 7;
        EXPECT(hash != studio_hash(&two));
    }
}

typedef struct stopper {
    fig_context *ctx;
    int64_t at;
} stopper;
static void stop_at(void *user, const fig_train_event *e) {
    stopper *s = user;
    if (e->kind == FIG_TRAIN_STEP && e->iter == s->at) fig_cancel(s->ctx);
}

/* Between two evaluations: a GAN has no best to keep. */
TEST(a_stopped_run_leaves_the_weights_of_its_stop) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = gan_job(made_up_pictures(ctx, dir, 20, 8, 1, paint_bar), check_path(dir, "out"));
    studio s;
    fig_train_report r;
    j.o.eval_interval = 4, j.o.ema_decay = 0;
    if (!EXPECT(studio_open(&j, &s) == FIG_OK)) return;
    stopper stop = {s.ctx, 5};
    EXPECT_EQ_I(fig_trainer_run(s.trainer, stop_at, &stop, &r), FIG_ERR_CANCELLED);
    EXPECT_EQ_I(r.iters, 5);
    EXPECT_EQ_I(r.model_iter, 5);
    fig_model *m = NULL;
    if (EXPECT_OK(ctx, fig_model_load(ctx, j.o.out_dir, &(fig_model_options){.dtype = FIG_F32}, &m)))
        EXPECT(fig_params_hash(fig_model_params(m)) == r.params_hash);
    fig_model_free(m);
    studio_close(&s);
}

TEST(a_resumed_run_ends_in_the_same_bits) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_pictures(ctx, dir, 20, 8, 1, paint_bar);
    for (int which = 0; which < 3; which++) {
        job whole = variant(which, data, check_path(check_tmpdir(), "whole")), parts = whole;
        studio s;
        fig_train_report r;
        uint64_t hash = studio_hash(&whole);
        parts.o.out_dir = check_path(check_tmpdir(), "parts"), parts.o.resume = true;
        if (!EXPECT(studio_open(&parts, &s) == FIG_OK)) return;
        stopper stop = {s.ctx, 5};
        EXPECT_EQ_I(fig_trainer_run(s.trainer, stop_at, &stop, &r), FIG_ERR_CANCELLED);
        studio_close(&s);
        EXPECT(studio_hash(&parts) == hash);
    }
}

/* --- collapse ---------------------------------------------------------------------------------------------------*/

static void keep_note(void *user, const fig_train_event *e) {
    char *text = user;
    if (e->kind == FIG_TRAIN_NOTE) snprintf(text, 256, "%s", e->text);
}

/* A generator that pays no heed to its latent, and learns nothing more. */
static void run_blind(bool blind, char note[256]) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = gan_job(made_up_pictures(ctx, dir, 20, 8, 1, paint_bar), check_path(dir, "out"));
    studio s;
    fig_train_report r;
    float zeros[16 * 16] = {0};
    fig_param_info p;
    j.o.max_iters = 2, j.o.learning_rate = 0, j.o.min_lr = 0;
    if (!EXPECT(studio_open(&j, &s) == FIG_OK) || !EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer))) return;
    EXPECT(fig_params_find(fig_model_params(s.model), "generator.weigh.weight", &p) && p.numel == 256);
    if (blind) EXPECT_OK(s.ctx, fig_params_set(fig_model_params(s.model), p.path, zeros, FIG_F32, p.numel));
    EXPECT_OK(s.ctx, fig_trainer_run(s.trainer, keep_note, note, &r));
    double diversity = fig_score_of(&r.scores, "diversity");
    EXPECT(blind ? diversity < 0.01 : diversity > 0.4);
    EXPECT(isfinite(fig_score_of(&r.scores, "gap")));
    studio_close(&s);
}
TEST(a_collapse_is_told_in_words) {
    char note[256] = "", none[256] = "";
    run_blind(true, note);
    run_blind(false, none);
    EXPECT(strstr(note, "differ from each other by 0 %") && strstr(note, "collapsed"));
    EXPECT_EQ_S(none, "");
}

/* --- drawing ----------------------------------------------------------------------------------------------------*/

typedef struct pages {
    uint8_t pixels[8][8 * 8];
} pages;
static bool keep(void *user, int64_t sample, const uint8_t *pixels) {
    memcpy(((pages *)user)->pixels[sample], pixels, 64);
    return true;
}

TEST(a_picture_follows_from_seed_number_and_class) {
    fig_context *ctx = check_context();
    fig_model *m = NULL;
    EXPECT_OK(ctx, fig_model_new(ctx, "r3gan", &(fig_model_options){.dtype = FIG_F32, .seed = 3}, &m));
    static const char *const given[][2] = {{"image_size", "8"}, {"n_classes", "3"}, {"n_latent", "8"}, {"width", "8"}};
    for (size_t i = 0; i < FIG_COUNT(given); i++) EXPECT_OK(ctx, fig_model_set(m, given[i][0], given[i][1]));
    EXPECT_OK(ctx, fig_model_init(m));
    fig_drawer *wide = NULL, *small = NULL;
    EXPECT_OK(ctx, fig_drawer_new(m, 8, &wide));
    EXPECT_OK(ctx, fig_drawer_new(m, 3, &small));
    EXPECT_EQ_I(fig_drawer_n_latent(wide), 8);
    fig_draw_options o;
    pages a, b;
    fig_draw_defaults(&o);
    o.num_samples = 8;
    EXPECT_OK(ctx, fig_draw(wide, &o, keep, &a, NULL)); /* of classes that the sample number chooses */
    EXPECT_OK(ctx, fig_draw(small, &o, keep, &b, NULL));
    EXPECT(!memcmp(&a, &b, sizeof a));
    EXPECT(memcmp(a.pixels[0], a.pixels[1], 64) != 0);
    o.first_sample = 2, o.num_samples = 6;
    EXPECT_OK(ctx, fig_draw(wide, &o, keep, &b, NULL));
    EXPECT(!memcmp(a.pixels[2], b.pixels[0], 6 * sizeof *a.pixels));
    o.temp = 0, o.labels = (int64_t[]){1, 2}, o.n_labels = 2;
    EXPECT_OK(ctx, fig_draw(wide, &o, keep, &b, NULL)); /* the middle of each class */
    EXPECT(!memcmp(b.pixels[0], b.pixels[2], 64) && memcmp(b.pixels[0], b.pixels[1], 64));
    o.labels = (int64_t[]){3}, o.n_labels = 1;
    EXPECT_EQ_I(fig_draw(wide, &o, keep, &b, NULL), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "class 3: the model has 3") != NULL);
    fig_drawer_free(wide);
    fig_drawer_free(small);
    fig_model_free(m);
}

TEST(sides_that_cannot_be_are_refused) {
    fig_context *ctx = check_context();
    fig_model *m = NULL;
    EXPECT_OK(ctx, fig_model_new(ctx, "dcgan", NULL, &m));
    EXPECT_OK(ctx, fig_model_set(m, "image_size", "30"));
    EXPECT_EQ_I(fig_model_shape(m), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "not 30") != NULL);
    fig_model_free(m);
    EXPECT_OK(ctx, fig_model_new(ctx, "r3gan", NULL, &m));
    EXPECT_OK(ctx, fig_model_set(m, "image_size", "13")); /* any side will do */
    EXPECT_OK(ctx, fig_model_shape(m));
    fig_model_free(m);
    EXPECT_OK(ctx, fig_model_new(ctx, "r3gan", NULL, &m));
    EXPECT_OK(ctx, fig_model_set(m, "group_size", "48"));
    EXPECT_EQ_I(fig_model_shape(m), FIG_ERR_ARG);
    fig_model_free(m);
}

/* --- stacked pictures -------------------------------------------------------------------------------------------*/

static void paint_number(uint8_t *pixels, size_t side, size_t c, int class, size_t i) {
    memset(pixels, (int)(2 * i + (size_t) class), side * side * c);
}
TEST(three_grey_pictures_make_one_in_colour) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *paths[2] = {check_path(dir, "flat.npy"), check_path(dir, "upright.npy")};
    fig_pictures *p[2] = {0};
    made_up_pictures(ctx, dir, 50, 4, 1, paint_number);
    for (int i = 0; i < 2; i++) {
        fig_pictures_options o = fig_pictures_options_default();
        o.paths = paths, o.n_paths = 2, o.stack = true, o.out_dir = check_path(dir, i ? "again" : "stacked");
        EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, NULL));
        EXPECT_OK(ctx, fig_pictures_open(ctx, o.out_dir, &p[i]));
    }
    const fig_pictures_info *info = fig_pictures_get_info(p[0]);
    EXPECT_EQ_I(info->channels, 3);
    EXPECT_EQ_I(info->n_classes, 8);
    EXPECT_EQ_I(info->n[0] + info->n[1], 100);
    EXPECT_EQ_S(info->data_sha256, fig_pictures_get_info(p[1])->data_sha256);
    int seen[8] = {0};
    for (uint64_t i = 0; i < info->n[0]; i++) {
        const uint8_t *x = fig_pictures_pixels(p[0], FIG_SPLIT_TRAIN, i);
        int class =
            x[0] % 2 * 4 + x[1] % 2 * 2 + x[2] % 2; /* the number of a grey picture is even in the first class */
        EXPECT_EQ_I(fig_pictures_class(p[0], FIG_SPLIT_TRAIN, i), class);
        seen[class]++;
        for (size_t k = 3; k < 48; k++) EXPECT_EQ_I(x[k], x[k % 3]);
    }
    for (int i = 0; i < 8; i++) EXPECT(seen[i] > 0);
    for (int i = 0; i < 2; i++) fig_pictures_close(p[i]);
}
