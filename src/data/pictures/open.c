/* data/pictures/open.c: prepared pictures in use: samples mapped, captions as lines of a mapped file. */
#include <math.h>
#include "base/rng.h"
#include "data/pictures/pictures.h"

typedef struct split {
    fig__mapping samples, labels, attributes;
    char *captions;     /* unescaped, one behind the other, each with its NUL */
    size_t *caption_at; /* [n] */
    uint64_t *chosen;   /* [n]: which of the files' pictures they are, or NULL: all, in their order */
    uint64_t n_stored;
    uint8_t *pixels; /* of the chosen ones, or NULL */
} split;

struct fig_pictures {
    fig_context *ctx;
    fig__pictures_manifest manifest;
    split split[FIG_SPLIT_COUNT];
    double *upto; /* [n of training]: the share of an epoch that a picture and those before it have; NULL: equal ones */
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
            s->captions[to++] = c == FIG__CAPTION_END ? 0 : c;
        }
    }
    FIG_CHECK(p->ctx, line == n, FIG_ERR_FORMAT, "captions of %llu pictures for %llu; prepare the data again",
              (unsigned long long)line, (unsigned long long)n);
    return FIG_OK;
}

static int16_t stored_value(const fig_pictures *p, fig_data_split which, uint64_t i, size_t attribute) {
    const split *s = &p->split[which];
    int16_t value;
    memcpy(&value, s->attributes.data + (attribute * s->n_stored + i) * sizeof value, sizeof value);
    return value;
}

static fig_status open_attributes(fig_pictures *p, const char *dir, fig_data_split which) {
    const fig__attributes *all = &p->manifest.attributes;
    split *s = &p->split[which];
    if (!all->n) return FIG_OK;
    FIG_TRY(map_part(p, dir, which, "attributes", all->n * s->n_stored * sizeof(int16_t), &s->attributes));
    for (size_t a = 0; a < all->n; a++)
        for (uint64_t i = 0; i < s->n_stored; i++) {
            int value = stored_value(p, which, i, a), n = (int)all->data[a].values.n;
            FIG_CHECK(p->ctx, value >= -1 && value < n, FIG_ERR_FORMAT,
                      "%s: value %d of the %d of \"%.80s\"; prepare the data again", dir, value, n, all->data[a].name);
        }
    return FIG_OK;
}

static fig_status open_split(fig_pictures *p, const char *dir, fig_data_split which) {
    const fig_pictures_info *info = &p->manifest.info;
    uint64_t n = info->n[which], size = info->size * info->size * info->channels;
    split *s = &p->split[which];
    fig__mapping captions = {0};
    if (!n) return FIG_OK;
    s->n_stored = n;
    FIG_TRY(map_part(p, dir, which, "bin", n * size, &s->samples));
    FIG_TRY(map_part(p, dir, which, "labels", n * sizeof(int32_t), &s->labels));
    for (uint64_t i = 0; i < n; i++) {
        int32_t c = fig_pictures_class(p, which, i);
        FIG_CHECK(p->ctx, c >= -1 && c < info->n_classes, FIG_ERR_FORMAT,
                  "%s: a class %d of %d; prepare the data again", dir, c, info->n_classes);
    }
    FIG_TRY(open_attributes(p, dir, which));
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
        fig__file_unmap(&p->split[i].attributes);
        fig__free(p->ctx, p->split[i].chosen);
        fig__free(p->ctx, p->split[i].pixels);
        fig__free(p->ctx, p->split[i].captions);
        fig__free(p->ctx, p->split[i].caption_at);
    }
    fig__pictures_manifest_deinit(p->ctx, &p->manifest);
    fig__free(p->ctx, p->upto);
    fig__free(p->ctx, p);
}

const fig_pictures_info *fig_pictures_get_info(const fig_pictures *p) { return &p->manifest.info; }

/* --- one of them ------------------------------------------------------------------------------------------------*/

static uint64_t place(const split *s, uint64_t i) { return s->chosen ? s->chosen[i] : i; }

