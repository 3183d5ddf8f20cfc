#!/bin/sh
# check_carried.sh - federation by carried files: the hash of the simulation, whatever comes late, twice,
# damaged, from elsewhere or is killed. CHECK_ALL=1: of every strategy (STRATEGIES) with every other option;
# with FEW=1 every 17th of these combinations.
. tests/program/lib.sh
adrenal=$root/tests/data/adrenalmnist3d/adrenalmnist3d.npz
enter_work

# exit code, what stdout or stderr must say, command...
gives() {
    want=$1
    text=$2
    shift 2
    "$@" >out 2>err </dev/null
    code=$?
    [ "$code" -eq "$want" ] && cat out err | grep -q -- "$text"
    ok "exit $code (want $want), or no '$text': $*: $(head -n 3 out err)" $?
}

hash_of() { sed -n "s/^$2,global,.*,\([0-9a-f]\{16\}\)$/\1/p" "$1"; }

# ---- three hospitals, each with a folder of its own --------------------------------------------------------
mkdir A B C
for s in A B C; do
    mkdir $s/imagesTr $s/labelsTr
    cp $data/dataset.json $s
done
echo case,site >sites.csv
for c in 001 003 004 006 007 008 011 014 015; do
    case $c in 001 | 003 | 004 | 006) s=A ;; 007 | 008) s=B ;; *) s=C ;; esac
    cp $data/imagesTr/hippocampus_${c}_0000.nii.gz $s/imagesTr
    cp $data/labelsTr/hippocampus_$c.nii.gz $s/labelsTr
    echo hippocampus_$c,$s >>sites.csv
