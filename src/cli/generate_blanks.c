/* cli/generate_blanks.c: figment generate with a masked language model: the prompt with its blanks filled. */
#include <fig/fill.h>
#include "base/file.h"
#include "cli/generate.h"

#define TEXT_MAX ((size_t)64 << 20) /* bytes */

typedef struct settings {
    const char *prompt, *prompt_file, *output;
    int64_t top;
    int dtype;
} settings;

#define AT(field) offsetof(settings, field)
static const fig_option rows[] = {
    {.help = "Blanks (models that read in both directions)"},
    FIG__PROMPT_ROWS(settings, "a text in which " FIG_MASK " stands for a token to be filled; -: standard input"),
    {.name = "top",
     .kind = FIG_OPT_INT,
     .offset = AT(top),
     .low = 0,
     .high = 1000,
     .help = "list so many of the likeliest tokens of each blank, too"},
    FIG__TEXT_OUTPUT_ROWS(settings),
};
const fig_option_table fig__blanks_table = {rows, FIG_COUNT(rows)};

/* A piece of a character is shown as what cannot be read. */
static fig__json *token_json(const fig_model *m, int32_t id) {
    fig_utf8_stream stream = {0};
    size_t len = 0;
    const char *bytes = fig_tokenizer_token(fig_model_tokenizer(m), id, &len);
    fig__json *j = NULL;
    fig__buf text;
    fig__buf_init(&text, fig_model_context(m), TEXT_MAX);
    if (!fig__buf_reserve(&text, 3 * (len + 3) + 9)) {
        text.len = fig_utf8_stream_add(&stream, bytes ? bytes : "", len, text.data);
        text.len += fig_utf8_stream_flush(&stream, text.data + text.len);
        j = fig__json_new_strn(text.data, text.len);
    }
    fig__buf_deinit(&text);
    return j;
}

static fig__json *blank_json(const fig_model *m, const fig_filled *f, size_t blank) {
    fig__json *j = fig__json_new_object(), *choices = fig__json_new_array();
    fig__json_put(j, "place", fig__json_new_int((int64_t)f->places[blank]));
    for (size_t i = 0; i < f->n_best; i++) {
        const fig_choice *c = &f->choices[blank * f->n_best + i];
        fig__json *one = fig__json_new_object();
        fig__json_put(one, "token", token_json(m, c->token));
        fig__json_put(one, "id", fig__json_new_int(c->token));
        fig__json_put(one, "p", fig__json_new_real(c->p));
        fig__json_push(choices, one);
    }
    fig__json_put(j, "choices", choices);
    return j;
}

static fig_status write_json(const fig_model *m, const char *prompt, const fig_filled *f, fig__buf *out) {
    fig__json *j = fig__json_new_object(), *blanks = fig__json_new_array();
    fig__json_put(j, "prompt", fig__json_new_str(prompt));
    fig__json_put(j, "text", fig__json_new_strn(f->text, f->len));
    for (size_t i = 0; i < f->n_blanks; i++) fig__json_push(blanks, blank_json(m, f, i));
    fig_status status = fig__json_put(j, "blanks", blanks);
    if (!status) status = fig__json_write(j, 0, out);
    fig__json_free(j);
    return status ? status : fig__buf_addc(out, '\n');
}

static fig_status write_lines(const fig_model *m, const fig_filled *f, fig__buf *out) {
    FIG_TRY(fig__buf_add(out, f->text, f->len));
    FIG_TRY(fig__buf_addc(out, '\n'));
    for (size_t blank = 0; blank < (f->n_best ? f->n_blanks : 0); blank++) {
        FIG_TRY(fig__buf_printf(out, "blank %zu:", blank + 1));
        for (size_t i = 0; i < f->n_best; i++) {
            const fig_choice *c = &f->choices[blank * f->n_best + i];
            fig__json *token = token_json(m, c->token);
            fig_status status = fig__buf_printf(out, "%s %.4f ", i ? "," : "", c->p);
            if (!status) status = fig__json_write(token, 0, out);
            fig__json_free(token);
            FIG_TRY(status);
        }
        FIG_TRY(fig__buf_addc(out, '\n'));
    }
    return FIG_OK;
}

static fig_status fill(fig__args *args, fig_model *model, const settings *s, const fig__buf *prompt) {
    fig_context *ctx = args->ctx;
    bool json = args->globals.json;
    fig_filled filled;
    fig__buf out;
    FIG_TRY(fig_fill(model, fig__buf_str(prompt), prompt->len, (size_t)(json ? FIG_MAX(s->top, 1) : s->top), &filled));
    fig__buf_init(&out, ctx, TEXT_MAX);
    fig_status status =
        json ? write_json(model, fig__buf_str(prompt), &filled, &out) : write_lines(model, &filled, &out);
    if (!status)
        status = s->output ? fig__file_write(ctx, s->output, out.data, out.len) : fig__print(ctx, out.data, out.len);
    fig__buf_deinit(&out);
    fig_filled_free(ctx, &filled);
    return status;
}

static fig_status run(fig__args *args) {
    settings s;
    fig_model *model = NULL;
    fig__buf prompt;
    fig__buf_init(&prompt, args->ctx, TEXT_MAX);
    fig_status status = fig__args_bind(args, &fig__blanks_table, &s);
    if (!status) status = fig__args_want_words(args, 1, 1);
    if (!status) status = fig__args_apply(args, NULL, NULL);
    if (!status) status = fig__load_to_generate(args->ctx, args->words.data[0], s.dtype, &model);
    if (!status) status = fig__read_prompt(args->ctx, s.prompt, s.prompt_file, &prompt);
    if (!status) status = fill(args, model, &s, &prompt);
    fig__buf_deinit(&prompt);
    fig_model_free(model);
    return status;
}

const fig__generates fig__generates_blanks = {"text", &fig_family_masked, &fig__blanks_table, run};
