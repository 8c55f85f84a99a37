/* kernels/x86/gemm_amx_impl.h: products of bf16 in tiles: sums of 2 by 2 tiles of 16 by 16, two tiles of A, two of B,
 * all eight in use. Written over the operations of amx.h. A panel of B is that of AVX512-BF16: [K / 2][32 columns][2],
 * so a tile of 16 pairs by 16 columns lies in it with a stride of 128 bytes. */
#include "kernels/gemm.h"
#include "kernels/x86/amx.h"

#define NR 32
#define K_TILE 32 /* k of a tile */
#define B_STRIDE (NR * 2 * sizeof(uint16_t))

/* Tile numbers: macros, since the instructions are made from their text. */
#define SUM00 0
#define SUM01 1
#define SUM10 2
#define SUM11 3
#define A0 4
#define A1 5
#define B0 6
#define B1 7

/* The upper tiles hold rows0 rows, the lower ones rows1, 0 when there are none. */
static void configure(size_t rows0, size_t rows1) {
    amx_config config = {.palette = 1};
    const size_t rows[8] = {rows0, rows0, rows1, rows1, rows0, rows1, 16, 16};
    for (int tile = 0; tile < 8; tile++) {
        config.rows[tile] = (uint8_t)rows[tile];
        config.row_bytes[tile] = rows[tile] ? 64 : 0;
    }
    amx_configure(&config);
}

/* 17 to 32 rows. */
static void multiply_32(const figk_gemm_panel *p, size_t row) {
    size_t a_stride = p->a_stride * sizeof(uint16_t), acc_stride = p->acc_stride * sizeof(float);
    const char *a0 = (const char *)p->a + row * a_stride, *a1 = a0 + 16 * a_stride, *b = p->b;
    float *acc = (float *)p->acc + row * p->acc_stride, *acc1 = acc + 16 * p->acc_stride;
    if (p->more) {
        amx_load(SUM00, acc, acc_stride);
        amx_load(SUM01, acc + 16, acc_stride);
        amx_load(SUM10, acc1, acc_stride);
        amx_load(SUM11, acc1 + 16, acc_stride);
    } else {
        amx_zero(SUM00);
        amx_zero(SUM01);
        amx_zero(SUM10);
        amx_zero(SUM11);
    }
    for (size_t k = 0; k < p->k; k += K_TILE, a0 += 64, a1 += 64, b += 16 * B_STRIDE) {
        amx_load(B0, b, B_STRIDE);
        amx_load(A0, a0, a_stride);
        amx_dot(SUM00, A0, B0);
        amx_load(B1, b + 64, B_STRIDE);
        amx_dot(SUM01, A0, B1);
        amx_load(A1, a1, a_stride);
        amx_dot(SUM10, A1, B0);
        amx_dot(SUM11, A1, B1);
    }
    amx_store(SUM00, acc, acc_stride);
    amx_store(SUM01, acc + 16, acc_stride);
    amx_store(SUM10, acc1, acc_stride);
    amx_store(SUM11, acc1 + 16, acc_stride);
}

/* 1 to 16 rows. */
static void multiply_16(const figk_gemm_panel *p, size_t row) {
    size_t a_stride = p->a_stride * sizeof(uint16_t), acc_stride = p->acc_stride * sizeof(float);
    const char *a = (const char *)p->a + row * a_stride, *b = p->b;
    float *acc = (float *)p->acc + row * p->acc_stride;
    if (p->more) {
        amx_load(SUM00, acc, acc_stride);
        amx_load(SUM01, acc + 16, acc_stride);
    } else {
        amx_zero(SUM00);
        amx_zero(SUM01);
    }
    for (size_t k = 0; k < p->k; k += K_TILE, a += 64, b += 16 * B_STRIDE) {
        amx_load(A0, a, a_stride);
        amx_load(B0, b, B_STRIDE);
        amx_load(B1, b + 64, B_STRIDE);
        amx_dot(SUM00, A0, B0);
        amx_dot(SUM01, A0, B1);
    }
    amx_store(SUM00, acc, acc_stride);
    amx_store(SUM01, acc + 16, acc_stride);
}

static void panel(const figk_gemm_panel *p) {
    size_t row = 0;
    if (p->rows >= 32) configure(16, 16);
    for (; row + 32 <= p->rows; row += 32) multiply_32(p, row);
    size_t left = p->rows - row;
    if (left) configure(FIG_MIN(left, 16), left > 16 ? left - 16 : 0);
    if (left > 16)
        multiply_32(p, row);
    else if (left)
        multiply_16(p, row);
    amx_release();
}
