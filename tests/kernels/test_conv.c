/* Convolutions in all three directions: every level against plain loops in double; what may not change bits. */
#include "check.h"
#include "kernels/direct.h"
#include "numbers.h"

static void *array_new(size_t n, fig_dtype type, bool filled) {
    void *x = calloc(n + 1, fig_dtype_size(type));
    for (size_t i = 0; i < n && filled; i++) put(x, type, i, (double)random_u32() * 0x1p-30 - 1);
    return x;
}

static size_t n_x(const figk_conv *c) { return c->n * c->h * c->w * c->c; }
static size_t n_y(const figk_conv *c) { return c->n * c->oh * c->ow * c->o; }
static size_t n_w(const figk_conv *c) { return c->kh * c->kw * c->c / c->groups * c->o; }

static size_t out_size(size_t n, size_t k, size_t stride, size_t dilation, ptrdiff_t before, ptrdiff_t after) {
    ptrdiff_t room = (ptrdiff_t)n + before + after - (ptrdiff_t)(dilation * (k - 1)) - 1;
    return room < 0 ? 0 : (size_t)room / stride + 1;
}

/* Sizes at random until the window fits somewhere. */
static figk_conv random_conv(void) {
    figk_conv c = {0};
    while (!c.oh || !c.ow) {
        c = (figk_conv){.n = PICK_SIZE(1, 2, 5),
                        .h = PICK_SIZE(1, 4, 7, 9),
                        .w = PICK_SIZE(1, 3, 8, 13),
                        .groups = PICK_SIZE(1, 1, 1, 2, 4)};
        c.c = c.groups * PICK_SIZE(1, 3, 8, 17), c.o = c.groups * PICK_SIZE(1, 2, 16, 33, 70);
        if (random_u32() % 4 == 0) c.c = c.o = c.groups = PICK_SIZE(2, 5, 16, 37); /* depthwise */
        c.kh = PICK_SIZE(1, 1, 2, 3, 4), c.kw = PICK_SIZE(1, 2, 3, 5);
        c.stride[0] = PICK_SIZE(1, 1, 2, 3), c.stride[1] = PICK_SIZE(1, 1, 2);
        c.dilation[0] = PICK_SIZE(1, 1, 2), c.dilation[1] = PICK_SIZE(1, 1, 3);
        for (int i = 0; i < 2; i++) c.pad[i] = (ptrdiff_t)PICK_SIZE(0, 1, 2, 3) - (random_u32() % 8 == 0);
        c.oh = out_size(c.h, c.kh, c.stride[0], c.dilation[0], c.pad[0], (ptrdiff_t)PICK_SIZE(0, 1, 2));
        c.ow = out_size(c.w, c.kw, c.stride[1], c.dilation[1], c.pad[1], (ptrdiff_t)PICK_SIZE(0, 1, 2));
    }
    return c;
}

static void fill(figk_conv *c, figk_conv_what what, fig_dtype act, fig_dtype weight, fig_dtype real) {
    c->xt = c->yt = act;
    c->wt = what == FIGK_CONV_WEIGHTS ? real : weight;
    c->x = array_new(n_x(c), c->xt, true), c->y = array_new(n_y(c), c->yt, true);
    c->weight = array_new(n_w(c), c->wt, true);
    size_t n_bias = what == FIGK_CONV ? c->o : what == FIGK_CONV_TRANSPOSE ? c->c : 0;
    c->bias = n_bias && random_u32() % 2 ? array_new(n_bias, real, true) : NULL;
}
static void drop(figk_conv *c) { free(c->x), free(c->y), free(c->weight), free((void *)c->bias); }

/* Kernels to go the direct way with; NULL: as the context's level would go. */
static const figk_gemm_leaf *direct_leaf;

