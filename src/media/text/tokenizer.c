/* media/text/tokenizer.c: the vocabulary: building it, sealing it, and answering about it. */
#include "media/text/tokenizer.h"
#include "media/text/utf8.h"
#include <stdlib.h>

const char *fig_tokenizer_kind_name(fig_tokenizer_kind kind) {
    static const char *const names[] = {"byte", "char", "bpe", "spm"};
    return (size_t)kind < FIG_COUNT(names) ? names[kind] : "unknown";
}

void fig_ids_free(fig_context *ctx, fig_ids *ids) {
    fig__free(ctx, ids->data);
    *ids = (fig_ids){0};
}

/* --- building ------------------------------------------------------------------------------------------ */
fig_status fig__tok_new(fig_context *ctx, fig_tokenizer **out) {
    *out = NULL;
    fig_tokenizer *tok = FIG_NEW(ctx, fig_tokenizer);
    if (!tok) return FIG_ERR_NOMEM;
    tok->ctx = ctx;
    tok->bos = tok->eos = tok->pad = tok->unk = -1;
    for (int i = 0; i < 256; i++) tok->byte_id[i] = -1;
    fig__buf_init(&tok->text, ctx, FIG_TOK_MAX_FILE);
    fig__buf_init(&tok->source, ctx, FIG_TOK_MAX_FILE);
    *out = tok;
    return FIG_OK;
}

void fig_tokenizer_free(fig_tokenizer *tok) {
    if (!tok) return;
    fig_context *ctx = tok->ctx;
    fig__free(ctx, tok->pattern);
    fig__free(ctx, tok->tokens.data);
    fig__free(ctx, tok->merges.data);
    fig__free(ctx, tok->pairs);
    fig__free(ctx, tok->added.data);
    fig__free(ctx, tok->scratch.symbols.data);
    fig__free(ctx, tok->scratch.heap.data);
    fig_ids_free(ctx, &tok->cached);
    fig__buf_deinit(&tok->text);
    fig__buf_deinit(&tok->source);
    fig__regex_free(tok->regex);
    fig__map_free(tok->ids);
    fig__map_free(tok->cache);
    fig__free(ctx, tok);
}

static fig_status reserve_id(fig_tokenizer *tok, int64_t id) {
    FIG_CHECK(tok->ctx, id >= 0 && id < FIG_TOK_MAX_VOCAB, FIG_ERR_LIMIT, "vocabulary: id %lld is not in 0 .. %d",
              (long long)id, FIG_TOK_MAX_VOCAB - 1);
    while (tok->tokens.n <= (size_t)id) FIG_TRY(FIG_PUSH(tok->ctx, &tok->tokens, (fig__tok_entry){0}));
    return FIG_OK;
}

fig_status fig__tok_add(fig_tokenizer *tok, int64_t id, const char *bytes, size_t len, uint32_t flags) {
    FIG_CHECK(tok->ctx, len <= FIG_TOK_MAX_TOKEN, FIG_ERR_LIMIT,
              "vocabulary: token %lld has %zu bytes; the limit is %d", (long long)id, len, FIG_TOK_MAX_TOKEN);
    FIG_TRY(reserve_id(tok, id));
    fig__tok_entry *e = &tok->tokens.data[id];
    FIG_CHECK(tok->ctx, !(e->flags & FIG_TOK_USED) || (flags & FIG_TOK_ADDED), FIG_ERR_FORMAT,
              "vocabulary: id %lld stands twice", (long long)id);
    *e = (fig__tok_entry){(uint32_t)tok->text.len, (uint32_t)len, FIG_TOK_USED | flags};
    return fig__buf_add(&tok->text, bytes, len);
}

fig_status fig__tok_add_bytes(fig_tokenizer *tok) {
    for (int i = 0; i < 256; i++) FIG_TRY(fig__tok_add(tok, i, &(char){(char)i}, 1, 0));
    return FIG_OK;
}

fig_status fig__tok_set_pattern(fig_tokenizer *tok, const char *pattern) {
    fig__free(tok->ctx, tok->pattern);
    tok->pattern = fig__strdup(tok->ctx, pattern);
    return tok->pattern ? FIG_OK : FIG_ERR_NOMEM;
}

