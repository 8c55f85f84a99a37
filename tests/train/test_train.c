/* Training: that it learns, that nothing but the settings decides its bits, what it takes, and what it does when a
 * gradient or the disk goes wrong. */
#include "train_help.h"
#include <fig/ops.h>
#include <malloc.h>
#include "base/rng.h"

/* --- learning ---------------------------------------------------------------------------------------------------*/

static void expect_learns(const char *arch, int optimizer, double lr, fig_dtype dtype) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 400, -1), check_path(dir, "out"));
    fig_train_report r;
    char error[1024];
    j.arch = arch, j.dtype = dtype;
    j.o.optimizer = optimizer, j.o.learning_rate = lr, j.o.max_iters = 80, j.o.eval_interval = 40,
    j.o.checkpoint_interval = 0, j.o.batch_size = 8;
    if (!EXPECT(run_job(&j, &r, error) == FIG_OK)) fprintf(stderr, "    %s\n", error);
    /* 28 characters: log(28) = 3.3 at the start; single frequencies alone give 2.8; real learning gets below that */
    if (!EXPECT(r.scores.data[0].value < 2.2 && r.loss < 2.3))
        fprintf(stderr, "    %s with %d: %.3f %.3f\n", arch, optimizer, r.loss, r.scores.data[0].value);
    EXPECT_EQ_I(r.iters, 80);
    EXPECT_NEAR(r.best_val_loss, fig_score_of(&r.scores, "val_loss"), 0);
    EXPECT_EQ_I(r.best_iter, 80);
}

TEST(adamw_learns) { expect_learns("gpt2", FIG_ADAMW, 1e-2, FIG_F32); }
TEST(adamw_learns_in_bf16) { expect_learns("qwen3", FIG_ADAMW, 1e-2, FIG_BF16); }
TEST(sgd_learns) { expect_learns("gpt2", FIG_SGD, 0.3, FIG_F32); }
TEST(muon_learns) { expect_learns("qwen3", FIG_MUON, 1e-2, FIG_F32); }

/* --- schedules --------------------------------------------------------------------------------------------------*/

TEST(schedules_have_their_textbook_values) {
    fig_train_options o;
    fig_train_defaults(&o);
    o.max_iters = 110, o.warmup_iters = 10, o.decay_iters = 0;
    for (o.schedule = 0; o.schedule < 3; o.schedule++) {
        EXPECT_NEAR(fig__schedule(&o, 0, 0.1), 1.0 / 11, 1e-15); /* nanoGPT's warm-up: (it + 1) / (warmup + 1) */
        EXPECT_NEAR(fig__schedule(&o, 9, 0.1), 10.0 / 11, 1e-15);
        EXPECT_NEAR(fig__schedule(&o, 10, 0.1), 1, 1e-15);
    }
    o.schedule = 0;
    EXPECT_NEAR(fig__schedule(&o, 109, 0.1), 1, 0);
    o.schedule = 1;
    EXPECT_NEAR(fig__schedule(&o, 60, 0.1), 0.55, 1e-15); /* half-way */
    EXPECT_NEAR(fig__schedule(&o, 35, 0.1), 0.1 + 0.45 * (1 + sqrt(0.5)), 1e-12);
    EXPECT_NEAR(fig__schedule(&o, 110, 0.1), 0.1, 1e-15);
    EXPECT_NEAR(fig__schedule(&o, 500, 0.1), 0.1, 1e-15);
    o.decay_iters = 60;
    EXPECT_NEAR(fig__schedule(&o, 35, 0.1), 0.55, 1e-15);
    o.schedule = 2, o.decay_iters = 0;
    EXPECT_NEAR(fig__schedule(&o, 88, 0.1), 1, 1e-15); /* the last fifth, 22 steps, decays */
    EXPECT_NEAR(fig__schedule(&o, 99, 0.1), 0.55, 1e-15);
    EXPECT_NEAR(fig__schedule(&o, 110, 0.1), 0.1, 1e-15);
    o.decay_iters = 50;
    EXPECT_NEAR(fig__schedule(&o, 60, 0.1), 1, 1e-15);
    EXPECT_NEAR(fig__schedule(&o, 85, 0.1), 0.55, 1e-15);
}

/* --- optimizers against a reference in double -------------------------------------------------------------------*/

typedef struct one_step {
    float p[33], g[33];
} one_step;