static void run(fig_context *fig, figk_conv_what what, const figk_conv *c) {
    const figk_gemm_leaf *leaf = direct_leaf;
    figk_conv with = *c;
    size_t size = leaf ? fig__conv_direct_workspace(leaf, what, c) : figk_conv_workspace(fig, what, c);
    size_t scratch = leaf ? fig__conv_direct_scratch(leaf, what, c) : figk_conv_scratch(fig, what, c);
    EXPECT_OK(fig, fig__scratch_reserve(fig, scratch));
    with.workspace = aligned_alloc(64, fig__round_up(size + 64, 64));
    memset((char *)with.workspace + size, 0x5a, 64);
    uint64_t before = fig_memory(fig).n_allocations;
    if (leaf)
        fig__conv_direct(fig, leaf, what, &with);
    else
        figk_conv_run(fig, what, &with);
    EXPECT_EQ_I(fig_memory(fig).n_allocations, before);
    for (size_t i = 0; i < 64; i++) EXPECT(((uint8_t *)with.workspace)[size + i] == 0x5a);
    free(with.workspace);
}

/* Every triple (x, w, y) that belongs together adds to the one of the three that is asked for. */
static void want(const figk_conv *c, figk_conv_what what, double *sum, double *magnitude) {
    size_t in = c->c / c->groups, out = c->o / c->groups;
    for (size_t y = 0; y < n_y(c); y++) {
        size_t o = y % c->o, ox = y / c->o % c->ow, oy = y / c->o / c->ow % c->oh, n = y / c->o / c->ow / c->oh;
        for (size_t k = 0; k < c->kh * c->kw * in; k++) {
            ptrdiff_t iy = (ptrdiff_t)(oy * c->stride[0] + k / in / c->kw * c->dilation[0]) - c->pad[0];
            ptrdiff_t ix = (ptrdiff_t)(ox * c->stride[1] + k / in % c->kw * c->dilation[1]) - c->pad[1];
            if (iy < 0 || iy >= (ptrdiff_t)c->h || ix < 0 || ix >= (ptrdiff_t)c->w) continue;
            size_t x = ((n * c->h + (size_t)iy) * c->w + (size_t)ix) * c->c + o / out * in + k % in, w = k * c->o + o;
            double xv = get(c->x, c->xt, x), yv = get(c->y, c->yt, y), wv = get(c->weight, c->wt, w);
            size_t to = what == FIGK_CONV ? y : what == FIGK_CONV_TRANSPOSE ? x : w;
            double v = what == FIGK_CONV ? xv * wv : what == FIGK_CONV_TRANSPOSE ? yv * wv : xv * yv;
            sum[to] += v, magnitude[to] += fabs(v);
        }
    }
}

/* As for matrix products: eight units of rounding of all magnitudes, and that of the result's own type. */
static bool check_one(fig_context *fig, figk_conv_what what, figk_conv *c, fig_dtype real) {
    size_t n = what == FIGK_CONV ? n_y(c) : what == FIGK_CONV_TRANSPOSE ? n_x(c) : n_w(c);
    fig_dtype type = what == FIGK_CONV_WEIGHTS ? real : c->xt;
    double *sum = calloc(n, sizeof *sum), *magnitude = calloc(n, sizeof *magnitude);
    const void *result = what == FIGK_CONV ? c->y : what == FIGK_CONV_TRANSPOSE ? c->x : c->weight;
    bool right = true;
    want(c, what, sum, magnitude);
    run(fig, what, c);
    for (size_t i = 0; i < n; i++) {
        size_t channels = what == FIGK_CONV ? c->o : c->c;
        double b = c->bias ? get(c->bias, real, i % channels) : 0, y = sum[i] + b;
        double tolerance = 8 * epsilon(real) * (magnitude[i] + fabs(b)) + 1.01 * epsilon(type) * fabs(y) + 0x1p-120;
        right &= fabs(get(result, type, i) - y) <= tolerance;
    }
    free(sum), free(magnitude);
    return right;
}

