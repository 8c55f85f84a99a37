/* files/safetensors.c: reading safetensors. The rules are those of the reference implementation
 * (huggingface/safetensors, Metadata::validate), and our own limits. Writing: safetensors_write.c. */
#include "files/safetensors.h"
#include "base/map.h"
#include <stdlib.h>

#define MAX_HEADER ((uint64_t)100 * 1000 * 1000)
#define MAX_FILES 4096

/* Everything the format names; what has no fig_dtype can be listed but not used. */
static const struct {
    const char *name;
    fig_dtype dtype;
    int bits;
} types[] = {
    {"F32", FIG_F32, 32},
    {"BF16", FIG_BF16, 16},
    {"F16", FIG_F16, 16},
    {"F64", FIG_F64, 64},
    {"I32", FIG_I32, 32},
    {"I64", FIG_I64, 64},
    {"U8", FIG_U8, 8},
    {"BOOL", FIG_DTYPE_COUNT, 8},
    {"I8", FIG_DTYPE_COUNT, 8},
    {"I16", FIG_DTYPE_COUNT, 16},
    {"U16", FIG_DTYPE_COUNT, 16},
    {"U32", FIG_DTYPE_COUNT, 32},
    {"U64", FIG_DTYPE_COUNT, 64},
    {"C64", FIG_DTYPE_COUNT, 64},
    {"F8_E4M3", FIG_DTYPE_COUNT, 8},
    {"F8_E5M2", FIG_DTYPE_COUNT, 8},
    {"F8_E8M0", FIG_DTYPE_COUNT, 8},
    {"F8_E4M3FNUZ", FIG_DTYPE_COUNT, 8},
    {"F8_E5M2FNUZ", FIG_DTYPE_COUNT, 8},
    {"F6_E2M3", FIG_DTYPE_COUNT, 6},
    {"F6_E3M2", FIG_DTYPE_COUNT, 6},
    {"F4", FIG_DTYPE_COUNT, 4},
};

typedef struct entry {
    fig__weight tensor;
    uint64_t from, to; /* bytes behind the header */
} entry;

typedef struct header_reader {
    fig_context *ctx;
    const char *path;
    fig__json *metadata; /* borrowed */
    struct {
        entry *data;
        size_t n, cap;
    } entries;
} header_reader;

/* --- one tensor's line of the header -----------------------------------------------------------------------*/

static fig_status read_type(header_reader *r, const fig__json *info, entry *e, int *bits) {
    const char *name = fig__json_str(fig__json_get(info, "dtype"), "");
    for (size_t i = 0; i < FIG_COUNT(types); i++) {
        if (strcmp(name, types[i].name)) continue;
        e->tensor.dtype = types[i].dtype;
        e->tensor.dtype_name = types[i].name;
        *bits = types[i].bits;
        return FIG_OK;
    }
    return FIG_FAIL(r->ctx, FIG_ERR_FORMAT, "%s: tensor %s: no type is called \"%.40s\"", r->path, e->tensor.name,
                    name);
}

static fig_status read_shape(header_reader *r, const fig__json *info, int bits, entry *e) {
    const fig__json *shape = fig__json_get(info, "shape");
    FIG_CHECK(r->ctx, fig__json_type(shape) == FIG_JSON_ARRAY, FIG_ERR_FORMAT, "%s: tensor %s: no shape", r->path,
              e->tensor.name);
    size_t ndim = fig__json_size(shape), total = (size_t)bits;
    FIG_CHECK(r->ctx, ndim <= FIG__WEIGHTS_MAX_DIMS, FIG_ERR_LIMIT, "%s: tensor %s: %zu axes; at most %d are read",
              r->path, e->tensor.name, ndim, FIG__WEIGHTS_MAX_DIMS);
    e->tensor.ndim = (int)ndim;
    for (size_t i = 0; i < ndim; i++) {
        int64_t extent = fig__json_int(fig__json_at(shape, i), -1);
        FIG_CHECK(r->ctx, extent >= 0 && !__builtin_mul_overflow(total, (size_t)extent, &total), FIG_ERR_FORMAT,
                  "%s: tensor %s: a wrong shape", r->path, e->tensor.name);
        e->tensor.shape[i] = (size_t)extent;
    }
    FIG_CHECK(r->ctx, total % 8 == 0, FIG_ERR_FORMAT, "%s: tensor %s does not end at a whole byte", r->path,
              e->tensor.name);
    e->tensor.bytes = total / 8;
    return FIG_OK;
}

