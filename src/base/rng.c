/* base/rng.c: Philox4x32-10 and what is drawn from it.
 *
 * One element takes one block of four words (fig__rng_u32 shares a block among four elements), so nothing depends on
 * what was drawn before. fig__rng_uniform, _below and _normal of the same key and element look at the same block: use
 * another stream for another purpose. */
#include "base/rng.h"
#include "base/map.h"
#include <math.h>

uint64_t fig__rng_stream(const char *path) { return fig__hash64(path, strlen(path)); }

void fig__philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* golden ratio */
        k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void fig__rng_key_words(const fig_rng_key *key, uint32_t out[2]) {
    uint64_t words[2] = {key->seed, key->stream}, hash = fig__hash64(words, sizeof words);
    out[0] = (uint32_t)hash;
    out[1] = (uint32_t)(hash >> 32);
}

void fig__rng_block(const fig_rng_key *key, uint64_t sample, uint64_t block, uint32_t out[4]) {
    uint32_t k[2], high = (uint32_t)(block >> 32 & 0xffff) | (uint32_t)(sample >> 32 & 0xffff) << 16;
    fig__rng_key_words(key, k);
    fig__philox4x32((uint32_t[4]){(uint32_t)block, (uint32_t)sample, (uint32_t)key->step, high}, k, out);
}

uint32_t fig__rng_u32(const fig_rng_key *key, uint64_t sample, uint64_t element) {
    uint32_t words[4];
    fig__rng_block(key, sample, element / 4, words);
    return words[element % 4];
}

static void two_words(const fig_rng_key *key, uint64_t sample, uint64_t element, uint64_t out[2]) {
    uint32_t words[4];
    fig__rng_block(key, sample, element, words);
    out[0] = (uint64_t)words[1] << 32 | words[0];
    out[1] = (uint64_t)words[3] << 32 | words[2];
}

uint64_t fig__rng_below(const fig_rng_key *key, uint64_t sample, uint64_t element, uint64_t n) {
    uint64_t r[2];
    two_words(key, sample, element, r);
    /* floor(n * r / 2^128): the bias is under 2^-64, so nothing needs to be drawn again. */
    unsigned __int128 low = (unsigned __int128)r[0] * n, high = (unsigned __int128)r[1] * n;
    return (uint64_t)((high + (low >> 64)) >> 64);
}

static double unit(uint64_t word) { return (double)(word >> 11) * 0x1p-53; }

double fig__rng_uniform(const fig_rng_key *key, uint64_t sample, uint64_t element) {
    uint64_t r[2];
    two_words(key, sample, element, r);
    return unit(r[0]);
}

double fig__rng_normal(const fig_rng_key *key, uint64_t sample, uint64_t element) {
    uint64_t r[2];
    two_words(key, sample, element, r);
    double radius = sqrt(-2 * log(1 - unit(r[0]))); /* 1 - u is never 0 */
    return radius * cos(6.283185307179586 * unit(r[1]));
}

/* A Feistel network permutes the smallest square of a power of two that holds n, which is under 4 n; a result outside
 * is put through again, and the walk ends inside because the permutation's cycle comes back to i. */
static uint64_t feistel(const uint32_t k[2], uint32_t step, int half_bits, uint64_t i) {
    uint64_t mask = ((uint64_t)1 << half_bits) - 1, left = i >> half_bits, right = i & mask;
    for (uint32_t round = 0; round < 8; round++) {
        uint32_t words[4];
        fig__philox4x32((uint32_t[4]){(uint32_t)right, round, step, 0x7065726d /* "perm" */}, k, words);
        uint64_t mixed = left ^ (words[0] & mask);
        left = right;
        right = mixed;
    }
    return left << half_bits | right;
}

uint64_t fig__rng_permute(const fig_rng_key *key, uint64_t i, uint64_t n) {
    if (n < 2) return 0;
    uint32_t k[2];
    fig__rng_key_words(key, k);
    int half_bits = 1;
    while (half_bits < 32 && (uint64_t)1 << 2 * half_bits < n) half_bits++;
    do i = feistel(k, (uint32_t)key->step, half_bits, i);
    while (i >= n);
    return i;
}
