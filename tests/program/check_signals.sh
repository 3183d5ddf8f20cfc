#!/bin/sh
# check_signals.sh [TURNS] - SIGINT and SIGTERM at many moments of train, federate (simulation and --as site)
# and predict: the exit code says the signal, --resume ends at the weights of the run that was left alone, no
# file is half written.
. tests/program/lib.sh
turns=${1:-1}

losses() { cut -d, -f1,2,3 "$1"; }

# Waits for a file, sends the signal after so many milliseconds; the exit code into $code.
signal_after() { # file, milliseconds, signal, command...
    file=$1
    wait_ms=$2
    number=$3
    shift 3
    "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    while [ ! -e "$file" ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
    sleep "$(printf '0.%03d' "$wait_ms")"
    kill -"$number" $pid 2>/dev/null
    wait $pid
    code=$?
}

small="--base-features 4 --patch 16,16,16 --batch 2 --validation-batches 1 --no-validation --quiet \
    --threads 1"
for kind in train federate; do
    long="--epochs 2 --iterations 12 $small"
    [ $kind = federate ] &&
        long="--sites 3 --strategy scaffold --optimizer sgd --rounds 2 --local-iterations 4 \
            --parallel layers $small"
    $nephron $kind $data -o "$work/$kind" $long
    ok "$kind" $?
    turn=0
    stopped=0
    while [ $turn -lt "$turns" ]; do
        turn=$((turn + 1))
        run=$work/$kind.$turn
        number=$((turn % 2 ? 15 : 2))
        moment=$((turn * 911 / (turns + 1) % 900 / 4 + 20))
        while
            signal_after "$run/manifest.json" $moment $number $nephron $kind $data -o "$run" $long
            [ $code -eq 0 ] && [ $moment -gt 0 ] # it was faster: again, and sooner
        do
            rm -rf "$run"
            moment=$((moment / 2))
        done
        if [ $code -eq 0 ]; then continue; fi
        stopped=$((stopped + 1))
        [ $code -eq $((128 + number)) ]
        ok "$kind: exit code $code after signal $number" $?
        grep -q "$kind --resume $run --fold 0\`" "$work/err"
        ok "$kind: stderr does not say how to go on: $(cat "$work/err")" $?
        [ -z "$(find "$run" -name '*.tmp*')" ]
        ok "$kind: half a file" $?
        $nephron $kind $data -o "$run" $long >/dev/null 2>&1
        [ $? -eq 1 ]
        ok "$kind: a stopped run is begun anew without a word" $?
        $nephron $kind --resume "$run"
        ok "$kind --resume" $?
        [ "$(last_hash "$run/fold_0/progress.csv")" = "$(last_hash "$work/$kind/fold_0/progress.csv")" ]
        ok "$kind: other weights after signal $number in turn $turn" $?
        losses "$run/fold_0/progress.csv" >"$work/a"
        losses "$work/$kind/fold_0/progress.csv" >"$work/b"
        cmp -s "$work/a" "$work/b"
        ok "$kind: other losses after signal $number in turn $turn" $?
        [ -z "$(find "$run" -name '*paused*')" ]
        ok "$kind: a pause is left" $?
    done
    [ $stopped -gt 0 ]
    ok "$kind was never stopped" $?
done

# Within the validation after an epoch: it stops there, and --resume makes it again. A signal that came before
# it is another turn's.
long="--epochs 1 --iterations 2 $small --validation-batches 1000"
$nephron train $data -o "$work/validated" $long
ok "a long validation" $?
within=0
for wait_ms in 100 200 300 500 700 900; do
    run=$work/validated.$wait_ms
    signal_after "$run/manifest.json" $wait_ms 15 $nephron train $data -o "$run" $long
    [ $code -eq 143 ] && [ -e "$run/fold_0/progress.csv" ] || continue
    within=1
    break
