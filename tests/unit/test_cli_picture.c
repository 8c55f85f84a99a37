/* Pictures as characters. */
#include "check.h"
#include "cli/picture.h"

static void expect_mode(fig__picture_env env, fig__picture_mode want) { EXPECT_EQ_I(fig__picture_mode_of(&env), want); }

TEST(modes) {
    expect_mode((fig__picture_env){NULL, "truecolor", "xterm-256color", "en_US.UTF-8"}, FIG__PICTURE_TRUE);
    expect_mode((fig__picture_env){NULL, "24bit", "tmux", "C.utf8"}, FIG__PICTURE_TRUE);
    expect_mode((fig__picture_env){NULL, NULL, "xterm-kitty", "C.UTF-8"}, FIG__PICTURE_TRUE);
    expect_mode((fig__picture_env){"", NULL, "screen-256color", "C.UTF-8"}, FIG__PICTURE_256);
    expect_mode((fig__picture_env){"1", "truecolor", "xterm-256color", "C.UTF-8"}, FIG__PICTURE_ASCII);
    expect_mode((fig__picture_env){NULL, "truecolor", "xterm-256color", "C"}, FIG__PICTURE_ASCII);
    expect_mode((fig__picture_env){NULL, "truecolor", "dumb", "C.UTF-8"}, FIG__PICTURE_ASCII);
    expect_mode((fig__picture_env){NULL, NULL, "vt100", "C.UTF-8"}, FIG__PICTURE_ASCII);
    expect_mode((fig__picture_env){0}, FIG__PICTURE_ASCII);
}

static void expect_text(fig_context *ctx, const fig__picture *pictures, size_t n, fig__picture_layout layout,
                        const char *want) {
    fig__buf text;
    fig__buf_init(&text, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__pictures_render(ctx, pictures, n, &layout, &text));
    EXPECT_EQ_S(fig__buf_str(&text), want);
    fig__buf_deinit(&text);
}

/* Red over blue, green over nothing; nothing over white, nothing over nothing; an odd last row. */
static uint8_t rgba[] = {255, 0, 0,   255, 0, 255, 0, 255, 9,   9,   9,   0,   7, 7, 7, 127, 7, 7, 7, 0,
                         0,   0, 255, 255, 9, 9,   9, 0,   255, 255, 255, 255, 7, 7, 7, 0,   7, 7, 7, 0,
                         255, 0, 0,   255, 0, 200, 0, 128, 0,   0,   0,   0,   0, 0, 0, 0,   0, 0, 0, 0};
static const fig__image five = {rgba, 5, 3, 4};

TEST(half_blocks) {
    fig_context *ctx = check_context();
    const fig__picture p = {&five, NULL};
    expect_text(ctx, &p, 1, (fig__picture_layout){FIG__PICTURE_TRUE, 80, 5},
                "\033[38;2;255;0;0m\033[48;2;0;0;255m▀\033[38;2;0;255;0m\033[49m▀\033[38;2;255;255;255m▄  \033[0m\n"
                "\033[38;2;255;0;0m▀\033[38;2;0;100;0m▀   \033[0m\n");
    expect_text(ctx, &p, 1, (fig__picture_layout){FIG__PICTURE_256, 80, 5},
                "\033[38;5;196m\033[48;5;21m▀\033[38;5;46m\033[49m▀\033[38;5;231m▄  \033[0m\n"
                "\033[38;5;196m▀\033[38;5;22m▀   \033[0m\n");
}

TEST(ramp) {
    static uint8_t grey[40];
    fig_context *ctx = check_context();
    for (int i = 0; i < 20; i++) grey[i] = grey[20 + i] = (uint8_t)(i * 255 / 19);
    const fig__image image = {grey, 20, 2, 1};
    const fig__picture p = {&image, NULL};
    expect_text(ctx, &p, 1, (fig__picture_layout){FIG__PICTURE_ASCII, 80, 20}, "  ..::--==++**##%%@@\n");
}

