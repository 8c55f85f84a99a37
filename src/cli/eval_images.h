/* cli/eval_images.h: what figment eval --suite images or classes measured. */
#ifndef FIG_CLI_EVAL_IMAGES_H
#define FIG_CLI_EVAL_IMAGES_H
#include <fig/features.h>
#include "cli/eval.h"
#include "eval/quality.h"

enum { FIG__TRAINED, FIG__UNTRAINED, FIG__N_NETS };

/* Pictures as both networks see them. */
typedef struct fig__seen {
    size_t n;
    float *features[FIG__N_NETS]; /* [n, d] */
    int32_t *classes;             /* [n, planes], or NULL */
} fig__seen;

/* One line of the table: how near a set of pictures is to the held-out ones. */
typedef struct fig__eval_row {
    char name[40];
    size_t n;
    fig__quality by[FIG__N_NETS];
} fig__eval_row;
#define FIG__EVAL_MAX_ROWS 16

/* A share with, beside it, what real pictures get. */
typedef struct fig__beside {
    bool known;
    fig_interval generated, real, retrieved;
} fig__beside;

typedef struct fig__images {
    fig__eval *e;
    fig_context *ctx;
    bool classes_only;
    const char *extractor_path;
    fig_model *nets[FIG__N_NETS];
    fig_extractor *eyes[FIG__N_NETS];
    size_t side, channels, numbers; /* of a picture */
    size_t planes, d;               /* 3 where a network of one channel sees each colour by itself; features in all */
    size_t n, n_held_out, n_train;
    uint8_t *generated; /* [n, side, side, channels] */
    const char **captions;
    int64_t *labels;
    size_t n_captions, n_labels;
    fig_draw_report drawn;
    fig__seen of_generated, of_held_out, of_train; /* of_train: all of it, by the extractor alone */
    fig__quality_reference *held_out[FIG__N_NETS];
    fig__eval_row rows[FIG__EVAL_MAX_ROWS];
    size_t n_rows;
    fig__beside agreement, r_precision;
    size_t n_candidates;
    bool has_classes, has_modes, has_memorisation;
    double tv_generated, tv_train; /* of predicted classes, to those of held-out pictures */
    fig_class_balance balance, modes, modes_train;
    fig_memorisation memorisation;
} fig__images;

fig_status fig__images_print(fig__images *im);
/* Features as .npy files in a folder. */
fig_status fig__images_export(fig__images *im, const char *dir);

#endif
