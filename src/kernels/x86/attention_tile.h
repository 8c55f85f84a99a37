/* kernels/x86/attention_tile.h: the parts of blockwise attention: a tile of queries, a block of keys, masks, packing,
 * products, dropout. How they are put together is in attention_impl.h.
 *
 * A tile is up to ROWS queries, which meet the keys in blocks of KEYS that start at multiples of KEYS in every
 * sequence. What has one value per query lies across lanes, [key][row] and [dim][row], so row maxima and sums need no
 * horizontal steps, masks are lane masks, K and V are never transposed, and one product, broadcast times lanes, serves
 * all seven products of both directions. A block that no row of the tile sees is not visited; a visited key that a row
 * does not see adds an exact zero to it, so the bits of a row do not depend on the rows beside it.
 *
 * Operands of products are 32-bit words: a float or, with ATTN_PAIRS defined (AVX512-BF16), two bf16 numbers that are
 * neighbours along the summed index. Three packings: "by dim", words run along head_dim; "by row", words run down the
 * rows (PAIR rows to a word); "transposed", by dim with the rows across lanes. Of floats the first two are the same. */
#ifndef FIG_ATTENTION_TILE_H
#define FIG_ATTENTION_TILE_H
#include "kernels/attention.h"
#include "vec_math.h"
#include "vec_rng.h"
#ifdef VL

/* Arrays of registers stay registers only where loops over them disappear. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define ROWS FIGK_ATTN_ROWS
#define KEYS 64
#ifdef ATTN_PAIRS
#define PAIR 2
#else
#define PAIR 1
#endif
#define STEP (VL * PAIR) /* elements in a vector of words; head_dim in scratch is a multiple of it */
#define PANEL (VL / 4)   /* vectors of a register panel, times 4 rows of sums */

typedef struct attn_tile {
    const figk_attn *a;
    size_t b, kv_head, n_rows, n_lanes; /* lanes: rows rounded up to vectors */
    size_t dim, words;                  /* head_dim rounded up to STEP, and words of a row by dim */
    int64_t first, last;                /* keys that some row may see */
    int64_t full_first, full_last;      /* keys that every row sees, segments aside */
    bool shaped;   /* scores are made in a pass of their own (soft cap, or a scale that is not > 0) */
    float to_log2; /* scores, or products with keys when not shaped, times this: exponents of 2 */
    v_random random;
    uint64_t drop_below;
    float keep; /* 1 / (1 - dropout) */
    figk_attn_row row[ROWS];
    bool empty[ROWS]; /* the row sees no key: what lies in q there is not read */
    int32_t segment[ROWS];
    int32_t shift[ROWS]; /* element of (row, key 0) modulo 4 */
} attn_tile;

/* Where the rows of an operand lie; NULL stands for a row of zeros. */
typedef const void *attn_rows[ROWS];

/* Some lanes of a tile, and the keys of a block that any of them sees: from <= j < to, from a multiple of 4. */
typedef struct attn_group {
    size_t lane, n_lanes, n_rows, from, to;
} attn_group;

/* A block of keys against the rows of a tile. Where not all rows see all keys, the two halves of the tile are groups
 * of their own: on the diagonal of a causal mask a quarter of the work falls away. */
typedef struct attn_block {
    size_t key0, n_keys;
    attn_rows k, v;
    bool even; /* they lie at constant distances */
    bool masked;
    size_t n_groups;
    attn_group group[2];
    float first[ROWS], last[ROWS]; /* when masked: a row sees first <= j < last, counted from key0 */
} attn_block;

static void tile_row(attn_tile *t, size_t r, size_t query, size_t head) {
    const figk_attn *a = t->a;
    figk_attn_row *row = &t->row[r];
    *row = figk_attn_row_at(a, t->b, query, head);
    t->full_first = FIG_MAX(t->full_first, row->first);
    t->full_last = FIG_MIN(t->full_last, row->last);
    t->shift[r] = (int32_t)(figk_attn_element(a, row) % 4);
    if (row->first >= row->last) return;
    t->empty[r] = false;
    t->first = FIG_MIN(t->first, row->first);
    t->last = FIG_MAX(t->last, row->last);
    if (a->q_segment) t->segment[r] = a->q_segment[t->b * a->q_max + row->query];
}

