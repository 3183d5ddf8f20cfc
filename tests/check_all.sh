#!/bin/sh
# check_all.sh CHECK... - what `make check` has no time for: sanitizers, the other compiler, every instruction set level, aarch64 under emulation,
# and the fuzz targets over every sample file. The arguments are the Makefile's check programs. Works on copies under build/, so that the tree's
# own objects stay. Last line: a count. Processor time in minutes, Zen 4: sanitizers 4 to
# build, 6 for the programs, and 20 or more for the scripts that train (check_study_program.sh alone over 10); clang 2 to build, 5 to check; aarch64 1 to
# build and 3 or more under emulation, before the levels and the builds of the end.
passed=0
failed=0
skipped=0
root=$(pwd)
mkdir -p build
unit=$*
jobs=$(getconf _NPROCESSORS_ONLN)

copy() { # a clean copy of the sources in build/NAME
    rm -rf "build/$1"
    mkdir -p "build/$1"
    tar cf - --exclude='*.o' --exclude='*.a' Makefile README.md LICENSE tensor nn fl io apps tests docs | tar xf - -C "build/$1"
}

run() { # description, folder, command...
    what=$1
    where=$2
    shift 2
    echo "== $what"
    if (cd "$where" && "$@") >"$root/build/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        grep -E 'FAILED|ERROR|runtime error|error:' "$root/build/log" | head -n 20
        tail -n 5 "$root/build/log"
    fi
}

skip() { echo "== $1: skipped, $2 is not installed"; skipped=$((skipped + 1)); }

copy sanitize
sanitize="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
run "address and undefined behaviour sanitizers, gcc: builds" build/sanitize make -j"$jobs" all $unit CC=gcc CFLAGS="$sanitize"
run "the checks under the sanitizers" build/sanitize make check CC=gcc CFLAGS="$sanitize"

run "no warnings, no findings without a reason, no variables that stay" . env CHECK_ALL=1 sh tests/program/check_static.sh
run "secrets decide no branch and no address" . sh tests/program/check_constant_time.sh
run "the kernels in WebAssembly have the bits of plain C" . sh tests/program/check_wasm.sh
run "the page in a browser predicts as the program does" . sh tests/program/check_web.sh
run "secure aggregation: 1000 iterations of RFC 7748, sessions of 20 sites" . ./tests/unit/fl/check_secure long
run "signals at many moments" . sh tests/program/check_signals.sh 20
run "each allocation of the readers and writers fails once" . env CHECK_MEMORY_MOST=1000000 sh tests/program/check_memory_io.sh
run "each allocation of the commands fails once" . env CHECK_MEMORY_MOST=1000000 sh tests/program/check_memory.sh
run "each write of the commands fails once" . env CHECK_MEMORY_MOST=1000000 sh tests/program/check_writes.sh
run "each allocation under the library's header fails once" . ./tests/unit/fl/check_library_memory long
run "JPEG decoders: every cut, every flipped bit, under the sanitizers" build/sanitize env CHECK_ALL=1 ./tests/unit/io/check_dicom_jpeg
for target in fuzz_tables fuzz_images fuzz_dicom fuzz_jpeg; do # every sample file through the fuzz targets; to fuzz: see the heads of the files
    run "$target over the sample files" build/sanitize sh -c "make tests/fuzz/$target CFLAGS='$sanitize' && find tests/data -type f | xargs ./tests/fuzz/$target"
done

if command -v clang >/dev/null; then
    copy clang
    run "clang builds" build/clang make -j"$jobs" all $unit CC=clang CFLAGS="-O2 -g -Werror"
    run "the checks built by clang" build/clang make check CC=clang CFLAGS="-O2 -g"
else skip "clang" clang; fi

for isa in scalar avx2 avx512; do
    for check in tests/unit/tensor/check_gradients tests/unit/tensor/check_ops tests/unit/nn/check_networks tests/unit/nn/check_train tests/unit/fl/check_federated; do
        run "$check at level $isa" . env NEPHRON_ISA=$isa ./$check
    done
done

emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
if command -v aarch64-linux-gnu-gcc >/dev/null && [ -n "$emulator" ]; then
    copy aarch64
    # Without those that have a malloc of their own, which a static libc refuses.
    static=$(echo "$unit" | tr ' ' '\n' | while read -r check; do grep -q allocations.h "$check.c" || echo "$check"; done)
    run "aarch64 builds" build/aarch64 make -j"$jobs" all $static CC=aarch64-linux-gnu-gcc CFLAGS="-O2 -static"
    for check in tests/unit/tensor/check_tensor tests/kernels/check_elem tests/kernels/check_pool_loss tests/kernels/check_kernels tests/kernels/check_winograd tests/unit/nn/check_networks; do
        run "$check on aarch64 (NEON)" build/aarch64 "$emulator" ./$check
    done
else skip "aarch64" "aarch64-linux-gnu-gcc or qemu-aarch64(-static)"; fi

run "the same bits everywhere" . env CHECK_ALL=1 sh tests/bits/check_bits.sh
run "a study, with its larger presets" . env CHECK_ALL=1 sh tests/program/check_study_program.sh
run "the program, with its long parts" . env CHECK_ALL=1 sh tests/program/check_program.sh
run "every network with every norm" . env CHECK_ALL=1 sh tests/program/check_network_choice.sh
run "networks as C, each kind on each machine" . env CHECK_ALL=1 sh tests/program/check_export.sh
run "a federated run killed at 50 moments" . ./tests/unit/fl/check_faults long
copy mpi
run "MPI gives the weights of the simulation" build/mpi sh tests/program/check_mpi.sh

for compiler in gcc clang; do # the shortest build there is
    command -v $compiler >/dev/null || continue
    copy plain
    sources=$(make -s sources)
    mkdir -p build/plain/build && cp build/device_sources.c build/plain/build # the one file that the build makes
    run "$compiler -O2 -I. without a Makefile" build/plain $compiler -O2 -D_GNU_SOURCE -DNEPHRON_VERSION='"x"' -I. -ffp-contract=off \
        $sources -o neph -lm -pthread
done

run "two folders, two users, two days: one program" . sh tests/program/check_reproducible.sh

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
