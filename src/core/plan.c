/* core/plan.c: from recorded nodes to steps with addresses.
 *
 * 1. Keep the nodes that the roots need.  2. Fuse element-wise nodes into chains; a chain runs where its last member
 * stood.  3. A storage is the memory of one tensor that owns some; it lives from the step that writes it to the last
 * step that reads it or a view of it.  4. An output of a chain takes over the storage of an input that dies there and
 * is indexed the same way; one whose memory is the store's lends it to such an input.  5. Storages get offsets: largest
 * first, into the lowest gap among those alive at the same time (greedy by size: Pisarchyk & Lee, "Efficient memory
 * management for deep neural net inference", 2020). */
#include "core/plan.h"

#define FOREVER UINT32_MAX

/* --- 1. what is needed ------------------------------------------------------------------------------------------*/

static void need(fig_plan *p, const fig_tensor *t) {
    if (t) p->needed[t->node->id] = true;
}

static void mark_needed(fig_plan *p, fig_tensor *const *roots, size_t n) {
    const fig_graph *g = p->graph;
    for (size_t i = 0; i < n; i++) {
        need(p, roots[i]);
        p->tensors[roots[i]->base->id].is_root = true;
    }
    for (size_t i = 0; i < g->roots.n; i++) need(p, g->roots.data[i]);
    for (size_t i = g->nodes.n; i-- > 0;) {
        const fig_node *node = g->nodes.data[i];
        if (node->op->flags & FIG_OP_EFFECT) p->needed[i] = true;
        if (!p->needed[i]) continue;
        for (int j = 0; j < node->n_in; j++) need(p, node->in[j]);
    }
}

/* --- 2. steps ---------------------------------------------------------------------------------------------------*/

#define MAX_CHAIN 24

typedef struct group {
    fig_node *nodes[MAX_CHAIN];
    size_t n;
    bool closed;      /* somebody outside reads a member: nothing may join, or it would run too late for the reader */
    struct group *to; /* merged into that one */
} group;

static group *root_group(group *g) {
    while (g && g->to) g = g->to;
    return g;
}

