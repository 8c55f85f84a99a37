/* models/masked.c: the token that stands for a blank in what masked language models read: the tokenizer's own where it
 * has one, else one more behind the tokenizer's last. Either way vocab_size counts it, so the settings and the
 * tokenizer of a saved model say which it is. */
#include "models/model.h"
#include <stdio.h>

static int32_t own_token(const fig_tokenizer *tok) {
    static const char *const names[] = {FIG_MASK, "<mask>", "<|mask|>"};
    for (size_t i = 0; tok && i < FIG_COUNT(names); i++) {
        int32_t id = fig_tokenizer_id(tok, names[i], strlen(names[i]));
        if (id >= 0 && fig_tokenizer_is_special(tok, id)) return id;
    }
    return -1;
}

int32_t fig__mask_token(const fig_model *m) {
    int32_t own = own_token(m->tokenizer);
    return own >= 0 ? own : (int32_t)fig_model_get_int(m, "vocab_size") - 1;
}

fig_status fig__masked_settle(fig_model *m) {
    char size[32];
    if (!m->tokenizer || own_token(m->tokenizer) >= 0) return FIG_OK;
    snprintf(size, sizeof size, "%lld", (long long)fig_tokenizer_vocab_size(m->tokenizer) + 1);
    return fig_model_set(m, "vocab_size", size);
}
