/* Checkpoints: a run that was interrupted, killed or resumed ends in the bits of one that was left alone; a checkpoint
 * that is damaged or belongs to another run is refused in one line and nothing is touched. */
#include "train_help.h"
#include "base/map.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

/* --- the state of a folder --------------------------------------------------------------------------------------*/

static uint64_t tree_hash_;
static int add_file(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)where;
    uint64_t parts[4] = {fig__hash64(path, strlen(path)), (uint64_t)info->st_mtim.tv_sec,
                         (uint64_t)info->st_mtim.tv_nsec, 0};
    FILE *f = type == FTW_F ? fopen(path, "rb") : NULL;
    char piece[65536];
    for (size_t n; f && (n = fread(piece, 1, sizeof piece, f)) > 0;) parts[3] = parts[3] * 31 + fig__hash64(piece, n);
    if (f) fclose(f);
    tree_hash_ += fig__hash64(parts, sizeof parts); /* in any order */
    return 0;
}
/* Of every name, time and byte below path. */
static uint64_t tree_hash(const char *path) {
    tree_hash_ = 0;
    nftw(path, add_file, 16, FTW_PHYS);
    return tree_hash_;
}

static char *read_file(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 24);
    *len = f && text ? fread(text, 1, (1 << 24) - 1, f) : 0;
    if (f) fclose(f);
    return text;
}

/* Cuts the numbers that are about time and memory out of each line of a log. */
static void strip(char *log) {
    static const char *const keys[] = {"\"tok_per_sec\": ", "\"mfu\": ", "\"peak_rss_mb\": "};
    for (size_t i = 0; i < FIG_COUNT(keys); i++)
        for (char *at = log; (at = strstr(at, keys[i])) != NULL;) {
            at += strlen(keys[i]);
            size_t n = strcspn(at, ",}");
            memmove(at, at + n, strlen(at + n) + 1);
        }
}

static void expect_same_file(const job *a, const job *b, const char *name, bool is_log) {
    size_t n, k;
    char *x = read_file(check_path(a->o.out_dir, name), &n), *y = read_file(check_path(b->o.out_dir, name), &k);
    if (is_log) strip(x), strip(y), n = strlen(x), k = strlen(y);
    if (!EXPECT(n > 0 && n == k && !memcmp(x, y, n))) fprintf(stderr, "    %s differs\n", name);
    free(x);
    free(y);
}

/* --- stopping and going on --------------------------------------------------------------------------------------*/

typedef struct stopper {
    fig_context *ctx;
    int64_t at;
} stopper;
static void stop_at(void *user, const fig_train_event *e) {
    stopper *s = user;
    if (e->kind == FIG_TRAIN_STEP && e->iter == s->at) fig_cancel(s->ctx);
}

/* Runs a job until step `at`, where it is cancelled as Ctrl-C would. */
static void run_until(const job *j, int64_t at) {
    session s;
    fig_train_report r;
    if (!EXPECT(session_open(j, &s) == FIG_OK)) return;
    stopper stop = {s.ctx, at};
    EXPECT_EQ_I(fig_trainer_run(s.trainer, stop_at, &stop, &r), FIG_ERR_CANCELLED);
    EXPECT(r.cancelled);
    EXPECT_EQ_I(r.iters, at);
    session_close(&s);
}

static job variant(int which, const char *data, const char *out) {
    job j = job_of(data, out);
    j.o.sample_tokens = 5;
    if (which == 0) j.settings = "dropout=0.1", j.o.ema_decay = 0.9, j.o.grad_accum = 3, j.o.batch_size = 2;
    if (which == 1)
        j.arch = "qwen3", j.dtype = FIG_BF16, j.o.optimizer = FIG_MUON, j.o.schedule = 2, j.o.log_interval = 2;
    if (which == 2) j.arch = "llama", j.o.optimizer = FIG_SGD, j.o.learning_rate = 0.1, j.settings = "tied=false";
    return j;
}

