#!/bin/sh
# check_convert.sh - nephron convert from outside: a model folder as nnU-Net leaves it, single files there and
# back, what must be refused.
. tests/program/lib.sh
model=tests/data/golden/nnunet_model
golden=tests/data/golden

# ---- a model folder becomes a run, and the run segments ----------------------------------------------------
$nephron convert $model "$work/run" >"$work/out"
ok "convert a model folder" $?
grep -q "run of 1 checkpoints, configuration 3d_small" "$work/out"
ok "what was converted is told" $?
[ -f "$work/run/fold_0/checkpoint_final.safetensors" ] && cmp -s $model/plans.json "$work/run/plans.json" &&
    cmp -s $model/dataset.json "$work/run/dataset.json"
ok "the folder of a run" $?
mkdir "$work/images"
cp tests/data/hippocampus/imagesTr/hippocampus_001_0000.nii.gz "$work/images/"
$nephron predict "$work/run" -i "$work/images" -o "$work/labels" --no-mirror --quiet &&
    [ -f "$work/labels/hippocampus_001.nii.gz" ]
ok "predict with the converted run" $?
refuses 1 "there is a run already" $nephron convert $model "$work/run"
# Every fold that predict finds, and "all"; what is chosen of them is for one file.
mkdir "$work/ten" && cp $model/plans.json $model/dataset.json "$work/ten"
for k in 7 12 all; do cp -r $model/fold_0 "$work/ten/fold_$k"; done
check "convert folds of any number" $nephron convert "$work/ten" "$work/run10"
holds "all of them" "run of 3 checkpoints" "$work/out"
for k in 7 12 all; do
    same "fold $k" "$work/run10/fold_$k/checkpoint_final.safetensors" \
        "$work/run/fold_0/checkpoint_final.safetensors"
done
refuses 2 "are for folders to one file" $nephron convert "$work/ten" "$work/run1" --fold 7
refuses 2 "are for folders to one file" $nephron convert "$work/ten" "$work/run1" --checkpoint best

# ---- the model folder as it is -----------------------------------------------------------------------------
$nephron predict $model -i "$work/images" -o "$work/direct" --no-mirror --quiet &&
    cmp -s "$work/labels/hippocampus_001.nii.gz" "$work/direct/hippocampus_001.nii.gz"
ok "predict with the model folder: what the converted run gives" $?
number() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$work/direct/prediction.json"; }
if ! grep -aq __asan_init "$nephron"; then # a sanitizer's memory is not announced
    [ "$(number peak_bytes)" -gt 1000000 ] && [ "$(number peak_bytes)" -le "$(number announced_peak_bytes)" ]
    ok "the announced peak is kept: $(number peak_bytes) of $(number announced_peak_bytes) bytes" $?
fi
cp -r $model "$work/two" && cp -r $model/fold_0 "$work/two/fold_all" && mkdir "$work/two/fold_3" &&
    cp $model/fold_0/checkpoint_final.pth "$work/two/fold_3/checkpoint_best.pth"
$nephron predict "$work/two" -i "$work/images" -o "$work/o2" --no-mirror >"$work/out" &&
    grep -q "2 networks" "$work/out"
ok "folds 0 and 3, not all; one has only its best checkpoint" $?
$nephron predict "$work/two" -i "$work/images" -o "$work/o1" --no-mirror --folds all >"$work/out" &&
    grep -q "1 network," "$work/out"
ok "--folds all is the fold trained on all cases" $?
$nephron predict "$work/two" -i "$work/images" -o "$work/o1" --no-mirror -f 0,3 >"$work/out" &&
    grep -q "2 networks" "$work/out"
ok "--folds 0,3" $?
$nephron predict "$work/two" -i "$work/images" -o "$work/o1" --no-mirror --checkpoint best >"$work/out" &&
    grep -q "1 network," "$work/out"
ok "--checkpoint best: the fold that has one" $?
refuses 1 "fold_0: no checkpoint_latest" $nephron predict "$work/two" -i "$work/images" -o "$work/o3" \
    --checkpoint latest --fold 0
refuses 1 "no fold_\*/checkpoint_latest" $nephron predict "$work/two" -i "$work/images" -o "$work/o3" \
    --checkpoint latest
refuses 2 "not \"all\" or a list" $nephron predict "$work/two" -i "$work/images" -o "$work/o3" --folds 0,x
$nephron info "$work/two" >"$work/out" && grep -q "configuration 3d_small" "$work/out" &&
    grep -q "folds *0 3" "$work/out" && grep -q "mirroring *0 1 2" "$work/out"
ok "info of a model folder" $?
$nephron info $model/fold_0/checkpoint_final.pth >"$work/out" && grep -q "nnUNetTrainer" "$work/out" &&
    grep -q "parameters *3256 " "$work/out"
ok "info of a checkpoint" $?
$nephron info $golden/io_torch.pth >"$work/out" && grep -q "PyTorch file" "$work/out"
ok "info of another .pth" $?
# inference_allowed_mirroring_axes of null: mirroring and --no-mirror are the same.
cp -r "$work/run" "$work/plain" && tr -d '\n' <"$work/run/manifest.json" |
    sed 's/"inference_allowed_mirroring_axes": *\[[^]]*\]/"inference_allowed_mirroring_axes": null/' \
    >"$work/plain/manifest.json"
