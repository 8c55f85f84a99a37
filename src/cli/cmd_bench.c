/* cli/cmd_bench.c: figment bench: what the machine can do, and how much of it training and writing get.
 *
 * Ceilings first, in the same run and on the same threads: multiply-adds in registers, reading from main memory. Then
 * training steps and decoding of models of known shapes, with weights and text from a random generator. */
#include <stdio.h>
#include <stdlib.h>
#include <fig/generate.h>
#include <fig/train.h>
#include "base/file.h"
#include "cli/meter.h"
#include "cli/profile.h"
#include "kernels/kernels.h"

#define TEXT_BYTES 400000
#define DECODE_TOKENS 64
#define CACHE_BYTES 64e6 /* a model below it may stay in a cache */
#define TRAIN_SECONDS 2

typedef struct settings {
    fig_strings models;
    int dtype, part;
    int64_t batch_size, num_samples;
    bool profile;
} settings;

static const fig_option rows[] = {
    {.name = "model",
     .kind = FIG_OPT_LIST,
     .offset = offsetof(settings, models),
     .aliases = "m models",
     .value = "NAME",
     .help = "char-0.8M, char-10.65M, gpt2-124M, or none; may be given again (the two small ones)"},
    {.name = "dtype",
     .kind = FIG_OPT_CHOICE,
     .offset = offsetof(settings, dtype),
     .choices = "auto|float32|bfloat16",
     .fallback = "auto",
     .help = "numbers to compute with"},
    {.name = "part",
     .kind = FIG_OPT_CHOICE,
     .offset = offsetof(settings, part),
     .choices = "all|train|write",
     .fallback = "all",
     .help = "what is measured of each model"},
    {.name = "batch_size",
     .kind = FIG_OPT_INT,
     .offset = offsetof(settings, batch_size),
     .low = 0,
     .high = 4096,
     .help = "rows of a training step; 0: that of the model's setting"},
    {.name = "num_samples",
     .kind = FIG_OPT_INT,
     .offset = offsetof(settings, num_samples),
     .low = 1,
     .high = 4096,
     .fallback = "1",
     .aliases = "n",
     .help = "texts that are written side by side, of one prompt"},
    {.name = "profile",
     .kind = FIG_OPT_BOOL,
     .offset = offsetof(settings, profile),
     .help = "also where the time of a training step goes, op by op"},
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};

typedef struct shape {
    const char *name, *n_layer, *n_head, *n_embd, *block_size;
    const char *vocab_size; /* of the model; the text has 256 tokens */
    int64_t batch_size;
} shape;

/* nanoGPT's settings for a CPU and for a GPU, and GPT-2 with its vocabulary. */
static const shape shapes[] = {
    {"char-0.8M", "4", "4", "128", "64", "256", 12},
    {"char-10.65M", "6", "6", "384", "256", "256", 64},
    {"gpt2-124M", "12", "12", "768", "1024", "50257", 4},
};

enum { ALL, TRAIN, WRITE }; /* --part */
static const fig_dtype dtypes[] = {FIG_DTYPE_COUNT, FIG_F32, FIG_BF16};

typedef struct bench {
    fig__args *args;
    settings s;
    char *dir; /* temporary: text, tokens */
    fig_dataset *data;
    double peak[FIG_DTYPE_COUNT], bandwidth, cache_bandwidth;
    fig__json *report;
} bench;

/* --- ceilings -----------------------------------------------------------------------------------------------------*/

static fig_status ceilings(bench *b) {
    fig_context *ctx = b->args->ctx;
    static const fig_dtype types[] = {FIG_F32, FIG_BF16};
    fig__json *peaks = fig__json_new_object();
    for (size_t i = 0; i < FIG_COUNT(types); i++) {
        b->peak[types[i]] = figk_peak_flops(ctx, types[i], fig_n_threads(ctx));
        fig__json_put(peaks, fig_dtype_name(types[i]), fig__json_new_real(b->peak[types[i]]));
    }
    b->bandwidth = figk_read_bandwidth(ctx, FIG__READ_BYTES);
    b->cache_bandwidth = figk_cache_bandwidth(ctx);
    fig__json_put(b->report, "cpu_level", fig__json_new_str(fig_cpu_level(ctx)));
    fig__json_put(b->report, "threads", fig__json_new_int(fig_n_threads(ctx)));
    fig__json_put(b->report, "peak_flops", peaks);
    fig__json_put(b->report, "read_bytes_per_second", fig__json_new_real(b->bandwidth));
    fig__json_put(b->report, "cache_bytes_per_second", fig__json_new_real(b->cache_bandwidth));
    if (b->args->globals.json) return FIG_OK;
    return fig__printf(
        ctx, "%s, %d threads: matrix peak %.0f GFLOP/s float32, %.0f bfloat16; memory %.1f GB/s, cache %.0f\n",
        fig_cpu_level(ctx), fig_n_threads(ctx), b->peak[FIG_F32] / 1e9, b->peak[FIG_BF16] / 1e9, b->bandwidth / 1e9,
        b->cache_bandwidth / 1e9);
}

