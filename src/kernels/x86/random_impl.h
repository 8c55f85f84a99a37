/* kernels/x86/random_impl.h: dropout masks, 4 VL elements at a time. */
#include "vec_kernel.h"
#include "vec_rng.h"
#include <math.h>

#ifdef VL
#define GROUP (4 * (size_t)VL)

/* Masks of whole groups; element0 is a multiple of 4, the block number keeps its upper half. */
static void mask_groups(size_t n_groups, float *y, const v_random *random, uint64_t block, uint64_t limit, float keep) {
    for (size_t i = 0; i < n_groups; i++) {
        vi words[4];
        v_random_words(random, block + i * VL, words);
        for (size_t c = 0; c < 4; c++)
            v_store(y + i * GROUP + c * VL, v_sel(v_below(words[c], limit), v_zero(), v_set1(keep)));
    }
}

void ISA(dropout_mask)(size_t n, void *vy, const fig_rng_key *key, uint64_t sample, uint64_t element0, double p) {
    float *y = vy;
    uint64_t head = FIG_MIN(n, (size_t)(-element0 & 3)), block = (element0 + head) / 4;
    size_t groups = (n - head) / GROUP;
    bool same_upper_half = (block + groups * VL) >> 32 == block >> 32;
    if (!(p > 0 && p < 1) || !same_upper_half) {
        figk_dropout_mask__ref_f32(n, y, key, sample, element0, p);
        return;
    }
    v_random random = v_random_of(key, sample);
    size_t done = head + groups * GROUP;
    figk_dropout_mask__ref_f32(head, y, key, sample, element0, p);
    mask_groups(groups, y + head, &random, block, (uint64_t)ceil(p * 0x1p32), (float)(1 / (1 - p)));
    figk_dropout_mask__ref_f32(n - done, y + done, key, sample, element0 + done, p);
}

void ISA_FILL(random)(figk_table *t) { t->dropout_mask = ISA(dropout_mask); }
#endif
