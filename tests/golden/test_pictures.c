/* Convolutions, norms, resampling and the gradient penalty against PyTorch, SciPy and Pillow (make_pictures.py), in
 * double precision. */
#include "../check.h"
#include <fig/nn.h>
#include "core/core.h"
#include "files/safetensors.h"

#define FILE_NAME "tests/golden/pictures.safetensors"
#define MAX_INPUTS 8

/* One case: a graph whose inputs are tensors of the file called CASE.NAME. */
typedef struct bench {
    fig_context *ctx;
    fig__weights *file;
    fig_params *params;
    fig_graph *g;
    const char *name;
    fig_tensor *input[MAX_INPUTS];
    const fig__weight *value[MAX_INPUTS];
    size_t n_inputs;
} bench;

static const fig__weight *value_of(const bench *b, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", b->name, what);
    const fig__weight *w = fig__weights_find(b->file, name);
    if (!w) fprintf(stderr, "%s: not in %s\n", name, FILE_NAME);
    return w && w->dtype == FIG_F64 ? w : NULL;
}

static void bench_open(bench *b, const char *name, fig_mode mode) {
    *b = (bench){.ctx = check_context(), .name = name};
    fig_params_options o = {.compute = FIG_F64, .seed = 1};
    EXPECT_OK(b->ctx, fig__st_open(b->ctx, FILE_NAME, &b->file));
    EXPECT_OK(b->ctx, fig_params_new(b->ctx, &o, &b->params));
    EXPECT_OK(b->ctx, fig_graph_new(b->ctx, b->params, &(fig_graph_options){mode, FIG_F64}, &b->g));
}
static void bench_close(bench *b) {
    fig_graph_free(b->g);
    fig_params_free(b->params);
    fig__weights_close(b->file);
}

static fig_tensor *input(bench *b, const char *what) {
    const fig__weight *w = value_of(b, what);
    if (!EXPECT(w && b->n_inputs < MAX_INPUTS)) return NULL;
    b->value[b->n_inputs] = w;
    return b->input[b->n_inputs++] = fig_input(b->g, what, FIG_F64, w->ndim, w->shape);
}

/* The largest difference, as a share of the largest value. */
static double difference(const fig__weight *want, const double *got) {
    const double *y = want->data;
    double worst = 0, largest = 0;
    for (size_t i = 0; i < want->numel; i++) {
        worst = fmax(worst, fabs(got[i] - y[i]));
        largest = fmax(largest, fabs(y[i]));
    }
    return worst / largest;
}

static void expect_value(const bench *b, const char *what, fig_plan *plan, fig_tensor *t, double tolerance) {
    const fig__weight *want = value_of(b, what);
    if (!EXPECT(want && t && fig_numel(t) == want->numel)) return;
    double d = difference(want, fig_plan_data(plan, t));
    if (!EXPECT(d <= tolerance)) fprintf(stderr, "    %s.%s differs by %.3g\n", b->name, what, d);
}

static void feed(const bench *b, fig_plan *plan) {
    for (size_t i = 0; i < b->n_inputs; i++)
        memcpy(fig_plan_data(plan, b->input[i]), b->value[i]->data, b->value[i]->bytes);
}

/* y against CASE.y, and where CASE.u is there the gradients of sum(y * u) in `wrt` against CASE.d_NAME. */
static void compare(bench *b, fig_tensor *y, fig_tensor *const *wrt, const char *const *names, size_t n) {
    fig_tensor *roots[MAX_INPUTS + 1] = {y}, *u = n ? input(b, "u") : NULL;
    fig_plan *plan = NULL;
    if (n) {
        fig_tensor *loss = fig_sum(b->g, fig_mul(b->g, y, u), FIG_ALL_AXES);
        EXPECT_OK(b->ctx, fig_backward(b->g, loss, wrt, n, roots + 1));
    }
    for (size_t i = 1; i <= n; i++) roots[i] = fig_contiguous(b->g, roots[i]);
    EXPECT_OK(b->ctx, fig_graph_status(b->g));
    EXPECT_OK(b->ctx, fig_plan_new(b->g, roots, n + 1, NULL, &plan));
    if (!plan) return;
    feed(b, plan);
    EXPECT_OK(b->ctx, fig_plan_run(plan, NULL));
    expect_value(b, "y", plan, y, 1e-13);
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "d_%s", names[i]);
        expect_value(b, name, plan, roots[i + 1], 1e-13);
    }
    fig_plan_free(plan);
}

static const char *const xwb[] = {"x", "w", "b"};

TEST(convolution) {
    bench b;
    bench_open(&b, "conv", FIG_TRAIN);
    fig_tensor *in[3] = {input(&b, "x"), input(&b, "w"), input(&b, "b")};
    fig_conv_options o = {.stride = {2, 1}, .padding = {1, 1, 1, 1}, .dilation = {1, 2}, .groups = 2};
    compare(&b, fig_conv2d_op(b.g, in[0], in[1], in[2], &o), in, xwb, 3);
    bench_close(&b);
}

