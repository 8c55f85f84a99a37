/* data/pictures/glyphs.c: figment data make glyphs: the characters of ASCII in every font that has them all. */
#include "base/file.h"
#include "base/map.h"
#include "data/pictures/made.h"
#include "media/font/font.h"

#define FONTS_DIR "/usr/share/fonts"
#define USUAL_SIZE 32
#define MAX_FILES ((size_t)1 << 16)
#define MAX_FONT_NAME 100
#define FIRST '!'
#define LAST '~'
#define N_CHARACTERS (LAST - FIRST + 1)

typedef struct maker {
    fig__made made;
    fig__map *seen; /* names of fonts: several files of one are common */
    uint32_t characters[N_CHARACTERS];
} maker;

/* --- names ------------------------------------------------------------------------------------------------------*/

typedef struct character {
    const char *kind;
    char name[32];
} character;

static const char *punctuation_name(char c) {
    static const struct {
        char c;
        const char *name;
    } names[] = {
        {'!', "exclamation mark"},
        {'"', "quotation mark"},
        {'#', "hash"},
        {'$', "dollar sign"},
        {'%', "percent sign"},
        {'&', "ampersand"},
        {'\'', "apostrophe"},
        {'(', "left parenthesis"},
        {')', "right parenthesis"},
        {'*', "asterisk"},
        {'+', "plus sign"},
        {',', "comma"},
        {'-', "hyphen"},
        {'.', "full stop"},
        {'/', "slash"},
        {':', "colon"},
        {';', "semicolon"},
        {'<', "less-than sign"},
        {'=', "equals sign"},
        {'>', "greater-than sign"},
        {'?', "question mark"},
        {'@', "at sign"},
        {'[', "left bracket"},
        {'\\', "backslash"},
        {']', "right bracket"},
        {'^', "circumflex"},
        {'_', "underscore"},
        {'`', "grave accent"},
        {'{', "left brace"},
        {'|', "vertical line"},
        {'}', "right brace"},
        {'~', "tilde"},
    };
    for (size_t i = 0; i < FIG_COUNT(names); i++)
        if (names[i].c == c) return names[i].name;
    return "";
}

static character character_of(char c) {
    static const char *const digits[] = {"zero", "one", "two",   "three", "four",
                                         "five", "six", "seven", "eight", "nine"};
    character is = {.kind = "punctuation"};
    if (c >= 'A' && c <= 'Z') {
        is.kind = "capital letter";
        snprintf(is.name, sizeof is.name, "capital %c", fig__lower(c));
    } else if (c >= 'a' && c <= 'z') {
        is.kind = "small letter";
        snprintf(is.name, sizeof is.name, "small %c", c);
    } else if (c >= '0' && c <= '9') {
        is.kind = "digit";
        snprintf(is.name, sizeof is.name, "digit %s", digits[c - '0']);
    } else {
        snprintf(is.name, sizeof is.name, "%s", punctuation_name(c));
    }
    return is;
}

