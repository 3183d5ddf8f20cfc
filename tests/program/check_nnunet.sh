#!/bin/sh
# check_nnunet.sh - nnU-Net's region-based training, ignore label and the like from outside: each is planned,
# trained, federated, predicted and evaluated on the sample that ships.
. tests/program/lib.sh

dataset() { # folder, labels and more for dataset.json
    mkdir -p "$1/imagesTr" "$1/labelsTr"
    for c in 001 003 004 006 007 008; do
        cp $data/imagesTr/hippocampus_${c}_0000.nii.gz "$1/imagesTr"
        cp $data/labelsTr/hippocampus_$c.nii.gz "$1/labelsTr"
    done
    chmod -R u+w "$1"
    echo "{\"channel_names\": {\"0\": \"MRI\"}, \"numTraining\": 6, \"file_ending\": \".nii.gz\", $2}" \
        >"$1/dataset.json"
}

net="--base-features 4 --patch 24,24,24 --batch 2 --pictures 1 --quiet"
small="--epochs 2 --iterations 2 --validation-batches 1 $net"
fast="--step 1 --no-mirror"

# ---- regions -----------------------------------------------------------------------------------------------
regions='"labels": {"background": 0, "hippocampus": [1, 2], "Posterior": [2]}, "regions_class_order": [1, 2]'
dataset "$work/regions" "$regions"
$nephron plan "$work/regions" -o "$work/plans.json" --quiet
ok "plan with regions" $?
$nephron train "$work/regions" -o "$work/r" $small $fast --epochs 5 --iterations 10 --optimizer adamw --lr \
    0.005 --augment 0
ok "train with regions" $?
grep -q '"(1, 2)": {' "$work/r/fold_0/validation/summary.json" &&
    grep -q '"(2,)": {' "$work/r/fold_0/validation/summary.json"
ok "summary.json has nnU-Net's keys of regions" $?
$nephron predict "$work/r" -i "$work/regions/imagesTr" -o "$work/rp" $fast --probabilities --quiet
ok "predict regions" $?
$nephron evaluate "$work/regions/labelsTr" "$work/rp" -o "$work/rs.json" --quiet
ok "evaluate regions" $?
dice=$(sed -n '/"foreground_mean"/,/}/s/.*"Dice": \([0-9.]*\).*/\1/p' "$work/rs.json")
awk "BEGIN { exit !(\"$dice\" > 0.2) }"
ok "regions are learnt: Dice $dice" $?
$nephron compare "$work/rs.json" "$work/rs.json" --json "$work/rc.json" >/dev/null &&
    grep -q '"(1, 2)"' "$work/rc.json"
ok "compare regions" $?
$nephron train "$work/regions" -o "$work/r1" $small --no-validation --threads 1
NEPHRON_ISA=avx2 $nephron train "$work/regions" -o "$work/r2" $small --no-validation --threads 2
$nephron federate "$work/regions" -o "$work/r3" --sites 1 --rounds 2 --local-iterations 2 \
    --validation-batches 1 $net --no-validation
ok "federate with regions" $?
[ "$(last_hash "$work/r1/fold_0/progress.csv")" = "$(last_hash "$work/r2/fold_0/progress.csv")" ] &&
    [ "$(last_hash "$work/r1/fold_0/progress.csv")" = "$(last_hash "$work/r3/fold_0/progress.csv")" ]
ok "region-based training: the same weights everywhere" $?
dataset "$work/bad" '"labels": {"background": 0, "whole": [1, 2, 3], "core": [2]}'
refuses 1 "regions_class_order" $nephron plan "$work/bad"
dataset "$work/bad" '"labels": {"background": 0, "whole": [1, 3], "core": 3}, "regions_class_order": [1, 3]'
refuses 1 "no label or region has value 2" $nephron train "$work/bad" -o "$work/x" $small
dataset "$work/bad" '"labels": {"background": 0, "whole": 1}'
refuses 1 "is 2, which is no label of the dataset" $nephron train "$work/bad" -o "$work/x" $small

# ---- ignore label ------------------------------------------------------------------------------------------
dataset "$work/ignore" '"labels": {"background": 0, "Anterior": 1, "ignore": 2}'
$nephron train "$work/ignore" -o "$work/i" $small $fast
ok "train with an ignore label" $?
$nephron predict "$work/i" -i "$work/ignore/imagesTr" -o "$work/ip" $fast --quiet
ok "predict" $?
$nephron evaluate "$work/ignore/labelsTr" "$work/ip" -o "$work/is.json" --quiet
ok "evaluate with an ignore label" $?
cp "$work/is.json" "$work/fold.json"
counted=$(sed -n '/metric_per_case/,/}/s/.*"\(TP\|FP\|FN\|TN\)": \([0-9]*\).*/\2/p' "$work/fold.json" | awk '{
    n += $1 } END { print n }')
