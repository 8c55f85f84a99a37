/* data/pictures/source.c: the table of layouts, and what names and metadata say. */
#include "data/pictures/source.h"
#include <strings.h>
#include "base/io.h"

#define HEAD 512

static const fig__picture_kind *const kinds[] = {&fig__pictures_single, &fig__pictures_idx, &fig__pictures_npy,
                                                 &fig__pictures_archive};

static fig_status find_kind(fig_context *ctx, const char *path, const fig__picture_kind **kind) {
    uint8_t head[HEAD];
    FILE *file = fopen(path, "rbe");
    if (!file) return fig__io_fail(ctx, path, "cannot be opened");
    size_t n = fread(head, 1, sizeof head, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed) return fig__io_fail(ctx, path, "cannot be read");
    FIG_CHECK(ctx, n, FIG_ERR_FORMAT, "%s: is empty; name a picture, a folder or an archive of them", path);
    for (size_t i = 0; i < FIG_COUNT(kinds); i++)
        if (kinds[i]->probe(path, head, n)) {
            *kind = kinds[i];
            return FIG_OK;
        }
    return FIG_FAIL(ctx, FIG_ERR_FORMAT,
                    "%s: no pictures; PNG, JPEG, WebP, folders, tar and zip archives, IDX and .npy files are read",
                    path);
}

static const fig__picture_kind *kind_of(fig_context *ctx, const char *path) {
    const fig__picture_kind *kind;
    if (find_kind(ctx, path, &kind) == FIG_OK) return kind;
    fig_error_clear(ctx);
    return NULL;
}

/* Endings of what never holds many pictures, so that large folders are not opened file by file. */
static bool may_hold_many(const char *path) {
    static const char *const not [] = {".png", ".jpg", ".jpeg", ".webp", ".txt", ".json", ".jsonl", ".md"};
    const char *dot = strrchr(fig__path_base(path), '.');
    for (size_t i = 0; i < FIG_COUNT(not ); i++)
        if (dot && !strcasecmp(dot, not [i])) return false;
    return true;
}

fig_status fig__picture_sets_below(fig_context *ctx, const char *dir, fig__paths *out) {
    fig__paths files = {0};
    const fig__picture_kind *kind;
    fig_status status = fig__dir_walk(ctx, dir, FIG__PICTURE_MAX_FILES, &files);
    for (size_t i = 0; i < files.n && !status; i++) {
        bool many = may_hold_many(files.data[i]) && find_kind(ctx, files.data[i], &kind) == FIG_OK &&
                    kind != &fig__pictures_single;
        fig_error_clear(ctx);
        char *copy = many ? fig__strdup(ctx, files.data[i]) : NULL;
        if (many) status = copy ? FIG_PUSH(ctx, out, copy) : FIG_ERR_NOMEM;
    }
    fig__paths_deinit(ctx, &files);
    return status;
}

/* A few hundred files tell as much as all of them. */
#define LOOKED_AT 512
static bool folder_of_pictures(fig_context *ctx, const char *path) {
    fig__paths files = {0};
    size_t n_pictures = 0;
    if (fig__dir_walk(ctx, path, FIG__PICTURE_MAX_FILES, &files)) fig_error_clear(ctx);
    size_t n = FIG_MIN(files.n, LOOKED_AT);
    bool array = false;
    for (size_t i = 0; i < n; i++) {
        const fig__picture_kind *kind = kind_of(ctx, files.data[i * files.n / n]);
        array |= kind == &fig__pictures_idx || kind == &fig__pictures_npy;
        n_pictures += kind != NULL;
    }
    fig__paths_deinit(ctx, &files);
    return array || (n_pictures && 2 * n_pictures >= n);
}

bool fig_pictures_found(fig_context *ctx, const char *path) {
    if (!fig__path_exists(path)) return false;
    if (!fig__path_is_dir(path)) return kind_of(ctx, path) != NULL;
    return fig_pictures_is_prepared(path) || folder_of_pictures(ctx, path);
}

fig_status fig__picture_source_open(fig_context *ctx, const char *path, bool is_one_of_many,
                                    fig__picture_source **out) {
    const fig__picture_kind *kind = &fig__pictures_folder;
    *out = NULL;
    if (!fig__path_is_dir(path)) FIG_TRY(find_kind(ctx, path, &kind));
    fig__picture_source *s = FIG_NEW(ctx, fig__picture_source);
    if (!s) return FIG_ERR_NOMEM;
    *s = (fig__picture_source){.ctx = ctx, .kind = kind, .path = path, .is_one_of_many = is_one_of_many};
    fig_status status = kind->open(s);
    if (status)
        fig__picture_source_close(s);
    else
        *out = s;
    return status;
}

void fig__picture_source_close(fig__picture_source *s) {
    if (!s) return;
    s->kind->close(s);
    fig__free(s->ctx, s);
}

/* --- names ------------------------------------------------------------------------------------------------------*/

int fig__split_of_file(const char *base) {
    static const char *const held_out[] = {"t10k", "test", "val"};
    for (size_t i = 0; i < FIG_COUNT(held_out); i++)
        if (!strncmp(base, held_out[i], strlen(held_out[i]))) return FIG_SPLIT_VAL;
    return strncmp(base, "train", 5) ? -1 : FIG_SPLIT_TRAIN;
}

static int split_of_name(const char *name, size_t len) {
    static const struct {
        const char *name;
        fig_data_split split;
    } names[] = {{"train", FIG_SPLIT_TRAIN}, {"training", FIG_SPLIT_TRAIN}, {"val", FIG_SPLIT_VAL},
                 {"valid", FIG_SPLIT_VAL},   {"validation", FIG_SPLIT_VAL}, {"test", FIG_SPLIT_VAL}};
    for (size_t i = 0; i < FIG_COUNT(names); i++)
        if (strlen(names[i].name) == len && !memcmp(names[i].name, name, len)) return (int)names[i].split;
    return -1;
}

int fig__split_of_path(const char *path, char *class_name, size_t size) {
    int split = -1;
    size_t used = 0;
    *class_name = 0;
    for (const char *end; (end = strchr(path, '/')); path = end + 1) {
        size_t len = (size_t)(end - path);
        int said = split_of_name(path, len);
        if (said >= 0) split = said;
        bool skip = said >= 0 || !len || (len == 1 && *path == '.') || used + len + 2 > size;
        if (!skip) used += (size_t)snprintf(class_name + used, size - used, "%s%.*s", used ? "/" : "", (int)len, path);
    }
    return split;
}

void fig__picture_metadata(const fig__json *j, fig__picture *picture) {
    const fig__json *label = fig__json_get(j, "label"), *class = label ? label : fig__json_get(j, "class");
    const char *split = fig__json_str(fig__json_get(j, "split"), "");
    const char *caption = fig__json_str(fig__json_get(j, "text"), fig__json_str(fig__json_get(j, "caption"), NULL));
    const fig__json *captions = fig__json_get(j, "captions");
    if (fig__json_type(captions) == FIG_JSON_ARRAY && fig__json_size(captions)) picture->captions = captions;
    if (caption) picture->caption = caption;
    if (fig__json_type(class) == FIG_JSON_STRING) picture->class_name = fig__json_str(class, NULL);
    picture->class_number = fig__json_int(class, picture->class_number);
    if (*split) picture->split = split_of_name(split, strlen(split));
    picture->about = j;
}
