/* train/optimizer.c: SGD, AdamW (Loshchilov and Hutter 2019) and Muon (Jordan et al. 2024). Masters, gradients and
 * moments are flat blocks of one layout; an update is one sweep over fixed tiles of them, all parameters together. */
#include <math.h>
#include "train/train.h"

#define TILE 32768

typedef struct tile { /* of one parameter */
    const fig_param_info *p;
    size_t first, n;
} tile;

/* What one update moves: the parameters whose path matches. The first part is all of them. */
struct part {
    const char *pattern; /* NULL: all */
    struct {
        tile *data;
        size_t n, cap;
    } tiles;
};

struct fig__optimizer {
    fig_context *ctx;
    fig_params *params;
    fig_train_options o;
    fig_param_info *info; /* trainable ones only */
    size_t n_info;
    int *kind; /* fig_optimizer_kind of each */
    struct part parts[1 + FIG__MAX_PHASES];
    int n_parts;
    float *grads, *first, *second, *ema; /* second: AdamW only */
    size_t n_flat;
    double *partial; /* of each fixed piece of a gradient */
    float *work;     /* Muon: N_MATRICES of the largest size */
    void *gemm_workspace;
    size_t largest;
    /* of the current update */
    const struct part *part;
    double lr_share, grad_scale, ema_decay;
    int64_t t;
};

static int kind_of(const fig_param_info *p, const fig_train_options *o) {
    int kind = p->optimizer >= 0 ? p->optimizer : o->optimizer;
    /* Muon is for matrices inside the network; tables at its ends, vectors and convolutions take AdamW. */
    return kind == FIG_MUON && (p->ndim != 2 || p->is_table) ? FIG_ADAMW : kind;
}

/* --- Muon: the momentum, made orthogonal by five Newton-Schulz steps --------------------------------------------*/

typedef struct matrix_sizes {
    size_t rows, cols;
} matrix_sizes; /* rows <= cols */
static matrix_sizes wide(const fig_param_info *p) {
    return (matrix_sizes){FIG_MIN(p->shape[0], p->shape[1]), FIG_MAX(p->shape[0], p->shape[1])};
}

static figk_gemm product(fig_dtype type, size_t m, size_t n, size_t k, const void *a, const void *b, bool b_trans,
                         float *c, double alpha, double beta) {
    return (figk_gemm){.m = m,
                       .n = n,
                       .k = k,
                       .batch = 1,
                       .a = a,
                       .at = type,
                       .lda = k,
                       .b = b,
                       .bt = type,
                       .b_trans = b_trans,
                       .ldb = b_trans ? k : n,
                       .c = c,
                       .ct = FIG_F32,
                       .ldc = n,
                       .alpha = alpha,
                       .beta = beta};
}

static void multiply(fig__optimizer *opt, figk_gemm g) {
    g.workspace = opt->gemm_workspace;
    figk_gemm_run(opt->ctx, &g);
}

/* What the products read: of a network that computes in bf16 they are in bf16 too, as Jordan's are; the quintic pulls
 * their errors in, and it is twice as fast. */
static fig_dtype operand_type(const fig_param_info *p) { return p->copy ? FIG_BF16 : FIG_F32; }
static const void *operand(fig__optimizer *opt, fig_dtype type, size_t n, const float *x, void *rounded) {
    if (type == FIG_F32) return x;
    figk_convert(opt->ctx, n, rounded, type, x, FIG_F32);
    return rounded;
}

#define N_MATRICES 5 /* of the largest size: x, y, a, b, and what two of them are rounded to */

/* X (rows <= cols) towards U V^T: X <- aX + (bA + cA^2) X with A = X X^T; the quintic's coefficients are Jordan's.
 * `x` and `y` are exchanged for the result in *x. */
