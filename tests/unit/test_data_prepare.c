/* Preparing: shards, split, separators, manifest, reuse, and what is refused. */
#include "data/manifest.h"
#include "data/prepare.h"
#include "test_data_help.h"
#include <fcntl.h>

static fig_dataset_options options_for(fig_tokenizer *tok, const char *const *path, const char *out) {
    fig_dataset_options options = fig_dataset_options_default();
    options.paths = path;
    options.n_paths = 1;
    options.tokenizer = tok;
    options.out_dir = out;
    return options;
}

/* All tokens of a split in one row; returns how many. */
static size_t split_tokens(fig_context *ctx, const char *dir, fig_data_split split, int32_t *out, size_t max) {
    fig_dataset *ds;
    if (!EXPECT_OK(ctx, fig_dataset_open(ctx, dir, &ds))) return 0;
    size_t n = (size_t)fig_dataset_get_info(ds)->split[split].n_tokens;
    int32_t inputs[1024], targets[1024];
    fig_batch_spec spec = {split, FIG_SAMPLER_SEQUENTIAL, 1024, 0};
    EXPECT(n <= max && n <= 1024);
    EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, 0, 1, inputs, targets));
    if (n) out[0] = inputs[0];
    for (size_t i = 1; i < n; i++) out[i] = targets[i - 1];
    fig_dataset_close(ds);
    return n;
}

/* The split of a dataset of bytes as text, the end-of-text token as '|'. */
static const char *split_text(fig_context *ctx, const char *dir, fig_data_split split) {
    static char text[1025];
    int32_t ids[1024];
    size_t n = split_tokens(ctx, dir, split, ids, 1024);
    for (size_t i = 0; i < n; i++) text[i] = ids[i] == 256 ? '|' : (char)ids[i];
    text[n] = 0;
    return text;
}

TEST(one_file_splits_at_the_character) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt",
                                "0123\xc3\xa9"
                                "56789ab\xff"
                                "de\xc3\xa9ghij"); /* 20 characters */
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig_dataset_info info;
    options.val_fraction = 0.25;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "0123\xc3\xa9"
                                                       "56789ab\xff"
                                                       "de");
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_VAL), "\xc3\xa9ghij");
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].bytes, 16);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].bytes, 6);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].target_bytes, 5);
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].n_documents, 1);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].n_documents, 0);
    EXPECT_EQ_I(info.text.bad_bytes, 1);
    EXPECT_EQ_I(info.text.characters, 20);
    EXPECT_EQ_I(info.vocab_size, 257);
    EXPECT_EQ_I(info.separator, 256);
    EXPECT(fig__path_exists(in_dir(out, "tokenizer.json")));
    fig_tokenizer_free(tok);
}

TEST(documents_are_separated) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.jsonl", "{\"text\":\"abcde\"}\n{\"text\":\"fgh\"}\n{\"text\":\"ij\"}\n");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig_dataset_info info;
    options.val_fraction = 0.2; /* the cut falls between documents */
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "abcde|fgh");
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_VAL), "ij");
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].n_documents, 2);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].n_documents, 1);
    options.val_fraction = 0.4; /* inside the second */
    options.force = true;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "abcde|f");
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_VAL), "gh|ij");
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].bytes, 6);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].n_documents, 1);
    options.val_fraction = 0;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "abcde|fgh|ij");
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].n_tokens, 0);
    EXPECT(!fig__path_exists(in_dir(out, "val-00000.bin")));
    fig_tokenizer_free(tok);
}

TEST(newlines_separate_where_no_token_does) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"cd\\n\"}\n{\"text\":\"ef\"}\n");
    fig_tokenizer *tok = make_tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL, "", 0);
    fig_dataset_options options = options_for(tok, &path, out);
    options.val_fraction = 0;
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL));
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "ab\ncd\nef");
    fig_tokenizer_free(tok);
}

TEST(special_tokens_in_text_are_tokens) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "ab<|endoftext|>cd");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    options.val_fraction = 0;
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL));
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "ab|cd");
    fig_tokenizer_free(tok);
}

TEST(several_shards_read_as_one) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "abcdefghijklmnopqrstuvwxyz");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    options.val_fraction = 0.5;
    if (!EXPECT_OK(ctx, fig__dataset_prepare_sharded(ctx, &options, 5, NULL))) return;
    EXPECT_EQ_I(fig__file_size(in_dir(out, "train-00001.bin")), 1024 + 10);
    EXPECT_EQ_I(fig__file_size(in_dir(out, "train-00002.bin")), 1024 + 6);
    EXPECT(!fig__path_exists(in_dir(out, "train-00003.bin")));
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "abcdefghijklm");
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_VAL), "nopqrstuvwxyz");
    fig_tokenizer_free(tok);
}

