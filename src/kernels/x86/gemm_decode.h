/* kernels/x86/gemm_decode.h: few rows of x against weights stored [n,k], each read once. The including file says what
 * a step along k is:
 *
 *     DECODE_STEP                     numbers in a vector of it
 *     decode_vector                   such a vector, of weights and of x
 *     decode_x                        the type of a number of x
 *     decode_get(p, type, i)          a vector from element i on; x has the type DECODE_TYPE
 *     decode_get_n(p, type, i, n)     its first n, the rest zeros
 *     decode_multiply(sum, w, x)      the sums of a step's products, in the lanes of `sum`
 *
 * Every sum is one chain in each lane, then the lanes in the order of v_sum, so that it is the same for whatever is
 * computed beside it. */
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL
#define DECODE_COLS 4
#define DECODE_ROWS (VL / DECODE_COLS) /* that share the reading of a weight; their sums fill a vector */

/* `rows` rows of x against `cols` columns. Fetches `ahead` vectors of weights a step from `next` on. */
V_FN void dot_block(size_t rows, size_t cols, const figk_gemm_decode *p, size_t row, size_t col, size_t ahead,
                    const char *next, fig_dtype wt) {
    const decode_x *x = (const decode_x *)p->x + row * p->x_stride;
    float *y = (float *)p->y + row * p->y_stride + col;
    size_t step = DECODE_STEP * (wt == FIG_BF16 ? 2 : 4), w = col * p->ldw, k = 0;
    vf sum[VL];
    UNROLL_FOR(i, rows * cols) sum[i] = v_zero();
    for (; k + DECODE_STEP <= p->k; k += DECODE_STEP) {
        decode_vector weights[DECODE_COLS];
        UNROLL_FOR(c, cols) weights[c] = decode_get(p->w, wt, w + c * p->ldw + k);
        UNROLL_FOR(c, ahead) _mm_prefetch(next + c * step, _MM_HINT_T0);
        next += ahead * step;
        UNROLL_FOR(i, rows) {
            decode_vector numbers = decode_get(x, DECODE_TYPE, i * p->x_stride + k);
            UNROLL_FOR(c, cols) sum[i * cols + c] = decode_multiply(sum[i * cols + c], weights[c], numbers);
        }
    }
    for (size_t left = p->k - k, c = 0; left && c < cols; c++) {
        decode_vector weights = decode_get_n(p->w, wt, w + c * p->ldw + k, left);
        for (size_t i = 0; i < rows; i++)
            sum[i * cols + c] =
                decode_multiply(sum[i * cols + c], weights, decode_get_n(x, DECODE_TYPE, i * p->x_stride + k, left));
    }
    if (rows * cols < VL) {
        for (size_t i = 0; i < rows * cols; i++) y[i / cols * p->y_stride + i % cols] = v_sum(sum[i]);
        return;
    }
    float all[VL];
    v_store(all, v_sums(sum));
    for (size_t i = 0; i < rows; i++) memcpy(y + i * p->y_stride, all + i * cols, cols * sizeof *all);
}

/* dot_block, compiled for each `ahead`. */
V_FN void dot_ahead(size_t rows, size_t cols, const figk_gemm_decode *p, size_t row, size_t col, size_t ahead,
                    const char *next, fig_dtype wt) {
    switch (ahead) {
    case 0: dot_block(rows, cols, p, row, col, 0, next, wt); break;
    case 1: dot_block(rows, cols, p, row, col, 1, next, wt); break;
    case 2: dot_block(rows, cols, p, row, col, 2, next, wt); break;
    default: dot_block(rows, cols, p, row, col, DECODE_COLS, next, wt);
    }
}

/* All rows against some columns, whose weights stay in a first-level cache meanwhile. The next columns are fetched
 * ahead, since reading of one row's weights ends before the processor has seen that there is a stream; a part of them
 * beside each block of rows, so that memory is busy all the time. */
V_FN void dot_columns(size_t cols, const figk_gemm_decode *p, size_t col, fig_dtype wt) {
    size_t n = p->m / DECODE_ROWS, parts = n >= 4 ? 4 : n >= 2 ? 2 : 1;
    size_t bytes = cols * p->ldw * (wt == FIG_BF16 ? 2 : 4);
    const char *next = (const char *)p->w + col * p->ldw * (wt == FIG_BF16 ? 2 : 4) + bytes;
    for (size_t i = 0; i < n; i++)
        dot_ahead(DECODE_ROWS, cols, p, i * DECODE_ROWS, col, i < parts ? DECODE_COLS / parts : 0,
                  next + i * bytes / parts, wt);
    for (size_t row = n * DECODE_ROWS; row < p->m; row++)
        dot_ahead(1, cols, p, row, col, row ? 0 : DECODE_COLS, next, wt);
}

/* Memory bounds what one row takes, and is fastest when read in order. */
V_FN void decode_n_major(const figk_gemm_decode *p, fig_dtype wt) {
    size_t col = 0;
    for (; p->m == 1 && col < p->n; col++) dot_block(1, 1, p, 0, col, 0, p->w, wt);
    for (; col + DECODE_COLS <= p->n; col += DECODE_COLS) dot_columns(DECODE_COLS, p, col, wt);
    for (; col < p->n; col++) dot_columns(1, p, col, wt);
}
#endif
