/* media/font/font.h: fonts as makers of pictures: the colour pictures that an emoji font holds, and characters drawn
 * from outlines. Both libraries are optional when building: without one its functions fail with FIG_ERR_UNSUPPORTED and
 * name the package. Font files may hold anything. */
#ifndef FIG_FONT_H
#define FIG_FONT_H
#include "media/image/image.h"

#define FIG__FONT_MAX_BYTES ((size_t)256 << 20)

/* --- pictures of sequences: harfbuzz.c --------------------------------------------------------------------------*/
typedef struct fig__emoji_font fig__emoji_font;

/* FIG_ERR_FORMAT for what is no font, FIG_ERR_UNSUPPORTED for one that holds no PNG pictures. */
fig_status fig__emoji_font_open(fig_context *ctx, const char *path, fig__emoji_font **out);
void fig__emoji_font_close(fig__emoji_font *font);
/* The PNG file for a sequence that the font draws as one glyph; valid until the next call. NULL when it does not. */
const uint8_t *fig__emoji_font_png(fig__emoji_font *font, const uint32_t *code_points, size_t n, size_t *len);

/* --- characters from outlines: freetype.c -----------------------------------------------------------------------*/
typedef struct fig__outline_font fig__outline_font;

/* Face `index` of a file, which has *n_faces. FIG_ERR_FORMAT for what is no font or has no outlines. */
fig_status fig__outline_font_open(fig_context *ctx, const char *path, size_t index, fig__outline_font **out,
                                  size_t *n_faces);
void fig__outline_font_close(fig__outline_font *font);
/* What the file says, NULL where it says nothing. Any bytes. */
const char *fig__outline_font_family(const fig__outline_font *font);
const char *fig__outline_font_style(const fig__outline_font *font);
/* Picks scale and base line so that all of these characters fit into a square of `size` with `margin` around; false
 * when the font lacks one of them or draws nothing for it. */
bool fig__outline_font_fit(fig__outline_font *font, const uint32_t *characters, size_t n, size_t size, size_t margin);
/* After fit: grey, 0 where there is no ink, centred from left to right. */
fig_status fig__outline_font_draw(fig__outline_font *font, uint32_t character, fig__image *out);

#endif
