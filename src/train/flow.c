/* train/flow.c: learning a flow from noise to pictures (Lipman et al. 2023; the network says the picture, the error is
 * that of the velocity: Li and He 2025).
 *
 * z = t x + (1 - t) noise with t = sigmoid(normal); loss |x' - x|^2 / (1 - t)^2, a mean over all numbers. Time, noise
 * and whether the condition is left out follow from seed, step and row. Held out: the same loss with times and noise
 * that are the same at every evaluation. */
#include "ops/ops.h"
#include <math.h>
#include "base/rng.h"
#include "models/flow.h"
#include "train/pictures.h"

typedef struct network {
    fig__phase phase;
    fig_flow_inputs in;            /* x is made in the graph */
    fig_tensor *x, *time, *weight; /* [n, h, w, c]; fp32 [n, 1, 1, 1] */
} network;

typedef struct flow {
    network train, eval;
} flow;

static const fig__flow_config *config_of(const fig_trainer *t) { return fig_model_config(t->model); }

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static fig_status begin(fig_trainer *t, fig_mode mode, network *n, fig_tensor **error) {
    size_t batch = (size_t)t->o.batch_size, ones[4] = {batch, 1, 1, 1};
    fig_graph *g = n->phase.g = fig_model_graph_new(t->model, mode);
    if (!g) return FIG_ERR_NOMEM;
    n->in = fig__flow_inputs(t->model, g, batch);
    n->x = n->in.x;
    n->time = fig_input(g, "t", FIG_F32, 4, ones);
    n->weight = fig_input(g, "weight", FIG_F32, 4, ones);
    fig_enter(g, "noise");
    fig_tensor *noise = fig_cast(g, fig_noise(g, n->x), fig__real_dtype(g));
    fig_leave(g);
    n->in.x = fig_add(g, noise, fig_mul(g, n->time, fig_sub(g, n->x, noise)));
    fig_tensor *picture =
        fig_cast(g, t->model->arch->net.flow->predict(g, t->model->config, &n->in), fig__real_dtype(g));
    *error = fig_mul(g, fig_square(g, fig_sub(g, picture, n->x)), n->weight);
    return fig_graph_status(g);
}

static fig_status record_training(fig_trainer *t, network *n) {
    fig_tensor *error;
    FIG_TRY(begin(t, FIG_TRAIN, n, &error));
    return fig__phase_descend(t, &n->phase, fig_mean(n->phase.g, error, FIG_ALL_AXES));
}

