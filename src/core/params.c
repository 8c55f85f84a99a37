/* core/params.c: the parameter store.
 *
 * Layout. Trainable parameters of one alloc call live in two flat fp32 blocks of the same layout, masters and
 * gradients, each parameter padded to a cache line with zeros: an optimizer and a norm are one sweep over memory.
 * Compute copies live in a third block. Frozen parameters and state take a block without gradients. */
#include "core/core.h"
#include "base/map.h"
#include "base/rng.h"

#define LINE 16 /* floats in a cache line */

struct fig_params {
    fig_context *ctx;
    fig_params_options options;
    fig__arena *arena;
    fig__map *index; /* path -> position in list */
    struct {
        fig__param **data;
        size_t n, cap;
    } list;
    struct {
        fig_param_group *data;
        size_t n, cap;
    } groups;
    struct {
        void **data;
        size_t n, cap;
    } blocks; /* everything that alloc took */
    float *grads;
    size_t n_flat;  /* elements of the trainable blocks */
    bool allocated; /* the trainable block exists: its layout is final */
};

fig_status fig_params_new(fig_context *ctx, const fig_params_options *options, fig_params **out) {
    *out = NULL;
    fig_params *p = FIG_NEW(ctx, fig_params);
    if (!p) return FIG_ERR_NOMEM;
    *p = (fig_params){.ctx = ctx, .options = *options, .arena = fig__arena_new(ctx, 0), .index = fig__map_new(ctx)};
    if (!p->arena || !p->index) {
        fig_params_free(p);
        return FIG_ERR_NOMEM;
    }
    *out = p;
    return FIG_OK;
}

void fig_params_free(fig_params *p) {
    if (!p) return;
    for (size_t i = 0; i < p->blocks.n; i++) fig__free(p->ctx, p->blocks.data[i]);
    fig__free(p->ctx, p->blocks.data);
    fig__free(p->ctx, p->list.data);
    fig__free(p->ctx, p->groups.data);
    fig__map_free(p->index);
    fig__arena_free(p->arena);
    fig__free(p->ctx, p);
}

/* --- groups -----------------------------------------------------------------------------------------------------*/

bool fig__path_matches(const char *pattern, const char *s) {
    for (; *pattern; pattern++, s++) {
        if (*pattern == '*') {
            for (; *s; s++)
                if (fig__path_matches(pattern + 1, s)) return true;
            return fig__path_matches(pattern + 1, s);
        }
        if (*pattern != *s) return false;
    }
    return !*s;
}

/* The last matching rule, by position + 1; 0: none. Rules may still move while they are being added. */
static void apply_groups(fig_params *p, fig__param *param) {
    param->group = NULL;
    for (size_t i = 0; i < p->groups.n; i++)
        if (fig__path_matches(p->groups.data[i].pattern, param->path)) param->group = &p->groups.data[i];
    param->trainable = !param->is_state && !p->options.inference && !(param->group && param->group->frozen);
}

fig_status fig_params_group(fig_params *p, const fig_param_group *group) {
    FIG_CHECK(p->ctx, !p->allocated, FIG_ERR_ARG, "parameter groups must be set before memory is given out");
    fig_param_group copy = *group;
    copy.pattern = fig__arena_strdup(p->arena, group->pattern);
    if (!copy.pattern) return FIG_ERR_NOMEM;
    FIG_TRY(FIG_PUSH(p->ctx, &p->groups, copy));
    for (size_t i = 0; i < p->list.n; i++) apply_groups(p, p->list.data[i]);
    return FIG_OK;
}

/* --- creation ---------------------------------------------------------------------------------------------------*/

static fig_status check_known(fig_params *p, const fig__param *k, int ndim, const size_t *shape) {
    bool same = k->ndim == ndim;
    for (int i = 0; same && i < ndim; i++) same = k->shape[i] == shape[i];
    FIG_CHECK(p->ctx, same, FIG_ERR_SHAPE,
              "%s: used with another shape than before (%d axes, first %zu; now %d, first %zu)", k->path, k->ndim,
              k->shape[0], ndim, shape[0]);
    return FIG_OK;
}

fig_status fig__params_use(fig_params *p, const char *path, fig_init init, bool is_state, int ndim, const size_t *shape,
                           fig__param **out) {
    int64_t at;
    if (fig__map_get(p->index, path, strlen(path), &at)) {
        *out = p->list.data[at];
        return check_known(p, *out, ndim, shape);
    }
    FIG_CHECK(p->ctx, ndim >= 1 && ndim <= FIG_MAX_DIMS, FIG_ERR_SHAPE, "%s: %d axes", path, ndim);
    fig__param *k = fig__arena_alloc(p->arena, sizeof *k);
    if (!k) return FIG_ERR_NOMEM;
    *k = (fig__param){
        .path = fig__arena_strdup(p->arena, path), .ndim = ndim, .numel = 1, .init = init, .is_state = is_state};
    if (!k->path) return FIG_ERR_NOMEM;
    for (int i = 0; i < ndim; i++) {
        k->shape[i] = shape[i];
        FIG_CHECK(p->ctx, shape[i] && k->numel <= SIZE_MAX / 16 / shape[i], FIG_ERR_SHAPE,
                  "%s: axis %d has %zu elements", path, i, shape[i]);
        k->numel *= shape[i];
    }
    bool matrix = ndim >= 2 && !is_state;
    k->storage = p->options.compute == FIG_F64    ? FIG_F64
                 : p->options.inference && matrix ? p->options.compute
                                                  : FIG_F32;
    apply_groups(p, k);
    FIG_TRY(fig__map_put(p->index, path, strlen(path), (int64_t)p->list.n));
    FIG_TRY(FIG_PUSH(p->ctx, &p->list, k));
    *out = k;
    return FIG_OK;
}

