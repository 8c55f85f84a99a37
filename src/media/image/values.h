/* media/image/values.h: 8-bit samples to the numbers that models learn, and back. Colours of RGBA pictures have their
 * alpha multiplied in, so that what cannot be seen is one colour, black. */
#ifndef FIG_IMAGE_VALUES_H
#define FIG_IMAGE_VALUES_H
#include "base/base.h"

/* 0 to 255 become low to 1; low is 0 or -1. n: pixels; out [n, c]. */
void fig__image_to_values(const uint8_t *pixels, size_t n, size_t c, double low, float *out);
/* Rounded and clamped; alpha is divided out again. */
void fig__image_from_values(const float *values, size_t n, size_t c, double low, uint8_t *out);

#endif