TEST(transposed_convolution) {
    bench b;
    bench_open(&b, "transpose", FIG_TRAIN);
    fig_tensor *in[3] = {input(&b, "x"), input(&b, "w"), input(&b, "b")};
    fig_conv_options o = {.stride = {2, 3}, .padding = {1, 1, 2, 2}, .output_padding = {1, 0}, .groups = 2};
    compare(&b, fig_conv2d_transpose_op(b.g, in[0], in[1], in[2], &o), in, xwb, 3);
    bench_close(&b);
}

TEST(convolution_of_sequences) {
    bench b;
    bench_open(&b, "conv1d", FIG_TRAIN);
    fig_tensor *in[3] = {input(&b, "x"), input(&b, "w"), input(&b, "b")};
    fig_conv_options o = {.stride = {1, 2}, .padding = {0, 0, 2, 2}, .dilation = {1, 2}};
    compare(&b, fig_conv1d_op(b.g, in[0], in[1], in[2], &o), in, xwb, 3);
    bench_close(&b);
}

/* --- norms: gain and bias are parameters ------------------------------------------------------------------------*/

static void set_params(bench *b) {
    fig_params_alloc(b->params);
    for (int i = 0; i < 2; i++) {
        const fig__weight *w = value_of(b, xwb[i + 1]);
        const char *path = i ? "norm.bias" : "norm.weight";
        EXPECT_OK(b->ctx, fig_params_set(b->params, path, w->data, FIG_F64, w->numel));
    }
}
static fig_tensor *norm_param(bench *b, const char *name, size_t c) {
    fig_enter(b->g, "norm");
    fig_tensor *t = fig_param(b->g, name, (fig_init){FIG_INIT_ZEROS, 0}, 1, &c);
    fig_leave(b->g);
    return t;
}

TEST(group_norm) {
    bench b;
    bench_open(&b, "group", FIG_TRAIN);
    fig_tensor *x = input(&b, "x"), *y = fig_group_norm(b.g, "norm", x, 3, 1e-5);
    set_params(&b);
    compare(&b, y, (fig_tensor *[]){x, norm_param(&b, "weight", 6), norm_param(&b, "bias", 6)}, xwb, 3);
    bench_close(&b);
}

static void expect_state(bench *b, const char *what, const char *path) {
    const fig__weight *want = value_of(b, what);
    double got[4];
    EXPECT_OK(b->ctx, fig_params_get(b->params, path, got, FIG_F64, 4));
    EXPECT(want && difference(want, got) < 1e-14);
}

/* One training run moves the running statistics; evaluation then uses them. A dry run moves nothing. */
TEST(batch_norm) {
    bench b;
    bench_open(&b, "batch", FIG_TRAIN);
    fig_tensor *x = input(&b, "x"), *y = fig_batch_norm(b.g, "norm", x, 0.1, 1e-5), *later;
    set_params(&b);
    fig_plan *plan;
    EXPECT_OK(b.ctx, fig_plan_new(b.g, &y, 1, NULL, &plan));
    feed(&b, plan);
    double mean[4], zeros[4] = {0};
    EXPECT_OK(b.ctx, fig_plan_run(plan, &(fig_run_args){.dry = true}));
    EXPECT_OK(b.ctx, fig_params_get(b.params, "norm.running_mean", mean, FIG_F64, 4));
    EXPECT(!memcmp(mean, zeros, sizeof mean));
    fig_plan_free(plan);
    compare(&b, y, (fig_tensor *[]){x, norm_param(&b, "weight", 4), norm_param(&b, "bias", 4)}, xwb, 3);
    expect_state(&b, "mean", "norm.running_mean");
    expect_state(&b, "var", "norm.running_var");
    fig_graph *train = b.g;
    EXPECT_OK(b.ctx, fig_graph_new(b.ctx, b.params, &(fig_graph_options){FIG_EVAL, FIG_F64}, &b.g));
    b.n_inputs = 0;
    later = fig_batch_norm(b.g, "norm", input(&b, "x"), 0.1, 1e-5);
    EXPECT_OK(b.ctx, fig_plan_new(b.g, &later, 1, NULL, &plan));
    feed(&b, plan);
    EXPECT_OK(b.ctx, fig_plan_run(plan, NULL));
    expect_value(&b, "later", plan, later, 1e-13);
    fig_plan_free(plan);
    fig_graph_free(train);
    bench_close(&b);
}

/* --- resampling -------------------------------------------------------------------------------------------------*/

static void check_resize(const char *name, size_t n, fig_resize_kind kind) {
    bench b;
    bench_open(&b, name, FIG_TRAIN);
    fig_tensor *x = input(&b, "x");
    compare(&b, fig_resize(b.g, x, 1, n, kind), &x, xwb, 1);
    bench_close(&b);
}
TEST(resize_down) { check_resize("down", 4, FIG_RESIZE_LINEAR); }
TEST(resize_up) { check_resize("up", 7, FIG_RESIZE_LINEAR); }
TEST(resize_cubic) { check_resize("cubic", 5, FIG_RESIZE_CUBIC); }

