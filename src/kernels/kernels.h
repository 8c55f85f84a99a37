/* kernels/kernels.h: the only code that touches tensor data.
 *
 * A kernel takes pointers and sizes, runs on one thread and does one piece of work; ops cut the work into tiles
 * (fig__parallel) and call kernels for each. kernels.def lists every kernel once; the table below, the dispatch
 * (cpu.c) and the tests are re-inclusions of it. At start the table holds the scalar versions of ref/ (float),
 * then every level that the CPU and the OS allow overrides the entries it has a faster version of. The same scalar
 * sources compiled with double form a second table, the oracle that gradient checks run on.
 *
 * Conventions. `real` is float in the ordinary tables and double in the oracle; a `void *` without a type beside it
 * points to real. Activations and weights are `const void *x, fig_dtype xt`: F32 and BF16 in the ordinary tables, and
 * also F64 in the oracle. Sizes and strides count elements. Arithmetic is in real whatever the storage type. Results
 * may not depend on the alignment of pointers, nor on anything that a neighbouring tile does. Outputs may be the same
 * array as an input only where it says "in place". */
#ifndef FIG_KERNELS_H
#define FIG_KERNELS_H
#include "base/base.h"
#include "base/rng.h"

/* What a kernel runs in. A stream of another backend will stand here. */
typedef struct figk_ctx {
    fig_context *fig;
    int thread; /* 0 .. n_threads-1: finds scratch */
} figk_ctx;

/* --- element-wise: blocks of real, at most FIGK_BLOCK long, in L1 --------------------------------------------
 * Chains of element-wise ops run block by block: load converts (and broadcasts, stride 0) into real, micro-ops of
 * ew.def work on whole blocks, store converts back. In place is allowed everywhere. */
#define FIGK_BLOCK 1024
typedef void figk_ew_fn(size_t n, void *y, const void *a, const void *b, const void *c, const double *p);
typedef enum figk_ew {
#define FIGK_EW(name, n_in, expr) FIGK_EW_##name,
#include "kernels/ew.def"
#undef FIGK_EW
    FIGK_EW_COUNT
} figk_ew;

/* --- norms ----------------------------------------------------------------------------------------------------*/
typedef enum figk_norm { FIGK_LAYERNORM, FIGK_RMSNORM } figk_norm;
typedef struct figk_norm_args {
    size_t rows, cols;
    figk_norm kind;
    double eps;
    const void *x; fig_dtype xt;        /* [rows, cols] */
    const void *gain, *bias;            /* real [cols], or NULL */
    void *y; fig_dtype yt;              /* [rows, cols]; forward */
    void *mean, *rstd;                  /* real [rows]: written forward, or NULL; read backward. RMSNorm: no mean */
    const void *dy; fig_dtype dyt;      /* backward */
    void *dx; fig_dtype dxt;
    void *dgain, *dbias;                /* real [cols], overwritten with the sums over these rows; or NULL */
} figk_norm_args;

/* --- attention ------------------------------------------------------------------------------------------------
 * O = softmax(mask(softcap(scale * Q K^T))) V without a T x T buffer: blockwise softmax with a running maximum
 * (Dao et al., FlashAttention-2, 2023). Query i of sequence b stands at position  kv_len[b] - q_len[b] + i ; with
 * `causal` it sees key j <= position, with `window` w > 0 also only j > position - w. Queries past q_len give zeros
 * (and no gradient), keys past kv_len are unseen, a query that sees no key gives zeros. Segments: query and key see
 * each other only where the numbers are equal. Soft cap: s = cap * tanh(s / cap). Dropout acts on probabilities with
 * key (sample = sample0 + b, element = (head * q_max + i) * kv_max + j, q_max and kv_max the array extents).
 * GQA: query head h uses kv head h / (n_head / n_kv_head). */
