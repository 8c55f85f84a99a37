/* cli/args.c: the command line, the environment and recipes, one behind the other, into the structs of a command. */
#include "cli/cli.h"
#include <fig/model.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"

#define RECIPE_MAX ((size_t)1 << 20) /* bytes of a recipe */
#define NAME_MAX_BYTES 256

/* --- which tables a command knows ---------------------------------------------------------------------------*/

void fig__command_tables(const fig__command *c, fig__table_fn *fn, void *user) {
    for (size_t i = 0; i < FIG__MAX_TABLES && c->tables[i]; i++) fn(user, NULL, c->tables[i]);
    for (size_t i = 0; c->arch_options && i < fig_arch_count(); i++)
        fn(user, fig_arch_at(i)->name, fig_arch_at(i)->options);
    fn(user, "Everywhere", &fig__global_table);
}

typedef struct lookup {
    const char *name;
    const fig_option *found;
    fig_option_table tables[FIG__MAX_TABLES + 16]; /* for the nearest name */
    size_t n;
} lookup;

static void look_in_table(void *user, const char *title, const fig_option_table *table) {
    lookup *l = user;
    (void)title;
    if (!l->found) l->found = fig__option_find(*table, l->name);
    if (l->n < FIG_COUNT(l->tables)) l->tables[l->n++] = *table;
}

/* --- scanning -------------------------------------------------------------------------------------------------*/

/* A flag as typed: "--name", "--name=value", "-n". */
typedef struct typed {
    char name[NAME_MAX_BYTES];
    const char *inline_value; /* behind '=' */
    bool is_long;
} typed;

static fig_status unknown_flag(fig_context *ctx, const typed *t, const lookup *l) {
    const char *dashes = t->is_long ? "--" : "-";
    const char *nearest = t->is_long ? fig__option_nearest(l->tables, l->n, t->name) : NULL;
    if (nearest) return FIG_FAIL(ctx, FIG_ERR_ARG, "%s%s: unknown flag; did you mean --%s?", dashes, t->name, nearest);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s%s: unknown flag; --help lists them", dashes, t->name);
}

static bool split_flag(const char *word, typed *t) {
    t->is_long = word[1] == '-';
    const char *name = word + 1 + t->is_long, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    if (len >= sizeof t->name) return false;
    memcpy(t->name, name, len);
    t->name[len] = 0;
    t->inline_value = equals ? equals + 1 : NULL;
    return true;
}

/* "--no-resume": the switch "resume", off. */
static const fig_option *find_negated(const fig__command *c, const char *name) {
    if (strncmp(name, "no-", 3) != 0 && strncmp(name, "no_", 3) != 0) return NULL;
    lookup l = {.name = name + 3};
    fig__command_tables(c, look_in_table, &l);
    return l.found && l.found->kind == FIG_OPT_BOOL ? l.found : NULL;
}

/* One flag at argv[*i]; a value of its own moves *i on. */
static fig_status scan_flag(fig__args *args, int argc, char **argv, int *i) {
    typed t;
    fig_context *ctx = args->ctx;
    FIG_CHECK(ctx, split_flag(argv[*i], &t), FIG_ERR_ARG, "%.40s...: unknown flag; --help lists them", argv[*i]);
    lookup l = {.name = t.name};
    fig__command_tables(args->command, look_in_table, &l);
    fig__flag flag = {.value = t.inline_value};
    bool short_for_long = l.found && !t.is_long && t.name[0] && t.name[1]; /* -seed */
    if (!l.found || short_for_long) {
        const fig_option *negated = t.is_long && !t.inline_value ? find_negated(args->command, t.name) : NULL;
        if (!negated) return unknown_flag(ctx, &t, &l);
        flag = (fig__flag){negated->name, "false", negated->name};
    } else {
        flag.name = l.found->name;
        flag.typed = fig__arena_strdup(args->arena, t.name);
        if (!flag.typed) return FIG_ERR_NOMEM;
        if (!flag.value && l.found->kind == FIG_OPT_BOOL) flag.value = "true";
        if (!flag.value && *i + 1 < argc) flag.value = argv[++*i];
    }
    FIG_CHECK(ctx, flag.value, FIG_ERR_ARG, "--%s: a value is missing; give %s", flag.name,
              fig__option_value_name(l.found));
    args->flags[args->n_flags++] = flag;
    return FIG_OK;
}

