/* kernels/x86/attention_impl.h: blockwise attention (Dao, "FlashAttention-2", 2023) on the lanes of vec.h, put together
 * from attention_tile.h. attention_avx2.c and attention_avx512.c are this file compiled for their level;
 * attention_avx512bf16.c takes its functions for operands of bf16 pairs.
 *
 * Forward, per tile:   S = K Q^T; running maximum and sum per row; O^T = O^T * shrink + V^T P.
 * Backward, per head:  P again from lse; dP = V dO^T; dS = P (dP - delta); dV += P dO, dK += dS Q, dQ^T += K^T dS. */
#ifndef FIG_ATTENTION_IMPL_H
#define FIG_ATTENTION_IMPL_H
#include "vec_kernel.h"
#include "attention_tile.h"

#ifdef VL
/* Scratch of one call. The arrays of the two directions share the names but not the sizes. */
typedef struct attn_work {
    float *q_t, *q; /* transposed; by row */
    float *do_t, *d_o;
    float *k, *k_by_row, *v;      /* v: by row forward, by dim backward */
    float *s, *dp;                /* [KEYS][ROWS]; forward s becomes P by row */
    float *p_lane, *ds_lane, *ds; /* P and dS with words along the tile's rows, dS by row */
    float *out_t;                 /* [dim][ROWS]: O^T or dQ^T */
    float *dk, *dv;               /* [kv rounded up to KEYS][dim] */
    float *top, *total;           /* [ROWS]: running maximum and sum */
    float *lse, *delta;           /* [ROWS] */
    uint32_t *words;              /* [KEYS + 4][ROWS] */
    size_t used;                  /* floats */
} attn_work;

/* With base NULL only counts. */
static float *carve(attn_work *w, float *base, size_t n) {
    float *at = base ? base + w->used : NULL;
    w->used += fig__round_up(n, FIG_ALIGN / sizeof(float));
    return at;
}

static attn_work forward_work(const figk_attn *a, float *base) {
    attn_work w = {0};
    size_t row_words = ROWS * fig__round_up(a->head_dim, STEP);
    w.q_t = carve(&w, base, row_words);
    w.out_t = carve(&w, base, row_words);
    w.k = carve(&w, base, row_words);
    w.v = carve(&w, base, row_words);
    w.s = carve(&w, base, KEYS * ROWS);
    w.top = carve(&w, base, ROWS);
    w.total = carve(&w, base, ROWS);
    if (a->dropout > 0) w.words = (uint32_t *)carve(&w, base, (KEYS + 4) * ROWS);
    return w;
}

static attn_work backward_work(const figk_attn *a, float *base) {
    attn_work w = forward_work(a, base);
    size_t dim = fig__round_up(a->head_dim, STEP), kv = fig__round_up(a->kv_max, KEYS);
    w.q = carve(&w, base, ROWS * dim);
    w.do_t = carve(&w, base, ROWS * dim);
    w.d_o = carve(&w, base, ROWS * dim);
    w.dp = carve(&w, base, KEYS * ROWS);
    w.lse = carve(&w, base, ROWS);
    w.delta = carve(&w, base, ROWS);
    w.dk = carve(&w, base, kv * dim);
    w.dv = carve(&w, base, kv * dim);
    w.k_by_row = PAIR == 1 ? NULL : carve(&w, base, KEYS * dim);
    w.p_lane = PAIR == 1 ? w.s : carve(&w, base, KEYS * ROWS / PAIR);
    w.ds_lane = PAIR == 1 ? w.dp : carve(&w, base, KEYS * ROWS / PAIR);
    w.ds = PAIR == 1 ? w.dp : carve(&w, base, KEYS * ROWS / PAIR);
    return w;
}

/* The probability of key j for the rows from c on, dropped; *sum takes it whole. base: negative exponent. */
V_FN vf p_of(const attn_tile *t, const attn_work *w, size_t j, size_t c, vf base, vf *sum) {
    vf p = power_of_2(v_fma(v_load(w->s + j * ROWS + c), v_set1(t->to_log2), base));
    *sum = v_add(*sum, p);
    return t->a->dropout > 0 ? v_mul(p, keep_factor(t, w->words, j, c)) : p;
}

/* --- forward ---------------------------------------------------------------------------------------------------- */

