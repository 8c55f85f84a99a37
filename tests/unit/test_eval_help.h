/* test_eval_help.h: features for tests of scores. */
#ifndef TEST_EVAL_HELP_H
#define TEST_EVAL_HELP_H
#include "check.h"
#include <fig/eval.h>
#include "eval/eval.h"

/* Normal numbers with this mean and standard deviation; for free(). */
static inline float *eval_normals(size_t n, size_t d, uint64_t seed, double mean, double sd) {
    float *x = malloc(n * d * sizeof *x);
    fig_rng_key key = {seed, 77, 0};
    for (size_t i = 0; i < n * d; i++) x[i] = (float)(mean + sd * fig__rng_normal(&key, i / d, i % d));
    return x;
}

/* Small whole numbers: many rows are equal, and many distances. */
static inline float *eval_grid(size_t n, size_t d, uint64_t seed, uint64_t side) {
    float *x = malloc(n * d * sizeof *x);
    fig_rng_key key = {seed, 78, 0};
    for (size_t i = 0; i < n * d; i++) x[i] = (float)fig__rng_below(&key, i / d, i % d, side);
    return x;
}

#define EXPECT_REFUSED(ctx, code, call) \
    (EXPECT_EQ_I(call, code), EXPECT(*fig_error(ctx) && !strchr(fig_error(ctx), '\n')), fig_error_clear(ctx))

#endif
