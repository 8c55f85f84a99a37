/* Recording: sticky errors and what they say. Gradients: with respect to anything, stopped, straight through, tangents,
 * second order. Numbers are checked in double precision against central differences. */
#include "check.h"
#include <fig/nn.h>
#include <fig/op.h>
#include "ops/ops.h"

static fig_graph *new_graph(fig_context *ctx, fig_params *params, fig_dtype dtype) {
    fig_graph *g = NULL;
    EXPECT_OK(ctx, fig_graph_new(ctx, params, &(fig_graph_options){FIG_TRAIN, dtype}, &g));
    return g;
}

static fig_tensor *input2(fig_graph *g, size_t rows, size_t cols) {
    return fig_input(g, "x", g->dtype, 2, (size_t[]){rows, cols});
}

static void expect_error(fig_context *ctx, const char *part) {
    if (!EXPECT(strstr(fig_error(ctx), part))) fprintf(stderr, "    the error is: %s\n", fig_error(ctx));
}

/* --- sticky errors ----------------------------------------------------------------------------------------------*/

TEST(an_error_names_the_module_path_and_both_shapes) {
    fig_context *ctx = check_context();
    fig_graph *g = new_graph(ctx, NULL, FIG_F32);
    fig_tensor *a = input2(g, 3, 4), *b = input2(g, 5, 6);
    fig_enter(g, "blocks.%d", 3);
    fig_enter(g, "attn");
    EXPECT_EQ_S(fig_path(g), "blocks.3.attn");
    EXPECT(!fig_matmul(g, a, b, false, false));
    EXPECT_EQ_I(fig_graph_status(g), FIG_ERR_SHAPE);
    expect_error(ctx, "blocks.3.attn: matmul: ");
    expect_error(ctx, "[3,4] float32");
    expect_error(ctx, "[5,6] float32");
    fig_leave(g);
    fig_leave(g);
    EXPECT_EQ_S(fig_path(g), "");
    fig_graph_free(g);
}

TEST(the_first_error_stays) {
    fig_context *ctx = check_context();
    fig_graph *g = new_graph(ctx, NULL, FIG_F32);
    fig_tensor *a = input2(g, 3, 4), *b = input2(g, 5, 6);
    fig_tensor *bad = fig_add(g, a, b);
    char first[1024];
    snprintf(first, sizeof first, "%s", fig_error(ctx));
    EXPECT(!bad && strstr(first, "add: shapes do not broadcast"));
    EXPECT(!fig_exp(g, bad)); /* NULL spreads */
    EXPECT(!fig_matmul(g, a, bad, false, false));
    EXPECT(!fig_add(g, a, a));                     /* nothing is recorded any more */
    EXPECT(!fig_reshape(g, a, 9, (int64_t[]){0})); /* another mistake is not reported */
    EXPECT(!fig_param(g, "w", (fig_init){FIG_INIT_ZEROS, 0}, 1, (size_t[]){3}));
    EXPECT(!fig_tangent(g, a, a, a));
    fig_tensor *grad = a;
    EXPECT_EQ_I(fig_backward(g, a, &a, 1, &grad), FIG_ERR_SHAPE);
    EXPECT(!grad);
    fig_plan *plan = NULL;
    EXPECT_EQ_I(fig_plan_new(g, &a, 1, NULL, &plan), FIG_ERR_SHAPE);
    EXPECT_EQ_S(fig_error(ctx), first);
    fig_graph_free(g);
}

TEST(a_missing_input_is_an_error_of_its_own) {
    fig_context *ctx = check_context();
    fig_graph *g = new_graph(ctx, NULL, FIG_F32);
    fig_enter(g, "head");
    EXPECT(!fig_add(g, input2(g, 2, 2), NULL));
    expect_error(ctx, "head: add: input 1 is missing");
    fig_graph_free(g);
}

