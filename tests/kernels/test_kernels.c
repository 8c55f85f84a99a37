/* Every kernel of kernels.def and micro-op of ew.def, at every level that this machine has, against the double oracle;
 * see kernel_check.h. A kernel without a check does not compile. Matrix products and attention have programs of their
 * own. */
#include "check_ew.h"
#include "check_move.h"
#include "check_optim.h"
#include "check_rows.h"

static void check_elsewhere(void) {}
#define check_gemm_leaf check_elsewhere
#define check_attn_scratch check_elsewhere
#define check_attn_fwd check_elsewhere
#define check_attn_bwd check_elsewhere

#define KERNEL(ret, name, params) \
    TEST(name) { each_level(#name, check_##name); }
#include "kernels/kernels.def"
#undef KERNEL
TEST(normals_moments) { each_level("normals", check_normals_moments); }
TEST(store_rounding) { each_level("store", check_store_rounding); }

#define FIGK_EW(name, n_in, expr)                                      \
    static void check_ew_##name(void) { check_ew_op(FIGK_EW_##name); } \
    TEST(ew_##name) { each_level("ew_" #name, check_ew_##name); }
#include "kernels/ew.def"
#undef FIGK_EW

/* --- dispatch ------------------------------------------------------------------------------------------------*/

static void expect_complete(const figk_table *t, const char *name) {
#define KERNEL(ret, kernel, params) check_report_(t->kernel != NULL, __FILE__, __LINE__, "%s has no %s", name, #kernel);
#include "kernels/kernels.def"
#undef KERNEL
    for (int i = 0; i < FIGK_EW_COUNT; i++)
        check_report_(t->ew[i] != NULL, __FILE__, __LINE__, "%s has no micro-op %d", name, i);
}
TEST(oracle_is_complete) { expect_complete(figk_oracle(), "the oracle"); }

/* A level that this machine lacks is reported, never counted as passed. */
static void level_is_complete(figk_level level) {
    if (!figk_at(level)) SKIP("this machine lacks it");
    expect_complete(figk_at(level), figk_level_name(level));
}
TEST(level_scalar) { level_is_complete(FIGK_SCALAR); }
TEST(level_avx2) { level_is_complete(FIGK_AVX2); }
TEST(level_avx512) { level_is_complete(FIGK_AVX512); }
TEST(level_avx512bf16) { level_is_complete(FIGK_AVX512BF16); }
TEST(level_amx) { level_is_complete(FIGK_AMX); }

TEST(level_by_name) {
    fig_context *ctx = check_context();
    EXPECT_OK(ctx, figk_init(ctx, "scalar"));
    EXPECT_EQ_S(fig_cpu_level(ctx), "scalar");
    EXPECT(!fig_cpu_favors_bf16(ctx));
    EXPECT(figk(ctx) == figk_at(FIGK_SCALAR));
    EXPECT_EQ_I(figk_init(ctx, "avx3"), FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(ctx), "CPU level avx3: unknown level; use scalar, avx2, avx512, avx512bf16 or amx");
    EXPECT_EQ_S(fig_cpu_level(ctx), "scalar");
    for (int level = 0; level < FIGK_LEVEL_COUNT; level++) {
        fig_status status = figk_init(ctx, figk_level_name((figk_level)level));
        EXPECT_EQ_I(status, figk_at((figk_level)level) ? FIG_OK : FIG_ERR_UNSUPPORTED);
    }
}

TEST(level_by_environment) {
    fig_context *ctx = check_context();
    char *old = getenv("FIG_CPU") ? strdup(getenv("FIG_CPU")) : NULL;
    setenv("FIG_CPU", "scalar", 1);
    EXPECT_OK(ctx, figk_init(ctx, NULL));
    EXPECT_EQ_S(fig_cpu_level(ctx), "scalar");
    setenv("FIG_CPU", "fast", 1);
    EXPECT_EQ_I(figk_init(ctx, NULL), FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(ctx), "FIG_CPU=fast: unknown level; use scalar, avx2, avx512, avx512bf16 or amx");
    EXPECT_OK(ctx, figk_init(ctx, "scalar")); /* a name asked for goes before the environment */
    unsetenv("FIG_CPU");
    EXPECT_OK(ctx, figk_init(ctx, NULL));
    EXPECT_EQ_S(fig_cpu_level(ctx), figk_level_name(figk_usual_level()));
    bool slow_pairs = figk_best_level() == FIGK_AVX512BF16 && !fig_cpu_favors_bf16(ctx);
    EXPECT_EQ_I(figk_usual_level(), slow_pairs ? FIGK_AVX512 : figk_best_level());
    if (old) setenv("FIG_CPU", old, 1);
    free(old);
}

TEST(convert) {
    fig_context *ctx = check_context();
    static const fig_dtype types[] = {FIG_F32, FIG_BF16, FIG_F64};
    const size_t n = 100003;
    for (int t = 0; t < 9; t++) {
        array x = array_random(types[t % 3], n, 1, WILD), y = array_new(types[t / 3], n, 3);
        array want = array_new(types[t / 3], n, 0);
        for (size_t i = 0; i < n; i++) array_set(&want, i, (float)array_get(&x, i));
        figk_convert(ctx, n, y.p, types[t / 3], x.p, types[t % 3]);
        if (types[t % 3] == types[t / 3])
            EXPECT(same_bits(&y, &x));
        else
            EXPECT(same_bits(&y, &want));
        array_free(&x), array_free(&y), array_free(&want);
    }
}
