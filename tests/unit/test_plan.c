/* The planner: whatever it fuses and reuses, the bits stay; extents follow the run; nothing is allocated by it. */
#include "tiny_gpt.h"
#include "core/plan.h"

static const struct {
    const char *arch, *settings;
} nets[] = {{"gpt2", "dropout=0.2"},
            {"qwen3", "dropout=0.2 n_kv_head=1"},
            {"llama", "mlp=relu2 tied=false window=9 softcap=5"}};

typedef struct outcome {
    float loss, *grads;
    size_t n;
    fig_plan_memory memory;
} outcome;

/* What a run leaves of it would show: every gradient is written, none is added to. */
static void spoil_grads(const fig_params *params) {
    for (size_t i = 0; i < fig_params_count(params); i++) {
        fig_param_info p = fig_params_at(params, i);
        for (size_t k = 0; k < p.numel; k++) p.grad[k] = NAN;
    }
}

static outcome outcome_of(fig_model *m, size_t rows, size_t cols, size_t batch, size_t time,
                          const fig_plan_options *options) {
    tiny t = tiny_new(m, rows, cols, options);
    outcome o = {.memory = fig_plan_memory_of(t.plan)};
    spoil_grads(fig_model_params(m));
    o.loss = tiny_run(&t, batch, time);
    o.grads = tiny_grads(&t, &o.n);
    tiny_free(&t);
    return o;
}

static void expect_same(outcome *a, outcome *b, const char *what) {
    double norm = 0;
    for (size_t i = 0; i < a->n; i++) norm += (double)a->grads[i] * (double)a->grads[i];
    bool same = a->n == b->n && a->loss == b->loss && !memcmp(a->grads, b->grads, a->n * sizeof *a->grads);
    if (!EXPECT(isfinite(a->loss) && norm > 0 && isfinite(norm)) || !EXPECT(same)) fprintf(stderr, "    %s\n", what);
}

static void compare_modes(fig_dtype dtype) {
    static const fig_plan_options modes[] = {
        {0}, {.no_reuse = true}, {.no_fuse = true}, {.no_reuse = true, .no_fuse = true}};
    for (size_t i = 0; i < FIG_COUNT(nets); i++) {
        fig_context *ctx = check_context();
        fig_model *m = tiny_model(ctx, nets[i].arch, dtype, nets[i].settings);
        outcome o[4];
        for (int k = 0; k < 4; k++) o[k] = outcome_of(m, 3, 20, 3, 20, &modes[k]);
        expect_same(&o[0], &o[1], "reuse against no reuse");
        expect_same(&o[2], &o[3], "reuse against no reuse, nothing fused");
        if (dtype == FIG_F32)
            expect_same(&o[0], &o[2], "fused against unfused"); /* in bf16 a chain rounds less often */
        EXPECT(o[0].memory.arena_bytes * 2 < o[0].memory.no_reuse_bytes);
        EXPECT(o[1].memory.arena_bytes >= o[0].memory.no_reuse_bytes);
        EXPECT(o[0].memory.no_reuse_bytes < o[2].memory.no_reuse_bytes); /* fusing keeps values in registers */
        for (int k = 0; k < 4; k++) free(o[k].grads);
        fig_model_free(m);
    }
}

TEST(reuse_and_fusion_leave_the_bits_in_fp32) { compare_modes(FIG_F32); }
TEST(reuse_and_fusion_leave_the_bits_in_bf16) { compare_modes(FIG_BF16); }