TEST(a_resumed_run_ends_in_the_same_bits) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    for (int which = 0; which < 3; which++) {
        job whole = variant(which, data, check_path(check_tmpdir(), "whole")), parts = whole;
        fig_train_report r;
        uint64_t hash = hash_of(&whole);
        parts.o.out_dir = check_path(check_tmpdir(), "parts");
        parts.o.resume = true; /* with nothing there: from the start */
        run_until(&parts, 4);
        run_until(&parts, 14); /* between two checkpoints of its own */
        EXPECT_EQ_I(run_job(&parts, &r, NULL), FIG_OK);
        EXPECT_EQ_I(r.iters, 20);
        EXPECT(!r.already_done);
        EXPECT(r.params_hash == hash);
        expect_same_file(&whole, &parts, "model.safetensors", false);
        expect_same_file(&whole, &parts, "checkpoints/step-000000020/state.safetensors", false);
        expect_same_file(&whole, &parts, "samples/step-000000020.txt", false);
        expect_same_file(&whole, &parts, "log.jsonl", true);
    }
}

TEST(a_finished_run_is_left_alone) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    fig_train_report r;
    uint64_t hash = hash_of(&j), before = tree_hash(j.o.out_dir);
    j.o.resume = true;
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    EXPECT(r.already_done && r.params_hash == hash);
    EXPECT_EQ_I(r.iters, 20);
    EXPECT(tree_hash(j.o.out_dir) == before);
    j.o.max_iters = 25; /* but it may be told to go on */
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    EXPECT(!r.already_done && r.params_hash != hash);
    EXPECT_EQ_I(r.iters, 25);
}

/* A log that went on after the checkpoint is cut back; half-written checkpoints of a killed run are cleared away. */
TEST(resuming_cleans_up) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    job whole = job_of(data, check_path(dir, "whole")), parts = job_of(data, check_path(dir, "parts"));
    uint64_t hash = hash_of(&whole);
    run_until(&parts, 10);
    FILE *log = fopen(check_path(parts.o.out_dir, "log.jsonl"), "a");
    for (int i = 11; i < 100; i++)
        fprintf(log, "{\"iter\": %d, \"loss\": 99, \"grad_norm\": 99}\n", i); /* more than will follow */
    fprintf(log, "{\"iter\": 100, \"lo");
    fclose(log);
    EXPECT_OK(ctx, fig__mkdirs(ctx, check_path(parts.o.out_dir, "checkpoints/tmp-step-000000013")));
    EXPECT_OK(ctx,
              fig__file_write(ctx, check_path(parts.o.out_dir, "checkpoints/tmp-step-000000013/state.json"), "{", 1));
    parts.o.resume = true;
    EXPECT(hash_of(&parts) == hash);
    expect_same_file(&whole, &parts, "log.jsonl", true);
    EXPECT(!fig__path_exists(check_path(parts.o.out_dir, "checkpoints/tmp-step-000000013")));
}

/* A loss of power may take the end of the log: what is left stays text. */
TEST(a_log_shorter_than_its_checkpoint) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    job j = job_of(data, check_path(dir, "out"));
    fig_train_report r;
    run_until(&j, 10);
    EXPECT(!truncate(check_path(j.o.out_dir, "log.jsonl"), 0));
    j.o.resume = true;
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    fig__buf log;
    fig__buf_init(&log, ctx, 1 << 20);
    EXPECT_OK(ctx, fig__file_read(ctx, check_path(j.o.out_dir, "log.jsonl"), 1 << 20, &log));
    EXPECT(log.len && log.data[0] == '{' && !memchr(log.data, 0, log.len));
    fig__buf_deinit(&log);
}

/* kill -9 at three moments of its own choosing. */
static void run_in_child(const job *j) {
    fig_train_report r;
    _exit(run_job(j, &r, NULL) == FIG_OK ? 0 : 1);
}

static bool kill_after(const job *j, double seconds) {
    pid_t child = fork();
    int status = 0;
    if (!child) run_in_child(j);
    usleep((useconds_t)(seconds * 1e6));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return WIFSIGNALED(status);
}