$nephron predict "$work/plain" -i "$work/images" -o "$work/o4" --quiet &&
    cmp -s "$work/labels/hippocampus_001.nii.gz" "$work/o4/hippocampus_001.nii.gz"
ok "no axis may be mirrored" $?
# Without that member the training tells: none with augment 0, as the trainer without augmentation of nnU-Net.
sed -i -e 's/inference_allowed_mirroring_axes": *null/trained": null/' -e 's/"augment": *2/"augment": 0/' \
    "$work/plain/manifest.json"
grep -q '"augment": *0' "$work/plain/manifest.json" &&
    $nephron predict "$work/plain" -i "$work/images" -o "$work/o6" --quiet &&
    cmp -s "$work/labels/hippocampus_001.nii.gz" "$work/o6/hippocampus_001.nii.gz"
ok "a network trained without mirrors is predicted without" $?
$nephron predict "$work/run" -i "$work/images" -o "$work/o5" --quiet &&
    ! cmp -s "$work/labels/hippocampus_001.nii.gz" "$work/o5/hippocampus_001.nii.gz"
ok "all axes are mirrored" $?

# ---- the names of the tensors ------------------------------------------------------------------------------
# A safetensors header is JSON in one line: its keys are the names.
names() {
    dd if="$1" bs=1 skip=8 count=$(($(od -An -tu4 -N4 "$1"))) 2>/dev/null | tr '{' '\n' |
        sed -n 's/.*"\([^"]*\)":$/\1/p' | grep -v __metadata__ | sort
}
names "$work/run/fold_0/checkpoint_final.safetensors" >"$work/names"
sort $model/network.txt | cmp -s - "$work/names"
ok "each tensor of the network, under its first name only" $?
$nephron convert $model/fold_0/checkpoint_final.pth "$work/one.safetensors" >"$work/out"
ok "convert a checkpoint" $?
cmp -s "$work/one.safetensors" "$work/run/fold_0/checkpoint_final.safetensors"
ok "a checkpoint alone gives the same file as in its folder" $?
$nephron convert --prefix "" $model/fold_0/checkpoint_final.pth "$work/all.safetensors" >"$work/out"
names "$work/all.safetensors" | grep -q "^network_weights.decoder.encoder.stages.0.0.convs.0.conv.weight$"
ok "an empty prefix keeps every tensor" $?
$nephron convert --prefix network_weights.encoder $model/fold_0/checkpoint_final.pth \
    "$work/encoder.safetensors" >"$work/out"
names "$work/encoder.safetensors" | grep -q "^stages.0.0.convs.0.conv.weight$"
ok "a prefix is taken off" $?

# ---- postprocessing ----------------------------------------------------------------------------------------
# Two copies of a label map as reference and prediction: nothing can become better. A file that asks for it is
# applied all the same.
mkdir -p "$work/run/fold_0/validation" "$work/ref"
cp tests/data/hippocampus/labelsTr/hippocampus_001.nii.gz "$work/run/fold_0/validation/" &&
    cp tests/data/hippocampus/labelsTr/hippocampus_001.nii.gz "$work/ref/"
echo '{"metric_per_case": [{"reference_file": "elsewhere/hippocampus_001.nii.gz", "prediction_file": "gone/hippocampus_001.nii.gz"}]}' >"$work/run/fold_0/validation/summary.json"
$nephron postprocess "$work/run" --ref "$work/ref" -o "$work/pp.json" >"$work/out" &&
    grep -q "0 steps from 1 cases" "$work/out" && grep -q '"postprocessing_fns": \[\]' "$work/pp.json"
ok "a perfect prediction needs no postprocessing" $?
refuses 1 "elsewhere/hippocampus_001" $nephron postprocess "$work/run" --quiet
refuses 1 "no fold_\*/validation/summary.json" $nephron postprocess $model --quiet
echo '{"postprocessing_fns": ["remove_all_but_largest_component_from_segmentation"], "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}]}' >"$work/pp.json"
$nephron predict "$work/run" -i "$work/images" -o "$work/kept" --no-mirror --quiet --postprocessing \
    "$work/pp.json" && ! cmp -s "$work/labels/hippocampus_001.nii.gz" "$work/kept/hippocampus_001.nii.gz"
ok "a postprocessing file is applied" $?
cp "$work/pp.json" "$work/run/postprocessing.json"
$nephron predict "$work/run" -i "$work/images" -o "$work/own" --no-mirror --quiet &&
    cmp -s "$work/own/hippocampus_001.nii.gz" "$work/kept/hippocampus_001.nii.gz"
ok "the run's own is applied by itself" $?
$nephron predict "$work/run" -i "$work/images" -o "$work/none" --no-mirror --quiet --no-postprocessing &&
    cmp -s "$work/labels/hippocampus_001.nii.gz" "$work/none/hippocampus_001.nii.gz"
ok "--no-postprocessing" $?
sed 's/\[1, 2\]/7/' "$work/pp.json" >"$work/pp7.json"
refuses 1 "7 is no foreground label" $nephron predict "$work/run" -i "$work/images" -o "$work/none" \
    --no-mirror --postprocessing "$work/pp7.json"
