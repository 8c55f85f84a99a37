/* Nearest neighbours against looking at every pair, and what precision, recall, density, coverage and memorisation make
 * of them. */
#include "test_eval_help.h"

/* The k nearest by looking at every pair; of equal ones the first. */
static void brute(const fig_features *q, const fig_features *b, size_t row, size_t k, int32_t *index,
                  double *distance) {
    size_t found = 0;
    for (size_t j = 0; j < b->n; j++) {
        if (q == b && j == row) continue;
        double s = fig__squared_distance(q->x + row * q->d, b->x + j * b->d, q->d);
        size_t at = found;
        while (at > 0 && s < distance[at - 1]) at--;
        if (at == k) continue;
        size_t last = found < k ? found++ : k - 1;
        for (size_t i = last; i > at; i--) index[i] = index[i - 1], distance[i] = distance[i - 1];
        index[at] = (int32_t)j, distance[at] = s;
    }
}

static void expect_same_as_brute(const fig_features *q, const fig_features *b, size_t k) {
    fig_context *ctx = check_context();
    int32_t *index = malloc(q->n * k * sizeof *index), want_index[8];
    double *distance = malloc(q->n * k * sizeof *distance), want[8];
    size_t wrong = 0;
    if (EXPECT_OK(ctx, fig_eval_nearest(ctx, q, b, k, index, distance)))
        for (size_t i = 0; i < q->n; i++) {
            brute(q, b, i, k, want_index, want);
            for (size_t j = 0; j < k; j++)
                wrong += index[i * k + j] != want_index[j] || distance[i * k + j] != sqrt(want[j]);
        }
    EXPECT_EQ_I(wrong, 0);
    free(index);
    free(distance);
}

/* Over the edges of blocks; a grid has ties everywhere, and the first row wins. */
TEST(ties_and_duplicates) {
    float *x = eval_grid(2100, 3, 1, 9), *y = eval_grid(530, 3, 2, 9);
    fig_features base = {x, 2100, 3}, query = {y, 530, 3};
    expect_same_as_brute(&query, &base, 5);
    expect_same_as_brute(&query, &query, 5);
    expect_same_as_brute(&base, &query, 1);
    free(x);
    free(y);
}

/* Far from the origin, single-precision products alone see nothing but noise. */
TEST(far_from_the_origin_and_at_all_sizes) {
    static const double places[][2] = {{0, 1}, {3e4, 0.1}, {0, 1e30}, {0, 1e-30}, {1e-3, 1e-7}};
    for (size_t i = 0; i < FIG_COUNT(places); i++) {
        float *x = eval_normals(300, 37, 3, places[i][0], places[i][1]);
        float *y = eval_normals(200, 37, 4, places[i][0], places[i][1]);
        memcpy(y, x + 5 * 37, 37 * sizeof *y);
        y[37] = x[0] + 100 * (float)places[i][1]; /* one outlier sets the scale */
        expect_same_as_brute(&(fig_features){y, 200, 37}, &(fig_features){x, 300, 37}, 3);
        free(x);
        free(y);
    }
}

TEST(any_number_of_threads_and_any_cpu_gives_the_same) {
    float *x = eval_normals(700, 65, 5, 1, 1), *y = eval_normals(600, 65, 6, 1.2, 1);
    fig_features a = {x, 700, 65}, b = {y, 600, 65};
    static const char *const levels[] = {"scalar", NULL};
    fig_prdc first = {0};
    double *distance = malloc(3 * 600 * sizeof *distance), *d0 = malloc(3 * 600 * sizeof *distance);
    for (int run = 0; run < 4; run++) {
        fig_context *ctx = NULL;
        fig_prdc p = {0};
        fig_context_options o = {.n_threads = 1 + run % 2 * 2, .cpu_level = levels[run / 2]};
        EXPECT_EQ_I(fig_context_new(&o, &ctx), FIG_OK);
        EXPECT_OK(ctx, fig_eval_prdc(ctx, &a, &b, 3, run ? &p : &first));
        EXPECT_OK(ctx, fig_eval_nearest(ctx, &b, &a, 3, NULL, run ? distance : d0));
        if (run) EXPECT(!memcmp(&p, &first, sizeof p) && !memcmp(distance, d0, 3 * 600 * sizeof *d0));
        fig_context_free(ctx);
    }
    EXPECT(first.precision > 0 && first.precision < 1 && first.coverage > 0);
    free(distance);
    free(d0);
    free(x);
    free(y);
}

