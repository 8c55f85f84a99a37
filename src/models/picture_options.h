/* models/picture_options.h: rows of option tables that architectures for pictures share. `type` is the settings struct.
 */
#ifndef FIG_PICTURE_OPTIONS_H
#define FIG_PICTURE_OPTIONS_H
#include <fig/options.h>

#define FIG__WHOLE(type, field, low_, high_, usual, says)                                                 \
    {                                                                                                     \
        .name = #field, .kind = FIG_OPT_INT, .offset = offsetof(type, field), .low = low_, .high = high_, \
        .fallback = usual, .help = says                                                                   \
    }
#define FIG__REAL(type, field, low_, high_, usual, says)                                                   \
    {                                                                                                      \
        .name = #field, .kind = FIG_OPT_REAL, .offset = offsetof(type, field), .low = low_, .high = high_, \
        .fallback = usual, .help = says                                                                    \
    }
#define FIG__CHOICE(type, field, choices_, usual, says)                                               \
    {                                                                                                 \
        .name = #field, .kind = FIG_OPT_CHOICE, .offset = offsetof(type, field), .choices = choices_, \
        .fallback = usual, .help = says                                                               \
    }
/* What follows from the data. */
#define FIG__PICTURE_ROWS(type)                                                     \
    FIG__WHOLE(type, image_size, 0, 4096, "28", "side of its pictures, in pixels"), \
        FIG__WHOLE(type, n_channels, 0, 4, "1", "1 grey, 3 RGB, 4 RGBA")

#endif
