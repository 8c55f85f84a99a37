/* The corpus of emoji names: from made-up Unicode data, and from the real one where it is installed. */
#include "test_data_help.h"

static void put_unicode(fig_context *ctx, const char *dir) {
    put_text(ctx, dir, "emoji/emoji-test.txt",
             "# emoji-test.txt\n"
             "# group: Smileys & Emotion\n"
             "1F600 ; fully-qualified     # \xf0\x9f\x98\x80 E1.0 grinning face\n"
             "263A  ; unqualified         # \xe2\x98\xba E0.6 smiling face\n"
             "1F44B 1F3FB ; fully-qualified # \xf0\x9f\x91\x8b E1.0 waving hand: light skin tone\n"
             "1F570 ; fully-qualified # \xf0\x9f\x95\xb0 E1.0 twelve o\xe2\x80\x99"
             "clock\n"
             "1FAC5 ; fully-qualified # \xf0\x9f\xab\x85 E1.0 pi\xc3\xb1"
             "ata \xe2\x80\x9c"
             "A-b\xe2\x80\x9d\n"
             "1F3E7 ; fully-qualified # \xf0\x9f\x8f\xa7 E1.0 shit happens\n"
             "# group: Flags\n"
             "1F3C1 ; fully-qualified # \xf0\x9f\x8f\x81 E0.6 crossed flags\n"
             "broken ; fully-qualified\nbroken2 ; fully-qualified # a\n");
    put_text(ctx, dir, "UnicodeData.txt",
             "0041;LATIN CAPITAL LETTER A;Lu;0;L;;;;;N;;;;0061;\n"
             "1F3C1;CHEQUERED FLAG;So;0;ON;;;;;N;;;;;\n"
             "1F600;GRINNING FACE;So;0;ON;;;;;N;;;;;\n"
             "1F53A;UP-POINTING RED TRIANGLE;So;0;ON;;;;;N;;;;;\n"
             "1F999;NO END");
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

TEST(names_are_plain_and_filtered) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = in_dir(dir, "names.txt");
    uint64_t n = 0;
    fig__buf text;
    put_unicode(ctx, dir);
    if (!EXPECT_OK(ctx, fig_dataset_make_names(ctx, dir, NULL, path, &n))) return;
    if (!EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 20, &text))) return;
    EXPECT_EQ_I(n, 3);
    EXPECT_EQ_I(count_lines(text.data), 3);
    EXPECT(strstr(text.data, "grinning face\n"));
    EXPECT(strstr(text.data, "pinata a-b\n"));
    EXPECT(strstr(text.data, "chequered flag\n"));
    fig__buf_deinit(&text);
    EXPECT(fig__path_exists(in_dir(dir, ".source.json")));
}

TEST(missing_unicode_data_names_the_package) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    EXPECT_EQ_I(fig_dataset_make_names(ctx, dir, NULL, in_dir(dir, "names.txt"), NULL), FIG_ERR_NOTFOUND);
    EXPECT(error_has(ctx, "unicode-data"));
    EXPECT(!fig__path_exists(in_dir(dir, "names.txt")));
}

TEST(installed_unicode_data) {
    if (!fig__path_exists("/usr/share/unicode/emoji/emoji-test.txt")) SKIP("unicode-data is not installed");
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = in_dir(dir, "names.txt"), *again = in_dir(dir, "again.txt");
    uint64_t n = 0;
    fig__buf a, b;
    if (!EXPECT_OK(ctx, fig_dataset_make_names(ctx, NULL, NULL, path, &n))) return;
    EXPECT(n > 1500 && n < 4000);
    EXPECT_OK(ctx, fig_dataset_make_names(ctx, NULL, NULL, again, NULL));
    if (!EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 20, &a))) return;
    if (!EXPECT_OK(ctx, fig__file_read(ctx, again, 1 << 20, &b))) return;
    EXPECT_EQ_S(a.data, b.data);
    EXPECT_EQ_I(count_lines(a.data), n);
    EXPECT(strstr(a.data, "\ncat with tears of joy\n"));
    EXPECT(!strstr(a.data, "skin tone"));
    for (size_t i = 0; i < a.len; i++)
        if (!EXPECT((a.data[i] >= 'a' && a.data[i] <= 'z') || strchr(" -'\n", a.data[i]))) break;
    fig__buf_deinit(&a);
    fig__buf_deinit(&b);
}
