/* cli/cmd_replay.c: figment replay: makes a picture again from what is written in its file, and compares.
 *
 * The record was written by anybody: every value passes the option table that a command line would. */
#include <stdio.h>
#include "base/file.h"
#include "cli/generate.h"
#include "cli/meter.h"
#include "media/image/grid.h"

#define FILE_MAX_BYTES ((size_t)1 << 28)

typedef struct settings {
    const char *model, *output;
} settings;

static const fig_option rows[] = {
    {.name = "model",
     .kind = FIG_OPT_STRING,
     .offset = offsetof(settings, model),
     .value = "MODEL",
     .help = "where the model is now, if not where the picture says"},
    {.name = "output",
     .kind = FIG_OPT_STRING,
     .offset = offsetof(settings, output),
     .aliases = "o",
     .value = "PATH",
     .help = "also write the picture that was made"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

typedef struct replay {
    fig__args *args;
    settings s;
    const char *path;
    fig__image image; /* in the file */
    fig__json *record;
    fig__draw_job job;
} replay;

static fig_status read_file(replay *r) {
    fig_context *ctx = r->args->ctx;
    fig__buf file;
    fig__buf_init(&file, ctx, FILE_MAX_BYTES);
    fig_status status = fig__file_read(ctx, r->path, FILE_MAX_BYTES, &file);
    if (!status) status = fig__record_read(ctx, r->path, file.data, file.len, &r->record);
    if (!status) status = fig__image_decode(ctx, r->path, file.data, file.len, &r->image);
    fig__buf_deinit(&file);
    return status;
}

static const char *text_of(const replay *r, const char *key) {
    return fig__json_str(fig__json_get(r->record, key), NULL);
}

/* Only settings of the table, and only such as decide how a picture looks, are in a record of our own. */
static fig_status apply_settings(replay *r) {
    fig__json *all = fig__json_get(r->record, "settings"), *value;
    fig__picture_settings *s = &r->job.s;
    FIG_TRY(fig__options_defaults(r->args->ctx, fig__picture_table, s, r->args->arena));
    for (size_t i = 0; i < fig__json_size(all); i++) {
        const fig_option *o = fig__option_find(fig__picture_table, fig__json_key(all, i, &value));
        bool given = o && fig__json_type(value) != FIG_JSON_NULL;
        if (given && fig__option_set_json(r->args->ctx, o, s, value, r->args->arena))
            return fig__fail_prefix(r->args->ctx, FIG_ERR_FORMAT, "%s: what is written in it", r->path);
    }
    s->seed = fig__json_int(fig__json_get(r->record, "seed"), s->seed);
    s->num_samples = 1;
    return FIG_OK;
}

/* What also decides about the last bits, and may differ here. */
static void note_differences(const replay *r) {
    const fig__json *all = fig__json_get(r->record, "settings");
    const char *cpu = fig__json_str(fig__json_get(all, "cpu"), ""), *here = fig_cpu_level(r->args->ctx);
    const char *version = text_of(r, "version");
    if (strcmp(cpu, here))
        fig__meter_say("figment: note: made with instructions of level %s, replayed with %s: bits may differ", cpu,
                       here);
    if (version && strcmp(version, FIG_VERSION_STRING))
        fig__meter_say("figment: note: made by figment %s, replayed by %s: bits may differ", version,
                       FIG_VERSION_STRING);
}

static fig_status open_model(replay *r) {
    const char *hash = text_of(r, "model_hash"), *name = r->s.model ? r->s.model : text_of(r, "model");
    fig_context *ctx = r->args->ctx;
    FIG_CHECK(ctx, name && hash, FIG_ERR_FORMAT, "%s: does not say which model made it", r->path);
    r->args->words.data[0] = name; /* the new file says it too */
    FIG_TRY(fig__draw_job_open(&r->job, name));
    FIG_CHECK(ctx, !strcmp(r->job.hash, hash), FIG_ERR_ARG,
              "%s: made by other weights (%s) than those of %s (%s); give the right one with --model", r->path, hash,
              name, r->job.hash);
    return FIG_OK;
}

/* A picture that it was made from must be the same file. */
static fig_status check_source(replay *r) {
    fig_context *ctx = r->args->ctx;
    fig__buf now, then;
    if (!r->job.history) return FIG_OK;
    fig__buf_init(&now, ctx, FILE_MAX_BYTES);
    fig__buf_init(&then, ctx, FILE_MAX_BYTES);
    fig_status status = fig__json_write(r->job.history, 0, &now);
    if (!status) status = fig__json_write(fig__json_get(r->record, "history"), 0, &then);
    bool equal = !strcmp(fig__buf_str(&now), fig__buf_str(&then));
    fig__buf_deinit(&now);
    fig__buf_deinit(&then);
    if (status) return status;
    FIG_CHECK(ctx, equal, FIG_ERR_ARG, "%s: %s is another picture now than the one it was made from", r->path,
              r->job.s.from);
    return FIG_OK;
}

static bool same(const fig__image *a, const fig__image *b) {
    return a->w == b->w && a->h == b->h && a->c == b->c && !memcmp(a->data, b->data, a->w * a->h * a->c);
}

/* The file may have been enlarged when it was written. */
static fig_status compare(replay *r, const fig__image *made, bool *equal) {
    fig__image larger;
    size_t factor = made->w ? r->image.w / made->w : 0;
    *equal = false;
    if (!factor || factor > 1024 || r->image.w % made->w) return FIG_OK;
    FIG_TRY(fig__image_enlarge(r->args->ctx, made, factor, &larger));
    *equal = same(&larger, &r->image);
    fig__image_free(r->args->ctx, &larger);
    return FIG_OK;
}

static fig_status draw_again(replay *r) {
    fig_context *ctx = r->args->ctx;
    int64_t sample = fig__json_int(fig__json_get(r->record, "sample"), 0);
    fig__pictures p = {.ctx = ctx};
    bool equal;
    FIG_CHECK(ctx, sample >= 0 && sample < (int64_t)1 << 40, FIG_ERR_FORMAT, "%s: sample %lld", r->path,
              (long long)sample);
    r->job.o.first_sample = sample;
    r->job.o.num_samples = 1;
    fig_status status = fig__draw_into(&r->job, &r->job.o, NULL, &p, NULL);
    if (!status) status = compare(r, &p.data[0], &equal);
    if (!status && r->s.output) status = fig__write_picture(&r->job, &p.data[0], sample, r->s.output);
    if (!status && r->args->globals.json) {
        fig__json *j = fig__json_new_object();
        fig__json_put(j, "path", fig__json_new_str(r->path));
        fig__json_put(j, "equal", fig__json_new_bool(equal));
        status = fig__print_json(ctx, j, 0);
    } else if (!status && equal) {
        status = fig__printf(ctx, "%s: made again, bit for bit\n", r->path);
    }
    if (!status && !equal)
        status = FIG_FAIL(ctx, FIG_ERR_IO, "%s: the picture made again differs from the one in the file", r->path);
    fig__pictures_free(&p);
    return status;
}

static fig_status run(fig__args *args) {
    replay r = {.args = args, .job = {.args = args}};
    fig__meter_start(args->globals.quiet);
    fig_status status = fig__args_bind(args, &table, &r.s);
    if (!status) status = fig__args_apply(args, NULL, NULL);
    if (!status) status = fig__args_want_words(args, 1, 1);
    if (!status) r.path = args->words.data[0];
    if (!status) status = read_file(&r);
    if (!status) status = apply_settings(&r);
    if (!status) status = open_model(&r);
    if (!status) status = check_source(&r);
    if (!status) note_differences(&r);
    if (!status) status = draw_again(&r);
    if (r.job.model) fig__draw_job_close(&r.job);
    fig__image_free(args->ctx, &r.image);
    fig__json_free(r.record);
    return status;
}

const fig__command fig__cmd_replay = {
    .name = "replay",
    .usage = "PICTURE.png",
    .summary = "Make a picture again from what is written in it.",
    .details =
        "A PNG that figment generate wrote holds prompt, seed, settings and the hash of the model's weights. The\n"
        "picture is drawn again and compared with the one in the file: same build, same processor level, same\n"
        "bits. The exit status is 1 when they differ.",
    .example = "figment replay apple.png",
    .tables = {&table},
    .run = run,
};
