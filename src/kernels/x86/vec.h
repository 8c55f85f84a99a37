/* kernels/x86/vec.h: one set of names for 8 float lanes (AVX2 + FMA) and 16 float lanes (AVX-512 F, BW, DQ, VL).
 *
 * A fast kernel is written once over these names and compiled for both, so that a bug is fixed once. The width follows
 * from the flags of the including file. Everything is inlined; there is no state.
 *
 *     vf float lanes    vi 32-bit integer lanes    vm one truth value per lane    VL lanes
 *
 * Rules the kernels rely on: a multiplication and an addition are fused only in v_fma and v_fnma (files are compiled
 * with -ffp-contract=off); v_sum and v_hmax reduce in one fixed order; loads of a tail touch only the n elements asked
 * for and give 0 in the other lanes; stores of a tail touch only n elements. v_min and v_max give their second operand
 * when either is NaN. v_exp, v_log and the like are in vec_math.h. */
#ifndef FIG_VEC_H
#define FIG_VEC_H
#include <fig/base.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define V_FN static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__)
#define VL 16
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

V_FN vf v_set1(float a) { return _mm512_set1_ps(a); }
V_FN vf v_zero(void) { return _mm512_setzero_ps(); }
V_FN vf v_load(const float *p) { return _mm512_loadu_ps(p); }
V_FN void v_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
V_FN vm v_first(size_t n) { return (vm)((1u << n) - 1); } /* true in lanes 0 .. n-1, n <= VL */
V_FN vf v_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
V_FN void v_store_n(float *p, vf a, size_t n) { _mm512_mask_storeu_ps(p, v_first(n), a); }

V_FN vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
V_FN vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
V_FN vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
V_FN vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
V_FN vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
V_FN vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }   /* a*b + c */
V_FN vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a*b */
V_FN vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
V_FN vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
V_FN vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

V_FN vm v_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
V_FN vm v_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
V_FN vm v_gt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
V_FN vm v_ge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
V_FN vm v_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
V_FN vm v_ne(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); } /* true for NaN */
V_FN vm v_and(vm a, vm b) { return (vm)(a & b); }
V_FN bool v_any(vm m) { return m != 0; }
V_FN vf v_sel(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); } /* m ? a : b */

V_FN vi v_bits(vf a) { return _mm512_castps_si512(a); }
V_FN vf v_floats(vi a) { return _mm512_castsi512_ps(a); }
V_FN vi v_iset1(int32_t a) { return _mm512_set1_epi32(a); }
V_FN vi v_iload(const void *p) { return _mm512_loadu_si512(p); }
V_FN void v_istore(void *p, vi a) { _mm512_storeu_si512(p, a); }
V_FN vi v_iadd(vi a, vi b) { return _mm512_add_epi32(a, b); }
V_FN vi v_isub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
V_FN vi v_iand(vi a, vi b) { return _mm512_and_si512(a, b); }
V_FN vi v_ior(vi a, vi b) { return _mm512_or_si512(a, b); }
V_FN vi v_ixor(vi a, vi b) { return _mm512_xor_si512(a, b); }
V_FN vm v_ieq(vi a, vi b) { return _mm512_cmpeq_epi32_mask(a, b); }
#define v_shl(a, n) _mm512_slli_epi32((a), (n))
#define v_shr(a, n) _mm512_srli_epi32((a), (n)) /* zeros come in */
#define v_sar(a, n) _mm512_srai_epi32((a), (n)) /* the sign comes in */
V_FN vi v_isel(vm m, vi a, vi b) { return _mm512_mask_blend_epi32(m, b, a); }
V_FN vf v_from_int(vi a) { return _mm512_cvtepi32_ps(a); }
V_FN vi v_to_int(vf a) { return _mm512_cvtps_epi32(a); } /* to nearest even */

V_FN vi v_load_u16(const uint16_t *p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)); }
V_FN vi v_load_u16_n(const uint16_t *p, size_t n) {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(v_first(n), p));
}
V_FN void v_store_u16(uint16_t *p, vi a) { _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(a)); }
V_FN void v_store_u16_n(uint16_t *p, vi a, size_t n) {
    _mm256_mask_storeu_epi16(p, v_first(n), _mm512_cvtepi32_epi16(a));
}
V_FN vi v_load_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)); }

