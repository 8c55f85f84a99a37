/* train/vae.c: learning a variational autoencoder.
 *
 * With one sample of the latent the loss is minus the evidence lower bound, the divergence in closed form, weighted by
 * beta and free up to free_bits a latent (Kingma et al. 2016: of the batch's mean); with several it is minus the
 * importance-weighted bound (Burda et al. 2016), whose gradient is the doubly reparameterised one unless asked
 * otherwise. Losses and scores are nats of one picture. */
#include <fig/ops.h>
#include <math.h>
#include "models/vae.h"
#include "train/pictures.h"

typedef struct network {
    fig__phase phase;
    fig_tensor *x, *beta;
    fig__vae_terms terms;
} network;

typedef struct vae {
    network train, eval;
    fig_tensor *bound; /* of eval: [n, 1] */
} vae;

static const fig__vae_config *config_of(const fig_trainer *t) { return fig_model_config(t->model); }

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static fig_tensor *one_number(fig_graph *g, const char *name) { return fig_input(g, name, FIG_F32, 1, (size_t[]){1}); }

static fig_tensor *elbo_loss(const fig__vae_config *c, fig_graph *g, network *n) {
    fig_tensor *of_latent = fig_mean(g, n->terms.divergence, 0); /* [1, l] */
    if (c->free_bits > 0)
        of_latent = fig_max(g, of_latent, fig_add_scalar(g, fig_scale(g, of_latent, 0), c->free_bits));
    fig_tensor *fit = fig_mean(g, n->terms.log_x, FIG_ALL_AXES);
    n->beta = one_number(g, "beta");
    return fig_sub(g, fig_mul(g, fig_sum(g, of_latent, FIG_ALL_AXES), n->beta), fit);
}

static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    const fig__vae_config *c = config_of(t);
    size_t side = (size_t)c->image_size;
    fig_graph *g = n->phase.g = fig_model_graph_new(t->model, mode);
    if (!g) return FIG_ERR_NOMEM;
    n->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){(size_t)t->o.batch_size, side, side, (size_t)c->n_channels});
    return fig_graph_status(g);
}

/* The encoder's doubly reparameterised gradient is that of a sum which has no meaning of its own. */
static fig_status descend_importance(fig_trainer *t, network *n) {
    fig__phase *p = &n->phase;
    fig__vae_descent d;
    fig_tensor *slope;
    fig__vae_importance_loss(t->model, p->g, n->x, &d);
    if (!d.cut) return fig__phase_descend(t, p, d.loss);
    fig__phase_loss(t, p, d.loss);
    fig_backward_params_and(p->g, p->loss, &d.cut, 1, &slope);
    fig_backward_params(p->g, fig__vae_doubly(p->g, slope, &d));
    return fig__phase_plan(p);
}

static fig_status record_training(fig_trainer *t, network *n) {
    const fig__vae_config *c = config_of(t);
    FIG_TRY(begin(t, FIG_TRAIN, n));
    if (c->n_importance > 1) return descend_importance(t, n);
    fig__vae_bound(t->model, n->phase.g, n->x, 1, &n->terms);
    return fig__phase_descend(t, &n->phase, elbo_loss(c, n->phase.g, n));
}

