/* gen/draw.h: how a family draws: one const fig__way in a file of its own, a line in the table in draw.c. */
#ifndef FIG_DRAW_PRIVATE_H
#define FIG_DRAW_PRIVATE_H
#include <fig/draw.h>
#include "models/model.h"

typedef struct fig__way {
    const fig_family *family;
    double low; /* of its numbers: 0 or -1, to 1 */
    const char
        *heeds; /* the options of fig/draw.h that say something to it beside conditions and temp, between blanks */
    size_t (*n_latent)(const fig_model *m);
    fig_status (*open)(fig_drawer *d); /* records; d->state */
    /* Pictures [n, h, w, c] of latents [n, n_latent]; first: number of the first of them in the order of o. */
    fig_status (*draw)(fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, const float *latents,
                       float *pictures, fig_draw_report *report);
    fig_status (*encode)(fig_drawer *d, const float *pictures, size_t n, float *latents); /* or NULL */
    void (*close)(fig_drawer *d);
} fig__way;
extern const fig__way fig__way_vae, fig__way_flow, fig__way_gan, fig__way_tokenizer, fig__way_tokens;

struct fig_drawer {
    fig_context *ctx;
    fig_model *model;
    const fig__way *way;
    size_t batch, side, channels, n_latent;
    void *state;      /* the way's */
    float *latents;   /* [batch, n_latent] */
    float *pictures;  /* [batch, side, side, channels] */
    uint8_t *samples; /* [side, side, channels] */
};
/* Tells the caller how far it is; FIG_ERR_CANCELLED when it asked to stop. looks: of n, of each picture. */
fig_status fig__draw_progress(const fig_drawer *d, const fig_draw_options *o, size_t first, size_t n, int64_t look,
                              int64_t looks);
static inline size_t fig__drawer_numbers(const fig_drawer *d) { return d->side * d->side * d->channels; }

#endif
