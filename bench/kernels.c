/* bench/kernels.c: speed of the kernels at every level of this machine, one thread: GB/s of the arrays that a kernel
 * reads and writes, on data in L2 (what a tile sees) and, for the optimizer, in memory.
 *
 *     make bench
 *     build/bench/kernels [part of a name] */
#include "bench.h"
#include <math.h>

#define N ((size_t)1 << 16)       /* elements of a tile: 256 KiB of float */
#define N_LARGE ((size_t)1 << 23) /* 32 MiB */
#define ROWS 64
#define COLS (N / ROWS)

static float *x, *y, *z, *w;   /* [N_LARGE] float */
static uint16_t *xh, *yh, *zh; /* [N] bf16 */
static int32_t target[ROWS];
static float rows_a[ROWS], rows_b[ROWS];
static const figk_table *k;

static void run_ew(figk_ew op) {
    const double p[2] = {1.5, 2};
    for (size_t i = 0; i < N; i += FIGK_BLOCK) k->ew[op](FIGK_BLOCK, y + i, x + i, z + i, w + i, p);
}
static void run_norm(void (*norm)(const figk_norm_args *)) {
    figk_norm_args a = {.rows = ROWS,
                        .cols = COLS,
                        .eps = 1e-5,
                        .x = xh,
                        .xt = FIG_BF16,
                        .y = yh,
                        .yt = FIG_BF16,
                        .gain = z,
                        .bias = w,
                        .mean = rows_a,
                        .rstd = rows_b,
                        .dy = zh,
                        .dyt = FIG_BF16,
                        .dx = yh,
                        .dxt = FIG_BF16,
                        .dgain = y,
                        .dbias = y + COLS};
    norm(&a);
}
static void run_adamw(size_t n) {
    figk_adamw_args a = {.n = n,
                         .p = x,
                         .g = y,
                         .m = z,
                         .v = w,
                         .grad_scale = 1,
                         .lr = 1e-9f,
                         .beta1 = 0.9f,
                         .beta2 = 0.95f,
                         .eps = 1e-8f,
                         .weight_decay = 0.1f,
                         .bias1 = 0.5f,
                         .bias2 = 0.5f};
    k->adamw(&a);
}

/* name, bytes moved, call */
#define BENCHES(B)                                                                                         \
    B(load_bf16, 6 * N, k->load(N, y, xh, FIG_BF16, 1))                                                    \
    B(store_bf16, 6 * N, k->store(N, yh, FIG_BF16, 1, x))                                                  \
    B(transpose_16, 4 * N, k->transpose(256, 256, yh, 256, xh, 256, 2))                                    \
    B(transpose_32, 8 * N, k->transpose(256, 256, y, 256, x, 256, 4))                                      \
    B(ew_add, 12 * N, run_ew(FIGK_EW_add))                                                                 \
    B(ew_exp, 8 * N, run_ew(FIGK_EW_exp))                                                                  \
    B(ew_log, 8 * N, run_ew(FIGK_EW_log))                                                                  \
    B(ew_tanh, 8 * N, run_ew(FIGK_EW_tanh))                                                                \
    B(ew_sin, 8 * N, run_ew(FIGK_EW_sin))                                                                  \
    B(ew_pow_c, 8 * N, run_ew(FIGK_EW_pow_c))                                                              \
    B(ew_gelu, 8 * N, run_ew(FIGK_EW_gelu))                                                                \
    B(ew_gelu_bwd, 12 * N, run_ew(FIGK_EW_gelu_bwd))                                                       \
    B(ew_swiglu, 12 * N, run_ew(FIGK_EW_swiglu))                                                           \
    B(dropout_mask, 4 * N, k->dropout_mask(N, y, &(fig_rng_key){1, 2, 3}, 4, 0, 0.1))                      \
    B(sum_row, 4 * N, k->sum(N, 1, y, x, FIG_F32, 1, false))                                               \
    B(sum_columns, 4 * N, k->sum(ROWS, COLS, y, x, FIG_F32, COLS, false))                                  \
    B(sumsq, 4 * N, (void)(rows_a[0] = (float)k->sumsq(N, x, FIG_F32)))                                    \
    B(norm_fwd, 4 * N, run_norm(k->norm_fwd))                                                              \
    B(norm_bwd, 6 * N, run_norm(k->norm_bwd))                                                              \
    B(softmax_fwd, 4 * N, k->softmax_fwd(ROWS, COLS, yh, FIG_BF16, xh, FIG_BF16))                          \
    B(xent_fwd, 2 * N, k->xent_fwd(ROWS, COLS, COLS, xh, FIG_BF16, target, rows_a, rows_b))                \
    B(xent_bwd, 4 * N, k->xent_bwd(ROWS, COLS, COLS, xh, FIG_BF16, target, rows_b, rows_a, yh, FIG_BF16))  \
    B(rope, 4 * N, k->rope(ROWS, COLS / 64, 64, 32, false, 1, z, w, yh, COLS, 64, xh, COLS, 64, FIG_BF16)) \
    B(adamw, 28 * N, run_adamw(N))                                                                         \
    B(adamw_memory, 28 * N_LARGE, run_adamw(N_LARGE))

#define B(name, bytes, call) \
    static void bench_##name(void) { call; }
BENCHES(B)
#undef B

static const struct bench {
    const char *name;
    double bytes;
    void (*run)(void);
} benches[] = {
#define B(name, bytes, call) {#name, (double)(bytes), bench_##name},
    BENCHES(B)
#undef B
};

/* The best of a tenth of a second. */
static double gb_per_s(const struct bench *b, figk_level level) {
    k = figk_at(level);
    double best = INFINITY, start = fig__now();
    while (fig__now() - start < 0.1) {
        double t = fig__now();
        b->run();
        best = fmin(best, fig__now() - t);
    }
    return b->bytes / best * 1e-9;
}

int main(int argc, char **argv) {
    fig_context *ctx;
    if (fig_context_new(NULL, &ctx)) return 1;
    x = filled(ctx, N_LARGE, FIG_F32, 0, 4), y = filled(ctx, N_LARGE, FIG_F32, 0, 4);
    z = filled(ctx, N_LARGE, FIG_F32, 0, 4), w = filled(ctx, N_LARGE, FIG_F32, 0, 4);
    xh = filled(ctx, N, FIG_BF16, 0, 4), yh = filled(ctx, N, FIG_BF16, 0, 4), zh = filled(ctx, N, FIG_BF16, 0, 4);
    int last = FIG_MIN(FIGK_AVX512, figk_best_level()); /* those above have other matrix products only */
    printf("%-14s", "GB/s");
    for (int level = FIGK_SCALAR; level <= last; level++) printf("%10s", figk_level_name((figk_level)level));
    for (size_t i = 0; i < FIG_COUNT(benches); i++) {
        if (argc > 1 && !strstr(benches[i].name, argv[1])) continue;
        printf("\n%-14s", benches[i].name);
        for (int level = FIGK_SCALAR; level <= last; level++)
            printf("%10.1f", gb_per_s(&benches[i], (figk_level)level));
        fflush(stdout);
    }
    printf("\n");
    void *all[] = {x, y, z, w, xh, yh, zh};
    for (size_t i = 0; i < FIG_COUNT(all); i++) fig__free(ctx, all[i]);
    fig_context_free(ctx);
    return 0;
}