fig_status fig__args_scan(fig__args *args, const fig__command *command, int argc, char **argv) {
    bool only_words = false;
    args->command = command;
    args->flags = fig__arena_alloc(args->arena, ((size_t)argc + 1) * sizeof *args->flags);
    args->words.data = fig__arena_alloc(args->arena, ((size_t)argc + 1) * sizeof *args->words.data);
    if (!args->flags || !args->words.data) return FIG_ERR_NOMEM;
    for (int i = 0; i < argc; i++) {
        bool is_flag = argv[i][0] == '-' && argv[i][1] && !only_words;
        if (is_flag && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (is_flag)
            FIG_TRY(scan_flag(args, argc, argv, &i));
        else
            args->words.data[args->words.n++] = argv[i];
    }
    return FIG_OK;
}

fig_status fig__args_want_words(const fig__args *args, size_t low, size_t high) {
    const fig__command *c = args->command;
    if (args->words.n >= low && args->words.n <= high) return FIG_OK;
    if (args->words.n > high)
        return FIG_FAIL(args->ctx, FIG_ERR_ARG, "%s: one argument too many; usage: figment %s %s",
                        args->words.data[high], c->name, c->usage);
    return FIG_FAIL(args->ctx, FIG_ERR_ARG, "%s: an argument is missing; usage: figment %s %s", c->name, c->name,
                    c->usage);
}

/* --- recipes ----------------------------------------------------------------------------------------------------*/

fig_status fig__recipe_load(fig_context *ctx, const char *path, fig__recipe *out) {
    *out = (fig__recipe){.path = path};
    fig__buf_init(&out->text, ctx, RECIPE_MAX);
    fig_status status = fig__file_read(ctx, path, RECIPE_MAX, &out->text);
    if (!status) status = fig__yaml_parse(ctx, path, fig__buf_str(&out->text), out->text.len, &out->keys);
    if (!status && fig__json_type(out->keys) != FIG_JSON_OBJECT)
        status = FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: no recipe; a recipe is YAML: one \"key: value\" a line", path);
    if (status) fig__recipe_free(out);
    return status;
}

void fig__recipe_free(fig__recipe *recipe) {
    fig__json_free(recipe->keys);
    recipe->keys = NULL;
    fig__buf_deinit(&recipe->text);
}

/* The line of a key of the top level: it begins its line, maybe in quotes. */
static int line_of_key(const fig__recipe *recipe, const char *key) {
    const char *at = fig__buf_str(&recipe->text);
    size_t len = strlen(key);
    for (int line = 1; at; line++) {
        const char *name = at + (*at == '"' || *at == '\'');
        if (strncmp(name, key, len) == 0 && strchr(" :\"'", name[len]) && name[len]) return line;
        at = strchr(at, '\n');
        if (at) at++;
    }
    return 1;
}

static fig_status unknown_key(fig__args *args, const fig__recipe *recipe, const char *key) {
    fig_option_table tables[FIG__MAX_TABLES + 1];
    size_t n = 0;
    for (size_t i = 0; i < args->n_bound; i++) tables[n++] = *args->bound[i].table;
    const char *nearest = fig__option_nearest(tables, n, key);
    int line = line_of_key(recipe, key);
    if (nearest)
        return FIG_FAIL(args->ctx, FIG_ERR_ARG, "%s:%d: %s: unknown key; did you mean %s?", recipe->path, line, key,
                        nearest);
    return FIG_FAIL(args->ctx, FIG_ERR_ARG, "%s:%d: %s: unknown key; figment help %s lists them", recipe->path, line,
                    key, args->command->name);
}

/* Sets a key in every bound struct that has it (block_size belongs to the model and to training). */
static fig_status apply_key(fig__args *args, const fig__recipe *recipe, const char *key, const fig__json *value) {
    bool found = false;
    for (size_t i = 0; i < args->n_bound; i++) {
        const fig__binding *b = &args->bound[i];
        const fig_option *o = b->table == &fig__global_table ? NULL : fig__option_find(*b->table, key);
        if (!o) continue;
        found = true;
        fig_status status = fig__option_set_json(args->ctx, o, b->values, value, args->arena);
        if (status) return fig__fail_prefix(args->ctx, status, "%s:%d", recipe->path, line_of_key(recipe, key));
        b->source[o - b->table->rows] = FIG_FROM_RECIPE;
    }
    return found ? FIG_OK : unknown_key(args, recipe, key);
}

/* What suits the command at hand better than the tables' defaults; it counts as default too. */
static fig_status apply_usual(fig__args *args) {
    for (size_t i = 0; i < fig__json_size(args->usual); i++) {
        fig__json *value;
        const char *key = fig__json_key(args->usual, i, &value);
        for (size_t k = 0; k < args->n_bound; k++) {
            const fig__binding *b = &args->bound[k];
            const fig_option *o = fig__option_find(*b->table, key);
            if (o) FIG_TRY(fig__option_set_json(args->ctx, o, b->values, value, args->arena));
        }
    }
    return FIG_OK;
}

static fig_status apply_recipe(fig__args *args, const fig__recipe *recipe) {
    for (size_t i = 0; i < fig__json_size(recipe->keys); i++) {
        fig__json *value;
        const char *key = fig__json_key(recipe->keys, i, &value);
        FIG_TRY(apply_key(args, recipe, key, value));
    }
    return FIG_OK;
}

