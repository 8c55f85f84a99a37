/* What is written into pictures, and read back. */
#include "check.h"
#include "media/image/record.h"

static const uint8_t pixels[64 * 32 * 3];
static const fig__image image = {.data = (uint8_t *)(uintptr_t)pixels, .w = 64, .h = 32, .c = 3};

static const fig__record apple = {.prompt = "a red apple",
                                  .negative_prompt = "blurred, dark",
                                  .sampler = "heun",
                                  .model = "emoji: small, warm",
                                  .model_hash = "0123abcd",
                                  .seed = 7,
                                  .sample = 3,
                                  .steps = 20,
                                  .guidance = 2};

static void expect_parameters(fig_context *ctx, const fig__record *record, const char *want) {
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 16);
    EXPECT_OK(ctx, fig__record_parameters(record, &text));
    EXPECT_EQ_S(fig__buf_str(&text), want);
    fig__buf_deinit(&text);
}

#define VERSION "Version: figment " FIG_VERSION_STRING

TEST(parameters) {
    fig_context *ctx = check_context();
    fig__record r = apple;
    r.w = 64, r.h = 32;
    expect_parameters(ctx, &r,
                      "a red apple\nNegative prompt: blurred, dark\nSteps: 20, Sampler: heun, CFG scale: 2, Seed: 7, "
                      "Sample: 3, Size: 64x32, Model hash: 0123abcd, Model: \"emoji: small, warm\", " VERSION);
    r = (fig__record)FIG__RECORD_NONE;
    expect_parameters(ctx, &r, VERSION);
    r.prompt = "", r.seed = 0, r.guidance = 7.5;
    expect_parameters(ctx, &r, "CFG scale: 7.5, Seed: 0, " VERSION);
}

/* A prompt keeps its lines, and cannot be taken for another part of the text. */
TEST(parameters_of_strange_prompts) {
    fig_context *ctx = check_context();
    fig__record r = FIG__RECORD_NONE;
    r.prompt = "one\r\ntwo\tand\033 three\n\n";
    expect_parameters(ctx, &r, "one\ntwo and  three\n" VERSION);
    r.prompt = "Negative prompt: x\n  Negative prompt: y, Negative prompt: z";
    expect_parameters(ctx, &r, "Negative\xc2\xa0prompt: x\n  Negative\xc2\xa0prompt: y, Negative prompt: z\n" VERSION);
    r.prompt = "\xff\xc3\xa9";
    expect_parameters(ctx, &r, "\xef\xbf\xbd\xc3\xa9\n" VERSION);
    r.prompt = NULL, r.model = "a\nb\"c", r.sampler = "caf\xc3\xa9, hot";
    expect_parameters(ctx, &r, "Sampler: \"caf\xc3\xa9, hot\", Model: \"a\\nb\\\"c\", " VERSION);
}

static fig_status write_png(fig_context *ctx, const fig__record *record, unsigned parts, fig__buf *file) {
    fig__buf_init(file, ctx, 1 << 22);
    return fig__record_png(ctx, &image, record, parts, file);
}

TEST(there_and_back) {
    fig_context *ctx = check_context();
    fig__json *settings = fig__json_new_object(), *back = NULL;
    EXPECT_OK(ctx, fig__json_put(settings, "eta", fig__json_new_real(0.25)));
    fig__record r = apple;
    fig__buf file, text;
    r.settings = settings;
    r.prompt = "ein \xc3\x84pfel \xf0\x9f\x8d\x8e\nzweite Zeile \"<&>";
    EXPECT_OK(ctx, write_png(ctx, &r, FIG__RECORD_ALL, &file));
    EXPECT_OK(ctx, fig__record_read(ctx, "a.png", file.data, file.len, &back));
    EXPECT_EQ_S(fig__json_str(fig__json_get(back, "prompt"), ""), r.prompt);
    EXPECT_EQ_I(fig__json_int(fig__json_get(back, "seed"), -1), 7);
    EXPECT_EQ_I(fig__json_int(fig__json_get(back, "width"), -1), 64);
    EXPECT_NEAR(fig__json_real(fig__json_get(fig__json_get(back, "settings"), "eta"), 0), 0.25, 0);
    EXPECT(!fig__json_get(back, "history"));
    fig__buf_init(&text, ctx, 1 << 16);
    EXPECT_OK(ctx, fig__png_text_read(ctx, "a.png", file.data, file.len, "XML:com.adobe.xmp", &text));
    EXPECT_EQ_S(fig__buf_str(&text), fig__record_xmp);
    EXPECT(memmem(file.data, file.len, "iTXtXML:com.adobe.xmp", 22)); /* XMP specification, 1.1.5: never tEXt */
    fig__json_free(back), fig__json_free(settings);
    fig__buf_deinit(&file), fig__buf_deinit(&text);
}

