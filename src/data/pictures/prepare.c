/* data/pictures/prepare.c: pictures of any size and kind to samples of one size and kind.
 *
 * Sources are read one behind the other, BATCH pictures at a time; a batch is decoded, fitted and converted on all
 * threads and written in order. Size and channels that nobody gave follow from the first PROBED pictures. The folder is
 * filled under another name and then renamed. */
#include <sys/stat.h>
#include "base/map.h"
#include "data/origin.h"
#include "data/partial.h"
#include "data/pictures/attributes.h"
#include "data/pictures/source.h"

#define BATCH 256
#define PROBED 64
#define USUAL_SIZE 64
#define LARGEST_KEPT 64 /* squares of at most so many pixels a side stay as they are */
#define FEW_BROKEN 10   /* broken files that are no reason to stop */

typedef struct slot { /* one picture on its way */
    fig__buf file;    /* its bytes, */
    size_t w, h, c;   /* which are samples where c is not 0 */
    char name[300], caption[FIG__CAPTION_MAX];
    int32_t class;
    int split;
    fig__attribute_row attributes;
    fig_context *owner; /* of image */
    fig__image image;
    bool broken;
    char why[256];
} slot;

typedef struct prepare {
    fig_context *ctx;
    const fig_pictures_options *options;
    fig__pictures_manifest manifest;
    fig__pictures_manifest *earlier; /* of the pictures that are in the folder; may be NULL */
    fig__map *class_of_name;
    int64_t largest_number; /* of classes that have no name */
    slot *slots;            /* [BATCH] */
    size_t n_slots;
    bool sized;
    fig_context **workers; /* [n_workers]: a context belongs to one thread at a time */
    size_t n_workers;
    char *tmp_dir;
    struct {
        fig__writer *samples, *labels, *captions;
    } out[FIG_SPLIT_COUNT];
    fig__sha256 *sha;
    uint64_t n_seen;
} prepare;

fig_pictures_options fig_pictures_options_default(void) { return (fig_pictures_options){.val_fraction = 0.1}; }

/* --- whether it has been done -----------------------------------------------------------------------------------*/

static fig_status add_file(fig_context *ctx, const char *path, fig__sha256 *sha) {
    struct stat info;
    FIG_CHECK(ctx, !stat(path, &info), FIG_ERR_NOTFOUND, "%s: no such file or folder", path);
    int64_t facts[3] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    fig__sha256_add(sha, path, strlen(path) + 1);
    fig__sha256_add(sha, facts, sizeof facts);
    return FIG_OK;
}

static fig_status add_path(fig_context *ctx, const char *path, fig__sha256 *sha) {
    fig__paths found = {0};
    if (!fig__path_is_dir(path)) return add_file(ctx, path, sha);
    FIG_TRY(fig__dir_walk(ctx, path, FIG__PICTURE_MAX_FILES, &found));
    fig_status status = FIG_OK;
    for (size_t i = 0; i < found.n && !status; i++) status = add_file(ctx, found.data[i], sha);
    fig__paths_deinit(ctx, &found);
    return status;
}

static fig_status take_fingerprint(prepare *p) {
    const fig_pictures_options *o = p->options;
    double settings[3] = {(double)o->size, (double)o->channels, o->val_fraction};
    fig__sha256 *sha = fig__sha256_new(p->ctx);
    fig_status status = sha ? FIG_OK : FIG_ERR_NOMEM;
    if (sha) fig__sha256_add(sha, settings, sizeof settings);
    if (sha && o->stack) fig__sha256_add(sha, "stack", 5);
    for (size_t i = 0; i < o->n_paths && !status; i++) status = add_path(p->ctx, o->paths[i], sha);
    if (sha) fig__sha256_hex(sha, p->manifest.fingerprint);
    fig__sha256_free(sha);
    return status;
}

static fig_status check_replaceable(const prepare *p, bool same) {
    FIG_CHECK(p->ctx, same || p->options->force, FIG_ERR_EXISTS,
              "%s: holds other pictures; name another folder, or force their replacement", p->options->out_dir);
    return FIG_OK;
}

