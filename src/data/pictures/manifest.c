/* data/pictures/manifest.c: manifest.json of prepared pictures, every number checked. */
#include "data/pictures/pictures.h"

#define NAME "manifest.json"
#define MAX_BYTES ((size_t)256 << 20)

char *fig__pictures_path(fig_context *ctx, const char *dir, fig_data_split split, const char *ending) {
    char name[32];
    snprintf(name, sizeof name, "%s.%s", fig_split_name(split), ending);
    return fig__path_join(ctx, dir, name);
}

void fig__class_names_deinit(fig_context *ctx, fig__class_names *names) {
    for (size_t i = 0; i < names->n; i++) fig__free(ctx, names->data[i]);
    fig__free(ctx, names->data);
    *names = (fig__class_names){0};
}
void fig__pictures_manifest_deinit(fig_context *ctx, fig__pictures_manifest *m) {
    fig__class_names_deinit(ctx, &m->classes);
    fig__attributes_deinit(ctx, &m->attributes);
}

static bool same_texts(const fig__class_names *a, const fig__class_names *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) same = !strcmp(a->data[i], b->data[i]);
    return same;
}

bool fig__pictures_manifest_same(const fig__pictures_manifest *a, const fig__pictures_manifest *b) {
    const fig_pictures_info *x = &a->info, *y = &b->info;
    bool same = x->size == y->size && x->channels == y->channels && x->n_classes == y->n_classes &&
                !memcmp(x->n, y->n, sizeof x->n) && !strcmp(x->data_sha256, y->data_sha256) &&
                same_texts(&a->classes, &b->classes) && a->attributes.n == b->attributes.n;
    for (size_t i = 0; same && i < a->attributes.n; i++) {
        const fig__attribute *f = &a->attributes.data[i], *g = &b->attributes.data[i];
        same = !strcmp(f->name, g->name) && same_texts(&f->values, &g->values);
    }
    return same;
}

bool fig_pictures_is_prepared(const char *path) {
    char name[4096], head[256];
    if (snprintf(name, sizeof name, "%s/" NAME, path) >= (int)sizeof name) return false;
    FILE *file = fopen(name, "rbe");
    if (!file) return false;
    size_t n = fread(head, 1, sizeof head - 1, file);
    fclose(file);
    head[n] = 0;
    return strstr(head, "\"" FIG__PICTURES_FORMAT "\"") != NULL;
}

/* --- writing ----------------------------------------------------------------------------------------------------*/

static fig__json *texts_json(const fig__class_names *texts) {
    fig__json *j = fig__json_new_array();
    fig_status bad = FIG_OK;
    for (size_t i = 0; i < texts->n; i++)
        bad |= fig__json_push(j, fig__json_new_strn(texts->data[i], strlen(texts->data[i])));
    if (!bad) return j;
    fig__json_free(j);
    return NULL;
}

static fig__json *attributes_json(const fig__attributes *all) {
    fig__json *j = fig__json_new_object();
    fig_status bad = FIG_OK;
    for (size_t i = 0; i < all->n; i++) bad |= fig__json_put(j, all->data[i].name, texts_json(&all->data[i].values));
    if (!bad) return j;
    fig__json_free(j);
    return NULL;
}

static fig__json *manifest_json(const fig__pictures_manifest *m) {
    const fig_pictures_info *info = &m->info;
    fig__json *j = fig__json_new_object(), *splits = fig__json_new_object();
    fig_status bad = fig__json_put(j, "format", fig__json_new_str(FIG__PICTURES_FORMAT));
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"version", FIG__PICTURES_VERSION}, {"size", info->size},
                   {"channels", info->channels},       {"n_classes", (uint64_t)info->n_classes},
                   {"captions", info->n_captions},     {"other_files", info->n_other},
                   {"broken", info->n_broken}};
    const struct {
        const char *key, *value;
    } texts[] = {{"first_broken", info->first_broken},
                 {"data_sha256", info->data_sha256},
                 {"licence", info->licence},
                 {"origin", info->origin},
                 {"fingerprint", m->fingerprint}};
    for (size_t i = 0; i < FIG_COUNT(numbers); i++)
        bad |= fig__json_put(j, numbers[i].key, fig__json_new_int((int64_t)numbers[i].value));
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        bad |= fig__json_put(splits, fig_split_name((fig_data_split)i), fig__json_new_int((int64_t)info->n[i]));
    bad |= fig__json_put(j, "splits", splits);
    for (size_t i = 0; i < FIG_COUNT(texts); i++)
        bad |= fig__json_put(j, texts[i].key, fig__json_new_strn(texts[i].value, strlen(texts[i].value)));
    bad |= fig__json_put(j, "classes", texts_json(&m->classes));
    bad |= fig__json_put(j, "attributes", attributes_json(&m->attributes));
    if (!bad) return j;
    fig__json_free(j);
    return NULL;
}

fig_status fig__pictures_manifest_save(fig_context *ctx, const char *dir, const fig__pictures_manifest *m) {
    fig__json *j = manifest_json(m);
    char *path = fig__path_join(ctx, dir, NAME);
    fig_status status = j && path ? fig__json_save(ctx, path, j, 1) : FIG_ERR_NOMEM;
    fig__json_free(j);
    fig__free(ctx, path);
    return status;
}

/* --- reading ----------------------------------------------------------------------------------------------------*/

