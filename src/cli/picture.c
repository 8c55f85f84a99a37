/* cli/picture.c: see picture.h. */
#include "cli/picture.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "cli/cli.h"
#include "media/image/grid.h"
#include "media/text/utf8.h"

#define GAP 2   /* columns between pictures */
#define EDGE 1  /* columns left free at the right, where some terminals wrap early */
#define SIDE 32 /* columns of a picture among others */
#define SIDE_ALONE 64
#define OPAQUE 128 /* an alpha from here on is drawn */
#define MAX_TEXT ((size_t)1 << 26)

/* --- what the terminal can do -----------------------------------------------------------------------------------*/

static bool any_in(const char *text, const char *const *words, size_t n) {
    for (size_t i = 0; text && i < n; i++)
        if (strstr(text, words[i])) return true;
    return false;
}

fig__picture_mode fig__picture_mode_of(const fig__picture_env *env) {
    static const char *const utf8[] = {"UTF-8", "utf-8", "UTF8", "utf8"}, *const colour[] = {"truecolor", "24bit"},
                             *const terms[] = {"direct", "kitty", "alacritty", "ghostty", "foot", "wezterm"},
                             *const palette[] = {"256color"};
    if ((env->no_color && *env->no_color) || !any_in(env->locale, utf8, FIG_COUNT(utf8))) return FIG__PICTURE_ASCII;
    if (!env->term || !*env->term || !strcmp(env->term, "dumb")) return FIG__PICTURE_ASCII;
    if (any_in(env->colorterm, colour, FIG_COUNT(colour))) return FIG__PICTURE_TRUE;
    if (any_in(env->term, terms, FIG_COUNT(terms))) return FIG__PICTURE_TRUE;
    return any_in(env->term, palette, FIG_COUNT(palette)) ? FIG__PICTURE_256 : FIG__PICTURE_ASCII;
}

/* --- colours ----------------------------------------------------------------------------------------------------*/

#define EMPTY (-1)   /* nothing there */
#define UNKNOWN (-2) /* no colour set yet */

/* A pixel over black as 0xrrggbb, or EMPTY. */
static int colour_at(const fig__image *rgba, size_t x, size_t y) {
    if (x >= rgba->w || y >= rgba->h) return EMPTY;
    const uint8_t *p = rgba->data + (y * rgba->w + x) * 4;
    if (p[3] < OPAQUE) return EMPTY;
    int v = 0;
    for (int k = 0; k < 3; k++) v = v << 8 | (p[k] * p[3] + 127) / 255;
    return v;
}

static int square(int v) { return v * v; }
static int distance(int a, int b) {
    return square((a >> 16) - (b >> 16)) + square((a >> 8 & 255) - (b >> 8 & 255)) + square((a & 255) - (b & 255));
}

/* xterm's palette: a cube of 6 x 6 x 6 from 16 on, 24 greys from 232 on. */
static int level(int v) { return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40; }
static int level_value(int i) { return i ? 55 + 40 * i : 0; }
static int palette_index(int colour) {
    int r = level(colour >> 16), g = level(colour >> 8 & 255), b = level(colour & 255);
    int mean = ((colour >> 16) + (colour >> 8 & 255) + (colour & 255)) / 3;
    int grey = mean < 8 ? 0 : mean > 238 ? 23 : (mean - 3) / 10, grey_value = (8 + 10 * grey) * 0x10101;
    int cube = level_value(r) << 16 | level_value(g) << 8 | level_value(b);
    return distance(colour, grey_value) < distance(colour, cube) ? 232 + grey : 16 + 36 * r + 6 * g + b;
}

typedef struct pen {
    fig__buf *out;
    fig__picture_mode mode;
    int ink, paper; /* as last set; EMPTY: the terminal's own */
} pen;

static fig_status set_colour(pen *p, int *now, int colour, int base) {
    if (*now == colour) return FIG_OK;
    *now = colour;
    if (colour == EMPTY) return fig__buf_printf(p->out, "\033[%dm", base + 1);
    if (p->mode == FIG__PICTURE_256) return fig__buf_printf(p->out, "\033[%d;5;%dm", base, palette_index(colour));
    return fig__buf_printf(p->out, "\033[%d;2;%d;%d;%dm", base, colour >> 16, colour >> 8 & 255, colour & 255);
}
static fig_status set_ink(pen *p, int colour) { return set_colour(p, &p->ink, colour, 38); }
static fig_status set_paper(pen *p, int colour) { return set_colour(p, &p->paper, colour, 48); }

