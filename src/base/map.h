/* base/map.h: hash map from byte strings to int64 values, insertion order kept for iteration. */
#ifndef FIG_MAP_H
#define FIG_MAP_H
#include "base.h"

typedef struct fig__map fig__map;
fig__map *fig__map_new(fig_context *ctx);
void fig__map_free(fig__map *m);
size_t fig__map_count(const fig__map *m);
/* Copies the key. Replaces the value when the key is there. */
fig_status fig__map_put(fig__map *m, const void *key, size_t len, int64_t value);
bool fig__map_get(const fig__map *m, const void *key, size_t len, int64_t *value);
/* The i-th entry in the order of first insertion. */
const char *fig__map_key(const fig__map *m, size_t i, size_t *len);
int64_t fig__map_value(const fig__map *m, size_t i);

uint64_t fig__hash64(const void *data, size_t len); /* XXH3, 64 bits */

typedef struct fig__sha256 fig__sha256; /* libcrypto behind it */
fig__sha256 *fig__sha256_new(fig_context *ctx);
void fig__sha256_add(fig__sha256 *h, const void *data, size_t len);
void fig__sha256_hex(fig__sha256 *h, char out[65]); /* finishes */
void fig__sha256_free(fig__sha256 *h);

#endif
