/* cli/text.h: tokenizers and datasets, as several commands make and show them. */
#ifndef FIG_CLI_TEXT_H
#define FIG_CLI_TEXT_H
#include <fig/dataset.h>
#include "cli/cli.h"

typedef struct fig__tokenizer_choice {
    const char *name; /* "auto", "byte", "char", "bpe", or a path */
    int64_t vocab_size;
    fig_strings special;
} fig__tokenizer_choice;

/* Reads the text once (twice where auto tries char first) and learns. report may be NULL. */
fig_status fig__tokenizer_from_text(fig_context *ctx, const fig_strings *data, const fig__tokenizer_choice *choice,
                                    fig_tokenizer_train_report *report, fig_tokenizer **out);
/* A file or folder with a tokenizer, or the name of a model. */
fig_status fig__tokenizer_open(fig_context *ctx, const char *name, fig_tokenizer **out);
/* Whether the choice names a kind that is learnt, rather than a file. */
bool fig__tokenizer_is_learnt(const fig__tokenizer_choice *choice);
/* The next word of a caption or prompt in lower case, ASCII letters, digits and what is not ASCII; 0 at the end. */
#define FIG__WORD_MAX 64
size_t fig__next_word(const char **text, char word[FIG__WORD_MAX]);
/* What a prepared dataset holds, on standard output. */
fig_status fig__describe_dataset(fig__args *args, const char *path, const fig_dataset_info *info);
/* What was left out or repaired while reading, as notes. */
void fig__note_text(const fig_text_stats *stats);

/* The rows of an option table for how text becomes tokens: `choice` is the fig__tokenizer_choice in struct `type`,
 * which also has a double val_fraction. */
#define FIG__TEXT_OPTIONS(type, choice)                                                                    \
    {.name = "tokenizer",                                                                                  \
     .kind = FIG_OPT_STRING,                                                                               \
     .offset = offsetof(type, choice.name),                                                                \
     .value = "KIND|PATH",                                                                                 \
     .fallback = "auto",                                                                                   \
     .help = "byte, char, bpe, or a tokenizer that exists; auto: by the size of the data"},                \
        {.name = "vocab_size",                                                                             \
         .kind = FIG_OPT_INT,                                                                              \
         .offset = offsetof(type, choice.vocab_size),                                                      \
         .high = 1 << 24,                                                                                  \
         .help = "tokens of bpe; 0: by the size of the data"},                                             \
        {.name = "special",                                                                                \
         .kind = FIG_OPT_LIST,                                                                             \
         .offset = offsetof(type, choice.special),                                                         \
         .value = "TEXT",                                                                                  \
         .help = "a special token; may be given again"},                                                   \
    {                                                                                                      \
        .name = "val_fraction", .kind = FIG_OPT_REAL, .offset = offsetof(type, val_fraction), .high = 0.9, \
        .fallback = "0.1", .help = "share of the text, its tail, that is held out"                         \
    }

#endif