/* --- data ---------------------------------------------------------------------------------------------------------*/

/* Letters, so that every sample is text; the numbers measured do not depend on what it says. */
static fig_status write_text(fig_context *ctx, const char *path) {
    fig__writer *w;
    uint64_t state = 1;
    FIG_TRY(fig__writer_open(ctx, path, &w));
    for (int i = 0; i < TEXT_BYTES; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        char c = (char)('a' + (state >> 33) % 26);
        fig__writer_add(w, &c, 1);
    }
    return fig__writer_commit(w);
}

static fig_status make_data(bench *b) {
    fig_context *ctx = b->args->ctx;
    fig__arena *arena = b->args->arena;
    const char *root = getenv("TMPDIR");
    b->dir = fig__arena_printf(arena, "%s/figment-bench-XXXXXX", root && *root ? root : "/tmp");
    if (!b->dir || !mkdtemp(b->dir)) {
        b->dir = NULL;
        return FIG_FAIL(ctx, FIG_ERR_IO, "no temporary folder; set TMPDIR");
    }
    const char *text = fig__arena_printf(arena, "%s/text.txt", b->dir),
               *out = fig__arena_printf(arena, "%s/data", b->dir);
    fig_tokenizer_trainer *trainer;
    fig_tokenizer *tok;
    if (!text || !out) return FIG_ERR_NOMEM;
    FIG_TRY(write_text(ctx, text));
    FIG_TRY(fig_tokenizer_trainer_new(ctx, &(fig_tokenizer_train_options){.kind = FIG_TOKENIZER_BYTE}, &trainer));
    fig_status status = fig_tokenizer_trainer_finish(trainer, NULL, &tok);
    fig_tokenizer_trainer_free(trainer);
    FIG_TRY(status);
    fig_dataset_options o = fig_dataset_options_default();
    o.paths = &text;
    o.n_paths = 1;
    o.tokenizer = tok;
    o.out_dir = out;
    status = fig_dataset_prepare(ctx, &o, NULL);
    fig_tokenizer_free(tok);
    return status ? status : fig_dataset_open(ctx, out, &b->data);
}

/* --- one model -----------------------------------------------------------------------------------------------------*/

static fig_status make_model(bench *b, const shape *s, bool inference, fig_model **out) {
    const char *const keys[][2] = {{"n_layer", s->n_layer},
                                   {"n_head", s->n_head},
                                   {"n_embd", s->n_embd},
                                   {"block_size", s->block_size},
                                   {"vocab_size", s->vocab_size}};
    fig_model_options o = {.dtype = dtypes[b->s.dtype], .seed = 1, .inference = inference};
    FIG_TRY(fig_model_new(b->args->ctx, "gpt2", &o, out));
    fig_tokenizer *tok;
    const char *dir = fig__arena_printf(b->args->arena, "%s/data", b->dir);
    if (!dir) return FIG_ERR_NOMEM;
    FIG_TRY(fig_tokenizer_load(b->args->ctx, dir, &tok));
    FIG_TRY(fig_model_set_tokenizer(*out, tok));
    for (size_t i = 0; i < FIG_COUNT(keys); i++) FIG_TRY(fig_model_set(*out, keys[i][0], keys[i][1]));
    return FIG_OK;
}

static fig_status profile(bench *b, const shape *s, fig_trainer *trainer, fig_dtype dtype, fig__json *j) {
    fig_train_profile p;
    fig__ceilings c = {dtype, b->peak[dtype], b->bandwidth};
    FIG_TRY(fig_trainer_profile(trainer, TRAIN_SECONDS, &p));
    if (b->args->globals.json) return fig__json_put(j, "train_profile", fig__profile_json(&p, &c));
    FIG_TRY(fig__printf(b->args->ctx, "\n%s: ", s->name));
    return fig__profile_print(b->args->ctx, &p, &c);
}

