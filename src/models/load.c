/* models/load.c: finding and reading models: Hugging Face directories, single .safetensors files beside a config.json,
 * llama2.c's .bin. */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "core/core.h"
#include "files/hf_config.h"
#include "files/llama2c.h"
#include "files/safetensors.h"
#include "models/model.h"

#define MAX_CONFIG (16u << 20)

/* --- weights into the store -------------------------------------------------------------------------------------*/

/* Parts of one parameter, one below the other along axis 0. */
typedef struct target {
    fig_param_info info;
    float *values;
    size_t filled; /* elements */
} target;

static size_t row_elements(const fig_param_info *p) { return p->numel / p->shape[0]; }

static void convert_transposed(fig_context *ctx, const fig__weight *w, float *out) {
    size_t rows = w->shape[1], cols = w->shape[0]; /* theirs is [in, out] */
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            figk(ctx)->load(1, out + r * cols + c, (const char *)w->data + (c * rows + r) * fig_dtype_size(w->dtype),
                            w->dtype, 1);
}

/* Takes one foreign tensor. Shapes must agree in all but the number of rows, which may be a part or, for a padded
 * vocabulary, less. */
static fig_status take_part(fig_model *m, const fig__weights *file, const fig__weight *w, bool transposed, target *t) {
    const fig_param_info *p = &t->info;
    bool fits = w->ndim == p->ndim && w->numel <= p->numel - t->filled;
    for (int d = 1; fits && !transposed && d < p->ndim; d++) fits = w->shape[d] == p->shape[d];
    if (fits && transposed) fits = w->ndim == 2 && w->shape[0] == p->shape[1];
    char theirs[192], ours[192];
    FIG_CHECK(m->ctx, fits, FIG_ERR_SHAPE, "%s: %s has shape %s, which does not fit %s %s", w->file, w->name,
              fig__shape_text(theirs, sizeof theirs, w->ndim, w->shape), p->path,
              fig__shape_text(ours, sizeof ours, p->ndim, p->shape));
    FIG_TRY(fig__weights_check_finite(file, w));
    if (transposed)
        convert_transposed(m->ctx, w, t->values + t->filled);
    else
        figk_convert(m->ctx, w->numel, t->values + t->filled, FIG_F32, w->data, w->dtype);
    t->filled += w->numel;
    return FIG_OK;
}

static const fig__weight *find_named(const fig__names *names, const fig__weights *w, const char *name) {
    char longer[FIG__WEIGHTS_MAX_NAME];
    const fig__weight *found = fig__weights_find(w, name);
    if (found || !names->prefix) return found;
    snprintf(longer, sizeof longer, "%s%s", names->prefix, name);
    return fig__weights_find(w, longer);
}

static const char *file_of(const fig__weights *w) {
    return fig__weights_count(w) ? fig__weights_at(w, 0)->file : "the file";
}

static fig_status take_param(fig_model *m, const fig__weights *w, target *t) {
    int block = -1;
    char name[FIG__WEIGHTS_MAX_NAME];
    const fig__weight *own = fig__weights_find(w, t->info.path);
    const fig__name *row = own || !m->arch->names ? NULL : fig__names_find(m->arch->names, t->info.path, &block);
    if (own) return take_part(m, w, own, false, t);
    FIG_CHECK(m->ctx, row, FIG_ERR_FORMAT, "%s: no tensor for %s", file_of(w), t->info.path);
    for (int i = 0; i < 3 && row->theirs[i]; i++) {
        fig__name_numbered(row->theirs[i], block, name, sizeof name);
        const fig__weight *part = find_named(m->arch->names, w, name);
        FIG_CHECK(m->ctx, part, FIG_ERR_FORMAT, "%s: no tensor %s (for %s)", file_of(w), name, t->info.path);
        FIG_TRY(take_part(m, w, part, row->transposed, t));
    }
    return FIG_OK;
}

/* The rows that may be missing at the end: padding of the vocabulary. */
static size_t may_miss(const fig_model *m, const fig_param_info *p) {
    size_t vocab = (size_t)fig_model_get_int(m, "vocab_size");
    return fig__is_vocabulary(p->path) && p->shape[0] > vocab ? (p->shape[0] - vocab) * row_elements(p) : 0;
}

fig_status fig__model_take_weights(fig_model *m, const fig__weights *w) {
    for (size_t i = 0; i < fig_params_count(m->params); i++) {
        target t = {.info = fig_params_at(m->params, i)};
        t.values = FIG_NEW_N(m->ctx, float, t.info.numel);
        if (!t.values) return FIG_ERR_NOMEM;
        fig_status status = take_param(m, w, &t);
        if (!status && t.filled + may_miss(m, &t.info) < t.info.numel)
            status = FIG_FAIL(m->ctx, FIG_ERR_SHAPE, "%s: %s: %zu numbers of %zu", file_of(w), t.info.path, t.filled,
                              t.info.numel);
        if (!status) status = fig_params_set(m->params, t.info.path, t.values, FIG_F32, t.info.numel);
        fig__free(m->ctx, t.values);
        FIG_TRY(status);
    }
    return FIG_OK;
}

