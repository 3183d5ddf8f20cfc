#!/bin/sh
# check_refused.sh - a command that is refused leaves everything as it was; a folder of somebody else's is not
# written to; an option that would change nothing is not passed over; and what a run says of itself is what it
# did.
. tests/program/lib.sh
adrenal=$root/tests/data/adrenalmnist3d/adrenalmnist3d.npz
enter_work
some_cases one 'NR <= 8'
tiny="--base-features 4 --patch 8,8,8 --batch 2 --validation-batches 1 --threads 1"
train="$tiny --epochs 1 --iterations 1 --no-validation"
federate="$tiny --rounds 1 --local-iterations 1 --no-validation"

sums() { # the files and folders of a folder
    (cd "$1" && find . | LC_ALL=C sort && find . -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum)
}
kept() { # what it is, the folder, exit code, what the one line on stderr must say, command...
    it=$1
    folder=$2
    shift 2
    sums "$folder" >before.sums
    refuses "$@"
    sums "$folder" >after.sums
    same "$it: the refused command changed $folder" before.sums after.sums
}

# --overwrite removes what is there only when the new training is certain to begin.
check "a federation" "$nephron" federate one -o fed --sites 2 --fold all $federate
for option in "--minimum 3: there are 2 sites" "--secure: 2 of 2 sites" "--dp central needs a strategy"; do
    kept "$option, with --overwrite" fed 1 "$option" "$nephron" federate one -o fed --sites 2 --fold all \
        $federate --overwrite --quiet $(echo "$option" | sed 's/:.*//; s/ needs.*//')
done
touch fed/fold_all/sites/left.0007.safetensors
check "--overwrite" "$nephron" federate one -o fed --sites 2 --fold all $federate --overwrite
test ! -e fed/fold_all/sites/left.0007.safetensors && test -e fed/fold_all/sites/site_1.0001.safetensors
ok "--overwrite does not replace the fold: $(ls fed/fold_all/sites)" $?

# Patience counts epochs without a better metric: where no case is held out there is none, and the training
# would end after N epochs.
refuses 1 "--patience 1 needs validation: fold all of one holds no case out" "$nephron" train one -o none \
    $train --fold all --patience 1
refuses 1 "--patience 1 needs validation: fold all of one holds no case out" "$nephron" federate one -o none \
    --sites 2 --fold all $federate --patience 1
test ! -e none
ok "--patience without validation leaves a folder" $?

# What is refused late, when the folder is made and locked, leaves none either; nor does what was there go.
refuses 1 "--minimum 3: there are 2 sites" "$nephron" federate one -o none/of/it --sites 2 --fold all \
    $federate --minimum 3 --quiet
refuses 1 "cannot read: No such file\|nowhere.safetensors: " "$nephron" train one -o none/of/it $train \
    --pretrained nowhere.safetensors --quiet
refuses 1 "nowhere: no such dataset folder" "$nephron" study -o none/of/it --data nowhere --quiet
test ! -e none
ok "refused, and left: $(find none 2>&1)" $?
mkdir -p empty/fold_all
kept "a federation in an empty folder" empty 1 "--minimum 3: there are 2 sites" "$nephron" federate one -o \
    empty --sites 2 --fold all $federate --minimum 3 --quiet
check "a run" "$nephron" train one -o free $train --fold all --quiet
test ! -e free/fold_all/.lock
ok "a run that is over leaves its lock" $?

# A run says once what its folds are: one of another configuration, crop or labels would be predicted as if it
# were not. Folds that were copied together are found by predict.
fold="--batch 2 --epochs 1 --iterations 1 --no-validation --threads 1 --fold"
check "a fold of slices" "$nephron" train one -o mixed $train --patch 1,16,16 --configuration 2d --fold 0
kept "a fold of another configuration" mixed 1 "mixed/fold_0/manifest.json: configuration is '2d', not '3d" \
    "$nephron" train one -o mixed $fold 1
check "a whole fold" "$nephron" train one -o whole $train --fold 1
cp -r one other && sed 's/"Anterior"/"Front"/' one/dataset.json >other/dataset.json
kept "a fold of other labels" whole 1 "whole/dataset.json: has other channels or labels than other" \
    "$nephron" train other -o whole $fold 0
