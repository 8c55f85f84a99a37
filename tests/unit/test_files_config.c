/* config.json: transformers' defaults, refusals by name, and settings that survive writing and reading. */
#include "files/hf_config.h"
#include "check.h"

static fig__json *parse(fig_context *ctx, const char *text) {
    fig__json *j;
    EXPECT_OK(ctx, fig__json_parse(ctx, "test", text, strlen(text), &j));
    return j;
}

static int64_t int_of(const fig__json *s, const char *key) { return fig__json_int(fig__json_get(s, key), -1); }
static double real_of(const fig__json *s, const char *key) { return fig__json_real(fig__json_get(s, key), -1); }
static const char *str_of(const fig__json *s, const char *key) {
    return fig__json_str(fig__json_get(s, key), "(none)");
}
static int bool_of(const fig__json *s, const char *key) {
    return fig__json_bool(fig__json_get(s, key), false) + 2 * (fig__json_type(fig__json_get(s, key)) != FIG_JSON_BOOL);
}

/* The settings of a config, or NULL. */
static fig__json *read_settings(fig_context *ctx, const char *text, const char *arch) {
    fig__json *config = parse(ctx, text), *settings;
    const char *got = NULL;
    if (EXPECT_OK(ctx, fig__hf_read_config(ctx, "config.json", config, &got, &settings))) EXPECT_EQ_S(got, arch);
    fig__json_free(config);
    return settings;
}

TEST(knows_the_defaults_of_gpt2) {
    fig_context *ctx = check_context();
    fig__json *s = read_settings(ctx, "{\"model_type\":\"gpt2\"}", "gpt2");
    EXPECT_EQ_I(int_of(s, "n_layer"), 12);
    EXPECT_EQ_I(int_of(s, "n_head"), 12);
    EXPECT_EQ_I(int_of(s, "n_kv_head"), 12);
    EXPECT_EQ_I(int_of(s, "n_embd"), 768);
    EXPECT_EQ_I(int_of(s, "head_dim"), 64);
    EXPECT_EQ_I(int_of(s, "ffn_dim"), 3072);
    EXPECT_EQ_I(int_of(s, "block_size"), 1024);
    EXPECT_EQ_I(int_of(s, "vocab_size"), 50257);
    EXPECT_NEAR(real_of(s, "norm_eps"), 1e-5, 0);
    EXPECT_EQ_S(str_of(s, "norm"), "layernorm");
    EXPECT_EQ_S(str_of(s, "mlp"), "gelu_tanh");
    EXPECT_EQ_S(str_of(s, "pos"), "learned");
    EXPECT_EQ_I(bool_of(s, "tied"), 1);
    EXPECT_EQ_I(bool_of(s, "bias"), 1);
    EXPECT_EQ_I(bool_of(s, "qk_norm"), 0);
    EXPECT_EQ_I(bool_of(s, "rope_interleaved"), 0);
    EXPECT_EQ_I(int_of(s, "window"), 0);
    fig__json_free(s);
}

TEST(knows_the_defaults_of_llama_and_qwen3) {
    fig_context *ctx = check_context();
    fig__json *s = read_settings(ctx, "{\"model_type\":\"llama\"}", "llama");
    EXPECT_EQ_I(int_of(s, "n_kv_head"), 32);
    EXPECT_EQ_I(int_of(s, "head_dim"), 128);
    EXPECT_EQ_I(int_of(s, "ffn_dim"), 11008);
    EXPECT_EQ_I(int_of(s, "block_size"), 2048);
    EXPECT_EQ_I(int_of(s, "vocab_size"), 32000);
    EXPECT_NEAR(real_of(s, "rope_theta"), 10000, 0);
    EXPECT_NEAR(real_of(s, "norm_eps"), 1e-6, 0);
    EXPECT_EQ_I(bool_of(s, "tied"), 0);
    EXPECT_EQ_I(bool_of(s, "qk_norm"), 0);
    fig__json_free(s);
    s = read_settings(ctx, "{\"model_type\":\"qwen3\"}", "qwen3");
    EXPECT_EQ_I(int_of(s, "n_kv_head"), 32);
    EXPECT_EQ_I(int_of(s, "head_dim"), 128);
    EXPECT_EQ_I(int_of(s, "ffn_dim"), 22016);
    EXPECT_EQ_I(int_of(s, "vocab_size"), 151936);
    EXPECT_EQ_I(bool_of(s, "qk_norm"), 1);
    EXPECT_EQ_S(str_of(s, "mlp"), "swiglu");
    EXPECT_EQ_I(int_of(s, "window"), 0);
    fig__json_free(s);
}

