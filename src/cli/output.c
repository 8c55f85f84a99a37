/* cli/output.c: results on standard output, numbers for people. */
#include "cli/cli.h"
#include <errno.h>
#include <stdio.h>

/* A full disk is for the person to mend, as it is for a file. */
static fig_status output_failed(fig_context *ctx) {
    int error = errno;
    char text[128];
    fig_status code = error == ENOSPC || error == EDQUOT || error == EFBIG ? FIG_ERR_LIMIT : FIG_ERR_IO;
    clearerr(stdout);
    return FIG_FAIL(ctx, code, "standard output: cannot be written: %s", strerror_r(error, text, sizeof text));
}

fig_status fig__print(fig_context *ctx, const void *data, size_t len) {
    bool written = !len || fwrite(data, 1, len, stdout) == len;
    return written ? FIG_OK : output_failed(ctx);
}

fig_status fig__print_flush(fig_context *ctx) { return fflush(stdout) ? output_failed(ctx) : FIG_OK; }

fig_status fig__printf(fig_context *ctx, const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = fig__vformat(text, sizeof text, format, args);
    va_end(args);
    return fig__print(ctx, text, FIG_MIN((size_t)len, sizeof text - 1));
}

fig_status fig__print_json(fig_context *ctx, fig__json *j, int indent) {
    fig__buf text;
    fig__buf_init(&text, ctx, (size_t)1 << 30);
    fig_status status = j ? fig__json_write(j, indent, &text) : FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory");
    if (!status) status = fig__buf_addc(&text, '\n');
    if (!status) status = fig__print(ctx, text.data, text.len);
    fig__buf_deinit(&text);
    fig__json_free(j);
    return status;
}

static const char *format(char text[32], const char *pattern, ...) {
    va_list args;
    va_start(args, pattern);
    fig__vformat(text, 32, pattern, args);
    va_end(args);
    return text;
}

const char *fig__human_bytes(double bytes, char text[32]) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 999.5 && unit + 1 < FIG_COUNT(units)) bytes /= 1000, unit++;
    return format(text, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

const char *fig__human_time(double seconds, char text[32]) {
    if (!(seconds >= 0 && seconds < 1e9)) return format(text, "?");
    long long s = (long long)(seconds + 0.5);
    if (s >= 3600) return format(text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return format(text, "%lld:%02lld", s / 60, s % 60);
}

const char *fig__human_count(double n, char text[32]) {
    static const char *const units[] = {"", "k", "M", "G"};
    size_t unit = 0;
    while (n >= 999.5 && unit + 1 < FIG_COUNT(units)) n /= 1000, unit++;
    return format(text, !unit ? "%.0f%s" : n < 99.95 ? "%.2f%s" : "%.0f%s", n, units[unit]);
}
