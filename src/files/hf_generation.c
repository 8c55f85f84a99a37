/* files/hf_generation.c: special tokens and generation_config.json. */
#include "base/base.h"
#include "files/hf_config.h"

/* --- special tokens --------------------------------------------------------------------------------------------*/

static bool read_id(const fig__json *j, int64_t *id) {
    *id = fig__json_int(j, -1);
    return fig__json_type(j) == FIG_JSON_NULL || (*id >= 0 && *id <= INT32_MAX);
}

fig_status fig__hf_read_tokens(fig_context *ctx, const char *name, const fig__json *config, fig__hf_tokens *tokens) {
    const fig__json *eos = fig__json_get(config, "eos_token_id");
    bool many = fig__json_type(eos) == FIG_JSON_ARRAY;
    size_t n = many ? fig__json_size(eos) : fig__json_type(eos) != FIG_JSON_NULL;
    *tokens = (fig__hf_tokens){.bos = -1, .pad = -1};
    FIG_CHECK(ctx, n <= FIG__HF_MAX_EOS, FIG_ERR_LIMIT, "%s: eos_token_id: %zu tokens; at most %d are read", name, n,
              FIG__HF_MAX_EOS);
    bool good = read_id(fig__json_get(config, "bos_token_id"), &tokens->bos);
    good &= read_id(fig__json_get(config, "pad_token_id"), &tokens->pad);
    for (; good && tokens->n_eos < n; tokens->n_eos++)
        good = read_id(many ? fig__json_at(eos, tokens->n_eos) : eos, &tokens->eos[tokens->n_eos]) &&
               tokens->eos[tokens->n_eos] >= 0;
    FIG_CHECK(ctx, good, FIG_ERR_FORMAT, "%s: bos_token_id, eos_token_id or pad_token_id is no token's number", name);
    return FIG_OK;
}

static fig_status put_id(fig__json *config, const char *key, int64_t id) {
    return fig__json_put(config, key, id < 0 ? fig__json_new_null() : fig__json_new_int(id));
}

/* Absent tokens are written as null, because GPT-2's and Llama's classes would put in numbers of their own. */
fig_status fig__hf_put_tokens(fig__json *config, const fig__hf_tokens *tokens) {
    FIG_TRY(put_id(config, "bos_token_id", tokens->bos));
    FIG_TRY(put_id(config, "pad_token_id", tokens->pad));
    if (tokens->n_eos < 2) return put_id(config, "eos_token_id", tokens->n_eos ? tokens->eos[0] : -1);
    fig__json *eos = fig__json_new_array();
    FIG_TRY(fig__json_put(config, "eos_token_id", eos));
    for (size_t i = 0; i < tokens->n_eos; i++) FIG_TRY(fig__json_push(eos, fig__json_new_int(tokens->eos[i])));
    return FIG_OK;
}

/* --- generation_config.json ------------------------------------------------------------------------------------*/

static const struct {
    const char *ours, *theirs;
    bool whole;
    double low, high;
} rows[] = {
    {"temp", "temperature", false, 0, 100},
    {"top_k", "top_k", true, 0, 1 << 24},
    {"top_p", "top_p", false, 0, 1},
    {"min_p", "min_p", false, 0, 1},
    {"repeat_penalty", "repetition_penalty", false, 0, 100},
    {"max_tokens", "max_new_tokens", true, 0, 1 << 24},
};

static fig_status read_rows(fig_context *ctx, const char *name, const fig__json *config, fig__json *settings) {
    for (size_t i = 0; i < FIG_COUNT(rows); i++) {
        fig__json *value = fig__json_get(config, rows[i].theirs);
        if (fig__json_type(value) == FIG_JSON_NULL) continue;
        double x = rows[i].whole ? (double)fig__json_int(value, -1) : fig__json_real(value, -1);
        FIG_CHECK(ctx, x >= rows[i].low && x <= rows[i].high, FIG_ERR_FORMAT,
                  "%s: %s: must be a %snumber from %g to %g", name, rows[i].theirs, rows[i].whole ? "whole " : "",
                  rows[i].low, rows[i].high);
        FIG_TRY(fig__json_put(settings, rows[i].ours, fig__json_ref(value)));
    }
    if (fig__json_bool(fig__json_get(config, "do_sample"), true)) return FIG_OK;
    return fig__json_put(settings, "temp", fig__json_new_real(0));
}

fig_status fig__hf_read_generation(fig_context *ctx, const char *name, const fig__json *config, fig__json **settings) {
    *settings = NULL;
    FIG_CHECK(ctx, fig__json_type(config) == FIG_JSON_OBJECT, FIG_ERR_FORMAT, "%s: must be an object", name);
    fig__json *read = fig__json_new_object();
    fig_status status = read_rows(ctx, name, config, read);
    if (status == FIG_ERR_NOMEM) FIG_FAIL(ctx, status, "%s: out of memory", name);
    if (status)
        fig__json_free(read);
    else
        *settings = read;
    return status;
}

static fig__json *real_of(const fig__json *value) { return fig__json_new_real(fig__json_real(value, 0)); }

static fig_status put_rows(const fig__json *settings, const fig__hf_tokens *tokens, fig__json *config) {
    bool greedy = fig__json_real(fig__json_get(settings, "temp"), 1) == 0;
    FIG_TRY(fig__json_put(config, "do_sample", fig__json_new_bool(!greedy)));
    for (size_t i = greedy ? 1 : 0; i < FIG_COUNT(rows); i++) { /* temp comes first; theirs must not be 0 */
        fig__json *value = fig__json_get(settings, rows[i].ours);
        if (!value) continue;
        /* transformers refuses a whole number where it wants a real one. */
        FIG_TRY(fig__json_put(config, rows[i].theirs, rows[i].whole ? fig__json_ref(value) : real_of(value)));
    }
    return fig__hf_put_tokens(config, tokens);
}

fig_status fig__hf_write_generation(fig_context *ctx, const fig__json *settings, const fig__hf_tokens *tokens,
                                    fig__json **config) {
    *config = fig__json_new_object();
    fig_status status = put_rows(settings, tokens, *config);
    if (!status) return FIG_OK;
    fig__json_free(*config);
    *config = NULL;
    return FIG_FAIL(ctx, status, "generation_config.json: out of memory");
}
