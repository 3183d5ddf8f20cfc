#!/bin/sh
# check_wrapped.sh - weights as PyTorch's wrappers save them (torch.compile, DataParallel, both in either
# order), written by PyTorch (tests/golden/make_wrapped.py), are the weights of the network; a model of
# nnU-Net version 1 is told what it is.
. tests/program/lib.sh
golden=tests/data/golden
$nephron convert $golden/nnunet_model/fold_0/checkpoint_final.pth "$work/plain.safetensors" >/dev/null
$nephron predict $golden/nnunet_model -i $data/imagesTr/hippocampus_001_0000.nii.gz -o "$work/plain.nii.gz" \
    --step 1 --no-mirror -q
ok "the network without wrappers" $?
for name in compiled parallel_compiled compiled_parallel; do
    mkdir -p "$work/$name/fold_0"
    cp $golden/nnunet_model/plans.json $golden/nnunet_model/dataset.json "$work/$name"
    cp $golden/wrapped/$name.pth "$work/$name/fold_0/checkpoint_final.pth"
    check "convert $name" $nephron convert $golden/wrapped/$name.pth "$work/$name.safetensors"
    cmp -s "$work/plain.safetensors" "$work/$name.safetensors"
    ok "$name: the same weights" $?
    check "predict $name" $nephron predict "$work/$name" -i $data/imagesTr/hippocampus_001_0000.nii.gz -o \
        "$work/$name.nii.gz" --step 1 --no-mirror -q
    cmp -s "$work/plain.nii.gz" "$work/$name.nii.gz"
    ok "$name: the same label map" $?
done
# As initial weights: training for no time at all would need an epoch, so two runs of one step from either
# file end at the same hash.
$nephron convert "$work/plain.safetensors" "$work/packed.npz" >/dev/null
first=$golden/nnunet_model/fold_0/checkpoint_final.pth
for file in "$work/plain.safetensors" $golden/wrapped/compiled.safetensors "$work/packed.npz" \
    $golden/wrapped/parallel_compiled.pth $golden/wrapped/state_dict.pth $first; do
    name=$(basename "$file" | tr . _)
    check "train from $name" $nephron train $data -o "$work/run_$name" --plans \
        $golden/nnunet_model/plans.json --configuration 3d_small \
        --pretrained "$file" --epochs 1 --iterations 1 --no-validation --validation-batches 0 -q
    [ "$(last_hash "$work/run_$name/fold_0/progress.csv")" = \
        "$(last_hash "$work/run_plain_safetensors/fold_0/progress.csv")" ]
    ok "training from $name gives the same weights" $?
done
# Of other labels: the last layers stay drawn, which is told, and everything else is taken.
mkdir "$work/more"
cp -r $data/imagesTr $data/labelsTr "$work/more"
sed 's/"labels": *{/&"third": 3, /' $data/dataset.json >"$work/more/dataset.json"
check "train for other labels" $nephron train "$work/more" -o "$work/run_more" --plans \
    $golden/nnunet_model/plans.json --configuration 3d_small \
    --pretrained $first --epochs 1 --iterations 1 --no-validation --validation-batches 0 -q
holds "which is told" "tensors of the last layers are of another number of classes" "$work/err"
says "with other features" "the network needs" $nephron train $data -o "$work/wide" --base-features 48 \
    --patch 16,16,16 --pretrained $first -q

old="is a model of nnU-Net version 1"
for path in $golden/nnunet_v1 $golden/nnunet_v1/fold_0; do
    refuses 1 "$old" $nephron predict $path -i $data/imagesTr -o "$work/old"
    refuses 1 "$old" $nephron info $path
    refuses 1 "$old" $nephron convert $path "$work/old.safetensors"
    refuses 1 "$old" $nephron convert $path "$work/old.onnx"
done
for path in plans.pkl fold_0/model_final_checkpoint.model fold_0/model_final_checkpoint.model.pkl; do
    refuses 1 "$old" $nephron info $golden/nnunet_v1/$path
    refuses 1 "$old" $nephron convert $golden/nnunet_v1/$path "$work/old.safetensors"
done
finish
