#!/bin/sh
# check_ensemble.sh - cross-validation from outside: two runs with probabilities, the best of them and their
# ensemble, postprocessing.
. tests/program/lib.sh

some_cases "$work/data" "${CHECK_ALL:-NR % 2 == 0}"
data=$work/data # half of them: 4 are held out; in check-all all, and 8
held=$((($(sed 1d "$data/sites.csv" | wc -l) + 4) / 5))
small="--batch 2 --patch 24,24,24 --epochs 2 --iterations 30 --optimizer adamw --lr 0.003 --augment 0 \
    --validation-batches 0 --pictures 0 --step 1 --no-mirror --quiet"
for b in 4 6; do
    $nephron train $data -o "$work/r$b" --base-features $b $small --probabilities
    ok "train --probabilities" $?
done
[ "$(ls "$work/r4/fold_0/validation/"*.npz | wc -l)" -eq $held ]
ok "probabilities of every held-out case" $?

$nephron best "$work/r4" "$work/r6" -o "$work/best" >"$work/table"
ok "best" $?
[ "$(grep -c "^[0-9.]*  *$held cases" "$work/table")" -eq 3 ] &&
    grep -q '"foreground_mean_dice"' "$work/best/best.json" && [ -s "$work/best/postprocessing.json" ]
ok "best: three candidates, best.json, postprocessing.json" $?
# The ensemble's Dice is what evaluate says of its label maps.
dice=$(sed -n "s/^\([0-9.]*\) *$held cases .* + .*/\1/p" "$work/table")
$nephron evaluate $data/labelsTr "$work/best/ensemble_0_1" --chill | grep -q "foreground mean  *$dice "
ok "best: Dice $dice of the ensemble against evaluate" $?
top=$(sed -n "s/^\([0-9.]*\) *$held cases .*/\1/p" "$work/table" | sort -r | head -n 1)
grep -q "^best: .*mean Dice $top" "$work/table"
ok "best: the largest of the table" $?
$nephron best "$work/r4" "$work/r6" -o "$work/alone" --no-ensembles --ref $data/labelsTr >"$work/table2"
ok "best --no-ensembles --ref" $?
[ "$(grep -c "^[0-9.]*  *$held cases" "$work/table2")" -eq 2 ] && [ ! -e "$work/alone/ensemble_0_1" ]
ok "no ensembles" $?

# Runs are compared on the same cases, each counted once, and by the same labels.
swap='s/: 1\([,}]*\)$/: 9\1/; s/: 2\([,}]*\)$/: 1\1/; s/: 9\([,}]*\)$/: 2\1/'
for run in few twice swapped; do cp -r "$work/r6" "$work/$run"; done
id=$(basename "$(ls "$work/few/fold_0/validation/"*.nii.gz | head -n 1)")
echo "{\"metric_per_case\": [{\"reference_file\": \"$data/labelsTr/$id\", \"prediction_file\": \"$id\"}]}" \
    >"$work/few/fold_0/validation/summary.json"
refuses 1 "few: has no held-out prediction of hippocampus_.*, which $work/r4 has" $nephron best "$work/r4" \
    "$work/few" -o "$work/x" --no-ensembles
refuses 1 "few: has no held-out prediction of hippocampus_.*, which $work/r4 has" $nephron best "$work/few" \
    "$work/r4" -o "$work/x" --no-ensembles
cp -r "$work/twice/fold_0" "$work/twice/fold_1"
refuses 1 "fold_1/validation/$id: a case that two folds hold out would count twice" $nephron best \
    "$work/twice" -o "$work/x"
refuses 1 "would count twice" $nephron postprocess "$work/twice" -o "$work/no.json"
sed "$swap" "$work/r6/dataset.json" >"$work/swapped/dataset.json"
refuses 1 "swapped/dataset.json: label Anterior is 2" $nephron best "$work/r4" "$work/swapped" -o "$work/x" \
    --no-ensembles
[ ! -e "$work/x" ] && [ ! -e "$work/no.json" ]
ok "nothing is written of what is refused" $?
rm -r "$work/few" "$work/twice" "$work/swapped"
# A run that nnU-Net trained under Windows.
cp -r "$work/r6" "$work/windows"
sed 's#\("[a-z]*_file": "\).*/#\1C:\\\\runs\\\\#' "$work/r6/fold_0/validation/summary.json" \
    >"$work/windows/fold_0/validation/summary.json"
grep -q '_file": "C:' "$work/windows/fold_0/validation/summary.json" &&
    $nephron best "$work/windows" -o "$work/w" --no-ensembles --ref $data/labelsTr >"$work/table3" &&
    [ "$(grep -c "^[0-9.]*  *$held cases" "$work/table3")" -eq 1 ]
ok "best of a run whose summary.json has backslashes" $?
rm -r "$work/windows" "$work/w"

