/* data/origin.c: .source.json, written by get and make, read by prepare. Hidden, so that no folder walk takes it for
 * text. */
#include "data/origin.h"
#include "base/file.h"
#include "base/json.h"

#define ORIGIN_NAME ".source.json"
#define MAX_ORIGIN_BYTES (1u << 16)

static fig_status put_str(fig__json *object, const char *key, const char *v) {
    return fig__json_put(object, key, fig__json_new_str(v));
}

static fig_status fill(fig__json *json, const fig_dataset_entry *entry) {
    fig__json *files = fig__json_new_object();
    FIG_TRY(put_str(json, "name", entry->name));
    FIG_TRY(put_str(json, "title", entry->title));
    FIG_TRY(put_str(json, "licence", entry->licence));
    FIG_TRY(put_str(json, "citation", entry->citation));
    FIG_TRY(fig__json_put(json, "sha256", files));
    for (size_t i = 0; i < entry->n_files; i++) FIG_TRY(put_str(files, entry->files[i].name, entry->files[i].sha256));
    return FIG_OK;
}

fig_status fig__origin_write(fig_context *ctx, const char *dir, const fig_dataset_entry *entry) {
    fig__json *json = fig__json_new_object();
    char *path = fig__path_join(ctx, dir, ORIGIN_NAME);
    fig_status status = path ? fill(json, entry) : FIG_ERR_NOMEM;
    if (!status) status = fig__json_save(ctx, path, json, 1);
    fig__json_free(json);
    fig__free(ctx, path);
    return status;
}

static void append(char *list, size_t size, const fig__json *text) {
    size_t n = strlen(list);
    const char *s = fig__json_str(text, "");
    if (*s && !strstr(list, s)) snprintf(list + n, size - n, "%s%s", n ? "; " : "", s);
}

void fig__origin_read(fig_context *ctx, const char *path, fig_dataset_info *info) {
    char file[4096];
    const char *base = fig__path_is_dir(path) ? path + strlen(path) : fig__path_base(path);
    bool needs_slash = base > path && base[-1] != '/';
    int n = snprintf(file, sizeof file, "%.*s%s" ORIGIN_NAME, (int)(base - path), path, needs_slash ? "/" : "");
    fig__json *json = NULL;
    if (n >= (int)sizeof file || !fig__path_exists(file)) return;
    if (fig__json_load(ctx, file, MAX_ORIGIN_BYTES, &json)) {
        fig_error_clear(ctx); /* a courtesy file; the data itself is fine */
        return;
    }
    append(info->origin, sizeof info->origin, fig__json_get(json, "title"));
    append(info->licence, sizeof info->licence, fig__json_get(json, "licence"));
    fig__json_free(json);
}

bool fig__origin_known(const char *dir) {
    char file[4096];
    return snprintf(file, sizeof file, "%s/" ORIGIN_NAME, dir) < (int)sizeof file && fig__path_exists(file);
}
