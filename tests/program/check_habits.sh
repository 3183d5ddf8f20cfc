#!/bin/sh
# check_habits.sh - what people bring along from nnU-Net, from the Decathlon and from folders of their own:
# init, dataset.json of older forms, numbers and environment variables, names of any kind, one file in and one
# out. Inputs are made here of the sample that ships.
. tests/program/lib.sh
enter_work

mkdir -p one/imagesTr one/labelsTr
for f in $(ls "$data"/labelsTr | head -4); do
    cp "$data/labelsTr/$f" one/labelsTr/
    cp "$data/imagesTr/${f%.nii.gz}_0000.nii.gz" one/imagesTr/
done
first=$(basename "$(ls one/labelsTr/* | head -1)" .nii.gz)

# init in place: what train will read; not twice; with names; JSON.
check "init in place" "$nephron" init one --json found.json
holds "init counts" "4 cases, 4 with a label map, 1 channel" out
holds "init's JSON" '"numTraining": 4' found.json
check "and plan reads it" "$nephron" plan one
says "init twice" "is there already" "$nephron" init one
check "init with names" "$nephron" init one --overwrite --channels T2 --labels anterior,posterior
holds "names" '"anterior": 1' one/dataset.json
says "too few names" "--labels names 1" "$nephron" init one --overwrite --labels anterior
says "a name twice" "is there twice" "$nephron" init one --overwrite --labels a,a
says "the background" "from 1 on" "$nephron" init one --overwrite --labels background,a,b
says "ignore before" "it comes last" "$nephron" init one --overwrite --labels ignore,a
says "another number of channels" "--channels names 2" "$nephron" init one --overwrite --channels T2,T1
says "no folder" "no such folder" "$nephron" init nowhere
mkdir undescribed
says "no dataset.json" 'undescribed/dataset.json: no such file or folder; `nephron init` writes it' \
    "$nephron" plan undescribed
# What an older dataset.json says stays where no option says otherwise; what init does not write is not lost.
cp -r one old
cat >old/dataset.json <<EOF
{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "front": 1, "back": 2}, "numTraining": 1,
 "file_ending": ".nii.gz", "overwrite_image_reader_writer": "NibabelIOWithReorient"}
EOF
check "init --channels over a dataset.json" "$nephron" init old --overwrite --channels T2
holds "the channel is named" '"0": "T2"' old/dataset.json
holds "the label's name stays" '"front": 1' old/dataset.json
holds "the reader stays" '"overwrite_image_reader_writer": "NibabelIOWithReorient"' old/dataset.json
check "init --labels over it" "$nephron" init old --overwrite --labels anterior,posterior
holds "the channel's name stays" '"0": "T2"' old/dataset.json
holds "the label is named" '"anterior": 1' old/dataset.json
check "an ignore label" "$nephron" init old --overwrite --labels anterior,ignore
check "again" "$nephron" init old --overwrite --labels front,ignore
for labels in '"front": 1, "ignore": 2' '"all": [1, 2], "back": 2'; do
    sed "s/@/$labels/" >old/dataset.json <<EOF
{"channel_names": {"0": "MRI"}, "labels": {"background": 0, @}, "regions_class_order": [1, 2],
 "numTraining": 4, "file_ending": ".nii.gz"}
EOF
    cp old/dataset.json kept.json
    says "init over $labels" "with regions or an ignore label" "$nephron" init old --overwrite
    says "with --channels" "with regions or an ignore label" "$nephron" init old --overwrite --channels T2
    says "with --labels" "with regions or an ignore label" "$nephron" init old --overwrite --labels a,b
    same "it is left as it is" old/dataset.json kept.json
    rm -rf there && mkdir there && cp kept.json there/dataset.json
    says "in OUT" "there/dataset.json: is a dataset.json with regions" "$nephron" init one -o there \
        --overwrite
    same "it stays, too" there/dataset.json kept.json
done
mkdir empty
says "an empty folder" "no folder imagesTr or images" "$nephron" init empty

