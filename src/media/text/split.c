/* media/text/split.c: a text to pieces, whole or in parts.
 *
 *   text     |<- added token ->|   stretch   |<- added token ->|      (added tokens are looked for first)
 *   stretch  |   run of well-formed UTF-8   |x|x|   run   |           (x: a byte that is not UTF-8, a piece of its own)
 *   run      |piece| piece|piece| ...                                 (by pattern, or where no merge reaches across)
 *
 * Works on windows. A window that is not the last one is open: nothing is decided that the bytes behind it could
 * still change; what is left is looked at again with the next window. So pieces never depend on where the text was
 * cut, and a piece that would not end is ended after FIG_TOK_MAX_PIECE bytes. */
#include "media/text/nfc.h"
#include "media/text/tokenizer.h"
#include "media/text/utf8.h"

enum {
    WINDOW = 4 * FIG_TOK_MAX_PIECE,
    AHEAD = 64,      /* bytes behind a cut piece that must be there, so that every window cuts it alike */
    STEP = 64 << 10, /* bytes that come together before an open end is looked at again */
};

void fig__split_init(fig__split *s, fig_tokenizer *tok, bool specials, fig__piece_fn *fn, void *arg) {
    *s = (fig__split){.tok = tok, .fn = fn, .arg = arg, .specials = specials, .at_start = true, .at_first = true};
    /* An open end is at most a piece, what is ahead of it, and an added token. */
    fig__buf_init(&s->carry, tok->ctx, 2 * WINDOW);
    fig__buf_init(&s->prefixed, tok->ctx, WINDOW);
    fig__buf_init(&s->raw, tok->ctx, WINDOW);
    fig__buf_init(&s->composed, tok->ctx, 4 * WINDOW); /* some characters compose to three */
}

void fig__split_deinit(fig__split *s) {
    fig__buf_deinit(&s->carry);
    fig__buf_deinit(&s->prefixed);
    fig__buf_deinit(&s->raw);
    fig__buf_deinit(&s->composed);
}

/* --- pieces of a run ----------------------------------------------------------------------------------- */
static size_t cut(const char *text, size_t len) {
    return len <= FIG_TOK_MAX_PIECE ? len : fig__utf8_floor(text, FIG_TOK_MAX_PIECE);
}

/* The length of the first piece of a run; 0: it depends on what follows. */
static fig_status piece_by_pattern(fig__regex *re, const char *text, size_t len, bool open, size_t *n) {
    fig__match found;
    size_t start = 0, end = 0;
    FIG_TRY(fig__regex_match(re, text, len, open, &found, &start, &end));
    if (open && found != FIG_MATCH) {
        *n = 0;
        if (len <= FIG_TOK_MAX_PIECE + AHEAD) return FIG_OK;
        FIG_TRY(fig__regex_match(re, text, len, false, &found, &start, &end));
    }
    /* What the pattern leaves out between two matches is a piece too. */
    *n = cut(text, found != FIG_MATCH ? len : start > 0 ? start : end);
    return FIG_OK;
}

static size_t piece_by_merges(const fig_tokenizer *tok, const char *text, size_t len, bool open) {
    const uint8_t *p = (const uint8_t *)text;
    size_t n = 1, most = FIG_MIN(len, FIG_TOK_MAX_PIECE);
    if (!tok->merges.n) return cut(text, len);
    for (; n < most; n++) {
        unsigned pair = p[n - 1] * 256u + p[n];
        bool joined = tok->adjacent[pair / 64] >> pair % 64 & 1;
        if (!joined && (tok->byte_level || (p[n] & 0xC0) != 0x80)) return n;
    }
    if (n == len) return open ? 0 : n;
    return cut(text, len);
}

static fig_status next_piece(const fig__split *s, const char *text, size_t len, bool open, size_t *n) {
    if (s->tok->regex) return piece_by_pattern(s->tok->regex, text, len, open, n);
    *n = piece_by_merges(s->tok, text, len, open);
    return FIG_OK;
}

