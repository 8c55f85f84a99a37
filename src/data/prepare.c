/* data/prepare.c: text to shards, in two passes: the first counts and hashes, so that the place of the split is known
 * to the character before the second tokenises. The folder is filled under another name and then renamed. */
#include "data/prepare.h"
#include "data/chars.h"
#include "data/manifest.h"
#include "data/origin.h"
#include "data/partial.h"
#include "data/shard.h"
#include "data/text.h"
#include <math.h>

typedef struct prepare {
    fig_context *ctx;
    const fig_dataset_options *options;
    fig_tokenizer *tok;
    fig_text *text;
    fig__manifest manifest;
    char *tmp_dir;
    fig__shard_writer shards[FIG_SPLIT_COUNT];
    uint64_t first_bytes[FIG_SPLIT_COUNT]; /* of the split's first token */
    fig_encoder *encoder;
    fig_ids ids;
    /* A unit is a character of text, or a token of token files. */
    uint64_t n_units, n_train_units, n_seen;
    bool split_by_name; /* some token file says that it is for validation */
    bool opens_with_bos;
    fig_data_split split; /* where tokens go now */
    char last_byte;
} prepare;

fig_dataset_options fig_dataset_options_default(void) { return (fig_dataset_options){.val_fraction = 0.1}; }

const char *fig_split_name(fig_data_split split) { return split == FIG_SPLIT_VAL ? "val" : "train"; }

static void report(const prepare *p, const char *stage) {
    if (p->options->progress)
        p->options->progress(p->options->user, stage, fig_text_done_bytes(p->text), fig_text_total_bytes(p->text));
}

/* --- is it there already? ---------------------------------------------------------------------------------*/

static fig_status same_source(fig_context *ctx, const fig__text_file *file, const fig__manifest_source *old,
                              bool *same) {
    char sha256[65];
    *same = file->bytes == old->bytes && !strcmp(file->kind->name, old->kind);
    if (!*same || (file->mtime_ns == old->mtime_ns && !strcmp(file->path, old->path))) return FIG_OK;
    FIG_TRY(fig__hash_file(ctx, file->path, sha256));
    *same = !strcmp(sha256, old->sha256);
    return FIG_OK;
}

static fig_status same_as(const prepare *p, const fig__manifest *old, bool *same) {
    *same = p->text->files.n == old->sources.n && fabs(old->val_fraction - p->options->val_fraction) < 1e-8 &&
            !strcmp(old->info.tokenizer_sha256, fig_tokenizer_hash(p->tok));
    for (size_t i = 0; *same && i < old->sources.n; i++)
        FIG_TRY(same_source(p->ctx, &p->text->files.data[i], &old->sources.data[i], same));
    return FIG_OK;
}

static fig_status check_long_enough(const prepare *p, const fig_dataset_info *info) {
    int block = p->options->block_size;
    uint64_t n = info->split[FIG_SPLIT_TRAIN].n_tokens;
    FIG_CHECK(p->ctx, block <= 0 || n > (uint64_t)block, FIG_ERR_ARG,
              "%s: %llu training tokens are too few for one context of %d (block_size) and the token after it; give "
              "more text or lower block_size",
              p->options->paths[0], (unsigned long long)n, block);
    return FIG_OK;
}

/* A dataset whose manifest or shards cannot be read is not the same as anything. */
static fig_status find_existing(prepare *p, fig_dataset_info *info, bool *reused) {
    const char *dir = p->options->out_dir;
    fig__manifest old;
    fig_dataset *ds = NULL;
    *reused = false;
    if (!fig__path_exists(dir)) return FIG_OK;
    FIG_CHECK(p->ctx, fig_dataset_is_prepared(dir), FIG_ERR_EXISTS,
              "%s: exists and is no prepared dataset; name another folder", dir);
    bool readable = fig_dataset_open(p->ctx, dir, &ds) == FIG_OK && fig__manifest_load(p->ctx, dir, &old) == FIG_OK;
    if (readable) {
        fig_status status = same_as(p, &old, reused);
        fig__manifest_deinit(p->ctx, &old);
        if (!status && *reused) *info = *fig_dataset_get_info(ds);
        info->reused = *reused;
        fig_dataset_close(ds);
        FIG_TRY(status);
    } else {
        fig_dataset_close(ds);
        fig_error_clear(p->ctx);
    }
    FIG_CHECK(p->ctx, *reused || p->options->force, FIG_ERR_EXISTS,
              "%s: holds another dataset; name another folder, or force its replacement", dir);
    return FIG_OK;
}

