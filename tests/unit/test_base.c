/* Status codes, the error slot, memory, arenas, number parsing and "did you mean". */
#include "check.h"
#include <locale.h>

TEST(status_texts) {
    EXPECT_EQ_S(fig_status_text(FIG_OK), "ok");
    EXPECT_EQ_S(fig_status_text(FIG_ERR_INTERNAL), "internal error, please report it");
    EXPECT_EQ_S(fig_status_text((fig_status)999), "unknown status");
    EXPECT_EQ_S(fig_status_text((fig_status)-1), "unknown status");
    EXPECT(fig_status_is_usage(FIG_ERR_ARG) && fig_status_is_usage(FIG_ERR_UNSUPPORTED));
    EXPECT(!fig_status_is_usage(FIG_OK) && !fig_status_is_usage(FIG_ERR_NOMEM) && !fig_status_is_usage(FIG_ERR_IO));
}

TEST(dtypes) {
    fig_dtype t;
    for (int i = 0; i < FIG_DTYPE_COUNT; i++) {
        EXPECT(fig_dtype_parse(fig_dtype_name((fig_dtype)i), &t) && (int)t == i);
        EXPECT(fig_dtype_size((fig_dtype)i) > 0);
    }
    EXPECT(fig_dtype_parse("BF16", &t) && t == FIG_BF16);
    EXPECT(fig_dtype_parse("f64", &t) && t == FIG_F64);
    EXPECT(!fig_dtype_parse("float", &t) && !fig_dtype_parse("", &t));
    EXPECT_EQ_I(fig_dtype_size(FIG_BF16), 2);
    EXPECT_EQ_I(fig_dtype_size(FIG_I64), 8);
}

static fig_status fails_with(fig_context *ctx, const char *text) {
    return FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: wrong", text);
}

TEST(errors) {
    fig_context *ctx = check_context();
    EXPECT_EQ_S(fig_error(ctx), "");
    EXPECT_EQ_I(fails_with(ctx, "a.json"), FIG_ERR_FORMAT);
    EXPECT_EQ_S(fig_error(ctx), "a.json: wrong");
    EXPECT_EQ_I(fig_error_code(ctx), FIG_ERR_FORMAT);
    EXPECT_EQ_I(fig__fail_prefix(ctx, FIG_ERR_ARG, "layer %d", 3), FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(ctx), "layer 3: a.json: wrong");
    fails_with(ctx, fig_error(ctx)); /* the present message as an argument */
    EXPECT_EQ_S(fig_error(ctx), "layer 3: a.json: wrong: wrong");
    fails_with(ctx, "one\ntwo");
    EXPECT_EQ_S(fig_error(ctx), "one");
    fig_error_clear(ctx);
    EXPECT_EQ_S(fig_error(ctx), "");
    EXPECT_EQ_I(fig_error_code(ctx), FIG_OK);
}

TEST(long_errors_are_cut) {
    fig_context *ctx = check_context();
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    fails_with(ctx, text);
    EXPECT(strlen(fig_error(ctx)) > 500 && strlen(fig_error(ctx)) < 1100);
    fig__fail_prefix(ctx, FIG_ERR_ARG, "%s", text);
    EXPECT(strlen(fig_error(ctx)) < 1100);
}

static void keep_message(void *user, fig_log_level level, const char *message) {
    if (level == FIG_LOG_INFO) snprintf(user, 100, "%s", message);
}

TEST(log) {
    char last[100] = "";
    fig_context *ctx;
    if (!EXPECT_OK(NULL,
                   fig_context_new(&(fig_context_options){.n_threads = 1, .log = keep_message, .user = last}, &ctx)))
        return;
    fig__log(ctx, FIG_LOG_INFO, "%d files", 3);
    EXPECT_EQ_S(last, "3 files");
    EXPECT_EQ_I(fig_n_threads(ctx), 1);
    fig_context_free(ctx);
    fig_context_free(NULL);
}

TEST(cancel) {
    fig_context *ctx = check_context();
    EXPECT(!fig_cancelled(ctx));
    fig_cancel(ctx);
    EXPECT(fig_cancelled(ctx));
}

TEST(memory_is_counted_and_aligned) {
    fig_context *ctx = check_context();
    fig_memory_stats before = fig_memory(ctx);
    char *p = fig__alloc(ctx, 1000);
    char *z = fig__calloc(ctx, 10, 50);
    EXPECT((uintptr_t)p % FIG_ALIGN == 0 && (uintptr_t)z % FIG_ALIGN == 0);
    for (int i = 0; i < 500; i++) EXPECT(z[i] == 0);
    EXPECT_EQ_I(fig_memory(ctx).bytes_now - before.bytes_now, 1500);
    EXPECT_EQ_I(fig_memory(ctx).n_allocations - before.n_allocations, 2);
    memset(p, 7, 1000);
    p = fig__realloc(ctx, p, 5000);
    EXPECT(p[0] == 7 && p[999] == 7 && (uintptr_t)p % FIG_ALIGN == 0);
    p = fig__realloc(ctx, p, 10);
    EXPECT(p[9] == 7);
    EXPECT_EQ_I(fig_memory(ctx).bytes_now - before.bytes_now, 510);
    EXPECT(fig_memory(ctx).bytes_peak >= before.bytes_now + 6500);
    fig__free(ctx, p);
    fig__free(ctx, z);
    fig__free(ctx, NULL);
    void *empty = fig__alloc(ctx, 0);
    EXPECT(empty != NULL);
    fig__free(ctx, empty);
    EXPECT_EQ_I(fig_memory(ctx).bytes_now, before.bytes_now);
}

