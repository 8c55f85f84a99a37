/* files/hf_config.c: config.json of gpt2, llama, qwen3 and bert, by tables that reading and writing share. The defaults
 * are those of transformers 5 (models/NAME/configuration_NAME.py). */
#include "files/hf_config.h"
#include "base/base.h"
#include <stdio.h>

/* --- the families ----------------------------------------------------------------------------------------------*/

typedef enum field_kind { WHOLE, REAL, BOOL } field_kind;

typedef struct field {
    const char *ours, *theirs, *also; /* also: another spelling that transformers accepts, or NULL */
    field_kind kind;
    double fallback; /* where the file says nothing; 0 of an extent: worked out from others */
} field;

typedef struct reader {
    fig_context *ctx;
    const char *name;
    const fig__json *config;
    fig__json *settings;
} reader;

typedef struct family {
    const char *arch, *class_name;
    const field *fields;
    size_t n_fields;
    /* Settings that the family cannot vary, as JSON: the start of what reading gives, and what writing insists on. */
    const char *fixed;
    /* Their settings of which only one value can be computed here, as JSON; null: absent, null or empty. */
    const char *must;
    /* What the tables cannot say. misfit: the setting that keeps these from being the family's, or NULL. */
    fig_status (*read)(reader *r);                    /* NULL: nothing */
    const char *(*misfit)(const fig__json *settings); /* NULL: none */
    fig_status (*write)(const fig__json *settings, fig__json *config);
} family;

static const field gpt2_fields[] = {
    {"n_layer", "n_layer", "num_hidden_layers", WHOLE, 12},
    {"n_head", "n_head", "num_attention_heads", WHOLE, 12},
    {"n_embd", "n_embd", "hidden_size", WHOLE, 768},
    {"ffn_dim", "n_inner", NULL, WHOLE, 0},
    {"block_size", "n_positions", "max_position_embeddings", WHOLE, 1024},
    {"vocab_size", "vocab_size", NULL, WHOLE, 50257},
    {"norm_eps", "layer_norm_epsilon", NULL, REAL, 1e-5},
    {"tied", "tie_word_embeddings", NULL, BOOL, true},
};

static const field llama_fields[] = {
    {"n_layer", "num_hidden_layers", NULL, WHOLE, 32},
    {"n_head", "num_attention_heads", NULL, WHOLE, 32},
    {"n_kv_head", "num_key_value_heads", NULL, WHOLE, 0},
    {"n_embd", "hidden_size", NULL, WHOLE, 4096},
    {"head_dim", "head_dim", NULL, WHOLE, 0},
    {"ffn_dim", "intermediate_size", NULL, WHOLE, 11008},
    {"block_size", "max_position_embeddings", NULL, WHOLE, 2048},
    {"vocab_size", "vocab_size", NULL, WHOLE, 32000},
    {"norm_eps", "rms_norm_eps", NULL, REAL, 1e-6},
    {"tied", "tie_word_embeddings", NULL, BOOL, false},
};

static const field qwen3_fields[] = {
    {"n_layer", "num_hidden_layers", NULL, WHOLE, 32},
    {"n_head", "num_attention_heads", NULL, WHOLE, 32},
    {"n_kv_head", "num_key_value_heads", NULL, WHOLE, 32},
    {"n_embd", "hidden_size", NULL, WHOLE, 4096},
    {"head_dim", "head_dim", NULL, WHOLE, 128},
    {"ffn_dim", "intermediate_size", NULL, WHOLE, 22016},
    {"block_size", "max_position_embeddings", NULL, WHOLE, 32768},
    {"vocab_size", "vocab_size", NULL, WHOLE, 151936},
    {"norm_eps", "rms_norm_eps", NULL, REAL, 1e-6},
    {"tied", "tie_word_embeddings", NULL, BOOL, false},
};

