/* data/text.h: the private face of fig_text: what was found on the paths, and the stream that prepare reads. */
#ifndef FIG_DATA_TEXT_H
#define FIG_DATA_TEXT_H
#include "data/source.h"

/* Which split a file belongs to: its name can say so for token files, else the tail rule decides. */
typedef enum fig__placement { FIG__PLACE_TAIL, FIG__PLACE_TRAIN, FIG__PLACE_VAL } fig__placement;

typedef struct fig__text_file {
    char *path;
    const fig__source_kind *kind;
    uint64_t bytes;
    int64_t mtime_ns;
    bool from_folder;
    fig__placement placement;
    char sha256[65]; /* "" until the file was read to its end with hashing */
} fig__text_file;

struct fig_text {
    fig_context *ctx;
    struct {
        fig__text_file *data;
        size_t n, cap;
    } files;
    size_t current; /* the file that is open, or the next one to open */
    bool is_open, hash;
    fig__source source;
    fig_text_stats stats;
    uint64_t total_bytes, bytes_before; /* of files; of those already read */
    bool in_document;                   /* the last piece did not end its document */
};

/* As fig_text_read, for tokens too. *starts_document: the piece opens one. */
fig_status fig__text_next(fig_text *text, fig__piece *piece, bool *starts_document);

#endif
