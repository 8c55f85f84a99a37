/* cli/cmd_info.c: figment info: what a file or folder is; without one, which models can be found.
 *
 * What is told is gathered as one JSON object: printed as it is with --json, else as lines. */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "cli/cli.h"
#include "cli/pictures.h"
#include "cli/text.h"
#include "data/shard.h"
#include "files/llama2c.h"
#include "files/safetensors.h"
#include "media/image/record.h"
#include "models/model.h"

#define JSON_MAX ((size_t)64 << 20)
#define HEAD_BYTES 4096
#define MAX_LISTED 100000

typedef struct settings {
    bool tensors;
} settings;

static const fig_option rows[] = {
    {.name = "tensors",
     .kind = FIG_OPT_BOOL,
     .offset = offsetof(settings, tensors),
     .help = "list every tensor of a model or checkpoint"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

/* --- facts ---------------------------------------------------------------------------------------------------------*/

static void put_str(fig__json *j, const char *key, const char *value) {
    fig__json_put(j, key, fig__json_new_str(value));
}
static void put_int(fig__json *j, const char *key, int64_t value) { fig__json_put(j, key, fig__json_new_int(value)); }

/* One line per fact; arrays of objects (tensors) one line each. */
static fig_status print_value(fig_context *ctx, const char *key, const fig__json *value, int indent) {
    fig__buf text;
    fig__buf_init(&text, ctx, JSON_MAX);
    fig_status status;
    if (fig__json_type(value) == FIG_JSON_STRING)
        status = fig__buf_adds(&text, fig__json_str(value, ""));
    else
        status = fig__json_write(value, 0, &text);
    if (!status) status = fig__printf(ctx, "%*s%-*s ", indent, "", 18 - indent, key);
    if (!status) status = fig__print(ctx, fig__buf_str(&text), text.len);
    if (!status) status = fig__print(ctx, "\n", 1);
    fig__buf_deinit(&text);
    return status;
}

static fig_status print_lines(fig_context *ctx, const fig__json *facts, int indent) {
    for (size_t i = 0; i < fig__json_size(facts); i++) {
        fig__json *value;
        const char *key = fig__json_key(facts, i, &value);
        bool nested = fig__json_type(value) == FIG_JSON_OBJECT && fig__json_size(value);
        if (nested) {
            FIG_TRY(fig__printf(ctx, "%*s%s\n", indent, "", key));
            FIG_TRY(print_lines(ctx, value, indent + 2));
        } else {
            FIG_TRY(print_value(ctx, key, value, indent));
        }
    }
    return FIG_OK;
}

static fig_status print_facts(fig__args *args, fig__json *facts) {
    if (args->globals.json) return fig__print_json(args->ctx, facts, 2);
    fig_status status = facts ? print_lines(args->ctx, facts, 0) : FIG_FAIL(args->ctx, FIG_ERR_NOMEM, "out of memory");
    fig__json_free(facts);
    return status;
}

static fig__json *facts_new(const char *path, const char *kind) {
    fig__json *j = fig__json_new_object();
    put_str(j, "path", path);
    put_str(j, "kind", kind);
    return j;
}

/* --- models --------------------------------------------------------------------------------------------------------*/

static void put_tensors_of_model(fig__json *j, const fig_model *m) {
    fig__json *all = fig__json_new_object();
    const fig_params *p = fig_model_params(m);
    for (size_t i = 0; i < fig_params_count(p); i++) {
        fig_param_info info = fig_params_at(p, i);
        fig__json *shape = fig__json_new_array();
        for (int d = 0; d < info.ndim; d++) fig__json_push(shape, fig__json_new_int((int64_t)info.shape[d]));
        fig__json_put(all, info.path, shape);
    }
    fig__json_put(j, "tensors", all);
}

static void put_tokenizer(fig__json *j, const fig_tokenizer *tok) {
    if (!tok) return;
    put_str(j, "tokenizer", fig_tokenizer_kind_name(fig_tokenizer_get_kind(tok)));
    put_int(j, "tokens", fig_tokenizer_vocab_size(tok));
    put_str(j, "tokenizer_sha256", fig_tokenizer_hash(tok));
}

static fig_status describe_model(fig__args *args, const settings *s, const char *path) {
    fig_model *m;
    char text[32];
    FIG_TRY(fig_model_load(args->ctx, path, &(fig_model_options){.dtype = FIG_DTYPE_COUNT, .inference = true}, &m));
    fig__json *j = facts_new(path, "model");
    put_str(j, "architecture", fig_model_arch(m)->name);
    put_str(j, "what", fig_model_arch(m)->summary);
    put_int(j, "parameters", (int64_t)fig_model_n_params(m));
    put_str(j, "in_short", fig__human_count((double)fig_model_n_params(m), text));
    put_str(j, "dtype", fig_dtype_name(fig_model_dtype(m)));
    put_int(j, "memory_bytes", (int64_t)fig_params_bytes(fig_model_params(m)));
    fig__json_put(j, "settings", fig__model_settings(m));
    put_tokenizer(j, fig_model_tokenizer(m));
    if (fig__model_generation(m))
        fig__json_put(j, "sampling", fig__json_ref((fig__json *)(uintptr_t)fig__model_generation(m)));
    if (s->tensors) put_tensors_of_model(j, m);
    fig_model_free(m);
    return print_facts(args, j);
}

/* A lone .safetensors file, or the state of a checkpoint. */
static fig_status describe_weights(fig__args *args, const settings *s, const char *path, fig__json *j) {
    fig__weights *w;
    fig_status status = fig__st_open(args->ctx, path, &w);
    if (status) {
        fig__json_free(j);
        return status;
    }
    int64_t numel = 0, bytes = 0;
    fig__json *all = fig__json_new_object();
    for (size_t i = 0; i < fig__weights_count(w); i++) {
        const fig__weight *t = fig__weights_at(w, i);
        char text[256] = "";
        size_t used = (size_t)snprintf(text, sizeof text, "%s [", t->dtype_name);
        for (int d = 0; d < t->ndim && used < sizeof text; d++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu", d ? ", " : "", t->shape[d]);
        if (used < sizeof text) snprintf(text + used, sizeof text - used, "]");
        if (s->tensors) put_str(all, t->name, text);
        numel += (int64_t)t->numel;
        bytes += (int64_t)t->bytes;
    }
    put_int(j, "tensors_count", (int64_t)fig__weights_count(w));
    put_int(j, "elements", numel);
    put_int(j, "bytes", bytes);
    if (s->tensors)
        fig__json_put(j, "tensors", all);
    else
        fig__json_free(all);
    fig__weights_close(w);
    return print_facts(args, j);
}

static fig_status describe_checkpoint(fig__args *args, const settings *s, const char *path) {
    fig__json *state;
    const char *file = fig__arena_printf(args->arena, "%s/state.json", path);
    const char *weights = fig__arena_printf(args->arena, "%s/state.safetensors", path);
    if (!file || !weights) return FIG_ERR_NOMEM;
    FIG_TRY(fig__json_load(args->ctx, file, JSON_MAX, &state));
    fig__json *j = facts_new(path, "checkpoint");
    fig__json_put(j, "state", state);
    return describe_weights(args, s, weights, j);
}

/* A run without a model yet. */
static fig_status describe_run(fig__args *args, const char *path) {
    fig__json *recipe;
    const char *file = fig__arena_printf(args->arena, "%s/recipe.yaml", path);
    if (!file) return FIG_ERR_NOMEM;
    FIG_TRY(fig__yaml_load(args->ctx, file, JSON_MAX, &recipe));
    fig__json *j = facts_new(path, "run that has no model yet");
    fig__json_put(j, "recipe", recipe);
    return print_facts(args, j);
}

/* --- data and tokenizers -------------------------------------------------------------------------------------------*/

static fig_status describe_dataset(fig__args *args, const char *path) {
    fig_dataset *ds;
    FIG_TRY(fig_dataset_open(args->ctx, path, &ds));
    fig_status status = fig__describe_dataset(args, path, fig_dataset_get_info(ds));
    fig_dataset_close(ds);
    return status;
}

/* Its size, and how it was made where it says so. */
static fig_status describe_picture(fig__args *args, const char *path) {
    fig__mapping map;
    fig__image image;
    fig__json *record = NULL;
    FIG_TRY(fig__file_map(args->ctx, path, &map));
    fig_status status = fig__image_decode(args->ctx, path, map.data, map.size, &image);
    if (!status && fig__record_read(args->ctx, path, map.data, map.size, &record)) fig_error_clear(args->ctx);
    fig__json *j = status ? NULL : facts_new(path, "picture");
    if (j) {
        put_int(j, "width", (int64_t)image.w);
        put_int(j, "height", (int64_t)image.h);
        put_int(j, "channels", (int64_t)image.c);
    }
    if (j && record) fig__json_put(j, "made_by", record);
    if (!status) fig__image_free(args->ctx, &image);
    fig__file_unmap(&map);
    return status ? status : print_facts(args, j);
}

static bool is_picture(fig_context *ctx, const char *path) {
    fig__mapping map;
    if (fig__file_map(ctx, path, &map)) return fig_error_clear(ctx), false;
    bool known = fig__image_format(map.data, map.size) != NULL;
    fig__file_unmap(&map);
    return known;
}

static fig_status describe_tokenizer(fig__args *args, const char *path) {
    fig_tokenizer *tok;
    FIG_TRY(fig_tokenizer_load(args->ctx, path, &tok));
    fig__json *j = facts_new(path, "tokenizer"), *special = fig__json_new_array();
    put_tokenizer(j, tok);
    for (int32_t i = 0; i < fig_tokenizer_vocab_size(tok); i++) {
        size_t len;
        const char *name = fig_tokenizer_is_special(tok, i) ? fig_tokenizer_token(tok, i, &len) : NULL;
        if (name) fig__json_push(special, fig__json_new_strn(name, len));
    }
    fig__json_put(j, "special", special);
    fig_tokenizer_free(tok);
    return print_facts(args, j);
}

static fig_status describe_text(fig__args *args, const char *path) {
    fig_text *text;
    const char *data;
    size_t len = 1;
    bool ends;
    FIG_TRY(fig_text_open(args->ctx, &path, 1, &text));
    const fig_text_stats *s = fig_text_get_stats(text);
    fig_status status = FIG_OK;
    while (!status && len && !s->is_tokens) status = fig_text_read(text, &data, &len, &ends);
    fig__json *j = facts_new(path, s->is_tokens ? "tokens" : "text");
    put_int(j, "files", (int64_t)s->n_files);
    if (!s->is_tokens) {
        put_int(j, "documents", (int64_t)s->n_documents);
        put_int(j, "bytes", (int64_t)s->bytes);
        put_int(j, "characters", (int64_t)s->characters);
        put_int(j, "bytes_not_utf8", (int64_t)s->bad_bytes);
        put_int(j, "binary_files", (int64_t)s->n_binary);
        put_int(j, "rows_without_text", (int64_t)s->n_bad_rows);
    }
    fig_text_close(text);
    if (!status) return print_facts(args, j);
    fig__json_free(j);
    return status;
}

static fig_status describe_shard(fig__args *args, const char *path, const fig__mapping *head) {
    fig__shard_head h;
    FIG_TRY(fig__shard_header(args->ctx, path, head->data, head->size, head->size, &h));
    fig__json *j = facts_new(path, "tokens (llm.c)");
    put_int(j, "tokens", (int64_t)h.n_tokens);
    put_int(j, "bytes_per_token", h.token_bytes);
    return print_facts(args, j);
}

/* --- which of them it is -------------------------------------------------------------------------------------------*/

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool holds(fig__args *args, const char *dir, const char *name) {
    const char *path = fig__arena_printf(args->arena, "%s/%s", dir, name);
    return path && fig__path_exists(path);
}

static fig_status describe_folder(fig__args *args, const settings *s, const char *path) {
    if (holds(args, path, "config.json")) return describe_model(args, s, path);
    if (fig_dataset_is_prepared(path)) return describe_dataset(args, path);
    if (fig_pictures_is_prepared(path)) return fig__describe_pictures(args, path);
    if (holds(args, path, "state.safetensors")) return describe_checkpoint(args, s, path);
    if (holds(args, path, "recipe.yaml")) return describe_run(args, path);
    bool tokenizer =
        holds(args, path, "tokenizer.json") || holds(args, path, "encoder.json") || holds(args, path, "vocab.json");
    return tokenizer ? describe_tokenizer(args, path) : describe_text(args, path);
}

static fig_status describe_bin(fig__args *args, const settings *s, const char *path) {
    fig__mapping map;
    fig_tokenizer *tok = NULL;
    FIG_TRY(fig__file_map(args->ctx, path, &map));
    bool shard = fig__shard_is_header(map.data, map.size), llama2c = fig__llama2c_probe(map.data, map.size);
    fig_status status = FIG_OK;
    if (shard) status = describe_shard(args, path, &map);
    fig__file_unmap(&map);
    if (shard) return status;
    if (llama2c) return describe_model(args, s, path);
    if (fig_tokenizer_load(args->ctx, path, &tok)) return describe_text(args, path);
    fig_tokenizer_free(tok);
    return describe_tokenizer(args, path);
}

static bool is_tokenizer(fig__args *args, const char *path) {
    fig_tokenizer *tok = NULL;
    bool loads = !fig_tokenizer_load(args->ctx, path, &tok);
    fig_tokenizer_free(tok);
    fig_error_clear(args->ctx);
    return loads;
}

static fig_status describe(fig__args *args, const settings *s, const char *path) {
    bool model = !fig__path_exists(path) ||
                 (ends_with(path, ".safetensors") && strcmp(fig__path_base(path), "model.safetensors") == 0);
    if (model) return describe_model(args, s, path);
    if (fig__path_is_dir(path)) return describe_folder(args, s, path);
    if (is_picture(args->ctx, path)) return describe_picture(args, path);
    if (ends_with(path, ".safetensors")) return describe_weights(args, s, path, facts_new(path, "tensors"));
    if (ends_with(path, ".bin")) return describe_bin(args, s, path);
    bool tokenizer_name =
        ends_with(path, "tokenizer.json") || ends_with(path, "encoder.json") || ends_with(path, "vocab.json");
    if (tokenizer_name) return describe_tokenizer(args, path);
    bool tokenizer = (ends_with(path, ".json") || ends_with(path, ".tiktoken")) && is_tokenizer(args, path);
    return tokenizer ? describe_tokenizer(args, path) : describe_text(args, path);
}

/* --- models that can be found --------------------------------------------------------------------------------*/

static fig_status list_place(fig__args *args, const char *place, fig__json *list) {
    fig__paths names = {0};
    if (!place || !fig__path_is_dir(place)) return FIG_OK;
    fig_status status = fig__dir_list(args->ctx, place, MAX_LISTED, &names);
    for (size_t i = 0; i < names.n && !status; i++) {
        const char *path = fig__arena_printf(args->arena, "%s/%s", place, names.data[i]);
        if (!path || !holds(args, path, "config.json")) continue;
        const char *weights = fig__arena_printf(args->arena, "%s/model.safetensors", path);
        fig__json *j = fig__json_new_object();
        put_str(j, "name", names.data[i]);
        put_str(j, "path", path);
        put_int(j, "bytes", weights ? (int64_t)fig__file_size(weights) : 0);
        status = fig__json_push(list, j);
    }
    fig__paths_deinit(args->ctx, &names);
    return status;
}

static fig_status print_list(fig__args *args, fig__json *list) {
    if (args->globals.json) return fig__print_json(args->ctx, list, 2);
    char text[32];
    fig_status status = FIG_OK;
    for (size_t i = 0; i < fig__json_size(list) && !status; i++) {
        const fig__json *j = fig__json_at(list, i);
        status = fig__printf(args->ctx, "%-24s %10s  %s\n", fig__json_str(fig__json_get(j, "name"), ""),
                             fig__human_bytes((double)fig__json_int(fig__json_get(j, "bytes"), 0), text),
                             fig__json_str(fig__json_get(j, "path"), ""));
    }
    if (!status && !fig__json_size(list))
        status = fig__printf(args->ctx, "no models in FIGMENT_MODELS, ./models, ./runs; figment train makes one\n");
    fig__json_free(list);
    return status;
}

static fig_status list_models(fig__args *args) {
    fig_strings places = {0};
    fig__json *list = fig__json_new_array();
    fig_status status = list ? fig__model_places(args->ctx, args->arena, &places) : FIG_ERR_NOMEM;
    for (size_t i = 0; i < places.n && !status; i++) status = list_place(args, places.data[i], list);
    fig__free(args->ctx, places.data);
    if (!status) return print_list(args, list);
    fig__json_free(list);
    return status;
}

static fig_status run(fig__args *args) {
    settings s;
    FIG_TRY(fig__args_bind(args, &table, &s));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    FIG_TRY(fig__args_want_words(args, 0, 1));
    return args->words.n ? describe(args, &s, args->words.data[0]) : list_models(args);
}

const fig__command fig__cmd_info = {
    .name = "info",
    .usage = "[PATH]",
    .summary = "Say what a model, tokenizer, dataset or checkpoint is; without PATH, list models.",
    .details =
        "PATH is a folder, a file (.safetensors, llama2.c .bin, tokenizer, tokens, text), or the name of a model.",
    .example = "figment info\nfigment info shakespeare\nfigment info runs/mine/data --json",
    .tables = {&table},
    .run = run,
};
