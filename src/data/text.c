/* data/text.c: the documents of some paths as one stream. Opening looks at every file's first bytes and decides what it
 * is; reading opens one file at a time. */
#include "data/text.h"
#include "base/io.h"
#include "data/chars.h"
#include "data/manifest.h"
#include <sys/stat.h>

/* --- what is there ---------------------------------------------------------------------------------------*/

static fig__placement placement_of(const fig__text_file *file) {
    const char *name = fig__path_base(file->path);
    if (!file->kind->gives_tokens) return FIG__PLACE_TAIL;
    if (!strncmp(name, "val", 3) || strstr(name, "_val_") || strstr(name, "_val.")) return FIG__PLACE_VAL;
    if (!strncmp(name, "train", 5) || strstr(name, "_train_") || strstr(name, "_train.")) return FIG__PLACE_TRAIN;
    return FIG__PLACE_TAIL;
}

/* NULL: binary. */
static fig_status sniff(fig_context *ctx, const char *path, char *head, const fig__source_kind **kind) {
    FILE *file = fopen(path, "rbe");
    if (!file) return fig__io_fail(ctx, path, "cannot be opened");
    size_t n = fread(head, 1, FIG__SOURCE_HEAD, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed) return fig__io_fail(ctx, path, "cannot be read");
    for (size_t i = 0; (*kind = fig__source_kinds[i]); i++)
        if ((*kind)->probe(path, head, n)) break;
    return FIG_OK;
}

/* An unnamed .bin file may be anything; from a folder only nanoGPT's own names are believed. */
static bool believable(const fig__text_file *file) {
    return file->kind != &fig__source_nanogpt || !file->from_folder || placement_of(file) != FIG__PLACE_TAIL;
}

static void skip_binary(fig_text *t, const char *path) {
    if (!t->stats.n_binary++) snprintf(t->stats.first_skipped, sizeof t->stats.first_skipped, "%s", path);
}

static fig_status add_file(fig_text *t, const char *path, bool from_folder, char *head) {
    struct stat info;
    if (stat(path, &info)) return fig__io_fail(t->ctx, path, "cannot be read");
    FIG_CHECK(t->ctx, S_ISREG(info.st_mode), FIG_ERR_ARG, "%s: is no regular file; text is read twice, so save it",
              path);
    FIG_CHECK(t->ctx, info.st_size || from_folder, FIG_ERR_FORMAT, "%s: is empty; name a file with text in it", path);
    if (!info.st_size) {
        t->stats.n_empty++;
        return FIG_OK;
    }
    fig__text_file file = {.bytes = (uint64_t)info.st_size, .from_folder = from_folder};
    file.mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    FIG_TRY(sniff(t->ctx, path, head, &file.kind));
    file.path = (char *)(uintptr_t)path; /* only looked at until it is copied */
    if (!file.kind || !believable(&file)) {
        FIG_CHECK(t->ctx, from_folder, FIG_ERR_FORMAT,
                  "%s: is no text: it holds NUL bytes or too little UTF-8; is it a picture, or UTF-16 to be converted?",
                  path);
        skip_binary(t, path);
        return FIG_OK;
    }
    FIG_CHECK(t->ctx, t->files.n < FIG__SOURCE_MAX_FILES, FIG_ERR_LIMIT, "%s: more than %u files; join some", path,
              FIG__SOURCE_MAX_FILES);
    file.placement = placement_of(&file);
    if (!(file.path = fig__strdup(t->ctx, path))) return FIG_ERR_NOMEM;
    fig_status status = FIG_PUSH(t->ctx, &t->files, file);
    if (status) fig__free(t->ctx, file.path);
    return status;
}

