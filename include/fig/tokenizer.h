/* fig/tokenizer.h: text to token ids and back.
 *
 * A tokenizer is read from a file (fig_tokenizer_load) or learnt from text (fig_tokenizer_trainer_new); after that it
 * never changes. It keeps a cache of pieces it has met, so it belongs to one thread at a time, as its context does.
 *
 *     fig_tokenizer *tok;
 *     fig_ids ids = {0};
 *     if (fig_tokenizer_load(ctx, "tokenizer.json", &tok) == FIG_OK &&
 *         fig_tokenizer_encode(tok, text, len, 0, &ids) == FIG_OK)
 *         ...                                     -- ids.data[0 .. ids.n-1]
 *     fig_ids_free(ctx, &ids);
 *     fig_tokenizer_free(tok);
 *
 * Text is bytes. Where it is not UTF-8, each wrong byte is kept as a piece of its own: the byte, bpe and spm kinds
 * give it back unchanged, the char kind refuses it. Nothing is ever dropped in silence. (A foreign tokenizer.json may
 * ask for Unicode's composed form; then that is what comes back.)
 *
 * Limits: 2^24 tokens, 64 KiB a token, 256 MiB a file. A piece that the pre-tokenizer finds (a word, a run of
 * spaces) is cut after 1 MiB. */
#ifndef FIG_TOKENIZER_H
#define FIG_TOKENIZER_H

#include <fig/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_tokenizer fig_tokenizer;

typedef enum fig_tokenizer_kind {
    FIG_TOKENIZER_BYTE, /* ids 0..255 are the bytes, then the special tokens */
    FIG_TOKENIZER_CHAR, /* one id per character, sorted by code point, then the special tokens. A character that the
                           training text did not have becomes <unk> where there is such a token; without one encoding
                           fails with a message that names the character and where it stands. */
    FIG_TOKENIZER_BPE,  /* byte-level byte-pair encoding, as GPT-2 */
    FIG_TOKENIZER_SPM,  /* byte-pair encoding of characters with scores, as SentencePiece and llama2.c: a space is put
                           before the text, characters without a token are spelt in bytes <0xNN> */
} fig_tokenizer_kind;

const char *fig_tokenizer_kind_name(fig_tokenizer_kind kind); /* "byte", "char", "bpe", "spm" */

/* A growing list of ids; {0} is an empty one. */
typedef struct fig_ids {
    int32_t *data;
    size_t n, cap;
} fig_ids;
void fig_ids_free(fig_context *ctx, fig_ids *ids);

/* --- files ---------------------------------------------------------------------------------------------
 * path is one of
 *     tokenizer.json of Hugging Face (model BPE), or a folder that holds one;
 *     GPT-2's encoder.json beside vocab.bpe, or vocab.json beside merges.txt, or a folder that holds a pair;
 *     llama2.c's tokenizer .bin (scores and pieces);
 *     a tiktoken rank file (base64 and rank per line; its pattern is told from the number of ranks).
 * A part of a tokenizer.json that is not understood is an error that names it, never skipped. */
fig_status fig_tokenizer_load(fig_context *ctx, const char *path, fig_tokenizer **out);
/* Writes a Hugging Face tokenizer.json, whole or not at all. One that was read from tokenizer.json is written back
 * byte for byte. Equal scores of an spm tokenizer have no place in that file: they become the order longest result
 * first, which gives the same ids except for rare ties between different splits. */
fig_status fig_tokenizer_save(const fig_tokenizer *tok, const char *path);
void fig_tokenizer_free(fig_tokenizer *tok); /* NULL is fine */

/* --- facts --------------------------------------------------------------------------------------------- */
fig_tokenizer_kind fig_tokenizer_get_kind(const fig_tokenizer *tok);
int32_t fig_tokenizer_vocab_size(const fig_tokenizer *tok); /* largest id + 1, special tokens included */
/* SHA-256 over all that decides ids (not over the file), in 64 hex digits: equal hash, equal ids. */
const char *fig_tokenizer_hash(const fig_tokenizer *tok);
/* The bytes of a token; NULL for an id that is out of range or unused. Special tokens give their name. */
const char *fig_tokenizer_token(const fig_tokenizer *tok, int32_t id, size_t *len);
/* The id with these bytes, special tokens first; -1 when there is none. */
int32_t fig_tokenizer_id(const fig_tokenizer *tok, const char *bytes, size_t len);
bool fig_tokenizer_is_special(const fig_tokenizer *tok, int32_t id);
/* Special tokens by their customary names (<s>, </s>, <|endoftext|>, <pad>, <unk>, ...); -1 when there is none.
 * GPT-2 has one token for both ends of a text. */
int32_t fig_tokenizer_bos(const fig_tokenizer *tok);
int32_t fig_tokenizer_eos(const fig_tokenizer *tok);
int32_t fig_tokenizer_pad(const fig_tokenizer *tok);
int32_t fig_tokenizer_unk(const fig_tokenizer *tok);
bool fig_tokenizer_wants_bos(
    const fig_tokenizer *tok); /* models with this tokenizer were trained on texts that open with bos */

/* --- encoding ------------------------------------------------------------------------------------------
 * Flags are or-ed. BOS and EOS do nothing where the tokenizer has no such token. Without SPECIALS the text
 * "<|endoftext|>" is thirteen characters like any other: what a person typed should be encoded so. */
