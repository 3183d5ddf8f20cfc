#!/bin/sh
# check_study_program.sh - `nephron study` from outside: every file and key of the contract, the same weights
# for other threads and after --resume, parts that are missing, bad input. Networks are tiny: what they learn
# does not matter here. With CHECK_ALL=1 (check_all.sh) the larger presets and the other ways of preparing and
# counting too.
. tests/program/lib.sh

# Half of the sample's cases, every other one, so that all sites are there; in check-all the whole.
all=$data/sites.csv
some_cases "$work/data" "${CHECK_ALL:-NR % 2 == 0}"
data=$work/data
cases=$(sed 1d "$data/sites.csv" | wc -l)
(echo case,label; sed -n '2,$p' $data/sites.csv | cut -d, -f1 |
    awk '{ print $1 "," NR % 2 }') >"$work/data/labels.csv"
tiny_maps="--rounds 1 --local-iterations 1 --base-features 4 --patch-voxels 8000 --step 1"
tiny_classes="--class-rounds 1 --class-iterations 1 --base 4 --crop 8,8,8 --class-batch 4"
tiny="$tiny_maps $tiny_classes --seeds 1 --quiet"

$nephron study -o "$work/a" --data "$work/data" $tiny --threads 1
ok "study of both tasks" $?
# Before anything is trained.
refuses 1 "no column 'height', which the covariates name" $nephron study -o "$work/late" --data "$work/data" \
    $tiny --covariates height
refuses 1 "the last stage has one voxel" $nephron study -o "$work/late" --data "$work/data" $tiny \
    --norm instance
[ ! -e "$work/late/runs" ] && [ ! -e "$work/late/protocol.json" ]
ok "what a classifier cannot have is refused behind a segmentation: $(ls "$work/late" 2>/dev/null)" $?
for file in report.html report.json cases.csv sites.csv rounds.csv runs/plans.json \
    predictions/classification/federated.csv \
    predictions/segmentation/centralised_seed_1.json protocol.json; do
    [ -s "$work/a/$file" ]
    ok "study writes $file" $?
done
for key in segmentation arms local federated centralised dice_mean lesion_f1 lesion_sensitivity wilcoxon \
    equivalence classification auc accuracy sensitivity \
    specificity delong difference ci mcnemar per_seed per_site patients_and_seeds_random noninferiority \
    power hodges_lehmann \
    hd95_missed hd95_penalised_mean headline baselines recalibration_fitted brier_recalibrated \
    operating_points; do
    grep -q "\"$key\":" "$work/a/report.json"
    ok "report.json has $key" $?
done
for id in protocol flow sites segmentation classification pictures cost methods reproduce checklists; do
    grep -q "<h2 id=$id>" "$work/a/report.html"
    ok "report.html has section $id" $?
done
! grep -q 'id=paper' "$work/a/report.html"
ok "the paper's table stands in a study that is not the paper's" $?
grep -q 'with one seed there is one model of each' "$work/a/report.html" &&
    grep -q 'too few patients' "$work/a/report.html" &&
    ! grep -q 'the two are equivalent' "$work/a/report.html"
ok "a study of one seed and few cases says so, and claims no equivalence" $?
[ "$(grep -c 'Margins, power and detectable difference: too few to say' "$work/a/report.html")" -eq 2 ] &&
    grep -q 'class=ci>(not estimable)' "$work/a/report.html" &&
    ! grep -q 'power, if the difference is the margin\|would have been found' "$work/a/report.html" &&
    [ "$(grep -c '"detectable_difference": NaN' "$work/a/report.json")" -ge 2 ] &&
    ! grep -q '"detectable_difference": [0-9]' "$work/a/report.json" &&
    ! grep -qi '[( ]nan\b' "$work/a/report.html"
ok "of few cases neither power nor a detectable difference, and no interval" $?
grep -q '"departures_from_protocol": "none"' "$work/a/report.json" &&
    ! grep -q 'the command alone need not' "$work/a/report.html" &&
    ! grep -q 'not done as it was stated' "$work/a/report.html" &&
    grep -q '"test_patients": ' "$work/a/report.json"
ok "a study that keeps to its protocol says so" $?
! grep -q '–[^<]*<span class=ci>(–' "$work/a/report.html"
ok "an interval of nothing" $?
! grep -qE '<script|<link|src="?http' "$work/a/report.html"
ok "report.html needs nothing from outside" $?
grep -q 'data:image/png;base64,iVBOR' "$work/a/report.html"
ok "report.html has pictures inside" $?
[ "$(wc -l <"$work/a/cases.csv")" -eq $((cases + 1)) ] &&
    [ "$(grep -c ',test,' "$work/a/cases.csv")" -eq $((cases / 10)) ]
ok "cases.csv: $cases cases, a tenth for the test" $?
$nephron compare "$work/a/predictions/classification/federated.csv" \
    "$work/a/predictions/classification/centralised.csv" >/dev/null
ok "compare reads the study's predictions" $?
$nephron evaluate "$work/a/predictions/classification/federated.csv" \
    "$work/a/predictions/classification/federated.csv" --quiet
ok "evaluate reads the study's predictions" $?

hashes() { sed -n 's/.*,\([0-9a-f]\{16\}\)$/\1/p' "$1/rounds.csv"; }
[ "$(hashes "$work/a" | wc -l)" -eq 10 ] && [ "$(hashes "$work/a" | sort -u | wc -l)" -eq 10 ]
ok "ten models, ten weight hashes" $?

