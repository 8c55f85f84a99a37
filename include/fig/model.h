/* fig/model.h: architectures and models.
 *
 * A model is an architecture, its settings, a parameter store and, where text goes in, a tokenizer. On disk it is a
 * Hugging Face directory: config.json, model.safetensors, tokenizer.json, generation_config.json. */
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

/* What the networks of a family of models are asked for, recorded under the current module path. Pictures are channels
 * last, [n, h, w, c]; samples of 0 to 1 for a VAE, of -1 to 1 for a flow and a GAN. */
typedef struct fig_language_net {
    /* The last hidden state [b, t, c]; *head is the weight [v, c] that turns it into logits. */
    fig_tensor *(*hidden)(fig_graph *g, const void *config, const fig_lm_inputs *in, fig_tensor **head);
} fig_language_net;

/* Reads in both directions. A blank is the token FIG_MASK where the tokenizer has one, else the last of vocab_size. */
#define FIG_MASK "[MASK]"
typedef struct fig_masked_net {
    /* What is known of the tokens at `places`, int32 [..] counted along all rows (row * time + position): [.., c].
     * Times *head [v, c] transposed, plus *bias [v] (fp32), it is their logits. */
    fig_tensor *(*predict)(fig_graph *g, const void *config, const fig_lm_inputs *in, fig_tensor *places,
                           fig_tensor **head, fig_tensor **bias);
} fig_masked_net;

typedef struct fig_vae_net {
    size_t (*n_latent)(const void *config);
    /* Mean and log-variance [n, n_latent] of q(z|x), fp32. */
    void (*encode)(fig_graph *g, const void *config, fig_tensor *x, fig_tensor **mean, fig_tensor **log_var);
    /* z [n, n_latent] to what p(x|z) is made of: [n, h, w, c], logits or means. */
    fig_tensor *(*decode)(fig_graph *g, const void *config, fig_tensor *z);
} fig_vae_net;

typedef struct fig_flow_inputs {
    fig_tensor *x;     /* [n, h, w, c]: time * picture + (1 - time) * noise */
    fig_tensor *time;  /* int32 [n, 1], in thousandths: 0 is noise alone */
    fig_tensor *label; /* int32 [n, 1]; n_classes: not said. NULL for a model without classes */
    fig_tensor *text;  /* int32 [n, text_length], vocab_size behind the caption. NULL without captions */
} fig_flow_inputs;
typedef struct fig_flow_net {
    /* The picture that is in x, [n, h, w, c]. */
    fig_tensor *(*predict)(fig_graph *g, const void *config, const fig_flow_inputs *in);
} fig_flow_net;

typedef struct fig_gan_net {
    /* z [n, n_latent], fp32, and label int32 [n, 1] (NULL for a model without classes) to pictures [n, h, w, c]. */
    fig_tensor *(*generate)(fig_graph *g, const void *config, fig_tensor *z, fig_tensor *label);
    /* How real pictures look, [n, 1]; any number. */
    fig_tensor *(*judge)(fig_graph *g, const void *config, fig_tensor *x, fig_tensor *label);
    /* Statistics of the batch enter judge: real and made pictures then go through it apart. */
    bool batch_statistics;
} fig_gan_net;

/* Pictures of -1 to 1 to whole numbers and back: a grid of places, row by row, and at each of them one of n_codes
 * codes, which stands for n_values numbers. */
typedef struct fig_tokenizer_net {
    size_t (*n_places)(const void *config);
    size_t (*n_values)(const void *config);
    size_t (*n_codes)(const void *config);
    /* The quantised numbers [n, n_places, n_values] of pictures, fp32; pictures of such numbers. */
    fig_tensor *(*encode)(fig_graph *g, const void *config, fig_tensor *x);
    fig_tensor *(*decode)(fig_graph *g, const void *config, fig_tensor *values);
    /* The code of one place's numbers (of the nearest that have one), and the numbers of a code. */
    int32_t (*code)(const void *config, const float *values);
    void (*values)(const void *config, int32_t code, float *values);
} fig_tokenizer_net;

/* A model of the codes of pictures, behind a class or a caption, which holds the tokenizer that makes them: recorded
 * under "codec", frozen. */
typedef struct fig_tokens_net {
    const fig_tokenizer_net *codec;
    const void *(*codec_config)(const void *config);
    /* The last hidden state [n, t, c]; *codes and *words are the weights [v, c] that turn it into logits of the next
     * code and of the next token of a caption (NULL without captions). */
    fig_tensor *(*hidden)(fig_graph *g, const void *config, const fig_lm_inputs *in, fig_tensor **codes,
                          fig_tensor **words);
} fig_tokens_net;

/* x of 0 to 1. What these networks say of pictures is made by fig/features.h. */
typedef struct fig_classifier_net {
    fig_tensor *(*features)(fig_graph *g, const void *config, fig_tensor *x);      /* [n, n_features], fp32 */
    fig_tensor *(*logits)(fig_graph *g, const void *config, fig_tensor *features); /* [n, n_classes] */
} fig_classifier_net;

