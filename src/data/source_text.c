/* data/source_text.c: any file of text; one file is one document. */
#include "data/chars.h"
#include "data/source.h"

static bool text_probe(const char *path, const char *head, size_t head_len) {
    (void)path;
    return !fig__chars_look_binary(head, head_len);
}

static fig_status text_read(fig__source *s, fig__piece *piece) {
    FIG_TRY(fig__source_fill(s, FIG__SOURCE_PIECE));
    size_t left = fig__source_left(s);
    piece->text = fig__source_at(s);
    piece->n = s->at_end ? left : fig__chars_whole(piece->text, left);
    piece->ends_document = s->at_end;
    s->pos += piece->n;
    return FIG_OK;
}

const fig__source_kind fig__source_text = {"text", false, text_probe, NULL, text_read};
