/* models/save.c: writing a Hugging Face directory. Joined matrices are cut into the parts that other programs know, the
 * padding of the vocabulary is left out. */
#include <stdio.h>
#include "base/file.h"
#include "core/core.h"
#include "files/hf_config.h"
#include "files/safetensors.h"
#include "models/model.h"

/* One tensor of the file: rows [first, first + rows) of a parameter. */
typedef struct piece {
    fig_param_info info;
    char name[256];
    size_t first, rows;
    bool transposed;
} piece;

typedef struct pieces {
    piece *data;
    size_t n, cap;
} pieces;

/* Rows of the i-th part of a joined matrix: q, k and v, or gate and up. */
static size_t part_rows(const fig_model *m, const fig_param_info *p, int n_parts, int i) {
    if (n_parts == 2) return p->shape[0] / 2;
    size_t heads = (size_t)fig_model_get_int(m, "n_head"), kv = (size_t)fig_model_get_int(m, "n_kv_head");
    if (!kv) kv = heads;
    size_t head = p->shape[0] / (heads + 2 * kv);
    return head * (i ? kv : heads);
}

static size_t rows_to_save(const fig_model *m, const fig_param_info *p) {
    size_t vocab = (size_t)fig_model_get_int(m, "vocab_size");
    return fig__is_vocabulary(p->path) && vocab && vocab < p->shape[0] ? vocab : p->shape[0];
}

static fig_status add_pieces(const fig_model *m, fig_param_info p, bool own_names, pieces *list) {
    int block = -1, n_parts = 0;
    const fig__name *row = own_names || !m->arch->names ? NULL : fig__names_find(m->arch->names, p.path, &block);
    piece one = {.info = p, .rows = rows_to_save(m, &p)};
    snprintf(one.name, sizeof one.name, "%s", p.path);
    if (!row) return FIG_PUSH(m->ctx, list, one);
    while (n_parts < 3 && row->theirs[n_parts]) n_parts++;
    one.transposed = row->transposed;
    for (int i = 0; i < n_parts; i++) {
        fig__name_numbered(row->theirs[i], block, one.name, sizeof one.name);
        if (n_parts > 1) one.rows = part_rows(m, &p, n_parts, i);
        FIG_TRY(FIG_PUSH(m->ctx, list, one));
        one.first += one.rows;
    }
    return FIG_OK;
}

static fig_status declare(fig__st_writer *w, const piece *p, fig_dtype dtype) {
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, p->info.shape, sizeof shape);
    shape[0] = p->rows;
    if (p->transposed) {
        shape[0] = p->info.shape[1];
        shape[1] = p->rows;
    }
    return fig__st_writer_declare(w, p->name, dtype, p->info.ndim, shape);
}

static fig_status write_piece(const fig_model *m, fig__st_writer *w, const piece *p, fig_dtype dtype) {
    size_t cols = p->info.numel / p->info.shape[0], n = p->rows * cols;
    float *all = FIG_NEW_N(m->ctx, float, p->info.numel + n);
    if (!all) return FIG_ERR_NOMEM;
    float *out = all + p->info.numel, *from = all + p->first * cols;
    fig_status status = fig_params_get(m->params, p->info.path, all, FIG_F32, p->info.numel);
    if (p->transposed)
        figk(m->ctx)->transpose(p->rows, cols, out, p->rows, from, cols, sizeof(float));
    else
        memcpy(out, from, n * sizeof(float));
    if (!status && dtype != FIG_F32) figk_convert(m->ctx, n, all, dtype, out, FIG_F32);
    if (!status)
        status = fig__st_writer_data(w, dtype == FIG_F32 ? (void *)out : (void *)all, n * fig_dtype_size(dtype));
    fig__free(m->ctx, all);
    return status;
}

