#!/bin/sh
# check_all.sh CHECK... - what `make check` has no time for, an hour of two processors: sanitizers, the other compiler, every
# instruction set level, other machines under emulation, every fault, and the long forms of checks. The arguments are the
# Makefile's check programs. Each configuration is built once, in a copy under build/ that stays: the next run compiles what
# changed. What a machine has not is listed as skipped. ONLY=PATTERN runs the lines that match (grep -E), and builds what they need;
# LIST=1 prints the lines. Last line: a count; before it what took the most processor time and what is red.
root=$(pwd)
unit=$*
jobs=$(getconf _NPROCESSORS_ONLN)
list=$(mktemp "${TMPDIR:-/tmp}/nephron_all_XXXXXX") || exit 1
trap 'rm -f "$list"' EXIT
have() { command -v "$1" >/dev/null; }
add() { echo "$*" >>"$list"; }
skip() { add "echo 'skipped $1: $2'; echo 'skip: 0 passed, 0 failed'"; }

# ---- what is run: those that take longest first --------------------------------------------------------

# At a level that this machine has not, the program would run at a lower one.
for level in scalar avx2 avx512; do
    flag=$level
    [ $level != avx512 ] || flag=avx512bw
    if [ $level != scalar ] && ! grep -qw $flag /proc/cpuinfo 2>/dev/null; then
        skip "the checks at level $level" "this machine has not the level"
        continue
    fi
    for check in tensor/check_gradients tensor/check_ops nn/check_networks nn/check_train fl/check_federated; do
        add "NEPHRON_ISA=$level tests/unit/$check"
    done
done

add "CHECK_ALL=1 sh tests/bits/check_bits.sh"
add "CHECK_ALL=1 sh tests/program/check_study_program.sh"
for fault in malloc write kill readonly; do add "FAULT=$fault CHECK_FAULTS=150 sh tests/program/check_commands.sh"; done
add "CHECK_MEMORY_MOST=1000 sh tests/program/check_memory_io.sh"

# Sanitizers: the programs, and the scripts that give the commands what others may give them.
for check in $unit; do add "cd build/sanitize && ./$check"; done
for script in cases_io image_data convert carried compare ensemble names wrapped strict covariates habits plan network_choice; do
    add "cd build/sanitize && sh tests/program/check_$script.sh"
done
add "cd build/sanitize && ./tests/fuzz/check_fuzz --values 5"
add "cd build/sanitize && CHECK_ALL=1 ./tests/unit/io/check_dicom_jpeg"
add "cd build/sanitize && FAULT=none sh tests/program/check_commands.sh"
add "cd build/thread && FAULT=none THREADS=3 sh tests/program/check_commands.sh"
if have valgrind; then add "FAULT=valgrind sh tests/program/check_commands.sh"
else skip "memcheck over every command" "valgrind is not installed"; fi

if have clang; then
    for check in $unit; do add "cd build/bits/clang-O2 && ./$check"; done
else skip clang "clang is not installed"; fi
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
if have aarch64-linux-gnu-gcc && [ -n "$emulator" ]; then
    for check in unit/tensor/check_tensor kernels/check_elem kernels/check_pooling_loss kernels/check_kernels kernels/check_winograd; do
        add "cd build/bits/aarch64 && $emulator ./tests/$check"
    done
else skip aarch64 "aarch64-linux-gnu-gcc or qemu-aarch64(-static) is not installed"; fi

add "CHECK_ALL=1 sh tests/program/check_program.sh"
add "CHECK_ALL=1 sh tests/program/check_export.sh"
add "CHECK_ALL=1 sh tests/program/check_network_choice.sh"
add "CHECK_ALL=1 sh tests/program/check_static.sh"
add "sh tests/program/check_reproducible.sh"
add "sh tests/program/check_mpi.sh"
add "sh tests/program/check_web.sh"
add "sh tests/program/check_wasm.sh"
add "sh tests/program/check_signals.sh 20"
add "sh tests/program/check_constant_time.sh"
add "./tests/unit/fl/check_faults long"
add "sh tests/program/check_carried_kills.sh 50"
add "./tests/unit/fl/check_library_memory long"
add "./tests/unit/fl/check_secure long"
for compiler in gcc clang; do # the shortest build there is, without the Makefile
    have $compiler || continue
    add "$compiler -O0 -D_GNU_SOURCE -DNEPHRON_VERSION='\"x\"' -I. -ffp-contract=off \$(make -s sources) -o build/plain-$compiler -lm -pthread &&" \
        "build/plain-$compiler --version && echo 'plain build by $compiler: 1 passed, 0 failed'"
done

[ -z "$ONLY" ] || { grep -E -e "$ONLY" "$list" >"$list.only"; mv "$list.only" "$list"; }
[ -z "$LIST" ] || { cat "$list"; exit; }

# ---- what they need ------------------------------------------------------------------------------------

copy() { # the sources in build/NAME; what was built there stays
    mkdir -p "build/$1"
    find Makefile README.md LICENSE tensor nn fl io apps tests docs -path tests/data -prune -o -type f -name '*.*' ! -name '*.[oad]' -print -o -name Makefile -print -o -name LICENSE -print |
        tar cf - -T - | tar xf - -C "build/$1"
    ln -sfn "$root/tests/data" "build/$1/tests/data"
}
build() { # folder, targets, CC, CFLAGS: where a line of the list works there
    grep -q "cd build/$1 " "$list" || return
    copy "$1"
    echo "== builds $1"
    make -C "build/$1" -j"$jobs" $2 CC="$3" CFLAGS="$4" >"build/log" 2>&1 && return
    grep -E 'error:|warning:' build/log | head -n 20
    tail -n 5 build/log
}
build sanitize "nephron $unit" gcc "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
build thread nephron gcc "-O1 -g -fsanitize=thread"
build bits/clang-O2 "nephron $unit" clang "-O2 -Werror" # check_bits.sh goes on with the objects of these two
# Without those that have a malloc of their own, which a static libc refuses.
static=$(echo "$unit" | tr ' ' '\n' | while read -r check; do grep -q allocations.h "$check.c" || echo "$check"; done)
build bits/aarch64 "$static" aarch64-linux-gnu-gcc "-O1 -static"

IFS='
'
sh tests/run_checks.sh $(cat "$list")
