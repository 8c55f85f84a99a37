/* media/text/bytelevel.c: the printable face that GPT-2 gives to every byte, so that vocabularies are text: bytes that
 * are printable in Latin-1 stand for themselves, the other 68 become U+0100, U+0101, ... in order. */
#include "media/text/tokenizer.h"
#include "media/text/utf8.h"

uint32_t fig__bytelevel_char(uint8_t byte) {
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0) return 0x121u + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143 : byte;
}

int fig__bytelevel_byte(uint32_t c) {
    int byte = c < 0x100    ? (int)c
               : c <= 0x120 ? (int)(c - 0x100)
               : c <= 0x142 ? (int)(c - 0x121 + 0x7F)
               : c == 0x143 ? 0xAD
                            : -1;
    return byte >= 0 && fig__bytelevel_char((uint8_t)byte) == c ? byte : -1;
}

fig_status fig__bytelevel_decode(const char *token, size_t len, fig__buf *bytes) {
    fig__buf_clear(bytes);
    for (size_t i = 0, n; i < len; i += n) {
        bool good = fig__utf8_next(token + i, len - i, &n) == FIG_UTF8_OK;
        int byte = good ? fig__bytelevel_byte(fig__utf8_decode(token + i, n)) : -1;
        if (byte < 0) {
            fig__buf_clear(bytes);
            return fig__buf_add(bytes, token, len);
        }
        FIG_TRY(fig__buf_addc(bytes, (char)byte));
    }
    return FIG_OK;
}

fig_status fig__bytelevel_encode(const char *bytes, size_t len, fig__buf *token) {
    fig__buf_clear(token);
    for (size_t i = 0; i < len; i++) {
        char c[4];
        FIG_TRY(fig__buf_add(token, c, fig__utf8_encode(fig__bytelevel_char((uint8_t)bytes[i]), c)));
    }
    return FIG_OK;
}
