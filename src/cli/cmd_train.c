/* cli/cmd_train.c: figment train: from data to a model. What text and pictures need of their own is in train_*.c.
 *
 * Settings, data folder, sizes, model, trainer, loop, model card. A new --out folder that came to nothing is removed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/meter.h"
#include "cli/pictures.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "models/model.h"

#define DEFAULT_MINUTES 5  /* when neither time, steps nor sizes are given */
#define LONGEST_MEASURE 20 /* seconds of steps before a run of many minutes */
#define PLAN_MEASURE 2     /* seconds of steps for --plan */
#define PROFILE_MEASURE 5  /* and for --profile */

#define AT(field) offsetof(fig__run, field)
static const fig_option rows[] = {
    {.help = "Data"},
    {.name = "data",
     .kind = FIG_OPT_LIST,
     .offset = AT(data),
     .aliases = "dataset",
     .value = "PATH",
     .help = "file, folder or prepared folder; may be given again"},
    FIG__TEXT_OPTIONS(fig__run, tokenizer),
    FIG__PICTURE_FORM_OPTIONS(fig__run),
    {.name = "licence",
     .kind = FIG_OPT_STRING,
     .offset = AT(licence),
     .aliases = "license",
     .value = "TEXT",
     .help = "of the data, for the model card"},
    {.help = "Run"},
    {.name = "arch",
     .kind = FIG_OPT_STRING,
     .offset = AT(arch_name),
     .aliases = "architecture",
     .value = "NAME",
     .help = "text: qwen3, llama, gpt2; pictures: flow, vae, r3gan, tokens ...: figment help train"},
    {.name = "init_from",
     .kind = FIG_OPT_STRING,
     .offset = AT(init_from),
     .value = "MODEL",
     .help = "begin with the weights of a model that has the same layers; \"\": with none"},
    {.name = "dtype",
     .kind = FIG_OPT_CHOICE,
     .offset = AT(dtype),
     .choices = "auto|float32|bfloat16",
     .fallback = "auto",
     .help = "numbers to compute with; auto: bfloat16 where that is faster"},
    {.name = "minutes",
     .kind = FIG_OPT_REAL,
     .offset = AT(minutes),
     .low = 0,
     .high = 1e6,
     .fallback = "0",
     .help = "size the model and its steps to this much time"},
    {.name = "plan", .kind = FIG_OPT_BOOL, .offset = AT(plan), .help = "print parameters, memory and time, and stop"},
    {.name = "profile",
     .kind = FIG_OPT_BOOL,
     .offset = AT(profile),
     .help = "print where a step's time goes, and stop"},
    {.name = "showcase",
     .kind = FIG_OPT_BOOL,
     .offset = AT(showcase),
     .help = "at the end show samples of 0, 25, 50 and 100 % side by side"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

/* --- settings -----------------------------------------------------------------------------------------------------*/

static fig_status unknown_arch(fig_context *ctx, const char *name) {
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < fig_arch_count() && n < FIG_COUNT(names); i++) names[n++] = fig_arch_at(i)->name;
    const char *nearest = fig__nearest(name, names, n);
    if (nearest) return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown architecture; did you mean %s?", name, nearest);
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown architecture; figment help train lists them", name);
}

static const fig__medium *const media[] = {&fig__medium_text, &fig__medium_pictures};

/* A text of the settings, or the first of a list, before anything is bound. */
static const char *peek(const fig__args *args, const char *key, const fig__recipe *first, const fig__recipe *second) {
    const char *value = fig__args_peek(args, key);
    const fig__recipe *recipes[] = {second, first};
    for (size_t i = 0; i < FIG_COUNT(recipes) && !value; i++) {
        if (!recipes[i]) continue;
        const fig__json *j = fig__json_get(recipes[i]->keys, key);
        value = fig__json_str(fig__json_type(j) == FIG_JSON_ARRAY ? fig__json_at(j, 0) : j, NULL);
    }
    return value;
}

/* The architecture says the medium; where none is given the data does. */
static fig_status find_arch(fig__run *run, const fig__recipe *first, const fig__recipe *second) {
    const char *name = peek(run->args, "arch", first, second), *data = peek(run->args, "data", first, second);
    run->medium = data && fig_pictures_found(run->args->ctx, data) ? &fig__medium_pictures : &fig__medium_text;
    run->arch = fig_arch_find(name ? name : run->medium->default_arch);
    if (!run->arch) return unknown_arch(run->args->ctx, name);
    for (size_t i = 0; i < FIG_COUNT(media); i++)
        if (!strcmp(media[i]->name, fig_family_medium(run->arch->family))) run->medium = media[i];
    return FIG_OK;
}

/* The tables depend on the architecture, so that is found out first. */
static fig_status bind(fig__run *run, const fig__recipe *first, const fig__recipe *second) {
    fig__args *args = run->args;
    fig__json *usual = NULL;
    FIG_TRY(find_arch(run, first, second));
    run->model_config = fig__arena_alloc(args->arena, run->arch->config_size);
    if (!run->model_config) return FIG_ERR_NOMEM;
    FIG_TRY(fig__args_bind(args, &table, run));
    FIG_TRY(fig__args_bind(args, &fig_train_option_table, &run->train));
    FIG_TRY(fig__args_bind(args, run->arch->options, run->model_config));
    if (run->arch->training)
        FIG_TRY(fig__yaml_parse(args->ctx, run->arch->name, run->arch->training, strlen(run->arch->training), &usual));
    args->usual = usual;
    fig_status status = fig__args_apply(args, first, second);
    args->usual = NULL;
    fig__json_free(usual);
    run->arch_name = run->arch->name;
    return status;
}

/* With --resume the recipe of the run is what everything else is laid over. */
static fig_status load_settings(fig__run *run) {
    fig__args *args = run->args;
    fig__recipe of_run = {0}, given = {0};
    const char *out = fig__args_peek(args, "out"), *resume = fig__args_peek(args, "resume");
    bool resuming = out && resume && strcmp(resume, "false") != 0;
    const char *path = resuming ? fig__arena_printf(args->arena, "%s/recipe.yaml", out) : NULL;
    bool found = path && fig__path_exists(path);
    FIG_TRY(fig__args_want_words(args, 0, 1));
    fig_status status = found ? fig__recipe_load(args->ctx, path, &of_run) : FIG_OK;
    if (!status && args->words.n) status = fig__recipe_load(args->ctx, args->words.data[0], &given);
    if (!status) status = bind(run, of_run.keys ? &of_run : NULL, given.keys ? &given : NULL);
    fig__recipe_free(&of_run);
    fig__recipe_free(&given);
    return status;
}

/* runs/NAME of the data, or runs/NAME-2 and so on where that exists. */
static fig_status new_out_dir(fig__run *run) {
    fig__arena *arena = run->args->arena;
    const char *first = run->data.data[0];
    size_t len = strlen(first);
    while (len > 1 && first[len - 1] == '/') len--;
    char *name = fig__arena_printf(arena, "%.*s", (int)len, first);
    if (!name) return FIG_ERR_NOMEM;
    const char *base = fig__path_base(name), *dot = strrchr(base, '.');
    len = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    if (!len || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) base = run->medium->name, len = strlen(base);
    const char *out = fig__arena_printf(arena, "runs/%.*s", (int)len, base);
    for (int i = 2; out && fig__path_exists(out); i++)
        out = fig__arena_printf(arena, "runs/%.*s-%d", (int)len, base, i);
    run->train.out_dir = out;
    return out ? FIG_OK : FIG_ERR_NOMEM;
}

/* Whether it prints something and stops. */
static bool only_asks(const fig__run *run) { return run->plan || run->profile; }

static fig_status check_settings(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    fig_train_options *t = &run->train;
    FIG_CHECK(ctx, run->data.n, FIG_ERR_ARG, "--data: what should it learn from? give a file or folder");
    for (size_t i = 0; i < run->data.n; i++)
        FIG_CHECK(ctx, fig__path_exists(run->data.data[i]), FIG_ERR_NOTFOUND, "%s: no such file or folder",
                  run->data.data[i]);
    FIG_CHECK(ctx, !t->resume || t->out_dir, FIG_ERR_ARG, "--resume: which run? give --out DIR");
    FIG_CHECK(ctx, !t->resume || !t->force, FIG_ERR_ARG, "--resume and --force: give one of them");
    FIG_CHECK(ctx, !run->plan || !run->profile, FIG_ERR_ARG, "--plan and --profile: give one of them");
    if (!t->out_dir) FIG_TRY(new_out_dir(run));
    bool taken = !only_asks(run) && !t->resume && !t->force && fig__is_run(ctx, t->out_dir);
    FIG_CHECK(ctx, !taken, FIG_ERR_EXISTS,
              "%s: holds a run already; go on with --resume, replace it with --force, or "
              "choose another --out",
              t->out_dir);
    bool sized = fig__is_given(run, "max_iters") || fig__is_given(run, "minutes") || fig__is_given(run, "n_layer") ||
                 fig__is_given(run, "n_embd");
    if (!sized) run->minutes = DEFAULT_MINUTES;
    return FIG_OK;
}

/* --- data ---------------------------------------------------------------------------------------------------------*/

static fig_status open_data(fig__run *run) {
    bool prepared = run->data.n == 1 && run->medium->is_prepared(run->data.data[0]);
    FIG_TRY(run->medium->check_flags(run, prepared));
    run->data_dir = prepared ? run->data.data[0] : fig__arena_printf(run->args->arena, "%s/data", run->train.out_dir);
    if (!run->data_dir) return FIG_ERR_NOMEM;
    if (!prepared) FIG_TRY(run->medium->prepare(run));
    return run->medium->open(run);
}

/* --- model and trainer --------------------------------------------------------------------------------------------*/

static fig_status apply_model_settings(fig__run *run) {
    fig__json *settings = fig__json_new_object();
    const fig_option_table *t = run->arch->options;
    fig_status status = settings ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; !status && i < t->n; i++)
        if (t->rows[i].name)
            status = fig__json_put(settings, t->rows[i].name, fig__option_get_json(&t->rows[i], run->model_config));
    if (!status) status = fig__model_apply(run->model, settings);
    fig__json_free(settings);
    return status;
}