static void orthogonalise(fig__optimizer *opt, fig_dtype type, size_t r, size_t c, float **x, float *y) {
    static const double ka = 3.4445, kb = -4.7750, kc = 2.0315;
    float *a = opt->work + 2 * opt->largest, *b = a + opt->largest;
    uint16_t *rounded = (uint16_t *)(b + opt->largest), *rounded_too = rounded + opt->largest;
    for (int i = 0; i < 5; i++) {
        const void *xs = operand(opt, type, r * c, *x, rounded);
        multiply(opt, product(type, r, r, c, xs, xs, true, a, 1, 0));
        memcpy(b, a, r * r * sizeof *a);
        const void *as = operand(opt, type, r * r, a, rounded_too);
        multiply(opt, product(type, r, r, r, as, as, false, b, kc, kb));
        memcpy(y, *x, r * c * sizeof *y);
        const void *bs = operand(opt, type, r * r, b, rounded_too);
        multiply(opt, product(type, r, c, r, bs, xs, false, y, 1, ka));
        float *made = y;
        y = *x, *x = made;
    }
}

static void muon_update(fig__optimizer *opt, const fig_param_info *p) {
    const figk_table *k = figk(opt->ctx);
    matrix_sizes s = wide(p);
    size_t n = p->numel;
    float *g = opt->grads + p->flat_offset, *v = opt->first + p->flat_offset, *w = p->data;
    float *x = opt->work, *y = x + opt->largest;
    float mu = (float)opt->o.muon_momentum;
    k->axpby(n, (float)opt->grad_scale, g, mu, v); /* v = mu v + g */
    memcpy(y, v, n * sizeof *v);
    k->axpby(n, (float)opt->grad_scale, g, mu, y); /* Nesterov: g + mu v */
    bool turn = p->shape[0] > p->shape[1];
    if (turn)
        k->transpose(p->shape[0], p->shape[1], x, p->shape[0], y, p->shape[1], sizeof(float));
    else
        memcpy(x, y, n * sizeof *y);
    double norm = sqrt(k->sumsq(n, x, FIG_F32)) + 1e-7;
    k->axpby(n, 0, x, (float)(1 / norm), x);
    orthogonalise(opt, operand_type(p), s.rows, s.cols, &x, y);
    if (turn) {
        y = x == opt->work ? x + opt->largest : opt->work;
        k->transpose(p->shape[1], p->shape[0], y, p->shape[1], x, p->shape[0], sizeof(float));
        x = y;
    }
    double lr = opt->o.muon_lr * opt->lr_share * p->lr_scale,
           decay = p->weight_decay >= 0 ? p->weight_decay : opt->o.weight_decay;
    double shape = sqrt(fmax(1, (double)p->shape[0] / (double)p->shape[1]));
    k->axpby(n, (float)(-lr * shape), x, (float)(1 - lr * decay), w);
    if (opt->ema) k->axpby(n, (float)(1 - opt->ema_decay), w, (float)opt->ema_decay, opt->ema + p->flat_offset);
    if (p->copy) figk_convert(opt->ctx, n, p->copy, FIG_BF16, w, FIG_F32);
}

/* --- AdamW and SGD, tile by tile --------------------------------------------------------------------------------*/

static double decay_of(const fig__optimizer *opt, const fig_param_info *p) {
    return p->weight_decay >= 0 ? p->weight_decay : p->ndim >= 2 ? opt->o.weight_decay : 0;
}

static void adamw_tile(fig__optimizer *opt, const tile *t) {
    size_t at = t->p->flat_offset + t->first;
    const fig_train_options *o = &opt->o;
    figk_adamw_args a = {.n = t->n,
                         .p = (float *)t->p->data + t->first,
                         .g = opt->grads + at,
                         .m = opt->first + at,
                         .v = opt->second + at,
                         .copy = t->p->copy ? (uint16_t *)t->p->copy + t->first : NULL,
                         .copy_type = FIG_BF16,
                         .ema = opt->ema ? opt->ema + at : NULL,
                         .grad_scale = (float)opt->grad_scale,
                         .lr = (float)(o->learning_rate * opt->lr_share * t->p->lr_scale),
                         .beta1 = (float)o->beta1,
                         .beta2 = (float)o->beta2,
                         .eps = (float)o->epsilon,
                         .weight_decay = (float)decay_of(opt, t->p),
                         .bias1 = (float)(1 - pow(o->beta1, (double)opt->t)),
                         .bias2 = (float)(1 - pow(o->beta2, (double)opt->t)),
                         .ema_decay = (float)opt->ema_decay};
    figk(opt->ctx)->adamw(&a);
}

