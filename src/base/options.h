/* base/options.h: named settings of a plain struct, described once.
 *
 * One table of fig__option per struct is all that there is: defaults, parsing, ranges, "did you mean", recipes, JSON,
 * help texts, the man page and shell completion are read from it. '-' and '_' in names are equal. */
#ifndef FIG_OPTIONS_H
#define FIG_OPTIONS_H
#include <stddef.h>
#include "json.h"

typedef enum fig__option_kind {
    FIG_OPT_INT,    /* int64_t; "20_000", "20k", "1M" are read too */
    FIG_OPT_REAL,   /* double */
    FIG_OPT_BOOL,   /* bool; true/false/yes/no/1/0, on the command line the bare flag or --no-flag */
    FIG_OPT_STRING, /* const char *, NULL when fallback is NULL */
    FIG_OPT_CHOICE, /* int: the position in choices */
    FIG_OPT_LIST    /* fig__strings: may be given several times, or as a JSON array */
} fig__option_kind;

typedef struct fig__strings { const char **data; size_t n, cap; } fig__strings;

typedef struct fig__option {
    const char *name;     /* "n_layer" */
    fig__option_kind kind;
    size_t offset;        /* offsetof(struct, field) */
    double low, high;     /* of INT and REAL; both 0: any */
    const char *choices;  /* "constant|cosine|wsd" */
    const char *fallback; /* default as text; NULL: 0, false, NULL */
    const char *aliases;  /* "out_dir output", separated by blanks; a single letter is a short flag; or NULL */
    const char *value;    /* how help names the value: "N", "PATH"; NULL: from the kind */
    const char *help;     /* one line; section headings are rows with name NULL */
} fig__option;

typedef struct fig__option_table {
    const fig__option *rows;
    size_t n;
} fig__option_table;

/* Everything a struct holds as text lives in `arena`. Errors name the key, the value, and the nearest valid one. */
fig_status fig__options_defaults(fig_context *ctx, fig__option_table t, void *s, fig__arena *arena);
const fig__option *fig__option_find(fig__option_table t, const char *name); /* aliases too; NULL when unknown */
fig_status fig__option_set(fig_context *ctx, const fig__option *o, void *s, const char *value, fig__arena *arena);
fig_status fig__option_set_json(fig_context *ctx, const fig__option *o, void *s, const fig__json *value,
                                fig__arena *arena);
fig__json *fig__option_get_json(const fig__option *o, const void *s); /* a new value */
/* The nearest name over several tables, or NULL. */
const char *fig__option_nearest(const fig__option_table *tables, size_t n, const char *typed);

#endif