TEST(knows_the_defaults_of_bert) {
    fig_context *ctx = check_context();
    fig__json *s = read_settings(ctx, "{\"model_type\":\"bert\"}", "bert");
    EXPECT_EQ_I(int_of(s, "n_layer"), 12);
    EXPECT_EQ_I(int_of(s, "n_head"), 12);
    EXPECT_EQ_I(int_of(s, "n_embd"), 768);
    EXPECT_EQ_I(int_of(s, "ffn_dim"), 3072);
    EXPECT_EQ_I(int_of(s, "block_size"), 512);
    EXPECT_EQ_I(int_of(s, "vocab_size"), 30522);
    EXPECT_EQ_I(int_of(s, "type_vocab_size"), 2);
    EXPECT_NEAR(real_of(s, "norm_eps"), 1e-12, 0);
    fig__json_free(s);
}

TEST(works_out_what_is_left_open) {
    fig_context *ctx = check_context();
    fig__json *s =
        read_settings(ctx,
                      "{\"model_type\":\"llama\",\"hidden_size\":96,\"num_attention_heads\":6,"
                      "\"num_key_value_heads\":null,\"head_dim\":null,\"rope_theta\":500000,\"rope_scaling\":null}",
                      "llama");
    EXPECT_EQ_I(int_of(s, "n_kv_head"), 6);
    EXPECT_EQ_I(int_of(s, "head_dim"), 16);
    EXPECT_NEAR(real_of(s, "rope_theta"), 500000, 0);
    fig__json_free(s);
    s = read_settings(ctx, "{\"model_type\":\"qwen3\",\"num_key_value_heads\":null,\"num_attention_heads\":8}",
                      "qwen3");
    EXPECT_EQ_I(int_of(s, "n_kv_head"), 8);
    fig__json_free(s);
    s = read_settings(ctx,
                      "{\"model_type\":\"gpt2\",\"hidden_size\":64,\"num_attention_heads\":4,\"n_inner\":100,"
                      "\"max_position_embeddings\":77,\"activation_function\":\"gelu\"}",
                      "gpt2");
    EXPECT_EQ_I(int_of(s, "n_embd"), 64);
    EXPECT_EQ_I(int_of(s, "head_dim"), 16);
    EXPECT_EQ_I(int_of(s, "ffn_dim"), 100);
    EXPECT_EQ_I(int_of(s, "block_size"), 77);
    EXPECT_EQ_S(str_of(s, "mlp"), "gelu");
    fig__json_free(s);
}

TEST(reads_windows_that_are_in_every_layer) {
    static const struct {
        const char *rest;
        int64_t window;
    } cases[] = {
        {"\"use_sliding_window\":false,\"sliding_window\":64", 0},
        {"\"use_sliding_window\":true,\"sliding_window\":64,\"max_window_layers\":0", 64},
        {"\"use_sliding_window\":true,\"sliding_window\":64,\"max_window_layers\":2", 0},
        {"\"use_sliding_window\":true,\"max_window_layers\":0", 4096},
        {"\"use_sliding_window\":true,\"sliding_window\":null,\"max_window_layers\":0", 0},
        {"\"use_sliding_window\":true,\"sliding_window\":8,\"layer_types\":[\"sliding_attention\",\"sliding_"
         "attention\"]",
         8},
        {"\"layer_types\":[\"full_attention\",\"full_attention\"]", 0},
    };
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        char text[400];
        snprintf(text, sizeof text, "{\"model_type\":\"qwen3\",\"num_hidden_layers\":2,%s}", cases[i].rest);
        fig__json *s = read_settings(ctx, text, "qwen3");
        EXPECT_EQ_I(int_of(s, "window"), cases[i].window);
        fig__json_free(s);
    }
}

