/* base/yaml_write.c: a JSON tree as block-style YAML that yaml.c reads back to the same tree. */
#include "base/json.h"
#include <jansson.h>

/* Words of letters, digits and a few signs need no quotes, unless they would be read as something else: a first
 * letter rules out numbers, the words of other kinds are listed (also those of YAML 1.1, for other readers). */
static bool is_plain(const char *s, size_t len) {
    static const char *const taken[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    if (!len || !((s[0] | 32) >= 'a' && (s[0] | 32) <= 'z')) return false;
    for (size_t i = 0; i < len; i++) {
        char c = fig__lower(s[i]);
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("_-./+", c));
        if (!fine) return false;
    }
    for (size_t i = 0; i < FIG_COUNT(taken); i++)
        if (fig__same_text(s, taken[i])) return false;
    return true;
}

/* The character at s, which is valid UTF-8; *n is its length. */
static uint32_t decode(const char *s, size_t *n) {
    const unsigned char *b = (const unsigned char *)s;
    *n = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    uint32_t c = *n == 1 ? b[0] : b[0] & (0xffu >> (*n + 1));
    for (size_t i = 1; i < *n; i++) c = c << 6 | (b[i] & 0x3f);
    return c;
}

/* What YAML readers refuse, take for a line end, or drop (spec 5.1, 5.4). */
static bool needs_escape(uint32_t c) {
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c == 0xfffe || c == 0xffff;
}

static fig_status write_string(const char *s, size_t len, fig__buf *out) {
    if (is_plain(s, len)) return fig__buf_add(out, s, len);
    FIG_TRY(fig__buf_addc(out, '"'));
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t c = decode(s + i, &n);
        if (c == '\n')
            FIG_TRY(fig__buf_adds(out, "\\n"));
        else if (c == '"' || c == '\\')
            FIG_TRY(fig__buf_printf(out, "\\%c", (int)c));
        else if (needs_escape(c))
            FIG_TRY(fig__buf_printf(out, "\\u%04x", (unsigned)c));
        else
            FIG_TRY(fig__buf_add(out, s + i, n));
    }
    return fig__buf_addc(out, '"');
}

/* The shortest digits that read back as the same number, with a point or an exponent so that it stays a real. */
static fig_status write_real(double v, fig__buf *out) {
    for (int digits = 6; digits <= 17; digits++) {
        double back;
        size_t start = out->len;
        FIG_TRY(fig__buf_printf(out, "%.*g", digits, v));
        if (fig__parse_real(out->data + start, &back) && back == v) {
            if (!strpbrk(out->data + start, ".e")) FIG_TRY(fig__buf_adds(out, ".0"));
            return FIG_OK;
        }
        out->len = start;
        out->data[start] = 0;
    }
    return FIG_FAIL(out->ctx, FIG_ERR_INTERNAL, "a number that cannot be written");
}

static fig_status write_scalar(const json_t *j, fig__buf *out) {
    switch (json_typeof(j)) {
    case JSON_STRING: return write_string(json_string_value(j), json_string_length(j), out);
    case JSON_INTEGER: return fig__buf_printf(out, "%lld", (long long)json_integer_value(j));
    case JSON_REAL: return write_real(json_real_value(j), out);
    case JSON_TRUE: return fig__buf_adds(out, "true");
    case JSON_FALSE: return fig__buf_adds(out, "false");
    case JSON_OBJECT: return fig__buf_adds(out, "{}"); /* only empty ones come here */
    case JSON_ARRAY: return fig__buf_adds(out, "[]");
    case JSON_NULL: break;
    }
    return fig__buf_adds(out, "null");
}

static fig_status write_block(const json_t *j, int indent, fig__buf *out);

/* A value after "key:" or "-": on the same line, or below and further in. */
static fig_status write_value(const json_t *j, int indent, fig__buf *out) {
    if (fig__json_size(j)) {
        FIG_TRY(fig__buf_addc(out, '\n'));
        return write_block(j, indent + 2, out);
    }
    FIG_TRY(fig__buf_addc(out, ' '));
    FIG_TRY(write_scalar(j, out));
    return fig__buf_addc(out, '\n');
}

static fig_status write_block(const json_t *j, int indent, fig__buf *out) {
    const char *key;
    size_t key_len, i;
    json_t *value, *object = (json_t *)(uintptr_t)j; /* jansson's iterators take no const */
    json_object_keylen_foreach(object, key, key_len, value) {
        FIG_TRY(fig__buf_printf(out, "%*s", indent, ""));
        FIG_TRY(write_string(key, key_len, out));
        FIG_TRY(fig__buf_addc(out, ':'));
        FIG_TRY(write_value(value, indent, out));
    }
    json_array_foreach(object, i, value) {
        FIG_TRY(fig__buf_printf(out, "%*s-", indent, ""));
        FIG_TRY(write_value(value, indent, out));
    }
    return FIG_OK;
}

fig_status fig__yaml_write(const fig__json *j, fig__buf *out) {
    if (fig__json_size(j)) return write_block(j, 0, out);
    FIG_TRY(write_scalar(j, out));
    return fig__buf_addc(out, '\n');
}