/* One wrong call of each kind; all of them fail with shapes or a reason in the message. */
typedef fig_tensor *wrong_fn(fig_graph *g, fig_tensor *x);
static fig_tensor *wrong_inner(fig_graph *g, fig_tensor *x) { return fig_matmul(g, x, x, false, false); }
static fig_tensor *wrong_reshape(fig_graph *g, fig_tensor *x) { return fig_reshape(g, x, 2, (int64_t[]){5, -1}); }
static fig_tensor *wrong_permute(fig_graph *g, fig_tensor *x) { return fig_permute(g, x, (int[]){0, 0}); }
static fig_tensor *wrong_slice(fig_graph *g, fig_tensor *x) { return fig_slice(g, x, 1, 2, 3); }
static fig_tensor *wrong_slice_axis(fig_graph *g, fig_tensor *x) { return fig_slice(g, x, 2, 0, 1); }
static fig_tensor *wrong_slice_start(fig_graph *g, fig_tensor *x) { return fig_slice(g, x, 1, -9, 1); }
static fig_tensor *wrong_split(fig_graph *g, fig_tensor *x) {
    fig_tensor *parts[2];
    fig_split(g, x, 1, 2, (size_t[]){1, 1}, parts);
    return parts[0];
}
static fig_tensor *wrong_concat(fig_graph *g, fig_tensor *x) {
    return fig_concat(g, (fig_tensor *[]){x, fig_transpose(g, x, 0, 1)}, 2, 0);
}
static fig_tensor *wrong_sum(fig_graph *g, fig_tensor *x) { return fig_sum(g, x, 2); }
static fig_tensor *wrong_linear(fig_graph *g, fig_tensor *x) { return fig_linear_op(g, x, input2(g, 7, 5), NULL); }
static fig_tensor *wrong_gain(fig_graph *g, fig_tensor *x) { return fig_rms_norm_op(g, x, x, 1e-5); }
static fig_tensor *wrong_index(fig_graph *g, fig_tensor *x) { return fig_embedding(g, x, x); }
static fig_tensor *wrong_gather(fig_graph *g, fig_tensor *x) { return fig_gather(g, x, 1, x); }
static fig_tensor *wrong_targets(fig_graph *g, fig_tensor *x) { return fig_cross_entropy(g, x, x, 0); }
static fig_tensor *wrong_attention(fig_graph *g, fig_tensor *x) {
    return fig_attention(g, x, x, x, &(fig_attention_options){.causal = true});
}
static fig_tensor *wrong_heads(fig_graph *g, fig_tensor *x) {
    (void)x;
    fig_tensor *q = fig_input(g, "q", FIG_F32, 4, (size_t[]){1, 2, 3, 4}),
               *k = fig_input(g, "k", FIG_F32, 4, (size_t[]){1, 2, 2, 4});
    return fig_attention(g, q, k, k, &(fig_attention_options){.causal = true});
}
static fig_tensor *wrong_input(fig_graph *g, fig_tensor *x) {
    (void)x;
    return fig_input(g, "empty", FIG_F32, 2, (size_t[]){3, 0});
}
static fig_tensor *wrong_through(fig_graph *g, fig_tensor *x) {
    return fig_straight_through(g, fig_transpose(g, x, 0, 1), x);
}
static fig_tensor *wrong_backward(fig_graph *g, fig_tensor *x) {
    fig_tensor *grad;
    fig_backward(g, x, &x, 1, &grad); /* a loss of twelve elements */
    return grad;
}

TEST(wrong_shapes_are_refused_at_the_call) {
    static const struct {
        wrong_fn *fn;
        const char *says;
    } cases[] = {{wrong_inner, "inner sizes 4 and 3"},
                 {wrong_reshape, "do not fill"},
                 {wrong_permute, "not a permutation"},
                 {wrong_slice, "elements 2 to 5 of an axis of 4"},
                 {wrong_slice_axis, "no axis 2"},
                 {wrong_slice_start, "of an axis of 4"},
                 {wrong_split, "add up to 2 of 4"},
                 {wrong_concat, "differ beyond axis 0"},
                 {wrong_sum, "no axis 2"},
                 {wrong_linear, "input width 4, weight takes 5"},
                 {wrong_gain, "gain"},
                 {wrong_index, "index is int32"},
                 {wrong_gather, "index is int32"},
                 {wrong_targets, "int32 target"},
                 {wrong_attention, "takes [b, t, h, d]"},
                 {wrong_heads, "number of heads"},
                 {wrong_input, "empty: axis 1 has 0"},
                 {wrong_through, "one shape"},
                 {wrong_backward, "12 elements"}};
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig_context *ctx = check_context();
        fig_graph *g = new_graph(ctx, NULL, FIG_F32);
        EXPECT(!cases[i].fn(g, input2(g, 3, 4)));
        EXPECT(fig_graph_status(g));
        expect_error(ctx, cases[i].says);
        fig_graph_free(g);
    }
}

