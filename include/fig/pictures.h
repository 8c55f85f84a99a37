/* fig/pictures.h: from a person's pictures to samples of bytes.
 *
 *     paths --> pictures, decoded --(fig_pictures_prepare)--> samples of one size in a folder --> training rows
 *
 * Pictures are decoded once, on all threads; training reads memory-mapped bytes, so a set may be larger than memory and
 * a step never waits for a decoder. What is read, whatever the names say:
 *
 *     folders      every PNG, JPEG and WebP file below, in order of path. metadata.jsonl (one object a line: file_name,
 *                  text or caption, captions as an array, label, split, attributes) or FILE.txt beside FILE.png give
 *                  captions. Folders called train, val, validation or test give the split; the others, joined by /, are
 *                  the class.
 *
 *     .tar, .zip   plain or compressed: the same inside, or WebDataset (files of one stem belong together: .png, .jpg
 *                  or .webp; .txt, of whose lines the first is the caption; .cls; .json with what metadata.jsonl has)
 *
 *     IDX          MNIST's format, plain or compressed; NAME-labels-idx1-ubyte beside NAME-images-idx3-ubyte gives
 *                  classes; files called t10k*, test* and val* are held out, train* are not
 *
 *     .npy         uint8 [n, h, w], [n, h, w, c] or [n, h*h], plain or compressed; the file's name is the class where
 *                  several are given
 *
 * Other files are left out and counted. What cannot be decoded is left out, counted and the first of it named; more
 * than one in ten is an error. */
#ifndef FIG_PICTURES_H
#define FIG_PICTURES_H
#include <fig/dataset.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_pictures_options {
    const char *const *paths;
    size_t n_paths;
    const char *out_dir;
    int64_t size; /* side of the squares; 0: what the first pictures have if they are squares of at most 64, else 64 */
    int64_t channels;    /* 1 grey, 3 RGB, 4 RGBA; 0: what the first pictures need */
    bool stack;          /* three grey pictures at random as red, green and blue of each: Stacked MNIST, from MNIST */
    double val_fraction; /* of pictures that do not say their split, by a hash of their names */
    bool force;          /* replace an out_dir that was prepared from something else */
    fig_dataset_progress_fn *progress;
    void *user;
} fig_pictures_options;
fig_pictures_options fig_pictures_options_default(void);

typedef struct fig_pictures_info {
    size_t size, channels;
    uint64_t n[FIG_SPLIT_COUNT];
    int32_t n_classes;   /* 0: none are known */
    uint64_t n_captions; /* pictures that have one */
    uint64_t n_other;    /* files left out: no pictures */
    uint64_t n_broken;
    char first_broken[256]; /* what the decoder said */
    char data_sha256[65];   /* of the samples: names the data in a model card */
    char licence[128], origin[256];
} fig_pictures_info;

fig_status fig_pictures_prepare(fig_context *ctx, const fig_pictures_options *options, fig_pictures_info *info);

/* Whether a path is taken for pictures when nobody says what it is: prepared, one of the layouts above, or a folder
 * with an array of pictures, or of whose files every second one at least is a picture. */
bool fig_pictures_found(fig_context *ctx, const char *path);

typedef struct fig_pictures fig_pictures;
bool fig_pictures_is_prepared(const char *path);
fig_status fig_pictures_open(fig_context *ctx, const char *dir, fig_pictures **out);
void fig_pictures_close(fig_pictures *p);
const fig_pictures_info *fig_pictures_get_info(const fig_pictures *p);
/* Samples [size, size, channels], borrowed. */
const uint8_t *fig_pictures_pixels(const fig_pictures *p, fig_data_split split, uint64_t i);
int32_t fig_pictures_class(const fig_pictures *p, fig_data_split split, uint64_t i);       /* -1: none */
const char *fig_pictures_caption(const fig_pictures *p, fig_data_split split, uint64_t i); /* "": none */
/* A picture may have several captions; without any there is one, "". k: number, modulo how many there are. */
uint64_t fig_pictures_n_captions_of(const fig_pictures *p, fig_data_split split, uint64_t i);
const char *fig_pictures_caption_of(const fig_pictures *p, fig_data_split split, uint64_t i, uint64_t k);
const char *fig_pictures_class_name(const fig_pictures *p, int32_t c); /* "": numbers only */
/* Attributes: what metadata say beside caption, class and split: keys whose texts have at most 256 different values, 32
 * of them at most (of emoji skin_tone, colour, group ...). */
