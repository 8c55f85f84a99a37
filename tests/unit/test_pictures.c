/* Folders, archives and arrays of pictures, prepared and read again. */
#include "check.h"
#include <fcntl.h>
#include <fig/pictures.h>
#include <math.h>
#include <sys/stat.h>
#include "base/file.h"
#include "data/pictures/source.h"
#include "media/image/image.h"

/* --- made here --------------------------------------------------------------------------------------------------*/

/* A square of one colour, as a PNG. */
static void write_png(fig_context *ctx, const char *path, size_t w, size_t h, size_t c, uint8_t value) {
    fig__image image;
    fig__buf file;
    char dir[4096];
    snprintf(dir, sizeof dir, "%.*s", (int)(fig__path_base(path) - path), path);
    EXPECT_OK(ctx, fig__mkdirs(ctx, dir));
    EXPECT_OK(ctx, fig__image_new(ctx, w, h, c, &image));
    memset(image.data, value, w * h * c);
    fig__buf_init(&file, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__png_encode(ctx, &image, NULL, 0, &file));
    EXPECT_OK(ctx, fig__file_write(ctx, path, file.data, file.len));
    fig__buf_deinit(&file);
    fig__image_free(ctx, &image);
}
static void write_text(fig_context *ctx, const char *path, const char *text) {
    EXPECT_OK(ctx, fig__file_write(ctx, path, text, strlen(text)));
}

static fig_status prepare(fig_context *ctx, const char *path, const char *out, fig_pictures_info *info) {
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = &path, o.n_paths = 1, o.out_dir = out, o.val_fraction = 0;
    return fig_pictures_prepare(ctx, &o, info);
}

/* The picture of a split with this first sample; -1: none. */
static int64_t find(const fig_pictures *p, fig_data_split split, uint8_t value) {
    for (uint64_t i = 0; i < fig_pictures_get_info(p)->n[split]; i++)
        if (*fig_pictures_pixels(p, split, i) == value) return (int64_t)i;
    return -1;
}

TEST(folders_say_class_and_split_and_metadata_the_caption) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    write_png(ctx, check_path(dir, "train/cats/a.png"), 8, 8, 3, 10);
    write_png(ctx, check_path(dir, "train/dogs/a.png"), 8, 8, 3, 20);
    write_png(ctx, check_path(dir, "test/dogs/b.png"), 8, 8, 3, 30);
    write_text(ctx, check_path(dir, "train/cats/a.txt"), "a small \\ cat\nmore about it\n");
    write_text(ctx, check_path(dir, "metadata.jsonl"),
               "{\"file_name\": \"test/dogs/b.png\", \"text\": \"two\\nlines\"}\n\n");
    write_text(ctx, check_path(dir, "notes.md"), "no picture");
    fig_pictures_info info;
    fig_pictures *p;
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    EXPECT(info.size == 8 && info.channels == 3 && info.n[0] == 2 && info.n[1] == 1 && info.n_classes == 2);
    EXPECT_EQ_I(info.n_captions, 2);
    EXPECT_EQ_I(info.n_other, 1);
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    int64_t cat = find(p, FIG_SPLIT_TRAIN, 10), dog = find(p, FIG_SPLIT_VAL, 30);
    if (EXPECT(cat >= 0 && dog >= 0 && find(p, FIG_SPLIT_TRAIN, 20) >= 0)) {
        EXPECT_EQ_S(fig_pictures_class_name(p, fig_pictures_class(p, FIG_SPLIT_TRAIN, (uint64_t)cat)), "cats");
        EXPECT_EQ_S(fig_pictures_class_name(p, fig_pictures_class(p, FIG_SPLIT_VAL, (uint64_t)dog)), "dogs");
        EXPECT_EQ_S(fig_pictures_caption(p, FIG_SPLIT_TRAIN, (uint64_t)cat), "a small \\ cat");
        EXPECT_EQ_S(fig_pictures_caption(p, FIG_SPLIT_VAL, (uint64_t)dog), "two\nlines");
    }
    fig_pictures_close(p);
}

