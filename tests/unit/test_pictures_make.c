/* Pictures that anyone can have: emoji and their captions, and glyphs of fonts, prepared afterwards. */
#include "test_data_help.h"
#include <fig/pictures.h>
#include "base/json.h"
#include "base/map.h"
#include "data/pictures/emoji_caption.h"
#include "media/font/font.h"

#define NOTO "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
#define DEJAVU "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
#define EMOJI_LIST "/usr/share/unicode/emoji/emoji-test.txt"

#ifdef FIG_HAVE_HARFBUZZ
static const bool has_emoji = true;
#else
static const bool has_emoji = false;
#endif
#ifdef FIG_HAVE_FREETYPE2
static const bool has_glyphs = true;
#else
static const bool has_glyphs = false;
#endif

/* The line of metadata.jsonl with this value under "codepoints"; the caller's. */
static fig__json *row_of(fig_context *ctx, const char *dir, const char *code_points) {
    fig__buf text;
    fig__json *row = NULL;
    char key[64];
    snprintf(key, sizeof key, "\"codepoints\": \"%s\"", code_points);
    if (!EXPECT_OK(ctx, fig__file_read(ctx, in_dir(dir, "metadata.jsonl"), 1 << 24, &text))) return NULL;
    for (char *line = text.data, *next; line && *line && !row; line = next) {
        if ((next = strchr(line, '\n'))) *next++ = 0;
        if (strstr(line, key)) EXPECT_OK(ctx, fig__json_parse(ctx, "row", line, strlen(line), &row));
    }
    fig__buf_deinit(&text);
    return row;
}

static void expect_key(const fig__json *row, const char *key, const char *value) {
    EXPECT_EQ_S(fig__json_str(fig__json_get(row, key), ""), value);
}

static bool load_png(fig_context *ctx, const char *dir, const char *name, fig__image *out) {
    fig__buf file;
    if (!EXPECT_OK(ctx, fig__file_read(ctx, in_dir(dir, name), 1 << 20, &file))) return false;
    bool good = EXPECT_OK(ctx, fig__image_decode(ctx, name, file.data, file.len, out));
    fig__buf_deinit(&file);
    return good;
}

/* --- captions ---------------------------------------------------------------------------------------------------*/

TEST(captions_are_plain_words) {
    static const struct {
        const char *name, *caption, *base, *tone, *hair;
    } cases[] = {
        {"grinning face", "grinning face", "grinning face", "", ""},
        {"woman astronaut: medium-dark skin tone", "woman astronaut with medium dark skin", "woman astronaut",
         "medium-dark", ""},
        {"woman: light skin tone, red hair", "woman with light skin and red hair", "woman with red hair", "light",
         "red"},
        {"man: beard", "man with beard", "man with beard", "", "beard"},
        {"person: dark skin tone, bald", "bald person with dark skin", "bald person", "dark", "bald"},
        {"kiss: woman, man, light skin tone, dark skin tone", "kiss, woman with light skin and man with dark skin",
         "kiss, woman and man", "light, dark", ""},
        {"kiss: man, man, dark skin tone", "kiss, man with dark skin and man with dark skin", "kiss, man and man",
         "dark", ""},
        {"handshake: light skin tone, medium skin tone", "handshake with light skin and medium skin", "handshake",
         "light, medium", ""},
        {"family: man, woman, girl, boy", "family, man, woman, girl and boy", "family, man, woman, girl and boy", "",
         ""},
        {"flag: C\u00f4te d\u2019Ivoire", "flag of cote d'ivoire", "flag of cote d'ivoire", "", ""},
        {"flag: S\u00e3o Tom\u00e9 & Pr\u00edncipe", "flag of sao tome and principe", "flag of sao tome and principe",
         "", ""},
        {"keycap: #", "keycap hash", "keycap hash", "", ""},
        {"Japanese \u201cfree of charge\u201d button", "japanese free of charge button",
         "japanese free of charge button", "", ""},
        {"A button (blood type)", "a button blood type", "a button blood type", "", ""},
    };
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig__emoji_words words;
        fig__emoji_words_of(cases[i].name, &words);
        EXPECT_EQ_S(words.caption, cases[i].caption);
        EXPECT_EQ_S(words.base, cases[i].base);
        EXPECT_EQ_S(words.skin_tone, cases[i].tone);
        EXPECT_EQ_S(words.hair, cases[i].hair);
    }
}

