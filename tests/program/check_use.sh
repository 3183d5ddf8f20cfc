#!/bin/sh
# check_use.sh - the first commands of docs/use.md, as a stranger copies them, in a folder with the program
# and the sample.
. tests/program/lib.sh

awk '/^```/ { inside = !inside; next } inside' docs/use.md >"$work/commands"
lines=$(grep -c '^\./nephron' "$work/commands")
[ "$lines" -ge 12 ]
ok "docs/use.md has $lines commands to run" $?
mkdir -p "$work/here/tests"
ln -s "$root/tests/data" "$work/here/tests/data"
ln -s "$(realpath "$nephron")" "$work/here/nephron"
cd "$work/here" || exit 1
sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "$work/commands" >"$work/joined"
while IFS= read -r command; do
    sh -c "$command" >"$work/out" 2>"$work/err" </dev/null
    ok "$command: $(head -n 3 "$work/err")" $?
done <"$work/joined"
for made in scans/dataset.json run/manifest.json predicted.nii.gz summary.json run_fl/fold_0/rounds.csv \
    model.onnx image.nii.gz; do
    test -s "$made"
    ok "no $made" $?
done

finish