static fig_status reset(pen *p) {
    bool plain = p->ink == UNKNOWN && p->paper == UNKNOWN;
    p->ink = p->paper = UNKNOWN;
    return plain ? FIG_OK : fig__buf_adds(p->out, "\033[0m");
}

/* --- cells ------------------------------------------------------------------------------------------------------*/

static fig_status add_blocks(pen *p, int top, int bottom) {
    if (top == EMPTY && bottom == EMPTY) {
        if (p->paper != UNKNOWN) FIG_TRY(set_paper(p, EMPTY));
        return fig__buf_addc(p->out, ' ');
    }
    bool lower = top == EMPTY;
    int paper = lower ? EMPTY : bottom;
    FIG_TRY(set_ink(p, lower ? bottom : top));
    if (paper != EMPTY || p->paper != UNKNOWN) FIG_TRY(set_paper(p, paper));
    return fig__buf_adds(p->out, lower ? "▄" : "▀");
}

static int brightness(int colour) {
    return colour == EMPTY ? 0 : (299 * (colour >> 16) + 587 * (colour >> 8 & 255) + 114 * (colour & 255)) / 1000;
}
static fig_status add_ascii(fig__buf *out, int top, int bottom) {
    static const char ramp[] = " .:-=+*#%@";
    size_t n = sizeof ramp - 1;
    return fig__buf_addc(out, ramp[(size_t)(brightness(top) + brightness(bottom)) * n / 511]);
}

/* One line of characters of a picture: pixels 2 * line and 2 * line + 1. */
static fig_status add_line(pen *p, const fig__image *rgba, size_t line) {
    for (size_t x = 0; x < rgba->w; x++) {
        int top = colour_at(rgba, x, 2 * line), bottom = colour_at(rgba, x, 2 * line + 1);
        FIG_TRY(p->mode == FIG__PICTURE_ASCII ? add_ascii(p->out, top, bottom) : add_blocks(p, top, bottom));
    }
    return FIG_OK;
}

static fig_status add_blanks(fig__buf *out, size_t n) { return fig__buf_printf(out, "%*s", (int)n, ""); }

static fig_status end_line(pen *p) {
    FIG_TRY(reset(p));
    while (p->out->len && p->out->data[p->out->len - 1] == ' ') p->out->data[--p->out->len] = 0;
    return fig__buf_addc(p->out, '\n');
}

/* --- labels -----------------------------------------------------------------------------------------------------*/

/* Columns of a character on a terminal: 0, 1 or 2 (Unicode's East Asian Width and emoji, in wide strokes). */
static size_t columns_of(uint32_t c) {
    static const struct {
        uint32_t first, last;
        size_t columns;
    } ranges[] = {{0x0300, 0x036f, 0},   {0x1100, 0x115f, 2},   {0x200b, 0x200f, 0},  {0x20d0, 0x20ff, 0},
                  {0x2e80, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},  {0xfe00, 0xfe0f, 0},
                  {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},  {0x1f1e6, 0x1f1ff, 1},
                  {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2}, {0xe0000, 0xe01ef, 0}};
    for (size_t i = 0; i < FIG_COUNT(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return ranges[i].columns;
    return 1;
}

/* The next character of a label, one that cannot drive the terminal; returns its columns. */
static size_t next_character(const char **s, char text[5]) {
    size_t len, left = strlen(*s);
    bool good = fig__utf8_next(*s, left, &len) == FIG_UTF8_OK;
    uint32_t c = good ? fig__utf8_decode(*s, len) : '?';
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e)) c = ' ';
    *s += len;
    text[fig__utf8_encode(c, text)] = 0;
    return columns_of(c);
}

static size_t columns_of_text(const char *s) {
    size_t n = 0;
    char text[5];
    while (*s) n += next_character(&s, text);
    return n;
}

/* At most `width` columns, blanks behind it up to them. */
static fig_status add_label(pen *p, const char *label, size_t width) {
    bool ascii = p->mode == FIG__PICTURE_ASCII, all = columns_of_text(label) <= width;
    const char *mark = ascii ? "..." : "…";
    size_t mark_columns = ascii ? FIG_MIN((size_t)3, width) : 1, room = all ? width : width - mark_columns, at = 0;
    char text[5];
    while (*label) {
        size_t n = next_character(&label, text);
        if (at + n > room) break;
        FIG_TRY(fig__buf_adds(p->out, text));
        at += n;
    }
    if (!all) {
        FIG_TRY(fig__buf_add(p->out, mark, ascii ? mark_columns : strlen(mark)));
        at += mark_columns;
    }
    return add_blanks(p->out, width - at);
}

