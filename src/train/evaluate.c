/* train/evaluate.c: loss on the held-out split: windows one behind the other over the whole of it, or as many as asked
 * for spread evenly. Sums in double and in order, so that the figure depends on the weights alone. */
#include <math.h>
#include "train/train.h"

typedef struct sums {
    double nats;
    uint64_t tokens;
} sums;

static fig_status add_batch(fig_trainer *t, const fig_batch_spec *spec, uint64_t first, size_t rows, sums *s) {
    fig__network *n = &t->eval;
    size_t shape[2] = {rows, (size_t)t->o.block_size}, count = rows * shape[1];
    FIG_TRY(fig_plan_resize(n->plan, n->in.tokens, shape));
    FIG_TRY(fig_plan_resize(n->plan, n->targets, shape));
    int32_t *targets = fig_plan_data(n->plan, n->targets), *positions = fig_plan_data(n->plan, n->in.positions);
    for (size_t i = 0; i < shape[1]; i++) positions[i] = (int32_t)i;
    FIG_TRY(fig_dataset_batch(t->data, spec, first, (int)rows, fig_plan_data(n->plan, n->in.tokens), targets));
    FIG_TRY(fig_plan_run(n->plan, NULL));
    const float *loss = fig_plan_data(n->plan, n->loss);
    for (size_t i = 0; i < count; i++) {
        if (targets[i] < 0) continue;
        s->nats += (double)loss[i];
        s->tokens++;
    }
    return FIG_OK;
}

fig_status fig__evaluate(fig_trainer *t, double *loss, double *bpb) {
    const fig_split_info *split = &fig_dataset_get_info(t->data)->split[FIG_SPLIT_VAL];
    fig_batch_spec spec = {FIG_SPLIT_VAL, FIG_SAMPLER_SEQUENTIAL, (int)t->o.block_size, 0};
    uint64_t n = fig_dataset_n_windows(t->data, &spec), batch = (uint64_t)t->o.batch_size;
    uint64_t n_batches = (n + batch - 1) / batch,
             take = t->o.eval_iters ? FIG_MIN(n_batches, (uint64_t)t->o.eval_iters) : n_batches;
    sums s = {0};
    *loss = *bpb = NAN;
    if (!n) return FIG_OK;
    fig__optimizer_swap_ema(t->opt);
    fig_status status = FIG_OK;
    for (uint64_t i = 0; i < take && !status; i++) {
        uint64_t first = i * n_batches / take * batch;
        status = add_batch(t, &spec, first, (size_t)FIG_MIN(batch, n - first), &s);
    }
    fig__optimizer_swap_ema(t->opt);
    *loss = s.nats / (double)FIG_MAX(s.tokens, 1);
    /* bits per byte: the loss per token times tokens per byte of this split */
    double tokens_per_byte = split->target_bytes ? (double)(split->n_tokens - 1) / (double)split->target_bytes : NAN;
    *bpb = *loss / log(2) * tokens_per_byte;
    return status;
}
