/* fig/fill.h: filling the blanks of a text with a masked language model. */
#ifndef FIG_FILL_H
#define FIG_FILL_H
#include <fig/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_choice {
    int32_t token;
    double p;
} fig_choice;

typedef struct fig_filled {
    char *text; /* with every blank filled: whole UTF-8 characters, and a NUL behind */
    size_t len, n_tokens, n_blanks, n_best;
    size_t *places;      /* [n_blanks]: which token of the text each is */
    fig_choice *choices; /* [n_blanks, n_best], likeliest first */
} fig_filled;

/* A blank, FIG_MASK in the text, stands for one token; where tokens bring the space before them along (bpe, spm), the
 * one before the blank is its token's. The surest blank is filled first, with its likeliest token, then the others
 * anew, with what stands there now: choices are those at that moment. Text without a blank, or longer than the model
 * reads, is FIG_ERR_ARG. n_best: at most so many choices of each; 0: none. */
fig_status fig_fill(fig_model *model, const char *text, size_t len, size_t n_best, fig_filled *out);
void fig_filled_free(fig_context *ctx, fig_filled *filled);

#ifdef __cplusplus
}
#endif
#endif