/* The nearest of 240 by trying them all. */
static int nearest(int v) {
    int best = 0, least = 1 << 30;
    for (int i = 16; i < 256; i++) {
        static const int levels[] = {0, 95, 135, 175, 215, 255};
        int c = i - 16, grey = 8 + 10 * (i - 232), r = i < 232 ? levels[c / 36] : grey,
            g = i < 232 ? levels[c / 6 % 6] : grey, b = i < 232 ? levels[c % 6] : grey;
        int dr = r - (v >> 16), dg = g - (v >> 8 & 255), db = b - (v & 255), d = dr * dr + dg * dg + db * db;
        if (d < least) least = d, best = i;
    }
    return least << 8 | best;
}
static int distance_to(int v, int index) {
    static const int levels[] = {0, 95, 135, 175, 215, 255};
    int c = index - 16, grey = 8 + 10 * (index - 232);
    int rgb[3] = {grey, grey, grey};
    if (index < 232) rgb[0] = levels[c / 36], rgb[1] = levels[c / 6 % 6], rgb[2] = levels[c % 6];
    int dr = rgb[0] - (v >> 16), dg = rgb[1] - (v >> 8 & 255), db = rgb[2] - (v & 255);
    return dr * dr + dg * dg + db * db;
}
TEST(palette_is_the_nearest) {
    fig_context *ctx = check_context();
    int n_wrong = 0;
    for (unsigned i = 0; i < 4000; i++) {
        unsigned v = i < 256 ? i * 0x10101 : i * 2654435761u >> 8 & 0xffffff;
        uint8_t rgb[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        const fig__image one = {rgb, 1, 1, 3};
        fig__buf text;
        int index = 0;
        fig__buf_init(&text, ctx, 1 << 10);
        EXPECT_OK(ctx, fig__pictures_render(ctx, &(fig__picture){&one, NULL}, 1,
                                            &(fig__picture_layout){FIG__PICTURE_256, 9, 1}, &text));
        EXPECT(sscanf(fig__buf_str(&text), "\033[38;5;%dm", &index) == 1 && index >= 16);
        n_wrong += distance_to((int)v, index) > nearest((int)v) >> 8;
        fig__buf_deinit(&text);
    }
    EXPECT_EQ_I(n_wrong, 0);
}

/* Three of 4 columns with gaps of 2 take 16 of 17 columns; in fewer, the third begins a new row. */
TEST(rows_and_labels) {
    static uint8_t white[16 * 4];
    memset(white, 255, sizeof white);
    fig_context *ctx = check_context();
    const fig__image square = {white, 4, 4, 1}, flat = {white, 4, 2, 1};
    const fig__picture p[] = {{&square, "one"}, {&flat, "too long"}, {&square, NULL}};
    expect_text(ctx, p, 3, (fig__picture_layout){FIG__PICTURE_ASCII, 17, 4},
                "@@@@  @@@@  @@@@\n@@@@        @@@@\none   t...\n");
    expect_text(ctx, p, 3, (fig__picture_layout){FIG__PICTURE_ASCII, 16, 4},
                "@@@@  @@@@\n@@@@\none   t...\n\n@@@@\n@@@@\n");
    expect_text(ctx, p, 1, (fig__picture_layout){FIG__PICTURE_ASCII, 3, 4}, "@@\n..\n");
    expect_text(ctx, p + 1, 1, (fig__picture_layout){FIG__PICTURE_ASCII, 80, 8}, "@@@@@@@@\n@@@@@@@@\ntoo long\n");
}

TEST(labels_of_all_kinds) {
    static uint8_t black[6];
    fig_context *ctx = check_context();
    const fig__image image = {black, 6, 1, 1};
    static const char *const cases[][2] = {
        {"caf\xc3\xa9 a", "caf\xc3\xa9 a"},
        {"\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e", "\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e"},
        {"\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e.", "\xf0\x9f\x8d\x8e\xf0\x9f\x8d\x8e…"},
        {"a\033[2J\n", "a [2J"},
        {"\xff\xc3", "??"},
        {"1234567", "12345…"}};
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        char want[64];
        snprintf(want, sizeof want, "%s\n", cases[i][1]);
        fig__buf text;
        fig__buf_init(&text, ctx, 1 << 10);
        EXPECT_OK(ctx, fig__pictures_render(ctx, &(fig__picture){&image, cases[i][0]}, 1,
                                            &(fig__picture_layout){FIG__PICTURE_TRUE, 80, 6}, &text));
        const char *line = strchr(fig__buf_str(&text), '\n');
        EXPECT_EQ_S(line ? line + 1 : NULL, want);
        fig__buf_deinit(&text);
    }
}

