/* models/fsq.c: finite scalar quantisation (Mentzer et al. 2023, "VQ-VAE made simple"): an autoencoder whose few
 * latents of each place are bounded and rounded to a few steps each. All combinations of steps are the codebook, so
 * there is none to learn, and none to collapse. */
#include "models/fsq.h"
#include <fig/nn.h>
#include <math.h>

typedef fig__fsq_config config;

#define MARGIN 1e-3 /* the outermost steps are reached before tanh is flat */
#define MOST_CODES (1 << 20)

fig__fsq_levels fig__fsq_levels_of(const char *text) {
    fig__fsq_levels l = {.n_codes = 1};
    for (const char *at = text ? text : ""; *at; at++) {
        int64_t level = 0;
        for (; *at >= '0' && *at <= '9' && level < MOST_CODES; at++) level = 10 * level + (*at - '0');
        bool good = level >= 2 && l.n < FIG__FSQ_MAX && level * l.n_codes <= MOST_CODES && (!*at || *at == ',');
        if (!good) return (fig__fsq_levels){0};
        l.level[l.n++] = (int32_t)level;
        l.n_codes *= level;
        if (!*at) return l.n > 1 ? l : (fig__fsq_levels){0};
    }
    return (fig__fsq_levels){0};
}

static fig_tensor *numbers(fig_graph *g, size_t n, const float *values) {
    return fig_constant(g, FIG_F32, 1, &n, values);
}

/* Appendix A.1. An even number of steps has none at zero, so its interval is moved by half a step; `shift` brings what
 * z = 0 means back to the middle. */
fig_tensor *fig__fsq_quantise(fig_graph *g, fig_tensor *z, const fig__fsq_levels *l) {
    float half[FIG__FSQ_MAX], offset[FIG__FSQ_MAX], shift[FIG__FSQ_MAX], scale[FIG__FSQ_MAX];
    for (size_t i = 0; i < l->n; i++) {
        double h = (l->level[i] - 1) * (1 - MARGIN) / 2, o = l->level[i] % 2 ? 0 : 0.5;
        half[i] = (float)h;
        offset[i] = (float)o;
        shift[i] = (float)tan(o / h);
        scale[i] = 1.0f / (float)(l->level[i] / 2);
    }
    fig_tensor *bounded = fig_mul(g, fig_tanh(g, fig_add(g, z, numbers(g, l->n, shift))), numbers(g, l->n, half));
    bounded = fig_sub(g, bounded, numbers(g, l->n, offset));
    return fig_mul(g, fig_straight_through(g, fig_round(g, bounded), bounded), numbers(g, l->n, scale));
}

int32_t fig__fsq_code(const fig__fsq_levels *l, const float *values) {
    int32_t code = 0;
    for (size_t i = l->n; i-- > 0;) {
        double steps = rint((double)values[i] * (l->level[i] / 2)) + l->level[i] / 2;
        code = code * l->level[i] + (int32_t)fmin(fmax(steps, 0), l->level[i] - 1);
    }
    return code;
}

void fig__fsq_values(const fig__fsq_levels *l, int32_t code, float *values) {
    for (size_t i = 0; i < l->n; i++, code /= l->level[i - 1])
        values[i] = (float)(code % l->level[i] - l->level[i] / 2) * (1.0f / (float)(l->level[i] / 2));
}

/* --- the network --------------------------------------------------------------------------------------------------*/

static fig__fsq_levels levels_of(const void *settings) {
    return fig__fsq_levels_of(((const config *)settings)->levels);
}

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    FIG_CHECK(ctx, levels_of(c).n, FIG_ERR_ARG,
              "levels %s: give the steps of two to eight latents, as 8,6,5, of no more than %d combinations",
              c->levels ? c->levels : "", MOST_CODES);
    FIG_CHECK(ctx, c->pictures.n_channels > 0, FIG_ERR_ARG, "n_channels is not set; it follows from the pictures");
    return fig__convnet_check(ctx, &c->net, c->pictures.image_size);
}

static size_t side_of(const config *c) { return fig__convnet_side(&c->net, c->pictures.image_size); }
static size_t n_places(const void *settings) { return side_of(settings) * side_of(settings); }
static size_t n_values(const void *settings) { return levels_of(settings).n; }
static size_t n_codes(const void *settings) { return (size_t)levels_of(settings).n_codes; }

static fig_tensor *encode(fig_graph *g, const void *settings, fig_tensor *x) {
    const config *c = settings;
    fig_convnet net = fig__convnet_of(&c->net);
    fig__fsq_levels l = levels_of(c);
    fig_enter(g, "encoder");
    fig_tensor *z = fig_cast(g, fig_conv_encoder(g, x, l.n, &net), FIG_F32);
    fig_leave(g);
    return fig__fsq_quantise(g, fig_reshape(g, z, 3, (int64_t[]){0, -1, (int64_t)l.n}), &l);
}

static fig_tensor *decode(fig_graph *g, const void *settings, fig_tensor *values) {
    const config *c = settings;
    fig_convnet net = fig__convnet_of(&c->net);
    int64_t side = (int64_t)side_of(c);
    fig_enter(g, "decoder");
    fig_tensor *z = fig_reshape(g, values, 4, (int64_t[]){0, side, side, (int64_t)levels_of(c).n});
    fig_tensor *x = fig_conv_decoder(g, z, (size_t)c->pictures.n_channels, &net);
    fig_leave(g);
    return x;
}

static int32_t code(const void *settings, const float *values) {
    fig__fsq_levels l = levels_of(settings);
    return fig__fsq_code(&l, values);
}
static void values_of(const void *settings, int32_t number, float *values) {
    fig__fsq_levels l = levels_of(settings);
    fig__fsq_values(&l, number, values);
}

static const fig_option rows[] = {
    {.help = "fsq: pictures to codes and back, by finite scalar quantisation"},
    FIG__PICTURE_ROWS(fig__tokenizer_config),
    FIG__CONVNET_ROWS("", config),
    {.name = "levels",
     .kind = FIG_OPT_STRING,
     .offset = offsetof(config, levels),
     .fallback = "8,6,5",
     .value = "N,N,N",
     .help = "steps of each latent of a place; their product is the number of codes (240; 8,5,5,5: 1000)"},
    FIG__CHOICE(fig__tokenizer_config, loss, "l2|l1", "l2", "what a wrong pixel costs: its square, or itself"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
const fig_tokenizer_net fig__fsq_net = {n_places, n_values, n_codes, encode, decode, code, values_of};
const fig_arch fig__arch_fsq = {.name = "fsq",
                                .family = &fig_family_tokenizer,
                                .net.tokenizer = &fig__fsq_net,
                                .summary = "pictures to codes and back: finite scalar quantisation",
                                .config_size = sizeof(config),
                                .options = &table,
                                .check = check,
                                .training = "{batch_size: 64, learning_rate: 1e-3, weight_decay: 0, beta2: 0.99, "
                                            "sample_count: 64}"};
