/* media/text/write_hf.c: writing Hugging Face's tokenizer.json. Written as text, piece by piece: the layout stays as
 * below, and a vocabulary of any size costs no tree. Each form was chosen so that `tokenizers` reads it and encodes
 * alike; tests/golden/tokenizer has its answers. */
#include "media/text/tokenizer.h"
#include "media/text/utf8.h"

typedef struct writer {
    const fig_tokenizer *tok;
    fig__buf *out;
    fig__buf face; /* the token in hand, as the file shows it */
} writer;

/* A JSON string. Text must be UTF-8. */
static fig_status add_string(fig__buf *out, const char *s, size_t len) {
    FIG_CHECK(out->ctx, fig__utf8_valid(s, len) == len, FIG_ERR_UNSUPPORTED,
              "tokenizer: a token is not UTF-8, so tokenizer.json cannot hold it");
    FIG_TRY(fig__buf_addc(out, '"'));
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)s[i];
        if (c < 0x20 || c == 0x7F)
            FIG_TRY(fig__buf_printf(out, "\\u%04x", c));
        else {
            if (c == '"' || c == '\\') FIG_TRY(fig__buf_addc(out, '\\'));
            FIG_TRY(fig__buf_addc(out, s[i]));
        }
    }
    return fig__buf_addc(out, '"');
}

static fig_status set_face(writer *w, int32_t id) {
    size_t len;
    const char *bytes = fig__tok_bytes(w->tok, id, &len);
    uint32_t flags = w->tok->tokens.data[id].flags;
    fig__buf_clear(&w->face);
    if (flags & FIG_TOK_BYTE) return fig__buf_printf(&w->face, "<0x%02X>", (uint8_t)bytes[0]);
    if (flags & FIG_TOK_ADDED) return fig__buf_add(&w->face, bytes, len);
    if (w->tok->byte_level) return fig__bytelevel_encode(bytes, len, &w->face);
    for (size_t i = 0; i < len; i++)
        FIG_TRY(w->tok->metaspace && bytes[i] == ' ' ? fig__buf_adds(&w->face, "\xE2\x96\x81")
                                                     : fig__buf_addc(&w->face, bytes[i]));
    return FIG_OK;
}

static fig_status add_added(writer *w) {
    const char *comma = "";
    FIG_TRY(fig__buf_adds(w->out, "  \"added_tokens\": ["));
    for (size_t i = 0; i < w->tok->tokens.n; i++) {
        uint32_t flags = w->tok->tokens.data[i].flags;
        if (!(flags & FIG_TOK_ADDED)) continue;
        FIG_TRY(set_face(w, (int32_t)i));
        FIG_TRY(fig__buf_printf(w->out, "%s\n    {\"id\": %zu, \"content\": ", comma, i));
        FIG_TRY(add_string(w->out, fig__buf_str(&w->face), w->face.len));
        FIG_TRY(fig__buf_printf(
            w->out,
            ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": %s}",
            flags & FIG_TOK_SPECIAL ? "true" : "false"));
        comma = ",";
    }
    return fig__buf_printf(w->out, "%s],\n", *comma ? "\n  " : "");
}

#define BYTE_LEVEL "{\"type\": \"ByteLevel\", \"add_prefix_space\": %s, \"trim_offsets\": true, \"use_regex\": %s}"

static fig_status add_pre_tokenizer(writer *w) {
    const fig_tokenizer *tok = w->tok;
    const char *prefix = tok->prefix == FIG_PREFIX_IF_MISSING ? "true" : "false";
    FIG_TRY(fig__buf_adds(w->out, "  \"pre_tokenizer\": "));
    if (!tok->byte_level) return fig__buf_adds(w->out, "null,\n");
    bool gpt2 = tok->pattern && strcmp(tok->pattern, FIG_PATTERN_GPT2) == 0;
    if (gpt2 || !tok->pattern) return fig__buf_printf(w->out, BYTE_LEVEL ",\n", prefix, gpt2 ? "true" : "false");
    FIG_TRY(fig__buf_adds(
        w->out, "{\"type\": \"Sequence\", \"pretokenizers\": [\n    {\"type\": \"Split\", \"pattern\": {\"Regex\": "));
    FIG_TRY(add_string(w->out, tok->pattern, strlen(tok->pattern)));
    return fig__buf_printf(w->out, "}, \"behavior\": \"Isolated\", \"invert\": false},\n    " BYTE_LEVEL "]},\n",
                           prefix, "false");
}

/* Around the text of an spm tokenizer: a space in front and U+2581 for spaces; <s> before it; and all that undone. */
static const char spm_normalizer[] =
    "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [\n"
    "    {\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"},\n"
    "    {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]},\n";
static const char spm_processor[] =
    "  \"post_processor\": {\"type\": \"TemplateProcessing\",\n"
    "    \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", "
    "\"type_id\": 0}}],\n"
    "    \"pair\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": "
    "0}},\n"
    "             {\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 1}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": "
    "1}}],\n"
    "    \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [%d], \"tokens\": [\"<s>\"]}}},\n";
