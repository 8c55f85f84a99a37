/* kernels/x86/gemm_window.h: sixteen or thirty-two columns, so many rows at a time that every sum is in a register. Of
 * 512 bits thirty-two are two vectors and eight rows, ten loads to sixteen products; sixteen are one vector and sixteen
 * rows, where loads bind: as many as products, two of each to a cycle. Of 256 bits sixteen are two vectors and four
 * rows: six loads to eight products. The including file defines WINDOW_ELEM, WINDOW_LOAD(a) (a unit of k in every
 * lane), WINDOW_MULTIPLY(sum, a, b), NR and UNIT_K. */
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL

/* Rows from pointers four apart, so that addresses are a pointer and a multiple of the stride. */
V_FN void window_block(const WINDOW_ELEM *a, size_t s, size_t k, const WINDOW_ELEM **b, size_t rows, size_t vectors,
                       vf *sum) {
    const WINDOW_ELEM *from = *b, *row[4];
    size_t s2 = 2 * s, s3 = 3 * s;
    UNROLL_FOR(r, rows / 4) row[r] = a + 4 * r * s;
    for (size_t i = 0; i < k; i += UNIT_K, from += NR * UNIT_K) {
        vi y[2];
        UNROLL_FOR(v, vectors) y[v] = v_iload(from + v * VL * UNIT_K);
        UNROLL_FOR(r, rows / 4) {
            const WINDOW_ELEM *p = row[r] + i;
            vf *to = sum + 4 * r * vectors;
#define WINDOW_ROW(at, j) \
    UNROLL_FOR(v, vectors) to[(j)*vectors + v] = WINDOW_MULTIPLY(to[(j)*vectors + v], WINDOW_LOAD(at), y[v]);
            WINDOW_ROW(p, 0)
            WINDOW_ROW(p + s, 1)
            WINDOW_ROW(p + s2, 2)
            WINDOW_ROW(p + s3, 3)
#undef WINDOW_ROW
        }
    }
    *b = from;
}

V_FN void window_rows(const figk_gemm_window *p, size_t rows, size_t vectors) {
    for (size_t row = 0; row < p->rows; row += rows) {
        const WINDOW_ELEM *a = (const WINDOW_ELEM *)p->a + row * p->a_stride, *b = p->b;
        float *acc = (float *)p->acc + row * vectors * VL;
        vf sum[16];
        UNROLL_FOR(i, rows * vectors) sum[i] = p->more ? v_load(acc + i * VL) : v_zero();
        for (size_t block = 0; block < p->n_blocks; block++)
            window_block(a + p->offset[block], p->a_stride, p->k, &b, rows, vectors, sum);
        UNROLL_FOR(i, rows * vectors) v_store(acc + i * VL, sum[i]);
    }
}

static void window(const figk_gemm_window *p) {
    if (VL == 8)
        window_rows(p, 4, 2);
    else if (p->cols == 16)
        window_rows(p, 16, 1);
    else
        window_rows(p, 8, 2);
}
#endif
