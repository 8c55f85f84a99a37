/* models/flow.c: a transformer on the pixels themselves that predicts the clean picture (JiT: Li and He 2025), trained
 * by flow matching (Lipman et al. 2023). Patches, the time, the class and the caption are tokens of one sequence, so
 * that every block is the plain one; positions are rotary over rows and columns, and learnt besides.
 *
 * Letters: N pictures, P patches of size S, C width, T caption tokens. */
#include "models/flow.h"
#include <fig/op.h>
#include <fig/nn.h>
#include <math.h>

typedef struct config {
    fig__flow_config flow;
    int64_t patch_size, n_layer, n_text_layer, n_head, n_embd;
    double dropout;
} config;

#define EPS 1e-6
#define TIME_WAVES 64
#define ROPE_THETA 100.0 /* positions are few: the slowest wave still turns once over a hundred patches */

/* About eight patches a side: attention's cost grows with the fourth power of their number. */
#define PATCHES_A_SIDE 7
static void resolve(void *settings) {
    config *c = settings;
    if (c->patch_size || c->flow.image_size < 1) return;
    c->patch_size = 1;
    for (int64_t p = 2; p * PATCHES_A_SIDE <= c->flow.image_size; p++)
        if (c->flow.image_size % p == 0) c->patch_size = p;
}

static fig_status check(fig_context *ctx, const void *settings) {
    config given = *(const config *)settings, *c = &given;
    resolve(c);
    long long side = (long long)c->flow.image_size, patch = (long long)c->patch_size, head = c->n_embd / c->n_head;
    FIG_CHECK(ctx, side > 0 && c->flow.n_channels > 0, FIG_ERR_ARG,
              "image_size is not set; it follows from the pictures");
    FIG_CHECK(ctx, side % patch == 0, FIG_ERR_ARG,
              "patches of %lld pixels do not divide pictures of %lld; choose another --patch_size or --image_size",
              patch, side);
    FIG_CHECK(ctx, c->n_embd % c->n_head == 0 && head % 4 == 0, FIG_ERR_ARG,
              "n_embd %lld in %lld heads; the width of a head must be a multiple of 4", (long long)c->n_embd,
              (long long)c->n_head);
    return FIG_OK;
}

static fig_block block_of(const config *c, int64_t n_layer) {
    size_t width = (size_t)c->n_embd, ffn = (width * 8 / 3 + 31) / 32 * 32;
    return (fig_block){.n_head = (size_t)c->n_head,
                       .n_kv_head = (size_t)c->n_head,
                       .head_dim = width / (size_t)c->n_head,
                       .ffn_dim = ffn,
                       .norm = FIG_NORM_RMS,
                       .mlp = FIG_MLP_SWIGLU,
                       .qk_norm = true,
                       .norm_eps = EPS,
                       .dropout = c->dropout,
                       .std = 0.02,
                       .residual_std = 0.02 / sqrt(2.0 * (double)n_layer)};
}

static fig_tensor *blocks(fig_graph *g, fig_tensor *x, const char *name, int64_t n, const fig_block *b) {
    for (int i = 0; i < n; i++) {
        fig_enter(g, "%s.%d", name, i);
        x = fig_transformer_block(g, x, b);
        fig_leave(g);
    }
    return x;
}

/* A learnt row for each position: [1, n, c]. */
static fig_tensor *positions(fig_graph *g, const char *name, size_t n, size_t c) {
    return fig_param(g, name, (fig_init){FIG_INIT_TABLE, 0.02}, 3, (size_t[]){1, n, c});
}

