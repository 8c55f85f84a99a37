/* Pictures against Pillow (tests/golden/make_images.py), broken ones, and PNG there and back. */
#include "check.h"
#include "base/file.h"
#include "files/safetensors.h"
#include "media/image/image.h"

#define FOLDER "tests/golden/images"

static fig_status load(fig_context *ctx, const char *name, fig__image *out) {
    char path[256];
    fig__mapping map;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    FIG_TRY(fig__file_map(ctx, path, &map));
    fig_status status = fig__image_decode(ctx, name, map.data, map.size, out);
    fig__file_unmap(&map);
    return status;
}

/* The largest difference of a sample. */
static int difference(const fig__image *image, const fig__weight *want) {
    const uint8_t *y = want->data;
    int worst = 0;
    if (want->ndim != 3 || want->shape[0] != image->h || want->shape[1] != image->w || want->shape[2] != image->c)
        return 999;
    for (size_t i = 0; i < want->numel; i++) worst = FIG_MAX(worst, abs(image->data[i] - y[i]));
    return worst;
}

/* Decoded sample by sample. Pillow resizes in fixed point and rounds between the axes; with alpha it also rounds what
 * it multiplies in, which dividing by an alpha of 75 makes up to 2 * 0.5 * 255 / 75 = 3.4. */
TEST(as_pillow_reads_them) {
    fig_context *ctx = check_context();
    fig__weights *values;
    if (!EXPECT_OK(ctx, fig__st_open(ctx, FOLDER "/values.safetensors", &values))) return;
    size_t n_files = 0;
    for (size_t i = 0; i < fig__weights_count(values); i++) {
        const fig__weight *want = fig__weights_at(values, i);
        char name[64];
        snprintf(name, sizeof name, "%s", want->name);
        char *small = strstr(name, ".small");
        if (small) *small = 0;
        fig__image image, resized;
        if (!EXPECT_OK(ctx, load(ctx, name, &image))) continue;
        if (small) {
            EXPECT_OK(ctx, fig__image_resize(ctx, &image, 5, 4, &resized));
            fig__image_free(ctx, &image);
            image = resized;
        }
        int d = difference(&image, want), allowed = !small ? 0 : image.c % 2 ? 1 : 4;
        if (!EXPECT(d <= allowed)) fprintf(stderr, "    %s differs by %d\n", want->name, d);
        fig__image_free(ctx, &image);
        n_files += !small;
    }
    EXPECT(n_files >= 28);
    fig__weights_close(values);
}

/* No file is read when its end is missing, and none crashes when a byte in it is another. */
TEST(cut_and_broken) {
    static const char *const names[] = {"rgba.png",  "palette.png",     "interlaced.png", "ycck.jpg",
                                        "plain.jpg", "progressive.jpg", "lossy.webp",     "lossless.webp"};
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(names); i++) {
        fig__buf file;
        fig__image image;
        char path[256];
        snprintf(path, sizeof path, FOLDER "/%s", names[i]);
        fig__buf_init(&file, ctx, 1 << 20);
        EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 20, &file));
        size_t lost = strstr(names[i], "png") ? 13 : strstr(names[i], "jpg") ? 30 : 5; /* more than an end mark */
        for (size_t len = 0; len + lost <= file.len; len += 1 + len / 7) {
            EXPECT(fig__image_decode(ctx, "cut", file.data, len, &image) != FIG_OK);
            EXPECT(!image.data && *fig_error(ctx) && !strchr(fig_error(ctx), '\n'));
        }
        for (size_t at = 0; at < file.len; at++) {
            file.data[at] ^= 0x55;
            if (!fig__image_decode(ctx, "broken", file.data, file.len, &image)) fig__image_free(ctx, &image);
            file.data[at] ^= 0x55;
        }
        fig__buf_deinit(&file);
    }
}

TEST(no_picture) {
    fig_context *ctx = check_context();
    fig__image image;
    EXPECT_EQ_I(fig__image_decode(ctx, "a.png", "hello", 5, &image), FIG_ERR_FORMAT);
    EXPECT_EQ_S(fig_error(ctx), "a.png: no picture; PNG, JPEG and WebP are read");
    EXPECT_EQ_I(fig__image_decode(ctx, "a.png", "", 0, &image), FIG_ERR_FORMAT);
    EXPECT(!fig__image_format("GIF89a..........", 16));
}

/* The first bytes of an RGBA picture of a size, with their check sum: header, an empty piece of the pixels, and the
 * end. */
