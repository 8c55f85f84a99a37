/* Any bytes as a safetensors file: refused, or every tensor lies inside the file and can be read to its last byte. */
#include "files/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;
static volatile uint8_t sum;

static void check(const fig__weights *w, size_t file_size) {
    size_t total = 0;
    for (size_t i = 0; i < fig__weights_count(w); i++) {
        const fig__weight *t = fig__weights_at(w, i);
        if (fig__weights_find(w, t->name) != t) abort();
        if (t->dtype < FIG_DTYPE_COUNT && t->numel * fig_dtype_size(t->dtype) != t->bytes) abort();
        for (size_t k = 0; k < t->bytes; k++) sum = (uint8_t)(sum + ((const uint8_t *)t->data)[k]);
        fig__weights_check_finite(w, t);
        total += t->bytes;
    }
    if (total > file_size) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int file = -1;
    char path[64];
    fig__weights *w;
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    if (file < 0) file = memfd_create("fuzz", 0);
    if (ftruncate(file, 0) || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    uint64_t before = fig_memory(ctx).bytes_now;
    if (fig__st_open(ctx, path, &w) == FIG_OK)
        check(w, size);
    else if (w || !*fig_error(ctx))
        abort();
    fig__weights_close(w);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
