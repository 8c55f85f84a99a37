/* Tiny models that transformers made (make_gpt.py, beside this file): logits, the first ten losses, every gradient of
 * the first step, and what ten steps of AdamW leave of every tensor. fp32 against fp32: the largest difference stays
 * under 1e-4 of the largest value of the tensor. */
#include <fig/ops.h>
#include "files/safetensors.h"
#include "models/model.h"
#include "train/train.h"
#include "check.h"

#define TOLERANCE 1e-4

typedef struct network { /* one recorded graph with what is fed and read */
    fig_graph *g;
    fig_plan *plan;
    fig_lm_inputs in;
    fig_tensor *places, *targets, *count, *loss; /* places: NULL where all tokens are asked for */
} network;

typedef struct golden {
    fig_context *ctx;
    fig_model *model;
    fig__weights *values, *weights; /* weights: for the names and shapes of theirs */
    network net;
    fig_tensor *logits;
    size_t steps, batch, time, vocab;
    bool masked;               /* every third token is asked for, from the last one on; else all */
    size_t asked;              /* so many */
    int32_t *inputs, *targets; /* [steps, batch, time], [steps, batch, asked] */
} golden;

static char *golden_path(const char *name, const char *file) {
    const char *root = getenv("FIG_GOLDEN");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s%s", root && *root ? root : "tests/golden", name, *file ? "/" : "", file);
    return check_keep_path_(strdup(path), false);
}

static const float *value_of(const golden *g, const char *name, size_t *n) {
    const fig__weight *t = fig__weights_find(g->values, name);
    if (!EXPECT(t && t->dtype == FIG_F32)) exit(1);
    *n = t->numel;
    return t->data;
}

/* --- comparing -----------------------------------------------------------------------------------------------*/

static void expect_close(const char *what, const float *got, const float *wanted, size_t n) {
    double largest = 0, difference = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)wanted[i]));
        double d = fabs((double)got[i] - (double)wanted[i]);
        difference = d <= difference ? difference : d; /* NaN stays */
    }
    if (!EXPECT(difference <= TOLERANCE * largest))
        fprintf(stderr, "    %s: differs by %.3g where the largest value is %.3g\n", what, difference, largest);
}

typedef void part_fn(golden *g, const char *their_name, const float *part, size_t n);

/* Our values of one parameter, cut and turned into the tensors that transformers has. */
static void each_part(golden *g, const fig_param_info *p, const float *ours, part_fn *fn) {
    int block;
    char name[256], full[300];
    const fig__name *row = fig__names_find(fig_model_arch(g->model)->names, p->path, &block);
    if (!EXPECT(row)) return;
    for (int i = 0; i < 3 && row->theirs[i]; i++) {
        fig__name_numbered(row->theirs[i], block, name, sizeof name);
        snprintf(full, sizeof full, "transformer.%s", name);
        const fig__weight *t = fig__weights_find(g->weights, name);
        if (!t) t = fig__weights_find(g->weights, full);
        if (!EXPECT(t)) return;
        float *turned = malloc(t->numel * sizeof *turned);
        for (size_t k = 0; k < t->numel; k++)
            turned[k] = row->transposed ? ours[k % t->shape[1] * t->shape[0] + k / t->shape[1]] : ours[k];
        fn(g, t->name, turned, t->numel);
        free(turned);
        ours += t->numel;
    }
}

static void compare_grad(golden *g, const char *their_name, const float *part, size_t n) {
    char name[300];
    size_t n_wanted;
    snprintf(name, sizeof name, "grad.%s", their_name);
    if (strstr(their_name, "self.key.bias")) return; /* see below */
    const float *wanted = value_of(g, name, &n_wanted);
    if (EXPECT_EQ_I(n, n_wanted)) expect_close(name, part, wanted, n);
}

/* Softmax does not see a bias of keys: its gradient is rounding alone, of which Adam makes whole steps. */
static bool is_key_bias(const char *their_name, size_t i, size_t n) {
    return strstr(their_name, "self.key.bias") || (strstr(their_name, "c_attn.bias") && i >= n / 3 && i < n / 3 * 2);
}

static void compare_norm(golden *g, const char *their_name, const float *part, size_t n) {
    char name[300];
    size_t one;
    double sum = 0;
    snprintf(name, sizeof name, "norm.%s", their_name);
    for (size_t i = 0; i < n; i++)
        if (!is_key_bias(their_name, i, n)) sum += (double)part[i] * (double)part[i];
    expect_close(name, (float[]){(float)sqrt(sum)}, value_of(g, name, &one), 1);
}

