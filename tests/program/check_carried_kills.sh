#!/bin/sh
# check_carried_kills.sh [KILLS [SEED]] - federations by carried files whose server and sites are killed at
# random moments of their steps; the same command again must end at the hash of the simulation. Every step of
# a federation is killed once, at a moment between its begin and its end as it was measured; federations are
# begun until KILLS kills (8) have met a running step. Every third one is masked (--secure). The moments
# follow from SEED (1).
. tests/program/lib.sh
kills=${1:-8}
seed=${2:-1}
enter_work

seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }

hits=0
tried=0
# Kills a command once, at a random moment of the milliseconds that it takes, then runs it to its end: 0 or 3.
step() { # milliseconds, command...
    draw
    delay=$(seconds $(($1 * drawn / 900)))
    shift
    tried=$((tried + 1))
    "$@" >/dev/null 2>&1 &
    pid=$!
    sleep "$delay"
    if kill -9 $pid 2>/dev/null && { wait $pid; [ $? -eq 137 ]; } 2>/dev/null; then hits=$((hits + 1)); fi
    "$@" >step.out 2>step.err
    code=$?
    [ $code -eq 0 ] || [ $code -eq 3 ] || { fail "$*: exit $code: $(cat step.err)" && return 1; }
}
federation() { # folder, stages of all rounds, options of init...
    fed=$1
    stages=$2
    shift 2
    step $init_time $nephron federate --as init -o $fed $sites "$@" --quiet || return 1
    while [ $stages -gt 0 ]; do
        for s in B C A; do
            step $site_time $nephron federate $s --as site $s -o $fed --state $fed.$s --quiet || return 1
        done
        step $server_time $nephron federate --as aggregate -o $fed --quiet || return 1
        stages=$((stages - 1))
    done
    step $server_time $nephron federate --as result -o $fed $fed.run --quiet
}
took() { # command...: its milliseconds, at least one
    began=$(now)
    "$@" || return 1
    spent=$(($(now) - began + 1))
}

mkdir -p all/imagesTr all/labelsTr
echo case,site >sites.csv
for c in 001 003 004 006 007 008; do
    case $c in 001 | 003 | 004) s=A ;; 006 | 007) s=B ;; *) s=C ;; esac
    for where in $s all; do
        mkdir -p $where/imagesTr $where/labelsTr
        cp $data/dataset.json $where
        cp $data/imagesTr/hippocampus_${c}_0000.nii.gz $where/imagesTr
        cp $data/labelsTr/hippocampus_$c.nii.gz $where/labelsTr
    done
    echo hippocampus_$c,$s >>sites.csv
done
options="--rounds 2 --local-iterations 2 --base-features 4 --patch 16,16,16 --batch 2 --threads 1"
for secure in "" --secure; do
    $nephron federate all -o sim$secure --sites sites.csv --fold all $options --no-validation --quiet $secure
    ok "simulation $secure" $?
done
$nephron plan all -o plans.json --base-features 4 --patch 16,16,16 --batch 2 --quiet
ok "a plan" $?
sites="--sites A,B,C $options --plans plans.json --dataset $data/dataset.json"

# How long each kind of step takes, on this machine, now.
site_time=1 server_time=1
took $nephron federate --as init -o timed $sites --quiet && init_time=$spent
for s in A B C; do
    took $nephron federate $s --as site $s -o timed --state timed.$s --quiet && site_time=$spent
done
took $nephron federate --as aggregate -o timed --quiet && server_time=$spent

n=0
while [ $hits -lt "$kills" ] && [ $n -lt $((kills + 10)) ]; do
    n=$((n + 1))
    secure= stages=2
    [ $((n % 3)) -eq 0 ] && secure=--secure stages=8
    federation FED$n $stages $secure
    ok "federation $n $secure: a step does not go on" $?
    got=$(last_hash FED$n/rounds.csv) want=$(last_hash sim$secure/fold_all/rounds.csv)
    [ -n "$got" ] && [ "$got" = "$want" ]
    ok "federation $n $secure: ends at $got, not at the simulation's $want" $?
    rm -rf FED$n FED$n.[ABC]
done
[ $hits -ge "$kills" ]
ok "only $hits of $tried kills met a running step" $?
finish ", $hits kills of $tried met a running step, $n federations"
