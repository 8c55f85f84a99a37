/* train/contrastive.c: learning which caption belongs to which picture (CLIP: Radford et al. 2021): cross-entropy of
 * the batch's captions for each picture and of its pictures for each caption.
 *
 * Scores: val_loss of held-out pictures in groups of the batch's size, at the scale that suits them; val_r_precision,
 * the share of them whose own caption is nearest among CANDIDATES. */
#include <fig/eval.h>
#include <fig/ops.h>
#include <math.h>
#include "models/contrastive.h"
#include "train/pictures.h"

#define CANDIDATES 100

typedef struct network {
    fig__phase phase;
    fig_tensor *x, *text, *pictures, *texts;
} network;

typedef struct contrastive {
    network train, eval;
} contrastive;

static size_t setting(const fig_trainer *t, const char *key) { return (size_t)fig_model_get_int(t->model, key); }

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    const fig_contrastive_net *net = t->model->arch->net.contrastive;
    size_t batch = (size_t)t->o.batch_size, side = setting(t, "image_size");
    fig_graph *g = n->phase.g = fig_model_graph_new(t->model, mode);
    if (!g) return FIG_ERR_NOMEM;
    n->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){batch, side, side, setting(t, "n_channels")});
    n->text = fig_input(g, "text", FIG_I32, 2, (size_t[]){batch, setting(t, "text_length")});
    n->pictures = net->pictures(g, t->model->config, n->x);
    n->texts = net->texts(g, t->model->config, n->text);
    return fig_graph_status(g);
}

/* Row i belongs to column i. */
static fig_tensor *own_number(fig_trainer *t, fig_graph *g) {
    size_t n = (size_t)t->o.batch_size;
    int32_t *numbers = FIG_NEW_N(t->ctx, int32_t, n);
    for (size_t i = 0; i < n && numbers; i++) numbers[i] = (int32_t)i;
    fig_tensor *target = numbers ? fig_constant(g, FIG_I32, 1, &n, numbers) : NULL;
    fig__free(t->ctx, numbers);
    return target;
}

static fig_status record_training(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_TRAIN, n));
    fig_graph *g = n->phase.g;
    fig_tensor *target = own_number(t, g), *logits = fig__contrastive_logits(g, n->pictures, n->texts);
    if (!target) return FIG_ERR_NOMEM;
    fig_tensor *turned = fig_contiguous(g, fig_transpose(g, logits, 0, 1));
    fig_tensor *both = fig_add(g, fig_cross_entropy(g, logits, target, 0), fig_cross_entropy(g, turned, target, 0));
    return fig__phase_descend(t, &n->phase, fig_scale(g, fig_mean(g, both, FIG_ALL_AXES), 0.5));
}

static fig_status record_evaluation(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_EVAL, n));
    fig_tensor *roots[] = {n->pictures, n->texts};
    return fig_plan_new(n->phase.g, roots, FIG_COUNT(roots), NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__pictures_fit(t));
    FIG_CHECK(t->ctx, fig_pictures_get_info(t->data.pictures)->n_captions, FIG_ERR_ARG,
              "contrastive learns from captions, and these pictures have none");
    FIG_CHECK(t->ctx, t->o.batch_size > 1, FIG_ERR_ARG,
              "--batch_size 1: there is nothing to tell apart in a batch of one; take 64 or more");
    contrastive *c = t->task_state = FIG_NEW(t->ctx, contrastive);
    if (!c) return FIG_ERR_NOMEM;
    fig_status status = record_training(t, &c->train);
    t->phases[t->n_phases++] = c->train.phase;
    if (!status) status = record_evaluation(t, &c->eval);
    t->eval = c->eval.phase;
    return status;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

