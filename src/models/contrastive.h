/* models/contrastive.h: what is common to networks that learn pictures and captions as points of one space. */
#ifndef FIG_CONTRASTIVE_H
#define FIG_CONTRASTIVE_H
#include "models/model.h"

/* Cosines of n pictures and n texts, [n, d] each, times a learnt scale: [n, n], a row for each picture, fp32. */
fig_tensor *fig__contrastive_logits(fig_graph *g, fig_tensor *pictures, fig_tensor *texts);
#endif
