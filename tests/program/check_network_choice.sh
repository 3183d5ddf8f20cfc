#!/bin/sh
# check_network_choice.sh - --network and --norm from outside: each network and norm is planned, trained,
# resumed, federated, predicted with, and written as ONNX and as C for a device, whose logits are the
# program's; what does not fit together is refused by name.
. tests/program/lib.sh
quick="--base-features 8 --patch 16,16,16 --batch 2 --epochs 2 --iterations 2 --augment 0 \
    --validation-batches 1 --pictures 0 --no-validation --quiet"
CC=${CC:-cc}

cases="$work/data" # six of the hippocampi; in check-all all
some_cases "$cases" "${CHECK_ALL:-NR < 8}"
count=$(sed 1d "$cases/sites.csv" | wc -l)

native() { # run folder: exported, compiled, run on the sample
    $nephron export "$1" "$1/device" --weights blob --quiet || return 1
    [ -e "$work/kernels.o" ] ||
        $CC -std=c11 -O1 -ffp-contract=off -c "$1/device/device_kernels.c" -o "$work/kernels.o" || return 1
    $CC -std=c11 -O1 -ffp-contract=off "$1/device/network.c" "$1/device/main.c" "$1"/device/weights.S \
        "$work/kernels.o" -o "$work/native" \
        -Wa,-I"$1/device" || return 1
    "$work/native" logits <"$1/device/sample.input" | cmp -s - "$1/device/sample.logits" || return 1
    "$work/native" <"$1/device/sample.input" | cmp -s - "$1/device/sample.result"
}

whole() { # network, norm, class and norm of plans.json
    run="$work/$1_$2"
    check "$1 with $2 norm is trained" $nephron train "$cases" -o "$run" --network $1 --norm $2 $quick
    holds "$1" "\"network_class_name\": \"$3\"" "$run/plans.json"
    holds "$1" "\"norm_op\": \"$4" "$run/plans.json"
    check "$1 with $2 norm predicts" $nephron predict "$run" -i "$cases/imagesTr" -o "$run/maps" --no-mirror \
        --step 1 --quiet
    [ "$(ls "$run/maps" | grep -c nii.gz)" -eq "$count" ]
    ok "$1 with $2 norm: a label map a case" $?
    check "$1 with $2 norm as ONNX" $nephron convert "$run" "$run/model.onnx"
    native "$run"
    ok "$1 with $2 norm on a device: the logits and labels are the program's" $?
    check "$1 with $2 norm goes on" $nephron train --resume "$run" --epochs 3 --quiet
}
whole segresnet group monai.networks.nets.segresnet.SegResNet torch.nn.modules.normalization.GroupNorm
whole unet batch dynamic_network_architectures.architectures.unet.PlainConvUNet \
    torch.nn.modules.batchnorm.BatchNorm3d
if [ -n "$CHECK_ALL" ]; then
    whole unet group dynamic_network_architectures.architectures.unet.PlainConvUNet \
        torch.nn.modules.normalization.GroupNorm
    whole resenc group dynamic_network_architectures.architectures.unet.ResidualEncoderUNet \
        torch.nn.modules.normalization.GroupNorm
    whole segresnet instance monai.networks.nets.segresnet.SegResNet \
        torch.nn.modules.instancenorm.InstanceNorm3d
fi

# A network that was trained without mirrors is validated without: --no-mirror changes nothing.
for mirrors in "" --no-mirror; do
    check "training without augmentation $mirrors" $nephron train "$cases" -o "$work/plain$mirrors" \
        --base-features 8 --patch 16,16,16 --batch 2 --epochs 1 --iterations 2 --augment 0 --step 1 \
        --validation-batches 0 --pictures 0 --quiet $mirrors
done
for map in "$work"/plain/fold_0/validation/*.nii.gz; do
    cmp -s "$map" "$work/plain--no-mirror/fold_0/validation/${map##*/}"
    ok "validation without mirrors of ${map##*/}" $?
done

# Defaults: the network's own norm, and --network alone.
check "segresnet without --norm" $nephron train "$cases" -o "$work/own" --network segresnet $quick
cmp -s "$work/own/plans.json" "$work/segresnet_group/plans.json" &&
    [ "$(sed -n '3s/.*,//p' "$work/own/fold_0/progress.csv")" = \
    "$(sed -n '3s/.*,//p' "$work/segresnet_group/fold_0/progress.csv")" ]