/* Files that carry another time may hold the same pictures: preparing them will tell. */
static fig_status find_existing(prepare *p, bool *reused) {
    const char *dir = p->options->out_dir;
    *reused = false;
    if (!fig__path_exists(dir)) return FIG_OK;
    FIG_CHECK(p->ctx, fig_pictures_is_prepared(dir), FIG_ERR_EXISTS,
              "%s: exists and holds no prepared pictures; name another folder", dir);
    p->earlier = FIG_NEW(p->ctx, fig__pictures_manifest);
    if (!p->earlier) return FIG_ERR_NOMEM;
    if (fig__pictures_manifest_load(p->ctx, dir, p->earlier)) {
        fig_error_clear(p->ctx);
        return check_replaceable(p, false);
    }
    *reused = !strcmp(p->earlier->fingerprint, p->manifest.fingerprint);
    if (*reused) p->manifest.info = p->earlier->info;
    return FIG_OK;
}

/* --- classes and splits -----------------------------------------------------------------------------------------*/

static fig_status class_of(prepare *p, const fig__picture *picture, int32_t *class) {
    int64_t at;
    *class = -1;
    if (!picture->class_name) {
        int64_t number = picture->class_number;
        FIG_CHECK(p->ctx, number < FIG__PICTURES_MAX_CLASSES, FIG_ERR_LIMIT, "%s: class %lld; at most %d are possible",
                  picture->name, (long long)number, FIG__PICTURES_MAX_CLASSES);
        if (number >= 0) *class = (int32_t)number;
        p->largest_number = FIG_MAX(p->largest_number, number);
        return FIG_OK;
    }
    size_t len = strlen(picture->class_name);
    if (!fig__map_get(p->class_of_name, picture->class_name, len, &at)) {
        fig__class_names *names = &p->manifest.classes;
        at = (int64_t)names->n;
        FIG_CHECK(p->ctx, at < FIG__PICTURES_MAX_CLASSES, FIG_ERR_LIMIT, "%s: more than %d classes", picture->name,
                  FIG__PICTURES_MAX_CLASSES);
        char *copy = fig__strdup(p->ctx, picture->class_name);
        fig_status status = copy ? FIG_PUSH(p->ctx, names, copy) : FIG_ERR_NOMEM;
        if (status) return fig__free(p->ctx, copy), status;
        FIG_TRY(fig__map_put(p->class_of_name, copy, len, at));
    }
    *class = (int32_t)at;
    return FIG_OK;
}

/* By the name without its folders, so that moving a set does not change it. */
static int split_of(const prepare *p, const fig__picture *picture) {
    if (picture->split >= 0) return picture->split;
    const char *base = fig__path_base(picture->name);
    double place = (double)fig__hash64(base, strlen(base)) / 18446744073709551616.0;
    return place < p->options->val_fraction ? FIG_SPLIT_VAL : FIG_SPLIT_TRAIN;
}

/* --- a batch ----------------------------------------------------------------------------------------------------*/

/* As many whole ones as there is room for. */
static void add_caption(slot *s, const char *text) {
    size_t used = strlen(s->caption), len = strlen(text);
    if (!len || used + len + 2 > sizeof s->caption) return;
    if (used) s->caption[used++] = FIG__CAPTION_END;
    for (size_t i = 0; i <= len; i++) s->caption[used + i] = text[i] == FIG__CAPTION_END ? ' ' : text[i];
}

static void take_captions(slot *s, const fig__picture *picture) {
    *s->caption = 0;
    if (!picture->captions && picture->caption) add_caption(s, picture->caption);
    for (size_t i = 0; i < fig__json_size(picture->captions); i++)
        add_caption(s, fig__json_str(fig__json_at((fig__json *)picture->captions, i), ""));
}