static void tile_init(attn_tile *t, const figk_attn *a, size_t b, size_t kv_head, size_t row0, size_t n_rows) {
    *t = (attn_tile){.a = a, .b = b, .kv_head = kv_head, .n_rows = n_rows};
    t->n_lanes = fig__round_up(n_rows, VL);
    t->dim = fig__round_up(a->head_dim, STEP);
    t->words = t->dim / PAIR;
    t->shaped = a->softcap != 0 || !(a->scale > 0);
    t->to_log2 = (float)((t->shaped ? 1 : a->scale) * 1.4426950408889634);
    t->random = v_random_of(&a->key, a->sample0 + b);
    t->drop_below = figk_attn_drop_below(a);
    t->keep = (float)(1 / (1 - a->dropout));
    t->first = t->full_last = INT64_MAX;
    memset(t->empty, true, sizeof t->empty);
    size_t group = figk_attn_group(a), query = row0 / group, g = row0 % group;
    for (size_t r = 0; r < n_rows; r++) {
        tile_row(t, r, query, kv_head * group + g);
        if (++g == group) g = 0, query++;
    }
    if (t->first >= t->last) t->first = t->last = 0;
}

static void group_init(attn_group *group, const attn_tile *t, const attn_block *block, size_t lane, size_t width) {
    float from = KEYS, to = 0;
    *group = (attn_group){.lane = lane, .n_lanes = FIG_MIN(width, t->n_lanes - lane), .to = block->n_keys};
    group->n_rows = FIG_MIN(width, t->n_rows - lane);
    if (!block->masked) return;
    for (size_t r = lane; r < lane + group->n_rows; r++) {
        if (block->first[r] >= block->last[r]) continue;
        from = FIG_MIN(from, block->first[r]);
        to = FIG_MAX(to, block->last[r]);
    }
    group->to = (size_t)to;
    group->from = FIG_MIN((size_t)from / 4 * 4, group->to);
}

static void find_keys(attn_block *block, const attn_tile *t) {
    const figk_attn *a = t->a;
    size_t size = fig_dtype_size(a->type), end = block->key0 + block->n_keys, n_runs = 0;
    for (size_t j = block->key0; j < end; n_runs++) {
        const void *k_run, *v_run;
        size_t start = j, run_end = figk_attn_kv_run(a, t->b, t->kv_head, j, end, &k_run, &v_run);
        for (; j < run_end; j++) {
            block->k[j - block->key0] = (const char *)k_run + (j - start) * a->k_stride[1] * size;
            block->v[j - block->key0] = (const char *)v_run + (j - start) * a->v_stride[1] * size;
        }
    }
    for (size_t j = block->n_keys; j < KEYS; j++) block->k[j] = block->v[j] = NULL;
    block->even = n_runs == 1;
}

static void block_init(attn_block *block, const attn_tile *t, size_t key0) {
    int64_t start = (int64_t)key0, end = FIG_MIN(start + KEYS, t->last);
    block->key0 = key0;
    block->n_keys = (size_t)(end - start);
    find_keys(block, t);
    block->masked = t->a->q_segment || start < t->full_first || end > t->full_last;
    for (size_t r = 0; r < ROWS && block->masked; r++) {
        block->first[r] = (float)FIG_MIN(FIG_MAX(t->row[r].first - start, 0), KEYS);
        block->last[r] = t->empty[r] ? 0 : (float)FIG_MIN(FIG_MAX(t->row[r].last - start, 0), KEYS);
    }
    size_t width = block->masked ? ROWS / 2 : ROWS;
    block->n_groups = fig__ceil_div(t->n_rows, width);
    for (size_t g = 0; g < block->n_groups; g++) group_init(&block->group[g], t, block, g * width, width);
}