/* --- precision, recall, density, coverage -----------------------------------------------------------------------*/

/* A ball holds its centre and k - 1 neighbours, and not the k-th on its rim: a density of 1, where <= gives (k + 1) /
 * k. */
TEST(a_set_covers_itself) {
    fig_context *ctx = check_context();
    float *x = eval_normals(200, 6, 7, 0, 1), *copy = malloc(200 * 6 * sizeof *x);
    memcpy(copy, x, 200 * 6 * sizeof *x);
    fig_features a = {x, 200, 6}, b = {copy, 200, 6};
    fig_prdc p = {0}, same = {0};
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &a, &b, 5, &p));
    EXPECT(p.precision == 1 && p.recall == 1 && p.coverage == 1);
    EXPECT_NEAR(p.density, 1, 1e-15);
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &a, &a, 5, &same)); /* one pointer for both is no different */
    EXPECT(!memcmp(&p, &same, sizeof p));
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &a, &a, 1, &same)); /* then the centre alone is inside */
    EXPECT(same.precision == 1 && same.recall == 1 && same.coverage == 1 && same.density == 1);
    free(x);
    free(copy);
}

TEST(sets_apart_and_sets_of_one_point) {
    fig_context *ctx = check_context();
    float *x = eval_normals(50, 2, 8, 0, 1), *y = eval_normals(40, 2, 9, 100, 1), *z = eval_normals(30, 2, 9, 3, 0);
    fig_features a = {x, 50, 2}, b = {y, 40, 2}, point = {z, 30, 2};
    fig_prdc p = {1, 1, 1, 1};
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &a, &b, 3, &p));
    EXPECT(p.precision == 0 && p.recall == 0 && p.density == 0 && p.coverage == 0);
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &point, &point, 3, &p)); /* balls of radius 0 hold nothing */
    EXPECT(p.precision == 0 && p.recall == 0 && p.density == 0 && p.coverage == 0);
    free(x);
    free(y);
    free(z);
}

/* On a line: real 0 1 2 10, k = 1: radii 1 1 1 8. Generated 0.5 9 30: radii 8.5 8.5 21. */
TEST(by_hand) {
    fig_context *ctx = check_context();
    const float real[] = {0, 1, 2, 10}, generated[] = {0.5f, 9, 30};
    fig_prdc p = {0};
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &(fig_features){real, 4, 1}, &(fig_features){generated, 3, 1}, 1, &p));
    EXPECT_NEAR(p.precision, 2.0 / 3, 1e-15); /* 0.5 in the balls of 0 and 1, 9 in that of 10 */
    EXPECT_NEAR(p.density, 3.0 / 3, 1e-15);
    EXPECT_NEAR(p.recall, 1, 1e-15);
    EXPECT_NEAR(p.coverage, 3.0 / 4, 1e-15); /* 2 is 1.5 from 0.5 */
}

TEST(precision_does_not_see_what_is_missing) {
    fig_context *ctx = check_context();
    float *x = eval_normals(300, 4, 10, 0, 1), *y = eval_normals(300, 4, 11, 0, 0.2);
    fig_prdc p = {0};
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &(fig_features){x, 300, 4}, &(fig_features){y, 300, 4}, 3, &p));
    EXPECT(p.precision > 0.95 && p.density > 0.5 && p.recall < 0.2 && p.coverage < 0.3);
    free(x);
    free(y);
}

/* --- memorisation -----------------------------------------------------------------------------------------------*/

