#!/bin/sh
# check_program.sh - the program from outside: a small training, federation, prediction and evaluation on the
# sample that ships, the same bits for any number of threads, instruction set and interruption, and what bad
# input gives.
. tests/program/lib.sh

# A third of the sample's cases, of all its sites; in check-all the whole.
cases=$work/cases
some_cases "$cases" "${CHECK_ALL:-NR % 3 == 2}"

# ---- one small run, and what must not change its bits ------------------------------------------------------
small="--epochs 2 --iterations 3 --base-features 4 --patch 24,32,24 --batch 2 --validation-batches 1 \
    --no-validation --quiet"
$nephron train $cases -o "$work/t1" $small --threads 1
ok "train with 1 thread" $?
small="$small --plans $work/t1/plans.json" # the same plan, without another look at all images
first=$(last_hash "$work/t1/fold_0/progress.csv")
[ -n "$first" ]
ok "progress.csv has a weight hash" $?
for threads in 2 3; do
    $nephron train $cases -o "$work/t$threads" $small --threads $threads
    [ "$(last_hash "$work/t$threads/fold_0/progress.csv")" = "$first" ]
    ok "$threads threads give other weights" $?
done
case $(uname -m) in # levels of another architecture would be scalar once more
aarch64 | arm64) levels="scalar neon" ;;
*) levels="scalar avx2 avx512 avx512bf16" ;;
esac
few="--epochs 1 --iterations 2 --base-features 4 --patch 16,16,16 --batch 2 --validation-batches 1 \
    --no-validation --quiet"
[ -z "$CHECK_ALL" ] || few=$small # in check-all as much at every level as above
$nephron train $cases -o "$work/few" $few --threads 1
# More batches of validation than a default has at most are made where they are asked for.
for batches in 50 60; do
    $nephron train $cases -o "$work/v$batches" $few --epochs 1 --iterations 1 --validation-batches $batches
    awk -F, 'NR == 2 { print $4 }' "$work/v$batches/fold_0/progress.csv" >"$work/loss$batches"
done
[ -s "$work/loss60" ] && ! cmp -s "$work/loss50" "$work/loss60"
ok "--validation-batches 60 makes no more than 50" $?
for isa in $levels; do
    NEPHRON_ISA=$isa $nephron train $cases -o "$work/$isa" $few --threads 2
    [ "$(last_hash "$work/$isa/fold_0/progress.csv")" = "$(last_hash "$work/few/fold_0/progress.csv")" ]
    ok "NEPHRON_ISA=$isa gives other weights" $?
done
$nephron federate $cases -o "$work/f1" --sites 1 \
    $(echo "$small" | sed 's/--epochs/--rounds/; s/--iterations/--local-iterations/')
ok "federate over one site" $?
[ "$(last_hash "$work/f1/fold_0/progress.csv")" = "$first" ]
ok "FedAvg of one client differs from plain training" $?

# Killed after the first epoch's checkpoint, then resumed.
long="$small --epochs 6"
$nephron train $cases -o "$work/whole" $long
$nephron train $cases -o "$work/cut" $long &
pid=$!
while [ ! -f "$work/cut/fold_0/checkpoint_latest.safetensors" ] && kill -0 $pid 2>/dev/null; do
    sleep 0.02
done
kill -STOP $pid 2>/dev/null
refuses 1 "is at work in this folder" $nephron train --resume "$work/cut"
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
$nephron train $cases -o "$work/cut" $long --resume
ok "resume" $?
[ "$(last_hash "$work/cut/fold_0/progress.csv")" = "$(last_hash "$work/whole/fold_0/progress.csv")" ]
ok "a resumed run ends at other weights" $?
cp "$work/cut/manifest.json" "$work/manifest"
refuses 1 "other options" $nephron train $cases -o "$work/cut" $long --resume --lr 0.5
cmp -s "$work/manifest" "$work/cut/manifest.json"
ok "a refused resume rewrites the manifest" $?
refuses 1 "already trained" $nephron train $cases -o "$work/cut" $long
cp "$work/cut/plans.json" "$work/manifest"
wider=$(echo "$long" | sed 's/--base-features 4/--base-features 8/')
refuses 1 "take another RUN" $nephron train $cases -o "$work/cut" $wider --fold 1 --overwrite
same "fold 1 with other features: the plan of fold 0" "$work/manifest" "$work/cut/plans.json"

