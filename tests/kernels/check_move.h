/* check_move.h: loads, stores, transposition, reductions, dropout masks. */
#ifndef CHECK_MOVE_H
#define CHECK_MOVE_H
#include "kernel_check.h"

static void check_load(void) {
    static const fig_dtype types[] = {FIG_F32, FIG_BF16, FIG_I32, FIG_U8};
    for (size_t t = 0; t < FIG_COUNT(types); t++)
        for (size_t s = 0; s < FIG_COUNT(sizes); s++)
            for (size_t stride = 0; stride < 4; stride++) {
                size_t n = sizes[s];
                array x = array_new(types[t], stride ? n * stride : 1, shifts[s % 3]);
                for (size_t i = 0; i < x.n; i++)
                    array_set(&x, i,
                              types[t] == FIG_U8    ? (double)(random_word() % 256)
                              : types[t] == FIG_I32 ? (double)(int32_t)random_word()
                                                    : random_value(WILD));
                array y = array_new(FIG_F32, n, shifts[stride % 3]), want = array_new(FIG_F32, n, 0);
                now_.t->load(n, y.p, x.p, types[t], stride);
                for (size_t i = 0; i < n; i++) array_set(&want, i, array_get(&x, i * stride));
                expect(same_bits(&y, &want), "%zu of %s, stride %zu", n, fig_dtype_name(types[t]), stride);
                array_free(&x), array_free(&y), array_free(&want);
            }
}

/* What lies between the elements of a strided store stays. */
static void check_store(void) {
    for (size_t t = 0; t < 2; t++)
        for (size_t s = 0; s < FIG_COUNT(sizes); s++)
            for (size_t stride = 1; stride < 4; stride++) {
                size_t n = sizes[s];
                array x = array_random(FIG_F32, n, shifts[stride % 3], WILD);
                array y = array_random(float_types[t], n * stride, shifts[s % 3], TAME);
                array want = array_copy(&y, float_types[t], 0);
                now_.t->store(n, y.p, float_types[t], stride, x.p);
                for (size_t i = 0; i < n; i++) array_set(&want, i * stride, array_get(&x, i));
                expect(same_bits(&y, &want), "%zu of %s, stride %zu", n, fig_dtype_name(float_types[t]), stride);
                array_free(&x), array_free(&y), array_free(&want);
            }
}

/* Every bit pattern of a float's upper half, with lower halves around the ties: rounding as fig__f32_to_bf16 does. */
static void check_store_rounding(void) {
    static const uint16_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (uint32_t top = 0; top < 0x10000; top += 4) {
        uint32_t x[24];
        uint16_t y[24];
        for (size_t i = 0; i < 24; i++) x[i] = (top + (uint32_t)i / 6) << 16 | low[i % 6];
        now_.t->store(24, y, FIG_BF16, 1, x);
        for (size_t i = 0; i < 24; i++) {
            float f;
            memcpy(&f, &x[i], 4);
            expect(y[i] == fig__f32_to_bf16(f), "%08x became %04x", x[i], y[i]);
        }
    }
}

static void transpose_run(size_t rows, size_t cols, size_t size, size_t gap) {
    size_t ldx = cols + gap, ldy = rows + 2 * gap;
    array x = array_new(FIG_U8, rows * ldx * size, 0), y = array_new(FIG_U8, cols * ldy * size, 0);
    for (size_t i = 0; i < x.n; i++) array_set(&x, i, (double)(random_word() % 256));
    memset(y.p, 7, y.n);
    now_.t->transpose(rows, cols, y.p, ldy, x.p, ldx, size);
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < ldy; r++)
            for (size_t b = 0; b < size; b++) {
                double got = array_get(&y, (c * ldy + r) * size + b);
                double want = r < rows ? array_get(&x, (r * ldx + c) * size + b) : 7;
                expect(got == want, "%zu x %zu of %zu bytes", rows, cols, size);
            }
    array_free(&x), array_free(&y);
}
static void check_transpose(void) {
    static const size_t n[] = {0, 1, 3, 7, 8, 9, 16, 25, 64};
    for (size_t r = 0; r < FIG_COUNT(n); r++)
        for (size_t c = 0; c < FIG_COUNT(n); c++)
            for (size_t size = 2; size <= 8; size *= 2) transpose_run(n[r], n[c], size, (r + c) % 3);
}

