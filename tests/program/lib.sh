# lib.sh - what the scripts of this folder share. Each is started in the root of the tree, begins with
# `. tests/program/lib.sh` and ends with `finish`; what it writes goes to $work, which is removed at the end.
nephron=${NEPHRON:-./nephron}
data=tests/data/hippocampus
root=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/nephron_check_XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

pass() { passed=$((passed + 1)); }
fail() { # what went wrong
    failed=$((failed + 1))
    echo "FAILED $1"
}
ok() { # description, status
    if [ "$2" -eq 0 ]; then pass; else fail "$1"; fi
}

draw() { # into $drawn: the next number from 0 to 999 of $seed, for moments at random
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % 1000))
}
now() { date +%s%N | cut -c 1-13; } # milliseconds
enter_work() { # the rest of the script runs in $work
    case $nephron in /*) ;; *) nephron=$root/$nephron ;; esac
    data=$root/$data
    cd "$work" || exit 1
}

# A dataset of those cases of the sample whose rows of sites.csv an awk condition takes: for what does not
# depend on how many there are. 40 cases take three times as long to read as to train on for a moment.
some_cases() { # folder, condition
    mkdir -p "$1/imagesTr" "$1/labelsTr"
    awk "NR == 1 || ($2)" "$data/sites.csv" >"$1/sites.csv"
    for id in $(sed 1d "$1/sites.csv" | cut -d, -f1); do
        cp "$data/imagesTr/${id}_0000.nii.gz" "$1/imagesTr"
        cp "$data/labelsTr/$id.nii.gz" "$1/labelsTr"
    done
    sed "s/\"numTraining\": *[0-9]*/\"numTraining\": $(($(wc -l <"$1/sites.csv") - 1))/" \
        "$data/dataset.json" >"$1/dataset.json"
    chmod -R u+w "$1"
}

refuses() { # exit code, what the one line on stderr must say, command...
    want=$1
    text=$2
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    lines=$(wc -l <"$work/err")
    [ "$code" -eq "$want" ] && [ "$lines" -eq 1 ] && grep -q -- "$text" "$work/err"
    ok "exit $code (want $want), $lines lines, no '$text': $*: $(head -n 3 "$work/err")" $?
}

check() { # description, then a command that must succeed
    what=$1
    shift
    timeout 1000 "$@" >"$work/out" 2>"$work/err"
    ok "$what: $(head -n 3 "$work/err")" $?
}

says() { # description, text, then a command: it must fail with a line that holds the text
    what=$1
    text=$2
    shift 2
    if timeout 1000 "$@" >"$work/out" 2>"$work/err"; then
        fail "$what: no error"
    else
        grep -qF -e "$text" "$work/err"
        ok "$what: want '$text', got: $(cat "$work/err")" $?
    fi
}

holds() { # description, text, file
    grep -qF -e "$2" "$3"
    ok "$1: no '$2' in $3" $?
}

same() { # description, two files
    [ -s "$2" ] && cmp -s "$2" "$3"
    ok "$1: $2 and $3 differ, or are empty" $?
}

# malloc or write, a command: $work/fail.so (tests/fault) fails its calls; ends the script where none can be
# preloaded
preload() {
    ${CC:-cc} -shared -fPIC -I. -o "$work/fail.so" "tests/fault/fail_$1.c" -ldl -pthread
    ok "tests/fault/fail_$1.c is not compiled" $?
    what=$1
    shift
    FAIL_COUNT=$work/count LD_PRELOAD=$work/fail.so "$@" >/dev/null 2>&1 && [ -s "$work/count" ] && return
    echo "skipped, $what cannot be preloaded here"
    finish
    exit
}

# of a machine; Debian's static ones have another name
emulator() { command -v "qemu-$1" || command -v "qemu-$1-static"; }

# of progress.csv or rounds.csv
last_hash() { sed -n 's/.*,\([0-9a-f]\{16\}\)$/\1/p' "$1" 2>/dev/null | tail -n 1; }

finish() { # a remark, if any
    name=${0##*/}
    echo "${name%.sh}: $passed passed, $failed failed$1"
    [ "$failed" -eq 0 ]
}
