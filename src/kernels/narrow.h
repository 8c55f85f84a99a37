/* kernels/narrow.h: convolutions in narrow groups (narrow.c), a way of conv.c's. */
#ifndef FIG_KERNELS_NARROW_H
#define FIG_KERNELS_NARROW_H
#include "kernels/kernels.h"

/* Whether y = conv(x, w), or w from x and y, goes this way: at strides of 1, with no more outputs to a group than a
 * vector has lanes, where the level has a kernel for it. */
bool fig__conv_is_narrow(const fig_context *fig, bool weights, const figk_conv *c);
void fig__conv_narrow(fig_context *fig, const figk_conv *c);
void fig__conv_narrow_weights(fig_context *fig, const figk_conv *c);
size_t fig__conv_narrow_scratch(const fig_context *fig, bool weights, const figk_conv *c);
/* Fewer pictures, or smaller ones, never need more. */
size_t fig__conv_narrow_workspace(const fig_context *fig, bool weights, const figk_conv *c);

#endif