static fig_status fill_slot(prepare *p, const fig__picture *picture) {
    slot *s = &p->slots[p->n_slots++];
    fig__buf_clear(&s->file);
    s->broken = false;
    snprintf(s->name, sizeof s->name, "%.*s", (int)sizeof s->name - 1, picture->name);
    take_captions(s, picture);
    s->split = split_of(p, picture);
    FIG_TRY(class_of(p, picture, &s->class));
    FIG_TRY(fig__attributes_read(p->ctx, &p->manifest.attributes, picture->about, &s->attributes));
    const fig__image *samples = &picture->samples;
    s->w = samples->w, s->h = samples->h, s->c = samples->c;
    return picture->file ? fig__buf_add(&s->file, picture->file, picture->file_len)
                         : fig__buf_add(&s->file, samples->data, samples->w * samples->h * samples->c);
}

static void decode_slot(void *arg, size_t i, int thread) {
    prepare *p = arg;
    slot *s = &p->slots[i];
    s->owner = p->workers[thread];
    fig_status status = s->c ? fig__image_new(s->owner, s->w, s->h, s->c, &s->image)
                             : fig__image_decode(s->owner, s->name, s->file.data, s->file.len, &s->image);
    if (!status && s->c) memcpy(s->image.data, s->file.data, s->file.len);
    s->broken = status != FIG_OK;
    if (s->broken) snprintf(s->why, sizeof s->why, "%.*s", (int)sizeof s->why - 1, fig_error(s->owner));
}

static void replace_image(slot *s, fig_status status, const fig__image *by) {
    fig__image_free(s->owner, &s->image);
    s->image = *by;
    s->broken = status != FIG_OK;
    if (s->broken) snprintf(s->why, sizeof s->why, "%.200s: out of memory", s->name);
}

/* On the thread that decoded it or another: tiles of one owner must not run side by side, so a worker takes all of its
 * own. */
static void fit_slot(prepare *p, slot *s) {
    const fig_pictures_info *info = &p->manifest.info;
    fig__image to;
    if (!s->broken && s->image.w != s->image.h) replace_image(s, fig__image_crop_square(s->owner, &s->image, &to), &to);
    if (!s->broken && s->image.w != info->size)
        replace_image(s, fig__image_resize(s->owner, &s->image, info->size, info->size, &to), &to);
    if (!s->broken && s->image.c != info->channels)
        replace_image(s, fig__image_channels(s->owner, &s->image, info->channels, &to), &to);
}

static void fit_of_worker(void *arg, size_t worker, int thread) {
    (void)thread;
    prepare *p = arg;
    for (size_t i = 0; i < p->n_slots; i++)
        if (p->slots[i].owner == p->workers[worker]) fit_slot(p, &p->slots[i]);
}

/* Grey stays grey, and what shows what lies behind it stays so. */
static bool has_alpha(const fig__image *image) {
    if (image->c % 2) return false;
    for (size_t i = 0; i < image->w * image->h; i++)
        if (image->data[(i + 1) * image->c - 1] != 255) return true;
    return false;
}

static void choose_size(prepare *p) {
    fig_pictures_info *info = &p->manifest.info;
    size_t side = 0;
    bool same = true, colour = false, alpha = false;
    for (size_t i = 0; i < FIG_MIN(p->n_slots, PROBED); i++) {
        const slot *s = &p->slots[i];
        if (s->broken) continue;
        same &= s->image.w == s->image.h && s->image.w <= LARGEST_KEPT && (!side || side == s->image.w);
        side = s->image.w;
        colour |= s->image.c >= 3;
        alpha |= has_alpha(&s->image);
    }
    info->size = p->options->size ? (size_t)p->options->size : same && side ? side : USUAL_SIZE;
    info->channels = p->options->channels ? (size_t)p->options->channels : alpha ? 4 : colour ? 3 : 1;
    p->sized = true;
}

/* --- writing ----------------------------------------------------------------------------------------------------*/

