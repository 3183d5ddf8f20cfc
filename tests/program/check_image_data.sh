#!/bin/sh
# check_image_data.sh - datasets that are no NIfTI, from outside: training, prediction and evaluation on 3D
# .mha and on 2D .png of three colours.
. tests/program/lib.sh

# ---- the same cases in other forms give the same weights ---------------------------------------------------
sample=tests/data/hippocampus
mkdir -p "$work/nii/imagesTr" "$work/nii/labelsTr"
for c in 001 003 004 006 007; do
    cp $sample/imagesTr/hippocampus_${c}_0000.nii.gz "$work/nii/imagesTr/" &&
        cp $sample/labelsTr/hippocampus_$c.nii.gz "$work/nii/labelsTr/"
done
sed 's/"numTraining": 40/"numTraining": 5/' $sample/dataset.json >"$work/nii/dataset.json"
for form in nrrd mha mhd tif; do
    mkdir -p "$work/$form/imagesTr" "$work/$form/labelsTr"
    for f in "$work"/nii/*Tr/*.nii.gz; do
        to=$(echo "$f" | sed "s|/nii/|/$form/|; s|\.nii\.gz$|.$form|")
        $nephron convert "$f" "$to" >"$work/out" || echo "FAILED convert $f"
    done
    sed "s/\.nii\.gz/.$form/" "$work/nii/dataset.json" >"$work/$form/dataset.json"
    $nephron info "$work/$form" >"$work/out"
    ok "info of a dataset of $form: $(tail -n 1 "$work/out")" $?
done
small="--epochs 1 --iterations 2 --base-features 4 --patch 24,32,24 --batch 2 --validation-batches 1 \
    --step 1 --no-mirror --quiet"
for form in nii nrrd mha mhd tif; do
    $nephron train "$work/$form" -o "$work/run_$form" $small
    ok "train on $form" $?
    [ "$(last_hash "$work/run_$form/fold_0/progress.csv")" = \
        "$(last_hash "$work/run_nii/fold_0/progress.csv")" ]
    ok "$form gives other weights than NIfTI" $?
    ending=$(sed -n 's/.*"file_ending": "\(.*\)".*/\1/p' "$work/$form/dataset.json")
    $nephron predict "$work/run_$form" -i "$work/$form/imagesTr" -o "$work/out_$form" --no-mirror --step 1 \
        --quiet && [ -f "$work/out_$form/hippocampus_001$ending" ]
    ok "predict $form" $?
    $nephron evaluate "$work/$form/labelsTr" "$work/out_$form" -o "$work/$form.json" --quiet
    ok "evaluate $form: the geometry of image and prediction" $?
done
for form in nrrd mha mhd tif; do
    $nephron convert "$work/out_$form/hippocampus_003.$form" "$work/back.nii.gz" >"$work/out" &&
        $nephron convert "$work/out_nii/hippocampus_003.nii.gz" "$work/same.nii.gz" >"$work/out"
    if [ $form = tif ]; then # its files hold no place
        [ "$($nephron info "$work/back.nii.gz" | grep values)" = \
            "$($nephron info "$work/same.nii.gz" | grep values)" ]
    else
        [ "$($nephron info "$work/back.nii.gz" | sed 1d | grep -v description)" = \
            "$($nephron info "$work/same.nii.gz" | sed 1d | grep -v description)" ]
    fi
    ok "$form: another label map or place than of NIfTI" $?
done

# ---- four digits that are the number of a case: each has a spacing of its own -----------------------------
for n in 1 2; do
    printf 'NDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 1 %s\nElementType = MET_UCHAR\n' $n \
        >"$work/scan_000$n.mha"
    printf 'ElementDataFile = LOCAL\nabcdefgh' >>"$work/scan_000$n.mha"
    $nephron convert "$work/scan_000$n.mha" "$work/scan_000$n.tif" >"$work/out" 2>"$work/err"
    ok "scan $n to TIFF: $(cat "$work/err")" $?
done
for n in 1 2; do
    $nephron info "$work/scan_000$n.tif" | grep -q "spacing       1 x 1 x $n mm"
    ok "the spacing of scan $n" $?
done
rm "$work/scan_0002.json"
$nephron info "$work/scan_0002.tif" | grep -q "spacing       1 x 1 x 2 mm"
ok "nnU-Net's file of all channels" $?

# ---- init -o takes the spacing of a TIFF along -------------------------------------------------------------
mkdir -p "$work/own/images" "$work/own/masks" "$work/own/imagesTs"
printf 'NDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 2 3\nElementType = MET_UCHAR\n' >"$work/own/a.mha"
printf 'ElementDataFile = LOCAL\n\000\001\000\001\000\001\000\001' >>"$work/own/a.mha"
for folder in images masks imagesTs; do
    $nephron convert "$work/own/a.mha" "$work/own/$folder/a.tif" >"$work/out" 2>"$work/err"
    ok "a TIFF in $folder: $(cat "$work/err")" $?
done
check "init of TIFF" $nephron init "$work/own" -o "$work/laid"
for image in imagesTr/a_0000 labelsTr/a imagesTs/a_0000; do
    $nephron info "$work/laid/$image.tif" | grep -q "spacing       1 x 2 x 3 mm"
    ok "the spacing of $image" $?
done

# ---- planes of three colours -------------------------------------------------------------------------------
slices=tests/data/images/slices
$nephron info $slices >"$work/out" && grep -q "channel 2     B" "$work/out"
ok "info of colour slices" $?
$nephron train $slices -o "$work/run2d" --configuration 2d --epochs 2 --iterations 3 --base-features 4 \
    --patch 1,32,32 --batch 2 --quiet
ok "train on colour slices" $?
$nephron predict "$work/run2d" -i $slices/imagesTr -o "$work/out2d" --quiet &&
    $nephron info "$work/out2d/hippocampus_001.png" | grep -q "PNG image"
ok "predict colour slices" $?
$nephron evaluate $slices/labelsTr "$work/out2d" --quiet
ok "evaluate slices" $?
$nephron predict "$work/run2d" -i $slices/imagesTr/hippocampus_001_0000.png -o "$work/one" --quiet &&
    cmp -s "$work/one/hippocampus_001.png" "$work/out2d/hippocampus_001.png"
ok "one picture alone" $?
mkdir "$work/grey"
cp tests/data/images/grey.png "$work/grey/a_0000.png"
$nephron predict "$work/run2d" -i "$work/grey" -o "$work/out_grey" --quiet 2>"$work/err"
[ $? -eq 1 ] && grep -q "missing channel 1 (G)" "$work/err"
ok "a grey picture for a network of three colours: $(cat "$work/err")" $?

finish