# A folder of somebody's own: other names, label maps with a tail; the originals stay.
mkdir -p own/images own/masks
for f in one/labelsTr/*.nii.gz; do
    id=$(basename "$f" .nii.gz)
    cp "one/imagesTr/${id}_0000.nii.gz" "own/images/$id.nii.gz"
    cp "$f" "own/masks/${id}_seg.nii.gz"
done
says "own names need -o" "give -o OUT" "$nephron" init own
printf 'case,age\n%s,60\n' $first >own/clinical.csv
echo '[]' >own/splits_final.json
check "own names with -o" "$nephron" init own -o laid
for file in clinical.csv splits_final.json; do same "what lies beside goes along" laid/$file own/$file; done
rm own/splits_final.json laid/splits_final.json # of no case
same "an image is laid out" laid/imagesTr/${first}_0000.nii.gz one/imagesTr/${first}_0000.nii.gz
same "a label map is laid out" laid/labelsTr/$first.nii.gz one/labelsTr/$first.nii.gz
check "the original stays" test -f "own/masks/${first}_seg.nii.gz"
check "plan of it" "$nephron" plan laid

# Links are followed: what a relative one says holds in its own folder alone.
mkdir -p store linked/images linked/masks linked/imagesTs
cp one/imagesTr/${first}_0000.nii.gz store/image.nii.gz && cp one/labelsTr/$first.nii.gz store/mask.nii.gz
ln -s ../../store/image.nii.gz linked/images/a.nii.gz
ln -s ../../store/image.nii.gz linked/imagesTs/b.nii.gz
ln -s ../../store/mask.nii.gz linked/masks/a.nii.gz
check "init of links" "$nephron" init linked -o deep/laid
same "an image behind a link" deep/laid/imagesTr/a_0000.nii.gz store/image.nii.gz
same "one to predict" deep/laid/imagesTs/b_0000.nii.gz store/image.nii.gz
"$nephron" convert store/image.nii.gz linked/imagesTs/c.mha >out
says "one to predict with another ending" "linked/imagesTs/c.mha: does not end in .nii.gz" \
    "$nephron" init linked -o other
check "nothing is laid out" test ! -e other

# OUT may be the folder itself, under any name: no image is lost. What is there of another kind stays.
cp -r one itself && rm itself/dataset.json && ln -s itself alias
check "init into the folder itself" "$nephron" init itself -o alias
same "its images stay" itself/imagesTr/${first}_0000.nii.gz one/imagesTr/${first}_0000.nii.gz
same "its label maps stay" itself/labelsTr/$first.nii.gz one/labelsTr/$first.nii.gz
mkdir -p taken/imagesTr
echo precious >taken/imagesTr/${first}_0000.nii.gz
says "an image that is there" "is there already" "$nephron" init own -o taken
holds "an image that is there stays" precious taken/imagesTr/${first}_0000.nii.gz
check "init --overwrite" "$nephron" init own -o taken --overwrite
mkdir late && echo precious >late/clinical.csv
says "a table that is there, beside the last of it" "late/clinical.csv: is there already" "$nephron" init own \
    -o late
check "nothing else is laid out" test "$(find late)" = "$(printf 'late\nlate/clinical.csv')"
same "it is replaced" taken/imagesTr/${first}_0000.nii.gz one/imagesTr/${first}_0000.nii.gz
rm "own/masks/${first}_seg.nii.gz"
says "a missing label map" "case $first: no label map" "$nephron" init own -o laid2

# One wrong voxel in one of the label maps, and a label map whose image is missing: the file is named.
cp -r one slip && gzip -dc "one/labelsTr/$first.nii.gz" >slip.nii
printf '\007' | dd of=slip.nii bs=1 seek=352 conv=notrunc 2>/dev/null
gzip -c slip.nii >"slip/labelsTr/$first.nii.gz"
wrong="slip/labelsTr/$first.nii.gz holds the value 7, as 1 of 4 cases do"
says "a value by mistake" "beside the background, but $wrong" "$nephron" init slip --overwrite \
    --labels anterior,posterior
says "beside an older dataset.json" "names 3 labels, but $wrong" "$nephron" init slip --overwrite
rm slip/dataset.json
says "without names" "$first.nii.gz: holds the value 7, as 1 of 4 cases do, but no label map holds 3" \
    "$nephron" init slip
cp "one/labelsTr/$first.nii.gz" slip/labelsTr && rm "slip/imagesTr/${first}_0000.nii.gz"
wrong="slip/labelsTr: 1 label map has no image in slip/imagesTr, the first is $first.nii.gz"
check "a label map that no image has" "$nephron" init slip
holds "is told" "$wrong" err
says "and refused with --strict" "$wrong" "$nephron" init slip --overwrite --strict

# A mask of 0 and 255, and a folder a case: said in words that help.
mkdir -p grey/images grey/masks nested/case
printf 'NDims = 2\nDimSize = 2 2\nElementSpacing = 1 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n' \
    >grey/images/a.mha
cp grey/images/a.mha grey/masks/a.mha
printf 'abcd' >>grey/images/a.mha
printf '\000\377\000\377' >>grey/masks/a.mha
says "a mask of 0 and 255" "holds 0 and 255 alone: a label of a dataset is 1 there" "$nephron" init grey \
    -o white
for form in mhd nhdr; do
    mkdir -p pairs/$form/images pairs/$form/masks
    "$nephron" convert one/imagesTr/${first}_0000.nii.gz pairs/$form/images/a.$form >out
    "$nephron" convert one/labelsTr/$first.nii.gz pairs/$form/masks/a.$form >out
    says "a .$form without its voxels" "its voxels are in another file, which -o would leave behind" \
        "$nephron" init pairs/$form -o pairs/out_$form
done
says "a folder a case" "a folder a case is not read" "$nephron" init nested

# Digits at the end of a name are the case's where a label map has them too.
mkdir -p digits/images digits/masks
cp own/images/$first.nii.gz digits/images/a_0001.nii.gz &&
    cp one/labelsTr/$first.nii.gz digits/masks/a_0001.nii.gz
check "a_0001 is a case" "$nephron" init digits -o digits2
check "of one channel" test -f digits2/imagesTr/a_0001_0000.nii.gz
mv digits/masks/a_0001.nii.gz digits/masks/a_0001_seg.nii.gz
check "a_0001 is a case where its label map has a tail" "$nephron" init digits -o tailed
check "of one channel, too" test -f tailed/imagesTr/a_0001_0000.nii.gz

# The Decathlon's form: images called as label maps, labels by value, no file_ending; and nnU-Net v1's.
mkdir -p task/imagesTr
cp -r one/labelsTr task/
for f in one/labelsTr/*.nii.gz; do
    cp "one/imagesTr/$(basename "$f" .nii.gz)_0000.nii.gz" "task/imagesTr/$(basename "$f")"
done
printf '%s' '{"name":"x","modality":{"0":"MRI"},"labels":{"0":"bg","1":"anterior","2":"posterior"},' \
    '"numTraining":4,"training":[]}' >task/dataset.json
check "a Decathlon task is planned" "$nephron" plan task -o decathlon.json
cp task/dataset.json v1.json
cp -r one v1 && cp v1.json v1/dataset.json
check "an nnU-Net v1 task is planned" "$nephron" plan v1 -o v1plans.json
"$nephron" plan one -o own.json --quiet >/dev/null
sed 's/"dataset_name": "[^"]*"//' decathlon.json >a; sed 's/"dataset_name": "[^"]*"//' own.json >b; sed \
    's/"dataset_name": "[^"]*"//' v1plans.json >c
same "with the plan of nnU-Net's form" a b
same "also v1's" c b
check "init takes over its names" "$nephron" init v1 --overwrite
holds "in the present form" '"posterior": 2' v1/dataset.json
printf '{"modality":{"0":"MRI"},"labels":{"0":"bg","1":"a","2":"a"}}' >v1/dataset.json
says "a name for two values" "two values are called 'a'" "$nephron" plan v1

# Numbers and names below nnU-Net's folders.
mkdir -p raw results pre/Dataset007_One
cp -r one raw/Dataset007_One
export nnUNet_raw="$work/raw" nnUNet_results="$work/results" nnUNet_preprocessed="$work/pre"
check "a dataset by number" "$nephron" plan 7
check "by its name" "$nephron" plan Dataset007_One
check "by 007" "$nephron" plan 007
says "no such number" "no folder Dataset008_NAME" "$nephron" plan 8
mkdir raw/Dataset007_Other
says "a number twice" "have the number 7" "$nephron" plan 7
rmdir raw/Dataset007_Other
says "without the variable" "nnUNet_raw" env -u nnUNet_raw "$nephron" plan 7

# A run of a few steps, found by number; nnU-Net's own split is honoured.
ids=$(ls one/labelsTr | sed 's/.nii.gz//')
printf '[{"train":[' >pre/Dataset007_One/splits_final.json
echo "$ids" | sed '$d' | sed 's/.*/"&"/' | paste -sd, - >>pre/Dataset007_One/splits_final.json
printf '],"val":["%s"]}]' "$(echo "$ids" | tail -1)" >>pre/Dataset007_One/splits_final.json
check "train by number" "$nephron" train 7 -o results/Dataset007_One/nnUNetTrainer__nnUNetPlans__3d_fullres \
    --epochs 1 --iterations 2 --base-features 4 --batch 2 \
    --patch 16,16,16 --step 1 --no-mirror --quiet
