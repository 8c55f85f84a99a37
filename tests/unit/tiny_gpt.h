/* A tiny language model recorded for training, with what the tests feed it. */
#ifndef TEST_TINY_GPT_H
#define TEST_TINY_GPT_H
#include "check.h"
#include <fig/ops.h>
#include "models/model.h"

enum { TINY_VOCAB = 61 };

/* settings: "key=value key=value", over two layers of two heads, 32 wide, context 32. */
static inline fig_model *tiny_model(fig_context *ctx, const char *arch, fig_dtype dtype, const char *settings) {
    fig_model *m = NULL;
    char text[256], *save = NULL;
    snprintf(text, sizeof text, "vocab_size=61 n_layer=2 n_head=2 n_embd=32 block_size=32 %s", settings);
    EXPECT_OK(ctx, fig_model_new(ctx, arch, &(fig_model_options){.dtype = dtype, .seed = 5}, &m));
    for (char *key = strtok_r(text, " ", &save); m && key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        EXPECT_OK(ctx, fig_model_set(m, key, value));
    }
    return m;
}

typedef struct tiny {
    fig_context *ctx;
    fig_model *model;
    fig_graph *g;
    fig_lm_inputs in;
    fig_tensor *targets, *count, *loss;
    fig_plan *plan;
} tiny;

/* Records the network for [batch, time] with its gradients, over the model's store. */
static inline tiny tiny_new(fig_model *m, size_t batch, size_t time, const fig_plan_options *options) {
    tiny t = {.ctx = fig_model_context(m), .model = m};
    fig_tensor *head;
    t.g = fig_model_graph(m, FIG_TRAIN, batch, time, &t.in);
    fig_tensor *x = fig_model_hidden(m, t.g, &t.in, &head);
    t.targets = fig_input(t.g, "targets", FIG_I32, 2, (size_t[]){batch, time});
    t.count = fig_input(t.g, "count", FIG_F32, 1, (size_t[]){1});
    t.loss = fig_masked_mean(t.g, fig_linear_cross_entropy(t.g, x, head, NULL, t.targets, TINY_VOCAB), t.count);
    fig_backward_params(t.g, t.loss);
    if (!EXPECT_OK(t.ctx, fig_graph_status(t.g)) || !EXPECT_OK(t.ctx, fig_plan_new(t.g, &t.loss, 1, options, &t.plan)))
        exit(1);
    EXPECT_OK(t.ctx, fig_model_init(m));
    return t;
}

static inline void tiny_free(tiny *t) {
    fig_plan_free(t->plan);
    fig_graph_free(t->g);
}

/* The loss of the first batch x time tokens of an endless made-up text. */
static inline float tiny_run(tiny *t, size_t batch, size_t time) {
    EXPECT_OK(t->ctx, fig_plan_resize(t->plan, t->in.tokens, (size_t[]){batch, time}));
    EXPECT_OK(t->ctx, fig_plan_resize(t->plan, t->targets, (size_t[]){batch, time}));
    EXPECT_OK(t->ctx, fig_plan_resize(t->plan, t->in.positions, (size_t[]){1, time}));
    int32_t *tokens = fig_plan_data(t->plan, t->in.tokens), *targets = fig_plan_data(t->plan, t->targets);
    int32_t *positions = fig_plan_data(t->plan, t->in.positions);
    for (size_t i = 0; i < batch * time; i++) {
        tokens[i] = (int32_t)((i * i * 7 + i / 3) % TINY_VOCAB);
        targets[i] = i % 11 == 4 ? -1 : (int32_t)((i * 13 + 5) % TINY_VOCAB);
    }
    for (size_t i = 0; i < time; i++) positions[i] = (int32_t)i;
    *(float *)fig_plan_data(t->plan, t->count) = (float)(batch * time);
    EXPECT_OK(t->ctx, fig_plan_run(t->plan, &(fig_run_args){.seed = 3, .step = 9, .sample0 = 40}));
    return *(const float *)fig_plan_data(t->plan, t->loss);
}

/* A copy of the gradient block, for the caller to free; n elements. */
static inline float *tiny_grads(const tiny *t, size_t *n) {
    const float *grads = fig_params_grads(fig_model_params(t->model), n);
    float *copy = malloc(*n * sizeof *copy);
    return copy ? memcpy(copy, grads, *n * sizeof *copy) : NULL;
}

#endif
