/* models/bert.c: the transformer that reads in both directions (BERT: Devlin et al. 2018): every token sees all others,
 * blocks norm last, and what stands at a blank is told from all of the text around it.
 *
 * Letters: B rows, T time, C width, V rows of the vocabulary's table, P places that are asked for. */
#include <fig/nn.h>
#include "models/model.h"
#include "models/picture_options.h"

typedef struct config {
    int64_t vocab_size, padded_vocab, n_layer, n_head, n_embd, ffn_dim, block_size, type_vocab_size;
    double norm_eps, dropout, mask_rate, init_std;
} config;

static config resolved(const config *given) {
    config c = *given;
    if (!c.padded_vocab) c.padded_vocab = (c.vocab_size + 63) / 64 * 64;
    if (!c.ffn_dim) c.ffn_dim = 4 * c.n_embd;
    return c;
}
static void resolve(void *c) { *(config *)c = resolved(c); }

static fig_status check(fig_context *ctx, const void *given) {
    const config c = resolved(given);
    FIG_CHECK(ctx, c.vocab_size > 1, FIG_ERR_ARG, "vocab_size is not set; give the model a tokenizer");
    FIG_CHECK(ctx, c.n_embd % c.n_head == 0, FIG_ERR_ARG, "n_embd %lld does not divide into n_head %lld",
              (long long)c.n_embd, (long long)c.n_head);
    FIG_CHECK(ctx, c.padded_vocab >= c.vocab_size, FIG_ERR_ARG, "padded_vocab %lld is below vocab_size %lld",
              (long long)c.padded_vocab, (long long)c.vocab_size);
    return FIG_OK;
}

/* Its residual branches start no smaller than the rest. */
static fig_block block_of(const config *c, const fig_lm_inputs *in) {
    return (fig_block){
        .n_head = (size_t)c->n_head,
        .n_kv_head = (size_t)c->n_head,
        .head_dim = (size_t)(c->n_embd / c->n_head),
        .ffn_dim = (size_t)c->ffn_dim,
        .mlp = FIG_MLP_GELU,
        .bias = true,
        .post_norm = true,
        .norm_eps = c->norm_eps,
        .dropout = c->dropout,
        .std = c->init_std,
        .residual_std = c->init_std,
        .attention = {.dropout = c->dropout, .q_len = in->q_len, .kv_len = in->q_len},
    };
}

/* All of a plain text is of type 0, as one of a pair of sentences would be. */
static fig_tensor *embed(fig_graph *g, const config *c, const fig_lm_inputs *in, fig_tensor **table) {
    const int32_t first = 0;
    size_t width = (size_t)c->n_embd;
    fig_tensor *type = fig_constant(g, FIG_I32, 2, (size_t[]){1, 1}, &first);
    fig_tensor *x = fig_embed(g, "embed", in->tokens, (size_t)c->padded_vocab, width, c->init_std, table);
    x = fig_add(g, x, fig_embed(g, "pos", in->positions, (size_t)c->block_size, width, c->init_std, NULL));
    x = fig_add(g, x, fig_embed(g, "type", type, (size_t)c->type_vocab_size, width, c->init_std, NULL));
    x = fig_layer_norm(g, "norm", x, FIG_BIAS, c->norm_eps);
    fig_enter(g, "drop");
    x = fig_dropout(g, x, c->dropout);
    fig_leave(g);
    return x;
}

static fig_tensor *predict(fig_graph *g, const void *given, const fig_lm_inputs *in, fig_tensor *places,
                           fig_tensor **head, fig_tensor **bias) {
    const config c = resolved(given);
    size_t vocab = (size_t)c.padded_vocab;
    fig_block b = block_of(&c, in);
    fig_tensor *x = embed(g, &c, in, head);
    for (int i = 0; i < c.n_layer; i++) {
        fig_enter(g, "blocks.%d", i);
        x = fig_transformer_block(g, x, &b);
        fig_leave(g);
    }
    x = fig_embedding(g, fig_reshape(g, x, 2, (int64_t[]){-1, c.n_embd}), places); /* [B,T,C] -> [P,C] */
    fig_enter(g, "head");
    x = fig_gelu(g, fig_linear(g, "transform", x, (size_t)c.n_embd, FIG_BIAS, c.init_std));
    x = fig_layer_norm(g, "norm", x, FIG_BIAS, c.norm_eps);
    *bias = fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &vocab);
    fig_leave(g);
    return x;
}

static const fig_option rows[] = {
    {.help = "bert: reads in both directions; fills in blanks"},
    FIG__WHOLE(config, vocab_size, 0, 1 << 24, "0", "tokens, a blank's included; set from the tokenizer"),
    FIG__WHOLE(config, padded_vocab, 0, 1 << 24, "0", "rows of the embedding; 0: vocab_size up to a multiple of 64"),
    FIG__WHOLE(config, n_layer, 1, 1024, "6", "transformer blocks"),
    FIG__WHOLE(config, n_head, 1, 1024, "6", "attention heads"),
    FIG__WHOLE(config, n_embd, 1, 1 << 16, "384", "width of the model"),
    FIG__WHOLE(config, ffn_dim, 0, 1 << 20, "0", "width inside the MLP; 0: 4 n_embd"),
    FIG__WHOLE(config, block_size, 1, 1 << 20, "256", "context length in tokens"),
    FIG__WHOLE(config, type_vocab_size, 1, 1024, "2", "kinds of sentences; plain text is of the first"),
    FIG__REAL(config, norm_eps, 0, 1, "1e-12", "added to variances"),
    FIG__REAL(config, dropout, 0, 0.99, "0", "probability of dropping, while training"),
    FIG__REAL(config, mask_rate, 0, 1, "0.15", "share of the tokens of a row that are to be told, while training"),
    FIG__REAL(config, init_std, 0, 10, "0.02", "standard deviation of first weights"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_masked_net net = {predict};
const fig_arch fig__arch_bert = {.name = "bert",
                                 .family = &fig_family_masked,
                                 .net.masked = &net,
                                 .summary = "reads in both directions, fills in blanks (loads as BERT)",
                                 .config_size = sizeof(config),
                                 .options = &table,
                                 .check = check,
                                 .resolve = resolve,
                                 .names = &fig__names_bert};
