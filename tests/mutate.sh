#!/bin/sh
# mutate.sh [N] [SEED] [FIRST] - plants N faults (default 40), one at a time, in kernels, statistics and
# readers, builds only the program of checks that should find it, tells of each whether it was found, and
# prints the share at the end. FIRST: the number of the first fault (default 1), to go on with a sample. A
# fault is an operator, a constant or a limit of a loop changed on a line of code; which ones is a function of
# SEED (default 1). Its file and the check are built with ASan and UBSan, which find what is written behind an
# array (CFLAGS= others). Works on a copy in build/mutate. What is not found is printed as a patch: a test is
# missing, or the fault changes nothing that can be seen (then it is one of docs/testing.md's).
n=${1:-40}
seed=${2:-1}
first=${3:-1}
root=$(pwd)
copy=$root/build/mutate
seconds=${SECONDS_MOST:-300} # a check that takes longer hangs: found
flags=${CFLAGS:--O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/nephron_mutate_XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT

# Files and the checks that are about them.
cat >"$tmp/pairs" <<'END'
nn/stats/stats_auc.c tests/unit/nn/check_stats tests/unit/nn/check_tests tests/unit/nn/check_auc
nn/stats/stats_auc_delong.c tests/unit/nn/check_stats tests/unit/nn/check_tests
nn/stats/stats_auc_interval.c tests/unit/nn/check_stats tests/unit/nn/check_auc tests/unit/apps/check_study
nn/stats/stats_bootstrap.c tests/unit/nn/check_stats tests/unit/nn/check_tests
nn/stats/stats_paired.c tests/unit/nn/check_stats tests/unit/nn/check_tests
nn/stats/stats_rank.c tests/unit/nn/check_stats tests/unit/nn/check_tests
nn/stats/stats_proportion.c tests/unit/nn/check_stats tests/unit/nn/check_tests
nn/stats/stats_calibration.c tests/unit/nn/check_stats tests/unit/nn/check_tests tests/unit/nn/check_auc
nn/stats/stats_distributions.c tests/unit/nn/check_stats tests/unit/nn/check_tests
nn/measure/surface.c tests/unit/nn/check_metrics
nn/measure/overlap.c tests/unit/nn/check_metrics
nn/prepare/resample.c tests/unit/nn/check_resample
io/pack/inflate.c tests/unit/io/check_pack
io/pack/deflate.c tests/unit/io/check_pack
io/base/json.c tests/unit/io/check_json
io/base/csv.c tests/unit/io/check_io
io/base/sha256.c tests/unit/io/check_pack
io/image/nifti.c tests/unit/io/check_formats tests/unit/io/check_geometry
io/image/nrrd.c tests/unit/io/check_images tests/unit/io/check_geometry
io/tiff/tiff.c tests/unit/io/check_image_formats
io/image/metaimage.c tests/unit/io/check_image_formats tests/unit/io/check_geometry
io/dicom/dicom.c tests/unit/io/check_dicom
io/weights/safetensors.c tests/unit/io/check_arrays
io/weights/pickle.c tests/unit/io/check_pth
tensor/direct/outer_walk.c tests/kernels/check_algorithms
tensor/direct/gather_walk.c tests/kernels/check_algorithms
tensor/elem/elem_norm.c tests/kernels/check_norm
tensor/elem/elem_loss.c tests/kernels/check_pooling_loss
tensor/elem/elem_pooling.c tests/kernels/check_pooling_loss
tensor/base/rng.c tests/unit/tensor/check_tensor
tensor/base/vmath.c tests/unit/tensor/check_tensor
nn/device/device_kernels.c tests/unit/nn/check_device
fl/base/exact_sum.c tests/unit/fl/check_strategies
fl/strategy/robust.c tests/unit/fl/check_strategies
fl/privacy/accountant.c tests/unit/fl/check_privacy
fl/privacy/x25519.c tests/unit/fl/check_ciphers
END

mkdir -p "$copy"
tar cf - Makefile README.md LICENSE tensor nn fl io apps tests docs build/device_sources.c \
    build/device_sources.o build/apps.a libnephron.a |
    tar xf - -C "$copy" # with the objects, so that one file is compiled a fault
cd "$copy" || exit 1

# A line of code with one fault in it: file, line number, new line. The choice is by a small generator, the
# same on every machine.
choose() { # number of the fault, file
    awk -v number="$1" -v seed="$seed" '
        function draw(n) { state = (state * 16807) % 2147483647; return int(state / 2147483647 * n) }
        BEGIN { state = (seed * 7919 + number * 104729) % 2147483646 + 1; for (i = 0; i < 5; i++) draw(2)
            changes = split("< -> <=@<= -> <@> -> >=@>= -> >@ + -> - @ - -> + @== -> !=@!= -> ==@&& -> ||@* -> / @+= -> -=@-= -> +=@++ -> --@ 0 -> 1@ 1 -> 2@0.5 -> 0.25@ 2 -> 3@continue; -> break;@>> -> <<@<< -> >>", change, "@") }
        { text[NR] = $0; code = $0; sub(/\/\/.*|\/\*.*/, "", code)
          if ($0 ~ /^[ \t]/ && code ~ /;|\{|\)$/ &&
              code !~ /"|^ *\*|error_set|#|ASSERT|ENSURE|sizeof|alloc\(/ &&
              code !~ /out of memory/) line[++lines] = NR }
        END {
            for (try = 0; try < 400; try++) {
                at = line[1 + draw(lines)]
                split(change[1 + draw(changes)], pair, " -> ")
                k = pair[1] == "" ? 0 : index(text[at], pair[1]); if (!k) continue
                before = substr(text[at], k - 1, 1); after = substr(text[at], k + length(pair[1]), 1)
                if (pair[1] ~ /^[<>]$/ && (after ~ /[<>=]/ || before ~ /[-<>]/)) continue
                if (pair[1] ~ /[0-9]$/ && after ~ /[0-9.xuU]/) continue
                if (pair[1] == "*" && before !~ / /) continue
                printf "%d\n%s%s%s\n", at, substr(text[at], 1, k - 1), pair[2], substr(text[at],
                    k + length(pair[1])); exit
            } }' "$2"
}

found=0
planted=0
pairs=$(wc -l <"$tmp/pairs")
for number in $(seq "$first" $((first + n - 1))); do
    set -- $(sed -n "$(((number * 13 + seed) % pairs + 1))p" "$tmp/pairs")
    file=$1
    shift
    checks=$*
    choose "$number" "$file" >"$tmp/choice"
    [ -s "$tmp/choice" ] || continue
    at=$(head -n 1 "$tmp/choice")
    cp -p "$file" "$tmp/whole"
    cp -p "${file%.c}.o" "$tmp/whole.o"
    awk -v at="$at" 'NR == FNR { if (NR == 2) fault = $0; next } FNR == at { print fault; next } { print }' \
        "$tmp/choice" "$tmp/whole" >"$file"
    if make -s $checks CFLAGS="$flags" CC="${CC:-cc}" >"$tmp/log" 2>&1; then
        planted=$((planted + 1))
        missed=1
        for check in $checks; do timeout "$seconds" "$check" >"$tmp/log" 2>&1 || missed=0; done
        if [ $missed -eq 1 ]; then
            echo "$number: not found by $checks:"
            diff "$tmp/whole" "$file" | sed "s|^[0-9].*|$file:&|"
        else
            found=$((found + 1))
            echo "$number: found in $file, line $at"
        fi
    fi # else: it does not compile, which finds it too, but is no fault of this kind
    # The archive keeps the fault until the next one's file has another time than it.
    cp -p "$tmp/whole" "$file"
    cp -p "$tmp/whole.o" "${file%.c}.o"
done
rm -f libnephron.a build/apps.a
echo "mutate: $found of $planted planted faults found (seed $seed)"