TEST(killed_three_times_and_resumed) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    job whole = variant(0, data, check_path(dir, "whole")), parts = whole;
    whole.o.max_iters = parts.o.max_iters = 150;
    double start = fig__now();
    uint64_t hash = hash_of(&whole), moment = (uint64_t)(start * 1e6);
    double seconds = fig__now() - start;
    parts.o.out_dir = check_path(dir, "parts");
    parts.o.resume = true;
    int killed = 0;
    for (int i = 0; i < 3; i++) {
        double share = (double)(fig__hash64(&(uint64_t){moment + (uint64_t)i}, 8) % 1000) / 1000;
        killed += kill_after(&parts, seconds * share / 3);
    }
    EXPECT(killed > 0);
    if (!EXPECT(hash_of(&parts) == hash)) fprintf(stderr, "    moments of %llu\n", (unsigned long long)moment);
    expect_same_file(&whole, &parts, "model.safetensors", false);
    expect_same_file(&whole, &parts, "log.jsonl", true);
}

/* --- what must not be resumed -----------------------------------------------------------------------------------*/

/* Resuming fails as the caller's mistake, in one line that has both parts, and leaves the run as it was. */
static void expect_refused(const job *j, const char *part, const char *other) {
    fig_train_report r;
    char error[1024];
    uint64_t before = tree_hash(j->o.out_dir);
    fig_status status = run_job(j, &r, error);
    if (!EXPECT(status && fig_status_is_usage(status) && strstr(error, part) && strstr(error, other) &&
                !strchr(error, '\n')))
        fprintf(stderr, "    %s: %s\n", fig_status_text(status), error);
    EXPECT(tree_hash(j->o.out_dir) == before);
}

TEST(other_settings_are_named) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1),
               *other = made_up_data(ctx, check_tmpdir(), 301, -1);
    job first = job_of(data, check_path(dir, "out")), j;
    run_until(&first, 6);
    first.o.resume = true;
    j = first, j.o.learning_rate = 0.002;
    expect_refused(&j, "learning_rate was 0.001 there and is 0.002 now", "--out");
    j = first, j.o.batch_size = 5;
    expect_refused(&j, "batch_size was 4 there and is 5 now", "--out");
    j = first, j.o.seed = 2;
    expect_refused(&j, "seed was 1337 there and is 2 now", "");
    j = first, j.o.optimizer = FIG_MUON;
    expect_refused(&j, "optimizer was \"adamw\" there and is \"muon\" now", "");
    j = first, j.settings = "n_embd=48";
    expect_refused(&j, "n_embd was 32 there and is 48 now", "");
    j = first, j.settings = "dropout=0.25";
    expect_refused(&j, "dropout was", "0.25 now");
    j = first, j.arch = "qwen3";
    expect_refused(&j, "was", "now");
    j = first, j.dtype = FIG_BF16;
    expect_refused(&j, "dtype was \"float32\" there and is \"bfloat16\" now", "");
    j = first, j.o.block_size = 8;
    expect_refused(&j, "context was 16 there and is 8 now", "");
    j = first, j.data = other;
    expect_refused(&j, "data was", "now");
    j = first, j.o.max_iters = 12, j.o.eval_interval = 3, j.o.log_interval = 4,
    j.o.keep_checkpoints = 9; /* how, not what */
    fig_train_report r;
    EXPECT_EQ_I(run_job(&j, &r, NULL), FIG_OK);
    EXPECT_EQ_I(r.iters, 12);
}

/* Writes a checkpoint's file anew through `change`, which may also say a new length. */
typedef void change_fn(char *bytes, size_t *len);
static void cut(char *bytes, size_t *len) { (void)bytes, *len /= 2; }
static void cut_to_nothing(char *bytes, size_t *len) { (void)bytes, *len = 0; }
static void put_nan(char *bytes, size_t *len) { memset(bytes + *len - 4, 0xff, 4); }
static void put_infinity(char *bytes, size_t *len) {
    float inf = INFINITY;
    memcpy(bytes + *len - 4, &inf, 4);
}
static void swap_text(char *bytes, const char *from, const char *to) {
    char *at = strstr(bytes, from);
    if (EXPECT(at && strlen(from) == strlen(to))) memcpy(at, to, strlen(to));
}
static void other_version(char *bytes, size_t *len) {
    (void)len;
    swap_text(bytes, "\"version\": 2", "\"version\": 7");
}
static void other_shape(char *bytes, size_t *len) { /* the header is the text behind eight bytes of length */
    (void)len;
    swap_text(bytes + 8, "[96, 32]", "[32, 96]");
}
static void other_name(char *bytes, size_t *len) {
    (void)len;
    swap_text(bytes + 8, "param/norm.weight", "param/morn.weight");
}
static void no_json(char *bytes, size_t *len) {
    (void)len;
    bytes[0] = ']';
}

