#!/bin/sh
# check_names.sh - names that would colour a terminal or be run by a spreadsheet: of folders, cases, labels,
# channels, sites, commands and options. No command prints or writes an escape code; what a table would run
# gets an apostrophe.
. tests/program/lib.sh
esc=$(printf '\033')

clean() { # exit code, what the output shows, command...
    want=$1
    text=$2
    shift 2
    "$@" >"$work/out" 2>&1 </dev/null
    code=$?
    [ $code -eq "$want" ] && ! grep -q "$esc" "$work/out" && grep -qF -- "$text" "$work/out"
    ok "exit $code (want $want), an escape code, or no '$text': $(head -n 2 "$work/out" | tr "$esc" '^'): $(echo "$*" | tr "$esc" '^')" $?
}

red="${esc}[31m"
shown='\x1b[31m'
evil="$work/data$red"
mkdir -p "$evil/imagesTr" "$evil/labelsTr" "$work/images$red"
for case in hippocampus_001 hippocampus_003; do
    cp $data/imagesTr/${case}_0000.nii.gz "$evil/imagesTr/"
    cp $data/labelsTr/$case.nii.gz "$evil/labelsTr/"
done
cp $data/imagesTr/hippocampus_001_0000.nii.gz "$work/images$red/=1+1_0000.nii.gz"
printf '%s\n' '{"channel_names": {"0": "MR\u001b[31m"}, "numTraining": 2, "file_ending": ".nii.gz",' \
    '"labels": {"background": 0, "=front\u001b[31m": 1, "@back": 2}}' >"$evil/dataset.json"
tiny="--base-features 4 --patch 8,8,8 --batch 1 --epochs 1 --iterations 1 --validation-batches 1 --threads 1 \
    --step 1 --no-mirror"

clean 2 "$shown" $nephron "evil$red"
clean 2 "$shown" $nephron train "$evil" "--evil$red"
clean 1 "$shown" $nephron info "$work/none$red"
clean 0 "$shown" $nephron info "$evil"
clean 0 "$shown" $nephron info "$evil/imagesTr/hippocampus_001_0000.nii.gz"
clean 0 "$shown" $nephron plan "$evil" -o "$work/plans.json"
clean 0 "$shown" $nephron train "$evil" -o "$work/run$red" --fold 0 $tiny
clean 0 "$shown" $nephron predict "$work/run$red" -i "$work/images$red" -o "$work/maps$red" --step 1 \
    --no-mirror --threads 1
[ -f "$work/maps$red/=1+1.nii.gz" ]
ok "a case called =1+1 is predicted" $?
mkdir "$work/reference"
cp $data/labelsTr/hippocampus_001.nii.gz "$work/reference/=1+1.nii.gz"
clean 0 "Dice" $nephron evaluate "$work/reference" "$work/maps$red" -o "$work/summary.json"
clean 0 "paired" $nephron compare "$work/summary.json" "$work/summary.json"
clean 0 "$shown" $nephron convert "$work/run$red/fold_0/checkpoint_final.safetensors" "$work/weights$red.npz"
printf 'case,site\nhippocampus_001,a%s\nhippocampus_003,b\n' "$red" >"$work/sites.csv"
clean 1 "has a control character" $nephron federate "$evil" -o "$work/federated" --sites "$work/sites.csv" \
    --rounds 1
printf 'case,site\nhippocampus_001,global\nhippocampus_003,b\n' >"$work/sites.csv"
clean 1 "stands for all sites" $nephron federate "$evil" -o "$work/federated" --sites "$work/sites.csv" \
    --rounds 1
printf 'case,site\nhippocampus_001,Nord\nhippocampus_003,nord\n' >"$work/sites.csv"
clean 1 "'Nord' and 'nord' differ in the case of letters alone" $nephron federate "$evil" -o \
    "$work/federated" --sites "$work/sites.csv" --rounds 1
printf 'case,site\nhippocampus_001,=a\nhippocampus_003,@b\n' >"$work/sites.csv"
clean 0 "=a" $nephron federate "$evil" -o "$work/federated" --sites "$work/sites.csv" --base-features 4 \
    --patch 8,8,8 --batch 1 --rounds 1 --local-iterations 1 \
    --validation-batches 1 --threads 1 --fold all --no-validation
grep -q "^0,'=a," "$work/federated/fold_all/rounds.csv" &&
    grep -q "^0,'@b," "$work/federated/fold_all/rounds.csv"
