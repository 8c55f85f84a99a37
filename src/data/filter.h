/* data/filter.h: the list behind the built-in word filter (the filter itself is in fig/dataset.h). */
#ifndef FIG_DATA_FILTER_H
#define FIG_DATA_FILTER_H
#include "base/base.h"

extern const char *const fig__bad_words[];
extern const size_t fig__n_bad_words;

#endif
