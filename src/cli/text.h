/* cli/text.h: tokenizers and datasets, as several commands make and show them. */
#ifndef FIG_CLI_TEXT_H
#define FIG_CLI_TEXT_H
#include <fig/dataset.h>
#include "cli/cli.h"

typedef struct fig__tokenizer_choice {
    const char *name; /* "auto", "byte", "char", "bpe", or a path */
    int64_t vocab_size;
    fig__strings special;
} fig__tokenizer_choice;

/* Reads the text once (twice where auto tries char first) and learns. report may be NULL. */
fig_status fig__tokenizer_from_text(fig_context *ctx, const fig__strings *data, const fig__tokenizer_choice *choice,
                                    fig_tokenizer_train_report *report, fig_tokenizer **out);
/* A file or folder with a tokenizer, or the name of a model. */
fig_status fig__tokenizer_open(fig_context *ctx, const char *name, fig_tokenizer **out);
/* Whether the choice names a kind that is learnt, rather than a file. */
bool fig__tokenizer_is_learnt(const fig__tokenizer_choice *choice);
/* What a prepared dataset holds, on standard output. */
fig_status fig__describe_dataset(fig__args *args, const char *path, const fig_dataset_info *info);
/* What was left out or repaired while reading, as notes. */
void fig__note_text(const fig_text_stats *stats);

#endif
