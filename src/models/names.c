/* models/names.c: the name tables. */
#include "models/names.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const fig__name gpt2[] = {
    {"embed.weight", {"wte.weight"}, false},
    {"pos.weight", {"wpe.weight"}, false},
    {"blocks.*.norm1.weight", {"h.*.ln_1.weight"}, false},
    {"blocks.*.norm1.bias", {"h.*.ln_1.bias"}, false},
    {"blocks.*.attn.qkv.weight", {"h.*.attn.c_attn.weight"}, true},
    {"blocks.*.attn.qkv.bias", {"h.*.attn.c_attn.bias"}, false},
    {"blocks.*.attn.proj.weight", {"h.*.attn.c_proj.weight"}, true},
    {"blocks.*.attn.proj.bias", {"h.*.attn.c_proj.bias"}, false},
    {"blocks.*.norm2.weight", {"h.*.ln_2.weight"}, false},
    {"blocks.*.norm2.bias", {"h.*.ln_2.bias"}, false},
    {"blocks.*.mlp.up.weight", {"h.*.mlp.c_fc.weight"}, true},
    {"blocks.*.mlp.up.bias", {"h.*.mlp.c_fc.bias"}, false},
    {"blocks.*.mlp.down.weight", {"h.*.mlp.c_proj.weight"}, true},
    {"blocks.*.mlp.down.bias", {"h.*.mlp.c_proj.bias"}, false},
    {"norm.weight", {"ln_f.weight"}, false},
    {"norm.bias", {"ln_f.bias"}, false},
    {"head.weight", {"lm_head.weight"}, false},
};

/* Llama's names; Qwen3 adds the two norms of queries and keys. */
static const fig__name qwen3[] = {
    {"embed.weight", {"model.embed_tokens.weight"}, false},
    {"blocks.*.norm1.weight", {"model.layers.*.input_layernorm.weight"}, false},
    {"blocks.*.attn.qkv.weight",
     {"model.layers.*.self_attn.q_proj.weight", "model.layers.*.self_attn.k_proj.weight",
      "model.layers.*.self_attn.v_proj.weight"},
     false},
    {"blocks.*.attn.qkv.bias",
     {"model.layers.*.self_attn.q_proj.bias", "model.layers.*.self_attn.k_proj.bias",
      "model.layers.*.self_attn.v_proj.bias"},
     false},
    {"blocks.*.attn.q_norm.weight", {"model.layers.*.self_attn.q_norm.weight"}, false},
    {"blocks.*.attn.k_norm.weight", {"model.layers.*.self_attn.k_norm.weight"}, false},
    {"blocks.*.attn.proj.weight", {"model.layers.*.self_attn.o_proj.weight"}, false},
    {"blocks.*.attn.proj.bias", {"model.layers.*.self_attn.o_proj.bias"}, false},
    {"blocks.*.norm2.weight", {"model.layers.*.post_attention_layernorm.weight"}, false},
    {"blocks.*.mlp.gate_up.weight",
     {"model.layers.*.mlp.gate_proj.weight", "model.layers.*.mlp.up_proj.weight"},
     false},
    {"blocks.*.mlp.down.weight", {"model.layers.*.mlp.down_proj.weight"}, false},
    {"norm.weight", {"model.norm.weight"}, false},
    {"head.weight", {"lm_head.weight"}, false},
};

#define LAYER "bert.encoder.layer.*."
static const fig__name bert[] = {
    {"embed.weight", {"bert.embeddings.word_embeddings.weight"}, false},
    {"pos.weight", {"bert.embeddings.position_embeddings.weight"}, false},
    {"type.weight", {"bert.embeddings.token_type_embeddings.weight"}, false},
    {"norm.weight", {"bert.embeddings.LayerNorm.weight"}, false},
    {"norm.bias", {"bert.embeddings.LayerNorm.bias"}, false},
    {"blocks.*.attn.qkv.weight",
     {LAYER "attention.self.query.weight", LAYER "attention.self.key.weight", LAYER "attention.self.value.weight"},
     false},
    {"blocks.*.attn.qkv.bias",
     {LAYER "attention.self.query.bias", LAYER "attention.self.key.bias", LAYER "attention.self.value.bias"},
     false},
    {"blocks.*.attn.proj.weight", {LAYER "attention.output.dense.weight"}, false},
    {"blocks.*.attn.proj.bias", {LAYER "attention.output.dense.bias"}, false},
    {"blocks.*.norm1.weight", {LAYER "attention.output.LayerNorm.weight"}, false},
    {"blocks.*.norm1.bias", {LAYER "attention.output.LayerNorm.bias"}, false},
    {"blocks.*.mlp.up.weight", {LAYER "intermediate.dense.weight"}, false},
    {"blocks.*.mlp.up.bias", {LAYER "intermediate.dense.bias"}, false},
    {"blocks.*.mlp.down.weight", {LAYER "output.dense.weight"}, false},
    {"blocks.*.mlp.down.bias", {LAYER "output.dense.bias"}, false},
    {"blocks.*.norm2.weight", {LAYER "output.LayerNorm.weight"}, false},
    {"blocks.*.norm2.bias", {LAYER "output.LayerNorm.bias"}, false},
    {"head.transform.weight", {"cls.predictions.transform.dense.weight"}, false},
    {"head.transform.bias", {"cls.predictions.transform.dense.bias"}, false},
    {"head.norm.weight", {"cls.predictions.transform.LayerNorm.weight"}, false},
    {"head.norm.bias", {"cls.predictions.transform.LayerNorm.bias"}, false},
    {"head.bias", {"cls.predictions.bias"}, false},
};

const fig__names fig__names_gpt2 = {"transformer.", gpt2, sizeof gpt2 / sizeof *gpt2};
const fig__names fig__names_qwen3 = {NULL, qwen3, sizeof qwen3 / sizeof *qwen3};
const fig__names fig__names_bert = {NULL, bert, sizeof bert / sizeof *bert};

/* Whether path is pattern with a number for `*`. */
static bool fits(const char *pattern, const char *path, int *block) {
    const char *star = strchr(pattern, '*');
    *block = -1;
    if (!star) return !strcmp(pattern, path);
    size_t head = (size_t)(star - pattern);
    if (strncmp(pattern, path, head)) return false;
    char *end;
    long n = strtol(path + head, &end, 10);
    if (end == path + head || n < 0 || n > 1 << 20) return false;
    *block = (int)n;
    return !strcmp(star + 1, end);
}

const fig__name *fig__names_find(const fig__names *t, const char *ours, int *block) {
    for (size_t i = 0; i < t->n; i++)
        if (fits(t->rows[i].ours, ours, block)) return &t->rows[i];
    return NULL;
}

void fig__name_numbered(const char *pattern, int block, char *out, size_t size) {
    const char *star = strchr(pattern, '*');
    if (star)
        snprintf(out, size, "%.*s%d%s", (int)(star - pattern), pattern, block, star + 1);
    else
        snprintf(out, size, "%s", pattern);
}
