/* models/fsq.h: what makes pictures into whole numbers: settings that such architectures share, and finite scalar
 * quantisation. */
#ifndef FIG_FSQ_H
#define FIG_FSQ_H
#include "models/convnet.h"
#include "models/model.h"

/* The first member of every tokenizer's settings. */
typedef enum fig__codec_loss { FIG__L2, FIG__L1 } fig__codec_loss;
typedef struct fig__tokenizer_config {
    int64_t image_size, n_channels;
    int loss;
} fig__tokenizer_config;

#define FIG__FSQ_MAX 8
typedef struct fig__fsq_config {
    fig__tokenizer_config pictures;
    fig__convnet_config net;
    const char *levels; /* "8,6,5" */
} fig__fsq_config;
extern const fig_tokenizer_net fig__fsq_net;
extern const fig_arch fig__arch_fsq;

typedef struct fig__fsq_levels {
    size_t n;
    int32_t level[FIG__FSQ_MAX];
    int64_t n_codes;
} fig__fsq_levels;
/* n is 0 where the text is not two to eight numbers of 2 and more, with at most 2^20 codes. */
fig__fsq_levels fig__fsq_levels_of(const char *text);

/* z [.., n], fp32: bounded, rounded to level[i] steps and brought to [-1, 1]; the gradient is that of the bound alone
 * (Mentzer et al. 2023, straight-through). */
fig_tensor *fig__fsq_quantise(fig_graph *g, fig_tensor *z, const fig__fsq_levels *levels);
/* Quantised values to a mixed radix number, the first level fastest, and back. Other values go to the nearest. */
int32_t fig__fsq_code(const fig__fsq_levels *levels, const float *values);
void fig__fsq_values(const fig__fsq_levels *levels, int32_t code, float *values);

#endif
