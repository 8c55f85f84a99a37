/* cli/showcase.c: what a model wrote at 0, 25, 50 and 100 % of its training, side by side: of a list of short lines the
 * lines, those marked that the training text does not hold; of anything longer the words, wrapped. Offensive words are
 * masked. */
#include <stdio.h>
#include "base/map.h"
#include "cli/run.h"

#define COLUMNS 4
#define WIDTH 24 /* characters of a column */
#define ROWS 14
#define TEXT_MAX 64000000u /* bytes of training text that are looked through */

static const double shares[COLUMNS] = {0, 0.25, 0.5, 1};

typedef struct column {
    fig__buf text;
    double distance; /* from the share of the run that the column is for; negative: empty */
    int64_t iter;
} column;

struct fig__showcase {
    fig_context *ctx;
    fig_filter *filter;
    column columns[COLUMNS];
};

fig_status fig__showcase_new(fig_context *ctx, fig__showcase **out) {
    *out = NULL;
    fig__showcase *s = FIG_NEW(ctx, fig__showcase);
    if (!s) return FIG_ERR_NOMEM;
    s->ctx = ctx;
    for (int i = 0; i < COLUMNS; i++) {
        fig__buf_init(&s->columns[i].text, ctx, 1 << 20);
        s->columns[i].distance = -1;
    }
    fig_status status = fig_filter_new(ctx, NULL, &s->filter);
    if (status)
        fig__showcase_free(s);
    else
        *out = s;
    return status;
}

void fig__showcase_free(fig__showcase *s) {
    if (!s) return;
    for (int i = 0; i < COLUMNS; i++) fig__buf_deinit(&s->columns[i].text);
    fig_filter_free(s->filter);
    fig__free(s->ctx, s);
}

fig_status fig__showcase_add(fig__showcase *s, const fig_train_event *e) {
    for (int i = 0; i < COLUMNS; i++) {
        column *c = &s->columns[i];
        double distance = shares[i] * (double)e->max_iters - (double)e->iter;
        if (distance < 0) distance = -distance;
        if (c->distance >= 0 && c->distance <= distance) continue;
        c->distance = distance;
        c->iter = e->iter;
        fig__buf_clear(&c->text);
        FIG_TRY(fig__buf_adds(&c->text, e->text));
    }
    return FIG_OK;
}

/* --- lines of the training text -----------------------------------------------------------------------------------*/

/* Lines may be cut between two parts, so what has no end yet is kept in front of the next one. */
static fig_status add_lines(fig__map *lines, fig__buf *held, bool at_end) {
    size_t from = 0;
    for (size_t i = 0; i < held->len; i++) {
        if (held->data[i] != '\n') continue;
        FIG_TRY(fig__map_put(lines, held->data + from, i - from, 1));
        from = i + 1;
    }
    if (at_end && from < held->len) FIG_TRY(fig__map_put(lines, held->data + from, held->len - from, 1));
    size_t rest = at_end ? 0 : held->len - from;
    if (held->data) memmove(held->data, held->data + from, rest);
    held->len = rest;
    return FIG_OK;
}

static fig_status read_lines(fig__map *lines, fig_text *text, fig__buf *held) {
    const char *data;
    size_t len;
    bool ends;
    for (;;) {
        FIG_TRY(fig_text_read(text, &data, &len, &ends));
        if (!len) return add_lines(lines, held, true);
        FIG_TRY(fig__buf_add(held, data, len));
        FIG_TRY(add_lines(lines, held, ends));
    }
}

/* NULL when the text cannot be read again or is too long: then nothing is marked. */
static fig__map *lines_of(fig_context *ctx, const fig_strings *data) {
    fig_text *text;
    if (fig_text_open(ctx, data->data, data->n, &text)) return NULL;
    bool readable = !fig_text_get_stats(text)->is_tokens && fig_text_total_bytes(text) <= TEXT_MAX;
    fig__map *lines = readable ? fig__map_new(ctx) : NULL;
    fig__buf held;
    fig__buf_init(&held, ctx, 2 * TEXT_MAX);
    if (lines && read_lines(lines, text, &held)) {
        fig__map_free(lines);
        lines = NULL;
    }
    fig__buf_deinit(&held);
    fig_text_close(text);
    return lines;
}

/* --- the table ----------------------------------------------------------------------------------------------------*/

static bool is_separator(const char *line, size_t len) { return len == 3 && memcmp(line, "---", 3) == 0; }

/* The next line with something in it, from *at on. A sample ends where its length does, so the last line of each
 * (before a separator or the end) is left out as cut short, unless it is all there is. */
static bool next_line(const fig__buf *text, size_t *at, const char **line, size_t *len) {
    const char *s = fig__buf_str(text);
    for (bool first = *at == 0; s[*at]; first = false) {
        *at += strspn(s + *at, "\n");
        *line = s + *at;
        *len = strcspn(*line, "\n");
        *at += *len;
        const char *after = s + *at + strspn(s + *at, "\n");
        bool cut_short = !*after || is_separator(after, strcspn(after, "\n"));
        if (*len && !is_separator(*line, *len) && (!cut_short || first)) return true;
    }
    return false;
}

