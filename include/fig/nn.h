/* fig/nn.h: the layers that models are written in. Each creates its parameters under the current module path
 * (fig_enter), named as PyTorch names them: <path>.<name>.weight, <path>.<name>.bias. */
#ifndef FIG_NN_H
#define FIG_NN_H
#include <fig/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FIG_NO_BIAS = 0, FIG_BIAS = 1 };

/* x [.., in] -> [.., out]. Weight [out, in], normal with standard deviation std; bias zeros. */
fig_tensor *fig_linear(fig_graph *g, const char *name, fig_tensor *x, size_t out, int bias, double std);
/* Rows of a table [n, c], normal with standard deviation std; *table, if asked for, is the table itself (for a tied
 * head). */
fig_tensor *fig_embed(fig_graph *g, const char *name, fig_tensor *index, size_t n, size_t c, double std,
                      fig_tensor **table);
/* Gain ones; bias zeros, or none. */
fig_tensor *fig_layer_norm(fig_graph *g, const char *name, fig_tensor *x, int bias, double eps);
fig_tensor *fig_rms_norm(fig_graph *g, const char *name, fig_tensor *x, double eps);

#ifdef __cplusplus
}
#endif
#endif