/* Of the VL rows from c on, those that see key j of the block. */
V_FN vm visible(const attn_tile *t, const attn_block *block, size_t j, size_t c) {
    const figk_attn *a = t->a;
    vf key = v_set1((float)j);
    vm m = v_and(v_le(v_load(block->first + c), key), v_lt(key, v_load(block->last + c)));
    if (!a->q_segment) return m;
    vi of_key = v_iset1(a->kv_segment[t->b * a->kv_max + block->key0 + j]);
    return v_and(m, v_ieq(v_iload(t->segment + c), of_key));
}

/* 2^x for x up to about 0, 0 for -inf. Degree 5 on [-1/2, 1/2], relative error 2^-23.4 (Lawson, as in vec_math.h). */
V_FN vf power_of_2(vf x) {
    x = v_max(v_set1(-150), x);
    vf n = v_round(x), f = v_sub(x, n);
    vf p = V_POLY(f, 1, 0.693147004f, 0.240222424f, 0.0555073358f, 0.00967151299f, 0.00132647273f);
    return v_scale(p, n);
}

/* The score of a product of query and key, where the tile is shaped. */
V_FN vf score(const attn_tile *t, vf dot) {
    const figk_attn *a = t->a;
    vf s = v_mul(dot, v_set1((float)a->scale));
    if (a->softcap == 0) return s;
    vf cap = v_set1((float)a->softcap);
    return v_mul(cap, v_tanh(v_div(s, cap)));
}

V_FN float v_first_lane(vf a) {
    float lanes[VL];
    v_store(lanes, a);
    return lanes[0];
}

/* --- packing ---------------------------------------------------------------------------------------------------- */

static void query_rows(const attn_tile *t, const void *x, const size_t stride[3], attn_rows rows) {
    size_t size = fig_dtype_size(t->a->type);
    for (size_t r = 0; r < ROWS; r++) {
        size_t at = figk_attn_at(stride, t->b, t->row[r].query, t->row[r].head);
        rows[r] = t->empty[r] ? NULL : (const char *)x + at * size;
    }
}

V_FN vf load_floats(const attn_tile *t, const void *row, size_t d) {
    size_t dim = t->a->head_dim;
    if (!row || d >= dim) return v_zero();
    return dim - d >= VL ? v_get(row, t->a->type, d) : v_get_n(row, t->a->type, d, dim - d);
}

/* A row of floats [dim], times `by`, to storage. */
static void put_row(const attn_tile *t, const float *x, float by, void *y, size_t at) {
    size_t dim = t->a->head_dim;
    for (size_t d = 0; d < dim; d += VL) {
        vf v = v_mul(v_load(x + d), v_set1(by));
        if (dim - d >= VL)
            v_put(y, t->a->type, at + d, v);
        else
            v_put_n(y, t->a->type, at + d, v, dim - d);
    }
}

/* Words of elements d .. d+STEP-1 by dim; of two rows by row. */
#ifdef ATTN_PAIRS
V_FN vf load_words(const attn_tile *t, const void *row, size_t d) {
    size_t dim = t->a->head_dim;
    if (!row || d >= dim) return v_zero();
    __mmask32 mask = dim - d >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << (dim - d)) - 1;
    return v_floats(_mm512_maskz_loadu_epi16(mask, (const uint16_t *)row + d));
}
/* VL words of one row pair from element d on. */
V_FN vf load_pairs(const attn_tile *t, const void *even, const void *odd, size_t d) {
    vi low = v_shr(v_bits(load_floats(t, even, d)), 16);
    return v_floats(v_ior(low, v_bits(load_floats(t, odd, d))));
}
static void pack_by_row(const attn_tile *t, const attn_rows rows, size_t n, float *out) {
    for (size_t r = 0; r < n; r += 2, out += t->dim) {
        for (size_t d = 0; d < t->dim; d += VL) v_store(out + d, load_pairs(t, rows[r], rows[r + 1], d));
    }
}
#else
V_FN vf load_words(const attn_tile *t, const void *row, size_t d) { return load_floats(t, row, d); }
#define pack_by_row pack_by_dim
#endif