static void sgd_tile(fig__optimizer *opt, const tile *t) {
    size_t at = t->p->flat_offset + t->first;
    const fig_train_options *o = &opt->o;
    float *p = (float *)t->p->data + t->first;
    figk(opt->ctx)->sgd(t->n, p, opt->grads + at, opt->first + at, (float)opt->grad_scale,
                        (float)(o->learning_rate * opt->lr_share * t->p->lr_scale), (float)o->momentum,
                        (float)decay_of(opt, t->p), false, t->p->copy ? (uint16_t *)t->p->copy + t->first : NULL,
                        FIG_BF16);
    if (opt->ema) figk(opt->ctx)->axpby(t->n, (float)(1 - opt->ema_decay), p, (float)opt->ema_decay, opt->ema + at);
}

static void update_tile(void *arg, size_t i, int thread) {
    (void)thread;
    fig__optimizer *opt = arg;
    const tile *t = &opt->part->tiles.data[i];
    int kind = opt->kind[t->p - opt->info];
    if (kind == FIG_SGD) sgd_tile(opt, t);
    if (kind == FIG_ADAMW) adamw_tile(opt, t);
}

static bool has(const struct part *part, const fig_param_info *p) {
    return !part->pattern || fig__path_matches(part->pattern, p->path);
}

void fig__optimizer_step(fig__optimizer *opt, int part, int64_t t, double lr_share, double grad_scale) {
    opt->part = &opt->parts[part];
    opt->t = t;
    opt->lr_share = lr_share;
    opt->grad_scale = grad_scale;
    /* An average over few steps at first: the weights that training began with must not linger in it. */
    opt->ema_decay = fmin(opt->o.ema_decay, (double)(1 + t) / (double)(10 + t));
    fig__parallel(opt->ctx, opt->part->tiles.n, update_tile, opt);
    for (size_t i = 0; i < opt->n_info; i++)
        if (opt->kind[i] == FIG_MUON && has(opt->part, &opt->info[i])) muon_update(opt, &opt->info[i]);
}

/* --- the gradient's norm ----------------------------------------------------------------------------------------*/

static void sumsq_tile(void *arg, size_t i, int thread) {
    (void)thread;
    fig__optimizer *opt = arg;
    opt->partial[i] = figk(opt->ctx)->sumsq(FIG_MIN(TILE, opt->n_flat - i * TILE), opt->grads + i * TILE, FIG_F32);
}
static void sumsq_part_tile(void *arg, size_t i, int thread) {
    (void)thread;
    fig__optimizer *opt = arg;
    const tile *t = &opt->part->tiles.data[i];
    opt->partial[i] = figk(opt->ctx)->sumsq(t->n, opt->grads + t->p->flat_offset + t->first, FIG_F32);
}
double fig__grad_sumsq(fig__optimizer *opt, int part) {
    bool all = !opt->parts[part].pattern;
    opt->part = &opt->parts[part];
    size_t n = all ? fig__ceil_div(opt->n_flat, TILE) : opt->part->tiles.n;
    double sum = 0;
    fig__parallel(opt->ctx, n, all ? sumsq_tile : sumsq_part_tile, opt);
    for (size_t i = 0; i < n; i++) sum += opt->partial[i];
    return sum;
}

/* --- what it costs ------------------------------------------------------------------------------------------------*/

/* Muon's five steps: x x^T and its square, both square, and their sum times x; all in fp32 or in what it multiplies. */
static double muon_operations(const fig_param_info *p) {
    matrix_sizes s = wide(p);
    double r = (double)s.rows, c = (double)s.cols;
    return 5 * (4 * r * r * c + 2 * r * r * r);
}

