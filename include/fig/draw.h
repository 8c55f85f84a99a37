/* fig/draw.h: pictures from a trained model.
 *
 * Whatever the family, a picture is drawn from a latent: n_latent normal numbers. Those of sample i follow from the
 * seed and i alone, so the same seed gives the same picture for any number of threads and whatever is drawn beside it.
 * What the numbers are: of a vae, the latent; of a flow, the noise that it begins with; of a tokenizer, the quantised
 * numbers of its places (others stand for the nearest); of tokens, for each code of the picture the quantile (by the
 * normal distribution, of standard deviation temp) at which it is drawn from what is likely there.
 */
#ifndef FIG_DRAW_H
#define FIG_DRAW_H
#include <fig/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fig_flow_sampler { FIG_HEUN, FIG_EULER } fig_flow_sampler;

typedef struct fig_draw_options {
    int64_t num_samples, seed, first_sample; /* samples first_sample .. + num_samples - 1 of the seed */
    double temp;                             /* of the latents: 0 is the middle of what the model knows */
    /* Conditions; sample i of the seed takes number i modulo how many there are. */
    const char *const *prompts; /* NULL: none */
    size_t n_prompts;
    const int64_t *labels; /* classes; -1: not said */
    size_t n_labels;
    const char *negative; /* what the prompt is set off against, instead of against nothing */
    /* Flow: */
    int64_t steps;   /* of the sampler: Heun looks twice in each but the last, Euler once */
    int sampler;     /* fig_flow_sampler */
    double guidance; /* how far beyond the unconditioned picture; 1: none */
    /* Codes (tokens): of which likely ones each is drawn. The guidance is theirs too. */
    int64_t top_k; /* 0: off */
    double top_p;  /* 1: off */
    /* From a picture [h, w, c] of the model's size; NULL: from noise alone. strength 1 forgets it, 0 keeps it. mask [h,
     * w]: what is not 0 is drawn anew, the rest is kept. */
    const uint8_t *source, *mask;
    double strength;
    /* Called after each look of the network; done and total count pictures times looks. May be NULL. */
    void (*on_progress)(void *user, int64_t done, int64_t total);
    void *user;
} fig_draw_options;
void fig_draw_defaults(fig_draw_options *o);

typedef struct fig_draw_report {
    int64_t n_evaluations; /* of the network, for each picture; guided ones count two networks as one */
    size_t n_cut;          /* tokens of prompts that had no room */
    double seconds;
} fig_draw_report;

/* A finished picture: [h, w, c] samples, as long as the call lasts. false ends the drawing. */
typedef bool fig_draw_fn(void *user, int64_t sample, const uint8_t *pixels);

typedef struct fig_drawer fig_drawer;
/* Up to `batch` pictures at a time; more are drawn one batch behind the other. */
fig_status fig_drawer_new(fig_model *m, size_t batch, fig_drawer **out);
void fig_drawer_free(fig_drawer *d);
size_t fig_drawer_n_latent(const fig_drawer *d);
/* Whether "steps", "sampler", "guidance", "top_k" or "top_p" change what this model draws. */
bool fig_drawer_heeds(const fig_drawer *d, const char *option);
/* report may be NULL. FIG_ERR_CANCELLED after fig_cancel. */
fig_status fig_draw(fig_drawer *d, const fig_draw_options *o, fig_draw_fn *on_picture, void *user,
                    fig_draw_report *report);
/* From latents given, [num_samples, n_latent]. */
fig_status fig_draw_latents(fig_drawer *d, const fig_draw_options *o, const float *latents, fig_draw_fn *on_picture,
                            void *user, fig_draw_report *report);
/* The latents that fig_draw would begin with. */
void fig_draw_noise(const fig_drawer *d, const fig_draw_options *o, int64_t sample, float *latent);
/* What a picture's latent is, for families that can say it: of a vae the mean, of a tokenizer the quantised numbers.
 * pixels [n, h, w, c], latents [n, n_latent].
 */
fig_status fig_draw_encode(fig_drawer *d, const uint8_t *pixels, size_t n, float *latents);

#ifdef __cplusplus
}
#endif
#endif