TEST(shards_are_llm_c_files) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out"), *again = in_dir(dir, "again");
    const char *path = put_text(ctx, dir, "a.txt", "hi!");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig__buf shard;
    int32_t head[256];
    uint16_t tokens[3];
    options.val_fraction = 0;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    if (!EXPECT_OK(ctx, fig__file_read(ctx, in_dir(out, "train-00000.bin"), 1 << 20, &shard))) return;
    EXPECT_EQ_I(shard.len, 1024 + 6);
    memcpy(head, shard.data, sizeof head);
    memcpy(tokens, shard.data + sizeof head, sizeof tokens);
    EXPECT(head[0] == 20240520 && head[1] == 1 && head[2] == 3 && head[3] == 0 && head[255] == 0);
    EXPECT(tokens[0] == 'h' && tokens[1] == 'i' && tokens[2] == '!');
    fig__buf_deinit(&shard);
    /* And such a file is a source. */
    path = in_dir(out, "train-00000.bin");
    options.out_dir = again;
    fig_dataset_info info;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_S(split_text(ctx, again, FIG_SPLIT_TRAIN), "hi!");
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].bytes, 3);
    EXPECT(info.text.is_tokens);
    fig_tokenizer_free(tok);
}

TEST(wide_tokens_are_read) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    int32_t file[260] = {20240801, 7, 4};
    for (int i = 0; i < 4; i++) file[256 + i] = 'a' + i;
    const char *path = put_bytes(ctx, dir, "llama.bin", file, sizeof file);
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    options.val_fraction = 0.5; /* token files without names split by tokens */
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL));
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "ab");
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_VAL), "cd");
    file[259] = 257;
    put_bytes(ctx, dir, "llama.bin", file, sizeof file);
    options.out_dir = in_dir(dir, "other");
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_ARG);
    EXPECT(error_has(ctx, "token 257 does not exist in a vocabulary of 257"));
    fig_tokenizer_free(tok);
}

TEST(nanogpt_folder_keeps_its_split) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out"), *data = in_dir(dir, "data");
    put_bytes(ctx, dir, "data/train.bin", "a\0b\0c\0d", 8);
    put_bytes(ctx, dir, "data/val.bin", "e\0f", 4);
    put_text(ctx, dir, "data/readme.md", "about");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &data, out);
    fig_dataset_info info;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_TRAIN), "abcd");
    EXPECT_EQ_S(split_text(ctx, out, FIG_SPLIT_VAL), "ef");
    EXPECT_EQ_I(info.n_sources, 2);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].target_bytes, 1);
    fig_tokenizer_free(tok);
}

TEST(broken_token_files) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    int32_t head[257] = {20240520, 1, 3};
    fig_tokenizer *tok = byte_tokenizer(ctx);
    const char *path = put_bytes(ctx, dir, "a.bin", head, 1024 + 4);
    fig_dataset_options options = options_for(tok, &path, out);
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "says 3 tokens, the file has room for 2"));
    head[1] = 2;
    put_bytes(ctx, dir, "a.bin", head, 1024 + 4);
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_UNSUPPORTED);
    put_bytes(ctx, dir, "a.bin", head, 100);
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_FORMAT);
    put_text(ctx, dir, "a.bin", "abc");
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "odd number"));
    EXPECT(!fig__path_exists(out));
    fig_tokenizer_free(tok);
}

TEST(same_sources_are_reused) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "some text");
    fig_tokenizer *tok = byte_tokenizer(ctx), *other = make_tokenizer(ctx, FIG_TOKENIZER_BYTE, NULL, "", 0);
    fig_dataset_options options = options_for(tok, &path, out);
    fig_dataset_info first, info;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &first))) return;
    EXPECT(!first.reused);
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info));
    EXPECT(info.reused);
    EXPECT_EQ_S(info.data_sha256, first.data_sha256);
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].n_tokens, first.split[FIG_SPLIT_TRAIN].n_tokens);
    struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}}; /* another time, the same bytes */
    utimensat(AT_FDCWD, path, times, 0);
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info));
    EXPECT(info.reused);
    options.val_fraction = 0.2;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, &info), FIG_ERR_EXISTS);
    options.val_fraction = 0.1;
    options.tokenizer = other;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, &info), FIG_ERR_EXISTS);
    options.tokenizer = tok;
    put_text(ctx, dir, "a.txt", "some tex!");
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, &info), FIG_ERR_EXISTS);
    EXPECT(error_has(ctx, "holds another dataset"));
    options.force = true;
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info));
    EXPECT(!info.reused && strcmp(info.data_sha256, first.data_sha256));
    fig_tokenizer_free(tok);
    fig_tokenizer_free(other);
}