static fig_status write_weights(const fig_model *m, const char *dir, fig_dtype dtype, bool own_names) {
    pieces list = {0};
    fig__st_writer *w = NULL;
    char *path = fig__path_join(m->ctx, dir, "model.safetensors");
    fig_status status = path ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; !status && i < fig_params_count(m->params); i++)
        status = add_pieces(m, fig_params_at(m->params, i), own_names, &list);
    if (!status) status = fig__st_writer_new(m->ctx, path, NULL, &w);
    for (size_t i = 0; !status && i < list.n; i++) status = declare(w, &list.data[i], dtype);
    for (size_t i = 0; !status && i < list.n; i++) status = write_piece(m, w, &list.data[i], dtype);
    if (status)
        fig__st_writer_abort(w);
    else
        status = fig__st_writer_commit(w);
    fig__free(m->ctx, list.data);
    fig__free(m->ctx, path);
    return status;
}

static fig_status save_json(const fig_model *m, const char *dir, const char *name, const fig__json *j) {
    char *path = fig__path_join(m->ctx, dir, name);
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__json_save(m->ctx, path, j, 2);
    fig__free(m->ctx, path);
    return status;
}

/* What other programs read must be complete: zeros that stand for "work it out" are worked out. How the model is
 * trained and padded is nobody else's business. */
static fig__json *complete_settings(const fig_model *m) {
    static const char *const own[] = {"padded_vocab", "init_std", "dropout", "mask_rate", "codec"};
    fig__json *all = fig__json_new_object();
    uint8_t *config = FIG_NEW_N(m->ctx, uint8_t, m->arch->config_size);
    if (config) memcpy(config, m->config, m->arch->config_size);
    if (config && m->arch->resolve) m->arch->resolve(config);
    fig_status status = config && all ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; !status && i < m->arch->options->n; i++) {
        const fig_option *o = &m->arch->options->rows[i];
        bool skip = !o->name;
        for (size_t k = 0; !skip && k < FIG_COUNT(own); k++) skip = !strcmp(o->name, own[k]);
        if (!skip) status = fig__json_put(all, o->name, fig__option_get_json(o, config));
    }
    fig__free(m->ctx, config);
    if (!status) return all;
    fig__json_free(all);
    return NULL;
}

static fig_status write_configs(const fig_model *m, const char *dir, fig_dtype dtype, bool *own_names) {
    fig__hf_tokens tokens = {.bos = -1, .pad = -1};
    fig__json *settings = complete_settings(m), *config = NULL, *generation = NULL;
    const char *misfit = NULL;
    if (m->tokenizer) {
        tokens.bos = fig_tokenizer_bos(m->tokenizer);
        tokens.pad = fig_tokenizer_pad(m->tokenizer);
        if (fig_tokenizer_eos(m->tokenizer) >= 0) tokens.eos[tokens.n_eos++] = fig_tokenizer_eos(m->tokenizer);
    }
    fig_status status =
        settings ? fig__hf_write_config(m->ctx, m->arch->name, settings, dtype, &config, &misfit) : FIG_ERR_NOMEM;
    if (!status) status = fig__hf_put_tokens(config, &tokens);
    if (!status) status = save_json(m, dir, "config.json", config);
    if (!status) status = fig__hf_write_generation(m->ctx, m->generation, &tokens, &generation);
    if (!status) status = save_json(m, dir, "generation_config.json", generation);
    *own_names = misfit != NULL;
    fig__json_free(settings);
    fig__json_free(config);
    fig__json_free(generation);
    return status;
}

fig_status fig_model_save(const fig_model *m, const char *dir, fig_dtype dtype) {
    bool own_names;
    FIG_TRY(fig__mkdirs(m->ctx, dir));
    FIG_TRY(write_configs(m, dir, dtype, &own_names));
    FIG_TRY(write_weights(m, dir, dtype, own_names));
    FIG_TRY(fig__lexicon_save(m, dir));
    if (!m->tokenizer) return FIG_OK;
    char *path = fig__path_join(m->ctx, dir, "tokenizer.json");
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig_tokenizer_save(m->tokenizer, path);
    fig__free(m->ctx, path);
    return status;
}
