/* core/kv.h: what the attention op sees of a cache. */
#ifndef FIG_KV_PRIVATE_H
#define FIG_KV_PRIVATE_H
#include <fig/kv.h>
#include "base/base.h"

struct fig_kv {
    fig_context *ctx;
    fig_kv_options o;
    size_t blocks_max;   /* blocks of one sequence */
    size_t n_blocks;     /* in the pool */
    size_t plane_bytes;  /* keys (or values) of one block in one layer: [block_len, n_kv_head, head_dim] */
    uint8_t *memory;     /* [n_blocks][n_layer][2][plane] */
    int32_t *references; /* per block */
    int32_t *blocks;     /* [max_sequences, blocks_max], -1 beyond the end */
    int32_t *length;     /* per sequence */
    /* the current run */
    size_t n_rows;
    int32_t *rows, *n_new, *kv_len;    /* kv_len: with the new tokens */
    const void **k_blocks, **v_blocks; /* [max_sequences, blocks_max] of one layer, filled by fig__kv_layer */
};

/* Writes the new keys and values (row-major [n_rows, t, n_kv_head, head_dim] with the given strides in elements) into
 * the cache and fills k_blocks and v_blocks for this layer. */
void fig__kv_append(fig_kv *kv, int layer, const void *k, const size_t k_stride[3], const void *v,
                    const size_t v_stride[3]);

#endif