static void compare_params(golden *g, bool grads, part_fn *fn) {
    fig_params *params = fig_model_params(g->model);
    for (size_t i = 0; i < fig_params_count(params); i++) {
        fig_param_info p = fig_params_at(params, i);
        each_part(g, &p, grads ? p.grad : p.data, fn);
    }
}

/* --- making --------------------------------------------------------------------------------------------------*/

static size_t place(const golden *g, size_t i) { return g->masked ? g->time - 1 - 3 * i : i; }

static void take_ids(golden *g) {
    const fig__weight *ids = fig__weights_find(g->values, "ids");
    if (!EXPECT(ids && ids->dtype == FIG_I32 && ids->ndim == 3)) exit(1);
    const int32_t *from = ids->data;
    g->steps = ids->shape[0];
    g->batch = ids->shape[1];
    g->time = ids->shape[2] - 1;
    g->asked = g->masked ? (g->time + 2) / 3 : g->time;
    g->inputs = malloc(2 * ids->numel * sizeof *g->inputs);
    g->targets = g->inputs + ids->numel;
    for (size_t row = 0; row < g->steps * g->batch; row++, from += g->time + 1) {
        memcpy(g->inputs + row * g->time, from, g->time * sizeof *from);
        for (size_t i = 0; i < g->asked; i++) g->targets[row * g->asked + i] = from[place(g, i) + 1];
    }
}

static fig_status record(golden *g, bool gradients) {
    network *n = &g->net;
    fig_tensor *head, *bias = NULL, *x;
    size_t shape[2] = {g->batch, g->asked};
    n->g = fig_model_graph(g->model, FIG_TRAIN, g->batch, g->time, &n->in);
    if (g->masked) n->places = fig_input(n->g, "places", FIG_I32, 2, shape);
    if (g->masked)
        x = g->model->arch->net.masked->predict(n->g, g->model->config, &n->in, n->places, &head, &bias);
    else
        x = fig_model_hidden(g->model, n->g, &n->in, &head);
    n->targets = fig_input(n->g, "targets", FIG_I32, 2, shape);
    n->count = fig_input(n->g, "count", FIG_F32, 1, (size_t[]){1});
    n->loss = fig_masked_mean(n->g, fig_linear_cross_entropy(n->g, x, head, bias, n->targets, g->vocab), n->count);
    g->logits = fig__model_logits(n->g, x, head);
    if (bias) g->logits = fig_add(n->g, g->logits, bias);
    if (gradients) fig_backward_params(n->g, n->loss);
    FIG_TRY(fig_graph_status(n->g));
    FIG_TRY(fig_plan_new(n->g, (fig_tensor *[]){n->loss, g->logits}, 2, NULL, &n->plan));
    return fig_plan_alloc(n->plan);
}

static bool golden_open(golden *g, const char *name, bool gradients) {
    fig_model_options options = {.dtype = FIG_F32, .inference = !gradients};
    *g = (golden){.ctx = check_context()};
    bool good = EXPECT_OK(g->ctx, fig__st_open(g->ctx, golden_path(name, "values.safetensors"), &g->values)) &&
                EXPECT_OK(g->ctx, fig__st_open_model(g->ctx, golden_path(name, ""), &g->weights)) &&
                EXPECT_OK(g->ctx, fig_model_load(g->ctx, golden_path(name, ""), &options, &g->model));
    if (!good) return false;
    g->vocab = (size_t)fig_model_get_int(g->model, "vocab_size");
    g->masked = g->model->arch->family == &fig_family_masked;
    take_ids(g);
    return EXPECT_OK(g->ctx, record(g, gradients));
}

static void golden_close(golden *g) {
    fig_plan_free(g->net.plan);
    fig_graph_free(g->net.g);
    fig_model_free(g->model);
    fig__weights_close(g->weights);
    fig__weights_close(g->values);
    free(g->inputs);
}

/* --- running -------------------------------------------------------------------------------------------------*/

static float run(golden *g, size_t step) {
    network *n = &g->net;
    size_t tokens = g->batch * g->time, asked = g->batch * g->asked;
    memcpy(fig_plan_data(n->plan, n->in.tokens), g->inputs + step * tokens, tokens * sizeof *g->inputs);
    memcpy(fig_plan_data(n->plan, n->targets), g->targets + step * asked, asked * sizeof *g->targets);
    for (size_t i = 0; n->places && i < asked; i++)
        ((int32_t *)fig_plan_data(n->plan, n->places))[i] = (int32_t)(i / g->asked * g->time + place(g, i % g->asked));
    int32_t *positions = fig_plan_data(n->plan, n->in.positions);
    for (size_t i = 0; i < g->time; i++) positions[i] = (int32_t)i;
    *(float *)fig_plan_data(n->plan, n->count) = (float)asked;
    EXPECT_OK(g->ctx, fig_plan_run(n->plan, &(fig_run_args){.step = step}));
    return *(const float *)fig_plan_data(n->plan, n->loss);
}

