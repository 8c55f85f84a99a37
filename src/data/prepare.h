/* data/prepare.h: what tests need of prepare beyond the public call. */
#ifndef FIG_DATA_PREPARE_H
#define FIG_DATA_PREPARE_H
#include <fig/dataset.h>

/* As fig_dataset_prepare with shards of another size, so that a test can have several. */
fig_status fig__dataset_prepare_sharded(fig_context *ctx, const fig_dataset_options *options, uint64_t shard_tokens,
                                        fig_dataset_info *info);

#endif