# Enormous plans: refused by the field's name, and nothing is written.
enormous() { # what the message names, sed script over a plan that is good
    sed "$2" "$work/t1/plans.json" >"$work/enormous.json"
    refuses 1 "$1" $nephron train $cases -o "$work/enormous" --plans "$work/enormous.json" --epochs 1 \
        --iterations 1 --quiet
    [ ! -e "$work/enormous/plans.json" ]
    ok "a refused plan is written: $1" $?
}
enormous "features_per_stage\[[0-9]\] 4096" \
    '/"features_per_stage"/s/[0-9][0-9]*/4096/g; /"n_conv_per_stage"/s/[0-9][0-9]*/64/g'
enormous "batch_size 4096" 's/"batch_size": *[0-9]*/"batch_size": 4096/; /"patch_size"/s/[0-9][0-9]*/2048/g'

# ---- federate, predict, evaluate, compare ------------------------------------------------------------------
$nephron federate $cases -o "$work/f3" --sites $cases/sites.csv --rounds 1 --local-iterations 2 \
    --base-features 4 --patch 24,32,24 \
    --batch 2 --step 1 --no-mirror --quiet
ok "federate over three sites with validation" $?
[ "$(wc -l <"$work/f3/fold_0/rounds.csv")" -eq 5 ] && head -n 1 "$work/f3/fold_0/rounds.csv" |
    grep -q '^round,site,examples,local_loss,metric,seconds,bytes,metric_local,update_norm,cosine,weight_hash$'
ok "rounds.csv: a row for each site and a global one" $?
for file in plans.json dataset.json manifest.json sites.csv fold_0/checkpoint_final.safetensors \
    fold_0/checkpoint_best.safetensors \
    fold_0/checkpoint_latest.safetensors fold_0/progress.svg fold_0/validation/summary.json; do
    [ -s "$work/f3/$file" ]
    ok "run folder has $file" $?
done
mkdir "$work/images"
cp $data/imagesTr/hippocampus_001_0000.nii.gz $data/imagesTr/hippocampus_003_0000.nii.gz "$work/images"
cp -r "$work/f3" "$work/flipped"
printf '\001' | dd of="$work/flipped/fold_0/checkpoint_final.safetensors" bs=1 seek=60000 conv=notrunc \
    2>/dev/null
refuses 1 "damaged" $nephron predict "$work/flipped" -i "$work/images" -o "$work/fp" --step 1 --no-mirror \
    --quiet
$nephron predict "$work/f3" -i "$work/images" -o "$work/p" --step 1 --no-mirror --probabilities --quiet
ok "predict" $?
[ -s "$work/p/hippocampus_001.nii.gz" ] && [ -s "$work/p/hippocampus_001.npz" ]
ok "predict writes label maps and probabilities" $?
mkdir "$work/ref"
cp $data/labelsTr/hippocampus_001.nii.gz $data/labelsTr/hippocampus_003.nii.gz "$work/ref"
$nephron evaluate "$work/ref" "$work/p" -o "$work/summary.json" --quiet
ok "evaluate" $?
grep -q '"lesion_F1"' "$work/summary.json" && grep -q '"volume_error_mm3"' "$work/summary.json" &&
    grep -q '"lesion_overlap": 0.0,' "$work/summary.json"
ok "evaluate: lesions and volume errors" $?
$nephron evaluate "$work/ref" "$work/p" -o "$work/lesions.json" --quiet --lesion-overlap 0.9 &&
    grep -q '"lesion_overlap": 0.9' "$work/lesions.json"
