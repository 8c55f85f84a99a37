/* data/emoji_list.h: Unicode's list of emoji (emoji-test.txt), which names, groups and orders them. */
#ifndef FIG_EMOJI_LIST_H
#define FIG_EMOJI_LIST_H
#include "base/buf.h"

#define FIG__UNICODE_DIR "/usr/share/unicode" /* of the package unicode-data */
#define FIG__EMOJI_MAX_CODE_POINTS 16

typedef struct fig__emoji {
    uint32_t code_points[FIG__EMOJI_MAX_CODE_POINTS];
    size_t n;
    const char *name, *group, *subgroup; /* "waving hand: light skin tone"; "" where a line stands before any group */
    const char *version;                 /* of the emoji standard: "1.0" */
} fig__emoji;

/* Calls fn with each fully-qualified emoji of DIR/emoji/emoji-test.txt in order (dir NULL: FIG__UNICODE_DIR) until it
 * returns non-OK. Lines that are none are passed over; none at all is FIG_ERR_FORMAT. */
typedef fig_status fig__emoji_fn(void *user, const fig__emoji *emoji);
fig_status fig__emoji_each(fig_context *ctx, const char *dir, fig__emoji_fn *fn, void *user);

/* A file of the Unicode data, whole; a missing one names the package. */
fig_status fig__unicode_file(fig_context *ctx, const char *dir, const char *file, fig__buf *out);

#endif