/* What no list has: every part and every text has its limit. */
TEST(captions_of_nonsense) {
    char name[1000];
    fig__emoji_words words;
    for (size_t n = 0; n < sizeof name; n += 37) {
        memset(name, 0, sizeof name);
        for (size_t i = 0; i + 2 < n; i++) name[i] = "a: a skin tone, b hair, \xff"[i % 25];
        fig__emoji_words_of(name, &words);
        EXPECT(strlen(words.caption) < sizeof words.caption && !strchr(words.caption, '\xff'));
    }
}

/* --- emoji ------------------------------------------------------------------------------------------------------*/

static const char *small_list(fig_context *ctx) {
    const char *dir = check_tmpdir();
    put_text(ctx, dir, "emoji/emoji-test.txt",
             "# group: People & Body\n# subgroup: person-role\n"
             "1F469 1F3FD 200D 1F680 ; fully-qualified # x E4.0 woman astronaut: medium skin tone\n"
             "1F469 200D ; unqualified # x E4.0 nothing\n"
             "# group: Flags\n# subgroup: country-flag\n"
             "1F1E8 1F1EE ; fully-qualified # x E2.0 flag: C\u00f4te d\u2019Ivoire\n"
             "1F469 0041 ; fully-qualified # x E2.0 what no font has\n");
    return dir;
}

static fig_status make_emoji(fig_context *ctx, const char *list, const char *out, int64_t size,
                             fig_pictures_made *made) {
    fig_pictures_make_options o = {.out_dir = out, .unicode_dir = list, .size = size};
    return fig_pictures_make_emoji(ctx, &o, made);
}

TEST(emoji_of_a_small_list) {
    if (!has_emoji || !fig__path_exists(NOTO)) SKIP("no HarfBuzz or no fonts-noto-color-emoji");
    fig_context *ctx = check_context();
    const char *list = small_list(ctx), *out = in_dir(check_tmpdir(), "out"), *again = in_dir(check_tmpdir(), "out");
    const char *png = "1f469-1f3fd-200d-1f680.png";
    fig_pictures_made made;
    fig__image image;
    if (!EXPECT_OK(ctx, make_emoji(ctx, list, out, 0, &made))) return;
    EXPECT(made.n_pictures == 2 && made.n_left_out == 1 && strstr(made.left_out, "what no font has"));
    fig__json *row = row_of(ctx, out, "1F469-1F3FD-200D-1F680");
    expect_key(row, "file_name", png);
    expect_key(row, "text", "woman astronaut with medium skin");
    expect_key(row, "base", "woman astronaut");
    expect_key(row, "skin_tone", "medium");
    expect_key(row, "group", "People & Body");
    expect_key(row, "subgroup", "person-role");
    expect_key(row, "version", "4.0");
    fig__json_free(row);
    if (load_png(ctx, out, png, &image)) {
        EXPECT(image.w == 64 && image.h == 64 && image.c == 4);
        EXPECT(image.data[3] == 0 && image.data[(32 * 64 + 32) * 4 + 3] == 255); /* a corner and the middle */
        fig__image_free(ctx, &image);
    }
    /* The same again is the same; what is there is not replaced unasked; what is not ours never. */
    fig__buf a, b;
    EXPECT_OK(ctx, make_emoji(ctx, list, again, 0, &made));
    EXPECT_OK(ctx, fig__file_read(ctx, in_dir(out, png), 1 << 20, &a));
    EXPECT_OK(ctx, fig__file_read(ctx, in_dir(again, png), 1 << 20, &b));
    EXPECT(a.len == b.len && !memcmp(a.data, b.data, a.len));
    fig__buf_deinit(&a);
    fig__buf_deinit(&b);
    EXPECT_EQ_I(make_emoji(ctx, list, out, 32, &made), FIG_ERR_EXISTS);
    fig_pictures_make_options o = {.out_dir = out, .unicode_dir = list, .size = 32, .force = true};
    EXPECT_OK(ctx, fig_pictures_make_emoji(ctx, &o, &made));
    o.out_dir = list;
    EXPECT_EQ_I(fig_pictures_make_emoji(ctx, &o, &made), FIG_ERR_EXISTS);
    EXPECT(fig__path_exists(in_dir(list, "emoji/emoji-test.txt")));
}

