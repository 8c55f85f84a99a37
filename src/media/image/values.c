/* media/image/values.c: see values.h. */
#include "media/image/values.h"
#include <math.h>

#define MOST 255.0

void fig__image_to_values(const uint8_t *pixels, size_t n, size_t c, double low, float *out) {
    double step = (1 - low) / MOST;
    for (size_t i = 0; i < n * c; i++) out[i] = (float)(low + step * pixels[i]);
    for (size_t i = 0; i < n && c == 4; i++)
        for (size_t k = 0; k < 3; k++)
            out[i * c + k] = (float)(low + step * pixels[i * c + k] * (pixels[i * c + 3] / MOST));
}

static uint8_t byte_of(double v) { return v >= MOST ? 255 : v > 0 ? (uint8_t)(v + 0.5) : 0; }

void fig__image_from_values(const float *values, size_t n, size_t c, double low, uint8_t *out) {
    double scale = MOST / (1 - low);
    for (size_t i = 0; i < n; i++) {
        double alpha = 1;
        if (c == 4) alpha = fmin(fmax(((double)values[i * c + 3] - low) / (1 - low), 0), 1);
        for (size_t k = 0; k < c; k++) {
            double v = ((double)values[i * c + k] - low) * scale;
            bool hidden = k < 3 && alpha < 0.5 / MOST;
            out[i * c + k] = hidden ? 0 : byte_of(k < 3 ? v / alpha : v);
        }
    }
}
