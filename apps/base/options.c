/* options.c - command lines against a table. */
#include "apps/base/options.h"
#include "apps/base/console.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/base/file.h"
#include "io/base/text.h"
#include "io/formats/image_formats.h"
#include "nn/folder/run.h"
#include "tensor/base/check.h"

int app_fail(const struct error *e)
{
    fflush(stdout);
    console_to(stderr, "nephron: %s\n", e->text);
    return 1;
}

int app_usage(const char *command, const char *format, ...)
{
    va_list args;
    char text[1200];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    console_to(stderr, "nephron %s: %s (nephron %s -h tells the options)\n", command, text, command);
    return 2;
}

/* --threads, --seed and --quiet of a command whose table lacks them: taken by every command, so that a script
 * may give the same ones everywhere. One thread and no random number make the first two mean nothing
 * there. */
static struct common {
    int threads, quiet;
    uint64_t seed;
    char output[24]; /* standard output's name where a file goes there */
} common;
static const struct option_spec common_options[] = {
    OPTION_THREADS(common.threads), OPTION_SEED_(common.seed), OPTION_QUIET(common.quiet), {0}};

/* ---- parsing ------------------------------------------------------------------------------------------- */

/* Changes of one letter, and swaps of two neighbours, that make b of a (Damerau and Levenshtein, each letter
 * once); for short words. */
static int edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    int d[LONGEST + 1][LONGEST + 1], n = (int)strlen(a), m = (int)strlen(b);
    if (n > LONGEST || m > LONGEST) return LONGEST;
    for (int i = 0; i <= n; i++)
        for (int j = 0; j <= m; j++) {
            int least = i == 0 ? j : j == 0 ? i : d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (i && j && d[i - 1][j] + 1 < least) least = d[i - 1][j] + 1;
            if (i && j && d[i][j - 1] + 1 < least) least = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < least)
                least = d[i - 2][j - 2] + 1;
            d[i][j] = least;
        }
    return d[n][m];
}

int options_closer(const char **best, const char *candidate, const char *word, int distance)
{
    int d = edit_distance(word, candidate);
    if (d >= distance || d > (int)strlen(word) / 2) return distance;
    *best = candidate;
    return d;
}

/* What nnU-Net and MONAI call it, where the command has it by another name (docs/from_nnunet.md). */
static const char *other_name(const struct option_spec *options, const char *word)
{
    static const char *const names[][2] = {
        {"disable_tta", "no-mirror"}, {"save_probabilities", "probabilities"}, {"npz", "probabilities"},
        {"continue_prediction", "resume"}, {"c", "resume"}, {"continue_training", "resume"},
        {"step_size", "step"}, {"chk", "checkpoint"}, {"num_processes", "threads"}, {"np", "threads"},
        {"npp", "threads"}, {"nps", "threads"}, {"num_workers", "threads"},
        {"pretrained_weights", "pretrained"}, {"prev_stage_predictions", "previous-stage"},
        {"learning_rate", "lr"}, {"batch_size", "batch"}, {"patch_size", "patch"}, {"roi_size", "patch"},
        {"max_epochs", "epochs"}, {"f", "fold"}, {"num_rounds", "rounds"},
        {"verify_dataset_integrity", "strict"}, {"save_npz", "probabilities"}, {"pl", "preset"},
        {"gpu_memory_target", "memory-gb"}, {"overwrite_target_spacing", "spacing"}, {"workers", "threads"},
        {"amp", "precision"}, {"disable_progress_bar", "quiet"}, {"djfile", "dataset"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], word) == 0 && options_find(options, names[i][1], strlen(names[i][1])))
            return names[i][1];
    return NULL;
}