static fig_status read_offsets(header_reader *r, const fig__json *info, entry *e) {
    const fig__json *offsets = fig__json_get(info, "data_offsets");
    int64_t from = fig__json_int(fig__json_at(offsets, 0), -1), to = fig__json_int(fig__json_at(offsets, 1), -1);
    FIG_CHECK(r->ctx, fig__json_size(offsets) == 2 && from >= 0 && to >= from, FIG_ERR_FORMAT,
              "%s: tensor %s: wrong data_offsets", r->path, e->tensor.name);
    FIG_CHECK(r->ctx, (uint64_t)(to - from) == e->tensor.bytes, FIG_ERR_FORMAT,
              "%s: tensor %s: its shape asks for %zu bytes, its data_offsets give %lld", r->path, e->tensor.name,
              e->tensor.bytes, (long long)(to - from));
    e->from = (uint64_t)from;
    e->to = (uint64_t)to;
    return FIG_OK;
}

static fig_status check_metadata(header_reader *r, const fig__json *metadata) {
    const fig__json_kind kind = fig__json_type(metadata);
    bool good = kind == FIG_JSON_OBJECT;
    fig__json *value;
    for (size_t i = 0; good && fig__json_key(metadata, i, &value); i++) good = fig__json_type(value) == FIG_JSON_STRING;
    FIG_CHECK(r->ctx, good, FIG_ERR_FORMAT, "%s: __metadata__ must be an object of strings", r->path);
    return FIG_OK;
}

static fig_status read_entry(void *arg, const char *key, size_t key_len, fig__json *value) {
    header_reader *r = arg;
    if (!strcmp(key, "__metadata__")) {
        r->metadata = value;
        return check_metadata(r, value);
    }
    FIG_CHECK(r->ctx, key_len <= FIG__WEIGHTS_MAX_NAME, FIG_ERR_LIMIT,
              "%s: a tensor's name of %zu bytes; at most %d are read", r->path, key_len, FIG__WEIGHTS_MAX_NAME);
    FIG_CHECK(r->ctx, r->entries.n < FIG__WEIGHTS_MAX, FIG_ERR_LIMIT, "%s: more than %u tensors", r->path,
              FIG__WEIGHTS_MAX);
    entry e = {.tensor = {.name = key, .file = r->path}};
    int bits = 0;
    FIG_TRY(read_type(r, value, &e, &bits));
    FIG_TRY(read_shape(r, value, bits, &e));
    FIG_TRY(read_offsets(r, value, &e));
    return FIG_PUSH(r->ctx, &r->entries, e);
}

/* --- a whole file --------------------------------------------------------------------------------------------*/

