/* core/kv.c: the blocked cache. See fig/kv.h. */
#include "core/kv.h"

static size_t blocks_per_sequence(const fig_kv_options *o) {
    return fig__ceil_div(o->max_tokens, o->block_len ? o->block_len : 64);
}
static size_t plane_bytes(const fig_kv_options *o) {
    return (o->block_len ? o->block_len : 64) * o->n_kv_head * o->head_dim * fig_dtype_size(o->dtype);
}
size_t fig_kv_bytes(const fig_kv_options *o) {
    return blocks_per_sequence(o) * o->max_sequences * (size_t)o->n_layer * 2 * plane_bytes(o);
}

fig_status fig_kv_new(fig_context *ctx, const fig_kv_options *options, fig_kv **out) {
    *out = NULL;
    fig_kv *kv = FIG_NEW(ctx, fig_kv);
    if (!kv) return FIG_ERR_NOMEM;
    *kv = (fig_kv){.ctx = ctx, .o = *options};
    if (!kv->o.block_len) kv->o.block_len = 64;
    size_t s = options->max_sequences;
    kv->blocks_max = blocks_per_sequence(options);
    kv->n_blocks = kv->blocks_max * s;
    kv->plane_bytes = plane_bytes(options);
    kv->memory = fig__alloc(ctx, FIG_MAX(fig_kv_bytes(options), FIG_ALIGN));
    kv->references = FIG_NEW_N(ctx, int32_t, kv->n_blocks + 1);
    kv->blocks = FIG_NEW_N(ctx, int32_t, kv->n_blocks + 1);
    kv->length = FIG_NEW_N(ctx, int32_t, s + 1);
    kv->rows = FIG_NEW_N(ctx, int32_t, 3 * s + 1);
    kv->k_blocks = FIG_NEW_N(ctx, const void *, 2 * kv->n_blocks + 1);
    if (!kv->memory || !kv->references || !kv->blocks || !kv->length || !kv->rows || !kv->k_blocks) {
        fig_kv_free(kv);
        return fig__fail_prefix(ctx, FIG_ERR_NOMEM, "key-value cache of %zu MB", fig_kv_bytes(options) >> 20);
    }
    kv->n_new = kv->rows + s;
    kv->kv_len = kv->n_new + s;
    kv->v_blocks = kv->k_blocks + kv->n_blocks;
    for (size_t i = 0; i < kv->n_blocks; i++) kv->blocks[i] = -1;
    *out = kv;
    return FIG_OK;
}

void fig_kv_free(fig_kv *kv) {
    if (!kv) return;
    fig_context *ctx = kv->ctx;
    fig__free(ctx, kv->memory);
    fig__free(ctx, kv->references);
    fig__free(ctx, kv->blocks);
    fig__free(ctx, kv->length);
    fig__free(ctx, kv->rows);
    fig__free(ctx, kv->k_blocks);
    fig__free(ctx, kv);
}

static int32_t *table(const fig_kv *kv, size_t sequence) { return kv->blocks + sequence * kv->blocks_max; }
size_t fig_kv_length(const fig_kv *kv, size_t sequence) { return (size_t)kv->length[sequence]; }

void fig_kv_truncate(fig_kv *kv, size_t sequence, size_t length) {
    int32_t *t = table(kv, sequence);
    for (size_t i = fig__ceil_div(length, kv->o.block_len); i < kv->blocks_max; i++)
        if (t[i] >= 0) {
            kv->references[t[i]]--;
            t[i] = -1;
        }
    kv->length[sequence] = (int32_t)FIG_MIN(length, (size_t)kv->length[sequence]);
}
void fig_kv_clear(fig_kv *kv, size_t sequence) { fig_kv_truncate(kv, sequence, 0); }

fig_status fig_kv_fork(fig_kv *kv, size_t dst, size_t src) {
    FIG_CHECK(kv->ctx, dst < kv->o.max_sequences && src < kv->o.max_sequences, FIG_ERR_ARG, "kv: no such sequence");
    if (dst == src) return FIG_OK;
    fig_kv_clear(kv, dst);
    for (size_t i = 0; i < kv->blocks_max; i++) {
        int32_t b = table(kv, dst)[i] = table(kv, src)[i];
        if (b >= 0) kv->references[b]++;
    }
    kv->length[dst] = kv->length[src];
    return FIG_OK;
}