cp -r one classes
(echo case,label; sed 1d one/sites.csv | awk -F, '{ print $1 "," NR % 2 }') >classes/labels.csv
small="train classes --task classify --depth 10 --base 4 $fold"
check "a classifier" "$nephron" $small 0 -o crops --crop 8,8,8
kept "a fold of another crop" crops 1 "fold_0/manifest.json: training.crop is '8,8,8', not '12,12,12'" \
    "$nephron" $small 1 -o crops --crop 12,12,12
kept "a fold of covariates" crops 1 "fold_0/manifest.json: training.covariates is '', not 'volume'" \
    "$nephron" $small 1 -o crops --crop 8,8,8 --covariates volume
check "another fold of the same" "$nephron" $small 1 -o crops --crop 8,8,8
check "another crop in a run of its own" "$nephron" $small 1 -o crops12 --crop 12,12,12
rm -r crops/fold_1 && cp -r crops12/fold_1 crops
refuses 1 "crops/fold_1/manifest.json: training.crop is '12,12,12', not '8,8,8'" "$nephron" predict crops -i \
    classes -o none
check "one of them alone" "$nephron" predict crops -i classes -o alone --fold 0 --threads 1
refuses 1 "adrenalmnist3d.npz: has values from 0 to 1, but crops was trained on images" "$nephron" predict \
    crops -i "$adrenal" -o none --fold 0

# What nnU-Net has trained, or another command has made, is not written into: its validation, its curves, its
# plans and its postprocessing would be lost.
mkdir -p nnunet/fold_0/validation
cp whole/plans.json whole/dataset.json nnunet
for file in checkpoint_final.pth progress.png validation/summary.json validation/hippocampus_001.nii.gz; do
    echo precious >nnunet/fold_0/$file
done
for more in "" --overwrite --resume "--fold 1"; do
    kept "train $more into nnU-Net's model folder" nnunet 1 \
        "fold_0/checkpoint_final.pth: nnU-Net has trained this" "$nephron" train one -o nnunet --epochs 1 \
        --iterations 1 --no-validation $more
done
init="federate --as init --sites A,B --plans whole/plans.json --dataset one/dataset.json --rounds 1 --batch 2"
kept "a federation that begins in a run" whole 1 "whole: is a run, whose plans.json would be lost" \
    "$nephron" $init -o whole
check "a federation that begins" "$nephron" $init -o FED
kept "its result in nnU-Net's model folder" nnunet 1 "checkpoint_final.pth: nnU-Net has trained this" \
    "$nephron" federate --as result -o FED nnunet
check "a run with a validation" "$nephron" train one -o validated $tiny --epochs 1 --iterations 1 --step 1 \
    --no-mirror --pictures 0
kept "the best of runs into one of them" validated 1 "-o validated: is a run, whose postprocessing.json" \
    "$nephron" best validated -o validated --no-ensembles

# predict writes over its own files alone, keeps what it was asked for, and passes no option over.
rm -r crops/fold_1
image=one/imagesTr/hippocampus_001_0000.nii.gz
fast="--step 1 --no-mirror --threads 1"
cp -r alone theirs && rm theirs/prediction.json
kept "a table of somebody's" theirs 1 "theirs/predictions.csv: is there already" "$nephron" predict crops -i \
    classes -o theirs
check "which is asked for" "$nephron" predict crops -i classes -o theirs --overwrite --threads 1
kept "class probabilities in a dataset" classes 1 "classes: is a dataset (it has imagesTr)" "$nephron" \
    predict crops -i classes -o classes
kept "class probabilities in a run" whole 1 "whole: is a run, whose plans.json" "$nephron" predict crops \
    -i classes -o whole
kept "masks beside those of a dataset" alone 1 "--masks classes/labelsTr: classes is a dataset" "$nephron" \
    predict crops -i classes -o alone --masks classes/labelsTr
kept "a part of a folder" alone 1 "--part val: classes is no MedMNIST file" "$nephron" predict crops \
    -i classes -o alone --part val
kept "a prediction that fails" alone 1 "nowhere/hippocampus_001.nii.gz" "$nephron" predict crops -i \
    classes/imagesTr -o alone --masks nowhere