/* Of two tokens with the same bytes the first is found. */
fig_status fig__tok_index(fig_tokenizer *tok) {
    tok->ids = fig__map_new(tok->ctx);
    if (!tok->ids) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < tok->tokens.n; i++) {
        uint32_t flags = tok->tokens.data[i].flags;
        if (!(flags & FIG_TOK_USED) || (flags & (FIG_TOK_ADDED | FIG_TOK_BYTE))) continue;
        size_t len;
        const char *bytes = fig__tok_bytes(tok, (int32_t)i, &len);
        if (fig__tok_find(tok, bytes, len) < 0) FIG_TRY(fig__map_put(tok->ids, bytes, len, (int64_t)i));
    }
    return FIG_OK;
}

int32_t fig__tok_find(const fig_tokenizer *tok, const char *bytes, size_t len) {
    int64_t id;
    return fig__map_get(tok->ids, bytes, len, &id) ? (int32_t)id : -1;
}

fig_status fig__tok_add_merge(fig_tokenizer *tok, int32_t left, int32_t right, uint32_t rank) {
    size_t n_left, n_right;
    const char *a = fig__tok_bytes(tok, left, &n_left), *b = fig__tok_bytes(tok, right, &n_right);
    FIG_CHECK(tok->ctx, n_left + n_right <= FIG_TOK_MAX_TOKEN, FIG_ERR_LIMIT,
              "merge %u: makes a token of more than %d bytes", rank, FIG_TOK_MAX_TOKEN);
    char few[256], *both = n_left + n_right <= sizeof few ? few : fig__alloc(tok->ctx, n_left + n_right);
    if (!both) return FIG_ERR_NOMEM;
    memcpy(both, a, n_left);
    memcpy(both + n_left, b, n_right);
    int32_t id = fig__tok_find(tok, both, n_left + n_right);
    if (both != few) fig__free(tok->ctx, both);
    FIG_CHECK(tok->ctx, id >= 0, FIG_ERR_FORMAT, "merge %u: the vocabulary has no token for its result", rank);
    return FIG_PUSH(tok->ctx, &tok->merges, (fig__tok_merge){left, right, id, rank});
}

static int by_rank(const void *a, const void *b, void *tokens) {
    const fig__tok_merge *x = a, *y = b;
    const fig__tok_entry *t = tokens;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    /* Only order matters where the file format has no equal ranks. Longest result first, then longest left part, is
     * what leftmost-first amounts to in runs of one character, the usual place of ties. */
    uint32_t nx = t[x->id].len, ny = t[y->id].len, lx = t[x->left].len, ly = t[y->left].len;
    if (nx != ny) return nx > ny ? -1 : 1;
    if (lx != ly) return lx > ly ? -1 : 1;
    return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->left < y->left ? -1 : x->left > y->left;
}

fig_status fig__tok_merges_from_ranks(fig_tokenizer *tok, const uint32_t *rank) {
    for (size_t i = 0; i < tok->tokens.n; i++) {
        if (rank[i] == UINT32_MAX) continue;
        size_t len;
        const char *bytes = fig__tok_bytes(tok, (int32_t)i, &len);
        FIG_CHECK(tok->ctx, len <= FIG_TOK_MAX_RANKED, FIG_ERR_LIMIT,
                  "vocabulary: token %zu has %zu bytes; the limit of this format is %d", i, len, FIG_TOK_MAX_RANKED);
        for (size_t cut = 1; cut < len; cut++) {
            int32_t left = fig__tok_find(tok, bytes, cut), right = fig__tok_find(tok, bytes + cut, len - cut);
            if (left < 0 || right < 0) continue;
            FIG_TRY(FIG_PUSH(tok->ctx, &tok->merges, (fig__tok_merge){left, right, (int32_t)i, rank[i]}));
        }
    }
    return FIG_OK;
}

/* --- sealing ------------------------------------------------------------------------------------------- */
static int by_length(const void *a, const void *b, void *tokens) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    const fig__tok_entry *t = tokens;
    if (t[x].len != t[y].len) return t[x].len > t[y].len ? -1 : 1;
    return x < y ? -1 : x > y;
}

