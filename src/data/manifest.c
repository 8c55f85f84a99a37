/* data/manifest.c: manifest.json, written and read with every number checked. */
#include "data/manifest.h"
#include "base/file.h"
#include "data/shard.h"
#include "data/source.h"

#define FORMAT_NAME "figment-dataset"
#define FORMAT_VERSION 1
#define MAX_SHARDS 65536u
#define MAX_COUNT (INT64_MAX / 2)

/* --- writing ---------------------------------------------------------------------------------------------
 * `status` is sticky: the first failure stays, what follows is freed by fig__json_put. */

typedef struct builder {
    fig_status status;
} builder;

static void put(builder *b, fig__json *object, const char *key, fig__json *value) {
    fig_status status = fig__json_put(object, key, value);
    if (!b->status) b->status = status;
}

static void put_int(builder *b, fig__json *object, const char *key, uint64_t v) {
    put(b, object, key, fig__json_new_int((int64_t)v));
}

static void put_str(builder *b, fig__json *object, const char *key, const char *v) {
    put(b, object, key, fig__json_new_strn(v, strlen(v)));
}

static fig__json *source_json(builder *b, const fig__manifest_source *s) {
    fig__json *j = fig__json_new_object();
    put_str(b, j, "path", s->path);
    put_str(b, j, "kind", s->kind);
    put_int(b, j, "bytes", s->bytes);
    put_int(b, j, "mtime_ns", (uint64_t)s->mtime_ns);
    put_str(b, j, "sha256", s->sha256);
    return j;
}

static fig__json *split_json(builder *b, const fig_split_info *s) {
    fig__json *j = fig__json_new_object();
    put_int(b, j, "tokens", s->n_tokens);
    put_int(b, j, "bytes", s->bytes);
    put_int(b, j, "target_bytes", s->target_bytes);
    put_int(b, j, "documents", s->n_documents);
    return j;
}

static fig__json *text_json(builder *b, const fig_text_stats *t) {
    fig__json *j = fig__json_new_object();
    put_int(b, j, "documents", t->n_documents);
    put_int(b, j, "bytes", t->bytes);
    put_int(b, j, "characters", t->characters);
    put_int(b, j, "bad_bytes", t->bad_bytes);
    put_int(b, j, "binary_files", t->n_binary);
    put_int(b, j, "empty_files", t->n_empty);
    put_int(b, j, "bad_rows", t->n_bad_rows);
    put_str(b, j, "first_bad_row", t->first_bad_row);
    put_str(b, j, "first_binary_file", t->first_skipped);
    put(b, j, "is_tokens", fig__json_new_bool(t->is_tokens));
    return j;
}

static fig__json *tokenizer_json(builder *b, const fig_dataset_info *info) {
    fig__json *j = fig__json_new_object();
    put_str(b, j, "sha256", info->tokenizer_sha256);
    put_int(b, j, "vocab_size", (uint64_t)info->vocab_size);
    put_int(b, j, "separator", (uint64_t)(int64_t)info->separator);
    return j;
}

static fig__json *manifest_json(builder *b, const fig__manifest *m) {
    fig__json *j = fig__json_new_object(), *splits = fig__json_new_object(), *sources = fig__json_new_array();
    put_str(b, j, "format", FORMAT_NAME);
    put_int(b, j, "version", FORMAT_VERSION);
    put(b, j, "tokenizer", tokenizer_json(b, &m->info));
    put(b, j, "val_fraction", fig__json_new_real(m->val_fraction));
    put_int(b, j, "token_bytes", (uint64_t)m->token_bytes);
    put_int(b, j, "shard_tokens", m->shard_tokens);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        put(b, splits, fig_split_name((fig_data_split)i), split_json(b, &m->info.split[i]));
    put(b, j, "splits", splits);
    put(b, j, "text", text_json(b, &m->info.text));
    put_str(b, j, "data_sha256", m->info.data_sha256);
    put_str(b, j, "licence", m->info.licence);
    put_str(b, j, "origin", m->info.origin);
    for (size_t i = 0; i < m->sources.n; i++) {
        fig_status status = fig__json_push(sources, source_json(b, &m->sources.data[i]));
        if (!b->status) b->status = status;
    }
    put(b, j, "sources", sources);
    return j;
}

