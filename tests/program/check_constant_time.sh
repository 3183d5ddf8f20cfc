#!/bin/sh
# check_constant_time.sh - no branch and no address in fl/privacy depends on a secret: constant_time.c under
# valgrind's memcheck, for each compiler and level of optimisation; two planted leaks must be found. Without
# valgrind and its header it checks nothing and says so. Run by check-all.
. tests/program/lib.sh

header='#include <valgrind/memcheck.h>'
if ! command -v valgrind >/dev/null || ! echo "$header" | ${CC:-cc} -E - >/dev/null 2>&1; then
    echo "skipped: valgrind is not installed"
    finish
    exit 0
fi
sources="tests/program/constant_time.c fl/privacy/chacha20.c fl/privacy/hkdf.c fl/privacy/randomness.c
fl/privacy/secure_common.c fl/privacy/shamir.c fl/privacy/x25519.c
io/base/bytes.c io/base/error.c io/base/sha256.c io/base/text.c tensor/base/check.c tensor/base/vmath.c"
options="-std=c11 -D_GNU_SOURCE -I. -gdwarf-4 -ffp-contract=off"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    for level in -O1 -O2 -O3; do
        what="$compiler $level"
        if ! $compiler $options $level $sources -o "$work/ct" -lm 2>"$work/log"; then
            fail "$what: does not build: $(head -n 3 "$work/log")"
            continue
        fi
        valgrind -q --error-exitcode=9 "$work/ct" >"$work/out" 2>"$work/log" && pass ||
            fail "$what: $(head "$work/log")"
        grep -q 'all secrets handled' "$work/out" && pass || fail "$what: did not come to its end"
        for leak in branch index; do
            valgrind -q --error-exitcode=9 "$work/ct" $leak >/dev/null 2>"$work/log"
            [ $? -eq 9 ] && pass || fail "$what: the planted $leak was not found"
        done
    done
done
finish
