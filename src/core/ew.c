/* core/ew.c: element-wise chains.
 *
 * A chain is a run of element-wise nodes with one output shape. It becomes a small program (load, micro-op, store) that
 * is run block by block: a block of every operand is converted to real in an L1-resident slot, the micro-ops of
 * kernels/ew.def work from slot to slot, and only what somebody outside the chain reads is stored. One pass over
 * memory, whatever the length of the chain, and no rounding to bf16 in between.
 *
 * Stores of a block come after all its loads, so an output may share memory with an input that is indexed the same way.
 */
#include "core/core.h"
#include "base/rng.h"

#define BLOCK 512                 /* elements; a few dozen slots of it fit into L1 and L2 */
#define TILE ((size_t)16 * BLOCK) /* elements that one thread takes at a time */

typedef struct operand {
    const fig_tensor *t;
    size_t stride[FIG_MAX_DIMS]; /* against the collapsed iteration shape */
    bool flat;                   /* linear index times flat_stride is its address */
    size_t flat_stride;
} operand;

typedef enum { LOAD, MICRO, DROPOUT, STORE } action;
typedef struct instruction {
    action action;
    int op, dst, src[3]; /* op: micro-op, or operand or output number */
    const fig__ew_attr *attr;
} instruction;

struct fig__ew {
    const fig_tensor *shape; /* any output: the iteration shape */
    operand *operands;
    fig_tensor **outputs;
    instruction *program;
    size_t n_operands, n_outputs, n_program;
    int n_slots, ndim;
    size_t size[FIG_MAX_DIMS], numel, per_sample, real_size;
};

bool fig__is_ew(const fig_node *n) { return n->op->flags & FIG_OP_EW; }

/* --- compiling --------------------------------------------------------------------------------------------------*/

typedef struct value {
    const fig_tensor *t;
    int slot;
    size_t last_use;
    bool loaded;
    int operand;
} value;
typedef struct compiler {
    fig__ew *e;
    value *values;
    size_t n_values;
    bool busy[FIG__EW_MAX_SLOTS];
} compiler;

static value *find(compiler *c, const fig_tensor *t) {
    for (size_t i = 0; i < c->n_values; i++)
        if (c->values[i].t == t) return &c->values[i];
    return NULL;
}

static int take_slot(compiler *c) {
    for (int i = 0; i < FIG__EW_MAX_SLOTS; i++)
        if (!c->busy[i]) {
            c->busy[i] = true;
            if (i + 1 > c->e->n_slots) c->e->n_slots = i + 1;
            return i;
        }
    return -1;
}

static void collect_values(compiler *c, fig_node *const *nodes, size_t n, const bool *stored) {
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < nodes[i]->n_in; j++) {
            const fig_tensor *in = nodes[i]->in[j];
            value *v = find(c, in);
            if (!v && nodes[i]->op->ew != FIG__EW_FILL) {
                v = &c->values[c->n_values++];
                *v = (value){.t = in, .slot = -1, .operand = (int)c->e->n_operands};
                c->e->operands[c->e->n_operands++].t = in;
            }
            if (v && v->last_use != SIZE_MAX) v->last_use = i; /* SIZE_MAX: stored at the end */
        }
        const fig_tensor *out = nodes[i]->out[0];
        c->values[c->n_values++] =
            (value){.t = out, .slot = -1, .operand = -1, .last_use = stored[out->id] ? SIZE_MAX : i};
        if (stored[out->id]) c->e->outputs[c->e->n_outputs++] = nodes[i]->out[0];
    }
}

static void emit(fig__ew *e, instruction i) { e->program[e->n_program++] = i; }

static void release(compiler *c, const fig_tensor *t, size_t now) {
    value *v = find(c, t);
    if (v && v->last_use == now && v->slot >= 0) c->busy[v->slot] = false;
}

static bool compile_node(compiler *c, const fig_node *n, size_t now) {
    instruction ins = {.action = n->op->ew == FIG__EW_DROPOUT ? DROPOUT : MICRO, .op = n->op->ew, .attr = n->attr};
    for (int j = 0; j < n->n_in && n->op->ew != FIG__EW_FILL; j++) {
        value *v = find(c, n->in[j]);
        if (v->slot < 0) {
            v->slot = take_slot(c);
            if (v->slot < 0) return false;
            emit(c->e, (instruction){.action = LOAD, .op = v->operand, .dst = v->slot});
        }
        ins.src[j] = v->slot;
    }
    value *out = find(c, n->out[0]);
    out->slot = ins.dst = take_slot(c); /* before the inputs are released: dropout writes its mask before it reads x */
    if (out->slot < 0) return false;
    if (ins.op == FIG__EW_CAST) ins.op = FIGK_EW_copy;
    emit(c->e, ins);
    for (int j = 0; j < n->n_in; j++) release(c, n->in[j], now);
    release(c, n->out[0], now);
    return true;
}