bool fig__same_extents(const fig_tensor *a, const fig_tensor *b) {
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

static void sort_nodes(group *g) {
    for (size_t i = 1; i < g->n; i++)
        for (size_t j = i; j > 0 && g->nodes[j]->id < g->nodes[j - 1]->id; j--) {
            fig_node *t = g->nodes[j];
            g->nodes[j] = g->nodes[j - 1];
            g->nodes[j - 1] = t;
        }
}

/* The chain that n may join through input t: t itself (not a view of it) comes from an open chain of n's shape. */
static group *joinable(group **of, const fig_node *n, const fig_tensor *t, size_t have) {
    if (t->base != t || !fig__is_ew(t->node)) return NULL;
    group *g = root_group(of[t->node->id]);
    return g && !g->closed && fig__same_extents(t, n->out[0]) && g->n + have <= MAX_CHAIN ? g : NULL;
}

static void close_readers(group **of, const fig_node *n, const group *mine) {
    for (int j = 0; j < n->n_in; j++) {
        if (!n->in[j] || fig__shape_only(n, j)) continue;
        group *g = root_group(of[n->in[j]->base->node->id]);
        if (g && g != mine) g->closed = true;
    }
}

static fig_status join_chains(fig_plan *p, group **of, fig_node *n) {
    group *mine = NULL;
    for (int j = 0; j < n->n_in && !p->options.no_fuse; j++) {
        if (fig__shape_only(n, j)) continue;
        group *g = joinable(of, n, n->in[j], mine ? mine->n : 1);
        if (!g || g == mine) continue;
        if (!mine) {
            mine = g;
            continue;
        }
        if (mine->n + g->n + 1 > MAX_CHAIN) continue;
        memcpy(mine->nodes + mine->n, g->nodes, g->n * sizeof *g->nodes);
        mine->n += g->n;
        g->n = 0;
        g->to = mine;
    }
    if (!mine) mine = fig__arena_alloc(p->arena, sizeof *mine);
    if (!mine) return FIG_ERR_NOMEM;
    mine->nodes[mine->n++] = n;
    of[n->id] = mine;
    close_readers(of, n, mine);
    return FIG_OK;
}

static fig_status add_step(fig_plan *p, fig_node **nodes, size_t n) {
    return FIG_PUSH(p->ctx, &p->steps, (fig__step){.nodes = nodes, .n_nodes = n});
}

static fig_status emit_steps(fig_plan *p, group **of) {
    const fig_graph *g = p->graph;
    for (size_t i = 0; i < g->nodes.n; i++) {
        fig_node *n = g->nodes.data[i];
        if (!p->needed[i] || n->op->flags & (FIG_OP_VIEW | FIG_OP_LEAF)) continue;
        group *mine = root_group(of[i]);
        if (!mine) {
            fig_node **alone = fig__arena_alloc(p->arena, sizeof *alone);
            if (!alone) return FIG_ERR_NOMEM;
            *alone = n;
            FIG_TRY(add_step(p, alone, 1));
            continue;
        }
        sort_nodes(mine);
        if (mine->nodes[mine->n - 1] == n) FIG_TRY(add_step(p, mine->nodes, mine->n));
    }
    return FIG_OK;
}

static fig_status make_steps(fig_plan *p) {
    const fig_graph *g = p->graph;
    group **of = FIG_NEW_N(p->ctx, group *, g->nodes.n + 1);
    if (!of) return FIG_ERR_NOMEM;
    fig_status status = FIG_OK;
    for (size_t i = 0; i < g->nodes.n && !status; i++) {
        fig_node *n = g->nodes.data[i];
        if (!p->needed[i] || n->op->flags & (FIG_OP_VIEW | FIG_OP_LEAF)) continue;
        if (fig__is_ew(n))
            status = join_chains(p, of, n);
        else
            close_readers(of, n, NULL);
    }
    if (!status) status = emit_steps(p, of);
    fig__free(p->ctx, of);
    return status;
}

/* --- 3. storages ------------------------------------------------------------------------------------------------*/

static bool owned_elsewhere(const fig_tensor *t) { return t->param != NULL; } /* leaf or gradient of the store */

static size_t bytes_of(const fig_tensor *t) {
    return fig__round_up(fig_numel(t) * fig_dtype_size(t->dtype), FIG_ALIGN);
}

static fig_status new_storage(fig_plan *p, size_t bytes, uint32_t first, uint32_t last, uint32_t *out) {
    *out = (uint32_t)p->storages.n;
    return FIG_PUSH(p->ctx, &p->storages, (fig__storage){.bytes = bytes, .first = first, .last = last});
}

static void note_readers(fig_plan *p) {
    for (uint32_t s = 0; s < p->steps.n; s++) {
        const fig__step *step = &p->steps.data[s];
        for (size_t i = 0; i < step->n_nodes; i++) {
            p->step_of[step->nodes[i]->id] = s;
            for (int j = 0; j < step->nodes[i]->n_in; j++) {
                const fig_tensor *in = step->nodes[i]->in[j];
                if (!in || fig__shape_only(step->nodes[i], j)) continue;
                fig__place *at = &p->tensors[in->base->id];
                at->last = FIG_MAX(at->last, s);
                bool inside =
                    in->base == in && p->step_of[in->node->id] == s && fig__is_ew(in->node) && step->n_nodes > 1;
                at->read_outside |= !inside;
            }
        }
    }
}

static bool is_stored(const fig_plan *p, const fig_tensor *t) {
    const fig__place *at = &p->tensors[t->id];
    return at->is_root || at->read_outside || t->is_param_grad || !fig__is_ew(t->node);
}

/* 4. May the chain's output t take over the storage of in, which dies in step s? */
static bool read_through_view(const fig__step *step, const fig_tensor *in) {
    for (size_t i = 0; i < step->n_nodes; i++)
        for (int j = 0; j < step->nodes[i]->n_in; j++) {
            const fig_tensor *other = step->nodes[i]->in[j];
            if (other && other != in && other->base == in) return true;
        }
    return false;
}

static bool can_take_over(const fig_plan *p, const fig_tensor *t, const fig_tensor *in, uint32_t s) {
    const fig__place *at = &p->tensors[in->id];
    return in->base == in && !read_through_view(&p->steps.data[s], in) && at->storage != FOREVER && at->last == s &&
           !at->is_root && !at->taken && !(in->node->op->flags & FIG_OP_LEAF) && fig__same_extents(in, t) &&
           fig_dtype_size(in->dtype) == fig_dtype_size(t->dtype);
}

/* The place of an input whose storage t may have, now taken; or NULL. */
static fig__place *take_input(fig_plan *p, const fig_tensor *t, uint32_t s) {
    const fig__step *step = &p->steps.data[s];
    if (p->options.no_reuse || !fig__is_ew(step->nodes[0])) return NULL;
    for (size_t i = 0; i < step->n_nodes; i++)
        for (int j = 0; j < step->nodes[i]->n_in; j++) {
            const fig_tensor *in = step->nodes[i]->in[j];
            if (fig__shape_only(step->nodes[i], j) || !can_take_over(p, t, in, s)) continue;
            p->tensors[in->id].taken = true;
            return &p->tensors[in->id];
        }
    return NULL;
}

static bool take_over(fig_plan *p, const fig_tensor *t, uint32_t s) {
    const fig__place *from = take_input(p, t, s);
    if (!from) return false;
    fig__storage *st = &p->storages.data[from->storage];
    p->tensors[t->id].storage = from->storage;
    st->last = FIG_MAX(st->last, p->tensors[t->id].last);
    return true;
}

/* A sum of gradients is the store's: its first part may be made right there, if nobody else writes that gradient. */
static void lend(fig_plan *p, const fig_tensor *t, uint32_t s) {
    const fig_graph *g = p->graph;
    size_t n_writers = 0;
    for (size_t i = 0; i < g->roots.n; i++) n_writers += g->roots.data[i]->param == t->param;
    const fig__place *from = t->is_param_grad && n_writers == 1 ? take_input(p, t, s) : NULL;
    if (from) p->storages.data[from->storage].lender = t;
}

static fig_status store_output(fig_plan *p, fig_tensor *t, uint32_t s) {
    fig__place *at = &p->tensors[t->id];
    at->last = at->is_root ? FOREVER : FIG_MAX(at->last, s);
    if (owned_elsewhere(t)) lend(p, t, s);
    if (owned_elsewhere(t) || t->base != t || !is_stored(p, t) || take_over(p, t, s)) return FIG_OK;
    return new_storage(p, bytes_of(t), s, at->last, &at->storage);
}

static fig_status make_storages(fig_plan *p) {
    const fig_graph *g = p->graph;
    note_readers(p);
    for (size_t i = 0; i < g->nodes.n; i++) { /* inputs live through all runs */
        fig_tensor *t = g->nodes.data[i]->n_out ? g->nodes.data[i]->out[0] : NULL;
        if (g->nodes.data[i]->op != &fig__op_input) continue;
        FIG_TRY(new_storage(p, bytes_of(t), 0, FOREVER, &p->tensors[t->id].storage));
    }
    for (uint32_t s = 0; s < p->steps.n; s++) {
        fig__step *step = &p->steps.data[s];
        for (size_t i = 0; i < step->n_nodes; i++)
            for (int j = 0; j < step->nodes[i]->n_out; j++) FIG_TRY(store_output(p, step->nodes[i]->out[j], s));
        const fig_node *n = step->nodes[0];
        size_t work = n->op->workspace ? n->op->workspace(p->ctx, n) : 0;
        step->workspace = FOREVER;
        if (work) FIG_TRY(new_storage(p, fig__round_up(work, FIG_ALIGN), s, s, &step->workspace));
        if (n->op->scratch) p->scratch = FIG_MAX(p->scratch, n->op->scratch(p->ctx, n));
    }
    return FIG_OK;
}

/* --- 5. offsets -------------------------------------------------------------------------------------------------*/

static int larger_first(const void *a, const void *b) {
    const fig__storage *x = *(fig__storage *const *)a, *y = *(fig__storage *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* by position: the order never depends on the sort */
}

static bool overlap_in_time(const fig_plan *p, const fig__storage *a, const fig__storage *b) {
    return p->options.no_reuse || (a->first <= b->last && b->first <= a->last);
}

/* placed[] is sorted by offset. */
static void place_one(fig_plan *p, fig__storage **placed, size_t n, fig__storage *s) {
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        if (!overlap_in_time(p, placed[i], s)) continue;
        if (placed[i]->offset >= offset + s->bytes) break;
        offset = FIG_MAX(offset, placed[i]->offset + placed[i]->bytes);
    }
    s->offset = offset;
    p->arena_bytes = FIG_MAX(p->arena_bytes, offset + s->bytes);
    size_t at = n;
    for (; at > 0 && placed[at - 1]->offset > offset; at--) placed[at] = placed[at - 1];
    placed[at] = s;
}

static fig_status place_all(fig_plan *p) {
    size_t n = 0;
    fig__storage **order = FIG_NEW_N(p->ctx, fig__storage *, 2 * p->storages.n + 1), **placed = order + p->storages.n;
    if (!order) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->storages.n; i++) {
        if (p->storages.data[i].lender) continue;
        order[n] = &p->storages.data[i];
        p->no_reuse_bytes += order[n++]->bytes;
    }
    qsort(order, n, sizeof *order, larger_first);
    for (size_t i = 0; i < n; i++) place_one(p, placed, i, order[i]);
    fig__free(p->ctx, order);
    return FIG_OK;
}