static fig_status open_writers(prepare *p) {
    static const char *const endings[] = {"bin", "labels", "captions"};
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        fig__writer **writers[] = {&p->out[i].samples, &p->out[i].labels, &p->out[i].captions};
        for (size_t k = 0; k < FIG_COUNT(endings); k++) {
            char *path = fig__pictures_path(p->ctx, p->tmp_dir, (fig_data_split)i, endings[k]);
            fig_status status = path ? fig__writer_open(p->ctx, path, writers[k]) : FIG_ERR_NOMEM;
            fig__free(p->ctx, path);
            FIG_TRY(status);
        }
    }
    return FIG_OK;
}

static void write_caption(fig__writer *w, const char *caption) {
    for (; *caption; caption++) {
        if (*caption == '\\' || *caption == '\n' || *caption == '\r') {
            fig__writer_add(w, "\\", 1);
            fig__writer_add(w, *caption == '\n' ? "n" : *caption == '\r' ? "r" : "\\", 1);
        } else {
            fig__writer_add(w, caption, 1);
        }
    }
    fig__writer_add(w, "\n", 1);
}

static fig_status write_slot(prepare *p, slot *s) {
    fig_pictures_info *info = &p->manifest.info;
    if (s->broken) {
        if (!info->n_broken++) snprintf(info->first_broken, sizeof info->first_broken, "%s", s->why);
        FIG_CHECK(p->ctx, info->n_broken <= FEW_BROKEN || info->n_broken * 10 <= p->n_seen, FIG_ERR_FORMAT,
                  "%llu of %llu pictures cannot be decoded, more than one in ten; the first: %s",
                  (unsigned long long)info->n_broken, (unsigned long long)p->n_seen, info->first_broken);
        return FIG_OK;
    }
    size_t bytes = info->size * info->size * info->channels;
    fig__writer_add(p->out[s->split].samples, s->image.data, bytes);
    fig__writer_add(p->out[s->split].labels, &s->class, sizeof s->class);
    write_caption(p->out[s->split].captions, s->caption);
    fig__sha256_add(p->sha, s->image.data, bytes);
    fig__sha256_add(p->sha, &s->class, sizeof s->class);
    fig__sha256_add(p->sha, s->caption, strlen(s->caption) + 1);
    info->n[s->split]++;
    info->n_captions += *s->caption != 0;
    return fig__attributes_push(p->ctx, &p->manifest.attributes, (fig_data_split)s->split, &s->attributes);
}

static fig_status run_batch(prepare *p) {
    fig_status status = FIG_OK;
    fig__parallel(p->ctx, p->n_slots, decode_slot, p);
    if (!p->sized) choose_size(p);
    fig__parallel(p->ctx, p->n_workers, fit_of_worker, p);
    for (size_t i = 0; i < p->n_slots; i++) {
        p->n_seen++;
        if (!status) status = write_slot(p, &p->slots[i]);
        fig__image_free(p->slots[i].owner, &p->slots[i].image);
    }
    p->n_slots = 0;
    return status;
}

/* --- all of it --------------------------------------------------------------------------------------------------*/

static fig_status read_source(prepare *p, const char *path, bool is_one_of_many) {
    fig__picture_source *s;
    fig__picture picture;
    FIG_TRY(fig__picture_source_open(p->ctx, path, is_one_of_many, &s));
    fig_status status = FIG_OK;
    for (;;) {
        status =
            fig_cancelled(p->ctx) ? FIG_FAIL(p->ctx, FIG_ERR_CANCELLED, "interrupted") : s->kind->next(s, &picture);
        if (status || !picture.name) break;
        if ((status = fill_slot(p, &picture))) break;
        if (p->n_slots == BATCH && (status = run_batch(p))) break;
        if (p->options->progress) p->options->progress(p->options->user, "pictures", p->n_seen, 0);
    }
    p->manifest.info.n_other += s->n_other;
    fig__picture_source_close(s);
    return status;
}

static fig_status publish(prepare *p) {
    FIG_TRY(check_replaceable(p, !p->earlier || fig__pictures_manifest_same(p->earlier, &p->manifest)));
    FIG_TRY(fig__pictures_manifest_save(p->ctx, p->tmp_dir, &p->manifest));
    return fig__dir_publish(p->ctx, p->tmp_dir, p->options->out_dir);
}

