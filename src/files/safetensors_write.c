/* files/safetensors_write.c: writing safetensors, in one pass, without ever holding the data. */
#include "base/map.h"
#include "files/safetensors.h"

#define MAX_HEADER ((size_t)100 * 1000 * 1000)

struct fig__st_writer {
    fig_context *ctx;
    fig__writer *file;
    fig__json *header;
    bool header_written;
    uint64_t declared, given; /* bytes of data */
};

static const char *const type_names[] = {[FIG_F32] = "F32", [FIG_BF16] = "BF16", [FIG_F64] = "F64", [FIG_I32] = "I32",
                                         [FIG_I64] = "I64", [FIG_U8] = "U8",     [FIG_F16] = "F16"};
_Static_assert(FIG_COUNT(type_names) == FIG_DTYPE_COUNT, "every type has its name in the format");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data is given in the order of the file");

static void writer_free(fig__st_writer *w) {
    fig__json_free(w->header);
    fig__free(w->ctx, w);
}

/* A copy, because the caller keeps what it gave. */
static fig_status put_metadata(fig__json *header, const fig__json *metadata) {
    fig__json *copy = fig__json_new_object(), *value;
    FIG_TRY(fig__json_put(header, "__metadata__", copy));
    if (!metadata) return fig__json_put(copy, "format", fig__json_new_str("pt"));
    const char *key;
    for (size_t i = 0; (key = fig__json_key(metadata, i, &value)); i++)
        FIG_TRY(fig__json_put(copy, key, fig__json_new_str(fig__json_str(value, ""))));
    return FIG_OK;
}

fig_status fig__st_writer_new(fig_context *ctx, const char *path, const fig__json *metadata, fig__st_writer **out) {
    *out = NULL;
    fig__st_writer *w = FIG_NEW(ctx, fig__st_writer);
    if (!w) return FIG_ERR_NOMEM;
    w->ctx = ctx;
    w->header = fig__json_new_object();
    fig_status status = w->header ? put_metadata(w->header, metadata) : FIG_ERR_NOMEM;
    if (status) FIG_FAIL(ctx, status, "%s: out of memory", path);
    if (!status) status = fig__writer_open(ctx, path, &w->file);
    if (status)
        writer_free(w);
    else
        *out = w;
    return status;
}

static fig_status push_sizes(fig__json *array, const size_t *sizes, int n) {
    for (int i = 0; i < n; i++) FIG_TRY(fig__json_push(array, fig__json_new_int((int64_t)sizes[i])));
    return FIG_OK;
}

static fig_status put_tensor(fig__json *header, const char *name, fig_dtype dtype, int ndim, const size_t *shape,
                             const size_t offsets[2]) {
    fig__json *info = fig__json_new_object(), *shape_json = fig__json_new_array(),
              *offsets_json = fig__json_new_array();
    fig_status status = fig__json_put(header, name, info);
    if (!status) status = fig__json_put(info, "dtype", fig__json_new_str(type_names[dtype]));
    if (!status) status = push_sizes(shape_json, shape, ndim);
    if (!status) status = push_sizes(offsets_json, offsets, 2);
    if (!status) status = fig__json_put(info, "shape", fig__json_ref(shape_json));
    if (!status) status = fig__json_put(info, "data_offsets", fig__json_ref(offsets_json));
    fig__json_free(shape_json);
    fig__json_free(offsets_json);
    return status;
}

fig_status fig__st_writer_declare(fig__st_writer *w, const char *name, fig_dtype dtype, int ndim, const size_t *shape) {
    FIG_CHECK(w->ctx, !w->header_written, FIG_ERR_ARG, "tensor %s: declared after the first data", name);
    FIG_CHECK(w->ctx,
              dtype < FIG_DTYPE_COUNT && ndim >= 0 && ndim <= FIG__WEIGHTS_MAX_DIMS &&
                  strlen(name) <= FIG__WEIGHTS_MAX_NAME && strcmp(name, "__metadata__"),
              FIG_ERR_ARG, "tensor %.100s: cannot be in a safetensors file", name);
    FIG_CHECK(w->ctx, !fig__json_get(w->header, name), FIG_ERR_ARG, "tensor %s: declared twice", name);
    size_t bytes = fig_dtype_size(dtype), offsets[2] = {w->declared};
    for (int i = 0; i < ndim; i++)
        FIG_CHECK(w->ctx, !__builtin_mul_overflow(bytes, shape[i], &bytes), FIG_ERR_ARG, "tensor %s: too large", name);
    offsets[1] = offsets[0] + bytes;
    FIG_CHECK(w->ctx, offsets[1] >= offsets[0] && offsets[1] <= INT64_MAX, FIG_ERR_ARG, "tensor %s: too large", name);
    if (put_tensor(w->header, name, dtype, ndim, shape, offsets))
        return FIG_FAIL(w->ctx, FIG_ERR_NOMEM, "tensor %s: out of memory", name);
    w->declared = offsets[1];
    return FIG_OK;
}

static fig_status write_header(fig__st_writer *w) {
    fig__buf text;
    fig__buf_init(&text, w->ctx, MAX_HEADER);
    w->header_written = true;
    fig_status status = fig__json_write(w->header, 0, &text);
    while (!status && text.len % 8) status = fig__buf_addc(&text, ' ');
    if (!status) {
        uint64_t n = text.len;
        fig__writer_add(w->file, &n, sizeof n);
        fig__writer_add(w->file, text.data, text.len);
    }
    fig__buf_deinit(&text);
    return status;
}

fig_status fig__st_writer_data(fig__st_writer *w, const void *data, size_t bytes) {
    if (!w->header_written) FIG_TRY(write_header(w));
    FIG_CHECK(w->ctx, bytes <= w->declared - w->given, FIG_ERR_ARG, "more data than the declared tensors have");
    fig__writer_add(w->file, data, bytes);
    w->given += bytes;
    return FIG_OK;
}

fig_status fig__st_writer_commit(fig__st_writer *w) {
    fig_status status = w->header_written ? FIG_OK : write_header(w);
    if (!status && w->given != w->declared)
        status = FIG_FAIL(w->ctx, FIG_ERR_ARG, "%llu bytes of the declared tensors were not given",
                          (unsigned long long)(w->declared - w->given));
    if (status) {
        fig__st_writer_abort(w);
        return status;
    }
    status = fig__writer_commit(w->file);
    writer_free(w);
    return status;
}

void fig__st_writer_abort(fig__st_writer *w) {
    if (!w) return;
    fig__writer_abort(w->file);
    writer_free(w);
}
