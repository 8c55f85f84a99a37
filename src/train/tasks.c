/* train/tasks.c: the list of tasks, from tasks.def, and what all of them share. */
#include "train/train.h"

#define TASK(name) extern const fig__task fig__task_##name;
#include "train/tasks.def"
#undef TASK

static const fig__task *const tasks[] = {
#define TASK(name) &fig__task_##name,
#include "train/tasks.def"
#undef TASK
};

const fig__task *fig__task_find(const char *name) {
    for (size_t i = 0; i < FIG_COUNT(tasks); i++)
        if (!strcmp(tasks[i]->name, name)) return tasks[i];
    return NULL;
}

fig__held_out fig__held_out_of(const fig_trainer *t, uint64_t n) {
    fig__held_out h = {.n = n, .batch = (uint64_t)t->o.batch_size};
    h.n_batches = (h.n + h.batch - 1) / h.batch;
    h.take = t->o.eval_iters ? FIG_MIN(h.n_batches, (uint64_t)t->o.eval_iters) : h.n_batches;
    return h;
}

uint64_t fig__held_out_batch(const fig__held_out *h, uint64_t b, size_t *n) {
    uint64_t first = b * h->n_batches / h->take * h->batch;
    *n = (size_t)FIG_MIN(h->batch, h->n - first);
    return first;
}