static bool has_copy(const fig_params *p, const fig__param *k) {
    return p->options.compute == FIG_BF16 && k->ndim >= 2 && !k->is_state && k->storage != FIG_BF16;
}
fig_dtype fig__param_view_type(const fig_params *p, const fig__param *k) {
    return has_copy(p, k) ? FIG_BF16 : k->storage;
}
void *fig__param_view_data(const fig__param *k) { return k->copy ? k->copy : k->data; }

/* --- first values -----------------------------------------------------------------------------------------------
 * Element i of a parameter depends on (seed, path, i) only. */
typedef struct init_job {
    fig_params *p;
    fig__param *k;
    fig_rng_key key;
} init_job;
#define INIT_TILE 65536

static void set_value(fig__param *k, size_t i, double v) {
    if (k->storage == FIG_F64)
        ((double *)k->data)[i] = v;
    else if (k->storage == FIG_BF16)
        ((uint16_t *)k->data)[i] = fig__f32_to_bf16((float)v);
    else
        ((float *)k->data)[i] = (float)v;
}

static void init_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const init_job *job = arg;
    const fig_init *init = &job->k->init;
    size_t end = FIG_MIN(job->k->numel, (tile + 1) * INIT_TILE);
    bool normal = init->kind == FIG_INIT_NORMAL || init->kind == FIG_INIT_TABLE;
    for (size_t i = tile * INIT_TILE; i < end; i++) {
        double v = init->kind == FIG_INIT_ONES ? 1 : 0;
        if (normal) v = init->scale * fig__rng_normal(&job->key, 0, i);
        if (init->kind == FIG_INIT_UNIFORM) v = init->scale * (2 * fig__rng_uniform(&job->key, 0, i) - 1);
        set_value(job->k, i, v);
    }
}

static void init_values(fig_params *p, fig__param *k) {
    init_job job = {p, k, {p->options.seed, fig__rng_stream(k->path), 0}};
    if (k->init.kind != FIG_INIT_ZEROS) fig__parallel(p->ctx, fig__ceil_div(k->numel, INIT_TILE), init_tile, &job);
    if (k->copy) figk_convert(p->ctx, k->numel, k->copy, FIG_BF16, k->data, FIG_F32);
}

/* --- memory -----------------------------------------------------------------------------------------------------*/

typedef struct layout {
    size_t n_train, n_other_bytes, n_copy;
} layout;

static layout measure(const fig_params *p) {
    layout l = {0};
    for (size_t i = 0; i < p->list.n; i++) {
        const fig__param *k = p->list.data[i];
        if (k->allocated) continue;
        size_t padded = fig__round_up(k->numel, LINE);
        if (k->trainable && k->storage == FIG_F32)
            l.n_train += padded;
        else
            l.n_other_bytes += padded * fig_dtype_size(k->storage);
        if (has_copy(p, k)) l.n_copy += padded;
    }
    return l;
}

size_t fig_params_bytes(const fig_params *p) {
    size_t bytes = 0;
    for (size_t i = 0; i < p->list.n; i++) {
        const fig__param *k = p->list.data[i];
        size_t padded = fig__round_up(k->numel, LINE);
        bytes +=
            padded * fig_dtype_size(k->storage) + (has_copy(p, k) ? 2 * padded : 0) + (k->trainable ? 4 * padded : 0);
    }
    return bytes;
}

static fig_status block(fig_params *p, size_t bytes, void **out) {
    *out = NULL;
    if (!bytes) return FIG_OK;
    *out = fig__calloc(p->ctx, 1, bytes);
    if (!*out) return FIG_ERR_NOMEM;
    return FIG_PUSH(p->ctx, &p->blocks, *out);
}

static void place(fig_params *p, float *train, uint8_t *other, uint16_t *copy) {
    size_t flat = 0;
    for (size_t i = 0; i < p->list.n; i++) {
        fig__param *k = p->list.data[i];
        if (k->allocated) continue;
        size_t padded = fig__round_up(k->numel, LINE);
        if (k->trainable && k->storage == FIG_F32) {
            k->data = train + flat;
            k->grad = p->grads + flat;
            k->flat_offset = flat;
            flat += padded;
        } else {
            k->data = other;
            other += padded * fig_dtype_size(k->storage);
        }
        if (has_copy(p, k)) {
            k->copy = copy;
            copy += padded;
        }
        k->allocated = true;
        init_values(p, k);
    }
}

