/* The parameter store: values by path, groups, frozen parameters, many graphs over one store, state, copies, the hash.
 */
#include "check.h"
#include <fig/nn.h>
#include "core/core.h"

static fig_params *new_store(fig_context *ctx, fig_dtype compute, uint64_t seed) {
    fig_params *p = NULL;
    EXPECT_OK(ctx, fig_params_new(ctx, &(fig_params_options){.compute = compute, .seed = seed}, &p));
    return p;
}

static fig_graph *new_graph(fig_context *ctx, fig_params *p, fig_dtype dtype) {
    fig_graph *g = NULL;
    EXPECT_OK(ctx, fig_graph_new(ctx, p, &(fig_graph_options){FIG_TRAIN, dtype}, &g));
    return g;
}

static void make(fig_graph *g, const char *path, size_t rows, size_t cols) {
    EXPECT(fig_param(g, path, (fig_init){FIG_INIT_NORMAL, 0.5}, cols ? 2 : 1, (size_t[]){rows, cols}));
}

static fig_param_info find(const fig_params *p, const char *path) {
    fig_param_info info = {0};
    EXPECT(fig_params_find(p, path, &info));
    return info;
}

TEST(values_depend_on_seed_and_path_not_on_order) {
    fig_context *ctx = check_context();
    fig_params *a = new_store(ctx, FIG_F32, 7), *b = new_store(ctx, FIG_F32, 7), *c = new_store(ctx, FIG_F32, 8);
    fig_graph *ga = new_graph(ctx, a, FIG_F32), *gb = new_graph(ctx, b, FIG_F32), *gc = new_graph(ctx, c, FIG_F32);
    make(ga, "one", 9, 11), make(ga, "two", 33, 0);
    make(gb, "two", 33, 0), make(gb, "three", 5, 5), make(gb, "one", 9, 11);
    make(gc, "one", 9, 11);
    fig_params *all[] = {a, b, c};
    for (int i = 0; i < 3; i++) EXPECT_OK(ctx, fig_params_alloc(all[i]));
    EXPECT(!memcmp(find(a, "one").data, find(b, "one").data, 99 * sizeof(float)));
    EXPECT(!memcmp(find(a, "two").data, find(b, "two").data, 33 * sizeof(float)));
    EXPECT(memcmp(find(a, "one").data, find(c, "one").data, 99 * sizeof(float)));
    EXPECT(memcmp(find(a, "one").data, find(a, "two").data, 33 * sizeof(float)));
    for (int i = 0; i < 3; i++) fig_graph_free((fig_graph *[]){ga, gb, gc}[i]), fig_params_free(all[i]);
}

TEST(first_values_are_what_was_asked_for) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_F32, 1);
    fig_graph *g = new_graph(ctx, p, FIG_F32);
    size_t n = 40000;
    fig_param(g, "zeros", (fig_init){FIG_INIT_ZEROS, 3}, 1, &n);
    fig_param(g, "ones", (fig_init){FIG_INIT_ONES, 3}, 1, &n);
    fig_param(g, "normal", (fig_init){FIG_INIT_NORMAL, 0.5}, 1, &n);
    fig_param(g, "uniform", (fig_init){FIG_INIT_UNIFORM, 0.5}, 1, &n);
    EXPECT_OK(ctx, fig_params_alloc(p));
    const float *zeros = find(p, "zeros").data, *ones = find(p, "ones").data, *normal = find(p, "normal").data,
                *uniform = find(p, "uniform").data;
    double sum = 0, square = 0, low = 1, high = -1;
    for (size_t i = 0; i < n; i++) {
        if (!EXPECT(zeros[i] == 0 && ones[i] == 1)) break;
        sum += normal[i], square += normal[i] * normal[i];
        low = fmin(low, uniform[i]), high = fmax(high, uniform[i]);
    }
    EXPECT_NEAR(sum / (double)n, 0, 5 * 0.5 / sqrt((double)n)); /* five deviations of the mean */
    EXPECT_NEAR(sqrt(square / (double)n), 0.5, 5 * 0.5 / sqrt(2 * (double)n));
    EXPECT(low >= -0.5 && low < -0.499 && high <= 0.5 && high > 0.499);
    fig_graph_free(g);
    fig_params_free(p);
}

