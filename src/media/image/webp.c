/* media/image/webp.c: WebP through libwebp, the only file that includes its headers. */
#include <webp/decode.h>
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
