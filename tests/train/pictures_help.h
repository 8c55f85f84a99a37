/* What the tests that learn from pictures share: a small made-up set, one run from beginning to end. */
#ifndef TEST_PICTURES_HELP_H
#define TEST_PICTURES_HELP_H
#include "train_help.h"

/* n pictures [n, side, side, c] of a class as an array of NumPy's. */
static inline void write_npy(fig_context *ctx, const char *path, size_t n, size_t side, size_t c, const uint8_t *data) {
    char head[128];
    size_t bytes = n * side * side * c;
    uint8_t *file = calloc(1, 128 + bytes);
    int len = snprintf(head, sizeof head, "{'descr': '|u1', 'fortran_order': False, 'shape': (%zu, %zu, %zu, %zu), }",
                       n, side, side, c);
    memcpy(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    memset(file + 10, ' ', 118);
    memcpy(file + 10, head, (size_t)len);
    file[127] = '\n';
    memcpy(file + 128, data, bytes);
    EXPECT_OK(ctx, fig__file_write(ctx, path, file, 128 + bytes));
    free(file);
}

typedef void paint_fn(uint8_t *pixels, size_t side, size_t c, int class, size_t i);

/* A bar over the whole width in one of the rows 1 .. side - 2, bright on dark; upright in the second class. */
static inline void paint_bar(uint8_t *pixels, size_t side, size_t c, int class, size_t i) {
    size_t at = 1 + i % (side - 2);
    for (size_t p = 0; p < side * side; p++)
        for (size_t k = 0; k < c; k++) pixels[p * c + k] = (class ? p % side : p / side) == at ? 230 - 40 * k : 20;
}

/* A prepared set of n pictures of each of two classes in dir/pictures. */
static inline const char *made_up_pictures(fig_context *ctx, const char *dir, size_t n, size_t side, size_t c,
                                           paint_fn *paint) {
    const char *paths[2] = {check_path(dir, "flat.npy"), check_path(dir, "upright.npy")};
    fig_pictures_options o = fig_pictures_options_default();
    for (int class = 0; class < 2; class ++) {
        uint8_t *data = calloc(n, side * side * c);
        for (size_t i = 0; i < n; i++) paint(data + i * side * side * c, side, c, class, i);
        write_npy(ctx, paths[class], n, side, c, data);
        free(data);
    }
    o.paths = paths, o.n_paths = 2, o.out_dir = check_path(dir, "pictures");
    EXPECT_OK(ctx, fig_pictures_prepare(ctx, &o, NULL));
    return o.out_dir;
}

typedef struct studio {
    fig_context *ctx;
    fig_model *model;
    fig_pictures *pictures;
    fig_trainer *trainer;
} studio;

/* As session_open; settings are the model's, in one string. Sizes and classes follow from the pictures. */
static inline fig_status studio_open(const job *j, studio *s) {
    char text[256], *save = NULL;
    *s = (studio){0};
    FIG_TRY(fig_context_new(&(fig_context_options){.n_threads = j->n_threads ? j->n_threads : 1}, &s->ctx));
    FIG_TRY(fig_pictures_open(s->ctx, j->data, &s->pictures));
    FIG_TRY(fig_model_new(s->ctx, j->arch, &(fig_model_options){.dtype = j->dtype, .seed = (uint64_t)j->o.seed},
                          &s->model));
    const fig_pictures_info *info = fig_pictures_get_info(s->pictures);
    snprintf(text, sizeof text, "image_size=%zu n_channels=%zu n_classes=%d %s", info->size, info->channels,
             (int)info->n_classes, j->settings);
    for (char *key = strtok_r(text, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        FIG_TRY(fig_model_set(s->model, key, value));
    }
    return fig_trainer_new(s->model, &(fig_train_data){.pictures = s->pictures}, &j->o, &s->trainer);
}
static inline void studio_close(studio *s) {
    fig_trainer_free(s->trainer);
    fig_model_free(s->model);
    fig_pictures_close(s->pictures);
    fig_context_free(s->ctx);
}

static inline fig_status run_studio(const job *j, fig_train_report *report) {
    studio s;
    *report = (fig_train_report){0};
    fig_status status = studio_open(j, &s);
    if (!status) status = fig_trainer_run(s.trainer, j->on_event, j->user, report);
    if (!EXPECT(status == FIG_OK) && s.ctx) fprintf(stderr, "    %s\n", fig_error(s.ctx));
    studio_close(&s);
    return status;
}

#endif
