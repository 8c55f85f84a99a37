/* media/text/learn.c: learning the merges.
 *
 * Every distinct piece is a word: its symbols and how often it occurs. Every pair of neighbours has its count (exact
 * at any time) and a list of the words where it occurs (some may have lost it since). A merge walks only the words of
 * its pair and changes only the counts around the places it touches, so the whole costs about as much as the text
 * has symbols.
 *
 * The heap is lazy. An entry's count is never below the pair's true count: rises push a new entry, falls are noticed
 * when the entry comes up. So an entry that comes up with the true count is the maximum. */
#include "media/text/learn.h"

typedef struct word {
    size_t at; /* in symbols */
    uint32_t len;
    uint64_t count;
} word;

/* Lists of words live in one pool, because most have one element. The pool grows by blocks: at its size, copying it to
 * double it would be the peak of all memory. 0 ends a list. */
typedef struct node {
    uint32_t word, next;
} node;
enum { BLOCK_BITS = 14, BLOCK = 1 << BLOCK_BITS };

typedef struct pair {
    int32_t left, right;
    uint64_t count;
    uint32_t words;   /* first node */
    uint32_t rose_in; /* the merge that last raised the count */
} pair;

typedef struct entry {
    uint64_t count;
    uint32_t pair;
} entry;

typedef struct learner {
    fig_context *ctx;
    fig_tokenizer *tok;
    int32_t *symbols;
    word *words;
    size_t n_words;
    struct {
        pair *data;
        size_t n, cap;
    } pairs;
    struct {
        node **data;
        size_t n, cap;
    } blocks;
    uint32_t n_nodes, free_nodes;
    struct {
        entry *data;
        size_t n, cap;
    } heap;
    struct {
        uint32_t *data;
        size_t n, cap;
    } rose;
    uint32_t *slots; /* open addressing: index into pairs + 1 */
    size_t n_slots;
    uint32_t n_merges;
} learner;

/* --- pairs --------------------------------------------------------------------------------------------- */
static size_t slot_of(int32_t left, int32_t right, size_t n_slots) {
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 32) & (n_slots - 1);
}

static fig_status grow_slots(learner *l) {
    size_t n_slots = l->n_slots ? 2 * l->n_slots : 1024;
    uint32_t *slots = FIG_NEW_N(l->ctx, uint32_t, n_slots);
    if (!slots) return FIG_ERR_NOMEM;
    for (size_t k = 0; k < l->pairs.n; k++) {
        size_t i = slot_of(l->pairs.data[k].left, l->pairs.data[k].right, n_slots);
        while (slots[i]) i = (i + 1) & (n_slots - 1);
        slots[i] = (uint32_t)k + 1;
    }
    fig__free(l->ctx, l->slots);
    l->slots = slots;
    l->n_slots = n_slots;
    return FIG_OK;
}

static fig_status find_pair(learner *l, int32_t left, int32_t right, uint32_t *index) {
    if (2 * l->pairs.n >= l->n_slots) FIG_TRY(grow_slots(l));
    size_t i = slot_of(left, right, l->n_slots);
    for (; l->slots[i]; i = (i + 1) & (l->n_slots - 1)) {
        const pair *p = &l->pairs.data[ *index = l->slots[i] - 1];
        if (p->left == left && p->right == right) return FIG_OK;
    }
    *index = (uint32_t)l->pairs.n;
    FIG_TRY(FIG_PUSH(l->ctx, &l->pairs, (pair){.left = left, .right = right}));
    l->slots[i] = (uint32_t)l->pairs.n;
    return FIG_OK;
}

static node *node_at(const learner *l, uint32_t i) { return &l->blocks.data[i >> BLOCK_BITS][i & (BLOCK - 1)]; }

static fig_status new_node(learner *l, uint32_t *index) {
    *index = l->free_nodes;
    if (*index) return l->free_nodes = node_at(l, *index)->next, FIG_OK;
    FIG_CHECK(l->ctx, l->n_nodes < UINT32_MAX, FIG_ERR_LIMIT,
              "tokenizer: too many pieces to learn from; lower max_bytes");
    if (l->n_nodes == l->blocks.n << BLOCK_BITS) {
        node *block = FIG_NEW_N(l->ctx, node, BLOCK);
        if (!block) return FIG_ERR_NOMEM;
        if (FIG_PUSH(l->ctx, &l->blocks, block)) return fig__free(l->ctx, block), FIG_ERR_NOMEM;
    }
    *index = l->n_nodes++;
    return FIG_OK;
}