/* Products in s become scores, -inf where unseen; returns the rows' running maximum, in exponents of 2. */
V_FN vf score_column(const attn_tile *t, const attn_block *block, const attn_group *g, const attn_work *w, size_t c) {
    vf high = v_set1(-INFINITY), unseen = high;
    for (size_t j = g->from; j < g->to; j++) {
        vf x = v_load(w->s + j * ROWS + c);
        if (t->shaped) x = score(t, x);
        if (block->masked) x = v_sel(visible(t, block, j, c), x, unseen);
        if (t->shaped || block->masked) v_store(w->s + j * ROWS + c, x);
        high = v_max(x, high);
    }
    return v_max(v_load(w->top + c), v_mul(high, v_set1(t->to_log2)));
}

/* Scores become probabilities relative to the running maximum, by row; sums and outputs so far are brought to it. */
static void soften(const attn_tile *t, const attn_block *block, const attn_group *g, const attn_work *w) {
    for (size_t c = g->lane; c < g->lane + g->n_lanes; c += VL) {
        vf old = v_load(w->top + c), high = score_column(t, block, g, w, c);
        vf base = v_sel(v_eq(high, v_set1(-INFINITY)), v_zero(), v_neg(high)), shrink = power_of_2(v_add(old, base));
        vf sum = v_mul(v_load(w->total + c), shrink);
        for (size_t j = g->from; j < g->to; j += 2) {
            vf even = p_of(t, w, j, c, base, &sum);
            vf odd = j + 1 < g->to ? p_of(t, w, j + 1, c, base, &sum) : v_zero();
            put_by_key(w->s, j, c, even, odd);
        }
        v_store(w->top + c, high);
        v_store(w->total + c, sum);
        if (!v_any(v_ne(shrink, v_set1(1)))) continue;
        for (size_t d = 0; d < t->dim; d++) {
            v_store(w->out_t + d * ROWS + c, v_mul(v_load(w->out_t + d * ROWS + c), shrink));
        }
    }
}

static size_t lse_at(const attn_tile *t, const figk_attn_row *row) {
    return (t->b * t->a->n_head + row->head) * t->a->q_max + row->query;
}

/* The log-sum-exps; maxima and sums of the rows are as forward leaves them. */
static void put_lse(const attn_tile *t, const attn_work *w) {
    float lse[ROWS];
    for (size_t c = 0; c < t->n_lanes; c += VL) {
        vf total = v_load(w->total + c), x = v_fma(v_load(w->top + c), v_set1(0.693147182f), v_log(total));
        v_store(lse + c, v_sel(v_eq(total, v_zero()), v_set1(-INFINITY), x));
    }
    for (size_t r = 0; r < t->n_rows; r++) ((float *)t->a->lse)[lse_at(t, &t->row[r])] = lse[r];
}

static void finish_rows(const attn_tile *t, const attn_work *w) {
    float factor[ROWS];
    for (size_t c = 0; c < t->n_lanes; c += VL) {
        vf total = v_load(w->total + c);
        v_store(factor + c, v_zero_unless(v_ne(total, v_zero()), v_div(v_set1(1), total)));
    }
    store_rows(t, w->out_t, factor, t->a->o, t->a->o_stride);
    put_lse(t, w);
}

static void forward_tile(const attn_tile *t, const attn_work *w) {
    const figk_attn *a = t->a;
    attn_rows q;
    query_rows(t, a->q, a->q_stride, q);
    pack_transposed(t, q, w->q_t);
    memset(w->out_t, 0, t->dim * ROWS * sizeof(float));
    for (size_t r = 0; r < ROWS; r++) w->top[r] = -INFINITY, w->total[r] = 0;
    for (size_t key0 = (size_t)t->first / KEYS * KEYS; (int64_t)key0 < t->last; key0 += KEYS) {
        attn_block block;
        block_init(&block, t, key0);
        attn_operand keys = by_dim(t, &block, block.k, a->k_stride[1], w->k);
        attn_operand values = by_row(t, &block, block.v, a->v_stride[1], w->v);
        for (size_t g = 0; g < block.n_groups; g++) {
            const attn_group *group = &block.group[g];
            keys_times_rows(t, group, keys, w->q_t, w->s);
            if (a->dropout > 0) random_words(t, &block, group, w->words);
            soften(t, &block, group, w);
            add_weighted_keys(t, group, values, w->s, w->out_t);
        }
    }
    finish_rows(t, w);
}

/* --- few queries (decoding) ------------------------------------------------------------------------------------- */
/* One query per head would leave most lanes of a tile empty, so here lanes run along head_dim, then along keys; K and V
 * are read in place, once. Which of the two ways a sequence takes depends on its own query length alone. */

