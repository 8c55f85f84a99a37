/* fig/generate.h: writing with a language model. */
#ifndef FIG_GENERATE_H
#define FIG_GENERATE_H
#include <fig/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Settings, named as in llama.cpp. */
typedef struct fig_generate_options {
    int64_t max_tokens; /* new tokens per sample; 0: until the context is full */
    int64_t num_samples;
    double temp;         /* 0: greedy */
    int64_t top_k;       /* 0: off */
    double top_p, min_p; /* 1 and 0: off */
    double repeat_penalty;
    int64_t repeat_last_n; /* 1: off; how many tokens back */
    int64_t seed;
    const char *const *stop;
    size_t n_stop; /* texts that end a sample; they are not given out */
    bool ignore_eos;
    int64_t n_ctx; /* 0: the model's */
} fig_generate_options;
void fig_generate_defaults(fig_generate_options *o);

/* Whole UTF-8 characters of sample `sample`; len 0 with done: the sample has ended (stop: "eos", "stop", "length").
 * Return false to end that sample. */
typedef bool fig_generate_fn(void *user, int64_t sample, const char *text, size_t len, bool done, const char *stop);

typedef struct fig_generate_report {
    size_t n_prompt, n_prompt_cut; /* tokens; cut: dropped from the front because the context was too short */
    size_t n_generated;
    double prefill_seconds, decode_seconds;
} fig_generate_report;

typedef struct fig_generator fig_generator;
/* n_sequences run side by side at most; more samples than that wait for a place. */
fig_status fig_generator_new(fig_model *model, size_t n_sequences, size_t n_ctx, fig_generator **out);
void fig_generator_free(fig_generator *gen);
/* Sample i draws with (seed, i, position) alone: the same text whatever runs beside it. Tokens of the prompt that do
 * not fit are cut from its front, and counted in the report. */
fig_status fig_generate(fig_generator *gen, const char *prompt, size_t len, const fig_generate_options *options,
                        fig_generate_fn *on_text, void *user, fig_generate_report *report);

#ifdef __cplusplus
}
#endif
#endif