static void compare_extents(fig_dtype dtype) {
    for (size_t i = 0; i < FIG_COUNT(nets); i++) {
        fig_context *ctx = check_context();
        fig_model *m = tiny_model(ctx, nets[i].arch, dtype, nets[i].settings);
        outcome small = outcome_of(m, 3, 17, 3, 17, NULL), within = outcome_of(m, 8, 32, 3, 17, NULL);
        outcome full = outcome_of(m, 8, 32, 8, 32, NULL);
        outcome poisoned = outcome_of(m, 8, 32, 3, 17, &(fig_plan_options){.no_reuse = true});
        expect_same(&small, &within, "recorded for 3x17 against 8x32");
        expect_same(&small, &poisoned, "without reuse");
        tiny t = tiny_new(m, 8, 32, NULL); /* there and back */
        tiny_run(&t, 8, 32), tiny_run(&t, 1, 1), tiny_run(&t, 3, 17);
        outcome again = {.loss = tiny_run(&t, 8, 32)};
        again.grads = tiny_grads(&t, &again.n);
        expect_same(&full, &again, "resized back");
        tiny_free(&t);
        free(small.grads), free(within.grads), free(full.grads), free(poisoned.grads), free(again.grads);
        fig_model_free(m);
    }
}

TEST(run_time_extents_give_the_bits_of_a_graph_of_that_size) { compare_extents(FIG_F32); }
TEST(run_time_extents_in_bf16) { compare_extents(FIG_BF16); }

/* Large outputs of norms and activations are made again by backward, small ones are kept: the same bits. */
static size_t n_cheap(const tiny *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->g->nodes.n; i++) n += t->plan->needed[i] && t->g->nodes.data[i]->op->flags & FIG_OP_CHEAP;
    return n;
}
static void compare_made_again(fig_dtype dtype, size_t n_again) {
    static const struct {
        const char *arch, *settings;
        size_t n_cheap; /* with the SiLU in the gradient of SwiGLU */
    } wide[] = {{"gpt2", "n_embd=256 ffn_dim=512 dropout=0.2", 2 * 3 + 1},
                {"llama", "n_embd=256 ffn_dim=512 mlp=swiglu", 2 * 4 + 1},
                {"llama", "n_embd=256 ffn_dim=512 mlp=relu2", 2 * 3 + 1}};
    for (size_t i = 0; i < FIG_COUNT(wide); i++) {
        fig_context *ctx = check_context();
        fig_model *m = tiny_model(ctx, wide[i].arch, dtype, wide[i].settings);
        tiny t[2] = {tiny_new(m, 3, 17, NULL), tiny_new(m, 128, 32, NULL)};
        EXPECT_EQ_I(n_cheap(&t[0]), wide[i].n_cheap);
        EXPECT_EQ_I(n_cheap(&t[1]), wide[i].n_cheap + n_again);
        outcome o[2];
        for (int k = 0; k < 2; k++) {
            spoil_grads(fig_model_params(m));
            o[k].loss = tiny_run(&t[k], 3, 17);
            o[k].grads = tiny_grads(&t[k], &o[k].n);
        }
        expect_same(&o[0], &o[1], "kept against made again");
        for (int k = 0; k < 2; k++) tiny_free(&t[k]), free(o[k].grads);
        fig_model_free(m);
    }
}
TEST(what_backward_makes_again_in_fp32) { compare_made_again(FIG_F32, 2 * 3 + 1); }
TEST(what_backward_makes_again_in_bf16) { compare_made_again(FIG_BF16, 2); } /* a norm is half of what is worth it */

/* The two gradients of a tied embedding are summed in the store's memory, where the first of them is made. */
TEST(sums_of_gradients_are_made_in_place) {
    fig_context *ctx = check_context();
    for (int tied = 0; tied < 2; tied++) {
        fig_model *m = tiny_model(ctx, "gpt2", FIG_F32, tied ? "tied=true" : "tied=false");
        tiny t = tiny_new(m, 2, 8, NULL);
        size_t n_lent = 0;
        for (size_t i = 0; i < t.plan->storages.n; i++) n_lent += t.plan->storages.data[i].lender != NULL;
        EXPECT_EQ_I(n_lent, tied);
        tiny_free(&t);
        fig_model_free(m);
    }
}

