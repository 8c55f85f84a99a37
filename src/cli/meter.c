/* cli/meter.c: see meter.h. */
#include "cli/meter.h"
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512
#define FIRST_AFTER 1.0       /* seconds until the first line: short work shows none */
#define TERMINAL_INTERVAL 0.1 /* seconds between lines */
#define PLAIN_INTERVAL 10.0

static struct {
    bool quiet, terminal, asked; /* asked: terminal is known */
    bool drawn;                  /* a line without an end stands on the terminal */
    double started, last;
    char stage[64]; /* of a dataset, of an evaluation: each has a clock of its own */
} meter;

static bool on_terminal(void) {
    if (!meter.asked) meter.terminal = isatty(STDERR_FILENO);
    meter.asked = true;
    return meter.terminal;
}

void fig__meter_start(bool quiet) {
    fig__meter_clear();
    meter.quiet = quiet;
    meter.started = fig__now();
    meter.last = 0;
    meter.stage[0] = 0;
}

bool fig__meter_due(void) {
    double now = fig__now();
    if (meter.quiet || now - meter.started < FIRST_AFTER) return false;
    return now - meter.last >= (on_terminal() ? TERMINAL_INTERVAL : PLAIN_INTERVAL);
}

static size_t terminal_width(void) {
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
    return known ? size.ws_col : 80;
}

void fig__meter_clear(void) {
    if (meter.drawn) fputs("\r\033[K", stderr);
    meter.drawn = false;
}

void fig__meter_draw(const char *format, ...) {
    char line[LINE_MAX_BYTES];
    if (!fig__meter_due()) return;
    va_list args;
    va_start(args, format);
    fig__vformat(line, sizeof line, format, args);
    va_end(args);
    meter.last = fig__now();
    if (!on_terminal()) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    size_t width = terminal_width() - 1;
    if (width < sizeof line) line[width] = 0; /* progress lines are ASCII */
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    meter.drawn = true;
}

static void say(const char *format, va_list args) {
    char line[4096];
    fig__vformat(line, sizeof line, format, args);
    fig__meter_clear();
    fprintf(stderr, "%s\n", line);
}

void fig__meter_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void fig__meter_note(const char *format, ...) {
    if (meter.quiet) return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void fig__meter_bytes(const char *what, uint64_t done, uint64_t total) {
    char a[32], b[32], c[32], left[32];
    double seconds = fig__now() - meter.started, rate = seconds > 0 ? (double)done / seconds : 0;
    if (!fig__meter_due()) return;
    fig__human_bytes((double)done, a);
    fig__human_bytes(rate, c);
    if (!total) {
        fig__meter_draw("%s: %s, %s/s", what, a, c);
        return;
    }
    fig__human_bytes((double)total, b);
    fig__human_time(rate > 0 ? (double)(total - FIG_MIN(done, total)) / rate : -1, left);
    fig__meter_draw("%s: %.0f %%, %s of %s, %s/s, %s left", what, 100.0 * (double)done / (double)total, a, b, c, left);
}

static void enter_stage(const char *stage) {
    if (strncmp(meter.stage, stage, sizeof meter.stage - 1) == 0) return;
    fig__meter_start(meter.quiet);
    snprintf(meter.stage, sizeof meter.stage, "%s", stage); /* a copy: the caller's may be gone by the next call */
}

void fig__meter_count(const char *what, int64_t done, int64_t total) {
    char left[32], speed[32];
    enter_stage(what);
    if (!fig__meter_due()) return;
    double seconds = fig__now() - meter.started, rate = seconds > 0 ? (double)done / seconds : 0;
    fig__human_count(rate, speed);
    if (!total) {
        fig__meter_draw("%s: %lld, %s/s", what, (long long)done, speed);
        return;
    }
    fig__human_time(rate > 0 ? (double)(total - FIG_MIN(done, total)) / rate : -1, left);
    fig__meter_draw("%s: %lld of %lld, %s/s, %s left", what, (long long)done, (long long)total, speed, left);
}

void fig__meter_dataset(void *user, const char *stage, uint64_t done, uint64_t total) {
    (void)user;
    enter_stage(stage);
    if (!strcmp(stage, "pictures"))
        fig__meter_count(stage, (int64_t)done, (int64_t)total);
    else
        fig__meter_bytes(stage, done, total);
}

/* --- training ---------------------------------------------------------------------------------------------------*/

/* "validation 1.4703, 2.1213 bits per byte"; "diversity 0.9713, coverage 0.8120" where nothing is held out. */
static const char *scores_text(const fig_scores *s, char text[160]) {
    size_t n = 0;
    for (size_t i = 0; i < s->n && n < 120; i++) {
        const fig_score *score = &s->data[i];
        bool bits = !strcmp(score->name, "val_bpb"), first = i == 0;
        if (score->value != score->value) continue;
        const char *name = first ? "validation" : score->name, *space = n ? ", " : "";
        n += (size_t)(bits ? snprintf(text + n, 160 - n, "%s%.4f bits per byte", space, score->value)
                           : snprintf(text + n, 160 - n, first ? "%s%.60s %.4f" : "%s%.60s %.4g", space, name,
                                      score->value));
    }
    text[n] = 0;
    return text;
}

static void draw_step(const fig_train_event *e) {
    char val[96] = "", speed[32], memory[32], left[32], share[32] = "";
    if (!fig__meter_due()) return;
    if (e->scores.n && e->scores.data[0].value == e->scores.data[0].value)
        snprintf(val, sizeof val, ", val %.4f", e->scores.data[0].value);
    if (e->mfu > 0) snprintf(share, sizeof share, ", %.0f %% of peak", 100 * e->mfu);
    fig__meter_draw("step %lld/%lld, loss %.4f%s, %s %s/s%s, %s, %s left", (long long)e->iter, (long long)e->max_iters,
                    e->loss, val, fig__human_count(e->tok_per_sec, speed), e->unit, share,
                    fig__human_bytes((double)e->rss_bytes, memory), fig__human_time(e->seconds_left, left));
}

static void note_eval(const fig_train_event *e) {
    char loss[32] = "", scores[160];
    if (e->iter) snprintf(loss, sizeof loss, "loss %.4f, ", e->loss);
    bool best = e->iter && e->scores.n && e->scores.data[0].value <= e->best_val_loss;
    fig__meter_note("step %lld/%lld: %s%s%s", (long long)e->iter, (long long)e->max_iters, loss,
                    scores_text(&e->scores, scores), best ? ", the best so far" : "");
}

void fig__meter_train(const fig_train_event *e) {
    switch (e->kind) {
    case FIG_TRAIN_STEP: draw_step(e); break;
    case FIG_TRAIN_EVAL: note_eval(e); break;
    case FIG_TRAIN_NOTE: fig__meter_note("figment: note: %s", e->text); break;
    case FIG_TRAIN_SAMPLE:
    case FIG_TRAIN_CHECKPOINT: break; /* files in --out */
    }
}
