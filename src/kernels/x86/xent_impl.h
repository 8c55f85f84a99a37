/* kernels/x86/xent_impl.h: cross-entropies of logits and their gradients, in one visit to memory each. */
#include "vec_kernel.h"
#include "vec_math.h"

#ifdef VL
#define XENT_BLOCK 4096 /* elements that stay in L1 between the search for the maximum and the sum */

/* sum of exp(x - shift), kept as a pair while blocks go by (the "online" softmax: Milakov and Gimelshein 2018). */
typedef struct log_sum {
    float max, sum;
} log_sum;

V_FN float block_max(size_t n, const void *x, size_t at, fig_dtype xt) {
    const vf none = v_set1(-INFINITY);
    vf m[CHAINS] = {none, none, none, none};
    CHAIN_LANES(n, i, k, c, {
        vf v = get(x, xt, at + i, k);
        if (k < VL) v = v_sel(v_first(k), v, none);
        m[c] = v_max(v, m[c]);
    });
    return v_hmax(v_max(v_max(m[0], m[1]), v_max(m[2], m[3])));
}
V_FN float block_sum(size_t n, const void *x, size_t at, float shift, fig_dtype xt) {
    vf s[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()}, m = v_set1(shift);
    CHAIN_LANES(n, i, k, c, { s[c] = v_add(s[c], only(k, v_exp(v_sub(get(x, xt, at + i, k), m)))); });
    return v_sum_chains(s);
}
V_FN float row_lse(size_t cols, const void *x, size_t at, fig_dtype xt) {
    log_sum l = {-INFINITY, 0};
    for (size_t j = 0; j < cols; j += XENT_BLOCK) {
        size_t n = FIG_MIN(cols - j, (size_t)XENT_BLOCK);
        float m = block_max(n, x, at + j, xt);
        if (m > l.max) {
            l.sum *= expf(l.max - m);
            l.max = m;
        }
        l.sum += block_sum(n, x, at + j, l.max > -INFINITY ? l.max : 0, xt);
    }
    return logf(l.sum) + (l.max > -INFINITY ? l.max : 0);
}
V_FN float element(const void *x, size_t i, fig_dtype xt) {
    return xt == FIG_BF16 ? fig__bf16_to_f32(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

V_FN void xent_rows(size_t rows, size_t cols, size_t ld, const void *x, const int32_t *target, float *loss, float *lse,
                    fig_dtype xt) {
    for (size_t r = 0; r < rows; r++) {
        lse[r] = row_lse(cols, x, r * ld, xt);
        if (target[r] < 0)
            loss[r] = 0;
        else
            loss[r] = (size_t)target[r] < cols ? lse[r] - element(x, r * ld + (size_t)target[r], xt) : NAN;
    }
}

void ISA(xent_fwd)(size_t rows, size_t cols, size_t ld, const void *logits, fig_dtype xt, const int32_t *target,
                   void *loss, void *lse) {
    PICK(xt, xent_rows, rows, cols, ld, logits, target, loss, lse);
}

/* The element of the target is put right at the end: its logit was read before, since dx may be x. */
V_FN void xent_bwd_row(size_t cols, size_t at, const void *x, int32_t target, float lse, float d, void *dx,
                       fig_dtype xt, fig_dtype yt) {
    bool inside = (size_t)target < cols;
    vf shift = v_set1(lse), scale = v_set1(d);
    vf p = v_exp(v_sub(v_set1(inside ? element(x, at + (size_t)target, xt) : 0), shift));
    LANES(cols, i, k, { put(dx, yt, at + i, k, v_mul(v_exp(v_sub(get(x, xt, at + i, k), shift)), scale)); });
    if (inside) v_put_n(dx, yt, at + (size_t)target, v_mul(v_sub(p, v_set1(1)), scale), 1);
}
V_FN void set_zero(size_t n, void *y, size_t at, fig_dtype yt) {
    size_t size = yt == FIG_BF16 ? 2 : 4;
    memset((char *)y + at * size, 0, n * size);
}
V_FN void xent_bwd_rows(size_t rows, size_t cols, size_t ld, const void *x, const int32_t *target, const float *lse,
                        const float *dloss, void *dx, fig_dtype xt, fig_dtype yt) {
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * ld, n = target[r] < 0 ? 0 : cols;
        if (n) xent_bwd_row(n, at, x, target[r], lse[r], dloss[r], dx, xt, yt);
        set_zero(ld - n, dx, at + n, yt);
    }
}

void ISA(xent_bwd)(size_t rows, size_t cols, size_t ld, const void *logits, fig_dtype xt, const int32_t *target,
                   const void *lse, const void *dloss, void *dlogits, fig_dtype yt) {
    PICK2(xt, yt, xent_bwd_rows, rows, cols, ld, logits, target, lse, dloss, dlogits);
}

/* The logarithms of 1 + exp(-|x|), which is at most 2, are taken of products of 64; what rounding that sum lost is put
 * back to first order. */
#define FACTORS 64
V_FN void bce_row(size_t n, const void *x, const float *target, float *loss, fig_dtype xt) {
    vf sum = v_zero(), lost = v_zero(), logs = v_zero(), one = v_set1(1);
    for (size_t from = 0; from < n; from += FACTORS * VL) {
        vf product = one;
        LANES(FIG_MIN(n - from, FACTORS * VL), i, k, {
            vf a = get(x, xt, from + i, k), e = only(k, v_exp(v_neg(v_abs(a)))), u = v_add(one, e);
            sum = v_add(sum, only(k, v_fnma(a, get(target, FIG_F32, from + i, k), v_max(a, v_zero()))));
            lost = v_add(lost, v_sub(e, v_sub(u, one)));
            product = v_mul(product, u);
        });
        logs = v_add(logs, v_log(product));
    }
    *loss = v_sum(v_add(sum, v_add(logs, lost)));
}
#undef FACTORS
void ISA(bce_fwd)(size_t n, const void *x, fig_dtype xt, const void *target, void *loss) {
    PICK(xt, bce_row, n, x, target, loss);
}

V_FN void bce_bwd_row(size_t n, const void *x, const float *target, float dloss, void *dx, fig_dtype xt, fig_dtype yt) {
    vf d = v_set1(dloss);
    LANES(n, i, k, { put(dx, yt, i, k, v_mul(v_sub(v_sigmoid(get(x, xt, i, k)), get(target, FIG_F32, i, k)), d)); });
}
void ISA(bce_bwd)(size_t n, const void *x, fig_dtype xt, const void *target, const void *dloss, void *dx,
                  fig_dtype yt) {
    PICK2(xt, yt, bce_bwd_row, n, x, target, *(const float *)dloss, dx);
}

void ISA_FILL(xent)(figk_table *t) {
    t->xent_fwd = ISA(xent_fwd);
    t->xent_bwd = ISA(xent_bwd);
    t->bce_fwd = ISA(bce_fwd);
    t->bce_bwd = ISA(bce_bwd);
}
#endif
