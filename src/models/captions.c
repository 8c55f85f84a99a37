/* models/captions.c: captions as rows of tokens. */
#include "models/model.h"

fig_status fig__caption_row(const fig_model *m, const char *caption, int32_t *row, size_t *cut) {
    size_t room = (size_t)fig_model_get_int(m, "text_length");
    int32_t none = (int32_t)fig_model_get_int(m, "vocab_size");
    fig_ids ids = {0};
    for (size_t i = 0; i < room; i++) row[i] = none;
    if (caption) FIG_TRY(fig_tokenizer_encode(m->tokenizer, caption, strlen(caption), 0, &ids));
    for (size_t i = 0; i < FIG_MIN(ids.n, room); i++) row[i] = ids.data[i];
    if (cut) *cut = ids.n > room ? ids.n - room : 0;
    fig__free(m->ctx, ids.data);
    return FIG_OK;
}
