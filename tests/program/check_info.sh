#!/bin/sh
# check_info.sh - nephron info of what nephron itself writes: each file and folder is told by name, with its
# JSON;
# what is none of them is refused in words.
. tests/program/lib.sh
model=tests/data/golden/nnunet_model

told() { # what the first line says, file
    $nephron info "$2" --json "$work/j.json" >"$work/out" 2>"$work/err" &&
        head -n 1 "$work/out" | grep -qF -- "$1" &&
        grep -q '"kind"' "$work/j.json" && ! grep -q '"error"' "$work/j.json"
    ok "info of $2: want '$1': $(head -n 1 "$work/out") $(cat "$work/err")" $?
}

# ---- a run and what is made of it --------------------------------------------------------------------------
$nephron train $data -o "$work/run" --fold 0 --base-features 4 --patch 8,8,8 --batch 1 --epochs 1 --iterations 1 \
    --validation-batches 1 --threads 1 --no-validation --quiet
mkdir "$work/images"
cp $data/imagesTr/hippocampus_001_0000.nii.gz "$work/images/"
$nephron predict "$work/run" -i "$work/images" -o "$work/maps" --step 1 --no-mirror --threads 1 --quiet
$nephron convert "$work/run" "$work/net.onnx" >/dev/null
$nephron export "$work/run" "$work/c" >/dev/null
$nephron plan $data -o "$work/plans.json" >/dev/null
$nephron evaluate $data/labelsTr/hippocampus_001.nii.gz "$work/maps/hippocampus_001.nii.gz" \
    --dataset $data/dataset.json -o "$work/summary.json" --quiet
told "manifest of a run" "$work/run"
# In one table, whose second column begins at one place.
places=$(sed 1d "$work/out" | sed 's/^\(  [a-z_0-9]*  *\).*/\1/' | awk '{ print length($0) }' | sort -u)
[ "$(echo "$places" | wc -l)" -eq 1 ] &&
    grep -q "^  checkpoint  *fold_0/checkpoint_final.safetensors" "$work/out"
ok "the rows of a run are one table, not at $places" $?
told "manifest of a run" "$work/run/manifest.json"
told "plans, JSON" "$work/run/plans.json"
told "plans, JSON" "$work/plans.json"
told "description of a dataset" "$work/run/dataset.json"
told "splits of a cross-validation" "$work/run/splits_final.json"
told "table of 1 rows" "$work/run/fold_0/progress.csv"
told "SVG picture" "$work/run/fold_0/progress.svg"
told "checkpoint, safetensors" "$work/run/fold_0/checkpoint_final.safetensors"
told "record of a prediction" "$work/maps"
told "record of a prediction" "$work/maps/prediction.json"
told "NIfTI" "$work/maps/hippocampus_001.nii.gz"
told "summary of an evaluation" "$work/summary.json"
told "network in ONNX, opset 13" "$work/net.onnx"
holds "the input of the network" "  input         image" "$work/out"
holds "the output of the network" "  output        logits" "$work/out"
onnx=$(sed -n 's/^  parameters *//p' "$work/out")
$nephron info "$work/run/fold_0/checkpoint_final.safetensors" >"$work/out"
[ "$onnx" -gt 1000 ] && [ "$onnx" -le "$(sed -n 's/^  parameters *//p' "$work/out")" ]
ok "parameters of the ONNX file: $onnx, $(grep parameters "$work/out") of the checkpoint" $?
for source in "$work"/c/*.c; do told "C source" "$source"; done
for source in "$work"/c/*.h; do told "C header" "$source"; done

# ---- a federation ------------------------------------------------------------------------------------------
$nephron federate $data --as fingerprint A -o "$work/fed" >/dev/null
told "fingerprint of a dataset" "$work/fed/fingerprint/A.json"
$nephron federate --as init -o "$work/fed" --sites A --base-features 4 --patch 8,8,8 --batch 1 --rounds 1 \
    --local-iterations 1 --threads 1 >/dev/null
told "federation of 1 sites" "$work/fed"
told "task of round 0" "$work/fed/round_0000/global.safetensors"
$nephron federate $data --as site A -o "$work/fed" --state "$work/state" --threads 1 >/dev/null
told "update of round 0" "$work/fed/round_0000/A.safetensors"

# ---- what is none of them ----------------------------------------------------------------------------------
# ONNX's own operators under their other name, and none of them.
printf '\102\013\012\007ai.onnx\020\021\072\002\012\000' >"$work/own.onnx"
told "network in ONNX, opset 17, 1 nodes" "$work/own.onnx"
printf '\102\016\012\012ai.onnx.ml\020\003\072\002\012\000' >"$work/other.onnx"
told "network in ONNX, 1 nodes" "$work/other.onnx"
head -c 2000 "$work/net.onnx" >"$work/cut.onnx"
refuses 1 "is no ONNX model, or is cut off" $nephron info "$work/cut.onnx"
printf 'no picture\n' >"$work/no.svg"
refuses 1 "is no SVG picture" $nephron info "$work/no.svg"
refuses 1 "neither an image nor anything else that is known here" $nephron info "$work/c/sample.input"
refuses 1 "nor results" $nephron info "$work/images"
some_cases "$work/few" 'NR <= 3'
sed -i 's/"numTraining": *[0-9]*/"numTraining": 9/' "$work/few/dataset.json"
refuses 1 "few: 1 problem" $nephron info "$work/few" --json "$work/j.json"
sed -n '/"problems"/,/]/p' "$work/j.json" | grep -q "numTraining is 9"
ok "every problem of a dataset is in the JSON: $(grep -A 2 '"problems"' "$work/j.json")" $?
for path in "$work/few" "$work/j.json"; do
    refuses 1 "--series is of a folder of DICOM images" $nephron info "$path" --series 9
done
finish
