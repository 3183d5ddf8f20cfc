/* options.c - command lines against a table; the same table as help, as a manual page and as a list for the
 * shells. */
#include "apps/base/options.h"
#include "apps/base/console.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/base/file.h"
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

static const struct option_spec *find_option(const struct option_spec *s, const char *name, size_t length)
{
    for (; s->name; s++)
        if (length && strlen(s->name) == length && memcmp(s->name, name, length) == 0) return s;
    return NULL;
}

/* --threads, --seed and --quiet of a command whose table lacks them: taken by every command, so that a script
 * may give the same ones everywhere. One thread and no random number make the first two mean nothing
 * there. */
static struct common {
    int threads, quiet;
    uint64_t seed;
} common;
static const struct option_spec common_options[] = {
    OPTION_THREADS(common.threads), OPTION_SEED_(common.seed), OPTION_QUIET(common.quiet), {0}};

/* ---- help ---------------------------------------------------------------------------------------------- */

/* As COLUMNS tells; else of the terminal, but no more than can be read with ease; 80 of a file. */
static int help_columns(void)
{
    const int columns = console_columns(), most = getenv("COLUMNS") ? columns : 110;
    return !columns ? 80 : columns < 40 ? 40 : columns > most ? most : columns;
}

/* Words of a line that stands at column `at`; where one does not fit, a new line begins at column `indent`.
 * Choices a|b|c may be parted behind a bar. Returns the column. */
static int put_words(const char *text, size_t length, int at, int indent, int columns)
{
    for (size_t i = 0, end; i < length; i = end) {
        int space = 0;
        for (; i < length && (text[i] == ' ' || text[i] == '\n'); i++) space = at > indent;
        for (end = i; end < length && text[end] != ' ' && text[end] != '\n';)
            if (text[end++] == '|') break;
        if (end == i) break;
        const int width = (int)(end - i);
        if (at > indent && at + space + width > columns) {
            printf("\n%*s", indent, "");
            at = indent;
            space = 0;
        }
        at += printf("%s%.*s", space ? " " : "", width, text + i);
    }
    return at;
}

/* A line that is printed as it is: an example, or a row of a table. */
static int is_row(const char *line, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++)
        if (line[i] == ' ' && (i == 0 || line[i + 1] == ' ')) return 1;
    return length == 0;
}

/* Paragraphs, however their lines are cut where they are written: one ends with a full stop, a colon or a
 * semicolon at the end of a line, or before a row. Rows keep what comes before their last gap of two
 * spaces. */
static void print_details(const char *text, int columns)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        int indent = 0;
        if (!is_row(text, length)) {
            while (text[length] && !strchr(".:;", text[length - 1])) {
                const size_t more = strcspn(text + length + 1, "\n");
                if (is_row(text + length + 1, more)) break;
                length += 1 + more;
            }
            put_words(text, length, 0, 0, columns);
        } else if (length && text[0] != ' ') {
            for (size_t i = 2; i < length; i++)
                if (text[i - 1] == ' ' && text[i - 2] == ' ' && text[i] != ' ') indent = (int)i;
            printf("%.*s", indent, text);
            put_words(text + indent, length - (size_t)indent, indent, indent, columns);
        } else {
            printf("%.*s", (int)length, text);
        }
        putchar('\n');
        text += length + (text[length] == '\n');
    }
}

static void print_option(const struct option_spec *s, int columns)
{
    char left[80];
    if (s->kind == OPTION_GROUP) {
        printf("\n%s:\n", s->text);
        return;
    }
    int n = s->letter ? snprintf(left, sizeof left, "  -%c, --%s", s->letter, s->name)
                      : snprintf(left, sizeof left, "      --%s", s->name);
    if (s->argument && n < (int)sizeof left) snprintf(left + n, sizeof left - (size_t)n, " %s", s->argument);
    printf(strlen(left) < 30 ? "%-30s" : "%s\n%30s", left, "");
    int at = put_words(s->text, strlen(s->text), 30, 30, columns);
    if (s->choices) {
        char among[1200]; /* one text, so that no line ends with the bracket */
        const int length = snprintf(among, sizeof among, " (%s)", s->choices);
        ENSURE(length < (int)sizeof among, "%d characters of choices", length);
        put_words(among, (size_t)length, at, 30, columns);
    }
    printf("\n");
}

static const char without_effect[] = "taken as by every command, without effect here";

/* "--threads N, --seed N", those of the two that the command's table lacks: they are taken all the same, and
 * change nothing. */
static void list_without_effect(char text[48], const struct command_help *help)
{
    text[0] = 0;
    for (const struct option_spec *s = common_options; s->kind != OPTION_FLAG; s++)
        if (!find_option(help->options, s->name, strlen(s->name)))
            snprintf(text + strlen(text), 48 - strlen(text), "%s--%s N", *text ? ", " : "", s->name);
}

