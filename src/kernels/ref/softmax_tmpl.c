/* kernels/ref/softmax_tmpl.c: softmax of rows and its gradient. */
#include "real.h"

/* The largest of a row, which is taken off before exp so that nothing overflows; 0 for a row of -inf (or NaN), where
 * there is nothing to take off and -inf - -inf would make NaN of it. */
static real row_shift(const void *x, fig_dtype xt, size_t at, size_t cols) {
    real m = -INFINITY;
    for (size_t j = 0; j < cols; j++) m = ref_get(x, xt, at + j) > m ? ref_get(x, xt, at + j) : m;
    return m > -INFINITY ? m : 0;
}

void REF(softmax_fwd)(size_t rows, size_t cols, void *y, fig_dtype yt, const void *x, fig_dtype xt) {
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * cols;
        real shift = row_shift(x, xt, at, cols), sum = 0;
        for (size_t j = 0; j < cols; j++) sum += m_exp(ref_get(x, xt, at + j) - shift);
        real scale = sum == 0 ? 0 : 1 / sum;
        for (size_t j = 0; j < cols; j++) ref_set(y, yt, at + j, m_exp(ref_get(x, xt, at + j) - shift) * scale);
    }
}

void REF(softmax_bwd)(size_t rows, size_t cols, void *dx, const void *y, const void *dy, fig_dtype type) {
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * cols;
        real sum = 0;
        for (size_t j = 0; j < cols; j++) sum += ref_get(y, type, at + j) * ref_get(dy, type, at + j);
        for (size_t j = 0; j < cols; j++)
            ref_set(dx, type, at + j, ref_get(y, type, at + j) * (ref_get(dy, type, at + j) - sum));
    }
}

void REF(fill_softmax)(figk_table *t) {
    t->softmax_fwd = REF(softmax_fwd);
    t->softmax_bwd = REF(softmax_bwd);
}
