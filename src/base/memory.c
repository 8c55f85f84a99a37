/* base/memory.c: counted, aligned allocation; arenas; growing arrays.
 *
 * Before each block stands a header of FIG_ALIGN bytes that holds the size, so that freeing can count down. The end
 * of the system's block is the end of ours: a sanitizer sees the first byte past it. */
#include "base/context.h"
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

typedef struct block_header {
    size_t size;
} block_header;

static block_header *header_of(void *p) { return (block_header *)((char *)p - FIG_ALIGN); }

static bool told_to_fail(fig_context *ctx) {
    uint64_t left = atomic_load_explicit(&ctx->fail_after, memory_order_relaxed);
    if (!left) return false;
    return atomic_fetch_sub_explicit(&ctx->fail_after, 1, memory_order_relaxed) == 1;
}

void fig__alloc_fail_after(fig_context *ctx, uint64_t n) { atomic_store(&ctx->fail_after, n); }

static void count_up(fig_context *ctx, size_t size) {
    uint64_t now = atomic_fetch_add_explicit(&ctx->bytes_now, size, memory_order_relaxed) + size;
    uint64_t peak = atomic_load_explicit(&ctx->bytes_peak, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&ctx->bytes_peak, &peak, now, memory_order_relaxed,
                                                                memory_order_relaxed)) {}
    atomic_fetch_add_explicit(&ctx->n_allocations, 1, memory_order_relaxed);
}

/* Large blocks ask for huge pages: going once through 100 MB of small ones misses the TLB 25,000 times, each a walk
 * through two tables in a virtual machine. */
static void *aligned_block(size_t size) {
    void *block = NULL;
    bool large = size >= HUGE_PAGE;
    if (posix_memalign(&block, large ? HUGE_PAGE : FIG_ALIGN, size)) return NULL;
#ifdef MADV_HUGEPAGE
    if (large) (void)madvise(block, size, MADV_HUGEPAGE); /* a wish */
#endif
    return block;
}

void *fig__alloc(fig_context *ctx, size_t size) {
    bool fits = size <= PTRDIFF_MAX - FIG_ALIGN - HUGE_PAGE && !told_to_fail(ctx);
    void *block = fits ? aligned_block(size + FIG_ALIGN) : NULL;
    if (!block) {
        FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory: %zu bytes more were needed", size);
        return NULL;
    }
    void *p = (char *)block + FIG_ALIGN;
    header_of(p)->size = size;
    count_up(ctx, size);
    return p;
}

void *fig__calloc(fig_context *ctx, size_t n, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory: %zu times %zu bytes are more than there can be", n, size);
        return NULL;
    }
    void *p = fig__alloc(ctx, total);
    return p ? memset(p, 0, total) : NULL;
}

void *fig__realloc(fig_context *ctx, void *p, size_t size) {
    void *grown = fig__alloc(ctx, size);
    if (!grown || !p) return grown;
    memcpy(grown, p, FIG_MIN(size, header_of(p)->size));
    fig__free(ctx, p);
    return grown;
}

void fig__free(fig_context *ctx, void *p) {
    if (!p) return;
    atomic_fetch_sub_explicit(&ctx->bytes_now, header_of(p)->size, memory_order_relaxed);
    free(header_of(p));
}

char *fig__strdup(fig_context *ctx, const char *s) {
    size_t size = strlen(s) + 1;
    char *copy = fig__alloc(ctx, size);
    return copy ? memcpy(copy, s, size) : NULL;
}

fig_memory_stats fig_memory(const fig_context *ctx) {
    return (fig_memory_stats){
        .bytes_now = atomic_load_explicit(&ctx->bytes_now, memory_order_relaxed),
        .bytes_peak = atomic_load_explicit(&ctx->bytes_peak, memory_order_relaxed),
        .n_allocations = atomic_load_explicit(&ctx->n_allocations, memory_order_relaxed),
    };
}

fig_status fig__grow(fig_context *ctx, void **data, size_t *cap, size_t need, size_t elem_size) {
    size_t new_cap = FIG_MAX(need, *cap > SIZE_MAX / 2 ? need : 2 * *cap), bytes;
    new_cap = FIG_MAX(new_cap, (size_t)8);
    if (__builtin_mul_overflow(new_cap, elem_size, &bytes))
        return FIG_FAIL(ctx, FIG_ERR_NOMEM, "out of memory: an array of %zu elements", new_cap);
    /* *data is a pointer of another type underneath: only its bytes are read and written here. */
    void *old, *grown;
    memcpy(&old, data, sizeof old);
    grown = fig__realloc(ctx, old, bytes);
    if (!grown) return FIG_ERR_NOMEM;
    memcpy(data, &grown, sizeof grown);
    *cap = new_cap;
    return FIG_OK;
}

/* --- arenas ----------------------------------------------------------------------------------------------
 * A list of blocks, the newest first; a request that fits no ordinary block gets one of its own. */

#define ARENA_ALIGN 16

typedef struct arena_block {
    struct arena_block *next;
    size_t used, size; /* of the bytes behind this header */
} arena_block;

struct fig__arena {
    fig_context *ctx;
    size_t block_bytes;
    arena_block *blocks;
};

#define ARENA_HEADER ((sizeof(arena_block) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN)

fig__arena *fig__arena_new(fig_context *ctx, size_t block_bytes) {
    fig__arena *arena = FIG_NEW(ctx, fig__arena);
    if (!arena) return NULL;
    arena->ctx = ctx;
    arena->block_bytes = block_bytes ? block_bytes : 64 * 1024;
    return arena;
}

void fig__arena_free(fig__arena *arena) {
    if (!arena) return;
    for (arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        fig__free(arena->ctx, block);
    }
    fig__free(arena->ctx, arena);
}

static arena_block *arena_add_block(fig__arena *arena, size_t size) {
    arena_block *block = fig__calloc(arena->ctx, 1, ARENA_HEADER + size);
    if (!block) return NULL;
    block->size = size;
    block->next = arena->blocks;
    return arena->blocks = block;
}

void *fig__arena_alloc(fig__arena *arena, size_t size) {
    if (size > SIZE_MAX / 2) {
        FIG_FAIL(arena->ctx, FIG_ERR_NOMEM, "out of memory: %zu bytes more were needed", size);
        return NULL;
    }
    size = fig__round_up(FIG_MAX(size, (size_t)1), ARENA_ALIGN);
    arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) block = arena_add_block(arena, FIG_MAX(size, arena->block_bytes));
    if (!block) return NULL;
    void *p = (char *)block + ARENA_HEADER + block->used;
    block->used += size;
    return p;
}

char *fig__arena_strdup(fig__arena *arena, const char *s) {
    size_t size = strlen(s) + 1;
    char *copy = fig__arena_alloc(arena, size);
    return copy ? memcpy(copy, s, size) : NULL;
}

char *fig__arena_printf(fig__arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = fig__vformat(NULL, 0, format, args);
    char *text = len < 0 ? NULL : fig__arena_alloc(arena, (size_t)len + 1);
    if (text) fig__vformat(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