sed 's/remove_all/exec/' "$work/pp.json" >"$work/ppx.json"
refuses 1 "known is only" $nephron predict "$work/run" -i "$work/images" -o "$work/none" --no-mirror \
    --postprocessing "$work/ppx.json"
cp -r $model "$work/decided" && cp "$work/pp.json" "$work/decided/postprocessing.json"
check "convert a model folder with its postprocessing" $nephron convert "$work/decided" "$work/decided_run"
same "which predict applies then, too" "$work/decided_run/postprocessing.json" "$work/pp.json"
rm "$work/run/postprocessing.json"

# ---- one network of a run ----------------------------------------------------------------------------------
$nephron convert $model "$work/net.safetensors" >"$work/out" && names "$work/net.safetensors" |
    cmp -s - "$work/names"
ok "a model folder to one file" $?
$nephron convert "$work/run" "$work/net2.safetensors" --fold 0 --checkpoint final >"$work/out" &&
    cmp -s "$work/net.safetensors" "$work/net2.safetensors"
ok "a run to the same file" $?
$nephron convert "$work/run" "$work/net.npz" >"$work/out" && [ -s "$work/net.npz" ]
ok "a run to .npz" $?
$nephron convert "$work/run" "$work/net.onnx" --fold 0 >"$work/out" &&
    cmp -s "$work/net.onnx" $golden/nnunet_model.onnx &&
    grep -q "image \[N\]\[1\]\[D\]\[H\]\[W\] to logits" "$work/out"
ok "a run to ONNX: the file that onnxruntime verified" $?
# Of a 2D network the kernels are PyTorch's, of four axes; train takes them back.
flat() { $nephron train "$work/slices" -o "$1" --configuration 2d --base-features 4 --patch 1,16,16 \
    --batch 2 --epochs 1 --iterations 1 --augment 0 --validation-batches 0 --no-validation --fold all \
    --quiet $2; }
some_cases "$work/slices" "NR < 6"
flat "$work/flat" && $nephron convert "$work/flat" "$work/flat.safetensors" >"$work/out" &&
    head -c 2000 "$work/flat.safetensors" | grep -aq '\[4,1,3,3\]' &&
    flat "$work/flat2" "--pretrained $work/flat.safetensors" >"$work/out" 2>&1
ok "a 2D network as PyTorch has it: $(head -n 2 "$work/out")" $?
refuses 1 "one.safetensors is a file" $nephron convert "$work/one.safetensors" "$work/x.onnx"
refuses 1 "no checkpoint_best" $nephron convert "$work/run" "$work/x.npz" --fold 0 --checkpoint best
refuses 2 "are for folders" $nephron convert "$work/one.safetensors" "$work/x.npz" --fold 0
# One network of a run whose first fold is still trained: the first that has come to its end, and if none has,
# it is told.
mkdir "$work/going" && cp $model/plans.json $model/dataset.json "$work/going"
for k in 0 3; do mkdir "$work/going/fold_$k"; done
cp $model/fold_0/checkpoint_final.pth "$work/going/fold_0/checkpoint_best.pth"
cp $model/fold_0/checkpoint_final.pth "$work/going/fold_3/checkpoint_final.pth"
for out in going.npz going.onnx going_c; do
    command=convert
    [ $out = going_c ] && command=export
    $nephron $command "$work/going" "$work/$out" >"$work/out" 2>&1 && ! grep -q checkpoint_final "$work/out"
    ok "$command to $out: the fold that is done" $?
    $nephron $command "$work/going" "$work/0$out" --fold 0 >"$work/out" 2>&1 &&
        grep -q "fold_0: has no checkpoint_final, so checkpoint_best.pth is taken; --fold K" "$work/out"
    ok "$command to $out: of one that is not, it is told" $?
done
rm "$work/going/fold_3/checkpoint_final.pth"
$nephron convert "$work/going" "$work/going.safetensors" >"$work/out" 2>&1 &&
    grep -q "fold_0: has no checkpoint_final, so checkpoint_best.pth is taken\$" "$work/out"
ok "convert, where the only fold is not done" $?
refuses 2 "--fold is '12345678901234567', must be" $nephron convert "$work/going" "$work/x.npz" \
    --fold 12345678901234567

# ---- there and back ----------------------------------------------------------------------------------------
$nephron convert "$work/one.safetensors" "$work/one.npz" >"$work/out" &&
    $nephron convert "$work/one.npz" "$work/back.safetensors" >"$work/out" &&
    $nephron convert "$work/back.safetensors" "$work/back.npz" >"$work/out" &&
    cmp -s "$work/one.npz" "$work/back.npz"
ok "safetensors, npz, safetensors, npz" $?
names "$work/back.safetensors" | cmp -s - "$work/names"
ok "the names survive" $?
refuses 1 "no tensors encoder.\* or decoder.\* below network_weights (of 28" $nephron convert \
    $golden/io_torch.pth "$work/x.npz"
refuses 1 "no tensors below nothing (of 28" $nephron convert --prefix nothing $golden/io_torch.pth \
    "$work/x.npz"
