/* base/yaml.c: YAML with JSON's data model, through libyaml's events into a JSON tree.
 *
 * Plain scalars are resolved by the core schema of YAML 1.2 (10.3.2): `yes` and 20_000 stay strings. Aliases are
 * copied, so that changing one place changes no other; the limit on nodes counts the copies. */
#include "base/json.h"
#include "base/file.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <yaml.h>

#define MAX_DEPTH 128
#define MAX_NODES 1000000

typedef struct yaml_anchor {
    char *name;
    json_t *value; /* NULL while it is being read: an alias to it would never end */
    size_t n_nodes;
} yaml_anchor;

typedef struct yaml_reader {
    fig_context *ctx;
    const char *name;
    yaml_parser_t parser;
    yaml_event_t event; /* the present one; zeroed when there is none to delete */
    size_t n_nodes;
    struct {
        yaml_anchor *data;
        size_t n, cap;
    } anchors;
} yaml_reader;

/* At the place of the present event; counts from one. */
#define YAML_FAIL(r, code, ...) yaml_fail((r), (r)->event.start_mark, (code), __VA_ARGS__)

__attribute__((format(printf, 4, 5))) static fig_status yaml_fail(yaml_reader *r, yaml_mark_t at, fig_status code,
                                                                  const char *format, ...) {
    char what[256];
    va_list args;
    va_start(args, format);
    fig__vformat(what, sizeof what, format, args);
    va_end(args);
    return FIG_FAIL(r->ctx, code, "%s:%zu:%zu: %s", r->name, at.line + 1, at.column + 1, what);
}

static fig_status next_event(yaml_reader *r) {
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event)) return FIG_OK;
    memset(&r->event, 0, sizeof r->event);
    if (r->parser.error == YAML_MEMORY_ERROR) return FIG_FAIL(r->ctx, FIG_ERR_NOMEM, "%s: out of memory", r->name);
    const char *problem = r->parser.problem ? r->parser.problem : "not YAML";
    if (r->parser.error == YAML_READER_ERROR)
        return FIG_FAIL(r->ctx, FIG_ERR_FORMAT, "%s: byte %zu: %s", r->name, r->parser.problem_offset, problem);
    return yaml_fail(r, r->parser.problem_mark, FIG_ERR_FORMAT, "%s", problem);
}

/* --- scalars ---------------------------------------------------------------------------------------------*/

static bool is_one_of(const char *s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s, words[i])) return true;
    return false;
}
#define IS_ONE_OF(s, ...) \
    is_one_of((s), (const char *const[]){__VA_ARGS__}, FIG_COUNT(((const char *const[]){__VA_ARGS__})))

static size_t span_digits(const char *s) { return strspn(s, "0123456789"); }

/* [-+]? [0-9]+ */
static bool looks_integer(const char *s) {
    s += *s == '-' || *s == '+';
    return *s && !s[span_digits(s)];
}

/* [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool looks_real(const char *s) {
    s += *s == '-' || *s == '+';
    size_t whole = span_digits(s), fraction = 0;
    s += whole;
    if (*s == '.') fraction = span_digits(++s);
    if (!whole && !fraction) return false;
    s += fraction;
    if (*s != 'e' && *s != 'E') return !*s;
    s++;
    s += *s == '-' || *s == '+';
    return *s && !s[span_digits(s)];
}

/* 0o17, 0x1f */
static bool parse_based(const char *s, unsigned long long *out) {
    if (s[0] != '0' || (s[1] != 'o' && s[1] != 'x')) return false;
    bool hex = s[1] == 'x';
    size_t n = strspn(s + 2, hex ? "0123456789abcdefABCDEF" : "01234567");
    if (!n || s[2 + n] || n > (hex ? 15 : 20)) return false;
    *out = strtoull(s + 2, NULL, hex ? 16 : 8);
    return true;
}