/* Products of q with VL keys, one per lane: sums along head_dim stay in lanes until the end. */
V_FN vf dot_keys(const attn_tile *t, const float *q, const void *const *k, fig_dtype type) {
    size_t dim = t->a->head_dim, d = 0;
    vf sum[VL];
    UNROLL for (size_t i = 0; i < VL; i++) sum[i] = v_zero();
    for (; d + VL <= dim; d += VL) {
        vf x = v_load(q + d);
        UNROLL for (size_t i = 0; i < VL; i++) sum[i] = v_fma(x, v_get(k[i], type, d), sum[i]);
    }
    if (d < dim) {
        vf x = v_load(q + d);
        UNROLL for (size_t i = 0; i < VL; i++) sum[i] = v_fma(x, v_get_n(k[i], type, d, dim - d), sum[i]);
    }
    return v_sums(sum);
}

/* Scores s [KEYS] of row r; -inf for what it does not see. Returns the largest. */
V_FN float score_row(const attn_tile *t, const attn_block *block, size_t r, const attn_work *w, fig_dtype type) {
    int64_t first = t->row[r].first - (int64_t)block->key0, last = t->row[r].last - (int64_t)block->key0;
    vf from = v_set1((float)FIG_MAX(first, 0)), to = v_set1((float)FIG_MIN(last, KEYS)), high = v_set1(-INFINITY);
    for (size_t j = 0; j < KEYS; j += VL) {
        vf x = v_set1(-INFINITY), key = v_from_int(v_iadd(v_iota(), v_iset1((int32_t)j)));
        if (j < block->n_keys) {
            const void *rows[VL]; /* past the end the last key again, unseen */
            for (size_t i = 0; i < VL; i++) rows[i] = block->k[FIG_MIN(j + i, block->n_keys - 1)];
            vf dot = dot_keys(t, w->q_t + r * t->dim, rows, type);
            x = v_sel(v_and(v_le(from, key), v_lt(key, to)), t->shaped ? score(t, dot) : dot, x);
        }
        v_store(w->s + j, x);
        high = v_max(x, high);
    }
    return v_hmax(high);
}

/* o = o * shrink + sum of p[j] v[j], even and odd keys apart, or each addition would wait for the one before. */
V_FN void add_values(const attn_tile *t, const attn_block *block, const float *p, float shrink, float *o,
                     fig_dtype type) {
    size_t dim = t->a->head_dim, d = 0;
    for (; d + 4 * VL <= dim; d += 4 * VL) {
        vf sum[2][4];
        UNROLL for (size_t x = 0; x < 4; x++) {
            sum[0][x] = v_mul(v_load(o + d + x * VL), v_set1(shrink));
            sum[1][x] = v_zero();
        }
        for (size_t j = 0; j + 1 < block->n_keys; j += 2) {
            UNROLL for (size_t i = 0; i < 2; i++) {
                UNROLL for (size_t x = 0; x < 4; x++) sum[i][x] =
                    v_fma(v_set1(p[j + i]), v_get(block->v[j + i], type, d + x * VL), sum[i][x]);
            }
        }
        size_t last = block->n_keys - 1;
        if (block->n_keys % 2) {
            UNROLL for (size_t x = 0; x < 4; x++) sum[0][x] =
                v_fma(v_set1(p[last]), v_get(block->v[last], type, d + x * VL), sum[0][x]);
        }
        UNROLL for (size_t x = 0; x < 4; x++) v_store(o + d + x * VL, v_add(sum[0][x], sum[1][x]));
    }
    for (; d < dim; d += VL) {
        vf sum = v_mul(v_load(o + d), v_set1(shrink));
        for (size_t j = 0; j < block->n_keys; j++) sum = v_fma(v_set1(p[j]), load_floats(t, block->v[j], d), sum);
        v_store(o + d, sum);
    }
}

V_FN void attend_row(const attn_tile *t, const attn_block *block, size_t r, const attn_work *w, fig_dtype type) {
    float *s = w->s, high = score_row(t, block, r, w, type) * t->to_log2;
    float top = FIG_MAX(w->top[r], high), base = top == -INFINITY ? 0 : -top;
    float shrink = v_first_lane(power_of_2(v_set1(w->top[r] + base)));
    vf sum = v_zero();
    for (size_t j = 0; j < KEYS; j += VL) {
        vf p = power_of_2(v_fma(v_load(s + j), v_set1(t->to_log2), v_set1(base)));
        sum = v_add(sum, p);
        v_store(s + j, p);
    }
    w->top[r] = top;
    w->total[r] = w->total[r] * shrink + v_sum(sum);
    add_values(t, block, s, shrink, w->out_t + r * t->dim, type);
}