/* Everything that changes shapes along the axis that is resized; gradients, those of a tangent, and gradients of
 * gradients three deep. */
enum { RESHAPER_ROOTS = 4, RESHAPER_ROWS = 12, RESHAPER_COLS = 6 };
typedef struct reshaper {
    fig_graph *g;
    fig_plan *plan;
    fig_tensor *x, *v, *index, *roots[RESHAPER_ROOTS];
} reshaper;

static fig_tensor *sum_of_squares(fig_graph *g, fig_tensor *x) { return fig_sum(g, fig_square(g, x), FIG_ALL_AXES); }

static fig_tensor *gradient(reshaper *r, fig_tensor *loss, fig_tensor *x) {
    fig_tensor *grad;
    fig_backward(r->g, loss, &x, 1, &grad);
    return fig_contiguous(r->g, grad);
}

static fig_tensor *deep_gradient(reshaper *r) {
    fig_tensor *both =
                   fig_concat(r->g, (fig_tensor *[]){fig_square(r->g, r->x), r->x, fig_scale(r->g, r->x, 0.3)}, 3, 0),
               *d;
    both = fig_slice(r->g, fig_pad(r->g, both, 0, 1, 2, 0.25), 0, 2, 0);
    d = gradient(r, fig_sum(r->g, fig_mul(r->g, both, fig_square(r->g, both)), FIG_ALL_AXES), r->x);
    for (int i = 0; i < 2; i++) d = gradient(r, sum_of_squares(r->g, fig_scale(r->g, d, 0.1)), r->x);
    return d;
}

static reshaper reshaper_new(fig_context *ctx, size_t rows) {
    reshaper r = {0};
    size_t shape[2] = {rows, RESHAPER_COLS};
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_TRAIN, FIG_F32}, &r.g));
    r.x = fig_input(r.g, "x", FIG_F32, 2, shape), r.v = fig_input(r.g, "v", FIG_F32, 2, shape);
    r.index = fig_input(r.g, "index", FIG_I32, 2, shape);
    fig_tensor *y = fig_concat(r.g, (fig_tensor *[]){r.x, fig_sin(r.g, r.x), fig_gather(r.g, r.x, 0, r.index)}, 3, 0);
    y = fig_pad(r.g, y, 0, 2, 1, 0.5);
    fig_tensor *tail = fig_slice(r.g, y, 0, 3, 0), *last = fig_slice(r.g, y, 0, -2, 2);
    y = fig_mul(r.g, tail, fig_sub(r.g, fig_mean(r.g, tail, 0), fig_sum(r.g, last, 0)));
    y = fig_softmax(r.g, fig_reshape(r.g, fig_transpose(r.g, y, 0, 1), 2, (int64_t[]){-1, 3}));
    r.roots[0] = fig_mean(r.g, fig_square(r.g, y), FIG_ALL_AXES);
    r.roots[1] = gradient(&r, r.roots[0], r.x);
    r.roots[2] = gradient(&r, sum_of_squares(r.g, fig_tangent(r.g, tail, r.x, r.v)), r.v);
    r.roots[3] = deep_gradient(&r);
    bool good = EXPECT_OK(ctx, fig_graph_status(r.g));
    if (!good || !EXPECT_OK(ctx, fig_plan_new(r.g, r.roots, RESHAPER_ROOTS, NULL, &r.plan))) exit(1);
    return r;
}

static void reshaper_free(reshaper *r) {
    fig_plan_free(r->plan);
    fig_graph_free(r->g);
}

static void reshaper_run(fig_context *ctx, reshaper *r, size_t rows) {
    fig_tensor *inputs[] = {r->x, r->v, r->index};
    for (int i = 0; i < 3; i++) EXPECT_OK(ctx, fig_plan_resize(r->plan, inputs[i], (size_t[]){rows, RESHAPER_COLS}));
    float *x = fig_plan_data(r->plan, r->x), *v = fig_plan_data(r->plan, r->v);
    int32_t *index = fig_plan_data(r->plan, r->index);
    for (size_t i = 0; i < rows * RESHAPER_COLS; i++)
        x[i] = (float)sin((double)i), v[i] = (float)cos((double)i), index[i] = (int32_t)(i * 5 % rows);
    EXPECT_OK(ctx, fig_plan_run(r->plan, NULL));
}