ok "evaluate --lesion-overlap" $?
found() { sed -n 's/.*"lesions_found": \([0-9]*\).*/\1/p' "$1" | awk '{n += $1} END {print n}'; }
[ "$(found "$work/lesions.json")" -le "$(found "$work/summary.json")" ]
ok "a larger overlap finds no more lesions" $?
$nephron evaluate "$work/ref" "$work/ref" -o "$work/self.json" --quiet &&
    grep -q '"Dice": 1' "$work/self.json"
ok "a reference has Dice 1 with itself" $?
$nephron compare "$work/summary.json" "$work/self.json" --json "$work/c.json" >/dev/null &&
    grep -q wilcoxon "$work/c.json"
ok "compare" $?

# ---- strategies and sites that are unlike each other -------------------------------------------------------
two="--sites 2 --rounds 1 --local-iterations 2 --base-features 4 --patch 24,32,24 --batch 2 --no-validation \
    --quiet --plans $work/t1/plans.json"
$nephron federate $data -o "$work/ditto" $two --partition quantity:0.5 --strategy ditto --fine-tune 1
ok "ditto with fine-tuning" $?
[ "$(wc -l <"$work/ditto/fold_0/cross_site.csv")" -eq 11 ] &&
    [ "$(wc -l <"$work/ditto/fold_0/fine_tune.csv")" -eq 3 ] &&
    [ -s "$work/ditto/fold_0/sites/site_1.own.safetensors" ] &&
    [ -s "$work/ditto/fold_0/sites/site_2.fine_tuned.safetensors" ]
ok "every model at every site, and fine-tuned ones" $?
for mu in 0 10; do $nephron federate $cases -o "$work/mu$mu" $two --strategy fedprox --fedprox-mu $mu; done
[ "$(last_hash "$work/mu0/fold_0/progress.csv")" != "$(last_hash "$work/mu10/fold_0/progress.csv")" ]
ok "--fedprox-mu changes nothing" $?
$nephron federate $cases -o "$work/avg" $two
[ "$(last_hash "$work/mu0/fold_0/progress.csv")" = "$(last_hash "$work/avg/fold_0/progress.csv")" ]
ok "FedProx with mu 0 is not FedAvg" $?
refuses 2 "must be from" $nephron federate $cases -o "$work/x" --sites 2 --fedprox-mu -1
refuses 2 "must be one of" $nephron federate $cases -o "$work/x" --sites 2 --strategy fedsomething
refuses 1 "needs the optimizer sgd" $nephron federate $cases -o "$work/x" $two --strategy scaffold \
    --optimizer adamw --overwrite
refuses 1 "partition" $nephron federate $cases -o "$work/x" $two --partition dirichlet:0.5 --overwrite
for wrong in "2 --partition abc" "2 --partition dirichlet" "2 --partition dirichlet:-1" 0; do
    refuses 2 "^nephron federate: --\(partition\|sites\) " $nephron federate $cases -o "$work/x" \
        --sites $wrong
done

# ---- classification ----------------------------------------------------------------------------------------
adrenal=tests/data/adrenalmnist3d/adrenalmnist3d.npz
$nephron train $adrenal -o "$work/c" --task classify --depth 10 --base 4 --epochs 1 --iterations 2 --batch 4 \
    --crop 12,12,12 --quiet
ok "train classification" $?
$nephron predict "$work/c" -i $adrenal -o "$work/cp" --quiet
ok "predict classification" $?
[ "$(head -n 1 "$work/cp/predictions.csv")" = "case,label,probability" ] &&
    [ "$(wc -l <"$work/cp/predictions.csv")" -eq 299 ]
ok "predictions.csv has the 298 test cases" $?

refuses 1 "imagesTr: is no MedMNIST file, but .*/c was trained on one" $nephron predict "$work/c" -i \
    $data/imagesTr -o "$work/x"

$nephron evaluate "$work/cp/predictions.csv" "$work/cp/predictions.csv" -o "$work/ce.json" --quiet &&
    grep -q '"auc"' "$work/ce.json"
