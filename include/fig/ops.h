/* fig/ops.h: the ops. Every one is recorded into a graph, checks shapes at the call, and returns NULL after an error.
 *
 * Types: an element-wise result has the type of the operand with the result's shape (of several: the wider), so that a
 * bf16 activation stays bf16 when an fp32 bias is added. Losses, softmax statistics and reductions to few numbers are
 * fp32. Views share memory with their source. Negative axes count from the end. */
#ifndef FIG_OPS_H
#define FIG_OPS_H
#include <fig/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- element-wise, with broadcasting as in NumPy ----------------------------------------------------------------*/
fig_tensor *fig_add(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_sub(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_mul(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_div(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_max(fig_graph *g, fig_tensor *a, fig_tensor *b); /* ties: the gradient goes to b */
fig_tensor *fig_min(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_gt(fig_graph *g, fig_tensor *a, fig_tensor *b); /* 1 or 0; no gradient */
fig_tensor *fig_ge(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_eq(fig_graph *g, fig_tensor *a, fig_tensor *b);
fig_tensor *fig_where(fig_graph *g, fig_tensor *cond, fig_tensor *a, fig_tensor *b); /* cond != 0 ? a : b */
fig_tensor *fig_add_scalar(fig_graph *g, fig_tensor *x, double c);
fig_tensor *fig_scale(fig_graph *g, fig_tensor *x, double c);
fig_tensor *fig_pow(fig_graph *g, fig_tensor *x, double exponent);
fig_tensor *fig_clamp(fig_graph *g, fig_tensor *x, double low, double high);
fig_tensor *fig_neg(fig_graph *g, fig_tensor *x);
fig_tensor *fig_abs(fig_graph *g, fig_tensor *x);
fig_tensor *fig_sign(fig_graph *g, fig_tensor *x);
fig_tensor *fig_round(fig_graph *g, fig_tensor *x); /* half to even; no gradient: fig_straight_through */
fig_tensor *fig_square(fig_graph *g, fig_tensor *x);
fig_tensor *fig_sqrt(fig_graph *g, fig_tensor *x);
fig_tensor *fig_rsqrt(fig_graph *g, fig_tensor *x);
fig_tensor *fig_recip(fig_graph *g, fig_tensor *x);
fig_tensor *fig_exp(fig_graph *g, fig_tensor *x);
fig_tensor *fig_log(fig_graph *g, fig_tensor *x);
fig_tensor *fig_sin(fig_graph *g, fig_tensor *x);
fig_tensor *fig_cos(fig_graph *g, fig_tensor *x);
fig_tensor *fig_tanh(fig_graph *g, fig_tensor *x);
fig_tensor *fig_erf(fig_graph *g, fig_tensor *x);
fig_tensor *fig_sigmoid(fig_graph *g, fig_tensor *x);
fig_tensor *fig_softplus(fig_graph *g, fig_tensor *x);
fig_tensor *fig_relu(fig_graph *g, fig_tensor *x);
fig_tensor *fig_relu2(fig_graph *g, fig_tensor *x); /* max(x, 0)^2 */
fig_tensor *fig_leaky_relu(fig_graph *g, fig_tensor *x, double slope);
fig_tensor *fig_silu(fig_graph *g, fig_tensor *x);
fig_tensor *fig_gelu(fig_graph *g, fig_tensor *x);                      /* exact, by erf */
fig_tensor *fig_gelu_tanh(fig_graph *g, fig_tensor *x);                 /* GPT-2's approximation ("gelu_new") */
fig_tensor *fig_swiglu(fig_graph *g, fig_tensor *gate, fig_tensor *up); /* silu(gate) * up */
/* Zero with probability p, the rest scaled by 1/(1-p), in FIG_TRAIN graphs; x itself elsewhere. The mask is keyed by
 * the module path and the sample number along axis 0. At most one per module path unless `fig_enter` separates them. */
fig_tensor *fig_dropout(fig_graph *g, fig_tensor *x, double p);
fig_tensor *fig_cast(fig_graph *g, fig_tensor *x, fig_dtype dtype);

/* --- gradients' own ---------------------------------------------------------------------------------------------*/
fig_tensor *fig_stop_gradient(fig_graph *g, fig_tensor *x);
/* The value of `value`, the gradient of x: straight-through estimation. Shapes agree. */
fig_tensor *fig_straight_through(fig_graph *g, fig_tensor *value, fig_tensor *x);

/* --- shape ------------------------------------------------------------------------------------------------------*/
fig_tensor *fig_contiguous(fig_graph *g, fig_tensor *x);
/* A 0 keeps the input's axis at that position, one -1 is worked out; so a reshape follows run-time extents. */
fig_tensor *fig_reshape(fig_graph *g, fig_tensor *x, int ndim, const int64_t *shape);
fig_tensor *fig_permute(fig_graph *g, fig_tensor *x, const int *axes);
fig_tensor *fig_transpose(fig_graph *g, fig_tensor *x, int axis_a, int axis_b);
/* [start, start+length) of an axis; a negative start counts from the end; length 0: to the end. */
fig_tensor *fig_slice(fig_graph *g, fig_tensor *x, int axis, int64_t start, size_t length);
/* Parts of sizes[i] along axis, as views; their gradient is one concatenation. n <= 8. */
bool fig_split(fig_graph *g, fig_tensor *x, int axis, int n, const size_t *sizes, fig_tensor **out);
fig_tensor *fig_concat(fig_graph *g, fig_tensor *const *x, int n, int axis);
/* before and after elements of `value` along axis. */
fig_tensor *fig_pad(fig_graph *g, fig_tensor *x, int axis, size_t before, size_t after, double value);
/* Repeats axes of extent 1 up to the extents of `like`; a view. */
fig_tensor *fig_broadcast_like(fig_graph *g, fig_tensor *x, fig_tensor *like);

/* --- picking ----------------------------------------------------------------------------------------------------
 * index: int32. Entries outside the table are an error of the caller's data and read row 0 in release. */
/* out[i..., :] = table[index[i...], :] ; table [n, c], out index's shape + [c] */
fig_tensor *fig_embedding(fig_graph *g, fig_tensor *table, fig_tensor *index);
/* As torch.gather: out[.., i, ..] = x[.., index[.., i, ..], ..] along axis; index has x's rank, other axes equal. */
fig_tensor *fig_gather(fig_graph *g, fig_tensor *x, int axis, fig_tensor *index);
/* The transpose of gather: zeros of extent n along axis, with x added at index. */
fig_tensor *fig_scatter_add(fig_graph *g, fig_tensor *x, int axis, fig_tensor *index, size_t n);

/* --- reductions -------------------------------------------------------------------------------------------------
 * Over one axis (kept with extent 1) or, with axis = FIG_ALL_AXES, to a single element [1]. fp32 results (fp64 in the
 * oracle). */
#define FIG_ALL_AXES 127
fig_tensor *fig_sum(fig_graph *g, fig_tensor *x, int axis);
fig_tensor *fig_mean(fig_graph *g, fig_tensor *x, int axis);
fig_tensor *fig_reduce_max(fig_graph *g, fig_tensor *x, int axis);

/* --- matrix products --------------------------------------------------------------------------------------------
 * op(A) [.., m, k] times op(B) [.., k, n]; op transposes the last two axes where trans_* is set. Leading axes agree, or
 * B has none. */
fig_tensor *fig_matmul(fig_graph *g, fig_tensor *a, fig_tensor *b, bool trans_a, bool trans_b);
/* x [.., in] times weight [out, in] transposed, plus bias [out] (may be NULL). */
fig_tensor *fig_linear_op(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias);

/* --- convolution ------------------------------------------------------------------------------------------------
 * Channels last: pictures [n, h, w, c], sequences [n, t, c]; weights [kh, kw, c / groups, o] and [k, c / groups, o];
 * bias [o], fp32, may be NULL. Group z reads the channels from z * c / groups on and gives the outputs from
 * z * o / groups on. Settings of a sequence are those of the second axis. NULL options: all as usual. */
typedef struct fig_conv_options {
    size_t stride[2], dilation[2], groups; /* 0: 1 */
    size_t padding[4];                     /* top, bottom, left, right */
    size_t output_padding[2];              /* of the transpose: more rows and columns, where the stride has a choice */
} fig_conv_options;
fig_tensor *fig_conv2d_op(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias,
                          const fig_conv_options *options);
fig_tensor *fig_conv1d_op(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias,
                          const fig_conv_options *options);
/* The transpose of the map above, with the same weights: takes o channels and gives c, on
 * (oh - 1) * stride + dilation * (kh - 1) + 1 + output_padding - padding rows. */
fig_tensor *fig_conv2d_transpose_op(fig_graph *g, fig_tensor *y, fig_tensor *weight, fig_tensor *bias,
                                    const fig_conv_options *options);
fig_tensor *fig_conv1d_transpose_op(fig_graph *g, fig_tensor *y, fig_tensor *weight, fig_tensor *bias,
                                    const fig_conv_options *options);

/* --- resampling along one axis ----------------------------------------------------------------------------------*/
#define FIG_MAX_TAPS 32
/* upfirdn: up - 1 zeros behind each element, `before` and `after` zeros at the ends (negative: elements cut off), the
 * taps slide over that, and every down-th result is kept. */
typedef struct fig_fir {
    size_t up, down, n_taps;
    int64_t before, after;
    double taps[FIG_MAX_TAPS];
} fig_fir;
fig_tensor *fig_resample_fir(fig_graph *g, fig_tensor *x, int axis, const fig_fir *fir);
/* n elements, each the mean of its share of the axis, shares overlapping where n does not divide it: adaptive average
 * pooling. */
fig_tensor *fig_adaptive_mean(fig_graph *g, fig_tensor *x, int axis, size_t n);
/* To n elements, with a filter as wide as the step where it is longer than 1 (antialiasing), as Pillow resizes. */
typedef enum fig_resize_kind { FIG_RESIZE_LINEAR, FIG_RESIZE_CUBIC, FIG_RESIZE_LANCZOS } fig_resize_kind;
fig_tensor *fig_resize(fig_graph *g, fig_tensor *x, int axis, size_t n, fig_resize_kind kind);

/* --- pixels and channels ----------------------------------------------------------------------------------------
 * [n, h, w, r*r*c] to [n, h*r, w*r, c], channel (i*r + j)*c + k becoming channel k of pixel (i, j) of its square; and
 * back. */
fig_tensor *fig_pixel_shuffle(fig_graph *g, fig_tensor *x, size_t r);
fig_tensor *fig_pixel_unshuffle(fig_graph *g, fig_tensor *x, size_t r);
/* The largest of each k x k square of [n, h, w, c]; k divides h and w. */
fig_tensor *fig_max_pool2d(fig_graph *g, fig_tensor *x, size_t k);

/* --- noise ------------------------------------------------------------------------------------------------------
 * Normal numbers of mean 0 and variance 1 in the shape of `like`, in every mode, keyed by the module path and the
 * sample number along axis 0: at most one per module path unless fig_enter separates them. */
fig_tensor *fig_noise(fig_graph *g, fig_tensor *like);

/* --- constants ----------------------------------------------------------------------------------------------------
 * Numbers that the graph itself knows: copied at the call. dtype is FIG_I32 (int32_t) or FIG_F32 (float). */
fig_tensor *fig_constant(fig_graph *g, fig_dtype dtype, int ndim, const size_t *shape, const void *values);

/* --- state ------------------------------------------------------------------------------------------------------
 * state += rate * (value - state) in every run of the graph that is not dry, in the order of recording: what is
 * recorded after it reads the new state. Whether the gradient of the step turns out finite makes no difference. */
void fig_state_update(fig_graph *g, fig_tensor *state, fig_tensor *value, double rate);

/* --- norms over the last axis -----------------------------------------------------------------------------------
 * gain and bias [c], fp32, may be NULL. */
fig_tensor *fig_layer_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, double eps);
fig_tensor *fig_rms_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, double eps);
/* Over all axes but the first, of each of `groups` runs of channels of x [n, .., c]. */
fig_tensor *fig_group_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, size_t groups,
                              double eps);
/* Over all axes but the last, per channel; *mean and *var [1, c], of this batch and biased, carry no gradient. */
fig_tensor *fig_batch_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, double eps,
                              fig_tensor **mean, fig_tensor **var);
fig_tensor *fig_softmax(fig_graph *g, fig_tensor *x); /* over the last axis */

/* --- attention --------------------------------------------------------------------------------------------------*/
/* Angles of rotary embedding for positions [b or 1, t] (int32): cos [b,t,half] and sin [b,t,half], fp32, with frequency
 * theta^(-i/half). */
bool fig_rope_angles(fig_graph *g, fig_tensor *positions, size_t half, double theta, fig_tensor **cos,
                     fig_tensor **sin);
/* For pixels: the first half of the frequencies turns with the row, the other with the column; half is even. */
bool fig_rope_angles_2d(fig_graph *g, fig_tensor *rows, fig_tensor *columns, size_t half, double theta,
                        fig_tensor **cos, fig_tensor **sin);
/* Rotates the first 2*half elements of each head of x [b,t,h,d]. interleaved: pairs (2i, 2i+1), else (i, i+half). */
fig_tensor *fig_rope(fig_graph *g, fig_tensor *x, fig_tensor *cos, fig_tensor *sin, bool interleaved);

typedef struct fig_attention_options {
    double scale;                       /* 0: 1/sqrt(head width) */
    bool causal;                        /* queries stand at the end of the keys */
    size_t window;                      /* > 0: each query sees this many keys, itself included */
    double softcap;                     /* > 0: scores become cap * tanh(score / cap) */
    double dropout;                     /* on probabilities, in FIG_TRAIN graphs */
    fig_tensor *q_len, *kv_len;         /* [b] int32, or NULL */
    fig_tensor *q_segment, *kv_segment; /* [b, t] int32: a query sees keys of its own segment only; or NULL */
    int layer;                          /* which layer of the cache (FIG_PREFILL, FIG_DECODE) */
} fig_attention_options;
/* q [b,tq,h,d], k and v [b,tk,hkv,d] -> [b,tq,h,d]; h a multiple of hkv. In FIG_PREFILL and FIG_DECODE graphs k and v
 * are appended to the cache of the run first and attention is over the cache. */
fig_tensor *fig_attention(fig_graph *g, fig_tensor *q, fig_tensor *k, fig_tensor *v,
                          const fig_attention_options *options);

/* --- losses -----------------------------------------------------------------------------------------------------
 * target int32, < 0: ignored (loss 0). Results fp32, one per row. */
/* logits [.., n_class padded]; n_class: how many count (0: all). */
fig_tensor *fig_cross_entropy(fig_graph *g, fig_tensor *logits, fig_tensor *target, size_t n_class);
/* -log of the probability of target under independent sigmoid(logit), summed over the last axis: [.., c] -> [..].
 * target in 0 .. 1, [.., c], to which no gradient flows; with fewer rows than logits, each counts for as many
 * consecutive rows (the samples of one picture). */
fig_tensor *fig_binary_cross_entropy(fig_graph *g, fig_tensor *logits, fig_tensor *target);
/* Cross-entropy of x [.., c] times weight [v, c] transposed plus bias [v] (fp32, may be NULL), in chunks of rows, so
 * that the logits [.., v] never exist as a whole. n_class <= v: the rest of weight is padding. */
fig_tensor *fig_linear_cross_entropy(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias,
                                     fig_tensor *target, size_t n_class);
/* sum(loss over rows) / max(1, count), count [1] fp32 given by the caller: the tokens of the whole batch, not of this
 * part of it. */
fig_tensor *fig_masked_mean(fig_graph *g, fig_tensor *loss, fig_tensor *count);

#ifdef __cplusplus
}
#endif
#endif
