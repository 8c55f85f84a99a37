/* data/pictures/array.c: many pictures as one array of bytes: IDX (LeCun's MNIST) and NumPy's .npy. */
#include "data/pictures/source.h"
#include "files/npy.h"

typedef struct array {
    fig__buf bytes, labels;
    size_t n, at, h, w, c, start, labels_start;
    char name[300], class_name[128];
    int split;
} array;

static fig_status new_array(fig__picture_source *s, array **out) {
    array *a = s->state = *out = FIG_NEW(s->ctx, array);
    if (!a) return FIG_ERR_NOMEM;
    fig__buf_init(&a->bytes, s->ctx, FIG__PICTURE_MAX_ARRAY);
    fig__buf_init(&a->labels, s->ctx, FIG__PICTURE_MAX_ARRAY);
    a->split = fig__split_of_file(fig__path_base(s->path));
    return fig__unpack_file(s->ctx, s->path, FIG__PICTURE_MAX_ARRAY, &a->bytes);
}

static void array_close(fig__picture_source *s) {
    array *a = s->state;
    if (!a) return;
    fig__buf_deinit(&a->bytes);
    fig__buf_deinit(&a->labels);
    fig__free(s->ctx, a);
}

static fig_status check_size(fig__picture_source *s, const array *a) {
    bool fits = a->h && a->w && a->c <= 4 && a->c && a->h <= 65535 && a->w <= 65535 && a->start <= a->bytes.len &&
                a->n <= (a->bytes.len - a->start) / (a->h * a->w * a->c);
    FIG_CHECK(s->ctx, fits, FIG_ERR_FORMAT,
              "%s: the header says %zu pictures of %zu x %zu x %zu, the file has %zu bytes; is it cut short?", s->path,
              a->n, a->h, a->w, a->c, a->bytes.len);
    return FIG_OK;
}

static fig_status array_next(fig__picture_source *s, fig__picture *p) {
    array *a = s->state;
    *p = (fig__picture){.class_number = -1, .split = a->split};
    if (a->at >= a->n) return FIG_OK;
    size_t size = a->h * a->w * a->c, i = a->at++;
    snprintf(a->name, sizeof a->name, "%.250s[%zu]", s->path, i);
    p->name = a->name;
    p->samples = (fig__image){(uint8_t *)a->bytes.data + a->start + i * size, a->w, a->h, a->c};
    if (a->labels.len) p->class_number = (uint8_t)a->labels.data[a->labels_start + i];
    if (*a->class_name) p->class_name = a->class_name;
    return FIG_OK;
}

/* --- IDX --------------------------------------------------------------------------------------------------------*/

static uint32_t big_endian(const char *p) {
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Compressed files show only their names. */
static bool idx_probe(const char *path, const uint8_t *head, size_t len) {
    bool bare = len >= 4 && !head[0] && !head[1] && head[2] == 8 && (head[3] == 3 || head[3] == 4);
    return bare || strstr(fig__path_base(path), "-images-idx3-ubyte") || strstr(fig__path_base(path), "images-idx3-");
}

/* A header of `ndim` extents of unsigned bytes. */
static bool idx_header(const fig__buf *b, int ndim, size_t *extent) {
    if (b->len < 4 + 4 * (size_t)ndim || memcmp(b->data, "\0\0\x08", 3) || b->data[3] != ndim) return false;
    for (int i = 0; i < ndim; i++) extent[i] = big_endian(b->data + 4 + 4 * i);
    return true;
}

static fig_status read_labels(fig__picture_source *s, array *a) {
    char path[4096];
    const char *at = strstr(s->path, "images-idx3");
    size_t n;
    if (!at || strlen(s->path) + 1 >= sizeof path) return FIG_OK;
    snprintf(path, sizeof path, "%.*slabels-idx1%s", (int)(at - s->path), s->path, at + strlen("images-idx3"));
    if (!fig__path_exists(path)) return FIG_OK;
    FIG_TRY(fig__unpack_file(s->ctx, path, FIG__PICTURE_MAX_ARRAY, &a->labels));
    FIG_CHECK(s->ctx, idx_header(&a->labels, 1, &n) && n == a->n && a->labels.len - 8 >= n, FIG_ERR_FORMAT,
              "%s: no IDX file of %zu labels", path, a->n);
    a->labels_start = 8;
    return FIG_OK;
}

static fig_status idx_open(fig__picture_source *s) {
    array *a;
    size_t extent[4] = {0, 0, 0, 1};
    FIG_TRY(new_array(s, &a));
    int ndim = idx_header(&a->bytes, 4, extent) ? 4 : 3;
    FIG_CHECK(s->ctx, ndim == 4 || idx_header(&a->bytes, 3, extent), FIG_ERR_FORMAT,
              "%s: no IDX file of pictures (unsigned bytes, three axes)", s->path);
    a->n = extent[0], a->h = extent[1], a->w = extent[2], a->c = extent[3];
    a->start = 4 + 4 * (size_t)ndim;
    FIG_TRY(check_size(s, a));
    return read_labels(s, a);
}
const fig__picture_kind fig__pictures_idx = {"idx", idx_probe, idx_open, array_next, array_close};

/* --- .npy -------------------------------------------------------------------------------------------------------*/

static bool npy_probe(const char *path, const uint8_t *head, size_t len) {
    const char *name = strstr(fig__path_base(path), ".npy");
    return (len >= 6 && !memcmp(head, "\x93NUMPY", 6)) || (name && (!name[4] || name[4] == '.'));
}

static fig_status npy_header(fig__picture_source *s, array *a, fig__npy *npy) {
    FIG_TRY(fig__npy_parse(s->ctx, s->path, a->bytes.data, a->bytes.len, npy));
    FIG_CHECK(s->ctx, npy->dtype == FIG_U8 && !npy->fortran && npy->ndim >= 2 && npy->ndim <= 4, FIG_ERR_UNSUPPORTED,
              "%s: pictures are read from uint8 arrays [n, h, w], [n, h, w, c] or [n, h*h] in C order", s->path);
    a->start = (size_t)(npy->data - (const uint8_t *)a->bytes.data);
    return FIG_OK;
}

static size_t square_root(size_t n) {
    size_t r = 0;
    while ((r + 1) * (r + 1) <= n && r < 65536) r++;
    return r * r == n ? r : 0;
}

static fig_status npy_open(fig__picture_source *s) {
    array *a;
    fig__npy npy;
    FIG_TRY(new_array(s, &a));
    FIG_TRY(npy_header(s, a, &npy));
    const size_t *extent = npy.shape;
    a->n = extent[0], a->h = extent[1], a->w = npy.ndim > 2 ? extent[2] : 0, a->c = npy.ndim > 3 ? extent[3] : 1;
    if (npy.ndim == 2) a->h = a->w = square_root(extent[1]);
    const char *base = fig__path_base(s->path);
    if (s->is_one_of_many) snprintf(a->class_name, sizeof a->class_name, "%.*s", (int)strcspn(base, "."), base);
    return check_size(s, a);
}
const fig__picture_kind fig__pictures_npy = {"npy", npy_probe, npy_open, array_next, array_close};
