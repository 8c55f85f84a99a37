/* kernels/x86/softmax_impl.h: softmax of rows and its gradient. */
#include "vec_kernel.h"
#include "vec_math.h"

#ifdef VL
/* As in ref/: the largest element, or 0 where that is -inf. */
V_FN float row_shift(size_t n, const void *x, size_t at, fig_dtype xt) {
    const vf none = v_set1(-INFINITY);
    vf m[CHAINS] = {none, none, none, none};
    CHAIN_LANES(n, i, k, c, {
        vf v = get(x, xt, at + i, k);
        if (k < VL) v = v_sel(v_first(k), v, none);
        m[c] = v_max(v, m[c]);
    });
    float largest = v_hmax(v_max(v_max(m[0], m[1]), v_max(m[2], m[3])));
    return largest > -INFINITY ? largest : 0;
}

/* A float result first holds the exponentials, so that each is computed once; bf16 could not hold them exactly. */
V_FN void softmax_rows(size_t rows, size_t cols, void *y, const void *x, fig_dtype xt, fig_dtype yt) {
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * cols;
        vf shift = v_set1(row_shift(cols, x, at, xt)), s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
        CHAIN_LANES(cols, i, k, c, {
            vf e = v_exp(v_sub(get(x, xt, at + i, k), shift));
            s[c] = v_add(s[c], only(k, e));
            if (yt == FIG_F32) put(y, yt, at + i, k, e);
        });
        float sum = v_sum_chains(s);
        vf scale = v_set1(sum == 0 ? 0 : 1 / sum);
        LANES(cols, i, k, {
            vf e = yt == FIG_F32 ? get(y, yt, at + i, k) : v_exp(v_sub(get(x, xt, at + i, k), shift));
            put(y, yt, at + i, k, v_mul(e, scale));
        });
    }
}

void ISA(softmax_fwd)(size_t rows, size_t cols, void *y, fig_dtype yt, const void *x, fig_dtype xt) {
    PICK2(xt, yt, softmax_rows, rows, cols, y, x);
}

V_FN void softmax_bwd_rows(size_t rows, size_t cols, void *dx, const void *y, const void *dy, fig_dtype type) {
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * cols;
        vf s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()};
        CHAIN_LANES(cols, i, k, c, { s[c] = v_fma(get(y, type, at + i, k), get(dy, type, at + i, k), s[c]); });
        vf sum = v_set1(v_sum_chains(s));
        LANES(cols, i, k,
              { put(dx, type, at + i, k, v_mul(get(y, type, at + i, k), v_sub(get(dy, type, at + i, k), sum))); });
    }
}

void ISA(softmax_bwd)(size_t rows, size_t cols, void *dx, const void *y, const void *dy, fig_dtype type) {
    PICK(type, softmax_bwd_rows, rows, cols, dx, y, dy);
}

void ISA_FILL(softmax)(figk_table *t) {
    t->softmax_fwd = ISA(softmax_fwd);
    t->softmax_bwd = ISA(softmax_bwd);
}
#endif
