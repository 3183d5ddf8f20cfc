#!/bin/sh
# check_plan.sh - `nephron plan --layers` and `--json` from outside: a line for each convolution, whose
# products are those of the step, and the algorithms of the level that is in use. Last line: a count.
. tests/program/lib.sh

only="--configuration 3d_fullres --patch 16,16,16 --base-features 16 --batch 2"
$nephron plan $data $only --quiet -o "$work/plans.json" --write-fingerprint "$work/fingerprint.json"
ok "plan" $?
plan="$nephron plan --fingerprint $work/fingerprint.json --dataset $data/dataset.json $only"

# ---- fp32 --------------------------------------------------------------------------------------------------
$plan --layers --threads 2 --json "$work/layers.json" >"$work/out"
ok "plan --layers --json" $?
grep -q 'in fp32, at this machine.s level [a-z0-9]* with 2 threads' "$work/out"
ok "the level and the threads are named" $?
rows=$(grep -cE '^  (encoder|decoder)\..*%$' "$work/out")
[ "$rows" -ge 10 ] && [ "$(grep -c '"gflop"' "$work/layers.json")" -eq "$rows" ]
ok "$rows lines, and as many in the JSON" $?
awk '/^  (encoder|decoder)\..*%$/ { sum += $(NF - 2) } /GFLOP$/ && /momentum|gradients/ { step = $(NF - 1) }
     END { exit !(sum > 0 && step > 0 && 3 * sum > 0.97 * step && 3 * sum < 1.03 * step) }' "$work/out"
ok "three times the products of all lines are those of the step" $?
grep -E '^  encoder.stages.0.0.convs.0.conv ' "$work/out" | grep -q ' direct  *-  *direct '
ok "the image has no gradient" $?
grep -E '^  encoder.stages.0.0.convs.1.conv ' "$work/out" | grep -q ' winograd  *winograd '
ok "16 channels in and out take Winograd's form" $?
grep -q '"backward_data": null' "$work/layers.json" &&
    grep -q '"algorithm": "winograd"' "$work/layers.json" && grep -q '"share_of_step"' "$work/layers.json"
ok "the JSON has the algorithms" $?
bytes=$(sed -n 's/.* is of the step.s \([0-9]*\) bytes.*/\1/p' "$work/out")
[ -n "$bytes" ] && grep -q "\"step_bytes\": $bytes" "$work/layers.json"
ok "both tell the same bytes of a step" $?

# ---- other levels and precisions ---------------------------------------------------------------------------
NEPHRON_ISA=scalar $plan --layers --threads 2 >"$work/scalar"
grep -q 'level scalar with 2' "$work/scalar" &&
    [ "$(grep -E '^  (en|de)coder' "$work/scalar")" = "$(grep -E '^  (en|de)coder' "$work/out")" ]
ok "fp32 takes the same algorithms at every level" $?
NEPHRON_ISA=scalar $plan --layers --precision bf16 --threads 1 >"$work/half"
grep -q 'in bf16, .*level scalar with 1 thread ' "$work/half" &&
    ! grep -qE 'winograd_int16|tiles' "$work/half"
ok "no bf16 arithmetic at the level scalar" $?
$plan --layers --precision bf16 --threads 1 --quiet --json "$work/half.json" >"$work/silent"
[ ! -s "$work/silent" ] && grep -q '"precision": "bf16"' "$work/half.json"
ok "--quiet writes the JSON alone" $?

# ---- without layers, and what is refused -------------------------------------------------------------------
$plan --json "$work/plan.json" >"$work/out" && ! grep -q convolutions "$work/plan.json" &&
    grep -q '"train_bytes"' "$work/plan.json" && ! grep -q 'at this machine' "$work/out"
ok "--json without --layers" $?
$plan --json "$work/none/plan.json" --quiet 2>"$work/err"
[ $? -eq 1 ] && grep -q "none/plan.json" "$work/err"
ok "a folder that is not there is named" $?
$plan --precision fp8 2>"$work/err"
[ $? -eq 2 ] && grep -q "must be one of" "$work/err"
ok "an unknown precision" $?

# ---- a target spacing that is given ------------------------------------------------------------------------
# What nnU-Net 2.8.1 plans of this fingerprint with overwrite_target_spacing [1, 1.5, 1.25]: the axis of the
# coarsest one comes first.
echo '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 3,
    "file_ending": ".nii.gz"}' >"$work/dataset.json"
echo '{"spacings": [[0.8, 0.8, 3.0], [0.7, 0.7, 5.0], [0.9, 0.9, 2.5]],
    "shapes_after_crop": [[200, 180, 60], [190, 210, 48], [220, 200, 70]],
    "median_relative_size_after_cropping": 1.0, "foreground_intensity_properties_per_channel": {"0": {
    "max": 300.0, "mean": 90.0, "median": 80.0, "min": 1.0, "percentile_00_5": 10.0,
    "percentile_99_5": 200.0, "std": 40.0}}}' >"$work/given.json"
given="$nephron plan --fingerprint $work/given.json --dataset $work/dataset.json --quiet"
check "plan --spacing" $given --spacing 1,1.5,1.25 -o "$work/spaced.json"
tr -d ' \n' <"$work/spaced.json" >"$work/spaced"
for text in '"transpose_forward":\[1,0,2\]' '"batch_size":13,"patch_size":\[160,160\]' \
    '"batch_size":2,"patch_size":\[96,160,160\]' '"spacing":\[1.5,1.0,1.25\]' \
    '"strides":\[\[1,1,1\],\[2,2,2\],\[2,2,2\],\[2,2,2\],\[2,2,2\],\[1,2,2\]\]'; do
    grep -q "$text" "$work/spaced"
    ok "nnU-Net's $text" $?
done
for text in 1,2 1,2,3,4 1,2,0 1,2,x 1,,2; do
    refuses 2 "must be three numbers" $given --spacing "$text"
done

# ---- threads -----------------------------------------------------------------------------------------------
# The fingerprint takes those that are asked for, and is the same by one where no other can be started.
some_cases "$work/few" 'NR <= 4'
count="$nephron plan $work/few $only --quiet --threads 7 --write-fingerprint $work/counted.json"
preload thread $count
[ "$(cat "$work/count")" -eq 6 ]
ok "plan --threads 7 starts $(cat "$work/count") more" $?
FAIL_AT=1 LD_PRELOAD=$work/fail.so $count 2>"$work/err" && mv "$work/counted.json" "$work/alone.json" && $count
ok "plan where no thread can be started: $(cat "$work/err")" $?
same "the fingerprint of a thread" "$work/counted.json" "$work/alone.json"

finish
