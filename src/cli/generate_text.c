/* cli/generate_text.c: figment generate with a model of text: what it writes streams out as it comes. */
#include <fig/generate.h>
#include <stdio.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/generate.h"
#include "cli/meter.h"

#define PROMPT_MAX ((size_t)64 << 20) /* bytes */
#define SAMPLE_MAX ((size_t)64 << 20) /* bytes of one sample */
#define MAX_SIDE_BY_SIDE 16

typedef struct settings {
    const char *prompt, *prompt_file, *output;
    fig_generate_options o;
    fig_strings stop;
    bool echo;
    int dtype;
} settings;

#define AT(field) offsetof(settings, field)
static const fig_option rows[] = {
    {.help = "Prompt"},
    FIG__PROMPT_ROWS(settings, "what the text begins with; -: standard input"),
    {.name = "echo", .kind = FIG_OPT_BOOL, .offset = AT(echo), .fallback = "true", .help = "write the prompt too"},
    {.help = "Length and number"},
    {.name = "max_tokens",
     .kind = FIG_OPT_INT,
     .offset = AT(o.max_tokens),
     .low = 0,
     .high = 1e9,
     .fallback = "256",
     .aliases = "n n_predict predict max_new_tokens",
     .help = "new tokens; 0: until the context is full"},
    {.name = "num_samples",
     .kind = FIG_OPT_INT,
     .offset = AT(o.num_samples),
     .low = 1,
     .high = 1e6,
     .fallback = "1",
     .aliases = "samples",
     .help = "how many texts"},
    {.name = "stop",
     .kind = FIG_OPT_LIST,
     .offset = AT(stop),
     .aliases = "r reverse_prompt",
     .value = "TEXT",
     .help = "a text that ends a sample; may be given again"},
    {.name = "ignore_eos", .kind = FIG_OPT_BOOL, .offset = AT(o.ignore_eos), .help = "write on behind an end of text"},
    {.name = "n_ctx",
     .kind = FIG_OPT_INT,
     .offset = AT(o.n_ctx),
     .low = 0,
     .high = 1 << 24,
     .aliases = "c ctx_size",
     .help = "context in tokens; 0: the model's"},
    {.help = "Choice of tokens"},
    {.name = "temp",
     .kind = FIG_OPT_REAL,
     .offset = AT(o.temp),
     .low = 0,
     .high = 100,
     .fallback = "0.8",
     .aliases = "temperature",
     .help = "0: always the likeliest"},
    {.name = "top_k",
     .kind = FIG_OPT_INT,
     .offset = AT(o.top_k),
     .low = 0,
     .high = 1 << 24,
     .fallback = "40",
     .help = "among the K likeliest; 0: all"},
    {.name = "top_p",
     .kind = FIG_OPT_REAL,
     .offset = AT(o.top_p),
     .low = 0,
     .high = 1,
     .fallback = "0.95",
     .help = "among the likeliest that make up this share; 1: all"},
    {.name = "min_p",
     .kind = FIG_OPT_REAL,
     .offset = AT(o.min_p),
     .low = 0,
     .high = 1,
     .fallback = "0.05",
     .help = "at least this share of the likeliest one's probability; 0: all"},
    {.name = "repeat_penalty",
     .kind = FIG_OPT_REAL,
     .offset = AT(o.repeat_penalty),
     .low = 0.01,
     .high = 100,
     .fallback = "1",
     .aliases = "repetition_penalty",
     .help = "over 1: tokens used before become rarer"},
    {.name = "repeat_last_n",
     .kind = FIG_OPT_INT,
     .offset = AT(o.repeat_last_n),
     .low = 0,
     .high = 1 << 24,
     .fallback = "64",
     .help = "how many tokens back that looks"},
    {.name = "seed",
     .kind = FIG_OPT_INT,
     .offset = AT(o.seed),
     .low = 0,
     .high = 9e15,
     .fallback = "1337",
     .aliases = "s",
     .help = "same seed, same text; another seed, another text"},
    FIG__TEXT_OUTPUT_ROWS(settings),
};
const fig_option_table fig__text_table = {rows, FIG_COUNT(rows)};

