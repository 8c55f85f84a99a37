/* media/text/format_hf.c: reading Hugging Face's tokenizer.json, as far as it describes byte-pair encoding:
 *
 *   normalizer      none, NFC, the two that turn a space into U+2581 and put one in front
 *   pre_tokenizer   none, ByteLevel, Split by a pattern and then ByteLevel, Metaspace
 *   model           BPE
 *   post_processor  none, ByteLevel, TemplateProcessing (tells whether texts open with bos)
 *
 * Everything else is refused by name. The decoder follows from the rest; truncation and padding are no matter of the
 * vocabulary and are left to the caller. */
#include "base/json.h"
#include "media/text/tokenizer.h"

#define LOW_LINE "\xE2\x96\x81" /* U+2581, written for a space */

typedef struct reader {
    fig_tokenizer *tok;
    fig_context *ctx;
    bool byte_fallback;
    fig__buf bytes; /* the token in hand */
} reader;

static const char *str(const fig__json *object, const char *key) {
    return fig__json_str(fig__json_get(object, key), "");
}
static bool flag(const fig__json *object, const char *key, bool otherwise) {
    return fig__json_bool(fig__json_get(object, key), otherwise);
}
static bool is(const fig__json *object, const char *key, const char *value) {
    return strcmp(str(object, key), value) == 0;
}

static fig_status refuse(reader *r, const char *part, const fig__json *what) {
    return FIG_FAIL(r->ctx, FIG_ERR_UNSUPPORTED, "%s of type \"%s\" (or one of its settings) is not supported", part,
                    str(what, "type"));
}

static bool probe(const fig__tok_file *file) {
    const char *p = fig__buf_str(&file->first), *end = p + file->first.len;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) p++;
    return p < end && *p == '{' && memmem(p, (size_t)(end - p), "\"model\"", 7);
}

/* --- normalizer ---------------------------------------------------------------------------------------- */
static fig_status read_normalizer(reader *r, const fig__json *n) {
    if (fig__json_type(n) == FIG_JSON_NULL) return FIG_OK;
    if (is(n, "type", "Sequence")) {
        const fig__json *list = fig__json_get(n, "normalizers");
        for (size_t i = 0; i < fig__json_size(list); i++) {
            const fig__json *one = fig__json_at(list, i);
            if (is(one, "type", "Sequence")) return refuse(r, "normalizer", one);
            FIG_TRY(read_normalizer(r, one));
        }
        return FIG_OK;
    }
    if (is(n, "type", "NFC")) return r->tok->composes = true, FIG_OK;
    if (is(n, "type", "Prepend") && is(n, "prepend", LOW_LINE)) return r->tok->prefix = FIG_PREFIX_ALWAYS, FIG_OK;
    bool space = is(fig__json_get(n, "pattern"), "String", " ") && is(n, "content", LOW_LINE);
    if (is(n, "type", "Replace") && space) return r->tok->metaspace = true, FIG_OK;
    return refuse(r, "normalizer", n);
}

/* --- pre_tokenizer ------------------------------------------------------------------------------------- */
static fig_status read_split(reader *r, const fig__json *p) {
    const char *pattern = str(fig__json_get(p, "pattern"), "Regex");
    if (!*pattern || !is(p, "behavior", "Isolated") || flag(p, "invert", false) || r->tok->pattern)
        return refuse(r, "pre_tokenizer", p);
    return fig__tok_set_pattern(r->tok, pattern);
}

static fig_status read_bytelevel(reader *r, const fig__json *p) {
    bool prefix = flag(p, "add_prefix_space", true), regex = flag(p, "use_regex", true);
    if (r->tok->byte_level || (r->tok->pattern && (prefix || regex))) return refuse(r, "pre_tokenizer", p);
    r->tok->byte_level = true;
    r->tok->prefix = prefix ? FIG_PREFIX_IF_MISSING : FIG_PREFIX_NONE;
    return regex ? fig__tok_set_pattern(r->tok, FIG_PATTERN_GPT2) : FIG_OK;
}

