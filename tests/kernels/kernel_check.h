/* kernel_check.h: what the kernel tests share: arrays between guard bytes, hard numbers, comparison with the oracle.
 *
 * A kernel of a level is right when its result r and the double oracle's result w on the same inputs satisfy
 *     round(w - t) <= r <= round(w + t),   round: to the storage type of r,
 * where t bounds the error of float arithmetic for these inputs: each rounding contributes at most U times the
 * magnitude that is rounded, whatever the order of operations. t = 0: the result is rounded once, so it is exact. NaN
 * matches NaN alone, but for t infinite, where infinity has met what is 0 in float only: any result that is not finite
 * will do. */
#ifndef KERNEL_CHECK_H
#define KERNEL_CHECK_H
#include "check.h"
#include "kernels/kernels.h"
#include <float.h>

#define U 0x1p-24           /* half a unit in the last place of a float near 1 */
#define DENORMAL 0x1p-149   /* spacing of the smallest floats: what a rounding down there may cost */
#define UNDERFLOW_EXP 3e-39 /* 1 / exp(x) is 0 in float where exp(x) overflows, that is where it is below this */

static struct {
    const figk_table *t; /* of the level under test */
    figk_level level;
    const char *kernel;
    bool failed; /* one message per kernel and level is enough */
} now_;

__attribute__((format(printf, 2, 3))) static bool expect(bool ok, const char *format, ...) {
    if (ok || now_.failed) return ok;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    now_.failed = true;
    return check_report_(false, __FILE__, __LINE__, "%s at %s: %s", now_.kernel, figk_level_name(now_.level), text);
}

/* --- numbers -----------------------------------------------------------------------------------------------*/

static uint64_t random_state = 1;
static uint64_t random_word(void) { /* SplitMix64 */
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
static double random_unit(void) { return (double)(random_word() >> 11) * 0x1p-53; }
static double random_normal(void) { /* of variance 1, by the sum of uniforms */
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += random_unit();
    return sum;
}

/* TAME: ordinary activations. WILD: half of them replaced by special values. LIMIT: zeros, tiny and not finite values
 * only among the tame, for kernels whose float intermediate results would overflow on large inputs. */
typedef enum kind { TAME, LIMIT, WILD, KIND_COUNT } kind;
static double random_value(kind k) {
    static const double special[] = {
        0, -0.0, INFINITY, -INFINITY, NAN,   DENORMAL, -3 * DENORMAL, FLT_MIN,    -FLT_MIN / 2, /* then for WILD only */
        1, -1,   2,        0.5,       88,    -88,      100,           -105,       30,
        3, -10,  1e30,     -1e30,     1e-30, 1e-5,     7e5,           -3.14159274};
    if (k == TAME || random_unit() < (k == WILD ? 0.5 : 0.97)) return 2 * random_normal();
    return special[random_word() % (k == WILD ? FIG_COUNT(special) : 9)];
}

/* --- arrays ------------------------------------------------------------------------------------------------*/

#define GUARD 64
#define GUARD_BYTE 0xa5

typedef struct array {
    fig_dtype type;
    size_t n;
    uint8_t *base;
    size_t bytes;
    void *p; /* 64-byte aligned plus shift elements */
} array;

/* Under the address sanitizer reading a guard is an error too. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define CLOSE(from, to) __asan_poison_memory_region((from), (size_t)((to) - (from)))
#define OPEN(from, to) __asan_unpoison_memory_region((from), (size_t)((to) - (from)))
#else
#define CLOSE(from, to) (void)0
#define OPEN(from, to) (void)0
#endif

static array array_new(fig_dtype type, size_t n, size_t shift) {
    size_t size = fig_dtype_size(type);
    array a = {.type = type, .n = n, .bytes = fig__round_up(2 * GUARD + (n + shift) * size, 64)};
    a.base = aligned_alloc(64, a.bytes);
    memset(a.base, GUARD_BYTE, a.bytes);
    a.p = a.base + GUARD + shift * size;
    CLOSE(a.base, (uint8_t *)a.p);
    CLOSE((uint8_t *)a.p + n * size, a.base + a.bytes);
    return a;
}
static bool guards_hold(const array *a) {
    OPEN(a->base, a->base + a->bytes);
    const uint8_t *begin = a->p, *end = begin + a->n * fig_dtype_size(a->type);
    for (const uint8_t *b = a->base; b < a->base + a->bytes; b++)
        if ((b < begin || b >= end) && *b != GUARD_BYTE) return false;
    return true;
}
static void array_free(array *a) {
    expect(guards_hold(a), "wrote outside of an array of %zu", a->n);
    free(a->base);
}

static double array_get(const array *a, size_t i) {
    switch (a->type) {
    case FIG_F32: return ((float *)a->p)[i];
    case FIG_BF16: return fig__bf16_to_f32(((uint16_t *)a->p)[i]);
    case FIG_F64: return ((double *)a->p)[i];
    case FIG_I32: return ((int32_t *)a->p)[i];
    default: return ((uint8_t *)a->p)[i];
    }
}
static void array_set(array *a, size_t i, double v) {
    switch (a->type) {
    case FIG_F32: ((float *)a->p)[i] = (float)v; break;
    case FIG_BF16: ((uint16_t *)a->p)[i] = fig__f32_to_bf16((float)v); break;
    case FIG_F64: ((double *)a->p)[i] = v; break;
    case FIG_I32: ((int32_t *)a->p)[i] = (int32_t)v; break;
    default: ((uint8_t *)a->p)[i] = (uint8_t)v; break;
    }
}

static array array_random(fig_dtype type, size_t n, size_t shift, kind k) {
    array a = array_new(type, n, shift);
    for (size_t i = 0; i < n; i++) array_set(&a, i, random_value(k));
    return a;
}
/* The same numbers in another type or place. */
static array array_copy(const array *from, fig_dtype type, size_t shift) {
    array a = array_new(type, from->n, shift);
    if (type == from->type)
        memcpy(a.p, from->p, from->n * fig_dtype_size(type));
    else
        for (size_t i = 0; i < from->n; i++) array_set(&a, i, array_get(from, i));
    return a;
}
static bool same_bits(const array *a, const array *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n * fig_dtype_size(a->type)) == 0);
}

/* --- comparison --------------------------------------------------------------------------------------------*/

static double rounded(fig_dtype type, double v) {
    if (type == FIG_F64) return v;
    return type == FIG_BF16 ? fig__bf16_to_f32(fig__f32_to_bf16((float)v)) : (float)v;
}
static bool expect_near(fig_dtype type, double got, double want, double tolerance, size_t i) {
    double low = rounded(type, want - tolerance), high = rounded(type, want + tolerance);
    bool ok = isnan(want)        ? isnan(got)
              : isinf(tolerance) ? !isfinite(got)
                                 : got == rounded(type, want) || (got >= low && got <= high);
    return expect(ok, "element %zu is %.9g, should be %.9g within %.3g (%s)", i, got, want, tolerance,
                  fig_dtype_name(type));
}

/* Runs a check at every level that this machine has. */
static void each_level(const char *kernel, void (*check)(void)) {
    for (int level = 0; level < FIGK_LEVEL_COUNT; level++) {
        now_.level = (figk_level)level;
        now_.t = figk_at(now_.level);
        now_.kernel = kernel;
        now_.failed = false;
        random_state = 1;
        if (now_.t) check();
    }
}

static const size_t sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 256, 300, 1000, 1024};
static const fig_dtype float_types[] = {FIG_F32, FIG_BF16};
static const size_t shifts[] = {0, 1, 3}; /* elements off alignment */

#endif