TEST(copies_are_found) {
    fig_context *ctx = check_context();
    float *train = eval_normals(400, 20, 12, 5, 1), *test = eval_normals(100, 20, 13, 5, 1);
    float *sample = eval_normals(101, 20, 14, 5, 1);
    fig_features t = {train, 400, 20}, held = {test, 100, 20}, s = {sample, 101, 20};
    fig_memorisation m = {0};
    int32_t nearest[101];
    double distance[101];
    EXPECT_OK(ctx, fig_eval_memorisation(ctx, &s, &held, &t, &m, nearest, distance));
    EXPECT(m.n_duplicates == 0 && m.n_test_duplicates == 0 && m.ratio > 0.93 && m.ratio < 1.07);
    for (size_t i = 0; i < 60; i++) memcpy(sample + i * 20, train + 3 * i * 20, 20 * sizeof *train);
    sample[3 * 20 + 19] = nextafterf(sample[3 * 20 + 19], 100); /* almost one */
    EXPECT_OK(ctx, fig_eval_memorisation(ctx, &s, &held, &t, &m, nearest, distance));
    EXPECT_EQ_I(m.n_duplicates, 59);
    EXPECT(m.ratio == 0 && m.sample_median == 0 && m.test_median > 0);
    EXPECT(nearest[10] == 30 && distance[10] == 0 && nearest[3] == 9 && distance[3] > 0 && distance[3] < 1e-5);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_memorisation(ctx, &s, &t, &t, &m, NULL, NULL));
    EXPECT_EQ_I(m.n_duplicates, 59); /* results stay as they were */
    free(train);
    free(test);
    free(sample);
}

/* --- what is refused --------------------------------------------------------------------------------------------*/

TEST(refused) {
    fig_context *ctx = check_context();
    float *x = eval_normals(10, 4, 15, 0, 1), *y = eval_normals(10, 4, 16, 0, 1);
    fig_features a = {x, 10, 4}, b = {y, 10, 4}, narrow = {y, 10, 3}, none = {NULL, 10, 4}, empty = {y, 0, 4};
    fig_prdc p;
    double d;
    EXPECT_OK(ctx, fig_eval_prdc(ctx, &a, &b, 9, &p));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_prdc(ctx, &a, &b, 10, &p));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_prdc(ctx, &a, &b, 0, &p));
    EXPECT_OK(ctx, fig_eval_nearest(ctx, &(fig_features){x, 1, 4}, &b, 10, NULL, NULL));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_nearest(ctx, &a, &b, 11, NULL, NULL));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_nearest(ctx, &a, &a, 10, NULL, NULL));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_prdc(ctx, &a, &narrow, 3, &p));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_prdc(ctx, &none, &b, 3, &p));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_nearest(ctx, &a, &empty, 1, NULL, &d));
    y[4 * 7 + 2] = NAN;
    EXPECT_EQ_I(fig_eval_prdc(ctx, &a, &b, 3, &p), FIG_ERR_NONFINITE);
    EXPECT(strstr(fig_error(ctx), "row 7"));
    y[4 * 7 + 2] = -INFINITY;
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_nearest(ctx, &b, &a, 3, NULL, NULL));
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_frechet(ctx, &a, &b, &d));
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_kid(ctx, &a, &b, NULL, &(fig_kid){0}));
    free(x);
    free(y);
}

TEST(cancelled) {
    fig_context *ctx = check_context();
    float *x = eval_normals(10, 4, 15, 0, 1);
    fig_features a = {x, 10, 4};
    double d;
    fig_cancel(ctx);
    EXPECT_REFUSED(ctx, FIG_ERR_CANCELLED, fig_eval_nearest(ctx, &a, &a, 1, NULL, NULL));
    EXPECT_REFUSED(ctx, FIG_ERR_CANCELLED, fig_eval_frechet(ctx, &a, &a, &d));
    EXPECT_REFUSED(ctx, FIG_ERR_CANCELLED, fig_eval_kid(ctx, &a, &a, NULL, &(fig_kid){0}));
    free(x);
}
