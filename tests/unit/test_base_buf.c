/* Growing byte strings and their maximum; maps; hashes. */
#include "base/buf.h"
#include "base/map.h"
#include "check.h"

TEST(buf_grows) {
    fig__buf b;
    fig__buf_init(&b, check_context(), 1 << 20);
    EXPECT_EQ_S(fig__buf_str(&b), "");
    for (int i = 0; i < 1000; i++) EXPECT_OK(b.ctx, fig__buf_printf(&b, "%d,", i));
    EXPECT_EQ_I(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    EXPECT_EQ_I(strlen(b.data), b.len);
    EXPECT(!strncmp(b.data, "0,1,2,", 6) && !strcmp(b.data + b.len - 4, "999,"));
    fig__buf_clear(&b);
    EXPECT_EQ_S(fig__buf_str(&b), "");
    EXPECT_OK(b.ctx, fig__buf_add(&b, "a\0b", 3));
    EXPECT_OK(b.ctx, fig__buf_addc(&b, 'c'));
    EXPECT(b.len == 4 && !memcmp(b.data, "a\0bc", 5));
    fig__buf_deinit(&b);
}

TEST(buf_keeps_its_maximum) {
    fig__buf b;
    fig__buf_init(&b, check_context(), 100);
    for (int i = 0; i < 10; i++) EXPECT_OK(b.ctx, fig__buf_adds(&b, "0123456789"));
    EXPECT_EQ_I(fig__buf_addc(&b, 'x'), FIG_ERR_LIMIT);
    EXPECT_EQ_I(fig__buf_printf(&b, "%d", 1), FIG_ERR_LIMIT);
    EXPECT_EQ_I(fig__buf_reserve(&b, SIZE_MAX), FIG_ERR_LIMIT);
    EXPECT_EQ_I(b.len, 100);
    EXPECT(b.cap <= 101 && b.data[100] == 0);
    EXPECT_OK(b.ctx, fig__buf_add(&b, "", 0));
    fig__buf_deinit(&b);
}

TEST(buf_without_a_maximum) {
    fig__buf b;
    fig__buf_init(&b, check_context(), SIZE_MAX);
    EXPECT_OK(b.ctx, fig__buf_adds(&b, "x"));
    EXPECT_EQ_I(fig__buf_reserve(&b, SIZE_MAX - 100), FIG_ERR_NOMEM);
    EXPECT_EQ_S(b.data, "x");
    fig__buf_deinit(&b);
}

TEST(map_finds_and_keeps_order) {
    fig__map *m = fig__map_new(check_context());
    int64_t value = 0;
    EXPECT(!fig__map_get(m, "", 0, &value));
    for (int i = 0; i < 20000; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "key %d", i);
        if (!EXPECT(fig__map_put(m, key, (size_t)len, i) == FIG_OK)) break;
    }
    const char *first = fig__map_key(m, 0, NULL);
    EXPECT(fig__map_put(m, "", 0, -1) == FIG_OK);
    EXPECT(fig__map_put(m, "key 7", 5, 77) == FIG_OK); /* replaced, its place kept */
    EXPECT(fig__map_put(m, "key\0007", 5, 78) == FIG_OK);
    EXPECT_EQ_I(fig__map_count(m), 20002);
    for (int i = 0; i < 20000; i++) {
        char key[32];
        size_t len = (size_t)snprintf(key, sizeof key, "key %d", i), found_len;
        int64_t want = i == 7 ? 77 : i;
        EXPECT(fig__map_get(m, key, len, &value) && value == want);
        EXPECT_EQ_S(fig__map_key(m, (size_t)i, &found_len), key);
        EXPECT(found_len == len && fig__map_value(m, (size_t)i) == want);
    }
    EXPECT(fig__map_get(m, "", 0, &value) && value == -1);
    EXPECT(!fig__map_get(m, "key 20000", 9, &value) && !fig__map_get(m, "key", 3, &value));
    EXPECT(fig__map_key(m, 0, NULL) == first);
    fig__map_free(m);
    fig__map_free(NULL);
}

TEST(hashes) {
    EXPECT(fig__hash64("", 0) == 0x2d06800538d394c2u); /* XXH3's own value for nothing, seed 0 */
    EXPECT(fig__hash64("a", 1) != fig__hash64("b", 1));
    fig__sha256 *h = fig__sha256_new(check_context());
    char hex[65];
    fig__sha256_add(h, "a", 1);
    fig__sha256_add(h, "bc", 2);
    fig__sha256_hex(h, hex);
    EXPECT_EQ_S(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-4 */
    fig__sha256_free(h);
    fig__sha256_free(NULL);
}
