#!/bin/sh
# run_checks.sh CHECK... - runs each check (a program, or a script ending in .sh), adds up their closing lines
# "NAME: N passed, N failed", and ends with "N passed, N failed". A check that dies or has no closing line counts as one
# failure. JOBS of them run at a time (default: a processor each); what they say comes in the order of the arguments.
# Checks do not disturb each other: each writes to a folder of its own.
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
said=$(mktemp -d "${TMPDIR:-/tmp}/nephron_checks_XXXXXX") || exit 1
trap 'rm -rf "$said"' EXIT
passed=0
failed=0

# One check, for xargs: its number, its name. The status is there when all that it said is.
one='case $2 in
*.sh) sh "$2" ;;
*) "./$2" ;;
esac >"$0/$1.out" 2>&1 </dev/null
echo $? >"$0/$1.code"
mv "$0/$1.code" "$0/$1.status"'
number=0
for check in "$@"; do
    number=$((number + 1))
    echo "$number $check"
done | xargs -P "$jobs" -n 2 sh -c "$one" "$said" &

number=0
for check in "$@"; do
    number=$((number + 1))
    while [ ! -e "$said/$number.status" ] && kill -0 $! 2>/dev/null; do sleep 0.1; done
    status=$(cat "$said/$number.status" 2>/dev/null || echo 255)
    [ ! -e "$said/$number.out" ] || cat "$said/$number.out"
    last=$(tail -n 1 "$said/$number.out" 2>/dev/null)
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
wait
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
