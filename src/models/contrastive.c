/* models/contrastive.c: pictures and their captions as points of one space, near where they belong together (CLIP:
 * Radford et al. 2021). A convolutional network looks, a few transformer blocks read.
 *
 * Letters: N pictures, T tokens, C width of the reader, D features, V tokens that there are. */
#include "models/contrastive.h"
#include <fig/op.h>
#include <math.h>
#include <stdio.h>
#include "models/lenet.h"
#include "models/picture_options.h"

typedef struct config {
    int64_t image_size, n_channels, text_length, vocab_size, n_features;
    int64_t n_level, n_layer, n_head, n_embd;
    double dropout;
} config;

#define EPS 1e-6
#define FIRST_CHANNELS 32
#define MOST_CHANNELS 128
#define FIRST_LOG_SCALE 2.6592600369327783 /* log(1 / 0.07), CLIP's */
#define MOST_LOG_SCALE 4.605170185988092   /* log 100: beyond it a batch of any size is told apart already */

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    FIG_CHECK(ctx, c->image_size > 0 && c->n_channels > 0, FIG_ERR_ARG,
              "image_size is not set; it follows from the pictures");
    FIG_CHECK(ctx, c->text_length > 0 && c->vocab_size > 0, FIG_ERR_ARG,
              "contrastive learns from captions, and these pictures have none");
    FIG_CHECK(ctx, c->n_embd % c->n_head == 0, FIG_ERR_ARG, "n_embd %lld does not divide into %lld heads",
              (long long)c->n_embd, (long long)c->n_head);
    return FIG_OK;
}

static fig_tensor *drop(fig_graph *g, const config *c, fig_tensor *x) {
    fig_enter(g, "drop");
    x = fig_dropout(g, x, c->dropout);
    fig_leave(g);
    return x;
}

static fig_tensor *project(fig_graph *g, const config *c, fig_tensor *x) {
    if (!x) return NULL;
    x = drop(g, c, fig_layer_norm(g, "norm", x, FIG_BIAS, EPS));
    return fig_cast(
        g, fig_linear(g, "features", x, (size_t)c->n_features, FIG_NO_BIAS, 1 / sqrt((double)fig_dim(x, -1))), FIG_F32);
}

static fig_tensor *pictures(fig_graph *g, const void *settings, fig_tensor *x) {
    const config *c = settings;
    fig_enter(g, "picture");
    x = fig_cast(g, x, fig_graph_dtype(g));
    for (int i = 0; i < c->n_level; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv%d", i + 1);
        x = fig__conv_block(g, name, x, FIG_MIN((size_t)FIRST_CHANNELS << FIG_MIN(i, 8), MOST_CHANNELS), i ? 3 : 5);
    }
    x = project(g, c, fig_reshape(g, x, 2, (int64_t[]){0, -1}));
    fig_leave(g);
    return x;
}

