/* cli/eval_images_print.c: what figment eval --suite images or classes found, as a table or as JSON; its
 * features as arrays. */
#include <stdio.h>
#include "base/file.h"
#include "cli/eval_images.h"
#include "files/npy.h"
#include "models/model.h"

static const char *hash_of(const fig_model *m, char text[20]) {
    snprintf(text, 20, "%016llx", (unsigned long long)fig_params_hash(fig_model_params(m)));
    return text;
}

static bool has_enough(const fig__images *im, const fig__eval_row *row) {
    return fig__quality_has_enough(FIG_MIN(row->n, im->n_held_out), im->d);
}

/* --- JSON ---------------------------------------------------------------------------------------------------------*/

static fig__json *quality_json(const fig__images *im, const fig__eval_row *row, int net) {
    const fig__quality *q = &row->by[net];
    fig__json *j = fig__json_new_object();
    fig__put_real(j, "fld", q->frechet);
    fig__put_real(j, "fld_infinite", q->frechet_infinite);
    fig__json_put(j, "fld_reliable", fig__json_new_bool(has_enough(im, row)));
    fig__put_real(j, "kid", q->kid.mean);
    fig__put_real(j, "kid_sd", q->kid.sd);
    fig__put_real(j, "precision", q->neighbours.precision);
    fig__put_real(j, "recall", q->neighbours.recall);
    fig__put_real(j, "density", q->neighbours.density);
    fig__put_real(j, "coverage", q->neighbours.coverage);
    return j;
}

static fig__json *rows_json(const fig__images *im) {
    fig__json *all = fig__json_new_array();
    for (size_t i = 0; i < im->n_rows; i++) {
        fig__json *j = fig__json_new_object();
        fig__put_text(j, "pictures", im->rows[i].name);
        fig__put_count(j, "n", im->rows[i].n);
        fig__json_put(j, "extractor", quality_json(im, &im->rows[i], FIG__TRAINED));
        fig__json_put(j, "untrained", quality_json(im, &im->rows[i], FIG__UNTRAINED));
        fig__json_push(all, j);
    }
    return all;
}

static fig__json *beside_json(const fig__beside *b, bool retrieved) {
    fig__json *j = fig__json_new_object();
    fig__json_put(j, "generated", fig__interval_json(&b->generated));
    fig__json_put(j, "held_out", fig__interval_json(&b->real));
    if (retrieved) fig__json_put(j, "retrieved", fig__interval_json(&b->retrieved));
    return j;
}

static fig__json *balance_json(const fig_class_balance *b) {
    fig__json *j = fig__json_new_object();
    fig__put_count(j, "present", b->n_present);
    fig__put_count(j, "of", b->n_classes);
    fig__put_real(j, "kl_uniform", b->kl_uniform);
    fig__put_real(j, "tv_uniform", b->total_variation);
    return j;
}

static fig__json *extractor_json(const fig__images *im) {
    char hash[20];
    fig__json *j = fig__json_new_object();
    fig__put_text(j, "path", im->extractor_path);
    fig__put_text(j, "arch", fig_model_arch(im->nets[0])->name);
    fig__put_text(j, "hash", hash_of(im->nets[0], hash));
    fig__put_count(j, "features", im->d);
    return j;
}

static void put_classes(const fig__images *im, fig__json *j) {
    if (im->agreement.known) fig__json_put(j, "class_agreement", beside_json(&im->agreement, false));
    if (im->has_modes) fig__json_put(j, "modes", balance_json(&im->modes));
    if (im->has_modes) fig__json_put(j, "modes_of_training", balance_json(&im->modes_train));
    if (!im->has_classes) return;
    fig__json *classes = balance_json(&im->balance);
    fig__put_real(classes, "tv_held_out", im->tv_generated);
    fig__put_real(classes, "tv_held_out_of_training", im->tv_train);
    fig__json_put(j, "classes", classes);
}

