/* kernels/ref/reduce_tmpl.c: sums and maxima. */
#include "real.h"

void REF(sum)(size_t n, size_t inner, void *vy, const void *x, fig_dtype xt, size_t stride, bool accumulate) {
    real *y = vy;
    for (size_t j = 0; j < inner; j++) {
        real sum = accumulate ? y[j] : 0;
        for (size_t i = 0; i < n; i++) sum += ref_get(x, xt, i * stride + j);
        y[j] = sum;
    }
}

void REF(max_pool)(size_t n, size_t k, size_t c, void *y, const void *x, fig_dtype type, size_t ld) {
    for (size_t i = 0; i < n * c; i++) {
        size_t first = i / c * k * c + i % c;
        real most = ref_get(x, type, first);
        for (size_t tap = 1; tap < k * k; tap++)
            most = M_REAL(fmax)(most, ref_get(x, type, first + tap / k * ld + tap % k * c));
        ref_set(y, type, i, most);
    }
}

void REF(max_pool_bwd)(size_t n, size_t k, size_t c, void *dx, fig_dtype dxt, const void *x, fig_dtype xt, size_t ld,
                       const void *dy, fig_dtype dyt) {
    for (size_t i = 0; i < n * c; i++) {
        size_t first = i / c * k * c + i % c, best = 0;
        for (size_t tap = 1; tap < k * k; tap++) {
            size_t at = first + tap / k * ld + tap % k * c;
            if (ref_get(x, xt, at) > ref_get(x, xt, first + best / k * ld + best % k * c)) best = tap;
        }
        for (size_t tap = 0; tap < k * k; tap++)
            ref_set(dx, dxt, first + tap / k * ld + tap % k * c, tap == best ? ref_get(dy, dyt, i) : 0);
    }
}

void REF(maximum)(size_t n, size_t inner, void *y, const void *x, fig_dtype xt, size_t stride) {
    for (size_t j = 0; j < inner; j++) {
        real largest = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            real v = ref_get(x, xt, i * stride + j);
            if (v > largest) largest = v;
        }
        ((real *)y)[j] = largest;
    }
}

void REF(accumulate)(size_t n, void *y, const void *x, fig_dtype xt) {
    for (size_t i = 0; i < n; i++) ((real *)y)[i] += ref_get(x, xt, i);
}

void REF(blend)(size_t n_rows, size_t inner, void *y, fig_dtype yt, const void *const *rows, fig_dtype xt,
                const double *weights) {
    for (size_t j = 0; j < inner; j++) {
        real sum = 0;
        for (size_t i = 0; i < n_rows; i++) sum += R(weights[i]) * ref_get(rows[i], xt, j);
        ref_set(y, yt, j, sum);
    }
}

void REF(weigh)(size_t n_rows, size_t inner, void *y, fig_dtype yt, const void *const *rows, fig_dtype xt,
                const void *const *weights, fig_dtype wt, const void *start) {
    for (size_t j = 0; j < inner; j++) {
        real sum = start ? ((const real *)start)[j] : 0;
        for (size_t i = 0; i < n_rows; i++) sum += ref_get(rows[i], xt, j) * ref_get(weights[i], wt, j);
        ref_set(y, yt, j, sum);
    }
}

void REF(weigh_sum)(size_t n, size_t inner, void *acc, const void *a, fig_dtype at, size_t a_stride, const void *b,
                    fig_dtype bt, size_t b_stride) {
    real *sum = acc;
    for (size_t j = 0; j < inner; j++)
        for (size_t i = 0; i < n; i++) sum[j] += ref_get(a, at, i * a_stride + j) * ref_get(b, bt, i * b_stride + j);
}

double REF(sumsq)(size_t n, const void *x, fig_dtype xt) { return REF(dot)(n, x, xt, x, xt); }

double REF(dot)(size_t n, const void *x, fig_dtype xt, const void *y, fig_dtype yt) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)ref_get(x, xt, i) * (double)ref_get(y, yt, i);
    return sum;
}

void REF(fill_reduce)(figk_table *t) {
    t->sum = REF(sum);
    t->maximum = REF(maximum);
    t->max_pool = REF(max_pool);
    t->max_pool_bwd = REF(max_pool_bwd);
    t->accumulate = REF(accumulate);
    t->blend = REF(blend);
    t->weigh = REF(weigh);
    t->weigh_sum = REF(weigh_sum);
    t->sumsq = REF(sumsq);
    t->dot = REF(dot);
}