static void pack_by_dim(const attn_tile *t, const attn_rows rows, size_t n, float *out) {
    for (size_t r = 0; r < n; r++, out += t->words) {
        for (size_t w = 0; w < t->words; w += VL) v_store(out + w, load_words(t, rows[r], w * PAIR));
    }
}

/* Left operand of a product: words between rows. */
typedef struct attn_operand {
    const float *x;
    size_t row;
} attn_operand;

/* Keys or values by dim: read where they are when they are words already, in whole groups of 4, else packed. */
static attn_operand by_dim(const attn_tile *t, const attn_block *block, const attn_rows rows, size_t stride,
                           float *out) {
    const figk_attn *a = t->a;
    bool words = a->type == (PAIR == 2 ? FIG_BF16 : FIG_F32) && a->head_dim == t->dim && stride % PAIR == 0;
    if (block->even && words && block->n_keys % 4 == 0 && (uintptr_t)rows[0] % sizeof(float) == 0) {
        return (attn_operand){rows[0], stride / PAIR};
    }
    pack_by_dim(t, rows, fig__round_up(block->n_keys, 4), out);
    return (attn_operand){out, t->words};
}

static attn_operand by_row(const attn_tile *t, const attn_block *block, const attn_rows rows, size_t stride,
                           float *out) {
    if (PAIR == 1) return by_dim(t, block, rows, stride, out);
    pack_by_row(t, rows, block->n_keys, out);
    return (attn_operand){out, t->dim};
}

/* Interleaves the lower (upper) halves of two vectors. */
#if VL == 16
V_FN vf zip_low(vf a, vf b) {
    const vi lane = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(a, lane, b);
}
V_FN vf zip_high(vf a, vf b) {
    const vi lane = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return _mm512_permutex2var_ps(a, lane, b);
}
#else
V_FN vf zip_low(vf a, vf b) { return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20); }
V_FN vf zip_high(vf a, vf b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}
#endif

/* Zipping vector i with i + VL/2 rotates the bits of an element's address (vector, lane) by one place; after log2(VL)
 * times vector and lane have changed places. */
V_FN void transpose(vf x[VL]) {
    UNROLL for (int step = 1; step < VL; step *= 2) {
        vf y[VL];
        UNROLL for (size_t i = 0; i < VL / 2; i++) {
            y[2 * i] = zip_low(x[i], x[i + VL / 2]);
            y[2 * i + 1] = zip_high(x[i], x[i + VL / 2]);
        }
        UNROLL for (size_t i = 0; i < VL; i++) x[i] = y[i];
    }
}

/* out [words][ROWS] */
static void pack_transposed(const attn_tile *t, const attn_rows rows, float *out) {
    for (size_t r = 0; r < t->n_lanes; r += VL) {
        for (size_t w = 0; w < t->words; w += VL) {
            vf x[VL];
            UNROLL for (size_t i = 0; i < VL; i++) x[i] = load_words(t, rows[r + i], w * PAIR);
            transpose(x);
            UNROLL for (size_t i = 0; i < VL; i++) v_store(out + (w + i) * ROWS + r, x[i]);
        }
    }
}

/* x_t [dim][ROWS] of floats, each row times its factor (0: zeros, whatever x_t holds), to the rows of o or dq. */
static void store_rows(const attn_tile *t, const float *x_t, const float *factor, void *y, const size_t stride[3]) {
    const figk_attn *a = t->a;
    for (size_t r = 0; r < t->n_rows; r += VL) {
        vf by = v_load(factor + r);
        vm any = v_ne(by, v_zero());
        for (size_t d = 0; d < a->head_dim; d += VL) {
            vf x[VL];
            UNROLL for (size_t i = 0; i < VL; i++) {
                x[i] = v_zero_unless(any, v_mul(v_load(x_t + (d + i) * ROWS + r), by));
            }
            transpose(x);
            for (size_t i = 0; i < VL && r + i < t->n_rows; i++) {
                const figk_attn_row *row = &t->row[r + i];
                size_t at = figk_attn_at(stride, t->b, row->query, row->head) + d;
                if (a->head_dim - d >= VL)
                    v_put(y, a->type, at, x[i]);
                else
                    v_put_n(y, a->type, at, x[i], a->head_dim - d);
            }
        }
    }
}