typedef struct figk_attn {
    size_t n_batch, n_head, n_kv_head, head_dim;
    size_t q_max, kv_max;                 /* extents of the time axes of q and of k, v */
    fig_dtype type;                       /* of q, k, v, o and their gradients */
    double scale, softcap;                /* softcap 0: none */
    bool causal;
    size_t window;                        /* 0: none */
    const int32_t *q_len, *kv_len;        /* [n_batch], or NULL: full */
    const int32_t *q_segment, *kv_segment;/* [n_batch, q_max], [n_batch, kv_max], or both NULL */
    double dropout;
    fig_rng_key key;
    uint64_t sample0;
    /* strides in elements: [0] batch, [1] time, [2] head; the head's elements are contiguous */
    const void *q, *k, *v; size_t q_stride[3], k_stride[3], v_stride[3];
    /* Instead of k and v: a blocked cache. Block i of sequence b holds positions i*block_len .. of all kv heads, laid
     * out by k_stride[1], k_stride[2] (v the same); k_blocks[b * blocks_max + i]. */
    const void *const *k_blocks, *const *v_blocks; size_t blocks_max, block_len;
    void *o; size_t o_stride[3];
    void *lse;                            /* real [n_batch, n_head, q_max]: log-sum-exp of scores; -inf: saw no key */
    /* backward: reads o, lse, d_o; writes dq, dk, dv (whole, padding as zeros) */
    const void *d_o; size_t do_stride[3];
    void *dq, *dk, *dv; size_t dq_stride[3], dk_stride[3], dv_stride[3];
} figk_attn;
/* The drivers (attention.c) cut by (batch, head, block of queries) forward and by (batch, kv head) backward. */
void figk_attention_forward(fig_context *fig, const figk_attn *a);
void figk_attention_backward(fig_context *fig, const figk_attn *a);
/* Bytes of fig__scratch that one thread needs for either direction. */
size_t figk_attention_scratch(const fig_context *fig, const figk_attn *a, bool backward);

/* --- patches --------------------------------------------------------------------------------------------------
 * Pictures [n, h, w, c] seen as the matrix that a convolution multiplies with (im2col), which is never written out
 * whole: row (picture, oy, ox), column (ky, kx, channel) of one group, zero where the window leaves the picture. */
typedef struct figk_patches {
    const void *x; fig_dtype type;
    size_t n, h, w, c;
    size_t oh, ow, kh, kw;
    size_t stride_h, stride_w, dilation_h, dilation_w;
    ptrdiff_t pad_top, pad_left;          /* negative: cut off */
    size_t channels;                      /* of a group */
} figk_patches;
/* dst[i * ld + j] = row row0 + i, column col0 + j, for channels from channel0 on; zeros from cols to cols_padded. */
void figk_patches_read(const figk_patches *p, size_t channel0, size_t row0, size_t rows, size_t col0, size_t cols,
                       size_t cols_padded, void *dst, size_t ld);

/* --- matrix product -------------------------------------------------------------------------------------------
 * C[m,n] = alpha * op(A)[m,k] op(B)[k,n] + beta * C + bias[n], for each of `batch` matrices. Accumulates in real over k
 * in one fixed order per output element: the bits of a row do not depend on m, on the batch, nor on the threads.
 * Both operands BF16: products of bf16 pairs, sums in fp32 (AMX or AVX512-BF16 where there is one, else widened);
 * any other mix is computed in real. k may be 0 (C = beta*C + bias). beta = 0 never reads C. */
typedef struct figk_gemm {
    size_t m, n, k, batch;                       /* batch >= 1 */
    const void *a; fig_dtype at; bool a_trans;   /* stored [m,k], or [k,m] when a_trans; lda: between stored rows */
    const void *b; fig_dtype bt; bool b_trans;   /* stored [k,n], or [n,k] when b_trans */
    void *c; fig_dtype ct;                       /* [m,n] */
    size_t lda, ldb, ldc;
    size_t a_step, b_step, c_step;               /* elements between matrices of a batch; 0 repeats the same one */
    double alpha, beta;
    const void *bias; size_t bias_step;          /* real [n] for each matrix, or NULL */
    /* Instead of a, lda and a_step: patches of type `at`, [m,k], or transposed when a_trans. Matrix z of a batch takes
     * the channels from z * channels on. */
    const figk_patches *patches;
    /* Decoding: few rows, every weight read once, the order over k made for that; again the same bits for a row
     * whatever m is. The caller sets it by what it is doing (decode), never by m. */
    bool decode;
    /* figk_gemm_workspace bytes, 64-byte aligned, for packed operands; contents do not matter before and after. */
    void *workspace;
} figk_gemm;
void figk_gemm_run(fig_context *fig, const figk_gemm *g);
/* What run needs: bytes of fig__scratch per thread, and of the workspace that all threads share (the pointers of g are
 * not looked at). Fewer rows or a smaller batch never need more of the workspace. */
