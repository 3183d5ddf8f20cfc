#!/bin/sh
# check_classification.sh - a classification of somebody's own files: what would give another number than was
# meant is told or refused.
. tests/program/lib.sh
enter_work
adrenal=$root/tests/data/adrenalmnist3d/adrenalmnist3d.npz
tiny="--depth 10 --base 4 --crop 6,6,6 --batch 2 --epochs 1 --iterations 1 --threads 2"

says_and_does() { # description, text on stderr, then a command that must succeed
    what=$1
    text=$2
    shift 2
    "$@" >out 2>err && grep -qF -e "$text" err
    ok "$what: want '$text', got: $(head -n 3 err)" $?
}
silent() { # description, then a command that must succeed and say nothing on stderr
    what=$1
    shift
    "$@" >out 2>err && [ ! -s err ]
    ok "$what: $(head -n 3 err)" $?
}

# Tables: two columns of a classifier with two outputs have the sum 1, and no third one stands beside them.
# Those of scikit-learn's predict_proba and of one column give the same.
printf 'case,label,probability\na,0,.2\nb,1,.7\nc,0,.6\nd,1,.9\n' >one.csv
awk -F, -v OFS=, 'NR == 1 { print "case,label,probability_0,probability_1" }
    NR > 1 { print $1, $2, 1 - $3, $3 }' one.csv >two.csv
check "one column" "$nephron" evaluate one.csv one.csv -o one.json
check "two columns" "$nephron" evaluate one.csv two.csv -o two.json
same "one column and two" one.json two.json
sed '3s/0.3/0.6/' two.csv >sigmoid.csv
refuses 1 "sigmoid.csv: line 3: probabilities of case b have the sum 1.3, not 1" "$nephron" evaluate one.csv \
    sigmoid.csv
awk -F, -v OFS=, 'NR == 1 { print $0, "probability" } NR > 1 { print $0, ($3 > $4 ? $3 : $4) }' two.csv \
    >confidence.csv
refuses 1 "confidence.csv: column 'probability' stands beside probability_0 and probability_1" "$nephron" \
    evaluate one.csv confidence.csv
sed 's/,.9$/,1.0000001/' one.csv >rounded.csv # float32
check "a probability that rounding has lifted above 1" "$nephron" evaluate one.csv rounded.csv
sed 's/,.9$/,1.01/' one.csv >more.csv
refuses 1 "more.csv: line 5: probability of case d is 1.01, not from 0 to 1" "$nephron" evaluate one.csv \
    more.csv
sed 4d one.csv >fewer.csv
refuses 1 "fewer.csv: 1 of 4 cases missing: c (--chill" "$nephron" evaluate one.csv fewer.csv
check "--chill of tables" "$nephron" evaluate one.csv fewer.csv --chill -o some.json
grep -q '1 cases of one.csv are not in fewer.csv' out && grep -q '"left_out_not_predicted": 1' some.json &&
    grep -q '"n": 3' some.json
ok "--chill of tables: $(tail -n 1 out)" $?
sed '2,$s/^/x/' one.csv >others.csv
refuses 1 "no case in common" "$nephron" evaluate one.csv others.csv --chill

# A dataset of two channels, with masks and classes.
some_cases both 'NR % 4 == 1'
for image in both/imagesTr/*_0000.nii.gz; do cp "$image" "${image%_0000.nii.gz}_0001.nii.gz"; done
sed -i.bak 's/"0": "MRI"/"0": "T1", "1": "T2"/' both/dataset.json
(echo case,label; sed 1d both/sites.csv | awk -F, '{ print $1 "," NR % 2 }') >both/labels.csv
first=$(sed -n '2s/,.*//p' both/labels.csv)
cp -r both bare && rm -r bare/labelsTr
check "training with masks" "$nephron" train both -o masked --task classify $tiny --no-validation
grep -q '"masked_training_cases": 8' masked/manifest.json
ok "the manifest counts masks: $(grep cases masked/manifest.json)" $?
check "training without" "$nephron" train bare -o whole --task classify $tiny --no-validation

# A network that learned from crops around masks is not given whole images without a word.
says_and_does "images without masks" "masked: was trained on what lies around the masks of its cases, and 10 \
of 10 cases have none, or an empty one: the network sees all of their image; the first is $first; --masks" \
    "$nephron" predict masked -i both/imagesTr -o p1
silent "images with masks" "$nephron" predict masked -i both/imagesTr --masks both/labelsTr -o p2
says_and_does "a dataset without masks" "10 of 10 cases have none" "$nephron" predict masked -i bare -o p3
says "a dataset without masks, --strict" "10 of 10 cases have none" "$nephron" predict masked -i bare -o p4 \
    --strict
says_and_does "masks for whole images" "whole: was trained on whole images, and of 10 of 10 cases sees" \
    "$nephron" predict whole -i both -o p5