whole=$($nephron info "$work/ignore/labelsTr/hippocampus_001.nii.gz" | sed -n 's/.*size *\([0-9]*\) x \([0-9]*\) x \([0-9]*\).*/\1 \2 \3/p' | awk '{ print $1 * $2 * $3 }')
[ -n "$counted" ] && [ -n "$whole" ] && [ "$counted" -lt "$whole" ]
ok "ignored voxels count nowhere: $counted of $whole" $?
dataset "$work/both" \
    '"labels": {"background": 0, "whole": [1, 2], "Anterior": 1, "ignore": 3}, "regions_class_order": [2, 1]'
$nephron train "$work/both" -o "$work/b" $small --no-validation
ok "regions and an ignore label" $?
dataset "$work/bad" '"labels": {"background": 0, "ignore": 1, "Posterior": 2}'
refuses 1 "no label has value 1" $nephron plan "$work/bad"

# ---- use_mask_for_norm -------------------------------------------------------------------------------------
$nephron plan "$work/regions" --base-features 4 --patch 24,24,24 --batch 2 -o "$work/plans.json" --quiet
tr '\n' ' ' <"$work/plans.json" |
    sed 's/"use_mask_for_norm": *\[ *false/"use_mask_for_norm": [true/g' >"$work/masked.json"
$nephron train "$work/regions" -o "$work/m" $small --no-validation --plans "$work/masked.json"
ok "train with use_mask_for_norm" $?
$nephron train "$work/regions" -o "$work/n" $small --no-validation --plans "$work/plans.json"
[ "$(last_hash "$work/m/fold_0/progress.csv")" != "$(last_hash "$work/n/fold_0/progress.csv")" ]
ok "the mask changes the training" $?

# ---- patients, early stopping ------------------------------------------------------------------------------
dataset "$work/patients" "$regions"
printf 'case,patient\nhippocampus_001,A\nhippocampus_003,A\nhippocampus_004,A\nhippocampus_006,B\nhippocampus_007,B\nhippocampus_008,C\n' >"$work/who.csv"
$nephron train "$work/patients" -o "$work/w" $small --no-validation --patients "$work/who.csv"
ok "train with patients" $?
sed 's/,B/,n\/a/' "$work/who.csv" >"$work/unknown.csv"
refuses 1 "no patient for case hippocampus_006, but 'n/a'" $nephron train "$work/patients" -o "$work/u" $small \
    --no-validation --patients "$work/unknown.csv"
# Each fold of splits_final.json: no patient in train and in val.
apart() {
    tr -d '\n ' <"$1" | sed 's/{/\n{/g' | grep train | while read -r fold; do
        for patient in A B C; do
            both=0
            for part in train val; do
                list=$(echo "$fold" | sed "s/.*\"$part\":\[\([^]]*\)\].*/\1/")
                for id in $(sed -n "s/^\(.*\),$patient\$/\1/p" "$work/who.csv"); do
                    case "$list" in *"$id"*) both=$((both + 1)); break ;; esac
                done
            done
            [ "$both" -eq 1 ] || echo "$patient"
        done
    done
}
[ -z "$(apart "$work/w/splits_final.json")" ] && [ "$(grep -c train "$work/w/splits_final.json")" -eq 3 ]
ok "three folds that keep patients whole" $?
cp "$work/who.csv" "$work/patients/patients.csv"
$nephron federate "$work/patients" -o "$work/ws" --sites 2 --rounds 1 --local-iterations 1 $net \
    --no-validation
ok "federate over a random split with patients.csv" $?
[ "$(sed 1d "$work/ws/sites.csv" | sort | join -t, - "$work/who.csv" | cut -d, -f2,3 | sort -u | wc -l)" -eq \
    3 ]
ok "a patient is at one site" $?
echo '[{"train": ["hippocampus_001", "hippocampus_006"], "val": ["hippocampus_003"]}]' \
    >"$work/patients/splits_final.json"
refuses 1 "puts patient A into training" $nephron train "$work/patients" -o "$work/x" $small --overwrite
rm "$work/patients/splits_final.json"
echo 'hippocampus_999,A' >>"$work/patients/patients.csv"
refuses 1 "case 'hippocampus_999' is not in the dataset" $nephron train "$work/patients" -o "$work/x" $small \
    --overwrite
