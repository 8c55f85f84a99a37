/* base/io.h: what file.c and dir.c share. */
#ifndef FIG_IO_H
#define FIG_IO_H
#include "base.h"

/* Records "path: what: " and the text of errno. The code
 * follows errno: FIG_ERR_NOTFOUND, _EXISTS, _NOMEM, _LIMIT for a full disk, else FIG_ERR_IO. */
fig_status fig__io_fail(fig_context *ctx, const char *path, const char *what);
/* Makes the entry of path in its folder last. */
void fig__sync_folder_of(const char *path);

#endif
