/* media/text/regex.h: the pattern that cuts text into pieces. PCRE2 stands behind regex.c, nowhere else. */
#ifndef FIG_REGEX_H
#define FIG_REGEX_H
#include "base/base.h"

#define FIG_PATTERN_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef struct fig__regex fig__regex;

/* \s and \S mean the White_Space property, as in Rust and Python's regex. Refuses patterns that look behind: pieces
 * are found window by window, without what came before. */
fig_status fig__regex_new(fig_context *ctx, const char *pattern, fig__regex **out);
void fig__regex_free(fig__regex *re);

typedef enum fig__match { FIG_MATCH, FIG_MATCH_NONE, FIG_MATCH_PARTIAL } fig__match;
/* The leftmost non-empty match in text, which must be well-formed UTF-8. When the text is open (more may follow) and
 * its end was looked at, the answer is PARTIAL, even if something matched. */
fig_status fig__regex_match(fig__regex *re, const char *text, size_t len, bool open, fig__match *found, size_t *start,
                            size_t *end);

#endif
