/* check_rows.h: kernels that work on rows: norms, softmax, cross-entropy, rotary embedding. */
#ifndef CHECK_ROWS_H
#define CHECK_ROWS_H
#include "kernel_check.h"

#define ROWS 3

static void expect_rows(const array *got, const array *want, const array *bound) {
    for (size_t i = 0; i < got->n && !now_.failed; i++)
        expect_near(got->type, array_get(got, i), array_get(want, i), array_get(bound, i), i);
}

/* --- norms -------------------------------------------------------------------------------------------------*/

typedef struct norm_case {
    size_t cols, shift;
    figk_norm kind;
    fig_dtype xt, yt, dt; /* of x, of y and dx, of dy */
    bool affine;
    kind numbers;
} norm_case;

typedef struct norm_arrays {
    array x, gain, bias, y, mean, rstd, dy, dx, dgain, dbias;
} norm_arrays;

static norm_arrays norm_inputs(const norm_case *c) {
    size_t n = ROWS * c->cols, s = c->shift;
    return (norm_arrays){.x = array_random(c->xt, n, s, c->numbers),
                         .dy = array_random(c->dt, n, s + 1, TAME),
                         .gain = array_random(FIG_F32, c->cols, s, TAME),
                         .bias = array_random(FIG_F32, c->cols, s + 1, TAME),
                         .y = array_new(c->yt, n, s),
                         .dx = array_new(c->yt, n, s + 2),
                         .mean = array_new(FIG_F32, ROWS, s),
                         .rstd = array_new(FIG_F32, ROWS, s),
                         .dgain = array_new(FIG_F32, c->cols, s),
                         .dbias = array_new(FIG_F32, c->cols, s)};
}
/* The same inputs; real arrays and outputs in `real` (double for the oracle). */
static norm_arrays norm_like(const norm_arrays *a, fig_dtype real, fig_dtype out, size_t shift) {
    return (norm_arrays){.x = array_copy(&a->x, a->x.type, shift),
                         .dy = array_copy(&a->dy, a->dy.type, shift),
                         .gain = array_copy(&a->gain, real, shift),
                         .bias = array_copy(&a->bias, real, shift),
                         .y = array_new(out, a->y.n, shift),
                         .dx = array_new(out, a->y.n, shift),
                         .mean = array_copy(&a->mean, real, shift),
                         .rstd = array_copy(&a->rstd, real, shift),
                         .dgain = array_new(real, a->gain.n, shift),
                         .dbias = array_new(real, a->gain.n, shift)};
}
static void norm_free(norm_arrays *a) {
    array_free(&a->x), array_free(&a->gain), array_free(&a->bias), array_free(&a->y), array_free(&a->mean);
    array_free(&a->rstd), array_free(&a->dy), array_free(&a->dx), array_free(&a->dgain), array_free(&a->dbias);
}
static figk_norm_args norm_args(const norm_case *c, const norm_arrays *a) {
    return (figk_norm_args){.rows = ROWS,
                            .cols = c->cols,
                            .kind = c->kind,
                            .eps = 0x1p-17,
                            .x = a->x.p,
                            .xt = a->x.type,
                            .gain = c->affine ? a->gain.p : NULL,
                            .bias = c->affine ? a->bias.p : NULL,
                            .y = a->y.p,
                            .yt = a->y.type,
                            .mean = a->mean.p,
                            .rstd = a->rstd.p,
                            .dy = a->dy.p,
                            .dyt = a->dy.type,
                            .dx = a->dx.p,
                            .dxt = a->dx.type,
                            .dgain = c->affine ? a->dgain.p : NULL,
                            .dbias = c->affine ? a->dbias.p : NULL};
}