static void put_memorisation(const fig__images *im, fig__json *j) {
    fig__json *m = fig__json_new_object();
    if (!im->has_memorisation) {
        fig__json_free(m);
        return;
    }
    fig__put_real(m, "ratio", im->memorisation.ratio);
    fig__put_real(m, "generated_median", im->memorisation.sample_median);
    fig__put_real(m, "held_out_median", im->memorisation.test_median);
    fig__put_count(m, "generated_duplicates", im->memorisation.n_duplicates);
    fig__put_count(m, "held_out_duplicates", im->memorisation.n_test_duplicates);
    fig__json_put(j, "memorisation", m);
}

static fig_status print_json(const fig__images *im) {
    const fig__eval *e = im->e;
    fig__json *j = fig__json_new_object();
    fig__put_text(j, "suite", im->classes_only ? "classes" : "images");
    fig__put_text(j, "model", e->model_path);
    fig__json_put(j, "extractor", extractor_json(im));
    fig__put_text(j, "data_sha256", fig_pictures_get_info(e->pictures)->data_sha256);
    fig__put_count(j, "generated", im->n);
    fig__put_count(j, "held_out", im->n_held_out);
    fig__put_count(j, "training", im->n_train);
    fig__put_count(j, "seed", (size_t)e->draw.seed);
    fig__put_count(j, "steps", (size_t)e->draw.steps);
    fig__put_real(j, "guidance", e->draw.guidance);
    fig__put_count(j, "evaluations", (size_t)im->drawn.n_evaluations);
    if (im->n_rows) fig__json_put(j, "rows", rows_json(im));
    put_classes(im, j);
    put_memorisation(im, j);
    if (im->r_precision.known) {
        fig__json *r = beside_json(&im->r_precision, true);
        fig__put_count(r, "candidates", im->n_candidates);
        fig__json_put(j, "r_precision", r);
    }
    return fig__print_json(e->args->ctx, j, 2);
}

/* --- in words -----------------------------------------------------------------------------------------------------*/

static fig_status print_table(const fig__images *im) {
    if (!im->n_rows) return FIG_OK;
    FIG_TRY(fig__printf(im->ctx, "\n%-22s %9s %9s %16s %6s %6s %7s %8s | %21s\n", "", "FLD", "FLD inf", "KID x 1000",
                        "prec.", "recall", "density", "coverage", "untrained: FLD    KID"));
    for (size_t i = 0; i < im->n_rows; i++) {
        const fig__eval_row *row = &im->rows[i];
        const fig__quality *q = &row->by[FIG__TRAINED], *u = &row->by[FIG__UNTRAINED];
        char limit[32] = "", spread[32] = "";
        if (q->frechet_infinite == q->frechet_infinite) snprintf(limit, sizeof limit, "%.4g", q->frechet_infinite);
        if (q->kid.sd == q->kid.sd) snprintf(spread, sizeof spread, "+- %.2g", 1000 * q->kid.sd);
        FIG_TRY(fig__printf(im->ctx, "%-22s %9.4g %9s %8.3g %-7s %6.3f %6.3f %7.3f %8.3f | %13.4g %7.3g\n", row->name,
                            q->frechet, limit, 1000 * q->kid.mean, spread, q->neighbours.precision,
                            q->neighbours.recall, q->neighbours.density, q->neighbours.coverage, u->frechet,
                            1000 * u->kid.mean));
    }
    return fig__printf(im->ctx, "\n");
}

static fig_status print_share(const fig__images *im, const char *what, const fig_interval *i) {
    return fig__printf(im->ctx, "%s %.2f %% (%.2f to %.2f)", what, 100 * i->value, 100 * i->low, 100 * i->high);
}