/* --- reductions ----------------------------------------------------------------------------------------------*/

typedef struct reduction {
    size_t n, inner, stride;
    bool accumulate;
} reduction;

static void sum_run(reduction d, fig_dtype type, size_t shift, kind k) {
    size_t span = d.n ? (d.n - 1) * d.stride + d.inner : 0;
    array x = array_random(type, span, shift, k), moved = array_copy(&x, type, shift + 1);
    array y = array_random(FIG_F32, d.inner, shift, TAME), want = array_copy(&y, FIG_F64, 0);
    array again = array_copy(&y, FIG_F32, 0), start = array_copy(&y, FIG_F32, 0);
    now_.t->sum(d.n, d.inner, y.p, x.p, type, d.stride, d.accumulate);
    now_.t->sum(d.n, d.inner, again.p, moved.p, type, d.stride, d.accumulate);
    figk_oracle()->sum(d.n, d.inner, want.p, x.p, type, d.stride, d.accumulate);
    expect(same_bits(&y, &again), "depends on alignment");
    for (size_t j = 0; j < d.inner; j++) {
        double size = d.accumulate ? fabs(array_get(&start, j)) : 0;
        for (size_t i = 0; i < d.n; i++) size += fabs(array_get(&x, i * d.stride + j));
        expect_near(FIG_F32, array_get(&y, j), array_get(&want, j), (double)d.n * U * size, j);
    }
    array_free(&x), array_free(&moved), array_free(&y), array_free(&want), array_free(&again), array_free(&start);
}

static void maximum_run(reduction d, fig_dtype type, size_t shift, kind k) {
    size_t span = d.n ? (d.n - 1) * d.stride + d.inner : 0;
    array x = array_random(type, span, shift, k);
    array y = array_new(FIG_F32, d.inner, shift), want = array_new(FIG_F64, d.inner, 0);
    now_.t->maximum(d.n, d.inner, y.p, x.p, type, d.stride);
    figk_oracle()->maximum(d.n, d.inner, want.p, x.p, type, d.stride);
    for (size_t j = 0; j < d.inner; j++) expect_near(FIG_F32, array_get(&y, j), array_get(&want, j), 0, j);
    array_free(&x), array_free(&y), array_free(&want);
}

static void each_reduction(void (*run)(reduction d, fig_dtype type, size_t shift, kind k)) {
    static const size_t inners[] = {1, 2, 15, 16, 17, 64, 70, 130};
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (size_t i = 0; i < FIG_COUNT(inners); i++)
            for (int variant = 0; variant < 8; variant++) {
                reduction d = {sizes[s], inners[i], inners[i] + (variant & 1 ? 5 : 0), variant & 2};
                if (d.n * d.inner > 20000) continue;
                kind k = (s + i) % 2 ? LIMIT : TAME;
                run(d, float_types[variant >> 2], shifts[(s + i) % 3], k);
            }
}
static void check_sum(void) { each_reduction(sum_run); }
static void check_maximum(void) { each_reduction(maximum_run); }

/* Whole numbers, so that there are ties. x and dx: two windows beside each other, and a line's end that is none. */
typedef struct pool {
    size_t n, k, c, ld;
    array x, dy, y, dx;
} pool;
static pool pool_random(size_t k, size_t c, size_t shift, const fig_dtype type[3]) {
    pool p = {.n = 2, .k = k, .c = c, .ld = (2 * k + 1) * c};
    p.x = array_random(type[0], p.ld * k, shift, TAME), p.dy = array_random(type[1], p.n * c, shift + 1, TAME);
    for (size_t i = 0; i < p.x.n; i++) array_set(&p.x, i, rint(random_normal()));
    p.y = array_new(type[0], p.n * c, shift), p.dx = array_random(type[2], p.x.n, shift + 2, TAME);
    return p;
}
static void pool_free(pool *p) { array_free(&p->x), array_free(&p->dy), array_free(&p->y), array_free(&p->dx); }