static const field bert_fields[] = {
    {"n_layer", "num_hidden_layers", NULL, WHOLE, 12},
    {"n_head", "num_attention_heads", NULL, WHOLE, 12},
    {"n_embd", "hidden_size", NULL, WHOLE, 768},
    {"ffn_dim", "intermediate_size", NULL, WHOLE, 3072},
    {"block_size", "max_position_embeddings", NULL, WHOLE, 512},
    {"type_vocab_size", "type_vocab_size", NULL, WHOLE, 2},
    {"vocab_size", "vocab_size", NULL, WHOLE, 30522},
    {"norm_eps", "layer_norm_eps", NULL, REAL, 1e-12},
};

#define MAX_WHOLE (1 << 24)

/* --- small things ----------------------------------------------------------------------------------------------*/

static bool empty(const fig__json *j) {
    return fig__json_type(j) == FIG_JSON_NULL || (fig__json_type(j) >= FIG_JSON_ARRAY && fig__json_size(j) == 0);
}

static bool same(const fig__json *a, const fig__json *b) {
    fig__json_kind kind = fig__json_type(a);
    if (kind == FIG_JSON_NULL) return empty(b);
    if (kind == FIG_JSON_INT || kind == FIG_JSON_REAL) return fig__json_real(a, 0) == fig__json_real(b, -1);
    if (kind != fig__json_type(b)) return false;
    if (kind == FIG_JSON_BOOL) return fig__json_bool(a, false) == fig__json_bool(b, false);
    return kind == FIG_JSON_STRING && !strcmp(fig__json_str(a, ""), fig__json_str(b, ""));
}

static fig_status put_int(fig__json *object, const char *key, int64_t value) {
    return fig__json_put(object, key, fig__json_new_int(value));
}

static fig_status put_str(fig__json *object, const char *key, const char *value) {
    return fig__json_put(object, key, fig__json_new_str(value));
}

static int64_t get_int(const fig__json *object, const char *key) {
    return fig__json_int(fig__json_get(object, key), 0);
}

static fig_status unsupported(fig_context *ctx, const char *name, const char *key, const fig__json *value) {
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    bool small = fig__json_type(value) < FIG_JSON_ARRAY && fig__json_write(value, 0, &text) == FIG_OK;
    fig_status status = FIG_FAIL(ctx, FIG_ERR_UNSUPPORTED, "%s: %s%s%.100s is not supported", name, key,
                                 small ? " = " : "", small ? fig__buf_str(&text) : "");
    fig__buf_deinit(&text);
    return status;
}

/* --- reading ---------------------------------------------------------------------------------------------------*/

static fig_status check_must(reader *r, const family *f) {
    fig__json *must, *value, *theirs;
    const char *key;
    FIG_TRY(fig__json_parse(r->ctx, f->arch, f->must, strlen(f->must), &must));
    fig_status status = FIG_OK;
    for (size_t i = 0; !status && (key = fig__json_key(must, i, &value)); i++) {
        theirs = fig__json_get(r->config, key);
        if (theirs && !same(value, theirs)) status = unsupported(r->ctx, r->name, key, theirs);
    }
    fig__json_free(must);
    return status;
}

static fig_status read_whole(reader *r, const field *f, const fig__json *value) {
    int64_t n = empty(value) ? (value ? 0 : (int64_t)f->fallback) : fig__json_int(value, -1);
    bool may_be_worked_out = empty(value) && (f->fallback == 0 || !strcmp(f->ours, "n_kv_head"));
    FIG_CHECK(r->ctx, (n >= 1 && n <= MAX_WHOLE) || may_be_worked_out, FIG_ERR_FORMAT,
              "%s: %s: must be a whole number from 1 to %d", r->name, f->theirs, MAX_WHOLE);
    return put_int(r->settings, f->ours, n);
}

static fig_status read_field(reader *r, const field *f) {
    const fig__json *value = fig__json_get(r->config, f->theirs);
    if (!value && f->also) value = fig__json_get(r->config, f->also);
    if (f->kind == WHOLE) return read_whole(r, f, value);
    if (f->kind == BOOL) {
        FIG_CHECK(r->ctx, !value || fig__json_type(value) == FIG_JSON_BOOL, FIG_ERR_FORMAT,
                  "%s: %s: must be true or false", r->name, f->theirs);
        return fig__json_put(r->settings, f->ours, fig__json_new_bool(fig__json_bool(value, f->fallback != 0)));
    }
    double x = value ? fig__json_real(value, -1) : f->fallback;
    FIG_CHECK(r->ctx, x >= 0 && x <= 1, FIG_ERR_FORMAT, "%s: %s: must be a number from 0 to 1", r->name, f->theirs);
    return fig__json_put(r->settings, f->ours, fig__json_new_real(x));
}