static fig_status collect_added(fig_tokenizer *tok) {
    for (size_t i = 0; i < tok->tokens.n; i++) {
        const fig__tok_entry *e = &tok->tokens.data[i];
        if (!(e->flags & FIG_TOK_ADDED)) continue;
        FIG_CHECK(tok->ctx, e->len > 0, FIG_ERR_FORMAT, "added token %zu: it is empty", i);
        FIG_TRY(FIG_PUSH(tok->ctx, &tok->added, (int32_t)i));
        tok->added_starts[(uint8_t)fig__buf_str(&tok->text)[e->at]] = true;
        tok->max_added = FIG_MAX(tok->max_added, e->len);
    }
    if (tok->added.n) qsort_r(tok->added.data, tok->added.n, sizeof *tok->added.data, by_length, tok->tokens.data);
    return FIG_OK;
}

static void collect_bytes(fig_tokenizer *tok) {
    for (int i = 0; tok->byte_level && i < 256; i++) tok->byte_id[i] = fig__tok_find(tok, &(char){(char)i}, 1);
    for (size_t i = 0; i < tok->tokens.n; i++) {
        const fig__tok_entry *e = &tok->tokens.data[i];
        if (e->flags & FIG_TOK_BYTE) tok->byte_id[(uint8_t)fig__buf_str(&tok->text)[e->at]] = (int32_t)i;
    }
}

static int32_t special_named(const fig_tokenizer *tok, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < tok->added.n; k++) {
            size_t len;
            const char *bytes = fig__tok_bytes(tok, tok->added.data[k], &len);
            if (len == strlen(names[i]) && memcmp(bytes, names[i], len) == 0) return tok->added.data[k];
        }
    return -1;
}

/* A format may have set some of them from better knowledge. */
static void find_specials(fig_tokenizer *tok) {
    static const char *const bos[] = {"<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"};
    static const char *const eos[] = {"</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>"};
    static const char *const pad[] = {"<pad>", "<|pad|>", "<|padding|>", "[PAD]"};
    static const char *const unk[] = {"<unk>", "<|unk|>", "[UNK]"};
    if (tok->bos < 0) tok->bos = special_named(tok, bos, FIG_COUNT(bos));
    if (tok->eos < 0) tok->eos = special_named(tok, eos, FIG_COUNT(eos));
    if (tok->pad < 0) tok->pad = special_named(tok, pad, FIG_COUNT(pad));
    if (tok->unk < 0 && !tok->byte_level) tok->unk = special_named(tok, unk, FIG_COUNT(unk));
}

static void hash_int(fig__sha256 *h, int64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)value >> (8 * i));
    fig__sha256_add(h, bytes, sizeof bytes);
}

/* Merges are hashed by order, not rank, so that a tokenizer has the hash of the file it is saved to. */
static fig_status make_hash(fig_tokenizer *tok) {
    fig__sha256 *h = fig__sha256_new(tok->ctx);
    if (!h) return FIG_ERR_NOMEM;
    const int64_t facts[] = {1,           tok->kind, tok->byte_level, tok->ignore_merges, tok->composes, tok->metaspace,
                             tok->prefix, tok->unk};
    for (size_t i = 0; i < FIG_COUNT(facts); i++) hash_int(h, facts[i]);
    const char *pattern = tok->pattern ? tok->pattern : "";
    fig__sha256_add(h, pattern, strlen(pattern) + 1);
    for (size_t i = 0; i < tok->tokens.n; i++) {
        size_t len;
        const char *bytes = fig__tok_bytes(tok, (int32_t)i, &len);
        hash_int(h, (int64_t)len << 8 | tok->tokens.data[i].flags);
        fig__sha256_add(h, bytes, len);
    }
    for (size_t i = 0; i < tok->merges.n; i++) {
        hash_int(h, (int64_t)tok->merges.data[i].left << 32 | tok->merges.data[i].right);
        hash_int(h, tok->merges.data[i].id);
    }
    fig__sha256_hex(h, tok->hash);
    fig__sha256_free(h);
    return FIG_OK;
}

fig_status fig__tok_seal(fig_tokenizer *tok) {
    FIG_CHECK(tok->ctx, tok->tokens.n > 0, FIG_ERR_FORMAT, "vocabulary: it is empty");
    if (tok->pattern) FIG_TRY(fig__regex_new(tok->ctx, tok->pattern, &tok->regex));
    FIG_TRY(collect_added(tok));
    collect_bytes(tok);
    find_specials(tok);
    if (tok->merges.n) qsort_r(tok->merges.data, tok->merges.n, sizeof *tok->merges.data, by_rank, tok->tokens.data);
    FIG_TRY(fig__bpe_index(tok));
    return make_hash(tok);
}

