/* cmd_federate.c - nephron federate: a simulation, or one step of a round by carried files. */
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/training/training.h"

int cmd_federate(int argc, char **argv)
{
    return training_main(argc, argv, 1);
}