/* q_t and out_t hold plain rows [ROWS][dim] here. */
static void forward_few(const attn_tile *t, const attn_work *w) {
    const figk_attn *a = t->a;
    attn_rows q;
    query_rows(t, a->q, a->q_stride, q);
    for (size_t r = 0; r < t->n_rows; r++) {
        w->top[r] = -INFINITY, w->total[r] = 0;
        for (size_t d = 0; d < t->dim; d += VL) {
            v_store(w->q_t + r * t->dim + d, load_floats(t, q[r], d));
            v_store(w->out_t + r * t->dim + d, v_zero());
        }
    }
    for (size_t key0 = (size_t)t->first / KEYS * KEYS; (int64_t)key0 < t->last; key0 += KEYS) {
        attn_block block;
        block_init(&block, t, key0);
        for (size_t r = 0; r < t->n_rows; r++) {
            if (!t->empty[r]) PICK(a->type, attend_row, t, &block, r, w);
        }
    }
    for (size_t r = 0; r < t->n_rows; r++) {
        float total = w->total[r];
        size_t at = figk_attn_at(a->o_stride, t->b, t->row[r].query, t->row[r].head);
        put_row(t, w->out_t + r * t->dim, total != 0 ? 1 / total : 0, a->o, at);
    }
    put_lse(t, w);
}

static void attend_forward(const figk_attn *a, size_t b, size_t kv_head, size_t row0, size_t n_rows, float *scratch) {
    attn_work w = forward_work(a, scratch);
    attn_tile t;
    tile_init(&t, a, b, kv_head, row0, n_rows);
    bool few = figk_attn_len(a->q_len, b, a->q_max) == 1 && a->dropout == 0 && !a->q_segment;
    if (few)
        forward_few(&t, &w);
    else
        forward_tile(&t, &w);
}

/* --- backward --------------------------------------------------------------------------------------------------- */

/* delta = do . o and lse (in exponents of 2) of each row; 0 for rows that see nothing. */
static void row_terms(const attn_tile *t, const attn_work *w, const attn_rows d_o) {
    const figk_attn *a = t->a;
    attn_rows o;
    query_rows(t, a->o, a->o_stride, o);
    for (size_t r = 0; r < ROWS; r++) {
        vf sum = v_zero();
        for (size_t d = 0; d < a->head_dim; d += VL) {
            sum = v_fma(load_floats(t, o[r], d), load_floats(t, d_o[r], d), sum);
        }
        w->delta[r] = v_sum(sum);
        w->lse[r] = t->empty[r] ? 0 : ((const float *)a->lse)[lse_at(t, &t->row[r])] * 1.44269504f;
    }
}

/* P (dropped) of key j and the rows from c on into p, dS into the result. */
V_FN vf gradient(const attn_tile *t, const attn_block *block, const attn_work *w, size_t j, size_t c, vf *p) {
    const figk_attn *a = t->a;
    vf s = v_load(w->s + j * ROWS + c), dp = v_load(w->dp + j * ROWS + c);
    if (t->shaped) s = score(t, s);
    vf whole = power_of_2(v_fma(s, v_set1(t->to_log2), v_neg(v_load(w->lse + c)))), kept = whole;
    if (block->masked) kept = whole = v_zero_unless(visible(t, block, j, c), whole);
    if (a->dropout > 0) {
        vf keep = keep_factor(t, w->words, j, c);
        kept = v_mul(whole, keep);
        dp = v_mul(dp, keep);
    }
    *p = kept;
    vf ds = v_mul(v_mul(whole, v_set1((float)a->scale)), v_sub(dp, v_load(w->delta + c)));
    if (a->softcap == 0) return ds;
    vf part = v_div(s, v_set1((float)a->softcap));
    return v_fnma(v_mul(ds, part), part, ds);
}

/* s and dp become P and dS in the packings that the products want. */
static void gradients(const attn_tile *t, const attn_block *block, const attn_group *g, const attn_work *w) {
    for (size_t c = g->lane; c < g->lane + g->n_lanes; c += VL) {
        for (size_t j = g->from; j < fig__round_up(g->to, 4); j += 2) {
            vf p[2] = {v_zero(), v_zero()}, ds[2] = {v_zero(), v_zero()};
            for (size_t i = 0; i < 2 && j + i < g->to; i++) ds[i] = gradient(t, block, w, j + i, c, &p[i]);
            put_by_key(w->ds, j, c, ds[0], ds[1]);
            for (size_t i = 0; i < 2; i++) {
                put_by_lane(w->p_lane, j + i, c, p[i]);
                if (w->ds_lane != w->ds) put_by_lane(w->ds_lane, j + i, c, ds[i]);
            }
        }
    }
}