TEST(refuses_by_name) {
    static const struct {
        const char *text, *says;
        fig_status code;
    } cases[] = {
        {"[]", "must be an object", FIG_ERR_FORMAT},
        {"{}", "no model_type", FIG_ERR_FORMAT},
        {"{\"model_type\":\"mistral\"}", "model_type \"mistral\" is not supported; gpt2, llama, qwen3 and bert are",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"attention_bias\":true}", "attention_bias = true is not supported",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"mlp_bias\":true}", "mlp_bias = true is not supported", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"qwen3\",\"hidden_act\":\"gelu\"}", "hidden_act = \"gelu\" is not supported",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"qwen3\",\"num_experts\":8}", "num_experts = 8 is not supported", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"quantization_config\":{\"bits\":4}}", "quantization_config is not supported",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}}",
         "rope_scaling.type = \"linear\"", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"llama3\"}}", "rope_parameters.rope_type",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"rope_parameters\":{\"partial_rotary_factor\":0.5}}", "partial_rotary_factor",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"qwen3\",\"num_hidden_layers\":2,\"use_sliding_window\":true,\"sliding_window\":8,\"max_"
         "window_layers\":1}",
         "a sliding window in 1 of 2 layers is not supported", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"qwen3\",\"num_hidden_layers\":1,\"layer_types\":[\"chunked_attention\"]}",
         "chunked_attention", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"qwen3\",\"num_hidden_layers\":2,\"layer_types\":[\"full_attention\"]}",
         "must name every layer", FIG_ERR_FORMAT},
        {"{\"model_type\":\"gpt2\",\"scale_attn_weights\":false}", "scale_attn_weights = false", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"gpt2\",\"scale_attn_by_inverse_layer_idx\":true}", "scale_attn_by_inverse_layer_idx",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"gpt2\",\"add_cross_attention\":true}", "add_cross_attention", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"gpt2\",\"activation_function\":\"relu\"}", "activation_function = \"relu\"",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"gpt2\",\"n_layer\":0}", "n_layer: must be a whole number", FIG_ERR_FORMAT},
        {"{\"model_type\":\"gpt2\",\"n_layer\":1.5}", "n_layer: must be a whole number", FIG_ERR_FORMAT},
        {"{\"model_type\":\"gpt2\",\"n_layer\":null}", "n_layer: must be a whole number", FIG_ERR_FORMAT},
        {"{\"model_type\":\"gpt2\",\"n_embd\":99999999999}", "n_embd: must be a whole number", FIG_ERR_FORMAT},
        {"{\"model_type\":\"gpt2\",\"n_embd\":100,\"n_head\":3}", "n_embd 100 is no multiple of n_head 3",
         FIG_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"hidden_size\":100,\"num_attention_heads\":3}", "give head_dim", FIG_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"rms_norm_eps\":\"x\"}", "rms_norm_eps: must be a number", FIG_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"rope_theta\":-1}", "rope_theta: must be a number", FIG_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"tie_word_embeddings\":1}", "tie_word_embeddings: must be true or false",
         FIG_ERR_FORMAT},
        {"{\"model_type\":\"bert\",\"hidden_act\":\"relu\"}", "hidden_act = \"relu\"", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"bert\",\"is_decoder\":true}", "is_decoder = true", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"bert\",\"position_embedding_type\":\"relative_key\"}", "position_embedding_type",
         FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"bert\",\"tie_word_embeddings\":false}", "tie_word_embeddings = false", FIG_ERR_UNSUPPORTED},
        {"{\"model_type\":\"figment\"}", "figment_arch or figment_settings is missing", FIG_ERR_FORMAT},
    };
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig__json *config = parse(ctx, cases[i].text), *settings;
        const char *arch;
        EXPECT_EQ_I(fig__hf_read_config(ctx, "config.json", config, &arch, &settings), cases[i].code);
        EXPECT(!settings && !strncmp(fig_error(ctx), "config.json: ", 13));
        if (!EXPECT(strstr(fig_error(ctx), cases[i].says))) fprintf(stderr, "    said: %s\n", fig_error(ctx));
        fig__json_free(config);
    }
}

/* --- there and back ------------------------------------------------------------------------------------------*/

static void expect_same_settings(const fig__json *a, const fig__json *b) {
    fig__json *value, *other;
    const char *key;
    EXPECT_EQ_I(fig__json_size(a), fig__json_size(b));
    for (size_t i = 0; (key = fig__json_key(a, i, &value)); i++) {
        other = fig__json_get(b, key);
        bool same = fig__json_real(value, 1) == fig__json_real(other, 1) &&
                    !strcmp(fig__json_str(value, ""), fig__json_str(other, "")) &&
                    fig__json_bool(value, false) == fig__json_bool(other, false);
        EXPECT(other && same);
    }
}

/* Writes the settings that text reads as, and reads them again. Frees nothing that the caller gets: *written is new. */
static void there_and_back(fig_context *ctx, const char *text, const char *arch, fig__json **written) {
    fig__json *settings = read_settings(ctx, text, arch), *again;
    const char *misfit = "?", *arch_again = NULL;
    EXPECT_OK(ctx, fig__hf_write_config(ctx, arch, settings, FIG_BF16, written, &misfit));
    EXPECT(!misfit);
    if (EXPECT_OK(ctx, fig__hf_read_config(ctx, "again", *written, &arch_again, &again)))
        expect_same_settings(settings, again);
    EXPECT_EQ_S(arch_again, arch);
    fig__json_free(settings);
    fig__json_free(again);
}

