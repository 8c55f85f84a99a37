/* gen/features.c: pictures and captions through a trained network, batch by batch; what is different for each family
 * is what it records. */
#include <fig/features.h>
#include <fig/ops.h>
#include <math.h>
#include "media/image/values.h"
#include "models/model.h"

struct fig_extractor {
    fig_context *ctx;
    fig_model *model;
    size_t batch, side, channels, n_features, n_classes, text_length;
    fig_graph *look_graph, *read_graph;
    fig_plan *look, *read;
    fig_tensor *x, *features, *logits; /* logits: NULL where there are no classes */
    fig_tensor *text, *of_text;
};

static size_t setting(const fig_model *m, const char *key) { return (size_t)fig_model_get_int(m, key); }

/* --- making -----------------------------------------------------------------------------------------------------*/

static fig_tensor *direction(fig_graph *g, fig_tensor *x) {
    return fig_mul(g, x, fig_rsqrt(g, fig_add_scalar(g, fig_sum(g, fig_square(g, x), -1), 1e-12)));
}

static fig_status record_pictures(fig_extractor *e) {
    fig_model *m = e->model;
    fig_graph *g = e->look_graph = fig_model_graph_new(m, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    e->x = fig_input(g, "x", FIG_F32, 4, (size_t[]){e->batch, e->side, e->side, e->channels});
    if (m->arch->family == &fig_family_classifier) {
        e->features = m->arch->net.classifier->features(g, m->config, e->x);
        e->logits = fig_cast(g, m->arch->net.classifier->logits(g, m->config, e->features), FIG_F32);
    } else {
        e->features = direction(g, m->arch->net.contrastive->pictures(g, m->config, e->x));
    }
    fig_tensor *roots[] = {e->features, e->logits};
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, roots, e->logits ? 2 : 1, NULL, &e->look);
}

