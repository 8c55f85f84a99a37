/* Finding and reading text: what counts as text, documents, counts, limits, and the messages for what is wrong. */
#include "data/chars.h"
#include "test_data_help.h"

/* All documents, each with '|' behind it. */
static void read_all(fig_context *ctx, fig_text *t, fig__buf *out) {
    const char *data;
    size_t len;
    bool ends = false;
    fig__buf_init(out, ctx, 1 << 26);
    for (;;) {
        if (!EXPECT_OK(ctx, fig_text_read(t, &data, &len, &ends)) || !len) return;
        EXPECT_OK(ctx, fig__buf_add(out, data, len));
        if (ends) EXPECT_OK(ctx, fig__buf_addc(out, '|'));
    }
}

static fig_status open_one(fig_context *ctx, const char *path, fig_text **t) { return fig_text_open(ctx, &path, 1, t); }

TEST(chars_count_and_cut) {
    uint64_t bad = 0;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    EXPECT_EQ_I(fig__chars_count(text, strlen(text), &bad), 5);
    EXPECT_EQ_I(bad, 0);
    EXPECT_EQ_I(fig__chars_skip(text, strlen(text), 3), 6);
    EXPECT_EQ_I(fig__chars_skip(text, strlen(text), 99), 11);
    EXPECT_EQ_I(fig__chars_whole(text, 11), 11);
    for (size_t n = 7; n <= 9; n++) EXPECT_EQ_I(fig__chars_whole(text, n), 6);
    EXPECT_EQ_I(fig__chars_count("\xff\xc0\x80"
                                 "abcdefghij\xe2\x82",
                                 15, &bad),
                15);
    EXPECT_EQ_I(bad, 5);
}

TEST(one_file_is_one_document) {
    fig_context *ctx = check_context();
    const char *path = put_text(ctx, check_tmpdir(), "a.txt", "hello\nw\xc3\xb6rld\xff\n");
    fig_text *t;
    fig__buf all;
    if (!EXPECT_OK(ctx, open_one(ctx, path, &t))) return;
    read_all(ctx, t, &all);
    EXPECT_EQ_S(all.data, "hello\nw\xc3\xb6rld\xff\n|");
    fig__buf_deinit(&all);
    const fig_text_stats *stats = fig_text_get_stats(t);
    EXPECT_EQ_I(stats->n_documents, 1);
    EXPECT_EQ_I(stats->bytes, 14);
    EXPECT_EQ_I(stats->characters, 13);
    EXPECT_EQ_I(stats->bad_bytes, 1);
    EXPECT_EQ_I(fig_text_done_bytes(t), fig_text_total_bytes(t));
    fig_text_rewind(t);
    EXPECT_EQ_I(fig_text_get_stats(t)->characters, 0);
    read_all(ctx, t, &all);
    EXPECT_EQ_I(all.len, 15);
    fig__buf_deinit(&all);
    fig_text_close(t);
}

TEST(large_files_come_in_pieces_cut_between_characters) {
    fig_context *ctx = check_context();
    fig__buf text, all;
    fig_text *t;
    fig__buf_init(&text, ctx, 1 << 26);
    for (int i = 0; i < 1000000; i++) fig__buf_adds(&text, "\xe2\x82\xac");
    const char *path = put_bytes(ctx, check_tmpdir(), "a.txt", text.data, text.len), *data;
    size_t len, n_pieces = 0;
    bool ends;
    if (!EXPECT_OK(ctx, open_one(ctx, path, &t))) return;
    while (EXPECT_OK(ctx, fig_text_read(t, &data, &len, &ends)) && len) {
        EXPECT_EQ_I(len % 3, 0);
        EXPECT_EQ_I(ends, fig_text_done_bytes(t) == text.len);
        n_pieces++;
    }
    EXPECT_EQ_I(n_pieces, 3);
    EXPECT_EQ_I(fig_text_get_stats(t)->characters, 1000000);
    fig_text_rewind(t);
    read_all(ctx, t, &all);
    EXPECT(all.len == text.len + 1 && !memcmp(all.data, text.data, text.len));
    fig__buf_deinit(&all);
    fig__buf_deinit(&text);
    fig_text_close(t);
}

TEST(folders_skip_binaries_and_count_them) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_text *t;
    fig__buf all;
    put_text(ctx, dir, "b.txt", "second");
    put_text(ctx, dir, "a/x.md", "first");
    put_text(ctx, dir, ".git/config", "hidden");
    put_text(ctx, dir, "empty.txt", "");
    put_bytes(ctx, dir, "c.png", "\x89PNG\0\0", 6);
    put_text(ctx, dir, "latin1.dat", "\xe4\xe4\xe4\xe4 ab");
    put_bytes(ctx, dir, "weights.bin", "abcd", 4);
    put_text(ctx, dir, "old/manifest.json", "{\"format\":\"figment-dataset\"}");
    put_text(ctx, dir, "old/tokenizer.json", "{}");
    if (!EXPECT_OK(ctx, open_one(ctx, dir, &t))) return;
    read_all(ctx, t, &all);
    EXPECT_EQ_S(all.data, "first|second|");
    EXPECT_EQ_I(fig_text_get_stats(t)->n_binary, 3);
    EXPECT_EQ_I(fig_text_get_stats(t)->n_empty, 1);
    EXPECT(strstr(fig_text_get_stats(t)->first_skipped, "c.png"));
    fig__buf_deinit(&all);
    fig_text_close(t);
}

