/* fig/dataset.h: from a person's text to windows of tokens.
 *
 *     paths --(fig_text)--> documents --(fig_dataset_prepare)--> token shards in a folder --(fig_dataset_batch)--> rows
 *
 * Text is read in pieces and tokenised once; training reads memory-mapped shards, so a corpus may be larger than
 * memory. What is read:
 *
 *     text files    any UTF-8 file. Invalid bytes are kept as they are and counted. One file is one document.
 *     folders       every text file below, in order of path; binaries (a NUL byte, or more than 30 % invalid UTF-8, in
 *                   the first 64 KiB) and empty files are left out and counted; hidden files are not looked at.
 *     .jsonl        one document per line: the string under "text". Other lines are counted, the first one is named.
 *     .bin          tokens: llm.c shards (magic 20240520 or 20240801) and nanoGPT's train.bin, val.bin (bare uint16).
 *                   In a folder that holds tokens only these are read (not meta.pkl); files called val* or *_val_*
 *                   are the validation split.
 *
 * Limits: 1,048,576 files; a JSONL line of 64 MiB; a manifest of 512 MiB. Functions returning fig_status record one
 * line on the context that made the object; an object belongs to one thread at a time. */
#ifndef FIG_DATASET_H
#define FIG_DATASET_H

#include <fig/base.h>
#include <fig/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called for every piece of data, so often, by everything here that can take long. stage: "scan", "tokenise",
 * "download", in bytes, or "pictures", counted; total 0: not known. */
typedef void fig_dataset_progress_fn(void *user, const char *stage, uint64_t done, uint64_t total);

/* --- reading text --------------------------------------------------------------------------------------
 * The documents of some paths as a stream, for training a tokenizer or looking at data. */
typedef struct fig_text fig_text;

typedef struct fig_text_stats {
    uint64_t n_files;
    uint64_t n_documents, bytes, characters; /* read so far; an invalid byte is a character of its own */
    uint64_t bad_bytes;                      /* of them invalid UTF-8 */
    uint64_t n_binary, n_empty;              /* files left out */
    uint64_t n_bad_rows;                     /* JSONL lines without a text */
    char first_bad_row[200];                 /* "file.jsonl:7: no string under \"text\"" */
    char first_skipped[200];                 /* path of the first binary */
    bool is_tokens;                          /* the paths hold tokens: fig_text_read refuses */
} fig_text_stats;

/* A missing or empty file, or a folder without text, is FIG_ERR_NOTFOUND or FIG_ERR_FORMAT with what to do about it. */
fig_status fig_text_open(fig_context *ctx, const char *const *paths, size_t n_paths, fig_text **out);
/* The next piece of the current document: about 1 MiB of a file, all of a JSONL row; valid until the next call, cut
 * between characters. *len is 0 at the very end only. *document_ends: the next piece belongs to another document. */
fig_status fig_text_read(fig_text *text, const char **data, size_t *len, bool *document_ends);
void fig_text_rewind(fig_text *text);                /* counts begin again too, except those of files */
uint64_t fig_text_total_bytes(const fig_text *text); /* of all files, as they are on disk */
uint64_t fig_text_done_bytes(const fig_text *text);
const fig_text_stats *fig_text_get_stats(const fig_text *text);
void fig_text_close(fig_text *text);

/* --- preparing -----------------------------------------------------------------------------------------
 * Writes out_dir as a whole or not at all:
 *
 *     manifest.json      sources (path, bytes, sha256, kind), tokenizer (sha256, size), counts per split
 *     tokenizer.json     the tokenizer, so that the folder is enough to train on
 *     train-00000.bin …  tokens in llm.c's format: 256 int32 (magic, version, count, zeros), then uint16 (magic
 *     val-00000.bin …    20240520, version 1) or, over 65,536 tokens of vocabulary, uint32 (20240801, 7); little endian
 *
 * The validation split is the tail: of n characters in all, documents one behind the other, the first
 * floor(n * (1 - val_fraction)) train, as in nanoGPT's data[:int(n*0.9)]. Between documents stands one token: the
 * tokenizer's end of text; its begin of text, then also before the first one, where models want that; a newline where
 * it has neither and the document does not end in one. The names of special tokens in text stand for those tokens. */
typedef struct fig_dataset_options {
    const char *const *paths;
    size_t n_paths;
    fig_tokenizer *tokenizer; /* for token files too: its size bounds their ids */
    const char *out_dir;
    double val_fraction; /* 0.1; 0: no validation split */
    int block_size;      /* over 0: fail when the training split is shorter than one window of it */
    bool force;          /* replace an out_dir that was prepared from something else */
    fig_dataset_progress_fn *progress;
    void *user;
} fig_dataset_options;

typedef enum fig_data_split { FIG_SPLIT_TRAIN, FIG_SPLIT_VAL, FIG_SPLIT_COUNT } fig_data_split;
const char *fig_split_name(fig_data_split split); /* "train", "val" */

typedef struct fig_split_info {
    uint64_t n_tokens;
    uint64_t bytes;        /* of the text behind the tokens; separators count as none */
    uint64_t target_bytes; /* bytes without those of the first token, which nothing predicts: for bits per byte */
    uint64_t n_documents;  /* that begin in this split */
} fig_split_info;

