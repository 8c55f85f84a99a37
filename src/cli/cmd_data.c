/* cli/cmd_data.c: figment data get, prepare. */
#include <fig/dataset.h>
#include "base/file.h"
#include "cli/cli.h"
#include "cli/meter.h"
#include "cli/pictures.h"
#include "cli/text.h"

/* --- get ----------------------------------------------------------------------------------------------------------*/

typedef struct get_settings {
    const char *out, *mirror;
} get_settings;

#define AT(field) offsetof(get_settings, field)
static const fig_option get_rows[] = {
    {.name = "out",
     .kind = FIG_OPT_STRING,
     .offset = AT(out),
     .aliases = "o output",
     .value = "DIR",
     .fallback = "data",
     .help = "files go to a folder of the data's name in it"},
    {.name = "mirror",
     .kind = FIG_OPT_STRING,
     .offset = AT(mirror),
     .value = "DIR",
     .help = "a folder that is asked instead of the network"},
};
static const fig_option_table get_table = {get_rows, FIG_COUNT(get_rows)};

static uint64_t entry_bytes(const fig_dataset_entry *e) {
    uint64_t sum = 0;
    for (size_t i = 0; i < e->n_files; i++) sum += e->files[i].bytes;
    return sum;
}

static fig_status list_known_json(fig_context *ctx) {
    fig__json *list = fig__json_new_array();
    const fig_dataset_entry *e;
    for (size_t i = 0; (e = fig_dataset_known(i)); i++) {
        fig__json *j = fig__json_new_object();
        fig__json_put(j, "name", fig__json_new_str(e->name));
        fig__json_put(j, "title", fig__json_new_str(e->title));
        fig__json_put(j, "licence", fig__json_new_str(e->licence));
        fig__json_put(j, "citation", fig__json_new_str(e->citation ? e->citation : ""));
        fig__json_put(j, "bytes", fig__json_new_int((int64_t)entry_bytes(e)));
        fig__json_push(list, j);
    }
    return fig__print_json(ctx, list, 2);
}

static fig_status list_known(fig__args *args) {
    const fig_dataset_entry *e;
    char size[32];
    if (args->globals.json) return list_known_json(args->ctx);
    for (size_t i = 0; (e = fig_dataset_known(i)); i++)
        FIG_TRY(fig__printf(args->ctx, "%-18s %10s  %s (%s)\n", e->name, fig__human_bytes((double)entry_bytes(e), size),
                            e->title, e->licence));
    return FIG_OK;
}

static fig_status run_get(fig__args *args) {
    get_settings s;
    FIG_TRY(fig__args_bind(args, &get_table, &s));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    FIG_TRY(fig__args_want_words(args, 0, 1));
    if (!args->words.n) return list_known(args);
    fig__meter_start(args->globals.quiet);
    fig_dataset_get_options o = {.out_dir = s.out, .mirror_dir = s.mirror, .progress = fig__meter_dataset};
    FIG_TRY(fig_dataset_get(args->ctx, args->words.data[0], &o));
    fig__meter_clear();
    const char *path = fig__arena_printf(args->arena, "%s/%s", s.out, args->words.data[0]);
    if (!path) return FIG_ERR_NOMEM;
    if (!args->globals.json) return fig__printf(args->ctx, "%s\n", path);
    fig__json *j = fig__json_new_object();
    fig__json_put(j, "path", fig__json_new_str(path));
    return fig__print_json(args->ctx, j, 2);
}

const fig__command fig__cmd_data_get = {
    .name = "data get",
    .usage = "[NAME]",
    .summary = "Download a known dataset; without a name, list them.",
    .details = "Every file has a pinned SHA-256: nothing appears under its name before that is right.",
    .example = "figment data get tinyshakespeare\nfigment train --data data/tinyshakespeare",
    .tables = {&get_table},
    .run = run_get,
};

/* --- prepare ------------------------------------------------------------------------------------------------------*/

typedef struct prepare_settings {
    fig_strings data;
    const char *out;
    fig__tokenizer_choice choice;
    int64_t image_size, channels;
    double val_fraction;
    bool force, stack;
} prepare_settings;