void fig__optimizer_costs(const fig__optimizer *opt, int part, fig__cost *norm, fig__cost *update) {
    *norm = *update = (fig__cost){0};
    for (size_t i = 0; i < opt->n_info; i++) {
        const fig_param_info *p = &opt->info[i];
        if (!has(&opt->parts[part], p)) continue;
        double n = (double)p->numel, words = 5; /* the gradient; weights and momentum, read and written */
        if (opt->kind[i] == FIG_ADAMW) words += 2;
        if (opt->ema) words += 2;
        norm->bytes += 4 * n;
        update->bytes += n * (4 * words + (p->copy ? 2 : 0));
        if (opt->kind[i] == FIG_MUON) update->operations += muon_operations(p);
    }
}

/* --- making -----------------------------------------------------------------------------------------------------*/

static size_t padded(size_t n) { return fig__round_up(n, 16); }

static bool any_kind(const fig_params *params, const fig_train_options *o, int kind, size_t *largest) {
    bool any = false;
    *largest = 0;
    for (size_t i = 0; i < fig_params_count(params); i++) {
        fig_param_info p = fig_params_at(params, i);
        if (!p.trainable || kind_of(&p, o) != kind) continue;
        any = true;
        *largest = FIG_MAX(*largest, padded(p.numel));
    }
    return any;
}

static size_t flat_size(const fig_params *params) {
    size_t n = 0;
    for (size_t i = 0; i < fig_params_count(params); i++) {
        fig_param_info p = fig_params_at(params, i);
        if (p.trainable) n += padded(p.numel);
    }
    return n;
}

static size_t muon_workspace(fig_context *ctx, const fig_params *params, const fig_train_options *o, size_t *scratch) {
    size_t most = 0;
    *scratch = 0;
    for (size_t i = 0; i < fig_params_count(params); i++) {
        fig_param_info p = fig_params_at(params, i);
        if (!p.trainable || kind_of(&p, o) != FIG_MUON) continue;
        matrix_sizes s = wide(&p);
        fig_dtype type = operand_type(&p);
        figk_gemm g[] = {product(type, s.rows, s.cols, s.rows, NULL, NULL, false, NULL, 1, 1),
                         product(type, s.rows, s.rows, s.cols, NULL, NULL, true, NULL, 1, 0),
                         product(type, s.rows, s.rows, s.rows, NULL, NULL, false, NULL, 1, 1)};
        for (size_t k = 0; k < FIG_COUNT(g); k++) {
            most = FIG_MAX(most, figk_gemm_workspace(ctx, &g[k]));
            *scratch = FIG_MAX(*scratch, figk_gemm_scratch(ctx, &g[k]));
        }
    }
    return most;
}

size_t fig__optimizer_bytes(fig_context *ctx, const fig_params *params, const fig_train_options *o) {
    size_t n = flat_size(params), largest, unused;
    size_t blocks = 1 + any_kind(params, o, FIG_ADAMW, &unused) + (o->ema_decay > 0);
    bool muon = any_kind(params, o, FIG_MUON, &largest);
    size_t work = muon ? N_MATRICES * largest * sizeof(float) + muon_workspace(ctx, params, o, &unused) : 0;
    return blocks * n * sizeof(float) + work;
}

static fig_status find_trainable(fig__optimizer *opt) {
    size_t n = fig_params_count(opt->params);
    opt->info = FIG_NEW_N(opt->ctx, fig_param_info, n + 1);
    opt->kind = FIG_NEW_N(opt->ctx, int, n + 1);
    if (!opt->info || !opt->kind) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        fig_param_info p = fig_params_at(opt->params, i);
        if (!p.trainable) continue;
        opt->kind[opt->n_info] = kind_of(&p, &opt->o);
        opt->info[opt->n_info++] = p;
    }
    return FIG_OK;
}

fig_status fig__optimizer_part(fig__optimizer *opt, const char *pattern, int *out) {
    struct part *part = &opt->parts[opt->n_parts];
    *out = 0;
    if (!pattern && opt->n_parts) return FIG_OK;
    *out = opt->n_parts++;
    part->pattern = pattern;
    for (size_t i = 0; i < opt->n_info; i++)
        for (size_t at = 0; has(part, &opt->info[i]) && at < opt->info[i].numel; at += TILE) {
            tile t = {&opt->info[i], at, FIG_MIN(TILE, opt->info[i].numel - at)};
            FIG_TRY(FIG_PUSH(opt->ctx, &part->tiles, t));
        }
    return FIG_OK;
}

