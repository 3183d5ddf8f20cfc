#!/bin/sh
# check_covariates.sh - train --covariates, and predict with the same columns, from outside. The class is whether an age is above 60, which
# no image shows.
. tests/program/lib.sh

cp -r $data "$work/data"
chmod -R u+w "$work/data"
sed -n '2,$p' $data/sites.csv | cut -d, -f1 >"$work/cases"
(echo case,label; awk '{ print $1 "," (NR * 7 % 40 >= 20) }' "$work/cases") >"$work/data/labels.csv"
(echo case,age,sex; awk '{ print $1 "," (NR == 5 ? "" : 40 + NR * 7 % 40) "," (NR % 3 ? "F" : "male") }' "$work/cases") >"$work/data/clinical.csv"
tiny="--task classify --depth 10 --base 4 --crop 8,8,8 --batch 8 --epochs 4 --iterations 30 --lr 0.02 --no-validation"

$nephron train "$work/data" -o "$work/run" $tiny --covariates age,volume,sex >"$work/log"
ok "train --covariates" $?
grep -q 'covariate age .* missing in [01] of 32' "$work/log" && grep -q 'covariate volume' "$work/log"
ok "means and missing values are told" $?
grep -q '"name": "age"' "$work/run/manifest.json" && grep -q '"name": "sex"' "$work/run/manifest.json"
ok "manifest.json has the covariates" $?
auc() { sed -n 's/.*AUC \([0-9.]*\).*/\1/p' "$1"; }
$nephron predict "$work/run" -i "$work/data" -o "$work/p" >"$work/log" && [ "$(auc "$work/log" | awk '{ print ($1 > 0.95) }')" = 1 ]
ok "predict from a dataset: the class is seen ($(auc "$work/log"))" $?
$nephron train "$work/data" -o "$work/plain" $tiny --quiet && $nephron predict "$work/plain" -i "$work/data" -o "$work/q" >"$work/log2"
ok "without covariates: AUC $(auc "$work/log2")" $?
$nephron train --resume "$work/run" --quiet
ok "--resume of a finished run" $?

# A folder of images, with masks and a table of its own: the same probabilities.
$nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/data/labelsTr" --covariates "$work/data/clinical.csv" -o "$work/f" --quiet
ok "predict from a folder of images" $?
cut -d, -f1,3 "$work/p/predictions.csv" | tail -n +2 >"$work/a"
tail -n +2 "$work/f/predictions.csv" | cmp -s - "$work/a"
ok "other probabilities from a folder than from a dataset" $?
refuses 1 "age, volume, sex" $nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/data/labelsTr" -o "$work/x"
refuses 1 "--masks DIR" $nephron predict "$work/run" -i "$work/data/imagesTr" --covariates "$work/data/clinical.csv" -o "$work/x"
cut -d, -f1,2 "$work/data/clinical.csv" >"$work/few.csv"
refuses 1 "no column 'sex'" $nephron predict "$work/run" -i "$work/data/imagesTr" --masks "$work/data/labelsTr" --covariates "$work/few.csv" -o "$work/x"
refuses 1 "images alone" $nephron predict "$work/plain" -i "$work/data" --covariates "$work/few.csv" -o "$work/x"
refuses 1 "covariates beside the image (age, volume, sex)" $nephron convert "$work/run" "$work/x.onnx"
refuses 1 "covariates beside the image (age, volume, sex)" $nephron export "$work/run" "$work/export"
[ ! -e "$work/x.onnx" ] && [ ! -e "$work/export" ]
ok "a refused export leaves a file" $?

refuses 1 "'label' is no value" $nephron train "$work/data" -o "$work/y" $tiny --covariates age,label
refuses 1 "no column 'weight'" $nephron train "$work/data" -o "$work/y" $tiny --covariates age,weight
refuses 1 "is for classification" $nephron train "$work/data" -o "$work/y" --task segment --covariates age
$nephron federate "$work/data" --as init -o "$work/fed" --covariates age 2>/dev/null
[ $? -eq 2 ]
ok "federate --as with covariates" $?
$nephron federate "$work/data" -o "$work/fl" --sites 2 --task classify --depth 10 --base 4 --crop 8,8,8 --batch 8 --rounds 2 --local-iterations 2 \
    --no-validation --covariates age,volume --quiet
ok "federate --covariates" $?
sed -i 's/^\([^,]*\),[0-9]*,/\1,nobody knows,/' "$work/data/clinical.csv"
refuses 1 "age is 'nobody knows'" $nephron predict "$work/run" -i "$work/data" -o "$work/x"

finish
