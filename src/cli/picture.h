/* cli/picture.h: pictures in the terminal, as characters: a first look, not the result.
 *
 * Two pixels stand in one character, upper and lower half block, in 24-bit colour or the nearest of 256; where there
 * are no colours, or NO_COLOR is set (no-color.org), a ramp of ASCII from dark to bright. The background of the
 * terminal is taken to be dark; it shows through what is transparent. No terminal's own protocol for pictures is used:
 * none can be told without asking the terminal, which answers into standard input. */
#ifndef FIG_CLI_PICTURE_H
#define FIG_CLI_PICTURE_H
#include "base/buf.h"
#include "media/image/image.h"

typedef enum fig__picture_mode { FIG__PICTURE_ASCII, FIG__PICTURE_256, FIG__PICTURE_TRUE } fig__picture_mode;

/* What the environment says; each may be NULL. locale: LC_ALL, else LC_CTYPE, else LANG. */
typedef struct fig__picture_env {
    const char *no_color, *colorterm, *term, *locale;
} fig__picture_env;
fig__picture_mode fig__picture_mode_of(const fig__picture_env *env);

typedef struct fig__picture {
    const fig__image *image;
    const char *label; /* one line below, cut to the picture's width; NULL: none */
} fig__picture;

typedef struct fig__picture_layout {
    fig__picture_mode mode;
    size_t width; /* columns of the terminal */
    size_t side;  /* of a picture, in columns: larger ones are made smaller, small ones enlarged by a whole number */
} fig__picture_layout;
/* Side by side, as many as fit, then the next row; their tops are in line. */
fig_status fig__pictures_render(fig_context *ctx, const fig__picture *pictures, size_t n,
                                const fig__picture_layout *layout, fig__buf *out);

/* The values of a flag: "auto|always|never". Auto: when standard output is a terminal. */
typedef enum fig__picture_when { FIG__PICTURE_AUTO, FIG__PICTURE_ALWAYS, FIG__PICTURE_NEVER } fig__picture_when;
/* On standard output, for the terminal that it is (80 columns where it is none). */
fig_status fig__pictures_show(fig_context *ctx, const fig__picture *pictures, size_t n, fig__picture_when when);

#endif
