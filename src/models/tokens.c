/* models/tokens.c: the codec inside a model of its codes, and the sequence. See tokens.h. */
#include "models/tokens.h"

static const fig__tokens_config *config_of(const fig_model *m) { return m->config; }

fig__tokens_shape fig__tokens_shape_of(const fig_arch *arch, const void *config) {
    const fig_tokens_net *net = arch->net.tokens;
    const fig__tokens_config *c = config;
    const void *codec = net->codec_config(config);
    fig__tokens_shape s = {.n_before = 1 + (size_t)c->text_length,
                           .n_codes = net->codec->n_places(codec),
                           .n_kinds = net->codec->n_codes(codec)};
    s.n_vocab = s.n_kinds + (size_t)c->vocab_size + 1 + (size_t)c->n_classes + 1;
    return s;
}

void fig__tokens_begin(const fig_model *m, int64_t label, const int32_t *text, int32_t *out) {
    const fig__tokens_config *c = config_of(m);
    int32_t n_kinds = (int32_t)fig__tokens_shape_of(m->arch, c).n_kinds;
    bool said = label >= 0 && label < c->n_classes;
    *out++ = n_kinds + (int32_t)(c->vocab_size + 1 + (said ? label : c->n_classes));
    for (int64_t i = 0; i < c->text_length; i++) *out++ = n_kinds + (text ? text[i] : (int32_t)c->vocab_size);
}

/* --- the codec ----------------------------------------------------------------------------------------------------*/

static fig_status load_codec(fig_model *m, fig_model **out) {
    const char *path = config_of(m)->codec;
    FIG_CHECK(m->ctx, path && *path, FIG_ERR_ARG,
              "--codec: which codes are to be learnt? give the model folder of an fsq that knows such pictures");
    FIG_TRY(fig_model_load(m->ctx, path, &(fig_model_options){.dtype = FIG_F32, .inference = true}, out));
    const fig_arch *arch = (*out)->arch;
    if (arch->family == &fig_family_tokenizer && arch->net.tokenizer == m->arch->net.tokens->codec) return FIG_OK;
    fig_model_free(*out);
    return FIG_FAIL(m->ctx, FIG_ERR_ARG, "--codec %s: a model of kind %s makes no codes; give an fsq", path,
                    arch->name);
}

#define BEFORE "codec_"
static fig_status take_settings(fig_model *m, const fig_model *codec) {
    fig__json *settings = fig__model_settings(codec);
    fig_status status = settings ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < m->arch->options->n && !status; i++) {
        const fig_option *o = &m->arch->options->rows[i];
        const fig__json *value = o->name && !strncmp(o->name, BEFORE, strlen(BEFORE))
                                     ? fig__json_get(settings, o->name + strlen(BEFORE))
                                     : NULL;
        if (value) status = fig__option_set_json(m->ctx, o, m->config, value, m->arena);
    }
    fig__json_free(settings);
    return status;
}

static fig_status same_pictures(const fig_model *m, const fig_model *codec) {
    long long side = (long long)fig_model_get_int(codec, "image_size"),
              channels = (long long)fig_model_get_int(codec, "n_channels"),
              own_side = (long long)fig_model_get_int(m, "image_size"),
              own_channels = (long long)fig_model_get_int(m, "n_channels");
    FIG_CHECK(m->ctx, side == own_side && channels == own_channels, FIG_ERR_ARG,
              "--codec %s: knows pictures of %lld x %lld x %lld, these are of %lld x %lld x %lld", config_of(m)->codec,
              side, side, channels, own_side, own_side, own_channels);
    return FIG_OK;
}

fig_status fig__tokens_settle(fig_model *m) {
    fig_model *codec;
    if (!config_of(m)->fsq.levels) {
        FIG_TRY(load_codec(m, &codec));
        fig_status status = same_pictures(m, codec);
        if (!status) status = take_settings(m, codec);
        fig_model_free(codec);
        FIG_TRY(status);
    }
    return fig_params_group(m->params, &(fig_param_group){.pattern = "codec.*", .frozen = true, .weight_decay = -1});
}

static fig_status take_param(fig_model *m, const fig_model *codec, const fig_param_info *p) {
    char path[512];
    float *values = FIG_NEW_N(m->ctx, float, p->numel);
    if (!values) return FIG_ERR_NOMEM;
    snprintf(path, sizeof path, "codec.%s", p->path);
    fig_status status = fig_params_get(codec->params, p->path, values, FIG_F32, p->numel);
    if (!status) status = fig_params_set(m->params, path, values, FIG_F32, p->numel);
    fig__free(m->ctx, values);
    return status;
}

fig_status fig__tokens_take_codec(fig_model *m) {
    fig_model *codec;
    FIG_TRY(load_codec(m, &codec));
    fig_status status = FIG_OK;
    for (size_t i = 0; i < fig_params_count(codec->params) && !status; i++) {
        fig_param_info p = fig_params_at(codec->params, i);
        status = take_param(m, codec, &p);
    }
    fig_model_free(codec);
    return status;
}
