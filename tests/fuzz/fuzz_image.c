/* Any bytes as a picture: no crash, no lost memory, and what was decoded can be resized, converted and written. */
#include <stdlib.h>
#include "media/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static void use(const fig__image *image) {
    fig__image small, grey;
    fig__buf file, text;
    fig__buf_init(&file, ctx, 1 << 24);
    fig__buf_init(&text, ctx, 1 << 20);
    if (fig__image_resize(ctx, image, 7, 5, &small) || fig__image_channels(ctx, &small, 1, &grey)) abort();
    if (fig__png_encode(ctx, &small, NULL, 0, &file)) abort();
    fig__image_free(ctx, &small);
    fig__image_free(ctx, &grey);
    fig__buf_deinit(&file);
    fig__buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    fig__image image;
    fig__buf text;
    if (fig__image_decode(ctx, "fuzz", data, size, &image) == FIG_OK) {
        if (image.w * image.h <= 1 << 20) use(&image);
        fig__image_free(ctx, &image);
    }
    fig__buf_init(&text, ctx, 1 << 20);
    fig__png_text_read(ctx, "fuzz", data, size, "figment", &text);
    fig__buf_deinit(&text);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