TEST(parts) {
    static const char *const keys[] = {"parameters", "figment", "XML:com.adobe.xmp"};
    fig_context *ctx = check_context();
    for (unsigned parts = 0; parts <= FIG__RECORD_ALL; parts++) {
        fig__buf file, text;
        EXPECT_OK(ctx, write_png(ctx, &apple, parts, &file));
        for (unsigned i = 0; i < 3; i++) {
            fig__buf_init(&text, ctx, 1 << 16);
            fig_status status = fig__png_text_read(ctx, "x", file.data, file.len, keys[i], &text);
            EXPECT_EQ_I(status, parts >> i & 1 ? FIG_OK : FIG_ERR_NOTFOUND);
            fig__buf_deinit(&text);
        }
        fig__buf_deinit(&file);
    }
}

static fig_status read_text(fig_context *ctx, const char *json) {
    fig__buf file;
    fig__json *back = NULL;
    const fig__png_text text = {"figment", json};
    fig__buf_init(&file, ctx, 1 << 22);
    EXPECT_OK(ctx, fig__png_encode(ctx, &image, &text, json != NULL, &file));
    fig_status status = fig__record_read(ctx, "a.png", file.data, file.len, &back);
    EXPECT((status == FIG_OK) == (back != NULL));
    fig__json_free(back);
    fig__buf_deinit(&file);
    return status;
}

TEST(bad_records) {
    fig_context *ctx = check_context();
    fig__json *back;
    EXPECT_OK(ctx, read_text(ctx, "{}"));
    EXPECT_EQ_I(read_text(ctx, NULL), FIG_ERR_NOTFOUND);
    EXPECT_EQ_S(fig_error(ctx), "a.png: holds no record of how it was made; figment writes one into PNG files");
    EXPECT_EQ_I(read_text(ctx, "[1]"), FIG_ERR_FORMAT);
    EXPECT_EQ_S(fig_error(ctx), "a.png: the record in it is no JSON object");
    EXPECT_EQ_I(read_text(ctx, "{\"a\": "), FIG_ERR_FORMAT);
    EXPECT_EQ_I(fig__record_read(ctx, "a.png", "GIF89a", 6, &back), FIG_ERR_FORMAT);
    char *large = malloc(FIG__RECORD_MAX_BYTES + 2);
    memset(large, ' ', FIG__RECORD_MAX_BYTES + 1);
    memcpy(large, "{}", 2);
    large[FIG__RECORD_MAX_BYTES] = 0;
    EXPECT_OK(ctx, read_text(ctx, large));
    memcpy(large + FIG__RECORD_MAX_BYTES, " ", 2);
    EXPECT_EQ_I(read_text(ctx, large), FIG_ERR_LIMIT);
    free(large);
}

TEST(too_long_to_be_read_again) {
    fig_context *ctx = check_context();
    char *prompt = malloc(FIG__RECORD_MAX_BYTES);
    memset(prompt, 'a', FIG__RECORD_MAX_BYTES);
    prompt[FIG__RECORD_MAX_BYTES - 1] = 0;
    fig__record r = apple;
    fig__buf file;
    r.prompt = prompt;
    EXPECT_EQ_I(write_png(ctx, &r, FIG__RECORD_JSON, &file), FIG_ERR_LIMIT);
    EXPECT_EQ_I(file.len, 0);
    fig__buf_deinit(&file);
    free(prompt);
}

/* --- history ----------------------------------------------------------------------------------------------------*/

