/* Base with the 1st, 2nd, 3rd … allocation failing: FIG_ERR_NOMEM each time, nothing leaked, and in the end success.
 * libyaml's own allocations are out of reach; jansson's fail through its hook, which is why this test knows it. */
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "check.h"
#include <jansson.h>

typedef fig_status scenario(fig_context *ctx, const char *dir);

static void expect_clean_failures(fig_context *ctx, scenario *run, const char *dir) {
    uint64_t before = fig_memory(ctx).bytes_now;
    for (uint64_t n = 1; n < 10000; n++) {
        fig_error_clear(ctx);
        fig__alloc_fail_after(ctx, n);
        fig_status status = run(ctx, dir);
        fig__alloc_fail_after(ctx, 0);
        EXPECT_EQ_I(fig_memory(ctx).bytes_now, before);
        if (status == FIG_OK) {
            EXPECT(n > 1); /* or nothing failed at all */
            return;
        }
        if (!EXPECT_EQ_I(status, FIG_ERR_NOMEM) || !EXPECT(*fig_error(ctx))) return;
    }
    EXPECT(!"it never succeeds");
}

static fig_status use_buf(fig_context *ctx, const char *dir) {
    (void)dir;
    fig__buf b;
    fig__buf_init(&b, ctx, 1 << 20);
    fig_status status = FIG_OK;
    for (int i = 0; i < 200 && !status; i++) status = fig__buf_printf(&b, "%d ", i);
    fig__buf_deinit(&b);
    return status;
}

static fig_status use_map(fig_context *ctx, const char *dir) {
    (void)dir;
    fig__map *m = fig__map_new(ctx);
    if (!m) return FIG_ERR_NOMEM;
    fig_status status = FIG_OK;
    int64_t value = 0;
    for (int i = 0; i < 10000 && !status; i++) status = fig__map_put(m, &i, sizeof i, i);
    for (int i = 0; i < (int)fig__map_count(m); i++) EXPECT(fig__map_get(m, &i, sizeof i, &value) && value == i);
    fig__map_free(m);
    return status;
}

static fig_status use_arena(fig_context *ctx, const char *dir) {
    (void)dir;
    fig__arena *arena = fig__arena_new(ctx, 100);
    if (!arena) return FIG_ERR_NOMEM;
    bool fine = true;
    for (int i = 0; i < 50 && fine; i++) fine = fig__arena_printf(arena, "%d", i) != NULL;
    fig__arena_free(arena);
    return fine ? FIG_OK : FIG_ERR_NOMEM;
}

static fig_status use_sha256(fig_context *ctx, const char *dir) {
    (void)dir;
    fig__sha256 *h = fig__sha256_new(ctx);
    fig_status status = h ? FIG_OK : FIG_ERR_NOMEM;
    fig__sha256_free(h);
    return status;
}

static fig_status use_files(fig_context *ctx, const char *dir) {
    fig__paths files = {0};
    fig__buf b = {.ctx = ctx};
    char *tmp = fig__path_join(ctx, dir, "new"), *final = fig__path_join(ctx, dir, "run");
    char *path = tmp ? fig__path_join(ctx, tmp, "a") : NULL;
    fig_status status = tmp && final && path ? FIG_OK : FIG_ERR_NOMEM;
    if (!status) status = fig__mkdirs(ctx, tmp);
    if (!status) status = fig__file_write(ctx, path, "content", 7);
    if (!status) status = fig__file_read(ctx, path, 100, &b);
    if (!status) status = fig__dir_publish(ctx, tmp, final);
    if (!status) status = fig__dir_walk(ctx, dir, 100, &files);
    if (!status) status = fig__dir_remove(ctx, final);
    fig__paths_deinit(ctx, &files);
    fig__buf_deinit(&b);
    fig__free(ctx, tmp);
    fig__free(ctx, final);
    fig__free(ctx, path);
    return status;
}

static const char text[] = "{\"a\": [1, 2.5, \"three\", null], \"b\": {\"c\": true}, \"big\": 100000000000000000000}";

