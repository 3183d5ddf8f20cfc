#!/bin/sh
# run_checks.sh CHECK... - runs each check (a program, a script ending in .sh, or a command of several words),
# adds up their closing lines "NAME: N passed, N failed" (", N skipped" too, and lines that begin with
# "skipped"), names those that took the most processor time, and ends with "N passed, N failed". A check that
# dies or has no closing line counts as one failure. JOBS of them run at a time (default: a processor each);
# what they say comes in the order of the arguments. LOG=FILE gets a line for each: seconds of processor time,
# passed, failed, skipped, the check, with a tab between. Checks do not disturb each other: each writes to a
# folder of its own.
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
said=$(mktemp -d "${TMPDIR:-/tmp}/nephron_checks_XXXXXX") || exit 1
trap 'rm -rf "$said"' EXIT
passed=0
failed=0
skipped=0

# One check, for xargs: its number; what is run stands in a file. The status is there when all that it said
# is; the last line of .time is the user and system time of what it started.
one='number=$1
what=$(cat "$0/$number.what")
case $what in
*" "*) eval "$what" ;;
*.sh) sh "$what" ;;
*) "./$what" ;;
esac >"$0/$number.out" 2>&1 </dev/null
echo $? >"$0/$number.code"
times >"$0/$number.time"
mv "$0/$number.code" "$0/$number.status"'
number=0
for check in "$@"; do
    number=$((number + 1))
    printf '%s\n' "$check" >"$said/$number.what"
    echo "$number"
done | xargs -P "$jobs" -n 1 sh -c "$one" "$said" &

number=0
for check in "$@"; do
    number=$((number + 1))
    while [ ! -e "$said/$number.status" ] && kill -0 $! 2>/dev/null; do sleep 0.1; done
    status=$(cat "$said/$number.status" 2>/dev/null || echo 255)
    [ ! -e "$said/$number.out" ] || cat "$said/$number.out"
    last=$(tail -n 1 "$said/$number.out" 2>/dev/null)
    p=$(printf '%s\n' "$last" | sed -n 's/^[A-Za-z0-9_]*: \([0-9]*\) passed, [0-9]* failed.*/\1/p')
    f=$(printf '%s\n' "$last" | sed -n 's/^[A-Za-z0-9_]*: [0-9]* passed, \([0-9]*\) failed.*/\1/p')
    s=$(grep -c '^skipped' "$said/$number.out" 2>/dev/null)
    skipped=$((skipped + ${s:-0}))
    if [ -z "$p" ] || { [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; }; then
        echo "FAILED $check: exit code $status without a count of failures"
        p=${p:-0}
        f=$((${f:-0} + 1))
    fi
    [ "$f" -eq 0 ] || echo "$check" >>"$said/red"
    passed=$((passed + p))
    failed=$((failed + f))
    took=$(tail -n 1 "$said/$number.time" 2>/dev/null | sed 's/s//g; s/m/ /g' |
        awk '{ printf "%.0f", 60 * ($1 + $3) + $2 + $4 }')
    printf '%s\t%s\t%s\t%s\t%s\n' "${took:-0}" "$p" "$f" "${s:-0}" "$check" >>"$said/log"
done
wait
[ -z "$LOG" ] || cat "$said/log" >"$LOG"
echo "the most processor time, of $(awk '{ s += $1 } END { printf "%.0f", s / 60 }' "$said/log") minutes:"
sort -rn "$said/log" | head -n "${SLOWEST:-8}" | awk -F'\t' '{ printf "%6d s %s\n", $1, $5 }'
[ ! -e "$said/red" ] || sed 's/^/red: /' "$said/red"
[ "$skipped" -eq 0 ] || echo "$skipped lines say what was skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