check "a strict prediction" "$nephron" predict whole -i $image -o maps $fast --strict
holds "whose record has it" '"strict": true' maps/prediction.json
for option in "--step 0.5" --no-mirror --probabilities "--folds 0" "--checkpoint best" "--precision bf16" \
    --overwrite; do
    kept "--resume with $option" maps 2 "stands alone: ${option%% *} is in its prediction.json" "$nephron" \
        predict --resume maps $option
done
kept "a previous stage that there is not" maps 1 "--previous-stage whole: configuration 3d_fullres has no" \
    "$nephron" predict whole -i $image -o maps $fast --previous-stage whole
mkdir own && echo precious >own/dataset.json && echo precious >own/map.npz
kept "a dataset.json of somebody's" own 1 "own/dataset.json: is there already" "$nephron" predict whole \
    -i $image -o own $fast
kept "probabilities of somebody's" own 1 "own/map.npz: is there already" "$nephron" predict whole -i $image \
    -o own/map.nii.gz --probabilities $fast
check "one prediction" "$nephron" predict whole -i $image -o first $fast --probabilities
mkdir mean && echo precious >mean/hippocampus_001.npz
cp -r first first2
kept "an ensemble's probabilities over others" mean 1 "mean/hippocampus_001.npz: is there already" \
    "$nephron" ensemble first first2 -o mean --probabilities
kept "an ensemble's dataset.json over another" own 1 "own/dataset.json: is there already" "$nephron" \
    ensemble first first2 -o own

# More folds than can be averaged are not left out without a word.
cp -r whole many && mv many/fold_1 many/fold_0 && rm many/fold_0/manifest.json
for k in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do ln -s fold_0 many/fold_$k; done
check "sixteen folds" "$nephron" predict many -i $image -o sixteen $fast
holds "the last of them too" '"fold": "15"' sixteen/prediction.json
ln -s fold_0 many/fold_16
refuses 1 "many: has 17 folds, 16 can be averaged: --folds names them" "$nephron" predict many -i $image -o \
    none $fast

# Options of train and federate that would change nothing are refused, by name.
for option in "--step 1" --no-mirror --probabilities "--pictures 1"; do
    refuses 1 "^nephron: ${option%% *} is for segmentation" "$nephron" train classes --task classify \
        --depth 10 --base 4 --batch 2 --epochs 1 --iterations 1 --threads 1 -o none --crop 8,8,8 $option
done
check "a run with a validation at its end" "$nephron" train one -o at_end $tiny --epochs 1 --iterations 1 \
    --step 1 --no-mirror --pictures 0
check "it goes on without" "$nephron" train --resume at_end --epochs 2 --no-validation
check "it goes on again" "$nephron" train --resume at_end --epochs 3
for wrong in abc -1 7x 05 1,2; do
    for command in "convert whole none.npz" "export whole none"; do
        refuses 2 "--fold is '$wrong', must be 0, 1 and so on, or all" "$nephron" $command --fold $wrong
    done
done
for wrong in abc -1 0, ,0 0,,1 0,0; do
    refuses 2 "--folds $wrong: " "$nephron" predict whole -i one/imagesTr -o none --folds $wrong
done
refuses 2 "--local-epochs and --local-iterations do not go together" "$nephron" federate one -o none \
    --sites 2 $federate --local-epochs 1
refuses 2 "--resume goes on with what --overwrite replaces" "$nephron" train one -o whole $train --fold 1 \
    --resume --overwrite
refuses 1 "--fold 0 changes nothing without --covariates" "$nephron" federate one --as fingerprint A -o none \
    --fold 0
test ! -e none
ok "what was refused left a folder" $?
cp whole/fold_1/checkpoint_final.safetensors weights.safetensors
again="train one -o whole $train --fold 1 --resume"
kept "other weights at --resume" whole 1 "--pretrained weights.safetensors: whole/fold_1 did not begin" \
    "$nephron" $again --pretrained weights.safetensors
kept "another plan at --resume" whole 1 "--plans mixed/plans.json: whole/fold_1 did not begin with it" \
    "$nephron" $again --plans mixed/plans.json
for fold in 1 2; do # one that was begun, and a new one of the same run
    again="train one -o whole $train --fold $fold --resume"
    kept "another network at --resume of fold $fold" whole 1 \
        "--network resenc: whole/plans.json is of unet; --resume goes on" "$nephron" $again --network resenc
    kept "another norm at --resume of fold $fold" whole 1 \
        "--norm batch: whole/plans.json has instance; --resume goes on" "$nephron" $again --norm batch
    kept "another budget at --resume of fold $fold" whole 1 \
        "--memory-gb: whole/plans.json is planned already; --resume goes" "$nephron" $again --memory-gb 4
