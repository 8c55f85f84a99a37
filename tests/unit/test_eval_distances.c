/* The Fréchet distance against closed forms, its limit, eigenvalues of known matrices, and the kernel distance. */
#include "test_eval_help.h"

/* --- eigenvalues and roots --------------------------------------------------------------------------------------*/

/* 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (n + 1)); seen from another basis, I - 2 v v^T. */
static void second_difference(double *a, size_t n, bool turned) {
    double *b = calloc(n * n, sizeof *b), v = sqrt(1.0 / (double)n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) a[i * n + j] = i == j ? 2 : i + 1 == j || j + 1 == i ? -1 : 0;
    for (int side = 0; turned && side < 2; side++) { /* rows, then, as it is symmetric, columns */
        for (size_t i = 0; i < n; i++) {
            double dot = 0;
            for (size_t j = 0; j < n; j++) dot += a[i * n + j] * v;
            for (size_t j = 0; j < n; j++) b[j * n + i] = a[i * n + j] - 2 * dot * v;
        }
        memcpy(a, b, n * n * sizeof *a);
    }
    free(b);
}

TEST(eigenvalues_that_are_known) {
    fig_context *ctx = check_context();
    for (int turned = 0; turned < 2; turned++)
        for (size_t n = 1; n <= 301; n += 100) {
            double *a = malloc(n * n * sizeof *a), *values = malloc(n * sizeof *values), worst = 0;
            second_difference(a, n, turned);
            EXPECT_OK(ctx, fig__symmetric_eigenvalues(ctx, n, a, values));
            for (size_t k = 0; k < n; k++) {
                double want = n == 1 && turned ? 2 : 2 - 2 * cos((double)(k + 1) * M_PI / (double)(n + 1));
                worst = fmax(worst, fabs(values[k] - want));
            }
            EXPECT(worst < 4e-14);
            free(a);
            free(values);
        }
}

TEST(eigenvalues_of_odd_matrices) {
    fig_context *ctx = check_context();
    double zeros[9] = {0}, diagonal[9] = {3, 0, 0, 0, -5, 0, 0, 0, 1}, v[3];
    EXPECT_OK(ctx, fig__symmetric_eigenvalues(ctx, 3, zeros, v));
    EXPECT(v[0] == 0 && v[1] == 0 && v[2] == 0);
    EXPECT_OK(ctx, fig__symmetric_eigenvalues(ctx, 3, diagonal, v));
    EXPECT(v[0] == -5 && v[1] == 1 && v[2] == 3);
    for (int e = -150; e <= 150; e += 100) { /* all ones: n and zeros */
        double s = pow(10, e), ones[9] = {s, s, s, s, s, s, s, s, s};
        EXPECT_OK(ctx, fig__symmetric_eigenvalues(ctx, 3, ones, v));
        EXPECT(fabs(v[0]) < 1e-15 * s && fabs(v[1]) < 1e-15 * s && fabs(v[2] - 3 * s) < 1e-14 * s);
    }
}

TEST(roots_of_matrices_without_full_rank) {
    fig_context *ctx = check_context();
    enum { n = 70, most = 100 };
    fig_rng_key key = {1, 2, 3};
    double *x = malloc(n * most * sizeof *x), *a = malloc(n * n * sizeof *a), *root = malloc(n * n * sizeof *root);
    double *copy = malloc(n * n * sizeof *copy), *back = malloc(n * n * sizeof *back);
    for (size_t inner = 0; inner <= most; inner += 20) {
        size_t rank = 0;
        double worst = 0;
        for (size_t i = 0; i < n * inner; i++) x[i] = fig__rng_normal(&key, inner, i);
        memset(a, 0, n * n * sizeof *a);
        if (inner)
            EXPECT_OK(ctx, fig__multiply(ctx, &(fig__product){n, n, inner, .a = x, .b = x, .c = a, .b_trans = true}));
        memcpy(copy, a, n * n * sizeof *a);
        EXPECT_OK(ctx, fig__semidefinite_root(ctx, n, a, root, &rank));
        EXPECT_EQ_I(rank, FIG_MIN(inner, n));
        memset(back, 0, n * n * sizeof *back);
        if (rank)
            EXPECT_OK(
                ctx, fig__multiply(ctx, &(fig__product){n, n, rank, .a = root, .b = root, .c = back, .b_trans = true}));
        for (size_t i = 0; i < n * n; i++) worst = fmax(worst, fabs(back[i] - copy[i]));
        EXPECT(worst < 1e-11);
    }
    free(x), free(a), free(root), free(copy), free(back);
}

/* --- the Fréchet distance ---------------------------------------------------------------------------------------*/

/* Rows +s_j and -s_j along every axis: mean 0 and covariance diag(2 s_j^2 / (2 d - 1)), exactly. */
static void axes(float *x, size_t d, const double *s, double shift) {
    for (size_t i = 0; i < 2 * d; i++)
        for (size_t j = 0; j < d; j++) x[i * d + j] = (float)(shift + (i / 2 == j ? (i % 2 ? -s[j] : s[j]) : 0));
}

