#!/bin/sh
# check_arguments.sh - what a command line may hold that nobody means: empty names, numbers that overflow or
# have another notation, two names of one file; a FILE that is standard output; standard streams that are
# closed; a folder that is called by a dot.
. tests/program/lib.sh
enter_work
some_cases one 'NR <= 8'

# An empty name, as of a variable that is not set, is no folder; a path that joins it would lie in this one.
before=$(ls -A)
refuses 2 "--output is empty" "$nephron" train one -o "" --epochs 1
refuses 2 "--output is empty" "$nephron" plan one -o ""
refuses 2 "--output is empty" "$nephron" federate one --as fingerprint a --output=
refuses 2 "--input is empty" "$nephron" predict run -i "" -o maps
refuses 2 "--json is empty" "$nephron" info one/dataset.json --json=
refuses 2 "'' is no name of a file or folder" "$nephron" info one/dataset.json ""
refuses 2 "'' is no name of a file or folder" "$nephron" phantom ""
refuses 2 "--strategy is '', must be one of" "$nephron" federate one -o run --sites 2 --strategy ""
rm -f out err
[ "$(ls -A)" = "$before" ]
ok "a refused command leaves something: $(ls -A)" $?
refuses 2 "--strategy is 'fedavg|fedprox', must be one of" "$nephron" federate one -o run --sites 2 \
    --strategy "fedavg|fedprox"
refuses 2 "--precision is 'fp32|bf16', must be one of" "$nephron" train one -o run --precision "fp32|bf16"
refuses 1 "c.json/: is the name of a folder" "$nephron" plan one -o c.json/

# Numbers: decimal, finite, none cut to what fits.
patch="$nephron plan one --configuration 3d_fullres --patch"
for sizes in 4294967304,8,8 8,8 8,8,8, 8,8,8,8 ,8,8 0,8,8 -8,8,8 0x8,8,8 8x8x8 8.5,8,8; do
    refuses 2 "--patch is '$sizes', must be three sizes" $patch $sizes
done
refuses 2 "each size must be from 1 to 65536" $patch 65537,8,8
check "blanks in sizes" $patch "8, 8, 8"
holds "blanks in sizes" "8 x 8 x 8 voxels" out
for seed in " -9223372036854775809" -1 9223372036854775808 1e3 0x1 nan ""; do
    refuses 2 "--seed is '$seed', must be a whole number" "$nephron" info one/dataset.json --seed "$seed"
done
for threads in 0x2 nan inf 1e400 2.5 "2 " 2,5 ""; do
    refuses 2 "--threads is '$threads', must be a whole number" "$nephron" info one/dataset.json --threads \
        "$threads"
done
for threads in " 2" +2 2. 2e0 0.2e1; do
    check "--threads '$threads'" "$nephron" info one/dataset.json --threads "$threads"
done

# Folds: as many as splits_final.json has.
for fold in 05 7x -1 1000 2.0; do
    refuses 2 "--fold is '$fold', must be 0, 1 and so on, or all" "$nephron" train one -o run --fold $fold
done
train="--base-features 4 --patch 16,16,16 --batch 2 --epochs 1 --iterations 1 --threads 1 --no-validation"
refuses 1 "7 cases make 5 folds, there is no fold 5" "$nephron" train one -o run $train --fold 5
ids=$(sed 1d one/sites.csv | cut -d, -f1)
for id in $ids; do
    echo "{\"train\": [$(for k in $ids; do [ $k = $id ] || printf '"%s", ' $k; done | sed 's/, $//')]," \
        "\"val\": [\"$id\"]},"
done | sed '1s/^/[/; $s/,$/]/' >splits
cp -r one seven && cp splits seven/splits_final.json
check "a split of seven folds" "$nephron" train seven -o folds $train --fold 6
holds "a split of seven folds" '"fold": "6"' folds/fold_6/manifest.json
cp folds/plans.json before.json
refuses 1 "the folds of a run share its plan: take another RUN" "$nephron" train seven -o folds $train \
    --base-features 8 --overwrite
same "another plan for fold 0 replaces that of fold 6" before.json folds/plans.json

