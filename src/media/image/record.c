/* media/image/record.c: see record.h. */
#include "media/image/record.h"
#include "base/map.h"

#define TEXT_MAX FIG__RECORD_MAX_BYTES
#define ENTRY_MAX ((size_t)8192) /* bytes that a picture of the history may take, so that all of them fit */

/* Extensible Metadata Platform, ISO 16684-1; the property is of IPTC Photo Metadata 2021. The mark of byte order in the
 * first line belongs there, and as it is no ASCII, it makes the packet an iTXt of a PNG, as it must be. */
const char fig__record_xmp[] = "<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
                               "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
                               " <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
                               "  <rdf:Description rdf:about=\"\"\n"
                               "    xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"\n"
                               "    xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n"
                               "    Iptc4xmpExt:DigitalSourceType="
                               "\"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia\"\n"
                               "    xmp:CreatorTool=\"figment " FIG_VERSION_STRING "\"/>\n"
                               " </rdf:RDF>\n"
                               "</x:xmpmeta>\n"
                               "<?xpacket end=\"r\"?>";

/* --- JSON -------------------------------------------------------------------------------------------------------*/

static fig_status put_text(fig__json *to, const char *key, const char *text) {
    return text ? fig__json_put(to, key, fig__json_new_str(text)) : FIG_OK;
}
static fig_status put_int(fig__json *to, const char *key, int64_t v) {
    return v >= 0 ? fig__json_put(to, key, fig__json_new_int(v)) : FIG_OK;
}
/* Another reference to a borrowed one. */
static fig_status put_borrowed(fig__json *to, const char *key, const fig__json *value) {
    if (!fig__json_size(value)) return FIG_OK;
    return fig__json_put(to, key, fig__json_ref((fig__json *)(uintptr_t)value));
}

static fig_status put_all(fig__json *to, const fig__record *r) {
    FIG_TRY(put_text(to, "software", "figment"));
    FIG_TRY(put_text(to, "version", FIG_VERSION_STRING));
    FIG_TRY(put_text(to, "prompt", r->prompt));
    FIG_TRY(put_text(to, "negative_prompt", r->negative_prompt));
    FIG_TRY(put_int(to, "seed", r->seed));
    FIG_TRY(put_int(to, "sample", r->sample));
    FIG_TRY(put_int(to, "steps", r->steps));
    if (r->guidance >= 0) FIG_TRY(fig__json_put(to, "guidance", fig__json_new_real(r->guidance)));
    FIG_TRY(put_text(to, "sampler", r->sampler));
    FIG_TRY(put_text(to, "model", r->model));
    FIG_TRY(put_text(to, "model_hash", r->model_hash));
    if (r->w) FIG_TRY(put_int(to, "width", (int64_t)r->w));
    if (r->h) FIG_TRY(put_int(to, "height", (int64_t)r->h));
    FIG_TRY(put_borrowed(to, "settings", r->settings));
    return put_borrowed(to, "history", r->history);
}

fig_status fig__record_json(fig_context *ctx, const fig__record *record, fig__json **out) {
    *out = fig__json_new_object();
    fig_status status = *out ? put_all(*out, record) : FIG_ERR_NOMEM;
    if (!status) return FIG_OK;
    fig__json_free(*out);
    *out = NULL;
    return FIG_FAIL(ctx, status, "the record of a picture: out of memory");
}

/* --- the text that other programs read --------------------------------------------------------------------------*/

static const char negative[] = "Negative prompt:";

/* One character of a prompt, or the line's beginning that other programs would take for something else. */
static fig_status add_prompt_part(fig__buf *out, const char **s, bool line_start) {
    size_t len = sizeof negative - 1;
    if (line_start && !strncmp(*s, negative, len)) {
        *s += len;
        return fig__buf_adds(out, "Negative\xc2\xa0prompt:");
    }
    char c = *(*s)++;
    bool control = ((uint8_t)c < 0x20 && c != '\n') || c == 0x7f;
    return fig__buf_addc(out, control ? ' ' : c);
}

static fig_status add_prompt_lines(fig__buf *out, const char *s) {
    bool line_start = true;
    while (*s) {
        if (*s == '\r' && s[1] == '\n') s++;
        FIG_TRY(add_prompt_part(out, &s, line_start));
        char last = out->data[out->len - 1];
        line_start = last == '\n' || (line_start && last == ' ');
    }
    while (out->len && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '\n')) out->data[--out->len] = 0;
    return out->len ? fig__buf_addc(out, '\n') : FIG_OK;
}