static void backward_block(const attn_tile *t, const attn_work *w, size_t key0) {
    const figk_attn *a = t->a;
    attn_block block;
    block_init(&block, t, key0);
    attn_operand keys = by_dim(t, &block, block.k, a->k_stride[1], w->k), keys_by_row = keys;
    attn_operand values = by_dim(t, &block, block.v, a->v_stride[1], w->v);
    if (PAIR > 1) keys_by_row = by_row(t, &block, block.k, a->k_stride[1], w->k_by_row);
    for (size_t g = 0; g < block.n_groups; g++) {
        const attn_group *group = &block.group[g];
        keys_times_rows(t, group, keys, w->q_t, w->s);
        keys_times_rows(t, group, values, w->do_t, w->dp);
        if (a->dropout > 0) random_words(t, &block, group, w->words);
        gradients(t, &block, group, w);
        add_weighted_rows(t, group, w->p_lane, w->d_o, w->dv + key0 * t->dim);
        add_weighted_rows(t, group, w->ds_lane, w->q, w->dk + key0 * t->dim);
        add_weighted_keys(t, group, keys_by_row, w->ds, w->out_t);
    }
}

static void backward_tile(const attn_tile *t, const attn_work *w) {
    const figk_attn *a = t->a;
    attn_rows q, d_o;
    float one[ROWS];
    query_rows(t, a->q, a->q_stride, q);
    query_rows(t, a->d_o, a->do_stride, d_o);
    pack_transposed(t, q, w->q_t);
    pack_transposed(t, d_o, w->do_t);
    pack_by_row(t, q, t->n_lanes, w->q);
    pack_by_row(t, d_o, t->n_lanes, w->d_o);
    row_terms(t, w, d_o);
    memset(w->out_t, 0, t->dim * ROWS * sizeof(float));
    for (size_t key0 = (size_t)t->first / KEYS * KEYS; (int64_t)key0 < t->last; key0 += KEYS)
        backward_block(t, w, key0);
    for (size_t r = 0; r < ROWS; r++) one[r] = 1;
    store_rows(t, w->out_t, one, a->dq, a->dq_stride);
}

static void attend_backward(const figk_attn *a, size_t b, size_t kv_head, float *scratch) {
    attn_work w = backward_work(a, scratch);
    attn_tile t;
    size_t dim = fig__round_up(a->head_dim, STEP), n_rows = a->q_max * figk_attn_group(a);
    memset(w.dk, 0, fig__round_up(a->kv_max, KEYS) * dim * sizeof(float));
    memset(w.dv, 0, fig__round_up(a->kv_max, KEYS) * dim * sizeof(float));
    for (size_t row0 = 0; row0 < n_rows; row0 += ROWS) {
        tile_init(&t, a, b, kv_head, row0, FIG_MIN((size_t)ROWS, n_rows - row0));
        backward_tile(&t, &w);
    }
    for (size_t j = 0; j < a->kv_max; j++) {
        put_row(&t, w.dk + j * dim, 1, a->dk, figk_attn_at(a->dk_stride, b, j, kv_head));
        put_row(&t, w.dv + j * dim, 1, a->dv, figk_attn_at(a->dv_stride, b, j, kv_head));
    }
}

static size_t scratch_bytes(const figk_attn *a, bool backward) {
    attn_work w = backward ? backward_work(a, NULL) : forward_work(a, NULL);
    return w.used * sizeof(float);
}

/* --- kernels ---------------------------------------------------------------------------------------------------- */
#ifndef ATTN_PAIRS
size_t ISA(attn_scratch)(const figk_attn *a, bool backward) { return scratch_bytes(a, backward); }

void ISA(attn_fwd)(const figk_attn *a, size_t b, size_t kv_head, size_t row0, size_t n_rows, void *scratch) {
    attend_forward(a, b, kv_head, row0, n_rows, scratch);
}

void ISA(attn_bwd)(const figk_attn *a, size_t b, size_t kv_head, void *scratch) {
    attend_backward(a, b, kv_head, scratch);
}

void ISA_FILL(attention)(figk_table *t) {
    t->attn_scratch = ISA(attn_scratch);
    t->attn_fwd = ISA(attn_fwd);
    t->attn_bwd = ISA(attn_bwd);
}
#endif
#endif
#endif