/* --- chains become programs -------------------------------------------------------------------------------------*/

/* A chain with more operands than there are slots is cut in two; both halves run at the same place. The cut must come
 * before storages are made, since values that cross it then have to be stored. */
static fig_status split_wide_chains(fig_plan *p) {
    bool *all = FIG_NEW_N(p->ctx, bool, p->graph->tensors.n + 1);
    if (!all) return FIG_ERR_NOMEM;
    memset(all, 1, p->graph->tensors.n);
    fig_status status = FIG_OK;
    for (size_t s = 0; s < p->steps.n && !status; s++) {
        fig__step *step = &p->steps.data[s];
        if (!fig__is_ew(step->nodes[0]) || step->n_nodes < 2) continue;
        if (fig__ew_compile(p->ctx, p->arena, step->nodes, step->n_nodes, all)) continue;
        size_t half = step->n_nodes / 2;
        status = add_step(p, NULL, 0);
        if (status) break;
        memmove(&p->steps.data[s + 1], &p->steps.data[s], (p->steps.n - 1 - s) * sizeof *p->steps.data);
        step = &p->steps.data[s];
        step[1].nodes = step->nodes + half;
        step[1].n_nodes = step->n_nodes - half;
        step->n_nodes = half;
        s--;
    }
    fig__free(p->ctx, all);
    return status;
}

