/* ops/noise.c: normal numbers, keyed like dropout: seed, step, module path, global sample number, element. */
#include "ops/ops.h"

typedef struct noise_attr {
    uint64_t stream;
} noise_attr;

/* in: a tensor that lends its extents */
static fig_status infer_noise(fig_node *n) {
    fig_set_shape(n->out[0], n->graph->dtype, n->in[0]->ndim, n->in[0]->shape);
    return FIG_OK;
}

typedef struct noise_job {
    const fig_exec *x;
    const fig_tensor *y;
    fig_rng_key key;
    size_t per_sample, tiles;
} noise_job;
#define TILE ((size_t)16 * FIGK_BLOCK)

static void noise_tile(void *arg, size_t tile, int thread) {
    const noise_job *j = arg;
    size_t sample = tile / j->tiles, at = tile % j->tiles * TILE, end = FIG_MIN(at + TILE, j->per_sample);
    void *block = fig__scratch(j->x->ctx, thread, FIGK_BLOCK * sizeof(double));
    for (; at < end; at += FIGK_BLOCK) {
        size_t n = FIG_MIN(FIGK_BLOCK, end - at);
        j->x->kernels->normals(n, block, &j->key, j->x->sample0 + sample, at);
        j->x->kernels->store(n, fig__at(j->y, sample * j->per_sample + at), j->y->dtype, 1, block);
    }
}

static void forward_noise(const fig_exec *x, const fig_node *n) {
    const fig_tensor *y = n->out[0];
    noise_job j = {.x = x, .y = y, .key = {x->seed, ((const noise_attr *)n->attr)->stream, x->step}};
    j.per_sample = fig_numel(y) / y->shape[0];
    j.tiles = fig__ceil_div(j.per_sample, TILE);
    fig__parallel(x->ctx, y->shape[0] * j.tiles, noise_tile, &j);
}
static size_t scratch_noise(fig_context *ctx, const fig_node *n) {
    (void)ctx, (void)n;
    return FIGK_BLOCK * sizeof(double);
}
const fig_op fig__op_noise = {.name = "noise",
                              .infer = infer_noise,
                              .forward = forward_noise,
                              FIG_NO_GRAD("it depends on no numbers; scale and shift it (reparameterise)"),
                              .scratch = scratch_noise,
                              .shape_only = 1};

fig_tensor *fig_noise(fig_graph *g, fig_tensor *like) {
    noise_attr a = {fig__rng_stream(fig_path(g))};
    return fig__node1(g, &fig__op_noise, &a, sizeof a, like);
}
