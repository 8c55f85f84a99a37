/* fig/kv.h: the key-value cache of generation: blocks of positions, a length per sequence, cheap forks.
 *
 * A sequence is a list of blocks. fig_kv_fork shares all blocks; the first one that writes into a shared block copies
 * it. Capacity is given at creation; nothing is allocated while generating. */
#ifndef FIG_KV_H
#define FIG_KV_H
#include <fig/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_kv_options {
    int n_layer;
    size_t n_kv_head, head_dim;
    fig_dtype dtype;
    size_t max_sequences;
    size_t max_tokens; /* per sequence */
    size_t block_len;  /* positions per block; 0: 64 */
} fig_kv_options;

fig_status fig_kv_new(fig_context *ctx, const fig_kv_options *options, fig_kv **out);
void fig_kv_free(fig_kv *kv);
size_t fig_kv_bytes(const fig_kv_options *options);

/* Sequences are numbered 0 .. max_sequences-1; all begin empty. */
size_t fig_kv_length(const fig_kv *kv, size_t sequence);
void fig_kv_clear(fig_kv *kv, size_t sequence);
/* dst becomes what src is. */
fig_status fig_kv_fork(fig_kv *kv, size_t dst, size_t src);
/* Forgets all positions from length on. */
void fig_kv_truncate(fig_kv *kv, size_t sequence, size_t length);

/* Before a run: row i of the batch is sequences[i] and brings n_new[i] tokens (the rest of its row is padding).
 * Reserves and unshares blocks; FIG_ERR_LIMIT when max_tokens is not enough. */
fig_status fig_kv_begin(fig_kv *kv, size_t n_rows, const int32_t *sequences, const int32_t *n_new);
/* After the run: the lengths grow by n_new. */
void fig_kv_end(fig_kv *kv);

#ifdef __cplusplus
}
#endif
#endif