$nephron convert --prefix types $golden/io_torch.pth "$work/types.npz" >"$work/out"
ok "every type to npz" $?
grep -q "3 tensors of bfloat16 or 8-bit floats became float32" "$work/out"
ok "what npz cannot hold is told" $?
$nephron convert $golden/io_types.safetensors "$work/same.safetensors" >"$work/out" &&
    cmp -s $golden/io_types.safetensors "$work/same.safetensors"
ok "safetensors to safetensors changes no byte" $?

# ---- volumes in time ---------------------------------------------------------------------------------------
# Two volumes of two voxels, and the step of 2.5 s, whose unit only NIfTI has.
{
    printf 'NRRD0004\ntype: uchar\ndimension: 4\nsizes: 2 1 1 2\nspace: LPS\n'
    printf 'space directions: (1,0,0) (0,1,0) (0,0,1) none\nspace origin: (0,0,0)\nencoding: raw\n\nabcd'
} >"$work/bold.nrrd"
$nephron convert "$work/bold.nrrd" "$work/bold.nii" >"$work/out" &&
    printf '\0\0\040\100' | dd of="$work/bold.nii" bs=1 seek=92 conv=notrunc 2>/dev/null &&
    printf '\012' | dd of="$work/bold.nii" bs=1 seek=123 conv=notrunc 2>/dev/null &&
    $nephron convert "$work/bold.nii" "$work/bold.nii.gz" >"$work/out" 2>"$work/err"
ok "a step in time from NIfTI to NIfTI" $?
gzip -dc "$work/bold.nii.gz" | cmp -s - "$work/bold.nii"
ok "the step and its unit are kept" $?
! grep -q "the step from volume" "$work/err"
ok "what is kept is not called lost" $?
$nephron info "$work/bold.nii.gz" >"$work/out"
holds "info tells it" "step          2.5 s from volume to volume" "$work/out"
check "to NRRD" $nephron convert "$work/bold.nii.gz" "$work/bold2.nrrd"
$nephron info "$work/bold2.nrrd" >"$work/out"
holds "NRRD keeps it with its unit" "step          2.5 s from volume to volume" "$work/out"
check "to another format" $nephron convert "$work/bold.nii.gz" "$work/bold2.tif"
holds "that it is lost" "TIFF does not hold the step from volume to volume, 2.5 s" "$work/err"
check "to MetaImage" $nephron convert "$work/bold.nii.gz" "$work/bold.mha"
holds "that its unit is lost" "MetaImage does not hold the unit of the step, 2.5 s" "$work/err"
$nephron convert "$work/bold.mha" "$work/bold3.nii" >"$work/out" 2>"$work/err" &&
    tail -c +93 "$work/bold3.nii" | head -c 4 >"$work/a" && printf '\0\0\040\100' | cmp -s - "$work/a"
ok "the step from MetaImage to NIfTI: $(cat "$work/err")" $?

# ---- NIfTI with more than its voxels -----------------------------------------------------------------------
{
    gzip -dc tests/data/hippocampus/labelsTr/hippocampus_001.nii.gz
    head -c 60000 /dev/zero
} | gzip -c >"$work/more.nii.gz"
check "bytes behind the voxels" $nephron convert "$work/more.nii.gz" "$work/more.nrrd"
holds "are told" "that what follows the last voxel is none" "$work/err"
{
    head -c -8 "$work/more.nii.gz"
    printf 'checksum'
} >"$work/wrong.nii.gz"
says "the checksum behind them" "gzip checksum or length is wrong" $nephron convert "$work/wrong.nii.gz" \
    "$work/wrong.nrrd"

# ---- DICOM series ------------------------------------------------------------------------------------------
dicom=tests/data/dicom
$nephron convert $dicom/series "$work/series.nii.gz" >"$work/out" &&
    grep -q "7 x 5 x 4 voxels, float32, from DICOM" "$work/out"
ok "a series to NIfTI: values of halves in float32" $?
$nephron convert $dicom/implicit.dcm "$work/one.nii" >"$work/out" &&
    grep -q "7 x 5 x 1 voxels, int16, from DICOM" "$work/out"
ok "a DICOM file to NIfTI: whole numbers in int16" $?
$nephron convert $dicom/ct.dcm "$work/one.nii" >"$work/out" &&
    grep -q "7 x 5 x 1 voxels, int16, from DICOM" "$work/out" && $nephron info "$work/one.nii" |
    grep -q "values        -1024 to 784"
ok "unsigned with an intercept to NIfTI: int16" $?
mkdir "$work/half" "$work/half/part" && cp $dicom/series/a $dicom/series/b "$work/half/part"
check "every second slice" $nephron convert "$work/half/part" "$work/half.nii.gz"
holds "is told" "they lie 5 mm apart, Spacing Between Slices (0018,0088) is 2.5" "$work/err"
says "a folder of folders" "folders in it are not searched" $nephron convert "$work/half" "$work/x.nii.gz"
says "a series to no image" "x.txt does not end as an image does" $nephron convert $dicom/series "$work/x.txt"
$nephron info $dicom/series >"$work/dicom"
$nephron info "$work/series.nii.gz" >"$work/nifti"
for line in size spacing values affine; do
    [ "$(grep " $line " "$work/dicom")" = "$(grep " $line " "$work/nifti")" ]
    ok "$line of the series and of the NIfTI file differ" $?
