/* expect.h - the few macros of the tests: count, report what failed, go on. */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed_, check_failed_;

/* A condition; the rest is a printf message that tells the case. */
#define CHECK(cond, ...)                                        \
    do {                                                        \
        if (cond) {                                             \
            check_passed_++;                                    \
        } else {                                                \
            check_failed_++;                                    \
            printf("FAILED %s:%d: %s: ", __FILE__, __LINE__, #cond); \
            printf(__VA_ARGS__);                                \
            printf("\n");                                       \
        }                                                       \
    } while (0)

/* |got - want| <= tolerance; NaN fails unless both are. */
#define CHECK_NEAR(got, want, tolerance, ...)                                                                \
    do {                                                                                                     \
        double g_ = (got), w_ = (want);                                                                      \
        if ((isnan(g_) && isnan(w_)) || g_ == w_ || fabs(g_ - w_) <= (tolerance)) {                          \
            check_passed_++;                                                                                 \
        } else {                                                                                             \
            check_failed_++;                                                                                 \
            printf("FAILED %s:%d: got %.9g, want %.9g (tolerance %.3g): ", __FILE__, __LINE__, g_, w_,       \
                   (double)(tolerance));                                                                     \
            printf(__VA_ARGS__);                                                                             \
            printf("\n");                                                                                    \
        }                                                                                                    \
    } while (0)

/* The last line; the exit code of main. */
static inline int check_done(const char *name)
{
    printf("%s: %d passed, %d failed\n", name, check_passed_, check_failed_);
    return check_failed_ != 0;
}

#endif