/* Of other sizes and kinds: cut to squares, brought to 64; what only some have decides for all. */
TEST(sizes_and_channels) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    write_png(ctx, check_path(dir, "wide.png"), 100, 30, 1, 90);
    write_png(ctx, check_path(dir, "colour.png"), 70, 70, 3, 91);
    fig_pictures_info info;
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    EXPECT(info.size == 64 && info.channels == 3);
    fig_pictures *p;
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    for (int value = 90; value < 92; value++) {
        int64_t at = find(p, FIG_SPLIT_TRAIN, (uint8_t)value);
        if (!EXPECT(at >= 0)) continue;
        const uint8_t *samples = fig_pictures_pixels(p, FIG_SPLIT_TRAIN, (uint64_t)at);
        for (size_t i = 0; i < 64 * 64 * 3; i++) EXPECT(samples[i] == value);
    }
    fig_pictures_close(p);
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = &dir, o.n_paths = 1, o.out_dir = out, o.size = 16, o.channels = 1;
    EXPECT_EQ_I(fig_pictures_prepare(ctx, &o, &info), FIG_ERR_EXISTS);
    o.force = true;
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, &info));
    EXPECT(info.size == 16 && info.channels == 1);
}

/* A copy of the files carries other times; a training that goes on must not take it for other pictures. */
TEST(copies_are_the_same_pictures) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a.png"), *out = check_path(check_tmpdir(), "out");
    const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    fig_pictures_info info;
    write_png(ctx, path, 8, 8, 1, 90);
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    EXPECT_EQ_I(utimensat(AT_FDCWD, path, long_ago, 0), 0);
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    EXPECT_EQ_I(info.n[FIG_SPLIT_TRAIN] + info.n[FIG_SPLIT_VAL], 1);
    write_png(ctx, path, 8, 8, 1, 91);
    EXPECT_EQ_I(prepare(ctx, dir, out, &info), FIG_ERR_EXISTS);
    write_png(ctx, path, 8, 8, 1, 90);
    write_png(ctx, check_path(dir, "b.png"), 8, 8, 1, 90);
    EXPECT_EQ_I(prepare(ctx, dir, out, &info), FIG_ERR_EXISTS);
}

/* --- arrays -----------------------------------------------------------------------------------------------------*/

TEST(idx_with_labels) {
    static const char images[] = "\0\0\x08\x03\0\0\0\x03\0\0\0\x02\0\0\0\x02"
                                 "aaaabbbbcccc",
                      labels[] = "\0\0\x08\x01\0\0\0\x03\x07\x02\x05";
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "train-images-idx3-ubyte"),
               *out = check_path(check_tmpdir(), "out");
    EXPECT_OK(ctx, fig__file_write(ctx, path, images, sizeof images - 1));
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "train-labels-idx1-ubyte"), labels, sizeof labels - 1));
    fig_pictures_info info;
    fig_pictures *p;
    EXPECT_OK(ctx, prepare(ctx, path, out, &info));
    EXPECT(info.size == 2 && info.channels == 1 && info.n[FIG_SPLIT_TRAIN] == 3 && info.n_classes == 8);
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    EXPECT_EQ_I(fig_pictures_class(p, FIG_SPLIT_TRAIN, 1), 2);
    EXPECT(!memcmp(fig_pictures_pixels(p, FIG_SPLIT_TRAIN, 2), "cccc", 4));
    fig_pictures_close(p);
    EXPECT_OK(ctx, fig__file_write(ctx, path, images, sizeof images - 2)); /* cut short */
    EXPECT_EQ_I(prepare(ctx, path, check_path(dir, "other"), &info), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "cut short") && !fig__path_exists(check_path(dir, "other")));
}

