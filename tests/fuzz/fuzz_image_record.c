/* Any bytes as a PNG file with a record: no crash, no lost memory; as a source of another picture it leaves a history
 * that can be written and read again. Bytes that are no PNG are also taken as the text of a record. */
#include <stdlib.h>
#include "media/image/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static const uint8_t pixel[3] = {1, 2, 3};
static const fig__image one = {.data = (uint8_t *)(uintptr_t)pixel, .w = 1, .h = 1, .c = 3};

static void use(const uint8_t *data, size_t size) {
    fig__json *history = fig__json_new_array(), *json = NULL;
    fig__record record = {.prompt = "fuzz", .history = history};
    fig__buf file;
    fig__buf_init(&file, ctx, 1 << 24);
    if (fig__record_read(ctx, "fuzz", data, size, &json) && json) abort();
    fig__json_free(json);
    json = NULL;
    if (fig__record_add_source(ctx, "fuzz", data, size, history) || !fig__json_size(history)) abort();
    if (fig__record_png(ctx, &one, &record, FIG__RECORD_ALL, &file)) abort();
    if (fig__record_read(ctx, "again", file.data, file.len, &json)) abort();
    fig__json_free(json), fig__json_free(history);
    fig__buf_deinit(&file);
}

/* As prompt, model and text of a record. */
static void use_text(const uint8_t *data, size_t size) {
    fig__buf text, file;
    fig__buf_init(&text, ctx, 1 << 16);
    fig__buf_init(&file, ctx, 1 << 24);
    if (!fig__buf_add(&text, data, size)) {
        fig__record record = {.prompt = fig__buf_str(&text), .model = fig__buf_str(&text)};
        const fig__png_text parts = {"figment", fig__buf_str(&text)};
        if (fig__record_png(ctx, &one, &record, FIG__RECORD_ALL, &file)) abort();
        fig__buf_clear(&file);
        if (!fig__png_encode(ctx, &one, &parts, 1, &file)) use((const uint8_t *)file.data, file.len);
    }
    fig__buf_deinit(&text), fig__buf_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    use(data, size);
    const char *format = fig__image_format(data, size);
    if (!format || strcmp(format, "png") != 0) use_text(data, size);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
