/* fuzz_tokenizer.h: what the tokenizer's fuzz targets share. */
#ifndef FIG_FUZZ_TOKENIZER_H
#define FIG_FUZZ_TOKENIZER_H
#include "media/text/tokenizer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *ctx;

static inline void fuzz_start(void) {
    if (!ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &ctx)) abort();
}

static inline void fuzz_must(bool cond) {
    if (!cond) abort();
}

/* In parts of 1, 2, 3 ... bytes: the same ids, or the same failure. */
static inline void fuzz_parts(fig_tokenizer *tok, const char *text, size_t len, fig_status wanted,
                              const fig_ids *whole) {
    fig_encoder *enc;
    fig_ids ids = {0};
    fuzz_must(fig_encoder_new(tok, FIG_ENCODE_SPECIALS, &enc) == FIG_OK);
    fig_status status = FIG_OK;
    for (size_t i = 0, n = 1; i < len && !status; i += n, n++) {
        n = FIG_MIN(n, len - i);
        status = fig_encoder_add(enc, text + i, n, &ids);
    }
    if (!status) status = fig_encoder_finish(enc, &ids);
    fuzz_must(status == wanted);
    fuzz_must(status ||
              (ids.n == whole->n && (!ids.n || memcmp(ids.data, whole->data, ids.n * sizeof *ids.data) == 0)));
    fig_encoder_free(enc);
    fig_ids_free(ctx, &ids);
}

/* Encodes, decodes, and does it again in parts. exact: the text must come back. */
static inline void fuzz_encode(fig_tokenizer *tok, const char *text, size_t len, bool exact) {
    fig_ids ids = {0};
    fig_status status = fig_tokenizer_encode(tok, text, len, FIG_ENCODE_SPECIALS, &ids);
    fuzz_must(!exact || !status);
    fuzz_parts(tok, text, len, status, &ids);
    char *back;
    size_t n;
    fuzz_must(fig_tokenizer_decode(tok, ids.data, ids.n, FIG_DECODE_SPECIALS, &back, &n) == FIG_OK);
    fuzz_must(!exact || (n == len && (!n || memcmp(back, text, n) == 0)));
    fig_tokenizer_text_free(ctx, back);
    fig_ids_free(ctx, &ids);
}

static inline fig_tokenizer *fuzz_read(const fig__tok_format *format, const char *first, size_t n_first,
                                       const char *second, size_t n_second) {
    fig__tok_file file = {.path = "fuzz"};
    fig_tokenizer *tok;
    fig__buf_init(&file.first, ctx, FIG_TOK_MAX_FILE);
    fig__buf_init(&file.second, ctx, FIG_TOK_MAX_FILE);
    fuzz_must(fig__buf_add(&file.first, first, n_first) == FIG_OK &&
              fig__buf_add(&file.second, second, n_second) == FIG_OK);
    fig_status status = fig__tok_read(ctx, format, &file, &tok);
    fuzz_must((status == FIG_OK) == (tok != NULL));
    fig__buf_deinit(&file.first);
    fig__buf_deinit(&file.second);
    return tok;
}

/* Of tokens with the same bytes tokenizer.json can hold only one. */
static inline bool fuzz_distinct(const fig_tokenizer *tok) {
    for (int32_t id = 0; id < fig_tokenizer_vocab_size(tok); id++) {
        size_t len;
        const char *bytes = fig_tokenizer_token(tok, id, &len);
        if (bytes && !(tok->tokens.data[id].flags & FIG_TOK_BYTE) && fig_tokenizer_id(tok, bytes, len) != id)
            return false;
    }
    return true;
}

/* What was accepted must encode anything without harm, and, when it can be written, read back as the same. */
static inline void fuzz_use(fig_tokenizer *tok) {
    static const char text[] = "Hello  World's <s>1234</s> \xC3\xA9\xF0\x9F\xA6\x99 <|endoftext|>\xFF\n the the aaaaab";
    fig__buf json;
    fig_tokenizer *again = NULL;
    if (!tok) return;
    fuzz_encode(tok, text, sizeof text - 1, false);
    fig__buf_init(&json, ctx, FIG_TOK_MAX_FILE);
    if (tok->source.len == 0 && fig__tok_write_hf(tok, &json) == FIG_OK)
        again = fuzz_read(&fig__tok_format_hf, json.data, json.len, "", 0);
    fuzz_must(!again || !fuzz_distinct(tok) || strcmp(fig_tokenizer_hash(tok), fig_tokenizer_hash(again)) == 0);
    fig__buf_deinit(&json);
    fig_tokenizer_free(again);
    fig_tokenizer_free(tok);
}

#endif
