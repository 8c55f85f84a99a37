/* files/weights.c: the table of named tensors that every model format fills. */
#include "files/weights.h"
#include "base/map.h"
#include <stdio.h>

typedef struct mapped_file {
    char *path;
    fig__mapping mapping;
} mapped_file;

struct fig__weights {
    fig_context *ctx;
    fig__arena *names;
    fig__map *by_name;
    fig__json *metadata;
    struct {
        fig__weight *data;
        size_t n, cap;
    } tensors;
    struct {
        mapped_file *data;
        size_t n, cap;
    } files;
    struct {
        void **data;
        size_t n, cap;
    } copies; /* of data that was not aligned in its file */
};

fig_status fig__weights_new(fig_context *ctx, fig__weights **out) {
    *out = NULL;
    fig__weights *w = FIG_NEW(ctx, fig__weights);
    if (!w) return FIG_ERR_NOMEM;
    w->ctx = ctx;
    w->names = fig__arena_new(ctx, 0);
    w->by_name = fig__map_new(ctx);
    if (w->names && w->by_name) {
        *out = w;
        return FIG_OK;
    }
    fig__weights_close(w);
    return FIG_ERR_NOMEM;
}

void fig__weights_close(fig__weights *w) {
    if (!w) return;
    for (size_t i = 0; i < w->files.n; i++) {
        fig__file_unmap(&w->files.data[i].mapping);
        fig__free(w->ctx, w->files.data[i].path);
    }
    for (size_t i = 0; i < w->copies.n; i++) fig__free(w->ctx, w->copies.data[i]);
    fig__free(w->ctx, w->files.data);
    fig__free(w->ctx, w->copies.data);
    fig__free(w->ctx, w->tensors.data);
    fig__json_free(w->metadata);
    fig__map_free(w->by_name);
    fig__arena_free(w->names);
    fig__free(w->ctx, w);
}

/* --- filling ---------------------------------------------------------------------------------------------*/

fig_status fig__weights_map(fig__weights *w, const char *path, const char **own_path, fig__mapping *out) {
    mapped_file file = {.path = fig__strdup(w->ctx, path)};
    if (!file.path) return FIG_ERR_NOMEM;
    fig_status status = fig__file_map(w->ctx, path, &file.mapping);
    if (!status) status = FIG_PUSH(w->ctx, &w->files, file);
    if (status) {
        fig__file_unmap(&file.mapping);
        fig__free(w->ctx, file.path);
        return status;
    }
    *own_path = file.path;
    *out = file.mapping;
    return FIG_OK;
}

static fig_status count_elements(fig__weights *w, fig__weight *t) {
    FIG_CHECK(w->ctx, t->ndim <= FIG__WEIGHTS_MAX_DIMS, FIG_ERR_LIMIT, "%s: tensor %s: %d axes; at most %d are read",
              t->file, t->name, t->ndim, FIG__WEIGHTS_MAX_DIMS);
    t->numel = 1;
    for (int i = 0; i < t->ndim; i++)
        FIG_CHECK(w->ctx, !__builtin_mul_overflow(t->numel, t->shape[i], &t->numel), FIG_ERR_FORMAT,
                  "%s: tensor %s: more elements than can be counted", t->file, t->name);
    return FIG_OK;
}

/* Formats do not promise alignment, and an element that is not aligned must not be read through its type. */
static fig_status align_data(fig__weights *w, fig__weight *t) {
    size_t element = t->dtype < FIG_DTYPE_COUNT ? fig_dtype_size(t->dtype) : 1;
    if (!t->bytes || (uintptr_t)t->data % element == 0) return FIG_OK;
    void *copy = fig__alloc(w->ctx, t->bytes);
    if (!copy) return FIG_ERR_NOMEM;
    memcpy(copy, t->data, t->bytes);
    t->data = copy;
    if (!FIG_PUSH(w->ctx, &w->copies, copy)) return FIG_OK;
    fig__free(w->ctx, copy);
    return FIG_ERR_NOMEM;
}