TEST(npy) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "x.npy");
    static const struct {
        const char *header;
        size_t n_bytes, size, channels;
    } cases[] = {{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 9), }", 18, 3, 1},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2, 3), }", 24, 2, 3},
                 {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9), }", 72, 0, 0},
                 {"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 9), }", 18, 0, 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8), }", 16, 0, 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 9), }", 18, 0, 0}};
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        char file[256] = "\x93NUMPY\x01";
        size_t len = strlen(cases[i].header) + 1;
        fig_pictures_info info = {0};
        memset(file + 10, 7, sizeof file - 10);
        file[7] = 0, file[8] = (char)len, file[9] = 0;
        memcpy(file + 10, cases[i].header, len - 1);
        file[9 + len] = '\n';
        EXPECT_OK(ctx, fig__file_write(ctx, path, file, 10 + len + cases[i].n_bytes));
        fig_status status = prepare(ctx, path, check_path(check_tmpdir(), "out"), &info);
        if (!EXPECT((status == FIG_OK) == (cases[i].size > 0)))
            fprintf(stderr, "    %s: %s\n", cases[i].header, fig_error(ctx));
        EXPECT(info.size == cases[i].size && info.channels == cases[i].channels);
    }
}

/* --- archives ---------------------------------------------------------------------------------------------------*/

#define GOLDEN "tests/golden/pictures/" /* made by make_golden.py there */

static void expect_sample(const fig_pictures *p, fig_data_split split, uint8_t value, int32_t class, const char *text) {
    int64_t at = find(p, split, value);
    if (!EXPECT(at >= 0)) return;
    EXPECT_EQ_I(fig_pictures_class(p, split, (uint64_t)at), class);
    EXPECT_EQ_S(fig_pictures_caption(p, split, (uint64_t)at), text);
    EXPECT(fig_pictures_pixels(p, split, (uint64_t)at)[3] == value);
}

static void expect_webdataset(fig_context *ctx, const char *path) {
    fig_pictures_info info;
    fig_pictures *p;
    const char *out = check_path(check_tmpdir(), "out");
    if (!EXPECT_OK(ctx, prepare(ctx, path, out, &info)) || !EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    EXPECT(info.size == 2 && info.channels == 1 && info.n[FIG_SPLIT_TRAIN] == 4 && info.n[FIG_SPLIT_VAL] == 1);
    EXPECT(info.n_classes == 8 && info.n_captions == 4 && info.n_broken == 0);
    EXPECT_EQ_I(info.n_other, 2); /* notes.md, and a second picture of one stem */
    expect_sample(p, FIG_SPLIT_TRAIN, 10, 3, "a small cat");
    expect_sample(p, FIG_SPLIT_TRAIN, 11, 5, "ein H\xc3\xbcndchen");
    expect_sample(p, FIG_SPLIT_TRAIN, 12, -1, "two pictures, the first counts");
    expect_sample(p, FIG_SPLIT_TRAIN, 13, 7, "from json"); /* which says its split too */
    expect_sample(p, FIG_SPLIT_VAL, 14, -1, "");
    fig_pictures_close(p);
}

TEST(webdataset_in_tar_and_zip) {
    fig_context *ctx = check_context();
    const char *plain = check_path(check_tmpdir(), "plain.tar");
    fig__buf tar;
    fig__buf_init(&tar, ctx, 1 << 20);
    expect_webdataset(ctx, GOLDEN "webdataset.tar.xz");
    expect_webdataset(ctx, GOLDEN "webdataset.zip");
    EXPECT_OK(ctx, fig__unpack_file(ctx, GOLDEN "webdataset.tar.xz", 1 << 20, &tar));
    EXPECT_OK(ctx, fig__file_write(ctx, plain, tar.data, tar.len));
    expect_webdataset(ctx, plain);
    fig__buf_deinit(&tar);
}

TEST(folders_in_a_zip) {
    fig_context *ctx = check_context();
    const char *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    if (!EXPECT_OK(ctx, prepare(ctx, GOLDEN "folders.zip", out, &info))) return;
    EXPECT(info.n[FIG_SPLIT_TRAIN] == 2 && info.n[FIG_SPLIT_VAL] == 1 && info.n_classes == 2 && info.n_other == 0);
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    EXPECT_EQ_S(fig_pictures_class_name(p, 0), "set/cats");
    expect_sample(p, FIG_SPLIT_TRAIN, 20, 0, "a cat");
    expect_sample(p, FIG_SPLIT_TRAIN, 21, 1, "");
    expect_sample(p, FIG_SPLIT_VAL, 22, 1, "");
    fig_pictures_close(p);
}

/* Cut anywhere: refused, or what stands before the cut. Never a folder that is half of something. */
TEST(archives_cut_short) {
    static const char *const names[] = {"webdataset.tar.xz", "webdataset.zip"};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(dir, "out");
    for (size_t i = 0; i < FIG_COUNT(names); i++) {
        fig_pictures_info info;
        fig__buf file;
        char golden[64];
        snprintf(golden, sizeof golden, GOLDEN "%s", names[i]);
        if (!EXPECT_OK(ctx, fig__file_read(ctx, golden, 1 << 20, &file))) return;
        for (size_t len = 1; len < file.len; len += 61) {
            EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, names[i]), file.data, len));
            fig_status status = prepare(ctx, check_path(dir, names[i]), out, &info);
            EXPECT(fig__path_exists(out) == (status == FIG_OK));
            EXPECT_OK(ctx, fig__dir_remove(ctx, out));
        }
        fig__buf_deinit(&file);
    }
}

