/* check.h: the test harness. One program per test file; this header brings main.
 *
 *     #include "check.h"
 *     TEST(adds) { EXPECT_EQ_I(1 + 1, 2); }
 *
 * EXPECT_* record a failure, go on, and are themselves true or false: `if (!EXPECT(p)) return;`. A program runs all
 * its tests, or those whose names contain one of its arguments, and exits with 1 when one failed. */
#ifndef FIG_CHECK_H
#define FIG_CHECK_H

#include "base/base.h"
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ftw.h>

#define CHECK_MAX_CONTEXTS 64
#define CHECK_MAX_PATHS 256

typedef struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
} check_test;

static struct {
    check_test *first, **last;
    const char *name; /* of the running test */
    bool failed, skipped;
    int n_passed, n_failed, n_skipped;
    fig_context *contexts[CHECK_MAX_CONTEXTS];
    uint64_t bytes_at_start[CHECK_MAX_CONTEXTS];
    int n_contexts;
    char *paths[CHECK_MAX_PATHS]; /* freed at the end of the test; folders among them are removed */
    bool path_is_tmpdir[CHECK_MAX_PATHS];
    int n_paths;
} check_;

#define TEST(test_name)                                                   \
    static void test_##test_name(void);                                   \
    __attribute__((constructor)) static void register_##test_name(void) { \
        static check_test self = {#test_name, test_##test_name, NULL};    \
        check_register_(&self);                                           \
    }                                                                     \
    static void test_##test_name(void)

#define EXPECT(cond) check_report_((cond), __FILE__, __LINE__, "%s", #cond)
#define EXPECT_EQ_I(a, b) check_eq_i_((intmax_t)(a), (intmax_t)(b), __FILE__, __LINE__, #a, #b)
#define EXPECT_EQ_S(a, b) check_eq_s_((a), (b), __FILE__, __LINE__, #a, #b)
#define EXPECT_NEAR(a, b, tol) check_near_((double)(a), (double)(b), (double)(tol), __FILE__, __LINE__, #a, #b)
#define EXPECT_OK(ctx, status) check_ok_((ctx), (status), __FILE__, __LINE__, #status)
#define SKIP(why)         \
    do {                  \
        check_skip_(why); \
        return;           \
    } while (0)

static inline void check_register_(check_test *test) {
    if (!check_.last) check_.last = &check_.first;
    *check_.last = test;
    check_.last = &test->next;
}

__attribute__((format(printf, 4, 5))) static inline bool check_report_(bool ok, const char *file, int line,
                                                                       const char *format, ...) {
    if (ok) return true;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: %s: ", file, line, check_.name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    check_.failed = true;
    return false;
}

static inline bool check_eq_i_(intmax_t a, intmax_t b, const char *file, int line, const char *a_text,
                               const char *b_text) {
    return check_report_(a == b, file, line, "%s == %s: %" PRIdMAX " against %" PRIdMAX, a_text, b_text, a, b);
}

static inline bool check_eq_s_(const char *a, const char *b, const char *file, int line, const char *a_text,
                               const char *b_text) {
    bool equal = a && b ? strcmp(a, b) == 0 : a == b;
    return check_report_(equal, file, line, "%s == %s: \"%s\" against \"%s\"", a_text, b_text, a ? a : "(null)",
                         b ? b : "(null)");
}

/* NaN is near to nothing. */
static inline bool check_near_(double a, double b, double tol, const char *file, int line, const char *a_text,
                               const char *b_text) {
    return check_report_(a == b || fabs(a - b) <= tol, file, line, "%s near %s: %.9g against %.9g, tolerance %.3g",
                         a_text, b_text, a, b, tol);
}

static inline bool check_ok_(const fig_context *ctx, fig_status status, const char *file, int line, const char *text) {
    return check_report_(status == FIG_OK, file, line, "%s: %s: %s", text, fig_status_text(status),
                         ctx ? fig_error(ctx) : "");
}

static inline void check_skip_(const char *why) {
    check_.skipped = true;
    printf("skipped %s: %s\n", check_.name, why);
}

/* A context that the harness frees after the test. Whatever the test took through it must be back by then. */
static inline fig_context *check_context(void) {
    fig_context *ctx = NULL;
    fig_status status = fig_context_new(NULL, &ctx);
    if (status || check_.n_contexts == CHECK_MAX_CONTEXTS) {
        fprintf(stderr, "%s: no context: %s\n", check_.name, fig_status_text(status));
        exit(1);
    }
    check_.bytes_at_start[check_.n_contexts] = fig_memory(ctx).bytes_now;
    check_.contexts[check_.n_contexts++] = ctx;
    return ctx;
}

static inline char *check_keep_path_(char *path, bool is_tmpdir) {
    if (check_.n_paths == CHECK_MAX_PATHS || !path) {
        fprintf(stderr, "%s: too many paths\n", check_.name);
        exit(1);
    }
    check_.path_is_tmpdir[check_.n_paths] = is_tmpdir;
    return check_.paths[check_.n_paths++] = path;
}

/* The path of a file in the shared data, or NULL when it is not there (then the test should SKIP). */
static inline const char *check_shared(const char *rel) {
    const char *root = getenv("FIG_SHARED");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root && *root ? root : "../shared", rel);
    return access(path, R_OK) == 0 ? check_keep_path_(strdup(path), false) : NULL;
}

/* A fresh empty folder, removed with everything in it after the test. */
static inline char *check_tmpdir(void) {
    const char *root = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/figment-test-XXXXXX", root && *root ? root : "/tmp");
    return check_keep_path_(mkdtemp(path) ? strdup(path) : NULL, true);
}

/* dir/name, good until the end of the test. */
static inline char *check_path(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return check_keep_path_(strdup(path), false);
}

static inline int check_remove_one_(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path);
}

static inline void check_release_(void) {
    for (int i = 0; i < check_.n_contexts; i++) {
        fig_context *ctx = check_.contexts[i];
        fig__scratch_reserve(ctx, 0);
        uint64_t now = fig_memory(ctx).bytes_now, start = check_.bytes_at_start[i];
        check_report_(now == start, __FILE__, __LINE__, "%" PRIu64 " bytes were not given back", now - start);
        fig_context_free(ctx);
    }
    for (int i = 0; i < check_.n_paths; i++) {
        if (check_.path_is_tmpdir[i]) nftw(check_.paths[i], check_remove_one_, 16, FTW_DEPTH | FTW_PHYS);
        free(check_.paths[i]);
    }
    check_.n_contexts = check_.n_paths = 0;
}

static inline void check_run_(const check_test *test) {
    check_.name = test->name;
    check_.failed = check_.skipped = false;
    test->run();
    check_release_();
    if (check_.failed) printf("FAILED %s\n", test->name);
    check_.n_failed += check_.failed;
    check_.n_skipped += !check_.failed && check_.skipped;
    check_.n_passed += !check_.failed && !check_.skipped;
    fflush(stdout);
}

int main(int argc, char **argv) {
    for (const check_test *test = check_.first; test; test = test->next) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= strstr(test->name, argv[i]) != NULL;
        if (wanted) check_run_(test);
    }
    printf("%d passed, %d failed, %d skipped\n", check_.n_passed, check_.n_failed, check_.n_skipped);
    return check_.n_failed > 0;
}

#endif