/* Three parameters of a store of our own: a matrix, a vector, a slow and undecayed matrix. */
static fig_params *small_store(fig_context *ctx) {
    fig_params *p = NULL;
    fig_graph *g = NULL;
    EXPECT_OK(ctx, fig_params_new(ctx, &(fig_params_options){.compute = FIG_F32, .seed = 3}, &p));
    EXPECT_OK(ctx, fig_params_group(p, &(fig_param_group){.pattern = "slow*", .lr_scale = 0.5, .weight_decay = 0}));
    EXPECT_OK(ctx, fig_graph_new(ctx, p, &(fig_graph_options){FIG_TRAIN, FIG_F32}, &g));
    fig_param(g, "matrix", (fig_init){FIG_INIT_NORMAL, 1}, 2, (size_t[]){3, 11});
    fig_param(g, "vector", (fig_init){FIG_INIT_NORMAL, 1}, 1, (size_t[]){33});
    fig_param(g, "slow", (fig_init){FIG_INIT_NORMAL, 1}, 2, (size_t[]){11, 3});
    EXPECT_OK(ctx, fig_params_alloc(p));
    fig_graph_free(g);
    return p;
}

static float gradient(int step, size_t k, size_t i) { return (float)sin(1.3 * (double)i + 5 * (double)k + step); }

static void give_gradients(fig_params *p, int step) {
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 33; i++) fig_params_at(p, k).grad[i] = gradient(step, k, i);
}

TEST(adamw_and_its_average_as_in_the_paper) {
    fig_context *ctx = check_context();
    fig_params *p = small_store(ctx);
    fig__optimizer *opt = NULL;
    fig_train_options o;
    double w[3][33], m[3][33] = {0}, v[3][33] = {0}, ema[3][33], sumsq = 0;
    fig_train_defaults(&o);
    o.learning_rate = 0.01, o.weight_decay = 0.1, o.beta1 = 0.9, o.beta2 = 0.95, o.ema_decay = 0.8;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 33; i++) w[k][i] = ema[k][i] = ((float *)fig_params_at(p, (size_t)k).data)[i];
    EXPECT_OK(ctx, fig__optimizer_new(ctx, p, &o, &opt));
    for (int t = 1; t <= 4; t++) {
        double share = 1.0 / t, clip = 0.5;
        give_gradients(p, t);
        sumsq = 0;
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < 33; i++) {
                double g = clip * (double)gradient(t, k, i), lr = o.learning_rate * share * (k == 2 ? 0.5 : 1),
                       decay = k == 0 ? 0.1 : 0;
                sumsq += (double)gradient(t, k, i) * (double)gradient(t, k, i);
                m[k][i] = 0.9 * m[k][i] + 0.1 * g;
                v[k][i] = 0.95 * v[k][i] + 0.05 * g * g;
                w[k][i] -=
                    lr * (decay * w[k][i] + m[k][i] / (1 - pow(0.9, t)) / (sqrt(v[k][i] / (1 - pow(0.95, t))) + 1e-8));
                double keep = fmin(0.8, (1.0 + t) / (10.0 + t)); /* fewer steps at first than decay says */
                ema[k][i] = keep * ema[k][i] + (1 - keep) * w[k][i];
            }
        EXPECT_NEAR(fig__grad_sumsq(opt, 0), sumsq, 1e-5);
        fig__optimizer_step(opt, 0, t, share, clip);
    }
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 33; i++) EXPECT_NEAR(((float *)fig_params_at(p, k).data)[i], w[k][i], 1e-6);
    fig__optimizer_swap_ema(opt);
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 33; i++) EXPECT_NEAR(((float *)fig_params_at(p, k).data)[i], ema[k][i], 1e-6);
    fig__optimizer_swap_ema(opt);
    for (size_t i = 0; i < 33; i++) EXPECT_NEAR(((float *)fig_params_at(p, 0).data)[i], w[0][i], 1e-6);
    fig__optimizer_free(opt);
    fig_params_free(p);
}

/* Newton and Schulz's five steps towards the nearest orthogonal matrix, for x [3, 11]. */
static void orthogonalise(double x[3][11]) {
    double norm = 0, gram[3][3], poly[3][3], y[3][11];
    for (int i = 0; i < 33; i++) norm += x[i / 11][i % 11] * x[i / 11][i % 11];
    for (int i = 0; i < 33; i++) x[i / 11][i % 11] /= sqrt(norm);
    for (int step = 0; step < 5; step++) {
        for (int i = 0; i < 9; i++) {
            gram[i / 3][i % 3] = 0;
            for (int k = 0; k < 11; k++) gram[i / 3][i % 3] += x[i / 3][k] * x[i % 3][k];
        }
        for (int i = 0; i < 9; i++) {
            poly[i / 3][i % 3] = -4.7750 * gram[i / 3][i % 3];
            for (int k = 0; k < 3; k++) poly[i / 3][i % 3] += 2.0315 * gram[i / 3][k] * gram[k][i % 3];
        }
        for (int i = 0; i < 33; i++) {
            y[i / 11][i % 11] = 3.4445 * x[i / 11][i % 11];
            for (int k = 0; k < 3; k++) y[i / 11][i % 11] += poly[i / 11][k] * x[k][i % 11];
        }
        memcpy(x, y, sizeof y);
    }
}

