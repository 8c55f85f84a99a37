/* The networks of the VAE and of the flow, and the terms of a bound, against PyTorch in double precision; values by
 * make_picture_models.py. */
#include "check.h"
#include <fig/op.h>
#include <fig/ops.h>
#include <math.h>
#include "files/safetensors.h"
#include "models/vae.h"

typedef struct bench {
    fig_context *ctx;
    fig__weights *file;
    fig_model *model;
    fig_graph *g;
    const char *name;
    struct {
        fig_tensor *t;
        const fig__weight *value;
    } inputs[8];
    size_t n_inputs;
} bench;

static const fig__weight *value_of(const bench *b, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", b->name, what);
    return fig__weights_find(b->file, name);
}

static void set_params(const bench *b) {
    fig_params *p = fig_model_params(b->model);
    char name[256];
    for (size_t i = 0; i < fig_params_count(p); i++) {
        fig_param_info info = fig_params_at(p, i);
        snprintf(name, sizeof name, "param.%s.%s", b->name, info.path);
        const fig__weight *w = fig__weights_find(b->file, name);
        if (!EXPECT(w && w->numel == info.numel)) fprintf(stderr, "    %s\n", name);
        if (w) EXPECT_OK(b->ctx, fig_params_set(p, info.path, w->data, FIG_F64, w->numel));
    }
}

static bool bench_open(bench *b, const char *name, const char *const *settings) {
    *b = (bench){.ctx = check_context(), .name = name};
    EXPECT_OK(b->ctx, fig__st_open(b->ctx, "tests/golden/picture_models.safetensors", &b->file));
    EXPECT_OK(b->ctx, fig_model_new(b->ctx, name, &(fig_model_options){.dtype = FIG_F64}, &b->model));
    for (; *settings; settings += 2) EXPECT_OK(b->ctx, fig_model_set(b->model, settings[0], settings[1]));
    if (!EXPECT_OK(b->ctx, fig_model_init(b->model))) return false;
    set_params(b);
    b->g = fig_model_graph_new(b->model, FIG_EVAL);
    return b->g != NULL;
}

static void bench_close(bench *b) {
    fig_graph_free(b->g);
    fig_model_free(b->model);
    fig__weights_close(b->file);
}

static fig_tensor *input(bench *b, const char *what, fig_dtype dtype) {
    const fig__weight *w = value_of(b, what);
    if (!EXPECT(w != NULL)) return NULL;
    fig_tensor *t = fig_input(b->g, what, dtype, w->ndim, w->shape);
    b->inputs[b->n_inputs].t = t;
    b->inputs[b->n_inputs++].value = w;
    return t;
}

/* float64 in the file; figment's inputs are float32, to which the values were rounded. */
static void feed(const bench *b, fig_plan *plan) {
    for (size_t i = 0; i < b->n_inputs; i++) {
        const fig__weight *w = b->inputs[i].value;
        void *to = fig_plan_data(plan, b->inputs[i].t);
        if (w->dtype == FIG_I32) {
            memcpy(to, w->data, w->bytes);
            continue;
        }
        for (size_t k = 0; k < w->numel; k++) ((float *)to)[k] = (float)((const double *)w->data)[k];
    }
}

static void expect(const bench *b, const char *what, fig_plan *plan, fig_tensor *t) {
    const fig__weight *w = value_of(b, what);
    if (!EXPECT(w && t && fig_numel(t) == w->numel)) return;
    const double *want = w->data, *got = fig_plan_data(plan, t);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < w->numel; i++) {
        worst = fmax(worst, fabs(got[i] - want[i]));
        largest = fmax(largest, fabs(want[i]));
    }
    if (!EXPECT(worst <= 1e-12 * largest))
        fprintf(stderr, "    %s.%s differs by %.3g\n", b->name, what, worst / largest);
}

static void compare(bench *b, fig_tensor **got, const char *const *names, size_t n) {
    fig_plan *plan = NULL;
    for (size_t i = 0; i < n; i++) got[i] = fig_contiguous(b->g, got[i]);
    EXPECT_OK(b->ctx, fig_graph_status(b->g));
    if (!EXPECT_OK(b->ctx, fig_plan_new(b->g, got, n, NULL, &plan))) return;
    feed(b, plan);
    EXPECT_OK(b->ctx, fig_plan_run(plan, NULL));
    for (size_t i = 0; i < n; i++) expect(b, names[i], plan, got[i]);
    fig_plan_free(plan);
}

static const char *const vae_settings[] = {"image_size", "4",        "n_channels", "3", "n_latent",
                                           "5",          "n_hidden", "7",          NULL};

