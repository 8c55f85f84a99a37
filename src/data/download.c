/* data/download.c: curl as a child process: its output is the file, what it says on stderr is the reason of a failure.
 *
 * A program that everybody has and that distributions keep safe, rather than a TLS library linked in for a command that
 * is run once. */
#include "data/download.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_UP_MS 200 /* how often a cancellation is looked for */

typedef struct child {
    pid_t pid;
    int out, err; /* our ends of its stdout and stderr; -1: closed */
    char reason[160];
    size_t n_reason;
} child;

static int spawn_curl(char *const argv[], const int out[2], const int err[2], pid_t *pid) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    if (!error) error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static fig_status start(fig_context *ctx, const char *url, uint64_t max_bytes, child *c) {
    char size[32];
    int out[2], err[2];
    snprintf(size, sizeof size, "%llu", (unsigned long long)max_bytes);
    const char *argv[] = {"curl",
                          "--fail",
                          "--location",
                          "--silent",
                          "--show-error",
                          "--proto",
                          "=https",
                          "--connect-timeout",
                          "20",
                          "--speed-time",
                          "60",
                          "--max-filesize",
                          size,
                          url,
                          NULL};
    *c = (child){.out = -1, .err = -1};
    FIG_CHECK(ctx, !pipe2(out, O_CLOEXEC), FIG_ERR_IO, "no pipe for curl: too many open files");
    if (pipe2(err, O_CLOEXEC)) {
        close(out[0]);
        close(out[1]);
        return FIG_FAIL(ctx, FIG_ERR_IO, "no pipe for curl: too many open files");
    }
    int error = spawn_curl((char *const *)(uintptr_t)argv, out, err, &c->pid);
    close(out[1]);
    close(err[1]);
    c->out = out[0];
    c->err = err[0];
    if (!error) return FIG_OK;
    close(c->out);
    close(c->err);
    if (error == ENOENT)
        return FIG_FAIL(ctx, FIG_ERR_NOTFOUND,
                        "downloading needs the program curl, which is not installed; install "
                        "the package curl, or set FIGMENT_MIRROR to a folder that has the data");
    return FIG_FAIL(ctx, FIG_ERR_IO, "curl cannot be run: error %d", error);
}

/* Reads once from fd; closes it at the end. */
static ssize_t read_some(int *fd, char *buf, size_t size) {
    ssize_t n = read(*fd, buf, size);
    if (n > 0 || (n < 0 && errno == EINTR)) return n;
    close(*fd);
    *fd = -1;
    return 0;
}

static void keep_reason(child *c, const char *text, size_t len) {
    size_t room = sizeof c->reason - 1 - c->n_reason, n = FIG_MIN(len, room);
    memcpy(c->reason + c->n_reason, text, n);
    c->n_reason += n;
    c->reason[strcspn(c->reason, "\r\n")] = 0;
}

static fig_status pump(fig_context *ctx, child *c, uint64_t max_bytes, fig__download_sink *sink, void *arg) {
    char buf[1 << 16];
    for (uint64_t total = 0; c->out >= 0 || c->err >= 0;) {
        struct pollfd fds[2] = {{c->out, POLLIN, 0}, {c->err, POLLIN, 0}}; /* -1 is passed over */
        FIG_CHECK(ctx, !fig_cancelled(ctx), FIG_ERR_CANCELLED, "cancelled while downloading");
        if (poll(fds, 2, LOOK_UP_MS) < 0 && errno != EINTR) return FIG_FAIL(ctx, FIG_ERR_IO, "waiting for curl failed");
        if (fds[1].revents) {
            ssize_t n = read_some(&c->err, buf, sizeof buf);
            if (n > 0) keep_reason(c, buf, (size_t)n);
        }
        if (!fds[0].revents) continue;
        ssize_t n = read_some(&c->out, buf, sizeof buf);
        if (n <= 0) continue;
        total += (uint64_t)n;
        FIG_CHECK(ctx, total <= max_bytes, FIG_ERR_LIMIT, "the download is larger than the %llu bytes it should have",
                  (unsigned long long)max_bytes);
        sink(arg, buf, (size_t)n);
    }
    return FIG_OK;
}

fig_status fig__download(fig_context *ctx, const char *url, uint64_t max_bytes, fig__download_sink *sink, void *arg) {
    child c;
    int code = 0;
    FIG_TRY(start(ctx, url, max_bytes, &c));
    fig_status status = pump(ctx, &c, max_bytes, sink, arg);
    if (c.out >= 0) close(c.out);
    if (c.err >= 0) close(c.err);
    if (status) kill(c.pid, SIGTERM);
    while (waitpid(c.pid, &code, 0) < 0 && errno == EINTR) {}
    if (status || (WIFEXITED(code) && WEXITSTATUS(code) == 0)) return status;
    return FIG_FAIL(ctx, FIG_ERR_IO,
                    "%s: cannot be downloaded: %s; check the network, or set FIGMENT_MIRROR to a "
                    "folder that has the data",
                    url, *c.reason ? c.reason : "curl failed");
}