static fig_status read_metaspace(reader *r, const fig__json *p) {
    const char *scheme = str(p, "prepend_scheme");
    if (!is(p, "replacement", LOW_LINE) || flag(p, "split", true) || r->tok->metaspace)
        return refuse(r, "pre_tokenizer", p);
    r->tok->metaspace = true;
    r->tok->prefix = strcmp(scheme, "never") == 0   ? FIG_PREFIX_NONE
                     : strcmp(scheme, "first") == 0 ? FIG_PREFIX_FIRST
                                                    : FIG_PREFIX_IF_MISSING;
    return FIG_OK;
}

static fig_status read_pre_tokenizer(reader *r, const fig__json *p) {
    if (fig__json_type(p) == FIG_JSON_NULL) return FIG_OK;
    if (is(p, "type", "ByteLevel")) return read_bytelevel(r, p);
    if (is(p, "type", "Metaspace")) return read_metaspace(r, p);
    if (is(p, "type", "Split")) return read_split(r, p);
    const fig__json *list = fig__json_get(p, "pretokenizers");
    if (!is(p, "type", "Sequence")) return refuse(r, "pre_tokenizer", p);
    for (size_t i = 0; i < fig__json_size(list); i++) {
        const fig__json *one = fig__json_at(list, i);
        if (is(one, "type", "Sequence")) return refuse(r, "pre_tokenizer", one);
        FIG_TRY(read_pre_tokenizer(r, one));
    }
    return FIG_OK;
}

/* --- model --------------------------------------------------------------------------------------------- */
/* <0xNN>, two capital hexadecimal digits. */
static bool byte_token(const char *s, size_t len, uint8_t *byte) {
    static const char digits[] = "0123456789ABCDEF";
    if (len != 6 || memcmp(s, "<0x", 3) || s[5] != '>') return false;
    const char *high = memchr(digits, s[3], 16), *low = memchr(digits, s[4], 16);
    if (!high || !low) return false;
    *byte = (uint8_t)((high - digits) << 4 | (low - digits));
    return true;
}

/* What a token of the file stands for. */
static fig_status token_bytes(const reader *r, const char *s, size_t len, fig__buf *bytes) {
    if (r->tok->byte_level) return fig__bytelevel_decode(s, len, bytes);
    fig__buf_clear(bytes);
    for (const char *end = s + len; s < end;) {
        bool space = r->tok->metaspace && end - s >= 3 && memcmp(s, LOW_LINE, 3) == 0;
        FIG_TRY(fig__buf_addc(bytes, space ? ' ' : *s));
        s += space ? 3 : 1;
    }
    return FIG_OK;
}

static fig_status add_token(void *arg, const char *key, size_t len, fig__json *value) {
    reader *r = arg;
    FIG_CHECK(r->ctx, fig__json_type(value) == FIG_JSON_INT, FIG_ERR_FORMAT,
              "model.vocab: the id of \"%s\" is no integer", key);
    uint8_t byte;
    if (r->byte_fallback && byte_token(key, len, &byte))
        return fig__tok_add(r->tok, fig__json_int(value, -1), (char *)&byte, 1, FIG_TOK_BYTE);
    FIG_TRY(token_bytes(r, key, len, &r->bytes));
    return fig__tok_add(r->tok, fig__json_int(value, -1), fig__buf_str(&r->bytes), r->bytes.len, 0);
}

static fig_status find_token(reader *r, const char *s, size_t len, int32_t *id) {
    FIG_TRY(token_bytes(r, s, len, &r->bytes));
    *id = fig__tok_find(r->tok, fig__buf_str(&r->bytes), r->bytes.len);
    return FIG_OK;
}

