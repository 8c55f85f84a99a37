/* Any bytes as an IDX file, its labels and a .npy file: refused, or every sample that the header promises is there. */
#include "fuzz_pictures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    fuzz_begin();
    const char *path = fuzz_file(data, size);
    fig__pictures_idx.probe(path, data, FIG_MIN(size, 512));
    fig__pictures_npy.probe(path, data, FIG_MIN(size, 512));
    fuzz_read(&fig__pictures_idx, path);
    fuzz_read(&fig__pictures_npy, path);
    return 0;
}
