/* base/buf.h: a growing byte string with a maximum, for everything whose length comes from outside. */
#ifndef FIG_BUF_H
#define FIG_BUF_H
#include "base.h"

typedef struct fig__buf {
    fig_context *ctx;
    char *data; /* always followed by a NUL that len does not count; NULL only before the first append */
    size_t len, cap;
    size_t max; /* an append past it fails with FIG_ERR_LIMIT */
} fig__buf;

void fig__buf_init(fig__buf *b, fig_context *ctx, size_t max);
void fig__buf_deinit(fig__buf *b);
void fig__buf_clear(fig__buf *b); /* length 0, memory kept */
fig_status fig__buf_add(fig__buf *b, const void *data, size_t len);
fig_status fig__buf_addc(fig__buf *b, char c);
fig_status fig__buf_adds(fig__buf *b, const char *s);
fig_status fig__buf_printf(fig__buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
fig_status fig__buf_reserve(fig__buf *b, size_t more);
const char *fig__buf_str(const fig__buf *b); /* never NULL */

#endif