grep -q "logistic recalibration, with Platt's targets" "$work/a/report.html" &&
    grep -q 'halfway to the next lower probability' "$work/a/report.html"
ok "how probabilities are recalibrated and thresholds chosen" $?
grep -q 'recalibration and the other two operating points come from validation cases' "$work/a/report.html" &&
    ! grep -q 'decide nothing: the final weights' "$work/a/report.html"
ok "what validation cases decide" $?

# By two threads, killed in the middle and continued: the same results, byte for byte.
$nephron study -o "$work/k" --data "$work/data" $tiny --threads 2 2>"$work/err" &
child=$!
while kill -0 $child 2>/dev/null && [ ! -e "$work/k/protocol.json" ]; do sleep 0.02; done
refuses 1 "process $child is at work in this folder" $nephron study --resume "$work/k"
while kill -0 $child 2>/dev/null &&
    [ ! -e "$work/k/runs/segmentation/federated_seed_1/checkpoint_final.safetensors" ]; do
    sleep 0.05
done
kill -15 $child 2>/dev/null
wait $child 2>/dev/null
[ $? -eq 143 ] && grep -q "study --resume $work/k" "$work/err" && [ ! -e "$work/k/report.json" ]
ok "a study that gets SIGTERM stops and says how to go on" $?
$nephron study --resume "$work/k" &
child=$!
maps=$work/k/predictions/segmentation
while kill -0 $child 2>/dev/null && ! ls "$maps/centralised_seed_1/"*.nii.gz >"$work/done" 2>/dev/null; do
    sleep 0.02
done
kill -9 $child 2>/dev/null
wait $child 2>/dev/null
[ ! -e "$work/k/report.json" ]
ok "the study was killed before its end" $?
ls "$maps/federated_seed_1/"*.nii.gz >>"$work/done" && touch "$work/before" && sleep 0.05
$nephron study --resume "$work/k" --quiet
grep -q 'The last part of this study, which was stopped' "$work/k/report.html" &&
    grep -q '"continued": true' "$work/k/report.json" && grep -q '"continued": false' "$work/a/report.json" &&
    grep -q '"departures_from_protocol": "none"' "$work/k/report.json" &&
    grep -q '<p>Whole study: ' "$work/a/report.html"
ok "the time of a study that was continued is called that of its last part" $?
cmp "$work/k/cases.csv" "$work/a/cases.csv" && cmp "$work/k/sites.csv" "$work/a/sites.csv" &&
    [ "$(hashes "$work/k")" = "$(hashes "$work/a")" ]
ok "a study that was killed and resumed gives other results" $?
[ -s "$work/done" ] && [ -z "$(find $(cat "$work/done") -newer "$work/before")" ]
ok "test cases that were done are not predicted again, of an arm that was half done neither" $?
echo "weights of another day" >"$work/k/runs/segmentation/federated_seed_1/predictions.txt"
rm "$work/k/runs/segmentation/federated_seed_1/checkpoint_latest.safetensors"
$nephron study -o "$work/k" --data "$work/data" $tiny --resume
[ "$(hashes "$work/k")" = "$(hashes "$work/a")" ]
ok "--resume gives other weights" $?
# Where nothing is trained again, no time that is left can be told from what this process needed.
$nephron study -o "$work/k" --data "$work/data" ${tiny% --quiet} --resume >"$work/again"
grep -q ' % done$' "$work/again" && ! grep -q ' % done, about' "$work/again"
ok "a study that only reads its trainings tells a time that is left" $?
[ -z "$(find "$maps/federated_seed_1" -name '*.nii.gz' ! -newer "$work/before")" ] &&
    cmp "$work/k/cases.csv" "$work/a/cases.csv"
ok "maps of other weights are predicted again" $?

# A signal while a classifier is tested: it stops before the next cases, and goes on to the same results.
classes="--task classify --seeds 1 --arms federated --class-rounds 1 --class-iterations 1 --base 32 \
    --crop 32,48,48 --class-batch 2 --quiet --threads 1"
$nephron study -o "$work/classified" --data "$work/data" $classes
ok "a study of a classifier" $?
$nephron study -o "$work/classifying" --data "$work/data" $classes 2>"$work/err" &
child=$!
while kill -0 $child 2>/dev/null &&
    [ ! -e "$work/classifying/runs/classification/federated_seed_1/checkpoint_final.safetensors" ]; do
    sleep 0.02
done
kill -15 $child 2>/dev/null
wait $child 2>/dev/null
[ $? -eq 143 ] && grep -q "study --resume $work/classifying" "$work/err" &&
    [ ! -e "$work/classifying/predictions/classification/federated_seed_1_validation.csv" ]
ok "a signal in the test of a classifier: $(ls "$work/classifying/predictions/classification" 2>&1)" $?
$nephron study --resume "$work/classifying" --threads 2 --quiet
cmp "$work/classifying/cases.csv" "$work/classified/cases.csv"
ok "a study that was stopped in the test of a classifier gives other results" $?

# A task whose training diverges: the error says so and how to go on; what was done is not done again, and
# gives a report without the rest.
diverging="$tiny --class-rounds 30 --class-iterations 30 --class-lr 10 --arms federated"
segmenters() { sed -nE 's/^segmentation,(federated|centralised),.*,([0-9a-f]{16})$/\2/p' "$1/rounds.csv"; }
$nephron study -o "$work/v" --data "$work/data" $diverging 2>"$work/err"
[ $? -eq 1 ] && grep -q "classification, federated, .*--class-lr 10: .*diverged; what is done stays in .*/v: " \
    "$work/err" && [ "$(wc -l <"$work/err")" -eq 1 ] && [ ! -e "$work/v/report.json" ]
