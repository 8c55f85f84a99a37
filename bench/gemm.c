/* bench/gemm.c: matrix products beside oneDNN, where that is installed, and beside the ceiling of registers. They are
 * run in turns, so that other load on the machine hits both.
 *
 *     make bench
 *     build/bench/gemm [threads] [seconds per product] [only f32|bf16]
 *     FIG_CPU=avx2 ONEDNN_MAX_CPU_ISA=AVX2 build/bench/gemm
 *
 * Forward is x W^T, input gradient dy W, weight gradient dy^T x, for x [m,k], W [n,k], dy [m,n]. */
#include "kernels/gemm.h"
#include "bench.h"
#include <time.h>
#if __has_include(<dnnl.h>)
#include <dnnl.h>
#include <omp.h>
#define HAVE_DNNL (DNNL_VERSION_MAJOR == 2)
#endif

#define MAX_RUNS 10000
#define TURNS 4
#define AWAKE 0.03 /* seconds that an idle thread of the other side may spin */

typedef struct pair {
    double own, peer; /* seconds */
} pair;

/* --- oneDNN ------------------------------------------------------------------------------------------------*/

typedef struct peer peer;
#if HAVE_DNNL
struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[3];
};

static void matrix(dnnl_memory_desc_t *md, size_t rows, size_t cols, size_t ld, bool trans, fig_dtype type) {
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols}, strides = {(dnnl_dim_t)ld, 1};
    if (trans) strides[0] = 1, strides[1] = (dnnl_dim_t)ld;
    dnnl_memory_desc_init_by_strides(md, 2, dims, type == FIG_BF16 ? dnnl_bf16 : dnnl_f32, strides);
}

static peer *peer_new(const figk_gemm *g) {
    peer *p = calloc(1, sizeof *p);
    dnnl_memory_desc_t md[3];
    matrix(&md[0], g->m, g->k, g->lda, g->a_trans, g->at);
    matrix(&md[1], g->k, g->n, g->ldb, g->b_trans, g->bt);
    matrix(&md[2], g->m, g->n, g->ldc, false, g->ct);
    dnnl_matmul_desc_t desc;
    dnnl_primitive_desc_t pd;
    dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    dnnl_matmul_desc_init(&desc, &md[0], &md[1], NULL, &md[2]);
    if (dnnl_primitive_desc_create(&pd, &desc, NULL, p->engine, NULL) || dnnl_primitive_create(&p->primitive, pd)) {
        free(p);
        return NULL;
    }
    void *data[3] = {(void *)g->a, (void *)g->b, g->c};
    for (int i = 0; i < 3; i++) dnnl_memory_create(&p->memory[i], &md[i], p->engine, data[i]);
    dnnl_primitive_desc_destroy(pd);
    return p;
}

static void peer_run(peer *p) {
    dnnl_exec_arg_t args[3] = {
        {DNNL_ARG_SRC, p->memory[0]}, {DNNL_ARG_WEIGHTS, p->memory[1]}, {DNNL_ARG_DST, p->memory[2]}};
    dnnl_primitive_execute(p->primitive, p->stream, 3, args);
    dnnl_stream_wait(p->stream);
}

static void peer_free(peer *p) {
    if (!p) return;
    for (int i = 0; i < 3; i++) dnnl_memory_destroy(p->memory[i]);
    dnnl_primitive_destroy(p->primitive);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    free(p);
}

static void peer_threads(int n) { omp_set_num_threads(n); }
#else
static peer *peer_new(const figk_gemm *g) { return (void)g, NULL; }
static void peer_run(peer *p) { (void)p; }
static void peer_free(peer *p) { (void)p; }
static void peer_threads(int n) { (void)n; }
#endif

