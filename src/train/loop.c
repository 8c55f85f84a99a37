/* train/loop.c: the loop: steps, evaluations, samples, checkpoints, the log. */
#include <math.h>
#include <unistd.h>
#include "base/io.h"
#include "train/train.h"

#define MAX_SKIPPED 10 /* non-finite gradients in a row */

/* --- one step ---------------------------------------------------------------------------------------------------*/

typedef struct add_job {
    float *y;
    const float *x;
    size_t n;
    const figk_table *k;
} add_job;
#define ADD_TILE 65536
static void add_tile(void *arg, size_t i, int thread) {
    (void)thread;
    const add_job *j = arg;
    j->k->accumulate(FIG_MIN(ADD_TILE, j->n - i * ADD_TILE), j->y + i * ADD_TILE, j->x + i * ADD_TILE, FIG_F32);
}
static void add_block(fig_trainer *t, float *y, const float *x, size_t n) {
    add_job j = {y, x, n, figk(t->ctx)};
    fig__parallel(t->ctx, fig__ceil_div(n, ADD_TILE), add_tile, &j);
}

/* The gradient of a batch is a binary tree over its micro-batches, whatever runs them: like counting, a finished
 * subtree waits at its level for its sibling. grads holds one micro-batch on entry and, after the last one, the whole
 * sum. */
static void tree_add(fig_trainer *t, bool last) {
    size_t n;
    float *grads = fig_params_grads(t->params, &n);
    int level = 0;
    for (; level < t->n_levels && (last || t->level_used[level]); level++) {
        if (!t->level_used[level]) continue;
        add_block(t, grads, t->levels[level], n);
        t->level_used[level] = false;
    }
    if (last || !t->n_levels) return;
    memcpy(t->levels[level], grads, n * sizeof *grads);
    t->level_used[level] = true;
}

static fig_status micro_batch(fig_trainer *t, int phase, int64_t i, double *loss) {
    fig__phase *p = &t->phases[phase];
    double start = fig__now();
    t->task->feed(t, phase, i);
    fig__part_done(t, FIG__DATA, start);
    fig_run_args args = {.seed = (uint64_t)t->o.seed,
                         .step = (uint64_t)t->p.iter,
                         .sample0 = (uint64_t)(t->p.iter * t->o.grad_accum + i) * (uint64_t)t->o.batch_size,
                         .dry = t->dry};
    FIG_TRY(fig_plan_run(p->plan, &args));
    *loss += (double)*(const float *)fig_plan_data(p->plan, p->loss);
    return FIG_OK;
}

fig_status fig__phase_gradient(fig_trainer *t, int phase, double *loss, double *norm) {
    *loss = 0;
    for (int64_t i = 0; i < t->o.grad_accum; i++) {
        FIG_TRY(micro_batch(t, phase, i, loss));
        double start = fig__now();
        tree_add(t, i + 1 == t->o.grad_accum);
        if (t->n_levels) fig__part_done(t, FIG__SUM, start);
    }
    double start = fig__now();
    *norm = sqrt(fig__grad_sumsq(t->opt, t->phases[phase].part));
    fig__part_done(t, FIG__NORM, start);
    return FIG_OK;
}

static double share_at(const fig_trainer *t) {
    return fig__schedule(&t->o, t->p.iter, t->o.learning_rate > 0 ? FIG_MIN(1, t->o.min_lr / t->o.learning_rate) : 0);
}

/* The gradient once more, to name the first op that went wrong. */
static fig_status give_up(fig_trainer *t, int phase) {
    char where[512] = "a sum of gradients";
    double loss, norm;
    fig_plan_check(t->phases[phase].plan, true);
    t->dry = true;
    if (fig__phase_gradient(t, phase, &loss, &norm)) snprintf(where, sizeof where, "%s", fig_error(t->ctx));
    t->dry = false;
    fig_plan_check(t->phases[phase].plan, false);
    return FIG_FAIL(t->ctx, FIG_ERR_NONFINITE,
                    "the gradient was not finite %d times in a row at step %lld (%s); lower --learning_rate or try "
                    "--dtype float32",
                    MAX_SKIPPED, (long long)t->p.iter, where);
}

