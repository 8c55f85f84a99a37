/* models/gan.h: what generative adversarial networks (Goodfellow et al. 2014) share: settings of the game, and its two
 * networks, whose parameters are generator.* and discriminator.* whatever the architecture.
 *
 *     relativistic     each player compares a real picture with a made one (Jolicoeur-Martineau 2018): what R3GAN plays
 *     nonsaturating    each is judged by itself, and the generator wants made ones called real
 *
 * gamma weighs the squares of the slope of the discriminator at real pictures (R1) and at made ones (R2), without which
 * neither game need come to rest (Mescheder et al. 2018; Huang et al. 2024).
 *
 * With `pack` above 1 the discriminator looks at so many pictures at once, the channels of one beside those of the
 * next, and gives them one score: pictures that are too much alike, or of too few kinds, are then seen to be made (Lin
 * et al. 2018, "PacGAN"). It also judges that much faster, since its pictures are the fewer. */
#ifndef FIG_GAN_H
#define FIG_GAN_H
#include "models/model.h"
#include "models/picture_options.h"

typedef enum fig__gan_loss { FIG__RELATIVISTIC, FIG__NONSATURATING } fig__gan_loss;

/* The first member of every such architecture's settings. */
typedef struct fig__gan_config {
    int64_t image_size, n_channels, n_classes, n_latent, pack;
    int loss;
    bool conditional;
    double gamma, gamma_end, discriminator_lr;
} fig__gan_config;

#define FIG__GAN_ROWS(loss_, latent_, gamma_, gamma_end_)                                                             \
    FIG__PICTURE_ROWS(fig__gan_config), FIG__WHOLE(fig__gan_config, n_classes, 0, 1000000, "0", "kinds of pictures"), \
        {.name = "conditional",                                                                                       \
         .kind = FIG_OPT_BOOL,                                                                                        \
         .offset = offsetof(fig__gan_config, conditional),                                                            \
         .fallback = "true",                                                                                          \
         .help = "draws the classes that the pictures have, on demand"},                                              \
        FIG__WHOLE(fig__gan_config, n_latent, 1, 65536, latent_, "numbers of the latent"),                            \
        FIG__WHOLE(fig__gan_config, pack, 1, 64, "1", "pictures that the discriminator judges together"),             \
        FIG__CHOICE(fig__gan_config, loss, "relativistic|nonsaturating", loss_,                                       \
                    "relativistic: real and made pictures compared in pairs"),                                        \
        FIG__REAL(fig__gan_config, gamma, 0, 1000, gamma_, "weight of the slopes at real and made pictures;"),        \
        FIG__REAL(fig__gan_config, gamma_end, 0, 1000, gamma_end_, "  where it ends, by a cosine"),                   \
        FIG__REAL(fig__gan_config, discriminator_lr, 0, 100, "1", "learning rate of the discriminator, as a share")

bool fig__gan_has_classes(const fig_model *m);
/* The input of labels, int32 [n, 1]; NULL for a model without classes. n_classes stands for one that is not known. */
fig_tensor *fig__gan_label(const fig_model *m, fig_graph *g, size_t n);
/* The networks under their module paths; fp32 results. Scores of N pictures, a multiple of pack, are [N / pack, 1]. */
fig_tensor *fig__gan_generate(const fig_model *m, fig_graph *g, fig_tensor *z, fig_tensor *label);
fig_tensor *fig__gan_judge(const fig_model *m, fig_graph *g, fig_tensor *x, fig_tensor *label);

/* For architectures: the latent with the class beside it, [n, n_latent] or [n, 2 * n_latent]; and the score [n, 1] of
 * features x [n, ..], by projection on the classes [n * pack, 1] of the pictures in their order (Miyato and Koyama
 * 2018). Parameters class and judge. */
fig_tensor *fig__gan_latent(fig_graph *g, const fig__gan_config *c, fig_tensor *z, fig_tensor *label);
fig_tensor *fig__gan_verdict(fig_graph *g, const fig__gan_config *c, fig_tensor *x, fig_tensor *label, double std);

/* Losses of scores [n, 1], a mean over pairs. The generator's takes real scores where it is relativistic, else NULL. */
fig_tensor *fig__gan_generator_loss(fig_graph *g, fig_tensor *real, fig_tensor *made);
fig_tensor *fig__gan_discriminator_loss(const fig_model *m, fig_graph *g, fig_tensor *real, fig_tensor *made);
/* gamma / 2 times the squared slopes of score [n, 1] at x, summed. With v the slope, held constant, the gradient of
 * |v|^2 / 2 in the weights is that of the tangent D'(x; v), whose value is |v|^2: nothing is differentiated twice. */
fig_tensor *fig__gan_penalty(fig_graph *g, fig_tensor *score, fig_tensor *x, fig_tensor *gamma);

#endif
