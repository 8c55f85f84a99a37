/* YAML: scalars by the core schema of YAML 1.2, places of errors, limits, and writing that reads back. */
#include "base/json.h"
#include "check.h"

static fig__json *parsed(fig_context *ctx, const char *text) {
    fig__json *j = NULL;
    if (!EXPECT_OK(ctx, fig__yaml_parse(ctx, "t", text, strlen(text), &j))) fprintf(stderr, "  at %s\n", text);
    return j;
}

/* What the text means, as JSON in one line. */
static void expect_json(fig_context *ctx, const char *text, const char *want) {
    fig__json *j = parsed(ctx, text);
    fig__buf b;
    fig__buf_init(&b, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__json_write(j, 0, &b));
    EXPECT_EQ_S(fig__buf_str(&b), want);
    fig__buf_deinit(&b);
    fig__json_free(j);
}

TEST(scalars) {
    static const char *const scalars[][2] = {
        {"yes", "\"yes\""},
        {"no", "\"no\""},
        {"on", "\"on\""},
        {"true", "true"},
        {"True", "true"},
        {"FALSE", "false"},
        {"tRUE", "\"tRUE\""},
        {"null", "null"},
        {"~", "null"},
        {"", "null"},
        {"nul", "\"nul\""},
        {"7", "7"},
        {"-7", "-7"},
        {"+7", "7"},
        {"007", "7"},
        {"0o17", "15"},
        {"0x1F", "31"},
        {"20_000", "\"20_000\""},
        {"1e3", "1000.0"},
        {"3e-4", "0.0003"},
        {".5", "0.5"},
        {"5.", "5.0"},
        {"-1.5E+2", "-150.0"},
        {".", "\".\""},
        {"1.2.3", "\"1.2.3\""},
        {"1e", "\"1e\""},
        {"-", "[null]"},
        {"0x", "\"0x\""},
        {"'7'", "\"7\""},
        {"\"true\"", "\"true\""},
        {"12:30", "\"12:30\""},
        {"2024-01-01", "\"2024-01-01\""},
        {"\"\\0\"", "\"\\u0000\""},
        {"infinity", "\"infinity\""},
        {"nan", "\"nan\""},
    };
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(scalars); i++) expect_json(ctx, scalars[i][0], scalars[i][1]);
}

TEST(structures) {
    fig_context *ctx = check_context();
    expect_json(ctx, "# a recipe\nz: 1\na: {b: [1, x], c: }\n1: y\n",
                "{\"z\": 1, \"a\": {\"b\": [1, \"x\"], \"c\": null}, \"1\": \"y\"}");
    expect_json(ctx, "- a\n-\n  - b\n- k: v\n  l: w\n", "[\"a\", [\"b\"], {\"k\": \"v\", \"l\": \"w\"}]");
    expect_json(ctx, "t: |\n  two\n  lines\nf: >\n  one\n  line\n",
                "{\"t\": \"two\\nlines\\n\", \"f\": \"one line\\n\"}");
    expect_json(ctx, "{\"json\": [true, null, -0.5]}", "{\"json\": [true, null, -0.5]}");
    expect_json(ctx, "---\na: 1\n...\n", "{\"a\": 1}");
    expect_json(ctx, "# nothing\n", "null");
}

TEST(anchors_are_copies) {
    fig_context *ctx = check_context();
    expect_json(ctx, "a: &x {k: 1}\nb: *x\nc: &x 5\nd: *x\n",
                "{\"a\": {\"k\": 1}, \"b\": {\"k\": 1}, \"c\": 5, \"d\": 5}");
    fig__json *j = parsed(ctx, "a: &x {k: 1}\nb: *x\n");
    EXPECT(fig__json_put(fig__json_get(j, "b"), "k", fig__json_new_int(2)) == FIG_OK);
    EXPECT_EQ_I(fig__json_int(fig__json_get(fig__json_get(j, "a"), "k"), 0), 1);
    fig__json_free(j);
}

static void expect_error(fig_context *ctx, const char *text, fig_status code, const char *start) {
    fig__json *j = (fig__json *)1;
    EXPECT_EQ_I(fig__yaml_parse(ctx, "r.yaml", text, strlen(text), &j), code);
    EXPECT(j == NULL);
    if (!EXPECT(!strncmp(fig_error(ctx), start, strlen(start)))) fprintf(stderr, "  said %s\n", fig_error(ctx));
}

