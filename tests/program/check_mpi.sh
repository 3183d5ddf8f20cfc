#!/bin/sh
# check_mpi.sh - nephron-mpi against the simulation: the same weights for any number of ranks, and after a
# rank was killed. With each MPI that is here, under Debian's names beside each other (mpicc.openmpi,
# mpicc.mpich) or as plain mpicc; where there is none it says so.
. tests/program/lib.sh
names=
for name in openmpi mpich; do
    command -v mpicc.$name >/dev/null && command -v mpirun.$name >/dev/null && names="$names .$name"
done
[ -z "$names" ] && command -v mpicc >/dev/null && command -v mpirun >/dev/null && names=.
[ -n "$names" ] || { echo "check_mpi: skipped, there is no MPI here"; finish; exit 0; }
make nephron >/dev/null 2>&1 || { fail "nephron does not build"; finish; exit 1; }
# Open MPI in a container; no other MPI reads them
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

ranks_below() { # the ranks among the children of a process, and theirs
    for child in $(pgrep -P "$1"); do
        case $(ps -o comm= -p $child) in nephron-mpi) echo $child ;; *) ranks_below $child ;; esac
    done
}

options="--sites 5 --rounds 3 --local-iterations 3 --base-features 4 --patch 24,32,24 --batch 2 \
    --no-validation --threads 1 --quiet"
./nephron federate $data -o "$work/one" $options
ok "simulation" $?
want=$(last_hash "$work/one/fold_0/progress.csv")
try() { # the ending of mpicc and mpirun, or a point alone
    mpi=mpicc${1%.}
    mpirun=mpirun${1%.}
    here=$work/$mpi
    mkdir "$here"
    $mpirun --version 2>&1 | grep -qi 'open mpi\|open-mpi' && mpirun="$mpirun --oversubscribe"
    rm -f nephron-mpi # another's, maybe
    make nephron-mpi MPICC=$mpi >"$here/out" 2>&1 && mv nephron-mpi "$here"
    ok "$mpi: nephron-mpi does not build: $(tail -n 3 "$here/out")" $?
    for n in $counts; do
        timeout 120 $mpirun -n $n $here/nephron-mpi federate $data -o "$here/run$n" $options
        ok "$mpi: $n ranks" $?
        [ "$(last_hash "$here/run$n/fold_0/progress.csv")" = "$want" ]
        ok "$mpi: $n ranks give other weights" $?
    done
    NEPHRON_ISA=avx-2 timeout 120 $mpirun -n 2 $here/nephron-mpi federate $data -o "$here/isa" $options \
        >"$here/out" 2>&1
    [ $? -ne 0 ] && [ ! -e "$here/isa" ] && grep -q "NEPHRON_ISA is 'avx-2', must be one of" "$here/out"
    ok "$mpi: an instruction set that there is not" $?
    # A rank that dies ends the run; another number of ranks goes on.
    timeout 120 $mpirun -n 3 $here/nephron-mpi federate $data -o "$here/cut" $options --checkpoint-every 1 \
        >/dev/null 2>&1 &
    run=$!
    while [ ! -f "$here/cut/fold_0/checkpoint_latest.safetensors" ] && kill -0 $run 2>/dev/null; do
        sleep 0.02
    done
    victim=$(ranks_below $run | tail -n 1)
    [ -n "$victim" ] && kill -9 $victim
    wait $run
    [ $? -ne 0 ] || [ -f "$here/cut/fold_0/checkpoint_final.safetensors" ]
    ok "$mpi: a run whose rank was killed says that it is done" $?
    [ -n "$victim" ] && [ -s "$here/cut/fold_0/checkpoint_latest.safetensors" ]
    ok "$mpi: no checkpoint after a rank was killed" $?
    timeout 120 $mpirun -n 2 $here/nephron-mpi federate $data -o "$here/cut" $options --resume
    ok "$mpi: resume" $?
    [ "$(last_hash "$here/cut/fold_0/progress.csv")" = "$want" ]
    ok "$mpi: resumed with two ranks: other weights" $?
    timeout 60 $mpirun -n 2 $here/nephron-mpi federate $data -o "$work/one" $options >"$here/out" 2>&1
    [ $? -ne 0 ] && grep -q "already trained" "$here/out"
    ok "$mpi: a refused run is told, and no rank waits" $?
    timeout 60 $mpirun -n 2 $here/nephron-mpi federate $data --as fingerprint a -o "$here/fed" \
        >"$here/out" 2>&1
    [ $? -ne 0 ] && [ "$(grep -c 'is a step of one process' "$here/out")" -eq 1 ] && [ ! -e "$here/fed" ]
    ok "$mpi: a step between machines: $(head -n 1 "$here/out")" $?
}
counts='1 2 4' # ranks
for name in $names; do
    try $name
    counts=4 # what does not depend on the MPI has been seen
done
finish
