/* test_utf8.c: UTF-8 checks against the definition, and the stream that never splits a character. */
#include "check.h"
#include "media/text/tokenizer.h"
#include "media/text/utf8.h"

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u, *state >> 8; }

TEST(every_code_point_goes_round) {
    for (uint32_t c = 0; c < 0x110000; c++) {
        char out[4];
        size_t len = fig__utf8_encode(c, out), seen;
        bool surrogate = c >= 0xD800 && c < 0xE000;
        fig__utf8_state state = fig__utf8_next(out, len, &seen);
        if (!EXPECT((state == FIG_UTF8_OK) == !surrogate)) return;
        if (!surrogate && !EXPECT(seen == len && fig__utf8_decode(out, len) == c)) return;
    }
}

/* Every text of up to three bytes, and of four with the interesting leads, against a decoder that enumerates. */
static bool well_formed(const uint8_t *p, size_t n) {
    if (n == 1) return p[0] < 0x80;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return false;
    uint32_t c = p[0];
    if (n == 2) return (c & 0xE0) == 0xC0 && ((c & 0x1F) << 6 | (p[1] & 0x3F)) >= 0x80;
    if (n == 3) {
        uint32_t v = (c & 0x0F) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        return (c & 0xF0) == 0xE0 && v >= 0x800 && (v < 0xD800 || v > 0xDFFF);
    }
    uint32_t v = (c & 0x07) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    return (c & 0xF8) == 0xF0 && v >= 0x10000 && v <= 0x10FFFF;
}

TEST(agrees_with_the_definition) {
    for (uint32_t v = 0; v < 1u << 24; v++) {
        uint8_t p[4] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, 0x80};
        size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4, len;
        fig__utf8_state state = fig__utf8_next((char *)p, n, &len);
        bool good = well_formed(p, n);
        if (!EXPECT((state == FIG_UTF8_OK) == good) || (good && !EXPECT(len == n))) return;
    }
}

TEST(finds_the_longest_good_beginning) {
    EXPECT_EQ_I(fig__utf8_valid("", 0), 0);
    EXPECT_EQ_I(fig__utf8_valid("plain text of some length", 25), 25);
    EXPECT_EQ_I(fig__utf8_valid("eight by\xFF", 9), 8);
    EXPECT_EQ_I(fig__utf8_valid("z\xC3\xA9\xE2\x82", 5), 3);
    EXPECT_EQ_I(fig__utf8_floor("a\xE2\x82\xAC", 3), 1);
    EXPECT_EQ_I(fig__utf8_floor("a\xE2\x82\xAC", 1), 1);
}

static size_t stream_all(const char *text, size_t len, uint32_t seed, char *out) {
    fig_utf8_stream s = {{0}, 0};
    size_t written = 0;
    for (size_t i = 0; i < len;) {
        size_t n = seed ? 1 + next_random(&seed) % 5 : len;
        n = FIG_MIN(n, len - i);
        size_t now = fig_utf8_stream_add(&s, text + i, n, out + written);
        /* What comes out at any moment is whole characters. */
        EXPECT(fig__utf8_valid(out + written, now) == now);
        written += now;
        i += n;
    }
    return written + fig_utf8_stream_flush(&s, out + written);
}

static void expect_stream(const char *text, const char *wanted) {
    char out[256];
    size_t n = stream_all(text, strlen(text), 0, out);
    out[n] = 0;
    EXPECT_EQ_S(out, wanted);
}

/* The right column is Python's bytes.decode("utf-8", "replace"). */
TEST(replaces_as_python_does) {
    expect_stream("caf\xC3\xA9 \xF0\x9F\xA6\x99", "caf\xC3\xA9 \xF0\x9F\xA6\x99");
    expect_stream("a\xFF\xFE", "a\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_stream("\xE2\x82", "\xEF\xBF\xBD");
    expect_stream("\xE2\x82z", "\xEF\xBF\xBDz");
    expect_stream("\xE2\x28\xA1", "\xEF\xBF\xBD(\xEF\xBF\xBD");
    expect_stream("\xF0\x9F\xA6\xF0\x9F\xA6\x99", "\xEF\xBF\xBD\xF0\x9F\xA6\x99");
    expect_stream("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_stream("\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(holds_back_until_whole) {
    fig_utf8_stream s = {{0}, 0};
    char out[32];
    EXPECT_EQ_I(fig_utf8_stream_add(&s, "\xF0\x9F", 2, out), 0);
    EXPECT_EQ_I(fig_utf8_stream_add(&s, "\xA6", 1, out), 0);
    EXPECT_EQ_I(fig_utf8_stream_add(&s, "\x99!", 2, out), 5);
    EXPECT_EQ_I(fig_utf8_stream_flush(&s, out), 0);
}

TEST(stream_does_not_depend_on_parts) {
    uint32_t random = 7;
    for (int round = 0; round < 2000; round++) {
        static const char *const bits[] = {"a",    "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\xA6\x99",
                                           "\xE2", "\x82",     "\xF0\x9F",     "\xFF"};
        char text[128] = "", whole[512], parts[512];
        for (int i = 0; i < 12; i++) strncat(text, bits[next_random(&random) % 8], sizeof text - strlen(text) - 1);
        size_t a = stream_all(text, strlen(text), 0, whole),
               b = stream_all(text, strlen(text), (uint32_t)round + 1, parts);
        if (!EXPECT(a == b && memcmp(whole, parts, a) == 0)) return;
    }
}

TEST(byte_level_face_is_one_to_one) {
    bool used[512] = {false};
    for (int b = 0; b < 256; b++) {
        uint32_t c = fig__bytelevel_char((uint8_t)b);
        EXPECT(c < 512 && !used[c]);
        used[c] = true;
        EXPECT_EQ_I(fig__bytelevel_byte(c), b);
    }
    for (uint32_t c = 0; c < 512; c++)
        if (!used[c]) EXPECT_EQ_I(fig__bytelevel_byte(c), -1);
    EXPECT_EQ_I(fig__bytelevel_char(' '), 0x120);
    EXPECT_EQ_I(fig__bytelevel_char('\n'), 0x10A);
    EXPECT_EQ_I(fig__bytelevel_char(0xAD), 0x143);
}
