/* fig/features.h: what a trained network sees in pictures: rows of numbers that scores are made of (fig/eval.h).
 *
 * An extractor is a model of the family classifier, whose features are what it tells classes apart by, or contrastive,
 * whose features are directions (of length 1) that captions have too. A row follows from its picture alone: the same
 * bits in any batch and for any number of threads. */
#ifndef FIG_FEATURES_H
#define FIG_FEATURES_H
#include <fig/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_extractor fig_extractor;
/* Borrows the model; looks at up to `batch` pictures at a time. */
fig_status fig_extractor_new(fig_model *m, size_t batch, fig_extractor **out);
void fig_extractor_free(fig_extractor *e);
size_t fig_extractor_n_features(const fig_extractor *e);
size_t fig_extractor_n_classes(const fig_extractor *e); /* 0: it names none */
bool fig_extractor_reads(const fig_extractor *e);       /* whether it takes captions */

/* Pictures done so far; false ends the extraction with FIG_ERR_CANCELLED. */
typedef bool fig_extract_fn(void *user, size_t done, size_t n);
/* Of pixels [n, h, w, c], samples of the model's size: features [n, n_features], and classes [n], the likeliest ones.
 * classes and progress may be NULL. */
fig_status fig_extract(fig_extractor *e, const uint8_t *pixels, size_t n, float *features, int32_t *classes,
                       fig_extract_fn *progress, void *user);
/* Of captions: features [n, n_features]; *n_cut, or NULL: how many tokens had no room. */
fig_status fig_extract_texts(fig_extractor *e, const char *const *texts, size_t n, float *features, size_t *n_cut);

/* A network of the same shape that has learnt nothing: the first values of a seed. Scores by it are the control: a
 * generator that only pleases the extractor does not gain by them. Has no tokenizer, so it reads no captions. */
fig_status fig_model_new_untrained(const fig_model *m, uint64_t seed, fig_model **out);

#ifdef __cplusplus
}
#endif
#endif