head -n 6 "$work/who.csv" >"$work/patients/patients.csv"
refuses 1 "no row for case 'hippocampus_008'" $nephron train "$work/patients" -o "$work/x" $small --overwrite
printf 'case,person\nhippocampus_001,A\n' >"$work/patients/patients.csv"
refuses 1 "patient" $nephron train "$work/patients" -o "$work/x" $small --overwrite
long="--epochs 9 --iterations 1 --validation-batches 1 $net"
$nephron train "$work/regions" -o "$work/stop" $long --no-validation --patience 2 --lr 1e-9
ok "early stopping" $?
done=$(sed -n 's/.*"epochs_done": \([0-9]*\).*/\1/p' "$work/stop/manifest.json")
best=$(sed -n 's/.*"best_epoch": \([0-9]*\).*/\1/p' "$work/stop/manifest.json")
[ "$done" -lt 9 ] && [ "$done" -eq $((best + 3)) ] &&
    grep -q '"stopped_early": true' "$work/stop/manifest.json" &&
    [ -s "$work/stop/fold_0/checkpoint_final.safetensors" ]
ok "stopped two epochs after the best: best $best, $done done" $?
$nephron train "$work/regions" -o "$work/stop" $long --no-validation --patience 2 --lr 1e-9 --resume
[ "$(sed -n 's/.*"epochs_done": \([0-9]*\).*/\1/p' "$work/stop/manifest.json")" = "$done" ]
ok "a stopped run stays stopped when resumed" $?
refuses 1 "needs validation" $nephron train "$work/regions" -o "$work/x" $small --overwrite --patience 2 \
    --validation-batches 0

# ---- cascade -----------------------------------------------------------------------------------------------
cascade="--patch 16,16,16 --base-features 4 --batch 2 --quiet --epochs 1 --iterations 2 \
    --validation-batches 1 --pictures 0"
dataset "$work/plain" '"labels": {"background": 0, "Anterior": 1, "Posterior": 2}'
for k in 0 1 2 3 4; do
    $nephron train "$work/plain" -o "$work/low" $cascade $fast --configuration 3d_lowres --fold $k
    ok "train 3d_lowres, fold $k" $?
done
full="--configuration 3d_cascade_fullres --plans $work/low/plans.json"
refuses 1 "needs --previous-stage" $nephron train "$work/plain" -o "$work/x" $cascade $full --overwrite
$nephron train "$work/plain" -o "$work/casc" $cascade $fast $full --previous-stage "$work/low"
ok "train 3d_cascade_fullres" $?
cp -r "$work/low" "$work/low8" && rm -r "$work/low8/predicted_next_stage" &&
    mv "$work/low8/fold_4" "$work/low8/fold_7"
$nephron train "$work/plain" -o "$work/casc8" $cascade $fast $full --previous-stage "$work/low8" \
    --no-validation
ok "the map of a case that fold 7 held out" $?
cp -r "$work/low/predicted_next_stage" "$work/low8"
refuses 1 "label maps of the previous stage.* have changed" $nephron train --resume "$work/casc8" --epochs 2
rm -r "$work/low8/predicted_next_stage"
$nephron train --resume "$work/casc8" --epochs 2
ok "a cascade goes on with the maps that it began with" $?
next="$work/low/predicted_next_stage/3d_cascade_fullres"
[ "$(ls "$next" | wc -l)" -eq "$(ls "$work/plain/labelsTr" | wc -l)" ] &&
    $nephron info "$next/hippocampus_001.npz" >/dev/null
ok "maps of the next stage of every case" $?
# A map made for another grid is refused, and so is a value that is no label; without these maps it is the
# label maps that were written.
cp -r "$work/low" "$work/odd"
cp "$work/odd/predicted_next_stage/3d_cascade_fullres/hippocampus_003.npz" \
    "$work/odd/predicted_next_stage/3d_cascade_fullres/hippocampus_001.npz"
refuses 1 "the network's grid" $nephron train "$work/plain" -o "$work/x" $cascade $full --overwrite \
    --previous-stage "$work/odd"
cp "$data/dataset.json" "$work/odd/predicted_next_stage/3d_cascade_fullres/hippocampus_001.npz"
refuses 1 "hippocampus_001.npz" $nephron train "$work/plain" -o "$work/x" $cascade $full --overwrite \
    --previous-stage "$work/odd"