static fig_status use_json(fig_context *ctx, const char *dir) {
    (void)dir;
    fig__json *j = NULL;
    fig__buf out;
    fig__buf_init(&out, ctx, 1000);
    fig_status status = fig__json_parse(ctx, "t", text, sizeof text - 1, &j);
    if (!status) status = fig__json_write(j, 2, &out);
    fig__buf_deinit(&out);
    fig__json_free(j);
    return status;
}

static fig_status use_yaml(fig_context *ctx, const char *dir) {
    (void)dir;
    static const char yaml[] = "a: &x [1, 2.5, &y three, ~]\nb: {c: *x}\n? d\n: *y\n";
    fig__json *j = NULL;
    fig__buf out;
    fig__buf_init(&out, ctx, 1000);
    fig_status status = fig__yaml_parse(ctx, "t", yaml, sizeof yaml - 1, &j);
    if (!status) status = fig__yaml_write(j, &out);
    fig__buf_deinit(&out);
    fig__json_free(j);
    return status;
}

static fig_status use_building(fig_context *ctx, const char *dir) {
    (void)dir;
    fig__json *j = fig__json_new_object(), *a = fig__json_new_array();
    fig_status status = fig__json_push(a, fig__json_new_str("bad \xff"));
    if (!status) status = fig__json_push(a, fig__json_new_real(1.5));
    if (!status) status = fig__json_put(j, "list", fig__json_ref(a));
    if (!status) status = fig__json_put(j, "n", fig__json_new_int(1));
    if (status) FIG_FAIL(ctx, status, "out of memory");
    fig__json_free(a);
    fig__json_free(j);
    return status;
}

TEST(our_allocations_fail) {
    static scenario *const all[] = {use_buf, use_map, use_arena, use_sha256, use_files, use_json, use_yaml};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    for (size_t i = 0; i < FIG_COUNT(all); i++) expect_clean_failures(ctx, all[i], dir);
}

/* --- jansson's ---------------------------------------------------------------------------------------------
 * Trees built and written. Its parser is left out: without memory it reports syntax errors, or asserts (2.14). */

static int64_t allow, live; /* allocations still allowed, blocks not yet freed */

static void *failing_malloc(size_t size) {
    if (allow-- <= 0) return NULL;
    live++;
    return malloc(size);
}

static void counting_free(void *p) {
    live -= p != NULL;
    free(p);
}

TEST(jansson_allocations_fail) {
    static scenario *const all[] = {use_yaml, use_building};
    fig_context *ctx = check_context();
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (size_t i = 0; i < FIG_COUNT(all); i++) {
        fig_status status = FIG_ERR_NOMEM;
        for (int64_t n = 0; status && n < 1000; n++) {
            uint64_t before = fig_memory(ctx).bytes_now;
            live = 0;
            allow = n;
            status = all[i](ctx, NULL);
            if (!EXPECT(status == FIG_OK || status == FIG_ERR_NOMEM)) fprintf(stderr, "  %s\n", fig_error(ctx));
            EXPECT_EQ_I(live, 0);
            EXPECT_EQ_I(fig_memory(ctx).bytes_now, before);
        }
        EXPECT_EQ_I(status, FIG_OK);
    }
    json_set_alloc_funcs(malloc, free);
}

/* --- the context itself --------------------------------------------------------------------------------------*/

TEST(context_allocations_fail) {
#ifdef FIG_TEST_BUILD
    fig_status status = FIG_ERR_NOMEM;
    int n = 0;
    while (status && n < 100) {
        char count[16];
        snprintf(count, sizeof count, "%d", ++n);
        setenv("FIG_FAIL_ALLOC", count, 1);
        fig_context *ctx = NULL;
        status = fig_context_new(&(fig_context_options){.n_threads = 3}, &ctx);
        EXPECT(status == FIG_OK || (status == FIG_ERR_NOMEM && !ctx));
        fig_context_free(ctx);
    }
    unsetenv("FIG_FAIL_ALLOC");
    EXPECT(status == FIG_OK && n > 1);
#else
    SKIP("FIG_FAIL_ALLOC is for builds with DEBUG or SAN");
#endif
}