static double muon_gradient(int t, size_t k, size_t i) {
    return fig__rng_normal(&(fig_rng_key){1, k, (uint64_t)t}, 0, i);
}

TEST(muon_takes_orthogonal_steps) {
    fig_context *ctx = check_context();
    fig_params *p = small_store(ctx);
    fig__optimizer *opt = NULL;
    fig_train_options o;
    double w[2][33], v[2][33] = {0}, x[3][11], gram = 0;
    fig_train_defaults(&o);
    o.optimizer = FIG_MUON, o.muon_lr = 0.1, o.weight_decay = 0.2;
    EXPECT_OK(ctx, fig__optimizer_new(ctx, p, &o, &opt));
    for (size_t i = 0; i < 66; i++) w[i / 33][i % 33] = ((float *)fig_params_at(p, i / 33 * 2).data)[i % 33];
    for (int t = 1; t <= 3; t++) {
        for (size_t i = 0; i < 99; i++) fig_params_at(p, i / 33).grad[i % 33] = (float)muon_gradient(t, i / 33, i % 33);
        for (size_t k = 0; k < 2; k++) { /* the wide matrix, then the tall one: slow, undecayed, scaled by its shape */
            double lr = 0.1 * (k ? 0.5 : 1), decay = k ? 0 : 0.2, shape = k ? sqrt(11.0 / 3) : 1;
            for (size_t i = 0; i < 33; i++) {
                double g = 0.5 * muon_gradient(t, k * 2, i);
                v[k][i] = 0.95 * v[k][i] + g;
                *(k ? &x[i % 3][i / 3] : &x[i / 11][i % 11]) = g + 0.95 * v[k][i];
            }
            orthogonalise(x);
            for (size_t i = 0; i < 33; i++)
                w[k][i] -= lr * (shape * (k ? x[i % 3][i / 3] : x[i / 11][i % 11]) + decay * w[k][i]);
        }
        fig__optimizer_step(opt, 0, t, 1, 0.5);
    }
    for (size_t i = 0; i < 66; i++)
        EXPECT_NEAR(((float *)fig_params_at(p, i / 33 * 2).data)[i % 33], w[i / 33][i % 33], 1e-5);
    for (size_t i = 0; i < 11; i++) gram += x[0][i] * x[0][i];
    EXPECT_NEAR(gram, 1, 0.5); /* Jordan's coefficients leave singular values between 0.7 and 1.2 */
    fig__optimizer_free(opt);
    fig_params_free(p);
}

/* --- the bits are the settings' alone ---------------------------------------------------------------------------*/

TEST(one_and_two_threads_give_the_same_bits) {
    static const struct {
        const char *arch, *settings;
        fig_dtype dtype;
        int optimizer;
    } nets[] = {{"gpt2", "dropout=0.1 n_embd=64", FIG_F32, FIG_ADAMW},
                {"qwen3", "dropout=0.1 n_embd=64", FIG_BF16, FIG_ADAMW},
                {"qwen3", "n_embd=64 n_kv_head=1", FIG_F32, FIG_MUON}};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    for (size_t i = 0; i < FIG_COUNT(nets); i++) {
        uint64_t hash[2];
        for (int threads = 1; threads <= 2; threads++) {
            job j = job_of(data, check_path(check_tmpdir(), "out"));
            j.arch = nets[i].arch, j.settings = nets[i].settings, j.dtype = nets[i].dtype, j.n_threads = threads;
            j.o.optimizer = nets[i].optimizer, j.o.batch_size = 24, j.o.max_iters = 4, j.o.grad_accum = 3,
            j.o.ema_decay = 0.9;
            hash[threads - 1] = hash_of(&j);
        }
        EXPECT(hash[0] == hash[1]);
    }
}

TEST(another_seed_gives_other_bits) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "a")), k = j;
    j.o.max_iters = k.o.max_iters = 3;
    k.o.seed++, k.o.out_dir = check_path(dir, "b");
    EXPECT(hash_of(&j) != hash_of(&k));
}

