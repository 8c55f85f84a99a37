/* models/find.c: models by name. One list of folders for everyone who looks. */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "models/model.h"

#ifndef FIG_DATADIR
#define FIG_DATADIR "/usr/local/share/figment"
#endif

/* FIGMENT_MODELS holds folders with colons between, as PATH does. */
static fig_status add_given(fig_context *ctx, fig__arena *arena, const char *given, fig_strings *out) {
    while (given && *given) {
        size_t len = strcspn(given, ":");
        const char *folder = fig__arena_printf(arena, "%.*s", (int)len, given);
        if (!folder) return FIG_ERR_NOMEM;
        if (len) FIG_TRY(FIG_PUSH(ctx, out, folder));
        given += len + (given[len] == ':');
    }
    return FIG_OK;
}

fig_status fig__model_places(fig_context *ctx, fig__arena *arena, fig_strings *out) {
    const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME"), *user = NULL;
    FIG_TRY(add_given(ctx, arena, getenv("FIGMENT_MODELS"), out));
    if (data && *data)
        user = fig__arena_printf(arena, "%s/figment/models", data);
    else if (home)
        user = fig__arena_printf(arena, "%s/.local/share/figment/models", home);
    const char *places[] = {"models", "runs", user, FIG_DATADIR "/models"};
    for (size_t i = 0; i < FIG_COUNT(places); i++)
        if (places[i]) FIG_TRY(FIG_PUSH(ctx, out, places[i]));
    return FIG_OK;
}

static bool is_model(const char *path) {
    char config[4200];
    snprintf(config, sizeof config, "%s/config.json", path);
    return fig__path_exists(config) || (fig__path_exists(path) && !fig__path_is_dir(path));
}

static char *look_in(fig_context *ctx, const fig_strings *places, const char *name) {
    char path[4096];
    for (size_t i = 0; i < places->n; i++) {
        snprintf(path, sizeof path, "%s/%s", places->data[i], name);
        if (is_model(path)) return fig__strdup(ctx, path);
    }
    FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: no such model; `figment info` lists those that can be found", name);
    return NULL;
}

char *fig_model_find(fig_context *ctx, const char *name) {
    if (is_model(name)) return fig__strdup(ctx, name);
    fig_strings places = {0};
    fig__arena *arena = fig__arena_new(ctx, 0);
    char *found = arena && !fig__model_places(ctx, arena, &places) ? look_in(ctx, &places, name) : NULL;
    fig__free(ctx, places.data);
    fig__arena_free(arena);
    return found;
}
