/* cli/cli.h: what the commands share: their descriptions, the command line, output.
 *
 * A command is one const struct in one file and one line in commands.def. Its flags are option tables
 * (base/options.h); parsing, help texts, the man page and completion read those tables and nothing else. */
#ifndef FIG_CLI_H
#define FIG_CLI_H
#include "base/base.h"
#include "base/options.h"

#define FIG__MAX_TABLES 4

typedef struct fig__args fig__args;

typedef struct fig__command {
    const char *name;                                /* "train", "tokenizer encode" */
    const char *usage;                               /* what stands behind the name: "RECIPE | --data PATH..." */
    const char *summary;                             /* one line */
    const char *details;                             /* paragraphs for --help and the man page, or NULL */
    const char *example;                             /* command lines, each on a line of its own */
    const fig_option_table *tables[FIG__MAX_TABLES]; /* NULL ends */
    bool arch_options;                               /* the settings of every architecture are flags too */
    fig_status (*run)(fig__args *args);
} fig__command;

extern const fig__command *const fig__commands[];
extern const size_t fig__n_commands;
extern const fig_option_table fig__global_table;

typedef struct fig__globals {
    int64_t threads;
    const char *cpu;
    bool json, quiet, help;
} fig__globals;

/* --- the command line -------------------------------------------------------------------------------------
 * scan splits it into flags and words; a command then binds its structs to tables and has them filled by apply:
 * defaults, then the recipe, the environment (FIGMENT_N_LAYER), and the flags. */
typedef enum fig__source { FIG_FROM_DEFAULT, FIG_FROM_RECIPE, FIG_FROM_ENVIRONMENT, FIG_FROM_FLAG } fig__source;

typedef struct fig__flag {
    const char *name, *value; /* name as in the first table that knows it */
    const char *typed;        /* as on the command line: what -n stands for depends on the tables that are bound */
} fig__flag;

typedef struct fig__binding {
    const fig_option_table *table;
    void *values;
    uint8_t *source; /* [table->n] of fig__source */
} fig__binding;

struct fig__args {
    fig_context *ctx;
    fig__arena *arena; /* every text of the settings lives here */
    const fig__command *command;
    fig__globals globals;
    fig_strings words; /* what is no flag */
    fig__flag *flags;
    size_t n_flags;
    fig__binding bound[FIG__MAX_TABLES + 1];
    size_t n_bound;
    const fig__json *usual; /* values in place of the tables' defaults, or NULL */
    const char *program;    /* argv[0] */
};

fig_status fig__args_scan(fig__args *args, const fig__command *command, int argc, char **argv);
fig_status fig__args_bind(fig__args *args, const fig_option_table *table, void *values);
/* An object with the keys of the bound tables; path and text are for messages. */
typedef struct fig__recipe {
    const char *path;
    fig__buf text;
    fig__json *keys;
} fig__recipe;
fig_status fig__recipe_load(fig_context *ctx, const char *path, fig__recipe *out);
void fig__recipe_free(fig__recipe *recipe);
/* Fills what is bound: defaults, the first recipe, the second (each may be NULL), the environment, the flags. */
fig_status fig__args_apply(fig__args *args, const fig__recipe *first, const fig__recipe *second);
/* Where the value of a setting came from; FIG_FROM_DEFAULT for a name that is not bound. */
fig__source fig__args_source(const fig__args *args, const char *name);
/* The text of a flag or environment variable before anything is applied; NULL when not given. */
const char *fig__args_peek(const fig__args *args, const char *name);
/* FIG_OK when there are low..high words; the message shows the usage. */
fig_status fig__args_want_words(const fig__args *args, size_t low, size_t high);

/* --- texts from the tables --------------------------------------------------------------------------------*/
const fig__command *fig__command_find(int argc, char **argv, int *n_words); /* NULL: none; n_words: of its name */
fig_status fig__command_unknown(fig_context *ctx, int argc, char **argv);
/* Calls fn with each table of a command, the global one last. */
typedef void fig__table_fn(void *user, const char *title, const fig_option_table *table);
void fig__command_tables(const fig__command *c, fig__table_fn *fn, void *user);
const char *fig__option_value_name(const fig_option *o); /* "N", "PATH", "a|b"; NULL for a switch */
fig_status fig__help_overview(fig__buf *out);
fig_status fig__help_command(const fig__command *c, fig__buf *out);
fig_status fig__man_page(fig__buf *out);
fig_status fig__completion_bash(fig__buf *out);

/* --- output -----------------------------------------------------------------------------------------------*/
/* To standard output; FIG_ERR_IO when it cannot be written (a full disk, a closed pipe). */
fig_status fig__print(fig_context *ctx, const void *data, size_t len);
fig_status fig__print_flush(fig_context *ctx);
fig_status fig__printf(fig_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line of JSON, or indented. Takes ownership. */
fig_status fig__print_json(fig_context *ctx, fig__json *j, int indent);
/* "1.5 MB", "812 bytes"; "2:05", "1:02:03"; "10.65M", "812". At least 32 bytes; they return text. */
const char *fig__human_bytes(double bytes, char text[32]);
const char *fig__human_time(double seconds, char text[32]);
const char *fig__human_count(double n, char text[32]);

#endif
