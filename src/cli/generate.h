/* cli/generate.h: the parts of figment generate: one per medium, or family of models, in a file of its own. */
#ifndef FIG_CLI_GENERATE_H
#define FIG_CLI_GENERATE_H
#include <fig/draw.h>
#include "cli/cli.h"
#include "cli/picture.h"
#include "media/image/record.h"
#include "models/model.h"

/* run binds its table, loads the model (args->words) and generates. */
typedef struct fig__generates {
    const char *medium;       /* as families say */
    const fig_family *family; /* NULL: every one of the medium that has no part of its own */
    const fig_option_table *table;
    fig_status (*run)(fig__args *args);
} fig__generates;
extern const fig__generates fig__generates_text, fig__generates_blanks, fig__generates_pictures;
/* A model to compute in what the option dtype says. */
fig_status fig__load_to_generate(fig_context *ctx, const char *name, int dtype, fig_model **model);
#define FIG__DTYPE_ROW(type)                                                                                          \
    {                                                                                                                 \
        .name = "dtype", .kind = FIG_OPT_CHOICE, .offset = offsetof(type, dtype), .choices = "auto|float32|bfloat16", \
        .fallback = "auto", .help = "numbers to compute with; auto: those of the file"                                \
    }

/* --- text ---------------------------------------------------------------------------------------------------------*/
extern const fig_option_table fig__text_table, fig__blanks_table;
#define FIG__PROMPT_ROWS(type, says)                                                                               \
    {.name = "prompt",                                                                                             \
     .kind = FIG_OPT_STRING,                                                                                       \
     .offset = offsetof(type, prompt),                                                                             \
     .aliases = "p",                                                                                               \
     .value = "TEXT",                                                                                              \
     .help = says},                                                                                                \
    {                                                                                                              \
        .name = "prompt_file", .kind = FIG_OPT_STRING, .offset = offsetof(type, prompt_file), .aliases = "f file", \
        .value = "PATH", .help = "the same from a file, less its last newline"                                     \
    }
#define FIG__TEXT_OUTPUT_ROWS(type)                                                                                  \
    {.help = "Machine and output"}, FIG__DTYPE_ROW(type), {                                                          \
        .name = "output", .kind = FIG_OPT_STRING, .offset = offsetof(type, output), .aliases = "o", .value = "PATH", \
        .help = "a file for the text instead of standard output"                                                     \
    }
/* What --prompt or --prompt_file say, appended. */
fig_status fig__read_prompt(fig_context *ctx, const char *prompt, const char *file, fig__buf *out);

/* --- pictures -----------------------------------------------------------------------------------------------------*/
typedef struct fig__picture_settings {
    fig_strings prompts, labels, reconstruct, encode, interpolate;
    const char *prompt_file, *negative, *from, *mask, *traverse, *decode, *output;
    int64_t num_samples, seed, steps, frames, delay, batch, top_k;
    double guidance, temp, strength, top_p;
    int sampler, dtype, show;
    int64_t scale;
    bool grid, metadata;
} fig__picture_settings;

typedef struct fig__pictures { /* drawn, in order */
    fig_context *ctx;
    fig__image *data;
    size_t n, cap;
    fig_status status;
} fig__pictures;

/* One picture job: what several ways of drawing share. */
typedef struct fig__draw_job {
    fig__args *args;
    fig__picture_settings s;
    fig_model *model;
    fig_drawer *drawer;
    fig_draw_options o;
    int64_t *labels; /* o.labels */
    fig__image source, mask;
    fig__json *history; /* of the source */
    char hash[17];
} fig__draw_job;

extern const fig_option_table fig__picture_table;
/* The model, the drawer, and the options worked out from the settings. */
fig_status fig__draw_job_open(fig__draw_job *job, const char *model);
void fig__draw_job_close(fig__draw_job *job);
/* fig_draw_latents into pictures that are kept; latents may be NULL: fig_draw. */
fig_status fig__draw_into(fig__draw_job *job, const fig_draw_options *o, const float *latents, fig__pictures *out,
                          fig_draw_report *report);
void fig__pictures_free(fig__pictures *p);
/* A picture file brought to the model's size and channels. */
fig_status fig__read_picture(fig__draw_job *job, const char *path, size_t channels, fig__image *out);
/* The facts of sample i, for its file; settings is the caller's to free after the record's use. */
fig_status fig__draw_record(const fig__draw_job *job, int64_t sample, fig__record *record, fig__json **settings);

/* Interpolation, traversal, reconstruction, encoding and decoding: what the settings ask for; *done when they did. */
fig_status fig__draw_latent_work(fig__draw_job *job, bool *done);
/* Encoded as a PNG with the record of a sample (< 0: none), enlarged where that is asked for, and written. */
fig_status fig__write_picture(fig__draw_job *job, const fig__image *image, int64_t sample, const char *path);
fig_status fig__write_sheet(fig__draw_job *job, const fig__pictures *p, size_t columns, const char *path);
/* -o, or a name made of the prompt and the seed that is not taken; ending ".png". From the arena. */
const char *fig__picture_path(fig__draw_job *job, const char *ending);

#endif