ok "a training that diverges: $(cat "$work/err")" $?
touch "$work/before" && sleep 0.05
cp "$work/err" "$work/first"
$nephron study --resume "$work/v" 2>"$work/err"
[ $? -eq 1 ] && cmp -s "$work/err" "$work/first" &&
    [ -z "$(find "$work/v/predictions/segmentation" -name '*.nii.gz' -newer "$work/before")" ]
ok "resumed it says the same, and predicts nothing again" $?
$nephron study -o "$work/v" --data "$work/data" $tiny_maps --seeds 1 --quiet --arms federated --task segment \
    --resume &&
    [ "$(segmenters "$work/v" | wc -l)" -eq 2 ] &&
    [ "$(segmenters "$work/v")" = "$(segmenters "$work/a")" ] &&
    [ -z "$(find "$work/v/predictions/segmentation" -name '*.nii.gz' -newer "$work/before")" ]
ok "without that task there is a report of the other one" $?

# Prepared cases in files change nothing; bf16 does, and is told.
if [ -n "$CHECK_ALL" ]; then
    $nephron study -o "$work/d" --data "$work/data" $tiny --cache &&
        cmp "$work/d/cases.csv" "$work/a/cases.csv" && [ -z "$(find "$work/d" -name '.scratch*')" ]
    ok "--cache" $?
    $nephron study -o "$work/h" --data "$work/data" $tiny --precision bf16 &&
        grep -q '"precision": "bf16"' "$work/h/report.json" &&
        [ "$(hashes "$work/h")" != "$(hashes "$work/a")" ]
    ok "--precision bf16" $?
fi

# Every arm, two seeds, an external hospital; its cases are in no training. In check-all.
if [ -n "$CHECK_ALL" ]; then
    (echo case,hospital,histology; sed -n '2,$p' $data/sites.csv |
        awk -F, '{ print $1 "," (NR % 8 == 0 ? "far,rare" : "near,usual") }') >"$work/data/clinical.csv"
    arms=alone,federated_equal_images,centralised_long,fedprox,fedbn,leave_one_out
    $nephron study -o "$work/m" --data "$work/data" $tiny --seeds 2 --local-iterations 3 --arms $arms \
        --external far >/dev/null
    ok "study of every arm with two seeds and an external hospital" $?
    for key in federated_equal_images centralised_long fedprox fedbn leave_one_out per_hospital external \
        unseen_institutions; do
        grep -q "\"$key\":" "$work/m/report.json"
        ok "report.json has $key" $?
    done
    grep -q '"order": "a fixed sequence' "$work/m/protocol.json" &&
        grep -q 'It was not shown here, so that what is said of the AUC is exploratory' "$work/m/report.html"
    ok "the order of the endpoints, and what it comes to" $?
    [ "$(grep -c '"b": "federated_equal_images"' "$work/m/report.json")" -eq 4 ] &&
        grep -q '^segmentation,centralised_long,' "$work/m/rounds.csv" &&
        ! grep -q '"[ab]": "[a-z]* [a-z]' "$work/m/report.json"
    ok "arms are called in comparisons and rounds as --arms calls them" $?
    grep -q 'patients and seeds as random' "$work/m/report.html" &&
        [ "$(grep -c ',external,' "$work/m/cases.csv")" -eq 5 ]
    ok "external cases, seeds as random" $?
    grep -q 'External test' "$work/m/report.html" && grep -q '<tr><th>far, external<td>5<td>' \
        "$work/m/report.html" &&
        grep -q 'Institutions that did not train' "$work/m/report.html"
    ok "external cases in the flow, the cohort and the comparisons" $?
    grep -q '<th>far, external$' "$work/m/report.html" &&
        grep -A 1 '^<tr><th>rare' "$work/m/report.html" | grep -q '<td>0<td>0.*<td>5'
    ok "histology of the external hospital" $?
    sed -n 's/^segmentation,\(centralised[a-z_ ]*\),1,1,all,\([0-9]*\),.*/\1 \2/p' "$work/m/rounds.csv" |
        sort >"$work/out"
    [ "$(wc -l <"$work/out")" -eq 2 ] && grep -q "without: " "$work/m/rounds.csv"
    ok "rounds.csv of every arm" $?
    grep -q 'in its last layer, volume' "$work/m/report.html" &&
        grep -q '"name": "volume"' "$work/m/report.json"
    ok "the volume is a covariate of the classifier" $?
    # FedBN: with the global norms instead of its own, a site's cases have other probabilities, and the
    # others' the same.
    bn=$work/m/runs/classification/fedbn_seed_1
    site=$(basename "$(ls "$bn"/sites/*.own.safetensors | head -1)" .own.safetensors)
    cp "$work/m/predictions/classification/fedbn_seed_1.csv" "$work/own.csv"
    cp "$bn/checkpoint_final.safetensors" "$bn/sites/$site.own.safetensors"
    $nephron study -o "$work/m" --data "$work/data" $tiny --seeds 2 --local-iterations 3 --arms $arms \
        --external far --resume >/dev/null
    cut -d, -f1-3 "$work/m/cases.csv" | grep ',test$' | sort >"$work/parts"
    sort "$work/own.csv" | join -t, - "$work/parts" >"$work/before.csv"
    sort "$work/m/predictions/classification/fedbn_seed_1.csv" | join -t, - "$work/parts" |
        paste -d, "$work/before.csv" - |
        awk -F, -v site="$site" \
        '{ if ($4 == site ? $3 == $8 : $3 != $8) bad = 1; mine += $4 == site; n++ } END {
            exit bad || !mine || mine == n }'
    ok "FedBN's cases are tested with the norms of their own site" $?
    rm "$work/data/clinical.csv"
