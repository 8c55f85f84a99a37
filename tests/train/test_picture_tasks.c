/* VAEs and flows learn a small made-up set of pictures, go on bit for bit, and draw the same whatever is beside. */
#include "toys_help.h"

#define SIDE TOY_SIDE
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

#define VAE "n_latent=3 n_hidden=16"
#define IWAE VAE " likelihood=binarised n_importance=5"
#define FLOW "text_length=0 patch_size=4 n_layer=2 n_head=2 n_embd=32"

static job job_for(const char *arch, const char *settings, const char *data, const char *out) {
    job j = toy_job(data, arch, out, settings);
    j.o.batch_size = 16, j.o.max_iters = 12, j.o.warmup_iters = 2, j.o.learning_rate = 1e-3;
    j.o.eval_interval = j.o.checkpoint_interval = 6;
    return j;
}

/* --- learning ---------------------------------------------------------------------------------------------------*/

static double mean_of_half(const uint8_t *pixels, bool upper) {
    double sum = 0;
    for (size_t p = 0; p < SIDE * SIDE / 2; p++) sum += pixels[p + (upper ? 0 : SIDE * SIDE / 2)];
    return sum / (SIDE * SIDE / 2);
}

TEST(a_flow_draws_the_class_that_is_asked_for) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_for("flow", FLOW, picture_data(ctx, dir), check_path(dir, "out"));
    fig_train_report r;
    j.o.max_iters = j.o.eval_interval = j.o.checkpoint_interval = 400, j.o.learning_rate = 3e-3;
    if (!expect_run(&j, &r)) return;
    fig_draw_options o;
    album d;
    fig_draw_defaults(&o);
    o.num_samples = 32, o.labels = (const int64_t[]){0, 1}, o.n_labels = 2;
    draw_toys(j.o.out_dir, 16, 1, &o, &d);
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
    job j = job_for("vae", VAE, picture_data(ctx, dir), check_path(dir, "out"));
    fig_train_report r;
    j.o.max_iters = j.o.eval_interval = j.o.checkpoint_interval = 1500, j.o.learning_rate = 5e-3;
    if (!expect_run(&j, &r)) return;
    EXPECT(fig_score_of(&r.scores, "latents_in_use") >= 1);
    /* noise of 40 levels costs log 40 = 3.7 nats a pixel, and which half is bright log 2 */
    double nats = fig_score_of(&r.scores, "val_loss");
    if (!EXPECT(nats > SIDE * SIDE * 3.6 && nats < SIDE * SIDE * 4.4)) fprintf(stderr, "    %.1f nats\n", nats);
    fig_draw_options o;
    album d;
    fig_draw_defaults(&o);
    o.num_samples = 64;
    draw_toys(j.o.out_dir, 64, 1, &o, &d);
    int upper = 0, lower = 0;
    for (size_t i = 0; i < d.n; i++) {
        double gap = mean_of_half(d.pixels[i], true) - mean_of_half(d.pixels[i], false);
        upper += gap > 60, lower += gap < -60;
    }
    if (!EXPECT(upper > 8 && lower > 8)) fprintf(stderr, "    %d and %d of 64\n", upper, lower);
}

/* --- the gradient of many samples -------------------------------------------------------------------------------*/

typedef struct moments {
    double *sum, *square; /* [n] */
    size_t n, n_encoder;  /* parameters; the encoder's are a prefix, for it is recorded first */
} moments;

/* Of the gradient of one batch over n_runs draws of its latents. */
static bool gradient_moments(job j, const char *settings, int n_runs, float *first, moments *m) {
    studio s;
    j.settings = settings;
    if (!EXPECT(studio_open(&j, &s) == FIG_OK)) return false;
    EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer));
    EXPECT_OK(s.ctx, s.trainer->task->read(s.trainer));
    s.trainer->task->feed(s.trainer, 0, 0);
    const float *grads = fig_params_grads(fig_model_params(s.model), &m->n);
    m->sum = calloc(2 * m->n, sizeof *m->sum), m->square = m->sum + m->n;
    for (size_t i = 0; i < fig_params_count(fig_model_params(s.model)); i++) {
        fig_param_info p = fig_params_at(fig_model_params(s.model), i);
        if (!strncmp(p.path, "encoder.", 8)) m->n_encoder = FIG_MAX(m->n_encoder, p.flat_offset + p.numel);
    }
    for (int r = 0; r < n_runs; r++) {
        EXPECT_OK(s.ctx, fig_plan_run(s.trainer->phases[0].plan, &(fig_run_args){.seed = (uint64_t)r}));
        for (size_t i = 0; i < m->n; i++)
            m->sum[i] += (double)grads[i], m->square[i] += (double)grads[i] * (double)grads[i];
        if (!r) memcpy(first, grads, m->n * sizeof *first);
    }
    studio_close(&s);
    return true;
}