TEST(vae_networks) {
    bench b;
    fig_tensor *got[3];
    if (!bench_open(&b, "vae", vae_settings)) return;
    const fig_vae_net *net = fig_model_arch(b.model)->net.vae;
    net->encode(b.g, fig_model_config(b.model), input(&b, "x", FIG_F32), &got[0], &got[1]);
    got[2] = net->decode(b.g, fig_model_config(b.model), input(&b, "z", FIG_F32));
    compare(&b, got, (const char *const[]){"mean", "log_var", "y"}, 3);
    bench_close(&b);
}

TEST(terms_of_the_bound) {
    bench b;
    if (!bench_open(&b, "vae", vae_settings)) return;
    fig_tensor *x = input(&b, "pixels", FIG_F32), *mean = input(&b, "means", FIG_F32), *slope;
    fig_tensor *noise = fig_cast(b.g, input(&b, "noise", FIG_F32), FIG_F64),
               *log_var = fig_cast(b.g, input(&b, "noise_log_var", FIG_F32), FIG_F64);
    fig_tensor *logistic = fig__vae_log_likelihood(b.g, FIG__LOGISTIC, x, mean);
    EXPECT_OK(b.ctx, fig_backward(b.g, fig_sum(b.g, logistic, FIG_ALL_AXES), &mean, 1, &slope));
    fig_tensor *got[] = {logistic,
                         fig_cast(b.g, slope, FIG_F64),
                         fig__vae_log_likelihood(b.g, FIG__BERNOULLI, x, mean),
                         fig__vae_log_q(b.g, noise, log_var),
                         fig__vae_log_prior(b.g, noise),
                         fig__log_mean_exp(b.g, logistic)};
    compare(&b, got, (const char *const[]){"logistic", "d_means", "bernoulli", "log_q", "log_prior", "log_mean_exp"},
            6);
    bench_close(&b);
}

TEST(doubly_reparameterised_gradient) {
    bench b;
    if (!bench_open(&b, "vae", vae_settings)) return;
    fig_tensor *x = fig_cast(b.g, input(&b, "pixels", FIG_F32), FIG_F64),
               *z = fig_cast(b.g, input(&b, "q_z", FIG_F32), FIG_F64),
               *mean = fig_cast(b.g, input(&b, "q_mean", FIG_F32), FIG_F64),
               *log_var = fig_cast(b.g, input(&b, "q_log_var", FIG_F32), FIG_F64), *slope;
    fig_tensor *y = fig_model_arch(b.model)->net.vae->decode(b.g, fig_model_config(b.model),
                                                             fig_reshape(b.g, z, 2, (int64_t[]){-1, 5}));
    y = fig_reshape(b.g, y, 4, (int64_t[]){3, -1, 16, 3});
    fig_tensor *log_weight =
        fig_add(b.g, fig__vae_log_likelihood(b.g, FIG__BERNOULLI, x, y), fig__vae_log_prior(b.g, z));
    log_weight = fig_sub(b.g, log_weight, fig__vae_log_q_at(b.g, z, mean, log_var));
    fig_tensor *loss = fig_neg(b.g, fig_mean(b.g, fig__log_mean_exp(b.g, log_weight), FIG_ALL_AXES));
    EXPECT_OK(b.ctx, fig_backward(b.g, loss, &z, 1, &slope));
    fig__vae_descent d = {.z = z, .weight = fig_reshape(b.g, fig_softmax(b.g, log_weight), 3, (int64_t[]){0, 0, 1})};
    fig_tensor *doubly; /* what reaches the encoder through the latents */
    EXPECT_OK(b.ctx, fig_backward(b.g, fig__vae_doubly(b.g, slope, &d), &z, 1, &doubly));
    fig_tensor *got[] = {log_weight, doubly};
    compare(&b, got, (const char *const[]){"log_weight", "doubly"}, 2);
    bench_close(&b);
}

TEST(flow_network) {
    static const char *const settings[] = {"image_size", "6", "n_channels", "3",  "n_classes", "4", "text_length",  "3",
                                           "vocab_size", "9", "patch_size", "2",  "n_layer",   "2", "n_text_layer", "1",
                                           "n_head",     "2", "n_embd",     "16", NULL};
    bench b;
    if (!bench_open(&b, "flow", settings)) return;
    fig_flow_inputs in = {.x = input(&b, "x", FIG_F32),
                          .time = input(&b, "time", FIG_I32),
                          .label = input(&b, "label", FIG_I32),
                          .text = input(&b, "text", FIG_I32)};
    fig_tensor *y = fig_model_arch(b.model)->net.flow->predict(b.g, fig_model_config(b.model), &in), *slope;
    fig_tensor *loss = fig_sum(b.g, fig_mul(b.g, y, input(&b, "u", FIG_F32)), FIG_ALL_AXES);
    EXPECT_OK(b.ctx, fig_backward(b.g, loss, &in.x, 1, &slope));
    fig_tensor *got[] = {y, fig_cast(b.g, slope, FIG_F64)};
    compare(&b, got, (const char *const[]){"y", "d_x"}, 2);
    bench_close(&b);
}
