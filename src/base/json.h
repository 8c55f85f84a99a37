/* base/json.h: JSON and YAML trees (jansson and libyaml stand behind json.c and yaml.c, nowhere else).
 *
 * A fig__json is a reference-counted node. Functions that return a child borrow it from its parent; functions that
 * take a value to put into a parent take ownership of it. Depth is limited to 128, size by the caller. */
#ifndef FIG_JSON_H
#define FIG_JSON_H
#include "buf.h"

typedef struct json_t fig__json;
typedef enum fig__json_kind {
    FIG_JSON_NULL,
    FIG_JSON_BOOL,
    FIG_JSON_INT,
    FIG_JSON_REAL,
    FIG_JSON_STRING,
    FIG_JSON_ARRAY,
    FIG_JSON_OBJECT
} fig__json_kind;

/* `name` stands in error messages: "config.json:3:7: ...". */
fig_status fig__json_parse(fig_context *ctx, const char *name, const char *text, size_t len, fig__json **out);
fig_status fig__json_load(fig_context *ctx, const char *path, size_t max, fig__json **out);
/* YAML with JSON's data model: one document, scalars resolved by YAML 1.2's JSON-like core rules (yes stays a
 * string), duplicate keys refused, anchors allowed, tags refused. */
fig_status fig__yaml_parse(fig_context *ctx, const char *name, const char *text, size_t len, fig__json **out);
fig_status fig__yaml_load(fig_context *ctx, const char *path, size_t max, fig__json **out);
void fig__json_free(fig__json *j); /* gives up one reference; NULL is fine */
fig__json *fig__json_ref(fig__json *j);

fig__json_kind fig__json_type(const fig__json *j);                  /* of NULL: FIG_JSON_NULL */
size_t fig__json_size(const fig__json *j);                          /* elements of an array or object, else 0 */
fig__json *fig__json_get(const fig__json *object, const char *key); /* NULL when missing or no object */
fig__json *fig__json_at(const fig__json *array, size_t i);
/* The i-th key of an object in file order. O(1) amortised when i counts up. */
const char *fig__json_key(const fig__json *object, size_t i, fig__json **value);
/* For objects with many keys: calls fn for each in file order until it returns non-OK. */
typedef fig_status fig__json_each_fn(void *arg, const char *key, size_t key_len, fig__json *value);
fig_status fig__json_each(fig__json *object, fig__json_each_fn *fn, void *arg);

/* Values with a default for "missing or of another kind"; ints convert to reals, not the other way. */
const char *fig__json_str(const fig__json *j, const char *otherwise);
size_t fig__json_str_len(const fig__json *j); /* bytes; strings may hold NUL */
int64_t fig__json_int(const fig__json *j, int64_t otherwise);
double fig__json_real(const fig__json *j, double otherwise);
bool fig__json_bool(const fig__json *j, bool otherwise);

/* Building. NULL (out of memory, a NaN) spreads: putting NULL into a parent fails with FIG_ERR_NOMEM. */
fig__json *fig__json_new_object(void);
fig__json *fig__json_new_array(void);
fig__json *fig__json_new_str(const char *s);
fig__json *fig__json_new_strn(const char *s, size_t len); /* invalid UTF-8 is replaced by U+FFFD */
fig__json *fig__json_new_int(int64_t v);
fig__json *fig__json_new_real(double v); /* NaN and infinities become null */
fig__json *fig__json_new_bool(bool v);
fig__json *fig__json_new_null(void);
fig_status fig__json_put(fig__json *object, const char *key, fig__json *value);
fig_status fig__json_push(fig__json *array, fig__json *value);
/* indent 0: one line. Reals with 9 significant digits. */
fig_status fig__json_write(const fig__json *j, int indent, fig__buf *out);
/* Atomic, with a newline at the end. */
fig_status fig__json_save(fig_context *ctx, const char *path, const fig__json *j, int indent);
fig_status fig__yaml_write(const fig__json *j, fig__buf *out); /* block style, for recipe.yaml */

#endif
