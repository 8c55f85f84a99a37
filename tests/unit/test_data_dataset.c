/* Windows: where the samplers put them, what they leave out, padding, and that nothing depends on history. */
#include "data/manifest.h"
#include "data/prepare.h"
#include "data/shard.h"
#include "test_data_help.h"

/* A dataset whose train tokens are 0 .. n-1 modulo 251, in shards of 100; val is the last n_val. */
static fig_dataset *counting_dataset(fig_context *ctx, size_t n_train, size_t n_val) {
    const char *dir = check_tmpdir(), *paths[2];
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset *ds = NULL;
    uint16_t tokens[2048];
    for (size_t i = 0; i < FIG_COUNT(tokens); i++) tokens[i] = (uint16_t)(i % 251);
    paths[0] = put_bytes(ctx, dir, "train.bin", tokens, 2 * n_train);
    paths[1] = put_bytes(ctx, dir, "val.bin", tokens, 2 * n_val);
    fig_dataset_options options = fig_dataset_options_default();
    options.paths = paths;
    options.n_paths = 2;
    options.tokenizer = tok;
    options.out_dir = in_dir(dir, "out");
    EXPECT_OK(ctx, fig__dataset_prepare_sharded(ctx, &options, 100, NULL));
    EXPECT_OK(ctx, fig_dataset_open(ctx, options.out_dir, &ds));
    fig_tokenizer_free(tok);
    return ds;
}

/* Targets follow inputs by one, everywhere in the window. */
static bool is_window(const int32_t *inputs, const int32_t *targets, int block) {
    for (int i = 0; i < block; i++)
        if (targets[i] != (inputs[i] + 1) % 251 || (i && inputs[i] != targets[i - 1])) return false;
    return true;
}

TEST(random_windows_lie_anywhere_and_everywhere) {
    fig_context *ctx = check_context();
    fig_dataset *ds = counting_dataset(ctx, 240, 50);
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_RANDOM, 230, 7};
    int32_t inputs[230], targets[230];
    int hits[10] = {0};
    for (uint64_t i = 0; ds && i < 1000; i++) {
        EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, i, 1, inputs, targets));
        if (!EXPECT(is_window(inputs, targets, 230)) || !EXPECT(inputs[0] >= 0 && inputs[0] < 10)) break;
        hits[inputs[0]]++;
    }
    for (int i = 0; i < 10; i++) EXPECT(hits[i] > 50 && hits[i] < 160); /* 100 expected, deviation 9.5 */
    fig_dataset_close(ds);
}

TEST(samples_depend_on_their_index_alone) {
    fig_context *ctx = check_context();
    fig_dataset *ds = counting_dataset(ctx, 1000, 50);
    static int32_t a[12 * 16], b[12 * 16], t[12 * 16];
    for (int sampler = FIG_SAMPLER_RANDOM; ds && sampler <= FIG_SAMPLER_SEQUENTIAL; sampler++) {
        fig_batch_spec spec = {FIG_SPLIT_TRAIN, (fig_sampler)sampler, 16, 1337};
        EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 24, 12, a, t));
        for (int row = 11; row >= 0; row--)
            EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 24 + (uint64_t)row, 1, b + 16 * row, t));
        EXPECT(!memcmp(a, b, sizeof a));
        spec.seed = 1338;
        EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 24, 12, b, t));
        EXPECT_EQ_I(!memcmp(a, b, sizeof a), sampler == FIG_SAMPLER_SEQUENTIAL);
    }
    fig_dataset_close(ds);
}

TEST(an_epoch_has_every_window_once) {
    fig_context *ctx = check_context();
    fig_dataset *ds = counting_dataset(ctx, 250, 50);
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_EPOCH, 20, 3};
    if (!EXPECT_EQ_I(fig_dataset_n_windows(ds, &spec), 12)) return;
    int32_t inputs[20], targets[20];
    int order[2][12], shift[2];
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[12] = {0};
        for (int i = 0; i < 12; i++) {
            EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, (uint64_t)(epoch * 12 + i), 1, inputs, targets));
            EXPECT(is_window(inputs, targets, 20));
            order[epoch][i] = inputs[0] / 20;
            shift[epoch] = inputs[0] % 20;
            EXPECT(shift[epoch] <= 9); /* 249 targets, 240 in windows */
            seen[inputs[0] / 20]++;
        }
        for (int i = 0; i < 12; i++) EXPECT_EQ_I(seen[i], 1);
    }
    EXPECT(memcmp(order[0], order[1], sizeof order[0]));
    fig_dataset_close(ds);
}

