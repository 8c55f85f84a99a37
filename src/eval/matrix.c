/* eval/matrix.c: the little linear algebra that the Fréchet distance and the lasso need, in double. Products run on the
 * scalar double kernels, which are the same on every machine. */
#include <math.h>
#include "eval/eval.h"
#include "kernels/gemm.h"

#define TILE_ROWS 32
#define MAX_SWEEPS 60 /* of QL for one eigenvalue; two or three are usual */

fig_status fig__multiply(fig_context *ctx, const fig__product *p) {
    const figk_gemm_leaf *leaf = figk_oracle()->gemm_leaf(false);
    figk_gemm g = {.m = p->m,
                   .n = p->n,
                   .k = p->k,
                   .batch = 1,
                   .a = p->a,
                   .at = FIG_F64,
                   .a_trans = p->a_trans,
                   .lda = p->a_trans ? p->m : p->k,
                   .b = p->b,
                   .bt = FIG_F64,
                   .b_trans = p->b_trans,
                   .ldb = p->b_trans ? p->k : p->n,
                   .c = p->c,
                   .ct = FIG_F64,
                   .ldc = p->n,
                   .alpha = 1,
                   .beta = p->beta};
    FIG_TRY(fig__scratch_reserve(ctx, fig__gemm_scratch(leaf, &g)));
    g.workspace = fig__alloc(ctx, fig__gemm_workspace(leaf, &g) + FIG_ALIGN);
    if (!g.workspace) return FIG_ERR_NOMEM;
    fig__gemm_run(ctx, leaf, &g);
    fig__free(ctx, g.workspace);
    return FIG_OK;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++) sum[j] += a[i + j] * b[i + j];
    for (; i < n; i++) sum[0] += a[i] * b[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* --- Cholesky with pivots ---------------------------------------------------------------------------------------*/

typedef struct column { /* the next one of the root */
    size_t n, done, pivot;
    const double *a;
    double *root, *left; /* left [n]: the diagonal of what is not explained yet */
    double pivot_root;
} column;

static void column_tile(void *arg, size_t tile, int thread) {
    const column *c = arg;
    (void)thread;
    size_t n = c->n, end = FIG_MIN((tile + 1) * TILE_ROWS, n);
    for (size_t i = tile * TILE_ROWS; i < end; i++) {
        double rest = c->a[i * n + c->pivot] - dot(c->root + i * n, c->root + c->pivot * n, c->done);
        c->root[i * n + c->done] = c->left[i] < 0 ? 0 : i == c->pivot ? c->pivot_root : rest / c->pivot_root;
    }
}

static size_t largest(const double *x, size_t n) {
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[at]) at = i;
    return at;
}

fig_status fig__semidefinite_root(fig_context *ctx, size_t n, double *a, double *root, size_t *rank) {
    column c = {.n = n, .a = a, .root = root, .left = fig__alloc(ctx, n * sizeof(double))};
    if (!c.left) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) c.left[i] = a[i * n + i];
    double least = (double)n * 0x1p-52 * c.left[largest(c.left, n)];
    for (; c.done < n; c.done++) {
        c.pivot = largest(c.left, n);
        if (!(c.left[c.pivot] > least)) break;
        c.pivot_root = sqrt(c.left[c.pivot]);
        fig__parallel(ctx, fig__ceil_div(n, TILE_ROWS), column_tile, &c);
        for (size_t i = 0; i < n; i++)
            if (c.left[i] >= 0) c.left[i] = fmax(0, c.left[i] - root[i * n + c.done] * root[i * n + c.done]);
        c.left[c.pivot] = -1; /* explained: zeros in later columns */
    }
    for (size_t i = 1; i < n; i++) memmove(root + i * c.done, root + i * n, c.done * sizeof *root);
    *rank = c.done;
    fig__free(ctx, c.left);
    return FIG_OK;
}

/* --- eigenvalues ------------------------------------------------------------------------------------------------*/

typedef struct reflection { /* of the leading n x n part of a matrix whose rows are ld apart */
    size_t n, ld;
    double *a, *u, *p, half; /* a (I - u u^T / half) from both sides; p = a u / half, then p - k u */
} reflection;

static void apply_tile(void *arg, size_t tile, int thread) {
    const reflection *r = arg;
    (void)thread;
    size_t end = FIG_MIN((tile + 1) * TILE_ROWS, r->n);
    for (size_t i = tile * TILE_ROWS; i < end; i++) r->p[i] = dot(r->a + i * r->ld, r->u, r->n) / r->half;
}

