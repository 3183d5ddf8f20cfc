#!/bin/sh
# first_step.sh ROUNDS DATASET PROGRAM... - from the start of `nephron train` to its first step, of programs
# in turn: processor time of all threads until learner_backward is entered, where gdb stops it, and beside it
# that of `nephron --version`, in seconds; then the medians. A plan is given; THREADS, else one thread. Needs
# gdb with Python, and programs with symbols; Linux.
set -e
folder=$(mktemp -d "${TMPDIR:-/tmp}/nephron_first_step_XXXXXX")
trap 'rm -rf "$folder"' EXIT
rounds=$1
data=$2
shift 2
"$1" plan "$data" -o "$folder/plans.json" --quiet

# seconds PROGRAM STOP ARGUMENTS: until gdb's STOP.
seconds()
{
    gdb -q -batch -ex 'set debuginfod enabled off' -ex "$2" -ex "run $3 >/dev/null 2>&1" \
        -ex 'python import glob' \
        -ex 'python task = glob.glob("/proc/%d/task/*/schedstat" % gdb.selected_inferior().pid)' \
        -ex 'python print("T", sum(int(open(t).read().split()[0]) for t in task))' \
        -ex kill "$1" 2>/dev/null | awk '$1 == "T" { printf "%.4f", $2 * 1e-9 }'
}

for round in $(seq "$rounds"); do
    for program in "$@"; do
        step=$(seconds "$program" 'break learner_backward' \
            "train $data -o $folder/run --plans $folder/plans.json --overwrite -j ${THREADS:-1}")
        version=$(seconds "$program" 'catch syscall exit_group' --version)
        echo "$round $program first step $step version $version" | tee -a "$folder/all"
    done
done
median()
{
    awk -v program="$1" -v field="$2" '$2 == program { print $field }' "$folder/all" | sort -n |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
for program in "$@"; do
    echo "median $program first step $(median "$program" 5) version $(median "$program" 7)"
done
