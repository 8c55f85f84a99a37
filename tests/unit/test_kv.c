/* The key-value cache: lengths, forks that share until one writes, truncation, limits. */
#include "check.h"
#include "core/kv.h"

enum { LAYERS = 2, HEADS = 2, DIM = 4, BLOCK = 4, SEQUENCES = 3, TOKENS = 12, ROW = HEADS * DIM };

static fig_kv *new_cache(fig_context *ctx) {
    fig_kv *kv = NULL;
    fig_kv_options o = {.n_layer = LAYERS,
                        .n_kv_head = HEADS,
                        .head_dim = DIM,
                        .dtype = FIG_F32,
                        .max_sequences = SEQUENCES,
                        .max_tokens = TOKENS,
                        .block_len = BLOCK};
    uint64_t before = fig_memory(ctx).bytes_now;
    EXPECT_OK(ctx, fig_kv_new(ctx, &o, &kv));
    EXPECT_EQ_I(fig_kv_bytes(&o), SEQUENCES * TOKENS * LAYERS * 2 * ROW * sizeof(float));
    EXPECT(fig_memory(ctx).bytes_now - before >= fig_kv_bytes(&o));
    return kv;
}

/* What a token leaves in the cache: told apart by value, layer, key or value, and element. */
static float mark(int token, int layer, int which, int e) {
    return (float)(token * 1000 + layer * 100 + which * 50 + e);
}

/* Appends n tokens, numbered token, token + 1, ..., as a run would. */
static fig_status append(fig_kv *kv, int32_t sequence, int token, int32_t n) {
    float k[TOKENS * ROW], v[TOKENS * ROW];
    size_t stride[3] = {TOKENS * ROW, ROW, DIM};
    FIG_TRY(fig_kv_begin(kv, 1, &sequence, &n));
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int i = 0; i < n; i++)
            for (int e = 0; e < ROW; e++)
                k[i * ROW + e] = mark(token + i, layer, 0, e), v[i * ROW + e] = mark(token + i, layer, 1, e);
        fig__kv_append(kv, layer, k, stride, v, stride);
    }
    fig_kv_end(kv);
    return FIG_OK;
}

static bool holds(fig_kv *kv, int32_t sequence, const int *tokens, size_t n) {
    if (fig_kv_length(kv, (size_t)sequence) != n) return false;
    int32_t none = 0;
    bool good = fig_kv_begin(kv, 1, &sequence, &none) == FIG_OK;
    for (int layer = 0; layer < LAYERS && good; layer++) {
        size_t stride[3] = {0};
        fig__kv_append(kv, layer, "", stride, "", stride); /* nothing new: sets the blocks of this layer */
        for (size_t i = 0; i < n && good; i++)
            for (int e = 0; e < ROW; e++) {
                const float *k = kv->k_blocks[i / BLOCK], *v = kv->v_blocks[i / BLOCK];
                good &= k[i % BLOCK * ROW + (size_t)e] == mark(tokens[i], layer, 0, e);
                good &= v[i % BLOCK * ROW + (size_t)e] == mark(tokens[i], layer, 1, e);
            }
    }
    fig_kv_end(kv);
    return good;
}
#define HOLDS(kv, sequence, ...) holds(kv, sequence, (int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static size_t n_used(const fig_kv *kv) {
    size_t n = 0;
    for (size_t b = 0; b < kv->n_blocks; b++) n += kv->references[b] > 0;
    return n;
}

TEST(tokens_are_appended_across_blocks) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    EXPECT_EQ_I(fig_kv_length(kv, 1), 0);
    EXPECT_OK(ctx, append(kv, 1, 10, 3));
    EXPECT_OK(ctx, append(kv, 1, 13, 4));
    EXPECT(HOLDS(kv, 1, 10, 11, 12, 13, 14, 15, 16));
    EXPECT_EQ_I(fig_kv_length(kv, 0), 0);
    EXPECT_EQ_I(n_used(kv), 2);
    fig_kv_free(kv);
}

TEST(a_fork_shares_until_one_writes) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    EXPECT_OK(ctx, append(kv, 0, 10, 6));
    EXPECT_OK(ctx, fig_kv_fork(kv, 1, 0));
    EXPECT_OK(ctx, fig_kv_fork(kv, 2, 1));
    EXPECT_EQ_I(n_used(kv), 2); /* three sequences, two blocks */
    EXPECT_OK(ctx, append(kv, 1, 50, 1));
    EXPECT_EQ_I(n_used(kv), 3); /* the half-full block was copied, the full one is still shared */
    EXPECT_OK(ctx, append(kv, 0, 70, 3));
    EXPECT(HOLDS(kv, 0, 10, 11, 12, 13, 14, 15, 70, 71, 72));
    EXPECT(HOLDS(kv, 1, 10, 11, 12, 13, 14, 15, 50));
    EXPECT(HOLDS(kv, 2, 10, 11, 12, 13, 14, 15));
    EXPECT_EQ_I(n_used(kv), 5);
    fig_kv_clear(kv, 0);
    EXPECT(HOLDS(kv, 1, 10, 11, 12, 13, 14, 15, 50)); /* sharing survives the end of the first */
    fig_kv_clear(kv, 1);
    fig_kv_clear(kv, 2);
    EXPECT_EQ_I(n_used(kv), 0);
    fig_kv_free(kv);
}

