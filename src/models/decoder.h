/* models/decoder.h: settings of the decoder-only transformer. */
#ifndef FIG_DECODER_H
#define FIG_DECODER_H
#include <fig/model.h>
#include <fig/nn.h>
#include "base/options.h"

enum { FIG_POS_LEARNED, FIG_POS_ROPE };

typedef struct fig_decoder_config {
    int64_t vocab_size;   /* classes that count */
    int64_t padded_vocab; /* rows of the embedding; 0: vocab_size up to a multiple of 64 */
    int64_t n_layer, n_head, n_kv_head, n_embd, head_dim, ffn_dim, block_size;
    int pos, norm, mlp;
    bool bias, qk_norm, tied, rope_interleaved;
    double rope_theta, norm_eps, dropout, softcap, init_std;
    int64_t window;
} fig_decoder_config;

/* head_dim, ffn_dim, n_kv_head and padded_vocab with their defaults worked out. */
fig_decoder_config fig__decoder_resolved(const fig_decoder_config *c);

#endif
