/* kernels/ref/gemm_tmpl.c: matrix products without vector instructions; the layouts are those of kernels/gemm.h. */
#include "kernels/gemm.h"
#include "kernels/ref/real.h"

#define NR 8

static real element(const figk_gemm_pack *p, size_t lane, size_t k) {
    if (lane >= p->lanes || k >= p->k) return 0;
    return ref_get(p->src, p->type, p->k_major ? k * p->ld + lane : lane * p->ld + k);
}

static void pack_a(const figk_gemm_pack *p) {
    real *dst = p->dst;
    for (size_t lane = 0; lane < p->lanes; lane++)
        for (size_t k = 0; k < p->k_pad; k++) dst[lane * p->dst_stride + k] = element(p, lane, k);
}

static void pack_b(const figk_gemm_pack *p) {
    real *dst = p->dst;
    for (size_t k = 0; k < p->k_pad; k++)
        for (size_t lane = 0; lane < NR; lane++) *dst++ = element(p, lane, k);
}

static void panel(const figk_gemm_panel *p) {
    for (size_t i = 0; i < p->rows; i++) {
        const real *a = (const real *)p->a + i * p->a_stride, *b = p->b;
        real *acc = (real *)p->acc + i * p->acc_stride, sum[NR] = {0};
        if (p->more) memcpy(sum, acc, sizeof sum);
        for (size_t k = 0; k < p->k; k++, b += NR)
            for (size_t j = 0; j < NR; j++) sum[j] += a[k] * b[j];
        memcpy(acc, sum, sizeof sum);
    }
}

static void store(const figk_gemm_store *p) {
    const real *bias = p->bias;
    for (size_t i = 0; i < p->rows; i++) {
        const real *acc = (const real *)p->acc + i * p->acc_stride;
        for (size_t j = 0; j < p->cols; j++) {
            real y = R(p->alpha) * acc[j] + (bias ? bias[j] : 0);
            if (p->beta != 0) y += R(p->beta) * ref_get(p->c, p->ct, i * p->ldc + j);
            ref_set(p->c, p->ct, i * p->ldc + j, y);
        }
    }
}

static void decode(const figk_gemm_decode *p) {
    for (size_t i = 0; i < p->m; i++) {
        const real *x = (const real *)p->x + i * p->x_stride;
        for (size_t j = 0; j < p->n; j++) {
            real sum = 0;
            for (size_t k = 0; k < p->k; k++)
                sum += x[k] * ref_get(p->w, p->wt, p->k_major ? k * p->ldw + j : j * p->ldw + k);
            ((real *)p->y)[i * p->y_stride + j] = sum;
        }
    }
}

static double peak(size_t n) {
    real sum[NR] = {0}, factor = R(0.5);
    for (size_t i = 0; i < n; i++) {
        __asm__ volatile("" : "+m"(factor)); /* or the compiler foresees the sums */
        for (size_t j = 0; j < NR; j++) sum[j] = sum[j] * factor + factor;
    }
    __asm__ volatile("" : : "m"(sum));
    return 2.0 * NR * (double)n;
}

static const figk_gemm_leaf leaf = {.real = FIGK_REAL,
                                    .elem = FIGK_REAL,
                                    .k_step = 1,
                                    .nr = NR,
                                    .m_step = 1,
                                    .mc = 64,
                                    .nc = 256,
                                    .kc = 256,
                                    .pack_a = pack_a,
                                    .pack_b = pack_b,
                                    .panel = panel,
                                    .store = store,
                                    .decode = decode,
                                    .peak = peak};

const figk_gemm_leaf *REF(gemm_leaf)(bool bf16) {
    (void)bf16;
    return &leaf;
}

void REF(fill_gemm)(figk_table *t) { t->gemm_leaf = REF(gemm_leaf); }
