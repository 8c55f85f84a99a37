/* Families, what a model folder holds without reading its weights, and the names beside a model. */
#include "check.h"
#include "base/file.h"
#include "models/model.h"

static fig_model *small_flow(fig_context *ctx) {
    static const char *const settings[] = {"image_size",  "8", "n_channels", "1",  "n_classes", "2",
                                           "text_length", "0", "patch_size", "4",  "n_layer",   "1",
                                           "n_head",      "2", "n_embd",     "16", NULL};
    fig_model *m = NULL;
    EXPECT_OK(ctx, fig_model_new(ctx, "flow", &(fig_model_options){.dtype = FIG_F32}, &m));
    for (const char *const *s = settings; m && *s; s += 2) EXPECT_OK(ctx, fig_model_set(m, s[0], s[1]));
    EXPECT_OK(ctx, fig_model_init(m));
    return m;
}

TEST(every_architecture_has_what_its_family_asks_for) {
    for (size_t i = 0; i < fig_arch_count(); i++) {
        const fig_arch *a = fig_arch_at(i);
        EXPECT(a->family && *fig_family_name(a->family) && a->net.language && *a->summary);
        for (size_t k = 0; k < FIG_COUNT(a->family->settings) && a->family->settings[k]; k++)
            if (!EXPECT(fig__option_find(*a->options, a->family->settings[k]) != NULL))
                fprintf(stderr, "    %s has no %s\n", a->name, a->family->settings[k]);
    }
}

TEST(names_come_back) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_model *m = small_flow(ctx), *back = NULL;
    EXPECT_OK(ctx, fig_model_set_classes(m, (const char *const[]){"a \"cat\"", "dog"}, 2));
    EXPECT_OK(ctx, fig_model_set_words(m, (const char *const[]){"apple", "red", "rede"}, 3));
    EXPECT_OK(ctx, fig_model_save(m, dir, FIG_F32));
    const fig_arch *arch = NULL;
    EXPECT_OK(ctx, fig_model_arch_of(ctx, dir, &arch));
    EXPECT(arch == fig_arch_find("flow"));
    if (!EXPECT_OK(ctx, fig_model_load(ctx, dir, NULL, &back))) return;
    EXPECT_EQ_I(fig_model_classes(back)->n, 2);
    EXPECT_EQ_S(fig_model_classes(back)->data[0], "a \"cat\"");
    EXPECT(fig_model_knows_word(back, "red", 3) && fig_model_knows_word(back, "apple", 5));
    EXPECT(!fig_model_knows_word(back, "re", 2) && !fig_model_knows_word(back, "green", 5) &&
           !fig_model_knows_word(back, "reded", 5));
    EXPECT(fig_params_hash(fig_model_params(m)) == fig_params_hash(fig_model_params(back)));
    fig_model_free(back);
    fig_model_free(m);
}

TEST(a_model_without_names_knows_every_word) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_model *m = small_flow(ctx);
    EXPECT_OK(ctx, fig_model_save(m, dir, FIG_F32));
    EXPECT(!fig__path_exists(check_path(dir, "lexicon.json")) && fig_model_knows_word(m, "anything", 8));
    fig_model_free(m);
}

TEST(broken_names_are_refused) {
    static const char *const texts[] = {"{\"classes\": [1]}", "{\"words\": [\"a\", null]}", "{\"classes\"", "[]["};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    fig_model *m = small_flow(ctx), *back;
    EXPECT_OK(ctx, fig_model_save(m, dir, FIG_F32));
    for (size_t i = 0; i < FIG_COUNT(texts); i++) {
        EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "lexicon.json"), texts[i], strlen(texts[i])));
        EXPECT_EQ_I(fig_model_load(ctx, dir, NULL, &back), FIG_ERR_FORMAT);
        EXPECT(!back && strstr(fig_error(ctx), "lexicon.json") && !strchr(fig_error(ctx), '\n'));
    }
    fig_model_free(m);
}

TEST(settings_that_do_not_fit_are_said) {
    static const struct {
        const char *key, *value, *says;
    } cases[] = {
        {"patch_size", "3", "do not divide"}, {"n_head", "5", "multiple of 4"}, {"image_size", "0", "image_size"}};
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig_model *m = NULL;
        EXPECT_OK(ctx, fig_model_new(ctx, "flow", &(fig_model_options){.dtype = FIG_F32}, &m));
        EXPECT_OK(ctx, fig_model_set(m, "image_size", "8"));
        EXPECT_OK(ctx, fig_model_set(m, cases[i].key, cases[i].value));
        EXPECT_EQ_I(fig_model_init(m), FIG_ERR_ARG);
        if (!EXPECT(strstr(fig_error(ctx), cases[i].says))) fprintf(stderr, "    %s\n", fig_error(ctx));
        fig_model_free(m);
    }
}
