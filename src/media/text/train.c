/* media/text/train.c: the trainer: text in parts to counted pieces (or characters), and the finished tokenizer.
 *
 * The trainer holds a tokenizer without merges, only so that the text is split as the finished one will split it. */
#include "media/text/learn.h"
#include "media/text/utf8.h"

enum { CODE_POINTS = 0x110000 };

struct fig_tokenizer_trainer {
    fig_context *ctx;
    fig_tokenizer_train_options options; /* pointers in it are not used after _new */
    fig_tokenizer *splitter;             /* 256 bytes, then the special tokens */
    fig__split split;
    fig__map *pieces;        /* bpe: bytes -> count */
    uint64_t cost, max_cost; /* of pieces, by fig__bpe_piece_cost */
    uint64_t *seen;          /* char: a bit per code point */
    bool spent;
    fig_tokenizer_train_report report;
};

/* --- counting ------------------------------------------------------------------------------------------ */
/* The count up to which pieces must go so that `excess` is freed, and what to free among those of that very count.
 * Counts that do not fit the histogram share its last place. */
enum { HISTOGRAM = 4096 };

static uint64_t threshold(const fig_tokenizer_trainer *t, uint64_t excess, uint64_t *at_threshold) {
    uint64_t cost_of[HISTOGRAM] = {0};
    for (size_t i = 0; i < fig__map_count(t->pieces); i++) {
        size_t len;
        fig__map_key(t->pieces, i, &len);
        cost_of[FIG_MIN(fig__map_value(t->pieces, i), HISTOGRAM - 1)] += fig__bpe_piece_cost(len);
    }
    uint64_t c = 1;
    for (; c < HISTOGRAM - 1 && cost_of[c] < excess; c++) excess -= cost_of[c];
    *at_threshold = excess;
    return c;
}

/* Drops the rarest pieces (the oldest of equals) until half of the bound is free. */
static fig_status prune(fig_tokenizer_trainer *t) {
    uint64_t to_free, most = threshold(t, t->cost - t->max_cost / 2, &to_free), freed = 0;
    fig__map *kept = fig__map_new(t->ctx);
    if (!kept) return FIG_ERR_NOMEM;
    fig_status status = FIG_OK;
    t->cost = 0;
    t->report.exact = false;
    for (size_t i = 0; i < fig__map_count(t->pieces) && !status; i++) {
        size_t len;
        const char *piece = fig__map_key(t->pieces, i, &len);
        uint64_t count = (uint64_t)fig__map_value(t->pieces, i), level = FIG_MIN(count, (uint64_t)HISTOGRAM - 1);
        if (level < most || (level == most && freed < to_free)) {
            if (level == most) freed += fig__bpe_piece_cost(len);
            t->report.n_dropped += count;
            continue;
        }
        t->cost += fig__bpe_piece_cost(len);
        status = fig__map_put(kept, piece, len, (int64_t)count);
    }
    fig__map_free(t->pieces);
    t->pieces = kept;
    return status;
}

static fig_status count_piece(fig_tokenizer_trainer *t, const char *piece, size_t len) {
    int64_t count;
    if (fig__map_get(t->pieces, piece, len, &count)) return fig__map_put(t->pieces, piece, len, count + 1);
    t->cost += fig__bpe_piece_cost(len);
    FIG_TRY(fig__map_put(t->pieces, piece, len, 1));
    return t->cost > t->max_cost ? prune(t) : FIG_OK;
}

static fig_status see_characters(fig_tokenizer_trainer *t, const char *piece, size_t len, uint64_t at) {
    for (size_t i = 0, n; i < len; i += n) {
        bool good = fig__utf8_next(piece + i, len - i, &n) == FIG_UTF8_OK;
        FIG_CHECK(t->ctx, good, FIG_ERR_ARG,
                  "text: byte 0x%02X at %llu is not UTF-8, so it is no character; use the bpe or byte tokenizer",
                  (uint8_t)piece[i], (unsigned long long)(at + i));
        uint32_t c = fig__utf8_decode(piece + i, n);
        t->seen[c / 64] |= (uint64_t)1 << c % 64;
    }
    return FIG_OK;
}

static fig_status take_piece(void *arg, const char *piece, size_t len, int32_t added, uint64_t at) {
    fig_tokenizer_trainer *t = arg;
    if (added >= 0) return FIG_OK;
    t->report.n_pieces++;
    if (t->pieces) return count_piece(t, piece, len);
    return t->seen ? see_characters(t, piece, len, at) : FIG_OK;
}