TEST(shapes_and_their_gradients_follow_the_run) {
    fig_context *ctx = check_context();
    reshaper large = reshaper_new(ctx, RESHAPER_ROWS);
    for (size_t rows = 2; rows <= RESHAPER_ROWS; rows += 5) {
        reshaper exact = reshaper_new(ctx, rows);
        reshaper_run(ctx, &exact, rows);
        reshaper_run(ctx, &large, rows);
        for (int k = 0; k < RESHAPER_ROOTS; k++) {
            size_t n = k ? rows * RESHAPER_COLS : 1;
            const float *wanted = fig_plan_data(exact.plan, exact.roots[k]),
                        *got = fig_plan_data(large.plan, large.roots[k]);
            if (!EXPECT(isfinite(wanted[0]) && !memcmp(wanted, got, n * sizeof *got)))
                fprintf(stderr, "    root %d of %zu rows\n", k, rows);
        }
        reshaper_free(&exact);
    }
    reshaper_free(&large);
}

TEST(extents_stay_within_what_was_recorded) {
    fig_context *ctx = check_context();
    fig_model *m = tiny_model(ctx, "gpt2", FIG_F32, "");
    tiny t = tiny_new(m, 2, 8, NULL);
    EXPECT_EQ_I(fig_plan_resize(t.plan, t.in.tokens, (size_t[]){2, 9}), FIG_ERR_SHAPE);
    EXPECT(strstr(fig_error(ctx), "tokens: axis 1 resized to 9; recorded for at most 8") != NULL);
    EXPECT_EQ_I(fig_plan_resize(t.plan, t.in.tokens, (size_t[]){0, 8}), FIG_ERR_SHAPE);
    EXPECT_EQ_I(fig_plan_resize(t.plan, t.loss, (size_t[]){1}), FIG_ERR_ARG);
    EXPECT_OK(ctx, fig_plan_resize(t.plan, t.in.tokens, (size_t[]){2, 5})); /* but not the positions */
    EXPECT_EQ_I(fig_plan_run(t.plan, NULL), FIG_ERR_SHAPE);
    tiny_free(&t);
    fig_model_free(m);
}

TEST(running_allocates_nothing) {
    fig_context *ctx = check_context();
    fig_model *m = tiny_model(ctx, "qwen3", FIG_F32, "dropout=0.1");
    tiny t = tiny_new(m, 4, 16, NULL);
    uint64_t before = fig_memory(ctx).n_allocations;
    fig_plan_free(t.plan);
    EXPECT_OK(ctx, fig_plan_new(t.g, &t.loss, 1, NULL, &t.plan));
    EXPECT(fig_memory(ctx).n_allocations > before);
    size_t arena = fig_plan_memory_of(t.plan).arena_bytes;
    uint64_t bytes = fig_memory(ctx).bytes_now;
    EXPECT_OK(ctx, fig_plan_alloc(t.plan));
    uint64_t taken = fig_memory(ctx).bytes_now - bytes,
             scratch = fig_plan_memory_of(t.plan).scratch_bytes * (uint64_t)fig_n_threads(ctx);
    EXPECT(taken >= arena && taken <= arena + scratch + 4096);
    tiny_run(&t, 4, 16);
    uint64_t after = fig_memory(ctx).n_allocations;
    for (size_t i = 0; i < 5; i++) tiny_run(&t, 1 + i % 4, 16 - i);
    EXPECT_EQ_I(fig_memory(ctx).n_allocations, after);
    tiny_free(&t);
    fig_model_free(m);
}

