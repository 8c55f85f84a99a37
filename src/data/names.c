/* data/names.c: a small real corpus that every Debian machine can have without a download: the names of emoji and
 * pictographs, from the package unicode-data.
 *
 * emoji-test.txt has the friendly names ("cat with tears of joy"), UnicodeData.txt the formal ones of the same blocks
 * ("CHEQUERED FLAG"), which often word the same thing differently. Both are put into lower case a-z, what cannot be is
 * left out, and so is whatever comes in long series that a model would only learn to count through. The order is
 * shuffled, so that the tail that becomes the validation split is like the rest. */
#include "base/file.h"
#include "base/map.h"
#include "base/rng.h"
#include "data/emoji_list.h"
#include "data/origin.h"
#include <fig/dataset.h>

#define MIN_NAME_LEN 3
#define MAX_NAME_LEN 40

/* Groups of emoji-test.txt, and what makes a name dull, strange or one of a series. */
static const char *const skipped_groups[] = {"Flags", "Component"};
static const char *const skipped_parts[] = {
    "skin tone", "thirty", "o'clock", "clock face", "arrow", "button", "facing right", "modifier", "chess",
};
static const char *const skipped_formal_parts[] = {
    "symbol", "pointing", "index",    "circle",   "cross ",   "crosse",  "lane",        "hook",
    "ballot", "rays",     "lines",    "shadowed", "triangle", "stroke",  "shogi",       "trigram",
    "white ", "black ",   "lower ",   "left ",    "right ",   "icon",    "sextile",     "quin",
    "-point", "turned",   "reversed", "two-way",  "one-way",  "divorce", "partnership",
};

typedef struct names {
    fig_context *ctx;
    const fig_filter *filter;
    fig__map *seen; /* in order of appearance */
} names;

static bool contains_any(const char *text, const char *const *parts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strstr(text, parts[i])) return true;
    return false;
}

/* Typographic quotes become plain or nothing, n with tilde becomes n. Returns bytes of input used, 0 for a character
 * that a name cannot have. */
static size_t plain_char(const char *in, char *out, size_t *n) {
    static const struct {
        const char *from, *to;
    } spellings[] = {
        {"\u2019", "'"},
        {"\u201c", ""},
        {"\u201d", ""},
        {"\u00f1", "n"},
    };
    char c = *in >= 'A' && *in <= 'Z' ? (char)(*in - 'A' + 'a') : *in;
    if ((c >= 'a' && c <= 'z') || c == ' ' || c == '-' || c == '\'') return out[(*n)++] = c, 1;
    for (size_t i = 0; i < FIG_COUNT(spellings); i++) {
        size_t len = strlen(spellings[i].from);
        if (strncmp(in, spellings[i].from, len)) continue;
        if (*spellings[i].to) out[(*n)++] = *spellings[i].to;
        return len;
    }
    return 0;
}

/* False when the name has other characters or another length than wanted. out holds MAX_NAME_LEN + 1. */
static bool plain_name(const char *name, char *out) {
    size_t n = 0;
    for (size_t used; *name; name += used)
        if (n == MAX_NAME_LEN || !(used = plain_char(name, out, &n))) return false;
    out[n] = 0;
    return n >= MIN_NAME_LEN;
}

static fig_status add_name(names *list, const char *name, bool is_formal) {
    char plain[MAX_NAME_LEN + 1];
    if (!plain_name(name, plain) || contains_any(plain, skipped_parts, FIG_COUNT(skipped_parts)) ||
        (is_formal && contains_any(plain, skipped_formal_parts, FIG_COUNT(skipped_formal_parts))) ||
        fig_filter_find(list->filter, plain, strlen(plain), NULL, NULL))
        return FIG_OK;
    return fig__map_put(list->seen, plain, strlen(plain), 1);
}

static fig_status emoji_line(void *arg, const fig__emoji *e) {
    names *list = arg;
    bool skipped = contains_any(e->group, skipped_groups, FIG_COUNT(skipped_groups));
    return skipped ? FIG_OK : add_name(list, e->name, false);
}

static bool is_pictograph(unsigned code_point) {
    static const unsigned ranges[][2] = {{0x2600, 0x26FF}, {0x1F300, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}};
    for (size_t i = 0; i < FIG_COUNT(ranges); i++)
        if (code_point >= ranges[i][0] && code_point <= ranges[i][1]) return true;
    return false;
}

/* "1F600;GRINNING FACE;So;0;..." */
static fig_status formal_line(names *list, char *line) {
    unsigned code_point = 0;
    char *p = line;
    for (; (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'F'); p++)
        code_point = code_point << 4 | (unsigned)(*p <= '9' ? *p - '0' : *p - 'A' + 10);
    char *end = *p == ';' ? strchr(p + 1, ';') : NULL;
    if (!end || !is_pictograph(code_point)) return FIG_OK;
    *end = 0;
    return add_name(list, p + 1, true);
}

static fig_status add_formal(names *list, const char *dir) {
    fig__buf text;
    FIG_TRY(fig__unicode_file(list->ctx, dir, "UnicodeData.txt", &text));
    fig_status status = FIG_OK;
    for (char *line = text.data, *next; line && *line && !status; line = next) {
        if ((next = strchr(line, '\n'))) *next++ = 0;
        status = formal_line(list, line);
    }
    fig__buf_deinit(&text);
    return status;
}

static fig_status write_shuffled(const names *list, const char *path) {
    fig__writer *w;
    fig_rng_key key = {0, fig__rng_stream("names"), 0};
    size_t n = fig__map_count(list->seen);
    FIG_TRY(fig__writer_open(list->ctx, path, &w));
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *name = fig__map_key(list->seen, (size_t)fig__rng_permute(&key, i, n), &len);
        fig__writer_add(w, name, len);
        fig__writer_add(w, "\n", 1);
    }
    return fig__writer_commit(w);
}

static fig_status write_origin(fig_context *ctx, const char *path) {
    static const fig_dataset_entry entry = {
        .name = "names",
        .title = "Names of emoji and pictographs, from the Unicode Character Database",
        .licence = "Unicode License v3",
        .citation = "The Unicode Consortium, emoji-test.txt and UnicodeData.txt",
    };
    const char *base = fig__path_base(path);
    char *dir = base == path ? fig__strdup(ctx, ".") : fig__strdup(ctx, path);
    if (!dir) return FIG_ERR_NOMEM;
    if (base > path) dir[base - path] = 0;
    fig_status status = fig__origin_write(ctx, dir, &entry);
    fig__free(ctx, dir);
    return status;
}

fig_status fig_dataset_make_names(fig_context *ctx, const char *unicode_dir, const fig_filter *filter, const char *path,
                                  uint64_t *n_names) {
    fig_filter *own = NULL;
    names list = {.ctx = ctx, .seen = fig__map_new(ctx)};
    fig_status status = list.seen ? FIG_OK : FIG_ERR_NOMEM;
    if (!status && !filter) status = fig_filter_new(ctx, NULL, &own);
    list.filter = filter ? filter : own;
    if (!status) status = fig__emoji_each(ctx, unicode_dir, emoji_line, &list);
    if (!status) status = add_formal(&list, unicode_dir);
    if (!status) status = write_shuffled(&list, path);
    if (!status) status = write_origin(ctx, path);
    if (!status && n_names) *n_names = fig__map_count(list.seen);
    fig_filter_free(own);
    fig__map_free(list.seen);
    return status;
}