/* Plain gradient descent with a rate of one moves by the gradient, which is clipped to the norm it is given. */
TEST(the_whole_gradient_is_clipped) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    double moved[2] = {0};
    for (int i = 0; i < 2; i++) {
        job j = job_of(data, check_path(check_tmpdir(), "out"));
        fig_train_report r;
        session s;
        size_t n;
        j.o.optimizer = FIG_SGD, j.o.learning_rate = 1, j.o.momentum = 0, j.o.weight_decay = 0, j.o.schedule = 0;
        j.o.warmup_iters = 0, j.o.max_iters = 1, j.o.grad_clip = i ? 0.01 : 0, j.o.eval_interval = 0;
        if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
        EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer));
        fig_params_grads(fig_model_params(s.model), &n);
        const float *w = fig_params_at(fig_model_params(s.model), 0).data; /* the flat block of all of them */
        float *before = malloc(n * sizeof *before);
        memcpy(before, w, n * sizeof *before);
        EXPECT_OK(s.ctx, fig_trainer_run(s.trainer, NULL, NULL, &r));
        for (size_t k = 0; k < n; k++) moved[i] += pow((double)w[k] - (double)before[k], 2);
        free(before);
        session_close(&s);
    }
    EXPECT(sqrt(moved[0]) > 0.1);
    EXPECT_NEAR(sqrt(moved[1]), 0.01, 1e-6);
}

/* --- gradient accumulation --------------------------------------------------------------------------------------*/

static fig_status step_once(session *s, double *loss, float **grads, size_t *n) {
    double norm;
    FIG_TRY(fig__trainer_ready(s->trainer));
    FIG_TRY(s->trainer->task->read(s->trainer));
    FIG_TRY(fig__phase_gradient(s->trainer, 0, loss, &norm));
    const float *all = fig_params_grads(fig_model_params(s->model), n);
    *grads = malloc(*n * sizeof **grads);
    memcpy(*grads, all, *n * sizeof **grads);
    return FIG_OK;
}

/* Twelve rows in one micro-batch or in several: the same loss and gradient but for the order of sums. */
TEST(accumulated_gradients_are_those_of_the_whole_batch) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    static const int64_t split[][2] = {{12, 1}, {3, 4}, {4, 3}, {1, 12}, {2, 6}};
    double loss[5];
    float *grads[5] = {0};
    size_t n = 0;
    for (int i = 0; i < 5; i++) {
        job j = job_of(data, check_path(dir, "out"));
        session s;
        j.settings = "dropout=0.1"; /* keyed by the sample's global number */
        j.o.batch_size = split[i][0], j.o.grad_accum = split[i][1];
        if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
        EXPECT_OK(s.ctx, step_once(&s, &loss[i], &grads[i], &n));
        session_close(&s);
    }
    double largest = 0;
    for (size_t k = 0; k < n; k++) largest = fmax(largest, fabs((double)grads[0][k]));
    for (int i = 1; i < 5; i++) {
        EXPECT_NEAR(loss[i], loss[0], 1e-6 * loss[0]);
        double worst = 0;
        for (size_t k = 0; k < n; k++) worst = fmax(worst, fabs((double)grads[i][k] - (double)grads[0][k]));
        EXPECT(worst <= 192 * ldexp(1, -24) * largest); /* 192 tokens summed in another order */
    }
    for (int i = 0; i < 5; i++) free(grads[i]);
}

/* The tree over micro-batches, by hand: ((0 + 1) + (2 + 3)) + 4. */
TEST(the_gradient_tree_is_fixed) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    float *part[5] = {0}, *whole = NULL;
    size_t n = 0;
    double loss;
    job j = job_of(data, check_path(dir, "out"));
    session s;
    j.o.batch_size = 2, j.o.grad_accum = 5;
    if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
    EXPECT_OK(s.ctx, step_once(&s, &loss, &whole, &n));
    fig_plan *plan = s.trainer->phases[0].plan;
    for (size_t i = 0; i < 5; i++) { /* the batch is still there: run its parts once more */
        s.trainer->task->feed(s.trainer, 0, (int64_t)i);
        EXPECT_OK(s.ctx, fig_plan_run(plan, &(fig_run_args){.seed = (uint64_t)j.o.seed, .sample0 = 2 * i}));
        part[i] = malloc(n * sizeof **part);
        memcpy(part[i], fig_params_grads(fig_model_params(s.model), &n), n * sizeof **part);
    }
    size_t wrong = 0;
    for (size_t k = 0; k < n; k++)
        wrong += whole[k] != ((part[0][k] + part[1][k]) + (part[2][k] + part[3][k])) + part[4][k];
    EXPECT_EQ_I(wrong, 0);
    session_close(&s);
    free(whole);
    for (int i = 0; i < 5; i++) free(part[i]);
}

