/* core/run.c: replaying a plan. Allocates nothing after the first run. */
#include <math.h>
#include "core/plan.h"

/* --- addresses --------------------------------------------------------------------------------------------------*/

static void *owner_address(const fig_plan *p, const fig_tensor *t) {
    if (t->is_param_grad) return t->dtype == FIG_F64 ? NULL : t->param->grad;
    if (t->param) return fig__param_view_data(t->param);
    uint32_t s = p->tensors[t->id].storage;
    if (s == UINT32_MAX) return NULL;
    const fig__storage *st = &p->storages.data[s];
    return st->lender ? (void *)st->lender->param->grad : p->memory + st->offset;
}

static void bind_addresses(fig_plan *p) {
    fig_graph *g = p->graph;
    for (size_t i = 0; i < p->n_tensors; i++) {
        fig_tensor *t = g->tensors.data[i];
        if (t->base == t) t->data = owner_address(p, t);
    }
    for (size_t i = 0; i < p->n_tensors; i++) {
        fig_tensor *t = g->tensors.data[i];
        if (t->base != t && t->base->data) t->data = (char *)t->base->data + t->offset * fig_dtype_size(t->dtype);
    }
}

/* No-reuse mode: everything that no one may rely on is NaN (all bits set is one in every float type). */
static void poison(fig_plan *p, uint32_t step, bool all) {
    const fig_graph *g = p->graph;
    for (size_t i = 0; i < p->n_tensors; i++) {
        const fig_tensor *t = g->tensors.data[i];
        const fig__place *at = &p->tensors[i];
        if (at->storage == UINT32_MAX || t->node->op->flags & FIG_OP_LEAF) continue;
        if (all || at->last == step) memset(t->data, 0xff, p->storages.data[at->storage].bytes);
    }
}

fig_status fig_plan_alloc(fig_plan *p) {
    if (p->memory) return FIG_OK;
    p->memory = fig__calloc(p->ctx, 1, FIG_MAX(p->arena_bytes, FIG_ALIGN));
    if (!p->memory)
        return fig__fail_prefix(p->ctx, FIG_ERR_NOMEM, "planning %zu MB of intermediates", p->arena_bytes >> 20);
    return fig__scratch_reserve(p->ctx, p->scratch);
}

/* Tensors belong to the graph and hold the addresses of one of its plans at a time. */
static fig_status bind(fig_plan *p) {
    FIG_TRY(fig_plan_alloc(p));
    if (p->graph->bound == p) return FIG_OK;
    p->graph->bound = p;
    bind_addresses(p);
    return FIG_OK;
}

void *fig_plan_data(fig_plan *p, fig_tensor *t) {
    if (!t || t->id >= p->n_tensors || bind(p)) return NULL;
    return t->data;
}

/* --- extents ----------------------------------------------------------------------------------------------------*/

fig_status fig_plan_resize(fig_plan *p, fig_tensor *input, const size_t *shape) {
    FIG_CHECK(p->ctx, input && input->node->op == &fig__op_input, FIG_ERR_ARG, "resize: not an input of this graph");
    const fig__leaf_attr *recorded = input->node->attr;
    bool same = true;
    for (int i = 0; i < input->ndim; i++) {
        FIG_CHECK(p->ctx, shape[i] >= 1 && shape[i] <= recorded->shape[i], FIG_ERR_SHAPE,
                  "%s: axis %d resized to %zu; recorded for at most %zu", recorded->name, i, shape[i],
                  recorded->shape[i]);
        same &= shape[i] == input->shape[i];
    }
    if (same) return FIG_OK;
    fig_set_shape(input, input->dtype, input->ndim, shape);
    p->graph->n_resizes++;
    return FIG_OK;
}

/* A chain runs over one shape, and an output may lie where an input was: what was equal when it was recorded must still
 * be. */
static fig_status check_chain(const fig_plan *p, uint32_t s) {
    const fig__step *step = &p->steps.data[s];
    const fig_tensor *out = step->nodes[0]->out[0];
    for (size_t i = 0; i < step->n_nodes; i++) {
        const fig_node *n = step->nodes[i];
        bool same = fig__same_extents(n->out[0], out);
        for (int j = 0; j < n->n_in; j++) {
            const fig__place *at = &p->tensors[n->in[j]->id];
            same &= !at->taken || at->last != s || fig__same_extents(n->in[j], out);
        }
        FIG_CHECK(p->ctx, same, FIG_ERR_SHAPE, "%s%s%s: extents that were equal when recorded differ in this run",
                  n->path, *n->path ? ": " : "", n->op->name);
    }
    return FIG_OK;
}

static fig_status refresh(fig_plan *p) {
    fig_graph *g = p->graph;
    for (size_t i = 0; i < p->n_nodes; i++)
        if (p->needed[i] && g->nodes.data[i]->op->infer(g->nodes.data[i])) return g->status;
    for (uint32_t s = 0; s < p->steps.n; s++) {
        if (!p->steps.data[s].ew) continue;
        FIG_TRY(check_chain(p, s));
        fig__ew_prepare(p->steps.data[s].ew);
    }
    bind_addresses(p);
    p->n_resizes = g->n_resizes;
    return FIG_OK;
}

