/* Any bytes as a file of tokens, with llm.c's header and as nanoGPT's bare uint16: refused, or every token is read. */
#include "data/shard.h"
#include "data/source.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static void read_as(const fig__source_kind *kind, const uint8_t *data, size_t size, size_t header) {
    fig__piece piece = {0};
    fig_text_stats stats = {0};
    size_t n = 0;
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    if (!file) abort();
    fig__source s = {.ctx = ctx, .kind = kind, .path = "fuzz", .file = file, .stats = &stats};
    if (!fig__source_open(&s)) {
        size_t width = (size_t)s.token_bytes;
        while (!fig__source_read(&s, &piece) && piece.n) n += piece.n;
        if (header + n * width != size) abort();
    }
    fig__source_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    read_as(&fig__source_llmc, data, size, FIG__SHARD_HEADER_BYTES);
    read_as(&fig__source_nanogpt, data, size, 0);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
