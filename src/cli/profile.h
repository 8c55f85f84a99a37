/* cli/profile.h: where the time of steps goes, for people and as JSON. */
#ifndef FIG_CLI_PROFILE_H
#define FIG_CLI_PROFILE_H
#include <fig/train.h>
#include "cli/cli.h"

#define FIG__READ_BYTES ((size_t)256 << 20) /* to measure memory by: far beyond any cache */

/* What this machine can do at best, on the threads in use; takes a second. */
typedef struct fig__ceilings {
    fig_dtype dtype;        /* that products are made in */
    double peak, bandwidth; /* operations of products, bytes read from memory, per second */
} fig__ceilings;
fig__ceilings fig__ceilings_measure(fig_context *ctx, fig_dtype dtype);

/* By op, and the longest rows. */
fig_status fig__profile_print(fig_context *ctx, const fig_train_profile *p, const fig__ceilings *c);
/* All rows; NULL without memory. */
fig__json *fig__profile_json(const fig_train_profile *p, const fig__ceilings *c);

#endif