/* An empty text is none; metadata that is broken says so. */
TEST(captions_beside_pictures) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    write_png(ctx, check_path(dir, "a.png"), 2, 2, 1, 9);
    for (int i = 0; i < 3; i++) { /* several, each longer */
        char name[16], text[64] = "";
        snprintf(name, sizeof name, "%d.png", i);
        write_png(ctx, check_path(dir, name), 2, 2, 1, (uint8_t)i);
        snprintf(name, sizeof name, "%d.txt", i);
        memset(text, 'x', (size_t)i * 20);
        write_text(ctx, check_path(dir, name), text);
    }
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    EXPECT_EQ_I(info.n_captions, 2);
    write_text(ctx, check_path(dir, "metadata.jsonl"),
               "{\"file_name\": \"a.png\", \"text\": \"words\"}\n{\"text\": 1}\n");
    EXPECT_EQ_I(prepare(ctx, dir, check_path(dir, "other"), &info), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "file_name"));
}

/* Blank lines to the end of a page, behind which nothing is mapped. */
TEST(metadata_ends_with_its_page) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    fig_pictures_info info;
    char *text = malloc(page);
    if (!text) return;
    memset(text, ' ', page);
    text[10] = '\n';
    write_png(ctx, check_path(dir, "a.png"), 2, 2, 1, 9);
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "metadata.jsonl"), text, page));
    EXPECT_OK(ctx, prepare(ctx, dir, check_path(check_tmpdir(), "out"), &info));
    free(text);
}

/* One of them is said each time; the first is the picture's where only one can be. */
TEST(several_captions) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    write_png(ctx, check_path(dir, "a.png"), 2, 2, 1, 1);
    write_png(ctx, check_path(dir, "b.png"), 2, 2, 1, 2);
    write_png(ctx, check_path(dir, "c.png"), 2, 2, 1, 3);
    write_text(
        ctx, check_path(dir, "metadata.jsonl"),
        "{\"file_name\": \"a.png\", \"text\": \"cat\", \"captions\": [\"cat\", \"\", 7, \"a\\u001fcat\\nsits\"]}\n"
        "{\"file_name\": \"b.png\", \"text\": \"dog\", \"captions\": []}\n");
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    EXPECT_EQ_I(info.n_captions, 2);
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    static const char *const first[] = {"cat", "dog", ""};
    for (int c = 0; c < 3; c++) {
        uint64_t i = (uint64_t)find(p, FIG_SPLIT_TRAIN, (uint8_t)(c + 1));
        EXPECT_EQ_S(fig_pictures_caption(p, FIG_SPLIT_TRAIN, i), first[c]);
        EXPECT_EQ_I(fig_pictures_n_captions_of(p, FIG_SPLIT_TRAIN, i), c ? 1 : 2);
        EXPECT_EQ_S(fig_pictures_caption_of(p, FIG_SPLIT_TRAIN, i, 5), c ? first[c] : "a cat\nsits");
    }
    fig_pictures_close(p);
}