/* The words of a merge come one after the other, so looking at the last one keeps a list free of repeats. */
static fig_status note_word(learner *l, uint32_t p, uint32_t w) {
    uint32_t first = l->pairs.data[p].words, n;
    if (first && node_at(l, first)->word == w) return FIG_OK;
    FIG_TRY(new_node(l, &n));
    *node_at(l, n) = (node){w, first};
    l->pairs.data[p].words = n;
    return FIG_OK;
}

static fig_status raise(learner *l, int32_t left, int32_t right, uint32_t w) {
    uint32_t p;
    FIG_TRY(find_pair(l, left, right, &p));
    l->pairs.data[p].count += l->words[w].count;
    FIG_TRY(note_word(l, p, w));
    if (l->pairs.data[p].rose_in == l->n_merges) return FIG_OK;
    l->pairs.data[p].rose_in = l->n_merges;
    return FIG_PUSH(l->ctx, &l->rose, p);
}

static fig_status lower(learner *l, int32_t left, int32_t right, uint32_t w) {
    uint32_t p;
    FIG_TRY(find_pair(l, left, right, &p));
    l->pairs.data[p].count -= l->words[w].count;
    return FIG_OK;
}

/* --- the heap ------------------------------------------------------------------------------------------ */
static int compare_tokens(const learner *l, int32_t a, int32_t b) {
    size_t na, nb;
    const char *x = fig__tok_bytes(l->tok, a, &na), *y = fig__tok_bytes(l->tok, b, &nb);
    int order = memcmp(x, y, FIG_MIN(na, nb));
    return order ? order : na < nb ? -1 : na > nb;
}

static bool before(const learner *l, entry a, entry b) {
    if (a.count != b.count) return a.count > b.count;
    const pair *p = &l->pairs.data[a.pair], *q = &l->pairs.data[b.pair];
    int order = compare_tokens(l, p->left, q->left);
    return (order ? order : compare_tokens(l, p->right, q->right)) > 0;
}

static fig_status push(learner *l, entry e) {
    FIG_TRY(FIG_PUSH(l->ctx, &l->heap, e));
    entry *heap = l->heap.data;
    size_t i = l->heap.n - 1;
    for (; i > 0 && before(l, e, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = e;
    return FIG_OK;
}

static void sift_down(learner *l) {
    entry *heap = l->heap.data, e = heap[0];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < l->heap.n; i = child) {
        if (child + 1 < l->heap.n && before(l, heap[child + 1], heap[child])) child++;
        if (!before(l, heap[child], e)) break;
        heap[i] = heap[child];
    }
    heap[i] = e;
}

static void drop_top(learner *l) {
    l->heap.data[0] = l->heap.data[--l->heap.n];
    if (l->heap.n) sift_down(l);
}

/* The pair to merge next; false: none occurs often enough. */
static bool best_pair(learner *l, uint64_t min_count, uint32_t *best) {
    while (l->heap.n) {
        entry *top = &l->heap.data[0];
        const pair *p = &l->pairs.data[top->pair];
        bool fits = l->tok->tokens.data[p->left].len + l->tok->tokens.data[p->right].len <= FIG_TOK_MAX_TOKEN;
        if (p->count == 0 || !fits)
            drop_top(l);
        else if (p->count < top->count)
            top->count = p->count, sift_down(l);
        else
            return *best = top->pair, p->count >= min_count;
    }
    return false;
}

static fig_status push_rose(learner *l) {
    for (size_t i = 0; i < l->rose.n; i++)
        FIG_TRY(push(l, (entry){l->pairs.data[l->rose.data[i]].count, l->rose.data[i]}));
    l->rose.n = 0;
    return FIG_OK;
}

/* --- merging ------------------------------------------------------------------------------------------- */
/* Replaces left, right by id in one word, from the left, and keeps the counts of all neighbours that change. */
static fig_status merge_word(learner *l, uint32_t w, int32_t left, int32_t right, int32_t id) {
    int32_t *s = l->symbols + l->words[w].at, last = 0; /* last: the old symbol before i */
    uint32_t n = l->words[w].len, out = 0;
    bool merged_before = false;
    for (uint32_t i = 0; i < n;) {
        bool merges = i + 1 < n && s[i] == left && s[i + 1] == right;
        int32_t first = s[i], now = merges ? id : first;
        if (out > 0 && (merges || merged_before)) {
            FIG_TRY(lower(l, last, first, w));
            FIG_TRY(raise(l, s[out - 1], now, w));
        }
        last = merges ? right : first;
        merged_before = merges;
        s[out++] = now;
        i += merges ? 2 : 1;
    }
    l->words[w].len = out;
    return FIG_OK;
}

/* The token with these bytes may be there already, from another split; then it is used again. */
static fig_status token_for(learner *l, int32_t left, int32_t right, int32_t *id) {
    fig_tokenizer *tok = l->tok;
    fig__buf both;
    fig__buf_init(&both, l->ctx, FIG_TOK_MAX_TOKEN);
    size_t n;
    const char *bytes = fig__tok_bytes(tok, left, &n);
    fig_status status = fig__buf_add(&both, bytes, n);
    bytes = fig__tok_bytes(tok, right, &n);
    if (!status) status = fig__buf_add(&both, bytes, n);
    *id = status ? -1 : fig__tok_find(tok, both.data, both.len);
    if (!status && *id < 0) {
        *id = (int32_t)tok->tokens.n;
        status = fig__tok_add(tok, *id, both.data, both.len, 0);
        if (!status) status = fig__map_put(tok->ids, both.data, both.len, *id);
    }
    fig__buf_deinit(&both);
    return status;
}

static fig_status merge_pair(learner *l, uint32_t p) {
    int32_t left = l->pairs.data[p].left, right = l->pairs.data[p].right, id;
    l->n_merges++;
    FIG_TRY(token_for(l, left, right, &id));
    FIG_TRY(FIG_PUSH(l->ctx, &l->tok->merges, (fig__tok_merge){left, right, id, (uint32_t)l->tok->merges.n}));
    uint32_t list = l->pairs.data[p].words;
    l->pairs.data[p].words = 0;
    while (list) {
        node here = *node_at(l, list);
        node_at(l, list)->next = l->free_nodes;
        l->free_nodes = list;
        FIG_TRY(merge_word(l, here.word, left, right, id));
        list = here.next;
    }
    l->pairs.data[p].count = 0; /* every place it stood in is merged, or overlapped one that is */
    return push_rose(l);
}

/* --- the whole ----------------------------------------------------------------------------------------- */
static fig_status make_words(learner *l, const fig__map *pieces) {
    size_t n = fig__map_count(pieces), n_symbols = 0, len, at = 0;
    for (size_t i = 0; i < n; i++) fig__map_key(pieces, i, &len), n_symbols += len;
    l->words = FIG_NEW_N(l->ctx, word, FIG_MAX(n, (size_t)1));
    l->symbols = FIG_NEW_N(l->ctx, int32_t, FIG_MAX(n_symbols, (size_t)1));
    if (!l->words || !l->symbols) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *bytes = fig__map_key(pieces, i, &len);
        l->words[i] = (word){at, (uint32_t)len, (uint64_t)fig__map_value(pieces, i)};
        for (size_t k = 0; k < len; k++) l->symbols[at++] = (uint8_t)bytes[k];
    }
    l->n_words = n;
    return FIG_OK;
}