/* Mean: n U avg|x|. Variance: (n + 4) U, and twice the error of d = x - mean times |d|, summed. */
static void norm_fwd_bound(const norm_case *c, const norm_arrays *a, const norm_arrays *w, size_t r, array *bound) {
    double n = (double)c->cols, mean = c->kind == FIGK_LAYERNORM ? array_get(&w->mean, r) : 0;
    double rstd = array_get(&w->rstd, r), avg = 0, avg_d = 0, top = 0;
    for (size_t j = 0; j < c->cols; j++) {
        double x = array_get(&a->x, r * c->cols + j);
        avg += fabs(x) / n, avg_d += fabs(x - mean) / n, top = fmax(top, fabs(x));
    }
    double mean_error = c->kind == FIGK_LAYERNORM ? n * U * avg : 0, d_error = mean_error + U * (top + fabs(mean));
    double rstd_error = 0.5 * ((n + 4) * U + 2 * d_error * avg_d * rstd * rstd) + 3 * U;
    if (c->kind == FIGK_LAYERNORM) expect_near(FIG_F32, array_get(&a->mean, r), mean, mean_error, r);
    expect_near(FIG_F32, array_get(&a->rstd, r), rstd, rstd_error * rstd, r);
    for (size_t j = 0; j < c->cols; j++) {
        size_t i = r * c->cols + j;
        double h = (array_get(&a->x, i) - mean) * rstd, gain = c->affine ? fabs(array_get(&a->gain, j)) : 1;
        double bias = c->affine ? fabs(array_get(&a->bias, j)) : 0;
        array_set(bound, i, gain * (rstd * d_error + fabs(h) * (rstd_error + 3 * U)) + U * bias + 2 * DENORMAL);
    }
}

static void norm_fwd_run(const norm_case *c) {
    norm_arrays a = norm_inputs(c), w = norm_like(&a, FIG_F64, FIG_F64, 0);
    norm_arrays again = norm_like(&a, FIG_F32, c->yt, c->shift + 1);
    figk_norm_args args = norm_args(c, &a), oracle = norm_args(c, &w), moved = norm_args(c, &again);
    now_.t->norm_fwd(&args);
    now_.t->norm_fwd(&moved);
    figk_oracle()->norm_fwd(&oracle);
    array bound = array_new(FIG_F64, a.y.n, 0);
    for (size_t r = 0; r < ROWS; r++) norm_fwd_bound(c, &a, &w, r, &bound);
    expect_rows(&a.y, &w.y, &bound);
    expect(same_bits(&a.y, &again.y), "depends on alignment");
    array_free(&bound);
    norm_free(&a), norm_free(&w), norm_free(&again);
}

/* Everything from h on, given mean and rstd: averages of n terms lose n U of their magnitudes. */
static void norm_bwd_bound(const norm_case *c, const norm_arrays *a, size_t r, array *dx, array *dgain, array *dbias) {
    double n = (double)c->cols, mean = c->kind == FIGK_LAYERNORM ? array_get(&a->mean, r) : 0;
    double rstd = array_get(&a->rstd, r), avg_g = 0, avg_gh = 0, avg_error = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t j = 0; j < c->cols; j++) {
            size_t i = r * c->cols + j;
            double x = array_get(&a->x, i), h = fabs((x - mean) * rstd), h_error = U * (fabs(x - mean) * rstd + h);
            double dy = fabs(array_get(&a->dy, i)), g = dy * (c->affine ? fabs(array_get(&a->gain, j)) : 1);
            if (pass == 0) {
                avg_g += g / n, avg_gh += g * h / n, avg_error += g * h_error / n;
                array_set(dgain, j, array_get(dgain, j) + dy * (h_error + (ROWS + 1) * U * h) + (1 + dy) * DENORMAL);
                array_set(dbias, j, array_get(dbias, j) + ROWS * U * dy);
                continue;
            }
            double gh_error = (n + 4) * U * avg_gh + avg_error, g_error = (n + 2) * U * avg_g;
            double sum = g + avg_g + h * avg_gh;
            array_set(dx, i, rstd * (3 * U * sum + g_error + h * gh_error + avg_gh * h_error) + 2 * DENORMAL);
        }
}

