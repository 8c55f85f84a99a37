/* kernels/x86/gemm_impl.h: matrix products in fp32 for both widths of vec.h. */
#define UNIT_K 1
#include "kernels/x86/gemm_pack.h"
#include "kernels/x86/gemm_x86.h"
#include "kernels/x86/vec_kernel.h"
#ifdef VL

#define NR (2 * VL)            /* a block of sums is two vectors wide */
#define MR (VL == 16 ? 14 : 6) /* and so high that 32 or 16 registers hold it and its operands */

/* --- packing: a unit is a float ----------------------------------------------------------------------------*/

V_FN vi load_along(const figk_gemm_pack *p, size_t lane, size_t k, bool inside) {
    if (inside) return v_bits(v_get(p->src, p->type, lane * p->ld + k));
    if (lane >= p->lanes || k >= p->k) return v_iset1(0);
    return v_bits(v_get_n(p->src, p->type, lane * p->ld + k, FIG_MIN(p->k - k, VL)));
}

V_FN vi load_across(const figk_gemm_pack *p, size_t lane, size_t k, bool inside) {
    if (inside) return v_bits(v_get(p->src, p->type, k * p->ld + lane));
    if (lane >= p->lanes || k >= p->k) return v_iset1(0);
    return v_bits(v_get_n(p->src, p->type, k * p->ld + lane, FIG_MIN(p->lanes - lane, VL)));
}

static void pack_a(const figk_gemm_pack *p) { pack_lanes_major(*p, p->k_pad, p->dst_stride); }
static void pack_b(const figk_gemm_pack *p) { pack_units_major(*p, p->k_pad, NR); }

/* --- multiplying -------------------------------------------------------------------------------------------*/

/* `rows` and `vectors` are constants at every call, so the sums stay in registers. */
V_FN void multiply_rows(size_t rows, size_t vectors, const figk_gemm_panel *p, size_t row, const char *next,
                        size_t step) {
    const float *a = (const float *)p->a + row * p->a_stride, *b = p->b;
    float *acc = (float *)p->acc + row * p->acc_stride;
    vf sum[14][2], y[2];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++) sum[i][j] = p->more ? v_load(acc + i * p->acc_stride + j * VL) : v_zero();
    for (size_t k = 0; k < p->k; k++, b += NR, next += step) {
        _mm_prefetch(next, _MM_HINT_T1);
        for (size_t j = 0; j < vectors; j++) y[j] = v_load(b + j * VL);
        for (size_t i = 0; i < rows; i++) {
            vf x = v_set1(a[i * p->a_stride + k]);
            for (size_t j = 0; j < vectors; j++) sum[i][j] = v_fma(x, y[j], sum[i][j]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++) v_store(acc + i * p->acc_stride + j * VL, sum[i][j]);
}

#include "kernels/x86/gemm_rows.h"

#define WINDOW_ELEM float
#define WINDOW_LOAD(a) v_set1(*(a))
#define WINDOW_MULTIPLY(sum, x, y) v_fma(x, (vf)(y), sum)
#include "kernels/x86/gemm_window.h"

/* --- storing -----------------------------------------------------------------------------------------------*/

#if VL == 16
/* Rounded as by v_round_bf16, but left in the upper half. */
V_FN vi round_upper_half(vf a) {
    vi u = v_bits(a);
    vm odd = _mm512_test_epi32_mask(u, v_iset1(0x10000)), nan = v_ne(a, a);
    vi rounded = v_iadd(u, v_isel(odd, v_iset1(0x8000), v_iset1(0x7fff)));
    return _mm512_mask_or_epi32(rounded, nan, u, v_iset1(0x400000));
}

/* Both vectors of a whole row of a panel. */
V_FN void put_row(void *c, fig_dtype ct, vf y0, vf y1) {
    static const uint16_t upper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                       33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    if (ct == FIG_BF16) {
        v_istore(c, _mm512_permutex2var_epi16(round_upper_half(y0), v_iload(upper), round_upper_half(y1)));
        return;
    }
    v_put(c, ct, 0, y0);
    v_put(c, ct, VL, y1);
}
#else
V_FN void put_row(void *c, fig_dtype ct, vf y0, vf y1) {
    v_put(c, ct, 0, y0);
    v_put(c, ct, VL, y1);
}
#endif

/* Rows of whole panels without anything to add, as most are. By value, so that storing to C changes none of it. */
V_FN void store_plain(figk_gemm_store p, fig_dtype ct) {
    vf alpha = v_set1((float)p.alpha);
    for (size_t i = 0; i < p.rows; i++) {
        const float *acc = (const float *)p.acc + i * p.acc_stride;
        put_row((char *)p.c + i * p.ldc * (ct == FIG_BF16 ? 2 : 4), ct, v_mul(alpha, v_load(acc)),
                v_mul(alpha, v_load(acc + VL)));
    }
}

V_FN void store_any(figk_gemm_store p, fig_dtype ct) {
    vf alpha = v_set1((float)p.alpha), beta = v_set1((float)p.beta);
    for (size_t i = 0; i < p.rows; i++) {
        const float *acc = (const float *)p.acc + i * p.acc_stride;
        char *c = (char *)p.c + i * p.ldc * (ct == FIG_BF16 ? 2 : 4);
        LANES(p.cols, j, k, {
            vf y = v_mul(alpha, get(acc, FIG_F32, j, k));
            if (p.bias) y = v_add(y, get(p.bias, FIG_F32, j, k));
            if (p.beta != 0) y = v_fma(beta, get(c, ct, j, k), y);
            put(c, ct, j, k, y);
        });
    }
}

void ISA(gemm_store)(const figk_gemm_store *p) {
    if (p->cols == NR && !p->bias && p->beta == 0)
        PICK(p->ct, store_plain, *p);
    else
        PICK(p->ct, store_any, *p);
}

/* --- decoding ----------------------------------------------------------------------------------------------*/

#define DECODE_STEP VL
#define DECODE_TYPE FIG_F32
#define decode_vector vf
#define decode_x float
#define decode_get(p, type, i) v_get(p, type, i)
#define decode_get_n(p, type, i, n) v_get_n(p, type, i, n)
#define decode_multiply(sum, w, x) v_fma(w, x, sum)
#include "kernels/x86/gemm_decode.h"

#define CHAINS 4 /* vectors of columns at a time */

/* n columns, at most CHAINS vectors, against `rows` rows; weights stored [k,n]. One chain over k for each. */
V_FN void add_rows(size_t rows, const figk_gemm_decode *p, size_t row, size_t col, size_t n, fig_dtype wt) {
    const float *x = (const float *)p->x + row * p->x_stride;
    vf sum[DECODE_ROWS][CHAINS];
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < CHAINS; c++) sum[i][c] = v_zero();
    for (size_t k = 0; k < p->k; k++)
        for (size_t c = 0; c < CHAINS; c++) {
            size_t left = c * VL < n ? FIG_MIN(n - c * VL, VL) : 0, w = k * p->ldw + col + c * VL;
            vf weights = left == VL ? v_get(p->w, wt, w) : v_get_n(p->w, wt, w, left);
            for (size_t i = 0; i < rows; i++) sum[i][c] = v_fma(weights, v_set1(x[i * p->x_stride + k]), sum[i][c]);
        }
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c * VL < n; c++)
            v_store_n((float *)p->y + (row + i) * p->y_stride + col + c * VL, sum[i][c], FIG_MIN(n - c * VL, VL));
}