TEST(groups_match_paths_and_the_last_one_counts) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_F32, 1);
    fig_graph *g = new_graph(ctx, p, FIG_F32);
    make(g, "embed.weight", 8, 4), make(g, "blocks.0.attn.qkv.weight", 4, 4),
        make(g, "blocks.10.attn.proj.weight", 4, 4);
    make(g, "blocks.10.mlp.up.weight", 4, 4);
    EXPECT_OK(ctx, fig_params_group(p, &(fig_param_group){.pattern = "*", .lr_scale = 0.5, .weight_decay = -1}));
    EXPECT_OK(ctx, fig_params_group(
                       p, &(fig_param_group){.pattern = "blocks.*.attn.*", .lr_scale = 2, .weight_decay = 0.25}));
    EXPECT_OK(ctx, fig_params_group(p, &(fig_param_group){.pattern = "*.proj.weight",
                                                          .has_optimizer = true,
                                                          .optimizer = FIG_SGD,
                                                          .weight_decay = 0}));
    EXPECT_OK(ctx, fig_params_group(
                       p, &(fig_param_group){.pattern = "embed", .frozen = true})); /* matches whole paths only */
    make(g, "blocks.1.attn.late.weight", 4, 4); /* rules hold for what comes later */
    EXPECT_NEAR(find(p, "embed.weight").lr_scale, 0.5, 0);
    EXPECT(find(p, "embed.weight").trainable);
    EXPECT_NEAR(find(p, "embed.weight").weight_decay, -1, 0);
    EXPECT_NEAR(find(p, "blocks.0.attn.qkv.weight").lr_scale, 2, 0);
    EXPECT_NEAR(find(p, "blocks.0.attn.qkv.weight").weight_decay, 0.25, 0);
    EXPECT_EQ_I(find(p, "blocks.0.attn.qkv.weight").optimizer, -1);
    EXPECT_EQ_I(find(p, "blocks.10.attn.proj.weight").optimizer, FIG_SGD);
    EXPECT_NEAR(find(p, "blocks.10.attn.proj.weight").lr_scale, 1, 0);
    EXPECT_NEAR(find(p, "blocks.10.mlp.up.weight").lr_scale, 0.5, 0);
    EXPECT_NEAR(find(p, "blocks.1.attn.late.weight").lr_scale, 2, 0);
    EXPECT_OK(ctx, fig_params_alloc(p));
    EXPECT_EQ_I(fig_params_group(p, &(fig_param_group){.pattern = "*", .frozen = true}),
                FIG_ERR_ARG); /* too late to save memory */
    fig_graph_free(g);
    fig_params_free(p);
}

/* loss = sum((x A B)^2) over a store with A frozen or not. */
static fig_tensor *two_layers(fig_graph *g, fig_tensor **x) {
    *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){3, 16});
    fig_tensor *h = fig_linear(g, "a", *x, 32, FIG_BIAS, 0.3);
    return fig_sum(g, fig_square(g, fig_linear(g, "b", h, 16, FIG_BIAS, 0.3)), FIG_ALL_AXES);
}

