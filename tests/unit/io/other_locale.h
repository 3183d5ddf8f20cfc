/* other_locale.h - a locale whose numbers have a comma, of a program that links the library. Machines that
 * have only C make one, where localedef and its sources are installed. */
#ifndef TESTS_OTHER_LOCALE_H
#define TESTS_OTHER_LOCALE_H

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* Sets LC_NUMERIC and returns 1; 0 and a line "skipped" where there is none. `folder` (existing) receives one
 * that is made. */
static inline int other_locale(const char *folder)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                        "nl_NL.UTF-8", "de_DE",      "fr_FR"};
    char command[400];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i])) return 1;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de' >/dev/null 2>&1", folder);
    if (system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_NUMERIC, "de")) return 1;
    printf("skipped: no locale with a decimal comma, and localedef makes none\n");
    return 0;
}

#endif
