/* models/lenet.h: the block that networks which look at pictures are made of. */
#ifndef FIG_LENET_H
#define FIG_LENET_H
#include <fig/nn.h>

/* A convolution of kernel x kernel (odd) that keeps the size, the largest of each 2 x 2 square, ReLU. An odd side gets
 * a line of zeros first. [n, h, w, c] -> [n, (h + 1) / 2, (w + 1) / 2, out]. */
fig_tensor *fig__conv_block(fig_graph *g, const char *name, fig_tensor *x, size_t out, size_t kernel);

/* A linear layer with bias for what a ReLU follows: He's first weights (He et al. 2015). */
fig_tensor *fig__relu_linear(fig_graph *g, const char *name, fig_tensor *x, size_t out);

#endif