TEST(frozen_parameters_take_no_gradient_memory) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_F32, 1);
    EXPECT_OK(ctx, fig_params_group(p, &(fig_param_group){.pattern = "a.*", .frozen = true}));
    fig_graph *g = new_graph(ctx, p, FIG_F32);
    fig_tensor *x, *loss = two_layers(g, &x);
    EXPECT_OK(ctx, fig_backward_params(g, loss));
    EXPECT_EQ_I(fig_params_numel(p, false), 16 * 32 + 32 + 32 * 16 + 16);
    EXPECT_EQ_I(fig_params_numel(p, true), 32 * 16 + 16);
    uint64_t before = fig_memory(ctx).bytes_now;
    size_t expected = fig_params_bytes(p), n_flat;
    EXPECT_EQ_I(expected, 4 * (16 * 32 + 32) + 2 * 4 * (32 * 16 + 16));
    EXPECT_OK(ctx, fig_params_alloc(p));
    uint64_t taken = fig_memory(ctx).bytes_now - before;
    EXPECT(taken >= expected && taken < expected + 1024); /* the list of blocks */
    EXPECT(!find(p, "a.weight").grad && !find(p, "a.bias").grad && find(p, "b.weight").grad);
    fig_params_grads(p, &n_flat);
    EXPECT_EQ_I(n_flat, 32 * 16 + 16);
    fig_plan *plan = NULL;
    EXPECT_OK(ctx, fig_plan_new(g, &loss, 1, NULL, &plan));
    float *xv = fig_plan_data(plan, x), *grad = find(p, "b.weight").grad;
    for (int i = 0; i < 48; i++) xv[i] = (float)i / 48;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    double norm = 0;
    for (int i = 0; i < 512; i++) norm += (double)grad[i] * (double)grad[i];
    EXPECT(norm > 0);
    fig_plan_free(plan);
    fig_graph_free(g);
    fig_params_free(p);
}

/* Two networks with gradients of their own, and a third graph that only reads: all over one store. */
TEST(many_graphs_share_one_store) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_F32, 1);
    fig_graph *g[3];
    fig_tensor *x[3], *loss[3];
    fig_plan *plan[3] = {0};
    for (int i = 0; i < 3; i++) {
        g[i] = new_graph(ctx, p, FIG_F32);
        if (i == 1) fig_enter(g[i], "critic");
        loss[i] = two_layers(g[i], &x[i]);
        if (i < 2) EXPECT_OK(ctx, fig_backward_params(g[i], loss[i]));
        EXPECT_OK(ctx, fig_plan_new(g[i], &loss[i], 1, NULL, &plan[i]));
    }
    EXPECT_EQ_I(fig_params_count(p), 8); /* graph 2 found those of graph 0 */
    EXPECT_OK(ctx, fig_params_alloc(p));
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 48; k++) ((float *)fig_plan_data(plan[i], x[i]))[k] = (float)k / 48;
    EXPECT_OK(ctx, fig_plan_run(plan[1], NULL));
    EXPECT(find(p, "a.weight").grad[0] == 0); /* graph 1 leaves the others' gradients alone */
    float critic = find(p, "critic.a.weight").grad[5];
    EXPECT(critic != 0);
    EXPECT_OK(ctx, fig_plan_run(plan[0], NULL));
    EXPECT(find(p, "critic.a.weight").grad[5] == critic);
    EXPECT_OK(ctx, fig_plan_run(plan[2], NULL));
    float first = *(float *)fig_plan_data(plan[0], loss[0]);
    EXPECT(first == *(float *)fig_plan_data(plan[2], loss[2]));
    float *w = find(p, "b.weight").data;
    w[0] += 1; /* seen by both graphs at once */
    EXPECT_OK(ctx, fig_plan_run(plan[0], NULL));
    EXPECT_OK(ctx, fig_plan_run(plan[2], NULL));
    EXPECT(*(float *)fig_plan_data(plan[0], loss[0]) != first);
    EXPECT(*(float *)fig_plan_data(plan[0], loss[0]) == *(float *)fig_plan_data(plan[2], loss[2]));
    for (int i = 0; i < 3; i++) fig_plan_free(plan[i]), fig_graph_free(g[i]);
    fig_params_free(p);
}