/* Through a JSON string, which repairs what is no UTF-8. */
static fig_status add_prompt(fig__buf *out, const char *text) {
    fig__json *good = fig__json_new_str(text);
    fig_status status =
        good ? add_prompt_lines(out, fig__json_str(good, "")) : FIG_FAIL(out->ctx, FIG_ERR_NOMEM, "out of memory");
    fig__json_free(good);
    return status;
}

/* Quoted, as AUTOMATIC1111 does it, where it would be taken apart otherwise. */
static fig_status add_pair(fig__buf *out, const char *key, const char *text) {
    if (!text) return FIG_OK;
    fig__json *good = fig__json_new_str(text);
    if (!good) return FIG_FAIL(out->ctx, FIG_ERR_NOMEM, "out of memory");
    fig_status status = fig__buf_printf(out, "%s: ", key);
    const char *value = fig__json_str(good, "");
    if (!status) status = strpbrk(value, ",:\"\r\n") ? fig__json_write(good, 0, out) : fig__buf_adds(out, value);
    if (!status) status = fig__buf_adds(out, ", ");
    fig__json_free(good);
    return status;
}
static fig_status add_int(fig__buf *out, const char *key, int64_t v) {
    return v >= 0 ? fig__buf_printf(out, "%s: %lld, ", key, (long long)v) : FIG_OK;
}

fig_status fig__record_parameters(const fig__record *r, fig__buf *out) {
    if (r->prompt) FIG_TRY(add_prompt(out, r->prompt));
    if (r->negative_prompt && *r->negative_prompt) {
        FIG_TRY(fig__buf_printf(out, "%s ", negative));
        FIG_TRY(add_prompt(out, r->negative_prompt));
    }
    FIG_TRY(add_int(out, "Steps", r->steps));
    FIG_TRY(add_pair(out, "Sampler", r->sampler));
    if (r->guidance >= 0) FIG_TRY(fig__buf_printf(out, "CFG scale: %g, ", r->guidance));
    FIG_TRY(add_int(out, "Seed", r->seed));
    FIG_TRY(add_int(out, "Sample", r->sample));
    if (r->w && r->h) FIG_TRY(fig__buf_printf(out, "Size: %zux%zu, ", r->w, r->h));
    FIG_TRY(add_pair(out, "Model hash", r->model_hash));
    FIG_TRY(add_pair(out, "Model", r->model));
    return fig__buf_adds(out, "Version: figment " FIG_VERSION_STRING);
}

/* --- files ------------------------------------------------------------------------------------------------------*/

static fig_status add_json(fig_context *ctx, const fig__record *record, fig__buf *out) {
    fig__json *json;
    FIG_TRY(fig__record_json(ctx, record, &json));
    fig_status status = fig__json_write(json, 0, out);
    fig__json_free(json);
    return status;
}

fig_status fig__record_png(fig_context *ctx, const fig__image *image, const fig__record *record, unsigned parts,
                           fig__buf *out) {
    fig__record full = *record;
    fig__buf text, json;
    fig__png_text texts[3];
    size_t n = 0;
    if (!full.w) full.w = image->w;
    if (!full.h) full.h = image->h;
    fig__buf_init(&text, ctx, TEXT_MAX);
    fig__buf_init(&json, ctx, TEXT_MAX);
    fig_status status = parts & FIG__RECORD_PARAMETERS ? fig__record_parameters(&full, &text) : FIG_OK;
    if (!status && parts & FIG__RECORD_JSON) status = add_json(ctx, &full, &json);
    if (text.len) texts[n++] = (fig__png_text){"parameters", text.data};
    if (json.len) texts[n++] = (fig__png_text){"figment", json.data};
    if (parts & FIG__RECORD_MARK) texts[n++] = (fig__png_text){"XML:com.adobe.xmp", fig__record_xmp};
    if (!status) status = fig__png_encode(ctx, image, texts, n, out);
    fig__buf_deinit(&text);
    fig__buf_deinit(&json);
    return status;
}

static fig_status parse_object(fig_context *ctx, const char *name, const fig__buf *text, fig__json **out) {
    FIG_TRY(fig__json_parse(ctx, name, fig__buf_str(text), text->len, out));
    if (fig__json_type(*out) == FIG_JSON_OBJECT) return FIG_OK;
    fig__json_free(*out);
    *out = NULL;
    return FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: the record in it is no JSON object", name);
}