done
kept "another plan of a new fold" whole 1 "--plans mixed/plans.json: whole did not begin with it" \
    "$nephron" $again --plans mixed/plans.json
again="train one -o whole $train --fold 1 --resume"
check "the same plan at --resume" "$nephron" $again --plans whole/plans.json --network unet --norm instance
check "a plan of a budget" "$nephron" train one -o planned $train --memory-gb 4
check "the same budget, a new fold" "$nephron" train --resume planned --fold 1 --memory-gb 4.0
check "a training from weights" "$nephron" train one -o tuned $train --pretrained weights.safetensors
rm weights.safetensors
check "goes on without their file" "$nephron" train --resume tuned --epochs 2
for word in ../x --help; do # the command that a run keeps is no longer one
    rm -rf spoilt
    cp -r tuned spoilt
    sed "s|\"--iterations\",|\"$word\",|" tuned/manifest.json >spoilt/manifest.json
    "$nephron" train --resume spoilt --epochs 3 >out 2>&1
    [ $? -eq 1 ] && grep -q "spoilt/manifest.json: 'arguments' is no command line of 'train'" out
    ok "a manifest whose command has the word $word: $(tail -n 1 out)" $?
done
for option in "--base-features 8" "--patch 16,16,16" "--preset resenc_m" "--memory-gb 4" \
    "--network segresnet" "--norm batch" "--crop 8,8,8" --stem7; do
    refuses 1 "^nephron: ${option%% *}[: ]" "$nephron" $init -o begun $option
done
refuses 1 "--momentum: adamw has none" "$nephron" $init -o begun --optimizer adamw --momentum 0.9
test ! -e begun/federation.json
ok "a federation was agreed on with options that change nothing" $?
for n in 50 60; do
    check "$n batches of validation" "$nephron" train one -o batches$n $train --validation-batches $n
    cut -d, -f4,5 batches$n/fold_0/progress.csv >metric$n
done
! cmp -s metric50 metric60
ok "60 batches of validation are 50: $(cat metric60)" $?

# A run that is resumed again and again keeps one command line, not the words of each time.
for threads in 1 2 1 2; do
    check "resumed with $threads threads" "$nephron" train --resume tuned --threads $threads --quiet
done
[ "$(grep -c -e '"--quiet"' tuned/manifest.json)" -eq 2 ]
ok "the command line grows: $(tr -d '\n' <tuned/manifest.json | sed 's/"seed".*//')" $?
tr -d ' \n' <tuned/manifest.json | grep -q '"--threads","2","--quiet"\]'
ok "and does not end with the last ones" $?

kept "fewer epochs" tuned 1 "trained with other options: epochs 2, asked for 1$" "$nephron" train --resume \
    tuned --epochs 1
kept "two options" tuned 1 "options: seed 1, asked for 9, augment 2, asked for 0$" "$nephron" train --resume \
    tuned --seed 9 --augment 0

# Behind "--" there are no options: those that a resumed run was given stand before it.
cp -r one ./-one
check "a name with a dash" "$nephron" train -o dashed $train -- -one
check "resumed" "$nephron" train --resume dashed --epochs 2
check "resumed again" "$nephron" train --resume --threads 2 -- dashed
tr -d ' \n' <dashed/manifest.json | grep -q '"--epochs","2","--threads","2","--","-one"\]'
ok "its words: $(tr -d '\n' <dashed/manifest.json | sed 's/"seed".*//')" $?

# A training that is made longer has other weights: what was measured of the earlier ones is not theirs.
cp -r validated longer
check "a postprocessing" "$nephron" postprocess longer
check "made longer" "$nephron" train --resume longer
test -s longer/fold_0/validation/summary.json && test -s longer/postprocessing.json
ok "resumed at its end, nothing is measured" $?
check "made longer" "$nephron" train --resume longer --epochs 2 --no-validation
test ! -e longer/fold_0/validation/summary.json && test ! -e longer/postprocessing.json
ok "what was measured of other weights stays" $?
[ -z "$(ls longer/fold_0/validation)" ] && [ -n "$(ls validated/fold_0/validation/*.nii.gz)" ]
ok "label maps of other weights stay: $(ls longer/fold_0/validation)" $?
refuses 1 "no fold_\*/validation/summary.json" "$nephron" postprocess longer
# As patience leaves it that ends at once what was to be longer: the final weights are of fewer epochs.
cp -r longer ended && cp validated/fold_0/checkpoint_final.safetensors ended/fold_0 &&
    echo '{}' >ended/postprocessing.json