enum { N_RUNS = 4000, MOST = 20000 };

typedef struct comparison {
    double farthest; /* of the parameters' mean gradients, in standard errors of their difference */
    double noise[2]; /* sums of variances */
} comparison;

static comparison compare_moments(const moments m[2], size_t begin, size_t end) {
    comparison c = {0};
    for (size_t i = begin; i < end; i++) {
        double mean[2], variance[2];
        for (int k = 0; k < 2; k++) {
            mean[k] = m[k].sum[i] / N_RUNS;
            c.noise[k] += variance[k] = m[k].square[i] / N_RUNS - mean[k] * mean[k];
        }
        double error = sqrt((variance[0] + variance[1]) / N_RUNS);
        if (error > 0) c.farthest = fmax(c.farthest, fabs(mean[0] - mean[1]) / error);
    }
    return c;
}

static bool two_moments(const char *const settings[2], float first[2][MOST], moments m[2]) {
    job j = job_for("vae", NULL, picture_data(check_context(), check_tmpdir()), check_path(check_tmpdir(), "out"));
    j.o.batch_size = 1;
    for (int k = 0; k < 2; k++)
        if (!gradient_moments(j, settings[k], N_RUNS, first[k], &m[k])) return false;
    return EXPECT(m[0].n_encoder > 100 && m[0].n_encoder < m[0].n);
}

/* The doubly reparameterised gradient is the usual one for the decoder; for the encoder it has the same mean, and less
 * noise. */
TEST(two_gradients_of_many_samples_agree) {
    static const char *const settings[2] = {IWAE " importance_gradient=reparameterised",
                                            IWAE " importance_gradient=doubly"};
    static float first[2][MOST];
    moments m[2] = {0};
    double largest = 0, worst = 0;
    if (!two_moments(settings, first, m)) return;
    for (size_t i = m[0].n_encoder; i < m[0].n; i++) {
        largest = fmax(largest, fabs((double)first[0][i]));
        worst = fmax(worst, fabs((double)first[0][i] - (double)first[1][i]));
    }
    EXPECT(largest > 0 && worst <= 1e-5 * largest);
    comparison c = compare_moments(m, 0, m[0].n_encoder);
    if (!EXPECT(c.farthest < 5 && c.noise[1] < 0.9 * c.noise[0])) /* the farthest of a thousand */
        fprintf(stderr, "    means differ by %.2f standard errors, noise %.3g and %.3g\n", c.farthest, c.noise[0],
                c.noise[1]);
    for (int k = 0; k < 2; k++) free(m[k].sum);
}

/* Picking samples leaves the gradient's mean what it was, and adds noise to it. */
TEST(a_gradient_of_picked_samples_has_the_mean_of_all) {
    static const char *const pairs[][2] = {
        {IWAE, IWAE " n_backward=2"},
        {IWAE " importance_gradient=reparameterised", IWAE " importance_gradient=reparameterised n_backward=2"}};
    static float first[2][MOST];
    for (size_t p = 0; p < FIG_COUNT(pairs); p++) {
        moments m[2] = {0};
        if (!two_moments(pairs[p], first, m)) return;
        comparison c = compare_moments(m, 0, m[0].n);
        if (!EXPECT(c.farthest < 5 && c.noise[1] > c.noise[0]))
            fprintf(stderr, "    %s: means differ by %.2f standard errors, noise %.3g and %.3g\n", pairs[p][1],
                    c.farthest, c.noise[0], c.noise[1]);
        for (int k = 0; k < 2; k++) free(m[k].sum);
    }
}

/* --- the same bits ----------------------------------------------------------------------------------------------*/

