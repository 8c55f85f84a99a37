/* cli/generate_pictures.c: figment generate with a model of pictures: settings, conditions, files. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/generate.h"
#include "cli/meter.h"
#include "cli/text.h"
#include "media/image/grid.h"

#define FILE_MAX_BYTES ((size_t)1 << 28)
#define PROMPTS_MAX ((size_t)16 << 20)
#define SHEET_MARGIN 2
#define EASY_TO_SEE 1024 /* pixels that a sheet's cells are enlarged towards */

#define AT(field) offsetof(fig__picture_settings, field)
static const fig_option rows[] = {
    {.help = "Pictures: what is to be seen"},
    {.name = "prompt",
     .kind = FIG_OPT_LIST,
     .offset = AT(prompts),
     .aliases = "p",
     .value = "TEXT",
     .help = "what the picture shows; may be given again"},
    {.name = "prompt_file",
     .kind = FIG_OPT_STRING,
     .offset = AT(prompt_file),
     .aliases = "f file",
     .value = "PATH",
     .help = "a prompt on each line"},
    {.name = "negative",
     .kind = FIG_OPT_STRING,
     .offset = AT(negative),
     .aliases = "negative_prompt",
     .value = "TEXT",
     .help = "what it should not show"},
    {.name = "label",
     .kind = FIG_OPT_LIST,
     .offset = AT(labels),
     .aliases = "class class_label",
     .value = "NAME|N",
     .help = "class, by name or number; may be given again; all: one of each"},
    {.name = "num_samples",
     .kind = FIG_OPT_INT,
     .offset = AT(num_samples),
     .high = 1e6,
     .aliases = "n samples",
     .help = "how many; 0: one for each prompt or label"},
    {.name = "seed",
     .kind = FIG_OPT_INT,
     .offset = AT(seed),
     .high = 9e15,
     .fallback = "1337",
     .aliases = "s",
     .help = "same seed, same picture"},
    {.help = "Pictures: how"},
    {.name = "steps",
     .kind = FIG_OPT_INT,
     .offset = AT(steps),
     .low = 1,
     .high = 10000,
     .fallback = "10",
     .help = "of the way from noise to the picture"},
    {.name = "sampler",
     .kind = FIG_OPT_CHOICE,
     .offset = AT(sampler),
     .choices = "heun|euler",
     .fallback = "heun",
     .help = "heun looks twice in each step, euler once"},
    {.name = "guidance",
     .kind = FIG_OPT_REAL,
     .offset = AT(guidance),
     .high = 100,
     .fallback = "2",
     .aliases = "cfg_scale guidance_scale",
     .help = "how strictly the prompt or label is kept to; 1: as learnt"},
    {.name = "temp",
     .kind = FIG_OPT_REAL,
     .offset = AT(temp),
     .high = 100,
     .fallback = "1",
     .aliases = "temperature truncation",
     .help = "below 1: nearer to the usual"},
    {.name = "top_k",
     .kind = FIG_OPT_INT,
     .offset = AT(top_k),
     .high = 1e6,
     .help = "models of codes: only so many of the likeliest at each place; 0: off"},
    {.name = "top_p",
     .kind = FIG_OPT_REAL,
     .offset = AT(top_p),
     .high = 1,
     .fallback = "1",
     .help = "models of codes: only the likeliest that share this probability; 1: off"},
    {.name = "from",
     .kind = FIG_OPT_STRING,
     .offset = AT(from),
     .aliases = "init_img image",
     .value = "PATH",
     .help = "a picture to begin with"},
    {.name = "strength",
     .kind = FIG_OPT_REAL,
     .offset = AT(strength),
     .high = 1,
     .fallback = "0.6",
     .help = "how much of it is drawn anew"},
    {.name = "mask",
     .kind = FIG_OPT_STRING,
     .offset = AT(mask),
     .value = "PATH",
     .help = "what is white in it is drawn anew, the rest of --from stays"},
    {.help = "Pictures: the space they are drawn from"},
    {.name = "interpolate",
     .kind = FIG_OPT_LIST,
     .offset = AT(interpolate),
     .value = "A B",
     .help = "the way from seed or picture A to B, on to C ...: a sheet, or an animation for -o x.webp"},
    {.name = "frames",
     .kind = FIG_OPT_INT,
     .offset = AT(frames),
     .low = 2,
     .high = 10000,
     .fallback = "16",
     .help = "from each to the next"},
    {.name = "delay",
     .kind = FIG_OPT_INT,
     .offset = AT(delay),
     .low = 20,
     .high = 60000,
     .fallback = "80",
     .help = "milliseconds of a frame"},
    {.name = "traverse",
     .kind = FIG_OPT_STRING,
     .offset = AT(traverse),
     .value = "all|N,N",
     .help = "a row for each of these latents, moved from low to high"},
    {.name = "reconstruct",
     .kind = FIG_OPT_LIST,
     .offset = AT(reconstruct),
     .value = "PATH",
     .help = "pictures, and below each what the model makes of it"},
    {.name = "encode",
     .kind = FIG_OPT_LIST,
     .offset = AT(encode),
     .value = "PATH",
     .help = "the latents of pictures, one JSON array a line"},
    {.name = "decode", .kind = FIG_OPT_STRING, .offset = AT(decode), .value = "PATH", .help = "pictures of such lines"},
    {.help = "Pictures: files"},
    {.name = "output",
     .kind = FIG_OPT_STRING,
     .offset = AT(output),
     .aliases = "o",
     .value = "PATH",
     .help = "x.png; several become x-0.png, x-1.png ...; a folder takes them all"},
    {.name = "grid", .kind = FIG_OPT_BOOL, .offset = AT(grid), .help = "all of them on one sheet"},
    {.name = "scale",
     .kind = FIG_OPT_INT,
     .offset = AT(scale),
     .high = 1024,
     .help = "enlarge each pixel; 0: single pictures not at all, sheets as far as is easy to see"},
    {.name = "metadata",
     .kind = FIG_OPT_BOOL,
     .offset = AT(metadata),
     .fallback = "true",
     .help = "note in the file how it was made; --no-metadata leaves that out"},
    {.name = "show",
     .kind = FIG_OPT_CHOICE,
     .offset = AT(show),
     .choices = "auto|always|never",
     .fallback = "auto",
     .help = "in the terminal too"},
    {.name = "batch_size",
     .kind = FIG_OPT_INT,
     .offset = AT(batch),
     .low = 1,
     .high = 4096,
     .fallback = "16",
     .help = "pictures at a time; it changes none of them"},
    FIG__DTYPE_ROW(fig__picture_settings),
};
const fig_option_table fig__picture_table = {rows, FIG_COUNT(rows)};

