/* media/text/utf8.c: UTF-8 checks and the stream that never splits a character. */
#include "media/text/utf8.h"
#include <fig/tokenizer.h>
#include <string.h>

fig__utf8_state fig__utf8_next(const char *text, size_t n, size_t *len) {
    const uint8_t *p = (const uint8_t *)text;
    uint8_t c = p[0];
    *len = 1;
    if (c < 0x80) return FIG_UTF8_OK;
    size_t want = c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (!want) return FIG_UTF8_BAD;
    /* Overlong forms, surrogates and what lies beyond U+10FFFF all show in the second byte. */
    uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    for (; *len < want; ++*len) {
        if (*len == n) return FIG_UTF8_PARTIAL;
        if (p[*len] < low || p[*len] > high) return FIG_UTF8_BAD;
        low = 0x80, high = 0xBF;
    }
    return FIG_UTF8_OK;
}

size_t fig__utf8_valid(const char *text, size_t n) {
    size_t pos = 0, len;
    while (pos < n) {
        uint64_t eight;
        while (n - pos >= 8 && (memcpy(&eight, text + pos, 8), !(eight & 0x8080808080808080u))) pos += 8;
        if (pos == n || fig__utf8_next(text + pos, n - pos, &len) != FIG_UTF8_OK) break;
        pos += len;
    }
    return pos;
}

uint32_t fig__utf8_decode(const char *text, size_t len) {
    const uint8_t *p = (const uint8_t *)text;
    if (len == 1) return p[0];
    uint32_t c = p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) c = c << 6 | (p[i] & 0x3Fu);
    return c;
}

size_t fig__utf8_encode(uint32_t c, char out[4]) {
    if (c < 0x80) return out[0] = (char)c, 1;
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00u >> len) | c);
    return len;
}

size_t fig__utf8_floor(const char *text, size_t n) {
    while (n > 0 && ((uint8_t)text[n] & 0xC0) == 0x80) n--;
    return n;
}

static size_t emit(char *out, const char *bytes, size_t len) {
    memcpy(out, bytes, len);
    return len;
}

/* Writes out what is decided about the held bytes; all of them when the text ends. */
static size_t drain(fig_utf8_stream *s, bool ends, char *out) {
    size_t written = 0, len;
    while (s->n_held > 0) {
        fig__utf8_state state = fig__utf8_next(s->held, (size_t)s->n_held, &len);
        if (state == FIG_UTF8_PARTIAL && !ends) break;
        written += state == FIG_UTF8_OK ? emit(out + written, s->held, len) : emit(out + written, "\xEF\xBF\xBD", 3);
        s->n_held -= (int)len;
        memmove(s->held, s->held + len, (size_t)s->n_held);
    }
    return written;
}

size_t fig_utf8_stream_add(fig_utf8_stream *s, const char *bytes, size_t len, char *out) {
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        s->held[s->n_held++] = bytes[i];
        written += drain(s, false, out + written);
    }
    return written;
}

size_t fig_utf8_stream_flush(fig_utf8_stream *s, char *out) { return drain(s, true, out); }
