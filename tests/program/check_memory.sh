#!/bin/sh
# check_memory.sh - every allocation of the commands fails once: exit code 1 and a message, or the whole result; never an abort, never silence,
# no file broken under a real name; and a training that ended so is resumed to the weights of one that did not. `make check` tries a few
# allocations of each command, check-all (CHECK_MEMORY_MOST) all of them. Skipped where malloc cannot be preloaded (another libc, a static program,
# sanitizers).
. tests/program/lib.sh
fault=${fault:-malloc}
most=${CHECK_MEMORY_MOST:-10}
preload $fault $nephron info $data/dataset.json

# The results of a command are the files that "$keep" names in $work/out: each is there whole, or not at all.
whole() { # whether what lies in $work/out is what lies in $work/want, or a part of the files
    for file in $keep; do
        [ -e "$work/out/$file" ] || continue
        cmp -s "$work/out/$file" "$work/want/$file" || return 1
    done
}

begin() { # what the command finds in $work/out: a copy of $base, where there is one
    rm -rf "$work/out"
    if [ -n "$base" ]; then cp -r "$base" "$work/out"; else mkdir "$work/out"; fi
}

sweep() { # command...: it writes to $work/out
    rm -rf "$work/want"
    begin
    FAIL_COUNT=$work/count LD_PRELOAD=$work/fail.so "$@" >/dev/null 2>"$work/err" || { fail "without a failure: $(head -c 200 "$work/err")"; return; }
    mv "$work/out" "$work/want"
    total=$(cat "$work/count")
    step=$(((total + most - 1) / most))
    at=1
    while [ "$at" -le "$total" ]; do
        begin
        FAIL_AT=$at LD_PRELOAD=$work/fail.so timeout 100 "$@" >/dev/null 2>"$work/err"
        code=$?
        if [ $code -gt 1 ] || { [ $code -eq 1 ] && [ ! -s "$work/err" ]; }; then
            fail "$fault $at of $total: exit code $code, '$(head -c 200 "$work/err")': $*"
        elif ! whole; then fail "$fault $at of $total: a result is broken: $*"
        elif [ -n "$resume" ] && [ $code -eq 1 ] && ! resumes "$@"; then fail "$fault $at of $total: not to be resumed, '$(head -c 200 "$work/err")': $*"
        else pass; fi
        at=$((at + step))
    done
}

# After the failure: --resume where a run began, else from the start; to the same weights.
resumes() {
    again=--resume
    [ -f "$work/out/run/fold_all/checkpoint_latest.safetensors" ] || again=--overwrite
    "$@" $again >/dev/null 2>"$work/err" || return 1
    [ "$(last_hash "$work/out/run/fold_all/progress.csv")" = "$(last_hash "$work/want/run/fold_all/progress.csv")" ]
}

# ---- two cases, one plan, one run ------------------------------------------------------------------------------------------
mkdir -p "$work/data/imagesTr" "$work/data/labelsTr" "$work/images"
for case in hippocampus_001 hippocampus_003; do
    cp $data/imagesTr/${case}_0000.nii.gz "$work/data/imagesTr/"
    cp $data/labelsTr/$case.nii.gz "$work/data/labelsTr/"
done
cp $data/imagesTr/hippocampus_001_0000.nii.gz "$work/images/"
sed 's/"numTraining": *[0-9]*/"numTraining": 2/' $data/dataset.json >"$work/data/dataset.json"
printf 'case,site\nhippocampus_001,a\nhippocampus_003,b\n' >"$work/data/sites.csv"
tiny="--batch 1 --validation-batches 1 --no-validation --quiet --threads 1 --fold all"
$nephron train "$work/data" -o "$work/run" --base-features 4 --patch 8,8,8 --epochs 1 --iterations 1 $tiny || fail "a tiny training"
plans="--plans $work/run/plans.json"
$nephron predict "$work/run" -i "$work/images" -o "$work/maps" --step 1 --no-mirror --quiet --threads 1 || fail "a tiny prediction"
mkdir "$work/reference"
cp $data/labelsTr/hippocampus_001.nii.gz "$work/reference/"
$nephron evaluate "$work/reference" "$work/maps" -o "$work/summary.json" >/dev/null || fail "a tiny evaluation"

# ---- the commands --------------------------------------------------------------------------------------------------------------
base=
resume=
keep=summary.json
sweep $nephron evaluate "$work/reference" "$work/maps" -o "$work/out/summary.json"
keep=compare.json
sweep $nephron compare "$work/summary.json" "$work/summary.json" --json "$work/out/compare.json"
keep=weights.npz
sweep $nephron convert "$work/run/fold_all/checkpoint_final.safetensors" "$work/out/weights.npz"
keep=hippocampus_001.nii.gz
sweep $nephron predict "$work/run" -i "$work/images" -o "$work/out" --step 1 --no-mirror --quiet --threads 1
keep=plans.json
[ "$most" -le 100 ] || sweep $nephron plan "$work/data" -o "$work/out/plans.json" # a second each
resume=yes
keep="run/plans.json run/dataset.json run/splits_final.json"
sweep $nephron train "$work/data" -o "$work/out/run" $plans --epochs 2 --iterations 1 $tiny
sweep $nephron federate "$work/data" -o "$work/out/run" $plans --sites "$work/data/sites.csv" --rounds 2 --local-iterations 1 $tiny

[ "$fault" = malloc ] || [ "$most" -gt 100 ] || { finish; exit; }
# A study that has trained: reading, results, tables and report are made again. Each run of it takes more than a second.
mkdir -p "$work/mini/imagesTr" "$work/mini/labelsTr"
for case in $(sed -n '2,19s/,.*//p' $data/sites.csv); do
    cp $data/imagesTr/${case}_0000.nii.gz "$work/mini/imagesTr/"
    cp $data/labelsTr/$case.nii.gz "$work/mini/labelsTr/"
done
sed 's/"numTraining": *[0-9]*/"numTraining": 18/' $data/dataset.json >"$work/mini/dataset.json"
sed -n '2,19s/,.*//p' $data/sites.csv | awk 'BEGIN { print "case,label" } { print $1 "," int((NR - 1) / 2) % 2 }' >"$work/mini/labels.csv"
sed -n '2,19s/,.*//p' $data/sites.csv | awk 'BEGIN { print "case,site" } { print $1 "," (NR % 2 ? "a" : "b") }' >"$work/mini/sites.csv"
$nephron study -o "$work/study" --data "$work/mini" --rounds 1 --local-iterations 1 --base-features 4 --patch-voxels 8000 --step 1 --class-rounds 1 \
    --class-iterations 1 --base 4 --crop 8,8,8 --class-batch 4 --seeds 1 --arms federated --quiet --threads 1 || fail "a tiny study"
rm "$work/study/report.html"
most=$((most > 400 ? 400 : (most + 2) / 3))
base=$work/study
resume=
keep="cases.csv sites.csv predictions/classification/federated.csv"
sweep $nephron study --resume "$work/out"

finish
