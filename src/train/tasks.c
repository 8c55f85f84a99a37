/* train/tasks.c: the list of tasks, from tasks.def. */
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
