/* files/weights.h: named tensors of a model file, whatever format it had.
 *
 * Filled by fig__st_open (safetensors) and fig__llama2c_open (llama2.c), read by the model loader. Tensors are views of
 * the mapped files; nothing is converted. Everything here lives until fig__weights_close. */
#ifndef FIG_WEIGHTS_H
#define FIG_WEIGHTS_H
#include "base/file.h"
#include "base/json.h"

#define FIG__WEIGHTS_MAX (1u << 20) /* tensors of one model */
#define FIG__WEIGHTS_MAX_DIMS 8
#define FIG__WEIGHTS_MAX_NAME 512 /* bytes */

typedef struct fig__weight {
    const char *name;       /* as in the file; llama2.c tensors get the names that Llama has at Hugging Face */
    fig_dtype dtype;        /* FIG_DTYPE_COUNT: a type that is listed but not read here */
    const char *dtype_name; /* "BF16" */
    int ndim;
    size_t shape[FIG__WEIGHTS_MAX_DIMS], numel;
    const void *data; /* little-endian, row-major, aligned to the element */
    size_t bytes;
    const char *file; /* path of the file that holds it */
} fig__weight;

typedef struct fig__weights fig__weights;

size_t fig__weights_count(const fig__weights *w);
const fig__weight *fig__weights_at(const fig__weights *w, size_t i);           /* in the order of the file */
const fig__weight *fig__weights_find(const fig__weights *w, const char *name); /* NULL when there is none */
/* An object of strings, or NULL; of several files the first. */
const fig__json *fig__weights_metadata(const fig__weights *w);
/* As find for a tensor that must be there, in a type that can be read and with this shape (ndim < 0: any); the message
 * names the file, the tensor, and both shapes. */
fig_status fig__weights_need(const fig__weights *w, const char *name, int ndim, const size_t *shape,
                             const fig__weight **out);
/* "[61, 32]", for messages; returns text. */
const char *fig__shape_text(char *text, size_t size, int ndim, const size_t *shape);
/* FIG_ERR_FORMAT when a floating-point tensor holds NaN or an infinity: names it, and how many there are. Refuses types
 * that are not read here, as fig__weights_need does. */
fig_status fig__weights_check_finite(const fig__weights *w, const fig__weight *tensor);
void fig__weights_close(fig__weights *w); /* NULL is fine */

/* --- for the formats ---------------------------------------------------------------------------------------*/
fig_status fig__weights_new(fig_context *ctx, fig__weights **out);
/* Maps a file, which then belongs to w; *path is a copy that lives as long. */
fig_status fig__weights_map(fig__weights *w, const char *path, const char **own_path, fig__mapping *out);
/* Takes a view: name, dtype, dtype_name (static), ndim, shape, data, bytes and file (from fig__weights_map) are given,
 * numel is worked out. Checks the limits and that the name is new; copies data that is not aligned to its element. */
fig_status fig__weights_add(fig__weights *w, const fig__weight *tensor);
void fig__weights_set_metadata(fig__weights *w, fig__json *metadata); /* takes ownership; only the first is kept */

#endif
