/* kernels/x86/gemm_window.h: sixteen or thirty-two columns, so many rows at a time that every sum is in a register: in
 * blocks of at most MR, or of up to sixteen where there is one vector of columns, nearly equal ones. Of two vectors and
 * fourteen rows that is sixteen loads to twenty-eight products; of one vector there are as many loads as products, two
 * of each to a cycle. The including file defines WINDOW_ELEM, WINDOW_LOAD(a) (a unit of k in every lane),
 * WINDOW_MULTIPLY(sum, a, b), MR, NR and UNIT_K. */
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL

/* Rows from pointers four apart, so that addresses are a pointer and a multiple of the stride. */
V_FN void window_block(const WINDOW_ELEM *a, size_t s, size_t k, const WINDOW_ELEM **b, size_t rows, size_t vectors,
                       vf *sum) {
    const WINDOW_ELEM *from = *b, *row[4];
    size_t s2 = 2 * s, s3 = 3 * s;
    UNROLL_FOR(r, (rows + 3) / 4) row[r] = a + 4 * r * s;
    for (size_t i = 0; i < k; i += UNIT_K, from += NR * UNIT_K) {
        vi y[2];
        UNROLL_FOR(v, vectors) y[v] = v_iload(from + v * VL * UNIT_K);
        UNROLL_FOR(r, rows) {
            const WINDOW_ELEM *p = row[r / 4] + i;
            p += r % 4 == 0 ? 0 : r % 4 == 1 ? s : r % 4 == 2 ? s2 : s3;
            UNROLL_FOR(v, vectors)
            sum[r * vectors + v] = WINDOW_MULTIPLY(sum[r * vectors + v], WINDOW_LOAD(p), y[v]);
        }
    }
    *b = from;
}

V_FN void window_rows(const figk_gemm_window *p, size_t row, size_t rows, size_t vectors) {
    const WINDOW_ELEM *a = (const WINDOW_ELEM *)p->a + row * p->a_stride, *b = p->b;
    float *acc = (float *)p->acc + row * vectors * VL;
    vf sum[2 * MR];
    UNROLL_FOR(i, rows * vectors) sum[i] = p->more ? v_load(acc + i * VL) : v_zero();
    for (size_t block = 0; block < p->n_blocks; block++)
        window_block(a + p->offset[block], p->a_stride, p->k, &b, rows, vectors, sum);
    UNROLL_FOR(i, rows * vectors) v_store(acc + i * VL, sum[i]);
}

/* A case of more rows than registers hold is none. */
#define CASE(n)                                         \
    case n:                                             \
        if (n <= most) window_rows(p, row, n, vectors); \
        break;
V_FN void window_blocks(const figk_gemm_window *p, size_t vectors) {
    const size_t most = vectors == 1 ? FIG_MIN(2 * MR, 16) : MR;
    size_t n_blocks = fig__ceil_div(p->rows, most), row = 0;
    for (; n_blocks; n_blocks--) {
        size_t rows = fig__ceil_div(p->rows - row, n_blocks);
        switch (rows) {
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
            CASE(6)
            CASE(7)
            CASE(8)
            CASE(9)
            CASE(10)
            CASE(11)
            CASE(12)
            CASE(13)
            CASE(14)
            CASE(15)
            CASE(16)
        }
        row += rows;
    }
}
#undef CASE

static void window(const figk_gemm_window *p) {
    if (p->cols == VL)
        window_blocks(p, 1);
    else
        window_blocks(p, 2);
}
#endif
