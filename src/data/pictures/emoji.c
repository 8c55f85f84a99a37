/* data/pictures/emoji.c: figment data make emoji: every emoji of Unicode's list, as a font draws it, with its name. */
#include "data/emoji_list.h"
#include "data/pictures/emoji_caption.h"
#include "data/pictures/made.h"
#include "base/file.h"
#include "base/map.h"
#include "media/font/font.h"

#define FONT "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
#define USUAL_SIZE 64

typedef struct maker {
    fig__made made;
    fig__emoji_font *font;
} maker;

/* --- the picture ------------------------------------------------------------------------------------------------*/

/* In the middle of a transparent square. */
static fig_status pad(fig_context *ctx, const fig__image *in, fig__image *out) {
    size_t side = FIG_MAX(in->w, in->h), x = (side - in->w) / 2, y = (side - in->h) / 2;
    FIG_TRY(fig__image_new(ctx, side, side, in->c, out));
    for (size_t row = 0; row < in->h; row++)
        memcpy(out->data + ((y + row) * side + x) * in->c, in->data + row * in->w * in->c, in->w * in->c);
    return FIG_OK;
}

/* Takes `image` and gives back what step made of it. */
static fig_status replace(fig_context *ctx, fig__image *image, fig_status status, fig__image *by) {
    fig__image_free(ctx, image);
    if (!status) *image = *by;
    return status;
}

static fig_status draw(maker *m, const fig__emoji *e, const uint8_t *png, size_t len, fig__image *image) {
    fig_context *ctx = m->made.ctx;
    fig__image next;
    FIG_TRY(fig__image_decode(ctx, e->name, png, len, image));
    FIG_TRY(replace(ctx, image, fig__image_channels(ctx, image, 4, &next), &next));
    FIG_TRY(replace(ctx, image, pad(ctx, image, &next), &next));
    return replace(ctx, image, fig__image_resize(ctx, image, m->made.size, m->made.size, &next), &next);
}

/* --- what is said about it --------------------------------------------------------------------------------------*/