#undef AT
#define AT(field) offsetof(prepare_settings, field)
static const fig_option prepare_rows[] = {
    {.name = "data",
     .kind = FIG_OPT_LIST,
     .offset = AT(data),
     .value = "PATH",
     .help = "file or folder; may be given again"},
    {.name = "out",
     .kind = FIG_OPT_STRING,
     .offset = AT(out),
     .aliases = "o output out_dir",
     .value = "DIR",
     .help = "folder for what is prepared"},
    FIG__TEXT_OPTIONS(prepare_settings, choice),
    FIG__PICTURE_FORM_OPTIONS(prepare_settings),
    {.name = "force", .kind = FIG_OPT_BOOL, .offset = AT(force), .help = "replace data that is in --out"},
};
static const fig_option_table prepare_table = {prepare_rows, FIG_COUNT(prepare_rows)};

static fig_status prepare(fig__args *args, const prepare_settings *s, fig_dataset_info *info) {
    fig_tokenizer *tok;
    FIG_TRY(fig__tokenizer_is_learnt(&s->choice) ? fig__tokenizer_from_text(args->ctx, &s->data, &s->choice, NULL, &tok)
                                                 : fig__tokenizer_open(args->ctx, s->choice.name, &tok));
    fig_dataset_options o = fig_dataset_options_default();
    o.paths = s->data.data;
    o.n_paths = s->data.n;
    o.tokenizer = tok;
    o.out_dir = s->out;
    o.val_fraction = s->val_fraction;
    o.force = s->force;
    o.progress = fig__meter_dataset;
    fig_status status = fig_dataset_prepare(args->ctx, &o, info);
    fig_tokenizer_free(tok);
    return status;
}

static fig_status prepare_pictures(fig__args *args, const prepare_settings *s) {
    fig_pictures_info info;
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = s->data.data;
    o.n_paths = s->data.n;
    o.out_dir = s->out;
    o.size = s->image_size;
    o.channels = s->channels;
    o.stack = s->stack;
    o.val_fraction = s->val_fraction;
    o.force = s->force;
    FIG_TRY(fig__prepare_pictures(args->ctx, &o, &info));
    return fig__describe_pictures(args, s->out);
}

static fig_status run_prepare(fig__args *args) {
    prepare_settings s;
    fig_dataset_info info;
    FIG_TRY(fig__args_bind(args, &prepare_table, &s));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    for (size_t i = 0; i < args->words.n; i++)
        FIG_TRY(fig__option_set(args->ctx, &prepare_rows[0], &s, args->words.data[i], args->arena));
    FIG_CHECK(args->ctx, s.data.n, FIG_ERR_ARG, "--data: what should be prepared? give a file or folder");
    FIG_CHECK(args->ctx, s.out, FIG_ERR_ARG, "--out: where should it go? give a folder");
    fig__meter_start(args->globals.quiet);
    if (fig_pictures_found(args->ctx, s.data.data[0])) return prepare_pictures(args, &s);
    FIG_TRY(prepare(args, &s, &info));
    fig__meter_clear();
    return fig__describe_dataset(args, s.out, &info);
}

const fig__command fig__cmd_data_prepare = {
    .name = "data prepare",
    .usage = "PATH... --out DIR",
    .summary = "Tokenise text, or decode pictures, once, into a folder to train from.",
    .details =
        "Reads UTF-8 files and folders (binaries are left out and counted), JSONL with \"text\", and token files\n"
        "of nanoGPT and llm.c. Pictures: folders of PNG, JPEG and WebP (class folders, metadata.jsonl), tar and zip\n"
        "archives, IDX and .npy; they are brought to one size. train does this by itself; prepare is for data that "
        "several runs share.",
    .example = "figment data prepare my-folder --tokenizer bpe --vocab_size 4096 --out data/mine\n"
               "figment data prepare holiday-photos --image_size 64 --out data/photos\n"
               "figment train --data data/mine",
    .tables = {&prepare_table},
    .run = run_prepare,
};