V_FN vf v_swap_pairs(vf a) { return _mm512_permute_ps(a, 0xb1); } /* lanes 2i and 2i+1 change places */
V_FN vf v_load_twice(const float *p, size_t n) {                  /* p[0] p[0] p[1] p[1] ..., n <= VL / 2 floats */
    const __m512i lanes = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(lanes, _mm512_castps256_ps512(_mm256_maskz_loadu_ps((__mmask8)((1u << n) - 1), p)));
}
V_FN vi v_iota(void) { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

/* Halves added, then as for 8 lanes. */
V_FN __m256 v_low8(vf a) { return _mm512_castps512_ps256(a); }
V_FN __m256 v_high8(vf a) { return _mm512_extractf32x8_ps(a, 1); }
V_FN __m256 v_half_sum(vf a) { return _mm256_add_ps(v_low8(a), v_high8(a)); }
V_FN __m256 v_half_max(vf a) { return _mm256_max_ps(v_low8(a), v_high8(a)); }

#elif defined(__AVX2__) && defined(__FMA__)
#define VL 8
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm; /* all bits of a lane set: true */

V_FN vf v_set1(float a) { return _mm256_set1_ps(a); }
V_FN vf v_zero(void) { return _mm256_setzero_ps(); }
V_FN vf v_load(const float *p) { return _mm256_loadu_ps(p); }
V_FN void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
V_FN vm v_first(size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
}
V_FN vf v_load_n(const float *p, size_t n) { return _mm256_maskload_ps(p, _mm256_castps_si256(v_first(n))); }
V_FN void v_store_n(float *p, vf a, size_t n) { _mm256_maskstore_ps(p, _mm256_castps_si256(v_first(n)), a); }

V_FN vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
V_FN vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
V_FN vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
V_FN vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
V_FN vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
V_FN vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
V_FN vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
V_FN vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
V_FN vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
V_FN vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

V_FN vm v_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
V_FN vm v_le(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
V_FN vm v_gt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
V_FN vm v_ge(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
V_FN vm v_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
V_FN vm v_ne(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
V_FN vm v_and(vm a, vm b) { return _mm256_and_ps(a, b); }
V_FN bool v_any(vm m) { return _mm256_movemask_ps(m) != 0; }
V_FN vf v_sel(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }

V_FN vi v_bits(vf a) { return _mm256_castps_si256(a); }
V_FN vf v_floats(vi a) { return _mm256_castsi256_ps(a); }
V_FN vi v_iset1(int32_t a) { return _mm256_set1_epi32(a); }
V_FN vi v_iload(const void *p) { return _mm256_loadu_si256(p); }
V_FN void v_istore(void *p, vi a) { _mm256_storeu_si256(p, a); }
V_FN vi v_iadd(vi a, vi b) { return _mm256_add_epi32(a, b); }
V_FN vi v_isub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
V_FN vi v_iand(vi a, vi b) { return _mm256_and_si256(a, b); }
V_FN vi v_ior(vi a, vi b) { return _mm256_or_si256(a, b); }
V_FN vi v_ixor(vi a, vi b) { return _mm256_xor_si256(a, b); }
V_FN vm v_ieq(vi a, vi b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
#define v_shl(a, n) _mm256_slli_epi32((a), (n))
#define v_shr(a, n) _mm256_srli_epi32((a), (n))
#define v_sar(a, n) _mm256_srai_epi32((a), (n))
V_FN vi v_isel(vm m, vi a, vi b) { return v_bits(v_sel(m, v_floats(a), v_floats(b))); }
V_FN vf v_from_int(vi a) { return _mm256_cvtepi32_ps(a); }
V_FN vi v_to_int(vf a) { return _mm256_cvtps_epi32(a); }

V_FN vi v_load_u16(const uint16_t *p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)); }
V_FN void v_store_u16(uint16_t *p, vi a) { /* of values below 2^16 */
    __m128i low = _mm256_castsi256_si128(a), high = _mm256_extracti128_si256(a, 1);
    _mm_storeu_si128((void *)p, _mm_packus_epi32(low, high));
}
/* AVX2 has no masked 16-bit access: a tail goes through the stack. */
V_FN vi v_load_u16_n(const uint16_t *p, size_t n) {
    uint16_t tail[VL] = {0};
    for (size_t i = 0; i < n; i++) tail[i] = p[i];
    return v_load_u16(tail);
}
V_FN void v_store_u16_n(uint16_t *p, vi a, size_t n) {
    uint16_t tail[VL];
    v_store_u16(tail, a);
    for (size_t i = 0; i < n; i++) p[i] = tail[i];
}
V_FN vi v_load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)); }

V_FN vf v_swap_pairs(vf a) { return _mm256_permute_ps(a, 0xb1); }
V_FN vf v_load_twice(const float *p, size_t n) {
    const __m256i lanes = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    __m128i inside = _mm_cmpgt_epi32(_mm_set1_epi32((int)n), _mm_setr_epi32(0, 1, 2, 3));
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_maskload_ps(p, inside)), lanes);
}
V_FN vi v_iota(void) { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }

V_FN __m256 v_half_sum(vf a) { return a; }
V_FN __m256 v_half_max(vf a) { return a; }
#endif