typedef struct fig_dataset_info {
    fig_split_info split[FIG_SPLIT_COUNT];
    uint64_t n_sources;
    fig_text_stats text; /* of the sources, as they were prepared */
    int32_t vocab_size;
    int32_t separator; /* the token between documents; -1: none */
    char tokenizer_sha256[65];
    char data_sha256[65]; /* of the sources' hashes in order: names the data in a model card */
    char licence[128];    /* where the sources came through fig_dataset_get or _make, else "" */
    char origin[256];     /* likewise: title and source */
    bool reused;          /* fig_dataset_prepare found everything as it is */
} fig_dataset_info;

fig_dataset_options fig_dataset_options_default(void);
/* Does nothing when out_dir was prepared from the same sources (size and time, or else sha256) with the same tokenizer
 * and fraction. Another dataset there is FIG_ERR_EXISTS without force; a folder that is no dataset always is. info may
 * be NULL. */
fig_status fig_dataset_prepare(fig_context *ctx, const fig_dataset_options *options, fig_dataset_info *info);

/* --- using ----------------------------------------------------------------------------------------------*/
typedef struct fig_dataset fig_dataset;

bool fig_dataset_is_prepared(const char *path); /* whether path is a folder that fig_dataset_prepare made */
fig_status fig_dataset_open(fig_context *ctx, const char *dir, fig_dataset **out);
const fig_dataset_info *fig_dataset_get_info(const fig_dataset *ds);
void fig_dataset_close(fig_dataset *ds);

/* A sample is a pure function of (seed, split, block_size, sampler, index): nothing is kept between calls, so a resumed
 * run needs only its step, and index = step * batch_size + row gives the same data for any batch layout. */
typedef enum fig_sampler {
    FIG_SAMPLER_RANDOM,     /* a window at a uniform offset (nanoGPT) */
    FIG_SAMPLER_EPOCH,      /* every window once per epoch, in an order of the seed and epoch; windows start at another
                               offset each epoch */
    FIG_SAMPLER_SEQUENTIAL, /* window i covers targets i*block+1 … (i+1)*block; past the end, targets are -1 */
} fig_sampler;

typedef struct fig_batch_spec {
    fig_data_split split;
    fig_sampler sampler;
    int block_size;
    uint64_t seed;
} fig_batch_spec;

/* Fills rows first_sample … first_sample + rows - 1: inputs and targets [rows, block_size], target t being input t+1.
 * Too few tokens for one window is FIG_ERR_ARG (never for the sequential sampler). */
fig_status fig_dataset_batch(fig_dataset *ds, const fig_batch_spec *spec, uint64_t first_sample, int rows,
                             int32_t *inputs, int32_t *targets);
/* Windows that the sequential sampler needs to reach every target once, or windows of an epoch. */
uint64_t fig_dataset_n_windows(const fig_dataset *ds, const fig_batch_spec *spec);

/* --- data that anyone can have --------------------------------------------------------------------------*/
typedef struct fig_dataset_file {
    const char *name, *url, *sha256;
    uint64_t bytes;
    bool packed; /* gzip: sha256 is that of what is inside, since who packs it anew packs it otherwise */
} fig_dataset_file;

typedef struct fig_dataset_entry {
    const char *name, *title, *licence, *citation;
    const fig_dataset_file *files;
    size_t n_files;
} fig_dataset_entry;

const fig_dataset_entry *fig_dataset_known(size_t i); /* NULL past the last */

typedef struct fig_dataset_get_options {
    const char *out_dir;    /* files go to out_dir/NAME/ */
    const char *mirror_dir; /* a folder laid out as NAME/file, asked instead of the network; NULL: FIGMENT_MIRROR; "":
                               the network in any case */
    fig_dataset_progress_fn *progress;
    void *user;
} fig_dataset_get_options;

/* Files already there with the right sha256 stay. Downloads run the curl program; nothing appears under its name before
 * its sha256 is right. A hidden .source.json beside the files keeps title, licence and citation. */
fig_status fig_dataset_get(fig_context *ctx, const char *name, const fig_dataset_get_options *options);

/* Writes path: names of emoji and pictographs, one per line, shuffled, from the Unicode data of this machine
 * (unicode_dir NULL: /usr/share/unicode, Debian's package unicode-data). Lower case a-z, space, hyphen and apostrophe
 * only; without skin tones, flags, families, clocks, keycaps, and words that filter finds (NULL: the built-in one). */
struct fig_filter;
fig_status fig_dataset_make_names(fig_context *ctx, const char *unicode_dir, const struct fig_filter *filter,
                                  const char *path, uint64_t *n_names);

/* --- word filter ----------------------------------------------------------------------------------------
 * Finds offensive words and phrases: whole words, whatever the case, plurals included. A coarse sieve for data and
 * samples shown to a person, no judge of meaning. */
typedef struct fig_filter fig_filter;

/* list_path: one word or phrase a line; NULL: the list that comes with the library. */
fig_status fig_filter_new(fig_context *ctx, const char *list_path, fig_filter **out);
void fig_filter_free(fig_filter *filter);
/* The first listed word of text, if any; at and match_len may be NULL. */
bool fig_filter_find(const fig_filter *filter, const char *text, size_t len, size_t *at, size_t *match_len);
/* Overwrites every listed word with '*'; returns how many. */
size_t fig_filter_mask(const fig_filter *filter, char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
