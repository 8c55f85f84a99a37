/* models/model.h: the private side of fig_model. */
#ifndef FIG_MODEL_PRIVATE_H
#define FIG_MODEL_PRIVATE_H
#include <fig/model.h>
#include "base/json.h"
#include "base/options.h"
#include "files/weights.h"
#include "models/names.h"

struct fig_model {
    fig_context *ctx;
    const fig_arch *arch;
    void *config;      /* arch->config_size bytes */
    fig__arena *arena; /* texts of the config */
    fig_model_options options;
    fig_params *params;
    fig_tokenizer *tokenizer;
    fig__json *generation;      /* defaults of sampling that came with the model, or NULL */
    fig_strings classes, words; /* lexicon.c; texts in the arena */
    char *path;                 /* where it was loaded from, or NULL */
    bool shaped;
};

struct fig_family {
    const char *name, *medium;
    const char *settings[8];            /* whole numbers that every architecture of it has */
    fig_status (*settle)(fig_model *m); /* settings that follow from elsewhere, before they are checked; may be NULL */
    void (*record)(fig_model *m, fig_graph *g); /* the whole network once, so that every parameter is made */
};
static inline const fig_family *fig__model_family(const fig_model *m) { return m->arch->family; }
/* Beside fig_model_get_int: 0 where there is no such setting, or it is not a real number. */
double fig__model_get_real(const fig_model *m, const char *key);

/* All settings as a flat object; a new value. */
fig__json *fig__model_settings(const fig_model *m);
fig_status fig__model_apply(fig_model *m, const fig__json *settings);
/* Copies values from named tensors (foreign names by the architecture's table, else our own paths) into the store.
 * Every parameter must be found and finite. */
fig_status fig__model_take_weights(fig_model *m, const fig__weights *w);
/* Defaults of sampling that came with the model ("temp", "top_k", ...), or NULL. */
static inline const fig__json *fig__model_generation(const fig_model *m) { return m->generation; }
/* Logits in real [rows, padded vocab] of hidden [.., c], few rows: those of the last token of each text. */
fig_tensor *fig__model_logits(fig_graph *g, fig_tensor *hidden, fig_tensor *head);

/* The token that stands for a blank; vocab_size with it. */
int32_t fig__mask_token(const fig_model *m);
fig_status fig__masked_settle(fig_model *m);

/* Whether a parameter's rows are the vocabulary, padded: files have vocab_size of them. */
bool fig__is_vocabulary(const char *path);

/* lexicon.json in a folder, when there is one or something to write. */
fig_status fig__lexicon_load(fig_model *m, const char *dir);
fig_status fig__lexicon_save(const fig_model *m, const char *dir);
/* What a flow of n rows is fed. */
fig_flow_inputs fig__flow_inputs(const fig_model *m, fig_graph *g, size_t n);

/* A row of text, text_length long: as much of the caption as there is room for, then vocab_size. NULL is no caption.
 * *cut (may be NULL): how many of its tokens had no room. */
fig_status fig__caption_row(const fig_model *m, const char *caption, int32_t *row, size_t *cut);

/* Folders in which models are looked for, the first one first; texts from the arena, out->data from the context. */
fig_status fig__model_places(fig_context *ctx, fig__arena *arena, fig_strings *out);

#endif
