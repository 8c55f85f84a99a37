/* Any bytes as text for a small byte-level tokenizer, which must give them back, and as ids for decoding. */
#include "fuzz_tokenizer.h"
#include "media/text/utf8.h"

static fig_tokenizer *make_tokenizer(void) {
    static const char sample[] =
        "the cat's thing isn't 1234 12 1234  there\n\nthere \xC3\xA9t\xC3\xA9 \xC3\xA9t\xC3\xA9 the thin cat";
    static const char *const specials[] = {"<s>", "<s2>", "\xC3\xA9\xC3"};
    fig_tokenizer_train_options options = {
        .kind = FIG_TOKENIZER_BPE, .vocab_size = 300, .specials = specials, .n_specials = 3};
    fig_tokenizer_trainer *t;
    fig_tokenizer *tok;
    fuzz_must(fig_tokenizer_trainer_new(ctx, &options, &t) == FIG_OK);
    fuzz_must(fig_tokenizer_trainer_add(t, sample, sizeof sample - 1) == FIG_OK);
    fuzz_must(fig_tokenizer_trainer_finish(t, NULL, &tok) == FIG_OK);
    fig_tokenizer_trainer_free(t);
    return tok;
}

static void stream(const char *text, size_t len) {
    fig_utf8_stream s = {{0}, 0};
    char *out = malloc(3 * (len + 3));
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += fig_utf8_stream_add(&s, text + i, 1, out + n);
    n += fig_utf8_stream_flush(&s, out + n);
    fuzz_must(fig__utf8_valid(out, n) == n);
    bool good = fig__utf8_valid(text, len) == len;
    fuzz_must(!good || (n == len && (!n || memcmp(out, text, n) == 0)));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fig_tokenizer *tok;
    fuzz_start();
    if (!tok) tok = make_tokenizer();
    fuzz_encode(tok, (const char *)data, size, true);
    stream((const char *)data, size);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        int32_t id;
        size_t len;
        memcpy(&id, data + i, 4);
        fig_tokenizer_piece(tok, -1, id, &len);
        fuzz_must((fig_tokenizer_token(tok, id, &len) != NULL) == (id >= 0 && id < fig_tokenizer_vocab_size(tok)));
    }
    return 0;
}