/* What others have as an option and is none here: where it stands instead; NULL: none of them. */
static const char *other_place(const char *given, const char *word)
{
    static const char *const devices[] = {"device", "gpu", "gpus", "num_gpus", "not_on_device"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (strcmp(word, devices[i]) == 0)
            return "there is no device to choose, it computes on the processor: --threads N";
    if (strcmp(given, "-i") == 0) return "what is read stands by itself, without an option";
    if (strcmp(word, "val") == 0)
        return "train validates at its end; `nephron predict` and `nephron evaluate` do it again";
    if (strcmp(given, "-c") == 0)
        return "a configuration is told by --configuration, that of a model by its name, as 4/3d_fullres";
    if (strcmp(given, "-d") == 0 || strcmp(given, "-m") == 0)
        return "the dataset, or the model's folder, stands by itself, without an option";
    if (strcmp(given, "-tr") == 0 || strcmp(given, "-p") == 0)
        return "the model of a trainer and of plans is told by its folder's name, as "
               "4/nnUNetTrainerBN__nnUNetPlans__3d_fullres";
    return NULL;
}

/* nnUNetv2_train has it as a word by itself. */
static int is_configuration(const struct option_spec *options, const char *word)
{
    return (strncmp(word, "3d_", 3) == 0 || strcmp(word, "2d") == 0) &&
           options_find(options, "configuration", strlen("configuration"));
}

static int unknown_option(const char *command, const struct command_help *help, const char *given)
{
    char word[48];
    const char *best = NULL;
    int distance = OPTIONS_FAR;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given + strspn(given, "-"), "="),
             given + strspn(given, "-"));
    for (const struct option_spec *s = help->options; given[1] == '-' && s->name; s++)
        distance = options_closer(&best, s->name, word, distance);
    const char *place = other_place(given, word);
    if (place) return app_usage(command, "unknown option '%s': %s", given, place);
    if (!best) best = other_name(help->options, word);
    if (best) return app_usage(command, "unknown option '%s', did you mean --%s?", given, best);
    return app_usage(command, "unknown option '%s'", given);
}

static const struct option_spec *find_letter(const struct option_spec *s, char letter)
{
    for (; s->name; s++)
        if (s->letter && s->letter == letter) return s;
    return NULL;
}

static int is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    if (strchr(text, '|')) return 0; /* two of them, as help shows them */
    for (const char *p = choices; p; p = strchr(p, '|')) {
        if (*p == '|') p++;
        if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == 0)) return n > 0;
        if (!strchr(p, '|')) break;
    }
    return 0;
}

int options_check_kept(char *const *word, int words, const char *out, const char *file, struct error *e)
{
    const size_t length = strlen(out); /* it is the word, or ends it, as of --output=OUT */
    for (int i = 0; i < words; i++) {
        const size_t n = strlen(word[i]);
        if (!text_is_utf8(word[i]) && (n < length || word[i] + (n - length) != out))
            return error_set(e, "%s: is not UTF-8, as %s is, which keeps it for --resume: give it another "
                                "name, or a link to it", word[i], file);
    }
    return 0;
}

int options_number(double *v, const char *text, size_t size)
{
    const char *end = text + size;
    while (text < end && (*text == ' ' || *text == '\t')) text++;
    return text_parse_double(v, text, (size_t)(end - text)) || !isfinite(*v) ? -1 : 0;
}

/* Three sizes Z,Y,X with commas between. */
static int parse_sizes(int size[3], const char *text)
{
    for (int a = 0; a < 3; a++) {
        const size_t length = strcspn(text, ",");
        double v;
        if (options_number(&v, text, length) || v != floor(v) || v < 1 || v > INT_MAX ||
            text[length] != (a < 2 ? ',' : 0))
            return -1;
        size[a] = (int)v;
        text += length + 1;
    }
    return 0;
}

static int parse_seed(uint64_t *seed, const char *text)
{
    const char *digits = text + strspn(text, " \t");
    digits += *digits == '+';
    errno = 0;
    *seed = strtoull(digits, NULL, 10);
    return !*digits || digits[strspn(digits, "0123456789")] || errno || *seed > INT64_MAX ? -1 : 0;
}

