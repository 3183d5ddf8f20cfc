#!/bin/sh
# check_use.sh - the first commands of docs/use.md, as a stranger copies them, in a folder with the program
# and the sample; with CHECK_ALL=1 also the first of docs/federation.md, which makes an entry of its table.
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

if [ -n "$CHECK_ALL" ]; then
    awk '/^    / { print; found = 1; next } found { exit }' "$root/docs/federation.md" >"$work/commands"
    sh -e "$work/commands" >"$work/out" 2>"$work/err" </dev/null
    ok "docs/federation.md: $(head -n 3 "$work/err")" $?
    wanted=$(sed -n 's/^| 3 | iid | \([0-9.]*\) .*/\1/p' "$root/docs/federation.md" | head -n 1)
    got=$(awk -F , '$2 == "global" { metric = $3 } END { printf "%.2f", metric }' "$work/out")
    [ "$got" = "$wanted" ]
    ok "docs/federation.md: the first commands make $got, the table has $wanted" $?
fi
finish
