/* train/schedule.c: learning rates. Cosine as in nanoGPT; warm-up-stable-decay after Hu et al., MiniCPM (2024), with a
 * linear decay. */
#include <math.h>
#include "train/train.h"

double fig__schedule(const fig_train_options *o, int64_t iter, double min_share) {
    if (iter < o->warmup_iters) return (double)(iter + 1) / (double)(o->warmup_iters + 1);
    if (o->schedule == 0) return 1;
    if (o->schedule == 1) {
        double end = (double)(o->decay_iters ? o->decay_iters : o->max_iters), start = (double)o->warmup_iters;
        double done = end > start ? ((double)iter - start) / (end - start) : 1;
        return min_share + 0.5 * (1 + cos(3.14159265358979323846 * fmin(done, 1))) * (1 - min_share);
    }
    double length = o->decay_iters ? (double)o->decay_iters : (double)o->max_iters / 5;
    double left = (double)(o->max_iters - iter);
    return left >= length || length <= 0 ? 1 : min_share + (1 - min_share) * left / length;
}