static void each_pool(void (*run)(pool *p)) {
    for (size_t s = 1; s < FIG_COUNT(sizes); s++)
        for (size_t k = 1; k < 4; k++)
            for (int v = 0; v < 8; v++) {
                fig_dtype type[3] = {float_types[v & 1], float_types[v >> 1 & 1], float_types[v >> 2]};
                pool p = pool_random(k, sizes[s], shifts[s % 3], type);
                run(&p);
                pool_free(&p);
            }
}
static void max_pool_run(pool *p) {
    array want = array_new(p->x.type, p->y.n, 0);
    now_.t->max_pool(p->n, p->k, p->c, p->y.p, p->x.p, p->x.type, p->ld);
    figk_oracle()->max_pool(p->n, p->k, p->c, want.p, p->x.p, p->x.type, p->ld);
    for (size_t i = 0; i < want.n; i++) expect_near(FIG_F32, array_get(&p->y, i), array_get(&want, i), 0, i);
    array_free(&want);
}
static void max_pool_bwd_run(pool *p) {
    array want = array_copy(&p->dx, FIG_F64, 0);
    now_.t->max_pool_bwd(p->n, p->k, p->c, p->dx.p, p->dx.type, p->x.p, p->x.type, p->ld, p->dy.p, p->dy.type);
    figk_oracle()->max_pool_bwd(p->n, p->k, p->c, want.p, FIG_F64, p->x.p, p->x.type, p->ld, p->dy.p, p->dy.type);
    for (size_t i = 0; i < want.n; i++) expect_near(p->dx.type, array_get(&p->dx, i), array_get(&want, i), 0, i);
    array_free(&want);
}
static void check_max_pool(void) { each_pool(max_pool_run); }
static void check_max_pool_bwd(void) { each_pool(max_pool_bwd_run); }

static void check_accumulate(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int t = 0; t < 2; t++) {
            array x = array_random(float_types[t], sizes[s], shifts[s % 3], WILD);
            array y = array_random(FIG_F32, sizes[s], shifts[(s + 1) % 3], WILD), want = array_copy(&y, FIG_F64, 0);
            now_.t->accumulate(sizes[s], y.p, x.p, float_types[t]);
            for (size_t i = 0; i < sizes[s]; i++)
                expect_near(FIG_F32, array_get(&y, i), array_get(&want, i) + array_get(&x, i), 0, i);
            array_free(&x), array_free(&y), array_free(&want);
        }
}

/* Each product and each sum rounds once; weights are rounded to float first. */
static void check_blend(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (size_t n_rows = 0; n_rows < 6; n_rows++)
            for (int t = 0; t < 4; t++) {
                size_t n = sizes[s];
                fig_dtype yt = float_types[t >> 1];
                array x[5], y = array_new(yt, n, shifts[n_rows % 3]), want = array_new(FIG_F64, n, 0);
                const void *rows[5];
                double weights[5];
                for (size_t i = 0; i < n_rows; i++) {
                    x[i] = array_random(float_types[t & 1], n, shifts[(s + i) % 3], TAME);
                    rows[i] = x[i].p, weights[i] = random_normal();
                }
                now_.t->blend(n_rows, n, y.p, yt, rows, float_types[t & 1], weights);
                figk_oracle()->blend(n_rows, n, want.p, FIG_F64, rows, float_types[t & 1], weights);
                for (size_t j = 0; j < n; j++) {
                    double size = 0;
                    for (size_t i = 0; i < n_rows; i++) size += fabs(weights[i] * array_get(&x[i], j));
                    expect_near(yt, array_get(&y, j), array_get(&want, j), (double)(n_rows + 2) * U * size, j);
                }
                for (size_t i = 0; i < n_rows; i++) array_free(&x[i]);
                array_free(&y), array_free(&want);
            }
}

