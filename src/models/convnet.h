/* models/convnet.h: settings of the convolutional encoder and decoder (fig_convnet), for the architectures that are
 * made of them. */
#ifndef FIG_CONVNET_H
#define FIG_CONVNET_H
#include <fig/nn.h>
#include "models/picture_options.h"

typedef struct fig__convnet_config {
    int64_t width, n_level, n_block;
} fig__convnet_config;

/* before: "" or what goes before the names; type: the settings struct, which has a fig__convnet_config called net. */
#define FIG__CONVNET_ROWS(before, type)                                                                             \
    {.name = before "width",                                                                                        \
     .kind = FIG_OPT_INT,                                                                                           \
     .offset = offsetof(type, net.width),                                                                           \
     .low = 8,                                                                                                      \
     .high = 4096,                                                                                                  \
     .fallback = "64",                                                                                              \
     .help = "channels at full size, a multiple of 8; twice as many below it"},                                     \
        {.name = before "n_level",                                                                                  \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = offsetof(type, net.n_level),                                                                     \
         .low = 1,                                                                                                  \
         .high = 8,                                                                                                 \
         .fallback = "3",                                                                                           \
         .help = "sizes that it works at: full, half, a quarter ..."},                                              \
    {                                                                                                               \
        .name = before "n_block", .kind = FIG_OPT_INT, .offset = offsetof(type, net.n_block), .low = 1, .high = 64, \
        .fallback = "2", .help = "residual blocks at each of them"                                                  \
    }

/* Whether pictures of this side can be halved so often. */
fig_status fig__convnet_check(fig_context *ctx, const fig__convnet_config *c, int64_t side);
static inline fig_convnet fig__convnet_of(const fig__convnet_config *c) {
    return (fig_convnet){(size_t)c->width, (size_t)c->n_level, (size_t)c->n_block};
}
/* Side of the grid that a picture becomes. */
static inline size_t fig__convnet_side(const fig__convnet_config *c, int64_t side) {
    return (size_t)side >> (c->n_level - 1);
}

#endif