/* --- attributes -------------------------------------------------------------------------------------------------*/

/* Nine pictures, of which the metadata say more and more: "kind" of all but the first, "late" of the last. */
static const char *described_pictures(fig_context *ctx) {
    const char *dir = check_tmpdir();
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    for (int i = 0; i < 9; i++) {
        char name[64], more[200] = "", line[400];
        snprintf(name, sizeof name, "%s/%d.png", i < 6 ? "train" : "val", i);
        write_png(ctx, check_path(dir, name), 4, 4, 1, (uint8_t)(10 + i));
        if (i) snprintf(more, sizeof more, ", \"kind\": \"%s\"", i % 2 ? "odd" : "even");
        if (i == 8) snprintf(more + strlen(more), sizeof more - strlen(more), ", \"late\": \"yes\", \"number\": 3");
        snprintf(line, sizeof line, "{\"file_name\": \"%s\", \"text\": \"picture %d\"%s}\n", name, i, more);
        EXPECT_OK(ctx, fig__buf_adds(&text, line));
    }
    write_text(ctx, check_path(dir, "metadata.jsonl"), fig__buf_str(&text));
    fig__buf_deinit(&text);
    return dir;
}

TEST(metadata_become_attributes) {
    fig_context *ctx = check_context();
    const char *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    EXPECT_OK(ctx, prepare(ctx, described_pictures(ctx), out, &info));
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    size_t kind, late;
    EXPECT_EQ_I(fig_pictures_n_attributes(p), 2);
    if (EXPECT_OK(ctx, fig_pictures_find_attribute(p, "kind", &kind)) &&
        EXPECT_OK(ctx, fig_pictures_find_attribute(p, "late", &late))) {
        EXPECT_EQ_I(fig_pictures_n_values(p, kind), 2);
        for (int split = 0; split < 2; split++)
            for (uint64_t i = 0; i < info.n[split]; i++) {
                int number = fig_pictures_pixels(p, (fig_data_split)split, i)[0] - 10;
                int32_t v = fig_pictures_attribute(p, (fig_data_split)split, i, kind);
                EXPECT_EQ_S(fig_pictures_value_name(p, kind, v), !number ? "" : number % 2 ? "odd" : "even");
                EXPECT_EQ_I(fig_pictures_attribute(p, (fig_data_split)split, i, late), number == 8 ? 0 : -1);
            }
    }
    EXPECT_EQ_I(fig_pictures_find_attribute(p, "colour", &kind), FIG_ERR_NOTFOUND);
    EXPECT(strstr(fig_error(ctx), "kind and late"));
    fig_pictures_close(p);
}

