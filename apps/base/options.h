/* options.h - GNU-style command lines: --name value, --name=value, flags, -o FILE, -h; operands between.
 *
 * A command describes its options in a table; options_parse fills the variables. `nephron help COMMAND`
 * prints the same table, and `nephron COMMAND --help=man` and `--help=list` print it for the manual page and
 * for the shells' completion.
 *
 *     int n = 1; const char *out = NULL; int quiet = 0;
 *     struct option_spec spec[] = {
 *         {"cases", 0, OPTION_INT, &n, "N", "how many cases", .min = 1, .max = 1e6},
 *         {"output", 'o', OPTION_OUTPUT, &out, "FILE", "where to write"},
 *         {"quiet", 'q', OPTION_FLAG, &quiet, NULL, "print errors only"},
 *         {0}};
 *     struct command_help help = {"phantom OUT", "writes a synthetic dataset", "longer text", spec};
 *     int status;
 *     if (!options_parse(&operands, argc, argv, &help, 1, 1, &status)) return status;
 */
#ifndef APPS_OPTIONS_H
#define APPS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

enum option_kind {
    OPTION_FLAG,   /* int *: set to 1 */
    OPTION_NOFLAG, /* int *: set to 0 (--no-mirror) */
    OPTION_INT,    /* int * */
    OPTION_SEED,   /* uint64_t * */
    OPTION_NUMBER, /* double * */
    OPTION_TEXT,   /* const char **, not empty */
    OPTION_OUTPUT, /* const char **: to be written; refused where it would replace what the command reads.
                    * A "FILE" may be "-" or /dev/stdout: then the command prints nothing else there, and
                    * the value is /dev/fd/N */
    OPTION_TEXTS,  /* struct option_texts *: may be given several times */
    OPTION_SIZE3,  /* int[3]: Z,Y,X, each from 1 to max, where that is above 0 */
    OPTION_GROUP,  /* no option: a heading in the help above those that follow */
    OPTION_ANY_TEXT /* const char **, as OPTION_TEXT, but may be empty */
};

enum { OPTION_TEXTS_MAX = 256 };
struct option_texts {
    const char *text[OPTION_TEXTS_MAX];
    int count;
};

struct option_spec {
    const char *name;     /* long name without --; NULL ends the table */
    char letter;          /* short name or 0 */
    enum option_kind kind;
    void *value;
    const char *argument; /* what help calls the value: "N", "FILE" */
    const char *text;
    double min, max;      /* of numbers, where max > min */
    const char *choices;  /* of texts: "fp32|bf16", or NULL */
};

struct command_help {
    const char *usage;    /* "train DATA -o RUN" */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs after the options: files, examples; may be NULL */
    const struct option_spec *options;
};

enum { OPERANDS_MAX = 4096, OPTIONS_GIVEN_MAX = 256 };
struct operands {
    const char *text[OPERANDS_MAX];
    int count;
    const struct option_spec *option[OPTIONS_GIVEN_MAX]; /* of the command, in the order given */
    int options;
};

/* argv[0] is the command's name. Returns 1 when parsed; 0 when the command must stop with *status: 0 after -h
 * (help printed), 2 after a wrong usage (one line on stderr). */
int options_parse(struct operands *o, int argc, char **argv, const struct command_help *help,
                  int min_operands, int max_operands, int *status);
/* The name of the first option that was given below the heading; NULL where none was. */
const char *options_given_below(const struct operands *o, const struct option_spec *options,
                                const char *heading);
/* Whether the option of that long name was given. */
int options_given(const struct operands *o, const char *name);
/* What is read by the command line, or describes a folder, and would be replaced by a file of that path,
 * which may be one of the operands; NULL where nothing would. OPTION_OUTPUT is checked so by itself. */
const char *options_replaced(const char *path, const struct operands *o);
/* The words of a command line are kept in `file`, which is JSON, for --resume to find: 0, or -1 with a
 * message where one is not UTF-8. Only `out`, which --resume is given, may be so. */
int options_check_kept(char *const *word, int words, const char *out, const char *file, struct error *e);
/* A number as tables have it (text_parse_double), finite, blanks before it passed over: 0, or -1. */
int options_number(double *v, const char *text, size_t size);

/* An option of a table by its name, NULL: there is none. */
const struct option_spec *options_find(const struct option_spec *s, const char *name, size_t length);
/* Whether the argument asks for help, which is then printed: -h, --help, or --help=man and --help=list.
 * common: what every command takes. */
int options_tell_help(const char *argument, const char *command, const struct command_help *help,
                      const struct option_spec *common);

/* For "did you mean": if candidate is nearer to word than distance, it becomes *best. Returns the smaller
 * distance. Begin with OPTIONS_FAR. */
enum { OPTIONS_FAR = 4 };
int options_closer(const char **best, const char *candidate, const char *word, int distance);

/* Prints "nephron: MESSAGE" on stderr and returns 1: `return app_fail(&e);` */
int app_fail(const struct error *e);
/* Wrong usage: the same with a hint at -h, returns 2. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int app_usage(const char *command, const char *format, ...);

/* Common options. */
#define OPTION_HEADING(text) "", 0, OPTION_GROUP, 0, 0, text, 0, 0, 0
#define OPTION_THREADS(variable)                                                                             \
    {                                                                                                        \
        "threads", 'j', OPTION_INT, &(variable), "N", "threads (default: all cores it gets)", 1, 1024, 0     \
    }
#define OPTION_SEED_(variable)                                                                               \
    {                                                                                                        \
        "seed", 0, OPTION_SEED, &(variable), "N", "seed of every random number (default 1)", 0, 0, 0         \
    }
#define OPTION_QUIET(variable) {"quiet", 'q', OPTION_FLAG, &(variable), 0, "no progress, no tables", 0, 0, 0}

#endif
