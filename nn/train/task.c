/* task.c - the table of tasks. */
#include "nn/train/task.h"

#include <string.h>

const struct learning_task *const task_table[] = {&task_segment, &task_classify, NULL};

const struct learning_task *task_find(const char *name)
{
    for (int i = 0; task_table[i]; i++)
        if (strcmp(task_table[i]->name, name) == 0) return task_table[i];
    return NULL;
}
