/* base/options.h: reading and setting what a table of fig/options.h describes. */
#ifndef FIG_OPTIONS_PRIVATE_H
#define FIG_OPTIONS_PRIVATE_H
#include <fig/options.h>
#include "json.h"

/* Everything a struct holds as text lives in `arena`. Errors name the key, the value, and the nearest valid one. */
fig_status fig__options_defaults(fig_context *ctx, fig_option_table t, void *s, fig__arena *arena);
const fig_option *fig__option_find(fig_option_table t, const char *name); /* aliases too; NULL when unknown */
fig_status fig__option_set(fig_context *ctx, const fig_option *o, void *s, const char *value, fig__arena *arena);
fig_status fig__option_set_json(fig_context *ctx, const fig_option *o, void *s, const fig__json *value,
                                fig__arena *arena);
fig__json *fig__option_get_json(const fig_option *o, const void *s); /* a new value */
/* The nearest name over several tables, or NULL. */
const char *fig__option_nearest(const fig_option_table *tables, size_t n, const char *typed);

#endif
