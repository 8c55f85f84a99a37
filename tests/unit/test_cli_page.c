/* Pages: escaping, pictures inside, whole or not at all. */
#include "check.h"
#include "cli/page.h"

static fig__page *page_at(fig_context *ctx, const char *path, const char *title) {
    fig__page *page = NULL;
    EXPECT_OK(ctx, fig__page_open(ctx, path, title, &page));
    return page;
}

static void expect_parts(fig_context *ctx, const char *path, const char *const *parts, size_t n) {
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__file_read(ctx, path, 1 << 20, &text));
    const char *at = fig__buf_str(&text);
    for (size_t i = 0; i < n && at; i++) { /* in this order */
        at = strstr(at, parts[i]);
        if (!EXPECT(at)) fprintf(stderr, "    no %s\n", parts[i]);
    }
    EXPECT(!strstr(fig__buf_str(&text), "<script"));
    fig__buf_deinit(&text);
}

#define NASTY "<script>alert(\"1\" & '2')</script>"
#define MILD "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;"

TEST(escaping) {
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0xff};
    static const char *const parts[] = {"<!DOCTYPE html>\n<html lang=\"en\">",
                                        "<meta charset=\"utf-8\">",
                                        "<title>" MILD "</title>",
                                        "name=\"viewport\"",
                                        "default-src 'none'",
                                        "color-scheme: light dark",
                                        "<h1 dir=\"auto\">" MILD "</h1>",
                                        "<h2 dir=\"auto\">" MILD "</h2>",
                                        "<p dir=\"auto\">" MILD "</p>",
                                        "<figcaption dir=\"auto\">" MILD "</figcaption>",
                                        "<pre dir=\"auto\">\n\n  " MILD "\n</pre>",
                                        "<img src=\"data:image/png;base64,iVBORw0KGgr/\" alt=\"" MILD
                                        "\" width=\"28\">",
                                        "<figcaption dir=\"auto\">" MILD "</figcaption>",
                                        "</body>\n</html>\n"};
    fig_context *ctx = check_context();
    const char *path = check_path(check_tmpdir(), "index.html");
    fig__page *page = page_at(ctx, path, NASTY);
    fig__page_heading(page, NASTY);
    fig__page_paragraph(page, NASTY);
    fig__page_sample(page, NASTY, "\n  " NASTY "\n");
    fig__page_add_picture(page, &(fig__page_picture){png, sizeof png, NASTY, NASTY, 28});
    EXPECT_OK(ctx, fig__page_commit(page));
    expect_parts(ctx, path, parts, FIG_COUNT(parts));
}

TEST(characters) {
    static const char *const parts[] = {"<p dir=\"auto\">caf\xc3\xa9 \xf0\x9f\x8d\x8e</p>",
                                        "<p dir=\"auto\">\xef\xbf\xbd\xef\xbf\xbd[0m\xef\xbf\xbd</p>",
                                        "<p dir=\"auto\">one\ntwo\tthree\xef\xbf\xbd</p>",
                                        "<p dir=\"auto\">\xef\xbf\xbd\xef\xbf\xbd.</p>"};
    fig_context *ctx = check_context();
    const char *path = check_path(check_tmpdir(), "index.html");
    fig__page *page = page_at(ctx, path, "t");
    fig__page_paragraph(page, "caf\xc3\xa9 \xf0\x9f\x8d\x8e");
    fig__page_paragraph(page, "\xff\033[0m\x7f");
    fig__page_paragraph(page, "one\r\ntwo\tthree\r");
    fig__page_paragraph(page, "\xef\xbf\xbf\xc2\x85."); /* U+FFFF, U+0085 */
    EXPECT_OK(ctx, fig__page_commit(page));
    expect_parts(ctx, path, parts, FIG_COUNT(parts));
}

/* One, two and three bytes behind a multiple of three (RFC 4648, 10); rows of pictures end where something else begins.
 */
TEST(pictures) {
    static const char *const parts[] = {
        "<div class=\"row\">\n<figure><img src=\"data:image/jpeg;base64,/9j/Zg==\" alt=\"\">",
        "</figure>\n<figure><img src=\"data:image/jpeg;base64,/9j/Zm8=\" alt=\"\">",
        "</figure>\n<figure><img src=\"data:image/jpeg;base64,/9j/Zm9v\" alt=\"\">",
        "</figure>\n</div>\n<p",
        "<div class=\"row\">\n<figure>",
        "</div>\n</body>"};
    fig_context *ctx = check_context();
    const char *path = check_path(check_tmpdir(), "index.html");
    fig__page *page = page_at(ctx, path, "t");
    for (size_t n = 4; n <= 6; n++)
        fig__page_add_picture(page, &(fig__page_picture){"\xff\xd8\xff"
                                                         "foo",
                                                         n, "", NULL, 0});
    fig__page_paragraph(page, "then");
    fig__page_add_picture(page, &(fig__page_picture){"\xff\xd8\xff"
                                                     "foo",
                                                     6, "", NULL, 0});
    EXPECT_OK(ctx, fig__page_commit(page));
    expect_parts(ctx, path, parts, FIG_COUNT(parts));
}

TEST(whole_or_not_at_all) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *path = check_path(dir, "index.html");
    fig__paths names = {0};
    EXPECT_OK(ctx, fig__file_write(ctx, path, "old", 3));
    fig__page *page = page_at(ctx, path, "t");
    fig__page_add_picture(page, &(fig__page_picture){"GIF89a", 6, "a.gif", NULL, 0});
    fig__page_add_picture(page, &(fig__page_picture){"", 0, "b", NULL, 0});
    EXPECT_EQ_I(fig__page_commit(page), FIG_ERR_FORMAT);
    EXPECT_EQ_S(fig_error(ctx), "a.gif: no picture that a page can hold");
    fig__page_abort(page_at(ctx, path, "t"));
    fig__page_abort(NULL);
    EXPECT_EQ_I(fig__file_size(path), 3);
    EXPECT_OK(ctx, fig__dir_list(ctx, dir, 10, &names));
    EXPECT_EQ_I(names.n, 1);
    fig__paths_deinit(ctx, &names);
    EXPECT_EQ_I(fig__page_open(ctx, check_path(dir, "none/index.html"), "t", &page), FIG_ERR_NOTFOUND);
    EXPECT(!page);
}
