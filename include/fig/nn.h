/* fig/nn.h: the layers that models are written in. Each creates its parameters under the current module path
 * (fig_enter), named as PyTorch names them: <path>.<name>.weight, <path>.<name>.bias. */
#ifndef FIG_NN_H
#define FIG_NN_H
#include <fig/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FIG_NO_BIAS = 0, FIG_BIAS = 1 };

/* x [.., in] -> [.., out]. Weight [out, in], normal with standard deviation std; bias zeros. */
fig_tensor *fig_linear(fig_graph *g, const char *name, fig_tensor *x, size_t out, int bias, double std);
/* Rows of a table [n, c], normal with standard deviation std; *table, if asked for, is the table itself (for a tied
 * head). */
fig_tensor *fig_embed(fig_graph *g, const char *name, fig_tensor *index, size_t n, size_t c, double std,
                      fig_tensor **table);
/* Gain ones; bias zeros, or none. */
fig_tensor *fig_layer_norm(fig_graph *g, const char *name, fig_tensor *x, int bias, double eps);
fig_tensor *fig_rms_norm(fig_graph *g, const char *name, fig_tensor *x, double eps);

/* --- transformers -----------------------------------------------------------------------------------------------*/
typedef enum fig_norm_kind { FIG_NORM_LAYER, FIG_NORM_RMS } fig_norm_kind;
typedef enum fig_mlp_kind { FIG_MLP_GELU, FIG_MLP_GELU_TANH, FIG_MLP_SWIGLU, FIG_MLP_RELU2 } fig_mlp_kind;

/* x + attention(norm(x)), then x + mlp(norm(x)); with post_norm, as transformers began (Vaswani et al. 2017),
 * norm(x + attention(x)), then norm(x + mlp(x)). */
typedef struct fig_block {
    size_t n_head, n_kv_head, head_dim, ffn_dim;
    fig_norm_kind norm;
    fig_mlp_kind mlp;
    bool bias, post_norm, qk_norm, rope_interleaved;
    double norm_eps, dropout;
    double std, residual_std; /* of the first weights; of those that write into the residual stream */
    fig_tensor *cos, *sin;    /* of rotary positions, or NULL */
    fig_attention_options attention;
} fig_block;
/* x [b, t, c] -> [b, t, c]. */
fig_tensor *fig_transformer_block(fig_graph *g, fig_tensor *x, const fig_block *block);
fig_tensor *fig_block_norm(fig_graph *g, const char *name, fig_tensor *x, const fig_block *block);

/* --- pictures, channels last ------------------------------------------------------------------------------------*/
typedef struct fig_conv_layer {
    size_t kernel[2];
    fig_conv_options options;
    bool no_bias;
    double std; /* of the first weights */
} fig_conv_layer;
/* x [n, h, w, c] -> [n, oh, ow, out]. Weight [kh, kw, c / groups, out]; bias zeros. */
fig_tensor *fig_conv2d(fig_graph *g, const char *name, fig_tensor *x, size_t out, const fig_conv_layer *layer);
/* The transpose: weight [kh, kw, out / groups, c]. */
fig_tensor *fig_conv2d_transpose(fig_graph *g, const char *name, fig_tensor *x, size_t out,
                                 const fig_conv_layer *layer);
/* Over the pixels and the channels of each group of one picture (Wu and He 2018). Gain ones, bias zeros. */
fig_tensor *fig_group_norm(fig_graph *g, const char *name, fig_tensor *x, size_t groups, double eps);
/* Over all pixels of the batch, per channel (Ioffe and Szegedy 2015); outside training with the running mean and
 * (unbiased) variance, which each training run moves towards its own by momentum (PyTorch's 0.1). */
fig_tensor *fig_batch_norm(fig_graph *g, const char *name, fig_tensor *x, double momentum, double eps);
/* Twice as many pixels along both axes, zeros put in and smoothed by [1, 2, 1] / 2; half as many, smoothed by [1, 2, 1]
 * / 4 and every second one kept. But for a factor each is the other's transpose. */
fig_tensor *fig_upsample2(fig_graph *g, fig_tensor *x);
fig_tensor *fig_downsample2(fig_graph *g, fig_tensor *x);
/* Spread and back, with a residual around it (Xie et al. 2017; without norms, as in Huang et al. 2024): 1x1 to expand
 * times as many channels, 3x3 inside of groups of group_size, 1x1 back; leaky ReLUs between. The last one begins at
 * zero, so that the block begins as the identity; std is that of the others times the root of what each output sees. */
typedef struct fig_bottleneck {
    size_t expand, group_size;
    double slope, std;
} fig_bottleneck;
/* Parameters expand, mix and shrink under the current path. */
fig_tensor *fig_bottleneck_block(fig_graph *g, fig_tensor *x, const fig_bottleneck *block);

/* x [n, h, w, c] -> [n, h, w, out]: GroupNorm, SiLU and a 3 x 3 convolution, twice, beside x itself (brought to `out`
 * channels by a 1 x 1 convolution where it has others). The second convolution begins as zeros. c and out are multiples
 * of 8. */
fig_tensor *fig_residual_block(fig_graph *g, fig_tensor *x, size_t out);
/* To half the height and width, by 3 x 3 weights at every second pixel; to twice, by the transpose of 4 x 4 ones. */
fig_tensor *fig_downsample(fig_graph *g, const char *name, fig_tensor *x, size_t out);
fig_tensor *fig_upsample(fig_graph *g, const char *name, fig_tensor *x, size_t out);

/* An encoder of pictures and its mirror image, residual blocks on n_level sizes, each half of the one before. */
typedef struct fig_convnet {
    size_t width;   /* channels at full size, a multiple of 8; twice as many at all smaller ones */
    size_t n_level; /* sizes, at least 1 */
    size_t n_block; /* residual blocks at each */
} fig_convnet;
/* By how much sides shrink; they must be multiples of it. */
size_t fig_convnet_factor(const fig_convnet *c);
/* x [n, h, w, c] -> [n, h/f, w/f, out], and back. */
fig_tensor *fig_conv_encoder(fig_graph *g, fig_tensor *x, size_t out, const fig_convnet *c);
fig_tensor *fig_conv_decoder(fig_graph *g, fig_tensor *z, size_t out, const fig_convnet *c);

#ifdef __cplusplus
}
#endif
#endif