check "the split of nnUNet_preprocessed" test -f \
    results/Dataset007_One/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/validation/"$(echo "$ids" | tail -1)".nii.gz
check "a dataset called ., and a fold that its split has not" sh -c \
    "cd raw/Dataset007_One && $nephron train . -o $work/dotted --fold 1 --epochs 1 --iterations 1 \
    --base-features 4 --batch 2 --patch 16,16,16 --no-validation --quiet"
holds "its cases are told to be drawn" "splits_final.json has 1 fold: the cases of fold 1 are drawn" err
run=results/Dataset007_One/nnUNetTrainer__nnUNetPlans__3d_fullres
check "predict by number" "$nephron" predict 7 -i one/imagesTr -o byname --step 1 --no-mirror --json volumes.json
holds "volumes of labels" '"ml"' volumes.json
holds "the checkpoint" "\"checkpoint\": \"fold_0/checkpoint_final.safetensors\"" byname/prediction.json
holds "the weights' hash, as the training told it" \
    "\"weight_hash\": \"$(last_hash $run/fold_0/progress.csv)\"" byname/prediction.json
check "by number and configuration" "$nephron" predict 7/3d_fullres -i one/imagesTr/${first}_0000.nii.gz -o \
    single.nii.gz --step 1 --no-mirror --quiet
same "one file in, one out" single.nii.gz byname/$first.nii.gz
says "a file that is there" "is there already" "$nephron" predict $run -i one/imagesTr/${first}_0000.nii.gz \
    -o single.nii.gz --step 1 --no-mirror
check "unless asked" "$nephron" predict $run -i one/imagesTr/${first}_0000.nii.gz -o single.nii.gz \
    --step 1 --no-mirror --overwrite --quiet
says "a case's digits taken for a channel" "an -i of its own" "$nephron" predict $run -i digits/images -o \
    digits3
check "digits with an -i of their own" "$nephron" predict $run -i digits/images/a_0001.nii.gz -o digits3 \
    --step 1 --no-mirror --quiet
check "keep the whole name" test -f digits3/a_0001.nii.gz
says "two cases for one file" "but there are 4 cases" "$nephron" predict $run -i one/imagesTr -o two.nii.gz
check "any names" "$nephron" predict $run -i own/images -o anyname --step 1 --no-mirror --quiet
same "give the same" anyname/$first.nii.gz byname/$first.nii.gz
second=$(echo "$ids" | sed -n 2p)
check "several inputs" "$nephron" predict $run -i own/images/$first.nii.gz -i own/images/$second.nii.gz -o \
    several --step 1 --no-mirror --quiet
same "give the same too" several/$second.nii.gz byname/$second.nii.gz
says "a case twice" "two cases are called $first" "$nephron" predict $run -i own/images/$first.nii.gz -i \
    one/imagesTr/${first}_0000.nii.gz -o twice
