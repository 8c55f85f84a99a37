/* data/chars.h: characters in bytes that may not be UTF-8. An invalid byte is a character of its own, as it is for the
 * tokenizers. */
#ifndef FIG_DATA_CHARS_H
#define FIG_DATA_CHARS_H
#include "base/base.h"

/* Characters in data; adds the invalid bytes among them to *n_bad. */
uint64_t fig__chars_count(const char *data, size_t len, uint64_t *n_bad);
/* Bytes of the first n_chars characters (all of them when there are fewer). */
size_t fig__chars_skip(const char *data, size_t len, uint64_t n_chars);
/* len without a character at the end that more bytes could complete: where a piece can be cut. */
size_t fig__chars_whole(const char *data, size_t len);
/* A NUL byte, or more than 30 % invalid UTF-8. */
bool fig__chars_look_binary(const char *data, size_t len);

#endif
