/* kernels/ref/attention_tmpl.c: attention as its definition reads, one query at a time; the double build is the oracle.
 *
 * Forward, for one query:  x_j = scale * q.k_j,  s_j = cap * tanh(x_j / cap),  p_j = exp(s_j - lse),
 * o = sum_j r_j p_j v_j with r_j the dropout factor (0 or 1/(1-p)).
 * Backward:  ds_j = p_j (r_j do.v_j - do.o),  dx_j = ds_j (1 - (s_j / cap)^2),
 * dq = scale sum_j dx_j k_j,  dk_j += scale dx_j q,  dv_j += r_j p_j do. */
#include "kernels/attention.h"
#include "real.h"

/* One query of one head, and the keys it may see. */
typedef struct attn_query {
    const figk_attn *a;
    figk_attn_row row;
    size_t b, kv_head;
    size_t q_at; /* element in q; o, d_o, dq have strides of their own */
} attn_query;

static attn_query attn_query_of(const figk_attn *a, size_t b, size_t kv_head, size_t r) {
    size_t group = figk_attn_group(a);
    attn_query x = {.a = a, .b = b, .kv_head = kv_head};
    x.row = figk_attn_row_at(a, b, r / group, kv_head * group + r % group);
    x.q_at = figk_attn_at(a->q_stride, b, x.row.query, x.row.head);
    return x;
}

static real attn_dot(const figk_attn *a, const void *x, size_t x_at, const void *y, size_t y_at) {
    real sum = 0;
    for (size_t d = 0; d < a->head_dim; d++) sum += ref_get(x, a->type, x_at + d) * ref_get(y, a->type, y_at + d);
    return sum;
}

static bool attn_sees(const attn_query *x, int64_t key) {
    const figk_attn *a = x->a;
    if (key < x->row.first || key >= x->row.last) return false;
    return !a->q_segment ||
           a->q_segment[x->b * a->q_max + x->row.query] == a->kv_segment[x->b * a->kv_max + (size_t)key];
}

/* The score of one key after the soft cap. */
static real attn_score(const attn_query *x, const void *k) {
    const figk_attn *a = x->a;
    real s = attn_dot(a, a->q, x->q_at, k, 0) * R(a->scale);
    return a->softcap != 0 ? R(a->softcap) * m_tanh(s / R(a->softcap)) : s;
}

/* The factor that dropout gives to the probability of one key. */
static real attn_keep(const attn_query *x, int64_t key) {
    const figk_attn *a = x->a;
    if (a->dropout == 0) return 1;
    uint64_t element = figk_attn_element(a, &x->row) + (uint64_t)key;
    bool dropped = fig__rng_u32(&a->key, a->sample0 + x->b, element) < figk_attn_drop_below(a);
    return dropped ? 0 : R(1 / (1 - a->dropout));
}

/* s[j] for the keys the query sees; returns what is taken off before exp: their largest, or 0 where that is -inf. */
static real attn_scores(const attn_query *x, real *s) {
    real largest = -INFINITY;
    for (int64_t j = x->row.first; j < x->row.last; j++) {
        const void *k, *v;
        figk_attn_kv_run(x->a, x->b, x->kv_head, (size_t)j, (size_t)j + 1, &k, &v);
        s[j] = attn_sees(x, j) ? attn_score(x, k) : -INFINITY;
        if (s[j] > largest) largest = s[j];
    }
    return largest > -INFINITY ? largest : 0;
}

static void attn_fwd_query(const attn_query *x, real *s, real *o) {
    const figk_attn *a = x->a;
    real shift = attn_scores(x, s), total = 0;
    for (size_t d = 0; d < a->head_dim; d++) o[d] = 0;
    for (int64_t j = x->row.first; j < x->row.last; j++) {
        if (!attn_sees(x, j)) continue;
        const void *k, *v;
        figk_attn_kv_run(a, x->b, x->kv_head, (size_t)j, (size_t)j + 1, &k, &v);
        real p = m_exp(s[j] - shift), kept = p * attn_keep(x, j);
        total += p;
        for (size_t d = 0; d < a->head_dim; d++) o[d] += kept * ref_get(v, a->type, d);
    }
    size_t o_at = figk_attn_at(a->o_stride, x->b, x->row.query, x->row.head);
    for (size_t d = 0; d < a->head_dim; d++) ref_set(a->o, a->type, o_at + d, total != 0 ? o[d] / total : 0);
    real *lse = a->lse;
    lse[(x->b * a->n_head + x->row.head) * a->q_max + x->row.query] = total != 0 ? shift + m_log(total) : -INFINITY;
}