/* Ignored targets count over the whole batch: parts with many and parts with few weigh by their tokens. */
TEST(ignored_targets_are_counted_over_the_whole_batch) {
    fig_context *ctx = check_context();
    fig_graph *g;
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_TRAIN, FIG_F32}, &g));
    fig_tensor *logits = fig_input(g, "logits", FIG_F32, 2, (size_t[]){8, 4}),
               *target = fig_input(g, "target", FIG_I32, 1, (size_t[]){8});
    fig_tensor *count = fig_input(g, "count", FIG_F32, 1, (size_t[]){1});
    fig_tensor *loss = fig_masked_mean(g, fig_cross_entropy(g, logits, target, 0), count);
    fig_plan *plan;
    EXPECT_OK(ctx, fig_plan_new(g, &loss, 1, NULL, &plan));
    float *l = fig_plan_data(plan, logits);
    int32_t *t = fig_plan_data(plan, target);
    double wanted = 0, got = 0;
    for (int part = 0; part < 2; part++) {
        for (int r = 0; r < 8; r++) {
            double sum = 0;
            for (int c = 0; c < 4; c++) sum += exp((double)(l[r * 4 + c] = (float)((r * 5 + c * c + part) % 7) / 3));
            t[r] = part && r < 6 ? -1 : r % 4; /* 8 tokens, then 2 */
            if (t[r] >= 0) wanted += (log(sum) - (double)l[r * 4 + t[r]]) / 10;
        }
        *(float *)fig_plan_data(plan, count) = 10;
        EXPECT_OK(ctx, fig_plan_run(plan, NULL));
        got += (double)*(float *)fig_plan_data(plan, loss);
    }
    EXPECT_NEAR(got, wanted, 1e-6);
    *(float *)fig_plan_data(plan, count) = 0; /* nothing counts: zero, not NaN */
    for (int r = 0; r < 8; r++) t[r] = -1;
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    EXPECT_NEAR(*(float *)fig_plan_data(plan, loss), 0, 0);
    fig_plan_free(plan);
    fig_graph_free(g);
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

static void expect_plan(job *j, const char *what) {
    session s;
    fig_train_plan plan;
    fig_train_report r;
    if (!EXPECT(session_open(j, &s) == FIG_OK)) return;
    EXPECT_OK(s.ctx, fig_trainer_plan(s.trainer, 0, &plan));
    EXPECT_OK(s.ctx, fig_trainer_run(s.trainer, NULL, NULL, &r));
    double took = (double)fig_memory(s.ctx).bytes_peak, said = (double)plan.total_bytes;
    if (!EXPECT(fabs(took - said) <= 0.1 * took))
        fprintf(stderr, "    %s: said %.0f KB, took %.0f KB\n", what, said / 1e3, took / 1e3);
    session_close(&s);
}

TEST(the_plan_says_what_training_takes) {
    static const struct {
        const char *what, *arch, *settings;
        int64_t accum;
        int optimizer;
        double ema;
        int64_t samples;
        fig_dtype dtype;
    } cases[] = {{"adamw", "qwen3", "", 1, FIG_ADAMW, 0, 0, FIG_F32},
                 {"adamw in bf16", "qwen3", "", 1, FIG_ADAMW, 0, 0, FIG_BF16},
                 {"four micro-batches", "qwen3", "", 4, FIG_ADAMW, 0, 0, FIG_F32},
                 {"muon", "qwen3", "", 1, FIG_MUON, 0, 0, FIG_F32},
                 {"average", "qwen3", "", 1, FIG_ADAMW, 0.99, 0, FIG_F32},
                 {"sgd", "qwen3", "", 1, FIG_SGD, 0, 0, FIG_F32},
                 {"samples", "qwen3", "", 1, FIG_ADAMW, 0, 4, FIG_F32},
                 {"everything", "qwen3", "", 3, FIG_MUON, 0.99, 2, FIG_BF16},
                 {"gpt2", "gpt2", "n_layer=4 n_head=4", 1, FIG_ADAMW, 0, 1, FIG_F32},
                 {"a wide one", "gpt2", "n_layer=1 n_embd=512", 1, FIG_MUON, 0, 0, FIG_F32}};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        job j = job_of(data, check_path(check_tmpdir(), "out"));
        char settings[128];
        snprintf(settings, sizeof settings, "n_embd=128 block_size=64 %s", cases[i].settings);
        j.arch = cases[i].arch, j.settings = settings, j.dtype = cases[i].dtype;
        j.o.block_size = 64, j.o.max_iters = 2, j.o.eval_iters = 1, j.o.grad_accum = cases[i].accum;
        j.o.optimizer = cases[i].optimizer, j.o.ema_decay = cases[i].ema;
        j.o.sample_tokens = cases[i].samples ? 8 : 0, j.o.sample_count = FIG_MAX(1, cases[i].samples);
        expect_plan(&j, cases[i].what);
    }
}

