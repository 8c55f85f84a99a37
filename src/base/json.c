/* base/json.c: JSON through jansson, which stands behind this file and yaml.c and nowhere else. */
#include "base/json.h"
#include "base/file.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#define MAX_DEPTH 128
#define PARSE_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* --- parsing ---------------------------------------------------------------------------------------------*/

/* jansson recurses up to 2048 levels; we look first. Only brackets outside strings count. */
static fig_status check_depth(fig_context *ctx, const char *name, const char *text, size_t len) {
    size_t depth = 0, line = 1;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\n') line++;
        if (c == '\\' && in_string)
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > MAX_DEPTH)
            return FIG_FAIL(ctx, FIG_ERR_LIMIT, "%s:%zu: more than %d levels deep", name, line, MAX_DEPTH);
        else if (!in_string && (c == ']' || c == '}') && depth)
            depth--;
    }
    return FIG_OK;
}

static size_t number_len(const char *text, size_t len, bool *is_integer) {
    *is_integer = true;
    size_t n = 0;
    for (; n < len && text[n] && strchr("0123456789+-.eE", text[n]); n++)
        if (strchr(".eE", text[n])) *is_integer = false;
    return n;
}

/* Copies text with ".0" behind integers of 19 characters and more, which int64 may not hold: transformers writes
 * 1000000000000000019884624838656 for "no limit". */
static fig_status widen_integers(const char *text, size_t len, fig__buf *out) {
    bool in_string = false, is_integer;
    for (size_t i = 0, n; i < len; i += n) {
        size_t number = in_string ? 0 : number_len(text + i, len - i, &is_integer);
        bool escaped = in_string && text[i] == '\\' && i + 1 < len;
        if (text[i] == '"') in_string = !in_string;
        n = number ? number : escaped ? 2 : 1;
        FIG_TRY(fig__buf_add(out, text + i, n));
        if (number >= 19 && is_integer) FIG_TRY(fig__buf_adds(out, ".0"));
    }
    return FIG_OK;
}

static fig_status parse_widened(fig_context *ctx, const char *text, size_t len, json_error_t *error, json_t **out) {
    fig__buf wide;
    fig__buf_init(&wide, ctx, SIZE_MAX / 2);
    fig_status status = widen_integers(text, len, &wide);
    if (!status) *out = json_loadb(wide.data, wide.len, PARSE_FLAGS, error);
    fig__buf_deinit(&wide);
    return status;
}

fig_status fig__json_parse(fig_context *ctx, const char *name, const char *text, size_t len, fig__json **out) {
    *out = NULL;
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, len -= 3;
    FIG_CHECK(ctx, len, FIG_ERR_FORMAT, "%s: empty; JSON is needed", name);
    FIG_TRY(check_depth(ctx, name, text, len));
    json_error_t error;
    *out = json_loadb(text, len, PARSE_FLAGS, &error);
    if (!*out && json_error_code(&error) == json_error_numeric_overflow)
        FIG_TRY(parse_widened(ctx, text, len, &error, out));
    if (*out) return FIG_OK;
    /* jansson tells most of its own failed allocations by an error without a text. */
    if (!*error.text || json_error_code(&error) == json_error_out_of_memory)
        return FIG_FAIL(ctx, FIG_ERR_NOMEM, "%s: out of memory", name);
    return FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s:%d:%d: %s", name, error.line, error.column, error.text);
}

fig_status fig__json_load(fig_context *ctx, const char *path, size_t max, fig__json **out) {
    fig__buf text;
    *out = NULL;
    FIG_TRY(fig__file_read(ctx, path, max, &text));
    fig_status status = fig__json_parse(ctx, path, fig__buf_str(&text), text.len, out);
    fig__buf_deinit(&text);
    return status;
}

/* --- looking ---------------------------------------------------------------------------------------------*/

fig__json_kind fig__json_type(const fig__json *j) {
    if (!j) return FIG_JSON_NULL;
    switch (json_typeof(j)) {
    case JSON_OBJECT: return FIG_JSON_OBJECT;
    case JSON_ARRAY: return FIG_JSON_ARRAY;
    case JSON_STRING: return FIG_JSON_STRING;
    case JSON_INTEGER: return FIG_JSON_INT;
    case JSON_REAL: return FIG_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE: return FIG_JSON_BOOL;
    case JSON_NULL: break;
    }
    return FIG_JSON_NULL;
}

size_t fig__json_size(const fig__json *j) { return json_is_object(j) ? json_object_size(j) : json_array_size(j); }

fig__json *fig__json_get(const fig__json *object, const char *key) { return json_object_get(object, key); }

fig__json *fig__json_at(const fig__json *array, size_t i) { return json_array_get(array, i); }

/* Where fig__json_key stands in a few objects, so that counting up takes one step each. Anything that may change or
 * free an object forgets it all. */
static _Thread_local struct {
    const fig__json *object;
    size_t i;
    void *iter;
} cursors[8];

static void forget_cursors(void) { memset(cursors, 0, sizeof cursors); }

const char *fig__json_key(const fig__json *object, size_t i, fig__json **value) {
    if (value) *value = NULL;
    if (i >= json_object_size(object)) return NULL;
    json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterators take no const */
    size_t slot = ((uintptr_t)object >> 4) % FIG_COUNT(cursors), at = 0;
    void *iter = NULL;
    if (cursors[slot].object == object && cursors[slot].i <= i) {
        iter = cursors[slot].iter;
        at = cursors[slot].i;
    } else {
        iter = json_object_iter(o);
    }
    for (; iter && at < i; at++) iter = json_object_iter_next(o, iter);
    if (!iter) return NULL;
    cursors[slot].object = object;
    cursors[slot].i = i;
    cursors[slot].iter = iter;
    if (value) *value = json_object_iter_value(iter);
    return json_object_iter_key(iter);
}

