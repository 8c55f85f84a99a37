/* train/checkpoint.c: out/checkpoints/step-000250/ holds state.safetensors (masters, moments, state without gradient)
 * and state.json (step, counters, settings). A checkpoint appears as a whole folder or not at all. Randomness and the
 * place in the data are functions of the step, so the step is all there is to keep of them. */
#include <math.h>
#include "files/safetensors.h"
#include "train/train.h"

#define VERSION 2
#define MAX_STATE (64u << 20)

/* --- what must agree for a run to go on -------------------------------------------------------------------------*/

static const char *const may_differ[] = {
    "out",           "resume",       "force",         "max_iters",           "eval_interval",
    "eval_iters",    "patience",     "log_interval",  "checkpoint_interval", "keep_checkpoints",
    "sample_tokens", "sample_count", "sample_prompt", "sample_temp",         "save_dtype",
    "save"};

static fig__json *settings_of(const fig_trainer *t) {
    fig__json *all = fig__model_settings(t->model);
    for (size_t i = 0; all && i < fig_train_option_table.n; i++) {
        const fig_option *o = &fig_train_option_table.rows[i];
        bool skip = !o->name;
        for (size_t k = 0; !skip && k < FIG_COUNT(may_differ); k++) skip = !strcmp(o->name, may_differ[k]);
        if (!skip) fig__json_put(all, o->name, fig__option_get_json(o, &t->o));
    }
    if (!all) return NULL;
    fig__json_put(all, "arch", fig__json_new_str(fig_model_arch(t->model)->name));
    fig__json_put(all, "context", fig__json_new_int(t->o.block_size));
    fig__json_put(all, "dtype", fig__json_new_str(fig_dtype_name(fig_model_dtype(t->model))));
    fig__json_put(all, "data", fig__json_new_str(t->task->data_id(t)));
    return all;
}

static fig_status write_text(const fig__json *j, fig__buf *b) {
    fig__buf_clear(b);
    return fig__json_write(j, 0, b);
}

static fig_status compare_settings(fig_trainer *t, const char *path, const fig__json *saved) {
    fig__json *now = settings_of(t), *value;
    fig__buf a, b;
    fig_status status = now ? FIG_OK : FIG_ERR_NOMEM;
    fig__buf_init(&a, t->ctx, 4096);
    fig__buf_init(&b, t->ctx, 4096);
    for (size_t i = 0; !status && i < fig__json_size(now); i++) {
        const char *key = fig__json_key(now, i, &value);
        status = write_text(value, &a);
        if (!status) status = write_text(fig__json_get(saved, key), &b);
        if (!status && strcmp(fig__buf_str(&a), fig__buf_str(&b)))
            status =
                FIG_FAIL(t->ctx, FIG_ERR_ARG,
                         "%s: %s was %s there and is %s now; resume with the same settings or choose another --out",
                         path, key, fig__buf_str(&b), fig__buf_str(&a));
    }
    fig__buf_deinit(&a);
    fig__buf_deinit(&b);
    fig__json_free(now);
    return status;
}

/* --- tensors ----------------------------------------------------------------------------------------------------*/

typedef struct flat_list {
    fig__flat data[8];
    size_t n;
} flat_list;

static flat_list flats_of(const fig_trainer *t) {
    flat_list l;
    l.n = fig__optimizer_state(t->opt, l.data, FIG_COUNT(l.data));
    return l;
}

static void tensor_name(char *out, size_t size, const char *what, const fig_param_info *p) {
    snprintf(out, size, "%s/%s", what, p->path);
}

static fig_status write_tensors(fig_trainer *t, const char *path) {
    char name[512];
    fig__st_writer *w;
    flat_list l = flats_of(t);
    size_t n = fig_params_count(t->params);
    FIG_TRY(fig__st_writer_new(t->ctx, path, NULL, &w));
    fig_status status = FIG_OK;
    for (size_t pass = 0; pass < 2; pass++) /* declare everything, then write it in the same order */
        for (size_t k = 0; k <= l.n; k++)
            for (size_t i = 0; i < n && !status; i++) {
                fig_param_info p = fig_params_at(t->params, i);
                if (k && !p.trainable) continue;
                tensor_name(name, sizeof name, k ? l.data[k - 1].name : "param", &p);
                const float *data = k ? l.data[k - 1].data + p.flat_offset : p.data;
                status = pass ? fig__st_writer_data(w, data, p.numel * sizeof(float))
                              : fig__st_writer_declare(w, name, FIG_F32, p.ndim, p.shape);
            }
    if (status)
        fig__st_writer_abort(w);
    else
        status = fig__st_writer_commit(w);
    return status;
}

