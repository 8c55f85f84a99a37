/* base/file.h: files and folders. Output appears whole or not at all: written beside, fsync, rename. */
#ifndef FIG_FILE_H
#define FIG_FILE_H
#include "buf.h"
#include <stdio.h>

/* Reads a whole file of at most max bytes (FIG_ERR_LIMIT names both sizes). path "-" is standard input. */
fig_status fig__file_read(fig_context *ctx, const char *path, size_t max, fig__buf *out);

typedef struct fig__mapping {
    const uint8_t *data;
    size_t size;
} fig__mapping; /* read-only; empty file: size 0 */
fig_status fig__file_map(fig_context *ctx, const char *path, fig__mapping *out);
void fig__file_unmap(fig__mapping *m);

/* An output file that replaces path only at commit. Errors of write (a full disk) are sticky and reported, in one
 * line with the path, by commit, which then leaves the old file alone. abort (or free without commit) removes the
 * temporary file. */
typedef struct fig__writer fig__writer;
fig_status fig__writer_open(fig_context *ctx, const char *path, fig__writer **out);
void fig__writer_add(fig__writer *w, const void *data, size_t len);
void fig__writer_printf(fig__writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t fig__writer_offset(const fig__writer *w);
/* Overwrites bytes already written (a header that is known last). */
void fig__writer_patch(fig__writer *w, uint64_t offset, const void *data, size_t len);
fig_status fig__writer_commit(fig__writer *w); /* frees w in every case */
void fig__writer_abort(fig__writer *w);        /* frees w; NULL is fine */
fig_status fig__file_write(fig_context *ctx, const char *path, const void *data, size_t len); /* whole, atomic */
/* Into a folder that fig__dir_publish will make appear whole: neither atomic nor synced, which is for it to do. */
fig_status fig__file_put(fig_context *ctx, const char *path, const void *data, size_t len);

bool fig__path_exists(const char *path);
bool fig__path_is_dir(const char *path);
uint64_t fig__file_size(const char *path);                  /* 0 when it cannot be told */
fig_status fig__mkdirs(fig_context *ctx, const char *path); /* like mkdir -p */
/* Makes final appear whole: the caller filled the folder tmp; everything in it is synced, then it is renamed over
 * final (an old final is moved aside and removed after). */
fig_status fig__dir_publish(fig_context *ctx, const char *tmp, const char *final);
fig_status fig__dir_remove(fig_context *ctx, const char *path); /* recursive; refuses "/" and "" */

/* Regular files under path, recursive, sorted by name so that the order never depends on the file system; hidden
 * ones (.git) and symbolic links to folders are left out. At most max entries. */
typedef struct fig__paths {
    char **data;
    size_t n, cap;
} fig__paths;
fig_status fig__dir_walk(fig_context *ctx, const char *path, size_t max, fig__paths *out);
/* Every name in one folder, hidden ones too, sorted. */
fig_status fig__dir_list(fig_context *ctx, const char *path, size_t max, fig__paths *out);
void fig__paths_deinit(fig_context *ctx, fig__paths *paths);

/* Joins with one '/' between; the result belongs to the caller (fig__free). */
char *fig__path_join(fig_context *ctx, const char *a, const char *b);
const char *fig__path_base(const char *path); /* behind the last '/' */

#endif
