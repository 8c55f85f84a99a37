/* fig/options.h: named settings of a plain struct, described once.
 *
 * A table of fig_option per struct is all that there is: defaults, parsing, ranges, "did you mean", recipes, JSON, help
 * texts, the man page and shell completion are read from it. An architecture (fig/model.h) brings one for its settings.
 * '-' and '_' in names are equal.
 *
 *     typedef struct config { int64_t n_layer; double dropout; } config;
 *     static const fig_option rows[] = {
 *         {.name = "n_layer", .kind = FIG_OPT_INT, .offset = offsetof(config, n_layer), .low = 1, .high = 64},
 *         {.name = "dropout", .kind = FIG_OPT_REAL, .offset = offsetof(config, dropout), .low = 0, .high = 0.9},
 *     };
 *     static const fig_option_table table = {rows, 2}; */
#ifndef FIG_OPTIONS_H
#define FIG_OPTIONS_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fig_option_kind {
    FIG_OPT_INT,    /* int64_t; "20_000", "20k", "1M" are read too */
    FIG_OPT_REAL,   /* double */
    FIG_OPT_BOOL,   /* bool; true/false/yes/no/1/0, on the command line the bare flag or --no-flag */
    FIG_OPT_STRING, /* const char *, NULL when fallback is NULL */
    FIG_OPT_CHOICE, /* int: the position in choices */
    FIG_OPT_LIST    /* fig_strings: may be given several times, or as a JSON array */
} fig_option_kind;

typedef struct fig_strings {
    const char **data;
    size_t n, cap;
} fig_strings;

typedef struct fig_option {
    const char *name; /* "n_layer" */
    fig_option_kind kind;
    size_t offset;        /* offsetof(struct, field) */
    double low, high;     /* of INT and REAL; both 0: any */
    const char *choices;  /* "constant|cosine|wsd" */
    const char *fallback; /* default as text; NULL: 0, false, NULL */
    const char *aliases;  /* "out_dir output", separated by blanks; a single letter is a short flag; or NULL */
    const char *value;    /* how help names the value: "N", "PATH"; NULL: from the kind */
    const char *help;     /* one line; section headings are rows with name NULL */
} fig_option;

typedef struct fig_option_table {
    const fig_option *rows;
    size_t n;
} fig_option_table;

#ifdef __cplusplus
}
#endif
#endif
