/* media/text/utf8.h: UTF-8, byte by byte. Well-formed as Unicode's table 3-7: no surrogates, nothing overlong. */
#ifndef FIG_UTF8_H
#define FIG_UTF8_H
#include <stddef.h>
#include <stdint.h>

typedef enum fig__utf8_state { FIG_UTF8_OK, FIG_UTF8_BAD, FIG_UTF8_PARTIAL } fig__utf8_state;

/* Looks at the beginning of text (n >= 1 bytes). *len becomes, for OK the length of the character; for BAD the
 * longest beginning of a character before the byte that spoils it (at least 1); for PARTIAL n, all of which may
 * still become a character. */
fig__utf8_state fig__utf8_next(const char *text, size_t n, size_t *len);
/* Bytes of the longest well-formed beginning. */
size_t fig__utf8_valid(const char *text, size_t n);
/* The code point of a well-formed character. */
uint32_t fig__utf8_decode(const char *text, size_t len);
/* Writes at most 4 bytes, returns how many. */
size_t fig__utf8_encode(uint32_t code_point, char out[4]);
/* The largest position <= n of the well-formed text that is not inside a character. */
size_t fig__utf8_floor(const char *text, size_t n);

#endif
