/* train/gan.c: two networks that learn against each other (Goodfellow et al. 2014). A step has two phases, each with
 * its own graph, gradient and update: the generator first, then the discriminator on pictures that are made anew.
 *
 * There is no loss by which a generator could be known as better. An evaluation says instead how far apart the
 * discriminator holds the two kinds (gap), how much made pictures differ from each other (diversity) and how many real
 * ones have a made one nearby (coverage), both in plain pixels and as a share of what real ones do. Pixels see a
 * collapse, not quality: what is blurred is near everything, and covers it. */
#include <fig/ops.h>
#include <math.h>
#include "base/rng.h"
#include "media/image/values.h"
#include "models/gan.h"
#include "train/pictures.h"

enum { GENERATOR, DISCRIMINATOR };

typedef struct network {
    fig__phase phase;
    fig_tensor *x, *z, *label, *gamma; /* [n, h, w, c]; [n, l]; int32 [n or 2n, 1] or NULL; [1] or NULL */
} network;

typedef struct gan {
    network phase[2], eval; /* eval: loss is the score of each picture */
} gan;

static const fig__gan_config *config_of(const fig_trainer *t) { return fig_model_config(t->model); }

/* --- graphs -----------------------------------------------------------------------------------------------------*/

static fig_status begin(fig_trainer *t, fig_mode mode, network *n) {
    const fig__gan_config *c = config_of(t);
    size_t side = (size_t)c->image_size, batch = (size_t)t->o.batch_size;
    fig_graph *g = n->phase.g = fig_model_graph_new(t->model, mode);
    if (!g) return FIG_ERR_NOMEM;
    n->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){batch, side, side, (size_t)c->n_channels});
    return fig_graph_status(g);
}

static fig_tensor *latents(fig_trainer *t, fig_graph *g) {
    return fig_input(g, "z", FIG_F32, 2, (size_t[]){(size_t)t->o.batch_size, (size_t)config_of(t)->n_latent});
}

static fig_status record_generator(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_TRAIN, n));
    fig_graph *g = n->phase.g;
    n->z = latents(t, g);
    n->label = fig__gan_label(t->model, g, (size_t)t->o.batch_size);
    fig_tensor *made = fig__gan_judge(t->model, g, fig__gan_generate(t->model, g, n->z, n->label), n->label);
    fig_tensor *real = config_of(t)->loss == FIG__RELATIVISTIC ? fig__gan_judge(t->model, g, n->x, n->label) : NULL;
    return fig__phase_descend(t, &n->phase, fig__gan_generator_loss(g, real, made));
}

/* Scores that the discriminator gives a batch. */
static size_t n_scores(const fig_trainer *t) { return (size_t)(t->o.batch_size / config_of(t)->pack); }

/* Real and made pictures as one batch, where nothing in the network lets one see the other. */
static fig_tensor *record_together(fig_trainer *t, network *n, fig_tensor *made) {
    fig_graph *g = n->phase.g;
    size_t half = n_scores(t);
    fig_tensor *x = fig_concat(g, (fig_tensor *[]){n->x, made}, 2, 0);
    fig_tensor *score = fig__gan_judge(t->model, g, x, n->label);
    fig_tensor *loss = fig__gan_discriminator_loss(t->model, g, fig_slice(g, score, 0, 0, half),
                                                   fig_slice(g, score, 0, (int64_t)half, half));
    if (!n->gamma) return loss;
    return fig_add(g, loss, fig_scale(g, fig__gan_penalty(g, score, x, n->gamma), 1.0 / (double)half));
}

static fig_tensor *record_apart(fig_trainer *t, network *n, fig_tensor *made, fig_tensor *label) {
    fig_graph *g = n->phase.g;
    double share = 1.0 / (double)n_scores(t);
    fig_tensor *real_score = fig__gan_judge(t->model, g, n->x, label),
               *made_score = fig__gan_judge(t->model, g, made, label);
    fig_tensor *loss = fig__gan_discriminator_loss(t->model, g, real_score, made_score);
    if (!n->gamma) return loss;
    loss = fig_add(g, loss, fig_scale(g, fig__gan_penalty(g, real_score, n->x, n->gamma), share));
    return fig_add(g, loss, fig_scale(g, fig__gan_penalty(g, made_score, made, n->gamma), share));
}

