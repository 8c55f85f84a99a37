/* tests/kernels/test_attention.c: attention at every level this machine has, against sums over the whole T x T matrix
 * in double, written out here and independent of the library's own oracle (which is one of the things tested).
 *
 * Tolerances are bounds of rounding: with u the unit roundoff, a dot product of n terms is off by at most (n + 3) u
 * times the sum of its magnitudes, a probability by that much of its score, and so on through the chain; with bf16
 * pairs, probabilities and their gradients are rounded to bf16 once more. The bounds are summed beside the values. */
#include "check.h"
#include "kernels/attention.h"
#include <sys/mman.h>

/* --- cases ------------------------------------------------------------------------------------------------------ */

typedef struct spec {
    uint64_t seed;
    size_t n_batch, n_kv_head, group, head_dim, q_max, kv_max;
    bool causal, lens, segments, gaps;
    size_t window, block_len; /* block_len > 0: blocked cache */
    double softcap, dropout, magnitude;
} spec;

static uint64_t next(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static size_t pick(uint64_t *state, size_t low, size_t high) { return low + next(state) % (high - low + 1); }
static bool chance(uint64_t *state, size_t one_in) { return next(state) % one_in == 0; }

/* A [B, T, H, D] array seen through strides; what lies between its elements is guarded. */
typedef struct array {
    fig_dtype type;
    size_t shape[4], stride[3], count; /* count: elements of the buffer */
    unsigned char *data;
    bool *owned; /* [count]: is an element of the array */
} array;

#define GUARD 0xA5

static size_t array_at(const array *x, size_t b, size_t t, size_t h) {
    return b * x->stride[0] + t * x->stride[1] + h * x->stride[2];
}

static array array_new(fig_dtype type, size_t b, size_t t, size_t h, size_t d, size_t gap) {
    array x = {.type = type, .shape = {b, t, h, d}};
    x.stride[2] = d + gap;
    x.stride[1] = h * x.stride[2] + gap;
    x.stride[0] = t * x.stride[1] + gap;
    x.count = b * x.stride[0] + gap;
    x.data = malloc(x.count * fig_dtype_size(type) + 1);
    memset(x.data, GUARD, x.count * fig_dtype_size(type));
    x.owned = calloc(x.count + 1, sizeof(bool));
    for (size_t i = 0; i < b * t * h; i++) {
        size_t at = array_at(&x, i / (t * h), i / h % t, i % h);
        for (size_t e = 0; e < d; e++) x.owned[at + e] = true;
    }
    return x;
}

static void array_free(array *x) {
    free(x->data);
    free(x->owned);
}

static double array_get(const array *x, size_t i) {
    switch (x->type) {
    case FIG_F64: return ((const double *)(const void *)x->data)[i];
    case FIG_BF16: return (double)fig__bf16_to_f32(((const uint16_t *)(const void *)x->data)[i]);
    default: return (double)((const float *)(const void *)x->data)[i];
    }
}

static void array_set(array *x, size_t i, double value) {
    switch (x->type) {
    case FIG_F64: ((double *)(void *)x->data)[i] = value; break;
    case FIG_BF16: ((uint16_t *)(void *)x->data)[i] = fig__f32_to_bf16((float)value); break;
    default: ((float *)(void *)x->data)[i] = (float)value; break;
    }
}

static bool array_guarded(const array *x) {
    size_t size = fig_dtype_size(x->type);
    for (size_t i = 0; i < x->count * size; i++) {
        if (!x->owned[i / size] && x->data[i] != GUARD) return false;
    }
    return true;
}

typedef struct problem {
    spec s;
    figk_attn a;
    array q, k, v, d_o, o, dq, dk, dv;
    int32_t *q_len, *kv_len, *q_segment, *kv_segment;
    void *lse;
    void **k_blocks, **v_blocks;
} problem;

static double rounded(double value, fig_dtype type) {
    if (type == FIG_BF16) return (double)fig__bf16_to_f32(fig__f32_to_bf16((float)value));
    return type == FIG_F32 ? (double)(float)value : value;
}

/* Numbers of the case, rounded to `grid`; NaN in what may not be read: gaps and times past the lengths. */
static void fill(array *x, uint64_t stream, const problem *p, const int32_t *len, fig_dtype grid) {
    fig_rng_key key = {.seed = p->s.seed, .stream = stream};
    size_t *n = x->shape;
    for (size_t i = 0; i < x->count; i++) array_set(x, i, NAN);
    for (size_t i = 0; i < n[0] * n[1] * n[2] * n[3]; i++) {
        size_t d = i % n[3], h = i / n[3] % n[2], t = i / (n[3] * n[2]) % n[1], b = i / (n[3] * n[2] * n[1]);
        double value = rounded(p->s.magnitude * fig__rng_normal(&key, 0, i), grid);
        array_set(x, array_at(x, b, t, h) + d, len && t >= (size_t)len[b] ? NAN : value);
    }
}

/* Moves k and v into blocks of memory of their own; blocks past the length are not there at all. */
static void make_blocks(problem *p) {
    figk_attn *a = &p->a;
    size_t size = fig_dtype_size(a->type), row = a->n_kv_head * a->head_dim;
    a->block_len = p->s.block_len;
    a->blocks_max = fig__ceil_div(a->kv_max, a->block_len);
    p->k_blocks = calloc(a->n_batch * a->blocks_max, sizeof(void *));
    p->v_blocks = calloc(a->n_batch * a->blocks_max, sizeof(void *));
    for (size_t i = 0; i < a->n_batch * a->blocks_max; i++) {
        size_t b = i / a->blocks_max, t0 = i % a->blocks_max * a->block_len;
        if (t0 >= figk_attn_len(a->kv_len, b, a->kv_max)) continue;
        unsigned char *k = malloc(a->block_len * row * size), *v = malloc(a->block_len * row * size);
        for (size_t t = 0; t < a->block_len && t0 + t < a->kv_max; t++) {
            for (size_t h = 0; h < a->n_kv_head; h++) {
                size_t to = (t * row + h * a->head_dim) * size;
                memcpy(k + to, p->k.data + array_at(&p->k, b, t0 + t, h) * size, a->head_dim * size);
                memcpy(v + to, p->v.data + array_at(&p->v, b, t0 + t, h) * size, a->head_dim * size);
            }
        }
        p->k_blocks[i] = k, p->v_blocks[i] = v;
    }
    a->k = a->v = NULL;
    a->k_stride[1] = a->v_stride[1] = row;
    a->k_stride[2] = a->v_stride[2] = a->head_dim;
    a->k_blocks = (const void *const *)p->k_blocks;
    a->v_blocks = (const void *const *)p->v_blocks;
}

static void make_masks(problem *p) {
    const spec *s = &p->s;
    uint64_t state = s->seed ^ 0x1234;
    p->q_len = malloc(s->n_batch * sizeof(int32_t));
    p->kv_len = malloc(s->n_batch * sizeof(int32_t));
    for (size_t b = 0; b < s->n_batch; b++) {
        p->q_len[b] = (int32_t)(s->lens ? pick(&state, 0, s->q_max) : s->q_max);
        p->kv_len[b] = (int32_t)(s->lens ? pick(&state, 0, s->kv_max) : s->kv_max);
    }
    if (s->lens) p->a.q_len = p->q_len, p->a.kv_len = p->kv_len;
    if (!s->segments) return;
    p->q_segment = malloc(s->n_batch * s->q_max * sizeof(int32_t));
    p->kv_segment = malloc(s->n_batch * s->kv_max * sizeof(int32_t));
    for (size_t i = 0; i < s->n_batch * s->q_max; i++) p->q_segment[i] = (int32_t)pick(&state, 0, 3) - 1;
    for (size_t i = 0; i < s->n_batch * s->kv_max; i++) p->kv_segment[i] = (int32_t)(i / 7 % 3);
    p->a.q_segment = p->q_segment, p->a.kv_segment = p->kv_segment;
}

/* Stored in `type`, with numbers that also `grid` can hold. */
static problem problem_new(const spec *s, fig_dtype type, fig_dtype grid) {
    problem p = {.s = *s};
    size_t n_head = s->n_kv_head * s->group, b = s->n_batch, gap = s->gaps ? 3 : 0, d = s->head_dim;
    p.a = (figk_attn){.n_batch = b,
                      .n_head = n_head,
                      .n_kv_head = s->n_kv_head,
                      .head_dim = d,
                      .q_max = s->q_max,
                      .kv_max = s->kv_max,
                      .type = type,
                      .scale = 1 / sqrt((double)d),
                      .softcap = s->softcap,
                      .causal = s->causal,
                      .window = s->window,
                      .dropout = s->dropout,
                      .key = {.seed = s->seed, .stream = 77, .step = 5},
                      .sample0 = 1000};
    make_masks(&p);
    array *queries[] = {&p.q, &p.d_o, &p.o, &p.dq}, *keys[] = {&p.k, &p.v, &p.dk, &p.dv};
    for (size_t i = 0; i < 4; i++) {
        *queries[i] = array_new(type, b, s->q_max, n_head, d, gap * (i + 1));
        *keys[i] = array_new(type, b, s->kv_max, s->n_kv_head, d, gap * (i + 2));
        if (i < 2) fill(queries[i], i, &p, p.a.q_len, grid), fill(keys[i], i + 2, &p, p.a.kv_len, grid);
    }
    p.lse = calloc(b * n_head * s->q_max, sizeof(double));
    size_t *to[] = {p.a.q_stride, p.a.do_stride, p.a.o_stride,  p.a.dq_stride,
                    p.a.k_stride, p.a.v_stride,  p.a.dk_stride, p.a.dv_stride};
    for (size_t i = 0; i < 8; i++) memcpy(to[i], (i < 4 ? queries[i] : keys[i - 4])->stride, sizeof p.q.stride);
    p.a.q = p.q.data, p.a.k = p.k.data, p.a.v = p.v.data, p.a.o = p.o.data, p.a.d_o = p.d_o.data, p.a.lse = p.lse;
    p.a.dq = p.dq.data, p.a.dk = p.dk.data, p.a.dv = p.dv.data;
    if (s->block_len) make_blocks(&p);
    return p;
}

static void problem_free(problem *p) {
    array *all[] = {&p->q, &p->k, &p->v, &p->d_o, &p->o, &p->dq, &p->dk, &p->dv};
    for (size_t i = 0; i < FIG_COUNT(all); i++) array_free(all[i]);
    for (size_t i = 0; p->k_blocks && i < p->a.n_batch * p->a.blocks_max; i++)
        free(p->k_blocks[i]), free(p->v_blocks[i]);
    free(p->k_blocks), free(p->v_blocks);
    free(p->q_len), free(p->kv_len), free(p->q_segment), free(p->kv_segment), free(p->lse);
}

static spec random_spec(uint64_t seed) {
    static const size_t dims[] = {1, 3, 8, 16, 20, 32, 33, 64, 72, 128};
    uint64_t r = seed * 7919 + 1;
    spec s = {.seed = seed, .magnitude = 1};
    s.n_batch = pick(&r, 1, 3), s.n_kv_head = pick(&r, 1, 2), s.group = chance(&r, 2) ? 1 : pick(&r, 2, 5);
    s.head_dim = dims[next(&r) % FIG_COUNT(dims)];
    s.q_max = chance(&r, 4) ? 1 : pick(&r, 1, chance(&r, 3) ? 150 : 40);
    s.kv_max = chance(&r, 2) ? s.q_max : pick(&r, 1, 200);
    s.causal = chance(&r, 2), s.lens = chance(&r, 2), s.segments = chance(&r, 4), s.gaps = chance(&r, 2);
    s.window = chance(&r, 3) ? pick(&r, 1, s.kv_max) : 0;
    s.block_len = chance(&r, 3) ? pick(&r, 1, 70) : 0;
    s.softcap = chance(&r, 3) ? 2.5 : 0;
    s.dropout = chance(&r, 3) ? 0.3 : 0;
    return s;
}

/* --- the witness ------------------------------------------------------------------------------------------------ */

typedef struct rounding {
    double unit, pair, store;
} rounding; /* of sums, of bf16 operands, of the results */

/* Values and bounds, in the order [b][t][h][d]; lse [b][h][t]. */
typedef struct witness {
    double *o, *lse, *dq, *dk, *dv;
    double *o_tol, *lse_tol, *dq_tol, *dk_tol, *dv_tol;
} witness;

static witness witness_new(const figk_attn *a) {
    size_t nq = a->n_batch * a->q_max * a->n_head * a->head_dim,
           nk = a->n_batch * a->kv_max * a->n_kv_head * a->head_dim;
    witness w;
    double **q_like[] = {&w.o, &w.lse, &w.dq, &w.o_tol, &w.lse_tol, &w.dq_tol};
    double **k_like[] = {&w.dk, &w.dv, &w.dk_tol, &w.dv_tol};
    for (size_t i = 0; i < FIG_COUNT(q_like); i++) *q_like[i] = calloc(nq + 1, sizeof(double));
    for (size_t i = 0; i < FIG_COUNT(k_like); i++) *k_like[i] = calloc(nk + 1, sizeof(double));
    return w;
}

static void witness_free(witness *w) {
    double *all[] = {w->o, w->lse, w->dq, w->dk, w->dv, w->o_tol, w->lse_tol, w->dq_tol, w->dk_tol, w->dv_tol};
    for (size_t i = 0; i < FIG_COUNT(all); i++) free(all[i]);
}

static bool sees(const problem *p, size_t b, size_t i, size_t j) {
    const spec *s = &p->s;
    long q_len = p->q_len[b], kv_len = p->kv_len[b], position = kv_len - q_len + (long)i;
    if ((long)i >= q_len || (long)j >= kv_len) return false;
    if (s->causal && (long)j > position) return false;
    if (s->window && (long)j <= position - (long)s->window) return false;
    return !s->segments || p->q_segment[b * s->q_max + i] == p->kv_segment[b * s->kv_max + j];
}

/* One query against one key: score, what it may be off by, dropout factor. */
typedef struct pair {
    bool seen;
    double s, s_off, keep, dp, dp_off;
} pair;

static pair pair_of(const problem *p, const rounding *u, size_t b, size_t h, size_t i, size_t j) {
    pair x = {.seen = sees(p, b, i, j), .keep = 1};
    if (!x.seen) return x;
    const figk_attn *a = &p->a;
    double sum = 0, size = 0, dp_size = 0, n = (double)a->head_dim + 3;
    size_t q = array_at(&p->q, b, i, h), d_o = array_at(&p->d_o, b, i, h), kv_h = h / p->s.group;
    size_t k = array_at(&p->k, b, j, kv_h), v = array_at(&p->v, b, j, kv_h);
    for (size_t d = 0; d < a->head_dim; d++) {
        double term = array_get(&p->q, q + d) * array_get(&p->k, k + d);
        double dp = array_get(&p->d_o, d_o + d) * array_get(&p->v, v + d);
        sum += term, size += fabs(term), x.dp += dp, dp_size += fabs(dp);
    }
    x.s = sum * a->scale;
    if (a->softcap != 0) x.s = a->softcap * tanh(x.s / a->softcap);
    x.s_off = u->unit * (n * size * a->scale + 8 * fabs(x.s));
    x.dp_off = u->unit * n * dp_size;
    if (a->dropout > 0) {
        uint64_t element = (h * a->q_max + i) * a->kv_max + j;
        bool dropped = fig__rng_u32(&a->key, a->sample0 + b, element) < a->dropout * 4294967296.0;
        x.keep = dropped ? 0 : 1 / (1 - a->dropout);
    }
    return x;
}

#define TINY 1e-30 /* what underflows may lose */

static void witness_forward_row(const problem *p, witness *w, const rounding *u, size_t b, size_t h, size_t i) {
    const figk_attn *a = &p->a;
    double top = -INFINITY, total = 0, off = 0, n = (double)a->kv_max + 12;
    pair *x = malloc((a->kv_max + 1) * sizeof *x);
    for (size_t j = 0; j < a->kv_max; j++) {
        x[j] = pair_of(p, u, b, h, i, j);
        if (x[j].seen) top = fmax(top, x[j].s), off = fmax(off, x[j].s_off + u->unit * fabs(x[j].s));
    }
    for (size_t j = 0; j < a->kv_max; j++) total += x[j].seen ? exp(x[j].s - top) : 0;
    size_t lse_at = (b * a->n_head + h) * a->q_max + i;
    w->lse[lse_at] = total > 0 ? top + log(total) : -INFINITY;
    w->lse_tol[lse_at] = off + u->unit * (n + fabs(top));
    for (size_t d = 0; d < a->head_dim; d++) {
        double o = 0, size = 0;
        for (size_t j = 0; j < a->kv_max; j++) {
            if (!x[j].seen) continue;
            double pv =
                exp(x[j].s - top) / total * x[j].keep * array_get(&p->v, array_at(&p->v, b, j, h / p->s.group) + d);
            o += pv, size += fabs(pv);
        }
        size_t at = ((b * a->q_max + i) * a->n_head + h) * a->head_dim + d;
        w->o[at] = o;
        w->o_tol[at] = size * (2 * off + 2 * n * u->unit + u->pair) + u->store * fabs(o) + TINY;
    }
    free(x);
}

/* Gradients of one query, from the o and lse that the problem holds; adds to dk and dv. */
static void witness_backward_row(const problem *p, witness *w, const rounding *u, size_t b, size_t h, size_t i,
                                 double lse) {
    const figk_attn *a = &p->a;
    size_t dim = a->head_dim, o_at = array_at(&p->o, b, i, h), do_at = array_at(&p->d_o, b, i, h);
    double delta = 0, delta_off = 0, n = (double)dim + 3;
    if ((long)i >= p->q_len[b]) return;
    for (size_t d = 0; d < dim; d++) {
        double term = array_get(&p->o, o_at + d) * array_get(&p->d_o, do_at + d);
        delta += term, delta_off += fabs(term) * n * u->unit;
    }
    double n_q = (double)(a->q_max * p->s.group) + 2, n_k = (double)a->kv_max + 2;
    for (size_t j = 0; j < a->kv_max; j++) {
        pair x = pair_of(p, u, b, h, i, j);
        if (!x.seen) continue;
        double prob = exp(x.s - lse), prob_off = x.s_off + u->unit * (fabs(x.s) + fabs(lse) + 8);
        double slope = a->softcap != 0 ? 1 - (x.s / a->softcap) * (x.s / a->softcap) : 1;
        double slope_off = a->softcap != 0 ? 2 * x.s_off / a->softcap + 4 * u->unit : 0;
        double raw = prob * a->scale * (x.keep * x.dp - delta), ds = raw * slope;
        double ds_off =
            fabs(raw) * (prob_off + slope_off + 6 * u->unit) +
            prob * a->scale * (x.keep * x.dp_off + delta_off + u->unit * (fabs(x.keep * x.dp) + fabs(delta)));
        double pr = prob * x.keep;
        for (size_t d = 0; d < dim; d++) {
            size_t q_out = ((b * a->q_max + i) * a->n_head + h) * dim + d;
            size_t k_out = ((b * a->kv_max + j) * a->n_kv_head + h / p->s.group) * dim + d;
            double k = array_get(&p->k, array_at(&p->k, b, j, h / p->s.group) + d);
            double q = array_get(&p->q, array_at(&p->q, b, i, h) + d), g = array_get(&p->d_o, do_at + d);
            w->dq[q_out] += ds * k;
            w->dk[k_out] += ds * q;
            w->dv[k_out] += pr * g;
            w->dq_tol[q_out] += fabs(k) * (ds_off + fabs(ds) * (n_k * u->unit + u->pair)) + TINY;
            w->dk_tol[k_out] += fabs(q) * (ds_off + fabs(ds) * (n_q * u->unit + u->pair)) + TINY;
            w->dv_tol[k_out] += fabs(pr * g) * (prob_off + (n_q + 2) * u->unit + u->pair) + TINY;
        }
    }
}

static double lse_get(const problem *p, size_t i) {
    return p->a.type == FIG_F64 ? ((double *)p->lse)[i] : (double)((float *)p->lse)[i];
}

static void witness_run(const problem *p, witness *w, const rounding *u, bool backward) {
    const figk_attn *a = &p->a;
    for (size_t r = 0; r < a->n_batch * a->n_head * a->q_max; r++) {
        size_t i = r % a->q_max, h = r / a->q_max % a->n_head, b = r / (a->q_max * a->n_head);
        if (backward)
            witness_backward_row(p, w, u, b, h, i, lse_get(p, r));
        else
            witness_forward_row(p, w, u, b, h, i);
    }
}

/* --- running and comparing -------------------------------------------------------------------------------------- */

/* Runs the leaf kernels of one level as the drivers do, in scratch of just the size they ask for. */
static void run_tiles(const figk_table *t, const figk_attn *a, bool backward) {
    size_t bytes = t->attn_scratch(a, backward), rows = a->q_max * figk_attn_group(a);
    unsigned char *scratch = aligned_alloc(FIG_ALIGN, fig__round_up(bytes + 1, FIG_ALIGN));
    memset(scratch, 0xff, bytes); /* NaN: nothing may be read before it is written */
    scratch[bytes] = GUARD;
    for (size_t i = 0; i < a->n_batch * a->n_kv_head; i++) {
        size_t b = i / a->n_kv_head, h = i % a->n_kv_head;
        if (backward) t->attn_bwd(a, b, h, scratch);
        for (size_t r = 0; r < rows && !backward; r += FIGK_ATTN_ROWS) {
            t->attn_fwd(a, b, h, r, FIG_MIN(rows - r, (size_t)FIGK_ATTN_ROWS), scratch);
        }
    }
    EXPECT_EQ_I(scratch[bytes], GUARD);
    free(scratch);
}

static bool compare(const char *what, uint64_t seed, const array *x, const double *value, const double *tol,
                    double store) {
    const size_t *n = x->shape;
    for (size_t i = 0; i < n[0] * n[1] * n[2] * n[3]; i++) {
        size_t at = array_at(x, i / (n[3] * n[2] * n[1]), i / (n[3] * n[2]) % n[1], i / n[3] % n[2]) + i % n[3];
        double got = array_get(x, at), allowed = tol[i] + store * fabs(value[i]);
        if (got == value[i] || fabs(got - value[i]) <= allowed) continue;
        return check_report_(false, __FILE__, __LINE__,
                             "case %" PRIu64 ": %s[%zu]: %.9g, expected %.9g, tolerance %.3g", seed, what, i, got,
                             value[i], allowed);
    }
    return EXPECT(array_guarded(x));
}

static bool check_problem(problem *p, const figk_table *t, const rounding *u) {
    witness w = witness_new(&p->a);
    witness_run(p, &w, u, false);
    run_tiles(t, &p->a, false);
    bool ok = compare("o", p->s.seed, &p->o, w.o, w.o_tol, u->store);
    for (size_t i = 0; i < p->a.n_batch * p->a.n_head * p->a.q_max && ok; i++) {
        if (!sees(p, i / (p->a.n_head * p->a.q_max), i % p->a.q_max, 0) && w.lse[i] == -INFINITY) {
            ok = EXPECT(lse_get(p, i) == -INFINITY);
        } else
            ok = EXPECT_NEAR(lse_get(p, i), w.lse[i], w.lse_tol[i]);
    }
    if (ok) {
        witness_run(p, &w, u, true);
        run_tiles(t, &p->a, true);
        ok = compare("dq", p->s.seed, &p->dq, w.dq, w.dq_tol, u->store) &&
             compare("dk", p->s.seed, &p->dk, w.dk, w.dk_tol, u->store) &&
             compare("dv", p->s.seed, &p->dv, w.dv, w.dv_tol, u->store);
    }
    witness_free(&w);
    return ok;
}

static rounding rounding_of(fig_dtype type, figk_level level) {
    rounding u = {.unit = 0x1p-24, .store = 0x1p-24};
    if (type == FIG_BF16) u.store = 0x1p-8, u.pair = level >= FIGK_AVX512BF16 ? 0x1p-8 : 0;
    return u;
}

#define N_CASES 150

static void check_level(figk_level level) {
    const figk_table *t = figk_at(level);
    if (!t) SKIP("this machine lacks the level");
    for (uint64_t seed = 0; seed < N_CASES; seed++) {
        spec s = random_spec(seed);
        fig_dtype type = seed % 2 ? FIG_BF16 : FIG_F32;
        rounding u = rounding_of(type, level);
        problem p = problem_new(&s, type, type);
        bool ok = check_problem(&p, t, &u);
        problem_free(&p);
        if (!ok) return;
    }
}

TEST(oracle_is_right) {
    rounding u = {.unit = 0x1p-53, .store = 0x1p-53};
    for (uint64_t seed = 0; seed < N_CASES; seed++) {
        spec s = random_spec(seed);
        problem p = problem_new(&s, FIG_F64, FIG_F64);
        bool ok = check_problem(&p, figk_oracle(), &u);
        problem_free(&p);
        if (!ok) return;
    }
}
TEST(scalar) { check_level(FIGK_SCALAR); }
TEST(avx2) { check_level(FIGK_AVX2); }
TEST(avx512) { check_level(FIGK_AVX512); }
TEST(avx512bf16) { check_level(FIGK_AVX512BF16); }
TEST(amx) { check_level(FIGK_AMX); }

/* The gradient of sum(o * w) by differences of the oracle's own forward. */
static double loss_of(problem *p) {
    double sum = 0;
    run_tiles(figk_oracle(), &p->a, false);
    for (size_t i = 0; i < p->a.n_batch * p->a.q_max * p->a.n_head; i++) {
        size_t b = i / (p->a.q_max * p->a.n_head), t = i / p->a.n_head % p->a.q_max, h = i % p->a.n_head;
        for (size_t d = 0; d < p->a.head_dim; d++) {
            sum += array_get(&p->o, array_at(&p->o, b, t, h) + d) * array_get(&p->d_o, array_at(&p->d_o, b, t, h) + d);
        }
    }
    return sum;
}

static void check_differences(problem *p, array *x, const array *dx, uint64_t *state) {
    const double h = 1e-5;
    for (int trial = 0; trial < 6; trial++) {
        size_t b = pick(state, 0, x->shape[0] - 1), t = pick(state, 0, x->shape[1] - 1);
        size_t head = pick(state, 0, x->shape[2] - 1), d = pick(state, 0, x->shape[3] - 1);
        size_t at = array_at(x, b, t, head) + d;
        double value = array_get(x, at);
        array_set(x, at, value + h);
        double up = loss_of(p);
        array_set(x, at, value - h);
        double down = loss_of(p);
        array_set(x, at, value);
        /* Error of central differences: h^2 times a third derivative (of order 10 here), and rounding over h. */
        EXPECT_NEAR(array_get(dx, array_at(dx, b, t, head) + d), (up - down) / (2 * h), 1e-7);
    }
}

TEST(oracle_gradient_matches_differences) {
    for (uint64_t seed = 0; seed < 24; seed++) {
        spec s = random_spec(seed + 1000);
        s.q_max = FIG_MIN(s.q_max, (size_t)20), s.kv_max = FIG_MIN(s.kv_max, (size_t)24), s.lens = false,
        s.block_len = 0;
        problem p = problem_new(&s, FIG_F64, FIG_F64);
        uint64_t state = seed;
        run_tiles(figk_oracle(), &p.a, false);
        run_tiles(figk_oracle(), &p.a, true);
        check_differences(&p, &p.q, &p.dq, &state);
        check_differences(&p, &p.k, &p.dk, &state);
        check_differences(&p, &p.v, &p.dv, &state);
        problem_free(&p);
    }
}

/* --- what must be equal bit for bit ----------------------------------------------------------------------------- */

static bool same_array(const array *x, const array *y) {
    return memcmp(x->data, y->data, x->count * fig_dtype_size(x->type)) == 0;
}

static bool same_results(const problem *x, const problem *y) {
    size_t n_lse = x->a.n_batch * x->a.n_head * x->a.q_max;
    return same_array(&x->o, &y->o) && same_array(&x->dq, &y->dq) && same_array(&x->dk, &y->dk) &&
           same_array(&x->dv, &y->dv) && memcmp(x->lse, y->lse, n_lse * sizeof(float)) == 0;
}

static void run_drivers(fig_context *fig, const figk_attn *a) {
    size_t bytes = FIG_MAX(figk_attention_scratch(fig, a, false), figk_attention_scratch(fig, a, true));
    EXPECT_OK(fig, fig__scratch_reserve(fig, bytes));
    figk_attention_forward(fig, a);
    figk_attention_backward(fig, a);
}

TEST(threads_and_blocks_change_no_bit) {
    fig_context *fig = check_context();
    for (uint64_t seed = 0; seed < 60; seed++) {
        spec s = random_spec(seed + 500), paged = s;
        s.block_len = 0, paged.block_len = 1 + seed;
        fig_dtype type = seed % 2 ? FIG_F32 : FIG_BF16;
        problem one = problem_new(&s, type, type), all = problem_new(&s, type, type);
        problem blocks = problem_new(&paged, type, type);
        int limit = fig__threads_limit(fig, 1);
        run_drivers(fig, &one.a);
        fig__threads_limit(fig, limit);
        run_drivers(fig, &all.a);
        run_drivers(fig, &blocks.a);
        EXPECT(same_results(&one, &all));
        EXPECT(same_results(&one, &blocks));
        problem_free(&one), problem_free(&all), problem_free(&blocks);
    }
}

/* Sequence 1 of three alone, and among the others. */
TEST(neighbours_change_no_bit) {
    fig_context *fig = check_context();
    for (uint64_t seed = 0; seed < 40; seed++) {
        spec s = random_spec(seed + 900);
        s.n_batch = 3, s.segments = false, s.block_len = 0;
        problem all = problem_new(&s, FIG_BF16, FIG_BF16), alone = problem_new(&s, FIG_BF16, FIG_BF16);
        figk_attn *a = &alone.a;
        a->n_batch = 1, a->sample0 += 1;
        if (s.lens) a->q_len++, a->kv_len++;
        a->q = (uint16_t *)a->q + a->q_stride[0], a->k = (uint16_t *)a->k + a->k_stride[0];
        a->v = (uint16_t *)a->v + a->v_stride[0], a->d_o = (uint16_t *)a->d_o + a->do_stride[0];
        a->o = (uint16_t *)a->o + a->o_stride[0], a->dq = (uint16_t *)a->dq + a->dq_stride[0];
        a->dk = (uint16_t *)a->dk + a->dk_stride[0], a->dv = (uint16_t *)a->dv + a->dv_stride[0];
        run_drivers(fig, &all.a);
        run_drivers(fig, a);
        for (size_t t = 0; t < FIG_MAX(s.q_max, s.kv_max); t++) {
            size_t width = s.head_dim * 2;
            const array *x[] = {&all.o, &all.dq, &all.dk, &all.dv}, *y[] = {&alone.o, &alone.dq, &alone.dk, &alone.dv};
            for (size_t i = 0; i < 4; i++) {
                if (t >= x[i]->shape[1]) continue;
                size_t at = array_at(x[i], 1, t, 0) * 2;
                if (!EXPECT(memcmp(x[i]->data + at, y[i]->data + at, width) == 0)) t = SIZE_MAX - 1, i = 4;
            }
        }
        problem_free(&all), problem_free(&alone);
    }
}

/* A query's output is the same whichever part of the sequence it was computed with (chunks of a prompt). */
TEST(chunks_change_no_bit) {
    fig_context *fig = check_context();
    spec s = {.seed = 3,
              .n_batch = 1,
              .n_kv_head = 2,
              .group = 2,
              .head_dim = 40,
              .q_max = 130,
              .kv_max = 130,
              .causal = true,
              .magnitude = 1};
    problem whole = problem_new(&s, FIG_BF16, FIG_BF16), parts = problem_new(&s, FIG_BF16, FIG_BF16);
    fig__scratch_reserve(fig, figk_attention_scratch(fig, &whole.a, false));
    figk_attention_forward(fig, &whole.a);
    for (size_t start = 0, n = 45; start < 130; start += n) {
        figk_attn a = parts.a;
        int32_t kv_len = (int32_t)FIG_MIN(start + n, (size_t)130);
        a.q_max = (size_t)kv_len - start, a.kv_len = &kv_len;
        a.q = (const uint16_t *)a.q + start * a.q_stride[1], a.o = (uint16_t *)a.o + start * a.o_stride[1];
        figk_attention_forward(fig, &a);
    }
    EXPECT(same_array(&whole.o, &parts.o));
    problem_free(&whole), problem_free(&parts);
}

/* --- extremes --------------------------------------------------------------------------------------------------- */

/* Scores in the thousands: exp of any of them overflows, their differences do not. */
TEST(huge_scores) {
    for (int level = 0; level < FIGK_LEVEL_COUNT; level++) {
        const figk_table *t = figk_at((figk_level)level);
        if (!t) continue;
        for (int i = 0; i < 4; i++) {
            spec s = {.seed = 8,
                      .n_batch = 1,
                      .n_kv_head = 1,
                      .group = 1,
                      .head_dim = 16,
                      .q_max = i < 2 ? 90 : 1,
                      .kv_max = 90,
                      .causal = true,
                      .magnitude = 60};
            fig_dtype type = i % 2 ? FIG_BF16 : FIG_F32;
            rounding u = rounding_of(type, (figk_level)level);
            problem p = problem_new(&s, type, type);
            check_problem(&p, t, &u);
            for (size_t e = 0; e < p.o.count; e++) EXPECT(isfinite(array_get(&p.o, e)));
            problem_free(&p);
        }
    }
}

/* More queries than keys, causal: the first queries stand before the first key. */
TEST(rows_that_see_nothing) {
    for (int level = 0; level < FIGK_LEVEL_COUNT; level++) {
        const figk_table *t = figk_at((figk_level)level);
        if (!t) continue;
        spec s = {.seed = 9,
                  .n_batch = 2,
                  .n_kv_head = 1,
                  .group = 2,
                  .head_dim = 24,
                  .q_max = 80,
                  .kv_max = 10,
                  .causal = true,
                  .magnitude = 1};
        problem p = problem_new(&s, FIG_F32, FIG_F32);
        run_tiles(t, &p.a, false);
        run_tiles(t, &p.a, true);
        for (size_t i = 0; i < 70; i++) {
            EXPECT(lse_get(&p, i) == -INFINITY);
            size_t o = array_at(&p.o, 0, i, 0), dq = array_at(&p.dq, 0, i, 0);
            for (size_t d = 0; d < 24; d++) EXPECT(array_get(&p.o, o + d) == 0 && array_get(&p.dq, dq + d) == 0);
        }
        EXPECT(lse_get(&p, 70) > -INFINITY);
        problem_free(&p);
    }
}

/* Elements past 2^34, where random counters carry into their upper word: row 3 * HEAD starts 4 elements before. The
 * other heads are not there; their log-sum-exps are addresses without memory. */
TEST(dropout_far_elements) {
    enum { HEAD = 84215045, KV = 68 };
    spec s = {.seed = 4,
              .n_batch = 1,
              .n_kv_head = 1,
              .group = 1,
              .head_dim = 4,
              .q_max = 3,
              .kv_max = KV,
              .dropout = 0.5,
              .magnitude = 1};
    size_t lse_bytes = (size_t)(HEAD + 1) * 3 * sizeof(float);
    void *lse = mmap(NULL, lse_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (lse == MAP_FAILED) SKIP("no address space for a gigabyte");
    for (int level = 0; level < FIGK_LEVEL_COUNT; level++) {
        const figk_table *t = figk_at((figk_level)level);
        if (!t) continue;
        problem p = problem_new(&s, FIG_F32, FIG_F32);
        p.a.n_head = p.a.n_kv_head = HEAD + 1, p.a.lse = lse;
        p.a.q_stride[2] = p.a.k_stride[2] = p.a.v_stride[2] = p.a.o_stride[2] = 0;
        void *scratch = aligned_alloc(FIG_ALIGN, fig__round_up(t->attn_scratch(&p.a, false), FIG_ALIGN));
        t->attn_fwd(&p.a, 0, HEAD, 0, 3, scratch);
        free(scratch);
        for (size_t i = 0; i < 3; i++) {
            double o = 0, total = 0;
            for (size_t j = 0; j < KV; j++) {
                p.q.stride[2] = p.k.stride[2] = p.v.stride[2] = p.d_o.stride[2] = 0;
                pair x = pair_of(&p, &(rounding){0}, 0, HEAD, i, j);
                total += exp(x.s);
                o += exp(x.s) * x.keep * array_get(&p.v, array_at(&p.v, 0, j, 0));
            }
            EXPECT_NEAR(array_get(&p.o, array_at(&p.o, 0, i, 0)), o / total, 1e-5);
        }
        problem_free(&p);
    }
    munmap(lse, lse_bytes);
}