static fig_status get(fig_context *ctx, const char *path, const fig__json *j, const char *key, int64_t low,
                      int64_t high, int64_t *out) {
    *out = fig__json_int(fig__json_get(j, key), low - 1);
    FIG_CHECK(ctx, *out >= low && *out <= high, FIG_ERR_FORMAT, "%s: \"%s\" is missing or out of range", path, key);
    return FIG_OK;
}

static void get_text(const fig__json *j, const char *key, char *out, size_t size) {
    snprintf(out, size, "%s", fig__json_str(fig__json_get(j, key), ""));
}

static fig_status get_attributes(fig_context *ctx, const char *path, const fig__json *j, fig__attributes *all) {
    FIG_CHECK(ctx, fig__json_size(j) <= FIG__ATTRIBUTES_MAX, FIG_ERR_FORMAT, "%s: more than %d attributes", path,
              FIG__ATTRIBUTES_MAX);
    for (size_t i = 0; i < fig__json_size(j); i++) {
        fig__json *values;
        size_t at;
        const char *name = fig__json_key(j, i, &values);
        FIG_TRY(fig__attributes_find(ctx, all, name, &at));
        FIG_CHECK(ctx, at == i && fig__json_size(values) <= FIG__ATTRIBUTE_MAX_VALUES, FIG_ERR_FORMAT,
                  "%s: the attribute \"%.80s\" is there twice or has more than %d values", path, name,
                  FIG__ATTRIBUTE_MAX_VALUES);
        for (size_t k = 0; k < fig__json_size(values); k++)
            FIG_TRY(fig__attribute_add_value(ctx, &all->data[at], fig__json_str(fig__json_at(values, k), "")));
    }
    return FIG_OK;
}

static fig_status read_manifest(fig_context *ctx, const char *path, const fig__json *j, fig__pictures_manifest *m) {
    fig_pictures_info *info = &m->info;
    int64_t version, size, channels, n_classes, captions, other, broken, n;
    FIG_TRY(get(ctx, path, j, "version", FIG__PICTURES_VERSION, FIG__PICTURES_VERSION, &version));
    FIG_TRY(get(ctx, path, j, "size", 1, 65535, &size));
    FIG_TRY(get(ctx, path, j, "channels", 1, 4, &channels));
    FIG_TRY(get(ctx, path, j, "n_classes", 0, FIG__PICTURES_MAX_CLASSES, &n_classes));
    FIG_TRY(get(ctx, path, j, "captions", 0, INT64_MAX, &captions));
    FIG_TRY(get(ctx, path, j, "other_files", 0, INT64_MAX, &other));
    FIG_TRY(get(ctx, path, j, "broken", 0, INT64_MAX, &broken));
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        FIG_TRY(get(ctx, path, fig__json_get(j, "splits"), fig_split_name((fig_data_split)i), 0, INT64_MAX >> 20, &n));
        info->n[i] = (uint64_t)n;
    }
    info->size = (size_t)size, info->channels = (size_t)channels, info->n_classes = (int32_t)n_classes;
    info->n_captions = (uint64_t)captions, info->n_other = (uint64_t)other, info->n_broken = (uint64_t)broken;
    get_text(j, "first_broken", info->first_broken, sizeof info->first_broken);
    get_text(j, "data_sha256", info->data_sha256, sizeof info->data_sha256);
    get_text(j, "licence", info->licence, sizeof info->licence);
    get_text(j, "origin", info->origin, sizeof info->origin);
    get_text(j, "fingerprint", m->fingerprint, sizeof m->fingerprint);
    const fig__json *classes = fig__json_get(j, "classes");
    for (size_t i = 0; i < fig__json_size(classes); i++) {
        char *name = fig__strdup(ctx, fig__json_str(fig__json_at(classes, i), ""));
        fig_status status = name ? FIG_PUSH(ctx, &m->classes, name) : FIG_ERR_NOMEM;
        if (status) return fig__free(ctx, name), status;
    }
    FIG_CHECK(ctx, !m->classes.n || m->classes.n == (size_t)n_classes, FIG_ERR_FORMAT, "%s: %zu names of %lld classes",
              path, m->classes.n, (long long)n_classes);
    return get_attributes(ctx, path, fig__json_get(j, "attributes"), &m->attributes);
}

fig_status fig__pictures_manifest_parse(fig_context *ctx, const char *name, const char *text, size_t len,
                                        fig__pictures_manifest *m) {
    fig__json *j = NULL;
    *m = (fig__pictures_manifest){0};
    fig_status status = fig__json_parse(ctx, name, text, len, &j);
    if (!status) status = read_manifest(ctx, name, j, m);
    if (status) fig__pictures_manifest_deinit(ctx, m);
    fig__json_free(j);
    return status;
}

fig_status fig__pictures_manifest_load(fig_context *ctx, const char *dir, fig__pictures_manifest *m) {
    fig__buf text = {0};
    *m = (fig__pictures_manifest){0};
    char *path = fig__path_join(ctx, dir, NAME);
    fig_status status = path ? fig__file_read(ctx, path, MAX_BYTES, &text) : FIG_ERR_NOMEM;
    if (!status) status = fig__pictures_manifest_parse(ctx, path, text.data, text.len, m);
    fig__buf_deinit(&text);
    fig__free(ctx, path);
    return status;
}