done
mkdir all all/imagesTr all/labelsTr
cp $data/dataset.json all
cp [ABC]/imagesTr/* all/imagesTr
cp [ABC]/labelsTr/* all/labelsTr
options="--rounds 2 --local-iterations 2 --base-features 4 --patch 16,16,16 --batch 2"
$nephron federate all -o sim --sites sites.csv --fold all $options --no-validation --quiet
ok "simulation" $?
whole=$(last_hash sim/fold_all/rounds.csv)

# ---- mistakes before it begins -----------------------------------------------------------------------------
for name in ../A A/x global "Uni Köln" con; do
    gives 1 "letters, digits\|taken by\|under Windows" $nephron federate A --as fingerprint "$name" -o FED
done
gives 2 "'' is no name" $nephron federate A --as fingerprint "" -o FED
[ ! -e FED ] && [ ! -e A.json ]
ok "a name that init would refuse is refused by its fingerprint, and nothing is written" $?
# An option that would change nothing is not passed over: who gives it believes in it.
gives 2 "--lr is not for --as site" $nephron federate A --as site A -o FED --lr 0.5
gives 2 "--secure is not for --as aggregate" $nephron federate --as aggregate -o FED --secure
gives 2 "--quorum is not for --as aggregate" $nephron federate --as aggregate -o FED --quorum 1
gives 2 "--dp is not for --as site" $nephron federate A --as site A -o FED --dp local
gives 2 "--rounds is not for --as fingerprint" $nephron federate A --as fingerprint A -o FED --rounds 4
gives 2 "--fine-tune is not for --as init" $nephron federate --as init -o FED --fine-tune 4
gives 2 "--seed is not for --as result" $nephron federate --as result -o FED run --seed 4
gives 1 "note: --no-validation changes nothing at --as init" $nephron federate --as init -o none/FED --no-validation
gives 2 "--quorum is for a step of --as" $nephron federate all -o no --sites sites.csv --quorum 2
for pair in "--dp:--dp-noise 2" "--dp-adaptive:--dp central --dp-rate 2" "--secure:--secure-range 2" "--compress topk:--compress int8 --compress-share 0.2" \
    "--strategy fedprox:--fedprox-mu 0.1" "--strategy krum:--strategy multikrum --krum-malicious 2" "--sites N:--partition dirichlet:0.3"; do
    gives 2 "changes nothing without ${pair%%:-*}" $nephron federate all -o no --sites sites.csv ${pair#*:}
done
[ ! -e no ]
ok "nothing was begun" $?

gives 1 "begun" $nephron federate A --as site A -o FED
mkdir empty
gives 1 "begun" $nephron federate --as aggregate -o empty
gives 1 "fingerprint" $nephron federate --as init -o FED --sites A,B,C $options
for s in A B C; do gives 0 "fingerprint of" $nephron federate $s --as fingerprint $s -o FED; done
gives 1 "A: is a dataset" $nephron federate --as init -o A --sites A,B $options
# What an attempt with the wrong data has left does not stay: its labels would be the network's.
cp -r FED wrong && sed 's/"Posterior": 2/"Posterior": 2, "Other": 3/' $data/dataset.json >wrong/dataset.json
$nephron federate --as init -o wrong $options --quiet && $nephron info wrong/round_0000/global.safetensors | grep -q '\[3\]  *decoder.seg_layers.0.bias'
ok "init over the dataset.json of an attempt" $?
gives 0 "round 1 of 2" $nephron federate A --as site A -o wrong --state wrong_A
# Four that agree at once, on different terms: one of them has agreed, and its task is that of its terms.
cp -r FED race && rm -rf race/round_0000
for i in 1 2 3 4; do $nephron federate --as init -o race $options --seed $i --quiet >race_$i 2>&1 & done
wait
[ "$(cat race_[1-4] | grep -c 'at work in\|another federation')" -eq 3 ]
ok "four init at once: $(cat race_[1-4])" $?
gives 0 "round 1 of 2" $nephron federate A --as site A -o race --state race_A
gives 0 "3 sites" $nephron federate --as init -o FED --sites C,A,B $options --quorum 2
gives 0 "3 sites" $nephron federate --as init -o FED --sites A,B,C $options --quorum 2
gives 1 "another federation" $nephron federate --as init -o FED --sites A,B,C $options --quorum 2 --lr 0.5
head -n 1 FED/site_shift.csv | grep -q '^channel,site,other,distance,distance_in_std$' &&
    [ "$(wc -l <FED/site_shift.csv)" -eq 4 ]
ok "site_shift.csv" $?
# Another fingerprint makes another plan: what was agreed on stays, its table too.
cp -r FED shifted && $nephron federate B --as fingerprint A -o shifted --quiet
gives 1 "another federation" $nephron federate --as init -o shifted --sites A,B,C $options --quorum 2
cmp -s FED/site_shift.csv shifted/site_shift.csv
ok "an init that is refused rewrites site_shift.csv" $?
gives 1 "no site D" $nephron federate A --as site D -o FED
gives 1 "fingerprint/A.json: is the fingerprint of other data" $nephron federate B --as site A -o FED # the wrong folder
cp -r FED pooled
gives 0 "round 1 of 2" $nephron federate all --as site A -o pooled --sites sites.csv --state pooled_A # its cases by name
sed 's/_007,B/_007,A/' sites.csv >moved.csv
pooled="federate all --as site A -o pooled --state pooled_A --sites"
gives 1 "of other cases of these data" $nephron $pooled moved.csv
gives 3 "has answered" $nephron $pooled sites.csv
gives 1 "is in FED, which is carried" $nephron federate A --as site A -o FED --state FED/A
ln -s FED link
gives 1 "which is carried" $nephron federate A --as site A -o FED --state link
[ ! -e FED/site.json ]
ok "no state in what is carried" $?
gives 0 "^  B  *no answer yet" $nephron info FED
gives 3 "waits for A, B, C" $nephron federate --as aggregate -o FED
gives 0 "round 1 of 2" $nephron federate C --as site C -o FED
gives 3 "has answered" $nephron federate C --as site C -o FED
gives 0 "round 1 of 2" $nephron federate A --as site A -o FED
gives 3 "waits for B" $nephron federate --as aggregate -o FED
gives 3 "waits for B" $nephron federate --as aggregate -o FED --deadline 2999-01-01T00:00
for time in tomorrow 2026-02-31T10:00 2026-01-01T24:00 2026-01-01T10:60 2026-13-01T10:00 \
    2026-01-01T10:00Z 2026-01-01 99999999999-01-01T00:00 -026-01-01T00:00; do
    gives 1 "deadline" $nephron federate --as aggregate -o FED --deadline=$time
done
gives 0 "^  A  *4 cases, 2 steps, loss" $nephron info FED
cp -r FED early
gives 0 "2 updates" $nephron federate --as aggregate -o early --deadline now
gives 0 "2 updates" sh -c \
    "rm -r early/round_0001; $nephron federate --as aggregate -o early --deadline 2020-01-01T00:00"
cp -r FED lonely && mv lonely/round_0000/C.safetensors lonely/round_0000/Z.safetensors
gives 1 "quorum is 2; missing: B, C; round_0000/Z.safetensors: no site" $nephron federate --as aggregate \
    -o lonely --deadline now
gives 0 "round 2 of 2" $nephron federate B --as site B -o early --state late_B # it missed a round
gives 0 "round 2 of 2" $nephron federate A --as site A -o early --state new_A # its state is lost
gives 0 "2 updates" $nephron federate --as aggregate -o early --deadline now
gives 0 "round 1 of 2" $nephron federate B --as site B -o FED
cp -r FED answered
# what one of them must say, command...: four of them, of which one does the work and the others are refused
# or wait
at_once() {
    said=$1
    shift
    for i in 1 2 3 4; do { "$@"; echo "exit $?"; } >at_once_$i 2>&1 & done
    wait
    cat at_once_[1-4] >at_once
    [ "$(grep -c "$said" at_once)" -eq 1 ] &&
        [ "$(grep -c 'is at work in\|has answered\|waits for' at_once)" -eq 3 ] &&
        [ "$(grep -c 'exit [013]$' at_once)" -eq 4 ]
    ok "four at once, $*: $(cat at_once)" $?
}
cp -r FED parallel
rm parallel/round_0000/B.safetensors
at_once "round 1 of 2, 2 cases" $nephron federate B --as site B -o parallel --state at_once_B
at_once "round 1 of 2: 3 updates, 0 refused" $nephron federate --as aggregate -o parallel
[ "$(hash_of parallel/rounds.csv 0)" = "$(hash_of sim/fold_all/rounds.csv 0)" ]
ok "four aggregates at once give the simulation's hash" $?

# ---- what is refused, by name ------------------------------------------------------------------------------
cp FED/round_0000/A.safetensors FED/round_0000/Z.safetensors # a stranger, and it waits for nobody
gives 0 "3 updates, 1 refused" $nephron federate --as aggregate -o FED
grep -q '^Z,round_0000/Z.safetensors,no site' FED/refused.csv
ok "a stranger is named" $?
[ "$(hash_of FED/rounds.csv 0)" = "$(hash_of sim/fold_all/rounds.csv 0)" ]
ok "round 1 has the simulation's hash" $?
cp -r FED mixed && cp early/round_0001/server.safetensors mixed/round_0001 # of another copy, of two answers
gives 1 "round_0001/server.safetensors: is of the weights" $nephron federate --as aggregate -o mixed
gives 1 "round_0001/server.safetensors: is of the weights" $nephron federate --as result -o mixed mixed_run
cp FED/round_0000/A.safetensors FED/round_0001/A.safetensors # replayed
gives 0 "^  A  *not sound: is of round 0" $nephron info FED
gives 0 "round 2 of 2" $nephron federate B --as site B -o FED
head -c 60000 FED/round_0001/B.safetensors >cut
cp FED/round_0001/B.safetensors good_B
cp cut FED/round_0001/B.safetensors
gives 0 "round 2 of 2" $nephron federate C --as site C -o FED
gives 1 "A.safetensors: .*round 0" $nephron federate --as aggregate -o FED
grep -q '^A,round_0001/A.safetensors,.*is of round 0' FED/refused.csv &&
    grep -q '^B,round_0001/B.safetensors,' FED/refused.csv && [ "$(wc -l <FED/refused.csv)" -eq 4 ]
ok "a replayed and a cut update are named" $?
# it finds its own answer of no use, and repeats it
gives 0 "round 2 of 2" $nephron federate A --as site A -o FED
cp good_B FED/round_0001/B.safetensors
printf '\001' | dd of=FED/round_0001/B.safetensors bs=1 seek=50000 conv=notrunc 2>/dev/null
gives 0 "2 updates, 1 refused" $nephron federate --as aggregate -o FED
grep -q '^B,round_0001/B.safetensors,.*damaged' FED/refused.csv
ok "a damaged update is named" $?
rm -r FED/round_0002
cp good_B FED/round_0001/B.safetensors
gives 0 "3 updates, 0 refused" $nephron federate --as aggregate -o FED
[ "$(last_hash FED/rounds.csv)" = "$whole" ]
ok "after everything the simulation's hash" $?
mkdir -p alone/round_0001 # the message alone is enough for a site
cp FED/round_0001/global.safetensors alone/round_0001
gives 0 "round 2 of 2" $nephron federate B --as site B -o alone --state nephron-B
cmp -s alone/round_0001/B.safetensors FED/round_0001/B.safetensors
ok "from the message alone a site gives the same answer" $?
gives 0 "^  B  *2 cases, 2 steps" $nephron info alone
gives 0 "complete" $nephron federate --as aggregate -o FED
gives 0 "complete" $nephron federate A --as site A -o FED
gives 0 "site tests: evaluated the weights after 2 of 2 rounds: Dice .* on 3 batches of patches of 2 cases" \
    $nephron federate B --as evaluate tests -o FED --validation-batches 3
gives 0 "after 1 of 2 rounds" $nephron federate B --as evaluate tests -o alone
gives 1 "would measure nothing" $nephron federate B --as evaluate tests -o alone --validation-batches 0
gives 1 "letters, digits" $nephron federate B --as evaluate 'te/sts' -o FED
# in another's name, of other weights, of numbers that cannot be
cp FED/round_0002/tests.json FED/round_0002/liar.json
sed 's/"tests"/"old"/' alone/round_0001/tests.json >FED/round_0002/old.json
sed 's/"tests"/"good"/; s/"metric": [^,]*/"metric": 1.5/' FED/round_0002/tests.json >FED/round_0002/good.json
head -c 20 FED/round_0002/tests.json >FED/round_0002/half.json
gives 0 "4 evaluations left out: good.json" $nephron federate --as result -o FED left
grep -q '^tests,2,' left/fold_all/evaluation.csv &&
    [ "$(wc -l <left/fold_all/evaluation.csv)" -eq "$(($(ls FED/round_0002/*.json | wc -l) - 2))" ]
