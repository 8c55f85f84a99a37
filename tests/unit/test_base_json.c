/* JSON: parsing within limits, looking, building, writing. */
#include "base/file.h"
#include "base/json.h"
#include "check.h"

static fig__json *parsed(fig_context *ctx, const char *text) {
    fig__json *j = NULL;
    EXPECT_OK(ctx, fig__json_parse(ctx, "t", text, strlen(text), &j));
    return j;
}

static void expect_text(fig_context *ctx, const fig__json *j, int indent, const char *want) {
    fig__buf b;
    fig__buf_init(&b, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__json_write(j, indent, &b));
    EXPECT_EQ_S(fig__buf_str(&b), want);
    fig__buf_deinit(&b);
}

TEST(values_and_defaults) {
    fig_context *ctx = check_context();
    fig__json *j = parsed(
        ctx, "{\"i\": 9223372036854775807, \"r\": 1.5, \"s\": \"a\\u0000b\", \"t\": true, \"n\": null, \"a\": [1, 2]}");
    EXPECT_EQ_I(fig__json_size(j), 6);
    EXPECT(fig__json_int(fig__json_get(j, "i"), 0) == INT64_MAX);
    EXPECT(fig__json_real(fig__json_get(j, "r"), 0) == 1.5);
    EXPECT_EQ_I(fig__json_int(fig__json_get(j, "r"), 3), 3); /* a real is no int */
    EXPECT(fig__json_real(fig__json_at(fig__json_get(j, "a"), 1), 0) == 2.0);
    EXPECT_EQ_I(fig__json_str_len(fig__json_get(j, "s")), 3);
    EXPECT(fig__json_bool(fig__json_get(j, "t"), false));
    EXPECT(fig__json_type(fig__json_get(j, "n")) == FIG_JSON_NULL && fig__json_type(NULL) == FIG_JSON_NULL);
    EXPECT_EQ_S(fig__json_str(fig__json_get(j, "missing"), "else"), "else");
    EXPECT(fig__json_at(fig__json_get(j, "a"), 2) == NULL && fig__json_get(fig__json_get(j, "a"), "x") == NULL);
    EXPECT_EQ_I(fig__json_size(NULL), 0);
    fig__json_free(j);
    fig__json_free(NULL);
}

TEST(keys_in_file_order) {
    fig_context *ctx = check_context();
    fig__json *j = parsed(ctx, "{\"z\": {\"q\": 1, \"p\": 2}, \"a\": 2, \"m\": 3}"), *value;
    EXPECT_EQ_S(fig__json_key(j, 0, &value), "z");
    EXPECT_EQ_S(fig__json_key(value, 1, NULL), "p");
    EXPECT_EQ_S(fig__json_key(j, 2, &value), "m");
    EXPECT_EQ_I(fig__json_int(value, 0), 3);
    EXPECT_EQ_S(fig__json_key(j, 1, NULL), "a"); /* backwards */
    EXPECT(fig__json_key(j, 3, &value) == NULL && value == NULL);
    EXPECT(fig__json_put(j, "new", fig__json_new_int(4)) == FIG_OK);
    EXPECT_EQ_S(fig__json_key(j, 3, NULL), "new");
    fig__json_free(j);
}

static fig_status add_key(void *arg, const char *key, size_t key_len, fig__json *value) {
    char *all = arg;
    strncat(all, key, key_len);
    return fig__json_int(value, 0) == 3 ? FIG_ERR_CANCELLED : FIG_OK;
}

TEST(each) {
    fig_context *ctx = check_context();
    fig__json *j = parsed(ctx, "{\"z\": 1, \"a\": 2, \"m\": 3, \"x\": 4}");
    char all[10] = "";
    EXPECT_EQ_I(fig__json_each(j, add_key, all), FIG_ERR_CANCELLED);
    EXPECT_EQ_S(all, "zam");
    fig__json_free(j);
}

TEST(bad_json_names_its_place) {
    fig_context *ctx = check_context();
    static const char *const bad[] = {"",      " ",      "{",           "[1,]",    "{\"a\": 1, \"a\": 2}",
                                      "[1] x", "nul",    "\"\xff\"",    "[1e999]", "'a'",
                                      "[NaN]", "{1: 2}", "\"\\ud800\"", "[01]"};
    for (size_t i = 0; i < FIG_COUNT(bad); i++) {
        fig__json *j = (fig__json *)1;
        if (!EXPECT_EQ_I(fig__json_parse(ctx, "c.json", bad[i], strlen(bad[i]), &j), FIG_ERR_FORMAT))
            fprintf(stderr, "  at %s\n", bad[i]);
        EXPECT(j == NULL && !strncmp(fig_error(ctx), "c.json:", 7));
    }
    fig__json *j;
    EXPECT_EQ_I(fig__json_parse(ctx, "c.json", "{\n  \"a\": }", 10, &j), FIG_ERR_FORMAT);
    EXPECT(!strncmp(fig_error(ctx), "c.json:2:", 9));
}

