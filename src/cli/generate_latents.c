/* cli/generate_latents.c: the space that pictures are drawn from, as something to use: walks from one to another, one
 * number moved at a time, pictures to latents and back. */
#include <math.h>
#include <stdio.h>
#include "base/file.h"
#include "cli/generate.h"
#include "cli/meter.h"

#define LATENTS_MAX ((size_t)1 << 30) /* bytes of a file of latents */
#define FAR 2.5                       /* how far a traversal goes, in standard deviations */
#define COLUMNS 11                    /* of a traversal */

static fig_status need_encoder(const fig__draw_job *job, const char *flag) {
    const fig_family *f = fig__model_family(job->model);
    FIG_CHECK(job->args->ctx, f == &fig_family_vae || f == &fig_family_tokenizer, FIG_ERR_UNSUPPORTED,
              "--%s: %s cannot say the latent of a picture; vae, conv_vae and fsq can", flag, job->model->arch->name);
    return FIG_OK;
}

static fig_status encode_file(fig__draw_job *job, const char *path, float *latent, fig__image *image) {
    FIG_TRY(fig__read_picture(job, path, (size_t)fig_model_get_int(job->model, "n_channels"), image));
    return fig_draw_encode(job->drawer, image->data, 1, latent);
}

/* --- interpolation ------------------------------------------------------------------------------------------------*/

/* A seed or a picture. */
static fig_status end_point(fig__draw_job *job, const char *text, float *latent) {
    int64_t seed;
    fig__image image = {0};
    if (fig__parse_int(text, &seed) && seed >= 0) {
        fig_draw_options o = job->o;
        o.seed = seed;
        fig_draw_noise(job->drawer, &o, 0, latent);
        return FIG_OK;
    }
    FIG_TRY(need_encoder(job, "interpolate"));
    fig_status status = encode_file(job, text, latent, &image);
    fig__image_free(job->args->ctx, &image);
    return status;
}

/* On the sphere: what lies between two normal vectors is then as far from the middle as they are (Shoemake 1985). */
static void slerp(const float *a, const float *b, double at, size_t n, float *out) {
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        ab += (double)a[i] * (double)b[i];
    }
    double cosine = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 1, angle = acos(fmin(fmax(cosine, -1), 1));
    bool straight = angle < 1e-4 || angle > M_PI - 1e-4;
    double wa = straight ? 1 - at : sin((1 - at) * angle) / sin(angle),
           wb = straight ? at : sin(at * angle) / sin(angle);
    for (size_t i = 0; i < n; i++) out[i] = (float)(wa * (double)a[i] + wb * (double)b[i]);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

static fig_status write_walk(fig__draw_job *job, const fig__pictures *p, size_t columns) {
    fig_context *ctx = job->args->ctx;
    bool animated = job->s.output && ends_with(job->s.output, ".webp");
    const char *path = fig__picture_path(job, ".png");
    if (!path) return FIG_ERR_NOMEM;
    fig__buf file;
    fig__buf_init(&file, ctx, (size_t)1 << 30);
    fig__animation a = {
        .delay_ms = (size_t)job->s.delay, .back_and_forth = true, .xmp = job->s.metadata ? fig__record_xmp : NULL};
    fig_status status = animated ? fig__webp_animate(ctx, p->data, p->n, &a, &file) : FIG_OK;
    if (!status)
        status = animated ? fig__file_write(ctx, path, file.data, file.len) : fig__write_sheet(job, p, columns, path);
    fig__buf_deinit(&file);
    return status ? status : fig__printf(ctx, "%s\n", path);
}

static fig_status draw_and_write(fig__draw_job *job, const float *latents, size_t n, size_t columns) {
    fig__pictures p = {.ctx = job->args->ctx};
    fig_draw_options o = job->o;
    o.num_samples = (int64_t)n;
    fig_status status = fig__draw_into(job, &o, latents, &p, NULL);
    if (!status) status = write_walk(job, &p, columns);
    fig__pictures_free(&p);
    return status;
}

