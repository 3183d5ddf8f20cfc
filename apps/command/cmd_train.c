/* cmd_train.c - nephron train: one learner on one dataset. */
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/training/training.h"

int cmd_train(int argc, char **argv)
{
    return training_main(argc, argv, 0);
}
