/* models/model.c: making a model: settings, tokenizer, parameters, graphs. Reading and writing is in load.c and save.c.
 */
#include "models/model.h"
#include <fig/ops.h>
#include "base/file.h"
#include "core/core.h"
#include "ops/ops.h"

/* --- architectures ----------------------------------------------------------------------------------------------*/

#define FIG_ARCH(id) extern const fig_arch fig__arch_##id;
#include "models/models.def"
#undef FIG_ARCH
#define MAX_ADDED 64
static const fig_arch *const built_in[] = {
#define FIG_ARCH(id) &fig__arch_##id,
#include "models/models.def"
#undef FIG_ARCH
};
static const fig_arch *added[MAX_ADDED];
static size_t n_added;

size_t fig_arch_count(void) { return FIG_COUNT(built_in) + n_added; }
const fig_arch *fig_arch_at(size_t i) { return i < FIG_COUNT(built_in) ? built_in[i] : added[i - FIG_COUNT(built_in)]; }
const fig_arch *fig_arch_find(const char *name) {
    for (size_t i = 0; i < fig_arch_count(); i++)
        if (!strcmp(fig_arch_at(i)->name, name)) return fig_arch_at(i);
    return NULL;
}
fig_status fig_arch_register(fig_context *ctx, const fig_arch *arch) {
    FIG_CHECK(ctx, arch->family, FIG_ERR_ARG, "%s: names no family", arch->name);
    for (size_t i = 0; i < FIG_COUNT(arch->family->settings) && arch->family->settings[i]; i++)
        FIG_CHECK(ctx, fig__option_find(*arch->options, arch->family->settings[i]), FIG_ERR_ARG,
                  "%s: has no setting %s", arch->name, arch->family->settings[i]);
    FIG_CHECK(ctx, !fig_arch_find(arch->name), FIG_ERR_EXISTS, "%s: an architecture of this name exists", arch->name);
    FIG_CHECK(ctx, n_added < MAX_ADDED, FIG_ERR_LIMIT, "%s: %d architectures were added already", arch->name,
              MAX_ADDED);
    added[n_added++] = arch;
    return FIG_OK;
}

static fig_status unknown_arch(fig_context *ctx, const char *name) {
    const char *names[FIG_COUNT(built_in) + MAX_ADDED];
    for (size_t i = 0; i < fig_arch_count(); i++) names[i] = fig_arch_at(i)->name;
    const char *near = fig__nearest(name, names, fig_arch_count());
    return FIG_FAIL(ctx, FIG_ERR_ARG, "%s: unknown architecture; %s %s", name, near ? "did you mean" : "one is",
                    near ? near : names[0]);
}

/* --- making -----------------------------------------------------------------------------------------------------*/

static fig_status model_start(fig_model *m) {
    m->arena = fig__arena_new(m->ctx, 0);
    m->config = FIG_NEW_N(m->ctx, uint8_t, m->arch->config_size + 1);
    if (!m->arena || !m->config) return FIG_ERR_NOMEM;
    FIG_TRY(fig__options_defaults(m->ctx, *m->arch->options, m->config, m->arena));
    if (m->options.dtype == FIG_DTYPE_COUNT) m->options.dtype = fig_cpu_favors_bf16(m->ctx) ? FIG_BF16 : FIG_F32;
    fig_params_options p = {.compute = m->options.dtype, .seed = m->options.seed, .inference = m->options.inference};
    return fig_params_new(m->ctx, &p, &m->params);
}

fig_status fig_model_new(fig_context *ctx, const char *arch, const fig_model_options *options, fig_model **out) {
    *out = NULL;
    const fig_arch *a = fig_arch_find(arch);
    if (!a) return unknown_arch(ctx, arch);
    fig_model *m = FIG_NEW(ctx, fig_model);
    if (!m) return FIG_ERR_NOMEM;
    *m = (fig_model){.ctx = ctx, .arch = a, .options = {.dtype = FIG_DTYPE_COUNT}};
    if (options) m->options = *options;
    fig_status status = model_start(m);
    if (status) {
        fig_model_free(m);
        return status;
    }
    *out = m;
    return FIG_OK;
}

void fig_model_free(fig_model *m) {
    if (!m) return;
    fig_params_free(m->params);
    fig_tokenizer_free(m->tokenizer);
    fig__json_free(m->generation);
    fig__arena_free(m->arena);
    fig__free(m->ctx, m->config);
    fig__free(m->ctx, m->path);
    fig__free(m->ctx, m);
}

fig_status fig_model_set(fig_model *m, const char *key, const char *value) {
    const fig_option *o = fig__option_find(*m->arch->options, key);
    if (!o) {
        const char *near = fig__option_nearest(m->arch->options, 1, key);
        return FIG_FAIL(m->ctx, FIG_ERR_ARG, "%s: %s has no such setting%s%s", key, m->arch->name,
                        near ? "; did you mean " : "", near ? near : "");
    }
    FIG_CHECK(m->ctx, !m->shaped, FIG_ERR_ARG, "%s: the model's parameters exist already", key);
    return fig__option_set(m->ctx, o, m->config, value, m->arena);
}

