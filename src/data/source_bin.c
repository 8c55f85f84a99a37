/* data/source_bin.c: files of tokens: llm.c's shards, and nanoGPT's bare uint16. */
#include "data/shard.h"
#include "data/source.h"

#define TOKENS_AT_ONCE (FIG__SOURCE_PIECE / 4)

static bool llmc_probe(const char *path, const char *head, size_t head_len) {
    (void)path;
    return fig__shard_is_header(head, head_len);
}

/* Nothing in such a file says what it is; the name is all there is. */
static bool nanogpt_probe(const char *path, const char *head, size_t head_len) {
    (void)head, (void)head_len;
    size_t n = strlen(path);
    return n > 4 && !strcmp(path + n - 4, ".bin");
}

static uint64_t file_bytes(fig__source *s) {
    long here = ftell(s->file), end = 0;
    bool known =
        here >= 0 && !fseek(s->file, 0, SEEK_END) && (end = ftell(s->file)) >= 0 && !fseek(s->file, here, SEEK_SET);
    return known ? (uint64_t)end : 0;
}

static fig_status llmc_open(fig__source *s) {
    uint64_t size = file_bytes(s);
    FIG_TRY(fig__source_fill(s, FIG__SHARD_HEADER_BYTES));
    fig__shard_head head;
    FIG_TRY(fig__shard_header(s->ctx, s->path, s->in.data, s->in.len, size, &head));
    s->token_bytes = head.token_bytes;
    s->n_tokens_left = head.n_tokens;
    s->pos = FIG__SHARD_HEADER_BYTES;
    return FIG_OK;
}

static fig_status nanogpt_open(fig__source *s) {
    uint64_t size = file_bytes(s);
    FIG_CHECK(s->ctx, size % 2 == 0, FIG_ERR_FORMAT,
              "%s: a .bin file without a header should hold 16-bit tokens, but has an odd number of bytes", s->path);
    s->token_bytes = 2;
    s->n_tokens_left = size / 2;
    return FIG_OK;
}

static fig_status bin_read(fig__source *s, fig__piece *piece) {
    size_t n = (size_t)FIG_MIN(s->n_tokens_left, TOKENS_AT_ONCE), width = (size_t)s->token_bytes;
    FIG_TRY(fig__source_fill(s, n * width));
    FIG_CHECK(s->ctx, fig__source_left(s) >= n * width, FIG_ERR_IO, "%s: changed while it was read", s->path);
    fig__buf_clear(&s->row);
    FIG_TRY(fig__buf_reserve(&s->row, n * sizeof(int32_t) + 1));
    int32_t *tokens = (int32_t *)(void *)s->row.data;
    if (width == 4 && n)
        memcpy(tokens, fig__source_at(s), n * width);
    else
        for (size_t i = 0; i < n; i++) {
            uint16_t v;
            memcpy(&v, fig__source_at(s) + i * width, sizeof v);
            tokens[i] = v;
        }
    s->pos += n * width;
    s->n_tokens_left -= n;
    *piece = (fig__piece){.tokens = tokens, .n = n, .ends_document = !s->n_tokens_left};
    return FIG_OK;
}

const fig__source_kind fig__source_llmc = {"llmc", true, llmc_probe, llmc_open, bin_read};
const fig__source_kind fig__source_nanogpt = {"nanogpt", true, nanogpt_probe, nanogpt_open, bin_read};