/* --- pictures kept ------------------------------------------------------------------------------------------------*/

typedef struct keeper {
    fig__pictures *to;
    size_t side, channels;
} keeper;

static bool keep(void *user, int64_t sample, const uint8_t *pixels) {
    const keeper *k = user;
    fig__pictures *p = k->to;
    fig__image image;
    (void)sample;
    p->status = fig__image_new(p->ctx, k->side, k->side, k->channels, &image);
    if (p->status) return false;
    memcpy(image.data, pixels, k->side * k->side * k->channels);
    p->status = FIG_PUSH(p->ctx, p, image);
    if (p->status) fig__image_free(p->ctx, &image);
    return !p->status;
}

fig_status fig__draw_into(fig__draw_job *job, const fig_draw_options *o, const float *latents, fig__pictures *out,
                          fig_draw_report *report) {
    keeper k = {out, (size_t)fig_model_get_int(job->model, "image_size"),
                (size_t)fig_model_get_int(job->model, "n_channels")};
    out->ctx = job->args->ctx;
    fig_status status = fig_draw_latents(job->drawer, o, latents, keep, &k, report);
    fig__meter_clear();
    return status ? status : out->status;
}

void fig__pictures_free(fig__pictures *p) {
    for (size_t i = 0; i < p->n; i++) fig__image_free(p->ctx, &p->data[i]);
    fig__free(p->ctx, p->data);
    *p = (fig__pictures){0};
}

