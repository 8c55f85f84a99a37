/* data/emoji_list.c: see emoji_list.h. */
#include "data/emoji_list.h"
#include "base/file.h"

#define MAX_INPUT_BYTES (32u << 20)

fig_status fig__unicode_file(fig_context *ctx, const char *dir, const char *file, fig__buf *out) {
    char *path = fig__path_join(ctx, dir ? dir : FIG__UNICODE_DIR, file);
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__path_exists(path)
                            ? fig__file_read(ctx, path, MAX_INPUT_BYTES, out)
                            : FIG_FAIL(ctx, FIG_ERR_NOTFOUND, "%s: is missing; install the package unicode-data", path);
    fig__free(ctx, path);
    return status;
}

/* "1F44B 1F3FB ; ...": false when there are none or too many. */
static bool read_code_points(const char *line, fig__emoji *e) {
    for (e->n = 0; *line != ';'; line += strspn(line, " ")) {
        size_t len = strspn(line, "0123456789ABCDEF");
        if (!len || len > 6 || e->n == FIG__EMOJI_MAX_CODE_POINTS) return false;
        uint32_t c = 0;
        for (size_t i = 0; i < len; i++) c = c << 4 | (uint32_t)(line[i] <= '9' ? line[i] - '0' : line[i] - 'A' + 10);
        e->code_points[e->n++] = c;
        line += len;
    }
    return e->n > 0;
}

/* "1F600 ; fully-qualified # (emoji) E1.0 grinning face", which is cut in pieces. */
static bool read_line(char *line, fig__emoji *e) {
    char *p = strstr(line, "; fully-qualified");
    if (!p || !(p = strstr(p, "# ")) || !(p = strchr(p + 2, ' '))) return false;
    char *version = p + 1, *end = strchr(version, ' ');
    if (!end || *version != 'E') return false;
    *end = 0;
    e->version = version + 1;
    e->name = end + 1;
    return *e->name && read_code_points(line, e);
}

/* The title behind a heading of this kind, or what it was. */
static const char *heading(const char *line, const char *kind, const char *before) {
    size_t len = strlen(kind);
    return strncmp(line, kind, len) ? before : line + len;
}

fig_status fig__emoji_each(fig_context *ctx, const char *dir, fig__emoji_fn *fn, void *user) {
    fig__buf text;
    fig__emoji e = {.group = "", .subgroup = ""};
    size_t n = 0;
    FIG_TRY(fig__unicode_file(ctx, dir, "emoji/emoji-test.txt", &text));
    fig_status status = FIG_OK;
    for (char *line = text.data, *next; line && *line && !status; line = next) {
        if ((next = strchr(line, '\n'))) *next++ = 0;
        e.group = heading(line, "# group: ", e.group);
        e.subgroup = heading(line, "# subgroup: ", e.subgroup);
        if (!read_line(line, &e)) continue;
        n++;
        status = fn(user, &e);
    }
    fig__buf_deinit(&text);
    if (!status && !n)
        status = FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: no names found in its emoji/emoji-test.txt",
                          dir ? dir : FIG__UNICODE_DIR);
    return status;
}
