/* models/names.h: how tensors are called in foreign files. One table per family, read in both directions.
 *
 * `*` in a pattern stands for the block's number. Several foreign tensors may be the parts, in order, of one of ours
 * along axis 0 (q, k and v of a joined matrix). */
#ifndef FIG_NAMES_H
#define FIG_NAMES_H
#include <stdbool.h>
#include <stddef.h>

typedef struct fig__name {
    const char *ours;
    const char *theirs[3]; /* parts in order; unused ones NULL */
    bool transposed;       /* theirs is [in, out] (GPT-2's Conv1D) */
} fig__name;

typedef struct fig__names {
    const char *prefix; /* what theirs may also begin with or lack: "transformer." */
    const fig__name *rows;
    size_t n;
} fig__names;

extern const struct fig__names fig__names_gpt2, fig__names_qwen3, fig__names_bert;

/* The row for one of our parameter paths; *block gets the number that `*` stood for (-1: none). NULL: no row. */
const fig__name *fig__names_find(const fig__names *t, const char *ours, int *block);

/* pattern with the number in place of `*`. */
void fig__name_numbered(const char *pattern, int block, char *out, size_t size);

#endif
