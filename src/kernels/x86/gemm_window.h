/* kernels/x86/gemm_window.h: one vector of columns, sixteen rows at a time, so that every sum is in a register and each
 * number of A is read once: as many loads as products, two of each to a cycle. The including file defines WINDOW_ELEM,
 * WINDOW_LOAD(a) (a unit of k in every lane), WINDOW_MULTIPLY(sum, a, b), NR and UNIT_K. */
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL
#if VL == 16
#define WINDOW_ROWS 16

V_FN void window_block(const WINDOW_ELEM *a, size_t s, size_t k, const WINDOW_ELEM **b, vf sum[WINDOW_ROWS]) {
    const WINDOW_ELEM *a0 = a, *a4 = a0 + 4 * s, *a8 = a4 + 4 * s, *a12 = a8 + 4 * s, *from = *b;
    size_t s2 = 2 * s, s3 = 3 * s;
#define WINDOW_FOUR(p, i)                                                   \
    sum[i] = WINDOW_MULTIPLY(sum[i], WINDOW_LOAD(p), y);                    \
    sum[(i) + 1] = WINDOW_MULTIPLY(sum[(i) + 1], WINDOW_LOAD((p) + s), y);  \
    sum[(i) + 2] = WINDOW_MULTIPLY(sum[(i) + 2], WINDOW_LOAD((p) + s2), y); \
    sum[(i) + 3] = WINDOW_MULTIPLY(sum[(i) + 3], WINDOW_LOAD((p) + s3), y);
    for (size_t i = 0; i < k; i += UNIT_K, from += NR * UNIT_K) {
        vi y = v_iload(from);
        WINDOW_FOUR(a0 + i, 0)
        WINDOW_FOUR(a4 + i, 4)
        WINDOW_FOUR(a8 + i, 8)
        WINDOW_FOUR(a12 + i, 12)
    }
#undef WINDOW_FOUR
    *b = from;
}

static void window(const figk_gemm_window *p) {
    for (size_t row = 0; row < p->rows; row += WINDOW_ROWS) {
        const WINDOW_ELEM *a = (const WINDOW_ELEM *)p->a + row * p->a_stride, *b = p->b;
        float *acc = (float *)p->acc + row * VL;
        vf sum[WINDOW_ROWS];
        UNROLL_FOR(i, WINDOW_ROWS) sum[i] = p->more ? v_load(acc + i * VL) : v_zero();
        for (size_t block = 0; block < p->n_blocks; block++)
            window_block(a + p->offset[block], p->a_stride, p->k, &b, sum);
        UNROLL_FOR(i, WINDOW_ROWS) v_store(acc + i * VL, sum[i]);
    }
}
#endif
#endif