TEST(threads_and_a_stop_on_the_way_change_nothing) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = picture_data(ctx, dir);
    static const struct { const char *arch, *settings; } archs[] = {{"vae", VAE}, {"flow", FLOW}};
    for (size_t i = 0; i < FIG_COUNT(archs); i++) {
        job whole = job_for(archs[i].arch, archs[i].settings, data, check_path(dir, archs[i].arch)), parts = whole;
        uint64_t want = studio_hash(&whole);
        parts.o.out_dir = check_path(check_tmpdir(), "parts"), parts.n_threads = 3;
        parts.o.max_iters = 6, parts.o.schedule = whole.o.schedule;
        whole.o.schedule = parts.o.schedule = 0; /* constant: the end is no part of it */
        whole.o.out_dir = check_path(check_tmpdir(), "whole");
        want = studio_hash(&whole);
        EXPECT(studio_hash(&parts) != want);
        parts.o.max_iters = 12, parts.o.resume = true;
        EXPECT(studio_hash(&parts) == want);
    }
}

TEST(a_picture_is_the_same_in_any_batch) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = picture_data(ctx, dir);
    static const struct { const char *arch, *settings; } archs[] = {{"vae", VAE}, {"flow", FLOW}};
    static const int64_t labels[] = {0, 1, -1};
    static album many, few;
    for (size_t i = 0; i < FIG_COUNT(archs); i++) {
        job j = job_for(archs[i].arch, archs[i].settings, data, check_path(dir, archs[i].arch));
        EXPECT(studio_hash(&j) != 0);
        fig_draw_options o;
        fig_draw_defaults(&o);
        o.num_samples = 9, o.steps = 3;
        if (i) o.labels = labels, o.n_labels = 3;
        draw_toys(j.o.out_dir, 9, 1, &o, &many);
        draw_toys(j.o.out_dir, 4, 1, &o, &few);
        EXPECT(!memcmp(&many, &few, sizeof many));
        o.first_sample = 7, o.num_samples = 1;
        draw_toys(j.o.out_dir, 1, 1, &o, &few);
        EXPECT(!memcmp(many.pixels[7], few.pixels[0], SIDE * SIDE));
        EXPECT(memcmp(many.pixels[6], few.pixels[0], SIDE * SIDE));
    }
}

/* Moved and mirrored pictures are still pictures of the set: of each row as many bright pixels, less what left. */
TEST(pictures_are_mirrored_and_moved_in_their_own_way) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_for("vae", VAE, picture_data(ctx, dir), check_path(dir, "a")), k = j, l = j;
    k.o.out_dir = check_path(dir, "b"), k.o.flip = true;
    l.o.out_dir = check_path(dir, "c"), l.o.shift = 2;
    uint64_t plain = studio_hash(&j), flipped = studio_hash(&k), moved = studio_hash(&l);
    EXPECT(plain != flipped && plain != moved && flipped != moved);
    l.n_threads = 2, l.o.out_dir = check_path(dir, "d");
    EXPECT(studio_hash(&l) == moved);
}

/* --- from a picture ---------------------------------------------------------------------------------------------*/

TEST(what_a_mask_keeps_stays) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_for("flow", FLOW, picture_data(ctx, dir), check_path(dir, "out"));
    EXPECT(studio_hash(&j) != 0);
    uint8_t source[SIDE * SIDE], mask[SIDE * SIDE];
    for (size_t p = 0; p < SIDE * SIDE; p++) source[p] = (uint8_t)(p * 3), mask[p] = p % SIDE < 4;
    fig_draw_options o;
    album d;
    fig_draw_defaults(&o);
    o.source = source, o.mask = mask, o.num_samples = 2;
    draw_toys(j.o.out_dir, 2, 1, &o, &d);
    for (size_t p = 0; p < SIDE * SIDE; p++)
        if (!mask[p]) EXPECT(d.pixels[0][p] == source[p] && d.pixels[1][p] == source[p]);
    EXPECT(memcmp(d.pixels[0], d.pixels[1], SIDE * SIDE) != 0);
    o.mask = NULL, o.strength = 0, o.num_samples = 1, o.steps = 1;
    draw_toys(j.o.out_dir, 1, 1, &o, &d);
    o.strength = 1;
    album other;
    draw_toys(j.o.out_dir, 1, 1, &o, &other);
    EXPECT(memcmp(d.pixels[0], other.pixels[0], SIDE * SIDE) != 0);
}

TEST(data_that_does_not_fit_is_refused) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = picture_data(ctx, dir);
    job j = job_for("flow", FLOW, data, check_path(dir, "out"));
    fig_train_report r;
    j.settings = "image_size=12 text_length=0 n_embd=24";
    EXPECT_EQ_I(run_studio(&j, &r, NULL), FIG_ERR_ARG);
    EXPECT(!fig__path_exists(check_path(dir, "out")));
}