static fig_status record_evaluation(fig_trainer *t, vae *v) {
    network *n = &v->eval;
    FIG_TRY(begin(t, FIG_EVAL, n));
    fig__vae_bound(t->model, n->phase.g, n->x, (size_t)config_of(t)->n_importance, &n->terms);
    v->bound = fig__log_mean_exp(n->phase.g, n->terms.log_weight);
    fig_tensor *roots[] = {v->bound, n->terms.divergence, n->terms.mean};
    FIG_TRY(fig_graph_status(n->phase.g));
    return fig_plan_new(n->phase.g, roots, FIG_COUNT(roots), NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    FIG_TRY(fig__pictures_fit(t));
    vae *v = t->task_state = FIG_NEW(t->ctx, vae);
    if (!v) return FIG_ERR_NOMEM;
    fig_status status = record_training(t, &v->train);
    t->phases[t->n_phases++] = v->train.phase;
    if (!status) status = record_evaluation(t, v);
    t->eval = v->eval.phase;
    return status;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

static void binarise_rows(const fig_trainer *t, uint64_t step, uint64_t first, size_t n, float *x) {
    size_t d = fig__pictures_numbers(t);
    if (config_of(t)->likelihood != FIG__BINARISED) return;
    for (size_t i = 0; i < n; i++) fig__vae_binarise((uint64_t)t->o.seed, step, first + i, d, x + i * d);
}

static void feed(fig_trainer *t, int phase, int64_t i) {
    (void)phase;
    network *n = &((vae *)t->task_state)->train;
    const fig__vae_config *c = config_of(t);
    uint64_t first = (uint64_t)(i * t->o.batch_size);
    fig__pictures_feed(t, n->phase.plan, n->x, i, 0);
    binarise_rows(t, (uint64_t)t->p.iter + 1, first, (size_t)t->o.batch_size, fig_plan_data(n->phase.plan, n->x));
    if (!n->beta) return;
    double grown = c->beta_warmup ? fmin(1, (double)(t->p.iter + 1) / (double)c->beta_warmup) : 1;
    *(float *)fig_plan_data(n->phase.plan, n->beta) = (float)(c->beta * grown);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

typedef struct sums {
    double bound, divergence;
    double *mean, *square; /* [n_latent], of the posterior's means */
    uint64_t n;
} sums;

static fig_status add_batch(fig_trainer *t, uint64_t first, size_t rows, sums *s) {
    vae *v = t->task_state;
    network *n = &v->eval;
    size_t d = fig__pictures_numbers(t), l = fig__vae_n_latent(t->model);
    size_t shape[4] = {rows, fig_dim(n->x, 1), fig_dim(n->x, 2), fig_dim(n->x, 3)};
    FIG_TRY(fig_plan_resize(n->phase.plan, n->x, shape));
    float *x = fig_plan_data(n->phase.plan, n->x);
    for (size_t i = 0; i < rows; i++) fig__pictures_values(t, FIG_SPLIT_VAL, first + i, 0, x + i * d);
    binarise_rows(t, 0, first, rows, x);
    FIG_TRY(fig_plan_run(n->phase.plan, &(fig_run_args){.seed = (uint64_t)t->o.seed, .sample0 = first}));
    const float *bound = fig_plan_data(n->phase.plan, v->bound),
                *kl = fig_plan_data(n->phase.plan, n->terms.divergence),
                *mean = fig_plan_data(n->phase.plan, n->terms.mean);
    for (size_t i = 0; i < rows; i++) s->bound += (double)bound[i];
    for (size_t i = 0; i < rows * l; i++) {
        s->divergence += (double)kl[i];
        s->mean[i % l] += (double)mean[i];
        s->square[i % l] += (double)mean[i] * (double)mean[i];
    }
    s->n += rows;
    return FIG_OK;
}

/* A latent is in use when its mean varies over pictures (Burda et al. 2016). */
#define IN_USE 0.01
static double n_in_use(const sums *s, size_t l) {
    double n = 0;
    for (size_t k = 0; k < l; k++) {
        double mean = s->mean[k] / (double)s->n;
        n += s->square[k] / (double)s->n - mean * mean > IN_USE;
    }
    return n;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    fig__held_out h = fig__pictures_held_out(t);
    size_t l = fig__vae_n_latent(t->model), rows;
    sums s = {.mean = FIG_NEW_N(t->ctx, double, 2 * l)};
    if (!s.mean) return FIG_ERR_NOMEM;
    s.square = s.mean + l;
    fig_status status = FIG_OK;
    for (uint64_t b = 0; b < h.take && !status; b++) {
        uint64_t first = fig__held_out_batch(&h, b, &rows);
        status = add_batch(t, first, rows, &s);
    }
    fig__add_score(scores, "val_loss", s.n ? -s.bound / (double)s.n : NAN);
    fig__add_score(scores, "val_divergence", s.n ? s.divergence / (double)s.n : NAN);
    fig__add_score(scores, "latents_in_use", s.n ? n_in_use(&s, l) : NAN);
    fig__free(t->ctx, s.mean);
    return status;
}

const fig__task fig__task_vae = {.name = "vae",
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