ok "rounds.csv has sites that a spreadsheet runs" $?
# ---- long names beside short ones: the columns of a table stand where they do in its other rows ------------
long=posterior_hippocampus_with_subiculum_of_the_left_side
# description, how the table begins, rows; $work/out holds it. Every row ends in the same column.
aligned() {
    awk -v first="$2" -v rows="$3" '
        index($0, first) == 1 { on = 1; want = length($0) }
        on && n < rows { n++; if (length($0) != want) bad = 1 }
        END { exit bad || n != rows }' "$work/out"
    ok "$1: $(grep -nF -A 3 "$2" "$work/out")" $?
}
sed "s/=front[^\"]*/front/; s/@back/$long/" "$evil/dataset.json" >"$work/dataset.json"
mkdir -p "$work/wide/labelsTr" "$work/wide/imagesTr"
cp "$work/dataset.json" "$work/wide/"
cp $data/labelsTr/hippocampus_001.nii.gz "$work/wide/labelsTr/"
wide=case_with_a_name_of_forty_letters_and_so_on
cp $data/labelsTr/hippocampus_003.nii.gz "$work/wide/labelsTr/$wide.nii.gz"
cp $data/imagesTr/hippocampus_001_0000.nii.gz "$work/wide/imagesTr/"
cp $data/imagesTr/hippocampus_003_0000.nii.gz "$work/wide/imagesTr/${wide}_0000.nii.gz"
$nephron evaluate "$work/wide/labelsTr" "$work/wide/labelsTr" --dataset "$work/dataset.json" \
    -o "$work/s.json" >"$work/out"
aligned "evaluate, a label of 52 letters" "label " 4
$nephron compare "$work/s.json" "$work/s.json" >"$work/out"
aligned "compare, the effects" "   " 4
sed '1,/^Bootstrap/d' "$work/out" >"$work/tests" && sed 1d "$work/tests" >"$work/out"
aligned "compare, the tests" "   " 4
$nephron train "$work/wide" -o "$work/long" --fold all $tiny --quiet
$nephron predict "$work/long" -i "$work/wide/imagesTr" -o "$work/long_maps" --step 1 --no-mirror --threads 1 \
    >"$work/out"
[ "$(sed -n 's/  front .*//p' "$work/out" | awk '{ print length($0) }' | sort -u | wc -l)" -eq 1 ]
ok "predict, names of cases: $(grep front "$work/out")" $?
$nephron info "$work/long/fold_all/checkpoint_final.safetensors" >"$work/out"
sed -n 's/^\(  F32 *\[.*\] *\)[a-z].*/\1/p' "$work/out" | awk '{ print length($0) }' | sort -u >"$work/widths"
[ "$(wc -l <"$work/widths")" -eq 1 ]
ok "info, the tensors: $(grep F32 "$work/out" | head -n 4)" $?

mv "$evil/imagesTr/hippocampus_003_0000.nii.gz" "$evil/imagesTr/hippo${red}_0000.nii.gz"
clean 1 "has a control character" $nephron train "$evil" -o "$work/other" $tiny

# Tables: no cell begins a formula, none holds an escape code.
find "$work" -name '*.csv' ! -path "$work/sites.csv" >"$work/tables"
while IFS= read -r table; do
    ! grep -qE "(^|,)\"?[=+@]" "$table" && ! grep -q "$esc" "$table"
    ok "$(echo "$table" | tr "$esc" '^') has a formula or an escape code" $?
done <"$work/tables"
[ -s "$work/tables" ]
ok "no table was written" $?

# ---- what a JSON cannot hold -------------------------------------------------------------------------------
# A command line is kept in JSON for --resume: a folder whose name is not UTF-8 is refused before a training.
latin="$work/n$(printf '\351')e"
some_cases "$latin" 'NR <= 4'
for command in "train $latin -o $work/run1" "federate $latin --sites 2 -o $work/run1" \
    "study --data $latin -o $work/run1"; do
    refuses 1 'n.xe9e: is not UTF-8, as [a-z]*.json is' $nephron $command --quiet
    [ ! -e "$work/run1" ]
    ok "a refused $command leaves a folder" $?
done
ln -s "$latin" "$work/linked"
$nephron train "$work/linked" -o "$latin.run" --base-features 4 --patch 8,8,8 --batch 1 --epochs 1 \
    --iterations 1 --fold all --no-validation --threads 1 --quiet
ok "a link to it, and a run of such a name" $?
$nephron train --resume "$latin.run" --epochs 2 --quiet
ok "--resume of such a run" $?
$nephron predict "$latin.run" -i "$latin/imagesTr" -o "$work/maps2" --step 1 --no-mirror --quiet 2>"$work/err"
[ $? -eq 0 ] && grep -q "note: .*n.xe9e.* is not UTF-8, as prediction.json is" "$work/err"
ok "predict tells that --resume will not find it: $(cat "$work/err")" $?

finish
