/* data/pictures/made.c: see made.h. */
#include "data/pictures/made.h"
#include "base/file.h"
#include "data/origin.h"
#include "data/partial.h"

#define MIN_SIZE 8
#define MAX_SIZE 512

static fig_status check_out_dir(fig_context *ctx, const fig_pictures_make_options *o) {
    FIG_CHECK(ctx, o->out_dir && *o->out_dir, FIG_ERR_ARG, "making pictures needs a folder to write to");
    if (!fig__path_exists(o->out_dir)) return FIG_OK;
    FIG_CHECK(ctx, fig__path_is_dir(o->out_dir) && fig__origin_known(o->out_dir), FIG_ERR_EXISTS,
              "%s: exists, and was not made by figment; name another folder", o->out_dir);
    FIG_CHECK(ctx, o->force, FIG_ERR_EXISTS, "%s: exists; name another folder, or force its replacement", o->out_dir);
    return FIG_OK;
}

static fig_status open_metadata(fig__made *m) {
    char *path = fig__path_join(m->ctx, m->tmp_dir, "metadata.jsonl");
    fig_status status = path ? fig__writer_open(m->ctx, path, &m->metadata) : FIG_ERR_NOMEM;
    fig__free(m->ctx, path);
    return status;
}

fig_status fig__made_begin(fig_context *ctx, const fig_pictures_make_options *o, size_t usual_size, fig__made *m) {
    *m = (fig__made){.ctx = ctx, .options = o, .size = o->size ? (size_t)o->size : usual_size};
    fig__buf_init(&m->row, ctx, 1 << 20);
    fig__buf_init(&m->file, ctx, 1 << 24);
    FIG_CHECK(ctx, !o->size || (o->size >= MIN_SIZE && o->size <= MAX_SIZE), FIG_ERR_ARG,
              "a size of %lld pixels; %d to %d are possible", (long long)o->size, MIN_SIZE, MAX_SIZE);
    FIG_TRY(check_out_dir(ctx, o));
    FIG_TRY(fig__partial_dir(ctx, o->out_dir, &m->tmp_dir));
    return open_metadata(m);
}

static fig_status write_row(fig__made *m, const fig__json *row) {
    fig__buf_clear(&m->row);
    FIG_TRY(fig__json_write(row, 0, &m->row));
    FIG_TRY(fig__buf_addc(&m->row, '\n'));
    fig__writer_add(m->metadata, m->row.data, m->row.len);
    return FIG_OK;
}

static fig_status write_image(fig__made *m, const char *file_name, const fig__image *image) {
    fig__buf_clear(&m->file);
    FIG_TRY(fig__png_encode(m->ctx, image, NULL, 0, &m->file));
    char *path = fig__path_join(m->ctx, m->tmp_dir, file_name);
    if (!path) return FIG_ERR_NOMEM;
    char *slash = strrchr(path, '/');
    *slash = 0;
    fig_status status = fig__mkdirs(m->ctx, path);
    *slash = '/';
    if (!status) status = fig__file_put(m->ctx, path, m->file.data, m->file.len);
    fig__free(m->ctx, path);
    return status;
}

fig_status fig__made_add(fig__made *m, const fig__image *image, fig__json *row) {
    const fig_pictures_make_options *o = m->options;
    fig_status status = row ? FIG_OK : FIG_ERR_NOMEM;
    if (!status && fig_cancelled(m->ctx)) status = FIG_FAIL(m->ctx, FIG_ERR_CANCELLED, "interrupted");
    if (!status) status = write_image(m, fig__json_str(fig__json_get(row, "file_name"), ""), image);
    if (!status) status = write_row(m, row);
    fig__json_free(row);
    m->count.n_pictures += !status;
    if (o->progress) o->progress(o->user, "pictures", m->count.n_pictures, 0);
    return status;
}

void fig__made_leave_out(fig__made *m, const char *what, const char *why) {
    if (!m->count.n_left_out++) snprintf(m->count.left_out, sizeof m->count.left_out, "%s%s", what, why);
}

static fig_status publish(fig__made *m, const fig_dataset_entry *origin) {
    fig__writer *metadata = m->metadata;
    m->metadata = NULL;
    FIG_TRY(fig__writer_commit(metadata));
    FIG_TRY(fig__origin_write(m->ctx, m->tmp_dir, origin));
    return fig__dir_publish(m->ctx, m->tmp_dir, m->options->out_dir);
}

/* The message of the failure is what matters, not that of tidying up. */
static void remove_partial(fig__made *m) {
    char message[1024];
    fig_status code = fig_error_code(m->ctx);
    snprintf(message, sizeof message, "%s", fig_error(m->ctx));
    fig__dir_remove(m->ctx, m->tmp_dir);
    FIG_FAIL(m->ctx, code, "%s", message);
}

fig_status fig__made_end(fig__made *m, fig_status status, const fig_dataset_entry *origin, fig_pictures_made *count) {
    if (!status) status = publish(m, origin);
    fig__writer_abort(m->metadata);
    if (status && m->tmp_dir) remove_partial(m);
    if (count) *count = m->count;
    fig__buf_deinit(&m->row);
    fig__buf_deinit(&m->file);
    fig__free(m->ctx, m->tmp_dir);
    return status;
}
