#include "apps/options.h"
#include "apps/training.h"

int cmd_train(int argc, char **argv)
{
    return training_main(argc, argv, 0);
}
