/* models/convnet.c: see convnet.h. */
#include "models/convnet.h"
#include "base/base.h"

fig_status fig__convnet_check(fig_context *ctx, const fig__convnet_config *c, int64_t side) {
    long long factor = 1LL << (c->n_level - 1);
    FIG_CHECK(ctx, c->width % 8 == 0, FIG_ERR_ARG, "width %lld is no multiple of 8", (long long)c->width);
    FIG_CHECK(
        ctx, side > 0 && side % factor == 0, FIG_ERR_ARG,
        "pictures of %lld x %lld cannot be halved %lld times; choose an --image_size that divides by %lld (28, 32, "
        "64), or another --n_level",
        (long long)side, (long long)side, (long long)c->n_level - 1, factor);
    return FIG_OK;
}
