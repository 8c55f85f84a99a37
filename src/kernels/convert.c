/* kernels/convert.c: conversion of whole arrays, tile by tile on all threads. */
#include "kernels/kernels.h"

#define CONVERT_TILE (32 * (size_t)FIGK_BLOCK)

typedef struct convert_job {
    const figk_table *k;
    size_t n;
    char *y;
    const char *x;
    fig_dtype yt, xt;
} convert_job;

static void convert_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const convert_job *job = arg;
    size_t y_size = fig_dtype_size(job->yt), x_size = fig_dtype_size(job->xt);
    size_t end = FIG_MIN(job->n, (tile + 1) * CONVERT_TILE);
    for (size_t i = tile * CONVERT_TILE; i < end; i += FIGK_BLOCK) {
        size_t n = FIG_MIN(end - i, FIGK_BLOCK);
        float block[FIGK_BLOCK];
        job->k->load(n, block, job->x + i * x_size, job->xt, 1);
        job->k->store(n, job->y + i * y_size, job->yt, 1, block);
    }
}

static void copy_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const convert_job *job = arg;
    size_t size = fig_dtype_size(job->yt), begin = tile * CONVERT_TILE, n = FIG_MIN(job->n - begin, CONVERT_TILE);
    memcpy(job->y + begin * size, job->x + begin * size, n * size);
}

void figk_convert(fig_context *fig, size_t n, void *y, fig_dtype yt, const void *x, fig_dtype xt) {
    convert_job job = {figk(fig), n, y, x, yt, xt};
    fig__parallel(fig, fig__ceil_div(n, CONVERT_TILE), xt == yt ? copy_tile : convert_tile, &job);
}