static fig_status print_classes(const fig__images *im) {
    fig_context *ctx = im->ctx;
    if (im->agreement.known) {
        FIG_TRY(print_share(im, "class agreement       generated", &im->agreement.generated));
        FIG_TRY(print_share(im, ", held out", &im->agreement.real));
        FIG_TRY(fig__printf(ctx, "\n"));
    }
    if (im->has_classes)
        FIG_TRY(fig__printf(ctx,
                            "classes               %zu of %zu present; total variation to held out %.4f, of training "
                            "pictures %.4f\n",
                            im->balance.n_present, im->balance.n_classes, im->tv_generated, im->tv_train));
    if (im->has_modes)
        FIG_TRY(fig__printf(ctx,
                            "stacked modes         %zu of %zu, KL to uniform %.4f; of training pictures %zu, %.4f\n",
                            im->modes.n_present, im->modes.n_classes, im->modes.kl_uniform, im->modes_train.n_present,
                            im->modes_train.kl_uniform));
    return FIG_OK;
}

static fig_status print_captions(const fig__images *im) {
    if (!im->r_precision.known) return FIG_OK;
    FIG_TRY(fig__printf(im->ctx, "R-precision@1 of %-4zu ", im->n_candidates));
    FIG_TRY(print_share(im, "generated", &im->r_precision.generated));
    FIG_TRY(print_share(im, ", held out", &im->r_precision.real));
    FIG_TRY(print_share(im, ", looked up", &im->r_precision.retrieved));
    return fig__printf(im->ctx, "\n");
}

static fig_status print_words(const fig__images *im) {
    fig_context *ctx = im->ctx;
    const fig_memorisation *m = &im->memorisation;
    char hash[20];
    FIG_TRY(fig__printf(ctx, "model      %s: %s, %zu pictures drawn, seed %lld\n", im->e->model_path,
                        fig_model_arch(im->e->model)->name, im->n, (long long)im->e->draw.seed));
    FIG_TRY(fig__printf(ctx, "extractor  %s: %s, %zu features, hash %s\n", im->extractor_path,
                        fig_model_arch(im->nets[0])->name, im->d, hash_of(im->nets[0], hash)));
    FIG_TRY(fig__printf(ctx, "against    %zu held-out pictures; %zu of training\n", im->n_held_out, im->n_train));
    FIG_TRY(print_table(im));
    FIG_TRY(print_classes(im));
    FIG_TRY(print_captions(im));
    if (!im->has_memorisation) return FIG_OK;
    return fig__printf(
        ctx,
        "memorisation          ratio %.3f (1: as new as held out, 0: copies); duplicates: generated %zu, "
        "held out %zu\n",
        m->ratio, m->n_duplicates, m->n_test_duplicates);
}

fig_status fig__images_print(fig__images *im) { return im->e->args->globals.json ? print_json(im) : print_words(im); }

/* --- features -----------------------------------------------------------------------------------------------------*/

static fig_status export_set(const fig__images *im, const char *dir, const char *name, const fig__seen *s) {
    static const char *const of_net[] = {"", "-untrained"};
    for (int net = 0; net < FIG__N_NETS; net++) {
        char *path = fig__arena_printf(im->e->args->arena, "%s/%s%s.npy", dir, name, of_net[net]);
        if (!path) return FIG_ERR_NOMEM;
        if (s->features[net])
            FIG_TRY(fig__npy_write(im->ctx, path, FIG_F32, 2, (size_t[]){s->n, im->d}, s->features[net]));
    }
    char *path = fig__arena_printf(im->e->args->arena, "%s/%s-classes.npy", dir, name);
    if (!path) return FIG_ERR_NOMEM;
    if (!s->classes) return FIG_OK;
    return fig__npy_write(im->ctx, path, FIG_I32, 2, (size_t[]){s->n, im->planes}, s->classes);
}

fig_status fig__images_export(fig__images *im, const char *dir) {
    FIG_TRY(fig__mkdirs(im->ctx, dir));
    FIG_TRY(export_set(im, dir, "generated", &im->of_generated));
    FIG_TRY(export_set(im, dir, "held-out", &im->of_held_out));
    return export_set(im, dir, "training", &im->of_train);
}
