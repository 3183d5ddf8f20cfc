#!/bin/sh
# check_mpi.sh - nephron-mpi against the simulation: the same weights for any number of ranks, and after a rank was killed. Needs mpicc and
# mpirun (Open MPI or MPICH); where they are absent it says so.
command -v mpicc >/dev/null && command -v mpirun >/dev/null || { echo "check_mpi: skipped, there is no MPI here: 0 passed, 0 failed"; exit 0; }
make nephron nephron-mpi >/dev/null 2>&1 || { echo "check_mpi: nephron-mpi does not build: 0 passed, 1 failed"; exit 1; }
data=tests/data/hippocampus
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # Open MPI in a container; no other MPI reads them
mpirun --version 2>&1 | grep -qi 'open mpi\|open-mpi' && more="--oversubscribe" || more=""
passed=0
failed=0
ok() { # description, status
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1"; fi
}
ranks_below() { # the ranks among the children of a process, and theirs
    for child in $(pgrep -P "$1"); do
        case $(ps -o comm= -p $child) in nephron-mpi) echo $child ;; *) ranks_below $child ;; esac
    done
}
last_hash() { sed -n 's/.*,\([0-9a-f]\{16\}\)$/\1/p' "$1" | tail -n 1; }
options="--sites 5 --rounds 3 --local-iterations 3 --base-features 4 --patch 24,32,24 --batch 2 --no-validation --threads 1 --quiet"
./nephron federate $data -o "$work/one" $options
ok "simulation" $?
want=$(last_hash "$work/one/fold_0/progress.csv")
for n in 1 2 4; do
    timeout 120 mpirun $more -n $n ./nephron-mpi federate $data -o "$work/mpi$n" $options
    ok "$n ranks" $?
    [ "$(last_hash "$work/mpi$n/fold_0/progress.csv")" = "$want" ]
    ok "$n ranks give other weights" $?
done
# A rank that dies ends the run; another number of ranks goes on.
timeout 120 mpirun $more -n 3 ./nephron-mpi federate $data -o "$work/cut" $options --checkpoint-every 1 >/dev/null 2>&1 &
run=$!
while [ ! -f "$work/cut/fold_0/checkpoint_latest.safetensors" ] && kill -0 $run 2>/dev/null; do sleep 0.02; done
victim=$(ranks_below $run | tail -n 1)
[ -n "$victim" ] && kill -9 $victim
wait $run
[ $? -ne 0 ] || [ -f "$work/cut/fold_0/checkpoint_final.safetensors" ]
ok "a run whose rank was killed says that it is done" $?
timeout 120 mpirun $more -n 2 ./nephron-mpi federate $data -o "$work/cut" $options --resume
ok "resume" $?
[ "$(last_hash "$work/cut/fold_0/progress.csv")" = "$want" ]
ok "resumed with two ranks: other weights" $?
timeout 60 mpirun $more -n 2 ./nephron-mpi federate $data -o "$work/one" $options >"$work/out" 2>&1
[ $? -ne 0 ] && grep -q "already trained" "$work/out"
ok "a refused run is told, and no rank waits" $?
echo "check_mpi: $passed passed, $failed failed"
[ $failed -eq 0 ]