/* Returns 0, or 2 after printing what is wrong. */
static int set_option(const char *command, const struct option_spec *s, const char *text)
{
    double v = 0;
    switch (s->kind) {
    case OPTION_GROUP: return 0;
    case OPTION_FLAG: *(int *)s->value = 1; return 0;
    case OPTION_NOFLAG: *(int *)s->value = 0; return 0;
    case OPTION_TEXT:
    case OPTION_OUTPUT:
        if (s->choices && !is_choice(s->choices, text))
            return app_usage(command, "--%s is '%s', must be one of %s", s->name, text, s->choices);
        if (!*text) return app_usage(command, "--%s is empty", s->name);
        *(const char **)s->value = text;
        return 0;
    case OPTION_ANY_TEXT: *(const char **)s->value = text; return 0;
    case OPTION_TEXTS: {
        struct option_texts *list = s->value;
        if (!*text) return app_usage(command, "--%s is empty", s->name);
        if (list->count == OPTION_TEXTS_MAX)
            return app_usage(command, "--%s is given more than %d times", s->name, OPTION_TEXTS_MAX);
        list->text[list->count++] = text;
        return 0;
    }
    case OPTION_SEED:
        if (parse_seed(s->value, text))
            return app_usage(command, "--%s is '%s', must be a whole number from 0 to %lld", s->name, text,
                             (long long)INT64_MAX); /* what JSON's readers take */
        return 0;
    case OPTION_SIZE3: {
        int *size = s->value;
        if (parse_sizes(size, text))
            return app_usage(command, "--%s is '%s', must be three sizes Z,Y,X", s->name, text);
        for (int a = 0; a < 3; a++)
            if (s->max > 0 && size[a] > s->max)
                return app_usage(command, "--%s is %s, each size must be from 1 to %g", s->name, text,
                                 s->max);
        return 0;
    }
    case OPTION_INT:
    case OPTION_NUMBER:
        if (options_number(&v, text, strlen(text)) ||
            (s->kind == OPTION_INT && (v != floor(v) || fabs(v) > 2e9)))
            return app_usage(command, "--%s is '%s', must be a %s", s->name, text,
                             s->kind == OPTION_INT ? "whole number" : "number");
        if (s->max > s->min && (v < s->min || v > s->max))
            return app_usage(command, "--%s is %s, must be from %g to %g", s->name, text, s->min, s->max);
        if (s->kind == OPTION_INT) *(int *)s->value = (int)v;
        else *(double *)s->value = v;
        return 0;
    }
    return 0;
}

/* ---- outputs ------------------------------------------------------------------------------------------- */

/* Is it the input, or what describes the dataset that the input is, or is a folder of? */
static int replaces(const char *out, const char *input)
{
    static const char *const kept[] = {"dataset.json", "../dataset.json", "splits_final.json"};
    char path[2048];
    int found = file_is_same(out, input);
    for (size_t i = 0; !found && file_is_dir(input) && i < sizeof kept / sizeof *kept; i++)
        found = snprintf(path, sizeof path, "%s/%s", input, kept[i]) < (int)sizeof path &&
                file_is_same(out, path);
    return found;
}

/* A dataset's own dataset.json, or what a run is known by, whatever is read. */
static int describes_folder(const char *path)
{
    static const char *const of_run[] = {"dataset.json", "plans.json", "manifest.json", "splits_final.json"};
    const char *name = file_name(path);
    const int folder = (int)(name - path);
    char beside[2048];
    int known = 0;
    for (size_t i = 0; i < sizeof of_run / sizeof *of_run; i++) known |= strcmp(name, of_run[i]) == 0;
    if (!known) return 0;
    if (strcmp(name, "dataset.json") == 0 &&
        snprintf(beside, sizeof beside, "%.*simagesTr", folder, path) < (int)sizeof beside &&
        file_is_dir(beside))
        return 1;
    return snprintf(beside, sizeof beside, "%.*s.", folder, path) < (int)sizeof beside &&
           run_is_folder(beside);
}