TEST(settings_survive_writing) {
    fig_context *ctx = check_context();
    fig__json *w;
    there_and_back(ctx, "{\"model_type\":\"gpt2\",\"n_layer\":3,\"activation_function\":\"gelu\",\"vocab_size\":61}",
                   "gpt2", &w);
    EXPECT_EQ_S(str_of(w, "activation_function"), "gelu");
    EXPECT_EQ_S(fig__json_str(fig__json_at(fig__json_get(w, "architectures"), 0), ""), "GPT2LMHeadModel");
    EXPECT_EQ_S(str_of(w, "torch_dtype"), "bfloat16");
    EXPECT_EQ_I(int_of(w, "n_positions"), 1024);
    fig__json_free(w);
    there_and_back(ctx, "{\"model_type\":\"llama\",\"num_key_value_heads\":8,\"rope_theta\":500000.0}", "llama", &w);
    EXPECT_NEAR(real_of(w, "rope_theta"), 500000, 0);
    EXPECT_NEAR(real_of(fig__json_get(w, "rope_parameters"), "rope_theta"), 500000, 0);
    fig__json_free(w);
    there_and_back(
        ctx, "{\"model_type\":\"qwen3\",\"use_sliding_window\":true,\"sliding_window\":9,\"max_window_layers\":0}",
        "qwen3", &w);
    EXPECT_EQ_I(int_of(w, "sliding_window"), 9);
    fig__json_free(w);
    there_and_back(ctx, "{\"model_type\":\"qwen3\",\"tie_word_embeddings\":true,\"head_dim\":32}", "qwen3", &w);
    EXPECT_EQ_I(bool_of(w, "tie_word_embeddings"), 1);
    EXPECT_EQ_I(bool_of(w, "use_sliding_window"), 0);
    fig__json_free(w);
    there_and_back(ctx, "{\"model_type\":\"bert\",\"type_vocab_size\":1,\"hidden_size\":36}", "bert", &w);
    EXPECT_EQ_S(fig__json_str(fig__json_at(fig__json_get(w, "architectures"), 0), ""), "BertForMaskedLM");
    EXPECT_EQ_S(str_of(w, "hidden_act"), "gelu");
    EXPECT_EQ_I(int_of(w, "type_vocab_size"), 1);
    fig__json_free(w);
}

/* Each change takes the settings out of what the family can say; they are written as figment's own and come back. */
TEST(mixes_are_our_own) {
    static const struct {
        const char *arch, *key, *value;
    } cases[] = {
        {"gpt2", "bias", "false"},     {"gpt2", "mlp", "\"swiglu\""}, {"gpt2", "pos", "\"rope\""},
        {"gpt2", "n_kv_head", "6"},    {"gpt2", "head_dim", "32"},    {"gpt2", "window", "4"},
        {"llama", "mlp", "\"relu2\""}, {"llama", "qk_norm", "true"},  {"llama", "rope_interleaved", "true"},
        {"llama", "window", "8"},      {"qwen3", "qk_norm", "false"}, {"qwen3", "norm", "\"layernorm\""},
        {"qwen3", "softcap", "30.0"},  {"qwen3", "bias", "true"},     {"qwen3", "n_head", "3"},
    };
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        char text[100];
        const char *misfit = NULL, *arch = NULL;
        snprintf(text, sizeof text, "{\"model_type\":\"%s\"}", cases[i].arch);
        fig__json *s = read_settings(ctx, text, cases[i].arch), *config, *again;
        fig__json_put(s, cases[i].key, parse(ctx, cases[i].value));
        EXPECT_OK(ctx, fig__hf_write_config(ctx, cases[i].arch, s, FIG_F32, &config, &misfit));
        EXPECT_EQ_S(misfit, cases[i].key);
        EXPECT_EQ_S(str_of(config, "model_type"), "figment");
        if (EXPECT_OK(ctx, fig__hf_read_config(ctx, "again", config, &arch, &again))) expect_same_settings(s, again);
        EXPECT_EQ_S(arch, cases[i].arch);
        fig__json_free(again);
        fig__json_free(config);
        fig__json_free(s);
    }
}