TEST(diagonal_gaussians_in_closed_form) {
    fig_context *ctx = check_context();
    const double s[5] = {1, 2, 0.5, 0, 8}, t[5] = {1, 0.25, 0, 0, 16};
    float x[50], y[50];
    double want = 5 * 0.75 * 0.75, got = 0;
    axes(x, 5, s, 0);
    axes(y, 5, t, 0.75);
    for (size_t j = 0; j < 5; j++) want += pow(s[j] - t[j], 2) * 2 / 9;
    fig_features a = {x, 10, 5}, b = {y, 10, 5};
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &a, &b, &got));
    EXPECT_NEAR(got, want, 1e-12);
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &b, &a, &got));
    EXPECT_NEAR(got, want, 1e-12);
}

static void plane_moments(const float *x, size_t n, double m[2], double s[3]) {
    m[0] = m[1] = s[0] = s[1] = s[2] = 0;
    for (size_t i = 0; i < n; i++) m[0] += x[2 * i] / (double)n, m[1] += x[2 * i + 1] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double u = x[2 * i] - m[0], v = x[2 * i + 1] - m[1];
        s[0] += u * u / (double)(n - 1), s[1] += u * v / (double)(n - 1), s[2] += v * v / (double)(n - 1);
    }
}

/* Covariances that do not commute. In two dimensions tr (S T)^1/2 = sqrt(tr ST + 2 sqrt(det S det T)). */
TEST(correlated_gaussians_in_closed_form) {
    fig_context *ctx = check_context();
    float *x = eval_normals(90, 2, 1, 0, 1), *y = eval_normals(70, 2, 2, 1, 1);
    for (size_t i = 0; i < 90; i++) x[2 * i + 1] += 2 * x[2 * i];
    for (size_t i = 0; i < 70; i++) y[2 * i] -= 3 * y[2 * i + 1];
    double m[2], s[3], n[2], t[3], got = 0;
    plane_moments(x, 90, m, s);
    plane_moments(y, 70, n, t);
    double product = s[0] * t[0] + 2 * s[1] * t[1] + s[2] * t[2];
    double dets = (s[0] * s[2] - s[1] * s[1]) * (t[0] * t[2] - t[1] * t[1]);
    double want =
        pow(m[0] - n[0], 2) + pow(m[1] - n[1], 2) + s[0] + s[2] + t[0] + t[2] - 2 * sqrt(product + 2 * sqrt(dets));
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &(fig_features){x, 90, 2}, &(fig_features){y, 70, 2}, &got));
    EXPECT_NEAR(got, want, 1e-12);
    free(x);
    free(y);
}

TEST(a_set_and_itself_even_when_degenerate) {
    fig_context *ctx = check_context();
    float *x = eval_normals(40, 100, 3, 2, 1);
    for (size_t i = 0; i < 40; i++) x[i * 100 + 7] = 5; /* never changes */
    fig_features a = {x, 40, 100};
    double d = 1;
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &a, &a, &d));
    EXPECT(d >= 0 && d < 1e-10);
    a.n = 2;
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &a, &a, &d));
    EXPECT(d >= 0 && d < 1e-10);
    a.n = 1;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_frechet(ctx, &a, &a, &d));
    free(x);
}

TEST(from_one_point) {
    fig_context *ctx = check_context();
    float *x = eval_normals(10, 3, 4, 7, 0);
    const double s[3] = {1, 2, 3};
    float y[18];
    double got = 0, want = 3 * 7 * 7 + (1 + 4 + 9) * 2.0 / 5;
    axes(y, 3, s, 0);
    fig_features point = {x, 10, 3}, spread = {y, 6, 3};
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &point, &spread, &got));
    EXPECT_NEAR(got, want, 1e-11);
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &spread, &point, &got));
    EXPECT_NEAR(got, want, 1e-11);
    free(x);
}

/* --- its limit --------------------------------------------------------------------------------------------------*/

/* Both sets are from one distribution: the distance of all is bias, most of which the line takes away. */
TEST(the_limit_has_less_bias) {
    fig_context *ctx = check_context();
    float *x = eval_normals(1000, 16, 5, 0, 1), *y = eval_normals(8000, 16, 6, 0, 1);
    fig_features a = {x, 1000, 16}, b = {y, 8000, 16};
    fig_frechet_limit one = {0}, two = {0}, other = {0};
    double full = 0;
    EXPECT_OK(ctx, fig_eval_frechet(ctx, &a, &b, &full));
    EXPECT_OK(ctx, fig_eval_frechet_infinite(ctx, &a, &b, NULL, &one));
    EXPECT_OK(ctx, fig_eval_frechet_infinite(ctx, &a, &b, NULL, &two));
    EXPECT_OK(ctx, fig_eval_frechet_infinite(ctx, &a, &b, &(fig_frechet_options){.seed = 1}, &other));
    EXPECT_NEAR(one.full, full, 1e-12);
    EXPECT(!memcmp(&one, &two, sizeof one) && one.infinite != other.infinite);
    EXPECT(full > 0.05 && fabs(one.infinite) < 0.4 * full && one.slope > 0 && one.residual < 0.1 * full);
    free(x);
    free(y);
}