static fig_status bench_training(bench *b, const shape *s, fig__json *j) {
    fig_model *model = NULL;
    fig_trainer *trainer = NULL;
    fig_train_options o;
    fig_train_plan plan;
    fig_train_defaults(&o);
    o.out_dir = b->dir;
    o.sample_tokens = 0;
    o.batch_size = b->s.batch_size ? b->s.batch_size : s->batch_size;
    fig_status status = make_model(b, s, false, &model);
    if (!status) o.block_size = fig_model_get_int(model, "block_size");
    if (!status) status = fig_trainer_new(model, &(fig_train_data){.text = b->data}, &o, &trainer);
    if (!status) status = fig_trainer_plan(trainer, TRAIN_SECONDS, &plan);
    if (!status) {
        double flops = plan.flops_per_iter / plan.seconds_per_iter, peak = b->peak[fig_model_dtype(model)];
        fig__json_put(j, "parameters", fig__json_new_int((int64_t)plan.n_params));
        fig__json_put(j, "dtype", fig__json_new_str(fig_dtype_name(fig_model_dtype(model))));
        fig__json_put(j, "batch_size", fig__json_new_int(o.batch_size));
        fig__json_put(j, "train_seconds_per_step", fig__json_new_real(plan.seconds_per_iter));
        fig__json_put(j, "train_tok_per_sec",
                      fig__json_new_real((double)(o.batch_size * o.block_size) / plan.seconds_per_iter));
        fig__json_put(j, "train_mfu", fig__json_new_real(peak > 0 ? flops / peak : 0));
        fig__json_put(j, "train_memory_bytes", fig__json_new_int((int64_t)plan.total_bytes));
    }
    if (!status && b->s.profile) status = profile(b, s, trainer, fig_model_dtype(model), j);
    fig_trainer_free(trainer);
    fig_model_free(model);
    return status;
}

static bool ignore_text(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop) {
    (void)user, (void)sample, (void)text, (void)len, (void)done, (void)stop;
    return true;
}

/* What a step of decoding reads: each weight once, keys and values of the prompt, which the texts share, and of what
 * each has written, half of it in the mean. */
static double decode_bytes(const fig_model *model, double prompt, double written, double n) {
    double of_token = 2.0 * (double)(fig_model_get_int(model, "n_layer") * fig_model_get_int(model, "n_embd")) *
                      (double)fig_dtype_size(fig_model_dtype(model));
    return (double)fig_params_bytes(fig_model_params(model)) + of_token * (prompt + n * written / 2);
}

static fig_status bench_writing(bench *b, const shape *s, fig__json *j) {
    fig_model *model = NULL;
    fig_generator *gen = NULL;
    fig_generate_report r = {0};
    fig_generate_options o;
    char prompt[512];
    fig_generate_defaults(&o);
    fig_status status = make_model(b, s, true, &model);
    if (!status) status = fig_model_init(model);
    if (!status) status = fig_generator_new(model, (size_t)b->s.num_samples, 0, &gen);
    size_t context = status ? 0 : (size_t)fig_model_get_int(model, "block_size"),
           len = FIG_MIN(context / 2, sizeof prompt);
    memset(prompt, 'a', sizeof prompt);
    o.max_tokens = FIG_MIN(DECODE_TOKENS, (int64_t)(context - len));
    o.num_samples = b->s.num_samples;
    o.ignore_eos = true;
    for (int pass = 0; pass < 2 && !status; pass++) /* the first one warms up */
        status = fig_generate(gen, prompt, len, &o, ignore_text, NULL, &r);
    if (!status) {
        double decode = (double)r.n_generated / r.decode_seconds, n = (double)o.num_samples;
        double bytes = decode_bytes(model, (double)r.n_prompt, (double)r.n_generated / n, n);
        double speed = bytes > CACHE_BYTES ? figk_read_bandwidth(b->args->ctx, (size_t)bytes) : 0;
        fig__json_put(j, "num_samples", fig__json_new_int(o.num_samples));
        fig__json_put(j, "prompt_tokens", fig__json_new_int((int64_t)r.n_prompt));
        fig__json_put(j, "prefill_tok_per_sec", fig__json_new_real((double)r.n_prompt / r.prefill_seconds));
        fig__json_put(j, "decode_tok_per_sec", fig__json_new_real(decode));
        fig__json_put(j, "decode_read_bytes_per_second", fig__json_new_real(decode / n * bytes));
        if (speed > 0) /* what a cache holds is no matter of memory */
            fig__json_put(j, "decode_share_of_bandwidth", fig__json_new_real(decode / n * bytes / speed));
    }
    fig_generator_free(gen);
    fig_model_free(model);
    return status;
}