TEST(damaged_datasets_are_not_reused) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "some text that is long enough");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig_dataset_info info;
    fig_dataset *ds;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    put_text(ctx, out, "train-00000.bin", "cut");
    EXPECT_EQ_I(fig_dataset_open(ctx, out, &ds), FIG_ERR_FORMAT);
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_EXISTS);
    options.force = true;
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info));
    EXPECT(!info.reused);
    fig_tokenizer_free(tok);
}

TEST(existing_folders_and_failures_leave_nothing_behind) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *mine = in_dir(dir, "mine"), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "short");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, mine);
    put_text(ctx, dir, "mine/letter.txt", "dear");
    options.force = true;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_EXISTS);
    EXPECT_EQ_I(fig__file_size(in_dir(mine, "letter.txt")), 4);
    options.out_dir = out;
    options.block_size = 64;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_ARG);
    EXPECT(error_has(ctx, "4 training tokens are too few for one context of 64"));
    options.block_size = 4;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_ARG);
    options.block_size = 3;
    put_text(ctx, dir, "out.partial-999999999/train-00000.bin", "left by a killed process");
    fig__paths left;
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL));
    EXPECT_OK(ctx, fig__dir_list(ctx, dir, 100, &left));
    EXPECT_EQ_I(left.n, 3); /* a.txt, mine, out */
    fig__paths_deinit(ctx, &left);
    options.block_size = 64; /* reused, and still too short */
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_ARG);
    fig_tokenizer_free(tok);
}

TEST(nothing_to_prepare) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_tokenizer *tok = byte_tokenizer(ctx);
    const char *path = put_text(ctx, dir, "a.jsonl", "{\"label\": 1}\n");
    fig_dataset_options options = options_for(tok, &path, in_dir(dir, "out"));
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "a.jsonl:1: no string under \"text\""));
    options.tokenizer = NULL;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_ARG);
    options.tokenizer = tok;
    options.val_fraction = 1;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_ARG);
    fig_tokenizer_free(tok);
}

TEST(origin_reaches_the_manifest) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "some text");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig_dataset *ds;
    put_text(ctx, dir, ".source.json", "{\"title\": \"Plays\", \"licence\": \"public domain\"}");
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    if (!EXPECT_OK(ctx, fig_dataset_open(ctx, out, &ds))) return;
    EXPECT_EQ_S(fig_dataset_get_info(ds)->origin, "Plays");
    EXPECT_EQ_S(fig_dataset_get_info(ds)->licence, "public domain");
    fig_dataset_close(ds);
    fig_tokenizer_free(tok);
}

TEST(manifests_are_checked) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.txt", "some text");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig__buf text;
    fig__manifest m;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    fig_tokenizer_free(tok);
    if (!EXPECT_OK(ctx, fig__file_read(ctx, in_dir(out, "manifest.json"), 1 << 20, &text))) return;
    EXPECT_OK(ctx, fig__manifest_parse(ctx, "m", text.data, text.len, &m));
    EXPECT_EQ_I(m.sources.n, 1);
    EXPECT_EQ_S(m.sources.data[0].path, path);
    fig__manifest_deinit(ctx, &m);
    /* Each number replaced by one that cannot be. */
    static const char *const keys[] = {"\"vocab_size\"", "\"shard_tokens\"", "\"token_bytes\"", "\"tokens\"",
                                       "\"version\""};
    for (size_t i = 0; i < FIG_COUNT(keys); i++) {
        char *at = strstr(text.data, keys[i]) + strlen(keys[i]) + 2, was = *at;
        *at = '-';
        EXPECT(fig__manifest_parse(ctx, "m", text.data, text.len, &m) != FIG_OK);
        *at = was;
    }
    fig__buf_deinit(&text);
}

typedef struct seen_progress {
    uint64_t scan, tokenise, total;
    fig_context *cancel; /* when tokenising begins */
} seen_progress;

static void see_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
    seen_progress *seen = user;
    bool is_scan = !strcmp(stage, "scan");
    *(is_scan ? &seen->scan : &seen->tokenise) = done;
    seen->total = total;
    if (seen->cancel && !is_scan) fig_cancel(seen->cancel);
}