/* --- conditions ---------------------------------------------------------------------------------------------------*/

static fig_status label_of(const fig__draw_job *job, const char *text, int64_t *label) {
    const fig_strings *names = fig_model_classes(job->model);
    int64_t n = fig_model_get_int(job->model, "n_classes");
    for (size_t i = 0; i < names->n; i++)
        if (fig__same_text(names->data[i], text)) return *label = (int64_t)i, FIG_OK;
    if (fig__parse_int(text, label) && *label >= 0 && *label < n) return FIG_OK;
    const char *near = fig__nearest(text, names->data, names->n);
    if (near) return FIG_FAIL(job->args->ctx, FIG_ERR_ARG, "--label %s: no such class; did you mean %s?", text, near);
    return FIG_FAIL(job->args->ctx, FIG_ERR_ARG, "--label %s: the model has %lld classes; give 0 to %lld", text,
                    (long long)n, (long long)n - 1);
}

static fig_status take_labels(fig__draw_job *job) {
    const fig_strings *given = &job->s.labels;
    size_t n_classes = (size_t)fig_model_get_int(job->model, "n_classes");
    FIG_CHECK(job->args->ctx, !given->n || n_classes, FIG_ERR_ARG, "--label: this model knows no classes");
    bool all = given->n == 1 && fig__same_text(given->data[0], "all");
    job->labels = fig__arena_alloc(job->args->arena, (FIG_MAX(given->n, n_classes) + 1) * sizeof *job->labels);
    if (!job->labels) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n_classes && all; i++) job->labels[i] = (int64_t)i;
    for (size_t i = 0; i < given->n && !all; i++) FIG_TRY(label_of(job, given->data[i], &job->labels[i]));
    job->o.labels = job->labels;
    job->o.n_labels = all ? n_classes : given->n;
    return FIG_OK;
}

static fig_status read_prompts(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    fig_strings *p = &job->s.prompts;
    if (!job->s.prompt_file) return FIG_OK;
    fig__buf text;
    fig__buf_init(&text, ctx, PROMPTS_MAX);
    fig_status status = fig__file_read(ctx, job->s.prompt_file, PROMPTS_MAX, &text);
    char *copy = status ? NULL : fig__arena_strdup(job->args->arena, fig__buf_str(&text)), *save = NULL;
    size_t cap = p->n + text.len / 2 + 2;
    const char **list = copy ? fig__arena_alloc(job->args->arena, cap * sizeof *list) : NULL;
    if (!status && !list) status = FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->n && list; i++) list[i] = p->data[i];
    for (char *line = list ? strtok_r(copy, "\r\n", &save) : NULL; line; line = strtok_r(NULL, "\r\n", &save))
        list[p->n++] = line;
    if (list) p->data = list;
    fig__buf_deinit(&text);
    FIG_CHECK(ctx, status || p->n, FIG_ERR_ARG, "%s: holds no prompt; write one on each line", job->s.prompt_file);
    return status;
}

