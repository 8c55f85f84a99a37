/* kernels/x86/gemm_avx512bf16.c: products of pairs of bf16, sums in fp32. The instruction rounds each sum to nearest
 * and takes denormals for zeros. */
#include "kernels/fill.h"
#define UNIT_K 2
#include "kernels/x86/gemm_pack.h"
#include "kernels/x86/gemm_x86.h"

#define NR 32
#define MR 14

/* --- packing: a unit is a pair -----------------------------------------------------------------------------*/

/* 16 numbers of each of two rows, or zeros for the second: pairs of one from each. */
V_FN vi pairs_across(__m256i first, __m256i second) {
    return v_ior(_mm512_cvtepu16_epi32(first), v_shl(_mm512_cvtepu16_epi32(second), 16));
}

V_FN vi load_along(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside) {
    const uint16_t *src = (const uint16_t *)p->src + lane * p->ld + 2 * unit;
    if (inside) return _mm512_loadu_si512(src);
    if (lane >= p->lanes || 2 * unit >= p->k) return v_iset1(0);
    size_t n = FIG_MIN(p->k - 2 * unit, 32);
    return _mm512_maskz_loadu_epi16((__mmask32)(((uint64_t)1 << n) - 1), src);
}

V_FN vi load_across(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside) {
    const uint16_t *src = (const uint16_t *)p->src + 2 * unit * p->ld + lane;
    if (inside)
        return pairs_across(_mm256_loadu_si256((const void *)src), _mm256_loadu_si256((const void *)(src + p->ld)));
    if (lane >= p->lanes || 2 * unit >= p->k) return v_iset1(0);
    __mmask16 first = v_first(FIG_MIN(p->lanes - lane, 16)), second = 2 * unit + 1 < p->k ? first : 0;
    return pairs_across(_mm256_maskz_loadu_epi16(first, src), _mm256_maskz_loadu_epi16(second, src + p->ld));
}

void figk_gemm_pack_a_bf16__avx512bf16(const figk_gemm_pack *p) {
    pack_lanes_major(*p, p->k_pad / 2, p->dst_stride / 2);
}
void figk_gemm_pack_b_bf16__avx512bf16(const figk_gemm_pack *p) { pack_units_major(*p, p->k_pad / 2, NR); }

/* --- multiplying -------------------------------------------------------------------------------------------*/

V_FN __m512 multiply_pairs(__m512 sum, __m512i a, __m512i b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

V_FN int32_t pair_at(const uint16_t *p) {
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return pair;
}

V_FN void multiply_rows(size_t rows, size_t vectors, const figk_gemm_panel *p, size_t row, const char *next,
                        size_t step) {
    const uint16_t *a = (const uint16_t *)p->a + row * p->a_stride, *b = p->b;
    float *acc = (float *)p->acc + row * p->acc_stride;
    vf sum[MR][2];
    vi y[2];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++) sum[i][j] = p->more ? v_load(acc + i * p->acc_stride + j * VL) : v_zero();
    for (size_t k = 0; k < p->k; k += 2, b += 2 * NR, next += step) {
        _mm_prefetch(next, _MM_HINT_T1);
        for (size_t j = 0; j < vectors; j++) y[j] = v_iload(b + j * 2 * VL);
        for (size_t i = 0; i < rows; i++) {
            vi x = v_iset1(pair_at(a + i * p->a_stride + k));
            for (size_t j = 0; j < vectors; j++) sum[i][j] = multiply_pairs(sum[i][j], x, y[j]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++) v_store(acc + i * p->acc_stride + j * VL, sum[i][j]);
}

#include "kernels/x86/gemm_rows.h"

#define WINDOW_ELEM uint16_t
#define WINDOW_LOAD(a) v_iset1(pair_at(a))
#define WINDOW_MULTIPLY multiply_pairs
#include "kernels/x86/gemm_window.h"

/* --- decoding: x as it is stored ----------------------------------------------------------------------------*/

V_FN vi pairs_get(const void *p, size_t i) { return _mm512_loadu_si512((const uint16_t *)p + i); }
V_FN vi pairs_get_n(const void *p, size_t i, size_t n) {
    return _mm512_maskz_loadu_epi16((__mmask32)(((uint64_t)1 << n) - 1), (const uint16_t *)p + i);
}

#define DECODE_STEP (2 * VL)
#define DECODE_TYPE FIG_BF16
#define decode_vector vi
#define decode_x uint16_t
#define decode_get(p, type, i) pairs_get(p, i)
#define decode_get_n(p, type, i, n) pairs_get_n(p, i, n)
#define decode_multiply(sum, w, x) multiply_pairs(sum, w, x)
#include "kernels/x86/gemm_decode.h"

static void decode(const figk_gemm_decode *p) { decode_n_major(p, FIG_BF16); }

/* --- the level ---------------------------------------------------------------------------------------------*/

static double peak(size_t n) {
    vf sum[MR * 2];
    vi x = v_iset1(0x3f003f00); /* pairs of 0.5 */
    UNROLL_FOR(i, MR * 2) sum[i] = v_zero();
    for (size_t round = 0; round < n; round++) {
        UNROLL_FOR(i, MR * 2) {
            sum[i] = multiply_pairs(sum[i], x, x);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    }
    return 4.0 * VL * MR * 2 * (double)n;
}

const figk_gemm_leaf figk_gemm_leaf_bf16__avx512bf16 = {.real = FIG_F32,
                                                        .elem = FIG_BF16,
                                                        .k_step = 2,
                                                        .nr = NR,
                                                        .m_step = 16,
                                                        .mc = 224,
                                                        .nc = 512,
                                                        .kc = 512,
                                                        .pack_a = figk_gemm_pack_a_bf16__avx512bf16,
                                                        .pack_b = figk_gemm_pack_b_bf16__avx512bf16,
                                                        .panel = panel,
                                                        .store = figk_gemm_store_f32__avx512,
                                                        .decode = decode,
                                                        .window = window,
                                                        .peak = peak};

static const figk_gemm_leaf *gemm_leaf(bool bf16) {
    return bf16 ? &figk_gemm_leaf_bf16__avx512bf16 : figk_gemm_leaf_f32__avx512(false);
}

void figk_fill_gemm__avx512bf16(figk_table *t) { t->gemm_leaf = gemm_leaf; }