static fig_status put_caption(const fig_trainer *t, const network *n, const char *caption, size_t row) {
    int32_t *text = (int32_t *)fig_plan_data(n->phase.plan, n->text) + row * fig_dim(n->text, 1);
    return fig__caption_row(t->model, caption, text, NULL);
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    network *n = &((contrastive *)t->task_state)->train;
    fig__pictures_feed(t, n->phase.plan, n->x, i, 0);
    for (int64_t r = 0; r < t->o.batch_size; r++)
        put_caption(t, n, fig__pictures_caption(t, i * t->o.batch_size + r), (size_t)r);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

typedef struct points { /* [n, d] each, in the order of the held-out pictures */
    float *pictures, *texts;
    size_t n, d;
} points;

static fig_status add_batch(fig_trainer *t, uint64_t first, size_t rows, points *p) {
    network *n = &((contrastive *)t->task_state)->eval;
    fig_plan *plan = n->phase.plan;
    size_t numbers = fig__pictures_numbers(t);
    FIG_TRY(fig_plan_resize(plan, n->x, (size_t[]){rows, fig_dim(n->x, 1), fig_dim(n->x, 2), fig_dim(n->x, 3)}));
    FIG_TRY(fig_plan_resize(plan, n->text, (size_t[]){rows, fig_dim(n->text, 1)}));
    float *x = fig_plan_data(plan, n->x);
    for (size_t i = 0; i < rows; i++) {
        fig__pictures_values(t, FIG_SPLIT_VAL, first + i, 0, x + i * numbers);
        FIG_TRY(put_caption(t, n, fig_pictures_caption(t->data.pictures, FIG_SPLIT_VAL, first + i), i));
    }
    FIG_TRY(fig_plan_run(plan, NULL));
    memcpy(p->pictures + p->n * p->d, fig_plan_data(plan, n->pictures), rows * p->d * sizeof(float));
    memcpy(p->texts + p->n * p->d, fig_plan_data(plan, n->texts), rows * p->d * sizeof(float));
    p->n += rows;
    return FIG_OK;
}

static double cosine(const float *a, const float *b, size_t d) {
    double ab = 0, aa = 1e-12, bb = 1e-12;
    for (size_t k = 0; k < d; k++) {
        ab += (double)a[k] * (double)b[k];
        aa += (double)a[k] * (double)a[k];
        bb += (double)b[k] * (double)b[k];
    }
    return ab / sqrt(aa * bb);
}

/* The held-out loss is that of the best of these scales: a scale fits the training pictures and is soon too sure of
 * others, which says nothing about the directions, all that is used of a model. */
#define N_SCALES 16
static double scale_at(size_t i) { return exp2(0.5 * (double)i); } /* 1 to 181 */

/* Adds the cross-entropies of one row's own column among those of its group; cosines [n] is scratch. */
static void add_row(const float *row, const float *columns, size_t n, size_t d, size_t own, double *cosines,
                    double loss[N_SCALES]) {
    for (size_t j = 0; j < n; j++) cosines[j] = cosine(row, columns + j * d, d);
    for (size_t i = 0; i < N_SCALES; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += exp(scale_at(i) * (cosines[j] - cosines[own]));
        loss[i] += log(sum);
    }
}

static fig_status loss_of(fig_trainer *t, const points *p, double *loss) {
    size_t group = (size_t)t->o.batch_size;
    double of_scale[N_SCALES] = {0}, *cosines = FIG_NEW_N(t->ctx, double, group);
    if (!cosines) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->n; i++) {
        size_t first = i / group * group, n = FIG_MIN(group, p->n - first);
        const float *pictures = p->pictures + first * p->d, *texts = p->texts + first * p->d;
        add_row(p->pictures + i * p->d, texts, n, p->d, i - first, cosines, of_scale);
        add_row(p->texts + i * p->d, pictures, n, p->d, i - first, cosines, of_scale);
    }
    fig__free(t->ctx, cosines);
    *loss = of_scale[0];
    for (size_t i = 1; i < N_SCALES; i++) *loss = fmin(*loss, of_scale[i]);
    *loss = p->n ? *loss / 2 / (double)p->n : NAN;
    return FIG_OK;
}

static fig_status add_scores(fig_trainer *t, const points *p, fig_scores *scores) {
    double loss;
    fig_interval precision = {.value = NAN};
    fig_features pictures = {p->pictures, p->n, p->d}, texts = {p->texts, p->n, p->d};
    FIG_TRY(loss_of(t, p, &loss));
    if (p->n >= CANDIDATES)
        FIG_TRY(fig_eval_r_precision(t->ctx, &pictures, &texts, CANDIDATES, (uint64_t)t->o.seed, &precision));
    fig__add_score(scores, "val_loss", loss);
    fig__add_score(scores, "val_r_precision", precision.value);
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    fig__held_out h = fig__pictures_held_out(t);
    points p = {.d = setting(t, "n_features")};
    size_t rows, room = (size_t)(h.take * h.batch) * p.d;
    p.pictures = FIG_NEW_N(t->ctx, float, room + 1);
    p.texts = FIG_NEW_N(t->ctx, float, room + 1);
    fig_status status = p.pictures && p.texts ? FIG_OK : FIG_ERR_NOMEM;
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, first, rows, &p);
    }
    if (!status) status = add_scores(t, &p, scores);
    fig__free(t->ctx, p.pictures);
    fig__free(t->ctx, p.texts);
    return status;
}

const fig__task fig__task_contrastive = {.name = "contrastive",
                                         .record = record,
                                         .read = fig__pictures_read,
                                         .feed = feed,
                                         .evaluate = evaluate,
                                         .unit = "pictures",
                                         .flops = fig__pictures_flops,
                                         .tokens = fig__pictures_per_step,
                                         .data_id = fig__pictures_data_id};