/* --- gradients of anything --------------------------------------------------------------------------------------*/

typedef struct trial {
    fig_context *ctx;
    fig_graph *g;
    fig_plan *plan;
} trial;

static trial trial_new(fig_params *params, fig_context *ctx) {
    return (trial){.ctx = ctx, .g = new_graph(ctx, params, FIG_F64)};
}

/* Plans roots and fills every input given with values that avoid kinks. */
static void trial_plan(trial *t, fig_tensor *const *roots, size_t n_roots, fig_tensor *const *inputs, size_t n_inputs) {
    if (!EXPECT_OK(t->ctx, fig_graph_status(t->g)) ||
        !EXPECT_OK(t->ctx, fig_plan_new(t->g, roots, n_roots, NULL, &t->plan)))
        exit(1);
    for (size_t k = 0; k < n_inputs; k++) {
        double *x = fig_plan_data(t->plan, inputs[k]);
        for (size_t i = 0; i < fig_numel(inputs[k]); i++) x[i] = sin(1.7 * (double)i + (double)k + 0.3);
    }
}
static void trial_free(trial *t) {
    fig_plan_free(t->plan);
    fig_graph_free(t->g);
}
static const double *values(trial *t, fig_tensor *x) { return fig_plan_data(t->plan, x); }
static double run(trial *t, fig_tensor *scalar) {
    EXPECT_OK(t->ctx, fig_plan_run(t->plan, NULL));
    return values(t, scalar)[0];
}

/* Rows go through the head in chunks of 8 MB of logits; so many are one whole chunk and a small one, of more classes
 * than one thread adds up. */
TEST(a_loss_over_several_chunks_is_that_of_all_logits) {
    enum { ROWS = 1856 + 70, WIDTH = 4, CLASSES = 1100 };
    trial t = trial_new(NULL, check_context());
    fig_tensor *in[3] = {input2(t.g, ROWS, WIDTH), input2(t.g, CLASSES, WIDTH),
                         fig_input(t.g, "bias", FIG_F64, 1, (size_t[]){CLASSES})};
    fig_tensor *grad[2][3], *loss[2];
    fig_tensor *target = fig_input(t.g, "target", FIG_I32, 1, (size_t[]){ROWS});
    loss[0] = fig_sum(t.g, fig_linear_cross_entropy(t.g, in[0], in[1], in[2], target, 0), FIG_ALL_AXES);
    fig_tensor *logits = fig_add(t.g, fig_matmul(t.g, in[0], in[1], false, true), in[2]);
    loss[1] = fig_sum(t.g, fig_cross_entropy(t.g, logits, target, 0), FIG_ALL_AXES);
    for (int i = 0; i < 2; i++) fig_backward(t.g, loss[i], in, 3, grad[i]);
    fig_tensor *roots[8] = {loss[0], loss[1]};
    for (int i = 0; i < 6; i++) roots[2 + i] = grad[i / 3][i % 3];
    trial_plan(&t, roots, 8, in, 3);
    int32_t *to = fig_plan_data(t.plan, target);
    for (int i = 0; i < ROWS; i++) to[i] = i % 9 - 1; /* -1: no target */
    double in_chunks = run(&t, loss[0]);
    EXPECT_NEAR(in_chunks, values(&t, loss[1])[0], 1e-8);
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < fig_numel(in[k]); i++)
            if (!EXPECT_NEAR(values(&t, grad[0][k])[i], values(&t, grad[1][k])[i], 1e-9)) break;
    trial_free(&t);
}

TEST(gradients_stop_where_they_are_told_to) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *grad;
    /* x * stop(x): the derivative is x, not 2x */
    fig_tensor *loss = fig_sum(t.g, fig_mul(t.g, x, fig_stop_gradient(t.g, x)), FIG_ALL_AXES);
    fig_backward(t.g, loss, &x, 1, &grad);
    trial_plan(&t, (fig_tensor *[]){loss, grad}, 2, &x, 1);
    run(&t, loss);
    for (size_t i = 0; i < 6; i++) EXPECT_NEAR(values(&t, grad)[i], values(&t, x)[i], 1e-15);
    trial_free(&t);
}

