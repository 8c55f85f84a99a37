/* media/image/image.c: memory of pictures, the table of formats, channels. */
#include "media/image/image.h"

fig_status fig__image_new(fig_context *ctx, size_t w, size_t h, size_t c, fig__image *out) {
    *out = (fig__image){.w = w, .h = h, .c = c};
    out->data = fig__calloc(ctx, w * h, c);
    return out->data ? FIG_OK : FIG_ERR_NOMEM;
}

void fig__image_free(fig_context *ctx, fig__image *image) {
    fig__free(ctx, image->data);
    *image = (fig__image){0};
}

fig_status fig__image_check(fig_context *ctx, const char *name, uint64_t w, uint64_t h) {
    FIG_CHECK(ctx, w && h, FIG_ERR_FORMAT, "%s: a picture of no pixels", name);
    FIG_CHECK(ctx, w <= FIG__IMAGE_MAX_PIXELS / h, FIG_ERR_LIMIT,
              "%s: %llu x %llu pixels; at most %zu million are read", name, (unsigned long long)w,
              (unsigned long long)h, FIG__IMAGE_MAX_PIXELS / 1000000);
    return FIG_OK;
}

fig_status fig__image_size(fig_context *ctx, const char *name, uint64_t w, uint64_t h, size_t c, fig__image *out) {
    FIG_TRY(fig__image_check(ctx, name, w, h));
    return fig__image_new(ctx, (size_t)w, (size_t)h, c, out);
}

/* --- formats ----------------------------------------------------------------------------------------------------*/

static const fig__image_codec *const codecs[] = {&fig__png_codec, &fig__jpeg_codec, &fig__webp_codec};

static const fig__image_codec *codec_of(const void *head, size_t len) {
    for (size_t i = 0; i < FIG_COUNT(codecs); i++)
        if (codecs[i]->probe(head, len)) return codecs[i];
    return NULL;
}

const char *fig__image_format(const void *head, size_t len) {
    const fig__image_codec *codec = codec_of(head, len);
    return codec ? codec->name : NULL;
}

fig_status fig__image_decode(fig_context *ctx, const char *name, const void *data, size_t len, fig__image *out) {
    const fig__image_codec *codec = codec_of(data, len);
    *out = (fig__image){0};
    FIG_CHECK(ctx, codec, FIG_ERR_FORMAT, "%s: no picture; PNG, JPEG and WebP are read", name);
    fig_status status = codec->decode(ctx, name, data, len, out);
    if (status) fig__image_free(ctx, out);
    return status;
}

/* --- channels ---------------------------------------------------------------------------------------------------*/

static uint8_t luma(const uint8_t *rgb) { return (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000); }

static uint8_t on_white(uint8_t v, uint8_t alpha) { return (uint8_t)((v * alpha + 255 * (255 - alpha) + 127) / 255); }

/* One pixel as RGBA, then as what is asked for. */
static void convert_pixel(const uint8_t *from, size_t c_from, uint8_t *to, size_t c_to) {
    bool colour = c_from >= 3;
    uint8_t p[4] = {from[0], from[colour ? 1 : 0], from[colour ? 2 : 0], c_from % 2 ? 255 : from[c_from - 1]};
    for (int i = 0; i < 3 && c_to % 2; i++) p[i] = on_white(p[i], p[3]);
    if (c_to >= 3)
        memcpy(to, p, c_to);
    else
        to[0] = colour ? luma(p) : p[0];
    if (c_to == 2) to[1] = p[3];
}

fig_status fig__image_channels(fig_context *ctx, const fig__image *in, size_t c, fig__image *out) {
    FIG_TRY(fig__image_new(ctx, in->w, in->h, c, out));
    for (size_t i = 0; i < in->w * in->h; i++) {
        if (c == in->c)
            memcpy(out->data + i * c, in->data + i * c, c);
        else
            convert_pixel(in->data + i * in->c, in->c, out->data + i * c, c);
    }
    return FIG_OK;
}

fig_status fig__image_crop_square(fig_context *ctx, const fig__image *in, fig__image *out) {
    size_t side = FIG_MIN(in->w, in->h), x = (in->w - side) / 2, y = (in->h - side) / 2;
    FIG_TRY(fig__image_new(ctx, side, side, in->c, out));
    for (size_t row = 0; row < side; row++)
        memcpy(out->data + row * side * in->c, in->data + ((y + row) * in->w + x) * in->c, side * in->c);
    return FIG_OK;
}