static double number(const fig__json *j, const char *key) { return fig__json_real(fig__json_get(j, key), 0); }

static fig_status print_model(const bench *b, const char *name, const fig__json *j) {
    fig_context *ctx = b->args->ctx;
    double share = number(j, "decode_share_of_bandwidth");
    FIG_TRY(fig__printf(ctx, "%-12s", name));
    if (b->s.part != WRITE)
        FIG_TRY(fig__printf(ctx, " train %.0f tokens/s (%.1f %% of peak, %.0f ms a step, %.0f MB)",
                            number(j, "train_tok_per_sec"), 100 * number(j, "train_mfu"),
                            1e3 * number(j, "train_seconds_per_step"), number(j, "train_memory_bytes") / 1e6));
    if (b->s.part == ALL) FIG_TRY(fig__printf(ctx, ";"));
    if (b->s.part != TRAIN)
        FIG_TRY(fig__printf(ctx, " write %.0f tokens/s, read a prompt %.0f tokens/s", number(j, "decode_tok_per_sec"),
                            number(j, "prefill_tok_per_sec")));
    if (share > 0) FIG_TRY(fig__printf(ctx, " (%.0f %% of memory speed)", 100 * share));
    return fig__print(ctx, "\n", 1);
}

static fig_status bench_model(bench *b, const shape *s, fig__json *all) {
    fig__json *j = fig__json_new_object();
    fig__meter_note("%s ...", s->name);
    fig__json_put(j, "model", fig__json_new_str(s->name));
    fig_status status = FIG_OK;
    if (b->s.part != WRITE) status = bench_training(b, s, j);
    if (!status && b->s.part != TRAIN) status = bench_writing(b, s, j);
    if (!status && !b->args->globals.json) status = print_model(b, s->name, j);
    fig__json_push(all, j);
    return status;
}

static const shape *find_shape(const char *name) {
    for (size_t i = 0; i < FIG_COUNT(shapes); i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

static fig_status check_names(bench *b) {
    for (size_t i = 0; i < b->s.models.n; i++) {
        const char *name = b->s.models.data[i];
        bool known = find_shape(name) || strcmp(name, "none") == 0;
        FIG_CHECK(b->args->ctx, known, FIG_ERR_ARG,
                  "--model: unknown value \"%s\"; give char-0.8M, char-10.65M, gpt2-124M or none", name);
    }
    return FIG_OK;
}

static fig_status bench_models(bench *b) {
    static const char *const usual[] = {"char-0.8M", "char-10.65M"};
    const char *const *names = b->s.models.n ? b->s.models.data : usual;
    size_t n = b->s.models.n ? b->s.models.n : FIG_COUNT(usual);
    fig__json *all = fig__json_new_array();
    fig_status status = FIG_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const shape *s = find_shape(names[i]);
        if (s && !b->data) status = make_data(b);
        if (s && !status) status = bench_model(b, s, all);
    }
    fig__json_put(b->report, "models", all);
    return status;
}

static fig_status run(fig__args *args) {
    bench b = {.args = args, .report = fig__json_new_object()};
    fig__meter_start(args->globals.quiet);
    fig_status status = fig__args_bind(args, &table, &b.s);
    if (!status) status = fig__args_apply(args, NULL, NULL);
    if (!status) status = fig__args_want_words(args, 0, 0);
    if (!status) status = check_names(&b);
    if (!status) status = ceilings(&b);
    if (!status) status = bench_models(&b);
    fig_dataset_close(b.data);
    if (b.dir) fig__dir_remove(args->ctx, b.dir);
    if (!status && args->globals.json) return fig__print_json(args->ctx, b.report, 2);
    fig__json_free(b.report);
    return status;
}

const fig__command fig__cmd_bench = {
    .name = "bench",
    .usage = "[--model NAME]...",
    .summary = "Measure this machine, and training and writing on it.",
    .example = "figment bench --json\nfigment bench --model gpt2-124M",
    .tables = {&table},
    .run = run,
};
