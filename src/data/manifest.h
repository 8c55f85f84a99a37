/* data/manifest.h: manifest.json of a prepared dataset.
 *
 * Everything needed to open the shards and to tell whether they are still those of their sources. File names are not in
 * it: they follow from split and index, so that a manifest cannot point anywhere else. */
#ifndef FIG_DATA_MANIFEST_H
#define FIG_DATA_MANIFEST_H
#include "base/json.h"
#include <fig/dataset.h>

#define FIG__MANIFEST_NAME "manifest.json"
#define FIG__MANIFEST_MAX_BYTES (512u << 20)

typedef struct fig__manifest_source {
    char *path;
    char kind[16];
    uint64_t bytes;
    int64_t mtime_ns;
    char sha256[65];
} fig__manifest_source;

typedef struct fig__manifest {
    fig_dataset_info info;
    double val_fraction;
    int token_bytes;
    uint64_t shard_tokens; /* in every shard of a split but the last */
    struct {
        fig__manifest_source *data;
        size_t n, cap;
    } sources;
} fig__manifest;

fig_status fig__manifest_parse(fig_context *ctx, const char *name, const char *text, size_t len, fig__manifest *out);
fig_status fig__manifest_load(fig_context *ctx, const char *dir, fig__manifest *out);
fig_status fig__manifest_save(fig_context *ctx, const char *dir, const fig__manifest *m);
void fig__manifest_deinit(fig_context *ctx, fig__manifest *m);

#endif
