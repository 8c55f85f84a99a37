/* files/llama2c.h: model files of karpathy/llama2.c (.bin): the legacy format and version 1, both fp32. Version 2
 * (int8) is recognised and refused.
 *
 * Tensors come out under the names that Llama has at Hugging Face ("model.layers.0.self_attn.q_proj.weight"), but the
 * rows of q_proj and k_proj are in the order of *interleaved* rotary embedding (pairs 2i, 2i+1), as in Meta's own code:
 * settings say rope_interleaved = true. */
#ifndef FIG_LLAMA2C_H
#define FIG_LLAMA2C_H
#include "weights.h"

/* *settings: a new object with figment's names (see hf_config.h), for the architecture "llama". */
fig_status fig__llama2c_open(fig_context *ctx, const char *path, fig__weights **out, fig__json **settings);
/* Whether the first bytes of a file look like one: the magic number, or a header that fits the file's size. */
bool fig__llama2c_probe(const uint8_t *data, size_t size);

#endif
