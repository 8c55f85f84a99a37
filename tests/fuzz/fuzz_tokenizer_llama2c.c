/* Any bytes as a llama2.c tokenizer: no crash, and what is accepted encodes any text. */
#include "fuzz_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_start();
    uint64_t before = fig_memory(ctx).bytes_now;
    fuzz_use(fuzz_read(&fig__tok_format_llama2c, (const char *)data, size, "", 0));
    fuzz_must(fig_memory(ctx).bytes_now == before);
    return 0;
}
