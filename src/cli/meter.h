/* cli/meter.h: how far the work is, on standard error: one line drawn over and over on a terminal, else a plain line
 * now and then. There is one terminal, so there is one meter. */
#ifndef FIG_METER_H
#define FIG_METER_H
#include <fig/dataset.h>
#include <fig/train.h>
#include "cli/cli.h"

/* Forgets the line before; quiet: draws nothing from here on. */
void fig__meter_start(bool quiet);
/* Whether a line would be drawn now, so that callers can spare themselves the work. */
bool fig__meter_due(void);
void fig__meter_draw(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Done, rate and time left of anything counted in bytes; total 0: unknown. */
void fig__meter_bytes(const char *what, uint64_t done, uint64_t total);
/* The same of anything else that is counted; each `what` has a clock of its own. */
void fig__meter_count(const char *what, int64_t done, int64_t total);
void fig__meter_dataset(void *user, const char *stage, uint64_t done, uint64_t total); /* a fig_dataset_progress_fn */
void fig__meter_train(const fig_train_event *event);
/* A line that stays, the drawn one being taken away first. Never more than one line. Shown even when quiet. */
void fig__meter_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As say, but not when quiet. */
void fig__meter_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The drawn line stays as it is last. */
void fig__meter_clear(void);

#endif
