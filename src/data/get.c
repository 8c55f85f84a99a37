/* data/get.c: known data, from a mirror folder or the network; a file appears only when its sha256 is right. */
#include "base/file.h"
#include "data/download.h"
#include "data/origin.h"
#include "data/pictures/source.h"
#include "data/source.h"
#include <stdlib.h>

#define PACKED_MAX ((size_t)256 << 20)
#define UNPACKED_MAX ((size_t)1 << 30)

/* One file on its way: written beside its place, hashed and counted as it comes. */
typedef struct arrival {
    const fig_dataset_file *file;
    const fig_dataset_get_options *options;
    fig__writer *writer;
    fig__sha256 *sha;
    fig__buf packed; /* all of it, where it has to be unpacked to be known */
    fig_status status;
    uint64_t n;
} arrival;

static void take(void *arg, const void *data, size_t len) {
    arrival *a = arg;
    fig__writer_add(a->writer, data, len);
    if (!a->file->packed)
        fig__sha256_add(a->sha, data, len);
    else if (!a->status)
        a->status = fig__buf_add(&a->packed, data, len);
    a->n += len;
    if (a->options->progress) a->options->progress(a->options->user, "download", a->n, a->file->bytes);
}

static fig_status take_mapped(fig_context *ctx, const char *path, arrival *a) {
    fig__mapping map;
    FIG_TRY(fig__file_map(ctx, path, &map));
    take(a, map.data, map.size);
    fig__file_unmap(&map);
    return FIG_OK;
}

static fig_status from_mirror(fig_context *ctx, const char *mirror, const char *name, arrival *a) {
    fig__buf path;
    fig__buf_init(&path, ctx, 1 << 16);
    fig_status status = fig__buf_printf(&path, "%s/%s/%s", mirror, name, a->file->name);
    if (!status && !fig__path_exists(path.data))
        status = FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: is not in the mirror folder; unset FIGMENT_MIRROR to download it",
                          path.data);
    if (!status) status = take_mapped(ctx, path.data, a);
    fig__buf_deinit(&path);
    return status;
}

/* Unpacked bytes are what is hashed. */
static fig_status unpack(fig_context *ctx, const char *path, arrival *a) {
    fig__buf inside;
    if (!a->file->packed) return FIG_OK;
    FIG_TRY(a->status);
    fig__buf_init(&inside, ctx, UNPACKED_MAX);
    fig_status status = fig__unpack(ctx, path, a->packed.data, a->packed.len, &inside);
    if (!status) fig__sha256_add(a->sha, inside.data, inside.len);
    fig__buf_deinit(&inside);
    return status;
}

static fig_status fetch(fig_context *ctx, const char *name, const fig_dataset_file *file,
                        const fig_dataset_get_options *options, const char *path) {
    const char *mirror = options->mirror_dir ? options->mirror_dir : getenv("FIGMENT_MIRROR");
    arrival a = {.file = file, .options = options};
    fig_status status = FIG_OK;
    fig__buf_init(&a.packed, ctx, PACKED_MAX);
    if (!(a.sha = fig__sha256_new(ctx))) return FIG_ERR_NOMEM;
    FIG_GOTO(fig__writer_open(ctx, path, &a.writer));
    if (mirror && *mirror)
        FIG_GOTO(from_mirror(ctx, mirror, name, &a));
    else
        FIG_GOTO(fig__download(ctx, file->url, file->bytes, take, &a));
    FIG_GOTO(unpack(ctx, path, &a));
    char sha256[65];
    fig__sha256_hex(a.sha, sha256);
    if (strcmp(sha256, file->sha256)) {
        status = FIG_FAIL(ctx, FIG_ERR_FORMAT,
                          "%s: what came is not the expected file (its sha256 differs); nothing "
                          "was kept",
                          path);
        goto cleanup;
    }
    status = fig__writer_commit(a.writer);
    a.writer = NULL;
cleanup:
    fig__writer_abort(a.writer);
    fig__buf_deinit(&a.packed);
    fig__sha256_free(a.sha);
    return status;
}

static fig_status hash_unpacked(fig_context *ctx, const char *path, char sha256[65]) {
    fig__buf inside;
    fig__sha256 *sha = fig__sha256_new(ctx);
    if (!sha) return FIG_ERR_NOMEM;
    fig__buf_init(&inside, ctx, UNPACKED_MAX);
    fig_status status = fig__unpack_file(ctx, path, UNPACKED_MAX, &inside);
    if (!status) fig__sha256_add(sha, inside.data, inside.len);
    fig__sha256_hex(sha, sha256);
    fig__sha256_free(sha);
    fig__buf_deinit(&inside);
    return status;
}

/* A file of that name with other contents is somebody's work and stays. */
static fig_status check_present(fig_context *ctx, const fig_dataset_file *file, const char *path) {
    char sha256[65];
    FIG_TRY(file->packed ? hash_unpacked(ctx, path, sha256) : fig__hash_file(ctx, path, sha256));
    FIG_CHECK(ctx, !strcmp(sha256, file->sha256), FIG_ERR_EXISTS, "%s: exists with other contents; move it away", path);
    return FIG_OK;
}

static fig_status get_files(fig_context *ctx, const fig_dataset_entry *entry, const fig_dataset_get_options *options,
                            const char *dir) {
    FIG_TRY(fig__mkdirs(ctx, dir));
    for (size_t i = 0; i < entry->n_files; i++) {
        char *path = fig__path_join(ctx, dir, entry->files[i].name);
        if (!path) return FIG_ERR_NOMEM;
        fig_status status = fig__path_exists(path) ? check_present(ctx, &entry->files[i], path)
                                                   : fetch(ctx, entry->name, &entry->files[i], options, path);
        fig__free(ctx, path);
        FIG_TRY(status);
    }
    return fig__origin_write(ctx, dir, entry);
}

static fig_status find(fig_context *ctx, const char *name, const fig_dataset_entry **out) {
    const char *names[64];
    size_t n = 0;
    for (; (*out = fig_dataset_known(n)) && n < FIG_COUNT(names); n++) {
        names[n] = (*out)->name;
        if (!strcmp(name, names[n])) return FIG_OK;
    }
    const char *near = fig__nearest(name, names, n);
    return FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: no data of that name is known%s%s%s", name,
                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

fig_status fig_dataset_get(fig_context *ctx, const char *name, const fig_dataset_get_options *options) {
    const fig_dataset_entry *entry;
    FIG_CHECK(ctx, options->out_dir && *options->out_dir, FIG_ERR_ARG, "getting data needs a folder to put it into");
    FIG_TRY(find(ctx, name, &entry));
    char *dir = fig__path_join(ctx, options->out_dir, entry->name);
    if (!dir) return FIG_ERR_NOMEM;
    fig_status status = get_files(ctx, entry, options, dir);
    fig__free(ctx, dir);
    return status;
}
