/* data/filter.c: finds listed words and phrases in text, by whole words, whatever the case.
 *
 * A word is a run of ASCII letters, digits and bytes >= 0x80 (so letters of any script stay whole). Words are looked
 * up joined by one space, up to the longest phrase of the list, so "strip  club" and "Strip-Club" are found alike.
 * Case is folded for ASCII only. */
#include "data/filter.h"
#include "base/file.h"
#include "base/map.h"
#include <fig/dataset.h>

#define MAX_LIST_BYTES (1u << 20)
#define MAX_PHRASE_BYTES 64
#define MAX_PHRASE_WORDS 8

struct fig_filter {
    fig_context *ctx;
    fig__map *phrases;
    int max_words; /* of the longest phrase */
};

typedef struct span {
    size_t begin, end;
} span;

static bool is_word_byte(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80;
}

static bool next_word(const char *text, size_t len, size_t from, span *word) {
    while (from < len && !is_word_byte((unsigned char)text[from])) from++;
    word->begin = from;
    while (from < len && is_word_byte((unsigned char)text[from])) from++;
    word->end = from;
    return word->end > word->begin;
}

/* Appends the word in lower case behind a space; false when the phrase grows past what a list may hold. */
static bool phrase_add(char *phrase, size_t *len, const char *text, span word) {
    if (*len + (word.end - word.begin) + 1 > MAX_PHRASE_BYTES) return false;
    if (*len) phrase[(*len)++] = ' ';
    for (size_t i = word.begin; i < word.end; i++) {
        char c = text[i];
        phrase[(*len)++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return true;
}

static bool is_listed(const fig_filter *f, const char *phrase, size_t len) {
    int64_t unused;
    if (fig__map_get(f->phrases, phrase, len, &unused)) return true;
    if (len < 3 || phrase[len - 1] != 's') return false;
    if (fig__map_get(f->phrases, phrase, len - 1, &unused)) return true;
    return phrase[len - 2] == 'e' && fig__map_get(f->phrases, phrase, len - 2, &unused);
}

static fig_status add_phrase(fig_filter *f, const char *text, size_t len) {
    char phrase[MAX_PHRASE_BYTES];
    size_t n = 0;
    int n_words = 0;
    span word;
    for (size_t at = 0; next_word(text, len, at, &word); at = word.end) {
        if (++n_words > MAX_PHRASE_WORDS || !phrase_add(phrase, &n, text, word))
            return FIG_FAIL(f->ctx, FIG_ERR_LIMIT, "word list: an entry is longer than %d bytes or %d words: %.40s",
                            MAX_PHRASE_BYTES, MAX_PHRASE_WORDS, text);
    }
    if (!n) return FIG_OK;
    f->max_words = FIG_MAX(f->max_words, n_words);
    return fig__map_put(f->phrases, phrase, n, 1);
}

static fig_status add_list_file(fig_filter *f, const char *path) {
    fig__buf list;
    fig__buf_init(&list, f->ctx, MAX_LIST_BYTES);
    fig_status status = fig__file_read(f->ctx, path, MAX_LIST_BYTES, &list);
    for (size_t at = 0; !status && at < list.len;) {
        const char *newline = memchr(list.data + at, '\n', list.len - at);
        size_t len = newline ? (size_t)(newline - list.data) - at : list.len - at;
        status = add_phrase(f, list.data + at, len);
        at += len + 1;
    }
    fig__buf_deinit(&list);
    return status;
}

static fig_status add_built_in(fig_filter *f) {
    for (size_t i = 0; i < fig__n_bad_words; i++) FIG_TRY(add_phrase(f, fig__bad_words[i], strlen(fig__bad_words[i])));
    return FIG_OK;
}

fig_status fig_filter_new(fig_context *ctx, const char *list_path, fig_filter **out) {
    *out = NULL;
    fig_filter *f = FIG_NEW(ctx, fig_filter);
    if (!f) return FIG_ERR_NOMEM;
    f->ctx = ctx;
    f->phrases = fig__map_new(ctx);
    fig_status status = !f->phrases ? FIG_ERR_NOMEM : list_path ? add_list_file(f, list_path) : add_built_in(f);
    if (status) {
        fig_filter_free(f);
        return status;
    }
    *out = f;
    return FIG_OK;
}

void fig_filter_free(fig_filter *f) {
    if (!f) return;
    fig__map_free(f->phrases);
    fig__free(f->ctx, f);
}

bool fig_filter_find(const fig_filter *f, const char *text, size_t len, size_t *at, size_t *match_len) {
    span first, word;
    for (size_t from = 0; next_word(text, len, from, &first); from = first.end) {
        char phrase[MAX_PHRASE_BYTES];
        size_t n = 0;
        word = first;
        for (int i = 0; i < f->max_words && phrase_add(phrase, &n, text, word); i++) {
            if (is_listed(f, phrase, n)) {
                if (at) *at = first.begin;
                if (match_len) *match_len = word.end - first.begin;
                return true;
            }
            if (!next_word(text, len, word.end, &word)) break;
        }
    }
    return false;
}

size_t fig_filter_mask(const fig_filter *f, char *text, size_t len) {
    size_t n_masked = 0, at, match_len;
    for (size_t from = 0; fig_filter_find(f, text + from, len - from, &at, &match_len); n_masked++) {
        memset(text + from + at, '*', match_len);
        from += at + match_len;
    }
    return n_masked;
}