#ifdef VL
V_FN vf v_abs(vf a) { return v_floats(v_iand(v_bits(a), v_iset1(0x7fffffff))); }
V_FN vf v_neg(vf a) { return v_floats(v_ixor(v_bits(a), v_iset1(INT32_MIN))); }
V_FN vf v_copysign(vf size, vf sign) {
    return v_floats(v_ior(v_iand(v_bits(size), v_iset1(0x7fffffff)), v_iand(v_bits(sign), v_iset1(INT32_MIN))));
}
V_FN vf v_zero_unless(vm m, vf a) { return v_sel(m, a, v_zero()); }

/* Lane i is added to lane i + half, halving until one is left. */
V_FN float v_sum(vf a) {
    __m256 h = v_half_sum(a);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
/* Lane i: v_sum(v[i]), of VL vectors. Neighbours in `u` are folded into one vector, again and again; where the last
 * fold puts a sum decides where it has to start. */
V_FN vf v_sums(const vf v[VL]) {
    vf u[VL];
    for (size_t i = 0; i < VL; i++) u[i] = v[i % (VL / 4) * 4 + i / (VL / 4)];
#if VL == 16
    for (size_t i = 0; i < 8; i++)
        u[i] = _mm512_add_ps(_mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0x44),
                             _mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0xee));
    for (size_t i = 0; i < 4; i++)
        u[i] = _mm512_add_ps(_mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0x88),
                             _mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0xdd));
    for (size_t i = 0; i < 2; i++)
        u[i] = _mm512_add_ps(_mm512_shuffle_ps(u[2 * i], u[2 * i + 1], 0x44),
                             _mm512_shuffle_ps(u[2 * i], u[2 * i + 1], 0xee));
    return _mm512_add_ps(_mm512_shuffle_ps(u[0], u[1], 0x88), _mm512_shuffle_ps(u[0], u[1], 0xdd));
#else
    for (size_t i = 0; i < 4; i++)
        u[i] = _mm256_add_ps(_mm256_permute2f128_ps(u[2 * i], u[2 * i + 1], 0x20),
                             _mm256_permute2f128_ps(u[2 * i], u[2 * i + 1], 0x31));
    for (size_t i = 0; i < 2; i++)
        u[i] = _mm256_add_ps(_mm256_shuffle_ps(u[2 * i], u[2 * i + 1], 0x44),
                             _mm256_shuffle_ps(u[2 * i], u[2 * i + 1], 0xee));
    return _mm256_add_ps(_mm256_shuffle_ps(u[0], u[1], 0x88), _mm256_shuffle_ps(u[0], u[1], 0xdd));
#endif
}
V_FN float v_hmax(vf a) {
    __m256 h = v_half_max(a);
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* bf16 is the upper half of a float. Rounds to nearest even; a NaN keeps its upper bits and is made quiet, as
 * fig__f32_to_bf16 does. (The instruction of AVX512-BF16 flushes denormals to zero and is not used here.) */
V_FN vf v_widen_bf16(vi h) { return v_floats(v_shl(h, 16)); }
V_FN vi v_round_bf16(vf a) {
    vi u = v_bits(a), top = v_shr(u, 16);
    vi rounded = v_shr(v_iadd(v_iadd(u, v_iset1(0x7fff)), v_iand(top, v_iset1(1))), 16);
    return v_isel(v_ne(a, a), v_ior(top, v_iset1(0x40)), rounded);
}
V_FN vf v_load_bf16(const uint16_t *p) { return v_widen_bf16(v_load_u16(p)); }
V_FN vf v_load_bf16_n(const uint16_t *p, size_t n) { return v_widen_bf16(v_load_u16_n(p, n)); }
V_FN void v_store_bf16(uint16_t *p, vf a) { v_store_u16(p, v_round_bf16(a)); }
V_FN void v_store_bf16_n(uint16_t *p, vf a, size_t n) { v_store_u16_n(p, v_round_bf16(a), n); }

/* Element i onwards of an array of F32 or BF16. With a constant type the choice costs nothing. */
V_FN vf v_get(const void *x, fig_dtype type, size_t i) {
    return type == FIG_BF16 ? v_load_bf16((const uint16_t *)x + i) : v_load((const float *)x + i);
}
V_FN vf v_get_n(const void *x, fig_dtype type, size_t i, size_t n) {
    return type == FIG_BF16 ? v_load_bf16_n((const uint16_t *)x + i, n) : v_load_n((const float *)x + i, n);
}
V_FN void v_put(void *y, fig_dtype type, size_t i, vf a) {
    if (type == FIG_BF16)
        v_store_bf16((uint16_t *)y + i, a);
    else
        v_store((float *)y + i, a);
}
V_FN void v_put_n(void *y, fig_dtype type, size_t i, vf a, size_t n) {
    if (type == FIG_BF16)
        v_store_bf16_n((uint16_t *)y + i, a, n);
    else
        v_store_n((float *)y + i, a, n);
}
#endif

#endif