rm -r "$work/odd/predicted_next_stage"
$nephron train "$work/plain" -o "$work/y" $cascade $fast $full --previous-stage "$work/odd" --no-validation
ok "train 3d_cascade_fullres from label maps alone" $?
$nephron info "$work/casc/fold_0/checkpoint_final.safetensors" |
    grep -q '\[4, 3, 3, 3, 3\]  *encoder.stages.0.0.convs.0.conv.weight'
ok "the first layer sees the image and two labels" $?
NEPHRON_ISA=avx2 $nephron federate "$work/plain" -o "$work/fcasc" \
    $(echo "$cascade" | sed 's/--epochs/--rounds/; s/--iterations/--local-iterations/') \
    $full --previous-stage "$work/low" --sites 1 --no-validation
[ "$(last_hash "$work/casc/fold_0/progress.csv")" = "$(last_hash "$work/fcasc/fold_0/progress.csv")" ]
ok "federated cascade: the same weights" $?
mkdir "$work/images"
cp $data/imagesTr/hippocampus_00[13]_0000.nii.gz "$work/images"
$nephron predict "$work/casc" -i "$work/images" -o "$work/cp" $fast --quiet &&
    [ -s "$work/cp/previous_stage/hippocampus_001.nii.gz" ]
ok "predict with a cascade: the first stage goes first" $?
$nephron predict "$work/casc" -i "$work/images" -o "$work/cq" $fast --quiet --previous-stage \
    "$work/cp/previous_stage" &&
    cmp -s "$work/cp/hippocampus_003.nii.gz" "$work/cq/hippocampus_003.nii.gz"
ok "the same from its label maps" $?
# What is asked for both stages is the first one's too.
$nephron predict "$work/casc" -i "$work/images" -o "$work/cl" $fast --quiet --checkpoint latest &&
    grep -q '"checkpoint": "fold_0/checkpoint_latest' "$work/cl/previous_stage/prediction.json"
ok "--checkpoint of the first stage" $?
mkdir -p "$work/co/previous_stage" && echo precious >"$work/co/previous_stage/hippocampus_001.nii.gz"
refuses 1 "co/previous_stage/hippocampus_001.nii.gz: is there already" $nephron predict "$work/casc" -i \
    "$work/images" -o "$work/co" $fast --quiet
check "--overwrite of the first stage" $nephron predict "$work/casc" -i "$work/images" -o "$work/co" $fast \
    --quiet --overwrite
models="$work/models of 3d_cascade_fullres" # the word is in the path twice
mkdir "$models"
cp -r "$work/casc" "$models/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres"
mv "$work/low" "$models/nnUNetTrainer__nnUNetPlans__3d_lowres"
$nephron predict "$models/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres" -i "$work/images" -o \
    "$work/cs" $fast --quiet &&
    cmp -s "$work/cp/hippocampus_003.nii.gz" "$work/cs/hippocampus_003.nii.gz"
ok "the first stage lies beside the second, as nnU-Net's model folders do" $?
mkdir "$work/results" && ln -s "$models" "$work/results/Dataset009_Cascade"
check "by number" env nnUNet_results="$work/results" $nephron predict 9/3d_cascade_fullres -i "$work/images" \
    -o "$work/cn" $fast --quiet
mv "$models/nnUNetTrainer__nnUNetPlans__3d_lowres" "$work/elsewhere"
refuses 1 "needs the segmentations of 3d_lowres" $nephron predict \
    "$models/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres" -i "$work/images" -o "$work/cs" --quiet
mv "$work/elsewhere" "$work/low"
refuses 1 "hippocampus_001.nii.gz" $nephron predict "$work/casc" -i "$work/images" -o "$work/cr" --quiet \
    --previous-stage "$work/images"
refuses 1 "has no previous stage" $nephron predict "$work/low" -i "$work/images" -o "$work/cr" --quiet \
    --previous-stage "$work/cp"
# Maps of weights that are replaced, or trained further, are not what a second stage trains with.
held=$(ls "$work/low/fold_1/validation/"*.nii.gz | wc -l)
for more in "--overwrite --epochs 1" "--resume --epochs 2"; do
    cp -r "$work/low" "$work/changed"
    $nephron train "$work/plain" -o "$work/changed" $(echo "$cascade" | sed 's/--epochs 1//') $fast \
        --configuration 3d_lowres --fold 1 --no-validation $more
    ok "train $more without a validation" $?
    left=$(ls "$work/changed/predicted_next_stage/3d_cascade_fullres" | wc -l)
    [ $((left + held)) -eq "$(ls "$work/plain/labelsTr" | wc -l)" ]
    ok "train $more: $left maps of the next stage" $?
    refuses 1 "train and validate all folds of 3d_lowres" $nephron train "$work/plain" -o "$work/x" $cascade \
        $full --overwrite --previous-stage "$work/changed"
    rm -r "$work/changed"