done
[ $within -eq 1 ] && awk -F, 'END { exit $5 != "" || NR != 2 }' "$run/fold_0/progress.csv"
ok "a signal within the validation: exit code $code, $(tail -n 1 "$run/fold_0/progress.csv")" $?
$nephron train --resume "$run"
ok "train --resume of a validation" $?
for of in "$run" "$work/validated"; do cut -d, -f1-5,7 "$of/fold_0/progress.csv" >"$of.progress"; done
same "a validation that was stopped" "$run.progress" "$work/validated.progress"

# Within the last validation of a classification: the same.
adrenal=tests/data/adrenalmnist3d/adrenalmnist3d.npz
long="--task classify --depth 10 --base 16 --epochs 1 --iterations 1 --batch 2 --validation-batches 0 \
    --quiet --threads 1"
$nephron train $adrenal -o "$work/classes" $long
ok "a classification" $?
run=$work/classes.stopped
signal_after "$run/fold_0/validation" 0 15 $nephron train $adrenal -o "$run" $long
[ $code -eq 143 ] && grep -q "train --resume $run" "$work/err" &&
    [ ! -e "$run/fold_0/validation/predictions.csv" ]
ok "a signal within the last validation: exit code $code: $(cat "$work/err")" $?
$nephron train --resume "$run"
ok "train --resume of a classification's last validation" $?
for part in validation test; do
    same "$part cases of a classification that was stopped" "$run/fold_0/$part/predictions.csv" \
        "$work/classes/fold_0/$part/predictions.csv"
done

# A second signal ends it at once, and so does one before the first step.
"$nephron" train $data -o "$work/twice" --epochs 50 --iterations 50 $small >/dev/null 2>"$work/err" &
pid=$!
while [ ! -e "$work/twice/manifest.json" ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -STOP $pid
kill -INT $pid
kill -TERM $pid
kill -CONT $pid
wait $pid
code=$?
[ $code -eq 130 ] || [ $code -eq 143 ]
ok "two signals: exit code $code" $?

# A site of carried files.
fed=$work/fed
{
    $nephron federate $data --as fingerprint A -o "$fed" --quiet &&
        $nephron federate --as init -o "$fed" --sites A --rounds 1 --local-iterations 60 --base-features 4 \
        --patch 16,16,16 --batch 2 --quiet
}
ok "a federation of one site" $?
cp -r "$fed" "$work/fed2"
$nephron federate $data --as site A -o "$work/fed2" --state "$work/state2" --quiet --threads 1
ok "the site" $?
signal_after "$work/state/site.json" 60 15 $nephron federate $data --as site A -o "$fed" --state \
    "$work/state" --quiet --threads 1
[ $code -eq 143 ] && [ ! -e "$fed/round_0000/A.safetensors" ] &&
    [ -e "$work/state/sites/A.paused.safetensors" ] && grep -q "goes on from there" "$work/err"
ok "a site that is stopped: exit code $code: $(cat "$work/err")" $?
$nephron federate $data --as site A -o "$fed" --state "$work/state" --quiet --threads 1
ok "a site that goes on" $?
for f in "$fed" "$work/fed2"; do $nephron federate --as aggregate -o "$f" --quiet; done
[ -n "$(last_hash "$fed/rounds.csv")" ] &&
    [ "$(last_hash "$fed/rounds.csv")" = "$(last_hash "$work/fed2/rounds.csv")" ]
ok "a site that was stopped gives other weights" $?

# predict: label maps that are there are whole, and the same.
mkdir "$work/images"
for f in $(ls $data/imagesTr | head -n 6); do cp "$data/imagesTr/$f" "$work/images/"; done
$nephron predict "$work/train" -i "$work/images" -o "$work/all" --no-mirror --quiet --threads 1
ok "predict" $?
signal_after "$work/some/$(ls "$work/all" | grep nii.gz | head -n 1)" 0 15 $nephron predict "$work/train" -i \
    "$work/images" -o "$work/some" --no-mirror --quiet --threads 1
[ $code -eq 143 ] && grep -q "label maps in $work/some are whole" "$work/err"
ok "predict that is stopped: exit code $code" $?
for f in "$work"/some/*.nii.gz; do
    cmp -s "$f" "$work/all/$(basename "$f")"
    ok "predict: $f is not whole" $?
done

finish