TEST(some_of_the_pictures) {
    fig_context *ctx = check_context();
    const char *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    EXPECT_OK(ctx, prepare(ctx, described_pictures(ctx), out, &info));
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    EXPECT_EQ_I(fig_pictures_select(p, FIG_SPLIT_VAL, "kind", "strange"), FIG_ERR_NOTFOUND);
    EXPECT(strstr(fig_error(ctx), "odd and even"));
    EXPECT_EQ_I(fig_pictures_select(p, FIG_SPLIT_VAL, "kind", ""), FIG_ERR_NOTFOUND);
    EXPECT_EQ_I(fig_pictures_get_info(p)->n[FIG_SPLIT_VAL], 3);
    EXPECT_OK(ctx, fig_pictures_select(p, FIG_SPLIT_VAL, "kind", "even")); /* 6 and 8 */
    EXPECT_EQ_I(fig_pictures_get_info(p)->n[FIG_SPLIT_VAL], 2);
    EXPECT_EQ_I(fig_pictures_get_info(p)->n[FIG_SPLIT_TRAIN], 6);
    EXPECT_OK(ctx, fig_pictures_select(p, FIG_SPLIT_VAL, "late", "yes")); /* 8 */
    EXPECT_EQ_I(fig_pictures_get_info(p)->n[FIG_SPLIT_VAL], 1);
    EXPECT_EQ_I(fig_pictures_pixels(p, FIG_SPLIT_VAL, 0)[0], 18);
    EXPECT_EQ_S(fig_pictures_caption(p, FIG_SPLIT_VAL, 0), "picture 8");
    EXPECT_OK(ctx, fig_pictures_select(p, FIG_SPLIT_TRAIN, "kind", "")); /* 0 */
    EXPECT_EQ_I(fig_pictures_get_info(p)->n[FIG_SPLIT_TRAIN], 1);
    EXPECT_EQ_I(fig_pictures_pixels(p, FIG_SPLIT_TRAIN, 0)[0], 10);
    fig_pictures_close(p);
}

/* A key with more values than an attribute has is left out, the others stay. */
TEST(free_text_is_no_attribute) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    for (int i = 0; i < 300; i++) {
        char name[32], path[4200], line[200];
        snprintf(name, sizeof name, "%03d.png", i);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        write_png(ctx, path, 1, 1, 1, 7);
        snprintf(line, sizeof line, "{\"file_name\": \"%s\", \"serial\": \"n%d\", \"of\": \"%d\"}\n", name, i, i % 5);
        EXPECT_OK(ctx, fig__buf_adds(&text, line));
    }
    write_text(ctx, check_path(dir, "metadata.jsonl"), fig__buf_str(&text));
    fig__buf_deinit(&text);
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    if (EXPECT_EQ_I(fig_pictures_n_attributes(p), 1)) EXPECT_EQ_S(fig_pictures_attribute_name(p, 0), "of");
    fig_pictures_close(p);
}

/* --- broken ones ------------------------------------------------------------------------------------------------*/

TEST(a_few_broken_are_counted_and_many_stop) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_pictures_info info;
    char name[64];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "good%02d.png", i);
        write_png(ctx, check_path(dir, name), 8, 8, 1, (uint8_t)i);
    }
    write_text(ctx, check_path(dir, "bad.png"), "\x89PNG\r\n\x1a\nrubbish");
    EXPECT_OK(ctx, prepare(ctx, dir, check_path(check_tmpdir(), "out"), &info));
    EXPECT(info.n[FIG_SPLIT_TRAIN] == 12 && info.n_broken == 1 && strstr(info.first_broken, "bad.png"));
    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "more%02d.png", i);
        write_text(ctx, check_path(dir, name), "\x89PNG\r\n\x1a\nrubbish");
    }
    EXPECT_EQ_I(prepare(ctx, dir, check_path(dir, "out"), &info), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "more than one in ten") && strstr(fig_error(ctx), "bad.png"));
    EXPECT(!fig__path_exists(check_path(dir, "out")));
}

TEST(nothing_to_read) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    EXPECT_EQ_I(prepare(ctx, dir, out, &info), FIG_ERR_FORMAT);
    EXPECT_EQ_I(prepare(ctx, check_path(dir, "missing"), out, &info), FIG_ERR_NOTFOUND);
    write_text(ctx, check_path(dir, "a.txt"), "words");
    EXPECT_EQ_I(prepare(ctx, check_path(dir, "a.txt"), out, &info), FIG_ERR_FORMAT);
    EXPECT(!fig__path_exists(out));
}

