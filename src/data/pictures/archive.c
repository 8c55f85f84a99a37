/* data/pictures/archive.c: tar and zip archives, and single compressed files, through libarchive: the only file that
 * includes its headers. Only formats and filters that need no other program are switched on. */
#include <archive.h>
#include <archive_entry.h>
#include "data/pictures/source.h"

#define BLOCK 65536

static struct archive *new_reader(bool raw) {
    struct archive *a = archive_read_new();
    if (!a) return NULL;
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_zstd(a);
    if (raw) {
        archive_read_support_format_raw(a);
    } else {
        archive_read_support_format_tar(a);
        archive_read_support_format_zip(a);
    }
    return a;
}

/* The data of the entry at hand. */
static fig_status read_entry(fig_context *ctx, struct archive *a, const char *name, fig__buf *out) {
    char block[BLOCK];
    for (;;) {
        la_ssize_t n = archive_read_data(a, block, sizeof block);
        FIG_CHECK(ctx, n >= 0, FIG_ERR_FORMAT, "%s: %s", name,
                  archive_error_string(a) ? archive_error_string(a) : "is cut short");
        if (!n) return FIG_OK;
        FIG_TRY(fig__buf_add(out, block, (size_t)n));
    }
}

fig_status fig__unpack(fig_context *ctx, const char *name, const void *data, size_t len, fig__buf *out) {
    struct archive *a = new_reader(true);
    struct archive_entry *entry;
    fig_status status = FIG_OK;
    if (!a) return FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory");
    if (archive_read_open_memory(a, data, len) || archive_read_next_header(a, &entry))
        status = FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: %s", name,
                          archive_error_string(a) ? archive_error_string(a) : "is empty");
    if (!status) status = read_entry(ctx, a, name, out);
    archive_read_free(a);
    return status;
}

fig_status fig__unpack_file(fig_context *ctx, const char *path, size_t max, fig__buf *out) {
    struct archive *a = new_reader(true);
    struct archive_entry *entry;
    fig_status status = FIG_OK;
    (void)max; /* out has it */
    if (!a) return FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory");
    if (archive_read_open_filename(a, path, BLOCK) || archive_read_next_header(a, &entry))
        status = FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: %s", path,
                          archive_error_string(a) ? archive_error_string(a) : "is empty");
    if (!status) status = read_entry(ctx, a, path, out);
    archive_read_free(a);
    return status;
}

/* --- archives ---------------------------------------------------------------------------------------------------*/

typedef struct reader {
    struct archive *a;
    struct archive_entry *waiting; /* its header has been read and it belongs to the next group */
    bool at_end;
    /* the group at hand: files of one stem */
    fig__buf stem, name, image, caption, class, meta;
    fig__json *json;
    char class_name[256];
} reader;

static bool archive_probe(const char *path, const uint8_t *head, size_t len) {
    struct archive *a = new_reader(false);
    struct archive_entry *entry;
    (void)head, (void)len;
    bool known = a && !archive_read_open_filename(a, path, BLOCK) && archive_read_next_header(a, &entry) == ARCHIVE_OK;
    archive_read_free(a);
    return known;
}

static fig_status archive_open(fig__picture_source *s) {
    reader *r = s->state = FIG_NEW(s->ctx, reader);
    if (!r) return FIG_ERR_NOMEM;
    fig__buf *texts[] = {&r->stem, &r->name, &r->caption, &r->class};
    for (size_t i = 0; i < FIG_COUNT(texts); i++) fig__buf_init(texts[i], s->ctx, 1 << 16);
    fig__buf_init(&r->image, s->ctx, FIG__PICTURE_MAX_FILE);
    fig__buf_init(&r->meta, s->ctx, 1 << 20);
    r->a = new_reader(false);
    FIG_CHECK(s->ctx, r->a, FIG_ERR_NOMEM, "out of memory");
    FIG_CHECK(s->ctx, !archive_read_open_filename(r->a, s->path, BLOCK), FIG_ERR_FORMAT, "%s: %s", s->path,
              archive_error_string(r->a));
    return FIG_OK;
}

static void archive_close(fig__picture_source *s) {
    reader *r = s->state;
    if (!r) return;
    archive_read_free(r->a);
    fig__json_free(r->json);
    fig__buf *all[] = {&r->stem, &r->name, &r->image, &r->caption, &r->class, &r->meta};
    for (size_t i = 0; i < FIG_COUNT(all); i++) fig__buf_deinit(all[i]);
    fig__free(s->ctx, r);
}

