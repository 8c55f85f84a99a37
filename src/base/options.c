/* base/options.c: settings described by a table: parsing, ranges, JSON, "did you mean". */
#include "base/options.h"
#include <math.h>
#include <stdio.h>

#define NAMES_MAX 512 /* options and aliases that "did you mean" looks at */
#define ALIAS_BYTES_MAX 4096
#define CHOICE_MAX 64 /* bytes of one choice */
#define NUMBER_MAX 64 /* bytes of a number as text */

static char *field(const fig_option *o, void *s) { return (char *)s + o->offset; }

static bool has_range(const fig_option *o) { return o->low != 0 || o->high != 0; }

/* --- names ----------------------------------------------------------------------------------------------*/

/* Names are equal but for '-' against '_'; b has a length because aliases and choices stand in one text. */
static bool same_name(const char *a, const char *b, size_t b_len) {
    if (strlen(a) != b_len) return false;
    for (size_t i = 0; i < b_len; i++)
        if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i])) return false;
    return true;
}

/* The next word of a text, from *at on; false at its end. */
static bool next_word(const char *text, char separator, size_t *at, const char **word, size_t *len) {
    const char end[2] = {separator, 0};
    if (!text || !text[*at]) return false;
    *word = text + *at;
    *len = strcspn(*word, end);
    *at += *len + ((*word)[*len] == separator);
    return true;
}

static bool is_called(const fig_option *o, const char *name) {
    const char *word;
    size_t at = 0, len;
    if (!o->name) return false;
    if (same_name(name, o->name, strlen(o->name))) return true;
    while (next_word(o->aliases, ' ', &at, &word, &len))
        if (same_name(name, word, len)) return true;
    return false;
}

const fig_option *fig__option_find(fig_option_table t, const char *name) {
    for (size_t i = 0; i < t.n; i++)
        if (is_called(&t.rows[i], name)) return &t.rows[i];
    return NULL;
}

/* Every way to spell an option, and beside it the option's own name. */
typedef struct name_list {
    const char *spelt[NAMES_MAX], *name[NAMES_MAX];
    size_t n;
    char aliases[ALIAS_BYTES_MAX];
    size_t aliases_len;
} name_list;

static void list_names(name_list *list, const fig_option *o) {
    const char *word;
    size_t at = 0, len;
    if (!o->name || list->n == NAMES_MAX) return;
    list->spelt[list->n] = list->name[list->n] = o->name;
    list->n++;
    while (next_word(o->aliases, ' ', &at, &word, &len)) {
        bool fits = list->n < NAMES_MAX && list->aliases_len + len < ALIAS_BYTES_MAX;
        if (len < 2 || !fits) continue;
        char *copy = list->aliases + list->aliases_len;
        memcpy(copy, word, len);
        copy[len] = 0;
        list->aliases_len += len + 1;
        list->spelt[list->n] = copy;
        list->name[list->n++] = o->name;
    }
}

const char *fig__option_nearest(const fig_option_table *tables, size_t n, const char *typed) {
    name_list list;
    list.n = list.aliases_len = 0;
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t].n; i++) list_names(&list, &tables[t].rows[i]);
    const char *spelt = fig__nearest(typed, list.spelt, list.n);
    for (size_t i = 0; spelt && i < list.n; i++)
        if (list.spelt[i] == spelt) return list.name[i];
    return NULL;
}

/* --- numbers --------------------------------------------------------------------------------------------*/

/* Takes out the '_' between digits and a last k, M or G; false when the text is no number at all. */
static bool plain_number(const char *value, char out[NUMBER_MAX], double *unit) {
    static const struct {
        char letter;
        double unit;
    } units[] = {{'k', 1e3}, {'K', 1e3}, {'M', 1e6}, {'G', 1e9}};
    size_t n = 0;
    *unit = 1;
    for (size_t i = 0; value[i]; i++) {
        bool grouping = value[i] == '_' && i && value[i + 1] && value[i + 1] != '_' && value[i - 1] != '_';
        if (grouping) continue;
        bool hexadecimal = fig__lower(value[i]) == 'x';
        if (hexadecimal || n + 1 == NUMBER_MAX) return false;
        out[n++] = value[i];
    }
    out[n] = 0;
    for (size_t u = 0; n > 1 && u < FIG_COUNT(units); u++) {
        if (out[n - 1] != units[u].letter) continue;
        *unit = units[u].unit;
        out[n - 1] = 0;
        break;
    }
    return n > 0;
}

/* Exact in a double, so "1.5M" and "1e6" are whole numbers too. */
static bool whole(double real, int64_t *out) {
    if (!(fabs(real) <= 9007199254740992.0) || real != floor(real)) return false;
    *out = (int64_t)real;
    return true;
}

static bool read_int(const char *value, int64_t *out) {
    char text[NUMBER_MAX];
    double unit, real;
    if (!plain_number(value, text, &unit)) return false;
    if (unit == 1 && fig__parse_int(text, out)) return true;
    return fig__parse_real(text, &real) && whole(real * unit, out);
}