static void norm_bwd_run(const norm_case *c) {
    norm_arrays a = norm_inputs(c);
    figk_norm_args args = norm_args(c, &a);
    now_.t->norm_fwd(&args);
    norm_arrays w = norm_like(&a, FIG_F64, FIG_F64, 0), again = norm_like(&a, FIG_F32, c->yt, c->shift + 1);
    figk_norm_args oracle = norm_args(c, &w), moved = norm_args(c, &again);
    now_.t->norm_bwd(&args);
    now_.t->norm_bwd(&moved);
    figk_oracle()->norm_bwd(&oracle);
    norm_arrays bound = norm_like(&w, FIG_F64, FIG_F64, 0);
    memset(bound.dgain.p, 0, c->cols * sizeof(double));
    memset(bound.dbias.p, 0, c->cols * sizeof(double));
    for (size_t r = 0; r < ROWS; r++) norm_bwd_bound(c, &a, r, &bound.dx, &bound.dgain, &bound.dbias);
    expect_rows(&a.dx, &w.dx, &bound.dx);
    if (c->affine) {
        expect_rows(&a.dgain, &w.dgain, &bound.dgain);
        expect_rows(&a.dbias, &w.dbias, &bound.dbias);
        expect(same_bits(&a.dgain, &again.dgain) && same_bits(&a.dbias, &again.dbias), "depends on alignment");
    }
    expect(same_bits(&a.dx, &again.dx), "depends on alignment");
    norm_free(&a), norm_free(&w), norm_free(&again), norm_free(&bound);
}

static void each_norm(void (*run)(const norm_case *c)) {
    for (size_t s = 1; s < FIG_COUNT(sizes); s++)
        for (unsigned v = 0; v < 64; v++) {
            norm_case c = {.cols = sizes[s],
                           .shift = shifts[s % 3],
                           .kind = v & 1 ? FIGK_RMSNORM : FIGK_LAYERNORM,
                           .xt = float_types[v >> 1 & 1],
                           .yt = float_types[v >> 2 & 1],
                           .dt = float_types[v >> 3 & 1],
                           .affine = v >> 4 & 1,
                           .numbers = v >> 5 ? LIMIT : TAME};
            run(&c);
        }
}
static void check_norm_fwd(void) { each_norm(norm_fwd_run); }
static void check_norm_bwd(void) { each_norm(norm_bwd_run); }

/* --- channels ----------------------------------------------------------------------------------------------*/

#define CHANNEL_ROWS 7

typedef struct channels {
    size_t n;
    array x, dy, y, vector[4]; /* centre, a, b, d */
} channels;

static channels channels_random(size_t cols, size_t shift, fig_dtype xt, fig_dtype dt, fig_dtype yt) {
    channels c = {.n = CHANNEL_ROWS * cols};
    c.x = array_random(xt, c.n, shift, TAME), c.dy = array_random(dt, c.n, shift + 1, TAME);
    c.y = array_new(yt, c.n, shift);
    for (size_t i = 0; i < 4; i++) c.vector[i] = array_random(FIG_F32, cols, shift + i, TAME);
    return c;
}
static channels channels_wide(const channels *c) {
    channels w = {.n = c->n, .x = array_copy(&c->x, c->x.type, 0), .dy = array_copy(&c->dy, c->dy.type, 0)};
    w.y = array_new(FIG_F64, c->n, 0);
    for (size_t i = 0; i < 4; i++) w.vector[i] = array_copy(&c->vector[i], FIG_F64, 0);
    return w;
}
static void channels_free(channels *c) {
    array_free(&c->x), array_free(&c->dy), array_free(&c->y);
    for (size_t i = 0; i < 4; i++) array_free(&c->vector[i]);
}
static double from_centre(const channels *c, size_t i, size_t cols) {
    return array_get(&c->x, i) - array_get(&c->vector[0], i % cols);
}

