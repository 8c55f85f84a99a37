/* base/resize.c: see resize.h. */
#include "base/resize.h"
#include <math.h>

static double support_of(fig__resize_filter f) { return f == FIG__RESIZE_LINEAR ? 1 : f == FIG__RESIZE_CUBIC ? 2 : 3; }

static double sinc(double x) { return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x); }

/* The cubic is Keys' with a = -1/2. */
static double filter_at(fig__resize_filter f, double x) {
    x = fabs(x);
    if (x >= support_of(f)) return 0;
    if (f == FIG__RESIZE_LINEAR) return 1 - x;
    if (f == FIG__RESIZE_CUBIC) return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return sinc(x) * sinc(x / 3);
}

size_t fig__resize_most(fig__resize_filter f, size_t n_in, size_t n_out) {
    double wide = fmax((double)n_in / (double)FIG_MAX(n_out, 1), 1);
    return FIG_MIN((size_t)ceil(2 * support_of(f) * wide) + 2, n_in);
}

size_t fig__resize_weights(fig__resize_filter f, size_t n_in, size_t n_out, size_t at, size_t *first, double *weights) {
    double scale = (double)n_in / (double)n_out, wide = fmax(scale, 1), centre = ((double)at + 0.5) * scale;
    double reach = support_of(f) * wide, sum = 0;
    size_t low = (size_t)fmax(floor(centre - reach), 0), high = (size_t)fmin(ceil(centre + reach), (double)n_in);
    for (size_t i = low; i < high; i++) sum += weights[i - low] = filter_at(f, ((double)i + 0.5 - centre) / wide);
    for (size_t i = low; i < high; i++) weights[i - low] /= sum;
    *first = low;
    return high - low;
}
