/* media/text/format_gpt2.c: encoder.json and vocab.bpe as GPT-2 came, vocab.json and merges.txt as Hugging Face renamed
 * them: an object of token -> id, and a line of two tokens per merge. Tokens are in GPT-2's printable bytes. */
#include "base/json.h"
#include "media/text/tokenizer.h"

static const char *beside(const char *base_name) {
    if (strcmp(base_name, "encoder.json") == 0) return "vocab.bpe";
    return "merges.txt";
}

/* An object whose first value is a number: a vocabulary, and not the settings of something. */
static bool probe(const fig__tok_file *file) {
    const char *p = fig__buf_str(&file->first), *end = p + file->first.len;
    while (p < end && strchr(" \t\r\n{", *p) && *p) p++;
    if (p == end || *p != '"') return false;
    for (p++; p < end && *p != '"'; p++) p += *p == '\\' && p + 1 < end;
    for (p++; p < end && strchr(" \t\r\n:", *p) && *p;) p++;
    return p < end && *p >= '0' && *p <= '9';
}

typedef struct reader {
    fig_tokenizer *tok;
    fig__buf bytes; /* the token in hand */
    fig__buf right;
} reader;

static fig_status add_token(void *arg, const char *key, size_t len, fig__json *value) {
    reader *r = arg;
    FIG_CHECK(r->tok->ctx, fig__json_type(value) == FIG_JSON_INT, FIG_ERR_FORMAT, "token \"%s\": its id is no integer",
              key);
    FIG_TRY(fig__bytelevel_decode(key, len, &r->bytes));
    return fig__tok_add(r->tok, fig__json_int(value, -1), r->bytes.data, r->bytes.len, 0);
}

static fig_status add_vocabulary(reader *r, const fig__tok_file *file) {
    fig__json *json;
    FIG_TRY(fig__json_parse(r->tok->ctx, "vocabulary", fig__buf_str(&file->first), file->first.len, &json));
    fig_status status = fig__json_each(json, add_token, r);
    fig__json_free(json);
    return status;
}

static fig_status add_merge(reader *r, const char *line, size_t len, uint32_t number) {
    fig_context *ctx = r->tok->ctx;
    const char *space = memchr(line, ' ', len);
    FIG_CHECK(ctx, space && space > line && space + 1 < line + len, FIG_ERR_FORMAT,
              "merges: merge %u is not two tokens with a space between", number);
    FIG_TRY(fig__bytelevel_decode(line, (size_t)(space - line), &r->bytes));
    FIG_TRY(fig__bytelevel_decode(space + 1, (size_t)(line + len - space - 1), &r->right));
    int32_t a = fig__tok_find(r->tok, r->bytes.data, r->bytes.len),
            b = fig__tok_find(r->tok, r->right.data, r->right.len);
    FIG_CHECK(ctx, a >= 0 && b >= 0, FIG_ERR_FORMAT, "merges: merge %u names a token that is not in the vocabulary",
              number);
    return fig__tok_add_merge(r->tok, a, b, number);
}

/* A first line "#version: 0.2" is no merge; "# #" elsewhere is one. */
static fig_status add_merges(reader *r, const fig__tok_file *file) {
    const char *p = fig__buf_str(&file->second), *end = p + file->second.len;
    uint32_t number = 0;
    for (bool first = true; p < end; first = false) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        size_t len = (size_t)(stop - p);
        if (len && p[len - 1] == '\r') len--;
        bool version = first && len >= 8 && memcmp(p, "#version", 8) == 0;
        if (len && !version) FIG_TRY(add_merge(r, p, len, number++));
        p = stop + 1;
    }
    FIG_CHECK(r->tok->ctx, number > 0, FIG_ERR_FORMAT, "merges: the file beside the vocabulary has none");
    return FIG_OK;
}

/* Tokens that nothing can produce, neither a byte nor a merge, are the special ones: <|endoftext|>. */
static fig_status mark_specials(fig_tokenizer *tok) {
    size_t n = tok->tokens.n;
    bool *made = FIG_NEW_N(tok->ctx, bool, n);
    if (!made) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < tok->merges.n; i++) made[tok->merges.data[i].id] = true;
    for (size_t i = 0; i < n; i++) {
        fig__tok_entry *e = &tok->tokens.data[i];
        if (!made[i] && e->len > 1) e->flags |= FIG_TOK_ADDED | FIG_TOK_SPECIAL;
    }
    fig__free(tok->ctx, made);
    return FIG_OK;
}

static fig_status fill(reader *r, const fig__tok_file *file) {
    FIG_TRY(add_vocabulary(r, file));
    FIG_TRY(fig__tok_index(r->tok));
    FIG_TRY(add_merges(r, file));
    FIG_TRY(mark_specials(r->tok));
    return fig__tok_set_pattern(r->tok, FIG_PATTERN_GPT2);
}

static fig_status open_gpt2(const fig__tok_file *file, fig_tokenizer *tok) {
    tok->kind = FIG_TOKENIZER_BPE;
    tok->byte_level = true;
    reader r = {.tok = tok};
    fig__buf_init(&r.bytes, tok->ctx, FIG_TOK_MAX_FILE);
    fig__buf_init(&r.right, tok->ctx, FIG_TOK_MAX_FILE);
    fig_status status = fill(&r, file);
    fig__buf_deinit(&r.bytes);
    fig__buf_deinit(&r.right);
    return status;
}

const fig__tok_format fig__tok_format_gpt2 = {"gpt2", probe, beside, open_gpt2};