ok "evaluations that do not belong there: $(cat left/fold_all/evaluation.csv)" $?
rm FED/round_0002/liar.json FED/round_0002/old.json FED/round_0002/good.json FED/round_0002/half.json
# a message of another round in the newest round's folder
cp -r FED swapped && cp FED/round_0001/global.safetensors swapped/round_0002
for step in "federate --as result -o swapped old" "federate B --as evaluate tests -o swapped" \
    "federate A --as site A -o swapped"; do
    gives 1 "round_0002/global.safetensors: is the task of round 1" $nephron $step
done
rm -r swapped/round_0002 && cp FED/round_0000/global.safetensors swapped/round_0001
gives 1 "round_0001/global.safetensors: is the task of round 0" $nephron federate --as aggregate -o swapped
# a server that was restored from an old copy
cp -r FED back && rm -r back/round_0002 back/round_0001 back/round_0000/A.safetensors
cp -r nephron-A back_A
gives 1 "set back" $nephron federate A --as site A -o back --state back_A
for names in "A,a" "con,B" "B,LPT1" "Global,B"; do
    gives 1 "case is not told\|under Windows\|taken by" $nephron federate --as init -o names --sites $names \
        $options --plans FED/plans.json --dataset $data/dataset.json
done
init() { # folder, options: the three sites agree on the plan that is there
    folder=$1
    shift
    $nephron federate --as init -o "$folder" --sites A,B,C $options --plans FED/plans.json --dataset \
        $data/dataset.json --quiet "$@"
}
rounds() { # folder, how many: each site answers, then the server takes what there is
    for r in $(seq "$2"); do
        for s in B C A; do $nephron federate $s --as site $s -o "$1" --state "$1_$s" --quiet; done
        $nephron federate --as aggregate -o "$1" --quiet
    done
}
init other --seed 2
ok "init from a plan" $?
$nephron federate A --as site A -o other --state other_A --quiet
cp other/round_0000/A.safetensors answered/round_0000/A.safetensors
gives 0 "2 updates, 1 refused" $nephron federate --as aggregate -o answered
grep -q '^A,round_0000/A.safetensors,.*another federation' answered/refused.csv
ok "an update of another federation is named" $?
rm other/round_0000/A.safetensors
gives 1 "another federation" $nephron federate A --as site A -o other # with the state of FED
cp FED/round_0000/global.safetensors other/round_0000/global.safetensors
gives 1 "another federation" $nephron federate B --as site B -o other --state other_B