fi

# Images of one value are told, and do no harm to the other cases.
cp -r "$work/data" "$work/blank"
blanks=0
for f in $(ls "$work/blank/imagesTr" | head -n 3); do
    f=$work/blank/imagesTr/$f
    gzip -dc "$f" >"$work/raw"
    { head -c 352 "$work/raw"; tail -c +353 "$work/raw" | LC_ALL=C tr '\001-\377' '\000'; } |
        gzip -c >"$f"
    blanks=$((blanks + 1))
done
$nephron study -o "$work/b" --data "$work/blank" $tiny_classes --seeds 1 --quiet --task classify \
    --arms federated 2>"$work/err" && [ "$blanks" -gt 1 ] && grep -q 'all voxels of channel 0 are 0' \
    "$work/err" && grep -q "$blanks channels of the files that were read have one value" "$work/err"
ok "a study with images of one value: $(head -n 3 "$work/err")" $?

# A test case whose reference is empty is told: its Dice is 0 or not defined.
cp -r "$work/data" "$work/empty"
f=$work/empty/labelsTr/$(grep -m 1 ',test,' "$work/a/cases.csv" | cut -d, -f1).nii.gz
gzip -dc "$f" >"$work/raw"
{ head -c 352 "$work/raw"; tail -c +353 "$work/raw" | LC_ALL=C tr '\001-\377' '\000'; } | gzip -c >"$f"
$nephron study -o "$work/one_empty" --data "$work/empty" $tiny_maps --seeds 1 --quiet --task segment &&
    grep -q '"test_cases_without_foreground": 1' "$work/one_empty/report.json" &&
    grep -q 'The reference of 1 test case has no foreground' "$work/one_empty/report.html" &&
    grep -q '"test_cases_without_foreground": 0' "$work/a/report.json" &&
    ! grep -q 'has no foreground' "$work/a/report.html"
ok "a study with a test case without foreground" $?
# A study goes on with the data that it began with.
kept_report=$(cksum <"$work/one_empty/report.json")
cp "$work/data/labelsTr/$(basename "$f")" "$f"
refuses 1 "protocol.json: the data of .*empty have changed: SHA-256 .*, when the study began " $nephron study \
    --resume "$work/one_empty"
[ "$kept_report" = "$(cksum <"$work/one_empty/report.json")" ]
ok "refused, it leaves the report as it was" $?

# Where a test case has a label and no label map, the classifier learns from reference masks alone, and the
# report does not tell otherwise.
cp -r "$work/data" "$work/partly"
rm "$work/partly/labelsTr/$(grep -m 1 ',test,' "$work/a/cases.csv" | cut -d, -f1).nii.gz"
$nephron study -o "$work/part" --data "$work/partly" $tiny --arms federated 2>"$work/err" &&
    ! grep -q 'each training case comes twice' "$work/part/report.html" &&
    grep -q 'label map: .* training, .* validation, [0-9]* for the test' "$work/part/report.html" &&
    ! grep -q 'those of these cases' "$work/a/report.html" &&
    grep -q 'each training case comes twice' "$work/a/report.html"
ok "a test case without a label map: $(cat "$work/err")" $?

# Regions share voxels: a volume counts each once, as that of the reference does, and the report speaks of
# regions. The first region is all foreground.
cp -r "$work/data" "$work/regions"
sed 's/"Anterior": *1/"Whole": [1, 2]/; s/^{/{"regions_class_order": [1, 2],/' "$work/data/dataset.json" \
    >"$work/regions/dataset.json"
$nephron study -o "$work/overlap" --data "$work/regions" $tiny_maps --seeds 1 --quiet --task segment \
    --arms federated &&
    grep -q 'Dice of a case is the mean over 2 regions;' "$work/overlap/report.html" &&
    grep -q 'loss Dice and binary cross-entropy of each region' "$work/overlap/report.html"
ok "a study of regions" $?
column=$(head -n 1 "$work/overlap/cases.csv" | tr , '\n' | grep -n '^volume_ml_federated$' | cut -d: -f1)
grep ',test,' "$work/overlap/cases.csv" | cut -d, -f"$column" | sort >"$work/volumes"
awk '/": \{/ { whole = /"\(1, 2\)"/ }
    whole && /"volume_pred_mm3"/ { volume = $2 + 0 }
    /"case":/ { printf "%.6g\n", volume / 1000 }' \
    "$work/overlap/predictions/segmentation/federated_seed_1.json" | sort >"$work/wanted"
[ -s "$work/volumes" ] && cmp "$work/volumes" "$work/wanted"
ok "volumes of regions: $(paste -s "$work/volumes"), of all foreground $(paste -s "$work/wanted")" $?

# A site that has no patient's age: its own arm goes on without, and so do the others.
none=$(sed -n '2s/.*,//p' "$work/data/sites.csv")
(echo case,age,sex; awk -F, -v none="$none" \
    'NR > 1 { print $1 "," ($2 == none ? "" : 40 + NR * 7 % 40) "," NR % 2 }' \
    "$work/data/sites.csv") >"$work/data/clinical.csv"
