/* files/npy.c: NumPy's .npy arrays. */
#include "files/npy.h"
#include <stdio.h>

#define MAX_HEADER 65536

/* --- the header: a Python literal -------------------------------------------------------------------------------*/

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, const char *text) {
    size_t len = strlen(text);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0) return false;
    c->at += len;
    return true;
}

/* 'text' or "text", without escapes; of at most size - 1 bytes. */
static bool take_string(cursor *c, char *out, size_t size) {
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char *start = c->at + 1, *stop = memchr(start, *c->at, (size_t)(c->end - start));
    if (!stop || (size_t)(stop - start) >= size || memchr(start, '\\', (size_t)(stop - start))) return false;
    memcpy(out, start, (size_t)(stop - start));
    out[stop - start] = 0;
    c->at = stop + 1;
    return true;
}

static bool take_number(cursor *c, size_t *out) {
    skip_blanks(c);
    const char *start = c->at;
    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        size_t digit = (size_t)(*c->at - '0');
        if (*out > (SIZE_MAX - digit) / 10) return false;
        *out = *out * 10 + digit;
    }
    return c->at > start;
}

/* (), (3,), (3, 4), (3, 4,) */
static bool take_shape(cursor *c, fig__npy *npy) {
    if (!take(c, "(")) return false;
    bool comma = true;
    for (npy->ndim = 0; !take(c, ")"); npy->ndim++) {
        if (!comma || npy->ndim == FIG__NPY_MAX_DIMS || !take_number(c, &npy->shape[npy->ndim])) return false;
        comma = take(c, ",");
    }
    return npy->ndim != 1 || comma; /* (3) is a number */
}

static const struct {
    const char *name;
    fig_dtype dtype;
} types[] = {{"f4", FIG_F32}, {"f8", FIG_F64}, {"i4", FIG_I32}, {"i8", FIG_I64}, {"u1", FIG_U8}};

/* A byte has no order, '|'; the machine's own, '=', is little endian wherever figment runs. */
static void find_type(const char *descr, fig__npy *npy) {
    npy->dtype = FIG_DTYPE_COUNT;
    if (*descr == '<' || *descr == '|' || *descr == '=') descr++;
    for (size_t i = 0; i < FIG_COUNT(types); i++)
        if (!strcmp(descr, types[i].name)) npy->dtype = types[i].dtype;
}

typedef enum key { DESCR = 1, FORTRAN = 2, SHAPE = 4, ALL_KEYS = 7 } key;

static int take_entry(cursor *c, fig__npy *npy, char descr[16]) {
    char name[16];
    if (!take_string(c, name, sizeof name) || !take(c, ":")) return 0;
    if (!strcmp(name, "descr")) return take_string(c, descr, 16) ? DESCR : 0;
    if (!strcmp(name, "shape")) return take_shape(c, npy) ? SHAPE : 0;
    if (strcmp(name, "fortran_order") != 0) return 0;
    npy->fortran = take(c, "True");
    return npy->fortran || take(c, "False") ? FORTRAN : 0;
}

static bool parse_header(cursor c, fig__npy *npy, char descr[16]) {
    int seen = 0, entry;
    bool comma = true;
    if (!take(&c, "{")) return false;
    for (; !take(&c, "}"); seen |= entry) {
        entry = comma ? take_entry(&c, npy, descr) : 0;
        if (!entry || (seen & entry)) return false;
        comma = take(&c, ",");
    }
    skip_blanks(&c);
    return seen == ALL_KEYS && c.at == c.end;
}

/* --- reading ----------------------------------------------------------------------------------------------------*/

static fig_status find_data(fig_context *ctx, const uint8_t *data, size_t len, fig__npy *npy) {
    size_t size = fig_dtype_size(npy->dtype);
    bool fits = true;
    npy->numel = 1;
    for (int i = 0; i < npy->ndim; i++) {
        fits = fits && (npy->shape[i] == 0 || npy->numel <= SIZE_MAX / size / npy->shape[i]);
        npy->numel *= npy->shape[i];
    }
    npy->bytes = npy->numel * size;
    FIG_CHECK(ctx, fits && npy->bytes <= len, FIG_ERR_FORMAT,
              "%s: the header says %zu numbers, the file has bytes for %zu; is it cut short?", npy->name, npy->numel,
              len / size);
    npy->data = data;
    return FIG_OK;
}

fig_status fig__npy_parse(fig_context *ctx, const char *name, const void *data, size_t len, fig__npy *out) {
    const uint8_t *b = data;
    char descr[16] = "";
    fig__npy npy = {.name = name};
    FIG_CHECK(ctx, len >= 12 && !memcmp(b, "\x93NUMPY", 6) && b[6] >= 1 && b[6] <= 3, FIG_ERR_FORMAT,
              "%s: no .npy file", name);
    size_t start = b[6] == 1 ? 10 : 12, header = b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) header |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    FIG_CHECK(ctx, header <= MAX_HEADER && header <= len - start, FIG_ERR_FORMAT, "%s: a header of %zu bytes, in %zu",
              name, header, len);
    cursor c = {(const char *)b + start, (const char *)b + start + header};
    FIG_CHECK(ctx, parse_header(c, &npy, descr), FIG_ERR_FORMAT,
              "%s: the header is not one of a plain array; was it written by numpy.save?", name);
    find_type(descr, &npy);
    FIG_CHECK(ctx, npy.dtype != FIG_DTYPE_COUNT, FIG_ERR_UNSUPPORTED,
              "%s: elements of type %s; f4, f8, i4, i8 and u1 in little endian are read", name, descr);
    FIG_TRY(find_data(ctx, b + start + header, len - start - header, &npy));
    *out = npy;
    return FIG_OK;
}

