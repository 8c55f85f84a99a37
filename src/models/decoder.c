/* models/decoder.c: the decoder-only transformer, GPT-2's (Radford et al. 2019: learned positions, LayerNorm, GELU) and
 * today's (RoPE, RMSNorm, SwiGLU, QK-norm, grouped query heads: the shape of Llama and Qwen3), one network with
 * switches. Three presets give the names under which other programs know the shapes; other mixes work here and load
 * nowhere else.
 *
 * Letters: B rows, T time, C width, H heads, K key-value heads, D head width. */
#include "models/decoder.h"
#include <fig/nn.h>
#include <math.h>
#include "models/names.h"

typedef fig_decoder_config config;

fig_decoder_config fig__decoder_resolved(const fig_decoder_config *given) {
    config c = *given;
    if (!c.n_kv_head) c.n_kv_head = c.n_head;
    if (!c.head_dim && c.n_head) c.head_dim = c.n_embd / c.n_head;
    if (!c.padded_vocab) c.padded_vocab = (c.vocab_size + 63) / 64 * 64;
    /* SwiGLU has three matrices where the others have two: 8/3 of the width costs the same as 4. */
    if (!c.ffn_dim) c.ffn_dim = c.mlp == FIG_MLP_SWIGLU ? (c.n_embd * 8 / 3 + 63) / 64 * 64 : 4 * c.n_embd;
    return c;
}

static fig_status check(fig_context *ctx, const void *given) {
    const config *raw = given, c = fig__decoder_resolved(raw);
    FIG_CHECK(ctx, c.vocab_size > 0, FIG_ERR_ARG, "vocab_size is not set; give the model a tokenizer");
    FIG_CHECK(ctx, raw->head_dim || c.n_embd % c.n_head == 0, FIG_ERR_ARG,
              "n_embd %lld does not divide into n_head %lld; choose a multiple, or set head_dim", (long long)c.n_embd,
              (long long)c.n_head);
    FIG_CHECK(ctx, c.n_head % c.n_kv_head == 0, FIG_ERR_ARG, "n_head %lld is no multiple of n_kv_head %lld",
              (long long)c.n_head, (long long)c.n_kv_head);
    FIG_CHECK(ctx, c.pos != FIG_POS_ROPE || c.head_dim % 2 == 0, FIG_ERR_ARG,
              "rotary positions need an even head_dim, not %lld", (long long)c.head_dim);
    FIG_CHECK(ctx, c.padded_vocab >= c.vocab_size, FIG_ERR_ARG, "padded_vocab %lld is below vocab_size %lld",
              (long long)c.padded_vocab, (long long)c.vocab_size);
    return FIG_OK;
}

static void resolve(void *c) { *(config *)c = fig__decoder_resolved(c); }

/* Residual branches start smaller the deeper the model is (GPT-2): 1/sqrt(2 layers). */
static double residual_std(const config *c) { return c->init_std / sqrt(2.0 * (double)c->n_layer); }

static fig_block block_of(const config *c, const fig_lm_inputs *in) {
    return (fig_block){.n_head = (size_t)c->n_head,
                       .n_kv_head = (size_t)c->n_kv_head,
                       .head_dim = (size_t)c->head_dim,
                       .ffn_dim = (size_t)c->ffn_dim,
                       .norm = (fig_norm_kind)c->norm,
                       .mlp = (fig_mlp_kind)c->mlp,
                       .bias = c->bias,
                       .qk_norm = c->qk_norm,
                       .rope_interleaved = c->rope_interleaved,
                       .norm_eps = c->norm_eps,
                       .dropout = c->dropout,
                       .std = c->init_std,
                       .residual_std = residual_std(c),
                       .attention = {.causal = true,
                                     .window = (size_t)c->window,
                                     .softcap = c->softcap,
                                     .dropout = c->dropout,
                                     .q_len = in->q_len,
                                     .kv_len = in->q_len,
                                     .q_segment = in->segments,
                                     .kv_segment = in->segments}};
}

