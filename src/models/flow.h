/* models/flow.h: what flow matching models share: settings of the objective and of sampling. */
#ifndef FIG_FLOW_H
#define FIG_FLOW_H
#include "models/model.h"
#include "models/picture_options.h"

/* The first member of every such architecture's settings. */
typedef struct fig__flow_config {
    int64_t image_size, n_channels, n_classes, text_length, vocab_size;
    double time_mean, time_std, condition_drop;
} fig__flow_config;

#define FIG__FLOW_ROWS                                                                                             \
    FIG__PICTURE_ROWS(fig__flow_config),                                                                           \
        FIG__WHOLE(fig__flow_config, n_classes, 0, 1000000, "0", "kinds of pictures"),                             \
        FIG__WHOLE(fig__flow_config, text_length, 0, 4096, "24", "tokens of a caption; 0: no captions"),           \
        FIG__WHOLE(fig__flow_config, vocab_size, 0, 1 << 24, "0", "tokens of captions; set from the tokenizer"),   \
        FIG__REAL(fig__flow_config, time_mean, -10, 10, "-0.8", "training times are sigmoid(normal(mean, std));"), \
        FIG__REAL(fig__flow_config, time_std, 0, 10, "0.8", "  0 is noise, 1 is the picture"),                     \
        FIG__REAL(fig__flow_config, condition_drop, 0, 1, "0.1",                                                   \
                  "share of pictures that are learnt without condition")

/* The velocity that noise moves with is (picture - x) / (1 - time): near the end by no more than this. */
#define FIG__FLOW_NEAREST 0.05

/* As fig__caption_row. */
fig_status fig__flow_text(const fig_model *m, const char *caption, int32_t *row, size_t *cut);

#endif