TEST(errors_name_their_place) {
    fig_context *ctx = check_context();
    expect_error(ctx, "a: 1\nb: 2\na: 3\n", FIG_ERR_FORMAT, "r.yaml:3:1: a: this key stands here twice");
    expect_error(ctx, "a: [1\nb: 2\n", FIG_ERR_FORMAT, "r.yaml:");
    expect_error(ctx, "a: !!str 5\n", FIG_ERR_FORMAT, "r.yaml:1:4: tag:yaml.org,2002:str: tags");
    expect_error(ctx, "a: *x\n", FIG_ERR_FORMAT, "r.yaml:1:4: *x: no such anchor");
    expect_error(ctx, "a: &x [*x]\n", FIG_ERR_FORMAT, "r.yaml:1:8: *x: no such anchor");
    expect_error(ctx, "a: 1\n---\nb: 2\n", FIG_ERR_FORMAT, "r.yaml:2:1: a second document");
    expect_error(ctx, "[a]: 1\n", FIG_ERR_FORMAT, "r.yaml:1:1: a key must be");
    expect_error(ctx, "a: .inf\n", FIG_ERR_FORMAT, "r.yaml:1:4: .inf: not a finite");
    expect_error(ctx, "a: -.NaN\n", FIG_ERR_FORMAT, "r.yaml:1:4:");
    expect_error(ctx, "a: 1e999\n", FIG_ERR_FORMAT, "r.yaml:1:4: 1e999: not a finite");
    expect_error(ctx, "a: 9223372036854775808\n", FIG_ERR_FORMAT, "r.yaml:1:4: 9223372036854775808: an integer");
    expect_error(ctx, "a: \xff\n", FIG_ERR_FORMAT, "r.yaml: byte 3: ");
    expect_error(ctx, "\t- a\n", FIG_ERR_FORMAT, "r.yaml:1:1:");
}

TEST(limits) {
    fig_context *ctx = check_context();
    fig__buf b;
    fig__buf_init(&b, ctx, 1 << 20);
    for (int i = 0; i < 200; i++) fig__buf_addc(&b, '[');
    for (int i = 0; i < 200; i++) fig__buf_addc(&b, ']');
    expect_error(ctx, b.data, FIG_ERR_LIMIT, "r.yaml:1:129: more than 128 levels");
    fig__buf_clear(&b);
    fig__buf_adds(&b, "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"); /* ten times as much on every line */
    for (int i = 1; i < 9; i++) {
        fig__buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) fig__buf_printf(&b, "*a%d,", i - 1);
        fig__buf_adds(&b, "]\n");
    }
    expect_error(ctx, b.data, FIG_ERR_LIMIT, "r.yaml:6:");
    fig__buf_deinit(&b);
}

TEST(written_yaml_reads_back) {
    fig_context *ctx = check_context();
    static const char *const texts[] = {
        "{\"arch\": \"gpt\", \"lr\": 0.0003, \"betas\": [0.9, 0.95], \"steps\": 2000, \"one\": 1.0, \"big\": 1e+30}",
        "{\"yes\": \"yes\", \"n\": \"null\", \"s\": [\"\", \" a\", \"a: b\", \"#x\", \"7\", \"-\", \"1e5\", \"~\", "
        "\"nan\"]}",
        "[[], {}, [[1], [[2, {\"a\": []}]]], {\"k\": {\"l\": {\"m\": null}}}, true]",
        "[\"\\u0000\\n\\t\\\"\\\\\\u007f\\u0085\\u00a0\\u2028\\u2029\\ufeff\\uffff\", "
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"]",
        "[0.1, 0.30000000000000004, 5e-324, 1.7976931348623157e+308, -0.0, 123456789012345680.0]",
        "\"\"",
        "3",
        "[]",
        "{\"\": 1, \"a b\": 2, \"true\": 3, \"a.b-c_d/e+f\": 4}",
    };
    for (size_t i = 0; i < FIG_COUNT(texts); i++) {
        fig__json *j = NULL, *back = NULL;
        fig__buf yaml, first, second;
        fig__buf_init(&yaml, ctx, 1 << 20);
        fig__buf_init(&first, ctx, 1 << 20);
        fig__buf_init(&second, ctx, 1 << 20);
        EXPECT_OK(ctx, fig__json_parse(ctx, "t", texts[i], strlen(texts[i]), &j));
        EXPECT_OK(ctx, fig__yaml_write(j, &yaml));
        EXPECT_OK(ctx, fig__yaml_parse(ctx, "t", yaml.data, yaml.len, &back));
        EXPECT_OK(ctx, fig__json_write(j, 0, &first));
        EXPECT_OK(ctx, fig__json_write(back, 0, &second));
        EXPECT_EQ_S(fig__buf_str(&first), fig__buf_str(&second));
        fig__buf_deinit(&yaml);
        fig__buf_deinit(&first);
        fig__buf_deinit(&second);
        fig__json_free(j);
        fig__json_free(back);
    }
}

TEST(written_yaml_is_plain_where_it_can_be) {
    fig_context *ctx = check_context();
    fig__json *j = parsed(ctx, "{arch: gpt, data: [a/b.txt], lr: 6e-4, min: 1.0e-05, dims: {n: 4}, note: 'two words'}");
    fig__buf b;
    fig__buf_init(&b, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__yaml_write(j, &b));
    EXPECT_EQ_S(fig__buf_str(&b),
                "arch: gpt\ndata:\n  - a/b.txt\nlr: 0.0006\nmin: 1e-05\ndims:\n  \"n\": 4\nnote: \"two words\"\n");
    fig__buf_deinit(&b);
    fig__json_free(j);
}
