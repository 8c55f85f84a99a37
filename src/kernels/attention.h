/* kernels/attention.h: what the versions of the attention kernels share: which rows there are, which keys they see,
 * where K and V lie, what is dropped.
 *
 * Leaf kernels work on the rows of one kv head: row r is query r / group of query head kv_head * group + r % group,
 * where group = n_head / n_kv_head. So K and V are read once for all heads that share them, and a single decoded
 * position still fills a block. Arithmetic of one row depends on nothing but its own query and the keys it sees. */
#ifndef FIG_ATTENTION_H
#define FIG_ATTENTION_H
#include "kernels/kernels.h"
#include <math.h>

#define FIGK_ATTN_ROWS 64 /* rows of one forward tile */

typedef struct figk_attn_row {
    size_t query, head;
    int64_t first, last; /* sees keys first .. last-1 (before segments); none when first >= last */
} figk_attn_row;

static inline size_t figk_attn_len(const int32_t *lens, size_t b, size_t max) {
    return !lens ? max : lens[b] < 0 ? 0 : FIG_MIN((size_t)lens[b], max);
}

static inline size_t figk_attn_group(const figk_attn *a) { return a->n_head / a->n_kv_head; }

static inline figk_attn_row figk_attn_row_at(const figk_attn *a, size_t b, size_t query, size_t head) {
    figk_attn_row row = {.query = query, .head = head};
    size_t q_len = figk_attn_len(a->q_len, b, a->q_max);
    if (query >= q_len) return row;
    row.last = (int64_t)figk_attn_len(a->kv_len, b, a->kv_max);
    int64_t position = row.last - (int64_t)q_len + (int64_t)query;
    if (a->causal) row.last = FIG_MAX(position + 1, 0);
    if (a->window && position >= (int64_t)a->window) row.first = position - (int64_t)a->window + 1;
    return row;
}

/* Keys j .. up to `end` lie at a constant distance (k_stride[1], v_stride[1]) behind *k and *v; returns the first key
 * that does not. */
static inline size_t figk_attn_kv_run(const figk_attn *a, size_t b, size_t kv_head, size_t j, size_t end,
                                      const void **k, const void **v) {
    size_t size = fig_dtype_size(a->type);
    const char *k_base, *v_base;
    size_t at = j, run_end = end;
    if (a->k_blocks) {
        size_t block = b * a->blocks_max + j / a->block_len;
        k_base = a->k_blocks[block], v_base = a->v_blocks[block];
        at = j % a->block_len;
        run_end = FIG_MIN(end, j - at + a->block_len);
    } else {
        k_base = (const char *)a->k + b * a->k_stride[0] * size;
        v_base = (const char *)a->v + b * a->v_stride[0] * size;
    }
    *k = k_base + (at * a->k_stride[1] + kv_head * a->k_stride[2]) * size;
    *v = v_base + (at * a->v_stride[1] + kv_head * a->v_stride[2]) * size;
    return run_end;
}

/* A probability is dropped where its random word is below this. */
static inline uint64_t figk_attn_drop_below(const figk_attn *a) { return (uint64_t)ceil(a->dropout * 4294967296.0); }

/* The random element of (row, key 0); keys follow. */
static inline uint64_t figk_attn_element(const figk_attn *a, const figk_attn_row *row) {
    return ((uint64_t)row->head * a->q_max + row->query) * a->kv_max;
}

static inline size_t figk_attn_at(const size_t stride[3], size_t b, size_t time, size_t head) {
    return b * stride[0] + time * stride[1] + head * stride[2];
}

#endif