static fig_status record_evaluation(fig_trainer *t, network *n) {
    fig_tensor *error;
    FIG_TRY(begin(t, FIG_EVAL, n, &error));
    n->phase.loss = fig_mean(n->phase.g, fig_reshape(n->phase.g, error, 2, (int64_t[]){0, -1}), 1);
    FIG_TRY(fig_graph_status(n->phase.g));
    return fig_plan_new(n->phase.g, &n->phase.loss, 1, NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__pictures_fit(t));
    FIG_CHECK(t->ctx, !config_of(t)->n_classes || fig_pictures_get_info(t->data.pictures)->n_classes, FIG_ERR_ARG,
              "the model has classes, the pictures have none");
    flow *f = t->task_state = FIG_NEW(t->ctx, flow);
    if (!f) return FIG_ERR_NOMEM;
    fig_status status = record_training(t, &f->train);
    t->phases[t->n_phases++] = f->train.phase;
    if (!status) status = record_evaluation(t, &f->eval);
    t->eval = f->eval.phase;
    return status;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

/* Randomness of a row: element 0 is its time, 4 whether its condition is left out. */
static void put_time(const fig_trainer *t, network *n, const fig_rng_key *key, uint64_t sample, size_t row) {
    const fig__flow_config *c = config_of(t);
    double time = 1 / (1 + exp(-(c->time_mean + c->time_std * fig__rng_normal(key, sample, 0))));
    double left = fmax(1 - time, FIG__FLOW_NEAREST);
    ((float *)fig_plan_data(n->phase.plan, n->time))[row] = (float)time;
    ((float *)fig_plan_data(n->phase.plan, n->weight))[row] = (float)(1 / (left * left));
    ((int32_t *)fig_plan_data(n->phase.plan, n->in.time))[row] = (int32_t)lround(1000 * time);
}

static fig_status put_condition(const fig_trainer *t, network *n, int32_t label, const char *caption, size_t row,
                                bool left_out) {
    const fig__flow_config *c = config_of(t);
    if (n->in.label) {
        bool said = label >= 0 && label < c->n_classes && !left_out;
        ((int32_t *)fig_plan_data(n->phase.plan, n->in.label))[row] = said ? label : (int32_t)c->n_classes;
    }
    if (!n->in.text) return FIG_OK;
    int32_t *text = (int32_t *)fig_plan_data(n->phase.plan, n->in.text) + row * (size_t)c->text_length;
    return fig__caption_row(t->model, left_out ? NULL : caption, text, NULL);
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    network *n = &((flow *)t->task_state)->train;
    fig_rng_key key = {(uint64_t)t->o.seed, fig__rng_stream("flow"), (uint64_t)t->p.iter};
    fig__pictures_feed(t, n->phase.plan, n->x, i, -1);
    for (size_t row = 0; row < (size_t)t->o.batch_size; row++) {
        uint64_t sample = (uint64_t)(i * t->o.batch_size) + row, picture = fig__pictures_row(t, (int64_t)sample);
        put_time(t, n, &key, sample, row);
        bool left_out = fig__rng_uniform(&key, sample, 4) < config_of(t)->condition_drop;
        put_condition(t, n, fig_pictures_class(t->data.pictures, FIG_SPLIT_TRAIN, picture),
                      fig__pictures_caption(t, (int64_t)sample), row, left_out);
    }
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

static fig_status add_batch(fig_trainer *t, uint64_t first, size_t rows, double *sum) {
    network *n = &((flow *)t->task_state)->eval;
    fig_plan *plan = n->phase.plan;
    fig_rng_key key = {(uint64_t)t->o.seed, fig__rng_stream("flow.held_out"), 0};
    size_t d = fig__pictures_numbers(t), ones[4] = {rows, 1, 1, 1};
    FIG_TRY(fig_plan_resize(plan, n->x, (size_t[]){rows, fig_dim(n->x, 1), fig_dim(n->x, 2), fig_dim(n->x, 3)}));
    FIG_TRY(fig_plan_resize(plan, n->time, ones));
    FIG_TRY(fig_plan_resize(plan, n->weight, ones));
    FIG_TRY(fig_plan_resize(plan, n->in.time, ones));
    if (n->in.label) FIG_TRY(fig_plan_resize(plan, n->in.label, ones));
    if (n->in.text) FIG_TRY(fig_plan_resize(plan, n->in.text, (size_t[]){rows, fig_dim(n->in.text, 1)}));
    float *x = fig_plan_data(plan, n->x);
    for (size_t i = 0; i < rows; i++) {
        fig__pictures_values(t, FIG_SPLIT_VAL, first + i, -1, x + i * d);
        put_time(t, n, &key, first + i, i);
        FIG_TRY(put_condition(t, n, fig_pictures_class(t->data.pictures, FIG_SPLIT_VAL, first + i),
                              fig_pictures_caption(t->data.pictures, FIG_SPLIT_VAL, first + i), i, false));
    }
    FIG_TRY(fig_plan_run(plan, &(fig_run_args){.seed = (uint64_t)t->o.seed, .sample0 = first}));
    const float *loss = fig_plan_data(plan, n->phase.loss);
    for (size_t i = 0; i < rows; i++) *sum += (double)loss[i];
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    fig__held_out h = fig__pictures_held_out(t);
    double sum = 0, n = 0;
    size_t rows;
    fig_status status = FIG_OK;
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, first, rows, &sum);
        n += (double)rows;
    }
    fig__add_score(scores, "val_loss", n > 0 ? sum / n : NAN);
    return status;
}

const fig__task fig__task_flow = {.name = "flow",
                                  .record = record,
                                  .ready = fig__pictures_ready,
                                  .read = fig__pictures_read,
                                  .feed = feed,
                                  .evaluate = evaluate,
                                  .sample = fig__pictures_preview,
                                  .sample_ending = ".png",
                                  .unit = "pictures",
                                  .flops = fig__pictures_flops,
                                  .tokens = fig__pictures_per_step,
                                  .data_id = fig__pictures_data_id};