const uint8_t *fig_pictures_pixels(const fig_pictures *p, fig_data_split which, uint64_t i) {
    const fig_pictures_info *info = &p->manifest.info;
    const split *s = &p->split[which];
    return (s->pixels ? s->pixels : s->samples.data) + i * info->size * info->size * info->channels;
}

int32_t fig_pictures_class(const fig_pictures *p, fig_data_split which, uint64_t i) {
    int32_t c;
    memcpy(&c, p->split[which].labels.data + place(&p->split[which], i) * sizeof c, sizeof c);
    return c;
}

const char *fig_pictures_caption(const fig_pictures *p, fig_data_split which, uint64_t i) {
    return p->split[which].captions + p->split[which].caption_at[place(&p->split[which], i)];
}

uint64_t fig_pictures_n_captions_of(const fig_pictures *p, fig_data_split which, uint64_t i) {
    const split *s = &p->split[which];
    uint64_t n = 0;
    const char *end = s->captions + s->caption_at[place(s, i) + 1];
    for (const char *c = fig_pictures_caption(p, which, i); c < end; c++) n += !*c;
    return n;
}

const char *fig_pictures_caption_of(const fig_pictures *p, fig_data_split which, uint64_t i, uint64_t k) {
    const char *caption = fig_pictures_caption(p, which, i);
    for (k %= fig_pictures_n_captions_of(p, which, i); k; k--) caption += strlen(caption) + 1;
    return caption;
}

const char *fig_pictures_class_name(const fig_pictures *p, int32_t c) {
    return c >= 0 && (size_t)c < p->manifest.classes.n ? p->manifest.classes.data[c] : "";
}

size_t fig_pictures_n_attributes(const fig_pictures *p) { return p->manifest.attributes.n; }
const char *fig_pictures_attribute_name(const fig_pictures *p, size_t a) { return p->manifest.attributes.data[a].name; }
size_t fig_pictures_n_values(const fig_pictures *p, size_t a) { return p->manifest.attributes.data[a].values.n; }
const char *fig_pictures_value_name(const fig_pictures *p, size_t a, int32_t value) {
    const fig__class_names *values = &p->manifest.attributes.data[a].values;
    return value >= 0 && (size_t)value < values->n ? values->data[value] : "";
}
int32_t fig_pictures_attribute(const fig_pictures *p, fig_data_split which, uint64_t i, size_t a) {
    return stored_value(p, which, place(&p->split[which], i), a);
}

/* --- epochs -----------------------------------------------------------------------------------------------------*/

