/* kernels/x86/gemm_rows.h: goes through the rows of a panel in blocks of at most MR, nearly equal ones, since a block
 * of two rows keeps the multipliers no busier than one of ten. The including file defines
 *
 *     multiply_rows(rows, vectors, p, row, next, step)
 *
 * which is compiled for each number of rows and for one and two vectors of columns, so that all sums are in registers.
 * At each unit of k it fetches `next` ahead and moves it on by `step`: in this way the next panel is in the
 * second-level cache when its turn comes, which is worth 5 to 9 % where B does not stay there by itself. */
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL
#define CASE(n) \
    case n: multiply_rows(n, vectors, p, row, next, step); break;
V_FN void multiply(size_t vectors, const figk_gemm_panel *p) {
    size_t n_blocks = fig__ceil_div(p->rows, MR), row = 0;
    const size_t step = NR * sizeof(float) / n_blocks;
    const char *next = p->next_b;
    for (; n_blocks; n_blocks--, next += step * (p->k / UNIT_K)) {
        size_t rows = fig__ceil_div(p->rows - row, n_blocks);
        switch (rows) {
            CASE(1)
            CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if MR == 14
                CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
        }
        row += rows;
    }
}
#undef CASE

static void panel(const figk_gemm_panel *p) {
    if (p->cols <= VL)
        multiply(1, p);
    else
        multiply(2, p);
}
#endif
