/* cli/cmd_data_make.c: figment data make. What can be made is one table; a row says which flags it heeds. */
#include <fig/pictures.h>
#include "base/file.h"
#include "cli/cli.h"
#include "cli/meter.h"

typedef struct make_settings {
    const char *out, *unicode, *filter;
    fig_strings font;
    int64_t size;
    bool force;
} make_settings;

#define AT(field) offsetof(make_settings, field)
static const fig_option make_rows[] = {
    {.name = "out",
     .kind = FIG_OPT_STRING,
     .offset = AT(out),
     .aliases = "o output",
     .value = "PATH",
     .help = "where it goes (data/names.txt, data/NAME)"},
    {.name = "size",
     .kind = FIG_OPT_INT,
     .offset = AT(size),
     .low = 0,
     .high = 512,
     .help = "side of the pictures (emoji 64, glyphs 32)"},
    {.name = "font",
     .kind = FIG_OPT_LIST,
     .offset = AT(font),
     .value = "PATH",
     .help = "a font instead of the installed ones; for glyphs also a folder, and again"},
    {.name = "unicode",
     .kind = FIG_OPT_STRING,
     .offset = AT(unicode),
     .value = "DIR",
     .help = "folder of the Unicode data (/usr/share/unicode)"},
    {.name = "filter",
     .kind = FIG_OPT_STRING,
     .offset = AT(filter),
     .value = "PATH",
     .help = "words that make a name go, one per line, instead of the built-in list"},
    {.name = "force", .kind = FIG_OPT_BOOL, .offset = AT(force), .help = "replace the pictures that are in --out"},
};
static const fig_option_table make_table = {make_rows, FIG_COUNT(make_rows)};

/* --- what can be made ---------------------------------------------------------------------------------------------*/

typedef struct maker {
    const char *name, *summary;
    const char *out;     /* where it goes by itself */
    const char *heeds;   /* flags, between blanks */
    const char *counted; /* what *n counts */
    fig_status (*run)(fig__args *args, const make_settings *s, uint64_t *n);
} maker;

static fig_status make_folder_of(fig_context *ctx, const char *path) {
    char *folder = fig__strdup(ctx, path);
    if (!folder) return FIG_ERR_NOMEM;
    size_t len = (size_t)(fig__path_base(path) - path);
    folder[len] = 0;
    fig_status status = len ? fig__mkdirs(ctx, folder) : FIG_OK;
    fig__free(ctx, folder);
    return status;
}

static fig_status make_names(fig__args *args, const make_settings *s, uint64_t *n) {
    fig_filter *filter;
    FIG_TRY(make_folder_of(args->ctx, s->out));
    FIG_TRY(fig_filter_new(args->ctx, s->filter, &filter));
    fig_status status = fig_dataset_make_names(args->ctx, s->unicode, filter, s->out, n);
    fig_filter_free(filter);
    return status;
}

typedef fig_status make_pictures_fn(fig_context *ctx, const fig_pictures_make_options *o, fig_pictures_made *made);

static fig_status make_pictures(fig__args *args, const make_settings *s, make_pictures_fn *make, uint64_t *n) {
    fig_pictures_make_options o = {.out_dir = s->out,
                                   .fonts = s->font.data,
                                   .n_fonts = s->font.n,
                                   .unicode_dir = s->unicode,
                                   .size = s->size,
                                   .force = s->force,
                                   .progress = fig__meter_dataset};
    fig_pictures_made made;
    fig__meter_start(args->globals.quiet);
    FIG_TRY(make(args->ctx, &o, &made));
    fig__meter_clear();
    *n = made.n_pictures;
    if (made.n_left_out)
        fig__meter_note("figment: note: %llu left out; the first: %s", (unsigned long long)made.n_left_out,
                        made.left_out);
    return FIG_OK;
}
static fig_status make_emoji(fig__args *args, const make_settings *s, uint64_t *n) {
    return make_pictures(args, s, fig_pictures_make_emoji, n);
}
static fig_status make_glyphs(fig__args *args, const make_settings *s, uint64_t *n) {
    return make_pictures(args, s, fig_pictures_make_glyphs, n);
}

