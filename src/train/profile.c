/* train/profile.c: steps that leave nothing behind: how long one takes, and where that time goes. */
#include <stdlib.h>
#include "train/train.h"

static fig_status update(fig_trainer *t, int phase) {
    double loss, norm;
    FIG_TRY(fig__phase_gradient(t, phase, &loss, &norm));
    double start = fig__now();
    fig__optimizer_step(t->opt, t->phases[phase].part, 1, 0, 1);
    fig__part_done(t, FIG__OPTIMIZER, start);
    return FIG_OK;
}

static fig_status step(fig_trainer *t) {
    double start = fig__now();
    FIG_TRY(t->task->read(t));
    fig__part_done(t, FIG__DATA, start);
    for (int phase = 0; phase < t->n_phases; phase++) FIG_TRY(update(t, phase));
    return FIG_OK;
}

static void watch(fig_trainer *t, bool on) {
    t->watched = on;
    for (int i = 0; i < t->n_phases; i++) fig_plan_profile(t->phases[i].plan, on);
    for (int i = 0; i < FIG__N_PARTS && on; i++) t->parts[i].seconds = 0, t->parts[i].calls = 0;
}

/* The first step pays for cold memory and is not counted. */
static fig_status run_dry(fig_trainer *t, double seconds, bool watched, int64_t *n, double *took) {
    FIG_TRY(step(t));
    watch(t, watched);
    double start = fig__now();
    for (*n = 0, *took = 0; *n < 2 || *took < seconds; ++*n) {
        FIG_TRY(step(t));
        *took = fig__now() - start;
    }
    return FIG_OK;
}

static fig_status measure(fig_trainer *t, double seconds, bool watched, int64_t *n, double *took) {
    fig__progress keep = t->p;
    FIG_TRY(fig__trainer_ready(t));
    t->dry = true;
    fig_status status = run_dry(t, seconds, watched, n, took);
    t->dry = false;
    watch(t, false);
    t->p = keep;
    return status;
}

fig_status fig__trainer_measure(fig_trainer *t, double seconds, double *per_iter) {
    int64_t n;
    FIG_TRY(measure(t, seconds, false, &n, per_iter));
    *per_iter /= (double)n;
    return FIG_OK;
}

/* --- where the time goes ----------------------------------------------------------------------------------------*/

void fig__part_done(fig_trainer *t, fig__part part, double start) {
    if (!t->watched) return;
    t->parts[part].seconds += fig__now() - start;
    t->parts[part].calls++;
}

/* Bytes and operations of parts are those of all phases together. */
static size_t add_parts(fig_trainer *t, fig_op_time *rows, int64_t n_steps) {
    static const char *const names[FIG__N_PARTS] = {"batch", "accumulate", "grad_norm", "optimizer"};
    size_t n = 0, n_flat;
    fig_params_grads(t->params, &n_flat);
    for (int i = 0; i < FIG__N_PARTS; i++) {
        fig_op_time r = {.op = names[i], .path = "", .seconds = t->parts[i].seconds, .calls = t->parts[i].calls};
        if (!r.calls) continue;
        if (i == FIG__SUM) r.bytes = 3.0 * sizeof(float) * (double)n_flat * (double)r.calls;
        for (int phase = 0; phase < t->n_phases; phase++) {
            fig__cost norm, update;
            fig__optimizer_costs(t->opt, t->phases[phase].part, &norm, &update);
            if (i == FIG__NORM) r.bytes += norm.bytes * (double)n_steps;
            if (i == FIG__OPTIMIZER) r.bytes += update.bytes * (double)n_steps;
            if (i == FIG__OPTIMIZER) r.operations += update.operations * (double)n_steps;
        }
        rows[n++] = r;
    }
    return n;
}

fig_status fig_trainer_profile(fig_trainer *t, double seconds, fig_train_profile *out) {
    size_t max = FIG__N_PARTS;
    *out = (fig_train_profile){0};
    FIG_TRY(measure(t, seconds, true, &out->n_steps, &out->seconds));
    for (int i = 0; i < t->n_phases; i++) max += fig_graph_n_nodes(t->phases[i].g);
    fig__free(t->ctx, t->rows);
    t->rows = FIG_NEW_N(t->ctx, fig_op_time, max);
    if (!t->rows) return FIG_ERR_NOMEM;
    out->rows = t->rows;
    out->n = add_parts(t, t->rows, out->n_steps);
    for (int i = 0; i < t->n_phases; i++) out->n += fig_plan_times(t->phases[i].plan, t->rows + out->n, max - out->n);
    qsort(t->rows, out->n, sizeof *t->rows, fig__longest_first);
    return FIG_OK;
}