fig_status fig__model_apply(fig_model *m, const fig__json *settings) {
    fig__json *value;
    for (size_t i = 0; i < fig__json_size(settings); i++) {
        const char *key = fig__json_key(settings, i, &value);
        const fig_option *o = fig__option_find(*m->arch->options, key);
        if (o) FIG_TRY(fig__option_set_json(m->ctx, o, m->config, value, m->arena));
    }
    return FIG_OK;
}

fig_status fig_model_set_tokenizer(fig_model *m, fig_tokenizer *tokenizer) {
    char size[32];
    fig_tokenizer_free(m->tokenizer);
    m->tokenizer = tokenizer;
    if (m->shaped || !fig__option_find(*m->arch->options, "vocab_size")) return FIG_OK;
    snprintf(size, sizeof size, "%d", (int)fig_tokenizer_vocab_size(tokenizer));
    return fig_model_set(m, "vocab_size", size);
}

fig_status fig_model_shape(fig_model *m) {
    if (m->shaped) return FIG_OK;
    if (m->arch->family->settle) FIG_TRY(m->arch->family->settle(m));
    if (m->arch->check) FIG_TRY(m->arch->check(m->ctx, m->config));
    fig_graph *g = fig_model_graph_new(m, FIG_EVAL);
    if (!g) return FIG_ERR_NOMEM;
    m->arch->family->record(m, g);
    fig_status status = fig_graph_status(g);
    fig_graph_free(g);
    m->shaped = !status;
    return status;
}

fig_status fig_model_init(fig_model *m) {
    FIG_TRY(fig_model_shape(m));
    fig_status status = fig_params_alloc(m->params);
    if (status != FIG_ERR_NOMEM) return status;
    return FIG_FAIL(m->ctx, FIG_ERR_NOMEM, "the model's %zu MB do not fit in memory; lower --n_layer or --n_embd",
                    fig_params_bytes(m->params) >> 20);
}

/* --- facts ------------------------------------------------------------------------------------------------------*/

const fig_arch *fig_model_arch(const fig_model *m) { return m->arch; }
const void *fig_model_config(const fig_model *m) { return m->config; }
fig_params *fig_model_params(const fig_model *m) { return m->params; }
fig_tokenizer *fig_model_tokenizer(const fig_model *m) { return m->tokenizer; }
fig_context *fig_model_context(const fig_model *m) { return m->ctx; }
fig_dtype fig_model_dtype(const fig_model *m) { return m->options.dtype; }
size_t fig_model_n_params(const fig_model *m) { return fig_params_numel(m->params, false); }
void fig_free(fig_context *ctx, void *p) { fig__free(ctx, p); }

int64_t fig_model_get_int(const fig_model *m, const char *key) {
    const fig_option *o = fig__option_find(*m->arch->options, key);
    return o && o->kind == FIG_OPT_INT ? *(const int64_t *)(const void *)((const char *)m->config + o->offset) : 0;
}

double fig__model_get_real(const fig_model *m, const char *key) {
    const fig_option *o = fig__option_find(*m->arch->options, key);
    return o && o->kind == FIG_OPT_REAL ? *(const double *)(const void *)((const char *)m->config + o->offset) : 0;
}

fig__json *fig__model_settings(const fig_model *m) {
    fig__json *all = fig__json_new_object();
    for (size_t i = 0; all && i < m->arch->options->n; i++) {
        const fig_option *o = &m->arch->options->rows[i];
        if (o->name && fig__json_put(all, o->name, fig__option_get_json(o, m->config))) {
            fig__json_free(all);
            return NULL;
        }
    }
    return all;
}

bool fig__is_vocabulary(const char *path) {
    return !strcmp(path, "embed.weight") || !strcmp(path, "head.weight") || !strcmp(path, "head.bias");
}

/* --- graphs -----------------------------------------------------------------------------------------------------*/

fig_graph *fig_model_graph_new(fig_model *m, fig_mode mode) {
    fig_graph *g;
    return fig_graph_new(m->ctx, m->params, &(fig_graph_options){mode, m->options.dtype}, &g) ? NULL : g;
}

fig_graph *fig_model_graph(fig_model *m, fig_mode mode, size_t batch, size_t time, fig_lm_inputs *in) {
    fig_graph *g = fig_model_graph_new(m, mode);
    if (!g) return NULL;
    bool own_positions = mode == FIG_PREFILL || mode == FIG_DECODE;
    *in = (fig_lm_inputs){.batch = batch, .time = time};
    in->tokens = fig_input(g, "tokens", FIG_I32, 2, (size_t[]){batch, time});
    in->positions = fig_input(g, "positions", FIG_I32, 2, (size_t[]){own_positions ? batch : 1, time});
    return g;
}

fig_tensor *fig_model_hidden(fig_model *m, fig_graph *g, const fig_lm_inputs *in, fig_tensor **head) {
    return m->arch->net.language->hidden(g, m->config, in, head);
}

fig_tensor *fig__model_logits(fig_graph *g, fig_tensor *hidden, fig_tensor *head) {
    return fig__matmul_decode(g, fig__rows(g, hidden), head, fig__real_dtype(g));
}
