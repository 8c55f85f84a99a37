/* Any bytes as an .npy array: refused, or every element lies inside and can be read, and what is written reads back. */
#include "files/npy.h"
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX 65536

static fig_context *ctx;

static void write_and_read(const fig__npy *npy, const int32_t *values) {
    static char path[] = "/tmp/figment-fuzz-npy-XXXXXX";
    static bool named;
    fig__npy again;
    int32_t *back;
    if (!named && close(mkstemp(path))) abort();
    named = true;
    if (fig__npy_write(ctx, path, FIG_I32, npy->ndim, npy->shape, values)) abort();
    if (fig__npy_open(ctx, path, &again) || fig__npy_ints(ctx, &again, MAX, &back)) abort();
    if (again.ndim != npy->ndim || again.numel != npy->numel) abort();
    if (memcmp(again.shape, npy->shape, (size_t)npy->ndim * sizeof *npy->shape) != 0) abort();
    if (memcmp(back, values, npy->numel * sizeof *back) != 0) abort();
    fig__free(ctx, back);
    fig__npy_close(&again);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    fig__npy npy;
    float *floats;
    int32_t *ints;
    if (fig__npy_parse(ctx, "fuzz", data, size, &npy) == FIG_OK) {
        if (npy.data < data || npy.bytes > size - (size_t)(npy.data - data)) abort();
        if (fig__npy_floats(ctx, &npy, MAX, &floats) == FIG_OK) fig__free(ctx, floats);
        if (fig__npy_ints(ctx, &npy, MAX, &ints) == FIG_OK) {
            write_and_read(&npy, ints);
            fig__free(ctx, ints);
        }
    } else if (!*fig_error(ctx))
        abort();
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
