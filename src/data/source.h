/* data/source.h: one input file, read in pieces; a kind per layout, in one table (source.c).
 *
 * To add a layout: a const fig__source_kind with its functions in a file of its own, a line in the table, a seed for
 * the fuzzer. */
#ifndef FIG_DATA_SOURCE_H
#define FIG_DATA_SOURCE_H
#include "base/file.h"
#include "base/map.h"
#include <fig/dataset.h>

#define FIG__SOURCE_PIECE (1u << 20) /* bytes read at a time */
#define FIG__SOURCE_HEAD (64u << 10) /* bytes that a probe sees */
#define FIG__SOURCE_MAX_ROW (64u << 20)
#define FIG__SOURCE_MAX_FILES (1u << 20)

typedef struct fig__source fig__source;

/* Bytes of text or tokens, valid until the next read; n is 0 at the end of the source. */
typedef struct fig__piece {
    const char *text;
    const int32_t *tokens;
    size_t n;
    bool ends_document;
} fig__piece;

typedef struct fig__source_kind {
    const char *name;
    bool gives_tokens;
    bool (*probe)(const char *path, const char *head, size_t head_len);
    fig_status (*open)(fig__source *s); /* NULL: nothing to do */
    fig_status (*read)(fig__source *s, fig__piece *piece);
} fig__source_kind;

extern const fig__source_kind fig__source_text, fig__source_jsonl, fig__source_llmc, fig__source_nanogpt;
extern const fig__source_kind *const fig__source_kinds[];
const fig__source_kind *fig__source_kind_find(const char *name); /* NULL: none of that name */

struct fig__source {
    fig_context *ctx;
    const fig__source_kind *kind;
    const char *path;      /* borrowed */
    FILE *file;            /* owned */
    fig_text_stats *stats; /* borrowed; kinds add bad rows, nothing else */
    bool hash;             /* whether sha256 of all that is read is wanted */
    fig__sha256 *sha;
    fig__buf in; /* read and not yet given out: in.data[pos .. len) */
    size_t pos;
    bool at_end; /* nothing follows what is in `in` */
    uint64_t offset;
    /* What kinds keep. */
    fig__buf row;
    uint64_t n_rows;
    int token_bytes;
    uint64_t n_tokens_left;
};

/* The caller has set ctx .. hash and the rest to zero; fig__source_close is for it to call also after a failure. */
fig_status fig__source_open(fig__source *s);
static inline fig_status fig__source_read(fig__source *s, fig__piece *piece) {
    *piece = (fig__piece){0};
    return s->kind->read(s, piece);
}
void fig__source_close(fig__source *s);

/* For kinds: drops what was given out, then reads until n bytes are there or the file ends. */
fig_status fig__source_fill(fig__source *s, size_t n);
static inline size_t fig__source_left(const fig__source *s) { return s->in.len - s->pos; }
static inline const char *fig__source_at(const fig__source *s) { return s->in.data + s->pos; }

fig_status fig__hash_file(fig_context *ctx, const char *path, char out[65]); /* sha256, in hex */

#endif