# ---- what stays at a site ----------------------------------------------------------------------------------
$nephron federate all -o bn_sim --sites sites.csv --fold all $options --no-validation --quiet --strategy \
    fedbn &&
    init bn --strategy fedbn
ok "init with norms of each site's own" $?
rounds bn 2
for s in A B C; do
    gives 0 "complete.*; its own weights: bn_$s/sites/$s.own.safetensors" $nephron federate $s --as site $s \
        -o bn --state bn_$s
    cmp -s bn_$s/sites/$s.own.safetensors bn_sim/fold_all/sites/$s.own.safetensors
    ok "site $s keeps the simulation's weights" $?
done
# Where a run folder has the global ones, for predict.
$nephron federate --as result -o bn bn_run --quiet &&
    cp bn_A/sites/A.own.safetensors bn_run/fold_all/checkpoint_final.safetensors &&
    $nephron predict bn_run -i $data/imagesTr/hippocampus_001_0000.nii.gz -o bn.nii.gz --step 1 --no-mirror -q
ok "a site's own weights predict" $?

# ---- packed answers ----------------------------------------------------------------------------------------
$nephron federate all -o packed_sim --sites sites.csv --fold all $options --no-validation --quiet --compress \
    topk --compress-share 0.2 &&
    init packed --compress topk --compress-share 0.2
ok "init with packed answers" $?
rounds packed 2
[ -n "$(last_hash packed/rounds.csv)" ] &&
    [ "$(last_hash packed/rounds.csv)" = "$(last_hash packed_sim/fold_all/rounds.csv)" ]
ok "packed answers give the simulation's hash" $?
[ "$(wc -c <packed/round_0000/A.safetensors)" -lt $(($(wc -c <FED/round_0000/A.safetensors) / 2)) ]
ok "a packed answer is smaller" $?

# ---- differential privacy ----------------------------------------------------------------------------------
private="--dp local --dp-noise 2 --dp-clip 0.1 --dp-test-seed 5"
$nephron federate all -o private_sim --sites sites.csv --fold all $options --no-validation --quiet $private &&
    init private $private
ok "init with privacy" $?
for s in B C; do $nephron federate $s --as site $s -o private --state private_$s --quiet; done
gives 0 "; privacy: TEST SEED, NOT PRIVATE: local, noise 2, clip 0.1: " $nephron federate A --as site A \
    -o private --state private_A # the server is not trusted: who adds the noise says what noise
gives 0 "^  privacy  *TEST SEED, NOT PRIVATE: local, noise 2, clip 0.1$" $nephron info private
gives 0 "NOT PRIVATE: local, noise 2, clip 0.1: epsilon" $nephron federate --as aggregate -o private
[ "$(hash_of private/rounds.csv 0)" = "$(hash_of private_sim/fold_all/rounds.csv 0)" ]
ok "the same noise gives the simulation's hash" $?
gives 1 "equally" $nephron federate --as init -o central --sites A,B,C $options --dp central --plans \
    FED/plans.json --dataset $data/dataset.json

private="--fedavg-equal 1 --dp central --dp-noise 0.4 --dp-clip 0.02 --dp-adaptive --dp-test-seed 5"
$nephron federate all -o adaptive_sim --sites sites.csv --fold all $options --no-validation --quiet \
    $private &&
    init adaptive $private