TEST(a_fully_stopped_loss_has_no_gradient) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *other = input2(t.g, 2, 3), *grads[2];
    fig_tensor *loss = fig_sum(t.g, fig_add(t.g, fig_stop_gradient(t.g, fig_exp(t.g, x)), other), FIG_ALL_AXES);
    EXPECT_OK(t.ctx, fig_backward(t.g, loss, (fig_tensor *[]){x, other}, 2, grads));
    EXPECT(!grads[0]);
    EXPECT(grads[1]);
    trial_free(&t);
}

/* What only a stop reads needs no gradient, whether it has one or not. */
TEST(nothing_is_asked_of_what_lies_behind_a_stop) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *grad;
    fig_tensor *mask = fig_stop_gradient(t.g, fig_gt(t.g, x, fig_scale(t.g, x, 0.5)));
    fig_tensor *loss = fig_sum(t.g, fig_mul(t.g, fig_exp(t.g, mask), x), FIG_ALL_AXES);
    EXPECT_OK(t.ctx, fig_backward(t.g, loss, &x, 1, &grad));
    trial_plan(&t, (fig_tensor *[]){loss, grad}, 2, &x, 1);
    run(&t, loss);
    for (size_t i = 0; i < 6; i++) EXPECT_NEAR(values(&t, grad)[i], exp(values(&t, x)[i] > 0), 1e-15);
    trial_free(&t);
}

TEST(straight_through_has_the_value_of_one_and_the_gradient_of_the_other) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *hard = fig_sign(t.g, x), *grad;
    fig_tensor *y = fig_straight_through(t.g, hard, fig_scale(t.g, x, 3));
    fig_tensor *loss = fig_sum(t.g, fig_square(t.g, y), FIG_ALL_AXES);
    fig_backward(t.g, loss, &x, 1, &grad);
    trial_plan(&t, (fig_tensor *[]){loss, grad}, 2, &x, 1);
    EXPECT_NEAR(run(&t, loss), 6, 0); /* of signs */
    for (size_t i = 0; i < 6; i++)
        EXPECT_NEAR(values(&t, grad)[i], values(&t, x)[i] > 0 ? 6 : -6, 1e-15); /* 2 sign(x) * 3 */
    trial_free(&t);
}

TEST(gradients_reach_inputs_and_intermediates) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *w = input2(t.g, 4, 3), *grads[3];
    fig_tensor *h = fig_tanh(t.g, fig_linear_op(t.g, x, w, NULL));
    fig_tensor *loss = fig_sum(t.g, fig_square(t.g, h), FIG_ALL_AXES);
    fig_backward(t.g, loss, (fig_tensor *[]){x, h, w}, 3, grads);
    trial_plan(&t, (fig_tensor *[]){loss, h, grads[0], grads[1], grads[2]}, 5, (fig_tensor *[]){x, w}, 2);
    run(&t, loss);
    const double *hv = values(&t, h), *wv = values(&t, w), *xv = values(&t, x);
    for (size_t i = 0; i < 8; i++) EXPECT_NEAR(values(&t, grads[1])[i], 2 * hv[i], 1e-15);
    for (size_t b = 0; b < 2; b++)
        for (size_t c = 0; c < 3; c++) {
            double sum = 0;
            for (size_t o = 0; o < 4; o++)
                sum += 2 * hv[b * 4 + o] * (1 - hv[b * 4 + o] * hv[b * 4 + o]) * wv[o * 3 + c];
            EXPECT_NEAR(values(&t, grads[0])[b * 3 + c], sum, 1e-13);
        }
    for (size_t o = 0; o < 4; o++)
        for (size_t c = 0; c < 3; c++) {
            double sum = 0;
            for (size_t b = 0; b < 2; b++)
                sum += 2 * hv[b * 4 + o] * (1 - hv[b * 4 + o] * hv[b * 4 + o]) * xv[b * 3 + c];
            EXPECT_NEAR(values(&t, grads[2])[o * 3 + c], sum, 1e-13);
        }
    trial_free(&t);
}