/* scratch: one row of scores, one output. */
size_t REF(attn_scratch)(const figk_attn *a, bool backward) {
    size_t forward_reals = a->kv_max + a->head_dim;
    return sizeof(real) * (backward ? 2 * a->kv_max * a->head_dim + a->head_dim : forward_reals);
}

void REF(attn_fwd)(const figk_attn *a, size_t b, size_t kv_head, size_t row0, size_t n_rows, void *scratch) {
    real *s = scratch, *o = s + a->kv_max;
    for (size_t r = row0; r < row0 + n_rows; r++) {
        attn_query x = attn_query_of(a, b, kv_head, r);
        attn_fwd_query(&x, s, o);
    }
}

/* Adds one query's share to dk and dv (real [kv_max, head_dim]) and writes its dq. */
static void attn_bwd_query(const attn_query *x, real *dk, real *dv, real *dq) {
    const figk_attn *a = x->a;
    size_t n = a->head_dim, do_at = figk_attn_at(a->do_stride, x->b, x->row.query, x->row.head);
    real lse = ((const real *)a->lse)[(x->b * a->n_head + x->row.head) * a->q_max + x->row.query];
    real delta = 0;
    size_t o_at = figk_attn_at(a->o_stride, x->b, x->row.query, x->row.head);
    for (size_t d = 0; d < n; d++) {
        dq[d] = 0;
        delta += ref_get(a->o, a->type, o_at + d) * ref_get(a->d_o, a->type, do_at + d);
    }
    for (int64_t j = x->row.first; j < x->row.last; j++) {
        if (!attn_sees(x, j)) continue;
        const void *k, *v;
        figk_attn_kv_run(a, x->b, x->kv_head, (size_t)j, (size_t)j + 1, &k, &v);
        real s = attn_score(x, k), p = m_exp(s - lse), keep = attn_keep(x, j);
        real ds = p * (keep * attn_dot(a, a->d_o, do_at, v, 0) - delta) * R(a->scale);
        if (a->softcap != 0) ds *= 1 - (s / R(a->softcap)) * (s / R(a->softcap));
        for (size_t d = 0; d < n; d++) {
            dq[d] += ds * ref_get(k, a->type, d);
            dk[(size_t)j * n + d] += ds * ref_get(a->q, a->type, x->q_at + d);
            dv[(size_t)j * n + d] += p * keep * ref_get(a->d_o, a->type, do_at + d);
        }
    }
}

void REF(attn_bwd)(const figk_attn *a, size_t b, size_t kv_head, void *scratch) {
    size_t n = a->head_dim;
    real *dk = scratch, *dv = dk + a->kv_max * n, *dq = dv + a->kv_max * n;
    for (size_t i = 0; i < 2 * a->kv_max * n; i++) dk[i] = 0;
    for (size_t r = 0; r < a->q_max * figk_attn_group(a); r++) {
        attn_query x = attn_query_of(a, b, kv_head, r);
        attn_bwd_query(&x, dk, dv, dq);
        size_t at = figk_attn_at(a->dq_stride, b, x.row.query, x.row.head);
        for (size_t d = 0; d < n; d++) ref_set(a->dq, a->type, at + d, dq[d]);
    }
    for (size_t j = 0; j < a->kv_max; j++) {
        size_t k_at = figk_attn_at(a->dk_stride, b, j, kv_head), v_at = figk_attn_at(a->dv_stride, b, j, kv_head);
        for (size_t d = 0; d < n; d++) {
            ref_set(a->dk, a->type, k_at + d, dk[j * n + d]);
            ref_set(a->dv, a->type, v_at + d, dv[j * n + d]);
        }
    }
}

void REF(fill_attention)(figk_table *t) {
    t->attn_scratch = REF(attn_scratch);
    t->attn_fwd = REF(attn_fwd);
    t->attn_bwd = REF(attn_bwd);
}
