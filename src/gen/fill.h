/* gen/fill.h: fig/fill.h for text that is tokens already. */
#ifndef FIG_FILL_PRIVATE_H
#define FIG_FILL_PRIVATE_H
#include <fig/fill.h>

/* Blanks are tokens of fig__mask_token. */
fig_status fig__fill_tokens(fig_model *model, const int32_t *tokens, size_t n, size_t n_best, fig_filled *out);

#endif
