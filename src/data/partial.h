/* data/partial.h: folders that are being made. */
#ifndef FIG_DATA_PARTIAL_H
#define FIG_DATA_PARTIAL_H
#include "base/base.h"

/* Makes OUT_DIR.partial-PID, to be filled and then renamed (fig__dir_publish), after removing those of processes that
 * are gone. *tmp_dir is the caller's (fig__free). */
fig_status fig__partial_dir(fig_context *ctx, const char *out_dir, char **tmp_dir);

#endif