ok "init with adaptive clipping" $?
rounds adaptive 2
[ -n "$(last_hash adaptive/rounds.csv)" ] &&
    [ "$(last_hash adaptive/rounds.csv)" = "$(last_hash adaptive_sim/fold_all/rounds.csv)" ]
ok "adaptive clipping gives the simulation's hash" $?
[ "$(sed -n 's/^1,global.*,,,\(.*\),[0-9a-f]*$/\1/p' adaptive/rounds.csv)" = \
    "$(sed -n 's/^1,global.*,,,\(.*\),[0-9a-f]*$/\1/p' adaptive_sim/fold_all/rounds.csv)" ] &&
    head -n 1 adaptive/rounds.csv | grep -q ',epsilon,clip,weight_hash$' &&
    grep -q '^1,global.*,[0-9.]*,0.02[0-9]*,' adaptive/rounds.csv
ok "epsilon and the norm of each round" $?
epsilons() { tr -d ' \n' <$1/manifest.json | grep -o '"epsilons":[^]]*]'; }
gives 0 "after 2 of 2" $nephron federate --as result -o adaptive adaptive_run
[ -n "$(epsilons adaptive_run)" ] && [ "$(epsilons adaptive_run)" = "$(epsilons adaptive_sim)" ] &&
    grep -q '"privacy": "TEST SEED, NOT PRIVATE: central, .*: epsilon .* after 2 rounds"' adaptive_run/manifest.json
ok "the manifest's epsilons: $(epsilons adaptive_run) $(epsilons adaptive_sim)" $?
cp -r adaptive_sim resumed
gives 0 "round 3/3 .*epsilon" $nephron federate all -o resumed --sites sites.csv --fold all $options \
    --no-validation $private --rounds 3 --resume
gives 1 "dp local" $nephron federate all -o no --sites sites.csv --fold all $options --dp local --dp-adaptive