ok "segresnet has group norm of itself" $?
check "a plan of segresnet in two dimensions too" $nephron plan "$cases" --network segresnet -o \
    "$work/plans.json" --quiet
grep -q '"num_groups": 8' "$work/plans.json" && grep -q GroupNorm "$work/plans.json" &&
    grep -q '"n_blocks_per_stage_decoder"' "$work/plans.json"
ok "the plan tells groups and blocks" $?
check "that plan is trained" $nephron train "$cases" -o "$work/flat" --plans "$work/plans.json" \
    --configuration 2d --batch 2 --epochs 1 --iterations 1 \
    --augment 0 --validation-batches 0 --no-validation --quiet
check "slices for a device" $nephron export "$work/flat" "$work/flat/device" --weights blob --quiet
holds "slices keep their spacing" "Spacing of the voxels (d, h, w): its own, " "$work/flat/device/network.h"
check "slices as ONNX" $nephron convert "$work/flat" "$work/flat/model.onnx"
grep -aqF '[null' "$work/flat/model.onnx"
ok "slices keep their spacing in ONNX" $?

# A federation; FedBN keeps what belongs to a norm at its site.
check "segresnet federated with fedbn" $nephron federate "$cases" -o "$work/fed" --network segresnet --sites \
    2 --strategy fedbn --rounds 2 --local-iterations 1 \
    --base-features 8 --patch 16,16,16 --batch 2 --augment 0 --validation-batches 0 --no-validation --fold \
    all --quiet
[ -n "$(last_hash "$work/fed/fold_all/rounds.csv")" ] ||
    [ -n "$(last_hash "$work/fed/fold_all/progress.csv")" ]
ok "a hash for each round" $?

# A classifier.
check "resnet with group norm" $nephron train tests/data/adrenalmnist3d/adrenalmnist3d.npz -o "$work/resnet" \
    --network resnet --norm group --depth 10 --base 4 --batch 4 --crop 12,12,12 \
    --epochs 1 --iterations 2 --augment 0 --no-validation --quiet
holds "resnet" '"norm": "group"' "$work/resnet/manifest.json"
native "$work/resnet"
ok "resnet with group norm on a device" $?

# What does not fit together.
refuses 2 "must be one of unet|resenc|segresnet|resnet" $nephron train "$cases" -o "$work/x" --network vnet
refuses 2 "must be one of instance|batch|group" $nephron train "$cases" -o "$work/x" --norm layer
refuses 2 "--preset resenc_l plans network resenc, not unet" $nephron train "$cases" -o "$work/x" --network \
    unet --preset resenc_l
refuses 2 "--preset default plans network unet, not segresnet" $nephron plan "$cases" --network segresnet \
    --preset default
refuses 2 "network resnet is not for --task segment" $nephron train "$cases" -o "$work/x" --network resnet \
    --task segment
refuses 1 "network unet: .*plans.json is of segresnet" $nephron train "$cases" -o "$work/own" --network unet \
    --fold 1 $quick
refuses 1 "norm batch: .*plans.json has group" $nephron train "$cases" -o "$work/x" --plans \
    "$work/plans.json" --norm batch $quick
sed 's/"num_groups": 8/"num_groups": 7/' "$work/plans.json" >"$work/bad.json"
refuses 1 "bad.json: .*num_groups 7 does not divide features_per_stage\[0\] 32" $nephron train "$cases" -o \
    "$work/x" --plans "$work/bad.json"
sed 's/SegResNet"/VNet"/' "$work/plans.json" >"$work/bad.json"
refuses 1 "bad.json: .*network_class_name: network '.*VNet' is not supported" $nephron train "$cases" -o \
    "$work/x" --plans "$work/bad.json"
sed 's/normalization.GroupNorm/normalization.LayerNorm/' "$work/plans.json" >"$work/bad.json"
refuses 1 "bad.json: .*norm_op '.*LayerNorm' is not supported" $nephron train "$cases" -o "$work/x" --plans \
    "$work/bad.json"
sed 's/"norm": "group"/"norm": "layer"/' "$work/resnet/manifest.json" >"$work/manifest.json" &&
    cp "$work/manifest.json" "$work/resnet/manifest.json"
refuses 1 "manifest.json: training.resnet.norm is 'layer'" $nephron predict "$work/resnet" -i \
    "$cases/imagesTr" -o "$work/x"
finish
