/* cli/man.c: the manual page, written from the commands' option tables. */
#include "cli/cli.h"

/* roff: a backslash and a leading dot or quote would be commands, a bare '-' would become a hyphen. */
static fig_status add_text(fig__buf *out, const char *text) {
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\'')) FIG_TRY(fig__buf_adds(out, "\\&"));
        if (*text == '\\')
            FIG_TRY(fig__buf_adds(out, "\\e"));
        else if (*text == '-')
            FIG_TRY(fig__buf_adds(out, "\\-"));
        else
            FIG_TRY(fig__buf_addc(out, *text));
        line_start = *text == '\n';
    }
    return FIG_OK;
}

static fig_status add_aliases(fig__buf *out, const char *aliases) {
    while (*aliases) {
        size_t len = strcspn(aliases, " ");
        FIG_TRY(fig__buf_printf(out, ", \\fB%s%.*s\\fR", len == 1 ? "\\-" : "\\-\\-", (int)len, aliases));
        aliases += len + (aliases[len] == ' ');
    }
    return FIG_OK;
}

static fig_status add_option(fig__buf *out, const fig_option *o) {
    FIG_TRY(fig__buf_printf(out, ".TP\n\\fB\\-\\-%s\\fR", o->name));
    if (o->aliases) FIG_TRY(add_aliases(out, o->aliases));
    const char *value = fig__option_value_name(o);
    if (value) FIG_TRY(fig__buf_printf(out, " \\fI%s\\fR", value));
    FIG_TRY(fig__buf_addc(out, '\n'));
    FIG_TRY(add_text(out, o->help ? o->help : ""));
    if (o->fallback && *o->fallback) {
        FIG_TRY(fig__buf_adds(out, " (default: "));
        FIG_TRY(add_text(out, o->fallback));
        FIG_TRY(fig__buf_addc(out, ')'));
    }
    return fig__buf_addc(out, '\n');
}

typedef struct man_state {
    fig__buf *out;
    fig_status status;
} man_state;

static fig_status add_table(fig__buf *out, const char *title, const fig_option_table *table) {
    if (title) FIG_TRY(fig__buf_printf(out, ".PP\nWith \\fB\\-\\-arch %s\\fR:\n", title));
    for (size_t i = 0; i < table->n; i++) {
        const fig_option *o = &table->rows[i];
        if (o->name)
            FIG_TRY(add_option(out, o));
        else
            FIG_TRY(fig__buf_printf(out, ".PP\n%s:\n", o->help));
    }
    return FIG_OK;
}

static void each_table(void *user, const char *title, const fig_option_table *table) {
    man_state *state = user;
    if (!state->status && table != &fig__global_table) state->status = add_table(state->out, title, table);
}

static fig_status add_command(fig__buf *out, const fig__command *c) {
    FIG_TRY(fig__buf_adds(out, ".SS figment "));
    FIG_TRY(add_text(out, c->name));
    FIG_TRY(fig__buf_addc(out, ' '));
    FIG_TRY(add_text(out, c->usage));
    FIG_TRY(fig__buf_addc(out, '\n'));
    FIG_TRY(add_text(out, c->summary));
    if (c->details) {
        FIG_TRY(fig__buf_adds(out, "\n.PP\n"));
        FIG_TRY(add_text(out, c->details));
    }
    FIG_TRY(fig__buf_adds(out, "\n.PP\n.nf\n"));
    FIG_TRY(add_text(out, c->example));
    FIG_TRY(fig__buf_adds(out, "\n.fi\n"));
    man_state state = {.out = out};
    fig__command_tables(c, each_table, &state);
    return state.status;
}

static const char opening[] =
    ".TH FIGMENT 1 \"\" \"figment " FIG_VERSION_STRING "\" \"User Commands\"\n"
    ".SH NAME\nfigment \\- a generative model of your own, from your own data\n"
    ".SH SYNOPSIS\n.B figment\n\\fICOMMAND\\fR [\\fIFLAGS\\fR] [\\fIARGUMENTS\\fR]\n"
    ".SH DESCRIPTION\nfigment learns a language model from text files and writes with it, on an ordinary computer. "
    "In names of flags \\- and _ are equal. A flag wins over the environment variable FIGMENT_NAME, that over a recipe "
    "(YAML with the same keys), and that over the default. Results go to standard output, progress to standard "
    "error.\n";

static const char closing[] =
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBFIGMENT_\\fR\\fINAME\\fR\nThe flag \\-\\-name of any command, in capitals: FIGMENT_N_LAYER=6.\n"
    ".TP\n\\fBFIGMENT_MODELS\\fR\nFolders in which models are looked for, separated by colons.\n"
    ".TP\n\\fBFIGMENT_MIRROR\\fR\nA folder that \\fBdata get\\fR asks instead of the network.\n"
    ".TP\n\\fBFIG_CPU\\fR\nThe highest CPU level used: scalar, avx2, avx512, avx512bf16, amx.\n"
    ".TP\n\\fBOMP_NUM_THREADS\\fR\nHow many threads are used.\n"
    ".SH EXIT STATUS\n0 done, 1 failed while running, 2 the command line or a given file is wrong.\n";

fig_status fig__man_page(fig__buf *out) {
    FIG_TRY(fig__buf_adds(out, opening));
    FIG_TRY(fig__buf_adds(out, ".SH OPTIONS OF EVERY COMMAND\n"));
    FIG_TRY(add_table(out, NULL, &fig__global_table));
    FIG_TRY(fig__buf_adds(out, ".SH COMMANDS\n"));
    for (size_t i = 0; i < fig__n_commands; i++) FIG_TRY(add_command(out, fig__commands[i]));
    return fig__buf_adds(out, closing);
}
