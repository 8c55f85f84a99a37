/* kernels/ref/random_tmpl.c: dropout masks, normal numbers. */
#include "real.h"

void REF(dropout_mask)(size_t n, void *y, const fig_rng_key *key, uint64_t sample, uint64_t element0, double p) {
    double limit = p * 0x1p32;
    real keep = R(p < 1 ? 1 / (1 - p) : 0);
    uint32_t words[4];
    for (size_t i = 0; i < n; i++) {
        uint64_t element = element0 + i;
        if (i == 0 || element % 4 == 0) fig__rng_block(key, sample, element / 4, words);
        ((real *)y)[i] = words[element % 4] < limit ? 0 : keep;
    }
}

void REF(normals)(size_t n, void *y, const fig_rng_key *key, uint64_t sample, uint64_t element0) {
    uint32_t words[4];
    for (size_t i = 0; i < n; i++) {
        uint64_t element = element0 + i, pair = element % 4 / 2 * 2;
        if (i == 0 || element % 4 == 0) fig__rng_block(key, sample, element / 4, words);
        real u = (R(words[pair] >> 9) + R(0.5)) * R(0x1p-23), angle = R(words[pair + 1] >> 8) * R(0x1p-24);
        real radius = m_sqrt(-2 * m_log(u)), t = R(6.283185307179586477) * angle;
        ((real *)y)[i] = radius * (element % 2 ? m_sin(t) : m_cos(t));
    }
}

void REF(fill_random)(figk_table *t) {
    t->dropout_mask = REF(dropout_mask);
    t->normals = REF(normals);
}
