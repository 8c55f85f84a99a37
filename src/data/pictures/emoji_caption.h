/* data/pictures/emoji_caption.h: Unicode's names of emoji as captions; the rule stands in fig/pictures.h. */
#ifndef FIG_EMOJI_CAPTION_H
#define FIG_EMOJI_CAPTION_H
#include "base/buf.h"

typedef struct fig__emoji_words {
    char caption[256], base[256]; /* base: without skin tones */
    char skin_tone[64];           /* "medium-light", "light, dark", or "" */
    char hair[32];                /* "red", "bald", or "" */
    char colour[16];              /* "light blue" of "light blue heart", or "" */
} fig__emoji_words;

/* Names that are too long are cut; what no caption can have is left out. */
void fig__emoji_words_of(const char *name, fig__emoji_words *out);

#endif
