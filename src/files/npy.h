/* files/npy.h: NumPy's .npy arrays, read and written (format: numpy.lib.format, versions 1.0 to 3.0).
 *
 *     "\x93NUMPY", major, minor        u16 (version 1) or u32: length of the header
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      blanks and a newline up to a multiple of 64
 *     the elements, little endian
 *
 * The header is parsed as what it is, a literal of three keys, and nothing else is accepted: a header of at most 64
 * KiB, at most 8 axes, plain types, sizes that do not overflow and that the file holds. Objects (pickles) are refused.
 */
#ifndef FIG_NPY_H
#define FIG_NPY_H
#include "base/file.h"

#define FIG__NPY_MAX_DIMS 8

typedef struct fig__npy {
    fig_dtype dtype; /* F32, F64, I32, I64, U8 */
    bool fortran;    /* the first axis is the fastest one */
    int ndim;
    size_t shape[FIG__NPY_MAX_DIMS], numel;
    const uint8_t *data; /* not aligned */
    size_t bytes;
    const char *name; /* of the file, for messages; borrowed */
    fig__mapping file;
} fig__npy;

/* A view of an array in memory; `name` and `data` must outlive it. */
fig_status fig__npy_parse(fig_context *ctx, const char *name, const void *data, size_t len, fig__npy *out);
fig_status fig__npy_open(fig_context *ctx, const char *path, fig__npy *out); /* maps the file */
void fig__npy_close(fig__npy *npy);

/* The elements in row-major order, for the caller to fig__free: float32 or float64 as floats, int32, int64 or uint8 as
 * int32 (a number that does not fit is FIG_ERR_FORMAT). At most max elements. An array of nothing gives a pointer too.
 */
fig_status fig__npy_floats(fig_context *ctx, const fig__npy *npy, size_t max, float **out);
fig_status fig__npy_ints(fig_context *ctx, const fig__npy *npy, size_t max, int32_t **out);

/* Writes version 1.0, whole or not at all: dtype FIG_F32 or FIG_I32, row-major. */
fig_status fig__npy_write(fig_context *ctx, const char *path, fig_dtype dtype, int ndim, const size_t *shape,
                          const void *data);

#endif