$nephron study -o "$work/age" --data "$work/data" $tiny_classes --seeds 1 --quiet --task classify \
    --arms alone 2>"$work/err" && grep -q 'in its last layer, volume, age' "$work/age/report.html"
ok "a site without a value of a covariate" $?
grep -q "clinical.csv: sex of $cases cases is a number, which does not tell who is a woman" "$work/err" &&
    grep -q "<p>Sex of $cases cases is a number in clinical.csv" "$work/age/report.html"
ok "a sex that is a number is told to be unknown: $(cat "$work/err")" $?
grep -q '"name": "volume and age, logistic regression"' "$work/age/report.json" &&
    grep -q '<tr><th>shape, first-order features and age, boosted trees<td>' "$work/age/report.html"
ok "simpler models are named after what they have" $?
rm "$work/data/clinical.csv"

# Three classes, of the whole sample: each against the rest, and their mean.
cp -r "${all%/*}" "$work/whole"
chmod -R u+w "$work/whole"
(echo case,label; sed -n '2,$p' "$all" | cut -d, -f1 |
    awk '{ print $1 "," (NR * 5 + int(NR / 7)) % 3 }') >"$work/whole/labels.csv"
$nephron study -o "$work/three" --data "$work/whole" $tiny_classes --seeds 1 --quiet --task classify &&
    grep -q '"auc_one_vs_rest"' "$work/three/report.json" &&
    grep -q 'Macro AUC (mean of' "$work/three/report.html" &&
    grep -q 'is the mean over the classes that its cases have' "$work/three/report.html" &&
    grep -q '(95 % interval not estimable, p not defined, of the mean' "$work/three/report.html" &&
    head -1 "$work/three/predictions/classification/federated.csv" | grep -q probability_2
ok "study of three classes" $?
# Of every site and arm: how many cases, and their area where they are of two classes and more.
[ "$(sed -n '/"per_site"/,/}$/p' "$work/three/report.json" | grep -c '"n": [1-9]')" -ge 5 ] &&
    sed -n '/"per_site"/,/}$/p' "$work/three/report.json" | grep -q '"value": [01]' &&
    ! grep -q '"positives"' "$work/three/report.json" &&
    grep -q 'Macro AUC of each model on the test cases of each institution' "$work/three/report.html"
ok "three classes by institution" $?
! grep -q 'recalibration and the other two operating points' "$work/three/report.html" &&
    grep '>29 Statistical' "$work/three/report.html" | grep -q 'of three and more classes patients alone'
ok "what three classes have not" $?
awk -F, -v OFS=, 'NR > 1 { $2 += 1 } 1' "$work/whole/labels.csv" >"$work/labels.csv"
cp "$work/whole/labels.csv" "$work/kept.csv"
cp "$work/labels.csv" "$work/whole/labels.csv"
$nephron study -o "$work/none" --data "$work/whole" $tiny_classes --seeds 1 --quiet --task classify \
    2>"$work/err"
[ $? -eq 1 ] && grep -q "labels.csv has no label 0: classes are 0, 1 and so on" "$work/err"
ok "labels from 1 on: $(head -n 1 "$work/err")" $?
cp "$work/kept.csv" "$work/whole/labels.csv"
refuses 1 "a study was begun in this folder" $nephron study -o "$work/three" --data "$work/whole" \
    $tiny_classes --seeds 1 --quiet --task classify

# The primary endpoint is one that is there, and one that is tested.
grep -q '"primary": "macro AUC' "$work/three/protocol.json" &&
    grep -q 'macro AUC, federated − centralised<td>primary<td>is there a difference?' "$work/three/report.html"
ok "the endpoint of three classes" $?
cp -r "$work/data" "$work/no_maps" && rm -r "$work/no_maps/labelsTr"
$nephron study -o "$work/boxless" --data "$work/no_maps" $tiny_classes --seeds 1 --quiet --arms federated &&
    grep -q '"primary": "AUC' "$work/boxless/protocol.json" &&
    grep -q '"key_secondary": "none"' "$work/boxless/protocol.json" &&
    grep -q 'AUC, federated − centralised<td>primary' "$work/boxless/report.html" &&
    grep -A 1 '>39 Failure analysis' "$work/boxless/report.html" | grep -q 'Not in this study' &&
    grep '>23 Uni-parametric' "$work/boxless/report.html" | grep -q 'Not in this study: without masks'
ok "without masks the area is primary, and checklists do not answer by what is not there" $?
grep '<li>Classification: ' "$work/boxless/report.html" >"$work/out" &&
    grep -q 'on the whole image (there are no masks), resampled to 8 × 8 × 8 points' "$work/out" &&
    ! grep -q 'the mask\|mm around' "$work/out" &&
    grep '<li>Classification: ' "$work/a/report.html" | grep -q 'mm around the mask (a quarter more'