/* Steps that are profiled change nothing, and what they say adds up. */
TEST(a_profile_says_where_the_time_goes) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    session s;
    fig_train_profile p;
    j.o.optimizer = FIG_ADAMW, j.o.grad_accum = 2;
    if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
    EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer));
    uint64_t hash = fig_params_hash(fig_model_params(s.model));
    EXPECT_OK(s.ctx, fig_trainer_profile(s.trainer, 0.3, &p));
    EXPECT_EQ_I(fig_params_hash(fig_model_params(s.model)), hash);
    double seconds = 0, operations = 0, numbers = (double)fig_params_numel(fig_model_params(s.model), true);
    int n_parts = 0;
    for (size_t i = 0; i < p.n; i++) {
        const fig_op_time *r = &p.rows[i];
        bool optimizer = !strcmp(r->op, "optimizer"), norm = !strcmp(r->op, "grad_norm");
        seconds += r->seconds;
        operations += r->operations;
        if (i) EXPECT(r->seconds <= p.rows[i - 1].seconds);
        if (optimizer) EXPECT_NEAR(r->bytes, 28 * numbers * (double)p.n_steps, 0); /* 7 words of 4 bytes */
        if (norm) EXPECT_NEAR(r->bytes, 4 * numbers * (double)p.n_steps, 0);
        n_parts += optimizer || norm || !strcmp(r->op, "batch") || !strcmp(r->op, "accumulate");
    }
    EXPECT_EQ_I(n_parts, 4);
    EXPECT(seconds <= p.seconds && seconds >= 0.7 * p.seconds);
    EXPECT_NEAR(operations, fig__graph_operations(s.trainer->phases[0].g) * 2 * (double)p.n_steps, 1e-6 * operations);
    session_close(&s);
}

static uint64_t resident(void) {
    malloc_trim(0);
    return fig__rss_bytes();
}

/* Ten million parameters: what the process holds, by the system's own count. */
TEST(resident_memory_is_as_planned) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    session s;
    fig_train_plan plan;
    double loss, norm;
    j.arch = "qwen3", j.settings = "n_layer=6 n_head=6 n_embd=384 block_size=64",
    j.dtype = fig_cpu_favors_bf16(ctx) ? FIG_BF16 : FIG_F32;
    j.o.block_size = 64, j.o.batch_size = 1;
    uint64_t before = resident();
    if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
    EXPECT_OK(s.ctx, fig_trainer_plan(s.trainer, 0, &plan));
    EXPECT(plan.n_params > 10000000);
    EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer));
    EXPECT_OK(s.ctx, s.trainer->task->read(s.trainer));
    EXPECT_OK(s.ctx, fig__phase_gradient(s.trainer, 0, &loss, &norm));
    fig__optimizer_step(s.trainer->opt, 0, 1, 1, 1);
    double took = (double)(resident() - before), said = (double)plan.total_bytes;
    if (!EXPECT(fabs(took - said) <= 0.1 * said + 64e6))
        fprintf(stderr, "    said %.0f MB, took %.0f MB\n", said / 1e6, took / 1e6);
    session_close(&s);
}

typedef struct watch {
    fig_context *ctx;
    uint64_t allocations, bytes;
    size_t heap;
    int n_steps, n_moved;
} watch;

static void watch_steps(void *user, const fig_train_event *e) {
    watch *w = user;
    if (e->kind != FIG_TRAIN_STEP) return;
    fig_memory_stats m = fig_memory(w->ctx);
    struct mallinfo2 heap = mallinfo2();
    size_t used = heap.uordblks + heap.hblkhd;
    if (w->n_steps++) w->n_moved += m.n_allocations != w->allocations || m.bytes_now != w->bytes || used != w->heap;
    w->allocations = m.n_allocations, w->bytes = m.bytes_now, w->heap = used;
}

TEST(a_thousand_steps_allocate_nothing) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    session s;
    fig_train_report r;
    watch w = {0};
    j.settings = "n_layer=1 n_embd=16 dropout=0.1";
    j.o.max_iters = 1000, j.o.eval_interval = j.o.checkpoint_interval = 0, j.o.batch_size = 2, j.o.grad_accum = 2,
    j.o.ema_decay = 0.9;
    if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
    w.ctx = s.ctx;
    EXPECT_OK(s.ctx, fig_trainer_run(s.trainer, watch_steps, &w, &r));
    EXPECT_EQ_I(w.n_steps, 1000);
    EXPECT_EQ_I(w.n_moved, 0);
    session_close(&s);
}

/* --- when something goes wrong ----------------------------------------------------------------------------------*/

typedef struct saboteur {
    fig_model *model;
    int64_t from, to, again_from, again_to;
    float kept;
} saboteur;

/* A NaN in a weight of the final norm makes the next gradients not finite, until it is taken out again. */
static void sabotage(void *user, const fig_train_event *e) {
    saboteur *s = user;
    fig_param_info p;
    if (e->kind != FIG_TRAIN_STEP || !EXPECT(fig_params_find(fig_model_params(s->model), "norm.weight", &p))) return;
    float *w = p.data;
    if (e->iter == s->from || e->iter == s->again_from) s->kept = w[0], w[0] = NAN;
    if (e->iter == s->to || e->iter == s->again_to) w[0] = s->kept;
}