/* Of one phase. A gradient that is not finite changes nothing but the count. */
static fig_status update(fig_trainer *t, int phase, double norm, int *skipped_in_a_row) {
    if (!isfinite(norm)) {
        t->p.n_skipped[phase]++;
        return ++*skipped_in_a_row < MAX_SKIPPED ? FIG_OK : give_up(t, phase);
    }
    *skipped_in_a_row = 0;
    double clip = t->o.grad_clip > 0 && norm > t->o.grad_clip ? t->o.grad_clip / norm : 1;
    fig__optimizer_step(t->opt, t->phases[phase].part, t->p.iter + 1 - (int64_t)t->p.n_skipped[phase], share_at(t),
                        clip);
    return FIG_OK;
}

typedef struct stride { /* from one logged step to the next */
    double norm[FIG__MAX_PHASES];
    int skipped[FIG__MAX_PHASES]; /* in a row */
    double since;
    int64_t logged_at;
} stride;

static fig_status step(fig_trainer *t, stride *s) {
    FIG_TRY(t->task->read(t));
    for (int phase = 0; phase < t->n_phases; phase++) {
        FIG_TRY(fig__phase_gradient(t, phase, &t->p.loss[phase], &s->norm[phase]));
        FIG_TRY(update(t, phase, s->norm[phase], &s->skipped[phase]));
    }
    return FIG_OK;
}

/* --- events and the log -----------------------------------------------------------------------------------------*/

static void emit(fig_trainer *t, fig_train_event e) {
    e.iter = t->p.iter;
    e.max_iters = t->o.max_iters;
    e.best_val_loss = t->p.best_val_loss;
    e.num_tokens = t->p.n_tokens;
    e.scores = t->p.scores;
    e.unit = t->task->unit;
    e.rss_bytes = fig__rss_bytes();
    e.elapsed = t->p.seconds;
    e.seconds_left = t->p.iter > 0 ? t->p.seconds / (double)t->p.iter * (double)(t->o.max_iters - t->p.iter) : 0;
    if (t->on_event) t->on_event(t->user, &e);
}

static void log_number(fig_trainer *t, const char *key, double v) {
    if (isfinite(v))
        fprintf(t->log, ", \"%s\": %.9g", key, v);
    else
        fprintf(t->log, ", \"%s\": null", key);
}
static fig_status log_end(fig_trainer *t) {
    fprintf(t->log, ", \"num_tokens\": %llu, \"peak_rss_mb\": %llu}\n", (unsigned long long)t->p.n_tokens,
            (unsigned long long)(fig__rss_peak_bytes() >> 20));
    if (fflush(t->log) || ferror(t->log)) return fig__io_fail(t->ctx, t->o.out_dir, "log.jsonl cannot be written");
    t->p.log_bytes = (uint64_t)ftell(t->log);
    return FIG_OK;
}

/* What the phases say of a step, as "loss" and "loss_NAME". */
static void add_numbers(const fig_trainer *t, const char *what, const double *of_phase, fig_scores *to) {
    char key[sizeof to->data->name];
    for (int i = 0; i < t->n_phases; i++) {
        snprintf(key, sizeof key, i ? "%s_%s" : "%s", what, t->phases[i].name);
        fig__add_score(to, key, of_phase[i]);
    }
}

void fig__note(fig_trainer *t, const char *text) { emit(t, (fig_train_event){.kind = FIG_TRAIN_NOTE, .text = text}); }

static fig_status log_step(fig_trainer *t, const stride *s, double now) {
    double seconds = now - s->since, steps = (double)(t->p.iter - s->logged_at);
    double steps_per_sec = steps / fmax(seconds, 1e-9), rate = steps_per_sec * t->task->tokens(t);
    double mfu = t->peak_flops > 0 ? steps_per_sec * t->task->flops(t) / t->peak_flops : NAN,
           lr = t->o.learning_rate * share_at(t);
    fprintf(t->log, "{\"iter\": %lld", (long long)t->p.iter);
    fig_scores numbers = {0};
    add_numbers(t, "loss", t->p.loss, &numbers);
    add_numbers(t, "grad_norm", s->norm, &numbers);
    for (size_t i = 0; i < numbers.n; i++) log_number(t, numbers.data[i].name, numbers.data[i].value);
    log_number(t, "learning_rate", lr);
    log_number(t, "tok_per_sec", rate);
    log_number(t, "mfu", mfu);
    FIG_TRY(log_end(t));
    emit(t, (fig_train_event){.kind = FIG_TRAIN_STEP,
                              .loss = t->p.loss[0],
                              .grad_norm = s->norm[0],
                              .numbers = numbers,
                              .learning_rate = lr,
                              .tok_per_sec = rate,
                              .mfu = mfu});
    return FIG_OK;
}

