/* Any bytes as JSON: no crash, and what is accepted reads back the same after writing. */
#include "base/json.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static void write_and_read(const fig__json *j) {
    fig__buf first, second;
    fig__json *back = NULL;
    fig__buf_init(&first, ctx, 1 << 24);
    fig__buf_init(&second, ctx, 1 << 24);
    if (fig__json_write(j, 0, &first)) abort();
    if (fig__json_parse(ctx, "again", first.data, first.len, &back)) abort();
    if (fig__json_write(back, 0, &second)) abort();
    if (first.len != second.len || memcmp(first.data, second.data, first.len)) abort();
    fig__json_free(back);
    fig__buf_deinit(&first);
    fig__buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    fig__json *j = NULL;
    if (fig__json_parse(ctx, "fuzz", (const char *)data, size, &j) == FIG_OK) write_and_read(j);
    for (size_t i = 0; i < fig__json_size(j) && i < 4; i++) fig__json_key(j, i, NULL);
    fig__json_free(j);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