/* "left right", or since tokenizers 0.20 ["left", "right"]. */
static fig_status add_merge(reader *r, const fig__json *m, uint32_t rank) {
    const fig__json *a = fig__json_at(m, 0), *b = fig__json_at(m, 1);
    const char *left = fig__json_str(a, NULL), *right = fig__json_str(b, NULL), *line = fig__json_str(m, NULL);
    size_t n_left = fig__json_str_len(a), n_right = fig__json_str_len(b), n_line = fig__json_str_len(m);
    if (line) {
        const char *space = memchr(line, ' ', n_line);
        left = line, right = space ? space + 1 : NULL;
        n_left = space ? (size_t)(space - line) : 0;
        n_right = space ? n_line - n_left - 1 : 0;
    }
    FIG_CHECK(r->ctx, left && right, FIG_ERR_FORMAT, "model.merges: merge %u is not a pair of tokens", rank);
    int32_t x, y;
    FIG_TRY(find_token(r, left, n_left, &x));
    FIG_TRY(find_token(r, right, n_right, &y));
    FIG_CHECK(r->ctx, x >= 0 && y >= 0, FIG_ERR_FORMAT,
              "model.merges: merge %u names a token that is not in the vocabulary", rank);
    return fig__tok_add_merge(r->tok, x, y, rank);
}

static fig_status check_model(reader *r, const fig__json *model) {
    const char *type = fig__json_str(fig__json_get(model, "type"), "BPE");
    FIG_CHECK(r->ctx, strcmp(type, "BPE") == 0, FIG_ERR_UNSUPPORTED,
              "model of type \"%s\" is not supported; only BPE is", type);
    FIG_CHECK(r->ctx, fig__json_type(fig__json_get(model, "vocab")) == FIG_JSON_OBJECT, FIG_ERR_FORMAT,
              "model.vocab: there is none");
    FIG_CHECK(r->ctx, !*str(model, "continuing_subword_prefix") && !*str(model, "end_of_word_suffix"),
              FIG_ERR_UNSUPPORTED, "model with subword prefix or word suffix is not supported");
    FIG_CHECK(r->ctx, fig__json_real(fig__json_get(model, "dropout"), 0) == 0, FIG_ERR_UNSUPPORTED,
              "model with dropout is not supported");
    return FIG_OK;
}

static fig_status read_model(reader *r, const fig__json *model) {
    FIG_TRY(check_model(r, model));
    r->byte_fallback = flag(model, "byte_fallback", false);
    r->tok->ignore_merges = flag(model, "ignore_merges", false);
    FIG_TRY(fig__json_each(fig__json_get(model, "vocab"), add_token, r));
    FIG_TRY(fig__tok_index(r->tok));
    const fig__json *merges = fig__json_get(model, "merges");
    for (size_t i = 0; i < fig__json_size(merges); i++) FIG_TRY(add_merge(r, fig__json_at(merges, i), (uint32_t)i));
    return FIG_OK;
}

/* After the added tokens, because <unk> may be one. Where every byte has a token it is never used. */
static fig_status read_unk(reader *r, const fig__json *model) {
    const char *name = str(model, "unk_token");
    if (!*name) return FIG_OK;
    for (size_t i = 0; i < r->tok->tokens.n && r->tok->unk < 0; i++) {
        size_t len;
        const char *bytes = fig__tok_bytes(r->tok, (int32_t)i, &len);
        if (len == strlen(name) && memcmp(bytes, name, len) == 0) r->tok->unk = (int32_t)i;
    }
    FIG_CHECK(r->ctx, r->tok->unk >= 0, FIG_ERR_FORMAT, "model.unk_token: \"%s\" is not in the vocabulary", name);
    bool fuses = flag(model, "fuse_unk", false) && !r->byte_fallback && !r->tok->byte_level;
    FIG_CHECK(r->ctx, !fuses, FIG_ERR_UNSUPPORTED, "model with fuse_unk is not supported");
    return FIG_OK;
}

/* --- the rest ------------------------------------------------------------------------------------------ */
static fig_status read_added(reader *r, const fig__json *list) {
    for (size_t i = 0; i < fig__json_size(list); i++) {
        const fig__json *t = fig__json_at(list, i), *content = fig__json_get(t, "content");
        bool plain = !flag(t, "single_word", false) && !flag(t, "lstrip", false) && !flag(t, "rstrip", false);
        FIG_CHECK(r->ctx, plain, FIG_ERR_UNSUPPORTED,
                  "added token \"%s\" strips spaces or wants whole words; that is not supported", str(t, "content"));
        uint32_t flags = FIG_TOK_ADDED | (flag(t, "special", false) ? FIG_TOK_SPECIAL : 0);
        FIG_TRY(fig__tok_add(r->tok, fig__json_int(fig__json_get(t, "id"), -1), fig__json_str(content, ""),
                             fig__json_str_len(content), flags));
    }
    return FIG_OK;
}

