/* models/lexicon.c: the names of a model's classes and the words of its captions, in lexicon.json beside it. */
#include <stdlib.h>
#include "base/file.h"
#include "models/model.h"

#define FILE_NAME "lexicon.json"
#define MAX_FILE ((size_t)64 << 20)

static fig_status copy_texts(fig_model *m, const char *const *texts, size_t n, fig_strings *out) {
    *out = (fig_strings){.data = fig__arena_alloc(m->arena, (n + 1) * sizeof *out->data), .cap = n};
    if (!out->data) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (!(out->data[out->n++] = fig__arena_strdup(m->arena, texts[i]))) return FIG_ERR_NOMEM;
    return FIG_OK;
}

fig_status fig_model_set_classes(fig_model *m, const char *const *names, size_t n) {
    return copy_texts(m, names, n, &m->classes);
}
fig_status fig_model_set_words(fig_model *m, const char *const *words, size_t n) {
    return copy_texts(m, words, n, &m->words);
}
const fig_strings *fig_model_classes(const fig_model *m) { return &m->classes; }

bool fig_model_knows_word(const fig_model *m, const char *word, size_t len) {
    size_t low = 0, high = m->words.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *at = m->words.data[middle];
        int order = strncmp(at, word, len);
        if (!order && at[len]) order = 1;
        if (!order) return true;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return !m->words.n;
}

/* --- the file ---------------------------------------------------------------------------------------------------*/

static fig__json *array_of(const fig_strings *texts) {
    fig__json *all = fig__json_new_array();
    for (size_t i = 0; i < texts->n; i++) fig__json_push(all, fig__json_new_str(texts->data[i]));
    return all;
}

fig_status fig__lexicon_save(const fig_model *m, const char *dir) {
    if (!m->classes.n && !m->words.n) return FIG_OK;
    char *path = fig__path_join(m->ctx, dir, FILE_NAME);
    fig__json *all = fig__json_new_object();
    fig_status status = path && all ? FIG_OK : FIG_ERR_NOMEM;
    if (!status) status = fig__json_put(all, "classes", array_of(&m->classes));
    if (!status) status = fig__json_put(all, "words", array_of(&m->words));
    if (!status) status = fig__json_save(m->ctx, path, all, 1);
    fig__json_free(all);
    fig__free(m->ctx, path);
    return status;
}

static fig_status read_texts(fig_model *m, const char *path, const fig__json *all, const char *key, fig_strings *out) {
    const fig__json *list = fig__json_get(all, key);
    size_t n = fig__json_size(list);
    *out = (fig_strings){.data = fig__arena_alloc(m->arena, (n + 1) * sizeof *out->data), .cap = n};
    if (!out->data) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *text = fig__json_str(fig__json_at(list, i), NULL);
        FIG_CHECK(m->ctx, text, FIG_ERR_FORMAT, "%s: %s: entry %zu is no text", path, key, i);
        if (!(out->data[out->n++] = fig__arena_strdup(m->arena, text))) return FIG_ERR_NOMEM;
    }
    return FIG_OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

fig_status fig__lexicon_load(fig_model *m, const char *dir) {
    char *path = fig__path_join(m->ctx, dir, FILE_NAME);
    fig__json *all = NULL;
    if (!path) return FIG_ERR_NOMEM;
    fig_status status = fig__path_exists(path) ? fig__json_load(m->ctx, path, MAX_FILE, &all) : FIG_OK;
    if (!status && all) status = read_texts(m, path, all, "classes", &m->classes);
    if (!status && all) status = read_texts(m, path, all, "words", &m->words);
    if (!status && m->words.n) qsort(m->words.data, m->words.n, sizeof *m->words.data, by_text);
    fig__json_free(all);
    fig__free(m->ctx, path);
    return status;
}
