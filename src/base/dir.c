/* base/dir.c: paths and folders. */
#include "base/file.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 64 /* of folders in folders */

/* --- paths -----------------------------------------------------------------------------------------------*/

const char *fig__path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *fig__path_join(fig_context *ctx, const char *a, const char *b) {
    size_t a_len = strlen(a), b_len = strlen(b);
    bool slash = a_len && a[a_len - 1] != '/';
    char *path = fig__alloc(ctx, a_len + slash + b_len + 1);
    if (!path) return NULL;
    memcpy(path, a, a_len);
    if (slash) path[a_len] = '/';
    memcpy(path + a_len + slash, b, b_len + 1);
    return path;
}

bool fig__path_is_dir(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Without the slashes at its end, so that a name can be appended or taken off. */
static char *trimmed(fig_context *ctx, const char *path) {
    char *copy = fig__strdup(ctx, path);
    if (!copy) return NULL;
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/') copy[--len] = 0;
    return copy;
}

static bool make_folder(const char *path) {
    return mkdir(path, 0777) == 0 || (errno == EEXIST && fig__path_is_dir(path));
}

fig_status fig__mkdirs(fig_context *ctx, const char *path) {
    FIG_CHECK(ctx, *path, FIG_ERR_ARG, "a folder without a name cannot be made");
    char *copy = trimmed(ctx, path);
    if (!copy) return FIG_ERR_NOMEM;
    bool made = true;
    for (char *p = copy + 1; made && *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        made = make_folder(copy);
        *p = '/';
    }
    made = made && make_folder(copy);
    fig_status status = made ? FIG_OK : fig__io_fail(ctx, path, "this folder cannot be made");
    fig__free(ctx, copy);
    return status;
}

/* --- listing ---------------------------------------------------------------------------------------------*/

void fig__paths_deinit(fig_context *ctx, fig__paths *paths) {
    for (size_t i = 0; i < paths->n; i++) fig__free(ctx, paths->data[i]);
    fig__free(ctx, paths->data);
    *paths = (fig__paths){0};
}

/* Takes path over, also when it fails. */
static fig_status add_path(fig_context *ctx, fig__paths *paths, size_t max, char *path, const char *root) {
    fig_status status = FIG_OK;
    if (!path)
        status = FIG_ERR_NOMEM;
    else if (paths->n >= max)
        status = FIG_FAIL(ctx, FIG_ERR_LIMIT, "%s: has more than %zu files", root, max);
    else
        status = FIG_PUSH(ctx, paths, path);
    if (status) fig__free(ctx, path);
    return status;
}

static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_paths(fig__paths *paths) {
    if (paths->n) qsort(paths->data, paths->n, sizeof *paths->data, compare_paths);
}

/* Every name but "." and "..", unsorted. */
static fig_status read_names(fig_context *ctx, const char *path, size_t max, fig__paths *out) {
    DIR *dir = opendir(path);
    if (!dir) return fig__io_fail(ctx, path, "this folder cannot be read");
    fig_status status = FIG_OK;
    errno = 0;
    for (struct dirent *entry; !status && (entry = readdir(dir)); errno = 0) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        status = add_path(ctx, out, max, fig__strdup(ctx, entry->d_name), path);
    }
    if (!status && errno) status = fig__io_fail(ctx, path, "this folder cannot be read");
    closedir(dir);
    return status;
}

fig_status fig__dir_list(fig_context *ctx, const char *path, size_t max, fig__paths *out) {
    *out = (fig__paths){0};
    fig_status status = read_names(ctx, path, max, out);
    if (status)
        fig__paths_deinit(ctx, out);
    else
        sort_paths(out);
    return status;
}

typedef struct folder_walk {
    fig_context *ctx;
    const char *root;
    size_t max;
    fig__paths *out;
} folder_walk;

static fig_status walk(const folder_walk *w, const char *path, int depth);

/* Takes path over. */
static fig_status walk_entry(const folder_walk *w, char *path, int depth) {
    struct stat own, info;
    fig_status status = FIG_OK;
    if (!path) return FIG_ERR_NOMEM;
    /* What vanished since it was listed is passed over. */
    if (lstat(path, &own) == 0 && stat(path, &info) == 0) {
        if (S_ISREG(info.st_mode)) return add_path(w->ctx, w->out, w->max, path, w->root);
        if (S_ISDIR(own.st_mode)) status = walk(w, path, depth + 1);
    }
    fig__free(w->ctx, path);
    return status;
}

static fig_status walk(const folder_walk *w, const char *path, int depth) {
    FIG_CHECK(w->ctx, depth < MAX_DEPTH, FIG_ERR_LIMIT, "%s: more than %d folders deep", path, MAX_DEPTH);
    fig__paths names = {0};
    fig_status status = read_names(w->ctx, path, SIZE_MAX, &names);
    for (size_t i = 0; i < names.n && !status; i++) {
        if (names.data[i][0] == '.') continue;
        status = walk_entry(w, fig__path_join(w->ctx, path, names.data[i]), depth);
    }
    fig__paths_deinit(w->ctx, &names);
    return status;
}

fig_status fig__dir_walk(fig_context *ctx, const char *path, size_t max, fig__paths *out) {
    *out = (fig__paths){0};
    fig_status status = walk(&(folder_walk){ctx, path, max, out}, path, 0);
    if (status)
        fig__paths_deinit(ctx, out);
    else
        sort_paths(out);
    return status;
}

/* --- removing --------------------------------------------------------------------------------------------*/

