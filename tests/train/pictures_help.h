/* What the tests that learn from pictures share: a small made-up set, one run from beginning to end. */
#ifndef TEST_PICTURES_HELP_H
#define TEST_PICTURES_HELP_H
#include "train_help.h"
#include "base/options.h"

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
    uint64_t bytes; /* of the bare context */
} studio;

/* What follows from the pictures, where the architecture has it; then the settings. */
static inline fig_status studio_dress(const job *j, studio *s) {
    const fig_pictures_info *info = fig_pictures_get_info(s->pictures);
    char text[128];
    snprintf(text, sizeof text, "image_size=%zu n_channels=%zu", info->size, info->channels);
    FIG_TRY(set_all(s->model, text));
    snprintf(text, sizeof text, "n_classes=%d", (int)info->n_classes);
    if (fig__option_find(*fig_model_arch(s->model)->options, "n_classes")) FIG_TRY(set_all(s->model, text));
    FIG_TRY(set_all(s->model, j->settings));
    if (!fig_model_get_int(s->model, "text_length")) return FIG_OK;
    return fig_model_set_tokenizer(s->model, char_tokenizer(s->ctx, "left upper"));
}

/* As session_open. */
static inline fig_status studio_open(const job *j, studio *s) {
    fig_model_options o = {.dtype = j->dtype, .seed = (uint64_t)j->o.seed};
    *s = (studio){0};
    FIG_TRY(fig_context_new(&(fig_context_options){.n_threads = j->n_threads ? j->n_threads : 1}, &s->ctx));
    s->bytes = fig_memory(s->ctx).bytes_now;
    FIG_TRY(fig_pictures_open(s->ctx, j->data, &s->pictures));
    FIG_TRY(fig_model_new(s->ctx, j->arch, &o, &s->model));
    FIG_TRY(studio_dress(j, s));
    return fig_trainer_new(s->model, &(fig_train_data){.pictures = s->pictures}, &j->o, &s->trainer);
}
static inline void studio_close(studio *s) {
    fig_trainer_free(s->trainer);
    fig_model_free(s->model);
    fig_pictures_close(s->pictures);
    if (s->ctx) {
        fig__scratch_reserve(s->ctx, 0);
        EXPECT_EQ_I(fig_memory(s->ctx).bytes_now, s->bytes);
    }
    fig_context_free(s->ctx);
}

/* error, or NULL: the message of a failure (at least 1024 bytes). */
static inline fig_status run_studio(const job *j, fig_train_report *report, char *error) {
    studio s;
    *report = (fig_train_report){0};
    fig_status status = studio_open(j, &s);
    if (!status) status = fig_trainer_run(s.trainer, j->on_event, j->user, report);
    if (error) snprintf(error, 1024, "%s", s.ctx ? fig_error(s.ctx) : "");
    studio_close(&s);
    return status;
}

static inline bool expect_run(const job *j, fig_train_report *report) {
    char error[1024];
    bool good = EXPECT(run_studio(j, report, error) == FIG_OK);
    if (!good) fprintf(stderr, "    %s\n", error);
    return good;
}
static inline uint64_t studio_hash(const job *j) {
    fig_train_report r;
    expect_run(j, &r);
    return r.params_hash;
}

#endif
