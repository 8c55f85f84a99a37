/* media/image/corrupt.c: see corrupt.h. */
#include "media/image/corrupt.h"
#include <math.h>
#include "base/rng.h"

const fig__corruption fig__corruptions[] = {
    {FIG__CORRUPT_NOISE, 0.1, "noise"},
    {FIG__CORRUPT_NOISE, 0.3, "noise"},
    {FIG__CORRUPT_BLUR, 0.7, "blur"},
    {FIG__CORRUPT_BLUR, 1.5, "blur"},
    {FIG__CORRUPT_SALT_AND_PEPPER, 0.03, "salt and pepper"},
    {FIG__CORRUPT_SALT_AND_PEPPER, 0.15, "salt and pepper"},
    {FIG__CORRUPT_OCCLUSION, 0.25, "occlusion"},
    {FIG__CORRUPT_OCCLUSION, 0.5, "occlusion"},
};
const size_t fig__n_corruptions = FIG_COUNT(fig__corruptions);

static uint8_t sample_of(double v) { return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5); }

static void noise(const fig__corrupt_picture *p, const fig_rng_key *key, double sd) {
    for (size_t i = 0; i < p->side * p->side * p->c; i++)
        p->out[i] = sample_of(p->in[i] + 255 * sd * fig__rng_normal(key, p->sample, i));
}

/* Pixels beyond the edge are those at the edge; rows, then columns, rounded once. */
#define MAX_REACH 32
typedef struct bell {
    double weight[MAX_REACH + 1];
    int64_t reach;
} bell;
static bell bell_of(double sd) {
    bell b = {.reach = (int64_t)FIG_MIN(ceil(3 * sd), MAX_REACH)};
    double sum = 0;
    for (int64_t i = 0; i <= b.reach; i++) {
        b.weight[i] = exp(-0.5 * (double)(i * i) / (sd * sd));
        sum += i ? 2 * b.weight[i] : b.weight[i];
    }
    for (int64_t i = 0; i <= b.reach; i++) b.weight[i] /= sum;
    return b;
}

static size_t inside(int64_t i, size_t n) { return i < 0 ? 0 : (size_t)i >= n ? n - 1 : (size_t)i; }

static double blurred(const fig__corrupt_picture *p, const bell *b, size_t y, size_t x, size_t channel) {
    double sum = 0;
    for (int64_t dy = -b->reach; dy <= b->reach; dy++) {
        const uint8_t *row = p->in + inside((int64_t)y + dy, p->side) * p->side * p->c;
        double of_row = 0;
        for (int64_t dx = -b->reach; dx <= b->reach; dx++)
            of_row += b->weight[dx < 0 ? -dx : dx] * row[inside((int64_t)x + dx, p->side) * p->c + channel];
        sum += b->weight[dy < 0 ? -dy : dy] * of_row;
    }
    return sum;
}

static void blur(const fig__corrupt_picture *p, double sd) {
    bell b = bell_of(sd);
    for (size_t y = 0; y < p->side; y++)
        for (size_t x = 0; x < p->side; x++)
            for (size_t k = 0; k < p->c; k++) p->out[(y * p->side + x) * p->c + k] = sample_of(blurred(p, &b, y, x, k));
}

static void salt_and_pepper(const fig__corrupt_picture *p, const fig_rng_key *key, double share) {
    memcpy(p->out, p->in, p->side * p->side * p->c);
    for (size_t i = 0; i < p->side * p->side; i++) {
        double u = fig__rng_uniform(key, p->sample, 4 * i); /* a block of its own: uniform takes two words */
        if (u < share) memset(p->out + i * p->c, u < share / 2 ? 0 : 255, p->c);
    }
}

static void occlusion(const fig__corrupt_picture *p, const fig_rng_key *key, double share) {
    size_t square = FIG_MAX((size_t)(share * (double)p->side + 0.5), 1), free_ = p->side - FIG_MIN(square, p->side);
    size_t x = fig__rng_below(key, p->sample, 0, free_ + 1), y = fig__rng_below(key, p->sample, 4, free_ + 1);
    memcpy(p->out, p->in, p->side * p->side * p->c);
    for (size_t i = y; i < FIG_MIN(y + square, p->side); i++)
        memset(p->out + (i * p->side + x) * p->c, 128, FIG_MIN(square, p->side) * p->c);
}

void fig__corrupt(const fig__corruption *how, const fig__corrupt_picture *p) {
    fig_rng_key key = {p->seed, fig__rng_stream(how->name), 0};
    switch (how->kind) {
    case FIG__CORRUPT_NOISE: noise(p, &key, how->strength); break;
    case FIG__CORRUPT_BLUR: blur(p, how->strength); break;
    case FIG__CORRUPT_SALT_AND_PEPPER: salt_and_pepper(p, &key, how->strength); break;
    case FIG__CORRUPT_OCCLUSION: occlusion(p, &key, how->strength); break;
    }
}