static fig_status finish(prepare *p) {
    fig_pictures_info *info = &p->manifest.info;
    FIG_CHECK(p->ctx, info->n[FIG_SPLIT_TRAIN], FIG_ERR_FORMAT, "%s: no pictures to learn from%s%s",
              p->options->paths[0], info->n_broken ? "; the first that cannot be decoded: " : "", info->first_broken);
    FIG_CHECK(p->ctx, !p->manifest.classes.n || p->largest_number < 0, FIG_ERR_ARG,
              "%s: some pictures have named classes and some have numbers; give one kind at a time",
              p->options->paths[0]);
    info->n_classes = p->manifest.classes.n ? (int32_t)p->manifest.classes.n : (int32_t)p->largest_number + 1;
    fig__sha256_hex(p->sha, info->data_sha256);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        fig__writer *all[] = {p->out[i].samples, p->out[i].labels, p->out[i].captions};
        p->out[i].samples = p->out[i].labels = p->out[i].captions = NULL;
        fig_status status = FIG_OK;
        for (size_t k = 0; k < FIG_COUNT(all); k++) {
            if (!status)
                status = fig__writer_commit(all[k]);
            else
                fig__writer_abort(all[k]);
        }
        FIG_TRY(status);
    }
    FIG_TRY(fig__attributes_save(p->ctx, p->tmp_dir, &p->manifest.attributes, info->n));
    return publish(p);
}

static fig_status make_workers(prepare *p) {
    size_t n = (size_t)fig_n_threads(p->ctx);
    p->workers = FIG_NEW_N(p->ctx, fig_context *, n);
    p->slots = FIG_NEW_N(p->ctx, slot, BATCH);
    if (!p->workers || !p->slots) return FIG_ERR_NOMEM;
    for (; p->n_workers < n; p->n_workers++)
        if (fig_context_new(&(fig_context_options){.n_threads = 1}, &p->workers[p->n_workers]))
            return FIG_FAIL(p->ctx, FIG_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < BATCH; i++) fig__buf_init(&p->slots[i].file, p->ctx, FIG__PICTURE_MAX_FILE);
    return FIG_OK;
}

/* A folder's pictures, then each array and archive in it. */
static fig_status read_path(prepare *p, const char *path) {
    fig__paths sets = {0};
    bool folder = fig__path_is_dir(path), many = p->options->n_paths > 1;
    fig_status status = folder ? fig__picture_sets_below(p->ctx, path, &sets) : FIG_OK;
    many |= sets.n > 1;
    uint64_t before = p->manifest.info.n_other;
    if (!status) status = read_source(p, path, many);
    if (folder) p->manifest.info.n_other -= FIG_MIN(sets.n, p->manifest.info.n_other - before);
    for (size_t i = 0; i < sets.n && !status; i++) status = read_source(p, sets.data[i], many);
    fig__paths_deinit(p->ctx, &sets);
    return status;
}

/* From the same pictures prepared as they are, in a folder that is then removed. */
static fig_status build_stacked(prepare *p) {
    fig_pictures_options flat = *p->options;
    char *dir = fig__path_join(p->ctx, p->tmp_dir, "flat");
    flat.stack = false, flat.channels = 1, flat.out_dir = dir;
    fig_status status = dir ? fig_pictures_prepare(p->ctx, &flat, NULL) : FIG_ERR_NOMEM;
    if (!status) status = fig__pictures_stack(p->ctx, dir, p->tmp_dir, &p->manifest.info);
    if (!status) status = fig__dir_remove(p->ctx, dir);
    fig__free(p->ctx, dir);
    return status ? status : publish(p);
}

static fig_status build(prepare *p) {
    const fig_pictures_options *o = p->options;
    FIG_TRY(fig__partial_dir(p->ctx, o->out_dir, &p->tmp_dir));
    if (o->stack) return build_stacked(p);
    FIG_TRY(make_workers(p));
    FIG_TRY(open_writers(p));
    for (size_t i = 0; i < o->n_paths; i++) FIG_TRY(read_path(p, o->paths[i]));
    FIG_TRY(run_batch(p));
    return finish(p);
}

