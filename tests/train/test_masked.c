/* Masked language models in training: that they learn from both sides, and that what is held out is always asked for
 * the same tokens. */
#include "train_help.h"

static job bert_job(const char *data, const char *out) {
    job j = job_of(data, out);
    j.arch = "bert";
    j.o.batch_size = 16, j.o.checkpoint_interval = 0;
    return j;
}

static double val_loss(const job *j) {
    fig_train_report r;
    char error[1024];
    if (!EXPECT(run_job(j, &r, error) == FIG_OK)) fprintf(stderr, "    %s\n", error);
    return fig_score_of(&r.scores, "val_loss");
}

static void expect_learns(fig_dtype dtype, int64_t steps, double below) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = bert_job(made_up_data(ctx, dir, 1600, -1), check_path(dir, "out"));
    j.dtype = dtype, j.settings = "n_embd=64 init_std=0.1";
    j.o.batch_size = 32, j.o.learning_rate = 3e-3, j.o.warmup_iters = 50, j.o.log_interval = 100;
    j.o.max_iters = j.o.eval_interval = steps, j.o.eval_iters = 0;
    double loss = val_loss(&j);
    if (!EXPECT(loss < below)) fprintf(stderr, "    %s: %.3f\n", fig_dtype_name(dtype), loss);
}

/* Single frequencies give 2.8. A line is three choices of five in 20 characters: whoever sees but what stands before
 * cannot get below 3 log(5) / 20 = 0.24. */
TEST(learns_from_both_sides) { expect_learns(FIG_F32, 1000, 0.2); }
TEST(learns_in_bf16) { expect_learns(FIG_BF16, 300, 1.5); }

TEST(held_out_is_asked_for_the_same_in_any_batches) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    double loss[3];
    job j = bert_job(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    j.o.learning_rate = 0, j.o.max_iters = 1, j.o.eval_iters = 0;
    for (int i = 0; i < 3; i++) {
        j.o.batch_size = i == 1 ? 5 : 16, j.n_threads = 1 + i;
        loss[i] = val_loss(&j);
    }
    EXPECT_NEAR(loss[0], loss[1], 1e-7);
    EXPECT_NEAR(loss[0], loss[2], 0);
}

/* What lies behind the end of a split is no text: it changes nothing. */
TEST(a_split_shorter_than_a_row_is_judged_by_itself) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = bert_job(made_up_data(ctx, dir, 300, 0.008), check_path(dir, "out"));
    fig_dataset *data = NULL;
    if (!EXPECT_OK(ctx, fig_dataset_open(ctx, j.data, &data))) return;
    int64_t n = (int64_t)fig_dataset_get_info(data)->split[FIG_SPLIT_VAL].n_tokens;
    fig_dataset_close(data);
    EXPECT(n > 20 && n <= 60);
    j.o.learning_rate = 0, j.o.max_iters = 1, j.settings = "block_size=64 init_std=0.5", j.o.block_size = 64;
    double padded = val_loss(&j);
    j.o.block_size = n - 1;
    EXPECT_NEAR(padded, val_loss(&j), 1e-5);
}

TEST(bits_do_not_depend_on_threads) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = bert_job(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    j.settings = "dropout=0.1", j.o.grad_accum = 2;
    uint64_t one = hash_of(&j);
    j.n_threads = 3;
    EXPECT(hash_of(&j) == one);
    j.settings = "dropout=0.1 mask_rate=0.2";
    EXPECT(hash_of(&j) != one);
}

TEST(goes_on_as_if_nothing_had_happened) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    job whole = bert_job(data, check_path(dir, "whole")), parts = bert_job(data, check_path(dir, "parts"));
    whole.settings = parts.settings = "dropout=0.1";
    whole.o.schedule = parts.o.schedule = 0;
    uint64_t wanted = hash_of(&whole);
    parts.o.max_iters = 7;
    hash_of(&parts);
    parts.o.max_iters = 20, parts.o.resume = true;
    EXPECT(hash_of(&parts) == wanted);
}

static void keep_sample(void *user, const fig_train_event *e) {
    char *text = user;
    if (e->kind == FIG_TRAIN_SAMPLE) snprintf(text, 200, "%s", e->text);
}

TEST(samples_are_the_prompt_filled) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = bert_job(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    char text[200] = "", error[1024];
    fig_train_report r;
    j.o.max_iters = 1, j.o.sample_tokens = 12, j.o.sample_prompt = "the [MASK]at", j.on_event = keep_sample,
    j.user = text;
    EXPECT(run_job(&j, &r, error) == FIG_OK);
    EXPECT_EQ_I(strlen(text), strlen("the cat\n"));
    EXPECT(!strncmp(text, "the ", 4) && !strcmp(text + 5, "at\n"));
    j.o.sample_prompt = "the cat", j.o.out_dir = check_path(dir, "other");
    EXPECT(run_job(&j, &r, error) == FIG_ERR_ARG && strstr(error, "no blank in the text"));
}

/* Two of twelve characters. */
TEST(without_a_prompt_held_out_text_is_filled) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = bert_job(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    char text[200] = "", error[1024];
    fig_train_report r;
    j.o.max_iters = 1, j.o.sample_tokens = 12, j.on_event = keep_sample, j.user = text;
    EXPECT(run_job(&j, &r, error) == FIG_OK);
    char *filled = strstr(text, "\n---\n"), *blank = strstr(text, FIG_MASK);
    if (!EXPECT(filled && blank && blank < filled)) return;
    EXPECT_EQ_I(filled - text, 10 + 2 * (int)strlen(FIG_MASK));
    EXPECT_EQ_I(strlen(filled), strlen("\n---\n") + 12 + 1);
    EXPECT(!strncmp(text, filled + 5, (size_t)(blank - text)) && !strstr(filled, FIG_MASK));
}
