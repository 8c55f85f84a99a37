/* media/image/png.c: PNG through libpng, the only file that includes png.h. Every kind becomes 8-bit grey, grey and
 * alpha, RGB or RGBA. libpng reports errors by longjmp; everything that must be given back lives outside of the
 * functions that it jumps out of. */
#include <png.h>
#include <setjmp.h>
#include <zlib.h>
#include "media/image/image.h"

typedef struct session {
    fig_context *ctx;
    const char *name;
    png_structp png;
    png_infop info;
    const uint8_t *data; /* reading */
    size_t len, at;
    fig__buf *out; /* writing */
    png_bytep *rows;
    fig_status status; /* of what failed in a call of ours; its message is on the context */
    char message[120];
} session;

static bool probe(const uint8_t *head, size_t len) { return len >= 8 && !png_sig_cmp(head, 0, 8); }

/* --- what libpng calls ------------------------------------------------------------------------------------------*/

static void on_error(png_structp png, png_const_charp message) {
    session *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    longjmp(png_jmpbuf(png), 1);
}
static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }
static png_voidp take(png_structp png, png_alloc_size_t size) {
    session *s = png_get_mem_ptr(png);
    void *p = fig__alloc(s->ctx, size);
    if (!p) s->status = FIG_ERR_NOMEM;
    return p;
}
static void give(png_structp png, png_voidp p) { fig__free(((session *)png_get_mem_ptr(png))->ctx, p); }
static void read_bytes(png_structp png, png_bytep to, size_t n) {
    session *s = png_get_io_ptr(png);
    if (n > s->len - s->at) png_error(png, "cut short");
    memcpy(to, s->data + s->at, n);
    s->at += n;
}
static void write_bytes(png_structp png, png_bytep from, size_t n) {
    session *s = png_get_io_ptr(png);
    s->status = fig__buf_add(s->out, from, n);
    if (s->status) png_error(png, "not written");
}
static void flush_bytes(png_structp png) { (void)png; }

/* --- sessions ---------------------------------------------------------------------------------------------------*/

static fig_status session_open(session *s, bool writing) {
    s->png = writing ? png_create_write_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, take, give)
                     : png_create_read_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, take, give);
    s->info = s->png ? png_create_info_struct(s->png) : NULL;
    if (!s->info) return FIG_ERR_NOMEM;
    if (writing)
        png_set_write_fn(s->png, s, write_bytes, flush_bytes);
    else
        png_set_read_fn(s->png, s, read_bytes);
    return FIG_OK;
}
static void session_close(session *s, bool writing) {
    if (writing)
        png_destroy_write_struct(&s->png, &s->info);
    else
        png_destroy_read_struct(&s->png, &s->info, NULL);
    fig__free(s->ctx, s->rows);
}
static fig_status failed(const session *s) {
    if (s->status) return s->status;
    return FIG_FAIL(s->ctx, FIG_ERR_FORMAT, "%s: broken PNG: %s", s->name, s->message);
}

/* --- reading ----------------------------------------------------------------------------------------------------*/

/* libpng takes memory for what a chunk says its length is before it reads it, so all must be there. */
static bool chunks_are_whole(const uint8_t *data, size_t len) {
    for (size_t at = 8; at + 12 <= len;) {
        size_t size = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (!memcmp(data + at + 4, "IEND", 4)) return true;
        if (size > len - at - 12) return false;
        at += 12 + size;
    }
    return false;
}

/* What a text or a colour profile may unpack to. n_texts: how many texts are kept; 0: they are skipped. */
#define CHUNK_MAX ((size_t)4 << 20)
static void set_limits(session *s, unsigned n_texts) {
    png_set_user_limits(s->png, 1 << 24, 1 << 24);
    png_set_chunk_malloc_max(s->png, CHUNK_MAX);
    png_set_chunk_cache_max(s->png, n_texts + 1); /* 1 is none, 0 is no limit */
}

/* Palettes to colours, few bits to 8, 16 to 8, a transparent colour to alpha. */
static fig_status read_header(session *s, fig__image *out) {
    if (setjmp(png_jmpbuf(s->png))) return failed(s);
    set_limits(s, 0);
    png_read_info(s->png, s->info);
    /* Before libpng takes memory for a row. */
    FIG_TRY(
        fig__image_check(s->ctx, s->name, png_get_image_width(s->png, s->info), png_get_image_height(s->png, s->info)));
    png_set_expand(s->png);
    png_set_scale_16(s->png);
    png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    return fig__image_size(s->ctx, s->name, png_get_image_width(s->png, s->info), png_get_image_height(s->png, s->info),
                           png_get_channels(s->png, s->info), out);
}
static fig_status read_rows(session *s) {
    if (setjmp(png_jmpbuf(s->png))) return failed(s);
    png_read_image(s->png, s->rows);
    png_read_end(s->png, NULL);
    return FIG_OK;
}
static fig_status list_rows(session *s, const fig__image *image) {
    s->rows = FIG_NEW_N(s->ctx, png_bytep, image->h);
    if (!s->rows) return FIG_ERR_NOMEM;
    for (size_t y = 0; y < image->h; y++) s->rows[y] = image->data + y * image->w * image->c;
    return FIG_OK;
}