static size_t png_head(uint32_t w, uint32_t h, uint8_t out[64]) {
    static const uint8_t start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    static const uint8_t end[] = {0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e,
                                  0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
    memcpy(out, start, sizeof start);
    for (int i = 0; i < 4; i++) {
        out[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        out[20 + i] = (uint8_t)(h >> (24 - 8 * i));
    }
    memcpy(out + 24, (uint8_t[]){8, 6, 0, 0, 0}, 5);
    uint32_t crc = 0xffffffff;
    for (int i = 12; i < 29; i++) {
        crc ^= out[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    for (int i = 0; i < 4; i++) out[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
    memcpy(out + 33, end, sizeof end);
    return 33 + sizeof end;
}

/* A header of a few bytes that promises gigabytes, and pictures of nothing. */
TEST(sizes) {
    static const struct {
        uint32_t w, h;
        fig_status status;
        const char *text;
    } cases[] = {{0x00f00000, 0x00f00000, FIG_ERR_LIMIT, "15728640 x 15728640 pixels; at most 134 million are read"},
                 {16384, 8193, FIG_ERR_LIMIT, "16384 x 8193 pixels"},
                 {1 << 30, 1, FIG_ERR_FORMAT, "Invalid IHDR data"},
                 {0, 5, FIG_ERR_FORMAT, "Invalid IHDR data"},
                 {5, 0, FIG_ERR_FORMAT, "Invalid IHDR data"},
                 {16, 16, FIG_ERR_FORMAT, "Not enough image data"}};
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        uint8_t file[64];
        fig__image image;
        uint64_t peak = fig_memory(ctx).bytes_peak;
        size_t len = png_head(cases[i].w, cases[i].h, file);
        EXPECT_EQ_I(fig__image_decode(ctx, "bomb.png", file, len, &image), cases[i].status);
        if (!EXPECT(strstr(fig_error(ctx), cases[i].text))) fprintf(stderr, "    %s\n", fig_error(ctx));
        EXPECT(!image.data && fig_memory(ctx).bytes_peak < peak + (1 << 20));
    }
}

/* The length of a chunk is not believed before it is there. */
TEST(a_long_chunk) {
    static const char *const kinds[] = {"tEXt", "zTXt", "iTXt", "iCCP", "sPLT", "eXIf", "tRNS", "fiGm"};
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(kinds); i++) {
        uint8_t file[64] = {0};
        fig__image image;
        fig__buf text;
        png_head(1, 1, file);
        memcpy(file + 33, (uint8_t[]){0x6e, 0, 0, 0}, 4);
        memcpy(file + 37, kinds[i], 4);
        fig__buf_init(&text, ctx, 1 << 20);
        uint64_t peak = fig_memory(ctx).bytes_peak;
        EXPECT_EQ_I(fig__image_decode(ctx, "long.png", file, sizeof file, &image), FIG_ERR_FORMAT);
        EXPECT_EQ_I(fig__png_text_read(ctx, "long.png", file, sizeof file, "figment", &text), FIG_ERR_FORMAT);
        if (!EXPECT(fig_memory(ctx).bytes_peak < peak + (5 << 20))) fprintf(stderr, "    %s\n", kinds[i]);
        fig__buf_deinit(&text);
    }
}

/* As many programs write them: height 0, to be told after the pixels. And a size in the header that is a lie. */
TEST(jpeg_sizes) {
    fig_context *ctx = check_context();
    fig__buf file;
    fig__image image;
    fig__buf_init(&file, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__file_read(ctx, FOLDER "/plain.jpg", 1 << 20, &file));
    uint8_t *frame = memmem(file.data, file.len, "\xff\xc0\0\x11\x08", 5);
    if (EXPECT(frame)) {
        frame[5] = frame[6] = 0;
        EXPECT_EQ_I(fig__image_decode(ctx, "flat.jpg", file.data, file.len, &image), FIG_ERR_FORMAT);
        memcpy(frame + 5, "\xff\xdc\xff\xdc", 4);
        EXPECT_EQ_I(fig__image_decode(ctx, "vast.jpg", file.data, file.len, &image), FIG_ERR_LIMIT);
    }
    fig__buf_deinit(&file);
}

TEST(moving_pictures_are_refused) {
    fig_context *ctx = check_context();
    fig__image image;
    EXPECT_EQ_I(load(ctx, "moving.webp", &image), FIG_ERR_UNSUPPORTED);
    EXPECT_EQ_S(fig_error(ctx), "moving.webp: an animation; only still pictures are read");
}

TEST(png_there_and_back) {
    fig_context *ctx = check_context();
    for (size_t c = 1; c <= 4; c++) {
        fig__image image, back;
        fig__buf file, text;
        const fig__png_text texts[] = {{"parameters", "a red apple\nSteps: 20, Seed: 7"}, {"figment", "{\"é\": 1}"}};
        EXPECT_OK(ctx, fig__image_new(ctx, 19, 7, c, &image));
        for (size_t i = 0; i < 19 * 7 * c; i++) image.data[i] = (uint8_t)(i * 37);
        fig__buf_init(&file, ctx, 1 << 20);
        fig__buf_init(&text, ctx, 1 << 10);
        EXPECT_OK(ctx, fig__png_encode(ctx, &image, texts, 2, &file));
        EXPECT_OK(ctx, fig__image_decode(ctx, "x", file.data, file.len, &back));
        EXPECT(back.w == 19 && back.h == 7 && back.c == c && !memcmp(back.data, image.data, 19 * 7 * c));
        EXPECT_OK(ctx, fig__png_text_read(ctx, "x", file.data, file.len, "figment", &text));
        EXPECT_EQ_S(fig__buf_str(&text), texts[1].value);
        EXPECT_EQ_I(fig__png_text_read(ctx, "x", file.data, file.len, "none", &text), FIG_ERR_NOTFOUND);
        EXPECT(fig__png_text_read(ctx, "x", file.data, 40, "figment", &text) != FIG_OK);
        fig__buf_deinit(&file), fig__buf_deinit(&text);
        fig__image_free(ctx, &image), fig__image_free(ctx, &back);
    }
}

/* What other programs read without knowing iTXt is tEXt where it can be; Latin-1 of others becomes UTF-8. */
TEST(png_texts) {
    static const uint8_t pixel = 0;
    fig_context *ctx = check_context();
    fig__image image = {.data = (uint8_t *)(uintptr_t)&pixel, .w = 1, .h = 1, .c = 1};
    const fig__png_text texts[] = {{"a", "plain"}, {"b", "caf\xc3\xa9"}, {"Comment", "cafe"}};
    fig__buf file, text;
    fig__buf_init(&file, ctx, 1 << 20);
    fig__buf_init(&text, ctx, 8);
    EXPECT_OK(ctx, fig__png_encode(ctx, &image, texts, 3, &file));
    EXPECT(memmem(file.data, file.len, "tEXta\0plain", 11) && memmem(file.data, file.len, "iTXtb\0", 6));
    uint8_t *comment = memmem(file.data, file.len, "Comment\0cafe", 12);
    if (EXPECT(comment)) {
        comment[11] = 0xe9;
        memcpy(comment + 12, "\x24\xad\xe5\xfe", 4);
    }
    EXPECT_OK(ctx, fig__png_text_read(ctx, "x", file.data, file.len, "Comment", &text));
    EXPECT_EQ_S(fig__buf_str(&text), "caf\xc3\xa9");
    EXPECT_EQ_I(fig__png_text_read(ctx, "x", file.data, file.len, "a", &text), FIG_ERR_LIMIT); /* 5 + 5 bytes */
    fig__buf_deinit(&file), fig__buf_deinit(&text);
}

TEST(channels) {
    fig_context *ctx = check_context();
    static const uint8_t rgba[8] = {255, 0, 0, 255, 10, 20, 30, 0}; /* red; nothing there */
    fig__image from = {.data = (uint8_t *)(uintptr_t)rgba, .w = 2, .h = 1, .c = 4}, to;
    static const uint8_t want[4][8] = {
        {76, 255}, {76, 255, 18, 0}, {255, 0, 0, 255, 255, 255}, {255, 0, 0, 255, 10, 20, 30, 0}};
    for (size_t c = 1; c <= 4; c++) {
        EXPECT_OK(ctx, fig__image_channels(ctx, &from, c, &to));
        EXPECT(!memcmp(to.data, want[c - 1], 2 * c));
        fig__image_free(ctx, &to);
    }
    static const uint8_t grey[2] = {7, 200};
    from = (fig__image){.data = (uint8_t *)(uintptr_t)grey, .w = 1, .h = 2, .c = 1};
    EXPECT_OK(ctx, fig__image_channels(ctx, &from, 4, &to));
    EXPECT(!memcmp(to.data, (uint8_t[]){7, 7, 7, 255, 200, 200, 200, 255}, 8));
    fig__image_free(ctx, &to);
}
