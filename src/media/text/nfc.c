/* media/text/nfc.c: NFC over bytes that may be wrong, in parts. */
#include "media/text/nfc.h"
#include "media/text/utf8.h"
#include <stdlib.h>
#include <utf8proc.h>

/* Below U+0300, where combining marks begin, every character is composed already: all bytes are under 0xCC. */
bool fig__nfc_is_plain(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] >= 0xCC) return false;
    return true;
}

/* True for characters that never join the one before. Not all of them, but those that texts are made of: Latin, Greek,
 * Cyrillic, kana, ideographs, Hangul syllables, emoji. */
static bool stands_apart(uint32_t c) {
    static const uint32_t ranges[][2] = {{0, 0x2FF},         {0x370, 0x482},     {0x3041, 0x3096},
                                         {0x30A1, 0x30FA},   {0x4E00, 0x9FFF},   {0xAC00, 0xD7A3},
                                         {0x1F300, 0x1FAFF}, {0x20000, 0x2FFFF}, {0xFF01, 0xFF5E}};
    for (size_t i = 0; i < FIG_COUNT(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

size_t fig__nfc_cut(const char *text, size_t len) {
    for (size_t i = len; i-- > 1;) {
        size_t n;
        if (fig__utf8_next(text + i, len - i, &n) == FIG_UTF8_OK && stands_apart(fig__utf8_decode(text + i, n)))
            return i;
    }
    return 0;
}

static fig_status compose(const char *run, size_t len, fig__buf *out) {
    if (fig__nfc_is_plain(run, len)) return fig__buf_add(out, run, len);
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)run, (utf8proc_ssize_t)len, &composed,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) return FIG_FAIL(out->ctx, FIG_ERR_NOMEM, "text: composing %zu bytes: %s", len, utf8proc_errmsg(n));
    fig_status status = fig__buf_add(out, composed, (size_t)n);
    free(composed);
    return status;
}

fig_status fig__nfc(const char *text, size_t len, fig__buf *out) {
    for (size_t i = 0; i < len;) {
        size_t run = fig__utf8_valid(text + i, len - i);
        if (run) FIG_TRY(compose(text + i, run, out));
        i += run;
        if (i < len) FIG_TRY(fig__buf_addc(out, text[i++]));
    }
    return FIG_OK;
}
