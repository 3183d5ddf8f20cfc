#!/bin/sh
# check_hospitals.sh - runs every command of docs/hospitals.md, in its order, as a reader would, and compares the hashes.
top=$PWD
SAMPLE=$top/tests/data/hippocampus
export SAMPLE
PATH=$top:$PATH
export PATH
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0
failed=0
# Lines that end with \ go on in the next.
sed -n 's/^    //p' "$top/docs/hospitals.md" | sed -e ':a' -e '/\\$/N' -e 's/ *\\\n */ /' -e 'ta' >commands
while IFS= read -r line; do
    if sh -c "$line" >>out 2>err </dev/null; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED $line"
        head -n 2 err
    fi
done <commands
[ "$(wc -l <commands)" -ge 18 ] || { echo "FAILED the page has only $(wc -l <commands) commands"; failed=$((failed + 1)); }
carried=$(tail -n 1 FED/rounds.csv | sed 's/.*,//')
simulated=$(tail -n 1 simulated/fold_all/rounds.csv | sed 's/.*,//')
if [ -n "$carried" ] && [ "$carried" = "$simulated" ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED carried files end at $carried, the simulation at $simulated"
fi
grep -q 'round 1 of 3: 3 updates, 0 refused, weights' out || { echo "FAILED the page quotes another line"; failed=$((failed + 1)); }
echo "check_hospitals: $passed passed, $failed failed"
[ $failed -eq 0 ]