static fig_status run_sabotaged(saboteur who, fig_train_report *r, char *error) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    session s;
    j.o.eval_interval = 0, j.o.checkpoint_interval = 0;
    if (!EXPECT(session_open(&j, &s) == FIG_OK)) return FIG_ERR_INTERNAL;
    who.model = s.model;
    fig_status status = fig_trainer_run(s.trainer, sabotage, &who, r);
    snprintf(error, 1024, "%s", fig_error(s.ctx));
    for (size_t i = 0; !status && i < fig_params_count(fig_model_params(s.model)); i++) {
        fig_param_info p = fig_params_at(fig_model_params(s.model), i);
        for (size_t k = 0; k < p.numel; k++) EXPECT(isfinite(((float *)p.data)[k]));
    }
    session_close(&s);
    return status;
}

TEST(a_step_that_is_not_finite_is_skipped_and_counted) {
    fig_train_report r;
    char error[1024];
    EXPECT_EQ_I(run_sabotaged((saboteur){.from = 5, .to = 8}, &r, error), FIG_OK);
    EXPECT_EQ_I(r.n_skipped, 3);
    EXPECT_EQ_I(r.iters, 20);
    EXPECT(isfinite(fig_score_of(&r.scores, "val_loss")));
}

TEST(ten_in_a_row_stop_the_run) {
    fig_train_report r;
    char error[1024];
    EXPECT_EQ_I(run_sabotaged((saboteur){.from = 5, .to = 14}, &r, error), FIG_OK); /* nine are not ten */
    EXPECT_EQ_I(r.n_skipped, 9);
    EXPECT_EQ_I(run_sabotaged((saboteur){.from = 2, .to = 10, .again_from = 11, .again_to = 18}, &r, error), FIG_OK);
    EXPECT_EQ_I(r.n_skipped, 15); /* not in a row */
    EXPECT_EQ_I(run_sabotaged((saboteur){.from = 5, .to = 100}, &r, error), FIG_ERR_NONFINITE);
    EXPECT_EQ_I(r.n_skipped, 10);
    EXPECT(strstr(error, "not finite 10 times in a row") != NULL);
    EXPECT(strstr(error, "(norm: norm gives") != NULL);
}

TEST(patience_stops_a_run_that_gets_no_better) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    fig_train_report r, again;
    j.o.learning_rate = 0, j.o.min_lr = 0, j.o.patience = 2; /* no evaluation is better than the first */
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    EXPECT(r.stopped_early);
    EXPECT_EQ_I(r.iters, 10);
    EXPECT_EQ_I(r.best_iter, 0);
    j.o.resume = true; /* it has finished: nothing is to be done */
    EXPECT_EQ_I(run_job(&j, &again, NULL), FIG_OK);
    EXPECT(again.already_done);
    EXPECT_EQ_I(again.iters, 10);
    EXPECT(again.params_hash == r.params_hash);
}

TEST(data_and_model_must_fit_together) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *small = made_up_data(ctx, check_tmpdir(), 1, 0);
    job j = job_of(small, check_path(dir, "out"));
    fig_train_report r;
    char error[1024];
    j.o.block_size = 16;
    j.settings = "block_size=64";
    j.o.block_size = 64;
    EXPECT_EQ_I(run_job(&j, &r, error), FIG_ERR_ARG);
    EXPECT(strstr(error, "lower --block_size") != NULL);
    j = job_of(small, NULL);
    EXPECT_EQ_I(run_job(&j, &r, error), FIG_ERR_ARG);
    EXPECT(strstr(error, "--out") != NULL);
    j = job_of(small, check_path(dir, "out"));
    j.o.batch_size = 1 << 20, j.settings = "n_embd=4096 n_layer=100"; /* 80 GB for the model alone */
    EXPECT_EQ_I(run_job(&j, &r, error), FIG_ERR_LIMIT);
    EXPECT(strstr(error, "lower --batch_size") != NULL);
    j = job_of(small, check_path(dir, "out"));
    j.settings = "block_size=8"; /* learned positions end before the rows do */
    EXPECT_EQ_I(run_job(&j, &r, error), FIG_ERR_ARG);
    if (!EXPECT(strstr(error, "block_size") != NULL)) fprintf(stderr, "    %s\n", error);
}

/* Fewer rows than a batch asks for: windows repeat; no validation split: the newest model is the best one. */
TEST(a_batch_may_be_larger_than_the_data) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 2, 0), check_path(dir, "out"));
    fig_train_report r;
    j.o.batch_size = 40, j.o.max_iters = 6;
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    EXPECT(isfinite(r.loss) && isnan(fig_score_of(&r.scores, "val_loss")));
    EXPECT_EQ_I(r.best_iter, 6);
    EXPECT(fig__path_exists(check_path(j.o.out_dir, "model.safetensors")));
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

