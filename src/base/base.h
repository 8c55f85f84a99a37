/* base/base.h: what every file of the library may use: errors, memory, threads.
 *
 * The private face of the context. Strings, maps, files, JSON and randomness have headers of their own
 * beside this one. */
#ifndef FIG_BASE_PRIVATE_H
#define FIG_BASE_PRIVATE_H

#include <fig/base.h>
#include <stdarg.h>
#include <string.h>

/* --- errors --------------------------------------------------------------------------------------------
 * fig__fail records the message (the first line only; later failures on the same call path replace it) and
 * returns the code, so that a failure is one statement:
 *     return FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: no header; is this a safetensors file?", path);
 * Message form: what: why; what to do. File and line go to the debug log only. */
fig_status fig__fail(fig_context *ctx, fig_status code, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
#define FIG_FAIL(ctx, code, ...) fig__fail((ctx), (code), __FILE__, __LINE__, __VA_ARGS__)
#define FIG_CHECK(ctx, cond, code, ...)                           \
    do {                                                          \
        if (!(cond)) return FIG_FAIL((ctx), (code), __VA_ARGS__); \
    } while (0)
#define FIG_TRY(expr)                        \
    do {                                     \
        fig_status try_status_ = (expr);     \
        if (try_status_) return try_status_; \
    } while (0)
/* As FIG_TRY for functions that own something: sets `status` and jumps to the one `cleanup:` label. */
#define FIG_GOTO(expr)            \
    do {                          \
        status = (expr);          \
        if (status) goto cleanup; \
    } while (0)
/* Puts "context: " before the message that is already recorded, and returns code. */
fig_status fig__fail_prefix(fig_context *ctx, fig_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void fig__log(fig_context *ctx, fig_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- memory --------------------------------------------------------------------------------------------
 * All memory of the library comes from here: counted, 64-byte aligned, zeroed only where said, and made to
 * fail on demand by tests (FIG_FAIL_ALLOC=n in a test build fails the n-th call). NULL on failure with
 * FIG_ERR_NOMEM recorded. fig__free accepts NULL. */
#define FIG_ALIGN 64
void *fig__alloc(fig_context *ctx, size_t size);
void *fig__calloc(fig_context *ctx, size_t n, size_t size); /* zeroed; checks n*size for overflow */
void *fig__realloc(fig_context *ctx, void *p, size_t size); /* keeps p alive on failure */
void fig__free(fig_context *ctx, void *p);
char *fig__strdup(fig_context *ctx, const char *s);
#define FIG_NEW(ctx, type) ((type *)fig__calloc((ctx), 1, sizeof(type)))
#define FIG_NEW_N(ctx, type, n) ((type *)fig__calloc((ctx), (n), sizeof(type)))
/* Testing: the n-th allocation from now fails once; 0 turns it off. */
void fig__alloc_fail_after(fig_context *ctx, uint64_t n);

/* A region: many small allocations, one free. For graph records, parsed headers, names. */
typedef struct fig__arena fig__arena;
fig__arena *fig__arena_new(fig_context *ctx, size_t block_bytes); /* 0: 64 KiB blocks */
void *fig__arena_alloc(fig__arena *arena, size_t size);           /* zeroed, 16-byte aligned, NULL when out of memory */
char *fig__arena_strdup(fig__arena *arena, const char *s);
char *fig__arena_printf(fig__arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fig__arena_free(fig__arena *arena);

/* A growing array of any element type, grown by doubling up to `max` elements. Use through FIG_PUSH:
 *     struct { int *data; size_t n, cap; } v = {0};
 *     FIG_TRY(FIG_PUSH(ctx, &v, 7));                 -- FIG_ERR_NOMEM on failure */
fig_status fig__grow(fig_context *ctx, void **data, size_t *cap, size_t need, size_t elem_size);
#define FIG_PUSH(ctx, v, ...)                                                                                       \
    (((v)->n < (v)->cap ? FIG_OK : fig__grow((ctx), (void **)&(v)->data, &(v)->cap, (v)->n + 1, sizeof *(v)->data)) \
         ? FIG_ERR_NOMEM                                                                                            \
         : ((v)->data[(v)->n++] = (__VA_ARGS__), FIG_OK))

/* --- threads -------------------------------------------------------------------------------------------
 * One pool per context. The work of a call is cut into n_tiles pieces by the caller, from the problem's size alone,
 * never from the number of threads; tiles are handed out in order to whichever thread is free. A tile may only
 * write what no other tile writes, so any number of threads gives the same bits. `thread` (0 .. n_threads-1) may
 * only be used to find scratch memory. Calls do not nest: inside a tile, fig__parallel runs its tiles in place.
 * Runs on the calling thread too. Costs about a microsecond when the workers are awake (they spin briefly). */
typedef void fig__tile_fn(void *arg, size_t tile, int thread);
void fig__parallel(fig_context *ctx, size_t n_tiles, fig__tile_fn *fn, void *arg);
/* Limits the threads used from now on (1 .. as created); returns the previous limit. For measuring and tests. */
int fig__threads_limit(fig_context *ctx, int n);
/* Scratch of at least `size` bytes for this thread, 64-byte aligned, kept and reused; contents are lost at the next
 * call for the same thread. fig__scratch_reserve sizes all threads' scratch before a run, so that nothing is
 * allocated inside a step; fig__scratch asserts that enough was reserved. It only grows, except that 0 gives all of
 * it back. */
fig_status fig__scratch_reserve(fig_context *ctx, size_t size);
void *fig__scratch(fig_context *ctx, int thread, size_t size);

/* --- small things ---------------------------------------------------------------------------------------*/
#define FIG_COUNT(a) (sizeof(a) / sizeof *(a))
#define FIG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define FIG_MAX(a, b) ((a) > (b) ? (a) : (b))
static inline size_t fig__round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
static inline size_t fig__ceil_div(size_t n, size_t by) { return (n + by - 1) / by; }
double fig__now(void);         /* seconds, monotonic */
uint64_t fig__rss_bytes(void); /* resident memory of this process; 0 when unknown */
uint64_t fig__rss_peak_bytes(void);
/* Text and numbers as in the C locale, whatever the program around us has set. The parsers take the whole string or
 * nothing, and no leading blanks; a real may be "inf" or "nan". */
int fig__vformat(char *buffer, size_t size, const char *format, va_list args); /* as vsnprintf */
bool fig__parse_int(const char *s, int64_t *out);
bool fig__parse_real(const char *s, double *out);
static inline char fig__lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }
bool fig__same_text(const char *a, const char *b); /* equal but for the case of ASCII letters */
/* The entry of names nearest to what was typed (edit distance), or NULL when none is near: "did you mean". */
const char *fig__nearest(const char *typed, const char *const *names, size_t n);

static inline float fig__bf16_to_f32(uint16_t h) {
    union {
        uint32_t u;
        float f;
    } v = {.u = (uint32_t)h << 16};
    return v.f;
}
/* Round to nearest even; NaN stays NaN (quieted). */
static inline uint16_t fig__f32_to_bf16(float f) {
    union {
        float f;
        uint32_t u;
    } v = {.f = f};
    if ((v.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(v.u >> 16 | 0x40);
    return (uint16_t)((v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16);
}

#endif