static fig_status record_discriminator(fig_trainer *t, network *n) {
    const fig__gan_config *c = config_of(t);
    size_t batch = (size_t)t->o.batch_size;
    FIG_TRY(begin(t, FIG_TRAIN, n));
    fig_graph *g = n->phase.g;
    n->z = latents(t, g);
    n->label = fig__gan_label(t->model, g, 2 * batch);
    if (c->gamma > 0 || c->gamma_end > 0) n->gamma = fig_input(g, "gamma", FIG_F32, 1, (size_t[]){1});
    fig_tensor *label = n->label ? fig_slice(g, n->label, 0, 0, batch) : NULL;
    fig_tensor *made = fig_stop_gradient(g, fig__gan_generate(t->model, g, n->z, label));
    return fig__phase_descend(t, &n->phase,
                              t->model->arch->net.gan->batch_statistics ? record_apart(t, n, made, label)
                                                                        : record_together(t, n, made));
}

static fig_status record_evaluation(fig_trainer *t, network *n) {
    FIG_TRY(begin(t, FIG_EVAL, n));
    n->label = fig__gan_label(t->model, n->phase.g, (size_t)t->o.batch_size);
    n->phase.loss = fig__gan_judge(t->model, n->phase.g, n->x, n->label);
    FIG_TRY(fig_graph_status(n->phase.g));
    return fig_plan_new(n->phase.g, &n->phase.loss, 1, NULL, &n->phase.plan);
}

static fig_status record(fig_trainer *t) {
    static fig_status (*const record_phase[2])(fig_trainer *, network *) = {record_generator, record_discriminator};
    static const char *const names[2] = {"generator", "discriminator"}, *const patterns[2] = {"generator.*",
                                                                                              "discriminator.*"};
    FIG_TRY(fig__pictures_fit(t));
    FIG_CHECK(t->ctx, !fig__gan_has_classes(t->model) || fig_pictures_get_info(t->data.pictures)->n_classes,
              FIG_ERR_ARG, "the model has classes, the pictures have none");
    FIG_CHECK(t->ctx, t->o.batch_size % config_of(t)->pack == 0, FIG_ERR_ARG,
              "batches of %lld pictures do not divide into packs of %lld; choose another --batch_size or --pack",
              (long long)t->o.batch_size, (long long)config_of(t)->pack);
    if (config_of(t)->discriminator_lr != 1)
        FIG_TRY(fig_params_group(t->params, &(fig_param_group){.pattern = patterns[DISCRIMINATOR],
                                                               .lr_scale = config_of(t)->discriminator_lr,
                                                               .weight_decay = -1}));
    gan *s = t->task_state = FIG_NEW(t->ctx, gan);
    if (!s) return FIG_ERR_NOMEM;
    for (int i = 0; i < 2; i++) {
        s->phase[i].phase = (fig__phase){.name = names[i], .pattern = patterns[i]};
        fig_status status = record_phase[i](t, &s->phase[i]);
        t->phases[t->n_phases++] = s->phase[i].phase;
        FIG_TRY(status);
    }
    fig_status status = record_evaluation(t, &s->eval);
    t->eval = s->eval.phase;
    return status;
}

/* --- steps ------------------------------------------------------------------------------------------------------*/

static double gamma_at(const fig_trainer *t) {
    const fig__gan_config *c = config_of(t);
    double done = t->o.max_iters ? fmin(1, (double)t->p.iter / (double)t->o.max_iters) : 0;
    return c->gamma_end + (c->gamma - c->gamma_end) * 0.5 * (1 + cos(3.14159265358979323846 * done));
}

static int32_t label_of(const fig_trainer *t, fig_data_split split, uint64_t picture) {
    int32_t label = fig_pictures_class(t->data.pictures, split, picture), n = (int32_t)config_of(t)->n_classes;
    return label >= 0 && label < n ? label : n;
}