TEST(adaptive_mean) {
    bench b;
    bench_open(&b, "mean", FIG_TRAIN);
    fig_tensor *x = input(&b, "x");
    compare(&b, fig_adaptive_mean(b.g, x, 1, 3), &x, xwb, 1);
    bench_close(&b);
}

/* Pillow computes in single precision. */
TEST(resize_lanczos) {
    bench b;
    bench_open(&b, "lanczos", FIG_TRAIN);
    fig_tensor *y = fig_resize(b.g, input(&b, "x"), 1, 4, FIG_RESIZE_LANCZOS);
    fig_plan *plan;
    EXPECT_OK(b.ctx, fig_plan_new(b.g, &y, 1, NULL, &plan));
    feed(&b, plan);
    EXPECT_OK(b.ctx, fig_plan_run(plan, NULL));
    expect_value(&b, "y", plan, y, 1e-6);
    fig_plan_free(plan);
    bench_close(&b);
}

TEST(filter) {
    bench b;
    bench_open(&b, "fir", FIG_TRAIN);
    const fig__weight *want = value_of(&b, "y");
    /* SciPy's signal ends with its last element: no zeros behind it. */
    fig_fir fir = {.up = 3, .down = 2, .n_taps = 4, .taps = {1, -2, 0.5, 3}, .before = 3, .after = 3 - 2};
    fig_tensor *y = fig_resample_fir(b.g, input(&b, "x"), 1, &fir);
    EXPECT(want && fig_numel(y) == want->numel);
    compare(&b, y, NULL, NULL, 0);
    bench_close(&b);
}

TEST(max_pool) {
    bench b;
    bench_open(&b, "pool", FIG_TRAIN);
    fig_tensor *x = input(&b, "x");
    compare(&b, fig_max_pool2d(b.g, x, 2), &x, xwb, 1);
    bench_close(&b);
}

TEST(pixel_shuffle) {
    bench b;
    bench_open(&b, "shuffle", FIG_TRAIN);
    compare(&b, fig_pixel_shuffle(b.g, input(&b, "x"), 2), NULL, NULL, 0);
    bench_close(&b);
}

/* --- the gradient penalty ---------------------------------------------------------------------------------------
 * With v = the gradient of D in x, held constant, the gradient of |v|^2 / 2 in the weights is that of the tangent
 * D'(x; v): one pass forward and one backward instead of differentiating twice. */
TEST(penalty_by_the_tangent_pass) {
    static const char *const names[] = {"w1", "b1", "w2", "b2", "w3"};
    bench b;
    bench_open(&b, "penalty", FIG_TRAIN);
    fig_tensor *x = input(&b, "x"), *p[5], *roots[7] = {0}, *slope;
    for (int i = 0; i < 5; i++) p[i] = input(&b, names[i]);
    fig_conv_options first = {.padding = {1, 1, 1, 1}},
                     second = {.stride = {2, 2}, .padding = {1, 1, 1, 1}, .groups = 2};
    fig_tensor *h = fig_leaky_relu(b.g, fig_conv2d_op(b.g, x, p[0], p[1], &first), 0.2);
    h = fig_leaky_relu(b.g, fig_conv2d_op(b.g, h, p[2], p[3], &second), 0.2);
    fig_tensor *score = fig_sum(b.g, fig_conv2d_op(b.g, h, p[4], NULL, NULL), FIG_ALL_AXES);
    EXPECT_OK(b.ctx, fig_backward(b.g, score, &x, 1, &slope));
    slope = fig_contiguous(b.g, slope);
    fig_tensor *v = fig_stop_gradient(b.g, slope), *tangent = fig_tangent(b.g, score, x, v);
    EXPECT_OK(b.ctx, fig_backward(b.g, tangent, p, 5, roots + 2));
    roots[0] = fig_scale(b.g, tangent, 0.5);
    roots[1] = slope;
    size_t n = 2;
    for (int i = 0; i < 5; i++)
        if (roots[i + 2]) roots[n++] = fig_contiguous(b.g, roots[i + 2]);
    EXPECT_EQ_I(n, 5); /* biases do not move the slope: no gradient at all, and zeros in the file */
    EXPECT_OK(b.ctx, fig_graph_status(b.g));
    fig_plan *plan = NULL;
    EXPECT_OK(b.ctx, fig_plan_new(b.g, roots, n, NULL, &plan));
    if (!plan) return;
    feed(&b, plan);
    EXPECT_OK(b.ctx, fig_plan_run(plan, NULL));
    expect_value(&b, "loss", plan, roots[0], 1e-12);
    expect_value(&b, "slope", plan, roots[1], 1e-12);
    expect_value(&b, "d_w1", plan, roots[2], 1e-12);
    expect_value(&b, "d_w2", plan, roots[3], 1e-12);
    expect_value(&b, "d_w3", plan, roots[4], 1e-12);
    fig_plan_free(plan);
    bench_close(&b);
}