/* Links are removed, never followed. */
static fig_status remove_tree(fig_context *ctx, const char *path, int depth) {
    struct stat info;
    if (lstat(path, &info)) return errno == ENOENT ? FIG_OK : fig__io_fail(ctx, path, "cannot be removed");
    if (!S_ISDIR(info.st_mode)) return unlink(path) ? fig__io_fail(ctx, path, "cannot be removed") : FIG_OK;
    FIG_CHECK(ctx, depth < MAX_DEPTH, FIG_ERR_LIMIT, "%s: more than %d folders deep", path, MAX_DEPTH);
    fig__paths names;
    FIG_TRY(fig__dir_list(ctx, path, SIZE_MAX, &names));
    fig_status status = FIG_OK;
    for (size_t i = 0; i < names.n && !status; i++) {
        char *child = fig__path_join(ctx, path, names.data[i]);
        status = child ? remove_tree(ctx, child, depth + 1) : FIG_ERR_NOMEM;
        fig__free(ctx, child);
    }
    fig__paths_deinit(ctx, &names);
    if (!status && rmdir(path)) status = fig__io_fail(ctx, path, "cannot be removed");
    return status;
}

/* "/", "//", "/tmp/..": whatever names the root; and the folder we are in. */
static bool is_root_or_here(const char *path) {
    struct stat info, root, here;
    if (!*path) return true;
    if (stat(path, &info)) return false;
    bool is_root = stat("/", &root) == 0 && info.st_dev == root.st_dev && info.st_ino == root.st_ino;
    bool is_here = stat(".", &here) == 0 && info.st_dev == here.st_dev && info.st_ino == here.st_ino;
    return is_root || is_here;
}

fig_status fig__dir_remove(fig_context *ctx, const char *path) {
    FIG_CHECK(ctx, !is_root_or_here(path), FIG_ERR_ARG, "\"%s\": this folder is never removed", path);
    return remove_tree(ctx, path, 0);
}

/* --- publishing ------------------------------------------------------------------------------------------*/

static fig_status sync_path(fig_context *ctx, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fig__io_fail(ctx, path, "cannot be opened");
    /* EINVAL: a file system without fsync. */
    fig_status status = fsync(fd) && errno != EINVAL ? fig__io_fail(ctx, path, "cannot be written") : FIG_OK;
    close(fd);
    return status;
}

static fig_status sync_tree(fig_context *ctx, const char *path, int depth) {
    FIG_CHECK(ctx, depth < MAX_DEPTH, FIG_ERR_LIMIT, "%s: more than %d folders deep", path, MAX_DEPTH);
    struct stat info;
    if (lstat(path, &info)) return fig__io_fail(ctx, path, "cannot be read");
    if (S_ISREG(info.st_mode)) return sync_path(ctx, path);
    if (!S_ISDIR(info.st_mode)) return FIG_OK;
    fig__paths names;
    FIG_TRY(fig__dir_list(ctx, path, SIZE_MAX, &names));
    fig_status status = FIG_OK;
    for (size_t i = 0; i < names.n && !status; i++) {
        char *child = fig__path_join(ctx, path, names.data[i]);
        status = child ? sync_tree(ctx, child, depth + 1) : FIG_ERR_NOMEM;
        fig__free(ctx, child);
    }
    fig__paths_deinit(ctx, &names);
    return status ? status : sync_path(ctx, path);
}

/* Of thousands of files each fsync would wait for the disk by itself; one call for the file system takes a second. */
#define MANY_FILES 64
static bool sync_at_once(fig_context *ctx, const char *path) {
    fig__paths files;
    if (fig__dir_walk(ctx, path, SIZE_MAX, &files)) return false;
    int fd = files.n > MANY_FILES ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool done = fd >= 0 && !syncfs(fd);
    if (fd >= 0) close(fd);
    fig__paths_deinit(ctx, &files);
    return done;
}

/* Where the file system can, the two folders change names in one step, and at no moment is there none. */
static fig_status replace_folder(fig_context *ctx, const char *tmp, const char *final) {
    if (renameat2(AT_FDCWD, tmp, AT_FDCWD, final, RENAME_EXCHANGE) == 0) {
        fig__sync_folder_of(final);
        return fig__dir_remove(ctx, tmp);
    }
    fig__buf aside;
    fig__buf_init(&aside, ctx, 1 << 16);
    fig_status status = FIG_OK;
    FIG_GOTO(fig__buf_printf(&aside, "%s.old", tmp));
    FIG_GOTO(fig__dir_remove(ctx, aside.data));
    if (rename(final, aside.data) || rename(tmp, final)) {
        status = fig__io_fail(ctx, final, "cannot be replaced");
        /* Back, if it was the second that failed. */
        if (!fig__path_exists(final)) (void)!rename(aside.data, final);
        goto cleanup;
    }
    fig__sync_folder_of(final);
    status = fig__dir_remove(ctx, aside.data);
cleanup:
    fig__buf_deinit(&aside);
    return status;
}

fig_status fig__dir_publish(fig_context *ctx, const char *tmp, const char *final) {
    FIG_CHECK(ctx, !is_root_or_here(final), FIG_ERR_ARG, "\"%s\": this folder is never replaced", final);
    if (!sync_at_once(ctx, tmp)) FIG_TRY(sync_tree(ctx, tmp, 0));
    char *from = trimmed(ctx, tmp), *to = trimmed(ctx, final);
    fig_status status = FIG_ERR_NOMEM;
    if (!from || !to) goto cleanup;
    status = FIG_OK;
    if (fig__path_exists(to))
        status = replace_folder(ctx, from, to);
    else if (rename(from, to))
        status = fig__io_fail(ctx, to, "cannot be written");
    else
        fig__sync_folder_of(to);
cleanup:
    fig__free(ctx, from);
    fig__free(ctx, to);
    return status;
}
