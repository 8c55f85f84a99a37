/* cli/help.c: help texts, written from the commands' option tables. */
#include "cli/cli.h"
#include <math.h>

#define LEFT 30 /* columns of a flag before its explanation */

const char *fig__option_value_name(const fig_option *o) {
    static const char *const names[] = {[FIG_OPT_INT] = "N",       [FIG_OPT_REAL] = "X",   [FIG_OPT_BOOL] = NULL,
                                        [FIG_OPT_STRING] = "TEXT", [FIG_OPT_CHOICE] = "A", [FIG_OPT_LIST] = "TEXT"};
    if (o->value) return o->value;
    return o->kind == FIG_OPT_CHOICE ? o->choices : names[o->kind];
}

/* The single letters among the aliases: "-o, ". */
static fig_status add_short_names(const fig_option *o, fig__buf *out) {
    const char *at = o->aliases ? o->aliases : "";
    while (*at) {
        size_t len = strcspn(at, " ");
        if (len == 1) FIG_TRY(fig__buf_printf(out, "-%c, ", *at));
        at += len + (at[len] == ' ');
    }
    return FIG_OK;
}

/* A switch that is on by default is shown by what turns it off. */
static bool is_on_switch(const fig_option *o) {
    return o->kind == FIG_OPT_BOOL && o->fallback && fig__same_text(o->fallback, "true");
}

static fig_status add_option(const fig_option *o, fig__buf *out) {
    size_t start = out->len;
    FIG_TRY(fig__buf_adds(out, "  "));
    FIG_TRY(add_short_names(o, out));
    FIG_TRY(fig__buf_printf(out, "--%s%s", is_on_switch(o) ? "no-" : "", o->name));
    if (fig__option_value_name(o)) FIG_TRY(fig__buf_printf(out, " %s", fig__option_value_name(o)));
    size_t width = out->len - start;
    FIG_TRY(width < LEFT ? fig__buf_printf(out, "%*s", (int)(LEFT - width), "")
                         : fig__buf_printf(out, "\n%*s", LEFT, ""));
    FIG_TRY(fig__buf_printf(out, "%s%s", is_on_switch(o) ? "not: " : "", o->help ? o->help : ""));
    bool has_default = o->fallback && *o->fallback && o->kind != FIG_OPT_BOOL;
    if (has_default) FIG_TRY(fig__buf_printf(out, " (%s)", o->fallback));
    return fig__buf_addc(out, '\n');
}

/* Architectures share most settings: a later one is shown only where its row differs from the first one's. */
typedef struct help_state {
    fig__buf *out;
    const fig_option_table *first_arch;
    fig_status status;
} help_state;

static bool same_row(const fig_option *a, const fig_option *b) {
    bool same_default = a->fallback && b->fallback ? strcmp(a->fallback, b->fallback) == 0 : a->fallback == b->fallback;
    return same_default && a->kind == b->kind && strcmp(a->help ? a->help : "", b->help ? b->help : "") == 0;
}

static fig_status add_table(help_state *state, const char *title, const fig_option_table *table, bool is_arch) {
    const fig_option_table *first = is_arch ? state->first_arch : NULL;
    bool titled = false;
    if (is_arch && !first) state->first_arch = table;
    for (size_t i = 0; i < table->n; i++) {
        const fig_option *o = &table->rows[i];
        const fig_option *known = first && o->name ? fig__option_find(*first, o->name) : NULL;
        if (known && same_row(known, o)) continue;
        if (!o->name) {
            FIG_TRY(fig__buf_printf(state->out, "\n%s:\n", o->help));
            titled = true;
            continue;
        }
        if (!titled) {
            if (is_arch)
                FIG_TRY(fig__buf_printf(state->out, "\nModel (--arch %s):\n", title));
            else
                FIG_TRY(fig__buf_printf(state->out, "\n%s:\n", title ? title : "Flags"));
        }
        titled = true;
        FIG_TRY(add_option(o, state->out));
    }
    return FIG_OK;
}

static void each_table(void *user, const char *title, const fig_option_table *table) {
    help_state *state = user;
    bool is_arch = title && table != &fig__global_table;
    if (!state->status) state->status = add_table(state, title, table, is_arch);
}

static fig_status add_lines(fig__buf *out, const char *text, const char *indent) {
    while (*text) {
        size_t len = strcspn(text, "\n");
        FIG_TRY(fig__buf_printf(out, "%s%.*s\n", indent, (int)len, text));
        text += len + (text[len] == '\n');
    }
    return FIG_OK;
}

fig_status fig__help_command(const fig__command *c, fig__buf *out) {
    FIG_TRY(fig__buf_printf(out, "figment %s %s\n%s\n", c->name, c->usage, c->summary));
    if (c->details) {
        FIG_TRY(fig__buf_addc(out, '\n'));
        FIG_TRY(add_lines(out, c->details, ""));
    }
    FIG_TRY(fig__buf_adds(out, "\nExample:\n"));
    FIG_TRY(add_lines(out, c->example, "  "));
    help_state state = {.out = out};
    fig__command_tables(c, each_table, &state);
    return state.status;
}

fig_status fig__help_overview(fig__buf *out) {
    FIG_TRY(
        fig__buf_adds(out, "figment " FIG_VERSION_STRING ": a generative model of your own, from your own data\n\n"));
    for (size_t i = 0; i < fig__n_commands; i++) {
        const fig__command *c = fig__commands[i];
        FIG_TRY(fig__buf_printf(out, "  figment %-18s %s\n", c->name, c->summary));
    }
    return fig__buf_adds(out, "\n  figment help COMMAND       flags and an example\n"
                              "  figment --version | --man | --completion bash\n\n"
                              "Begin with:\n"
                              "  figment generate shakespeare --prompt \"ROMEO:\"\n"
                              "  figment train --data my-folder\n");
}
