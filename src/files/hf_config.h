/* files/hf_config.h: Hugging Face's config.json and generation_config.json, to and from figment's own settings.
 *
 * Settings are a flat object, complete after reading:
 *     n_layer n_head n_kv_head n_embd head_dim ffn_dim block_size vocab_size   integers
 *     norm       "layernorm" | "rmsnorm"        norm_eps
 *     mlp        "gelu" | "gelu_tanh" | "swiglu" | "relu2"
 *     pos        "learned" | "rope"             rope_theta, rope_interleaved
 *     qk_norm bias tied                         booleans
 *     window     0: none                        softcap   0: none
 * and of bert, whose norms, positions and so on are always the same, n_layer n_head n_embd ffn_dim block_size
 * vocab_size type_vocab_size norm_eps.
 *
 * Defaults are those of transformers' configuration classes. What figment cannot compute (scaled RoPE, experts, layers
 * of different kinds, biases in Llama's attention, quantised weights) is refused by name, never ignored. Dropout is a
 * matter of training and is not read.
 *
 * gpt2, llama, qwen3 and bert are written so that transformers loads them. A mix that none of them can express is
 * written with "model_type": "figment" and the settings themselves, and reads back the same. */
#ifndef FIG_HF_CONFIG_H
#define FIG_HF_CONFIG_H
#include "base/json.h"

/* name stands in messages ("config.json"). *arch: "gpt2", "llama", "qwen3", "bert", or what a figment mix names;
 * borrowed from config where it is no constant. *settings is new. */
fig_status fig__hf_read_config(fig_context *ctx, const char *name, const fig__json *config, const char **arch,
                               fig__json **settings);
/* *config is new. dtype: of the weights beside it. *misfit (may be NULL): NULL when transformers can load the result,
 * else the setting that stands in the way; good as long as settings. */
fig_status fig__hf_write_config(fig_context *ctx, const char *arch, const fig__json *settings, fig_dtype dtype,
                                fig__json **config, const char **misfit);

/* Special tokens named by config.json or generation_config.json. */
#define FIG__HF_MAX_EOS 16
typedef struct fig__hf_tokens {
    int64_t bos, pad; /* -1: none */
    int64_t eos[FIG__HF_MAX_EOS];
    size_t n_eos;
} fig__hf_tokens;
fig_status fig__hf_read_tokens(fig_context *ctx, const char *name, const fig__json *config, fig__hf_tokens *tokens);
fig_status fig__hf_put_tokens(fig__json *config, const fig__hf_tokens *tokens);

/* Sampling: temp top_k top_p min_p repeat_penalty max_tokens, only those that the file gives; do_sample = false means
 * temp = 0. *settings is new. */
fig_status fig__hf_read_generation(fig_context *ctx, const char *name, const fig__json *config, fig__json **settings);
fig_status fig__hf_write_generation(fig_context *ctx, const fig__json *settings, const fig__hf_tokens *tokens,
                                    fig__json **config);

#endif
