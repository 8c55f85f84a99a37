/* Any JSON as config.json and generation_config.json: refused, or what is read can be written and reads back the same.
 */
#include "files/hf_config.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static bool same(const fig__json *a, const fig__json *b) {
    fig__buf x, y;
    fig__buf_init(&x, ctx, 1 << 24);
    fig__buf_init(&y, ctx, 1 << 24);
    bool equal =
        !fig__json_write(a, 0, &x) && !fig__json_write(b, 0, &y) && x.len == y.len && !memcmp(x.data, y.data, x.len);
    fig__buf_deinit(&x);
    fig__buf_deinit(&y);
    return equal;
}

/* Writing normalises (9 digits, one order of keys), so the second and the third reading are compared. */
static fig__json *again(const char *arch, const fig__json *settings) {
    fig__json *written, *read;
    const char *arch_again;
    if (fig__hf_write_config(ctx, arch, settings, FIG_F32, &written, NULL)) abort();
    if (fig__hf_read_config(ctx, "again", written, &arch_again, &read)) abort();
    if (strcmp(arch, arch_again)) abort();
    fig__json_free(written);
    return read;
}

static void check_config(const fig__json *config) {
    fig__json *settings, *second, *third;
    const char *arch;
    if (fig__hf_read_config(ctx, "fuzz", config, &arch, &settings)) {
        if (settings || !*fig_error(ctx)) abort();
        return;
    }
    second = again(arch, settings);
    third = again(arch, second);
    if (!same(second, third)) abort();
    fig__json_free(settings);
    fig__json_free(second);
    fig__json_free(third);
}

static void check_generation(const fig__json *config) {
    fig__hf_tokens tokens;
    fig__json *settings, *written;
    if (fig__hf_read_tokens(ctx, "fuzz", config, &tokens)) tokens = (fig__hf_tokens){.bos = -1, .pad = -1};
    if (tokens.n_eos > FIG__HF_MAX_EOS || tokens.bos < -1) abort();
    if (fig__hf_read_generation(ctx, "fuzz", config, &settings)) return;
    if (fig__hf_write_generation(ctx, settings, &tokens, &written)) abort();
    fig__json_free(settings);
    if (fig__hf_read_generation(ctx, "again", written, &settings)) abort();
    fig__json_free(settings);
    fig__json_free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fig__json *config;
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
    uint64_t before = fig_memory(ctx).bytes_now;
    if (!fig__json_parse(ctx, "fuzz", (const char *)data, size, &config)) {
        check_config(config);
        check_generation(config);
    }
    fig__json_free(config);
    if (fig_memory(ctx).bytes_now != before) abort();
    return 0;
}