done
rm -r "$work/low/fold_1/validation/"*.nii.gz "$next"
refuses 1 "train and validate all folds of 3d_lowres" $nephron train "$work/plain" -o "$work/casc" $cascade \
    $full --overwrite --previous-stage "$work/low"

# ---- a time limit ------------------------------------------------------------------------------------------
# How long a step takes is the machine's (and a sanitizer's) business: the first of these times that it
# accepts. With one thread, as the time is used up whatever it is spent on.
for hours in 0.0004 0.0008 0.0015 0.006 0.025 0.1; do
    $nephron train "$work/plain" -o "$work/timed" --hours $hours --patch 16,16,16 --no-mirror --step 1 \
        --pictures 0 --threads 1 >"$work/out" 2>"$work/err"
    timed=$?
    grep -q "less than 10 iterations" "$work/err" || break
done
ok "train --hours" $timed
grep -q "$hours hours: [0-9]* base features, batch [0-9]*, [0-9]* epochs of [0-9]* iterations" "$work/out" &&
    grep -q 'expected end' "$work/out" &&
    grep -q "\"hours\": $hours" "$work/timed/manifest.json"
ok "it tells what it chose" $?
[ "$(sed 1d "$work/timed/fold_0/progress.csv" | wc -l)" -eq \
    "$(sed -n 's/.* batch [0-9]*, \([0-9]*\) epochs.*/\1/p' "$work/out")" ]
ok "it trained the epochs that it chose" $?
grep -q "iterations in .*, augmentation 1" "$work/out" && grep -q "adamw from 0.001 on (poly)" "$work/out" &&
    grep -q '"optimizer": "adamw"' "$work/timed/manifest.json" &&
    grep -q '"augment": 1' "$work/timed/manifest.json"
ok "it tells how it optimises" $?
timed=$(last_hash "$work/timed/fold_0/progress.csv")
check "--resume of a run with --hours" $nephron train --resume "$work/timed"
[ "$timed" = "$(last_hash "$work/timed/fold_0/progress.csv")" ] &&
    grep -q "\"hours\": $hours" "$work/timed/manifest.json"
ok "--resume keeps what --hours chose" $?
for hours in $hours 0.0015 0.006 0.025 0.1; do # features that are given are kept, and known to --resume
    $nephron train "$work/plain" -o "$work/given" --hours $hours --patch 16,16,16 --base-features 4 \
        --no-mirror --step 1 --pictures 0 --threads 1 >"$work/out" 2>"$work/err"
    given=$?
    grep -q "less than 10 iterations" "$work/err" || break
done
[ $given -eq 0 ] && grep -q '[0-9] hours: 4 base features' "$work/out"
ok "train --hours with given features" $?
check "and --resume of it" $nephron train --resume "$work/given"
$nephron plan "$work/plain" --hours 1 --patch 16,16,16 --base-features 8 -o "$work/timed.json" >"$work/out" &&
    grep -q '^1 hours: 8 base features' "$work/out"
ok "plan --hours with given features" $?
[ "$(tr -d '\n ' <"$work/timed.json" | grep -c '"features_per_stage":\[8,16')" -ge 1 ]
ok "plans.json has them" $?
$nephron plan "$work/plain" --hours 100 --patch 16,16,16 --base-features 2 >"$work/out" &&
    grep -q '^100 hours: .* iterations in .*, augmentation 2' "$work/out"
ok "all of the augmentation where there is time for it" $?
# An epoch's validation takes of the time too, and here more than there is.
timeout -s KILL 300 $nephron train "$work/plain" -o "$work/x" --hours $hours --patch 16,16,16 --base-features 4 \
    --batch 2 --no-validation --validation-batches 1000000 --threads 1 >"$work/out" 2>"$work/err"
[ $? -eq 1 ] && grep -q "the validation after an epoch .*less than 10 iterations" "$work/err"
ok "--hours that an epoch's validation alone takes: $(head -n 1 "$work/out")" $?
rm -rf "$work/x"
refuses 1 "less than 10 iterations" $nephron train "$work/plain" -o "$work/x" --overwrite --hours 1e-6 \
    --base-features 4 --patch 16,16,16 --batch 2 --quiet
$nephron train "$work/plain" -o "$work/x" --hours 1 --epochs 3 >/dev/null 2>"$work/err"
[ $? -eq 2 ] && grep -q "not with --epochs" "$work/err"
ok "--hours and --epochs together" $?

finish