/* On one thread the processor's time, so that what else runs on the machine counts little. */
static double now(const fig_context *fig) {
    struct timespec t;
    if (fig_n_threads(fig) > 1) return fig__now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- measuring ---------------------------------------------------------------------------------------------*/

static int by_time(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The lower quartile: what is usual when nothing disturbs. */
static double good_time(double *times, int n) {
    qsort(times, (size_t)n, sizeof *times, by_time);
    return times[n / 4];
}

typedef struct job {
    fig_context *fig;
    const figk_gemm *g;
    peer *peer;
} job;
static void run_own(const job *j) { figk_gemm_run(j->fig, j->g); }
static void run_peer(const job *j) { peer_run(j->peer); }

/* Both keep their threads awake for a while, in which the other one must not be measured; nor must this thread sleep,
 * or a virtual machine gives its processor away. The first run is not counted. */
static int take_turn(const job *j, void (*run)(const job *j), double seconds, double *times, int n) {
    double start = fig__now(), then;
    while (fig_n_threads(j->fig) > 1 && fig__now() - start < AWAKE) continue;
    run(j);
    start = fig__now();
    for (int i = 0; i < 2 || (n < MAX_RUNS && fig__now() - start < seconds); i++) {
        then = now(j->fig);
        run(j);
        if (n < MAX_RUNS) times[n++] = now(j->fig) - then;
    }
    return n;
}

static pair measure(fig_context *fig, figk_gemm g, double seconds) {
    size_t c_size = g.m * g.ldc * fig_dtype_size(g.ct);
    g.a = filled(fig, g.m * g.k, g.at, -0.5f, 0.5f), g.b = filled(fig, g.k * g.n, g.bt, -0.5f, 0.5f);
    g.c = fig__calloc(fig, c_size, 1);
    g.workspace = fig__alloc(fig, figk_gemm_workspace(fig, &g) + 1);
    fig__scratch_reserve(fig, figk_gemm_scratch(fig, &g));
    job j = {fig, &g, g.decode ? NULL : peer_new(&g)};
    static double own[MAX_RUNS], other[MAX_RUNS];
    int n_own = 0, n_other = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        n_own = take_turn(&j, run_own, seconds / TURNS / 2, own, n_own);
        if (j.peer) n_other = take_turn(&j, run_peer, seconds / TURNS / 2, other, n_other);
    }
    pair good = {good_time(own, n_own), j.peer ? good_time(other, n_other) : 0};
    peer_free(j.peer);
    fig__free(fig, (void *)g.a), fig__free(fig, (void *)g.b), fig__free(fig, g.c), fig__free(fig, g.workspace);
    return good;
}

static figk_gemm product(const char *what, size_t m, size_t n, size_t k, fig_dtype type) {
    figk_gemm g = {.m = m, .n = n, .k = k, .batch = 1, .at = type, .bt = type, .ct = type, .alpha = 1, .b_trans = true};
    if (*what == 'i') g.n = k, g.k = n, g.b_trans = false;
    if (*what == 'w') g.m = n, g.n = k, g.k = m, g.a_trans = true, g.b_trans = false, g.ct = FIG_F32;
    g.decode = *what == 'd';
    g.lda = g.a_trans ? g.m : g.k, g.ldb = g.b_trans ? g.k : g.n, g.ldc = g.n;
    return g;
}

static void show(fig_context *fig, const char *what, const size_t size[3], fig_dtype type, double peak,
                 double seconds) {
    figk_gemm g = product(what, size[0], size[1], size[2], type);
    pair t = measure(fig, g, seconds);
    double flop = 2.0 * (double)g.m * (double)g.n * (double)g.k;
    printf("%5zu x %5zu x %4zu  %-8s %-8s %8.1f  %3.0f %%", size[0], size[1], size[2], what, fig_dtype_name(type),
           flop / t.own * 1e-9, 100 * flop / t.own / peak);
    if (t.peer > 0) printf("  %8.1f  %5.2f x", flop / t.peer * 1e-9, t.peer / t.own);
    if (g.decode) printf("  %.1f GB/s of weights", (double)(g.n * g.k * fig_dtype_size(type)) / t.own * 1e-9);
    putchar('\n');
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const size_t sizes[][3] = {
        {768, 128, 128},  {768, 512, 128},   {768, 128, 512},   {4096, 384, 384}, {4096, 1152, 384}, {4096, 1536, 384},
        {4096, 768, 768}, {4096, 3072, 768}, {4096, 768, 3072}, {1000, 77, 65},   {333, 100, 201},
    };
    static const size_t decode_sizes[][3] = {{1, 768, 768}, {1, 3072, 768}, {1, 50304, 768}, {4, 50304, 768}};
    int n_threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 0.3;
    fig_context *fig;
    if (fig_context_new(&(fig_context_options){.n_threads = n_threads}, &fig)) return 1;
    peer_threads(n_threads);
    for (int i = 0; i < 2; i++) {
        fig_dtype type = i ? FIG_BF16 : FIG_F32;
        if (argc > 3 && strcmp(argv[3], i ? "bf16" : "f32") != 0) continue;
        double peak = figk_peak_flops(fig, type, n_threads);
        printf("%s, %s, %d threads: registers alone %.1f GFLOP/s\n", fig_cpu_level(fig), fig_dtype_name(type),
               n_threads, peak * 1e-9);
        printf("    m       n      k  what     type      GFLOP/s  of it    oneDNN  ahead\n");
        for (size_t s = 0; s < FIG_COUNT(sizes); s++) {
            show(fig, "forward", sizes[s], type, peak, seconds);
            show(fig, "input", sizes[s], type, peak, seconds);
            show(fig, "weight", sizes[s], type, peak, seconds);
        }
        for (size_t s = 0; s < FIG_COUNT(decode_sizes); s++) show(fig, "decode", decode_sizes[s], type, peak, seconds);
    }
    printf("reading memory: %.1f GB/s\n", figk_read_bandwidth(fig, 256u << 20) * 1e-9);
    fig_context_free(fig);
    return 0;
}
