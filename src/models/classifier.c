/* models/classifier.c: a small convolutional network that tells pictures apart (LeNet: LeCun et al. 1998, as wide as
 * MMD-GAN's: Bińkowski et al. 2018). What is left of a picture before the last layer is what scores of generated
 * pictures are made of.
 *
 * Letters: N pictures, D features. */
#include <math.h>
#include "models/lenet.h"
#include "models/model.h"
#include "models/picture_options.h"

typedef struct config {
    int64_t image_size, n_channels, n_classes, n_features;
    double dropout;
} config;

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    FIG_CHECK(ctx, c->image_size > 0 && c->n_channels > 0, FIG_ERR_ARG,
              "image_size is not set; it follows from the pictures");
    FIG_CHECK(ctx, c->n_classes > 1, FIG_ERR_ARG,
              "a classifier needs pictures of at least two classes: a folder for each, or labels");
    return FIG_OK;
}

static fig_tensor *features(fig_graph *g, const void *settings, fig_tensor *x) {
    const config *c = settings;
    x = fig_cast(g, x, fig_graph_dtype(g));
    x = fig__conv_block(g, "conv1", x, 32, 5);
    x = fig__conv_block(g, "conv2", x, 64, 5);
    x = fig_reshape(g, x, 2, (int64_t[]){0, -1});
    return fig_cast(g, fig_relu(g, fig__relu_linear(g, "features", x, (size_t)c->n_features)), FIG_F32);
}

static fig_tensor *logits(fig_graph *g, const void *settings, fig_tensor *x) {
    const config *c = settings;
    fig_enter(g, "drop");
    x = fig_dropout(g, x, c->dropout);
    fig_leave(g);
    x = fig_cast(g, x, fig_graph_dtype(g));
    return fig_linear(g, "classes", x, (size_t)c->n_classes, FIG_BIAS, 1 / sqrt((double)c->n_features));
}

static const fig_option rows[] = {
    {.help = "classifier: tells pictures apart; its features judge what others draw"},
    FIG__PICTURE_ROWS(config),
    FIG__WHOLE(config, n_classes, 0, 1000000, "0", "kinds of pictures"),
    FIG__WHOLE(config, n_features, 1, 4096, "512", "numbers that a picture becomes"),
    FIG__REAL(config, dropout, 0, 0.99, "0.5", "probability of dropping a feature, while training"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_classifier_net net = {features, logits};
const fig_arch fig__arch_classifier = {.name = "classifier",
                                       .family = &fig_family_classifier,
                                       .net.classifier = &net,
                                       .summary = "a convolutional network that tells pictures apart",
                                       .config_size = sizeof(config),
                                       .options = &table,
                                       .check = check,
                                       .training = "{batch_size: 128, learning_rate: 1e-3, weight_decay: 1e-2, "
                                                   "beta2: 0.999, max_iters: 5000, shift: 2}"};
