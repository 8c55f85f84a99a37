/* cli/eval_images.c: figment eval --suite images and classes: pictures of a model against those that were held out.
 *
 * Every set of pictures is compared with the held-out ones in the same way: the generated ones, as many training
 * pictures (the floor), and those made worse by known amounts (the ladder); by the extractor's features and by those of
 * a network of the same shape that has learnt nothing (the control). The suite of classes asks the extractor's opinion
 * alone: seconds instead of minutes. */
#include <stdio.h>
#include "cli/eval_images.h"
#include "cli/meter.h"
#include "media/image/corrupt.h"
#include "models/model.h"

#define BATCH 100 /* pictures drawn or looked at side by side */
#define USUAL_SAMPLES 10000
#define CANDIDATES 100

static const fig_pictures_info *info_of(const fig__images *im) { return fig_pictures_get_info(im->e->pictures); }

static size_t setting(const fig_model *m, const char *key) { return (size_t)fig_model_get_int(m, key); }

/* --- setting up ---------------------------------------------------------------------------------------------------*/

static fig_status open_extractor(fig__images *im) {
    fig_model_options o = {.dtype = FIG_F32, .inference = true}; /* the scores are not to depend on the machine */
    FIG_TRY(fig_model_load(im->ctx, im->extractor_path, &o, &im->nets[FIG__TRAINED]));
    FIG_TRY(fig_model_new_untrained(im->nets[FIG__TRAINED], (uint64_t)im->e->draw.seed, &im->nets[FIG__UNTRAINED]));
    for (int i = 0; i < FIG__N_NETS; i++) FIG_TRY(fig_extractor_new(im->nets[i], BATCH, &im->eyes[i]));
    size_t side = setting(im->nets[0], "image_size"), channels = setting(im->nets[0], "n_channels");
    im->planes = channels == 1 && im->channels == 3 ? 3 : 1;
    im->d = im->planes * fig_extractor_n_features(im->eyes[0]);
    FIG_CHECK(im->ctx, side == im->side && channels * im->planes == im->channels, FIG_ERR_ARG,
              "--extractor %s: it sees pictures of %zu x %zu x %zu, and these are %zu x %zu x %zu; train one on the "
              "same data",
              im->extractor_path, side, side, channels, im->side, im->side, im->channels);
    size_t n_classes = fig_extractor_n_classes(im->eyes[0]);
    im->has_classes = im->planes == 1 && n_classes > 0;
    im->has_modes = im->planes == 3 && n_classes == 10;
    FIG_CHECK(im->ctx, !im->classes_only || im->has_modes || im->has_classes, FIG_ERR_ARG,
              "--suite classes: %s tells no classes of these pictures; name a classifier with --extractor",
              im->extractor_path);
    return FIG_OK;
}

/* Classes in turn, or the held-out captions in turn; what is asked for is what is compared. */
static fig_status choose_conditions(fig__images *im) {
    im->n_labels = setting(im->e->model, "n_classes");
    if (setting(im->e->model, "text_length") && info_of(im)->n_captions) im->n_captions = im->n_held_out;
    im->labels = FIG_NEW_N(im->ctx, int64_t, im->n_labels + 1);
    im->captions = FIG_NEW_N(im->ctx, const char *, im->n_captions + 1);
    if (!im->labels || !im->captions) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < im->n_labels; i++) im->labels[i] = (int64_t)i;
    for (size_t i = 0; i < im->n_captions; i++)
        im->captions[i] = fig_pictures_caption(im->e->pictures, FIG_SPLIT_VAL, i);
    return FIG_OK;
}

static fig_status choose_sizes(fig__images *im) {
    const fig_pictures_info *info = info_of(im);
    im->side = info->size;
    im->channels = info->channels;
    im->numbers = info->size * info->size * info->channels;
    im->n_held_out = (size_t)info->n[FIG_SPLIT_VAL];
    im->n_train = (size_t)info->n[FIG_SPLIT_TRAIN];
    FIG_TRY(choose_conditions(im));
    im->n = (size_t)im->e->draw.num_samples;
    if (!im->n) im->n = im->n_captions ? im->n_captions : USUAL_SAMPLES;
    size_t least = FIG_MIN(im->n, im->n_held_out);
    FIG_CHECK(im->ctx, im->classes_only || (least > FIG__QUALITY_K && im->n_train > FIG__QUALITY_K), FIG_ERR_ARG,
              "%zu pictures drawn, %zu held out, %zu of training: scores need more than %d of each", im->n,
              im->n_held_out, im->n_train, FIG__QUALITY_K);
    return FIG_OK;
}

