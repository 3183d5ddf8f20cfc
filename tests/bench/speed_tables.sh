#!/bin/sh
# speed_tables.sh [PYTHON] - prints the tables of docs/speed.md in about ten minutes of two free cores:
# steps and forward passes beside PyTorch (told to keep large blocks) and ONNX Runtime, in turn, two threads;
# where a step goes; and what many cores would make of it. Run from the project's folder after `make`;
# PYTHON has torch, onnx, onnxscript and onnxruntime. PRECISIONS="fp32,bf16" for both (twice the time; bf16
# pays where the processor multiplies it); RIVALS="torch,onnxruntime,openvino" with OpenVINO. STEPS, LARGE and
# INFERENCE name other cases, SECONDS_EACH and ROUNDS measure each for longer or shorter. DATASET=FOLDER, in
# nnU-Net's raw format, adds what data cost beside nnU-Net's, and the start of the program (PYTHON has
# nnunetv2 too, and there is gdb). ALL=1: every table of the page, both precisions, all rivals (PYTHON has
# openvino) and cases (FLAT, the anisotropic plan, in fp32), in half an hour.
set -e
if [ "$ALL" ]; then
    PRECISIONS=${PRECISIONS:-fp32,bf16}
    RIVALS=${RIVALS:-torch,onnxruntime,openvino}
    INFERENCE=${INFERENCE:-infer_unet5_128,infer_resnet18_28_b32}
    FLAT=${FLAT:-unet7_20x256x224_b2}
    DATASET=${DATASET:-tests/data/hippocampus}
fi
python=${1:-python3}
precisions=${PRECISIONS:-fp32}
seconds=${SECONDS_EACH:-6}
compare="$python tests/bench/compare.py"
folder=$(mktemp -d "${TMPDIR:-/tmp}/nephron_speed_XXXXXX")
trap 'rm -rf "$folder"' EXIT

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
echo "commit $(git rev-parse --short HEAD), $processor, load $(cut -d' ' -f1 /proc/loadavg)"
$compare steps --cases "${STEPS:-unet_hippo_b2,unet5_64}" --forms "kept blocks" \
    --precisions "$precisions" --rounds "${ROUNDS:-2}" --seconds "$seconds"
$compare steps --cases "${LARGE:-resnet18_28}" --forms "kept blocks" --precisions "$precisions" --rounds 1 \
    --seconds "$seconds"
[ -z "$FLAT" ] || $compare steps --cases "$FLAT" --forms "kept blocks" --precisions fp32 --rounds 1 \
    --seconds "$seconds"
$compare inference --cases "${INFERENCE:-infer_unet5_128}" --rivals "${RIVALS:-torch,onnxruntime}" \
    --forms "kept blocks" --precisions "$precisions" --rounds 1 --seconds "$seconds"
parts=
for precision in $(echo "$precisions" | tr , ' '); do
    parts="$parts $folder/$precision.csv"
    ./nephron bench scaling --threads-list 2 --precision "$precision" --csv "$folder/$precision.csv"
done
# shellcheck disable=SC2086
$python tests/bench/step_parts.py $parts
./nephron bench scaling --threads-list 1,2,4,8,16,32,64,128
if [ "$DATASET" ]; then
    cc -O2 -I. -D_GNU_SOURCE -o "$folder/data_speed" tests/bench/data_speed.c libnephron.a -lm -pthread
    $python tests/bench/data_compare.py "$DATASET" --program "$folder/data_speed" --rounds "${ROUNDS:-2}"
    sh tests/bench/first_step.sh "${ROUNDS:-2}" "$DATASET" ./nephron
fi