/* --- first pass -------------------------------------------------------------------------------------------*/

static fig_status scan(prepare *p) {
    fig__piece piece;
    bool starts;
    p->text->hash = true;
    do {
        FIG_TRY(fig__text_next(p->text, &piece, &starts));
        if (piece.tokens) p->n_units += piece.n;
        report(p, "scan");
    } while (piece.n);
    const fig_text_stats *stats = fig_text_get_stats(p->text);
    if (!stats->is_tokens) p->n_units = stats->characters;
    FIG_CHECK(p->ctx, p->n_units, FIG_ERR_FORMAT, "%s: no text in it%s%s", p->options->paths[0],
              stats->n_bad_rows ? "; the first line without: " : "", stats->first_bad_row);
    p->manifest.info.text = *stats;
    p->n_train_units = (uint64_t)((double)p->n_units * (1.0 - p->options->val_fraction));
    for (size_t i = 0; i < p->text->files.n; i++)
        p->split_by_name |= p->text->files.data[i].placement == FIG__PLACE_VAL;
    if (p->split_by_name) p->n_train_units = p->n_units;
    fig_text_rewind(p->text);
    p->text->hash = false;
    return FIG_OK;
}

static fig_status add_source(prepare *p, const fig__text_file *file) {
    fig__manifest_source s = {.bytes = file->bytes, .mtime_ns = file->mtime_ns};
    snprintf(s.kind, sizeof s.kind, "%s", file->kind->name);
    memcpy(s.sha256, file->sha256, sizeof s.sha256);
    if (!(s.path = fig__strdup(p->ctx, file->path))) return FIG_ERR_NOMEM;
    fig_status status = FIG_PUSH(p->ctx, &p->manifest.sources, s);
    if (status) fig__free(p->ctx, s.path);
    return status;
}

static fig_status list_sources(prepare *p) {
    fig__sha256 *sha = fig__sha256_new(p->ctx);
    fig_status status = sha ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < p->text->files.n && !status; i++) {
        const fig__text_file *file = &p->text->files.data[i];
        fig__sha256_add(sha, file->sha256, strlen(file->sha256));
        status = add_source(p, file);
    }
    fig_dataset_info *info = &p->manifest.info;
    info->n_sources = p->text->files.n;
    if (!status) fig__sha256_hex(sha, info->data_sha256);
    if (!status && p->text->files.n == 1) memcpy(info->data_sha256, p->text->files.data[0].sha256, 65);
    fig__sha256_free(sha);
    return status;
}

/* --- second pass ------------------------------------------------------------------------------------------*/

/* Bytes of text behind a token; special tokens stand for none. */
static uint64_t token_bytes(const fig_tokenizer *tok, int32_t id) {
    size_t len = 0;
    return !fig_tokenizer_is_special(tok, id) && fig_tokenizer_token(tok, id, &len) ? len : 0;
}

static fig_status write_tokens(prepare *p, const int32_t *tokens, size_t n) {
    fig__shard_writer *w = &p->shards[p->split];
    if (n && !w->n_tokens) p->first_bytes[p->split] = token_bytes(p->tok, tokens[0]);
    return fig__shard_writer_add(w, tokens, n);
}

static fig_status drain(prepare *p) {
    size_t n = p->ids.n;
    p->ids.n = 0;
    return write_tokens(p, p->ids.data, n);
}

static fig_status end_text(prepare *p) {
    FIG_TRY(fig_encoder_finish(p->encoder, &p->ids));
    return drain(p);
}

static fig_status begin_document(prepare *p) {
    const fig_dataset_info *info = &p->manifest.info;
    p->manifest.info.split[p->split].n_documents++;
    if (info->separator < 0 || (!p->opens_with_bos && !p->shards[p->split].n_tokens)) return FIG_OK;
    bool is_newline = !p->opens_with_bos && fig_tokenizer_eos(p->tok) < 0;
    if (is_newline && p->last_byte == '\n') return FIG_OK;
    return write_tokens(p, &info->separator, 1);
}

static fig_status add_text(prepare *p, const char *text, size_t n) {
    if (!n) return FIG_OK;
    p->manifest.info.split[p->split].bytes += n;
    p->last_byte = text[n - 1];
    FIG_TRY(fig_encoder_add(p->encoder, text, n, &p->ids));
    return drain(p);
}

