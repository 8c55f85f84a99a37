/* kernels/x86/gemm_window.h: sixteen columns, so many rows at a time that every sum is in a register. Of 512 bits that
 * is one vector and sixteen rows, each number of A read once: as many loads as products, two of each to a cycle. Of 256
 * bits it is two vectors and four rows: six loads to eight products. The including file defines WINDOW_ELEM,
 * WINDOW_LOAD(a) (a unit of k in every lane), WINDOW_MULTIPLY(sum, a, b), NR and UNIT_K. */
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL
#define WINDOW_VECTORS (16 / VL)
#define WINDOW_ROWS (VL == 16 ? 16 : 4)

/* Rows from four pointers, so that addresses are a pointer and a multiple of the stride. */
V_FN void window_block(const WINDOW_ELEM *a, size_t s, size_t k, const WINDOW_ELEM **b,
                       vf sum[WINDOW_ROWS][WINDOW_VECTORS]) {
    const WINDOW_ELEM *from = *b, *row[WINDOW_ROWS / 4];
    size_t s2 = 2 * s, s3 = 3 * s;
    UNROLL_FOR(r, WINDOW_ROWS / 4) row[r] = a + 4 * r * s;
    for (size_t i = 0; i < k; i += UNIT_K, from += NR * UNIT_K) {
        vi y[WINDOW_VECTORS];
        UNROLL_FOR(v, WINDOW_VECTORS) y[v] = v_iload(from + v * VL * UNIT_K);
        UNROLL_FOR(r, WINDOW_ROWS / 4) {
            const WINDOW_ELEM *p = row[r] + i;
#define WINDOW_ROW(at, j) \
    UNROLL_FOR(v, WINDOW_VECTORS) sum[4 * r + (j)][v] = WINDOW_MULTIPLY(sum[4 * r + (j)][v], WINDOW_LOAD(at), y[v]);
            WINDOW_ROW(p, 0)
            WINDOW_ROW(p + s, 1)
            WINDOW_ROW(p + s2, 2)
            WINDOW_ROW(p + s3, 3)
#undef WINDOW_ROW
        }
    }
    *b = from;
}

static void window(const figk_gemm_window *p) {
    for (size_t row = 0; row < p->rows; row += WINDOW_ROWS) {
        const WINDOW_ELEM *a = (const WINDOW_ELEM *)p->a + row * p->a_stride, *b = p->b;
        float *acc = (float *)p->acc + row * 16;
        vf sum[WINDOW_ROWS][WINDOW_VECTORS];
        UNROLL_FOR(i, WINDOW_ROWS)
        UNROLL_FOR(v, WINDOW_VECTORS) sum[i][v] = p->more ? v_load(acc + i * 16 + v * VL) : v_zero();
        for (size_t block = 0; block < p->n_blocks; block++)
            window_block(a + p->offset[block], p->a_stride, p->k, &b, sum);
        UNROLL_FOR(i, WINDOW_ROWS)
        UNROLL_FOR(v, WINDOW_VECTORS) v_store(acc + i * 16 + v * VL, sum[i][v]);
    }
}
#endif
