/* Any bytes as vocab.json and merges.txt, with a line "%%" between the two. */
#include "fuzz_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_start();
    uint64_t before = fig_memory(ctx).bytes_now;
    const char *text = (const char *)data, *cut = size ? memmem(text, size, "\n%%\n", 4) : NULL;
    size_t n_first = cut ? (size_t)(cut - text) : size, skip = cut ? n_first + 4 : size;
    fuzz_use(fuzz_read(&fig__tok_format_gpt2, text, n_first, text + skip, size - skip));
    fuzz_must(fig_memory(ctx).bytes_now == before);
    return 0;
}
