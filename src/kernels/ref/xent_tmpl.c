/* kernels/ref/xent_tmpl.c: cross-entropy of logits, with class numbers or with targets between 0 and 1, and gradients.
 */
#include "real.h"

void REF(xent_fwd)(size_t rows, size_t cols, size_t ld, const void *logits, fig_dtype xt, const int32_t *target,
                   void *loss, void *lse) {
    for (size_t r = 0; r < rows; r++) {
        real m = -INFINITY, sum = 0;
        for (size_t j = 0; j < cols; j++) {
            real x = ref_get(logits, xt, r * ld + j);
            if (x > m) m = x;
        }
        real shift = m > -INFINITY ? m : 0; /* as in softmax */
        for (size_t j = 0; j < cols; j++) sum += m_exp(ref_get(logits, xt, r * ld + j) - shift);
        real log_sum = m_log(sum) + shift;
        ((real *)lse)[r] = log_sum;
        ((real *)loss)[r] = target[r] < 0               ? 0
                            : (size_t)target[r] >= cols ? R(NAN)
                                                        : log_sum - ref_get(logits, xt, r * ld + (size_t)target[r]);
    }
}

void REF(xent_bwd)(size_t rows, size_t cols, size_t ld, const void *logits, fig_dtype xt, const int32_t *target,
                   const void *lse, const void *dloss, void *dlogits, fig_dtype yt) {
    for (size_t r = 0; r < rows; r++) {
        real log_sum = ((const real *)lse)[r], d = ((const real *)dloss)[r];
        for (size_t j = 0; j < ld; j++) {
            real p = j < cols && target[r] >= 0 ? m_exp(ref_get(logits, xt, r * ld + j) - log_sum) : 0;
            real g = (int64_t)j == target[r] ? p - 1 : p;
            ref_set(dlogits, yt, r * ld + j, j < cols && target[r] >= 0 ? g * d : 0);
        }
    }
}

void REF(bce_fwd)(size_t n, const void *x, fig_dtype xt, const void *target, void *loss) {
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        real a = ref_get(x, xt, i);
        sum += (a > 0 ? a : 0) - a * ((const real *)target)[i] + m_log1p(m_exp(-m_fabs(a)));
    }
    *(real *)loss = sum;
}

void REF(bce_bwd)(size_t n, const void *x, fig_dtype xt, const void *target, const void *dloss, void *dx,
                  fig_dtype yt) {
    real d = *(const real *)dloss;
    for (size_t i = 0; i < n; i++) {
        real p = 1 / (1 + m_exp(-ref_get(x, xt, i)));
        ref_set(dx, yt, i, (p - ((const real *)target)[i]) * d);
    }
}

void REF(fill_xent)(figk_table *t) {
    t->xent_fwd = REF(xent_fwd);
    t->xent_bwd = REF(xent_bwd);
    t->bce_fwd = REF(bce_fwd);
    t->bce_bwd = REF(bce_bwd);
}