fig_status fig__manifest_save(fig_context *ctx, const char *dir, const fig__manifest *m) {
    builder b = {FIG_OK};
    fig__json *json = manifest_json(&b, m);
    char *path = fig__path_join(ctx, dir, FIG__MANIFEST_NAME);
    fig_status status = b.status ? b.status : !path ? FIG_ERR_NOMEM : fig__json_save(ctx, path, json, 1);
    fig__json_free(json);
    fig__free(ctx, path);
    return status;
}

/* --- reading ---------------------------------------------------------------------------------------------*/

typedef struct reader {
    fig_context *ctx;
    const char *name; /* of the file, for messages */
    fig_status status;
} reader;

/* An integer in low .. high; the first that is not fails the reader. */
static int64_t get_int(reader *r, const fig__json *object, const char *key, int64_t low, int64_t high) {
    int64_t v = fig__json_int(fig__json_get(object, key), low - 1);
    if (v >= low && v <= high) return v;
    if (!r->status) r->status = FIG_FAIL(r->ctx, FIG_ERR_FORMAT, "%s: \"%s\" is missing or out of range", r->name, key);
    return low;
}

static uint64_t get_count(reader *r, const fig__json *object, const char *key) {
    return (uint64_t)get_int(r, object, key, 0, MAX_COUNT);
}

/* Longer strings are cut; they are for people to read. */
static void get_str(const fig__json *object, const char *key, char *out, size_t size) {
    snprintf(out, size, "%s", fig__json_str(fig__json_get(object, key), ""));
}

static void get_hash(reader *r, const fig__json *object, const char *key, char out[65]) {
    const char *s = fig__json_str(fig__json_get(object, key), "");
    if (strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64)
        memcpy(out, s, 65);
    else if (!r->status)
        r->status = FIG_FAIL(r->ctx, FIG_ERR_FORMAT, "%s: \"%s\" is no sha256", r->name, key);
}

static void read_split(reader *r, const fig__json *j, fig_split_info *s, uint64_t shard_tokens) {
    s->n_tokens = get_count(r, j, "tokens");
    s->bytes = get_count(r, j, "bytes");
    s->target_bytes = get_count(r, j, "target_bytes");
    s->n_documents = get_count(r, j, "documents");
    if (!r->status && s->n_tokens / shard_tokens >= MAX_SHARDS)
        r->status = FIG_FAIL(r->ctx, FIG_ERR_LIMIT, "%s: more than %u shards", r->name, MAX_SHARDS);
}

static void read_text(reader *r, const fig__json *j, fig_text_stats *t) {
    t->n_documents = get_count(r, j, "documents");
    t->bytes = get_count(r, j, "bytes");
    t->characters = get_count(r, j, "characters");
    t->bad_bytes = get_count(r, j, "bad_bytes");
    t->n_binary = get_count(r, j, "binary_files");
    t->n_empty = get_count(r, j, "empty_files");
    t->n_bad_rows = get_count(r, j, "bad_rows");
    get_str(j, "first_bad_row", t->first_bad_row, sizeof t->first_bad_row);
    get_str(j, "first_binary_file", t->first_skipped, sizeof t->first_skipped);
    t->is_tokens = fig__json_bool(fig__json_get(j, "is_tokens"), false);
}

static void read_tokenizer(reader *r, const fig__json *j, fig__manifest *m) {
    get_hash(r, j, "sha256", m->info.tokenizer_sha256);
    m->info.vocab_size = (int32_t)get_int(r, j, "vocab_size", 1, INT32_MAX);
    m->info.separator = (int32_t)get_int(r, j, "separator", -1, m->info.vocab_size - 1);
}

