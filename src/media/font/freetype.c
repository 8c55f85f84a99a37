/* media/font/freetype.c: characters drawn from outlines in grey, without hinting; the only file that includes
 * FreeType's headers. */
#include "base/file.h"
#include "media/font/font.h"

#ifdef FIG_HAVE_FREETYPE2
#include <ft2build.h>
#include FT_BBOX_H
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#define UNITS 64 /* of FreeType, to a pixel */
#define MAX_FACES 256

struct fig__outline_font {
    fig_context *ctx;
    fig__mapping file;
    FT_Library library;
    FT_Face face;
    size_t size;
    FT_Pos base_line; /* above the lower edge, in units */
};

static fig_status open_face(fig__outline_font *f, const char *path, size_t index, size_t *n_faces) {
    FIG_TRY(fig__file_map(f->ctx, path, &f->file));
    FIG_CHECK(f->ctx, f->file.size && f->file.size <= FIG__FONT_MAX_BYTES, FIG_ERR_FORMAT, "%s: no font: %zu bytes",
              path, f->file.size);
    FIG_CHECK(f->ctx, !FT_Init_FreeType(&f->library), FIG_ERR_NOMEM, "out of memory");
    FT_Error bad =
        FT_New_Memory_Face(f->library, f->file.data, (FT_Long)f->file.size, (FT_Long)(index % MAX_FACES), &f->face);
    FIG_CHECK(f->ctx, !bad, FIG_ERR_FORMAT, "%s: no font that FreeType reads (error %d)", path, bad);
    *n_faces = (size_t)FIG_MIN(FIG_MAX(f->face->num_faces, 1), MAX_FACES);
    FIG_CHECK(f->ctx, FT_IS_SCALABLE(f->face) && f->face->units_per_EM, FIG_ERR_FORMAT, "%s: a font without outlines",
              path);
    return FIG_OK;
}

fig_status fig__outline_font_open(fig_context *ctx, const char *path, size_t index, fig__outline_font **out,
                                  size_t *n_faces) {
    fig__outline_font *f = FIG_NEW(ctx, fig__outline_font);
    *out = NULL;
    *n_faces = 0;
    if (!f) return FIG_ERR_NOMEM;
    f->ctx = ctx;
    fig_status status = open_face(f, path, index, n_faces);
    if (status)
        fig__outline_font_close(f);
    else
        *out = f;
    return status;
}

void fig__outline_font_close(fig__outline_font *f) {
    if (!f) return;
    if (f->face) FT_Done_Face(f->face);
    if (f->library) FT_Done_FreeType(f->library);
    fig__file_unmap(&f->file);
    fig__free(f->ctx, f);
}

const char *fig__outline_font_family(const fig__outline_font *f) { return f->face->family_name; }
const char *fig__outline_font_style(const fig__outline_font *f) { return f->face->style_name; }

/* The outline of a character in the slot of the face; NULL when there is none. */
static FT_Outline *load(const fig__outline_font *f, uint32_t character, FT_Int32 flags, FT_BBox *box) {
    FT_UInt glyph = FT_Get_Char_Index(f->face, character);
    if (!glyph || FT_Load_Glyph(f->face, glyph, flags | FT_LOAD_NO_BITMAP)) return NULL;
    if (f->face->glyph->format != FT_GLYPH_FORMAT_OUTLINE) return NULL;
    FT_Outline *outline = &f->face->glyph->outline;
    if (FT_Outline_Get_BBox(outline, box)) return NULL;
    return box->xMax > box->xMin && box->yMax > box->yMin ? outline : NULL;
}

bool fig__outline_font_fit(fig__outline_font *f, const uint32_t *characters, size_t n, size_t size, size_t margin) {
    double low = 1e9, high = -1e9, width = 0; /* in units of the font */
    FT_BBox box;
    for (size_t i = 0; i < n; i++) {
        if (!load(f, characters[i], FT_LOAD_NO_SCALE, &box)) return false;
        low = FIG_MIN(low, (double)box.yMin), high = FIG_MAX(high, (double)box.yMax);
        width = FIG_MAX(width, (double)(box.xMax - box.xMin));
    }
    double em = f->face->units_per_EM, scale = (double)(size - 2 * margin) / FIG_MAX(high - low, width); /* pixels */
    f->size = size;
    f->base_line = (FT_Pos)(((double)size - (high + low) * scale) / 2 * UNITS);
    return em * scale < 4096 && !FT_Set_Char_Size(f->face, 0, (FT_F26Dot6)(em * scale * UNITS), 72, 72);
}

fig_status fig__outline_font_draw(fig__outline_font *f, uint32_t character, fig__image *out) {
    FT_BBox box;
    FIG_TRY(fig__image_new(f->ctx, f->size, f->size, 1, out));
    FT_Outline *outline = load(f, character, FT_LOAD_NO_HINTING, &box);
    FT_Bitmap bitmap = {.rows = (unsigned)f->size,
                        .width = (unsigned)f->size,
                        .pitch = (int)f->size,
                        .buffer = out->data,
                        .num_grays = 256,
                        .pixel_mode = FT_PIXEL_MODE_GRAY};
    if (outline) FT_Outline_Translate(outline, ((FT_Pos)f->size * UNITS - box.xMin - box.xMax) / 2, f->base_line);
    if (outline && !FT_Outline_Get_Bitmap(f->library, outline, &bitmap)) return FIG_OK; /* what lies outside is cut */
    fig__image_free(f->ctx, out);
    return FIG_FAIL(f->ctx, FIG_ERR_FORMAT, "U+%04X: the font's outline cannot be drawn", (unsigned)character);
}

#else

fig_status fig__outline_font_open(fig_context *ctx, const char *path, size_t index, fig__outline_font **out,
                                  size_t *n_faces) {
    (void)index;
    *out = NULL;
    *n_faces = 0;
    return FIG_FAIL(ctx, FIG_ERR_UNSUPPORTED,
                    "%s: this build draws no fonts; install the package libfreetype-dev and build again", path);
}
void fig__outline_font_close(fig__outline_font *f) { (void)f; }
const char *fig__outline_font_family(const fig__outline_font *f) { return (void)f, NULL; }
const char *fig__outline_font_style(const fig__outline_font *f) { return (void)f, NULL; }
bool fig__outline_font_fit(fig__outline_font *f, const uint32_t *characters, size_t n, size_t size, size_t margin) {
    return (void)f, (void)characters, (void)n, (void)size, (void)margin, false;
}
fig_status fig__outline_font_draw(fig__outline_font *f, uint32_t character, fig__image *out) {
    return (void)f, (void)character, (void)out, FIG_ERR_UNSUPPORTED;
}

#endif