fig_status fig__npy_open(fig_context *ctx, const char *path, fig__npy *out) {
    fig__mapping file;
    FIG_TRY(fig__file_map(ctx, path, &file));
    fig_status status = fig__npy_parse(ctx, path, file.data, file.size, out);
    if (status)
        fig__file_unmap(&file);
    else
        out->file = file;
    return status;
}

void fig__npy_close(fig__npy *npy) { fig__file_unmap(&npy->file); }

/* Where element i of the row-major order is stored. */
static size_t place(const fig__npy *npy, size_t i) {
    if (!npy->fortran) return i;
    size_t at = 0;
    for (int axis = npy->ndim - 1; axis >= 0; axis--) {
        size_t stride = 1;
        for (int before = 0; before < axis; before++) stride *= npy->shape[before];
        at += i % npy->shape[axis] * stride;
        i /= npy->shape[axis];
    }
    return at;
}

static double number_at(const fig__npy *npy, size_t i) { /* exact: int64 is looked at by itself */
    float f;
    double d;
    int32_t n;
    switch (npy->dtype) {
    case FIG_F32: memcpy(&f, npy->data + 4 * i, 4); return f;
    case FIG_F64: memcpy(&d, npy->data + 8 * i, 8); return d;
    case FIG_I32: memcpy(&n, npy->data + 4 * i, 4); return n;
    default: return npy->data[i];
    }
}

/* NULL: the context says why. */
static void *new_array(fig_context *ctx, const fig__npy *npy, size_t max, size_t size) {
    if (npy->numel <= max) return fig__alloc(ctx, FIG_MAX(npy->numel, 1) * size);
    FIG_FAIL(ctx, FIG_ERR_LIMIT, "%s: %zu numbers; at most %zu are read", npy->name, npy->numel, max);
    return NULL;
}

fig_status fig__npy_floats(fig_context *ctx, const fig__npy *npy, size_t max, float **out) {
    FIG_CHECK(ctx, npy->dtype == FIG_F32 || npy->dtype == FIG_F64, FIG_ERR_UNSUPPORTED,
              "%s: %s; float32 or float64 is wanted", npy->name, fig_dtype_name(npy->dtype));
    float *x = new_array(ctx, npy, max, sizeof *x);
    if (!x) return fig_error_code(ctx);
    for (size_t i = 0; i < npy->numel; i++) x[i] = (float)number_at(npy, place(npy, i));
    *out = x;
    return FIG_OK;
}

fig_status fig__npy_ints(fig_context *ctx, const fig__npy *npy, size_t max, int32_t **out) {
    FIG_CHECK(ctx, npy->dtype == FIG_I32 || npy->dtype == FIG_I64 || npy->dtype == FIG_U8, FIG_ERR_UNSUPPORTED,
              "%s: %s; int32, int64 or uint8 is wanted", npy->name, fig_dtype_name(npy->dtype));
    int32_t *x = new_array(ctx, npy, max, sizeof *x);
    if (!x) return fig_error_code(ctx);
    for (size_t i = 0; i < npy->numel; i++) {
        size_t at = place(npy, i);
        int64_t wide = 0;
        if (npy->dtype == FIG_I64)
            memcpy(&wide, npy->data + 8 * at, 8);
        else
            wide = (int64_t)number_at(npy, at);
        x[i] = (int32_t)wide;
        if (x[i] != wide) {
            fig__free(ctx, x);
            return FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: number %zu is %lld, which 32 bits do not hold", npy->name, i,
                            (long long)wide);
        }
    }
    *out = x;
    return FIG_OK;
}

/* --- writing ----------------------------------------------------------------------------------------------------*/

static fig_status write_header(fig_dtype dtype, int ndim, const size_t *shape, fig__buf *b) {
    static const uint8_t start[10] = "\x93NUMPY\x01\x00"; /* version 1.0; then the length */
    FIG_TRY(fig__buf_add(b, start, sizeof start));
    FIG_TRY(fig__buf_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", dtype == FIG_F32 ? "<f4" : "<i4"));
    for (int i = 0; i < ndim; i++)
        FIG_TRY(fig__buf_printf(b, "%zu%s", shape[i], ndim == 1 ? "," : i + 1 < ndim ? ", " : ""));
    FIG_TRY(fig__buf_adds(b, "), }"));
    while ((b->len + 1) % 64) FIG_TRY(fig__buf_addc(b, ' '));
    FIG_TRY(fig__buf_addc(b, '\n'));
    size_t len = b->len - sizeof start;
    b->data[8] = (char)(len & 0xff), b->data[9] = (char)(len >> 8);
    return FIG_OK;
}

fig_status fig__npy_write(fig_context *ctx, const char *path, fig_dtype dtype, int ndim, const size_t *shape,
                          const void *data) {
    FIG_CHECK(ctx, (dtype == FIG_F32 || dtype == FIG_I32) && ndim >= 0 && ndim <= FIG__NPY_MAX_DIMS, FIG_ERR_ARG,
              "%s: .npy files are written of float32 or int32, with at most %d axes", path, FIG__NPY_MAX_DIMS);
    fig__buf header;
    fig__writer *w = NULL;
    size_t bytes = fig_dtype_size(dtype);
    for (int i = 0; i < ndim; i++) bytes *= shape[i];
    fig__buf_init(&header, ctx, 4096);
    fig_status status = write_header(dtype, ndim, shape, &header);
    if (!status) status = fig__writer_open(ctx, path, &w);
    if (!status) {
        fig__writer_add(w, header.data, header.len);
        if (bytes) fig__writer_add(w, data, bytes);
        status = fig__writer_commit(w);
    }
    fig__buf_deinit(&header);
    return status;
}
