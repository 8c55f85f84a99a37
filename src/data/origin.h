/* data/origin.h: where data came from, in a hidden .source.json beside it, so that a model card can name title and
 * licence of what a model was trained on. */
#ifndef FIG_DATA_ORIGIN_H
#define FIG_DATA_ORIGIN_H
#include <fig/dataset.h>

fig_status fig__origin_write(fig_context *ctx, const char *dir, const fig_dataset_entry *entry);
/* Appends title and licence of what lies at path (a folder, or a file's folder) to info, where they are known. */
void fig__origin_read(fig_context *ctx, const char *path, fig_dataset_info *info);

/* Whether the folder says so at all. */
bool fig__origin_known(const char *dir);

#endif
