/* Finite scalar quantisation against the paper's formulas in PyTorch (make_fsq.py): values, codes, gradients. */
#include "../check.h"
#include <fig/ops.h>
#include "core/core.h"
#include "files/safetensors.h"
#include "models/fsq.h"

static const double *value_of(fig__weights *file, const char *name, const char *what, size_t *numel) {
    char key[64];
    snprintf(key, sizeof key, "%s.%s", name, what);
    const fig__weight *w = fig__weights_find(file, key);
    if (!EXPECT(w && w->dtype == FIG_F64)) return NULL;
    *numel = w->numel;
    return w->data;
}

static void expect_near(const float *got, const double *want, size_t n, double tolerance) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)got[i] - want[i]));
    if (!EXPECT(worst <= tolerance)) fprintf(stderr, "    differs by %.3g\n", worst);
}

static void check_codes(const fig__fsq_levels *l, const float *q, const double *want, size_t n_places) {
    size_t n_wrong = 0, n_changed = 0;
    float back[FIG__FSQ_MAX];
    for (size_t i = 0; i < n_places; i++) {
        int32_t code = fig__fsq_code(l, q + i * l->n);
        fig__fsq_values(l, code, back);
        n_wrong += code != (int32_t)want[i];
        for (size_t k = 0; k < l->n; k++) n_changed += back[k] != q[i * l->n + k];
    }
    EXPECT_EQ_I(n_wrong, 0);
    EXPECT_EQ_I(n_changed, 0);
}

static void check_case(const char *name, const char *levels) {
    fig_context *ctx = check_context();
    fig__fsq_levels l = fig__fsq_levels_of(levels);
    fig__weights *file;
    fig_graph *g;
    fig_plan *plan = NULL;
    if (!EXPECT_OK(ctx, fig__st_open(ctx, "tests/golden/fsq.safetensors", &file))) return;
    size_t n = 0;
    const double *zs = value_of(file, name, "z", &n), *us = value_of(file, name, "u", &n);
    EXPECT_OK(ctx, fig_graph_new(ctx, NULL, &(fig_graph_options){FIG_TRAIN, FIG_F32}, &g));
    size_t shape[3] = {3, n / 3 / l.n, l.n};
    fig_tensor *z = fig_input(g, "z", FIG_F32, 3, shape), *u = fig_input(g, "u", FIG_F32, 3, shape), *d;
    fig_tensor *q = fig__fsq_quantise(g, z, &l);
    EXPECT_OK(ctx, fig_backward(g, fig_sum(g, fig_mul(g, q, u), FIG_ALL_AXES), &z, 1, &d));
    EXPECT_OK(ctx, fig_graph_status(g));
    EXPECT_OK(ctx, fig_plan_new(g, (fig_tensor *[]){q, d}, 2, NULL, &plan));
    for (size_t i = 0; i < n; i++) ((float *)fig_plan_data(plan, z))[i] = (float)zs[i];
    for (size_t i = 0; i < n; i++) ((float *)fig_plan_data(plan, u))[i] = (float)us[i];
    EXPECT_OK(ctx, fig_plan_run(plan, NULL));
    expect_near(fig_plan_data(plan, q), value_of(file, name, "q", &n), n, 1e-7);
    expect_near(fig_plan_data(plan, d), value_of(file, name, "d_z", &n), n, 1e-5);
    size_t n_places;
    const double *codes = value_of(file, name, "codes", &n_places);
    check_codes(&l, fig_plan_data(plan, q), codes, n_places);
    fig_plan_free(plan);
    fig_graph_free(g);
    fig__weights_close(file);
}

TEST(even_and_odd) { check_case("even_and_odd", "8,6,5"); }
TEST(many_codes) { check_case("many", "8,5,5,5"); }
TEST(binary) { check_case("binary", "2,2,3"); }

/* What nobody quantised goes to the nearest; every code is its own. */
TEST(codes_round_trip) {
    fig__fsq_levels l = fig__fsq_levels_of("8,6,5");
    float v[FIG__FSQ_MAX];
    EXPECT_EQ_I(l.n_codes, 240);
    for (int32_t code = 0; code < 240; code++) {
        fig__fsq_values(&l, code, v);
        for (size_t i = 0; i < l.n; i++) EXPECT(fabsf(v[i]) <= 1);
        EXPECT_EQ_I(fig__fsq_code(&l, v), code);
    }
    EXPECT_EQ_I(fig__fsq_code(&l, (float[]){9, 9, 9}), 239);
    EXPECT_EQ_I(fig__fsq_code(&l, (float[]){-9, -9, -9}), 0);
}

TEST(levels) {
    static const char *const bad[] = {"", "8", "8,1", "8,,5", "8,6,", "8;6", "1048576,2", "2,2,2,2,2,2,2,2,2", "8,6,x"};
    for (size_t i = 0; i < FIG_COUNT(bad); i++)
        if (!EXPECT(!fig__fsq_levels_of(bad[i]).n)) fprintf(stderr, "    %s\n", bad[i]);
    EXPECT(!fig__fsq_levels_of(NULL).n);
    EXPECT(fig__fsq_levels_of("8,5,5,5").n == 4);
}