/* Each picture is made from the one before it. */
TEST(generations) {
    fig_context *ctx = check_context();
    fig__buf file = {.ctx = ctx};
    for (int i = 0; i < FIG__RECORD_MAX_HISTORY + 10; i++) {
        fig__json *history = fig__json_new_array();
        fig__record r = {.seed = i};
        if (i) EXPECT_OK(ctx, fig__record_add_source(ctx, "before.png", file.data, file.len, history));
        fig__buf_deinit(&file);
        r.history = history;
        EXPECT_OK(ctx, write_png(ctx, &r, FIG__RECORD_ALL, &file));
        size_t n = fig__json_size(history);
        EXPECT_EQ_I(n, FIG_MIN(i, FIG__RECORD_MAX_HISTORY));
        for (size_t k = 0; k < n; k++) { /* the newest of them, oldest first */
            const fig__json *entry = fig__json_at(history, k);
            EXPECT_EQ_I(fig__json_int(fig__json_get(entry, "seed"), -1), i - (int64_t)n + (int64_t)k);
            EXPECT_EQ_I(strlen(fig__json_str(fig__json_get(entry, "sha256"), "")), 64);
            EXPECT(!fig__json_get(entry, "history"));
        }
        fig__json_free(history);
    }
    fig__buf_deinit(&file);
}

TEST(sources_without_a_record) {
    fig_context *ctx = check_context();
    fig__json *history = fig__json_new_array();
    EXPECT_OK(ctx, fig__record_add_source(ctx, "a.jpg", "abc", 3, history));
    const fig__json *entry = fig__json_at(history, 0);
    EXPECT_EQ_S(fig__json_str(fig__json_get(entry, "sha256"), ""),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ_I(fig__json_size(entry), 1);
    for (int i = 1; i < FIG__RECORD_MAX_HISTORY; i++)
        EXPECT_OK(ctx, fig__record_add_source(ctx, "a.jpg", "abc", 3, history));
    EXPECT_EQ_I(fig__record_add_source(ctx, "a.jpg", "abc", 3, history), FIG_ERR_LIMIT);
    fig__json_free(history);
}

/* What a file says of itself may be large, deep or nonsense: only its hash is kept then, and the record stays one that
 * can be read. */
TEST(hostile_sources) {
    fig_context *ctx = check_context();
    static char deep[600], large[20000];
    memset(deep, '[', 126), memset(deep + 126, ']', 126);
    snprintf(large, sizeof large, "{\"a\": \"%*s\", \"history\": [1, {\"sha256\": 5}, {\"sha256\": \"x\"}]}", 10000,
             "");
    memmove(deep + 6, deep, 253), memcpy(deep, "{\"a\": ", 6), memcpy(deep + 258, "}", 2);
    const char *const texts[] = {deep, large, "[]"};
    fig__json *history = fig__json_new_array(), *back = NULL;
    fig__buf file;
    for (size_t i = 0; i < FIG_COUNT(texts); i++) {
        const fig__png_text text = {"figment", texts[i]};
        fig__buf_init(&file, ctx, 1 << 22);
        EXPECT_OK(ctx, fig__png_encode(ctx, &image, &text, 1, &file));
        EXPECT_OK(ctx, fig__record_add_source(ctx, "a.png", file.data, file.len, history));
        EXPECT_EQ_I(fig__json_size(history), i + 1);
        EXPECT_EQ_I(fig__json_size(fig__json_at(history, i)), 1);
        fig__buf_deinit(&file);
    }
    fig__record r = apple;
    r.history = history;
    EXPECT_OK(ctx, write_png(ctx, &r, FIG__RECORD_JSON, &file));
    EXPECT_OK(ctx, fig__record_read(ctx, "a.png", file.data, file.len, &back));
    fig__json_free(back), fig__json_free(history);
    fig__buf_deinit(&file);
}

TEST(out_of_memory) {
    fig_context *ctx = check_context();
    fig_status status = FIG_ERR_NOMEM;
    fig__buf source;
    EXPECT_OK(ctx, write_png(ctx, &apple, FIG__RECORD_ALL, &source));
    uint64_t before = fig_memory(ctx).bytes_now;
    for (uint64_t n = 1; n < 1000 && status; n++) {
        fig__json *history = fig__json_new_array();
        fig__record r = apple;
        fig__buf file = {.ctx = ctx};
        fig__alloc_fail_after(ctx, n);
        status = fig__record_add_source(ctx, "a.png", source.data, source.len, history);
        r.history = history;
        if (!status) status = write_png(ctx, &r, FIG__RECORD_ALL, &file);
        fig__alloc_fail_after(ctx, 0);
        EXPECT(!status || (status == FIG_ERR_NOMEM && *fig_error(ctx)));
        fig__json_free(history);
        fig__buf_deinit(&file);
        EXPECT_EQ_I(fig_memory(ctx).bytes_now, before);
    }
    EXPECT_OK(ctx, status);
    fig__buf_deinit(&source);
}