TEST(a_fork_replaces_what_was_there) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    EXPECT_OK(ctx, append(kv, 0, 10, 2));
    EXPECT_OK(ctx, append(kv, 1, 50, 9));
    EXPECT_OK(ctx, fig_kv_fork(kv, 1, 0));
    EXPECT(HOLDS(kv, 1, 10, 11));
    EXPECT_EQ_I(n_used(kv), 1);
    EXPECT_OK(ctx, fig_kv_fork(kv, 1, 1)); /* onto itself: nothing happens */
    EXPECT(HOLDS(kv, 1, 10, 11));
    EXPECT_EQ_I(fig_kv_fork(kv, SEQUENCES, 0), FIG_ERR_ARG);
    fig_kv_free(kv);
}

TEST(truncation_forgets_and_goes_on) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    EXPECT_OK(ctx, append(kv, 0, 10, 10));
    EXPECT_OK(ctx, fig_kv_fork(kv, 1, 0));
    fig_kv_truncate(kv, 0, 5);
    EXPECT(HOLDS(kv, 0, 10, 11, 12, 13, 14));
    EXPECT_OK(ctx, append(kv, 0, 90, 2));
    EXPECT(HOLDS(kv, 0, 10, 11, 12, 13, 14, 90, 91));
    EXPECT(HOLDS(kv, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19));
    fig_kv_truncate(kv, 1, 30); /* past the end: nothing happens */
    EXPECT_EQ_I(fig_kv_length(kv, 1), 10);
    fig_kv_truncate(kv, 1, 4);
    EXPECT(HOLDS(kv, 1, 10, 11, 12, 13));
    fig_kv_free(kv);
}

/* Forks in the worst order never run out of blocks. */
TEST(every_sequence_can_be_full) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    EXPECT_OK(ctx, append(kv, 0, 10, 11));
    for (int i = 1; i < SEQUENCES; i++) EXPECT_OK(ctx, fig_kv_fork(kv, (size_t)i, 0));
    for (int i = 0; i < SEQUENCES; i++) {
        fig_kv_truncate(kv, (size_t)i, 1);
        EXPECT_OK(ctx, append(kv, i, 100 * i + 100, 11));
    }
    for (int i = 0; i < SEQUENCES; i++) {
        int t = 100 * i + 100;
        EXPECT(HOLDS(kv, i, 10, t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7, t + 8, t + 9, t + 10));
    }
    fig_kv_free(kv);
}

TEST(a_full_cache_says_so_and_stays_as_it_is) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    EXPECT_OK(ctx, append(kv, 0, 10, 10));
    EXPECT_EQ_I(append(kv, 0, 90, 3), FIG_ERR_LIMIT);
    EXPECT(strstr(fig_error(ctx), "kv: 13 tokens; the cache holds 12") != NULL);
    EXPECT(HOLDS(kv, 0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19));
    int32_t rows[SEQUENCES + 1] = {0, 1, 2, 0}, n_new[SEQUENCES + 1] = {1, 1, 1, 1};
    EXPECT_EQ_I(fig_kv_begin(kv, SEQUENCES + 1, rows, n_new), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_kv_begin(kv, 1, (int32_t[]){SEQUENCES}, n_new), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_kv_begin(kv, 1, (int32_t[]){-1}, n_new), FIG_ERR_ARG);
    fig_kv_free(kv);
}

TEST(generating_allocates_nothing) {
    fig_context *ctx = check_context();
    fig_kv *kv = new_cache(ctx);
    uint64_t before = fig_memory(ctx).n_allocations;
    for (int i = 0; i < 100; i++) {
        fig_kv_clear(kv, 0);
        EXPECT_OK(ctx, append(kv, 0, i, 5));
        EXPECT_OK(ctx, fig_kv_fork(kv, 1 + (size_t)i % 2, 0));
        EXPECT_OK(ctx, append(kv, 1 + i % 2, 200 + i, 5));
    }
    EXPECT_EQ_I(fig_memory(ctx).n_allocations, before);
    fig_kv_free(kv);
}