fig_status fig__weights_add(fig__weights *w, const fig__weight *tensor) {
    fig__weight t = *tensor;
    size_t len = strlen(t.name);
    FIG_CHECK(w->ctx, len <= FIG__WEIGHTS_MAX_NAME, FIG_ERR_LIMIT,
              "%s: a tensor's name of %zu bytes; at most %d are read", t.file, len, FIG__WEIGHTS_MAX_NAME);
    FIG_CHECK(w->ctx, w->tensors.n < FIG__WEIGHTS_MAX, FIG_ERR_LIMIT, "%s: more than %u tensors", t.file,
              FIG__WEIGHTS_MAX);
    int64_t other;
    FIG_CHECK(w->ctx, !fig__map_get(w->by_name, t.name, len, &other), FIG_ERR_FORMAT, "%s: tensor %s is there twice",
              t.file, t.name);
    FIG_TRY(count_elements(w, &t));
    FIG_TRY(align_data(w, &t));
    t.name = fig__arena_strdup(w->names, t.name);
    if (!t.name) return FIG_ERR_NOMEM;
    FIG_TRY(fig__map_put(w->by_name, t.name, len, (int64_t)w->tensors.n));
    return FIG_PUSH(w->ctx, &w->tensors, t);
}

void fig__weights_set_metadata(fig__weights *w, fig__json *metadata) {
    if (w->metadata)
        fig__json_free(metadata);
    else
        w->metadata = metadata;
}

/* --- reading ---------------------------------------------------------------------------------------------*/

size_t fig__weights_count(const fig__weights *w) { return w->tensors.n; }

const fig__weight *fig__weights_at(const fig__weights *w, size_t i) { return &w->tensors.data[i]; }

const fig__weight *fig__weights_find(const fig__weights *w, const char *name) {
    int64_t i;
    return fig__map_get(w->by_name, name, strlen(name), &i) ? &w->tensors.data[i] : NULL;
}

const fig__json *fig__weights_metadata(const fig__weights *w) { return w->metadata; }

const char *fig__shape_text(char *text, size_t size, int ndim, const size_t *shape) {
    size_t n = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < ndim && n < size; i++) n += (size_t)snprintf(text + n, size - n, i ? ", %zu" : "%zu", shape[i]);
    if (n < size) snprintf(text + n, size - n, "]");
    return text;
}

static fig_status check_type(const fig__weights *w, const fig__weight *t) {
    FIG_CHECK(w->ctx, t->dtype < FIG_DTYPE_COUNT, FIG_ERR_UNSUPPORTED,
              "%s: tensor %s is of type %s, which is not supported", t->file, t->name, t->dtype_name);
    return FIG_OK;
}

fig_status fig__weights_need(const fig__weights *w, const char *name, int ndim, const size_t *shape,
                             const fig__weight **out) {
    const fig__weight *t = *out = fig__weights_find(w, name);
    char is[192], wanted[192];
    FIG_CHECK(w->ctx, t, FIG_ERR_FORMAT, "%s: no tensor %s; is this another kind of model?",
              w->files.n ? w->files.data[0].path : "weights", name);
    FIG_TRY(check_type(w, t));
    bool same = ndim < 0 || ndim == t->ndim;
    for (int i = 0; same && i < ndim; i++) same = shape[i] == t->shape[i];
    FIG_CHECK(w->ctx, same, FIG_ERR_SHAPE, "%s: tensor %s is %s, but the settings ask for %s", t->file, name,
              fig__shape_text(is, sizeof is, t->ndim, t->shape), fig__shape_text(wanted, sizeof wanted, ndim, shape));
    return FIG_OK;
}

/* NaN and infinities are what has every bit of the exponent set. */
#define COUNT_NONFINITE(type, exponent)                                                           \
    do {                                                                                          \
        const type *p = t->data;                                                                  \
        for (size_t i = 0; i < t->numel; i++) n += (p[i] & (type)(exponent)) == (type)(exponent); \
    } while (0)

static size_t count_nonfinite(const fig__weight *t) {
    size_t n = 0;
    switch (t->dtype) {
    case FIG_F32: COUNT_NONFINITE(uint32_t, 0x7f800000u); break;
    case FIG_BF16: COUNT_NONFINITE(uint16_t, 0x7f80u); break;
    case FIG_F16: COUNT_NONFINITE(uint16_t, 0x7c00u); break;
    case FIG_F64: COUNT_NONFINITE(uint64_t, 0x7ff0000000000000u); break;
    default: break;
    }
    return n;
}

fig_status fig__weights_check_finite(const fig__weights *w, const fig__weight *tensor) {
    FIG_TRY(check_type(w, tensor));
    size_t n = count_nonfinite(tensor);
    FIG_CHECK(w->ctx, n == 0, FIG_ERR_FORMAT,
              "%s: tensor %s: %zu of %zu numbers are NaN or infinite; the file is spoilt", tensor->file, tensor->name,
              n, tensor->numel);
    return FIG_OK;
}