static fig_status read_source(reader *r, const fig__json *j, fig__manifest *m) {
    fig__manifest_source s = {.bytes = get_count(r, j, "bytes")};
    s.mtime_ns = get_int(r, j, "mtime_ns", -MAX_COUNT, INT64_MAX);
    get_str(j, "kind", s.kind, sizeof s.kind);
    get_hash(r, j, "sha256", s.sha256);
    if (r->status) return r->status;
    if (!(s.path = fig__strdup(r->ctx, fig__json_str(fig__json_get(j, "path"), "")))) return FIG_ERR_NOMEM;
    fig_status status = FIG_PUSH(r->ctx, &m->sources, s);
    if (status) fig__free(r->ctx, s.path);
    return status;
}

static void read_manifest(reader *r, const fig__json *j, fig__manifest *m) {
    const fig__json *splits = fig__json_get(j, "splits"), *sources = fig__json_get(j, "sources");
    fig_dataset_info *info = &m->info;
    read_tokenizer(r, fig__json_get(j, "tokenizer"), m);
    m->val_fraction = fig__json_real(fig__json_get(j, "val_fraction"), 0);
    m->token_bytes = (int)get_int(r, j, "token_bytes", 2, 4);
    m->shard_tokens = (uint64_t)get_int(r, j, "shard_tokens", 1, INT32_MAX);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        read_split(r, fig__json_get(splits, fig_split_name((fig_data_split)i)), &info->split[i], m->shard_tokens);
    read_text(r, fig__json_get(j, "text"), &info->text);
    get_hash(r, j, "data_sha256", info->data_sha256);
    get_str(j, "licence", info->licence, sizeof info->licence);
    get_str(j, "origin", info->origin, sizeof info->origin);
    for (size_t i = 0; i < fig__json_size(sources) && !r->status; i++)
        r->status = read_source(r, fig__json_at(sources, i), m);
    info->n_sources = info->text.n_files = m->sources.n;
}

static fig_status read_checked(fig_context *ctx, const char *name, const fig__json *j, fig__manifest *m) {
    FIG_CHECK(ctx, !strcmp(fig__json_str(fig__json_get(j, "format"), ""), FORMAT_NAME), FIG_ERR_FORMAT,
              "%s: is no manifest of a figment dataset", name);
    int64_t version = fig__json_int(fig__json_get(j, "version"), 0);
    FIG_CHECK(ctx, version == FORMAT_VERSION, FIG_ERR_UNSUPPORTED,
              "%s: version %lld is not read here, only %d; prepare the data again", name, (long long)version,
              FORMAT_VERSION);
    reader r = {ctx, name, FIG_OK};
    read_manifest(&r, j, m);
    FIG_TRY(r.status);
    FIG_CHECK(ctx, m->token_bytes != 3 && m->val_fraction >= 0 && m->val_fraction < 1, FIG_ERR_FORMAT,
              "%s: \"token_bytes\" or \"val_fraction\" is out of range", name);
    return FIG_OK;
}

fig_status fig__manifest_parse(fig_context *ctx, const char *name, const char *text, size_t len, fig__manifest *out) {
    fig__json *json;
    *out = (fig__manifest){0};
    FIG_TRY(fig__json_parse(ctx, name, text, len, &json));
    fig_status status = read_checked(ctx, name, json, out);
    if (status) fig__manifest_deinit(ctx, out);
    fig__json_free(json);
    return status;
}

fig_status fig__manifest_load(fig_context *ctx, const char *dir, fig__manifest *out) {
    fig__buf text;
    *out = (fig__manifest){0};
    char *path = fig__path_join(ctx, dir, FIG__MANIFEST_NAME);
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__file_read(ctx, path, FIG__MANIFEST_MAX_BYTES, &text);
    if (!status) {
        status = fig__manifest_parse(ctx, path, text.data, text.len, out);
        fig__buf_deinit(&text);
    }
    fig__free(ctx, path);
    return status;
}

void fig__manifest_deinit(fig_context *ctx, fig__manifest *m) {
    for (size_t i = 0; i < m->sources.n; i++) fig__free(ctx, m->sources.data[i].path);
    fig__free(ctx, m->sources.data);
    *m = (fig__manifest){0};
}