TEST(a_parameter_keeps_its_shape) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_F32, 1);
    fig_graph *g = new_graph(ctx, p, FIG_F32);
    make(g, "w", 4, 6);
    EXPECT(!fig_param(g, "w", (fig_init){FIG_INIT_ZEROS, 0}, 2, (size_t[]){6, 4}));
    EXPECT_EQ_I(fig_graph_status(g), FIG_ERR_SHAPE);
    EXPECT(strstr(fig_error(ctx), "w: used with another shape") != NULL);
    fig_graph_free(g);
    fig_params_free(p);
}

TEST(state_is_kept_without_gradient) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_BF16, 1);
    fig_graph *g = new_graph(ctx, p, FIG_BF16);
    fig_tensor *s = fig_state(g, "mean", (fig_init){FIG_INIT_ONES, 0}, 2, (size_t[]){4, 4});
    EXPECT_EQ_I(fig_dtype_of(s), FIG_F32); /* statistics never lose bits */
    EXPECT_OK(ctx, fig_params_alloc(p));
    fig_param_info info = find(p, "mean");
    EXPECT(info.is_state && !info.trainable && !info.grad && !info.copy);
    EXPECT_EQ_I(fig_params_numel(p, false), 0);
    fig_graph_free(g);
    fig_params_free(p);
}

TEST(compute_copies_follow_their_masters) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_BF16, 1);
    fig_graph *g = new_graph(ctx, p, FIG_BF16);
    make(g, "w", 4, 6), make(g, "b", 6, 0);
    EXPECT_EQ_I(fig_dtype_of(fig_param(g, "w", (fig_init){FIG_INIT_NORMAL, 0.5}, 2, (size_t[]){4, 6})), FIG_BF16);
    EXPECT_OK(ctx, fig_params_alloc(p));
    fig_param_info w = find(p, "w");
    EXPECT(!find(p, "b").copy); /* vectors stay fp32 */
    if (!EXPECT(w.copy)) return;
    float values[24], back[24];
    for (int i = 0; i < 24; i++) EXPECT_EQ_I(((uint16_t *)w.copy)[i], fig__f32_to_bf16(((float *)w.data)[i]));
    for (int i = 0; i < 24; i++) values[i] = 1 + (float)i / 1000;
    EXPECT_OK(ctx, fig_params_set(p, "w", values, FIG_F32, 24));
    for (int i = 0; i < 24; i++) EXPECT_EQ_I(((uint16_t *)w.copy)[i], fig__f32_to_bf16(values[i]));
    EXPECT_OK(ctx, fig_params_get(p, "w", back, FIG_F32, 24));
    EXPECT(!memcmp(values, back, sizeof back)); /* the master has all bits */
    ((float *)w.data)[3] = 7;
    fig_params_sync(p);
    EXPECT_EQ_I(((uint16_t *)w.copy)[3], fig__f32_to_bf16(7));
    EXPECT_EQ_I(fig_params_set(p, "w", values, FIG_F32, 23), FIG_ERR_SHAPE);
    EXPECT_EQ_I(fig_params_set(p, "nothing", values, FIG_F32, 24), FIG_ERR_NOTFOUND);
    fig_graph_free(g);
    fig_params_free(p);
}

TEST(the_hash_is_of_every_bit_and_every_path) {
    fig_context *ctx = check_context();
    fig_params *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = new_store(ctx, FIG_F32, 1);
        fig_graph *g = new_graph(ctx, p[i], FIG_F32);
        fig_param(g, i == 2 ? "other" : "w", (fig_init){FIG_INIT_ONES, 0}, 2, (size_t[]){4, 6});
        EXPECT_OK(ctx, fig_params_alloc(p[i]));
        fig_graph_free(g);
    }
    uint32_t *bits = find(p[3], "w").data;
    bits[23] ^= 1;
    EXPECT(fig_params_hash(p[0]) == fig_params_hash(p[1]));
    EXPECT(fig_params_hash(p[0]) != fig_params_hash(p[2]));
    EXPECT(fig_params_hash(p[0]) != fig_params_hash(p[3]));
    for (int i = 0; i < 4; i++) fig_params_free(p[i]);
}

