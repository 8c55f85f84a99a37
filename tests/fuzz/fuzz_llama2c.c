/* Any bytes as a llama2.c model: refused, or its tensors fill the file and its settings agree with their shapes. */
#include "files/llama2c.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;
static volatile uint8_t sum;

static size_t setting(const fig__json *s, const char *key) { return (size_t)fig__json_int(fig__json_get(s, key), 0); }

static void check(const fig__weights *w, const fig__json *settings, size_t file_size) {
    const fig__weight *t;
    size_t total = 0, shape[2] = {setting(settings, "vocab_size"), setting(settings, "n_embd")};
    if (fig__weights_need(w, "model.embed_tokens.weight", 2, shape, &t)) abort();
    if (fig__weights_count(w) !=
        2 + 9 * setting(settings, "n_layer") + !fig__json_bool(fig__json_get(settings, "tied"), true))
        abort();
    for (size_t i = 0; i < fig__weights_count(w); i++) {
        t = fig__weights_at(w, i);
        for (size_t k = 0; k < t->bytes; k++) sum = (uint8_t)(sum + ((const uint8_t *)t->data)[k]);
        total += t->bytes;
    }
    if (total > file_size) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int file = -1;
    char path[64];
    fig__weights *w;
    fig__json *settings;
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    if (file < 0) file = memfd_create("fuzz", 0);
    if (ftruncate(file, 0) || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    uint64_t before = fig_memory(ctx).bytes_now;
    bool good = fig__llama2c_open(ctx, path, &w, &settings) == FIG_OK;
    if (good) check(w, settings, size);
    if (good && !fig__llama2c_probe(data, size)) abort();
    if (!good && (w || settings || !*fig_error(ctx))) abort();
    fig__weights_close(w);
    fig__json_free(settings);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