const char *options_replaced(const char *path, const struct operands *o)
{
    if (!file_exists(path) || file_is_dir(path)) return NULL;
    for (int k = 0; k < o->count; k++)
        if (o->text[k] != path && replaces(path, o->text[k])) return o->text[k];
    for (int k = 0; k < o->options; k++) {
        const struct option_spec *s = o->option[k];
        const struct option_texts *several = s->kind == OPTION_TEXTS ? s->value : NULL;
        const char *text = s->kind == OPTION_TEXT ? *(const char *const *)s->value : NULL;
        if (text && replaces(path, text)) return text;
        for (int i = 0; several && i < several->count; i++)
            if (replaces(path, several->text[i])) return several->text[i];
    }
    return describes_folder(path) ? path : NULL;
}

/* Of a FILE, standard output by one of its names. */
static int is_standard_output(const struct option_spec *s, const char *path)
{
    static const char *const names[] = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(path, names[i]) == 0) return strcmp(s->argument, "FILE") == 0;
    return 0;
}

/* Two names of one file, which need not be there yet. */
static int is_same_place(const char *a, const char *b)
{
    const char *of_a = file_name(a), *of_b = file_name(b);
    char folder_a[2048], folder_b[2048];
    if (strcmp(a, b) == 0 || (file_is_same(a, b) && !file_is_dir(a))) return 1;
    return strcmp(of_a, of_b) == 0 &&
           snprintf(folder_a, sizeof folder_a, "%.*s.", (int)(of_a - a), a) < (int)sizeof folder_a &&
           snprintf(folder_b, sizeof folder_b, "%.*s.", (int)(of_b - b), b) < (int)sizeof folder_b &&
           file_is_same(folder_a, folder_b);
}

/* The option before the i-th that writes the same file, NULL: none. */
static const char *written_twice(const struct operands *o, int i, const char *path)
{
    for (int k = 0; k < i; k++) {
        const struct option_spec *s = o->option[k];
        if (s->kind != OPTION_OUTPUT || s == o->option[i]) continue;
        const char *other = *(const char *const *)s->value;
        if (is_same_place(path, other) ||
            (is_standard_output(s, other) && is_standard_output(o->option[i], path)))
            return s->name;
    }
    return NULL;
}

/* Whether the file lies in the folder of results, which is made before it is written. */
static int is_in_results(const struct operands *o, const char *path)
{
    for (int k = 0; k < o->options; k++) {
        const struct option_spec *s = o->option[k];
        if (s->kind != OPTION_OUTPUT || strcmp(s->argument, "FILE") == 0) continue;
        const char *folder = *(const char *const *)s->value;
        size_t n = strlen(folder);
        while (n > 1 && folder[n - 1] == '/') n--;
        if (strncmp(path, folder, n) == 0 && file_name(path) == path + n + 1) return 1;
    }
    return 0;
}

/* A file that is read must not be written, and what is written must have a place of its own: 0, or the exit
 * code. A folder that is there is its command's to judge: an exchange folder may take files in some of its
 * folders alone. */
static int check_outputs(const char *command, const struct operands *o)
{
    for (int i = 0; i < o->options; i++) {
        const struct option_spec *s = o->option[i];
        const char *path = s->kind == OPTION_OUTPUT ? *(const char *const *)s->value : NULL;
        const char *twice = path ? written_twice(o, i, path) : NULL;
        if (twice) return app_usage(command, "--%s %s: --%s writes there too", s->name, path, twice);
        if (!path || is_standard_output(s, path)) continue;
        const char *lost = options_replaced(path, o);
        if (lost) return app_usage(command, "--%s %s: would replace what is read, %s", s->name, path, lost);
        const int table = strcmp(s->argument, "FILE") == 0,
                  file = table || (volume_suffix(path) && !file_is_dir(path));
        struct error e;
        if (file ? !is_in_results(o, path) && file_check_place(path, &e)
                 : !file_is_dir(path) && file_check_folder_place(path, &e))
            return app_fail(&e);
        if (table && volume_suffix(path) && file_exists(path))
            return app_usage(command, "--%s %s: is an image, which a table would replace", s->name, path);
    }
    return 0;
}