/* --- environment and flags --------------------------------------------------------------------------------------*/

/* FIGMENT_N_LAYER for n_layer. */
static const char *from_environment(const char *name) {
    char variable[NAME_MAX_BYTES] = "FIGMENT_";
    size_t n = strlen(variable);
    for (size_t i = 0; name[i] && n + 1 < sizeof variable; i++) {
        bool lower = name[i] >= 'a' && name[i] <= 'z';
        variable[n++] = lower ? (char)(name[i] - 'a' + 'A') : name[i];
    }
    variable[n] = 0;
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

/* A list given here takes the place of one from a lower source; further mentions add to it. */
static fig_status set_from(fig__args *args, const fig__binding *b, const fig_option *o, const char *value,
                           fig__source source) {
    uint8_t *before = &b->source[o - b->table->rows];
    if (o->kind == FIG_OPT_LIST && *before != (uint8_t)source)
        *(fig_strings *)((char *)b->values + o->offset) = (fig_strings){0};
    FIG_TRY(fig__option_set(args->ctx, o, b->values, value, args->arena));
    *before = (uint8_t)source;
    return FIG_OK;
}

static fig_status apply_environment(fig__args *args, const fig__binding *b) {
    for (size_t i = 0; i < b->table->n; i++) {
        const fig_option *o = &b->table->rows[i];
        const char *value = o->name ? from_environment(o->name) : NULL;
        if (!value) continue;
        fig_status status = set_from(args, b, o, value, FIG_FROM_ENVIRONMENT);
        if (status) return fig__fail_prefix(args->ctx, status, "in the environment");
    }
    return FIG_OK;
}

static fig_status apply_flags(fig__args *args, const fig__binding *b) {
    for (size_t i = 0; i < args->n_flags; i++) {
        const fig_option *o = fig__option_find(*b->table, args->flags[i].typed);
        fig_status status = o ? set_from(args, b, o, args->flags[i].value, FIG_FROM_FLAG) : FIG_OK;
        if (status) return FIG_FAIL(args->ctx, status, "--%s", fig_error(args->ctx));
    }
    return FIG_OK;
}

/* A flag of another architecture is known to scan, but to none of the bound tables. */
static fig_status check_flags_are_bound(fig__args *args) {
    for (size_t i = 0; i < args->n_flags; i++) {
        bool found = false;
        for (size_t k = 0; k < args->n_bound; k++)
            found |= !!fig__option_find(*args->bound[k].table, args->flags[i].typed);
        FIG_CHECK(args->ctx, found, FIG_ERR_ARG, "--%s: this architecture has no such setting", args->flags[i].name);
    }
    return FIG_OK;
}

fig_status fig__args_bind(fig__args *args, const fig_option_table *table, void *values) {
    fig__binding b = {table, values, fig__arena_alloc(args->arena, table->n)};
    if (!b.source) return FIG_ERR_NOMEM;
    args->bound[args->n_bound++] = b;
    FIG_TRY(fig__options_defaults(args->ctx, *table, values, args->arena));
    if (table != &fig__global_table) return FIG_OK;
    FIG_TRY(apply_environment(args, &b)); /* the context is made from these, before a command applies the rest */
    return apply_flags(args, &b);
}

fig_status fig__args_apply(fig__args *args, const fig__recipe *first, const fig__recipe *second) {
    FIG_TRY(check_flags_are_bound(args));
    for (size_t i = 0; i < args->n_bound; i++) {
        const fig__binding *b = &args->bound[i];
        memset(b->source, FIG_FROM_DEFAULT, b->table->n);
        FIG_TRY(fig__options_defaults(args->ctx, *b->table, b->values, args->arena));
    }
    FIG_TRY(apply_usual(args));
    if (first) FIG_TRY(apply_recipe(args, first));
    if (second) FIG_TRY(apply_recipe(args, second));
    for (size_t i = 0; i < args->n_bound; i++) {
        FIG_TRY(apply_environment(args, &args->bound[i]));
        FIG_TRY(apply_flags(args, &args->bound[i]));
    }
    return FIG_OK;
}

fig__source fig__args_source(const fig__args *args, const char *name) {
    for (size_t i = 0; i < args->n_bound; i++) {
        const fig__binding *b = &args->bound[i];
        const fig_option *o = fig__option_find(*b->table, name);
        if (o) return (fig__source)b->source[o - b->table->rows];
    }
    return FIG_FROM_DEFAULT;
}

const char *fig__args_peek(const fig__args *args, const char *name) {
    for (size_t i = args->n_flags; i-- > 0;)
        if (strcmp(args->flags[i].name, name) == 0) return args->flags[i].value;
    return from_environment(name);
}
