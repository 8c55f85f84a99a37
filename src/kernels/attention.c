/* kernels/attention.c: cuts attention into tiles. Forward: blocks of rows of one kv head; backward: whole kv heads,
 * because all their queries add to the same dk and dv. The cut depends on the shape alone, so the bits do not depend on
 * the threads. */
#include "kernels/attention.h"

typedef struct attn_job {
    fig_context *fig;
    const figk_attn *a;
    const figk_table *table;
    size_t blocks, scratch_bytes;
} attn_job;

/* Doubles are stored only where the oracle runs. */
static const figk_table *table_of(const fig_context *fig, const figk_attn *a) {
    return a->type == FIG_F64 ? figk_oracle() : figk(fig);
}

size_t figk_attention_scratch(const fig_context *fig, const figk_attn *a, bool backward) {
    return table_of(fig, a)->attn_scratch(a, backward);
}

static void forward_tile(void *arg, size_t tile, int thread) {
    const attn_job *job = arg;
    const figk_attn *a = job->a;
    size_t i = tile / job->blocks;
    /* A causal head's last block is its longest: it goes first, so that no thread ends alone on it. */
    size_t row0 = (job->blocks - 1 - tile % job->blocks) * FIGK_ATTN_ROWS;
    size_t n_rows = FIG_MIN((size_t)FIGK_ATTN_ROWS, a->q_max * figk_attn_group(a) - row0);
    void *scratch = fig__scratch(job->fig, thread, job->scratch_bytes);
    /* Of a cache one head of all sequences: forks of one prompt share their keys. Else one sequence's heads, where the
     * thread has just made its rows. */
    size_t b = a->k_blocks ? i % a->n_batch : i / a->n_kv_head,
           kv_head = a->k_blocks ? i / a->n_batch : i % a->n_kv_head;
    job->table->attn_fwd(a, b, kv_head, row0, n_rows, scratch);
}

void figk_attention_forward(fig_context *fig, const figk_attn *a) {
    attn_job job = {.fig = fig, .a = a, .table = table_of(fig, a)};
    job.blocks = fig__ceil_div(a->q_max * figk_attn_group(a), FIGK_ATTN_ROWS);
    job.scratch_bytes = job.table->attn_scratch(a, false);
    fig__parallel(fig, a->n_batch * a->n_kv_head * job.blocks, forward_tile, &job);
}

static void backward_tile(void *arg, size_t tile, int thread) {
    const attn_job *job = arg;
    void *scratch = fig__scratch(job->fig, thread, job->scratch_bytes);
    job->table->attn_bwd(job->a, tile / job->a->n_kv_head, tile % job->a->n_kv_head, scratch);
}

void figk_attention_backward(fig_context *fig, const figk_attn *a) {
    attn_job job = {.fig = fig, .a = a, .table = table_of(fig, a)};
    job.scratch_bytes = job.table->attn_scratch(a, true);
    fig__parallel(fig, a->n_batch * a->n_kv_head, backward_tile, &job);
}
