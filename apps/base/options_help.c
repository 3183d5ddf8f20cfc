/* options_help.c - the table of a command's options as help, as a manual page and as a list for the
 * shells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "tensor/base/check.h"

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

const struct option_spec *options_find(const struct option_spec *s, const char *name, size_t length)
{
    for (; s->name; s++)
        if (length && strlen(s->name) == length && memcmp(s->name, name, length) == 0) return s;
    return NULL;
}

static const char without_effect[] = "taken as by every command, without effect here";

/* "--threads N, --seed N", those of the two that the command's table lacks: they are taken all the same, and
 * change nothing. */
static void list_without_effect(char text[48], const struct command_help *help,
                                const struct option_spec *common)
{
    text[0] = 0;
    for (const struct option_spec *s = common; s->kind != OPTION_FLAG; s++)
        if (!options_find(help->options, s->name, strlen(s->name)))
            snprintf(text + strlen(text), 48 - strlen(text), "%s--%s N", *text ? ", " : "", s->name);
}

static void print_help(const struct command_help *help, const struct option_spec *common)
{
    const struct option_spec *s = help->options;
    const int columns = help_columns();
    char without[48];
    printf("usage: nephron %s\n\n", help->usage);
    put_words(help->summary, strlen(help->summary), 0, 0, columns - 1); /* and a full stop */
    printf(".\n%s", s->kind == OPTION_GROUP ? "" : "\noptions:\n");
    for (; s->name; s++) print_option(s, columns);
    if (!options_find(help->options, "quiet", 5)) print_option(options_find(common, "quiet", 5), columns);
    list_without_effect(without, help, common);
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

static void print_man(const char *command, const struct command_help *help,
                      const struct option_spec *common)
{
    char without[48];
    printf(".TH NEPHRON\\-%s 1 \"\" \"nephron %s\"\n.SH NAME\nnephron\\-%s \\- ", command, NEPHRON_VERSION,
           command);
    print_roff(help->summary);
    printf("\n.SH SYNOPSIS\n.B nephron\n");
    print_roff(help->usage);
    printf("\n.SH OPTIONS\n");
    for (const struct option_spec *s = help->options; s->name; s++) print_man_option(s);
    if (!options_find(help->options, "quiet", 5)) print_man_option(options_find(common, "quiet", 5));
    list_without_effect(without, help, common);
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

/* One option a line: --name, a tab, its choices joined by |, what a value is called ("FILE" where it may be
 * one of two things, which are no words to type), or nothing for a flag; a tab, its text. */
static void print_list(const struct command_help *help)
{
    for (const struct option_spec *s = help->options; s->name; s++) {
        if (s->kind == OPTION_GROUP) continue;
        const char *value = s->choices ? s->choices : s->argument ? s->argument : "";
        const int named = !s->choices && strchr(value, '|') && strpbrk(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        printf("--%s\t%s\t%s\n", s->name, named ? "FILE" : value, s->text);
    }
}

int options_tell_help(const char *argument, const char *command, const struct command_help *help,
                      const struct option_spec *common)
{
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) print_help(help, common);
    else if (strcmp(argument, "--help=man") == 0) print_man(command, help, common);
    else if (strcmp(argument, "--help=list") == 0) print_list(help);
    else return 0;
    return 1;
}