/* A file that goes to standard output has it alone: it is named by a descriptor of its own, and what the
 * command prints is left out, as --quiet leaves it out of a command that only prints. */
static int part_outputs(const char *command, const struct operands *o)
{
    for (int i = 0; i < o->options; i++) {
        const struct option_spec *s = o->option[i];
        const char **path = s->value;
        if (s->kind != OPTION_OUTPUT || !is_standard_output(s, *path)) continue;
        const int fd = dup(STDOUT_FILENO);
        if (fd < 0) return app_usage(command, "--%s: standard output: %s", s->name, strerror(errno));
        snprintf(common.output, sizeof common.output, "/dev/fd/%d", fd);
        *path = common.output;
    }
    return (common.quiet || *common.output) && !freopen("/dev/null", "w", stdout)
               ? app_usage(command, "/dev/null: %s", strerror(errno))
               : 0;
}

int options_parse(struct operands *o, int argc, char **argv, const struct command_help *help,
                  int min_operands, int max_operands, int *status)
{
    const char *command = argv[0];
    int options_ended = 0;
    o->count = o->options = 0;
    *status = 0;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (options_ended || a[0] != '-' || a[1] == 0) {
            if (!*a || o->count >= max_operands || o->count >= OPERANDS_MAX) {
                *status = !*a ? app_usage(command, "'' is no name of a file or folder")
                          : is_configuration(help->options, a)
                              ? app_usage(command, "unexpected '%s': --configuration %s", a, a)
                              : app_usage(command, "unexpected '%s'", a);
                return 0;
            }
            o->text[o->count++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) {
            options_ended = 1;
            continue;
        }
        if (options_tell_help(a, command, help, common_options)) return 0;
        const struct option_spec *s;
        const char *value = NULL;
        if (a[1] == '-') {
            const char *equals = strchr(a, '=');
            const size_t length = equals ? (size_t)(equals - a - 2) : strlen(a + 2);
            s = options_find(help->options, a + 2, length);
            if (!s) s = options_find(common_options, a + 2, length);
            if (equals) value = equals + 1;
        } else {
            s = find_letter(help->options, a[1]);
            if (!s) s = find_letter(common_options, a[1]);
            if (a[2]) value = a + 2;
        }
        if (!s) {
            *status = unknown_option(command, help, a);
            return 0;
        }
        int takes_value = s->kind != OPTION_FLAG && s->kind != OPTION_NOFLAG;
        if (takes_value && !value) {
            if (++i == argc) {
                *status = app_usage(command, "option '%s' needs a value", a);
                return 0;
            }
            value = argv[i];
        } else if (!takes_value && value) {
            *status = app_usage(command, "option '%s' takes no value", a);
            return 0;
        }
        if ((*status = set_option(command, s, value))) return 0;
        if (o->options < OPTIONS_GIVEN_MAX) o->option[o->options++] = s;
    }
    if (o->count < min_operands) {
        *status = app_usage(command, "usage: nephron %s", help->usage);
        return 0;
    }
    *status = check_outputs(command, o);
    if (!*status) *status = part_outputs(command, o);
    return !*status;
}

int options_given(const struct operands *o, const char *name)
{
    for (int i = 0; i < o->options; i++)
        if (strcmp(o->option[i]->name, name) == 0) return 1;
    return 0;
}

const char *options_given_below(const struct operands *o, const struct option_spec *options,
                                const char *heading)
{
    int below = 0;
    for (const struct option_spec *s = options; s->name; s++) {
        if (s->kind == OPTION_GROUP) below = strcmp(s->text, heading) == 0;
        for (int i = 0; below && i < o->options; i++)
            if (o->option[i] == s) return s->name;
    }
    return NULL;
}
