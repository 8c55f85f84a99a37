/* kernels/x86/rope_impl.h: rotary position embedding. */
#include "vec_kernel.h"

#ifdef VL
/* Pairs (i, i + half): two streams. */
V_FN void rotate_halves(size_t half, float sign, const float *cos, const float *sin, void *y, size_t to, const void *x,
                        size_t from, fig_dtype type) {
    const vf s1 = v_set1(sign);
    LANES(half, i, k, {
        vf c = get(cos, FIG_F32, i, k);
        vf s = v_mul(s1, get(sin, FIG_F32, i, k));
        vf a = get(x, type, from + i, k);
        vf b = get(x, type, from + half + i, k);
        put(y, type, to + i, k, v_fnma(b, s, v_mul(a, c)));
        put(y, type, to + half + i, k, v_fma(a, s, v_mul(b, c)));
    });
}

/* Pairs (2i, 2i + 1) side by side in a vector: x * (c, c) + swapped x * (-s, s). */
V_FN void rotate_pairs(size_t half, float sign, const float *cos, const float *sin, void *y, size_t to, const void *x,
                       size_t from, fig_dtype type) {
    const vf signs = v_sel(v_ieq(v_iand(v_iota(), v_iset1(1)), v_iset1(0)), v_set1(-sign), v_set1(sign));
    for (size_t i = 0; i < half; i += VL / 2) {
        size_t pairs = FIG_MIN(half - i, (size_t)VL / 2);
        vf v = v_get_n(x, type, from + 2 * i, 2 * pairs);
        vf c = v_load_twice(cos + i, pairs), s = v_load_twice(sin + i, pairs);
        vf rotated = v_fma(v_swap_pairs(v), v_mul(signs, s), v_mul(v, c));
        v_put_n(y, type, to + 2 * i, rotated, 2 * pairs);
    }
}

V_FN void rope_rows(size_t n_rows, size_t n_head, size_t head_dim, size_t half, bool interleaved, int sign,
                    const float *cos, const float *sin, void *y, size_t ry, size_t hy, const void *x, size_t rx,
                    size_t hx, fig_dtype type) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *c = cos + r * half, *s = sin + r * half;
        for (size_t h = 0; h < n_head; h++) {
            size_t to = r * ry + h * hy, from = r * rx + h * hx, rest = 2 * half;
            if (interleaved)
                rotate_pairs(half, (float)sign, c, s, y, to, x, from, type);
            else
                rotate_halves(half, (float)sign, c, s, y, to, x, from, type);
            LANES(head_dim - rest, i, k, { put(y, type, to + rest + i, k, get(x, type, from + rest + i, k)); });
        }
    }
}

void ISA(rope)(size_t n_rows, size_t n_head, size_t head_dim, size_t half, bool interleaved, int sign, const void *cos,
               const void *sin, void *y, size_t ry, size_t hy, const void *x, size_t rx, size_t hx, fig_dtype type) {
    PICK(type, rope_rows, n_rows, n_head, head_dim, half, interleaved, sign, cos, sin, y, ry, hy, x, rx, hx);
}

void ISA_FILL(rope)(figk_table *t) { t->rope = ISA(rope); }
#endif