ok "evaluate probabilities" $?
$nephron compare "$work/cp/predictions.csv" "$work/cp/predictions.csv" --json "$work/cc.json" >/dev/null &&
    grep -q delong "$work/cc.json"
ok "compare probabilities" $?
sed '2s/,[01],/,7,/' "$work/cp/predictions.csv" >"$work/odd.csv"
refuses 1 "odd.csv" $nephron evaluate "$work/odd.csv" "$work/odd.csv" --quiet

# ---- wrong usage -------------------------------------------------------------------------------------------
refuses 2 "did you mean --epochs" $nephron train $cases -o "$work/x" --epoch 3
refuses 2 "did you mean train" $nephron trian $data
while read -r text; do
    read -r command
    refuses 2 "$text" $nephron $command
done <<'EOF'
unknown command 'nnUNetv2_train', did you mean train?
nnUNetv2_train 4 3d_fullres 0
did you mean plan?
nnUNetv2_plan_and_preprocess -d 4
unexpected '3d_fullres': --configuration 3d_fullres
train 4 3d_fullres 0
unknown option '-device': there is no device to choose
predict run -i images -o out -device cpu
unknown option '--device=cpu': there is no device to choose
train 4 -o run --device=cpu
'-i': what is read stands by itself
ensemble -i a b -o c
'-djfile', did you mean --dataset?
evaluate a b -djfile dataset.json
EOF
refuses 2 "did you mean --no-mirror" $nephron predict "$work/x" -i $data -o "$work/y" --disable_tta
refuses 2 "did you mean --checkpoint" $nephron predict "$work/x" -i $data -o "$work/y" -chk best
refuses 2 "unknown option" $nephron train $cases -o "$work/x" --epoch 3

# The common options are taken by every command (the last one is unknown, so that nothing is begun); --quiet
# leaves standard output empty.
for c in $($nephron help --list | cut -f1); do
    refuses 2 "unknown option '--nonsense'" $nephron "$c" --threads 1 --seed 1 --quiet --nonsense
done
$nephron info -q $data/labelsTr/hippocampus_001.nii.gz --json "$work/q.json" >"$work/out" 2>&1
[ $? -eq 0 ] && [ ! -s "$work/out" ] && [ -s "$work/q.json" ]
ok "info --quiet" $?
refuses 2 "unknown command" $nephron trian $data
refuses 2 "must be one of" $nephron train $cases -o "$work/x" --precision fp8
refuses 2 "whole number" $nephron train $cases -o "$work/x" --epochs 2.5
refuses 2 "needs -o" $nephron train $data
refuses 2 "needs a value" $nephron train $cases -o
refuses 2 "NEPHRON_ISA is 'sse9', must be one of .*|simd128$" env NEPHRON_ISA=sse9 $nephron train $cases -o "$work/x"
refuses 2 "needs --sites" $nephron federate $cases -o "$work/x"
for command in info plan train federate predict evaluate compare bench; do
    $nephron help $command | grep -q "usage: nephron $command"
    ok "help $command" $?
    $nephron $command -h >"$work/help"
    ok "$command -h" $?
    for option in threads seed; do # its own, or one that it takes without an effect
        grep -q "^ .*--$option N" "$work/help"
        ok "$command -h tells --$option" $?
    done
done

# ---- optimisers and the average of weights -----------------------------------------------------------------
refuses 2 "must be one of sgd|adamw|adam" $nephron train $cases -o "$work/x" --optimizer lion
$nephron train $cases -o "$work/adam" $small --optimizer adam
ok "train with adam" $?
grep -q '"optimizer": "adam"' "$work/adam/manifest.json" &&
    grep -q '"learning_rate": 0.001' "$work/adam/manifest.json"
ok "the manifest has adam and its learning rate" $?
sed 's/"optimizer": "adam"/"optimizer": "adagrad"/' "$work/adam/manifest.json" >"$work/manifest" &&
    cp "$work/manifest" "$work/adam/manifest.json"
refuses 1 "training.optimizer is 'adagrad'" $nephron predict "$work/adam" -i "$work/images" -o "$work/x" \
    --quiet
