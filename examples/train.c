/* train.c: learns from a text file, then writes.
 *     cc train.c $(pkg-config --cflags --libs figment) -o train
 *     ./train TEXT OUT [STEPS]      OUT becomes the model, OUT/data the tokens that it learnt from */
#include <fig/generate.h>
#include <fig/train.h>
#include <stdio.h>
#include <stdlib.h>

static fig_context *ctx;
static void must(fig_status status) {
    if (status) fprintf(stderr, "train: %s\n", ctx ? fig_error(ctx) : fig_status_text(status));
    if (status) exit(1);
}
static void on_event(void *user, const fig_train_event *e) {
    if (e->kind == FIG_TRAIN_EVAL)
        fprintf(user, "step %d: validation loss %.3f\n", (int)e->iter, fig_score_of(&e->scores, "val_loss"));
}
static bool on_text(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    (void)sample, (void)stop;
    return fprintf(user, "%.*s%s", (int)len, text, done ? "\n" : "") >= 0;
}

int main(int argc, char **argv) {
    static const char *settings[][2] = {{"n_layer", "2"}, {"n_head", "2"}, {"n_embd", "64"}, {"block_size", "64"}};
    fig_tokenizer_trainer *learner;
    fig_tokenizer *tokenizer;
    fig_dataset_options d = fig_dataset_options_default();
    fig_dataset *data;
    fig_model *model;
    fig_train_options o;
    fig_trainer *trainer;
    fig_train_report report;
    fig_generate_options g;
    fig_generator *generator;
    char data_dir[4096];
    if (argc < 3) return fprintf(stderr, "usage: train TEXT OUT [STEPS]\n"), 2;
    must(fig_context_new(NULL, &ctx));
    /* One token per byte: nothing to learn. For FIG_TOKENIZER_BPE, add the text before finishing. */
    must(fig_tokenizer_trainer_new(ctx, &(fig_tokenizer_train_options){.kind = FIG_TOKENIZER_BYTE}, &learner));
    must(fig_tokenizer_trainer_finish(learner, NULL, &tokenizer));
    snprintf(data_dir, sizeof data_dir, "%s/data", argv[2]);
    d.paths = (const char *[]){argv[1]}, d.n_paths = 1, d.tokenizer = tokenizer, d.out_dir = data_dir, d.force = true;
    must(fig_dataset_prepare(ctx, &d, NULL));
    must(fig_dataset_open(ctx, data_dir, &data));
    must(fig_model_new(ctx, "qwen3", &(fig_model_options){.dtype = FIG_DTYPE_COUNT, .seed = 1}, &model));
    for (int i = 0; i < 4; i++) must(fig_model_set(model, settings[i][0], settings[i][1]));
    must(fig_model_set_tokenizer(model, tokenizer)); /* it is the model's from here on */
    fig_train_defaults(&o);
    o.out_dir = argv[2], o.learning_rate = 5e-3, o.warmup_iters = 10, o.sample_tokens = 0;
    o.max_iters = argc > 3 ? strtol(argv[3], NULL, 10) : 60, o.eval_interval = 30;
    must(fig_trainer_new(model, &(fig_train_data){.text = data}, &o, &trainer));
    must(fig_trainer_run(trainer, on_event, stdout, &report));
    fig_generate_defaults(&g);
    g.max_tokens = 60;
    must(fig_generator_new(model, 1, 0, &generator));
    must(fig_generate(generator, "", 0, &g, on_text, stdout, NULL));
    fig_generator_free(generator), fig_trainer_free(trainer), fig_model_free(model), fig_dataset_close(data);
    fig_tokenizer_trainer_free(learner), fig_context_free(ctx);
    return 0;
}