/* --- the trainer --------------------------------------------------------------------------------------- */
static fig_status check_options(fig_context *ctx, const fig_tokenizer_train_options *o) {
    FIG_CHECK(ctx, o->kind <= FIG_TOKENIZER_BPE, FIG_ERR_UNSUPPORTED,
              "tokenizer: kind %s cannot be trained; use byte, char or bpe", fig_tokenizer_kind_name(o->kind));
    FIG_CHECK(ctx, o->n_specials >= 0 && o->n_specials <= FIG_TOK_MAX_VOCAB / 2, FIG_ERR_ARG,
              "tokenizer: %d special tokens", o->n_specials);
    if (o->kind != FIG_TOKENIZER_BPE) return FIG_OK;
    FIG_CHECK(ctx, o->vocab_size >= 256 + o->n_specials && o->vocab_size <= FIG_TOK_MAX_VOCAB, FIG_ERR_ARG,
              "tokenizer: vocab_size %d does not fit; it must be from %d (256 bytes and %d special tokens) to %d",
              o->vocab_size, 256 + o->n_specials, o->n_specials, FIG_TOK_MAX_VOCAB);
    return FIG_OK;
}

static fig_status add_specials(fig_tokenizer *tok, const char *const *names, int n) {
    for (int i = 0; i < n; i++) {
        FIG_CHECK(tok->ctx, names[i] && *names[i], FIG_ERR_ARG, "tokenizer: special token %d is empty", i);
        for (int k = 0; k < i; k++)
            FIG_CHECK(tok->ctx, strcmp(names[i], names[k]), FIG_ERR_ARG, "tokenizer: special token %s stands twice",
                      names[i]);
        FIG_TRY(fig__tok_add(tok, (int64_t)tok->tokens.n, names[i], strlen(names[i]), FIG_TOK_ADDED | FIG_TOK_SPECIAL));
    }
    return FIG_OK;
}

static fig_status make_splitter(fig_tokenizer_trainer *t) {
    const fig_tokenizer_train_options *o = &t->options;
    FIG_TRY(fig__tok_new(t->ctx, &t->splitter));
    t->splitter->byte_level = o->kind != FIG_TOKENIZER_CHAR;
    FIG_TRY(fig__tok_add_bytes(t->splitter));
    FIG_TRY(fig__tok_index(t->splitter));
    FIG_TRY(add_specials(t->splitter, o->specials, o->n_specials));
    if (o->kind == FIG_TOKENIZER_BPE)
        FIG_TRY(fig__tok_set_pattern(t->splitter, o->pattern ? o->pattern : FIG_PATTERN_GPT2));
    return fig__tok_seal(t->splitter);
}

static fig_status set_bound(fig_tokenizer_trainer *t) {
    uint64_t most = t->options.max_bytes ? t->options.max_bytes : (uint64_t)1 << 30;
    uint64_t vocabulary = (uint64_t)t->options.vocab_size * FIG_BPE_TOKEN_COST, least = 2 * vocabulary + (1 << 20);
    if (t->options.kind != FIG_TOKENIZER_BPE) return FIG_OK;
    if (!t->options.max_bytes) most = FIG_MAX(most, least);
    FIG_CHECK(t->ctx, most >= least, FIG_ERR_ARG,
              "tokenizer: max_bytes %llu is too little for a vocabulary of %d; give at least %llu",
              (unsigned long long)most, t->options.vocab_size, (unsigned long long)least);
    t->max_cost = most - vocabulary;
    return FIG_OK;
}

static fig_status make_trainer(fig_tokenizer_trainer *t) {
    FIG_TRY(check_options(t->ctx, &t->options));
    FIG_TRY(set_bound(t));
    FIG_TRY(make_splitter(t));
    fig__split_init(&t->split, t->splitter, true, take_piece, t);
    if (t->options.kind == FIG_TOKENIZER_BPE && !(t->pieces = fig__map_new(t->ctx))) return FIG_ERR_NOMEM;
    if (t->options.kind == FIG_TOKENIZER_CHAR && !(t->seen = FIG_NEW_N(t->ctx, uint64_t, CODE_POINTS / 64)))
        return FIG_ERR_NOMEM;
    return FIG_OK;
}

