/* kernels/x86/move_impl.h: conversion between storage and blocks of float; transposition by 8 x 8 blocks. */
#include "vec_kernel.h"

#ifdef VL
V_FN void load_contiguous(size_t n, float *y, const void *x, fig_dtype xt) {
    LANES(n, i, k, { put(y, FIG_F32, i, k, get(x, xt, i, k)); });
}

static void load_i32(size_t n, float *y, const int32_t *x) {
    size_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_from_int(v_iload(x + i)));
    for (; i < n; i++) y[i] = (float)x[i];
}
static void load_u8(size_t n, float *y, const uint8_t *x) {
    size_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_from_int(v_load_u8(x + i)));
    for (; i < n; i++) y[i] = x[i];
}
static void fill(size_t n, float *y, float value) {
    LANES(n, i, k, { put(y, FIG_F32, i, k, v_set1(value)); });
}

void ISA(load)(size_t n, void *y, const void *x, fig_dtype xt, size_t stride) {
    if (n && stride == 0) {
        float value;
        figk_load__ref_f32(1, &value, x, xt, 0);
        fill(n, y, value);
    } else if (stride != 1)
        figk_load__ref_f32(n, y, x, xt, stride);
    else if (xt == FIG_BF16)
        load_contiguous(n, y, x, FIG_BF16);
    else if (xt == FIG_F32)
        load_contiguous(n, y, x, FIG_F32);
    else if (xt == FIG_I32)
        load_i32(n, y, x);
    else if (xt == FIG_U8)
        load_u8(n, y, x);
    else
        figk_load__ref_f32(n, y, x, xt, stride);
}

V_FN void store_contiguous(size_t n, void *y, const float *x, fig_dtype yt) {
    LANES(n, i, k, { put(y, yt, i, k, get(x, FIG_F32, i, k)); });
}

void ISA(store)(size_t n, void *y, fig_dtype yt, size_t stride, const void *x) {
    if (stride != 1 || (yt != FIG_F32 && yt != FIG_BF16))
        figk_store__ref_f32(n, y, yt, stride, x);
    else
        PICK(yt, store_contiguous, n, y, x);
}

/* --- transposition: squares of 8 x 8 in registers ---------------------------------------------------------------*/

V_FN void transpose_8x8_32(uint32_t *y, size_t ldy, const uint32_t *x, size_t ldx) {
    __m256 r[8], s[8];
    for (size_t i = 0; i < 8; i++) r[i] = _mm256_loadu_ps((const float *)(x + i * ldx));
    for (size_t i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        _mm256_storeu_ps((float *)(y + i * ldy), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps((float *)(y + (i + 4) * ldy), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

V_FN void transpose_8x8_16(uint16_t *y, size_t ldy, const uint16_t *x, size_t ldx) {
    __m128i r[8], s[8];
    for (size_t i = 0; i < 8; i++) r[i] = _mm_loadu_si128((const void *)(x + i * ldx));
    for (size_t i = 0; i < 4; i++) { /* rows i and i + 4 interleaved, three times over */
        s[2 * i] = _mm_unpacklo_epi16(r[i], r[i + 4]);
        s[2 * i + 1] = _mm_unpackhi_epi16(r[i], r[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        r[2 * i] = _mm_unpacklo_epi16(s[i], s[i + 4]);
        r[2 * i + 1] = _mm_unpackhi_epi16(s[i], s[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        _mm_storeu_si128((void *)(y + 2 * i * ldy), _mm_unpacklo_epi16(r[i], r[i + 4]));
        _mm_storeu_si128((void *)(y + (2 * i + 1) * ldy), _mm_unpackhi_epi16(r[i], r[i + 4]));
    }
}

/* `size` is a constant at every call, so an element is one load and one store. */
V_FN void transpose_few(size_t rows, size_t cols, char *y, size_t ldy, const char *x, size_t ldx, size_t size) {
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < rows; r++) memcpy(y + (c * ldy + r) * size, x + (r * ldx + c) * size, size);
}

/* Columns in strips, so that the rows of y being written stay in L1 while x is read down. The last squares overlap the
 * ones before them. */
V_FN void transpose_blocks(size_t rows, size_t cols, char *y, size_t ldy, const char *x, size_t ldx, size_t size) {
    if (rows < 8 || cols < 8) {
        transpose_few(rows, cols, y, ldy, x, ldx, size);
        return;
    }
    for (size_t i = 0; i < cols; i += 8)
        for (size_t j = 0; j < rows; j += 8) {
            size_t c = FIG_MIN(i, cols - 8), r = FIG_MIN(j, rows - 8);
            void *to = y + (c * ldy + r) * size;
            const void *from = x + (r * ldx + c) * size;
            if (size == 4)
                transpose_8x8_32(to, ldy, from, ldx);
            else
                transpose_8x8_16(to, ldy, from, ldx);
        }
}

void ISA(transpose)(size_t rows, size_t cols, void *y, size_t ldy, const void *x, size_t ldx, size_t elem_size) {
    if (elem_size == 4)
        transpose_blocks(rows, cols, y, ldy, x, ldx, 4);
    else if (elem_size == 2)
        transpose_blocks(rows, cols, y, ldy, x, ldx, 2);
    else
        figk_transpose__ref_f32(rows, cols, y, ldy, x, ldx, elem_size);
}

void ISA_FILL(move)(figk_table *t) {
    t->load = ISA(load);
    t->store = ISA(store);
    t->transpose = ISA(transpose);
}
#endif