enum { FIG_ENCODE_BOS = 1, FIG_ENCODE_EOS = 2, FIG_ENCODE_SPECIALS = 4 };

/* Appends to ids; on failure ids is as before. */
fig_status fig_tokenizer_encode(fig_tokenizer *tok, const char *text, size_t len, int flags, fig_ids *ids);

/* A text that comes in parts, or is larger than memory: the ids of add, add, ..., finish together are those of
 * encode on the whole, wherever the parts were cut. finish ends the text; the encoder is then ready for another. */
typedef struct fig_encoder fig_encoder;
fig_status fig_encoder_new(fig_tokenizer *tok, int flags, fig_encoder **out); /* tok must outlive it */
fig_status fig_encoder_add(fig_encoder *enc, const char *text, size_t len, fig_ids *ids);
fig_status fig_encoder_finish(fig_encoder *enc, fig_ids *ids);
void fig_encoder_free(fig_encoder *enc);

/* --- decoding ------------------------------------------------------------------------------------------
 * What id adds to a text whose last token is prev; prev is -1 at the start. Special tokens add nothing, and an spm
 * tokenizer loses the space that encoding put in front. For streaming: pass the bytes through fig_utf8_stream. */
const char *fig_tokenizer_piece(const fig_tokenizer *tok, int32_t prev, int32_t id, size_t *len);
/* The pieces of all ids in a row, as bytes with a NUL behind; the caller frees it with fig_tokenizer_text_free. An id
 * outside the vocabulary is an error. With FIG_DECODE_SPECIALS special tokens appear by name. */
enum { FIG_DECODE_SPECIALS = 1 };
fig_status fig_tokenizer_decode(const fig_tokenizer *tok, const int32_t *ids, size_t n, int flags, char **text,
                                size_t *len);
void fig_tokenizer_text_free(fig_context *ctx, char *text);

/* Bytes in, whole UTF-8 characters out. What may still become a character is held back; what cannot become one turns
 * into U+FFFD, one for each maximal beginning of a character, as in Python's errors="replace". {0} is a new one.
 * out needs room for 3 * (len + 3) bytes. Both return the number of bytes written; flush ends the text. */
typedef struct fig_utf8_stream {
    char held[4];
    int n_held;
} fig_utf8_stream;
size_t fig_utf8_stream_add(fig_utf8_stream *s, const char *bytes, size_t len, char *out);
size_t fig_utf8_stream_flush(fig_utf8_stream *s, char *out); /* at most 9 bytes */

/* --- training ------------------------------------------------------------------------------------------
 * Byte-pair encoding is learnt exactly: the text is cut at special tokens, then into pieces by the pattern, pieces are
 * counted (64 bits), and the pair with the highest count is merged until the vocabulary is full or no pair is left;
 * of equal counts the greater pair of byte strings goes first (left compared before right, as Python compares tuples
 * of bytes). ids: the 256 bytes, the merges in order, the special tokens.
 *
 * Memory: the table of distinct pieces, and what learning from it will need, stay under max_bytes. When the table is
 * full the rarest pieces are dropped and the report says exact = false. */
typedef struct fig_tokenizer_trainer fig_tokenizer_trainer;

typedef struct fig_tokenizer_train_options {
    fig_tokenizer_kind kind;     /* byte, char or bpe */
    int32_t vocab_size;          /* bpe: wanted size with special tokens; at least 256 and theirs */
    const char *const *specials; /* NUL-terminated names */
    int n_specials;
    const char *pattern; /* NULL: GPT-2's; PCRE syntax, may look ahead but not behind */
    uint64_t max_bytes;  /* 0: 1 GiB, or what the vocabulary needs */
    uint64_t min_count;  /* pairs that are rarer are not merged; 0 means 1 */
} fig_tokenizer_train_options;

typedef struct fig_tokenizer_train_report {
    bool exact;          /* false: pieces were dropped to stay under max_bytes */
    uint64_t n_bytes;    /* of text */
    uint64_t n_pieces;   /* counted, special tokens left out */
    uint64_t n_distinct; /* pieces in the table at the end */
    uint64_t n_dropped;  /* occurrences of pieces that were dropped */
    uint64_t n_invalid;  /* bytes that are not UTF-8 */
} fig_tokenizer_train_report;

/* Copies the options. */
fig_status fig_tokenizer_trainer_new(fig_context *ctx, const fig_tokenizer_train_options *options,
                                     fig_tokenizer_trainer **out);
/* Text in parts; where it is cut makes no difference. */
fig_status fig_tokenizer_trainer_add(fig_tokenizer_trainer *trainer, const char *text, size_t len);
/* Ends a document: no piece reaches across. */
fig_status fig_tokenizer_trainer_end_text(fig_tokenizer_trainer *trainer);
/* Learns; report may be NULL. The trainer is spent afterwards and can only be freed. */
fig_status fig_tokenizer_trainer_finish(fig_tokenizer_trainer *trainer, fig_tokenizer_train_report *report,
                                        fig_tokenizer **out);
void fig_tokenizer_trainer_free(fig_tokenizer_trainer *trainer);

#ifdef __cplusplus
}
#endif
#endif
