/* cli/pictures.c: see pictures.h. */
#include "cli/pictures.h"
#include "cli/meter.h"

fig_status fig__prepare_pictures(fig_context *ctx, fig_pictures_options *o, fig_pictures_info *info) {
    o->progress = fig__meter_dataset;
    FIG_TRY(fig_pictures_prepare(ctx, o, info));
    fig__meter_clear();
    if (info->n_broken)
        fig__meter_note("figment: note: %llu broken pictures were left out, the first: %s",
                        (unsigned long long)info->n_broken, info->first_broken);
    if (info->n_other)
        fig__meter_note("figment: note: %llu files were left out that are no pictures",
                        (unsigned long long)info->n_other);
    if (info->n_captions && info->n_captions < info->n[FIG_SPLIT_TRAIN] + info->n[FIG_SPLIT_VAL])
        fig__meter_note("figment: note: %llu of %llu pictures have a caption", (unsigned long long)info->n_captions,
                        (unsigned long long)(info->n[FIG_SPLIT_TRAIN] + info->n[FIG_SPLIT_VAL]));
    return FIG_OK;
}

static fig__json *attributes_json(const fig_pictures *p) {
    fig__json *j = fig__json_new_object();
    for (size_t a = 0; a < fig_pictures_n_attributes(p); a++)
        fig__json_put(j, fig_pictures_attribute_name(p, a), fig__json_new_int((int64_t)fig_pictures_n_values(p, a)));
    return j;
}

static fig_status print_attributes(fig__args *args, const fig_pictures *p) {
    size_t n = fig_pictures_n_attributes(p);
    for (size_t a = 0; a < n; a++)
        FIG_TRY(fig__printf(args->ctx, "%-12s %s (%zu values)\n", a ? "" : "attributes",
                            fig_pictures_attribute_name(p, a), fig_pictures_n_values(p, a)));
    return FIG_OK;
}

static fig_status describe(fig__args *args, const char *path, const fig_pictures *p) {
    const fig_pictures_info *info = fig_pictures_get_info(p);
    const struct {
        const char *key;
        uint64_t value;
    } facts[] = {{"size", info->size},
                 {"channels", info->channels},
                 {"train", info->n[FIG_SPLIT_TRAIN]},
                 {"held_out", info->n[FIG_SPLIT_VAL]},
                 {"classes", (uint64_t)info->n_classes},
                 {"captions", info->n_captions},
                 {"broken", info->n_broken},
                 {"other_files", info->n_other}};
    fig__json *j = fig__json_new_object();
    fig_status status = fig__json_put(j, "path", fig__json_new_str(path));
    if (!status) status = fig__json_put(j, "kind", fig__json_new_str("prepared pictures"));
    for (size_t i = 0; i < FIG_COUNT(facts) && !status; i++)
        status = fig__json_put(j, facts[i].key, fig__json_new_int((int64_t)facts[i].value));
    if (!status) status = fig__json_put(j, "sha256", fig__json_new_str(info->data_sha256));
    if (!status) status = fig__json_put(j, "attributes", attributes_json(p));
    if (!status && *info->licence) status = fig__json_put(j, "licence", fig__json_new_str(info->licence));
    if (!status && args->globals.json) return fig__print_json(args->ctx, j, 2);
    for (size_t i = 0; i < FIG_COUNT(facts) && !status; i++)
        status = fig__printf(args->ctx, "%-12s %llu\n", facts[i].key, (unsigned long long)facts[i].value);
    if (!status) status = print_attributes(args, p);
    if (!status) status = fig__printf(args->ctx, "%-12s %s\n", "sha256", info->data_sha256);
    fig__json_free(j);
    return status;
}

fig_status fig__describe_pictures(fig__args *args, const char *path) {
    fig_pictures *p;
    FIG_TRY(fig_pictures_open(args->ctx, path, &p));
    fig_status status = describe(args, path, p);
    fig_pictures_close(p);
    return status;
}