done
for other in nrrd mha; do
    $nephron convert $dicom/series "$work/series.$other" >"$work/out" &&
        $nephron convert "$work/series.$other" "$work/again.nii.gz" >"$work/out" &&
        $nephron info "$work/again.nii.gz" >"$work/out" &&
        [ "$(grep -A 3 affine "$work/out")" = "$(grep -A 3 affine "$work/nifti")" ]
    ok "a series to .$other, and that to NIfTI" $?
done
grep -q "modality      MR" "$work/dicom" && grep -q "TE            85.5 ms" "$work/dicom" &&
    grep -q "1.2.3, 4 files" "$work/dicom" && ! grep -q -e Doe -e 4711 "$work/dicom"
ok "what info tells of a series, and not of the patient" $?
refuses 1 "no DICOM image of series 9" $nephron info --series 9 $dicom/series
# Two echoes of one series at the same places; and a second series beside the first.
mkdir "$work/echoes" "$work/pair"
for f in a b c.ima d.dcm; do
    cp "$dicom/series/$f" "$work/echoes/first_$f"
    cp "$dicom/series/$f" "$work/pair/first_$f"
    LC_ALL=C sed 's/85\.5/99.5/' "$dicom/series/$f" >"$work/echoes/second_$f"
    LC_ALL=C sed 's/UI\x06\x001\.2\.3\x00/UI\x06\x001.2.9\x00/' "$dicom/series/$f" >"$work/pair/second_$f"
done
$nephron info "$work/echoes" | grep -q "volume        2 of 2: TE 99.5 ms" &&
    [ "$($nephron info "$work/pair" | grep -c 'series        1.2.[39], 4 files')" -eq 2 ]
ok "info lists the volumes of a series, and the series of a folder" $?
$nephron convert "$work/echoes" "$work/e.nii.gz" >"$work/out" &&
    cmp -s "$work/e_volume1.nii.gz" "$work/series.nii.gz" &&
    cmp -s "$work/e_volume2.nii.gz" "$work/series.nii.gz"
ok "convert writes each volume" $?
$nephron convert "$work/echoes" "$work/e.mha" --volume 2 >"$work/out" && [ -s "$work/e.mha" ] &&
    $nephron convert "$work/pair" "$work/t.mha" >"$work/out" &&
    cmp -s "$work/t_series1.mha" "$work/t_series2.mha"
ok "convert --volume, and a file for each series" $?
quick="--step 1 --no-mirror --quiet"
model=tests/data/golden/nnunet_model
refuses 1 "choose one with --volume N: 1 (TE 85.5 ms), 2 (TE 99.5 ms)" $nephron predict $model -i \
    "$work/echoes" -o "$work/seg" $quick
refuses 1 "choose one with --series UID: 1.2.3 " $nephron predict $model -i "$work/pair" -o "$work/seg" $quick
$nephron predict $model -i "$work/echoes" -o "$work/seg1" --volume 2 $quick &&
    $nephron predict $model -i "$work/pair" -o "$work/seg2" --series 1.2.9 $quick &&
    cmp -s "$work/seg1/echoes.nii.gz" "$work/seg2/pair.nii.gz"
ok "predict --volume, --series" $?
$nephron info --series 1.2.3 $dicom/series >"$work/out"
ok "info --series" $?
$nephron convert --series 1.2.3 $dicom/series "$work/s.nii" >"$work/out"
ok "convert --series" $?
LC_ALL=C sed 's/1\.2\.840\.10008\.1\.2\.4\.57/1.2.840.10008.1.2.4.53/' $dicom/jpeg57.dcm >"$work/jpeg53.dcm"
refuses 1 "jpeg53.dcm: transfer syntax unknown (1.2.840.10008.1.2.4.53)" $nephron convert "$work/jpeg53.dcm" \
    "$work/x.nii"
$nephron predict "$work/run" -i $dicom/series -o "$work/labels" --no-mirror --quiet &&
    $nephron info "$work/labels/series.nii.gz" >"$work/out" &&
    [ "$(grep affine "$work/out")" = "$(grep affine "$work/nifti")" ]
ok "predict a series: a label map with its geometry" $?
refuses 1 "colour.png: a PNG image is read whole" $nephron convert tests/data/images/colour.png "$work/x.nii" \
    --volume 1
refuses 1 "is read whole" $nephron predict "$work/run" -i "$work/series.nii.gz" -o "$work/labels1" \
    --volume 1 --no-mirror --quiet