static bool goes_on(const fig__run *run) {
    return run->train.resume && fig__is_run(run->args->ctx, run->train.out_dir);
}

static fig_status make_trainer(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    fig_model_options options = {.dtype = fig__run_dtype(run), .seed = (uint64_t)run->train.seed};
    FIG_TRY(fig_model_new(ctx, run->arch->name, &options, &run->model));
    FIG_TRY(apply_model_settings(run));
    FIG_TRY(run->medium->dress(run));
    FIG_TRY(fig_trainer_new(run->model, &run->content, &run->train, &run->trainer));
    if (!run->init_from || !*run->init_from || goes_on(run)) return FIG_OK;
    FIG_TRY(fig_model_init(run->model));
    return fig_model_init_from(run->model, run->init_from);
}

static void drop_trainer(fig__run *run) {
    fig_trainer_free(run->trainer);
    fig_model_free(run->model);
    run->trainer = NULL;
    run->model = NULL;
}

/* A run of so many minutes is measured first, with weights that are then thrown away. */
static fig_status make_sized_trainer(fig__run *run) {
    fig_train_plan plan;
    run->size = -1;
    if (run->medium->choose_size) FIG_TRY(run->medium->choose_size(run));
    while (run->minutes > 0) {
        FIG_TRY(make_trainer(run));
        FIG_TRY(fig_trainer_plan(run->trainer, FIG_MIN(run->minutes * 60 / 50, LONGEST_MEASURE), &plan));
        drop_trainer(run);
        if (fig__fit_to_time(run, plan.seconds_per_iter)) break;
    }
    return make_trainer(run);
}