void options_print_help(const struct command_help *help)
{
    const struct option_spec *s = help->options;
    const int columns = help_columns();
    char without[48];
    printf("usage: nephron %s\n\n", help->usage);
    put_words(help->summary, strlen(help->summary), 0, 0, columns - 1); /* and a full stop */
    printf(".\n%s", s->kind == OPTION_GROUP ? "" : "\noptions:\n");
    for (; s->name; s++) print_option(s, columns);
    list_without_effect(without, help);
    if (*without) printf("      %-23s %s\n", without, without_effect);
    printf("  -h, --help                  this text\n");
    if (!help->details) return;
    printf("\n");
    print_details(help->details, columns);
}

/* Text of a manual page: roff's own characters kept from it. */
static void print_roff(const char *text)
{
    for (int first = 1; *text; first = *text++ == '\n') {
        if (first && (*text == '.' || *text == '\'')) printf("\\&");
        if (*text == '\\') printf("\\e");
        else if (*text == '-') printf("\\-");
        else putchar(*text);
    }
}

static void print_man_option(const struct option_spec *s)
{
    if (s->kind == OPTION_GROUP) {
        printf(".SS ");
        print_roff(s->text);
        printf("\n");
        return;
    }
    printf(".TP\n.B ");
    if (s->letter) printf("\\-%c, ", s->letter);
    printf("\\-\\-");
    print_roff(s->name);
    if (s->argument) printf(" \\fI%s\\fR", s->argument);
    printf("\n");
    print_roff(s->text);
    if (s->choices) {
        printf(" (");
        print_roff(s->choices);
        printf(")");
    }
    printf("\n");
}

static void print_man(const char *command, const struct command_help *help)
{
    char without[48];
    printf(".TH NEPHRON\\-%s 1 \"\" \"nephron %s\"\n.SH NAME\nnephron\\-%s \\- ", command, NEPHRON_VERSION,
           command);
    print_roff(help->summary);
    printf("\n.SH SYNOPSIS\n.B nephron\n");
    print_roff(help->usage);
    printf("\n.SH OPTIONS\n");
    for (const struct option_spec *s = help->options; s->name; s++) print_man_option(s);
    list_without_effect(without, help);
    if (*without) {
        printf(".TP\n.B ");
        print_roff(without);
        printf("\n%s\n", without_effect);
    }
    if (help->details) {
        printf(".SH DESCRIPTION\n.nf\n");
        print_roff(help->details);
        printf("\n.fi\n");
    }
    printf(".SH EXIT STATUS\n"
           "0 done, 1 failed (one line on standard error), 2 wrong usage; 3 a federation's step waits for "
           "others; 128 and the signal where one stopped it.\n"
           ".SH SEE ALSO\n"
           ".BR nephron (1)\n");
}

/* One option a line: --name, a tab, its choices joined by |, "FILE" for a value, or nothing for a flag; a
 * tab, its text. */
static void print_list(const struct command_help *help)
{
    for (const struct option_spec *s = help->options; s->name; s++)
        if (s->kind != OPTION_GROUP)
            printf("--%s\t%s\t%s\n", s->name,
                   s->choices    ? s->choices
                   : s->argument ? s->argument
                                 : "",
                   s->text);
}

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
        {"verify_dataset_integrity", "strict"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], word) == 0 && find_option(options, names[i][1], strlen(names[i][1])))
            return names[i][1];
    return NULL;
}

/* nnU-Net's letters for what is no option here: where it stands instead; NULL: none of them. */
static const char *other_place(const char *given)
{
    if (strcmp(given, "-c") == 0)
        return "a configuration is told by --configuration, that of a model by its name, as 4/3d_fullres";
    if (strcmp(given, "-d") == 0 || strcmp(given, "-m") == 0)
        return "the dataset, or the model's folder, stands by itself, without an option";
    return NULL;
}

/* Whether the argument asks for help, which is then printed. */
static int tell_help(const char *argument, const char *command, const struct command_help *help)
{
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) options_print_help(help);
    else if (strcmp(argument, "--help=man") == 0) print_man(command, help);
    else if (strcmp(argument, "--help=list") == 0) print_list(help);
    else return 0;
    return 1;
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
    const char *place = other_place(given);
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
    for (const char *p = choices; p; p = strchr(p, '|')) {
        if (*p == '|') p++;
        if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == 0)) return n > 0;
        if (!strchr(p, '|')) break;
    }
    return 0;
}

static int parse_number(double *v, const char *text)
{
    char *end;
    errno = 0;
    *v = strtod(text, &end);
    return end != text && *end == 0 && errno == 0 && isfinite(*v);
}