TEST(jsonl_rows_are_documents) {
    fig_context *ctx = check_context();
    const char *path = put_text(ctx, check_tmpdir(), "rows.jsonl",
                                "{\"text\": \"one\\u0000\\u00e9\", \"id\": 1}\n"
                                "\r\n"
                                "{\"messages\": []}\n"
                                "{\"text\": 5}\n"
                                "{\"text\": \"\"}\n"
                                "not json\n"
                                "{\"text\": \"two\\n\"}");
    fig_text *t;
    fig__buf all;
    if (!EXPECT_OK(ctx, open_one(ctx, path, &t))) return;
    read_all(ctx, t, &all);
    EXPECT(all.len == 12 && !memcmp(all.data, "one\0\xc3\xa9|two\n|", 12));
    EXPECT_EQ_I(fig_text_get_stats(t)->n_documents, 2);
    EXPECT_EQ_I(fig_text_get_stats(t)->n_bad_rows, 4);
    EXPECT(strstr(fig_text_get_stats(t)->first_bad_row, "rows.jsonl:3: no string under \"text\""));
    EXPECT_EQ_S(fig_error(ctx), "");
    fig__buf_deinit(&all);
    fig_text_close(t);
}

TEST(long_jsonl_rows_within_and_over_the_limit) {
    fig_context *ctx = check_context();
    fig__buf rows, all;
    fig_text *t;
    fig__buf_init(&rows, ctx, 1u << 28);
    fig__buf_adds(&rows, "{\"text\": \"");
    for (int i = 0; i < 3 << 20; i += 8) fig__buf_adds(&rows, "abcdefgh");
    fig__buf_adds(&rows, "\"}\n");
    for (int i = 0; i < 66; i++) { /* 66 MiB */
        fig__buf_reserve(&rows, 1 << 20);
        memset(rows.data + rows.len, 'x', 1 << 20);
        rows.len += 1 << 20;
    }
    fig__buf_adds(&rows, "\n{\"text\": \"end\"}\n");
    const char *path = put_bytes(ctx, check_tmpdir(), "a.jsonl", rows.data, rows.len);
    fig__buf_deinit(&rows);
    if (!EXPECT_OK(ctx, open_one(ctx, path, &t))) return;
    read_all(ctx, t, &all);
    EXPECT_EQ_I(all.len, (3 << 20) + 1 + 4);
    EXPECT_EQ_S(all.data + all.len - 5, "|end|");
    EXPECT_EQ_I(fig_text_get_stats(t)->n_bad_rows, 1);
    EXPECT(strstr(fig_text_get_stats(t)->first_bad_row, ":2: longer than 64 MiB"));
    fig__buf_deinit(&all);
    fig_text_close(t);
}

TEST(bad_paths_are_explained) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *paths[2];
    fig_text *t;
    EXPECT_EQ_I(open_one(ctx, in_dir(dir, "nothing.txt"), &t), FIG_ERR_NOTFOUND);
    EXPECT(!t && error_has(ctx, "nothing.txt"));
    EXPECT_EQ_I(open_one(ctx, put_text(ctx, dir, "empty.txt", ""), &t), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "is empty"));
    EXPECT_EQ_I(open_one(ctx, dir, &t), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "only 1 binary or empty files"));
    EXPECT_EQ_I(open_one(ctx, put_bytes(ctx, dir, "x.png", "a\0b", 3), &t), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "is no text"));
    EXPECT_EQ_I(open_one(ctx, check_tmpdir(), &t), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "no text files"));
    EXPECT_EQ_I(open_one(ctx, "/dev/null", &t), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_text_open(ctx, NULL, 0, &t), FIG_ERR_ARG);
    paths[0] = put_text(ctx, dir, "a.txt", "text");
    paths[1] = put_bytes(ctx, dir, "train.bin", "\1\0\2\0", 4);
    EXPECT_EQ_I(fig_text_open(ctx, paths, 2, &t), FIG_ERR_ARG);
    EXPECT(error_has(ctx, "one kind at a time"));
}

TEST(token_files_refuse_to_be_text) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data;
    fig_text *t;
    size_t len;
    bool ends;
    put_bytes(ctx, dir, "train.bin", "\1\0\2\0", 4);
    put_text(ctx, dir, "prepare.py", "print()");
    if (!EXPECT_OK(ctx, open_one(ctx, dir, &t))) return;
    EXPECT(fig_text_get_stats(t)->is_tokens);
    EXPECT_EQ_I(fig_text_get_stats(t)->n_files, 1);
    EXPECT_EQ_I(fig_text_read(t, &data, &len, &ends), FIG_ERR_ARG);
    fig_text_close(t);
}

TEST(reading_can_be_cancelled) {
    fig_context *ctx = check_context();
    fig_text *t;
    const char *data;
    size_t len;
    bool ends;
    if (!EXPECT_OK(ctx, open_one(ctx, put_text(ctx, check_tmpdir(), "a.txt", "text"), &t))) return;
    fig_cancel(ctx);
    EXPECT_EQ_I(fig_text_read(t, &data, &len, &ends), FIG_ERR_CANCELLED);
    fig_text_close(t);
}
