/* Philox against Random123's known answers, and what is drawn from it against its distribution. */
#include "base/rng.h"
#include "check.h"
#if defined(__has_include)
#if __has_include(<Random123/philox.h>)
#define HAVE_RANDOM123
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#include <Random123/philox.h>
#pragma GCC diagnostic pop
#endif
#endif

/* "philox4x32 10" of Random123's kat_vectors. */
static const struct {
    uint32_t counter[4], key[2], out[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

TEST(known_answers) {
    for (size_t i = 0; i < FIG_COUNT(known); i++) {
        uint32_t out[4];
        fig__philox4x32(known[i].counter, known[i].key, out);
        EXPECT(!memcmp(out, known[i].out, sizeof out));
    }
}

TEST(same_as_random123) {
#ifdef HAVE_RANDOM123
    uint32_t c[4] = {1, 2, 3, 4}, k[2] = {5, 6};
    for (int i = 0; i < 1000; i++) {
        uint32_t ours[4];
        philox4x32_ctr_t counter = {{c[0], c[1], c[2], c[3]}};
        philox4x32_key_t key = {{k[0], k[1]}};
        philox4x32_ctr_t theirs = philox4x32(counter, key);
        fig__philox4x32(c, k, ours);
        EXPECT(!memcmp(ours, theirs.v, sizeof ours));
        memcpy(c, ours, sizeof c);
        k[i % 2] ^= ours[i % 4];
    }
#else
    SKIP("Random123 is not installed");
#endif
}

static const fig_rng_key key = {.seed = 1337, .stream = 42, .step = 7};

TEST(words_come_from_blocks) {
    uint32_t block[4];
    fig__rng_block(&key, 5, 3, block);
    for (uint64_t i = 0; i < 4; i++) EXPECT_EQ_I(fig__rng_u32(&key, 5, 12 + i), block[i]);
}

/* Each part of the key and of the counter must matter, the high bits of sample and block too. */
TEST(everything_in_the_key_matters) {
    fig_rng_key keys[4] = {key, key, key, key};
    keys[1].seed++;
    keys[2].stream++;
    keys[3].step++;
    uint32_t base[4], other[4];
    fig__rng_block(&key, 5, 3, base);
    for (int i = 1; i < 4; i++) {
        fig__rng_block(&keys[i], 5, 3, other);
        EXPECT(memcmp(base, other, sizeof base));
    }
    static const uint64_t places[][2] = {{6, 3}, {5, 4}, {5 + (1ull << 32), 3}, {5, 3 + (1ull << 32)}};
    for (size_t i = 0; i < FIG_COUNT(places); i++) {
        fig__rng_block(&key, places[i][0], places[i][1], other);
        EXPECT(memcmp(base, other, sizeof base));
    }
    EXPECT(fig__rng_stream("blocks.3.drop") != fig__rng_stream("blocks.4.drop"));
}

TEST(uniform_and_normal) {
    enum { N = 200000 };
    double sum = 0, sum2 = 0, normal_sum = 0, normal_sum2 = 0, tail = 0;
    for (uint64_t i = 0; i < N; i++) {
        double u = fig__rng_uniform(&key, 0, i), z = fig__rng_normal(&key, 1, i);
        EXPECT(u >= 0 && u < 1 && isfinite(z));
        sum += u, sum2 += u * u, normal_sum += z, normal_sum2 += z * z, tail += fabs(z) > 1.959963985;
    }
    /* Five standard errors. */
    EXPECT_NEAR(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
    EXPECT_NEAR(sum2 / N, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
    EXPECT_NEAR(normal_sum / N, 0, 5 / sqrt(N));
    EXPECT_NEAR(normal_sum2 / N, 1, 5 * sqrt(2.0 / N));
    EXPECT_NEAR(tail / N, 0.05, 5 * sqrt(0.05 * 0.95 / N));
}

TEST(below) {
    enum { N = 70000 };
    int counts[7] = {0};
    for (uint64_t i = 0; i < N; i++) counts[fig__rng_below(&key, 0, i, 7)]++;
    for (int i = 0; i < 7; i++) EXPECT_NEAR(counts[i], N / 7, 5 * sqrt(N / 7.0));
    EXPECT_EQ_I(fig__rng_below(&key, 0, 0, 1), 0);
    EXPECT_EQ_I(fig__rng_below(&key, 0, 0, 0), 0);
    int high = 0;
    for (uint64_t i = 0; i < 1000; i++) high += fig__rng_below(&key, 0, i, UINT64_MAX) > UINT64_MAX / 2;
    EXPECT_NEAR(high, 500, 100);
}

TEST(permutations_hit_everything_once) {
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 1000, 65537};
    for (size_t s = 0; s < FIG_COUNT(sizes); s++) {
        unsigned char *seen = calloc(sizes[s], 1);
        uint64_t fixed = 0;
        for (uint64_t i = 0; i < sizes[s]; i++) {
            uint64_t at = fig__rng_permute(&key, i, sizes[s]);
            if (!EXPECT(at < sizes[s] && !seen[at])) break;
            seen[at] = 1;
            fixed += at == i;
        }
        EXPECT(sizes[s] < 1000 || fixed < 20); /* about one is expected to stay */
        free(seen);
    }
    EXPECT(fig__rng_permute(&key, 123456789, 1ull << 62) < 1ull << 62);
    EXPECT(fig__rng_permute(&key, UINT64_MAX - 1, UINT64_MAX) < UINT64_MAX);
}

/* Small permutations must all be reachable: over many epochs each of the six orders of three comes up. */
TEST(permutations_differ_by_step) {
    int counts[27] = {0};
    for (uint64_t step = 0; step < 6000; step++) {
        fig_rng_key k = {.seed = 1, .stream = 2, .step = step};
        int code = 0;
        for (uint64_t i = 0; i < 3; i++) code = 3 * code + (int)fig__rng_permute(&k, i, 3);
        counts[code]++;
    }
    int orders = 0;
    for (int i = 0; i < 27; i++) orders += counts[i] > 850 && counts[i] < 1150;
    EXPECT_EQ_I(orders, 6);
}