static void check_weigh(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (size_t n_rows = 0; n_rows < 5; n_rows++)
            for (int t = 0; t < 8; t++) {
                size_t n = sizes[s];
                fig_dtype xt = float_types[t & 1], wt = float_types[t >> 1 & 1], yt = float_types[t >> 2];
                array x[4], w[4], y = array_new(yt, n, shifts[n_rows % 3]), want = array_new(FIG_F64, n, 0);
                array start = array_random(FIG_F32, n, shifts[s % 3], TAME), wide = array_copy(&start, FIG_F64, 0);
                const void *rows[4], *weights[4], *from = t % 3 ? start.p : NULL;
                for (size_t i = 0; i < n_rows; i++) {
                    x[i] = array_random(xt, n, shifts[(s + i) % 3], TAME), rows[i] = x[i].p;
                    w[i] = array_random(wt, n, shifts[(s + i + 1) % 3], TAME), weights[i] = w[i].p;
                }
                now_.t->weigh(n_rows, n, y.p, yt, rows, xt, weights, wt, from);
                figk_oracle()->weigh(n_rows, n, want.p, FIG_F64, rows, xt, weights, wt, from ? wide.p : NULL);
                for (size_t j = 0; j < n; j++) {
                    double size = from ? fabs(array_get(&start, j)) : 0;
                    for (size_t i = 0; i < n_rows; i++) size += fabs(array_get(&x[i], j) * array_get(&w[i], j));
                    expect_near(yt, array_get(&y, j), array_get(&want, j), (double)(n_rows + 1) * U * size, j);
                }
                for (size_t i = 0; i < n_rows; i++) array_free(&x[i]), array_free(&w[i]);
                array_free(&y), array_free(&want), array_free(&start), array_free(&wide);
            }
}
static void check_weigh_sum(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (size_t n = 0; n < 6; n++)
            for (int t = 0; t < 4; t++) {
                size_t inner = sizes[s], a_stride = inner + (n % 2 ? 3 : 0), b_stride = inner + (n % 3 ? 0 : 5);
                fig_dtype at = float_types[t & 1], bt = float_types[t >> 1];
                array a = array_random(at, n ? (n - 1) * a_stride + inner : 0, shifts[s % 3], TAME);
                array b = array_random(bt, n ? (n - 1) * b_stride + inner : 0, shifts[n % 3], TAME);
                array y = array_random(FIG_F32, inner, shifts[t % 3], TAME), want = array_copy(&y, FIG_F64, 0);
                array start = array_copy(&y, FIG_F64, 0);
                now_.t->weigh_sum(n, inner, y.p, a.p, at, a_stride, b.p, bt, b_stride);
                figk_oracle()->weigh_sum(n, inner, want.p, a.p, at, a_stride, b.p, bt, b_stride);
                for (size_t j = 0; j < inner; j++) {
                    double size = fabs(array_get(&start, j));
                    for (size_t i = 0; i < n; i++)
                        size += fabs(array_get(&a, i * a_stride + j) * array_get(&b, i * b_stride + j));
                    expect_near(FIG_F32, array_get(&y, j), array_get(&want, j), (double)(n + 1) * U * size, j);
                }
                array_free(&a), array_free(&b), array_free(&y), array_free(&want), array_free(&start);
            }
}

/* Products of floats are exact in double; only the n additions round. */
static void check_dot(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int t = 0; t < 4; t++) {
            size_t n = sizes[s];
            array x = array_random(float_types[t & 1], n, shifts[s % 3], TAME);
            array y = array_random(float_types[t >> 1], n, shifts[(s + 1) % 3], TAME);
            double want = figk_oracle()->dot(n, x.p, x.type, y.p, y.type), size = 0;
            for (size_t i = 0; i < n; i++) size += fabs(array_get(&x, i) * array_get(&y, i));
            expect_near(FIG_F64, now_.t->dot(n, x.p, x.type, y.p, y.type), want, (double)n * DBL_EPSILON * size, 0);
            array_free(&x), array_free(&y);
        }
}
static void check_sumsq(void) {
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (int t = 0; t < 2; t++) {
            size_t n = sizes[s];
            array x = array_random(float_types[t], n, shifts[s % 3], TAME);
            if (n) array_set(&x, random_word() % n, 1e30); /* its square fits a double only */
            double want = figk_oracle()->sumsq(n, x.p, x.type);
            expect_near(FIG_F64, now_.t->sumsq(n, x.p, x.type), want, (double)n * DBL_EPSILON * want, 0);
            if (n) {
                array_set(&x, random_word() % n, random_word() & 1 ? NAN : -INFINITY);
                expect(!isfinite(now_.t->sumsq(n, x.p, x.type)), "finite in spite of what is in it");
            }
            array_free(&x);
        }
}

/* --- normal numbers ------------------------------------------------------------------------------------------*/