TEST(inference_holds_one_copy_in_the_compute_type) {
    fig_context *ctx = check_context();
    fig_params *p = NULL;
    EXPECT_OK(ctx, fig_params_new(ctx, &(fig_params_options){.compute = FIG_BF16, .seed = 1, .inference = true}, &p));
    fig_graph *g = new_graph(ctx, p, FIG_BF16);
    make(g, "w", 16, 16), make(g, "b", 16, 0);
    EXPECT_EQ_I(fig_params_bytes(p), 256 * 2 + 16 * 4);
    EXPECT_OK(ctx, fig_params_alloc(p));
    EXPECT_EQ_I(find(p, "w").storage, FIG_BF16);
    EXPECT_EQ_I(find(p, "b").storage, FIG_F32);
    EXPECT(!find(p, "w").copy && !find(p, "w").grad && !find(p, "w").trainable);
    fig_graph_free(g);
    fig_params_free(p);
}

TEST(parameters_that_come_too_late_are_refused) {
    fig_context *ctx = check_context();
    fig_params *p = new_store(ctx, FIG_F32, 1);
    fig_graph *g = new_graph(ctx, p, FIG_F32);
    make(g, "w", 4, 4);
    EXPECT_OK(ctx, fig_params_alloc(p));
    EXPECT_OK(ctx, fig_params_alloc(p)); /* nothing new: nothing happens */
    make(g, "late", 4, 4);
    EXPECT_EQ_I(fig_params_alloc(p), FIG_ERR_ARG);
    fig_graph_free(g);
    fig_params_free(p);
}

/* Down by a convolution, up again by a transposed one: shapes, and what the parameters are called. */
TEST(convolution_layers) {
    fig_context *ctx = check_context();
    fig_params *params;
    fig_graph *g;
    fig_param_info p;
    EXPECT_OK(ctx, fig_params_new(ctx, &(fig_params_options){.compute = FIG_F32, .seed = 1}, &params));
    EXPECT_OK(ctx, fig_graph_new(ctx, params, &(fig_graph_options){FIG_TRAIN, FIG_F32}, &g));
    fig_conv_layer down = {.kernel = {3, 3}, .options = {.stride = {2, 2}, .padding = {1, 1, 1, 1}}, .std = 0.1};
    fig_conv_layer up = {.kernel = {4, 4}, .options = {.stride = {2, 2}, .padding = {1, 1, 1, 1}}, .no_bias = true};
    fig_tensor *x = fig_input(g, "x", FIG_F32, 4, (size_t[]){2, 8, 6, 4}), *y = fig_conv2d(g, "down", x, 10, &down);
    fig_tensor *z = fig_conv2d_transpose(g, "up", fig_group_norm(g, "norm", y, 5, 1e-5), 4, &up);
    EXPECT_OK(ctx, fig_graph_status(g));
    EXPECT(fig_dim(y, 1) == 4 && fig_dim(y, 2) == 3 && fig_dim(y, 3) == 10);
    for (int i = 0; i < 4; i++) EXPECT_EQ_I(fig_dim(z, i), fig_dim(x, i));
    EXPECT(fig_params_find(params, "down.weight", &p) && p.ndim == 4 && p.shape[2] == 4 && p.shape[3] == 10);
    EXPECT(fig_params_find(params, "up.weight", &p) && p.shape[0] == 4 && p.shape[2] == 4 && p.shape[3] == 10);
    EXPECT(fig_params_find(params, "down.bias", &p) && fig_params_find(params, "norm.bias", &p));
    EXPECT(!fig_params_find(params, "up.bias", &p));
    EXPECT(!fig_group_norm(g, "other", y, 3, 1e-5));
    EXPECT_EQ_S(fig_error(ctx),
                "other: group_norm: 10 channels do not divide into 3 groups: given [2,4,3,10] float32 and [10] "
                "float32 and [10] float32");
    fig_graph_free(g);
    fig_params_free(params);
}
