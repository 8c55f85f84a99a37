/* Any bytes as an archive of pictures. */
#include "fuzz_pictures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    fuzz_begin();
    const char *path = fuzz_file(data, size);
    fig__pictures_archive.probe(path, data, FIG_MIN(size, 512));
    fuzz_read(&fig__pictures_archive, path);
    return 0;
}
