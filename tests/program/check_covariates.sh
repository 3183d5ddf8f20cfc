#!/bin/sh
# check_covariates.sh - train --covariates, and predict with the same columns, from outside. The class is
# whether an age is above 60, which no image shows.
. tests/program/lib.sh

cp -r $data "$work/data"
chmod -R u+w "$work/data"
sed -n '2,$p' $data/sites.csv | cut -d, -f1 >"$work/cases"
(echo case,label; awk '{ print $1 "," (NR * 7 % 40 >= 20) }' "$work/cases") >"$work/data/labels.csv"
(echo case,age,sex; awk '{ print $1 "," (NR == 5 ? "" : 40 + NR * 7 % 40) "," (NR % 3 ? "F" : "male") }' \
    "$work/cases") >"$work/data/clinical.csv"
tiny="--task classify --depth 10 --base 4 --crop 8,8,8 --batch 8 --epochs 4 --iterations 30 --lr 0.02 \
    --no-validation"

$nephron train "$work/data" -o "$work/run" $tiny --covariates age,volume,sex >"$work/log"
ok "train --covariates" $?
grep -q 'covariate age .* missing in [01] of 32' "$work/log" && grep -q 'covariate volume' "$work/log"
ok "means and missing values are told" $?
grep -q '"name": "age"' "$work/run/manifest.json" && grep -q '"name": "sex"' "$work/run/manifest.json"
ok "manifest.json has the covariates" $?
auc() { sed -n 's/.*AUC \([0-9.]*\).*/\1/p' "$1"; }
$nephron predict "$work/run" -i "$work/data" -o "$work/p" >"$work/log" &&
    [ "$(auc "$work/log" | awk '{ print ($1 > 0.95) }')" = 1 ]
ok "predict from a dataset: the class is seen ($(auc "$work/log"))" $?
$nephron train "$work/data" -o "$work/plain" $tiny --quiet &&
    $nephron predict "$work/plain" -i "$work/data" -o "$work/q" >"$work/log2"
ok "without covariates: AUC $(auc "$work/log2")" $?
$nephron train --resume "$work/run" --quiet
ok "--resume of a finished run" $?
# Two ages change places: their mean and deviation stay.
cp "$work/data/clinical.csv" "$work/ages"
awk -F, -v OFS=, 'NR == FNR { age[FNR] = $2; next } FNR == 11 { $2 = age[14] } FNR == 14 { $2 = age[11] } 1' \
    "$work/ages" "$work/ages" >"$work/data/clinical.csv"
refuses 1 "covariates" $nephron train --resume "$work/run" --quiet
cp "$work/ages" "$work/data/clinical.csv"

# A folder of images, with masks and a table of its own: the same probabilities.
$nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/data/labelsTr" --covariates \
    "$work/data/clinical.csv" -o "$work/f" --quiet
ok "predict from a folder of images" $?
cut -d, -f1,3 "$work/p/predictions.csv" | tail -n +2 >"$work/a"
tail -n +2 "$work/f/predictions.csv" | cmp -s - "$work/a"
ok "other probabilities from a folder than from a dataset" $?
# A word for a value that is not known counts as an empty cell does, and is told.
sed '6s/,,/,Unknown,/' "$work/data/clinical.csv" >"$work/unknown.csv"
$nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/data/labelsTr" --covariates \
    "$work/unknown.csv" -o "$work/u" >"$work/log" && ! cmp -s "$work/unknown.csv" "$work/data/clinical.csv" &&
    cmp -s "$work/f/predictions.csv" "$work/u/predictions.csv" &&
    grep -q 'covariate age is missing in 1 of 40 cases, which get the mean of the training cases' "$work/log"
ok "an unknown age: $(cat "$work/log")" $?
sed '6s/,,/,about 50,/' "$work/data/clinical.csv" >"$work/about.csv"
refuses 1 "about.csv: line 6: age is 'about 50', not a number (case hippocampus_.*is an empty cell or NA)" \
    $nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/data/labelsTr" --covariates \
    "$work/about.csv" -o "$work/x"
refuses 1 "age, volume, sex" $nephron predict "$work/run" -i "$work/data/imagesTr" --masks \
    "$work/data/labelsTr" -o "$work/x"
refuses 1 "--masks DIR" $nephron predict "$work/run" -i "$work/data/imagesTr" --covariates \
    "$work/data/clinical.csv" -o "$work/x"
cp -r "$work/data/labelsTr" "$work/masks" # one has a slope of 0.3: what is not 0 is inside, 0.3 too
gzip -dc "$work/masks/hippocampus_003.nii.gz" >"$work/mask"
printf '\232\231\231\076' | dd of="$work/mask" bs=1 seek=112 conv=notrunc 2>/dev/null
gzip -c "$work/mask" >"$work/masks/hippocampus_003.nii.gz"
$nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/masks" --covariates \
    "$work/data/clinical.csv" -o "$work/g" --quiet &&
    cmp -s "$work/f/predictions.csv" "$work/g/predictions.csv"
