/* models/families.c: what there is to train: each family's settings, and its network recorded once. */
#include "models/contrastive.h"
#include "models/gan.h"
#include "models/tokens.h"
#include "models/vae.h"

const char *fig_family_name(const fig_family *f) { return f->name; }
const char *fig_family_medium(const fig_family *f) { return f->medium; }

static size_t setting(const fig_model *m, const char *key) { return (size_t)fig_model_get_int(m, key); }

static fig_tensor *one_picture(fig_model *m, fig_graph *g) {
    size_t side = setting(m, "image_size");
    return fig_input(g, "x", FIG_F32, 4, (size_t[]){1, side, side, setting(m, "n_channels")});
}

static void record_language(fig_model *m, fig_graph *g) {
    fig_tensor *head;
    fig_lm_inputs in = {.batch = 1, .time = 1};
    in.tokens = fig_input(g, "tokens", FIG_I32, 2, (size_t[]){1, 1});
    in.positions = fig_input(g, "positions", FIG_I32, 2, (size_t[]){1, 1});
    m->arch->net.language->hidden(g, m->config, &in, &head);
}
const fig_family fig_family_language = {.name = "language",
                                        .medium = "text",
                                        .settings = {"vocab_size", "n_layer", "n_head", "n_embd", "block_size"},
                                        .record = record_language};

static void record_masked(fig_model *m, fig_graph *g) {
    size_t one = 1;
    fig_tensor *head, *bias, *places = fig_input(g, "places", FIG_I32, 1, &one);
    fig_lm_inputs in = {.batch = 1, .time = 1};
    in.tokens = fig_input(g, "tokens", FIG_I32, 2, (size_t[]){1, 1});
    in.positions = fig_input(g, "positions", FIG_I32, 2, (size_t[]){1, 1});
    m->arch->net.masked->predict(g, m->config, &in, places, &head, &bias);
}
const fig_family fig_family_masked = {.name = "masked",
                                      .medium = "text",
                                      .settings = {"vocab_size", "n_layer", "n_head", "n_embd", "block_size"},
                                      .settle = fig__masked_settle,
                                      .record = record_masked};

static void record_vae(fig_model *m, fig_graph *g) {
    fig_tensor *x = one_picture(m, g);
    fig__vae_terms terms;
    fig__vae_bound(m, g, x, 1, &terms);
}
const fig_family fig_family_vae = {
    .name = "vae", .medium = "pictures", .settings = {"image_size", "n_channels"}, .record = record_vae};

fig_flow_inputs fig__flow_inputs(const fig_model *m, fig_graph *g, size_t n) {
    size_t side = setting(m, "image_size"), text = setting(m, "text_length");
    fig_flow_inputs in = {.x = fig_input(g, "x", FIG_F32, 4, (size_t[]){n, side, side, setting(m, "n_channels")}),
                          .time = fig_input(g, "time", FIG_I32, 2, (size_t[]){n, 1})};
    if (setting(m, "n_classes")) in.label = fig_input(g, "label", FIG_I32, 2, (size_t[]){n, 1});
    if (text) in.text = fig_input(g, "text", FIG_I32, 2, (size_t[]){n, text});
    return in;
}
static void record_flow(fig_model *m, fig_graph *g) {
    fig_flow_inputs in = fig__flow_inputs(m, g, 1);
    m->arch->net.flow->predict(g, m->config, &in);
}
const fig_family fig_family_flow = {.name = "flow",
                                    .medium = "pictures",
                                    .settings = {"image_size", "n_channels", "n_classes", "text_length"},
                                    .record = record_flow};

static void record_gan(fig_model *m, fig_graph *g) {
    size_t n = setting(m, "pack");
    fig_tensor *z = fig_input(g, "z", FIG_F32, 2, (size_t[]){n, setting(m, "n_latent")}),
               *label = fig__gan_label(m, g, n);
    fig__gan_judge(m, g, fig__gan_generate(m, g, z, label), label);
}
const fig_family fig_family_gan = {.name = "gan",
                                   .medium = "pictures",
                                   .settings = {"image_size", "n_channels", "n_classes", "n_latent", "pack"},
                                   .record = record_gan};

static void record_tokenizer(fig_model *m, fig_graph *g) {
    const fig_tokenizer_net *net = m->arch->net.tokenizer;
    net->decode(g, m->config, net->encode(g, m->config, one_picture(m, g)));
}
const fig_family fig_family_tokenizer = {
    .name = "tokenizer", .medium = "pictures", .settings = {"image_size", "n_channels"}, .record = record_tokenizer};

static void record_tokens(fig_model *m, fig_graph *g) {
    const fig_tokens_net *net = m->arch->net.tokens;
    const void *codec = net->codec_config(m->config);
    fig_tensor *codes, *words;
    fig_enter(g, "codec");
    net->codec->decode(g, codec, net->codec->encode(g, codec, one_picture(m, g)));
    fig_leave(g);
    fig_lm_inputs in = {.batch = 1, .time = 1};
    in.tokens = fig_input(g, "tokens", FIG_I32, 2, (size_t[]){1, 1});
    in.positions = fig_input(g, "positions", FIG_I32, 2, (size_t[]){1, 1});
    net->hidden(g, m->config, &in, &codes, &words);
}
const fig_family fig_family_tokens = {
    .name = "tokens",
    .medium = "pictures",
    .settings = {"image_size", "n_channels", "n_classes", "text_length", "vocab_size", "n_layer", "n_head", "n_embd"},
    .settle = fig__tokens_settle,
    .record = record_tokens};

static void record_classifier(fig_model *m, fig_graph *g) {
    const fig_classifier_net *net = m->arch->net.classifier;
    net->logits(g, m->config, net->features(g, m->config, one_picture(m, g)));
}
const fig_family fig_family_classifier = {.name = "classifier",
                                          .medium = "pictures",
                                          .settings = {"image_size", "n_channels", "n_classes", "n_features"},
                                          .record = record_classifier};

static void record_contrastive(fig_model *m, fig_graph *g) {
    const fig_contrastive_net *net = m->arch->net.contrastive;
    fig_tensor *text = fig_input(g, "text", FIG_I32, 2, (size_t[]){1, setting(m, "text_length")});
    fig_tensor *pictures = net->pictures(g, m->config, one_picture(m, g));
    fig__contrastive_logits(g, pictures, net->texts(g, m->config, text));
}
const fig_family fig_family_contrastive = {
    .name = "contrastive",
    .medium = "pictures",
    .settings = {"image_size", "n_channels", "text_length", "vocab_size", "n_features"},
    .record = record_contrastive};
