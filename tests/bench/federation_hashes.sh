#!/bin/sh
# federation_hashes.sh - one table for docs/bridges.md: the weights after every round by nephron's simulation,
# over carried files, Open MPI, MPICH, Flower (SuperNodes, and its simulation in Ray) and NVFlare, for a U-Net
# by fedavg and scaffold, a classifier with covariates and one by fedadam. FLWR: folder of Flower's programs;
# PYTHON: one with nvflare, and numpy. What is not here is "not run" in the table. Some minutes on two cores.
make -s nephron libnephron.so >/dev/null 2>&1 ||
    { echo "federation_hashes: nephron does not build: 0 passed, 1 failed"; exit 1; }
python=${PYTHON:-python3}
. tests/bench/hospitals.sh
TABLE=$work/table
# Open MPI in a container; no other MPI reads them
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
carried() { # name, FED, fold, data of the sites in the order in which they answer...: NAME or NAME.npz
    name=$1 fed=$2 fold=$3
    shift 3
    bad=0
    for r in 0 1 2; do
        for s in "$@"; do
            $nephron federate "$s" --as site "$(basename "$s" .npz)" -o "$fed" --state "$name.state.$s" \
                --quiet || bad=1
        done
        $nephron federate --as aggregate -o "$fed" --quiet || bad=1
    done
    mkdir -p "$name.carried/fold_$fold" && cp "$fed/rounds.csv" "$name.carried/fold_$fold"
    ok "$name, carried: rounds" $bad
    note "$name" carried "$fold"
}
mpi() { # name, fold, arguments of federate...
    name=$1 fold=$2
    shift 2
    for kind in openmpi mpich; do
        [ -x "$kind/nephron-mpi" ] || continue
        more=
        [ $kind = openmpi ] && more=--oversubscribe
        timeout 300 mpirun.$kind $more -n 3 "$kind/nephron-mpi" federate "$@" -o "$name.$kind" --threads 1 \
            --no-validation --quiet
        ok "$name, $kind" $?
        note "$name" $kind "$fold"
    done
}
for kind in openmpi mpich; do # Debian's names, one beside the other
    command -v mpicc.$kind >/dev/null || continue
    mkdir $kind
    (cd "$top" && rm -f nephron-mpi && make -s nephron-mpi MPICC=mpicc.$kind >/dev/null 2>&1 &&
        mv nephron-mpi "$work/$kind")
    ok "nephron-mpi with $kind" $?
done

unets fedavg scaffold
classifiers "$python"
for strategy in fedavg scaffold; do
    cp -r FED_$strategy CARRIED_$strategy
    carried unet-$strategy CARRIED_$strategy all west north south
    mpi unet-$strategy all pooled --sites pooled/sites.csv --fold all $(unet_options $strategy)
done
covariates
cp -r FED_covariates CARRIED_covariates
carried covariates-fedavg CARRIED_covariates all west north south
mpi covariates-fedavg all pooled --sites pooled/sites.csv --fold all $covariates_options --covariates \
    age,volume,sex
cp -r FED_class CARRIED_class
carried resnet-fedadam CARRIED_class 0 east.npz coast.npz
mpi resnet-fedadam 0 few.npz --sites few.csv $resnet_options
cd "$top" || exit 1
others=
export TABLE
for script in flower_equal nvflare_equal; do
    sh tests/bench/$script.sh >"$work/log" 2>&1
    ok "$script" $?
    others="$others$(grep " passed, " "$work/log")
"
    grep FAILED "$work/log"
done
cd "$work" || exit 1
table nephron carried openmpi mpich SuperNodes Ray NVFlare
printf '%s' "$others"
echo "federation_hashes: $passed passed, $failed failed"
[ $failed -eq 0 ]
