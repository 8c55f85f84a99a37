/* models/token_prior.c: a transformer that writes pictures as it would a text (Ramesh et al. 2021): the codes that an
 * fsq makes of them, row by row, behind a class or a caption. The blocks are those of the decoders of text; positions
 * are learnt, since a row ends at the same place in every picture.
 *
 * Letters: N pictures, T tokens of the sequence, C width. */
#include <fig/nn.h>
#include <math.h>
#include "models/tokens.h"

typedef struct config {
    fig__tokens_config tokens;
    int64_t n_layer, n_head, n_embd;
    double dropout;
} config;

#define EPS 1e-6
#define STD 0.02

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    const fig_arch *codec = &fig__arch_fsq;
    FIG_CHECK(ctx, c->n_embd % c->n_head == 0, FIG_ERR_ARG, "n_embd %lld does not divide into %lld heads",
              (long long)c->n_embd, (long long)c->n_head);
    FIG_CHECK(ctx, !c->tokens.text_length || c->tokens.vocab_size, FIG_ERR_ARG,
              "captions of %lld tokens need a tokenizer; give the model one, or text_length 0",
              (long long)c->tokens.text_length);
    return codec->check(ctx, &c->tokens.fsq);
}

static fig_block block_of(const config *c) {
    size_t width = (size_t)c->n_embd;
    return (fig_block){.n_head = (size_t)c->n_head,
                       .n_kv_head = (size_t)c->n_head,
                       .head_dim = width / (size_t)c->n_head,
                       .ffn_dim = (width * 8 / 3 + 31) / 32 * 32,
                       .norm = FIG_NORM_RMS,
                       .mlp = FIG_MLP_SWIGLU,
                       .qk_norm = true,
                       .norm_eps = EPS,
                       .dropout = c->dropout,
                       .std = STD,
                       .residual_std = STD / sqrt(2.0 * (double)c->n_layer),
                       .attention = {.causal = true, .dropout = c->dropout}};
}

static size_t padded(size_t n) { return (n + 63) / 64 * 64; }

static fig_tensor *head_of(fig_graph *g, const char *name, size_t n, size_t width) {
    fig_enter(g, "%s", name);
    fig_tensor *w = fig_param(g, "weight", (fig_init){FIG_INIT_TABLE, STD}, 2, (size_t[]){padded(n), width});
    fig_leave(g);
    return w;
}

static fig_tensor *hidden(fig_graph *g, const void *settings, const fig_lm_inputs *in, fig_tensor **codes,
                          fig_tensor **words) {
    const config *c = settings;
    fig__tokens_shape s = fig__tokens_shape_of(&fig__arch_tokens, c);
    size_t width = (size_t)c->n_embd;
    fig_block b = block_of(c);
    fig_tensor *x = fig_embed(g, "tokens", in->tokens, padded(s.n_vocab), width, STD, NULL);
    x = fig_add(g, x, fig_embed(g, "pos", in->positions, s.n_before + s.n_codes - 1, width, STD, NULL));
    fig_enter(g, "drop");
    x = fig_dropout(g, x, c->dropout);
    fig_leave(g);
    for (int i = 0; i < c->n_layer; i++) {
        b.attention.layer = i;
        fig_enter(g, "blocks.%d", i);
        x = fig_transformer_block(g, x, &b);
        fig_leave(g);
    }
    *codes = head_of(g, "codes", s.n_kinds, width);
    *words = c->tokens.text_length ? head_of(g, "words", (size_t)c->tokens.vocab_size, width) : NULL;
    return fig_block_norm(g, "norm", x, &b);
}

static const void *codec_config(const void *settings) { return &((const config *)settings)->tokens.fsq; }

static const fig_option rows[] = {
    {.help = "tokens: a transformer over the codes of an fsq; draws classes and captions"},
    FIG__TOKENS_ROWS,
    FIG__WHOLE(config, n_layer, 1, 1024, "6", "transformer blocks"),
    FIG__WHOLE(config, n_head, 1, 1024, "6", "attention heads"),
    FIG__WHOLE(config, n_embd, 4, 65536, "192", "width"),
    FIG__REAL(config, dropout, 0, 0.99, "0.1", "probability of dropping, while training"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_tokens_net net = {&fig__fsq_net, codec_config, hidden};
const fig_arch fig__arch_tokens = {.name = "tokens",
                                   .family = &fig_family_tokens,
                                   .net.tokens = &net,
                                   .summary = "a transformer over the codes of an fsq",
                                   .config_size = sizeof(config),
                                   .options = &table,
                                   .check = check,
                                   .training = "{batch_size: 64, learning_rate: 1e-3, weight_decay: 0.1, beta2: 0.95, "
                                               "ema_decay: 0.999, sample_count: 40, max_iters: 4000}"};
