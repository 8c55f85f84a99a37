/* kernels/gemm.h: what the driver of matrix products (gemm.c) asks of a CPU level.
 *
 * Operands are packed so that the inner kernel reads straight on and needs no special case at the edges of K or N:
 *
 *     A   [row][K padded to k_step]                    rows as they are; read in place where they already look so
 *     B   panels of nr columns, each [K padded / k_unit][nr][k_unit]; columns past n are zeros
 *     acc panels of nr columns, each [row][nr], in real: sums that are parked between blocks of K; or C itself
 *
 * k_unit is the number of consecutive k that one lane multiplies at once: 1 in real, 2 for pairs of bf16. */
#ifndef FIG_GEMM_H
#define FIG_GEMM_H
#include "kernels/kernels.h"

/* Packs `lanes` rows of A, or at most nr columns of B, from k to k_pad (zeros past k). */
typedef struct figk_gemm_pack {
    size_t lanes, k, k_pad;
    const void *src;
    fig_dtype type;
    size_t ld;
    bool k_major; /* src is stored [k][lane], else [lane][k] */
    void *dst;
    size_t dst_stride; /* of A: elements between rows */
} figk_gemm_pack;

/* acc[rows][nr] = A[rows][k] B[k][nr], or += when `more`, in the first `cols` columns at least. One chain of additions
 * over k for each element; k is a multiple of k_step, or 0. Rows of acc lie acc_stride apart. */
typedef struct figk_gemm_panel {
    size_t rows, cols, k;
    const void *a;
    size_t a_stride;
    const void *b;
    const void *next_b; /* will be asked for next */
    void *acc;
    size_t acc_stride; /* elements; what lies between rows is left alone */
    bool more;
} figk_gemm_panel;

/* C[rows, cols] = alpha * acc + beta * C + bias, the columns being those of one row of acc. */
typedef struct figk_gemm_store {
    size_t rows, cols;
    const void *acc;
    size_t acc_stride;
    void *c;
    fig_dtype ct;
    size_t ldc;
    double alpha, beta;
    const void *bias; /* or NULL */
} figk_gemm_store;

/* y[m][n] = x[m][k] W for few rows: x of the leaf's elem, stored weights as they are, y real. */
typedef struct figk_gemm_decode {
    size_t m, n, k;
    const void *x;
    size_t x_stride;
    const void *w;
    fig_dtype wt;
    size_t ldw;
    bool k_major; /* w is stored [k][n], else [n][k] */
    void *y;
    size_t y_stride;
} figk_gemm_decode;

/* acc[rows][cols] = or += A B for 16 columns, or 32 where nr is a multiple of that, where a row of A is n_blocks pieces
 * of k numbers, each at its offset from the row's place: a window over pixels (direct.c). k is a multiple of
 * k_step. B as packed, the blocks one behind the other. */
typedef struct figk_gemm_window {
    size_t rows, cols, n_blocks, k;
    const size_t *offset; /* elements */
    const void *a;
    size_t a_stride; /* elements */
    const void *b;
    void *acc;
    bool more;
} figk_gemm_window;

struct figk_gemm_leaf {
    fig_dtype real; /* of acc, bias and decoding */
    fig_dtype elem; /* of packed operands */
    size_t k_step;
    size_t nr;
    size_t m_step;     /* tiles are cut at multiples of so many rows */
    size_t mc, nc, kc; /* the largest tile of C and the block of K between two visits to acc */
    void (*pack_a)(const figk_gemm_pack *p);
    void (*pack_b)(const figk_gemm_pack *p);
    void (*panel)(const figk_gemm_panel *p);
    void (*store)(const figk_gemm_store *p);
    void (*decode)(const figk_gemm_decode *p); /* NULL: none; where elem is not real, of weights of elem [n,k] only */
    void (*window)(const figk_gemm_window *p); /* or NULL */
    const figk_gemm_leaf *narrow;              /* whose window to take instead, with its packing; or NULL */
    double (*peak)(size_t n);                  /* multiplies in registers for n rounds; the number of operations done */
};

/* Who computes g. */
static inline const figk_gemm_leaf *fig__gemm_leaf_for(const figk_table *t, const figk_gemm *g) {
    const figk_gemm_leaf *leaf = t->gemm_leaf(g->at == FIG_BF16 && g->bt == FIG_BF16);
    bool any = !g->decode || leaf->elem == leaf->real || (leaf->decode && g->b_trans);
    return any ? leaf : t->gemm_leaf(false);
}

/* figk_gemm_run, _scratch and _workspace with a leaf of the caller's choice, for tests and measurements. */
void fig__gemm_run(fig_context *fig, const figk_gemm_leaf *leaf, const figk_gemm *g);
size_t fig__gemm_scratch(const figk_gemm_leaf *leaf, const figk_gemm *g);
size_t fig__gemm_workspace(const figk_gemm_leaf *leaf, const figk_gemm *g);

#endif
