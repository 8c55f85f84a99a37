/* media/text/encode.c: a text to ids, whole or in parts. */
#include "media/text/tokenizer.h"

/* Where the pieces of a splitter go. */
typedef struct sink {
    fig_tokenizer *tok;
    fig_ids *ids;
} sink;

static fig_status take_piece(void *arg, const char *piece, size_t len, int32_t added, uint64_t at) {
    sink *to = arg;
    if (added >= 0) return FIG_PUSH(to->tok->ctx, to->ids, added);
    return fig__bpe_encode(to->tok, piece, len, at, to->ids);
}

static fig_status push_end(fig_tokenizer *tok, bool wanted, int32_t id, fig_ids *ids) {
    return wanted && id >= 0 ? FIG_PUSH(tok->ctx, ids, id) : FIG_OK;
}

fig_status fig_tokenizer_encode(fig_tokenizer *tok, const char *text, size_t len, int flags, fig_ids *ids) {
    size_t n_before = ids->n;
    fig__split split;
    fig__split_init(&split, tok, flags & FIG_ENCODE_SPECIALS, take_piece, &(sink){tok, ids});
    fig_status status = push_end(tok, flags & FIG_ENCODE_BOS, tok->bos, ids);
    if (!status) status = fig__split_text(&split, text, len);
    if (!status) status = push_end(tok, flags & FIG_ENCODE_EOS, tok->eos, ids);
    fig__split_deinit(&split);
    if (status) ids->n = n_before;
    return status;
}

struct fig_encoder {
    sink to;
    fig__split split;
    int flags;
    bool begun;
};

fig_status fig_encoder_new(fig_tokenizer *tok, int flags, fig_encoder **out) {
    *out = NULL;
    fig_encoder *enc = FIG_NEW(tok->ctx, fig_encoder);
    if (!enc) return FIG_ERR_NOMEM;
    enc->to.tok = tok;
    enc->flags = flags;
    fig__split_init(&enc->split, tok, flags & FIG_ENCODE_SPECIALS, take_piece, &enc->to);
    *out = enc;
    return FIG_OK;
}

static fig_status begin(fig_encoder *enc, fig_ids *ids) {
    enc->to.ids = ids;
    bool first = !enc->begun;
    enc->begun = true;
    return push_end(enc->to.tok, first && (enc->flags & FIG_ENCODE_BOS), enc->to.tok->bos, ids);
}

fig_status fig_encoder_add(fig_encoder *enc, const char *text, size_t len, fig_ids *ids) {
    FIG_TRY(begin(enc, ids));
    return fig__split_add(&enc->split, text, len);
}

fig_status fig_encoder_finish(fig_encoder *enc, fig_ids *ids) {
    FIG_TRY(begin(enc, ids));
    enc->begun = false;
    FIG_TRY(fig__split_end(&enc->split));
    return push_end(enc->to.tok, enc->flags & FIG_ENCODE_EOS, enc->to.tok->eos, ids);
}

void fig_encoder_free(fig_encoder *enc) {
    if (!enc) return;
    fig__split_deinit(&enc->split);
    fig__free(enc->to.tok->ctx, enc);
}