TEST(progress_is_told_and_work_can_be_cancelled) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out"), *data = in_dir(dir, "data");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &data, out);
    seen_progress seen = {0};
    fig__paths left;
    put_text(ctx, dir, "data/a.txt", "abcde");
    put_text(ctx, dir, "data/b.txt", "fghij");
    options.progress = see_progress;
    options.user = &seen;
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    EXPECT(seen.scan == 10 && seen.tokenise == 10 && seen.total == 10);
    options.out_dir = in_dir(dir, "other");
    seen.cancel = ctx;
    EXPECT_EQ_I(fig_dataset_prepare(ctx, &options, NULL), FIG_ERR_CANCELLED);
    EXPECT_OK(ctx, fig__dir_list(ctx, dir, 100, &left));
    EXPECT_EQ_I(left.n, 2); /* data, out */
    fig__paths_deinit(ctx, &left);
    fig_tokenizer_free(tok);
}

TEST(begin_of_text_where_models_want_it) {
    const char *model = check_shared("data/tiny-models/tok512.bin");
    if (!model) SKIP("no shared data");
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.jsonl", "{\"text\":\"Once upon\"}\n{\"text\":\"a time\"}\n");
    fig_tokenizer *tok;
    int32_t ids[64];
    if (!EXPECT_OK(ctx, fig_tokenizer_load(ctx, model, &tok))) return;
    fig_dataset_options options = options_for(tok, &path, out);
    options.val_fraction = 0;
    if (!EXPECT(fig_tokenizer_wants_bos(tok)) || !EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, NULL))) return;
    size_t n = split_tokens(ctx, out, FIG_SPLIT_TRAIN, ids, 64), n_bos = 0;
    for (size_t i = 0; i < n; i++) n_bos += ids[i] == fig_tokenizer_bos(tok);
    EXPECT_EQ_I(ids[0], fig_tokenizer_bos(tok));
    EXPECT_EQ_I(n_bos, 2);
    fig_tokenizer_free(tok);
}

TEST(allocation_failures_are_clean) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out");
    const char *path = put_text(ctx, dir, "a.jsonl", "{\"text\":\"abcde\"}\n{\"text\":\"fgh\"}\n");
    fig_tokenizer *tok = byte_tokenizer(ctx);
    fig_dataset_options options = options_for(tok, &path, out);
    fig_status status = FIG_ERR_NOMEM;
    for (uint64_t n = 1; n < 1000 && status; n++) {
        fig__alloc_fail_after(ctx, n);
        status = fig_dataset_prepare(ctx, &options, NULL);
        EXPECT(status == FIG_OK || status == FIG_ERR_NOMEM);
    }
    fig__alloc_fail_after(ctx, 0);
    EXPECT_OK(ctx, status);
    fig_tokenizer_free(tok);
}

TEST(tiny_shakespeare_as_nanogpt_splits_it) {
    const char *path = check_shared("data/tinyshakespeare/input.txt");
    if (!path) SKIP("no shared data");
    fig_context *ctx = check_context();
    const char *out = in_dir(check_tmpdir(), "out");
    fig__buf text;
    fig_dataset_info info;
    fig_dataset *ds;
    if (!EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 22, &text))) return;
    fig_tokenizer *tok = make_tokenizer(ctx, FIG_TOKENIZER_CHAR, NULL, text.data, text.len);
    fig_dataset_options options = options_for(tok, &path, out);
    if (!EXPECT_OK(ctx, fig_dataset_prepare(ctx, &options, &info))) return;
    EXPECT_EQ_I(info.vocab_size, 65);
    EXPECT_EQ_I(info.split[FIG_SPLIT_TRAIN].n_tokens, 1003854);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].n_tokens, 111540);
    EXPECT_EQ_I(info.split[FIG_SPLIT_VAL].target_bytes, 111539);
    EXPECT_EQ_S(info.data_sha256, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed");
    if (!EXPECT_OK(ctx, fig_dataset_open(ctx, out, &ds))) return;
    int32_t inputs[64], targets[64];
    fig_batch_spec spec = {FIG_SPLIT_VAL, FIG_SAMPLER_SEQUENTIAL, 64, 0};
    EXPECT_EQ_I(fig_dataset_n_windows(ds, &spec), (111539 + 63) / 64);
    for (uint64_t w = 0; w < 3; w++) {
        EXPECT_OK(ctx, fig_dataset_batch(ds, &spec, w, 1, inputs, targets));
        for (size_t i = 0; i < 64; i++) {
            size_t len;
            const char *c = fig_tokenizer_token(tok, inputs[i], &len);
            EXPECT(len == 1 && *c == text.data[1003854 + w * 64 + i]);
        }
    }
    fig_dataset_close(ds);
    fig_tokenizer_free(tok);
    fig__buf_deinit(&text);
}
