/* numbers.h: numbers at random, and in and out of the types of kernels. For the programs that test drivers. */
#ifndef NUMBERS_H
#define NUMBERS_H
#include "kernels/kernels.h"

static uint64_t random_state;
static inline uint32_t random_u32(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}
/* One of some sizes. */
static inline size_t random_of(const size_t *choices, size_t n) { return choices[random_u32() % n]; }
#define PICK_SIZE(...) random_of((size_t[]){__VA_ARGS__}, FIG_COUNT(((size_t[]){__VA_ARGS__})))

static inline double get(const void *x, fig_dtype type, size_t i) {
    if (type == FIG_BF16) return fig__bf16_to_f32(((const uint16_t *)x)[i]);
    return type == FIG_F32 ? ((const float *)x)[i] : ((const double *)x)[i];
}
static inline void put(void *x, fig_dtype type, size_t i, double v) {
    if (type == FIG_BF16)
        ((uint16_t *)x)[i] = fig__f32_to_bf16((float)v);
    else if (type == FIG_F32)
        ((float *)x)[i] = (float)v;
    else
        ((double *)x)[i] = v;
}
/* The largest relative error of rounding. */
static inline double epsilon(fig_dtype type) { return type == FIG_BF16 ? 0x1p-8 : type == FIG_F32 ? 0x1p-24 : 0x1p-53; }

#endif