static void say(figk_conv_what what, const figk_conv *c) {
    fprintf(stderr,
            "what %d: n %zu, %zu x %zu x %zu to %zu x %zu x %zu, window %zu x %zu, groups %zu, stride %zu %zu, "
            "dilation %zu %zu, pad %td %td, types %d %d\n",
            (int)what, c->n, c->h, c->w, c->c, c->oh, c->ow, c->o, c->kh, c->kw, c->groups, c->stride[0], c->stride[1],
            c->dilation[0], c->dilation[1], c->pad[0], c->pad[1], c->xt, c->wt);
}

static void check_directions(fig_context *fig, fig_dtype act, fig_dtype weight, fig_dtype real, int count) {
    random_state = 5;
    for (int i = 0; i < count; i++)
        for (int what = 0; what < 3; what++) {
            figk_conv c = random_conv();
            fill(&c, (figk_conv_what)what, act, weight, real);
            if (!EXPECT(check_one(fig, (figk_conv_what)what, &c, real))) say((figk_conv_what)what, &c);
            drop(&c);
        }
}

static fig_context *context_at(const char *level, int threads) {
    fig_context *fig = NULL;
    fig_context_new(&(fig_context_options){.cpu_level = level, .n_threads = threads}, &fig);
    return fig;
}

static void check_level(figk_level level) {
    if (!figk_at(level)) SKIP("this machine lacks the level");
    fig_context *fig = context_at(figk_level_name(level), 2);
    if (!EXPECT(fig != NULL)) return;
    check_directions(fig, FIG_F32, FIG_F32, FIG_F32, 60);
    check_directions(fig, FIG_BF16, FIG_BF16, FIG_F32, 60);
    check_directions(fig, FIG_BF16, FIG_F32, FIG_F32, 20);
    fig_context_free(fig);
}
TEST(scalar) { check_level(FIGK_SCALAR); }
TEST(avx2) { check_level(FIGK_AVX2); }
TEST(avx512) { check_level(FIGK_AVX512); }
TEST(avx512bf16) { check_level(FIGK_AVX512BF16); }
TEST(amx) { check_level(FIGK_AMX); }
TEST(oracle) {
    fig_context *fig = check_context();
    check_directions(fig, FIG_F64, FIG_F64, FIG_F64, 40);
}

/* A picture's numbers are the same whatever stands beside it, and on any number of threads. The sum over pictures, the
 * gradient of the weights, has no such first property. */
TEST(bits) {
    fig_context *one = context_at(NULL, 1), *three = context_at(NULL, 3);
    random_state = 3;
    for (int i = 0; i < 60; i++) {
        figk_conv_what what = (figk_conv_what)(i % 3);
        figk_conv c = random_conv();
        c.n = 4, c.h = c.h * 4, c.w = c.w * 3;
        for (int d = 0; d < 2; d++) c.pad[d] = 1;
        c.oh = out_size(c.h, c.kh, c.stride[0], c.dilation[0], 1, 1);
        c.ow = out_size(c.w, c.kw, c.stride[1], c.dilation[1], 1, 1);
        if (!c.oh || !c.ow) continue;
        fill(&c, what, i % 2 ? FIG_BF16 : FIG_F32, i % 2 ? FIG_BF16 : FIG_F32, FIG_F32);
        void *result = what == FIGK_CONV ? c.y : what == FIGK_CONV_TRANSPOSE ? c.x : c.weight;
        size_t n = what == FIGK_CONV ? n_y(&c) : what == FIGK_CONV_TRANSPOSE ? n_x(&c) : n_w(&c);
        size_t bytes = n * fig_dtype_size(what == FIGK_CONV_WEIGHTS ? FIG_F32 : c.xt);
        char *first = malloc(bytes + 1);
        run(one, what, &c);
        memcpy(first, result, bytes);
        memset(result, 0, bytes);
        run(three, what, &c);
        EXPECT(!memcmp(first, result, bytes));
        if (what != FIGK_CONV_WEIGHTS) {
            figk_conv last = c; /* the last picture alone */
            last.n = 1;
            last.x = (char *)c.x + 3 * n_x(&last) * fig_dtype_size(c.xt);
            last.y = (char *)c.y + 3 * n_y(&last) * fig_dtype_size(c.yt);
            EXPECT(figk_conv_workspace(one, what, &last) <= figk_conv_workspace(one, what, &c));
            EXPECT(figk_conv_scratch(one, what, &last) <= figk_conv_scratch(one, what, &c));
            memset((char *)result + bytes / 4 * 3, 0, bytes / 4);
            run(one, what, &last);
            EXPECT(!memcmp(first, result, bytes));
        }
        free(first), drop(&c);
    }
    fig_context_free(one), fig_context_free(three);
}