TEST(a_gradient_may_begin_at_an_intermediate) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *h = fig_tanh(t.g, x), *grad;
    EXPECT_OK(t.ctx, fig_backward(t.g, fig_sum(t.g, fig_square(t.g, h), FIG_ALL_AXES), &h, 1, &grad));
    trial_plan(&t, (fig_tensor *[]){h, grad}, 2, &x, 1);
    EXPECT_OK(t.ctx, fig_plan_run(t.plan, NULL));
    for (size_t i = 0; i < 6; i++) EXPECT_NEAR(values(&t, grad)[i], 2 * values(&t, h)[i], 1e-15);
    trial_free(&t);
}

TEST(an_op_without_gradient_says_why) {
    fig_context *ctx = check_context();
    fig_graph *g = new_graph(ctx, NULL, FIG_F32);
    fig_tensor *x = input2(g, 2, 3), *grad;
    fig_enter(g, "gate");
    fig_tensor *y = fig_gt(g, x, fig_scale(g, x, 0.5));
    fig_leave(g);
    EXPECT(fig_backward(g, fig_sum(g, y, FIG_ALL_AXES), &x, 1, &grad));
    expect_error(ctx, "gate: gt: has no gradient: it is a step function");
    fig_graph_free(g);
}

/* A small network with most kinds of op in it. */
static fig_tensor *network(fig_graph *g, fig_tensor *x, fig_tensor *w, fig_tensor *gain) {
    fig_tensor *h = fig_silu(g, fig_linear_op(g, x, w, gain));
    h = fig_add(g, h, fig_layer_norm_op(g, h, gain, NULL, 1e-5));
    h = fig_softmax(g, fig_concat(g, (fig_tensor *[]){h, fig_slice(g, h, 1, 1, 2)}, 2, 1));
    return fig_mean(g, fig_mul(g, h, fig_gelu(g, h)), 1);
}

TEST(tangents_agree_with_differences) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *w = input2(t.g, 4, 3),
               *gain = fig_input(t.g, "gain", FIG_F64, 1, (size_t[]){4});
    fig_tensor *v = input2(t.g, 2, 3);
    fig_tensor *y = network(t.g, x, w, gain), *dy = fig_tangent(t.g, y, x, v);
    trial_plan(&t, (fig_tensor *[]){y, dy}, 2, (fig_tensor *[]){x, w, gain, v}, 4);
    double *xv = fig_plan_data(t.plan, x), dir[6], up[2], h = 1e-6;
    memcpy(dir, values(&t, v), sizeof dir);
    for (int i = 0; i < 6; i++) xv[i] += h * dir[i];
    run(&t, y);
    memcpy(up, values(&t, y), sizeof up);
    for (int i = 0; i < 6; i++) xv[i] -= 2 * h * dir[i];
    run(&t, y);
    double down[2] = {values(&t, y)[0], values(&t, y)[1]};
    for (int i = 0; i < 6; i++) xv[i] += h * dir[i];
    run(&t, y);
    for (int i = 0; i < 2; i++) EXPECT_NEAR(values(&t, dy)[i], (up[i] - down[i]) / (2 * h), 1e-8);
    EXPECT(fabs(values(&t, dy)[0]) > 1e-4); /* there is something to be compared */
    trial_free(&t);
}

TEST(a_tangent_that_reaches_nothing_is_zero) {
    trial t = trial_new(NULL, check_context());
    fig_tensor *x = input2(t.g, 2, 3), *other = input2(t.g, 2, 3), *v = input2(t.g, 2, 3);
    fig_tensor *y = fig_exp(t.g, other), *dy = fig_tangent(t.g, y, x, v);
    trial_plan(&t, &dy, 1, &other, 1);
    EXPECT_OK(t.ctx, fig_plan_run(t.plan, NULL));
    for (int i = 0; i < 6; i++) EXPECT_NEAR(values(&t, dy)[i], 0, 0);
    trial_free(&t);
}

/* --- second order: gradients of tangents ------------------------------------------------------------------------*/

