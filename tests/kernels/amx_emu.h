/* tests/kernels/amx_emu.h: the tile operations of kernels/x86/amx.h in software, strict where the processor would raise
 * a fault. To be included before the kernel. */
#ifndef FIG_AMX_EMU_H
#define FIG_AMX_EMU_H
#define FIG_AMX_EMULATED
#include "kernels/x86/amx.h"
#include "base/base.h"
#include <stdlib.h>

static struct {
    amx_config config;
    _Alignas(64) uint8_t data[8][16][64];
} amx_emu;

/* The rows of a tile; a tile that is not configured is a fault. */
static inline int amx_emu_rows(int tile) {
    if (amx_emu.config.palette != 1 || !amx_emu.config.rows[tile]) abort();
    return amx_emu.config.rows[tile];
}

static inline void amx_configure(const amx_config *config) {
    amx_emu.config = *config;
    memset(amx_emu.data, 0, sizeof amx_emu.data);
    for (int tile = 0; tile < 8; tile++)
        if (config->rows[tile] > 16 || config->row_bytes[tile] > 64) abort();
}

static inline void amx_release(void) { memset(&amx_emu, 0, sizeof amx_emu); }
static inline void amx_zero(int tile) { memset(amx_emu.data[tile], 0, 64 * (size_t)amx_emu_rows(tile)); }

static inline void amx_load(int tile, const void *p, size_t stride) {
    for (int i = 0; i < amx_emu_rows(tile); i++)
        memcpy(amx_emu.data[tile][i], (const char *)p + (size_t)i * stride, amx_emu.config.row_bytes[tile]);
}

static inline void amx_store(int tile, void *p, size_t stride) {
    for (int i = 0; i < amx_emu_rows(tile); i++)
        memcpy((char *)p + (size_t)i * stride, amx_emu.data[tile][i], amx_emu.config.row_bytes[tile]);
}

static inline void amx_dot(int sum, int a, int b) {
    const amx_config *c = &amx_emu.config;
    if (amx_emu_rows(sum) != amx_emu_rows(a) || amx_emu_rows(b) * 4 != c->row_bytes[a] ||
        c->row_bytes[sum] != c->row_bytes[b])
        abort();
    for (int i = 0; i < c->rows[a]; i++) {
        float *out = (float *)amx_emu.data[sum][i];
        const uint16_t *x = (const uint16_t *)amx_emu.data[a][i];
        for (int k = 0; k < c->row_bytes[a] / 2; k++) {
            const uint16_t *y = (const uint16_t *)amx_emu.data[b][k / 2] + k % 2;
            for (int j = 0; j < c->row_bytes[sum] / 4; j++)
                out[j] += fig__bf16_to_f32(x[k]) * fig__bf16_to_f32(y[2 * j]);
        }
    }
}

#endif
