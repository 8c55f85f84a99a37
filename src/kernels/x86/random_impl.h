/* kernels/x86/random_impl.h: dropout masks and normal numbers, 4 VL elements at a time. */
#include "vec_kernel.h"
#include "vec_math.h"
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

/* Even lanes hold the word of the radius, odd lanes that of the angle: each pair of lanes needs both. */
V_FN vf normals_of(vi words) {
    vm even = v_ieq(v_iand(v_iota(), v_iset1(1)), v_iset1(0));
    vf own = v_floats(words), other = v_swap_pairs(own);
    vi a = v_shr(v_bits(v_sel(even, own, other)), 9), b = v_shr(v_bits(v_sel(even, other, own)), 8);
    vf u = v_mul(v_add(v_from_int(a), v_set1(0.5f)), v_set1(0x1p-23f));
    vf t = v_mul(v_mul(v_from_int(b), v_set1(0x1p-24f)), v_set1(6.28318531f));
    vf radius = v_sqrt(v_mul(v_log(u), v_set1(-2)));
    return v_mul(radius, v_sel(even, v_cos(t), v_sin(t)));
}

static void normal_groups(size_t n_groups, float *y, const v_random *random, uint64_t block) {
    for (size_t i = 0; i < n_groups; i++) {
        vi words[4];
        v_random_words(random, block + i * VL, words);
        for (size_t c = 0; c < 4; c++) v_store(y + i * GROUP + c * VL, normals_of(words[c]));
    }
}

/* Whole groups from the first multiple of 4 on; what is left over goes through a group of its own, so that an element's
 * bits never depend on where a run of them begins. */
void ISA(normals)(size_t n, void *vy, const fig_rng_key *key, uint64_t sample, uint64_t element0) {
    float *y = vy, group[GROUP];
    v_random random = v_random_of(key, sample);
    for (size_t done = 0; done < n;) {
        uint64_t block = (element0 + done) / 4, groups = (n - done) / GROUP;
        size_t skip = (element0 + done) % 4;
        bool same_upper_half = (block + (groups + 1) * VL) >> 32 == block >> 32;
        if (!skip && groups && same_upper_half) {
            normal_groups(groups, y + done, &random, block);
            done += groups * GROUP;
            continue;
        }
        size_t take = FIG_MIN(n - done, GROUP - skip);
        if (!same_upper_half) take = FIG_MIN(take, 4 - skip); /* only the first block is sure to be right */
        normal_groups(1, group, &random, block);
        memcpy(y + done, group + skip, take * sizeof *y);
        done += take;
    }
}

void ISA_FILL(random)(figk_table *t) {
    t->dropout_mask = ISA(dropout_mask);
    t->normals = ISA(normals);
}
#endif
