#!/bin/sh
# check_killed_runs.sh - what a kill leaves of a run says what it is: checkpoint_best is of a round that
# checkpoint_latest knows, and in the end that of a run which was left alone; a fold that --overwrite was
# replacing is the old one, the new one or none; two predictions do not share a folder. Skipped where calls
# cannot be preloaded.
. tests/program/lib.sh
preload write "$nephron" info $data/dataset.json
enter_work
some_cases one 'NR <= 8'
tiny="--base-features 4 --batch 2 --threads 1 --no-validation --quiet"
kill_at() { # number, calls that count, command...
    number=$1
    calls=$2
    shift 2
    # (a shell of its own, so that this one does not tell of the kill)
    (FAIL_ONLY=$calls FAIL_KILL=1 FAIL_AT=$number FAIL_COUNT=count LD_PRELOAD=$work/fail.so "$@" >out 2>err
        exit $?) 2>/dev/null
}

# ---- the best ----------------------------------------------------------------------------------------------
rounds() { # of a checkpoint; 0: there is none
    grep -ao 'rounds_done[^0-9]*[0-9]*' "$1" 2>/dev/null | sed -n '1s/[^0-9]*//p' | grep . || echo 0
}
weights() { "$nephron" convert "$1" weights.npz >/dev/null && sha256sum <weights.npz; }
best() { # the options of a training
    check "a training" "$nephron" train one -o whole "$@"
    want=$(weights whole/fold_0/checkpoint_best.safetensors)
    of=$(rounds whole/fold_0/checkpoint_best.safetensors)
    [ "$of" -gt 1 ]
    ok "the best is of a later round than the first: $of" $?
    rm -rf cut && kill_at 0 rename "$nephron" train one -o cut "$@"
    total=$(cat count)
    number=9 # from the second epoch on
    while [ "$number" -le "$total" ]; do
        rm -rf cut
        kill_at "$number" rename "$nephron" train one -o cut "$@"
        of=$(rounds cut/fold_0/checkpoint_best.safetensors)
        at=$(rounds cut/fold_0/checkpoint_latest.safetensors)
        [ "$of" -le "$at" ]
        ok "killed at rename $number of $total: the best is of $of rounds, the latest of $at" $?
        check "it goes on" "$nephron" train --resume cut
        [ "$(weights cut/fold_0/checkpoint_best.safetensors)" = "$want" ]
        ok "killed at rename $number of $total: another best" $?
        number=$((number + 1))
    done
}
best $tiny --patch 8,8,8 --epochs 2 --iterations 3 --validation-batches 2 --augment 0 --oversample 1 \
    --optimizer adamw --lr 0.02 --seed 2

# ---- a fold that is replaced -------------------------------------------------------------------------------
hash_of() { last_hash "$1/fold_0/progress.csv"; }
replaced() { # command, options of both, those of the old run, those of the new
    command=$1 both=$2 old=$3 new=$4
    rm -rf old new
    check "the old run" "$nephron" $command one -o old $both $old
    check "the new one" "$nephron" $command one -o new $both $new
    cp -r old run && kill_at 0 rename,unlink "$nephron" $command one -o run $both $new --overwrite
    total=$(cat count)
    number=1
    while [ "$number" -le "$total" ]; do
        for way in resume plain; do
            rm -rf run && cp -r old run
            kill_at "$number" rename,unlink "$nephron" $command one -o run $both $new --overwrite
            what="$command --overwrite, killed at $number of $total, then $way"
            was=$(hash_of new)
            latest=run/fold_0/checkpoint_latest.safetensors
            if cmp -s old/fold_0/checkpoint_latest.safetensors $latest; then was=$(hash_of old)
            elif [ -e $latest ]; then return; fi # the new one's, which goes on as any
            if [ $way = resume ]; then "$nephron" $command --resume run >out 2>err
            else "$nephron" $command one -o run $both $new >out 2>err; fi
            code=$?
            if [ $code -eq 0 ]; then [ "$(hash_of run)" = "$was" ]
            else [ $code -eq 1 ] && grep -q "killed as it began\|is already trained" err; fi
            ok "$what: exit code $code, weights $(hash_of run), not $was: $(cat err)" $?
        done
        number=$((number + step))
    done
}
step=2
replaced train "--fold 0 $tiny --patch 8,8,8 --iterations 1 --validation-batches 0" "--epochs 1" \
    "--epochs 2 --seed 2"
step=5
replaced federate "--sites 2 --fold 0 --base-features 4 --batch 2 --threads 1 --no-validation --quiet \
    --patch 8,8,8 --local-iterations 1 --validation-batches 0" "--rounds 1" "--rounds 2 --strategy scaffold"

# Beside another fold the run stays one: its manifest is then that fold's.
some="$tiny --patch 8,8,8 --iterations 1 --validation-batches 0"
rm -rf old && check "a fold" "$nephron" train one -o old $some --epochs 1 --fold 1
check "another" "$nephron" train one -o old $some --epochs 1 --fold 0
check "the first fold's weights" "$nephron" convert old want.npz --fold 1
for number in 2 3 4 7; do
    rm -rf run && cp -r old run
    kill_at $number rename,unlink "$nephron" train one -o run $some --epochs 2 --fold 0 --overwrite
    "$nephron" convert run is.npz --fold 1 >out 2>err && cmp -s is.npz want.npz && [ -s run/manifest.json ] &&
        "$nephron" train --resume run --fold 1 >out 2>&1 && grep -q "trained to its end before" out
    ok "killed at $number, the other fold: $(cat err out)" $?
done

# ---- two predictions in one folder -------------------------------------------------------------------------
mkdir images && cp one/imagesTr/hippocampus_00[13]_0000.nii.gz images
"$nephron" predict whole -i images -o maps --threads 1 --quiet >out 2>err &
pid=$!
while [ ! -e maps/prediction.json ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -STOP $pid
refuses 1 "maps: process $pid is at work in this folder" "$nephron" predict whole -i images -o maps \
    --no-mirror --step 1 --quiet
refuses 1 "maps: process $pid is at work in this folder" "$nephron" predict --resume maps
kill -9 $pid
wait $pid 2>/dev/null
check "a killed prediction goes on" "$nephron" predict --resume maps --quiet
[ ! -e maps/.lock ] && grep -q '"finished": true' maps/prediction.json
ok "what two predictions left: $(ls -A maps)" $?

finish
