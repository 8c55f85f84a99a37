/* train/tokenizer.c: learning to say pictures in codes, and to draw them again.
 *
 * The loss is the mean over all numbers of the reconstruction's error, squared or plain. Held out: the same; psnr, in
 * decibels, of the mean squared error of all pictures together, for samples of 0 to 255; codes_used, the share of all
 * codes that any place of them has; code_perplexity, the number of codes that would be as hard to guess if all were
 * equally frequent. */
#include <fig/ops.h>
#include <math.h>
#include <stdio.h>
#include "models/fsq.h"
#include "train/pictures.h"

typedef struct network {
    fig__phase phase;
    fig_tensor *x, *values, *error; /* error [n, h, w, c] */
} network;

typedef struct tokenizer {
    network train, eval;
    fig_tensor *of_picture[2]; /* of eval: mean squared error, mean absolute error, [n, 1] */
} tokenizer;

static const fig__tokenizer_config *config_of(const fig_trainer *t) { return fig_model_config(t->model); }
static const fig_tokenizer_net *net_of(const fig_trainer *t) { return fig_model_arch(t->model)->net.tokenizer; }

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    const fig__tokenizer_config *c = config_of(t);
    size_t side = (size_t)c->image_size;
    fig_graph *g = n->phase.g = fig_model_graph_new(t->model, mode);
    if (!g) return FIG_ERR_NOMEM;
    n->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){(size_t)t->o.batch_size, side, side, (size_t)c->n_channels});
    n->values = net_of(t)->encode(g, c, n->x);
    n->error = fig_sub(g, fig_cast(g, net_of(t)->decode(g, c, n->values), FIG_F32), n->x);
    return fig_graph_status(g);
}

static fig_status record_training(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_TRAIN, n));
    fig_graph *g = n->phase.g;
    fig_tensor *cost = config_of(t)->loss == FIG__L1 ? fig_abs(g, n->error) : fig_square(g, n->error);
    return fig__phase_descend(t, &n->phase, fig_mean(g, cost, FIG_ALL_AXES));
}

static fig_status record_evaluation(fig_trainer *t, tokenizer *k) {
    network *n = &k->eval;
    FIG_TRY(begin(t, FIG_EVAL, n));
    fig_graph *g = n->phase.g;
    fig_tensor *error = fig_reshape(g, n->error, 2, (int64_t[]){0, -1});
    k->of_picture[FIG__L2] = fig_mean(g, fig_square(g, error), 1);
    k->of_picture[FIG__L1] = fig_mean(g, fig_abs(g, error), 1);
    n->values = fig_contiguous(g, n->values);
    fig_tensor *roots[] = {k->of_picture[0], k->of_picture[1], n->values};
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, roots, FIG_COUNT(roots), NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__pictures_fit(t));
    tokenizer *k = t->task_state = FIG_NEW(t->ctx, tokenizer);
    if (!k) return FIG_ERR_NOMEM;
    fig_status status = record_training(t, &k->train);
    t->phases[t->n_phases++] = k->train.phase;
    if (!status) status = record_evaluation(t, k);
    t->eval = k->eval.phase;
    return status;
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    const network *n = &((const tokenizer *)t->task_state)->train;
    fig__pictures_feed(t, n->phase.plan, n->x, i, -1);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

typedef struct sums {
    double error[2]; /* squared, plain: of a picture's numbers */
    uint64_t n, *count, n_places;
} sums;

static fig_status add_batch(fig_trainer *t, uint64_t first, size_t rows, sums *s) {
    tokenizer *k = t->task_state;
    network *n = &k->eval;
    size_t d = fig__pictures_numbers(t), n_values = fig_dim(n->values, 2), places = rows * fig_dim(n->values, 1);
    size_t shape[4] = {rows, fig_dim(n->x, 1), fig_dim(n->x, 2), fig_dim(n->x, 3)};
    FIG_TRY(fig_plan_resize(n->phase.plan, n->x, shape));
    float *x = fig_plan_data(n->phase.plan, n->x);
    for (size_t i = 0; i < rows; i++) fig__pictures_values(t, FIG_SPLIT_VAL, first + i, -1, x + i * d);
    FIG_TRY(fig_plan_run(n->phase.plan, NULL));
    const float *values = fig_plan_data(n->phase.plan, n->values);
    for (size_t i = 0; i < places; i++) s->count[net_of(t)->code(config_of(t), values + i * n_values)]++;
    for (size_t kind = 0; kind < 2; kind++) {
        const float *error = fig_plan_data(n->phase.plan, k->of_picture[kind]);
        for (size_t i = 0; i < rows; i++) s->error[kind] += (double)error[i];
    }
    s->n += rows;
    s->n_places += places;
    return FIG_OK;
}

#define FEW 0.1 /* of the codes: below it something went wrong */
static void note_few(fig_trainer *t, size_t used, size_t n_codes) {
    char text[200];
    if (!t->on_event || !t->p.iter || (double)used >= FEW * (double)n_codes) return;
    snprintf(text, sizeof text,
             "only %zu of %zu codes are used (%.1f %%): pictures are told apart badly; train longer, lower "
             "--learning_rate, or give fewer --levels",
             used, n_codes, 100.0 * (double)used / (double)n_codes);
    t->on_event(t->user, &(fig_train_event){.kind = FIG_TRAIN_NOTE,
                                            .iter = t->p.iter,
                                            .max_iters = t->o.max_iters,
                                            .scores = t->p.scores,
                                            .text = text});
}

static void add_scores(fig_trainer *t, const sums *s, size_t n_codes, fig_scores *scores) {
    double mse = s->error[FIG__L2] / (double)s->n, entropy = 0;
    size_t used = 0;
    for (size_t i = 0; i < n_codes; i++) {
        double p = (double)s->count[i] / (double)s->n_places;
        used += p > 0;
        if (p > 0) entropy -= p * log(p);
    }
    fig__add_score(scores, "val_loss", s->error[config_of(t)->loss] / (double)s->n);
    fig__add_score(scores, "psnr", 10 * log10(4 / mse)); /* from -1 to 1 is 2 */
    fig__add_score(scores, "codes_used", (double)used / (double)n_codes);
    fig__add_score(scores, "code_perplexity", exp(entropy));
    note_few(t, used, (size_t)FIG_MIN((uint64_t)n_codes, s->n_places));
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    fig__held_out h = fig__pictures_held_out(t);
    size_t n_codes = net_of(t)->n_codes(config_of(t)), rows;
    if (!h.take) return fig__add_score(scores, "val_loss", NAN), FIG_OK;
    sums s = {.count = FIG_NEW_N(t->ctx, uint64_t, n_codes)};
    if (!s.count) return FIG_ERR_NOMEM;
    fig_status status = FIG_OK;
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, first, rows, &s);
    }
    if (!status) add_scores(t, &s, n_codes, scores);
    fig__free(t->ctx, s.count);
    return status;
}

const fig__task fig__task_tokenizer = {.name = "tokenizer",
                                       .record = record,
                                       .ready = fig__pictures_ready,
                                       .read = fig__pictures_read,
                                       .feed = feed,
                                       .evaluate = evaluate,
                                       .sample = fig__pictures_pairs,
                                       .sample_ending = ".png",
                                       .unit = "pictures",
                                       .flops = fig__pictures_flops,
                                       .tokens = fig__pictures_per_step,
                                       .data_id = fig__pictures_data_id};
