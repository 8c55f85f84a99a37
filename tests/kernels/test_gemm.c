/* Matrix products: every level against long double; what may not change bits; what may not be touched. */
#include "check.h"
#include "kernels/gemm.h"
#include "numbers.h"
#include "amx_emu.h"
#include "kernels/x86/gemm_amx_impl.h"
#include <pthread.h>
#include <sys/mman.h>

/* --- memory that ends where the array ends -----------------------------------------------------------------*/

typedef struct block {
    char *base, *data;
    size_t mapped, size, front;
} block;

#define FILLER 0xa5 /* bytes in front, which nobody may write */

static block block_new(size_t size) {
    size_t page = 4096, mapped = fig__round_up(size + 64, page) + page;
    char *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + mapped - page, page, PROT_NONE)) abort();
    block b = {.base = base, .mapped = mapped, .size = size, .front = mapped - page - size};
    b.data = base + b.front;
    memset(base, FILLER, b.front + size);
    return b;
}

static void block_free(block *b) {
    bool untouched = true;
    for (size_t i = 0; i < b->front; i++) untouched &= (uint8_t)b->base[i] == FILLER;
    EXPECT(untouched);
    munmap(b->base, b->mapped);
}

/* --- matrices ---------------------------------------------------------------------------------------------------*/