# Of two folds that begin at once, with no plan there yet, the plan of one is that of both.
for wait_ms in 010 030 060 100 150; do
    "$nephron" train one -o at_once $train >/dev/null 2>&1 &
    pid=$!
    sleep 0.$wait_ms
    kill -STOP $pid 2>/dev/null
    "$nephron" train one -o at_once $train --fold 1 --base-features 8 >/dev/null 2>&1
    second=$?
    kill -CONT $pid 2>/dev/null
    wait $pid
    ok "two plans, after $wait_ms ms: exit codes $? and $second" $(($? + second != 1))
    rm -r at_once
done

# A FILE that is standard output has it alone, with --quiet too; and what is open already is not replaced.
for name in - /dev/stdout; do
    for quiet in "" --quiet; do
        "$nephron" info one/dataset.json --json $name $quiet >read.json && "$nephron" info read.json >out
        ok "info --json $name $quiet: $(head -n 1 read.json)" $?
        holds "info --json $name $quiet" "files" out
    done
done
[ ! -e - ]
ok "a file is called -" $?
"$nephron" plan one -o plans.json --quiet && "$nephron" plan one -o - >read.json
same "plan -o -" plans.json read.json
refuses 2 "--json -: --output writes there too" "$nephron" plan one -o - --json -
refuses 2 "--json ./new.json: --output writes there too" "$nephron" plan one -o new.json --json ./new.json
if [ -e /proc/self/fd/1 ]; then
    ln -s /proc/self/fd/1 link
    "$nephron" plan one --quiet --json link >read.json && "$nephron" info read.json >out && [ -L link ]
    ok "a link to standard output: $(ls -l link)" $?
    holds "a link to standard output" "configurations" out
fi
if [ -w /dev/full ]; then
    "$nephron" info one/dataset.json --json - >/dev/full 2>err
    [ $? -eq 1 ] && grep -q "No space left" err
    ok "JSON to a full disk: $(cat err)" $?
fi
# A file in the folder that the command makes.
check "a table among the results" "$nephron" init one -o laid --json laid/found.json --overwrite
holds "a table among the results" '"labels"' laid/found.json
refuses 1 "nowhere/found.json: " "$nephron" init one -o laid --json nowhere/found.json --overwrite

# Standard streams that are closed: no file gets their numbers, and what is not printed is a failure.
"$nephron" plan one -o closed.json >&- 2>err
[ $? -eq 1 ] && grep -q "standard output" err
ok "standard output is closed: $(cat err)" $?
same "standard output is closed" plans.json closed.json
"$nephron" plan one -o closed2.json --quiet <&- >&- 2>&-
same "all three are closed" plans.json closed2.json
if [ -e /proc/self/fd/1 ]; then
    "$nephron" train one -o run $train --epochs 50 --iterations 50 >&- 2>&- &
    child=$!
    while kill -0 $child 2>/dev/null && [ ! -e run/manifest.json ]; do sleep 0.02; done
    [ "$(readlink /proc/$child/fd/1)" = /dev/null ] && [ "$(readlink /proc/$child/fd/2)" = /dev/null ]
    ok "a file stands in for a stream: $(ls -l /proc/$child/fd 2>&1)" $?
    kill -9 $child
    wait $child 2>/dev/null
fi

# What may not be looked at is not said to be absent; a ring of links stands for a folder of somebody else's.
ln -s ring ring
for command in "info ring/x" "plan ring/x" "train ring/x -o none" "predict ring/x -i one -o none" \
    "evaluate ring/x ring/x" "convert ring/x.nii.gz none.nii.gz"; do
    refuses 1 "^nephron: ring/x[.niigz]*: Too many levels" "$nephron" $command
done
refuses 1 "^nephron: absent: no such file or folder" "$nephron" plan absent

# A folder that is called by a dot has its own name.
(cd one && "$nephron" plan . --quiet --json ../dot.json -o ../dot_plans.json) && holds "plan ." \
    '"dataset": "one"' dot.json && same "plan ." dot_plans.json plans.json
(cd one/imagesTr && "$nephron" init .. --overwrite --quiet) && holds "init .." '"name": "one"' \
    one/dataset.json
ok "init .. or plan . fails" $?

# A number of sites is one, whatever is called by it.
mkdir 2
check "a folder that is called 2" "$nephron" federate one -o sites --sites 2 --rounds 1 --local-iterations 1 \
    --base-features 4 --patch 16,16,16 --batch 2 --threads 1 --no-validation