static fig_status decode(fig_context *ctx, const char *name, const uint8_t *data, size_t len, fig__image *out) {
    session s = {.ctx = ctx, .name = name, .data = data, .len = len};
    FIG_CHECK(ctx, chunks_are_whole(data, len), FIG_ERR_FORMAT, "%s: broken PNG: cut short", name);
    fig_status status = session_open(&s, false);
    if (!status) status = read_header(&s, out);
    if (!status) status = list_rows(&s, out);
    if (!status) status = read_rows(&s);
    session_close(&s, false);
    return status;
}
const fig__image_codec fig__png_codec = {"png", probe, decode};

#define MAX_TEXTS_READ 64
static fig_status read_texts(session *s) {
    if (setjmp(png_jmpbuf(s->png))) return failed(s);
    set_limits(s, MAX_TEXTS_READ);
    png_read_info(s->png, s->info); /* ours stand before the pixels */
    return FIG_OK;
}
/* tEXt and zTXt are Latin-1. */
static fig_status add_utf8(const png_text *text, fig__buf *out) {
    bool utf8 = text->compression >= PNG_ITXT_COMPRESSION_NONE;
    for (const char *p = text->text; *p; p++) {
        uint8_t c = (uint8_t)*p;
        if (c >= 0x80 && !utf8) {
            FIG_TRY(fig__buf_addc(out, (char)(0xc0 | c >> 6)));
            c = 0x80 | (c & 0x3f);
        }
        FIG_TRY(fig__buf_addc(out, (char)c));
    }
    return FIG_OK;
}
fig_status fig__png_text_read(fig_context *ctx, const char *name, const void *data, size_t len, const char *key,
                              fig__buf *out) {
    session s = {.ctx = ctx, .name = name, .data = data, .len = len};
    png_textp texts = NULL;
    int n = 0;
    FIG_CHECK(ctx, probe(data, len), FIG_ERR_FORMAT, "%s: no PNG", name);
    FIG_CHECK(ctx, chunks_are_whole(data, len), FIG_ERR_FORMAT, "%s: broken PNG: cut short", name);
    fig_status status = session_open(&s, false);
    if (!status) status = read_texts(&s);
    if (!status) png_get_text(s.png, s.info, &texts, &n);
    int i = 0;
    while (i < n && strcmp(texts[i].key, key) != 0) i++;
    if (!status)
        status = i < n ? add_utf8(&texts[i], out) : FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: no %s in it", name, key);
    session_close(&s, false);
    return status;
}

/* --- writing ----------------------------------------------------------------------------------------------------*/

static fig_status write_all(session *s, const fig__image *image, png_textp texts, size_t n_texts) {
    static const int kinds[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                PNG_COLOR_TYPE_RGB_ALPHA};
    if (setjmp(png_jmpbuf(s->png)))
        return s->status ? s->status : FIG_FAIL(s->ctx, FIG_ERR_INTERNAL, "PNG: %s", s->message);
    png_set_IHDR(s->png, s->info, (png_uint_32)image->w, (png_uint_32)image->h, 8, kinds[image->c], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (n_texts) png_set_text(s->png, s->info, texts, (int)n_texts);
    png_write_info(s->png, s->info);
    png_write_image(s->png, s->rows);
    png_write_end(s->png, NULL);
    return FIG_OK;
}

static bool is_ascii(const char *s) {
    while (*s && (uint8_t)*s < 0x80) s++;
    return !*s;
}

#define MAX_TEXTS 16
fig_status fig__png_encode(fig_context *ctx, const fig__image *image, const fig__png_text *texts, size_t n_texts,
                           fig__buf *out) {
    png_text list[MAX_TEXTS] = {{0}};
    session s = {.ctx = ctx, .out = out};
    FIG_CHECK(ctx, n_texts <= MAX_TEXTS && image->c >= 1 && image->c <= 4, FIG_ERR_ARG,
              "PNG: %zu texts and %zu channels; 16 and 4 are possible", n_texts, image->c);
    for (size_t i = 0; i < n_texts; i++) {
        union { /* libpng's struct has no const; it copies them */
            const char *from;
            char *to;
        } key = {texts[i].key}, value = {texts[i].value};
        int kind = is_ascii(texts[i].value) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        list[i] = (png_text){.compression = kind, .key = key.to, .text = value.to};
    }
    fig_status status = session_open(&s, true);
    if (!status) status = list_rows(&s, image);
    if (!status) status = write_all(&s, image, list, n_texts);
    session_close(&s, true);
    return status;
}
