/* analyser.h - for clang-tidy, which reads one file at a time and does not see that these return -1: included
 * before each file by check_static.sh. */
#include "io/base/error.h"
#define error_set(...) (error_set(__VA_ARGS__), -1)
#define error_prefix(...) (error_prefix(__VA_ARGS__), -1)
