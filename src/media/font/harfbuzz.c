/* media/font/harfbuzz.c: which picture an emoji font has for a sequence of characters; the only file that includes
 * HarfBuzz's headers. Skin tones, joiners and flags are ligatures of the font: shaping finds their glyph. */
#include "base/file.h"
#include "media/font/font.h"

#ifdef FIG_HAVE_HARFBUZZ
#include <hb-ot.h>
#include <hb.h>

struct fig__emoji_font {
    fig_context *ctx;
    fig__mapping file;
    hb_face_t *face;
    hb_font_t *font;
    hb_buffer_t *buffer;
    hb_blob_t *png; /* the one given out last */
};

/* HarfBuzz never returns NULL, but empty objects, which then draw nothing. */
static fig_status open_face(fig__emoji_font *f, const char *path) {
    FIG_TRY(fig__file_map(f->ctx, path, &f->file));
    FIG_CHECK(f->ctx, f->file.size && f->file.size <= FIG__FONT_MAX_BYTES, FIG_ERR_FORMAT, "%s: no font: %zu bytes",
              path, f->file.size);
    hb_blob_t *blob =
        hb_blob_create((const char *)f->file.data, (unsigned)f->file.size, HB_MEMORY_MODE_READONLY, NULL, NULL);
    f->face = hb_face_create(blob, 0);
    hb_blob_destroy(blob);
    f->font = hb_font_create(f->face);
    f->buffer = hb_buffer_create();
    FIG_CHECK(f->ctx, hb_buffer_allocation_successful(f->buffer), FIG_ERR_NOMEM, "out of memory");
    FIG_CHECK(f->ctx, hb_face_get_glyph_count(f->face), FIG_ERR_FORMAT, "%s: no font", path);
    FIG_CHECK(f->ctx, hb_ot_color_has_png(f->face), FIG_ERR_UNSUPPORTED,
              "%s: a font without pictures in PNG; the package fonts-noto-color-emoji has one", path);
    return FIG_OK;
}

fig_status fig__emoji_font_open(fig_context *ctx, const char *path, fig__emoji_font **out) {
    fig__emoji_font *f = FIG_NEW(ctx, fig__emoji_font);
    *out = NULL;
    if (!f) return FIG_ERR_NOMEM;
    f->ctx = ctx;
    fig_status status = open_face(f, path);
    if (status)
        fig__emoji_font_close(f);
    else
        *out = f;
    return status;
}

void fig__emoji_font_close(fig__emoji_font *f) {
    if (!f) return;
    hb_blob_destroy(f->png); /* these accept NULL */
    hb_buffer_destroy(f->buffer);
    hb_font_destroy(f->font);
    hb_face_destroy(f->face);
    fig__file_unmap(&f->file);
    fig__free(f->ctx, f);
}

const uint8_t *fig__emoji_font_png(fig__emoji_font *f, const uint32_t *code_points, size_t n, size_t *len) {
    unsigned n_glyphs = 0, n_bytes = 0;
    hb_buffer_clear_contents(f->buffer);
    hb_buffer_add_utf32(f->buffer, code_points, (int)n, 0, (int)n);
    hb_buffer_guess_segment_properties(f->buffer);
    hb_buffer_set_language(f->buffer, hb_language_from_string("en", -1)); /* not the locale's */
    hb_shape(f->font, f->buffer, NULL, 0);
    const hb_glyph_info_t *glyphs = hb_buffer_get_glyph_infos(f->buffer, &n_glyphs);
    hb_blob_destroy(f->png);
    f->png = NULL;
    *len = 0;
    if (n_glyphs != 1 || !glyphs->codepoint) return NULL;
    f->png = hb_ot_color_glyph_reference_png(f->font, glyphs->codepoint);
    const char *data = hb_blob_get_data(f->png, &n_bytes);
    *len = n_bytes;
    return n_bytes ? (const uint8_t *)data : NULL;
}

#else

fig_status fig__emoji_font_open(fig_context *ctx, const char *path, fig__emoji_font **out) {
    *out = NULL;
    return FIG_FAIL(ctx, FIG_ERR_UNSUPPORTED,
                    "%s: this build reads no emoji fonts; install the package libharfbuzz-dev and build again", path);
}
void fig__emoji_font_close(fig__emoji_font *f) { (void)f; }
const uint8_t *fig__emoji_font_png(fig__emoji_font *f, const uint32_t *code_points, size_t n, size_t *len) {
    (void)f, (void)code_points, (void)n;
    *len = 0;
    return NULL;
}

#endif
