#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/training/training.h"

int cmd_federate(int argc, char **argv)
{
    return training_main(argc, argv, 1);
}