/* On resume the log is cut back to what it was at the checkpoint; after a loss of power it may be shorter than that. */
static fig_status open_log(fig_trainer *t) {
    char path[3200];
    snprintf(path, sizeof path, "%s/log.jsonl", t->o.out_dir);
    FIG_TRY(fig__mkdirs(t->ctx, t->o.out_dir));
    t->log = fopen(path, t->p.iter ? "r+" : "w");
    FIG_CHECK(t->ctx, t->log, FIG_ERR_IO, "%s: cannot be written", path);
    long there = fseek(t->log, 0, SEEK_END) ? -1 : ftell(t->log), length = FIG_MIN(there, (long)t->p.log_bytes);
    FIG_CHECK(t->ctx, there >= 0 && !ftruncate(fileno(t->log), length) && !fseek(t->log, length, SEEK_SET), FIG_ERR_IO,
              "%s: cannot be cut back", path);
    return FIG_OK;
}

/* --- samples ----------------------------------------------------------------------------------------------------*/

/* With the moving average of the weights in their place. */
static fig_status with_ema(fig_trainer *t, fig_status (*run)(fig_trainer *t, void *arg), void *arg) {
    fig__optimizer_swap_ema(t->opt);
    fig_status status = run(t, arg);
    fig__optimizer_swap_ema(t->opt);
    return status;
}

static fig_status make_sample(fig_trainer *t, void *file) { return t->task->sample(t, file); }

static fig_status save_sample(fig_trainer *t, const fig__buf *file) {
    char path[3200];
    bool text = !strcmp(t->task->sample_ending, ".txt");
    snprintf(path, sizeof path, "%s/samples", t->o.out_dir);
    FIG_TRY(fig__mkdirs(t->ctx, path));
    snprintf(path, sizeof path, "%s/samples/step-%09lld%s", t->o.out_dir, (long long)t->p.iter, t->task->sample_ending);
    FIG_TRY(fig__file_write(t->ctx, path, file->data, file->len));
    emit(t, (fig_train_event){.kind = FIG_TRAIN_SAMPLE, .text = text ? fig__buf_str(file) : NULL, .path = path});
    return FIG_OK;
}

static fig_status sample(fig_trainer *t) {
    fig__buf file;
    if (!t->task->sample) return FIG_OK;
    fig__buf_init(&file, t->ctx, 64u << 20);
    fig_status status = with_ema(t, make_sample, &file);
    if (!status && file.len) status = save_sample(t, &file);
    fig__buf_deinit(&file);
    return status;
}

/* --- evaluations and checkpoints --------------------------------------------------------------------------------*/

static fig_status save_model(fig_trainer *t, void *unused) {
    (void)unused;
    return fig_model_save(t->model, t->o.out_dir, t->o.save_dtype ? FIG_BF16 : FIG_F32);
}

static fig_status score(fig_trainer *t, void *unused) {
    (void)unused;
    t->p.scores = (fig_scores){0};
    return t->task->evaluate(t, &t->p.scores);
}

/* Where that was asked for, and where there is no best: a loss of NaN, as of a GAN, or with nothing held out. */
static bool newest_counts(const fig_trainer *t) { return t->o.save || isnan(t->p.best_val_loss); }

static fig_status evaluate(fig_trainer *t) {
    FIG_TRY(with_ema(t, score, NULL));
    const fig_scores *s = &t->p.scores;
    bool best = t->p.best_iter < 0 || s->data[0].value < t->p.best_val_loss || isnan(t->p.best_val_loss);
    fprintf(t->log, "{\"iter\": %lld", (long long)t->p.iter);
    for (size_t i = 0; i < s->n; i++) log_number(t, s->data[i].name, s->data[i].value);
    FIG_TRY(log_end(t));
    t->p.evals_without_best = best ? 0 : t->p.evals_without_best + 1;
    if (best) {
        t->p.best_val_loss = s->data[0].value;
        t->p.best_iter = t->p.iter;
    }
    emit(t, (fig_train_event){.kind = FIG_TRAIN_EVAL, .loss = t->p.loss[0]});
    if (best || newest_counts(t)) FIG_TRY(with_ema(t, save_model, NULL));
    return sample(t);
}

