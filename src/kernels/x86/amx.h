/* kernels/x86/amx.h: the six tile operations that matrix products are made of. tests/kernels/amx_emu.h has the same in
 * software, so that the kernel's logic is tested on every machine. Tiles are numbered by constants. */
#ifndef FIG_AMX_H
#define FIG_AMX_H
#include <stdint.h>

typedef struct amx_config { /* palette 1, as the instruction reads it */
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_config;

#ifndef FIG_AMX_EMULATED
#include <immintrin.h>
/* The compiler's own form does not tell that all of config is read, hence the empty statement that does. */
#define amx_configure(config)                            \
    do {                                                 \
        __asm__ volatile("" : : "r"(config) : "memory"); \
        _tile_loadconfig(config);                        \
    } while (0)
#define amx_release() _tile_release()
#define amx_zero(tile) _tile_zero(tile)
#define amx_load(tile, p, stride) _tile_loadd(tile, p, stride)
#define amx_store(tile, p, stride) _tile_stored(tile, p, stride)
#define amx_dot(sum, a, b) _tile_dpbf16ps(sum, a, b) /* sum[i][j] += the products of the pairs a[i][k], b[k][j] */
#endif

#endif
