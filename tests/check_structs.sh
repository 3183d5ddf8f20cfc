#!/bin/sh
# check_structs.sh - no struct of a header has more than 64 kB: what grows with its contents is allocated by
# what is there, so that a struct can lie on the stack of a thread. (tests/program/check_static.sh holds the
# frames themselves.) The exceptions are tables of a fixed size that are allocated:
# jpeg_stream (all codes of 16 bits, eight times), and the phantom's anatomy with the lattice of its noise.
most=65536
work=$(mktemp -d "${TMPDIR:-/tmp}/nephron_structs_XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
# The struct shape of the phantom is another one than the graph's: a program of its own.
headers=$(find tensor io nn fl apps -name '*.h' | grep -vE '_template|/vec/|apps/web|tensor/conv/winograd_transforms|tensor/winograd/int16' | sort)
ask() { # headers
    for header in "$@"; do echo "#include \"$header\""; done
    printf '#include <stdio.h>\nint main(void)\n{\n'
    sed -n 's/^struct \([a-z0-9_]*\) {.*/\1/p' "$@" | sort -u |
        sed 's/.*/    printf("%zu &\\n", sizeof(struct &));/'
    echo "}"
}
ask $(printf '%s\n' $headers | grep -v apps/phantom/) >"$work/all.c"
ask $(printf '%s\n' $headers | grep apps/phantom/) >"$work/phantom.c"
for part in all phantom; do
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -I. -w -o "$work/$part" "$work/$part.c" 2>"$work/err" &&
        "$work/$part" >>"$work/sizes" ||
        { head -5 "$work/err"; failed=1; }
done
failed=${failed:-0}
passed=0
while read -r size name; do
    if [ "$size" -le $most ] ||
        expr " jpeg_stream lattice anatomy phantom_case " : ".* $name " \
        >/dev/null; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED struct $name has $size bytes"
    fi
done <"$work/sizes"
[ "$1" != list ] || sort -rn "$work/sizes" | head -n 40
echo "check_structs: $passed passed, $failed failed"
[ $failed -eq 0 ]
