/* data/pictures/emoji_caption.c: see emoji_caption.h. "kiss: woman, man, light skin tone, dark skin tone" is cut into
 * what stands before the colon and its parts, which are people, skin tones and hair, and put together again. */
#include "data/pictures/emoji_caption.h"
#include <stdio.h>

#define MAX_PARTS 8
#define MAX_NAME 200

typedef struct parts {
    const char *data[MAX_PARTS];
    size_t n;
} parts;

typedef struct line { /* a text that grows as far as it may */
    char *data;
    size_t len, size;
} line;

static void add(line *l, const char *text) {
    int n = snprintf(l->data + l->len, l->size - l->len, "%s", text);
    l->len = FIG_MIN(l->len + (size_t)n, l->size - 1);
}

/* --- characters -------------------------------------------------------------------------------------------------*/

/* Lower case of a-z, 0-9, space, comma, colon, hyphen and apostrophe. */
static void plain_text(const char *name, char *out, size_t size) {
    static const struct {
        const char *from, *to;
    } spellings[] = {{"&", "and"},    {"#", "hash"},   {"*", "asterisk"}, {"\u2019", "'"}, {"\u00c5", "a"},
                     {"\u00e5", "a"}, {"\u00e3", "a"}, {"\u00e7", "c"},   {"\u00e9", "e"}, {"\u00ed", "i"},
                     {"\u00f1", "n"}, {"\u00f4", "o"}, {"\u00fc", "u"}};
    line l = {out, 0, size};
    *out = 0;
    while (*name) {
        char c[2] = {fig__lower(*name), 0};
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || strchr(" ,:-'", *c);
        size_t i = 0, n = 1;
        if (plain) add(&l, c);
        while (!plain && i < FIG_COUNT(spellings) && strncmp(name, spellings[i].from, strlen(spellings[i].from))) i++;
        if (!plain && i < FIG_COUNT(spellings)) {
            add(&l, spellings[i].to);
            n = strlen(spellings[i].from);
        }
        name += n;
    }
}

/* --- words ------------------------------------------------------------------------------------------------------*/

/* "medium-light skin tone" -> "medium-light", in place; false when it has another end. */
static bool cut_end(char *text, const char *end) {
    size_t n = strlen(text), len = strlen(end);
    if (n <= len || strcmp(text + n - len, end) != 0) return false;
    text[n - len] = 0;
    return true;
}

static void add_tone(line *l, const char *tone) {
    char words[64];
    snprintf(words, sizeof words, " with %s skin", tone);
    for (char *p = words; *p; p++)
        if (*p == '-') *p = ' ';
    add(l, words);
}

/* "with light skin and dark skin and red hair": `said`: whether "with" has been. */
static void add_rest(line *l, const parts *tones, const char *hair, bool said) {
    for (size_t i = 0; i < tones->n; i++) {
        char words[80];
        line w = {words, 0, sizeof words};
        add_tone(&w, tones->data[i]);
        add(l, said ? " and" : " with");
        add(l, words + strlen(" with"));
        said = true;
    }
    if (!*hair || !strcmp(hair, "bald")) return;
    add(l, said ? " and " : " with ");
    add(l, hair);
    if (strcmp(hair, "beard") != 0) add(l, " hair");
}

static void put_together(const char *head, const parts *people, const parts *tones, const char *hair, line *l) {
    bool one = tones->n == 1, each = people->n && (one || tones->n == people->n); /* one is for all of them */
    if (!strcmp(hair, "bald")) add(l, "bald ");
    add(l, head);
    for (size_t i = 0; i < people->n; i++) {
        add(l, i && i + 1 == people->n ? " and " : ", ");
        add(l, people->data[i]);
        if (each) add_tone(l, tones->data[one ? 0 : i]);
    }
    add_rest(l, each ? &(parts){.n = 0} : tones, hair, false);
}

static void sort_part(char *part, parts *people, parts *tones, const char **hair) {
    if (cut_end(part, " skin tone")) {
        if (tones->n < MAX_PARTS) tones->data[tones->n++] = part;
    } else if (cut_end(part, " hair") || !strcmp(part, "beard") || !strcmp(part, "bald")) {
        *hair = part;
    } else if (people->n < MAX_PARTS) {
        people->data[people->n++] = part;
    }
}

/* The colour that a caption begins with: of a green apple, not of a woman with red hair. */
static void find_colour(const char *caption, char *out, size_t size) {
    static const char *const colours[] = {"red",    "orange", "yellow", "green", "blue", "light blue",
                                          "purple", "brown",  "black",  "white", "grey", "pink"};
    *out = 0;
    for (size_t i = 0; i < FIG_COUNT(colours); i++) {
        size_t n = strlen(colours[i]);
        if (!strncmp(caption, colours[i], n) && caption[n] == ' ') snprintf(out, size, "%s", colours[i]);
    }
}

void fig__emoji_words_of(const char *name, fig__emoji_words *out) {
    char text[MAX_NAME];
    parts people = {.n = 0}, tones = {.n = 0};
    const char *hair = "";
    memset(out, 0, sizeof *out);
    line caption = {out->caption, 0, sizeof out->caption}, base = {out->base, 0, sizeof out->base},
         tone = {out->skin_tone, 0, sizeof out->skin_tone};
    plain_text(name, text, sizeof text);
    char *part = strstr(text, ": ");
    if (part) *part = 0, part += 2;
    bool whole = part && (!strcmp(text, "flag") || !strcmp(text, "keycap"));
    if (whole) {
        add(&caption, *text == 'f' ? "flag of " : "keycap ");
        add(&caption, part);
        memcpy(out->base, out->caption, sizeof out->base);
        return;
    }
    for (char *next; part; part = next) {
        if ((next = strstr(part, ", "))) *next = 0, next += 2;
        sort_part(part, &people, &tones, &hair);
    }
    put_together(text, &people, &tones, hair, &caption);
    put_together(text, &people, &(parts){.n = 0}, hair, &base);
    for (size_t i = 0; i < tones.n; i++) {
        if (i) add(&tone, ", ");
        add(&tone, tones.data[i]);
    }
    snprintf(out->hair, sizeof out->hair, "%s", hair);
    find_colour(out->caption, out->colour, sizeof out->colour);
}