static fig_status split_run(fig__split *s, const char *text, size_t len, bool open, size_t *used) {
    size_t pos = 0, n;
    while (pos < len) {
        FIG_TRY(next_piece(s, text + pos, len - pos, open, &n));
        if (!n) break;
        FIG_TRY(s->fn(s->arg, text + pos, n, -1, s->offset));
        pos += n;
        s->offset += n;
    }
    *used = pos;
    return FIG_OK;
}

/* --- stretches ----------------------------------------------------------------------------------------- */
static bool needs_prefix(const fig__split *s, const char *text) {
    switch (s->tok->prefix) {
    case FIG_PREFIX_NONE: return false;
    case FIG_PREFIX_ALWAYS: return true;
    case FIG_PREFIX_IF_MISSING: return text[0] != ' ';
    case FIG_PREFIX_FIRST: return s->at_first && text[0] != ' ';
    }
    return false;
}

/* The first piece of a run with a space in front. *used counts bytes of text; *done is false when more is needed. */
static fig_status split_prefixed(fig__split *s, const char *text, size_t len, bool open, size_t *used, bool *done) {
    size_t most = len <= FIG_TOK_MAX_PIECE + 2 * AHEAD ? len : fig__utf8_floor(text, FIG_TOK_MAX_PIECE + 2 * AHEAD), n;
    fig__buf_clear(&s->prefixed);
    FIG_TRY(fig__buf_addc(&s->prefixed, ' '));
    FIG_TRY(fig__buf_add(&s->prefixed, text, most));
    FIG_TRY(next_piece(s, s->prefixed.data, s->prefixed.len, open || most < len, &n));
    *done = n > 0;
    *used = n ? n - 1 : 0;
    if (n) FIG_TRY(s->fn(s->arg, s->prefixed.data, n, -1, s->offset - 1));
    s->offset += *used;
    return FIG_OK;
}

static fig_status start_stretch(fig__split *s, const char *text, size_t run, bool open, size_t *used, bool *done) {
    *used = 0;
    *done = true;
    if (needs_prefix(s, text)) FIG_TRY(split_prefixed(s, text, run, open, used, done));
    if (*done) s->at_start = s->at_first = false;
    return FIG_OK;
}

/* Uses as much of a stretch as can be decided. */
static fig_status split_stretch(fig__split *s, const char *text, size_t len, bool open, size_t *used) {
    size_t pos = 0, n, bad;
    while (pos < len) {
        size_t run = fig__utf8_valid(text + pos, len - pos), end = pos + run;
        bool partial = end < len && fig__utf8_next(text + end, len - end, &bad) == FIG_UTF8_PARTIAL;
        bool run_open = open && (end == len || partial);
        if (s->at_start && (run || !run_open)) {
            bool done;
            FIG_TRY(start_stretch(s, text + pos, run, run_open, &n, &done));
            pos += n;
            if (!done) break;
        }
        FIG_TRY(split_run(s, text + pos, end - pos, run_open, &n));
        pos += n;
        if (run_open || pos == len) break;
        FIG_TRY(s->fn(s->arg, text + pos, 1, -1, s->offset));
        pos++, s->offset++, s->n_invalid++;
    }
    *used = pos;
    return FIG_OK;
}

/* --- added tokens -------------------------------------------------------------------------------------- */
static int32_t added_at(const fig__split *s, const char *text, size_t len) {
    const fig_tokenizer *tok = s->tok;
    for (size_t i = 0; i < tok->added.n; i++) {
        const fig__tok_entry *e = &tok->tokens.data[tok->added.data[i]];
        bool wanted = s->specials || !(e->flags & FIG_TOK_SPECIAL);
        if (wanted && e->len <= len && memcmp(fig__buf_str(&tok->text) + e->at, text, e->len) == 0)
            return tok->added.data[i];
    }
    return -1;
}

/* The first added token that begins before `reach`, the longest of those at one place; reach when there is none. */
static size_t find_added(const fig__split *s, const char *text, size_t reach, size_t len, int32_t *id) {
    *id = -1;
    if (!s->tok->added.n) return reach;
    for (size_t i = 0; i < reach; i++) {
        if (!s->tok->added_starts[(uint8_t)text[i]]) continue;
        *id = added_at(s, text + i, len - i);
        if (*id >= 0) return i;
    }
    return reach;
}

