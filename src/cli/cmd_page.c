/* cli/cmd_page.c: figment page: texts and pictures on one page for a browser, the pictures with what they were made
 * from. */
#include <fig/dataset.h>
#include <stdio.h>
#include "cli/cli.h"
#include "cli/generate.h"
#include "cli/page.h"
#include "media/image/image.h"

#define FILE_MAX_BYTES ((size_t)1 << 26)
#define USUAL_WIDTH 128 /* of small pictures, in CSS pixels */

typedef struct settings {
    const char *title, *output;
} settings;

static const fig_option rows[] = {
    {.name = "output",
     .kind = FIG_OPT_STRING,
     .offset = offsetof(settings, output),
     .aliases = "o out",
     .value = "PATH",
     .fallback = "page.html",
     .help = "the page"},
    {.name = "title",
     .kind = FIG_OPT_STRING,
     .offset = offsetof(settings, title),
     .value = "TEXT",
     .fallback = "Made with figment",
     .help = "its heading"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

typedef struct page_job {
    fig__args *args;
    fig__page *page;
    fig_filter *filter;
} page_job;

/* A text as a page may show it: anybody sees it, so that offensive words are masked. */
static char *masked(const page_job *j, const char *text) {
    char *copy = fig__arena_strdup(j->args->arena, text);
    if (copy) fig_filter_mask(j->filter, copy, strlen(copy));
    return copy;
}

/* What the record in a PNG says that it shows; else the name of the file. */
static const char *caption_of(const page_job *j, const char *path, const fig__buf *file) {
    fig__json *record = NULL;
    const char *text = NULL;
    if (fig__record_read(j->args->ctx, path, file->data, file->len, &record)) fig_error_clear(j->args->ctx);
    if (record) text = fig__json_str(fig__json_get(record, "prompt"), NULL);
    char *caption = masked(j, text && *text ? text : fig__path_base(path));
    fig__json_free(record);
    return caption;
}

static fig_status add_picture(const page_job *j, const char *path, const fig__buf *file) {
    fig__image image;
    fig_context *ctx = j->args->ctx;
    FIG_TRY(fig__image_decode(ctx, path, file->data, file->len, &image)); /* no page shows a broken one */
    size_t width = image.w < USUAL_WIDTH ? USUAL_WIDTH : 0;
    fig__image_free(ctx, &image);
    const char *caption = caption_of(j, path, file);
    if (!caption) return FIG_ERR_NOMEM;
    fig__page_add_picture(
        j->page,
        &(fig__page_picture){.data = file->data, .len = file->len, .alt = caption, .caption = caption, .width = width});
    return FIG_OK;
}

static fig_status add_file(const page_job *j, const char *path) {
    fig__buf file;
    fig_context *ctx = j->args->ctx;
    fig__buf_init(&file, ctx, FILE_MAX_BYTES);
    fig_status status = fig__file_read(ctx, path, FILE_MAX_BYTES, &file);
    if (!status && fig__image_format(file.data, file.len)) {
        status = add_picture(j, path, &file);
    } else if (!status) {
        char *text = masked(j, fig__buf_str(&file));
        status = text ? FIG_OK : FIG_ERR_NOMEM;
        if (text) fig__page_sample(j->page, fig__path_base(path), text);
    }
    fig__buf_deinit(&file);
    return status;
}

static fig_status add_all(page_job *j, const settings *s) {
    const fig_strings *files = &j->args->words;
    FIG_TRY(fig_filter_new(j->args->ctx, NULL, &j->filter));
    FIG_TRY(fig__page_open(j->args->ctx, s->output, s->title, &j->page));
    for (size_t i = 0; i < files->n; i++) FIG_TRY(add_file(j, files->data[i]));
    return FIG_OK;
}

static fig_status run(fig__args *args) {
    settings s;
    page_job j = {.args = args};
    FIG_TRY(fig__args_bind(args, &table, &s));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    FIG_TRY(fig__args_want_words(args, 1, 100000));
    fig_status status = add_all(&j, &s);
    if (status)
        fig__page_abort(j.page);
    else
        status = fig__page_commit(j.page);
    fig_filter_free(j.filter);
    if (status) return status;
    return args->globals.quiet ? FIG_OK : fig__printf(args->ctx, "%s\n", s.output);
}

const fig__command fig__cmd_page = {
    .name = "page",
    .usage = "FILE...",
    .summary = "Put texts and pictures on one page for a browser.",
    .details =
        "One HTML file that holds everything: texts as they stand, pictures with the prompt that is noted in them.\n"
        "Nothing in it is loaded from elsewhere. Offensive words are masked.",
    .example = "figment generate shakespeare -o play.txt\n"
               "figment generate emoji --prompt \"a red apple\" -o apple.png\n"
               "figment page play.txt apple.png -o page.html",
    .tables = {&table},
    .run = run,
};
