/* kernels/x86/gemm_amx.c: products of bf16 on the tiles of AMX. */
#include "kernels/fill.h"
#include "kernels/x86/gemm_amx_impl.h"
#include "kernels/x86/gemm_x86.h"

/* A configured tile holds zeros, which are multiplied at the same speed as anything. */
static double peak(size_t n) {
    configure(16, 16);
    for (size_t round = 0; round < n; round++) {
        amx_dot(SUM00, A0, B0);
        amx_dot(SUM01, A0, B1);
        amx_dot(SUM10, A1, B0);
        amx_dot(SUM11, A1, B1);
    }
    amx_release();
    return 2.0 * 4 * 16 * 16 * K_TILE * (double)n;
}

static const figk_gemm_leaf leaf = {.real = FIG_F32,
                                    .elem = FIG_BF16,
                                    .k_step = K_TILE,
                                    .nr = NR,
                                    .m_step = 32,
                                    .mc = 256,
                                    .nc = 768,
                                    .kc = 256,
                                    .pack_a = figk_gemm_pack_a_bf16__avx512bf16,
                                    .pack_b = figk_gemm_pack_b_bf16__avx512bf16,
                                    .panel = panel,
                                    .store = figk_gemm_store_f32__avx512,
                                    .narrow = &figk_gemm_leaf_bf16__avx512bf16,
                                    .peak = peak};

static const figk_gemm_leaf *gemm_leaf(bool bf16) { return bf16 ? &leaf : figk_gemm_leaf_f32__avx512(false); }

void figk_fill_gemm__amx(figk_table *t) { t->gemm_leaf = gemm_leaf; }