/* Of what may stand in rope_parameters (transformers 5) or rope_scaling (4) only the plain form is computed here. */
static fig_status check_rope(reader *r, const char *key) {
    fig__json *rope = fig__json_get(r->config, key), *value;
    char path[256];
    const char *entry;
    if (empty(rope)) return FIG_OK;
    FIG_CHECK(r->ctx, fig__json_type(rope) == FIG_JSON_OBJECT, FIG_ERR_FORMAT, "%s: %s: must be an object", r->name,
              key);
    for (size_t i = 0; (entry = fig__json_key(rope, i, &value)); i++) {
        bool is_type = !strcmp(entry, "rope_type") || !strcmp(entry, "type");
        bool plain = !strcmp(entry, "rope_theta") || (is_type && !strcmp(fig__json_str(value, ""), "default")) ||
                     (!strcmp(entry, "partial_rotary_factor") && fig__json_real(value, 0) == 1) || empty(value);
        if (plain) continue;
        snprintf(path, sizeof path, "%s.%.200s", key, entry);
        return unsupported(r->ctx, r->name, path, value);
    }
    return FIG_OK;
}

static fig_status read_llama(reader *r) {
    FIG_TRY(check_rope(r, "rope_parameters"));
    FIG_TRY(check_rope(r, "rope_scaling"));
    const fig__json *theta = fig__json_get(fig__json_get(r->config, "rope_parameters"), "rope_theta");
    if (!theta) theta = fig__json_get(r->config, "rope_theta");
    double x = theta ? fig__json_real(theta, -1) : 10000;
    FIG_CHECK(r->ctx, x >= 1 && x <= 1e12, FIG_ERR_FORMAT, "%s: rope_theta: must be a number from 1 to 1e12", r->name);
    return fig__json_put(r->settings, "rope_theta", fig__json_new_real(x));
}

/* Qwen3 may give some layers a sliding window and others the whole context; here all layers are of one kind. */
static fig_status read_qwen3(reader *r) {
    FIG_TRY(read_llama(r));
    const fig__json *types = fig__json_get(r->config, "layer_types"),
                    *given = fig__json_get(r->config, "sliding_window");
    int64_t window = given ? fig__json_int(given, 0) : 4096, n_layer = get_int(r->settings, "n_layer"), n_sliding = 0;
    int64_t first = fig__json_int(fig__json_get(r->config, "max_window_layers"), 28);
    if (!fig__json_bool(fig__json_get(r->config, "use_sliding_window"), false)) window = 0;
    FIG_CHECK(r->ctx, window >= 0 && window <= MAX_WHOLE, FIG_ERR_FORMAT,
              "%s: sliding_window: must be a whole number up to %d", r->name, MAX_WHOLE);
    FIG_CHECK(r->ctx, empty(types) || (int64_t)fig__json_size(types) == n_layer, FIG_ERR_FORMAT,
              "%s: layer_types: must name every layer", r->name);
    for (int64_t i = 0; i < n_layer; i++) {
        const char *type =
            fig__json_str(fig__json_at(types, (size_t)i), i >= first ? "sliding_attention" : "full_attention");
        bool sliding = !strcmp(type, "sliding_attention");
        FIG_CHECK(r->ctx, sliding || !strcmp(type, "full_attention"), FIG_ERR_UNSUPPORTED,
                  "%s: layer_types: %.100s is not supported", r->name, type);
        n_sliding += sliding;
    }
    FIG_CHECK(r->ctx, !window || n_sliding == 0 || n_sliding == n_layer, FIG_ERR_UNSUPPORTED,
              "%s: a sliding window in %lld of %lld layers is not supported; it must be in all or none", r->name,
              (long long)n_sliding, (long long)n_layer);
    return put_int(r->settings, "window", n_sliding ? window : 0);
}

