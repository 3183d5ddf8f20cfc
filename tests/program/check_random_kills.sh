#!/bin/sh
# check_random_kills.sh [KILLS [SEED]] - train, federate, predict and study are killed (SIGKILL) at random
# moments, and what goes on from there is killed again, up to four times in a row, until KILLS (8) have met a
# running program; then it may end. After each kill no file under a real name is broken; at the end the
# weights, losses, label maps and tables are those of a run that was left alone, and no temporary file is
# left. The moments follow from SEED (1), between begin and end of the whole run as it was measured.
. tests/program/lib.sh
kills=${1:-8}
seed=${2:-1}
enter_work

# Two cases of two sites and a plan; images; a study's data.
mkdir -p data/imagesTr data/labelsTr mini/imagesTr mini/labelsTr images
for case in hippocampus_001 hippocampus_003; do
    cp "$data/imagesTr/${case}_0000.nii.gz" data/imagesTr/
    cp "$data/labelsTr/$case.nii.gz" data/labelsTr/
done
sed 's/"numTraining": *[0-9]*/"numTraining": 2/' "$data/dataset.json" >data/dataset.json
printf 'case,site\nhippocampus_001,a\nhippocampus_003,b\n' >data/sites.csv
for case in $(sed -n '2,17s/,.*//p' "$data/sites.csv"); do
    cp "$data/imagesTr/${case}_0000.nii.gz" mini/imagesTr/
    cp "$data/labelsTr/$case.nii.gz" mini/labelsTr/
done
for image in $(ls "$data/imagesTr" | head -n 8); do cp "$data/imagesTr/$image" images/; done
sed 's/"numTraining": *[0-9]*/"numTraining": 16/' "$data/dataset.json" >mini/dataset.json
sed -n '2,17s/,.*//p' "$data/sites.csv" |
    awk 'BEGIN { print "case,site" } { print $1 "," (NR % 2 ? "a" : "b") }' >mini/sites.csv

small="--base-features 4 --patch 16,16,16 --batch 1 --validation-batches 1 --no-validation --fold all \
    --quiet --threads 1"
# Both become the program that they start, so that whoever kills them kills it.
begin() { # what, folder: from the start
    case $1 in
    train) exec $nephron train data -o "$2" --epochs 4 --iterations 3 $small --overwrite ;;
    federate) exec $nephron federate data -o "$2" --sites data/sites.csv --strategy scaffold --rounds 4 \
        --local-iterations 2 $small --overwrite ;;
    predict) exec $nephron predict train.whole -i images -o "$2" --step 1 --no-mirror --quiet --threads 1 ;;
    study) exec $nephron study -o "$2" --data mini --task segment --rounds 2 --local-iterations 2 \
        --base-features 4 --patch-voxels 4096 --step 1 --seeds 1 --arms federated --quiet --threads 1 ;;
    esac
}
go_on() { # what, folder: from where it was killed
    case $1 in
    train | federate) if [ -e "$2/fold_all/checkpoint_latest.safetensors" ]; then
        exec $nephron "$1" --resume "$2"
    else begin "$@"; fi ;;
    predict) begin "$@" ;;
    study) if [ -e "$2/protocol.json" ]; then exec $nephron study --resume "$2"; else begin "$@"; fi ;;
    esac
}
results() { # what, folder: hashes of what must not depend on kills
    case $1 in
    train | federate) cut -d, -f1,2,3 "$2/fold_all/progress.csv"; last_hash "$2/fold_all/progress.csv" ;;
    predict) (cd "$2" && sha256sum ./*.nii.gz) ;;
    study)
        (cd "$2" && sha256sum cases.csv sites.csv predictions/*/*/*.nii.gz)
        for run in "$2"/runs/*/*; do last_hash "$run/progress.csv"; done
        ;;
    esac
}
readable() { # folder
    find "$1" -type f \( -name '*.json' -o -name '*.csv' -o -name '*.safetensors' -o -name '*.nii.gz' \) \
        ! -name '.*' >files
    [ ! -s files ] || xargs $nephron info <files >/dev/null 2>info.err
}

hits=0
turn() { # what: one run, killed up to four times, then to its end
    what=$1
    rm -rf cut
    step=begin
    in_a_row=0
    while [ $in_a_row -lt 4 ] && [ $hits -lt "$goal" ]; do
        draw
        "$step" "$what" cut >step.out 2>step.err &
        pid=$!
        sleep "$(awk "BEGIN { print $took * $drawn / 1000000 }")"
        kill -9 $pid 2>/dev/null
        { wait $pid; code=$?; } 2>/dev/null
        [ $code -eq 137 ] || break
        hits=$((hits + 1))
        in_a_row=$((in_a_row + 1))
        step=go_on
        [ ! -d cut ] || readable cut
        ok "$what, kill $hits: a file is broken: $(head -c 300 info.err 2>/dev/null)" $?
    done
    (go_on "$what" cut) >step.out 2>step.err
    code=$?
    # one that had ended before the kill says so
    [ $code -eq 0 ] || grep -q 'nothing left\|is done\|has all' step.err step.out
    ok "$what after $in_a_row kills: exit code $code: $(head -c 300 step.err)" $?
    results "$what" cut >cut.results 2>&1
    same "$what after $in_a_row kills: other results" "$what.results" cut.results
    [ -z "$(find cut -name '*.tmp-nephron')" ]
    ok "$what after $in_a_row kills: temporary files are left: $(find cut -name '*.tmp-nephron' | head -n 3)" $?
}

part=0
for what in train federate predict study; do
    start=$(now)
    (begin $what $what.whole) >step.out 2>step.err
    ok "$what: $(head -c 300 step.err)" $?
    took=$(($(now) - start))
    results $what $what.whole >$what.results
    part=$((part + 1))
    goal=$((kills * part / 4))
    turns=0
    while [ $hits -lt $goal ] && [ $turns -lt $((4 * kills)) ]; do
        turns=$((turns + 1))
        turn $what
    done
done
[ $hits -eq "$kills" ]
ok "$hits kills met a running program, not $kills" $?
finish ", $hits kills"