static void note_small(const fig__images *im) {
    size_t least = FIG_MIN(im->n, im->n_held_out);
    if (!im->classes_only && !fig__quality_has_enough(least, im->d))
        fig__meter_note("figment: note: %zu pictures are few for %zu features: the FLD says little; go by the KID, or "
                        "take %zu and more",
                        least, im->d, 2 * im->d);
}

/* --- drawing ------------------------------------------------------------------------------------------------------*/

static bool take_picture(void *user, int64_t i, const uint8_t *pixels) {
    fig__images *im = user;
    memcpy(im->generated + (size_t)i * im->numbers, pixels, im->numbers);
    fig__meter_count("drawing pictures", (uint64_t)i + 1, im->n);
    return !fig_cancelled(im->ctx);
}

static fig_status draw(fig__images *im) {
    fig_drawer *drawer;
    fig_draw_options o = im->e->draw;
    im->generated = fig__alloc(im->ctx, im->n * im->numbers);
    if (!im->generated) return FIG_ERR_NOMEM;
    o.num_samples = (int64_t)im->n;
    o.labels = im->labels, o.n_labels = im->n_labels;
    o.prompts = im->captions, o.n_prompts = im->n_captions;
    FIG_TRY(fig_drawer_new(im->e->model, FIG_MIN(im->n, BATCH), &drawer));
    fig_status status = fig_draw(drawer, &o, take_picture, im, &im->drawn);
    fig_drawer_free(drawer);
    FIG_CHECK(im->ctx, status || !fig_cancelled(im->ctx), FIG_ERR_CANCELLED, "interrupted");
    return status;
}

/* --- looking ------------------------------------------------------------------------------------------------------*/

static void seen_free(fig_context *ctx, fig__seen *s) {
    for (int i = 0; i < FIG__N_NETS; i++) fig__free(ctx, s->features[i]);
    fig__free(ctx, s->classes);
    *s = (fig__seen){0};
}

static fig_status seen_new(const fig__images *im, size_t n, int n_nets, fig__seen *s) {
    *s = (fig__seen){.n = n};
    bool classes = fig_extractor_n_classes(im->eyes[0]) > 0, fits = true;
    for (int i = 0; i < n_nets; i++) fits &= (s->features[i] = FIG_NEW_N(im->ctx, float, n * im->d)) != NULL;
    if (classes) fits &= (s->classes = FIG_NEW_N(im->ctx, int32_t, n * im->planes)) != NULL;
    return fits ? FIG_OK : FIG_ERR_NOMEM;
}

/* A picture for looking at: number i of a set into out. */
typedef void source_fn(const fig__images *im, const void *set, size_t i, uint8_t *out);

/* A batch as a network takes it: [n * planes, side, side, its channels]. */
typedef struct batch {
    uint8_t *pixels, *one;
    float *features;
    int32_t *classes;
} batch;

static void split_planes(const fig__images *im, const uint8_t *picture, uint8_t *out) {
    size_t n = im->side * im->side;
    for (size_t p = 0; p < im->planes; p++)
        for (size_t k = 0; k < n; k++) out[p * n + k] = picture[k * im->planes + p];
}

static fig_status look_batch(const fig__images *im, batch *b, size_t first, size_t n, fig__seen *s) {
    for (int net = 0; net < FIG__N_NETS; net++) {
        if (!s->features[net]) continue;
        int32_t *classes = net == FIG__TRAINED && s->classes ? s->classes + first * im->planes : NULL;
        FIG_TRY(fig_extract(im->eyes[net], b->pixels, n * im->planes, s->features[net] + first * im->d, classes, NULL,
                            NULL));
    }
    return FIG_OK;
}

static fig_status look_all(const fig__images *im, const char *what, source_fn *source, const void *set, batch *b,
                           fig__seen *s) {
    size_t most = FIG_MAX(BATCH / im->planes, 1);
    for (size_t at = 0; at < s->n;) {
        size_t n = FIG_MIN(most, s->n - at);
        for (size_t i = 0; i < n; i++) {
            uint8_t *to = b->pixels + i * im->numbers;
            source(im, set, at + i, im->planes > 1 ? b->one : to);
            if (im->planes > 1) split_planes(im, b->one, to);
        }
        FIG_TRY(look_batch(im, b, at, n, s));
        at += n;
        fig__meter_count(what, at, s->n);
        FIG_CHECK(im->ctx, !fig_cancelled(im->ctx), FIG_ERR_CANCELLED, "interrupted");
    }
    return FIG_OK;
}