size_t figk_gemm_scratch(const fig_context *fig, const figk_gemm *g);
size_t figk_gemm_workspace(const fig_context *fig, const figk_gemm *g);
/* --- convolution ----------------------------------------------------------------------------------------------
 * y [n, oh, ow, o] = x [n, h, w, c] * w [kh, kw, c / groups, o], channels last in both. Group z reads the channels from
 * z * c / groups on and gives the outputs from z * o / groups on. The transpose goes from y to x and is the gradient
 * of x as well as a layer of its own; weights is the gradient of w, in real. */
typedef struct figk_conv {
    size_t n, h, w, c, oh, ow, o, kh, kw, groups;
    size_t stride[2], dilation[2];
    ptrdiff_t pad[2];                     /* top, left */
    void *x; fig_dtype xt;
    void *y; fig_dtype yt;
    void *weight; fig_dtype wt;
    const void *bias;                     /* real, one per channel of the result; or NULL */
    void *workspace;
} figk_conv;
typedef enum figk_conv_what { FIGK_CONV, FIGK_CONV_TRANSPOSE, FIGK_CONV_WEIGHTS } figk_conv_what;
void figk_conv_run(fig_context *fig, figk_conv_what what, const figk_conv *c);
size_t figk_conv_scratch(const fig_context *fig, figk_conv_what what, const figk_conv *c);
size_t figk_conv_workspace(const fig_context *fig, figk_conv_what what, const figk_conv *c);

/* How a level multiplies (kernels/gemm.h): panels, packing and geometry. */
typedef struct figk_gemm_leaf figk_gemm_leaf;

/* --- what this machine can do at best, measured for about a third of a second --------------------------------------
 * Multiply-adds of the context's level in registers alone, two operations each, per second, on n_threads. */
double figk_peak_flops(fig_context *fig, fig_dtype type, int n_threads);
/* Bytes per second that all threads together read from an array of so many bytes; 0 when there is no memory for it. */
double figk_read_bandwidth(fig_context *fig, size_t bytes);
/* The same, each thread from 256 KiB of its own, which stay in its second-level cache. */
double figk_cache_bandwidth(fig_context *fig);

/* --- optimizers -----------------------------------------------------------------------------------------------*/
typedef struct figk_adamw_args {
    size_t n;
    float *p;              /* masters, updated */
    const float *g;        /* gradients */
    float *m, *v;          /* moments, updated */
    void *copy; fig_dtype copy_type; /* compute copy rewritten in the same pass; or NULL */
    float *ema;            /* or NULL: ema += (1 - ema_decay) * (p - ema) */
    float grad_scale;      /* gradients are multiplied by it first (clipping) */
    float lr, beta1, beta2, eps, weight_decay; /* decoupled decay: p -= lr * weight_decay * p */
    float bias1, bias2;    /* 1 - beta^t */
    float ema_decay;
} figk_adamw_args;

/* --- the table ------------------------------------------------------------------------------------------------*/
typedef struct figk_table {
    figk_ew_fn *ew[FIGK_EW_COUNT];
#define KERNEL(ret, name, params) ret (*name) params;
#include "kernels/kernels.def"
#undef KERNEL
} figk_table;

typedef enum figk_level { FIGK_SCALAR, FIGK_AVX2, FIGK_AVX512, FIGK_AVX512BF16, FIGK_AMX, FIGK_LEVEL_COUNT } figk_level;

const figk_table *figk(const fig_context *fig);  /* of the context's level, float */
const figk_table *figk_oracle(void);             /* scalar, double */
const figk_table *figk_at(figk_level level);     /* NULL when this machine lacks it */
figk_level figk_best_level(void);                /* what CPU and OS allow */
figk_level figk_usual_level(void);               /* the fastest: where pairs are slow, bf16 is multiplied as fp32 */
bool figk_fast_pairs(void);                      /* whether vdpbf16ps does more than the two FMAs that it replaces */
const char *figk_level_name(figk_level level);   /* "scalar" "avx2" "avx512" "avx512bf16" "amx" */
fig_status figk_init(fig_context *fig, const char *level_name); /* NULL: FIG_CPU, else the best */

/* Converts on the calling thread in fixed tiles over all threads. */
void figk_convert(fig_context *fig, size_t n, void *y, fig_dtype yt, const void *x, fig_dtype xt);

#endif
