/* cli/pictures.h: sets of pictures, as several commands make and show them. */
#ifndef FIG_CLI_PICTURES_H
#define FIG_CLI_PICTURES_H
#include <fig/pictures.h>
#include "cli/cli.h"

/* fig_pictures_prepare with progress, and notes of what was left out. */
fig_status fig__prepare_pictures(fig_context *ctx, fig_pictures_options *o, fig_pictures_info *info);
/* What a prepared set holds, on standard output. */
fig_status fig__describe_pictures(fig__args *args, const char *path);

/* The rows of an option table for the form of samples: fields image_size, channels and stack of struct `type`. */
#define FIG__PICTURE_FORM_OPTIONS(type)                                            \
    {.name = "image_size",                                                         \
     .kind = FIG_OPT_INT,                                                          \
     .offset = offsetof(type, image_size),                                         \
     .high = 4096,                                                                 \
     .aliases = "size resolution",                                                 \
     .value = "PIXELS",                                                            \
     .help = "side of pictures; 0: theirs where they are small squares, else 64"}, \
        {.name = "channels",                                                       \
         .kind = FIG_OPT_INT,                                                      \
         .offset = offsetof(type, channels),                                       \
         .high = 4,                                                                \
         .help = "1 grey, 3 RGB, 4 RGBA; 0: what the pictures have"},              \
    {                                                                              \
        .name = "stack", .kind = FIG_OPT_BOOL, .offset = offsetof(type, stack),    \
        .help = "three grey pictures at random as red, green and blue of each"     \
    }

#endif
