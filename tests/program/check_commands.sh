#!/bin/sh
# check_commands.sh - every command on the smallest data there is, under a fault (FAULT), each call that can
# fail once:
#
#   malloc     an allocation has no memory
#   write      a write, rename, mkdir or fsync fails (ENOSPC, EIO)
#   kill       SIGKILL before a rename or fsync
#   readonly   the output's folder takes no file
#   none       nothing: for a program built with sanitizers, which look themselves
#   valgrind   nothing, under memcheck
#
# Asked of each: exit code 1 with a message, or the whole result; never an abort, never silence, no file
# broken under a real name, and the same command (a run's with --resume) then has the result of one that did
# not fail. `make check` tries a few calls of each command, check-all (CHECK_FAULTS) many or all. Skipped
# where calls cannot be preloaded (another libc, a static program).
. tests/program/lib.sh
fault=${FAULT:-none}
most=${CHECK_FAULTS:-6}
threads=${THREADS:-1}
under=
case $fault in
malloc | write) preload "$fault" $nephron info $data/dataset.json ;;
kill) preload write $nephron info $data/dataset.json && export FAIL_ONLY=rename,fsync FAIL_KILL=1 ;;
readonly) [ "$(id -u)" -ne 0 ] || under="setpriv --reuid nobody --clear-groups" ;;
valgrind) under="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect,possible" ;;
esac

# The results of a command are the files that "$keep" names in $work/out: each is there whole, or not at all.
whole() { # whether what lies in $work/out is what lies in $work/want, or a part of the files
    for file in $keep; do
        [ -e "$work/out/$file" ] || continue
        cmp -s "$work/out/$file" "$work/want/$file" || return 1
    done
}

# Whether every table, JSON and weights file under the results can be read, and none lies half written under a
# real name.
readable() {
    find "$work/out" -type f \( -name '*.json' -o -name '*.csv' -o -name '*.safetensors' -o -name '*.nii.gz' \
        \) ! -name '.*' >"$work/files"
    [ ! -s "$work/files" ] || xargs $nephron info <"$work/files" >/dev/null 2>"$work/err"
}

begin() { # what the command finds in $work/out: a copy of $base, where there is one
    rm -rf "$work/out"
    if [ -n "$base" ]; then cp -r "$base" "$work/out"; else mkdir "$work/out"; fi
}

# The same command again: --resume where a run began, else from the start; to the same files and weights.
again() { # command...
    more=
    if [ -n "$run" ]; then
        more=--resume
        [ -f "$work/out/run/fold_all/checkpoint_latest.safetensors" ] || more=--overwrite
    fi
    "$@" $more >/dev/null 2>"$work/err" && whole || return 1
    for file in $keep; do [ -e "$work/out/$file" ] || return 1; done
    [ -z "$run" ] || [ "$(last_hash "$work/out/run/fold_all/progress.csv")" = \
        "$(last_hash "$work/want/run/fold_all/progress.csv")" ]
}

under_fault() { # number, command...
    at=$1
    shift
    begin
    # (a shell of its own, so that this one does not tell of the kill)
    (FAIL_AT=$at LD_PRELOAD=$work/fail.so timeout 100 "$@" >/dev/null 2>"$work/err"; exit $?) 2>/dev/null
    code=$?
    what="$fault $at of $total, exit code $code"
    if [ $code -eq 137 ] && [ "$fault" = kill ]; then readable ||
        { fail "$what: '$(head -c 200 "$work/err")': $*"; return; }
    elif [ $code -gt 1 ] || { [ $code -eq 1 ] && [ ! -s "$work/err" ]; }; then
        fail "$what: '$(head -c 200 "$work/err")': $*"
        return
    fi
    if ! whole; then fail "$what: a result is broken: $*"
    elif [ $code -ne 0 ] && [ -n "$repeat" ] &&
        ! again "$@"; then fail "$what: not to be had again, '$(head -c 200 "$work/err")': $*"
    else pass; fi
}

