/* media/text/nfc.h: Unicode's composed form, which some tokenizers put text into first. utf8proc stands behind nfc.c.
 */
#ifndef FIG_NFC_H
#define FIG_NFC_H
#include "base/buf.h"

/* True when the text holds nothing that composing could change. */
bool fig__nfc_is_plain(const char *text, size_t len);
/* The last place where the text can be cut so that both sides can be composed alone; 0 when there is none. */
size_t fig__nfc_cut(const char *text, size_t len);
/* Appends the composed text. Bytes that are not UTF-8 stay as they are. */
fig_status fig__nfc(const char *text, size_t len, fig__buf *out);

#endif
