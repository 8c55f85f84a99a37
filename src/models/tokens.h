/* models/tokens.h: what models of a picture's codes share: settings, the codec inside them, and the sequence.
 *
 *     [class] [caption, text_length] [codes of the picture, row by row]
 *
 * The class stands first even where there are none, as what to begin with. All of it is one vocabulary: codes, then
 * tokens of captions and one for "no more text", then classes and one for "not said". */
#ifndef FIG_TOKENS_H
#define FIG_TOKENS_H
#include "models/fsq.h"
#include "models/model.h"

/* The first member of every such architecture's settings. */
typedef struct fig__tokens_config {
    fig__fsq_config fsq; /* the codec's own, and the size of the pictures */
    const char *codec;   /* where it is taken from, before training */
    int64_t n_classes, text_length, vocab_size;
    double condition_drop, text_weight;
} fig__tokens_config;

#define FIG__TOKENS_ROWS                                                                                       \
    FIG__PICTURE_ROWS(fig__tokenizer_config),                                                                  \
        {.name = "codec",                                                                                      \
         .kind = FIG_OPT_STRING,                                                                               \
         .offset = offsetof(fig__tokens_config, codec),                                                        \
         .value = "MODEL",                                                                                     \
         .help = "the fsq model whose codes are learnt; it becomes part of this one"},                         \
        {.name = "codec_levels",                                                                               \
         .kind = FIG_OPT_STRING,                                                                               \
         .offset = offsetof(fig__tokens_config, fsq.levels),                                                   \
         .value = "N,N,N",                                                                                     \
         .help = "of the codec, from which these are taken:"},                                                 \
        FIG__CONVNET_ROWS("codec_", fig__fsq_config),                                                          \
        FIG__WHOLE(fig__tokens_config, n_classes, 0, 1000000, "0", "kinds of pictures"),                       \
        FIG__WHOLE(fig__tokens_config, text_length, 0, 4096, "24", "tokens of a caption; 0: no captions"),     \
        FIG__WHOLE(fig__tokens_config, vocab_size, 0, 1 << 24, "0", "tokens of captions; from the tokenizer"), \
        FIG__REAL(fig__tokens_config, condition_drop, 0, 1, "0.1",                                             \
                  "share of pictures that are learnt without condition"),                                      \
        FIG__REAL(fig__tokens_config, text_weight, 0, 100, "0.125", "of the captions' own loss")

extern const fig_arch fig__arch_tokens;

/* Lengths and numbers of the sequence. */
typedef struct fig__tokens_shape {
    size_t n_before; /* class and caption */
    size_t n_codes;  /* of a picture */
    size_t n_kinds;  /* different codes */
    size_t n_vocab;  /* all tokens */
} fig__tokens_shape;
fig__tokens_shape fig__tokens_shape_of(const fig_arch *arch, const void *config);

/* Takes over the settings of the codec that `codec` names, unless the model has them; freezes its parameters. */
fig_status fig__tokens_settle(fig_model *m);
/* Copies its weights; memory must have been given. */
fig_status fig__tokens_take_codec(fig_model *m);
/* The n_before tokens of a condition. label < 0: not said. text: a row of fig__caption_row; NULL: none. */
void fig__tokens_begin(const fig_model *m, int64_t label, const int32_t *text, int32_t *out);

#endif