mkdir "$work/images"
cp $root/tests/data/hippocampus/imagesTr/hippocampus_00[13]_0000.nii.gz "$work/images"
for b in 4 6; do
    $nephron predict "$work/r$b" -i "$work/images" -o "$work/p$b" --probabilities --step 1 --no-mirror --quiet
    ok "predict --probabilities" $?
done
$nephron ensemble "$work/p4" "$work/p6" -o "$work/e" --probabilities --quiet &&
    $nephron ensemble "$work/p6" "$work/p4" -o "$work/f" --quiet
ok "ensemble" $?
cmp -s "$work/e/hippocampus_001.nii.gz" "$work/f/hippocampus_001.nii.gz" &&
    ! cmp -s "$work/e/hippocampus_001.nii.gz" "$work/p4/hippocampus_001.nii.gz"
ok "an ensemble knows no order, and differs from its first member" $?
cp -r "$work/p6" "$work/p6copy"
$nephron ensemble "$work/p6" "$work/p6copy" -o "$work/same" --quiet &&
    cmp -s "$work/same/hippocampus_003.nii.gz" "$work/p6/hippocampus_003.nii.gz"
ok "the ensemble of a prediction with itself is that prediction" $?
cp -r "$work/e" "$work/ecopy"
$nephron ensemble "$work/e" "$work/ecopy" -o "$work/again" --dataset $data/dataset.json --quiet &&
    cmp -s "$work/again/hippocampus_003.nii.gz" "$work/e/hippocampus_003.nii.gz"
ok "an ensemble of ensembles" $?
# What nnUNetv2_ensemble needs beside them (check_ensemble.c has its numbers).
[ -s "$work/p4/hippocampus_001.pkl" ] && [ -s "$work/e/hippocampus_003.pkl" ] &&
    [ "$(ls "$work/r4/fold_0/validation/"*.pkl | wc -l)" -eq $held ] && [ ! -e "$work/f/hippocampus_001.pkl" ]
ok "a CASE.pkl beside each CASE.npz" $?
mkdir "$work/theirs"
echo theirs >"$work/theirs/hippocampus_001.pkl"
refuses 1 "theirs/hippocampus_001.pkl: is there already" $nephron predict "$work/r4" -i "$work/images" \
    -o "$work/theirs" --probabilities --quiet
refuses 1 "theirs/hippocampus_001.pkl: is there already" $nephron ensemble "$work/p4" "$work/p6" \
    -o "$work/theirs" --probabilities --quiet
$nephron ensemble "$work/p4" "$work/p6" -o "$work/post" --postprocessing "$work/best/postprocessing.json" \
    --quiet
ok "ensemble --postprocessing" $?

# ---- postprocessing (its rule: check_ensemble.c) -----------------------------------------------------------
$nephron postprocess "$work/r6" -o "$work/pp.json" >"$work/steps" &&
    grep -q '"postprocessing_fns"' "$work/pp.json"
ok "postprocess" $?
before=$(sed -n 's/.*mean Dice \([0-9.]*\) to \([0-9.]*\)$/\1/p' "$work/steps")
after=$(sed -n 's/.*mean Dice \([0-9.]*\) to \([0-9.]*\)$/\2/p' "$work/steps")
awk "BEGIN {exit !($after >= $before)}"
ok "postprocessing never lowers the Dice it is decided by: $before to $after" $?

