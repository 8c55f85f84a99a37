/* All scores of a set at once, and the ladder of corruptions that they stand beside. */
#include "check.h"
#include "base/rng.h"
#include "eval/quality.h"
#include "media/image/corrupt.h"

/* --- scores -------------------------------------------------------------------------------------------------------*/

static void fill(float *x, size_t n, double mean, uint64_t seed) {
    fig_rng_key key = {seed, 1, 0};
    for (size_t i = 0; i < n; i++) x[i] = (float)(mean + fig__rng_normal(&key, 0, i));
}

/* What was worked out once for the reference changes nothing. */
static void expect_as_alone(const fig_features *samples, const fig_features *reference, const fig__quality *q) {
    fig_context *ctx = check_context();
    double distance;
    fig_kid kid;
    fig_prdc neighbours;
    EXPECT_OK(ctx, fig_eval_frechet(ctx, samples, reference, &distance));
    EXPECT_OK(ctx, fig_eval_kid(ctx, samples, reference, &(fig_kid_options){.seed = 1}, &kid));
    EXPECT_OK(ctx, fig_eval_prdc(ctx, reference, samples, FIG__QUALITY_K, &neighbours));
    EXPECT_NEAR(q->frechet, distance, 0);
    EXPECT_NEAR(q->kid.mean, kid.mean, 0);
    EXPECT(!memcmp(&q->neighbours, &neighbours, sizeof neighbours));
}

TEST(near_sets_score_better_than_far_ones) {
    enum { N = 200, D = 4 };
    static float reference[N * D], near[N * D], far[N * D];
    fig_context *ctx = check_context();
    fig__quality a, b;
    fig__quality_reference *to;
    fill(reference, N * D, 0, 1);
    fill(near, N * D, 0, 2);
    fill(far, N * D, 2, 3);
    fig_features r = {reference, N, D}, n = {near, N, D}, f = {far, N, D};
    EXPECT_OK(ctx, fig__quality_reference_new(ctx, &r, 1, &to));
    EXPECT_OK(ctx, fig__quality_of(&n, to, true, &a));
    EXPECT_OK(ctx, fig__quality_of(&f, to, false, &b));
    expect_as_alone(&n, &r, &a);
    expect_as_alone(&f, &r, &b);
    EXPECT(a.frechet < 0.5 && a.frechet_infinite < a.frechet);
    EXPECT_NEAR(b.frechet, 4 * D, 2.5); /* means 2 apart on each axis */
    EXPECT(isnan(b.frechet_infinite));
    EXPECT(b.kid.mean > 1 && fabs(a.kid.mean) < 0.2);
    EXPECT(a.neighbours.precision > 0.8 && a.neighbours.coverage > 0.8 && b.neighbours.coverage < 0.3);
    EXPECT(fig__quality_has_enough(N, D) && !fig__quality_has_enough(N, 150));
    fig__quality_reference_free(to);
}

TEST(too_few_pictures_are_said) {
    float x[5 * 2] = {0};
    fig_context *ctx = check_context();
    fig_features f = {x, 5, 2};
    fig__quality_reference *r;
    EXPECT_EQ_I(fig__quality_reference_new(ctx, &f, 1, &r), FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(ctx), "5 pictures to compare with: scores need more than 5");
}

TEST(mixtures_of_classes) {
    int32_t a[] = {0, 0, 1, 1}, b[] = {0, 1, 2, -1}, c[] = {3, 3};
    EXPECT_NEAR(fig__total_variation(a, 4, a, 4, 4), 0, 0);
    EXPECT_NEAR(fig__total_variation(a, 4, b, 4, 4), 1.0 / 3, 1e-12); /* 1/2 1/2 0 against 1/3 1/3 1/3 */
    EXPECT_NEAR(fig__total_variation(a, 4, c, 2, 4), 1, 1e-12);
    EXPECT(isnan(fig__total_variation(a, 4, b + 3, 1, 4)));
}

/* --- the ladder ---------------------------------------------------------------------------------------------------*/

enum { SIDE = 20, C = 3, NUMBERS = SIDE * SIDE * C };

static void corrupt(const fig__corruption *how, uint64_t sample, const uint8_t *in, uint8_t *out) {
    fig__corrupt_picture p = {.side = SIDE, .c = C, .seed = 1, .sample = sample, .in = in, .out = out};
    fig__corrupt(how, &p);
}

static double distance(const uint8_t *a, const uint8_t *b) {
    double sum = 0;
    for (size_t i = 0; i < NUMBERS; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

/* Kinds come with the weaker strength first, and the same numbers give the same picture. */
TEST(the_ladder_goes_down) {
    uint8_t picture[NUMBERS], out[NUMBERS], again[NUMBERS], other[NUMBERS];
    double last = 0;
    for (size_t i = 0; i < NUMBERS; i++) picture[i] = (uint8_t)(i / C % SIDE * 12);
    for (size_t i = 0; i < fig__n_corruptions; i++) {
        const fig__corruption *how = &fig__corruptions[i];
        corrupt(how, 4, picture, out);
        corrupt(how, 4, picture, again);
        corrupt(how, 5, picture, other);
        EXPECT(!memcmp(out, again, sizeof out));
        EXPECT(how->kind == FIG__CORRUPT_BLUR || memcmp(out, other, sizeof out));
        double d = distance(picture, out);
        bool same_kind = i && fig__corruptions[i - 1].kind == how->kind;
        EXPECT(d > (same_kind ? last : 0));
        last = d;
    }
}

TEST(corruptions_are_as_strong_as_they_say) {
    uint8_t grey[NUMBERS], out[NUMBERS];
    size_t changed = 0;
    double sum = 0;
    memset(grey, 100, sizeof grey);
    corrupt(&(fig__corruption){FIG__CORRUPT_BLUR, 1.5, "blur"}, 0, grey, out);
    EXPECT(!memcmp(grey, out, sizeof grey)); /* nothing to blur, edges included */
    corrupt(&(fig__corruption){FIG__CORRUPT_OCCLUSION, 0.25, "occlusion"}, 0, grey, out);
    for (size_t i = 0; i < NUMBERS; i++) changed += out[i] == 128;
    EXPECT_EQ_I(changed, 5 * 5 * C);
    corrupt(&(fig__corruption){FIG__CORRUPT_NOISE, 0.1, "noise"}, 0, grey, out);
    for (size_t i = 0; i < NUMBERS; i++) sum += ((double)out[i] - 100) * ((double)out[i] - 100);
    EXPECT_NEAR(sqrt(sum / NUMBERS), 25.5, 2.5);
    changed = 0;
    corrupt(&(fig__corruption){FIG__CORRUPT_SALT_AND_PEPPER, 0.3, "salt"}, 0, grey, out);
    for (size_t i = 0; i < NUMBERS; i += C) changed += (out[i] == 0 || out[i] == 255) && out[i] == out[i + 1];
    EXPECT_NEAR((double)changed / (SIDE * SIDE), 0.3, 0.08);
}