fig_status fig__json_each(fig__json *object, fig__json_each_fn *fn, void *arg) {
    for (void *iter = json_object_iter(object); iter; iter = json_object_iter_next(object, iter))
        FIG_TRY(fn(arg, json_object_iter_key(iter), json_object_iter_key_len(iter), json_object_iter_value(iter)));
    return FIG_OK;
}

const char *fig__json_str(const fig__json *j, const char *otherwise) {
    return json_is_string(j) ? json_string_value(j) : otherwise;
}

size_t fig__json_str_len(const fig__json *j) { return json_string_length(j); }

int64_t fig__json_int(const fig__json *j, int64_t otherwise) {
    return json_is_integer(j) ? json_integer_value(j) : otherwise;
}

double fig__json_real(const fig__json *j, double otherwise) {
    return json_is_number(j) ? json_number_value(j) : otherwise;
}

bool fig__json_bool(const fig__json *j, bool otherwise) { return json_is_boolean(j) ? json_is_true(j) : otherwise; }

/* --- building --------------------------------------------------------------------------------------------*/

void fig__json_free(fig__json *j) {
    forget_cursors();
    json_decref(j);
}

fig__json *fig__json_ref(fig__json *j) { return json_incref(j); }

fig__json *fig__json_new_object(void) { return json_object(); }
fig__json *fig__json_new_array(void) { return json_array(); }
fig__json *fig__json_new_int(int64_t v) { return json_integer(v); }
fig__json *fig__json_new_real(double v) { return isfinite(v) ? json_real(v) : json_null(); }
fig__json *fig__json_new_bool(bool v) { return json_boolean(v); }
fig__json *fig__json_new_null(void) { return json_null(); }
fig__json *fig__json_new_str(const char *s) { return fig__json_new_strn(s, strlen(s)); }

/* Bytes of the UTF-8 character at s, 0 when it is not one (RFC 3629: no surrogates, nothing longer than needed). */
static size_t utf8_char(const unsigned char *s, size_t len) {
    static const struct {
        unsigned char first, last, low, high; /* range of the first byte, range of the second */
        size_t n;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    if (s[0] < 0x80) return 1;
    size_t f = 0;
    while (f < FIG_COUNT(forms) && (s[0] < forms[f].first || s[0] > forms[f].last)) f++;
    if (f == FIG_COUNT(forms) || forms[f].n > len || s[1] < forms[f].low || s[1] > forms[f].high) return 0;
    for (size_t i = 2; i < forms[f].n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return forms[f].n;
}

/* Each bad byte becomes U+FFFD: three bytes at most for one. */
static json_t *new_repaired(const char *s, size_t len) {
    if (len > SIZE_MAX / 4) return NULL;
    char *out = malloc(3 * len);
    if (!out) return NULL;
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t width = utf8_char((const unsigned char *)s + i, len - i);
        memcpy(out + n, width ? s + i : "\xef\xbf\xbd", width ? width : 3);
        n += width ? width : 3;
        i += width ? width : 1;
    }
    json_t *j = json_stringn(out, n);
    free(out);
    return j;
}

fig__json *fig__json_new_strn(const char *s, size_t len) {
    for (size_t i = 0, width; i < len; i += width) {
        width = utf8_char((const unsigned char *)s + i, len - i);
        if (!width) return new_repaired(s, len);
    }
    return json_stringn_nocheck(s, len);
}

fig_status fig__json_put(fig__json *object, const char *key, fig__json *value) {
    forget_cursors();
    return value && json_object_set_new(object, key, value) == 0 ? FIG_OK : FIG_ERR_NOMEM;
}

fig_status fig__json_push(fig__json *array, fig__json *value) {
    return value && json_array_append_new(array, value) == 0 ? FIG_OK : FIG_ERR_NOMEM;
}

/* --- writing ---------------------------------------------------------------------------------------------*/

typedef struct json_sink {
    fig__buf *out;
    fig_status status;
} json_sink;

static int sink_add(const char *text, size_t len, void *arg) {
    json_sink *sink = arg;
    if (!sink->status) sink->status = fig__buf_add(sink->out, text, len);
    return sink->status ? -1 : 0;
}

fig_status fig__json_write(const fig__json *j, int indent, fig__buf *out) {
    json_sink sink = {out, FIG_OK};
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(9) | JSON_INDENT((size_t)FIG_MIN(FIG_MAX(indent, 0), 31));
    if (json_dump_callback(j, sink_add, &sink, flags) == 0) return FIG_OK;
    return sink.status ? sink.status
                       : FIG_FAIL(out->ctx, FIG_ERR_NOMEM, "a JSON text cannot be written: out of memory");
}

fig_status fig__json_save(fig_context *ctx, const char *path, const fig__json *j, int indent) {
    fig__buf text;
    fig__buf_init(&text, ctx, SIZE_MAX / 2);
    fig_status status = fig__json_write(j, indent, &text);
    if (!status) status = fig__buf_addc(&text, '\n');
    if (!status) status = fig__file_write(ctx, path, text.data, text.len);
    fig__buf_deinit(&text);
    return status;
}
