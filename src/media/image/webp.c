/* media/image/webp.c: WebP through libwebp and libwebpmux, the only file that includes their headers. */
#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux.h>
#include "media/image/image.h"

static bool probe(const uint8_t *head, size_t len) {
    return len >= 12 && !memcmp(head, "RIFF", 4) && !memcmp(head + 8, "WEBP", 4);
}

static fig_status decode(fig_context *ctx, const char *name, const uint8_t *data, size_t len, fig__image *out) {
    WebPBitstreamFeatures f;
    VP8StatusCode code = WebPGetFeatures(data, len, &f);
    FIG_CHECK(ctx, code == VP8_STATUS_OK, FIG_ERR_FORMAT, "%s: broken WebP, or cut short", name);
    FIG_CHECK(ctx, !f.has_animation, FIG_ERR_UNSUPPORTED, "%s: an animation; only still pictures are read", name);
    FIG_TRY(fig__image_size(ctx, name, (uint64_t)f.width, (uint64_t)f.height, f.has_alpha ? 4 : 3, out));
    size_t size = out->w * out->h * out->c;
    int stride = (int)(out->w * out->c);
    bool good = f.has_alpha ? WebPDecodeRGBAInto(data, len, out->data, size, stride) != NULL
                            : WebPDecodeRGBInto(data, len, out->data, size, stride) != NULL;
    FIG_CHECK(ctx, good, FIG_ERR_FORMAT, "%s: broken WebP, or cut short", name);
    return FIG_OK;
}
const fig__image_codec fig__webp_codec = {"webp", probe, decode};

/* --- animations -------------------------------------------------------------------------------------------------*/

#define MOST_FRAMES ((size_t)1 << 16)
#define EFFORT 4 /* of 6; 6 takes three times as long for a few hundredths */

static fig_status broken(fig_context *ctx, const char *what) {
    return FIG_FAIL(ctx, FIG_ERR_INTERNAL, "WebP: an animation cannot be made: %s", what);
}

static fig_status add_frame(fig_context *ctx, WebPAnimEncoder *encoder, const WebPConfig *config,
                            const fig__image *rgba, size_t at_ms) {
    WebPPicture picture;
    if (!WebPPictureInit(&picture)) return broken(ctx, "another version of libwebp");
    picture.use_argb = 1;
    picture.width = (int)rgba->w;
    picture.height = (int)rgba->h;
    bool good = WebPPictureImportRGBA(&picture, rgba->data, picture.width * 4) &&
                WebPAnimEncoderAdd(encoder, &picture, (int)at_ms, config);
    WebPPictureFree(&picture);
    return good ? FIG_OK : broken(ctx, WebPAnimEncoderGetError(encoder));
}

/* The picture of place i: forth 0 .. n - 1, back n - 2 .. 1. */
static size_t frame_of(size_t i, size_t n) { return i < n ? i : 2 * n - 2 - i; }

static fig_status add_frames(fig_context *ctx, WebPAnimEncoder *encoder, const fig__image *frames, size_t n,
                             const fig__animation *options) {
    WebPConfig config;
    if (!WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, EFFORT)) return broken(ctx, "no settings");
    size_t n_shown = options->back_and_forth && n > 2 ? 2 * n - 2 : n;
    for (size_t i = 0; i < n_shown; i++) {
        fig__image rgba;
        if (fig_cancelled(ctx)) return FIG_FAIL(ctx, FIG_ERR_CANCELLED, "cancelled");
        FIG_TRY(fig__image_channels(ctx, &frames[frame_of(i, n)], 4, &rgba));
        fig_status status = add_frame(ctx, encoder, &config, &rgba, i * options->delay_ms);
        fig__image_free(ctx, &rgba);
        FIG_TRY(status);
    }
    bool ended = WebPAnimEncoderAdd(encoder, NULL, (int)(n_shown * options->delay_ms), NULL);
    return ended ? FIG_OK : broken(ctx, WebPAnimEncoderGetError(encoder));
}

static fig_status with_xmp(fig_context *ctx, const WebPData *file, const char *xmp, fig__buf *out) {
    WebPData packet = {(const uint8_t *)xmp, strlen(xmp)}, whole = {NULL, 0};
    WebPMux *mux = WebPMuxCreate(file, 0);
    bool good =
        mux && WebPMuxSetChunk(mux, "XMP ", &packet, 0) == WEBP_MUX_OK && WebPMuxAssemble(mux, &whole) == WEBP_MUX_OK;
    fig_status status = good ? fig__buf_add(out, whole.bytes, whole.size) : broken(ctx, "out of memory");
    WebPDataClear(&whole);
    WebPMuxDelete(mux);
    return status;
}

static fig_status check_frames(fig_context *ctx, const fig__image *frames, size_t n, const fig__animation *options) {
    FIG_CHECK(ctx, n >= 1 && n <= MOST_FRAMES, FIG_ERR_ARG, "an animation of %zu pictures; 1 to %zu", n, MOST_FRAMES);
    FIG_CHECK(ctx, options->delay_ms >= 1 && options->delay_ms <= 60000, FIG_ERR_ARG,
              "an animation of %zu ms for each picture; 1 to 60000", options->delay_ms);
    FIG_CHECK(ctx, 2 * n * options->delay_ms <= INT32_MAX, FIG_ERR_LIMIT, "an animation of more than twelve days");
    size_t w = frames[0].w, h = frames[0].h;
    FIG_CHECK(ctx, w <= WEBP_MAX_DIMENSION && h <= WEBP_MAX_DIMENSION, FIG_ERR_LIMIT,
              "an animation of %zu x %zu; at most %d in each direction", w, h, WEBP_MAX_DIMENSION);
    for (size_t i = 1; i < n; i++)
        FIG_CHECK(ctx, frames[i].w == w && frames[i].h == h, FIG_ERR_SHAPE,
                  "an animation of pictures of %zu x %zu and of %zu x %zu; all must have one size", w, h, frames[i].w,
                  frames[i].h);
    return FIG_OK;
}

fig_status fig__webp_animate(fig_context *ctx, const fig__image *frames, size_t n, const fig__animation *options,
                             fig__buf *out) {
    WebPAnimEncoderOptions settings;
    WebPData file = {NULL, 0};
    FIG_TRY(check_frames(ctx, frames, n, options));
    if (!WebPAnimEncoderOptionsInit(&settings)) return broken(ctx, "another version of libwebp");
    WebPAnimEncoder *encoder = WebPAnimEncoderNew((int)frames[0].w, (int)frames[0].h, &settings);
    if (!encoder) return FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory");
    fig_status status = add_frames(ctx, encoder, frames, n, options);
    if (!status && !WebPAnimEncoderAssemble(encoder, &file)) status = broken(ctx, WebPAnimEncoderGetError(encoder));
    if (!status)
        status = options->xmp ? with_xmp(ctx, &file, options->xmp, out) : fig__buf_add(out, file.bytes, file.size);
    WebPDataClear(&file);
    WebPAnimEncoderDelete(encoder);
    return status;
}