static fig_tensor *hidden(fig_graph *g, const void *given, const fig_lm_inputs *in, fig_tensor **head) {
    config resolved = fig__decoder_resolved(given), *c = &resolved;
    fig_tensor *table;
    fig_block b = block_of(c, in);
    fig_tensor *x = fig_embed(g, "embed", in->tokens, (size_t)c->padded_vocab, (size_t)c->n_embd, c->init_std, &table);
    if (c->pos == FIG_POS_LEARNED)
        x = fig_add(g, x,
                    fig_embed(g, "pos", in->positions, (size_t)c->block_size, (size_t)c->n_embd, c->init_std, NULL));
    else
        fig_rope_angles(g, in->positions, (size_t)c->head_dim / 2, c->rope_theta, &b.cos, &b.sin);
    fig_enter(g, "drop");
    x = fig_dropout(g, x, c->dropout);
    fig_leave(g);
    for (int i = 0; i < c->n_layer; i++) {
        b.attention.layer = i;
        fig_enter(g, "blocks.%d", i);
        x = fig_transformer_block(g, x, &b);
        fig_leave(g);
    }
    x = fig_block_norm(g, "norm", x, &b);
    size_t shape[2] = {(size_t)c->padded_vocab, (size_t)c->n_embd};
    fig_enter(g, "head");
    *head = c->tied ? table : fig_param(g, "weight", (fig_init){FIG_INIT_TABLE, c->init_std}, 2, shape);
    fig_leave(g);
    return x;
}

/* --- settings: what the presets share, and where they differ -----------------------------------------------------*/

#define AT(field) offsetof(config, field)
#define SETTINGS(pos_, norm_, mlp_, bias_, qk_, theta_, eps_)                                                       \
    {.name = "vocab_size",                                                                                          \
     .kind = FIG_OPT_INT,                                                                                           \
     .offset = AT(vocab_size),                                                                                      \
     .low = 0,                                                                                                      \
     .high = 1 << 24,                                                                                               \
     .help = "tokens; set from the tokenizer"},                                                                     \
        {.name = "padded_vocab",                                                                                    \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(padded_vocab),                                                                                \
         .low = 0,                                                                                                  \
         .high = 1 << 24,                                                                                           \
         .help = "rows of the embedding; 0: vocab_size up to a multiple of 64"},                                    \
        {.name = "n_layer",                                                                                         \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(n_layer),                                                                                     \
         .low = 1,                                                                                                  \
         .high = 1024,                                                                                              \
         .fallback = "6",                                                                                           \
         .help = "transformer blocks"},                                                                             \
        {.name = "n_head",                                                                                          \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(n_head),                                                                                      \
         .low = 1,                                                                                                  \
         .high = 1024,                                                                                              \
         .fallback = "6",                                                                                           \
         .help = "attention heads"},                                                                                \
        {.name = "n_kv_head",                                                                                       \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(n_kv_head),                                                                                   \
         .low = 0,                                                                                                  \
         .high = 1024,                                                                                              \
         .help = "key-value heads; 0: as many as n_head"},                                                          \
        {.name = "n_embd",                                                                                          \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(n_embd),                                                                                      \
         .low = 1,                                                                                                  \
         .high = 1 << 16,                                                                                           \
         .fallback = "384",                                                                                         \
         .help = "width of the model"},                                                                             \
        {.name = "head_dim",                                                                                        \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(head_dim),                                                                                    \
         .low = 0,                                                                                                  \
         .high = 4096,                                                                                              \
         .help = "width of a head; 0: n_embd / n_head"},                                                            \
        {.name = "ffn_dim",                                                                                         \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(ffn_dim),                                                                                     \
         .low = 0,                                                                                                  \
         .high = 1 << 20,                                                                                           \
         .help = "width inside the MLP; 0: 4 n_embd, for swiglu 8/3 n_embd"},                                       \
        {.name = "block_size",                                                                                      \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(block_size),                                                                                  \
         .low = 1,                                                                                                  \
         .high = 1 << 20,                                                                                           \
         .fallback = "256",                                                                                         \
         .help = "context length in tokens"},                                                                       \
        {.name = "pos",                                                                                             \
         .kind = FIG_OPT_CHOICE,                                                                                    \
         .offset = AT(pos),                                                                                         \
         .choices = "learned|rope",                                                                                 \
         .fallback = pos_,                                                                                          \
         .help = "positions"},                                                                                      \
        {.name = "norm",                                                                                            \
         .kind = FIG_OPT_CHOICE,                                                                                    \
         .offset = AT(norm),                                                                                        \
         .choices = "layernorm|rmsnorm",                                                                            \
         .fallback = norm_,                                                                                         \
         .help = "normalisation"},                                                                                  \
        {.name = "mlp",                                                                                             \
         .kind = FIG_OPT_CHOICE,                                                                                    \
         .offset = AT(mlp),                                                                                         \
         .choices = "gelu|gelu_tanh|swiglu|relu2",                                                                  \
         .fallback = mlp_,                                                                                          \
         .help = "activation of the MLP"},                                                                          \
        {.name = "bias",                                                                                            \
         .kind = FIG_OPT_BOOL,                                                                                      \
         .offset = AT(bias),                                                                                        \
         .fallback = bias_,                                                                                         \
         .help = "biases in linear layers and LayerNorm"},                                                          \
        {.name = "qk_norm",                                                                                         \
         .kind = FIG_OPT_BOOL,                                                                                      \
         .offset = AT(qk_norm),                                                                                     \
         .fallback = qk_,                                                                                           \
         .help = "RMSNorm on queries and keys"},                                                                    \
        {.name = "tied",                                                                                            \
         .kind = FIG_OPT_BOOL,                                                                                      \
         .offset = AT(tied),                                                                                        \
         .fallback = "true",                                                                                        \
         .help = "the head shares the embedding's weight"},                                                         \
        {.name = "rope_theta",                                                                                      \
         .kind = FIG_OPT_REAL,                                                                                      \
         .offset = AT(rope_theta),                                                                                  \
         .low = 1,                                                                                                  \
         .high = 1e12,                                                                                              \
         .fallback = theta_,                                                                                        \
         .help = "base of rotary frequencies"},                                                                     \
        {.name = "rope_interleaved",                                                                                \
         .kind = FIG_OPT_BOOL,                                                                                      \
         .offset = AT(rope_interleaved),                                                                            \
         .help = "rotary pairs (2i, 2i+1), as llama2.c; else (i, i + half)"},                                       \
        {.name = "norm_eps",                                                                                        \
         .kind = FIG_OPT_REAL,                                                                                      \
         .offset = AT(norm_eps),                                                                                    \
         .low = 0,                                                                                                  \
         .high = 1,                                                                                                 \
         .fallback = eps_,                                                                                          \
         .help = "added to variances"},                                                                             \
        {.name = "dropout",                                                                                         \
         .kind = FIG_OPT_REAL,                                                                                      \
         .offset = AT(dropout),                                                                                     \
         .low = 0,                                                                                                  \
         .high = 0.99,                                                                                              \
         .fallback = "0",                                                                                           \
         .help = "probability of dropping, while training"},                                                        \
        {.name = "softcap",                                                                                         \
         .kind = FIG_OPT_REAL,                                                                                      \
         .offset = AT(softcap),                                                                                     \
         .low = 0,                                                                                                  \
         .high = 1e6,                                                                                               \
         .fallback = "0",                                                                                           \
         .help = "cap on attention scores; 0: none"},                                                               \
        {.name = "window",                                                                                          \
         .kind = FIG_OPT_INT,                                                                                       \
         .offset = AT(window),                                                                                      \
         .low = 0,                                                                                                  \
         .high = 1 << 20,                                                                                           \
         .help = "sliding attention window; 0: the whole context"},                                                 \
    {                                                                                                               \
        .name = "init_std", .kind = FIG_OPT_REAL, .offset = AT(init_std), .low = 0, .high = 10, .fallback = "0.02", \
        .help = "standard deviation of first weights"                                                               \
    }

