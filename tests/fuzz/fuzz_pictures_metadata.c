/* Any bytes as metadata.jsonl of a folder with two pictures. */
#include "fuzz_pictures.h"

static char dir[] = "/tmp/fuzz-pictures-XXXXXX";

static void remove_folder(void) { fig__dir_remove(fuzz_ctx, dir); }

static void put(const char *name, const void *data, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (fig__file_put(fuzz_ctx, path, data, size)) abort();
}

static void make_folder(void) {
    static const uint8_t head[16] = "\x89PNG\r\n\x1a\n"; /* a picture as far as a source looks */
    if (!mkdtemp(dir)) abort();
    atexit(remove_folder);
    put("a.png", head, sizeof head);
    put("b.png", head, sizeof head);
    put("b.txt", "words\n", 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!fuzz_ctx) {
        fuzz_begin();
        make_folder();
    }
    put("metadata.jsonl", data, size);
    fuzz_read(&fig__pictures_folder, dir);
    return 0;
}