/* --- reading ----------------------------------------------------------------------------------------------------*/

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* The type that most of the weights are stored in, among those that can be computed in. */
static fig_dtype stored_dtype(const fig__weights *w) {
    size_t n16 = 0, n32 = 0;
    for (size_t i = 0; i < fig__weights_count(w); i++) {
        const fig__weight *t = fig__weights_at(w, i);
        *(t->dtype == FIG_BF16 ? &n16 : &n32) += t->numel;
    }
    return n16 > n32 ? FIG_BF16 : FIG_F32;
}

static fig_status make(fig_context *ctx, const char *arch, const fig__json *settings, const fig__weights *w,
                       const fig_model_options *options, fig_model **out) {
    fig_model_options o = {.dtype = FIG_DTYPE_COUNT, .inference = true};
    if (options) o = *options;
    if (o.dtype == FIG_DTYPE_COUNT) o.dtype = stored_dtype(w);
    fig_model *m;
    FIG_TRY(fig_model_new(ctx, arch, &o, &m));
    fig_status status = fig__model_apply(m, settings);
    if (!status) status = fig_model_init(m);
    if (!status) status = fig__model_take_weights(m, w);
    if (status)
        fig_model_free(m);
    else
        *out = m;
    return status;
}

/* A tokenizer beside the model, when there is one. */
static fig_status find_tokenizer(fig_model *m, const char *dir) {
    static const char *const names[] = {"tokenizer.json", "vocab.json", "encoder.json", "tokenizer.bin"};
    for (size_t i = 0; i < FIG_COUNT(names); i++) {
        char *path = fig__path_join(m->ctx, dir, names[i]);
        if (!path) return FIG_ERR_NOMEM;
        fig_tokenizer *tok = NULL;
        fig_status status = fig__path_exists(path) ? fig_tokenizer_load(m->ctx, path, &tok) : FIG_OK;
        fig__free(m->ctx, path);
        FIG_TRY(status);
        if (tok) return fig_model_set_tokenizer(m, tok);
    }
    return FIG_OK;
}

static fig_status read_generation(fig_model *m, const char *dir) {
    char *path = fig__path_join(m->ctx, dir, "generation_config.json");
    if (!path) return FIG_ERR_NOMEM;
    fig__json *j = NULL;
    fig_status status = fig__path_exists(path) ? fig__json_load(m->ctx, path, MAX_CONFIG, &j) : FIG_OK;
    if (!status && j) status = fig__hf_read_generation(m->ctx, path, j, &m->generation);
    fig__json_free(j);
    fig__free(m->ctx, path);
    return status;
}

static fig_status load_config(fig_context *ctx, const char *dir, fig__json **config, const char **arch,
                              fig__json **settings) {
    char *path = fig__path_join(ctx, dir, "config.json");
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__json_load(ctx, path, MAX_CONFIG, config);
    if (!status) status = fig__hf_read_config(ctx, path, *config, arch, settings);
    fig__free(ctx, path);
    return status;
}

/* weights: one file of the folder, or NULL: whatever the folder has under the usual names. */
static fig_status load_dir(fig_context *ctx, const char *dir, const char *weights, const fig_model_options *options,
                           fig_model **out) {
    fig__json *config = NULL, *settings = NULL;
    fig__weights *w = NULL;
    const char *arch;
    fig_status status;
    FIG_GOTO(load_config(ctx, dir, &config, &arch, &settings));
    FIG_GOTO(weights ? fig__st_open(ctx, weights, &w) : fig__st_open_model(ctx, dir, &w));
    FIG_GOTO(make(ctx, arch, settings, w, options, out));
    status = find_tokenizer(*out, dir);
    if (!status) status = read_generation(*out, dir);
    if (!status) status = fig__lexicon_load(*out, dir);
cleanup:
    fig__weights_close(w);
    fig__json_free(settings);
    fig__json_free(config);
    return status;
}

/* tok512.bin or tokenizer.bin beside the model: llama2.c keeps them apart, so both names are tried. */
static fig_status llama2c_tokenizer(fig_model *m, const char *model_path) {
    size_t dir = (size_t)(fig__path_base(model_path) - model_path);
    char name[64], path[4096];
    snprintf(name, sizeof name, "tok%lld.bin", (long long)fig_model_get_int(m, "vocab_size"));
    const char *names[] = {name, "tokenizer.bin"};
    for (size_t i = 0; i < FIG_COUNT(names); i++) {
        fig_tokenizer *tok;
        snprintf(path, sizeof path, "%.*s%s", (int)dir, model_path, names[i]);
        if (!fig__path_exists(path)) continue;
        FIG_TRY(fig_tokenizer_load(m->ctx, path, &tok));
        return fig_model_set_tokenizer(m, tok);
    }
    return FIG_OK;
}

