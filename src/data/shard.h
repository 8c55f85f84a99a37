/* data/shard.h: files of tokens in llm.c's format, written and mapped. */
#ifndef FIG_DATA_SHARD_H
#define FIG_DATA_SHARD_H
#include "base/file.h"
#include <fig/dataset.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "shards are mapped as they are: little endian");

#define FIG__SHARD_HEADER_BYTES 1024 /* 256 int32: magic, version, tokens, zeros */
#define FIG__SHARD_TOKENS 100000000u /* llm.c's size of a shard; fits its int32 count */

typedef struct fig__shard_head {
    int token_bytes; /* 2 or 4 */
    uint64_t n_tokens;
} fig__shard_head;

/* Reads the header of a file of file_bytes; `name` stands in messages. */
fig_status fig__shard_header(fig_context *ctx, const char *name, const void *head, size_t head_len, uint64_t file_bytes,
                             fig__shard_head *out);
bool fig__shard_is_header(const void *head, size_t head_len);
/* dir/train-00000.bin */
char *fig__shard_path(fig_context *ctx, const char *dir, fig_data_split split, uint64_t index);

/* Writes one split as shards of shard_tokens each. Zero it, set the first five, add, finish. */
typedef struct fig__shard_writer {
    fig_context *ctx;
    const char *dir;
    fig_data_split split;
    int token_bytes;
    uint64_t shard_tokens;
    uint64_t n_tokens; /* in all */
    fig__writer *file;
} fig__shard_writer;
fig_status fig__shard_writer_add(fig__shard_writer *w, const int32_t *tokens, size_t n);
fig_status fig__shard_writer_finish(fig__shard_writer *w);
void fig__shard_writer_abort(fig__shard_writer *w);

#endif