static const maker makers[] = {
    {.name = "names",
     .summary = "names of emoji, one per line, without offensive words",
     .out = "data/names.txt",
     .heeds = " out unicode filter ",
     .counted = "lines",
     .run = make_names},
    {.name = "emoji",
     .summary = "every emoji with its name as a caption",
     .out = "data/emoji",
     .heeds = " out size font unicode force ",
     .counted = "pictures",
     .run = make_emoji},
    {.name = "glyphs",
     .summary = "letters, digits and punctuation of the installed fonts, with captions",
     .out = "data/glyphs",
     .heeds = " out size font force ",
     .counted = "pictures",
     .run = make_glyphs},
};

/* --- the command --------------------------------------------------------------------------------------------------*/

static fig_status list_makers(fig__args *args) {
    fig__json *list = args->globals.json ? fig__json_new_array() : NULL;
    for (size_t i = 0; i < FIG_COUNT(makers); i++) {
        const maker *m = &makers[i];
        if (!args->globals.json) {
            FIG_TRY(fig__printf(args->ctx, "%-8s %s\n", m->name, m->summary));
            continue;
        }
        fig__json *j = fig__json_new_object();
        fig__json_put(j, "name", fig__json_new_str(m->name));
        fig__json_put(j, "summary", fig__json_new_str(m->summary));
        fig__json_put(j, "out", fig__json_new_str(m->out));
        fig__json_push(list, j);
    }
    return list ? fig__print_json(args->ctx, list, 2) : FIG_OK;
}

static fig_status find_maker(fig_context *ctx, const char *name, const maker **out) {
    const char *known[FIG_COUNT(makers)];
    for (size_t i = 0; i < FIG_COUNT(makers); i++) {
        known[i] = makers[i].name;
        *out = &makers[i];
        if (!strcmp(name, known[i])) return FIG_OK;
    }
    const char *nearest = fig__nearest(name, known, FIG_COUNT(makers));
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown data; %s%s%s", name, nearest ? "did you mean " : "",
                    nearest ? nearest : "`figment data make` lists what can be made", nearest ? "?" : "");
}

static fig_status check_flags(fig__args *args, const maker *m) {
    char name[32];
    for (size_t i = 0; i < FIG_COUNT(make_rows); i++) {
        snprintf(name, sizeof name, " %s ", make_rows[i].name);
        FIG_CHECK(args->ctx, strstr(m->heeds, name) || fig__args_source(args, make_rows[i].name) != FIG_FROM_FLAG,
                  FIG_ERR_ARG, "--%s: means nothing for %s; leave it out", make_rows[i].name, m->name);
    }
    return FIG_OK;
}

static fig_status report(fig__args *args, const maker *m, const char *path, uint64_t n) {
    if (!args->globals.json) return fig__printf(args->ctx, "%s: %llu %s\n", path, (unsigned long long)n, m->counted);
    fig__json *j = fig__json_new_object();
    fig__json_put(j, "path", fig__json_new_str(path));
    fig__json_put(j, m->counted, fig__json_new_int((int64_t)n));
    return fig__print_json(args->ctx, j, 2);
}

static fig_status run_make(fig__args *args) {
    make_settings s;
    const maker *m;
    uint64_t n = 0;
    FIG_TRY(fig__args_bind(args, &make_table, &s));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    FIG_TRY(fig__args_want_words(args, 0, 1));
    if (!args->words.n) return list_makers(args);
    FIG_TRY(find_maker(args->ctx, args->words.data[0], &m));
    FIG_TRY(check_flags(args, m));
    if (!s.out) s.out = m->out;
    FIG_TRY(m->run(args, &s, &n));
    return report(args, m, s.out, n);
}

const fig__command fig__cmd_data_make = {
    .name = "data make",
    .usage = "[NAME]",
    .summary = "Make a dataset from what this machine has; without a name, list them.",
    .details = "names: the names of emoji, one per line, from the package unicode-data, without offensive words.\n"
               "emoji: every emoji as a picture with its name as a caption, from the package fonts-noto-color-emoji.\n"
               "glyphs: letters, digits and punctuation of the installed fonts, in grey, with captions.",
    .example = "figment data make names -o names.txt\nfigment train --data names.txt --minutes 2\n"
               "figment data make emoji --size 32",
    .tables = {&make_table},
    .run = run_make,
};
