#!/bin/sh
# run_checks.sh CHECK... - runs each check (a program, or a script ending in .sh), adds up their closing lines
# "NAME: N passed, N failed", and ends with "N passed, N failed". A check that dies or has no closing line counts as one failure.
passed=0
failed=0
for check in "$@"; do
    case $check in
    *.sh) output=$(sh "$check" 2>&1) ;;
    *) output=$("./$check" 2>&1) ;;
    esac
    status=$?
    printf '%s\n' "$output"
    last=$(printf '%s\n' "$output" | tail -n 1)
    p=$(printf '%s\n' "$last" | sed -n 's/^[A-Za-z0-9_]*: \([0-9]*\) passed, [0-9]* failed.*/\1/p')
    f=$(printf '%s\n' "$last" | sed -n 's/^[A-Za-z0-9_]*: [0-9]* passed, \([0-9]*\) failed.*/\1/p')
    if [ -z "$p" ] || { [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; }; then
        echo "FAILED $check: exit code $status without a count of failures"
        p=${p:-0}
        f=$((${f:-0} + 1))
    fi
    passed=$((passed + p))
    failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
