/* cli/page.c: see page.h. */
#include "cli/page.h"
#include "media/image/image.h"
#include "media/text/utf8.h"

struct fig__page {
    fig_context *ctx;
    fig__writer *writer;
    bool in_row;       /* a row of pictures is open */
    fig_status status; /* the first failure that is not of writing */
};

/* The policy lets nothing be loaded or run, whatever a text may hold. */
static const char head[] =
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"generator\" content=\"figment " FIG_VERSION_STRING "\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; }\n"
    "body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; "
    "overflow-wrap: anywhere; }\n"
    "pre { font: 0.9rem/1.4 ui-monospace, monospace; white-space: pre-wrap; padding: 0.75rem; "
    "border: 1px solid GrayText; border-radius: 0.4rem; }\n"
    "figure { margin: 0 0 1rem; }\n"
    ".row { display: flex; flex-wrap: wrap; gap: 1rem; }\n"
    ".row figure { max-width: 100%; }\n"
    "img { max-width: 100%; height: auto; image-rendering: pixelated; }\n"
    "figcaption { font-size: 0.9rem; }\n"
    "</style>\n";

/* --- text -------------------------------------------------------------------------------------------------------*/

static const char *escape_of(uint32_t c) {
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Control characters, surrogates' neighbours and noncharacters may not stand in HTML (its standard, 13.2.3.5). */
static bool is_text(uint32_t c) {
    bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
    return !control && (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef);
}

static void add_text(fig__page *page, const char *s) {
    size_t left = strlen(s), len;
    for (; left; s += len, left -= len) {
        bool good = fig__utf8_next(s, left, &len) == FIG_UTF8_OK;
        uint32_t c = good ? fig__utf8_decode(s, len) : 0;
        const char *escaped = escape_of(c);
        if (c == '\r' && len < left && s[len] == '\n') continue; /* ends of lines as Windows has them */
        if (escaped)
            fig__writer_add(page->writer, escaped, strlen(escaped));
        else if (good && is_text(c))
            fig__writer_add(page->writer, s, len);
        else
            fig__writer_add(page->writer, "\xef\xbf\xbd", 3);
    }
}

static void add(fig__page *page, const char *markup) { fig__writer_add(page->writer, markup, strlen(markup)); }

static void add_element(fig__page *page, const char *name, const char *text) {
    fig__writer_printf(page->writer, "<%s dir=\"auto\">", name);
    add_text(page, text);
    fig__writer_printf(page->writer, "</%s>\n", name);
}

static void end_row(fig__page *page) {
    if (page->in_row) add(page, "</div>\n");
    page->in_row = false;
}

/* --- the page ---------------------------------------------------------------------------------------------------*/

fig_status fig__page_open(fig_context *ctx, const char *path, const char *title, fig__page **out) {
    *out = NULL;
    fig__page *page = FIG_NEW(ctx, fig__page);
    if (!page) return FIG_ERR_NOMEM;
    page->ctx = ctx;
    fig_status status = fig__writer_open(ctx, path, &page->writer);
    if (status) {
        fig__page_abort(page);
        return status;
    }
    add(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
    add_text(page, title);
    add(page, "</title>\n");
    add(page, head);
    add(page, "</head>\n<body>\n");
    add_element(page, "h1", title);
    *out = page;
    return FIG_OK;
}

void fig__page_heading(fig__page *page, const char *text) {
    end_row(page);
    add_element(page, "h2", text);
}

void fig__page_paragraph(fig__page *page, const char *text) {
    end_row(page);
    add_element(page, "p", text);
}

/* The line's end behind <pre> is no part of what it holds: HTML drops one, so the text keeps its own. */
void fig__page_sample(fig__page *page, const char *caption, const char *text) {
    end_row(page);
    add(page, "<figure>\n");
    if (caption) add_element(page, "figcaption", caption);
    add(page, "<pre dir=\"auto\">\n");
    add_text(page, text);
    add(page, "</pre>\n</figure>\n");
}

/* --- pictures ---------------------------------------------------------------------------------------------------*/

/* RFC 4648, 4: three bytes as four characters, the last ones filled up. */
static void add_base64(fig__page *page, const uint8_t *data, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t n = FIG_MIN(len - i, (size_t)3);
        uint32_t v = (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (n > 2 ? data[i + 2] : 0);
        char text[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        if (n < 2) text[2] = '=';
        if (n < 3) text[3] = '=';
        fig__writer_add(page->writer, text, 4);
    }
}

void fig__page_add_picture(fig__page *page, const fig__page_picture *picture) {
    const char *format = fig__image_format(picture->data, picture->len);
    if (!format) {
        if (!page->status)
            page->status = FIG_FAIL(page->ctx, FIG_ERR_FORMAT, "%s: no picture that a page can hold", picture->alt);
        return;
    }
    if (!page->in_row) add(page, "<div class=\"row\">\n");
    page->in_row = true;
    fig__writer_printf(page->writer, "<figure><img src=\"data:image/%s;base64,", format);
    add_base64(page, picture->data, picture->len);
    add(page, "\" alt=\"");
    add_text(page, picture->alt);
    add(page, "\"");
    if (picture->width) fig__writer_printf(page->writer, " width=\"%zu\"", picture->width);
    add(page, ">\n");
    if (picture->caption) add_element(page, "figcaption", picture->caption);
    add(page, "</figure>\n");
}

fig_status fig__page_commit(fig__page *page) {
    fig_context *ctx = page->ctx;
    end_row(page);
    add(page, "</body>\n</html>\n");
    fig_status status = page->status;
    if (status)
        fig__writer_abort(page->writer);
    else
        status = fig__writer_commit(page->writer);
    fig__free(ctx, page);
    return status;
}

void fig__page_abort(fig__page *page) {
    if (!page) return;
    fig__writer_abort(page->writer);
    fig__free(page->ctx, page);
}
