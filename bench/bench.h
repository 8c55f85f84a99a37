/* bench/bench.h: what the measurements of kernels share. */
#ifndef FIG_BENCH_H
#define FIG_BENCH_H
#include <stdio.h>
#include <stdlib.h>
#include "kernels/kernels.h"

/* n numbers of low to high, the same in every run. */
static inline void *filled(fig_context *fig, size_t n, fig_dtype type, float low, float high) {
    float *x = fig__alloc(fig, n * sizeof *x);
    void *y = fig__alloc(fig, n * fig_dtype_size(type));
    if (!x || !y) exit(1);
    for (size_t i = 0; i < n; i++) x[i] = low + (high - low) * (float)((i * 2654435761u & 0xffff) + 1) / 0x10000;
    figk_convert(fig, n, y, type, x, FIG_F32);
    fig__free(fig, x);
    return y;
}

/* PROGRAM [threads] [seconds]: 0 threads are all. */
static inline fig_context *bench_context(int argc, char **argv, double *seconds) {
    int64_t n_threads = 0;
    fig_context *fig;
    if (argc > 1 && !fig__parse_int(argv[1], &n_threads)) exit(2);
    if (argc > 2 && !fig__parse_real(argv[2], seconds)) exit(2);
    if (fig_context_new(&(fig_context_options){.n_threads = (int)n_threads}, &fig)) exit(1);
    return fig;
}

#endif