size_t fig_pictures_n_attributes(const fig_pictures *p);
const char *fig_pictures_attribute_name(const fig_pictures *p, size_t a);
size_t fig_pictures_n_values(const fig_pictures *p, size_t a);
const char *fig_pictures_value_name(const fig_pictures *p, size_t a, int32_t value); /* "": there is none */
int32_t fig_pictures_attribute(const fig_pictures *p, fig_data_split split, uint64_t i, size_t a); /* -1: not said */
/* FIG_ERR_NOTFOUND, with the names that there are. */
fig_status fig_pictures_find_attribute(const fig_pictures *p, const char *name, size_t *a);
/* From now on the split has only those of its pictures of which an attribute is value ("": of which it is not said).
 * FIG_ERR_NOTFOUND when there is no such attribute, value or picture. Before fig_pictures_balance. */
fig_status fig_pictures_select(fig_pictures *p, fig_data_split split, const char *attribute, const char *value);
/* Which picture training sample `sample` is: every one once per epoch, in an order of the seed and epoch. */
uint64_t fig_pictures_sample(const fig_pictures *p, fig_data_split split, uint64_t seed, uint64_t sample);
/* From now on an epoch of training holds a picture of a class with n of them as often as n^-strength tells, beside the
 * others: 0 once each, 1 every class as often as any other. Pictures without a class are one. FIG_ERR_ARG when there
 * are no classes. */
fig_status fig_pictures_balance(fig_pictures *p, double strength);

/* --- pictures that anyone can have --------------------------------------------------------------------------------
 * Folders of square PNG files with metadata.jsonl, as fig_pictures_prepare reads them, from what this machine has
 * installed; the same bits every time. A hidden .source.json beside them keeps title and licence. */
typedef struct fig_pictures_make_options {
    const char *out_dir;
    const char *const *fonts; /* files, of glyphs also folders; none: the installed ones */
    size_t n_fonts;
    const char *unicode_dir; /* NULL: /usr/share/unicode, Debian's package unicode-data */
    int64_t size;            /* side of the squares, 8 to 512; 0: 64 for emoji, 32 for glyphs */
    bool force;              /* replace an out_dir that was made or fetched before */
    fig_dataset_progress_fn *progress;
    void *user;
} fig_pictures_make_options;

typedef struct fig_pictures_made {
    uint64_t n_pictures;
    uint64_t n_fonts;    /* that pictures came from */
    uint64_t n_left_out; /* emoji that the font does not draw; fonts that lack a character */
    char left_out[256];  /* the first of them, and why */
} fig_pictures_made;

/* Every emoji of the Unicode list with its name, as the font draws it (Debian's package fonts-noto-color-emoji: 3,655):
 * RGBA, transparent around, alpha not multiplied in. Keys of metadata.jsonl: file_name, text (the caption), captions
 * (the same with and without an article), label (the subgroup: 99 classes), group, subgroup, name (Unicode's), base
 * (the caption without skin tones: of all pictures that differ in them only), codepoints ("1F469-1F3FD-200D-1F680"),
 * version, and where there are some skin_tone ("medium", "light, dark"), hair ("red", "beard") and colour ("green" of a
 * green apple). split is "train" or, to test a model with, "test": where held_out is "base" (one base in twenty, with
 * all its skin tones) or "combination" (of bases that are seen, one in twelve of those with one skin tone, and some of
 * a colour and a shape).
 *
 * Captions say everything in plain words of a-z, 0-9, space, comma, hyphen and apostrophe, lower case:
 *
 *     woman astronaut: medium-dark skin tone         woman astronaut with medium dark skin
 *     woman: light skin tone, red hair               woman with light skin and red hair
 *     person: bald                                   bald person
 *     kiss: woman, man, light skin tone, dark ...    kiss, woman with light skin and man with dark skin
 *     kiss: man, man, dark skin tone                 kiss, man with dark skin and man with dark skin
 *     family: man, woman, girl, boy                  family, man, woman, girl and boy
 *     flag: Côte d’Ivoire                            flag of cote d'ivoire
 *     keycap: #                                      keycap hash
 *     Japanese “free of charge” button                japanese free of charge button
 *
 * so that a modifier is always the same words in the same place. No two captions are equal. */
fig_status fig_pictures_make_emoji(fig_context *ctx, const fig_pictures_make_options *options, fig_pictures_made *made);

/* The letters, digits and punctuation of ASCII in every font with outlines that has them all (fonts: everything below
 * /usr/share/fonts): grey, light on dark as in MNIST, all characters of a font at one scale on one base line. Files are
 * capital-a/dejavu-sans-bold.png; keys: file_name, text ("capital a, dejavu sans bold"), label ("A"), name ("capital
 * a"), kind, font, codepoints. */
fig_status fig_pictures_make_glyphs(fig_context *ctx, const fig_pictures_make_options *options,
                                    fig_pictures_made *made);

#ifdef __cplusplus
}
#endif
#endif