ok "the methods tell of what the classifier saw: $(cat "$work/out")" $?
# Gone on with more seeds, longer, or with other clinical columns: possible, and told.
(echo case,age; sed 1d "$work/no_maps/sites.csv" | sed 's/,.*/,50/') >"$work/no_maps/clinical.csv"
longer=$(echo "$tiny_classes" | sed 's/rounds 1/rounds 2/')
$nephron study -o "$work/boxless" --data "$work/no_maps" $longer --seeds 2 --quiet --arms fedprox \
    --covariates none --resume 2>"$work/err" &&
    grep -q 'rounds of classification: stated 1, done 2' "$work/err" &&
    grep -q 'age and sex of the cases (SHA-256): stated [0-9a-f]*, done [0-9a-f]*; covariates: stated vol' \
        "$work/boxless/report.json" &&
    ! grep -q 'learning rate\|depth\|width\|input size\|precision' "$work/err" &&
    grep -q 'the command alone need not give the same bits' "$work/boxless/report.html" &&
    grep -q 'not as .*json says.*seeds of classification: stated 1, done 2' "$work/err" &&
    grep -q 'not done as it was stated: .*tion: stated 1, done 2; arms: stated federated, centralised, done fed' \
        "$work/boxless/report.html" &&
    grep -q '"departures_from_protocol": ".*classification: stated 1, done 2' "$work/boxless/report.json" &&
    grep -q '"classification_seeds": 1' "$work/boxless/protocol.json" &&
    grep -q 'fedprox: as federated, with FedProx; mu 0.01' "$work/boxless/report.html"
ok "a study that goes on otherwise than its protocol says: $(cat "$work/err")" $?
rm "$work/no_maps/clinical.csv"
# Stopped, it says the words that it goes on with: those of the protocol would make another report.
long="study -o $work/other --data $work/no_maps --class-rounds 9999 --class-iterations 30 --base 4 --crop 8,8,8"
stopped() { # command...: SIGTERM when it trains; what the last one said is no sign of that
    rm -f "$work/said" "$work/err"
    "$@" >"$work/said" 2>"$work/err" &
    child=$!
    while kill -0 $child 2>/dev/null && ! grep -qs '^classification: ' "$work/said"; do sleep 0.05; done
    kill -15 $child
    wait $child
}
stopped $nephron $long --arms federated --seeds 1
[ $? -eq 143 ] && grep -q "\`nephron study --resume $work/other\` goes on" "$work/err"
ok "a study that is stopped: $(cat "$work/err")" $?
stopped $nephron $long --arms federated --seeds 2 --resume
[ $? -eq 143 ] && grep -q "\`nephron $long --arms federated --seeds 2 --resume\` goes on" "$work/err"
ok "and one that goes on with more seeds: $(cat "$work/err")" $?
stopped $nephron study "$work/other" --resume
[ $? -eq 143 ] && grep -q "\`nephron study --resume $work/other\` goes on" "$work/err"
ok "and as it was begun, whatever stands first: $(cat "$work/err")" $?

# Thirty hospitals and kinds of tumours, with long names: none is lost or cut off.
long="papillary renal cell carcinoma, type two, with rhabdoid and sarcomatoid parts"
(echo case,hospital,histology; sed -n '2,$p' "$all" | cut -d, -f1 |
    awk -v long="$long" '{ print $1 ",hospital " NR ",\"" long " " NR "\"" }') >"$work/whole/clinical.csv"
n=$(sed 1d "$all" | wc -l)
$nephron study -o "$work/kinds" --data "$work/whole" $tiny_classes --seeds 1 --quiet --task classify &&
    [ "$(grep -c "^<tr><th>$long [0-9]" "$work/kinds/report.html")" -eq "$n" ]
ok "$n kinds of tumours, each with a row" $?
sed "2s/,hospital 1,/,hospital $(printf '%070d' 1),/" "$work/whole/clinical.csv" >"$work/clinical.csv"
cp "$work/clinical.csv" "$work/whole/clinical.csv"
refuses 1 "clinical.csv: line 2: column hospital: a name is 1 to 63 bytes" $nephron study -o "$work/long" \
    --data "$work/whole" $tiny_classes --seeds 1 --quiet --task classify
# A line that a cell's own end of line has moved; and more hospitals than fit, in a dataset of one image.
(echo 'case,histology,hospital'; sed -n 2,3p "$all" | cut -d, -f1 |
    awk 'NR == 1 { print $1 ",\"a\nkind\",near" } { print $1 ",usual,far" }') >"$work/whole/clinical.csv"
refuses 1 "clinical.csv: line 4: case '.*' is there twice" $nephron study -o "$work/long" \
    --data "$work/whole" $tiny_classes --seeds 1 --quiet --task classify
one=$(sed -n 2p "$all" | cut -d, -f1)
printf 'case,sex\n%s,unclear\n' "$one" >"$work/whole/clinical.csv"
refuses 1 "clinical.csv: line 2: sex is 'unclear', not f or m" $nephron study -o "$work/long" --data \
    "$work/whole" $tiny_classes --seeds 1 --quiet --task classify
mkdir -p "$work/many/imagesTr" "$work/many/labelsTr"
sed 's/"numTraining": *[0-9]*/"numTraining": 260/' "$work/whole/dataset.json" >"$work/many/dataset.json"
echo case,label >"$work/many/labels.csv"
echo case,hospital >"$work/many/clinical.csv"
for i in $(seq 260); do
    ln "$work/whole/imagesTr/${one}_0000.nii.gz" "$work/many/imagesTr/c${i}_0000.nii.gz"
    ln "$work/whole/labelsTr/$one.nii.gz" "$work/many/labelsTr/c$i.nii.gz"
    echo "c$i,$((i % 2))" >>"$work/many/labels.csv"
    echo "c$i,hospital $i" >>"$work/many/clinical.csv"
done
refuses 1 "clinical.csv: line 258: column hospital has more than 256" $nephron study -o "$work/long" \
    --data "$work/many" $tiny_classes --seeds 1 --quiet --task classify

