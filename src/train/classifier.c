/* train/classifier.c: learning to tell pictures apart: cross-entropy, of pictures moved by a few pixels at random.
 *
 * Scores: val_loss in nats, val_accuracy as a share. Pictures without a class are passed over. */
#include <fig/ops.h>
#include <math.h>
#include "train/pictures.h"

typedef struct network {
    fig__phase phase;
    fig_tensor *x, *label, *logits, *each; /* each: loss [n] */
} network;

typedef struct classifier {
    network train, eval;
} classifier;

static size_t setting(const fig_trainer *t, const char *key) { return (size_t)fig_model_get_int(t->model, key); }

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    const fig_classifier_net *net = t->model->arch->net.classifier;
    size_t batch = (size_t)t->o.batch_size, side = setting(t, "image_size");
    fig_graph *g = n->phase.g = fig_model_graph_new(t->model, mode);
    if (!g) return FIG_ERR_NOMEM;
    n->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){batch, side, side, setting(t, "n_channels")});
    n->label = fig_input(g, "label", FIG_I32, 1, &batch);
    fig_tensor *features = net->features(g, t->model->config, n->x);
    n->logits = fig_cast(g, net->logits(g, t->model->config, features), FIG_F32);
    n->each = fig_cross_entropy(g, n->logits, n->label, 0);
    return fig_graph_status(g);
}

static fig_status record_training(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_TRAIN, n));
    return fig__phase_descend(t, &n->phase, fig_mean(n->phase.g, n->each, FIG_ALL_AXES));
}

static fig_status record_evaluation(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_EVAL, n));
    fig_tensor *roots[] = {n->each, n->logits};
    return fig_plan_new(n->phase.g, roots, FIG_COUNT(roots), NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__pictures_fit(t));
    FIG_CHECK(t->ctx, (size_t)fig_pictures_get_info(t->data.pictures)->n_classes <= setting(t, "n_classes"),
              FIG_ERR_ARG, "the model knows %zu classes, the pictures have %d", setting(t, "n_classes"),
              (int)fig_pictures_get_info(t->data.pictures)->n_classes);
    classifier *c = t->task_state = FIG_NEW(t->ctx, classifier);
    if (!c) return FIG_ERR_NOMEM;
    fig_status status = record_training(t, &c->train);
    t->phases[t->n_phases++] = c->train.phase;
    if (!status) status = record_evaluation(t, &c->eval);
    t->eval = c->eval.phase;
    return status;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    network *n = &((classifier *)t->task_state)->train;
    int32_t *label = fig_plan_data(n->phase.plan, n->label);
    fig__pictures_feed(t, n->phase.plan, n->x, i, 0);
    for (int64_t r = 0; r < t->o.batch_size; r++)
        label[r] = fig_pictures_class(t->data.pictures, FIG_SPLIT_TRAIN, fig__pictures_row(t, i * t->o.batch_size + r));
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

static size_t largest(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

typedef struct sums {
    double loss, right, n;
} sums;

static fig_status add_batch(fig_trainer *t, uint64_t first, size_t rows, sums *s) {
    network *n = &((classifier *)t->task_state)->eval;
    fig_plan *plan = n->phase.plan;
    size_t d = fig__pictures_numbers(t), n_classes = fig_dim(n->logits, 1);
    FIG_TRY(fig_plan_resize(plan, n->x, (size_t[]){rows, fig_dim(n->x, 1), fig_dim(n->x, 2), fig_dim(n->x, 3)}));
    FIG_TRY(fig_plan_resize(plan, n->label, &rows));
    float *x = fig_plan_data(plan, n->x);
    int32_t *label = fig_plan_data(plan, n->label);
    for (size_t i = 0; i < rows; i++) {
        fig__pictures_values(t, FIG_SPLIT_VAL, first + i, 0, x + i * d);
        label[i] = fig_pictures_class(t->data.pictures, FIG_SPLIT_VAL, first + i);
    }
    FIG_TRY(fig_plan_run(plan, NULL));
    const float *each = fig_plan_data(plan, n->each), *logits = fig_plan_data(plan, n->logits);
    label = fig_plan_data(plan, n->label);
    for (size_t i = 0; i < rows; i++) {
        if (label[i] < 0) continue;
        s->loss += (double)each[i];
        s->right += largest(logits + i * n_classes, n_classes) == (size_t)label[i];
        s->n++;
    }
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    fig__held_out h = fig__pictures_held_out(t);
    sums s = {0};
    size_t rows;
    fig_status status = FIG_OK;
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, first, rows, &s);
    }
    fig__add_score(scores, "val_loss", s.n > 0 ? s.loss / s.n : NAN);
    fig__add_score(scores, "val_accuracy", s.n > 0 ? s.right / s.n : NAN);
    return status;
}

const fig__task fig__task_classifier = {.name = "classifier",
                                        .record = record,
                                        .read = fig__pictures_read,
                                        .feed = feed,
                                        .evaluate = evaluate,
                                        .unit = "pictures",
                                        .flops = fig__pictures_flops,
                                        .tokens = fig__pictures_per_step,
                                        .data_id = fig__pictures_data_id};
