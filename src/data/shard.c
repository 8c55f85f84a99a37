/* data/shard.c: llm.c's token files (dev/data/data_common.py there): a header of 256 int32, then tokens. */
#include "data/shard.h"

#define MAGIC_U16 20240520
#define VERSION_U16 1
#define MAGIC_U32 20240801
#define VERSION_U32 7

static int32_t head_field(const void *head, size_t i) {
    int32_t v;
    memcpy(&v, (const char *)head + i * sizeof v, sizeof v);
    return v;
}

bool fig__shard_is_header(const void *head, size_t head_len) {
    return head_len >= 4 && (head_field(head, 0) == MAGIC_U16 || head_field(head, 0) == MAGIC_U32);
}

fig_status fig__shard_header(fig_context *ctx, const char *name, const void *head, size_t head_len, uint64_t file_bytes,
                             fig__shard_head *out) {
    FIG_CHECK(ctx, head_len >= FIG__SHARD_HEADER_BYTES && fig__shard_is_header(head, head_len), FIG_ERR_FORMAT,
              "%s: no token file: its header is missing or cut short", name);
    int32_t magic = head_field(head, 0), version = head_field(head, 1), count = head_field(head, 2);
    /* Some writers put version 7 behind the older magic for 32-bit tokens. */
    FIG_CHECK(ctx, version == VERSION_U32 || (magic == MAGIC_U16 && version == VERSION_U16), FIG_ERR_UNSUPPORTED,
              "%s: token file of version %d; 1 (uint16) and 7 (uint32) are read", name, version);
    out->token_bytes = version == VERSION_U32 ? 4 : 2;
    FIG_CHECK(ctx, count >= 0 && file_bytes == FIG__SHARD_HEADER_BYTES + (uint64_t)count * (uint64_t)out->token_bytes,
              FIG_ERR_FORMAT, "%s: the header says %d tokens, the file has room for %llu; is it cut short?", name,
              count, (unsigned long long)(file_bytes - FIG__SHARD_HEADER_BYTES) / (unsigned)out->token_bytes);
    out->n_tokens = (uint64_t)count;
    return FIG_OK;
}

char *fig__shard_path(fig_context *ctx, const char *dir, fig_data_split split, uint64_t index) {
    char name[64];
    snprintf(name, sizeof name, "%s-%05llu.bin", fig_split_name(split), (unsigned long long)index);
    return fig__path_join(ctx, dir, name);
}

static fig_status open_shard(fig__shard_writer *w) {
    char *path = fig__shard_path(w->ctx, w->dir, w->split, w->n_tokens / w->shard_tokens);
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__writer_open(w->ctx, path, &w->file);
    fig__free(w->ctx, path);
    if (status) return status;
    static const char zeros[FIG__SHARD_HEADER_BYTES];
    fig__writer_add(w->file, zeros, sizeof zeros);
    return FIG_OK;
}

static fig_status close_shard(fig__shard_writer *w) {
    bool wide = w->token_bytes == 4;
    int32_t count = (int32_t)((w->n_tokens - 1) % w->shard_tokens + 1);
    int32_t head[3] = {wide ? MAGIC_U32 : MAGIC_U16, wide ? VERSION_U32 : VERSION_U16, count};
    fig__writer_patch(w->file, 0, head, sizeof head);
    fig__writer *file = w->file;
    w->file = NULL;
    return fig__writer_commit(file);
}

static void write_tokens(fig__shard_writer *w, const int32_t *tokens, size_t n) {
    uint16_t narrow[4096];
    if (w->token_bytes == 4) {
        fig__writer_add(w->file, tokens, n * sizeof *tokens);
        return;
    }
    while (n) {
        size_t part = FIG_MIN(n, FIG_COUNT(narrow));
        for (size_t i = 0; i < part; i++) narrow[i] = (uint16_t)tokens[i];
        fig__writer_add(w->file, narrow, part * sizeof *narrow);
        tokens += part;
        n -= part;
    }
}

fig_status fig__shard_writer_add(fig__shard_writer *w, const int32_t *tokens, size_t n) {
    while (n) {
        if (!w->file) FIG_TRY(open_shard(w));
        size_t part = (size_t)FIG_MIN(n, w->shard_tokens - w->n_tokens % w->shard_tokens);
        write_tokens(w, tokens, part);
        w->n_tokens += part;
        tokens += part;
        n -= part;
        if (w->n_tokens % w->shard_tokens == 0) FIG_TRY(close_shard(w));
    }
    return FIG_OK;
}

fig_status fig__shard_writer_finish(fig__shard_writer *w) { return w->file ? close_shard(w) : FIG_OK; }

void fig__shard_writer_abort(fig__shard_writer *w) {
    fig__writer_abort(w->file);
    w->file = NULL;
}