static fig_status read_post_processor(reader *r, const fig__json *p) {
    if (fig__json_type(p) == FIG_JSON_NULL || is(p, "type", "ByteLevel")) return FIG_OK;
    if (is(p, "type", "Sequence")) {
        const fig__json *list = fig__json_get(p, "processors");
        for (size_t i = 0; i < fig__json_size(list); i++) {
            if (is(fig__json_at(list, i), "type", "Sequence")) return refuse(r, "post_processor", p);
            FIG_TRY(read_post_processor(r, fig__json_at(list, i)));
        }
        return FIG_OK;
    }
    if (!is(p, "type", "TemplateProcessing")) return refuse(r, "post_processor", p);
    const char *name = str(fig__json_get(fig__json_at(fig__json_get(p, "single"), 0), "SpecialToken"), "id");
    for (size_t i = 0; *name && i < r->tok->tokens.n; i++) {
        size_t len;
        const char *bytes = fig__tok_bytes(r->tok, (int32_t)i, &len);
        bool it_is =
            (r->tok->tokens.data[i].flags & FIG_TOK_ADDED) && len == strlen(name) && memcmp(bytes, name, len) == 0;
        if (it_is) r->tok->bos = (int32_t)i, r->tok->wants_bos = true;
    }
    return FIG_OK;
}

/* The byte kind is a byte-level one without pattern and merges, whose ids are the bytes. */
static fig_tokenizer_kind kind_of(const fig_tokenizer *tok) {
    if (!tok->byte_level && tok->metaspace) return FIG_TOKENIZER_SPM;
    if (!tok->byte_level && !tok->merges.n && !tok->pattern) return FIG_TOKENIZER_CHAR;
    bool bytes = tok->byte_level && !tok->merges.n && !tok->pattern && tok->tokens.n >= 256;
    for (int i = 0; bytes && i < 256; i++) bytes = fig__tok_find(tok, &(char){(char)i}, 1) == i;
    for (size_t i = 256; bytes && i < tok->tokens.n; i++) bytes = (tok->tokens.data[i].flags & FIG_TOK_ADDED) != 0;
    return bytes ? FIG_TOKENIZER_BYTE : FIG_TOKENIZER_BPE;
}

static fig_status fill(reader *r, const fig__json *root) {
    const fig__json *model = fig__json_get(root, "model");
    FIG_CHECK(r->ctx, fig__json_type(model) == FIG_JSON_OBJECT, FIG_ERR_FORMAT, "no model; is this a tokenizer.json?");
    FIG_TRY(read_normalizer(r, fig__json_get(root, "normalizer")));
    FIG_TRY(read_pre_tokenizer(r, fig__json_get(root, "pre_tokenizer")));
    if (r->tok->byte_level ? r->tok->metaspace : r->tok->prefix && !r->tok->metaspace)
        return FIG_FAIL(r->ctx, FIG_ERR_UNSUPPORTED, "this mix of normalizer and pre_tokenizer is not supported");
    FIG_TRY(read_model(r, model));
    FIG_TRY(read_added(r, fig__json_get(root, "added_tokens")));
    FIG_TRY(read_unk(r, model));
    FIG_TRY(read_post_processor(r, fig__json_get(root, "post_processor")));
    r->tok->kind = kind_of(r->tok);
    return FIG_OK;
}

static fig_status open_hf(const fig__tok_file *file, fig_tokenizer *tok) {
    reader r = {.tok = tok, .ctx = tok->ctx};
    fig__json *root;
    FIG_TRY(fig__json_parse(r.ctx, "JSON", fig__buf_str(&file->first), file->first.len, &root));
    fig__buf_init(&r.bytes, r.ctx, FIG_TOK_MAX_FILE);
    fig_status status = fill(&r, root);
    fig__json_free(root);
    fig__buf_deinit(&r.bytes);
    return status ? status : fig__buf_add(&tok->source, file->first.data, file->first.len);
}

const fig__tok_format fig__tok_format_hf = {"tokenizer.json", probe, NULL, open_hf};