/* --- where the text goes --------------------------------------------------------------------------------------
 * Samples come side by side and are written one behind the other: the one whose turn it is streams, later ones wait. */
typedef struct waiting {
    fig__buf text;
    const char *stop; /* why it ended; NULL while it runs */
} waiting;

typedef struct output {
    fig__args *args;
    const settings *s;
    const char *prompt;
    fig__writer *file; /* NULL: standard output */
    waiting *samples;
    int64_t turn;
    bool begun; /* the prompt of the sample whose turn it is has been written */
    char last;  /* byte written */
    fig_status status;
} output;

static fig_status put(output *out, const char *data, size_t len) {
    if (len) out->last = data[len - 1];
    if (out->file) {
        fig__writer_add(out->file, data, len);
        return FIG_OK;
    }
    FIG_TRY(fig__print(out->args->ctx, data, len));
    return fig__print_flush(out->args->ctx);
}

static fig_status put_json(output *out, int64_t number, waiting *w) {
    fig_context *ctx = out->args->ctx;
    fig__json *j = fig__json_new_object();
    fig__buf text;
    fig__buf_init(&text, ctx, 4 * SAMPLE_MAX);
    fig_status status = fig__json_put(j, "sample", fig__json_new_int(number));
    if (!status) status = fig__json_put(j, "prompt", fig__json_new_strn(out->prompt, strlen(out->prompt)));
    if (!status) status = fig__json_put(j, "text", fig__json_new_strn(fig__buf_str(&w->text), w->text.len));
    if (!status) status = fig__json_put(j, "stop", fig__json_new_str(w->stop));
    if (!status) status = fig__json_put(j, "seed", fig__json_new_int(out->s->o.seed));
    if (!status) status = fig__json_write(j, 0, &text);
    if (!status) status = fig__buf_addc(&text, '\n');
    if (!status) status = put(out, text.data, text.len);
    fig__buf_deinit(&text);
    fig__json_free(j);
    return status;
}

/* Not before a sample's first text: then the prompt has been understood. */
static fig_status begin_sample(output *out) {
    if (out->begun || out->args->globals.json) return FIG_OK;
    out->begun = true;
    if (out->turn) FIG_TRY(put(out, "---\n", 4));
    return out->s->echo ? put(out, out->prompt, strlen(out->prompt)) : FIG_OK;
}

/* Writes what has come of the sample whose turn it is, and goes on to the next one while samples are complete. */
static fig_status write_waiting(output *out) {
    while (out->turn < out->s->o.num_samples) {
        waiting *w = &out->samples[out->turn];
        FIG_TRY(begin_sample(out));
        if (!out->args->globals.json) {
            FIG_TRY(put(out, fig__buf_str(&w->text), w->text.len));
            fig__buf_clear(&w->text);
        }
        if (!w->stop) break;
        if (out->args->globals.json)
            FIG_TRY(put_json(out, out->turn, w));
        else if (out->last != '\n')
            FIG_TRY(put(out, "\n", 1));
        fig__buf_deinit(&w->text);
        out->turn++;
        out->begun = false;
    }
    return FIG_OK;
}

static bool on_text(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    output *out = user;
    waiting *w = &out->samples[sample];
    if (!out->status) out->status = fig__buf_add(&w->text, text, len);
    if (done) w->stop = stop;
    if (!out->status && sample == out->turn) out->status = write_waiting(out);
    return !out->status;
}

/* --- running ------------------------------------------------------------------------------------------------------*/

fig_status fig__read_prompt(fig_context *ctx, const char *prompt, const char *file, fig__buf *out) {
    bool from_stdin = prompt && strcmp(prompt, "-") == 0;
    FIG_CHECK(ctx, !prompt || !file, FIG_ERR_ARG, "--prompt and --prompt_file: give one of them");
    if (prompt && !from_stdin) return fig__buf_adds(out, prompt);
    if (!from_stdin && !file) return FIG_OK;
    FIG_TRY(fig__file_read(ctx, from_stdin ? "-" : file, PROMPT_MAX, out));
    if (out->len && out->data[out->len - 1] == '\n') out->data[--out->len] = 0;
    return FIG_OK;
}