fig__ew *fig__ew_compile(fig_context *ctx, fig__arena *arena, fig_node *const *nodes, size_t n, const bool *stored) {
    size_t most = 4 * n + 4;
    fig__ew *e = fig__arena_alloc(arena, sizeof *e);
    compiler c = {.e = e, .values = FIG_NEW_N(ctx, value, most)};
    if (!e || !c.values) goto fail;
    e->operands = fig__arena_alloc(arena, sizeof *e->operands * (3 * n + 1));
    e->outputs = fig__arena_alloc(arena, sizeof *e->outputs * (n + 1));
    e->program = fig__arena_alloc(arena, sizeof *e->program * (5 * n + 4));
    if (!e->operands || !e->outputs || !e->program) goto fail;
    e->shape = nodes[0]->out[0];
    e->real_size = nodes[0]->graph->dtype == FIG_F64 ? 8 : 4;
    collect_values(&c, nodes, n, stored);
    for (size_t i = 0; i < n; i++)
        if (!compile_node(&c, nodes[i], i)) goto fail;
    for (size_t i = 0; i < e->n_outputs; i++)
        emit(e, (instruction){.action = STORE, .op = (int)i, .src = {find(&c, e->outputs[i])->slot}});
    fig__free(ctx, c.values);
    fig__ew_prepare(e);
    return e;
fail:
    fig__free(ctx, c.values);
    return NULL;
}

size_t fig__ew_scratch(const fig__ew *e) { return (size_t)e->n_slots * BLOCK * e->real_size; }

size_t fig__ew_bytes(const fig__ew *e) {
    size_t sum = 0;
    for (size_t i = 0; i < e->n_operands; i++) sum += fig__tensor_bytes(e->operands[i].t);
    for (size_t i = 0; i < e->n_outputs; i++) sum += fig__tensor_bytes(e->outputs[i]);
    return sum;
}

/* --- extents ----------------------------------------------------------------------------------------------------*/

static void broadcast_strides(operand *o, const fig_tensor *shape) {
    int lead = shape->ndim - o->t->ndim;
    for (int i = 0; i < shape->ndim; i++)
        o->stride[i] = i < lead || o->t->shape[i - lead] == 1 ? 0 : o->t->stride[i - lead];
}

static void drop_axis(fig__ew *e, int axis) {
    for (int i = axis; i + 1 < e->ndim; i++) {
        e->size[i] = e->size[i + 1];
        for (size_t k = 0; k < e->n_operands; k++) e->operands[k].stride[i] = e->operands[k].stride[i + 1];
    }
    e->ndim--;
}

static bool mergeable(const fig__ew *e, int i) {
    for (size_t k = 0; k < e->n_operands; k++)
        if (e->operands[k].stride[i] != e->operands[k].stride[i + 1] * e->size[i + 1]) return false;
    return true;
}

static void find_flat(const fig__ew *e, operand *o) {
    o->flat = true;
    o->flat_stride = e->ndim ? o->stride[e->ndim - 1] : 0;
    for (int i = e->ndim - 2; i >= 0; i--) o->flat &= o->stride[i] == o->stride[i + 1] * e->size[i + 1];
}

void fig__ew_prepare(fig__ew *e) {
    const fig_tensor *s = e->shape;
    e->ndim = s->ndim;
    e->numel = 1;
    for (int i = 0; i < s->ndim; i++) e->numel *= e->size[i] = s->shape[i];
    e->per_sample = s->shape[0] ? e->numel / s->shape[0] : 0;
    for (size_t k = 0; k < e->n_operands; k++) broadcast_strides(&e->operands[k], s);
    for (int i = e->ndim - 1; i >= 0; i--)
        if (e->size[i] == 1) drop_axis(e, i);
    for (int i = e->ndim - 2; i >= 0; i--)
        if (mergeable(e, i)) {
            for (size_t k = 0; k < e->n_operands; k++) e->operands[k].stride[i] = e->operands[k].stride[i + 1];
            e->size[i] *= e->size[i + 1];
            e->size[i + 1] = 1;
            drop_axis(e, i + 1);
        }
    for (size_t k = 0; k < e->n_operands; k++) find_flat(e, &e->operands[k]);
}

/* --- running ----------------------------------------------------------------------------------------------------*/

typedef struct job {
    const fig__ew *e;
    const fig_exec *x;
} job;