static int function;
static fig_tensor *sample_second(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    if (variant > 1) return NULL;
    fig_tensor *x = fig_sample_input(s, -2, 2, 2, 3, 5), *v = fig_sample_input(s, -1, 1, 2, 3, 5);
    fig_tensor *mean, *var,
        *y[] = {fig_relu(g, x),
                fig_leaky_relu(g, x, 0.2),
                fig_leaky_relu(g, x, -0.3), /* whose output does not have the sign of x */
                fig_clamp(g, x, -0.7, 0.9),
                fig_relu2(g, x),
                fig_sigmoid(g, x),
                fig_tanh(g, x),
                fig_silu(g, x),
                fig_gelu(g, x),
                fig_gelu_tanh(g, x),
                fig_softplus(g, x),
                fig_sqrt(g, fig_square(g, x)),
                fig_layer_norm_op(g, x, NULL, NULL, 1e-5),
                fig_rms_norm_op(g, x, NULL, 1e-5),
                fig_group_norm_op(g, x, NULL, NULL, 1, 1e-5),
                fig_batch_norm_op(g, x, NULL, NULL, 1e-5, &mean, &var)};
    if (function >= (int)FIG_COUNT(y)) return NULL;
    return variant ? y[function] : fig_tangent(g, y[function], x, v); /* a tangent alone would agree with itself */
}

TEST(gradients_of_tangents_of_activations_and_norms) {
    fig_context *ctx = check_context();
    for (function = 0;; function++) {
        fig_op_report r;
        EXPECT_OK(ctx, fig_sample_check(ctx, sample_second, NULL, true, &r));
        if (!r.n_variants) break;
        if (!EXPECT(r.worst_gradient < 2e-8 && r.worst_tangent < 1e-12))
            fprintf(stderr, "    function %d: gradient %.3g, tangent %.3g\n", function, r.worst_gradient,
                    r.worst_tangent);
    }
    EXPECT_EQ_I(function, 16);
}

/* A gradient of a gradient of ... through what changes shapes, checked by differences once more; variant: how deep. */
static fig_tensor *sample_deep(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    if (variant > 2) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 2, 3, 2), *parts[3] = {fig_square(g, x), x, fig_scale(g, x, 0.3)};
    fig_tensor *y = fig_slice(g, fig_pad(g, fig_concat(g, parts, 3, 0), 0, 1, 2, 0.25), 0, 2, 0);
    y = fig_mul(g, y, fig_square(g, fig_slice(g, y, 0, -1, 1)));
    for (int i = 0; i < variant; i++) {
        fig_backward(g, fig_sum(g, fig_square(g, y), FIG_ALL_AXES), &x, 1, &y);
        y = fig_scale(g, y, 0.3);
    }
    return y;
}

TEST(gradients_of_gradients_of_shapes) {
    fig_op_report r;
    fig_context *ctx = check_context();
    EXPECT_OK(ctx, fig_sample_check(ctx, sample_deep, NULL, true, &r));
    EXPECT_EQ_I(r.n_variants, 3);
    if (!EXPECT(r.worst_gradient < 2e-8 && r.worst_tangent < 1e-12))
        fprintf(stderr, "    gradient %.3g, tangent %.3g\n", r.worst_gradient, r.worst_tangent);
}

/* The R1 penalty: half the squared norm of the discriminator's gradient with respect to its input. Its gradient with
 * respect to a weight is that of the tangent along v = dD/dx, v held constant. */
typedef struct discriminator {
    fig_tensor *x, *w[3], *out;
} discriminator;
static discriminator build_discriminator(fig_graph *g) {
    discriminator d = {.x = input2(g, 3, 4), .w = {input2(g, 6, 4), input2(g, 5, 6), input2(g, 1, 5)}};
    fig_tensor *h = fig_leaky_relu(g, fig_linear_op(g, d.x, d.w[0], NULL), 0.2);
    h = fig_leaky_relu(g, fig_linear_op(g, h, d.w[1], NULL), 0.2);
    d.out = fig_sum(g, fig_linear_op(g, h, d.w[2], NULL), FIG_ALL_AXES);
    return d;
}

