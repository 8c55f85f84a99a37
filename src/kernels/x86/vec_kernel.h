/* kernels/x86/vec_kernel.h: names of the kernels of the level that a file is compiled for. A family is written once in
 * <family>_impl.h and included by <family>_avx2.c and <family>_avx512.c. Kernels for which F32 and BF16 matter are
 * inline functions of the types, called with constant ones through PICK, so that each pair becomes code of its own. */
#ifndef FIG_VEC_KERNEL_H
#define FIG_VEC_KERNEL_H
#include "kernels/fill.h"
#include "vec.h"

#if defined(__AVX512F__)
#define ISA(name) figk_##name##_f32__avx512
#define ISA_FILL(family) figk_fill_##family##__avx512
#else
#define ISA(name) figk_##name##_f32__avx2
#define ISA_FILL(family) figk_fill_##family##__avx2
#endif

#define KERNEL(ret, name, params) ret ISA(name) params;
#include "kernels/kernels.def"
#undef KERNEL

/* Calls fn(..., type) with a constant type. */
#define PICK(type, fn, ...)            \
    do {                               \
        if ((type) == FIG_BF16)        \
            fn(__VA_ARGS__, FIG_BF16); \
        else                           \
            fn(__VA_ARGS__, FIG_F32);  \
    } while (0)
/* fn(..., first type, second type) */
#define PICK2(type1, type2, fn, ...)                \
    do {                                            \
        if ((type1) == FIG_BF16)                    \
            PICK(type2, fn, __VA_ARGS__, FIG_BF16); \
        else                                        \
            PICK(type2, fn, __VA_ARGS__, FIG_F32);  \
    } while (0)

/* Runs `body` for every group of lanes of 0 .. n-1: lanes i .. i+k-1, k = VL but for the last. Two copies of the body,
 * since a full group needs no masks. */
#define LANES(n, i, k, ...)              \
    do {                                 \
        size_t i = 0;                    \
        for (; i + VL <= (n); i += VL) { \
            const size_t k = VL;         \
            __VA_ARGS__                  \
        }                                \
        if (i < (n)) {                   \
            const size_t k = (n)-i;      \
            __VA_ARGS__                  \
        }                                \
    } while (0)

/* The same for sums: groups take turns at CHAINS accumulators (c = 0, 1, ...), so that one addition does not wait for
 * the last; v_sum_chains then adds chains pairwise, then lanes. */
#define CHAINS 4
#define CHAIN_LANES(n, i, k, c, ...)                                               \
    do {                                                                           \
        size_t i = 0;                                                              \
        while (i + CHAINS * VL <= (n)) {                                           \
            _Pragma("GCC unroll 4") for (size_t c = 0; c < CHAINS; c++, i += VL) { \
                const size_t k = VL;                                               \
                __VA_ARGS__                                                        \
            }                                                                      \
        }                                                                          \
        _Pragma("GCC unroll 4") for (size_t c = 0; c < CHAINS; c++, i += VL) {     \
            if (i >= (n)) break;                                                   \
            const size_t k = FIG_MIN((n)-i, (size_t)VL);                           \
            __VA_ARGS__                                                            \
        }                                                                          \
    } while (0)

#ifdef VL
V_FN vf v_add_chains(const vf s[CHAINS]) { return v_add(v_add(s[0], s[1]), v_add(s[2], s[3])); }
V_FN float v_sum_chains(const vf s[CHAINS]) { return v_sum(v_add_chains(s)); }

/* Zero in the lanes past the end. */
V_FN vf only(size_t k, vf a) { return __builtin_constant_p(k) && k == VL ? a : v_zero_unless(v_first(k), a); }

/* Group access that turns into the plain form where k is the constant VL. */
V_FN vf get(const void *x, fig_dtype type, size_t i, size_t k) {
    return __builtin_constant_p(k) && k == VL ? v_get(x, type, i) : v_get_n(x, type, i, k);
}
V_FN void put(void *y, fig_dtype type, size_t i, size_t k, vf a) {
    if (__builtin_constant_p(k) && k == VL)
        v_put(y, type, i, a);
    else
        v_put_n(y, type, i, a, k);
}
#endif

#endif