/* --- the direct way, with kernels in plain C that multiply pairs --------------------------------------------------
 * The only level with pairs needs a processor that has them; how the way lays them out is checked on any. */
enum { PAIR_LANES = 32 };

static void pairs_pack_b(const figk_gemm_pack *p) {
    uint16_t *to = p->dst;
    for (size_t k = 0; k < p->k_pad; k++)
        for (size_t lane = 0; lane < PAIR_LANES; lane++) {
            bool inside = k < p->k && lane < p->lanes;
            size_t from = p->k_major ? k * p->ld + lane : lane * p->ld + k;
            to[(k / 2 * PAIR_LANES + lane) * 2 + k % 2] = inside ? ((const uint16_t *)p->src)[from] : 0;
        }
}

static void pairs_window(const figk_gemm_window *p) {
    EXPECT(p->k % 2 == 0 && p->cols % 16 == 0 && p->cols <= PAIR_LANES);
    for (size_t row = 0; row < p->rows; row++)
        for (size_t lane = 0; lane < p->cols; lane++) {
            const uint16_t *b = (const uint16_t *)p->b + 2 * lane;
            float *sum = (float *)p->acc + row * p->cols + lane;
            if (!p->more) *sum = 0;
            for (size_t i = 0; i < p->n_blocks * p->k; i += 2, b += 2 * PAIR_LANES) {
                const uint16_t *a = (const uint16_t *)p->a + row * p->a_stride + p->offset[i / p->k] + i % p->k;
                for (size_t j = 0; j < 2; j++) *sum += fig__bf16_to_f32(a[j]) * fig__bf16_to_f32(b[j]);
            }
        }
}

/* What the way is chosen for, but for the numbers of outputs that pay. */
static bool has_direct_way(figk_conv_what what, const figk_conv *c) {
    size_t in = c->c / c->groups, out = c->o / c->groups;
    if (c->kh * c->kw == 1) return false;
    if (what == FIGK_CONV) return in % 2 == 0 || (c->groups == 1 && c->dilation[1] == 1);
    return what == FIGK_CONV_WEIGHTS || out % 2 == 0;
}

TEST(direct_with_pairs) {
    fig_context *fig = context_at("scalar", 2);
    figk_gemm_leaf leaf = {.real = FIG_F32,
                           .elem = FIG_BF16,
                           .k_step = 2,
                           .nr = PAIR_LANES,
                           .pack_b = pairs_pack_b,
                           .store = figk_at(FIGK_SCALAR)->gemm_leaf(false)->store,
                           .window = pairs_window};
    random_state = 11;
    direct_leaf = &leaf;
    int n[3] = {0};
    for (int i = 0; i < 450; i++) {
        figk_conv_what what = (figk_conv_what)(i % 3);
        figk_conv c = random_conv();
        if (!has_direct_way(what, &c)) continue;
        fill(&c, what, FIG_BF16, FIG_BF16, FIG_F32);
        if (!EXPECT(check_one(fig, what, &c, FIG_F32))) say(what, &c);
        drop(&c);
        n[what]++;
    }
    if (!EXPECT(n[0] > 50 && n[1] > 50 && n[2] > 100)) fprintf(stderr, "    %d, %d, %d\n", n[0], n[1], n[2]);
    direct_leaf = NULL;
    fig_context_free(fig);
}
