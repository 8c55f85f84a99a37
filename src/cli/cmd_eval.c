/* cli/cmd_eval.c: figment eval: how good a model is. Settings, the model, the data; what is measured is in eval_*.c. */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "cli/eval.h"
#include "cli/meter.h"
#include "models/model.h"

#define MAX_CONFIG ((size_t)16 << 20)
#define MAX_LISTED 100000

#define AT(field) offsetof(fig__eval, field)
static const fig_option rows[] = {
    {.help = "What is measured"},
    {.name = "suite",
     .kind = FIG_OPT_CHOICE,
     .offset = AT(suite),
     .choices = "images|classes|likelihood|disentangle",
     .fallback = "images",
     .help = "what it draws; of which classes; how likely a vae finds pictures; what latents mean"},
    {.name = "data",
     .kind = FIG_OPT_LIST,
     .offset = AT(data),
     .aliases = "dataset",
     .value = "PATH",
     .help = "pictures, of which the held-out ones count; else those of the run"},
    {.name = "val_fraction",
     .kind = FIG_OPT_REAL,
     .offset = AT(val_fraction),
     .high = 0.9,
     .fallback = "0.1",
     .help = "share of them that is held out, where they do not say their split"},
    {.name = "where",
     .kind = FIG_OPT_LIST,
     .offset = AT(where),
     .value = "NAME=VALUE",
     .help = "only held-out pictures whose metadata say so; may be given again"},
    {.help = "Pictures (--suite images, classes)"},
    {.name = "extractor",
     .kind = FIG_OPT_STRING,
     .offset = AT(extractor),
     .value = "MODEL",
     .help = "a classifier or contrastive model to see with; else one that fits"},
    {.name = "num_samples",
     .kind = FIG_OPT_INT,
     .offset = AT(draw.num_samples),
     .low = 0,
     .high = 1e7,
     .fallback = "0",
     .aliases = "samples",
     .help = "pictures to draw; 0: 10000, or one for each held-out caption"},
    {.name = "steps",
     .kind = FIG_OPT_INT,
     .offset = AT(draw.steps),
     .low = 1,
     .high = 10000,
     .fallback = "10",
     .help = "of the sampler, for a flow"},
    {.name = "guidance",
     .kind = FIG_OPT_REAL,
     .offset = AT(draw.guidance),
     .low = 0,
     .high = 100,
     .fallback = "2",
     .aliases = "cfg_scale",
     .help = "how far beyond the unconditioned picture; 1: none"},
    {.name = "temp",
     .kind = FIG_OPT_REAL,
     .offset = AT(draw.temp),
     .low = 0,
     .high = 100,
     .fallback = "1",
     .aliases = "temperature",
     .help = "of the latents"},
    {.name = "features",
     .kind = FIG_OPT_STRING,
     .offset = AT(features),
     .value = "DIR",
     .help = "write the features there, as .npy"},
    {.help = "Likelihood and latents"},
    {.name = "k",
     .kind = FIG_OPT_INT,
     .offset = AT(k),
     .low = 1,
     .high = 1e7,
     .fallback = "5000",
     .help = "latents drawn for each picture"},
    {.name = "num_pictures",
     .kind = FIG_OPT_INT,
     .offset = AT(num_pictures),
     .low = 0,
     .high = 1e9,
     .help = "how many held-out pictures; 0: all"},
    {.name = "factor",
     .kind = FIG_OPT_LIST,
     .offset = AT(factors),
     .value = "NAME",
     .help = "disentangle: class, or a name of the metadata; may be given again (class)"},
    {.help = "Run"},
    {.name = "seed",
     .kind = FIG_OPT_INT,
     .offset = AT(draw.seed),
     .low = 0,
     .high = 9e15,
     .fallback = "1337",
     .aliases = "s",
     .help = "of everything drawn at random"},
    {.name = "dtype",
     .kind = FIG_OPT_CHOICE,
     .offset = AT(dtype),
     .choices = "auto|float32|bfloat16",
     .fallback = "auto",
     .help = "numbers the model computes with; auto: those of the file"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

fig__json *fig__interval_json(const fig_interval *i) {
    fig__json *j = fig__json_new_object();
    fig__put_real(j, "value", i->value);
    fig__put_real(j, "low", i->low);
    fig__put_real(j, "high", i->high);
    return j;
}

/* --- data ---------------------------------------------------------------------------------------------------------*/

static fig_status prepare(fig__eval *e, const char **dir) {
    fig_context *ctx = e->args->ctx;
    const char *root = getenv("TMPDIR");
    char *made = fig__arena_printf(e->args->arena, "%s/figment-eval-XXXXXX", root && *root ? root : "/tmp");
    FIG_CHECK(ctx, made && mkdtemp(made), FIG_ERR_IO, "%s: no temporary folder; set TMPDIR", made ? made : "");
    e->temp_dir = made;
    *dir = fig__arena_printf(e->args->arena, "%s/data", made);
    if (!*dir) return FIG_ERR_NOMEM;
    fig_pictures_info info;
    fig_pictures_options o = fig_pictures_options_default();
    o.paths = e->data.data;
    o.n_paths = e->data.n;
    o.out_dir = *dir;
    o.size = fig_model_get_int(e->model, "image_size");
    o.channels = fig_model_get_int(e->model, "n_channels");
    o.val_fraction = e->val_fraction;
    o.progress = fig__meter_dataset;
    return fig_pictures_prepare(ctx, &o, &info);
}

static fig_status choose_data(fig__eval *e, const char **dir) {
    fig_context *ctx = e->args->ctx;
    for (size_t i = 0; i < e->data.n; i++)
        FIG_CHECK(ctx, fig__path_exists(e->data.data[i]), FIG_ERR_NOTFOUND, "%s: no such file or folder",
                  e->data.data[i]);
    if (e->data.n > 1 || (e->data.n && !fig_pictures_is_prepared(e->data.data[0]))) return prepare(e, dir);
    *dir = e->data.n ? e->data.data[0] : fig__arena_printf(e->args->arena, "%s/data", e->model_path);
    if (!*dir) return FIG_ERR_NOMEM;
    FIG_CHECK(ctx, e->data.n || fig_pictures_is_prepared(*dir), FIG_ERR_ARG,
              "--data: what should it be compared with? give a file or folder of pictures");
    return FIG_OK;
}

/* NAME=VALUE */
static fig_status choose(fig__eval *e, const char *where) {
    const char *equals = strchr(where, '=');
    FIG_CHECK(e->args->ctx, equals && equals > where, FIG_ERR_ARG,
              "--where %s: give a name of the metadata and its value, as in --where skin_tone=light", where);
    char *name = fig__arena_printf(e->args->arena, "%.*s", (int)(equals - where), where);
    return name ? fig_pictures_select(e->pictures, FIG_SPLIT_VAL, name, equals + 1) : FIG_ERR_NOMEM;
}

size_t fig__eval_n_held_out(const fig__eval *e) {
    size_t n = (size_t)fig_pictures_get_info(e->pictures)->n[FIG_SPLIT_VAL];
    return e->num_pictures ? FIG_MIN(n, (size_t)e->num_pictures) : n;
}

fig_status fig__eval_open_vae(fig__eval *e, const char *suite) {
    const fig_arch *arch = fig_model_arch(e->model);
    FIG_CHECK(e->args->ctx, arch->family == &fig_family_vae, FIG_ERR_ARG, "--suite %s: %s is no vae, which has it",
              suite, arch->name);
    return fig__eval_open_data(e);
}

fig_status fig__eval_open_data(fig__eval *e) {
    const char *dir;
    fig_context *ctx = e->args->ctx;
    FIG_TRY(choose_data(e, &dir));
    FIG_TRY(fig_pictures_open(ctx, dir, &e->pictures));
    const fig_pictures_info *info = fig_pictures_get_info(e->pictures);
    size_t side = (size_t)fig_model_get_int(e->model, "image_size"),
           channels = (size_t)fig_model_get_int(e->model, "n_channels");
    FIG_CHECK(
        ctx, info->size == side && info->channels == channels, FIG_ERR_ARG,
        "%s: pictures of %zu x %zu x %zu, and the model's are %zu x %zu x %zu; give the files they were made from", dir,
        info->size, info->size, info->channels, side, side, channels);
    FIG_CHECK(ctx, info->n[FIG_SPLIT_VAL], FIG_ERR_ARG,
              "%s: no pictures are held out; name a folder val or test, or give --val_fraction", dir);
    for (size_t i = 0; i < e->where.n; i++) FIG_TRY(choose(e, e->where.data[i]));
    return FIG_OK;
}

/* --- the extractor ------------------------------------------------------------------------------------------------*/

/* Whether a folder's config.json says that it is one for these pictures. */
static bool fits(fig__eval *e, const char *dir, bool reads) {
    const fig_pictures_info *info = fig_pictures_get_info(e->pictures);
    const char *path = fig__arena_printf(e->args->arena, "%s/config.json", dir);
    fig__json *config = NULL;
    if (!path || !fig__path_exists(path)) return false;
    if (fig__json_load(e->args->ctx, path, MAX_CONFIG, &config)) {
        fig_error_clear(e->args->ctx); /* a broken neighbour is not what was asked about */
        return false;
    }
    const char *arch = fig__json_str(fig__json_get(config, "figment_arch"), "");
    const fig__json *settings = fig__json_get(config, "figment_settings");
    bool kind = strcmp(arch, reads ? "contrastive" : "classifier") == 0;
    bool shape = fig__json_int(fig__json_get(settings, "image_size"), 0) == (int64_t)info->size &&
                 fig__json_int(fig__json_get(settings, "n_channels"), 0) == (int64_t)info->channels;
    bool classes = reads || fig__json_int(fig__json_get(settings, "n_classes"), 0) == info->n_classes;
    fig__json_free(config);
    return kind && shape && classes;
}

static fig_status look_in(fig__eval *e, const char *place, bool reads, const char **path) {
    fig__paths names = {0};
    if (!fig__path_is_dir(place)) return FIG_OK;
    fig_status status = fig__dir_list(e->args->ctx, place, MAX_LISTED, &names);
    for (size_t i = 0; i < names.n && !status && !*path; i++) {
        const char *dir = fig__arena_printf(e->args->arena, "%s/%s", place, names.data[i]);
        if (dir && fits(e, dir, reads)) *path = dir;
    }
    fig__paths_deinit(e->args->ctx, &names);
    return status;
}

fig_status fig__eval_find_extractor(fig__eval *e, bool reads, const char **path) {
    fig_context *ctx = e->args->ctx;
    fig_strings places = {0};
    const char *arch = reads ? "contrastive" : "classifier";
    *path = e->extractor;
    if (*path) return FIG_OK;
    fig_status status = fig__model_places(ctx, e->args->arena, &places);
    for (size_t i = 0; i < places.n && !status && !*path; i++) status = look_in(e, places.data[i], reads, path);
    fig__free(ctx, places.data);
    const fig_pictures_info *info = fig_pictures_get_info(e->pictures);
    FIG_CHECK(ctx, status || *path, FIG_ERR_NOTFOUND,
              "no extractor was found that sees pictures of %zu x %zu x %zu; train one on the same data with figment "
              "train --arch %s --data PATH --out runs/extractor, or name one with --extractor",
              info->size, info->size, info->channels, arch);
    return status;
}

/* --- running ------------------------------------------------------------------------------------------------------*/

static fig_status load(fig__eval *e) {
    static const fig_dtype dtypes[] = {FIG_DTYPE_COUNT, FIG_F32, FIG_BF16};
    fig_context *ctx = e->args->ctx;
    fig_draw_defaults(&e->draw);
    FIG_TRY(fig__args_bind(e->args, &table, e));
    FIG_TRY(fig__args_apply(e->args, NULL, NULL));
    FIG_TRY(fig__args_want_words(e->args, 1, 1));
    char *path = fig_model_find(ctx, e->args->words.data[0]);
    e->model_path = path ? fig__arena_strdup(e->args->arena, path) : NULL;
    fig_free(ctx, path);
    if (!e->model_path) return fig_error_code(ctx);
    fig_model_options o = {.dtype = dtypes[e->dtype], .inference = true};
    FIG_TRY(fig_model_load(ctx, e->model_path, &o, &e->model));
    const char *name = fig_model_arch(e->model)->name;
    FIG_CHECK(ctx, strcmp(fig_family_medium(fig_model_arch(e->model)->family), "pictures") == 0, FIG_ERR_ARG,
              "%s: %s is about text; these suites are about pictures, which a flow or a vae draws",
              e->args->words.data[0], name);
    return FIG_OK;
}

static fig_status run(fig__args *args) {
    static fig_status (*const suites[])(fig__eval *) = {fig__eval_images, fig__eval_classes, fig__eval_likelihood,
                                                        fig__eval_disentangle};
    fig__eval e = {.args = args};
    fig__meter_start(args->globals.quiet);
    fig_status status = load(&e);
    if (!status) status = suites[e.suite](&e);
    fig__meter_clear();
    fig_pictures_close(e.pictures);
    fig_model_free(e.model);
    if (e.temp_dir) {
        const char *message = status ? fig__arena_strdup(args->arena, fig_error(args->ctx)) : NULL;
        fig__dir_remove(args->ctx, e.temp_dir);
        if (message) FIG_FAIL(args->ctx, status, "%s", message);
    }
    return status;
}

const fig__command fig__cmd_eval = {
    .name = "eval",
    .usage = "MODEL [--suite NAME] [--data PATH...]",
    .summary = "Score a model: what it draws, how likely it finds pictures, what its latents mean.",
    .details =
        "images draws pictures and compares them with held-out ones by the features of --extractor: Frechet\n"
        "distance (FLD; with infinitely many samples), kernel distance (KID), precision, recall, density and\n"
        "coverage, classes, memorisation; captions where the model takes them. Beside the model's scores stand\n"
        "those of training pictures (the floor: as good as it gets), whole and made worse by known\n"
        "amounts, and the same by a network that has learnt nothing. classes is the quick part of it: whether all\n"
        "classes are drawn (of Stacked MNIST: how many of 1000 modes), and those asked for. likelihood is a vae's,\n"
        "in nats, by importance sampling. disentangle: whether single latents of a vae tell the classes, or other\n"
        "things that metadata say (--factor).",
    .example = "figment eval runs/digits --suite images --extractor runs/mnist-classifier\n"
               "figment eval runs/emoji --suite images --where held_out=combination\n"
               "figment eval runs/vae --suite likelihood --data data/mnist --num_pictures 1000 --json",
    .tables = {&table},
    .run = run,
};