mkdir -p "$work/cases/a_0000" "$work/cases/b_0000"
cp $dicom/series/* "$work/cases/a_0000/" && cp $dicom/enhanced.dcm "$work/cases/b_0000/"
$nephron predict "$work/run" -i "$work/cases" -o "$work/labels" --no-mirror --quiet &&
    cmp -s "$work/labels/series.nii.gz" "$work/labels/a.nii.gz" && [ -f "$work/labels/b.nii.gz" ]
ok "predict series in folders CASE_0000" $?
$nephron predict "$work/run" -i $dicom/enhanced.dcm -o "$work/labels" --no-mirror --quiet &&
    cmp -s "$work/labels/b.nii.gz" "$work/labels/enhanced.nii.gz"
ok "predict a DICOM file" $?
mkdir "$work/cases/c_0001" && cp $dicom/enhanced.dcm "$work/cases/c_0001/"
refuses 1 "c_0001: channel 1, the run has 1" $nephron predict "$work/run" -i "$work/cases" -o "$work/labels" \
    --no-mirror --quiet

# A picture in colours beside a series is told, and keeps nobody from the series.
mkdir "$work/beside" && cp $dicom/series/* "$work/beside/"
LC_ALL=C sed 's/MONOCHROME2/RGB        /; s/1\.2\.3/1.2.4/g' $dicom/series/d.dcm >"$work/beside/colours"
refuses 1 "colours: Photometric Interpretation (0028,0004) is 'RGB'" $nephron convert "$work/beside" \
    "$work/beside.nii.gz"
cmp -s "$work/series.nii.gz" "$work/beside_series1.nii.gz" && [ ! -e "$work/beside_series2.nii.gz" ]
ok "the series beside is converted" $?
refuses 1 "colours: Photometric" $nephron info "$work/beside" --json "$work/j.json"
$nephron info "$work/beside" 2>"$work/err" | grep -q "series  *1.2.3, 4 files" &&
    grep -q '"error": *"[^"]*colours: Photometric' "$work/j.json"
ok "and told" $?

# ---- label maps to DICOM -----------------------------------------------------------------------------------
# Segments are numbered by the labels' values, not by the order of dataset.json: read back, the map is equal.
# The series gets a study, which an object has to name, in the place of its manufacturer.
mkdir "$work/study"
for f in a b c.ima d.dcm; do
    LC_ALL=C sed 's/\x08\x00\x70\x00LO\x04\x00ACME/\x20\x00\x0d\x00UI\x04\x001.2\x00/' "$dicom/series/$f" \
        >"$work/study/$f"
done
$nephron convert "$work/study" "$work/like.nrrd" >"$work/out"
label_map() { # the values of its two halves, as octal digits
    printf 'NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\n'
    LC_ALL=C grep -a -e '^sizes: ' -e '^space directions: ' -e '^space origin: ' "$work/like.nrrd"
    printf 'encoding: raw\n\n'
    head -c 70 /dev/zero | tr '\0' "\\$1"
    head -c 70 /dev/zero | tr '\0' "\\$2"
}
label_map 2 1 >"$work/map.nrrd"
echo '{"labels": {"background": 0, "tumour": 2, "kidney": 1}}' >"$work/names.json"
check "labels to a segmentation" $nephron convert "$work/map.nrrd" "$work/map.dcm" --like "$work/study" \
    --labels "$work/names.json"
$nephron info "$work/map.dcm" --json "$work/j.json" | grep -q "segment  *2: tumour" &&
    grep -A 1 '"number": 1' "$work/j.json" | grep -q kidney
ok "its segments are told" $?
! grep -q segment "$work/err"
ok "labels that keep their numbers are not told" $?
holds "what is made for the series" "note: $work/study: assumed a Frame of Reference UID (0020,0052) made" \
    "$work/err"
{ cat "$work/map.nrrd"; printf x; } >"$work/longer.nrrd"
check "labels with more behind them" $nephron convert "$work/longer.nrrd" "$work/longer.dcm" --like \
    "$work/study"
holds "are told" "note: $work/longer.nrrd: assumed that what follows the last voxel is none" "$work/err"
$nephron convert "$work/map.dcm" "$work/map.nii" >"$work/out" && tail -c 140 "$work/map.nii" >"$work/back" &&
    tail -c 140 "$work/map.nrrd" | cmp -s - "$work/back"
ok "a segmentation, read back, is the label map" $?
# What is made of images with a loss has it too.
mkdir "$work/lossy"
for f in a b c.ima d.dcm; do
    LC_ALL=C sed 's/\x08\x00\x60\x00CS\x02\x00MR/\x28\x00\x10\x21CS\x02\x0001/' "$work/study/$f" \
        >"$work/lossy/$f"
done
$nephron convert "$work/map.nrrd" "$work/lossy.dcm" --like "$work/lossy" >"$work/out" 2>"$work/err"
LC_ALL=C tr -d '\000' <"$work/lossy.dcm" | LC_ALL=C grep -a -q -F "$(printf '(\020!CS\00201')" &&
    LC_ALL=C tr -d '\000' <"$work/map.dcm" | LC_ALL=C grep -a -q -F "$(printf '(\020!CS\00200')"
ok "a segmentation has the loss of its images" $?
# Dates and times of DICOM are those of the place.
before=$(TZ=HERE-14 date +%H)
TZ=HERE-14 $nephron convert "$work/map.nrrd" "$work/here.dcm" --like "$work/study" >"$work/out" 2>"$work/err"
LC_ALL=C tr -d '\000' <"$work/here.dcm" | LC_ALL=C grep -a -q -e "1TM.$before" \
    -e "1TM.$(TZ=HERE-14 date +%H)"
ok "the hour is that of the place, $before" $?
# The names of an older dataset.json, and of one with regions: what the rest of the program reads, too.
echo '{"labels": {"0": "background", "2": "tumour", "1": "kidney"}}' >"$work/v1.json"
echo '{"labels": {"background": 0, "both": [1, 2], "tumour": [2]}}' >"$work/regions.json"
for names in v1 regions; do
    check "labels of $names.json" $nephron convert "$work/map.nrrd" "$work/map.dcm" --like "$work/study" \
        --labels "$work/$names.json"
    grep -q tumour "$work/map.dcm"
    ok "$names.json names them" $?
done
grep -q 'label 1' "$work/map.dcm"
ok "a value of a region of several alone has no name" $?
printf '{"labels": {"background": 0, "Niere \\u00fc": 1, "tumour": 2}}' >"$work/other.json"
check "labels that the character set does not hold" $nephron convert "$work/map.nrrd" "$work/map.dcm" \
    --like "$work/study" --labels "$work/other.json"
holds "their other name" "note: $work/map.dcm: label 1 (Niere ü) is called 'Niere ?'" "$work/err"
! grep -q "label 2" "$work/err"
ok "only theirs" $?
echo '{"labels": {"background": 0, "one": 1, "other": 1}}' >"$work/twice.json"
refuses 1 "twice.json: labels: value 1 is there twice" $nephron convert "$work/map.nrrd" "$work/map.dcm" \
    --like "$work/study" --labels "$work/twice.json"
label_map 7 4 >"$work/map.nrrd"
check "labels with gaps" $nephron convert "$work/map.nrrd" "$work/gaps.dcm" --like "$work/study"
holds "their other numbers" "gaps.dcm: label 4 (label 4) is segment 1" "$work/err"
holds "of both" "gaps.dcm: label 7 (label 7) is segment 2" "$work/err"

# ---- what is refused ---------------------------------------------------------------------------------------
refuses 1 "must end in .safetensors or .npz" $nephron convert "$work/one.npz" "$work/x.txt"
refuses 1 "only read" $nephron convert "$work/one.npz" "$work/x.pth"
refuses 1 "no file of weights (read: .pth" $nephron convert $model/plans.json "$work/x.npz"
refuses 1 "plans.json: is missing" $nephron convert tests "$work/x"
refuses 1 "absent.pth" $nephron convert "$work/absent.pth" "$work/x.npz"
refuses 2 "nephron convert" $nephron convert one
refuses 2 "is for files" $nephron convert --prefix a $model "$work/x"
head -c 40000 $model/fold_0/checkpoint_final.pth >"$work/cut.pth"
refuses 1 "cut.pth: archive: no zip archive, or cut off" $nephron convert "$work/cut.pth" "$work/x.npz"
cp -r $model "$work/model" &&
    tr -d '\n' <$model/plans.json | sed 's/"features_per_stage": \[ *[0-9]*/"features_per_stage": [ 3/' \
        >"$work/model/plans.json"
refuses 1 "the network needs" $nephron convert "$work/model" "$work/wrong"
[ ! -e "$work/wrong" ]
ok "a refused conversion leaves no run" $?
sed -i.old 's/"features_per_stage": \[/"features_per_stage": [ 3,/' "$work/model/plans.json"
refuses 1 "features_per_stage is not a list of" $nephron convert "$work/model" "$work/wrong1"
rm "$work/model/fold_0/checkpoint_final.pth"
refuses 1 "no fold_" $nephron convert "$work/model" "$work/none"
[ ! -e "$work/x.npz" ] && [ ! -e "$work/x.txt" ]
ok "nothing is left of what failed" $?

# ---- weights of a training that diverged -------------------------------------------------------------------
printf '\100\0\0\0\0\0\0\0%-64s\0\0\300\177' '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' \
    >"$work/nan.safetensors"
$nephron convert "$work/nan.safetensors" "$work/nan.npz" 2>"$work/err" >"$work/out" &&
    grep -q "tensor w has 1 values that are NaN" "$work/err"
ok "a NaN in weights is told" $?
printf '\100\0\0\0\0\0\0\0%-64s\0\0\300\177\0\0\200\77\0\0\0\100' \
    '{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}' >"$work/some.safetensors"
$nephron convert "$work/some.safetensors" "$work/some.npz" 2>"$work/err" >"$work/out" &&
    $nephron info "$work/some.npz" | grep -q "1 to 2, mean 1.5, 1 not finite (NaN or infinite)"
ok "info of an array with a NaN" $?

# ---- options of another conversion, and what is assumed of the input ---------------------------------------
refuses 2 "--fold is for weights" $nephron convert tests/data/images/grey.png "$work/g.nii.gz" --fold 0
refuses 2 "--series is for images" $nephron convert "$work/none" "$work/g.npz" --series 1.2
refuses 2 "--as needs --like" $nephron convert tests/data/images/grey.png "$work/g.nii.gz" --as seg
$nephron convert tests/data/images/grey.png "$work/g.nii.gz" >"$work/out" 2>"$work/err"
grep -q "note: tests/data/images/grey.png: assumed .*spacing 1 mm" "$work/err"
ok "what is assumed is of the input: $(cat "$work/err")" $?

# ---- OUT is not what is read -------------------------------------------------------------------------------
cp tests/data/images/plain.mha "$work/kept.mha" && cp "$work/kept.mha" "$work/before"
refuses 2 "OUT $work/./kept.mha: would replace what is read, $work/kept.mha" $nephron convert "$work/kept.mha" \
    "$work/./kept.mha"
cp "$work/study/d.dcm" "$work/slice"
refuses 1 "d.dcm: is a file of the series, which the labels would replace" $nephron convert "$work/map.nrrd" \
    "$work/study/d.dcm" --like "$work/study"
cmp -s "$work/study/d.dcm" "$work/slice" && cmp -s "$work/kept.mha" "$work/before"
ok "they stay" $?

# ---- what a format cannot hold -----------------------------------------------------------------------------
for ending in tif nii.gz mha nrrd; do
    $nephron convert tests/data/images/plain.mha "$work/place.$ending" >"$work/out" 2>"$work/err"
    told=$?
    case $ending in
    tif) grep -q "warning: $work/place.tif: TIFF does not hold all of the geometry: read again, " "$work/err" ;;
    *) ! grep -q 'does not hold' "$work/err" ;;
    esac && [ $told -eq 0 ]
    ok "an image with a place of its own as .$ending: $(cat "$work/err")" $?