for help in help -h --help; do
    "$nephron" help $help >out && grep -q "^usage: nephron COMMAND" out
    ok "help $help" $?
done

# Every command takes these, and its help says so.
for command in $("$nephron" help --list | cut -f1); do
    "$nephron" $command -h >out
    for option in threads seed quiet; do
        grep -q -e "--$option" out
        ok "$command -h does not tell of --$option" $?
    done
done

# What completes a command line offers the words that help shows, and no name of a value.
"$nephron" federate --help=list >out
holds "choices" "--dp	central|local|sgd	" out
holds "a file or a number" "--sites	FILE	" out
holds "a number or a word" "--fold	FILE	" out

# A phantom that was killed as it wrote a file is made anew.
mkdir -p killed/imagesTr killed/labelsTr
touch killed/.unfinished_phantom killed/imagesTr/.renal_0000_0000.nii.gz.tmp-nephron killed/imagesTr/.DS_Store
check "a phantom where one was killed" "$nephron" phantom killed --cases 1 --size tiny --threads 1
[ -z "$(find killed -name '.*' -type f)" ]
ok "what the killed phantom left: $(find killed -name '.*')" $?

# One that is being written is not one that was killed.
"$nephron" phantom two --cases 200 --size medium --threads 1 >/dev/null 2>&1 &
pid=$!
while [ ! -e two/.unfinished_phantom ] && kill -0 $pid; do sleep 0.01; done
kill -STOP $pid
refuses 1 "two: process $pid is at work in this folder" "$nephron" phantom two --cases 1 --size tiny
kill -9 $pid
wait $pid 2>/dev/null
check "a phantom after it" "$nephron" phantom two --cases 1 --size tiny --threads 1
[ "$(ls -A two/imagesTr | wc -l)" -eq 2 ] && [ ! -e two/.lock ]
ok "what the phantom that was killed left: $(ls -A two two/imagesTr)" $?

# Options that no other script gives change what they say.
check "a training" "$nephron" train one -o usual $train --iterations 2
for option in "--schedule cosine" "--weight-decay 0.5" "--clip 0.001" "--oversample 1"; do
    check "$option" "$nephron" train one -o other $train --iterations 2 $option --overwrite
    [ -n "$(last_hash other/fold_0/progress.csv)" ] &&
        [ "$(last_hash other/fold_0/progress.csv)" != "$(last_hash usual/fold_0/progress.csv)" ]
    ok "$option changes nothing" $?
done
check "init --name" "$nephron" init one -o named --name Hippocampi
holds "init --name" '"name": "Hippocampi"' named/dataset.json
awk 'BEGIN {
    for (arm = 0; arm < 2; arm++) {
        file = arm ? "b.csv" : "a.csv"
        print "case,label,probability" >file
        for (i = 0; i < 40; i++)
            print "c" i "," i % 2 "," (i * 7 % 20 + (i % 2 ? 12 : 0) + arm * (i % 3)) / 40 >file
    }
}'
changes() { # what the JSON must differ in, command, option: --json without the option and with it
    key=$1
    command=$2
    shift 2
    "$nephron" $command --json without.json --quiet && "$nephron" $command "$@" --json with.json --quiet
    ok "$command $*" $?
    grep -F "\"$key\"" without.json >without
    grep -F "\"$key\"" with.json >with
    [ -s with ] && ! cmp -s without with
    ok "$command $*: no other $key: $(head -n 2 with)" $?
}
changes sensitivity "evaluate a.csv a.csv" --threshold 0.8
changes threshold "compare a.csv b.csv" --threshold 0.8
changes detectable_difference "compare a.csv b.csv" --power 0.95
"$nephron" evaluate one/labelsTr one/labelsTr -o maps.json --quiet
changes resamples "compare maps.json maps.json" --resamples 200

# Help tells what each strategy does.
"$nephron" train --help >out
! grep -qe "--as\|--sites\|nephron federate" out
ok "train --help tells of federations: $(grep -e "--as\|--sites\|nephron federate" out)" $?
"$nephron" federate --help >out
holds "federate --help" "fedprox     FedAvg whose sites are pulled to the global weights (Li 2020)" out
for name in $("$nephron" federate --help=list | sed -n 's/^--strategy	\([^	]*\).*/\1/p' | tr '|' ' '); do
    grep -q "^$name  " out
    ok "federate --help does not tell what $name is" $?
done

finish
