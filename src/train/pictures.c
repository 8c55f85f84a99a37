/* train/pictures.c: see pictures.h. Which picture a row is follows from seed and number of the row alone. */
#include "train/pictures.h"
#include <math.h>
#include "base/rng.h"
#include "media/image/image.h"
#include "media/image/values.h"

fig_status fig__pictures_fit(const fig_trainer *t) {
    FIG_CHECK(t->ctx, t->data.pictures, FIG_ERR_ARG, "%s learns from pictures", fig_model_arch(t->model)->name);
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    long long side = (long long)fig_model_get_int(t->model, "image_size"),
              channels = (long long)fig_model_get_int(t->model, "n_channels");
    FIG_CHECK(t->ctx, side == (long long)info->size && channels == (long long)info->channels, FIG_ERR_ARG,
              "the model takes pictures of %lld x %lld x %lld, the data has %zu x %zu x %zu", side, side, channels,
              info->size, info->size, info->channels);
    FIG_CHECK(t->ctx, info->n[FIG_SPLIT_TRAIN], FIG_ERR_ARG, "there are no pictures to learn from");
    return fig_pictures_balance(t->data.pictures, t->o.balance);
}

uint64_t fig__pictures_row(const fig_trainer *t, int64_t r) {
    uint64_t of_batch = (uint64_t)(t->o.batch_size * t->o.grad_accum);
    return fig_pictures_sample(t->data.pictures, FIG_SPLIT_TRAIN, (uint64_t)t->o.seed,
                               (uint64_t)t->p.iter * of_batch + (uint64_t)r);
}

const char *fig__pictures_caption(const fig_trainer *t, int64_t r) {
    fig_rng_key key = {(uint64_t)t->o.seed, fig__rng_stream("caption"), (uint64_t)t->p.iter};
    uint64_t k = fig__rng_below(&key, (uint64_t)r, 0, UINT32_MAX);
    return fig_pictures_caption_of(t->data.pictures, FIG_SPLIT_TRAIN, fig__pictures_row(t, r), k);
}

size_t fig__pictures_numbers(const fig_trainer *t) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    return info->size * info->size * info->channels;
}

void fig__pictures_values(const fig_trainer *t, fig_data_split split, uint64_t i, double low, float *out) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    fig__image_to_values(fig_pictures_pixels(t->data.pictures, split, i), info->size * info->size, info->channels, low,
                         out);
}

/* Mirrored or moved, by what the row's own randomness says: element 0 mirrors, 1 and 2 move. What comes in at the edges
 * is the lowest value: black, or nothing. */
static void augmented(const fig_trainer *t, uint64_t row, uint64_t picture, double low, float *x) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    const uint8_t *pixels = fig_pictures_pixels(t->data.pictures, FIG_SPLIT_TRAIN, picture);
    fig_rng_key key = {(uint64_t)t->o.seed, fig__rng_stream("augment"), (uint64_t)t->p.iter};
    int64_t side = (int64_t)info->size, span = 2 * t->o.shift + 1;
    size_t c = info->channels;
    bool mirrored = t->o.flip && fig__rng_uniform(&key, row, 0) < 0.5;
    int64_t dx = (int64_t)fig__rng_below(&key, row, 1, (uint64_t)span) - t->o.shift,
            dy = (int64_t)fig__rng_below(&key, row, 2, (uint64_t)span) - t->o.shift;
    int64_t first = FIG_MAX(dx, 0), last = FIG_MAX(FIG_MIN(side + dx, side), first);
    for (size_t i = 0; i < (size_t)(side * side) * c; i++) x[i] = (float)low;
    for (int64_t y = FIG_MAX(dy, 0); y < FIG_MIN(side + dy, side); y++) {
        const uint8_t *from = pixels + (size_t)((y - dy) * side) * c;
        float *to = x + (size_t)(y * side) * c;
        if (!mirrored)
            fig__image_to_values(from + (size_t)(first - dx) * c, (size_t)(last - first), c, low,
                                 to + (size_t)first * c);
        for (int64_t at = first; mirrored && at < last; at++)
            fig__image_to_values(from + (size_t)(side - 1 + dx - at) * c, 1, c, low, to + (size_t)at * c);
    }
}

typedef struct feed_job {
    const fig_trainer *t;
    float *x;
    int64_t first;
    double low;
} feed_job;
static void feed_row(void *arg, size_t r, int thread) {
    (void)thread;
    const feed_job *j = arg;
    int64_t row = j->first + (int64_t)r;
    uint64_t picture = fig__pictures_row(j->t, row);
    float *x = j->x + r * fig__pictures_numbers(j->t);
    if (j->t->o.flip || j->t->o.shift)
        augmented(j->t, (uint64_t)row, picture, j->low, x);
    else
        fig__pictures_values(j->t, FIG_SPLIT_TRAIN, picture, j->low, x);
}
void fig__pictures_feed(const fig_trainer *t, fig_plan *plan, fig_tensor *x, int64_t i, double low) {
    feed_job j = {t, fig_plan_data(plan, x), i * t->o.batch_size, low};
    fig__parallel(t->ctx, (size_t)t->o.batch_size, feed_row, &j);
}

double fig__pictures_flops(const fig_trainer *t) {
    double sum = 0;
    for (int i = 0; i < t->n_phases; i++) sum += fig__graph_operations(t->phases[i].g);
    return sum * (double)t->o.grad_accum;
}

const char *fig__pictures_data_id(const fig_trainer *t) { return fig_pictures_get_info(t->data.pictures)->data_sha256; }

double fig__pictures_per_step(const fig_trainer *t) { return (double)(t->o.batch_size * t->o.grad_accum); }