/* Of `share` of an epoch. */
static uint64_t find_share(const fig_pictures *p, double share) {
    uint64_t low = 0, high = p->manifest.info.n[FIG_SPLIT_TRAIN] - 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (p->upto[middle] > share)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Unequal shares are hit by one point in each n-th of the epoch, so that a picture comes as often as its share says, or
 * once more. */
uint64_t fig_pictures_sample(const fig_pictures *p, fig_data_split which, uint64_t seed, uint64_t sample) {
    uint64_t n = p->manifest.info.n[which];
    fig_rng_key key = {seed, fig__rng_stream("data.pictures"), n ? sample / n : 0};
    if (!n) return 0;
    uint64_t at = fig__rng_permute(&key, sample % n, n);
    if (!p->upto || which != FIG_SPLIT_TRAIN) return at;
    return find_share(p, ((double)at + fig__rng_uniform(&key, at, 0)) / (double)n);
}

fig_status fig_pictures_balance(fig_pictures *p, double strength) {
    const fig_pictures_info *info = &p->manifest.info;
    uint64_t n = info->n[FIG_SPLIT_TRAIN];
    double total = 0;
    fig__free(p->ctx, p->upto);
    p->upto = NULL;
    if (!n || strength == 0) return FIG_OK;
    FIG_CHECK(p->ctx, info->n_classes, FIG_ERR_ARG, "there are no classes to balance in these pictures");
    double *upto = FIG_NEW_N(p->ctx, double, n), *of_class = FIG_NEW_N(p->ctx, double, (size_t)info->n_classes + 1);
    if (!upto || !of_class) return fig__free(p->ctx, upto), fig__free(p->ctx, of_class), FIG_ERR_NOMEM;
    for (uint64_t i = 0; i < n; i++) of_class[fig_pictures_class(p, FIG_SPLIT_TRAIN, i) + 1]++;
    for (uint64_t i = 0; i < n; i++)
        upto[i] = total += pow(of_class[fig_pictures_class(p, FIG_SPLIT_TRAIN, i) + 1], -strength);
    for (uint64_t i = 0; i < n; i++) upto[i] /= total;
    fig__free(p->ctx, of_class);
    p->upto = upto;
    return FIG_OK;
}

/* --- some of them -----------------------------------------------------------------------------------------------*/

/* "a, b and c" of as many names as fit. */
static const char *list(const fig__class_names *names, char *out, size_t size) {
    size_t at = 0;
    for (size_t i = 0; i < names->n && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s",
                               !i                  ? ""
                               : i + 1 == names->n ? " and "
                                                   : ", ",
                               names->data[i]);
    return names->n ? out : "none";
}

fig_status fig_pictures_find_attribute(const fig_pictures *p, const char *name, size_t *a) {
    const fig__attributes *all = &p->manifest.attributes;
    char *texts[FIG__ATTRIBUTES_MAX], known[600];
    fig__class_names names = {.data = texts, .n = all->n};
    for (*a = 0; *a < all->n; ++*a) {
        if (!strcmp(all->data[*a].name, name)) return FIG_OK;
        texts[*a] = all->data[*a].name;
    }
    return FIG_FAIL(p->ctx, FIG_ERR_NOTFOUND, "the metadata of the pictures have no \"%.80s\"; there are: %s", name,
                    list(&names, known, sizeof known));
}

static fig_status find_value(const fig_pictures *p, const fig__attribute *a, const char *text, int32_t *value) {
    char known[600];
    for (*value = -1; *text && ++*value < (int32_t)a->values.n;)
        if (!strcmp(a->values.data[*value], text)) return FIG_OK;
    FIG_CHECK(p->ctx, !*text, FIG_ERR_NOTFOUND, "\"%.80s\" is never \"%.80s\"; it is: %s", a->name, text,
              list(&a->values, known, sizeof known));
    return FIG_OK;
}

/* Samples lie behind each other for whoever reads many at once. */
static fig_status gather(fig_pictures *p, split *s, const uint64_t *chosen, uint64_t n, uint8_t **pixels) {
    const fig_pictures_info *info = &p->manifest.info;
    size_t size = info->size * info->size * info->channels;
    *pixels = fig__alloc(p->ctx, n * size);
    if (!*pixels) return FIG_ERR_NOMEM;
    for (uint64_t i = 0; i < n; i++) memcpy(*pixels + i * size, s->samples.data + chosen[i] * size, size);
    return FIG_OK;
}

fig_status fig_pictures_select(fig_pictures *p, fig_data_split which, const char *attribute, const char *value) {
    split *s = &p->split[which];
    uint64_t n = 0, before = p->manifest.info.n[which];
    size_t a;
    int32_t wanted;
    uint8_t *pixels = NULL;
    FIG_TRY(fig_pictures_find_attribute(p, attribute, &a));
    FIG_TRY(find_value(p, &p->manifest.attributes.data[a], value, &wanted));
    uint64_t *chosen = FIG_NEW_N(p->ctx, uint64_t, before + 1);
    if (!chosen) return FIG_ERR_NOMEM;
    for (uint64_t i = 0; i < before; i++)
        if (fig_pictures_attribute(p, which, i, a) == wanted) chosen[n++] = place(s, i);
    fig_status status = n ? gather(p, s, chosen, n, &pixels)
                          : FIG_FAIL(p->ctx, FIG_ERR_NOTFOUND, "of no %s picture \"%.80s\" is \"%.80s\"",
                                     which == FIG_SPLIT_VAL ? "held-out" : "training", attribute, value);
    if (status) return fig__free(p->ctx, chosen), status;
    fig__free(p->ctx, s->chosen);
    fig__free(p->ctx, s->pixels);
    s->chosen = chosen, s->pixels = pixels, p->manifest.info.n[which] = n;
    return FIG_OK;
}