static fig_status compile_chains(fig_plan *p) {
    bool *stored = FIG_NEW_N(p->ctx, bool, p->graph->tensors.n + 1);
    if (!stored) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->graph->tensors.n; i++) stored[i] = is_stored(p, p->graph->tensors.data[i]);
    fig_status status = FIG_OK;
    for (size_t s = 0; s < p->steps.n && !status; s++) {
        fig__step *step = &p->steps.data[s];
        if (!fig__is_ew(step->nodes[0])) continue;
        step->ew = fig__ew_compile(p->ctx, p->arena, step->nodes, step->n_nodes, stored);
        if (!step->ew)
            status = FIG_FAIL(p->ctx, FIG_ERR_INTERNAL, "an element-wise op has too many inputs");
        else
            p->scratch = FIG_MAX(p->scratch, fig__ew_scratch(step->ew));
    }
    fig__free(p->ctx, stored);
    return status;
}

/* --- making, freeing --------------------------------------------------------------------------------------------*/

static fig_status check_roots(fig_graph *g, fig_tensor *const *roots, size_t n) {
    for (size_t i = 0; i < n; i++) {
        FIG_CHECK(g->ctx, roots[i], FIG_ERR_ARG, "plan: root %zu is NULL", i);
        FIG_CHECK(g->ctx, fig_is_contiguous(roots[i]), FIG_ERR_ARG,
                  "plan: root %zu is a strided view; use fig_contiguous", i);
    }
    return FIG_OK;
}

