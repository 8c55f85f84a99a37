/* kernels/x86/gemm_pack.h: packing for matrix products (layouts: kernels/gemm.h), for both widths of vec.h.
 *
 * Everything is done in units of 32 bits: a float, or a pair of bf16 that lie one after the other in k. So a transpose
 * of units is all that is needed, for A as for B. The including file defines UNIT_K, 1 or 2, and before it uses
 * anything
 *
 *     vi load_along(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside)   VL units of one lane; source
 * [lane][k] vi load_across(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside)  one unit of VL lanes;
 * source [k][lane]
 *
 * which give zeros for what lies outside the matrix; when `inside` nothing does. */
#ifndef FIG_GEMM_PACK_H
#define FIG_GEMM_PACK_H
#include "kernels/gemm.h"
#include "kernels/x86/vec.h"
#ifdef VL

/* Arrays of registers stay registers only where loops over them disappear. */
#ifdef __clang__
#define UNROLL_FOR(i, n) _Pragma("unroll") for (size_t i = 0; i < (n); i++)
#else
#define UNROLL_FOR(i, n) _Pragma("GCC unroll 32") for (size_t i = 0; i < (n); i++)
#endif

V_FN vi load_along(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside);
V_FN vi load_across(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside);

V_FN void istore_n(void *p, vi a, size_t n) { /* n may be more than VL */
    if (n >= VL)
        v_istore(p, a);
    else
        v_store_n(p, v_floats(a), n);
}

/* A square of VL by VL units; r[i] lane j becomes r[j] lane i. */
#if VL == 16
V_FN void transpose_units(vi r[VL]) {
    vi t[VL];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* r[i + q]: columns q, q+4, q+8, q+12 of rows i .. i+3 */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int q = 0; q < 4; q++) {
        vi even0 = _mm512_shuffle_i32x4(r[q], r[4 + q], 0x88), odd0 = _mm512_shuffle_i32x4(r[q], r[4 + q], 0xdd);
        vi even1 = _mm512_shuffle_i32x4(r[8 + q], r[12 + q], 0x88),
           odd1 = _mm512_shuffle_i32x4(r[8 + q], r[12 + q], 0xdd);
        t[q] = _mm512_shuffle_i32x4(even0, even1, 0x88);
        t[q + 4] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
        t[q + 8] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
        t[q + 12] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
    for (int i = 0; i < 16; i++) r[i] = t[i];
}
#else
V_FN void transpose_units(vi r[VL]) {
    vi t[VL];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int q = 0; q < 4; q++) {
        t[q] = _mm256_permute2x128_si256(r[q], r[4 + q], 0x20);
        t[q + 4] = _mm256_permute2x128_si256(r[q], r[4 + q], 0x31);
    }
    for (int i = 0; i < 8; i++) r[i] = t[i];
}
#endif

/* VL by VL units from (lane, unit) on, transposed against how they are stored; `inside` as in the loads. */
V_FN void load_square(const figk_gemm_pack *p, size_t lane, size_t unit, bool inside, vi r[VL]) {
    if (inside) {
        UNROLL_FOR(i, VL)
        r[i] = p->k_major ? load_across(p, lane, unit + i, true) : load_along(p, lane + i, unit, true);
    } else {
        vi edge[VL];
        for (size_t i = 0; i < VL; i++)
            edge[i] = p->k_major ? load_across(p, lane, unit + i, false) : load_along(p, lane + i, unit, false);
        UNROLL_FOR(i, VL) r[i] = edge[i];
    }
    transpose_units(r);
}

V_FN bool is_inside(const figk_gemm_pack *p, size_t lane, size_t unit) {
    return lane + VL <= p->lanes && (unit + VL) * UNIT_K <= p->k;
}

/* --- dst[unit][lanes] --------------------------------------------------------------------------------------*/

V_FN void units_from_square(const figk_gemm_pack *p, size_t lane, size_t unit, size_t n_units, size_t lanes,
                            bool inside) {
    int32_t *dst = (int32_t *)p->dst + unit * lanes + lane;
    vi r[VL];
    load_square(p, lane, unit, inside, r);
    UNROLL_FOR(i, VL)
    if (inside || unit + i < n_units) v_istore(dst + i * lanes, r[i]);
}

/* load_across gives it as it is, load_along the transpose. */
V_FN void pack_units_major(figk_gemm_pack p, size_t n_units, size_t lanes) {
    for (size_t lane = 0; lane < lanes; lane += VL) {
        int32_t *dst = (int32_t *)p.dst + lane;
        size_t unit = 0;
        if (p.k_major) {
            if (lane + VL <= p.lanes)
                for (; (unit + 1) * UNIT_K <= p.k; unit++)
                    v_istore(dst + unit * lanes, load_across(&p, lane, unit, true));
            for (; unit < n_units; unit++) v_istore(dst + unit * lanes, load_across(&p, lane, unit, false));
            continue;
        }
        for (; is_inside(&p, lane, unit); unit += VL) units_from_square(&p, lane, unit, n_units, lanes, true);
        for (; unit < n_units; unit += VL) units_from_square(&p, lane, unit, n_units, lanes, false);
    }
}

/* --- dst[lane][unit] ---------------------------------------------------------------------------------------*/

V_FN void lanes_from_square(const figk_gemm_pack *p, size_t lane, size_t unit, size_t n_units, size_t stride,
                            bool inside) {
    int32_t *dst = (int32_t *)p->dst + lane * stride + unit;
    vi r[VL];
    load_square(p, lane, unit, inside, r);
    UNROLL_FOR(i, VL) {
        if (inside)
            v_istore(dst + i * stride, r[i]);
        else if (lane + i < p->lanes)
            istore_n(dst + i * stride, r[i], n_units - unit);
    }
}

/* load_along gives it as it is, load_across the transpose. */
V_FN void pack_lanes_major(figk_gemm_pack p, size_t n_units, size_t stride) {
    if (!p.k_major) {
        for (size_t lane = 0; lane < p.lanes; lane++) {
            int32_t *dst = (int32_t *)p.dst + lane * stride;
            size_t unit = 0;
            for (; (unit + VL) * UNIT_K <= p.k; unit += VL) v_istore(dst + unit, load_along(&p, lane, unit, true));
            for (; unit < n_units; unit += VL) istore_n(dst + unit, load_along(&p, lane, unit, false), n_units - unit);
        }
        return;
    }
    for (size_t unit = 0; unit < n_units; unit += VL) {
        size_t lane = 0;
        for (; is_inside(&p, lane, unit); lane += VL) lanes_from_square(&p, lane, unit, n_units, stride, true);
        for (; lane < p.lanes; lane += VL) lanes_from_square(&p, lane, unit, n_units, stride, false);
    }
}
#endif

#endif
