/* cli/eval_disentangle.c: figment eval --suite disentangle: what single latents of a variational autoencoder tell of
 * what is known of pictures: their class, or attributes of their metadata. */
#include <stdio.h>
#include "cli/eval.h"
#include "cli/meter.h"

#define MOST_PICTURES 10000 /* of training */

typedef struct factor {
    const char *name;
    bool is_class;
    size_t attribute;
    size_t n_values; /* the last one: not said */
} factor;

typedef struct coded { /* pictures as latents, and their factors */
    size_t n, d;
    float *latents;  /* [n, d] */
    int32_t *values; /* [n, n_factors] */
    int32_t *flags;  /* [n, n_flags] */
} coded;

typedef struct suite {
    fig__eval *e;
    fig_context *ctx;
    fig_drawer *drawer;
    factor *factors;
    size_t n_factors;
    size_t n_flags; /* values of all factors that occur in both sets, and do not in each picture of one */
    coded train, test;
    double mig, *gaps;
    fig_dci dci;
} suite;

/* --- factors ------------------------------------------------------------------------------------------------------*/

static fig_status find_factor(suite *s, const char *name, factor *f) {
    const fig_pictures *p = s->e->pictures;
    size_t n_classes = (size_t)fig_pictures_get_info(p)->n_classes;
    *f = (factor){.name = name, .is_class = strcmp(name, "class") == 0, .n_values = n_classes + 1};
    FIG_CHECK(s->ctx, !f->is_class || n_classes, FIG_ERR_ARG,
              "the pictures have no classes; name something else that is known of them with --factor");
    if (f->is_class) return FIG_OK;
    FIG_TRY(fig_pictures_find_attribute(p, name, &f->attribute));
    f->n_values = fig_pictures_n_values(p, f->attribute) + 1;
    return FIG_OK;
}

static fig_status find_factors(suite *s) {
    static const char *usual[] = {"class"};
    fig_strings names = s->e->factors;
    if (!names.n) names = (fig_strings){.data = usual, .n = 1};
    s->factors = FIG_NEW_N(s->ctx, factor, names.n);
    s->gaps = FIG_NEW_N(s->ctx, double, names.n);
    if (!s->factors || !s->gaps) return FIG_ERR_NOMEM;
    for (; s->n_factors < names.n; s->n_factors++)
        FIG_TRY(find_factor(s, names.data[s->n_factors], &s->factors[s->n_factors]));
    return FIG_OK;
}

static int32_t value_of(const suite *s, const factor *f, fig_data_split split, uint64_t picture) {
    const fig_pictures *p = s->e->pictures;
    int32_t v =
        f->is_class ? fig_pictures_class(p, split, picture) : fig_pictures_attribute(p, split, picture, f->attribute);
    return v < 0 ? (int32_t)f->n_values - 1 : v;
}

/* --- latents ------------------------------------------------------------------------------------------------------*/

static void coded_free(fig_context *ctx, coded *c) {
    fig__free(ctx, c->latents);
    fig__free(ctx, c->values);
    fig__free(ctx, c->flags);
}

static fig_status encode(suite *s, fig_data_split split, size_t n, coded *c) {
    const fig_pictures *p = s->e->pictures;
    const char *what = split == FIG_SPLIT_VAL ? "held-out pictures" : "training pictures";
    *c = (coded){.n = n, .d = fig_drawer_n_latent(s->drawer)};
    c->latents = FIG_NEW_N(s->ctx, float, n * c->d);
    c->values = FIG_NEW_N(s->ctx, int32_t, n * s->n_factors);
    if (!c->latents || !c->values) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        /* Training pictures may be sorted by class, and not all of them are taken. */
        uint64_t at = split == FIG_SPLIT_VAL ? i : fig_pictures_sample(p, split, (uint64_t)s->e->draw.seed, i);
        FIG_TRY(fig_draw_encode(s->drawer, fig_pictures_pixels(p, split, at), 1, c->latents + i * c->d));
        for (size_t f = 0; f < s->n_factors; f++)
            c->values[i * s->n_factors + f] = value_of(s, &s->factors[f], split, at);
        fig__meter_count(what, i + 1, n);
        FIG_CHECK(s->ctx, !fig_cancelled(s->ctx), FIG_ERR_CANCELLED, "interrupted");
    }
    return FIG_OK;
}

static bool varies(const suite *s, const coded *c, size_t f, int32_t value) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) n += c->values[i * s->n_factors + f] == value;
    return n && n < c->n;
}