/* 1 for a token of the caption, 0 behind it: [N, T, 1]. */
static fig_tensor *is_token(fig_graph *g, const config *c, fig_tensor *text) {
    size_t n = (size_t)c->vocab_size + 1;
    float *table = fig__alloc(fig_graph_context(g), n * sizeof *table);
    if (!table) {
        fig_graph_fail(g, FIG_ERR_NOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) table[i] = i + 1 < n;
    fig_tensor *all = fig_constant(g, FIG_F32, 2, (size_t[]){n, 1}, table);
    fig__free(fig_graph_context(g), table);
    return fig_embedding(g, all, text);
}

static fig_tensor *read_blocks(fig_graph *g, const config *c, fig_tensor *x) {
    fig_block b = {.n_head = (size_t)c->n_head,
                   .n_kv_head = (size_t)c->n_head,
                   .head_dim = (size_t)(c->n_embd / c->n_head),
                   .ffn_dim = 4 * (size_t)c->n_embd,
                   .mlp = FIG_MLP_GELU,
                   .bias = true,
                   .norm_eps = EPS,
                   .dropout = c->dropout,
                   .std = 0.02,
                   .residual_std = 0.02 / sqrt(2.0 * (double)FIG_MAX(c->n_layer, 1))};
    for (int i = 0; i < c->n_layer; i++) {
        fig_enter(g, "blocks.%d", i);
        x = fig_transformer_block(g, x, &b);
        fig_leave(g);
    }
    return x;
}

/* The mean over the tokens of the caption, of nothing where it has none. */
static fig_tensor *texts(fig_graph *g, const void *settings, fig_tensor *text) {
    const config *c = settings;
    size_t width = (size_t)c->n_embd, length = (size_t)c->text_length;
    fig_enter(g, "text");
    fig_tensor *x = fig_embed(g, "embed", text, (size_t)c->vocab_size + 1, width, 0.02, NULL);
    x = fig_add(g, x, fig_param(g, "pos", (fig_init){FIG_INIT_TABLE, 0.02}, 3, (size_t[]){1, length, width}));
    x = read_blocks(g, c, x);
    fig_tensor *counts = is_token(g, c, text);
    fig_tensor *sum = fig_sum(g, fig_mul(g, fig_cast(g, x, FIG_F32), counts), 1);
    x = fig_div(g, sum, fig_add_scalar(g, fig_sum(g, counts, 1), EPS));
    x = project(g, c, fig_cast(g, fig_reshape(g, x, 2, (int64_t[]){0, -1}), fig_graph_dtype(g)));
    fig_leave(g);
    return x;
}

static fig_tensor *direction(fig_graph *g, fig_tensor *x) {
    return fig_mul(g, x, fig_rsqrt(g, fig_add_scalar(g, fig_sum(g, fig_square(g, x), -1), EPS)));
}

fig_tensor *fig__contrastive_logits(fig_graph *g, fig_tensor *pictures_, fig_tensor *texts_) {
    size_t one = 1;
    fig_tensor *log_scale = fig_param(g, "log_scale", (fig_init){FIG_INIT_ZEROS, 0}, 1, &one);
    log_scale = fig_clamp(g, fig_add_scalar(g, log_scale, FIRST_LOG_SCALE), 0, MOST_LOG_SCALE);
    fig_tensor *cosines = fig_matmul(g, direction(g, pictures_), direction(g, texts_), false, true);
    return fig_mul(g, fig_cast(g, cosines, FIG_F32), fig_exp(g, log_scale));
}

static const fig_option rows[] = {
    {.help = "contrastive: pictures and captions as points of one space; judges what others draw"},
    FIG__PICTURE_ROWS(config),
    FIG__WHOLE(config, text_length, 0, 4096, "24", "tokens of a caption"),
    FIG__WHOLE(config, vocab_size, 0, 1 << 24, "0", "tokens of captions; set from the tokenizer"),
    FIG__WHOLE(config, n_features, 1, 4096, "128", "numbers that a picture or a caption becomes"),
    FIG__WHOLE(config, n_level, 1, 12, "4", "convolutions, each of which halves the picture"),
    FIG__WHOLE(config, n_layer, 0, 1024, "2", "transformer blocks that read the caption"),
    FIG__WHOLE(config, n_head, 1, 1024, "4", "attention heads"),
    FIG__WHOLE(config, n_embd, 1, 65536, "128", "width of the reader"),
    FIG__REAL(config, dropout, 0, 0.99, "0.1", "probability of dropping, while training"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_contrastive_net net = {pictures, texts};
const fig_arch fig__arch_contrastive = {.name = "contrastive",
                                        .family = &fig_family_contrastive,
                                        .net.contrastive = &net,
                                        .summary = "pictures and captions as points of one space",
                                        .config_size = sizeof(config),
                                        .options = &table,
                                        .check = check,
                                        .training = "{batch_size: 128, learning_rate: 1e-3, weight_decay: 0.1, "
                                                    "beta2: 0.98, max_iters: 2000, shift: 4}"};