rm "$work/data/sites.csv"
mv "$work/data/labels.csv" "$work"
loud=${tiny%--quiet}
[ -n "$CHECK_ALL" ] || loud="$loud --arms federated" # those of sites at random are trained as any
$nephron study -o "$work/c" --data "$work/data" $loud >"$work/said" 2>"$work/err" &&
    grep -q 'warning: no classification: the dataset has no labels.csv' "$work/err" &&
    grep -q 'report.html: done' "$work/said" &&
    grep -q '"classification_absent"' "$work/c/report.json" &&
    grep -q '"sites_drawn_at_random": true' "$work/c/report.json" &&
    grep -q 'dealt at random' "$work/c/report.html"
ok "without labels.csv and sites.csv" $?

# The synthetic dataset: as asked for, used again, and not mixed up with another one.
$nephron study -o "$work/s" --cases 40 --difficulty 0.5 --task classify $tiny_classes --base 12 --seeds 1 \
    >"$work/said" 2>"$work/err" &&
    grep -q 'report.html: done' "$work/said" && ! grep -q warning "$work/err" &&
    grep -q '"difficulty": 0.5' "$work/s/data/phantom.json" &&
    grep -q '"size": "kidneys-small"' "$work/s/data/phantom.json" &&
    grep -q '"segmentation_absent"' "$work/s/report.json"
ok "synthetic data, classification alone" $?
# Disk: never less than is taken (but for the announcement's last digit), and at most a sixth more.
bytes=$(find "$work/s" -type f -exec cat {} + | wc -c)
said=$(sed -n 's/^expected in all: .*, \([0-9.]*\) MB of disk$/\1/p' "$work/said")
awk -v said="$said" -v taken="$bytes" 'BEGIN {
    exit !(said > 10 && taken <= (said + 0.5) * 1e6 && (said - 0.5) * 1e6 <= taken * 7 / 6) }'
ok "a study that announced $said MB of disk took $bytes bytes" $?
rm "$work/s/protocol.json" # as where a study was stopped before it
$nephron study -o "$work/s" --cases 40 --difficulty 0.5 --task classify $tiny_classes --base 12 --seeds 1 --quiet
ok "the same synthetic data again" $?

# A phantom over one that was stopped: nothing of it stays; somebody else's files are not touched.
$nephron phantom "$work/p" --cases 4 --size tiny --quiet && rm "$work/p/dataset.json" &&
    [ ! -e "$work/p/.unfinished_phantom" ] && touch "$work/p/.unfinished_phantom" &&
    $nephron phantom "$work/p" --cases 2 --size tiny --quiet &&
    [ "$(ls "$work/p/imagesTr" | wc -l)" -eq 4 ] && [ "$(ls "$work/p/labelsTr" | wc -l)" -eq 2 ]
ok "a phantom over a longer one that was stopped" $?
rm "$work/p/dataset.json"
refuses 1 "imagesTr: holds renal_0000_0000.nii.gz already" $nephron phantom "$work/p" --cases 1 --size tiny
[ "$(ls "$work/p/imagesTr" | wc -l)" -eq 4 ]
ok "a folder with somebody else's files is left as it is" $?
refuses 2 "--seed is '9223372036854775808', must be a whole number from 0 to 9223372036854775807" $nephron \
    phantom "$work/q" --cases 2 --seed 9223372036854775808

# What it would cost: of a dataset, and of the phantom without making it; in check-all standard through the
# same code with small networks.
$nephron study -o "$work/e" --data "$work/data" $tiny --estimate |
    grep -q 'expected in all: about .* cores* (.*training .*testing .*) *, .* [MG]B of memory, .* [MG]B of disk' &&
    [ ! -e "$work/e/report.json" ]
ok "--estimate of a dataset" $?
# Every second of a study is in one of the stages that it tells.
awk -F '[:,]' '/"wall_seconds"/ { all = $2 }
    /"stage_seconds"/ { inside = 1; next } inside && /}/ { inside = 0 } inside { stages++; sum += $2 }
    END { exit !(stages == 5 && sum > 0 && sum <= all + 0.001 && sum >= all - 0.1) }' "$work/a/report.json"
ok "the stages' seconds are all of them" $?
for preset in quick ${CHECK_ALL:+standard}; do
    $nephron study -o "$work/n" --preset $preset --estimate --patch-voxels 8000 --base-features 4 --base 4 \
        --crop 8,8,8 >"$work/out" && [ ! -e "$work/n" ] &&
        grep -q '^segmentation: U-Net' "$work/out" && grep -q '^classification: ResNet' "$work/out" &&
        grep -q 'expected in all: about .* (data .*, reading and preparing .*, training .*, testing .*)' "$work/out"
    ok "--estimate of preset $preset" $?
done
if [ -n "$CHECK_ALL" ]; then
    $nephron study -o "$work/t" --preset standard --cases 40 $tiny &&
        grep -q '"preset": "standard"' "$work/t/report.json" &&
        grep -q '"predicted_mask"' "$work/t/report.json" && grep -q '<h2 id=paper>' "$work/t/report.html"
    ok "preset standard, reduced" $?
fi

mv "$work/labels.csv" "$work/data" # the classes are there again
# SGD, the whole augmentation, cached cases, mirrors: what only the large preset has.
if [ -n "$CHECK_ALL" ]; then
    $nephron study -o "$work/f" --data "$work/data" --preset full $tiny --network segresnet --norm group &&
        grep -q '"preset": "full"' "$work/f/report.json" && grep -q '"predicted_mask"' "$work/f/report.json"
    ok "preset full, reduced" $?
    grep -q 'SegResNet with group norm by' "$work/f/report.html" &&
        grep -q 'ResNet-[0-9]* of width 4 with group norm' "$work/f/report.html"
    ok "--network and --norm of a study are in its report" $?