/* The folders that hold a prepared dataset, with a slash behind. They are not text of the folder around them. */
static fig_status list_prepared(fig_context *ctx, const fig__paths *found, fig__paths *out) {
    for (size_t i = 0; i < found->n; i++) {
        const char *path = found->data[i], *base = fig__path_base(path);
        if (strcmp(base, FIG__MANIFEST_NAME)) continue;
        char *dir = fig__strdup(ctx, path);
        if (!dir) return FIG_ERR_NOMEM;
        dir[base - path] = 0;
        bool is_prepared = fig_dataset_is_prepared(dir);
        fig_status status = is_prepared ? FIG_PUSH(ctx, out, dir) : FIG_OK;
        if (!is_prepared || status) fig__free(ctx, dir);
        FIG_TRY(status);
    }
    return FIG_OK;
}

static bool is_below(const fig__paths *dirs, const char *path) {
    for (size_t i = 0; i < dirs->n; i++)
        if (!strncmp(path, dirs->data[i], strlen(dirs->data[i]))) return true;
    return false;
}

static fig_status add_folder(fig_text *t, const char *path, char *head) {
    fig__paths found, prepared = {0};
    FIG_TRY(fig__dir_walk(t->ctx, path, FIG__SOURCE_MAX_FILES, &found));
    fig_status status = list_prepared(t->ctx, &found, &prepared);
    for (size_t i = 0; i < found.n && !status; i++)
        if (!is_below(&prepared, found.data[i])) status = add_file(t, found.data[i], true, head);
    fig__paths_deinit(t->ctx, &prepared);
    fig__paths_deinit(t->ctx, &found);
    return status;
}

static fig_status add_path(fig_text *t, const char *path, char *head) {
    size_t n_before = t->files.n;
    uint64_t n_skipped = t->stats.n_binary + t->stats.n_empty;
    if (!fig__path_is_dir(path)) return add_file(t, path, false, head);
    FIG_TRY(add_folder(t, path, head));
    if (t->files.n > n_before) return FIG_OK;
    n_skipped = t->stats.n_binary + t->stats.n_empty - n_skipped;
    FIG_CHECK(t->ctx, n_skipped, FIG_ERR_FORMAT, "%s: this folder has no text files; put some into it", path);
    return FIG_FAIL(t->ctx, FIG_ERR_FORMAT, "%s: this folder has no text, only %llu binary or empty files", path,
                    (unsigned long long)n_skipped);
}

/* A folder of token files often has the text they came from beside them: from folders, tokens win. */
static fig_status settle_tokens(fig_text *t) {
    const char *text_path = NULL, *token_path = NULL;
    for (size_t i = 0; i < t->files.n; i++) {
        const fig__text_file *file = &t->files.data[i];
        if (file->kind->gives_tokens)
            token_path = file->path;
        else if (!file->from_folder)
            text_path = file->path;
    }
    if (!token_path) return FIG_OK;
    FIG_CHECK(t->ctx, !text_path, FIG_ERR_ARG, "%s is text and %s holds tokens; give one kind at a time", text_path,
              token_path);
    size_t n = 0;
    for (size_t i = 0; i < t->files.n; i++) {
        fig__text_file file = t->files.data[i];
        if (file.kind->gives_tokens) {
            t->files.data[n++] = file;
            continue;
        }
        skip_binary(t, file.path);
        fig__free(t->ctx, file.path);
    }
    t->files.n = n;
    t->stats.is_tokens = true;
    return FIG_OK;
}

fig_status fig_text_open(fig_context *ctx, const char *const *paths, size_t n_paths, fig_text **out) {
    *out = NULL;
    FIG_CHECK(ctx, n_paths, FIG_ERR_ARG, "no data: name a file or a folder of text");
    fig_text *t = FIG_NEW(ctx, fig_text);
    char *head = fig__alloc(ctx, FIG__SOURCE_HEAD);
    fig_status status = t && head ? FIG_OK : FIG_ERR_NOMEM;
    if (t) t->ctx = ctx;
    if (status) goto cleanup;
    for (size_t i = 0; i < n_paths; i++) FIG_GOTO(add_path(t, paths[i], head));
    FIG_GOTO(settle_tokens(t));
    for (size_t i = 0; i < t->files.n; i++) t->total_bytes += t->files.data[i].bytes;
    t->stats.n_files = t->files.n;
    *out = t;
cleanup:
    fig__free(ctx, head);
    if (status) fig_text_close(t);
    return status;
}