TEST(times_are_kept_per_step) {
    fig_context *ctx = check_context();
    fig_model *m = tiny_model(ctx, "gpt2", FIG_F32, "");
    tiny t = tiny_new(m, 4, 16, NULL);
    fig_op_time times[512];
    tiny_run(&t, 4, 16); /* not measured */
    fig_plan_profile(t.plan, true);
    for (int i = 0; i < 3; i++) tiny_run(&t, 4, 16);
    size_t n = fig_plan_times(t.plan, times, FIG_COUNT(times));
    EXPECT(n > 20);
    for (size_t i = 0; i < n; i++) {
        EXPECT(times[i].op && times[i].path && times[i].seconds > 0);
        EXPECT_EQ_I(times[i].calls, 3);
        if (i) EXPECT(times[i].seconds <= times[i - 1].seconds);
    }
    fig_op_time longest = times[0];
    EXPECT_EQ_I(fig_plan_times(t.plan, times, 1), 1); /* no more than there is room for */
    EXPECT(times[0].seconds == longest.seconds);
    tiny_free(&t);
    fig_model_free(m);
}

/* Each number once, however often an axis repeats it; rows of a table as far as they are taken. */
TEST(operations_and_bytes_are_counted) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *table = fig_input(g, "table", FIG_F32, 2, (size_t[]){1000, 8}),
               *rows = fig_input(g, "rows", FIG_I32, 1, (size_t[]){6}),
               *w = fig_input(g, "w", FIG_F32, 2, (size_t[]){5, 8}),
               *gain = fig_input(g, "gain", FIG_F32, 1, (size_t[]){5});
    fig_tensor *y = fig_linear_op(g, fig_embedding(g, table, rows), w, NULL);
    fig_tensor *scaled = fig_relu(g, fig_mul(g, y, gain));
    fig_tensor *q = fig_reshape(g, scaled, 4, (int64_t[]){1, 6, 1, 5});
    fig_tensor *seen = fig_attention(g, q, q, q, &(fig_attention_options){.causal = true, .window = 2});
    fig_plan *plan;
    fig_op_time times[16];
    EXPECT_OK(ctx, fig_graph_status(g));
    EXPECT_OK(ctx, fig_plan_new(g, &seen, 1, NULL, &plan));
    memset(fig_plan_data(plan, rows), 0, 6 * sizeof(int32_t));
    fig_plan_profile(plan, true);
    for (int run = 0; run < 2; run++) EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    static const struct {
        const char *op;
        double operations, numbers;
    } wanted[] = {{"embedding", 0, 6 * 8 + 6 + 6 * 8},
                  {"linear", 2 * 6 * 8 * 5, 6 * 8 + 5 * 8 + 6 * 5},
                  {"chain", 0, 6 * 5 + 5 + 6 * 5},
                  {"attention", 4 * (1 + 5 * 2) * 5, 4 * 6 * 5 + 6}};
    size_t n = fig_plan_times(plan, times, FIG_COUNT(times));
    EXPECT_EQ_I(n, FIG_COUNT(wanted));
    for (size_t i = 0; i < FIG_COUNT(wanted); i++)
        for (size_t k = 0; k < n; k++) {
            if (strcmp(times[k].op, wanted[i].op) != 0) continue;
            EXPECT_NEAR(times[k].operations, 2 * wanted[i].operations, 0);
            EXPECT_NEAR(times[k].bytes, 2 * 4 * wanted[i].numbers, 0);
        }
    fig_plan_profile(plan, true); /* begins at nothing */
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    fig_plan_times(plan, times, FIG_COUNT(times));
    EXPECT_EQ_I(times[0].calls, 1);
    fig_plan_free(plan);
    fig_graph_free(g);
}

/* A poisoned buffer shows when something reads what it should not: nothing here reads `late` after its last reader, and
 * a root stays readable. */
