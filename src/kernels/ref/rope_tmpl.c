/* kernels/ref/rope_tmpl.c: rotary position embedding (Su et al. 2021). */
#include "real.h"

void REF(rope)(size_t n_rows, size_t n_head, size_t head_dim, size_t half, bool interleaved, int sign, const void *cos,
               const void *sin, void *y, size_t ry, size_t hy, const void *x, size_t rx, size_t hx, fig_dtype type) {
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t h = 0; h < n_head; h++) {
            size_t from = r * rx + h * hx, to = r * ry + h * hy;
            for (size_t i = 0; i < half; i++) {
                size_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + half;
                real c = ((const real *)cos)[r * half + i], s = R(sign) * ((const real *)sin)[r * half + i];
                real a = ref_get(x, type, from + first), b = ref_get(x, type, from + second);
                ref_set(y, type, to + first, a * c - b * s);
                ref_set(y, type, to + second, b * c + a * s);
            }
            for (size_t j = 2 * half; j < head_dim; j++) ref_set(y, type, to + j, ref_get(x, type, from + j));
        }
    }
}

void REF(fill_rope)(figk_table *t) { t->rope = REF(rope); }
