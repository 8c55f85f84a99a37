/* stream.c: loads a model and shows its text as it is written.
 *
 *     cc stream.c $(pkg-config --cflags --libs figment) -o stream
 *     ./stream [MODEL [PROMPT [TOKENS]]]      MODEL: a folder, a file, or the name of an installed model */
#include <fig/generate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called with whole UTF-8 characters as soon as they are certain. */
static bool show(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    (void)user, (void)sample;
    fwrite(text, 1, len, stdout);
    if (done) printf("\n[%s]\n", stop);
    fflush(stdout);
    return !ferror(stdout); /* false ends the sample */
}

static fig_status stream(fig_context *ctx, const char *name, const char *prompt, int64_t n_tokens) {
    fig_model *model = NULL;
    fig_generator *generator = NULL;
    fig_generate_options o;
    fig_generate_report r = {0};
    fig_generate_defaults(&o);
    o.max_tokens = n_tokens;
    /* Without gradients, in the type the file has. */
    fig_model_options m = {.dtype = FIG_DTYPE_COUNT, .inference = true};
    fig_status status = fig_model_load(ctx, name, &m, &model);
    if (!status) status = fig_generator_new(model, 1, 0, &generator);
    if (!status) printf("%s", prompt);
    if (!status) status = fig_generate(generator, prompt, strlen(prompt), &o, show, NULL, &r);
    if (!status) fprintf(stderr, "%zu tokens in %.2f s\n", r.n_generated, r.decode_seconds);
    fig_generator_free(generator);
    fig_model_free(model);
    return status;
}

int main(int argc, char **argv) {
    fig_context *ctx;
    fig_status status = fig_context_new(NULL, &ctx);
    if (status) return fprintf(stderr, "stream: %s\n", fig_status_text(status)), 1;
    const char *name = argc > 1 ? argv[1] : "shakespeare", *prompt = argc > 2 ? argv[2] : "ROMEO:\n";
    status = stream(ctx, name, prompt, argc > 3 ? strtol(argv[3], NULL, 10) : 100);
    if (status) fprintf(stderr, "stream: %s\n", fig_error(ctx));
    fig_context_free(ctx);
    return !status ? 0 : fig_status_is_usage(status) ? 2 : 1;
}