ok "a mask whose inside is 0.3" $?
printf '\0\0\0\100' | dd of="$work/mask" bs=1 seek=80 conv=notrunc 2>/dev/null
gzip -c "$work/mask" >"$work/masks/hippocampus_003.nii.gz"
says "a mask of another spacing" ": spacing[0] is 2 mm, not 1" $nephron predict "$work/run" -i \
    "$work/data/imagesTr" --masks "$work/masks" --covariates "$work/data/clinical.csv" -o "$work/x" --quiet
cut -d, -f1,2 "$work/data/clinical.csv" >"$work/few.csv"
refuses 1 "no column 'sex'" $nephron predict "$work/run" -i "$work/data/imagesTr" --masks \
    "$work/data/labelsTr" --covariates "$work/few.csv" -o "$work/x"
sed '1s/$/,age/; 2,$s/$/,1/' "$work/data/clinical.csv" >"$work/twice.csv"
refuses 1 "twice.csv: two columns are named 'age'" $nephron predict "$work/run" -i "$work/data/imagesTr" \
    --masks "$work/data/labelsTr" --covariates "$work/twice.csv" -o "$work/x"
refuses 1 "images alone" $nephron predict "$work/plain" -i "$work/data" --covariates "$work/few.csv" -o \
    "$work/x"
# tests/golden/covariates_onnx.py compares it with onnxruntime.
$nephron convert "$work/run" "$work/net.onnx" >"$work/out" &&
    for word in covariates IsNaN Where probabilities '"age","volume","sex"' '"age", "volume", "sex"' \
        'each channel to mean 0 and standard deviation 1' '0 to 1'; do
    grep -aq -- "$word" "$work/net.onnx" && echo "$word"
done >"$work/words"
[ "$(wc -l <"$work/words")" -eq 6 ]
ok "convert to ONNX with covariates as a second input: $(tr '\n' ' ' <"$work/words")" $?

refuses 1 "'label' is no value" $nephron train "$work/data" -o "$work/y" $tiny --covariates age,label
refuses 1 "no column 'weight'" $nephron train "$work/data" -o "$work/y" $tiny --covariates age,weight
cp -r "$work/data" "$work/coded" && sed '2,$s/,0/,2/' "$work/data/labels.csv" >"$work/coded/labels.csv"
refuses 1 "labels.csv: no case has label 0, and the highest is 2" $nephron train "$work/coded" -o "$work/y" \
    $tiny
sed '$d' "$work/data/labels.csv" >"$work/coded/labels.csv"
refuses 1 "labels.csv: 1 case of imagesTr has no row and is left out" $nephron train "$work/coded" \
    -o "$work/y" $tiny --strict
sed '5s/,.*/,NA/' "$work/data/labels.csv" >"$work/coded/labels.csv"
refuses 1 "labels.csv: line 5: case hippocampus_.* has label 'NA': without its row" $nephron train \
    "$work/coded" -o "$work/y" $tiny
refuses 1 "is for classification" $nephron train "$work/data" -o "$work/y" --task segment --covariates age

# Two hospitals by carried files: what each tells of its covariates is in its fingerprint, what was agreed on
# in federation.json and the first task; the weights are the simulation's, and the run predicts.
i=0
mkdir "$work/A" "$work/B"
for s in A B; do
    cp -r "$work/data/imagesTr" "$work/data/labelsTr" "$work/data/dataset.json" "$work/$s"
    for t in labels clinical; do
        awk -v odd=$i 'NR == 1 || NR % 2 == odd' "$work/data/$t.csv" >"$work/$s/$t.csv"
    done
    i=1
done
(echo case,site; awk -F, 'NR > 1 { print $1 "," (NR % 2 ? "B" : "A") }' "$work/data/labels.csv") \
    >"$work/sites.csv"
fed="--task classify --depth 10 --base 4 --crop 8,8,8 --batch 8 --rounds 2 --local-iterations 3 --lr 0.02"
$nephron federate "$work/data" -o "$work/sim" --sites "$work/sites.csv" --fold all $fed --no-validation \
    --covariates age,volume,sex --quiet
ok "simulation of two sites" $?
$nephron federate "$work/A" --as fingerprint A -o "$work/fed" --task classify --covariates age,volume,sex \
    --quiet
ok "fingerprint with covariates" $?
grep -q '"regression_cases"' "$work/fed/fingerprint/A.json" &&
    ! grep -q hippocampus_ "$work/fed/fingerprint/A.json"