TEST(sequential_windows_cover_every_target_once) {
    fig_context *ctx = check_context();
    fig_dataset *ds = counting_dataset(ctx, 240, 151);
    fig_batch_spec spec = {FIG_SPLIT_VAL, FIG_SAMPLER_SEQUENTIAL, 40, 0};
    static int32_t inputs[5 * 40], targets[5 * 40];
    if (!EXPECT_EQ_I(fig_dataset_n_windows(ds, &spec), 4)) return;
    EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 0, 5, inputs, targets));
    for (int i = 0; i < 200; i++) {
        EXPECT_EQ_I(targets[i], i < 150 ? i + 1 : -1);
        EXPECT_EQ_I(inputs[i], i < 150 ? i : 0);
    }
    EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, UINT64_MAX, 1, inputs, targets));
    EXPECT_EQ_I(targets[0], -1);
    fig_dataset_close(ds);
}

TEST(too_short_for_one_window) {
    fig_context *ctx = check_context();
    fig_dataset *ds = counting_dataset(ctx, 64, 1);
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_RANDOM, 64, 0};
    int32_t inputs[64], targets[64];
    EXPECT_EQ_I(fig_dataset_batch(ds, &spec, 0, 1, inputs, targets), FIG_ERR_ARG);
    EXPECT(error_has(ctx, "the train split has 64 tokens, too few for one context of 64 (block_size)"));
    spec.block_size = 63;
    EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 5, 1, inputs, targets));
    EXPECT(is_window(inputs, targets, 63) && inputs[0] == 0);
    spec.split = FIG_SPLIT_VAL;
    spec.sampler = FIG_SAMPLER_SEQUENTIAL;
    EXPECT_EQ_I(fig_dataset_n_windows(ds, &spec), 0);
    EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 0, 1, inputs, targets));
    EXPECT_EQ_I(targets[0], -1);
    spec.block_size = 0;
    EXPECT_EQ_I(fig_dataset_batch(ds, &spec, 0, 1, inputs, targets), FIG_ERR_ARG);
    fig_dataset_close(ds);
}

TEST(tokens_past_the_vocabulary_are_caught) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = put_text(ctx, dir, "a.txt", "abcdefgh");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = fig_dataset_options_default();
    options.paths = &path;
    options.n_paths = 1;
    options.tokenizer = tok;
    options.out_dir = in_dir(dir, "out");
    fig__buf shard;
    fig_dataset *ds;
    int32_t inputs[4], targets[4];
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    fig_tokenizer_free(tok);
    const char *file = in_dir(options.out_dir, "train-00000.bin");
    if (!EXPECT_OK(ctx, fig__file_read(ctx, file, 1 << 20, &shard))) return;
    shard.data[1024 + 5] = 1; /* the third token is over 256 now */
    EXPECT_OK(ctx, fig__file_write(ctx, file, shard.data, shard.len));
    fig__buf_deinit(&shard);
    if (!EXPECT_OK(ctx, fig_dataset_open(ctx, options.out_dir, &ds))) return;
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_SEQUENTIAL, 4, 0};
    EXPECT_EQ_I(fig_dataset_batch(ds, &spec, 0, 1, inputs, targets), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "does not exist in a vocabulary of 257"));
    fig_dataset_close(ds);
}

TEST(wide_shards_are_written_and_read) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig__manifest m = {.val_fraction = 0.1, .token_bytes = 4, .shard_tokens = 3};
    const int32_t tokens[8] = {1, 70000, 3, 100000, 5, 65536, 65535, 0};
    fig__shard_writer w = {.ctx = ctx, .dir = dir, .split = FIG_SPLIT_TRAIN, .token_bytes = 4, .shard_tokens = 3};
    EXPECT_OK(ctx, fig__shard_writer_add(&w, tokens, 8));
    EXPECT_OK(ctx, fig__shard_writer_finish(&w));
    m.info.split[FIG_SPLIT_TRAIN].n_tokens = w.n_tokens;
    m.info.vocab_size = 100001;
    m.info.separator = -1;
    memset(m.info.tokenizer_sha256, 'a', 64);
    memset(m.info.data_sha256, 'b', 64);
    EXPECT_OK(ctx, fig__manifest_save(ctx, dir, &m));
    EXPECT_EQ_I(fig__file_size(in_dir(dir, "train-00002.bin")), 1024 + 8);
    fig_dataset *ds;
    int32_t inputs[7], targets[7];
    fig_batch_spec spec = {FIG_SPLIT_TRAIN, FIG_SAMPLER_SEQUENTIAL, 7, 0};
    if (!EXPECT_OK(ctx, fig_dataset_open(ctx, dir, &ds))) return;
    EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 0, 1, inputs, targets));
    EXPECT(!memcmp(inputs, tokens, sizeof inputs) && !memcmp(targets, tokens + 1, sizeof targets));
    fig_dataset_close(ds);
}
