/* Grids, enlarged pictures, and animations, which are taken apart again. */
#include <webp/decode.h>
#include <webp/mux.h>
#include "check.h"
#include "media/image/grid.h"
#include "media/image/record.h"

/* Pictures that differ in every pixel. */
static fig__image picture(fig_context *ctx, size_t w, size_t h, size_t c, unsigned seed) {
    fig__image image;
    EXPECT_OK(ctx, fig__image_new(ctx, w, h, c, &image));
    for (size_t i = 0; i < w * h * c; i++) image.data[i] = (uint8_t)((i + 1) * 2654435761u * (seed + 1) >> 13);
    return image;
}

TEST(factors) {
    EXPECT_EQ_I(fig__image_factor(28, 28, 256), 9);
    EXPECT_EQ_I(fig__image_factor(28, 64, 256), 4);
    EXPECT_EQ_I(fig__image_factor(300, 28, 256), 1);
    EXPECT_EQ_I(fig__image_factor(0, 0, 1 << 20), 1024);
}

TEST(enlarged) {
    fig_context *ctx = check_context();
    fig__image in = picture(ctx, 5, 3, 2, 1), out;
    EXPECT_OK(ctx, fig__image_enlarge(ctx, &in, 3, &out));
    EXPECT(out.w == 15 && out.h == 9 && out.c == 2);
    for (size_t y = 0; y < out.h; y++)
        for (size_t x = 0; x < out.w; x++)
            EXPECT(!memcmp(out.data + (y * 15 + x) * 2, in.data + (y / 3 * 5 + x / 3) * 2, 2));
    fig__image_free(ctx, &out);
    EXPECT_EQ_I(fig__image_enlarge(ctx, &in, 0, &out), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__image_enlarge(ctx, &in, 1025, &out), FIG_ERR_ARG);
    in.w = in.h = 65536; /* never looked at */
    EXPECT_EQ_I(fig__image_enlarge(ctx, &in, 1024, &out), FIG_ERR_LIMIT);
    in.w = 5, in.h = 3;
    fig__image_free(ctx, &in);
}

static bool pixel_is(const fig__image *image, size_t x, size_t y, int r, int g, int b) {
    const uint8_t *p = image->data + (y * image->w + x) * 3;
    return p[0] == r && p[1] == g && p[2] == b;
}

/* Three pictures of 2 x 1, twice as large, in two columns with a margin of 1: 11 x 7. */
TEST(grid) {
    static uint8_t grey[] = {10, 20}, rgb[] = {255, 0, 0, 0, 0, 255}, rgba[] = {9, 9, 9, 0, 0, 200, 0, 128};
    fig_context *ctx = check_context();
    const fig__image images[] = {{grey, 2, 1, 1}, {rgb, 2, 1, 3}, {rgba, 2, 1, 4}};
    fig__grid grid = {.factor = 2, .margin = 1, .colour = {1, 2, 3}};
    fig__image out;
    EXPECT_OK(ctx, fig__image_grid(ctx, images, 3, &grid, &out));
    EXPECT(out.w == 11 && out.h == 7 && out.c == 3);
    EXPECT(pixel_is(&out, 0, 0, 1, 2, 3) && pixel_is(&out, 5, 1, 1, 2, 3) && pixel_is(&out, 1, 3, 1, 2, 3));
    EXPECT(pixel_is(&out, 1, 1, 10, 10, 10) && pixel_is(&out, 2, 2, 10, 10, 10) && pixel_is(&out, 3, 1, 20, 20, 20));
    EXPECT(pixel_is(&out, 6, 2, 255, 0, 0) && pixel_is(&out, 9, 1, 0, 0, 255) && pixel_is(&out, 10, 1, 1, 2, 3));
    EXPECT(pixel_is(&out, 1, 4, 255, 255, 255) && pixel_is(&out, 4, 5, 127, 227, 127)); /* on white */
    EXPECT(pixel_is(&out, 6, 4, 1, 2, 3) && pixel_is(&out, 9, 5, 1, 2, 3));             /* no fourth */
    fig__image_free(ctx, &out);
}

TEST(grid_on_a_chequerboard) {
    static uint8_t nothing[] = {0, 0, 0, 0};
    fig_context *ctx = check_context();
    fig__image image = {nothing, 1, 1, 4}, out;
    EXPECT_OK(ctx, fig__image_grid(ctx, &image, 1, &(fig__grid){.factor = 16, .chequered = true}, &out));
    EXPECT(out.w == 16 && out.h == 16);
    EXPECT(pixel_is(&out, 0, 0, 255, 255, 255) && pixel_is(&out, 7, 7, 255, 255, 255));
    EXPECT(pixel_is(&out, 8, 7, 204, 204, 204) && pixel_is(&out, 8, 8, 255, 255, 255));
    fig__image_free(ctx, &out);
}