/* The radius is at most sqrt(-2 ln 2^-24) = 5.77; rounding moves it by a few units and the angle by 2^-22. Any run of
 * elements has the bits that they have in a longer one. */
static void check_normals(void) {
    static const uint64_t first[] = {0, 1, 2, 3, 4, 1000003, ((uint64_t)4 << 32) - 100, (uint64_t)5 << 33};
    fig_rng_key key = {.seed = 3, .stream = 0x123456789abcdefu, .step = 11};
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (size_t f = 0; f < FIG_COUNT(first); f++) {
            size_t n = sizes[s];
            array y = array_new(FIG_F32, n, shifts[s % 3]), want = array_new(FIG_F64, n, 0);
            array part = array_new(FIG_F32, n / 2, 0);
            now_.t->normals(n, y.p, &key, s, first[f]);
            figk_oracle()->normals(n, want.p, &key, s, first[f]);
            now_.t->normals(n / 2, part.p, &key, s, first[f] + n - n / 2);
            for (size_t i = 0; i < n; i++)
                expect_near(FIG_F32, array_get(&y, i), array_get(&want, i), 5.77 * 3 * 0x1p-22, i);
            for (size_t i = 0; i < n / 2; i++)
                expect(array_get(&part, i) == array_get(&y, n - n / 2 + i), "element %zu depends on its run", i);
            array_free(&y), array_free(&want), array_free(&part);
        }
}
/* Mean 0, variance 1, kurtosis 3, neighbours independent: each within five standard errors over a million. */
static void check_normals_moments(void) {
    enum { N = 1 << 20 };
    float *y = malloc(N * sizeof *y);
    fig_rng_key key = {.seed = 1, .stream = 5, .step = 2};
    double sum = 0, square = 0, fourth = 0, product = 0;
    now_.t->normals(N, y, &key, 9, 0);
    for (size_t i = 0; i < N; i++) {
        double v = (double)y[i];
        sum += v, square += v * v, fourth += v * v * v * v, product += i ? v * (double)y[i - 1] : 0;
    }
    double error = 5 / sqrt((double)N);
    expect(fabs(sum / N) < error && fabs(square / N - 1) < error * sqrt(2) && fabs(fourth / N - 3) < error * sqrt(96) &&
               fabs(product / N) < error,
           "moments %g %g %g, neighbours %g", sum / N, square / N, fourth / N, product / N);
    free(y);
}

/* --- dropout -------------------------------------------------------------------------------------------------*/

/* Element by element from the generator itself, so all levels give the same bits. */
static const fig_rng_key dropout_key = {.seed = 42, .stream = 0xabcdef0123456789u, .step = 7};
static void dropout_run(size_t n, size_t shift, uint64_t sample, uint64_t element0, double p) {
    array y = array_new(FIG_F32, n, shift);
    now_.t->dropout_mask(n, y.p, &dropout_key, sample, element0, p);
    for (size_t i = 0; i < n; i++) {
        bool dropped = fig__rng_u32(&dropout_key, sample, element0 + i) < p * 4294967296.0;
        expect_near(FIG_F32, array_get(&y, i), dropped ? 0 : 1 / (1 - p), 0, i);
    }
    array_free(&y);
}
static void check_dropout_mask(void) {
    static const double p[] = {0, 0.1, 0.5, 0.9, 0x1p-32, 1 - 0x1p-32, 1};
    static const uint64_t first[] = {0, 1, 2, 3, 4, 1000003, ((uint64_t)4 << 32) - 100, (uint64_t)5 << 33};
    for (size_t s = 0; s < FIG_COUNT(sizes); s++)
        for (size_t f = 0; f < FIG_COUNT(first); f++) {
            uint64_t sample = f % 2 ? s : (uint64_t)s << 33;
            dropout_run(sizes[s], shifts[s % 3], sample, first[f], p[(s + f) % FIG_COUNT(p)]);
            /* the limit is exactly one of the numbers drawn: that one is not below it */
            double edge = fig__rng_u32(&dropout_key, sample, first[f] + sizes[s] / 2) / 4294967296.0;
            dropout_run(sizes[s], shifts[s % 3], sample, first[f], edge);
        }
}

#endif
