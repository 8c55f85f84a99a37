/* media/text/tokenizer.h: the inside of a tokenizer, for the files of this folder.
 *
 *   text --split.c--> pieces and added tokens --bpe.c--> ids
 *
 * A format (format_*.c) fills a new fig_tokenizer through fig__tok_add and fig__tok_add_merge, and seals it. A symbol
 * is what merging starts from: a byte where byte_level is set, else a character. */
#ifndef FIG_TOKENIZER_PRIVATE_H
#define FIG_TOKENIZER_PRIVATE_H
#include "base/buf.h"
#include "base/map.h"
#include "media/text/regex.h"
#include <fig/tokenizer.h>

enum {
    FIG_TOK_MAX_VOCAB = 1 << 24,
    FIG_TOK_MAX_FILE = 256 << 20,
    FIG_TOK_MAX_TOKEN = 64 << 10,
    FIG_TOK_MAX_RANKED = 512,    /* bytes of a token whose splits are all tried */
    FIG_TOK_MAX_PIECE = 1 << 20, /* longer pieces are cut, so that memory and open ends are bounded */
};

enum {
    FIG_TOK_USED = 1,    /* ids may have holes; in one of them this is not set */
    FIG_TOK_ADDED = 2,   /* found in the text before anything else looks at it ... */
    FIG_TOK_SPECIAL = 4, /* ... but, if special, only when the caller asks */
    FIG_TOK_BYTE = 8,    /* <0xNN>: stands for one byte of a character that has no token */
};
typedef struct fig__tok_entry {
    uint32_t at, len; /* in fig_tokenizer.text */
    uint32_t flags;
} fig__tok_entry;

typedef struct fig__tok_merge {
    int32_t left, right, id;
    uint32_t rank; /* low goes first, of equal ranks the leftmost pair */
} fig__tok_merge;

typedef enum fig__tok_prefix {
    FIG_PREFIX_NONE,
    FIG_PREFIX_ALWAYS,     /* a space before every stretch of text */
    FIG_PREFIX_IF_MISSING, /* unless one is there */
    FIG_PREFIX_FIRST,      /* as IF_MISSING, but only at the start of the text */
} fig__tok_prefix;

/* Working memory of merging, kept from piece to piece. */
typedef struct fig__bpe_symbol {
    int32_t id, prev, next; /* id -1: swallowed; prev, next -1: none */
} fig__bpe_symbol;
typedef struct fig__bpe_candidate {
    uint32_t rank, at, merge;
} fig__bpe_candidate;
typedef struct fig__bpe_scratch {
    struct {
        fig__bpe_symbol *data;
        size_t n, cap;
    } symbols;
    struct {
        fig__bpe_candidate *data;
        size_t n, cap;
    } heap;
} fig__bpe_scratch;

struct fig_tokenizer {
    fig_context *ctx;
    fig_tokenizer_kind kind;
    bool byte_level, ignore_merges, wants_bos;
    bool composes;  /* text is put into NFC first; then not every text comes back as it was */
    bool metaspace; /* the file writes a space as U+2581, and decoding drops the first space */
    fig__tok_prefix prefix;
    char *pattern; /* NULL: no pattern; pieces end wherever no merge can reach across */
    int32_t bos, eos, pad, unk;
    struct {
        fig__tok_entry *data;
        size_t n, cap;
    } tokens; /* by id */
    fig__buf text;
    struct {
        fig__tok_merge *data;
        size_t n, cap;
    } merges;        /* by rank once sealed */
    fig__buf source; /* the tokenizer.json it came from, or empty */

    /* Made by fig__tok_seal. */
    fig__regex *regex;
    fig__map *ids;        /* bytes -> id of all that is neither added nor a byte token */
    int32_t byte_id[256]; /* the symbol or fallback of a byte, or -1 */
    uint32_t *pairs;      /* open addressing: index into merges + 1 */
    size_t pair_mask;
    uint64_t adjacent[1024]; /* bit a*256+b: some token has byte b right behind byte a */
    struct {
        int32_t *data;
        size_t n, cap;
    } added; /* longest first */
    bool added_starts[256];
    size_t max_added; /* bytes of the longest */
    char hash[65];

    /* Pieces met before: bytes -> place in cached and number of ids. Emptied when full. */
    fig__map *cache;
    fig_ids cached;
    fig__bpe_scratch scratch;
};

