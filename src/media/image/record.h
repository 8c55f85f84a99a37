/* media/image/record.h: how a picture was made, written into its file and read back.
 *
 * Three notes go into a PNG file, each of which can be left out:
 *
 *   parameters   a text as AUTOMATIC1111 writes it, which many programs show and read:
 *                    a red apple
 *                    Negative prompt: blurred
 *                    Steps: 20, Sampler: heun, CFG scale: 2, Seed: 7, Size: 64x64, Model hash: 0123abcd, ...
 *   figment      one JSON object, all that making the picture again takes (fig__record_json)
 *   XML:com.adobe.xmp   XMP that marks it as made by a trained model (IPTC's digital source type)
 *
 * The JSON object is the truth; the text is for other programs, whose format cannot say everything. */
#ifndef FIG_RECORD_H
#define FIG_RECORD_H
#include "base/json.h"
#include "media/image/image.h"

#define FIG__RECORD_MAX_BYTES ((size_t)1 << 20) /* of the JSON text in a file */
#define FIG__RECORD_MAX_HISTORY 64              /* pictures; older ones are forgotten */

/* Texts are UTF-8. NULL, a number below zero and NaN are left out. */
typedef struct fig__record {
    const char *prompt, *negative_prompt;
    const char *sampler, *model, *model_hash;
    int64_t seed, sample; /* sample: the number of the picture under this seed */
    int64_t steps;
    double guidance;
    size_t w, h;               /* as generated; 0: of the picture it is written into */
    const fig__json *settings; /* borrowed: an object of what else it takes; NULL: nothing */
    const fig__json *history;  /* borrowed: fig__record_add_source; NULL: made from no other picture */
} fig__record;
#define FIG__RECORD_NONE \
    { .seed = -1, .sample = -1, .steps = -1, .guidance = -1 } /* to begin with */

/* {"software": "figment", "version", "prompt", "negative_prompt", "seed", "sample", "steps", "guidance", "sampler",
 *  "model", "model_hash", "width", "height", "settings": {...}, "history": [{"sha256", ...}, oldest first]} */
fig_status fig__record_json(fig_context *ctx, const fig__record *record, fig__json **out);
/* The text of "parameters". Lines of a prompt stay lines; other control characters become blanks; a line of it that
 * begins like the one of the negative prompt gets a no-break space, so that it is not taken for that. */
fig_status fig__record_parameters(const fig__record *record, fig__buf *out);
extern const char fig__record_xmp[]; /* the XMP packet; fig__animation takes it too */

enum { /* what is written */
       FIG__RECORD_PARAMETERS = 1,
       FIG__RECORD_JSON = 2,
       FIG__RECORD_MARK = 4,
       FIG__RECORD_ALL = 7
};
/* A PNG file of the picture with the notes that `parts` names; 0: the pixels alone. FIG_ERR_LIMIT when the JSON text
 * would be longer than the reader takes. */
fig_status fig__record_png(fig_context *ctx, const fig__image *image, const fig__record *record, unsigned parts,
                           fig__buf *out);

/* The JSON object in a PNG file. FIG_ERR_NOTFOUND when there is none, FIG_ERR_FORMAT when it is broken or the file no
 * PNG, FIG_ERR_LIMIT when it is over FIG__RECORD_MAX_BYTES. What it says was written by anybody: check every value. */
fig_status fig__record_read(fig_context *ctx, const char *name, const void *data, size_t len, fig__json **out);
/* Adds the file of a picture that another one is made from to an array: the history in its own record first, then
 * itself, {"sha256": of the file, and what its record says}. A file of any format will do. */
fig_status fig__record_add_source(fig_context *ctx, const char *name, const void *data, size_t len, fig__json *history);

#endif
