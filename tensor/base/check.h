/* check.h - our own bugs die here.
 *
 * ENSURE tests an invariant of this program in every build. Broken, it prints file, line and the
 * message and aborts. It is never used on what a file, an argument or a peer can cause: those
 * return an error (io/base/error.h).
 */
#ifndef TENSOR_CHECK_H
#define TENSOR_CHECK_H

#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 3, 4)))
#endif
void check_fail(const char *file, int line, const char *format, ...);

#define ENSURE(cond, ...)                                            \
    do {                                                             \
        if (!(cond)) check_fail(__FILE__, __LINE__, __VA_ARGS__);    \
    } while (0)

#endif
