/* bench/attention.c: attention forward and backward as shares of the ceiling of registers, and decoding as a share of
 * memory. The best time of several runs counts. Operations are those of the pairs a causal mask leaves: 4 D per pair
 * forward, 10 D backward.
 *
 *     make bench
 *     build/bench/attention [threads] [seconds per line]        FIG_CPU= as everywhere */
#include "bench.h"

typedef struct shape {
    size_t batch, n_head, time, head_dim;
    double dropout;
} shape;

static const shape shapes[] = {
    {16, 6, 256, 64, 0}, {16, 6, 256, 64, 0.2}, {4, 12, 1024, 64, 0}, {12, 4, 64, 32, 0}, {2, 8, 1024, 128, 0},
};

typedef void direction(fig_context *fig, const figk_attn *a);

static double best_time(fig_context *fig, const figk_attn *a, direction *run, double seconds) {
    double best = 1e30, end = fig__now() + seconds;
    do {
        double start = fig__now();
        run(fig, a);
        best = FIG_MIN(best, fig__now() - start);
    } while (fig__now() < end);
    return best;
}

/* [B, T, 3, H, D] for q, k, v as the projection leaves them. */
static void set_strides(figk_attn *a) {
    size_t model = a->n_head * a->head_dim;
    size_t *fused[] = {a->q_stride, a->k_stride, a->v_stride, a->dq_stride, a->dk_stride, a->dv_stride};
    for (size_t i = 0; i < FIG_COUNT(fused); i++) {
        fused[i][0] = a->q_max * 3 * model, fused[i][1] = 3 * model, fused[i][2] = a->head_dim;
    }
    a->o_stride[0] = a->do_stride[0] = a->q_max * model;
    a->o_stride[1] = a->do_stride[1] = model;
    a->o_stride[2] = a->do_stride[2] = a->head_dim;
}

static void bench_shape(fig_context *fig, const shape *s, fig_dtype type, double peak, double seconds) {
    size_t model = s->n_head * s->head_dim, n = s->batch * s->time * model, size = fig_dtype_size(type);
    char *qkv = filled(fig, 3 * n, type, -1, 1), *d_qkv = filled(fig, 3 * n, type, -1, 1);
    figk_attn a = {.n_batch = s->batch,
                   .n_head = s->n_head,
                   .n_kv_head = s->n_head,
                   .head_dim = s->head_dim,
                   .q_max = s->time,
                   .kv_max = s->time,
                   .type = type,
                   .scale = 0.125,
                   .causal = true,
                   .dropout = s->dropout,
                   .q = qkv,
                   .k = qkv + model * size,
                   .v = qkv + 2 * model * size,
                   .dq = d_qkv,
                   .dk = d_qkv + model * size,
                   .dv = d_qkv + 2 * model * size};
    a.o = filled(fig, n, type, -1, 1), a.d_o = filled(fig, n, type, -1, 1);
    a.lse = fig__alloc(fig, s->batch * s->n_head * s->time * sizeof(float));
    set_strides(&a);
    fig__scratch_reserve(fig, FIG_MAX(figk_attention_scratch(fig, &a, false), figk_attention_scratch(fig, &a, true)));
    double forward = best_time(fig, &a, figk_attention_forward, seconds);
    double backward = best_time(fig, &a, figk_attention_backward, seconds);
    double pairs = (double)(s->batch * s->n_head) * (double)s->time * (double)(s->time + 1) / 2 * (double)s->head_dim;
    printf("%-8s B %2zu H %2zu T %4zu D %3zu drop %.1f   forward %8.3f ms %6.0f GFLOP/s %3.0f %%   "
           "backward %8.3f ms %6.0f GFLOP/s %3.0f %%\n",
           fig_dtype_name(type), s->batch, s->n_head, s->time, s->head_dim, s->dropout, forward * 1e3,
           4 * pairs / forward * 1e-9, 400 * pairs / forward / peak, backward * 1e3, 10 * pairs / backward * 1e-9,
           1000 * pairs / backward / peak);
    fig__free(fig, qkv), fig__free(fig, d_qkv), fig__free(fig, a.o), fig__free(fig, (void *)(uintptr_t)a.d_o);
    fig__free(fig, a.lse);
}

/* One new token per sequence over a cache of blocks that is larger than the processor's caches. */
static void bench_decode(fig_context *fig, fig_dtype type, size_t n_head, double seconds) {
    enum { BATCH = 16, KV_HEADS = 4, TIME = 8192, DIM = 64, BLOCK = 64, BLOCKS = TIME / BLOCK };
    size_t block = BLOCK * KV_HEADS * DIM, n = BATCH * BLOCKS * block, size = fig_dtype_size(type);
    char *k = filled(fig, n, type, -1, 1), *v = filled(fig, n, type, -1, 1);
    const void **k_blocks = fig__alloc(fig, BATCH * BLOCKS * sizeof(void *));
    const void **v_blocks = fig__alloc(fig, BATCH * BLOCKS * sizeof(void *));
    for (size_t i = 0; i < BATCH * BLOCKS; i++) k_blocks[i] = k + i * block * size, v_blocks[i] = v + i * block * size;
    figk_attn a = {.n_batch = BATCH,
                   .n_head = n_head,
                   .n_kv_head = KV_HEADS,
                   .head_dim = DIM,
                   .q_max = 1,
                   .kv_max = TIME,
                   .type = type,
                   .scale = 0.125,
                   .causal = true,
                   .k_blocks = k_blocks,
                   .v_blocks = v_blocks,
                   .blocks_max = BLOCKS,
                   .block_len = BLOCK};
    void *q = filled(fig, BATCH * n_head * DIM, type, -1, 1), *o = filled(fig, BATCH * n_head * DIM, type, -1, 1);
    float *lse = fig__alloc(fig, BATCH * n_head * sizeof(float));
    a.q = q, a.o = o, a.lse = lse;
    a.q_stride[0] = a.o_stride[0] = n_head * DIM, a.q_stride[2] = a.o_stride[2] = DIM;
    a.k_stride[1] = a.v_stride[1] = KV_HEADS * DIM, a.k_stride[2] = a.v_stride[2] = DIM;
    fig__scratch_reserve(fig, figk_attention_scratch(fig, &a, false));
    double time = best_time(fig, &a, figk_attention_forward, seconds);
    printf("%-8s decode, %d x %d keys of %d in %d heads, %2zu query heads: %8.3f ms, %5.1f GB/s\n",
           fig_dtype_name(type), BATCH, TIME, DIM, KV_HEADS, n_head, time * 1e3, (double)(2 * n * size) / time * 1e-9);
    void *all[] = {k, v, k_blocks, v_blocks, q, o, lse};
    for (size_t i = 0; i < FIG_COUNT(all); i++) fig__free(fig, all[i]);
}

int main(int argc, char **argv) {
    double seconds = 0.3;
    fig_context *fig = bench_context(argc, argv, &seconds);
    fig_dtype types[] = {FIG_F32, FIG_BF16};
    for (size_t t = 0; t < FIG_COUNT(types); t++) {
        double peak = figk_peak_flops(fig, types[t], fig_n_threads(fig));
        printf("%s, %d threads, %s ceiling %.0f GFLOP/s\n", fig_cpu_level(fig), fig_n_threads(fig),
               fig_dtype_name(types[t]), peak * 1e-9);
        for (size_t i = 0; i < FIG_COUNT(shapes); i++) bench_shape(fig, &shapes[i], types[t], peak, seconds);
        bench_decode(fig, types[t], 4, seconds);
        bench_decode(fig, types[t], 16, seconds);
    }
    fig_context_free(fig);
    return 0;
}
