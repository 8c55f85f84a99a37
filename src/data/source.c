/* data/source.c: the table of layouts and what they share: reading ahead, hashing, closing. */
#include "data/source.h"
#include <errno.h>

/* Asked in this order; text takes whatever is not binary, so it comes last. */
const fig__source_kind *const fig__source_kinds[] = {
    &fig__source_llmc, &fig__source_nanogpt, &fig__source_jsonl, &fig__source_text, NULL,
};

const fig__source_kind *fig__source_kind_find(const char *name) {
    for (size_t i = 0; fig__source_kinds[i]; i++)
        if (!strcmp(fig__source_kinds[i]->name, name)) return fig__source_kinds[i];
    return NULL;
}

fig_status fig__source_open(fig__source *s) {
    fig__buf_init(&s->in, s->ctx, FIG__SOURCE_MAX_ROW + 2 * FIG__SOURCE_PIECE);
    fig__buf_init(&s->row, s->ctx, FIG__SOURCE_MAX_ROW);
    if (s->hash && !(s->sha = fig__sha256_new(s->ctx))) return FIG_ERR_NOMEM;
    return s->kind->open ? s->kind->open(s) : FIG_OK;
}

void fig__source_close(fig__source *s) {
    if (s->file) fclose(s->file);
    fig__sha256_free(s->sha);
    fig__buf_deinit(&s->in);
    fig__buf_deinit(&s->row);
    *s = (fig__source){0};
}

fig_status fig__source_fill(fig__source *s, size_t n) {
    if (s->pos) {
        s->in.len -= s->pos;
        memmove(s->in.data, s->in.data + s->pos, s->in.len);
        s->pos = 0;
    }
    if (s->in.len >= n || s->at_end) return FIG_OK;
    size_t want = n - s->in.len;
    FIG_TRY(fig__buf_reserve(&s->in, want));
    size_t got = fread(s->in.data + s->in.len, 1, want, s->file);
    if (s->sha) fig__sha256_add(s->sha, s->in.data + s->in.len, got);
    s->in.len += got;
    s->in.data[s->in.len] = 0;
    s->offset += got;
    /* Look one byte further, so that the last piece knows that it is the last. */
    int next = got < want ? EOF : getc(s->file);
    if (next != EOF) ungetc(next, s->file);
    s->at_end = next == EOF;
    FIG_CHECK(s->ctx, !ferror(s->file), FIG_ERR_IO, "%s: cannot be read: %s", s->path, strerror(errno));
    return FIG_OK;
}

fig_status fig__hash_file(fig_context *ctx, const char *path, char out[65]) {
    fig__mapping map;
    FIG_TRY(fig__file_map(ctx, path, &map));
    fig__sha256 *sha = fig__sha256_new(ctx);
    if (sha) {
        fig__sha256_add(sha, map.data, map.size);
        fig__sha256_hex(sha, out);
    }
    fig__sha256_free(sha);
    fig__file_unmap(&map);
    return sha ? FIG_OK : FIG_ERR_NOMEM;
}