static fig_status read_tensors(fig_trainer *t, const char *path) {
    char name[512];
    fig__weights *w;
    const fig__weight *x;
    flat_list l = flats_of(t);
    FIG_TRY(fig__st_open(t->ctx, path, &w));
    fig_status status = FIG_OK;
    for (size_t k = 0; k <= l.n; k++)
        for (size_t i = 0; i < fig_params_count(t->params) && !status; i++) {
            fig_param_info p = fig_params_at(t->params, i);
            if (k && !p.trainable) continue;
            tensor_name(name, sizeof name, k ? l.data[k - 1].name : "param", &p);
            status = fig__weights_need(w, name, p.ndim, p.shape, &x);
            if (!status && x->dtype != FIG_F32)
                status = FIG_FAIL(t->ctx, FIG_ERR_FORMAT, "%s: %s is not float32", path, name);
            if (!status) status = fig__weights_check_finite(w, x);
            if (!status)
                memcpy(k ? (void *)(l.data[k - 1].data + p.flat_offset) : p.data, x->data, p.numel * sizeof(float));
        }
    fig__weights_close(w);
    if (!status) fig_params_sync(t->params);
    return status;
}

/* --- counters ---------------------------------------------------------------------------------------------------*/

static fig__json *state_json(const fig_trainer *t) {
    const fig__progress *p = &t->p;
    fig__json *j = fig__json_new_object();
    const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"version", VERSION},
                {"iter", p->iter},
                {"max_iters", t->o.max_iters},
                {"num_tokens", (int64_t)p->n_tokens},
                {"best_iter", p->best_iter},
                {"evals_without_best", p->evals_without_best},
                {"log_bytes", (int64_t)p->log_bytes}};
    const struct {
        const char *key;
        double value;
    } reals[] = {{"loss", p->loss[0]}, {"best_val_loss", p->best_val_loss}, {"seconds", p->seconds}};
    for (size_t i = 0; i < FIG_COUNT(ints); i++) fig__json_put(j, ints[i].key, fig__json_new_int(ints[i].value));
    for (size_t i = 0; i < FIG_COUNT(reals); i++) fig__json_put(j, reals[i].key, fig__json_new_real(reals[i].value));
    fig__json_put(j, "settings", settings_of(t));
    return j;
}