/* The rows of all planes of a picture lie behind each other: together they are its features. */
static fig_status look(const fig__images *im, const char *what, source_fn *source, const void *set, fig__seen *s) {
    batch b = {.pixels = fig__alloc(im->ctx, BATCH * im->numbers), .one = fig__alloc(im->ctx, im->numbers)};
    fig_status status = b.pixels && b.one ? look_all(im, what, source, set, &b, s) : FIG_ERR_NOMEM;
    fig__free(im->ctx, b.pixels);
    fig__free(im->ctx, b.one);
    return status;
}

static void from_generated(const fig__images *im, const void *set, size_t i, uint8_t *out) {
    (void)set;
    memcpy(out, im->generated + i * im->numbers, im->numbers);
}
static void from_held_out(const fig__images *im, const void *set, size_t i, uint8_t *out) {
    (void)set;
    memcpy(out, fig_pictures_pixels(im->e->pictures, FIG_SPLIT_VAL, i), im->numbers);
}
static void from_train(const fig__images *im, const void *set, size_t i, uint8_t *out) {
    (void)set;
    memcpy(out, fig_pictures_pixels(im->e->pictures, FIG_SPLIT_TRAIN, i), im->numbers);
}
/* In an order of the seed, for they may be sorted; made worse, where set says how. */
static void from_shuffled(const fig__images *im, const void *set, size_t i, uint8_t *out) {
    uint64_t seed = (uint64_t)im->e->draw.seed, at = fig_pictures_sample(im->e->pictures, FIG_SPLIT_TRAIN, seed, i);
    fig__corrupt_picture p = {.side = im->side,
                              .c = im->channels,
                              .seed = seed,
                              .sample = i,
                              .in = fig_pictures_pixels(im->e->pictures, FIG_SPLIT_TRAIN, at),
                              .out = out};
    if (set)
        fig__corrupt(set, &p);
    else
        memcpy(out, p.in, im->numbers);
}

/* --- the table ----------------------------------------------------------------------------------------------------*/

static fig_features features_of(const fig__images *im, const fig__seen *s, int net) {
    return (fig_features){s->features[net], s->n, im->d};
}

/* The distance for infinitely many samples is of use where a model is compared with the floor. */
#define ROWS_WITH_LIMIT 2

static fig_status add_row(fig__images *im, const char *name, const fig__seen *s) {
    fig__eval_row *row = &im->rows[im->n_rows];
    char what[64];
    snprintf(row->name, sizeof row->name, "%s", name);
    snprintf(what, sizeof what, "scores of %s", name);
    row->n = s->n;
    fig__meter_count(what, 0, FIG__N_NETS);
    for (int net = 0; net < FIG__N_NETS; net++) {
        fig_features samples = features_of(im, s, net), held_out = features_of(im, &im->of_held_out, net);
        uint64_t seed = (uint64_t)im->e->draw.seed;
        bool with_limit = net == FIG__TRAINED && im->n_rows < ROWS_WITH_LIMIT;
        if (!im->held_out[net]) FIG_TRY(fig__quality_reference_new(im->ctx, &held_out, seed, &im->held_out[net]));
        FIG_TRY(fig__quality_of(&samples, im->held_out[net], with_limit, &row->by[net]));
        fig__meter_count(what, (uint64_t)net + 1, FIG__N_NETS);
    }
    im->n_rows++;
    return FIG_OK;
}

static fig_status look_at(fig__images *im, const char *name, source_fn *source, const void *set, size_t n,
                          fig__seen *s) {
    char what[64];
    snprintf(what, sizeof what, "looking at %s", name);
    FIG_TRY(seen_new(im, n, im->classes_only ? 1 : FIG__N_NETS, s));
    return look(im, what, source, set, s);
}

static fig_status look_and_add(fig__images *im, const char *name, source_fn *source, const void *set, size_t n,
                               fig__seen *s) {
    FIG_TRY(look_at(im, name, source, set, n, s));
    return im->classes_only ? FIG_OK : add_row(im, name, s);
}

