/* base/file.c: reading, mapping and the writer that makes output appear whole or not at all. Folders: dir.c. */
#include "base/file.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

fig_status fig__io_fail(fig_context *ctx, const char *path, const char *what) {
    int error = errno;
    char text[128];
    fig_status code = FIG_ERR_IO;
    if (error == ENOENT || error == ENOTDIR) code = FIG_ERR_NOTFOUND;
    if (error == EEXIST) code = FIG_ERR_EXISTS;
    if (error == ENOMEM) code = FIG_ERR_NOMEM;
    /* a full disk: the caller's to mend */
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) code = FIG_ERR_LIMIT;
    return FIG_FAIL(ctx, code, "%s: %s: %s", path, what, strerror_r(error, text, sizeof text));
}

/* --- reading ---------------------------------------------------------------------------------------------*/

static fig_status open_input(fig_context *ctx, const char *path, int *fd, struct stat *info) {
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return fig__io_fail(ctx, path, "cannot be opened");
    if (fstat(*fd, info)) {
        fig_status status = fig__io_fail(ctx, path, "cannot be opened");
        close(*fd);
        return status;
    }
    if (!S_ISDIR(info->st_mode)) return FIG_OK;
    close(*fd);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: is a folder; a file is needed", path);
}

/* Into a buffer that has been reserved; one byte over max is enough to know that there is more. */
static fig_status read_all(const char *path, int fd, size_t max, fig__buf *out) {
    for (;;) {
        size_t room = max - out->len, unused = out->cap - out->len - 1;
        size_t want = FIG_MIN(room + 1, unused ? unused : (size_t)1 << 16);
        FIG_TRY(fig__buf_reserve(out, want));
        ssize_t n = read(fd, out->data + out->len, want);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fig__io_fail(out->ctx, path, "cannot be read");
        if ((size_t)n > room)
            return FIG_FAIL(out->ctx, FIG_ERR_LIMIT, "%s: is larger than the %zu bytes that are read here", path, max);
        out->len += (size_t)n;
        out->data[out->len] = 0;
        if (n == 0) return FIG_OK;
    }
}

fig_status fig__file_read(fig_context *ctx, const char *path, size_t max, fig__buf *out) {
    max = FIG_MIN(max, SIZE_MAX - 3);
    fig__buf_init(out, ctx, max + 1);
    bool from_stdin = strcmp(path, "-") == 0;
    int fd = STDIN_FILENO;
    struct stat info = {0};
    if (!from_stdin) FIG_TRY(open_input(ctx, path, &fd, &info));
    fig_status status = FIG_OK;
    if ((uint64_t)info.st_size > max) {
        status = FIG_FAIL(ctx, FIG_ERR_LIMIT, "%s: has %lld bytes; at most %zu are read here", path,
                          (long long)info.st_size, max);
        goto cleanup;
    }
    FIG_GOTO(fig__buf_reserve(out, (size_t)info.st_size + 1));
    FIG_GOTO(read_all(from_stdin ? "standard input" : path, fd, max, out));
cleanup:
    if (!from_stdin) close(fd);
    if (status) fig__buf_deinit(out);
    return status;
}

fig_status fig__file_map(fig_context *ctx, const char *path, fig__mapping *out) {
    int fd;
    struct stat info;
    *out = (fig__mapping){0};
    FIG_TRY(open_input(ctx, path, &fd, &info));
    fig_status status = FIG_OK;
    if (!S_ISREG(info.st_mode)) {
        status = FIG_FAIL(ctx, FIG_ERR_ARG, "%s: is no regular file, so it cannot be mapped", path);
    } else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = fig__io_fail(ctx, path, "cannot be mapped");
        else
            *out = (fig__mapping){data, (size_t)info.st_size};
    }
    close(fd);
    return status;
}

void fig__file_unmap(fig__mapping *m) {
    if (m->data) munmap((void *)(uintptr_t)m->data, m->size);
    *m = (fig__mapping){0};
}

bool fig__path_exists(const char *path) { return access(path, F_OK) == 0; }

uint64_t fig__file_size(const char *path) {
    struct stat info;
    return stat(path, &info) || !S_ISREG(info.st_mode) ? 0 : (uint64_t)info.st_size;
}

/* --- writing ---------------------------------------------------------------------------------------------
 * The temporary file stands beside the final one, hidden, so that a rename is enough and a folder walk passes over
 * what a killed process left. What is no regular file (/dev/null, a pipe) is written straight. */

#define WRITER_BUFFER (256 * 1024)

struct fig__writer {
    fig_context *ctx;
    char *path, *tmp; /* tmp is NULL when written straight */
    int fd;
    int error;        /* the first errno; everything after it is dropped */
    uint64_t flushed; /* bytes behind us in the file */
    size_t n;         /* bytes in buffer */
    char *buffer;
};

static void writer_free(fig__writer *w) {
    fig_context *ctx = w->ctx;
    if (w->fd >= 0) close(w->fd);
    fig__free(ctx, w->buffer);
    fig__free(ctx, w->tmp);
    fig__free(ctx, w->path);
    fig__free(ctx, w);
}

