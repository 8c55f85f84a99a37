/* media/text/format_llama2c.c: the tokenizer of llama2.c: int32 longest piece, then for each token float32 score,
 * int32 length, the bytes. The number of tokens is not in the file. Pieces have plain spaces. By that program's rules 0
 * is <unk>, 1 <s>, 2 </s> (with newlines around them in the file), and 3 .. 258 are the bytes. */
#include "media/text/tokenizer.h"
#include <stdlib.h>

enum { HEADER = 4, ENTRY = 8, FIRST_BYTE = 3, FIRST_PIECE = FIRST_BYTE + 256 };
static const float NEVER = -1e10f; /* llama2.c merges only what scores more */

static uint32_t u32_at(const char *p) {
    const uint8_t *b = (const uint8_t *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static float f32_at(const char *p) {
    union {
        uint32_t u;
        float f;
    } v = {.u = u32_at(p)};
    return v.f;
}

static bool probe(const fig__tok_file *file) {
    const char *p = fig__buf_str(&file->first);
    return file->first.len >= HEADER + ENTRY + 5 && u32_at(p) > 0 && u32_at(p + HEADER + 4) == 5 &&
           memcmp(p + HEADER + ENTRY, "<unk>", 5) == 0;
}

static fig_status add_token(fig_tokenizer *tok, const char *piece, size_t len) {
    static const char *const specials[FIRST_BYTE] = {"<unk>", "<s>", "</s>"};
    size_t id = tok->tokens.n;
    if (id < FIRST_BYTE)
        return fig__tok_add(tok, (int64_t)id, specials[id], strlen(specials[id]), FIG_TOK_ADDED | FIG_TOK_SPECIAL);
    if (id >= FIRST_PIECE) return fig__tok_add(tok, (int64_t)id, piece, len, 0);
    int byte = (int)id - FIRST_BYTE;
    char name[8] = {'<', '0', 'x', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15], '>'};
    FIG_CHECK(tok->ctx, len == 6 && memcmp(piece, name, 6) == 0, FIG_ERR_FORMAT, "token %zu: it should be %s", id,
              name);
    return fig__tok_add(tok, (int64_t)id, &(char){(char)byte}, 1, FIG_TOK_BYTE);
}

typedef struct scores {
    float *data;
    size_t n, cap;
} scores;

static fig_status read_tokens(const fig__tok_file *file, fig_tokenizer *tok, scores *s) {
    const char *p = fig__buf_str(&file->first) + HEADER, *end = fig__buf_str(&file->first) + file->first.len;
    while (p < end) {
        size_t left = (size_t)(end - p), len = left >= ENTRY ? u32_at(p + 4) : 0;
        FIG_CHECK(tok->ctx, left >= ENTRY && len <= left - ENTRY, FIG_ERR_FORMAT,
                  "token %zu: the file ends inside it; it is cut short or no tokenizer", tok->tokens.n);
        float score = f32_at(p);
        FIG_CHECK(tok->ctx, score == score, FIG_ERR_FORMAT, "token %zu: its score is no number", tok->tokens.n);
        FIG_TRY(FIG_PUSH(tok->ctx, s, score));
        FIG_TRY(add_token(tok, p + ENTRY, len));
        p += ENTRY + len;
    }
    FIG_CHECK(tok->ctx, s->n >= FIRST_PIECE, FIG_ERR_FORMAT,
              "%zu tokens: too few for llama2.c's, which has %d before its first piece", s->n, FIRST_PIECE);
    return FIG_OK;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_score(const void *a, const void *b) {
    float x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return x > y ? -1 : x < y;
}

/* Equal scores get equal ranks: between them the leftmost pair goes first. */
static fig_status rank_scores(fig_tokenizer *tok, const scores *s, uint32_t *rank) {
    scored *order = FIG_NEW_N(tok->ctx, scored, s->n);
    if (!order) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++) order[i] = (scored){s->data[i], (uint32_t)i};
    qsort(order, s->n, sizeof *order, by_score);
    uint32_t r = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (i && order[i].score < order[i - 1].score) r++;
        bool merges = order[i].id >= FIRST_PIECE && order[i].score > NEVER;
        rank[order[i].id] = merges ? r : UINT32_MAX;
    }
    fig__free(tok->ctx, order);
    return FIG_OK;
}

static fig_status fill(const fig__tok_file *file, fig_tokenizer *tok, scores *s) {
    FIG_TRY(read_tokens(file, tok, s));
    FIG_TRY(fig__tok_index(tok));
    uint32_t *rank = FIG_NEW_N(tok->ctx, uint32_t, s->n);
    if (!rank) return FIG_ERR_NOMEM;
    fig_status status = rank_scores(tok, s, rank);
    if (!status) status = fig__tok_merges_from_ranks(tok, rank);
    fig__free(tok->ctx, rank);
    return status;
}

static fig_status open_llama2c(const fig__tok_file *file, fig_tokenizer *tok) {
    tok->kind = FIG_TOKENIZER_SPM;
    tok->metaspace = tok->wants_bos = true;
    tok->prefix = FIG_PREFIX_ALWAYS;
    scores s = {0};
    fig_status status = fill(file, tok, &s);
    fig__free(tok->ctx, s.data);
    return status;
}

const fig__tok_format fig__tok_format_llama2c = {"llama2c", probe, NULL, open_llama2c};
