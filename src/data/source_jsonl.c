/* data/source_jsonl.c: JSON Lines; the string under "text" of each line is a document. */
#include "base/json.h"
#include "data/source.h"

static bool ends_with(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && !strcmp(path + n - m, suffix);
}

static bool jsonl_probe(const char *path, const char *head, size_t head_len) {
    return (ends_with(path, ".jsonl") || ends_with(path, ".ndjson")) && !memchr(head, 0, head_len);
}

static void bad_row(fig__source *s, const char *why) {
    if (!s->stats->n_bad_rows++)
        snprintf(s->stats->first_bad_row, sizeof s->stats->first_bad_row, "%s:%llu: %s", s->path,
                 (unsigned long long)s->n_rows, why);
}

/* Puts the row's text into s->row; leaves it empty for a row to be left out. */
static fig_status parse_row(fig__source *s, const char *line, size_t len) {
    fig__json *json = NULL;
    fig__buf_clear(&s->row);
    fig_status status = fig__json_parse(s->ctx, s->path, line, len, &json);
    if (status) {
        if (status == FIG_ERR_NOMEM) return status;
        fig_error_clear(s->ctx); /* counted, not fatal */
        bad_row(s, "no JSON");
        return FIG_OK;
    }
    const fig__json *text = fig__json_get(json, "text");
    if (fig__json_type(text) != FIG_JSON_STRING || !fig__json_str_len(text))
        bad_row(s, "no string under \"text\"");
    else
        status = fig__buf_add(&s->row, fig__json_str(text, ""), fig__json_str_len(text));
    fig__json_free(json);
    return status;
}

/* Makes the next line whole in s->in. *len is its length without the newline; *skip, for a line over the limit, says
 * that only its end was kept. */
static fig_status next_line(fig__source *s, size_t *len, bool *skip) {
    const char *newline;
    size_t looked = 0;
    *skip = false;
    while (!(newline = memchr(fig__source_at(s) + looked, '\n', fig__source_left(s) - looked)) && !s->at_end) {
        looked = fig__source_left(s);
        if (looked > FIG__SOURCE_MAX_ROW) {
            *skip = true;
            s->pos += looked;
            looked = 0;
        }
        FIG_TRY(fig__source_fill(s, looked + FIG__SOURCE_PIECE));
    }
    *len = newline ? (size_t)(newline - fig__source_at(s)) : fig__source_left(s);
    return FIG_OK;
}

static bool is_blank(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

static fig_status jsonl_open(fig__source *s) { return fig__source_fill(s, FIG__SOURCE_PIECE); }

static fig_status jsonl_read(fig__source *s, fig__piece *piece) {
    fig__buf_clear(&s->row);
    while (!s->row.len && (fig__source_left(s) || !s->at_end)) {
        size_t len;
        bool skip;
        FIG_TRY(next_line(s, &len, &skip));
        s->n_rows++;
        if (skip)
            bad_row(s, "longer than 64 MiB");
        else if (!is_blank(fig__source_at(s), len))
            FIG_TRY(parse_row(s, fig__source_at(s), len));
        s->pos += FIG_MIN(len + 1, fig__source_left(s));
    }
    *piece = (fig__piece){.text = fig__buf_str(&s->row), .n = s->row.len, .ends_document = true};
    return FIG_OK;
}

const fig__source_kind fig__source_jsonl = {"jsonl", false, jsonl_probe, jsonl_open, jsonl_read};