sweep() { # command...: it writes to $work/out
    rm -rf "$work/want"
    begin
    case $fault in
    none | valgrind)
        $under "$@" >"$work/said" 2>"$work/err"
        code=$?
        grep -qE 'Sanitizer|runtime error|==[0-9]+==' "$work/err" && code=99
        ok "exit code $code: $*: $(head -c 2000 "$work/err")" $code
        return
        ;;
    readonly)
        chmod a=rx "$work/out"
        $under "$@" >/dev/null 2>"$work/err"
        code=$?
        chmod u+w "$work/out"
        [ $code -eq 1 ] && [ -s "$work/err" ] && [ -z "$(ls -A "$work/out")" ]
        ok "a folder that takes no file, exit code $code: $*: $(head -c 300 "$work/err")" $?
        return
        ;;
    esac
    FAIL_COUNT=$work/count LD_PRELOAD=$work/fail.so "$@" >/dev/null 2>"$work/err" ||
        { fail "without a failure: $(head -c 200 "$work/err"): $*"; return; }
    mv "$work/out" "$work/want"
    for file in $keep; do
        [ -e "$work/want/$file" ] || { fail "without a failure, $file is not there: $*"; return; }
    done
    total=$(cat "$work/count")
    [ "$total" -gt 0 ] || return # such as a kill at a rename of what writes nothing
    step=$(((total * weight + most - 1) / most)) # a command of greater weight takes longer
    number=$((step > total ? total / 2 + 1 : (step + 1) / 2))
    while [ "$number" -le "$total" ]; do
        under_fault $number "$@"
        number=$((number + step))
    done
}

# ---- two cases, one plan, one run, one classifier ----------------------------------------------------------
chmod a+rx "$work"
mkdir -p "$work/data/imagesTr" "$work/data/labelsTr" "$work/images"
for case in hippocampus_001 hippocampus_003; do
    cp $data/imagesTr/${case}_0000.nii.gz "$work/data/imagesTr/"
    cp $data/labelsTr/$case.nii.gz "$work/data/labelsTr/"
done
cp $data/imagesTr/hippocampus_001_0000.nii.gz "$work/images/"
sed 's/"numTraining": *[0-9]*/"numTraining": 2/' $data/dataset.json >"$work/data/dataset.json"
printf 'case,site\nhippocampus_001,a\nhippocampus_003,b\n' >"$work/data/sites.csv"
tiny="--batch 1 --validation-batches 1 --no-validation --quiet --threads $threads --fold all"
$nephron train "$work/data" -o "$work/run" --base-features 4 --patch 8,8,8 --epochs 1 --iterations 1 $tiny ||
    fail "a tiny training"
plans="--plans $work/run/plans.json"
$nephron predict "$work/run" -i "$work/images" -o "$work/maps" --step 1 --no-mirror --probabilities --quiet \
    --threads 1 || fail "a tiny prediction"
mkdir "$work/reference"
cp $data/labelsTr/hippocampus_001.nii.gz "$work/reference/"
$nephron evaluate "$work/reference" "$work/maps" -o "$work/summary.json" >/dev/null ||
    fail "a tiny evaluation"

# ---- the commands ------------------------------------------------------------------------------------------
base= run= repeat=yes weight=1
[ "$fault" = readonly ] || { keep= repeat= &&
    sweep $nephron info "$work/data/dataset.json" "$work/maps/hippocampus_001.nii.gz" "$work/run" &&
    repeat=yes; }
keep=summary.json
sweep $nephron evaluate "$work/reference" "$work/maps" -o "$work/out/summary.json"
keep=compare.json
sweep $nephron compare "$work/summary.json" "$work/summary.json" --json "$work/out/compare.json"
keep=weights.npz
sweep $nephron convert "$work/run/fold_all/checkpoint_final.safetensors" "$work/out/weights.npz"
keep=map.nrrd
sweep $nephron convert "$work/maps/hippocampus_001.nii.gz" "$work/out/map.nrrd"
keep=hippocampus_001.nii.gz
cp -r "$work/maps" "$work/maps2"
sweep $nephron ensemble "$work/maps" "$work/maps2" -o "$work/out" --overwrite --quiet
sweep $nephron predict "$work/run" -i "$work/images" -o "$work/out" --step 1 --no-mirror --quiet --threads \
    $threads
keep="network/network.c network/main.c network/weights.bin"
sweep $nephron export "$work/run" "$work/out/network" --weights blob --quiet
keep=dataset.json
cp -r "$work/data" "$work/bare" && rm "$work/bare/dataset.json"
[ "$fault" = readonly ] || { base=$work/bare && sweep $nephron init "$work/out" --overwrite --quiet &&
    base=; }
keep=plans.json
weight=20 # a second each
sweep $nephron plan "$work/data" -o "$work/out/plans.json" --quiet
weight=2
run=yes
keep="run/plans.json run/dataset.json"
sweep $nephron train "$work/data" -o "$work/out/run" $plans --epochs 2 --iterations 1 $tiny
for strategy in fedavg scaffold fedadam; do # with no state, with that of each site, with that of the server
    [ $strategy = fedavg ] || [ "$most" -gt 6 ] || break
    sweep $nephron federate "$work/data" -o "$work/out/run" $plans --sites "$work/data/sites.csv" --strategy \
        $strategy --rounds 2 --local-iterations 1 $tiny