/* A difference, its square and the sums round once for each row. */
static void channel_squares_run(size_t cols, size_t shift, unsigned v) {
    channels a = channels_random(cols, shift, float_types[v & 1], FIG_F32, FIG_F32), w = channels_wide(&a);
    array got = array_new(FIG_F32, cols, shift), want = array_new(FIG_F64, cols, 0);
    now_.t->channel_squares(CHANNEL_ROWS, cols, got.p, a.x.p, a.x.type, a.vector[0].p);
    figk_oracle()->channel_squares(CHANNEL_ROWS, cols, want.p, w.x.p, w.x.type, w.vector[0].p);
    for (size_t j = 0; j < cols; j++) {
        double sum = array_get(&want, j);
        expect_near(FIG_F32, array_get(&got, j), sum, (CHANNEL_ROWS + 4) * U * sum, j);
    }
    channels_free(&a), channels_free(&w), array_free(&got), array_free(&want);
}

static void channel_products_run(size_t cols, size_t shift, unsigned v) {
    channels a = channels_random(cols, shift, float_types[v & 1], float_types[v >> 1 & 1], FIG_F32);
    channels w = channels_wide(&a);
    array got[2], want[2];
    for (int i = 0; i < 2; i++) got[i] = array_new(FIG_F32, cols, shift), want[i] = array_new(FIG_F64, cols, 0);
    now_.t->channel_products(CHANNEL_ROWS, cols, got[0].p, got[1].p, a.x.p, a.x.type, a.vector[0].p, a.dy.p, a.dy.type);
    figk_oracle()->channel_products(CHANNEL_ROWS, cols, want[0].p, want[1].p, w.x.p, w.x.type, w.vector[0].p, w.dy.p,
                                    w.dy.type);
    for (size_t j = 0; j < cols; j++) {
        double size[2] = {0};
        for (size_t i = j; i < a.n; i += cols) {
            double dy = fabs(array_get(&a.dy, i));
            size[0] += dy, size[1] += dy * fabs(from_centre(&a, i, cols));
        }
        for (int i = 0; i < 2; i++)
            expect_near(FIG_F32, array_get(&got[i], j), array_get(&want[i], j), (CHANNEL_ROWS + 3) * U * size[i], j);
    }
    channels_free(&a), channels_free(&w);
    for (int i = 0; i < 2; i++) array_free(&got[i]), array_free(&want[i]);
}

static void channel_affine_run(size_t cols, size_t shift, unsigned v) {
    fig_dtype xt = float_types[v & 1], dt = float_types[v >> 1 & 1], yt = float_types[v >> 2 & 1];
    channels a = channels_random(cols, shift, xt, dt, yt), w = channels_wide(&a);
    bool other = v >> 3 & 1;
    const void *dy = other ? a.dy.p : NULL, *wide_dy = other ? w.dy.p : NULL;
    now_.t->channel_affine(CHANNEL_ROWS, cols, a.y.p, yt, a.x.p, xt, a.vector[0].p, a.vector[1].p, a.vector[2].p, dy,
                           dt, a.vector[3].p);
    figk_oracle()->channel_affine(CHANNEL_ROWS, cols, w.y.p, FIG_F64, w.x.p, xt, w.vector[0].p, w.vector[1].p,
                                  w.vector[2].p, wide_dy, dt, w.vector[3].p);
    for (size_t i = 0; i < a.n; i++) {
        double size = fabs(from_centre(&a, i, cols) * array_get(&a.vector[1], i % cols));
        size += fabs(array_get(&a.vector[2], i % cols));
        if (other) size += fabs(array_get(&a.dy, i) * array_get(&a.vector[3], i % cols));
        expect_near(yt, array_get(&a.y, i), array_get(&w.y, i), 4 * U * size, i);
    }
    if (xt == yt) {
        now_.t->channel_affine(CHANNEL_ROWS, cols, a.x.p, yt, a.x.p, xt, a.vector[0].p, a.vector[1].p, a.vector[2].p,
                               dy, dt, a.vector[3].p);
        expect(same_bits(&a.x, &a.y), "not the same in place");
    }
    channels_free(&a), channels_free(&w);
}