$nephron train $cases -o "$work/ema" $small --ema 0.9
ok "train --ema" $?
[ "$(last_hash "$work/ema/fold_0/progress.csv")" = "$(last_hash "$work/t1/fold_0/progress.csv")" ]
ok "the average of weights changes the training" $?
$nephron predict "$work/ema" -i "$work/images" -o "$work/ep" --step 1 --no-mirror --quiet
ok "predict with the average of weights" $?
refuses 1 "other options" $nephron train $cases -o "$work/ema" $small --ema 0.8 --resume
refuses 2 "it is for train" $nephron federate $cases -o "$work/x" --sites 2 --ema 0.9

# ---- losses ------------------------------------------------------------------------------------------------
refuses 2 "must be one of dice_ce|dice_focal" $nephron train $cases -o "$work/x" --loss tversky
for threads in 1 2; do
    $nephron train $cases -o "$work/focal$threads" $small --loss dice_focal --threads $threads
    ok "train with focal loss" $?
done
focal=$(last_hash "$work/focal1/fold_0/progress.csv")
[ -n "$focal" ] && [ "$focal" = "$(last_hash "$work/focal2/fold_0/progress.csv")" ] &&
    [ "$focal" != "$first" ]
ok "focal loss: 1 and 2 threads agree, and it is not cross-entropy" $?
$nephron train $cases -o "$work/entropy" $small --loss dice_ce
[ "$(last_hash "$work/entropy/fold_0/progress.csv")" = "$first" ] &&
    ! grep -q '"loss": "dice' "$work/entropy/manifest.json"
ok "dice_ce is the default, and left out of the manifest" $?
grep -q '"loss": "dice_focal"' "$work/focal1/manifest.json"
ok "the manifest has the loss" $?
refuses 1 "other options" $nephron train $cases -o "$work/focal1" $small --resume
$nephron predict "$work/focal1" -i "$work/images" -o "$work/focalp" --step 1 --no-mirror --quiet
ok "predict with a model of focal loss" $?
sed 's/"loss": "dice_focal"/"loss": "tversky"/' "$work/focal1/manifest.json" >"$work/manifest"
cp "$work/manifest" "$work/focal1/manifest.json"
refuses 1 "training.loss is 'tversky'" $nephron predict "$work/focal1" -i "$work/images" -o "$work/x" --quiet
$nephron federate $cases -o "$work/focalfed" --sites 1 \
    $(echo "$small" | sed 's/--epochs/--rounds/; s/--iterations/--local-iterations/') --loss dice_focal
ok "federate with focal loss" $?
[ "$(last_hash "$work/focalfed/fold_0/progress.csv")" = "$focal" ] &&
    grep -q '"loss": "dice_focal"' "$work/focalfed/manifest.json"
ok "a federation of one with focal loss has the weights of train" $?

# ---- bf16 --------------------------------------------------------------------------------------------------
$nephron train $cases -o "$work/b1" $small --precision bf16 --threads 1
ok "train in bf16" $?
$nephron train $cases -o "$work/b2" $small --precision bf16 --threads 2
[ "$(last_hash "$work/b1/fold_0/progress.csv")" = "$(last_hash "$work/b2/fold_0/progress.csv")" ]
ok "bf16: two threads end at other weights" $?
[ "$(last_hash "$work/b1/fold_0/progress.csv")" != "$(last_hash "$work/t1/fold_0/progress.csv")" ] &&
    grep -q '"precision": "bf16"' "$work/b1/manifest.json"
ok "bf16 trains other weights, and the manifest tells" $?
$nephron train $cases -o "$work/b1" $small --precision bf16 --resume
ok "resume in bf16" $?
refuses 1 "other options" $nephron train $cases -o "$work/b1" $small --resume
$nephron federate $cases -o "$work/b3" --sites 2 \
    $(echo "$small" | sed 's/--epochs/--rounds/; s/--iterations/--local-iterations/') --precision bf16
