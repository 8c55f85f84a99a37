/* cli/run.h: the parts of figment train. */
#ifndef FIG_CLI_RUN_H
#define FIG_CLI_RUN_H
#include <fig/train.h>
#include "cli/cli.h"
#include "cli/text.h"

typedef struct fig__run fig__run;

/* What data say of themselves, for the model card; "" where they do not. */
typedef struct fig__facts {
    const char *origin, *licence, *data_sha256;
} fig__facts;

/* What the command does differently for text and for pictures. */
typedef struct fig__medium {
    const char *name; /* as families say */
    const char *default_arch;
    const char *verb;    /* "write" with it, "draw" with it */
    const char *caution; /* the last words of the model card */
    bool (*is_prepared)(const char *path);
    fig_status (*check_flags)(const fig__run *run, bool prepared);
    fig_status (*prepare)(fig__run *run); /* run->data to run->data_dir */
    fig_status (*open)(fig__run *run);    /* run->data_dir to run->content */
    fig_status (*dress)(fig__run *run);   /* what a new model takes over from the data */
    /* Sizes where nobody gave any, by the data and the time there is; the next smaller ones, or false. May be NULL. */
    fig_status (*choose_size)(fig__run *run);
    bool (*take_smaller)(fig__run *run);
    double (*val_batches)(const fig__run *run);
    void (*describe)(const fig__run *run, char *text, size_t size); /* the model in a few words */
    fig__facts (*facts)(const fig__run *run);
    fig_status (*card_data)(const fig__run *run, fig__buf *b);
    fig_status (*card_model)(const fig__run *run, fig__buf *b);
} fig__medium;
extern const fig__medium fig__medium_text, fig__medium_pictures;

struct fig__run {
    fig__args *args;
    /* settings of the command's own table */
    fig_strings data;
    const char *arch_name, *init_from, *licence;
    fig__tokenizer_choice tokenizer;
    int64_t image_size, channels;
    double val_fraction;
    double minutes; /* to size the run to; 0 once that is done */
    int dtype;
    bool plan, profile, showcase, stack;
    /* settings of the other two */
    fig_train_options train;
    const fig_arch *arch;
    void *model_config; /* arch->config_size bytes */
    /* made on the way */
    int size;    /* which one was chosen; -1: none, they were given */
    double peak; /* operations per second that this machine multiplies at, where a size was chosen */
    const fig__medium *medium;
    const char *data_dir;
    fig_train_data content;
    fig_model *model;
    fig_trainer *trainer;
    fig_train_report report;
    double seconds;
};

#define FIG__MIN_STEPS 600 /* with fewer a large model stays behind a small one */
/* Whether someone gave a setting a value. */
bool fig__is_given(const fig__run *run, const char *name);
fig_dtype fig__run_dtype(const fig__run *run); /* to compute with */
/* From a measured step: how many of them, and evaluations and checkpoints at each quarter. False when they would be too
 * few and a smaller size was chosen instead, to be measured next. The run is then one of max_iters, not of minutes. */
bool fig__fit_to_time(fig__run *run, double seconds_per_iter);

/* All keys of a run as recipe.yaml; whether a folder holds a run; making room for a new one. */
fig_status fig__recipe_save(const fig__run *run);
bool fig__is_run(fig_context *ctx, const char *dir);
fig_status fig__clear_run(fig_context *ctx, const char *dir);
/* The model card, README.md. */
fig_status fig__card_save(const fig__run *run);

/* Samples of 0, 25, 50 and 100 % side by side. Filled while training, printed at its end. */
typedef struct fig__showcase fig__showcase;
fig_status fig__showcase_new(fig_context *ctx, fig__showcase **out);
fig_status fig__showcase_add(fig__showcase *s, const fig_train_event *sample);
/* data: lines that are in it are not new. */
fig_status fig__showcase_print(fig__showcase *s, const fig_strings *data);
void fig__showcase_free(fig__showcase *s);

#endif