static void expect_unique_captions(fig_context *ctx, const fig_pictures *p, uint64_t n) {
    fig__map *seen = fig__map_new(ctx);
    for (uint64_t i = 0; seen && i < n; i++) {
        const char *text = fig_pictures_caption(p, FIG_SPLIT_TRAIN, i);
        EXPECT_OK(ctx, fig__map_put(seen, text, strlen(text), 1));
        if (!EXPECT(!text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789 ,-'")] && !strstr(text, "  "))) break;
    }
    EXPECT_EQ_I(fig__map_count(seen), n);
    fig__map_free(seen);
}

TEST(all_emoji_are_made_and_prepared) {
    if (!has_emoji || !fig__path_exists(NOTO)) SKIP("no HarfBuzz or no fonts-noto-color-emoji");
    if (!fig__path_exists(EMOJI_LIST)) SKIP("unicode-data is not installed");
    fig_context *ctx = check_context();
    const char *dir = in_dir(check_tmpdir(), "emoji"), *out = in_dir(check_tmpdir(), "prepared");
    fig_pictures_made made;
    fig_pictures_info info;
    fig_pictures *p;
    fig_pictures_options o = fig_pictures_options_default();
    if (!EXPECT_OK(ctx, make_emoji(ctx, NULL, dir, 16, &made))) return;
    EXPECT(made.n_pictures >= 3600 && made.n_left_out < 150); /* a newer list may be ahead of the font */
    o.paths = &dir, o.n_paths = 1, o.out_dir = out, o.val_fraction = 0;
    if (!EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, &info)) || !EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p)))
        return;
    EXPECT(info.size == 16 && info.channels == 4 && info.n_classes >= 90 && info.n_broken == 0 && info.n_other == 0);
    uint64_t held = info.n[FIG_SPLIT_VAL]; /* bases and combinations to test a model with */
    EXPECT(info.n[FIG_SPLIT_TRAIN] + held == made.n_pictures && info.n_captions == made.n_pictures);
    EXPECT(held > made.n_pictures / 20 && held < made.n_pictures / 6);
    EXPECT(strstr(info.licence, "OFL 1.1") && strstr(info.licence, "Unicode") && strstr(info.origin, "Noto"));
    expect_unique_captions(ctx, p, info.n[FIG_SPLIT_TRAIN]);
    fig_pictures_close(p);
}

TEST(emoji_that_cannot_be_made) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out"), *list = small_list(ctx);
    const char *font = in_dir(dir, "none.ttf");
    fig_pictures_make_options o = {.out_dir = out, .fonts = &font, .n_fonts = 1, .unicode_dir = list};
    EXPECT_EQ_I(fig_pictures_make_emoji(ctx, &o, NULL), FIG_ERR_NOTFOUND);
    EXPECT(error_has(ctx, "fonts-noto-color-emoji"));
    put_text(ctx, dir, "none.ttf", "no font");
    EXPECT_EQ_I(fig_pictures_make_emoji(ctx, &o, NULL), has_emoji ? FIG_ERR_FORMAT : FIG_ERR_UNSUPPORTED);
    EXPECT(error_has(ctx, has_emoji ? "none.ttf: no font" : "libharfbuzz-dev"));
    o.size = 7;
    EXPECT_EQ_I(fig_pictures_make_emoji(ctx, &o, NULL), FIG_ERR_ARG);
    o.size = 0;
    font = DEJAVU;
    if (has_emoji && fig__path_exists(font)) {
        EXPECT_EQ_I(fig_pictures_make_emoji(ctx, &o, NULL), FIG_ERR_UNSUPPORTED);
        EXPECT(error_has(ctx, "without pictures"));
    }
    if (has_emoji && fig__path_exists(NOTO)) {
        EXPECT_EQ_I(make_emoji(ctx, in_dir(dir, "nowhere"), out, 0, NULL), FIG_ERR_NOTFOUND);
        EXPECT(error_has(ctx, "unicode-data"));
    }
    EXPECT(!fig__path_exists(out));
}

/* --- glyphs -----------------------------------------------------------------------------------------------------*/

static uint64_t ink(const fig__image *image) {
    uint64_t sum = 0;
    for (size_t i = 0; i < image->w * image->h; i++) sum += image->data[i];
    return sum;
}

