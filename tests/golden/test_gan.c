/* A small R3GAN, the same judging pairs of pictures, and a small DCGAN against PyTorch (make_gan.py), which
 * differentiates twice for the slope penalties where we take the tangent: scores, losses and the gradient of every
 * parameter, in double precision, and in single as the trainer records them. */
#include "../train/pictures_help.h"
#include <fig/ops.h>
#include "files/safetensors.h"
#include "models/gan.h"

#define FILE_NAME "tests/golden/gan.safetensors"
#define N 4

#define SMALL "n_latent=5 width=8 max_width=16 group_size=4 patch_size=2 gamma=0.7 gamma_end=0.7"
enum { R3GAN, PACKED, DCGAN };
static const struct net {
    const char *name, *arch, *settings;
    size_t side, channels;
    int pack;
} nets[] = {{"r3gan", "r3gan", SMALL, 18, 3, 1},
            {"packed", "r3gan", SMALL " pack=2", 18, 3, 2},
            {"dcgan", "dcgan", "n_latent=5 width=6 max_width=12 gamma=0.7 gamma_end=0.7", 16, 1, 1}};

typedef struct bench {
    fig_context *ctx;
    fig__weights *file;
    const struct net *net;
    fig_model *model;
    fig_graph *g;
    fig_tensor *x, *z, *label, *gamma;
} bench;

static const fig__weight *value_of(const bench *b, const char *kind, const char *what) {
    char name[256];
    snprintf(name, sizeof name, "%s.%s%s", b->net->name, kind, what);
    const fig__weight *w = fig__weights_find(b->file, name);
    if (!EXPECT(w)) fprintf(stderr, "    %s: not in the file\n", name);
    return w;
}

/* The largest difference, as a share of the largest value. */
static void expect_near(const bench *b, const fig__weight *want, const void *got, fig_dtype type, double tolerance) {
    const double *y = want ? want->data : NULL;
    double worst = 0, largest = 0;
    for (size_t i = 0; y && i < want->numel; i++) {
        double x = type == FIG_F64 ? ((const double *)got)[i] : (double)((const float *)got)[i];
        worst = fmax(worst, fabs(x - y[i]));
        largest = fmax(largest, fabs(y[i]));
    }
    if (!EXPECT(y && worst <= tolerance * largest))
        fprintf(stderr, "    %s: %s differs by %.3g\n", b->net->name, want ? want->name : "?", worst / largest);
}

static void take_weights(const bench *b) {
    fig_params *p = fig_model_params(b->model);
    for (size_t i = 0; i < fig_params_count(p); i++) {
        fig_param_info info = fig_params_at(p, i);
        const fig__weight *w = info.is_state ? NULL : value_of(b, "w.", info.path);
        if (w) EXPECT_OK(b->ctx, fig_params_set(p, info.path, w->data, FIG_F64, w->numel));
    }
}

/* --- in double precision ----------------------------------------------------------------------------------------*/

