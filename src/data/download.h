/* data/download.h: one file from the network, through the curl program. */
#ifndef FIG_DATA_DOWNLOAD_H
#define FIG_DATA_DOWNLOAD_H
#include "base/file.h"
#include "base/map.h"
#include <fig/dataset.h>

/* Runs curl and passes what it fetches to sink, at most max_bytes of it. No shell is involved. */
typedef void fig__download_sink(void *arg, const void *data, size_t len);
fig_status fig__download(fig_context *ctx, const char *url, uint64_t max_bytes, fig__download_sink *sink, void *arg);

#endif