static void each_channels(unsigned variants, void (*run)(size_t cols, size_t shift, unsigned v)) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (unsigned v = 0; v < variants; v++) run(sizes[s], shifts[s % 3], v);
}
static void check_channel_squares(void) { each_channels(2, channel_squares_run); }
static void check_channel_products(void) { each_channels(4, channel_products_run); }
static void check_channel_affine(void) { each_channels(16, channel_affine_run); }

/* --- softmax -------------------------------------------------------------------------------------------------
 * exp(x - m): the subtraction rounds by U |x - m|, which exp turns into a relative error; 3 U more for exp itself. */

typedef struct shifted_row {
    double max, avg_arg; /* avg_arg: mean of |x - max| under the softmax */
    double sum;          /* of exp(x - max) */
} shifted_row;

static shifted_row row_facts(const array *x, size_t at, size_t cols) {
    shifted_row f = {-INFINITY, 0, 0};
    for (size_t j = 0; j < cols; j++) f.max = fmax(f.max, array_get(x, at + j));
    if (f.max == -INFINITY) f.max = 0;
    for (size_t j = 0; j < cols; j++) {
        double d = array_get(x, at + j) - f.max;
        f.sum += exp(d);
        f.avg_arg += isinf(d) ? 0 : exp(d) * fabs(d);
    }
    f.avg_arg = f.sum > 0 ? f.avg_arg / f.sum : 0;
    return f;
}

/* Now and then: masked elements, a row wholly masked. */
static array random_scores(fig_dtype type, size_t rows, size_t cols, size_t shift, kind k) {
    array x = array_random(type, rows * cols, shift, k);
    for (size_t i = 0; i < x.n; i++) {
        bool masked = k == LIMIT && (i / cols == 1 || random_unit() < 0.2);
        array_set(&x, i, masked ? -INFINITY : 5 * array_get(&x, i));
    }
    return x;
}

static void softmax_fwd_run(size_t cols, size_t shift, fig_dtype xt, fig_dtype yt, kind k) {
    array x = random_scores(xt, ROWS, cols, shift, k);
    array y = array_new(yt, x.n, shift + 1), want = array_new(FIG_F64, x.n, 0);
    now_.t->softmax_fwd(ROWS, cols, y.p, yt, x.p, xt);
    figk_oracle()->softmax_fwd(ROWS, cols, want.p, FIG_F64, x.p, xt);
    for (size_t r = 0; r < ROWS; r++) {
        shifted_row f = row_facts(&x, r * cols, cols);
        for (size_t i = r * cols; i < (r + 1) * cols; i++) {
            double arg = array_get(&x, i) - f.max, w = array_get(&want, i);
            double relative = isfinite(arg) ? U * (fabs(arg) + f.avg_arg + (double)cols + 10) : 0;
            expect_near(yt, array_get(&y, i), w, w * relative + 3 * DENORMAL, i);
        }
    }
    if (xt == yt) {
        array in_place = array_copy(&x, xt, shift + 2);
        now_.t->softmax_fwd(ROWS, cols, in_place.p, xt, in_place.p, xt);
        expect(same_bits(&y, &in_place), "in place differs");
        array_free(&in_place);
    }
    array_free(&x), array_free(&y), array_free(&want);
}
static void check_softmax_fwd(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int v = 0; v < 8; v++)
            softmax_fwd_run(sizes[s], shifts[s % 3], float_types[v & 1], float_types[v >> 1 & 1], v & 4 ? LIMIT : TAME);
}

