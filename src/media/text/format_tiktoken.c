/* media/text/format_tiktoken.c: a line per token: its bytes in base64, a space, its rank, which is its id. Pattern and
 * special tokens are not in the file; the well-known vocabularies are told by their size. */
#include "media/text/tokenizer.h"

#define LETTERS "[^\\r\\n\\p{L}\\p{N}]?"
#define PATTERN_CL100K                      \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|" LETTERS \
    "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define PATTERN_O200K                                                                 \
    LETTERS UPPER "*" LOWER "+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" LETTERS UPPER "+" LOWER \
                  "*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                   \
                  "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Any other size: GPT-2's pattern and no special token. */
static const struct known {
    size_t n_ranks;
    int32_t end_of_text;
    const char *pattern;
} known[] = {
    {50256, 50256, FIG_PATTERN_GPT2}, /* gpt2, r50k_base */
    {100256, 100257, PATTERN_CL100K}, /* cl100k_base */
    {199998, 199999, PATTERN_O200K},  /* o200k_base */
};

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes of one padded base64 word; -1 when it is none. out has room for 3/4 of len. */
static int64_t base64_decode(const char *text, size_t len, char *out) {
    size_t n = 0, padding = 0;
    if (len == 0 || len % 4) return -1;
    while (padding < 2 && text[len - 1 - padding] == '=') padding++;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t bits = 0;
        for (size_t k = i; k < i + 4; k++) {
            int v = k < len - padding ? base64_value(text[k]) : 0;
            if (v < 0) return -1;
            bits = bits << 6 | (uint32_t)v;
        }
        for (int shift = 16; shift >= 0; shift -= 8) out[n++] = (char)(bits >> shift);
    }
    return (int64_t)(n - padding);
}

/* One line; false when it is not of this form. *rank is -1 for an empty line. A lone "=" is no bytes at all: Whisper's
 * vocabulary has such a token. */
static bool parse_line(const char *line, size_t len, char *bytes, size_t *n, int64_t *rank) {
    *rank = -1;
    if (len && line[len - 1] == '\r') len--;
    if (!len) return true;
    const char *space = memchr(line, ' ', len), *end = line + len;
    size_t word = space ? (size_t)(space - line) : 0;
    int64_t decoded = word == 1 && *line == '=' ? 0 : word <= FIG_TOK_MAX_TOKEN ? base64_decode(line, word, bytes) : -1;
    if (decoded < 0 || space + 1 == end || end - space > 10) return false;
    *rank = 0;
    for (const char *p = space + 1; p < end; p++) {
        if (*p < '0' || *p > '9') return false;
        *rank = *rank * 10 + (*p - '0');
    }
    *n = (size_t)decoded;
    return true;
}

static bool probe(const fig__tok_file *file) {
    const char *text = fig__buf_str(&file->first),
               *newline = memchr(text, '\n', FIG_MIN(file->first.len, (size_t)1024));
    char bytes[1024];
    size_t n;
    int64_t rank;
    return newline && parse_line(text, (size_t)(newline - text), bytes, &n, &rank) && rank >= 0;
}

static fig_status add_lines(const fig__tok_file *file, fig_tokenizer *tok, char *bytes) {
    const char *p = fig__buf_str(&file->first), *end = p + file->first.len;
    for (size_t line = 1; p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        size_t n;
        int64_t rank;
        FIG_CHECK(tok->ctx, parse_line(p, (size_t)(stop - p), bytes, &n, &rank), FIG_ERR_FORMAT,
                  "line %zu: not base64 and a rank", line);
        if (rank >= 0) FIG_TRY(fig__tok_add(tok, rank, bytes, n, 0));
        p = stop + 1;
    }
    return FIG_OK;
}

static fig_status merge_by_id(fig_tokenizer *tok) {
    uint32_t *rank = FIG_NEW_N(tok->ctx, uint32_t, tok->tokens.n);
    if (!rank) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < tok->tokens.n; i++) rank[i] = tok->tokens.data[i].len > 1 ? (uint32_t)i : UINT32_MAX;
    fig_status status = fig__tok_merges_from_ranks(tok, rank);
    fig__free(tok->ctx, rank);
    return status;
}

static fig_status open_tiktoken(const fig__tok_file *file, fig_tokenizer *tok) {
    tok->kind = FIG_TOKENIZER_BPE;
    tok->byte_level = true;
    tok->ignore_merges = true; /* a piece that is a token is that token, whether merging would find it or not */
    char *bytes = fig__alloc(tok->ctx, FIG_TOK_MAX_TOKEN);
    if (!bytes) return FIG_ERR_NOMEM;
    fig_status status = add_lines(file, tok, bytes);
    fig__free(tok->ctx, bytes);
    if (!status) status = fig__tok_index(tok);
    if (!status) status = merge_by_id(tok);
    if (status) return status;
    size_t n = tok->tokens.n, k = 0;
    while (k < FIG_COUNT(known) && known[k].n_ranks != n) k++;
    if (k == FIG_COUNT(known)) return fig__tok_set_pattern(tok, FIG_PATTERN_GPT2);
    FIG_TRY(fig__tok_add(tok, known[k].end_of_text, "<|endoftext|>", 13, FIG_TOK_ADDED | FIG_TOK_SPECIAL));
    return fig__tok_set_pattern(tok, known[k].pattern);
}

const fig__tok_format fig__tok_format_tiktoken = {"tiktoken", probe, NULL, open_tiktoken};