static void report_speed(const fig_generate_report *r, const settings *s) {
    if (r->n_prompt_cut)
        fig__meter_say("figment: note: the prompt has %zu tokens, too many for the context; the first %zu were cut",
                       r->n_prompt, r->n_prompt_cut);
    if (!isatty(STDERR_FILENO)) return;
    double prefill = r->prefill_seconds > 0 ? (double)(r->n_prompt - r->n_prompt_cut) / r->prefill_seconds : 0;
    double decode = r->decode_seconds > 0 ? (double)r->n_generated / r->decode_seconds : 0;
    fig__meter_note("%zu tokens, %.0f tokens/s (prompt: %zu, %.0f tokens/s), seed %lld", r->n_generated, decode,
                    r->n_prompt, prefill, (long long)s->o.seed);
}

static fig_status write_samples(output *out, fig_generator *gen, size_t prompt_len) {
    fig_generate_report report = {0};
    fig_status status = fig_generate(gen, out->prompt, prompt_len, &out->s->o, on_text, out, &report);
    if (out->status) return out->status;
    FIG_TRY(status);
    report_speed(&report, out->s);
    return FIG_OK;
}

static fig_status generate(fig__args *args, fig_model *model, settings *s, const fig__buf *prompt) {
    fig_context *ctx = args->ctx;
    output out = {.args = args, .s = s, .prompt = fig__buf_str(prompt)};
    fig_generator *gen = NULL;
    fig_status status;
    s->o.stop = s->stop.data;
    s->o.n_stop = s->stop.n;
    out.samples = FIG_NEW_N(ctx, waiting, (size_t)s->o.num_samples);
    if (!out.samples) return FIG_ERR_NOMEM;
    for (int64_t i = 0; i < s->o.num_samples; i++) fig__buf_init(&out.samples[i].text, ctx, SAMPLE_MAX);
    FIG_GOTO(fig_generator_new(model, (size_t)FIG_MIN(s->o.num_samples, MAX_SIDE_BY_SIDE), (size_t)s->o.n_ctx, &gen));
    if (s->output) FIG_GOTO(fig__writer_open(ctx, s->output, &out.file));
    status = write_samples(&out, gen, prompt->len);
cleanup:
    if (out.file && !status)
        status = fig__writer_commit(out.file);
    else
        fig__writer_abort(out.file);
    for (int64_t i = 0; i < s->o.num_samples; i++) fig__buf_deinit(&out.samples[i].text);
    fig__free(ctx, out.samples);
    fig_generator_free(gen);
    return status;
}

static fig_status load(fig__args *args, settings *s, fig_model **model) {
    FIG_TRY(fig__args_apply(args, NULL, NULL)); /* finds wrong flags before a large file is read */
    FIG_TRY(fig__load_to_generate(args->ctx, args->words.data[0], s->dtype, model));
    const fig__json *defaults = fig__model_generation(*model);
    fig__recipe of_model = {.path = "generation_config.json", .keys = (fig__json *)(uintptr_t)defaults};
    return defaults ? fig__args_apply(args, &of_model, NULL) : FIG_OK;
}

static fig_status run(fig__args *args) {
    settings s;
    fig_model *model = NULL;
    fig__buf prompt;
    fig__buf_init(&prompt, args->ctx, PROMPT_MAX);
    fig__meter_start(args->globals.quiet);
    fig_status status = fig__args_bind(args, &fig__text_table, &s);
    if (!status) status = fig__args_want_words(args, 1, 1);
    if (!status) status = load(args, &s, &model);
    if (!status) status = fig__read_prompt(args->ctx, s.prompt, s.prompt_file, &prompt);
    if (!status) status = generate(args, model, &s, &prompt);
    fig__buf_deinit(&prompt);
    fig_model_free(model);
    return status;
}

const fig__generates fig__generates_text = {"text", NULL, &fig__text_table, run};