done
$nephron convert tests/data/images/colour.png "$work/colour.nii.gz" 2>/dev/null | grep -q 'voxels, 3 volumes, '
ok "colours are told as volumes" $?

# ---- sealed files ------------------------------------------------------------------------------------------
# A converted checkpoint takes the place of the one it is of; one with a flipped bit is no file of weights to
# anybody.
$nephron train $data -o "$work/sealed" --fold all --base-features 4 --patch 8,8,8 --batch 1 --epochs 1 \
    --iterations 1 \
    --no-validation --quiet --threads 1
ok "a tiny training" $?
final=$work/sealed/fold_all/checkpoint_final.safetensors
$nephron convert "$final" "$work/again.safetensors" >"$work/out" && cp -r "$work/sealed" "$work/renewed" &&
    cp "$work/again.safetensors" "$work/renewed/fold_all/checkpoint_final.safetensors"
ok "a checkpoint with a seal is converted" $?
for run in sealed renewed; do
    $nephron predict "$work/$run" -i "$work/images" -o "$work/by.$run" --no-mirror --step 1 --quiet \
        --threads 1
    ok "predict with the $run checkpoint" $?
done
same "the converted checkpoint predicts the same" "$work/by.sealed/hippocampus_001.nii.gz" \
    "$work/by.renewed/hippocampus_001.nii.gz"