TEST(unknown_architectures_are_our_own) {
    fig_context *ctx = check_context();
    fig__json *s = parse(ctx, "{\"width\": 7, \"name\": \"x\"}"), *config, *again;
    const char *misfit = NULL, *arch = NULL;
    EXPECT_OK(ctx, fig__hf_write_config(ctx, "bigram", s, FIG_F32, &config, &misfit));
    EXPECT_EQ_S(misfit, "arch");
    if (EXPECT_OK(ctx, fig__hf_read_config(ctx, "again", config, &arch, &again))) expect_same_settings(s, again);
    EXPECT_EQ_S(arch, "bigram");
    fig__json_free(again);
    fig__json_free(config);
    fig__json_free(s);
}

/* --- tokens and sampling -------------------------------------------------------------------------------------*/

TEST(reads_and_writes_special_tokens) {
    fig_context *ctx = check_context();
    fig__hf_tokens t;
    fig__json *j = parse(ctx, "{\"bos_token_id\":1,\"eos_token_id\":[2,7],\"pad_token_id\":null}"),
              *out = fig__json_new_object();
    EXPECT_OK(ctx, fig__hf_read_tokens(ctx, "c", j, &t));
    EXPECT(t.bos == 1 && t.pad == -1 && t.n_eos == 2 && t.eos[1] == 7);
    EXPECT_OK(ctx, fig__hf_put_tokens(out, &t));
    EXPECT_EQ_I(fig__json_size(fig__json_get(out, "eos_token_id")), 2);
    EXPECT_EQ_I(int_of(out, "bos_token_id"), 1);
    EXPECT(fig__json_get(out, "pad_token_id") && fig__json_type(fig__json_get(out, "pad_token_id")) == FIG_JSON_NULL);
    fig__json_free(j);
    fig__json_free(out);
    j = parse(ctx, "{\"eos_token_id\":3}");
    EXPECT_OK(ctx, fig__hf_read_tokens(ctx, "c", j, &t));
    EXPECT(t.bos == -1 && t.n_eos == 1 && t.eos[0] == 3);
    fig__json_free(j);
    static const char *const wrong[] = {"{\"bos_token_id\":-1}", "{\"eos_token_id\":[null]}",
                                        "{\"eos_token_id\":\"x\"}", "{\"pad_token_id\":4294967296}",
                                        "{\"eos_token_id\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}"};
    for (size_t i = 0; i < FIG_COUNT(wrong); i++) {
        j = parse(ctx, wrong[i]);
        EXPECT(fig__hf_read_tokens(ctx, "c", j, &t) != FIG_OK);
        fig__json_free(j);
    }
}

TEST(reads_and_writes_sampling) {
    fig_context *ctx = check_context();
    fig__hf_tokens none = {.bos = -1, .pad = -1};
    fig__json *j = parse(ctx, "{\"do_sample\":true,\"temperature\":1,\"top_k\":50,\"top_p\":0.9,\"max_new_tokens\":7}"),
              *s, *out;
    EXPECT_OK(ctx, fig__hf_read_generation(ctx, "g", j, &s));
    EXPECT_EQ_I(fig__json_size(s), 4);
    EXPECT_NEAR(real_of(s, "temp"), 1, 0);
    EXPECT_EQ_I(int_of(s, "top_k"), 50);
    EXPECT_EQ_I(int_of(s, "max_tokens"), 7);
    EXPECT_OK(ctx, fig__hf_write_generation(ctx, s, &none, &out));
    EXPECT_EQ_I(bool_of(out, "do_sample"), 1);
    EXPECT_EQ_I(fig__json_type(fig__json_get(out, "temperature")), FIG_JSON_REAL);
    EXPECT_EQ_I(fig__json_type(fig__json_get(out, "top_k")), FIG_JSON_INT);
    fig__json_free(out);
    fig__json_free(s);
    fig__json_free(j);
    j = parse(ctx, "{\"do_sample\":false,\"temperature\":0.7}");
    EXPECT_OK(ctx, fig__hf_read_generation(ctx, "g", j, &s));
    EXPECT_NEAR(real_of(s, "temp"), 0, 0);
    EXPECT_OK(ctx, fig__hf_write_generation(ctx, s, &none, &out));
    EXPECT_EQ_I(bool_of(out, "do_sample"), 0);
    EXPECT(!fig__json_get(out, "temperature"));
    fig__json_free(out);
    fig__json_free(s);
    fig__json_free(j);
    EXPECT_OK(ctx, fig__hf_write_generation(ctx, NULL, &none, &out));
    EXPECT_EQ_I(bool_of(out, "do_sample"), 1);
    fig__json_free(out);
    j = parse(ctx, "{\"top_p\":1.5}");
    EXPECT_EQ_I(fig__hf_read_generation(ctx, "g", j, &s), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "g: top_p: must be a number from 0 to 1"));
    fig__json_free(j);
}
