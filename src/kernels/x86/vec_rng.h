/* kernels/x86/vec_rng.h: VL blocks of Philox4x32-10 at once, the numbers of fig__rng_block word for word. */
#ifndef FIG_VEC_RNG_H
#define FIG_VEC_RNG_H
#include "base/map.h"
#include "base/rng.h"
#include "vec.h"

#ifdef VL
#define V_LANES128 (VL / 4) /* 128-bit lanes of a vector: four words, one block each */

/* Upper and lower halves of the 64-bit products of each lane with m. */
V_FN vi v_mul_wide(vi a, uint32_t m, vi *low) {
#if VL == 16
    vi factor = _mm512_set1_epi32((int)m);
    vi even = _mm512_mul_epu32(a, factor), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), factor);
    *low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
#else
    vi factor = _mm256_set1_epi32((int)m);
    vi even = _mm256_mul_epu32(a, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), factor);
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#endif
}

V_FN void v_philox(vi c[4], const uint32_t key[2]) {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        vi low0, low1, high0 = v_mul_wide(c[0], 0xD2511F53u, &low0), high1 = v_mul_wide(c[2], 0xCD9E8D57u, &low1);
        c[0] = v_ixor(v_ixor(high1, c[1]), v_iset1((int32_t)k0));
        c[2] = v_ixor(v_ixor(high0, c[3]), v_iset1((int32_t)k1));
        c[1] = low1;
        c[3] = low0;
    }
}

/* 4 x 4 transposition inside each 128-bit lane. */
V_FN void v_transpose4(vi w[4]) {
#if VL == 16
#define V_UNPACK(half, bits, a, b) _mm512_unpack##half##_epi##bits((a), (b))
#else
#define V_UNPACK(half, bits, a, b) _mm256_unpack##half##_epi##bits((a), (b))
#endif
    vi a = V_UNPACK(lo, 32, w[0], w[1]), b = V_UNPACK(hi, 32, w[0], w[1]);
    vi c = V_UNPACK(lo, 32, w[2], w[3]), d = V_UNPACK(hi, 32, w[2], w[3]);
    w[0] = V_UNPACK(lo, 64, a, c);
    w[1] = V_UNPACK(hi, 64, a, c);
    w[2] = V_UNPACK(lo, 64, b, d);
    w[3] = V_UNPACK(hi, 64, b, d);
#undef V_UNPACK
}

/* The random words of one sample: where they come from, without the block number. */
typedef struct v_random {
    uint32_t key[2], step;
    uint64_t sample;
} v_random;

/* As documented in rng.h. */
V_FN v_random v_random_of(const fig_rng_key *key, uint64_t sample) {
    uint64_t words[2] = {key->seed, key->stream}, hash = fig__hash64(words, sizeof words);
    return (v_random){.key = {(uint32_t)hash, (uint32_t)(hash >> 32)}, .step = (uint32_t)key->step, .sample = sample};
}

/* Words of elements 4*block .. 4*block + 4*VL-1, in order, VL in each w[i]. The blocks must agree in their upper 32
 * bits. Lane 4L + k computes block L + V_LANES128 * k, which makes the transposed words come out in order. */
V_FN void v_random_words(const v_random *r, uint64_t block, vi w[4]) {
    uint32_t high = (uint32_t)(block >> 32 & 0xffff) | (uint32_t)(r->sample >> 32 & 0xffff) << 16;
    vi lane = v_iota(), k = v_iand(lane, v_iset1(3));
    vi offset = v_iadd(v_shr(lane, 2), v_shl(k, VL == 16 ? 2 : 1));
    w[0] = v_iadd(v_iset1((int32_t)(uint32_t)block), offset);
    w[1] = v_iset1((int32_t)(uint32_t)r->sample);
    w[2] = v_iset1((int32_t)r->step);
    w[3] = v_iset1((int32_t)high);
    v_philox(w, r->key);
    v_transpose4(w);
}

/* Lanes where the unsigned word is below limit, 1 <= limit <= 2^32. */
V_FN vm v_below(vi words, uint64_t limit) {
    uint32_t last = (uint32_t)(limit - 1);
#if VL == 16
    return _mm512_cmple_epu32_mask(words, _mm512_set1_epi32((int32_t)last));
#else
    vi bound = _mm256_set1_epi32((int32_t)last);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(words, bound), bound));
#endif
}
#endif

#endif