fig_status fig_tokenizer_trainer_new(fig_context *ctx, const fig_tokenizer_train_options *options,
                                     fig_tokenizer_trainer **out) {
    *out = NULL;
    fig_tokenizer_trainer *t = FIG_NEW(ctx, fig_tokenizer_trainer);
    if (!t) return FIG_ERR_NOMEM;
    t->ctx = ctx;
    t->options = *options;
    t->report.exact = true;
    fig_status status = make_trainer(t);
    if (status) return fig_tokenizer_trainer_free(t), status;
    *out = t;
    return FIG_OK;
}

void fig_tokenizer_trainer_free(fig_tokenizer_trainer *t) {
    if (!t) return;
    if (t->split.tok) fig__split_deinit(&t->split);
    fig_tokenizer_free(t->splitter);
    fig__map_free(t->pieces);
    fig__free(t->ctx, t->seen);
    fig__free(t->ctx, t);
}

fig_status fig_tokenizer_trainer_add(fig_tokenizer_trainer *t, const char *text, size_t len) {
    t->report.n_bytes += len;
    return fig__split_add(&t->split, text, len);
}

fig_status fig_tokenizer_trainer_end_text(fig_tokenizer_trainer *t) { return fig__split_end(&t->split); }

/* --- finishing ----------------------------------------------------------------------------------------- */
static fig_status add_characters(fig_tokenizer *tok, const uint64_t *seen) {
    for (uint32_t c = 0; c < CODE_POINTS; c++) {
        if (!(seen[c / 64] >> c % 64 & 1)) continue;
        char utf8[4];
        FIG_TRY(fig__tok_add(tok, (int64_t)tok->tokens.n, utf8, fig__utf8_encode(c, utf8), 0));
    }
    return FIG_OK;
}

/* In tokenizer.json ordinary and special tokens share one table, by what they look like there. */
static fig_status check_name(const fig_tokenizer *tok, const char *name, size_t len) {
    fig__buf bytes;
    fig__buf_init(&bytes, tok->ctx, FIG_TOK_MAX_TOKEN);
    fig_status status = tok->byte_level ? fig__bytelevel_decode(name, len, &bytes) : fig__buf_add(&bytes, name, len);
    bool taken = !status && fig__tok_find(tok, bytes.data, bytes.len) >= 0;
    fig__buf_deinit(&bytes);
    FIG_CHECK(tok->ctx, !taken, FIG_ERR_ARG,
              "tokenizer: special token %.*s is also a token of the text; choose a name like <|%.*s|>", (int)len, name,
              (int)len, name);
    return status;
}

static fig_status copy_specials(fig_tokenizer *tok, const fig_tokenizer *from) {
    for (int32_t id = 256; id < (int32_t)from->tokens.n; id++) {
        size_t len;
        const char *name = fig__tok_bytes(from, id, &len);
        FIG_TRY(check_name(tok, name, len));
        FIG_TRY(fig__tok_add(tok, (int64_t)tok->tokens.n, name, len, FIG_TOK_ADDED | FIG_TOK_SPECIAL));
    }
    return FIG_OK;
}

static fig_status build(fig_tokenizer_trainer *t, fig_tokenizer *tok) {
    tok->kind = t->options.kind;
    tok->byte_level = tok->kind != FIG_TOKENIZER_CHAR;
    FIG_TRY(tok->byte_level ? fig__tok_add_bytes(tok) : add_characters(tok, t->seen));
    FIG_TRY(fig__tok_index(tok));
    if (t->pieces) {
        fig__map *pieces = t->pieces;
        t->pieces = NULL;
        t->report.n_distinct = fig__map_count(pieces);
        FIG_TRY(
            fig__bpe_learn(tok, pieces, (size_t)(t->options.vocab_size - t->options.n_specials), t->options.min_count));
        FIG_TRY(fig__tok_set_pattern(tok, t->splitter->pattern));
    }
    FIG_TRY(copy_specials(tok, t->splitter));
    return fig__tok_seal(tok);
}

fig_status fig_tokenizer_trainer_finish(fig_tokenizer_trainer *t, fig_tokenizer_train_report *report,
                                        fig_tokenizer **out) {
    *out = NULL;
    FIG_CHECK(t->ctx, !t->spent, FIG_ERR_ARG, "tokenizer: this trainer has finished already");
    t->spent = true;
    FIG_TRY(fig__split_end(&t->split));
    fig_tokenizer *tok;
    FIG_TRY(fig__tok_new(t->ctx, &tok));
    fig_status status = build(t, tok);
    if (status) return fig_tokenizer_free(tok), status;
    t->report.n_invalid = t->split.n_invalid;
    if (report) *report = t->report;
    *out = tok;
    return FIG_OK;
}
