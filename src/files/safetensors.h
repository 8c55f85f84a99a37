/* files/safetensors.h: Hugging Face safetensors, read and written.
 *
 *     u64 little-endian: length n of the header
 *     n bytes of JSON:   {"__metadata__": {text: text}, name: {"dtype", "shape", "data_offsets": [from, to]}, ...}
 *     the tensors, without a gap between them
 *
 * Everything a file says is checked before any of it is believed: the header's length (at most 100 MB), JSON, types,
 * shapes against bytes, offsets inside the file, no overlap, no hole, no name twice, at most 2^20 tensors of 8 axes. */
#ifndef FIG_SAFETENSORS_H
#define FIG_SAFETENSORS_H
#include "weights.h"

fig_status fig__st_open(fig_context *ctx, const char *path, fig__weights **out);
/* A folder: model.safetensors, or the files that model.safetensors.index.json lists. */
fig_status fig__st_open_model(fig_context *ctx, const char *dir, fig__weights **out);

/* Writing: declare every tensor, then give the data of each in that order, in parts of any size. Types of wide elements
 * go first, so that all data is aligned. The file appears at commit, whole and synced. */
typedef struct fig__st_writer fig__st_writer;
/* metadata: an object of strings, borrowed; NULL: {"format": "pt"}, which transformers wants to see. */
fig_status fig__st_writer_new(fig_context *ctx, const char *path, const fig__json *metadata, fig__st_writer **out);
fig_status fig__st_writer_declare(fig__st_writer *w, const char *name, fig_dtype dtype, int ndim, const size_t *shape);
fig_status fig__st_writer_data(fig__st_writer *w, const void *data, size_t bytes);
fig_status fig__st_writer_commit(fig__st_writer *w); /* fails when data is missing; frees w in every case */
void fig__st_writer_abort(fig__st_writer *w);        /* frees w and leaves no file; NULL is fine */

#endif
