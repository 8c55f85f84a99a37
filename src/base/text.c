/* base/text.c: numbers and formats that do not depend on the locale; "did you mean". */
#include "base/base.h"
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* The C locale; a static object of the C library, so nothing is allocated. */
static locale_t c_locale(void) { return newlocale(LC_ALL_MASK, "C", (locale_t)0); }

int fig__vformat(char *buffer, size_t size, const char *format, va_list args) {
    locale_t before = uselocale(c_locale());
    int len = vsnprintf(buffer, size, format, args);
    uselocale(before);
    return len;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool fig__parse_int(const char *s, int64_t *out) {
    if (!*s || is_space(*s)) return false;
    char *end;
    errno = 0;
    long long value = strtoll(s, &end, 10);
    if (errno || end == s || *end) return false;
    *out = value;
    return true;
}

bool fig__parse_real(const char *s, double *out) {
    if (!*s || is_space(*s)) return false;
    char *end;
    double value = strtod_l(s, &end, c_locale());
    if (end == s || *end) return false;
    *out = value;
    return true;
}

bool fig__same_text(const char *a, const char *b) {
    while (*a && fig__lower(*a) == fig__lower(*b)) a++, b++;
    return fig__lower(*a) == fig__lower(*b);
}

/* --- did you mean ----------------------------------------------------------------------------------------*/

#define NEAREST_MAX 64

/* Names differ in spelling only by case and by '-' against '_'. */
static char folded(char c) { return c == '-' ? '_' : fig__lower(c); }

/* Edit distance with swaps of neighbours (optimal string alignment), both strings at most NEAREST_MAX long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t rows[3][NEAREST_MAX + 1]; /* row i is kept at i % 3: a swap looks two rows back */
    for (size_t j = 0; j <= b_len; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = folded(a[i - 1]), y = folded(b[j - 1]);
            size_t best = FIG_MIN(above[j], row[j - 1]) + 1;
            best = FIG_MIN(best, above[j - 1] + (x != y));
            bool swapped = i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2]);
            if (swapped) best = FIG_MIN(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *fig__nearest(const char *typed, const char *const *names, size_t n) {
    size_t len = strlen(typed);
    if (!len || len > NEAREST_MAX) return NULL;
    const char *nearest = NULL;
    size_t limit = FIG_MAX(len / 3, (size_t)1) + 1; /* one more than what still counts as near */
    for (size_t i = 0; i < n; i++) {
        size_t name_len = strlen(names[i]);
        if (name_len > NEAREST_MAX) continue;
        size_t d = distance(typed, len, names[i], name_len);
        if (d < limit && d < name_len) {
            limit = d;
            nearest = names[i];
        }
    }
    return nearest;
}