/* --- products --------------------------------------------------------------------------------------------------- */

/* c[i][x] (+)= sum over words j of a[i*a_row + j*a_step] * b[j][x]. m is a multiple of 4, n of VL. */
typedef struct attn_product {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    bool add;
} attn_product;

V_FN vf multiply_add(vf a, vf b, vf sum) {
#ifdef ATTN_PAIRS
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#else
    return v_fma(a, b, sum);
#endif
}

/* Four rows of c times `width` vectors, with the sums in registers over the whole of k. (Loops run to a constant, since
 * clang does not unroll the others in time.) */
V_FN void product_panel(const attn_product *p, const float *a, const float *b, float *c, size_t width) {
    vf sum[4][PANEL];
    UNROLL for (size_t i = 0; i < 4; i++) {
        UNROLL for (size_t x = 0; x < PANEL; x++) {
            if (x < width) sum[i][x] = p->add ? v_load(c + i * p->ldc + x * VL) : v_zero();
        }
    }
    for (size_t j = 0; j < p->k; j++, a += p->a_step, b += p->ldb) {
        vf right[PANEL];
        UNROLL for (size_t x = 0; x < PANEL; x++) {
            if (x < width) right[x] = v_load(b + x * VL);
        }
        UNROLL for (size_t i = 0; i < 4; i++) {
            vf left = v_set1(a[i * p->a_row]);
            UNROLL for (size_t x = 0; x < PANEL; x++) {
                if (x < width) sum[i][x] = multiply_add(left, right[x], sum[i][x]);
            }
        }
    }
    UNROLL for (size_t i = 0; i < 4; i++) {
        UNROLL for (size_t x = 0; x < PANEL; x++) {
            if (x < width) v_store(c + i * p->ldc + x * VL, sum[i][x]);
        }
    }
}

static void product(const attn_product *p) {
    for (size_t x = 0; x < p->n;) {
        size_t width = FIG_MIN((p->n - x) / VL, (size_t)PANEL);
        for (size_t i = 0; i < p->m; i += 4) {
            const float *a = p->a + i * p->a_row, *b = p->b + x;
            float *c = p->c + i * p->ldc + x;
            if (width == PANEL)
                product_panel(p, a, b, c, PANEL);
            else if (width == 1)
                product_panel(p, a, b, c, 1);
            else if (width == 2)
                product_panel(p, a, b, c, 2);
            else
                product_panel(p, a, b, c, 3);
        }
        x += width * VL;
    }
}

/* The three products of a group: only its lanes, only the keys that one of them sees. */

/* s [KEYS][ROWS] = x y: x keys by dim, y rows transposed. */
static void keys_times_rows(const attn_tile *t, const attn_group *g, attn_operand x, const float *y, float *s) {
    product(&(attn_product){.m = fig__round_up(g->to - g->from, 4),
                            .n = g->n_lanes,
                            .k = t->words,
                            .a = x.x + g->from * x.row,
                            .a_row = x.row,
                            .a_step = 1,
                            .b = y + g->lane,
                            .ldb = ROWS,
                            .c = s + g->from * ROWS + g->lane,
                            .ldc = ROWS});
}

/* out_t [dim][ROWS] += x^T s: x keys by row, s [key][ROWS] by row. */
static void add_weighted_keys(const attn_tile *t, const attn_group *g, attn_operand x, const float *s, float *out_t) {
    size_t from = g->from / PAIR, to = fig__ceil_div(g->to, PAIR);
    product(&(attn_product){.m = t->dim,
                            .n = g->n_lanes,
                            .k = to - from,
                            .a = x.x + from * x.row,
                            .a_row = 1,
                            .a_step = x.row,
                            .b = s + from * ROWS + g->lane,
                            .ldb = ROWS,
                            .c = out_t + g->lane,
                            .ldc = ROWS,
                            .add = true});
}

