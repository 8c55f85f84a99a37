/* data/chars.c: counting and cutting at characters. */
#include "data/chars.h"
#include "media/text/utf8.h"

/* Bytes of the first character; sets *bad for a byte that is none. */
static size_t char_len(const char *p, size_t left, bool *bad) {
    size_t n;
    *bad = fig__utf8_next(p, left, &n) != FIG_UTF8_OK;
    return *bad ? 1 : n;
}

/* Plain ASCII, eight bytes at a time, is what most text is. */
static size_t ascii_run(const char *p, size_t left) {
    size_t n = 0;
    for (uint64_t word; n + sizeof word <= left; n += sizeof word) {
        memcpy(&word, p + n, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    return n;
}

uint64_t fig__chars_count(const char *data, size_t len, uint64_t *n_bad) {
    uint64_t n_chars = 0;
    for (size_t at = 0; at < len;) {
        size_t run = ascii_run(data + at, len - at);
        at += run;
        n_chars += run;
        if (at == len) break;
        bool bad;
        at += char_len(data + at, len - at, &bad);
        *n_bad += bad;
        n_chars++;
    }
    return n_chars;
}

size_t fig__chars_skip(const char *data, size_t len, uint64_t n_chars) {
    size_t at = 0;
    for (bool bad; n_chars && at < len; n_chars--) at += char_len(data + at, len - at, &bad);
    return at;
}

size_t fig__chars_whole(const char *data, size_t len) {
    for (size_t n, back = FIG_MIN(len, (size_t)3); back; back--)
        if (fig__utf8_next(data + len - back, back, &n) == FIG_UTF8_PARTIAL) return len - back;
    return len;
}

bool fig__chars_look_binary(const char *data, size_t len) {
    uint64_t n_bad = 0;
    if (memchr(data, 0, len)) return true;
    fig__chars_count(data, fig__chars_whole(data, len), &n_bad);
    return n_bad > len * 3 / 10;
}
