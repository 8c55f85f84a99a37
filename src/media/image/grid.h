/* media/image/grid.h: many small pictures as one that a person can look at: enlarged, in rows and columns.
 *
 * There is no writing in a grid: prompts stand in the page beside it (cli/page.h), as text that can be read at any size
 * and found again. */
#ifndef FIG_GRID_H
#define FIG_GRID_H
#include "media/image/image.h"

/* Every pixel becomes factor x factor of them (nearest neighbour): small pictures stay what they are. 1 .. 1024. */
fig_status fig__image_enlarge(fig_context *ctx, const fig__image *in, size_t factor, fig__image *out);
/* The largest factor that keeps the longer side within `side` pixels; at least 1. */
size_t fig__image_factor(size_t w, size_t h, size_t side);

typedef struct fig__grid {
    size_t columns;    /* 0: as many as make it about square */
    size_t factor;     /* of fig__image_enlarge; 0: 1 */
    size_t margin;     /* pixels between the cells and around them all, 0 .. 4096 */
    uint8_t colour[3]; /* of margins and of cells that are left over */
    bool chequered;    /* what is transparent stands on a chequerboard; otherwise on white */
} fig__grid;

/* RGB; the pictures row by row, all of one size, their channels as they like. FIG_ERR_SHAPE when their sizes differ;
 * FIG_ERR_LIMIT when it would have more pixels than a picture may have. */
fig_status fig__image_grid(fig_context *ctx, const fig__image *images, size_t n, const fig__grid *grid,
                           fig__image *out);

#endif