/* out [KEYS][dim] += s y: s [KEYS][ROWS] with words along the rows of the tile, y those rows by row. */
static void add_weighted_rows(const attn_tile *t, const attn_group *g, const float *s, const float *y, float *out) {
    product(&(attn_product){.m = fig__round_up(g->to - g->from, 4),
                            .n = t->dim,
                            .k = fig__ceil_div(g->n_rows, PAIR),
                            .a = s + (g->from * ROWS + g->lane) / PAIR,
                            .a_row = ROWS / PAIR,
                            .a_step = 1,
                            .b = y + g->lane / PAIR * t->dim,
                            .ldb = t->dim,
                            .c = out + g->from * t->dim,
                            .ldc = t->dim,
                            .add = true});
}

/* Two keys' values for the rows from c on, as a right operand (words down the keys) ... */
V_FN void put_by_key(float *s, size_t j, size_t c, vf even, vf odd) {
#ifdef ATTN_PAIRS
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    v_istore(s + j / 2 * ROWS + c, _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(odd, even)));
#else
    v_store(s + j * ROWS + c, even);
    v_store(s + (j + 1) * ROWS + c, odd);
#endif
}
/* ... and one key's as a left operand (words along the rows). */
V_FN void put_by_lane(float *s, size_t j, size_t c, vf x) {
#ifdef ATTN_PAIRS
    _mm256_storeu_si256((__m256i *)(s + (j * ROWS + c) / 2), (__m256i)_mm512_cvtneps_pbh(x));
#else
    v_store(s + j * ROWS + c, x);
#endif
}

/* --- dropout ---------------------------------------------------------------------------------------------------- */

/* The random words of a group as fig__rng_block gives them (base/rng.h): words [KEYS + 4][ROWS], where word j + shift
 * of a row belongs to key j. */
static void random_words(const attn_tile *t, const attn_block *block, const attn_group *g, uint32_t *words) {
    const v_random *random = &t->random;
    for (size_t r = g->lane; r < g->lane + g->n_lanes; r += VL) {
        uint32_t low[VL], high[VL];
        for (size_t i = 0; i < VL; i++) {
            uint64_t first = (figk_attn_element(t->a, &t->row[r + i]) + block->key0) / 4;
            low[i] = (uint32_t)first;
            high[i] = (uint32_t)(first >> 32 & 0xffff) | (uint32_t)(random->sample >> 32 & 0xffff) << 16;
        }
        for (size_t w = g->from; w < g->to + 3; w += 4) {
            vi base = v_iload(low), at = v_iadd(base, v_iset1((int32_t)(w / 4)));
            vi carry = v_shr(v_iand(base, v_ixor(at, v_iset1(-1))), 31);
            vi c[4] = {at, v_iset1((int32_t)random->sample), v_iset1((int32_t)random->step),
                       v_iadd(v_iload(high), carry)};
            v_philox(c, random->key);
            for (size_t i = 0; i < 4; i++) v_istore(words + (w + i) * ROWS + r, c[i]);
        }
    }
}

/* The dropout factors of key j and the rows from c on. */
V_FN vf keep_factor(const attn_tile *t, const uint32_t *words, size_t j, size_t c) {
    vi word = v_iload(words + j * ROWS + c);
    if (t->a->kv_max % 4) { /* else no row is shifted */
        vi shift = v_iload(t->shift + c);
        for (size_t s = 1; s < 4; s++) {
            word = v_isel(v_ieq(shift, v_iset1((int32_t)s)), v_iload(words + (j + s) * ROWS + c), word);
        }
    }
    return v_sel(v_below(word, t->drop_below), v_zero(), v_set1(t->keep));
}

#endif
#endif
