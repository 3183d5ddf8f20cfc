#!/bin/sh
# check_wrapped.sh - weights as PyTorch's wrappers save them (torch.compile, DataParallel, both in either
# order), written by PyTorch (tests/golden/make_wrapped.py), are the weights of the network; so are those of a
# trainer that builds another network than plans.json says (tests/golden/make_trainers.py); a model of nnU-Net
# version 1 is told what it is.
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
    $golden/wrapped/parallel_compiled.pth $first; do
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

# nnUNetTrainerBN: batch norm in the place of the plan's instance norm. What the network computes is compared
# with nnU-Net's own in check_nnunet; here every way to it gives the same.
batch=$work/nnUNetTrainerBN__nnUNetPlans__3d_small
mkdir -p "$batch/fold_0"
cp $golden/nnunet_model/plans.json $golden/nnunet_model/dataset.json "$batch"
cp $golden/trainers/nnUNetTrainerBN.pth "$batch/fold_0/checkpoint_final.pth"
image=$data/imagesTr/hippocampus_001_0000.nii.gz
check "predict with batch norm" $nephron predict "$batch" -i $image -o "$work/bn.nii.gz" --step 1 \
    --no-mirror -q
check "info of its folder" $nephron info "$batch"
holds "the norm is told" "norm          batch" "$work/out"
check "convert it" $nephron convert "$batch" "$work/bn_run"
holds "the run knows the norm" '"norm": "batch"' "$work/bn_run/manifest.json"
check "predict with the run" $nephron predict "$work/bn_run" -i $image -o "$work/bn2.nii.gz" --step 1 \
    --no-mirror -q
cmp -s "$work/bn.nii.gz" "$work/bn2.nii.gz"
ok "batch norm: the same label map" $?
cmp -s "$work/bn.nii.gz" "$work/plain.nii.gz"
[ $? -eq 1 ]
ok "which is another than that of instance norm" $?
check "export it" $nephron export "$work/bn_run" "$work/bn_c"
for from in "$batch" "$work/bn_run"; do
    check "ONNX of it" $nephron convert "$from" "$work/bn.onnx"
    grep -q BatchNormalization "$work/bn.onnx"
    ok "with batch norm: $from" $?
done
refuses 1 "tensor .* is " $nephron train $data -o "$work/bn_other" --plans $golden/nnunet_model/plans.json \
    --configuration 3d_small --pretrained $golden/trainers/nnUNetTrainerBN.pth -q

# Models by the dataset's number: of several of a configuration that of nnU-Net's own trainer and plans, as
# nnUNetv2_predict takes it where nothing else is said; any by its name.
mkdir -p "$work/results/Dataset004_Hippocampus"
export nnUNet_results="$work/results"
mv "$batch" "$work/results/Dataset004_Hippocampus"
cp -r $golden/nnunet_model "$work/results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_small"
check "a configuration of two trainers" $nephron predict 4/3d_small -i $image -o "$work/usual.nii.gz" --step 1 \
    --no-mirror -q
cmp -s "$work/usual.nii.gz" "$work/plain.nii.gz"
ok "is nnUNetTrainer's" $?
check "another trainer by its name" $nephron predict 4/nnUNetTrainerBN__nnUNetPlans__3d_small -i $image -o \
    "$work/named.nii.gz" --step 1 --no-mirror -q
cmp -s "$work/named.nii.gz" "$work/bn.nii.gz"
ok "is that one's" $?
refuses 1 "name the one, as 4/nnUNetTrainer__nnUNetPlans__3d_small" $nephron predict 4 -i $image -o "$work/none"
mv "$work/results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_small" \
    "$work/results/Dataset004_Hippocampus/nnUNetTrainer_5epochs__nnUNetPlans__3d_small"
refuses 1 "name the one, as 4/nnUNetTrainer_5epochs__nnUNetPlans__3d_small" $nephron predict 4/3d_small -i \
    $image -o "$work/none"

# postprocessing.pkl, as nnU-Net's commands pass it on, does what the .json beside it does.
cat >"$work/pp.json" <<EOF
{"postprocessing_fns": ["remove_all_but_largest_component_from_segmentation",
  "remove_all_but_largest_component_from_segmentation", "remove_all_but_largest_component_from_segmentation"],
 "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 2},
  {"labels_or_regions": [1, 2]}]}
EOF
for kind in json pkl; do
    file=$work/pp.json
    [ $kind = pkl ] && file=$golden/trainers/postprocessing.pkl
    check "postprocessing.$kind" $nephron predict $golden/nnunet_model -i $image -o "$work/pp_$kind.nii.gz" \
        --step 1 --no-mirror --postprocessing $file -q
done
cmp -s "$work/pp_json.nii.gz" "$work/pp_pkl.nii.gz"
ok "the .pkl does what the .json does" $?
cmp -s "$work/pp_json.nii.gz" "$work/plain.nii.gz"
[ $? -eq 1 ]
ok "which is something" $?
cp $golden/nnunet_v1/plans.pkl "$work/other.pkl"
refuses 1 "other.pkl: is no postprocessing.pkl of nnU-Net" $nephron predict $golden/nnunet_model -i $image -o \
    "$work/none" --postprocessing "$work/other.pkl"

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