/* Sizes are planned for what was recorded, whatever another plan's inputs were resized to. */
static fig_status restore_extents(fig_graph *g) {
    if (!g->n_resizes) return FIG_OK;
    for (size_t i = 0; i < g->nodes.n; i++) {
        fig_node *n = g->nodes.data[i];
        const fig__leaf_attr *a = n->attr;
        if (n->op == &fig__op_input) fig_set_shape(n->out[0], a->dtype, a->ndim, a->shape);
        if (n->op->infer(n)) return g->status;
    }
    g->n_resizes++;
    return FIG_OK;
}

static fig_status plan_build(fig_plan *p, fig_tensor *const *roots, size_t n) {
    fig_graph *g = p->graph;
    FIG_TRY(restore_extents(g));
    p->n_resizes = g->n_resizes;
    p->n_nodes = g->nodes.n;
    p->n_tensors = g->tensors.n;
    p->arena = fig__arena_new(p->ctx, 0);
    p->needed = FIG_NEW_N(p->ctx, bool, g->nodes.n + 1);
    p->step_of = FIG_NEW_N(p->ctx, uint32_t, g->nodes.n + 1);
    p->tensors = FIG_NEW_N(p->ctx, fig__place, g->tensors.n + 1);
    if (!p->arena || !p->needed || !p->step_of || !p->tensors) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < g->tensors.n; i++) p->tensors[i].storage = FOREVER;
    for (size_t i = 0; i < g->nodes.n; i++) p->step_of[i] = FOREVER;
    mark_needed(p, roots, n);
    FIG_TRY(make_steps(p));
    FIG_TRY(split_wide_chains(p));
    FIG_TRY(make_storages(p));
    FIG_TRY(compile_chains(p));
    return place_all(p);
}

fig_status fig_plan_new(fig_graph *g, fig_tensor *const *roots, size_t n, const fig_plan_options *options,
                        fig_plan **out) {
    *out = NULL;
    FIG_TRY(g->status);
    FIG_TRY(check_roots(g, roots, n));
    fig_plan *p = FIG_NEW(g->ctx, fig_plan);
    if (!p) return FIG_ERR_NOMEM;
    *p = (fig_plan){.ctx = g->ctx, .graph = g};
    if (options) p->options = *options;
    fig_status status = plan_build(p, roots, n);
    if (status) {
        fig_plan_free(p);
        return status;
    }
    *out = p;
    return FIG_OK;
}

void fig_plan_free(fig_plan *p) {
    if (!p) return;
    fig_context *ctx = p->ctx;
    if (p->graph->bound == p) p->graph->bound = NULL;
    fig__arena_free(p->arena);
    fig__free(ctx, p->needed);
    fig__free(ctx, p->step_of);
    fig__free(ctx, p->tensors);
    fig__free(ctx, p->steps.data);
    fig__free(ctx, p->storages.data);
    fig__free(ctx, p->memory);
    fig__free(ctx, p);
}

fig_plan_memory fig_plan_memory_of(const fig_plan *p) {
    return (fig_plan_memory){p->arena_bytes, p->no_reuse_bytes, p->scratch};
}