ok "federate in bf16" $?
$nephron predict "$work/f3" -i "$work/images" -o "$work/bp" --step 1 --no-mirror --quiet --precision bf16
ok "predict in bf16 with weights trained in fp32" $?
$nephron train $adrenal -o "$work/bc" --task classify --depth 10 --base 4 --epochs 1 --iterations 2 --batch \
    4 --crop 12,12,12 --quiet --precision bf16
ok "train classification in bf16" $?
$nephron predict "$work/bc" -i $adrenal -o "$work/bcp" --quiet --precision bf16
ok "predict classification in bf16" $?
refuses 2 "must be one of" $nephron predict "$work/f3" -i "$work/images" -o "$work/y" --precision fp8

# ---- speed: the table's form -------------------------------------------------------------------------------
for precision in fp32 bf16; do
    $nephron bench kernels --case p32_3 --precision $precision --threads 1 --csv "$work/bench.csv" >/dev/null
    ok "bench kernels in $precision" $?
    [ "$(head -n 1 "$work/bench.csv")" = name,precision,pass,threads,seconds,gflops,peak_gflops ] &&
        [ "$(grep -c "^p32_3_40x56x40_b2,$precision,[a-z_]*,1," "$work/bench.csv")" -eq 3 ] &&
        [ "$(wc -l <"$work/bench.csv")" -eq 4 ]
    ok "the table of bench kernels in $precision" $?
done
refuses 1 "--case nothing: no layer" $nephron bench kernels --case nothing
refuses 2 "must be one of" $nephron bench step --precision fp8
for list in 0 1,x 1, 1,2.5 2000; do
    refuses 2 "is not a number of threads" $nephron bench scaling --threads-list $list
done
refuses 1 "--case infer_unet5_128: no training step" $nephron bench scaling --case infer_unet5_128
if [ -n "$CHECK_ALL" ]; then # the smallest network that is timed takes a quarter of a minute
    $nephron bench inference --case infer_resnet18_28_b32 --precision bf16 --threads 2 --csv \
        "$work/bench.csv" >/dev/null
    ok "bench inference in bf16" $?
    grep -q '^infer_resnet18_28_b32,bf16,2,' "$work/bench.csv" && [ "$(wc -l <"$work/bench.csv")" -eq 2 ]
    ok "the table of bench inference in bf16" $?
fi
if [ -n "$CHECK_ALL" ]; then # predicted for more cores than the machine has: nothing is measured there
    many=$((2 * $(getconf _NPROCESSORS_ONLN) + 60))
    $nephron bench scaling --threads-list 1,2,$many --csv "$work/bench.csv" >/dev/null
    ok "bench scaling" $?
    [ "$(head -n 1 "$work/bench.csv")" = name,threads,predicted_seconds,measured_seconds,efficiency ] &&
        grep -q '^unet_hippo_b2,1,[0-9.]*,[0-9.]*,1.0000$' "$work/bench.csv" &&
        grep -q "^unet_hippo_b2,$many,[0-9.]*,,0" "$work/bench.csv" &&
        [ "$(grep -c '^unet_hippo_b2/.*/backward,2,' "$work/bench.csv")" -gt 20 ]
    ok "the table of bench scaling" $?
    awk -F, '$2 == 1 { one[$1]++ }
        NR > 1 && $2 != 1 { bad += ($5 == "") != (++seen[$2 "," $1] > one[$1]) }
        END { exit bad > 0 }' "$work/bench.csv"
    ok "an op that the plan of one thread does not have is told to have an efficiency" $?
fi