/* The loss of the whole split does not depend on how it is cut into batches, and bits per byte are its tokens' share of
 * bytes. */
TEST(evaluation_covers_the_split_once) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    double loss[3], bpb[3];
    for (int i = 0; i < 3; i++) {
        job j = job_of(data, check_path(dir, "out"));
        session s;
        fig_scores scores = {.n = 0};
        j.o.eval_iters = 0, j.o.batch_size = 1 + 6 * i;
        if (!EXPECT(session_open(&j, &s) == FIG_OK)) return;
        EXPECT_OK(s.ctx, fig__trainer_ready(s.trainer));
        EXPECT_OK(s.ctx, s.trainer->task->evaluate(s.trainer, &scores));
        loss[i] = fig_score_of(&scores, "val_loss"), bpb[i] = fig_score_of(&scores, "val_bpb");
        session_close(&s);
    }
    EXPECT(loss[0] > 3 && loss[0] == loss[1] && loss[0] == loss[2]); /* bit for bit: a row is a row in any batch */
    EXPECT_NEAR(bpb[0], loss[0] / log(2), 1e-9);                     /* one byte per character */
}

/* --- what a run leaves behind -----------------------------------------------------------------------------------*/

typedef struct seen {
    int steps, evals, samples, checkpoints;
    int64_t last;
} seen;
static void count(void *user, const fig_train_event *e) {
    seen *s = user;
    s->steps += e->kind == FIG_TRAIN_STEP, s->evals += e->kind == FIG_TRAIN_EVAL,
        s->samples += e->kind == FIG_TRAIN_SAMPLE;
    s->checkpoints += e->kind == FIG_TRAIN_CHECKPOINT;
    EXPECT(e->iter >= s->last);
    s->last = e->iter;
    if (e->kind == FIG_TRAIN_SAMPLE) EXPECT(e->text && strlen(e->text) > 5);
}

TEST(a_run_leaves_a_model_a_log_samples_and_checkpoints) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(dir, "out");
    job j = job_of(made_up_data(ctx, dir, 300, -1), out);
    fig_train_report r;
    fig_model *m = NULL;
    seen s = {0};
    j.o.max_iters = 12, j.o.log_interval = 2, j.o.sample_tokens = 10, j.o.sample_count = 2, j.o.sample_prompt = "the";
    j.on_event = count, j.user = &s;
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    EXPECT_EQ_I(s.steps, 6);
    EXPECT_EQ_I(s.evals, 4); /* 0, 5, 10, 12 */
    EXPECT_EQ_I(s.samples, 4);
    EXPECT_EQ_I(s.checkpoints, 3);
    EXPECT(fig__path_exists(check_path(out, "samples/step-000000000.txt")) &&
           fig__path_exists(check_path(out, "samples/step-000000012.txt")));
    EXPECT(!fig__path_exists(check_path(out, "checkpoints/step-000000005"))); /* the newest two stay */
    EXPECT(fig__path_exists(check_path(out, "checkpoints/step-000000010")) &&
           fig__path_exists(check_path(out, "checkpoints/step-000000012")));
    EXPECT_OK(ctx, fig_model_load(ctx, out, NULL, &m)); /* what was saved can be used */
    EXPECT(m && fig_model_tokenizer(m));
    fig_model_free(m);
}

/* The model in out_dir is the averaged one when there is an average. */
TEST(the_average_is_what_is_saved_and_evaluated) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    job j = job_of(data, check_path(dir, "a")), k = job_of(data, check_path(dir, "b"));
    fig_train_report plain, averaged;
    k.o.ema_decay = 0.999; /* lags behind */
    EXPECT_EQ_I(run_job(&j, &plain, NULL), FIG_OK);
    EXPECT_EQ_I(run_job(&k, &averaged, NULL), FIG_OK);
    EXPECT(plain.params_hash == averaged.params_hash); /* it does not touch training */
    EXPECT(averaged.scores.data[0].value != plain.scores.data[0].value);
    fig_model *a = NULL, *b = NULL;
    EXPECT_OK(ctx, fig_model_load(ctx, j.o.out_dir, &(fig_model_options){.dtype = FIG_F32}, &a));
    EXPECT_OK(ctx, fig_model_load(ctx, k.o.out_dir, &(fig_model_options){.dtype = FIG_F32}, &b));
    EXPECT(a && b && fig_params_hash(fig_model_params(a)) != fig_params_hash(fig_model_params(b)));
    fig_model_free(a);
    fig_model_free(b);
}