TEST(r1_penalty_by_the_tangent_pass) {
    trial t = trial_new(NULL, check_context());
    discriminator d = build_discriminator(t.g);
    fig_tensor *dx, *grads[3];
    fig_backward(t.g, d.out, &d.x, 1, &dx);
    fig_tensor *penalty = fig_scale(t.g, fig_sum(t.g, fig_square(t.g, dx), FIG_ALL_AXES), 0.5);
    fig_tensor *along = fig_tangent(t.g, d.out, d.x, fig_stop_gradient(t.g, dx));
    fig_backward(t.g, along, d.w, 3, grads);
    fig_tensor *roots[] = {penalty, grads[0], grads[1], grads[2]}, *inputs[] = {d.x, d.w[0], d.w[1], d.w[2]};
    trial_plan(&t, roots, 4, inputs, 4);
    double h = 1e-5, analytic[30], largest = 0;
    for (int k = 0; k < 3; k++) {
        double *w = fig_plan_data(t.plan, d.w[k]);
        size_t n = fig_numel(d.w[k]);
        run(&t, penalty);
        memcpy(analytic, values(&t, grads[k]), n * sizeof *analytic);
        for (size_t i = 0; i < n; i++) {
            double w0 = w[i];
            w[i] = w0 + h;
            double up = run(&t, penalty);
            w[i] = w0 - h;
            double down = run(&t, penalty);
            w[i] = w0;
            EXPECT_NEAR(analytic[i], (up - down) / (2 * h), 1e-8);
            largest = fmax(largest, fabs(analytic[i]));
        }
    }
    EXPECT(largest > 0.1);
    trial_free(&t);
}

/* The same by differentiating the gradient itself. */
TEST(r1_penalty_by_differentiating_twice) {
    trial t = trial_new(NULL, check_context());
    discriminator d = build_discriminator(t.g);
    fig_tensor *dx, *twice[3], *tangent[3];
    fig_backward(t.g, d.out, &d.x, 1, &dx);
    fig_backward(t.g, fig_scale(t.g, fig_sum(t.g, fig_square(t.g, dx), FIG_ALL_AXES), 0.5), d.w, 3, twice);
    fig_backward(t.g, fig_tangent(t.g, d.out, d.x, fig_stop_gradient(t.g, dx)), d.w, 3, tangent);
    fig_tensor *roots[] = {twice[0], twice[1], twice[2], tangent[0], tangent[1], tangent[2]};
    trial_plan(&t, roots, 6, (fig_tensor *[]){d.x, d.w[0], d.w[1], d.w[2]}, 4);
    EXPECT_OK(t.ctx, fig_plan_run(t.plan, NULL));
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < fig_numel(d.w[k]); i++)
            EXPECT_NEAR(values(&t, twice[k])[i], values(&t, tangent[k])[i], 1e-12);
    trial_free(&t);
}

/* Frequencies 1 and theta^(-1/2) turn with the row, the same two with the column. */
TEST(angles_of_rows_and_columns) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    size_t shape[2] = {1, 3};
    fig_tensor *row = fig_input(g, "row", FIG_I32, 2, shape), *column = fig_input(g, "column", FIG_I32, 2, shape),
               *y[2];
    EXPECT(fig_rope_angles_2d(g, row, column, 4, 100, &y[0], &y[1]));
    fig_plan *plan = NULL;
    EXPECT_OK(ctx, fig_plan_new(g, y, 2, NULL, &plan));
    if (!plan) return;
    int32_t *r = fig_plan_data(plan, row), *c = fig_plan_data(plan, column);
    for (int i = 0; i < 3; i++) r[i] = i, c[i] = 5 - i;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    const float *cosine = fig_plan_data(plan, y[0]), *sine = fig_plan_data(plan, y[1]);
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < 4; i++) {
            double angle = (i < 2 ? r[t] : c[t]) * (i % 2 ? 0.1 : 1);
            EXPECT_NEAR(cosine[t * 4 + i], cos(angle), 1e-6);
            EXPECT_NEAR(sine[t * 4 + i], sin(angle), 1e-6);
        }
    fig_plan_free(plan);
    fig_graph_free(g);
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    row = fig_input(g, "row", FIG_I32, 2, shape);
    EXPECT(!fig_rope_angles_2d(g, row, row, 3, 100, &y[0], &y[1]));
    EXPECT_EQ_I(fig_graph_status(g), FIG_ERR_SHAPE);
    fig_graph_free(g);
}
