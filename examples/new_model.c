/* new_model.c: an architecture made outside the library, for the ordinary trainer and generator: a decoder whose
 * attention and MLP stand side by side (GPT-J, PaLM): x + attention(norm(x)) + mlp(norm(x)).
 *     ./new_model DATA OUT      DATA: a prepared folder, as train.c leaves in OUT/data */
#include <fig/nn.h>
#include <fig/train.h>
#include <stdio.h>
typedef struct config {
    int64_t vocab_size, n_layer, n_head, n_embd, block_size;
} config;
/* The kind left out is FIG_OPT_INT. These five names are what the trainer and the generator ask for. */
#define SIZE(key, usual) \
    { .name = #key, .offset = offsetof(config, key), .low = 1, .high = 65536, .fallback = usual }
static const fig_option rows[] = {SIZE(vocab_size, "1"), SIZE(n_layer, "2"), SIZE(n_head, "2"), SIZE(n_embd, "64"),
                                  SIZE(block_size, "64")};
static fig_tensor *heads(fig_graph *g, const config *c, const char *name, fig_tensor *x) { /* [B,T,C] -> [B,T,H,C/H] */
    x = fig_linear(g, name, x, (size_t)c->n_embd, FIG_NO_BIAS, 0.02);
    return fig_reshape(g, x, 4, (int64_t[]){0, 0, c->n_head, -1});
}
static fig_tensor *hidden(fig_graph *g, const void *settings, const fig_lm_inputs *in, fig_tensor **head) {
    const config *c = settings;
    size_t width = (size_t)c->n_embd;
    fig_tensor *cos, *sin, *x = fig_embed(g, "embed", in->tokens, (size_t)c->vocab_size, width, 0.02, head); /* tied */
    fig_rope_angles(g, in->positions, width / (size_t)c->n_head / 2, 10000, &cos, &sin);
    for (int i = 0; i < c->n_layer; i++) {
        fig_enter(g, "blocks.%d", i);
        fig_tensor *h = fig_rms_norm(g, "norm", x, 1e-6), *v = heads(g, c, "v", h);
        fig_tensor *q = fig_rope(g, heads(g, c, "q", h), cos, sin, false);
        fig_tensor *k = fig_rope(g, heads(g, c, "k", h), cos, sin, false);
        fig_tensor *seen = fig_attention(g, q, k, v, &(fig_attention_options){.causal = true, .layer = i});
        seen = fig_linear(g, "proj", fig_reshape(g, seen, 3, (int64_t[]){0, 0, -1}), width, FIG_NO_BIAS, 0.01);
        fig_tensor *wide = fig_gelu(g, fig_linear(g, "up", h, 4 * width, FIG_BIAS, 0.02));
        x = fig_add(g, x, fig_add(g, seen, fig_linear(g, "down", wide, width, FIG_BIAS, 0.01)));
        fig_leave(g);
    }
    return fig_rms_norm(g, "norm", x, 1e-6);
}
int main(int argc, char **argv) {
    const fig_option_table table = {rows, sizeof rows / sizeof *rows};
    const fig_arch arch = {.name = "parallel",
                           .family = &fig_family_language,
                           .net.language = &(fig_language_net){hidden},
                           .config_size = sizeof(config),
                           .options = &table};
    fig_context *ctx;
    fig_dataset *data = NULL;
    fig_tokenizer *tok;
    fig_model *model = NULL;
    fig_trainer *trainer = NULL;
    fig_train_options o;
    fig_train_report r;
    if (argc < 3 || fig_context_new(NULL, &ctx)) return fprintf(stderr, "usage: new_model DATA OUT\n"), 2;
    fig_train_defaults(&o);
    o.out_dir = argv[2], o.max_iters = 60, o.learning_rate = 5e-3, o.warmup_iters = 10;
    bool failed = fig_arch_register(ctx, &arch) || fig_dataset_open(ctx, argv[1], &data) ||
                  fig_tokenizer_load(ctx, argv[1], &tok) || fig_model_new(ctx, "parallel", NULL, &model) ||
                  fig_model_set_tokenizer(model, tok) ||
                  fig_trainer_new(model, &(fig_train_data){data, NULL}, &o, &trainer) ||
                  fig_trainer_run(trainer, NULL, NULL, &r);
    if (failed) fprintf(stderr, "new_model: %s\n", fig_error(ctx));
    if (!failed) printf("%zu parameters, validation loss %.3f\n", fig_model_n_params(model), r.best_val_loss);
    fig_trainer_free(trainer), fig_model_free(model), fig_dataset_close(data), fig_context_free(ctx);
    return failed;
}