static const struct {
    const char *theirs, *ours;
} activations[] = {
    {"gelu_new", "gelu_tanh"}, {"gelu_pytorch_tanh", "gelu_tanh"}, {"gelu_fast", "gelu_tanh"}, {"gelu", "gelu"}};

static fig_status read_gpt2(reader *r) {
    int64_t n_embd = get_int(r->settings, "n_embd"), n_head = get_int(r->settings, "n_head");
    const fig__json *given = fig__json_get(r->config, "activation_function");
    const char *activation = fig__json_str(given, given ? "" : "gelu_new");
    size_t i = 0;
    while (i < FIG_COUNT(activations) && strcmp(activation, activations[i].theirs)) i++;
    if (i == FIG_COUNT(activations)) return unsupported(r->ctx, r->name, "activation_function", given);
    FIG_TRY(put_str(r->settings, "mlp", activations[i].ours));
    FIG_TRY(put_int(r->settings, "n_kv_head", n_head));
    FIG_CHECK(r->ctx, n_embd % n_head == 0, FIG_ERR_FORMAT, "%s: n_embd %lld is no multiple of n_head %lld", r->name,
              (long long)n_embd, (long long)n_head);
    /* Positions are not rotated; the two keys only make the settings complete. */
    FIG_TRY(fig__json_put(r->settings, "rope_theta", fig__json_new_real(10000)));
    return fig__json_put(r->settings, "rope_interleaved", fig__json_new_bool(false));
}

/* --- what is written of each family beside the fields ------------------------------------------------------------*/

static const char *misfit_gpt2(const fig__json *s) {
    int64_t n_embd = get_int(s, "n_embd"), n_head = get_int(s, "n_head");
    const char *mlp = fig__json_str(fig__json_get(s, "mlp"), "");
    if (strcmp(mlp, "gelu") && strcmp(mlp, "gelu_tanh")) return "mlp";
    if (get_int(s, "n_kv_head") != n_head) return "n_kv_head";
    return get_int(s, "head_dim") * n_head != n_embd ? "head_dim" : NULL;
}

static fig_status write_gpt2(const fig__json *s, fig__json *config) {
    bool exact = !strcmp(fig__json_str(fig__json_get(s, "mlp"), ""), "gelu");
    return put_str(config, "activation_function", exact ? "gelu" : "gelu_new");
}

/* The base of RoPE twice: where transformers 5 looks, and where everybody else does. */
static fig_status write_llama(const fig__json *s, fig__json *config) {
    double theta = fig__json_real(fig__json_get(s, "rope_theta"), 10000);
    fig__json *rope = fig__json_new_object();
    FIG_TRY(fig__json_put(config, "rope_theta", fig__json_new_real(theta)));
    FIG_TRY(fig__json_put(config, "rope_parameters", rope));
    FIG_TRY(fig__json_put(rope, "rope_theta", fig__json_new_real(theta)));
    FIG_TRY(put_str(rope, "rope_type", "default"));
    FIG_TRY(put_str(config, "hidden_act", "silu"));
    return fig__json_put(config, "attention_bias", fig__json_new_bool(false));
}

static fig_status write_qwen3(const fig__json *s, fig__json *config) {
    FIG_TRY(write_llama(s, config));
    int64_t window = get_int(s, "window");
    FIG_TRY(fig__json_put(config, "use_sliding_window", fig__json_new_bool(window > 0)));
    FIG_TRY(fig__json_put(config, "sliding_window", window ? fig__json_new_int(window) : fig__json_new_null()));
    return put_int(config, "max_window_layers", window ? 0 : get_int(s, "n_layer"));
}

static fig_status write_bert(const fig__json *s, fig__json *config) {
    (void)s;
    return put_str(config, "hidden_act", "gelu");
}

/* --- the families, and any of them ---------------------------------------------------------------------------*/