TEST(a_line_through_two_points) {
    fig_context *ctx = check_context();
    float *x = eval_normals(60, 3, 7, 0, 1), *y = eval_normals(50, 3, 8, 1, 2);
    fig_features a = {x, 60, 3}, b = {y, 50, 3};
    fig_frechet_limit l = {0};
    EXPECT_OK(ctx, fig_eval_frechet_infinite(ctx, &a, &b, &(fig_frechet_options){.n_points = 2, .n_min = 20}, &l));
    EXPECT_NEAR(l.infinite + l.slope / 60, l.full, 1e-12);
    EXPECT(l.residual < 1e-12);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_frechet_infinite(ctx, &a, &b, &(fig_frechet_options){.n_points = 1}, &l));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_frechet_infinite(ctx, &a, &b, &(fig_frechet_options){.n_min = 60}, &l));
    a.n = 2;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_frechet_infinite(ctx, &a, &b, NULL, &l));
    free(x);
    free(y);
}

/* --- the kernel distance ----------------------------------------------------------------------------------------*/

static double cubic(double x, double y) { return pow(x * y + 1, 3); }

/* Unbiased: the diagonal is left out, n (n - 1) divides. */
TEST(kid_by_hand) {
    fig_context *ctx = check_context();
    const float x[3] = {0.5f, -1, 2}, y[3] = {1, 0, -0.5f};
    double within = 0, between = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            within += i == j ? 0 : cubic(x[i], x[j]) + cubic(y[i], y[j]);
            between += cubic(x[i], y[j]);
        }
    fig_kid kid = {0};
    EXPECT_OK(ctx, fig_eval_kid(ctx, &(fig_features){x, 3, 1}, &(fig_features){y, 3, 1}, NULL, &kid));
    EXPECT_NEAR(kid.mean, within / 6 - 2 * between / 9, 1e-6);
    EXPECT(isnan(kid.sd) && kid.n_subsets == 1 && kid.subset_size == 3);
}

static double kernel_total(const float *x, const float *y, size_t n, size_t d, bool same) {
    double total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double dot = 0;
            for (size_t c = 0; c < d; c++) dot += (double)x[i * d + c] * y[j * d + c];
            total += same && i == j ? 0 : pow(dot / (double)d + 1, 3);
        }
    return total;
}

/* Over the edges of blocks, where the diagonal goes on. */
TEST(kid_of_many_rows) {
    fig_context *ctx = check_context();
    size_t n = 1100;
    float *x = eval_normals(n, 3, 9, 0.5, 2), *y = eval_normals(n, 3, 10, 0.6, 2);
    double within = kernel_total(x, x, n, 3, true) + kernel_total(y, y, n, 3, true), m = (double)n;
    double want = within / (m * (m - 1)) - 2 * kernel_total(x, y, n, 3, false) / (m * m);
    fig_kid kid = {0};
    fig_kid_options o = {.n_subsets = 1, .subset_size = n};
    EXPECT_OK(ctx, fig_eval_kid(ctx, &(fig_features){x, n, 3}, &(fig_features){y, n, 3}, &o, &kid));
    EXPECT_NEAR(kid.mean, want, 1e-6 * within / (m * m));
    EXPECT(isnan(kid.sd));
    free(x);
    free(y);
}

TEST(kid_of_one_distribution_is_zero_on_average) {
    fig_context *ctx = check_context();
    float *x = eval_normals(2000, 8, 9, 0.5, 1), *y = eval_normals(1500, 8, 10, 0.5, 1);
    float *z = eval_normals(1500, 8, 11, 0.8, 1);
    fig_features a = {x, 2000, 8}, b = {y, 1500, 8}, c = {z, 1500, 8};
    fig_kid_options o = {.n_subsets = 40, .subset_size = 100, .seed = 5};
    fig_kid same = {0}, far = {0}, again = {0}, other = {0};
    EXPECT_OK(ctx, fig_eval_kid(ctx, &a, &b, &o, &same));
    EXPECT_OK(ctx, fig_eval_kid(ctx, &a, &c, &o, &far));
    EXPECT_OK(ctx, fig_eval_kid(ctx, &a, &c, &o, &again));
    o.seed = 6;
    EXPECT_OK(ctx, fig_eval_kid(ctx, &a, &c, &o, &other));
    EXPECT(fabs(same.mean) < 4 * same.sd / sqrt(40) && same.sd > 0);
    EXPECT(far.mean > 4 * far.sd / sqrt(40) && far.mean > 3 * fabs(same.mean));
    EXPECT(!memcmp(&far, &again, sizeof far) && far.mean != other.mean);
    o.subset_size = 1501;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_kid(ctx, &a, &b, &o, &same));
    o.subset_size = 1;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_kid(ctx, &a, &b, &o, &same));
    free(x), free(y), free(z);
}

TEST(kid_of_numbers_too_large) {
    fig_context *ctx = check_context();
    float *x = eval_normals(5, 2, 12, 0, 1e25);
    fig_features a = {x, 5, 2};
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_kid(ctx, &a, &a, NULL, &(fig_kid){0}));
    free(x);
}