static bool is_nonfinite(const char *s) {
    s += *s == '-' || *s == '+';
    return IS_ONE_OF(s, ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN");
}

static fig_status resolve_plain(yaml_reader *r, const char *s, json_t **out) {
    unsigned long long based;
    int64_t integer;
    double real;
    if (IS_ONE_OF(s, "", "~", "null", "Null", "NULL"))
        *out = json_null();
    else if (IS_ONE_OF(s, "true", "True", "TRUE"))
        *out = json_true();
    else if (IS_ONE_OF(s, "false", "False", "FALSE"))
        *out = json_false();
    else if (parse_based(s, &based))
        *out = json_integer((json_int_t)based);
    else if (looks_integer(s) && fig__parse_int(s, &integer))
        *out = json_integer(integer);
    else if (looks_integer(s))
        return YAML_FAIL(r, FIG_ERR_FORMAT, "%s: an integer of more than 64 bits", s);
    else if (is_nonfinite(s) || (looks_real(s) && (!fig__parse_real(s, &real) || !isfinite(real))))
        return YAML_FAIL(r, FIG_ERR_FORMAT, "%s: not a finite number", s);
    else
        *out = looks_real(s) ? json_real(real) : json_string(s);
    return FIG_OK;
}

static fig_status read_scalar(yaml_reader *r, json_t **out) {
    const char *s = (const char *)r->event.data.scalar.value;
    size_t len = r->event.data.scalar.length;
    /* A NUL can come from an escape only, and never stands in something plain. */
    if (r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        *out = json_stringn(s, len);
    else
        FIG_TRY(resolve_plain(r, s, out));
    return *out ? FIG_OK : FIG_FAIL(r->ctx, FIG_ERR_NOMEM, "%s: out of memory", r->name);
}

/* --- anchors ---------------------------------------------------------------------------------------------*/

static yaml_anchor *find_anchor(yaml_reader *r, const char *name) {
    for (size_t i = r->anchors.n; i > 0; i--) /* the last of that name counts */
        if (!strcmp(r->anchors.data[i - 1].name, name)) return &r->anchors.data[i - 1];
    return NULL;
}

static fig_status read_alias(yaml_reader *r, json_t **out) {
    const char *name = (const char *)r->event.data.alias.anchor;
    const yaml_anchor *a = find_anchor(r, name);
    if (!a || !a->value) return YAML_FAIL(r, FIG_ERR_FORMAT, "*%s: no such anchor before this place", name);
    r->n_nodes += a->n_nodes;
    if (r->n_nodes > MAX_NODES) return YAML_FAIL(r, FIG_ERR_LIMIT, "more than %d values", MAX_NODES);
    *out = json_deep_copy(a->value);
    return *out ? FIG_OK : FIG_FAIL(r->ctx, FIG_ERR_NOMEM, "%s: out of memory", r->name);
}

static fig_status add_anchor(yaml_reader *r, const yaml_char_t *name, size_t *index) {
    *index = SIZE_MAX;
    if (!name) return FIG_OK;
    if (r->anchors.n >= 1000) return YAML_FAIL(r, FIG_ERR_LIMIT, "more than 1000 anchors");
    char *copy = fig__strdup(r->ctx, (const char *)name);
    if (!copy) return FIG_ERR_NOMEM;
    if (FIG_PUSH(r->ctx, &r->anchors, (yaml_anchor){.name = copy})) {
        fig__free(r->ctx, copy);
        return FIG_ERR_NOMEM;
    }
    *index = r->anchors.n - 1;
    return FIG_OK;
}

/* --- the tree --------------------------------------------------------------------------------------------*/

static fig_status read_node(yaml_reader *r, int depth, json_t **out);

static fig_status read_sequence(yaml_reader *r, int depth, json_t *array) {
    for (;;) {
        FIG_TRY(next_event(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return FIG_OK;
        json_t *item = NULL;
        FIG_TRY(read_node(r, depth + 1, &item));
        if (json_array_append_new(array, item)) return FIG_FAIL(r->ctx, FIG_ERR_NOMEM, "%s: out of memory", r->name);
    }
}

/* The key's text stays what was typed: `1: x` has the key "1". */
static fig_status read_pair(yaml_reader *r, int depth, json_t *object) {
    if (r->event.type != YAML_SCALAR_EVENT) return YAML_FAIL(r, FIG_ERR_FORMAT, "a key must be a word or a number");
    if (r->event.data.scalar.tag || r->event.data.scalar.anchor)
        return YAML_FAIL(r, FIG_ERR_FORMAT, "a key takes no tag and no anchor");
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) != r->event.data.scalar.length) return YAML_FAIL(r, FIG_ERR_FORMAT, "a key with a NUL in it");
    if (json_object_get(object, text)) return YAML_FAIL(r, FIG_ERR_FORMAT, "%s: this key stands here twice", text);
    char *key = fig__strdup(r->ctx, text);
    if (!key) return FIG_ERR_NOMEM;
    json_t *value = NULL;
    fig_status status = next_event(r);
    if (!status) status = read_node(r, depth + 1, &value);
    if (!status && json_object_set_new(object, key, value))
        status = FIG_FAIL(r->ctx, FIG_ERR_NOMEM, "%s: out of memory", r->name);
    fig__free(r->ctx, key);
    return status;
}

static fig_status read_mapping(yaml_reader *r, int depth, json_t *object) {
    for (;;) {
        FIG_TRY(next_event(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return FIG_OK;
        FIG_TRY(read_pair(r, depth, object));
    }
}

static fig_status read_container(yaml_reader *r, int depth, json_t **out) {
    bool is_mapping = r->event.type == YAML_MAPPING_START_EVENT;
    if (depth >= MAX_DEPTH) return YAML_FAIL(r, FIG_ERR_LIMIT, "more than %d levels deep", MAX_DEPTH);
    *out = is_mapping ? json_object() : json_array();
    if (!*out) return FIG_FAIL(r->ctx, FIG_ERR_NOMEM, "%s: out of memory", r->name);
    return is_mapping ? read_mapping(r, depth, *out) : read_sequence(r, depth, *out);
}

static void tag_and_anchor(const yaml_event_t *e, const yaml_char_t **tag, const yaml_char_t **anchor) {
    *tag = *anchor = NULL;
    if (e->type == YAML_SCALAR_EVENT) *tag = e->data.scalar.tag, *anchor = e->data.scalar.anchor;
    if (e->type == YAML_SEQUENCE_START_EVENT)
        *tag = e->data.sequence_start.tag, *anchor = e->data.sequence_start.anchor;
    if (e->type == YAML_MAPPING_START_EVENT) *tag = e->data.mapping_start.tag, *anchor = e->data.mapping_start.anchor;
}

/* The node that begins with the present event. On failure *out is NULL. */
static fig_status read_node(yaml_reader *r, int depth, json_t **out) {
    *out = NULL;
    if (r->event.type == YAML_ALIAS_EVENT) return read_alias(r, out);
    const yaml_char_t *tag, *anchor_name;
    tag_and_anchor(&r->event, &tag, &anchor_name);
    if (tag) return YAML_FAIL(r, FIG_ERR_FORMAT, "%s: tags are not understood", (const char *)tag);
    size_t nodes_before = r->n_nodes++, anchor;
    if (r->n_nodes > MAX_NODES) return YAML_FAIL(r, FIG_ERR_LIMIT, "more than %d values", MAX_NODES);
    FIG_TRY(add_anchor(r, anchor_name, &anchor));
    fig_status status = r->event.type == YAML_SCALAR_EVENT ? read_scalar(r, out) : read_container(r, depth, out);
    if (status) {
        json_decref(*out);
        *out = NULL;
    } else if (anchor != SIZE_MAX) {
        r->anchors.data[anchor].value = json_incref(*out);
        r->anchors.data[anchor].n_nodes = r->n_nodes - nodes_before;
    }
    return status;
}

/* STREAM-START [DOCUMENT-START node DOCUMENT-END] STREAM-END */
static fig_status read_document(yaml_reader *r, json_t **out) {
    FIG_TRY(next_event(r));
    FIG_TRY(next_event(r));
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *out = json_null();
        return FIG_OK;
    }
    FIG_TRY(next_event(r));
    FIG_TRY(read_node(r, 0, out));
    FIG_TRY(next_event(r));
    FIG_TRY(next_event(r));
    if (r->event.type != YAML_STREAM_END_EVENT)
        return YAML_FAIL(r, FIG_ERR_FORMAT, "a second document; there may be one");
    return FIG_OK;
}

fig_status fig__yaml_parse(fig_context *ctx, const char *name, const char *text, size_t len, fig__json **out) {
    yaml_reader r = {.ctx = ctx, .name = name};
    *out = NULL;
    if (!yaml_parser_initialize(&r.parser)) return FIG_FAIL(ctx, FIG_ERR_NOMEM, "%s: out of memory", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    fig_status status = read_document(&r, out);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    for (size_t i = 0; i < r.anchors.n; i++) {
        fig__free(ctx, r.anchors.data[i].name);
        json_decref(r.anchors.data[i].value);
    }
    fig__free(ctx, r.anchors.data);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return status;
}

fig_status fig__yaml_load(fig_context *ctx, const char *path, size_t max, fig__json **out) {
    fig__buf text;
    *out = NULL;
    FIG_TRY(fig__file_read(ctx, path, max, &text));
    fig_status status = fig__yaml_parse(ctx, path, fig__buf_str(&text), text.len, out);
    fig__buf_deinit(&text);
    return status;
}
