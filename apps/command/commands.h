/* commands.h - the commands, a file cmd_NAME.c each. argv[0] is the command's name; each returns the exit
 * code. */
#ifndef APPS_COMMANDS_H
#define APPS_COMMANDS_H

int cmd_info(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_federate(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_phantom(int argc, char **argv);
int cmd_study(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_postprocess(int argc, char **argv);
int cmd_ensemble(int argc, char **argv);
int cmd_best(int argc, char **argv);

#endif
