/* Any bytes as training text: whole and in parts must learn the same, and the result must give the text back. The first
 * byte chooses the kind and the size of the vocabulary. */
#include "fuzz_tokenizer.h"

static fig_tokenizer *train(uint8_t choice, const char *text, size_t len, size_t part) {
    static const char *const specials[] = {"<s>", "ab<", "<unk>"};
    fig_tokenizer_train_options options = {.kind = choice % 4 ? FIG_TOKENIZER_BPE : FIG_TOKENIZER_CHAR,
                                           .vocab_size = 259 + choice,
                                           .specials = specials,
                                           .n_specials = choice % 4,
                                           .min_count = choice / 64};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok = NULL;
    fuzz_must(fig_tokenizer_trainer_new(ctx, &options, &t) == FIG_OK);
    fig_status status = FIG_OK;
    for (size_t i = 0; i < len && !status; i += part)
        status = fig_tokenizer_trainer_add(t, text + i, FIG_MIN(part, len - i));
    if (!status) status = fig_tokenizer_trainer_finish(t, NULL, &tok);
    fuzz_must((status == FIG_OK) == (tok != NULL));
    fig_tokenizer_trainer_free(t);
    return tok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    fuzz_start();
    uint64_t before = fig_memory(ctx).bytes_now;
    const char *text = (const char *)data + 1;
    fig_tokenizer *whole = train(data[0], text, size - 1, size),
                  *parts = train(data[0], text, size - 1, 1 + data[0] % 7);
    fuzz_must(!whole == !parts);
    if (whole) fuzz_must(strcmp(fig_tokenizer_hash(whole), fig_tokenizer_hash(parts)) == 0);
    if (whole) fuzz_encode(whole, text, size - 1, true);
    fuzz_use(whole);
    fig_tokenizer_free(parts);
    fuzz_must(fig_memory(ctx).bytes_now == before);
    return 0;
}