/* --- windows ------------------------------------------------------------------------------------------- */
static fig_status split_window(fig__split *s, const char *text, size_t len, bool open, size_t *used) {
    /* An added token that begins behind `reach` might be longer than what is there. */
    size_t hidden = open && s->tok->added.n ? s->tok->max_added - 1 : 0, reach = len - FIG_MIN(len, hidden), pos = 0, n;
    while (pos < reach) {
        int32_t id;
        size_t end = pos + find_added(s, text + pos, reach - pos, len - pos, &id);
        bool stretch_open = open && id < 0;
        FIG_TRY(split_stretch(s, text + pos, end - pos, stretch_open, &n));
        pos += n;
        if (id < 0) break;
        size_t added_len = s->tok->tokens.data[id].len;
        FIG_TRY(s->fn(s->arg, text + pos, added_len, id, s->offset));
        pos += added_len;
        s->offset += added_len;
        s->at_start = true;
        s->at_first = false;
    }
    *used = pos;
    return FIG_OK;
}

static void ended(fig__split *s) {
    s->offset = 0;
    s->at_start = s->at_first = true;
}

static fig_status split_carry(fig__split *s, bool open) {
    size_t used;
    FIG_TRY(split_window(s, fig__buf_str(&s->carry), s->carry.len, open, &used));
    if (!used) return FIG_OK;
    memmove(s->carry.data, s->carry.data + used, s->carry.len - used + 1);
    s->carry.len -= used;
    return FIG_OK;
}

static fig_status add_carry(fig__split *s, const char *text, size_t len) {
    while (len > 0) {
        size_t n = FIG_MIN(len, STEP - s->carry.len % STEP);
        FIG_TRY(fig__buf_add(&s->carry, text, n));
        text += n;
        len -= n;
        if (s->carry.len % STEP == 0) FIG_TRY(split_carry(s, true));
    }
    return FIG_OK;
}

/* --- texts --------------------------------------------------------------------------------------------- */
/* Composes what can be composed without knowing what follows; all of it when the text ends. */
static fig_status add_composed(fig__split *s, bool ends) {
    size_t n = ends ? s->raw.len : fig__nfc_cut(fig__buf_str(&s->raw), s->raw.len);
    bool too_long = !n && s->raw.len > FIG_TOK_MAX_PIECE; /* marks upon marks, and no end */
    if (too_long) n = fig__utf8_floor(s->raw.data, FIG_TOK_MAX_PIECE);
    if (!n) return FIG_OK;
    fig__buf_clear(&s->composed);
    FIG_TRY(fig__nfc(s->raw.data, n, &s->composed));
    memmove(s->raw.data, s->raw.data + n, s->raw.len - n + 1);
    s->raw.len -= n;
    return add_carry(s, fig__buf_str(&s->composed), s->composed.len);
}

fig_status fig__split_add(fig__split *s, const char *text, size_t len) {
    if (!s->tok->composes) return add_carry(s, text, len);
    for (size_t i = 0, n; i < len; i += n) {
        n = FIG_MIN(len - i, (size_t)STEP);
        FIG_TRY(fig__buf_add(&s->raw, text + i, n));
        FIG_TRY(add_composed(s, false));
    }
    return FIG_OK;
}

fig_status fig__split_end(fig__split *s) {
    fig_status status = add_composed(s, true);
    if (!status) status = split_carry(s, false);
    fig__buf_clear(&s->raw);
    fig__buf_clear(&s->carry);
    ended(s);
    return status;
}

fig_status fig__split_text(fig__split *s, const char *text, size_t len) {
    if (s->tok->composes && !fig__nfc_is_plain(text, len)) {
        FIG_TRY(fig__split_add(s, text, len));
        return fig__split_end(s);
    }
    size_t pos = 0, n;
    fig_status status = FIG_OK;
    for (bool open = true; open && !status; pos += n) {
        open = len - pos > WINDOW;
        status = split_window(s, text + pos, open ? WINDOW : len - pos, open, &n);
    }
    ended(s);
    return status;
}