static void code_points_text(const fig__emoji *e, char *out, size_t size) {
    size_t at = 0;
    *out = 0;
    for (size_t i = 0; i < e->n && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%04X", i ? "-" : "", (unsigned)e->code_points[i]);
}

/* What a model is to be tested with: one base in twenty, with all its skin tones, and of the others combinations whose
 * parts are seen: one in twelve of those with one skin tone, and some of a colour and a shape. By hashes, so that the
 * choice is the same for any font, and later lists only add to it. */
#define BASES_KEPT 20
#define TONES_KEPT 12
static const char *held_out(const fig__emoji_words *w) {
    static const char *const pairs[] = {"green heart", "purple square", "orange circle",
                                        "brown heart", "blue square",   "red circle"};
    if (fig__hash64(w->base, strlen(w->base)) % BASES_KEPT == 0) return "base";
    for (size_t i = 0; i < FIG_COUNT(pairs); i++)
        if (!strcmp(w->caption, pairs[i])) return "combination";
    bool one_tone = *w->skin_tone && !strchr(w->skin_tone, ',');
    return one_tone && fig__hash64(w->caption, strlen(w->caption)) % TONES_KEPT == 0 ? "combination" : "";
}

static fig__json *describe(const fig__emoji *e) {
    char codes[FIG__EMOJI_MAX_CODE_POINTS * 8], file[sizeof codes + 8];
    fig__emoji_words words;
    fig__emoji_words_of(e->name, &words);
    code_points_text(e, codes, sizeof codes);
    snprintf(file, sizeof file, "%s.png", codes);
    const char *kept = held_out(&words);
    for (char *p = file; *p; p++) *p = fig__lower(*p);
    const struct {
        const char *key, *value;
    } texts[] = {{"file_name", file},       {"text", words.caption},
                 {"label", e->subgroup},    {"group", e->group},
                 {"subgroup", e->subgroup}, {"name", e->name},
                 {"base", words.base},      {"codepoints", codes},
                 {"version", e->version},   {"skin_tone", words.skin_tone},
                 {"hair", words.hair},      {"colour", words.colour},
                 {"held_out", kept},        {"split", *kept ? "test" : "train"}};
    fig__json *row = fig__json_new_object(), *captions = fig__json_new_array();
    fig_status status = fig__json_put(row, "captions", captions);
    char with_article[sizeof words.caption + 4];
    snprintf(with_article, sizeof with_article, "%s %s", strchr("aeiou", *words.caption) ? "an" : "a", words.caption);
    if (!status) status = fig__json_push(captions, fig__json_new_str(words.caption));
    if (!status) status = fig__json_push(captions, fig__json_new_str(with_article));
    for (size_t i = 0; i < FIG_COUNT(texts) && !status; i++)
        if (*texts[i].value)
            status = fig__json_put(row, texts[i].key, fig__json_new_strn(texts[i].value, strlen(texts[i].value)));
    if (!status) return row;
    fig__json_free(row);
    return NULL;
}

/* --- all of them ------------------------------------------------------------------------------------------------*/

static fig_status add(void *arg, const fig__emoji *e) {
    maker *m = arg;
    size_t len;
    fig__image image;
    const uint8_t *png = fig__emoji_font_png(m->font, e->code_points, e->n, &len);
    if (!png) {
        fig__made_leave_out(&m->made, e->name, ": the font has no picture of it");
        return FIG_OK;
    }
    FIG_TRY(draw(m, e, png, len, &image));
    fig_status status = fig__made_add(&m->made, &image, describe(e));
    fig__image_free(m->made.ctx, &image);
    return status;
}

static fig_status open_font(maker *m, const char *path) {
    fig_context *ctx = m->made.ctx;
    FIG_CHECK(ctx, fig__path_exists(path), FIG_ERR_NOTFOUND, "%s: is missing; install the package %s", path,
              "fonts-noto-color-emoji, or name another font");
    return fig__emoji_font_open(ctx, path, &m->font);
}

static fig_status make_all(maker *m, const fig_pictures_make_options *o, const char *font) {
    FIG_CHECK(m->made.ctx, o->n_fonts <= 1, FIG_ERR_ARG, "%s: emoji come from one font; name only one", o->fonts[1]);
    FIG_TRY(open_font(m, font));
    FIG_TRY(fig__emoji_each(m->made.ctx, o->unicode_dir, add, m));
    FIG_CHECK(m->made.ctx, m->made.count.n_pictures, FIG_ERR_FORMAT, "%s: draws no emoji", font);
    m->made.count.n_fonts = 1;
    return FIG_OK;
}

fig_status fig_pictures_make_emoji(fig_context *ctx, const fig_pictures_make_options *o, fig_pictures_made *made) {
    static const fig_dataset_entry noto = {
        .name = "emoji",
        .title = "Emoji: pictures of Noto Color Emoji, names of Unicode's emoji-test.txt",
        .licence = "OFL 1.1 (pictures), Unicode License v3 (names)",
        .citation = "Google, Noto Color Emoji; The Unicode Consortium, emoji-test.txt",
    };
    static const fig_dataset_entry other = {
        .name = "emoji",
        .title = "Emoji: pictures of a font, names of Unicode's emoji-test.txt",
        .licence = "the font's (pictures), Unicode License v3 (names)",
        .citation = "The Unicode Consortium, emoji-test.txt",
    };
    maker m = {.font = NULL};
    fig_status status = fig__made_begin(ctx, o, USUAL_SIZE, &m.made);
    if (!status) status = make_all(&m, o, o->n_fonts ? o->fonts[0] : FONT);
    fig__emoji_font_close(m.font);
    return fig__made_end(&m.made, status, o->n_fonts ? &other : &noto, made);
}