static fig_status interpolate(fig__draw_job *job) {
    const fig_strings *ends = &job->s.interpolate;
    size_t l = fig_drawer_n_latent(job->drawer), frames = (size_t)job->s.frames, n = (ends->n - 1) * (frames - 1) + 1;
    FIG_CHECK(job->args->ctx, ends->n >= 2, FIG_ERR_ARG,
              "--interpolate: from what to what? give two seeds or pictures");
    float *at = FIG_NEW_N(job->args->ctx, float, (ends->n + n) * l), *way = at + ends->n * l;
    if (!at) return FIG_ERR_NOMEM;
    fig_status status = FIG_OK;
    for (size_t i = 0; i < ends->n && !status; i++) status = end_point(job, ends->data[i], at + i * l);
    for (size_t i = 0; i < n && !status; i++) {
        size_t from = FIG_MIN(i / (frames - 1), ends->n - 2);
        double share = (double)(i - from * (frames - 1)) / (double)(frames - 1);
        slerp(at + from * l, at + (from + 1) * l, share, l, way + i * l);
    }
    if (!status) status = draw_and_write(job, way, n, 0);
    fig__free(job->args->ctx, at);
    return status;
}

/* --- traversal ----------------------------------------------------------------------------------------------------*/

/* "all", or numbers with commas. axes has room for l. */
static fig_status parse_axes(fig__draw_job *job, size_t l, size_t *axes, size_t *n) {
    const char *text = job->s.traverse;
    *n = 0;
    if (!strcmp(text, "all"))
        for (; *n < l; ++*n) axes[*n] = *n;
    while (strcmp(job->s.traverse, "all") && *text) {
        char number[24];
        int64_t value;
        size_t len = strcspn(text, ",");
        snprintf(number, sizeof number, "%.*s", (int)FIG_MIN(len, sizeof number - 1), text);
        bool good = fig__parse_int(number, &value) && value >= 0 && value < (int64_t)l && *n < l;
        FIG_CHECK(job->args->ctx, good, FIG_ERR_ARG, "--traverse %s: give all, or latents 0 to %zu with commas",
                  job->s.traverse, l - 1);
        axes[(*n)++] = (size_t)value;
        text += len + (text[len] == ',');
    }
    return FIG_OK;
}

#define MOST_AXES 256
static fig_status traverse(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    size_t l = fig_drawer_n_latent(job->drawer), n;
    FIG_CHECK(ctx, l <= 65536 && (strcmp(job->s.traverse, "all") || l <= MOST_AXES), FIG_ERR_ARG,
              "--traverse all: %zu latents are too many for one sheet; name some", l);
    size_t *axes = FIG_NEW_N(ctx, size_t, l);
    float *latents = NULL;
    fig_status status = axes ? parse_axes(job, l, axes, &n) : FIG_ERR_NOMEM;
    if (!status && !(latents = FIG_NEW_N(ctx, float, (n * COLUMNS + 1) * l))) status = FIG_ERR_NOMEM;
    for (size_t r = 0; r < n * COLUMNS && !status; r++) {
        float *row = latents + r * l;
        fig_draw_noise(job->drawer, &job->o, 0, row);
        row[axes[r / COLUMNS]] = (float)(FAR * (2.0 * (double)(r % COLUMNS) / (COLUMNS - 1) - 1));
    }
    if (!status) status = draw_and_write(job, latents, n * COLUMNS, COLUMNS);
    fig__free(ctx, axes);
    fig__free(ctx, latents);
    return status;
}

/* --- encoding and decoding ----------------------------------------------------------------------------------------*/

static fig_status encode(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    size_t l = fig_drawer_n_latent(job->drawer);
    FIG_TRY(need_encoder(job, "encode"));
    float *latent = FIG_NEW_N(ctx, float, l);
    fig_status status = latent ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < job->s.encode.n && !status; i++) {
        fig__image image = {0};
        status = encode_file(job, job->s.encode.data[i], latent, &image);
        fig__image_free(ctx, &image);
        fig__json *row = status ? NULL : fig__json_new_array();
        for (size_t k = 0; k < l && row; k++) fig__json_push(row, fig__json_new_real((double)latent[k]));
        if (!status) status = fig__print_json(ctx, row, 0);
    }
    fig__free(ctx, latent);
    return status;
}

