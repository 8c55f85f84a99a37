/* data/pictures/made.h: a folder of captioned pictures while it is being made; it appears whole or not at all. */
#ifndef FIG_PICTURES_MADE_H
#define FIG_PICTURES_MADE_H
#include "base/json.h"
#include "media/image/image.h"
#include <fig/pictures.h>

typedef struct fig__made {
    fig_context *ctx;
    const fig_pictures_make_options *options;
    size_t size;   /* of the squares */
    char *tmp_dir; /* until it is published */
    struct fig__writer *metadata;
    fig__buf row, file;
    fig_pictures_made count;
} fig__made;

/* Checks options and what is at out_dir. */
fig_status fig__made_begin(fig_context *ctx, const fig_pictures_make_options *options, size_t usual_size, fig__made *m);
/* A picture and its line of metadata.jsonl, with its "file_name"; row becomes m's, NULL is out of memory. */
fig_status fig__made_add(fig__made *m, const fig__image *image, fig__json *row);
void fig__made_leave_out(fig__made *m, const char *what, const char *why);
/* Publishes, or after a failure removes what there is; frees. */
fig_status fig__made_end(fig__made *m, fig_status status, const fig_dataset_entry *origin, fig_pictures_made *count);

#endif