static fig_status feed_text(prepare *p, const fig__piece *piece, bool starts) {
    uint64_t unused = 0, n_chars = fig__chars_count(piece->text, piece->n, &unused);
    size_t at = 0;
    if (p->split == FIG_SPLIT_TRAIN && p->n_seen + n_chars > p->n_train_units) {
        at = fig__chars_skip(piece->text, piece->n, p->n_train_units - p->n_seen);
        if (starts && at) FIG_TRY(begin_document(p));
        FIG_TRY(add_text(p, piece->text, at));
        if (at || !starts) FIG_TRY(end_text(p));
        p->split = FIG_SPLIT_VAL;
    }
    if (starts && !at) FIG_TRY(begin_document(p));
    FIG_TRY(add_text(p, piece->text + at, piece->n - at));
    p->n_seen += n_chars;
    return piece->ends_document ? end_text(p) : FIG_OK;
}

static fig_status check_tokens(prepare *p, const fig__piece *piece, const char *path) {
    int32_t size = p->manifest.info.vocab_size;
    for (size_t i = 0; i < piece->n; i++)
        FIG_CHECK(p->ctx, piece->tokens[i] >= 0 && piece->tokens[i] < size, FIG_ERR_ARG,
                  "%s: token %u does not exist in a vocabulary of %d; name the tokenizer that made this file", path,
                  (unsigned)piece->tokens[i], size);
    return FIG_OK;
}

static fig_status add_tokens(prepare *p, const int32_t *tokens, size_t n) {
    uint64_t *bytes = &p->manifest.info.split[p->split].bytes;
    for (size_t i = 0; i < n; i++) *bytes += token_bytes(p->tok, tokens[i]);
    return write_tokens(p, tokens, n);
}

static fig_status feed_tokens(prepare *p, const fig__piece *piece, bool starts) {
    const fig__text_file *file = &p->text->files.data[p->text->current];
    size_t n = piece->n, head = 0;
    FIG_TRY(check_tokens(p, piece, file->path));
    if (p->split_by_name)
        p->split = file->placement == FIG__PLACE_VAL ? FIG_SPLIT_VAL : FIG_SPLIT_TRAIN;
    else if (p->split == FIG_SPLIT_TRAIN && p->n_seen + n > p->n_train_units) {
        head = (size_t)(p->n_train_units - p->n_seen);
        FIG_TRY(add_tokens(p, piece->tokens, head));
        if (starts && head) p->manifest.info.split[FIG_SPLIT_TRAIN].n_documents++;
        p->split = FIG_SPLIT_VAL;
    }
    if (starts && !head) p->manifest.info.split[p->split].n_documents++;
    p->n_seen += n;
    return add_tokens(p, piece->tokens + head, n - head);
}

static fig_status tokenise(prepare *p) {
    fig__piece piece;
    bool starts;
    FIG_TRY(fig_encoder_new(p->tok, FIG_ENCODE_SPECIALS, &p->encoder));
    for (;;) {
        FIG_TRY(fig__text_next(p->text, &piece, &starts));
        if (!piece.n) break;
        FIG_TRY(piece.tokens ? feed_tokens(p, &piece, starts) : feed_text(p, &piece, starts));
        report(p, "tokenise");
    }
    FIG_CHECK(p->ctx, p->n_seen == p->n_units, FIG_ERR_IO, "%s: changed while it was read; try again",
              p->options->paths[0]);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) FIG_TRY(fig__shard_writer_finish(&p->shards[i]));
    return FIG_OK;
}

/* --- the folder -------------------------------------------------------------------------------------------*/

static fig_status save_tokenizer(prepare *p) {
    char *path = fig__path_join(p->ctx, p->tmp_dir, "tokenizer.json");
    fig_status status = path ? fig_tokenizer_save(p->tok, path) : FIG_ERR_NOMEM;
    fig__free(p->ctx, path);
    return status;
}

