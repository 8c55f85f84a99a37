/* media/image/image.h: pictures in memory, their files, changes of size and of channels.
 *
 * A picture is 8-bit samples [h, w, c], top row first: grey, grey and alpha, RGB, or RGBA. Values are as the file has
 * them: no colour management, alpha not multiplied in. */
#ifndef FIG_IMAGE_H
#define FIG_IMAGE_H
#include "base/buf.h"

#define FIG__IMAGE_MAX_PIXELS ((size_t)1 << 27) /* of one file: what says more is taken for a bomb */

typedef struct fig__image {
    uint8_t *data; /* [h, w, c]; fig__image_free */
    size_t w, h, c;
} fig__image;

fig_status fig__image_new(fig_context *ctx, size_t w, size_t h, size_t c, fig__image *out); /* zeros */
void fig__image_free(fig_context *ctx, fig__image *image);

/* --- files ------------------------------------------------------------------------------------------------------*/
/* PNG, JPEG or WebP, whatever the name says. FIG_ERR_FORMAT for anything else, what is broken or cut short;
 * FIG_ERR_LIMIT for too many pixels. One line with `name` on the context. The orientation that a camera notes in a JPEG
 * is applied. Of an animation nothing is read. */
fig_status fig__image_decode(fig_context *ctx, const char *name, const void *data, size_t len, fig__image *out);
/* "png", "jpeg", "webp", or NULL: by the first bytes; 16 are enough. */
const char *fig__image_format(const void *head, size_t len);

typedef struct fig__png_text {
    const char *key, *value; /* Latin-1 keys of 1 to 79 bytes; UTF-8 values. ASCII becomes tEXt, the rest iTXt */
} fig__png_text;
fig_status fig__png_encode(fig_context *ctx, const fig__image *image, const fig__png_text *texts, size_t n_texts,
                           fig__buf *out);
/* The value of a text of a PNG file as UTF-8, appended to `out`, whose max is the limit; FIG_ERR_NOTFOUND when there is
 * none of that key before the pixels. */
fig_status fig__png_text_read(fig_context *ctx, const char *name, const void *data, size_t len, const char *key,
                              fig__buf *out);

/* One file of many pictures, shown one after the other for ever: animated WebP, without loss but for the colour of what
 * is wholly transparent. Why WebP: browsers, phones and current viewers play it, it keeps all colours and alpha where
 * GIF has 256 colours and none, and it is smaller than APNG; and it takes no library that is not here already. */
typedef struct fig__animation {
    size_t delay_ms;     /* of every frame, 1 .. 60000; browsers slow down anything under 20 */
    bool back_and_forth; /* after the last one those before it, down to the second */
    const char *xmp;     /* a packet to go with it (fig__record_xmp), or NULL */
} fig__animation;
/* All frames of one size. A single one becomes a still picture. Returns FIG_ERR_CANCELLED when asked to stop. */
fig_status fig__webp_animate(fig_context *ctx, const fig__image *frames, size_t n, const fig__animation *options,
                             fig__buf *out);

/* --- changes ----------------------------------------------------------------------------------------------------*/
/* Grey is the luma of ITU-R 601; what becomes opaque stands on white. */
fig_status fig__image_channels(fig_context *ctx, const fig__image *in, size_t c, fig__image *out);
/* With an antialiasing filter (triangle), rounded; alpha is multiplied in meanwhile, so that what is hidden does not
 * show at edges. */
fig_status fig__image_resize(fig_context *ctx, const fig__image *in, size_t w, size_t h, fig__image *out);
/* The largest square in the middle. */
fig_status fig__image_crop_square(fig_context *ctx, const fig__image *in, fig__image *out);

/* --- for the formats: one file each, one library behind it -------------------------------------------------------*/
typedef struct fig__image_codec {
    const char *name;
    bool (*probe)(const uint8_t *head, size_t len);
    fig_status (*decode)(fig_context *ctx, const char *name, const uint8_t *data, size_t len, fig__image *out);
} fig__image_codec;
extern const fig__image_codec fig__png_codec, fig__jpeg_codec, fig__webp_codec;
/* Checks the size that a header gives; the second also takes memory for it. */
fig_status fig__image_check(fig_context *ctx, const char *name, uint64_t w, uint64_t h);
fig_status fig__image_size(fig_context *ctx, const char *name, uint64_t w, uint64_t h, size_t c, fig__image *out);

#endif
