/* Option tables: defaults, parsing, ranges, JSON both ways, nearest names. */
#include "base/options.h"
#include "check.h"

typedef struct sample {
    int64_t n_layer, any;
    double rate, share;
    bool resume;
    const char *out, *note;
    int schedule;
    fig_strings data;
} sample;

static const fig_option rows[] = {
    {.help = "A heading"},
    {"n_layer", FIG_OPT_INT, offsetof(sample, n_layer), 1, 64, NULL, "4", "layers", "N", "blocks"},
    {"any", FIG_OPT_INT, offsetof(sample, any), .help = "unlimited"},
    {"learning_rate", FIG_OPT_REAL, offsetof(sample, rate), 0, INFINITY, NULL, "1e-3", "lr", NULL, "step size"},
    {"share", FIG_OPT_REAL, offsetof(sample, share), 0, 1, NULL, NULL, NULL, NULL, "a share"},
    {"resume", FIG_OPT_BOOL, offsetof(sample, resume), .help = "go on"},
    {"out", FIG_OPT_STRING, offsetof(sample, out), .fallback = "runs", .aliases = "o out_dir output", .help = "where"},
    {"note", FIG_OPT_STRING, offsetof(sample, note), .help = "anything"},
    {"schedule", FIG_OPT_CHOICE, offsetof(sample, schedule), .choices = "constant|cosine|wsd", .fallback = "cosine"},
    {"data", FIG_OPT_LIST, offsetof(sample, data), .value = "PATH", .help = "what to read"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

typedef struct setup {
    fig_context *ctx;
    fig__arena *arena;
    sample s;
} setup;

static setup begin(void) {
    setup t = {.ctx = check_context()};
    t.arena = fig__arena_new(t.ctx, 0);
    memset(&t.s, 0xff, sizeof t.s);
    EXPECT_OK(t.ctx, fig__options_defaults(t.ctx, table, &t.s, t.arena));
    return t;
}

static fig_status set(setup *t, const char *name, const char *value) {
    return fig__option_set(t->ctx, fig__option_find(table, name), &t->s, value, t->arena);
}

static void expect_error(setup *t, const char *name, const char *value, const char *message) {
    EXPECT(fig_status_is_usage(set(t, name, value)));
    EXPECT_EQ_S(fig_error(t->ctx), message);
}

TEST(defaults) {
    setup t = begin();
    EXPECT_EQ_I(t.s.n_layer, 4);
    EXPECT_EQ_I(t.s.any, 0);
    EXPECT(t.s.rate == 1e-3 && t.s.share == 0 && !t.s.resume && !t.s.note && !t.s.data.n);
    EXPECT_EQ_S(t.s.out, "runs");
    EXPECT_EQ_I(t.s.schedule, 1);
    fig__arena_free(t.arena);
}

TEST(names_and_aliases) {
    EXPECT(fig__option_find(table, "n-layer") == &rows[1]);
    EXPECT(fig__option_find(table, "layers") == &rows[1]);
    EXPECT(fig__option_find(table, "o") == &rows[6]);
    EXPECT(fig__option_find(table, "out-dir") == &rows[6]);
    EXPECT(fig__option_find(table, "output") == &rows[6]);
    EXPECT(!fig__option_find(table, "out_") && !fig__option_find(table, "") && !fig__option_find(table, "N_layer"));
}

TEST(nearest) {
    EXPECT_EQ_S(fig__option_nearest(&table, 1, "n_layers"), "n_layer");
    EXPECT_EQ_S(fig__option_nearest(&table, 1, "lerning-rate"), "learning_rate");
    EXPECT_EQ_S(fig__option_nearest(&table, 1, "outptu"), "out"); /* by an alias, named by its own name */
    EXPECT(!fig__option_nearest(&table, 1, "xyzzyplugh"));
    EXPECT(!fig__option_nearest(&table, 0, "n_layer"));
}

TEST(whole_numbers) {
    setup t = begin();
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {{"7", 7},           {"-3", -3},      {"20_000", 20000},
                {"20k", 20000},     {"1M", 1000000}, {"1.5M", 1500000},
                {"2G", 2000000000}, {"1e3", 1000},   {"9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < FIG_COUNT(good); i++) {
        EXPECT_OK(t.ctx, set(&t, "any", good[i].text));
        EXPECT_EQ_I(t.s.any, good[i].want);
    }
    static const char *const bad[] = {
        "",      "k",  "_1", "1_", "1__0", "1.5", "1.0001k", "abc", " 1", "1 ", "nan", "inf", "99999999999999999999",
        "0x10k", "1kk"};
    t.s.any = 42;
    for (size_t i = 0; i < FIG_COUNT(bad); i++) EXPECT(set(&t, "any", bad[i]) == FIG_ERR_ARG);
    EXPECT_EQ_I(t.s.any, 42);
    fig__arena_free(t.arena);
}

TEST(messages) {
    setup t = begin();
    expect_error(&t, "n_layer", "0", "n_layer: 0 is out of range; give 1 to 64");
    expect_error(&t, "n_layer", "65", "n_layer: 65 is out of range; give 1 to 64");
    expect_error(&t, "n_layer", "four", "n_layer: \"four\" is no whole number");
    expect_error(&t, "lr", "-1", "learning_rate: -1 is too small; give at least 0");
    expect_error(&t, "lr", "nan", "learning_rate: nan is no number");
    expect_error(&t, "share", "1.01", "share: 1.01 is out of range; give 0 to 1");
    expect_error(&t, "resume", "maybe", "resume: \"maybe\" is neither true nor false");
    expect_error(&t, "schedule", "cosin", "schedule: unknown value \"cosin\"; did you mean cosine?");
    expect_error(&t, "schedule", "zzz", "schedule: unknown value \"zzz\"; give one of constant|cosine|wsd");
    EXPECT_EQ_I(t.s.n_layer, 4);
    fig__arena_free(t.arena);
}

TEST(other_kinds) {
    setup t = begin();
    EXPECT_OK(t.ctx, set(&t, "lr", "3e-4"));
    EXPECT(t.s.rate == 3e-4);
    EXPECT_OK(t.ctx, set(&t, "resume", "Yes"));
    EXPECT(t.s.resume);
    EXPECT_OK(t.ctx, set(&t, "resume", "off"));
    EXPECT(!t.s.resume);
    EXPECT_OK(t.ctx, set(&t, "schedule", "wsd"));
    EXPECT_EQ_I(t.s.schedule, 2);
    char text[] = "changes later";
    EXPECT_OK(t.ctx, set(&t, "note", text));
    text[0] = 'X';
    EXPECT_EQ_S(t.s.note, "changes later");
    for (int i = 0; i < 20; i++) EXPECT_OK(t.ctx, set(&t, "data", i % 2 ? "odd" : "even"));
    EXPECT_EQ_I(t.s.data.n, 20);
    EXPECT_EQ_S(t.s.data.data[0], "even");
    EXPECT_EQ_S(t.s.data.data[19], "odd");
    fig__arena_free(t.arena);
}

static fig_status set_all(setup *t, const char *json) {
    fig__json *j = NULL, *value;
    fig_status status = fig__json_parse(t->ctx, "t", json, strlen(json), &j);
    for (size_t i = 0; !status && i < fig__json_size(j); i++) {
        const char *key = fig__json_key(j, i, &value);
        status = fig__option_set_json(t->ctx, fig__option_find(table, key), &t->s, value, t->arena);
    }
    fig__json_free(j);
    return status;
}

TEST(from_json) {
    setup t = begin();
    EXPECT_OK(t.ctx, set_all(&t, "{\"n_layer\": 6, \"learning_rate\": 1, \"any\": \"20k\", \"resume\": true,"
                                 "\"schedule\": \"constant\", \"data\": [\"a\", \"b\"], \"out\": \"there\"}"));
    EXPECT_EQ_I(t.s.n_layer, 6);
    EXPECT_EQ_I(t.s.any, 20000);
    EXPECT(t.s.rate == 1 && t.s.resume && t.s.schedule == 0 && t.s.data.n == 2);
    EXPECT_EQ_S(t.s.out, "there");
    EXPECT_OK(t.ctx, set_all(&t, "{\"any\": 1e6, \"data\": \"alone\", \"out\": null}"));
    EXPECT_EQ_I(t.s.any, 1000000);
    EXPECT_EQ_I(t.s.data.n, 1);
    EXPECT_EQ_S(t.s.out, "runs");
    static const char *const bad[] = {"{\"n_layer\": 1.5}", "{\"n_layer\": true}",    "{\"n_layer\": 65}",
                                      "{\"resume\": 1}",    "{\"out\": [1]}",         "{\"data\": [1]}",
                                      "{\"schedule\": 1}",  "{\"learning_rate\": {}}"};
    for (size_t i = 0; i < FIG_COUNT(bad); i++) EXPECT(set_all(&t, bad[i]) == FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(t.ctx), "learning_rate: a value of the wrong kind; give a number");
    fig__arena_free(t.arena);
}

/* What is written reads back to the same settings. */
TEST(to_json_and_back) {
    setup t = begin();
    EXPECT_OK(t.ctx,
              set_all(&t, "{\"n_layer\": 6, \"learning_rate\": 0.03, \"data\": [\"a\", \"b\"], \"resume\": true}"));
    setup back = begin();
    for (size_t i = 0; i < table.n; i++) {
        if (!rows[i].name) continue;
        fig__json *j = fig__option_get_json(&rows[i], &t.s);
        if (EXPECT(j)) EXPECT_OK(back.ctx, fig__option_set_json(back.ctx, &rows[i], &back.s, j, back.arena));
        fig__json_free(j);
    }
    EXPECT_EQ_I(back.s.n_layer, 6);
    EXPECT(back.s.rate == 0.03 && back.s.resume && back.s.schedule == 1 && !back.s.note);
    EXPECT_EQ_I(back.s.data.n, 2);
    EXPECT_EQ_S(back.s.data.data[1], "b");
    fig__arena_free(t.arena);
    fig__arena_free(back.arena);
}