V_FN void decode_k_major(const figk_gemm_decode *p, fig_dtype wt) {
    for (size_t col = 0; col < p->n; col += CHAINS * VL) {
        size_t n = FIG_MIN(p->n - col, CHAINS * VL), row = 0;
        for (; row + DECODE_ROWS <= p->m; row += DECODE_ROWS) add_rows(DECODE_ROWS, p, row, col, n, wt);
        for (; row < p->m; row++) add_rows(1, p, row, col, n, wt);
    }
}

static void decode(const figk_gemm_decode *p) {
    if (p->k_major)
        PICK(p->wt, decode_k_major, p);
    else
        PICK(p->wt, decode_n_major, p);
}

/* --- the level ---------------------------------------------------------------------------------------------*/

static double peak(size_t n) {
    vf sum[MR * 2], factor = v_set1(0.5f);
    UNROLL_FOR(i, MR * 2) sum[i] = v_zero();
    for (size_t round = 0; round < n; round++) {
        UNROLL_FOR(i, MR * 2) {
            sum[i] = v_fma(sum[i], factor, factor);
            __asm__ volatile("" : "+v"(sum[i])); /* or the compiler foresees the sums */
        }
    }
    return 2.0 * VL * MR * 2 * (double)n;
}

static const figk_gemm_leaf leaf = {.real = FIG_F32,
                                    .elem = FIG_F32,
                                    .k_step = 1,
                                    .nr = NR,
                                    .m_step = VL == 16 ? 16 : 24,
                                    .mc = VL == 16 ? 224 : 192,
                                    .nc = 512,
                                    .kc = 256,
                                    .pack_a = pack_a,
                                    .pack_b = pack_b,
                                    .panel = panel,
                                    .store = ISA(gemm_store),
                                    .decode = decode,
                                    .window = window,
                                    .peak = peak};

const figk_gemm_leaf *ISA(gemm_leaf)(bool bf16) {
    (void)bf16;
    return &leaf;
}

void ISA_FILL(gemm)(figk_table *t) { t->gemm_leaf = ISA(gemm_leaf); }
#endif