static fig_status load_llama2c(fig_context *ctx, const char *path, const fig_model_options *options, fig_model **out) {
    fig__weights *w;
    fig__json *settings;
    FIG_TRY(fig__llama2c_open(ctx, path, &w, &settings));
    fig_status status = make(ctx, "llama", settings, w, options, out);
    if (!status) status = llama2c_tokenizer(*out, path);
    fig__json_free(settings);
    fig__weights_close(w);
    return status;
}

static fig_status load_path(fig_context *ctx, const char *path, const fig_model_options *options, fig_model **out) {
    if (fig__path_is_dir(path)) return load_dir(ctx, path, NULL, options, out);
    if (ends_with(path, ".bin")) return load_llama2c(ctx, path, options, out);
    FIG_CHECK(
        ctx, ends_with(path, ".safetensors"), FIG_ERR_FORMAT,
        "%s: not a model; give a model folder, a .safetensors file beside its config.json, or a llama2.c .bin file",
        path);
    char dir[4096];
    snprintf(dir, sizeof dir, "%.*s.", (int)(fig__path_base(path) - path), path);
    return load_dir(ctx, dir, path, options, out);
}

static fig_status arch_of_dir(fig_context *ctx, const char *dir, const fig_arch **arch) {
    fig__json *config = NULL, *settings = NULL;
    const char *name = NULL;
    fig_status status = load_config(ctx, dir, &config, &name, &settings);
    *arch = status ? NULL : fig_arch_find(name);
    if (!status && !*arch) status = FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown architecture %.60s", dir, name);
    fig__json_free(settings);
    fig__json_free(config);
    return status;
}

fig_status fig_model_arch_of(fig_context *ctx, const char *name, const fig_arch **arch) {
    char dir[4096], *path = fig_model_find(ctx, name);
    *arch = NULL;
    if (!path) return fig_error_code(ctx);
    bool folder = fig__path_is_dir(path), llama2c = !folder && ends_with(path, ".bin");
    snprintf(dir, sizeof dir, "%.*s%s", (int)(folder ? strlen(path) : (size_t)(fig__path_base(path) - path)), path,
             folder ? "" : ".");
    if (llama2c) *arch = fig_arch_find("llama");
    fig_status status = llama2c ? FIG_OK : arch_of_dir(ctx, dir, arch);
    fig__free(ctx, path);
    return status;
}

fig_status fig_model_load(fig_context *ctx, const char *name, const fig_model_options *options, fig_model **out) {
    *out = NULL;
    char *path = fig_model_find(ctx, name);
    if (!path) return fig_error_code(ctx);
    fig_model *m = NULL;
    fig_status status = load_path(ctx, path, options, &m);
    if (status) {
        fig_model_free(m);
        fig__free(ctx, path);
        return status;
    }
    m->path = path;
    *out = m;
    return FIG_OK;
}

/* --- weights of another model -----------------------------------------------------------------------------------*/

static bool same_texts(const fig_strings *a, const fig_strings *b) {
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (strcmp(a->data[i], b->data[i])) return false;
    return a->n == b->n;
}

static fig_status check_vocabulary(const fig_model *m, const fig_model *from) {
    const char *what = NULL;
    if (m->words.n && !same_texts(&m->words, &from->words)) what = "knows other words";
    if (m->classes.n && !same_texts(&m->classes, &from->classes)) what = "has other classes";
    if (m->tokenizer &&
        (!from->tokenizer || strcmp(fig_tokenizer_hash(m->tokenizer), fig_tokenizer_hash(from->tokenizer))))
        what = "has another tokenizer";
    FIG_CHECK(m->ctx, !what, FIG_ERR_ARG, "%s: %s than this data; begin without --init_from", from->path, what);
    return FIG_OK;
}

static fig_status copy_param(fig_model *m, const fig_model *from, const fig_param_info *p) {
    fig_param_info q;
    bool fits = fig_params_find(from->params, p->path, &q) && q.ndim == p->ndim &&
                !memcmp(q.shape, p->shape, p->ndim * sizeof *p->shape);
    FIG_CHECK(m->ctx, fits, FIG_ERR_SHAPE,
              "%s: no %s of this model's size; --init_from takes models of the same layers", from->path, p->path);
    float *values = FIG_NEW_N(m->ctx, float, p->numel);
    if (!values) return FIG_ERR_NOMEM;
    fig_status status = fig_params_get(from->params, p->path, values, FIG_F32, p->numel);
    if (!status) status = fig_params_set(m->params, p->path, values, FIG_F32, p->numel);
    fig__free(m->ctx, values);
    return status;
}

fig_status fig_model_init_from(fig_model *m, const char *path) {
    fig_model *from;
    FIG_TRY(fig_model_load(m->ctx, path, NULL, &from));
    fig_status status = check_vocabulary(m, from);
    for (size_t i = 0; !status && i < fig_params_count(m->params); i++) {
        fig_param_info p = fig_params_at(m->params, i);
        status = copy_param(m, from, &p);
    }
    fig_model_free(from);
    return status;
}