static fig_status parse_latents(fig__draw_job *job, char *text, size_t l, float *out, size_t max, size_t *n) {
    fig_context *ctx = job->args->ctx;
    char *save = NULL;
    *n = 0;
    for (char *line = strtok_r(text, "\n", &save); line && *n < max; line = strtok_r(NULL, "\n", &save)) {
        fig__json *row;
        FIG_TRY(fig__json_parse(ctx, job->s.decode, line, strlen(line), &row));
        size_t size = fig__json_size(row);
        for (size_t k = 0; k < FIG_MIN(size, l); k++) out[*n * l + k] = (float)fig__json_real(fig__json_at(row, k), 0);
        fig__json_free(row);
        FIG_CHECK(ctx, size == l, FIG_ERR_FORMAT, "%s: line %zu has %zu numbers, the model's latent %zu", job->s.decode,
                  *n + 1, size, l);
        ++*n;
    }
    return FIG_OK;
}

static fig_status decode(fig__draw_job *job) {
    fig_context *ctx = job->args->ctx;
    size_t l = fig_drawer_n_latent(job->drawer), n = 0, max = 0;
    fig__buf text;
    fig__buf_init(&text, ctx, LATENTS_MAX);
    fig_status status = fig__file_read(ctx, job->s.decode, LATENTS_MAX, &text);
    for (size_t i = 0; i < text.len; i++) max += text.data[i] == '\n';
    float *latents = status ? NULL : FIG_NEW_N(ctx, float, (max + 1) * l);
    if (!status && !latents) status = FIG_ERR_NOMEM;
    if (!status && text.len) status = parse_latents(job, text.data, l, latents, max + 1, &n);
    if (!status && !n) status = FIG_FAIL(ctx, FIG_ERR_FORMAT, "%s: holds no latents", job->s.decode);
    if (!status) status = draw_and_write(job, latents, n, 0);
    fig__free(ctx, latents);
    fig__buf_deinit(&text);
    return status;
}

/* Originals and what becomes of them, pairs one above the other. */
static fig_status reconstruct_row(fig__draw_job *job, size_t first, size_t n, fig__pictures *sheet) {
    fig_context *ctx = job->args->ctx;
    size_t l = fig_drawer_n_latent(job->drawer);
    float *latents = FIG_NEW_N(ctx, float, n *l);
    fig_draw_options o = job->o;
    o.num_samples = (int64_t)n;
    fig_status status = latents ? FIG_OK : FIG_ERR_NOMEM;
    for (size_t i = 0; i < n && !status; i++) {
        fig__image image = {0};
        status = encode_file(job, job->s.reconstruct.data[first + i], latents + i * l, &image);
        if (!status) status = FIG_PUSH(ctx, sheet, image);
    }
    if (!status) status = fig__draw_into(job, &o, latents, sheet, NULL);
    fig__free(ctx, latents);
    return status;
}

#define PAIRS_IN_A_ROW 16
static fig_status reconstruct(fig__draw_job *job) {
    size_t n = job->s.reconstruct.n, columns = FIG_MIN(n, PAIRS_IN_A_ROW);
    fig__pictures sheet = {.ctx = job->args->ctx};
    fig_status status = need_encoder(job, "reconstruct");
    /* a last row that is not full would put pictures under those of others */
    for (size_t at = 0; at < n && !status; at += columns)
        status = reconstruct_row(job, FIG_MIN(at, n - columns), columns, &sheet);
    if (!status) status = write_walk(job, &sheet, columns);
    fig__pictures_free(&sheet);
    return status;
}

fig_status fig__draw_latent_work(fig__draw_job *job, bool *done) {
    const fig__picture_settings *s = &job->s;
    *done = true;
    if (s->interpolate.n) return interpolate(job);
    if (s->traverse) return traverse(job);
    if (s->reconstruct.n) return reconstruct(job);
    if (s->encode.n) return encode(job);
    if (s->decode) return decode(job);
    *done = false;
    return FIG_OK;
}
