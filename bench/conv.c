/* bench/conv.c: convolutions in their three directions as shares of the ceiling of registers, and which way each goes
 * (src/kernels/conv.c). The best time of several runs counts; a multiply-add is two operations.
 *
 *     make bench
 *     build/bench/conv [threads] [seconds per line]        FIG_CPU= as everywhere */
#include "bench.h"
#include "kernels/direct.h"

typedef struct shape {
    const char *of;
    size_t n, side, c, o, kernel, stride, groups;
} shape;

static const shape shapes[] = {
    {"LeNet, first", 128, 28, 1, 32, 5, 1, 1},
    {"LeNet, second", 128, 14, 32, 64, 5, 1, 1},
    {"LeNet, second at 64", 32, 32, 32, 64, 5, 1, 1},
    {"residual, 32", 64, 28, 32, 32, 3, 1, 1},
    {"residual, 64", 64, 14, 64, 64, 3, 1, 1},
    {"residual, 64", 64, 7, 64, 64, 3, 1, 1},
    {"residual, 128", 16, 32, 64, 128, 3, 1, 1},
    {"down", 64, 28, 32, 64, 3, 2, 1},
    {"up", 64, 28, 32, 32, 4, 2, 1},
    {"R3GAN at 32", 64, 32, 64, 64, 3, 1, 4},
    {"R3GAN at 8", 64, 8, 256, 256, 3, 1, 16},
    {"residual, 256", 64, 8, 256, 256, 3, 1, 1},
    {"residual, 512", 64, 4, 512, 512, 3, 1, 1},
    {"DCGAN, 64 to 128", 64, 32, 64, 128, 4, 2, 1},
    {"DCGAN, 128 to 256", 64, 16, 128, 256, 4, 2, 1},
    {"DCGAN, 256 to 512", 64, 8, 256, 512, 4, 2, 1},
    {"to one channel", 64, 28, 32, 1, 3, 1, 1},
};

static double best_time(fig_context *fig, figk_conv_what what, const figk_conv *c, double seconds) {
    figk_conv_run(fig, what, c);
    double best = 1e30, end = fig__now() + seconds;
    do {
        double start = fig__now();
        figk_conv_run(fig, what, c);
        best = FIG_MIN(best, fig__now() - start);
    } while (fig__now() < end);
    return best;
}

static void bench_direction(fig_context *fig, figk_conv_what what, figk_conv c, double peak, double seconds) {
    double operations = 2.0 * (double)(c.n * c.oh * c.ow * c.o) * (double)(c.kh * c.kw * c.c / c.groups);
    if (what == FIGK_CONV_WEIGHTS) c.wt = FIG_F32;
    c.workspace = fig__alloc(fig, figk_conv_workspace(fig, what, &c) + FIG_ALIGN);
    fig__scratch_reserve(fig, figk_conv_scratch(fig, what, &c));
    double rate = operations / best_time(fig, what, &c, seconds);
    printf("   %6.0f %3.0f %%", rate * 1e-9, 100 * rate / peak);
    fig__free(fig, c.workspace);
}

static void bench_shape(fig_context *fig, const shape *s, fig_dtype type, double peak, double seconds) {
    size_t pad = (s->kernel - 1) / 2, out = (s->side + 2 * pad - s->kernel) / s->stride + 1;
    figk_conv c = {.n = s->n,
                   .h = s->side,
                   .w = s->side,
                   .c = s->c,
                   .oh = out,
                   .ow = out,
                   .o = s->o,
                   .kh = s->kernel,
                   .kw = s->kernel,
                   .groups = s->groups,
                   .stride = {s->stride, s->stride},
                   .dilation = {1, 1},
                   .pad = {(ptrdiff_t)pad, (ptrdiff_t)pad},
                   .xt = type,
                   .yt = type,
                   .wt = type};
    c.x = filled(fig, s->n * s->side * s->side * s->c, type, -1, 1),
    c.y = filled(fig, s->n * out * out * s->o, type, -1, 1);
    c.weight =
        filled(fig, s->kernel * s->kernel * s->c / s->groups * s->o * 2, type, -1, 1); /* or its gradient in fp32 */
    printf("%-20s %3zu x %2zu x %3zu to %3zu, %zu x %zu / %zu, %2zu groups, %s", s->of, s->n, s->side, s->c, s->o,
           s->kernel, s->kernel, s->stride, s->groups,
           fig__conv_direct_leaf(fig, FIGK_CONV, &c) ? "direct " : "product");
    for (int what = 0; what < 3; what++) bench_direction(fig, (figk_conv_what)what, c, peak, seconds);
    printf("\n");
    fig__free(fig, (void *)(uintptr_t)c.x), fig__free(fig, (void *)(uintptr_t)c.y), fig__free(fig, c.weight);
}

int main(int argc, char **argv) {
    double seconds = 0.2;
    fig_context *fig = bench_context(argc, argv, &seconds);
    fig_dtype types[] = {FIG_F32, FIG_BF16};
    for (size_t t = 0; t < FIG_COUNT(types); t++) {
        double peak = figk_peak_flops(fig, types[t], fig_n_threads(fig));
        printf("%s, %d threads, %s ceiling %.0f GFLOP/s; GFLOP/s of y, of x, of w\n", fig_cpu_level(fig),
               fig_n_threads(fig), fig_dtype_name(types[t]), peak * 1e-9);
        for (size_t i = 0; i < FIG_COUNT(shapes); i++) bench_shape(fig, &shapes[i], types[t], peak, seconds);
    }
    fig_context_free(fig);
    return 0;
}