static fig_status note_begin(const fig__run *run) {
    fig_train_plan plan;
    char count[32], memory[32], words[160];
    FIG_TRY(fig_trainer_plan(run->trainer, 0, &plan));
    run->medium->describe(run, words, sizeof words);
    fig__meter_note("%s: %s, %s parameters, %s, %s of memory", run->train.out_dir, run->arch_name,
                    fig__human_count((double)plan.n_params, count), words,
                    fig__human_bytes((double)plan.total_bytes, memory));
    return FIG_OK;
}

/* --- plan ---------------------------------------------------------------------------------------------------------*/

static fig_status print_plan(fig__run *run) {
    fig_train_plan p;
    char text[32];
    fig_context *ctx = run->args->ctx;
    FIG_TRY(fig_trainer_plan(run->trainer, PLAN_MEASURE, &p));
    double steps = (double)run->train.max_iters;
    if (run->args->globals.json) {
        fig__json *j = fig__json_new_object();
        fig__json_put(j, "parameters", fig__json_new_int((int64_t)p.n_params));
        fig__json_put(j, "memory_bytes", fig__json_new_int((int64_t)p.total_bytes));
        fig__json_put(j, "weights_bytes", fig__json_new_int((int64_t)p.params_bytes));
        fig__json_put(j, "optimizer_bytes", fig__json_new_int((int64_t)p.optimizer_bytes));
        fig__json_put(j, "activations_bytes", fig__json_new_int((int64_t)p.arena_bytes));
        fig__json_put(j, "seconds_per_step", fig__json_new_real(p.seconds_per_iter));
        fig__json_put(j, "steps", fig__json_new_int((int64_t)steps));
        fig__json_put(j, "seconds", fig__json_new_real(steps * p.seconds_per_iter));
        return fig__print_json(ctx, j, 2);
    }
    FIG_TRY(fig__printf(ctx, "parameters   %s\n", fig__human_count((double)p.n_params, text)));
    FIG_TRY(fig__printf(ctx, "memory       %s", fig__human_bytes((double)p.total_bytes, text)));
    FIG_TRY(fig__printf(ctx, " (weights %s,", fig__human_bytes((double)p.params_bytes, text)));
    FIG_TRY(fig__printf(ctx, " optimizer %s,", fig__human_bytes((double)p.optimizer_bytes, text)));
    FIG_TRY(fig__printf(ctx, " activations %s)\n", fig__human_bytes((double)p.arena_bytes, text)));
    FIG_TRY(fig__printf(ctx, "one step     %.4f s\n", p.seconds_per_iter));
    return fig__printf(ctx, "time         %s for %.0f steps\n", fig__human_time(steps * p.seconds_per_iter, text),
                       steps);
}

