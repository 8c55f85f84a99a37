/* Reading within limits, writing whole or not at all, folders. */
#include "base/file.h"
#include "check.h"
#include <signal.h>
#include <sys/resource.h>

static void put(fig_context *ctx, const char *path, const char *text) {
    EXPECT_OK(ctx, fig__file_write(ctx, path, text, strlen(text)));
}

static void expect_content(fig_context *ctx, const char *path, const char *want) {
    fig__buf b;
    if (!EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 20, &b))) return;
    EXPECT_EQ_S(fig__buf_str(&b), want);
    fig__buf_deinit(&b);
}

static void expect_names(fig_context *ctx, const char *dir, const char *want) {
    fig__paths names;
    fig__buf all;
    if (!EXPECT_OK(ctx, fig__dir_list(ctx, dir, 100, &names))) return;
    fig__buf_init(&all, ctx, 1000);
    for (size_t i = 0; i < names.n; i++) EXPECT_OK(ctx, fig__buf_printf(&all, "%s ", names.data[i]));
    EXPECT_EQ_S(fig__buf_str(&all), want);
    fig__buf_deinit(&all);
    fig__paths_deinit(ctx, &names);
}

TEST(read_keeps_its_limit) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a");
    fig__buf b;
    put(ctx, path, "0123456789");
    expect_content(ctx, path, "0123456789");
    EXPECT_OK(ctx, fig__file_read(ctx, path, 10, &b));
    EXPECT_EQ_I(b.len, 10);
    fig__buf_deinit(&b);
    EXPECT_EQ_I(fig__file_read(ctx, path, 9, &b), FIG_ERR_LIMIT);
    EXPECT(strstr(fig_error(ctx), "10 bytes") && strstr(fig_error(ctx), "at most 9"));
    EXPECT_EQ_I(fig__file_read(ctx, "/dev/zero", 100000, &b), FIG_ERR_LIMIT); /* tells no size */
    EXPECT_EQ_I(fig__file_read(ctx, check_path(dir, "none"), 10, &b), FIG_ERR_NOTFOUND);
    EXPECT_EQ_I(fig__file_read(ctx, dir, 10, &b), FIG_ERR_ARG);
    put(ctx, path, "");
    expect_content(ctx, path, "");
    EXPECT_OK(ctx, fig__file_read(ctx, "/proc/self/status", 1 << 20, &b)); /* says size 0, has some */
    EXPECT(b.len > 100);
    fig__buf_deinit(&b);
}

TEST(read_standard_input) {
    fig_context *ctx = check_context();
    const char *path = check_path(check_tmpdir(), "in");
    put(ctx, path, "typed");
    if (!EXPECT(freopen(path, "r", stdin) != NULL)) return;
    expect_content(ctx, "-", "typed");
}

TEST(map) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a");
    fig__mapping m;
    put(ctx, path, "mapped");
    EXPECT_OK(ctx, fig__file_map(ctx, path, &m));
    EXPECT(m.size == 6 && !memcmp(m.data, "mapped", 6));
    fig__file_unmap(&m);
    EXPECT(m.size == 0 && m.data == NULL);
    put(ctx, path, "");
    EXPECT_OK(ctx, fig__file_map(ctx, path, &m));
    EXPECT_EQ_I(m.size, 0);
    fig__file_unmap(&m);
    EXPECT_EQ_I(fig__file_map(ctx, check_path(dir, "none"), &m), FIG_ERR_NOTFOUND);
    EXPECT_EQ_I(fig__file_map(ctx, "/dev/zero", &m), FIG_ERR_ARG);
}

TEST(writer_replaces_at_commit) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a");
    fig__writer *w;
    put(ctx, path, "old");
    EXPECT_OK(ctx, fig__writer_open(ctx, path, &w));
    fig__writer_add(w, "....", 4);
    for (int i = 0; i < 100000; i++) fig__writer_printf(w, "%05d", i);
    EXPECT_EQ_I(fig__writer_offset(w), 500004);
    fig__writer_patch(w, 0, "head", 4);
    expect_content(ctx, path, "old");
    EXPECT_OK(ctx, fig__writer_commit(w));
    fig__mapping m;
    EXPECT_OK(ctx, fig__file_map(ctx, path, &m));
    EXPECT(m.size == 500004 && !memcmp(m.data, "head0000000001", 14) && !memcmp(m.data + 499999, "99999", 5));
    fig__file_unmap(&m);
    expect_names(ctx, dir, "a ");
}

TEST(writer_abort_leaves_nothing) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a");
    fig__writer *w;
    put(ctx, path, "old");
    EXPECT_OK(ctx, fig__writer_open(ctx, path, &w));
    fig__writer_add(w, "new", 3);
    fig__writer_abort(w);
    fig__writer_abort(NULL);
    expect_content(ctx, path, "old");
    expect_names(ctx, dir, "a ");
}

TEST(writer_refuses) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a");
    fig__writer *w;
    EXPECT_EQ_I(fig__writer_open(ctx, check_path(dir, "none/a"), &w), FIG_ERR_NOTFOUND);
    EXPECT(w == NULL);
    EXPECT_EQ_I(fig__writer_open(ctx, dir, &w), FIG_ERR_ARG);
    EXPECT_OK(ctx, fig__writer_open(ctx, path, &w));
    fig__writer_add(w, "abc", 3);
    fig__writer_patch(w, 2, "xx", 2); /* past the end */
    EXPECT_EQ_I(fig__writer_commit(w), FIG_ERR_IO);
    expect_names(ctx, dir, "");
}

