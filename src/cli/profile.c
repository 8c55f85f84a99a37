/* cli/profile.c: see profile.h. A row's rates stand beside the ceilings of the same run; what fits a cache is read
 * faster than memory, so that its share of that may be over 100 %. */
#include "cli/profile.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"
#include "core/core.h"
#include "kernels/kernels.h"

#define LONGEST 12

fig__ceilings fig__ceilings_measure(fig_context *ctx, fig_dtype dtype) {
    return (fig__ceilings){dtype, figk_peak_flops(ctx, dtype, fig_n_threads(ctx)),
                           figk_read_bandwidth(ctx, FIG__READ_BYTES)};
}

/* --- for people -------------------------------------------------------------------------------------------------*/

static void add_row(fig_op_time *ops, size_t *n, const fig_op_time *row) {
    size_t i = 0;
    while (i < *n && strcmp(ops[i].op, row->op) != 0) i++;
    if (i == *n) ops[(*n)++] = (fig_op_time){.op = row->op};
    ops[i].seconds += row->seconds;
    ops[i].operations += row->operations;
    ops[i].bytes += row->bytes;
    ops[i].calls += row->calls;
}

static void shape_text(const fig_op_time *row, char *text, size_t size) {
    size_t len = 0;
    *text = 0;
    for (int i = 0; i < row->ndim && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, i ? " x %zu" : "%zu", row->shape[i]);
}

static fig_status print_row(fig_context *ctx, const fig_train_profile *p, const fig__ceilings *c,
                            const fig_op_time *row, const char *where) {
    double seconds = FIG_MAX(row->seconds, 1e-12), steps = (double)p->n_steps;
    FIG_TRY(fig__printf(ctx, "%-25s %5.1f %% %9.3f %7.0f", row->op, 100 * row->seconds / p->seconds,
                        1e3 * row->seconds / steps, (double)row->calls / steps));
    if (row->operations > 0)
        FIG_TRY(fig__printf(ctx, " %9.1f %5.0f %%", row->operations / seconds * 1e-9,
                            100 * row->operations / seconds / c->peak));
    else
        FIG_TRY(fig__printf(ctx, " %17s", ""));
    if (row->bytes > 0)
        FIG_TRY(fig__printf(ctx, " %7.1f %5.0f %%", row->bytes / seconds * 1e-9,
                            100 * row->bytes / seconds / c->bandwidth));
    else
        FIG_TRY(fig__printf(ctx, " %15s", ""));
    return fig__printf(ctx, "%s%s\n", *where ? "  " : "", where);
}

static fig_status print_heading(fig_context *ctx, const char *what, const char *where) {
    return fig__printf(ctx, "\n%-25s %7s %9s %7s %9s %7s %7s %7s%s%s\n", what, "share", "ms", "calls", "GFLOP/s",
                       "of peak", "GB/s", "of mem.", *where ? "  " : "", where);
}

static fig_status print_ops(fig_context *ctx, const fig_train_profile *p, const fig__ceilings *c) {
    fig_op_time *ops = FIG_NEW_N(ctx, fig_op_time, p->n + 1), rest = {.op = "(between)", .seconds = p->seconds};
    size_t n = 0;
    if (!ops) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->n; i++) add_row(ops, &n, &p->rows[i]);
    qsort(ops, n, sizeof *ops, fig__longest_first);
    fig_status status = print_heading(ctx, "of a step, by op", "");
    for (size_t i = 0; i < n && !status; i++) {
        status = print_row(ctx, p, c, &ops[i], "");
        rest.seconds -= ops[i].seconds;
    }
    fig__free(ctx, ops);
    return status ? status : print_row(ctx, p, c, &rest, "");
}

fig_status fig__profile_print(fig_context *ctx, const fig_train_profile *p, const fig__ceilings *c) {
    char where[512], shape[160];
    FIG_TRY(fig__printf(ctx, "a step takes %.3f ms (of %lld); matrix peak %.0f GFLOP/s %s, memory %.1f GB/s\n",
                        1e3 * p->seconds / (double)p->n_steps, (long long)p->n_steps, c->peak * 1e-9,
                        fig_dtype_name(c->dtype), c->bandwidth * 1e-9));
    FIG_TRY(print_ops(ctx, p, c));
    FIG_TRY(print_heading(ctx, "the longest", "result, where"));
    for (size_t i = 0; i < FIG_MIN(p->n, LONGEST); i++) {
        shape_text(&p->rows[i], shape, sizeof shape);
        snprintf(where, sizeof where, "%s%s%.300s", shape, *p->rows[i].path ? ", " : "", p->rows[i].path);
        FIG_TRY(print_row(ctx, p, c, &p->rows[i], where));
    }
    return FIG_OK;
}

/* --- JSON -------------------------------------------------------------------------------------------------------*/

static fig__json *row_json(const fig_op_time *row) {
    fig__json *j = fig__json_new_object(), *shape = fig__json_new_array();
    fig_status bad = fig__json_put(j, "op", fig__json_new_str(row->op));
    bad |= fig__json_put(j, "path", fig__json_new_str(row->path));
    for (int i = 0; i < row->ndim; i++) bad |= fig__json_push(shape, fig__json_new_int((int64_t)row->shape[i]));
    bad |= fig__json_put(j, "shape", shape);
    bad |= fig__json_put(j, "calls", fig__json_new_int((int64_t)row->calls));
    bad |= fig__json_put(j, "seconds", fig__json_new_real(row->seconds));
    bad |= fig__json_put(j, "operations", fig__json_new_real(row->operations));
    bad |= fig__json_put(j, "bytes", fig__json_new_real(row->bytes));
    if (!bad) return j;
    fig__json_free(j);
    return NULL;
}

fig__json *fig__profile_json(const fig_train_profile *p, const fig__ceilings *c) {
    fig__json *j = fig__json_new_object(), *rows = fig__json_new_array();
    fig_status bad = fig__json_put(j, "dtype", fig__json_new_str(fig_dtype_name(c->dtype)));
    bad |= fig__json_put(j, "peak_flops", fig__json_new_real(c->peak));
    bad |= fig__json_put(j, "read_bytes_per_second", fig__json_new_real(c->bandwidth));
    bad |= fig__json_put(j, "steps", fig__json_new_int(p->n_steps));
    bad |= fig__json_put(j, "seconds", fig__json_new_real(p->seconds));
    for (size_t i = 0; i < p->n; i++) bad |= fig__json_push(rows, row_json(&p->rows[i]));
    bad |= fig__json_put(j, "rows", rows);
    if (!bad) return j;
    fig__json_free(j);
    return NULL;
}
