/* Any bytes as manifest.json: refused, or everything in it lies within its limits. */
#include "data/manifest.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static void check(const fig__manifest *m) {
    const fig_dataset_info *info = &m->info;
    if (m->token_bytes != 2 && m->token_bytes != 4) abort();
    if (!m->shard_tokens || info->vocab_size < 1 || info->separator >= info->vocab_size) abort();
    if (!(m->val_fraction >= 0 && m->val_fraction < 1)) abort();
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        if (info->split[i].n_tokens / m->shard_tokens >= 65536) abort();
    for (size_t i = 0; i < m->sources.n; i++)
        if (!m->sources.data[i].path || strlen(m->sources.data[i].sha256) != 64) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    fig__manifest m;
    if (fig__manifest_parse(ctx, "fuzz", (const char *)data, size, &m) == FIG_OK) check(&m);
    fig__manifest_deinit(ctx, &m);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