TEST(grid_shapes) {
    static const size_t cases[][4] = {{1, 0, 1, 1},  {2, 0, 2, 1}, {5, 0, 3, 2}, {64, 0, 8, 8},
                                      {65, 0, 9, 8}, {7, 3, 3, 3}, {2, 9, 2, 1}}; /* pictures, asked, columns, rows */
    fig_context *ctx = check_context();
    fig__image images[65], out;
    uint8_t grey = 0;
    for (size_t i = 0; i < 65; i++) images[i] = (fig__image){&grey, 1, 1, 1};
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        EXPECT_OK(ctx, fig__image_grid(ctx, images, cases[i][0], &(fig__grid){.columns = cases[i][1]}, &out));
        EXPECT(out.w == cases[i][2] && out.h == cases[i][3]);
        fig__image_free(ctx, &out);
    }
    images[1].h = 2;
    EXPECT_EQ_I(fig__image_grid(ctx, images, 2, &(fig__grid){0}, &out), FIG_ERR_SHAPE);
    EXPECT_EQ_S(fig_error(ctx), "a grid of pictures of 1 x 1 and of 1 x 2; all must have one size");
    EXPECT_EQ_I(fig__image_grid(ctx, images, 0, &(fig__grid){0}, &out), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__image_grid(ctx, images, 1, &(fig__grid){.margin = 5000}, &out), FIG_ERR_ARG);
    images[0].w = (size_t)1 << 27;
    EXPECT_EQ_I(fig__image_grid(ctx, images, 1, &(fig__grid){.factor = 2}, &out), FIG_ERR_LIMIT);
}

/* --- animations -------------------------------------------------------------------------------------------------*/

typedef struct screen {
    fig__image rgba;
    WebPMuxFrameInfo frame; /* the last one */
} screen;

/* What a player does: the last frame is taken away where it says so, the next one laid over the rest. Where the encoder
 * blends, a pixel is either wholly new or wholly transparent. */
static bool show(screen *s, const WebPMux *mux, int i) {
    int w, h;
    fig__image *to = &s->rgba;
    bool clear = i && s->frame.dispose_method == WEBP_MUX_DISPOSE_BACKGROUND;
    WebPDataClear(&s->frame.bitstream);
    if (clear) memset(to->data, 0, to->w * to->h * 4); /* more than its rectangle is never needed here */
    if (WebPMuxGetFrame(mux, (uint32_t)i + 1, &s->frame) != WEBP_MUX_OK) return false;
    uint8_t *part = WebPDecodeRGBA(s->frame.bitstream.bytes, s->frame.bitstream.size, &w, &h);
    for (int p = 0; part && p < w * h; p++) {
        size_t x = (size_t)(s->frame.x_offset + p % w), y = (size_t)(s->frame.y_offset + p / w);
        if (s->frame.blend_method == WEBP_MUX_NO_BLEND || part[4 * p + 3])
            memcpy(to->data + (y * to->w + x) * 4, part + 4 * p, 4);
    }
    WebPFree(part);
    return part != NULL;
}

/* Every frame as shown against frames[order[i]]; the colour of what is transparent is nobody's. */
static void expect_frames(fig_context *ctx, const fig__buf *file, const fig__image *frames, const int *order, int n,
                          int delay) {
    WebPData data = {(const uint8_t *)file->data, file->len};
    WebPMux *mux = WebPMuxCreate(&data, 0);
    WebPMuxAnimParams params = {0};
    screen s = {0};
    int n_frames = 0;
    if (!EXPECT(mux && WebPMuxGetAnimationParams(mux, &params) == WEBP_MUX_OK)) return;
    WebPMuxNumChunks(mux, WEBP_CHUNK_ANMF, &n_frames);
    EXPECT_EQ_I(n_frames, n);
    EXPECT_EQ_I(params.loop_count, 0); /* for ever */
    EXPECT_OK(ctx, fig__image_new(ctx, frames->w, frames->h, 4, &s.rgba));
    for (int i = 0, n_wrong = 0; i < n && EXPECT(show(&s, mux, i)); i++) {
        fig__image want;
        EXPECT_EQ_I(s.frame.duration, delay);
        EXPECT_OK(ctx, fig__image_channels(ctx, &frames[order[i]], 4, &want));
        for (size_t p = 0; p < want.w * want.h; p++) {
            const uint8_t *a = s.rgba.data + 4 * p, *b = want.data + 4 * p;
            n_wrong += b[3] ? memcmp(a, b, 4) != 0 : a[3] != 0;
        }
        EXPECT_EQ_I(n_wrong, 0);
        fig__image_free(ctx, &want);
    }
    WebPDataClear(&s.frame.bitstream);
    fig__image_free(ctx, &s.rgba);
    WebPMuxDelete(mux);
}

