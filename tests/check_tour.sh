#!/bin/sh
# check_tour.sh - what a new member of each table touches: for every member that there is, the files of the
# library and the program that name it. More than three for one (six for an instruction set level) is a
# failure, and so is a row that docs/tour.md has otherwise. `sh tests/check_tour.sh table` prints its table:
# the member with most files, and which these are. Comments do not count.
passed=0
failed=0
rows=

# What names a member because it chooses one, and would not name another: the defaults of the tasks, the
# recipes of --hours and of the study, what the benchmark compares, nnU-Net's key "dropout_op" in plans.json,
# loops that have a second form for AVX2, and kernels, which are a level's own files (16-bit Winograd has one
# level; int16_cut.c, which says where it is taken, counts). A format with a room of its own is that room.
choices='tensor/base/(rng_normals|vmath_many).c|nn/batch/deform.c|nn/train/task_[a-z]*.c|apps/training/budget.c|apps/command/cmd_study.c|apps/bench/.*|nn/planner/plans_json.c|tensor/.*_(amx|avx|neon|wasm|scalar).*|tensor/winograd/int16_[a-bd-z].*'
sources() { find tensor io nn fl apps -name '*.[ch]' | sort; }

# The sources without their comments.
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
for d in $(sources | sed 's,/[^/]*$,,' | sort -u); do mkdir -p "$bare/$d"; done
awk -v to="$bare" 'FNR == 1 { if (out) close(out); out = to "/" FILENAME; inside = 0 }
    { line = $0; kept = ""
      while (line != "")
          if (inside) {
              at = index(line, "*/")
              line = at ? substr(line, at + 2) : ""
              inside = !at
          } else {
              at = index(line, "/*")
              kept = kept (at ? substr(line, 1, at - 1) : line)
              line = at ? substr(line, at + 2) : ""
              inside = at > 0
          }
      print kept > out }' $(sources)

# files PATTERN: those that name it, one a line.
files() {
    (cd "$bare" && grep -lE "$1" $(sources)) | grep -vxE "$choices" | sed 's,^io/tiff/.*,io/tiff,' | sort -u
}

# members TYPE: names of the descriptors of that type.
members() {
    grep -hoE "^const struct $1 [a-z_0-9]+ = " $(sources) | awk '{ print $(NF - 1) }' | sort -u
}

# row TITLE TEST LIMIT PATTERN...: a pattern a member.
row() {
    title=$1
    test=$2
    limit=$3
    shift 3
    most=0
    at=
    [ $# -gt 0 ] || { echo "FAILED $title: no member found"; failed=$((failed + 1)); return; }
    for pattern in "$@"; do
        found=$(files "$pattern")
        count=$(printf '%s\n' "$found" | grep -c .)
        if [ "$count" -ge 1 ] && [ "$count" -le "$limit" ]; then passed=$((passed + 1)); else
            failed=$((failed + 1))
            echo "FAILED $title $pattern: $count files, at most $limit:" $found
        fi
        if [ "$count" -gt "$most" ]; then
            most=$count
            at=$(printf '%s\n' $found | sed 's/.*/`&`/' | paste -sd, - | sed 's/,/, /g')
        fi
    done
    rows="$rows| $title | $# | $most | $at | $test |
"
}

word() { for w in $1; do printf '\\b%s\\b ' "$w"; done; }
# Networks, the classifier and the export's last layer call ops; the export as C names them by strings.
every=$choices
choices="$choices|nn/network/.*|nn/train/classifier.c|nn/device/device_export.c"
row "op" check_ops 3 \
    $(for op in $(members op); do n=${op%_op}; printf '\\b%s\\b|\\bop_%s\\b|\\{"%s" ' "$op" "$n" "$n"; done)
choices=$every
row "loss" check_train 3 \
    $(word "$(sed -n 's/^static const struct loss_method//p' nn/optimize/losses.c |
        grep -oE '[a-z_]+ = ' | tr -d '= ')")
row "strategy" check_strategies 3 $(word "$(members strategy)")
# A number behind its name is a default of the method, told where the method is not.
row "optimiser" check_optimizers 3 \
    $(for o in $(members optimizer_method); do
        printf '\\b%s\\b|\\b%s[[:space:]][0-9] ' "$o" "${o#optimizer_}"
    done)
row "learning-rate schedule" check_schedules 3 $(word "$(members schedule_method)")
row "network" check_networks 3 $(word "$(members network)")
row "metric" check_metric_table 3 \
    $(sed -n '/^static const struct metric table/,/^};/p' nn/measure/metric.c | grep -oE '^    \{"[A-Za-z_0-9]+"' | tr -d ' {')
row "image format" check_image_formats 3 $(word "$(members image_format)")
row "weights format" check_weights_formats 3 $(word "$(members weights_format)")
row "convolution algorithm" check_algorithms 3 $(word "$(members conv_algorithm)")
row "report section" check_study_program.sh 3 \
    $(word "$(sed -n '/^static const struct report_section/,/^};/p' apps/report/report.c | grep -oE 'report_[a-z]+}' | tr -d '}')")
# The kernels of a level are files of their own; what remains says that there is one: the level, its features,
# its tables of kernels, and its architecture where the level is all that this has.
level() { printf '\\bISA_%s\\b|\\bISA_FEATURES_%s\\b|\\b[a-z]+_kernels_%s\\b%s ' "$1" "$1" "$2" "$3"; }
row "instruction set level" "every kernel check" 6 $(level NEON neon '|\bISA_ARM64\b') \
    $(level SIMD128 wasm '|\bISA_WASM\b') $(level AVX2 avx2) $(level AVX512 avx512) \
    $(level AVX512_BF16 avx512bf16) $(level AMX amx)
if [ "$1" = table ]; then
    echo "| new | members | most files | of the one that has most | its test |"
    echo "|---|---|---|---|---|"
    printf '%s' "$rows"
else
    stale=$(printf '%s' "$rows" | while IFS= read -r line; do
        grep -qxF -- "$line" docs/tour.md || echo "$line"
    done)
    if [ -z "$stale" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED rows that docs/tour.md has not (sh tests/check_tour.sh table): $stale"
    fi
fi
echo "check_tour: $passed passed, $failed failed"
[ $failed -eq 0 ]
