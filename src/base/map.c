/* base/map.c: byte strings to integers.
 *
 * Entries stand in an array in the order of first insertion; a table of indices, open addressed with linear probing
 * and at most 3/4 full, finds them. Keys are in an arena, so the pointers that fig__map_key gives stay good. */
#include "base/map.h"
#include <xxhash.h>

typedef struct map_entry {
    uint64_t hash;
    const char *key; /* followed by a NUL */
    size_t len;
    int64_t value;
} map_entry;

struct fig__map {
    fig_context *ctx;
    fig__arena *keys;
    struct {
        map_entry *data;
        size_t n, cap;
    } entries;
    uint32_t *slots; /* index of the entry plus one; 0: free */
    size_t n_slots;  /* a power of two */
};

uint64_t fig__hash64(const void *data, size_t len) { return XXH3_64bits(data, len); }

fig__map *fig__map_new(fig_context *ctx) {
    fig__map *m = FIG_NEW(ctx, fig__map);
    if (!m) return NULL;
    m->ctx = ctx;
    m->n_slots = 16;
    m->slots = FIG_NEW_N(ctx, uint32_t, m->n_slots);
    m->keys = fig__arena_new(ctx, 0);
    if (m->slots && m->keys) return m;
    fig__map_free(m);
    return NULL;
}

void fig__map_free(fig__map *m) {
    if (!m) return;
    fig__arena_free(m->keys);
    fig__free(m->ctx, m->entries.data);
    fig__free(m->ctx, m->slots);
    fig__free(m->ctx, m);
}

size_t fig__map_count(const fig__map *m) { return m->entries.n; }

/* The slot that holds the key, or the free one where it would go. */
static uint32_t *find_slot(const fig__map *m, uint64_t hash, const void *key, size_t len) {
    for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
        uint32_t *slot = &m->slots[i];
        if (!*slot) return slot;
        const map_entry *e = &m->entries.data[*slot - 1];
        if (e->hash == hash && e->len == len && (!len || !memcmp(e->key, key, len))) return slot;
    }
}

static fig_status grow_slots(fig__map *m) {
    size_t n_slots = 2 * m->n_slots;
    uint32_t *slots = FIG_NEW_N(m->ctx, uint32_t, n_slots);
    if (!slots) return FIG_ERR_NOMEM;
    for (size_t e = 0; e < m->entries.n; e++) {
        size_t i = m->entries.data[e].hash & (n_slots - 1);
        while (slots[i]) i = (i + 1) & (n_slots - 1);
        slots[i] = (uint32_t)(e + 1);
    }
    fig__free(m->ctx, m->slots);
    m->slots = slots;
    m->n_slots = n_slots;
    return FIG_OK;
}

fig_status fig__map_put(fig__map *m, const void *key, size_t len, int64_t value) {
    uint64_t hash = fig__hash64(key, len);
    uint32_t *slot = find_slot(m, hash, key, len);
    if (*slot) {
        m->entries.data[*slot - 1].value = value;
        return FIG_OK;
    }
    FIG_CHECK(m->ctx, m->entries.n < UINT32_MAX - 1, FIG_ERR_LIMIT, "a map of %zu entries is full", m->entries.n);
    if (4 * (m->entries.n + 1) > 3 * m->n_slots) {
        FIG_TRY(grow_slots(m));
        slot = find_slot(m, hash, key, len);
    }
    char *copy = fig__arena_alloc(m->keys, len + 1);
    if (!copy) return FIG_ERR_NOMEM;
    if (len) memcpy(copy, key, len);
    FIG_TRY(FIG_PUSH(m->ctx, &m->entries, (map_entry){hash, copy, len, value}));
    *slot = (uint32_t)m->entries.n;
    return FIG_OK;
}

bool fig__map_get(const fig__map *m, const void *key, size_t len, int64_t *value) {
    uint32_t slot = *find_slot(m, fig__hash64(key, len), key, len);
    if (!slot) return false;
    *value = m->entries.data[slot - 1].value;
    return true;
}

const char *fig__map_key(const fig__map *m, size_t i, size_t *len) {
    if (len) *len = m->entries.data[i].len;
    return m->entries.data[i].key;
}

int64_t fig__map_value(const fig__map *m, size_t i) { return m->entries.data[i].value; }
