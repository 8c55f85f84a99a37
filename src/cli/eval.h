/* cli/eval.h: the parts of figment eval: a suite each. */
#ifndef FIG_CLI_EVAL_H
#define FIG_CLI_EVAL_H
#include <fig/draw.h>
#include <fig/eval.h>
#include <fig/pictures.h>
#include "cli/cli.h"

typedef struct fig__eval {
    fig__args *args;
    /* settings */
    int suite, dtype;
    fig_strings data, where, factors;
    const char *extractor, *features;
    double val_fraction;
    fig_draw_options draw; /* num_samples 0: as many as suit the data */
    int64_t k, num_pictures;
    /* made on the way */
    const char *model_path;
    fig_model *model;
    fig_pictures *pictures;
    const char *temp_dir; /* of pictures that were prepared for this alone, or NULL */
} fig__eval;

/* A suite: checks the model first, says what it found on standard output. */
fig_status fig__eval_images(fig__eval *e);
fig_status fig__eval_classes(fig__eval *e);
fig_status fig__eval_likelihood(fig__eval *e);
fig_status fig__eval_disentangle(fig__eval *e);

/* Opens --data, or what the model was trained on where that lies beside it, as pictures of the model's size. */
fig_status fig__eval_open_data(fig__eval *e);
/* The same for suites that only a vae has. */
fig_status fig__eval_open_vae(fig__eval *e, const char *suite);
/* How many held-out pictures --num_pictures takes. */
size_t fig__eval_n_held_out(const fig__eval *e);
/* A model that knows pictures by the size and channels of --data; the path is the command's. */
fig_status fig__eval_find_extractor(fig__eval *e, bool reads, const char **path);

/* Adding to a report: NULL spreads (base/json.h). */
static inline void fig__put_real(fig__json *j, const char *key, double v) {
    fig__json_put(j, key, fig__json_new_real(v));
}
static inline void fig__put_count(fig__json *j, const char *key, size_t v) {
    fig__json_put(j, key, fig__json_new_int((int64_t)v));
}
static inline void fig__put_text(fig__json *j, const char *key, const char *v) {
    fig__json_put(j, key, fig__json_new_str(v));
}
fig__json *fig__interval_json(const fig_interval *i);

#endif