#define NO_EXPERTS "\"num_experts\": null, \"num_local_experts\": null, \"quantization_config\": null"
static const family families[] = {
    {"gpt2", "GPT2LMHeadModel", gpt2_fields, FIG_COUNT(gpt2_fields),
     "{\"norm\": \"layernorm\", \"pos\": \"learned\", \"qk_norm\": false, \"bias\": true, \"window\": 0, \"softcap\": "
     "0}",
     "{\"scale_attn_weights\": true, \"scale_attn_by_inverse_layer_idx\": false, \"add_cross_attention\": "
     "false, " NO_EXPERTS "}",
     read_gpt2, misfit_gpt2, write_gpt2},
    {"llama", "LlamaForCausalLM", llama_fields, FIG_COUNT(llama_fields),
     "{\"norm\": \"rmsnorm\", \"mlp\": \"swiglu\", \"pos\": \"rope\", \"rope_interleaved\": false, \"qk_norm\": false, "
     "\"bias\": false, \"window\": 0, \"softcap\": 0}",
     "{\"hidden_act\": \"silu\", \"attention_bias\": false, \"mlp_bias\": false, " NO_EXPERTS "}", read_llama, NULL,
     write_llama},
    {"qwen3", "Qwen3ForCausalLM", qwen3_fields, FIG_COUNT(qwen3_fields),
     "{\"norm\": \"rmsnorm\", \"mlp\": \"swiglu\", \"pos\": \"rope\", \"rope_interleaved\": false, \"qk_norm\": true, "
     "\"bias\": false, \"softcap\": 0}",
     "{\"hidden_act\": \"silu\", \"attention_bias\": false, " NO_EXPERTS "}", read_qwen3, NULL, write_qwen3},
    {"bert", "BertForMaskedLM", bert_fields, FIG_COUNT(bert_fields), "{}",
     "{\"hidden_act\": \"gelu\", \"position_embedding_type\": \"absolute\", \"is_decoder\": false, "
     "\"add_cross_attention\": false, \"tie_word_embeddings\": true, \"embedding_size\": null, " NO_EXPERTS "}",
     NULL, NULL, write_bert},
};

static const family *family_of(const char *arch) {
    for (size_t i = 0; i < FIG_COUNT(families); i++)
        if (!strcmp(arch, families[i].arch)) return &families[i];
    return NULL;
}

static fig_status work_out(reader *r) {
    int64_t n_embd = get_int(r->settings, "n_embd"), n_head = get_int(r->settings, "n_head");
    if (!get_int(r->settings, "n_kv_head")) FIG_TRY(put_int(r->settings, "n_kv_head", n_head));
    if (!get_int(r->settings, "ffn_dim")) FIG_TRY(put_int(r->settings, "ffn_dim", 4 * n_embd));
    if (get_int(r->settings, "head_dim")) return FIG_OK;
    FIG_CHECK(r->ctx, n_embd % n_head == 0, FIG_ERR_FORMAT,
              "%s: %lld heads do not divide a width of %lld; give head_dim", r->name, (long long)n_head,
              (long long)n_embd);
    return put_int(r->settings, "head_dim", n_embd / n_head);
}

static fig_status read_family(reader *r, const family *f) {
    FIG_TRY(check_must(r, f));
    FIG_TRY(fig__json_parse(r->ctx, f->arch, f->fixed, strlen(f->fixed), &r->settings));
    for (size_t i = 0; i < f->n_fields; i++) FIG_TRY(read_field(r, &f->fields[i]));
    if (f->read) FIG_TRY(f->read(r));
    return work_out(r);
}

/* A mix of our own carries its settings as they are. */
static fig_status read_own(reader *r, const char **arch) {
    *arch = fig__json_str(fig__json_get(r->config, "figment_arch"), NULL);
    fig__json *settings = fig__json_get(r->config, "figment_settings");
    FIG_CHECK(r->ctx, *arch && fig__json_type(settings) == FIG_JSON_OBJECT, FIG_ERR_FORMAT,
              "%s: figment_arch or figment_settings is missing", r->name);
    r->settings = fig__json_ref(settings);
    return FIG_OK;
}