/* The next entry that is a file and not hidden; NULL at the end. */
static fig_status next_entry(fig__picture_source *s, const char **path) {
    reader *r = s->state;
    *path = NULL;
    while (!r->at_end && !*path) {
        int code = r->waiting ? ARCHIVE_OK : archive_read_next_header(r->a, &r->waiting);
        r->at_end = code == ARCHIVE_EOF;
        if (r->at_end) r->waiting = NULL;
        FIG_CHECK(s->ctx, code >= ARCHIVE_WARN, FIG_ERR_FORMAT, "%s: %s", s->path, archive_error_string(r->a));
        if (r->at_end) break;
        const char *name = archive_entry_pathname(r->waiting);
        bool file = name && archive_entry_filetype(r->waiting) == AE_IFREG && *fig__path_base(name) != '.' &&
                    strncmp(name, "__MACOSX/", 9);
        if (file)
            *path = name;
        else
            r->waiting = NULL;
    }
    return FIG_OK;
}

static size_t stem_of(const char *path) {
    const char *base = fig__path_base(path), *dot = strchr(base, '.');
    return dot ? (size_t)(dot - path) : strlen(path);
}

/* By its ending; whatever is no description is taken for the picture if it looks like one. */
static fig_status add_to_group(fig__picture_source *s, const char *path) {
    reader *r = s->state;
    const char *ending = path + stem_of(path);
    struct archive_entry *entry = r->waiting;
    r->waiting = NULL;
    fig__buf *to = !strcmp(ending, ".txt")    ? &r->caption
                   : !strcmp(ending, ".cls")  ? &r->class
                   : !strcmp(ending, ".json") ? &r->meta
                                              : &r->image;
    if (to == &r->image && (r->image.len || archive_entry_size(entry) > (la_int64_t)FIG__PICTURE_MAX_FILE)) {
        s->n_other++;
        return FIG_OK;
    }
    if (to == &r->image) {
        fig__buf_clear(&r->name);
        FIG_TRY(fig__buf_printf(&r->name, "%s/%s", s->path, path));
    }
    FIG_TRY(read_entry(s->ctx, r->a, s->path, to));
    if (to == &r->image && !fig__image_format(to->data, to->len)) {
        fig__buf_clear(to);
        s->n_other++;
    }
    return FIG_OK;
}

static fig_status read_group(fig__picture_source *s) {
    reader *r = s->state;
    const char *path;
    fig__buf *all[] = {&r->stem, &r->image, &r->caption, &r->class, &r->meta};
    for (size_t i = 0; i < FIG_COUNT(all); i++) fig__buf_clear(all[i]);
    for (;;) {
        FIG_TRY(next_entry(s, &path));
        if (!path) return FIG_OK;
        size_t n = stem_of(path);
        if (r->stem.len && (r->stem.len != n || memcmp(r->stem.data, path, n))) return FIG_OK;
        if (!r->stem.len) FIG_TRY(fig__buf_add(&r->stem, path, n));
        FIG_TRY(add_to_group(s, path));
    }
}

static fig_status describe_group(fig__picture_source *s, fig__picture *p) {
    reader *r = s->state;
    int64_t number;
    fig__json_free(r->json);
    r->json = NULL;
    p->split = fig__split_of_path(fig__buf_str(&r->stem), r->class_name, sizeof r->class_name);
    p->class_name = *r->class_name ? r->class_name : NULL;
    if (r->caption.len) r->caption.data[strcspn(r->caption.data, "\r\n")] = 0;
    p->caption = r->caption.len ? r->caption.data : NULL;
    if (r->class.len) {
        r->class.data[strcspn(r->class.data, "\r\n")] = 0;
        if (fig__parse_int(r->class.data, &number))
            p->class_number = number;
        else
            p->class_name = r->class.data;
    }
    if (!r->meta.len) return FIG_OK;
    FIG_TRY(fig__json_parse(s->ctx, fig__buf_str(&r->name), r->meta.data, r->meta.len, &r->json));
    fig__picture_metadata(r->json, p);
    return FIG_OK;
}

static fig_status archive_next(fig__picture_source *s, fig__picture *p) {
    reader *r = s->state;
    *p = (fig__picture){.class_number = -1, .split = -1};
    while (!r->at_end) {
        FIG_TRY(read_group(s));
        if (!r->image.len) continue;
        p->name = fig__buf_str(&r->name);
        p->file = (const uint8_t *)r->image.data;
        p->file_len = r->image.len;
        return describe_group(s, p);
    }
    return FIG_OK;
}
const fig__picture_kind fig__pictures_archive = {"archive", archive_probe, archive_open, archive_next, archive_close};