fig_status fig__pictures_read(fig_trainer *t) {
    t->p.n_tokens += (uint64_t)(t->o.batch_size * t->o.grad_accum);
    return FIG_OK;
}

fig__held_out fig__pictures_held_out(const fig_trainer *t) {
    return fig__held_out_of(t, fig_pictures_get_info(t->data.pictures)->n[FIG_SPLIT_VAL]);
}

/* --- previews ---------------------------------------------------------------------------------------------------*/

#define GAP 2

typedef struct sheet {
    fig__image image;
    size_t across, side;
} sheet;

static bool place(void *user, int64_t sample, const uint8_t *pixels) {
    sheet *s = user;
    size_t row_bytes = s->side * s->image.c, cell = s->side + GAP;
    size_t x = (size_t)sample % s->across * cell + GAP, y = (size_t)sample / s->across * cell + GAP;
    for (size_t r = 0; r < s->side; r++)
        memcpy(s->image.data + ((y + r) * s->image.w + x) * s->image.c, pixels + r * row_bytes, row_bytes);
    return true;
}

static fig_status draw_sheet(const fig_trainer *t, const fig_draw_options *o, fig__buf *file) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    sheet s = {.across = (size_t)ceil(sqrt((double)o->num_samples)), .side = info->size};
    size_t down = ((size_t)o->num_samples + s.across - 1) / s.across, cell = s.side + GAP;
    FIG_TRY(fig__image_new(t->ctx, s.across * cell + GAP, down * cell + GAP, info->channels, &s.image));
    fig_status status = fig_draw(t->drawer, o, place, &s, NULL);
    if (!status) status = fig__png_encode(t->ctx, &s.image, NULL, 0, file);
    fig__image_free(t->ctx, &s.image);
    return status;
}

/* Captions spread evenly over the split. */
static void choose_prompts(const fig_trainer *t, const char **prompts, size_t n) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    fig_data_split split = info->n[FIG_SPLIT_VAL] ? FIG_SPLIT_VAL : FIG_SPLIT_TRAIN;
    for (size_t i = 0; i < n; i++) prompts[i] = fig_pictures_caption(t->data.pictures, split, i * info->n[split] / n);
}

fig_status fig__pictures_ready(fig_trainer *t) {
    return fig_drawer_new(t->model, (size_t)FIG_MIN(t->o.sample_count, t->o.batch_size), &t->drawer);
}

fig_status fig__pictures_preview(fig_trainer *t, fig__buf *file) {
    size_t n = (size_t)t->o.sample_count, n_classes = (size_t)fig_model_get_int(t->model, "n_classes");
    fig_draw_options o;
    fig_draw_defaults(&o);
    o.num_samples = t->o.sample_count;
    o.seed = t->o.seed;
    const char **prompts = FIG_NEW_N(t->ctx, const char *, n);
    int64_t *labels = FIG_NEW_N(t->ctx, int64_t, n_classes + 1);
    fig_status status = prompts && labels ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < n_classes && labels; i++) labels[i] = (int64_t)i;
    o.labels = labels, o.n_labels = n_classes;
    if (fig_model_get_int(t->model, "text_length") && !status) {
        choose_prompts(t, prompts, n);
        o.prompts = prompts, o.n_prompts = n;
    }
    if (!status) status = draw_sheet(t, &o, file);
    fig__free(t->ctx, prompts);
    fig__free(t->ctx, labels);
    return status;
}

/* --- pairs ------------------------------------------------------------------------------------------------------*/

/* Pictures of the split spread evenly over it; with none held out, of the training split. */
static const uint8_t *shown(const fig_trainer *t, size_t i, size_t n) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    fig_data_split split = info->n[FIG_SPLIT_VAL] ? FIG_SPLIT_VAL : FIG_SPLIT_TRAIN;
    return fig_pictures_pixels(t->data.pictures, split, i * info->n[split] / n);
}

static bool place_below(void *user, int64_t pair, const uint8_t *pixels) {
    sheet *s = user;
    size_t row = (size_t)pair / s->across, column = (size_t)pair % s->across;
    return place(s, (int64_t)((2 * row + 1) * s->across + column), pixels);
}

static fig_status draw_pairs(const fig_trainer *t, size_t n, sheet *s, fig__buf *file) {
    fig_draw_options o;
    size_t l = fig_drawer_n_latent(t->drawer);
    float *latents = FIG_NEW_N(t->ctx, float, n *l);
    fig_status status = latents ? FIG_OK : FIG_ERR_NOMEM;
    fig_draw_defaults(&o);
    o.num_samples = (int64_t)n;
    for (size_t i = 0; i < n && !status; i++) {
        const uint8_t *pixels = shown(t, i, n);
        place(s, (int64_t)(i / s->across * 2 * s->across + i % s->across), pixels);
        status = fig_draw_encode(t->drawer, pixels, 1, latents + i * l);
    }
    if (!status) status = fig_draw_latents(t->drawer, &o, latents, place_below, s, NULL);
    if (!status) status = fig__png_encode(t->ctx, &s->image, NULL, 0, file);
    fig__free(t->ctx, latents);
    return status;
}

fig_status fig__pictures_pairs(fig_trainer *t, fig__buf *file) {
    const fig_pictures_info *info = fig_pictures_get_info(t->data.pictures);
    sheet s = {.across = (size_t)ceil(sqrt((double)t->o.sample_count)), .side = info->size};
    if (!s.across) return FIG_OK;
    size_t rows = (s.across + 1) / 2, cell = s.side + GAP;
    FIG_TRY(fig__image_new(t->ctx, s.across * cell + GAP, 2 * rows * cell + GAP, info->channels, &s.image));
    fig_status status = draw_pairs(t, rows * s.across, &s, file);
    fig__image_free(t->ctx, &s.image);
    return status;
}
