/* media/image/corrupt.h: pictures made worse by a known amount, so that a score shows what it makes of that. */
#ifndef FIG_IMAGE_CORRUPT_H
#define FIG_IMAGE_CORRUPT_H
#include "base/base.h"

typedef enum fig__corruption_kind {
    FIG__CORRUPT_NOISE,           /* normal, strength: standard deviation as a share of the range */
    FIG__CORRUPT_BLUR,            /* Gaussian, strength: standard deviation in pixels */
    FIG__CORRUPT_SALT_AND_PEPPER, /* strength: share of pixels that become black or white */
    FIG__CORRUPT_OCCLUSION        /* a grey square, strength: its side as a share of the picture's */
} fig__corruption_kind;
typedef struct fig__corruption {
    fig__corruption_kind kind;
    double strength;
    const char *name; /* "noise" */
} fig__corruption;

/* The usual ladder: kinds and strengths, the weaker first. */
extern const fig__corruption fig__corruptions[];
extern const size_t fig__n_corruptions;

/* in, out: [side, side, c], not the same. What is drawn follows from seed and sample. */
typedef struct fig__corrupt_picture {
    size_t side, c;
    uint64_t seed, sample;
    const uint8_t *in;
    uint8_t *out;
} fig__corrupt_picture;
void fig__corrupt(const fig__corruption *how, const fig__corrupt_picture *p);

#endif
