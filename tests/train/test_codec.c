/* A convolutional VAE and an fsq learn toy pictures; a transformer over the codes of the fsq draws the class or the
 * caption that is asked for. Runs go on bit for bit; pictures do not depend on what is drawn beside them. */
#include "toys_help.h"
#include "files/safetensors.h"

#define NET "width=8 n_level=2 n_block=1 "
#define PRIOR "n_layer=2 n_head=2 n_embd=32 dropout=0 "

/* --- autoencoders -------------------------------------------------------------------------------------------------*/

TEST(a_vae_of_convolutions_learns) {
    const char *dir = check_tmpdir(), *data = toy_data(check_context(), dir);
    fig_train_report r;
    job j = toy_job(data, "conv_vae", check_path(dir, "vae"), NET "latent_channels=1 likelihood=bernoulli");
    j.o.max_iters = 0;
    if (!expect_run(&j, &r)) return;
    double before = fig_score_of(&r.scores, "val_loss");
    j.o.max_iters = 100, j.o.out_dir = check_path(dir, "vae2");
    if (!expect_run(&j, &r)) return;
    if (!EXPECT(fig_score_of(&r.scores, "val_loss") < 0.6 * before))
        fprintf(stderr, "    %g of %g\n", fig_score_of(&r.scores, "val_loss"), before);
    album a;
    draw_toys(j.o.out_dir, 4, 1, &(fig_draw_options){.num_samples = 4, .temp = 1}, &a);
    EXPECT_EQ_I(a.n, 4);
}

static bool train_codec(const char *data, const char *out, fig_train_report *r) {
    job j = toy_job(data, "fsq", out, NET "levels=4,3,3");
    j.o.max_iters = 150;
    return expect_run(&j, r);
}

TEST(an_fsq_learns_pictures_by_codes) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = toy_data(ctx, dir), *out = check_path(dir, "fsq");
    fig_train_report r;
    if (!train_codec(data, out, &r)) return;
    double psnr = fig_score_of(&r.scores, "psnr"), used = fig_score_of(&r.scores, "codes_used");
    if (!EXPECT(psnr > 25)) fprintf(stderr, "    %g dB\n", psnr);
    EXPECT(used > 2.0 / 36 && used <= 1);
    EXPECT(fig_score_of(&r.scores, "code_perplexity") >= 1.5);
    fig_model *m;
    fig_drawer *d;
    album a = {0};
    uint8_t toy[2][TOY_SIDE * TOY_SIDE];
    if (!EXPECT_OK(ctx, fig_model_load(ctx, out, NULL, &m)) || !EXPECT_OK(ctx, fig_drawer_new(m, 1, &d))) return;
    EXPECT_EQ_I(fig_drawer_n_latent(d), 4 * 4 * 3);
    float latents[2 * 48];
    for (size_t i = 0; i < 2; i++) toy_picture(i, 1, toy[i]);
    EXPECT_OK(ctx, fig_draw_encode(d, toy[0], 2, latents));
    EXPECT_OK(ctx, fig_draw_latents(d, &(fig_draw_options){.num_samples = 2}, latents, keep_picture, &a, NULL));
    for (size_t i = 0; i < 2; i++) EXPECT(toy_difference(a.pixels[i], toy[i]) < 12);
    /* what the encoder says has a code, which stands for it */
    const fig_tokenizer_net *net = fig_model_arch(m)->net.tokenizer;
    float back[3];
    for (size_t i = 0; i < 2 * 48; i += 3) {
        net->values(fig_model_config(m), net->code(fig_model_config(m), latents + i), back);
        EXPECT(back[0] == latents[i] && back[1] == latents[i + 1] && back[2] == latents[i + 2]);
    }
    fig_drawer_free(d);
    fig_model_free(m);
}

static void count_notes(void *user, const fig_train_event *e) {
    if (e->kind == FIG_TRAIN_NOTE && strstr(e->text, "codes are used")) ++*(int *)user;
}
TEST(few_codes_are_a_note) {
    const char *dir = check_tmpdir(), *data = toy_data(check_context(), dir);
    int n = 0;
    fig_train_report r;
    job j = toy_job(data, "fsq", check_path(dir, "fsq"), "width=8 n_level=1 n_block=1 levels=16,16,16");
    j.o.learning_rate = 0, j.o.max_iters = 1, j.on_event = count_notes, j.user = &n;
    if (!expect_run(&j, &r)) return;
    EXPECT(fig_score_of(&r.scores, "codes_used") < 0.1 * 1024 / 4096); /* of 16 pictures of 8 x 8 places */
    EXPECT_EQ_I(n, 1);                                                 /* not at step 0 */
}

/* --- transformers over codes --------------------------------------------------------------------------------------*/