static void read_origins(prepare *p) {
    fig_dataset_info origin = {0};
    for (size_t i = 0; i < p->options->n_paths; i++) fig__origin_read(p->ctx, p->options->paths[i], &origin);
    snprintf(p->manifest.info.licence, sizeof p->manifest.info.licence, "%s", origin.licence);
    snprintf(p->manifest.info.origin, sizeof p->manifest.info.origin, "%s", origin.origin);
}

static void prepare_deinit(prepare *p, bool failed) {
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) {
        fig__writer_abort(p->out[i].samples);
        fig__writer_abort(p->out[i].labels);
        fig__writer_abort(p->out[i].captions);
    }
    if (failed && p->tmp_dir) { /* the message of the failure is what matters, not that of tidying up */
        char message[1024];
        fig_status code = fig_error_code(p->ctx);
        snprintf(message, sizeof message, "%s", fig_error(p->ctx));
        fig__dir_remove(p->ctx, p->tmp_dir);
        FIG_FAIL(p->ctx, code, "%s", message);
    }
    for (size_t i = 0; p->slots && i < BATCH; i++) {
        if (p->slots[i].owner) fig__image_free(p->slots[i].owner, &p->slots[i].image);
        fig__buf_deinit(&p->slots[i].file);
    }
    for (size_t i = 0; i < p->n_workers; i++) fig_context_free(p->workers[i]);
    fig__free(p->ctx, p->workers);
    fig__free(p->ctx, p->slots);
    fig__free(p->ctx, p->tmp_dir);
    fig__map_free(p->class_of_name);
    fig__sha256_free(p->sha);
    fig__pictures_manifest_deinit(p->ctx, &p->manifest);
    if (p->earlier) fig__pictures_manifest_deinit(p->ctx, p->earlier);
    fig__free(p->ctx, p->earlier);
}

static fig_status check_options(fig_context *ctx, const fig_pictures_options *o) {
    FIG_CHECK(ctx, o->n_paths, FIG_ERR_ARG, "no data: name pictures, a folder or an archive of them");
    FIG_CHECK(ctx, o->out_dir && *o->out_dir, FIG_ERR_ARG, "preparing data needs a folder to write to");
    FIG_CHECK(ctx, o->size >= 0 && o->size <= 4096, FIG_ERR_ARG, "a size of %lld pixels; 1 to 4096 are possible",
              (long long)o->size);
    FIG_CHECK(ctx, o->channels >= 0 && o->channels <= 4 && o->channels != 2, FIG_ERR_ARG,
              "%lld channels; 1 (grey), 3 (RGB) and 4 (RGBA) are possible", (long long)o->channels);
    FIG_CHECK(ctx, !o->stack || !o->channels || o->channels == 3, FIG_ERR_ARG,
              "stacked pictures have 3 channels, not %lld", (long long)o->channels);
    FIG_CHECK(ctx, o->val_fraction >= 0 && o->val_fraction < 1, FIG_ERR_ARG,
              "val_fraction is %g; it should be 0 or more and less than 1", o->val_fraction);
    return FIG_OK;
}

fig_status fig_pictures_prepare(fig_context *ctx, const fig_pictures_options *options, fig_pictures_info *info) {
    prepare p = {.ctx = ctx, .options = options, .largest_number = -1};
    bool reused = false;
    FIG_TRY(check_options(ctx, options));
    p.class_of_name = fig__map_new(ctx);
    p.sha = fig__sha256_new(ctx);
    fig_status status = p.class_of_name && p.sha ? take_fingerprint(&p) : FIG_ERR_NOMEM;
    if (!status) status = find_existing(&p, &reused);
    if (!status && !reused) {
        read_origins(&p);
        status = build(&p);
    }
    if (info) *info = p.manifest.info;
    prepare_deinit(&p, status != FIG_OK);
    return status;
}