done
run=

# Carried files, a step after the other; what a step finds is what the one before it has left.
carried() { # files that the step writes, the step...
    keep=$1
    shift
    base=$work/fed.base
    sweep $nephron federate "$@" --quiet --threads $threads
    begin
    $nephron federate "$@" --quiet --threads $threads >/dev/null 2>&1 || fail "a step of carried files: $*"
    rm -rf "$work/fed.base" && mv "$work/out" "$work/fed.base"
}
if [ "$fault" != readonly ]; then
    fed=$work/out/fed
    mkdir "$work/fed.base"
    carried fed/fingerprint/a.json "$work/data" --as fingerprint a -o "$fed"
    carried "fed/federation.json fed/round_0000/global.safetensors" --as init -o "$fed" --sites a,b --rounds \
        1 --local-iterations 1 $plans --dataset "$work/data/dataset.json" \
        --batch 1 --validation-batches 1
    for site in a b; do
        carried fed/round_0000/$site.safetensors "$work/data" --as site $site -o "$fed" --sites \
            "$work/data/sites.csv" --state "$work/out/state.$site"
    done
    carried fed/round_0001/global.safetensors --as aggregate -o "$fed"
    carried run/plans.json --as result -o "$fed" "$work/out/run"
    base=
fi

# A classifier.
keep=predictions.csv
$nephron train tests/data/adrenalmnist3d/adrenalmnist3d.npz -o "$work/classifier" --task classify --depth 10 \
    --base 4 --epochs 1 --iterations 1 --batch 2 \
    --validation-batches 1 --crop 8,8,8 --quiet --threads 1 || fail "a tiny classifier"
weight=40
sweep $nephron predict "$work/classifier" -i tests/data/adrenalmnist3d/adrenalmnist3d.npz -o "$work/out" \
    --quiet --threads $threads

# A study that has trained: reading, results, tables and report are made again. Each run of it takes more than
# a second. The sites are of 6 and 12 cases, so that the two test cases are one of each class.
case $fault in
malloc | none | valgrind) ;;
*) [ "$most" -gt 6 ] || { finish; exit; } ;;
esac
first_slices() { # image, image.nii.gz: the first 12 slices; memcheck makes a call of each product
    $nephron convert "$1" "$work/cut.nii" >/dev/null &&
        printf '\014\000' | dd of="$work/cut.nii" bs=1 seek=46 conv=notrunc 2>/dev/null &&
        $nephron convert "$work/cut.nii" "$2" >/dev/null || fail "the first slices of $1"
}
mkdir -p "$work/mini/imagesTr" "$work/mini/labelsTr"
for case in $(sed -n '2,19s/,.*//p' $data/sites.csv); do
    first_slices $data/imagesTr/${case}_0000.nii.gz "$work/mini/imagesTr/${case}_0000.nii.gz"
    first_slices $data/labelsTr/$case.nii.gz "$work/mini/labelsTr/$case.nii.gz"
done
sed 's/"numTraining": *[0-9]*/"numTraining": 18/' $data/dataset.json >"$work/mini/dataset.json"
sed -n '2,19s/,.*//p' $data/sites.csv |
    awk 'BEGIN { print "case,label" } { print $1 "," int((NR - 1) / 2) % 2 }' >"$work/mini/labels.csv"
sed -n '2,19s/,.*//p' $data/sites.csv |
    awk 'BEGIN { print "case,site" } { print $1 "," (NR % 2 ? "a" : "b") }' >"$work/mini/sites.csv"
study="--data $work/mini --rounds 1 --local-iterations 1 --base-features 4 --patch-voxels 1000 --step 1 --class-rounds 1 \
    --class-iterations 1 --base 4 --crop 8,8,8 --class-batch 4 --seeds 1 --arms federated --quiet --threads $threads"
keep="cases.csv sites.csv predictions/classification/federated.csv"
if [ "$fault" != malloc ] && [ "$fault" != write ]; then # from its beginning
    weight=10
    again() {
        if [ -e "$work/out/protocol.json" ]; then $nephron study --resume "$work/out"; else "$@"; fi \
            >/dev/null 2>"$work/err" && whole
    }
    sweep $nephron study -o "$work/out" $study
    finish
    exit
fi
$nephron study -o "$work/study" $study && (cd "$work/study" && ls $keep >/dev/null)
ok "a tiny study of both tasks" $?
rm "$work/study/report.html"
base=$work/study
weight=10
sweep $nephron study --resume "$work/out"

finish
