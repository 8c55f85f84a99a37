/* media/text/learn.h: byte-pair encoding from counted pieces. */
#ifndef FIG_LEARN_H
#define FIG_LEARN_H
#include "media/text/tokenizer.h"

/* tok has the 256 bytes and is indexed; receives tokens and merges until it has n_tokens, or no pair occurs min_count
 * times. pieces (bytes -> count) is freed as soon as it is no longer needed, in every case. */
fig_status fig__bpe_learn(fig_tokenizer *tok, fig__map *pieces, size_t n_tokens, uint64_t min_count);

/* Upper bounds of the memory that one distinct piece, and one token of the vocabulary, takes while pieces are counted
 * and learnt from. Ordinary text stays far below; random bytes, where nearly every pair is another one, come near. */
static inline uint64_t fig__bpe_piece_cost(size_t len) { return 256 + 80 * (uint64_t)len; }
enum { FIG_BPE_TOKEN_COST = 256 };

#endif