static fig_status print_profile(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    fig_train_profile p;
    fig__ceilings ceilings = fig__ceilings_measure(ctx, fig_model_dtype(run->model));
    FIG_TRY(fig_trainer_profile(run->trainer, PROFILE_MEASURE, &p));
    return run->args->globals.json ? fig__print_json(ctx, fig__profile_json(&p, &ceilings), 2)
                                   : fig__profile_print(ctx, &p, &ceilings);
}

/* Data for a plan is prepared in a folder of its own, so that nothing is left behind. */
static fig_status plan(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    const char *root = getenv("TMPDIR");
    char *dir = fig__arena_printf(run->args->arena, "%s/figment-plan-XXXXXX", root && *root ? root : "/tmp");
    FIG_CHECK(ctx, dir && mkdtemp(dir), FIG_ERR_IO, "%s: no temporary folder; set TMPDIR", dir ? dir : "");
    run->train.out_dir = dir;
    fig_status status = open_data(run);
    if (!status) status = make_sized_trainer(run);
    if (!status && run->plan) status = print_plan(run);
    if (!status && run->profile) status = print_profile(run);
    fig__dir_remove(ctx, dir);
    return status;
}

/* --- the run ------------------------------------------------------------------------------------------------------*/

typedef struct listener {
    fig__showcase *showcase;
    fig_status status;
} listener;

