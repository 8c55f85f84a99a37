/* Any bytes as JSON Lines: no crash; every line is a document, blank, or counted; reading is the same twice. */
#include "data/source.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

/* Documents in the bytes; adds a hash of them to *hash. */
static uint64_t read_all(const uint8_t *data, size_t size, fig_text_stats *stats, uint64_t *hash) {
    fig__piece piece = {0};
    uint64_t n = 0;
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    if (!file) abort();
    fig__source s = {.ctx = ctx, .kind = &fig__source_jsonl, .path = "fuzz", .file = file, .stats = stats};
    if (fig__source_open(&s)) abort();
    for (; !fig__source_read(&s, &piece) && piece.n; n++) {
        if (!piece.ends_document) abort();
        *hash = *hash * 31 + fig__hash64(piece.text, piece.n);
    }
    if (s.offset != size) abort();
    fig__source_close(&s);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0; /* empty files never come this far */
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now, n_lines = 1, first = 0, second = 0;
    fig_text_stats stats = {0}, again = {0};
    for (size_t i = 0; i < size; i++) n_lines += data[i] == '\n';
    uint64_t n = read_all(data, size, &stats, &first);
    if (n + stats.n_bad_rows > n_lines) abort();
    if (read_all(data, size, &again, &second) != n || first != second || again.n_bad_rows != stats.n_bad_rows) abort();
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