/* What a font may be called: printable ASCII, blanks once. */
static size_t add_name(char *out, size_t n, const char *text) {
    for (; text && *text && n < MAX_FONT_NAME; text++) {
        bool blank = *text <= ' ' || *text > '~';
        if (!blank)
            out[n++] = *text;
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    while (n && out[n - 1] == ' ') n--;
    out[n] = 0;
    return n;
}

/* "DejaVu Sans Bold"; the usual style goes without saying; the file's name where the font says none. */
static void name_font(const fig__outline_font *font, const char *path, char out[MAX_FONT_NAME + 2]) {
    static const char *const usual[] = {"Regular", "Book", "Roman", "Normal"};
    const char *style = fig__outline_font_style(font);
    size_t n = add_name(out, 0, fig__outline_font_family(font));
    if (!n) n = add_name(out, 0, fig__path_base(path));
    if (!n) n = add_name(out, 0, "unnamed");
    for (size_t i = 0; i < FIG_COUNT(usual); i++)
        if (style && !strcmp(style, usual[i])) return;
    out[n++] = ' ';
    add_name(out, n, style);
}

/* Lower case; for names of files a-z, 0-9 and hyphens only. */
static void lower(const char *text, bool is_file, char *out) {
    for (; *text; text++, out++) {
        char c = fig__lower(*text);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        *out = plain || !is_file ? c : '-';
    }
    *out = 0;
}

/* --- pictures ---------------------------------------------------------------------------------------------------*/

static fig__json *describe(char c, const char *font) {
    character is = character_of(c);
    char text[MAX_FONT_NAME + 40], file[sizeof text + 40], folder[sizeof is.name], slug[MAX_FONT_NAME + 2];
    char label[] = {c, 0}, code[8], small[MAX_FONT_NAME + 2];
    lower(font, false, small);
    lower(font, true, slug);
    lower(is.name, true, folder);
    snprintf(text, sizeof text, "%s, %s", is.name, small);
    snprintf(file, sizeof file, "%s/%s.png", folder, slug);
    snprintf(code, sizeof code, "%04X", (unsigned)(uint8_t)c);
    const char *const texts[][2] = {{"file_name", file}, {"text", text}, {"label", label},    {"name", is.name},
                                    {"kind", is.kind},   {"font", font}, {"codepoints", code}};
    fig__json *row = fig__json_new_object();
    fig_status status = FIG_OK;
    for (size_t i = 0; i < FIG_COUNT(texts) && !status; i++)
        status = fig__json_put(row, texts[i][0], fig__json_new_str(texts[i][1]));
    if (!status) return row;
    fig__json_free(row);
    return NULL;
}

static fig_status draw_font(maker *m, fig__outline_font *font, const char *name) {
    fig__image image;
    for (size_t i = 0; i < N_CHARACTERS; i++) {
        FIG_TRY(fig__outline_font_draw(font, m->characters[i], &image));
        fig_status status = fig__made_add(&m->made, &image, describe((char)m->characters[i], name));
        fig__image_free(m->made.ctx, &image);
        FIG_TRY(status);
    }
    m->made.count.n_fonts++;
    return FIG_OK;
}

/* By the name that files get, so that none is written twice. */
static fig_status is_new(maker *m, const char *name, bool *out) {
    char slug[MAX_FONT_NAME + 2];
    int64_t n;
    lower(name, true, slug);
    *out = !fig__map_get(m->seen, slug, strlen(slug), &n);
    return *out ? fig__map_put(m->seen, slug, strlen(slug), 1) : FIG_OK;
}

/* --- fonts ------------------------------------------------------------------------------------------------------*/

static fig_status add_face(maker *m, const char *path, size_t index, size_t *n_faces) {
    fig__outline_font *font;
    char name[MAX_FONT_NAME + 2];
    bool fresh = false;
    size_t margin = FIG_MAX(m->made.size / 32, 1);
    FIG_TRY(fig__outline_font_open(m->made.ctx, path, index, &font, n_faces));
    name_font(font, path, name);
    fig_status status = FIG_OK;
    if (!fig__outline_font_fit(font, m->characters, N_CHARACTERS, m->made.size, margin))
        fig__made_leave_out(&m->made, name, ": lacks a letter, digit or punctuation mark");
    else
        status = is_new(m, name, &fresh);
    if (!status && fresh) status = draw_font(m, font, name);
    fig__outline_font_close(font);
    return status;
}

static fig_status add_file(maker *m, const char *path) {
    size_t n_faces = 1;
    fig_status status = FIG_OK;
    for (size_t i = 0; i < n_faces && !status; i++) status = add_face(m, path, i, &n_faces);
    return status;
}

static bool may_be_font(const char *path) {
    static const char *const endings[] = {".ttf", ".otf", ".ttc", ".otc", ".pfb", ".pfa", ".woff"};
    const char *dot = strrchr(fig__path_base(path), '.');
    for (size_t i = 0; dot && i < FIG_COUNT(endings); i++)
        if (fig__same_text(dot, endings[i])) return true;
    return false;
}

/* What is found in a folder and cannot be used is left out; a font that was named must be one. */
static fig_status add_folder(maker *m, const char *path) {
    fig__paths files = {0};
    FIG_TRY(fig__dir_walk(m->made.ctx, path, MAX_FILES, &files));
    fig_status status = FIG_OK;
    for (size_t i = 0; i < files.n && !status; i++) {
        if (!may_be_font(files.data[i])) continue;
        status = add_file(m, files.data[i]);
        if (status != FIG_ERR_FORMAT) continue;
        fig__made_leave_out(&m->made, fig_error(m->made.ctx), "");
        fig_error_clear(m->made.ctx);
        status = FIG_OK;
    }
    fig__paths_deinit(m->made.ctx, &files);
    return status;
}

static fig_status make_all(maker *m, const char *const *fonts, size_t n) {
    fig_context *ctx = m->made.ctx;
    if (!(m->seen = fig__map_new(ctx))) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < N_CHARACTERS; i++) m->characters[i] = (uint32_t)(FIRST + i);
    for (size_t i = 0; i < n; i++) {
        FIG_CHECK(ctx, fig__path_exists(fonts[i]), FIG_ERR_NOTFOUND, "%s: is missing; %s", fonts[i],
                  "install fonts, such as the package fonts-dejavu-core, or name others");
        FIG_TRY(fig__path_is_dir(fonts[i]) ? add_folder(m, fonts[i]) : add_file(m, fonts[i]));
    }
    FIG_CHECK(ctx, m->made.count.n_pictures, FIG_ERR_NOTFOUND,
              "%s: no font with all letters, digits and punctuation; %s", fonts[0],
              "install some, such as the package fonts-dejavu-core");
    return FIG_OK;
}

fig_status fig_pictures_make_glyphs(fig_context *ctx, const fig_pictures_make_options *o, fig_pictures_made *made) {
    static const char *const installed[] = {FONTS_DIR};
    static const fig_dataset_entry origin = {
        .name = "glyphs",
        .title = "Glyphs: letters, digits and punctuation of fonts on this machine",
        .licence = "those of the fonts",
        .citation = "the fonts named in metadata.jsonl",
    };
    maker m = {.seen = NULL};
    fig_status status = fig__made_begin(ctx, o, USUAL_SIZE, &m.made);
    if (!status) status = make_all(&m, o->n_fonts ? o->fonts : installed, o->n_fonts ? o->n_fonts : 1);
    fig__map_free(m.seen);
    return fig__made_end(&m.made, status, &origin, made);
}