/* "dir/.name.PID.N.tmp" */
static char *temporary_name(fig_context *ctx, const char *path) {
    static atomic_uint counter;
    fig__buf name;
    fig__buf_init(&name, ctx, 1 << 16);
    const char *base = fig__path_base(path);
    fig_status status = fig__buf_printf(&name, "%.*s.%s.%ld.%u.tmp", (int)(base - path), path, base, (long)getpid(),
                                        atomic_fetch_add(&counter, 1));
    char *copy = status ? NULL : fig__strdup(ctx, name.data);
    fig__buf_deinit(&name);
    return copy;
}

static fig_status writer_open_file(fig__writer *w) {
    struct stat info;
    bool there = stat(w->path, &info) == 0;
    FIG_CHECK(w->ctx, !there || !S_ISDIR(info.st_mode), FIG_ERR_ARG, "%s: is a folder; a file is to be written",
              w->path);
    if (there && !S_ISREG(info.st_mode)) {
        w->fd = open(w->path, O_WRONLY | O_CLOEXEC);
    } else {
        w->tmp = temporary_name(w->ctx, w->path);
        if (!w->tmp) return FIG_ERR_NOMEM;
        w->fd = open(w->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    return w->fd < 0 ? fig__io_fail(w->ctx, w->path, "cannot be written") : FIG_OK;
}

fig_status fig__writer_open(fig_context *ctx, const char *path, fig__writer **out) {
    *out = NULL;
    fig__writer *w = FIG_NEW(ctx, fig__writer);
    if (!w) return FIG_ERR_NOMEM;
    w->ctx = ctx;
    w->fd = -1;
    w->path = fig__strdup(ctx, path);
    w->buffer = fig__alloc(ctx, WRITER_BUFFER);
    fig_status status = w->path && w->buffer ? writer_open_file(w) : FIG_ERR_NOMEM;
    if (status)
        writer_free(w);
    else
        *out = w;
    return status;
}

static void writer_write(fig__writer *w, const char *data, size_t len) {
    while (len && !w->error) {
        ssize_t n = write(w->fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            w->error = errno;
            return;
        }
        data += n;
        len -= (size_t)n;
        w->flushed += (uint64_t)n;
    }
}

static void writer_flush(fig__writer *w) {
    writer_write(w, w->buffer, w->n);
    w->n = 0;
}

void fig__writer_add(fig__writer *w, const void *data, size_t len) {
    if (len > WRITER_BUFFER - w->n) writer_flush(w);
    if (len > WRITER_BUFFER) {
        writer_write(w, data, len);
    } else if (len) {
        memcpy(w->buffer + w->n, data, len);
        w->n += len;
    }
}

void fig__writer_printf(fig__writer *w, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = fig__vformat(NULL, 0, format, args);
    char *text = len < 0 ? NULL : fig__alloc(w->ctx, (size_t)len + 1);
    if (text) {
        fig__vformat(text, (size_t)len + 1, format, again);
        fig__writer_add(w, text, (size_t)len);
    } else if (!w->error) {
        w->error = ENOMEM;
    }
    fig__free(w->ctx, text);
    va_end(again);
    va_end(args);
}

uint64_t fig__writer_offset(const fig__writer *w) { return w->flushed + w->n; }

void fig__writer_patch(fig__writer *w, uint64_t offset, const void *data, size_t len) {
    writer_flush(w);
    if (!w->error && (offset > w->flushed || len > w->flushed - offset)) w->error = EINVAL;
    for (const char *p = data; len && !w->error;) {
        ssize_t n = pwrite(w->fd, p, len, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            w->error = errno;
            return;
        }
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
}

/* Best effort: some file systems refuse. */
void fig__sync_folder_of(const char *path) {
    char folder[4096];
    size_t len = (size_t)(fig__path_base(path) - path);
    if (len >= sizeof folder) return;
    memcpy(folder, len ? path : ".", len ? len : 1);
    folder[len ? len : 1] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static int writer_finish(fig__writer *w) {
    writer_flush(w);
    if (w->error) return w->error;
    if (w->tmp && fsync(w->fd)) return errno;
    int failed = close(w->fd);
    w->fd = -1;
    if (failed) return errno;
    return w->tmp && rename(w->tmp, w->path) ? errno : 0;
}

fig_status fig__writer_commit(fig__writer *w) {
    fig_status status = FIG_OK;
    errno = writer_finish(w);
    if (errno) {
        status = fig__io_fail(w->ctx, w->path, "cannot be written, what was there is left as it was");
        fig__writer_abort(w);
        return status;
    }
    if (w->tmp) fig__sync_folder_of(w->path);
    writer_free(w);
    return FIG_OK;
}

void fig__writer_abort(fig__writer *w) {
    if (!w) return;
    if (w->tmp) unlink(w->tmp);
    writer_free(w);
}

fig_status fig__file_write(fig_context *ctx, const char *path, const void *data, size_t len) {
    fig__writer *w;
    FIG_TRY(fig__writer_open(ctx, path, &w));
    fig__writer_add(w, data, len);
    return fig__writer_commit(w);
}

fig_status fig__file_put(fig_context *ctx, const char *path, const void *data, size_t len) {
    fig__writer w = {.ctx = ctx, .fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    if (w.fd < 0) return fig__io_fail(ctx, path, "cannot be written");
    writer_write(&w, data, len);
    bool failed = close(w.fd);
    if (w.error) errno = w.error;
    return w.error || failed ? fig__io_fail(ctx, path, "cannot be written") : FIG_OK;
}
