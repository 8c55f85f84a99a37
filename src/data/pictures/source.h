/* data/pictures/source.h: one input path as a stream of pictures; a kind per layout, in one table (source.c). */
#ifndef FIG_PICTURES_SOURCE_H
#define FIG_PICTURES_SOURCE_H
#include "base/file.h"
#include "base/json.h"
#include "media/image/image.h"
#include <fig/pictures.h>

#define FIG__PICTURE_MAX_FILE ((size_t)1 << 28)  /* bytes of one picture file */
#define FIG__PICTURE_MAX_ARRAY ((size_t)1 << 33) /* bytes of an IDX or .npy file, unpacked */
#define FIG__PICTURE_MAX_FILES ((size_t)1 << 24)
#define FIG__CAPTION_MAX 4096

/* Valid until the next one of the same source. Either a file's bytes, or samples. */
typedef struct fig__picture {
    const char *name;
    const uint8_t *file;
    size_t file_len;
    fig__image samples;
    int64_t class_number;      /* -1: none */
    const char *class_name;    /* or NULL */
    const char *caption;       /* or NULL */
    const fig__json *captions; /* an array of all of them, or NULL: there is one at most */
    int split;                 /* fig_data_split, or -1: not said */
    const fig__json *about;    /* all that its metadata say, or NULL */
} fig__picture;

typedef struct fig__picture_source fig__picture_source;
typedef struct fig__picture_kind {
    const char *name;
    bool (*probe)(const char *path, const uint8_t *head, size_t len);
    fig_status (*open)(fig__picture_source *s);
    /* FIG_OK with picture->name NULL at the end. */
    fig_status (*next)(fig__picture_source *s, fig__picture *picture);
    void (*close)(fig__picture_source *s);
} fig__picture_kind;
extern const fig__picture_kind fig__pictures_folder, fig__pictures_single, fig__pictures_idx, fig__pictures_npy,
    fig__pictures_archive;

struct fig__picture_source {
    fig_context *ctx;
    const fig__picture_kind *kind;
    const char *path; /* borrowed */
    bool is_one_of_many;
    uint64_t n_other; /* files that are no pictures, so far */
    void *state;      /* the kind's */
};

/* FIG_ERR_FORMAT when no kind knows what is there. */
fig_status fig__picture_source_open(fig_context *ctx, const char *path, bool is_one_of_many, fig__picture_source **out);
/* Arrays and archives in a folder: sources of their own. */
fig_status fig__picture_sets_below(fig_context *ctx, const char *dir, fig__paths *out);
void fig__picture_source_close(fig__picture_source *s);

/* --- for kinds --------------------------------------------------------------------------------------------------*/
/* What the folders of a path inside of a set say; class_name gets the other folders, joined, or "". */
int fig__split_of_path(const char *path, char *class_name, size_t size);
/* What the name of an array says: train-images..., t10k-images... */
int fig__split_of_file(const char *base);
/* caption, class and split of an object of metadata.jsonl or of a WebDataset .json; texts borrowed from j. */
void fig__picture_metadata(const fig__json *j, fig__picture *picture);
/* The whole of a file that may be compressed (gzip, xz, zstd ...): into `out`. */
fig_status fig__unpack(fig_context *ctx, const char *name, const void *data, size_t len, fig__buf *out);
fig_status fig__unpack_file(fig_context *ctx, const char *path, size_t max, fig__buf *out);

#endif