static void softmax_bwd_run(size_t cols, size_t shift, fig_dtype type) {
    array y = array_random(type, ROWS * cols, shift, TAME), dy = array_random(type, ROWS * cols, shift + 1, TAME);
    array dx = array_new(type, y.n, shift), want = array_new(FIG_F64, y.n, 0);
    array y2 = array_copy(&y, FIG_F64, 0), dy2 = array_copy(&dy, FIG_F64, 0);
    now_.t->softmax_bwd(ROWS, cols, dx.p, y.p, dy.p, type);
    figk_oracle()->softmax_bwd(ROWS, cols, want.p, y2.p, dy2.p, FIG_F64);
    for (size_t r = 0; r < ROWS; r++) {
        double size = 0;
        for (size_t i = r * cols; i < (r + 1) * cols; i++) size += fabs(array_get(&y, i) * array_get(&dy, i));
        for (size_t i = r * cols; i < (r + 1) * cols; i++) {
            double bound = fabs(array_get(&y, i)) * U * ((double)(cols + 3) * size + 2 * fabs(array_get(&dy, i)));
            expect_near(type, array_get(&dx, i), array_get(&want, i), bound, i);
        }
    }
    array in_place = array_copy(&dy, type, shift + 2);
    now_.t->softmax_bwd(ROWS, cols, in_place.p, y.p, in_place.p, type);
    expect(same_bits(&dx, &in_place), "in place differs");
    array_free(&y), array_free(&dy), array_free(&dx), array_free(&want), array_free(&y2), array_free(&dy2);
    array_free(&in_place);
}
static void check_softmax_bwd(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int t = 0; t < 2; t++) softmax_bwd_run(sizes[s], shifts[s % 3], float_types[t]);
}

/* --- cross-entropy -------------------------------------------------------------------------------------------*/

/* A class of each row; the last row is ignored. */
static array random_targets(size_t cols) {
    array t = array_new(FIG_I32, ROWS, 1);
    for (size_t r = 0; r < ROWS; r++) array_set(&t, r, r == ROWS - 1 ? -100 : (double)(random_word() % cols));
    return t;
}

static double lse_bound(const shifted_row *f, size_t cols, double lse) {
    return U * (f->avg_arg + (double)cols + 8) + 3 * U * (fabs(lse) + fabs(f->max));
}

static void xent_fwd_run(size_t cols, size_t shift, fig_dtype type, kind k) {
    size_t ld = cols + shift;
    array x = random_scores(type, ROWS, ld, shift, k), target = random_targets(cols);
    array loss = array_new(FIG_F32, ROWS, shift), lse = array_new(FIG_F32, ROWS, 1);
    array loss2 = array_new(FIG_F64, ROWS, 0), lse2 = array_new(FIG_F64, ROWS, 0);
    now_.t->xent_fwd(ROWS, cols, ld, x.p, type, target.p, loss.p, lse.p);
    figk_oracle()->xent_fwd(ROWS, cols, ld, x.p, type, target.p, loss2.p, lse2.p);
    for (size_t r = 0; r < ROWS; r++) {
        shifted_row f = row_facts(&x, r * ld, cols);
        double want = array_get(&lse2, r), bound = lse_bound(&f, cols, want);
        expect_near(FIG_F32, array_get(&lse, r), want, bound, r);
        double row_loss = array_get(&loss2, r);
        expect_near(FIG_F32, array_get(&loss, r), row_loss, isfinite(row_loss) ? bound + U * fabs(row_loss) : 0, r);
    }
    expect(array_get(&loss, ROWS - 1) == 0, "an ignored row has a loss");
    array_set(&target, 0, (double)cols);
    now_.t->xent_fwd(1, cols, ld, x.p, type, target.p, loss.p, lse.p);
    expect(isnan(array_get(&loss, 0)), "a class that does not exist has a loss");
    array_free(&x), array_free(&target), array_free(&loss), array_free(&lse), array_free(&loss2), array_free(&lse2);
}
static const size_t classes[] = {1, 2, 15, 16, 17, 33, 65, 257, 1000, 4095, 4096, 4097, 9000};
static void check_xent_fwd(void) {
    for (size_t s = 0; s < FIG_COUNT(classes); s++)
        for (int v = 0; v < 4; v++) xent_fwd_run(classes[s], shifts[s % 3], float_types[v & 1], v & 2 ? LIMIT : TAME);
}