void fig_text_close(fig_text *t) {
    if (!t) return;
    if (t->is_open) fig__source_close(&t->source);
    for (size_t i = 0; i < t->files.n; i++) fig__free(t->ctx, t->files.data[i].path);
    fig__free(t->ctx, t->files.data);
    fig__free(t->ctx, t);
}

/* --- reading ---------------------------------------------------------------------------------------------*/

static fig_status open_current(fig_text *t) {
    const fig__text_file *file = &t->files.data[t->current];
    FILE *stream = fopen(file->path, "rbe");
    if (!stream) return fig__io_fail(t->ctx, file->path, "cannot be opened");
    t->is_open = true;
    t->source = (fig__source){
        .ctx = t->ctx, .kind = file->kind, .path = file->path, .file = stream, .stats = &t->stats, .hash = t->hash};
    return fig__source_open(&t->source);
}

static fig_status close_current(fig_text *t) {
    fig__text_file *file = &t->files.data[t->current];
    FIG_CHECK(t->ctx, t->source.offset == file->bytes, FIG_ERR_IO, "%s: changed while it was read; try again",
              file->path);
    if (t->source.sha) fig__sha256_hex(t->source.sha, file->sha256);
    fig__source_close(&t->source);
    t->is_open = false;
    t->bytes_before += file->bytes;
    t->current++;
    return FIG_OK;
}

static void count(fig_text *t, const fig__piece *piece) {
    t->stats.n_documents += !t->in_document;
    if (piece->text) {
        t->stats.bytes += piece->n;
        t->stats.characters += fig__chars_count(piece->text, piece->n, &t->stats.bad_bytes);
    }
}

fig_status fig__text_next(fig_text *t, fig__piece *piece, bool *starts_document) {
    *piece = (fig__piece){0};
    while (!piece->n && t->current < t->files.n) {
        FIG_CHECK(t->ctx, !fig_cancelled(t->ctx), FIG_ERR_CANCELLED, "cancelled while reading text");
        if (!t->is_open) FIG_TRY(open_current(t));
        FIG_TRY(fig__source_read(&t->source, piece));
        if (!piece->n) FIG_TRY(close_current(t));
    }
    *starts_document = piece->n && !t->in_document;
    if (piece->n) {
        count(t, piece);
        t->in_document = !piece->ends_document;
    }
    return FIG_OK;
}

fig_status fig_text_read(fig_text *t, const char **data, size_t *len, bool *document_ends) {
    fig__piece piece;
    bool starts;
    *data = "";
    *len = 0;
    FIG_CHECK(t->ctx, !t->stats.is_tokens, FIG_ERR_ARG, "%s: holds tokens already; text is needed here",
              t->files.data[0].path);
    FIG_TRY(fig__text_next(t, &piece, &starts));
    if (!piece.n) return FIG_OK;
    *data = piece.text;
    *len = piece.n;
    *document_ends = piece.ends_document;
    return FIG_OK;
}

void fig_text_rewind(fig_text *t) {
    if (t->is_open) fig__source_close(&t->source);
    t->is_open = t->in_document = false;
    t->current = 0;
    t->bytes_before = 0;
    fig_text_stats *s = &t->stats;
    s->n_documents = s->bytes = s->characters = s->bad_bytes = s->n_bad_rows = 0;
    s->first_bad_row[0] = 0;
}

uint64_t fig_text_total_bytes(const fig_text *t) { return t->total_bytes; }

uint64_t fig_text_done_bytes(const fig_text *t) { return t->bytes_before + (t->is_open ? t->source.offset : 0); }

const fig_text_stats *fig_text_get_stats(const fig_text *t) { return &t->stats; }