size=$(wc -c <"$final")
{ head -c $((size - 1)) "$final"; tail -c 1 "$final" |
    tr '\000-\377' '\001-\377\000'; } >"$work/flipped.safetensors"
cp "$work/flipped.safetensors" "$final"
refuses 1 "is damaged" $nephron info "$work/flipped.safetensors"
refuses 1 "is damaged" $nephron convert "$work/flipped.safetensors" "$work/flipped.npz"
refuses 1 "is damaged" $nephron predict "$work/sealed" -i "$work/images" -o "$work/o9" --quiet
refuses 1 "is damaged" $nephron export "$work/sealed" "$work/o10" --quiet

# ---- files that belong together ----------------------------------------------------------------------------
# Killed before any of its renames, convert leaves the former header and voxels, the new ones, or no header:
# never one of each, which nothing would tell from an image.
for image in old new; do
    [ $image = old ] && spacing=1 voxels=abcdefgh || { spacing=2 && voxels=hgfedcba; }
    printf 'NDims = 3\nDimSize = 2 2 2\nElementSpacing = %s 1 1\nElementType = MET_UCHAR\n' $spacing \
        >"$work/$image.mha"
    printf 'ElementDataFile = LOCAL\n%s' $voxels >>"$work/$image.mha"
done
preload write $nephron info "$work/old.mha"
for form in nhdr mhd tif; do
    for image in old new; do
        $nephron convert "$work/$image.mha" "$work/$image.$form" >"$work/out" 2>"$work/err" &&
            $nephron convert "$work/$image.$form" "$work/$image.$form.nii" >"$work/out" 2>"$work/err"
        ok "$image as .$form: $(cat "$work/err")" $?
    done
    kills=0 code=137
    while [ $code -eq 137 ]; do
        $nephron convert "$work/old.mha" "$work/both.$form" >"$work/out" 2>"$work/err"
        kills=$((kills + 1))
        (FAIL_ONLY=rename FAIL_KILL=1 FAIL_AT=$kills LD_PRELOAD=$work/fail.so $nephron convert \
            "$work/new.mha" "$work/both.$form" >"$work/out" 2>"$work/err"; exit $?) 2>/dev/null
        code=$?
        rm -f "$work/both.nii"
        if [ -e "$work/both.$form" ]; then
            $nephron convert "$work/both.$form" "$work/both.nii" >"$work/out" 2>"$work/err" &&
                { cmp -s "$work/both.nii" "$work/old.$form.nii" ||
                    cmp -s "$work/both.nii" "$work/new.$form.nii"; }
            ok "one of each after kill $kills: .$form $(cat "$work/err")" $?
        fi
    done
    [ $code -eq 0 ] && [ $kills -eq 3 ]
    ok "two renames of .$form: $kills, exit $code" $?
done
finish
