/* kernels/x86/gemm_rows.h: goes through the rows of a panel in blocks of at most MR, nearly equal ones, since a block of
 * two rows keeps the multipliers no busier than one of ten. The including file defines multiply_rows(rows, vectors, p,
 * row), which is compiled for each number of rows and for one and two vectors of columns, so that all sums are in
 * registers. */
#define CASE(n) case n: multiply_rows(n, vectors, p, row); break;
V_FN void multiply(size_t vectors, const figk_gemm_panel *p) {
    size_t n_blocks = fig__ceil_div(p->rows, MR), row = 0;
    for (; n_blocks; n_blocks--) {
        size_t rows = fig__ceil_div(p->rows - row, n_blocks);
        switch (rows) {
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if MR == 14
            CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
        }
        row += rows;
    }
}
#undef CASE

static void panel(const figk_gemm_panel *p) {
    if (p->cols <= VL) multiply(1, p);
    else multiply(2, p);
}