/* No line is wider than the terminal, whatever the sizes are. */
TEST(width_is_kept) {
    fig_context *ctx = check_context();
    for (size_t width = 0; width < 70; width += 3) {
        fig__image images[3];
        fig__picture p[3];
        fig__buf text;
        for (size_t i = 0; i < 3; i++) {
            EXPECT_OK(ctx, fig__image_new(ctx, 5 + 30 * i, 100 - 40 * i, i + 1, &images[i]));
            p[i] = (fig__picture){&images[i], "a label that is as long as it likes to be"};
        }
        fig__buf_init(&text, ctx, 1 << 20);
        EXPECT_OK(ctx, fig__pictures_render(ctx, p, 3, &(fig__picture_layout){FIG__PICTURE_ASCII, width, 32}, &text));
        for (const char *s = fig__buf_str(&text); *s; s += strcspn(s, "\n") + 1)
            EXPECT(strcspn(s, "\n") <= FIG_MAX(width, (size_t)2) - 1);
        fig__buf_deinit(&text);
        for (size_t i = 0; i < 3; i++) fig__image_free(ctx, &images[i]);
    }
}

TEST(out_of_memory) {
    fig_context *ctx = check_context();
    const fig__picture p[] = {{&five, "a label"}, {&five, NULL}};
    fig_status status = FIG_ERR_NOMEM;
    uint64_t n = 0;
    for (uint64_t before = fig_memory(ctx).bytes_now; status == FIG_ERR_NOMEM && n < 1000;) {
        fig__buf text;
        fig__buf_init(&text, ctx, 1 << 20);
        fig__alloc_fail_after(ctx, ++n);
        status = fig__pictures_render(ctx, p, 2, &(fig__picture_layout){FIG__PICTURE_TRUE, 80, 3}, &text);
        fig__buf_deinit(&text);
        EXPECT_EQ_I(fig_memory(ctx).bytes_now, before);
    }
    fig__alloc_fail_after(ctx, 0);
    EXPECT(status == FIG_OK && n > 5);
}

/* Standard output of tests is no terminal. */
TEST(nothing_where_nobody_looks) {
    fig_context *ctx = check_context();
    const fig__picture p = {&five, NULL};
    int out[2], keep = dup(STDOUT_FILENO);
    char text[4096];
    fflush(stdout);
    if (!EXPECT(keep >= 0 && !pipe(out) && dup2(out[1], STDOUT_FILENO) >= 0)) return;
    setenv("NO_COLOR", "1", 1);
    EXPECT_OK(ctx, fig__pictures_show(ctx, &p, 1, FIG__PICTURE_AUTO));
    EXPECT_OK(ctx, fig__pictures_show(ctx, &p, 1, FIG__PICTURE_NEVER));
    fflush(stdout);
    EXPECT_OK(ctx, fig__pictures_show(ctx, &(fig__picture){&five, "five"}, 1, FIG__PICTURE_ALWAYS));
    fflush(stdout);
    dup2(keep, STDOUT_FILENO);
    close(out[1]);
    ssize_t n = read(out[0], text, sizeof text - 1);
    text[FIG_MAX(n, 0)] = 0;
    EXPECT(n > 20 && !strchr(text, '\033') && strstr(text, "five\n"));
    close(out[0]), close(keep);
}
