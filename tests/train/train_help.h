/* What the tests of training share: a small made-up corpus, a tiny model, one run from beginning to end. */
#ifndef TEST_TRAIN_HELP_H
#define TEST_TRAIN_HELP_H
#include "check.h"
#include "train/train.h"

/* Sentences of a small grammar: enough to learn from, a few kilobytes. */
static inline char *made_up_text(size_t n_sentences) {
    static const char *const who[] = {"the cat", "a dog", "my aunt", "the old king", "one bird"};
    static const char *const does[] = {"sees", "likes", "follows", "hears", "paints"};
    size_t size = n_sentences * 40 + 1, len = 0;
    char *text = calloc(1, size);
    for (size_t i = 0; text && i < n_sentences; i++) {
        size_t h = i * 2654435761u >> 7;
        len += (size_t)snprintf(text + len, size - len, "%s %s %s.\n", who[h % 5], does[h / 5 % 5], who[h / 25 % 5]);
    }
    return text;
}

static inline fig_tokenizer *char_tokenizer(fig_context *ctx, const char *text) {
    fig_tokenizer_trainer *trainer = NULL;
    fig_tokenizer *tok = NULL;
    EXPECT_OK(ctx,
              fig_tokenizer_trainer_new(ctx, &(fig_tokenizer_train_options){.kind = FIG_TOKENIZER_CHAR}, &trainer));
    EXPECT_OK(ctx, fig_tokenizer_trainer_add(trainer, text, strlen(text)));
    EXPECT_OK(ctx, fig_tokenizer_trainer_finish(trainer, NULL, &tok));
    fig_tokenizer_trainer_free(trainer);
    return tok;
}

/* Prepares the corpus in dir/data and returns that path. val_fraction < 0: the usual one. */
static inline const char *made_up_data(fig_context *ctx, const char *dir, size_t n_sentences, double val_fraction) {
    char *text = made_up_text(n_sentences);
    const char *path = check_path(dir, "text.txt");
    fig_tokenizer *tok = char_tokenizer(ctx, text);
    fig_dataset_options o = fig_dataset_options_default();
    EXPECT_OK(ctx, fig__file_write(ctx, path, text, strlen(text)));
    o.paths = &path, o.n_paths = 1, o.tokenizer = tok, o.out_dir = check_path(dir, "data");
    if (val_fraction >= 0) o.val_fraction = val_fraction;
    EXPECT_OK(ctx, fig_dataset_prepare(ctx, &o, NULL));
    fig_tokenizer_free(tok);
    free(text);
    return o.out_dir;
}

/* One run: a context of its own, so that a run starts from nothing as a program would. */
typedef struct job {
    const char *data, *arch, *settings; /* settings: "n_embd=32 dropout=0.1" */
    fig_dtype dtype;
    int n_threads; /* 0: one */
    fig_train_options o;
    fig_train_fn *on_event;
    void *user;
} job;

static inline job job_of(const char *data, const char *out) {
    job j = {.data = data, .arch = "gpt2", .settings = "", .dtype = FIG_F32};
    fig_train_defaults(&j.o);
    j.o.out_dir = out;
    j.o.block_size = 16, j.o.batch_size = 4, j.o.max_iters = 20, j.o.warmup_iters = 2;
    j.o.eval_interval = j.o.checkpoint_interval = 5, j.o.eval_iters = 2, j.o.log_interval = 1, j.o.sample_tokens = 0;
    return j;
}

typedef struct session {
    fig_context *ctx;
    fig_model *model;
    fig_dataset *data;
    fig_trainer *trainer;
    uint64_t bytes; /* of the bare context */
} session;

/* "n_embd=32 dropout=0.1" */
static inline fig_status set_all(fig_model *m, const char *settings) {
    char text[4400], *save = NULL;
    snprintf(text, sizeof text, "%s", settings);
    for (char *key = strtok_r(text, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        FIG_TRY(fig_model_set(m, key, value));
    }
    return FIG_OK;
}

static inline fig_status session_open(const job *j, session *s) {
    fig_context_options o = {.n_threads = j->n_threads ? j->n_threads : 1};
    char path[4200];
    fig_tokenizer *tok;
    *s = (session){0};
    FIG_TRY(fig_context_new(&o, &s->ctx));
    s->bytes = fig_memory(s->ctx).bytes_now;
    FIG_TRY(fig_dataset_open(s->ctx, j->data, &s->data));
    FIG_TRY(fig_model_new(s->ctx, j->arch, &(fig_model_options){.dtype = j->dtype, .seed = (uint64_t)j->o.seed},
                          &s->model));
    FIG_TRY(set_all(s->model, "n_layer=2 n_head=2 n_embd=32 block_size=16"));
    FIG_TRY(set_all(s->model, j->settings));
    snprintf(path, sizeof path, "%s/tokenizer.json", j->data);
    FIG_TRY(fig_tokenizer_load(s->ctx, path, &tok));
    FIG_TRY(fig_model_set_tokenizer(s->model, tok));
    return fig_trainer_new(s->model, &(fig_train_data){.text = s->data}, &j->o, &s->trainer);
}

static inline void session_close(session *s) {
    fig_trainer_free(s->trainer);
    fig_model_free(s->model);
    fig_dataset_close(s->data);
    if (s->ctx) {
        fig__scratch_reserve(s->ctx, 0);
        EXPECT_EQ_I(fig_memory(s->ctx).bytes_now, s->bytes);
    }
    fig_context_free(s->ctx);
}

/* Runs a job; error, if given, gets the message of a failure (at least 1024 bytes). */
static inline fig_status run_job(const job *j, fig_train_report *report, char *error) {
    session s;
    *report = (fig_train_report){0};
    fig_status status = session_open(j, &s);
    if (!status) status = fig_trainer_run(s.trainer, j->on_event, j->user, report);
    if (error) snprintf(error, 1024, "%s", s.ctx ? fig_error(s.ctx) : "");
    session_close(&s);
    return status;
}

static inline uint64_t hash_of(const job *j) {
    fig_train_report r;
    char error[1024];
    if (!EXPECT(run_job(j, &r, error) == FIG_OK)) fprintf(stderr, "    %s\n", error);
    return r.params_hash;
}

#endif