/* Labels or prompts in turn; the picture of each must be its toy, of any brightness. */
static void expect_kinds(const char *model, const fig_draw_options *o) {
    album a;
    uint8_t toy[TOY_SIDE * TOY_SIDE];
    size_t n_right = 0;
    draw_toys(model, 3, 1, o, &a);
    for (size_t i = 0; i < a.n; i++) {
        toy_picture(i % 2, 1, toy);
        n_right += toy_difference(a.pixels[i], toy) < 40;
    }
    EXPECT_EQ_I(a.n, o->num_samples);
    if (!EXPECT(n_right + 1 >= a.n)) fprintf(stderr, "    %zu of %zu are right\n", n_right, a.n);
}

/* A codec and settings of a prior that takes it. */
typedef struct toys {
    const char *dir, *data, *codec;
    char settings[4300];
} toys;
static bool toys_open(toys *t, const char *more) {
    fig_train_report r;
    t->dir = check_tmpdir();
    t->data = toy_data(check_context(), t->dir);
    t->codec = check_path(t->dir, "fsq");
    snprintf(t->settings, sizeof t->settings, PRIOR "codec=%s %s", t->codec, more);
    return train_codec(t->data, t->codec, &r);
}

TEST(a_prior_draws_classes_and_needs_its_codec_no_more) {
    toys t;
    fig_train_report r;
    if (!toys_open(&t, "n_classes=2 text_length=0")) return;
    job j = toy_job(t.data, "tokens", check_path(t.dir, "prior"), t.settings);
    j.o.max_iters = 250;
    if (!expect_run(&j, &r)) return;
    double loss = fig_score_of(&r.scores, "val_loss"), blind = log(36);
    if (!EXPECT(loss < 0.2 * blind)) fprintf(stderr, "    %g of %g nats\n", loss, blind);
    EXPECT_OK(check_context(), fig__dir_remove(check_context(), t.codec));
    fig_draw_options o;
    fig_draw_defaults(&o);
    o.num_samples = 10, o.labels = (int64_t[]){0, 1}, o.n_labels = 2;
    expect_kinds(j.o.out_dir, &o);
    o.guidance = 1, o.top_k = 4, o.top_p = 0.95;
    expect_kinds(j.o.out_dir, &o);
    o.temp = 0;
    expect_kinds(j.o.out_dir, &o);
}

TEST(a_prior_draws_captions) {
    toys t;
    fig_train_report r;
    if (!toys_open(&t, "text_length=6")) return;
    job j = toy_job(t.data, "tokens", check_path(t.dir, "prior"), t.settings);
    j.o.max_iters = 250;
    if (!expect_run(&j, &r)) return;
    EXPECT(fig_score_of(&r.scores, "val_text_loss") < 1);
    fig_draw_options o;
    fig_draw_defaults(&o);
    o.num_samples = 10, o.prompts = toy_names, o.n_prompts = 2;
    expect_kinds(j.o.out_dir, &o);
    o.negative = "left";
    o.prompts = toy_names + 1, o.n_prompts = 1, o.num_samples = 1, o.guidance = 1.5;
    album a;
    uint8_t toy[TOY_SIDE * TOY_SIDE];
    toy_picture(1, 1, toy);
    draw_toys(j.o.out_dir, 1, 1, &o, &a);
    EXPECT(toy_difference(a.pixels[0], toy) < 40);
}

/* The toys again, each with a second name of letters of the first one of the others. */
static const char *const other_names[] = {"put", "full"};
static const char *twice_named_data(fig_context *ctx, const char *dir) {
    const char *from = check_path(dir, "toy"), *list = check_path(dir, "toy/metadata.jsonl");
    char text[64 * 128];
    int len = 0;
    for (size_t i = 0; i < 64; i++) {
        size_t kind = i / 4 % 2;
        len += snprintf(text + len, sizeof text - (size_t)len,
                        "{\"file_name\": \"%s/%s/%02zu.png\", \"captions\": [\"%s\", \"%s\"]}\n",
                        i % 4 == 3 ? "val" : "train", toy_names[kind], i, toy_names[kind], other_names[kind]);
    }
    EXPECT_OK(ctx, fig__file_write(ctx, list, text, (size_t)len));
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = &from, o.n_paths = 1, o.out_dir = check_path(dir, "twice");
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, NULL));
    return o.out_dir;
}

TEST(a_prior_learns_every_caption_of_a_picture) {
    toys t;
    fig_train_report r;
    if (!toys_open(&t, "text_length=6")) return;
    job j = toy_job(twice_named_data(check_context(), t.dir), "tokens", check_path(t.dir, "prior"), t.settings);
    j.o.max_iters = 500;
    if (!expect_run(&j, &r)) return;
    fig_draw_options o;
    fig_draw_defaults(&o);
    o.num_samples = 10, o.prompts = toy_names, o.n_prompts = 2;
    expect_kinds(j.o.out_dir, &o);
    o.prompts = other_names;
    expect_kinds(j.o.out_dir, &o);
}