/* The same rows in both phases, other latents. */
static void feed(fig_trainer *t, int phase, int64_t i) {
    static const char *const streams[2] = {"gan.generator", "gan.discriminator"};
    network *n = &((gan *)t->task_state)->phase[phase];
    fig_plan *plan = n->phase.plan;
    size_t batch = (size_t)t->o.batch_size, l = (size_t)config_of(t)->n_latent;
    fig_rng_key key = {(uint64_t)t->o.seed, fig__rng_stream(streams[phase]), (uint64_t)t->p.iter};
    fig__pictures_feed(t, plan, n->x, i, -1);
    float *z = fig_plan_data(plan, n->z);
    int32_t *label = n->label ? fig_plan_data(plan, n->label) : NULL;
    for (size_t row = 0; row < batch; row++) {
        uint64_t sample = (uint64_t)i * batch + row;
        for (size_t k = 0; k < l; k++) z[row * l + k] = (float)fig__rng_normal(&key, sample, k);
        if (!label) continue;
        label[row] = label_of(t, FIG_SPLIT_TRAIN, fig__pictures_row(t, (int64_t)sample));
        if (phase == DISCRIMINATOR) label[batch + row] = label[row];
    }
    if (n->gamma) *(float *)fig_plan_data(plan, n->gamma) = (float)gamma_at(t);
}

/* --- evaluation -------------------------------------------------------------------------------------------------*/

#define MOST_PICTURES 256 /* of each kind; distances are between all of them */
#define NEIGHBOUR 5       /* a real picture is covered by one that is nearer than its fifth real neighbour */
#define COLLAPSED 0.4     /* of the diversity of real pictures */

typedef struct trial {
    fig_trainer *t;
    size_t n, d;                               /* pictures of each kind, samples of one */
    uint8_t *real, *made;                      /* [n, d] */
    int32_t *label;                            /* [n], of both */
    double *real_apart, *made_apart, *covered; /* [n]: sums over the others; 1 or 0 */
    double *near;                              /* [n, NEIGHBOUR + 1], of each picture */
} trial;

static double distance(const uint8_t *a, const uint8_t *b, size_t d) {
    int64_t sum = 0;
    for (size_t i = 0; i < d; i++) sum += ((int)a[i] - (int)b[i]) * ((int)a[i] - (int)b[i]);
    return sqrt((double)sum);
}

/* Keeps the smallest, in order. */
static void keep_nearest(double *near, double x) {
    for (int i = 0; i <= NEIGHBOUR; i++)
        if (x < near[i]) {
            double old = near[i];
            near[i] = x;
            x = old;
        }
}

static void compare_picture(void *arg, size_t i, int thread) {
    (void)thread;
    const trial *s = arg;
    const uint8_t *real = s->real + i * s->d, *made = s->made + i * s->d;
    double *near = s->near + i * (NEIGHBOUR + 1), nearest_made = INFINITY;
    for (int k = 0; k <= NEIGHBOUR; k++) near[k] = INFINITY;
    for (size_t j = 0; j < s->n; j++) {
        double apart = distance(real, s->real + j * s->d, s->d);
        s->real_apart[i] += apart;
        s->made_apart[i] += distance(made, s->made + j * s->d, s->d);
        nearest_made = fmin(nearest_made, distance(real, s->made + j * s->d, s->d));
        if (j != i) keep_nearest(near, apart);
    }
    s->covered[i] = nearest_made < near[FIG_MIN(NEIGHBOUR - 1, (int)s->n - 2)];
}

