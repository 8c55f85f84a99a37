/* Getting known data: from a mirror, through a pretended curl, and everything that can go wrong. */
#include "test_data_help.h"

/* A program called curl that runs this shell text, first on PATH. */
static void pretend_curl(fig_context *ctx, const char *script) {
    const char *dir = check_tmpdir();
    const char *path = put_text(ctx, dir, "curl", script);
    char value[4096];
    chmod(path, 0755);
    snprintf(value, sizeof value, "%s:/usr/bin:/bin", dir);
    setenv("PATH", value, 1);
}

static fig_dataset_get_options to(const char *dir, const char *mirror) {
    return (fig_dataset_get_options){.out_dir = dir, .mirror_dir = mirror};
}

TEST(entries_are_complete) {
    size_t n = 0;
    for (const fig_dataset_entry *e; (e = fig_dataset_known(n)); n++) {
        EXPECT(*e->name && *e->title && *e->licence && *e->citation && e->n_files);
        for (size_t i = 0; i < e->n_files; i++) {
            EXPECT_EQ_I(strlen(e->files[i].sha256), 64);
            EXPECT(!strncmp(e->files[i].url, "https://", 8));
            EXPECT(!strchr(e->files[i].name, '/') && e->files[i].bytes);
        }
    }
    EXPECT(n >= 3);
}

TEST(unknown_name_suggests) {
    fig_context *ctx = check_context();
    fig_dataset_get_options options = to(check_tmpdir(), NULL);
    EXPECT_EQ_I(fig_dataset_get(ctx, "tinyshakespear", &options), FIG_ERR_NOTFOUND);
    EXPECT(error_has(ctx, "did you mean tinyshakespeare?"));
}

TEST(mirror_is_checked) {
    fig_context *ctx = check_context();
    const char *mirror = check_tmpdir(), *dir = check_tmpdir();
    fig_dataset_get_options options = to(dir, mirror);
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_NOTFOUND);
    EXPECT(error_has(ctx, "mirror"));
    put_text(ctx, mirror, "names/names.txt", "not the names\n");
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_FORMAT);
    EXPECT(error_has(ctx, "sha256"));
    EXPECT(!fig__path_exists(in_dir(dir, "names/names.txt")));
}

TEST(from_the_shared_mirror) {
    const char *names = check_shared("data/names/names.txt");
    if (!names) SKIP("no shared data");
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    char mirror[4096];
    snprintf(mirror, sizeof mirror, "%.*s", (int)(strlen(names) - strlen("/names/names.txt")), names);
    setenv("FIGMENT_MIRROR", mirror, 1);
    fig_dataset_get_options options = to(dir, NULL);
    for (size_t i = 0; fig_dataset_known(i); i++)
        EXPECT_OK(ctx, fig_dataset_get(ctx, fig_dataset_known(i)->name, &options));
    EXPECT_EQ_I(fig__file_size(in_dir(dir, "tinyshakespeare/input.txt")), 1115394);
    EXPECT(fig__path_exists(in_dir(dir, "tinyshakespeare/.source.json")));
    EXPECT_OK(ctx, fig_dataset_get(ctx, "names", &options)); /* again: everything is there */
    put_text(ctx, dir, "names/names.txt", "mine");
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_EXISTS);
    EXPECT_EQ_I(fig__file_size(in_dir(dir, "names/names.txt")), 4);
    unsetenv("FIGMENT_MIRROR");
}

TEST(curl_downloads) {
    const char *names = check_shared("data/names/names.txt");
    if (!names) SKIP("no shared data");
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    char script[8192];
    /* The last argument is the address. */
    snprintf(script, sizeof script,
             "#!/bin/sh\nfor a; do :; done\ncase $a in https://*/names.txt) cat '%s';; *) exit 9;; esac\n", names);
    pretend_curl(ctx, script);
    fig_dataset_get_options options = to(dir, "");
    EXPECT_OK(ctx, fig_dataset_get(ctx, "names", &options));
    EXPECT_EQ_I(fig__file_size(in_dir(dir, "names/names.txt")), 228145);
}

TEST(curl_fails_and_says_why) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_dataset_get_options options = to(dir, "");
    pretend_curl(ctx, "#!/bin/sh\necho some\necho 'curl: (6) Could not resolve host' >&2\nexit 6\n");
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_IO);
    EXPECT(error_has(ctx, "Could not resolve host"));
    EXPECT(!fig__path_exists(in_dir(dir, "names/names.txt")));
    pretend_curl(ctx, "#!/bin/sh\nyes | head -c 1000000\n");
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_LIMIT);
    EXPECT(!fig__path_exists(in_dir(dir, "names/names.txt")));
}

TEST(no_curl) {
    fig_context *ctx = check_context();
    fig_dataset_get_options options = to(check_tmpdir(), "");
    setenv("PATH", check_tmpdir(), 1);
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_NOTFOUND);
    EXPECT(error_has(ctx, "package curl"));
}

TEST(cancelled_download_stops) {
    fig_context *ctx = check_context();
    fig_dataset_get_options options = to(check_tmpdir(), "");
    pretend_curl(ctx, "#!/bin/sh\nexec sleep 30\n");
    double start = fig__now();
    fig_cancel(ctx);
    EXPECT_EQ_I(fig_dataset_get(ctx, "names", &options), FIG_ERR_CANCELLED);
    EXPECT(fig__now() - start < 5);
}