# ---- secure aggregation ------------------------------------------------------------------------------------
$nephron federate all -o secure_sim --sites sites.csv --fold all $options --no-validation --quiet --secure
ok "secure aggregation in the simulation" $?
for pair in "median:--strategy median" "krum:--strategy krum" "scaffold:--strategy scaffold --optimizer sgd" \
    "topk:--compress topk" "0.5:--fraction 0.5"; do
    gives 1 "--secure.*\(${pair%%:*}\|--fraction\)" $nephron federate all -o no --sites sites.csv --fold all \
        $options ${pair#*:} --secure
done
gives 1 "beyond --secure-range 1e-06" $nephron federate all -o no --sites sites.csv --fold all $options \
    --no-validation --quiet --secure --secure-range 1e-6 --overwrite

for pair in sim:plain_variance packed_sim:compress_share adaptive_sim:clip_quantile \
    secure_sim:secure_range; do
    grep -q "\"${pair#*:}\"" ${pair%:*}/manifest.json
    ok "manifest.json of ${pair%:*} has no ${pair#*:}" $?
done
gives 1 "--quorum 1: of 3 sites" init masked --secure --quorum 1
gives 1 "--quorum 2 with --minimum 3" init masked --quorum 2 --minimum 3
gives 1 "--quorum 2 with --strategy bulyan, which needs the updates of 3" init masked --quorum 2 --strategy \
    bulyan --bulyan-malicious 0
gives 1 "--strategy median" init masked --secure --strategy median
init masked --secure --quorum 2
ok "init with secure aggregation" $?
stage() { # folder, sites: each answers, in this order, then the server
    for s in $2; do $nephron federate $s --as site $s -o $1 --state $1_$s >out 2>&1 || cat out; done
    $nephron federate --as aggregate -o $1 $3 >out 2>&1 || cat out
}
stage masked "B C A"
gives 0 "shares" $nephron federate B --as site B -o masked --state masked_B
gives 3 "shares are sent, waits" $nephron federate B --as site B -o masked --state masked_B
gives 0 "^  B  *shares" $nephron info masked
gives 0 "^  C  *no shares" $nephron info masked
cp masked/round_0000/B.shares.safetensors B_shares
rm masked/round_0000/B.shares.safetensors # lost on the way: the same bytes go again
gives 0 "shares" $nephron federate B --as site B -o masked --state masked_B
cmp -s B_shares masked/round_0000/B.shares.safetensors
ok "a lost message is repeated" $?
gives 3 "waits for A, C" $nephron federate --as aggregate -o masked
cp masked/round_0000/B.keys.safetensors masked/round_0000/C.shares.safetensors # not what it says
cp B_shares masked/round_0000/Z.shares.safetensors
gives 3 "waits for A" $nephron federate --as aggregate -o masked
grep -q '^C,round_0000/C.shares.safetensors,.*keys' masked/refused.csv &&
    grep -q '^Z,round_0000/Z.shares.safetensors,no site' masked/refused.csv
ok "a wrong message and a stranger's are named" $?
# Keys and shares; later also the state, which holds the update before it is masked.
owners() {
    ls -l masked_[ABC]/*.safetensors masked_[ABC]/sites/*.safetensors 2>/dev/null | cut -c 1-10 | sort -u
}
[ "$(owners)" = "-rw-------" ]
ok "secrets are their owner's alone: $(ls -l masked_[ABC])" $?
rm masked/round_0000/Z.shares.safetensors
stage masked "C A"
cp -r masked lost
for s in A B C; do cp -r masked_$s lost_$s; done
stage masked "C A B"
grep -q 'hidden' masked/round_0000/A.safetensors && ! grep -q 'conv' masked/round_0000/A.safetensors
ok "what leaves a site is masked" $?
ls masked_A/sites/A.*.safetensors >/dev/null && [ "$(owners)" = "-rw-------" ]
ok "so is the state that has the update as it was: $(ls -l masked_[ABC])" $?
stage masked "A C B"
for i in 1 2 3 4; do stage masked "A B C"; done
[ -n "$(last_hash masked/rounds.csv)" ] &&
    [ "$(last_hash masked/rounds.csv)" = "$(last_hash secure_sim/fold_all/rounds.csv)" ]
ok "masked rounds give the simulation's hash" $?
for s in A B C; do gives 0 "complete" $nephron federate $s --as site $s -o masked --state masked_$s; done
! ls masked_[ABC]/secure_* >out 2>/dev/null
ok "secrets stay after the last round: $(cat out)" $?
# B vanishes after its shares: its masks are rebuilt from them, and the mean is that of A and C.
stage lost "A C"
gives 3 "waits for B" $nephron federate --as aggregate -o lost
gives 0 "masked updates of 2 sites" $nephron federate --as aggregate -o lost --deadline now
gives 3 "came too late" $nephron federate B --as site B -o lost --state lost_B
gives 0 "reveal" $nephron federate C --as site C -o lost --state lost_C
gives 3 "waits for A" $nephron federate --as aggregate -o lost
gives 0 "reveal" $nephron federate A --as site A -o lost --state lost_A
gives 0 "2 updates" $nephron federate --as aggregate -o lost
[ "$(hash_of lost/rounds.csv 0)" != "$(hash_of masked/rounds.csv 0)" ]
ok "the mean of those that are left" $?
gives 0 "keys" $nephron federate B --as site B -o lost --state lost_B # and it is back in the next round

# ---- an answer that came too late: the site goes on from its state before it -------------------------------
init tardy --quorum 2 --strategy feddyn
rounds tardy 1 && rm -r tardy/round_0001 && mv tardy/round_0000/B.safetensors too_late
$nephron federate --as aggregate -o tardy --deadline now --quiet
$nephron federate B --as site B -o tardy --state tardy_B --quiet && mv tardy/round_0001/B.safetensors kept_B
$nephron federate B --as site B -o tardy --state fresh_B --quiet
same "the site's state has an answer that came too late" kept_B tardy/round_0001/B.safetensors

# ---- killed at any moment ----------------------------------------------------------------------------------
rm -rf killed state
init killed --quorum 2
step() { # kills the command once after a while, then runs it
    "$@" >/dev/null 2>&1 &
    pid=$!
    sleep 0.0$((delay % 10))
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    delay=$((delay + 3))
    "$@" >out 2>err
    code=$?
    [ $code -eq 0 ] || [ $code -eq 3 ]
}
delay=1
bad=0
for r in 0 1; do
    for s in B C A; do step $nephron federate $s --as site $s -o killed --state state/$s || bad=1; done
    step $nephron federate --as aggregate -o killed || bad=1
done
ok "steps that were killed and repeated" $bad
[ "$(last_hash killed/rounds.csv)" = "$whole" ]
ok "killed steps end at the simulation's hash" $?
init killed_masked --secure --quorum 2
bad=0
for r in 1 2 3 4 5 6 7 8; do
    for s in B C A; do
        step $nephron federate $s --as site $s -o killed_masked --state state_masked/$s || bad=1
    done
    step $nephron federate --as aggregate -o killed_masked || bad=1
done
ok "masked steps that were killed and repeated" $bad
[ "$(last_hash killed_masked/rounds.csv)" = "$(last_hash secure_sim/fold_all/rounds.csv)" ]
ok "killed masked steps end at the simulation's hash" $?
rm B/labelsTr/hippocampus_008.nii.gz B/imagesTr/hippocampus_008_0000.nii.gz
rm -r killed/round_0002 killed/round_0001/B.safetensors
gives 1 "other data" $nephron federate B --as site B -o killed --state state/B

# ---- the result is a run -----------------------------------------------------------------------------------
gives 0 "$whole" $nephron federate --as result -o FED run
gives 0 "$whole" $nephron federate --as result -o FED run
gives 0 "complete, 2 of 2" $nephron info FED
gives 1 "own folder" $nephron federate --as result -o FED FED
gives 1 "another training" $nephron federate --as result -o FED sim
weights=run/fold_all/checkpoint_final.safetensors
init drawn && init tuned --pretrained $weights && init tuned --pretrained $weights
ok "init with weights, twice" $?
gives 1 "another federation" init drawn --pretrained $weights
gives 1 "another federation" init tuned
gives 1 "another federation" init tuned --pretrained packed_sim/fold_all/checkpoint_final.safetensors
mkdir images && cp $data/imagesTr/hippocampus_001_0000.nii.gz images
for words in "federate --as result -o FED A" "train all -o A" "predict run -i images -o A"; do
    gives 1 "A: is a dataset" $nephron $words
    cmp -s A/dataset.json $data/dataset.json
    ok "the dataset's own file stays: $words" $?
done
grep -q '^tests,2,' run/fold_all/evaluation.csv
ok "a site that only evaluates stands in evaluation.csv" $?
$nephron predict run -i images -o predicted --step 1 --no-mirror --quiet &&
    [ -s predicted/hippocampus_001.nii.gz ]
ok "predict with the result" $?

# ---- classification, one table of sites, validation cases, moments at the server ---------------------------
small="--rounds 2 --local-epochs 1 --depth 10 --base 4 --batch 64 --crop 8,8,8"
printf 'case,site\n' >few.csv
i=0
while [ $i -lt 90 ]; do
    printf 'train_%04d,S%d\n' $i $((i % 3)) >>few.csv
    [ $i -ge 30 ] || printf 'val_%04d,S%d\n' $i $((i % 3)) >>few.csv
    i=$((i + 1))
done
$nephron federate $adrenal --as fingerprint S0 -o CL --quiet &&
    $nephron federate $adrenal --as fingerprint S1 -o CL --quiet
ok "fingerprints of classification" $?
$nephron federate --as init -o CL $small --strategy fedadam --fedadam-lr 0.01 --fold 0 --quiet
ok "init of classification" $?
for r in 0 1; do
    for s in S1 S0; do $nephron federate $adrenal --as site $s -o CL --sites few.csv --quiet || bad=1; done
    $nephron federate --as aggregate -o CL --quiet || bad=1
done
for s in S1 S0; do gives 0 "evaluated" $nephron federate $adrenal --as site $s -o CL --sites few.csv; done
ok "rounds of classification" $bad
gives 0 "after 2 of 2" $nephron federate --as result -o CL clrun
[ "$(wc -l <clrun/fold_0/evaluation.csv)" -eq 4 ] && grep -q '^0,global,60,[0-9.]*,[0-9.]*,' CL/rounds.csv
ok "evaluation at the sites" $?
# Cases of one class have no AUC: what was measured stands there all the same, as in the simulation's tables.
cp -r CL oneclass && sed -i 's/"metric": *[0-9.e-]*/"metric": NaN/' oneclass/round_0002/S1.json
$nephron federate --as result -o oneclass onerun >told
ok "result with an evaluation of one class" $?
! grep -q "left out" told && grep -q '^S1,10,,[0-9.]*$' onerun/fold_0/evaluation.csv &&
    [ "$(grep '^S0' onerun/fold_0/evaluation.csv | cut -d, -f2,3)" = \
        "$(grep '^global' onerun/fold_0/evaluation.csv | cut -d, -f2,3)" ]
ok "an evaluation of one class: $(cat told onerun/fold_0/evaluation.csv)" $?

# ---- gradients of single cases -----------------------------------------------------------------------------
of_cases="--rounds 1 --depth 10 --base 4 --batch 8 --crop 8,8,8 --dp sgd --dp-noise 1"
single="$of_cases --local-iterations 3"
for pair in "--norm group:--no-class-weights" "--no-class-weights:--norm group" \
    "--fine-tune:--norm group --no-class-weights --fine-tune 2" \
    "ditto:--norm group --no-class-weights --strategy ditto" \
    "qfedavg:--norm group --no-class-weights --strategy qfedavg"; do
    gives 1 "--dp sgd.*${pair%%:*}" $nephron federate $adrenal -o no --sites 3 $single --no-validation \
        ${pair#*:}
done
gives 1 "--dp sgd.*--local-epochs" $nephron federate $adrenal -o no --sites 3 $of_cases --no-validation \
    --norm group --no-class-weights --local-epochs 1
mkdir single && cp -r CL/fingerprint single
gives 0 "2 sites" $nephron federate --as init -o single --sites S0,S1 $single --norm group \
    --no-class-weights --fold 0 --dp-test-seed 4
for s in S1 S0; do
    $nephron federate $adrenal --as site $s -o single --sites few.csv --state single_$s --quiet
done
gives 0 "NOT PRIVATE: sgd, of each case, noise 1, clip 1: epsilon" $nephron federate --as aggregate -o single
! grep -q "of the sites that answered" out
ok "an epsilon of all sites: $(cat out)" $?
mkdir few && cp -r CL/fingerprint few
gives 0 "2 sites" $nephron federate --as init -o few --sites S0,S1 $single --norm group --no-class-weights \
    --fold 0 --dp-test-seed 4 --quorum 1
$nephron federate $adrenal --as site S1 -o few --sites few.csv --state few_S1 --quiet
gives 0 "epsilon .*, of the sites that answered" $nephron federate --as aggregate -o few --deadline now

# ---- options together --------------------------------------------------------------------------------------
told_of() { cut -d, -f1-4,9- "$1"; } # rounds.csv without what clocks and the sites' own measuring give
together() { # segment or classify, options: refused alike, or of the same rows, simulated and carried
    rm -rf both both_*
    kind=$1
    shift
    if [ $kind = segment ]; then
        where=all table=sites.csv sites="A B C" terms="--dataset $data/dataset.json"
        set -- --base-features 4 --patch 16,16,16 --batch 2 --plans FED/plans.json "$@"
    else
        where=$adrenal table=everyone.csv sites="S0 S1 S2" terms=
        mkdir both && cp -r CL/fingerprint both
        sed 's/"S1"/"S2"/' CL/fingerprint/S1.json >both/fingerprint/S2.json
        set -- --depth 10 --base 4 --batch 16 --crop 8,8,8 "$@"
    fi
    set -- --rounds 2 --local-iterations 1 "$@"
    $nephron federate "$where" -o both_sim --sites $table "$@" --no-validation --quiet 2>both_sim.err
    simulated=$?
    $nephron federate --as init -o both --sites "$(echo $sites | tr ' ' ,)" "$@" $terms --quiet 2>both.err
    ok "simulated: exit $simulated $(cat both_sim.err), init: $(cat both.err): $*" $(($? != simulated))
    if [ $simulated -ne 0 ]; then
        [ "$(sed -n '$s/.*: //p' both.err)" = "$(sed -n '$s/.*: //p' both_sim.err)" ]
        ok "refused as '$(cat both.err)', in the simulation as '$(cat both_sim.err)': $*" $?
        return
    fi
    case "$*" in *--secure*) stages=8 ;; *) stages=2 ;; esac
    for stage in $(seq $stages); do
        for s in $(echo $sites | tr ' ' '\n' | tac); do
            $nephron federate "$where" --as site $s -o both --sites $table --state both_$s --quiet 2>>both.err
        done
        $nephron federate --as aggregate -o both --quiet 2>>both.err
    done
    told_of both_sim/fold_*/rounds.csv >both_want
    told_of both/rounds.csv >both_got
    same "$* $(cat both.err)" both_want both_got
}
together segment --fold 0 --strategy scaffold --compress int8 --dp local --dp-test-seed 5
together segment --fold all --fraction 0.6
rm -r both/round_0002
gives 0 "not drawn for the round" $nephron info both
together segment --fold all --strategy feddyn --secure --dp central --dp-noise 0.4 --dp-test-seed 5
all_together() { # segment or classify, its privacy by cases, options
    kind=$1 cases=$2
    shift 2
    for strategy in ${STRATEGIES:-$names}; do
        for compress in none bf16 topk int8; do
            for privacy in "" local central "central --dp-adaptive" $cases; do
                for secure in "" --secure; do
                    combination=$((combination + 1))
                    if [ -n "$FEW" ] && [ $((combination % 17)) -ne 0 ]; then continue; fi
                    case $strategy$privacy in fedavgcentral*) equal="--fedavg-equal 1" ;; *) equal= ;; esac
                    together $kind "$@" --strategy $strategy $equal --compress $compress $secure \
                        ${privacy:+--dp $privacy --dp-noise 0.4 --dp-clip 0.1 --dp-test-seed 5}
                done
            done
        done
    done
}
combination=0
if [ -n "$CHECK_ALL" ]; then
    names=$($nephron help federate | sed -n '/^Strategies:/,/^$/s/^\([a-z]*\)  .*/\1/p')
    awk 'BEGIN { print "case,site"; for (i = 0; i < 1286; i++)
        printf "%s_%04d,S%d\n", i < 1188 ? "train" : "val", i < 1188 ? i : i - 1188, i % 3 }' >everyone.csv
    for fold in all 0; do all_together segment "" --fold $fold; done
    all_together classify "" --fold 0 --optimizer sgd # batch norm
    all_together classify sgd --fold 0 --optimizer sgd --norm group --no-class-weights