fig_status fig_params_alloc(fig_params *p) {
    layout l = measure(p);
    FIG_CHECK(p->ctx, !l.n_train || !p->allocated, FIG_ERR_ARG,
              "new trainable parameters appeared after memory was given out; record every graph first");
    void *train, *grads = NULL, *other, *copy;
    FIG_TRY(block(p, l.n_train * sizeof(float), &train));
    FIG_TRY(block(p, l.n_train * sizeof(float), &grads));
    FIG_TRY(block(p, l.n_other_bytes, &other));
    FIG_TRY(block(p, l.n_copy * 2, &copy));
    if (l.n_train) {
        p->grads = grads;
        p->n_flat = l.n_train;
        p->allocated = true;
    }
    place(p, train, other, copy);
    return FIG_OK;
}

/* --- looking and setting ----------------------------------------------------------------------------------------*/

size_t fig_params_count(const fig_params *p) { return p->list.n; }
fig_dtype fig_params_compute(const fig_params *p) { return p->options.compute; }
float *fig_params_grads(fig_params *p, size_t *n) {
    *n = p->n_flat;
    return p->grads;
}

size_t fig_params_numel(const fig_params *p, bool trainable_only) {
    size_t n = 0;
    for (size_t i = 0; i < p->list.n; i++)
        if (!p->list.data[i]->is_state && (p->list.data[i]->trainable || !trainable_only)) n += p->list.data[i]->numel;
    return n;
}

fig_param_info fig_params_at(const fig_params *p, size_t i) {
    const fig__param *k = p->list.data[i];
    const fig_param_group *r = k->group;
    fig_param_info info = {.path = k->path,
                           .ndim = k->ndim,
                           .numel = k->numel,
                           .trainable = k->trainable,
                           .is_state = k->is_state,
                           .is_table = k->init.kind == FIG_INIT_TABLE,
                           .storage = k->storage,
                           .data = k->data,
                           .copy = k->copy,
                           .grad = k->grad,
                           .flat_offset = k->flat_offset,
                           .lr_scale = r && r->lr_scale ? r->lr_scale : 1,
                           .weight_decay = r ? r->weight_decay : -1,
                           .optimizer = r && r->has_optimizer ? (int)r->optimizer : -1};
    memcpy(info.shape, k->shape, sizeof info.shape);
    return info;
}

bool fig_params_find(const fig_params *p, const char *path, fig_param_info *out) {
    int64_t at;
    if (!fig__map_get(p->index, path, strlen(path), &at)) return false;
    *out = fig_params_at(p, (size_t)at);
    return true;
}

fig_status fig_params_set(fig_params *p, const char *path, const void *data, fig_dtype dtype, size_t numel) {
    int64_t at;
    FIG_CHECK(p->ctx, fig__map_get(p->index, path, strlen(path), &at), FIG_ERR_NOTFOUND, "%s: no such parameter", path);
    fig__param *k = p->list.data[at];
    FIG_CHECK(p->ctx, k->numel == numel, FIG_ERR_SHAPE, "%s: has %zu elements, given %zu", path, k->numel, numel);
    FIG_CHECK(p->ctx, k->allocated, FIG_ERR_ARG, "%s: has no memory yet", path);
    figk_convert(p->ctx, numel, k->data, k->storage, data, dtype);
    if (k->copy) figk_convert(p->ctx, numel, k->copy, FIG_BF16, k->data, k->storage);
    return FIG_OK;
}

fig_status fig_params_get(const fig_params *p, const char *path, void *data, fig_dtype dtype, size_t numel) {
    int64_t at;
    FIG_CHECK(p->ctx, fig__map_get(p->index, path, strlen(path), &at), FIG_ERR_NOTFOUND, "%s: no such parameter", path);
    const fig__param *k = p->list.data[at];
    FIG_CHECK(p->ctx, k->numel == numel && k->allocated, FIG_ERR_SHAPE, "%s: has %zu elements, asked for %zu", path,
              k->numel, numel);
    figk_convert(p->ctx, numel, data, dtype, k->data, k->storage);
    return FIG_OK;
}

void fig_params_sync(fig_params *p) {
    for (size_t i = 0; i < p->list.n; i++) {
        fig__param *k = p->list.data[i];
        if (k->copy) figk_convert(p->ctx, k->numel, k->copy, FIG_BF16, k->data, k->storage);
    }
}

uint64_t fig_params_hash(const fig_params *p) {
    uint64_t h = 0;
    for (size_t i = 0; i < p->list.n; i++) {
        const fig__param *k = p->list.data[i];
        uint64_t parts[3] = {h, fig__hash64(k->path, strlen(k->path)),
                             k->data ? fig__hash64(k->data, k->numel * fig_dtype_size(k->storage)) : 0};
        h = fig__hash64(parts, sizeof parts);
    }
    return h;
}
