/* data/pictures/pictures.h: the prepared folder, as prepare.c writes and open.c reads it.
 *
 *     manifest.json        size, channels, counts, classes, where it came from
 *     train.bin, val.bin   samples [n, size, size, channels]
 *     train.labels ...     int32 [n], little endian; -1: none
 *     train.captions ...   one line each, "" for none; backslash and line ends escaped as in C; several of one picture
 *                          with FIG__CAPTION_END between them
 *     train.attributes ... int16 [n_attributes, n], little endian, -1: not said; where there are attributes */
#ifndef FIG_PICTURES_PRIVATE_H
#define FIG_PICTURES_PRIVATE_H
#include "base/file.h"
#include "base/json.h"
#include <fig/pictures.h>

#define FIG__PICTURES_FORMAT "figment-pictures"
#define FIG__PICTURES_VERSION 1
#define FIG__PICTURES_MAX_CLASSES 1000000
#define FIG__CAPTION_END '\x1f' /* ASCII's unit separator */
#define FIG__ATTRIBUTES_MAX 32
#define FIG__ATTRIBUTE_MAX_VALUES 256

/* DIR/train.bin; the caller's (fig__free). */
char *fig__pictures_path(fig_context *ctx, const char *dir, fig_data_split split, const char *ending);

typedef struct fig__class_names {
    char **data;
    size_t n, cap;
} fig__class_names;
void fig__class_names_deinit(fig_context *ctx, fig__class_names *names);

typedef struct fig__attribute {
    char *name;
    fig__class_names values;
    bool is_free_text; /* more values than may be: it will not be kept */
    struct {
        int16_t *data;
        size_t n, cap;
    } column[FIG_SPLIT_COUNT]; /* while preparing */
} fig__attribute;
typedef struct fig__attributes {
    fig__attribute *data;
    size_t n, cap;
    uint64_t n_pushed[FIG_SPLIT_COUNT];
} fig__attributes;
/* The number of a name, which may be new. */
fig_status fig__attributes_find(fig_context *ctx, fig__attributes *all, const char *name, size_t *at);
fig_status fig__attribute_add_value(fig_context *ctx, fig__attribute *a, const char *text);
void fig__attributes_deinit(fig_context *ctx, fig__attributes *all);

typedef struct fig__pictures_manifest {
    fig_pictures_info info;
    fig__class_names classes;
    fig__attributes attributes;
    char fingerprint[65]; /* of sources and options: whether preparing again would give the same */
} fig__pictures_manifest;
fig_status fig__pictures_manifest_save(fig_context *ctx, const char *dir, const fig__pictures_manifest *m);
/* name stands in messages. */
fig_status fig__pictures_manifest_parse(fig_context *ctx, const char *name, const char *text, size_t len,
                                        fig__pictures_manifest *m);
fig_status fig__pictures_manifest_load(fig_context *ctx, const char *dir, fig__pictures_manifest *m);
/* Whether the pictures are the same, wherever they came from. */
bool fig__pictures_manifest_same(const fig__pictures_manifest *a, const fig__pictures_manifest *b);
void fig__pictures_manifest_deinit(fig_context *ctx, fig__pictures_manifest *m);

/* Writes the files of a folder of pictures `to`, all but its manifest: as many as are in `from`, which are grey, each
 * of three of them as red, green and blue. Which ones follows from split and number. */
fig_status fig__pictures_stack(fig_context *ctx, const char *from, const char *to, fig_pictures_info *info);

#endif
