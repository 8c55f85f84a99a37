/* media/text/bpe.c: one piece to ids.
 *
 * The piece becomes symbols; of all neighbouring pairs that have a merge, the one of lowest rank (the leftmost of
 * equals) is merged until none is left. A heap finds it: O(n log n) in the length of the piece, so that a megabyte
 * without spaces does no harm. Ordinary pieces are short and come again: they are answered from a cache. */
#include "media/text/tokenizer.h"
#include "media/text/utf8.h"

enum { CACHE_PIECES = 1 << 16, CACHE_IDS = 1 << 20, CACHE_LEN = 64 /* bytes of a piece */ };

/* --- pairs --------------------------------------------------------------------------------------------- */
static uint64_t pair_key(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

/* Where the pair is, or the free place where it would go. */
static uint32_t *pair_slot(const fig_tokenizer *tok, int32_t left, int32_t right) {
    uint64_t h = pair_key(left, right) * 0x9E3779B97F4A7C15u;
    for (size_t i = (size_t)(h ^ h >> 32) & tok->pair_mask;; i = (i + 1) & tok->pair_mask) {
        uint32_t *slot = &tok->pairs[i];
        if (!*slot) return slot;
        const fig__tok_merge *m = &tok->merges.data[*slot - 1];
        if (m->left == left && m->right == right) return slot;
    }
}

static const fig__tok_merge *find_merge(const fig_tokenizer *tok, int32_t left, int32_t right) {
    uint32_t slot = *pair_slot(tok, left, right);
    return slot ? &tok->merges.data[slot - 1] : NULL;
}

/* Marks the byte pairs inside tokens: where two bytes are not so marked, no merge can reach across. */
static void mark_adjacent(fig_tokenizer *tok, int32_t id) {
    size_t len;
    const uint8_t *bytes = (const uint8_t *)fig__tok_bytes(tok, id, &len);
    for (size_t i = 1; i < len; i++) {
        unsigned pair = bytes[i - 1] * 256u + bytes[i];
        tok->adjacent[pair / 64] |= (uint64_t)1 << pair % 64;
    }
}

fig_status fig__bpe_index(fig_tokenizer *tok) {
    size_t n_slots = 16;
    while (n_slots < 2 * tok->merges.n) n_slots *= 2;
    tok->pairs = FIG_NEW_N(tok->ctx, uint32_t, n_slots);
    if (!tok->pairs) return FIG_ERR_NOMEM;
    tok->pair_mask = n_slots - 1;
    for (size_t k = 0; k < tok->merges.n; k++) {
        const fig__tok_merge *m = &tok->merges.data[k];
        mark_adjacent(tok, m->id);
        *pair_slot(tok, m->left, m->right) = (uint32_t)k + 1; /* of the same merge twice the last counts */
    }
    return FIG_OK;
}

/* --- symbols ------------------------------------------------------------------------------------------- */
static fig_status push_symbol(fig_tokenizer *tok, int32_t id) {
    int32_t n = (int32_t)tok->scratch.symbols.n;
    return FIG_PUSH(tok->ctx, &tok->scratch.symbols, (fig__bpe_symbol){id, n - 1, n + 1});
}

static fig_status unknown(fig_tokenizer *tok, const char *bytes, size_t len, uint64_t at) {
    size_t n = tok->tokens.n;
    if (len == 1 && ((uint8_t)bytes[0] < 0x20 || (uint8_t)bytes[0] >= 0x7F))
        return FIG_FAIL(
            tok->ctx, FIG_ERR_ARG,
            "text: byte 0x%02X at %llu is not in the vocabulary of %zu; add an <unk> token or use bpe or byte",
            (uint8_t)bytes[0], (unsigned long long)at, n);
    return FIG_FAIL(tok->ctx, FIG_ERR_ARG,
                    "text: character '%.*s' (U+%04X) at byte %llu is not in the vocabulary of %zu; add an <unk> token "
                    "or use bpe or byte",
                    (int)len, bytes, fig__utf8_decode(bytes, len), (unsigned long long)at, n);
}

/* A character without a token: its bytes if all of them have one, else <unk>. */
static fig_status push_unknown(fig_tokenizer *tok, const char *bytes, size_t len, uint64_t at) {
    bool spelt = true;
    for (size_t i = 0; i < len; i++) spelt &= tok->byte_id[(uint8_t)bytes[i]] >= 0;
    for (size_t i = 0; i < len && spelt; i++) FIG_TRY(push_symbol(tok, tok->byte_id[(uint8_t)bytes[i]]));
    if (spelt) return FIG_OK;
    if (tok->unk < 0) return unknown(tok, bytes, len, at);
    return push_symbol(tok, tok->unk);
}

static fig_status make_symbols(fig_tokenizer *tok, const char *piece, size_t len, uint64_t at) {
    tok->scratch.symbols.n = 0;
    for (size_t i = 0, n = 1; i < len; i += n) {
        int32_t id;
        if (tok->byte_level)
            id = tok->byte_id[(uint8_t)piece[i]];
        else {
            if (fig__utf8_next(piece + i, len - i, &n) != FIG_UTF8_OK) n = 1;
            id = fig__tok_find(tok, piece + i, n);
        }
        if (id >= 0)
            FIG_TRY(push_symbol(tok, id));
        else
            FIG_TRY(push_unknown(tok, piece + i, n, at + i));
    }
    size_t n = tok->scratch.symbols.n;
    if (n) tok->scratch.symbols.data[n - 1].next = -1;
    return FIG_OK;
}

/* --- merging ------------------------------------------------------------------------------------------- */
static bool before(const fig__bpe_candidate *a, const fig__bpe_candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void sift_up(fig__bpe_candidate *heap, size_t i) {
    fig__bpe_candidate c = heap[i];
    for (; i > 0 && before(&c, &heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = c;
}

static fig__bpe_candidate pop(fig__bpe_scratch *s) {
    fig__bpe_candidate *heap = s->heap.data, top = heap[0], c = heap[--s->heap.n];
    size_t i = 0, n = s->heap.n;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &c)) break;
        heap[i] = heap[child];
    }
    heap[i] = c;
    return top;
}

/* Puts the pair that begins at symbol `at` into the heap, if it has a merge. */
static fig_status consider(fig_tokenizer *tok, int32_t at) {
    const fig__bpe_symbol *s = tok->scratch.symbols.data;
    if (at < 0 || s[at].next < 0) return FIG_OK;
    const fig__tok_merge *m = find_merge(tok, s[at].id, s[s[at].next].id);
    if (!m) return FIG_OK;
    FIG_TRY(FIG_PUSH(tok->ctx, &tok->scratch.heap,
                     (fig__bpe_candidate){m->rank, (uint32_t)at, (uint32_t)(m - tok->merges.data)}));
    sift_up(tok->scratch.heap.data, tok->scratch.heap.n - 1);
    return FIG_OK;
}

static fig_status merge_symbols(fig_tokenizer *tok) {
    fig__bpe_symbol *s = tok->scratch.symbols.data;
    tok->scratch.heap.n = 0;
    for (size_t i = 0; i + 1 < tok->scratch.symbols.n; i++) FIG_TRY(consider(tok, (int32_t)i));
    while (tok->scratch.heap.n) {
        fig__bpe_candidate c = pop(&tok->scratch);
        const fig__tok_merge *m = &tok->merges.data[c.merge];
        int32_t next = s[c.at].next;
        /* One of the two may have been merged away since; then another candidate stands for what is there now. */
        if (s[c.at].id != m->left || next < 0 || s[next].id != m->right) continue;
        s[c.at].id = m->id;
        s[c.at].next = s[next].next;
        s[next].id = -1;
        if (s[c.at].next >= 0) s[s[c.at].next].prev = (int32_t)c.at;
        FIG_TRY(consider(tok, s[c.at].prev));
        FIG_TRY(consider(tok, (int32_t)c.at));
    }
    return FIG_OK;
}

static fig_status encode_piece(fig_tokenizer *tok, const char *piece, size_t len, uint64_t at, fig_ids *ids) {
    int32_t whole = tok->ignore_merges ? fig__tok_find(tok, piece, len) : -1;
    if (whole >= 0) return FIG_PUSH(tok->ctx, ids, whole);
    FIG_TRY(make_symbols(tok, piece, len, at));
    if (tok->merges.n) FIG_TRY(merge_symbols(tok));
    const fig__bpe_symbol *s = tok->scratch.symbols.data;
    for (int32_t i = tok->scratch.symbols.n ? 0 : -1; i >= 0; i = s[i].next) FIG_TRY(FIG_PUSH(tok->ctx, ids, s[i].id));
    return FIG_OK;
}

/* --- the cache ----------------------------------------------------------------------------------------- */
static fig_status remember(fig_tokenizer *tok, const char *piece, size_t len, const int32_t *ids, size_t n) {
    if (tok->cache && (fig__map_count(tok->cache) >= CACHE_PIECES || tok->cached.n + n > CACHE_IDS)) {
        fig__map_free(tok->cache);
        tok->cache = NULL;
        tok->cached.n = 0;
    }
    if (!tok->cache) tok->cache = fig__map_new(tok->ctx);
    if (!tok->cache) return FIG_ERR_NOMEM;
    int64_t place = (int64_t)(tok->cached.n << 8 | n);
    for (size_t i = 0; i < n; i++) FIG_TRY(FIG_PUSH(tok->ctx, &tok->cached, ids[i]));
    return fig__map_put(tok->cache, piece, len, place);
}

fig_status fig__bpe_encode(fig_tokenizer *tok, const char *piece, size_t len, uint64_t at, fig_ids *ids) {
    int64_t place;
    bool cacheable = tok->merges.n && len <= CACHE_LEN;
    if (!cacheable) return encode_piece(tok, piece, len, at, ids);
    if (tok->cache && fig__map_get(tok->cache, piece, len, &place)) {
        for (int64_t i = place >> 8, end = i + (place & 0xFF); i < end; i++)
            FIG_TRY(FIG_PUSH(tok->ctx, ids, tok->cached.data[i]));
        return FIG_OK;
    }
    size_t first = ids->n;
    FIG_TRY(encode_piece(tok, piece, len, at, ids));
    return remember(tok, piece, len, ids->data + first, ids->n - first);
}