static fig_status record_texts(fig_extractor *e) {
    fig_model *m = e->model;
    if (!fig_extractor_reads(e)) return FIG_OK;
    fig_graph *g = e->read_graph = fig_model_graph_new(m, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    e->text = fig_input(g, "text", FIG_I32, 2, (size_t[]){e->batch, e->text_length});
    e->of_text = direction(g, m->arch->net.contrastive->texts(g, m->config, e->text));
    FIG_TRY(fig_graph_status(g));
    return fig_plan_new(g, &e->of_text, 1, NULL, &e->read);
}

fig_status fig_extractor_new(fig_model *m, size_t batch, fig_extractor **out) {
    const fig_family *family = fig__model_family(m);
    *out = NULL;
    FIG_CHECK(m->ctx, family == &fig_family_classifier || family == &fig_family_contrastive, FIG_ERR_ARG,
              "%s is no extractor of features; a classifier or a contrastive model is", m->arch->name);
    fig_extractor *e = FIG_NEW(m->ctx, fig_extractor);
    if (!e) return FIG_ERR_NOMEM;
    *e = (fig_extractor){.ctx = m->ctx,
                         .model = m,
                         .batch = FIG_MAX(batch, 1),
                         .side = setting(m, "image_size"),
                         .channels = setting(m, "n_channels"),
                         .n_features = setting(m, "n_features"),
                         .n_classes = setting(m, "n_classes"),
                         .text_length = setting(m, "text_length")};
    fig_status status = record_pictures(e);
    if (!status) status = record_texts(e);
    if (status)
        fig_extractor_free(e);
    else
        *out = e;
    return status;
}

void fig_extractor_free(fig_extractor *e) {
    if (!e) return;
    fig_plan_free(e->look);
    fig_plan_free(e->read);
    fig_graph_free(e->look_graph);
    fig_graph_free(e->read_graph);
    fig__free(e->ctx, e);
}

size_t fig_extractor_n_features(const fig_extractor *e) { return e->n_features; }
size_t fig_extractor_n_classes(const fig_extractor *e) { return e->n_classes; }
bool fig_extractor_reads(const fig_extractor *e) {
    return fig__model_family(e->model) == &fig_family_contrastive && e->model->tokenizer;
}

fig_status fig_model_new_untrained(const fig_model *m, uint64_t seed, fig_model **out) {
    fig_model *like = NULL;
    fig_model_options o = {.dtype = m->options.dtype, .seed = seed, .inference = true};
    fig__json *settings = fig__model_settings(m);
    *out = NULL;
    fig_status status = settings ? fig_model_new(m->ctx, m->arch->name, &o, &like) : FIG_ERR_NOMEM;
    if (!status) status = fig__model_apply(like, settings);
    if (!status) status = fig_model_init(like);
    fig__json_free(settings);
    if (status)
        fig_model_free(like);
    else
        *out = like;
    return status;
}

/* --- pictures ---------------------------------------------------------------------------------------------------*/

typedef struct feed_job {
    const fig_extractor *e;
    const uint8_t *pixels;
    float *x;
} feed_job;
static void feed_picture(void *arg, size_t i, int thread) {
    (void)thread;
    const feed_job *j = arg;
    size_t pixels = j->e->side * j->e->side, numbers = pixels * j->e->channels;
    fig__image_to_values(j->pixels + i * numbers, pixels, j->e->channels, 0, j->x + i * numbers);
}

static int32_t likeliest(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

static fig_status look(fig_extractor *e, const uint8_t *pixels, size_t n, float *features, int32_t *classes) {
    FIG_TRY(fig_plan_resize(e->look, e->x, (size_t[]){n, e->side, e->side, e->channels}));
    feed_job j = {e, pixels, fig_plan_data(e->look, e->x)};
    fig__parallel(e->ctx, n, feed_picture, &j);
    FIG_TRY(fig_plan_run(e->look, NULL));
    memcpy(features, fig_plan_data(e->look, e->features), n * e->n_features * sizeof *features);
    const float *logits = classes ? fig_plan_data(e->look, e->logits) : NULL;
    for (size_t i = 0; logits && i < n; i++) classes[i] = likeliest(logits + i * e->n_classes, e->n_classes);
    return FIG_OK;
}

fig_status fig_extract(fig_extractor *e, const uint8_t *pixels, size_t n, float *features, int32_t *classes,
                       fig_extract_fn *progress, void *user) {
    size_t numbers = e->side * e->side * e->channels;
    FIG_CHECK(e->ctx, !classes || e->logits, FIG_ERR_UNSUPPORTED, "%s names no classes", e->model->arch->name);
    for (size_t at = 0; at < n;) {
        size_t part = FIG_MIN(e->batch, n - at);
        FIG_TRY(look(e, pixels + at * numbers, part, features + at * e->n_features, classes ? classes + at : NULL));
        at += part;
        bool on = (!progress || progress(user, at, n)) && !fig_cancelled(e->ctx);
        FIG_CHECK(e->ctx, on || at == n, FIG_ERR_CANCELLED, "interrupted after %zu of %zu pictures", at, n);
    }
    return FIG_OK;
}

/* --- captions ---------------------------------------------------------------------------------------------------*/

fig_status fig_extract_texts(fig_extractor *e, const char *const *texts, size_t n, float *features, size_t *n_cut) {
    size_t cut, all = 0;
    FIG_CHECK(e->ctx, fig_extractor_reads(e), FIG_ERR_UNSUPPORTED, "%s reads no captions", e->model->arch->name);
    for (size_t at = 0; at < n; at += e->batch) {
        size_t part = FIG_MIN(e->batch, n - at);
        FIG_TRY(fig_plan_resize(e->read, e->text, (size_t[]){part, e->text_length}));
        int32_t *rows = fig_plan_data(e->read, e->text);
        for (size_t i = 0; i < part; i++, all += cut)
            FIG_TRY(fig__caption_row(e->model, texts[at + i], rows + i * e->text_length, &cut));
        FIG_TRY(fig_plan_run(e->read, NULL));
        memcpy(features + at * e->n_features, fig_plan_data(e->read, e->of_text),
               part * e->n_features * sizeof *features);
    }
    if (n_cut) *n_cut = all;
    return FIG_OK;
}