/* DCI regresses each value of a factor: a column of 0 and 1 for those that can be learnt and tested. */
static fig_status flag(suite *s) {
    size_t most = 0, k = 0;
    for (size_t f = 0; f < s->n_factors; f++) most += s->factors[f].n_values;
    coded *sets[] = {&s->train, &s->test};
    int32_t *columns = FIG_NEW_N(s->ctx, int32_t, 2 * most); /* factor and value */
    if (!columns) return FIG_ERR_NOMEM;
    for (size_t f = 0; f < s->n_factors; f++)
        for (int32_t v = 0; v < (int32_t)s->factors[f].n_values; v++)
            if (varies(s, &s->train, f, v) && varies(s, &s->test, f, v))
                columns[2 * k] = (int32_t)f, columns[2 * k + 1] = v, k++;
    s->n_flags = k;
    bool fits = true;
    for (size_t i = 0; i < FIG_COUNT(sets); i++)
        fits &= (sets[i]->flags = FIG_NEW_N(s->ctx, int32_t, sets[i]->n * k + 1)) != NULL;
    for (size_t i = 0; fits && i < FIG_COUNT(sets); i++)
        for (size_t r = 0; r < sets[i]->n; r++)
            for (size_t c = 0; c < k; c++)
                sets[i]->flags[r * k + c] =
                    sets[i]->values[r * s->n_factors + (size_t)columns[2 * c]] == columns[2 * c + 1];
    fig__free(s->ctx, columns);
    FIG_CHECK(s->ctx, !fits || k, FIG_ERR_ARG, "nothing that is asked for differs between the pictures of both sets");
    return fits ? FIG_OK : FIG_ERR_NOMEM;
}

/* --- scores -------------------------------------------------------------------------------------------------------*/

static fig_status score(suite *s) {
    const coded *train = &s->train, *test = &s->test;
    fig_factors whole = {test->latents, test->values, test->n, test->d, s->n_factors},
                learnt = {train->latents, train->flags, train->n, train->d, s->n_flags},
                seen = {test->latents, test->flags, test->n, test->d, s->n_flags};
    FIG_TRY(fig_eval_mig(s->ctx, &whole, 0, &s->mig, s->gaps));
    FIG_TRY(flag(s));
    learnt.factors = train->flags, learnt.f = s->n_flags;
    seen.factors = test->flags, seen.f = s->n_flags;
    return fig_eval_dci(s->ctx, &learnt, &seen, 0, &s->dci, NULL);
}

static fig_status print_json(const suite *s) {
    fig__json *j = fig__json_new_object(), *gaps = fig__json_new_object();
    fig__put_text(j, "suite", "disentangle");
    fig__put_text(j, "model", s->e->model_path);
    fig__put_count(j, "pictures", s->test.n);
    fig__put_count(j, "latents", s->test.d);
    fig__put_real(j, "mig", s->mig);
    for (size_t f = 0; f < s->n_factors; f++) fig__put_real(gaps, s->factors[f].name, s->gaps[f]);
    fig__json_put(j, "mig_of", gaps);
    fig__put_count(j, "values", s->n_flags);
    fig__put_real(j, "dci_disentanglement", s->dci.disentanglement);
    fig__put_real(j, "dci_completeness", s->dci.completeness);
    fig__put_real(j, "dci_informativeness", s->dci.informativeness);
    return fig__print_json(s->ctx, j, 2);
}

static fig_status print(const suite *s) {
    fig_context *ctx = s->ctx;
    if (s->e->args->globals.json) return print_json(s);
    FIG_TRY(fig__printf(ctx, "pictures             %zu held out, %zu latents\n", s->test.n, s->test.d));
    FIG_TRY(fig__printf(ctx, "MIG                  %.4f   (a factor by one latent alone; 1 is best)\n", s->mig));
    for (size_t f = 0; f < s->n_factors; f++)
        FIG_TRY(fig__printf(ctx, "    %-16.16s %.4f\n", s->factors[f].name, s->gaps[f]));
    FIG_TRY(fig__printf(ctx, "DCI disentanglement  %.4f   (a latent serves one of %zu values)\n",
                        s->dci.disentanglement, s->n_flags));
    FIG_TRY(fig__printf(ctx, "    completeness     %.4f   (a value has one latent)\n", s->dci.completeness));
    return fig__printf(ctx, "    informativeness  %.4f   (R^2 of values by a line over latents)\n",
                       s->dci.informativeness);
}

static fig_status run(suite *s) {
    FIG_TRY(fig__eval_open_vae(s->e, "disentangle"));
    FIG_TRY(find_factors(s));
    FIG_TRY(fig_drawer_new(s->e->model, 1, &s->drawer));
    uint64_t n_train = fig_pictures_get_info(s->e->pictures)->n[FIG_SPLIT_TRAIN];
    FIG_TRY(encode(s, FIG_SPLIT_TRAIN, (size_t)FIG_MIN(n_train, MOST_PICTURES), &s->train));
    FIG_TRY(encode(s, FIG_SPLIT_VAL, fig__eval_n_held_out(s->e), &s->test));
    fig__meter_clear();
    FIG_TRY(score(s));
    return print(s);
}

fig_status fig__eval_disentangle(fig__eval *e) {
    suite s = {.e = e, .ctx = e->args->ctx};
    fig_status status = run(&s);
    coded_free(s.ctx, &s.train);
    coded_free(s.ctx, &s.test);
    fig__free(s.ctx, s.factors);
    fig__free(s.ctx, s.gaps);
    fig_drawer_free(s.drawer);
    return status;
}