static void on_event(void *user, const fig_train_event *event) {
    listener *l = user;
    fig__meter_train(event);
    if (event->kind == FIG_TRAIN_SAMPLE && l->showcase && !l->status) l->status = fig__showcase_add(l->showcase, event);
}

static fig_status report_json(const fig__run *run) {
    const fig_train_report *r = &run->report;
    char hash[32];
    fig__json *j = fig__json_new_object();
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r->params_hash);
    fig__json_put(j, "out", fig__json_new_str(run->train.out_dir));
    fig__json_put(j, "iters", fig__json_new_int(r->iters));
    fig__json_put(j, "loss", fig__json_new_real(r->loss));
    for (size_t i = 0; i < r->scores.n; i++)
        fig__json_put(j, r->scores.data[i].name, fig__json_new_real(r->scores.data[i].value));
    fig__json_put(j, "best_val_loss", fig__json_new_real(r->best_val_loss));
    fig__json_put(j, "best_iter", fig__json_new_int(r->best_iter));
    fig__json_put(j, "parameters", fig__json_new_int((int64_t)fig_model_n_params(run->model)));
    fig__json_put(j, "params_hash", fig__json_new_str(hash));
    fig__json_put(j, "skipped_steps", fig__json_new_int((int64_t)r->n_skipped));
    fig__json_put(j, "already_done", fig__json_new_bool(r->already_done));
    fig__json_put(j, "stopped_early", fig__json_new_bool(r->stopped_early));
    fig__json_put(j, "seconds", fig__json_new_real(run->seconds));
    return fig__print_json(run->args->ctx, j, 2);
}

/* The end in one line: of what has a validation loss that and the best one, of others (GANs) the scores they have. */
static fig_status report_end(const fig__run *run) {
    const fig_train_report *r = &run->report;
    fig_context *ctx = run->args->ctx;
    char time[32];
    double val_loss = fig_score_of(&r->scores, "val_loss");
    FIG_TRY(fig__printf(ctx, "%s: %lld steps in %s", run->train.out_dir, (long long)r->iters,
                        fig__human_time(run->seconds, time)));
    if (!isnan(val_loss))
        FIG_TRY(fig__printf(ctx, ", validation loss %.4f, best %.4f at step %lld", val_loss, r->best_val_loss,
                            (long long)r->best_iter));
    for (size_t i = 0; isnan(val_loss) && i < r->scores.n; i++)
        if (!isnan(r->scores.data[i].value))
            FIG_TRY(fig__printf(ctx, ", %s %.4g", r->scores.data[i].name, r->scores.data[i].value));
    return fig__printf(ctx, "%s\n", r->stopped_early ? " (stopped early)" : "");
}

static fig_status report(const fig__run *run) {
    const fig_train_report *r = &run->report;
    const char *out = run->train.out_dir;
    fig_context *ctx = run->args->ctx;
    if (run->args->globals.json) return report_json(run);
    if (r->already_done) return fig__printf(ctx, "%s: finished already, at step %lld\n", out, (long long)r->iters);
    FIG_TRY(report_end(run));
    if (r->n_skipped)
        FIG_TRY(fig__printf(ctx, "%llu steps were skipped: their gradient was not finite\n",
                            (unsigned long long)r->n_skipped));
    bool judges = run->arch->family == &fig_family_classifier || run->arch->family == &fig_family_contrastive;
    if (judges) return fig__printf(ctx, "judge with it: figment eval MODEL --extractor %s\n", out);
    if (run->arch->family == &fig_family_masked)
        return fig__printf(ctx, "fill blanks with it: figment generate %s --prompt \"a %s b\"\n", out, FIG_MASK);
    return fig__printf(ctx, "%s with it: figment generate %s\n", run->medium->verb, out);
}