TEST(allocation_failures) {
    fig_context *ctx = check_context();
    EXPECT(fig__alloc(ctx, SIZE_MAX) == NULL);
    EXPECT_EQ_I(fig_error_code(ctx), FIG_ERR_NOMEM);
    EXPECT(fig__calloc(ctx, SIZE_MAX / 2, 3) == NULL);
    fig__alloc_fail_after(ctx, 2);
    void *first = fig__alloc(ctx, 1), *second = fig__alloc(ctx, 1), *third = fig__alloc(ctx, 1);
    EXPECT(first && !second && third);
    fig__alloc_fail_after(ctx, 1);
    EXPECT(fig__realloc(ctx, first, 100) == NULL); /* first stays alive */
    fig__free(ctx, first);
    fig__free(ctx, third);
}

TEST(push) {
    fig_context *ctx = check_context();
    struct {
        int *data;
        size_t n, cap;
    } v = {0};
    for (int i = 0; i < 1000; i++) EXPECT_OK(ctx, FIG_PUSH(ctx, &v, i * i));
    for (int i = 0; i < 1000; i++) EXPECT_EQ_I(v.data[i], i * i);
    EXPECT(v.cap < 4096);
    fig__free(ctx, v.data);
}

TEST(arena) {
    fig_context *ctx = check_context();
    fig__arena *arena = fig__arena_new(ctx, 256);
    char *texts[100];
    for (int i = 0; i < 100; i++) texts[i] = fig__arena_printf(arena, "number %d", i);
    char *large = fig__arena_alloc(arena, 10000);
    for (int i = 0; i < 10000; i++) EXPECT(large[i] == 0);
    memset(large, 1, 10000);
    EXPECT((uintptr_t)large % 16 == 0 && (uintptr_t)texts[99] % 16 == 0);
    for (int i = 0; i < 100; i++) {
        char want[32];
        snprintf(want, sizeof want, "number %d", i);
        EXPECT_EQ_S(texts[i], want);
    }
    EXPECT_EQ_S(fig__arena_strdup(arena, "copy"), "copy");
    EXPECT(fig__arena_alloc(arena, SIZE_MAX - 3) == NULL);
    fig__arena_free(arena);
    fig__arena_free(NULL);
}

TEST(parse_numbers) {
    int64_t i = 0;
    double d = 0;
    EXPECT(fig__parse_int("-42", &i) && i == -42);
    EXPECT(fig__parse_int("9223372036854775807", &i) && i == INT64_MAX);
    EXPECT(!fig__parse_int("9223372036854775808", &i) && !fig__parse_int("", &i) && !fig__parse_int(" 1", &i));
    EXPECT(!fig__parse_int("1x", &i) && !fig__parse_int("1.0", &i) && !fig__parse_int("20_000", &i));
    EXPECT(fig__parse_real("3e-4", &d) && d == 3e-4);
    EXPECT(fig__parse_real(".5", &d) && d == 0.5);
    EXPECT(!fig__parse_real("0,5", &d) && !fig__parse_real("", &d) && !fig__parse_real("1.5 ", &d));
}

TEST(numbers_in_another_locale) {
    static const char *const with_comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8"};
    bool set = false;
    for (size_t i = 0; i < FIG_COUNT(with_comma) && !set; i++) set = setlocale(LC_ALL, with_comma[i]) != NULL;
    if (!set) SKIP("no locale with a decimal comma is installed");
    fig_context *ctx = check_context();
    double d = 0;
    EXPECT(fig__parse_real("0.5", &d) && d == 0.5);
    fails_with(ctx, "x");
    fig__fail_prefix(ctx, FIG_ERR_ARG, "%.1f", 0.5);
    EXPECT_EQ_S(fig_error(ctx), "0.5: x: wrong");
    setlocale(LC_ALL, "C");
}

TEST(nearest) {
    static const char *const names[] = {"batch_size", "block_size", "learning_rate", "seed", "out", "n"};
    size_t n = FIG_COUNT(names);
    EXPECT_EQ_S(fig__nearest("batchsize", names, n), "batch_size");
    EXPECT_EQ_S(fig__nearest("lerning-rate", names, n), "learning_rate");
    EXPECT_EQ_S(fig__nearest("esed", names, n), "seed");
    EXPECT_EQ_S(fig__nearest("Seed", names, n), "seed");
    EXPECT(fig__nearest("temperature", names, n) == NULL);
    EXPECT(fig__nearest("", names, n) == NULL && fig__nearest("seed", names, 0) == NULL);
    EXPECT(fig__nearest("x", names, n) == NULL); /* one letter for another is not near */
}

TEST(bf16_rounds_to_even) {
    EXPECT_EQ_I(fig__f32_to_bf16(1.0f), 0x3f80);
    EXPECT_EQ_I(fig__f32_to_bf16(1.00390625f), 0x3f80); /* halfway: down to even */
    EXPECT_EQ_I(fig__f32_to_bf16(1.01171875f), 0x3f82); /* halfway: up to even */
    EXPECT_EQ_I(fig__f32_to_bf16(INFINITY), 0x7f80);
    EXPECT_EQ_I(fig__f32_to_bf16(3.4e38f), 0x7f80);
    EXPECT(isnan(fig__bf16_to_f32(fig__f32_to_bf16(NAN))));
    EXPECT(fig__bf16_to_f32(0xbf80) == -1.0f);
}

TEST(clock_and_memory_of_the_process) {
    double t = fig__now();
    EXPECT(fig__now() >= t);
    EXPECT(fig__rss_bytes() > 100000);
    EXPECT(fig__rss_peak_bytes() >= fig__rss_bytes() / 2);
}