/* Words that no caption had are said: the model cannot know them. */
static void note_unknown_words(const fig__draw_job *job, const char *prompt) {
    char word[FIG__WORD_MAX], list[256] = "";
    size_t used = 0;
    for (size_t len; (len = fig__next_word(&prompt, word)) > 0;)
        if (!fig_model_knows_word(job->model, word, len) && used + len + 3 < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", word);
    if (used) fig__meter_say("figment: note: words that the model has never seen: %s", list);
}

static fig_status take_prompts(fig__draw_job *job) {
    FIG_TRY(read_prompts(job));
    const fig_strings *p = &job->s.prompts;
    bool text = fig_model_get_int(job->model, "text_length") > 0;
    FIG_CHECK(job->args->ctx, text || !(p->n || job->s.negative), FIG_ERR_ARG, "--prompt: this model takes no words%s",
              fig_model_get_int(job->model, "n_classes") ? "; give --label" : "");
    for (size_t i = 0; i < p->n; i++) note_unknown_words(job, p->data[i]);
    job->o.prompts = p->data;
    job->o.n_prompts = p->n;
    job->o.negative = job->s.negative;
    return FIG_OK;
}

/* --- pictures given -----------------------------------------------------------------------------------------------*/

fig_status fig__read_picture(fig__draw_job *job, const char *path, size_t channels, fig__image *out) {
    fig_context *ctx = job->args->ctx;
    size_t side = (size_t)fig_model_get_int(job->model, "image_size");
    fig__buf file;
    fig__image raw = {0}, square = {0}, sized = {0};
    fig__buf_init(&file, ctx, FILE_MAX_BYTES);
    fig_status status;
    FIG_GOTO(fig__file_read(ctx, path, FILE_MAX_BYTES, &file));
    FIG_GOTO(fig__image_decode(ctx, path, file.data, file.len, &raw));
    if (raw.w != raw.h)
        fig__meter_note("figment: note: %s: %zu x %zu; the square in the middle is taken", path, raw.w, raw.h);
    if (channels == 1 && raw.c > 2) fig__meter_note("figment: note: %s: in colour; the model sees it grey", path);
    FIG_GOTO(fig__image_crop_square(ctx, &raw, &square));
    FIG_GOTO(fig__image_resize(ctx, &square, side, side, &sized));
    status = fig__image_channels(ctx, &sized, channels, out);
cleanup:
    fig__buf_deinit(&file);
    fig__image_free(ctx, &raw);
    fig__image_free(ctx, &square);
    fig__image_free(ctx, &sized);
    return status;
}

static fig_status note_history(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    fig__buf file;
    fig__buf_init(&file, ctx, FILE_MAX_BYTES);
    job->history = fig__json_new_array();
    fig_status status = job->history ? fig__file_read(ctx, job->s.from, FILE_MAX_BYTES, &file) : FIG_ERR_NOMEM;
    if (!status) status = fig__record_add_source(ctx, job->s.from, file.data, file.len, job->history);
    fig__buf_deinit(&file);
    return status;
}

static fig_status take_source(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    size_t channels = (size_t)fig_model_get_int(job->model, "n_channels");
    FIG_CHECK(ctx, !job->s.mask || job->s.from, FIG_ERR_ARG, "--mask: of which picture? give --from");
    if (!job->s.from) return FIG_OK;
    FIG_CHECK(ctx, fig__model_family(job->model) == &fig_family_flow, FIG_ERR_UNSUPPORTED,
              "--from: %s begins from noise alone; a flow can begin from a picture", job->model->arch->name);
    FIG_TRY(fig__read_picture(job, job->s.from, channels, &job->source));
    FIG_TRY(note_history(job));
    if (job->s.mask) FIG_TRY(fig__read_picture(job, job->s.mask, 1, &job->mask));
    for (size_t i = 0; i < job->mask.w * job->mask.h; i++) job->mask.data[i] = job->mask.data[i] >= 128;
    job->o.source = job->source.data;
    job->o.mask = job->mask.data;
    return FIG_OK;
}

/* --- the job ------------------------------------------------------------------------------------------------------*/

static fig_status load_model(fig__draw_job *job, const char *name) {
    FIG_TRY(fig__load_to_generate(job->args->ctx, name, job->s.dtype, &job->model));
    snprintf(job->hash, sizeof job->hash, "%016llx", (unsigned long long)fig_params_hash(fig_model_params(job->model)));
    return FIG_OK;
}

static void on_progress(void *user, int64_t done, int64_t total) {
    (void)user;
    fig__meter_count("drawing", done, total);
}

static void take_numbers(fig__draw_job *job) {
    const fig__picture_settings *s = &job->s;
    fig_draw_options *o = &job->o;
    size_t named = FIG_MAX(o->n_prompts, o->n_labels);
    fig_draw_options given = {.num_samples = s->num_samples ? s->num_samples : (int64_t)FIG_MAX(named, 1),
                              .seed = s->seed,
                              .temp = s->temp,
                              .prompts = o->prompts,
                              .n_prompts = o->n_prompts,
                              .labels = o->labels,
                              .n_labels = o->n_labels,
                              .negative = o->negative,
                              .steps = s->steps,
                              .sampler = s->sampler,
                              .guidance = s->guidance,
                              .source = o->source,
                              .mask = o->mask,
                              .strength = s->strength,
                              .top_k = s->top_k,
                              .top_p = s->top_p,
                              .on_progress = on_progress};
    *o = given;
}

/* A flag that would change nothing was meant to change something. */
static fig_status check_flags(const fig__draw_job *job) {
    static const char *const names[] = {"steps", "sampler", "guidance", "top_k", "top_p"};
    for (size_t i = 0; i < FIG_COUNT(names); i++)
        FIG_CHECK(job->args->ctx,
                  fig__args_source(job->args, names[i]) != FIG_FROM_FLAG || fig_drawer_heeds(job->drawer, names[i]),
                  FIG_ERR_ARG, "--%s: means nothing for a %s; leave it out", names[i],
                  fig_model_arch(job->model)->name);
    return FIG_OK;
}

fig_status fig__draw_job_open(fig__draw_job *job, const char *model) {
    FIG_TRY(load_model(job, model));
    FIG_TRY(take_labels(job));
    FIG_TRY(take_prompts(job));
    FIG_TRY(take_source(job));
    take_numbers(job);
    size_t batch = (size_t)FIG_MIN(job->s.batch, FIG_MAX(job->o.num_samples, 1));
    FIG_TRY(fig_drawer_new(job->model, batch, &job->drawer));
    return check_flags(job);
}

void fig__draw_job_close(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    fig_drawer_free(job->drawer);
    fig_model_free(job->model);
    fig__image_free(ctx, &job->source);
    fig__image_free(ctx, &job->mask);
    fig__json_free(job->history);
}

/* --- files --------------------------------------------------------------------------------------------------------*/

/* Everything that drawing looks at, and nothing of where it goes. */
static bool is_of_output(const char *name) {
    static const char *const names[] = {"output",      "grid",        "scale", "metadata", "show",  "batch_size",
                                        "num_samples", "prompt_file", "seed",  "frames",   "delay", "encode"};
    for (size_t i = 0; i < FIG_COUNT(names); i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static fig_status settings_json(const fig__draw_job *job, fig__json **out) {
    fig__json *all = *out = fig__json_new_object();
    for (size_t i = 0; all && i < fig__picture_table.n; i++) {
        const fig_option *o = &fig__picture_table.rows[i];
        if (o->name && !is_of_output(o->name)) FIG_TRY(fig__json_put(all, o->name, fig__option_get_json(o, &job->s)));
    }
    if (!all) return FIG_ERR_NOMEM;
    FIG_TRY(fig__json_put(all, "computed_in", fig__json_new_str(fig_dtype_name(fig_model_dtype(job->model)))));
    return fig__json_put(all, "cpu", fig__json_new_str(fig_cpu_level(job->args->ctx)));
}

fig_status fig__draw_record(const fig__draw_job *job, int64_t sample, fig__record *record, fig__json **settings) {
    static const char *const samplers[] = {"Heun", "Euler"};
    const fig_draw_options *o = &job->o;
    bool flow = fig__model_family(job->model) == &fig_family_flow;
    *record = (fig__record)FIG__RECORD_NONE;
    FIG_TRY(settings_json(job, settings));
    if (o->n_prompts) record->prompt = o->prompts[(size_t)sample % o->n_prompts];
    record->negative_prompt = o->negative;
    record->model = job->args->words.data[0];
    record->model_hash = job->hash;
    record->seed = o->seed;
    record->sample = sample;
    record->settings = *settings;
    record->history = job->history;
    if (!flow) return FIG_OK;
    record->sampler = samplers[o->sampler];
    record->steps = o->steps;
    record->guidance = o->guidance;
    return FIG_OK;
}

fig_status fig__write_picture(fig__draw_job *job, const fig__image *image, int64_t sample, const char *path) {
    fig_context *ctx = job->args->ctx;
    fig__image larger = {0};
    fig__json *settings = NULL;
    fig__record record = FIG__RECORD_NONE;
    fig__buf file;
    fig__buf_init(&file, ctx, FILE_MAX_BYTES);
    fig_status status = FIG_OK;
    bool enlarge = sample >= 0 && job->s.scale > 1;
    if (enlarge) FIG_GOTO(fig__image_enlarge(ctx, image, (size_t)job->s.scale, &larger));
    FIG_GOTO(fig__draw_record(job, FIG_MAX(sample, 0), &record, &settings));
    unsigned parts = sample >= 0 ? FIG__RECORD_ALL : FIG__RECORD_PARAMETERS | FIG__RECORD_MARK; /* sheets: no replay */
    FIG_GOTO(fig__record_png(ctx, enlarge ? &larger : image, &record, job->s.metadata ? parts : 0, &file));
    status = fig__file_write(ctx, path, file.data, file.len);
cleanup:
    fig__buf_deinit(&file);
    fig__image_free(ctx, &larger);
    fig__json_free(settings);
    return status;
}

fig_status fig__write_sheet(fig__draw_job *job, const fig__pictures *p, size_t columns, const char *path) {
    fig_context *ctx = job->args->ctx;
    size_t across = columns ? columns : 1;
    while (!columns && across * across < p->n) across++;
    fig__grid g = {.columns = columns, .margin = SHEET_MARGIN, .colour = {255, 255, 255}};
    g.factor = (size_t)job->s.scale;
    if (!g.factor) g.factor = fig__image_factor(p->data[0].w, p->data[0].h, FIG_MAX(EASY_TO_SEE / across, 1));
    fig__image sheet;
    FIG_TRY(fig__image_grid(ctx, p->data, p->n, &g, &sheet));
    fig_status status = fig__write_picture(job, &sheet, -1, path);
    fig__image_free(ctx, &sheet);
    return status;
}

/* "a-red-apple-1337": of the sample's prompt or label, else of the model. */
static const char *plain_name(fig__draw_job *job, size_t sample) {
    char name[64];
    const fig_strings *asked = job->s.prompts.n ? &job->s.prompts : &job->s.labels;
    const char *from = asked->n ? asked->data[sample % asked->n] : fig__path_base(job->args->words.data[0]);
    size_t n = 0;
    for (; *from && n + 1 < sizeof name; from++) {
        char c = fig__lower(*from);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain)
            name[n++] = c;
        else if (n && name[n - 1] != '-')
            name[n++] = '-';
    }
    while (n && name[n - 1] == '-') n--;
    return fig__arena_printf(job->args->arena, "%.*s-%lld", n ? (int)n : 7, n ? name : "picture",
                             (long long)job->s.seed);
}

/* x.png becomes x-3.png. */
static const char *numbered(fig__draw_job *job, const char *path, size_t i) {
    const char *dot = strrchr(fig__path_base(path), '.');
    int stem = dot ? (int)(dot - path) : (int)strlen(path);
    return fig__arena_printf(job->args->arena, "%.*s-%zu%s", stem, path, i, dot ? dot : "");
}

/* Of one sample among several where `is_numbered`. */
static const char *path_of(fig__draw_job *job, size_t sample, bool is_numbered, const char *ending) {
    fig__arena *arena = job->args->arena;
    const char *o = job->s.output, *name = plain_name(job, sample);
    if (name && is_numbered) name = fig__arena_printf(arena, "%s-%zu", name, sample);
    if (!name) return NULL;
    bool slash = o && *o && o[strlen(o) - 1] == '/';
    if (slash || (o && *o && fig__path_is_dir(o)))
        return fig__mkdirs(job->args->ctx, o) ? NULL
                                              : fig__arena_printf(arena, "%s%s%s%s", o, slash ? "" : "/", name, ending);
    if (o) return is_numbered ? numbered(job, o, sample) : o;
    const char *path = fig__arena_printf(arena, "%s%s", name, ending);
    for (int i = 2; path && fig__path_exists(path); i++) path = fig__arena_printf(arena, "%s-%d%s", name, i, ending);
    return path;
}

const char *fig__picture_path(fig__draw_job *job, const char *ending) { return path_of(job, 0, false, ending); }

static fig_status report_file(fig__draw_job *job, const char *path, int64_t sample) {
    fig__args *args = job->args;
    if (!args->globals.json) return fig__printf(args->ctx, "%s\n", path);
    fig__json *j = fig__json_new_object();
    fig__json_put(j, "path", fig__json_new_str(path));
    fig__json_put(j, "seed", fig__json_new_int(job->o.seed));
    if (sample >= 0) fig__json_put(j, "sample", fig__json_new_int(sample));
    if (sample >= 0 && job->o.n_prompts)
        fig__json_put(j, "prompt", fig__json_new_str(job->o.prompts[(size_t)sample % job->o.n_prompts]));
    return fig__print_json(args->ctx, j, 0);
}

static fig_status write_all(fig__draw_job *job, const fig__pictures *p) {
    for (size_t i = 0; i < (job->s.grid ? 1 : p->n); i++) {
        const char *path = path_of(job, i, !job->s.grid && p->n > 1, ".png");
        int64_t sample = job->s.grid ? -1 : (int64_t)i;
        if (!path) return FIG_ERR_NOMEM;
        FIG_TRY(job->s.grid ? fig__write_sheet(job, p, 0, path) : fig__write_picture(job, &p->data[i], sample, path));
        FIG_TRY(report_file(job, path, sample));
    }
    return FIG_OK;
}

static fig_status show_all(const fig__draw_job *job, const fig__pictures *p) {
    if (job->args->globals.json || !p->n) return FIG_OK;
    fig__picture *list = fig__arena_alloc(job->args->arena, p->n * sizeof *list);
    if (!list) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->n; i++)
        list[i] = (fig__picture){&p->data[i], job->o.n_prompts ? job->o.prompts[i % job->o.n_prompts] : NULL};
    return fig__pictures_show(job->args->ctx, list, FIG_MIN(p->n, 64), (fig__picture_when)job->s.show);
}

static fig_status draw(fig__draw_job *job) {
    fig__pictures p = {.ctx = job->args->ctx};
    fig_draw_report r;
    fig_status status = fig__draw_into(job, &job->o, NULL, &p, &r);
    if (!status && r.n_cut) fig__meter_say("figment: note: %zu tokens of prompts had no room and were cut", r.n_cut);
    if (!status) status = write_all(job, &p);
    if (!status) status = show_all(job, &p);
    if (!status && isatty(STDERR_FILENO))
        fig__meter_note("%zu pictures in %.1f s, %lld evaluations each, seed %lld", p.n, r.seconds,
                        (long long)r.n_evaluations, (long long)job->o.seed);
    fig__pictures_free(&p);
    return status;
}

/* Words behind the model belong to the flag that takes several: --interpolate A B. */
static fig_status take_words(fig__draw_job *job) {
    fig_strings *lists[] = {&job->s.interpolate, &job->s.reconstruct, &job->s.encode};
    fig__args *args = job->args;
    for (size_t i = 0; i < FIG_COUNT(lists); i++) {
        if (!lists[i]->n) continue;
        size_t n = lists[i]->n + args->words.n;
        const char **all = fig__arena_alloc(args->arena, n * sizeof *all);
        if (!all) return FIG_ERR_NOMEM;
        memcpy(all, lists[i]->data, lists[i]->n * sizeof *all);
        memcpy(all + lists[i]->n, args->words.data + 1, (args->words.n - 1) * sizeof *all);
        lists[i]->data = all;
        lists[i]->n = n - 1;
        return FIG_OK;
    }
    return fig__args_want_words(args, 1, 1);
}

static fig_status run(fig__args *args) {
    fig__draw_job job = {.args = args};
    bool done = false;
    fig__meter_start(args->globals.quiet);
    fig_status status = fig__args_bind(args, &fig__picture_table, &job.s);
    if (!status) status = fig__args_apply(args, NULL, NULL);
    if (!status) status = take_words(&job);
    if (!status) status = fig__draw_job_open(&job, args->words.data[0]);
    if (!status) status = fig__draw_latent_work(&job, &done);
    if (!status && !done) status = draw(&job);
    fig__draw_job_close(&job);
    return status;
}

const fig__generates fig__generates_pictures = {"pictures", NULL, &fig__picture_table, run};
