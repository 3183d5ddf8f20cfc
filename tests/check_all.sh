#!/bin/sh
# check_all.sh CHECK... - everything: the checks of `make check` in their long forms, then sanitizers, the
# other compiler, every instruction set level, other machines under emulation, every fault: an hour of two
# processors. The arguments are the Makefile's check programs and scripts. Each configuration is built once,
# in a copy under build/ that stays: the next run compiles what changed. What a machine has not is listed as
# skipped. ONLY=PATTERN runs the lines that match (grep -E), and builds what they need; LIST=1 prints the
# lines. JOBS of them run at a time (default: one more than processors, as some wait for a clock). Last
# line: a count; before it what took the most processor time and what is red. build/check_all.tsv then has a
# row for each line (see run_checks.sh), and TABLE=1 prints docs/testing.md's table from the rows that are
# there, without running anything.
root=$(pwd)
unit=
scripts=
for check in "$@"; do
    case $check in
    *.sh) scripts="$scripts $check" ;;
    *) unit="$unit $check" ;;
    esac
done
jobs=${JOBS:-$(($(getconf _NPROCESSORS_ONLN) + 1))}

# Lines by kind: how many, what they counted, processor minutes.
table() { # file of rows
    awk -F'\t' '
        function group(line) {
            if (line == "builds") return "building these configurations"
            if (line ~ /build\/sanitize/) return "ASan, UBSan, LSan: programs of checks, scripts, commands"
            if (line ~ /build\/thread/) return "TSan: every command with three threads"
            if (line ~ /FAULT=valgrind/) return "valgrind: every command"
            if (line ~ /bits\/clang/) return "kernels, tensors, readers, statistics by clang -O2"
            if (line ~ /bits\/aarch64/) return "kernels and tensors for aarch64, emulated"
            if (line ~ /NEPHRON_ISA=|at level/) return "learning at each level"
            if (line ~ /FAULT=/) return "faults in every command: allocations, writes, renames, folders"
            if (line ~ /check_bits/) return "the bits: compilers, levels, threads, machines"
            if (line ~ /build\/plain/) return "the shortest build, gcc and clang -O0"
            if (line ~ /\.sh/) return "scripts of make check in their long forms, those for check-all alone"
            return "programs of checks, in their long forms" }
        $1 ~ /^[0-9]+$/ { g = group($5); if (!(g in lines)) order[++groups] = g
            lines[g]++; s[g] += $1; p[g] += $2; f[g] += $3; k[g] += $4 }
        function row(g) {
            printf "| %s | %d | %d | %d | %d | %.1f |\n", g, lines[g], p[g], f[g], k[g], s[g] / 60
            lines["all"] += lines[g]; s["all"] += s[g]; p["all"] += p[g]; f["all"] += f[g]; k["all"] += k[g] }
        END { print "| lines | how many | passed | failed | skipped | processor minutes |"
            print "|---|---:|---:|---:|---:|---:|"
            for (i = 1; i <= groups; i++) row(order[i])
            row("all") }' "$1"
}
if [ -n "$TABLE" ]; then
    table build/check_all.tsv
    exit
fi

list=$(mktemp "${TMPDIR:-/tmp}/nephron_all_XXXXXX") || exit 1
trap 'rm -f "$list"' EXIT
have() { command -v "$1" >/dev/null; }
add() { echo "$*" >>"$list"; }
skip() { add "echo 'skipped $1: $2'; echo 'skip: 0 passed, 0 failed'"; }

# ---- what is run: those that take longest first --------------------------------------------------------

# At a level that this machine has not, the program would run at a lower one; at its highest one it runs
# anyway.
highest=
for level in avx512 avx2 scalar; do
    flag=$level
    [ $level != avx512 ] || flag=avx512bw
    if [ $level != scalar ] && ! grep -qw $flag /proc/cpuinfo 2>/dev/null; then
        skip "the checks at level $level" "this machine has not the level"
        continue
    fi
    if [ -z "$highest" ]; then
        highest=$level
        continue
    fi
    for check in tensor/check_gradients tensor/check_ops nn/check_networks nn/check_train \
        fl/check_federated; do
        add "NEPHRON_ISA=$level tests/unit/$check"
    done
done

# Emulated, check_winograd takes minutes alone.
by_neon=$(echo $unit | tr ' ' '\n' |
    grep -E 'tensor/check_tensor|kernels/check_(elem|norm|kernels|winograd|pool)')
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
if have aarch64-linux-gnu-gcc && [ -n "$emulator" ]; then
    for check in $by_neon; do add "cd build/bits/aarch64 && $emulator ./$check"; done
else skip aarch64 "aarch64-linux-gnu-gcc or qemu-aarch64(-static) is not installed"; fi