fig_status fig__tok_new(fig_context *ctx, fig_tokenizer **out);
/* Gives id its bytes. An id twice is an error, but FIG_TOK_ADDED may come later to a token that is there. */
fig_status fig__tok_add(fig_tokenizer *tok, int64_t id, const char *bytes, size_t len, uint32_t flags);
fig_status fig__tok_add_bytes(fig_tokenizer *tok); /* ids 0..255 */
fig_status fig__tok_set_pattern(fig_tokenizer *tok, const char *pattern);
/* Makes tokens findable by their bytes, except those that are added or byte tokens by now. Merges come after it. */
fig_status fig__tok_index(fig_tokenizer *tok);
int32_t fig__tok_find(const fig_tokenizer *tok, const char *bytes, size_t len); /* -1: none */
/* The merge of two tokens into the one whose bytes are theirs in a row; an error when there is no such token. */
fig_status fig__tok_add_merge(fig_tokenizer *tok, int32_t left, int32_t right, uint32_t rank);
/* For formats that rank tokens instead of merges (scores, tiktoken): every split of a token into two tokens becomes a
 * merge. rank[id] UINT32_MAX: nothing merges into it. */
fig_status fig__tok_merges_from_ranks(fig_tokenizer *tok, const uint32_t *rank);
/* Builds the tables. Nothing may be added afterwards. */
fig_status fig__tok_seal(fig_tokenizer *tok);

static inline const char *fig__tok_bytes(const fig_tokenizer *tok, int32_t id, size_t *len) {
    const fig__tok_entry *e = &tok->tokens.data[id];
    *len = e->len;
    return fig__buf_str(&tok->text) + e->at;
}

/* --- bpe.c --------------------------------------------------------------------------------------------- */
fig_status fig__bpe_index(fig_tokenizer *tok);
/* Appends the ids of one piece. at: where the piece stands in the text, for messages. */
fig_status fig__bpe_encode(fig_tokenizer *tok, const char *piece, size_t len, uint64_t at, fig_ids *ids);

/* --- split.c ------------------------------------------------------------------------------------------- */
/* One piece: added >= 0 is the id of an added token. piece lives only during the call. */
typedef fig_status fig__piece_fn(void *arg, const char *piece, size_t len, int32_t added, uint64_t at);
typedef struct fig__split {
    fig_tokenizer *tok;
    fig__piece_fn *fn;
    void *arg;
    bool specials;           /* look for special tokens too */
    bool at_start, at_first; /* nothing of this stretch, of this text, has been seen */
    uint64_t offset;         /* bytes of the text behind us */
    uint64_t n_invalid;
    fig__buf carry; /* the open end of what was added */
    fig__buf prefixed;
    fig__buf raw, composed; /* before and after NFC, where the tokenizer wants it */
} fig__split;
void fig__split_init(fig__split *s, fig_tokenizer *tok, bool specials, fig__piece_fn *fn, void *arg);
void fig__split_deinit(fig__split *s);
fig_status fig__split_text(fig__split *s, const char *text, size_t len); /* a whole text at once */
fig_status fig__split_add(fig__split *s, const char *text, size_t len);
fig_status fig__split_end(fig__split *s); /* ends the text; ready for another */

/* --- formats ------------------------------------------------------------------------------------------- */
/* A file in memory. second is what stands beside it, for formats of two files; load reads it. */
typedef struct fig__tok_file {
    const char *path;
    fig__buf first, second;
} fig__tok_file;
typedef struct fig__tok_format {
    const char *name;
    bool (*probe)(const fig__tok_file *file);
    const char *(*beside)(const char *base_name); /* name of the second file; NULL: the format has one file */
    fig_status (*open)(const fig__tok_file *file, fig_tokenizer *tok); /* fills tok; the caller seals it */
} fig__tok_format;
extern const fig__tok_format fig__tok_format_hf, fig__tok_format_gpt2, fig__tok_format_llama2c,
    fig__tok_format_tiktoken;
/* NULL: whichever recognises the file. */
fig_status fig__tok_read(fig_context *ctx, const fig__tok_format *format, const fig__tok_file *file,
                         fig_tokenizer **out);
fig_status fig__tok_write_hf(const fig_tokenizer *tok, fig__buf *out);

/* GPT-2 writes byte-level tokens as text by giving every byte a printable character. */
uint32_t fig__bytelevel_char(uint8_t byte);
int fig__bytelevel_byte(uint32_t code_point); /* -1: none */
fig_status fig__bytelevel_decode(const char *token, size_t len,
                                 fig__buf *bytes); /* replaces bytes; a token with other characters stays as it is */
fig_status fig__bytelevel_encode(const char *bytes, size_t len, fig__buf *token);

#endif
