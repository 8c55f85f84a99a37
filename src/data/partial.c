/* data/partial.c: see partial.h. */
#include "data/partial.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"

/* Removes what prepares that were killed left beside out_dir: NAME.partial-PID of processes that are gone. */
static void sweep_partials(fig_context *ctx, const char *prefix) {
    const char *base = fig__path_base(prefix);
    char *parent = fig__strdup(ctx, prefix);
    if (!parent) return;
    parent[base - prefix] = 0;
    fig__paths names = {0};
    if (fig__dir_list(ctx, *parent ? parent : ".", 1 << 20, &names)) fig_error_clear(ctx);
    for (size_t i = 0; i < names.n; i++) {
        if (strncmp(names.data[i], base, strlen(base))) continue;
        long pid = strtol(names.data[i] + strlen(base), NULL, 10);
        bool is_gone = pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
        char *path = is_gone ? fig__path_join(ctx, *parent ? parent : ".", names.data[i]) : NULL;
        if (path && fig__dir_remove(ctx, path)) fig_error_clear(ctx);
        fig__free(ctx, path);
    }
    fig__paths_deinit(ctx, &names);
    fig__free(ctx, parent);
}

fig_status fig__partial_dir(fig_context *ctx, const char *out_dir, char **tmp_dir) {
    fig__buf path;
    fig__buf_init(&path, ctx, 1 << 16);
    size_t len = strlen(out_dir);
    while (len > 1 && out_dir[len - 1] == '/') len--;
    fig_status status = fig__buf_printf(&path, "%.*s.partial-", (int)len, out_dir);
    if (!status) sweep_partials(ctx, path.data);
    if (!status) status = fig__buf_printf(&path, "%ld", (long)getpid());
    if (!status) status = fig__dir_remove(ctx, path.data);
    if (!status) status = fig__mkdirs(ctx, path.data);
    if (!status && !(*tmp_dir = fig__strdup(ctx, path.data))) status = FIG_ERR_NOMEM;
    fig__buf_deinit(&path);
    return status;
}
