/* kernels/x86/attention_avx512bf16.c: attention_impl.h with products of bf16 pairs, sums in fp32, where q, k, v are
 * bf16: probabilities and their gradients are rounded to bf16 for the products. Floats go the way of avx512. */
#define ATTN_PAIRS
#include "attention_impl.h"

static size_t scratch_of(const figk_attn *a, bool backward) {
    return a->type == FIG_BF16 ? scratch_bytes(a, backward) : ISA(attn_scratch)(a, backward);
}

static void forward_of(const figk_attn *a, size_t b, size_t kv_head, size_t row0, size_t n_rows, void *scratch) {
    if (a->type == FIG_BF16)
        attend_forward(a, b, kv_head, row0, n_rows, scratch);
    else
        ISA(attn_fwd)(a, b, kv_head, row0, n_rows, scratch);
}

static void backward_of(const figk_attn *a, size_t b, size_t kv_head, void *scratch) {
    if (a->type == FIG_BF16)
        attend_backward(a, b, kv_head, scratch);
    else
        ISA(attn_bwd)(a, b, kv_head, scratch);
}

void figk_fill_attention__avx512bf16(figk_table *t) {
    t->attn_scratch = scratch_of;
    t->attn_fwd = forward_of;
    t->attn_bwd = backward_of;
}
