/* base/resize.h: which neighbours make a pixel when the number of pixels along an axis changes, and with which weights:
 * Pillow's way. The filter widens where the axis gets shorter (antialiasing); weights of one output sum to 1. */
#ifndef FIG_RESIZE_H
#define FIG_RESIZE_H
#include "base.h"

typedef enum fig__resize_filter { FIG__RESIZE_LINEAR, FIG__RESIZE_CUBIC, FIG__RESIZE_LANCZOS } fig__resize_filter;

/* The most neighbours that any output has. */
size_t fig__resize_most(fig__resize_filter f, size_t n_in, size_t n_out);
/* Of output `at`: inputs *first to *first + n - 1, n being the result; weights[n], at least fig__resize_most long. */
size_t fig__resize_weights(fig__resize_filter f, size_t n_in, size_t n_out, size_t at, size_t *first, double *weights);

#endif