static int by_position(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

/* Gives the entries to w, in the order of their data, which must follow each other from the first byte to the last. */
static fig_status add_entries(header_reader *r, fig__weights *w, const uint8_t *data, uint64_t size) {
    uint64_t at = 0;
    if (r->entries.n) qsort(r->entries.data, r->entries.n, sizeof(entry), by_position);
    for (size_t i = 0; i < r->entries.n; i++) {
        entry *e = &r->entries.data[i];
        FIG_CHECK(r->ctx, e->from == at, FIG_ERR_FORMAT, "%s: tensor %s %s", r->path, e->tensor.name,
                  e->from < at ? "overlaps the one before it" : "leaves a hole in the file before it");
        FIG_CHECK(r->ctx, e->to <= size, FIG_ERR_FORMAT,
                  "%s: cut short: tensor %s ends %llu bytes behind the end of the file", r->path, e->tensor.name,
                  (unsigned long long)(e->to - size));
        e->tensor.data = data + e->from;
        FIG_TRY(fig__weights_add(w, &e->tensor));
        at = e->to;
    }
    FIG_CHECK(r->ctx, at == size, FIG_ERR_FORMAT, "%s: %llu bytes follow the last tensor", r->path,
              (unsigned long long)(size - at));
    return FIG_OK;
}

static uint64_t header_length(const uint8_t *data) {
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | data[i];
    return n;
}

static fig_status parse_header(fig_context *ctx, const char *path, const fig__mapping *file, fig__json **out) {
    FIG_CHECK(ctx, file->size >= 8, FIG_ERR_FORMAT, "%s: %zu bytes; too short for a safetensors file", path,
              file->size);
    uint64_t n = header_length(file->data);
    FIG_CHECK(
        ctx, n <= MAX_HEADER, FIG_ERR_FORMAT,
        "%s: its header would have %llu bytes; this is no safetensors file, or its header is over the limit of 100 MB",
        path, (unsigned long long)n);
    FIG_CHECK(ctx, n <= file->size - 8, FIG_ERR_FORMAT, "%s: cut short: a header of %llu bytes in a file of %zu", path,
              (unsigned long long)n, file->size);
    FIG_CHECK(ctx, n && file->data[8] == '{', FIG_ERR_FORMAT,
              "%s: its header is no JSON object; is it a safetensors file?", path);
    FIG_TRY(fig__json_parse(ctx, path, (const char *)file->data + 8, (size_t)n, out));
    return FIG_OK;
}

static fig_status add_file(fig_context *ctx, const char *path, fig__weights *w) {
    header_reader r = {.ctx = ctx};
    fig__mapping file;
    fig__json *header = NULL;
    FIG_TRY(fig__weights_map(w, path, &r.path, &file));
    fig_status status = FIG_OK;
    FIG_GOTO(parse_header(ctx, r.path, &file, &header));
    FIG_GOTO(fig__json_each(header, read_entry, &r));
    size_t start = 8 + (size_t)header_length(file.data);
    FIG_GOTO(add_entries(&r, w, file.data + start, file.size - start));
    if (r.metadata) fig__weights_set_metadata(w, fig__json_ref(r.metadata));
cleanup:
    fig__free(ctx, r.entries.data);
    fig__json_free(header);
    return status;
}

fig_status fig__st_open(fig_context *ctx, const char *path, fig__weights **out) {
    FIG_TRY(fig__weights_new(ctx, out));
    fig_status status = add_file(ctx, path, *out);
    if (!status) return FIG_OK;
    fig__weights_close(*out);
    *out = NULL;
    return status;
}

/* --- models of several files ---------------------------------------------------------------------------------*/

typedef struct index_reader {
    fig_context *ctx;
    const char *path, *dir;
    fig__map *files; /* the names met so far */
    fig__weights *weights;
} index_reader;

/* Files are named beside the index and nowhere else. */
static bool plain_file_name(const char *name) { return *name && *name != '.' && !strchr(name, '/'); }

static fig_status add_listed_file(void *arg, const char *key, size_t key_len, fig__json *value) {
    (void)key_len;
    index_reader *r = arg;
    const char *name = fig__json_str(value, "");
    int64_t known;
    FIG_CHECK(r->ctx, plain_file_name(name), FIG_ERR_FORMAT, "%s: weight_map: %.200s names no file beside it", r->path,
              key);
    if (fig__map_get(r->files, name, strlen(name), &known)) return FIG_OK;
    FIG_CHECK(r->ctx, fig__map_count(r->files) < MAX_FILES, FIG_ERR_LIMIT, "%s: more than %d files", r->path,
              MAX_FILES);
    FIG_TRY(fig__map_put(r->files, name, strlen(name), 1));
    char *path = fig__path_join(r->ctx, r->dir, name);
    fig_status status = path ? add_file(r->ctx, path, r->weights) : FIG_ERR_NOMEM;
    fig__free(r->ctx, path);
    return status;
}

static fig_status check_listed_tensor(void *arg, const char *key, size_t key_len, fig__json *value) {
    (void)key_len;
    index_reader *r = arg;
    const fig__weight *t = fig__weights_find(r->weights, key);
    FIG_CHECK(r->ctx, t && !strcmp(fig__path_base(t->file), fig__json_str(value, "")), FIG_ERR_FORMAT,
              "%s: tensor %.200s is not in %.200s, where weight_map has it", r->path, key, fig__json_str(value, ""));
    return FIG_OK;
}

static fig_status open_index(fig_context *ctx, const char *dir, const char *path, fig__weights *w) {
    fig__json *index = NULL;
    FIG_TRY(fig__json_load(ctx, path, MAX_HEADER, &index));
    index_reader r = {ctx, path, dir, fig__map_new(ctx), w};
    fig__json *map = fig__json_get(index, "weight_map");
    fig_status status = r.files ? FIG_OK : FIG_ERR_NOMEM;
    if (!status && fig__json_type(map) != FIG_JSON_OBJECT)
        status = FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: no weight_map", path);
    if (!status) status = fig__json_each(map, add_listed_file, &r);
    if (!status) status = fig__json_each(map, check_listed_tensor, &r);
    fig__map_free(r.files);
    fig__json_free(index);
    return status;
}

static fig_status open_folder(fig_context *ctx, const char *dir, const char *single, const char *index,
                              fig__weights *w) {
    if (fig__path_exists(single)) return add_file(ctx, single, w);
    if (fig__path_exists(index)) return open_index(ctx, dir, index, w);
    return FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: no model.safetensors in it, and no model.safetensors.index.json", dir);
}

fig_status fig__st_open_model(fig_context *ctx, const char *dir, fig__weights **out) {
    FIG_TRY(fig__weights_new(ctx, out));
    char *single = fig__path_join(ctx, dir, "model.safetensors");
    char *index = fig__path_join(ctx, dir, "model.safetensors.index.json");
    fig_status status = single && index ? open_folder(ctx, dir, single, index, *out) : FIG_ERR_NOMEM;
    fig__free(ctx, single);
    fig__free(ctx, index);
    if (!status) return FIG_OK;
    fig__weights_close(*out);
    *out = NULL;
    return status;
}