TEST(dead_buffers_are_filled_with_nan) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){4, 4});
    fig_tensor *late = fig_matmul(g, x, x, false, false), *y = fig_matmul(g, late, x, false, false);
    fig_plan *plan;
    EXPECT_OK(ctx, fig_plan_new(g, &y, 1, &(fig_plan_options){.no_reuse = true}, &plan));
    float *xv = fig_plan_data(plan, x), *yv = fig_plan_data(plan, y);
    for (int i = 0; i < 16; i++) xv[i] = (float)i;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    for (int i = 0; i < 16; i++) EXPECT(isfinite(yv[i]) && isnan(((float *)late->data)[i]) && xv[i] == (float)i);
    fig_plan_free(plan);
    fig_graph_free(g);
}

/* Inputs that were recorded with equal extents and then broadcast against each other at run time: a chain has one
 * shape. */
TEST(extents_that_part_at_run_time) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *a = fig_input(g, "a", FIG_F32, 2, (size_t[]){3, 4}),
               *b = fig_input(g, "b", FIG_F32, 2, (size_t[]){3, 4});
    fig_tensor *y = fig_add(g, fig_scale(g, b, 2), fig_scale(g, a, 3));
    fig_plan *plan;
    EXPECT_OK(ctx, fig_plan_new(g, &y, 1, NULL, &plan));
    EXPECT_OK(ctx, fig_plan_resize(plan, b, (size_t[]){1, 4}));
    EXPECT_EQ_I(fig_plan_run(plan, NULL), FIG_ERR_SHAPE);
    EXPECT_OK(ctx, fig_plan_resize(plan, a, (size_t[]){1, 4}));
    float *av = fig_plan_data(plan, a), *bv = fig_plan_data(plan, b), *yv = fig_plan_data(plan, y);
    for (int i = 0; i < 4; i++) av[i] = (float)i, bv[i] = 10;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    for (int i = 0; i < 4; i++) EXPECT_NEAR(yv[i], 20 + 3 * i, 0);
    fig_plan_free(plan);
    fig_graph_free(g);
}

/* A chain of more operands than there are slots, and one longer than a chain may be. */
TEST(wide_and_long_chains) {
    fig_context *ctx = check_context();
    enum { N = 60 };
    for (int wide = 0; wide < 2; wide++) {
        fig_graph *g;
        EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
        fig_tensor *x[N], *sum = NULL, *scaled[N];
        for (int i = 0; i < N; i++) x[i] = i && !wide ? x[0] : fig_input(g, "x", FIG_F32, 1, (size_t[]){700});
        for (int i = 0; i < N; i++) scaled[i] = fig_scale(g, x[i], i + 1);
        for (int i = 0; i < N; i++) sum = sum ? fig_add(g, sum, scaled[i]) : scaled[i]; /* all are alive at the start */
        fig_plan *plan;
        EXPECT_OK(ctx, fig_plan_new(g, &sum, 1, NULL, &plan));
        for (int i = 0; i < (wide ? N : 1); i++)
            for (int k = 0; k < 700; k++) ((float *)fig_plan_data(plan, x[i]))[k] = (float)(k % 7);
        EXPECT_OK(ctx, fig_plan_run(plan, NULL));
        const float *y = fig_plan_data(plan, sum);
        for (int k = 0; k < 700; k++) EXPECT_NEAR(y[k], (float)(k % 7) * N * (N + 1) / 2, 0);
        fig_plan_free(plan);
        fig_graph_free(g);
    }
}