/* Not trained long, so that much is likely everywhere. */
TEST(a_picture_is_the_same_whatever_is_drawn_beside_it) {
    toys t;
    fig_train_report r;
    if (!toys_open(&t, "n_classes=2 text_length=0")) return;
    for (int dtype = 0; dtype < 2; dtype++) {
        job j = toy_job(t.data, "tokens", check_path(t.dir, dtype ? "bf16" : "f32"), t.settings);
        j.o.max_iters = 5, j.dtype = dtype ? FIG_BF16 : FIG_F32, j.o.save_dtype = dtype;
        if (!expect_run(&j, &r)) return;
        fig_draw_options o;
        fig_draw_defaults(&o);
        o.num_samples = 7, o.labels = (int64_t[]){0, 1, -1}, o.n_labels = 3;
        album first, other, later;
        draw_toys(j.o.out_dir, 1, 1, &o, &first);
        EXPECT(memcmp(first.pixels[0], first.pixels[3], sizeof first.pixels[0]) != 0);
        for (size_t batch = 2; batch < 9; batch += 5) {
            draw_toys(j.o.out_dir, batch, (int)(1 + batch / 3), &o, &other);
            EXPECT(!memcmp(&first, &other, sizeof first));
        }
        o.first_sample = 3, o.num_samples = 2;
        draw_toys(j.o.out_dir, 2, 2, &o, &later);
        EXPECT(!memcmp(first.pixels[3], later.pixels[0], 2 * sizeof later.pixels[0]));
    }
}

/* --- runs that were interrupted -----------------------------------------------------------------------------------*/

static void expect_resumes(const char *data, const char *dir, const char *arch, const char *settings) {
    char name[64];
    fig_train_report whole, part;
    snprintf(name, sizeof name, "%s-whole", arch);
    job j = toy_job(data, arch, check_path(dir, name), settings);
    j.o.max_iters = 12, j.o.ema_decay = 0.9, j.o.schedule = 0; /* one that does not look at max_iters */
    if (!expect_run(&j, &whole)) return;
    snprintf(name, sizeof name, "%s-parts", arch);
    j.o.out_dir = check_path(dir, name);
    j.o.max_iters = 7, j.o.checkpoint_interval = 5, j.n_threads = 2;
    if (!expect_run(&j, &part)) return;
    j.o.max_iters = 12, j.o.resume = true, j.n_threads = 1;
    if (!expect_run(&j, &part)) return;
    EXPECT_EQ_I(part.params_hash, whole.params_hash);
    EXPECT(part.loss == whole.loss);
}

TEST(runs_go_on_bit_for_bit) {
    toys t;
    if (!toys_open(&t, "text_length=6 dropout=0.1")) return;
    expect_resumes(t.data, t.dir, "conv_vae", NET "latent_channels=1");
    expect_resumes(t.data, t.dir, "fsq", NET "levels=4,3,3");
    expect_resumes(t.data, t.dir, "tokens", t.settings);
}

/* --- what does not fit --------------------------------------------------------------------------------------------*/

static void expect_refused(const toys *t, const char *arch, const char *settings, const char *words) {
    char error[1024];
    fig_train_report r;
    job j = toy_job(t->data, arch, check_path(t->dir, "refused"), settings);
    EXPECT(run_studio(&j, &r, error) == FIG_ERR_ARG);
    if (!EXPECT(strstr(error, words))) fprintf(stderr, "    %s\n", error);
}

TEST(what_does_not_fit_is_said) {
    toys t;
    char wrong[4300];
    if (!toys_open(&t, "text_length=0")) return;
    expect_refused(&t, "conv_vae", "n_level=5 width=8", "cannot be halved 4 times");
    expect_refused(&t, "conv_vae", "n_level=2 width=12", "no multiple of 8");
    expect_refused(&t, "fsq", NET "levels=8", "give the steps of two to eight latents");
    expect_refused(&t, "tokens", PRIOR "text_length=0", "--codec: which codes");
    fig_train_report r;
    job j = toy_job(t.data, "conv_vae", check_path(t.dir, "vae"), NET "latent_channels=1");
    j.o.max_iters = 0;
    if (!expect_run(&j, &r)) return;
    snprintf(wrong, sizeof wrong, PRIOR "text_length=0 codec=%s", j.o.out_dir);
    expect_refused(&t, "tokens", wrong, "makes no codes");
    snprintf(wrong, sizeof wrong, PRIOR "text_length=0 image_size=16 codec=%s", t.codec);
    expect_refused(&t, "tokens", wrong, "knows pictures of 8 x 8 x 1, these are of 16 x 16 x 1");
}