/* The same again does nothing; another folder with a manifest cut short says so. */
TEST(prepared_once) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info first, second;
    fig_pictures *p;
    write_png(ctx, check_path(dir, "a.png"), 8, 8, 1, 1);
    EXPECT_OK(ctx, prepare(ctx, dir, out, &first));
    EXPECT(fig_pictures_is_prepared(out) && !fig_dataset_is_prepared(out));
    EXPECT_OK(ctx, prepare(ctx, dir, out, &second));
    EXPECT_EQ_S(first.data_sha256, second.data_sha256);
    write_text(ctx, check_path(out, "train.captions"), "\n\n\n");
    EXPECT_EQ_I(fig_pictures_open(ctx, out, &p), FIG_ERR_FORMAT);
    write_text(ctx, check_path(out, "train.bin"), "short");
    EXPECT_EQ_I(fig_pictures_open(ctx, out, &p), FIG_ERR_FORMAT);
    EXPECT(!p && strstr(fig_error(ctx), "prepare the data again"));
}

/* Every picture once in an epoch, in another order in the next. */
TEST(epochs) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    char name[32];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%02d.png", i);
        write_png(ctx, check_path(dir, name), 4, 4, 1, (uint8_t)i);
    }
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    uint64_t seen[2] = {0}, same = 0;
    for (uint64_t i = 0; i < 40; i++) seen[i / 20] |= (uint64_t)1 << fig_pictures_sample(p, FIG_SPLIT_TRAIN, 7, i);
    for (uint64_t i = 0; i < 20; i++)
        same += fig_pictures_sample(p, FIG_SPLIT_TRAIN, 7, i) == fig_pictures_sample(p, FIG_SPLIT_TRAIN, 7, i + 20);
    EXPECT(seen[0] == (1 << 20) - 1 && seen[1] == (1 << 20) - 1 && same < 10);
    fig_pictures_close(p);
}

/* Three, nine and 81 of a class: in balance each comes a third of the time, half way as often as roots tell. */
TEST(rare_classes_come_more_often) {
    static const size_t sizes[] = {3, 9, 81};
    static const double strengths[] = {0, 0.5, 1}, roots[] = {1.7320508, 3, 9};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *out = check_path(check_tmpdir(), "out");
    fig_pictures_info info;
    fig_pictures *p;
    char path[4300];
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < sizes[c]; i++) {
            snprintf(path, sizeof path, "%s/%c/%02zu.png", dir, 'a' + c, i);
            write_png(ctx, path, 1, 1, 1, (uint8_t)i);
        }
    EXPECT_OK(ctx, prepare(ctx, dir, out, &info));
    if (!EXPECT_OK(ctx, fig_pictures_open(ctx, out, &p))) return;
    for (size_t s = 0; s < FIG_COUNT(strengths); s++) {
        double of_class[3] = {0}, least = 1e9, most = 0, of_picture[93] = {0};
        EXPECT_OK(ctx, fig_pictures_balance(p, strengths[s]));
        for (uint64_t i = 0; i < 930; i++) {
            uint64_t at = fig_pictures_sample(p, FIG_SPLIT_TRAIN, 5, i);
            of_class[fig_pictures_class(p, FIG_SPLIT_TRAIN, at)]++;
            of_picture[at]++;
        }
        for (int c = 0; c < 3; c++) {
            double want = s == 0 ? 10.0 * (double)sizes[c] : s == 1 ? 930 * roots[c] / 13.7320508 : 310;
            EXPECT_NEAR(of_class[c], want, s ? 20 : 0); /* ten epochs, each less than one off at either end */
        }
        for (size_t i = 0; i < 93; i++) least = fmin(least, of_picture[i]), most = fmax(most, of_picture[i]);
        EXPECT(least >= (s ? 1 : 10) && most <= (s == 2 ? 115 : s ? 55 : 10));
    }
    fig_pictures_close(p);
}