/* Elements i0 .. i0+n-1 of an operand whose address is not linear: row by row along the last collapsed axis. */
static void load_rows(const fig__ew *e, const operand *o, const figk_table *k, size_t i0, size_t n, char *dst) {
    size_t at[FIG_MAX_DIMS], rest = i0, offset = 0, esize = fig_dtype_size(o->t->dtype);
    for (int d = e->ndim - 1; d >= 0; d--) {
        at[d] = rest % e->size[d];
        rest /= e->size[d];
        offset += at[d] * o->stride[d];
    }
    int last = e->ndim - 1;
    while (n) {
        size_t m = FIG_MIN(n, e->size[last] - at[last]);
        k->load(m, dst, (const char *)o->t->data + offset * esize, o->t->dtype, o->stride[last]);
        dst += m * e->real_size;
        n -= m;
        offset += m * o->stride[last];
        at[last] += m;
        for (int d = last; d > 0 && at[d] == e->size[d]; d--) {
            offset -= e->size[d] * o->stride[d];
            at[d] = 0;
            at[d - 1]++;
            offset += o->stride[d - 1];
        }
    }
}

static void dropout_block(const fig__ew *e, const fig_exec *x, const instruction *ins, size_t i0, size_t n,
                          void *const *slot) {
    const figk_table *k = x->kernels;
    fig_rng_key key = {x->seed, ins->attr->stream, x->step};
    char *dst = slot[ins->dst];
    for (size_t done = 0; done < n;) {
        size_t sample = (i0 + done) / e->per_sample, element = (i0 + done) % e->per_sample;
        size_t m = FIG_MIN(n - done, e->per_sample - element);
        k->dropout_mask(m, dst + done * e->real_size, &key, x->sample0 + sample, element, ins->attr->p[0]);
        done += m;
    }
    k->ew[FIGK_EW_mul](n, dst, dst, slot[ins->src[0]], NULL, NULL);
}

static void fill(const fig__ew *e, const figk_table *k, size_t n, void *y, double wide) {
    float narrow = (float)wide;
    if (e->real_size == 8)
        k->load(n, y, &wide, FIG_F64, 0);
    else
        k->load(n, y, &narrow, FIG_F32, 0);
}

static void run_block(const fig__ew *e, const fig_exec *x, size_t i0, size_t n, char *scratch) {
    const figk_table *k = x->kernels;
    static const double no_p[2];
    void *slot[FIG__EW_MAX_SLOTS] = {0};
    for (const instruction *ins = e->program; ins < e->program + e->n_program; ins++) {
        switch (ins->action) {
        case LOAD: {
            const operand *o = &e->operands[ins->op];
            char *from = (char *)o->t->data + i0 * o->flat_stride * fig_dtype_size(o->t->dtype);
            bool direct = o->flat && o->flat_stride == 1 && fig_dtype_size(o->t->dtype) == e->real_size &&
                          (o->t->dtype == FIG_F32 || o->t->dtype == FIG_F64);
            slot[ins->dst] = direct ? from : scratch + (size_t)ins->dst * BLOCK * e->real_size;
            if (direct) break;
            if (o->flat)
                k->load(n, slot[ins->dst], from, o->t->dtype, o->flat_stride);
            else
                load_rows(e, o, k, i0, n, slot[ins->dst]);
            break;
        }
        case MICRO:
            slot[ins->dst] = scratch + (size_t)ins->dst * BLOCK * e->real_size;
            if (ins->op == FIG__EW_FILL)
                fill(e, k, n, slot[ins->dst], ins->attr->p[0]);
            else
                k->ew[ins->op](n, slot[ins->dst], slot[ins->src[0]], slot[ins->src[1]], slot[ins->src[2]],
                               ins->attr ? ins->attr->p : no_p);
            break;
        case DROPOUT:
            slot[ins->dst] = scratch + (size_t)ins->dst * BLOCK * e->real_size;
            dropout_block(e, x, ins, i0, n, slot);
            break;
        case STORE: {
            fig_tensor *t = e->outputs[ins->op];
            k->store(n, (char *)t->data + i0 * fig_dtype_size(t->dtype), t->dtype, 1, slot[ins->src[0]]);
            break;
        }
        }
    }
}

static void run_tile(void *arg, size_t tile, int thread) {
    const job *j = arg;
    char *scratch = fig__scratch(j->x->ctx, thread, fig__ew_scratch(j->e));
    size_t end = FIG_MIN(j->e->numel, (tile + 1) * TILE);
    for (size_t i = tile * TILE; i < end; i += BLOCK) run_block(j->e, j->x, i, FIG_MIN(BLOCK, end - i), scratch);
}

void fig__ew_run(const fig__ew *e, const fig_exec *x) {
    job j = {e, x};
    fig__parallel(x->ctx, fig__ceil_div(e->numel, TILE), run_tile, &j);
}