ok "a fingerprint has the moments, and no case's name" $?
$nephron federate "$work/B" --as fingerprint B -o "$work/fed" --task classify --covariates age --quiet
refuses 1 "site B: its fingerprint has the covariates (age)" $nephron federate --as init -o "$work/fed" $fed
$nephron federate "$work/B" --as fingerprint B -o "$work/fed" --task classify --covariates age,volume,sex \
    --quiet
cp "$work/fed/fingerprint/B.json" "$work/good"
refuses 1 "are of the training cases of fold all: give this fold" $nephron federate --as init -o "$work/fed" \
    $fed --fold 0
$nephron federate "$work/B" --as fingerprint B -o "$work/fed" --task classify --covariates age,volume,sex \
    --fold 0 --quiet
refuses 1 "site B: the covariates of its fingerprint are of fold 0, the others' of fold all" $nephron \
    federate --as init -o "$work/fed" $fed
cp "$work/good" "$work/fed/fingerprint/B.json"
refuses 1 "have (age, volume, sex), not (age)" $nephron federate --as init -o "$work/fed" $fed --covariates \
    age
sed 's/"cases": [0-9]*,\( *\)"mean"/"cases": 99,\1"mean"/;
    s/"sum_of_squared_distances": [0-9]/"sum_of_squared_distances": -1/' "$work/fed/fingerprint/B.json" \
    >"$work/bad"
cp "$work/fed/fingerprint/B.json" "$work/good" && cp "$work/bad" "$work/fed/fingerprint/B.json"
refuses 1 "B.json" $nephron federate --as init -o "$work/fed" $fed
cp "$work/good" "$work/fed/fingerprint/B.json"
$nephron federate --as init -o "$work/fed" $fed --quiet && grep -q '"name": "age"' "$work/fed/federation.json"
ok "federation.json has the covariates" $?
for round in 1 2; do
    for s in A B; do
        $nephron federate "$work/$s" --as site $s -o "$work/fed" --state "$work/state_$s" --quiet ||
            echo "site $s"
    done
    $nephron federate --as aggregate -o "$work/fed" --quiet || echo aggregate
done >"$work/said"
[ ! -s "$work/said" ]
ok "two rounds: $(cat "$work/said")" $?
[ -n "$(last_hash "$work/sim/fold_all/rounds.csv")" ] &&
    [ "$(last_hash "$work/sim/fold_all/rounds.csv")" = "$(last_hash "$work/fed/rounds.csv")" ]
ok "other weights by carried files than by the simulation" $?
$nephron federate --as result -o "$work/fed" "$work/result" --quiet &&
    $nephron predict "$work/result" -i "$work/data" -o "$work/r" >"$work/log"
ok "the result predicts with covariates: AUC $(auc "$work/log")" $?
[ "$(auc "$work/log" | awk '{ print ($1 > 0.9) }')" = 1 ]
ok "the class is seen by the carried federation: AUC $(auc "$work/log")" $?
# The same through the public library, as Flower and NVFlare call it: the description of the network says
# which columns a site reads.
${CC:-cc} -std=c11 -Wall -Wextra -Werror -Ifl -o "$work/rounds" tests/program/library_rounds.c libnephron.a -lm -pthread
ok "library_rounds.c" $?
$nephron federate "$work/A" --as fingerprint A -o "$work/begun" --task classify --covariates age,volume,sex --quiet &&
    $nephron federate "$work/B" --as fingerprint B -o "$work/begun" --task classify --covariates age,volume,sex --quiet &&
    $nephron federate --as init -o "$work/begun" $fed --quiet && $nephron federate --as result -o "$work/begun" "$work/begin" --quiet
ok "a run to begin from" $?
"$work/rounds" "$work/begin" "$work/A" A "$work/B" B >"$work/out"
[ "$(tail -n 1 "$work/out")" = "$(last_hash "$work/fed/rounds.csv")" ] && [ "$(wc -l <"$work/out")" -eq 2 ]
ok "other weights through the library than by carried files" $?
cut -d, -f1,2 "$work/B/clinical.csv" >"$work/few.csv" && mv "$work/few.csv" "$work/B/clinical.csv"
refuses 1 "no column 'sex'" "$work/rounds" "$work/begin" "$work/A" A "$work/B" B
$nephron federate "$work/A" --as site A -o "$work/fed" --covariates age 2>/dev/null
[ $? -eq 2 ]
ok "a site is told its covariates" $?
$nephron federate "$work/data" -o "$work/fl" --sites 2 --task classify --depth 10 --base 4 --crop 8,8,8 \
    --batch 8 --rounds 2 --local-iterations 2 \
    --no-validation --covariates age,volume --quiet
ok "federate --covariates" $?
sed -i 's/^\([^,]*\),[0-9]*,/\1,nobody knows,/' "$work/data/clinical.csv"
refuses 1 "age is 'nobody knows'" $nephron predict "$work/run" -i "$work/data" -o "$work/x"

finish
