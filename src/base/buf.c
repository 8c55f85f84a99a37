/* base/buf.c: the growing byte string. Capacity doubles, but never past what max allows. */
#include "base/buf.h"

void fig__buf_init(fig__buf *b, fig_context *ctx, size_t max) {
    /* One less than there can be, so that the NUL always has a place. */
    *b = (fig__buf){.ctx = ctx, .max = FIG_MIN(max, SIZE_MAX - 1)};
}

void fig__buf_deinit(fig__buf *b) {
    fig__free(b->ctx, b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

void fig__buf_clear(fig__buf *b) {
    b->len = 0;
    if (b->data) b->data[0] = 0;
}

fig_status fig__buf_reserve(fig__buf *b, size_t more) {
    FIG_CHECK(b->ctx, more <= b->max - b->len, FIG_ERR_LIMIT, "%zu bytes and %zu more are over the limit of %zu bytes",
              b->len, more, b->max);
    size_t need = b->len + more + 1;
    if (need <= b->cap) return FIG_OK;
    size_t doubled = b->cap > b->max / 2 ? b->max + 1 : 2 * b->cap;
    size_t cap = FIG_MAX(need, FIG_MIN(FIG_MAX(doubled, (size_t)64), b->max + 1));
    char *grown = fig__realloc(b->ctx, b->data, cap);
    if (!grown) return FIG_ERR_NOMEM;
    b->data = grown;
    b->cap = cap;
    b->data[b->len] = 0;
    return FIG_OK;
}

fig_status fig__buf_add(fig__buf *b, const void *data, size_t len) {
    FIG_TRY(fig__buf_reserve(b, len));
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
    return FIG_OK;
}

fig_status fig__buf_addc(fig__buf *b, char c) { return fig__buf_add(b, &c, 1); }

fig_status fig__buf_adds(fig__buf *b, const char *s) { return fig__buf_add(b, s, strlen(s)); }

fig_status fig__buf_printf(fig__buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = fig__vformat(NULL, 0, format, args);
    fig_status status =
        len < 0 ? FIG_FAIL(b->ctx, FIG_ERR_ARG, "a text cannot be formatted") : fig__buf_reserve(b, (size_t)len);
    if (!status) {
        fig__vformat(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
    return status;
}

const char *fig__buf_str(const fig__buf *b) { return b->data ? b->data : ""; }