fi

# The attack of docs/privacy.md still runs, if only for a step.
if ${PYTHON:-python3} -c 'import numpy' 2>/dev/null; then
    (cd "$root" && ARMS="plain sgd1" ITERATIONS=1 NEPHRON=$nephron sh tests/bench/privacy_attack.sh \
        tests/data/adrenalmnist3d/adrenalmnist3d.npz "$work/attack") >attack.md 2>&1
    [ "$(grep -cE '^\| [^|]+ \| (none|[0-9.e+]+) \| [01]\.[0-9]+ \| [01]\.[0-9]+ \|$' attack.md)" -eq 2 ]
    ok "tests/bench/privacy_attack.sh: $(tail -n 1 attack.md)" $?
else echo "skipped: the attack of docs/privacy.md: no python3 with numpy"; fi

# ---- wrong usage -------------------------------------------------------------------------------------------
gives 2 "usage: nephron federate DATA --as site NAME" $nephron federate --as site A -o FED
gives 2 "usage: nephron federate --as result" $nephron federate --as result -o FED
gives 2 "must be one of" $nephron federate --as nothing -o FED
gives 1 "letters, digits" $nephron federate --as init -o bad --sites 'a/b,c' $options --plans FED/plans.json \
    --dataset $data/dataset.json
finish