static const fig_option gpt2_rows[] = {SETTINGS("learned", "layernorm", "gelu_tanh", "true", "false", "10000", "1e-5")};
static const fig_option llama_rows[] = {SETTINGS("rope", "rmsnorm", "swiglu", "false", "false", "10000", "1e-5")};
static const fig_option qwen3_rows[] = {SETTINGS("rope", "rmsnorm", "swiglu", "false", "true", "10000", "1e-6")};
#define TABLE(rows) \
    &(const fig_option_table) { rows, FIG_COUNT(rows) }

static const fig_language_net net = {hidden};
#define PRESET(id, says, rows, table)                                \
    const fig_arch fig__arch_##id = {.name = #id,                    \
                                     .family = &fig_family_language, \
                                     .net.language = &net,           \
                                     .summary = says,                \
                                     .config_size = sizeof(config),  \
                                     .options = TABLE(rows),         \
                                     .check = check,                 \
                                     .resolve = resolve,             \
                                     .names = &table}
PRESET(qwen3, "today's decoder: RoPE, RMSNorm, SwiGLU, QK-norm (loads as Qwen3)", qwen3_rows, fig__names_qwen3);
PRESET(llama, "RoPE, RMSNorm, SwiGLU (loads as Llama)", llama_rows, fig__names_qwen3);
PRESET(gpt2, "learned positions, LayerNorm, GELU (loads as GPT-2)", gpt2_rows, fig__names_gpt2);
