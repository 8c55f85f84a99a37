/* Any bytes as the manifest.json of prepared pictures: refused, or everything in it lies within its limits. */
#include "data/pictures/pictures.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static void check(const fig__pictures_manifest *m) {
    const fig_pictures_info *info = &m->info;
    if (!info->size || info->size > 65535 || !info->channels || info->channels > 4) abort();
    if (info->n_classes < 0 || info->n_classes > FIG__PICTURES_MAX_CLASSES) abort();
    if (m->classes.n && m->classes.n != (size_t)info->n_classes) abort();
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) /* so that the bytes of a split can be told */
        if (info->n[i] > UINT64_MAX / (info->size * info->size * info->channels)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    fig__pictures_manifest m;
    if (fig__pictures_manifest_parse(ctx, "fuzz", (const char *)data, size, &m) == FIG_OK) check(&m);
    fig__pictures_manifest_deinit(ctx, &m);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