static fig_status read_any(reader *r, const char **arch) {
    FIG_CHECK(r->ctx, fig__json_type(r->config) == FIG_JSON_OBJECT, FIG_ERR_FORMAT, "%s: must be an object", r->name);
    const char *type = fig__json_str(fig__json_get(r->config, "model_type"), NULL);
    FIG_CHECK(r->ctx, type, FIG_ERR_FORMAT, "%s: no model_type; is it the config.json of a model?", r->name);
    if (!strcmp(type, "figment")) return read_own(r, arch);
    const family *f = family_of(type);
    FIG_CHECK(r->ctx, f, FIG_ERR_UNSUPPORTED,
              "%s: model_type \"%.60s\" is not supported; gpt2, llama, qwen3 and bert are", r->name, type);
    *arch = f->arch;
    return read_family(r, f);
}

fig_status fig__hf_read_config(fig_context *ctx, const char *name, const fig__json *config, const char **arch,
                               fig__json **settings) {
    reader r = {ctx, name, config, NULL};
    fig_status status = read_any(&r, arch);
    if (status == FIG_ERR_NOMEM) FIG_FAIL(ctx, status, "%s: out of memory", name);
    if (status) fig__json_free(r.settings);
    *settings = status ? NULL : r.settings;
    return status;
}

/* --- writing ---------------------------------------------------------------------------------------------------*/

/* The setting that keeps these from being the family's, or NULL. */
static const char *find_misfit(const family *f, const fig__json *fixed, const fig__json *s) {
    int64_t n_embd = get_int(s, "n_embd"), n_head = get_int(s, "n_head");
    const char *key;
    fig__json *value;
    for (size_t i = 0; i < f->n_fields; i++)
        if (!fig__json_get(s, f->fields[i].ours)) return f->fields[i].ours;
    for (size_t i = 0; (key = fig__json_key(s, i, &value)); i++) {
        const fig__json *wanted = fig__json_get(fixed, key);
        if (wanted && !same(wanted, value)) return key;
    }
    if (!n_head || n_embd % n_head) return "n_head"; /* transformers insists, even where head_dim is given */
    return f->misfit ? f->misfit(s) : NULL;
}

static fig_status put_fields(const family *f, const fig__json *s, fig__json *config) {
    for (size_t i = 0; i < f->n_fields; i++)
        FIG_TRY(fig__json_put(config, f->fields[i].theirs, fig__json_ref(fig__json_get(s, f->fields[i].ours))));
    return FIG_OK;
}

static fig_status put_family(const family *f, const fig__json *s, fig__json *config) {
    fig__json *classes = fig__json_new_array();
    FIG_TRY(fig__json_put(config, "architectures", classes));
    FIG_TRY(fig__json_push(classes, fig__json_new_str(f->class_name)));
    FIG_TRY(put_str(config, "model_type", f->arch));
    FIG_TRY(put_fields(f, s, config));
    return f->write(s, config);
}

static fig_status put_own(const char *arch, const fig__json *s, fig__json *config) {
    fig__json *copy = fig__json_new_object(), *value;
    const char *key;
    FIG_TRY(fig__json_put(config, "figment_settings", copy));
    FIG_TRY(put_str(config, "model_type", "figment"));
    FIG_TRY(put_str(config, "figment_arch", arch));
    for (size_t i = 0; (key = fig__json_key(s, i, &value)); i++)
        FIG_TRY(fig__json_put(copy, key, fig__json_ref(value)));
    return FIG_OK;
}

fig_status fig__hf_write_config(fig_context *ctx, const char *arch, const fig__json *settings, fig_dtype dtype,
                                fig__json **config, const char **misfit) {
    const family *f = family_of(arch);
    fig__json *fixed = NULL;
    if (f) FIG_TRY(fig__json_parse(ctx, arch, f->fixed, strlen(f->fixed), &fixed));
    const char *why = f ? find_misfit(f, fixed, settings) : "arch";
    *config = fig__json_new_object();
    fig_status status = why ? put_own(arch, settings, *config) : put_family(f, settings, *config);
    if (!status) status = put_str(*config, "torch_dtype", fig_dtype_name(dtype));
    fig__json_free(fixed);
    if (misfit) *misfit = why;
    if (!status) return FIG_OK;
    fig__json_free(*config);
    *config = NULL;
    return FIG_FAIL(ctx, status, "config.json: out of memory");
}