/* Pictures and their captions as points of one space; of any length, their directions count. */
typedef struct fig_contrastive_net {
    fig_tensor *(*pictures)(fig_graph *g, const void *config, fig_tensor *x); /* [n, n_features], fp32 */
    /* text int32 [n, text_length], vocab_size behind the caption; [n, n_features], fp32. */
    fig_tensor *(*texts)(fig_graph *g, const void *config, fig_tensor *text);
} fig_contrastive_net;

/* Every setting that a model of the family must have, as whole numbers:
 *     language     vocab_size n_layer n_head n_embd block_size
 *     masked       vocab_size n_layer n_head n_embd block_size
 *     vae          image_size n_channels
 *     flow         image_size n_channels n_classes text_length
 *     gan          image_size n_channels n_classes n_latent
 *     tokenizer    image_size n_channels
 *     tokens       image_size n_channels n_classes text_length vocab_size n_layer n_head n_embd
 *     classifier   image_size n_channels n_classes n_features
 *     contrastive  image_size n_channels text_length vocab_size n_features */
typedef struct fig_family fig_family;
extern const fig_family fig_family_language, fig_family_masked, fig_family_vae, fig_family_flow, fig_family_gan,
    fig_family_tokenizer, fig_family_tokens, fig_family_classifier, fig_family_contrastive;
const char *fig_family_name(const fig_family *f);   /* "language", also the task that it is trained for */
const char *fig_family_medium(const fig_family *f); /* "text" or "pictures" */

/* An architecture: one short file in models/, one line in models.def. */
struct fig_arch {
    const char *name; /* "gpt2", "qwen3", "llama" */
    const fig_family *family;
    union { /* the family's */
        const fig_language_net *language;
        const fig_masked_net *masked;
        const fig_vae_net *vae;
        const fig_flow_net *flow;
        const fig_gan_net *gan;
        const fig_tokenizer_net *tokenizer;
        const fig_tokens_net *tokens;
        const fig_classifier_net *classifier;
        const fig_contrastive_net *contrastive;
    } net;
    const char *summary;
    size_t config_size;
    const fig_option_table *options;
    fig_status (*check)(fig_context *ctx, const void *config); /* sizes that must divide, and so on */
    void (*resolve)(void *config); /* works out settings that are 0 for "as usual"; may be NULL */
    /* Settings of training that suit it, as YAML ("learning_rate: 4e-4"), where nobody gives others; may be NULL. */
    const char *training;
    /* Foreign files; see models/names.h. */
    const struct fig__names *names;
};

/* Architectures known to the program, and those added at run time (they must outlive every use). */
const fig_arch *fig_arch_find(const char *name);
size_t fig_arch_count(void);
const fig_arch *fig_arch_at(size_t i);
fig_status fig_arch_register(fig_context *ctx, const fig_arch *arch);

typedef struct fig_model_options {
    fig_dtype dtype; /* compute type; FIG_DTYPE_COUNT: what suits (training: bf16 where faster, else fp32; loading: the
                        file's) */
    uint64_t seed;
    bool inference; /* no gradients, no masters */
} fig_model_options;

/* A fresh model; settings are given one by one as text (fig_model_set), memory comes with fig_model_init. */
fig_status fig_model_new(fig_context *ctx, const char *arch, const fig_model_options *options, fig_model **out);
fig_status fig_model_set(fig_model *m, const char *key, const char *value);
/* Takes ownership of the tokenizer; sets vocab_size from it (padded up to a multiple of 64 for the matrices only). */
fig_status fig_model_set_tokenizer(fig_model *m, fig_tokenizer *tokenizer);
/* What the model has learnt to know by name, kept in lexicon.json beside it: its classes in order, and the words of its
 * captions (in lower case, sorted). Copied. */
fig_status fig_model_set_classes(fig_model *m, const char *const *names, size_t n);
fig_status fig_model_set_words(fig_model *m, const char *const *words, size_t n);
const fig_strings *fig_model_classes(const fig_model *m);                    /* empty: they have no names */
bool fig_model_knows_word(const fig_model *m, const char *word, size_t len); /* true where no words are known at all */
/* Records the parameters (fig_params_count and _bytes work from here on), without giving memory. */
fig_status fig_model_shape(fig_model *m);
fig_status fig_model_init(fig_model *m); /* shape if needed, memory, first values */

/* A directory, a .safetensors or llama2.c .bin file, or the name of a shipped model (see fig_model_find). */
fig_status fig_model_load(fig_context *ctx, const char *path, const fig_model_options *options, fig_model **out);
/* After fig_model_init, the weights of another model, which has the same layers, and the same tokenizer, classes and
 * words where m has some: to train on from them, with other settings of the loss for one. */
fig_status fig_model_init_from(fig_model *m, const char *path);
/* What a path or name holds, without reading its weights. */
fig_status fig_model_arch_of(fig_context *ctx, const char *path, const fig_arch **arch);
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
/* A graph of the model's store and type, for any family. */
fig_graph *fig_model_graph_new(fig_model *m, fig_mode mode); /* owner: the caller */

#ifdef __cplusplus
}
#endif
#endif