static void compare_logits(golden *g) {
    size_t n, rows = g->batch * g->asked, padded = fig_dim(g->logits, -1);
    const float *wanted = value_of(g, "logits", &n), *got = fig_plan_data(g->net.plan, g->logits);
    float *packed = malloc(n * sizeof *packed);
    if (EXPECT_EQ_I(n, rows * g->vocab)) {
        for (size_t r = 0; r < rows; r++) memcpy(packed + r * g->vocab, got + r * padded, g->vocab * sizeof *packed);
        expect_close("logits", packed, wanted, n);
    }
    free(packed);
}

/* With FIG_GOLDEN_WRITE set, the model goes into that folder with its logits of the first batch beside it, for
 * check_roundtrip.py to load in transformers. */
static fig_status write_model(golden *g, const char *name) {
    const char *root = getenv("FIG_GOLDEN_WRITE");
    if (!root || !*root) return FIG_OK;
    char *dir = check_path(root, name), *path = check_path(dir, "written.safetensors");
    size_t tokens = g->batch * g->time, asked = g->batch * g->asked, padded = fig_dim(g->logits, -1);
    fig__st_writer *w;
    run(g, 0);
    FIG_TRY(fig_model_save(g->model, dir, FIG_F32));
    FIG_TRY(fig__st_writer_new(g->ctx, path, NULL, &w));
    FIG_TRY(fig__st_writer_declare(w, "tokens", FIG_I32, 2, (size_t[]){g->batch, g->time}));
    FIG_TRY(fig__st_writer_declare(w, "logits", FIG_F32, 3, (size_t[]){g->batch, g->asked, padded}));
    FIG_TRY(fig__st_writer_data(w, g->inputs, tokens * sizeof *g->inputs));
    FIG_TRY(fig__st_writer_data(w, fig_plan_data(g->net.plan, g->logits), asked * padded * sizeof(float)));
    return fig__st_writer_commit(w);
}

static fig_status train(golden *g) {
    fig_train_options o;
    fig__optimizer *opt;
    size_t n;
    const float *losses = value_of(g, "losses", &n);
    fig_train_defaults(&o);
    o.optimizer = FIG_ADAMW;
    o.learning_rate = 1e-3, o.beta1 = 0.9, o.beta2 = 0.95, o.epsilon = 1e-8, o.weight_decay = 0.1, o.ema_decay = 0;
    FIG_TRY(fig__optimizer_new(g->ctx, fig_model_params(g->model), &o, &opt));
    for (size_t step = 0; step < g->steps; step++) {
        float loss = run(g, step);
        EXPECT_NEAR(loss, losses[step], TOLERANCE * losses[step]);
        if (step == 0) compare_logits(g);
        if (step == 0) compare_params(g, true, compare_grad);
        double norm = sqrt(fig__grad_sumsq(opt, 0));
        fig__optimizer_step(opt, 0, (int64_t)step + 1, 1, norm > 1 ? 1 / norm : 1);
    }
    fig__optimizer_free(opt);
    compare_params(g, false, compare_norm);
    return FIG_OK;
}

static void check_training(const char *name) {
    golden g;
    if (golden_open(&g, name, true) && EXPECT_OK(g.ctx, train(&g))) EXPECT_OK(g.ctx, write_model(&g, name));
    golden_close(&g);
}

static void check_inference(const char *name) {
    golden g;
    if (golden_open(&g, name, false)) {
        run(&g, 0);
        compare_logits(&g);
        EXPECT_OK(g.ctx, write_model(&g, name));
    }
    golden_close(&g);
}

TEST(gpt2_trains_as_in_transformers) { check_training("gpt2"); }
TEST(gpt2_with_exact_gelu_trains_as_in_transformers) { check_training("gpt2-gelu"); }
TEST(qwen3_trains_as_in_transformers) { check_training("qwen3"); }
TEST(bert_trains_as_in_transformers) { check_training("bert"); }
TEST(llama_computes_as_in_transformers) { check_inference("llama"); }
TEST(qwen3_computes_as_in_transformers) { check_inference("qwen3"); }
