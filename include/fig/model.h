/* fig/model.h: architectures and models.
 *
 * A model is an architecture, its settings, a parameter store and, for text, a tokenizer. On disk it is a Hugging Face
 * directory: config.json, model.safetensors, tokenizer.json, generation_config.json. */
#ifndef FIG_MODEL_H
#define FIG_MODEL_H
#include <fig/graph.h>
#include <fig/options.h>
#include <fig/params.h>
#include <fig/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_model fig_model;
typedef struct fig_arch fig_arch;

/* What the graph of a language model is fed. b rows of t tokens; t and b are maxima. */
typedef struct fig_lm_inputs {
    size_t batch, time;
    fig_tensor *tokens;    /* int32 [b, t] */
    fig_tensor *positions; /* int32 [b, t], or [1, t] where all rows share them */
    fig_tensor *q_len;     /* int32 [b] or NULL: how many tokens of each row count */
    fig_tensor *segments;  /* int32 [b, t] or NULL: attention stays inside a document */
} fig_lm_inputs;

/* An architecture: one short file in models/, one line in models.def. build records the network under the current path
 * and returns the last hidden state [b, t, c]; *head is the weight [v, c] that turns it into logits. Training and
 * generation ask for the whole numbers vocab_size, n_layer, n_head, n_embd, block_size: options has rows for them. */
struct fig_arch {
    const char *name;   /* "gpt2", "qwen3", "llama" */
    const char *medium; /* "text" */
    const char *task;   /* what it is trained for (src/train/tasks.def); NULL: "language" */
    const char *summary;
    size_t config_size;
    const fig_option_table *options;
    fig_status (*check)(fig_context *ctx, const void *config); /* sizes that must divide, and so on */
    void (*resolve)(void *config); /* works out settings that are 0 for "as usual"; may be NULL */
    fig_tensor *(*build)(fig_graph *g, const void *config, const fig_lm_inputs *in, fig_tensor **head);
    /* Foreign files; see models/names.h. */
    const struct fig__names *names;
};

/* Architectures known to the program, and those added at run time (they must outlive every use). */
const fig_arch *fig_arch_find(const char *name);
size_t fig_arch_count(void);
const fig_arch *fig_arch_at(size_t i);
fig_status fig_arch_register(fig_context *ctx, const fig_arch *arch);

typedef struct fig_model_options {
    fig_dtype dtype; /* compute type; FIG_DTYPE_COUNT: what suits (training: bf16 where native, else fp32; loading: the
                        file's) */
    uint64_t seed;
    bool inference; /* no gradients, no masters */
} fig_model_options;

/* A fresh model; settings are given one by one as text (fig_model_set), memory comes with fig_model_init. */
fig_status fig_model_new(fig_context *ctx, const char *arch, const fig_model_options *options, fig_model **out);
fig_status fig_model_set(fig_model *m, const char *key, const char *value);
/* Takes ownership of the tokenizer; sets vocab_size from it (padded up to a multiple of 64 for the matrices only). */
fig_status fig_model_set_tokenizer(fig_model *m, fig_tokenizer *tokenizer);
/* Records the parameters (fig_params_count and _bytes work from here on), without giving memory. */
fig_status fig_model_shape(fig_model *m);
fig_status fig_model_init(fig_model *m); /* shape if needed, memory, first values */

/* A directory, a .safetensors or llama2.c .bin file, or the name of a shipped model (see fig_model_find). */
fig_status fig_model_load(fig_context *ctx, const char *path, const fig_model_options *options, fig_model **out);
/* config.json, model.safetensors in dtype (FIG_BF16 or FIG_F32), tokenizer.json, generation_config.json. */
fig_status fig_model_save(const fig_model *m, const char *dir, fig_dtype dtype);
/* Resolves a name: as a path, then in FIGMENT_MODELS, ./models, ./runs, the user's data folder, the installed models.
 * The result belongs to the caller (fig_free). */
char *fig_model_find(fig_context *ctx, const char *name);
void fig_free(fig_context *ctx, void *p);
void fig_model_free(fig_model *m);

const fig_arch *fig_model_arch(const fig_model *m);
const void *fig_model_config(const fig_model *m);
fig_params *fig_model_params(const fig_model *m);
fig_tokenizer *fig_model_tokenizer(const fig_model *m); /* borrowed; NULL when there is none */
fig_context *fig_model_context(const fig_model *m);
fig_dtype fig_model_dtype(const fig_model *m);                  /* of activations */
int64_t fig_model_get_int(const fig_model *m, const char *key); /* a setting: "n_layer", "block_size" ... */
size_t fig_model_n_params(const fig_model *m);

/* Graph pieces for language models: inputs, hidden state, per-token loss or logits. */
fig_graph *fig_model_graph(fig_model *m, fig_mode mode, size_t batch, size_t time,
                           fig_lm_inputs *in); /* owner: the caller */
fig_tensor *fig_model_hidden(fig_model *m, fig_graph *g, const fig_lm_inputs *in, fig_tensor **head);

#ifdef __cplusplus
}
#endif
#endif