static void bench_open(bench *b, int which) {
    char text[256], *save = NULL;
    *b = (bench){.ctx = check_context(), .net = &nets[which]};
    EXPECT_OK(b->ctx, fig__st_open(b->ctx, FILE_NAME, &b->file));
    EXPECT_OK(b->ctx, fig_model_new(b->ctx, b->net->arch, &(fig_model_options){.dtype = FIG_F64}, &b->model));
    snprintf(text, sizeof text, "image_size=%zu n_channels=%zu n_classes=3 %s", b->net->side, b->net->channels,
             b->net->settings);
    for (char *key = strtok_r(text, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        EXPECT_OK(b->ctx, fig_model_set(b->model, key, value));
    }
    EXPECT_OK(b->ctx, fig_model_init(b->model));
    take_weights(b);
    b->g = fig_model_graph_new(b->model, FIG_TRAIN);
    b->x = fig_input(b->g, "x", FIG_F64, 4, (size_t[]){N, b->net->side, b->net->side, b->net->channels});
    b->z = fig_input(b->g, "z", FIG_F64, 2, (size_t[]){N, 5});
    b->label = fig_input(b->g, "label", FIG_I32, 2, (size_t[]){N, 1});
    b->gamma = fig_input(b->g, "gamma", FIG_F64, 1, (size_t[]){1});
}
static void bench_close(bench *b) {
    fig_graph_free(b->g);
    fig_model_free(b->model);
    fig__weights_close(b->file);
}

static void feed_all(const bench *b, fig_plan *plan) {
    const struct {
        fig_tensor *t;
        const char *name;
    } all[] = {{b->x, "x"}, {b->z, "z"}, {b->label, "label"}, {b->gamma, "gamma"}};
    for (size_t i = 0; i < FIG_COUNT(all); i++) {
        const fig__weight *w = value_of(b, "", all[i].name);
        if (w) memcpy(fig_plan_data(plan, all[i].t), w->data, w->bytes);
    }
}

#define MOST 64

/* The loss and the gradients of the parameters of one network. */
static void compare_network(bench *b, const char *network, fig_tensor *loss, const char *loss_name, fig_tensor *extra,
                            const char *extra_name) {
    fig_tensor *wrt[MOST], *roots[MOST + 2] = {loss, extra};
    size_t n = 0, n_roots = 2;
    char pattern[64];
    snprintf(pattern, sizeof pattern, "%s.*", network);
    for (size_t i = 0; i < b->g->leaves.n; i++)
        if (b->g->leaves.key[i]->trainable && fig__path_matches(pattern, b->g->leaves.key[i]->path))
            wrt[n++] = b->g->leaves.leaf[i];
    EXPECT(n > 4 && n < MOST);
    EXPECT_OK(b->ctx, fig_backward(b->g, loss, wrt, n, roots + 2));
    for (size_t i = 0; i < n; i++)
        if (EXPECT(roots[i + 2])) roots[n_roots++] = fig_contiguous(b->g, roots[i + 2]);
    fig_plan *plan = NULL;
    if (!EXPECT(n_roots == n + 2) || !EXPECT_OK(b->ctx, fig_plan_new(b->g, roots, n_roots, NULL, &plan))) return;
    feed_all(b, plan);
    EXPECT_OK(b->ctx, fig_plan_run(plan, NULL));
    expect_near(b, value_of(b, "", loss_name), fig_plan_data(plan, loss), FIG_F64, 1e-12);
    expect_near(b, value_of(b, "", extra_name), fig_plan_data(plan, extra), FIG_F64, 1e-12);
    for (size_t i = 0; i < n; i++)
        expect_near(b, value_of(b, "d.", wrt[i]->param->path), fig_plan_data(plan, roots[i + 2]), FIG_F64, 1e-12);
    fig_plan_free(plan);
}

static void check_generator(int which) {
    bench b;
    bench_open(&b, which);
    fig_tensor *made = fig__gan_generate(b.model, b.g, b.z, b.label),
               *made_score = fig__gan_judge(b.model, b.g, made, b.label),
               *real_score = which == DCGAN ? NULL : fig__gan_judge(b.model, b.g, b.x, b.label);
    fig_tensor *loss = fig__gan_generator_loss(b.g, real_score, made_score);
    compare_network(&b, "generator", loss, "loss", fig_contiguous(b.g, made), "made");
    bench_close(&b);
}

static void check_discriminator(int which) {
    bench b;
    bench_open(&b, which);
    fig_tensor *made = fig_stop_gradient(b.g, fig__gan_generate(b.model, b.g, b.z, b.label)),
               *real_score = fig__gan_judge(b.model, b.g, b.x, b.label),
               *made_score = fig__gan_judge(b.model, b.g, made, b.label);
    fig_tensor *slopes =
        fig_add(b.g, fig__gan_penalty(b.g, real_score, b.x, b.gamma), fig__gan_penalty(b.g, made_score, made, b.gamma));
    fig_tensor *loss = fig_add(b.g, fig__gan_discriminator_loss(b.model, b.g, real_score, made_score),
                               fig_scale(b.g, slopes, b.net->pack / (double)N));
    compare_network(&b, "discriminator", loss, "loss_discriminator", real_score, "real_score");
    bench_close(&b);
}

TEST(r3gan_generator) { check_generator(R3GAN); }
TEST(r3gan_discriminator_with_both_penalties) { check_discriminator(R3GAN); }
TEST(packed_generator) { check_generator(PACKED); }
TEST(packed_discriminator_with_both_penalties) { check_discriminator(PACKED); }
TEST(dcgan_generator) { check_generator(DCGAN); }
TEST(dcgan_discriminator_with_both_penalties) { check_discriminator(DCGAN); }

/* --- as the trainer does it, in single precision ----------------------------------------------------------------*/

static fig_tensor *input_of(fig_graph *g, const char *name) {
    for (size_t i = 0; i < g->nodes.n; i++) {
        const fig_node *n = g->nodes.data[i];
        if (n->op == &fig__op_input && !strcmp(((const fig__leaf_attr *)n->attr)->name, name)) return n->out[0];
    }
    return NULL;
}

static void put(const bench *b, fig_plan *plan, fig_tensor *t, const char *name, size_t copies) {
    const fig__weight *w = value_of(b, "", name);
    size_t numel = w ? w->numel : 0;
    if (!w || !EXPECT(t && fig_numel(t) == copies * numel)) return;
    for (size_t i = 0; i < copies * numel; i++) {
        if (w->dtype == FIG_I32)
            ((int32_t *)fig_plan_data(plan, t))[i] = ((const int32_t *)w->data)[i % numel];
        else
            ((float *)fig_plan_data(plan, t))[i] = (float)((const double *)w->data)[i % numel];
    }
}

static void check_phase(bench *b, fig_trainer *t, int phase, double tolerance) {
    fig__phase *p = &t->phases[phase];
    fig_params *params = fig_model_params(b->model);
    put(b, p->plan, input_of(p->g, "x"), "x", 1);
    put(b, p->plan, input_of(p->g, "z"), "z", 1);
    put(b, p->plan, input_of(p->g, "label"), "label", 1 + (size_t)phase);
    if (phase) put(b, p->plan, input_of(p->g, "gamma"), "gamma", 1);
    EXPECT_OK(b->ctx, fig_plan_run(p->plan, NULL));
    expect_near(b, value_of(b, "", phase ? "loss_discriminator" : "loss"), fig_plan_data(p->plan, p->loss), FIG_F32,
                tolerance);
    for (size_t i = 0; i < fig_params_count(params); i++) {
        fig_param_info info = fig_params_at(params, i);
        if (!info.is_state && fig__path_matches(p->pattern, info.path))
            expect_near(b, value_of(b, "d.", info.path), info.grad, FIG_F32, tolerance);
    }
}

static void paint_grey(uint8_t *pixels, size_t side, size_t c, int class, size_t i) {
    memset(pixels, (int)(i + 40 * (size_t) class), side * side * c);
}

/* The gradient of a slope adds up numbers of both signs: some digits of single precision go. */
static void check_trainer(int which) {
    studio s;
    const char *dir = check_tmpdir();
    bench b = {.ctx = check_context(), .net = &nets[which]};
    job j = job_of(made_up_pictures(b.ctx, dir, 8, b.net->side, b.net->channels, paint_grey), check_path(dir, "out"));
    char text[256];
    snprintf(text, sizeof text, "%s n_classes=3", b.net->settings);
    j.arch = b.net->arch, j.settings = text, j.o.batch_size = N;
    EXPECT_OK(b.ctx, fig__st_open(b.ctx, FILE_NAME, &b.file));
    if (EXPECT(studio_open(&j, &s) == FIG_OK) && EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer))) {
        b.ctx = s.ctx, b.model = s.model;
        take_weights(&b);
        for (int phase = 0; phase < 2; phase++) check_phase(&b, s.trainer, phase, 1e-5);
    }
    studio_close(&s);
    fig__weights_close(b.file);
}
TEST(r3gan_as_the_trainer_records_it) { check_trainer(R3GAN); }
TEST(packed_as_the_trainer_records_it) { check_trainer(PACKED); }
TEST(dcgan_as_the_trainer_records_it) { check_trainer(DCGAN); }