static fig_status add_ladder(fig__images *im, size_t n) {
    for (size_t i = 0; i < fig__n_corruptions; i++) {
        char name[40];
        fig__seen s = {0};
        snprintf(name, sizeof name, "%s %g", fig__corruptions[i].name, fig__corruptions[i].strength);
        fig_status status = look_and_add(im, name, from_shuffled, &fig__corruptions[i], n, &s);
        seen_free(im->ctx, &s);
        FIG_TRY(status);
    }
    return FIG_OK;
}

/* --- classes ------------------------------------------------------------------------------------------------------*/

static fig_status agreement(fig__images *im, const fig__seen *s, bool generated, fig_interval *out) {
    int32_t *wanted = FIG_NEW_N(im->ctx, int32_t, s->n);
    if (!wanted) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++)
        wanted[i] =
            generated ? (int32_t)im->labels[i % im->n_labels] : fig_pictures_class(im->e->pictures, FIG_SPLIT_VAL, i);
    fig_status status = fig_eval_agreement(im->ctx, s->classes, wanted, s->n, out);
    fig__free(im->ctx, wanted);
    return status;
}

static fig_status score_classes(fig__images *im, const fig__seen *train) {
    size_t n_classes = fig_extractor_n_classes(im->eyes[0]);
    const fig__seen *made = &im->of_generated, *real = &im->of_held_out;
    if (im->has_modes) {
        FIG_TRY(fig_eval_stacked_modes(im->ctx, train->classes, train->n, &im->modes_train));
        return fig_eval_stacked_modes(im->ctx, made->classes, made->n, &im->modes);
    }
    if (!im->has_classes) return FIG_OK;
    FIG_TRY(fig_eval_class_balance(im->ctx, made->classes, made->n, n_classes, NULL, &im->balance));
    im->tv_generated = fig__total_variation(made->classes, made->n, real->classes, real->n, n_classes);
    im->tv_train = fig__total_variation(train->classes, train->n, real->classes, real->n, n_classes);
    im->agreement.known = im->n_labels && im->n_labels == n_classes && (size_t)info_of(im)->n_classes == n_classes;
    if (!im->agreement.known) return FIG_OK;
    FIG_TRY(agreement(im, made, true, &im->agreement.generated));
    return agreement(im, real, false, &im->agreement.real);
}

/* --- memorisation -------------------------------------------------------------------------------------------------*/

static fig_status score_memorisation(fig__images *im) {
    FIG_TRY(seen_new(im, im->n_train, 1, &im->of_train));
    FIG_TRY(look(im, "looking at all training pictures", from_train, NULL, &im->of_train));
    fig_features samples = features_of(im, &im->of_generated, 0), test = features_of(im, &im->of_held_out, 0),
                 train = features_of(im, &im->of_train, 0);
    fig__meter_count("nearest training pictures", 0, 1);
    fig_status status = fig_eval_memorisation(im->ctx, &samples, &test, &train, &im->memorisation, NULL, NULL);
    im->has_memorisation = !status;
    if (status != FIG_ERR_ARG) return status;
    fig__meter_note("figment: note: %s", fig_error(im->ctx)); /* the held-out pictures are in the training set */
    fig_error_clear(im->ctx);
    return FIG_OK;
}

/* --- captions -----------------------------------------------------------------------------------------------------*/

/* For each held-out caption the picture of the training caption that is nearest to it: what looking up gets, so what a
 * model that draws must beat. */
static fig_status retrieve(fig__images *im, const fig_features *texts, float *retrieved) {
    size_t n = im->n_train, d = im->d;
    const char **captions = FIG_NEW_N(im->ctx, const char *, n);
    float *of_train = FIG_NEW_N(im->ctx, float, n *d);
    int32_t *nearest = FIG_NEW_N(im->ctx, int32_t, texts->n);
    fig_status status = captions && of_train && nearest ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; !status && i < n; i++) captions[i] = fig_pictures_caption(im->e->pictures, FIG_SPLIT_TRAIN, i);
    fig_features train = {of_train, n, d};
    if (!status) status = fig_extract_texts(im->eyes[0], captions, n, of_train, NULL);
    if (!status) status = fig_eval_nearest(im->ctx, texts, &train, 1, nearest, NULL);
    for (size_t i = 0; !status && i < texts->n; i++)
        memcpy(retrieved + i * d, im->of_train.features[0] + (size_t)nearest[i] * d, d * sizeof *retrieved);
    fig__free(im->ctx, captions);
    fig__free(im->ctx, of_train);
    fig__free(im->ctx, nearest);
    return status;
}