static bool read_real(const char *value, double *out) {
    char text[NUMBER_MAX];
    double unit;
    if (!plain_number(value, text, &unit) || !fig__parse_real(text, out)) return false;
    *out *= unit;
    return true;
}

static bool read_bool(const char *value, bool *out) {
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < FIG_COUNT(yes); i++) {
        *out = fig__same_text(value, yes[i]);
        if (*out || fig__same_text(value, no[i])) return true;
    }
    return false;
}

/* "1 to 64", with an open end where the limit is infinite. */
static fig_status out_of_range(fig_context *ctx, const fig_option *o, const char *value) {
    if (isinf(o->high))
        return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: %s is too small; give at least %g", o->name, value, o->low);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: %s is out of range; give %.12g to %.12g", o->name, value, o->low, o->high);
}

static bool in_range(const fig_option *o, double value) {
    return !has_range(o) || (value >= o->low && value <= o->high);
}

static fig_status put_int(fig_context *ctx, const fig_option *o, void *s, int64_t value, const char *text) {
    if (!in_range(o, (double)value)) return out_of_range(ctx, o, text);
    *(int64_t *)field(o, s) = value;
    return FIG_OK;
}

static fig_status put_real(fig_context *ctx, const fig_option *o, void *s, double value, const char *text) {
    FIG_CHECK(ctx, !isnan(value), FIG_ERR_ARG, "%s: %s is no number", o->name, text);
    if (!in_range(o, value)) return out_of_range(ctx, o, text);
    *(double *)field(o, s) = value;
    return FIG_OK;
}

/* --- choices and lists ----------------------------------------------------------------------------------*/

static fig_status bad_choice(fig_context *ctx, const fig_option *o, const char *value) {
    char names[32][CHOICE_MAX];
    const char *near[32], *word;
    size_t n = 0, at = 0, len;
    while (n < FIG_COUNT(names) && next_word(o->choices, '|', &at, &word, &len)) {
        size_t kept = FIG_MIN(len, (size_t)CHOICE_MAX - 1);
        memcpy(names[n], word, kept);
        names[n][kept] = 0;
        near[n] = names[n];
        n++;
    }
    const char *nearest = fig__nearest(value, near, n);
    if (nearest)
        return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown value \"%s\"; did you mean %s?", o->name, value, nearest);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown value \"%s\"; give one of %s", o->name, value, o->choices);
}

static fig_status put_choice(fig_context *ctx, const fig_option *o, void *s, const char *value) {
    const char *word;
    size_t at = 0, len;
    for (int i = 0; next_word(o->choices, '|', &at, &word, &len); i++) {
        if (!same_name(value, word, len)) continue;
        *(int *)field(o, s) = i;
        return FIG_OK;
    }
    return bad_choice(ctx, o, value);
}

static fig_status add_to_list(fig_context *ctx, fig_strings *list, const char *value, fig__arena *arena) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 8;
        const char **data = fig__arena_alloc(arena, cap * sizeof *data);
        if (!data) return FIG_ERR_NOMEM;
        if (list->n) memcpy(data, list->data, list->n * sizeof *data);
        list->data = data;
        list->cap = cap;
    }
    const char *copy = fig__arena_strdup(arena, value);
    FIG_CHECK(ctx, copy, FIG_ERR_NOMEM, "out of memory");
    list->data[list->n++] = copy;
    return FIG_OK;
}

/* --- setting --------------------------------------------------------------------------------------------*/

fig_status fig__option_set(fig_context *ctx, const fig_option *o, void *s, const char *value, fig__arena *arena) {
    int64_t whole_value;
    double real;
    switch (o->kind) {
    case FIG_OPT_INT:
        FIG_CHECK(ctx, read_int(value, &whole_value), FIG_ERR_ARG, "%s: \"%s\" is no whole number", o->name, value);
        return put_int(ctx, o, s, whole_value, value);
    case FIG_OPT_REAL:
        FIG_CHECK(ctx, read_real(value, &real), FIG_ERR_ARG, "%s: \"%s\" is no number", o->name, value);
        return put_real(ctx, o, s, real, value);
    case FIG_OPT_BOOL:
        FIG_CHECK(ctx, read_bool(value, (bool *)field(o, s)), FIG_ERR_ARG, "%s: \"%s\" is neither true nor false",
                  o->name, value);
        return FIG_OK;
    case FIG_OPT_CHOICE: return put_choice(ctx, o, s, value);
    case FIG_OPT_LIST: return add_to_list(ctx, (fig_strings *)field(o, s), value, arena);
    case FIG_OPT_STRING: break;
    }
    const char *copy = fig__arena_strdup(arena, value);
    FIG_CHECK(ctx, copy, FIG_ERR_NOMEM, "out of memory");
    *(const char **)field(o, s) = copy;
    return FIG_OK;
}