static fig_status checkpoint(fig_trainer *t) {
    char *path = NULL;
    if (newest_counts(t)) FIG_TRY(with_ema(t, save_model, NULL));
    FIG_TRY(fig__checkpoint_save(t, &path));
    emit(t, (fig_train_event){.kind = FIG_TRAIN_CHECKPOINT, .path = path});
    fig__free(t->ctx, path);
    return FIG_OK;
}

static bool due(int64_t interval, int64_t iter) { return interval > 0 && iter % interval == 0; }

void fig__add_score(fig_scores *scores, const char *name, double value) {
    fig_score *s = &scores->data[scores->n++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->value = value;
}
double fig_score_of(const fig_scores *scores, const char *name) {
    for (size_t i = 0; i < scores->n; i++)
        if (!strcmp(scores->data[i].name, name)) return scores->data[i].value;
    return NAN;
}

/* --- the run ----------------------------------------------------------------------------------------------------*/

static bool out_of_patience(const fig_trainer *t) {
    return t->o.patience > 0 && t->p.evals_without_best >= t->o.patience;
}

static fig_status run_steps(fig_trainer *t, bool *early) {
    stride s = {.since = fig__now(), .logged_at = t->p.iter};
    while (t->p.iter < t->o.max_iters) {
        if (fig_cancelled(t->ctx)) {
            FIG_TRY(checkpoint(t));
            return FIG_FAIL(t->ctx, FIG_ERR_CANCELLED, "interrupted at step %lld; go on with --resume",
                            (long long)t->p.iter);
        }
        double start = fig__now();
        FIG_TRY(step(t, &s));
        t->p.iter++;
        t->p.seconds += fig__now() - start;
        bool last = t->p.iter >= t->o.max_iters;
        if (due(t->o.log_interval, t->p.iter) || last) {
            FIG_TRY(log_step(t, &s, fig__now()));
            s.since = fig__now();
            s.logged_at = t->p.iter;
        }
        if (due(t->o.eval_interval, t->p.iter) || last) FIG_TRY(evaluate(t));
        *early = out_of_patience(t);
        if (due(t->o.checkpoint_interval, t->p.iter) || last || *early) FIG_TRY(checkpoint(t));
        if (due(t->o.eval_interval, t->p.iter) || due(t->o.checkpoint_interval, t->p.iter)) {
            s.since = fig__now();
            s.logged_at = t->p.iter;
        }
        if (*early) return FIG_OK;
    }
    return FIG_OK;
}

static fig_status begin(fig_trainer *t, bool *found) {
    *found = false;
    t->p = (fig__progress){.best_iter = -1, .best_val_loss = INFINITY};
    FIG_TRY(fig__trainer_ready(t));
    if (t->o.resume) FIG_TRY(fig__checkpoint_load(t, found));
    return FIG_OK;
}

fig_status fig_trainer_run(fig_trainer *t, fig_train_fn *on_event, void *user, fig_train_report *report) {
    bool found, early = false;
    t->on_event = on_event;
    t->user = user;
    *report = (fig_train_report){0};
    FIG_TRY(begin(t, &found));
    report->already_done = found && (t->p.iter >= t->o.max_iters || out_of_patience(t));
    fig_status status = FIG_OK;
    if (!report->already_done) {
        t->peak_flops = figk_peak_flops(t->ctx, fig_model_dtype(t->model), fig_n_threads(t->ctx));
        FIG_TRY(open_log(t));
        if (!found) status = evaluate(t);
        if (!status) status = run_steps(t, &early);
    }
    report->iters = t->p.iter;
    report->loss = t->p.loss[0];
    report->scores = t->p.scores;
    report->best_val_loss = t->p.best_val_loss;
    report->best_iter = t->p.best_iter;
    report->model_iter = newest_counts(t) ? t->p.iter : t->p.best_iter;
    for (int i = 0; i < t->n_phases; i++) report->n_skipped += t->p.n_skipped[i];
    report->stopped_early = early;
    report->cancelled = status == FIG_ERR_CANCELLED;
    report->params_hash = fig_params_hash(t->params);
    return status;
}