# ---- bad input ---------------------------------------------------------------------------------------------
bad="$work/bad"
fresh() { # a small dataset to break
    rm -rf "$bad"
    mkdir -p "$bad/imagesTr" "$bad/labelsTr"
    for c in 001 003 004 006; do
        cp $data/imagesTr/hippocampus_${c}_0000.nii.gz "$bad/imagesTr"
        cp $data/labelsTr/hippocampus_$c.nii.gz "$bad/labelsTr"
    done
    sed 's/"numTraining": *[0-9]*/"numTraining": 4/' $data/dataset.json >"$bad/dataset.json"
    chmod -R u+w "$bad"
}
go="-o $work/x --overwrite --epochs 1 --iterations 1 --base-features 4 --quiet"
fresh
head -c 20000 $data/imagesTr/hippocampus_003_0000.nii.gz >"$bad/imagesTr/hippocampus_003_0000.nii.gz"
refuses 1 "hippocampus_003_0000.nii.gz" $nephron train "$bad" $go
fresh
cp $data/labelsTr/hippocampus_001.nii.gz "$bad/labelsTr/hippocampus_003.nii.gz"
refuses 1 "hippocampus_003.nii.gz" $nephron train "$bad" $go
fresh
sed 's/channel_names/channels/' $data/dataset.json >"$bad/dataset.json"
refuses 1 "channel_names" $nephron train "$bad" $go
fresh
sed 's/"MRI"/"MRI", "1": "T2"/' $data/dataset.json |
    sed 's/"0": "MRI", "1"/"0": "MRI",\n"1"/' >"$bad/dataset.json"
refuses 1 "_0001.nii.gz" $nephron train "$bad" $go
fresh
echo '{"channel_names": {"0": "MRI"}' >"$bad/dataset.json"
refuses 1 "dataset.json" $nephron train "$bad" $go
fresh
rm "$bad/labelsTr/hippocampus_001.nii.gz" "$bad/labelsTr/hippocampus_003.nii.gz" \
    "$bad/labelsTr/hippocampus_004.nii.gz" "$bad/labelsTr/hippocampus_006.nii.gz"
refuses 1 "label" $nephron train "$bad" $go --task segment
refuses 1 "no-such-folder" $nephron train "$work/no-such-folder" $go
fresh
printf 'case,site\nhippocampus_001,a\n' >"$work/sites.csv"
refuses 1 "has no site" $nephron federate "$bad" --sites "$work/sites.csv" -o "$work/x" --overwrite --rounds \
    1 --local-iterations 1 --quiet
printf 'case,hospital\nhippocampus_001,a\n' >"$work/sites.csv"
refuses 1 "site" $nephron federate "$bad" --sites "$work/sites.csv" -o "$work/x" --overwrite --rounds 1 \
    --local-iterations 1 --quiet
refuses 1 "no such run" $nephron predict "$work/nothing" -i "$work/images" -o "$work/y"
rm -rf "$work/empty"; mkdir "$work/empty"
refuses 1 "no image" $nephron predict "$work/f3" -i "$work/empty" -o "$work/y" --quiet
cp $data/imagesTr/hippocampus_001_0000.nii.gz "$work/empty/one_0001.nii.gz"
refuses 1 "channel 1" $nephron predict "$work/f3" -i "$work/empty" -o "$work/y" --quiet
head -c 1000 "$work/f3/fold_0/checkpoint_final.safetensors" >"$work/cut.safetensors"
refuses 1 "cut.safetensors" $nephron train $cases -o "$work/z" $small --pretrained "$work/cut.safetensors"
refuses 1 "cut.safetensors" $nephron info "$work/cut.safetensors"
rm -f "$work/ref/hippocampus_003.nii.gz"; cp $data/labelsTr/hippocampus_001.nii.gz \
    "$work/ref/hippocampus_003.nii.gz"
refuses 1 "hippocampus_003" $nephron evaluate "$work/ref" "$work/p" --quiet
refuses 1 "checkpoint_latest.safetensors: File too large" sh -c \
    "ulimit -f 16; exec $nephron train $cases -o $work/full $small"
[ -z "$(find "$work/full" -name '*.tmp-*')" ]
ok "half a file is left" $?
if [ -w /dev/full ]; then
    refuses 1 "/dev/full" $nephron evaluate $data/labelsTr/hippocampus_001.nii.gz \
        $data/labelsTr/hippocampus_001.nii.gz -o /dev/full --quiet
    $nephron help >/dev/full 2>/dev/null
    [ $? -eq 1 ]
    ok "help to a full disk fails" $?
fi

finish
