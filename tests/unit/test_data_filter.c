/* The word filter: whole words, any case, phrases, plurals; lists from files. */
#include "test_data_help.h"

static bool finds(const fig_filter *f, const char *text) { return fig_filter_find(f, text, strlen(text), NULL, NULL); }

TEST(built_in_list_finds_whole_words_only) {
    fig_context *ctx = check_context();
    fig_filter *f;
    if (!EXPECT_OK(ctx, fig_filter_new(ctx, NULL, &f))) return;
    EXPECT(finds(f, "what a piece of SHIT."));
    EXPECT(finds(f, "shit"));
    EXPECT(finds(f, "two assholes"));
    EXPECT(finds(f, "Strip-Club"));
    EXPECT(!finds(f, "a shitake mushroom"));
    EXPECT(!finds(f, "the class passes the grass"));
    EXPECT(!finds(f, "Scunthorpe, cocktail, Dickens"));
    EXPECT(!finds(f, ""));
    EXPECT(!finds(f, "\xc3\xa9shit\xc3\xa9")); /* letters of other scripts belong to the word */
    fig_filter_free(f);
}

TEST(match_is_located) {
    fig_context *ctx = check_context();
    fig_filter *f;
    size_t at = 0, len = 0;
    if (!EXPECT_OK(ctx, fig_filter_new(ctx, NULL, &f))) return;
    EXPECT(fig_filter_find(f, "oh, Fuck it", 11, &at, &len));
    EXPECT_EQ_I(at, 4);
    EXPECT_EQ_I(len, 4);
    EXPECT(!fig_filter_find(f, "oh, Fuck it", 7, &at, &len)); /* the text ends inside the word */
    fig_filter_free(f);
}

TEST(mask_overwrites_every_match) {
    fig_context *ctx = check_context();
    fig_filter *f;
    char text[] = "shit and SHITS, not shitake";
    if (!EXPECT_OK(ctx, fig_filter_new(ctx, NULL, &f))) return;
    EXPECT_EQ_I(fig_filter_mask(f, text, strlen(text)), 2);
    EXPECT_EQ_S(text, "**** and *****, not shitake");
    fig_filter_free(f);
}

TEST(list_from_a_file) {
    fig_context *ctx = check_context();
    const char *path = put_text(ctx, check_tmpdir(), "list.txt", "Foo\n\nbar  baz qux\r\nst\xc3\xbcrmer\n");
    fig_filter *f;
    if (!EXPECT_OK(ctx, fig_filter_new(ctx, path, &f))) return;
    EXPECT(finds(f, "a foo!"));
    EXPECT(finds(f, "Bar baz, qux"));
    EXPECT(finds(f, "foo bar")); /* the longer phrase does not hide the shorter */
    EXPECT(!finds(f, "bar baz"));
    EXPECT(finds(f, "Der St\xc3\xbcrmer"));
    EXPECT(!finds(f, "shit"));
    fig_filter_free(f);
}

TEST(bad_lists_are_refused) {
    fig_context *ctx = check_context();
    fig_filter *f;
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    EXPECT_EQ_I(fig_filter_new(ctx, put_text(ctx, check_tmpdir(), "list.txt", longer), &f), FIG_ERR_LIMIT);
    EXPECT(!f);
    EXPECT_EQ_I(fig_filter_new(ctx, "/nowhere/list.txt", &f), FIG_ERR_NOTFOUND);
}