static uint8_t *plane(const fig_kv *kv, int32_t block, int layer, int which) {
    return kv->memory + (((size_t)block * (size_t)kv->o.n_layer + (size_t)layer) * 2 + (size_t)which) * kv->plane_bytes;
}

/* A pool of max_sequences * blocks_max blocks always has a free one while no sequence is over its length. */
static int32_t take_block(fig_kv *kv) {
    for (size_t b = 0; b < kv->n_blocks; b++)
        if (!kv->references[b]) {
            kv->references[b] = 1;
            return (int32_t)b;
        }
    return -1;
}

static void own_block(fig_kv *kv, int32_t *slot) {
    if (*slot >= 0 && kv->references[*slot] == 1) return;
    int32_t fresh = take_block(kv);
    if (*slot >= 0) {
        memcpy(plane(kv, fresh, 0, 0), plane(kv, *slot, 0, 0), kv->plane_bytes * 2 * (size_t)kv->o.n_layer);
        kv->references[*slot]--;
    }
    *slot = fresh;
}

fig_status fig_kv_begin(fig_kv *kv, size_t n_rows, const int32_t *sequences, const int32_t *n_new) {
    FIG_CHECK(kv->ctx, n_rows <= kv->o.max_sequences, FIG_ERR_ARG, "kv: %zu rows; made for %zu", n_rows,
              kv->o.max_sequences);
    kv->n_rows = n_rows;
    for (size_t r = 0; r < n_rows; r++) {
        FIG_CHECK(kv->ctx, sequences[r] >= 0 && (size_t)sequences[r] < kv->o.max_sequences && n_new[r] >= 0,
                  FIG_ERR_ARG, "kv: no such sequence");
        size_t s = (size_t)sequences[r], have = (size_t)kv->length[s], want = have + (size_t)n_new[r];
        FIG_CHECK(kv->ctx, want <= kv->o.max_tokens, FIG_ERR_LIMIT, "kv: %zu tokens; the cache holds %zu", want,
                  kv->o.max_tokens);
        kv->rows[r] = sequences[r];
        kv->n_new[r] = n_new[r];
        kv->kv_len[r] = (int32_t)want;
        for (size_t b = have / kv->o.block_len; n_new[r] && b * kv->o.block_len < want; b++)
            own_block(kv, &table(kv, s)[b]);
    }
    return FIG_OK;
}

void fig_kv_end(fig_kv *kv) {
    for (size_t r = 0; r < kv->n_rows; r++) kv->length[kv->rows[r]] = kv->kv_len[r];
}

static void write_row(fig_kv *kv, int layer, int which, size_t row, const char *x, const size_t stride[3]) {
    size_t esize = fig_dtype_size(kv->o.dtype), head = kv->o.head_dim * esize, len = kv->o.block_len;
    const int32_t *t = table(kv, (size_t)kv->rows[row]);
    size_t start = (size_t)(kv->kv_len[row] - kv->n_new[row]);
    for (size_t i = 0; i < (size_t)kv->n_new[row]; i++) {
        size_t at = start + i;
        uint8_t *to = plane(kv, t[at / len], layer, which) + at % len * kv->o.n_kv_head * head;
        const char *from = x + (row * stride[0] + i * stride[1]) * esize;
        for (size_t h = 0; h < kv->o.n_kv_head; h++) memcpy(to + h * head, from + h * stride[2] * esize, head);
    }
}

void fig__kv_append(fig_kv *kv, int layer, const void *k, const size_t k_stride[3], const void *v,
                    const size_t v_stride[3]) {
    for (size_t r = 0; r < kv->n_rows; r++) {
        write_row(kv, layer, 0, r, k, k_stride);
        write_row(kv, layer, 1, r, v, v_stride);
        const int32_t *t = table(kv, (size_t)kv->rows[r]);
        for (size_t b = 0; b < kv->blocks_max; b++) {
            kv->k_blocks[r * kv->blocks_max + b] = t[b] < 0 ? NULL : plane(kv, t[b], layer, 0);
            kv->v_blocks[r * kv->blocks_max + b] = t[b] < 0 ? NULL : plane(kv, t[b], layer, 1);
        }
    }
}
