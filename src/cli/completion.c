/* cli/completion.c: completion for bash, written from the commands' option tables. */
#include "cli/cli.h"

typedef struct completion_state {
    fig__buf *out;
    fig_status status;
} completion_state;

static void add_flags(void *user, const char *title, const fig_option_table *table) {
    completion_state *state = user;
    (void)title;
    for (size_t i = 0; i < table->n && !state->status; i++)
        if (table->rows[i].name) state->status = fig__buf_printf(state->out, " --%s", table->rows[i].name);
}

static fig_status add_command(fig__buf *out, const fig__command *c) {
    completion_state state = {.out = out};
    FIG_TRY(fig__buf_printf(out, "        '%s'*) flags='", c->name));
    fig__command_tables(c, add_flags, &state);
    FIG_TRY(state.status);
    return fig__buf_adds(out, "' ;;\n");
}

/* Values of choices: "--schedule" is followed by one of its words. */
static void add_choices(void *user, const char *title, const fig_option_table *table) {
    completion_state *state = user;
    (void)title;
    for (size_t i = 0; i < table->n && !state->status; i++) {
        const fig_option *o = &table->rows[i];
        if (!o->name || !o->choices) continue;
        state->status = fig__buf_printf(state->out, "        --%s) COMPREPLY=($(compgen -W '", o->name);
        for (const char *c = o->choices; *c && !state->status; c++)
            state->status = fig__buf_addc(state->out, *c == '|' ? ' ' : *c);
        if (!state->status) state->status = fig__buf_adds(state->out, "' -- \"$word\")); return ;;\n");
    }
}

/* First words once each, with the second words of "tokenizer train" and the like. */
static fig_status add_names(fig__buf *out) {
    FIG_TRY(fig__buf_adds(out, "    case ${COMP_CWORD}:${COMP_WORDS[1]} in\n        1:*) names='help"));
    for (size_t i = 0; i < fig__n_commands; i++) {
        const char *name = fig__commands[i]->name;
        size_t len = strcspn(name, " ");
        bool repeated = i && strncmp(fig__commands[i - 1]->name, name, len) == 0;
        if (!repeated) FIG_TRY(fig__buf_printf(out, " %.*s", (int)len, name));
    }
    FIG_TRY(fig__buf_adds(out, "' ;;\n"));
    for (size_t i = 0; i < fig__n_commands; i++) {
        const char *name = fig__commands[i]->name, *second = strchr(name, ' ');
        if (second)
            FIG_TRY(fig__buf_printf(out, "        2:%.*s) names+=' %s' ;;&\n", (int)(second - name), name, second + 1));
    }
    return fig__buf_adds(out, "    esac\n");
}

fig_status fig__completion_bash(fig__buf *out) {
    FIG_TRY(fig__buf_adds(
        out, "# bash completion for figment, written by figment --completion bash\n"
             "_figment() {\n"
             "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} names= flags=\n"));
    FIG_TRY(add_names(out));
    FIG_TRY(fig__buf_adds(out, "    case $before in\n"));
    completion_state state = {.out = out};
    for (size_t i = 0; i < fig__n_commands; i++) {
        for (size_t t = 0; t < FIG__MAX_TABLES && fig__commands[i]->tables[t]; t++)
            add_choices(&state, NULL, fig__commands[i]->tables[t]);
    }
    FIG_TRY(state.status);
    FIG_TRY(fig__buf_adds(out, "    esac\n    case \"${COMP_WORDS[*]:1}\" in\n"));
    for (size_t i = 0; i < fig__n_commands; i++) FIG_TRY(add_command(out, fig__commands[i]));
    return fig__buf_adds(out,
                         "    esac\n"
                         "    case $word in\n"
                         "        -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$word\")) ;;\n"
                         "        *) COMPREPLY=($(compgen -W \"$names\" -- \"$word\") $(compgen -f -- \"$word\")) ;;\n"
                         "    esac\n"
                         "}\n"
                         "complete -o filenames -F _figment figment\n");
}