static bool is_list(const fig__map *lines) {
    size_t n = lines ? fig__map_count(lines) : 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        fig__map_key(lines, i, &len);
        total += len;
    }
    return n && total / n <= WIDTH - 3;
}

static size_t n_characters(const char *s, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first `width` characters. */
static size_t cut(const char *s, size_t len, size_t width) {
    size_t i = 0;
    while (i < len && (n_characters(s, i + 1) <= width)) i++;
    return i;
}

/* Words with one blank between them, and an end of line between samples. */
static fig_status join_words(fig__buf *text) {
    static const char blank[] = " \t\r\n";
    fig__buf words;
    fig__buf_init(&words, text->ctx, text->max);
    fig_status status = FIG_OK;
    for (const char *s = fig__buf_str(text); !status && *(s += strspn(s, blank));) {
        size_t len = strcspn(s, blank);
        bool ends = is_separator(s, len), starts = !words.len || words.data[words.len - 1] == '\n';
        if (!starts || ends) status = fig__buf_addc(&words, ends ? '\n' : ' ');
        if (!status && !ends) status = fig__buf_add(&words, s, len);
        s += len;
    }
    fig__buf_deinit(text);
    *text = words;
    return status;
}

/* As many of those words from *at on as a cell has room for; a longer one is broken. An empty line between samples. */
static bool next_words(const fig__buf *text, size_t *at, const char **line, size_t *len) {
    const char *s = fig__buf_str(text) + *at;
    size_t left = strcspn(s, "\n"), room = cut(s, left, WIDTH - 3);
    *line = s;
    *len = room;
    while (room < left && *len && s[*len] != ' ') --*len; /* back to the end of a word */
    if (!*len) *len = room;
    *at += *len + (s[*len] == ' ' || (s[*len] == '\n' && !room));
    return *s != 0;
}

static fig_status add_cell(fig__buf *row, const fig__map *lines, const char *line, size_t len) {
    int64_t unused;
    bool is_new = lines && len && !fig__map_get(lines, line, len, &unused);
    size_t shown = cut(line, len, WIDTH - 3);
    FIG_TRY(fig__buf_adds(row, is_new ? "* " : "  "));
    for (size_t i = 0; i < shown; i++) {
        bool control = (unsigned char)line[i] < 0x20 || line[i] == 0x7f; /* a sample must not drive the terminal */
        FIG_TRY(fig__buf_addc(row, control ? ' ' : line[i]));
    }
    return fig__buf_printf(row, "%*s", (int)(WIDTH - 2 - n_characters(line, shown)), "");
}

static void trim(fig__buf *out) {
    while (out->len && out->data[out->len - 1] == ' ') out->data[--out->len] = 0;
}
static fig_status end_row(fig__buf *out) {
    trim(out);
    return fig__buf_addc(out, '\n');
}

/* lines: NULL for words instead of lines. */
static fig_status add_table(fig__showcase *s, const fig__map *lines, fig__buf *out) {
    size_t at[COLUMNS] = {0};
    for (int i = 0; i < COLUMNS; i++)
        FIG_TRY(fig__buf_printf(out, "  %3.0f %%, step %-11lld", 100 * shares[i], (long long)s->columns[i].iter));
    FIG_TRY(end_row(out));
    for (int row = 0; row < ROWS; row++) {
        bool any = false;
        for (int i = 0; i < COLUMNS; i++) {
            const char *line = "";
            size_t len = 0;
            if ((lines ? next_line : next_words)(&s->columns[i].text, &at[i], &line, &len))
                any = true;
            else
                len = 0;
            FIG_TRY(add_cell(out, lines, line, len));
        }
        if (!any) break;
        FIG_TRY(end_row(out));
    }
    trim(out);
    return lines ? fig__buf_adds(out, "  * is not in the training text\n") : FIG_OK;
}

fig_status fig__showcase_print(fig__showcase *s, const fig_strings *data) {
    fig__buf out;
    fig__buf_init(&out, s->ctx, 1 << 20);
    for (int i = 0; i < COLUMNS; i++) {
        fig__buf *text = &s->columns[i].text;
        if (text->data) fig_filter_mask(s->filter, text->data, text->len);
    }
    fig__map *all = lines_of(s->ctx, data), *lines = is_list(all) ? all : NULL;
    fig_status status = FIG_OK;
    for (int i = 0; i < COLUMNS && !lines && !status; i++) status = join_words(&s->columns[i].text);
    if (!status) status = add_table(s, lines, &out);
    if (!status) status = fig__print(s->ctx, out.data, out.len);
    fig__map_free(all);
    fig__buf_deinit(&out);
    return status;
}
