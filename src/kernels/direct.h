/* kernels/direct.h: convolutions that read pictures in place (direct.c), a way of conv.c's. */
#ifndef FIG_KERNELS_DIRECT_H
#define FIG_KERNELS_DIRECT_H
#include "kernels/gemm.h"

/* The kernels that a convolution goes this way with, or NULL: it has more than one tap, its sizes pay (`fits` in
 * direct.c; of the transpose x's channels are the outputs), and the level has a kernel for its types. */
const figk_gemm_leaf *fig__conv_direct_leaf(const fig_context *fig, figk_conv_what what, const figk_conv *c);

void fig__conv_direct(fig_context *fig, const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c);
/* Fewer pictures, or smaller ones, never need more. */
size_t fig__conv_direct_scratch(const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c);
size_t fig__conv_direct_workspace(const figk_gemm_leaf *leaf, figk_conv_what what, const figk_conv *c);

#endif