static fig_status count_pairs(learner *l) {
    uint32_t none;
    FIG_TRY(new_node(l, &none)); /* node 0 is no node */
    l->n_merges = 1;             /* 0 is what a new pair has in rose_in */
    for (uint32_t w = 0; w < l->n_words; w++) {
        const int32_t *s = l->symbols + l->words[w].at;
        for (uint32_t i = 1; i < l->words[w].len; i++) FIG_TRY(raise(l, s[i - 1], s[i], w));
    }
    return push_rose(l);
}

static fig_status learn(learner *l, size_t n_tokens, uint64_t min_count) {
    FIG_TRY(count_pairs(l));
    uint32_t best;
    while (l->tok->tokens.n < n_tokens && best_pair(l, FIG_MAX(min_count, (uint64_t)1), &best)) {
        FIG_CHECK(l->ctx, !fig_cancelled(l->ctx), FIG_ERR_CANCELLED, "tokenizer: cancelled after %zu tokens",
                  l->tok->tokens.n);
        FIG_TRY(merge_pair(l, best));
    }
    return FIG_OK;
}

fig_status fig__bpe_learn(fig_tokenizer *tok, fig__map *pieces, size_t n_tokens, uint64_t min_count) {
    learner l = {.ctx = tok->ctx, .tok = tok};
    fig_status status = make_words(&l, pieces);
    fig__map_free(pieces);
    if (!status) status = learn(&l, n_tokens, min_count);
    fig__free(l.ctx, l.symbols);
    fig__free(l.ctx, l.words);
    fig__free(l.ctx, l.pairs.data);
    for (size_t i = 0; i < l.blocks.n; i++) fig__free(l.ctx, l.blocks.data[i]);
    fig__free(l.ctx, l.blocks.data);
    fig__free(l.ctx, l.heap.data);
    fig__free(l.ctx, l.rose.data);
    fig__free(l.ctx, l.slots);
    return status;
}