/* What the tokenizer decides: the separator and how wide tokens are. */
static void set_up(prepare *p, uint64_t shard_tokens) {
    fig_dataset_info *info = &p->manifest.info;
    info->vocab_size = fig_tokenizer_vocab_size(p->tok);
    snprintf(info->tokenizer_sha256, sizeof info->tokenizer_sha256, "%s", fig_tokenizer_hash(p->tok));
    p->opens_with_bos = fig_tokenizer_wants_bos(p->tok) && fig_tokenizer_bos(p->tok) >= 0;
    int32_t eos = fig_tokenizer_eos(p->tok);
    info->separator = eos >= 0 ? eos : fig_tokenizer_id(p->tok, "\n", 1);
    if (p->opens_with_bos) info->separator = fig_tokenizer_bos(p->tok);
    p->manifest.val_fraction = p->options->val_fraction;
    p->manifest.token_bytes = info->vocab_size > 65536 ? 4 : 2;
    p->manifest.shard_tokens = shard_tokens;
    for (int i = 0; i < FIG_SPLIT_COUNT; i++)
        p->shards[i] = (fig__shard_writer){.ctx = p->ctx,
                                           .dir = p->tmp_dir,
                                           .split = (fig_data_split)i,
                                           .token_bytes = p->manifest.token_bytes,
                                           .shard_tokens = shard_tokens};
}

static void count_tokens(prepare *p) {
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        fig_split_info *split = &p->manifest.info.split[i];
        split->n_tokens = p->shards[i].n_tokens;
        split->target_bytes = split->bytes - FIG_MIN(split->bytes, p->first_bytes[i]);
    }
}

static fig_status build(prepare *p, uint64_t shard_tokens) {
    FIG_TRY(scan(p));
    FIG_TRY(list_sources(p));
    for (size_t i = 0; i < p->options->n_paths; i++) fig__origin_read(p->ctx, p->options->paths[i], &p->manifest.info);
    FIG_TRY(fig__partial_dir(p->ctx, p->options->out_dir, &p->tmp_dir));
    set_up(p, shard_tokens);
    FIG_TRY(tokenise(p));
    count_tokens(p);
    FIG_TRY(check_long_enough(p, &p->manifest.info));
    FIG_TRY(save_tokenizer(p));
    FIG_TRY(fig__manifest_save(p->ctx, p->tmp_dir, &p->manifest));
    return fig__dir_publish(p->ctx, p->tmp_dir, p->options->out_dir);
}

static void prepare_deinit(prepare *p, bool failed) {
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) fig__shard_writer_abort(&p->shards[i]);
    /* The message of the failure is what matters, not that of tidying up. */
    if (failed && p->tmp_dir) {
        char *message = fig__strdup(p->ctx, fig_error(p->ctx));
        fig_status code = fig_error_code(p->ctx);
        if (fig__dir_remove(p->ctx, p->tmp_dir) && message) FIG_FAIL(p->ctx, code, "%s", message);
        fig__free(p->ctx, message);
    }
    fig__free(p->ctx, p->tmp_dir);
    fig_encoder_free(p->encoder);
    fig_ids_free(p->ctx, &p->ids);
    fig__manifest_deinit(p->ctx, &p->manifest);
    fig_text_close(p->text);
}

fig_status fig__dataset_prepare_sharded(fig_context *ctx, const fig_dataset_options *options, uint64_t shard_tokens,
                                        fig_dataset_info *info) {
    fig_dataset_info unwanted;
    if (!info) info = &unwanted;
    *info = (fig_dataset_info){0};
    FIG_CHECK(ctx, options->tokenizer, FIG_ERR_ARG, "preparing data needs a tokenizer");
    FIG_CHECK(ctx, options->out_dir && *options->out_dir, FIG_ERR_ARG, "preparing data needs a folder to write to");
    FIG_CHECK(ctx, options->val_fraction >= 0 && options->val_fraction < 1, FIG_ERR_ARG,
              "val_fraction is %g; it should be 0 or more and less than 1", options->val_fraction);
    prepare p = {.ctx = ctx, .options = options, .tok = options->tokenizer};
    bool reused = false;
    fig_status status = fig_text_open(ctx, options->paths, options->n_paths, &p.text);
    if (!status) status = find_existing(&p, info, &reused);
    if (!status && reused) status = check_long_enough(&p, info);
    if (!status && !reused) {
        status = build(&p, shard_tokens);
        *info = p.manifest.info;
    }
    prepare_deinit(&p, status != FIG_OK);
    return status;
}

fig_status fig_dataset_prepare(fig_context *ctx, const fig_dataset_options *options, fig_dataset_info *info) {
    return fig__dataset_prepare_sharded(ctx, options, FIG__SHARD_TOKENS, info);
}