/* Empty, then what the table says. A fallback is static text, so STRING needs no copy and no arena. */
static fig_status set_default(fig_context *ctx, const fig_option *o, void *s, fig__arena *arena) {
    static const size_t sizes[] = {
        [FIG_OPT_INT] = sizeof(int64_t),         [FIG_OPT_REAL] = sizeof(double), [FIG_OPT_BOOL] = sizeof(bool),
        [FIG_OPT_STRING] = sizeof(const char *), [FIG_OPT_CHOICE] = sizeof(int),  [FIG_OPT_LIST] = sizeof(fig_strings)};
    memset(field(o, s), 0, sizes[o->kind]);
    if (!o->fallback) return FIG_OK;
    if (o->kind != FIG_OPT_STRING) return fig__option_set(ctx, o, s, o->fallback, arena);
    *(const char **)field(o, s) = o->fallback;
    return FIG_OK;
}

fig_status fig__options_defaults(fig_context *ctx, fig_option_table t, void *s, fig__arena *arena) {
    for (size_t i = 0; i < t.n; i++)
        if (t.rows[i].name) FIG_TRY(set_default(ctx, &t.rows[i], s, arena));
    return FIG_OK;
}

/* --- JSON -----------------------------------------------------------------------------------------------*/

static fig_status set_json_number(fig_context *ctx, const fig_option *o, void *s, const fig__json *value) {
    char text[NUMBER_MAX];
    double real = fig__json_real(value, 0);
    int64_t whole_value = fig__json_int(value, 0);
    bool is_int = fig__json_type(value) == FIG_JSON_INT || whole(real, &whole_value);
    snprintf(text, sizeof text, "%.12g", real);
    if (o->kind == FIG_OPT_REAL) return put_real(ctx, o, s, real, text);
    FIG_CHECK(ctx, is_int, FIG_ERR_ARG, "%s: %s is no whole number", o->name, text);
    return put_int(ctx, o, s, whole_value, text);
}

static fig_status set_json_list(fig_context *ctx, const fig_option *o, void *s, const fig__json *value,
                                fig__arena *arena) {
    fig_strings list = {0};
    for (size_t i = 0; i < fig__json_size(value); i++) {
        const char *text = fig__json_str(fig__json_at(value, i), NULL);
        FIG_CHECK(ctx, text, FIG_ERR_ARG, "%s: element %zu is no text; put it in quotes", o->name, i + 1);
        FIG_TRY(add_to_list(ctx, &list, text, arena));
    }
    *(fig_strings *)field(o, s) = list;
    return FIG_OK;
}

fig_status fig__option_set_json(fig_context *ctx, const fig_option *o, void *s, const fig__json *value,
                                fig__arena *arena) {
    bool is_number = o->kind == FIG_OPT_INT || o->kind == FIG_OPT_REAL;
    switch (fig__json_type(value)) {
    case FIG_JSON_NULL: return set_default(ctx, o, s, arena);
    case FIG_JSON_BOOL:
        if (o->kind == FIG_OPT_BOOL) {
            *(bool *)field(o, s) = fig__json_bool(value, false);
            return FIG_OK;
        }
        break;
    case FIG_JSON_INT:
    case FIG_JSON_REAL:
        if (is_number) return set_json_number(ctx, o, s, value);
        break;
    case FIG_JSON_STRING:
        if (o->kind == FIG_OPT_LIST) *(fig_strings *)field(o, s) = (fig_strings){0};
        return fig__option_set(ctx, o, s, fig__json_str(value, ""), arena);
    case FIG_JSON_ARRAY:
        if (o->kind == FIG_OPT_LIST) return set_json_list(ctx, o, s, value, arena);
        break;
    case FIG_JSON_OBJECT: break;
    }
    static const char *const wanted[] = {
        [FIG_OPT_INT] = "a whole number",      [FIG_OPT_REAL] = "a number", [FIG_OPT_BOOL] = "true or false",
        [FIG_OPT_STRING] = "a text in quotes", [FIG_OPT_CHOICE] = "a name", [FIG_OPT_LIST] = "a list of texts"};
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: a value of the wrong kind; give %s", o->name, wanted[o->kind]);
}

static fig__json *choice_name(const fig_option *o, int choice) {
    const char *word;
    size_t at = 0, len;
    for (int i = 0; next_word(o->choices, '|', &at, &word, &len); i++)
        if (i == choice) return fig__json_new_strn(word, len);
    return NULL;
}

static fig__json *list_json(const fig_strings *list) {
    fig__json *array = fig__json_new_array();
    for (size_t i = 0; i < list->n; i++) {
        if (!fig__json_push(array, fig__json_new_str(list->data[i]))) continue;
        fig__json_free(array);
        return NULL;
    }
    return array;
}

fig__json *fig__option_get_json(const fig_option *o, const void *s) {
    const char *at = (const char *)s + o->offset;
    const char *text;
    switch (o->kind) {
    case FIG_OPT_INT: return fig__json_new_int(*(const int64_t *)at);
    case FIG_OPT_REAL: return fig__json_new_real(*(const double *)at);
    case FIG_OPT_BOOL: return fig__json_new_bool(*(const bool *)at);
    case FIG_OPT_CHOICE: return choice_name(o, *(const int *)at);
    case FIG_OPT_LIST: return list_json((const fig_strings *)at);
    case FIG_OPT_STRING: break;
    }
    text = *(const char *const *)at;
    return text ? fig__json_new_str(text) : fig__json_new_null();
}