static void xent_bwd_run(size_t cols, size_t shift, fig_dtype xt, fig_dtype yt) {
    size_t ld = cols + shift, n = ROWS * ld;
    array x = random_scores(xt, ROWS, ld, shift, TAME), target = random_targets(cols);
    array lse = array_new(FIG_F32, ROWS, 1), loss = array_new(FIG_F32, ROWS, 0);
    array dloss = array_random(FIG_F32, ROWS, 0, TAME);
    array dx = array_new(yt, n, shift), want = array_new(FIG_F64, n, 0);
    now_.t->xent_fwd(ROWS, cols, ld, x.p, xt, target.p, loss.p, lse.p);
    array lse2 = array_copy(&lse, FIG_F64, 0), dloss2 = array_copy(&dloss, FIG_F64, 0);
    now_.t->xent_bwd(ROWS, cols, ld, x.p, xt, target.p, lse.p, dloss.p, dx.p, yt);
    figk_oracle()->xent_bwd(ROWS, cols, ld, x.p, xt, target.p, lse2.p, dloss2.p, want.p, FIG_F64);
    for (size_t i = 0; i < n; i++) {
        size_t r = i / ld;
        double arg = array_get(&x, i) - array_get(&lse, r), d = fabs(array_get(&dloss, r));
        double one = i % ld == array_get(&target, r) ? 1 : 0; /* p - 1 rounds p to the digits of 1 */
        double bound = d * (exp(arg) * U * (fabs(arg) + 6) + U * one + DENORMAL) + DENORMAL;
        expect_near(yt, array_get(&dx, i), array_get(&want, i), i % ld < cols ? bound : 0, i);
    }
    if (xt == yt) {
        array in_place = array_copy(&x, xt, shift + 2);
        now_.t->xent_bwd(ROWS, cols, ld, in_place.p, xt, target.p, lse.p, dloss.p, in_place.p, yt);
        expect(same_bits(&dx, &in_place), "in place differs");
        array_free(&in_place);
    }
    array_free(&x), array_free(&target), array_free(&lse), array_free(&dloss), array_free(&dx), array_free(&want);
    array_free(&lse2), array_free(&dloss2), array_free(&loss);
}
static void check_xent_bwd(void) {
    for (size_t s = 0; s < FIG_COUNT(classes); s++)
        for (int v = 0; v < 4; v++) xent_bwd_run(classes[s], shifts[s % 3], float_types[v & 1], float_types[v >> 1]);
}

/* Terms of either sign are summed, each with the errors of exp and log1p. */
static void bce_fwd_run(size_t n, size_t shift, fig_dtype type) {
    array x = random_scores(type, 1, n, shift, TAME), target = array_new(FIG_F32, n, shift + 1);
    array loss = array_new(FIG_F32, 1, 0), want = array_new(FIG_F64, 1, 0);
    for (size_t i = 0; i < n; i++) array_set(&target, i, i % 3 ? random_unit() : (double)(i % 2));
    array target2 = array_copy(&target, FIG_F64, 0);
    now_.t->bce_fwd(n, x.p, type, target.p, loss.p);
    figk_oracle()->bce_fwd(n, x.p, type, target2.p, want.p);
    double size = 0;
    for (size_t i = 0; i < n; i++) size += fabs(array_get(&x, i)) + 0.7;
    expect_near(FIG_F32, array_get(&loss, 0), array_get(&want, 0), ((double)n + 10) * U * size, 0);
    array_free(&x), array_free(&target), array_free(&target2), array_free(&loss), array_free(&want);
}
static void check_bce_fwd(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int t = 0; t < 2; t++) bce_fwd_run(sizes[s], shifts[s % 3], float_types[t]);
}

