/* data/pictures/stack.c: three grey pictures at random as red, green and blue of one (Metz et al. 2017, "Stacked
 * MNIST"): many known kinds of pictures from few, to see whether a generator makes all of them. */
#include "base/rng.h"
#include "base/map.h"
#include "data/pictures/pictures.h"

typedef struct stacking {
    fig_context *ctx;
    const fig_pictures *flat;
    fig_data_split split;
    fig__writer *samples, *labels, *captions;
    uint8_t *pixels;
    fig__sha256 *sha;
} stacking;

/* a * n^2 + b * n + c of the classes; -1 where one of them is not known. */
static int32_t stack_one(const stacking *s, uint64_t i) {
    const fig_pictures_info *info = fig_pictures_get_info(s->flat);
    fig_rng_key key = {0, fig__rng_stream("stack"), (uint64_t)s->split};
    int64_t class = 0;
    for (size_t k = 0; k < 3; k++) {
        uint64_t picture = fig__rng_below(&key, i, k * 4, info->n[s->split]);
        const uint8_t *grey = fig_pictures_pixels(s->flat, s->split, picture);
        for (size_t p = 0; p < info->size * info->size; p++) s->pixels[3 * p + k] = grey[p];
        int32_t one = fig_pictures_class(s->flat, s->split, picture);
        class = one < 0 || class < 0 ? -1 : class * info->n_classes + one;
    }
    return (int32_t) class;
}

static fig_status open_writers(stacking *s, const char *dir) {
    const struct {
        const char *ending;
        fig__writer **writer;
    } all[] = {{"bin", &s->samples}, {"labels", &s->labels}, {"captions", &s->captions}};
    for (size_t i = 0; i < FIG_COUNT(all); i++) {
        char *path = fig__pictures_path(s->ctx, dir, s->split, all[i].ending);
        fig_status status = path ? fig__writer_open(s->ctx, path, all[i].writer) : FIG_ERR_NOMEM;
        fig__free(s->ctx, path);
        FIG_TRY(status);
    }
    return FIG_OK;
}

static fig_status commit(fig__writer **w) {
    fig__writer *mine = *w;
    *w = NULL;
    return fig__writer_commit(mine);
}

static fig_status stack_split(stacking *s, const char *dir, fig_data_split split, uint64_t n) {
    size_t bytes = 3 * fig_pictures_get_info(s->flat)->size * fig_pictures_get_info(s->flat)->size;
    s->split = split;
    FIG_TRY(open_writers(s, dir));
    for (uint64_t i = 0; i < n; i++) {
        int32_t class = stack_one(s, i);
        fig__writer_add(s->samples, s->pixels, bytes);
        fig__writer_add(s->labels, &class, sizeof class);
        fig__writer_add(s->captions, "\n", 1);
        fig__sha256_add(s->sha, s->pixels, bytes);
        fig__sha256_add(s->sha, &class, sizeof class);
    }
    FIG_TRY(commit(&s->samples));
    FIG_TRY(commit(&s->labels));
    return commit(&s->captions);
}

static fig_status stack_all(stacking *s, const char *dir, fig_pictures_info *info) {
    const fig_pictures_info *flat = fig_pictures_get_info(s->flat);
    int64_t n_classes = (int64_t)flat->n_classes * flat->n_classes * flat->n_classes;
    FIG_CHECK(s->ctx, flat->channels == 1, FIG_ERR_ARG, "stacking takes grey pictures");
    FIG_CHECK(s->ctx, n_classes <= FIG__PICTURES_MAX_CLASSES, FIG_ERR_LIMIT, "three of %d classes make more than %d",
              (int)flat->n_classes, FIG__PICTURES_MAX_CLASSES);
    *info = *flat;
    info->channels = 3, info->n_classes = (int32_t)n_classes, info->n_captions = 0;
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) FIG_TRY(stack_split(s, dir, (fig_data_split)i, flat->n[i]));
    fig__sha256_hex(s->sha, info->data_sha256);
    return FIG_OK;
}

fig_status fig__pictures_stack(fig_context *ctx, const char *from, const char *to, fig_pictures_info *info) {
    fig_pictures *flat;
    FIG_TRY(fig_pictures_open(ctx, from, &flat));
    size_t side = fig_pictures_get_info(flat)->size;
    stacking s = {.ctx = ctx, .flat = flat, .sha = fig__sha256_new(ctx)};
    s.pixels = FIG_NEW_N(ctx, uint8_t, 3 * side * side);
    fig_status status = s.sha && s.pixels ? stack_all(&s, to, info) : FIG_ERR_NOMEM;
    fig__writer_abort(s.samples);
    fig__writer_abort(s.labels);
    fig__writer_abort(s.captions);
    fig__sha256_free(s.sha);
    fig__free(ctx, s.pixels);
    fig_pictures_close(flat);
    return status;
}