/* A stored matrix, NaN between its rows: reading there shows. The last row ends with its last column. */
static block matrix_new(size_t rows, size_t cols, size_t ld, size_t step, size_t batch, fig_dtype type) {
    size_t last = rows && cols && batch ? (batch - 1) * step + (rows - 1) * ld + cols : 0;
    block b = block_new(last * fig_dtype_size(type));
    for (size_t i = 0; i < last; i++) put(b.data, type, i, NAN);
    for (size_t z = 0; z < (step ? batch : 1) && last; z++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                put(b.data, type, z * step + r * ld + c, (double)random_u32() * 0x1p-30 - 1);
    return b;
}

/* --- one product and what it needs -------------------------------------------------------------------------*/

typedef struct product {
    figk_gemm g;
    block a, b, c, bias, workspace, before;
    fig_dtype real;
} product;

static void product_fill(product *p, size_t gap) {
    figk_gemm *g = &p->g;
    size_t a_rows = g->a_trans ? g->k : g->m, a_cols = g->a_trans ? g->m : g->k;
    size_t b_rows = g->b_trans ? g->n : g->k, b_cols = g->b_trans ? g->k : g->n;
    g->lda = a_cols + gap, g->ldb = b_cols + 2 * gap, g->ldc = g->n + gap;
    if (g->batch > 1) {
        g->a_step = g->a_step ? a_rows * g->lda : 0;
        g->b_step = g->b_step ? b_rows * g->ldb + gap : 0;
        g->c_step = g->m * g->ldc;
    }
    p->a = matrix_new(a_rows, a_cols, g->lda, g->a_step, g->batch, g->at);
    p->b = matrix_new(b_rows, b_cols, g->ldb, g->b_step, g->batch, g->bt);
    p->c = matrix_new(g->m, g->n, g->ldc, g->c_step, g->batch, g->ct);
    p->before = block_new(p->c.size);
    memcpy(p->before.data, p->c.data, p->c.size);
    p->bias = matrix_new(1, g->n, g->n, 0, 1, p->real);
    if (g->bias) g->bias = p->bias.data;
    g->a = p->a.data, g->b = p->b.data, g->c = p->c.data;
}

static void product_free(product *p) {
    block_free(&p->a), block_free(&p->b), block_free(&p->c), block_free(&p->before), block_free(&p->bias);
}

/* Runs with exactly the memory that was said to be enough, and with no other. */
static void product_run(fig_context *fig, const figk_gemm_leaf *leaf, const figk_gemm *g) {
    figk_gemm with = *g;
    size_t size = fig__gemm_workspace(leaf, g);
    block workspace = block_new(fig__round_up(size, 64));
    with.workspace = workspace.data;
    EXPECT_OK(fig, fig__scratch_reserve(fig, fig__gemm_scratch(leaf, g)));
    uint64_t n_allocations = fig_memory(fig).n_allocations;
    fig__gemm_run(fig, leaf, &with);
    EXPECT_EQ_I(fig_memory(fig).n_allocations, n_allocations);
    block_free(&workspace);
}

/* What element (i, j) of matrix z should be, and how far from it rounding may lead: every addition adds half a unit of
 * a partial sum that is below the sum of magnitudes; with signs at random the halves mostly cancel, so eight stand for
 * all of k. */
static double want(const product *p, size_t z, size_t i, size_t j, double *tolerance) {
    const figk_gemm *g = &p->g;
    long double sum = 0, magnitude = 0;
    for (size_t k = 0; k < g->k; k++) {
        double a = get(g->a, g->at, z * g->a_step + (g->a_trans ? k * g->lda + i : i * g->lda + k));
        double b = get(g->b, g->bt, z * g->b_step + (g->b_trans ? j * g->ldb + k : k * g->ldb + j));
        sum += (long double)a * b;
        magnitude += fabsl((long double)a * b);
    }
    size_t at = z * g->c_step + i * g->ldc + j;
    long double bias = g->bias ? get(g->bias, p->real, j) : 0;
    long double old = g->beta != 0 ? g->beta * get(p->before.data, g->ct, at) : 0;
    long double y = g->alpha * sum + bias + old;
    *tolerance = (double)(8 * epsilon(p->real) * (fabs(g->alpha) * magnitude + fabsl(bias) + fabsl(old)) +
                          1.01 * epsilon(g->ct) * fabsl(y) + 0x1p-120);
    return (double)y;
}

static bool row_is_right(const product *p, size_t z, size_t i) {
    const figk_gemm *g = &p->g;
    for (size_t j = 0; j < g->n; j++) {
        double tolerance, y = want(p, z, i, j, &tolerance);
        double got = get(g->c, g->ct, z * g->c_step + i * g->ldc + j);
        if (!(fabs(got - y) <= tolerance)) return false;
    }
    if (!g->n) return true;
    size_t at = z * g->c_step + i * g->ldc + g->n, gap = i + 1 < g->m || z + 1 < g->batch ? g->ldc - g->n : 0;
    size_t size = fig_dtype_size(g->ct);
    return !memcmp((char *)g->c + at * size, p->before.data + at * size, gap * size);
}

/* The rows first, first + every, ... of each matrix. */
static void product_check(const product *p, size_t every) {
    const figk_gemm *g = &p->g;
    bool right = true;
    for (size_t z = 0; z < g->batch; z++)
        for (size_t i = z % every; i < g->m; i += every) right &= row_is_right(p, z, i);
    if (!right)
        fprintf(stderr, "m %zu n %zu k %zu batch %zu types %d %d %d trans %d %d alpha %g beta %g bias %d decode %d\n",
                g->m, g->n, g->k, g->batch, g->at, g->bt, g->ct, g->a_trans, g->b_trans, g->alpha, g->beta, !!g->bias,
                g->decode);
    EXPECT(right);
}

/* --- what is asked of a leaf -------------------------------------------------------------------------------*/

static const figk_gemm_leaf *leaf_for(const figk_table *t, const figk_gemm_leaf *fixed, const figk_gemm *g) {
    if (fixed && !g->decode) return fixed;
    return fig__gemm_leaf_for(t, g);
}

static fig_dtype random_type(fig_dtype real) { return random_u32() % 2 ? FIG_BF16 : real; }

static figk_gemm random_gemm(fig_dtype real, bool bf16_only) {
    figk_gemm g = {.batch = PICK_SIZE(1, 1, 1, 2, 3), .a_step = random_u32() % 2, .b_step = random_u32() % 2};
    g.m = PICK_SIZE(0, 1, 2, 5, 6, 7, 13, 14, 15, 16, 17, 29, 32, 33, 65, 77, 100, 113);
    g.n = PICK_SIZE(0, 1, 3, 8, 15, 16, 17, 31, 32, 33, 65, 77, 100);
    g.k = PICK_SIZE(0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 77, 100, 255, 256, 257, 300, 513);
    g.at = bf16_only ? FIG_BF16 : random_type(real);
    g.bt = bf16_only ? FIG_BF16 : random_type(real);
    g.ct = random_type(real);
    g.a_trans = random_u32() % 2, g.b_trans = random_u32() % 2;
    g.alpha = random_u32() % 2 ? 1 : -0.75;
    g.beta = random_u32() % 2 ? 0 : random_u32() % 2 ? 1 : 0.5;
    g.bias = random_u32() % 2 ? "" : NULL;
    g.decode = !bf16_only && random_u32() % 5 == 0;
    if (g.decode) g.a_trans = false;
    return g;
}

static void check_random(fig_context *fig, const figk_table *t, const figk_gemm_leaf *fixed, fig_dtype real,
                         int count) {
    random_state = 7;
    for (int i = 0; i < count; i++) {
        product p = {.g = random_gemm(real, fixed != NULL), .real = real};
        product_fill(&p, random_u32() % 2 ? 0 : PICK_SIZE(1, 5, 64));
        product_run(fig, leaf_for(t, fixed, &p.g), &p.g);
        product_check(&p, 1);
        product_free(&p);
    }
}

/* Long K: several chunks, in one tile and apart; many rows, columns and matrices: several groups. */
static void check_large(fig_context *fig, const figk_table *t, const figk_gemm_leaf *fixed, fig_dtype real) {
    static const struct {
        size_t m, n, k, batch, every;
    } sizes[] = {
        {33, 40, 5000, 1, 7},    {520, 512, 4096, 1, 199}, {2, 33, 2048, 2, 1},   {300, 260, 2100, 1, 60},
        {2100, 3, 4101, 1, 150}, {3, 2200, 4099, 1, 3},    {70, 9, 4100, 17, 20},
    };
    random_state = 11;
    for (size_t i = 0; i < FIG_COUNT(sizes); i++) {
        bool bf16 = fixed || i % 2;
        product p = {.real = real,
                     .g = {.m = sizes[i].m,
                           .n = sizes[i].n,
                           .k = sizes[i].k,
                           .batch = sizes[i].batch,
                           .at = bf16 ? FIG_BF16 : real,
                           .bt = bf16 ? FIG_BF16 : real,
                           .ct = real,
                           .a_trans = i != 1,
                           .a_step = 1,
                           .b_step = 1,
                           .alpha = 1}};
        product_fill(&p, 0);
        product_run(fig, leaf_for(t, fixed, &p.g), &p.g);
        product_check(&p, sizes[i].every);
        product_free(&p);
    }
}

/* The rows first .. first+n_rows-1 on their own must have the bits they have among the others. */
static void check_rows_alone(fig_context *fig, const figk_gemm_leaf *leaf, const product *p, size_t first,
                             size_t n_rows) {
    figk_gemm g = p->g;
    size_t size = fig_dtype_size(g.ct), at = first * (g.a_trans ? 1 : g.lda);
    block c = block_new(((n_rows - 1) * g.ldc + g.n) * size);
    g.a = (const char *)g.a + at * fig_dtype_size(g.at);
    g.c = c.data, g.m = n_rows, g.batch = 1, g.a_step = g.b_step = g.c_step = 0;
    product_run(fig, leaf, &g);
    EXPECT(fig__gemm_workspace(leaf, &g) <= fig__gemm_workspace(leaf, &p->g));
    EXPECT(fig__gemm_scratch(leaf, &g) <= fig__gemm_scratch(leaf, &p->g));
    bool equal = true;
    for (size_t i = 0; i < n_rows; i++)
        equal &= !memcmp(c.data + i * g.ldc * size, (char *)p->g.c + (first + i) * g.ldc * size, g.n * size);
    EXPECT(equal);
    block_free(&c);
}

static void check_bits(fig_context *fig, fig_context *one, const figk_table *t, const figk_gemm_leaf *fixed,
                       fig_dtype real) {
    random_state = 13;
    for (int i = 0; i < 24; i++) {
        figk_gemm g = random_gemm(real, fixed != NULL);
        g.m = PICK_SIZE(17, 40, 230), g.n = PICK_SIZE(1, 33, 700), g.k = PICK_SIZE(65, 128, 1100, 3072), g.beta = 0;
        product p = {.g = g, .real = real};
        product_fill(&p, PICK_SIZE(0, 3));
        const figk_gemm_leaf *leaf = leaf_for(t, fixed, &p.g);
        product_run(one, leaf, &p.g);
        memcpy(p.before.data, p.c.data, p.c.size);
        memset(p.c.data, FILLER, p.c.size);
        product_run(fig, leaf, &p.g);
        size_t size = fig_dtype_size(g.ct);
        bool equal = true;
        for (size_t row = 0; row < g.batch * g.m; row++) {
            size_t at = (row / g.m * p.g.c_step + row % g.m * p.g.ldc) * size;
            equal &= !memcmp(p.before.data + at, p.c.data + at, g.n * size);
        }
        EXPECT(equal);
        check_rows_alone(fig, leaf, &p, 0, 1);
        check_rows_alone(fig, leaf, &p, 15, 2);
        check_rows_alone(fig, leaf, &p, 3, 12);
        product_free(&p);
    }
}

/* What is not finite must show in the whole row, and nowhere else; also through rounding to bf16. */
static void check_not_finite(fig_context *fig, const figk_table *t, const figk_gemm_leaf *fixed, fig_dtype real) {
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 12; i++) {
        fig_dtype type = fixed || i % 2 ? FIG_BF16 : real;
        product p = {.real = real,
                     .g = {.m = 9,
                           .n = 33,
                           .k = 40,
                           .batch = 1,
                           .at = type,
                           .bt = type,
                           .alpha = 1,
                           .ct = i % 4 < 2 ? FIG_BF16 : real,
                           .decode = !fixed && i >= 6}};
        product_fill(&p, 0);
        put(p.a.data, type, 5 * p.g.lda + 7, bad[i % 3]);
        product_run(fig, leaf_for(t, fixed, &p.g), &p.g);
        bool right = true;
        for (size_t at = 0; at < 9 * 33; at++) right &= !!isfinite(get(p.c.data, p.g.ct, at)) == (at / 33 != 5);
        EXPECT(right);
        product_free(&p);
    }
}