static fig_status r_precisions(fig__images *im, float *of_texts, float *retrieved) {
    size_t n = FIG_MIN(im->n, im->n_captions);
    uint64_t seed = (uint64_t)im->e->draw.seed;
    fig_features texts = {of_texts, n, im->d}, found = {retrieved, n, im->d},
                 made = {im->of_generated.features[0], n, im->d}, real = {im->of_held_out.features[0], n, im->d};
    FIG_TRY(fig_extract_texts(im->eyes[0], im->captions, n, of_texts, NULL));
    FIG_TRY(retrieve(im, &texts, retrieved));
    im->n_candidates = FIG_MIN(n, CANDIDATES);
    FIG_TRY(fig_eval_r_precision(im->ctx, &made, &texts, im->n_candidates, seed, &im->r_precision.generated));
    FIG_TRY(fig_eval_r_precision(im->ctx, &real, &texts, im->n_candidates, seed, &im->r_precision.real));
    return fig_eval_r_precision(im->ctx, &found, &texts, im->n_candidates, seed, &im->r_precision.retrieved);
}

static fig_status score_captions(fig__images *im) {
    im->r_precision.known = im->n_captions > 1 && fig_extractor_reads(im->eyes[0]);
    if (!im->r_precision.known) return FIG_OK;
    float *block = FIG_NEW_N(im->ctx, float, 2 * im->n_captions * im->d);
    fig_status status = block ? r_precisions(im, block, block + im->n_captions * im->d) : FIG_ERR_NOMEM;
    fig__free(im->ctx, block);
    return status;
}

/* --- all of it ----------------------------------------------------------------------------------------------------*/

static fig_status measure(fig__images *im) {
    fig__seen floor = {0};
    size_t n = FIG_MIN(im->n, im->n_train);
    FIG_TRY(draw(im));
    FIG_TRY(look_at(im, "held-out pictures", from_held_out, NULL, im->n_held_out, &im->of_held_out));
    FIG_TRY(look_and_add(im, "generated", from_generated, NULL, im->n, &im->of_generated));
    fig_status status = look_and_add(im, "training pictures", from_shuffled, NULL, n, &floor);
    if (!status) status = score_classes(im, &floor);
    seen_free(im->ctx, &floor);
    if (status || im->classes_only) return status;
    FIG_TRY(add_ladder(im, n));
    FIG_TRY(score_memorisation(im));
    return score_captions(im);
}

static fig_status run(fig__images *im) {
    fig__eval *e = im->e;
    fig_drawer *drawer; /* only asked whether there can be one, before anything that takes time */
    FIG_TRY(fig_drawer_new(e->model, 1, &drawer));
    fig_drawer_free(drawer);
    FIG_TRY(fig__eval_open_data(e));
    FIG_TRY(fig__eval_find_extractor(e, setting(e->model, "text_length") > 0, &im->extractor_path));
    FIG_TRY(choose_sizes(im));
    FIG_TRY(open_extractor(im));
    note_small(im);
    FIG_TRY(measure(im));
    fig__meter_clear();
    if (e->features) FIG_TRY(fig__images_export(im, e->features));
    return fig__images_print(im);
}

static fig_status evaluate(fig__eval *e, bool classes_only) {
    fig__images im = {.e = e, .ctx = e->args->ctx, .classes_only = classes_only};
    fig_status status = run(&im);
    fig__seen *sets[] = {&im.of_generated, &im.of_held_out, &im.of_train};
    for (size_t i = 0; i < FIG_COUNT(sets); i++) seen_free(im.ctx, sets[i]);
    for (int i = 0; i < FIG__N_NETS; i++) {
        fig__quality_reference_free(im.held_out[i]);
        fig_extractor_free(im.eyes[i]);
        fig_model_free(im.nets[i]);
    }
    fig__free(im.ctx, im.generated);
    fig__free(im.ctx, im.captions);
    fig__free(im.ctx, im.labels);
    return status;
}

fig_status fig__eval_images(fig__eval *e) { return evaluate(e, false); }
fig_status fig__eval_classes(fig__eval *e) { return evaluate(e, true); }