fi

refuses 1 "another dataset" $nephron study -o "$work/s" --cases 40 --difficulty 1 --task classify \
    $tiny_classes --seeds 1 --quiet --resume
$nephron phantom "$work/w/data" --cases 20 --size kidneys-small --difficulty 0 --with-kidney --quiet
refuses 1 "another dataset" $nephron study -o "$work/w" --cases 20 --task classify $tiny_classes --seeds 1 --quiet
refuses 1 "keeps its margins" $nephron study -o "$work/a" --data "$work/data" $tiny --resume --dice-margin 0.1
refuses 2 "none of federated" $nephron study -o "$work/x" --data "$work/data" $tiny --arms alone,nothing
mkdir "$work/spoilt"
for word in ../x --help; do
    sed "s|\"--seeds\",|\"$word\",|" "$work/a/protocol.json" >"$work/spoilt/protocol.json"
    $nephron study --resume "$work/spoilt" >"$work/out" 2>&1
    [ $? -eq 1 ] && grep -q "spoilt/protocol.json: 'arguments' is no command line of 'study'" "$work/out"
    ok "a protocol whose command has the word $word: $(tail -n 1 "$work/out")" $?
done
# A patient of an external case trains nothing with another: its case there is told, and left out.
awk -F, 'NR == 1 { print "case,hospital" } NR > 1 { print $1 "," (NR < 4 ? "far" : "near") }' \
    "$work/data/labels.csv" >"$work/data/clinical.csv"
awk -F, 'NR == 1 { print "case,patient" } NR > 1 { print $1 "," (NR == 3 || NR == 4 ? "one" : NR) }' \
    "$work/data/labels.csv" >"$work/data/patients.csv"
$nephron study -o "$work/x" --data "$work/data" $tiny_maps --seeds 1 --task segment --arms federated \
    --external far --estimate >"$work/out" 2>"$work/err" &&
    grep -q 'external far: 1 other case of its patients trains nothing and is not tested' "$work/err"
ok "a patient with an external case and another: $(cat "$work/err")" $?
# What was left out and why, what counts, whose reason a margin has, and a command to copy.
$nephron study -o "$work/a b" --data "$work/data" $tiny_maps --seeds 1 --task segment --arms federated \
    --external far --dice-margin 0.2 --quiet 2>"$work/err" &&
    grep -q '<br>0 without a label or a site<br>1 of patients with an external case<' "$work/a b/report.html" &&
    grep -q '[0-9] patients, where these need 20' "$work/a b/report.html" &&
    grep -q "\"patients\": $((cases - 1))," "$work/a b/report.json" &&
    grep -q '0.200: .*not within that reader' "$work/a b/report.html" &&
    grep -q '0.050: .*less than half' "$work/a/report.html" &&
    grep -qF "nephron study -o '$work/a b' --data" "$work/a b/report.html" &&
    grep '>22 Calibration' "$work/a b/report.html" | grep -q 'it has no classification' &&
    grep '>22 Calibration' "$work/a/report.html" | grep -q '<a href=#classification>' &&
    grep -A 1 '>33 Evaluation on external' "$work/a b/report.html" | grep -q 'external cases' &&
    grep '>33 Evaluation on external' "$work/a/report.html" | grep -q 'Not in this study'
ok "patients, margins, commands and checklists of a report" $?
# Two cases of each patient: what has no interval says why.
rm "$work/data/clinical.csv"
awk -F, 'NR == 1 { print "case,patient" } NR > 1 { print $1 "," int(NR / 2) }' "$work/data/labels.csv" \
    >"$work/data/patients.csv"
$nephron study -o "$work/pairs" --data "$work/data" $tiny_classes --seeds 1 --quiet --task classify \
    --arms federated && grep -q 'so that no BCa interval is given' "$work/pairs/report.html" &&
    ! grep -q 'no BCa interval' "$work/a/report.html" &&
    grep -q '<p>[0-9]* test cases of [0-9]* patient' "$work/pairs/report.html"
ok "a classification of patients with two cases" $?
rm "$work/data/patients.csv"
mkdir -p "$work/own/imagesTr" && cp "$all" "$work/own/sites.csv"
refuses 1 "is a dataset" $nephron study -o "$work/own" --data "$work/data" $tiny
cmp -s "$all" "$work/own/sites.csv"
ok "the dataset's own sites.csv stays" $?
refuses 1 "no such site" $nephron study -o "$work/x" --data "$work/data" $tiny --external nowhere
refuses 1 "no such dataset" $nephron study -o "$work/x" --data "$work/nothing" $tiny
printf 'case,site\nhippocampus_001,a\n' >"$work/one.csv"
refuses 1 "two sites" $nephron study -o "$work/x" --data "$work/data" --sites "$work/one.csv" $tiny
awk -F, 'NR == 1 { print "case,site" } NR > 1 && NR < 8 { print $1 "," NR % 2 }' "$work/data/labels.csv" \
    >"$work/six.csv"
refuses 1 ": 6 labelled cases with a site leave" $nephron study -o "$work/x" --data "$work/data" --sites \
    "$work/six.csv" $tiny_maps --seeds 1 --task segment
printf 'case,site\nhippocampus_001,a\nnobody,b\n' >"$work/odd.csv"
refuses 1 "nobody" $nephron study -o "$work/x" --data "$work/data" --sites "$work/odd.csv" $tiny

finish
