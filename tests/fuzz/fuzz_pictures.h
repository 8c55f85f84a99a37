/* What the targets of pictures share: sources read files, so the input becomes one in memory; everything that a source
 * gives is looked at to its last byte. */
#ifndef FUZZ_PICTURES_H
#define FUZZ_PICTURES_H
#include "data/pictures/source.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_MAX_PICTURES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fig_context *fuzz_ctx;
static volatile unsigned fuzz_sum;

static inline void fuzz_begin(void) {
    if (!fuzz_ctx && fig_context_new(&(fig_context_options){.n_threads = 1}, &fuzz_ctx)) abort();
}

/* The path of a file with these bytes; there is one at a time. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static inline void fuzz_bytes(const void *data, size_t n) {
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) fuzz_sum += p[i];
}

static inline void fuzz_use(const fig__picture *p) {
    fuzz_bytes(p->name, strlen(p->name));
    if (p->file) fuzz_bytes(p->file, p->file_len);
    if (!p->file) fuzz_bytes(p->samples.data, p->samples.w * p->samples.h * p->samples.c);
    if (p->class_name) fuzz_bytes(p->class_name, strlen(p->class_name));
    if (p->caption) fuzz_bytes(p->caption, strlen(p->caption));
    if (p->split < -1 || p->split >= FIG_SPLIT_COUNT) abort();
}

/* Opens the path as this kind and reads it to its end. */
static inline void fuzz_read(const fig__picture_kind *kind, const char *path) {
    fig__picture picture;
    uint64_t before = fig_memory(fuzz_ctx).bytes_now;
    fig__picture_source s = {.ctx = fuzz_ctx, .kind = kind, .path = path, .is_one_of_many = true};
    fig_status status = kind->open(&s);
    for (int i = 0; i < FUZZ_MAX_PICTURES && !status; i++) {
        status = kind->next(&s, &picture);
        if (status || !picture.name) break;
        fuzz_use(&picture);
    }
    kind->close(&s);
    if (fig_memory(fuzz_ctx).bytes_now != before) abort();
}

#endif