static void bce_bwd_run(size_t n, size_t shift, fig_dtype xt, fig_dtype yt) {
    array x = random_scores(xt, 1, n, shift, TAME), target = array_new(FIG_F32, n, shift + 1);
    array dx = array_new(yt, n, shift), want = array_new(FIG_F64, n, 0);
    float d = 1.75f;
    double d2 = d;
    for (size_t i = 0; i < n; i++) array_set(&target, i, i % 3 ? random_unit() : (double)(i % 2));
    array target2 = array_copy(&target, FIG_F64, 0);
    now_.t->bce_bwd(n, x.p, xt, target.p, &d, dx.p, yt);
    figk_oracle()->bce_bwd(n, x.p, xt, target2.p, &d2, want.p, FIG_F64);
    for (size_t i = 0; i < n; i++) expect_near(yt, array_get(&dx, i), array_get(&want, i), 8 * U * d2, i);
    if (xt == yt) {
        array in_place = array_copy(&x, xt, shift + 2);
        now_.t->bce_bwd(n, in_place.p, xt, target.p, &d, in_place.p, yt);
        expect(same_bits(&dx, &in_place), "in place differs");
        array_free(&in_place);
    }
    array_free(&x), array_free(&target), array_free(&target2), array_free(&dx), array_free(&want);
}
static void check_bce_bwd(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int v = 0; v < 4; v++) bce_bwd_run(sizes[s], shifts[s % 3], float_types[v & 1], float_types[v >> 1]);
}

/* --- rotary embedding ----------------------------------------------------------------------------------------*/

typedef struct rope_case {
    size_t heads, head_dim, half, shift;
    bool interleaved;
    int sign;
    fig_dtype type;
} rope_case;

static void rope_call(const figk_table *t, const rope_case *c, const array *cos, const array *sin, array *y,
                      const array *x) {
    size_t head = c->head_dim + 1, row = c->heads * head + 3; /* gaps between heads and rows */
    t->rope(ROWS, c->heads, c->head_dim, c->half, c->interleaved, c->sign, cos->p, sin->p, y->p, row, head, x->p, row,
            head, x->type);
}

static void rope_run(const rope_case *c) {
    size_t n = ROWS * (c->heads * (c->head_dim + 1) + 3), angles = ROWS * c->half;
    array x = array_random(c->type, n, c->shift, LIMIT), y = array_copy(&x, c->type, c->shift + 1);
    array cosine = array_new(FIG_F32, angles, c->shift), sine = array_new(FIG_F32, angles, 1);
    for (size_t i = 0; i < angles; i++) {
        double angle = 100 * random_unit();
        array_set(&cosine, i, cos(angle)), array_set(&sine, i, sin(angle));
    }
    array cos2 = array_copy(&cosine, FIG_F64, 0), sin2 = array_copy(&sine, FIG_F64, 0);
    array wide = array_copy(&x, FIG_F64, 0), want = array_copy(&x, FIG_F64, 0), in_place = array_copy(&x, c->type, 0);
    rope_call(now_.t, c, &cosine, &sine, &y, &x);
    rope_call(now_.t, c, &cosine, &sine, &in_place, &in_place);
    rope_call(figk_oracle(), c, &cos2, &sin2, &want, &wide);
    expect(same_bits(&y, &in_place), "in place differs");
    double top = 0; /* of the finite; two products and a sum */
    for (size_t i = 0; i < n; i++) top = fmax(top, isfinite(array_get(&x, i)) ? fabs(array_get(&x, i)) : 0);
    for (size_t i = 0; i < n; i++) expect_near(c->type, array_get(&y, i), array_get(&want, i), 3 * U * 2 * top, i);
    array_free(&x), array_free(&y), array_free(&cosine), array_free(&sine), array_free(&cos2), array_free(&sin2);
    array_free(&wide), array_free(&want), array_free(&in_place);
}
static void check_rope(void) {
    static const size_t halves[] = {0, 1, 3, 4, 5, 8, 9, 16, 17, 32, 64};
    for (size_t s = 0; s < FIG_COUNT(halves); s++)
        for (unsigned v = 0; v < 16; v++) {
            size_t dim = 2 * halves[s] + (v & 8 ? 19 : 0);
            rope_case c = {.heads = 1 + s % 3,
                           .head_dim = dim,
                           .half = halves[s],
                           .shift = shifts[s % 3],
                           .interleaved = v & 1,
                           .sign = v & 2 ? -1 : 1,
                           .type = float_types[v >> 2 & 1]};
            rope_run(&c);
        }
}

#endif