silent "whole images" "$nephron" predict whole -i bare/imagesTr -o p6
# Nor do hospitals with masks and without train one network without a word, over carried files either.
for pair in both:north both:south bare:west; do
    check "fingerprint of $pair" "$nephron" federate ${pair%:*} --as fingerprint ${pair#*:} -o FED \
        --task classify
done
of="federate --as init --depth 10 --base 4 --crop 8,8,8 --batch 2 --rounds 1 --local-iterations 1 --fold all"
cp -r FED strict
says "hospitals with and without masks, --strict" \
    "fingerprint/west.json: 10 of 10 cases have no mask, and 20 of the 30 of all sites" \
    "$nephron" $of -o strict --strict
cp -r FED unlike
says_and_does "hospitals with and without masks" "fingerprint/west.json: 10 of 10 cases have no mask" \
    "$nephron" $of -o unlike
rm FED/fingerprint/west.json
silent "hospitals with masks" "$nephron" $of -o FED
for s in north south; do check "site $s" "$nephron" federate both --as site $s -o FED; done
check "aggregate" "$nephron" federate --as aggregate -o FED
says_and_does "an evaluation without masks" "bare/labelsTr: none of 10 cases has a mask, and all 20 of the" \
    "$nephron" federate bare --as evaluate testers -o FED
check "result" "$nephron" federate --as result -o FED carried
says_and_does "a federation's run, images without masks" "carried: was trained on what lies around the" \
    "$nephron" predict carried -i bare -o p7
cp -r both some && rm "some/labelsTr/$first.nii.gz"
says_and_does "one case without a mask" "some/labelsTr: 1 of 10 cases have no mask, or an empty one: the \
network sees all of their image, and of the others what lies around the mask; the first is $first" \
    "$nephron" train some -o mixed --task classify $tiny --no-validation
says "one case without a mask, --strict" "1 of 10 cases have no mask" "$nephron" train some -o none --task \
    classify $tiny --no-validation --strict

# What is printed of cases that trained is no result.
says_and_does "training cases" "both: has the cases that masked was trained on" "$nephron" predict masked -i \
    both -o p7
silent "the test part of a file" "$nephron" train "$adrenal" -o arrays --task classify $tiny
silent "the test part of a file" "$nephron" predict arrays -i "$adrenal" -o p8
says_and_does "its training part" "was trained on" "$nephron" predict arrays -i "$adrenal" -o p9 --part train
for fold in 1 all; do
    refuses 1 "--fold $fold: .*adrenalmnist3d.npz says itself which cases" "$nephron" train "$adrenal" \
        -o none --task classify $tiny --fold $fold
done

# Channels of another order.
cp -r both swapped &&
    sed 's/"0": "T1", "1": "T2"/"0": "T2", "1": "T1"/' both/dataset.json >swapped/dataset.json
refuses 1 "swapped/dataset.json: channel T1 is 1, in masked/dataset.json it is 0" "$nephron" predict \
    masked -i swapped -o none
refuses 1 "swapped/imagesTr/../dataset.json: channel T1 is 1" "$nephron" predict masked -i swapped/imagesTr \
    -o none --masks swapped/labelsTr
cp -r bare named && sed 's/T2/FLAIR/' bare/dataset.json >named/dataset.json
says_and_does "another name" "named/dataset.json: channel 1 is called FLAIR, in whole/dataset.json T2" \
    "$nephron" predict whole -i named -o p10
refuses 1 "--series: bare is a dataset" "$nephron" predict whole -i bare -o none --series 1.2.3

# Folds in which a class is missing.
cp -r bare folds
ids() { awk -F, -v c="$1" 'NR > 1 && $2 ~ c { printf "%s\"%s\"", n++ ? ", " : "", $1 }' bare/labels.csv; }
printf '[{"train": [%s], "val": [%s]}, {"train": [%s], "val": [%s]}]\n' "$(ids '[01]' | cut -d, -f1-6)" \
    "$(ids '[01]' | cut -d, -f7,9)" "$(ids 0)" "$(ids 1)" >folds/splits_final.json
says_and_does "a fold that holds one class out" "folds: fold 0 holds no case of class 0 out, so that there \
is no AUC" "$nephron" train folds -o one_class --task classify $tiny
refuses 1 "--patience 1 needs an AUC: all cases that fold 0 of folds holds out are of class 1" "$nephron" \
    train folds -o none --task classify $tiny --patience 1
says_and_does "a fold that trains one class" "folds: fold 1 has no training case of class 1, which the \
network never sees" "$nephron" train folds -o one_class --task classify $tiny --fold 1
says "a fold that trains one class, --strict" "no training case of class 1" "$nephron" train folds -o none \
    --task classify $tiny --fold 1 --strict

# An age that two tables tell differently is none; volume is of the label maps, whatever a table has.
cp -r bare tables
awk -F, -v OFS=, 'NR == 1 { print $0, "age,volume" } NR > 1 { print $0, 40 + NR, NR }' bare/labels.csv \
    >tables/labels.csv
awk -F, -v OFS=, '{ print $1, $3 }' tables/labels.csv >tables/clinical.csv
check "one age in two tables" "$nephron" train tables -o ages --task classify $tiny --covariates age
sed -i.bak '5s/,.*/,7/' tables/clinical.csv
refuses 1 "clinical.csv: line 5: age of case hippocampus_.* is 7, but 45 in a table before it" "$nephron" \
    train tables -o none --task classify $tiny --covariates age
refuses 1 "'volume': no training case has a value; it is that of the cases' label maps" "$nephron" train \
    tables -o none --task classify $tiny --covariates volume

# Three classes: how many are right is printed; init says what comes next.
cp -r bare three && awk -F, -v OFS=, 'NR > 1 { $2 = NR % 3 } 1' bare/labels.csv >three/labels.csv
check "three classes" "$nephron" train three -o run3 --task classify $tiny
grep -q 'predictions.csv: 2 cases, accuracy [01]\.[05]00' out
ok "accuracy of three classes: $(grep predictions.csv out)" $?
rm three/dataset.json
check "init of a classification" "$nephron" init three --channels T1,T2
grep -q 'class 2 *[34] cases' out && grep -q 'Next: nephron train three -o RUN --task classify' out
ok "init tells the classes: $(tail -n 3 out)" $?
finish