TEST(glyphs_of_a_font) {
    if (!has_glyphs || !fig__path_exists(DEJAVU)) SKIP("no FreeType or no fonts-dejavu-core");
    fig_context *ctx = check_context();
    const char *font = DEJAVU, *dir = in_dir(check_tmpdir(), "glyphs"), *out = in_dir(check_tmpdir(), "prepared");
    const char *fonts[] = {font, font}; /* the second is known by then */
    fig_pictures_make_options o = {.out_dir = dir, .fonts = fonts, .n_fonts = 2};
    fig_pictures_made made;
    fig__image at, dot;
    if (!EXPECT_OK(ctx, fig_pictures_make_glyphs(ctx, &o, &made))) return;
    EXPECT(made.n_pictures == 94 && made.n_fonts == 1 && made.n_left_out == 0);
    fig__json *row = row_of(ctx, dir, "0041");
    expect_key(row, "file_name", "capital-a/dejavu-sans.png");
    expect_key(row, "text", "capital a, dejavu sans");
    expect_key(row, "label", "A");
    expect_key(row, "font", "DejaVu Sans");
    fig__json_free(row);
    if (!load_png(ctx, dir, "at-sign/dejavu-sans.png", &at)) return;
    if (!load_png(ctx, dir, "full-stop/dejavu-sans.png", &dot)) return;
    EXPECT(at.w == 32 && at.h == 32 && at.c == 1 && ink(&at) > 3 * ink(&dot) && ink(&dot) > 255);
    for (size_t i = 0; i < 32; i++) EXPECT(!at.data[i] && !at.data[i * 32] && !at.data[i * 32 + 31]); /* a margin */
    EXPECT(!dot.data[12 * 32 + 16] && dot.data[23 * 32 + 16]); /* on the base line, not in the middle */
    fig__image_free(ctx, &at);
    fig__image_free(ctx, &dot);
    fig_pictures_info info;
    fig_pictures_options prepare = fig_pictures_options_default();
    prepare.paths = &dir, prepare.n_paths = 1, prepare.out_dir = out;
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &prepare, &info));
    EXPECT(info.size == 32 && info.channels == 1 && info.n_classes == 94 && info.n_captions == 94);
}

/* Bytes changed and ends cut off: refused or drawn, whatever comes of it. */
TEST(broken_fonts) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out"), *path = in_dir(dir, "broken.ttf");
    fig_pictures_make_options o = {.out_dir = out, .fonts = &path, .n_fonts = 1, .unicode_dir = small_list(ctx)};
    const char *names[] = {DEJAVU, NOTO};
    if (!has_glyphs || !has_emoji) SKIP("no FreeType or no HarfBuzz");
    for (size_t k = 0; k < FIG_COUNT(names); k++) {
        fig__buf font;
        uint32_t x = 1;
        if (!fig__path_exists(names[k])) SKIP("no fonts-dejavu-core or no fonts-noto-color-emoji");
        EXPECT_OK(ctx, fig__file_read(ctx, names[k], 1 << 26, &font));
        for (int i = 0; i < 24; i++) {
            size_t len = i % 3 ? font.len : font.len / 24 * (size_t)i;
            for (int n = 0; n < 40; n++) /* tables stand in the first kilobytes, and so do most of the changes */
                x = x * 1664525 + 1013904223, font.data[x % (n % 4 ? 4096 : font.len)] ^= (char)(x >> 24);
            EXPECT_OK(ctx, fig__file_put(ctx, path, font.data, len));
            (k ? fig_pictures_make_emoji : fig_pictures_make_glyphs)(ctx, &o, NULL);
            EXPECT_OK(ctx, fig__dir_remove(ctx, out));
        }
        fig__buf_deinit(&font);
    }
}

TEST(glyphs_that_cannot_be_made) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = in_dir(dir, "out"), *font = in_dir(dir, "fonts");
    fig_pictures_make_options o = {.out_dir = out, .fonts = &font, .n_fonts = 1};
    EXPECT_EQ_I(fig_pictures_make_glyphs(ctx, &o, NULL), FIG_ERR_NOTFOUND);
    EXPECT(error_has(ctx, "is missing"));
    put_text(ctx, dir, "fonts/a.ttf", "no font");
    EXPECT_EQ_I(fig_pictures_make_glyphs(ctx, &o, NULL), has_glyphs ? FIG_ERR_NOTFOUND : FIG_ERR_UNSUPPORTED);
    EXPECT(error_has(ctx, has_glyphs ? "fonts-dejavu-core" : "libfreetype-dev"));
    font = in_dir(dir, "fonts/a.ttf");
    EXPECT_EQ_I(fig_pictures_make_glyphs(ctx, &o, NULL), has_glyphs ? FIG_ERR_FORMAT : FIG_ERR_UNSUPPORTED);
    EXPECT(!fig__path_exists(out));
}