/* Writes more than fits: at commit one line with the path, the old file as it was, no other file left. */
TEST(writer_on_a_full_disk) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "a");
    static char block[100000];
    put(ctx, path, "old");
    struct rlimit before, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 300000;
    setrlimit(RLIMIT_FSIZE, &small);
    fig__writer *w;
    EXPECT_OK(ctx, fig__writer_open(ctx, path, &w));
    for (int i = 0; i < 20; i++) fig__writer_add(w, block, sizeof block);
    fig_status status = fig__writer_commit(w);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    EXPECT_EQ_I(status, FIG_ERR_LIMIT);
    EXPECT(strstr(fig_error(ctx), path) && strstr(fig_error(ctx), "cannot be written"));
    expect_content(ctx, path, "old");
    expect_names(ctx, dir, "a ");
}

TEST(writer_on_a_device) {
    fig_context *ctx = check_context();
    if (!fig__path_exists("/dev/full")) SKIP("there is no /dev/full");
    EXPECT_EQ_I(fig__file_write(ctx, "/dev/full", "x", 1), FIG_ERR_LIMIT);
    EXPECT(strstr(fig_error(ctx), "No space left"));
    EXPECT_OK(ctx, fig__file_write(ctx, "/dev/null", "x", 1));
}

TEST(paths) {
    fig_context *ctx = check_context();
    static const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < FIG_COUNT(joins); i++) {
        char *path = fig__path_join(ctx, joins[i][0], joins[i][1]);
        EXPECT_EQ_S(path, joins[i][2]);
        fig__free(ctx, path);
    }
    EXPECT_EQ_S(fig__path_base("a/b.c"), "b.c");
    EXPECT_EQ_S(fig__path_base("b"), "b");
    EXPECT(fig__path_is_dir("/") && !fig__path_is_dir("/dev/null") && !fig__path_exists("/none at all"));
    EXPECT_EQ_I(fig__file_size("/none at all"), 0);
}

static void make_tree(fig_context *ctx, const char *dir) {
    EXPECT_OK(ctx, fig__mkdirs(ctx, check_path(dir, "b/deep/er/")));
    EXPECT_OK(ctx, fig__mkdirs(ctx, check_path(dir, "b/deep"))); /* there already */
    EXPECT_OK(ctx, fig__mkdirs(ctx, check_path(dir, ".git")));
    put(ctx, check_path(dir, "z"), "1");
    put(ctx, check_path(dir, "b/deep/er/x"), "22");
    put(ctx, check_path(dir, "b/a"), "");
    put(ctx, check_path(dir, ".git/config"), "");
    put(ctx, check_path(dir, "b/.hidden"), "");
    EXPECT(symlink("../z", check_path(dir, "b/link")) == 0);     /* to a file: listed */
    EXPECT(symlink("..", check_path(dir, "b/deep/loop")) == 0);  /* to a folder: not followed */
    EXPECT(symlink("gone", check_path(dir, "b/dangling")) == 0); /* to nothing: left out */
}

TEST(walk) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig__paths files;
    make_tree(ctx, dir);
    EXPECT_OK(ctx, fig__dir_walk(ctx, dir, 100, &files));
    static const char *const want[] = {"b/a", "b/deep/er/x", "b/link", "z"};
    if (EXPECT_EQ_I(files.n, FIG_COUNT(want)))
        for (size_t i = 0; i < files.n; i++) EXPECT_EQ_S(files.data[i] + strlen(dir) + 1, want[i]);
    fig__paths_deinit(ctx, &files);
    EXPECT_EQ_I(fig__dir_walk(ctx, dir, 3, &files), FIG_ERR_LIMIT);
    EXPECT(files.n == 0 && strstr(fig_error(ctx), "more than 3 files"));
    EXPECT_EQ_I(fig__dir_walk(ctx, check_path(dir, "none"), 3, &files), FIG_ERR_NOTFOUND);
    EXPECT_EQ_I(fig__mkdirs(ctx, check_path(dir, "z/below a file")), FIG_ERR_EXISTS);
    EXPECT_EQ_I(fig__mkdirs(ctx, ""), FIG_ERR_ARG);
    expect_names(ctx, dir, ".git b z ");
}

TEST(remove) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    make_tree(ctx, dir);
    EXPECT_OK(ctx, fig__dir_remove(ctx, check_path(dir, "b")));
    expect_names(ctx, dir, ".git z ");
    expect_content(ctx, check_path(dir, "z"), "1");
    EXPECT_OK(ctx, fig__dir_remove(ctx, check_path(dir, "b"))); /* gone already */
    static const char *const never[] = {"", "/", "//", "/tmp/..", "."};
    for (size_t i = 0; i < FIG_COUNT(never); i++) EXPECT_EQ_I(fig__dir_remove(ctx, never[i]), FIG_ERR_ARG);
}

TEST(publish) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *tmp = check_path(dir, "ckpt.tmp"), *final = check_path(dir, "ckpt");
    for (int i = 0; i < 2; i++) { /* into nothing, then over the first */
        EXPECT_OK(ctx, fig__mkdirs(ctx, tmp));
        put(ctx, check_path(tmp, i ? "second" : "first"), "x");
        EXPECT_OK(ctx, fig__dir_publish(ctx, tmp, final));
        expect_names(ctx, final, i ? "second " : "first ");
        expect_names(ctx, dir, "ckpt ");
    }
    EXPECT_EQ_I(fig__dir_publish(ctx, tmp, final), FIG_ERR_NOTFOUND);
    expect_names(ctx, final, "second ");
    EXPECT_EQ_I(fig__dir_publish(ctx, final, "/"), FIG_ERR_ARG);
}
