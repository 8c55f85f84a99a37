/* data/pictures/open.c: prepared pictures in use: samples mapped, captions as lines of a mapped file. */
#include "base/rng.h"
#include "data/pictures/pictures.h"

typedef struct split {
    fig__mapping samples, labels;
    char *captions;     /* unescaped, one behind the other, each with its NUL */
    size_t *caption_at; /* [n] */
} split;

struct fig_pictures {
    fig_context *ctx;
    fig__pictures_manifest manifest;
    split split[FIG_SPLIT_COUNT];
};

static fig_status map_part(fig_pictures *p, const char *dir, fig_data_split which, const char *ending, uint64_t bytes,
                           fig__mapping *out) {
    char *path = fig__pictures_path(p->ctx, dir, which, ending);
    fig_status status = path ? fig__file_map(p->ctx, path, out) : FIG_ERR_NOMEM;
    if (!status && out->size != bytes && bytes != UINT64_MAX)
        status =
            FIG_FAIL(p->ctx, FIG_ERR_FORMAT, "%s: does not fit the manifest beside it; prepare the data again", path);
    fig__free(p->ctx, path);
    return status;
}

/* Undoes what prepare.c escaped, in place over the copy. */
static fig_status index_captions(fig_pictures *p, split *s, const fig__mapping *map, uint64_t n) {
    s->captions = fig__alloc(p->ctx, map->size + 1);
    s->caption_at = FIG_NEW_N(p->ctx, size_t, (size_t)n + 2); /* one for a line too many */
    if (!s->captions || !s->caption_at) return FIG_ERR_NOMEM;
    size_t to = 0;
    uint64_t line = 0;
    for (size_t i = 0; i < map->size && line <= n; i++) {
        char c = (char)map->data[i];
        if (c == '\n') {
            s->captions[to++] = 0;
            s->caption_at[++line] = to;
        } else if (c == '\\' && i + 1 < map->size) {
            c = (char)map->data[++i];
            s->captions[to++] = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        } else {
            s->captions[to++] = c;
        }
    }
    FIG_CHECK(p->ctx, line == n, FIG_ERR_FORMAT, "captions of %llu pictures for %llu; prepare the data again",
              (unsigned long long)line, (unsigned long long)n);
    return FIG_OK;
}

static fig_status open_split(fig_pictures *p, const char *dir, fig_data_split which) {
    const fig_pictures_info *info = &p->manifest.info;
    uint64_t n = info->n[which], size = info->size * info->size * info->channels;
    split *s = &p->split[which];
    fig__mapping captions = {0};
    if (!n) return FIG_OK;
    FIG_TRY(map_part(p, dir, which, "bin", n * size, &s->samples));
    FIG_TRY(map_part(p, dir, which, "labels", n * sizeof(int32_t), &s->labels));
    for (uint64_t i = 0; i < n; i++) {
        int32_t c = fig_pictures_class(p, which, i);
        FIG_CHECK(p->ctx, c >= -1 && c < info->n_classes, FIG_ERR_FORMAT,
                  "%s: a class %d of %d; prepare the data again", dir, c, info->n_classes);
    }
    FIG_TRY(map_part(p, dir, which, "captions", UINT64_MAX, &captions));
    fig_status status = index_captions(p, s, &captions, n);
    fig__file_unmap(&captions);
    return status;
}

fig_status fig_pictures_open(fig_context *ctx, const char *dir, fig_pictures **out) {
    *out = NULL;
    FIG_CHECK(ctx, fig_pictures_is_prepared(dir), FIG_ERR_NOTFOUND, "%s: holds no prepared pictures (no manifest.json)",
              dir);
    fig_pictures *p = FIG_NEW(ctx, fig_pictures);
    if (!p) return FIG_ERR_NOMEM;
    p->ctx = ctx;
    fig_status status = fig__pictures_manifest_load(ctx, dir, &p->manifest);
    for (int i = 0; i < FIG_SPLIT_COUNT && !status; i++) status = open_split(p, dir, (fig_data_split)i);
    if (status)
        fig_pictures_close(p);
    else
        *out = p;
    return status;
}

void fig_pictures_close(fig_pictures *p) {
    if (!p) return;
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        fig__file_unmap(&p->split[i].samples);
        fig__file_unmap(&p->split[i].labels);
        fig__free(p->ctx, p->split[i].captions);
        fig__free(p->ctx, p->split[i].caption_at);
    }
    fig__pictures_manifest_deinit(p->ctx, &p->manifest);
    fig__free(p->ctx, p);
}

const fig_pictures_info *fig_pictures_get_info(const fig_pictures *p) { return &p->manifest.info; }

const uint8_t *fig_pictures_pixels(const fig_pictures *p, fig_data_split which, uint64_t i) {
    const fig_pictures_info *info = &p->manifest.info;
    return p->split[which].samples.data + i * info->size * info->size * info->channels;
}

int32_t fig_pictures_class(const fig_pictures *p, fig_data_split which, uint64_t i) {
    int32_t c;
    memcpy(&c, p->split[which].labels.data + i * sizeof c, sizeof c);
    return c;
}

const char *fig_pictures_caption(const fig_pictures *p, fig_data_split which, uint64_t i) {
    return p->split[which].captions + p->split[which].caption_at[i];
}

const char *fig_pictures_class_name(const fig_pictures *p, int32_t c) {
    return c >= 0 && (size_t)c < p->manifest.classes.n ? p->manifest.classes.data[c] : "";
}

uint64_t fig_pictures_sample(const fig_pictures *p, fig_data_split which, uint64_t seed, uint64_t sample) {
    uint64_t n = p->manifest.info.n[which];
    fig_rng_key key = {seed, fig__rng_stream("data.pictures"), n ? sample / n : 0};
    return n ? fig__rng_permute(&key, sample % n, n) : 0;
}
