/* data/pictures/folder.c: picture files on disk, one by one or below a folder. */
#include <stdlib.h>
#include "base/map.h"
#include "data/pictures/source.h"

#define METADATA_MAX ((size_t)1 << 30)
#define METADATA_NAME "metadata.jsonl"

typedef struct folder {
    fig__paths files;
    size_t at;
    fig__mapping map; /* of the current file */
    fig__buf text;    /* its caption */
    char class_name[256];
    fig__map *metadata; /* file_name below the folder -> position in rows */
    struct {
        fig__json **data;
        size_t n, cap;
    } rows;
} folder;

/* --- metadata.jsonl ---------------------------------------------------------------------------------------------*/

static fig_status add_row(fig_context *ctx, folder *f, const char *name, const char *line, size_t len) {
    fig__json *row;
    FIG_TRY(fig__json_parse(ctx, name, line, len, &row));
    const char *file = fig__json_str(fig__json_get(row, "file_name"), NULL);
    fig_status status = file ? fig__map_put(f->metadata, file, strlen(file), (int64_t)f->rows.n)
                             : FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: a line without \"file_name\"", name);
    if (!status) status = FIG_PUSH(ctx, &f->rows, row);
    if (status) fig__json_free(row);
    return status;
}

static fig_status read_metadata(fig_context *ctx, folder *f, const char *path) {
    fig__mapping map;
    FIG_TRY(fig__file_map(ctx, path, &map));
    fig_status status = FIG_OK;
    const char *text = (const char *)map.data, *end = text + map.size;
    while (text < end && !status) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop) stop = end;
        bool blank = strspn(text, " \t\r\n") >= (size_t)(stop - text);
        if (!blank) status = add_row(ctx, f, path, text, (size_t)(stop - text));
        text = stop + 1;
    }
    fig__file_unmap(&map);
    return status;
}

/* --- opening ----------------------------------------------------------------------------------------------------*/

static fig_status new_folder(fig__picture_source *s, folder **out) {
    folder *f = s->state = *out = FIG_NEW(s->ctx, folder);
    if (!f || !(f->metadata = fig__map_new(s->ctx))) return FIG_ERR_NOMEM;
    fig__buf_init(&f->text, s->ctx, FIG__CAPTION_MAX);
    return FIG_OK;
}

static fig_status folder_open(fig__picture_source *s) {
    folder *f;
    FIG_TRY(new_folder(s, &f));
    char *path = fig__path_join(s->ctx, s->path, METADATA_NAME);
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__path_exists(path) ? read_metadata(s->ctx, f, path) : FIG_OK;
    fig__free(s->ctx, path);
    return status ? status : fig__dir_walk(s->ctx, s->path, FIG__PICTURE_MAX_FILES, &f->files);
}

static bool single_probe(const char *path, const uint8_t *head, size_t len) {
    (void)path;
    return fig__image_format(head, len) != NULL;
}
static fig_status single_open(fig__picture_source *s) {
    folder *f;
    FIG_TRY(new_folder(s, &f));
    char *path = fig__strdup(s->ctx, s->path);
    fig_status status = path ? FIG_PUSH(s->ctx, &f->files, path) : FIG_ERR_NOMEM;
    if (status) fig__free(s->ctx, path);
    return status;
}

static void folder_close(fig__picture_source *s) {
    folder *f = s->state;
    if (!f) return;
    fig__file_unmap(&f->map);
    fig__paths_deinit(s->ctx, &f->files);
    fig__buf_deinit(&f->text);
    for (size_t i = 0; i < f->rows.n; i++) fig__json_free(f->rows.data[i]);
    fig__free(s->ctx, f->rows.data);
    fig__map_free(f->metadata);
    fig__free(s->ctx, f);
}

/* --- reading ----------------------------------------------------------------------------------------------------*/

/* The first line of FILE.txt beside FILE.png. */
static const char *caption_beside(fig_context *ctx, folder *f, const char *path) {
    const char *dot = strrchr(path, '.');
    char name[4096];
    int stem = dot && dot > fig__path_base(path) ? (int)(dot - path) : (int)strlen(path);
    if (snprintf(name, sizeof name, "%.*s.txt", stem, path) >= (int)sizeof name || !fig__path_exists(name)) return NULL;
    fig__buf_deinit(&f->text); /* reading begins with an empty one */
    if (fig__file_read(ctx, name, FIG__CAPTION_MAX, &f->text)) {
        fig_error_clear(ctx); /* a long text is no caption */
        return NULL;
    }
    f->text.data[strcspn(f->text.data, "\r\n")] = 0;
    return f->text.data;
}

static void describe(fig__picture_source *s, folder *f, const char *path, fig__picture *p) {
    size_t root = strlen(s->path);
    const char *below = strncmp(path, s->path, root) ? path : path + root;
    while (*below == '/') below++;
    int64_t row;
    p->split = fig__split_of_path(below, f->class_name, sizeof f->class_name);
    p->class_name = *f->class_name ? f->class_name : NULL;
    p->caption = caption_beside(s->ctx, f, path);
    if (fig__map_get(f->metadata, below, strlen(below), &row)) fig__picture_metadata(f->rows.data[row], p);
}

static bool is_description(const char *path) {
    const char *dot = strrchr(path, '.');
    return !strcmp(fig__path_base(path), METADATA_NAME) || (dot && !strcmp(dot, ".txt"));
}

static fig_status folder_next(fig__picture_source *s, fig__picture *p) {
    folder *f = s->state;
    *p = (fig__picture){.class_number = -1, .split = -1};
    while (f->at < f->files.n && !p->name) {
        const char *path = f->files.data[f->at++];
        fig__file_unmap(&f->map);
        FIG_TRY(fig__file_map(s->ctx, path, &f->map));
        if (!fig__image_format(f->map.data, f->map.size)) {
            s->n_other += !is_description(path);
            continue;
        }
        p->name = path;
        p->file = f->map.data;
        p->file_len = f->map.size;
        describe(s, f, path, p);
    }
    return FIG_OK;
}

const fig__picture_kind fig__pictures_folder = {"folder", NULL, folder_open, folder_next, folder_close};
const fig__picture_kind fig__pictures_single = {"picture", single_probe, single_open, folder_next, folder_close};