static fig_context *context_of(const char *level, int n_threads) {
    fig_context *fig = NULL;
    fig_context_options options = {.cpu_level = level, .n_threads = n_threads};
    return fig_context_new(&options, &fig) ? NULL : fig;
}

static void context_free(fig_context *fig) {
    fig__scratch_reserve(fig, 0);
    fig_context_free(fig);
}

static void check_leaf(const char *level, const figk_table *t, const figk_gemm_leaf *fixed, fig_dtype real) {
    fig_context *one = context_of(level, 1), *fig = context_of(level, 3);
    EXPECT(one && fig);
    if (one && fig) {
        check_random(one, t, fixed, real, 600);
        check_random(fig, t, fixed, real, 150);
        check_large(fig, t, fixed, real);
        check_bits(fig, one, t, fixed, real);
        check_not_finite(one, t, fixed, real);
    }
    context_free(one);
    context_free(fig);
}

static void check_level(figk_level level) {
    const figk_table *t = figk_at(level);
    if (!t) {
        SKIP("this machine lacks the level");
        return;
    }
    check_leaf(figk_level_name(level), t, NULL, FIG_F32);
}

TEST(scalar) { check_level(FIGK_SCALAR); }
TEST(avx2) { check_level(FIGK_AVX2); }
TEST(avx512) { check_level(FIGK_AVX512); }
TEST(avx512bf16) { check_level(FIGK_AVX512BF16); }
TEST(amx) { check_level(FIGK_AMX); }
TEST(oracle) { check_leaf("scalar", figk_oracle(), NULL, FIG_F64); }