/* --- facts --------------------------------------------------------------------------------------------- */
fig_tokenizer_kind fig_tokenizer_get_kind(const fig_tokenizer *tok) { return tok->kind; }
int32_t fig_tokenizer_vocab_size(const fig_tokenizer *tok) { return (int32_t)tok->tokens.n; }
const char *fig_tokenizer_hash(const fig_tokenizer *tok) { return tok->hash; }
int32_t fig_tokenizer_bos(const fig_tokenizer *tok) { return tok->bos; }
int32_t fig_tokenizer_eos(const fig_tokenizer *tok) { return tok->eos; }
int32_t fig_tokenizer_pad(const fig_tokenizer *tok) { return tok->pad; }
int32_t fig_tokenizer_unk(const fig_tokenizer *tok) { return tok->unk; }
bool fig_tokenizer_wants_bos(const fig_tokenizer *tok) { return tok->wants_bos; }

static uint32_t flags_of(const fig_tokenizer *tok, int32_t id) {
    return id >= 0 && (size_t)id < tok->tokens.n ? tok->tokens.data[id].flags : 0;
}

bool fig_tokenizer_is_special(const fig_tokenizer *tok, int32_t id) {
    return (flags_of(tok, id) & FIG_TOK_SPECIAL) != 0;
}

const char *fig_tokenizer_token(const fig_tokenizer *tok, int32_t id, size_t *len) {
    *len = 0;
    return flags_of(tok, id) & FIG_TOK_USED ? fig__tok_bytes(tok, id, len) : NULL;
}

int32_t fig_tokenizer_id(const fig_tokenizer *tok, const char *bytes, size_t len) {
    for (size_t i = 0; i < tok->added.n; i++) {
        size_t n;
        const char *name = fig__tok_bytes(tok, tok->added.data[i], &n);
        if (n == len && memcmp(name, bytes, len) == 0) return tok->added.data[i];
    }
    return fig__tok_find(tok, bytes, len);
}

/* --- decoding ------------------------------------------------------------------------------------------ */
const char *fig_tokenizer_piece(const fig_tokenizer *tok, int32_t prev, int32_t id, size_t *len) {
    const char *bytes = fig_tokenizer_token(tok, id, len);
    if (!bytes || fig_tokenizer_is_special(tok, id)) return *len = 0, "";
    bool opens = tok->metaspace && tok->prefix != FIG_PREFIX_NONE && (prev < 0 || prev == tok->bos);
    if (opens && *len > 0 && bytes[0] == ' ') bytes++, --*len;
    return bytes;
}

static fig_status decode_into(const fig_tokenizer *tok, const int32_t *ids, size_t n, int flags, fig__buf *out) {
    for (size_t i = 0; i < n; i++) {
        FIG_CHECK(tok->ctx, flags_of(tok, ids[i]) & FIG_TOK_USED, FIG_ERR_ARG,
                  "decode: id %d at %zu is not in the vocabulary of %zu", ids[i], i, tok->tokens.n);
        size_t len;
        const char *bytes = (flags & FIG_DECODE_SPECIALS) && fig_tokenizer_is_special(tok, ids[i])
                                ? fig__tok_bytes(tok, ids[i], &len)
                                : fig_tokenizer_piece(tok, i ? ids[i - 1] : -1, ids[i], &len);
        FIG_TRY(fig__buf_add(out, bytes, len));
    }
    return FIG_OK;
}

fig_status fig_tokenizer_decode(const fig_tokenizer *tok, const int32_t *ids, size_t n, int flags, char **text,
                                size_t *len) {
    fig__buf out;
    fig__buf_init(&out, tok->ctx, SIZE_MAX / 4);
    *text = NULL;
    *len = 0;
    fig_status status = fig__buf_reserve(&out, 0);
    if (!status) status = decode_into(tok, ids, n, flags, &out);
    if (status) return fig__buf_deinit(&out), status;
    *text = out.data;
    *len = out.len;
    return FIG_OK;
}

void fig_tokenizer_text_free(fig_context *ctx, char *text) { fig__free(ctx, text); }