/* y = x + x^T may not lie where x lies: elements are read again after others were written. */
TEST(an_output_does_not_overwrite_what_a_view_still_reads) {
    enum { N = 70 };
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *a = fig_input(g, "a", FIG_F32, 2, (size_t[]){N, N}),
               *x = fig_pad(g, fig_slice(g, a, 0, 1, N - 1), 0, 1, 0, 3);
    fig_tensor *y = fig_add(g, x, fig_transpose(g, x, 0, 1));
    fig_plan *plan;
    EXPECT_OK(ctx, fig_plan_new(g, &y, 1, NULL, &plan));
    float *av = fig_plan_data(plan, a);
    for (int i = 0; i < N * N; i++) av[i] = (float)(i * 7 % 101);
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    const float *yv = fig_plan_data(plan, y);
    for (int r = 0; r < N; r++)
        for (int c = 0; c < N; c++) {
            float wanted = (r ? av[r * N + c] : 3) + (c ? av[c * N + r] : 3);
            if (!EXPECT(yv[r * N + c] == wanted)) r = c = N;
        }
    fig_plan_free(plan);
    fig_graph_free(g);
}

/* Forward alone, then the graph grows by its gradient and is planned again: the two run in turns, at other extents. */
TEST(two_plans_of_one_graph) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){6, 4}),
               *y = fig_sum(g, fig_sum(g, fig_square(g, x), 1), 0), *dx = NULL;
    fig_plan *forward, *both;
    EXPECT_OK(ctx, fig_plan_new(g, &y, 1, NULL, &forward));
    EXPECT_OK(ctx, fig_plan_resize(forward, x, (size_t[]){2, 4}));
    float *a = fig_plan_data(forward, x);
    for (int i = 0; i < 8; i++) a[i] = 2;
    EXPECT_OK(ctx, fig_plan_run(forward, NULL));
    EXPECT_EQ_I(*(float *)fig_plan_data(forward, y), 32);
    EXPECT_OK(ctx, fig_backward(g, y, &x, 1, &dx));
    EXPECT_OK(ctx, fig_plan_new(g, (fig_tensor *[]){y, dx}, 2, NULL, &both));
    EXPECT(fig_dim(x, 0) == 6 && !fig_plan_data(forward, dx));
    float *b = fig_plan_data(both, x);
    for (int i = 0; i < 24; i++) b[i] = 3;
    for (int turn = 0; turn < 2; turn++) {
        EXPECT_OK(ctx, fig_plan_run(both, NULL));
        EXPECT_EQ_I(*(float *)fig_plan_data(both, y), 24 * 9);
        for (int i = 0; i < 24; i++) EXPECT(((float *)fig_plan_data(both, dx))[i] == 6);
        EXPECT_OK(ctx, fig_plan_resize(forward, x, (size_t[]){1, 4}));
        EXPECT_OK(ctx, fig_plan_run(forward, NULL));
        EXPECT_EQ_I(*(float *)fig_plan_data(forward, y), 16);
        EXPECT_OK(ctx, fig_plan_resize(both, x, (size_t[]){6, 4}));
    }
    fig_plan_free(both);
    EXPECT_OK(ctx, fig_plan_run(forward, NULL));
    fig_plan_free(forward);
    fig_graph_free(g);
}

TEST(the_first_result_that_is_not_finite_is_named) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){4, 4});
    fig_enter(g, "blocks.3");
    fig_tensor *y = fig_matmul(g, fig_log(g, x), x, false, false);
    fig_leave(g);
    fig_plan *plan;
    EXPECT_OK(ctx, fig_plan_new(g, &y, 1, NULL, &plan));
    float *xv = fig_plan_data(plan, x);
    for (int i = 0; i < 16; i++) xv[i] = (float)i - 1;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    fig_plan_check(plan, true);
    EXPECT_EQ_I(fig_plan_run(plan, NULL), FIG_ERR_NONFINITE);
    EXPECT_EQ_S(fig_error(ctx), "blocks.3: log gives numbers that are not finite");
    for (int i = 0; i < 16; i++) xv[i] = (float)i + 1;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    fig_plan_free(plan);
    fig_graph_free(g);
}

TEST(a_strided_root_is_refused) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, FIG_F32}, &g));
    fig_tensor *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){3, 4}), *t = fig_transpose(g, x, 0, 1);
    fig_plan *plan = NULL;
    EXPECT_EQ_I(fig_plan_new(g, &t, 1, NULL, &plan), FIG_ERR_ARG);
    EXPECT(!plan);
    fig_graph_free(g);
}