static const char spm_decoder[] =
    "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [\n"
    "    {\"type\": \"Replace\", \"pattern\": {\"String\": \"\xE2\x96\x81\"}, \"content\": \" \"},\n"
    "    {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"},\n"
    "    {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},\n";

static fig_status add_pipeline(writer *w) {
    bool spm = w->tok->metaspace;
    FIG_TRY(fig__buf_adds(w->out, spm ? spm_normalizer : "  \"normalizer\": null,\n"));
    FIG_TRY(add_pre_tokenizer(w));
    FIG_TRY(spm ? fig__buf_printf(w->out, spm_processor, w->tok->bos)
                : fig__buf_adds(w->out, "  \"post_processor\": null,\n"));
    if (spm) return fig__buf_adds(w->out, spm_decoder);
    /* Without a decoder `tokenizers` would put spaces between tokens. */
    if (!w->tok->byte_level) return fig__buf_adds(w->out, "  \"decoder\": {\"type\": \"Fuse\"},\n");
    return fig__buf_printf(w->out, "  \"decoder\": " BYTE_LEVEL ",\n", "true", "true");
}

static fig_status add_vocabulary(writer *w) {
    const char *comma = "";
    FIG_TRY(fig__buf_adds(w->out, "    \"vocab\": {"));
    for (size_t i = 0; i < w->tok->tokens.n; i++) {
        uint32_t flags = w->tok->tokens.data[i].flags;
        size_t len;
        const char *bytes = fig__tok_bytes(w->tok, (int32_t)i, &len);
        /* Of tokens with the same bytes only the first can ever be made. */
        bool shadowed = !(flags & (FIG_TOK_ADDED | FIG_TOK_BYTE)) && fig__tok_find(w->tok, bytes, len) != (int32_t)i;
        if (!(flags & FIG_TOK_USED) || shadowed) continue;
        FIG_TRY(set_face(w, (int32_t)i));
        FIG_TRY(fig__buf_printf(w->out, "%s\n      ", comma));
        FIG_TRY(add_string(w->out, fig__buf_str(&w->face), w->face.len));
        FIG_TRY(fig__buf_printf(w->out, ": %zu", i));
        comma = ",";
    }
    return fig__buf_adds(w->out, "\n    },\n");
}

static fig_status add_merges(writer *w) {
    fig__buf line;
    fig__buf_init(&line, w->tok->ctx, (size_t)8 * FIG_TOK_MAX_TOKEN);
    fig_status status = fig__buf_adds(w->out, "    \"merges\": [");
    for (size_t i = 0; i < w->tok->merges.n && !status; i++) {
        const fig__tok_merge *m = &w->tok->merges.data[i];
        fig__buf_clear(&line);
        status = set_face(w, m->left);
        if (!status) status = fig__buf_add(&line, w->face.data, w->face.len);
        if (!status) status = fig__buf_addc(&line, ' ');
        if (!status) status = set_face(w, m->right);
        if (!status) status = fig__buf_add(&line, w->face.data, w->face.len);
        if (!status) status = fig__buf_adds(w->out, i ? ",\n      " : "\n      ");
        if (!status) status = add_string(w->out, line.data, line.len);
    }
    fig__buf_deinit(&line);
    return status ? status : fig__buf_adds(w->out, w->tok->merges.n ? "\n    ]\n" : "]\n");
}

static fig_status add_model(writer *w) {
    const fig_tokenizer *tok = w->tok;
    FIG_TRY(fig__buf_adds(w->out, "  \"model\": {\n    \"type\": \"BPE\", \"dropout\": null, \"unk_token\": "));
    if (tok->unk >= 0) {
        FIG_TRY(set_face(w, tok->unk));
        FIG_TRY(add_string(w->out, fig__buf_str(&w->face), w->face.len));
    } else
        FIG_TRY(fig__buf_adds(w->out, "null"));
    FIG_TRY(fig__buf_printf(w->out,
                            ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null,\n"
                            "    \"fuse_unk\": %s, \"byte_fallback\": %s, \"ignore_merges\": %s,\n",
                            tok->metaspace ? "true" : "false", tok->metaspace ? "true" : "false",
                            tok->ignore_merges ? "true" : "false"));
    FIG_TRY(add_vocabulary(w));
    FIG_TRY(add_merges(w));
    return fig__buf_adds(w->out, "  }\n}\n");
}

static fig_status add_all(writer *w) {
    FIG_TRY(fig__buf_adds(w->out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"));
    FIG_TRY(add_added(w));
    FIG_TRY(add_pipeline(w));
    return add_model(w);
}

fig_status fig__tok_write_hf(const fig_tokenizer *tok, fig__buf *out) {
    writer w = {.tok = tok, .out = out};
    fig__buf_init(&w.face, tok->ctx, (size_t)4 * FIG_TOK_MAX_TOKEN);
    fig_status status = add_all(&w);
    fig__buf_deinit(&w.face);
    return status;
}
