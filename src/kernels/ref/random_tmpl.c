/* kernels/ref/random_tmpl.c: dropout masks. */
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

void REF(fill_random)(figk_table *t) { t->dropout_mask = REF(dropout_mask); }