/* Text keeps 9 digits; numbers that decide (the best loss so far) are kept as their bits too. */
static void put_bits(fig__json *j, const char *key, double v) {
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    fig__json_put(j, key, fig__json_new_int(bits));
}
static double get_bits(const fig__json *j, const char *key) {
    int64_t bits = fig__json_int(fig__json_get(j, key), 0);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Of the first phase under the plain name, of the others with theirs behind it. */
static const char *phase_key(const fig_trainer *t, int phase, const char *what, char key[64]) {
    snprintf(key, 64, phase ? "%s_%s" : "%s", what, t->phases[phase].name);
    return key;
}
static void put_phases(const fig_trainer *t, fig__json *j) {
    char key[64];
    for (int i = 0; i < t->n_phases; i++) {
        put_bits(j, phase_key(t, i, "loss_bits", key), t->p.loss[i]);
        fig__json_put(j, phase_key(t, i, "skipped", key), fig__json_new_int((int64_t)t->p.n_skipped[i]));
    }
}
static void read_phases(fig_trainer *t, const fig__json *j) {
    char key[64];
    for (int i = 0; i < t->n_phases; i++) {
        t->p.loss[i] = get_bits(j, phase_key(t, i, "loss_bits", key));
        t->p.n_skipped[i] = (uint64_t)fig__json_int(fig__json_get(j, phase_key(t, i, "skipped", key)), 0);
    }
}

static fig__json *scores_json(const fig_scores *s) {
    fig__json *all = fig__json_new_object();
    for (size_t i = 0; i < s->n; i++) put_bits(all, s->data[i].name, s->data[i].value);
    return all;
}
static void read_scores(const fig__json *all, fig_scores *s) {
    for (size_t i = 0; i < FIG_MIN(fig__json_size(all), FIG_MAX_SCORES); i++) {
        const char *name = fig__json_key(all, i, NULL);
        fig__add_score(s, name, get_bits(all, name));
    }
}

static fig_status read_state(fig_trainer *t, const char *path) {
    fig__json *j;
    FIG_TRY(fig__json_load(t->ctx, path, MAX_STATE, &j));
    int64_t version = fig__json_int(fig__json_get(j, "version"), -1);
    fig_status status = FIG_OK;
    if (version != VERSION)
        status = FIG_FAIL(t->ctx, FIG_ERR_FORMAT, "%s: a checkpoint of version %lld; this figment reads version %d",
                          path, (long long)version, VERSION);
    if (!status) status = compare_settings(t, path, fig__json_get(j, "settings"));
    if (!status)
        t->p = (fig__progress){.iter = fig__json_int(fig__json_get(j, "iter"), 0),
                               .n_tokens = (uint64_t)fig__json_int(fig__json_get(j, "num_tokens"), 0),
                               .best_iter = fig__json_int(fig__json_get(j, "best_iter"), -1),
                               .evals_without_best = fig__json_int(fig__json_get(j, "evals_without_best"), 0),
                               .log_bytes = (uint64_t)fig__json_int(fig__json_get(j, "log_bytes"), 0),
                               .best_val_loss = get_bits(j, "best_val_loss_bits"),
                               .seconds = fig__json_real(fig__json_get(j, "seconds"), 0)};
    if (!status) read_phases(t, j);
    if (!status) read_scores(fig__json_get(j, "scores"), &t->p.scores);
    fig__json_free(j);
    return status;
}

static fig_status write_state(fig_trainer *t, const char *path) {
    fig__json *j = state_json(t);
    if (!j) return FIG_ERR_NOMEM;
    put_bits(j, "best_val_loss_bits", t->p.best_val_loss);
    put_phases(t, j);
    fig__json_put(j, "scores", scores_json(&t->p.scores));
    fig_status status = fig__json_save(t->ctx, path, j, 2);
    fig__json_free(j);
    return status;
}

/* --- folders ----------------------------------------------------------------------------------------------------*/

static int64_t step_of(const char *name) {
    long long step;
    char rest;
    return sscanf(name, "step-%lld%c", &step, &rest) == 1 ? step : -1;
}

/* Removes all but the newest, and what a killed run left half-written. */
static fig_status prune(fig_trainer *t, const char *folder) {
    fig__paths names = {0};
    size_t n = 0;
    fig_status status = fig__dir_list(t->ctx, folder, 1 << 20, &names);
    for (size_t i = 0; !status && i < names.n; i++) n += step_of(names.data[i]) >= 0;
    for (size_t i = 0; !status && i < names.n; i++) {
        bool whole = step_of(names.data[i]) >= 0;
        if (whole && n <= (size_t)t->o.keep_checkpoints) continue;
        char *path = fig__path_join(t->ctx, folder, names.data[i]);
        status = path ? fig__dir_remove(t->ctx, path) : FIG_ERR_NOMEM;
        fig__free(t->ctx, path);
        n -= whole;
    }
    fig__paths_deinit(t->ctx, &names);
    return status;
}

fig_status fig__checkpoint_save(fig_trainer *t, char **path) {
    char folder[3072], tmp[3200], final[3200], file[3300];
    snprintf(folder, sizeof folder, "%s/checkpoints", t->o.out_dir);
    snprintf(tmp, sizeof tmp, "%s/tmp-step-%09lld", folder, (long long)t->p.iter);
    snprintf(final, sizeof final, "%s/step-%09lld", folder, (long long)t->p.iter);
    FIG_TRY(fig__mkdirs(t->ctx, tmp));
    snprintf(file, sizeof file, "%s/state.safetensors", tmp);
    fig_status status = write_tensors(t, file);
    snprintf(file, sizeof file, "%s/state.json", tmp);
    if (!status) status = write_state(t, file);
    if (!status) status = fig__dir_publish(t->ctx, tmp, final);
    if (status) {
        fig_status keep = status; /* what went wrong first is the message; clearing up is a courtesy */
        char message[1024];
        snprintf(message, sizeof message, "%s", fig_error(t->ctx));
        fig__dir_remove(t->ctx, tmp);
        return FIG_FAIL(t->ctx, keep, "%s", message);
    }
    if (path) *path = fig__strdup(t->ctx, final);
    return prune(t, folder);
}

fig_status fig__checkpoint_load(fig_trainer *t, bool *found) {
    char folder[3072], file[3300];
    fig__paths names = {0};
    int64_t best = -1;
    *found = false;
    snprintf(folder, sizeof folder, "%s/checkpoints", t->o.out_dir);
    if (!fig__path_is_dir(folder)) return FIG_OK;
    FIG_TRY(fig__dir_list(t->ctx, folder, 1 << 20, &names));
    for (size_t i = 0; i < names.n; i++) best = FIG_MAX(best, step_of(names.data[i]));
    fig__paths_deinit(t->ctx, &names);
    if (best < 0) return FIG_OK;
    snprintf(file, sizeof file, "%s/step-%09lld/state.json", folder, (long long)best);
    FIG_TRY(read_state(t, file));
    snprintf(file, sizeof file, "%s/step-%09lld/state.safetensors", folder, (long long)best);
    FIG_TRY(read_tensors(t, file));
    *found = true;
    return FIG_OK;
}