TEST(depth_is_limited) {
    fig_context *ctx = check_context();
    char text[1000];
    fig__json *j;
    for (size_t depth = 128; depth <= 129; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        fig_status status = fig__json_parse(ctx, "t", text, 2 * depth, &j);
        EXPECT_EQ_I(status, depth == 128 ? FIG_OK : FIG_ERR_LIMIT);
        fig__json_free(j);
    }
    memset(text, '[', 300); /* in a string they are letters */
    text[0] = text[299] = '"';
    EXPECT_OK(ctx, fig__json_parse(ctx, "t", text, 300, &j));
    fig__json_free(j);
}

TEST(integers_too_large_become_reals) {
    fig_context *ctx = check_context();
    fig__json *j = parsed(
        ctx, "{\"model_max_length\": 1000000000000000019884624838656, \"s\": \"\\\"1000000000000000019884624838656\","
             " \"n\": [-99999999999999999999, 1.00000000000000000000, 1e-0000000000000000000001, 7, true]}");
    EXPECT(fig__json_real(fig__json_get(j, "model_max_length"), 0) == 1e30);
    EXPECT_EQ_S(fig__json_str(fig__json_get(j, "s"), ""), "\"1000000000000000019884624838656");
    fig__json *n = fig__json_get(j, "n");
    EXPECT(fig__json_real(fig__json_at(n, 0), 0) == -1e20 && fig__json_real(fig__json_at(n, 1), 0) == 1);
    EXPECT(fig__json_real(fig__json_at(n, 2), 0) == 0.1 && fig__json_int(fig__json_at(n, 3), 0) == 7);
    fig__json_free(j);
}

TEST(byte_order_mark) {
    fig_context *ctx = check_context();
    fig__json *j = parsed(ctx, "\xef\xbb\xbf[1]");
    EXPECT_EQ_I(fig__json_size(j), 1);
    fig__json_free(j);
}

TEST(build_and_write) {
    fig_context *ctx = check_context();
    fig__json *j = fig__json_new_object(), *a = fig__json_new_array();
    EXPECT(!fig__json_push(a, fig__json_new_real(0.1)) && !fig__json_push(a, fig__json_new_real(3)));
    EXPECT(!fig__json_push(a, fig__json_new_real(NAN)) && !fig__json_push(a, fig__json_new_bool(true)));
    EXPECT(!fig__json_put(j, "b", a) && !fig__json_put(j, "a", fig__json_new_int(-1)));
    EXPECT(!fig__json_put(j, "s", fig__json_new_str("\xc3\xa4\n\"\x01")) &&
           !fig__json_put(j, "n", fig__json_new_null()));
    expect_text(ctx, j, 0,
                "{\"b\": [0.1, 3.0, null, true], \"a\": -1, \"s\": \"\xc3\xa4\\n\\\"\\u0001\", \"n\": null}");
    expect_text(ctx, a, 2, "[\n  0.1,\n  3.0,\n  null,\n  true\n]");
    EXPECT_EQ_I(fig__json_put(j, "x", NULL), FIG_ERR_NOMEM);
    fig__buf small;
    fig__buf_init(&small, ctx, 10);
    EXPECT_EQ_I(fig__json_write(j, 0, &small), FIG_ERR_LIMIT);
    fig__buf_deinit(&small);
    fig__json *again = fig__json_ref(j);
    fig__json_free(j);
    EXPECT_EQ_I(fig__json_size(again), 4);
    fig__json_free(again);
}

TEST(bad_utf8_is_replaced) {
    fig_context *ctx = check_context();
    static const char *const texts[][2] = {
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\""},
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                                 /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},                 /* surrogate */
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* past U+10FFFF */
        {"\xf4\x8f\xbf\xbf\xe2\x82\xac", "\"\xf4\x8f\xbf\xbf\xe2\x82\xac\""},
    };
    for (size_t i = 0; i < FIG_COUNT(texts); i++) {
        fig__json *j = fig__json_new_str(texts[i][0]);
        expect_text(ctx, j, 0, texts[i][1]);
        fig__json_free(j);
    }
}

TEST(save_and_load) {
    fig_context *ctx = check_context();
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", check_tmpdir());
    fig__json *j = parsed(ctx, "{\"a\": [1, 2.5]}"), *back;
    EXPECT_OK(ctx, fig__json_save(ctx, path, j, 2));
    EXPECT_OK(ctx, fig__json_load(ctx, path, 1000, &back));
    expect_text(ctx, back, 0, "{\"a\": [1, 2.5]}");
    fig__json_free(back);
    fig__json_free(j);
    EXPECT_EQ_I(fig__json_load(ctx, path, 10, &back), FIG_ERR_LIMIT);
    EXPECT_EQ_I(fig__json_load(ctx, "/none", 10, &back), FIG_ERR_NOTFOUND);
}