TEST(animation_without_loss) {
    static const int forth[] = {0, 1, 2, 3}, and_back[] = {0, 1, 2, 3, 2, 1};
    fig_context *ctx = check_context();
    for (size_t c = 1; c <= 4; c++) {
        fig__image frames[4];
        fig__buf file;
        for (unsigned i = 0; i < 4; i++) frames[i] = picture(ctx, 21, 17, c, i);
        for (size_t i = 0; c % 2 == 0 && i < 21 * 17 / 2; i++) frames[2].data[i * c + c - 1] = 0;
        fig__buf_init(&file, ctx, 1 << 20);
        EXPECT_OK(ctx, fig__webp_animate(ctx, frames, 4, &(fig__animation){.delay_ms = 80}, &file));
        expect_frames(ctx, &file, frames, forth, 4, 80);
        fig__buf_clear(&file);
        fig__animation back = {.delay_ms = 7, .back_and_forth = true, .xmp = fig__record_xmp};
        EXPECT_OK(ctx, fig__webp_animate(ctx, frames, 4, &back, &file));
        expect_frames(ctx, &file, frames, and_back, 6, 7);
        EXPECT(memmem(file.data, file.len, "trainedAlgorithmicMedia", 23));
        fig__buf_deinit(&file);
        for (size_t i = 0; i < 4; i++) fig__image_free(ctx, &frames[i]);
    }
}

TEST(animation_of_one) {
    fig_context *ctx = check_context();
    fig__image frame = picture(ctx, 9, 4, 3, 5), back;
    fig__buf file;
    fig__buf_init(&file, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__webp_animate(ctx, &frame, 1, &(fig__animation){.delay_ms = 80, .back_and_forth = true}, &file));
    EXPECT_OK(ctx, fig__image_decode(ctx, "one.webp", file.data, file.len, &back));
    EXPECT(back.w == 9 && back.h == 4 && back.c == 3 && !memcmp(back.data, frame.data, 9 * 4 * 3));
    fig__image_free(ctx, &back), fig__image_free(ctx, &frame);
    fig__buf_deinit(&file);
}

TEST(animation_refused) {
    fig_context *ctx = check_context();
    uint8_t grey[2] = {0};
    const fig__image frames[] = {{grey, 1, 1, 1}, {grey, 2, 1, 1}, {grey, 16384, 1, 1}};
    fig__buf file;
    fig__buf_init(&file, ctx, 1 << 20);
    EXPECT_EQ_I(fig__webp_animate(ctx, frames, 2, &(fig__animation){.delay_ms = 1}, &file), FIG_ERR_SHAPE);
    EXPECT_EQ_I(fig__webp_animate(ctx, frames, 1, &(fig__animation){.delay_ms = 0}, &file), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__webp_animate(ctx, frames, 0, &(fig__animation){.delay_ms = 1}, &file), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__webp_animate(ctx, frames + 2, 1, &(fig__animation){.delay_ms = 1}, &file), FIG_ERR_LIMIT);
    fig_cancel(ctx);
    EXPECT_EQ_I(fig__webp_animate(ctx, frames, 1, &(fig__animation){.delay_ms = 1}, &file), FIG_ERR_CANCELLED);
    EXPECT_EQ_I(file.len, 0);
    fig__buf_deinit(&file);
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

static fig_status all_of_it(fig_context *ctx, const fig__image *images) {
    fig__image grid, large;
    fig__buf file;
    fig__buf_init(&file, ctx, 1 << 20);
    fig_status status = fig__image_grid(ctx, images, 3, &(fig__grid){.factor = 2}, &grid);
    if (!status) status = fig__image_enlarge(ctx, &grid, 2, &large);
    fig__image_free(ctx, &grid);
    if (!status) {
        fig__image_free(ctx, &large);
        status = fig__webp_animate(ctx, images, 3, &(fig__animation){.delay_ms = 9, .xmp = fig__record_xmp}, &file);
    }
    fig__buf_deinit(&file);
    return status;
}

TEST(out_of_memory) {
    fig_context *ctx = check_context();
    fig__image images[3];
    fig_status status = FIG_ERR_NOMEM;
    uint64_t n = 0;
    for (unsigned i = 0; i < 3; i++) images[i] = picture(ctx, 6, 5, i + 2, i);
    for (uint64_t before = fig_memory(ctx).bytes_now; status == FIG_ERR_NOMEM && n < 1000;) {
        fig__alloc_fail_after(ctx, ++n);
        status = all_of_it(ctx, images);
        EXPECT_EQ_I(fig_memory(ctx).bytes_now, before);
    }
    fig__alloc_fail_after(ctx, 0);
    EXPECT(status == FIG_OK && n > 5);
    for (unsigned i = 0; i < 3; i++) fig__image_free(ctx, &images[i]);
}
