/* cli/main.c: finds the command, reads the command line, makes the context, runs, reports. */
#include "cli/cli.h"
#include <signal.h>
#include <stdio.h>
#include "cli/meter.h"

#define COMMAND(name) extern const fig__command fig__cmd_##name;
#include "cli/commands.def"
#undef COMMAND
const fig__command *const fig__commands[] = {
#define COMMAND(name) &fig__cmd_##name,
#include "cli/commands.def"
#undef COMMAND
};
const size_t fig__n_commands = FIG_COUNT(fig__commands);

static const fig_option global_rows[] = {
    {.name = "threads",
     .kind = FIG_OPT_INT,
     .offset = offsetof(fig__globals, threads),
     .low = 0,
     .high = 4096,
     .aliases = "t",
     .help = "threads to use; 0: OMP_NUM_THREADS, else all processors"},
    {.name = "cpu",
     .kind = FIG_OPT_STRING,
     .offset = offsetof(fig__globals, cpu),
     .value = "LEVEL",
     .help = "highest CPU level: scalar, avx2, avx512, avx512bf16, amx; else FIG_CPU, else the fastest"},
    {.name = "json", .kind = FIG_OPT_BOOL, .offset = offsetof(fig__globals, json), .help = "report as JSON"},
    {.name = "quiet",
     .kind = FIG_OPT_BOOL,
     .offset = offsetof(fig__globals, quiet),
     .aliases = "q",
     .help = "no progress"},
    {.name = "help", .kind = FIG_OPT_BOOL, .offset = offsetof(fig__globals, help), .aliases = "h", .help = "this text"},
};
const fig_option_table fig__global_table = {global_rows, FIG_COUNT(global_rows)};

/* --- finding a command --------------------------------------------------------------------------------------*/

/* The longest command whose words open the command line. */
const fig__command *fig__command_find(int argc, char **argv, int *n_words) {
    for (size_t i = 0; i < fig__n_commands; i++) {
        const char *name = fig__commands[i]->name, *second = strchr(name, ' ');
        size_t first_len = strcspn(name, " ");
        bool first = argc > 0 && strlen(argv[0]) == first_len && strncmp(argv[0], name, first_len) == 0;
        if (!first || (second && (argc < 2 || strcmp(argv[1], second + 1) != 0))) continue;
        *n_words = second ? 2 : 1;
        return fig__commands[i];
    }
    return NULL;
}

/* "tokenizer" without a known second word. */
static fig_status unknown_second(fig_context *ctx, const char *group, const char *typed) {
    const char *names[32];
    char list[256] = "";
    size_t n = 0, len = strlen(group);
    for (size_t i = 0; i < fig__n_commands && n < FIG_COUNT(names); i++) {
        const char *name = fig__commands[i]->name;
        if (strncmp(name, group, len) != 0 || name[len] != ' ') continue;
        names[n] = name + len + 1;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", names[n]);
        n++;
    }
    const char *nearest = typed ? fig__nearest(typed, names, n) : NULL;
    if (nearest)
        return FIG_FAIL(ctx, FIG_ERR_ARG, "%s %s: unknown command; did you mean %s %s?", group, typed, group, nearest);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: which one? give %s", group, list);
}

fig_status fig__command_unknown(fig_context *ctx, int argc, char **argv) {
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < fig__n_commands && n < FIG_COUNT(names); i++) {
        const char *name = fig__commands[i]->name;
        size_t len = strlen(argv[0]);
        if (strncmp(name, argv[0], len) == 0 && name[len] == ' ')
            return unknown_second(ctx, argv[0], argc > 1 ? argv[1] : NULL);
        names[n++] = name;
    }
    const char *nearest = fig__nearest(argv[0], names, n);
    if (nearest) return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown command; did you mean %s?", argv[0], nearest);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown command; figment --help lists them", argv[0]);
}

/* --- texts that need no command ---------------------------------------------------------------------------------*/

static fig_status print_text(fig_context *ctx, const fig__command *about, fig_status (*write)(fig__buf *)) {
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    fig_status status = about ? fig__help_command(about, &text) : write(&text);
    if (!status) status = fig__print(ctx, text.data, text.len);
    fig__buf_deinit(&text);
    return status;
}

static fig_status help(fig_context *ctx, int argc, char **argv) {
    int n_words;
    if (argc < 1) return print_text(ctx, NULL, fig__help_overview);
    const fig__command *c = fig__command_find(argc, argv, &n_words);
    return c ? print_text(ctx, c, NULL) : fig__command_unknown(ctx, argc, argv);
}