/* --- the AMX kernel on emulated tiles, with packing as the layout is described -------------------------------*/

static uint16_t packed(const figk_gemm_pack *p, size_t lane, size_t k) {
    if (lane >= p->lanes || k >= p->k) return 0;
    return ((const uint16_t *)p->src)[p->k_major ? k * p->ld + lane : lane * p->ld + k];
}

static void plain_pack_a(const figk_gemm_pack *p) {
    for (size_t lane = 0; lane < p->lanes; lane++)
        for (size_t k = 0; k < p->k_pad; k++) ((uint16_t *)p->dst)[lane * p->dst_stride + k] = packed(p, lane, k);
}

static void plain_pack_b(const figk_gemm_pack *p) {
    for (size_t k = 0; k < p->k_pad; k++)
        for (size_t lane = 0; lane < NR; lane++)
            ((uint16_t *)p->dst)[(k / 2 * NR + lane) * 2 + k % 2] = packed(p, lane, k);
}

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* there is one set of emulated tiles */
static void emulated_panel(const figk_gemm_panel *p) {
    pthread_mutex_lock(&one_at_a_time);
    panel(p);
    pthread_mutex_unlock(&one_at_a_time);
}

TEST(amx_emulated) {
    figk_gemm_leaf leaf = *figk_at(FIGK_SCALAR)->gemm_leaf(false);
    leaf.elem = FIG_BF16, leaf.k_step = K_TILE, leaf.nr = NR, leaf.m_step = 32;
    leaf.mc = 256, leaf.nc = 768, leaf.kc = 256;
    leaf.pack_a = plain_pack_a, leaf.pack_b = plain_pack_b, leaf.panel = emulated_panel;
    check_leaf("scalar", figk_at(FIGK_SCALAR), &leaf, FIG_F32);
}

/* --- the interface -----------------------------------------------------------------------------------------*/

TEST(run_takes_the_level_of_the_context) {
    fig_context *fig = check_context();
    product p = {
        .real = FIG_F32,
        .g = {.m = 20, .n = 30, .k = 40, .batch = 1, .at = FIG_BF16, .bt = FIG_BF16, .ct = FIG_F32, .alpha = 1}};
    product_fill(&p, 0);
    block workspace = block_new(fig__round_up(figk_gemm_workspace(fig, &p.g), 64));
    p.g.workspace = workspace.data;
    EXPECT_OK(fig, fig__scratch_reserve(fig, figk_gemm_scratch(fig, &p.g)));
    figk_gemm_run(fig, &p.g);
    product_check(&p, 1);
    block_free(&workspace);
    product_free(&p);
}

TEST(ceilings_are_measured) {
    fig_context *fig = check_context();
    EXPECT(figk_peak_flops(fig, FIG_F32, 1) > 1e8);
    EXPECT(figk_peak_flops(fig, FIG_BF16, 1) > 1e8);
    EXPECT(figk_read_bandwidth(fig, 1u << 24) > 1e8);
    EXPECT(figk_read_bandwidth(fig, 0) == 0);
    EXPECT(figk_cache_bandwidth(fig) > 1e8);
}
