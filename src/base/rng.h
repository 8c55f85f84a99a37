/* base/rng.h: counter-based randomness (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). A number is a pure function of where it is used, never of how many were drawn before:
 *
 *     key     = (seed, stream)        stream = hash of the module path or of a purpose ("data", "sample")
 *     counter = (step, sample, element / 4)
 *
 * so editing a graph, the batch a sample falls into, the number of threads or processes changes nothing. */
#ifndef FIG_RNG_H
#define FIG_RNG_H
#include <stddef.h>
#include <stdint.h>

typedef struct fig_rng_key {
    uint64_t seed;
    uint64_t stream; /* fig__rng_stream("blocks.3.drop") */
    uint64_t step;   /* the low 32 bits are used */
} fig_rng_key;

uint64_t fig__rng_stream(const char *path);

/* The raw block: counter and key in, four uniform 32-bit words out. */
void fig__philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* Four words for elements 4*block .. 4*block+3 of one sample. How key and counter are filled:
 *   key[0..1]  = low and high half of hash64(seed, stream)
 *   counter    = { block, sample, step, high bits of block and sample (16 each) } */
void fig__rng_key_words(const fig_rng_key *key, uint32_t out[2]); /* key[0..1], for whoever makes many blocks at once */
void fig__rng_block(const fig_rng_key *key, uint64_t sample, uint64_t block, uint32_t out[4]);
uint32_t fig__rng_u32(const fig_rng_key *key, uint64_t sample, uint64_t element);
uint64_t fig__rng_below(const fig_rng_key *key, uint64_t sample, uint64_t element, uint64_t n); /* uniform in [0, n) */
double fig__rng_uniform(const fig_rng_key *key, uint64_t sample, uint64_t element); /* [0, 1) with 53 bits */
double fig__rng_normal(const fig_rng_key *key, uint64_t sample, uint64_t element);  /* Box-Muller */
/* A random permutation position without storing it: maps i in [0,n) to a unique place in [0,n) (Feistel network with
 * cycle walking). For epochs over data of any size. */
uint64_t fig__rng_permute(const fig_rng_key *key, uint64_t i, uint64_t n);

#endif