check "resumed at its end" "$nephron" train --resume ended
same "final weights of fewer epochs" longer/fold_0/checkpoint_final.safetensors \
    ended/fold_0/checkpoint_final.safetensors
test ! -e ended/postprocessing.json
ok "a postprocessing of other final weights stays" $?
check "models of its sites" "$nephron" federate one -o personal --sites 2 $tiny --strategy ditto --rounds 1 \
    --local-iterations 1 --fine-tune 1 --no-validation
models="cross_site.csv fine_tune.csv sites/site_1.own.safetensors sites/site_1.fine_tuned.safetensors"
cp -r personal/fold_0 models_before
check "resumed at its end" "$nephron" federate --resume personal
for f in $models; do same "a model of a site that was over" models_before/$f personal/fold_0/$f; done
check "made longer" "$nephron" federate --resume personal --rounds 2
for f in $models; do
    [ -s personal/fold_0/$f ] && ! cmp -s models_before/$f personal/fold_0/$f
    ok "$f is that of the first round" $?
done
# What lies in a folder that is no run is somebody's, the table of --sites too.
mkdir project && sed 's/$/,more/' one/sites.csv >project/sites.csv
kept "a training beside the table of its sites" project 1 "project/sites.csv: is there already" \
    "$nephron" federate one -o project --sites project/sites.csv $federate
for file in dataset.json splits_final.json; do
    mkdir of_$file && echo precious >of_$file/$file
    kept "a training beside another $file" of_$file 1 "of_$file/$file: is there already, and no manifest" \
        "$nephron" train one -o of_$file $train
done
check "asked for" "$nephron" train one -o of_dataset.json $train --overwrite
for file in dataset.json plans.json; do
    mkdir result_$file && echo '{"mine": 1}' >result_$file/$file
    kept "a result beside another $file" result_$file 1 "result_$file/$file: is there already, and no" \
        "$nephron" federate --as result -o FED result_$file
done
check "a result" "$nephron" federate --as result -o FED result
rm result/manifest.json
check "a result that was killed is written again" "$nephron" federate --as result -o FED result
# The first fold's files are a run's for the next one, and a training that was killed as it began goes on.
check "another fold" "$nephron" train one -o of_dataset.json $train --fold 1
rm of_dataset.json/manifest.json of_dataset.json/fold_1/checkpoint_*
touch of_dataset.json/fold_1/.lock # which a killed one leaves
check "as it began" "$nephron" train one -o of_dataset.json $train --fold 1

# Results whose weights were removed, to save room, are results still.
cp -r validated lean && rm lean/fold_0/checkpoint_*
kept "results without weights" lean 1 "lean/fold_0/validation/summary.json: results of a training" \
    "$nephron" train one -o lean $train
check "which --overwrite replaces" "$nephron" train one -o lean $train --overwrite

# What is told to be typed can be typed, and times are those of what they say.
mkdir "two words" && cp -r validated "two words/a run"
check "the best of one" "$nephron" best "two words/a run" -o "two words/best"
holds "a command for a shell" "nephron predict 'two words/a run' -i IMAGES -o OUT --postprocessing" out
check "a training" "$nephron" train one -o "two words/new" $train --epochs 3
holds "its command" "nephron train one -o 'two words/new' --base-features 4" "two words/new/manifest.json"
seconds() { sed -n 's/.*"training_seconds": \([0-9.e-]*\).*/\1/p' "$1"; }
before=$(seconds "two words/new/manifest.json")
check "resumed at its end" "$nephron" train --resume "two words/new"
[ -n "$before" ] && [ "$(seconds "two words/new/manifest.json")" = "$before" ]
ok "its seconds of training were $before: $(seconds "two words/new/manifest.json")" $?
holds "none of its epochs is of the last part" '"epochs_since_resume": 0' "two words/new/manifest.json"

finish