cp -r "$work/p4" "$work/p4copy"
# What predict applies is what ensemble applies: here the largest component of all foreground together,
# whatever the cross-validation says.
cat >"$work/one.json" <<EOF
{"postprocessing_fns": ["remove_all_but_largest_component_from_segmentation"], "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}]}
EOF
$nephron predict "$work/r4" -i "$work/images" -o "$work/q4" --postprocessing "$work/one.json" --step 1 \
    --no-mirror --quiet &&
    $nephron ensemble "$work/p4" "$work/p4copy" -o "$work/q" --postprocessing "$work/one.json" --quiet
cmp -s "$work/q/hippocampus_001.nii.gz" "$work/q4/hippocampus_001.nii.gz" &&
    ! cmp -s "$work/q4/hippocampus_001.nii.gz" "$work/p4/hippocampus_001.nii.gz"
ok "predict --postprocessing keeps one component" $?
$nephron predict "$work/r6" -i "$work/images" -o "$work/n6" --no-postprocessing --step 1 --no-mirror --quiet
cmp -s "$work/n6/hippocampus_001.nii.gz" "$work/p6/hippocampus_001.nii.gz"
ok "predict --no-postprocessing" $?
$nephron federate $data -o "$work/fed" --sites $data/sites.csv --base-features 4 --batch 2 --patch 24,24,24 \
    --rounds 1 --local-iterations 1 --validation-batches 0 --pictures 0 \
    --step 1 --no-mirror --quiet --probabilities &&
    [ "$(ls "$work/fed/fold_0/validation/"*.npz | wc -l)" -eq $held ]
ok "federate --probabilities" $?

mv "$data" "$work/away"
refuses 1 "reference_file" $nephron postprocess "$work/r4" -o "$work/no.json"
mv "$work/away" "$data"
refuses 1 "no such file" $nephron best "$work/r4" "$work/r6" -o "$work/x" --ref "$work"
refuses 1 "npz: no such file; .*--probabilities" sh -c \
    "cp -r $work/r6 $work/bare; rm $work/bare/fold_0/validation/*.npz; $nephron best $work/r4 $work/bare -o $work/x"
refuses 1 "hippocampus_003.npz" sh -c \
    "rm $work/p6/hippocampus_003.npz; $nephron ensemble $work/p4 $work/p6 -o $work/x --quiet"
cp -r "$work/images" "$work/images2"
refuses 1 "no CASE.npz" $nephron ensemble "$work/images" "$work/images2" -o "$work/x" --dataset \
    $data/dataset.json --quiet
# What is given twice, by whatever names, would weigh double, or be compared with itself.
ln -s p4 "$work/p4_again"
for again in p4 p4/ p4_again ../${work##*/}/p4; do
    refuses 1 "p4.*: is given twice" $nephron ensemble "$work/p4" "$work/p6" "$work/$again" -o "$work/x2" \
        --quiet
done
refuses 1 "r4: is given twice" $nephron best "$work/r4" "$work/r6" "$work/r4" -o "$work/x2"
[ ! -e "$work/x2" ]
ok "a refused ensemble has made its folder" $?
refuses 1 "no such run folder" $nephron best "$work/none" -o "$work/x"
rm "$work/r6/fold_0/validation/"*.npz
refuses 1 ".npz: no such file; .*--probabilities (or --no-ensembles compares" $nephron best "$work/r4" \
    "$work/r6" -o "$work/x" --quiet
# Output k of one prediction is output k of the other, and the folders to combine stay as they are.
refuses 1 "is one of the folders to combine" $nephron ensemble "$work/p4" "$work/p4copy" -o "$work/p4" --quiet
cp -r "$work/p4" "$work/other"
sed "$swap" "$work/p4/dataset.json" >"$work/other/dataset.json"
refuses 1 "their probabilities have no mean" $nephron ensemble "$work/p4" "$work/other" -o "$work/x" --quiet
sed 's/Anterior/Front/' "$work/p4/dataset.json" >"$work/other/dataset.json"
check "another name of a label" $nephron ensemble "$work/p4" "$work/other" -o "$work/named" --quiet
holds "is told" "other/dataset.json: label 1 is called Front, in $work/p4/dataset.json Anterior" "$work/err"
cmp -s "$work/named/hippocampus_001.nii.gz" "$work/p4/hippocampus_001.nii.gz"
ok "and changes no label map" $?
cp -r "$work/p4" "$work/parts"
sed 's/"Anterior": *1/"Whole": [1, 2]/; s/^{/{"regions_class_order": [1, 2],/' "$work/p4/dataset.json" \
    >"$work/parts/dataset.json"
sed 's/"Posterior": *2/"Whole": [1, 2]/; s/^{/{"regions_class_order": [1, 2],/' "$work/p4/dataset.json" \
    >"$work/other/dataset.json"
refuses 1 "region 0, Anterior, has other labels than Whole of $work/parts/dataset.json" $nephron ensemble \
    "$work/parts" "$work/other" -o "$work/x" --quiet
refuses 1 "has 3 labels and 0 regions, $work/parts/dataset.json has" $nephron ensemble "$work/parts" \
    "$work/p4" -o "$work/x" --quiet
sed 's/Whole/All/' "$work/parts/dataset.json" >"$work/other/dataset.json"
says "another name of a region" "region 0 is called All, in $work/parts/dataset.json Whole" $nephron ensemble \
    "$work/parts" "$work/other" -o "$work/x" --quiet
cp -r $data/labelsTr "$work/refs"
refuses 1 "refs/hippocampus_001.nii.gz: is there already" $nephron ensemble "$work/p4" "$work/p4copy" \
    -o "$work/refs" --quiet
cmp -s "$work/refs/hippocampus_001.nii.gz" $data/labelsTr/hippocampus_001.nii.gz
ok "a reference is left as it is" $?
check "ensemble --overwrite" $nephron ensemble "$work/p4" "$work/p4copy" -o "$work/refs" --overwrite --quiet
cmp -s "$work/refs/hippocampus_001.nii.gz" "$work/p4/hippocampus_001.nii.gz"
ok "ensemble --overwrite replaces" $?
refuses 1 "r4: is a run, whose plans.json would be lost" $nephron ensemble "$work/p4" "$work/p4copy" \
    -o "$work/r4" --quiet
rm "$work/other/dataset.json"
refuses 1 "it tells what label each output is" $nephron ensemble "$work/other" "$work/p4" -o "$work/x" --quiet
refuses 2 "needs -o" $nephron best "$work/r4"
refuses 2 "needs -o" $nephron ensemble "$work/p4" "$work/p6"

finish