/* --- rows of pictures -------------------------------------------------------------------------------------------*/

/* As large as it is shown, RGBA. */
static fig_status fitted(fig_context *ctx, const fig__image *in, size_t side, fig__image *out) {
    fig__image changed = {0};
    size_t longer = FIG_MAX(in->w, in->h), w = FIG_MAX(in->w * side / longer, (size_t)1),
           h = FIG_MAX(in->h * side / longer, (size_t)1);
    if (longer > side)
        FIG_TRY(fig__image_resize(ctx, in, w, h, &changed));
    else
        FIG_TRY(fig__image_enlarge(ctx, in, fig__image_factor(in->w, in->h, side), &changed));
    fig_status status = fig__image_channels(ctx, &changed, 4, out);
    fig__image_free(ctx, &changed);
    return status;
}

static fig_status add_labels(pen *p, const fig__picture *pictures, size_t n, size_t cell) {
    bool any = false;
    for (size_t i = 0; i < n; i++) any |= pictures[i].label && *pictures[i].label;
    if (!any) return FIG_OK;
    for (size_t i = 0; i < n; i++) {
        if (i) FIG_TRY(add_blanks(p->out, GAP));
        FIG_TRY(add_label(p, pictures[i].label ? pictures[i].label : "", cell));
    }
    return end_line(p);
}

static fig_status add_row(pen *p, const fig__image *images, size_t n, size_t cell) {
    size_t height = 0;
    for (size_t i = 0; i < n; i++) height = FIG_MAX(height, images[i].h);
    for (size_t line = 0; line < fig__ceil_div(height, 2); line++) {
        for (size_t i = 0; i < n; i++) {
            FIG_TRY(add_line(p, &images[i], line));
            if (i + 1 == n) break;
            FIG_TRY(reset(p));
            FIG_TRY(add_blanks(p->out, cell - images[i].w + GAP));
        }
        FIG_TRY(end_line(p));
    }
    return FIG_OK;
}

/* images: as shown, [n]. */
static fig_status add_rows(pen *p, const fig__picture *pictures, const fig__image *images, size_t n, size_t width) {
    size_t cell = 1;
    for (size_t i = 0; i < n; i++) cell = FIG_MAX(cell, images[i].w);
    size_t across = FIG_MAX((width + GAP) / (cell + GAP), (size_t)1);
    for (size_t i = 0; i < n; i += across) {
        size_t here = FIG_MIN(across, n - i);
        if (i) FIG_TRY(fig__buf_addc(p->out, '\n'));
        FIG_TRY(add_row(p, images + i, here, cell));
        FIG_TRY(add_labels(p, pictures + i, here, cell));
    }
    return FIG_OK;
}

fig_status fig__pictures_render(fig_context *ctx, const fig__picture *pictures, size_t n,
                                const fig__picture_layout *layout, fig__buf *out) {
    pen p = {out, layout->mode, UNKNOWN, UNKNOWN};
    size_t width = layout->width > EDGE ? layout->width - EDGE : 1, side = FIG_MAX(layout->side, (size_t)1);
    fig__image *images = FIG_NEW_N(ctx, fig__image, FIG_MAX(n, (size_t)1));
    fig_status status = images ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < n && !status; i++) status = fitted(ctx, pictures[i].image, FIG_MIN(side, width), &images[i]);
    if (!status) status = add_rows(&p, pictures, images, n, width);
    for (size_t i = 0; images && i < n; i++) fig__image_free(ctx, &images[i]);
    fig__free(ctx, images);
    return status;
}

/* --- the terminal of this program -------------------------------------------------------------------------------*/

static const char *first_set(const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return value;
    }
    return NULL;
}

static size_t terminal_width(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

fig_status fig__pictures_show(fig_context *ctx, const fig__picture *pictures, size_t n, fig__picture_when when) {
    static const char *const locales[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    if (!n || when == FIG__PICTURE_NEVER || (when == FIG__PICTURE_AUTO && !isatty(STDOUT_FILENO))) return FIG_OK;
    fig__picture_env env = {getenv("NO_COLOR"), getenv("COLORTERM"), getenv("TERM"), first_set(locales, 3)};
    fig__picture_layout layout = {fig__picture_mode_of(&env), terminal_width(), n > 1 ? SIDE : SIDE_ALONE};
    fig__buf text;
    fig__buf_init(&text, ctx, MAX_TEXT);
    fig_status status = fig__pictures_render(ctx, pictures, n, &layout, &text);
    if (!status) status = fig__print(ctx, text.data, text.len);
    fig__buf_deinit(&text);
    return status;
}
