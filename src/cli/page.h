/* cli/page.h: a page of results that a browser shows: one HTML file with its pictures inside, no scripts and nothing
 * from elsewhere, readable on a telephone and in the dark.
 *
 * The calls that add cannot fail; what went wrong is said by commit. Text is UTF-8 and never markup: what means
 * something in HTML is escaped, what is no UTF-8 or no character of a text becomes U+FFFD. */
#ifndef FIG_CLI_PAGE_H
#define FIG_CLI_PAGE_H
#include "base/file.h"

typedef struct fig__page fig__page;

/* The file appears at commit, whole, or not at all. The title is the first heading too. */
fig_status fig__page_open(fig_context *ctx, const char *path, const char *title, fig__page **out);
void fig__page_heading(fig__page *page, const char *text);
void fig__page_paragraph(fig__page *page, const char *text);
/* As it stands, in lines: a sample of text, a command. caption: a line above it, or NULL. */
void fig__page_sample(fig__page *page, const char *caption, const char *text);

typedef struct fig__page_picture {
    const void *data; /* a PNG, JPEG or WebP file */
    size_t len;
    const char *alt;     /* what it shows, for those who do not see it; "": only decoration */
    const char *caption; /* below it; NULL: none */
    size_t width;        /* in CSS pixels, never wider than the page; 0: as it is */
} fig__page_picture;
/* Pictures that are added one behind the other stand side by side. */
void fig__page_add_picture(fig__page *page, const fig__page_picture *picture);

fig_status fig__page_commit(fig__page *page); /* frees it in every case */
void fig__page_abort(fig__page *page);        /* frees it; NULL is fine */

#endif
