/* data/pictures/attributes.c: see attributes.h. A column for each attribute and split, which grows when it has
 * something to say. */
#include "data/pictures/attributes.h"

static bool has_a_place_of_its_own(const char *key) {
    static const char *const others[] = {"file_name", "text", "caption", "label", "class", "split"};
    for (size_t i = 0; i < FIG_COUNT(others); i++)
        if (!strcmp(key, others[i])) return true;
    return false;
}

static void attribute_deinit(fig_context *ctx, fig__attribute *a) {
    fig__free(ctx, a->name);
    fig__class_names_deinit(ctx, &a->values);
    for (int i = 0; i < FIG_SPLIT_COUNT; i++) fig__free(ctx, a->column[i].data);
}

void fig__attributes_deinit(fig_context *ctx, fig__attributes *all) {
    for (size_t i = 0; i < all->n; i++) attribute_deinit(ctx, &all->data[i]);
    fig__free(ctx, all->data);
    *all = (fig__attributes){0};
}

fig_status fig__attributes_find(fig_context *ctx, fig__attributes *all, const char *name, size_t *at) {
    for (*at = 0; *at < all->n; ++*at)
        if (!strcmp(all->data[*at].name, name)) return FIG_OK;
    fig__attribute a = {.name = fig__strdup(ctx, name)};
    fig_status status = a.name ? FIG_PUSH(ctx, all, a) : FIG_ERR_NOMEM;
    if (status) attribute_deinit(ctx, &a);
    return status;
}

fig_status fig__attribute_add_value(fig_context *ctx, fig__attribute *a, const char *text) {
    char *copy = fig__strdup(ctx, text);
    fig_status status = copy ? FIG_PUSH(ctx, &a->values, copy) : FIG_ERR_NOMEM;
    if (status) fig__free(ctx, copy);
    return status;
}

static fig_status value_of(fig_context *ctx, fig__attribute *a, const char *text, int16_t *value) {
    for (size_t i = 0; i < a->values.n; i++)
        if (!strcmp(a->values.data[i], text)) {
            *value = (int16_t)i;
            return FIG_OK;
        }
    if (a->values.n == FIG__ATTRIBUTE_MAX_VALUES) {
        a->is_free_text = true;
        return FIG_OK;
    }
    *value = (int16_t)a->values.n;
    return fig__attribute_add_value(ctx, a, text);
}

static bool is_known(const fig__attributes *all, const char *name) {
    for (size_t i = 0; i < all->n; i++)
        if (!strcmp(all->data[i].name, name)) return true;
    return false;
}

fig_status fig__attributes_read(fig_context *ctx, fig__attributes *all, const fig__json *about,
                                fig__attribute_row *row) {
    for (size_t i = 0; i < FIG__ATTRIBUTES_MAX; i++) row->value[i] = -1;
    for (size_t i = 0; i < fig__json_size(about); i++) {
        fig__json *value;
        size_t at;
        const char *key = fig__json_key(about, i, &value), *text = fig__json_str(value, NULL);
        if (!key || !text || !*text || has_a_place_of_its_own(key)) continue;
        if (!is_known(all, key) && all->n == FIG__ATTRIBUTES_MAX) continue;
        FIG_TRY(fig__attributes_find(ctx, all, key, &at));
        if (!all->data[at].is_free_text) FIG_TRY(value_of(ctx, &all->data[at], text, &row->value[at]));
    }
    return FIG_OK;
}

/* A column is as long as the last picture of which something was said. */
static fig_status fill(fig_context *ctx, fig__attribute *a, fig_data_split split, uint64_t n) {
    while (a->column[split].n < n) FIG_TRY(FIG_PUSH(ctx, &a->column[split], (int16_t)-1));
    return FIG_OK;
}

fig_status fig__attributes_push(fig_context *ctx, fig__attributes *all, fig_data_split split,
                                const fig__attribute_row *row) {
    uint64_t i = all->n_pushed[split]++;
    for (size_t a = 0; a < all->n; a++) {
        if (row->value[a] < 0 || all->data[a].is_free_text) continue;
        FIG_TRY(fill(ctx, &all->data[a], split, i));
        FIG_TRY(FIG_PUSH(ctx, &all->data[a].column[split], row->value[a]));
    }
    return FIG_OK;
}

static fig_status save_split(fig_context *ctx, const char *dir, fig__attributes *all, fig_data_split split,
                             uint64_t n) {
    fig__writer *w;
    char *path = fig__pictures_path(ctx, dir, split, "attributes");
    fig_status status = path ? fig__writer_open(ctx, path, &w) : FIG_ERR_NOMEM;
    fig__free(ctx, path);
    FIG_TRY(status);
    for (size_t a = 0; a < all->n && !status; a++) {
        status = fill(ctx, &all->data[a], split, n);
        if (!status) fig__writer_add(w, all->data[a].column[split].data, n * sizeof(int16_t));
    }
    if (!status) return fig__writer_commit(w);
    fig__writer_abort(w);
    return status;
}

fig_status fig__attributes_save(fig_context *ctx, const char *dir, fig__attributes *all,
                                const uint64_t n[FIG_SPLIT_COUNT]) {
    size_t kept = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (all->data[i].is_free_text)
            attribute_deinit(ctx, &all->data[i]);
        else
            all->data[kept++] = all->data[i];
    }
    all->n = kept;
    for (int i = 0; i < FIG_SPLIT_COUNT && kept; i++) FIG_TRY(save_split(ctx, dir, all, (fig_data_split)i, n[i]));
    return FIG_OK;
}
