/* media/image/jpeg.c: JPEG through libjpeg-turbo, the only file that includes turbojpeg.h; and the orientation that
 * cameras note in Exif (JEITA CP-3451, tag 0x0112) instead of turning the picture. */
#include <turbojpeg.h>
#include "media/image/image.h"

static bool probe(const uint8_t *head, size_t len) {
    return len >= 3 && head[0] == 0xff && head[1] == 0xd8 && head[2] == 0xff;
}

/* --- orientation ------------------------------------------------------------------------------------------------*/

typedef struct bytes {
    const uint8_t *data;
    size_t len;
    bool little;
} bytes;

static uint32_t number(const bytes *b, size_t at, size_t n) { /* 0 past the end */
    uint32_t v = 0;
    if (at > b->len || n > b->len - at) return 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | b->data[at + (b->little ? n - 1 - i : i)];
    return v;
}

/* The first directory of a TIFF block. */
static int orientation_of(bytes tiff) {
    tiff.little = tiff.len > 8 && tiff.data[0] == 'I';
    size_t at = number(&tiff, 4, 4), n = number(&tiff, at, 2);
    for (size_t i = 0; i < n && at + 14 + i * 12 <= tiff.len; i++)
        if (number(&tiff, at + 2 + i * 12, 2) == 0x0112) return (int)number(&tiff, at + 10 + i * 12, 2);
    return 1;
}

/* Segments before the first scan; APP1 with "Exif" holds the block. */
static int find_orientation(const uint8_t *data, size_t len) {
    bytes all = {data, len, false};
    for (size_t at = 2; at + 4 <= len && data[at] == 0xff && data[at + 1] != 0xda;) {
        size_t size = number(&all, at + 2, 2), room = len - at - 2;
        if (size < 2 || size > room) break;
        if (data[at + 1] == 0xe1 && size > 8 && !memcmp(data + at + 4, "Exif\0\0", 6))
            return orientation_of((bytes){data + at + 10, size - 8, false});
        at += 2 + size;
    }
    return 1;
}

/* 2 to 4 mirror or turn by half; 5 to 8 exchange rows and columns first. */
static fig_status turn(fig_context *ctx, int orientation, fig__image *image) {
    fig__image to;
    bool exchange = orientation >= 5,
         flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7,
         flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    if (orientation < 2 || orientation > 8) return FIG_OK;
    FIG_TRY(fig__image_new(ctx, exchange ? image->h : image->w, exchange ? image->w : image->h, image->c, &to));
    for (size_t y = 0; y < to.h; y++)
        for (size_t x = 0; x < to.w; x++) {
            size_t u = flip_x ? to.w - 1 - x : x, v = flip_y ? to.h - 1 - y : y;
            size_t from = exchange ? u * image->w + v : v * image->w + u;
            memcpy(to.data + (y * to.w + x) * to.c, image->data + from * to.c, to.c);
        }
    fig__image_free(ctx, image);
    *image = to;
    return FIG_OK;
}

/* --- decoding ---------------------------------------------------------------------------------------------------*/

/* Printers' colours, inverted as Adobe writes them, to RGB. */
static fig_status from_cmyk(fig_context *ctx, fig__image *image) {
    fig__image rgb;
    FIG_TRY(fig__image_new(ctx, image->w, image->h, 3, &rgb));
    for (size_t i = 0; i < image->w * image->h; i++)
        for (size_t k = 0; k < 3; k++)
            rgb.data[3 * i + k] = (uint8_t)((image->data[4 * i + k] * image->data[4 * i + 3] + 127) / 255);
    fig__image_free(ctx, image);
    *image = rgb;
    return FIG_OK;
}

static fig_status decompress(fig_context *ctx, tjhandle tj, const char *name, const uint8_t *data, size_t len,
                             fig__image *out) {
    int w, h, sampling, space;
    FIG_CHECK(ctx, !tjDecompressHeader3(tj, data, len, &w, &h, &sampling, &space), FIG_ERR_FORMAT,
              "%s: broken JPEG: %s", name, tjGetErrorStr2(tj));
    bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK, grey = space == TJCS_GRAY;
    FIG_TRY(fig__image_size(ctx, name, (uint64_t)w, (uint64_t)h, cmyk ? 4 : grey ? 1 : 3, out));
    int format = cmyk ? TJPF_CMYK : grey ? TJPF_GRAY : TJPF_RGB;
    FIG_CHECK(ctx, !tjDecompress2(tj, data, len, out->data, w, 0, h, format, TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS),
              FIG_ERR_FORMAT, "%s: broken JPEG, or cut short: %s", name, tjGetErrorStr2(tj));
    return cmyk ? from_cmyk(ctx, out) : FIG_OK;
}

static fig_status decode(fig_context *ctx, const char *name, const uint8_t *data, size_t len, fig__image *out) {
    tjhandle tj = tjInitDecompress();
    if (!tj) return FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory");
    fig_status status = decompress(ctx, tj, name, data, len, out);
    tjDestroy(tj);
    return status ? status : turn(ctx, find_orientation(data, len), out);
}
const fig__image_codec fig__jpeg_codec = {"jpeg", probe, decode};