static fig_status completion(fig_context *ctx, const char *shell) {
    FIG_CHECK(ctx, shell && strcmp(shell, "bash") == 0, FIG_ERR_ARG, "--completion: for which shell? give bash");
    return print_text(ctx, NULL, fig__completion_bash);
}

/* False when the command line is for a command. */
static bool is_about_figment(fig_context *ctx, int argc, char **argv, fig_status *status) {
    const char *first = argc > 1 ? argv[1] : "help";
    if (strcmp(first, "help") == 0 || strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        *status = help(ctx, argc - 2, argv + 2);
    else if (strcmp(first, "--version") == 0)
        *status = fig__printf(ctx, "figment %s\n", FIG_VERSION_STRING);
    else if (strcmp(first, "--man") == 0)
        *status = print_text(ctx, NULL, fig__man_page);
    else if (strcmp(first, "--completion") == 0)
        *status = completion(ctx, argc > 2 ? argv[2] : NULL);
    else
        return false;
    return true;
}

/* --- running ----------------------------------------------------------------------------------------------------*/

/* The first Ctrl-C asks the work to stop and save; the second one ends the program (SA_RESETHAND). */
static fig_context *interrupted;
static void on_interrupt(int signal_number) {
    (void)signal_number;
    fig_cancel(interrupted);
}

static void listen_for_interrupts(fig_context *ctx) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    interrupted = ctx;
    sigaction(SIGINT, &action, NULL);
    action.sa_flags = 0;
    sigaction(SIGTERM, &action, NULL);
}

/* Warnings of the library stand between the lines of progress; the last one also says why there is no context. */
typedef struct log_state {
    bool quiet;
    char last[512];
} log_state;

static void on_log(void *user, fig_log_level level, const char *message) {
    log_state *state = user;
    if (level < FIG_LOG_WARNING) return;
    snprintf(state->last, sizeof state->last, "%s", message);
    if (!state->quiet) fig__meter_say("figment: note: %s", message);
}

static fig_status run_command(fig__args *args) {
    log_state log = {.quiet = true}; /* while the context is made: its failure is reported once, below */
    fig_context *parser = args->ctx;
    fig_context_options options = {(int)args->globals.threads, args->globals.cpu, on_log, &log};
    fig_status status = fig_context_new(&options, &args->ctx);
    if (status) {
        args->ctx = parser;
        return FIG_FAIL(parser, status, "%s", *log.last ? log.last : fig_status_text(status));
    }
    log.quiet = args->globals.quiet;
    listen_for_interrupts(args->ctx);
    status = args->command->run(args);
    if (!status) status = fig__print_flush(args->ctx);
    if (status) FIG_FAIL(parser, status, "%s", *fig_error(args->ctx) ? fig_error(args->ctx) : fig_status_text(status));
    fig_context_free(args->ctx);
    args->ctx = parser;
    return status;
}

static fig_status parse_and_run(fig_context *ctx, fig__arena *arena, int argc, char **argv) {
    int n_words;
    const fig__command *c = fig__command_find(argc - 1, argv + 1, &n_words);
    if (!c && argv[1][0] == '-' && argv[1][1])
        return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: a command comes first; figment --help lists them", argv[1]);
    if (!c) {
        bool wants_help = argc > 2 && strcmp(argv[argc - 1], "--help") == 0;
        return wants_help ? print_text(ctx, NULL, fig__help_overview) : fig__command_unknown(ctx, argc - 1, argv + 1);
    }
    fig__args args = {.ctx = ctx, .arena = arena, .program = argv[0]};
    FIG_TRY(fig__args_scan(&args, c, argc - 1 - n_words, argv + 1 + n_words));
    FIG_TRY(fig__args_bind(&args, &fig__global_table, &args.globals));
    return args.globals.help ? print_text(ctx, c, NULL) : run_command(&args);
}

int main(int argc, char **argv) {
    fig_context *ctx; /* for the command line; the command gets one with threads */
    fig_status status = fig_context_new(&(fig_context_options){.n_threads = 1, .cpu_level = "scalar"}, &ctx);
    if (status) {
        fprintf(stderr, "figment: %s\n", fig_status_text(status));
        return 1;
    }
    fig__arena *arena = fig__arena_new(ctx, 0);
    if (!arena)
        status = FIG_ERR_NOMEM;
    else if (!is_about_figment(ctx, argc, argv, &status))
        status = parse_and_run(ctx, arena, argc, argv);
    if (status) fig__meter_say("figment: %s", *fig_error(ctx) ? fig_error(ctx) : fig_status_text(status));
    fig__arena_free(arena);
    fig_context_free(ctx);
    return !status ? 0 : fig_status_is_usage(status) ? 2 : 1;
}