/* Whoever draws or writes with a stopped run should know which of its weights that is. */
static fig_status say_stopped(fig__run *run) {
    const fig_train_report *r = &run->report;
    char model[64] = "";
    if (r->model_iter != r->iters)
        snprintf(model, sizeof model, " (the model there is of step %lld, its best)", (long long)r->model_iter);
    return FIG_FAIL(run->args->ctx, FIG_ERR_CANCELLED,
                    "stopped and saved at step %lld%s; go on with: figment train --resume --out %s",
                    (long long)r->iters, model, run->train.out_dir);
}

static fig_status train(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    listener l = {0};
    if (run->showcase && !run->args->globals.json) FIG_TRY(fig__showcase_new(ctx, &l.showcase));
    double start = fig__now();
    fig__meter_start(run->args->globals.quiet);
    fig_status status = fig_trainer_run(run->trainer, on_event, &l, &run->report);
    fig__meter_clear();
    run->seconds = fig__now() - start;
    if (status == FIG_ERR_CANCELLED) status = say_stopped(run);
    if (!status) status = l.status;
    if (!status && !run->report.already_done) status = fig__recipe_save(run); /* resumed, it may have become longer */
    if (!status && !run->report.already_done) status = fig__card_save(run);
    if (!status && l.showcase) status = fig__showcase_print(l.showcase, &run->data);
    fig__showcase_free(l.showcase);
    return status ? status : report(run);
}

/* Everything before the first step; what it leaves in a folder that it made goes when it fails. */
static fig_status set_up(fig__run *run) {
    fig_context *ctx = run->args->ctx;
    const char *out = run->train.out_dir;
    bool is_new = !fig__path_exists(out);
    FIG_TRY(fig__mkdirs(ctx, out));
    fig_status status = open_data(run);
    if (!status) status = make_sized_trainer(run);
    if (!status && run->train.force) status = fig__clear_run(ctx, out);
    if (!status && !goes_on(run)) status = fig__recipe_save(run);
    if (!status) status = note_begin(run);
    if (status && is_new) {
        char *message = fig__arena_strdup(run->args->arena, fig_error(ctx));
        fig__dir_remove(ctx, out);
        FIG_FAIL(ctx, status, "%s", message ? message : "out of memory");
    }
    return status;
}

static fig_status run_train(fig__args *args) {
    fig__run run = {.args = args};
    fig__meter_start(args->globals.quiet);
    fig_status status = load_settings(&run);
    if (!status) status = check_settings(&run);
    if (!status && only_asks(&run))
        status = plan(&run);
    else if (!status && !(status = set_up(&run)))
        status = train(&run);
    fig_trainer_free(run.trainer);
    fig_model_free(run.model);
    fig_dataset_close(run.content.text);
    fig_pictures_close(run.content.pictures);
    return status;
}

const fig__command fig__cmd_train = {
    .name = "train",
    .usage = "RECIPE | --data PATH... [--out DIR]",
    .summary = "Learn from text or pictures.",
    .details = "Everything but --data has a default: tokenizer and size of the model follow the size of the data and\n"
               "the time (--minutes). RECIPE is a YAML file with the same keys. --out gets the model, recipe.yaml\n"
               "(what was run), log.jsonl, samples/, checkpoints/ and a model card. Ctrl-C saves; --resume goes on\n"
               "as if nothing had happened.",
    .example = "figment train --data my-folder --minutes 30\n"
               "figment train recipes/shakespeare-char.yaml --out runs/shakespeare\n"
               "figment train --resume --out runs/shakespeare",
    .tables = {&table, &fig_train_option_table},
    .arch_options = true,
    .run = run_train,
};