/* Dropout is keyed by the path and the global sample number: the same sample draws the same mask in any batch. */
TEST(dropout_follows_the_sample_not_its_row) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_TRAIN, FIG_F32}, &g));
    fig_tensor *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){6, 40}), *y[2];
    for (int i = 0; i < 2; i++) {
        fig_enter(g, "drop%d", i);
        y[i] = fig_dropout(g, x, 0.5);
        fig_leave(g);
    }
    fig_plan *plan;
    EXPECT_OK(ctx, fig_plan_new(g, y, 2, NULL, &plan));
    float *xv = fig_plan_data(plan, x), first[6 * 40];
    const float *a = fig_plan_data(plan, y[0]), *b = fig_plan_data(plan, y[1]);
    for (int i = 0; i < 240; i++) xv[i] = 1;
    EXPECT_OK(ctx, fig_plan_run(plan, &(fig_run_args){.seed = 1, .sample0 = 10}));
    memcpy(first, a, sizeof first);
    EXPECT(memcmp(first, b, sizeof first)); /* another path, another mask */
    int zeros = 0;
    for (int i = 0; i < 240; i++) zeros += first[i] == 0, EXPECT(first[i] == 0 || first[i] == 2);
    EXPECT(zeros > 80 && zeros < 160);
    EXPECT_OK(ctx, fig_plan_run(plan, &(fig_run_args){.seed = 1, .sample0 = 12}));
    EXPECT(!memcmp(first + 2 * 40, a, 4 * 40 * sizeof *a));
    EXPECT_OK(ctx, fig_plan_run(plan, &(fig_run_args){.seed = 1, .sample0 = 10, .step = 1}));
    EXPECT(memcmp(first, a, sizeof first));
    fig_plan_free(plan);
    fig_graph_free(g);
}

/* As with dropout: a sample's noise is its own, whatever row it stands in, and another in the next step. */
TEST(noise_follows_the_sample_not_its_row) {
    fig_context *ctx = check_context();
    for (int type = 0; type < 2; type++) {
        fig_graph *g;
        fig_dtype dtype = type ? FIG_BF16 : FIG_F32;
        EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_EVAL, dtype}, &g));
        fig_tensor *x = fig_input(g, "x", FIG_F32, 2, (size_t[]){6, 40}), *y[2];
        for (int i = 0; i < 2; i++) {
            fig_enter(g, "noise%d", i);
            y[i] = fig_cast(g, fig_noise(g, x), FIG_F32);
            fig_leave(g);
        }
        fig_plan *plan;
        EXPECT_OK(ctx, fig_plan_new(g, y, 2, NULL, &plan));
        const float *a = fig_plan_data(plan, y[0]), *b = fig_plan_data(plan, y[1]);
        float first[6 * 40];
        EXPECT_OK(ctx, fig_plan_run(plan, &(fig_run_args){.seed = 1, .sample0 = 10}));
        memcpy(first, a, sizeof first);
        EXPECT(memcmp(first, b, sizeof first)); /* another path */
        double square = 0;
        for (int i = 0; i < 240; i++) square += (double)first[i] * (double)first[i];
        EXPECT(square / 240 > 0.5 && square / 240 < 1.6);
        EXPECT_OK(ctx, fig_plan_run(plan, &(fig_run_args){.seed = 1, .sample0 = 12}));
        EXPECT(!memcmp(first + 2 * 40, a, 4 * 40 * sizeof *a));
        EXPECT_OK(ctx, fig_plan_run(plan, &(fig_run_args){.seed = 1, .sample0 = 10, .step = 1}));
        EXPECT(memcmp(first, a, sizeof first));
        fig_plan_free(plan);
        fig_graph_free(g);
    }
}