says "over its input" "would replace it" "$nephron" predict $run -i own/images -o own/images --step 1 --no-mirror
cp -r one/labelsTr labels_before
says "over a folder of labels" "is there already" "$nephron" predict $run -i one/imagesTr -o one/labelsTr \
    --step 1 --no-mirror
same "which stays" one/labelsTr/$first.nii.gz labels_before/$first.nii.gz
cp own/images/$first.nii.gz one/imagesTr/odd.nii.gz
check "odd names beside" "$nephron" predict $run -i one/imagesTr -o odd --step 1 --no-mirror --quiet
holds "are told" "1 image not named CASE_0000.nii.gz was left out" err
rm one/imagesTr/odd.nii.gz

# A prediction that was stopped goes on, and only with the same weights.
cp -r byname stopped && rm stopped/$second.nii.gz volumes.json
sed 's/"finished": true/"finished": false/' byname/prediction.json >stopped/prediction.json
check "predict --resume" "$nephron" predict --resume stopped --quiet
same "gives the rest" stopped/$second.nii.gz byname/$second.nii.gz
holds "and says so" '"finished": true' stopped/prediction.json
check "with every case once" sh -c "[ \"\$(grep -c '\"case\": \"' stopped/prediction.json)\" = 4 ]"
same "and where --json was asked for" volumes.json stopped/prediction.json
check "postprocess by number" "$nephron" postprocess 7
check "beside its folds" test -s $run/postprocessing.json
cat >$run/postprocessing.json <<EOF
{"postprocessing_fns": ["remove_all_but_largest_component_from_segmentation"], "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}]}
EOF
says "with another postprocessing" "was begun with other postprocessing" "$nephron" predict --resume stopped
rm $run/postprocessing.json
sed 's/"weight_hash": "../"weight_hash": "zz/' byname/prediction.json >stopped/prediction.json
says "with other weights" "was begun with other weights" "$nephron" predict --resume stopped
kill_at() { # a prediction is stopped by a signal; --resume ends it with the same maps
    "$nephron" predict $run -i one/imagesTr -o halted --step 1 --no-mirror --quiet >/dev/null 2>err &
    pid=$!
    while [ ! -f halted/$first.nii.gz ]; do sleep 0.02; done
    kill -TERM $pid
    wait $pid
}
kill_at
# it may have been faster than the signal
if [ -f halted/$(echo "$ids" | tail -1).nii.gz ]; then pass && pass; else
    holds "a stopped prediction says how to go on" "predict --resume halted" err
    check "and goes on" "$nephron" predict --resume halted --quiet
fi
same "to the same maps" halted/$second.nii.gz byname/$second.nii.gz
check "with all cases in its record" sh -c "[ \"\$(grep -c '\"case\": \"' halted/prediction.json)\" = 4 ]"
says "of nothing" "no prediction to resume" "$nephron" predict --resume one
says "with more words" "stands alone" "$nephron" predict $run --resume stopped
# A training may be made longer, not shorter; what is done stays.
small="--iterations 2 --base-features 4 --batch 2 --patch 16,16,16 --validation-batches 1 --no-validation \
    --quiet"
check "two epochs" "$nephron" train one -o longer --epochs 2 $small
head -3 longer/fold_0/progress.csv >before.csv
check "made four" "$nephron" train --resume longer --epochs 4
head -3 longer/fold_0/progress.csv >after.csv
same "the first two stay" before.csv after.csv
check "there are four" test "$(wc -l <longer/fold_0/progress.csv)" = 5
says "not fewer" "other options" "$nephron" train --resume longer --epochs 3
check "six, as the manifest now knows" "$nephron" train --resume longer --epochs 6
check "which needs no saying again" "$nephron" train --resume longer
# Each fold knows its own words, whichever was trained last.
check "a fold" "$nephron" train one -o words --fold 0 --epochs 1 --lr 0.003 $small
check "the next with other words" "$nephron" train one -o words --fold 1 --epochs 1 --lr 0.002 $small
check "the first made longer" "$nephron" train --resume words --fold 0 --epochs 2
check "it has two epochs" test "$(wc -l <words/fold_0/progress.csv)" = 3
holds "and the words that it began with" '"0.003"' words/fold_0/manifest.json
check "the last fold needs no naming" "$nephron" train --resume words

# What is told on the console is told as JSON too.
check "info of everything" "$nephron" info one one/imagesTr/${first}_0000.nii.gz $run \
    $run/fold_0/checkpoint_final.safetensors volumes.json --json info.json
for key in '"kind": "dataset"' '"kind": "image"' '"kind": "run"' '"kind": "safetensors"' '"kind": "JSON"' \
    '"orientation"' '"share_of_voxels"' '"checkpoints"'; do
    holds "info --json" "$key" info.json
done
says "info of nothing" "no such file" "$nephron" info nothing --json info.json
holds "its error" '"error": "nothing: no such' info.json
check "info by number" "$nephron" info 7
check "bench as JSON" "$nephron" bench kernels --case t64_32_20x28x20_b2 --precision fp32 --threads 1 --json \
    bench.json
holds "rows of bench" '"pass": "bwd_w"' bench.json
check "and no table is left" test ! -e bench.json.csv

# Options and tables speak in the image's axes, also where the network has them in another order (coarse along
# x).
mkdir -p coarse/imagesTr coarse/labelsTr
for c in a b; do
    head_of() {
        printf 'NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 12 40 48\nspace directions: (5,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: raw\n\n'
    }
    { head_of; yes $c-uvwxyz | tr -d '\n' | head -c 23040; } >coarse/imagesTr/${c}_0000.nrrd
    { head_of; yes abba | tr -d '\n' | tr ab '\000\001' | head -c 23040; } >coarse/labelsTr/$c.nrrd
done
check "init of NRRD" "$nephron" init coarse
check "plan with a patch" "$nephron" plan coarse --configuration 3d_fullres --patch 48,32,8 --json \
    coarse.json -o coarse_plans.json
holds "the table has the image's axes" "48 x 32 x 8" out
holds "and says how the network has them" "have them as x, z, y" out
check "the JSON too" sh -c "tr -d ' \n' <coarse.json | grep -q '\"patch\":\[48,32,8\]'"
check "plans.json has the network's" sh -c \
    "tr -d ' \n' <coarse_plans.json | grep -q '\"patch_size\":\[8,48,32\]'"
says "slices of a 2D network" "the patch is 1 along axis x, not 8" "$nephron" train coarse -o flat \
    --configuration 2d --epochs 1 --iterations 1 --base-features 4 --patch 32,32,8
check "which has them one by one" "$nephron" train coarse -o flat --configuration 2d --fold all --epochs 1 \
    --iterations 1 --base-features 4 --patch 32,32,1 --quiet --no-validation
# Options that would change nothing are refused by name: of the other task, and of a plan that is read from a
# file.
small="--base-features 4 --patch 16,16,16 --batch 2 --epochs 1 --iterations 1 --no-validation"
check "a small training" "$nephron" train one -o tiny $small
for option in "--crop 8,8,8" "--stem7" "--no-class-weights" "--dropout 0.5" "--depth 18" \
    "--covariates volume"; do
    says "$option of a segmentation" "is for classification" "$nephron" train one -o other $small $option
done
for option in "--base-features 8" "--patch 32,32,32" "--memory-gb 4" "--preset resenc_m"; do
    says "$option beside --plans" "${option%% *}" "$nephron" train one -o other --plans tiny/plans.json \
        --no-validation \
        --epochs 1 --iterations 1 $option
done
check "the same features beside --plans" "$nephron" train one -o same --plans tiny/plans.json \
    --base-features 4 \
    --epochs 1 --iterations 1 --no-validation
check "a patch that strides do not divide" "$nephron" train one -o divided $small --patch 17,15,13
holds "what becomes of it" "--patch 17,15,13 becomes" out
check "the same words for the next fold" "$nephron" train one -o divided $small --patch 17,15,13 --fold 1
sha256sum tiny/*.json tiny/fold_0/* 2>/dev/null >tiny.before
says "other features with --resume" "--base-features 8" "$nephron" train one -o tiny $small --epochs 2 \
    --resume --base-features 8
says "other features with --resume alone" "--base-features 8" "$nephron" train --resume tiny --base-features 8
says "another patch with --resume" "--patch" "$nephron" train --resume tiny --patch 32,32,32
check "a refused --resume changed something" sha256sum -c --quiet tiny.before
check "--resume with the same words" "$nephron" train one -o tiny $small --resume
says "momentum of an optimiser that has none" "adamw has none" "$nephron" train one -o other $small \
    --optimizer adamw --momentum 0.9
says "probabilities without the validation they are of" "--no-validation leaves out" "$nephron" train one \
    -o other $small --probabilities
test ! -e other
ok "what was refused left no folder" $?

# A training that has come to its end says so, be it a quiet one.
check "a quiet training" "$nephron" train one -o quiet $small --quiet
check "resumed at its end" "$nephron" train --resume quiet
holds "and it is told" "was trained to its end before, 1 of 1 epochs; --epochs N" err

# What a plan says of its network beside what is read would be another network: refused by name.
mkdir strange && cp one/dataset.json strange/
plan_says() { # a member, what stands there instead, what the error says
    cp -r tiny/. strange
    sed "s#$1#$2#" tiny/plans.json >strange/plans.json
    cmp -s tiny/plans.json strange/plans.json && fail "plans.json has no $1"
    says "a plan with $2" "$3" "$nephron" predict strange -i one/imagesTr -o none --step 1 --no-mirror
}
plan_says '"inplace": true' '"inplace": true, "negative_slope": 0.2' "negative_slope"
plan_says '"conv_bias": true' '"conv_bias": true, "squeeze_excitation": true' "squeeze_excitation"
plan_says '"conv_bias": true' '"conv_bias": true, "nonlin_first": true' "nonlin_first"
plan_says '"affine": true' '"affine": true, "track_running_stats": true' "track_running_stats"
plan_says 'torch.nn.LeakyReLU' 'torch.nn.ReLU' "nonlin 'torch.nn.ReLU'"
plan_says '"force_separate_z": null' '"force_separate_z": false' "force_separate_z"
plan_says 'DefaultPreprocessor' 'MyPreprocessor' "preprocessor_name 'MyPreprocessor'"
plan_says '"LabelManager"' '"MyManager"' "label_manager 'MyManager'"
plan_says '"SimpleITKIO"' '"MyIO"' "image_reader_writer 'MyIO'"
for name in norm_op_kwargs nonlin_kwargs; do
    plan_says "\"$name\"" "\"$name\": [1], \"was_$name\"" "$name is no object"
done
plan_says '"arch_kwargs"' '"arch_kwargs": [1], "was"' "with arch_kwargs"
plan_says '"transpose_backward"' '"transpose_backward": [1, 2, 0], "was"' "transpose_backward"
# Where a run's images lay counts where they are trained on alone.
cp -r tiny elsewhere
sed 's#"labels":#"dataset": {"a": {"images": ["$HOME/a.nii.gz"], "label": "b.nii.gz"}}, "labels":#' \
    tiny/dataset.json >elsewhere/dataset.json
check "a run with a list of files in its dataset.json" "$nephron" predict elsewhere -i one/imagesTr \
    -o elsewhere1 --step 1 --no-mirror
# What is not asked for may be what it likes: a plan has configurations of somebody's own beside nnU-Net's.
sed 's#"configurations": {#"configurations": {"mine": {"inherits_from": "gone"},#' tiny/plans.json \
    >strange/plans.json
check "a plan with a configuration that cannot be read" "$nephron" predict strange -i one/imagesTr -o strange2 \
    --step 1 --no-mirror
says "it is asked for" "strange/plans.json: configurations: mine: inherits_from: 'gone' is not there" \
    "$nephron" train one -o mine --plans strange/plans.json --configuration mine --epochs 1 --iterations 1
sed 's#torch.nn.LeakyReLU#torch.nn.modules.activation.LeakyReLU#' tiny/plans.json >strange/plans.json
check "another way to the same class" "$nephron" predict strange -i one/imagesTr -o strange1 --step 1 \
    --no-mirror

# A fold whose training goes on counts with the best that it has, which is told: nnU-Net leaves it out.
cp -r tiny unended && cp -r tiny/fold_0 unended/fold_1
check "two folds that have come to their end" "$nephron" predict unended -i one/imagesTr -o unended0 --step 1 \
    --no-mirror
! grep -q checkpoint_final err
ok "nothing to tell" $?
rm unended/fold_1/checkpoint_final.safetensors
check "a fold that has not" "$nephron" predict unended -i one/imagesTr -o unended1 --step 1 --no-mirror
holds "it counts" "4 cases, 2 networks," out
holds "it is told" "1 of 2 folds has no checkpoint_final: checkpoint_best, else checkpoint_latest, counts" err
check "without it" "$nephron" predict unended -i one/imagesTr -o unended2 --folds 0 --step 1 --no-mirror
holds "one is left" "4 cases, 1 network," out
check "it alone" "$nephron" predict unended -i one/imagesTr -o unended3 --folds 1 --step 1 --no-mirror
holds "it is told too where it is named" "1 of 1 fold has no checkpoint_final" err

# nnU-Net's reader of 2D TIFF is another than that of stacks.
for form in "2 16_16 NaturalImage2DIO" "3 8_8_4 Tiff3DIO"; do
    set -- $form
    mkdir -p tiff$1/imagesTr tiff$1/labelsTr
    printf 'NDims = %s\nDimSize = %s\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n' $1 \
        "$(echo $2 | tr _ ' ')" >head.mha
    (cat head.mha && head -c 256 "$data/imagesTr/${first}_0000.nii.gz") >image.mha
    (cat head.mha && head -c 128 /dev/zero && head -c 128 /dev/zero | tr '\000' '\001') >mask.mha
    "$nephron" convert image.mha tiff$1/imagesTr/a_0000.tif >out 2>err
    "$nephron" convert mask.mha tiff$1/labelsTr/a.tif >out 2>err
    echo '{"channel_names": {"0": "x"}, "labels": {"background": 0, "a": 1}, "numTraining": 1,
        "file_ending": ".tif"}' >tiff$1/dataset.json
    check "plan of TIFF of $1 axes" "$nephron" plan tiff$1 -o tiff$1.json --quiet
    holds "nnU-Net's reader of it" "\"image_reader_writer\": \"$3\"" tiff$1.json
done

# Readers that turn images to RAS: a case that lies otherwise gets the same labels, in its own order.
sed 's#"SimpleITKIO"#"NibabelIOWithReorient"#' tiny/plans.json >strange/plans.json
mkdir lying
{
    printf 'ObjectType = Image\nNDims = 3\nDimSize = 12 13 14\nElementType = MET_UCHAR\n'
    printf 'ElementSpacing = 1 1 1\nOffset = 0 0 0\nElementDataFile = LOCAL\n'
    head -c 2184 "$data/imagesTr/${first}_0000.nii.gz"
} >lying/ras.mha
for k in ras lps; do # the same numbers in the same order, of the other directions
    turn="-1 0 0 0 -1 0 0 0 1"
    [ $k = lps ] && turn="1 0 0 0 1 0 0 0 1"
    sed "s/^Offset/TransformMatrix = $turn\nOffset/" lying/ras.mha >lying/$k.tmp
    "$nephron" convert lying/$k.tmp lying/$k.nii.gz >out 2>err
    "$nephron" predict strange -i lying/$k.nii.gz -o turned_$k.nii.gz --step 1 --no-mirror --quiet 2>err
    ok "predict of an image in $k: $(head -n 1 err)" $?
    "$nephron" predict tiny -i lying/$k.nii.gz -o plain_$k.nii.gz --step 1 --no-mirror --quiet 2>err
done
for k in ras lps; do
    "$nephron" convert turned_$k.nii.gz turned_$k.mha >out && tail -c 200 turned_$k.mha >turned_$k
    "$nephron" convert plain_$k.nii.gz plain_$k.mha >out && tail -c 200 plain_$k.mha >plain_$k
done
same "an image in RAS is not turned" turned_ras plain_ras
same "without the reader the directions do not count" plain_ras plain_lps
cmp -s turned_lps plain_lps
[ $? -ne 0 ]
ok "with it an image in LPS is turned" $?

# A file that is read is not written.
sha256sum one/dataset.json >one.before
for command in "plan one --json" "plan one -o" "info one --json" "init one --overwrite --json" \
    "evaluate one/labelsTr one/labelsTr -o" "compare v1.json v1.json --json" \
    "predict tiny -i one/imagesTr/${first}_0000.nii.gz -o none --json"; do
    says "$command one/dataset.json" "would replace what is read" "$nephron" $command one/dataset.json
done
check "dataset.json is as it was" sha256sum -c --quiet one.before
image=one/labelsTr/${first}.nii.gz
says "a table in the place of an image" "$image: is an image" "$nephron" evaluate one/labelsTr one/labelsTr \
    -o $image
says "a table in no folder, before anything is read" "nowhere/s.json: No such file or directory" "$nephron" \
    evaluate nothing nothing -o nowhere/s.json
says "a table in the place of a folder" "one: is a folder, not a file" "$nephron" evaluate nothing nothing \
    -o one
for command in "train nothing -o" "predict nothing -i nothing -o" "study --data nothing -o" \
    "best nothing -o" "ensemble nothing nothing -o" "init nothing -o"; do
    says "$command, before anything is read" "one.before: is a file, not a folder" "$nephron" $command \
        one.before/in/it
done
says "a file in the place of a run" "one/dataset.json: is a file, not a run folder" "$nephron" predict \
    one/dataset.json -i nothing -o none
says "images in no folder, before anything is read" "nowhere/i.mha: No such file" "$nephron" convert nothing \
    nowhere/i.mha
says "two tables in one file" "--json twice: --csv writes there too" "$nephron" bench kernels --csv twice \
    --json twice
says "a plan in its own description" "--json p.json: --output writes there too" "$nephron" plan one -o p.json \
    --json p.json
says "a table in the place of a run's plan" "would replace what is read" "$nephron" compare v1.json v1.json \
    --json tiny/plans.json
says "label maps in the folder of a run" "tiny: is a run, whose plans.json would be lost" "$nephron" predict \
    tiny -i one/imagesTr -o tiny
check "a prediction" "$nephron" predict tiny -i one/imagesTr/${first}_0000.nii.gz -o sets --step 1 --no-mirror
cp "one/imagesTr/${first}_0000.nii.gz" another.nii.gz
check "another one in its folder" "$nephron" predict tiny -i another.nii.gz -o sets --step 1 --no-mirror
holds "is told" "1 label map of an earlier prediction is there too, the first is $first" err
gzip -dc one/imagesTr/${first}_0000.nii.gz >${first}_0000.nii
check "an ending of its own" "$nephron" predict tiny -i ${first}_0000.nii -o own_ending --step 1 --no-mirror \
    --quiet
check "the case is called as with the run's" cmp own_ending/$first.nii.gz sets/$first.nii.gz
says "label maps among the images" "-o one/imagesTr: is the folder of the images" "$nephron" predict tiny \
    -i one/imagesTr -o one/imagesTr --overwrite
says "a dataset in the place of its images" "give the folder of its images, as one/imagesTr" "$nephron" \
    predict tiny -i one -o none

# An option that asks for what cannot be is named as it was typed, one that would change nothing is refused.
asked() { # what the error says, command
    text=$1
    shift
    says "$*" "$text" "$nephron" "$@"
}
go="train one -o none $small --no-validation"
asked "--patch is 100000,8,8, each size must be from 1 to 65536" $go --patch 100000,8,8
asked "--base-features is 321, must be from 1 to 320" $go --base-features 321
asked "--configuration 4d: nnUNetPlans: no configuration '4d'" $go --configuration 4d
asked "--crop is 8,8,2000, each size must be from 1 to 1024" $go --crop 8,8,2000
asked "--configuration 4d: nnUNetPlans: no configuration '4d'" plan one --configuration 4d
asked "--patch: configuration 2d takes single slices" plan one --configuration 2d --patch 8,8,8
asked "--precision changes nothing without --layers" plan one --precision bf16
fed="federate one -o none --sites 2 --fold all --rounds 1 --local-iterations 1 --base-features 4 --batch 2 \
    --patch 16,16,16 --no-validation"
asked "--minimum 3: there are 2 sites" $fed --minimum 3
asked "--dp central needs a strategy" $fed --dp central
asked "--dp-test-seed 0 is no seed" $fed --dp local --dp-test-seed 0
asked "--strategy bulyan needs the updates of 7 sites a round, there are 2" $fed --strategy bulyan
asked "--krum-malicious is 1.5, must be a whole number" $fed --strategy krum --krum-malicious 1.5
asked "--fedavg-equal is 0.5, must be a whole number" $fed --fedavg-equal 0.5
asked "--partition sizes is not one of" $fed --partition sizes
asked "--partition quantity:1e9: needs a number above 0 and up to 1e6" $fed --partition quantity:1e9
asked "--running-variance average changes nothing without --norm batch" $fed --running-variance average
for more in "--dp local" --secure "--strategy median"; do
    asked "--running-variance changes nothing with $more" $fed --norm batch $more --running-variance exact
done
check "a strategy for more sites" "$nephron" $fed --strategy krum --overwrite
holds "is told" "--strategy krum withstands faulty sites from 5 a round on, there are 2" err
rm -r none
asked "--folds 0,0: fold 0 is there twice" predict tiny -i one/imagesTr -o none --folds 0,0
asked "--postprocessing and --no-postprocessing" predict tiny -i one/imagesTr -o none --no-postprocessing \
    --postprocessing x
cp -r tiny last && rm -f last/fold_0/checkpoint_best.*
asked "has no fold_*/checkpoint_best" export last none --checkpoint best
# 544 GiB, which the machine's memory is asked for before anything is taken of it.
asked "--patch 2048,2048,2048: out of memory: the sample's inference needs" export tiny none --patch 2048,2048,2048
grep -q 'this machine has .* GiB, enough for about .* voxels, not 8.59e+09' err
ok "what is possible is told: $(cat err)" $?
asked "--sensitivity changes nothing without --validation" evaluate a.csv b.csv --sensitivity 0.8
asked "--lesion-overlap is 1, must be" evaluate one/labelsTr one/labelsTr --lesion-overlap 1
asked "--margin is 0, must be" compare v1.json v1.json --margin 0
asked "--zeros is of Wilcoxon's test of pairs" compare v1.json v1.json --unpaired --zeros pratt
asked "v1.json,: a comma without a file" compare v1.json, v1.json,
asked "--bandwidth changes nothing without scaling" bench kernels --bandwidth 200
asked "unknown option '-c': a configuration is told by --configuration" predict 4 -c 3d_fullres -i one -o none
asked "unknown option '-d': the dataset, or the model's folder, stands by itself" predict -d 4 -i one -o none
asked "unknown option '-m': the dataset, or the model's folder, stands by itself" predict -m 4 -i one -o none
asked "unknown option '-f', did you mean --fold" train 4 -f 0 -o none
asked "unknown option '--c', did you mean --resume" train 4 --c
asked "--threads changes nothing with scaling" bench scaling --threads 2
asked "--difficulty is of the synthetic dataset" study --data one -o none --difficulty 1
for k in "segment covariates volume" "segment auc-margin 0.1" "segment class-lr 1" "segment crop 8,8,8" \
    "classify dice-margin 0.1" "classify network unet" "classify lr 1" "classify patch-voxels 64"; do
    set -- $k
    "$nephron" study -o none --task $1 --$2 $3 >out 2>err
    [ $? -eq 2 ] && [ ! -e none ] && grep -q -e "--$2 is of .*, which --task $1 leaves out" err
    ok "study --task $1 with --$2: $(head -n 1 err)" $?
done
"$nephron" study -o none --task classify --cache >out 2>err
[ $? -eq 2 ] && grep -q -e "--cache is of segmentation, which --task classify leaves out" err
ok "study --task classify with --cache: $(head -n 1 err)" $?
asked "--sites none.csv: no such file" study -o none --sites none.csv

# A channel whose voxels all have one value is told by every command that reads it: the first one by its file,
# and how many there are.
cp -r one blank
for f in $(ls one/imagesTr | sed -n '1p;3p'); do
    gzip -dc "one/imagesTr/$f" >voxels
    { head -c 352 voxels; tail -c +353 voxels | LC_ALL=C tr '\001-\377' '\000'; } |
        gzip -c >"blank/imagesTr/$f"
done
blank="_0000.nii.gz: all voxels of channel 0 are 0"
told() { # description, command: the first one and their number
    check "$@"
    holds "$1: the file is told" "$blank" err
    holds "$1: their number is told" "2 channels of the files that were read have one value in all voxels" err
    [ "$(grep -c 'one value\|all voxels' err)" -eq 2 ]
    ok "$1: it is told once: $(cat err)" $?
}
told "plan of images of one value" "$nephron" plan blank
told "train on them" "$nephron" train blank -o none $small --no-validation --fold all
told "a federation of them" "$nephron" federate blank -o none --sites 2 --fold all --rounds 1 \
    --local-iterations 1 --base-features 4 --batch 2 --patch 16,16,16 --no-validation --overwrite
told "a site's fingerprint of them" "$nephron" federate blank --as fingerprint a -o carried
told "predict of them" "$nephron" predict tiny -i blank/imagesTr -o blank_maps --step 1 --no-mirror --threads 1
rm -r none
check "a usual dataset" "$nephron" plan one
! grep -q "all voxels" err
ok "nothing is told of images that show something" $?

# What dataset.json says and the files do not bear out is told; --strict refuses it.
cp -r one stale && sed 's/"numTraining": 4/"numTraining": 9/' one/dataset.json >stale/dataset.json
check "numTraining of other files" "$nephron" plan stale
holds "is told" "numTraining is 9, imagesTr has 4 cases" err
says "and refused with --strict" "numTraining is 9" "$nephron" plan stale --strict
cp one/dataset.json stale/dataset.json && rm "stale/imagesTr/${first}_0000.nii.gz"
check "a label map without its image" "$nephron" plan stale
holds "is told too" "1 label map has no image in imagesTr, the first is $first" err
printf '{"channel_names":{"0":"MRI"},"labels":{"background":1,"x":0,"y":2},"numTraining":3,%s}' \
    '"file_ending":".nii.gz"' >stale/dataset.json
says "a background of another value" "the background is 0" "$nephron" plan stale

finish