TEST(damaged_checkpoints_are_refused) {
    static const struct {
        const char *file;
        change_fn *change;
        const char *says;
    } cases[] = {{"state.safetensors", cut, "state.safetensors"},
                 {"state.safetensors", cut_to_nothing, "state.safetensors"},
                 {"state.safetensors", put_nan, "finite"},
                 {"state.safetensors", put_infinity, "finite"},
                 {"state.safetensors", other_shape, "qkv.weight"},
                 {"state.safetensors", other_name, "norm.weight"},
                 {"state.json", cut, "state.json"},
                 {"state.json", cut_to_nothing, "state.json"},
                 {"state.json", other_version, "version 7"},
                 {"state.json", no_json, "state.json"}};
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir(), *data = made_up_data(ctx, dir, 300, -1);
    job j = job_of(data, check_path(dir, "out"));
    char name[200];
    size_t len, whole_len;
    run_until(&j, 6);
    j.o.resume = true;
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        snprintf(name, sizeof name, "checkpoints/step-000000006/%s", cases[i].file);
        const char *path = check_path(j.o.out_dir, name);
        char *whole = read_file(path, &whole_len), *changed = read_file(path, &len);
        cases[i].change(changed, &len);
        EXPECT_OK(ctx, fig__file_write(ctx, path, changed, len));
        expect_refused(&j, cases[i].says, "step-000000006");
        EXPECT_OK(ctx, fig__file_write(ctx, path, whole, whole_len));
        free(whole);
        free(changed);
    }
    unlink(check_path(j.o.out_dir, "checkpoints/step-000000006/state.safetensors"));
    expect_refused(&j, "state.safetensors", "step-000000006");
}

/* An average and running state travel in the checkpoint too; the moments are those of every trainable parameter. */
TEST(a_checkpoint_holds_everything_that_moves) {
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = variant(0, made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    run_until(&j, 3);
    size_t len;
    char *bytes = read_file(check_path(j.o.out_dir, "checkpoints/step-000000003/state.safetensors"), &len);
    static const char *const kinds[] = {"param/", "first_moment/", "second_moment/", "ema/"};
    for (size_t i = 0; i < FIG_COUNT(kinds); i++) {
        char name[64];
        snprintf(name, sizeof name, "\"%sblocks.1.mlp.down.weight\"", kinds[i]);
        EXPECT(strstr(bytes + 8, name) != NULL);
    }
    free(bytes);
}

/* A disk that is full: the checkpoint fails in one line and the one before it stays whole. */
TEST(a_checkpoint_that_cannot_be_written_leaves_the_last_one) {
    if (geteuid() == 0 && access("/dev/full", W_OK)) SKIP("needs /dev/full");
    fig_context *ctx = check_context();
    const char *dir = check_tmpdir();
    job j = job_of(made_up_data(ctx, dir, 300, -1), check_path(dir, "out"));
    char error[1024];
    fig_train_report r;
    run_until(&j, 5);
    /* a file where the next checkpoint's folder must go: as root, permissions would not stop anybody */
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(j.o.out_dir, "checkpoints/tmp-step-000000010"), "x", 1));
    j.o.resume = true;
    EXPECT(run_job(&j, &r, error) != FIG_OK);
    EXPECT(strstr(error, "tmp-step-000000010") != NULL && !strchr(error, '\n'));
    unlink(check_path(j.o.out_dir, "checkpoints/tmp-step-000000010"));
    EXPECT_EQ_I(run_job(&j, &r, error), FIG_OK);
    EXPECT_EQ_I(r.iters, 20);
}
