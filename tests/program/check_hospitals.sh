#!/bin/sh
# check_hospitals.sh - runs every command of docs/hospitals.md, in its order, as a reader would, and compares
# the hashes.
. tests/program/lib.sh
enter_work
SAMPLE=$data
PATH=$root:$PATH
export SAMPLE PATH
# Lines that end with \ go on in the next.
sed -n 's/^    //p' "$root/docs/hospitals.md" | sed -e ':a' -e '/\\$/N' -e 's/ *\\\n */ /' -e 'ta' >commands
while IFS= read -r line; do
    sh -c "$line" >>out 2>err </dev/null
    ok "$line: $(head -n 2 err)" $?
done <commands
[ "$(wc -l <commands)" -ge 18 ] || fail "the page has only $(wc -l <commands) commands"
carried=$(tail -n 1 FED/rounds.csv | sed 's/.*,//')
simulated=$(tail -n 1 simulated/fold_all/rounds.csv | sed 's/.*,//')
[ -n "$carried" ] && [ "$carried" = "$simulated" ]
ok "carried files end at $carried, the simulation at $simulated" $?
grep -q 'round 1 of 3: 3 updates, 0 refused, weights' out || fail "the page quotes another line"
finish