static double total(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

/* Mean score of pictures. */
static fig_status judge(const trial *s, const uint8_t *pictures, double *mean) {
    fig_trainer *t = s->t;
    network *n = &((gan *)t->task_state)->eval;
    fig_plan *plan = n->phase.plan;
    const fig__gan_config *config = config_of(t);
    size_t c = (size_t)config->n_channels, side = (size_t)config->image_size, pack = (size_t)config->pack, batch;
    *mean = 0;
    for (size_t first = 0; first < s->n; first += batch) {
        batch = FIG_MIN((size_t)t->o.batch_size, s->n - first);
        FIG_TRY(fig_plan_resize(plan, n->x, (size_t[]){batch, side, side, c}));
        if (n->label) FIG_TRY(fig_plan_resize(plan, n->label, (size_t[]){batch, 1}));
        fig__image_to_values(pictures + first * s->d, batch * side * side, c, -1, fig_plan_data(plan, n->x));
        if (n->label) memcpy(fig_plan_data(plan, n->label), s->label + first, batch * sizeof *s->label);
        FIG_TRY(fig_plan_run(plan, NULL));
        const float *score = fig_plan_data(plan, n->phase.loss);
        for (size_t i = 0; i < batch / pack; i++) *mean += (double)score[i] * (double)pack / (double)s->n;
    }
    return FIG_OK;
}

static bool take_picture(void *user, int64_t sample, const uint8_t *pixels) {
    trial *s = user;
    memcpy(s->made + (size_t)sample * s->d, pixels, s->d);
    return true;
}

/* As many made pictures as real ones, of the same classes. Those of a pack lie far apart: in a folder neighbours are of
 * one class. */
static fig_status gather(trial *s, fig_data_split split) {
    fig_trainer *t = s->t;
    fig_draw_options o;
    uint64_t there = fig_pictures_get_info(t->data.pictures)->n[split], pack = (uint64_t)config_of(t)->pack;
    int64_t *labels = FIG_NEW_N(t->ctx, int64_t, s->n);
    if (!labels) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t picture = (i % pack * (s->n / pack) + i / pack) * there / s->n;
        memcpy(s->real + i * s->d, fig_pictures_pixels(t->data.pictures, split, picture), s->d);
        s->label[i] = label_of(t, split, picture);
        labels[i] = s->label[i] < config_of(t)->n_classes ? s->label[i] : -1;
    }
    fig_draw_defaults(&o);
    o.num_samples = (int64_t)s->n, o.seed = t->o.seed, o.labels = labels, o.n_labels = s->n;
    fig_status status = fig_draw(t->drawer, &o, take_picture, s, NULL);
    fig__free(t->ctx, labels);
    return status;
}

static void warn(fig_trainer *t, double diversity) {
    char text[256];
    if (!t->p.iter || !(diversity < COLLAPSED)) return;
    snprintf(text, sizeof text,
             "the pictures drawn differ from each other by %.0f %% of what real ones do: the generator has collapsed "
             "to a few of them, or is still at the beginning; a larger --gamma steadies it",
             100 * diversity);
    fig__note(t, text);
}

static fig_status run_trial(trial *s, fig_data_split split, fig_scores *scores) {
    double real, made;
    FIG_TRY(gather(s, split));
    FIG_TRY(judge(s, s->real, &real));
    FIG_TRY(judge(s, s->made, &made));
    fig__parallel(s->t->ctx, s->n, compare_picture, s);
    double diversity = total(s->made_apart, s->n) / fmax(total(s->real_apart, s->n), 1e-9);
    fig__add_score(scores, "gap", real - made);
    fig__add_score(scores, "diversity", diversity);
    fig__add_score(scores, "coverage", total(s->covered, s->n) / (double)s->n);
    warn(s->t, diversity);
    return FIG_OK;
}

static fig_status evaluate(fig_trainer *t, fig_scores *scores) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    size_t pack = (size_t)config_of(t)->pack, d = fig__pictures_numbers(t);
    fig_data_split split = info->n[FIG_SPLIT_VAL] >= FIG_MAX(pack, 2) ? FIG_SPLIT_VAL : FIG_SPLIT_TRAIN;
    size_t n = (size_t)FIG_MIN(info->n[split], MOST_PICTURES) / pack * pack;
    fig__add_score(scores, "val_loss", NAN);
    if (n < 2) return FIG_OK;
    double *numbers = FIG_NEW_N(t->ctx, double, n *(3 + NEIGHBOUR + 1));
    uint8_t *pictures = FIG_NEW_N(t->ctx, uint8_t, 2 * n * d);
    int32_t *label = FIG_NEW_N(t->ctx, int32_t, n);
    trial s = {.t = t, .n = n, .d = d, .real = pictures, .label = label, .real_apart = numbers};
    fig_status status = FIG_ERR_NOMEM;
    if (numbers && pictures && label) {
        s.made = pictures + n * d;
        s.made_apart = numbers + n, s.covered = numbers + 2 * n, s.near = numbers + 3 * n;
        status = run_trial(&s, split, scores);
    }
    fig__free(t->ctx, numbers);
    fig__free(t->ctx, pictures);
    fig__free(t->ctx, label);
    return status;
}

const fig__task fig__task_gan = {.name = "gan",
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