for script in $scripts; do
    case $script in
    *check_memory.sh | *check_writes.sh | *check_kills.sh) ;; # longer below
    *check_memory_io.sh) add "CHECK_MEMORY_MOST=400 sh $script" ;;
    *check_signals.sh) add "sh $script 10" ;;
    *check_carried_kills.sh) add "sh $script 50" ;;
    *) add "FEW=1 CHECK_ALL=1 sh $script" ;;
    esac
done
for fault in malloc write kill readonly; do
    add "FAULT=$fault CHECK_FAULTS=100 sh tests/program/check_commands.sh"
done
for check in $unit; do
    case $check in
    *fl/check_allocations | *fl/check_faults | *fl/check_library_memory | *fl/check_secure | \
        *fl/check_ciphers)
        add "./$check long" ;;
    *) add "CHECK_ALL=1 ./$check" ;;
    esac
done
add "sh tests/program/check_random_kills.sh 200"
for script in reproducible mpi web book_page wasm constant_time; do add "sh tests/program/check_$script.sh"; done

# Under sanitizers every tenth value is a quarter of an hour.
add "cd build/sanitize && ./tests/fuzz/check_fuzz --values 40"
add "./tests/fuzz/check_fuzz --values 10"
if have valgrind; then add "FAULT=valgrind sh tests/program/check_commands.sh"
else skip "memcheck over every command" "valgrind is not installed"; fi

# Sanitizers: the programs, and the scripts that give the commands what others may give them.
for check in $unit; do add "cd build/sanitize && ./$check"; done
for script in cases_io image_data convert carried compare ensemble names wrapped strict habits; do
    add "cd build/sanitize && sh tests/program/check_$script.sh"
done
add "cd build/sanitize && CHECK_ALL=1 ./tests/unit/io/check_dicom_jpeg"
add "cd build/sanitize && FAULT=none sh tests/program/check_commands.sh"
add "cd build/thread && FAULT=none THREADS=3 sh tests/program/check_commands.sh"

# What learning comes to under clang, check_bits.sh says.
by_clang=$(echo $unit | tr ' ' '\n' |
    grep -E 'kernels/|unit/(tensor|io)/|fuzz/|stats|metrics|privacy|secure$|strategies|compress')
if have clang; then
    for check in $by_clang; do add "cd build/bits/clang-O2 && ./$check"; done
else skip clang "clang is not installed"; fi
for compiler in gcc clang; do # the shortest build there is, without the Makefile
    have $compiler || continue
    add "$compiler -O0 -D_GNU_SOURCE -DNEPHRON_VERSION='\"x\"' -I. -ffp-contract=off \$(make -s sources)" \
        "-o build/plain-$compiler -lm -pthread &&" \
        "build/plain-$compiler --version && echo 'plain_$compiler: 1 passed, 0 failed'"
done

[ -z "$ONLY" ] || { grep -E -e "$ONLY" "$list" >"$list.only"; mv "$list.only" "$list"; }
[ -z "$LIST" ] || { cat "$list"; exit; }

# ---- what they need ------------------------------------------------------------------------------------

copy() { # the sources in build/NAME; what was built there stays
    mkdir -p "build/$1"
    find Makefile README.md LICENSE tensor nn fl io apps tests docs \( -path tests/data -o -path \
        tests/fuzz/corpus \) -prune -o \
        -type f \( -name '*.*' ! -name '*.[oad]' -o -name Makefile -o -name LICENSE \) -print |
        tar cf - -T - | tar xf - -C "build/$1"
    for folder in data fuzz/corpus; do ln -sfn "$root/tests/$folder" "build/$1/tests/$folder"; done
}
build() { # folder, targets, CC, CFLAGS: where a line of the list works there
    grep -q "cd build/$1 " "$list" || return
    copy "$1"
    echo "== builds $1"
    make -C "build/$1" -j"$jobs" $2 CC="$3" CFLAGS="$4" CFLAGS_CHECKS= >"build/log" 2>&1 && return
    grep -E 'error:|warning:' build/log | head -n 20
    tail -n 5 build/log
}
build sanitize "nephron $unit" gcc "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
build thread nephron gcc "-O1 -g -fsanitize=thread"
build bits/clang-O2 "$by_clang" clang "-O2 -Werror" # check_bits.sh goes on with the objects of these two
build bits/aarch64 "$by_neon" aarch64-linux-gnu-gcc "-O1 -static"

times >build/log
took=$(tail -n 1 build/log | sed 's/s//g; s/m/ /g' | awk '{ printf "%.0f", 60 * ($1 + $3) + $2 + $4 }')
IFS='
'
LOG=build/check_all.tsv JOBS=$jobs sh tests/run_checks.sh $(cat "$list")
status=$?
printf '%s\t0\t0\t0\tbuilds\n' "$took" >>build/check_all.tsv
exit $status