/* Returns 0, or 2 after printing what is wrong. */
static int set_option(const char *command, const struct option_spec *s, const char *text)
{
    double v = 0;
    char *end;
    switch (s->kind) {
    case OPTION_GROUP: return 0;
    case OPTION_FLAG: *(int *)s->value = 1; return 0;
    case OPTION_NOFLAG: *(int *)s->value = 0; return 0;
    case OPTION_TEXT:
    case OPTION_OUTPUT:
        if (s->choices && !is_choice(s->choices, text))
            return app_usage(command, "--%s is '%s', must be one of %s", s->name, text, s->choices);
        *(const char **)s->value = text;
        return 0;
    case OPTION_TEXTS: {
        struct option_texts *list = s->value;
        if (list->count == OPTION_TEXTS_MAX)
            return app_usage(command, "--%s is given more than %d times", s->name, OPTION_TEXTS_MAX);
        list->text[list->count++] = text;
        return 0;
    }
    case OPTION_SEED:
        errno = 0;
        *(uint64_t *)s->value = strtoull(text, &end, 10);
        if (end == text || *end || errno || text[0] == '-' || *(uint64_t *)s->value > INT64_MAX)
            return app_usage(command, "--%s is '%s', must be a whole number from 0 to %lld", s->name, text,
                             (long long)INT64_MAX); /* what JSON's readers take */
        return 0;
    case OPTION_SIZE3: {
        int *size = s->value, used = 0;
        if (sscanf(text, "%d,%d,%d%n", &size[0], &size[1], &size[2], &used) != 3 || text[used] ||
            size[0] < 1 || size[1] < 1 || size[2] < 1)
            return app_usage(command, "--%s is '%s', must be three sizes Z,Y,X", s->name, text);
        for (int a = 0; a < 3; a++)
            if (s->max > 0 && size[a] > s->max)
                return app_usage(command, "--%s is %s, each size must be from 1 to %g", s->name, text,
                                 s->max);
        return 0;
    }
    case OPTION_INT:
    case OPTION_NUMBER:
        if (!parse_number(&v, text) || (s->kind == OPTION_INT && (v != floor(v) || fabs(v) > 2e9)))
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

/* The option before the i-th that writes the same file, NULL: none. */
static const char *written_twice(const struct operands *o, int i, const char *path)
{
    for (int k = 0; k < i; k++) {
        const struct option_spec *s = o->option[k];
        if (s->kind != OPTION_OUTPUT || s == o->option[i]) continue;
        const char *other = *(const char *const *)s->value;
        if (strcmp(path, other) == 0 || (file_is_same(path, other) && !file_is_dir(path))) return s->name;
    }
    return NULL;
}

/* A file that is read must not be written, and what is written must have a place of its own: 0, or the exit
 * code. A folder that is there is its command's to judge: an exchange folder may take files in some of its
 * folders alone. */
static int check_outputs(const char *command, const struct operands *o)
{
    for (int i = 0; i < o->options; i++) {
        const struct option_spec *s = o->option[i];
        const char *path = s->kind == OPTION_OUTPUT ? *(const char *const *)s->value : NULL;
        const char *lost = path ? options_replaced(path, o) : NULL;
        if (lost) return app_usage(command, "--%s %s: would replace what is read, %s", s->name, path, lost);
        const char *twice = path ? written_twice(o, i, path) : NULL;
        if (twice) return app_usage(command, "--%s %s: --%s writes there too", s->name, path, twice);
        const int table = path && strcmp(s->argument, "FILE") == 0,
                  file = table || (path && volume_suffix(path) && !file_is_dir(path));
        struct error e;
        if (path && (file                  ? file_check_place(path, &e)
                     : !file_is_dir(path) ? file_check_folder_place(path, &e)
                                           : 0))
            return app_fail(&e);
        if (table && volume_suffix(path) && file_exists(path))
            return app_usage(command, "--%s %s: is an image, which a table would replace", s->name, path);
    }
    return 0;
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
            if (o->count >= max_operands || o->count >= OPERANDS_MAX) {
                *status = app_usage(command, "unexpected '%s'", a);
                return 0;
            }
            o->text[o->count++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) {
            options_ended = 1;
            continue;
        }
        if (tell_help(a, command, help)) return 0;
        const struct option_spec *s;
        const char *value = NULL;
        if (a[1] == '-') {
            const char *equals = strchr(a, '=');
            const size_t length = equals ? (size_t)(equals - a - 2) : strlen(a + 2);
            s = find_option(help->options, a + 2, length);
            if (!s) s = find_option(common_options, a + 2, length);
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
    if ((*status = check_outputs(command, o))) return 0;
    if (common.quiet && !freopen("/dev/null", "w", stdout)) /* a command that only prints */
        return *status = app_usage(command, "--quiet: /dev/null: %s", strerror(errno)), 0;
    return 1;
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