fig_status fig__record_read(fig_context *ctx, const char *name, const void *data, size_t len, fig__json **out) {
    fig__buf text;
    *out = NULL;
    fig__buf_init(&text, ctx, FIG__RECORD_MAX_BYTES);
    fig_status status = fig__png_text_read(ctx, name, data, len, "figment", &text);
    if (status == FIG_ERR_NOTFOUND)
        FIG_FAIL(ctx, status, "%s: holds no record of how it was made; figment writes one into PNG files", name);
    if (!status) status = parse_object(ctx, name, &text, out);
    fig__buf_deinit(&text);
    return status;
}

/* --- where it came from -----------------------------------------------------------------------------------------*/

static fig_status keep_key(void *entry, const char *key, size_t key_len, fig__json *value) {
    (void)key_len;
    if (!strcmp(key, "history") || !strcmp(key, "sha256")) return FIG_OK;
    return fig__json_put(entry, key, fig__json_ref(value));
}

/* Whether an entry leaves room for others, and can be read again inside of a record and a history. */
static fig_status fits(fig_context *ctx, const fig__json *entry, bool *out) {
    fig__buf text;
    fig__json *again = NULL;
    fig__buf_init(&text, ctx, ENTRY_MAX);
    fig_status status = fig__buf_adds(&text, "[[");
    if (!status) status = fig__json_write(entry, 0, &text);
    if (!status) status = fig__buf_adds(&text, "]]");
    if (!status) status = fig__json_parse(ctx, "history", text.data, text.len, &again);
    *out = !status;
    fig__json_free(again);
    fig__buf_deinit(&text);
    return status == FIG_ERR_NOMEM ? status : FIG_OK;
}

/* {"sha256": ..., the keys of record}; the hash alone when the record is too large. */
static fig_status push_entry(fig_context *ctx, fig__json *history, const char *sha256, fig__json *record) {
    bool whole = false;
    fig__json *entry = fig__json_new_object();
    fig_status status = entry ? put_text(entry, "sha256", sha256) : FIG_ERR_NOMEM;
    if (!status && record) status = fig__json_each(record, keep_key, entry);
    if (!status) status = fits(ctx, entry, &whole);
    if (!status && whole) return fig__json_push(history, entry);
    fig__json_free(entry);
    if (status || !record) return status;
    return push_entry(ctx, history, sha256, NULL);
}

/* The newest of an older history that there is room for, as the source's own record has them. */
static fig_status push_older(fig_context *ctx, fig__json *history, const fig__json *record) {
    const fig__json *older = fig__json_get(record, "history");
    size_t n = fig__json_size(older), taken = fig__json_size(history) + 1,
           room = taken < FIG__RECORD_MAX_HISTORY ? FIG__RECORD_MAX_HISTORY - taken : 0;
    for (size_t i = n > room ? n - room : 0; i < n; i++) {
        fig__json *entry = fig__json_at(older, i);
        const char *sha256 = fig__json_str(fig__json_get(entry, "sha256"), NULL);
        if (sha256 && strlen(sha256) == 64) FIG_TRY(push_entry(ctx, history, sha256, entry));
    }
    return FIG_OK;
}

fig_status fig__record_add_source(fig_context *ctx, const char *name, const void *data, size_t len,
                                  fig__json *history) {
    char hex[65];
    fig__json *record = NULL;
    fig__sha256 *hash = fig__sha256_new(ctx);
    if (!hash) return FIG_ERR_NOMEM;
    fig__sha256_add(hash, data, len);
    fig__sha256_hex(hash, hex);
    fig__sha256_free(hash);
    FIG_CHECK(ctx, fig__json_size(history) < FIG__RECORD_MAX_HISTORY, FIG_ERR_LIMIT,
              "a picture made from more than %d others", FIG__RECORD_MAX_HISTORY);
    fig_status status = fig__record_read(ctx, name, data, len, &record);
    if (status != FIG_ERR_NOMEM) status = push_older(ctx, history, record);
    if (!status) status = push_entry(ctx, history, hex, record);
    fig__json_free(record);
    return status == FIG_ERR_NOMEM ? FIG_FAIL(ctx, status, "the history of a picture: out of memory") : status;
}