/* --- running ----------------------------------------------------------------------------------------------------*/

static double bytes_of(const fig__step *step) {
    const fig_node *n = step->nodes[0];
    double sum = 0;
    if (step->ew) return (double)fig__ew_bytes(step->ew);
    for (int i = 0; i < n->n_out; i++) sum += (double)fig__tensor_bytes(n->out[i]);
    double given = sum;
    for (int i = 0; i < n->n_in; i++) {
        if (!n->in[i] || fig__shape_only(n, i)) continue;
        double bytes = (double)fig__tensor_bytes(n->in[i]);
        sum += !i && n->op->flags & FIG_OP_PICK ? FIG_MIN(bytes, given) : bytes;
    }
    return sum;
}

static void run_step(fig_plan *p, fig__step *step, fig_exec *x) {
    double start = p->profiling ? fig__now() : 0;
    if (step->ew) {
        fig__ew_run(step->ew, x);
    } else {
        x->workspace = step->workspace == UINT32_MAX ? NULL : p->memory + p->storages.data[step->workspace].offset;
        step->nodes[0]->op->forward(x, step->nodes[0]);
    }
    if (!p->profiling) return;
    step->seconds += fig__now() - start;
    step->bytes += bytes_of(step);
    step->operations += step->nodes[0]->op->operations ? step->nodes[0]->op->operations(step->nodes[0]) : 0;
    step->calls++;
}

static bool is_finite(const fig_tensor *t) {
    size_t n = fig_numel(t), bad = 0;
    const float *f = t->data;
    const double *d = t->data;
    const uint16_t *h = t->data;
    if (!t->data || !fig_is_contiguous(t)) return true;
    for (size_t i = 0; i < n; i++)
        bad += t->dtype == FIG_F32    ? !isfinite(f[i])
               : t->dtype == FIG_F64  ? !isfinite(d[i])
               : t->dtype == FIG_BF16 ? (h[i] & 0x7f80) == 0x7f80
                                      : 0;
    return !bad;
}

/* The main output of each node; others hold statistics, where an infinity may mean "nothing seen". */
static fig_status check_finite(const fig_plan *p, const fig__step *step) {
    for (size_t i = 0; i < step->n_nodes; i++) {
        const fig_node *n = step->nodes[i];
        FIG_CHECK(p->ctx, !n->n_out || is_finite(n->out[0]), FIG_ERR_NONFINITE,
                  "%s%s%s gives numbers that are not finite", n->path, *n->path ? ": " : "", n->op->name);
    }
    return FIG_OK;
}

fig_status fig_plan_run(fig_plan *p, const fig_run_args *args) {
    static const fig_run_args none;
    if (!args) args = &none;
    FIG_TRY(bind(p));
    if (p->n_resizes != p->graph->n_resizes) FIG_TRY(refresh(p));
    fig_exec x = {.ctx = p->ctx,
                  .kernels = p->graph->dtype == FIG_F64 ? figk_oracle() : figk(p->ctx),
                  .seed = args->seed,
                  .step = args->step,
                  .sample0 = args->sample0,
                  .kv = args->kv};
    if (p->options.no_reuse) poison(p, 0, true);
    for (uint32_t s = 0; s < p->steps.n; s++) {
        if (args->dry && p->steps.data[s].nodes[0]->op->flags & FIG_OP_EFFECT) continue;
        run_step(p, &p->steps.data[s], &x);
        if (p->checking) FIG_TRY(check_finite(p, &p->steps.data[s]));
        if (p->options.no_reuse) poison(p, s, false);
    }
    return FIG_OK;
}

void fig_plan_profile(fig_plan *p, bool on) {
    p->profiling = on;
    for (size_t s = 0; s < p->steps.n && on; s++) {
        fig__step *step = &p->steps.data[s];
        step->seconds = step->operations = step->bytes = 0;
        step->calls = 0;
    }
}

void fig_plan_check(fig_plan *p, bool on) { p->checking = on; }

static fig_op_time time_of(const fig__step *step) {
    const fig_node *last = step->nodes[step->n_nodes - 1];
    fig_op_time t = {.op = step->n_nodes > 1 ? "chain" : last->op->name,
                     .path = last->path,
                     .seconds = step->seconds,
                     .operations = step->operations,
                     .bytes = step->bytes,
                     .calls = step->calls};
    if (!last->n_out) return t;
    t.ndim = last->out[0]->ndim;
    memcpy(t.shape, last->out[0]->shape, sizeof t.shape);
    return t;
}

int fig__longest_first(const void *a, const void *b) {
    double x = ((const fig_op_time *)a)->seconds, y = ((const fig_op_time *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

size_t fig_plan_times(const fig_plan *p, fig_op_time *out, size_t max) {
    size_t n = 0;
    for (size_t s = 0; s < p->steps.n && max; s++) {
        fig_op_time t = time_of(&p->steps.data[s]);
        if (n == max && t.seconds <= out[n - 1].seconds) continue;
        if (n < max) n++;
        size_t at = n - 1;
        for (; at > 0 && out[at - 1].seconds < t.seconds; at--) out[at] = out[at - 1];
        out[at] = t;
    }
    return n;
}
