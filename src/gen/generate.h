/* gen/generate.h: what others need to know of a generator before there is one. */
#ifndef FIG_GENERATE_PRIVATE_H
#define FIG_GENERATE_PRIVATE_H
#include <fig/generate.h>

/* The memory that a generator of n_places over n_ctx tokens will take, and the scratch of each thread; takes none for
 * data. */
fig_status fig__generator_bytes(fig_model *m, size_t n_places, size_t n_ctx, size_t *bytes, size_t *scratch);

#endif
