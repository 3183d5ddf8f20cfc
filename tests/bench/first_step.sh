#!/bin/sh
# first_step.sh ROUNDS PROGRAM... - from the start of `nephron train` to its first step, of programs in turn:
# processor time of the first thread until learner_backward is entered, where gdb stops it, in seconds. The
# 40 cases of the sample, a plan given, one thread. Needs gdb with Python, and programs with symbols; Linux.
set -e
folder=$(mktemp -d "${TMPDIR:-/tmp}/nephron_first_step_XXXXXX")
trap 'rm -rf "$folder"' EXIT
rounds=$1
shift
"$1" plan tests/data/hippocampus -o "$folder/plans.json" --quiet
for round in $(seq "$rounds"); do
    for program in "$@"; do
        seconds=$(gdb -q -batch -ex 'set debuginfod enabled off' -ex 'break learner_backward' \
            -ex "run train tests/data/hippocampus -o $folder/run --plans $folder/plans.json --overwrite -j 1 \
                >/dev/null 2>&1" \
            -ex 'python print("T", open("/proc/%d/schedstat" % gdb.selected_inferior().pid).read())' \
            -ex kill "$program" 2>/dev/null | awk '$1 == "T" { printf "%.4f", $2 * 1e-9 }')
        echo "$round $program $seconds"
    done
done