/* Patches stand at (1 + row, 1 + column); what describes the picture stands at row 0, in order. */
static bool angles(fig_graph *g, const config *c, size_t n_more, fig_block *b) {
    size_t per_side = (size_t)(c->flow.image_size / c->patch_size), n_patches = per_side * per_side,
           n = n_patches + n_more;
    int32_t *at = fig__calloc(fig_graph_context(g), 2 * n, sizeof *at);
    if (!at) {
        fig_graph_fail(g, FIG_ERR_NOMEM, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n_patches; i++) at[i] = (int32_t)(1 + i / per_side), at[n + i] = (int32_t)(1 + i % per_side);
    for (size_t i = n_patches; i < n; i++) at[n + i] = (int32_t)(i - n_patches);
    fig_tensor *rows = fig_constant(g, FIG_I32, 2, (size_t[]){1, n}, at),
               *columns = fig_constant(g, FIG_I32, 2, (size_t[]){1, n}, at + n);
    fig__free(fig_graph_context(g), at);
    return fig_rope_angles_2d(g, rows, columns, b->head_dim / 2, ROPE_THETA, &b->cos, &b->sin);
}

static fig_tensor *time_token(fig_graph *g, const config *c, fig_tensor *time) { /* [N,1] -> [N,1,C] */
    size_t width = (size_t)c->n_embd;
    fig_tensor *waves[2];
    fig_rope_angles(g, time, TIME_WAVES, 10000, &waves[0], &waves[1]);
    fig_tensor *x = fig_cast(g, fig_concat(g, waves, 2, -1), fig_graph_dtype(g));
    fig_enter(g, "time");
    x = fig_silu(g, fig_linear(g, "up", x, width, FIG_BIAS, 1 / sqrt(2.0 * TIME_WAVES)));
    x = fig_linear(g, "down", x, width, FIG_BIAS, 1 / sqrt((double)width));
    fig_leave(g);
    return x;
}

/* Captions are read by blocks of their own before they meet the picture. What is behind them is read too: the model
 * learns what it is worth. */
static fig_tensor *text_tokens(fig_graph *g, const config *c, const fig_flow_inputs *in) {
    fig_block b = block_of(c, c->n_text_layer + 1);
    fig_enter(g, "text");
    fig_tensor *x = fig_embed(g, "embed", in->text, (size_t)c->flow.vocab_size + 1, (size_t)c->n_embd, 0.02, NULL);
    x = fig_add(g, x, positions(g, "pos", (size_t)c->flow.text_length, (size_t)c->n_embd));
    x = blocks(g, x, "blocks", c->n_text_layer, &b);
    fig_leave(g);
    return x;
}

static fig_tensor *predict(fig_graph *g, const void *settings, const fig_flow_inputs *in) {
    config given = *(const config *)settings, *c = &given;
    resolve(c);
    size_t patch = (size_t)c->patch_size, width = (size_t)c->n_embd, n = 0;
    size_t numbers = patch * patch * (size_t)c->flow.n_channels;
    fig_block b = block_of(c, c->n_layer);
    fig_tensor *tokens[4];
    fig_tensor *x = fig_pixel_unshuffle(g, fig_cast(g, in->x, fig_graph_dtype(g)), patch);
    int64_t across = x ? (int64_t)fig_dim(x, 1) : 0;
    x = fig_linear(g, "patches", fig_reshape(g, x, 3, (int64_t[]){0, -1, (int64_t)numbers}), width, FIG_BIAS,
                   1 / sqrt((double)numbers));
    size_t n_patches = x ? fig_dim(x, 1) : 0;
    fig_tensor *time = time_token(g, c, in->time);
    tokens[n++] = fig_add(g, fig_add(g, x, positions(g, "pos", n_patches, width)), time);
    tokens[n++] = time;
    if (in->label) tokens[n++] = fig_embed(g, "label", in->label, (size_t)c->flow.n_classes + 1, width, 0.02, NULL);
    size_t n_described = n - 1 + (in->text ? (size_t)c->flow.text_length : 0);
    if (in->text) tokens[n++] = text_tokens(g, c, in);
    angles(g, c, n_described, &b);
    x = blocks(g, fig_concat(g, tokens, (int)n, 1), "blocks", c->n_layer, &b);
    x = fig_block_norm(g, "norm", fig_slice(g, x, 1, 0, n_patches), &b);
    x = fig_linear(g, "pixels", x, numbers, FIG_BIAS, 0.02);
    return fig_pixel_shuffle(g, fig_reshape(g, x, 4, (int64_t[]){0, across, across, (int64_t)numbers}), patch);
}

static const fig_option rows[] = {
    {.help = "flow: a transformer on pixels, by flow matching; draws classes and captions"},
    FIG__FLOW_ROWS,
    FIG__WHOLE(config, patch_size, 0, 256, "0", "side of the squares that are tokens; 0: about 8 a side"),
    FIG__WHOLE(config, n_layer, 1, 1024, "6", "transformer blocks"),
    FIG__WHOLE(config, n_text_layer, 0, 1024, "2", "blocks that read the caption first"),
    FIG__WHOLE(config, n_head, 1, 1024, "6", "attention heads"),
    FIG__WHOLE(config, n_embd, 4, 65536, "192", "width"),
    FIG__REAL(config, dropout, 0, 0.99, "0", "probability of dropping, while training"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_flow_net net = {predict};
const fig_arch fig__arch_flow = {.name = "flow",
                                 .family = &fig_family_flow,
                                 .net.flow = &net,
                                 .summary = "a transformer on pixels by flow matching",
                                 .config_size = sizeof(config),
                                 .options = &table,
                                 .check = check,
                                 .resolve = resolve,
                                 .training = "{batch_size: 64, learning_rate: 1e-3, weight_decay: 0, beta2: 0.95, "
                                             "ema_decay: 0.999, save: last, sample_count: 40, max_iters: 4000}"};