static void update_tile(void *arg, size_t tile, int thread) {
    const reflection *r = arg;
    (void)thread;
    size_t end = FIG_MIN((tile + 1) * TILE_ROWS, r->n);
    const double *u = r->u, *p = r->p;
    for (size_t i = tile * TILE_ROWS; i < end; i++) {
        double *row = r->a + i * r->ld, ui = u[i], pi = p[i];
        for (size_t j = 0; j < r->n; j++) row[j] -= ui * p[j] + pi * u[j];
    }
}

/* Makes u the Householder vector of its n numbers, scaled against overflow; the number that is left is returned. */
static double reflect(double *u, size_t n, double *half) {
    double scale = 0, square = 0;
    for (size_t i = 0; i + 1 < n; i++) scale = fmax(scale, fabs(u[i]));
    *half = 0;
    if (scale == 0) return u[n - 1];
    scale = fmax(scale, fabs(u[n - 1]));
    for (size_t i = 0; i < n; i++) u[i] /= scale;
    square = dot(u, u, n);
    double last = u[n - 1], g = last >= 0 ? -sqrt(square) : sqrt(square);
    *half = square - last * g;
    u[n - 1] = last - g;
    return scale * g;
}

/* Householder's reduction, from the last row up (Wilkinson and Reinsch 1971, tred1): diagonal and off[1 .. n-1]. */
static void tridiagonalise(fig_context *ctx, size_t n, double *a, double *diagonal, double *off, double *work) {
    for (size_t i = n; i-- > 0;) {
        double *u = a + i * n;
        diagonal[i] = u[i];
        if (i == 0) break;
        reflection r = {.n = i, .ld = n, .a = a, .u = u, .p = work};
        off[i] = reflect(u, i, &r.half);
        if (r.half == 0) continue;
        size_t n_tiles = fig__ceil_div(i, TILE_ROWS);
        fig__parallel(ctx, n_tiles, apply_tile, &r);
        double k = dot(r.u, r.p, i) / (2 * r.half);
        for (size_t j = 0; j < i; j++) r.p[j] -= k * u[j];
        fig__parallel(ctx, n_tiles, update_tile, &r);
    }
    off[0] = 0;
}

/* One implicit QL step on rows first .. last (Wilkinson's shift); e[i] couples i and i + 1. */
static void ql_step(double *d, double *e, size_t first, size_t last) {
    double g = (d[first + 1] - d[first]) / (2 * e[first]), r = hypot(g, 1), s = 1, c = 1, p = 0;
    g = d[last] - d[first] + e[first] / (g + copysign(r, g));
    for (size_t i = last; i-- > first;) {
        double f = s * e[i], b = c * e[i];
        e[i + 1] = r = hypot(f, g);
        if (r == 0) { /* it falls apart here */
            d[i + 1] -= p;
            e[last] = 0;
            return;
        }
        s = f / r, c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0;
}

static size_t block_end(const double *d, const double *e, size_t first, size_t n) {
    size_t m = first;
    for (; m + 1 < n; m++) {
        double size = fabs(d[m]) + fabs(d[m + 1]);
        if (fabs(e[m]) + size == size) break;
    }
    return m;
}

static bool ql(double *d, double *e, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t last;
        for (int sweep = 0; (last = block_end(d, e, i, n)) != i; sweep++) {
            if (sweep == MAX_SWEEPS) return false;
            ql_step(d, e, i, last);
        }
    }
    return true;
}

fig_status fig__symmetric_eigenvalues(fig_context *ctx, size_t n, double *a, double *values) {
    if (n == 0) return FIG_OK;
    double *off = fig__alloc(ctx, 2 * (n + 1) * sizeof *off);
    if (!off) return FIG_ERR_NOMEM;
    tridiagonalise(ctx, n, a, values, off, off + n + 1);
    memmove(off, off + 1, (n - 1) * sizeof *off);
    off[n - 1] = 0;
    bool found = ql(values, off, n);
    fig__free(ctx, off);
    FIG_CHECK(ctx, found, FIG_ERR_INTERNAL, "eigenvalues: QL does not settle; are the numbers finite?");
    fig__sort(values, n);
    return FIG_OK;
}
