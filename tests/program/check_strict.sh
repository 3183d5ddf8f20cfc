#!/bin/sh
# check_strict.sh - images that do not lie on one grid: nnU-Net's decision in every command that reads two of
# them. Another origin or direction is a warning, which --strict makes an error; another spacing or size is an
# error.
. tests/program/lib.sh
enter_work
warns() { # description, how many warnings, text of one, then a command that must succeed
    what=$1 count=$2 text=$3
    shift 3
    check "$what" "$@"
    [ "$(grep -c 'nephron: warning:' err)" -eq "$count" ] && { [ "$count" -eq 0 ] ||
        grep -qF -e "$text" err; }
    ok "$what: want $count warnings with '$text', got: $(cat err)" $?
}
# MetaImage keeps its place in a line of text: field, value, file.
change() { LC_ALL=C sed -i "s/^$1 = .*/$1 = $2/" "$3"; }

mkdir -p two/imagesTr two/labelsTr
for f in $(ls "$data"/labelsTr | head -5); do
    id=${f%.nii.gz}
    "$nephron" convert "$data/labelsTr/$f" "two/labelsTr/$id.mha" >out 2>&1
    "$nephron" convert "$data/imagesTr/${id}_0000.nii.gz" "two/imagesTr/${id}_0000.mha" >out 2>&1
    cp "two/imagesTr/${id}_0000.mha" "two/imagesTr/${id}_0001.mha"
done
first=$(ls two/labelsTr | head -1)
id=${first%.mha}
second=$(ls two/labelsTr | sed -n 2p)
warns "init of one grid" 0 "" "$nephron" init two --channels T1,T2 --labels anterior,posterior
warns "plan of one grid" 0 "" "$nephron" plan two --strict
set -- --iterations 1 --epochs 1 --base-features 2 --batch 2 --patch 24,24,24 --no-mirror --step 1 \
    --validation-batches 0 --pictures 0 -q --threads 2
warns "train on one grid" 0 "" "$nephron" train two -o run --strict "$@"

# Another origin of a label map and of a channel: two warnings, each once though files are read several times.
change Offset "-1.0 -1.0 3.5" "two/labelsTr/$first"
change TransformMatrix "-1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0" "two/imagesTr/${second%.mha}_0001.mha"
warns "init warns" 2 "labelsTr/$first: another origin than" "$nephron" init two --overwrite --channels T1,T2 \
    --labels a,b
warns "plan warns" 2 "_0001.mha: another direction of axis y than" "$nephron" plan two
warns "train warns" 2 "voxels count as they lie" "$nephron" train two -o run --overwrite "$@"
warns "federate warns" 2 "another origin than" "$nephron" federate two -o run_fl --sites 2 --rounds 1 \
    --local-iterations 1 --base-features 2 \
    --batch 2 --patch 24,24,24 --no-mirror --step 1 --validation-batches 0 --pictures 0 -q
warns "a site's fingerprint warns" 2 "another origin than" "$nephron" federate two --as fingerprint A -o fed \
    -q
says "init --strict" "$first: another origin" "$nephron" init two --overwrite --strict
says "plan --strict" "$first: another origin" "$nephron" plan two --strict
says "train --strict" "another" "$nephron" train two -o run_strict --strict "$@"
says "federate --strict" "another" "$nephron" federate two -o run_strict --sites 2 --strict --rounds 1 -q
says "a site's fingerprint --strict" "another" "$nephron" federate two --as fingerprint A -o fed_strict \
    --strict
for left in run_strict fed_strict/fingerprint/A.json; do
    [ ! -e "$left" ]
    ok "--strict leaves $left" $?
done
"$nephron" info two >out 2>err
[ "$(grep -c '^  warning ' out)" -eq 2 ]
ok "info tells the warnings: $(cat out err)" $?

# Predictions of two channels, one of them elsewhere; and against label maps elsewhere.
warns "predict warns" 1 "another direction" "$nephron" predict run -i two/imagesTr -o out_maps --no-mirror \
    --step 1 -q
says "predict --strict" "another direction" "$nephron" predict run -i two/imagesTr -o out_strict --no-mirror \
    --step 1 -q --strict
warns "evaluate warns" 1 "out_maps/$first: another origin than two/labelsTr/$first" "$nephron" evaluate \
    two/labelsTr out_maps
says "evaluate --strict" "another origin" "$nephron" evaluate two/labelsTr out_maps --strict
warns "postprocess does not care" 0 "" "$nephron" postprocess run

# Another spacing is an error in all of them, and another size.
cp -r two wide
change ElementSpacing "1.0 1.0 1.0001" "wide/labelsTr/$first"
says "init, spacing" "$first: differs from" "$nephron" init wide --overwrite
says "plan, spacing" "spacing[2] is 1.0001 mm, not 1" "$nephron" plan wide
says "train, spacing" "spacing[2] is 1.0001 mm, not 1" "$nephron" train wide -o run_wide "$@"
says "evaluate, spacing" "spacing[2] is 1 mm, not 1.0001" "$nephron" evaluate wide/labelsTr out_maps
change ElementSpacing "1.0 1.0 2.0" "wide/imagesTr/${id}_0001.mha"
says "predict, spacing" "${id}_0001.mha: differs from" "$nephron" predict run -i wide/imagesTr -o out_wide \
    --no-mirror --step 1 -q
cp "two/imagesTr/${id}_0001.mha" wide/imagesTr/
cp "two/labelsTr/$second" "wide/labelsTr/$first"
says "plan, size" "size is" "$nephron" plan wide
says "evaluate, size" "size is" "$nephron" evaluate wide/labelsTr out_maps
# Nearer than nnU-Net sees: nothing is said.
cp -r two near
change Offset "-1.0 -1.0 1.000000001" "near/labelsTr/$first"
change TransformMatrix "-1.0 0.0 0.0 0.0 -1.0 0.0 0.0 0.000000001 1.0" "near/imagesTr/${second%.mha}_0001.mha"
warns "nearer than the tolerance" 0 "" "$nephron" plan near --strict
finish