static fig_status make_blocks(fig__optimizer *opt) {
    size_t n = opt->n_flat, unused, scratch = 0;
    fig_context *ctx = opt->ctx;
    bool adam = any_kind(opt->params, &opt->o, FIG_ADAMW, &unused),
         muon = any_kind(opt->params, &opt->o, FIG_MUON, &opt->largest);
    size_t work = muon ? muon_workspace(ctx, opt->params, &opt->o, &scratch) : 0;
    opt->partial = FIG_NEW_N(ctx, double, fig__ceil_div(n, TILE) + opt->n_info + 1);
    opt->first = FIG_NEW_N(ctx, float, n + 1);
    opt->second = adam ? FIG_NEW_N(ctx, float, n + 1) : NULL;
    opt->ema = opt->o.ema_decay > 0 ? FIG_NEW_N(ctx, float, n + 1) : NULL;
    opt->work = muon ? FIG_NEW_N(ctx, float, N_MATRICES * opt->largest) : NULL;
    opt->gemm_workspace = work ? fig__alloc(ctx, work) : NULL;
    if (!opt->partial || !opt->first || (adam && !opt->second) || (opt->o.ema_decay > 0 && !opt->ema) ||
        (muon && !opt->work) || (work && !opt->gemm_workspace))
        return FIG_ERR_NOMEM;
    for (size_t i = 0; opt->ema && i < opt->n_info; i++)
        memcpy(opt->ema + opt->info[i].flat_offset, opt->info[i].data, opt->info[i].numel * sizeof(float));
    return muon ? fig__scratch_reserve(ctx, scratch) : FIG_OK;
}

fig_status fig__optimizer_new(fig_context *ctx, fig_params *params, const fig_train_options *o, fig__optimizer **out) {
    *out = NULL;
    fig__optimizer *opt = FIG_NEW(ctx, fig__optimizer);
    if (!opt) return FIG_ERR_NOMEM;
    *opt = (fig__optimizer){.ctx = ctx, .params = params, .o = *o};
    opt->grads = fig_params_grads(params, &opt->n_flat);
    int all;
    fig_status status = find_trainable(opt);
    if (!status) status = fig__optimizer_part(opt, NULL, &all);
    if (!status) status = make_blocks(opt);
    if (status) {
        fig__optimizer_free(opt);
        return status;
    }
    *out = opt;
    return FIG_OK;
}

void fig__optimizer_free(fig__optimizer *opt) {
    if (!opt) return;
    fig_context *ctx = opt->ctx;
    void *all[] = {opt->info, opt->kind,    opt->first, opt->second,
                   opt->ema,  opt->partial, opt->work,  opt->gemm_workspace};
    for (int i = 0; i < opt->n_parts; i++) fig__free(ctx, opt->parts[i].tiles.data);
    for (size_t i = 0; i < FIG_COUNT(all); i++) fig__free(ctx, all[i]);
    fig__free(ctx, opt);
}

size_t fig__optimizer_state(fig__optimizer *opt, fig__flat *out, size_t max) {
    fig__flat all[] = {{"first_moment", opt->first}, {"second_moment", opt->second}, {"ema", opt->ema}};
    size_t n = 0;
    for (size_t i = 0; i < FIG_COUNT(all) && n < max; i++)
        if (all[i].data) out[n++] = all[i];
    return n;
}

void fig__optimizer_swap_ema(fig__optimizer *opt) {
    if (!opt->ema) return;
    for (size_t i = 0; i < opt->n_info; i++) {
        float *a = opt->info[i].data, *b = opt->ema + opt->info[i].flat_offset;
        for (size_t k = 0; k < opt->info[i].numel; k++) {
            float x = a[k];
            a[k] = b[k];
            b[k] = x;
        }
    }
    fig_params_sync(opt->params);
}
